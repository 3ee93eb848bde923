package blend

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/mesh"
)

// studio is a folder with Blender in it.
type studio struct {
	t   *testing.T
	app string
	dir string
}

func newStudio(t *testing.T) *studio {
	return &studio{t, formattest.App(t, os.Getenv("VARVE_CI") != "", "blender"), t.TempDir()}
}

func (s *studio) path(name string) string { return filepath.Join(s.dir, name) }

func (s *studio) read(name string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *studio) write(name string, b []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), b, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run runs Python with a file open, "" for none, and returns what it puts into out.
func (s *studio) run(file, python string) (out map[string]any) {
	s.t.Helper()
	all := "import bpy, json\ndef path(name): return " + quote(s.dir) + " + '/' + name\nout = {}\n" + python +
		"\nwith open(path('answer.json'), 'w') as f: json.dump(out, f)\n"
	s.write("script.py", []byte(all))
	args := []string{"-b", "-noaudio", "--factory-startup"}
	if file != "" {
		args = append(args, s.path(file))
	}
	said, err := exec.CommandContext(s.t.Context(), s.app, append(args, "-P", s.path("script.py"))...).CombinedOutput()
	answer, readErr := os.ReadFile(s.path("answer.json"))
	if err != nil || readErr != nil || bytes.Contains(said, []byte("Error")) {
		s.t.Fatalf("%v, %v\n%s", err, readErr, said)
	}
	_ = os.Remove(s.path("answer.json"))
	if err := json.Unmarshal(answer, &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// census describes all that Blender has, by id.
const census = `
def r(x): return [round(v, 4) for v in x]
def walk(t, o):
    for n in t.nodes:
        o[n.name] = [n.bl_idname] + [r(i.default_value) if hasattr(i.default_value, '__len__') and not isinstance(i.default_value, str) else round(i.default_value, 4) if isinstance(i.default_value, float) else 0
            for i in n.inputs if hasattr(i, 'default_value')] + [n.image.name if getattr(n, 'image', None) else '', n.node_tree.name if getattr(n, 'node_tree', None) else '']
    o['links'] = sorted(l.from_node.name + '>' + l.to_node.name + '.' + l.to_socket.name for l in t.links)
    return o
def curves(d):
    a = d.animation_data
    if not a: return []
    return [a.action.name if a.action else '', sorted((c.data_path, c.array_index, c.driver.expression, [t.id.name for v in c.driver.variables for t in v.targets]) for c in a.drivers)]
for m in bpy.data.meshes:
    out['ME' + m.name] = [len(m.vertices), [r(v.co) for v in m.vertices][:400], [list(p.vertices) for p in m.polygons][:400], [(g.group, round(g.weight, 3)) for v in m.vertices for g in v.groups],
        [x.name for x in m.materials if x], sorted(m.attributes.keys()), [[k.name, round(k.value, 3), r(k.data[0].co)] for k in m.shape_keys.key_blocks] if m.shape_keys else [],
        [r(l.uv) for l in m.uv_layers[0].data][:100] if m.uv_layers else [], m.validate(verbose=True)]
for o in bpy.data.objects:
    out['OB' + o.name] = [r(o.location), r(o.rotation_euler), r(o.scale), o.data.name if o.data else '', o.parent.name if o.parent else '', sorted(c.name for c in o.users_collection),
        [[m.name, m.type, m.object.name if getattr(m, 'object', None) else ''] for m in o.modifiers], [[c.name, c.target.name if getattr(c, 'target', None) else ''] for c in o.constraints],
        sorted((k, str(v.to_dict() if hasattr(v, 'to_dict') else list(v) if hasattr(v, 'to_list') else v.name if hasattr(v, 'name') else v)) for k, v in o.items()), [g.name for g in o.vertex_groups], curves(o), o.visible_get(), [s.material.name for s in o.material_slots if s.material],
        [[b.name, r(b.location)] for b in o.pose.bones] if o.pose else []]
for m in bpy.data.materials:
    out['MA' + m.name] = walk(m.node_tree, {}) if m.use_nodes else 0
for m in bpy.data.node_groups:
    out['NT' + m.name] = walk(m, {})
for l in bpy.data.lights:
    out['LA' + l.name] = [l.type, round(l.energy, 3), r(l.color)]
for a in bpy.data.actions:
    out['AC' + a.name] = [[c.data_path, c.array_index, [r(k.co) for k in c.keyframe_points]] for c in a.fcurves]
for a in bpy.data.armatures:
    out['AR' + a.name] = [[b.name, r(b.head_local), r(b.tail_local), b.parent.name if b.parent else ''] for b in a.bones]
for t in bpy.data.texts:
    out['TX' + t.name] = t.as_string()
for c in bpy.data.collections:
    out['GR' + c.name] = [sorted(o.name for o in c.objects), sorted(x.name for x in c.children)]
for c in bpy.data.curves:
    out['CU' + c.name] = [[s.type, [r(p.co) for p in (s.bezier_points or s.points)]] for s in c.splines]
for w in bpy.data.worlds:
    out['WO' + w.name] = walk(w.node_tree, {}) if w.use_nodes else 0
for i in bpy.data.images:
    out['IM' + i.name] = [i.filepath, list(i.size)]
`

// opened are files as Blender has them; and they are the same when they are saved by Blender and opened again.
func (s *studio) opened(files map[string][]byte) map[string]map[string]any {
	s.t.Helper()
	names := slices.Sorted(maps.Keys(files))
	for _, n := range names {
		s.write(n+".blend", files[n])
	}
	list, _ := json.Marshal(names)
	all := s.run("", "def census():\n    out = {}"+strings.ReplaceAll(census, "\n", "\n    ")+"\n    return out\nfor name in "+string(list)+`:
    bpy.ops.wm.open_mainfile(filepath=path(name + '.blend'))
    first = census()
    bpy.ops.wm.save_as_mainfile(filepath=path('again.blend'), compress=True)
    bpy.ops.wm.open_mainfile(filepath=path('again.blend'))
    out[name] = [first, census()]
`)
	out := map[string]map[string]any{}
	for _, n := range names {
		both := all[n].([]any)
		out[n] = both[0].(map[string]any)
		if d := unlike(out[n], both[1].(map[string]any)); len(d) > 0 {
			s.t.Errorf("%s: saved again it differs in %q", n, d)
		}
	}
	return out
}

// unlike are the ids in which two of Blender's descriptions differ.
func unlike(a, b map[string]any) (out []string) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if !reflect.DeepEqual(a[id], b[id]) {
			out = append(out, id)
		}
	}
	return out
}

