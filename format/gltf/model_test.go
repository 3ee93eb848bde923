package gltf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// arrays is a file with one mesh of what primitives say, over a square, a strip's indices, and so on.
func arrays(primitives, more string) []byte {
	data := slices.Concat(
		floats(0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0),             // 0: square
		[]byte{0, 1, 2, 3},                                     // 48: indices
		[]byte{0, 0, 0x81, 0, 0x7f, 0x81, 0x7f, 0, 0, 0, 0, 0}, // 52: three of signed bytes, 4 apart
		[]byte{1, 0, 3, 0},                                     // 64: two sparse indices
		floats(5, 5, 5, 7, 7, 7),                               // 68: and what they are
		[]byte{255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 255, 0}, // 92: colours
	)
	return glb(fmt.Sprintf(`{"asset":{"version":"2.0"},"nodes":[{"mesh":0}],"meshes":[{"primitives":[%s]}],
"accessors":[{"bufferView":0,"componentType":5126,"count":4,"type":"VEC3"},
 {"bufferView":1,"componentType":5121,"count":4,"type":"SCALAR"},
 {"bufferView":2,"componentType":5120,"count":3,"type":"VEC3","normalized":true},
 {"bufferView":0,"componentType":5126,"count":4,"type":"VEC3","sparse":{"count":2,"indices":{"bufferView":3,"componentType":5123},"values":{"bufferView":4}}},
 {"componentType":5126,"count":4,"type":"VEC3","sparse":{"count":2,"indices":{"bufferView":3,"componentType":5123},"values":{"bufferView":4}}},
 {"bufferView":5,"componentType":5121,"count":4,"type":"VEC4","normalized":true}%s],
"bufferViews":[{"buffer":0,"byteLength":48},{"buffer":0,"byteOffset":48,"byteLength":4},{"buffer":0,"byteOffset":52,"byteLength":12,"byteStride":4},
 {"buffer":0,"byteOffset":64,"byteLength":4},{"buffer":0,"byteOffset":68,"byteLength":24},{"buffer":0,"byteOffset":92,"byteLength":16}],
"buffers":[{"byteLength":108}]}`, primitives, more), data)
}

// TestPrimitives: triangles of each mode, and vertices of each way to write them.
func TestPrimitives(t *testing.T) {
	for _, c := range []struct {
		name, primitives string
		triangles        [][3]uint32
		positions        [][3]float64
	}{
		{"list", `{"attributes":{"POSITION":0}}`, [][3]uint32{{0, 1, 2}}, [][3]float64{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {1, 1, 0}}},
		{"strip", `{"attributes":{"POSITION":0},"indices":1,"mode":5}`, [][3]uint32{{0, 1, 2}, {1, 3, 2}}, nil},
		{"fan", `{"attributes":{"POSITION":0},"indices":1,"mode":6}`, [][3]uint32{{0, 1, 2}, {0, 2, 3}}, nil},
		{"points", `{"attributes":{"POSITION":0},"mode":0}`, nil, nil},
		{"bytes", `{"attributes":{"POSITION":2}}`, [][3]uint32{{0, 1, 2}}, [][3]float64{{0, 0, -1}, {1, -1, 1}, {0, 0, 0}}},
		{"sparse", `{"attributes":{"POSITION":3}}`, [][3]uint32{{0, 1, 2}}, [][3]float64{{0, 0, 0}, {5, 5, 5}, {0, 1, 0}, {7, 7, 7}}},
		{"sparse over nothing", `{"attributes":{"POSITION":4}}`, [][3]uint32{{0, 1, 2}}, [][3]float64{{0, 0, 0}, {5, 5, 5}, {0, 0, 0}, {7, 7, 7}}},
		{"two over one array", `{"attributes":{"POSITION":0}},{"attributes":{"POSITION":0},"indices":1,"mode":6}`, [][3]uint32{{0, 1, 2}, {0, 1, 2}, {0, 2, 3}}, [][3]float64{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {1, 1, 0}}},
		{"two over two", `{"attributes":{"POSITION":2}},{"attributes":{"POSITION":0},"indices":1,"mode":5}`, [][3]uint32{{0, 1, 2}, {3, 4, 5}, {4, 6, 5}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := arrays(c.primitives, "")
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
				t.Error(err)
			}
			m := modelFrom(t, b).Objects[0].Mesh
			if err := m.Check(); err != nil {
				t.Error(err)
			}
			if !slices.Equal(m.Triangles, c.triangles) {
				t.Errorf("triangles %v", m.Triangles)
			}
			if c.positions != nil && !slices.Equal(m.Positions, c.positions) {
				t.Errorf("positions %v", m.Positions)
			}
		})
	}
	m := modelFrom(t, arrays(`{"attributes":{"POSITION":2}},{"attributes":{"POSITION":0,"COLOR_0":5}}`, "")).Objects[0].Mesh
	if len(m.Colors) != 7 || m.Colors[0] != [4]float32{1, 1, 1, 1} || m.Colors[4] != [4]float32{0, 1, 0, 1} || m.Colors[6] != [4]float32{1, 1, 1, 0} {
		t.Errorf("colours %v", m.Colors)
	}
}

