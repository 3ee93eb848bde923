package blend

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// putInto grafts, and checks what must hold of every graft: the file is whole, no address is given twice, what was grafted is
// as it was, and what was not is as it is.
func putInto(t *testing.T, into, from []byte, ids ...string) (*format.Grafting, []byte) {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), ids)
	if err != nil {
		t.Fatal(err)
	}
	b := formattest.All(t, g.Content)
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
		t.Fatal(err)
	}
	before, after := addresses(t, into), addresses(t, b)
	for a, n := range after {
		if n > max(1, before[a]) {
			t.Errorf("%d blocks have the address %#x", n, a)
		}
	}
	was, is, old := list(t, into), list(t, b), list(t, from)
	for id, e := range is {
		switch w, there := was[id]; {
		case slices.Contains(g.Changed, id):
			if there && w.Hash() == e.Hash() {
				t.Errorf("%s is said to be changed, and is not", id)
			}
		case !there || w.Hash() != e.Hash():
			t.Errorf("%s is changed, and not said to be", id)
		}
	}
	for _, id := range ids {
		a, b := old[id], is[id]
		if !strings.HasPrefix(id, "KE") && a.Hash() != b.Hash() {
			t.Errorf("%s: %v", id, differences(map[string]format.Element{id: a}, map[string]format.Element{id: b}))
		}
	}
	for id := range was {
		if _, ok := is[id]; !ok {
			t.Errorf("%s is gone", id)
		}
	}
	return g, b
}

// addresses counts the blocks at each: what Blender had on its stack may come twice.
func addresses(t *testing.T, b []byte) map[uint64]int {
	t.Helper()
	f, err := open(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint64]int{}
	for _, k := range f.blocks {
		out[k.old]++
	}
	return out
}

func TestGraftReplaces(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		d := still()
		d.session, d.x, d.top, d.red = 2, 7, 9, 1
		into, from := d.bytes(k), still().bytes(k)
		for _, id := range []string{"OBVase", "MEVaseMesh", "MAGlaze"} {
			g, b := putInto(t, into, from, id)
			if !slices.Equal(g.Changed, []string{id}) {
				t.Errorf("%s: changed %q", id, g.Changed)
			}
			a, err := open(t.Context(), format.Bytes(into))
			if err != nil {
				t.Fatal(err)
			}
			f, err := open(t.Context(), format.Bytes(b))
			if err != nil {
				t.Fatal(err)
			}
			if x, y := a.blocks[a.groups[a.named[id]].first].old, f.blocks[f.groups[f.named[id]].first].old; x != y {
				t.Errorf("%s moved from %#x to %#x: its users lose it", id, x, y)
			}
		}
		_, all := putInto(t, into, from, "OBVase", "MEVaseMesh", "MAGlaze")
		if d := differences(list(t, from), list(t, all)); len(d) > 0 {
			t.Errorf("all three: %v", d)
		}
		b := into
		for _, id := range []string{"OBVase", "MEVaseMesh", "MAGlaze"} {
			_, b = putInto(t, b, from, id)
		}
		if d := differences(list(t, from), list(t, b)); len(d) > 0 {
			t.Errorf("one after the other: %v", d)
		}
	})
}

// TestGraftBringsBack: an object that was deleted is back with its mesh, and in its collection.
func TestGraftBringsBack(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		d := still()
		d.session, d.noBowl, d.x = 2, true, 7
		g, b := putInto(t, d.bytes(k), still().bytes(k), "OBBowl")
		if want := []string{"GRProps", "MEBowlMesh", "OBBowl"}; !slices.Equal(g.Changed, want) {
			t.Errorf("changed %q", g.Changed)
		}
		l := list(t, b)
		if got := l["GRProps"].Properties["objects"]; got != "Vase, Bowl" {
			t.Errorf("the collection has %s", got)
		}
		if got := l["OBVase"].Properties["location"]; got != "7 0 0" {
			t.Errorf("the vase is at %s", got)
		}
		if got := l["OBBowl"].Properties["parent"]; got != "OBVase" {
			t.Errorf("the bowl is on %q", got)
		}
		if want := `the object "Bowl" uses the object "Vase" as the newer file has it`; !slices.Contains(g.Notes, want) {
			t.Errorf("notes %q", g.Notes)
		}
		if d := differences(list(t, still().bytes(k)), l); !maps.Equal(d, map[string]string{"OBVase": "location transform"}) {
			t.Errorf("%v", d)
		}
	})
}

