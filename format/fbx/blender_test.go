package fbx

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/mesh"
)

// blender runs a script and returns what it prints in lines that begin with "found ".
func blender(t *testing.T, script string) (found []string) {
	t.Helper()
	app := formattest.App(t, os.Getenv("VARVE_CI") != "", "blender")
	out, err := exec.CommandContext(t.Context(), app, "-b", "--factory-startup", "--python-exit-code", "1", "--python-expr", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for l := range strings.Lines(string(out)) {
		if s, ok := strings.CutPrefix(strings.TrimSpace(l), "found "); ok {
			found = append(found, s)
		}
	}
	return found
}

// busy makes a scene of all that the exporter knows.
const busy = `
import bpy, math
bpy.ops.wm.read_factory_settings(use_empty=True)
image = bpy.data.images.new("wood", 4, 4)
image.filepath_raw = %[1]q + "/tex/wood.png"; image.file_format = "PNG"; image.save()
mat = bpy.data.materials.new("Wood"); mat.use_nodes = True
node = mat.node_tree.nodes.new("ShaderNodeTexImage"); node.image = image
mat.node_tree.links.new(node.outputs[0], mat.node_tree.nodes["Principled BSDF"].inputs["Base Color"])
other = bpy.data.materials.new("Other")
bpy.ops.mesh.primitive_monkey_add(location=(1, 2, 3), rotation=(0.1, 0.2, 0.3)); head = bpy.context.object; head.name = "Head"
head.data.materials.append(mat); head.data.materials.append(other)
for i, p in enumerate(head.data.polygons): p.material_index = i %% 2
head.shape_key_add(name="Basis"); key = head.shape_key_add(name="Smile"); key.data[3].co.x += 1
key.value = 0; key.keyframe_insert("value", frame=1); key.value = 1; key.keyframe_insert("value", frame=20)
bpy.ops.mesh.primitive_cube_add(location=(3, 0, 0), scale=(1, 2, 3)); cube = bpy.context.object; cube.parent = head; cube.name = "Cube"
twin = cube.copy(); twin.location.x = 7; bpy.context.collection.objects.link(twin)
for f in (1, 10, 20): cube.rotation_euler.z = f; cube.keyframe_insert("rotation_euler", frame=f)
bpy.ops.object.light_add(type="SPOT", location=(0, 0, 5)); bpy.ops.object.camera_add(location=(0, -5, 0))
arm = bpy.data.armatures.new("Rig"); rig = bpy.data.objects.new("Rig", arm); bpy.context.collection.objects.link(rig)
bpy.context.view_layer.objects.active = rig; bpy.ops.object.mode_set(mode="EDIT")
a = arm.edit_bones.new("Root"); a.head = (0, 0, 0); a.tail = (0, 0, 1); b = arm.edit_bones.new("Tip"); b.head = a.tail; b.tail = (0, 1, 2); b.parent = a
bpy.ops.object.mode_set(mode="OBJECT")
bpy.ops.mesh.primitive_cylinder_add(); skin = bpy.context.object; skin.name = "Skin"; skin.parent = rig
skin.modifiers.new("Armature", "ARMATURE").object = rig
for n in ("Root", "Tip"): skin.vertex_groups.new(name=n).add(list(range(len(skin.data.vertices))), 0.5, "REPLACE")
%[2]s
bpy.ops.export_scene.fbx(filepath=%[1]q + "/" + %[3]q, path_mode="RELATIVE", embed_textures=False)
`

func export(t *testing.T, dir, name, edit string) []byte {
	t.Helper()
	blender(t, fmt.Sprintf(busy, dir, edit, name))
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sorted(t *testing.T, b []byte) []format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b format.Element) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// TestBlenderExports: a scene that is exported again in another session has no change; one that was edited has those.
func TestBlenderExports(t *testing.T) {
	dir := t.TempDir()
	a, b := export(t, dir, "a.fbx", ""), export(t, dir, "b.fbx", "")
	if string(a) == string(b) {
		t.Error("the files are the same: they tell nothing")
	}
	want := sorted(t, a)
	if d := formattest.Differ(want, sorted(t, b)); d != "" {
		t.Error(d)
	}
	if err := format.Validate(t.Context(), Format{}, format.Bytes(a)); err != nil {
		t.Error(err)
	}
	kinds := map[string]int{}
	for _, e := range want {
		kinds[e.Kind]++
		if e.Stable == "" {
			t.Errorf("%s has no name for all versions", e.ID)
		}
	}
	for _, k := range []string{"object", "mesh", "material", "texture", "image", "light", "camera", "animation", "skin", "morph", "pose"} {
		if kinds[k] == 0 {
			t.Errorf("no %s: %v", k, kinds)
		}
	}
	for edit, change := range map[string]string{
		"cube.location.y += 1":               "object:Cube",
		"head.data.vertices[0].co.x += 1":    "mesh:Suzanne",
		"other.diffuse_color = (1, 0, 0, 1)": "material:Other",
		"cube.rotation_euler.z = 5; cube.keyframe_insert('rotation_euler', frame=10)": "animation:",
		"skin.vertex_groups[0].add([0], 0.9, 'REPLACE')":                              "skin:",
		"key.data[5].co.z += 1": "morph:",
	} {
		if strings.HasPrefix(edit, "other") {
			edit = "other.use_nodes = False; " + edit
		}
		is := sorted(t, export(t, dir, "c.fbx", edit))
		found := false
		var changed []string
		for i := range is {
			if i < len(want) && is[i].ID == want[i].ID && is[i].Hash() != want[i].Hash() {
				changed = append(changed, is[i].ID)
				found = found || strings.HasPrefix(is[i].ID, change)
			}
		}
		t.Logf("%s: %q", edit, changed)
		if !found || len(changed) > 4 {
			t.Errorf("%s changes %q, want %s", edit, changed, change)
		}
	}
}

// TestBlenderFindsPaths: Blender finds the picture of a file that was rewritten at its new place.
func TestBlenderFindsPaths(t *testing.T) {
	dir := t.TempDir()
	b := export(t, dir, "a.fbx", "")
	refs, err := format.References(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "other", "longer place"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "tex", "wood.png"), filepath.Join(dir, "other", "longer place", "holz.png")); err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{}
	for _, r := range refs {
		if r.Style == format.Relative && r.Path == "tex/wood.png" {
			paths[r.Raw] = `other\longer place\holz.png`
		} else if strings.HasSuffix(r.Path, "wood.png") {
			paths[r.Raw] = filepath.Join(dir, "other", "longer place", "holz.png")
		}
	}
	if len(paths) == 0 {
		t.Fatalf("%+v", refs)
	}
	find := func(b []byte) string {
		at := filepath.Join(dir, "x.fbx")
		if err := os.WriteFile(at, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return strings.Join(blender(t, fmt.Sprintf("import bpy\nbpy.ops.wm.read_factory_settings(use_empty=True)\nbpy.ops.import_scene.fbx(filepath=%q)\nfor i in bpy.data.images: print('found', i.filepath, tuple(i.size))\nprint('found', len(bpy.data.objects))", at)), "; ")
	}
	if got := find(b); strings.Contains(got, "(4, 4)") {
		t.Errorf("the picture was moved, and is found: %s", got)
	}
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), paths)
	if err != nil {
		t.Fatal(err)
	}
	if got := find(formattest.All(t, out)); !strings.Contains(got, "holz.png (4, 4)") || !strings.HasSuffix(got, "; 7") {
		t.Errorf("%s", got)
	}
}

