package gltf

import (
	"bytes"
	"encoding/json"
	"errors"
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

func elementsOf(t testing.TB, b []byte) []format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// hashes returns what elements are, by their stable names.
func hashes(t testing.TB, b []byte) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, e := range elementsOf(t, b) {
		if e.Stable == "" {
			e.Stable = e.ID
		}
		out[e.Stable] = e.Hash()
	}
	return out
}

func idOfStable(t testing.TB, b []byte, stable string) string {
	t.Helper()
	for _, e := range elementsOf(t, b) {
		if e.Stable == stable {
			return e.ID
		}
	}
	t.Fatalf("no %s", stable)
	return ""
}

// grafted puts elements of one file into another, and holds the result to be whole.
func grafted(t testing.TB, into, from []byte, stable ...string) ([]byte, *format.Grafting) {
	t.Helper()
	var ids []string
	for _, s := range stable {
		ids = append(ids, idOfStable(t, from, s))
	}
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), ids)
	if err != nil {
		t.Fatal(err)
	}
	b := formattest.All(t, g.Content)
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
		t.Fatalf("%v\n%s", err, b[:min(len(b), 4000)])
	}
	d, err := open(format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.lists[accessors] { // numbers stand where they may
		a, err := d.array(i)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := d.view(a.view); err != nil || (v.off+a.off)%componentSize(a.component) != 0 {
			t.Errorf("accessor %d begins at %d+%d, %v", i, v.off, a.off, err)
		}
	}
	return b, g
}

