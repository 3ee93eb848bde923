package gltf

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"varve/format"
	"varve/format/mesh"
	"varve/format/raster"
	"varve/format/texture"
)

// local returns the transform of a node in its parent.
func (d *document) local(i int) mesh.Matrix {
	k := d.lists[nodes][i]
	if m := d.floats(d.get(k, "matrix"), 16); m != nil {
		return mesh.Matrix(m)
	}
	t, q, s := d.floats(d.get(k, "translation"), 3), d.floats(d.get(k, "rotation"), 4), d.floats(d.get(k, "scale"), 3)
	if t == nil {
		t = []float64{0, 0, 0}
	}
	if q == nil {
		q = []float64{0, 0, 0, 1}
	}
	if s == nil {
		s = []float64{1, 1, 1}
	}
	x, y, z, w := q[0], q[1], q[2], q[3]
	return mesh.Matrix{
		s[0] * (1 - 2*(y*y+z*z)), s[0] * 2 * (x*y + w*z), s[0] * 2 * (x*z - w*y), 0,
		s[1] * 2 * (x*y - w*z), s[1] * (1 - 2*(x*x+z*z)), s[1] * 2 * (y*z + w*x), 0,
		s[2] * 2 * (x*z + w*y), s[2] * 2 * (y*z - w*x), s[2] * (1 - 2*(x*x+y*y)), 0,
		t[0], t[1], t[2], 1,
	}
}

// world returns the transform of a node to the world.
func (r *reader) world(i int) mesh.Matrix {
	if r.transforms == nil {
		r.transforms = make([]mesh.Matrix, len(r.lists[nodes]))
		for _, k := range r.order {
			r.transforms[k] = r.local(k)
			if p := r.parent[k]; p >= 0 {
				r.transforms[k] = r.transforms[p].Times(&r.transforms[k])
			}
		}
	}
	return r.transforms[i]
}

// meshBounds returns the box of a mesh as its accessors state it.
func (d *document) meshBounds(i int) mesh.Bounds {
	b := mesh.Nowhere()
	for p := range d.items(d.get(d.lists[meshes][i], "primitives")) {
		a, ok := d.count(d.get(p, "attributes", "POSITION"))
		if !ok || a >= int64(len(d.lists[accessors])) {
			continue
		}
		k := d.lists[accessors][a]
		low, high := d.floats(d.get(k, "min"), 3), d.floats(d.get(k, "max"), 3)
		if low == nil || high == nil {
			continue
		}
		b.Add([3]float64(low))
		b.Add([3]float64(high))
	}
	return b
}

// Model gives the meshes of the scene that is shown first, one object for each node that has one; of a file without
// scenes those of all nodes, without nodes all meshes. Y is up, units are metres. Skins and morphs are left at rest.
// What is compressed, or in a file that is not there, is ErrUnsupported, with what.
func (Format) Model(ctx context.Context, in format.Input) (*mesh.Model, error) {
	r, err := read(in)
	if err != nil {
		return nil, err
	}
	return r.model(ctx)
}

