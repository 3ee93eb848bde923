package mesh

import (
	"errors"
	"fmt"
	"math"
)

// ErrInvalid says that a mesh is none: a triangle has a corner that is not there, or a slice has the wrong length.
var ErrInvalid = errors.New("invalid mesh")

// ErrLimit says that a model asks for more memory or time than it is given.
var ErrLimit = errors.New("mesh too large")

// Bounds is a box along the axes. The zero value is a point at the origin; use [Nowhere] to begin a union.
type Bounds struct {
	Min, Max [3]float64
}

// Nowhere are bounds that hold nothing.
func Nowhere() Bounds {
	i := math.Inf(1)
	return Bounds{[3]float64{i, i, i}, [3]float64{-i, -i, -i}}
}

// Empty reports whether nothing is within.
func (b Bounds) Empty() bool {
	return !(b.Min[0] <= b.Max[0] && b.Min[1] <= b.Max[1] && b.Min[2] <= b.Max[2])
}

// Add makes the bounds hold a point; one that is not finite is nowhere.
func (b *Bounds) Add(p [3]float64) {
	if !finite(p) {
		return
	}
	b.Min[0], b.Max[0] = widen(b.Min[0], b.Max[0], p[0])
	b.Min[1], b.Max[1] = widen(b.Min[1], b.Max[1], p[1])
	b.Min[2], b.Max[2] = widen(b.Min[2], b.Max[2], p[2])
}

// Union returns bounds that hold both.
func (b Bounds) Union(o Bounds) Bounds {
	if o.Empty() {
		return b
	}
	b.Add(o.Min)
	b.Add(o.Max)
	return b
}

// Center returns the middle.
func (b Bounds) Center() [3]float64 { return scale(add(b.Min, b.Max), 0.5) }

// Diagonal returns the length from corner to corner; 0 of nothing.
func (b Bounds) Diagonal() float64 {
	if b.Empty() {
		return 0
	}
	return length(sub(b.Max, b.Min))
}

// Slice returns x0 y0 z0 x1 y1 z1; nil of nothing.
func (b Bounds) Slice() []float64 {
	if b.Empty() {
		return nil
	}
	return []float64{b.Min[0], b.Min[1], b.Min[2], b.Max[0], b.Max[1], b.Max[2]}
}

// Bounds returns the box of the mesh as it is placed by at. Vertices that no triangle has count where there are no
// triangles at all: then they are a cloud of points.
func (m *Mesh) Bounds(at Matrix) Bounds {
	b := Nowhere()
	if len(m.Triangles) == 0 {
		for _, p := range m.Positions {
			b.Add(at.Point(p))
		}
		return b
	}
	used := make([]bool, len(m.Positions))
	for _, t := range m.Triangles {
		for _, i := range t {
			if int(i) < len(used) {
				used[i] = true
			}
		}
	}
	lx, ly, lz, hx, hy, hz := b.Min[0], b.Min[1], b.Min[2], b.Max[0], b.Max[1], b.Max[2]
	for i := range m.Positions { // as Add does it: numbers, not vectors, stay in registers
		p := at.Point(m.Positions[i])
		if used[i] && finite(p) {
			lx, hx = widen(lx, hx, p[0])
			ly, hy = widen(ly, hy, p[1])
			lz, hz = widen(lz, hz, p[2])
		}
	}
	return Bounds{vector{lx, ly, lz}, vector{hx, hy, hz}}
}

// Bounds returns the box of all objects.
func (m *Model) Bounds() Bounds {
	b := Nowhere()
	for i := range m.Objects {
		if o := &m.Objects[i]; o.Mesh != nil {
			b = b.Union(o.Mesh.Bounds(o.Transform))
		}
	}
	return b
}

// Check reports whether the slices of a mesh fit each other: else ErrInvalid, with what.
func (m *Mesh) Check() error {
	n := len(m.Positions)
	if int64(n) > math.MaxUint32 || int64(len(m.Triangles)) >= math.MaxUint32 {
		return fmt.Errorf("%w: %d vertices, %d triangles", ErrLimit, n, len(m.Triangles))
	}
	for _, k := range []int{len(m.Normals), len(m.UVs), len(m.Colors)} {
		if k != 0 && k != n {
			return fmt.Errorf("%w: %d normals, %d UVs, %d colours for %d vertices", ErrInvalid, len(m.Normals), len(m.UVs), len(m.Colors), n)
		}
	}
	for i, t := range m.Triangles {
		if int(max(t[0], t[1], t[2])) >= n {
			return fmt.Errorf("%w: triangle %d has the corners %d of %d vertices", ErrInvalid, i, t, n)
		}
	}
	end := 0
	for _, g := range m.Groups {
		if g.First < end || g.Count < 0 || g.First > len(m.Triangles) || g.Count > len(m.Triangles)-g.First {
			return fmt.Errorf("%w: group %+v of %d triangles", ErrInvalid, g, len(m.Triangles))
		}
		end = g.First + g.Count
	}
	return nil
}

