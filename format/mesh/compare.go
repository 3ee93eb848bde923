package mesh

import (
	"context"
	"fmt"
	"math"
)

// Options of a comparison. The zero value is for all uses.
type Options struct {
	Samples   int     // on each surface that needs a search; 0: 100,000
	Tolerance float64 // distance, in diagonals of an object, that is rounding; 0: one millionth, below 0: none
}

// Verdict says in one word what became of an object: of several that hold the first in this order.
type Verdict string

const (
	Added      Verdict = "added"
	Removed    Verdict = "removed"
	Changed    Verdict = "changed"    // another shape
	Moved      Verdict = "moved"      // the same shape at another place, turned or scaled
	Attributes Verdict = "attributes" // other normals, texture coordinates or colours on the same shape
	Painted    Verdict = "material"   // other materials, and nothing else
	Renamed    Verdict = "renamed"
	Same       Verdict = "same"
)

// Pair is an object and what became of it.
type Pair struct {
	A, B       int // positions in the objects of the older and the newer model; -1: not there
	Name       string
	Verdict    Verdict
	Renamed    bool
	Move       *Move      // if it was moved, by its transform or by its vertices; else nil
	Attributes []string   // normals, uvs, colors, materials: those that differ on a shape that does not
	Deviation  *Deviation // of another shape, or of one that was only rounded
	Note       string     // what a user should know: how it was rounded or reordered

	// DistancesA and DistancesB are of each vertex from the other mesh; nil if there are none.
	DistancesA, DistancesB []float32
}

// Comparison is what differs between two models.
type Comparison struct {
	Pairs []Pair // in the order of the newer model; what was removed from it at the end
	Size  float64
}

// Same reports whether nothing differs.
func (c *Comparison) Same() bool {
	for i := range c.Pairs {
		if c.Pairs[i].Verdict != Same {
			return false
		}
	}
	return true
}

// Largest returns the largest distance between shapes that were changed.
func (c *Comparison) Largest() float64 {
	most := 0.0
	for i := range c.Pairs {
		if p := &c.Pairs[i]; p.Verdict == Changed && p.Deviation != nil {
			most = max(most, p.Deviation.Hausdorff())
		}
	}
	return most
}

// Compare finds what became of each object of a in b. The order of objects, triangles and vertices, and how corners share
// vertices, is no difference. It takes memory for one pair of meshes at a time, some 200 bytes a triangle, and four bytes
// for each vertex of what differs. ErrInvalid, ErrLimit.
func Compare(ctx context.Context, a, b *Model, o Options) (*Comparison, error) {
	for _, m := range []*Model{a, b} {
		if err := m.Check(); err != nil {
			return nil, err
		}
	}
	if o.Samples <= 0 {
		o.Samples = 100_000
	}
	switch {
	case o.Tolerance == 0:
		o.Tolerance = 1e-6
	case o.Tolerance < 0:
		o.Tolerance = 0
	}
	c := &comparer{Options: o, a: a, b: b, found: map[question]answer{}}
	fa, err := factsOf(ctx, a)
	if err != nil {
		return nil, err
	}
	fb, err := factsOf(ctx, b)
	if err != nil {
		return nil, err
	}
	m := pair(fa, fb)
	out := &Comparison{Size: boundsOf(fa).Union(boundsOf(fb)).Diagonal()}
	for i := range fb {
		k := m.ofB[i]
		if k < 0 {
			out.Pairs = append(out.Pairs, Pair{A: -1, B: i, Name: fb[i].Name, Verdict: Added})
			continue
		}
		p, err := c.compare(ctx, &fa[k], &fb[i])
		if err != nil {
			return nil, fmt.Errorf("object %q: %w", fb[i].Name, err)
		}
		p.A, p.B = k, i
		out.Pairs = append(out.Pairs, *p)
	}
	for i := range fa {
		if m.ofA[i] < 0 {
			out.Pairs = append(out.Pairs, Pair{A: i, B: -1, Name: fa[i].Name, Verdict: Removed})
		}
	}
	return out, nil
}

// factsOf reckons once for each mesh what several objects may share.
func factsOf(ctx context.Context, m *Model) ([]facts, error) {
	made := map[*Mesh]*prints{}
	out := make([]facts, len(m.Objects))
	none := &Mesh{}
	for i := range m.Objects {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o := m.Objects[i]
		if o.Mesh == nil {
			o.Mesh = none
		}
		if made[o.Mesh] == nil {
			p := printsOf(o.Mesh, m.Materials)
			made[o.Mesh] = &p
		}
		out[i] = facts{&o, made[o.Mesh], o.Mesh.Bounds(o.Transform)}
	}
	return out, nil
}

// boundsOf is the box of a model's objects.
func boundsOf(all []facts) Bounds {
	b := Nowhere()
	for i := range all {
		b = b.Union(all[i].bounds)
	}
	return b
}

