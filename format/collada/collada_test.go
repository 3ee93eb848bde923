package collada

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "collada", ".dae", ".zae"))
}

func TestSampleDamaged(t *testing.T) {
	bad := format.Bytes(formattest.Sample(t, "mesh-invalid/assimp/box_nested_animation_4286.dae"))
	if err := (Format{}).Validate(t.Context(), bad); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("an array that says too little: %v", err)
	}
}

func sample(t *testing.T) string {
	return string(formattest.Sample(t, "collada/generated-blender/base.dae"))
}

// TestTruth: counts, area and bounds of the scene that was exported.
func TestTruth(t *testing.T) {
	m, err := format.Model(t.Context(), Format{}, format.Bytes([]byte(sample(t))))
	if err != nil {
		t.Fatal(err)
	}
	area, triangles := 0.0, 0
	for _, o := range m.Objects {
		triangles += len(o.Mesh.Triangles)
		for _, f := range o.Mesh.Triangles {
			var p [3][3]float64
			for i := range 3 {
				p[i] = o.Transform.Point(o.Mesh.Positions[f[i]])
			}
			var n [3]float64
			for k := range 3 {
				i, j := (k+1)%3, (k+2)%3
				n[k] = (p[1][i]-p[0][i])*(p[2][j]-p[0][j]) - (p[1][j]-p[0][j])*(p[2][i]-p[0][i])
			}
			area += math.Sqrt(n[0]*n[0]+n[1]*n[1]+n[2]*n[2]) / 2
		}
	}
	b := m.Bounds().Slice()
	if len(m.Objects) != 4 || triangles != 468 || math.Abs(area-15.5207) > 1e-3 || m.Up != 'Z' || m.Unit != 1 {
		t.Errorf("%d objects, %d triangles, area %v, up %c", len(m.Objects), triangles, area, m.Up)
	}
	for i, want := range []float64{-1.5, -0.9, -0.05, 1.5, 0.9, 0.91} {
		if math.Abs(b[i]-want) > 1e-5 {
			t.Errorf("bounds %v", b)
		}
	}
	refs, err := format.References(t.Context(), Format{}, format.Bytes([]byte(sample(t))))
	if err != nil || len(refs) != 1 || refs[0].Path != "wood.png" || refs[0].Element != "wood_png" {
		t.Errorf("%+v, %v", refs, err)
	}
}

func TestArchive(t *testing.T) {
	for name, n := range map[string]int{"duck.zae": 0, "duck_nomanifest.zae": 0} {
		in := format.Bytes(formattest.Sample(t, "collada/assimp/"+name))
		refs, err := format.References(t.Context(), Format{}, in)
		if err != nil || len(refs) != n {
			t.Errorf("%s: %+v, %v", name, refs, err)
		}
		m, err := format.Model(t.Context(), Format{}, in)
		if err != nil || len(m.Objects) != 1 || len(m.Objects[0].Mesh.Triangles) != 4212 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	// The document in an archive is changed, and everything else in it stays.
	in := format.Bytes(formattest.Sample(t, "collada/assimp/duck.zae"))
	out, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"x": "y"})
	if err != nil || out.Size() != in.Size() {
		t.Errorf("%v", err)
	}
}

func elements(t *testing.T, text string) map[string]format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range list {
		out[e.ID] = e
	}
	return out
}

func put(t *testing.T, into, from string, ids ...string) (string, *format.Grafting) {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(into)), format.Bytes([]byte(from)), ids)
	if err != nil {
		t.Fatal(err)
	}
	return string(formattest.All(t, g.Content)), g
}

