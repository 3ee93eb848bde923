package obj

import (
	"context"
	"path"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
	"varve/format/splice"
	"varve/format/texture"
)

// Model returns a mesh for each object or group that has faces. What its materials look like is read from the libraries
// beside it, as far as they are there.
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.model(ctx)
}

// Picture draws the file.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	m, err := s.model(ctx)
	if err != nil {
		return nil, err
	}
	note := ""
	switch {
	case s.freeform:
		note = "without curves and free-form surfaces"
	case s.unpainted > 0:
		note = "without materials that are in other files"
	}
	return shape.Picture(ctx, m, size, note)
}

// paint gives materials the colours that the libraries say.
func (s *scene) paint(ctx context.Context, to []mesh.Material) {
	s.unpainted = len(to)
	done := map[string]bool{}
	for _, raw := range s.libraries {
		at, style := splice.Path(raw)
		if style != format.Relative {
			continue
		}
		in, err := format.Beside(s.in, at)
		if err != nil {
			continue
		}
		l, err := openLibrary(ctx, in)
		if err != nil {
			continue // the library says so itself
		}
		for _, m := range l.materials {
			k, ok := s.byName[m.name]
			if !ok || done[m.name] {
				continue
			}
			done[m.name] = true
			s.unpainted--
			if c, ok := shape.Numbers([]byte(m.color), 3); ok && len(c) == 3 {
				to[k].Color = [4]float32{float32(c[0]), float32(c[1]), float32(c[2]), 1}
			}
			if raw := m.maps["map_Kd"]; raw != "" {
				to[k].Texture = s.texture(ctx, path.Dir(at), raw)
				to[k].Color = [4]float32{1, 1, 1, 1} // the picture stands in its place
			}
		}
	}
}

func (s *scene) model(ctx context.Context) (*mesh.Model, error) {
	m := &mesh.Model{}
	for _, name := range s.materials {
		m.Materials = append(m.Materials, mesh.Material{Name: name, Color: [4]float32{0.55, 0.55, 0.55, 1}})
	}
	s.paint(ctx, m.Materials)
	of := make([][]int32, len(s.parts))
	for i := range s.faces {
		of[s.faces[i].part] = append(of[s.faces[i].part], int32(i))
	}
	b := builder{scene: s, first: make([]corner, len(s.positions)), place: make([]uint32, len(s.positions)), owner: make([]int32, len(s.positions))}
	for i := range s.parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := &s.parts[i]
		var made *mesh.Mesh
		switch {
		case len(of[i]) > 0:
			made = b.build(int32(i)+1, of[i])
		case p.last > p.first && len(s.faces) == 0:
			made = &mesh.Mesh{Positions: s.positions[p.first:p.last]}
		default:
			continue
		}
		m.Objects = append(m.Objects, mesh.Object{ID: p.id, Name: p.name, Mesh: made, Transform: mesh.Identity()})
	}
	return m, nil
}

// texture is a picture that a library in a folder names.
func (s *scene) texture(ctx context.Context, folder, raw string) *mesh.Texture {
	at, style := splice.Path(raw)
	if style != format.Relative {
		return nil
	}
	return texture.Beside(ctx, s.in, path.Join(folder, at), true)
}

// builder makes vertices of corners. Nearly all of those at one position have one normal and one texture coordinate:
// the first is found in a table, the others in a map.
type builder struct {
	*scene
	owner []int32  // the part, from 1, whose first corner at a position is in first
	first []corner // its corner
	place []uint32 // and its vertex
	more  map[corner]uint32
	mesh  *mesh.Mesh
}

func (b *builder) build(part int32, faces []int32) *mesh.Mesh {
	m := &mesh.Mesh{}
	b.mesh, b.more = m, map[corner]uint32{}
	uvs, normals, colors := false, false, false
	var polygon []uint32
	for _, i := range faces {
		f := &b.faces[i]
		polygon = polygon[:0]
		for _, c := range b.corners[f.first : f.first+f.n] {
			uvs, normals = uvs || c[1] >= 0, normals || c[2] >= 0
			polygon = append(polygon, b.vertex(part, c))
			if len(b.colors) > 0 {
				_, has := b.colors[c[0]]
				colors = colors || has
			}
		}
		if f.kind != 'f' {
			continue
		}
		m.Faces++
		before := len(m.Triangles)
		m.Triangles = shape.Triangles(m.Triangles, polygon, func(v uint32) [3]float64 { return m.Positions[v] })
		if n := len(m.Groups); n == 0 || m.Groups[n-1].Material != int(f.material) {
			m.Groups = append(m.Groups, mesh.Group{First: before, Material: int(f.material)})
		}
		m.Groups[len(m.Groups)-1].Count += len(m.Triangles) - before
	}
	if !uvs {
		m.UVs = nil
	}
	if !normals {
		m.Normals = nil
	}
	if !colors {
		m.Colors = nil
	}
	if len(m.Groups) == 1 && m.Groups[0].Material < 0 {
		m.Groups = nil
	}
	return m
}

func (b *builder) vertex(part int32, c corner) uint32 {
	v := c[0]
	if b.owner[v] == part && b.first[v] == c {
		return b.place[v]
	}
	if b.owner[v] == part {
		if n, ok := b.more[c]; ok {
			return n
		}
	}
	m := b.mesh
	n := uint32(len(m.Positions))
	m.Positions = append(m.Positions, b.positions[v])
	var uv [2]float32
	var normal [3]float32
	if c[1] >= 0 {
		uv = b.uvs[c[1]]
	}
	if c[2] >= 0 {
		normal = b.normals[c[2]]
	}
	m.UVs, m.Normals = append(m.UVs, uv), append(m.Normals, normal)
	if len(b.colors) > 0 {
		rgb, ok := b.colors[v]
		if !ok {
			rgb = [3]float32{1, 1, 1}
		}
		m.Colors = append(m.Colors, [4]float32{rgb[0], rgb[1], rgb[2], 1})
	}
	if b.owner[v] == part {
		b.more[c] = n
	} else {
		b.owner[v], b.first[v], b.place[v] = part, c, n
	}
	return n
}
