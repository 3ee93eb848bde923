package creative

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"varve"
	"varve/format"
)

func told(list []ElementChange) (out []string) {
	for _, c := range list {
		out = append(out, c.String())
	}
	return out
}

// TestGraft: an element of an old version comes back into the newer file, which keeps what is newer, and all of it can
// be undone.
func TestGraft(t *testing.T) {
	a := newAtelier(t)
	ctx := t.Context()
	first := a.snap(map[string]string{"p.doc": "DOC; L a Ink old; L b Paint p1; L c Shadow s1; R relative wood.png c; R relative wood.png", "wood.png": "wood"})
	const newer = "DOC; L a Ink ruined; L b Paint p2; L d Light l1"
	a.snap(map[string]string{"p.doc": newer, "wood.png": ""})
	for _, c := range []struct {
		names   []string
		needs   bool
		want    string
		changes []string
		need    string
		wood    string
	}{
		{[]string{"Ink"}, true, "DOC; L a Ink old; L b Paint p2; L d Light l1", []string{"changed Ink [pixels]"}, "", ""},
		{[]string{"a"}, true, "DOC; L a Ink old; L b Paint p2; L d Light l1", []string{"changed Ink [pixels]"}, "", ""},
		{[]string{"c"}, false, newer + "; L c Shadow s1", []string{"added Shadow"}, "wood.png", ""},
		{[]string{"c", "a", "Ink"}, true, "DOC; L a Ink old; L b Paint p2; L d Light l1; L c Shadow s1", []string{"changed Ink [pixels]", "added Shadow"}, "wood.png", "wood"},
	} {
		g, err := a.PlanGraft(ctx, a.open(nil, "p.doc"), a.open(first, "p.doc"), c.names)
		if err != nil {
			t.Fatal(err)
		}
		if got := told(g.Changes); !slices.Equal(got, c.changes) || !slices.Equal(g.Stale, []string{"preview"}) {
			t.Errorf("%q: plan %q, stale %q", c.names, got, g.Stale)
		}
		if c.need == "" && len(g.Needs) > 0 || c.need != "" && (len(g.Needs) != 1 || g.Needs[0].Path != c.need || !g.Needs[0].Available) {
			t.Errorf("%q: needs %+v", c.names, g.Needs)
		}
		if a.read("p.doc") != newer {
			t.Fatal("a plan has changed the file")
		}
		res, err := g.Apply(ctx, c.needs)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.read("p.doc"); got != c.want || a.read("wood.png") != c.wood || res.Undo == "" {
			t.Errorf("%q: %q and %q", c.names, got, a.read("wood.png"))
		}
		if _, _, err := a.Project.Undo(ctx, false); err != nil {
			t.Fatal(err)
		}
		if a.read("p.doc") != newer || a.read("wood.png") != "" {
			t.Errorf("after undo %q and %q", a.read("p.doc"), a.read("wood.png"))
		}
	}
}