// workshop makes a scene with much in it, saves it, changes and deletes nearly all of it, and saves it again.
const workshop = `
from mathutils import Vector
bpy.ops.wm.read_factory_settings(use_empty=True)
D, C = bpy.data, bpy.context
scene = C.scene
props = D.collections.new('Props'); scene.collection.children.link(props)
inner = D.collections.new('Inner'); props.children.link(inner)
def ob(name, data, c, at=(0, 0, 0)):
    o = D.objects.new(name, data); c.objects.link(o); o.location = at; return o
def box(name, s):
    m = D.meshes.new(name)
    m.from_pydata([(x*s, y*s, z*s) for x in (0, 1) for y in (0, 1) for z in (0, 1)], [], [(0,1,3,2), (4,6,7,5), (0,4,5,1), (2,3,7,6), (0,2,6,4), (1,5,7,3)])
    m.uv_layers.new(name='UVMap'); return m
tile = D.node_groups.new('Tile', 'ShaderNodeTree')
tile.nodes.new('ShaderNodeTexNoise').inputs['Scale'].default_value = 7
img = D.images.new('grain', 4, 4); img.filepath_raw = path('grain.png'); img.file_format = 'PNG'; img.save(); img.source = 'FILE'; img.filepath = '//grain.png'
def mat(name, color):
    m = D.materials.new(name); m.use_nodes = True
    n = m.node_tree.nodes['Principled BSDF']; n.inputs['Base Color'].default_value = color
    i = m.node_tree.nodes.new('ShaderNodeTexImage'); i.image = img
    m.node_tree.links.new(i.outputs['Color'], n.inputs['Specular'])
    g = m.node_tree.nodes.new('ShaderNodeGroup'); g.node_tree = tile
    ramp = m.node_tree.nodes.new('ShaderNodeValToRGB'); ramp.color_ramp.elements.new(0.3)
    return m
red, blue = mat('Red', (1, 0, 0, 1)), mat('Blue', (0, 0, 1, 1))
hero = ob('Hero', box('HeroMesh', 2), props, (1, 2, 3))
hero.data.materials.append(red); hero.data.materials.append(blue)
hero['note'] = 'mine'; hero['list'] = [1.5, 2.5]; hero['nest'] = {'a': 1, 'b': [{'c': 2}, {'d': 3}]}; hero['ref'] = red
hero.shape_key_add(name='Basis'); k = hero.shape_key_add(name='Up'); k.value = 0.5; k.data[0].co = (9, 9, 9)
g = hero.vertex_groups.new(name='half'); g.add([0, 1, 2], 0.75, 'ADD'); hero.vertex_groups.new(name='all').add(list(range(8)), 0.25, 'ADD')
arm = D.armatures.new('Rig'); rig = ob('Rig', arm, inner)
C.view_layer.objects.active = rig
bpy.ops.object.mode_set(mode='EDIT')
b1 = arm.edit_bones.new('root'); b1.tail = (0, 0, 1); b2 = arm.edit_bones.new('tip'); b2.head = (0, 0, 1); b2.tail = (0, 0, 2); b2.parent = b1
bpy.ops.object.mode_set(mode='OBJECT')
rig.pose.bones['tip'].location = (0.5, 0, 0)
m = hero.modifiers.new('Arm', 'ARMATURE'); m.object = rig
hero.modifiers.new('Bevel', 'BEVEL'); hero.modifiers.new('Sub', 'SUBSURF')
target = ob('Target', None, inner, (0, 0, 8))
c = hero.constraints.new('TRACK_TO'); c.target = target
hero.keyframe_insert('scale', frame=1); hero.scale = (2, 2, 2); hero.keyframe_insert('scale', frame=20)
d = hero.driver_add('location', 2).driver; d.expression = 'v + 1'; v = d.variables.new(); v.name = 'v'; v.targets[0].id = target; v.targets[0].data_path = 'location.x'
child = ob('Child', box('ChildMesh', 1), inner, (0, 0, 1)); child.parent = hero; child.data.materials.append(blue)
lamp = ob('Lamp', D.lights.new('LampData', 'SPOT'), scene.collection, (4, 4, 4)); lamp.data.energy = 123
curve = D.curves.new('Path', 'CURVE'); s = curve.splines.new('BEZIER'); s.bezier_points.add(2); s.bezier_points[1].co = (1, 2, 3); ob('Way', curve, props)
D.texts.new('notes').write('first line\nsecond line')
inst = ob('Inst', None, scene.collection, (9, 0, 0)); inst.instance_type = 'COLLECTION'; inst.instance_collection = inner
scene.world = D.worlds.new('Sky'); scene.world.use_nodes = True
red.use_fake_user = tile.use_fake_user = True
scene.frame_set(1)
bpy.ops.wm.save_as_mainfile(filepath=path('old.blend'), compress=False)
bpy.ops.wm.save_as_mainfile(filepath=path('old.z.blend'), compress=True, copy=True)
hero.data.vertices[3].co = (7, 7, 7); hero.data.shape_keys.key_blocks['Up'].data[0].co = (1, 1, 1); hero.vertex_groups['all'].add([1], 1, 'REPLACE')
hero.location = (0, 0, 0); hero.modifiers.remove(hero.modifiers['Bevel']); hero['note'] = 'yours'; del hero['nest']
D.actions[0].fcurves[0].keyframe_points[1].co = (30, 5)
red.node_tree.nodes['Principled BSDF'].inputs['Base Color'].default_value = (0, 1, 0, 1)
tile.nodes[0].inputs['Scale'].default_value = 9
curve.splines[0].bezier_points[1].co = (5, 5, 5)
D.texts['notes'].clear(); D.texts['notes'].write('other')
D.objects.remove(child); D.objects.remove(lamp); D.lights.remove(D.lights['LampData']); D.materials.remove(blue); D.meshes.remove(D.meshes['ChildMesh'])
inst.location = (1, 1, 1)
new = ob('New', box('NewMesh', 3), scene.collection)
scene.frame_set(1)
bpy.ops.wm.save_as_mainfile(filepath=path('new.blend'), compress=False)
bpy.ops.wm.save_as_mainfile(filepath=path('new.z.blend'), compress=True, copy=True)
`

