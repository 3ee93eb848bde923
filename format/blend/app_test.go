package blend

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// blender runs a script in Blender with a file open, twice: the second time on what the first saved again. What the script
// puts into out is returned.
func blender(t *testing.T, file []byte, script string) (first, second map[string]any) {
	t.Helper()
	app := formattest.App(t, os.Getenv("VARVE_CI") != "", "blender")
	dir := t.TempDir()
	at, again := filepath.Join(dir, "a.blend"), filepath.Join(dir, "b.blend")
	if err := os.WriteFile(at, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return ask(t, app, dir, at, again, script), ask(t, app, dir, again, "", script)
}

func ask(t *testing.T, app, dir, at, save, script string) (out map[string]any) {
	t.Helper()
	answer := filepath.Join(dir, "answer.json")
	all := "import bpy, json\nout = {}\n" + script + "\njson.dump(out, open(" + quote(answer) + ", 'w'))\n"
	if save != "" {
		all += "bpy.ops.wm.save_as_mainfile(filepath=" + quote(save) + ", compress=True)\n"
	}
	file := filepath.Join(dir, "script.py")
	if err := os.WriteFile(file, []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), app, "-b", "-noaudio", "--factory-startup", at, "-P", file)
	said, err := c.CombinedOutput()
	b, readErr := os.ReadFile(answer)
	if err != nil || readErr != nil || bytes.Contains(said, []byte("Error")) {
		t.Fatalf("%v, %v\n%s", err, readErr, said)
	}
	_ = os.Remove(answer)
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

const census = `
for m in bpy.data.meshes:
    out[m.name] = {"vertices": len(m.vertices), "max": round(max(v.co.z for v in m.vertices), 4), "bad": m.validate(verbose=True)}
for o in bpy.data.objects:
    out["OB" + o.name] = [round(x, 4) for x in o.location] + [o.data.name, [c.name for c in o.users_collection], o.visible_get()]
for m in bpy.data.materials:
    n = m.node_tree.nodes["Principled BSDF"]
    out["MA" + m.name] = [round(x, 4) for x in n.inputs["Base Color"].default_value]
`

func grafted(t *testing.T, into, from string, ids ...string) []byte {
	t.Helper()
	a, b := formattest.Sample(t, "blend/generated-blender/"+into), formattest.Sample(t, "blend/generated-blender/"+from)
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(a), format.Bytes(b), ids)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("changed %q notes %q stale %q", g.Changed, g.Notes, g.Stale)
	return formattest.All(t, g.Content)
}

func TestBlenderOpensGrafts(t *testing.T) {
	for _, c := range []struct {
		into, from string
		ids        []string
	}{
		{"deleted.blend", "base.blend", []string{"OBBowl"}},
		{"mesh.blend", "base.blend", []string{"MEVaseMesh"}},
		{"material.blend", "base.zstd.blend", []string{"MAGlaze"}},
		{"base.zstd.blend", "material.blend", []string{"MAGlaze"}},
	} {
		b := grafted(t, c.into, c.from, c.ids...)
		first, second := blender(t, b, census)
		t.Log(first)
		t.Log(second)
	}
}
