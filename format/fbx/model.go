package fbx

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"

	"varve/format"
	"varve/format/mesh"
	"varve/format/raster"
	"varve/format/shape"
	"varve/format/splice"
	"varve/format/texture"
)

// maxObjects bounds the meshes at places.
const maxObjects = 1 << 18

// Model returns a mesh for each model that has one, in the pose in which the file has it: without animation, skins and
// morphs.
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	s, err := load(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.model(ctx)
}

func load(ctx context.Context, in format.Input) (*scene, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return f.read()
}

// Picture is the one that the application put into the file, if it is large enough; else the models are drawn.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	thumb, _ := f.thumbnail() // one that is damaged is none
	if thumb != nil && 2*thumb.Width >= size {
		return &format.Picture{Image: thumb, Source: format.Embedded}, nil
	}
	s, err := f.read()
	if err != nil {
		return nil, err
	}
	m, err := s.model(ctx)
	if err != nil {
		return nil, err
	}
	note := "without lights and poses"
	for _, o := range s.objects {
		if o.kind == "curve" || o.kind == "surface" {
			note = "without lights, poses, curves and free-form surfaces"
		}
	}
	return shape.Picture(ctx, m, size, note)
}

// thumbnail returns the picture in the file's head; nil if there is none.
func (f *file) thumbnail() (*raster.Image, error) {
	var found *node
	for _, n := range f.root.kids {
		for _, at := range []*node{n, n.first("SceneInfo")} {
			if t := at.first("Thumbnail"); t != nil && n.name == "FBXHeaderExtension" {
				found = t
			}
		}
	}
	side, ok := found.first("Size").value(0).number()
	if !ok || side < 16 || side > 1024 {
		return nil, nil
	}
	data := found.first("ImageData")
	var b []byte
	if v := data.value(0); v != nil && v.kind == 'R' && len(data.values) == 1 {
		var err error
		if b, err = format.ReadSpan(f.in, v.off, v.n, 4<<20); err != nil {
			return nil, err
		}
	} else {
		list, err := f.floats(data)
		if err != nil {
			return nil, err
		}
		b = make([]byte, len(list))
		for i, x := range list {
			b[i] = byte(int(x))
		}
	}
	channels := int64(len(b)) / (side * side)
	if channels != 3 && channels != 4 || channels*side*side != int64(len(b)) {
		return nil, nil
	}
	out, err := raster.New(int(side), int(side), raster.RGB, false, raster.U8)
	if err != nil {
		return nil, err
	}
	row := int(channels * side)
	for y := range int(side) { // the last row stands first
		for x := range int(side) {
			copy(out.U8[3*(y*int(side)+x):], b[(int(side)-1-y)*row+x*int(channels):][:3])
		}
	}
	return out, nil
}

// stage makes a model.
type stage struct {
	*scene
	ctx       context.Context
	model     *mesh.Model
	materials map[string]int
	textures  map[*object]*mesh.Texture
	meshes    map[string]*mesh.Mesh // by geometry and materials
	vertices  int64
}

func (s *scene) model(ctx context.Context) (*mesh.Model, error) {
	st := &stage{scene: s, ctx: ctx, model: &mesh.Model{}, materials: map[string]int{}, textures: map[*object]*mesh.Texture{}, meshes: map[string]*mesh.Mesh{}}
	settings := &object{node: s.settings}
	st.model.Unit = s.number(settings, "UnitScaleFactor", 1) / 100
	if !(st.model.Unit > 0 && st.model.Unit < 1e12) {
		st.model.Unit = 0.01
	}
	st.model.Up = 'Y'
	if up := s.number(settings, "UpAxis", 1); up == 0 || up == 2 {
		st.model.Up = 'X' + byte(up)
	}
	for _, o := range s.objects {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if o.class != "Model" {
			continue
		}
		for _, g := range shown(o) {
			if err := st.show(o, g); err != nil {
				return nil, err
			}
		}
	}
	return st.model, nil
}

// shown returns what has the meshes of a model: geometries, or in version 6 the model itself.
func shown(o *object) (out []*object) {
	if hasMesh(o.node) {
		out = append(out, o)
	}
	for _, l := range o.has {
		if l.to.class == "Geometry" && l.property == "" && hasMesh(l.to.node) {
			out = append(out, l.to)
		}
	}
	return out
}