// TestBlenderWorkshop: what is grafted is in Blender as it was in the older file, and nothing else is touched; grafted
// one after the other, all that was changed and deleted is back.
func TestBlenderWorkshop(t *testing.T) {
	s := newStudio(t)
	s.run("", workshop)
	cases := map[string]struct {
		back []string // in Blender as in the older file
		also []string // not as in the newer
	}{
		"MEHeroMesh":                     {nil, []string{"MEHeroMesh", "MABlue", "OBHero"}}, // the mesh has slots for materials, and the object shows them
		"MARed":                          {[]string{"MARed"}, nil},
		"NTTile":                         {[]string{"NTTile"}, nil},
		"OBChild":                        {[]string{"OBChild", "MEChildMesh", "MABlue"}, []string{"GRInner"}},
		"OBLamp":                         {[]string{"OBLamp", "LALampData"}, nil},
		"TXnotes CUPath":                 {[]string{"TXnotes", "CUPath"}, nil},
		"OBHero MEHeroMesh ACHeroAction": {[]string{"OBHero", "MEHeroMesh", "ACHeroAction", "MABlue"}, nil},
	}
	files := map[string][]byte{"old": s.read("old.blend"), "new": s.read("new.blend")}
	said := map[string]*format.Grafting{}
	for ids := range cases {
		said[ids], files[ids] = putInto(t, files["new"], files["old"], strings.Fields(ids)...)
		_, files[ids+" z"] = putInto(t, s.read("new.z.blend"), files["old"], strings.Fields(ids)...)
	}
	all := files["new"]
	for _, id := range []string{"OBLamp", "MEHeroMesh", "OBChild", "MARed", "NTTile", "OBHero", "ACHeroAction", "TXnotes", "CUPath", "OBInst"} {
		_, all = putInto(t, all, s.read("old.z.blend"), id)
	}
	files["all"] = all
	is := s.opened(files)
	for ids, c := range cases {
		want := slices.Concat(c.back, c.also)
		slices.Sort(want)
		for _, name := range []string{ids, ids + " z"} {
			if got := unlike(is["new"], is[name]); !slices.Equal(got, want) {
				t.Errorf("%s: changed are %q, want %q; it says %q %q", name, got, want, said[ids].Changed, said[ids].Notes)
			}
			for _, id := range c.back {
				if !reflect.DeepEqual(is["old"][id], is[name][id]) {
					t.Errorf("%s: %s is\n%v, was\n%v", name, id, is[name][id], is["old"][id])
				}
			}
		}
	}
	if got := unlike(is["old"], is["all"]); !slices.Equal(got, []string{"MENewMesh", "OBNew"}) {
		t.Errorf("all: not as in the older file are %q", got)
		for _, id := range got {
			t.Logf("%s is\n%v, was\n%v", id, is["all"][id], is["old"][id])
		}
	}
}