// TestBlenderSeesTheSame: of sample files Blender shows meshes of the same names in the same boxes: of each, its sides
// along the axes, for the importer turns and scales to its own.
func TestBlenderSeesTheSame(t *testing.T) {
	var names []string
	dir := t.TempDir()
	mine := map[string]map[string][3]float64{}
	for name, b := range samples(t) {
		f, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		if f.ascii != nil || f.version < 7100 || f.order.Uint16([]byte{1, 0}) != 1 {
			continue
		}
		m, err := format.Model(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		boxes := map[string][3]float64{}
		for _, o := range m.Objects {
			x := mesh.Model{Objects: []mesh.Object{o}}
			box := x.Bounds()
			var size [3]float64
			for k := range size {
				size[k] = (box.Max[k] - box.Min[k]) * m.Unit
			}
			slices.Sort(size[:])
			name := o.Name
			for n := 1; boxes[name] != [3]float64{}; n++ { // as Blender names others of a name
				name = fmt.Sprintf("%s.%03d", o.Name, n)
			}
			boxes[name] = size
		}
		mine[name] = boxes
		at := filepath.Join(dir, fmt.Sprintf("%d.fbx", len(names)))
		names = append(names, name)
		if err := os.WriteFile(at, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := blender(t, fmt.Sprintf(`
import bpy, json
for i in range(%d):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    try: bpy.ops.import_scene.fbx(filepath=%q + "/" + str(i) + ".fbx", use_anim=False)
    except Exception as e:
        print("found", i, json.dumps({"": str(e)})); continue
    bpy.context.view_layer.update()
    boxes = {}
    for o in bpy.data.objects:
        if o.type == "MESH" and len(o.data.polygons):
            used = {v for p in o.data.polygons for v in p.vertices}
            at = [o.matrix_world @ o.data.vertices[v].co for v in used]
            boxes[o.name] = sorted(max(p[k] for p in at) - min(p[k] for p in at) for k in range(3))
    print("found", i, json.dumps(boxes))
`, len(names), dir))
	compared := 0
	for _, line := range out {
		n, text, _ := strings.Cut(line, " ")
		var i int
		if _, err := fmt.Sscan(n, &i); err != nil {
			t.Fatal(err)
		}
		name := names[i]
		var theirs map[string][3]float64
		if err := json.Unmarshal([]byte(text), &theirs); err != nil {
			t.Logf("%s: not imported: %s", name, text)
			continue
		}
		if a, b := slices.Sorted(maps.Keys(mine[name])), slices.Sorted(maps.Keys(theirs)); !slices.Equal(a, b) {
			t.Errorf("%s: meshes %q, Blender has %q", name, a, b)
			continue
		}
		compared++
		for o, want := range theirs {
			for k, got := range mine[name][o] {
				if math.Abs(got-want[k]) > 1e-4*max(want[2], 1e-6) {
					t.Errorf("%s: %s is %v, Blender has %v", name, o, mine[name][o], want)
					break
				}
			}
		}
	}
	least := 1 // the one that testdata/make/make.sh has made
	if len(names) > 1 {
		least = 20
	}
	if compared < least {
		t.Errorf("%d files were compared, want %d", compared, least)
	}
}
