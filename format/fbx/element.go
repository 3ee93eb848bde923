package fbx

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"strings"

	"varve/format"
	"varve/format/mesh"
	"varve/format/window"
)

// Elements lists models, each after the one that it is in, then what they use.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	s, err := load(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Element
	seen := map[string]bool{}
	add := func(o *object) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := s.element(o)
		for seen[e.ID] { // of what is no object, and is called as one
			e.ID, e.Stable = e.ID+"'", ""
		}
		seen[e.ID] = true
		if err == nil {
			out = append(out, e)
		}
		return err
	}
	for _, o := range s.listed() {
		if err := add(o); err != nil {
			return nil, err
		}
	}
	for _, o := range s.takes() {
		if err := add(o); err != nil {
			return nil, err
		}
	}
	if s.settings != nil {
		o := &object{node: s.settings, class: "GlobalSettings", name: "GlobalSettings", kind: "settings", label: "settings:", id: "settings:"}
		if err := add(o); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// listed returns the objects that are elements: models depth first, then others as the file has them.
func (s *scene) listed() []*object {
	in := map[*object][]*object{}
	var rest, stack []*object
	for _, o := range s.objects {
		switch {
		case o.class == "Model":
			in[o.parent] = append(in[o.parent], o)
		case !o.inside():
			rest = append(rest, o)
		}
	}
	push := func(o *object) {
		for _, k := range slices.Backward(in[o]) {
			stack = append(stack, k)
		}
	}
	push(nil)
	var out []*object
	for len(stack) > 0 {
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		out = append(out, o)
		push(o)
	}
	return append(out, rest...)
}

// takes are the animations of version 6, which are no objects.
func (s *scene) takes() (out []*object) {
	if s.version >= 7000 {
		return nil
	}
	seen := map[string]int{}
	for _, n := range s.root.first("Takes").all("Take") {
		o := &object{node: n, class: "Take", kind: "animation", name: s.text(n, 0)}
		o.id = "animation:" + o.name
		if seen[o.id]++; seen[o.id] == 1 {
			o.label = o.id
		} else {
			o.id = fmt.Sprintf("%s[take %d]", o.id, seen[o.id])
		}
		out = append(out, o)
	}
	return out
}

// element says what an object is.
func (s *scene) element(o *object) (format.Element, error) {
	e := format.Element{ID: o.id, Stable: o.label, Kind: o.kind, Name: o.name, Bytes: o.node.end - o.node.start, Properties: map[string]string{}, Aspects: map[string]string{}}
	if o.parent != nil {
		e.Parent = o.parent.id
	}
	if o.name == "" && len(o.of) > 0 {
		e.Name = o.of[0].to.name
	}
	e.Name = cmp.Or(e.Name, o.class)
	if o.sub != "" && o.sub != o.class && o.class != "Geometry" {
		e.Properties["type"] = o.sub
	}
	if err := s.shape(&e, o); err != nil {
		return e, err
	}
	if err := s.describe(&e, o); err != nil {
		return e, err
	}
	return e, s.uses(&e, o)
}

// shape says what surface an element is, or shows.
func (s *scene) shape(e *format.Element, o *object) error {
	g, err := s.geometryOf(o)
	if err != nil {
		return err
	}
	if g != nil {
		g.describe(e)
		e.Bounds = g.bounds().Slice()
	}
	if o.class != "Model" {
		return nil
	}
	e.Bounds = nil
	p := s.poseOf(o)
	at := p.world.Times(&p.own)
	box := mesh.Nowhere()
	for _, k := range shown(o) {
		g, err := s.geometryOf(k)
		if err != nil {
			return err
		}
		if b := g.bounds(); !b.Empty() {
			box = box.Union(b.Placed(at))
		}
	}
	if !box.Empty() {
		e.Bounds = box.Slice()
	}
	return nil
}

// summed reports whether a node of a mesh is summed by its shape.
func summed(n *node, of *node) bool {
	switch n.name {
	case "Vertices", "PolygonVertexIndex", "LayerElementUV", "LayerElementNormal", "LayerElementColor", "LayerElementMaterial":
		return hasMesh(of)
	}
	return false
}

// describe makes properties of an object's, and an aspect of the rest.
func (s *scene) describe(e *format.Element, o *object) error {
	leads := s.text(o.node.first("RelativeFilename"), 0) != "" // where it is on a machine is then of no weight
	for _, p := range s.properties(o.node) {
		var words []string
		for i := p.from; i < len(p.values); i++ {
			words = append(words, s.show(&p.values[i]))
		}
		name, value := s.text(p.node, 0), strings.Join(words, " ")
		if leads && name == "Path" {
			continue
		}
		if len(value) > 200 {
			e.Aspects[name] = format.HashOf([]byte(value))
		} else if len(words) > 0 {
			e.Properties[name] = value
		}
		if len(p.kids) > 0 { // binary data of a user's property
			d, err := s.digest(p.kids)
			if err != nil {
				return err
			}
			e.Aspects[name] = d
		}
	}
	var rest, layers, picture []*node
	first := map[string]bool{}
	for _, k := range o.node.kids {
		again := first[k.name]
		first[k.name] = true
		switch {
		case strings.HasPrefix(k.name, "Properties"), k.name == "Version", k.name == "Name", k.name == "NodeAttributeName":
		case k.name == "Content":
			picture = append(picture, k)
		case leads && (k.name == "Filename" || k.name == "FileName"):
		case (k.name == "Filename" || k.name == "FileName" || k.name == "RelativeFilename") && len(k.values) == 1:
			e.Properties[k.name] = s.text(k, 0)
		case summed(k, o.node) && !again:
		case strings.HasPrefix(k.name, "Layer") && o.class == "Geometry":
			layers = append(layers, k)
		default:
			rest = append(rest, k)
		}
	}
	for name, list := range map[string][]*node{"content": rest, "layers": layers, "image": picture} {
		if len(list) == 0 || name == "image" && s.content(o) == nil {
			continue
		}
		d, err := s.digest(list)
		if err != nil {
			return err
		}
		e.Aspects[name] = d
	}
	return nil
}

// called is what stands for an object where another points to it.
func (o *object) called() string { return cmp.Or(o.label, o.id) }

// uses says what an object has: names of elements, and sums of what is part of it.
func (s *scene) uses(e *format.Element, o *object) error {
	names := map[string][]string{}
	parts := map[string][]string{}
	for _, l := range o.has {
		if inner(l.to, o) {
			d, err := s.part(l.to)
			if err != nil {
				return err
			}
			name := l.to.partName()
			parts[name] = append(parts[name], l.property+" "+d)
			continue
		}
		if l.to.class == "Model" && o.class == "Model" && l.property == "" || l.to.class == "AnimationCurveNode" {
			continue
		}
		name := cmp.Or(l.property, l.to.kind)
		if e.Properties[name] != "" {
			name += " from"
		}
		names[name] = append(names[name], l.to.called())
	}
	for name, list := range names {
		if name != "material" { // their order is a meaning
			slices.Sort(list)
		}
		if text := strings.Join(list, ", "); len(text) <= 200 {
			e.Properties[name] = text
		} else {
			e.Aspects[name] = format.HashOf([]byte(text))
		}
	}
	for name, list := range parts {
		slices.Sort(list)
		e.Aspects[name] = format.HashOf([]byte(strings.Join(list, "\n")))
	}
	return nil
}

// partName is the aspect that an inner object belongs to.
func (o *object) partName() string {
	switch o.class {
	case "AnimationLayer":
		return "layer " + o.name
	case "Deformer":
		if o.sub == "BlendShapeChannel" {
			return "shape " + o.name
		}
		return "weights"
	}
	return "attribute"
}

// part is a hash of an inner object with all that is part of it, and of what it moves: by name.
func (s *scene) part(o *object) (string, error) {
	if o.digest != "" {
		return o.digest, nil
	}
	o.digest = "?" // of one within itself, which inner has none of
	own, err := s.digest(o.node.kids)
	if err != nil {
		return "", err
	}
	lines := []string{o.class, o.sub, own}
	switch o.class {
	case "AnimationLayer", "Geometry":
		lines = append(lines, o.name)
	}
	for _, l := range o.has {
		name := l.to.called()
		if inner(l.to, o) {
			if name, err = s.part(l.to); err != nil {
				return "", err
			}
		}
		lines = append(lines, "has "+l.property+" "+name)
	}
	for _, l := range o.of {
		if !inner(o, l.to) { // what a curve moves
			lines = append(lines, "of "+l.property+" "+l.to.called())
		}
	}
	slices.Sort(lines)
	o.digest = format.HashOf([]byte(strings.Join(lines, "\n")))
	return o.digest, nil
}

// digest is a hash of nodes as what they say, however that is written.
func (s *scene) digest(list []*node) (string, error) {
	h := sha256.New()
	for _, n := range list {
		if err := s.sum(h, n); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

func (s *scene) sum(h hash.Hash, n *node) error {
	fmt.Fprintf(h, "\n%q %d %d", n.name, len(n.values), len(n.kids))
	for i := range n.values {
		v := &n.values[i]
		if n.name == "Node" && v.kind == 'L' { // of a pose or a selection
			if o := s.byKey[fmt.Sprint(int64(v.bits))]; o != nil {
				fmt.Fprintf(h, " %q", o.called())
				continue
			}
		}
		switch {
		case v.array():
			if err := s.sumArray(h, v); err != nil {
				return err
			}
		case (v.kind == 'R' || v.kind == 'S') && v.n > 4<<10:
			fmt.Fprintf(h, " %d:", v.n)
			if _, err := io.Copy(h, s.win.Reader([]window.Span{{Off: v.off, Len: v.n}})); err != nil {
				return err
			}
		case n.name == "Media" || n.name == "TextureName":
			fmt.Fprintf(h, " %q", plain(s.show(v), ""))
		case v.kind == 'S' || v.kind == 'R':
			fmt.Fprintf(h, " %q", s.show(v))
		default:
			fmt.Fprintf(h, " %s", s.show(v))
		}
	}
	for _, k := range n.kids {
		if err := s.sum(h, k); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) sumArray(h hash.Hash, v *value) error {
	fmt.Fprintf(h, " %d:", v.count)
	buf := make([]byte, 0, 4<<10)
	err := s.each(v, func(x float64) {
		buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(x+0)) // -0 is 0
		if len(buf) == cap(buf) {
			h.Write(buf)
			buf = buf[:0]
		}
	})
	h.Write(buf)
	return err
}
