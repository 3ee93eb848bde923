package fbx

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// TestPlaces: where the origin, or another point, of a mesh goes, by hand.
func TestPlaces(t *testing.T) {
	v := func(name string, x ...float64) item {
		if len(x) == 1 {
			return p(name, "double", x[0])
		}
		return p(name, "Vector3D", x[0], x[1], x[2])
	}
	for _, c := range []struct {
		point, want   [3]float64
		parent, model []item
	}{
		{want: [3]float64{1, 2, 3}, model: []item{v("Lcl Translation", 1, 2, 3)}},
		{point: [3]float64{0, 0, 1}, want: [3]float64{0, -1, 0}, model: []item{v("Lcl Rotation", 90, 90, 0)}},
		{point: [3]float64{0, 0, 1}, want: [3]float64{1, 0, 0}, model: []item{v("Lcl Rotation", 90, 90, 0), v("RotationOrder", 3)}},
		{point: [3]float64{0, 0, 1}, want: [3]float64{0, -1, 0}, model: []item{v("Lcl Rotation", 90, 90, 0), v("RotationOrder", 3), v("RotationActive", 0)}},
		{point: [3]float64{1, 0, 0}, want: [3]float64{0, 1, 0}, model: []item{v("Lcl Rotation", 90, 0, 0), v("PreRotation", 0, 0, 90)}},
		{point: [3]float64{1, 0, 0}, want: [3]float64{1, 0, 0}, model: []item{v("Lcl Rotation", 90, 0, 0), v("PreRotation", 0, 0, 90), v("RotationSpaceForLimitOnly", 1)}},
		{point: [3]float64{1, 0, 0}, want: [3]float64{0, 0, -1}, model: []item{v("Lcl Rotation", 90, 0, 0), v("PostRotation", 0, 0, 90)}},
		{want: [3]float64{1, -1, 0}, model: []item{v("Lcl Rotation", 0, 0, 90), v("RotationPivot", 1, 0, 0)}},
		{want: [3]float64{0, 3, 0}, model: []item{v("RotationOffset", 0, 3, 0)}},
		{want: [3]float64{-1, 0, 5}, model: []item{v("Lcl Scaling", 2, 2, 2), v("ScalingPivot", 1, 0, 0), v("ScalingOffset", 0, 0, 5)}},
		{point: [3]float64{1, 0, 0}, want: [3]float64{1, 2, 0}, model: []item{v("GeometricTranslation", 1, 0, 0), v("GeometricRotation", 0, 0, 90), v("GeometricScaling", 2, 2, 2)}},
		{want: [3]float64{4, 0, 0}, parent: []item{v("GeometricTranslation", 9, 9, 9), v("Lcl Scaling", 2, 1, 1)}, model: []item{v("Lcl Translation", 2, 0, 0)}},
		{point: [3]float64{1, 1, 0}, want: [3]float64{-2, 1, 0}, parent: []item{v("Lcl Scaling", 2, 1, 1)}, model: []item{v("Lcl Rotation", 0, 0, 90), v("InheritType", 1)}},
		{point: [3]float64{1, 1, 0}, want: [3]float64{-1, 2, 0}, parent: []item{v("Lcl Scaling", 2, 1, 1)}, model: []item{v("Lcl Rotation", 0, 0, 90), v("InheritType", 0)}},
		{point: [3]float64{1, 1, 0}, want: [3]float64{-1, 1, 0}, parent: []item{v("Lcl Scaling", 2, 1, 1)}, model: []item{v("Lcl Rotation", 0, 0, 90), v("InheritType", 2)}},
	} {
		list := []item{
			of("FBXHeaderExtension").with(of("FBXVersion", int32(7400))),
			of("Objects").with(
				of("Geometry", int64(1), class{"G", "Geometry"}, "Mesh").with(of("Vertices", c.point[:]), of("PolygonVertexIndex", []int32{0, 0, -1})),
				of("Model", int64(2), class{"M", "Model"}, "Mesh").with(of("Properties70").with(c.model...)),
				of("Model", int64(3), class{"P", "Model"}, "Null").with(of("Properties70").with(c.parent...))),
			of("Connections").with(of("C", "OO", int64(1), int64(2)), of("C", "OO", int64(2), int64(3)), of("C", "OO", int64(3), int64(0))),
		}
		m, err := format.Model(t.Context(), Format{}, format.Bytes(making{version: 7400}.file(list...)))
		if err != nil || len(m.Objects) != 1 {
			t.Fatalf("%+v, %v", m, err)
		}
		got := m.Bounds().Min
		for k := range got {
			if math.Abs(got[k]-c.want[k]) > 1e-9 {
				t.Errorf("%v in %v: %v, want %v", c.model, c.parent, got, c.want)
				break
			}
		}
	}
}

