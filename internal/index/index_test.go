package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
)

// A fact is what the reference model holds: this digest is at that place.
type fact struct {
	d  digest.Digest
	at Place
}

// packNamed is one of a few packs; its size follows from its name.
func packNamed(n int) PackInfo {
	return PackInfo{ID: PackID{byte(n), 15: 1}, Size: int64(1000 * (n + 1))}
}

// digests draws digests that collide often: in their first 8 bytes, in their whole prefix, and entirely.
func digests(t *rapid.T) digest.Digest {
	var d digest.Digest
	pick := func(at int, name string) {
		d[at] = rapid.SampledFrom([]byte{0, 1, 2, 127, 128, 254, 255}).Draw(t, name)
	}
	pick(0, "first")
	pick(7, "key")
	pick(15, "prefix")
	pick(31, "rest")
	return d
}

func facts(t *rapid.T, label string) []fact {
	n := rapid.IntRange(0, 60).Draw(t, label+" count") // drawn apart: slices of a range of lengths come out short
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) fact {
		return fact{digests(t), Place{
			Pack:  packNamed(rapid.IntRange(0, 5).Draw(t, "pack")).ID,
			Block: uint32(rapid.IntRange(0, 2).Draw(t, "block")),
			Place: uint16(rapid.IntRange(0, 2).Draw(t, "place")),
			Flags: Flags(rapid.IntRange(0, 3).Draw(t, "flags")),
		}}
	}), n, n).Draw(t, label)
}

func write(fs []fact) *Writer {
	var w Writer
	for _, f := range fs {
		n := w.AddPack(packNamed(int(f.at.Pack[0])))
		w.Add(f.d, n, f.at.Block, f.at.Place, f.at.Flags)
	}
	return &w
}

// placesOf is the truth: places of all digests with the prefix of d.
func placesOf(fs []fact, d digest.Digest) map[Place]bool {
	m := map[Place]bool{}
	for _, f := range fs {
		if bytes.Equal(f.d[:16], d[:16]) {
			m[f.at] = true
		}
	}
	return m
}

func checkLookups(t interface{ Fatalf(string, ...any) }, set *Set, fs, strangers []fact) {
	for _, f := range slices.Concat(fs, strangers) {
		want := placesOf(fs, f.d)
		got := set.Lookup(f.d, nil)
		if len(got) != len(want) {
			t.Fatalf("%v: %d places %v, want %v", f.d, len(got), got, want)
		}
		for _, p := range got {
			if !want[p] {
				t.Fatalf("%v: place %v, want %v", f.d, p, want)
			}
		}
		if set.Has(f.d) != (len(want) > 0) {
			t.Fatalf("%v: has %v, want %d places", f.d, set.Has(f.d), len(want))
		}
	}
}

func TestSetAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []fact
		set := NewSet()
		for range rapid.IntRange(0, 4).Draw(t, "segments") {
			fs := facts(t, "facts")
			s, err := Open(write(fs).Encode())
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			set, all = set.With(s), append(all, fs...)
		}
		checkLookups(t, set, all, facts(t, "strangers"))
	})
}

func TestMergeAgainstWriter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []fact
		var segments []*Segment
		var want Writer
		gone := packNamed(rapid.IntRange(0, 9).Draw(t, "dropped")).ID
		for range rapid.IntRange(0, 6).Draw(t, "segments") {
			fs := facts(t, "facts")
			s, err := Open(write(fs).Encode())
			if err != nil {
				t.Fatal(err)
			}
			segments = append(segments, s)
			for _, f := range fs {
				if f.at.Pack != gone {
					all = append(all, f)
				}
			}
		}
		b, err := Merge(segments, func(id PackID) bool { return id == gone }, SegmentID{2}, SegmentID{1}, SegmentID{2})
		if err != nil {
			t.Fatal(err)
		}
		want = *write(all)
		want.Replace(SegmentID{1}, SegmentID{2})
		if !bytes.Equal(b, want.Encode()) {
			t.Fatalf("merged segment differs from a written one of the same %d facts", len(all))
		}
		s, err := Open(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(); err != nil {
			t.Fatal(err)
		}
		if got := s.Replaces(); !slices.Equal(got, []SegmentID{{1}, {2}}) {
			t.Fatalf("replaces %v", got)
		}
		checkLookups(t, NewSet(s), all, nil)
	})
}

