package object_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"varve/internal/digest"
	"varve/internal/index"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

// TestOtherCopy: an object that one pack has damaged comes from another; damaged everywhere it is damage, gone
// everywhere it is missing, never the one for the other.
func TestOtherCopy(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	p := chunk(1, 3000)
	mustKeep(t, db, "one", p)
	first := packOf(t, db, db.Digest(p))
	collect(t, db, "gc/0000000001/condemn", seal.Condemn, first)
	mustKeep(t, open(t, m, options(2)), "two", p)
	alter(t, m, "gc/0000000001/condemn", gone)
	packs := names(t, m, "packs/")
	if len(packs) != 2 {
		t.Fatalf("packs %q", packs)
	}
	flip := func(b []byte) []byte { b[200] ^= 1; return b }
	alter(t, m, packs[0], flip)
	mustGet(t, open(t, m, options(3)), p)
	alter(t, m, packs[0], flip)
	alter(t, m, packs[1], flip)
	mustGet(t, open(t, m, options(3)), p)
	alter(t, m, packs[0], flip)
	if err := getAll(open(t, m, options(3)), p); !errors.Is(err, object.ErrDamaged) || errors.Is(err, object.ErrMissing) {
		t.Errorf("damaged twice: %v", err)
	}
	alter(t, m, packs[0], gone)
	if err := getAll(open(t, m, options(3)), p); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("damaged and gone: %v", err)
	}
	alter(t, m, packs[1], gone)
	if err := getAll(open(t, m, options(3)), p); !errors.Is(err, object.ErrMissing) || errors.Is(err, object.ErrDamaged) {
		t.Errorf("gone twice: %v", err)
	}
}