// TestWhatIsNotThere: the reason is told.
func TestWhatIsNotThere(t *testing.T) {
	for name, c := range map[string]struct {
		b   []byte
		err error
	}{
		"draco":           {arrays(`{"attributes":{"POSITION":0},"extensions":{"KHR_draco_mesh_compression":{"bufferView":0,"attributes":{}}}}`, ""), format.ErrUnsupported},
		"another file":    {[]byte(`{"asset":{"version":"2.0"},"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],"accessors":[{"bufferView":0,"componentType":5126,"count":1,"type":"VEC3"}],"bufferViews":[{"buffer":0,"byteLength":12}],"buffers":[{"byteLength":12,"uri":"a.bin"}]}`), format.ErrUnsupported},
		"an index beyond": {arrays(`{"attributes":{"POSITION":2},"indices":1,"mode":5}`, ""), format.ErrMalformed},
		"a bomb of zeros": {arrays(`{"attributes":{"POSITION":6}}`, `,{"componentType":5126,"count":1000000000000,"type":"VEC3"}`), format.ErrLimit},
		"many of one":     {arrays(`{"attributes":{"POSITION":6}},{"attributes":{"POSITION":6,"NORMAL":6}}`, `,{"componentType":5126,"count":1000000,"type":"VEC3"}`), format.ErrLimit},
	} {
		if _, err := format.Model(t.Context(), Format{}, format.Bytes(c.b)); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	zeros := arrays(`{"attributes":{"POSITION":0,"_X":6}}`, `,{"componentType":5126,"count":100000000,"type":"VEC3"}`)
	if _, err := format.Elements(t.Context(), Format{}, format.Bytes(zeros)); !errors.Is(err, format.ErrLimit) {
		t.Errorf("zeros to be hashed: %v", err)
	}
}

// TestDraco: of meshes that are compressed there are bounds, and no picture.
func TestDraco(t *testing.T) {
	draco := formattest.Sample(t, "gltf/assimp/draco/2CylinderEngine.gltf")
	if _, err := format.Show(t.Context(), Format{}, format.Bytes(draco), 64); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("a picture of what is compressed: %v", err)
	}
	bounded := 0
	for _, e := range elementsOf(t, draco) {
		if e.Kind == "mesh" && len(e.Bounds) == 6 {
			bounded++
		}
	}
	if bounded == 0 {
		t.Error("meshes that are compressed have no bounds")
	}
}

