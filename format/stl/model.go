package stl

import (
	"context"
	"fmt"
	"math"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
	"varve/format/splice"
)

// Extract is a solid of a text file as a file of its own.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	var l listing
	if err := read(ctx, in, &l); err != nil {
		return nil, err
	}
	for i, e := range l.elements() {
		if e.ID == id {
			s := &l.list[i]
			return &format.Extract{Extension: ".stl", Content: splice.Cut(in, s.from, s.to-s.from)}, nil
		}
	}
	return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
}

// Model returns a mesh for each solid; corners at one place are one vertex.
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	h, err := whole(ctx, in)
	if err != nil {
		return nil, err
	}
	if h.facets > maxFacets {
		return nil, fmt.Errorf("%d triangles: %w", h.facets, format.ErrLimit)
	}
	m := &mesh.Model{}
	for i, e := range h.elements() {
		m.Objects = append(m.Objects, mesh.Object{ID: e.ID, Name: e.Name, Mesh: h.meshes[i], Transform: mesh.Identity()})
	}
	return m, nil
}

// Picture draws the file.
func (f Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	m, err := f.Model(ctx, in)
	if err != nil {
		return nil, err
	}
	m.Up = 'Z' // of nearly all that is printed
	return shape.Picture(ctx, m, size, "")
}

// held is all that is read of a file.
type held struct {
	listing
	meshes []*mesh.Mesh
	facets int64 // those beyond maxFacets are in no mesh
}

// whole reads elements and meshes in one pass; once, where the file is kept.
func whole(ctx context.Context, in format.Input) (*held, error) {
	return format.Once(in, "stl", func() (*held, error) {
		var w welding
		if err := read(ctx, in, &w); err != nil {
			return nil, err
		}
		return &w.held, nil
	})
}

// welding makes meshes, and sums solids by their vertices: six triangles share one, which is hashed once.
type welding struct {
	held
	// table finds the vertex at a place, by open addressing: the upper half of the hash above, its number and one below; 0
	// is free.
	table   []uint64
	corners []shape.Corner // of the vertices
	// recent holds some of the last places: neighbours come soon after each other in nearly all files, and the table is
	// larger than the caches.
	recent [recently]seat
}

const recently = 1 << 12

// seat is a place, in the bits of its float32, and its vertex's number and one.
type seat struct {
	at [3]uint32
	n  uint32
}

func (w *welding) solid(name string, from int64) error {
	if err := w.listing.solid(name, from); err != nil {
		return err
	}
	w.meshes = append(w.meshes, &mesh.Mesh{Welded: true})
	w.table, w.corners = nil, nil
	clear(w.recent[:])
	return nil
}

// expect makes room for so many triangles, with half as many vertices, as closed surfaces have.
func (w *welding) expect(n int) {
	m := w.meshes[len(w.meshes)-1]
	m.Triangles = make([][3]uint32, 0, n)
	m.Positions = make([][3]float64, 0, n/2+8)
	w.corners = make([]shape.Corner, 0, n/2+8)
	size := 64
	for size <= n+16 {
		size *= 2
	}
	w.table = make([]uint64, size)
}

func (w *welding) facet(v *[3][3]float32, attribute uint16) {
	if w.facets++; w.facets > maxFacets {
		w.listing.facet(v, attribute)
		return
	}
	m := w.meshes[len(w.meshes)-1]
	s := &w.list[len(w.list)-1]
	var t [3]uint32
	for i := range 3 {
		t[i] = w.vertex(m, s, &v[i])
	}
	m.Triangles = append(m.Triangles, t)
	s.face(&[3]shape.Corner{w.corners[t[0]], w.corners[t[1]], w.corners[t[2]]}, attribute)
}

// scatter is the hash of a place.
func scatter(at *[3]uint32) uint64 {
	h := (uint64(at[0])<<32 | uint64(at[1])) * 0x9e3779b97f4a7c15
	h = (h ^ h>>29 ^ uint64(at[2])) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// vertex returns the number of the vertex at a place.
func (w *welding) vertex(m *mesh.Mesh, s *solid, v *[3]float32) uint32 {
	at := [3]uint32{math.Float32bits(v[0] + 0), math.Float32bits(v[1] + 0), math.Float32bits(v[2] + 0)} // -0 is 0
	h := scatter(&at)
	last := &w.recent[h>>32%recently]
	if last.at != at || last.n == 0 {
		*last = seat{at, w.find(m, s, v, &at, h)}
	}
	return last.n - 1
}

// find returns the number and one, of a vertex that is made if there is none.
func (w *welding) find(m *mesh.Mesh, s *solid, v *[3]float32, at *[3]uint32, h uint64) uint32 {
	if 2*len(m.Positions) >= len(w.table) {
		w.grow()
	}
	mask := uint64(len(w.table) - 1)
	i := h & mask
	for ; w.table[i] != 0; i = (i + 1) & mask {
		if n := uint32(w.table[i]); (w.table[i]^h)>>32 == 0 && placeOf(&m.Positions[n-1]) == *at {
			return n
		}
	}
	p := [3]float64{float64(v[0]), float64(v[1]), float64(v[2])}
	m.Positions = append(m.Positions, p)
	w.corners = append(w.corners, shape.At(p[0], p[1], p[2]))
	s.bounds.Add(p)
	n := uint32(len(m.Positions))
	w.table[i] = h>>32<<32 | uint64(n)

	return n
}

// placeOf returns the bits of a vertex's place.
func placeOf(p *[3]float64) [3]uint32 {
	return [3]uint32{math.Float32bits(float32(p[0]) + 0), math.Float32bits(float32(p[1]) + 0), math.Float32bits(float32(p[2]) + 0)}
}

// grow makes the table larger; the hash of what is in it is reckoned again.
func (w *welding) grow() {
	m := w.meshes[len(w.meshes)-1]
	w.table = make([]uint64, max(64, 4*len(w.table)))
	mask := uint64(len(w.table) - 1)
	for k := range m.Positions {
		at := placeOf(&m.Positions[k])
		h := scatter(&at)
		i := h & mask
		for w.table[i] != 0 {
			i = (i + 1) & mask
		}
		w.table[i] = h>>32<<32 | uint64(k+1)
	}
}
