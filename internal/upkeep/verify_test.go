package upkeep_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/internal/upkeep"
	"varve/store"
)

func TestIntact(t *testing.T) {
	v := small(t)
	for _, data := range []bool{false, true} {
		r := v.verify(upkeep.Options{Data: data, Workers: 2})
		if len(r.Findings) != 0 || !r.Complete || !r.Ok() {
			t.Fatalf("data %v: %+v", data, r)
		}
		size := int64(0)
		for name, b := range v.objects() {
			if kindOf(name) == "packs" {
				size += int64(len(b))
			}
		}
		if data && r.Bytes != size {
			t.Errorf("%d bytes read of %d", r.Bytes, size)
		}
		chunks := int64(0)
		for _, s := range v.db.Segments() {
			chunks += int64(s.Len())
		}
		if r.Objects != chunks {
			t.Errorf("data %v: %d objects of %d", data, r.Objects, chunks)
		}
	}
}

// TestTouched: a finding names the paths and the snapshots that the damage touches, once, and no others.
func TestTouched(t *testing.T) {
	v := newVault(t, store.NewMemory())
	v.chunk = 4000
	shared, one, two := random(1, 3000), random(2, 3000), random(3, 3000)
	v.snap(files{"a/shared": shared, "one": one}, nil)
	before := v.objects()
	v.snap(files{"b": shared, "two": two}, nil)
	v.snap(files{"a/other": shared, "b": shared}, nil)
	loc, err := v.db.Locate(t.Context(), v.db.Digest(shared))
	if err != nil {
		t.Fatal(err)
	}
	name := "packs/" + loc.Pack.String()[:2] + "/" + loc.Pack.String()
	if before[name] == nil {
		t.Fatal("the shared chunk is not in a pack of the first snapshot")
	}
	for what, c := range map[string]struct {
		is   []byte
		kind upkeep.Kind
	}{
		"deleted": {nil, upkeep.Missing},
		"cut":     {before[name][:2000], upkeep.Damaged},
		"flipped": {flip(before[name], 1000), upkeep.Damaged},
	} {
		a := &altered{v.store, map[string][]byte{name: c.is}}
		db, err := object.Open(t.Context(), a, nil, options(4))
		if err != nil {
			t.Fatal(err)
		}
		r, err := upkeep.Verify(t.Context(), db, v.snaps, upkeep.Options{Data: true, Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Findings) != 1 {
			t.Fatalf("%s: %+v", what, r.Findings)
		}
		f := r.Findings[0]
		if f.Object != name || f.Kind != c.kind || f.Path == "" || f.Repair == "" {
			t.Errorf("%s: %+v", what, f)
		}
		if want := []string{"a/other", "a/shared", "b"}; !slices.Equal(slices.DeleteFunc(f.Paths, func(p string) bool { return p == "one" }), want) {
			t.Errorf("%s: paths %q, want %q and perhaps one", what, f.Paths, want)
		}
		if want := []string{"game@v1", "game@v2", "game@v3"}; !slices.Equal(f.Snapshots, want) {
			t.Errorf("%s: snapshots %q", what, f.Snapshots)
		}
	}
}

func flip(b []byte, i int) []byte {
	c := slices.Clone(b)
	c[i] ^= 4
	return c
}

// plant commits a snapshot with one file of one chunk, whose digest is d and which store has stored.
func (v *vault) plant(d digest.Digest, size int, put func(w *object.Writer) error) {
	v.t.Helper()
	err := v.db.Write(v.t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		w := s.Writer(seal.Fast)
		pages := func(page []byte) (digest.Digest, error) { return w.Put(ctx, object.Pages, page) }
		r := tree.Recipe{Class: 1, Size: int64(size), Items: []tree.Item{{Kind: tree.Chunk, Len: int64(size), Digest: d}}}
		content, _, err := tree.PutRecipe(pages, &r)
		if err != nil {
			return err
		}
		b := tree.NewBuilder(pages)
		b.Reset()
		e := tree.Entry{Name: "f", Type: disk.Regular, Size: int64(size), Content: content}
		snap := &history.Snapshot{ID: s.ID, Project: project, Name: "game", Version: len(v.snaps) + 1}
		err = errors.Join(b.Add(&e), put(w))
		if err != nil {
			return err
		}
		if snap.Root, snap.Tree, err = b.Finish(); err != nil {
			return err
		}
		v.snaps = append(v.snaps, snap)
		m, err := snap.Encode()
		return errors.Join(err, w.Flush(), s.Flush(), s.Commit(ctx, m))
	})
	if err != nil {
		v.t.Fatal(err)
	}
}

