package creative

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/format"
	"varve/format/obj"
	"varve/format/png"
	"varve/format/stl"
)

// The system that this one follows had features that could not work. Each of their defects would be caught here; those of
// its workspaces in creative/workspace (TestCapture and TestRestore, which keep and put back at the paths of a machine), that
// a replaced layer broke a Photoshop document in format/psd (TestGraftOfEdits and what ImageMagick and GIMP make of it).

// TestOriginalTimelineIsLost: timelines were named by a hash that was another in each process, and by the bare name, so
// that files of one name in two folders had one.
func TestOriginalTimelineIsLost(t *testing.T) {
	a := newAtelier(t)
	a.snap(map[string]string{"a/x.doc": "DOC; L a Ink i1", "b/x.doc": "DOC; L a Sky s1"})
	a.snap(map[string]string{"a/x.doc": "DOC; L a Ink i2"})
	a.snap(map[string]string{"b/x.doc": "DOC; L a Sky s2", "a/x.doc": "DOC; L a Ink i3"})
	tell := func(at string) (out []string) {
		t.Helper()
		all, err := a.Timeline(t.Context(), at, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			out = append(out, m.Snapshot.Ref()+" "+strings.Join(told(m.Elements), "; "))
		}
		return out
	}
	for range 3 {
		if got, want := tell("a/x.doc"), []string{"v3 changed Ink [pixels]", "v2 changed Ink [pixels]", "v1 "}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		if got, want := tell("b/x.doc"), []string{"v3 changed Sky [pixels]", "v1 "}; !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		a.reopen(doc{asked: &a.asked}) // another process
	}
}

const (
	triangleOBJ = "o One\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
	triangleSTL = "solid one\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid one\n"
)

// TestOriginalForgetsKinds: kept files had lost their extensions, by which alone kinds were told: comparing models through
// the timeline failed, and their thumbnails were cards of text.
func TestOriginalForgetsKinds(t *testing.T) {
	a := newAtelier(t)
	a.reopen(obj.Format{}, stl.Format{}, png.Format{})
	old := a.snap(map[string]string{"m.obj": triangleOBJ, "m.stl": triangleSTL})
	now := a.snap(map[string]string{"m.obj": strings.Replace(triangleOBJ, "v 1 0 0", "v 2 0 0", 1), "m.stl": strings.Replace(triangleSTL, "vertex 1 0 0", "vertex 2 0 0", 1)})
	for _, name := range []string{"m.obj", "m.stl"} {
		v, err := a.Visual(t.Context(), a.open(old, name), a.open(now, name), VisualOptions{})
		if err != nil || v.Kind != "model" || v.Identical || v.NewModel.Area != 2*v.OldModel.Area {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
		th, err := a.open(old, name).Thumb(t.Context(), 64)
		if err != nil || th.Source != format.Rendered {
			t.Errorf("%s: %+v, %v", name, th, err)
		}
	}
}

// TestOriginalSeesDuplicates: two pictures were duplicates if they had one size and mode.
func TestOriginalSeesDuplicates(t *testing.T) {
	a := newAtelier(t)
	a.reopen(png.Format{})
	s := a.snap(map[string]string{
		"a.png": pngOf(t, 200, 200, flat(color.NRGBA{R: 200, A: 255})), "b.png": pngOf(t, 200, 200, flat(color.NRGBA{G: 9, A: 255})),
		"c.png": pngOf(t, 200, 200, blobs(7)), "d.png": pngOf(t, 200, 200, blobs(8)),
	})
	g, err := a.Graph(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	near, err := a.NearDuplicates(t.Context(), s, g)
	if err != nil || len(near) > 0 || len(g.Duplicates()) > 0 {
		t.Errorf("%v, %v, %v", near, g.Duplicates(), err)
	}
}

// TestOriginalRestoresNothing: a restore of a snapshot whose objects were gone succeeded.
func TestOriginalRestoresNothing(t *testing.T) {
	a := newAtelier(t)
	a.snap(map[string]string{"a.doc": "DOC; L a Ink " + strings.Repeat("i", 5000), "b.doc": "DOC; L b Sky s"})
	gone := 0
	err := filepath.WalkDir(filepath.Join(a.dir, "vault", "packs"), func(at string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		gone++
		return os.Remove(at)
	})
	if err != nil || gone == 0 {
		t.Fatal(gone, err)
	}
	a.reopen(doc{asked: &a.asked})
	to := filepath.Join(a.dir, "restored")
	res, err := a.Project.Restore(t.Context(), varve.RestoreOptions{Snapshot: a.Project.Latest(), To: to, Ignore: a.Ignore})
	if err == nil && (res == nil || len(res.Errors) == 0) {
		t.Errorf("nothing is there, and it succeeded: %+v", res)
	}
}

// fixed is a kind of file whose references cannot be changed.
type fixed struct{ doc }

func (fixed) Rewrite(context.Context, format.Input, map[string]string) (*format.Output, error) {
	return nil, &format.Refusal{Reason: "the paths are sealed"}
}

// TestOriginalUpdatesReferences: a reference was "updated" by copying the file as it was, or by replacing the bare name
// anywhere in it.
func TestOriginalUpdatesReferences(t *testing.T) {
	a := newAtelier(t)
	before := map[string]string{"a.doc": "DOC; L wood.png wood.png tex/wood.png; R relative tex/wood.png", "tex/wood.png": "wood"}
	a.snap(before)
	a.write(map[string]string{"tex/wood.png": ""})
	s := a.snap(map[string]string{"new/wood.png": "wood"})
	relinks := func() []Relink {
		t.Helper()
		g, err := a.Graph(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		all, err := a.Relinks(t.Context(), s, g)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all
	}
	all := relinks()
	a.reopen(fixed{doc{asked: &a.asked}})
	var refused *format.Refusal
	if _, _, err := a.ApplyRelinks(t.Context(), all); !errors.As(err, &refused) || a.read("a.doc") != before["a.doc"] {
		t.Errorf("%v, %q", err, a.read("a.doc"))
	}
	a.reopen(doc{asked: &a.asked})
	if _, _, err := a.ApplyRelinks(t.Context(), relinks()); err != nil {
		t.Fatal(err)
	}
	if got, want := a.read("a.doc"), "DOC; L wood.png wood.png tex/wood.png; R relative new/wood.png"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestOriginalElementsAreMocks: every document had "Layer 1" to "Layer 5", and what was extracted was a text that said so.
func TestOriginalElementsAreMocks(t *testing.T) {
	a := newAtelier(t)
	s := a.snap(map[string]string{"none.doc": "DOC", "two.doc": "DOC; L a Ink i1; L b Sky s1", "odd.psd": "8BPS and no more"})
	for name, want := range map[string]int{"none.doc": 0, "two.doc": 2} {
		list, err := a.open(s, name).Elements(t.Context())
		if err != nil || len(list) != want {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	if list, err := a.open(s, "odd.psd").Elements(t.Context()); err == nil {
		t.Errorf("a file of no known kind has %v", fmt.Sprint(list))
	}
}
