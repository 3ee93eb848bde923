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
	var w welding
	if err := read(ctx, in, &w); err != nil {
		return nil, err
	}
	if w.facets > maxFacets {
		return nil, fmt.Errorf("%d triangles: %w", w.facets, format.ErrLimit)
	}
	var l listing
	l.list = w.list
	m := &mesh.Model{}
	for i, e := range l.elements() {
		m.Objects = append(m.Objects, mesh.Object{ID: e.ID, Name: e.Name, Mesh: w.meshes[i], Transform: mesh.Identity()})
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

// welding makes meshes.
type welding struct {
	list   []solid
	meshes []*mesh.Mesh
	facets int64
	// table finds the vertex at a place, by open addressing.
	table []seat
	used  int
}

// seat is a place, in the bits of its float32, and its vertex's number and one; 0 is free.
type seat struct {
	at [3]uint32
	n  uint32
}

func (w *welding) solid(name string, from int64) error {
	if len(w.list) == maxSolid {
		return fmt.Errorf("more than %d solids: %w", maxSolid, format.ErrLimit)
	}
	w.list = append(w.list, solid{name: name, from: from})
	w.meshes = append(w.meshes, &mesh.Mesh{Welded: true})
	w.table, w.used = nil, 0
	return nil
}

// expect makes room for so many triangles, with half as many vertices, as closed surfaces have.
func (w *welding) expect(n int) {
	m := w.meshes[len(w.meshes)-1]
	m.Triangles = make([][3]uint32, 0, n)
	m.Positions = make([][3]float64, 0, n/2+8)
	size := 64
	for size <= n+16 {
		size *= 2
	}
	w.table = make([]seat, size)
}

func (w *welding) end(to int64) { w.list[len(w.list)-1].to = to }

func (w *welding) facet(v *[3][3]float32, _ uint16) {
	if w.facets++; w.facets > maxFacets {
		return
	}
	m := w.meshes[len(w.meshes)-1]
	var t [3]uint32
	for i := range 3 {
		t[i] = w.vertex(m, v[i])
	}
	m.Triangles = append(m.Triangles, t)
}

// slot is where the search for a place begins.
func slot(at *[3]uint32, mask uint64) uint64 {
	h := (uint64(at[0])<<32 | uint64(at[1])) * 0x9e3779b97f4a7c15
	h = (h ^ h>>29 ^ uint64(at[2])) * 0xd6e8feb86659fd93
	return (h ^ h>>32) & mask
}

func (w *welding) vertex(m *mesh.Mesh, v [3]float32) uint32 {
	var at [3]uint32
	for k := range v {
		at[k] = math.Float32bits(v[k] + 0) // -0 is 0
	}
	if 2*w.used >= len(w.table) {
		w.grow()
	}
	mask := uint64(len(w.table) - 1)
	for i := slot(&at, mask); ; i = (i + 1) & mask {
		switch s := &w.table[i]; {
		case s.n == 0:
			m.Positions = append(m.Positions, [3]float64{float64(v[0]), float64(v[1]), float64(v[2])})
			*s = seat{at, uint32(len(m.Positions))}
			w.used++
			return s.n - 1
		case s.at == at:
			return s.n - 1
		}
	}
}

func (w *welding) grow() {
	old := w.table
	w.table = make([]seat, max(64, 4*len(old)))
	mask := uint64(len(w.table) - 1)
	for _, s := range old {
		if s.n == 0 {
			continue
		}
		i := slot(&s.at, mask)
		for w.table[i].n != 0 {
			i = (i + 1) & mask
		}
		w.table[i] = s
	}
}
