package index

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"varve/internal/digest"
)

// randomDigest is a stand-in for a keyed digest.
func randomDigest(r *rand.Rand) (d digest.Digest) {
	for i := 0; i < len(d); i += 8 {
		binary.LittleEndian.PutUint64(d[i:], r.Uint64())
	}
	return d
}

// spread returns a Writer with n rows of random digests, a few hundred to a pack.
func spread(seed uint64, n int) (*Writer, []digest.Digest) {
	r := rand.New(rand.NewPCG(seed, 0))
	var w Writer
	ds := make([]digest.Digest, n)
	var pack uint32
	for i := range ds {
		if i%512 == 0 {
			d := randomDigest(r)
			pack = w.AddPack(PackInfo{PackID(d[:]), 32 << 20})
		}
		ds[i] = randomDigest(r)
		w.Add(ds[i], pack, uint32(i%512/4), uint16(i%4), 0)
	}
	return &w, ds
}

func mustOpen(tb testing.TB, b []byte) *Segment {
	tb.Helper()
	s, err := Open(b)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func BenchmarkEncode(b *testing.B) {
	const n = 1 << 20
	w, _ := spread(1, n)
	shuffled := append([]entry(nil), w.rows...)
	b.SetBytes(n * rowSize)
	for b.Loop() {
		copy(w.rows, shuffled)
		w.Encode()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}

func BenchmarkFilter(b *testing.B) {
	const n = 1 << 20
	w, _ := spread(1, n)
	s := mustOpen(b, w.Encode())
	out := make([]byte, 0, filterRoom(n))
	size := 0
	for b.Loop() {
		size = len(appendFilter(out, s.rows, s.head.fanout))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
	b.ReportMetric(float64(size)/n, "bytes/row")
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1 << 16, 1 << 20} {
		w, ds := spread(1, n)
		set := NewSet(mustOpen(b, w.Encode()))
		_, others := spread(2, n)
		for _, c := range []struct {
			name string
			ds   []digest.Digest
		}{{"hit", ds}, {"miss", others}} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				var dst []Place
				i := 0
				for b.Loop() {
					dst = set.Lookup(c.ds[i&(n-1)], dst[:0])
					i++
				}
			})
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	const n, k = 1 << 17, 9
	var segments []*Segment
	for i := range k {
		w, _ := spread(uint64(i), n)
		segments = append(segments, mustOpen(b, w.Encode()))
	}
	b.Run("whole", func(b *testing.B) {
		b.SetBytes(k * n * rowSize)
		for b.Loop() {
			if _, err := Merge(segments, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("rows", func(b *testing.B) {
		b.SetBytes(k * n * rowSize)
		for b.Loop() {
			if _, err := mergeRows(segments, nil, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	w, _ := spread(1, 1<<20)
	seg := w.Encode()
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			mustOpen(b, seg)
		}
	})
	b.Run("check", func(b *testing.B) {
		s := mustOpen(b, seg)
		b.SetBytes(int64(len(seg)))
		for b.Loop() {
			if err := s.Check(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkClaim(b *testing.B) {
	const n = 1 << 20
	_, ds := spread(3, n)
	var bytes float64
	for b.Loop() {
		l := NewLive()
		for _, d := range ds {
			l.Claim(d)
		}
		for i, d := range ds {
			l.Set(d, Place{Block: uint32(i)})
		}
		bytes = float64(l.bytes()) / n
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n/2, "ns/call")
	b.ReportMetric(bytes, "bytes/entry")
}