// TestLyingWriter: what a faulty program sealed is authentic and still found: a chunk that is not its digest, a
// delta that makes something else, a base that is not there, a chunk that is not there, a page that is none.
func TestLyingWriter(t *testing.T) {
	plain, base := random(1, 2000), random(2, 2000)
	var win seal.Window
	win.Reset()
	win.Add(base)
	target := append(slices.Clone(base), "and more"...)
	payload, _, ok := win.Encode(nil, target, len(target))
	if !ok {
		t.Fatal("no delta")
	}
	for _, c := range []struct {
		name        string
		data, quick upkeep.Kind // what is found with Data and without; "": nothing
		put         func(v *vault, w *object.Writer, d digest.Digest) error
	}{
		{"sound", "", "", func(v *vault, w *object.Writer, d digest.Digest) error { return w.Store(object.Content, d, plain) }},
		{"other bytes", upkeep.Damaged, "", func(v *vault, w *object.Writer, d digest.Digest) error {
			return w.Store(object.Content, d, base)
		}},
		{"nothing", upkeep.Missing, upkeep.Missing, func(*vault, *object.Writer, digest.Digest) error { return nil }},
		{"other delta", upkeep.Damaged, "", func(v *vault, w *object.Writer, d digest.Digest) error {
			b, err := w.Put(t.Context(), object.Content, base)
			return errors.Join(err, w.StoreDelta(d, len(target), payload, []digest.Digest{b}))
		}},
		{"no base", upkeep.Missing, upkeep.Missing, func(v *vault, w *object.Writer, d digest.Digest) error {
			return w.StoreDelta(d, len(target), payload, []digest.Digest{w.Sum(base)})
		}},
		{"base is a delta", upkeep.Damaged, upkeep.Missing, func(v *vault, w *object.Writer, d digest.Digest) error {
			b, err := w.Put(t.Context(), object.Content, base)
			mid := w.Sum(target)
			return errors.Join(err, w.StoreDelta(mid, len(target), payload, []digest.Digest{b}), w.StoreDelta(d, len(target), payload, []digest.Digest{mid}))
		}},
	} {
		v := newVault(t, store.NewMemory())
		d := v.db.Digest(plain)
		v.plant(d, len(plain), func(w *object.Writer) error { return c.put(v, w, d) })
		for _, data := range []bool{false, true} {
			want := c.quick
			if data {
				want = c.data
			}
			r := v.verify(upkeep.Options{Data: data})
			if want == "" {
				if len(r.Findings) != 0 {
					t.Errorf("%s, data %v: %+v", c.name, data, r.Findings)
				}
				continue
			}
			touching := slices.DeleteFunc(slices.Clone(r.Findings), func(f upkeep.Finding) bool { return f.Path != "f" || f.Kind != want })
			if len(touching) != 1 || !slices.Equal(touching[0].Snapshots, []string{"game@v1"}) {
				t.Errorf("%s, data %v: %+v", c.name, data, r.Findings)
			}
		}
	}
}

func TestCorruptPages(t *testing.T) {
	v := newVault(t, store.NewMemory())
	junk := sha256.Sum256([]byte("x"))
	v.plant(v.db.Digest(junk[:]), 32, func(w *object.Writer) error { return w.Store(object.Content, w.Sum(junk[:]), junk[:]) })
	v.snaps[0].Root = v.db.Digest(junk[:]) // whole, and no page
	v.snaps[0].Changes = []string{v.db.Digest(junk[:]).String()}
	r := v.verify(upkeep.Options{})
	if len(r.Findings) != 1 || r.Findings[0].Object != v.snaps[0].Root.String() || r.Findings[0].Kind != upkeep.Damaged {
		t.Fatalf("%+v", r.Findings)
	}
	if !strings.Contains(r.Findings[0].Detail, "change list") {
		t.Errorf("the change list went unnoticed: %s", r.Findings[0].Detail)
	}
}