type comparer struct {
	Options
	a, b  *Model
	found map[question]answer
}

// question is what was compared, for objects of one mesh: how they are turned, not where they are.
type question struct {
	a, b *Mesh
	at   [12]float64
}

type answer struct {
	deviation *Deviation
	ofA, ofB  []float32
}

func (c *comparer) compare(ctx context.Context, a, b *facts) (*Pair, error) {
	p := &Pair{Name: b.Name, Renamed: a.Name != b.Name, Verdict: Same}
	moved := a.Transform != b.Transform && !alike(&a.Transform, &b.Transform, b.Mesh.Bounds(Identity()).Diagonal(), max(c.Tolerance, 1e-12))
	var err error
	if a.prints.shape == b.prints.shape {
		if moved {
			m := between(&a.Transform, &b.Transform)
			p.Move = &m
		}
		p.Attributes = a.prints.differ(b.prints)
	} else if a.prints.unsided == b.prints.unsided {
		p.Verdict, p.Deviation, p.Note = Changed, &Deviation{Exact: true}, "faces were turned around"
		if moved {
			m := between(&a.Transform, &b.Transform)
			p.Move = &m
		}
	} else {
		err = c.shapes(ctx, p, a, b, moved)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case p.Verdict == Changed:
	case p.Move != nil:
		p.Verdict = Moved
	case len(p.Attributes) == 1 && p.Attributes[0] == "materials":
		p.Verdict = Painted
	case len(p.Attributes) > 0:
		p.Verdict = Attributes
	case p.Renamed:
		p.Verdict = Renamed
	}
	return p, nil
}

// differ lists the attributes that are not the same.
func (p *prints) differ(o *prints) (out []string) {
	for _, x := range []struct {
		name string
		a, b [2]uint64
	}{{"normals", p.normals, o.normals}, {"uvs", p.uvs, o.uvs}, {"colors", p.colors, o.colors}, {"materials", p.materials, o.materials}} {
		if x.a != x.b {
			out = append(out, x.name)
		}
	}
	return out
}

// shapes compares meshes that are not the same: perhaps they are, but for rounding or a move of all vertices.
func (c *comparer) shapes(ctx context.Context, p *Pair, a, b *facts, moved bool) error {
	inWorld := max(a.bounds.Diagonal(), b.bounds.Diagonal())
	tolerance := c.Tolerance * inWorld
	from, to := counterparts(a.Mesh, b.Mesh)
	if from != nil {
		worldA, worldB := placed(a, from), placed(b, to)
		if err := ctx.Err(); err != nil {
			return err
		}
		fit := fitted(worldA, worldB)
		if within(&fit, worldA, worldB, tolerance) {
			c.rigid(p, &fit, inWorld, tolerance, moved)
			return nil
		}
		if moved { // the shape, as it is placed now
			worldA = placed(&facts{Object: &Object{Mesh: a.Mesh, Transform: b.Transform}}, from)
		}
		p.Verdict = Changed
		p.displaced(a, b, from, to, worldA, worldB, tolerance)
	} else {
		fit, err := c.turned(ctx, a, b, tolerance)
		if err != nil {
			return err
		}
		if fit != nil {
			c.rigid(p, fit, inWorld, tolerance, moved)
			if p.Move == nil && !moved {
				p.Note = recut
			}
			return nil
		}
		p.Verdict = Changed
		if err := c.search(ctx, p, a, b); err != nil {
			return err
		}
		if d := p.Deviation; d != nil && tolerance > 0 && d.Hausdorff() <= tolerance {
			sa, sb := surfaceOf(a.Mesh, &b.Transform), surfaceOf(b.Mesh, &b.Transform)
			if still(&sa, &sb) {
				p.Verdict, p.Note = Same, recut
			}
		}
	}
	if moved {
		m := between(&a.Transform, &b.Transform)
		p.Move = &m
	}
	return nil
}

const recut = "the same surface, rounded or cut into other triangles"

// rigid notes that all vertices went the same way.
func (c *comparer) rigid(p *Pair, fit *similarity, size, tolerance float64, moved bool) {
	p.Deviation = &Deviation{Exact: true}
	switch {
	case !fit.still(size, max(tolerance, 1e-9*size)):
		m := fit.move()
		p.Move = &m
		p.Note = "the vertices were moved, all of them alike"
	case moved:
		p.Note = "the transform was taken into the vertices"
	default:
		p.Note = "vertices differ by rounding"
	}
}

