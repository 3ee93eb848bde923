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
	// table finds the vertex at a place: its number and one, by open addressing.
	table []uint32
}

func (w *welding) solid(name string, from int64) error {
	if len(w.list) == maxSolid {
		return fmt.Errorf("more than %d solids: %w", maxSolid, format.ErrLimit)
	}
	w.list = append(w.list, solid{name: name, from: from})
	w.meshes = append(w.meshes, &mesh.Mesh{})
	w.table = make([]uint32, 1<<10)
	return nil
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

func slot(p [3]float64, mask uint64) uint64 {
	return uint64(shape.At(p[0], p[1], p[2])) & mask
}

func (w *welding) vertex(m *mesh.Mesh, v [3]float32) uint32 {
	p := [3]float64{float64(v[0]) + 0, float64(v[1]) + 0, float64(v[2]) + 0}
	if len(m.Positions)*2 >= len(w.table) {
		w.grow(m)
	}
	mask := uint64(len(w.table) - 1)
	bits := func(p [3]float64) [3]uint64 {
		return [3]uint64{math.Float64bits(p[0]), math.Float64bits(p[1]), math.Float64bits(p[2])}
	}
	for i := slot(p, mask); ; i = (i + 1) & mask {
		switch n := w.table[i]; {
		case n == 0:
			m.Positions = append(m.Positions, p)
			w.table[i] = uint32(len(m.Positions))
			return w.table[i] - 1
		case bits(m.Positions[n-1]) == bits(p):
			return n - 1
		}
	}
}

func (w *welding) grow(m *mesh.Mesh) {
	w.table = make([]uint32, 4*len(w.table))
	mask := uint64(len(w.table) - 1)
	for n, p := range m.Positions {
		i := slot(p, mask)
		for w.table[i] != 0 {
			i = (i + 1) & mask
		}
		w.table[i] = uint32(n + 1)
	}
}
