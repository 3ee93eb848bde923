package threemf

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"strconv"

	"varve/format"
	"varve/format/mesh"
	"varve/format/raster"
	"varve/format/shape"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

const (
	maxObjects = 1 << 16 // meshes at places
	maxDepth   = 64      // components in components
)

// Validate checks the archive, its contents and the models in it.
func (Format) Validate(ctx context.Context, in format.Input) error {
	a, err := zipfile.Open(in)
	if err != nil {
		return err
	}
	if err := a.Validate(ctx, true); err != nil {
		return err
	}
	f, err := open(ctx, in)
	if err != nil {
		return err
	}
	for _, name := range f.names {
		if err := f.check(f.parts[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	_, err = f.model(ctx)
	return err
}

// check: what objects are made of is there.
func (f *file) check(p *part) error {
	if p.resources == nil {
		return nil
	}
	for _, n := range p.resources.All("object") {
		m := n.First("mesh")
		if m == nil {
			continue
		}
		s := xmlspan.NewScanner(p.doc.Text[:m.InEnd], m.In)
		group, size := p.doc.Get(n, "pid"), map[string]int{}
		for {
			t, ok, err := s.Next()
			if err != nil || !ok {
				break
			}
			if t.Kind != xmlspan.Open || xmlspan.Local(t.Name) != "triangle" {
				continue
			}
			pid := group
			for _, a := range t.Attrs {
				if a.Name == "pid" {
					pid = p.doc.Value(a)
				}
			}
			for _, a := range t.Attrs {
				if len(a.Name) != 2 || a.Name[0] != 'p' || a.Name[1] < '1' || a.Name[1] > '3' {
					continue
				}
				have, ok := size[pid]
				if !ok && p.byID[pid] != nil {
					have = len(p.byID[pid].Kids)
					size[pid] = have
				}
				if v, err := strconv.Atoi(p.doc.Value(a)); err != nil || v < 0 || v >= have {
					return format.Malformed("a triangle at %d has %s %.20q of %d in group %.32q", t.Start, a.Name, p.doc.Value(a), have, pid)
				}
			}
		}
	}
	return nil
}

// Model returns a mesh for each place of the build.
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return f.model(ctx)
}

// Picture is the thumbnail where it is large enough, or else the build is drawn.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	if p := thumbnail(ctx, in); p != nil && 2*max(p.Width, p.Height) >= size {
		return &format.Picture{Image: p, Source: format.Embedded}, nil
	}
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	m, err := f.model(ctx)
	if err != nil {
		return nil, err
	}
	return shape.Picture(ctx, m, size, "")
}

// thumbnail reads the thumbnail, and no model; nil if it cannot.
func thumbnail(ctx context.Context, in format.Input) *raster.Image {
	a, err := zipfile.Open(in)
	if err != nil {
		return nil
	}
	f := &file{archive: a}
	list, _, err := f.relations(ctx, "_rels/.rels")
	if err != nil {
		return nil
	}
	for _, r := range list {
		if r.kind != thumbType || r.external {
			continue
		}
		e := a.Find(entryName(r.target))
		if e == nil {
			continue
		}
		b, err := a.Read(ctx, e, maxSmall)
		if err != nil {
			return nil
		}
		if c, err := png.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width*c.Height > 1<<24 {
			return nil
		}
		m, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			return nil
		}
		if p, err := raster.FromImage(m); err == nil {
			return p
		}
	}
	return nil
}

// unit is in metres.
func unit(s string) float64 {
	switch s {
	case "micron":
		return 1e-6
	case "centimeter":
		return 1e-2
	case "inch":
		return 0.0254
	case "foot":
		return 0.3048
	case "meter":
		return 1
	}
	return 1e-3
}

// stage makes a model.
type stage struct {
	*file
	model     *mesh.Model
	meshes    map[*xmlspan.Node]*mesh.Mesh
	materials map[string]int
	visits    int
}

