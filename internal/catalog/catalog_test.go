package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

type lockedRand struct {
	mu  sync.Mutex
	src *rand.ChaCha8
}

func (r *lockedRand) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src.Read(p)
}

func vault(t testing.TB) (*object.DB, *store.Memory) {
	t.Helper()
	m := store.NewMemory()
	db, err := object.Create(context.Background(), m, true, object.Options{Rand: &lockedRand{src: rand.NewChaCha8([32]byte{1})}, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return db, m
}

func sids(n int) []object.SID {
	out := make([]object.SID, n)
	for i := range out {
		out[i] = object.SID{byte(i >> 8), byte(i), 7}
	}
	return out
}

func all(object.SID) bool           { return true }
func settled(context.Context) error { return nil }
func fresh(db *object.DB) *Catalog  { return New(db) }
func names(t *testing.T, s store.Store) (out []string) {
	t.Helper()
	for o, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Name)
	}
	return out
}

func refreshed(t *testing.T, db *object.DB) *Catalog {
	t.Helper()
	c := fresh(db)
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEntriesGather: each writer adds what no entry lists; after so many one stands for all, and a reader that
// comes later reads few, and knows all. What does not count any more is left out.
func TestEntriesGather(t *testing.T) {
	db, m := vault(t)
	const n = 150
	ids := sids(n)
	for i := range ids {
		if err := fresh(db).Add(t.Context(), ids[:i+1], all, settled, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := fresh(db).Add(t.Context(), ids, all, settled, false); err != nil {
		t.Fatal(err)
	}
	if got := names(t, m); len(got) != n {
		t.Errorf("%d entries for %d snapshots", len(got), n)
	}
	c := refreshed(t, db)
	if listed := c.Listed(); len(listed) != n || len(c.Missing()) > 0 || len(c.Damaged()) > 0 {
		t.Errorf("%d listed, missing %v, damaged %v", len(listed), c.Missing(), c.Damaged())
	}
	if len(c.read) > coverAfter+1 {
		t.Errorf("%d entries were read", len(c.read))
	}
	// What the newest one stands for may go.
	for _, name := range names(t, m) {
		if k, _ := number(name); k < c.floor {
			if err := m.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if c := refreshed(t, db); len(c.Listed()) != n || len(c.Missing()) > 0 {
		t.Errorf("%d listed, missing %v", len(c.Listed()), c.Missing())
	}
	gone := func(id object.SID) bool { return id != ids[3] }
	if err := fresh(db).Add(t.Context(), ids, gone, settled, true); err != nil {
		t.Fatal(err)
	}
	if c := refreshed(t, db); c.Listed()[ids[3]] || len(c.Listed()) != n-1 || len(c.read) != 1 {
		t.Errorf("%d listed of %d read", len(c.Listed()), len(c.read))
	}
}

// TestTampering: an entry that is gone, was replaced, moved or spoiled is told; and what the others list is known.
func TestTampering(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, db *object.DB, m *store.Memory, at []string) (missing, damaged int){
		"gone": func(t *testing.T, _ *object.DB, m *store.Memory, at []string) (int, int) {
			replace(t, m, at[1], nil)
			return 1, 0
		},
		"another under its name": func(t *testing.T, db *object.DB, m *store.Memory, at []string) (int, int) {
			b, err := db.Keys().Seal(nil, seal.Catalog, []byte(at[1]), []byte(`{"adds":[]}`), db.Rand())
			if err != nil {
				t.Fatal(err)
			}
			replace(t, m, at[1], b)
			return 1, 0
		},
		"moved": func(t *testing.T, _ *object.DB, m *store.Memory, at []string) (int, int) {
			b, err := m.Get(t.Context(), at[0], 0, -1, nil)
			if err != nil {
				t.Fatal(err)
			}
			replace(t, m, at[2], b)
			return 0, 1
		},
		"flipped": func(t *testing.T, _ *object.DB, m *store.Memory, at []string) (int, int) {
			b, err := m.Get(t.Context(), at[1], 0, -1, nil)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)-1] ^= 1
			replace(t, m, at[1], b)
			return 1, 1
		},
		"odd names": func(t *testing.T, _ *object.DB, m *store.Memory, at []string) (int, int) {
			for _, n := range []string{"catalog/x", "catalog/0000000009", "catalog/000000000x-" + strings.Repeat("0", 32), "catalog/0000000009-" + strings.Repeat("x", 32)} {
				replace(t, m, n, []byte("junk"))
			}
			return 0, 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, m := vault(t)
			ids := sids(3)
			for i := range ids {
				if err := fresh(db).Add(t.Context(), ids[:i+1], all, settled, false); err != nil {
					t.Fatal(err)
				}
			}
			missing, damaged := spoil(t, db, m, names(t, m))
			c := refreshed(t, db)
			if len(c.Missing()) != missing || len(c.Damaged()) != damaged {
				t.Errorf("missing %v, damaged %v; want %d and %d", c.Missing(), c.Damaged(), missing, damaged)
			}
			for _, err := range c.Damaged() {
				if !errors.Is(err, object.ErrDamaged) {
					t.Error(err)
				}
			}
			// The next writer lists again what is known of no other entry.
			if err := fresh(db).Add(t.Context(), ids, all, settled, true); err != nil {
				t.Fatal(err)
			}
			if c := refreshed(t, db); len(c.Listed()) != 3 || len(c.Missing()) > 0 {
				t.Errorf("after a new one that stands for all: %v, missing %v", c.Listed(), c.Missing())
			}
		})
	}
}

func replace(t *testing.T, m *store.Memory, name string, b []byte) {
	t.Helper()
	if err := m.Delete(t.Context(), name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if b == nil {
		return
	}
	if err := m.Put(t.Context(), name, b); err != nil {
		t.Fatal(err)
	}
}

// TestSettledFirst: what an entry comes after is made durable before the entry is put.
func TestSettledFirst(t *testing.T) {
	db, m := vault(t)
	before := -1
	settle := func(context.Context) error { before = len(names(t, m)); return nil }
	if err := fresh(db).Add(t.Context(), sids(1), all, settle, false); err != nil || before != 0 {
		t.Errorf("%v, %d entries when settled", err, before)
	}
	stop := errors.New("stop")
	err := fresh(db).Add(t.Context(), sids(2), all, func(context.Context) error { return stop }, false)
	if !errors.Is(err, stop) || len(names(t, m)) != 1 {
		t.Errorf("%v, %d entries", err, len(names(t, m)))
	}
}

func TestMark(t *testing.T) {
	db, _ := vault(t)
	d := disk.NewMemory(disk.MemoryOptions{})
	if seen, err := ReadMark(db, d.Root(), "here"); err != nil || seen != nil {
		t.Errorf("none: %v, %v", seen, err)
	}
	want := map[object.SID]bool{}
	for _, id := range sids(300) {
		want[id] = true
	}
	if err := WriteMark(db, d.Root(), "here", want); err != nil {
		t.Fatal(err)
	}
	if seen, err := ReadMark(db, d.Root(), "here"); err != nil || !maps.Equal(seen, want) {
		t.Errorf("%d, %v", len(seen), err)
	}
	if seen, err := ReadMark(db, d.Root(), "there"); err != nil || seen != nil {
		t.Errorf("of a copy elsewhere: %v, %v", seen, err)
	}
	other, _ := object.Create(t.Context(), store.NewMemory(), true, object.Options{Rand: &lockedRand{src: rand.NewChaCha8([32]byte{2})}, Now: time.Now})
	b, err := disk.ReadFile(d.Root(), markName(db, "here"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteWhole(d.Root(), markName(other, "here"), 0o600, b); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadMark(other, d.Root(), "here"); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("the mark of another vault: %v", err)
	}
}

// FuzzEntry: whatever an entry says, it is read or refused, and nothing of it is believed that cannot be.
func FuzzEntry(f *testing.F) {
	db, _ := vault(f)
	good, _ := json.Marshal(entry{After: map[string]string{"catalog/0000000001-" + strings.Repeat("0", 32): "00"}, Adds: []string{object.SID{1}.String()}})
	for _, s := range []string{string(good), `{}`, `{"adds":["x"]}`, `{"after":{"":""},"all":true}`, `[]`} {
		f.Add([]byte(s))
	}
	name := fmt.Sprintf("%s%010d-%x", prefix, 1, [16]byte{})
	f.Fuzz(func(t *testing.T, plain []byte) {
		sealed, err := db.Keys().Seal(nil, seal.Catalog, []byte(name), plain, db.Rand())
		if err != nil {
			t.Fatal(err)
		}
		e, err := decode(db.Keys(), name, sealed)
		if err != nil {
			if !errors.Is(err, object.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		c := &Catalog{there: map[string]bool{name: true}, read: map[string]entry{name: e}, digests: map[string]string{name: "00"}}
		listed := c.Listed()
		for _, s := range e.Adds {
			if id, err := object.ParseSID(s); err != nil || !listed[id] {
				t.Fatalf("%q", s)
			}
		}
		if m := c.Missing(); !slices.IsSorted(m) {
			t.Fatal(m)
		}
	})
}
