package object_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"varve/internal/digest"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

// TestSharedOnlyWithWhatIsThere: a chunk in a pack that is gone, short or condemned is not had, and is stored
// again; once it is, the vault is whole for it again. One that is condemned can still be read.
func TestSharedOnlyWithWhatIsThere(t *testing.T) {
	lost, kept := chunk(1, 3000), chunk(2, 3000)
	for name, harm := range map[string]func(t *testing.T, db *object.DB, pack string){
		"gone":  func(t *testing.T, db *object.DB, pack string) { alter(t, db.Store(), pack, gone) },
		"short": func(t *testing.T, db *object.DB, pack string) { alter(t, db.Store(), pack, cut) },
		"long": func(t *testing.T, db *object.DB, pack string) {
			alter(t, db.Store(), pack, func(b []byte) []byte { return append(b, 0) })
		},
		"condemned": func(t *testing.T, db *object.DB, pack string) {
			collect(t, db, "gc/0000000001/condemn", seal.Condemn, pack)
		},
		"judged": func(t *testing.T, db *object.DB, pack string) {
			collect(t, db, "gc/0000000001/condemn", seal.Condemn)
			collect(t, db, "gc/0000000001/verdict", seal.Verdict, pack)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := store.NewMemory()
			first := create(t, m)
			mustKeep(t, first, "one", lost)
			mustKeep(t, first, "two", kept)
			harm(t, first, packOf(t, first, first.Digest(lost)))
			var w warned
			db := open(t, m, w.options(5))
			err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
				if has(t, db, lost) || !has(t, db, kept) {
					t.Errorf("has the lost one %v, the other %v", has(t, db, lost), has(t, db, kept))
				}
				if db.Whole() {
					t.Error("the vault says that it is whole")
				}
				if err := errors.Join(fill(ctx, s, lost, kept), s.Flush()); err != nil {
					return err
				}
				if st := s.Stored(); st.Chunks != 1 {
					t.Errorf("stored %+v, want one chunk", st)
				}
				return s.Commit(ctx, []byte("again"))
			})
			if err != nil {
				t.Fatal(err)
			}
			if short := name == "short" || name == "long"; short == (len(w.by) == 0) {
				t.Errorf("warnings %v", w.by)
			}
			fresh := open(t, m, options(6))
			mustGet(t, fresh, lost, kept)
			if !has(t, fresh, lost) {
				t.Error("stored again and still not had")
			}
		})
	}
}

// TestSpared: a verdict counts instead of its condemn list, and a generation says nothing of another.
func TestSpared(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	a, b := chunk(1, 100), chunk(2, 100)
	mustKeep(t, db, "a", a)
	mustKeep(t, db, "b", b)
	pa, pb := packOf(t, db, db.Digest(a)), packOf(t, db, db.Digest(b))
	seed := byte(7)
	stored := func() int64 { seed++; return mustKeep(t, open(t, m, options(seed)), "x", a, b).Chunks }
	collect(t, db, "gc/0000000001/condemn", seal.Condemn, pa)
	collect(t, db, "gc/0000000001/verdict", seal.Verdict)
	if n := stored(); n != 0 {
		t.Errorf("spared by the verdict: %d stored", n)
	}
	collect(t, db, "gc/0000000002/condemn", seal.Condemn, pb)
	if n := stored(); n != 1 {
		t.Errorf("condemned by another generation: %d stored, want 1", n)
	}
}

