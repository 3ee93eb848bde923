package fbx

import (
	"cmp"
	"fmt"
	"strings"

	"varve/format"
)

// object is one of the file's list of objects, with what it is connected to.
type object struct {
	node   *node
	class  string // Model, Geometry, …
	name   string
	sub    string // Mesh, LimbNode, …
	kind   string // of element
	of     []link // what it is part of, or used by
	has    []link // what is part of it, or used by it
	parent *object
	label  string // names it across versions; "" if nothing does
	id     string // of the element
	digest string // of all that it is, once it was asked for
	place  string // names from the top
	placed bool   // place was asked for
	far    bool   // place is too long
	walk   int    // the walk upwards that came here first
}

// link is a connection, from a property of the one that has the other; "" from all of it.
type link struct {
	to       *object
	property string
}

// scene is the objects of a file.
type scene struct {
	*file
	objects   []*object
	byKey     map[string]*object
	templates map[string]*node
	tables    map[*node]map[string]property
	settings  *node
	models    map[*object]*pose
	made      map[*object]*geometry
}

// read lists the objects of a file, and connects them.
func (f *file) read() (*scene, error) {
	if f.version < 6000 {
		return nil, format.Unsupported("FBX of version %d, which is older than 6000", f.version)
	}
	s := &scene{file: f, byKey: map[string]*object{}, templates: map[string]*node{}, tables: map[*node]map[string]property{}, models: map[*object]*pose{}, made: map[*object]*geometry{}}
	s.settings = f.root.first("GlobalSettings")
	for _, list := range f.root.kids {
		if list.name != "Objects" {
			continue
		}
		for _, n := range list.kids {
			switch n.name {
			case "SceneInfo": // of the session, not of the scene
				continue
			case "GlobalSettings":
				s.settings = cmp.Or(s.settings, n)
				continue
			}
			s.add(n)
		}
	}
	for _, t := range f.root.first("Definitions").all("ObjectType") {
		if p := t.first("PropertyTemplate"); p != nil && s.templates[f.text(t, 0)] == nil {
			s.templates[f.text(t, 0)] = p
		}
	}
	s.connect()
	if len(s.objects) > format.MaxElements {
		return nil, fmt.Errorf("more than %d objects: %w", format.MaxElements, format.ErrLimit)
	}
	s.name()
	return s, nil
}

// all returns the nodes of a name in n.
func (n *node) all(name string) (out []*node) {
	if n != nil {
		for _, k := range n.kids {
			if k.name == name {
				out = append(out, k)
			}
		}
	}
	return out
}

// add takes an object: its id from version 7 on, its name with its class, its kind.
func (s *scene) add(n *node) {
	o := &object{node: n, class: n.name}
	at := 0
	key := ""
	if id, ok := n.value(0).number(); ok {
		key, at = fmt.Sprint(id), 1
	} else {
		key = s.text(n, 0)
	}
	o.name = plain(s.text(n, at), o.class)
	o.sub = s.text(n, at+1)
	o.kind = kindOf(o)
	s.objects = append(s.objects, o)
	if key != "" && s.byKey[key] == nil {
		s.byKey[key] = o
	}
}

// plain is a name without the class: "name\0\1class" in binary files, "class::name" in text.
func plain(name, class string) string {
	if before, _, ok := strings.Cut(name, "\x00\x01"); ok {
		return before
	}
	if before, after, ok := strings.Cut(name, "::"); ok && (before == class || !strings.ContainsAny(before, " \t")) {
		return after
	}
	return name
}

// kindOf returns the kind of element that an object is.
func kindOf(o *object) string {
	switch o.class {
	case "Model":
		return "object"
	case "Geometry":
		switch {
		case o.sub == "Mesh":
			return "mesh"
		case strings.Contains(o.sub, "Surface") || o.sub == "Nurb" || o.sub == "Patch":
			return "surface"
		case strings.Contains(o.sub, "Curve") || o.sub == "Line":
			return "curve"
		}
	case "Texture", "LayeredTexture":
		return "texture"
	case "Video":
		return "image"
	case "AnimationStack":
		return "animation"
	case "NodeAttribute":
		if o.sub == "Light" || o.sub == "Camera" {
			return strings.ToLower(o.sub)
		}
	case "Deformer":
		switch o.sub {
		case "Skin":
			return "skin"
		case "BlendShape":
			return "morph"
		case "Cluster", "BlendShapeChannel":
		default:
			return "deformer"
		}
	}
	if o.class == "" {
		return "object"
	}
	return strings.ToLower(o.class)
}

// inner reports whether an object is a part of one that it is connected to, and no element of its own.
func inner(child, owner *object) bool {
	switch child.class {
	case "AnimationLayer":
		return owner.class == "AnimationStack"
	case "AnimationCurveNode":
		return owner.class == "AnimationLayer"
	case "AnimationCurve":
		return owner.class == "AnimationCurveNode"
	case "NodeAttribute":
		return owner.class == "Model" && child.kind == "nodeattribute"
	case "Deformer":
		return child.sub == "Cluster" && owner.sub == "Skin" || child.sub == "BlendShapeChannel" && owner.sub == "BlendShape"
	case "Geometry":
		return child.sub == "Shape" && owner.sub == "BlendShapeChannel"
	}
	return false
}