// TestGraftWithoutCollection: the collection that it was in is gone, too.
func TestGraftWithoutCollection(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		d := still()
		d.session, d.noBowl, d.noProps = 1, true, true
		g, b := putInto(t, d.bytes(k), still().bytes(k), "OBBowl")
		if !slices.Contains(g.Changed, "SCScene") || len(g.Notes) == 0 {
			t.Errorf("changed %q, notes %q", g.Changed, g.Notes)
		}
		if got := members(t, b, "SCScene"); !slices.Equal(got, []string{"OBVase", "OBBowl"}) {
			t.Errorf("the scene has %q", got)
		}
		// and with the collection, both are as they were
		g, b = putInto(t, d.bytes(k), still().bytes(k), "OBBowl", "GRProps")
		if got := members(t, b, "GRProps"); !slices.Equal(got, []string{"OBVase", "OBBowl"}) {
			t.Errorf("the collection has %q", got)
		}
		if got := members(t, b, "SCScene"); !slices.Equal(got, []string{"OBVase"}) {
			t.Errorf("the scene has %q; notes %q", got, g.Notes)
		}
	})
}

// TestGraftIntoNothing: the first in a list is its last.
func TestGraftIntoNothing(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		d := still()
		d.noBowl, d.bare = true, true
		_, b := putInto(t, d.bytes(k), still().bytes(k), "OBBowl")
		if got := members(t, b, "GRProps"); !slices.Equal(got, []string{"OBBowl"}) {
			t.Errorf("the collection has %q", got)
		}
	})
}

// members are the objects of the collection in a group.
func members(t *testing.T, b []byte, key string) (out []string) {
	t.Helper()
	f, err := open(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range f.holders() {
		g := &f.groups[h.group]
		if g.key != key || h.m.list != "gobject" {
			continue
		}
		v, _, err := f.view(h.block, 0)
		if err != nil {
			t.Fatal(err)
		}
		last := uint64(0)
		err = f.list(f.addressed(g), v, "gobject", func(o view) bool {
			if o.pointer("prev") != last {
				t.Errorf("the item before is %#x, not %#x", o.pointer("prev"), last)
			}
			last = f.blocks[o.block].old
			out = append(out, f.nameOf(o.pointer("ob")))
			return true
		})
		if err != nil || v.inner("gobject").pointer("last") != last {
			t.Errorf("the list ends at %#x, and its last is %#x, %v", last, v.inner("gobject").pointer("last"), err)
		}
	}
	return out
}

// TestGraftShapeKeys: shape keys are found by their mesh, not by the name that Blender gave them.
func TestGraftShapeKeys(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		d := still()
		d.session, d.bump, d.keyName = 2, 8, "KEKey.004"
		g, b := putInto(t, d.bytes(k), still().bytes(k), "MEVaseMesh")
		if !slices.Equal(g.Changed, []string{"KEKey.004"}) {
			t.Errorf("changed %q", g.Changed)
		}
		if x, y := list(t, still().bytes(k))["KEKey"], list(t, b)["KEKey.004"]; x.Hash() != y.Hash() {
			t.Error("the shape keys are not those of the older file")
		}
	})
}

// TestGraftLinked: what stands for something in a library follows that library.
func TestGraftLinked(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		id := "OBTable LI//set.blend"
		d := still()
		d.session, d.noLinked = 2, true
		g, b := putInto(t, d.bytes(k), still().bytes(k), id)
		if !slices.Equal(g.Changed, []string{id}) || list(t, b)[id].Properties["library"] != "//set.blend" {
			t.Errorf("changed %q", g.Changed)
		}
		d.noLibrary = true
		g, b = putInto(t, d.bytes(k), still().bytes(k), id)
		if !slices.Equal(g.Changed, []string{"LI//set.blend", id}) || list(t, b)[id].Properties["library"] != "//set.blend" {
			t.Errorf("changed %q", g.Changed)
		}
	})
}

// TestGraftOfTheSame: what did not change is left alone: all of a file that was saved again changes no byte.
func TestGraftOfTheSame(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		d := still()
		d.session = 5
		into := d.bytes(k)
		for _, b := range [][]byte{into, gzipping(t, into), framing(t, into, 999, true)} {
			g, err := format.Graft(t.Context(), Format{}, format.Bytes(b), format.Bytes(still().bytes(k)), slices.Collect(maps.Keys(list(t, b))))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(formattest.All(t, g.Content), b) || len(g.Changed)+len(g.Stale) > 0 {
				t.Errorf("changed %q", g.Changed)
			}
		}
	})
}