// counterparts returns vertices of a and those of b that they became: each place once. nil where triangles do not tell,
// because they are not the same ones in the same order, or because too few of them hang together to be sure.
func counterparts(a, b *Mesh) (from, to []uint32) {
	n := len(a.Triangles)
	if n == 0 || n != len(b.Triangles) {
		return nil, nil
	}
	if !begin(a, b) {
		return same(a, b)
	}
	wa, wb := a.weld(), b.weld()
	// number the places as the triangles come to them
	order := make([]uint32, len(wa.first))
	back := make([]uint32, len(wb.first))
	for i, ta := range a.Triangles {
		for k, u := range ta {
			v := b.Triangles[i][k]
			pa, pb := wa.point[u], wb.point[v]
			if order[pa] == 0 && back[pb] == 0 {
				from, to = append(from, u), append(to, v)
				order[pa], back[pb] = uint32(len(from)), uint32(len(from))
			} else if order[pa] != back[pb] {
				return same(a, b)
			}
		}
	}
	if 2*len(from) >= 3*n {
		return nil, nil
	}
	return from, to
}

// begin reports whether the first triangles of two meshes hang together alike: in most that are in another order, they
// do not, and the rest need not be looked at.
func begin(a, b *Mesh) bool {
	there, back := map[vector]vector{}, map[vector]vector{}
	for i := range min(256, len(a.Triangles)) {
		for k, u := range a.Triangles[i] {
			p, q := a.Positions[u], b.Positions[b.Triangles[i][k]]
			if to, ok := there[p]; ok && to != q {
				return false
			}
			if to, ok := back[q]; ok && to != p {
				return false
			}
			there[p], back[q] = q, p
		}
	}
	return true
}

// same returns all vertices, where two meshes have the same triangles over them, and many have several.
func same(a, b *Mesh) (from, to []uint32) {
	if len(a.Positions) != len(b.Positions) || 2*len(a.Positions) >= 3*len(a.Triangles) {
		return nil, nil
	}
	for i, t := range a.Triangles {
		if b.Triangles[i] != t {
			return nil, nil
		}
	}
	for i := range a.Positions {
		from = append(from, uint32(i))
	}
	return from, from
}

func placed(f *facts, vertices []uint32) []vector {
	out := make([]vector, len(vertices))
	for i, k := range vertices {
		out[i] = f.Transform.Point(f.Mesh.Positions[k])
	}
	return out
}

// within reports whether a similarity brings all points to their counterparts.
func within(f *similarity, from, to []vector, tolerance float64) bool {
	if !(f.s > 0) {
		return false
	}
	for i := range from {
		d := sub(f.apply(from[i]), to[i])
		if !(dot(d, d) <= tolerance*tolerance) {
			return false
		}
	}
	return true
}

// displaced notes how far each vertex went.
func (p *Pair) displaced(a, b *facts, from, to []uint32, worldA, worldB []vector, tolerance float64) {
	d := &Deviation{Exact: true}
	all := make([]float64, len(from))
	sum, squares := 0.0, 0.0
	for i := range worldA {
		x := length(sub(worldB[i], worldA[i]))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			x = 0
		}
		all[i] = x
		sum, squares = sum+x, squares+x*x
		if x > tolerance {
			d.Changed++
		}
		if x > d.Forth.Max {
			d.Forth.Max, d.Where = x, worldB[i]
		}
	}
	n := float64(len(all))
	d.Forth.Mean, d.Forth.RMS, d.Forth.P95 = sum/n, math.Sqrt(squares/n), quantile(all, 0.95)
	d.Back = d.Forth
	p.Deviation = d
	p.DistancesA, p.DistancesB = spreadTo(a.Mesh, from, worldA, worldB), spreadTo(b.Mesh, to, worldA, worldB)
}

// spreadTo gives the distance of a place to all vertices at it.
func spreadTo(m *Mesh, vertices []uint32, from, to []vector) []float32 {
	w := m.weld()
	of := make([]float32, len(w.first))
	for i, k := range vertices {
		of[w.point[k]] = max(of[w.point[k]], float32(length(sub(to[i], from[i]))))
	}
	out := make([]float32, len(m.Positions))
	for i := range out {
		out[i] = of[w.point[i]]
	}
	return out
}

// search measures the surfaces, both as the newer object is placed.
func (c *comparer) search(ctx context.Context, p *Pair, a, b *facts) error {
	q := question{a: a.Mesh, b: b.Mesh, at: [12]float64(b.Transform[:12])}
	found, ok := c.found[q]
	at := b.Transform
	shift := vector{at[12], at[13], at[14]}
	if !ok {
		at[12], at[13], at[14] = 0, 0, 0
		if len(a.Mesh.Positions) > 0 && len(b.Mesh.Positions) > 0 {
			d, ofA, ofB, err := apart(ctx, surfaceOf(a.Mesh, &at), surfaceOf(b.Mesh, &at), c.Samples)
			if err != nil {
				return err
			}
			found = answer{d, ofA, ofB}
		}
		c.found[q] = found
	}
	if found.deviation == nil {
		p.Note = "one of them is empty"
		return nil
	}
	d := *found.deviation
	d.Where = add(d.Where, shift)
	p.Deviation, p.DistancesA, p.DistancesB = &d, found.ofA, found.ofB
	return nil
}
