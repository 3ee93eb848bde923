package collada

import (
	"context"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"sync"

	"varve/format"
	"varve/format/mesh"
	"varve/format/raster"
	"varve/format/shape"
	"varve/format/splice"
	"varve/format/texture"
	"varve/format/xmlspan"
)

// maxObjects bounds the meshes at places, which nodes in nodes may multiply.
const maxObjects = 1 << 16

// Model returns a mesh for each place that the scene shows one at, in the pose in which it is.
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return f.model(ctx)
}

// Picture draws the scene.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	m, err := f.model(ctx)
	if err != nil {
		return nil, err
	}
	return shape.Picture(ctx, m, size, "without lights and poses")
}

// stage makes a model.
type stage struct {
	*file
	ctx       context.Context
	model     *mesh.Model
	made      map[*xmlspan.Node]*geometry
	materials map[*xmlspan.Node]int
	open      map[*xmlspan.Node]bool // nodes that are within one another
	visits    int
	textures  map[*xmlspan.Node]*mesh.Texture // by image
	meshes    map[string]*mesh.Mesh           // by geometry and materials
}

func (f *file) model(ctx context.Context) (*mesh.Model, error) {
	s := &stage{file: f, ctx: ctx, model: &mesh.Model{}, made: map[*xmlspan.Node]*geometry{}, materials: map[*xmlspan.Node]int{}, open: map[*xmlspan.Node]bool{}, meshes: map[string]*mesh.Mesh{}, textures: map[*xmlspan.Node]*mesh.Texture{}}
	asset := f.doc.Root.First("asset")
	if u := asset.First("unit"); u != nil {
		if v, err := strconv.ParseFloat(f.doc.Get(u, "meter"), 64); err == nil && v > 0 && !math.IsInf(v, 0) {
			s.model.Unit = v
		}
	}
	if up := asset.First("up_axis"); up != nil {
		if text := strings.TrimSpace(f.doc.Inner(up)); text == "X_UP" || text == "Y_UP" || text == "Z_UP" {
			s.model.Up = text[0]
		}
	}
	scene := f.target(f.url(f.doc.Root.First("scene").First("instance_visual_scene")))
	if scene == nil {
		scene = f.doc.Root.First("library_visual_scenes").First("visual_scene")
	}
	if scene != nil {
		for _, n := range scene.All("node") {
			if err := s.node(n, mesh.Identity()); err != nil {
				return nil, err
			}
		}
	}
	if len(s.model.Objects) > 0 {
		return s.model, nil
	}
	for _, lib := range f.doc.Root.All("library_geometries") { // nothing is shown: all that there is
		for _, g := range lib.All("geometry") {
			if err := s.show(g, nil, mesh.Identity(), f.idOf[g], f.doc.Get(g, "name")); err != nil {
				return nil, err
			}
		}
	}
	return s.model, nil
}

func (f *file) url(n *xmlspan.Node) string {
	if n == nil {
		return ""
	}
	return f.doc.Get(n, "url")
}

