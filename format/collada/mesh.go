package collada

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
	"varve/format/xmlspan"
)

// geometry is a mesh as the document has it.
type geometry struct {
	positions []float64 // three each
	prims     []primitive
}

// primitive is polygons of one material.
type primitive struct {
	material string
	sizes    []int // corners of each polygon
	corners  [][3]int
	uvs      *accessor
	normals  *accessor
}

// accessor gives rows of an array.
type accessor struct {
	values         []float64
	offset, stride int
	count          int
}

func (a *accessor) row(i, width int) []float64 {
	at := a.offset + i*a.stride
	return a.values[at : at+width]
}

// holds reports whether row i has so many numbers.
func (a *accessor) holds(i, width int) bool {
	return a != nil && i >= 0 && i < a.count && a.offset+i*a.stride+width <= len(a.values)
}

func (f *file) whole(n *xmlspan.Node, name string, otherwise int) (int, error) {
	s, ok := f.doc.Has(n, name)
	if !ok {
		return otherwise, nil
	}
	v, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	if err != nil || v < 0 {
		return 0, format.Malformed("%s %.20q in %s at %d", name, s, n.Name, n.Start)
	}
	return int(v), nil
}

// target returns what a reference like "#id" within the document is to.
func (f *file) target(ref string) *xmlspan.Node {
	id, ok := strings.CutPrefix(strings.TrimSpace(ref), "#")
	if !ok {
		return nil
	}
	return f.ids[id]
}

// source reads an array by a reference to a source.
func (f *file) source(ref string) (*accessor, error) {
	n := f.target(ref)
	if n == nil || n.Local() != "source" {
		return nil, format.Malformed("no source %.64q", ref)
	}
	array := n.First("float_array")
	acc := n.First("technique_common").First("accessor")
	if acc == nil {
		return nil, format.Malformed("source %.64q has no accessor", ref)
	}
	if array == nil || f.target(f.doc.Get(acc, "source")) != nil {
		if at := f.target(f.doc.Get(acc, "source")); at != nil && at.Local() == "float_array" {
			array = at
		}
	}
	if array == nil {
		return nil, format.Malformed("source %.64q has no numbers", ref)
	}
	values, ok := f.sources[array]
	if !ok {
		text := f.doc.Text[array.In:array.InEnd]
		if values, ok = shape.Numbers(text, len(text)); !ok {
			return nil, format.Malformed("source %.64q has what is no number", ref)
		}
		f.sources[array] = values
	}
	a := &accessor{values: values}
	var err error
	if a.offset, err = f.whole(acc, "offset", 0); err != nil {
		return nil, err
	}
	if a.stride, err = f.whole(acc, "stride", 1); err != nil {
		return nil, err
	}
	a.count, err = f.whole(acc, "count", 0)
	if a.stride == 0 {
		a.stride = 1
	}
	return a, err
}

// geometry reads a mesh; nil where it has none, as of a spline.
func (f *file) geometry(n *xmlspan.Node) (*geometry, error) {
	m := n.First("mesh")
	if m == nil {
		return nil, nil
	}
	g := &geometry{}
	of := map[string]*xmlspan.Node{} // vertices by their id
	for _, v := range m.All("vertices") {
		of["#"+f.doc.Get(v, "id")] = v
	}
	var points *accessor
	for _, k := range m.Kids {
		switch k.Local() {
		case "triangles", "polylist", "polygons", "tristrips", "trifans":
		default:
			continue
		}
		p, at, err := f.primitive(k, of)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		if points == nil {
			points = at
			for i := range at.count {
				if !at.holds(i, 3) {
					return nil, format.Malformed("%.64q has fewer positions than %d", f.idOf[n], at.count)
				}
				g.positions = append(g.positions, at.row(i, 3)...)
			}
		} else if at.count != points.count || at.offset != points.offset || at.stride != points.stride || len(at.values) > 0 && &at.values[0] != &points.values[0] {
			return nil, format.Unsupported("a mesh with several lists of positions")
		}
		for _, c := range p.corners {
			if c[0] < 0 || c[0] >= len(g.positions)/3 || p.uvs != nil && !p.uvs.holds(c[1], 2) || p.normals != nil && !p.normals.holds(c[2], 3) {
				return nil, format.Malformed("%.64q has a corner %d that is not there", f.idOf[n], c)
			}
		}
		g.prims = append(g.prims, *p)
	}
	return g, nil
}

// primitive reads polygons, and where their positions are.
func (f *file) primitive(n *xmlspan.Node, vertices map[string]*xmlspan.Node) (*primitive, *accessor, error) {
	p := &primitive{material: f.doc.Get(n, "material")}
	offsets, stride := [3]int{-1, -1, -1}, 0
	var points *accessor
	take := func(semantic, ref string, offset int) (err error) {
		switch {
		case semantic == "POSITION" && points == nil:
			points, err = f.source(ref)
			offsets[0] = offset
		case semantic == "TEXCOORD" && p.uvs == nil:
			p.uvs, err = f.source(ref)
			offsets[1] = offset
		case semantic == "NORMAL" && p.normals == nil:
			p.normals, err = f.source(ref)
			offsets[2] = offset
		}
		return err
	}
	for _, in := range n.All("input") {
		offset, err := f.whole(in, "offset", 0)
		if err != nil || offset > 1<<10 {
			return nil, nil, format.Malformed("an input at %d", in.Start)
		}
		stride = max(stride, offset+1)
		semantic, ref := f.doc.Get(in, "semantic"), f.doc.Get(in, "source")
		if semantic != "VERTEX" {
			if err := take(semantic, ref, offset); err != nil {
				return nil, nil, err
			}
			continue
		}
		v := vertices[strings.TrimSpace(ref)]
		if v == nil {
			return nil, nil, format.Malformed("no vertices %.64q", ref)
		}
		for _, k := range v.All("input") {
			if err := take(f.doc.Get(k, "semantic"), f.doc.Get(k, "source"), offset); err != nil {
				return nil, nil, err
			}
		}
	}
	if stride == 0 || points == nil {
		if len(n.All("p")) == 0 {
			return nil, nil, nil
		}
		return nil, nil, format.Malformed("polygons without positions at %d", n.Start)
	}
	return p, points, f.polygons(n, p, offsets, stride)
}

