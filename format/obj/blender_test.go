package obj

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

// blender returns what Blender finds in a file: of each object its name, polygons and the sum of their areas.
func blender(t *testing.T, text string) []string {
	t.Helper()
	app := formattest.App(t, os.Getenv("VARVE_CI") != "", "blender")
	at := filepath.Join(t.TempDir(), "x.obj")
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("import bpy\nbpy.ops.wm.read_factory_settings(use_empty=True)\nbpy.ops.wm.obj_import(filepath=%q)\nfor o in bpy.context.scene.objects: print('found', o.name, len(o.data.polygons), round(sum(p.area for p in o.data.polygons), 4), sorted(m.name for m in o.data.materials))", at)
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

// TestBlenderFindsGrafts: Blender finds in the result the old object and the other new ones, whether it was put in the
// place of another or behind all.
func TestBlenderFindsGrafts(t *testing.T) {
	base, edit := string(formattest.Sample(t, "obj/generated-blender/base.obj")), string(formattest.Sample(t, "obj/generated-blender/mesh.obj"))
	want := blender(t, base)
	if len(want) != 4 {
		t.Fatal(want)
	}
	if got := blender(t, put(t, edit, base, "o:Vase")); !slices.Equal(got, want) {
		t.Errorf("in its place: %q, want %q", got, want)
	}
	alone := func(id string) string {
		x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes([]byte(base)), id)
		if err != nil {
			t.Fatal(err)
		}
		return string(formattest.All(t, x.Content))
	}
	all := alone("o:Bowl")
	for _, id := range []string{"o:Vase", "o:Book", "o:Table"} {
		all = put(t, all, base, id)
	}
	if got := blender(t, all); !slices.Equal(got, want) {
		t.Errorf("behind the others: %q, want %q", got, want)
	}
	vase := slices.DeleteFunc(slices.Clone(want), func(s string) bool { return !strings.HasPrefix(s, "Vase ") })
	if got := blender(t, alone("o:Vase")); !slices.Equal(got, vase) {
		t.Errorf("alone: %q, want %q", got, vase)
	}
}
