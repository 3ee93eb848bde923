package fbx

import (
	"fmt"
	"math"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
)

// geometry is a mesh as the file has it.
type geometry struct {
	positions []float64 // three each
	corners   []int32   // positions
	ends      []int     // of polygons, in corners
	uvs       *layer
	normals   *layer
	colors    *layer
	materials *layer
	textures  *layer // of version 6
}

// layer is what more is of a mesh, by corner, position or polygon.
type layer struct {
	by     string
	width  int
	values []float64
	index  []int32 // rows of values; nil: as they stand
}

// row returns what is of a corner of a polygon; nil where there is nothing.
func (l *layer) row(polygon, corner int, position int32) []float64 {
	if l == nil {
		return nil
	}
	i := 0
	switch l.by {
	case "ByPolygonVertex":
		i = corner
	case "ByVertice", "ByVertex":
		i = int(position)
	case "ByPolygon":
		i = polygon
	case "AllSame":
	default:
		return nil
	}
	if l.index != nil {
		if i >= len(l.index) {
			return nil
		}
		i = int(l.index[i])
	}
	if i < 0 || i >= len(l.values)/l.width {
		return nil
	}
	return l.values[i*l.width : (i+1)*l.width]
}

// hasMesh reports whether a node has a mesh: a geometry, or a model of version 6.
func hasMesh(n *node) bool { return n.first("Vertices") != nil && n.first("PolygonVertexIndex") != nil }

// geometryOf reads the mesh of a node; nil if it has none.
func (s *scene) geometryOf(o *object) (*geometry, error) {
	if !hasMesh(o.node) {
		return nil, nil
	}
	if g := s.made[o]; g != nil {
		return g, nil
	}
	g, err := s.readGeometry(o.node)
	if err != nil {
		return nil, fmt.Errorf("mesh %.80q: %w", o.name, err)
	}
	s.made[o] = g
	return g, nil
}

func (s *scene) readGeometry(n *node) (*geometry, error) {
	g := &geometry{}
	var err error
	if g.positions, err = s.floats(n.first("Vertices")); err != nil {
		return nil, err
	}
	g.positions = g.positions[:len(g.positions)/3*3]
	if g.corners, err = s.indices(n.first("PolygonVertexIndex")); err != nil {
		return nil, err
	}
	for i, c := range g.corners {
		if c < 0 { // the last of a polygon is written as its complement
			c = ^c
			g.corners[i] = c
			g.ends = append(g.ends, i+1)
		}
		if int(c) >= len(g.positions)/3 {
			return nil, format.Malformed("a corner at position %d of %d", c, len(g.positions)/3)
		}
	}
	layers := map[string]**layer{"LayerElementUV": &g.uvs, "LayerElementNormal": &g.normals, "LayerElementColor": &g.colors, "LayerElementMaterial": &g.materials, "LayerElementTexture": &g.textures}
	for _, k := range n.kids {
		if to := layers[k.name]; to != nil && *to == nil {
			if *to, err = s.layer(k); err != nil {
				return nil, err
			}
		}
	}
	return g, nil
}

// layer reads one: numbers, and where they are not in order, which of them.
func (s *scene) layer(n *node) (*layer, error) {
	data, index, width := "", "", 1
	switch n.name {
	case "LayerElementUV":
		data, index, width = "UV", "UVIndex", 2
	case "LayerElementNormal":
		data, index, width = "Normals", "NormalsIndex", 3
	case "LayerElementColor":
		data, index, width = "Colors", "ColorIndex", 4
	case "LayerElementMaterial":
		data = "Materials"
	case "LayerElementTexture":
		data = "TextureId"
	}
	l := &layer{by: s.text(n.first("MappingInformationType"), 0), width: width}
	var err error
	if l.values, err = s.floats(n.first(data)); err != nil {
		return nil, err
	}
	if ref := s.text(n.first("ReferenceInformationType"), 0); index != "" && ref != "Direct" && n.first(index) != nil {
		l.index, err = s.indices(n.first(index))
	}
	return l, err
}

// material returns the number of a polygon's material among those of its model; -1 if it has none.
func (g *geometry) material(polygon, corner int, of int) int {
	if g.materials == nil {
		if of > 0 {
			return 0
		}
		return -1
	}
	r := g.materials.row(polygon, corner, g.corners[corner])
	if len(r) == 0 || !(r[0] >= 0 && r[0] < float64(of)) {
		return -1
	}
	return int(r[0])
}

// builder makes vertices of corners: one stands for those that are equal in all. Those at a position are chained; of
// the few positions that have many a map knows them.
type builder struct {
	*geometry
	mesh  *mesh.Mesh
	first []uint32 // by position: its first vertex, from 1
	next  []uint32 // by vertex: another at its position, from 1
	many  map[corner]uint32
}

