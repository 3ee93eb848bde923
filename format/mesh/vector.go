package mesh

import "math"

type vector = [3]float64

func add(a, b vector) vector { return vector{a[0] + b[0], a[1] + b[1], a[2] + b[2]} }

func sub(a, b vector) vector { return vector{a[0] - b[0], a[1] - b[1], a[2] - b[2]} }

func scale(a vector, s float64) vector { return vector{a[0] * s, a[1] * s, a[2] * s} }

func dot(a, b vector) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

func cross(a, b vector) vector {
	return vector{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

func length(a vector) float64 { return math.Sqrt(dot(a, a)) }

// unit returns a at length 1; zeros where it has no direction.
func unit(a vector) vector {
	n := length(a)
	if !(n > 0) || math.IsInf(n, 0) {
		return vector{}
	}
	return scale(a, 1/n)
}

// finite reports whether a number of a is neither infinite nor NaN.
func finite(a vector) bool {
	s := a[0] - a[0] + a[1] - a[1] + a[2] - a[2]
	return s == 0
}

// Point returns where a point comes to lie.
func (m *Matrix) Point(p [3]float64) [3]float64 {
	return vector{
		m[0]*p[0] + m[4]*p[1] + m[8]*p[2] + m[12],
		m[1]*p[0] + m[5]*p[1] + m[9]*p[2] + m[13],
		m[2]*p[0] + m[6]*p[1] + m[10]*p[2] + m[14],
	}
}

// normal returns where a normal comes to point, not of length 1: it is multiplied by the cofactors, so that it stays
// at right angles to its surface, and on the same side of it where the matrix mirrors.
func (m *Matrix) normal(n vector) vector {
	x, y, z := vector{m[0], m[1], m[2]}, vector{m[4], m[5], m[6]}, vector{m[8], m[9], m[10]}
	a, b, c := cross(y, z), cross(z, x), cross(x, y)
	return vector{
		a[0]*n[0] + b[0]*n[1] + c[0]*n[2],
		a[1]*n[0] + b[1]*n[1] + c[1]*n[2],
		a[2]*n[0] + b[2]*n[1] + c[2]*n[2],
	}
}

// Times returns the matrix that does n and then m.
func (m *Matrix) Times(n *Matrix) Matrix {
	var out Matrix
	for c := range 4 {
		for r := range 4 {
			for k := range 4 {
				out[4*c+r] += m[4*k+r] * n[4*c+k]
			}
		}
	}
	return out
}

// determinant is by how much the matrix makes volumes larger; negative where it mirrors.
func (m *Matrix) determinant() float64 {
	return dot(vector{m[0], m[1], m[2]}, cross(vector{m[4], m[5], m[6]}, vector{m[8], m[9], m[10]}))
}
