package mesh

import (
	"context"
	"math"
	"slices"
)

// Distances are of points of one surface from another: of all its vertices, and of samples spread evenly over its area.
type Distances struct {
	Max  float64 // of vertices and samples
	Mean float64 // of samples, as of the others
	RMS  float64
	P95  float64
}

// Deviation is how far two meshes are from each other, in units of the file.
type Deviation struct {
	Exact   bool // vertices have their counterparts: Forth is of each from where it was, and Back is the same
	Forth   Distances
	Back    Distances
	Where   [3]float64 // a vertex or sample of the largest distance, in the newer world
	Changed int        // vertices of the newer that were not there before
}

// Hausdorff returns the largest distance either way.
func (d *Deviation) Hausdorff() float64 { return max(d.Forth.Max, d.Back.Max) }

// Chamfer returns the sum of the mean distances both ways.
func (d *Deviation) Chamfer() float64 { return d.Forth.Mean + d.Back.Mean }

// surface is a mesh as it is measured.
type surface struct {
	points    []vector
	triangles [][3]uint32
}

// surfaceOf places a mesh. A cloud of points is triangles of one corner each.
func surfaceOf(m *Mesh, at *Matrix) surface {
	s := surface{points: make([]vector, len(m.Positions)), triangles: m.Triangles}
	for i, p := range m.Positions {
		s.points[i] = at.Point(p)
	}
	if len(s.triangles) == 0 {
		s.triangles = make([][3]uint32, len(s.points))
		for i := range s.triangles {
			s.triangles[i] = [3]uint32{uint32(i), uint32(i), uint32(i)}
		}
	}
	return s
}

// known are the vertices and triangles of a surface, to find those that another has, too: they are at no distance, and
// need no search.
type known struct {
	vertices  *places
	triangles map64
}

func (s *surface) known() known {
	used := make([]bool, len(s.points))
	for _, t := range s.triangles {
		used[t[0]], used[t[1]], used[t[2]] = true, true, true
	}
	k := known{newPlaces(s.points), newMap64(len(s.triangles))}
	hashes := make([]uint64, len(s.points))
	for i, p := range s.points {
		hashes[i] = hashPoint(p)
		if used[i] {
			k.vertices.put(uint32(i), hashes[i])
		}
	}
	for _, t := range s.triangles {
		k.triangles.add(ring(hashes[t[0]], hashes[t[1]], hashes[t[2]]))
	}
	return k
}

// map64 is a set of hashes. 0 is in it always.
type map64 []uint64

func newMap64(n int) map64 {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return make(map64, size)
}

// slot returns where a hash is or would be.
func (m map64) slot(h uint64) *uint64 {
	mask := uint64(len(m) - 1)
	at := h & mask
	for m[at] != 0 && m[at] != h {
		at = (at + 1) & mask
	}
	return &m[at]
}

func (m map64) add(h uint64) { *m.slot(h) = h }

func (m map64) has(h uint64) bool { return h == 0 || *m.slot(h) == h }

// far is the result of one direction.
type far struct {
	Distances
	where    vector
	vertices []float32 // distance of each vertex
	hints    []uint32  // triangle that is nearest to each vertex
	changed  int
}

// from measures the distance of s from another surface, of which k and t are.
func (s *surface) from(ctx context.Context, k *known, t *tree, samples int) (far, error) {
	out := far{vertices: make([]float32, len(s.points)), hints: make([]uint32, len(s.points))}
	used := make([]bool, len(s.points))
	for _, c := range s.triangles {
		used[c[0]], used[c[1]], used[c[2]] = true, true, true
	}
	hint := uint32(math.MaxUint32)
	square := 0.0
	most := -1.0
	for i, p := range s.points {
		if i%(1<<12) == 0 {
			if err := ctx.Err(); err != nil {
				return far{}, err
			}
		}
		if !used[i] || k.vertices.has(p) || !finite(p) {
			continue
		}
		square, hint = t.nearest(p, hint)
		out.hints[i] = hint
		out.changed++
		out.vertices[i] = float32(math.Sqrt(square))
		if square > most {
			most, out.where = square, p
		}
	}
	out.Max = math.Sqrt(max(most, 0))
	return out, s.sample(ctx, k, t, samples, &out)
}