// TestBlenderIdle: looking around is no change: another session, selections, what is active, edit mode and back.
func TestBlenderIdle(t *testing.T) {
	s := newStudio(t)
	s.run("", workshop)
	s.run("old.blend", `
o = bpy.data.objects
for x in o: x.select_set(x.name in ('Lamp', 'Rig'))
for name in ('Rig', 'Way', 'Child', 'Hero'):
    bpy.context.view_layer.objects.active = o[name]
    bpy.ops.object.mode_set(mode='EDIT')
    if o[name].type == 'MESH': bpy.ops.mesh.select_all(action='DESELECT')
    elif o[name].type == 'CURVE': bpy.ops.curve.select_all(action='SELECT')
    else: bpy.ops.armature.select_all(action='SELECT')
    bpy.ops.object.mode_set(mode='OBJECT')
for m in bpy.data.materials:
    for n in m.node_tree.nodes: n.select = n.type == 'TEX_IMAGE'
bpy.context.scene.cursor.location = (1, 2, 3)
bpy.ops.wm.save_as_mainfile(filepath=path('idle.blend'), compress=True)`)
	if d := differences(list(t, s.read("old.blend")), list(t, s.read("idle.blend"))); len(d) > 0 {
		t.Error(d)
	}
}

// TestBlenderOlder: files of 2.79, whose scenes list their objects themselves, and what is linked from libraries.
func TestBlenderOlder(t *testing.T) {
	s := newStudio(t)
	dir := "blend/blender-asset-tracer/"
	into := formattest.Sample(t, dir+"movieclip.blend")
	_, b := putInto(t, into, formattest.Sample(t, dir+"doubly_linked.blend"), "OBPlane", "OBCubes")
	_, b = putInto(t, b, formattest.Sample(t, dir+"recursive_dependency_2.blend"), "OBLocal Cube")
	s.write("basic_file.blend", formattest.Sample(t, dir+"basic_file.blend"))
	s.write("linked_cube.blend", formattest.Sample(t, dir+"linked_cube.blend"))
	s.write("recursive_dependency_1.blend", formattest.Sample(t, dir+"recursive_dependency_1.blend"))
	s.write("recursive_dependency_2.blend", formattest.Sample(t, dir+"recursive_dependency_2.blend"))
	s.write("a.blend", b)
	const look = `
o = bpy.data.objects
out['scene'] = sorted(x.name for x in bpy.context.scene.objects)
out['mesh'] = [o['Plane'].data.name, len(o['Plane'].data.vertices), o['Plane'].data.validate(), o['Local Cube'].data.name, o['Local Cube'].data.library.filepath, len(o['Local Cube'].data.vertices)]
out['material'] = [o['Plane'].data.materials[0].name, o['Plane'].data.materials[0].library.filepath]
out['group'] = [o['Cubes'].instance_collection.name, o['Cubes'].instance_collection.library.filepath, [x.name for x in o['Cubes'].instance_collection.objects]]
out['clip'] = bpy.data.movieclips[0].filepath
`
	first := s.run("a.blend", look+"bpy.ops.wm.save_as_mainfile(filepath=path('again.blend'))")
	if second := s.run("again.blend", look); !reflect.DeepEqual(first, second) {
		t.Errorf("saved again it is %v, was %v", second, first)
	}
	want := `{"clip":"//../../../../cloud/pillar/testfiles/video.mov","group":["Cubes","//linked_cube.blend",["ümlaut"]],` +
		`"material":["Brick","//material_textures.blend"],"mesh":["Plane",4,false,"Cube","//recursive_dependency_1.blend",8],"scene":["Cubes","Local Cube","Plane"]}`
	if got, _ := json.Marshal(first); string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestBlenderCounts: the elements are what Blender has, and meshes lie where Blender has them.
func TestBlenderCounts(t *testing.T) {
	for dir, atLeast := range map[string]int{"generated-blender": 31, "blender-asset-tracer": 9, "assimp": 7} {
		t.Run(dir, func(t *testing.T) { count(t, "blend/"+dir, atLeast) })
	}
}

func count(t *testing.T, dir string, atLeast int) {
	s := newStudio(t)
	files := formattest.Files(t, dir, ".blend")
	for name, b := range files {
		if strings.Contains(name, "linked") || strings.Contains(name, "recursive") || strings.Contains(name, "corrupt") || name == "HUMAN.blend" || strings.Contains(name, "_248") {
			delete(files, name)
			continue
		}
		s.write(strings.ReplaceAll(name, "/", "+"), b)
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		names = append(names, strings.ReplaceAll(name, "/", "+"))
	}
	list, _ := json.Marshal(names)
	out := s.run("", `
for name in `+string(list)+`:
    bpy.ops.wm.open_mainfile(filepath=path(name))
    o = out[name] = {}
    for x in bpy.data.objects:
        if x.type == 'MESH' and not x.library:
            m = x.data
            w = [x.matrix_world @ v.co for v in m.vertices]
            used = sorted({i for p in m.polygons for i in p.vertices}) or range(len(w))
            o[x.name] = [len(m.vertices), len(m.polygons), sum(p.area for p in m.polygons)] + [f(w[i][k] for i in used) for f in (min, max) for k in range(3)]
`)
	seen := 0
	for name, b := range files {
		want := out[strings.ReplaceAll(name, "/", "+")].(map[string]any)
		m := modelled(t, b)
		if len(m.Objects) != len(want) {
			t.Errorf("%s: %d objects, Blender has %d", name, len(m.Objects), len(want))
		}
		for _, o := range m.Objects {
			w, ok := want[o.Name].([]any)
			if !ok {
				t.Errorf("%s: Blender has no %s", name, o.Name)
				continue
			}
			seen++
			got := append([]float64{float64(len(o.Mesh.Positions)), float64(o.Mesh.Faces), areaOf(o.Mesh)}, o.Mesh.Bounds(o.Transform).Slice()...)
			for i, x := range got {
				within := 1e-4
				if i == 2 { // Blender's area of a face that is not flat is that of its shadow
					within = 0.01
				}
				if y := w[i].(float64); math.Abs(x-y) > within*(1+math.Abs(y)) {
					t.Errorf("%s: %s: got %v, Blender says %v", name, o.Name, got, w)
					break
				}
			}
		}
	}
	if seen < atLeast {
		t.Errorf("only %d objects", seen)
	}
}

func areaOf(m *mesh.Mesh) (sum float64) {
	for _, c := range m.Triangles {
		var e, f [3]float64
		for i := range 3 {
			e[i] = m.Positions[c[1]][i] - m.Positions[c[0]][i]
			f[i] = m.Positions[c[2]][i] - m.Positions[c[0]][i]
		}
		x, y, z := e[1]*f[2]-e[2]*f[1], e[2]*f[0]-e[0]*f[2], e[0]*f[1]-e[1]*f[0]
		sum += math.Sqrt(x*x+y*y+z*z) / 2
	}
	return sum
}

// TestBlenderAppends: Blender appends from a file that an element was made into.
func TestBlenderAppends(t *testing.T) {
	s := newStudio(t)
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "blend/generated-blender/base.zstd.blend")), "OBVase")
	if err != nil {
		t.Fatal(err)
	}
	s.write("vase.blend", formattest.All(t, x.Content))
	got := s.run("", `
with bpy.data.libraries.load(path('vase.blend')) as (a, b): b.objects = list(a.objects)
o = b.objects[0]
out['all'] = [len(b.objects), o.name, o.data.name, len(o.data.vertices), o.data.validate(), o.data.materials[0].name, round(o.location.z, 3)]`)
	if b, _ := json.Marshal(got["all"]); string(b) != `[1,"Vase","VaseMesh",240,false,"Glaze",0.05]` {
		t.Errorf("got %s", b)
	}
}