const older = `<?xml version="1.0"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
  <asset><up_axis>Y_UP</up_axis></asset>
  <library_images><image id="tex" name="tex"><init_from>a%20b.png</init_from></image></library_images>
  <library_effects>
    <effect id="fx"><profile_COMMON><newparam sid="s"><surface type="2D"><init_from>tex</init_from></surface></newparam><newparam sid="sm"><sampler2D><source>s</source></sampler2D></newparam><technique sid="c"><lambert><diffuse><texture texture="sm" texcoord="UV"/></diffuse></lambert></technique></profile_COMMON></effect>
    <effect id="red"><profile_COMMON><technique sid="c"><lambert><diffuse><color>1 0 0 1</color></diffuse></lambert></technique></profile_COMMON></effect>
  </library_effects>
  <library_materials><material id="wood"><instance_effect url="#fx"/></material><material id="paint"><instance_effect url="#red"/></material></library_materials>
  <library_geometries>
    <geometry id="quad" name="Quad"><mesh><source id="quad-p"><float_array id="quad-a" count="12">0 0 0 1 0 0 1 1 0 0 1 0</float_array><technique_common><accessor source="#quad-a" count="4" stride="3"><param name="X" type="float"/><param name="Y" type="float"/><param name="Z" type="float"/></accessor></technique_common></source>
      <vertices id="quad-v"><input semantic="POSITION" source="#quad-p"/></vertices>
      <polylist count="1" material="m"><input semantic="VERTEX" source="#quad-v" offset="0"/><vcount>4</vcount><p>0 1 2 3</p></polylist></mesh></geometry>
  </library_geometries>
  <library_visual_scenes><visual_scene id="scene">
    <node id="A"><translate>1 0 0</translate><instance_geometry url="#quad"><bind_material><technique_common><instance_material symbol="m" target="#paint"/></technique_common></bind_material></instance_geometry></node>
    <node id="B"><rotate>0 0 1 90</rotate><scale>2 2 2</scale><instance_geometry url="#quad"><bind_material><technique_common><instance_material symbol="m" target="#wood"/></technique_common></bind_material></instance_geometry>
      <node id="C"/></node>
  </visual_scene></library_visual_scenes>
  <scene><instance_visual_scene url="#scene"/></scene>
</COLLADA>
`

// newer: the node B with its material, effect and texture are gone, A was moved, corners are in another order.
const newer = `<?xml version="1.0"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
  <asset><up_axis>Y_UP</up_axis></asset>
  <library_images/>
  <library_effects>
    <effect id="red"><profile_COMMON><technique sid="c"><lambert><diffuse><color>1 0.0 0 1</color></diffuse></lambert></technique></profile_COMMON></effect>
  </library_effects>
  <library_materials><material id="paint"><instance_effect url="#red"/></material></library_materials>
  <library_geometries>
    <geometry name="Quad" id="quad"><mesh><source id="quad-p"><float_array count="12" id="quad-a">1 0 0 1 1 0 0 1 0 0 0 0</float_array><technique_common><accessor source="#quad-a" count="4" stride="3"><param name="X" type="float"/><param name="Y" type="float"/><param name="Z" type="float"/></accessor></technique_common></source>
      <vertices id="quad-v"><input semantic="POSITION" source="#quad-p"/></vertices>
      <polylist count="1" material="m"><input semantic="VERTEX" source="#quad-v" offset="0"/><vcount>4</vcount><p>1 2 3 0</p></polylist></mesh></geometry>
  </library_geometries>
  <library_visual_scenes><visual_scene id="scene">
    <node id="A"><translate>3 0 0</translate><instance_geometry url="#quad"><bind_material><technique_common><instance_material symbol="m" target="#paint"/></technique_common></bind_material></instance_geometry></node>
  </visual_scene></library_visual_scenes>
  <scene><instance_visual_scene url="#scene"/></scene>
</COLLADA>
`

func TestElements(t *testing.T) {
	a, b := elements(t, older), elements(t, newer)
	for id, same := range map[string]bool{"quad": true, "red": true, "paint": true, "A": false} {
		x, y := a[id], b[id]
		if (x.Hash() == y.Hash()) != same {
			t.Errorf("%s: the same is %t\n%+v\n%+v", id, !same, x, y)
		}
	}
	if e := a["C"]; e.Parent != "B" || e.Kind != "object" || e.Stable != "C" {
		t.Errorf("%+v", e)
	}
	if x, y := a["A"], b["A"]; x.Aspects["content"] != y.Aspects["content"] || x.Properties["transform"] != "translate 1 0 0" {
		t.Errorf("only its place is another: %+v", x)
	}
}

func TestModel(t *testing.T) {
	m, err := format.Model(t.Context(), Format{}, format.Bytes([]byte(older)))
	if err != nil || len(m.Objects) != 2 || len(m.Materials) != 2 {
		t.Fatal(m, err)
	}
	if p := m.Objects[1].Transform.Point([3]float64{1, 0, 0}); math.Abs(p[0])+math.Abs(p[1]-2)+math.Abs(p[2]) > 1e-9 {
		t.Errorf("turned and scaled: %v", p)
	}
	if c := m.Materials[m.Objects[0].Mesh.Groups[0].Material].Color; c != [4]float32{1, 0, 0, 1} {
		t.Errorf("red is %v", c)
	}
}

