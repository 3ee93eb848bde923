package object_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"varve/internal/object"
	"varve/store"
)

// overwrite changes an object of a store.
func overwrite(t testing.TB, m store.Store, name string, change func([]byte)) {
	t.Helper()
	b, err := m.Get(t.Context(), name, 0, -1, nil)
	if err == nil {
		change(b)
		err = errors.Join(m.Delete(t.Context(), name), m.Put(t.Context(), name, b))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// packWith returns the name and the id of a pack that has a chunk.
func packWith(t testing.TB, db *object.DB, plain []byte) (string, [16]byte) {
	t.Helper()
	l, err := db.Locate(t.Context(), db.Digest(plain))
	if err != nil {
		t.Fatal(err)
	}
	return "packs/" + l.Pack.String()[:2] + "/" + l.Pack.String(), l.Pack
}

func protectedVault(t testing.TB, m store.Store) *object.DB {
	opt := options(1)
	opt.Parity = 2
	db, err := object.Create(t.Context(), m, true, opt)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestReadByParity: what parity makes good is read as if nothing were wrong, one by one and by spans, with one warning;
// what it does not is damage.
func TestReadByParity(t *testing.T) {
	m := store.NewMemory()
	plains := [][]byte{chunk(1, 400_000), chunk(2, 300), chunk(3, 40_000)} // the first is not in the directory's segment
	db := protectedVault(t, m)
	if db.Config().Parity != 2 || open(t, m, options(2)).Config().Parity != 2 {
		t.Fatal("the vault does not know of its parity")
	}
	mustKeep(t, db, "one", plains...)
	name, id := packWith(t, open(t, m, options(7)), plains[0])
	overwrite(t, m, name, func(b []byte) { clear(b[600:700]) })
	w := new(warned)
	db = open(t, m, w.options(3))
	mustGet(t, db, plains...)
	if len(w.by) != 1 || !errors.Is(w.by[name], object.ErrDamaged) {
		t.Errorf("warnings %v", w.by)
	}
	r := db.NewReader()
	dir, err := r.Directory(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Span(t.Context(), id, 0, len(dir)-1); err != nil {
		t.Errorf("span of a mended pack: %v", err)
	}
	overwrite(t, m, name, func(b []byte) { clear(b[600:19_000]) })
	db = open(t, m, options(4))
	for range 2 { // the second time without reading the whole pack again
		if _, err := db.NewReader().Get(t.Context(), db.Digest(plains[0]), nil); !errors.Is(err, object.ErrDamaged) {
			t.Errorf("beyond repair: %v", err)
		}
	}
	l := &logged{Store: m}
	db = open(t, l, options(5))
	_, _ = db.NewReader().Get(t.Context(), db.Digest(plains[0]), nil)
	before := len(l.lines)
	_, _ = db.NewReader().Get(t.Context(), db.Digest(plains[2]), nil)
	reads := 0 // of head and directory, before and after the index was read again; none of the whole
	for _, line := range l.lines[before:] {
		if line == "get packs/xx/<id>" {
			reads++
		}
	}
	if reads > 4 {
		t.Errorf("a pack beyond repair is read again: %q", l.lines[before:])
	}
}

// TestQuarantine: a pack in quarantine is read where there is nothing else, and not shared with; what it holds is
// stored again and then had from there, after which the vault counts as whole.
func TestQuarantine(t *testing.T) {
	for seed := range byte(6) { // which segment of the index is looked into first is chance
		quarantine(t, 10*(seed+1))
	}
}

func quarantine(t *testing.T, seed byte) {
	m := store.NewMemory()
	plains := [][]byte{chunk(1, 5000), chunk(2, 300)}
	create(t, m)
	mustKeep(t, open(t, m, options(seed)), "one", plains...)
	db := open(t, m, options(seed+2))
	name, id := packWith(t, db, plains[0])
	if err := errors.Join(db.Quarantine(t.Context(), id, "a test"), db.Quarantine(t.Context(), id, "twice"), m.Barrier(t.Context())); err != nil {
		t.Fatal(err)
	}
	db = open(t, m, options(seed+3))
	mustGet(t, db, plains...)
	if have, _, err := db.Has(t.Context(), db.Digest(plains[0])); have || err != nil {
		t.Errorf("shared with a pack in quarantine: %v", err)
	}
	if have, _, err := db.Has(t.Context(), db.Digest(plains[1])); !have || err != nil {
		t.Errorf("not shared with another: %v", err)
	}
	if db.Whole() {
		t.Error("whole while something is in quarantine only")
	}
	if st := mustKeep(t, db, "two", plains...); st.Chunks != 1 {
		t.Errorf("%d chunks stored", st.Chunks)
	}
	l := &logged{Store: m}
	db = open(t, l, options(seed+4))
	mustGet(t, db, plains...)
	if now, _ := packWith(t, db, plains[0]); now == name || !db.Whole() {
		t.Errorf("had from %s, whole %v", now, db.Whole())
	}
	if n := db.Objects(); n != 3 { // one of them twice, in two packs of data
		t.Errorf("%d objects", n)
	}
	// Whatever is in the pack now, nobody reads it.
	mustGet(t, open(t, &closed{m, name}, options(seed+5)), plains...)
}

// closed is a store of which one object must not be read.
type closed struct {
	*store.Memory
	name string
}

func (c *closed) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	if name == c.name {
		panic("read of " + name)
	}
	return c.Memory.Get(ctx, name, off, n, dst)
}

// sevens draws only names that begin with 7.
type sevens struct{ io.Reader }

func (s sevens) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if n == 16 {
		p[0] = 7
	}
	return n, err
}

// TestTwoDirectories: the copies of metadata are in two directories even if chance has it otherwise.
func TestTwoDirectories(t *testing.T) {
	m := store.NewMemory()
	create(t, m)
	opt := options(2)
	opt.Rand = sevens{opt.Rand}
	mustKeep(t, open(t, m, opt), "one", chunk(1, 5000), chunk(2, 300))
	dirs := map[string]int{}
	for _, name := range names(t, m, "packs/") {
		dirs[name[:len("packs/xx")]]++
	}
	if len(dirs) != 2 {
		t.Errorf("packs in %v", dirs)
	}
}

// TestTwoCopies: metadata is put twice, in two directories, and each copy serves alone.
func TestTwoCopies(t *testing.T) {
	plains := [][]byte{chunk(1, 300), chunk(2, 5000)}
	for _, gone := range []bool{false, true} {
		for i := range 2 {
			m := store.NewMemory()
			mustKeep(t, create(t, m), "one", plains...)
			var meta []string
			for _, name := range names(t, m, "packs/") {
				b, err := m.Get(t.Context(), name, 10, 1, nil)
				if err != nil {
					t.Fatal(err)
				}
				if b[0] == 2 {
					meta = append(meta, name)
				}
			}
			if len(meta) != 2 || meta[0][:8] == meta[1][:8] {
				t.Fatalf("metadata in %q", meta)
			}
			a, _ := m.Get(t.Context(), meta[0], 0, -1, nil)
			b, _ := m.Get(t.Context(), meta[1], 0, -1, nil)
			if bytes.Equal(a[32:64], b[32:64]) || bytes.Contains(b, a[112:144]) {
				t.Error("both copies are sealed alike")
			}
			if gone {
				if err := m.Delete(t.Context(), meta[i]); err != nil {
					t.Fatal(err)
				}
			} else {
				overwrite(t, m, meta[i], func(b []byte) { clear(b[112:200]) })
			}
			mustGet(t, open(t, m, options(2)), plains...)
		}
	}
}

// TestReplaced: a segment of the index that another stands for is passed over, sound or not.
func TestReplaced(t *testing.T) {
	m := store.NewMemory()
	plains := [][]byte{chunk(1, 5000), chunk(2, 300)}
	mustKeep(t, create(t, m), "one", plains...)
	old := names(t, m, "index/")
	db := open(t, m, options(2))
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		segments := db.Segments()
		if len(segments) != 1 {
			t.Fatalf("%d segments", len(segments))
		}
		return errors.Join(s.Reindex(segments[0], old), s.Reindex(nil, []string{"index/nonsense"}), s.Flush())
	})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a name that is none: %v", err)
	}
	for _, damage := range []bool{false, true} {
		if damage {
			overwrite(t, m, old[0], func(b []byte) { b[100] ^= 1 })
		}
		w := new(warned)
		db = open(t, m, w.options(3))
		mustGet(t, db, plains...)
		if n := len(db.Segments()); n != 1 || len(w.by) > 0 {
			t.Errorf("%d segments, warnings %v", n, w.by)
		}
	}
}
