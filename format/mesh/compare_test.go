package mesh

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func compared(t testing.TB, a, b *Model) *Comparison {
	t.Helper()
	c, err := Compare(t.Context(), a, b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// one compares models of one object.
func one(t testing.TB, a, b *Mesh) *Pair {
	t.Helper()
	return &compared(t, modelOf(a), modelOf(b)).Pairs[0]
}

// shuffled has the same triangles over other vertices: in another order, some split, corners turned round.
func shuffled(m *Mesh, seed uint64) *Mesh {
	random := rand.New(rand.NewPCG(seed, 1))
	out := &Mesh{}
	order := random.Perm(len(m.Positions))
	at := make([]uint32, len(order))
	for i, k := range order {
		at[k] = uint32(i)
		out.Positions = append(out.Positions, m.Positions[k])
	}
	for _, i := range random.Perm(len(m.Triangles)) {
		t := m.Triangles[i]
		turn := random.IntN(3)
		var n [3]uint32
		for k := range 3 {
			n[k] = at[t[(k+turn)%3]]
			if random.IntN(5) == 0 {
				out.Positions = append(out.Positions, out.Positions[n[k]])
				n[k] = uint32(len(out.Positions) - 1)
			}
		}
		out.Triangles = append(out.Triangles, n)
	}
	return out
}

func copyOf(m *Mesh) *Mesh {
	c := *m
	c.Positions, c.Triangles = slices.Clone(m.Positions), slices.Clone(m.Triangles)
	return &c
}

func TestOrderIsNoDifference(t *testing.T) {
	m := sphere(30, 15, 1)
	if p := one(t, m, shuffled(m, 1)); p.Verdict != Same || p.Deviation != nil {
		t.Errorf("shuffled: %+v", p)
	}
	zero := copyOf(m)
	for i := range zero.Positions {
		for k, x := range zero.Positions[i] {
			if x == 0 {
				zero.Positions[i][k] = math.Copysign(0, -1)
			}
		}
	}
	if p := one(t, m, zero); p.Verdict != Same || p.Note != "" {
		t.Errorf("0 and -0: %+v", p)
	}
	turned := copyOf(m)
	turned.Triangles[7][0], turned.Triangles[7][1] = turned.Triangles[7][1], turned.Triangles[7][0]
	if p := one(t, m, turned); p.Verdict != Changed || p.Note == "" {
		t.Errorf("a face turned around: %+v", p)
	}
	fewer := copyOf(m)
	fewer.Triangles = append(fewer.Triangles, fewer.Triangles[3])
	if p := one(t, m, fewer); p.Verdict != Changed {
		t.Errorf("a triangle twice: %+v", p)
	}
}

// TestDisplacementIsExact: with the same triangles, each vertex is compared with itself.
func TestDisplacementIsExact(t *testing.T) {
	m := sphere(40, 20, 1)
	n := copyOf(m)
	for i := range 24 {
		n.Positions[100+i][1] += 0.125
	}
	p := one(t, m, n)
	if p.Verdict != Changed || !p.Deviation.Exact || p.Deviation.Changed != 24 {
		t.Fatalf("%+v %+v", p, p.Deviation)
	}
	near(t, "the largest displacement", p.Deviation.Hausdorff(), 0.125, 1e-12)
	near(t, "the mean", p.Deviation.Forth.Mean, 24*0.125/float64(len(m.Positions)), 1e-12)
	if p.DistancesB[100] != 0.125 || p.DistancesB[99] != 0 || p.DistancesA[123] != 0.125 {
		t.Errorf("distances %v", p.DistancesB[95:130])
	}
}

// TestSurfacesOfSpheres: concentric spheres are apart by the difference of their radii, everywhere.
func TestSurfacesOfSpheres(t *testing.T) {
	a, b := sphere(100, 50, 1), sphere(90, 60, 1.25)
	p := one(t, a, b)
	if p.Verdict != Changed || p.Deviation.Exact {
		t.Fatalf("%+v", p)
	}
	for _, d := range []Distances{p.Deviation.Forth, p.Deviation.Back} {
		near(t, "max", d.Max, 0.25, 4e-3)
		near(t, "mean", d.Mean, 0.25, 4e-3)
		near(t, "p95", d.P95, 0.25, 4e-3)
	}
	near(t, "chamfer", p.Deviation.Chamfer(), 0.5, 8e-3)
}

// TestNearestIsNearest: the tree's answer is that of asking every triangle, and that of stepping over the triangle.
func TestNearestIsNearest(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	point := func() vector {
		return vector{random.NormFloat64(), random.NormFloat64(), random.NormFloat64()}
	}
	var points []vector
	var triangles [][3]uint32
	for i := range 500 {
		at := scale(point(), 3)
		for range 3 {
			points = append(points, add(at, point()))
		}
		triangles = append(triangles, [3]uint32{uint32(3 * i), uint32(3*i + 1), uint32(3*i + 2)})
	}
	triangles = append(triangles, [3]uint32{0, 0, 0}, [3]uint32{1, 2, 2}) // a point, a line
	tr, err := newTree(t.Context(), points, triangles)
	if err != nil {
		t.Fatal(err)
	}
	hint := uint32(math.MaxUint32)
	for range 2000 {
		p := scale(point(), 4)
		best := math.Inf(1)
		for i := range triangles {
			best = min(best, tr.distance(p, uint32(i), math.Inf(1)))
		}
		var got float64
		if got, hint = tr.nearest(p, hint); got != best {
			t.Fatalf("nearest %v, brute force %v", got, best)
		}
		if fresh, _ := tr.nearest(p, math.MaxUint32); fresh != best {
			t.Fatalf("without a hint %v, brute force %v", fresh, best)
		}
	}
	at := point()
	for range 3000 { // small steps: from the last answer upwards
		at = add(at, scale(sub(point(), scale(at, 0.1)), 0.2))
		best := math.Inf(1)
		for i := range triangles {
			best = min(best, tr.distance(at, uint32(i), math.Inf(1)))
		}
		var got float64
		if got, hint = tr.nearest(at, hint); got != best {
			t.Fatalf("nearest %v, brute force %v", got, best)
		}
	}
	for i := range 200 { // one triangle by fine steps
		p := scale(point(), 2)
		c := triangles[i]
		best := math.Inf(1)
		const n = 200
		for u := range n + 1 {
			for v := range n + 1 - u {
				q := add(points[c[0]], add(scale(sub(points[c[1]], points[c[0]]), float64(u)/n), scale(sub(points[c[2]], points[c[0]]), float64(v)/n)))
				best = min(best, length(sub(p, q)))
			}
		}
		if got := math.Sqrt(tr.distance(p, uint32(i), math.Inf(1))); got > best+1e-9 || got < best-0.03 {
			t.Fatalf("triangle %d: %v, by steps %v", i, got, best)
		}
	}
}

// TestSurfaceIsOfTriangles: a vertex of no triangle is no part of a surface that others could lie on.
func TestSurfaceIsOfTriangles(t *testing.T) {
	a, b := sphere(40, 20, 1), sphere(41, 20, 1)
	a.Positions[0][1] = 1.5
	b.Positions = append(b.Positions, a.Positions[0])
	p := one(t, a, b)
	near(t, "the distance of a tip", p.Deviation.Forth.Max, 0.5, 1e-9)
}

// TestSoupHasNoCounterparts: triangles that share no corner do not tell which became which.
func TestSoupHasNoCounterparts(t *testing.T) {
	soup := func(order []int) *Mesh {
		m := &Mesh{}
		for i, k := range order {
			x := float64(10 * k)
			m.Positions = append(m.Positions, [3]float64{x, 0, 0}, [3]float64{x + 1, 0, 0}, [3]float64{x, 1, float64(k % 3)})
			m.Triangles = append(m.Triangles, [3]uint32{uint32(3 * i), uint32(3*i + 1), uint32(3*i + 2)})
		}
		return m
	}
	a, b := soup([]int{0, 1, 2, 3, 4, 5}), soup([]int{5, 3, 1, 0, 2, 4})
	b.Positions[0][2] = 0.25
	p := one(t, a, b)
	if p.Verdict != Changed || p.Deviation.Exact || p.Deviation.Hausdorff() > 0.25 {
		t.Errorf("%+v %+v", p, p.Deviation)
	}
}

// TestMovedShapeIsEqual: by the transform, by the vertices in order, by the vertices in another order, and not at all
// where the one undoes the other.
func TestMovedShapeIsEqual(t *testing.T) {
	m := box(1, 2, 3)
	m.Positions = append(m.Positions, [3]float64{4, 0.5, 0.5}) // no symmetry
	m.Triangles = append(m.Triangles, [3]uint32{1, 3, 8})
	at := turn(vector{1, 2, -1}, 2.5)
	at[12], at[13], at[14] = 5, 6, 7
	for i := range 12 {
		at[i] *= 2
	}
	vertices := copyOf(m)
	for i, p := range m.Positions {
		q := at.Point(p)
		for k := range q { // as a file of floats has them
			q[k] = float64(float32(q[k]))
		}
		vertices.Positions[i] = q
	}
	a, b := modelOf(m), modelOf(m)
	b.Objects[0].Transform = at
	check := func(name string, p *Pair, verdict Verdict) {
		t.Helper()
		if p.Verdict != verdict {
			t.Errorf("%s: %+v", name, p)
			return
		}
		if verdict != Moved {
			return
		}
		near(t, name+": angle", p.Move.Angle, 2.5, 1e-5)
		near(t, name+": scale", p.Move.Scale[1], 2, 1e-5)
		near(t, name+": axis", dot(p.Move.Axis, unit(vector{1, 2, -1})), 1, 1e-5)
	}
	p := compared(t, a, b).Pairs[0]
	check("transform", &p, Moved)
	if p.Move.Translation != (vector{5, 6, 7}) {
		t.Errorf("%+v", p.Move)
	}
	check("vertices", one(t, m, vertices), Moved)
	check("vertices in another order", one(t, m, shuffled(vertices, 5)), Moved)
	check("the transform was applied", &compared(t, b, modelOf(vertices)).Pairs[0], Same)
	check("and shuffled", &compared(t, b, modelOf(shuffled(vertices, 7))).Pairs[0], Same)
	inside := shuffled(vertices, 8)
	for i := range inside.Triangles {
		inside.Triangles[i][0], inside.Triangles[i][1] = inside.Triangles[i][1], inside.Triangles[i][0]
	}
	check("and inside out", one(t, m, inside), Changed)
	mirrored := copyOf(m)
	for i := range mirrored.Positions {
		mirrored.Positions[i][0] *= -1
	}
	check("mirrored", one(t, m, mirrored), Changed)
}

// TestRoundingIsNoChange: as between a file of float64 and one of six decimals.
func TestRoundingIsNoChange(t *testing.T) {
	m := sphere(30, 15, 1)
	n := copyOf(m)
	for i := range n.Positions {
		for k := range 3 {
			n.Positions[i][k] = math.Round(n.Positions[i][k]*1e6) / 1e6
		}
	}
	if p := one(t, m, n); p.Verdict != Same || p.Note == "" {
		t.Errorf("%+v", p)
	}
	c, err := Compare(t.Context(), modelOf(m), modelOf(n), Options{Tolerance: -1})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Pairs[0]; p.Verdict != Changed || p.Deviation.Hausdorff() > 1e-6 {
		t.Errorf("without tolerance: %+v", p)
	}
}

func TestAttributesAreToldApart(t *testing.T) {
	make := func() *Model {
		m := modelOf(sphere(10, 5, 1))
		s := m.Objects[0].Mesh
		for range s.Positions {
			s.Normals = append(s.Normals, [3]float32{0, 1, 0})
			s.UVs = append(s.UVs, [2]float32{0.5, 0.25})
		}
		s.Groups = []Group{{0, len(s.Triangles), 0}}
		m.Materials = []Material{{Name: "red", Color: [4]float32{1, 0, 0, 1}}}
		return m
	}
	for _, c := range []struct {
		edit func(*Model)
		want Verdict
		what []string
	}{
		{func(m *Model) {}, Same, nil},
		{func(m *Model) { m.Objects[0].Mesh.Normals[3][0] = 1 }, Attributes, []string{"normals"}},
		{func(m *Model) { m.Objects[0].Mesh.UVs[3][0] = 1; m.Objects[0].Mesh.Normals[3][0] = 1 }, Attributes, []string{"normals", "uvs"}},
		{func(m *Model) { m.Materials[0].Color[1] = 1 }, Painted, []string{"materials"}},
		{func(m *Model) { m.Objects[0].Name = "other" }, Renamed, nil},
		{func(m *Model) { m.Objects[0].Transform[12] = 1; m.Materials[0].Color[1] = 1 }, Moved, []string{"materials"}},
		{func(m *Model) { // another number for the same material
			m.Materials = append([]Material{{}}, m.Materials...)
			m.Objects[0].Mesh.Groups[0].Material = 1
		}, Same, nil},
	} {
		b := make()
		c.edit(b)
		p := compared(t, make(), b).Pairs[0]
		if p.Verdict != c.want || !slices.Equal(p.Attributes, c.what) {
			t.Errorf("%+v, not %s %v", p, c.want, c.what)
		}
	}
}

func TestObjectsArePaired(t *testing.T) {
	a := modelOf(sphere(10, 5, 1), box(1, 1, 1), box(2, 1, 1), sphere(7, 9, 1), box(3, 3, 3))
	b := modelOf(box(2, 1, 1), sphere(10, 5, 1), box(1.1, 1, 1), sphere(12, 9, 1))
	set := func(m *Model, i int, name string, x float64) {
		m.Objects[i].Name, m.Objects[i].ID, m.Objects[i].Transform = name, "", translation(x, 0, 0)
	}
	for i, name := range []string{"ball", "cube", "slab", "egg", "gone"} {
		set(a, i, name, 10*float64(i))
	}
	set(b, 0, "slab", 20)
	set(b, 1, "ball.001", 100) // renamed and moved: its shape tells
	set(b, 2, "kerb", 10)      // renamed and changed: its place tells
	set(b, 3, "new", -50)
	c := compared(t, a, b)
	got := map[string]Verdict{}
	for _, p := range c.Pairs {
		got[p.Name] = p.Verdict
		if (p.Name == "ball.001" || p.Name == "kerb") && !p.Renamed {
			t.Errorf("%s was renamed", p.Name)
		}
	}
	want := map[string]Verdict{"slab": Same, "ball.001": Moved, "kerb": Changed, "new": Added, "egg": Removed, "gone": Removed}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s is %s, not %s", name, got[name], v)
		}
	}
	if c.Same() || !compared(t, a, a).Same() {
		t.Error("Same says otherwise")
	}
}

