package ply

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
	"varve/format/splice"
)

// content is a file that was read.
type content struct {
	header    *header
	positions [][3]float64
	normals   [][3]float32
	uvs       [][2]float32
	colors    [][4]float32
	faces     []uint32 // lengths and corners: n a b c …
	polygons  int
	points    shape.Sum // of vertices with what else they have
	others    map[string]int64
	rest      shape.Sum // of the elements that are neither vertices nor faces
}

func read(ctx context.Context, in format.Input) (*content, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxFile)
	if err != nil {
		return nil, err
	}
	h, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	c := &content{header: h, others: map[string]int64{}}
	at := int(h.size)
	for i := range h.elements {
		e := &h.elements[i]
		each := c.other(e)
		switch e.name {
		case "vertex":
			each, err = c.vertex(e)
		case "face", "tristrips":
			each, err = c.face(e)
		default:
			c.others[e.name] += e.n
		}
		if err != nil {
			return nil, err
		}
		if at, err = h.rows(ctx, e, b, at, each); err != nil {
			return nil, err
		}
	}
	if left := bytes.Trim(b[at:], " \t\r\n\x00"); len(left) > 0 {
		return nil, format.Malformed("%d bytes after the last element", len(left))
	}
	return c, c.check()
}

// vertex returns what takes the vertices.
func (c *content) vertex(e *element) (func(*row) error, error) {
	if len(c.positions) > 0 {
		return nil, format.Malformed("vertices twice")
	}
	x, y, z := e.find("x"), e.find("y"), e.find("z")
	if x < 0 || y < 0 || z < 0 {
		return nil, format.Unsupported("vertices without x, y and z")
	}
	known := map[int]bool{x: true, y: true, z: true}
	three := func(names ...string) (at [3]int, ok bool) {
		for k, n := range names {
			if at[k] = e.find(n); at[k] < 0 {
				return at, false
			}
		}
		for _, k := range at {
			known[k] = true
		}
		return at, true
	}
	normal, hasNormal := three("nx", "ny", "nz")
	uv := [2]int{e.find("s", "u", "texture_u"), e.find("t", "v", "texture_v")}
	hasUV := uv[0] >= 0 && uv[1] >= 0
	if hasUV {
		known[uv[0]], known[uv[1]] = true, true
	}
	rgb, hasColor := three("red", "green", "blue")
	alpha := e.find("alpha")
	if alpha >= 0 && hasColor {
		known[alpha] = true
	}
	scale := float32(1)
	if hasColor && e.properties[rgb[0]].kind < f32 {
		scale = float32(int(1)<<(8*e.properties[rgb[0]].kind.size()) - 1)
	}
	c.positions = make([][3]float64, 0, e.n)
	var all []float64
	return func(r *row) error {
		p := [3]float64{r.values[x], r.values[y], r.values[z]}
		c.positions = append(c.positions, p)
		if hasNormal {
			c.normals = append(c.normals, [3]float32{float32(r.values[normal[0]]), float32(r.values[normal[1]]), float32(r.values[normal[2]])})
		}
		if hasUV {
			c.uvs = append(c.uvs, [2]float32{float32(r.values[uv[0]]), float32(r.values[uv[1]])})
		}
		if hasColor {
			rgba := [4]float32{float32(r.values[rgb[0]]) / scale, float32(r.values[rgb[1]]) / scale, float32(r.values[rgb[2]]) / scale, 1}
			if alpha >= 0 {
				rgba[3] = float32(r.values[alpha]) / scale
			}
			c.colors = append(c.colors, rgba)
		}
		if all = all[:0]; len(e.properties) > len(known) {
			for i, v := range r.values {
				if !known[i] {
					all = append(all, v)
				}
			}
			if len(all) > 0 {
				c.points.Face([]shape.Corner{shape.At(p[0], p[1], p[2]).With(all...)}, 0)
			}
		}
		return nil
	}, nil
}

// face returns what takes polygons, and strips of triangles.
func (c *content) face(e *element) (func(*row) error, error) {
	at := e.find("vertex_indices", "vertex_index")
	if at < 0 || e.properties[at].count == 0 {
		return nil, format.Unsupported("faces without a list of vertices")
	}
	return func(r *row) error {
		list := r.lists[at]
		for _, v := range list {
			if v >= 1<<32 || v < 0 && (e.name != "tristrips" || v != -1) {
				return format.Malformed("a face has vertex %v", v)
			}
		}
		if e.name == "tristrips" {
			c.strips(list)
			return nil
		}
		c.polygons++
		c.faces = append(c.faces, uint32(len(list)))
		for _, v := range list {
			c.faces = append(c.faces, uint32(v))
		}
		return nil
	}, nil
}

// strips: each vertex makes a triangle with the two before it; -1 begins anew.
func (c *content) strips(list []float64) {
	from := 0
	for i, v := range list {
		if v < 0 {
			from = i + 1
			continue
		}
		if n := i - from; n >= 2 {
			a, b, d := uint32(list[i-2]), uint32(list[i-1]), uint32(v)
			if n%2 == 1 {
				a, b = b, a
			}
			c.faces = append(c.faces, 3, a, b, d)
			c.polygons++
		}
	}
}

// other returns what takes the elements that are not known: edges, cameras, materials.
func (c *content) other(e *element) func(*row) error {
	return func(r *row) error {
		corner := shape.At(0, 0, 0).With(r.values...)
		for i := range e.properties {
			if e.properties[i].count != 0 {
				corner = corner.With(r.lists[i]...)
			}
		}
		c.rest.Face([]shape.Corner{corner}, uint64(len(e.name)))
		return nil
	}
}

