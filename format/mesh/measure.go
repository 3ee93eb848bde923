package mesh

import (
	"context"
	"math"
	"slices"
)

// Measures are what can be said of a mesh by itself, in units of the file. Vertices at exactly one place are one point,
// edges are between points.
type Measures struct {
	Vertices   int // as the file has them
	Points     int // of different place
	Triangles  int
	Faces      int // as the file counts them
	Edges      int
	Islands    int // parts that have no point in common
	Boundary   int // edges of one triangle alone
	Branching  int // edges of more than two: not manifold
	Twisted    int // edges of two triangles that do not agree on which side is out
	Degenerate int // triangles without area
	Loose      int // points of no triangle
	Bounds     Bounds
	Area       float64
	Volume     float64 // positive where the triangles face outwards; of no meaning unless Closed
	Closed     bool    // there is an inside: each edge has as many triangles one way round as the other
}

// Measure measures a mesh as it is placed by at. ErrInvalid.
func Measure(ctx context.Context, m *Mesh, at Matrix) (Measures, error) {
	if err := m.Check(); err != nil {
		return Measures{}, err
	}
	out := Measures{Vertices: len(m.Positions), Triangles: len(m.Triangles), Faces: m.Faces, Bounds: m.Bounds(at)}
	if m.Faces == 0 {
		out.Faces = len(m.Triangles)
	}
	w := m.weld()
	out.Points = len(w.first)
	if err := ctx.Err(); err != nil {
		return Measures{}, err
	}
	out.extent(m, at)
	if err := ctx.Err(); err != nil {
		return Measures{}, err
	}
	out.islands(m, &w)
	if err := ctx.Err(); err != nil {
		return Measures{}, err
	}
	out.edges(m, &w)
	return out, nil
}

// extent reckons area, volume and degenerate triangles. Volumes are reckoned from the middle: far from the origin, the
// parts would be much larger than their sum.
func (s *Measures) extent(m *Mesh, at Matrix) {
	middle := s.Bounds.Center()
	if s.Bounds.Empty() {
		middle = vector{}
	}
	placed := make([]vector, len(m.Positions))
	for i, p := range m.Positions {
		placed[i] = sub(at.Point(p), middle)
	}
	for _, t := range m.Triangles {
		a, b, c := &placed[t[0]], &placed[t[1]], &placed[t[2]]
		nx, ny, nz := normal(a, b, c)
		area := math.Sqrt(nx*nx+ny*ny+nz*nz) / 2
		if area == 0 {
			s.Degenerate++
		}
		s.Area += area
		s.Volume += (a[0]*(b[1]*c[2]-b[2]*c[1]) + a[1]*(b[2]*c[0]-b[0]*c[2]) + a[2]*(b[0]*c[1]-b[1]*c[0])) / 6
	}
	if at.determinant() < 0 { // a mirror turns the inside out, and is not meant so
		s.Volume = -s.Volume
	}
}

// islands counts what hangs together: points are joined by triangles, with the smaller under the larger half way up.
func (s *Measures) islands(m *Mesh, w *welded) {
	parent := make([]uint32, len(w.first))
	for i := range parent {
		parent[i] = uint32(i)
	}
	root := func(i uint32) uint32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	used := make([]bool, len(w.first))
	for _, t := range m.Triangles {
		a := root(w.point[t[0]])
		used[w.point[t[0]]] = true
		for _, k := range t[1:] {
			used[w.point[k]] = true
			if b := root(w.point[k]); b < a {
				parent[a] = b
				a = b
			} else {
				parent[b] = a
			}
		}
	}
	for i, p := range parent {
		switch {
		case !used[i]:
			s.Loose++
		case int(p) == i:
			s.Islands++
		}
	}
}

// edges counts edges by how many triangles they have each way round. The sides of triangles are laid into one array by
// their lower point, so that the few of each are sorted, not all.
func (s *Measures) edges(m *Mesh, w *welded) {
	begin := make([]uint32, len(w.first)+1)
	each := func(do func(low, high uint32, back uint64)) {
		for _, t := range m.Triangles {
			for k := range 3 {
				a, b := w.point[t[k]], w.point[t[(k+1)%3]]
				switch {
				case a < b:
					do(a, b, 0)
				case b < a:
					do(b, a, 1)
				}
			}
		}
	}
	each(func(low, _ uint32, _ uint64) { begin[low]++ })
	sum := uint32(0)
	for i, n := range begin {
		begin[i] = sum
		sum += n
	}
	sides := make([]uint64, sum)
	each(func(low, high uint32, back uint64) {
		sides[begin[low]] = uint64(high)<<1 | back
		begin[low]++
	})
	s.Closed = len(m.Triangles) > 0
	from := uint32(0)
	for i := range w.first {
		of := sides[from:begin[i]]
		from = begin[i]
		slices.Sort(of)
		for len(of) > 0 {
			n, back := 0, 0
			for n < len(of) && of[n]>>1 == of[0]>>1 {
				back += int(of[n] & 1)
				n++
			}
			of = of[n:]
			s.count(n, back)
		}
	}
}

// count counts an edge of n triangles, of which some go back.
func (s *Measures) count(n, back int) {
	s.Edges++
	switch {
	case n == 1:
		s.Boundary++
	case n > 2:
		s.Branching++
	case back != 1:
		s.Twisted++
	}
	if 2*back != n {
		s.Closed = false
	}
}

// Measure measures all objects of a model together. Objects that touch are not joined.
func (m *Model) Measure(ctx context.Context) (Measures, error) {
	sum := Measures{Bounds: Nowhere(), Closed: true}
	for i := range m.Objects {
		o := &m.Objects[i]
		if o.Mesh == nil {
			continue
		}
		s, err := Measure(ctx, o.Mesh, o.Transform)
		if err != nil {
			return Measures{}, err
		}
		sum.add(&s)
	}
	sum.Closed = sum.Closed && sum.Triangles > 0
	return sum, nil
}

func (s *Measures) add(o *Measures) {
	s.Vertices += o.Vertices
	s.Points += o.Points
	s.Triangles += o.Triangles
	s.Faces += o.Faces
	s.Edges += o.Edges
	s.Islands += o.Islands
	s.Boundary += o.Boundary
	s.Branching += o.Branching
	s.Twisted += o.Twisted
	s.Degenerate += o.Degenerate
	s.Loose += o.Loose
	s.Bounds = s.Bounds.Union(o.Bounds)
	s.Area += o.Area
	s.Volume += o.Volume
	s.Closed = s.Closed && o.Closed
	if math.IsNaN(s.Area) {
		s.Area = 0
	}
}