// TestBlenderTakesPaths: Blender reads what a rewrite wrote.
func TestBlenderTakesPaths(t *testing.T) {
	s := newStudio(t)
	for _, name := range []string{"base.blend", "base.zstd.blend"} {
		out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "blend/generated-blender/"+name)), map[string]string{"//textures/wood.png": "//maps/a much longer name/oak.png"})
		if err != nil {
			t.Fatal(err)
		}
		s.write("a.blend", formattest.All(t, out))
		if got := s.run("a.blend", "out['path'] = bpy.data.images['wood.png'].filepath")["path"]; got != "//maps/a much longer name/oak.png" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestThumbnailer: previews are those that Blender's own thumbnailer shows.
func TestThumbnailer(t *testing.T) {
	app := formattest.App(t, os.Getenv("VARVE_CI") != "", "blender-thumbnailer")
	thumbnails(t, app, map[string][]byte{"made": withPreview(t)}, 1)
	for set, atLeast := range map[string]int{"generated-blender": 0, "blender-asset-tracer": 17, "assimp": 3} {
		t.Run(set, func(t *testing.T) {
			files := formattest.Files(t, "blend/"+set, ".blend")
			maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.Contains(name, "corrupt") })
			thumbnails(t, app, files, atLeast)
		})
	}
}

