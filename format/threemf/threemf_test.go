package threemf

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestSamples(t *testing.T) {
	files := formattest.Files(t, "3mf", ".3mf")
	bad := files["assimp/malformed_property_index_oob.3mf"]
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.Contains(name, "malformed") })
	formattest.Run(t, Format{}, files)
	if err := (Format{}).Validate(t.Context(), format.Bytes(bad)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a material that is not there: %v", err)
	}
	if _, err := format.Show(t.Context(), Format{}, format.Bytes(bad), 64); err != nil {
		t.Errorf("its shape is good all the same: %v", err)
	}
}

// TestPublished: as many meshes and places as the makers of the samples say.
func TestPublished(t *testing.T) {
	for name, want := range map[string]int{"cube_gears_prod_req": 17, "production_components": 2, "box": 1} {
		in := format.Bytes(formattest.Sample(t, "3mf/assimp/"+name+".3mf"))
		m, err := format.Model(t.Context(), Format{}, in)
		if err != nil || len(m.Objects) != want || m.Unit != 1e-3 {
			t.Errorf("%s: %d meshes, %v", name, len(m.Objects), err)
		}
		if b := m.Bounds().Slice(); name == "box" && !slices.Equal(b, []float64{0, 0, 0, 10, 20, 30}) || name == "production_components" && !slices.Equal(b, []float64{0, 0, 0, 25, 10, 10}) {
			t.Errorf("%s: bounds %v", name, b)
		}
	}
}

