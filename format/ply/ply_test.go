package ply

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "ply", ".ply"))
}

func TestSamplesDamaged(t *testing.T) {
	for _, name := range []string{"ply/assimp/payload_JVN42386607", "mesh-invalid/assimp/crash-30d6d0f7c529b3b66b4131700b7a4580cd7082df.ply", "mesh-invalid/assimp/empty.ply"} {
		in := format.Bytes(formattest.Sample(t, name))
		if err := (Format{}).Validate(t.Context(), in); !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTruth: as many triangles, and the area, as the scene that was exported.
func TestTruth(t *testing.T) {
	m, err := format.Model(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "ply/generated-blender/base.ply")))
	if err != nil {
		t.Fatal(err)
	}
	k := m.Objects[0].Mesh
	area := 0.0
	for _, f := range k.Triangles {
		a, b, c := k.Positions[f[0]], k.Positions[f[1]], k.Positions[f[2]]
		var n [3]float64
		for k := range 3 {
			i, j := (k+1)%3, (k+2)%3
			n[k] = (b[i]-a[i])*(c[j]-a[j]) - (b[j]-a[j])*(c[i]-a[i])
		}
		area += math.Sqrt(n[0]*n[0]+n[1]*n[1]+n[2]*n[2]) / 2
	}
	if len(k.Triangles) != 468 || k.Faces != 234 || len(k.Positions) != 264 || math.Abs(area-15.5207) > 1e-4 {
		t.Errorf("%d triangles, %d faces, %d vertices, area %v", len(k.Triangles), k.Faces, len(k.Positions), area)
	}
}

const header1 = `comment TextureFile my tex.png
element vertex 4
property float x
property double y
property float z
property uchar red
property uchar green
property uchar blue
property ushort label
element face 2
property uchar flags
property list uchar int vertex_indices
property list uchar float texcoord
element edge 1
property int vertex1
end_header
`

type made struct {
	points [][3]float64
	label  int
	faces  [][]int32
}

var square = made{points: [][3]float64{{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0.5}}, faces: [][]int32{{0, 1, 2}, {0, 2, 3}}}

// text and binary are one content in the forms that there are.
func (m made) text(end string) []byte {
	var b bytes.Buffer
	b.WriteString(strings.ReplaceAll("ply\nformat ascii 1.0\n"+header1, "\n", end))
	for _, p := range m.points {
		fmt.Fprintf(&b, "%v %v %v 255 0 51 %d%s", p[0], p[1], p[2], m.label, end)
	}
	for _, f := range m.faces {
		fmt.Fprintf(&b, "7  %d %d %d %d 0%s", len(f), f[0], f[1], f[2], end)
	}
	b.WriteString("3")
	return b.Bytes()
}

func (m made) binary(name string, order binary.AppendByteOrder) []byte {
	b := []byte("ply\nformat binary_" + name + " 1.0\n" + header1)
	for _, p := range m.points {
		b = order.AppendUint32(b, math.Float32bits(float32(p[0])))
		b = order.AppendUint64(b, math.Float64bits(p[1]))
		b = order.AppendUint32(b, math.Float32bits(float32(p[2])))
		b = append(b, 255, 0, 51)
		b = order.AppendUint16(b, uint16(m.label))
	}
	for _, f := range m.faces {
		b = append(b, 7, byte(len(f)))
		for _, v := range f {
			b = order.AppendUint32(b, uint32(v))
		}
		b = append(b, 0)
	}
	return order.AppendUint32(b, 3)
}

func TestFormsAreOne(t *testing.T) {
	other := made{points: [][3]float64{square.points[2], square.points[0], square.points[3], square.points[1]}, faces: [][]int32{{0, 2, 1}, {3, 0, 1}}}
	want := ""
	for name, b := range map[string][]byte{"text": square.text("\n"), "dos": square.text("\r\n"), "mac": square.text("\r"), "little": square.binary("little_endian", binary.LittleEndian),
		"big": square.binary("big_endian", binary.BigEndian), "another order": other.text("\n")} {
		list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want == "" {
			want = list[0].Hash()
		}
		if e := list[0]; e.Hash() != want || e.Properties["faces"] != "2" || e.Properties["edge"] != "1" || !slices.Equal(e.Bounds, []float64{0, 0, 0, 1, 1, 0.5}) {
			t.Errorf("%s: %+v", name, e)
		}
		m, err := format.Model(t.Context(), Format{}, format.Bytes(b))
		if err != nil || m.Objects[0].Mesh.Colors[0] != [4]float32{1, 0, 0.2, 1} {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		refs, err := format.References(t.Context(), Format{}, format.Bytes(b))
		if err != nil || len(refs) != 1 || refs[0].Path != "my tex.png" || string(b[refs[0].Off:refs[0].Off+refs[0].Len]) != "my tex.png" {
			t.Errorf("%s: %+v, %v", name, refs, err)
		}
	}
	moved := made{points: slices.Clone(square.points), faces: square.faces}
	moved.points[3][2] = 0.25
	labelled := square
	labelled.label = 1
	for name, m := range map[string]made{"moved": moved, "labelled": labelled, "a face less": {points: square.points, faces: square.faces[:1]}} {
		b := m.text("\n")
		if name == "a face less" {
			b = bytes.Replace(b, []byte("face 2"), []byte("face 1"), 1)
		}
		list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
		if err != nil || list[0].Hash() == want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRegions(t *testing.T) {
	b := []byte("ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty int z\nelement face 0\nproperty list uchar int vertex_indices\nend_header\n")
	at := int64(len(b))
	b = append(b, make([]byte, 24)...)
	got, err := Format{}.Regions(format.Bytes(b))
	if want := []format.Region{{Off: at, Len: 24, Width: 4}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestStrips(t *testing.T) {
	b := []byte("ply\nformat ascii 1.0\nelement vertex 5\nproperty float x\nproperty float y\nproperty float z\nelement tristrips 1\nproperty list int int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 2 0\n8 0 1 2 3 -1 2 3 4\n")
	m, err := format.Model(t.Context(), Format{}, format.Bytes(b))
	if err != nil || !slices.Equal(m.Objects[0].Mesh.Triangles, [][3]uint32{{0, 1, 2}, {2, 1, 3}, {2, 3, 4}}) {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestMalformed(t *testing.T) {
	b := square.binary("little_endian", binary.LittleEndian)
	text := string(square.text("\n"))
	list := bytes.Clone(b)
	list[len(b)-4-1-12-1] = 255 // the corners of the last face
	files := map[string]string{"empty": "", "no end": "ply\nformat ascii 1.0\n", "no format": "ply\nelement vertex 0\nend_header\n", "cut": string(b[:len(b)-1]), "more": string(b) + "x", "list, binary": string(list),
		"text cut": text[:len(text)-3], "count": strings.Replace(text, "vertex 4", "vertex 4294967295", 1), "negative": strings.Replace(text, "vertex 4", "vertex -1", 1),
		"corner": strings.Replace(text, "3 0 1 2", "3 0 1 4", 1), "corner below": strings.Replace(text, "3 0 1 2", "3 0 1 -2", 1), "list": strings.Replace(text, "3 0 1 2", "2147483647 0 1 2", 1),
		"type": strings.Replace(text, "float z", "half z", 1), "list of floats": strings.Replace(text, "list uchar int", "list float int", 1)}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := (Format{}).Validate(t.Context(), format.Bytes([]byte(files[name]))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a": square.text("\n"), "b": square.binary("little_endian", binary.LittleEndian), "c": square.binary("big_endian", binary.BigEndian)})
}