// indices returns the whole numbers of a node.
func (f *file) indices(n *xmlspan.Node) ([]int, error) {
	b := f.doc.Text[n.In:n.InEnd]
	var out []int
	for b = b[shape.Space(b):]; len(b) > 0; b = b[shape.Space(b):] {
		v, k := shape.Whole(b)
		if k == 0 || v > math.MaxInt32 || v < -1 {
			return nil, format.Malformed("what is no index in %s at %d", n.Name, n.Start)
		}
		out = append(out, int(v))
		b = b[k:]
	}
	return out, nil
}

// polygons reads the lists of corners.
func (f *file) polygons(n *xmlspan.Node, p *primitive, offsets [3]int, stride int) error {
	lists := n.All("p")
	for _, h := range n.All("ph") { // holes are not cut out
		lists = append(lists, h.All("p")...)
	}
	var sizes []int
	if v := n.First("vcount"); v != nil {
		var err error
		if sizes, err = f.indices(v); err != nil {
			return err
		}
	}
	for _, l := range lists {
		list, err := f.indices(l)
		if err != nil {
			return err
		}
		if len(list)%stride != 0 {
			return format.Malformed("%d indices of %d a corner at %d", len(list), stride, l.Start)
		}
		corners := make([][3]int, 0, len(list)/stride)
		for ; len(list) > 0; list = list[stride:] {
			var c [3]int
			for k := range 3 {
				if offsets[k] >= 0 {
					c[k] = list[offsets[k]]
				}
			}
			corners = append(corners, c)
		}
		if err := p.add(n.Local(), corners, sizes); err != nil {
			return err
		}
	}
	return nil
}

func (p *primitive) add(kind string, corners [][3]int, sizes []int) error {
	n := len(corners)
	polygon := func(list ...[3]int) {
		p.sizes, p.corners = append(p.sizes, len(list)), append(p.corners, list...)
	}
	switch kind {
	case "triangles":
		if n%3 != 0 {
			return format.Malformed("%d corners of triangles", n)
		}
		for i := 0; i < n; i += 3 {
			polygon(corners[i : i+3]...)
		}
	case "polylist":
		at := 0
		for _, k := range sizes {
			if k < 0 || k > n-at {
				return format.Malformed("polygons of more corners than there are")
			}
			polygon(corners[at : at+k]...)
			at += k
		}
	case "polygons":
		polygon(corners...)
	case "trifans":
		for i := 2; i < n; i++ {
			polygon(corners[0], corners[i-1], corners[i])
		}
	case "tristrips":
		for i := 2; i < n; i++ {
			if i%2 == 0 {
				polygon(corners[i-2], corners[i-1], corners[i])
			} else {
				polygon(corners[i-1], corners[i-2], corners[i])
			}
		}
	}
	return nil
}

func (g *geometry) at(i int) [3]float64 {
	return [3]float64{g.positions[3*i], g.positions[3*i+1], g.positions[3*i+2]}
}

// describe sums the shape.
func (g *geometry) describe(e *format.Element) {
	var place, uv, normal, material shape.Sum
	b := mesh.Nowhere()
	faces := 0
	var list, more []shape.Corner
	for i := range g.prims {
		p := &g.prims[i]
		kind := uint64(0)
		for _, c := range []byte(p.material) {
			kind = kind*1099511628211 ^ uint64(c)
		}
		at := 0
		for _, n := range p.sizes {
			corners := p.corners[at : at+n]
			at += n
			list = list[:0]
			for _, c := range corners {
				x := g.at(c[0])
				b.Add(x)
				list = append(list, shape.At(x[0], x[1], x[2]))
			}
			place.Face(list, 0)
			if p.material != "" {
				material.Face(list, kind)
			}
			with := func(sum *shape.Sum, a *accessor, k, width int) {
				if a == nil {
					return
				}
				more = more[:0]
				for j, c := range corners {
					more = append(more, list[j].With(a.row(c[k], width)...))
				}
				sum.Face(more, 0)
			}
			with(&uv, p.uvs, 1, 2)
			with(&normal, p.normals, 2, 3)
			faces++
		}
	}
	e.Bounds = b.Slice()
	e.Properties["faces"] = fmt.Sprint(faces)
	for name, s := range map[string]*shape.Sum{"geometry": &place, "uvs": &uv, "normals": &normal, "materials": &material} {
		if !s.Empty() {
			e.Aspects[name] = s.String()
		}
	}
}