// archive makes a file of parts, "name", "text", …
func archive(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		e, err := w.Create(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(e, parts[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const rels = `<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Target="/3D/3dmodel.model" Id="r0" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>`

const olderModel = `<?xml version="1.0"?>
<model unit="inch" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02" xmlns:p="http://schemas.microsoft.com/3dmanufacturing/production/2015/06">
 <resources>
  <basematerials id="9"><base name="Red" displaycolor="#FF0000"/><base name="Blue" displaycolor="#0000FF80"/></basematerials>
  <object id="1" type="model" name="Wedge" pid="9" pindex="0"><mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/><vertex x="0" y="1" z="0"/><vertex x="0" y="0" z="1"/></vertices>
   <triangles><triangle v1="0" v2="2" v3="1"/><triangle v1="0" v2="1" v3="3" pid="9" p1="1"/></triangles></mesh></object>
  <object id="2" name="Pair"><components><component objectid="1"/><component objectid="1" transform="1 0 0 0 1 0 0 0 1 5 0 0"/></components></object>
 </resources>
 <build><item objectid="2" transform="0 1 0 -1 0 0 0 0 1 0 0 7"/><item objectid="5" p:path="/3D/Objects/more.model" p:UUID="u-item"/></build>
</model>`

const morePart = `<model xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02" xmlns:p="http://schemas.microsoft.com/3dmanufacturing/production/2015/06"><resources><object id="5" p:UUID="u-more" name="More"><mesh><vertices><vertex z="0" y="0" x="0"/><vertex x="1" y="0" z="0"/><vertex x="0" y="1" z="0"/></vertices><triangles><triangle v1="0" v2="2" v3="1"/></triangles></mesh></object></resources><build/></model>`

const partRels = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Target="/3D/Objects/more.model" Id="r0" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>`

// newerModel: vertices in another order, the pair moved, the other part gone.
func newerModel() string {
	s := strings.Replace(olderModel, `<vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/>`, `<vertex x="1" y="0.0" z="0"/><vertex y="0" x="0" z="0"/>`, 1)
	s = strings.NewReplacer(`v1="0" v2="2" v3="1"`, `v1="2" v2="0" v3="1"`, `v1="0" v2="1" v3="3"`, `v1="1" v2="0" v3="3"`, `0 0 7"`, `0 0 8"`).Replace(s)
	return strings.Replace(s, `<item objectid="5" p:path="/3D/Objects/more.model" p:UUID="u-item"/>`, "", 1)
}

func older(t testing.TB) []byte {
	return archive(t, "_rels/.rels", rels, "3D/3dmodel.model", olderModel, "3D/_rels/3dmodel.model.rels", partRels, "3D/Objects/more.model", morePart, "Metadata/slice.config", "layer = 0.2")
}

func newer(t testing.TB) []byte {
	return archive(t, "_rels/.rels", rels, "3D/3dmodel.model", newerModel(), "3D/_rels/3dmodel.model.rels", strings.Replace(partRels, "more", "gone", 1), "Metadata/slice.config", "layer = 0.3")
}

func elements(t *testing.T, b []byte) map[string]format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range list {
		out[e.ID] = e
	}
	return out
}

func TestElements(t *testing.T) {
	a, b := elements(t, older(t)), elements(t, newer(t))
	for id, same := range map[string]bool{"3D/3dmodel.model#1": true, "3D/3dmodel.model#2": true, "3D/3dmodel.model#9": true, "item[1]": false, "Metadata/slice.config": false} {
		x, y := a[id], b[id]
		if x.ID == "" || (x.Hash() == y.Hash()) != same {
			t.Errorf("%s: the same is %t\n%+v\n%+v", id, !same, x, y)
		}
	}
	if e := a["3D/Objects/more.model#5"]; e.Stable != "u-more" || e.Name != "More" || e.Kind != "object" {
		t.Errorf("%+v", e)
	}
}

func TestModel(t *testing.T) {
	m, err := format.Model(t.Context(), Format{}, format.Bytes(older(t)))
	if err != nil || len(m.Objects) != 3 || m.Unit != 0.0254 {
		t.Fatal(m, err)
	}
	if p := m.Objects[1].Transform.Point([3]float64{1, 0, 0}); p != [3]float64{0, 6, 7} {
		t.Errorf("moved by 5, then turned, then lifted: %v", p)
	}
	k := m.Objects[0].Mesh
	if len(k.Groups) != 2 || m.Materials[k.Groups[0].Material].Color != [4]float32{1, 0, 0, 1} || math.Abs(float64(m.Materials[k.Groups[1].Material].Color[3])-128.0/255) > 1e-6 {
		t.Errorf("%+v %+v", k.Groups, m.Materials)
	}
}

func put(t *testing.T, into, from []byte, ids ...string) ([]byte, *format.Grafting) {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), ids)
	if err != nil {
		t.Fatal(err)
	}
	b := formattest.All(t, g.Content)
	if err := (Format{}).Validate(t.Context(), format.Bytes(b)); err != nil {
		t.Fatal(err)
	}
	return b, g
}

func TestGraft(t *testing.T) {
	a, b := older(t), newer(t)
	got, g := put(t, b, a, "item[1]")
	if e, was := elements(t, got)["item[1]"], elements(t, a)["item[1]"]; e.Hash() != was.Hash() || !slices.Equal(g.Changed, []string{"item[1]"}) {
		t.Errorf("%+v, %q", e, g.Changed)
	}
	got, g = put(t, b, a, "3D/Objects/more.model#5", "Metadata/slice.config")
	is := elements(t, got)
	for _, id := range []string{"3D/Objects/more.model#5", "u-item", "Metadata/slice.config"} {
		if e, was := is[id], elements(t, a)[id]; e.Hash() != was.Hash() {
			t.Errorf("%s is %+v, was %+v", id, e, was)
		}
	}
	m, err := format.Model(t.Context(), Format{}, format.Bytes(got))
	if err != nil || len(m.Objects) != 3 {
		t.Errorf("%v, %v", m, err)
	}
	r, err := zip.NewReader(bytes.NewReader(got), int64(len(got)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Open("3D/_rels/3dmodel.model.rels")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil || !strings.Contains(string(text), `/more.model" Id="r0-1"`) || !strings.Contains(string(text), `/gone.model" Id="r0"`) {
		t.Errorf("%s, %v", text, err)
	}
	if again, g := put(t, got, a, "3D/Objects/more.model#5", "u-item"); !bytes.Equal(again, got) || len(g.Changed) > 0 {
		t.Errorf("the same again changes %q", g.Changed)
	}
}

func TestGraftRefuses(t *testing.T) {
	a := older(t)
	for name, c := range map[string]struct {
		from, to, id string
	}{
		"another material":  {"#FF0000", "#00FF00", "3D/3dmodel.model#1"},
		"no component":      {`<object id="1" type`, `<object id="3" type`, "3D/3dmodel.model#2"},
		"another resource":  {`<object id="2" name="Pair">`, `<basematerials id="2"/><object id="4">`, "3D/3dmodel.model#2"},
		"another namespace": {"production/2015/06", "other", "u-item"},
	} {
		text := strings.Replace(newerModel(), c.from, c.to, 1)
		b := archive(t, "_rels/.rels", rels, "3D/3dmodel.model", text, "3D/Objects/more.model", morePart)
		_, err := format.Graft(t.Context(), Format{}, format.Bytes(b), format.Bytes(a), []string{c.id})
		var refusal *format.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExtract(t *testing.T) {
	for id, n := range map[string]int{"3D/3dmodel.model#2": 2, "3D/3dmodel.model#1": 1, "3D/Objects/more.model#5": 1} {
		x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(older(t)), id)
		if err != nil {
			t.Fatal(err)
		}
		b := formattest.All(t, x.Content)
		m, err := format.Model(t.Context(), Format{}, format.Bytes(b))
		if err != nil || len(m.Objects) != n {
			t.Errorf("%s: %v, %v", id, m, err)
		}
		if err := (Format{}).Validate(t.Context(), format.Bytes(b)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestThumbnail(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 100, 50))); err != nil {
		t.Fatal(err)
	}
	withRel := strings.Replace(rels, "</Relationships>", `<Relationship Target="/Metadata/thumbnail.png" Id="r1" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail"/><Relationship Target="http://x.org/a%20b" TargetMode="External" Id="r2" Type="t"/></Relationships>`, 1)
	in := format.Bytes(archive(t, "_rels/.rels", withRel, "3D/3dmodel.model", newerModel(), "Metadata/thumbnail.png", b.String()))
	for size, want := range map[int]format.Source{200: format.Embedded, 201: format.Rendered} {
		p, err := format.Show(t.Context(), Format{}, in, size)
		if err != nil || p.Source != want {
			t.Errorf("%d: %+v, %v", size, p, err)
		}
	}
	refs, err := format.References(t.Context(), Format{}, in)
	if err != nil || len(refs) != 1 || refs[0].Style != format.URL {
		t.Errorf("%+v, %v", refs, err)
	}
	g, err := format.Graft(t.Context(), Format{}, in, format.Bytes(older(t)), []string{"item[1]"})
	if err != nil || !slices.Equal(g.Stale, []string{"preview"}) {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestMalformed(t *testing.T) {
	for name, text := range map[string]string{
		"corner": strings.Replace(olderModel, `v3="3"`, `v3="4"`, 1), "no corner": strings.Replace(olderModel, `v3="3"`, "", 1), "no number": strings.Replace(olderModel, `<vertex x="1"`, `<vertex x="a"`, 1),
		"material": strings.Replace(olderModel, `p1="1"`, `p1="2"`, 1), "item": strings.Replace(olderModel, `objectid="2"`, `objectid="3"`, 1), "itself": strings.Replace(olderModel, `<component objectid="1"/>`, `<component objectid="2"/>`, 1),
		"transform": strings.Replace(olderModel, "0 0 7", "0 7", 1), "twice": strings.Replace(olderModel, `id="9"`, `id="1"`, 1), "cut": olderModel[:700],
	} {
		b := archive(t, "_rels/.rels", rels, "3D/3dmodel.model", text, "3D/Objects/more.model", morePart)
		if err := (Format{}).Validate(t.Context(), format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes(archive(t, "a", "b"))); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("another zip: %v", err)
	}
}

// TestComponentsMultiply: objects that hold the next one twice, and that twice, end soon.
func TestComponentsMultiply(t *testing.T) {
	var objects strings.Builder
	for i := range 40 {
		fmt.Fprintf(&objects, `<object id="%d"><components><component objectid="%d"/><component objectid="%d"/></components></object>`, i, i+1, i+1)
	}
	text := `<model><resources>` + objects.String() + `<object id="40"/></resources><build><item objectid="0"/></build></model>`
	if _, err := (Format{}).Model(t.Context(), format.Bytes(archive(t, "_rels/.rels", rels, "3D/3dmodel.model", text))); !errors.Is(err, format.ErrLimit) {
		t.Error(err)
	}
}

// TestContract: files with nothing from elsewhere.
func TestContract(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"a.3mf": older(t), "b.3mf": newer(t)})
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a": older(f), "b": newer(f)})
}
