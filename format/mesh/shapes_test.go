package mesh

import "math"

// sphere returns a closed sphere of 2·n·(m-1) triangles: n around, m from pole to pole.
func sphere(n, m int, radius float64) *Mesh {
	out := &Mesh{Positions: [][3]float64{{0, radius, 0}}}
	for j := 1; j < m; j++ {
		s, c := math.Sincos(math.Pi * float64(j) / float64(m))
		for i := range n {
			x, z := math.Sincos(2 * math.Pi * float64(i) / float64(n))
			out.Positions = append(out.Positions, [3]float64{radius * s * x, radius * c, radius * s * z})
		}
	}
	out.Positions = append(out.Positions, [3]float64{0, -radius, 0})
	at := func(j, i int) uint32 { return uint32(1 + (j-1)*n + i%n) }
	end := uint32(len(out.Positions) - 1)
	for i := range n {
		out.Triangles = append(out.Triangles, [3]uint32{0, at(1, i), at(1, i+1)})
		for j := 1; j < m-1; j++ {
			out.Triangles = append(out.Triangles, [3]uint32{at(j, i), at(j+1, i), at(j+1, i+1)}, [3]uint32{at(j, i), at(j+1, i+1), at(j, i+1)})
		}
		out.Triangles = append(out.Triangles, [3]uint32{at(m-1, i), end, at(m-1, i+1)})
	}
	return out
}

// box returns a closed box of 12 triangles over 8 vertices.
func box(x, y, z float64) *Mesh {
	out := &Mesh{}
	for _, p := range (Bounds{Max: [3]float64{x, y, z}}).corners() {
		out.Positions = append(out.Positions, p)
	}
	for _, q := range [][4]uint32{{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4}, {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}} {
		out.Triangles = append(out.Triangles, [3]uint32{q[0], q[1], q[2]}, [3]uint32{q[0], q[2], q[3]})
	}
	out.Faces = 6
	return out
}

func modelOf(meshes ...*Mesh) *Model {
	m := &Model{}
	for i, s := range meshes {
		name := string(rune('A' + i))
		m.Objects = append(m.Objects, Object{ID: name, Name: name, Mesh: s, Transform: Identity()})
	}
	return m
}

func translation(x, y, z float64) Matrix {
	m := Identity()
	m[12], m[13], m[14] = x, y, z
	return m
}

// turn is a rotation about an axis, in radians.
func turn(axis vector, angle float64) Matrix {
	a := unit(axis)
	s, c := math.Sincos(angle)
	m := Identity()
	for col := range 3 {
		var e vector
		e[col] = 1
		r := add(add(scale(e, c), scale(cross(a, e), s)), scale(a, dot(a, e)*(1-c)))
		copy(m[4*col:], r[:])
	}
	return m
}