func (s *stage) show(o, g *object) error {
	if len(s.model.Objects) == maxObjects {
		return fmt.Errorf("more than %d meshes: %w", maxObjects, format.ErrLimit)
	}
	bound := s.bound(o)
	key := fmt.Sprint(g.id, "\x00", bound)
	m, ok := s.meshes[key]
	if !ok {
		geometry, err := s.geometryOf(g)
		if err != nil {
			return err
		}
		if s.vertices += int64(len(geometry.corners)); s.vertices > 1<<22+8*s.in.Size() {
			return fmt.Errorf("meshes of %d corners, with other materials at each place: %w", s.vertices, format.ErrLimit)
		}
		m = geometry.mesh(bound)
		s.meshes[key] = m
	}
	at := s.poseOf(o)
	s.model.Objects = append(s.model.Objects, mesh.Object{ID: o.id, Name: o.name, Mesh: m, Transform: at.world.Times(&at.own)})
	return nil
}

// bound returns the materials of a model, in its order.
func (s *stage) bound(o *object) (out []int) {
	var on *object // in version 6 textures may be connected to models
	for _, l := range o.has {
		if l.to.class == "Texture" && on == nil {
			on = l.to
		}
	}
	for _, l := range o.has {
		if l.to.class != "Material" {
			continue
		}
		key := l.to.id
		if on != nil {
			key += "\x00" + on.id
		}
		n, ok := s.materials[key]
		if !ok {
			n = len(s.model.Materials)
			s.materials[key] = n
			s.model.Materials = append(s.model.Materials, s.material(l.to, on))
		}
		out = append(out, n)
	}
	return out
}

func (s *stage) material(o, on *object) mesh.Material {
	m := mesh.Material{Name: o.name, Color: [4]float32{0.8, 0.8, 0.8, 1}}
	for _, name := range []string{"DiffuseColor", "Diffuse", "3dsMax|Parameters|base_color", "3dsMax|main|basecolor", "Maya|baseColor", "Maya|base_color"} {
		c := s.numbers(o, name, 3)
		if c == nil {
			continue
		}
		factor := 1.0
		if name == "DiffuseColor" {
			factor = s.number(o, "DiffuseFactor", 1)
		}
		for k, x := range c {
			m.Color[k] = float32(min(max(x*factor, 0), 1))
		}
	}
	for _, l := range o.has {
		switch l.property {
		case "DiffuseColor", "3dsMax|Parameters|base_color_map", "3dsMax|main|base_color_map", "Maya|TEX_color_map", "Maya|baseColor", "Maya|base_color":
			on = l.to
		}
	}
	if m.Texture = s.texture(on, 0); m.Texture != nil {
		m.Color = [4]float32{1, 1, 1, 1} // the picture stands in its place
	}
	return m
}

// texture is the picture of a texture: the content of its video, else the file that it names. Of layers it is the first
// that has one.
func (s *stage) texture(o *object, depth int) *mesh.Texture {
	if o == nil || depth > 4 {
		return nil
	}
	if t, ok := s.textures[o]; ok {
		return t
	}
	s.textures[o] = nil
	var t *mesh.Texture
	switch o.class {
	case "LayeredTexture":
		for _, l := range o.has {
			if t == nil {
				t = s.texture(l.to, depth+1)
			}
		}
	case "Texture":
		t = s.picture(o)
	}
	s.textures[o] = t
	return t
}

func (s *stage) picture(o *object) *mesh.Texture {
	name := ""
	for _, at := range append([]*object{o}, s.videos(o)...) {
		if name == "" {
			name = s.fileOf(at)
		}
		if c := s.content(at); c != nil {
			return &mesh.Texture{Up: true, Load: sync.OnceValues(func() (*raster.Image, error) {
				in, err := c()
				if err != nil {
					return nil, err
				}
				return texture.Decode(s.ctx, name, in)
			})}
		}
	}
	if name == "" {
		return nil
	}
	return texture.Beside(s.ctx, s.in, name, true)
}

// videos returns those of a texture: connected, or in version 6 by name.
func (s *scene) videos(o *object) (out []*object) {
	for _, l := range o.has {
		if l.to.class == "Video" {
			out = append(out, l.to)
		}
	}
	if name := s.text(o.node.first("Media"), 0); len(out) == 0 && name != "" {
		if v := s.byKey[name]; v != nil && v.class == "Video" {
			out = append(out, v)
		}
	}
	return out
}

// fileOf is the path at which the file of a texture or video may lie, from here: of one that leads from elsewhere, the
// last name of it.
func (s *scene) fileOf(o *object) string {
	for _, name := range []string{"RelativeFilename", "FileName", "Filename"} {
		raw := s.text(o.node.first(name), 0)
		if raw == "" {
			continue
		}
		at, style := splice.Path(raw)
		switch style {
		case format.Relative:
			return strings.TrimPrefix(at, "./")
		case format.Absolute:
			return path.Base(at)
		}
	}
	return ""
}
