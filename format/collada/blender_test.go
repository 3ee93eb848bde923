package collada

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// TestBlenderFindsGrafts: Blender finds nodes that were put back where they were, with their meshes and materials.
func TestBlenderFindsGrafts(t *testing.T) {
	app := formattest.App(t, os.Getenv("VARVE_CI") != "", "blender")
	find := func(text string) []string {
		at := filepath.Join(t.TempDir(), "x.dae")
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf("import bpy\nbpy.ops.wm.read_factory_settings(use_empty=True)\nbpy.ops.wm.collada_import(filepath=%q)\nfor o in bpy.context.scene.objects: print('found', o.name, len(o.data.polygons) if o.data else 0, [round(x, 3) for r in o.matrix_world for x in r], [m.name for m in o.data.materials if m] if o.data else 0)", at)
		out, err := exec.CommandContext(t.Context(), app, "-b", "--factory-startup", "--python-expr", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var found []string
		for _, l := range strings.Split(string(out), "\n") {
			if s, ok := strings.CutPrefix(l, "found "); ok {
				found = append(found, s)
			}
		}
		slices.Sort(found)
		return found
	}
	want := find(older)
	if len(want) != 3 {
		t.Fatalf("%q", want)
	}
	got, _ := put(t, newer, older, "A", "B")
	if is := find(got); !slices.Equal(is, want) {
		t.Errorf("%q, want %q", is, want)
	}
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes([]byte(older)), "B")
	if err != nil {
		t.Fatal(err)
	}
	is := find(string(formattest.All(t, x.Content)))
	if len(is) != 2 || is[0] != strings.Replace(want[1], "[]", "['wood']", 1) || is[1] != want[2] { // of a mesh at two places Blender takes the first's material
		t.Errorf("alone: %q, want %q", is, want[1:])
	}
}