func (r *reader) model(ctx context.Context) (*mesh.Model, error) {
	out := &mesh.Model{Unit: 1, Up: 'Y'}
	made := map[int]*mesh.Texture{}
	for i, k := range r.lists[materials] {
		c := r.floats(r.get(k, "pbrMetallicRoughness", "baseColorFactor"), 4)
		if c == nil {
			c = r.floats(r.get(k, "extensions", "KHR_materials_pbrSpecularGlossiness", "diffuseFactor"), 4)
		}
		m := mesh.Material{Name: r.name(materials, i), Color: [4]float32{1, 1, 1, 1}}
		for j, x := range c {
			m.Color[j] = float32(x)
		}
		m.Texture = r.texture(ctx, k, made)
		out.Materials = append(out.Materials, m)
	}
	b := &builder{reader: r, room: 1<<20 + r.in.Size(), made: map[int]*mesh.Mesh{}}
	show := func(id, name string, m int, at mesh.Matrix) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := b.mesh(m)
		if err != nil {
			return fmt.Errorf("mesh %d %.80q: %w", m, r.name(meshes, m), err)
		}
		out.Objects = append(out.Objects, mesh.Object{ID: id, Name: name, Mesh: s, Transform: at})
		return nil
	}
	for _, i := range r.shown() {
		m, ok := r.count(r.get(r.lists[nodes][i], "mesh"))
		if !ok {
			continue
		}
		if m >= int64(len(r.lists[meshes])) {
			return nil, format.Malformed("node %d has the mesh %d, of %d", i, m, len(r.lists[meshes]))
		}
		at, err := r.placed(i)
		if err != nil {
			return nil, fmt.Errorf("skin of node %d: %w", i, err)
		}
		if err := show(idOf(nodes, i), r.name(nodes, i), int(m), at); err != nil {
			return nil, err
		}
	}
	if len(r.lists[nodes]) == 0 {
		for m := range r.lists[meshes] {
			if err := show(idOf(meshes, m), r.name(meshes, m), m, mesh.Identity()); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// texture returns what lies on a material's surfaces; nil if nothing does, or by other coordinates than the first.
func (r *reader) texture(ctx context.Context, material int, made map[int]*mesh.Texture) *mesh.Texture {
	k := r.get(material, "pbrMetallicRoughness", "baseColorTexture")
	if k < 0 {
		k = r.get(material, "extensions", "KHR_materials_pbrSpecularGlossiness", "diffuseTexture")
	}
	if k < 0 {
		return nil
	}
	n, ok := r.count(r.get(k, "index"))
	set, ok2 := r.or(k, "texCoord", 0)
	if !ok || !ok2 || set != 0 || n >= int64(len(r.lists[textures])) {
		return nil
	}
	if made[int(n)] == nil {
		made[int(n)] = &mesh.Texture{Load: sync.OnceValues(func() (*raster.Image, error) {
			x, err := r.picture(textures, int(n))
			if err != nil {
				return nil, err
			}
			return texture.Decode(ctx, "picture"+x.Extension, x.Content)
		})}
	}
	return made[int(n)]
}

// placed returns where the mesh of a node is. One that has a skin is where its joints bring it, not where the node is: at
// rest, all of them bring it to one place, so that the first tells.
func (r *reader) placed(i int) (mesh.Matrix, error) {
	k := r.get(r.lists[nodes][i], "skin")
	if k < 0 {
		return r.world(i), nil
	}
	s, ok := r.count(k)
	if !ok || s >= int64(len(r.lists[skins])) {
		return mesh.Matrix{}, format.Malformed("no skin %.20s", r.raw(k))
	}
	skin := r.lists[skins][s]
	joint := int64(-1)
	for c := range r.items(r.get(skin, "joints")) {
		if joint, ok = r.count(c); !ok || joint >= int64(len(r.lists[nodes])) {
			return mesh.Matrix{}, format.Malformed("no joint %.20s", r.raw(c))
		}
		break
	}
	if joint < 0 {
		return mesh.Matrix{}, format.Malformed("no joints")
	}
	at := r.world(int(joint))
	n, ok := r.count(r.get(skin, "inverseBindMatrices"))
	if !ok {
		return at, nil
	}
	a, err := r.array(int(min(n, math.MaxInt32)))
	if err != nil || a.kind != "MAT4" {
		return mesh.Matrix{}, format.Malformed("inverseBindMatrices")
	}
	b, err := r.read(&a)
	if err != nil {
		return mesh.Matrix{}, err
	}
	var bind mesh.Matrix
	for k := range bind {
		bind[k] = a.number(b, 0, int64(k))
	}
	return at.Times(&bind), nil
}

// shown returns the nodes of the scene that is shown first, each after its parent.
func (r *reader) shown() []int {
	n := len(r.lists[scenes])
	if n == 0 {
		return r.order
	}
	scene, ok := r.count(r.get(0, "scene"))
	if !ok || scene >= int64(n) {
		scene = 0
	}
	in := make([]bool, len(r.lists[nodes]))
	for c := range r.items(r.get(r.lists[scenes][scene], nodes)) {
		if k, ok := r.count(c); ok {
			in[k] = true
		}
	}
	var out []int
	for _, i := range r.order {
		if p := r.parent[i]; p >= 0 && in[p] {
			in[i] = true
		}
		if in[i] {
			out = append(out, i)
		}
	}
	return out
}

// builder makes meshes.
type builder struct {
	*reader
	room int64 // for vertices and triangles: files share arrays, but not so much that a small one is a large model
	made map[int]*mesh.Mesh
}

func (b *builder) mesh(i int) (*mesh.Mesh, error) {
	if m, ok := b.made[i]; ok {
		return m, nil
	}
	out := &mesh.Mesh{}
	starts := map[[4]int]uint32{} // vertices that several primitives have
	for p := range b.items(b.get(b.lists[meshes][i], "primitives")) {
		if err := b.primitive(out, p, starts); err != nil {
			return nil, err
		}
	}
	b.made[i] = out
	return out, nil
}

// attribute returns an accessor of a primitive; -1 if it has none.
func (b *builder) attribute(p int, name string) (int, error) {
	n, ok := b.or(b.get(p, "attributes"), name, -1)
	if b.get(p, "attributes") < 0 {
		n, ok = -1, true
	}
	if !ok || n >= int64(len(b.lists[accessors])) {
		return 0, format.Malformed("no accessor for %s", name)
	}
	return int(n), nil
}

func (b *builder) take(n int64) error {
	if b.room -= n; n < 0 || b.room < 0 {
		return fmt.Errorf("more vertices and triangles than the file accounts for: %w", format.ErrLimit)
	}
	return nil
}

func (b *builder) primitive(out *mesh.Mesh, p int, starts map[[4]int]uint32) error {
	if b.get(p, "extensions", draco) >= 0 {
		return format.Unsupported("Draco compression")
	}
	var of [4]int
	for i, name := range []string{"POSITION", "NORMAL", "TEXCOORD_0", "COLOR_0"} {
		var err error
		if of[i], err = b.attribute(p, name); err != nil {
			return err
		}
	}
	if of[0] < 0 {
		return nil
	}
	a, err := b.array(of[0])
	if err != nil {
		return err
	}
	start, ok := starts[of]
	if !ok {
		start = uint32(len(out.Positions))
		starts[of] = start
		if err := b.vertices(out, of, &a); err != nil {
			return err
		}
	}
	first := len(out.Triangles)
	if err := b.triangles(out, p, start, a.count); err != nil {
		return err
	}
	material, ok := b.or(p, "material", -1)
	if !ok || material >= int64(len(b.lists[materials])) {
		return format.Malformed("no material %d", material)
	}
	if n := len(out.Triangles) - first; n > 0 {
		out.Groups = append(out.Groups, mesh.Group{First: first, Count: n, Material: int(material)})
	}
	return nil
}

// vertices adds those of a primitive.
func (b *builder) vertices(out *mesh.Mesh, of [4]int, a *array) error {
	if a.n != 3 {
		return format.Malformed("positions of type %s", a.kind)
	}
	if err := b.take(a.count); err != nil {
		return err
	}
	raw, err := b.read(a)
	if err != nil {
		return err
	}
	start := len(out.Positions)
	for i := range a.count {
		out.Positions = append(out.Positions, [3]float64{a.number(raw, i, 0), a.number(raw, i, 1), a.number(raw, i, 2)})
	}
	get := func(i int) ([]float64, int64, error) {
		if of[i] < 0 {
			return nil, 0, nil
		}
		x, err := b.array(of[i])
		if err != nil {
			return nil, 0, err
		}
		if x.count != a.count {
			return nil, 0, format.Malformed("%d positions, and %d of accessor %d", a.count, x.count, of[i])
		}
		raw, err := b.read(&x)
		if err != nil {
			return nil, 0, err
		}
		all := make([]float64, 0, x.count*x.n)
		for i := range x.count {
			for k := range x.n {
				all = append(all, x.number(raw, i, k))
			}
		}
		return all, x.n, nil
	}
	normals, n, err := get(1)
	if err != nil {
		return err
	}
	lay(&out.Normals, normals, n, start, len(out.Positions), [3]float32{})
	uvs, n, err := get(2)
	if err != nil {
		return err
	}
	lay(&out.UVs, uvs, n, start, len(out.Positions), [2]float32{})
	colors, n, err := get(3)
	if err != nil {
		return err
	}
	lay(&out.Colors, colors, n, start, len(out.Positions), [4]float32{1, 1, 1, 1})
	return nil
}

type numbers interface {
	[2]float32 | [3]float32 | [4]float32
}

// lay puts values of an attribute behind those of the vertices before start. Where some have none, they have what is
// meant then; where none have any, nothing is kept.
func lay[T numbers](to *[]T, values []float64, n int64, start, end int, without T) {
	if values == nil && *to == nil || n > 4 {
		return
	}
	for len(*to) < start {
		*to = append(*to, without)
	}
	for i := start; i < end; i++ {
		var v [4]float32
		w := without
		if values != nil {
			for k := range n {
				v[k] = float32(values[int64(i-start)*n+k])
			}
			switch w := any(&w).(type) {
			case *[2]float32:
				copy(w[:], v[:])
			case *[3]float32:
				copy(w[:], v[:])
			case *[4]float32:
				copy(w[:n], v[:])
			}
		}
		*to = append(*to, w)
	}
}

// triangles adds those of a primitive whose vertices begin at start: lists, strips and fans. Points and lines have none.
func (b *builder) triangles(out *mesh.Mesh, p int, start uint32, vertices int64) error {
	mode, ok := b.or(p, "mode", 4)
	if !ok || mode > 6 {
		return format.Malformed("mode %d", mode)
	}
	if mode < 4 {
		return nil
	}
	count := vertices
	at := func(i int64) (uint32, bool) { return uint32(i), true }
	if k := b.get(p, "indices"); k >= 0 {
		n, ok := b.count(k)
		if !ok || n >= int64(len(b.lists[accessors])) {
			return format.Malformed("no accessor for indices")
		}
		a, err := b.array(int(n))
		if err != nil {
			return err
		}
		if a.n != 1 || a.component == f32 {
			return format.Malformed("indices of type %s, %d", a.kind, a.component)
		}
		if err := b.take(a.count / 3); err != nil {
			return err
		}
		raw, err := b.read(&a)
		if err != nil {
			return err
		}
		count = a.count
		at = func(i int64) (uint32, bool) { v := a.whole(raw, i); return v, int64(v) < vertices }
	}
	step := int64(1)
	if mode == 4 {
		step = 3
	} else if err := b.take(count); err != nil {
		return err
	}
	for i := int64(0); i+2 < count; i += step {
		corner := [3]int64{i, i + 1, i + 2}
		switch {
		case mode == 5 && i%2 == 1:
			corner = [3]int64{i, i + 2, i + 1}
		case mode == 6:
			corner = [3]int64{0, i + 1, i + 2}
		}
		var t [3]uint32
		for c, k := range corner {
			v, ok := at(k)
			if !ok {
				return format.Malformed("index %d is %d, of %d vertices", k, v, vertices)
			}
			t[c] = start + v
		}
		out.Triangles = append(out.Triangles, t)
	}
	return nil
}

// maxSize bounds a picture's side.
const maxSize = 4096

// Picture draws the model.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	r, err := read(in)
	if err != nil {
		return nil, err
	}
	m, err := r.model(ctx)
	if err != nil {
		return nil, err
	}
	b := m.Bounds()
	if b.Empty() {
		return nil, format.Unsupported("a file without meshes")
	}
	size = min(max(size, 1), maxSize)
	p, err := mesh.Render(ctx, m, mesh.CameraOf(b, m.Up), size, size)
	switch {
	case errors.Is(err, mesh.ErrLimit):
		return nil, fmt.Errorf("%w: %w", format.ErrLimit, err)
	case errors.Is(err, mesh.ErrInvalid):
		return nil, format.Malformed("%v", err)
	case err != nil:
		return nil, err
	}
	return &format.Picture{Image: p, Source: format.Rendered, Note: m.Untextured()}, nil
}