// TestRows reads back exactly the distinct facts, in order, and does not depend on how they were added.
func TestRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := facts(t, "facts")
		w := write(fs)
		b := w.Encode()
		if again := w.Encode(); !bytes.Equal(b, again) {
			t.Fatalf("second Encode differs")
		}
		if other := write(rapid.Permutation(fs).Draw(t, "order")).Encode(); !bytes.Equal(b, other) {
			t.Fatalf("another order of adding encodes differently")
		}
		s, err := Open(b)
		if err != nil {
			t.Fatal(err)
		}
		type full struct {
			p  Prefix
			at Place
		}
		want := map[full]bool{}
		for _, f := range fs {
			want[full{Prefix(f.d[:16]), f.at}] = true
		}
		packs, got, last := s.Packs(), map[full]bool{}, Prefix{}
		for r := range s.Rows() {
			if bytes.Compare(r.Prefix[:], last[:]) < 0 {
				t.Fatalf("row %v after %v", r.Prefix, last)
			}
			last = r.Prefix
			got[full{r.Prefix, Place{packs[r.Pack].ID, r.Block, r.Place, r.Flags}}] = true
		}
		if !maps.Equal(got, want) || s.Len() != len(want) {
			t.Fatalf("%d rows, want %d", s.Len(), len(want))
		}
	})
}

// TestBytes pins the format: one row and its header written out by hand.
func TestBytes(t *testing.T) {
	var w Writer
	w.Replace(SegmentID{0xaa})
	d := digest.Digest{0: 1, 7: 7, 15: 15, 16: 16}
	w.Add(d, w.AddPack(PackInfo{PackID{0xbb}, 0x0102}), 0x03040506, 0x0708, Delta|Meta)
	got := w.Encode()
	head, _ := hex.DecodeString("7661727665696478" + "01000000" + "00000000" + "0100000000000000" +
		"01000000" + "01000000")
	if !bytes.Equal(got[:32], head) {
		t.Errorf("header\n%x, want\n%x", got[:32], head)
	}
	body, _ := hex.DecodeString("aa000000000000000000000000000000" +
		"bb000000000000000000000000000000" + "0201000000000000" +
		"0100000000000007" + "000000000000000f" + "00000000" + "06050403" + "0807" + "03" + "00" + "00000000" +
		"0000000000000000")
	if !bytes.Equal(got[64:64+len(body)], body) {
		t.Errorf("body\n%x, want\n%x", got[64:64+len(body)], body)
	}
	if n := binary.LittleEndian.Uint64(got[32:]); n != uint64(len(got)) || n%8 != 0 {
		t.Errorf("length %d of %d bytes", n, len(got))
	}
}

// secondReader follows the package comment and nothing else.
func secondReader(b []byte, k uint64) bool {
	le := binary.LittleEndian
	up := func(n int) int { return (n + 7) / 8 * 8 }
	f, n := le.Uint32(b[12:]), int(le.Uint64(b[16:]))
	table := 64 + 16*int(le.Uint32(b[24:])) + 24*int(le.Uint32(b[28:])) + up(28*n)
	at := table + 24<<f
	for p := range 1 << f {
		e := b[table+24*p:]
		seed, length, count := le.Uint64(e[8:]), uint64(le.Uint32(e[16:])), uint64(le.Uint32(e[20:]))
		size := int((count + 2) * length)
		if uint64(p) != k>>(64-f) {
			at += up(size)
			continue
		}
		if length == 0 {
			return true
		}
		mix := func(x uint64) uint64 {
			x = (x ^ x>>33) * 0xff51afd7ed558ccd
			x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
			return x ^ x>>33
		}
		F, h := b[at:at+size], mix(k+seed)
		i, _ := bits.Mul64(h, count*length)
		j, l := (i+length)^((h>>18)&(length-1)), (i+2*length)^(h&(length-1))
		return F[i]^F[j]^F[l] == byte(h^h>>32)
	}
	return false
}

// refan re-encodes a segment with another fanout.
func refan(s *Segment, fanout int) []byte {
	e := begin(s.Replaces(), s.Packs(), s.Len())
	e.out = append(e.out, s.rows...)
	return e.finishWith(fanout)
}

func TestFilter(t *testing.T) {
	const n = 5000
	w, ds := spread(1, n)
	_, others := spread(2, n)
	whole := mustOpen(t, w.Encode())
	for _, fanout := range []int{0, 1, 5, 9} {
		s := mustOpen(t, refan(whole, fanout))
		if err := s.Check(); err != nil {
			t.Fatalf("fanout %d: %v", fanout, err)
		}
		believed := 0
		for i := range n {
			for _, d := range []digest.Digest{ds[i], others[i]} {
				k := keyOf(d[:])
				may := s.partitions[partitionOf(k.hi, fanout)].may(k.hi)
				if second := secondReader(s.b, k.hi); second != may {
					t.Fatalf("fanout %d, key %x: filter says %v, the documented one %v", fanout, k.hi, may, second)
				}
				if may && d == others[i] {
					believed++
				}
			}
			if len(s.Lookup(PrefixOf(ds[i]), nil)) != 1 || s.Has(PrefixOf(others[i])) {
				t.Fatalf("fanout %d: digest %d not found, or a strange one", fanout, i)
			}
		}
		// 1/256 of the keys of a filter are believed wrongly; partitions without rows believe all, at no cost.
		if fanout < 9 && believed > n/100 {
			t.Errorf("fanout %d: %d of %d strange keys pass the filter", fanout, believed, n)
		}
	}
}