func (s *stage) node(n *xmlspan.Node, at mesh.Matrix) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.visits++; s.visits > 4*maxObjects {
		return fmt.Errorf("more than %d nodes: %w", 4*maxObjects, format.ErrLimit)
	}
	if s.open[n] {
		return format.Malformed("node %.64q is within itself", s.idOf[n])
	}
	s.open[n] = true
	defer delete(s.open, n)
	if len(s.open) > xmlspan.MaxDepth {
		return format.Malformed("more than %d nodes within one another", xmlspan.MaxDepth)
	}
	for _, k := range n.Kids {
		m, ok, err := s.transform(k)
		if err != nil {
			return err
		}
		if ok {
			at = at.Times(&m)
		}
	}
	for _, k := range n.Kids {
		var err error
		switch k.Local() {
		case "node":
			err = s.node(k, at)
		case "instance_node":
			if to := s.target(s.url(k)); to != nil && to.Local() == "node" {
				err = s.node(to, at)
			}
		case "instance_geometry":
			if to := s.target(s.url(k)); to != nil && to.Local() == "geometry" {
				err = s.show(to, k, at, s.idOf[n], s.doc.Get(n, "name"))
			}
		case "instance_controller":
			err = s.skin(s.target(s.url(k)), k, n, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skin shows the mesh of a controller as it is bound.
func (s *stage) skin(c, instance, n *xmlspan.Node, at mesh.Matrix) error {
	for range 8 { // a controller of a controller
		if c == nil {
			return nil
		}
		if c.Local() == "geometry" {
			return s.show(c, instance, at, s.idOf[n], s.doc.Get(n, "name"))
		}
		inner := c.First("skin")
		if inner == nil {
			inner = c.First("morph")
		}
		if inner == nil {
			return nil
		}
		if b := inner.First("bind_shape_matrix"); b != nil {
			v, ok := shape.Numbers([]byte(s.doc.Inner(b)), 16)
			if !ok || len(v) != 16 {
				return format.Malformed("a matrix of %d numbers at %d", len(v), b.Start)
			}
			m := rows(v)
			at = at.Times(&m)
		}
		c = s.target(s.doc.Get(inner, "source"))
	}
	return nil
}

// rows makes a matrix of one that is written row by row.
func rows(v []float64) (m mesh.Matrix) {
	for r := range 4 {
		for c := range 4 {
			m[4*c+r] = v[4*r+c]
		}
	}
	return m
}

// transform reads one; ok is false where a node is none.
func (s *stage) transform(n *xmlspan.Node) (m mesh.Matrix, ok bool, err error) {
	want := map[string]int{"matrix": 16, "translate": 3, "rotate": 4, "scale": 3, "lookat": 9}[n.Local()]
	if want == 0 {
		return m, false, nil
	}
	v, good := shape.Numbers([]byte(s.doc.Inner(n)), want)
	if !good || len(v) != want {
		if len(v) == 0 && good { // an empty tag
			return m, false, nil
		}
		return m, false, format.Malformed("%s of %d numbers at %d", n.Local(), len(v), n.Start)
	}
	m = mesh.Identity()
	switch n.Local() {
	case "matrix":
		m = rows(v)
	case "translate":
		m[12], m[13], m[14] = v[0], v[1], v[2]
	case "scale":
		m[0], m[5], m[10] = v[0], v[1], v[2]
	case "rotate":
		m = turn(v[0], v[1], v[2], v[3]*math.Pi/180)
	default: // of cameras
		return m, false, nil
	}
	return m, true, nil
}

// turn is a rotation about an axis.
func turn(x, y, z, angle float64) mesh.Matrix {
	m := mesh.Identity()
	l := math.Sqrt(x*x + y*y + z*z)
	if l == 0 {
		return m
	}
	x, y, z = x/l, y/l, z/l
	sin, cos := math.Sincos(angle)
	t := 1 - cos
	m[0], m[1], m[2] = t*x*x+cos, t*x*y+sin*z, t*x*z-sin*y
	m[4], m[5], m[6] = t*x*y-sin*z, t*y*y+cos, t*y*z+sin*x
	m[8], m[9], m[10] = t*x*z+sin*y, t*y*z-sin*x, t*z*z+cos
	return m
}

// show adds a mesh at a place.
func (s *stage) show(n, instance *xmlspan.Node, at mesh.Matrix, id, name string) error {
	if len(s.model.Objects) == maxObjects {
		return fmt.Errorf("more than %d meshes: %w", maxObjects, format.ErrLimit)
	}
	g, ok := s.made[n]
	if !ok {
		var err error
		if g, err = s.geometry(n); err != nil {
			return err
		}
		s.made[n] = g
	}
	if g == nil {
		return nil
	}
	bound := s.bound(instance)
	key := fmt.Sprint(n.Start, bound)
	m, ok := s.meshes[key]
	if !ok {
		m = g.mesh(bound)
		s.meshes[key] = m
	}
	s.model.Objects = append(s.model.Objects, mesh.Object{ID: id, Name: name, Mesh: m, Transform: at})
	return nil
}

// bound returns the materials that an instance gives to symbols.
func (s *stage) bound(instance *xmlspan.Node) map[string]int {
	out := map[string]int{}
	if instance == nil {
		return out
	}
	for _, m := range instance.First("bind_material").First("technique_common").All("instance_material") {
		to := s.target(s.doc.Get(m, "target"))
		if to == nil {
			continue
		}
		n, ok := s.materials[to]
		if !ok {
			n = len(s.model.Materials)
			s.materials[to] = n
			m := mesh.Material{Name: s.doc.Get(to, "name"), Color: s.color(to)}
			if m.Texture = s.texture(to); m.Texture != nil {
				m.Color = [4]float32{1, 1, 1, 1}
			}
			s.model.Materials = append(s.model.Materials, m)
		}
		out[s.doc.Get(m, "symbol")] = n
	}
	return out
}

// diffuse returns the child of a name of what a material's surface reflects; nil if there is none.
func (s *stage) diffuse(material *xmlspan.Node, name string) *xmlspan.Node {
	t := s.target(s.url(material.First("instance_effect"))).First("profile_COMMON").First("technique")
	if t == nil {
		return nil
	}
	for _, model := range t.Kids {
		if n := model.First("diffuse").First(name); n != nil {
			return n
		}
	}
	return nil
}

// texture is the picture that a material shows; nil if it shows none. It is named by a sampler of a surface of an image, or by
// the image itself.
func (s *stage) texture(material *xmlspan.Node) *mesh.Texture {
	n := s.diffuse(material, "texture")
	if n == nil {
		return nil
	}
	profile := s.target(s.url(material.First("instance_effect"))).First("profile_COMMON")
	param := func(sid string) *xmlspan.Node {
		for _, p := range profile.All("newparam") {
			if s.doc.Get(p, "sid") == sid {
				return p
			}
		}
		return nil
	}
	name := s.doc.Get(n, "texture")
	if sampler := param(name).First("sampler2D"); sampler != nil {
		if image := sampler.First("instance_image"); image != nil { // from 1.5 on
			name = strings.TrimPrefix(s.url(image), "#")
		} else if source := sampler.First("source"); source != nil {
			name = strings.TrimSpace(s.doc.Inner(source))
		}
	}
	if from := param(name).First("surface").First("init_from"); from != nil {
		name = strings.TrimSpace(s.doc.Inner(from))
	}
	image := s.ids[name]
	if image == nil || image.Local() != "image" {
		return nil
	}
	if s.textures[image] == nil {
		s.textures[image] = s.pictureOf(image)
	}
	return s.textures[image]
}

// pictureOf is the picture of an image, in the archive or beside the file.
func (s *stage) pictureOf(image *xmlspan.Node) *mesh.Texture {
	n := initFrom(image)
	if n == nil {
		return nil
	}
	at, style := splice.URI(strings.TrimSpace(s.doc.Inner(n)))
	if style != format.Relative {
		return nil
	}
	if s.archive == nil {
		return texture.Beside(s.ctx, s.in, at, true)
	}
	e := s.archive.Find(path.Join(path.Dir(s.entry.Name), at))
	if e == nil {
		return nil
	}
	return &mesh.Texture{Up: true, Load: sync.OnceValues(func() (*raster.Image, error) {
		b, err := s.archive.Read(s.ctx, e, maxTexture)
		if err != nil {
			return nil, err
		}
		return texture.Decode(s.ctx, e.Name, format.Bytes(b))
	})}
}

// maxTexture bounds a picture in an archive, in bytes.
const maxTexture = 256 << 20

// color is the diffuse colour of a material; grey where it has none.
func (s *stage) color(n *xmlspan.Node) [4]float32 {
	grey := [4]float32{0.55, 0.55, 0.55, 1}
	if c := s.diffuse(n, "color"); c != nil {
		if v, ok := shape.Numbers([]byte(s.doc.Inner(c)), 4); ok && len(v) >= 3 {
			for i := range 3 {
				grey[i] = float32(max(0, min(1, v[i])))
			}
		}
	}
	return grey
}

// mesh makes triangles: a vertex for each corner that has another position, normal or texture coordinate.
func (g *geometry) mesh(bound map[string]int) *mesh.Mesh {
	m := &mesh.Mesh{}
	normals, uvs := len(g.prims) > 0, len(g.prims) > 0
	for i := range g.prims {
		normals, uvs = normals && g.prims[i].normals != nil, uvs && g.prims[i].uvs != nil
	}
	for i := range g.prims {
		p := &g.prims[i]
		place := map[[3]int]uint32{}
		first, at := len(m.Triangles), 0
		var polygon []uint32
		for _, n := range p.sizes {
			polygon = polygon[:0]
			for _, c := range p.corners[at : at+n] {
				if !uvs {
					c[1] = 0
				}
				if !normals {
					c[2] = 0
				}
				v, ok := place[c]
				if !ok {
					v = uint32(len(m.Positions))
					place[c] = v
					m.Positions = append(m.Positions, g.at(c[0]))
					if uvs {
						r := p.uvs.row(c[1], 2)
						m.UVs = append(m.UVs, [2]float32{float32(r[0]), float32(r[1])})
					}
					if normals {
						r := p.normals.row(c[2], 3)
						m.Normals = append(m.Normals, [3]float32{float32(r[0]), float32(r[1]), float32(r[2])})
					}
				}
				polygon = append(polygon, v)
			}
			at += n
			m.Faces++
			m.Triangles = shape.Triangles(m.Triangles, polygon, func(v uint32) [3]float64 { return m.Positions[v] })
		}
		group := mesh.Group{First: first, Count: len(m.Triangles) - first, Material: -1}
		if k, ok := bound[p.material]; ok {
			group.Material = k
		}
		m.Groups = append(m.Groups, group)
	}
	return m
}
