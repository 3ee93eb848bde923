package blend

import (
	"context"
	"fmt"
	"math"
	"sort"

	"varve/format"
	"varve/format/mesh"
)

// layers of a mesh, by their numbers in the file.
const (
	layerVert   = 0
	layerLoop   = 26
	layerPoly   = 25
	layerInt    = 11
	layerFloat3 = 48
)

// face is a run of corners, and the slot of its material.
type face struct {
	first, count int
	slot         int
}

// raw is a mesh as it lies in a file.
type raw struct {
	f       *file
	at      map[uint64]int
	root    view
	points  [][3]float64
	corners []uint32
	faces   []face
}

// shape reads a mesh; nil where it is of a kind that is not known.
func (m *modeler) shape(ctx context.Context, k int) (*shape, error) {
	if s, ok := m.shapes[k]; ok {
		return s, nil
	}
	g := &m.f.groups[k]
	v, err := m.f.root(g)
	if err != nil {
		return nil, err
	}
	r := &raw{f: m.f, at: m.f.addressed(g), root: v}
	ok, err := r.read()
	if err != nil {
		return nil, fmt.Errorf("mesh %q: %w", g.name[2:], err)
	}
	if !ok {
		m.shapes[k] = nil
		return nil, nil
	}
	s := &shape{mesh: &mesh.Mesh{Positions: r.points, Faces: len(r.faces)}}
	if s.materials, err = m.f.pointers(r.at, v.pointer("mat")); err != nil {
		return nil, err
	}
	if err := r.triangles(ctx, s); err != nil {
		return nil, fmt.Errorf("mesh %q: %w", g.name[2:], err)
	}
	m.shapes[k] = s
	return s, nil
}

func (r *raw) read() (ok bool, err error) {
	if ok, err = r.vertices(); err != nil || !ok {
		return false, err
	}
	if ok, err = r.polygons(); err != nil || ok {
		return ok, err
	}
	return r.quads()
}

// layer returns the block of a layer of a CustomData; -1 if there is none.
func (r *raw) layer(custom []string, kind int64, name string) (int, error) {
	c := r.root.inner(custom...)
	k, ok := r.at[c.pointer("layers")]
	if !ok || c.pointer("layers") == 0 {
		return -1, nil
	}
	for i := range c.int("totlayer") {
		v, ok, err := r.f.view(k, i)
		if err != nil || !ok {
			return -1, err
		}
		if v.int("type") != kind || name != "" && v.text("name") != name {
			continue
		}
		if b, ok := r.at[v.pointer("data")]; ok {
			return b, nil
		}
	}
	return -1, nil
}

// block returns the block that a pointer of the mesh leads to; -1 if there is none.
func (r *raw) block(names ...string) int {
	if k, ok := r.at[r.root.pointer(names...)]; ok && r.root.pointer(names...) != 0 {
		return k
	}
	return -1
}

// vertices reads positions: of MVert, or (from 3.5) an attribute.
func (r *raw) vertices() (bool, error) {
	custom := []string{"vert_data", "vdata"}
	k, err := r.layer(custom, layerVert, "")
	if err != nil {
		return false, err
	}
	if k < 0 {
		k = r.block("mvert")
	}
	off, size := 0, 12
	if s := r.f.structAt(k, "MVert"); s != nil && s.field("co") != nil && s.field("co").size == 12 {
		off, size = s.field("co").off, s.size
	} else {
		if k, err = r.layer(custom, layerFloat3, "position"); err != nil {
			return false, err
		}
	}
	if k < 0 {
		return r.root.int("verts_num", "totvert") == 0 && r.root.pointer("mvert") == 0 && !r.root.has("attribute_storage"), nil
	}
	order := r.f.header.order
	r.points = make([][3]float64, 0, r.f.blocks[k].n/int64(size))
	return true, r.f.eachPiece(k, int64(size), func(b []byte) {
		for ; len(b) >= size; b = b[size:] {
			var p [3]float64
			for i := range p {
				p[i] = float64(math.Float32frombits(order.Uint32(b[off+4*i:])))
				if math.IsNaN(p[i]) || math.IsInf(p[i], 0) {
					p[i] = 0
				}
			}
			r.points = append(r.points, p)
		}
	})
}

// structAt returns the struct of block k if it has the name.
func (f *file) structAt(k int, name string) *structure {
	if k < 0 {
		return nil
	}
	if s := f.structOf(k); s != nil && s.name == name {
		return s
	}
	return nil
}

// ints reads the first 4 bytes of fields of all structs of a block.
func (r *raw) ints(k, size int, offs ...int) ([]int32, error) {
	out := make([]int32, 0, r.f.blocks[k].n/int64(size)*int64(len(offs)))
	err := r.f.eachPiece(k, int64(size), func(b []byte) {
		for ; len(b) >= size; b = b[size:] {
			for _, off := range offs {
				out = append(out, int32(r.f.header.order.Uint32(b[off:])))
			}
		}
	})
	return out, err
}