// corner is a position and what else is of it: texture coordinates, normal, colour.
type corner struct {
	position int32
	more     [9]float32
}

const maxChain = 16

func (b *builder) vertex(polygon, i int) uint32 {
	c := corner{position: b.corners[i]}
	fill(c.more[0:2], b.uvs.row(polygon, i, c.position))
	fill(c.more[2:5], b.normals.row(polygon, i, c.position))
	fill(c.more[5:9], b.colors.row(polygon, i, c.position))
	m, steps, last := b.mesh, 0, &b.first[c.position]
	for ; *last != 0 && steps < maxChain; steps++ {
		v := *last - 1
		if m.UVs[v] == [2]float32(c.more[0:2]) && m.Normals[v] == [3]float32(c.more[2:5]) && m.Colors[v] == [4]float32(c.more[5:9]) {
			return v
		}
		last = &b.next[v]
	}
	v := uint32(len(m.Positions))
	if steps == maxChain {
		if n, ok := b.many[c]; ok {
			return n
		}
		b.many[c] = v
	} else {
		*last = v + 1
	}
	m.Positions, b.next = append(m.Positions, b.at(c.position)), append(b.next, 0)
	m.UVs, m.Normals, m.Colors = append(m.UVs, [2]float32(c.more[0:2])), append(m.Normals, [3]float32(c.more[2:5])), append(m.Colors, [4]float32(c.more[5:9]))
	return v
}

// mesh makes triangles, those of one material together; materials are the model's.
func (g *geometry) mesh(materials []int) *mesh.Mesh {
	m := &mesh.Mesh{}
	b := builder{geometry: g, mesh: m, first: make([]uint32, len(g.positions)/3), many: map[corner]uint32{}}
	byMaterial := make([][]int, len(materials)+1)
	from := 0
	for i, end := range g.ends {
		if end-from >= 3 {
			k := g.material(i, from, len(materials)) + 1
			byMaterial[k] = append(byMaterial[k], i)
		}
		from = end
	}
	var polygon []uint32
	for k, list := range byMaterial {
		first := len(m.Triangles)
		for _, i := range list {
			from := 0
			if i > 0 {
				from = g.ends[i-1]
			}
			polygon = polygon[:0]
			for c := from; c < g.ends[i]; c++ {
				polygon = append(polygon, b.vertex(i, c))
			}
			m.Faces++
			m.Triangles = shape.Triangles(m.Triangles, polygon, func(v uint32) [3]float64 { return m.Positions[v] })
		}
		if n := len(m.Triangles) - first; n > 0 {
			group := mesh.Group{First: first, Count: n, Material: -1}
			if k > 0 {
				group.Material = materials[k-1]
			}
			m.Groups = append(m.Groups, group)
		}
	}
	if g.uvs == nil {
		m.UVs = nil
	}
	if g.normals == nil {
		m.Normals = nil
	}
	if g.colors == nil {
		m.Colors = nil
	}
	return m
}

// fill takes over numbers; what is not finite is 0, for it must equal itself.
func fill(to []float32, from []float64) {
	for i := range min(len(to), len(from)) {
		if x := float32(from[i]); !math.IsNaN(float64(x)) {
			to[i] = x
		}
	}
}

func (g *geometry) at(i int32) [3]float64 { return [3]float64(g.positions[3*i : 3*i+3]) }

// bounds is the box of what is seen.
func (g *geometry) bounds() mesh.Bounds {
	b := mesh.Nowhere()
	for _, c := range g.corners {
		b.Add(g.at(c))
	}
	return b
}

// describe sums the shape.
func (g *geometry) describe(e *format.Element) {
	var place, uv, normal, color, material shape.Sum
	var list, more []shape.Corner
	from := 0
	for i, end := range g.ends {
		list = list[:0]
		for _, c := range g.corners[from:end] {
			p := g.at(c)
			list = append(list, shape.At(p[0], p[1], p[2]))
		}
		place.Face(list, 0)
		for _, x := range []struct {
			sum *shape.Sum
			*layer
		}{{&uv, g.uvs}, {&normal, g.normals}, {&color, g.colors}, {&material, g.materials}} {
			if x.layer == nil {
				continue
			}
			more = more[:0]
			for j := range list {
				more = append(more, list[j].With(x.row(i, from+j, g.corners[from+j])...))
			}
			x.sum.Face(more, 0)
		}
		from = end
	}
	e.Properties["faces"] = fmt.Sprint(len(g.ends))
	for name, s := range map[string]*shape.Sum{"geometry": &place, "uvs": &uv, "normals": &normal, "colors": &color, "materials": &material} {
		if !s.Empty() {
			e.Aspects[name] = s.String()
		}
	}
}
