package mesh

import (
	"errors"
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %.9g, not %.9g", what, got, want)
	}
}

func TestMeasureBox(t *testing.T) {
	at := turn(vector{1, 1, 3}, 0.4)
	at[12], at[13] = 1e6, -1e6
	s, err := Measure(t.Context(), box(2, 3, 4), at)
	if err != nil {
		t.Fatal(err)
	}
	if s.Vertices != 8 || s.Points != 8 || s.Triangles != 12 || s.Faces != 6 || s.Edges != 18 || s.Islands != 1 || !s.Closed || s.Boundary+s.Branching+s.Twisted+s.Degenerate+s.Loose != 0 {
		t.Errorf("%+v", s)
	}
	near(t, "area", s.Area, 52, 1e-6)
	near(t, "volume", s.Volume, 24, 1e-6)
}

// TestMeasureSphere: against the formulas of the sphere, to what its facets leave; and Euler's: V - E + F = 2.
func TestMeasureSphere(t *testing.T) {
	m := sphere(200, 100, 3)
	s, err := Measure(t.Context(), m, Identity())
	if err != nil {
		t.Fatal(err)
	}
	near(t, "area", s.Area, 4*math.Pi*9, 0.1)
	near(t, "volume", s.Volume, 4*math.Pi*9, 0.1)
	if s.Points-s.Edges+s.Triangles != 2 || !s.Closed {
		t.Errorf("%+v", s)
	}
	mirror := Identity()
	mirror[0] = -2
	if s, err = Measure(t.Context(), m, mirror); err != nil {
		t.Fatal(err)
	}
	near(t, "volume of a mirrored one", s.Volume, 2*4*math.Pi*9, 0.2)
}

// TestMeasureFlaws: each flaw is counted, and only it.
func TestMeasureFlaws(t *testing.T) {
	whole := func() *Mesh { return sphere(12, 6, 1) }
	soup := &Mesh{}
	for i, c := range whole().Triangles { // as in STL: no vertex is shared
		for _, k := range c {
			soup.Positions = append(soup.Positions, whole().Positions[k])
		}
		soup.Triangles = append(soup.Triangles, [3]uint32{uint32(3 * i), uint32(3*i + 1), uint32(3*i + 2)})
	}
	base, err := Measure(t.Context(), whole(), Identity())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		mesh   func() *Mesh
		expect func(*Measures)
	}{
		{"soup", func() *Mesh { return soup }, func(s *Measures) { s.Vertices = len(soup.Positions) }},
		{"hole", func() *Mesh { m := whole(); m.Triangles = m.Triangles[1:]; return m },
			func(s *Measures) { s.Boundary, s.Closed = 3, false; s.Triangles--; s.Faces-- }},
		{"twisted", func() *Mesh {
			m := whole()
			m.Triangles[0][1], m.Triangles[0][2] = m.Triangles[0][2], m.Triangles[0][1]
			return m
		}, func(s *Measures) { s.Twisted, s.Closed = 3, false }},
		{"degenerate", func() *Mesh { m := whole(); m.Triangles = append(m.Triangles, [3]uint32{5, 5, 6}); return m },
			func(s *Measures) { s.Degenerate = 1; s.Triangles++; s.Faces++ }},
		{"fin", func() *Mesh {
			m := whole()
			m.Positions = append(m.Positions, [3]float64{9, 9, 9})
			m.Triangles = append(m.Triangles, [3]uint32{m.Triangles[0][0], m.Triangles[0][1], uint32(len(m.Positions) - 1)})
			return m
		}, func(s *Measures) {
			s.Branching, s.Boundary, s.Closed = 1, 2, false
			s.Vertices++
			s.Points++
			s.Edges += 2
			s.Triangles++
			s.Faces++
		}},
		{"loose", func() *Mesh { m := whole(); m.Positions = append(m.Positions, [3]float64{9, 9, 9}); return m },
			func(s *Measures) { s.Loose = 1; s.Vertices++; s.Points++ }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Measure(t.Context(), c.mesh(), Identity())
			if err != nil {
				t.Fatal(err)
			}
			want := base
			c.expect(&want)
			for _, s := range []*Measures{&got, &want} { // not what this is about
				s.Area, s.Volume, s.Bounds = 0, 0, Bounds{}
			}
			// degenerate: the edge 5-6 then has four sides, two each way
			if c.name == "degenerate" {
				want.Branching, got.Branching = 0, 0
			}
			if got != want {
				t.Errorf("\ngot  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestMeasureModel(t *testing.T) {
	m := modelOf(box(1, 1, 1), sphere(10, 5, 1), nil)
	m.Objects[1].Transform = translation(5, 0, 0)
	m.Objects = append(m.Objects, Object{Mesh: m.Objects[0].Mesh, Transform: translation(0, 0, 9)})
	s, err := m.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Islands != 3 || s.Triangles != 24+80 || s.Bounds.Max[2] != 10 || !s.Closed {
		t.Errorf("%+v", s)
	}
	if _, err := Measure(t.Context(), &Mesh{Triangles: [][3]uint32{{}}}, Identity()); !errors.Is(err, ErrInvalid) {
		t.Errorf("a corner that is not there: %v", err)
	}
}

func BenchmarkMeasureMillion(b *testing.B) {
	m := sphere(1000, 501, 1)
	for b.Loop() {
		if _, err := Measure(b.Context(), m, Identity()); err != nil {
			b.Fatal(err)
		}
	}
}