// Check reports whether all meshes of a model are such.
func (m *Model) Check() error {
	for i := range m.Objects {
		o := &m.Objects[i]
		if o.Mesh == nil {
			continue
		}
		if err := o.Mesh.Check(); err != nil {
			return fmt.Errorf("object %q: %w", o.Name, err)
		}
	}
	return nil
}

// Camera looks at a model in perspective.
type Camera struct {
	Eye, Target [3]float64
	Up          [3]float64 // about; need not be at right angles
	Field       float64    // angle of the shorter side of the picture, in radians
}

const (
	field  = 30 * math.Pi / 180
	margin = 0.94 // of the shorter side, that the bounds fill
)

// CameraOf returns a camera that sees all of bounds from the front, the right and above. up is an axis as of
// Model.Up; 0 is Y. Kept with a file, it shows every version of it from the same place.
func CameraOf(b Bounds, up byte) Camera {
	c := Camera{Field: field}
	var side vector
	switch up {
	case 'X':
		c.Up, side = vector{1, 0, 0}, vector{0.45, 0.6, 1}
	case 'Z': // the front is where Y is smallest
		c.Up, side = vector{0, 0, 1}, vector{0.6, -1, 0.45}
	default: // the front is where Z is largest
		c.Up, side = vector{0, 1, 0}, vector{0.6, 0.45, 1}
	}
	side = unit(side)
	if b.Empty() {
		b = Bounds{}
	}
	c.Target = b.Center()
	size := b.Diagonal()
	if !(size > 0) || math.IsInf(size, 0) {
		c.Eye = add(c.Target, scale(side, 1+length(c.Target)*1e-6))
		return c
	}
	for range 4 { // in perspective, what is near is larger: shift until both sides have the same room
		distance := c.fit(b, side)
		c.Eye = add(c.Target, scale(side, distance))
		right, above, ahead := c.axes()
		x0, x1, y0, y1 := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
		for _, p := range b.corners() {
			r := sub(p, c.Eye)
			d := dot(r, ahead)
			x0, x1 = min(x0, dot(r, right)/d), max(x1, dot(r, right)/d)
			y0, y1 = min(y0, dot(r, above)/d), max(y1, dot(r, above)/d)
		}
		c.Target = add(c.Target, add(scale(right, (x0+x1)/2*distance), scale(above, (y0+y1)/2*distance)))
	}
	c.Eye = add(c.Target, scale(side, c.fit(b, side)))
	return c
}

// fit returns how far from the target, to a side, the eye sees all corners.
func (c *Camera) fit(b Bounds, side vector) float64 {
	c.Eye = add(c.Target, side)
	right, above, ahead := c.axes()
	t := math.Tan(c.Field/2) * margin
	distance := 0.0
	for _, p := range b.corners() {
		r := sub(p, c.Target)
		distance = max(distance, max(math.Abs(dot(r, right)), math.Abs(dot(r, above)))/t-dot(r, ahead))
	}
	return distance
}

// axes returns the directions of the picture: to its right, to its top, into it.
func (c *Camera) axes() (right, above, ahead vector) {
	ahead = unit(sub(c.Target, c.Eye))
	right = unit(cross(ahead, c.Up))
	return right, cross(right, ahead), ahead
}

func (b Bounds) corners() (out [8]vector) {
	for i := range out {
		for k := range 3 {
			out[i][k] = b.Min[k]
			if i>>k&1 != 0 {
				out[i][k] = b.Max[k]
			}
		}
	}
	return out
}

// Placed returns the box of the corners as at places them.
func (b Bounds) Placed(at Matrix) Bounds {
	out := Nowhere()
	if b.Empty() {
		return out
	}
	for _, p := range b.corners() {
		out.Add(at.Point(p))
	}
	return out
}