// sample spreads samples over the surface, evenly and always the same, and takes their distances.
func (s *surface) sample(ctx context.Context, k *known, t *tree, samples int, out *far) error {
	total := 0.0
	for _, c := range s.triangles {
		total += s.area(c)
	}
	if !(total > 0) || math.IsInf(total, 0) {
		return s.average(out)
	}
	all := make([]float32, 0, samples)
	sum, squares, passed := 0.0, 0.0, 0.0
	for i, c := range s.triangles {
		if i%(1<<12) == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if a := s.area(c); a == a {
			passed += a
		}
		whole := -1 // whether the triangle is known, once asked
		for len(all) < samples && (float64(len(all))+0.5)/float64(samples)*total <= passed {
			if whole < 0 {
				whole = 0
				if k.triangles.has(ring(hashPoint(s.points[c[0]]), hashPoint(s.points[c[1]]), hashPoint(s.points[c[2]]))) {
					whole = 1
				}
			}
			d := 0.0
			if whole == 0 {
				p := s.spot(c, len(all))
				d, _ = t.nearest(p, out.hints[c[0]])
				d = math.Sqrt(d)
				if d > out.Max && !math.IsInf(d, 0) {
					out.Max, out.where = d, p
				}
			}
			sum, squares = sum+d, squares+d*d
			all = append(all, float32(d))
		}
	}
	if n := float64(len(all)); n > 0 {
		slices.Sort(all)
		out.Mean, out.RMS = sum/n, math.Sqrt(squares/n)
		out.P95 = float64(all[min(len(all)-1, int(0.95*n))])
	}
	return nil
}

// average takes the vertices for samples, where there is no area.
func (s *surface) average(out *far) error {
	if len(out.vertices) == 0 {
		return nil
	}
	all := slices.Clone(out.vertices)
	slices.Sort(all)
	for _, d := range all {
		out.Mean += float64(d) / float64(len(all))
		out.RMS += float64(d) * float64(d) / float64(len(all))
	}
	out.RMS = math.Sqrt(out.RMS)
	out.P95 = float64(all[min(len(all)-1, int(0.95*float64(len(all))))])
	return nil
}

func (s *surface) area(t [3]uint32) float64 {
	a := s.points[t[0]]
	return length(cross(sub(s.points[t[1]], a), sub(s.points[t[2]], a))) / 2
}

// spot returns the n-th sample's place in its triangle: two steps that never fall in line.
func (s *surface) spot(t [3]uint32, n int) vector {
	_, u := math.Modf(0.5 + 0.7548776662466927*float64(n))
	_, v := math.Modf(0.5 + 0.5698402909980532*float64(n))
	if u+v > 1 {
		u, v = 1-u, 1-v
	}
	a := s.points[t[0]]
	return add(a, add(scale(sub(s.points[t[1]], a), u), scale(sub(s.points[t[2]], a), v)))
}

// apart measures two surfaces from each other, both ways at once.
func apart(ctx context.Context, a, b surface, samples int) (d *Deviation, ofA, ofB []float32, err error) {
	var forth, back far
	var failed error
	done := make(chan struct{})
	go func() {
		defer close(done)
		forth, failed = a.against(ctx, &b, samples)
	}()
	back, err = b.against(ctx, &a, samples)
	<-done
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, nil, nil, err
	}
	d = &Deviation{Forth: forth.Distances, Back: back.Distances, Where: back.where, Changed: back.changed}
	if forth.Max > back.Max {
		d.Where = forth.where
	}
	return d, forth.vertices, back.vertices, nil
}

// against measures s from another surface.
func (s *surface) against(ctx context.Context, o *surface, samples int) (far, error) {
	known := o.known()
	t, err := newTree(ctx, o.points, o.triangles)
	if err != nil {
		return far{}, err
	}
	return s.from(ctx, &known, t, samples)
}