func TestCompareOddMeshes(t *testing.T) {
	nan := sphere(6, 6, 1)
	nan.Positions[4][0] = math.NaN()
	inf := sphere(6, 5, 1)
	inf.Positions[4][0] = math.Inf(1)
	points := &Mesh{Positions: sphere(9, 9, 1).Positions}
	flat := &Mesh{Positions: [][3]float64{{1, 1, 1}}, Triangles: [][3]uint32{{0, 0, 0}}}
	odd := []*Mesh{nan, inf, points, flat, {}, nil, {Positions: [][3]float64{{}, {1, 1, 1}}}, sphere(5, 5, 1)}
	for i, a := range odd {
		for k, b := range odd {
			p := one(t, a, b)
			if i == k && p.Verdict != Same {
				t.Errorf("%d and itself: %+v", i, p)
			}
			if i != k && p.Verdict == Same && (a != nil && len(a.Positions) > 0) {
				t.Errorf("%d and %d are the same: %+v", i, k, p)
			}
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Compare(stopped, modelOf(points), modelOf(flat), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// millions returns two meshes of a million triangles that have no triangle in common, and are apart by some sides of
// them nearly everywhere: the search is at its slowest.
func millions() (*Model, *Model) {
	a, b := sphere(1000, 501, 1), sphere(900, 557, 1)
	for i, p := range b.Positions {
		b.Positions[i] = scale(p, 1+0.02*math.Sin(9*p[0])*math.Cos(7*p[1]))
	}
	return modelOf(a), modelOf(b)
}

func BenchmarkCompareMillion(b *testing.B) {
	x, y := millions()
	for b.Loop() {
		if _, err := Compare(b.Context(), x, y, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompareMillionEdited: a small part of a mesh was remodelled.
func BenchmarkCompareMillionEdited(b *testing.B) {
	m := sphere(1000, 501, 1)
	n := shuffled(m, 3)
	for i, p := range n.Positions {
		if p[1] > 0.97 {
			n.Positions[i][1] += 0.01 * p[0]
		}
	}
	for b.Loop() {
		if _, err := Compare(b.Context(), modelOf(m), modelOf(n), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCompareMillionRemeshed: the same surface in other triangles.
func BenchmarkCompareMillionRemeshed(b *testing.B) {
	x, y := modelOf(sphere(1000, 501, 1)), modelOf(sphere(900, 557, 1))
	for b.Loop() {
		if _, err := Compare(b.Context(), x, y, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTreeMillion(b *testing.B) {
	m := sphere(1000, 501, 1)
	for b.Loop() {
		if _, err := newTree(b.Context(), m.Positions, m.Triangles); err != nil {
			b.Fatal(err)
		}
	}
}

// TestKnown: what two surfaces have in common is what looking at all of both finds, with many and with few in common.
func TestKnown(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 7))
	for _, places := range []int{3, 40, 2000} {
		var both [2]surface
		for i := range both {
			for range 600 {
				p := vector{float64(random.IntN(places)), math.Copysign(float64(random.IntN(2)), -1), 1}
				both[i].points = append(both[i].points, p)
			}
			for range 500 {
				both[i].triangles = append(both[i].triangles, [3]uint32{uint32(random.IntN(500)), uint32(random.IntN(500)), uint32(random.IntN(500))})
			}
		}
		a, b := &both[0], &both[1]
		ofA, ofB := knownOf(a, b)
		for _, c := range []struct {
			s, o *surface
			k    *known
		}{{a, b, &ofA}, {b, a, &ofB}} {
			there, whole := map[vector]bool{}, map[uint64]bool{}
			for _, tri := range c.o.triangles {
				for _, i := range tri {
					there[add(c.o.points[i], vector{})] = true // -0 is 0
				}
				whole[ring(hashPoint(c.o.points[tri[0]]), hashPoint(c.o.points[tri[1]]), hashPoint(c.o.points[tri[2]]))] = true
			}
			for _, tri := range c.s.triangles {
				for _, i := range tri {
					if want := there[add(c.s.points[i], vector{})]; !c.k.used[i] || c.k.vertices[i] != want {
						t.Fatalf("%d places: vertex %d is known: %t, want %t", places, i, c.k.vertices[i], want)
					}
				}
				want := whole[ring(hashPoint(c.s.points[tri[0]]), hashPoint(c.s.points[tri[1]]), hashPoint(c.s.points[tri[2]]))]
				if got := c.k.corners(tri) && c.k.triangles.has(c.k.ring(tri)); got != want {
					t.Fatalf("%d places: triangle %v is known: %t, want %t", places, tri, got, want)
				}
			}
		}
	}
}