func TestGraft(t *testing.T) {
	got, g := put(t, newer, older, "A")
	if want := strings.Replace(newer, "3 0 0</translate>", "1 0 0</translate>", 1); got != want || !slices.Equal(g.Changed, []string{"A"}) {
		t.Errorf("%q: %s", g.Changed, got)
	}
	got, g = put(t, newer, older, "B")
	is := elements(t, got)
	for id, e := range elements(t, older) {
		if o := is[id]; id != "A" && e.Hash() != o.Hash() {
			t.Errorf("%s is %+v", id, o)
		}
	}
	slices.Sort(g.Changed)
	if !slices.Equal(g.Changed, []string{"B", "C", "fx", "tex", "wood"}) {
		t.Errorf("changed %q: %s", g.Changed, got)
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes([]byte(got))); err != nil {
		t.Error(err)
	}
	bare := strings.Replace(newer, "  <library_images/>\n", "", 1)
	got, _ = put(t, bare, older, "B")
	if at := strings.Index(got, "<library_images>"); at < 0 || at > strings.Index(got, "<library_visual_scenes>") {
		t.Errorf("libraries come before scenes: %s", got)
	}
	if e, was := elements(t, got)["tex"], elements(t, older)["tex"]; e.Hash() != was.Hash() {
		t.Errorf("%+v", e)
	}
	for _, c := range []struct{ into, id string }{{strings.Replace(newer, `id="red"`, `id="B"`, 1), "B"}, {strings.ReplaceAll(newer, `id="scene"`, `id="other"/><visual_scene id="x"`), "B"}} {
		var refusal *format.Refusal
		if _, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(c.into)), format.Bytes([]byte(older)), []string{c.id}); !errors.As(err, &refusal) {
			t.Errorf("%v", err)
		}
	}
}

func TestExtract(t *testing.T) {
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes([]byte(older)), "B")
	if err != nil {
		t.Fatal(err)
	}
	text := string(formattest.All(t, x.Content))
	is := elements(t, text)
	if len(is) != 6 || is["tex"].Properties["file"] != "a%20b.png" {
		t.Errorf("%v in %s", is, text)
	}
	m, err := format.Model(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil || len(m.Objects) != 1 {
		t.Errorf("%v, %v", m, err)
	}
}

func TestReferences(t *testing.T) {
	text := strings.Replace(older, `url="#quad"`, `url="lib/parts.dae#quad"`, 1)
	refs, err := format.References(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil || len(refs) != 2 || refs[0].Path != "a b.png" || refs[0].Element != "tex" || refs[1].Raw != "lib/parts.dae" || refs[1].Element != "A" {
		t.Fatalf("%+v, %v", refs, err)
	}
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(text)), map[string]string{"a%20b.png": "c.png", "lib/parts.dae": "p.dae"})
	if err != nil || string(formattest.All(t, out)) != strings.NewReplacer("a%20b.png", "c.png", "lib/parts.dae", "p.dae").Replace(text) {
		t.Errorf("%v", err)
	}
}