// TestDamagedCollection: a list of a collection that cannot be read stops a session: it could name any pack.
func TestDamagedCollection(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	collect(t, db, "gc/0000000001/condemn", seal.Condemn)
	for name, change := range map[string]func([]byte) []byte{
		"flipped": flipLast, "cut": cut, "junk": func([]byte) []byte { return []byte("x") },
	} {
		alter(t, m, "gc/0000000001/condemn", change)
		if _, err := keep(t.Context(), open(t, m, options(2)), "x", chunk(1, 10)); !errors.Is(err, object.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// moved from another generation: bound to its name
	alter(t, m, "gc/0000000001/condemn", gone)
	collect(t, db, "gc/0000000003/condemn", seal.Condemn)
	b, err := m.Get(t.Context(), "gc/0000000003/condemn", 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	alter(t, m, "gc/0000000004/condemn", func([]byte) []byte { return b })
	if _, err := keep(t.Context(), open(t, m, options(2)), "x", chunk(1, 10)); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("moved: %v", err)
	}
}

// TestIndexLost: an index that is gone or damaged, in whole or in part, is made again from the packs; damage is
// told, and nothing is stored twice.
func TestIndexLost(t *testing.T) {
	plains := [][]byte{chunk(1, 3000), chunk(2, 3000), chunk(3, 3000)}
	for name, change := range map[string]func([]byte) []byte{"gone": gone, "flipped": flipLast, "cut": cut, "empty": func([]byte) []byte { return []byte{} }} {
		for _, part := range []string{"first", "all"} {
			m := store.NewMemory()
			db := create(t, m)
			for i, p := range plains {
				mustKeep(t, db, string(rune('a'+i)), p)
			}
			list := names(t, m, "index/")
			if part == "first" {
				list = list[:1]
			}
			for _, n := range list {
				alter(t, m, n, change)
			}
			var w warned
			fresh := open(t, m, w.options(3))
			mustGet(t, fresh, plains...)
			for _, p := range plains {
				if !has(t, fresh, p) {
					t.Errorf("%s, %s: not had", name, part)
				}
			}
			for _, n := range list {
				if told := errors.Is(w.by[n], object.ErrDamaged); told != (name != "gone") {
					t.Errorf("%s, %s: warned of %s: %v", name, part, n, w.by[n])
				}
			}
			if st := mustKeep(t, fresh, "again", plains...); st.Chunks != 0 {
				t.Errorf("%s, %s: stored again: %+v", name, part, st)
			}
		}
	}
}

// TestOddPacks: what lies among the packs and is none, or not of its name or of another vault, is told and
// stops nothing.
func TestOddPacks(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	p := chunk(1, 1000)
	mustKeep(t, db, "one", p)
	good, err := m.Get(t.Context(), packOf(t, db, db.Digest(p)), 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger := store.NewMemory()
	other, err := object.Create(t.Context(), stranger, true, options(77))
	if err != nil {
		t.Fatal(err)
	}
	mustKeep(t, other, "one", chunk(9, 1000))
	foreignName := packOf(t, other, other.Digest(chunk(9, 1000)))
	foreign, err := stranger.Get(t.Context(), foreignName, 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	copied, short, junk := "packs/00/"+strings.Repeat("0", 32), "packs/11/"+strings.Repeat("1", 32), "packs/22/"+strings.Repeat("2", 32)
	for name, b := range map[string][]byte{copied: good, short: good[:50], junk: []byte("junk"), foreignName: foreign, "packs/33/notes.txt": []byte("x"), "packs/44/" + strings.Repeat("3", 32): []byte("x")} {
		alter(t, m, name, func([]byte) []byte { return b })
	}
	var w warned
	fresh := open(t, m, w.options(3))
	mustGet(t, fresh, p)
	for _, name := range []string{copied, short, junk, foreignName} {
		if !errors.Is(w.by[name], object.ErrDamaged) {
			t.Errorf("%s: %v", name, w.by[name])
		}
	}
	if len(w.by) != 4 {
		t.Errorf("warnings %v", w.by)
	}
	if has(t, fresh, chunk(9, 1000)) {
		t.Error("a chunk of another vault is had")
	}
}

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

// TestCommits: those known are left out, aborted ones too, odd names are passed over, and a slot that cannot be
// read is told and hides no other.
func TestCommits(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	for _, s := range []string{"a", "b", "c"} {
		mustKeep(t, db, s)
	}
	slots := names(t, m, "snap/")
	alter(t, m, "snap/readme", func([]byte) []byte { return []byte("x") })
	moved, err := m.Get(t.Context(), slots[0], 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	alter(t, m, "snap/"+strings.Repeat("0", 32), func([]byte) []byte { return moved }) // bound to its name
	alter(t, m, slots[2], flipLast)
	skipped, err := object.ParseSID(slots[1][len("snap/"):])
	if err != nil {
		t.Fatal(err)
	}
	good, bad := 0, 0
	err = db.Commits(t.Context(), func(id object.SID) bool { return id == skipped }, func(c object.Commit, err error) error {
		switch {
		case err == nil:
			good++
			if c.ID.String() != slots[0][len("snap/"):] {
				t.Errorf("commit %s", c.ID)
			}
		case errors.Is(err, object.ErrDamaged) && c.Manifest == nil:
			bad++
		default:
			t.Errorf("%v", err)
		}
		return nil
	})
	if err != nil || good != 1 || bad != 2 {
		t.Errorf("%d whole, %d damaged, %v", good, bad, err)
	}
	stop := errors.New("stop")
	if err := db.Commits(t.Context(), nil, func(object.Commit, error) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

// TestOpen: what opening says of a vault that is not there, of another key, newer, damaged, or locked.
func TestOpen(t *testing.T) {
	ctx := t.Context()
	fails := func(name string, m store.Store, want error, not ...error) {
		t.Helper()
		db, err := object.Open(ctx, m, nil, options(2))
		if !errors.Is(err, want) || db != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, n := range not {
			if errors.Is(err, n) {
				t.Errorf("%s: %v is %v too", name, err, n)
			}
		}
	}
	fails("nothing", store.NewMemory(), object.ErrNoVault)
	made := func() (*store.Memory, *object.DB) { m := store.NewMemory(); return m, create(t, m) }
	change := func(edit func(c map[string]any)) *store.Memory {
		m, _ := made()
		alter(t, m, "config", func(b []byte) []byte {
			var c map[string]any
			if err := json.Unmarshal(b, &c); err != nil {
				t.Fatal(err)
			}
			edit(c)
			b, _ = json.Marshal(c)
			return b
		})
		return m
	}
	fails("newer", change(func(c map[string]any) { c["format"] = 2 }), object.ErrNewer, object.ErrDamaged)
	fails("newer, and otherwise unknown", change(func(c map[string]any) { c["format"], c["id"] = 99, "?" }), object.ErrNewer)
	fails("older than the first", change(func(c map[string]any) { c["format"] = 0 }), object.ErrDamaged)
	fails("another id", change(func(c map[string]any) { c["id"] = strings.Repeat("0", 32) }), object.ErrDamaged, object.ErrNewer)
	fails("no id", change(func(c map[string]any) { c["id"] = "x" }), object.ErrDamaged)
	fails("a setting was changed", change(func(c map[string]any) { c["sha256"] = false }), object.ErrDamaged)
	fails("no vault's config", change(func(c map[string]any) { c["varve"] = "project" }), object.ErrDamaged)
	m, _ := made()
	alter(t, m, "config", func([]byte) []byte { return []byte("{") })
	fails("no JSON", m, object.ErrDamaged, object.ErrNoVault)
	m, _ = made()
	alter(t, m, names(t, m, "keys/")[0], gone)
	fails("no key", m, object.ErrMissing)
	m, _ = made()
	alter(t, m, names(t, m, "keys/")[0], func(b []byte) []byte { return bytes.Replace(b, []byte("master"), []byte("mister"), 1) })
	fails("a damaged key", m, object.ErrDamaged)
	m, _ = made()
	slot, _ := json.Marshal(seal.StoredSlot(seal.Master{5}))
	alter(t, m, names(t, m, "keys/")[0], func([]byte) []byte { return slot })
	fails("the key of another vault", m, object.ErrDamaged)
	lost := errors.New("lost")
	m, _ = made()
	fails("a store that fails", &logged{Store: m, before: func(string) error { return lost }}, lost, object.ErrNoVault)
	// A vault with a stray key beside the right one opens.
	m, _ = made()
	alter(t, m, "keys/00", func([]byte) []byte { return slot })
	alter(t, m, "keys/01", func([]byte) []byte { return []byte("junk") })
	if db := open(t, m, options(2)); !db.KeyStored() || !db.Config().SHA256 {
		t.Errorf("config %+v, key stored %v", db.Config(), db.KeyStored())
	}
}

// TestPassphrase: with the key wrapped, the vault opens with the passphrase and not without; nobody is asked
// while a key lies there in the clear.
func TestPassphrase(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	mustKeep(t, db, "one", chunk(1, 100))
	stored := names(t, m, "keys/")[0]
	b, err := m.Get(t.Context(), stored, 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	var slot seal.Slot
	if err := json.Unmarshal(b, &slot); err != nil {
		t.Fatal(err)
	}
	wrapped, err := seal.SealMaster(seal.Master(slot.Master), []byte("open sesame"), seal.Params{Time: 1, Memory: 8, Threads: 1}, db.Rand())
	if err != nil {
		t.Fatal(err)
	}
	wb, _ := json.Marshal(wrapped)
	alter(t, m, "keys/"+strings.Repeat("a", 32), func([]byte) []byte { return wb })
	asked := 0
	ask := func(p string) func() ([]byte, error) {
		return func() ([]byte, error) { asked++; return []byte(p), nil }
	}
	if _, err := object.Open(t.Context(), m, ask("never asked"), options(2)); err != nil || asked != 0 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	alter(t, m, stored, gone)
	again, err := object.Open(t.Context(), m, ask("open sesame"), options(2))
	if err != nil || asked != 1 || again.KeyStored() {
		t.Fatalf("%v, asked %d times", err, asked)
	}
	mustGet(t, again, chunk(1, 100))
	if _, err := object.Open(t.Context(), m, ask("wrong"), options(2)); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := object.Open(t.Context(), m, nil, options(2)); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("no passphrase: %v", err)
	}
	stop := errors.New("the user gave up")
	if _, err := object.Open(t.Context(), m, func() ([]byte, error) { return nil, stop }, options(2)); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

// TestCreateRace: of makings at once one wins, the others are told, and all then open the same vault.
func TestCreateRace(t *testing.T) {
	for round := range 20 {
		m := store.NewMemory()
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { _, errs[i] = object.Create(t.Context(), m, true, options(byte(10*round+i))) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, fs.ErrExist) {
				t.Errorf("%v", err)
			}
		}
		if won != 1 {
			t.Fatalf("%d makings won", won)
		}
		a, b := open(t, m, options(1)), open(t, m, options(2))
		mustKeep(t, a, "one", chunk(1, 100))
		mustGet(t, b, chunk(1, 100))
	}
}

// TestCreateCutShort: a making that was cut short at any operation can be made again, or is whole; the vault
// then has one master key.
func TestCreateCutShort(t *testing.T) {
	lost := errors.New("lost")
	for at := 1; ; at++ {
		m := store.NewMemory()
		var n atomic.Int64
		l := &logged{Store: m, before: func(string) error {
			if int(n.Add(1)) >= at {
				return lost
			}
			return nil
		}}
		_, err := object.Create(t.Context(), l, true, options(1))
		if int(n.Load()) < at {
			break
		}
		if err == nil {
			t.Errorf("cut at %d and made", at)
		}
		if _, err := object.Open(t.Context(), m, nil, options(2)); errors.Is(err, object.ErrNoVault) {
			if _, err := object.Create(t.Context(), m, true, options(3)); err != nil {
				t.Errorf("cut at %d, made again: %v", at, err)
			}
		} else if err != nil {
			t.Errorf("cut at %d: %v", at, err)
		}
		masters := map[string]bool{}
		for _, name := range names(t, m, "keys/") {
			b, err := m.Get(t.Context(), name, 0, -1, nil)
			if err != nil {
				t.Fatal(err)
			}
			var s seal.Slot
			if err := json.Unmarshal(b, &s); err != nil {
				t.Fatal(err)
			}
			masters[string(s.Master)] = true
		}
		if len(masters) != 1 {
			t.Errorf("cut at %d: %d master keys", at, len(masters))
		}
		open(t, m, options(4))
	}
}

// FuzzOpen: whatever config and slot say, opening gives a vault or an error.
func FuzzOpen(f *testing.F) {
	m := store.NewMemory()
	create(f, m)
	config, err := m.Get(context.Background(), "config", 0, -1, nil)
	if err != nil {
		f.Fatal(err)
	}
	slot, err := m.Get(context.Background(), names(f, m, "keys/")[0], 0, -1, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(config, slot)
	f.Add([]byte("{}"), slot)
	f.Add(config, []byte(`{"kind":"passphrase","argon2id":{"time":1,"memory_kib":8,"threads":1}}`))
	f.Fuzz(func(t *testing.T, config, slot []byte) {
		m := store.NewMemory()
		if err := errors.Join(m.Put(t.Context(), "config", config), m.Put(t.Context(), "keys/00", slot)); err != nil {
			t.Fatal(err)
		}
		// no passphrase: a hostile slot may ask for much work, and only who has one does it
		db, err := object.Open(t.Context(), m, nil, options(2))
		if (db == nil) == (err == nil) {
			t.Errorf("%v, %v", db, err)
		}
	})
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
	for b.Loop() {
		if have, _, err := db.Has(b.Context(), d); !have || err != nil {
			b.Fatal(have, err)
		}
	}
}
