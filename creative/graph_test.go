package creative

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/format"
)

func (g *Graph) paths(of []int) (out []string) {
	for _, i := range of {
		out = append(out, g.Nodes[i].Path)
	}
	return out
}

func (g *Graph) lines() (out []string) {
	for i := range g.Edges {
		e := &g.Edges[i]
		to := e.At
		if e.To >= 0 {
			to = g.Nodes[e.To].Path
		}
		out = append(out, fmt.Sprintf("%s %s %s", g.Nodes[e.From].Path, e.Status, to))
	}
	return out
}

func city() map[string]string {
	return map[string]string{
		"scene/town.doc":     "DOC; R relative house.doc; R relative ../tex/wood.png; R relative ../TEX/Roof.PNG; R relative //lost.png; R absolute /home/a/x.png; R url https://x/y; R named uid1; R named uid9; R relative ../../out.png",
		"scene/house.doc":    "DOC; R relative town.doc; R relative seq/f_####.png; R relative seq/<UDIM>.png; N uid1",
		"scene/seq/f_01.png": "1", "scene/seq/f_0001.png": "2", "scene/seq/f_0002.png": "3", "scene/seq/1001.png": "4",
		"tex/wood.png": "wood", "tex/roof.png": "roof", "tex/spare.png": "wood", "tex/notes.txt": "n",
		"game/project.godot": "x", "game/main.doc": "DOC; R rooted res://sub/a.png; R rooted res://sub/b.png", "game/sub/a.png": "a",
		"self.doc": "DOC; R relative self.doc", "half.doc": "CUT; R relative self.doc",
	}
}

