package usd

import (
	"context"
	"fmt"
	"math"
	"strings"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
)

// maxObjects bounds the meshes of a model.
const maxObjects = 1 << 17

// Model returns the meshes of a layer of text where they are at its first time: not those of other layers, nor of
// variants that are not chosen.
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	s, err := f.stage(ctx)
	if err != nil {
		return nil, err
	}
	return s.model, nil
}

// Picture draws the meshes of a layer of text.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	s, err := f.stage(ctx)
	if err != nil {
		return nil, err
	}
	note := "without textures"
	if s.partial {
		note = "without textures and what is in other layers"
	}
	return shape.Picture(ctx, s.model, size, note)
}

// scene makes a model.
type scene struct {
	*layer
	ctx       context.Context
	model     *mesh.Model
	materials map[string]int
	partial   bool // there is more in other layers
}

func (f *file) stage(ctx context.Context) (*scene, error) {
	if f.layer == nil {
		return nil, format.Unsupported("meshes of binary layers")
	}
	s := &scene{layer: f.layer, ctx: ctx, model: &mesh.Model{Unit: 0.01, Up: 'Y'}, materials: map[string]int{}}
	if v, n := shape.Number([]byte(f.layer.stage("metersPerUnit"))); n > 0 && v > 0 && !math.IsInf(v, 0) {
		s.model.Unit = v
	}
	if f.layer.stage("upAxis") == `"Z"` {
		s.model.Up = 'Z'
	}
	s.partial = strings.Contains(string(f.layer.b[f.layer.root.meta.from:f.layer.root.meta.to]), "subLayers")
	return s, s.kids(f.layer.root, mesh.Identity(), -1)
}

// stage returns a value of the layer's metadata as it stands, "" if there is none.
func (l *layer) stage(name string) string { return l.metadata(l.root.meta, name) }

// metadata returns a value of one token.
func (l *layer) metadata(s span, name string) string {
	if s.to == 0 {
		return ""
	}
	lex := lexer{b: l.b[:s.to], at: s.from}
	depth := 0
	var last, equals token
	for {
		t, err := lex.next()
		if err != nil || t.kind == endToken {
			return ""
		}
		if depth == 0 && equals.kind == markToken && equals.c == '=' && last.kind == wordToken && string(l.b[last.from:last.to]) == name {
			return string(l.b[t.from:t.to])
		}
		if t.kind == markToken {
			switch t.c {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth--
			}
		}
		if t.kind == wordToken {
			last = t
		}
		equals = t
	}
}

func (s *scene) kids(k *prim, at mesh.Matrix, material int) error {
	for _, c := range k.kids {
		if c.word == "variantSet" {
			if v := s.byID[k.id+"{"+c.name+"="+s.chosen(k, c)+"}"]; v != nil {
				if err := s.kids(v, at, material); err != nil {
					return err
				}
			}
			continue
		}
		if err := s.prim(c, at, material); err != nil {
			return err
		}
	}
	return nil
}

// chosen returns the variant of a set that a prim chooses.
func (s *scene) chosen(k, set *prim) string {
	if k.meta.to == 0 {
		return ""
	}
	_, after, ok := strings.Cut(string(s.b[k.meta.from:k.meta.to]), "variants")
	if !ok {
		return ""
	}
	_, after, ok = strings.Cut(after, "string "+set.name)
	if !ok {
		return ""
	}
	_, after, _ = strings.Cut(after, `"`)
	name, _, _ := strings.Cut(after, `"`)
	return name
}

func (s *scene) prim(k *prim, at mesh.Matrix, material int) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if k.meta.to > 0 {
		text := string(s.b[k.meta.from:k.meta.to])
		s.partial = s.partial || strings.Contains(text, "references") || strings.Contains(text, "payload")
		if s.metadata(k.meta, "active") == "false" {
			return nil
		}
	}
	if k.word == "class" || k.kind == "Material" || s.token(k, "visibility") == "invisible" || s.token(k, "purpose") == "guide" {
		return nil
	}
	own, reset, err := s.transform(k)
	if err != nil {
		return fmt.Errorf("%s: %w", k.id, err)
	}
	if reset {
		at = mesh.Identity()
	}
	at = at.Times(&own)
	if b := k.find("material:binding"); b != nil && b.value.to > 0 {
		material = s.material(strings.Trim(strings.TrimSpace(string(s.b[b.value.from:b.value.to])), "<>"))
	}
	m, err := s.shape(k, material)
	if err != nil {
		return fmt.Errorf("%s: %w", k.id, err)
	}
	if m != nil {
		if len(s.model.Objects) == maxObjects {
			return fmt.Errorf("more than %d meshes: %w", maxObjects, format.ErrLimit)
		}
		s.model.Objects = append(s.model.Objects, mesh.Object{ID: k.id, Name: k.name, Mesh: m, Transform: at})
	}
	return s.kids(k, at, material)
}