// withPreview is a document of a header, a preview in which no pixel is as another, and an end.
func withPreview(t *testing.T) []byte {
	t.Helper()
	const w, h = 24, 10
	b := append([]byte("BLENDER-v304TEST"), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[16:], 8+4*w*h)
	b = append(b, make([]byte, 8)...)     // the address it had
	b = append(b, 0, 0, 0, 0, 1, 0, 0, 0) // no structure, one of it
	b = append(b, w, 0, 0, 0, h, 0, 0, 0) // rows go from the bottom
	for i := range w * h {
		b = append(b, byte(i), byte(255-i), byte(7*i), 255)
	}
	return append(append(b, "ENDB"...), make([]byte, 20)...)
}

func thumbnails(t *testing.T, app string, files map[string][]byte, atLeast int) {
	t.Helper()
	dir, seen := t.TempDir(), 0
	for name, b := range files {
		p, err := preview(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(name, err)
		}
		at := filepath.Join(dir, "a.blend")
		if err := os.WriteFile(at, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(at + ".png")
		_ = exec.CommandContext(t.Context(), app, at, at+".png").Run()
		r, err := os.Open(at + ".png")
		if p == nil {
			if err == nil {
				t.Errorf("%s: the thumbnailer shows a preview", name)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: the thumbnailer shows none: %v", name, err)
			continue
		}
		img, err := png.Decode(r)
		_ = r.Close()
		if err != nil {
			t.Fatal(err)
		}
		want := image.NewNRGBA(img.Bounds())
		draw.Draw(want, want.Rect, img, image.Point{}, draw.Src)
		if n, ok := img.(*image.NRGBA); ok {
			want = n
		}
		if want.Rect.Dx() != p.Image.Width || want.Rect.Dy() != p.Image.Height || !bytes.Equal(want.Pix, p.Image.U8) {
			t.Errorf("%s: %v, and we have %d×%d", name, want.Rect, p.Image.Width, p.Image.Height)
		}
		seen++
	}
	if seen < atLeast {
		t.Errorf("only %d previews", seen)
	}
}

// BenchmarkElements is of a file of 173 MB that Blender made, plain and compressed.
func BenchmarkElements(b *testing.B) {
	app := formattest.App(b, os.Getenv("VARVE_CI") != "", "blender")
	dir := b.TempDir()
	script := fmt.Sprintf(`
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
for i in range(40):
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=180, y_subdivisions=180, location=(i %% 8 * 3, i // 8 * 3, 0))
    for k, v in enumerate(bpy.context.object.data.vertices): v.co.z = ((k * 7919 + i * 31) %% 1000) / 5000
bpy.ops.wm.save_as_mainfile(filepath=%[1]q + '/plain.blend', compress=False)
bpy.ops.wm.save_as_mainfile(filepath=%[1]q + '/packed.blend', compress=True)
`, dir)
	if err := os.WriteFile(filepath.Join(dir, "s.py"), []byte(script), 0o600); err != nil {
		b.Fatal(err)
	}
	if said, err := exec.CommandContext(b.Context(), app, "-b", "-noaudio", "--factory-startup", "-P", filepath.Join(dir, "s.py")).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, said)
	}
	for _, name := range []string{"plain", "packed"} {
		b.Run(name, func(b *testing.B) {
			r, err := os.Open(filepath.Join(dir, name+".blend"))
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			info, err := r.Stat()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(info.Size())
			for b.Loop() {
				if _, err := (Format{}).Elements(b.Context(), sized{r, info.Size()}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type sized struct {
	*os.File
	size int64
}

func (s sized) Size() int64 { return s.size }
