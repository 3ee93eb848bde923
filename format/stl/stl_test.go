package stl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/mesh"
)

func TestSamples(t *testing.T) {
	files := formattest.Files(t, "stl", ".stl", "")
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return strings.Contains(name, "damaged") })
	formattest.Run(t, Format{}, files)
}

func TestSampleDamaged(t *testing.T) {
	bad := format.Bytes(formattest.Sample(t, "stl/assimp-crlf-damaged/3DSMaxExport.damaged.STL"))
	if err := (Format{}).Validate(t.Context(), bad); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("the damaged one: %v", err)
	}
}

// TestTruth: counts, bounds and areas of the exported scene, and that the two forms of one spider are the same shape.
func TestTruth(t *testing.T) {
	for name, want := range map[string]struct{ area, top float64 }{"base": {15.5207, 0.91}, "mesh": {15.65783, 1.035}} {
		m, err := format.Model(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "stl/generated-blender/"+name+".stl")))
		if err != nil {
			t.Fatal(err)
		}
		area := 0.0
		for _, o := range m.Objects {
			for _, f := range o.Mesh.Triangles {
				a, b, c := o.Mesh.Positions[f[0]], o.Mesh.Positions[f[1]], o.Mesh.Positions[f[2]]
				var n [3]float64
				for k := range 3 {
					i, j := (k+1)%3, (k+2)%3
					n[k] = (b[i]-a[i])*(c[j]-a[j]) - (b[j]-a[j])*(c[i]-a[i])
				}
				area += math.Sqrt(n[0]*n[0]+n[1]*n[1]+n[2]*n[2]) / 2
			}
		}
		list, err := format.Elements(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "stl/generated-blender/"+name+".stl")))
		if err != nil {
			t.Fatal(err)
		}
		e := list[0]
		if math.Abs(area-want.area) > 1e-4 || e.Properties["triangles"] != "468" || math.Abs(e.Bounds[5]-want.top) > 1e-6 || math.Abs(e.Bounds[0]+1.5) > 1e-6 {
			t.Errorf("%s: area %v, %+v", name, area, e)
		}
	}
}

func file(first string, triangles ...[3][3]float32) []byte {
	b := make([]byte, 80)
	copy(b, first)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(triangles)))
	for _, f := range triangles {
		b = append(b, make([]byte, 12)...)
		for _, v := range f {
			for _, x := range v {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
			}
		}
		b = append(b, 0, 0)
	}
	return b
}

func text(triangles ...[3][3]float32) []byte {
	var b bytes.Buffer
	b.WriteString("solid\r\n")
	for _, f := range triangles {
		b.WriteString(" FACET NORMAL 0 0 0\nouter loop\n")
		for _, v := range f {
			fmt.Fprintf(&b, "vertex %v %v %v\n", v[0], v[1], v[2])
		}
		b.WriteString("endloop endfacet\n")
	}
	b.WriteString("endsolid")
	return b.Bytes()
}

// TestFormsAreOne: text and binary, in another order, are one shape; a binary file may begin as text does.
func TestFormsAreOne(t *testing.T) {
	x, y := [3][3]float32{{0, 0, 0}, {1, 0, 0}, {0, 1, 0.1}}, [3][3]float32{{1, 0, 0}, {1, 1, 0}, {0, 1, 0.1}}
	turned := [3][3]float32{y[1], y[2], y[0]}
	want := ""
	for name, b := range map[string][]byte{"binary": file("x", x, y), "solid": file("solid Cube", turned, x), "text": text(y, x), "with zeros": append(file("x", x, y), 0, 0, 0)} {
		list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want == "" {
			want = list[0].Hash()
		}
		if len(list) != 1 || list[0].Hash() != want {
			t.Errorf("%s: %+v", name, list)
		}
		m, err := format.Model(t.Context(), Format{}, format.Bytes(b))
		if err != nil || len(m.Objects[0].Mesh.Positions) != 4 {
			t.Errorf("%s: %v %v", name, m, err)
		}
	}
	other, err := format.Elements(t.Context(), Format{}, format.Bytes(file("x", x, [3][3]float32{y[0], y[2], y[1]})))
	if err != nil || other[0].Hash() == want {
		t.Errorf("a triangle turned round is the same: %v", err)
	}
}

func TestSolids(t *testing.T) {
	const text = "solid A\nfacet normal 0 0 1 outer loop vertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\nendsolid A\nsolid B\nendsolid B\n"
	list, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil || len(list) != 2 || list[0].Stable != "solid:A" || list[1].Name != "B" || list[0].Properties["triangles"] != "1" {
		t.Fatalf("%+v, %v", list, err)
	}
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes([]byte(text)), "solid:A")
	if err != nil || string(formattest.All(t, x.Content)) != text[:strings.Index(text, "\nsolid B")] {
		t.Errorf("%v, %v", x, err)
	}
}