// TestGraftRefuses: what cannot be done right, or would go over somebody's work, changes nothing and says why.
func TestGraftRefuses(t *testing.T) {
	a := newAtelier(t)
	ctx := t.Context()
	first := a.snap(map[string]string{"p.doc": "DOC; L a Ink old; L b Paint odd; L c Twin t1; L d Twin t2", "x.txt": "text"})
	const newer = "DOC; L a Ink ruined; L e Light l1"
	a.snap(map[string]string{"p.doc": newer})
	for _, c := range []struct {
		name string
		from string
		what string
		is   any
	}{
		{"odd", "p.doc", "Paint", new(*format.Refusal)},
		{"two of a name", "p.doc", "Twin", new(*AmbiguousError)},
		{"none of a name", "p.doc", "Sky", format.ErrNoElement},
		{"of another kind", "x.txt", "Ink", new(*format.Refusal)},
	} {
		_, err := a.PlanGraft(ctx, a.open(nil, "p.doc"), a.open(first, c.from), []string{c.what})
		if is, ok := c.is.(error); ok && !errors.Is(err, is) || !ok && !errors.As(err, c.is) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	g, err := a.PlanGraft(ctx, a.open(nil, "p.doc"), a.open(first, "p.doc"), []string{"Ink"})
	if err != nil {
		t.Fatal(err)
	}
	// Somebody saves it between the plan and the doing: into the file, or as most applications do, beside it and over it.
	for _, beside := range []bool{false, true} {
		if beside {
			a.write(map[string]string{"p.doc": newer})
			if g, err = a.PlanGraft(ctx, a.open(nil, "p.doc"), a.open(first, "p.doc"), []string{"Ink"}); err != nil {
				t.Fatal(err)
			}
			a.write(map[string]string{"new": "DOC; L a Ink newest"})
			if err := os.Rename(filepath.Join(a.dir, "project", "new"), filepath.Join(a.dir, "project", "p.doc")); err != nil {
				t.Fatal(err)
			}
		} else {
			a.write(map[string]string{"p.doc": "DOC; L a Ink newest"})
		}
		if _, err := g.Apply(ctx, false); !errors.Is(err, varve.ErrChanged) {
			t.Errorf("a graft went over newer work: %v", err)
		}
		if got := a.read("p.doc"); got != "DOC; L a Ink newest" {
			t.Errorf("%q", got)
		}
	}
	if g, err = a.PlanGraft(ctx, a.open(first, "p.doc"), a.open(first, "p.doc"), []string{"Ink"}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Apply(ctx, false); err == nil {
		t.Error("a version that was kept was changed")
	}
}

// TestGraftIsProved: a format whose graft loses or changes what was not meant, or does not bring what was, is found out
// before anything is written.
func TestGraftIsProved(t *testing.T) {
	for name, twist := range map[string][2]string{
		"another is gone":        {"L b Paint p2\n", ""},
		"another has changed":    {"L b Paint p2", "L b Paint p3"},
		"it is not there":        {"L a Ink old\n", ""},
		"it is not as it was":    {"L a Ink old", "L a Ink older"},
		"it cannot be read":      {"\nE\n", "\n"},
		"nothing is wrong":       {"#", "#"},
		"the other is in it now": {"L b Paint p2", "L b Paint p2 a"}, // no element has changed for that, but the change is told
	} {
		a := newAtelier(t)
		first := a.snap(map[string]string{"p.doc": "DOC; L a Ink old; L b Paint p1"})
		a.snap(map[string]string{"p.doc": "DOC; L a Ink ruined; L b Paint p2"})
		a.reopen(doc{twist: func(o *format.Output, b []byte) any {
			_, err := o.Write([]byte(strings.Replace(string(b), twist[0], twist[1], 1)))
			return err
		}})
		g, err := a.PlanGraft(t.Context(), a.open(nil, "p.doc"), a.open(first, "p.doc"), []string{"Ink"})
		switch {
		case name == "nothing is wrong" && err != nil:
			t.Error(err)
		case name == "the other is in it now" && (err != nil || len(g.Changes) != 2):
			t.Errorf("%s: %v", name, err)
		case name != "nothing is wrong" && name != "the other is in it now" && err == nil:
			t.Errorf("%s, and nobody notices", name)
		}
	}
}

// summed is a doc of which pixels are hashed, as those of large documents; it counts how often.
type summed struct {
	doc
	hashed *atomic.Int64
	swap   bool // grafts give layer "Paint" the pixels of "Sky"
}

func (s summed) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := s.doc.Elements(ctx, in)
	if err != nil {
		return nil, err
	}
	lines, err := s.parse(in)
	for i := range list {
		e := &list[i]
		n, _ := strconv.Atoi(e.ID)
		l := lines[n]
		sum, err := format.Sum(in, l.off+int64(strings.LastIndex(l.text, l.w[3])), int64(len(l.w[3])), "doc pixels", func() ([]byte, error) {
			s.hashed.Add(1)
			return []byte(l.w[3]), nil
		})
		if err != nil {
			return nil, err
		}
		e.Aspects["pixels"] = string(sum)
	}
	return list, err
}

func (s summed) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	g, err := s.doc.Graft(ctx, into, from, ids)
	if err != nil || !s.swap {
		return g, err
	}
	lines, err := s.parse(into)
	o := new(format.Output)
	for _, l := range lines {
		if len(l.w) > 3 && l.w[2] == "Paint" {
			sky := lines[slices.IndexFunc(lines, func(l docLine) bool { return len(l.w) > 3 && l.w[2] == "Sky" })]
			o.Span(into, l.off, int64(strings.LastIndex(l.text, l.w[3])))
			o.Span(into, sky.off+int64(strings.LastIndex(sky.text, sky.w[3])), int64(len(sky.w[3])))
			_, _ = o.Write([]byte("\n"))
			continue
		}
		if len(l.w) > 3 && l.w[2] == "Ink" {
			theirs, _ := s.parse(from)
			t := theirs[slices.IndexFunc(theirs, func(l docLine) bool { return len(l.w) > 3 && l.w[2] == "Ink" })]
			o.Span(from, t.off, int64(len(t.text)))
			continue
		}
		o.Span(into, l.off, int64(len(l.text)))
	}
	g.Content = o
	return g, err
}