func (o *object) inside() bool {
	for _, l := range o.of {
		if inner(o, l.to) {
			return true
		}
	}
	return false
}

// connect reads the connections: each says what a child is to an owner, by ids or names.
func (s *scene) connect() {
	key := func(n *node, i int) string {
		if v, ok := n.value(i).number(); ok {
			return fmt.Sprint(v)
		}
		return s.text(n, i)
	}
	for _, list := range s.root.kids {
		if list.name != "Connections" {
			continue
		}
		for _, c := range list.kids {
			child, owner := s.byKey[key(c, 1)], s.byKey[key(c, 2)]
			kind, property := s.text(c, 0), ""
			if kind == "PP" { // from a property to one
				property = s.text(c, 3) + " " + s.text(c, 4)
			} else if kind == "OP" || kind == "PO" {
				property = s.text(c, 3)
			}
			if child == nil || owner == nil || child == owner {
				continue
			}
			child.of = append(child.of, link{owner, property})
			owner.has = append(owner.has, link{child, property})
			if child.parent == nil && child.class == "Model" && owner.class == "Model" && property == "" {
				child.parent = owner
			}
		}
	}
	for i, o := range s.objects { // a model within itself is at the top
		for ; o != nil && o.walk == 0; o = o.parent {
			o.walk = i + 1
			if o.parent != nil && o.parent.walk == i+1 {
				o.parent = nil
			}
		}
	}
}

const maxPlace = 1 << 10 // bytes of a name by the place

// placeOf is the names on the way from the top to an object, by what it is first connected to.
func (o *object) placeOf() string {
	if o.placed {
		return o.place
	}
	o.placed = true
	up := o.parent
	if o.class != "Model" && len(o.of) > 0 {
		up = o.of[0].to
	}
	if up == nil {
		o.place = o.name
	} else if p := up.placeOf(); up.far || len(p)+len(o.name) >= maxPlace {
		o.far = true
	} else {
		o.place = p + "/" + o.name
	}
	return o.place
}

// name gives labels and ids: a name that no other of the kind has, else the place.
func (s *scene) name() {
	names, places := map[string]int{}, map[string]int{}
	for _, o := range s.objects {
		names[o.kind+":"+o.name]++
		places[o.kind+":"+o.placeOf()]++
	}
	used := map[string]bool{}
	for _, o := range s.objects {
		name, place := o.kind+":"+o.name, o.kind+":"+o.place
		switch {
		case o.name != "" && names[name] == 1:
			o.label = name
		case o.place != "" && o.place != o.name && places[place] == 1 && names[place] == 0:
			o.label = place
		}
		used[o.label] = true
	}
	count := map[string]int{}
	for _, o := range s.objects {
		if o.id = o.label; o.id != "" {
			continue
		}
		stem := strings.TrimSuffix(o.kind+":"+o.name, ":")
		for o.id == "" || used[o.id] {
			count[stem]++
			o.id = fmt.Sprintf("%s[%d]", stem, count[stem])
		}
		used[o.id] = true
	}
}

// property is a named value of an object.
type property struct {
	*node
	from int // the first value
}

// properties lists those of a node.
func (s *scene) properties(n *node) (out []property) {
	for _, k := range n.kidsOf() {
		switch k.name {
		case "Properties70":
			for _, p := range k.all("P") {
				out = append(out, property{p, 4})
			}
		case "Properties60":
			for _, p := range k.all("Property") {
				out = append(out, property{p, 3})
			}
		}
	}
	return out
}

func (n *node) kidsOf() []*node {
	if n == nil {
		return nil
	}
	return n.kids
}

// get finds a property of a node.
func (s *scene) get(n *node, name string) (property, bool) {
	if n == nil {
		return property{}, false
	}
	table, ok := s.tables[n]
	if !ok {
		table = map[string]property{}
		for _, p := range s.properties(n) {
			table[s.text(p.node, 0)] = p
		}
		s.tables[n] = table
	}
	p, ok := table[name]
	return p, ok
}

// property finds one of an object, or of the template of its class.
func (s *scene) property(o *object, name string) (property, bool) {
	if p, ok := s.get(o.node, name); ok {
		return p, true
	}
	return s.get(s.templates[o.class], name)
}

// numbers returns n numbers of a property; nil if there are not so many.
func (s *scene) numbers(o *object, name string, n int) []float64 {
	p, ok := s.property(o, name)
	if !ok {
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		v := p.value(p.from + i)
		if v == nil {
			return nil
		}
		if out[i], ok = v.float(); !ok {
			return nil
		}
	}
	return out
}

// number returns a number of a property, or what it is otherwise.
func (s *scene) number(o *object, name string, otherwise float64) float64 {
	if v := s.numbers(o, name, 1); v != nil {
		return v[0]
	}
	return otherwise
}
