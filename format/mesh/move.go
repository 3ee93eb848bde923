package mesh

import "math"

// Move is how something came to another place without another shape: scaled, then turned, then shifted.
type Move struct {
	Translation [3]float64 // of its origin; of a mesh whose vertices were moved, of their middle
	Axis        [3]float64 // of the rotation, of length 1; zeros without one
	Angle       float64    // in radians, 0 to π
	Scale       [3]float64 // along its own axes; 1 is none
}

// between returns the move from one transform to another.
func between(a, b *Matrix) Move {
	ra, sa := a.turned()
	rb, sb := b.turned()
	m := Move{Translation: sub(vector{b[12], b[13], b[14]}, vector{a[12], a[13], a[14]})}
	var r [3]vector // columns of rb·raᵀ
	for col := range 3 {
		for k := range 3 {
			r[col] = add(r[col], scale(rb[k], ra[k][col]))
		}
	}
	m.Axis, m.Angle = axisAngle(r)
	for k := range 3 {
		m.Scale[k] = 1
		if sa[k] != 0 {
			m.Scale[k] = sb[k] / sa[k]
		}
	}
	return m
}

// turned returns the axes of a transform at right angles to each other, right-handed, and how long they are. Where it
// mirrors, the first is so by a length below 0.
func (m *Matrix) turned() (axes [3]vector, size [3]float64) {
	for k := range 3 {
		axes[k] = vector{m[4*k], m[4*k+1], m[4*k+2]}
		size[k] = length(axes[k])
	}
	if m.determinant() < 0 {
		size[0] = -size[0]
		axes[0] = scale(axes[0], -1)
	}
	axes[0] = unit(axes[0])
	axes[1] = unit(sub(axes[1], scale(axes[0], dot(axes[0], axes[1]))))
	axes[2] = cross(axes[0], axes[1])
	return axes, size
}

// axisAngle of a rotation, given by its columns.
func axisAngle(r [3]vector) (vector, float64) {
	v := vector{r[1][2] - r[2][1], r[2][0] - r[0][2], r[0][1] - r[1][0]}
	twice := r[0][0] + r[1][1] + r[2][2] - 1
	angle := math.Atan2(length(v), twice)
	if angle < 1e-7 {
		return vector{}, 0
	}
	if twice > -1.9 {
		return unit(v), angle
	}
	// near half a turn: the axis is the column of r+1 that is longest
	best := vector{}
	for k := range 3 {
		c := r[k]
		c[k]++
		if dot(c, c) > dot(best, best) {
			best = c
		}
	}
	if dot(best, v) < 0 {
		best = scale(best, -1)
	}
	return unit(best), angle
}

// alike reports whether two transforms put a mesh of a size at the same place, but for rounding.
func alike(a, b *Matrix, size, tolerance float64) bool {
	scaleOf := 0.0
	for i := range 12 {
		scaleOf = max(scaleOf, math.Abs(a[i]))
	}
	far := size*scaleOf + math.Abs(a[12]) + math.Abs(a[13]) + math.Abs(a[14])
	for i := range 15 {
		most := tolerance * scaleOf
		if i >= 12 {
			most = tolerance * far
		}
		if !(math.Abs(a[i]-b[i]) <= most) {
			return false
		}
	}
	return true
}

// similarity is x ↦ b + s·R(x-a).
type similarity struct {
	a, b vector
	s    float64
	r    [3]vector // columns
}

func (f *similarity) apply(p vector) vector {
	d := scale(sub(p, f.a), f.s)
	return add(f.b, add(scale(f.r[0], d[0]), add(scale(f.r[1], d[1]), scale(f.r[2], d[2]))))
}

func (f *similarity) move() Move {
	m := Move{Translation: sub(f.b, f.a), Scale: vector{f.s, f.s, f.s}}
	m.Axis, m.Angle = axisAngle(f.r)
	return m
}

// still reports whether it leaves points about as far away as size where they are.
func (f *similarity) still(size, tolerance float64) bool {
	for k := range 3 {
		p := f.a
		p[k] += size
		if !(length(sub(f.apply(p), p)) <= tolerance) {
			return false
		}
	}
	return length(sub(f.a, f.b)) <= tolerance
}