func (f *file) model(ctx context.Context) (*mesh.Model, error) {
	root := f.parts[f.root]
	s := &stage{file: f, model: &mesh.Model{Up: 'Z', Unit: unit(root.doc.Get(root.doc.Root, "unit"))}, meshes: map[*xmlspan.Node]*mesh.Mesh{}, materials: map[string]int{}}
	if root.build == nil {
		return s.model, nil
	}
	for i, n := range root.build.All("item") {
		p, to := f.target(root, n)
		if to == nil {
			return nil, format.Malformed("item %d is of an object that is not there", i+1)
		}
		at, err := transform(root.doc.Get(n, "transform"))
		if err != nil {
			return nil, err
		}
		if err := s.object(ctx, p, to, at, 0); err != nil {
			return nil, err
		}
	}
	return s.model, nil
}

// transform reads 12 numbers: three rows that are columns of ours, and where the origin comes to lie.
func transform(s string) (mesh.Matrix, error) {
	m := mesh.Identity()
	if s == "" {
		return m, nil
	}
	v, ok := shape.Numbers([]byte(s), 12)
	if !ok || len(v) != 12 {
		return m, format.Malformed("a transform of %d numbers", len(v))
	}
	for i := range 4 {
		copy(m[4*i:4*i+3], v[3*i:3*i+3])
	}
	return m, nil
}

func (s *stage) object(ctx context.Context, p *part, n *xmlspan.Node, at mesh.Matrix, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.visits++; s.visits > 4*maxObjects || len(s.model.Objects) > maxObjects {
		return fmt.Errorf("more than %d objects at places: %w", maxObjects, format.ErrLimit)
	}
	if depth > maxDepth {
		return format.Malformed("more than %d components within one another", maxDepth)
	}
	if c := n.First("components"); c != nil {
		for _, k := range c.All("component") {
			q, to := s.target(p, k)
			if to == nil {
				return format.Malformed("a component of %s is of an object that is not there", p.name)
			}
			m, err := transform(p.doc.Get(k, "transform"))
			if err != nil {
				return err
			}
			m = at.Times(&m)
			if err := s.object(ctx, q, to, m, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	m, ok := s.meshes[n]
	if !ok {
		var err error
		if m, err = s.mesh(p, n); err != nil {
			return err
		}
		s.meshes[n] = m
	}
	if m == nil {
		return nil
	}
	id := p.name + "#" + p.doc.Get(n, "id")
	name := p.doc.Get(n, "name")
	if name == "" {
		name = id
	}
	s.model.Objects = append(s.model.Objects, mesh.Object{ID: id, Name: name, Mesh: m, Transform: at})
	return nil
}

// mesh makes the triangles of an object, with the colour of each as its material.
func (s *stage) mesh(p *part, n *xmlspan.Node) (*mesh.Mesh, error) {
	at := n.First("mesh")
	if at == nil {
		return nil, nil
	}
	points, faces, _, err := p.read(at)
	if err != nil {
		return nil, err
	}
	m := &mesh.Mesh{Positions: points}
	groups := map[uint64]string{0: p.doc.Get(n, "pid")}
	for id := range p.byID {
		h := uint64(14695981039346656037)
		for _, c := range []byte(id) {
			h = (h ^ uint64(c)) * 1099511628211
		}
		groups[h] = id
	}
	index, _ := strconv.Atoi(p.doc.Get(n, "pindex"))
	colors := map[string][][4]float32{}
	for i := range faces {
		f := &faces[i]
		m.Triangles = append(m.Triangles, f.v)
		if i > 0 && f.pid == faces[i-1].pid && f.p[0] == faces[i-1].p[0] {
			m.Groups[len(m.Groups)-1].Count++
			continue
		}
		group, k := groups[f.pid], int(f.p[0])
		if k < 0 {
			k = index
		}
		list, ok := colors[group]
		if !ok {
			list = p.colors(group)
			colors[group] = list
		}
		material := -1
		if k >= 0 && k < len(list) {
			material = s.material(fmt.Sprintf("%s#%s[%d]", p.name, group, k), list[k])
		}
		if g := len(m.Groups); g > 0 && m.Groups[g-1].Material == material {
			m.Groups[g-1].Count++
		} else {
			m.Groups = append(m.Groups, mesh.Group{First: i, Count: 1, Material: material})
		}
	}
	return m, nil
}

func (s *stage) material(name string, c [4]float32) int {
	n, ok := s.materials[name]
	if !ok {
		n = len(s.model.Materials)
		s.materials[name] = n
		s.model.Materials = append(s.model.Materials, mesh.Material{Name: name, Color: c})
	}
	return n
}
