package capture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"varve/internal/capture"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/store"
)

type lockedRand struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedRand) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

// A vault in memory, and the folder that is kept in it.
type rig struct {
	t      testing.TB
	store  *store.Memory
	db     *object.DB
	disk   disk.Dir
	clock  int64
	latest *history.Snapshot
	sealed int64 // bytes that the last snapshot added
	deltas int64

	regions func(name string, r io.ReaderAt, size int64) []capture.Region
	workers int
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, workers: 2, store: store.NewMemory(), clock: 1_800_000_000_000_000_000}
	r.disk = disk.NewMemory(disk.MemoryOptions{Now: func() int64 { r.clock += 1e6; return r.clock }}).Root()
	db, err := object.Create(t.Context(), r.store, false, r.options())
	if err != nil {
		t.Fatal(err)
	}
	r.db = db
	r.regions = marked
	return r
}

func (r *rig) options() object.Options {
	return object.Options{Rand: &lockedRand{r: rand.NewChaCha8([32]byte{7})}, Now: func() time.Time { return time.Unix(0, r.clock) }}
}

func (r *rig) write(name string, content []byte) {
	r.t.Helper()
	f, err := r.disk.Create(name+".new", 0o644)
	if err == nil {
		_, err = f.WriteAt(content, 0)
		err = errors.Join(err, f.Close(), r.disk.Rename(name+".new", r.disk, name))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) snap() {
	r.t.Helper()
	r.clock += 3600e9 // so long that files have been quiet
	err := r.db.Write(r.t.Context(), object.Who{Host: "test"}, func(ctx context.Context, s *object.Session) error {
		res, err := capture.Run(ctx, r.db, s, capture.Options{Root: r.disk, Parent: r.latest, Regions: r.regions, SHA256: true, Workers: r.workers, Level: seal.Fast,
			Now: func() time.Time { return time.Unix(0, r.clock) }, Sleep: func(context.Context, time.Duration) error { return nil }, Granularity: time.Millisecond})
		if err == nil && len(res.Errors) > 0 {
			err = fmt.Errorf("%v", res.Errors)
		}
		if err == nil {
			err = s.Flush()
		}
		if err != nil {
			return err
		}
		h := &history.Snapshot{ID: s.ID, Project: "00112233445566778899aabbccddeeff", Name: "weights", Version: 1, Time: time.Unix(0, r.clock), Root: res.Root, Tree: res.Summary, Counts: res.Counts, Changes: res.Changes}
		if r.latest != nil {
			h.Version, h.Parent = r.latest.Version+1, r.latest.ID.String()
		}
		m, err := h.Encode()
		if err != nil {
			return err
		}
		r.latest, r.sealed, r.deltas = h, s.Stored().Sealed, s.Stored().Deltas
		return s.Commit(ctx, m)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// items returns the recipe of a file of the last snapshot.
func (r *rig) items(db *object.DB, name string) []tree.Item {
	r.t.Helper()
	rd := db.NewReader()
	get := func(ctx context.Context, d digest.Digest) ([]byte, error) { return rd.Get(ctx, d, nil) }
	e, ok, err := tree.Lookup(r.t.Context(), get, r.latest.Root, name)
	if err != nil || !ok {
		r.t.Fatalf("look up %s: %t, %v", name, ok, err)
	}
	var out []tree.Item
	for it, err := range tree.Items(r.t.Context(), get, &e) {
		if err != nil {
			r.t.Fatal(err)
		}
		it.Bytes = bytes.Clone(it.Bytes)
		out = append(out, it)
	}
	return out
}

// read returns a file of the last snapshot, from a vault opened anew.
func (r *rig) read(name string) ([]byte, error) {
	r.t.Helper()
	db, err := object.Open(r.t.Context(), r.store, nil, r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	rd := db.NewReader()
	var out []byte
	for _, it := range r.items(db, name) {
		switch it.Kind {
		case tree.Chunk:
			if out, err = rd.Get(r.t.Context(), it.Digest, out); err != nil {
				return nil, err
			}
		case tree.Literal:
			out = append(out, it.Bytes...)
		case tree.Run:
			for i := range it.Len {
				out = append(out, it.Bytes[i%int64(len(it.Bytes))])
			}
		case tree.Hole:
			out = append(out, make([]byte, it.Len)...)
		}
	}
	return out, nil
}

// A marked file is "marked" ‖ u16 length of the header ‖ u8 width ‖ more header ‖ elements.
func marked(_ string, r io.ReaderAt, size int64) []capture.Region {
	head := make([]byte, 10)
	if n, _ := r.ReadAt(head, 0); n < len(head) || string(head[:6]) != "marked" {
		return nil
	}
	from := int64(binary.LittleEndian.Uint16(head[6:]))
	var out []capture.Region
	for n := int64(700 << 10); from < size; from += n { // arrays of 700 KiB, the last one shorter
		out = append(out, capture.Region{Off: from, Len: min(n, size-from), Width: head[8]})
	}
	return out
}

func markedFile(header, width int, elements []byte) []byte {
	head := make([]byte, header)
	copy(head, "marked")
	binary.LittleEndian.PutUint16(head[6:], uint16(header))
	head[8] = byte(width)
	return append(head, elements...)
}

func weights(seed byte, n, width int) []byte {
	r := rand.New(rand.NewChaCha8([32]byte{seed}))
	b := make([]byte, 0, n+4)
	for len(b) < n {
		x := math.Float32bits(float32(r.NormFloat64() * 0.02))
		if width == 2 {
			b = binary.LittleEndian.AppendUint16(b, uint16(x>>16))
		} else {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
	}
	return b[:n]
}

// trained returns weights after a step.
func trained(seed byte, from []byte, width int, sigma float64) []byte {
	r := rand.New(rand.NewChaCha8([32]byte{seed}))
	out := bytes.Clone(from)
	for i := 0; i+width <= len(from); i += width {
		step := float32(r.NormFloat64() * sigma)
		if width == 2 {
			x := math.Float32frombits(uint32(binary.LittleEndian.Uint16(from[i:]))<<16) + step
			binary.LittleEndian.PutUint16(out[i:], uint16((math.Float32bits(x)+0x8000)>>16))
		} else {
			binary.LittleEndian.PutUint32(out[i:], math.Float32bits(math.Float32frombits(binary.LittleEndian.Uint32(from[i:]))+step))
		}
	}
	return out
}

// Small and large files of both widths over three versions; the third has a longer header, so that what stood
// in a place stands further on.
func TestTypedVersions(t *testing.T) {
	for _, v := range []struct {
		size, width int
		first, next float64
	}{{1500 << 10, 2, 0.70, 0.25}, {6 << 20, 2, 0.70, 0.25}, {1500 << 10, 4, 0.86, 0.75}, {6 << 20, 4, 0.86, 0.75}} {
		t.Run(fmt.Sprintf("%d of %d", v.size>>10, v.width), func(t *testing.T) {
			r := newRig(t)
			raw := weights(1, v.size, v.width)
			for version, header := range []int{1400, 1400, 1408} {
				file := markedFile(header, v.width, raw)
				r.write("model", file)
				r.snap()
				limit := v.next
				if version == 0 {
					limit = v.first
				}
				if got := float64(r.sealed) / float64(len(file)); got > limit {
					t.Errorf("version %d: %d bytes stored, %.3f, more than %.2f", version+1, r.sealed, got, limit)
				}
				if version > 0 && r.deltas == 0 {
					t.Errorf("version %d: no differences", version+1)
				}
				if got, err := r.read("model"); err != nil || !bytes.Equal(got, file) {
					t.Fatalf("version %d: %d bytes back, %v", version+1, len(got), err)
				}
				raw = trained(byte(version), raw, v.width, 2e-5)
			}
		})
	}
}

// A difference is from a chunk stored whole, whose loss is an error and never other bytes.
func TestTypedBaseIsWholeAndMissed(t *testing.T) {
	r := newRig(t)
	raw := weights(1, 1500<<10, 2)
	r.write("model", markedFile(1400, 2, raw))
	r.snap()
	first := map[digest.Digest]bool{}
	for _, it := range r.items(r.db, "model") {
		first[it.Digest] = true
	}
	for i := range 2 {
		raw = trained(byte(i), raw, 2, 2e-5)
		r.write("model", markedFile(1400, 2, raw))
		r.snap()
	}
	var lost string
	for _, it := range r.items(r.db, "model") {
		if it.Kind != tree.Chunk || it.Len != 256<<10 {
			continue
		}
		bases, err := r.db.NewReader().Base(t.Context(), it.Digest)
		if err != nil || len(bases) != 1 || !first[bases[0]] {
			t.Fatalf("bases of a chunk of the third version: %v, %v", bases, err)
		}
		at, err := r.db.Locate(t.Context(), bases[0])
		if err != nil || at.Delta {
			t.Fatalf("base: %+v, %v", at, err)
		}
		id := at.Pack.String()
		lost = "packs/" + id[:2] + "/" + id
	}
	if lost == "" {
		t.Fatal("no typed chunk")
	}
	if err := r.store.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	db, err := object.Open(t.Context(), r.store, nil, r.options())
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, it := range r.items(r.db, "model") {
		if it.Kind == tree.Chunk {
			if _, err := db.NewReader().Get(t.Context(), it.Digest, nil); err != nil {
				failed++
				if !errors.Is(err, object.ErrMissing) && !errors.Is(err, object.ErrDamaged) {
					t.Errorf("without its base: %v", err)
				}
			}
		}
	}
	if failed == 0 {
		t.Error("nothing misses its base")
	}
}

// Advice that panics, or is no layout of the file, costs nothing but its gain.
func TestRegionsOnlyAdvise(t *testing.T) {
	file := markedFile(1400, 2, weights(1, 900<<10, 2))
	for name, regions := range map[string]func(string, io.ReaderAt, int64) []capture.Region{
		"panic": func(string, io.ReaderAt, int64) []capture.Region { panic("no") },
		"overlap": func(string, io.ReaderAt, int64) []capture.Region {
			return []capture.Region{{Off: 0, Len: 99999, Width: 2}, {Off: 5, Len: 99999, Width: 4}}
		},
		"outside": func(_ string, _ io.ReaderAt, n int64) []capture.Region {
			return []capture.Region{{Off: 5, Len: n, Width: 2}}
		},
		"negative": func(string, io.ReaderAt, int64) []capture.Region {
			return []capture.Region{{Off: -5, Len: 99999, Width: 2}}
		},
		"overflow": func(string, io.ReaderAt, int64) []capture.Region {
			return []capture.Region{{Off: 5, Len: math.MaxInt64, Width: 2}}
		},
		"odd": func(string, io.ReaderAt, int64) []capture.Region {
			return []capture.Region{{Off: 5, Len: 700001, Width: 4}, {Off: 700006, Len: 9, Width: 200}}
		},
		"wrong": func(string, io.ReaderAt, int64) []capture.Region {
			return []capture.Region{{Off: 7, Len: 600 << 10, Width: 4}, {Off: 700 << 10, Len: 64, Width: 8}}
		},
	} {
		r := newRig(t)
		r.regions = regions
		for i := range 2 {
			file[50_000+i]++
			r.write("model", file)
			r.snap()
			if got, err := r.read("model"); err != nil || !bytes.Equal(got, file) {
				t.Errorf("%s, version %d: %d bytes back, %v", name, i+1, len(got), err)
			}
		}
	}
}

// array is a tensor of a written file.
type array struct {
	name    string
	content []byte
}

// namedFile is "arrays" ‖ u16 length of the header ‖ header of lines "name length width" ‖ contents.
func namedFile(pad, width int, arrays ...array) []byte {
	var head, body bytes.Buffer
	for _, a := range arrays {
		fmt.Fprintf(&head, "%s %d %d\n", a.name, len(a.content), width)
		body.Write(a.content)
	}
	head.Write(make([]byte, pad))
	out := binary.LittleEndian.AppendUint16([]byte("arrays"), uint16(head.Len()))
	return append(append(out, head.Bytes()...), body.Bytes()...)
}

func named(_ string, r io.ReaderAt, size int64) []capture.Region {
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, 0); err != nil || string(head[:6]) != "arrays" {
		return nil
	}
	text := make([]byte, binary.LittleEndian.Uint16(head[6:]))
	if _, err := r.ReadAt(text, 8); err != nil {
		return nil
	}
	var out []capture.Region
	off := int64(8 + len(text))
	for line := range bytes.Lines(text) {
		g := capture.Region{Off: off}
		if n, _ := fmt.Sscan(string(line), &g.Name, &g.Len, &g.Width); n == 3 {
			out, off = append(out, g), off+g.Len
		}
	}
	return out
}

// Arrays that stand in another order, behind another header, cost nothing but the header; those that have changed
// besides cost their differences from what they were, wherever that stood.
func TestArraysAreKnownWhereverTheyStand(t *testing.T) {
	for _, big := range []int{5 << 20, 300 << 10} { // read as a stream, and in memory
		for _, width := range []int{2, 4} {
			t.Run(fmt.Sprintf("%d of %d", big, width), func(t *testing.T) {
				r := newRig(t)
				r.regions = named
				arrays := []array{{"a", weights(1, big, width)}, {"a.bias", weights(2, 768, width)}, {"b", weights(3, big+4<<10, width)},
					{"b.bias", weights(4, 6000, width)}, {"c", weights(5, big, width)}, {"c.bias", weights(6, 32, width)}}
				r.write("model", namedFile(100, width, arrays...))
				r.snap()
				slices.Reverse(arrays)
				file := namedFile(2000, width, arrays...)
				r.write("model", file)
				r.snap()
				if r.sealed > 8<<10 {
					t.Errorf("in another order: %d bytes stored", r.sealed)
				}
				if got, err := r.read("model"); err != nil || !bytes.Equal(got, file) {
					t.Fatalf("%d bytes back, %v", len(got), err)
				}
				// c and a are of one size: in the place of each stands the other.
				arrays[1].content = trained(9, arrays[1].content, width, 2e-5)
				arrays[5].content = trained(10, arrays[5].content, width, 2e-5)
				arrays[1], arrays[5] = arrays[5], arrays[1]
				file = namedFile(100, width, arrays...)
				r.write("model", file)
				r.snap()
				limit := map[int]float64{2: 0.25, 4: 0.75}[width]
				if share := float64(r.sealed) / float64(2*big); share > limit || r.deltas == 0 {
					t.Errorf("changed and in another order: %.3f of what changed, more than %.2f; %d differences", share, limit, r.deltas)
				}
				if got, err := r.read("model"); err != nil || !bytes.Equal(got, file) {
					t.Fatalf("%d bytes back, %v", len(got), err)
				}
			})
		}
	}
}

// BenchmarkTyped captures weights by one worker into a vault in memory: for the first time, and after a step.
func BenchmarkTyped(b *testing.B) {
	for _, width := range []int{2, 4} {
		raw := weights(1, 32<<20, width)
		next := trained(2, raw, width, 1e-5)
		for _, again := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/again=%t", width, again), func(b *testing.B) {
				b.SetBytes(int64(len(raw)))
				for b.Loop() {
					b.StopTimer()
					r := newRig(b)
					r.workers = 1
					r.write("model", markedFile(1400, width, raw))
					if again {
						r.snap()
						r.write("model", markedFile(1400, width, next))
					}
					b.StartTimer()
					r.snap()
				}
			})
		}
	}
}