func TestFanout(t *testing.T) {
	for rows, want := range map[int]int{0: 0, 1: 0, 1 << 20: 0, 1<<20 + 1: 1, 1 << 21: 1, 1<<21 + 1: 2, 1 << 24: 4, 1 << 40: 12} {
		if got := fanoutOf(rows); got != want {
			t.Errorf("fanout of %d rows: %d, want %d", rows, got, want)
		}
	}
}

// TestLowerBound compares the search with sort.Search on even and uneven keys and bounds the rows it looks at.
func TestLowerBound(t *testing.T) {
	const n = 1 << 14
	r := rand.New(rand.NewPCG(1, 2))
	for name, next := range map[string]func(i int) key{
		"even":    func(int) key { return key{r.Uint64(), r.Uint64()} },
		"one key": func(i int) key { return key{1 << 60, uint64(i)} },
		"one row": func(i int) key { return key{1 << 60, 7} },
		"lowest":  func(i int) key { return key{uint64(i), 0} },
		"ends":    func(i int) key { return key{uint64(i%2) * -uint64(i), uint64(i)} },
		"powers":  func(i int) key { return key{r.Uint64() >> r.IntN(64), uint64(i)} },
		"steps":   func(i int) key { return key{uint64(i/100) << 50, uint64(i % 100)} },
	} {
		keys := make([]key, n)
		for i := range keys {
			keys[i] = next(i)
		}
		slices.SortFunc(keys, func(a, b key) int { return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo)) })
		rows := make([]byte, n*rowSize)
		for i, k := range keys {
			binary.BigEndian.PutUint64(rows[i*rowSize:], k.hi)
			binary.BigEndian.PutUint64(rows[i*rowSize+8:], k.lo)
		}
		total, most := 0, 0
		asked := slices.Clone(keys)
		for range 1000 {
			k := keys[r.IntN(n)]
			asked = append(asked, key{k.hi, k.lo + 1}, key{k.hi - 1, k.lo}, key{r.Uint64(), 0})
		}
		asked = append(asked, key{}, key{^uint64(0), ^uint64(0)})
		for _, k := range asked {
			want := sort.Search(n, func(i int) bool { return !keys[i].less(k) })
			got, probes := lowerBound(rows, 0, n, k, 0)
			if got != want {
				t.Fatalf("%s: %v is at %d, want %d", name, k, got, want)
			}
			total, most = total+probes, max(most, probes)
		}
		if limit := 3 + 2*bits.Len(n); most > limit {
			t.Errorf("%s: a search looked at %d rows, more than %d", name, most, limit)
		}
		if mean := float64(total) / float64(len(asked)); name == "even" && mean > 7 {
			t.Errorf("searches among even keys look at %.1f rows, more than a few", mean)
		}
	}
}

func TestSetNewestFirst(t *testing.T) {
	d := digest.Digest{9}
	seg := func(packs ...int) *Segment {
		var fs []fact
		for _, p := range packs {
			fs = append(fs, fact{d, Place{Pack: packNamed(p).ID}})
		}
		return mustOpen(t, write(fs).Encode())
	}
	base := NewSet(seg(1)).With(seg(1)).With(seg(2, 1))
	a, b := base.With(seg(3, 2)), base.With(seg(4))
	for _, c := range []struct {
		set  *Set
		want []int
	}{{base, []int{1, 2}}, {a, []int{2, 3, 1}}, {b, []int{4, 1, 2}}} {
		kept := Place{Block: 77}
		got := c.set.Lookup(d, []Place{kept})
		var want = []Place{kept}
		for _, p := range c.want {
			want = append(want, Place{Pack: packNamed(p).ID})
		}
		if !slices.Equal(got, want) {
			t.Errorf("lookup %v, want %v", got, want)
		}
	}
	if a.Len() != 6 || len(a.Segments()) != 4 || len(base.Segments()) != 3 {
		t.Errorf("set of %d rows, %d segments on %d", a.Len(), len(a.Segments()), len(base.Segments()))
	}
}

// TestPackClaims keeps two sizes claimed for one pack apart.
func TestPackClaims(t *testing.T) {
	var w Writer
	one, two := PackInfo{PackID{1}, 10}, PackInfo{PackID{1}, 9}
	w.Add(digest.Digest{1}, w.AddPack(one), 0, 0, 0)
	w.Add(digest.Digest{2}, w.AddPack(two), 0, 0, 0)
	if w.AddPack(one) != 0 || w.AddPack(two) != 1 {
		t.Errorf("packs added again got other numbers")
	}
	s := mustOpen(t, w.Encode())
	if got := s.Packs(); !slices.Equal(got, []PackInfo{two, one}) {
		t.Errorf("packs %v", got)
	}
	b, err := Merge([]*Segment{s, s}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, s.b) {
		t.Errorf("merge of a segment with itself differs from it")
	}
}

func TestAddUnknownPack(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Errorf("a row of an unknown pack was taken")
		}
	}()
	var w Writer
	w.Add(digest.Digest{}, 0, 0, 0, 0)
}