// TestGraftHashesLittle: what a graft copies from the file into itself is proved without being hashed, where elements have
// stable ids; a format that copies it to a wrong place is still found out, and one that copies the same from elsewhere is right.
func TestGraftHashesLittle(t *testing.T) {
	for name, c := range map[string]struct {
		old, now string
		swap     bool
		hashed   int64 // after the old version's
		changes  int   // -1: it is refused
	}{
		"copied":          {"DOC; L a Ink old; L b Paint p; L c Sky s", "DOC; L a Ink ruined; L b Paint p; L c Sky s", false, 2, 1},
		"the same again":  {"DOC; L a Ink old; L b Paint p; L c Sky s", "DOC; L a Ink old; L b Paint p; L c Sky s", false, 2, 0},
		"no stable ids":   {"DOC; L a Ink old; L - Paint p; L c Sky s", "DOC; L a Ink ruined; L - Paint p; L c Sky s", false, 2 + 4, 1},
		"swapped":         {"DOC; L a Ink old; L b Paint p; L c Sky s", "DOC; L a Ink ruined; L b Paint p; L c Sky s", true, -1, -1},
		"swapped, as was": {"DOC; L a Ink old; L b Paint s; L c Sky s", "DOC; L a Ink ruined; L b Paint s; L c Sky s", true, -1, 1},
	} {
		a := newAtelier(t)
		var hashed atomic.Int64
		a.reopen(summed{doc: doc{asked: &a.asked}, hashed: &hashed, swap: c.swap})
		first := a.snap(map[string]string{"p.doc": c.old})
		a.snap(map[string]string{"p.doc": c.now})
		from := a.open(first, "p.doc")
		if _, err := from.Elements(t.Context()); err != nil {
			t.Fatal(err)
		}
		hashed.Store(0)
		g, err := a.PlanGraft(t.Context(), a.open(nil, "p.doc"), from, []string{"Ink"})
		if (err != nil) != (c.changes < 0) || err == nil && len(g.Changes) != c.changes {
			t.Errorf("%s: %+v, %v; want %d changes", name, g, err, c.changes)
		}
		if n := hashed.Load(); c.hashed >= 0 && n != c.hashed {
			t.Errorf("%s: %d pixels were hashed, want %d", name, n, c.hashed)
		}
	}
}