// polygons reads faces of any number of corners, as they are from 2.63.
func (r *raw) polygons() (bool, error) {
	ok, err := r.readCorners()
	if err != nil || !ok {
		return false, err
	}
	k, err := r.layer([]string{"face_data", "pdata"}, layerPoly, "")
	if err != nil {
		return false, err
	}
	if k < 0 {
		k = r.block("mpoly")
	}
	s := r.f.structAt(k, "MPoly")
	if s == nil {
		return r.offsets()
	}
	start, count, slot := s.field("loopstart"), s.field("totloop"), s.field("mat_nr")
	if start == nil || count == nil || slot == nil || start.size != 4 || count.size != 4 || slot.size != 2 {
		return false, nil
	}
	order := r.f.header.order
	r.faces = make([]face, 0, r.f.blocks[k].count)
	return true, r.f.eachPiece(k, int64(s.size), func(b []byte) {
		for ; len(b) >= s.size; b = b[s.size:] {
			r.faces = append(r.faces, face{int(int32(order.Uint32(b[start.off:]))), int(int32(order.Uint32(b[count.off:]))), int(order.Uint16(b[slot.off:]))})
		}
	})
}

// readCorners reads the vertices of all corners: of MLoop, or (from 3.6) an attribute.
func (r *raw) readCorners() (bool, error) {
	custom := []string{"corner_data", "ldata"}
	k, err := r.layer(custom, layerLoop, "")
	if err != nil {
		return false, err
	}
	if k < 0 {
		k = r.block("mloop")
	}
	size, off := 4, 0
	if s := r.f.structAt(k, "MLoop"); s != nil && s.field("v") != nil && s.field("v").size == 4 {
		size, off = s.size, s.field("v").off
	} else if k, err = r.layer(custom, layerInt, ".corner_vert"); err != nil {
		return false, err
	}
	if k < 0 {
		return false, nil
	}
	list, err := r.ints(k, size, off)
	r.corners = make([]uint32, len(list))
	for i, v := range list {
		r.corners[i] = uint32(v)
	}
	return true, err
}

// offsets reads where each face's corners begin, and their material from an attribute, as it is from 3.6.
func (r *raw) offsets() (bool, error) {
	k := r.block("face_offset_indices", "poly_offset_indices")
	if k < 0 {
		return false, nil
	}
	list, err := r.ints(k, 4, 0)
	if err != nil || len(list) == 0 {
		return false, err
	}
	var slots []int32
	m, err := r.layer([]string{"face_data", "pdata"}, layerInt, "material_index")
	if err != nil {
		return false, err
	}
	if m >= 0 {
		if slots, err = r.ints(m, 4, 0); err != nil {
			return false, err
		}
	}
	r.faces = make([]face, len(list)-1)
	for i := range r.faces {
		r.faces[i] = face{first: int(list[i]), count: int(list[i+1]) - int(list[i])}
		if i < len(slots) {
			r.faces[i].slot = int(max(slots[i], 0))
		}
	}
	return true, nil
}

// quads reads faces of three or four corners, as they were to 2.62.
func (r *raw) quads() (bool, error) {
	k := r.block("mface")
	s := r.f.structAt(k, "MFace")
	if s == nil {
		return r.root.int("totface", "faces_num", "totpoly") == 0, nil
	}
	v, slot := [4]*field{s.field("v1"), s.field("v2"), s.field("v3"), s.field("v4")}, s.field("mat_nr")
	for _, d := range v {
		if d == nil || d.size != 4 {
			return false, nil
		}
	}
	order := r.f.header.order
	r.faces = make([]face, 0, r.f.blocks[k].count)
	r.corners = make([]uint32, 0, 4*r.f.blocks[k].count)
	return true, r.f.eachPiece(k, int64(s.size), func(b []byte) {
		for ; len(b) >= s.size; b = b[s.size:] {
			q := face{first: len(r.corners), count: 3}
			for _, d := range v {
				r.corners = append(r.corners, order.Uint32(b[d.off:]))
			}
			if r.corners[q.first+3] != 0 { // a last corner of 0 is none: such faces are turned until it is not
				q.count = 4
			}
			if slot != nil && slot.size == 1 {
				q.slot = int(b[slot.off])
			} else if slot != nil && slot.size == 2 {
				q.slot = int(order.Uint16(b[slot.off:]))
			}
			r.faces = append(r.faces, q)
		}
	})
}

// triangles makes triangles of faces, sorted by material.
func (r *raw) triangles(ctx context.Context, s *shape) error {
	n := len(r.points)
	for i, q := range r.faces {
		if q.first < 0 || q.count < 0 || q.first > len(r.corners)-q.count {
			return format.Malformed("face %d has corners %d+%d of %d", i, q.first, q.count, len(r.corners))
		}
		for _, c := range r.corners[q.first : q.first+q.count] {
			if int64(c) >= int64(n) {
				return format.Malformed("face %d has vertex %d of %d", i, c, n)
			}
		}
	}
	faces := r.faces
	if !sort.SliceIsSorted(faces, func(i, j int) bool { return faces[i].slot < faces[j].slot }) {
		sort.SliceStable(faces, func(i, j int) bool { return faces[i].slot < faces[j].slot })
	}
	m := s.mesh
	for i, q := range faces {
		if i&0xffff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if len(s.slots) == 0 || s.slots[len(s.slots)-1] != q.slot {
			s.slots = append(s.slots, q.slot)
			m.Groups = append(m.Groups, mesh.Group{First: len(m.Triangles)})
		}
		m.Triangles = appendFace(m.Triangles, r.points, r.corners[q.first:q.first+q.count])
		last := &m.Groups[len(m.Groups)-1]
		last.Count = len(m.Triangles) - last.First
		if len(m.Triangles) > maxFaces {
			return fmt.Errorf("more than %d triangles: %w", maxFaces, format.ErrLimit)
		}
	}
	return nil
}