// TestPlaces: nodes are where their parents put them.
func TestPlaces(t *testing.T) {
	b := arrays(`{"attributes":{"POSITION":0}}`, "")
	b = slices.Clone(b)
	r, err := read(format.Bytes(glb(`{"asset":{"version":"2.0"},"scenes":[{"nodes":[2]}],"nodes":[{"mesh":0,"translation":[1,0,0]},
{"mesh":0},{"children":[0],"rotation":[0,0.70710678118,0,0.70710678118],"scale":[2,2,2],"translation":[0,5,0]}],"meshes":[{}]}`, nil)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.model(t.Context())
	if err != nil || len(m.Objects) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	p := m.Objects[0].Transform.Point([3]float64{0, 0, 1})
	for i, want := range [3]float64{2, 5, -2} { // a quarter turn about Y brings X to -Z, Z to X
		if d := p[i] - want; d > 1e-6 || d < -1e-6 {
			t.Errorf("%v", p)
		}
	}
}

// TestSeams: views of a GLB are regions where they lie, as wide as their numbers.
func TestSeams(t *testing.T) {
	b := arrays(`{"attributes":{"POSITION":0}}`, "")
	got, err := Format{}.Regions(format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	start := int64(len(b) - 108)
	want := []format.Region{{Off: start, Len: 48, Width: 4}, {Off: start + 48, Len: 4, Width: 1}, {Off: start + 52, Len: 12, Width: 1},
		{Off: start + 64, Len: 4, Width: 1}, {Off: start + 68, Len: 24, Width: 1}, {Off: start + 92, Len: 16, Width: 1}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

// TestValidateFindsDamage: each length that is wrong.
func TestValidateFindsDamage(t *testing.T) {
	whole := still()
	lying := slices.Clone(whole)
	lying[8] ^= 4
	for name, b := range map[string][]byte{
		"cut":             whole[:len(whole)-3],
		"longer":          append(slices.Clone(whole), 0, 0, 0, 0),
		"length":          lying,
		"buffer":          still(`"buffers":[{"byteLength":96}]`, `"buffers":[{"byteLength":101}]`),
		"view":            still(`"byteOffset":88,"byteLength":8`, `"byteOffset":88,"byteLength":9`),
		"accessor":        still(`"bufferView":0,"byteOffset":36`, `"bufferView":0,"byteOffset":40`),
		"stride":          still(`{"buffer":0,"byteLength":72}`, `{"buffer":0,"byteLength":72,"byteStride":4}`),
		"a child of two":  still(`"children":[3,5]`, `"children":[3,5,1]`),
		"in itself":       still(`"children":[3,5]`, `"children":[3,5,4]`),
		"no such mesh":    still(`"name":"Cup","mesh":1`, `"name":"Cup","mesh":2`),
		"no such texture": still(`"index":0`, `"index":1`),
		"half a text":     []byte(`{"asset":{"version":"2.0"}`),
		"no asset":        []byte(`{"meshes":[]}`),
		"deep":            []byte(`{"asset":{"version":"2.0"},"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}"),
	} {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := format.Validate(t.Context(), Format{}, format.Bytes(whole)); err != nil {
		t.Error(err)
	}
}

// TestPictureShows: a scene of a real file fills the picture, with what is on its surfaces; without that it says so.
func TestPictureShows(t *testing.T) {
	const dir = "gltf/assimp/BoxTextured-glTF/"
	f := formattest.Folder{Input: format.Bytes(formattest.Sample(t, dir+"BoxTextured.gltf")), Files: map[string][]byte{
		"BoxTextured0.bin": formattest.Sample(t, dir+"BoxTextured0.bin"), "CesiumLogoFlat.png": formattest.Sample(t, dir+"CesiumLogoFlat.png")}}
	for _, c := range []struct {
		note    string
		colours bool
	}{{"", true}, {"without textures", false}} {
		p, err := format.Show(t.Context(), Format{}, f, 128)
		if err != nil {
			t.Fatal(err)
		}
		n, blue, green := 0, 0, 0
		for i := 0; i < len(p.Image.U8); i += 4 {
			r, g, b := int(p.Image.U8[i]), int(p.Image.U8[i+1]), int(p.Image.U8[i+2])
			if p.Image.U8[i+3] > 0 {
				n++
			}
			if 2*b > 3*r {
				blue++
			}
			if 2*g > 3*b {
				green++
			}
		}
		if n < 128*128/4 || (blue > n/10 && green > n/10) != c.colours || p.Source != format.Rendered || p.Note != c.note {
			t.Errorf("%d pixels, %d blue, %d green, %s, %q", n, blue, green, p.Source, p.Note)
		}
		delete(f.Files, "CesiumLogoFlat.png")
	}
}

func FuzzFormat(f *testing.F) {
	seeds := map[string][]byte{"still": still(), "arrays": arrays(`{"attributes":{"POSITION":3,"COLOR_0":5},"indices":1,"mode":5}`, ""),
		"text": []byte(`{"asset":{"version":"2.0"},"images":[{"uri":"a%20b.png"},{"uri":"data:image/png;base64,AAAA"}],"scenes":[{"nodes":[0]}],"nodes":[{}]}`)}
	formattest.Fuzz(f, Format{}, seeds)
}
