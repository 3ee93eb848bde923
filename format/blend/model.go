package blend

import (
	"context"
	"slices"
	"strings"

	"varve/format"
	"varve/format/mesh"
)

// Model is the objects that are meshes, at their places, as they are without modifiers. Bones, constraints and the like
// move them where Blender last had them, if the file says so (to 4.0).
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	return modelOf(ctx, in, false)
}

// modeler turns a file into a model.
type modeler struct {
	f         *file
	model     *mesh.Model
	shapes    map[int]*shape // by group
	materials map[int]int    // by group, position in the model
	places    map[int]*mesh.Matrix
}

func modelOf(ctx context.Context, in format.Input, visible bool) (*mesh.Model, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	m := &modeler{f, &mesh.Model{Up: 'Z'}, map[int]*shape{}, map[int]int{}, map[int]*mesh.Matrix{}}
	for i := range f.groups {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g := &f.groups[i]
		if !strings.HasPrefix(g.key, "OB") || g.linked {
			continue
		}
		if err := m.object(ctx, i, visible); err != nil {
			return nil, err
		}
	}
	return m.model, nil
}

const (
	meshObject = 1
	hidden     = 1 | 4 // in the view, in renders
)

func (m *modeler) object(ctx context.Context, i int, visible bool) error {
	g := &m.f.groups[i]
	v, err := m.f.root(g)
	if err != nil {
		return err
	}
	k, ok := m.f.owner[v.pointer("data")]
	if v.int("type") != meshObject || !ok || !strings.HasPrefix(m.f.groups[k].key, "ME") || m.f.groups[k].linked ||
		visible && v.int("restrictflag", "visibility_flag")&hidden != 0 {
		return nil
	}
	s, err := m.shape(ctx, k)
	if err != nil || s == nil {
		return err
	}
	slots, err := m.slots(g, v, s)
	if err != nil {
		return err
	}
	at, err := m.place(i, 0)
	if err != nil {
		return err
	}
	m.model.Objects = append(m.model.Objects, mesh.Object{ID: g.key, Name: g.name[2:], Mesh: s.with(slots), Transform: at})
	return nil
}

// slots returns the materials of an object, as positions in the model: the mesh's, or its own where it says so.
func (m *modeler) slots(g *group, v view, s *shape) ([]int, error) {
	at := m.f.addressed(g)
	own, err := m.f.pointers(at, v.pointer("mat"))
	if err != nil {
		return nil, err
	}
	bits, err := m.f.bytesAt(at, v.pointer("matbits"))
	if err != nil {
		return nil, err
	}
	colbits := v.int("colbits")
	out := make([]int, max(len(own), len(s.materials)))
	for i := range out {
		var p uint64
		if i < len(s.materials) {
			p = s.materials[i]
		}
		if i < len(own) && (i < len(bits) && bits[i] != 0 || len(bits) == 0 && i < 16 && colbits>>i&1 != 0) {
			p = own[i]
		}
		if out[i], err = m.material(p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// material returns the position of a material; -1 for none.
func (m *modeler) material(p uint64) (int, error) {
	k, ok := m.f.owner[p]
	if p == 0 || !ok || m.f.groups[k].linked || !strings.HasPrefix(m.f.groups[k].key, "MA") {
		return -1, nil
	}
	if n, ok := m.materials[k]; ok {
		return n, nil
	}
	g := &m.f.groups[k]
	c, err := m.f.colorOf(g)
	if err != nil {
		return -1, err
	}
	n := len(m.model.Materials)
	m.materials[k] = n
	m.model.Materials = append(m.model.Materials, mesh.Material{Name: g.name[2:], Color: c})
	return n, nil
}

// colorOf is the color of a material: of its principled shader, if it is there and no texture, else that of the view.
func (f *file) colorOf(g *group) ([4]float32, error) {
	v, err := f.root(g)
	if err != nil {
		return [4]float32{}, err
	}
	c := [4]float32{float32(v.float("r")), float32(v.float("g")), float32(v.float("b")), 1}
	s, err := f.shader(g)
	if err != nil || s.s == nil {
		return c, err
	}
	for i := range 3 {
		c[i] = float32(s.floatAt(i, "value"))
	}
	return c, nil
}

// shader returns the value of the color of a material's principled shader; none if it has none, or one that is linked.
func (f *file) shader(g *group) (found view, err error) {
	at := f.addressed(g)
	for i := g.first; i < g.last; i++ {
		if s := f.structOf(i); s == nil || s.name != "bNode" {
			continue
		}
		n, _, err := f.view(i, 0)
		if err != nil {
			return view{}, err
		}
		if n.text("idname") != "ShaderNodeBsdfPrincipled" {
			continue
		}
		var value uint64
		err = f.list(at, n, "inputs", func(s view) bool {
			if s.text("name") != "Base Color" {
				return true
			}
			if s.pointer("link") == 0 {
				value = s.pointer("default_value")
			}
			return false
		})
		if err != nil {
			return view{}, err
		}
		return f.follow(at, value)
	}
	return view{}, nil
}

// pointers reads an array of pointers of a group.
func (f *file) pointers(at map[uint64]int, p uint64) ([]uint64, error) {
	k, ok := at[p]
	if p == 0 || !ok || f.blocks[k].n > 1<<20 {
		return nil, nil
	}
	var out []uint64
	err := f.eachPointer(k, func(q uint64) { out = append(out, q) })
	return out, err
}

// bytesAt reads a block of a group.
func (f *file) bytesAt(at map[uint64]int, p uint64) ([]byte, error) {
	k, ok := at[p]
	if p == 0 || !ok {
		return nil, nil
	}
	return f.content(k, 1<<20)
}

// shape is a mesh that may have other materials at each place.
type shape struct {
	mesh      *mesh.Mesh
	slots     []int    // of its groups, the material slot
	materials []uint64 // addresses, by slot
	variants  []variant
}

type variant struct {
	slots []int
	mesh  *mesh.Mesh
}

// with returns the mesh with materials: the same for the same.
func (s *shape) with(slots []int) *mesh.Mesh {
	for _, v := range s.variants {
		if slices.Equal(v.slots, slots) {
			return v.mesh
		}
	}
	m := *s.mesh
	m.Groups = slices.Clone(m.Groups)
	for i := range m.Groups {
		m.Groups[i].Material = -1
		if k := s.slots[i]; k < len(slots) {
			m.Groups[i].Material = slots[k]
		} else if len(slots) > 0 { // as Blender has it
			m.Groups[i].Material = slots[len(slots)-1]
		}
	}
	s.variants = append(s.variants, variant{slots, &m})
	return &m
}
