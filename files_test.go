package varve_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"varve"
)

// TestSnapFiles: files of no folder are a project with a history of its own, known again by its name; the same files are
// no new version.
func TestSnapFiles(t *testing.T) {
	r := newRig(1)
	ctx := t.Context()
	file := func(path, content string) varve.KeptFile {
		return varve.KeptFile{Path: path, Mode: 0o600, Modified: time.Unix(1_700_000_000, 0), Content: []byte(content)}
	}
	var first *varve.Project
	for n, c := range []struct {
		files   []varve.KeptFile
		version int
		want    string // in c
	}{
		{[]varve.KeptFile{file("a/b.txt", "one"), file("c", "two")}, 1, "two"},
		{[]varve.KeptFile{file("c", "two"), file("a/b.txt", "one")}, 1, "two"},
		{[]varve.KeptFile{file("c", "three"), file("a/b.txt", "one")}, 2, "three"},
	} {
		v := mustOpen(t, r).v
		p, s, err := v.SnapFiles(ctx, "workspace:blender", c.files, varve.SnapOptions{Tags: map[string]string{"app": "blender"}})
		if err != nil || s.Version != c.version || s.Tree.Files != 2 {
			t.Fatalf("%d: %+v, %v", n, s, err)
		}
		if first == nil {
			first = p
		}
		if p.ID() != first.ID() {
			t.Error("another project")
		}
		again, err := v.ProjectNamed("workspace:blender")
		if err != nil || again.ID() != p.ID() {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := again.Cat(ctx, s, "c", &b); err != nil || b.String() != c.want {
			t.Errorf("%q, %v", b.String(), err)
		}
		if e, err := again.Stat(ctx, s, "a/b.txt"); err != nil || e.Mode != 0o600 || !e.Mtime.Equal(time.Unix(1_700_000_000, 0)) {
			t.Errorf("%+v, %v", e, err)
		}
	}
	if _, err := mustOpen(t, r).v.ProjectNamed("workspace:krita"); !errors.Is(err, varve.ErrNoProject) {
		t.Error(err)
	}
	if _, _, err := mustOpen(t, r).v.SnapFiles(ctx, "x", []varve.KeptFile{file("a", ""), file("a", "")}, varve.SnapOptions{}); err == nil {
		t.Error("one path twice")
	}
}
