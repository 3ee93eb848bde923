package shape

import (
	"context"
	"errors"
	"fmt"
	"math"

	"varve/format"
	"varve/format/mesh"
)

// maxClip bounds the corners of polygons that are cut well; those of more become a fan.
const maxClip = 512

// Triangles appends the triangles of a polygon: positions in points of its corners, which at gives the places of. A
// polygon that is not convex is cut so that nothing lies outside of it.
func Triangles(out [][3]uint32, polygon []uint32, at func(uint32) [3]float64) [][3]uint32 {
	n := len(polygon)
	if n < 3 {
		return out
	}
	if n == 3 {
		return append(out, [3]uint32{polygon[0], polygon[1], polygon[2]})
	}
	flat, convex := project(polygon, at)
	if convex || n > maxClip {
		for i := 1; i+1 < n; i++ {
			out = append(out, [3]uint32{polygon[0], polygon[i], polygon[i+1]})
		}
		return out
	}
	return clip(out, polygon, flat)
}

// project returns the corners on the plane of a polygon, counter-clockwise, and whether it is convex.
func project(polygon []uint32, at func(uint32) [3]float64) (flat [][2]float64, convex bool) {
	var normal [3]float64
	prev := at(polygon[len(polygon)-1])
	for _, v := range polygon {
		p := at(v)
		for k := range 3 {
			i, j := (k+1)%3, (k+2)%3
			normal[k] += (prev[i] - p[i]) * (prev[j] + p[j])
		}
		prev = p
	}
	axis := 0
	for k := range 3 {
		if math.Abs(normal[k]) > math.Abs(normal[axis]) {
			axis = k
		}
	}
	x, y := (axis+1)%3, (axis+2)%3
	if normal[axis] < 0 {
		x, y = y, x
	}
	flat = make([][2]float64, len(polygon))
	for i, v := range polygon {
		p := at(v)
		flat[i] = [2]float64{p[x], p[y]}
	}
	for i := range flat {
		if turn(flat[i], flat[(i+1)%len(flat)], flat[(i+2)%len(flat)]) < 0 {
			return flat, false
		}
	}
	return flat, true
}

// turn is twice the area of a triangle, negative if it is clockwise.
func turn(a, b, c [2]float64) float64 {
	return (b[0]-a[0])*(c[1]-a[1]) - (b[1]-a[1])*(c[0]-a[0])
}

// clip cuts off ears until a triangle is left.
func clip(out [][3]uint32, polygon []uint32, flat [][2]float64) [][3]uint32 {
	rest := make([]int, len(polygon))
	for i := range rest {
		rest[i] = i
	}
	for len(rest) > 3 {
		best := 0
		for i := range rest {
			if ear(rest, flat, i) {
				best = i
				break
			}
		}
		n := len(rest)
		a, b, c := rest[(best+n-1)%n], rest[best], rest[(best+1)%n]
		out = append(out, [3]uint32{polygon[a], polygon[b], polygon[c]})
		rest = append(rest[:best], rest[best+1:]...)
	}
	return append(out, [3]uint32{polygon[rest[0]], polygon[rest[1]], polygon[rest[2]]})
}

func ear(rest []int, flat [][2]float64, i int) bool {
	n := len(rest)
	a, b, c := flat[rest[(i+n-1)%n]], flat[rest[i]], flat[rest[(i+1)%n]]
	if turn(a, b, c) <= 0 {
		return false
	}
	for k := range rest {
		p := flat[rest[k]]
		if p == a || p == b || p == c {
			continue
		}
		if turn(a, b, p) >= 0 && turn(b, c, p) >= 0 && turn(c, a, p) >= 0 {
			return false
		}
	}
	return true
}

// Picture draws a model: size×size pixels. note is what it does not show.
func Picture(ctx context.Context, m *mesh.Model, size int, note string) (*format.Picture, error) {
	b := m.Bounds()
	if b.Empty() {
		return nil, format.Unsupported("a file without a surface has no picture")
	}
	size = min(max(size, 16), 4096)
	p, err := mesh.Render(ctx, m, mesh.CameraOf(b, m.Up), size, size)
	switch {
	case errors.Is(err, mesh.ErrInvalid):
		return nil, fmt.Errorf("%w: %w", format.ErrMalformed, err)
	case errors.Is(err, mesh.ErrLimit):
		return nil, fmt.Errorf("%w: %w", format.ErrLimit, err)
	case err != nil:
		return nil, err
	}
	if lost := m.Untextured(); note == "" {
		note = lost
	} else if lost != "" {
		note += ", " + lost
	}
	return &format.Picture{Image: p, Source: format.Rendered, Note: note}, nil
}