func differing(a, b map[string]string) (out []string) {
	for k := range a {
		if a[k] != b[k] {
			out = append(out, k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// still is a scene in which a shelf holds a jar and a cup of one material; the cup is of a mesh that a second has, too.
// glb packs it; edit changes the text before.
func still(edit ...string) []byte {
	text := strings.NewReplacer(edit...).Replace(`{"asset":{"version":"2.0"},
 "scene":0,"scenes":[{"name":"Room","nodes":[0,4]}],
 "nodes":[
  {"name":"Shelf","children":[1,2]},
  {"name":"Jar","mesh":0,"translation":[1,0,0]},
  {"name":"Cup","mesh":1},
  {"name":"Lamp","extensions":{"KHR_lights_punctual":{"light":0}}},
  {"name":"Top","children":[3,5]},
  {"name":"Cup2","mesh":1}],
 "meshes":[
  {"name":"JarMesh","primitives":[{"attributes":{"POSITION":0},"indices":1,"material":0}]},
  {"name":"CupMesh","primitives":[{"attributes":{"POSITION":2},"indices":1,"material":0}]}],
 "materials":[{"name":"Clay","pbrMetallicRoughness":{"baseColorFactor":[0.5,0.25,0.125,1],"baseColorTexture":{"index":0}}}],
 "textures":[{"name":"ClayTexture","source":0}],
 "images":[{"name":"clay","bufferView":3,"mimeType":"image/png"}],
 "animations":[{"name":"Shake","channels":[{"sampler":0,"target":{"node":1,"path":"translation"}}],"samplers":[{"input":3,"output":0}]}],
 "extensionsUsed":["KHR_lights_punctual"],
 "extensions":{"KHR_lights_punctual":{"lights":[{"name":"Bulb","type":"point","intensity":5}]}},
 "accessors":[
  {"bufferView":0,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[1,1,0]},
  {"bufferView":1,"componentType":5121,"count":3,"type":"SCALAR"},
  {"bufferView":0,"byteOffset":36,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[2,2,0]},
  {"bufferView":2,"componentType":5126,"count":3,"type":"SCALAR","min":[0],"max":[2]}],
 "bufferViews":[
  {"buffer":0,"byteLength":72},{"buffer":0,"byteOffset":72,"byteLength":3},
  {"buffer":0,"byteOffset":76,"byteLength":12},{"buffer":0,"byteOffset":88,"byteLength":8}],
 "buffers":[{"byteLength":96}]}`)
	return glb(text, stillBytes())
}

func stillBytes() []byte {
	return slices.Concat(floats(0, 0, 0, 1, 0, 0, 0, 1, 0), floats(0, 0, 0, 2, 0, 0, 0, 2, 0), []byte{0, 1, 2, 0}, floats(0, 1, 2), []byte("\x89PNGabcd"))
}

// TestGraftOfPicture: what shows a picture that is put back changes with it, and the graft says so.
func TestGraftOfPicture(t *testing.T) {
	edited := still(`{"buffer":0,"byteOffset":88,"byteLength":8}`, `{"buffer":0,"byteOffset":87,"byteLength":8}`)
	for _, what := range []string{"image:clay", "texture:ClayTexture"} {
		b, g := grafted(t, edited, still(), what)
		if got := differing(hashes(t, b), hashes(t, still())); len(got) > 0 {
			t.Errorf("%s: %v are not as they were", what, got)
		}
		if want := []string{"images/0", "materials/0", "textures/0"}; !slices.Equal(g.Changed, want) || !slices.Equal(g.Notes, []string{`the material "Clay" shows it, too`}) {
			t.Errorf("%s: changed %v, notes %q", what, g.Changed, g.Notes)
		}
	}
}

// TestGraftPutsBack: each edit of a part is undone by a graft of just that part, and nothing else changes.
func TestGraftPutsBack(t *testing.T) {
	base := still()
	for _, c := range []struct {
		name  string
		edit  []string
		graft []string
		also  []string // besides what is grafted, that differs from base afterwards: what was edited elsewhere
	}{
		{"node", []string{`"translation":[1,0,0]`, `"translation":[7,0,0]`}, []string{"node:Jar"}, nil},
		{"node and other work", []string{`"translation":[1,0,0]`, `"translation":[7,0,0]`, `"intensity":5`, `"intensity":6`}, []string{"node:Jar"}, []string{"light:Bulb"}},
		{"mesh of a node", []string{`{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[1,1,0]}`, `{"bufferView":0,"byteOffset":12,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[1,1,0]}`,
			`"output":0`, `"output":2`}, []string{"node:Jar"}, []string{"animation:Shake"}},
		{"material", []string{`0.125`, `0.75`}, []string{"material:Clay"}, nil},
		{"material and its picture", []string{`{"buffer":0,"byteOffset":88,"byteLength":8}`, `{"buffer":0,"byteOffset":87,"byteLength":8}`}, []string{"material:Clay"}, nil},
		{"light", []string{`"intensity":5`, `"intensity":6`}, []string{"light:Bulb"}, nil},
		{"light of a node", []string{`"intensity":5`, `"intensity":6`}, []string{"node:Lamp"}, nil},
		{"children", []string{`"translation":[1,0,0]`, `"translation":[7,0,0]`}, []string{"node:Shelf"}, nil},
		{"animation", []string{`"input":3`, `"input":3,"interpolation":"STEP"`}, []string{"animation:Shake"}, nil},
		{"scene", []string{`"translation":[1,0,0]`, `"translation":[7,0,0]`, `"intensity":5`, `"intensity":6`}, []string{"scene:Room"}, nil},
		{"a light that is gone", []string{` "extensionsUsed":["KHR_lights_punctual"],
 "extensions":{"KHR_lights_punctual":{"lights":[{"name":"Bulb","type":"point","intensity":5}]}},
`, "", `,"extensions":{"KHR_lights_punctual":{"light":0}}`, ""}, []string{"node:Lamp"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			edited := still(c.edit...)
			if bytes.Equal(edited, base) {
				t.Fatal("the edit is none")
			}
			b, g := grafted(t, edited, base, c.graft...)
			got, want := hashes(t, b), hashes(t, base)
			if d := differing(got, want); !slices.Equal(d, c.also) {
				t.Errorf("%v differ from the older, not %v; notes %q\n%s", d, c.also, g.Notes, b)
			}
			before := hashes(t, edited)
			for _, e := range elementsOf(t, b) { // what is named is what changed
				if changed := before[e.Stable] != got[e.Stable]; changed && !slices.Contains(g.Changed, e.ID) {
					t.Errorf("%s changed, and only %v are said to", e.ID, g.Changed)
				}
			}
		})
	}
}

// TestGraftBringsBack: what was deleted is there again, in its place, and works.
func TestGraftBringsBack(t *testing.T) {
	base := still()
	gone := still(`{"name":"Jar","mesh":0,"translation":[1,0,0]}`, `{"name":"Box"}`, `{"name":"JarMesh","primitives":[{"attributes":{"POSITION":0},"indices":1,"material":0}]}`, `{"name":"CupMesh","primitives":[{"attributes":{"POSITION":2},"indices":1,"material":0}]}`,
		`,
  {"name":"CupMesh","primitives":[{"attributes":{"POSITION":2},"indices":1,"material":0}]}]`, `]`, `"mesh":1`, `"mesh":0`, `"node":1`, `"node":0`)
	before := hashes(t, gone)
	b, _ := grafted(t, gone, base, "node:Jar")
	after, old := hashes(t, b), hashes(t, base)
	for _, s := range []string{"node:Jar", "mesh:JarMesh"} {
		if before[s] != "" || after[s] != old[s] {
			t.Errorf("%s was %q, is %q, and is to be %q", s, before[s], after[s], old[s])
		}
		delete(after, s)
	}
	if d := differing(before, after); d != nil {
		t.Errorf("%v changed, too", d)
	}
	for _, e := range elementsOf(t, b) {
		if e.Stable == "node:Jar" && e.Parent != idOfStable(t, b, "node:Shelf") {
			t.Errorf("the jar is in %q", e.Parent)
		}
	}
	if !bytes.Contains(b, stillBytes()) {
		t.Error("the bytes that were there are not as they were")
	}
	again, _ := grafted(t, b, base, "node:Jar")
	if !bytes.Equal(again, b) {
		t.Error("a second graft of the same changes something")
	}
}

// TestGraftLeavesWhatIsShared: a mesh that other nodes have, too, does not change under them.
func TestGraftLeavesWhatIsShared(t *testing.T) {
	edited := still(`"POSITION":2`, `"POSITION":0`)
	b, g := grafted(t, edited, still(), "node:Cup")
	r, err := read(format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.model(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range m.Objects {
		want := map[string]float64{"Jar": 1, "Cup": 2, "Cup2": 1}[o.Name]
		if got := o.Mesh.Positions[1][0]; got != want {
			t.Errorf("%s reaches %v, not %v", o.Name, got, want)
		}
	}
	if len(g.Notes) == 0 {
		t.Error("no note")
	}
}

// TestGraftKeepsNewerChildren: what was put below a node since stays there.
func TestGraftKeepsNewerChildren(t *testing.T) {
	newer := still(`{"name":"Shelf","children":[1,2]}`, `{"name":"Shelf","children":[1,2,4],"scale":[2,2,2]}`, `"nodes":[0,4]`, `"nodes":[0]`)
	b, _ := grafted(t, newer, still(), "node:Shelf")
	list := elementsOf(t, b)
	for _, e := range list {
		if e.Stable == "node:Top" && e.Parent != "nodes/0" {
			t.Errorf("Top is in %q", e.Parent)
		}
		if e.Stable == "node:Shelf" && e.Properties["scale"] != "" {
			t.Errorf("the shelf has the scale %s", e.Properties["scale"])
		}
	}
}

func TestGraftRefuses(t *testing.T) {
	base := still()
	for name, c := range map[string]struct {
		into, from []byte
		id         string
	}{
		"an animation of a node that is gone": {still(`"name":"Jar"`, `"name":"Pot"`, `"children":[1,2]`, `"children":[2]`, `"nodes":[0,4]`, `"nodes":[0,4,1]`, `"animations"`, `"x"`), base, "animations/0"},
		"an extension that is not known":      {base, still(`"translation":[1,0,0]`, `"extensions":{"ACME_physics":{"body":3}}`), "nodes/1"},
		"one of a mesh":                       {base, still(`{"name":"JarMesh",`, `{"name":"JarMesh","extensions":{"ACME_cloth":{"body":3}},`), "meshes/0"},
		"data in another file":                {base, still(`"buffers":[{"byteLength":96}]`, `"buffers":[{"byteLength":96,"uri":"a.bin"}]`), "meshes/0"},
	} {
		_, err := format.Graft(t.Context(), Format{}, format.Bytes(c.into), format.Bytes(c.from), []string{c.id})
		var refusal *format.Refusal
		if !errors.As(err, &refusal) || refusal.Reason == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, id := range []string{"nodes/9", "nodes/-1", "nodes/01", "x/0", "", "accessors/0"} {
		if _, err := format.Graft(t.Context(), Format{}, format.Bytes(base), format.Bytes(base), []string{id}); !errors.Is(err, format.ErrNoElement) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestGraftIntoText: a .gltf gets new bytes as a data URI; the rest of the text stays, line by line.
func TestGraftIntoText(t *testing.T) {
	var pretty bytes.Buffer
	text := []byte(`{"asset":{"version":"2.0"},"scenes":[{"nodes":[0]}],"nodes":[{"name":"Only"}],"buffers":[{"uri":"other.bin","byteLength":7}]}`)
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	b, _ := grafted(t, pretty.Bytes(), still(), "node:Jar", "node:Cup")
	h := hashes(t, still())
	for _, e := range elementsOf(t, b) {
		if e.Stable == "node:Jar" && e.Hash() != h["node:Jar"] || e.Stable == "material:Clay" && e.Hash() != h["material:Clay"] {
			t.Errorf("%s is not as it was", e.ID)
		}
	}
	for _, line := range strings.Split(pretty.String(), "\n") {
		if !bytes.Contains(b, []byte(strings.TrimRight(line, ","))) {
			t.Errorf("the line %q is gone", line)
		}
	}
}

// TestRenumberedIsNoChange: lists in another order, other views, other widths of indices, other spelling of numbers.
func TestRenumberedIsNoChange(t *testing.T) {
	other := glb(`{"buffers":[{"byteLength":116}],"asset":{"version":"2.0","generator":"other"},
 "bufferViews":[{"buffer":0,"byteLength":8},{"buffer":0,"byteOffset":8,"byteLength":96,"byteStride":16},{"buffer":0,"byteOffset":104,"byteLength":12}],
 "accessors":[
  {"bufferView":2,"componentType":5125,"count":3,"type":"SCALAR"},
  {"bufferView":1,"byteOffset":48,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[2,2,0]},
  {"bufferView":1,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[1,1,0]},
  {"bufferView":1,"byteOffset":12,"componentType":5126,"count":3,"type":"SCALAR"}],
 "images":[{"bufferView":0,"name":"clay"}],"textures":[{"name":"ClayTexture","source":0}],
 "extensions":{"KHR_lights_punctual":{"lights":[{"intensity":5.0,"type":"point","name":"Bulb"}]}},
 "materials":[{"name":"unused"},{"pbrMetallicRoughness":{"metallicFactor":1,"baseColorTexture":{"index":0},"baseColorFactor":[5e-1,0.25,0.125,1.0]},"doubleSided":false,"name":"Clay"}],
 "meshes":[
  {"primitives":[{"attributes":{"POSITION":1},"material":1,"indices":0}],"name":"CupMesh"},
  {"primitives":[{"attributes":{"POSITION":2},"material":1,"indices":0}],"name":"JarMesh"}],
 "animations":[{"name":"Shake","channels":[{"sampler":0,"target":{"path":"translation","node":5}}],"samplers":[{"input":3,"output":2}]}],
 "nodes":[
  {"name":"Top","children":[1,2],"rotation":[0,0,0,1]},{"mesh":0,"name":"Cup2"},{"name":"Lamp","extensions":{"KHR_lights_punctual":{"light":0}}},
  {"name":"Shelf","children":[4,5]},{"mesh":0,"name":"Cup"},{"mesh":1,"translation":[1.0,0,0],"name":"Jar"}],
 "scenes":[{"nodes":[3,0],"name":"Room"}],"scene":0}`,
		slices.Concat([]byte("\x89PNGabcd"),
			floats(0, 0, 0, 0), floats(1, 0, 0, 1), floats(0, 1, 0, 2),
			floats(0, 0, 0, 9), floats(2, 0, 0, 9), floats(0, 2, 0, 9), []byte{0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0}))
	d := differing(hashes(t, still()), hashes(t, other))
	// the animation's accessor has no max there, which says how long it is
	if want := []string{"animation:Shake", "material:unused"}; !slices.Equal(d, want) {
		t.Errorf("%v differ, not %v", d, want)
	}
}

// TestExtract: the file of an element is whole and has it, as it was, and no other of its kind.
func TestExtract(t *testing.T) {
	b := still()
	want := map[string]string{}
	for _, e := range elementsOf(t, b) {
		want[e.Stable] = e.Hash()
	}
	for _, e := range elementsOf(t, b) {
		x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), e.ID)
		if err != nil {
			t.Errorf("%s: %v", e.ID, err)
			continue
		}
		out := formattest.All(t, x.Content)
		if e.Kind == "image" || e.Kind == "texture" {
			if x.Extension != ".png" || string(out) != "\x89PNGabcd" {
				t.Errorf("%s: %s %q", e.ID, x.Extension, out)
			}
			continue
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(out)); err != nil {
			t.Errorf("%s: %v", e.ID, err)
		}
		found := false
		for _, o := range elementsOf(t, out) {
			found = found || o.Stable == e.Stable
			if o.Stable == e.Stable && o.Hash() != e.Hash() {
				t.Errorf("%s is not as it was: %+v and %+v", e.ID, o, e)
			}
			if o.Kind == e.Kind && o.Stable != e.Stable && e.Kind != "node" && e.Kind != "scene" {
				t.Errorf("%s comes with %s", e.ID, o.Stable)
			}
		}
		if !found {
			t.Errorf("%s is not in its file: %s", e.ID, out)
		}
	}
}

// TestBlenderOpensGrafts: what grafts of real files make, Blender imports, with the shapes and places that are asked for.
func TestBlenderOpensGrafts(t *testing.T) {
	blender := formattest.App(t, os.Getenv("VARVE_CI") != "", "blender") // and python3-numpy, which its importer needs
	base := formattest.Sample(t, "gltf/generated-blender/base.glb")
	sample := func(name string) []byte { return formattest.Sample(t, "gltf/generated-blender/"+name+".glb") }
	dir := t.TempDir()
	ask := func(name string, b []byte, ext string) string {
		t.Helper()
		at := filepath.Join(dir, name+ext)
		if err := os.WriteFile(at, b, 0o600); err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf(`
import bpy, numpy
numpy.bool = bool # the importer of 3.4 wants it, numpy from 1.24 on has it no more
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=%q)
for o in sorted(bpy.data.objects, key=lambda o: o.name):
    line = "FOUND %%s %%.3f %%.3f %%.3f" %% ((o.name,) + tuple(o.matrix_world.translation))
    if o.type == "MESH":
        area = sum(p.area for p in o.data.polygons)
        line += " %%d %%.4f %%s" %% (len(o.data.polygons), area, o.data.materials[0].node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value[2])
    print(line)
`, at)
		out, err := exec.Command(blender, "-b", "--python-exit-code", "3", "--python-expr", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		var lines []string
		for _, l := range strings.Split(string(out), "\n") {
			if strings.HasPrefix(l, "FOUND ") {
				lines = append(lines, l)
			}
		}
		return strings.Join(lines, "\n")
	}
	want := ask("base", base, ".glb")
	for _, c := range []struct{ into, stable string }{{"mesh", "node:Vase"}, {"mesh", "mesh:VaseMesh"}, {"moved", "node:Vase"}, {"material", "material:Glaze"}} {
		into := sample(c.into)
		if ask(c.into, into, ".glb") == want {
			t.Fatalf("%s is as base to Blender", c.into)
		}
		b, _ := grafted(t, into, base, c.stable)
		if got := ask(c.into+"-grafted", b, ".glb"); got != want {
			t.Errorf("%s with the older %s:\n%s\nnot\n%s", c.into, c.stable, got, want)
		}
	}
	// an extract alone, and then another put into it; into text, too
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(base), idOfStable(t, base, "node:Table"))
	if err != nil {
		t.Fatal(err)
	}
	table := formattest.All(t, x.Content)
	b, _ := grafted(t, table, base, "node:Vase", "node:Bowl", "node:Book", "node:Key", "node:Camera")
	if got := ask("rebuilt", b, ".glb"); got != want {
		t.Errorf("put together from parts:\n%s\nnot\n%s", got, want)
	}
	text := []byte(`{"asset":{"version":"2.0"},"scene":0,"scenes":[{}]}`)
	b, _ = grafted(t, text, base, "node:Table", "node:Vase", "node:Bowl", "node:Book", "node:Key", "node:Camera")
	if got := ask("text", b, ".gltf"); got != want {
		t.Errorf("as text:\n%s\nnot\n%s", got, want)
	}
}
