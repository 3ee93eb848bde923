package mesh

import (
	"context"
	"math"
	"slices"
)

// quantile returns the value below which a share of all is.
func quantile(all []float64, share float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// moments of a surface: how large it is, where its middle is, and how it spreads about it.
type moments struct {
	area   float64
	facing vector // sum of the normals by area
	volume float64
	middle vector
	values []float64   // of the spread, largest first
	axes   [][]float64 // along which it spreads
}

func (s *surface) moments() moments {
	var m moments
	for _, t := range s.triangles {
		a := s.area(t)
		m.area += a
		m.middle = add(m.middle, scale(add(add(s.points[t[0]], s.points[t[1]]), s.points[t[2]]), a/3))
	}
	m.middle = scale(m.middle, 1/m.area)
	spread := [][]float64{make([]float64, 3), make([]float64, 3), make([]float64, 3)}
	for _, t := range s.triangles {
		w := s.area(t) / 12 / m.area
		a, b, c := sub(s.points[t[0]], m.middle), sub(s.points[t[1]], m.middle), sub(s.points[t[2]], m.middle)
		m.facing = add(m.facing, scale(cross(sub(b, a), sub(c, a)), 0.5))
		m.volume += dot(a, cross(b, c)) / 6
		sum := add(add(a, b), c)
		for i := range 3 {
			for k := range 3 {
				spread[i][k] += w * (a[i]*a[k] + b[i]*b[k] + c[i]*c[k] + sum[i]*sum[k])
			}
		}
	}
	m.values, m.axes = eigen(spread)
	return m
}

// turned finds, for surfaces whose triangles come in another order, a similarity that brings all of one onto the other; nil
// if there is none. Middle and axes of spread tell where to look; then every vertex is asked. A shape that spreads alike
// along two axes is found only where it was not turned.
func (c *comparer) turned(ctx context.Context, a, b *facts, tolerance float64) (*similarity, error) {
	if len(a.Mesh.Triangles) != len(b.Mesh.Triangles) || len(a.Mesh.Triangles) == 0 || tolerance == 0 {
		return nil, nil
	}
	sa, sb := surfaceOf(a.Mesh, &a.Transform), surfaceOf(b.Mesh, &b.Transform)
	ma, mb := sa.moments(), sb.moments()
	f := similarity{a: ma.middle, b: mb.middle, s: math.Sqrt(mb.area / ma.area)}
	for k := range 3 {
		// the spread goes with the square of lengths; rounding of positions is up to the tolerance
		if !(math.Abs(ma.values[k]*f.s*f.s-mb.values[k]) <= 1e-4*mb.values[0]) {
			return nil, nil
		}
	}
	if !(f.s > 0) || sa.shares(&sb) {
		return nil, nil
	}
	ta, err := newTree(ctx, sa.points, sa.triangles)
	if err != nil {
		return nil, err
	}
	tb, err := newTree(ctx, sb.points, sb.triangles)
	if err != nil {
		return nil, err
	}
	for _, r := range rotations(&ma, &mb) {
		f.r = r
		if !alikeFacing(&f, &ma, &mb) || !onto(&f, &sa, tb, tolerance) {
			continue
		}
		back := similarity{a: f.b, b: f.a, s: 1 / f.s}
		for i := range 3 {
			for k := range 3 {
				back.r[i][k] = f.r[k][i]
			}
		}
		if onto(&back, &sb, ta, tolerance/f.s) {
			return &f, nil
		}
	}
	return nil, ctx.Err()
}

// shares reports whether half of the vertices are where one of the other's is: then the rest was edited, and not all
// of it moved. Of many, the same few places of both are looked at: those whose hash is small.
func (s *surface) shares(o *surface) bool {
	few := uint64(max(1, len(s.points)/4096))
	has := map[uint64]bool{}
	for _, p := range s.points {
		if h := hashPoint(p); h%few == 0 {
			has[h] = true
		}
	}
	n, all := 0, 0
	for _, p := range o.points {
		if h := hashPoint(p); h%few == 0 {
			all++
			if has[h] {
				n++
			}
		}
	}
	return 2*n > all
}

// still reports whether, of two surfaces that are near each other everywhere, the one is the other: in as many triangles
// and with the same side out.
func still(a, b *surface) bool {
	if len(a.triangles) != len(b.triangles) {
		return false
	}
	ma, mb := a.moments(), b.moments()
	f := similarity{a: ma.middle, b: mb.middle, s: 1, r: [3]vector{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}
	return alikeFacing(&f, &ma, &mb)
}

// rotations that may bring one spread onto another: none at all, and the four that lay axis on axis.
func rotations(a, b *moments) [][3]vector {
	out := [][3]vector{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}
	axes := func(m *moments) [3]vector {
		x, y := vector(m.axes[0]), vector(m.axes[1])
		return [3]vector{x, y, cross(x, y)}
	}
	ea, eb := axes(a), axes(b)
	for _, sign := range []vector{{1, 1, 1}, {1, -1, -1}, {-1, 1, -1}, {-1, -1, 1}} {
		var r [3]vector
		for col := range 3 {
			for k := range 3 {
				r[col] = add(r[col], scale(eb[k], sign[k]*ea[k][col]))
			}
		}
		out = append(out, r)
	}
	return out
}

// alikeFacing reports whether the outside of one surface becomes that of the other.
func alikeFacing(f *similarity, a, b *moments) bool {
	s := f.s * f.s
	turned := add(scale(f.r[0], a.facing[0]), add(scale(f.r[1], a.facing[1]), scale(f.r[2], a.facing[2])))
	return length(sub(scale(turned, s), b.facing)) <= 1e-3*b.area && math.Abs(a.volume*s*f.s-b.volume) <= 1e-3*b.area*math.Sqrt(b.area)
}

// onto reports whether every vertex of s comes to lie on the surface of t.
func onto(f *similarity, s *surface, t *tree, tolerance float64) bool {
	hint := uint32(math.MaxUint32)
	used := make([]bool, len(s.points))
	for _, c := range s.triangles {
		for _, i := range c {
			if used[i] {
				continue
			}
			used[i] = true
			var square float64
			if square, hint = t.nearest(f.apply(s.points[i]), hint); !(square <= tolerance*tolerance) {
				return false
			}
		}
	}
	return true
}