// TestGraftNeeds: what a grafted element refers to is offered by where it leads from the root that holds there; so is what
// comes along with it.
func TestGraftNeeds(t *testing.T) {
	a := newAtelier(t)
	a.reopen(doc{asked: &a.asked, along: true})
	old := a.snap(map[string]string{"games/one/project.godot": "x", "games/one/s/p.doc": "DOC; L a Ink i1; L b Paint p1; R rooted res://tex/a.png a; R rooted res://tex/b.png b; R relative ../tex/c.png c; L c Base c1",
		"games/one/tex/a.png": "a", "games/one/tex/b.png": "b", "games/one/tex/c.png": "c", "tex/a.png": "another"})
	a.write(map[string]string{"games/one/tex/a.png": "", "games/one/tex/b.png": "", "games/one/tex/c.png": "", "games/one/s/p.doc": "DOC; L b Paint p1"})
	g, err := a.PlanGraft(t.Context(), a.open(nil, "games/one/s/p.doc"), a.open(old, "games/one/s/p.doc"), []string{"Ink"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range g.Needs {
		got = append(got, fmt.Sprint(n.Path, " ", n.Available))
	}
	if want := []string{"games/one/tex/a.png true", "games/one/tex/c.png true"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := g.Apply(t.Context(), true); err != nil || a.read("games/one/tex/a.png") != "a" || a.read("games/one/tex/c.png") != "c" || a.read("games/one/tex/b.png") != "" {
		t.Errorf("%v", err)
	}
}

func TestTimeline(t *testing.T) {
	a := newAtelier(t)
	ctx := t.Context()
	a.snap(map[string]string{"p.doc": "DOC; L a Ink i1; L b Paint p1", "other": "x"})
	a.snap(map[string]string{"p.doc": "DOC; L a Ink i2; L b Paint p1"})
	a.snap(map[string]string{"other": "y"})
	a.write(map[string]string{"p.doc": ""})
	a.snap(map[string]string{"q.doc": "DOC; L a Ink i2; L b Paint p1"}) // renamed
	a.snap(map[string]string{"q.doc": "DOC; L a Lines i2; L b Paint p1; L c Light l"})
	a.snap(map[string]string{"q.doc": "CUT; L a Ink"})
	a.write(map[string]string{"q.doc": "DOC; L b Paint p2; L c Light l"})
	last := a.snap(nil)
	for range 2 { // the second time from memory
		all, err := a.Timeline(ctx, "q.doc", 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range all {
			line := m.Snapshot.Ref() + " " + m.Change + " " + strings.Join(told(m.Elements), "; ")
			if m.Suspect != "" {
				line += " suspect"
			}
			got = append(got, strings.TrimSpace(line))
		}
		want := []string{"v7 modified changed Paint [pixels]; removed Lines", "v6 modified  suspect", "v5 modified renamed Lines; added Light", "v4 renamed", "v2 modified changed Ink [pixels]", "v1 added"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		a.reopen(doc{asked: &a.asked})
	}
	before := a.asked.Load()
	if _, err := a.Timeline(ctx, "q.doc", 0); err != nil || a.asked.Load() != before {
		t.Errorf("%d files were looked into again, %v", a.asked.Load()-before, err)
	}
	if short, err := a.Timeline(ctx, "q.doc", 4); err != nil || len(short) != 6 || short[3].Elements != nil || len(short[2].Elements) != 2 || short[4].Listed {
		t.Errorf("of the last four: %+v, %v", short, err)
	}
	history, err := a.History(ctx, "q.doc", "Paint")
	if err != nil {
		t.Fatal(err)
	}
	if len(history) != 2 || history[0].Snapshot.ID != last.ID || history[1].Snapshot.Ref() != "v1" {
		t.Errorf("%+v", history)
	}
	var refs []string
	if history, err = a.History(ctx, "q.doc", "a"); err != nil {
		t.Fatal(err)
	}
	for _, m := range history {
		refs = append(refs, m.Snapshot.Ref()+" "+strings.Join(told(m.Elements), "; "))
	}
	if want := []string{"v5 renamed Lines", "v2 changed Ink [pixels]", "v1 "}; !slices.Equal(refs, want) {
		t.Errorf("%q, want %q", refs, want)
	}
	if _, err := a.History(ctx, "q.doc", "Nobody"); !errors.Is(err, format.ErrNoElement) {
		t.Errorf("%v", err)
	}
}

// TestThumb: there always is a picture: of what cannot be shown a card that says why; it is made once for a content.
func TestThumb(t *testing.T) {
	a := newAtelier(t)
	s := a.snap(map[string]string{"p.doc": "DOC; L a Ink i1", "cut.doc": "CUT; L a Ink", "x.xyz": "text"})
	for _, c := range []struct {
		file   string
		source format.Source
		w, h   int
		note   string
	}{{"p.doc", format.Composited, 64, 32, ""}, {"cut.doc", format.Card, 64, 64, "no end"}, {"x.xyz", format.Card, 64, 64, "no format"}} {
		for _, of := range []*varve.Snapshot{s, nil} {
			th, err := a.open(of, c.file).Thumb(t.Context(), 64)
			if err != nil || th.Source != c.source || th.Width != c.w || th.Height != c.h || !strings.Contains(th.Note, c.note) || len(th.PNG) < 60 {
				t.Errorf("%s: %+v, %v", c.file, th, err)
			}
		}
	}
	before := a.asked.Load()
	if _, err := a.open(s, "p.doc").Thumb(t.Context(), 64); err != nil || a.asked.Load() != before {
		t.Errorf("made again, %v", err)
	}
	if _, err := a.open(s, "p.doc").Thumb(t.Context(), 0); err == nil {
		t.Error("a picture of no pixels")
	}
}
