package shape

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"varve/format"
	"varve/format/mesh"
)

// TestSumKnowsShapes: in any order and from any corner it is the same, and turned inside out, moved, cut or painted
// otherwise it is not.
func TestSumKnowsShapes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var faces [][]Corner
	for range 50 {
		var f []Corner
		for range 3 + random.IntN(3) {
			f = append(f, At(float64(random.IntN(9)), float64(random.IntN(9)), float64(random.IntN(9))))
		}
		faces = append(faces, f)
	}
	sum := func(list [][]Corner, kind uint64) string {
		var s Sum
		for _, f := range list {
			s.Face(f, kind)
		}
		return s.String()
	}
	want := sum(faces, 0)
	for range 20 {
		other := slices.Clone(faces)
		random.Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		for i, f := range other {
			n := random.IntN(len(f))
			other[i] = slices.Concat(f[n:], f[:n])
		}
		if got := sum(other, 0); got != want {
			t.Fatal("another order is another shape")
		}
	}
	seen := map[string]string{want: "it"}
	note := func(name, h string) {
		if seen[h] != "" {
			t.Errorf("%s has the hash of %s", name, seen[h])
		}
		seen[h] = name
	}
	other := slices.Clone(faces)
	other[7] = slices.Clone(other[7])
	slices.Reverse(other[7])
	note("a face turned round", sum(other, 0))
	other[7] = slices.Clone(faces[7])
	other[7][0] = At(1, 2, 3.5)
	note("a corner moved", sum(other, 0))
	note("a face less", sum(faces[1:], 0))
	note("a face twice", sum(append(slices.Clone(faces), faces[0]), 0))
	note("another material", sum(faces, 1))
	note("nothing", sum(nil, 0))
	if At(0, 0, 0) != At(math.Copysign(0, -1), 0, 0) || At(0.1, 0, 0) != At(float64(float32(0.1)), 0, 0) {
		t.Error("-0 is not 0, or a float64 not its float32")
	}
}

func TestTriangles(t *testing.T) {
	// An L: its area is 3 of a square of 4, and a fan from its first corner would be more.
	points := [][3]float64{{2, 0, 5}, {2, 1, 5}, {1, 1, 5}, {1, 2, 5}, {0, 2, 5}, {0, 0, 5}}
	for shift := range points {
		var polygon []uint32
		for i := range points {
			polygon = append(polygon, uint32((i+shift)%len(points)))
		}
		for range 2 {
			got := Triangles(nil, polygon, func(i uint32) [3]float64 { return points[i] })
			area := 0.0
			for _, f := range got {
				a, b, c := points[f[0]], points[f[1]], points[f[2]]
				area += math.Abs((b[0]-a[0])*(c[1]-a[1])-(b[1]-a[1])*(c[0]-a[0])) / 2
			}
			if len(got) != 4 || math.Abs(area-3) > 1e-12 {
				t.Errorf("from %d: %v has area %v", shift, got, area)
			}
			slices.Reverse(polygon)
		}
	}
}

// TestNumber: what strconv says.
func TestNumber(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	list := []string{"0", "-0", "1", ".5", "5.", "+2.5e3", "1e22", "1e23", "123456789012345678901234567890", "1e-400", "1e400", "0.1", "9007199254740993", "nan", "-inf", "1.7976931348623157e308", "4.9e-324"}
	for range 2000 {
		list = append(list, strconv.FormatFloat(math.Float64frombits(random.Uint64()), 'g', random.IntN(19)-1, 64), strconv.FormatFloat(random.NormFloat64(), 'f', random.IntN(12), 64))
	}
	for _, s := range list {
		want, err := strconv.ParseFloat(s, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			t.Fatal(err)
		}
		got, n := Number([]byte(s + " 7"))
		if math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) || n != len(s) && s != "NaN" && len(s) != 4 {
			t.Errorf("%s: %v of %d, want %v", s, got, n, want)
		}
	}
	for _, s := range []string{"", "-", ".", "x", "e5", "+.e1"} {
		if v, n := Number([]byte(s)); n != 0 {
			t.Errorf("%q: %v", s, v)
		}
	}
	if v, n := Number([]byte("3.1+e2")); v != 3.1 || n != 3 {
		t.Errorf("%v %d", v, n)
	}
	if got, ok := Numbers([]byte(" 1 2\n3\t"), 3); !ok || !slices.Equal(got, []float64{1, 2, 3}) {
		t.Error(got, ok)
	}
	if _, ok := Numbers([]byte("1 2 3"), 2); ok {
		t.Error("more numbers than asked for")
	}
}

func TestPicture(t *testing.T) {
	if _, err := Picture(t.Context(), &mesh.Model{}, 64, ""); !errors.Is(err, format.ErrUnsupported) {
		t.Error(err)
	}
	m := &mesh.Mesh{Positions: [][3]float64{{0, 0, 0}, {1, 0, 0}, {0, 1, 0}}, Triangles: [][3]uint32{{0, 1, 2}}}
	p, err := Picture(t.Context(), &mesh.Model{Objects: []mesh.Object{{Mesh: m, Transform: mesh.Identity()}}}, 64, "")
	if err != nil || p.Source != format.Rendered || p.Image.Width != 64 {
		t.Fatal(p, err)
	}
	m.Triangles[0][1] = 3
	if _, err := Picture(t.Context(), &mesh.Model{Objects: []mesh.Object{{Mesh: m, Transform: mesh.Identity()}}}, 64, ""); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a corner that is not there: %v", err)
	}
}