func TestGraph(t *testing.T) {
	a := newAtelier(t)
	ctx := t.Context()
	s := a.snap(city())
	g, err := a.Graph(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"game/main.doc ok game/sub/a.png", "game/main.doc missing game/sub/b.png",
		"scene/house.doc ok scene/town.doc", "scene/house.doc ok scene/seq/f_0001.png", "scene/house.doc ok scene/seq/f_0002.png", "scene/house.doc ok scene/seq/1001.png",
		"scene/town.doc ok scene/house.doc", "scene/town.doc ok tex/wood.png", "scene/town.doc case tex/roof.png", "scene/town.doc missing scene/lost.png",
		"scene/town.doc outside ", "scene/town.doc url ", "scene/town.doc ok scene/house.doc", "scene/town.doc unnamed ", "scene/town.doc outside ",
		"self.doc ok self.doc",
	}
	if got := g.lines(); !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	at := func(p string) int {
		i, ok := g.Find(p)
		if !ok {
			t.Fatal(p)
		}
		return i
	}
	for _, c := range []struct {
		name string
		got  []string
		want []string
	}{
		{"needs", g.paths(g.Needs(at("scene/house.doc"))), []string{"scene/seq/1001.png", "scene/seq/f_0001.png", "scene/seq/f_0002.png", "scene/town.doc", "tex/roof.png", "tex/wood.png"}},
		{"uses", g.paths(g.Uses(at("tex/wood.png"))), []string{"scene/house.doc", "scene/town.doc"}},
		{"uses of a scene", g.paths(g.Uses(at("scene/town.doc"))), []string{"scene/house.doc"}},
		{"orphans", g.paths(g.Orphans()), []string{"half.doc", "scene/seq/f_01.png", "tex/spare.png"}},
		{"missing", []string{fmt.Sprint(len(g.Missing()))}, []string{"2"}},
		{"broken", []string{fmt.Sprint(g.Nodes[at("half.doc")].Broken != "")}, []string{"true"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	var groups []string
	for _, c := range g.Cycles() {
		groups = append(groups, strings.Join(g.paths(c), "+"))
	}
	for _, c := range g.Duplicates() {
		groups = append(groups, strings.Join(g.paths(c), "="))
	}
	if want := []string{"scene/house.doc+scene/town.doc", "self.doc", "tex/spare.png=tex/wood.png"}; !slices.Equal(groups, want) {
		t.Errorf("%q, want %q", groups, want)
	}
	// Only what changed is parsed again, by whomever.
	before := a.asked.Load()
	a.reopen(doc{asked: &a.asked})
	if _, err := a.Graph(ctx, s); err != nil || a.asked.Load() != before {
		t.Errorf("%d files were parsed again, %v", a.asked.Load()-before, err)
	}
	s = a.snap(map[string]string{"self.doc": "DOC; R relative half.doc"})
	before = a.asked.Load()
	if g, err = a.Graph(ctx, s); err != nil || a.asked.Load()-before > 2 { // its references and its names
		t.Errorf("%d files were parsed, %v", a.asked.Load()-before, err)
	}
	if !slices.Contains(g.lines(), "self.doc ok half.doc") {
		t.Errorf("%q", g.lines())
	}
}

// TestCyclesOfAny: components of random graphs are those that reachability says.
func TestCyclesOfAny(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 1 + random.IntN(12)
		g := &Graph{Nodes: make([]Node, n)}
		for range random.IntN(2 * n) {
			g.Edges = append(g.Edges, Edge{From: random.IntN(n), To: random.IntN(n+1) - 1})
		}
		slices.SortFunc(g.Edges, func(a, b Edge) int { return a.From - b.From })
		g.index()
		in := map[int]int{}
		for k, c := range g.Cycles() {
			for _, i := range c {
				in[i] = k + 1
			}
		}
		reach := func(i, j int) bool {
			return slices.ContainsFunc(g.out[i], func(e int32) bool { return g.Edges[e].To == j }) || slices.ContainsFunc(g.out[i], func(e int32) bool {
				to := g.Edges[e].To
				return to >= 0 && slices.Contains(g.Needs(to), j)
			})
		}
		for i := range n {
			for j := range n {
				together := i == j && reach(i, i) || i != j && reach(i, j) && reach(j, i)
				if got := in[i] > 0 && in[i] == in[j]; got != together {
					t.Fatalf("%d and %d of %+v: %v, want %v", i, j, g.Edges, got, together)
				}
			}
		}
	}
}

// TestRelink: after a move, references are led to where the very content is, in the notation that they have; what only
// has the name is proposed and not sure; everything else stays byte for byte, and undo takes it back.
func TestRelink(t *testing.T) {
	a := newAtelier(t)
	ctx := t.Context()
	a.snap(map[string]string{
		"scene/town.doc": `DOC; L a Ink i; R relative ../tex/wood.png; R relative ..\tex\roof.png; R relative ../tex/my%20sky.png; R relative ../tex/gone.png; R relative ../tex/other.png; L b Paint p`,
		"tex/wood.png":   "wood", "tex/roof.png": "roof", "tex/my sky.png": "sky", "tex/gone.png": "gone", "tex/other.png": "other",
		"game/project.godot": "x", "game/m.doc": "DOC; R rooted res://tex/a.png", "game/tex/a.png": "a",
	})
	a.write(map[string]string{"tex/wood.png": "", "tex/roof.png": "", "tex/my sky.png": "", "tex/gone.png": "", "tex/other.png": "", "game/tex/a.png": ""})
	s := a.snap(map[string]string{"art/wood 2.png": "wood", "art/old/roof.png": "roof", "art/my sky.png": "sky", "art/other.png": "changed", "game/new/a.png": "a"})
	g, err := a.Graph(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.Relinks(ctx, s, g)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	var sure []Relink
	for _, r := range all {
		got = append(got, fmt.Sprintf("%s → %s %v", r.Raw, r.NewRaw, r.Sure()))
		if r.Sure() {
			sure = append(sure, r)
		}
	}
	want := []string{"res://tex/a.png → res://new/a.png true", "../tex/wood.png → ../art/wood 2.png true", `..\tex\roof.png → ..\art\old\roof.png true`, "../tex/my%20sky.png → ../art/my%20sky.png true", "../tex/other.png → ../art/other.png false"}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	before := a.read("scene/town.doc")
	res, left, err := a.ApplyRelinks(ctx, sure[:1])
	if err != nil || len(left) > 0 || res == nil {
		t.Fatal(err, left)
	}
	if _, _, err := a.Project.Undo(ctx, false); err != nil {
		t.Fatal(err)
	}
	// The blank would end the name in a doc: it is another reference then, and that is noticed. Other files are relinked.
	_, left, err = a.ApplyRelinks(ctx, sure)
	if err != nil || len(left) != 3 || !strings.Contains(left[0].Left, "other references than it should") || a.read("scene/town.doc") != before || a.read("game/m.doc") == "DOC; R rooted res://tex/a.png" {
		t.Errorf("a reference that reads otherwise was written, or others were not: %v, %v", left, err)
	}
	if _, _, err := a.Project.Undo(ctx, false); err != nil {
		t.Fatal(err)
	}
	sure = slices.DeleteFunc(sure, func(r Relink) bool { return strings.Contains(r.NewRaw, " ") })
	if _, _, err := a.ApplyRelinks(ctx, sure); err != nil {
		t.Fatal(err)
	}
	if got, want := a.read("scene/town.doc"), `DOC; L a Ink i; R relative ../tex/wood.png; R relative ..\art\old\roof.png; R relative ../art/my%20sky.png; R relative ../tex/gone.png; R relative ../tex/other.png; L b Paint p`; got != want {
		t.Errorf("%q", got)
	}
	if _, _, err := a.Project.Undo(ctx, false); err != nil || a.read("scene/town.doc") != before || a.read("game/m.doc") != "DOC; R rooted res://tex/a.png" {
		t.Errorf("after undo %q, %v", a.read("scene/town.doc"), err)
	}
}

// TestNewFormat: what a file refers to is known when a format for it comes along.
func TestNewFormat(t *testing.T) {
	a := newAtelier(t)
	a.reopen()
	s := a.snap(map[string]string{"a.doc": "DOC; R relative b.txt", "b.txt": "b"})
	for i, want := range []int{0, 1} {
		g, err := a.Graph(t.Context(), s)
		if err != nil || len(g.Edges) != want {
			t.Errorf("%d: %d edges, %v", i, len(g.Edges), err)
		}
		a.reopen(doc{asked: &a.asked})
	}
}

// TestSlow: a file that takes too long is not waited for, is told, and is looked at again another time.
func TestSlow(t *testing.T) {
	a := newAtelier(t)
	a.reopen(doc{asked: &a.asked, slow: true})
	a.Patience = 20 * time.Millisecond
	s := a.snap(map[string]string{"a.doc": "DOC; R relative b.txt", "b.txt": "b"})
	g, err := a.Graph(t.Context(), s)
	if err != nil || len(g.Edges) != 0 || !strings.Contains(g.Nodes[0].Broken, "takes too long") {
		t.Errorf("%+v, %v", g, err)
	}
	a.reopen(doc{asked: &a.asked})
	if g, err = a.Graph(t.Context(), s); err != nil || len(g.Edges) != 1 {
		t.Errorf("another time %+v, %v", g, err)
	}
}

func TestRelative(t *testing.T) {
	for _, c := range [][3]string{{"a.doc", "b.png", "b.png"}, {"x/a.doc", "x/b.png", "b.png"}, {"x/a.doc", "b.png", "../b.png"}, {"x/y/a.doc", "x/z/b.png", "../z/b.png"}, {"a.doc", "x/b.png", "x/b.png"}, {"x/y/a.doc", "x/b", "../b"}, {"b/a.doc", "b", "../b"}} {
		if got := relative(c[0], c[1]); got != c[2] {
			t.Errorf("from %s to %s: %q, want %q", c[0], c[1], got, c[2])
		}
		r := format.Reference{Path: c[2], Style: format.Relative}
		if at, ok := Resolve(c[0], "", &r); !ok || at != c[1] {
			t.Errorf("%q of %s: %q", c[2], c[0], at)
		}
	}
}

// TestJoin: the short way gives what path.Join gives.
func TestJoin(t *testing.T) {
	parts := []string{"a", "b.png", "..", ".", "", ".c", "d."}
	random := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		from, to := "f.gltf", ""
		for range random.IntN(3) {
			from = []string{"x/", "y/"}[random.IntN(2)] + from
		}
		for i := range 1 + random.IntN(5) {
			if i > 0 {
				to += "/"
			}
			to += parts[random.IntN(len(parts))]
		}
		if got, want := join(from, to), path.Join(path.Dir(from), to); got != want {
			t.Fatalf("%q and %q: %q, want %q", from, to, got, want)
		}
	}
}