func TestMalformed(t *testing.T) {
	tri := [3][3]float32{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}}
	whole := file("x", tri, tri)
	huge := file("x")
	binary.LittleEndian.PutUint32(huge[80:], math.MaxUint32)
	for name, b := range map[string][]byte{"empty": nil, "short": whole[:60], "cut": whole[:len(whole)-1], "more": append(bytes.Clone(whole), 1), "count": huge,
		"text cut": text(tri)[:60], "no end": bytes.TrimSuffix(text(tri), []byte("endsolid")), "two corners": bytes.Replace(text(tri), []byte("vertex 0 0 0\n"), nil, 1), "solid only": []byte("solid")} {
		if err := (Format{}).Validate(t.Context(), format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestManySolids: each takes little.
func TestManySolids(t *testing.T) {
	if err := formattest.Survive(t.Context(), Format{}, bytes.Repeat([]byte("solid\nendsolid\n"), maxSolid)); err != nil {
		t.Error(err)
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes(bytes.Repeat([]byte("solid\nendsolid\n"), maxSolid+1))); !errors.Is(err, format.ErrLimit) {
		t.Error(err)
	}
}

func Fuzz(f *testing.F) {
	tri := [3][3]float32{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}}
	formattest.Fuzz(f, Format{}, map[string][]byte{"a": file("solid x", tri), "b": text(tri, tri)})
}

func BenchmarkModel(b *testing.B) {
	var list [][3][3]float32
	for i := range 1000 {
		for j := range 1000 {
			x, y := float32(i), float32(j)
			list = append(list, [3][3]float32{{x, y, 0}, {x + 1, y, 0}, {x, y + 1, 0}})
		}
	}
	in := format.Bytes(file("x", list...))
	b.SetBytes(in.Size())
	for b.Loop() {
		if _, err := (Format{}).Model(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWelded: what a mesh says of its vertices is what looking for them finds, with zeros of both signs.
func TestWelded(t *testing.T) {
	zero := float32(math.Copysign(0, -1))
	m, err := (Format{}).Model(t.Context(), format.Bytes(file("", [3][3]float32{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}}, [3][3]float32{{zero, 0, zero}, {1, zero, 0}, {0, 0, 1}})))
	if err != nil {
		t.Fatal(err)
	}
	apart := *m.Objects[0].Mesh
	apart.Welded = false
	as, err := mesh.Measure(t.Context(), m.Objects[0].Mesh, mesh.Identity())
	if err != nil {
		t.Fatal(err)
	}
	found, err := mesh.Measure(t.Context(), &apart, mesh.Identity())
	if err != nil || found != as || as.Points != 4 || as.Edges != 5 {
		t.Errorf("as it says %+v, as is found %+v, %v", as, found, err)
	}
}

// keeping is a file of which what was read is kept.
type keeping struct {
	format.Input
	by map[string]any
}

func (k keeping) Kept(name string, make func() (any, error)) (any, error) {
	if v, ok := k.by[name]; ok {
		return v, nil
	}
	v, err := make()
	k.by[name] = v
	return v, err
}

// TestTogether: elements that are summed by their vertices, beside the meshes, are those that are summed by themselves.
func TestTogether(t *testing.T) {
	minus, nan := float32(math.Copysign(0, -1)), float32(math.NaN())
	odd := [][3][3]float32{{{0, minus, 1}, {minus, 1, 0}, {1, 0, minus}}, {{minus, 0, 1}, {1, minus, 0}, {0, 1, 0}}, {{nan, 1, 2}, {3, 4, 5}, {nan, 1, 2}}}
	var many [][3][3]float32
	for i := range 3 * recently {
		x, y := float32(i%5003), float32(i*7%4001)
		many = append(many, [3][3]float32{{x, y, 0}, {x + 1, y, float32(i % 3)}, {x, y + 1, 0}})
	}
	colored := file("colours", many[:50]...)
	for i := 20; i < 50; i++ {
		colored[head+i*facet+48] = byte(i)
	}
	two := append(text(many[:3]...), text(odd[:2]...)...)
	files := map[string][]byte{"odd": file("", odd...), "many": file("", many...), "coloured": colored, "two": two, "text": text(many...)}
	for name, b := range files {
		want, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		in := keeping{format.Bytes(b), map[string]any{}}
		got, err := format.Elements(t.Context(), Format{}, in)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
		m, err := format.Model(t.Context(), Format{}, in)
		if err != nil || len(m.Objects) != len(want) || len(in.by) != 1 {
			t.Fatalf("%s: %v, %v; kept %d", name, m, err, len(in.by))
		}
		for i, o := range m.Objects {
			places := map[[3]float32]bool{}
			for _, p := range o.Mesh.Positions {
				places[[3]float32{float32(p[0]), float32(p[1]), float32(p[2])}] = true
			}
			if name != "odd" && len(places) != len(o.Mesh.Positions) || fmt.Sprint(len(o.Mesh.Triangles)) != want[i].Properties["triangles"] {
				t.Errorf("%s: %d vertices at %d places, %d triangles", name, len(o.Mesh.Positions), len(places), len(o.Mesh.Triangles))
			}
		}
	}
}
