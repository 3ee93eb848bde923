package obj

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
)

// content is what is summed of a part.
type content struct {
	geometry, uvs, normals, colors, materials, smooth shape.Sum
	bounds                                            mesh.Bounds
	polygons, points                                  int
	bare                                              bool // some faces have no material
	names                                             map[int32]bool
}

// Elements lists objects and the groups in them; what is in neither is an element "mesh". Vertices count to what uses
// them.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.elements(ctx)
}

func (s *scene) elements(ctx context.Context) ([]format.Element, error) {
	sums, err := s.contents(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]format.Element, len(s.parts))
	for i := range s.parts {
		p, c := &s.parts[i], &sums[i]
		e := format.Element{ID: p.id, Stable: p.id, Kind: p.kind, Name: p.name, Properties: map[string]string{}, Aspects: map[string]string{}}
		if p.parent >= 0 {
			e.Parent = s.parts[p.parent].id
		}
		for _, r := range p.runs {
			e.Bytes += r.to - r.from
		}
		for name, sum := range map[string]*shape.Sum{"geometry": &c.geometry, "uvs": &c.uvs, "normals": &c.normals, "colors": &c.colors, "materials": &c.materials, "smoothing": &c.smooth} {
			if !sum.Empty() {
				e.Aspects[name] = sum.String()
			}
		}
		if c.polygons > 0 {
			e.Properties["faces"] = fmt.Sprint(c.polygons)
		}
		if c.points > 0 {
			e.Properties["points"] = fmt.Sprint(c.points)
		}
		var names []string
		for n := range c.names {
			names = append(names, s.materials[n])
		}
		if slices.Sort(names); len(names) > 0 {
			e.Properties["materials"] = strings.Join(names, ", ")
		}
		if len(names) == 1 && !c.bare { // the same on all faces, whatever their shape
			delete(e.Aspects, "materials")
		}
		e.Bounds = c.bounds.Slice()
		out[i] = e
	}
	return out, nil
}

// contents sums what the parts are.
func (s *scene) contents(ctx context.Context) ([]content, error) {
	sums := make([]content, len(s.parts))
	for i := range sums {
		sums[i] = content{bounds: mesh.Nowhere(), names: map[int32]bool{}}
	}
	kinds := make([]uint64, len(s.materials))
	for i, name := range s.materials {
		kinds[i] = uint64(len(name))
		for _, c := range []byte(name) {
			kinds[i] = kinds[i]*1099511628211 ^ uint64(c)
		}
	}
	at := make([]shape.Corner, len(s.positions))
	for i, p := range s.positions {
		at[i] = shape.At(p[0], p[1], p[2])
	}
	used := make([]bool, len(s.positions))
	var places, more []shape.Corner
	for i := range s.faces {
		if i&0xffff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		f := &s.faces[i]
		c := &sums[f.part]
		corners := s.corners[f.first : f.first+f.n]
		places = places[:0]
		uvs, normals, colors := true, true, false
		for _, k := range corners {
			used[k[0]] = true
			places = append(places, at[k[0]])
			c.bounds.Add(s.positions[k[0]])
			uvs, normals = uvs && k[1] >= 0, normals && k[2] >= 0
			if len(s.colors) > 0 {
				_, has := s.colors[k[0]]
				colors = colors || has
			}
		}
		c.geometry.Face(places, uint64(f.kind))
		with := func(sum *shape.Sum, v func(corner) []float64) {
			more = more[:0]
			for j, k := range corners {
				more = append(more, places[j].With(v(k)...))
			}
			sum.Face(more, 0)
		}
		if uvs {
			with(&c.uvs, func(k corner) []float64 { return []float64{float64(s.uvs[k[1]][0]), float64(s.uvs[k[1]][1])} })
		}
		if normals {
			with(&c.normals, func(k corner) []float64 {
				n := s.normals[k[2]]
				return []float64{float64(n[0]), float64(n[1]), float64(n[2])}
			})
		}
		if colors {
			with(&c.colors, func(k corner) []float64 {
				n := s.colors[k[0]]
				return []float64{float64(n[0]), float64(n[1]), float64(n[2])}
			})
		}
		if f.material >= 0 {
			c.materials.Face(places, kinds[f.material])
			c.names[f.material] = true
		} else {
			c.bare = true
		}
		if f.smooth != 0 {
			c.smooth.Face(places, uint64(f.smooth))
		}
		if f.kind == 'f' {
			c.polygons++
		}
	}
	s.loose(sums, at, used)
	return sums, nil
}

// loose sums the vertices that no face has, of parts without faces.
func (s *scene) loose(sums []content, at []shape.Corner, used []bool) {
	for i := range s.parts {
		p, c := &s.parts[i], &sums[i]
		if p.lines > 0 {
			continue
		}
		for v := p.first; v < p.last; v++ {
			if !used[v] {
				corner := at[v]
				if rgb, ok := s.colors[v]; ok {
					corner = corner.With(float64(rgb[0]), float64(rgb[1]), float64(rgb[2]))
				}
				c.geometry.Face([]shape.Corner{corner}, 0)
				c.bounds.Add(s.positions[v])
				c.points++
				used[v] = true
			}
		}
	}
}