// TestGraftKeepsFrames: of a file in frames those that are not concerned stay, and the table is right.
func TestGraftKeepsFrames(t *testing.T) {
	k := machines()[0]
	d := still()
	d.session, d.red = 2, 1
	into := framing(t, d.bytes(k), 1500, true)
	_, b := putInto(t, into, gzipping(t, still().bytes(k)), "MAGlaze")
	x, err := openFrames(format.Bytes(into))
	if err != nil {
		t.Fatal(err)
	}
	y, err := openFrames(format.Bytes(b))
	if err != nil || y == nil {
		t.Fatal(y, err)
	}
	kept := 0
	for _, p := range x.list {
		if slices.ContainsFunc(y.list, func(q frame) bool { return bytes.Equal(into[p.off:p.off+p.n], b[q.off:q.off+q.n]) }) {
			kept++
		}
	}
	if kept < len(x.list)-3 || kept == len(x.list) {
		t.Errorf("%d of %d frames are kept", kept, len(x.list))
	}
	// a file that is not in frames, but packed by zstd, is in frames then
	_, b = putInto(t, framing(t, d.bytes(k), 1<<20, false), still().bytes(k), "MAGlaze")
	if z, err := openFrames(format.Bytes(b)); err != nil || z == nil {
		t.Errorf("%v, %v", z, err)
	}
	// gzip becomes plain
	_, b = putInto(t, gzipping(t, d.bytes(k)), still().bytes(k), "MAGlaze")
	if packingOf(b) != plain {
		t.Errorf("starts with %q", b[:8])
	}
}

func TestGraftRefuses(t *testing.T) {
	k := machines()[0]
	a := still().bytes(k)
	other := still().make(k)
	other.sdna = other.declare(declarations + "\nmore: int n")
	newer := k
	newer.version = 401
	for name, b := range map[string][]byte{"other structs": other.bytes(), "other version": still().bytes(newer), "other machine": still().bytes(machines()[1])} {
		_, err := format.Graft(t.Context(), Format{}, format.Bytes(a), format.Bytes(b), []string{"MEVaseMesh", "OBVase"})
		var r *format.Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Advice, `new.meshes = ["VaseMesh"]`) || !strings.Contains(r.Advice, "objects.link") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, id := range []string{"OBNothing", "WMWinMan", ""} {
		if _, err := format.Graft(t.Context(), Format{}, format.Bytes(a), format.Bytes(a), []string{id}); !errors.Is(err, format.ErrNoElement) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestGraftStale: the preview is of what was.
func TestGraftStale(t *testing.T) {
	k := machines()[0]
	d := still()
	d.red, d.preview = 1, true
	g, _ := putInto(t, d.bytes(k), still().bytes(k), "MAGlaze")
	if !slices.Equal(g.Stale, []string{"preview"}) {
		t.Errorf("stale %q", g.Stale)
	}
}

// TestExtract: an element as a file has that, what it needs, and nothing else.
func TestExtract(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		b := still().bytes(k)
		was := list(t, b)
		for id, want := range map[string]string{
			"IMwood.png": "IMwood.png",
			"MAGlaze":    "IMwood.png MAGlaze",
			"MEVaseMesh": "IMwood.png KEKey MAGlaze MEVaseMesh",
			"OBBowl":     "IMwood.png KEKey MAGlaze MEBowlMesh MEVaseMesh OBBowl OBVase", // it is on the vase
		} {
			x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(framing(t, b, 2000, true)), id)
			if err != nil {
				t.Fatal(err)
			}
			got := list(t, formattest.All(t, x.Content))
			if ids := strings.Join(slices.Sorted(maps.Keys(got)), " "); ids != want || x.Extension != ".blend" {
				t.Errorf("%s: has %s", id, ids)
			}
			for id, e := range got {
				if w := was[id]; w.Hash() != e.Hash() {
					t.Errorf("%s is another", id)
				}
			}
		}
		for id, want := range map[string]error{"OBTable LI//set.blend": format.ErrUnsupported, "WMWinMan": format.ErrNoElement, "x": format.ErrNoElement} {
			if _, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), id); !errors.Is(err, want) {
				t.Errorf("%s: %v", id, err)
			}
		}
	})
}
