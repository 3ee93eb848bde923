package index

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"varve/internal/digest"
)

// small is a segment with everything in it: replaced names, packs, equal prefixes, padding.
func small() []byte {
	var w Writer
	w.Replace(SegmentID{1}, SegmentID{2})
	for i := range 5 {
		n := w.AddPack(packNamed(i))
		w.Add(digest.Digest{0: byte(40 * i), 20: 1}, n, uint32(i), 1, 0)
		w.Add(digest.Digest{0: 80, 7: 1, 15: byte(i)}, n, 2, uint16(i), Delta)
		w.Add(digest.Digest{0: 99}, n, 2, uint16(i), Meta)
	}
	return w.Encode()
}

// resum makes the sums and the length of b right again, as who forges a segment would.
func resum(b []byte) {
	if len(b) >= headerSize {
		binary.LittleEndian.PutUint64(b[32:], uint64(len(b)))
		binary.LittleEndian.PutUint32(b[56:], sum(b[headerSize:]))
		binary.LittleEndian.PutUint32(b[60:], sum(b[:60]))
	}
}

// use calls everything on whatever opens, and fails if a place is in no listed pack.
func use(t *testing.T, b []byte) {
	s, err := Open(b)
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			t.Fatalf("open: %v is no known error", err)
		}
		return
	}
	if err := s.Check(); err != nil && !errors.Is(err, ErrDamaged) {
		t.Fatalf("check: %v is no known error", err)
	}
	packs := map[PackID]bool{}
	for _, p := range s.Packs() {
		packs[p.ID] = true
	}
	s.Replaces()
	asked := []Prefix{{}, {255}, {80}, {99}, {80, 7: 1, 15: 3}}
	for r := range s.Rows() {
		if int(r.Pack) >= s.head.packs {
			t.Fatalf("row of pack %d, %d are listed", r.Pack, s.head.packs)
		}
		if len(asked) < 1000 {
			asked = append(asked, r.Prefix)
		}
	}
	for _, p := range asked {
		places := s.Lookup(p, nil)
		for _, at := range places {
			if !packs[at.Pack] {
				t.Fatalf("place in pack %x, which is not listed", at.Pack)
			}
		}
		if s.Has(p) != (len(places) > 0) {
			t.Fatalf("has %v, but %d places", s.Has(p), len(places))
		}
	}
	merged, err := Merge([]*Segment{s, s}, nil)
	if err != nil {
		return
	}
	// A merge takes the rows to be sound only after it has seen that they are.
	if err := mustOpen(t, merged).Check(); err != nil {
		t.Fatalf("merge passed on damage: %v", err)
	}
}