// token returns a value that is a word in quotes.
func (s *scene) token(k *prim, name string) string {
	p := k.find(name)
	if p == nil || p.value.to == 0 {
		return ""
	}
	return strings.Trim(strings.TrimSpace(string(s.b[p.value.from:p.value.to])), `"`)
}

// transform returns the product of the operations of a prim, in their order.
func (s *scene) transform(k *prim) (m mesh.Matrix, reset bool, err error) {
	m = mesh.Identity()
	order := k.find("xformOpOrder")
	if order == nil || order.value.to == 0 {
		return m, false, nil
	}
	lex := lexer{b: s.b[:order.value.to], at: order.value.from}
	for n := 0; n < 1<<10; n++ {
		t, err := lex.next()
		if err != nil || t.kind == endToken {
			return m, reset, nil
		}
		if t.kind != textToken {
			continue
		}
		name := string(s.b[t.in:t.inEnd])
		if name == "!resetXformStack!" {
			m, reset = mesh.Identity(), true
			continue
		}
		op, inverse := strings.CutPrefix(name, "!invert!")
		p := k.find(op)
		if p == nil || p.value.to == 0 {
			p = k.find(op + ".timeSamples")
		}
		if p == nil || p.value.to == 0 {
			continue
		}
		v, err := s.first(p)
		if err != nil {
			return m, reset, err
		}
		one, ok := operation(op, v, inverse)
		if !ok {
			return m, reset, format.Malformed("%.64s of %d numbers", name, len(v))
		}
		m = m.Times(&one)
	}
	return m, reset, nil
}

// operation makes the matrix of one.
func operation(name string, v []float64, inverse bool) (mesh.Matrix, bool) {
	m := mesh.Identity()
	kind, _, _ := strings.Cut(strings.TrimPrefix(name, "xformOp:"), ":")
	sign := 1.0
	if inverse {
		sign = -1
	}
	switch {
	case kind == "translate" && len(v) == 3:
		m[12], m[13], m[14] = sign*v[0], sign*v[1], sign*v[2]
	case kind == "scale" && len(v) == 3:
		for i := range 3 {
			m[5*i] = v[i]
			if inverse && v[i] != 0 {
				m[5*i] = 1 / v[i]
			}
		}
	case kind == "transform" && len(v) == 16 && !inverse:
		copy(m[:], v) // rows of vectors that stand before the matrix are our columns
	case kind == "orient" && len(v) == 4:
		m = quaternion(v[0], sign*v[1], sign*v[2], sign*v[3])
	case strings.HasPrefix(kind, "rotate") && len(kind) == 7 && len(v) == 1:
		m = about(kind[6], sign*v[0])
	case strings.HasPrefix(kind, "rotate") && len(kind) == 9 && len(v) == 3:
		for i := range 3 { // XYZ: about X first
			axis := kind[6+i]
			if axis < 'X' || axis > 'Z' {
				return m, false
			}
			one := about(axis, sign*v[axis-'X'])
			if inverse {
				m = m.Times(&one)
			} else {
				m = one.Times(&m)
			}
		}
	case kind == "transform" && inverse: // of pivots, which are translations as a rule
		return m, len(v) == 16
	default:
		return m, false
	}
	return m, true
}

// about is a rotation about an axis, in degrees.
func about(axis byte, degrees float64) mesh.Matrix {
	m := mesh.Identity()
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	i, j := (int(axis-'X')+1)%3, (int(axis-'X')+2)%3
	m[5*i], m[4*i+j], m[4*j+i], m[5*j] = cos, sin, -sin, cos
	return m
}

func quaternion(w, x, y, z float64) mesh.Matrix {
	m := mesh.Identity()
	n := w*w + x*x + y*y + z*z
	if n == 0 {
		return m
	}
	k := 2 / n
	m[0], m[1], m[2] = 1-k*(y*y+z*z), k*(x*y+w*z), k*(x*z-w*y)
	m[4], m[5], m[6] = k*(x*y-w*z), 1-k*(x*x+z*z), k*(y*z+w*x)
	m[8], m[9], m[10] = k*(x*z+w*y), k*(y*z-w*x), 1-k*(x*x+y*y)
	return m
}

// material returns the position of the one at a path, -1 if there is none.
func (s *scene) material(at string) int {
	if n, ok := s.materials[at]; ok {
		return n
	}
	k := s.byID[at]
	if k == nil {
		return -1
	}
	n := len(s.model.Materials)
	s.materials[at] = n
	m := mesh.Material{Name: k.name, Color: [4]float32{0.55, 0.55, 0.55, 1}}
	for _, c := range k.kids {
		p := c.find("inputs:diffuseColor")
		if p == nil || p.value.to == 0 {
			continue
		}
		if v := s.numbers(p.value); len(v) == 3 {
			m.Color = colour(v)
		}
	}
	s.model.Materials = append(s.model.Materials, m)
	return n
}

