package blend

import (
	"math"
	"strings"

	"varve/format/mesh"
)

const maxParents = 256

// place returns where an object is in the world.
func (m *modeler) place(i, depth int) (mesh.Matrix, error) {
	if at := m.places[i]; at != nil {
		return *at, nil
	}
	v, err := m.f.root(&m.f.groups[i])
	if err != nil {
		return mesh.Identity(), err
	}
	at := local(v)
	k, child := m.f.owner[v.pointer("parent")]
	child = child && v.pointer("parent") != 0 && strings.HasPrefix(m.f.groups[k].key, "OB")
	kind := v.int("partype") & 15
	stored := v.has("obmat", "object_to_world")
	switch {
	case stored && (v.inner("constraints").pointer("first") != 0 || child && (kind != 0 && kind != 4 || m.f.groups[k].linked)):
		copy(at[:], v.floats(16, "obmat", "object_to_world"))
	case child && !m.f.groups[k].linked && depth < maxParents:
		parent, err := m.place(k, depth+1)
		if err != nil {
			return at, err
		}
		var inverse mesh.Matrix
		copy(inverse[:], v.floats(16, "parentinv"))
		at = times(parent, times(inverse, at))
	}
	for _, x := range at {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			at = mesh.Identity()
			break
		}
	}
	m.places[i] = &at
	return at, nil
}

// times is a·b: b first.
func times(a, b mesh.Matrix) (c mesh.Matrix) {
	for col := range 4 {
		for row := range 4 {
			for k := range 4 {
				c[col*4+row] += a[k*4+row] * b[col*4+k]
			}
		}
	}
	return c
}

// local is an object's own transformation.
func local(v view) mesh.Matrix {
	loc, dloc := v.floats(3, "loc"), v.floats(3, "dloc")
	size := v.floats(3, "size", "scale")
	delta := v.floats(3, "dscale")
	older := v.floats(3, "dsize")
	var at mesh.Matrix
	r := rotation(v)
	for c := range 3 {
		s := size[c]
		if v.has("dscale") {
			s *= delta[c]
		} else {
			s += older[c]
		}
		for k := range 3 {
			at[c*4+k] = r[c*4+k] * s
		}
		at[12+c] = loc[c] + dloc[c]
	}
	at[15] = 1
	return at
}

func rotation(v view) mesh.Matrix {
	mode := v.int("rotmode")
	switch {
	case mode == 0 && v.has("rotmode"):
		return times(quaternion(v.floats(4, "dquat")), quaternion(v.floats(4, "quat")))
	case mode < 0:
		return times(axisAngle(v.floats(3, "drotAxis"), v.float("drotAngle")), axisAngle(v.floats(3, "rotAxis"), v.float("rotAngle")))
	}
	return times(euler(v.floats(3, "drot"), mode), euler(v.floats(3, "rot"), mode))
}

// euler turns about three axes, in the order of mode: 1 to 6 are XYZ, XZY, YXZ, YZX, ZXY, ZYX.
func euler(angles []float64, mode int64) mesh.Matrix {
	order := [...][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}[min(max(mode, 1), 6)-1]
	at := mesh.Identity()
	for _, axis := range order {
		turn := mesh.Identity()
		c, s := math.Cos(angles[axis]), math.Sin(angles[axis])
		a, b := (axis+1)%3, (axis+2)%3
		turn[a*4+a], turn[a*4+b], turn[b*4+a], turn[b*4+b] = c, s, -s, c
		at = times(turn, at)
	}
	return at
}

// quaternion is w, x, y, z.
func quaternion(q []float64) mesh.Matrix {
	n := math.Sqrt(q[0]*q[0] + q[1]*q[1] + q[2]*q[2] + q[3]*q[3])
	if n == 0 {
		return mesh.Identity()
	}
	w, x, y, z := q[0]/n, q[1]/n, q[2]/n, q[3]/n
	return mesh.Matrix{
		1 - 2*(y*y+z*z), 2 * (x*y + w*z), 2 * (x*z - w*y), 0,
		2 * (x*y - w*z), 1 - 2*(x*x+z*z), 2 * (y*z + w*x), 0,
		2 * (x*z + w*y), 2 * (y*z - w*x), 1 - 2*(x*x+y*y), 0,
		0, 0, 0, 1,
	}
}

func axisAngle(a []float64, angle float64) mesh.Matrix {
	n := math.Sqrt(a[0]*a[0] + a[1]*a[1] + a[2]*a[2])
	if n == 0 {
		return mesh.Identity()
	}
	c, s := math.Cos(angle/2), math.Sin(angle/2)
	return quaternion([]float64{c, s * a[0] / n, s * a[1] / n, s * a[2] / n})
}