func TestMalformed(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "cut": older[:900], "corner": strings.Replace(older, "0 1 2 3</p>", "0 1 2 4</p>", 1), "below": strings.Replace(older, "0 1 2 3</p>", "0 1 2 -1</p>", 1),
		"count": strings.Replace(older, `count="12"`, `count="15"`, 1), "vcount": strings.Replace(older, "<vcount>4", "<vcount>5", 1), "stride": strings.Replace(older, `stride="3"`, `stride="99999999"`, 1),
		"accessor": strings.Replace(older, `count="4" stride`, `count="999999999" stride`, 1), "itself": strings.Replace(older, `<node id="C"/>`, `<instance_node url="#B"/>`, 1)} {
		if err := (Format{}).Validate(t.Context(), format.Bytes([]byte(text))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNodesMultiply: nodes that hold the next one twice, and that twice, end soon.
func TestNodesMultiply(t *testing.T) {
	var nodes strings.Builder
	for i := range 40 {
		fmt.Fprintf(&nodes, `<node id="n%d"><instance_node url="#n%d"/><instance_node url="#n%d"/></node>`, i, i+1, i+1)
	}
	text := `<COLLADA><library_nodes>` + nodes.String() + `</library_nodes><library_visual_scenes><visual_scene><node><instance_node url="#n0"/></node></visual_scene></library_visual_scenes></COLLADA>`
	if _, err := (Format{}).Model(t.Context(), format.Bytes([]byte(text))); !errors.Is(err, format.ErrLimit) {
		t.Error(err)
	}
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a": []byte(older), "b": []byte(newer)})
}

// TestTextures: a duck is yellow, its beak orange, by the picture in its archive; without it the note says so.
func TestTextures(t *testing.T) {
	for name, note := range map[string]string{"duck.zae": "without lights and poses", "duck.dae": "without lights and poses, without textures"} {
		p, err := format.Show(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "collada/assimp/"+name)), 128)
		if err != nil {
			t.Fatal(err)
		}
		yellow, orange := 0, 0
		for i := 0; i < len(p.Image.U8); i += 4 {
			switch r, g, b := int(p.Image.U8[i]), int(p.Image.U8[i+1]), int(p.Image.U8[i+2]); {
			case r > 100 && b < r/4 && 10*g > 7*r:
				yellow++
			case r > 100 && b < r/4 && 10*g < 7*r:
				orange++
			}
		}
		if (yellow > 1000 && orange > 50) != (name == "duck.zae") || p.Note != note {
			t.Errorf("%s: %d yellow, %d orange, %q", name, yellow, orange, p.Note)
		}
	}
}

// TestTextureBeside: a picture is found through a sampler and a surface, through an instance_image, or by its id alone.
func TestTextureBeside(t *testing.T) {
	const text = `<COLLADA><library_images><image id="im">IMAGE</image></library_images>
<library_effects><effect id="fx"><profile_COMMON>PARAMS<technique><lambert><diffuse><texture texture="NAME" texcoord="UV"/></diffuse></lambert></technique></profile_COMMON></effect></library_effects>
<library_materials><material id="ma"><instance_effect url="#fx"/></material></library_materials>
<library_geometries><geometry id="g"><mesh><source id="p"><float_array id="pa" count="9">0 0 0 1 0 0 0 1 0</float_array><technique_common><accessor source="#pa" count="3" stride="3"><param name="X" type="float"/><param name="Y" type="float"/><param name="Z" type="float"/></accessor></technique_common></source>
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices><triangles material="m" count="1"><input semantic="VERTEX" source="#v" offset="0"/><p>0 1 2</p></triangles></mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="s"><node><instance_geometry url="#g"><bind_material><technique_common><instance_material symbol="m" target="#ma"/></technique_common></bind_material></instance_geometry></node></visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#s"/></scene></COLLADA>`
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 5, 4))); err != nil {
		t.Fatal(err)
	}
	const surface, sampler = `<newparam sid="su"><surface type="2D"><init_from>im</init_from></surface></newparam>`, `<newparam sid="sa"><sampler2D><source>su</source></sampler2D></newparam>`
	for name, c := range map[string]struct {
		image, params, texture string
		found                  bool
	}{
		"1.4":        {"<init_from>./a%20b.png</init_from>", surface + sampler, "sa", true},
		"1.5":        {"<init_from><ref>a%20b.png</ref></init_from>", `<newparam sid="sa"><sampler2D><instance_image url="#im"/></sampler2D></newparam>`, "sa", true},
		"by id":      {"<init_from>a%20b.png</init_from>", "", "im", true},
		"not there":  {"<init_from>other.png</init_from>", "", "im", false},
		"elsewhere":  {"<init_from>file:///a/b.png</init_from>", "", "im", false},
		"of nothing": {"<init_from>a%20b.png</init_from>", sampler, "sa", false},
	} {
		doc := strings.NewReplacer("IMAGE", c.image, "PARAMS", c.params, "NAME", c.texture).Replace(text)
		m, err := format.Model(t.Context(), Format{}, formattest.Folder{Input: format.Bytes([]byte(doc)), Files: map[string][]byte{"a b.png": b.Bytes()}})
		if err != nil || len(m.Materials) != 1 {
			t.Fatal(name, err)
		}
		width := 0
		if x := m.Materials[0].Texture; x != nil {
			if p, err := x.Load(); err == nil {
				width = p.Width
			}
		}
		if (width == 5) != c.found {
			t.Errorf("%s: a picture of %d", name, width)
		}
	}
}