// TestRewriteSamples: in real files paths become others and then what they were: the file is then the same, byte for
// byte. What is in it besides is in both the same.
func TestRewriteSamples(t *testing.T) {
	n, all := 0, samples(t)
	for name, b := range all {
		if old(name) {
			continue
		}
		refs, err := format.References(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		there, back := map[string]string{}, map[string]string{}
		for _, r := range refs {
			next := fmt.Sprintf("%s/%d.png", strings.Repeat("far/", len(there)), len(there))
			if there[r.Raw] == "" {
				there[r.Raw], back[next] = next, r.Raw
			}
		}
		out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), there)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		other := formattest.All(t, out)
		if bytes.Equal(other, b) != (len(refs) == 0) {
			t.Errorf("%s: %d paths, and nothing is changed", name, len(refs))
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(other)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		is, err := format.References(t.Context(), Format{}, format.Bytes(other))
		if err != nil || len(is) != len(refs) {
			t.Errorf("%s: %d paths, then %d, %v", name, len(refs), len(is), err)
			continue
		}
		for i := range is {
			if is[i].Raw != there[refs[i].Raw] {
				t.Errorf("%s: %+v was %+v", name, is[i], refs[i])
			}
		}
		out, err = format.Rewrite(t.Context(), Format{}, format.Bytes(other), back)
		if err != nil || !bytes.Equal(formattest.All(t, out), b) {
			t.Errorf("%s is not the same again: %v", name, err)
		}
		if len(refs) > 0 {
			n++
		}
	}
	least := 1 // the one that testdata/make/make.sh has made
	if len(all) > 1 {
		least = 10
	}
	if n < least {
		t.Errorf("%d files with paths, want %d", n, least)
	}
}

// TestManyAtOne: corners that are equal in all are one vertex, however many others are at the position.
func TestManyAtOne(t *testing.T) {
	var corners, index []int32
	var uvs []float64
	for i := range int32(100) {
		corners, index = append(corners, 0, 1, -3), append(index, i, 0, 0)
		uvs = append(uvs, float64(i), 0)
	}
	list := rig(ids(1), nil)
	g := &list[2].kids[0]
	g.kids = []item{of("Vertices", []float64{0, 0, 0, 1, 0, 0, 1, 1, 0}), of("PolygonVertexIndex", append(corners, corners...)),
		of("LayerElementUV", int32(0)).with(of("MappingInformationType", "ByPolygonVertex"), of("ReferenceInformationType", "IndexToDirect"), of("UV", uvs), of("UVIndex", append(index, index...)))}
	m, err := format.Model(t.Context(), Format{}, format.Bytes(making{version: 7400}.file(list...)))
	if err != nil {
		t.Fatal(err)
	}
	o := m.Objects[0].Mesh
	if len(o.Positions) != 102 || o.Faces != 200 {
		t.Errorf("%d vertices of %d faces", len(o.Positions), o.Faces)
	}
	for i, k := range o.Triangles {
		if o.UVs[k[0]][0] != float32(i%100) || o.Positions[k[0]] != [3]float64{} {
			t.Fatalf("triangle %d: %v", i, o.UVs[k[0]])
		}
	}
}

// counted counts bytes.
type counted struct {
	format.Input
	bytes int
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.bytes += len(b)
	return c.Input.ReadAt(b, off)
}

// TestLittleIsRead: a file within is not read for what is not about it.
func TestLittleIsRead(t *testing.T) {
	in := &counted{Input: format.Bytes(making{version: 7400}.file(rig(ids(1), make([]byte, 8<<20))...))}
	if _, err := format.References(t.Context(), Format{}, in); err != nil {
		t.Fatal(err)
	}
	if _, err := (Format{}).Regions(in); err != nil {
		t.Fatal(err)
	}
	if in.bytes > 1<<20 {
		t.Errorf("%d bytes were read", in.bytes)
	}
}

// TestThumbnail: the picture in the head is shown, its last row first, where it is large enough; else the scene is drawn.
func TestThumbnail(t *testing.T) {
	const side = 64
	pixels := make([]byte, 4*side*side)
	pixels[0], pixels[4*side*(side-1)] = 10, 20
	list := rig(ids(1), nil)
	list[0] = list[0].with(of("SceneInfo", class{"GlobalInfo", "SceneInfo"}, "UserData").with(of("Thumbnail").with(of("Size", int32(side)), of("ImageData", pixels))))
	in := format.Bytes(making{version: 7400}.file(list...))
	got, err := format.Show(t.Context(), Format{}, in, 128)
	if err != nil || got.Source != format.Embedded || got.Image.Width != side || got.Image.U8[0] != 20 || got.Image.U8[3*side*(side-1)] != 10 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = format.Show(t.Context(), Format{}, in, 200)
	if err != nil || got.Source != format.Rendered || got.Image.Width != 200 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestFuzzed: published fuzzed files do no harm.
func TestFuzzed(t *testing.T) {
	for name, b := range formattest.Files(t, "fbx/ufbx-fuzz", ".fbx") {
		if err := formattest.Survive(t.Context(), Format{}, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// TestMatch knows FBX by what it begins with, whatever it is called.
func TestMatch(t *testing.T) {
	for head, want := range map[string]bool{magic + "\x1a\x00": true, "; FBX 7.3.0 project file\n": true, "\xef\xbb\xbf; FBX 6.1.0 project file\n": true, "\n; a comment\nFBXHeaderExtension:  {": true,
		"; ini\n[a]": false, "Kaydara": false, "": false, "; FBX notes": false} {
		if got := (Format{}).Match("a.txt", []byte(head)); got != want {
			t.Errorf("%q: %v", head, got)
		}
	}
}
