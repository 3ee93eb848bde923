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

// known is what a surface has in common with another: it is at no distance, and needs no search.
type known struct {
	used      []bool // vertices that triangles have
	vertices  []bool // of these, those that the other has, too
	hashes    []uint64
	triangles map64 // of the other
}

// knownOf finds what two surfaces have in common. Most often that is nothing or all but little: so few of the vertices of
// one may be in the other that a table of those stays in the cache, where one of all did not.
func knownOf(a, b *surface) (ofA, ofB known) {
	ofA, ofB = a.hashed(), b.hashed()
	bits := uint64(1 << 10)
	for bits < 16*uint64(len(b.points)) {
		bits *= 2
	}
	filter := make([]uint64, bits/64)
	for i, h := range ofB.hashes {
		if ofB.used[i] {
			h &= bits - 1
			filter[h/64] |= 1 << (h % 64)
		}
	}
	var some []uint32
	for i, h := range ofA.hashes {
		if h &= bits - 1; ofA.used[i] && filter[h/64]>>(h%64)&1 != 0 {
			some = append(some, uint32(i))
		}
	}
	table := placesOf(a.points, len(some))
	for _, i := range some {
		table.put(i, ofA.hashes[i])
	}
	found := make([]bool, len(a.points))
	for i, p := range b.points {
		if ofB.used[i] {
			if s := *table.slot(p, ofB.hashes[i]); s != 0 {
				ofB.vertices[i], found[uint32(s)-1] = true, true
			}
		}
	}
	for _, i := range some {
		ofA.vertices[i] = found[table.put(i, ofA.hashes[i])]
	}
	ofA.triangles, ofB.triangles = b.whole(&ofB), a.whole(&ofA)
	return ofA, ofB
}

// hashed returns the hashes of the vertices.
func (s *surface) hashed() known {
	k := known{make([]bool, len(s.points)), make([]bool, len(s.points)), make([]uint64, len(s.points)), nil}
	for _, t := range s.triangles {
		k.used[t[0]], k.used[t[1]], k.used[t[2]] = true, true, true
	}
	for i, p := range s.points {
		k.hashes[i] = hashPoint(p)
	}
	return k
}

// whole returns the triangles of which the other surface has all corners: no other can be in both.
func (s *surface) whole(k *known) map64 {
	n := 0
	for _, t := range s.triangles {
		if k.corners(t) {
			n++
		}
	}
	m := newMap64(n)
	for _, t := range s.triangles {
		if k.corners(t) {
			m.add(k.ring(t))
		}
	}
	return m
}

func (k *known) corners(t [3]uint32) bool {
	return k.vertices[t[0]] && k.vertices[t[1]] && k.vertices[t[2]]
}

func (k *known) ring(t [3]uint32) uint64 {
	return ring(k.hashes[t[0]], k.hashes[t[1]], k.hashes[t[2]])
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

// from measures the distance of s from another surface, of which t is; k is what s has in common with it.
func (s *surface) from(ctx context.Context, k *known, t *tree, samples int) (far, error) {
	out := far{vertices: make([]float32, len(s.points)), hints: make([]uint32, len(s.points))}
	hint := uint32(math.MaxUint32)
	square := 0.0
	most := -1.0
	for i, p := range s.points {
		if i%(1<<12) == 0 {
			if err := ctx.Err(); err != nil {
				return far{}, err
			}
		}
		if !k.used[i] || k.vertices[i] || !finite(p) {
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
	areas := make([]float64, len(s.triangles))
	for i, c := range s.triangles {
		areas[i] = s.area(c)
		total += areas[i]
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
		if a := areas[i]; a == a {
			passed += a
		}
		whole := -1 // whether the triangle is known, once asked
		for len(all) < samples && (float64(len(all))+0.5)/float64(samples)*total <= passed {
			if whole < 0 {
				whole = 0
				if k.corners(c) && k.triangles.has(k.ring(c)) {
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
	nx, ny, nz := normal(&s.points[t[0]], &s.points[t[1]], &s.points[t[2]])
	return math.Sqrt(nx*nx+ny*ny+nz*nz) / 2
}

// normal is that of a triangle, twice as long as its area. Numbers stay in registers, where vectors do not: what looks at
// every triangle of a million is written so.
func normal(a, b, c *vector) (x, y, z float64) {
	ex, ey, ez := b[0]-a[0], b[1]-a[1], b[2]-a[2]
	fx, fy, fz := c[0]-a[0], c[1]-a[1], c[2]-a[2]
	return ey*fz - ez*fy, ez*fx - ex*fz, ex*fy - ey*fx
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
	ofOld, ofNew := knownOf(&a, &b)
	done := make(chan struct{})
	go func() {
		defer close(done)
		forth, failed = a.against(ctx, &b, &ofOld, samples)
	}()
	back, err = b.against(ctx, &a, &ofNew, samples)
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

// against measures s from another surface, with which it has k in common.
func (s *surface) against(ctx context.Context, o *surface, k *known, samples int) (far, error) {
	t, err := newTree(ctx, o.points, o.triangles)
	if err != nil {
		return far{}, err
	}
	return s.from(ctx, k, t, samples)
}
