package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
	"varve/internal/disk"
)

func TestLookupIsLinearSearch(t *testing.T) {
	s := newShelf()
	entries := bigFolder(3000, 9)
	d, _ := build(t, s, entries)
	model := map[string]*Entry{}
	for i := range entries {
		model[entries[i].Name] = &entries[i]
	}
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.OneOf(genName, rapid.Map(rapid.IntRange(0, len(entries)-1), func(i int) string { return entries[i].Name }),
			rapid.Map(rapid.IntRange(0, len(entries)-1), func(i int) string { return entries[i].Name + "!" })).Draw(rt, "name")
		e, ok, err := Lookup(t.Context(), s.get, d, name)
		if err != nil {
			rt.Fatal(err)
		}
		if want := model[name]; ok != (want != nil) || ok && !e.Equal(want) {
			rt.Fatalf("%q: %v %+v", name, ok, e)
		}
	})
}

// node is a folder in memory: entries by name, and folders below.
type node struct {
	entries map[string]Entry
	dirs    map[string]*node
}

func (n *node) store(t testing.TB, s *shelf) (digest.Digest, Summary) {
	var out []Entry
	for _, e := range n.entries {
		if sub := n.dirs[e.Name]; sub != nil {
			e.Dir, e.Summary = sub.store(t, s)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return build(t, s, out)
}

func (n *node) flat(prefix string, into map[string]Entry) {
	for name, e := range n.entries {
		into[prefix+name] = e
		if sub := n.dirs[name]; sub != nil {
			sub.flat(prefix+name+"/", into)
		}
	}
}

func (n *node) clone() *node {
	c := &node{maps.Clone(n.entries), map[string]*node{}}
	for name, sub := range n.dirs {
		c.dirs[name] = sub.clone()
	}
	return c
}

func (n *node) edit(rng *rand.Rand) {
	if len(n.dirs) > 0 && rng.IntN(3) > 0 {
		names := slices.Sorted(maps.Keys(n.dirs))
		n.dirs[names[rng.IntN(len(names))]].edit(rng)
		return
	}
	name := fmt.Sprintf("n%d", rng.IntN(1200))
	delete(n.dirs, name)
	switch rng.IntN(4) {
	case 0:
		delete(n.entries, name)
	case 1:
		n.entries[name] = chunked(name, rng.IntN(5))
	case 2:
		n.entries[name] = file(name, rng.IntN(5))
	default:
		n.entries[name] = Entry{Name: name, Type: disk.Directory, Mode: 0o755, Mtime: rng.Int64N(3)}
		n.dirs[name] = grow(rng, 2, 3)
	}
}

func grow(rng *rand.Rand, files, depth int) *node {
	n := &node{map[string]Entry{}, map[string]*node{}}
	for range files {
		name := fmt.Sprintf("n%d", rng.IntN(1200))
		n.entries[name] = chunked(name, rng.IntN(1000))
	}
	if depth > 0 {
		for range 2 {
			name := fmt.Sprintf("n%d", rng.IntN(1200))
			n.entries[name] = Entry{Name: name, Type: disk.Directory, Mode: 0o755}
			n.dirs[name] = grow(rng, files/2, depth-1)
		}
	}
	return n
}

func TestCompareIsAMapDifference(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		s := newShelf()
		a := grow(rng, int(seed%4)*700, 3)
		b := a.clone()
		for range rng.IntN(12) {
			b.edit(rng)
		}
		da, _ := a.store(t, s)
		db, _ := b.store(t, s)
		if seed%10 == 0 {
			da = digest.Digest{}
			a = &node{}
		}
		ma, mb := map[string]Entry{}, map[string]Entry{}
		a.flat("", ma)
		b.flat("", mb)
		want := map[string]string{}
		for p, e := range ma {
			if o, ok := mb[p]; !ok {
				want[p] = "removed"
			} else if !e.equalBut(&o) {
				want[p] = "changed"
			}
		}
		for p := range mb {
			if _, ok := ma[p]; !ok {
				want[p] = "added"
			}
		}
		got := map[string]string{}
		var order []string
		s.gets = 0
		err := Compare(t.Context(), s.get, da, db, func(path string, old, new *Entry) error {
			kind := "changed"
			switch {
			case old == nil:
				kind = "added"
			case new == nil:
				kind = "removed"
			}
			if _, twice := got[path]; twice {
				t.Errorf("seed %d: %s reported twice", seed, path)
			}
			got[path] = kind
			order = append(order, strings.ReplaceAll(path, "/", "\x00"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: got %v, want %v", seed, got, want)
		}
		if !slices.IsSorted(order) {
			t.Errorf("seed %d: out of order", seed)
		}
	}
}

func TestCompareSkipsEqualPages(t *testing.T) {
	s := newShelf()
	entries := bigFolder(50_000, 3)
	a, _ := build(t, s, entries)
	changed := slices.Clone(entries)
	changed[25_000].Mode = 0o600
	changed = slices.Delete(changed, 40_000, 40_001)
	b, _ := build(t, s, changed)
	s.gets = 0
	n := 0
	if err := Compare(t.Context(), s.get, a, b, func(string, *Entry, *Entry) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	if n != 2 || s.gets > 16 {
		t.Errorf("%d differences, %d of %d pages read", n, s.gets, len(s.pages))
	}
	r1, _ := build(t, s, []Entry{{Name: "d", Type: disk.Directory, Mode: 0o755, Dir: a, Summary: Summary{Files: 1}}})
	r2, _ := build(t, s, []Entry{{Name: "d", Type: disk.Directory, Mode: 0o700, Dir: a, Summary: Summary{Files: 1}}})
	s.gets, n = 0, 0
	if err := Compare(t.Context(), s.get, r1, r2, func(string, *Entry, *Entry) error { n++; return nil }); err != nil || n != 1 || s.gets != 2 {
		t.Errorf("directory with another mode: %v, %d differences, %d pages read", err, n, s.gets)
	}
	s.gets = 0
	if err := Compare(t.Context(), s.get, a, a, nil); err != nil || s.gets != 0 {
		t.Errorf("equal directories: %v, %d pages read", err, s.gets)
	}
}

func TestCallersErrors(t *testing.T) {
	s := newShelf()
	a, _ := build(t, s, bigFolder(10, 1))
	stop := errors.New("enough")
	if err := Compare(t.Context(), s.get, a, digest.Digest{}, func(string, *Entry, *Entry) error { return stop }); err != stop {
		t.Errorf("compare: %v", err)
	}
	if err := Walk(t.Context(), s.get, a, func(Kind, digest.Digest) (bool, error) { return true, stop }); err != stop {
		t.Errorf("walk: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Lookup(ctx, s.get, a, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("lookup: %v", err)
	}
	for _, err := range List(t.Context(), s.get, digest.Digest{9}) {
		if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt) {
			t.Errorf("list of a missing directory: %v", err)
		}
	}
}

func TestFind(t *testing.T) {
	s := newShelf()
	rng := rand.New(rand.NewPCG(1, 1))
	n := grow(rng, 20, 3)
	root, _ := n.store(t, s)
	all := map[string]Entry{}
	n.flat("", all)
	for p, want := range all {
		e, err := Find(t.Context(), s.get, root, p)
		if err != nil || !e.equalBut(&want) && want.Type != disk.Directory {
			t.Errorf("%s: %+v, %v", p, e, err)
		}
		if want.Type == disk.Regular {
			if _, err := Find(t.Context(), s.get, root, p+"/x"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s/x: %v", p, err)
			}
		}
	}
	if e, err := Find(t.Context(), s.get, root, "."); err != nil || e.Dir != root {
		t.Errorf(". is %+v, %v", e, err)
	}
	if _, err := Find(t.Context(), s.get, root, "not/there"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not/there: %v", err)
	}
	for _, p := range []string{"/", "a//b", "a/", "/a", "../a", "a/./b", strings.Repeat("a/", 600) + "a"} {
		if _, err := Find(t.Context(), s.get, root, p); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestWalkReachesEverything(t *testing.T) {
	s := newShelf()
	rng := rand.New(rand.NewPCG(1, 9))
	n := grow(rng, 1500, 2)
	r := longRecipe(5000, 1)
	want := map[digest.Digest]Kind{}
	for i := range r.Items {
		if r.Items[i].Kind == Chunk {
			want[r.Items[i].Digest] = Data
		}
	}
	content, recipe, err := PutRecipe(s.put, &r)
	if err != nil || content != nil {
		t.Fatal(err)
	}
	n.entries["paged"] = Entry{Name: "paged", Size: r.Size, Recipe: recipe}
	root, _ := n.store(t, s)
	for d, p := range s.pages {
		want[d] = Kind(p[2]) // tree and recipe are numbered alike
	}
	all := map[string]Entry{}
	n.flat("", all)
	for _, e := range all {
		if e.Content != nil {
			rec, err := DecodeRecipe(e.Content)
			if err != nil {
				t.Fatal(err)
			}
			want[rec.Items[0].Digest] = Data
		}
	}
	got := map[digest.Digest]Kind{}
	err = Walk(t.Context(), s.get, root, func(k Kind, d digest.Digest) (bool, error) {
		_, seen := got[d]
		got[d] = k
		return !seen, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("walked %d, want %d", len(got), len(want))
	}
}

// bomb makes a tree of n small pages with 2^n paths.
func bomb(t *testing.T, s *shelf, n int) digest.Digest {
	d, sum := build(t, s, nil)
	for range n {
		d, sum = build(t, s, []Entry{
			{Name: "a", Type: disk.Directory, Dir: d, Summary: sum},
			{Name: "b", Type: disk.Directory, Dir: d, Summary: sum},
		})
	}
	return d
}

func TestBombIsBounded(t *testing.T) {
	s := newShelf()
	d := bomb(t, s, 60)
	if err := Compare(t.Context(), Budget(s.get, 1000), d, digest.Digest{}, func(string, *Entry, *Entry) error { return nil }); !errors.Is(err, ErrBudget) {
		t.Errorf("compare: %v", err)
	}
	all := func(Kind, digest.Digest) (bool, error) { return true, nil }
	if err := Walk(t.Context(), Budget(s.get, 1000), d, all); !errors.Is(err, ErrBudget) {
		t.Errorf("walk: %v", err)
	}
	seen := map[digest.Digest]bool{}
	s.gets = 0
	err := Walk(t.Context(), s.get, d, func(_ Kind, d digest.Digest) (bool, error) {
		old := seen[d]
		seen[d] = true
		return !old, nil
	})
	if err != nil || s.gets != 61 {
		t.Errorf("walk with a memory: %v, %d pages", err, s.gets)
	}
}

func TestDeepestTree(t *testing.T) {
	s := newShelf()
	d, sum := build(t, s, nil)
	for range MaxDepth {
		d, sum = build(t, s, []Entry{{Name: "d", Type: disk.Directory, Dir: d, Summary: sum}})
	}
	n := 0
	if err := Walk(t.Context(), s.get, d, func(Kind, digest.Digest) (bool, error) { n++; return true, nil }); err != nil || n != MaxDepth+1 {
		t.Errorf("walk: %v, %d pages", err, n)
	}
	if _, err := Find(t.Context(), s.get, d, strings.Repeat("d/", MaxDepth-1)+"d"); err != nil {
		t.Error(err)
	}
	if err := NewBuilder(s.put).Add(&Entry{Name: "d", Type: disk.Directory, Dir: d, Summary: sum}); !errors.Is(err, ErrEntry) {
		t.Errorf("one deeper: %v", err)
	}
}