// each calls do with every polygon.
func (c *content) each(do func([]uint32)) {
	for f := c.faces; len(f) > 0; f = f[1+f[0]:] {
		do(f[1 : 1+f[0]])
	}
}

func (c *content) check() (err error) {
	c.each(func(polygon []uint32) {
		for _, v := range polygon {
			if int(v) >= len(c.positions) && err == nil {
				err = format.Malformed("a face has vertex %d of %d", v, len(c.positions))
			}
		}
	})
	return err
}

// Validate reads the file whole.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := read(ctx, in)
	return err
}

// Elements is the one mesh, or cloud of points.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	c, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	e := format.Element{ID: "mesh", Stable: "mesh", Kind: "mesh", Name: "mesh", Bytes: in.Size() - c.header.size, Aspects: map[string]string{},
		Properties: map[string]string{"vertices": fmt.Sprint(len(c.positions)), "faces": fmt.Sprint(c.polygons)}}
	if c.polygons == 0 {
		e.Kind, e.Name = "points", "points"
	}
	for name, n := range c.others {
		e.Properties[name] = fmt.Sprint(n)
	}
	b := mesh.Nowhere()
	for _, p := range c.positions {
		b.Add(p)
	}
	e.Bounds = b.Slice()
	maps.Copy(e.Aspects, c.aspects())
	return []format.Element{e}, nil
}

func (c *content) aspects() map[string]string {
	at := func(v uint32) shape.Corner {
		p := c.positions[v]
		return shape.At(p[0], p[1], p[2])
	}
	sum := func(corner func(uint32) shape.Corner) string {
		var s shape.Sum
		if c.polygons == 0 {
			for v := range c.positions {
				s.Face([]shape.Corner{corner(uint32(v))}, 0)
			}
			return s.String()
		}
		var corners []shape.Corner
		c.each(func(polygon []uint32) {
			corners = corners[:0]
			for _, v := range polygon {
				corners = append(corners, corner(v))
			}
			s.Face(corners, 0)
		})
		return s.String()
	}
	out := map[string]string{"geometry": sum(at)}
	if c.normals != nil {
		out["normals"] = sum(func(v uint32) shape.Corner {
			n := c.normals[v]
			return at(v).With(float64(n[0]), float64(n[1]), float64(n[2]))
		})
	}
	if c.uvs != nil {
		out["uvs"] = sum(func(v uint32) shape.Corner { return at(v).With(float64(c.uvs[v][0]), float64(c.uvs[v][1])) })
	}
	if c.colors != nil {
		out["colors"] = sum(func(v uint32) shape.Corner {
			k := c.colors[v]
			return at(v).With(float64(k[0]), float64(k[1]), float64(k[2]), float64(k[3]))
		})
	}
	if !c.points.Empty() {
		out["attributes"] = c.points.String()
	}
	if !c.rest.Empty() {
		out["others"] = c.rest.String()
	}
	return out
}

// Model returns the mesh; of a cloud its points.
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	c, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	m := &mesh.Mesh{Positions: c.positions, Normals: c.normals, UVs: c.uvs, Colors: c.colors, Faces: c.polygons}
	c.each(func(polygon []uint32) {
		m.Triangles = shape.Triangles(m.Triangles, polygon, func(v uint32) [3]float64 { return c.positions[v] })
	})
	return &mesh.Model{Objects: []mesh.Object{{ID: "mesh", Name: "mesh", Mesh: m, Transform: mesh.Identity()}}}, nil
}

// Picture draws the file.
func (f Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	m, err := f.Model(ctx, in)
	if err != nil {
		return nil, err
	}
	return shape.Picture(ctx, m, size, "")
}

// References lists the textures that comments name.
func (Format) References(_ context.Context, in format.Input) ([]format.Reference, error) {
	h, err := headerOf(in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, f := range h.files {
		r := format.Reference{Kind: "texture", Raw: f.name, Off: f.off, Len: int64(len(f.name))}
		if r.Path, r.Style = splice.Path(f.name); r.Path != "" {
			out = append(out, r)
		}
	}
	return out, nil
}

// headerOf reads no more than the header, as a rule.
func headerOf(in format.Input) (*header, error) {
	for n := int64(16 << 10); ; n *= 16 {
		n = min(n, in.Size(), 1<<24)
		b, err := format.ReadSpan(in, 0, n, 1<<24)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(b, []byte("end_header")) || n == in.Size() || n == 1<<24 {
			return readHeaderOf(b, in.Size())
		}
	}
}

// Rewrite makes comments name other textures.
func (f Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := f.References(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, func(_ format.Reference, next string) string {
		if next == "" || next != strings.TrimSpace(next) || strings.ContainsAny(next, "\r\n") {
			return "a name is one line"
		}
		return ""
	})
}

// Regions are the tables of numbers of one width in a little-endian file, as far as no list comes before them.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	h, err := headerOf(in)
	if err != nil || h.text {
		return nil, err
	}
	var out []format.Region
	at := h.size
	for i := range h.elements {
		e := &h.elements[i]
		if e.list {
			break
		}
		g := format.Region{Off: at, Len: e.n * int64(e.stride), Width: 1}
		if at += g.Len; g.Len == 0 {
			continue
		}
		if w := e.properties[0].kind.size(); h.order.String() == "LittleEndian" && !slices.ContainsFunc(e.properties, func(p property) bool { return p.kind.size() != w }) {
			g.Width = uint8(w)
		}
		out = append(out, g)
	}
	return out, nil
}