func TestTruncated(t *testing.T) {
	whole := small()
	for n := range whole {
		if _, err := Open(whole[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("open %d of %d bytes: %v", n, len(whole), err)
		}
		b := slices.Clone(whole[:n])
		resum(b)
		use(t, b)
	}
	if _, err := Open(append(slices.Clone(whole), 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("open with a byte too many: %v", err)
	}
}

func TestFlippedBits(t *testing.T) {
	whole := small()
	if err := mustOpen(t, whole).Check(); err != nil {
		t.Fatal(err)
	}
	for i := range len(whole) * 8 {
		b := slices.Clone(whole)
		b[i/8] ^= 1 << (i % 8)
		s, err := Open(b)
		if err == nil {
			err = s.Check()
		}
		if err == nil {
			t.Fatalf("flip of bit %d goes unnoticed", i)
		}
		if s != nil {
			if _, err := Merge([]*Segment{s}, nil); !errors.Is(err, ErrDamaged) {
				t.Fatalf("merge after flip of bit %d: %v", i, err)
			}
		}
		use(t, b)
		resum(b)
		use(t, b)
	}
}

// TestForged has right sums over wrong contents: each must be refused by the first of Open and Check.
func TestForged(t *testing.T) {
	good := mustOpen(t, small())
	h := good.head
	le := binary.LittleEndian
	for _, c := range []struct {
		name  string
		open  bool // refused by Open already
		forge func(b []byte)
	}{
		{"fanout", true, func(b []byte) { le.PutUint32(b[12:], 13) }},
		{"huge fanout", true, func(b []byte) { le.PutUint32(b[12:], 0xffffffff) }},
		{"row count", true, func(b []byte) { le.PutUint64(b[16:], 1<<63+1) }},
		{"row count that wraps", true, func(b []byte) { le.PutUint64(b[16:], 1<<62) }},
		{"name count", true, func(b []byte) { le.PutUint32(b[24:], 0xffffffff) }},
		{"pack count", true, func(b []byte) { le.PutUint32(b[28:], 0xffffffff) }},
		{"reserved", true, func(b []byte) { b[55] = 1 }},
		{"first row", true, func(b []byte) { le.PutUint64(b[h.partitionsAt:], 1) }},
		{"filter length not a power of two", true, func(b []byte) { le.PutUint32(b[h.partitionsAt+16:], 3) }},
		{"filter length of three that fits", true, func(b []byte) {
			le.PutUint32(b[h.partitionsAt+16:], 3)
			le.PutUint32(b[h.partitionsAt+20:], uint32(len(b)-h.filtersAt)/3-2)
		}},
		{"filter length", true, func(b []byte) { le.PutUint32(b[h.partitionsAt+16:], 1<<31) }},
		{"filter count", true, func(b []byte) { le.PutUint32(b[h.partitionsAt+20:], 0xffffffff) }},
		{"no filter but fingerprints", true, func(b []byte) { le.PutUint64(b[h.partitionsAt+16:], 0) }},
		{"order of names", false, func(b []byte) { copy(b[headerSize:], b[headerSize+16:headerSize+32]) }},
		{"order of packs", false, func(b []byte) { copy(b[h.packsAt:], b[h.packsAt+24:h.packsAt+48]) }},
		{"negative size", false, func(b []byte) { b[h.packsAt+23] = 0x80 }},
		{"repeated row", false, func(b []byte) { copy(b[h.rowsAt:], b[h.rowsAt+28:h.rowsAt+56]) }},
		{"order of rows", false, func(b []byte) { b[h.rowsAt] = 255 }},
		{"pack of a row", false, func(b []byte) { le.PutUint32(b[h.rowsAt+16:], 5) }},
		{"zero of a row", false, func(b []byte) { b[h.rowsAt+27] = 1 }},
		{"padding of rows", false, func(b []byte) { b[h.partitionsAt-1] = 1 }},
		{"filter seed", false, func(b []byte) { b[h.partitionsAt+8] ^= 1 }},
		{"fingerprints", false, func(b []byte) { clear(b[h.filtersAt:]) }},
	} {
		b := slices.Clone(good.b)
		c.forge(b)
		resum(b)
		s, err := Open(b)
		if c.open || err != nil {
			if !c.open || !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: open: %v", c.name, err)
			}
			continue
		}
		if err := s.Check(); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: check: %v", c.name, err)
		}
		use(t, b)
	}
	b := slices.Clone(good.b)
	b[8] = 2
	if _, err := Open(b); !errors.Is(err, ErrVersion) {
		t.Errorf("open of version 2: %v", err)
	}
}

// TestForgedFanout has partitions that disagree with their rows.
func TestForgedFanout(t *testing.T) {
	good := mustOpen(t, refan(mustOpen(t, small()), 2))
	entry := func(i int) int { return good.head.partitionsAt + i*partitionSize }
	for _, first := range []uint64{0, 1, 14, 15, 16, 1 << 63} {
		b := slices.Clone(good.b)
		if first == binary.LittleEndian.Uint64(b[entry(2):]) {
			continue
		}
		binary.LittleEndian.PutUint64(b[entry(2):], first)
		resum(b)
		s, err := Open(b)
		before := binary.LittleEndian.Uint64(b[entry(1):])
		if descends := first < before || first > uint64(good.Len()); descends != (err != nil) {
			t.Errorf("first row %d: open: %v", first, err)
		}
		if err == nil {
			err = s.Check()
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("first row %d: %v", first, err)
		}
		use(t, b)
	}
}

// TestUnfiltered reads a segment without a filter.
func TestUnfiltered(t *testing.T) {
	s := mustOpen(t, small())
	b := slices.Clone(s.b[:s.head.filtersAt])
	clear(b[s.head.partitionsAt:])
	resum(b)
	u := mustOpen(t, b)
	if err := u.Check(); err != nil {
		t.Fatal(err)
	}
	for r := range s.Rows() {
		if got, want := u.Lookup(r.Prefix, nil), s.Lookup(r.Prefix, nil); !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", r.Prefix, got, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	var empty Writer
	f.Add(empty.Encode())
	f.Add(small())
	s, err := Open(small())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(refan(s, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		use(t, slices.Clone(b))
		b = slices.Clone(b)
		resum(b)
		use(t, b)
	})
}