// fitted returns the similarity that brings points nearest to others, each to its own, by least squares: the rotation is
// the quaternion that is the first eigenvector of a matrix of their products.
func fitted(from, to []vector) similarity {
	f := similarity{s: 1, r: [3]vector{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}
	n := 1 / float64(len(from))
	for i := range from {
		f.a, f.b = add(f.a, scale(from[i], n)), add(f.b, scale(to[i], n))
	}
	var m [3][3]float64
	var va, vb float64
	for i := range from {
		p, q := sub(from[i], f.a), sub(to[i], f.b)
		va, vb = va+dot(p, p), vb+dot(q, q)
		for r := range 3 {
			for c := range 3 {
				m[r][c] += p[r] * q[c]
			}
		}
	}
	if !(va > 0) || !(vb > 0) || math.IsInf(va+vb, 0) {
		return f
	}
	f.s = math.Sqrt(vb / va)
	_, v := eigen([][]float64{
		{m[0][0] + m[1][1] + m[2][2], m[1][2] - m[2][1], m[2][0] - m[0][2], m[0][1] - m[1][0]},
		{m[1][2] - m[2][1], m[0][0] - m[1][1] - m[2][2], m[0][1] + m[1][0], m[2][0] + m[0][2]},
		{m[2][0] - m[0][2], m[0][1] + m[1][0], m[1][1] - m[0][0] - m[2][2], m[1][2] + m[2][1]},
		{m[0][1] - m[1][0], m[2][0] + m[0][2], m[1][2] + m[2][1], m[2][2] - m[0][0] - m[1][1]},
	})
	w, x, y, z := v[0][0], v[0][1], v[0][2], v[0][3]
	f.r = [3]vector{
		{1 - 2*(y*y+z*z), 2 * (x*y + w*z), 2 * (x*z - w*y)},
		{2 * (x*y - w*z), 1 - 2*(x*x+z*z), 2 * (y*z + w*x)},
		{2 * (x*z + w*y), 2 * (y*z - w*x), 1 - 2*(x*x+y*y)},
	}
	return f
}

// eigen returns the eigenvalues of a symmetric matrix, largest first, and their vectors, by rotations of Jacobi.
func eigen(m [][]float64) (values []float64, vectors [][]float64) {
	n := len(m)
	vectors = make([][]float64, n)
	for i := range vectors {
		vectors[i] = make([]float64, n)
		vectors[i][i] = 1
	}
	for range 50 {
		off, all := 0.0, 0.0
		for p := range n {
			for q := range n {
				all += m[p][q] * m[p][q]
				if p != q {
					off += m[p][q] * m[p][q]
				}
			}
		}
		if !(off > 1e-30*all) {
			break
		}
		for p := range n {
			for q := p + 1; q < n; q++ {
				rotate(m, vectors, p, q)
			}
		}
	}
	for i := range n {
		for k := i + 1; k < n; k++ {
			if m[k][k] > m[i][i] {
				m[i][i], m[k][k] = m[k][k], m[i][i]
				vectors[i], vectors[k] = vectors[k], vectors[i]
			}
		}
		values = append(values, m[i][i])
	}
	return values, vectors
}

// rotate makes m[p][q] zero; rows of vectors are the eigenvectors.
func rotate(m, vectors [][]float64, p, q int) {
	if m[p][q] == 0 {
		return
	}
	theta := (m[q][q] - m[p][p]) / (2 * m[p][q])
	t := 1 / (math.Abs(theta) + math.Sqrt(theta*theta+1))
	if theta < 0 {
		t = -t
	}
	c := 1 / math.Sqrt(t*t+1)
	s := t * c
	for k := range m {
		m[k][p], m[k][q] = c*m[k][p]-s*m[k][q], s*m[k][p]+c*m[k][q]
	}
	for k := range m {
		m[p][k], m[q][k] = c*m[p][k]-s*m[q][k], s*m[p][k]+c*m[q][k]
		vectors[p][k], vectors[q][k] = c*vectors[p][k]-s*vectors[q][k], s*vectors[p][k]+c*vectors[q][k]
	}
}