// TestLostIndex: packs that no segment knows are known by their directories.
func TestLostIndex(t *testing.T) {
	v := small(t)
	for name := range v.objects() {
		if kindOf(name) == "index" {
			if err := v.store.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r := v.verify(upkeep.Options{Data: true}); len(r.Findings) != 0 || r.Objects == 0 {
		t.Fatalf("%+v", r)
	}
}

// TestOrphans: what a session leaves that ended without a commit is no finding, even a delta whose base
// never arrived.
func TestOrphans(t *testing.T) {
	v := small(t)
	stop := errors.New("stop")
	err := v.db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		w := s.Writer(seal.Fast)
		var win seal.Window
		base := random(9, 500)
		win.Reset()
		win.Add(base)
		payload, _, _ := win.Encode(nil, base, 500)
		return errors.Join(w.StoreDelta(w.Sum(base[1:]), 499, payload, []digest.Digest{w.Sum(base)}), w.Flush(), s.Flush(), stop)
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	if r := v.verify(upkeep.Options{Data: true}); len(r.Findings) != 0 {
		t.Fatalf("%+v", r.Findings)
	}
}

func TestBudget(t *testing.T) {
	v := small(t)
	full := v.verify(upkeep.Options{Data: true})
	calls := 0
	now := func() time.Time { calls++; return time.Unix(int64(calls), 0) }
	r := v.verify(upkeep.Options{Data: true, Budget: 3 * time.Second, Now: now})
	if r.Complete || len(r.Findings) != 0 || r.Bytes >= full.Bytes {
		t.Fatalf("budget: %+v of %+v", r, full)
	}
	if r = v.verify(upkeep.Options{Data: true, Budget: time.Hour, Now: now}); !r.Complete || r.Bytes != full.Bytes {
		t.Fatalf("large budget: %+v of %+v", r, full)
	}
}

// TestRounds: checks whose budget is not enough for all begin with what was not read for longest, so that some of them
// read everything.
func TestRounds(t *testing.T) {
	v := newVault(t, store.NewMemory())
	for i := range byte(6) {
		v.snap(files{string(rune('a' + i)): random(i, 2000)}, nil)
	}
	all := 0
	for name := range v.objects() {
		if kindOf(name) == "packs" {
			all++
		}
	}
	clock := time.Unix(1_800_000_000, 0)
	now := func() time.Time { clock = clock.Add(time.Second); return clock }
	last := map[[16]byte]time.Time{}
	for round := 0; len(last) < all; round++ {
		if round > all {
			t.Fatalf("%d packs of %d after %d rounds", len(last), all, round)
		}
		r := v.verify(upkeep.Options{Data: true, Budget: 4 * time.Second, Now: now, Last: last})
		if len(r.Findings) != 0 || len(r.Read) == 0 || len(r.Read) == all {
			t.Fatalf("round %d: %d packs read, findings %+v", round, len(r.Read), r.Findings)
		}
		oldest := time.Time{}
		for _, id := range r.Read {
			if before := last[id]; before.After(oldest) {
				oldest = before
			}
		}
		for _, id := range r.Read {
			last[id] = clock
		}
		if !oldest.IsZero() && len(last) < all {
			t.Errorf("round %d reads again what was read, and not the rest", round)
		}
	}
	name := v.packsOf(pack.Data)[0]
	v.replace(name, flip(v.objects()[name], 200))
	r := v.again().verify(upkeep.Options{Data: true, Last: last})
	if len(r.Read) != all-1 {
		t.Errorf("%d packs of %d are right, and one is damaged", len(r.Read), all)
	}
}

func TestCancelled(t *testing.T) {
	v := small(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := upkeep.Verify(ctx, v.db, v.snaps, upkeep.Options{Data: true}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
}

func TestProgress(t *testing.T) {
	v := small(t)
	var last upkeep.Progress
	v.verify(upkeep.Options{Data: true, Progress: func(p upkeep.Progress) { last = p }})
	if last.Packs == 0 || last.Packs != last.AllPacks || last.Bytes != last.AllBytes {
		t.Fatalf("%+v", last)
	}
}

var benchBytes = flag.Int("bench-bytes", 256<<20, "bytes of the vault that is verified")

// BenchmarkData reads incompressible data in chunks of 128 KiB.
func BenchmarkData(b *testing.B) {
	dir, err := disk.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	s := store.NewFolder(dir)
	defer s.Close()
	v := newVault(b, s)
	v.chunk = 128 << 10
	v.snap(files{"big": random(1, *benchBytes)}, nil)
	b.SetBytes(int64(*benchBytes))
	for b.Loop() {
		if r := v.verify(upkeep.Options{Data: true, Workers: 2}); len(r.Findings) != 0 {
			b.Fatal(r.Findings)
		}
	}
}

// BenchmarkStructure checks many small files without reading them.
func BenchmarkStructure(b *testing.B) {
	v := newVault(b, store.NewMemory())
	f := files{}
	for i := range 20_000 {
		f["d"+string(rune('a'+i%26))+"/"+string(rune('a'+i/26%26))+string(rune('a'+i/676%26))+string(rune('a'+i/17576))] = random(byte(i), 100)[:30+i%60]
	}
	v.snap(f, nil)
	for b.Loop() {
		if r := v.verify(upkeep.Options{}); len(r.Findings) != 0 {
			b.Fatal(r.Findings)
		}
	}
}