func colour(v []float64) [4]float32 {
	return [4]float32{float32(max(0, min(1, v[0]))), float32(max(0, min(1, v[1]))), float32(max(0, min(1, v[2]))), 1}
}

// shape returns the mesh of a prim; nil of one that is none.
func (s *scene) shape(k *prim, material int) (*mesh.Mesh, error) {
	var m *mesh.Mesh
	switch k.kind {
	case "Mesh":
		f, err := s.mesh(k)
		if err != nil || f == nil {
			return nil, err
		}
		m = f.triangles()
	case "Cube":
		m = cube(s.size(k, "size", 2))
	case "Sphere":
		r := s.size(k, "radius", 1)
		m = turned(r, 'Z', func(t float64) (float64, float64) { return math.Sin(math.Pi * t), -math.Cos(math.Pi * t) }, r)
	case "Cylinder", "Cone", "Capsule":
		axis := byte('Z')
		if a := s.token(k, "axis"); len(a) == 1 && a[0] >= 'X' && a[0] <= 'Z' {
			axis = a[0]
		}
		outline := func(t float64) (float64, float64) {
			switch {
			case k.kind == "Cone":
				return min(1, 4*t) * (1 - max(0, t-0.25)/0.75), max(0, (t-0.25)/0.75)*2 - 1
			case t < 0.25:
				return 4 * t, -1
			case t > 0.75:
				return 4 * (1 - t), 1
			}
			return 1, 4*(t-0.25) - 1
		}
		m = turned(s.size(k, "radius", 1), axis, outline, s.size(k, "height", 2)/2)
	default:
		return nil, nil
	}
	if material < 0 {
		if p := k.find("primvars:displayColor"); p != nil && p.value.to > 0 {
			if v := s.numbers(p.value); len(v) == 3 {
				material = len(s.model.Materials)
				s.model.Materials = append(s.model.Materials, mesh.Material{Name: k.name, Color: colour(v)})
			}
		}
	}
	if material >= 0 {
		m.Groups = []mesh.Group{{Count: len(m.Triangles), Material: material}}
	}
	return m, nil
}

func (s *scene) size(k *prim, name string, otherwise float64) float64 {
	if p := k.find(name); p != nil && p.value.to > 0 {
		if v := s.numbers(p.value); len(v) == 1 {
			return v[0]
		}
	}
	return otherwise
}

func (f *surface) triangles() *mesh.Mesh {
	m := &mesh.Mesh{Faces: len(f.counts)}
	for i := range len(f.points) / 3 {
		m.Positions = append(m.Positions, f.at(i))
	}
	at := 0
	var polygon []uint32
	for _, n := range f.counts {
		polygon = polygon[:0]
		for _, c := range f.corners[at : at+n] {
			polygon = append(polygon, uint32(c))
		}
		at += n
		m.Triangles = shape.Triangles(m.Triangles, polygon, func(v uint32) [3]float64 { return m.Positions[v] })
	}
	return m
}

func cube(size float64) *mesh.Mesh {
	m := &mesh.Mesh{Faces: 6}
	for i := range 8 {
		h := size / 2
		m.Positions = append(m.Positions, [3]float64{h * float64(2*(i&1)-1), h * float64(i&2-1), h * float64(i>>1&2-1)})
	}
	for _, q := range [6][4]uint32{{0, 2, 3, 1}, {4, 5, 7, 6}, {0, 1, 5, 4}, {2, 6, 7, 3}, {0, 4, 6, 2}, {1, 3, 7, 5}} {
		m.Triangles = append(m.Triangles, [3]uint32{q[0], q[1], q[2]}, [3]uint32{q[0], q[2], q[3]})
	}
	return m
}

// turned is a surface of revolution: outline gives how far from the axis it is, and where along it, at 0 ≤ t ≤ 1.
func turned(radius float64, axis byte, outline func(t float64) (float64, float64), half float64) *mesh.Mesh {
	const around, along = 32, 16
	m := &mesh.Mesh{}
	z := int(axis - 'X')
	for j := range along + 1 {
		r, h := outline(float64(j) / along)
		for i := range around {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / around)
			var p [3]float64
			p[(z+1)%3], p[(z+2)%3], p[z] = r*radius*cos, r*radius*sin, h*half
			m.Positions = append(m.Positions, p)
		}
	}
	for j := range uint32(along) {
		for i := range uint32(around) {
			a, b := j*around+i, j*around+(i+1)%around
			m.Triangles = append(m.Triangles, [3]uint32{a, b, b + around}, [3]uint32{a, b + around, a + around})
		}
	}
	return m
}
