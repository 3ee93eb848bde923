package fbx

import (
	"math"

	"varve/format/mesh"
)

// pose is where a model is.
type pose struct {
	world   mesh.Matrix
	turn    mesh.Matrix // the rotation of world
	own     mesh.Matrix // of what it shows, in it
	scaling [3]float64
}

func move(v []float64, sign float64) mesh.Matrix {
	m := mesh.Identity()
	for k := range v {
		m[12+k] = sign * v[k]
	}
	return m
}

func grow(v []float64) mesh.Matrix {
	m := mesh.Identity()
	for k := range v {
		m[5*k] = v[k]
	}
	return m
}

// about is a rotation about one axis, in degrees.
func about(axis int, degrees float64) mesh.Matrix {
	m := mesh.Identity()
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	a, b := (axis+1)%3, (axis+2)%3
	m[5*a], m[5*b] = cos, cos
	m[4*a+b], m[4*b+a] = sin, -sin
	return m
}

// turned is a rotation about the three axes, in degrees: in the order XYZ first about X.
func turned(v []float64, order int) mesh.Matrix {
	m := mesh.Identity()
	if v == nil {
		return m
	}
	orders := [...][3]int{{0, 1, 2}, {0, 2, 1}, {1, 2, 0}, {1, 0, 2}, {2, 0, 1}, {2, 1, 0}}
	if order < 0 || order >= len(orders) { // the spherical one, as XYZ
		order = 0
	}
	for _, axis := range orders[order] {
		r := about(axis, v[axis])
		m = r.Times(&m)
	}
	return m
}

func product(list ...mesh.Matrix) mesh.Matrix {
	m := list[0]
	for i := range list[1:] {
		m = m.Times(&list[i+1])
	}
	return m
}

// transposed is the inverse of a rotation.
func transposed(m mesh.Matrix) mesh.Matrix {
	return mesh.Matrix{m[0], m[4], m[8], 0, m[1], m[5], m[9], 0, m[2], m[6], m[10], 0, 0, 0, 0, 1}
}

// linear is a matrix without its move.
func linear(m mesh.Matrix) mesh.Matrix {
	m[12], m[13], m[14] = 0, 0, 0
	return m
}

func (s *scene) vector(o *object, name string, otherwise float64) []float64 {
	if v := s.numbers(o, name, 3); v != nil {
		return v
	}
	return []float64{otherwise, otherwise, otherwise}
}

// poseOf returns where a model is. Of a model in one the parent's rotation and scaling are taken over as it says: in the
// order RrSs, RSrs, or Rrs, which leaves the parent's own scaling out.
func (s *scene) poseOf(o *object) *pose {
	var chain []*object
	for ; o != nil && s.models[o] == nil; o = o.parent {
		chain = append(chain, o)
	}
	at := s.models[o] // of nil: nothing
	if at == nil {
		at = &pose{world: mesh.Identity(), turn: mesh.Identity(), scaling: [3]float64{1, 1, 1}}
	}
	for i := len(chain) - 1; i >= 0; i-- {
		at = s.within(chain[i], at)
		s.models[chain[i]] = at
	}
	return at
}

func (s *scene) within(o *object, up *pose) *pose {
	turn := turned(s.vector(o, "Lcl Rotation", 0), 0)
	if s.number(o, "RotationActive", 1) != 0 && s.number(o, "RotationSpaceForLimitOnly", 0) == 0 {
		after := transposed(turned(s.vector(o, "PostRotation", 0), 0))
		turn = product(turned(s.vector(o, "PreRotation", 0), 0), turned(s.vector(o, "Lcl Rotation", 0), int(s.number(o, "RotationOrder", 0))), after)
	}
	scaling := s.vector(o, "Lcl Scaling", 1)
	pivot, pivotS := s.vector(o, "RotationPivot", 0), s.vector(o, "ScalingPivot", 0)
	local := product(move(s.vector(o, "Lcl Translation", 0), 1), move(s.vector(o, "RotationOffset", 0), 1), move(pivot, 1), turn, move(pivot, -1),
		move(s.vector(o, "ScalingOffset", 0), 1), move(pivotS, 1), grow(scaling), move(pivotS, -1))
	p := &pose{turn: up.turn.Times(&turn), scaling: [3]float64(scaling)}
	p.world = up.world.Times(&local)
	if inherit := int(s.number(o, "InheritType", 1)); inherit == 0 || inherit == 2 {
		rest := product(transposed(up.turn), linear(up.world)) // the parent's scaling
		if inherit == 2 {
			own := up.scaling
			for k := range own {
				if own[k] != 0 {
					own[k] = 1 / own[k]
				}
			}
			rest = product(rest, grow(own[:]))
		}
		l := product(up.turn, turn, rest, grow(scaling))
		copy(l[12:15], p.world[12:15])
		p.world = l
	}
	p.own = product(move(s.vector(o, "GeometricTranslation", 0), 1), turned(s.vector(o, "GeometricRotation", 0), 0), grow(s.vector(o, "GeometricScaling", 1)))
	return p
}
