package object_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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
	slot, _ := json.Marshal(seal.StoredSlot(seal.Master{5}, options(1).Now()))
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
	wrapped, err := seal.SealMaster(seal.Master(slot.Master), []byte("open sesame"), seal.Params{Time: 1, Memory: 8, Threads: 1}, seal.Note{}, db.Rand())
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