// TestLyingIndex: where the index says that an object lies is another, or nothing. What is read is the object all the
// same if it is elsewhere, and missing or damaged if it is not: never the other.
func TestLyingIndex(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	there, nowhere := chunk(1, 1000), chunk(2, 1000)
	mustKeep(t, db, "one", there, chunk(3, 1000), chunk(4, 1000))
	db = open(t, m, options(3))
	l, err := db.Locate(t.Context(), db.Digest(there))
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for _, s := range db.Segments() {
		for _, p := range s.Packs() {
			if p.ID == index.PackID(l.Pack) {
				size = p.Size
			}
		}
	}
	w := new(index.Writer)
	n := w.AddPack(index.PackInfo{ID: index.PackID(l.Pack), Size: size})
	w.Add(db.Digest(nowhere), n, l.Block, l.Place, 0)  // the place of there
	w.Add(db.Digest(there), n, l.Block, l.Place+1, 0)  // the place of the third
	w.Add(db.Digest(there), n, l.Block, l.Place+99, 0) // no place at all
	name := strings.Repeat("7", 32)
	b, err := db.Keys().Seal(nil, seal.Index, []byte(name), w.Encode(), db.Rand())
	if err == nil {
		err = m.Put(t.Context(), "index/"+name, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	db = open(t, m, options(2))
	mustGet(t, db, there)
	if got, err := db.NewReader().Get(t.Context(), db.Digest(nowhere), nil); !errors.Is(err, object.ErrMissing) && !errors.Is(err, object.ErrDamaged) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

// TestReaderLooksAgain: a reader that was opened before another process stored an object, or before its pack
// was replaced, finds it.
func TestReaderLooksAgain(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	old, young := chunk(1, 1000), chunk(2, 1000)
	mustKeep(t, db, "one", old)
	reader := open(t, m, options(2))
	mustGet(t, reader, old)
	mustKeep(t, db, "two", young)
	mustGet(t, reader, young)
	moved := packOf(t, db, db.Digest(old))
	collect(t, db, "gc/0000000001/condemn", seal.Condemn, moved)
	mustKeep(t, open(t, m, options(3)), "three", old)
	alter(t, m, moved, gone)
	late := reader.NewReader() // has no block in its cache
	if got, err := late.Get(t.Context(), reader.Digest(old), nil); err != nil || !bytes.Equal(got, old) {
		t.Errorf("moved: %v", err)
	}
}

// deltaVault has a base and a delta on it, each in a pack of its own.
func deltaVault(t *testing.T, m store.Store, bases ...[]byte) (db *object.DB, target []byte) {
	t.Helper()
	db = create(t, m)
	for _, b := range bases {
		mustKeep(t, db, "base", b)
	}
	var w seal.Window
	var digests []digest.Digest
	for _, b := range bases {
		w.Add(b)
		target = append(target, b[:len(b)/2]...)
	}
	target = append(target, "and new"...)
	payload, used, ok := w.Encode(nil, target, len(target))
	if !ok || len(used) != len(bases) {
		t.Fatal("no delta")
	}
	for _, u := range used {
		digests = append(digests, db.Digest(bases[u]))
	}
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		wr := s.Writer(seal.Fast)
		if err := wr.StoreDelta(db.Digest(target), len(target), payload, digests); err != nil {
			return err
		}
		if err := errors.Join(wr.Flush(), s.Flush()); err != nil {
			return err
		}
		if st := s.Stored(); st.Deltas != 1 || st.Chunks != 1 || st.Plain != int64(len(target)) {
			t.Errorf("stored %+v", st)
		}
		return s.Commit(ctx, []byte("delta"))
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, target
}

// TestDelta: a delta gives its plain bytes; without a base it is missing, with a damaged one damaged; and what
// may be a base of the next is a chunk that is whole, or the bases of one that is not.
func TestDelta(t *testing.T) {
	m := store.NewMemory()
	a, b := chunk(1, 9000), chunk(2, 9000)
	db, target := deltaVault(t, m, a, b)
	fresh := open(t, m, options(4))
	mustGet(t, fresh, target, a, b)
	if have, delta, err := fresh.Has(t.Context(), fresh.Digest(target)); !have || !delta || err != nil {
		t.Errorf("has %v, delta %v, %v", have, delta, err)
	}
	r := fresh.NewReader()
	for _, c := range []struct {
		of   []byte
		want []digest.Digest
	}{{target, []digest.Digest{db.Digest(a), db.Digest(b)}}, {a, []digest.Digest{db.Digest(a)}}, {chunk(9, 5), nil}} {
		got, err := r.Base(t.Context(), db.Digest(c.of))
		if slices.SortFunc(got, digest.Digest.Compare); err != nil || len(got) != len(c.want) {
			t.Errorf("bases %v, %v", got, err)
		}
		for _, d := range c.want {
			if !slices.Contains(got, d) {
				t.Errorf("bases %v are without %s", got, d)
			}
		}
	}
	pack := packOf(t, fresh, db.Digest(b))
	alter(t, m, pack, func(b []byte) []byte { b[150] ^= 1; return b })
	if err := getAll(open(t, m, options(5)), target); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("damaged base: %v", err)
	}
	alter(t, m, pack, gone)
	if err := getAll(open(t, m, options(5)), target); !errors.Is(err, object.ErrMissing) {
		t.Errorf("missing base: %v", err)
	}
	mustGet(t, open(t, m, options(5)), a)
}

// TestDeltaOfDelta: a base that is a delta itself is refused: reads would have no bound.
func TestDeltaOfDelta(t *testing.T) {
	m := store.NewMemory()
	db, middle := deltaVault(t, m, chunk(1, 9000))
	var w seal.Window
	w.Add(middle)
	top := append(bytes.Clone(middle), "more"...)
	payload, _, ok := w.Encode(nil, top, len(top))
	if !ok {
		t.Fatal("no delta")
	}
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		wr := s.Writer(seal.Fast)
		return errors.Join(wr.StoreDelta(db.Digest(top), len(top), payload, []digest.Digest{db.Digest(middle)}), wr.Flush(), s.Flush(), s.Commit(ctx, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := getAll(open(t, m, options(3)), top); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// TestWrongDelta: a payload that makes other bytes than the digest says is damage.
func TestWrongDelta(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	base, claimed := chunk(1, 5000), chunk(2, 100)
	mustKeep(t, db, "base", base)
	var w seal.Window
	w.Add(base)
	payload, _, _ := w.Encode(nil, base[:4000], 4000)
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		wr := s.Writer(seal.Fast)
		return errors.Join(wr.StoreDelta(db.Digest(claimed), 4000, payload, []digest.Digest{db.Digest(base)}), wr.Flush(), s.Flush(), s.Commit(ctx, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := getAll(open(t, m, options(3)), claimed); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// TestLocate: read in the order of their places, block by block, all objects are the same as one by one.
func TestLocate(t *testing.T) {
	m := store.NewMemory()
	db, target := deltaVault(t, m, chunk(1, 9000))
	plains := [][]byte{target}
	for i := range 40 {
		plains = append(plains, bytes.Repeat(chunk(byte(10+i), 100), 200)) // several blocks
	}
	mustKeep(t, db, "more", plains...)
	fresh := open(t, m, options(3))
	r := fresh.NewReader()
	for i, p := range plains {
		l, err := fresh.Locate(t.Context(), fresh.Digest(p))
		if err != nil {
			t.Fatal(err)
		}
		if l.Delta != (i == 0) {
			t.Errorf("object %d: delta %v", i, l.Delta)
		}
		dir, err := r.Directory(t.Context(), l.Pack)
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Span(t.Context(), l.Pack, 0, len(dir)-1)
		if err != nil {
			t.Fatal(err)
		}
		entries, raw, err := s.Block(int(l.Block))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Plain(t.Context(), &entries[l.Place], raw, nil); err != nil || !bytes.Equal(got, p) {
			t.Errorf("object %d: %v", i, err)
		}
		for _, bad := range [][2]int{{-1, 0}, {1, 0}, {0, len(dir)}} {
			if _, err := r.Span(t.Context(), l.Pack, bad[0], bad[1]); !errors.Is(err, object.ErrDamaged) {
				t.Errorf("blocks %v: %v", bad, err)
			}
		}
	}
	if _, err := fresh.Locate(t.Context(), digest.Digest{1}); !errors.Is(err, object.ErrMissing) {
		t.Errorf("%v", err)
	}
	if _, err := r.Get(t.Context(), digest.Digest{1}, nil); !errors.Is(err, object.ErrMissing) {
		t.Errorf("%v", err)
	}
}

func BenchmarkGet(b *testing.B) {
	m := store.NewMemory()
	db := create(b, m)
	var plains [][]byte
	for i := range 200 {
		plains = append(plains, chunk(byte(i), 64<<10))
	}
	mustKeep(b, db, "x", plains...)
	r := db.NewReader()
	var sums []digest.Digest
	for _, p := range plains {
		sums = append(sums, db.Digest(p))
	}
	b.SetBytes(64 << 10)
	var dst []byte
	for i := 0; b.Loop(); i++ {
		var err error
		if dst, err = r.Get(b.Context(), sums[i%len(sums)], dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHas(b *testing.B) {
	m := store.NewMemory()
	db := create(b, m)
	mustKeep(b, db, "x", chunk(1, 100))
	d := db.Digest(chunk(1, 100))
	if err := db.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if have, _, err := db.Has(b.Context(), d); !have || err != nil {
			b.Fatal(have, err)
		}
	}
}
