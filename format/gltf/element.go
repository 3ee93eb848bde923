package gltf

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/mesh"
)

// kindOf is what an element of a list is called; "" of lists whose entries are no elements.
func kindOf(list string) string {
	switch list {
	case meshes:
		return "mesh"
	case scenes, nodes, materials, textures, images, animations, skins, cameras, lights, variants:
		return strings.TrimSuffix(list, "s")
	}
	return ""
}

// labels name elements across versions.
type labels struct {
	stable map[string][]string // by list
	parent []int               // of nodes; -1
	scene  []int               // of nodes that are at the top of one; -1
	order  []int               // nodes, each after its parent
}

// label finds names: of a node its own where no other has it, else the path of names from the top.
func (d *document) label() (*labels, error) {
	l := &labels{stable: map[string][]string{}}
	if err := d.tree(l); err != nil {
		return nil, err
	}
	for _, list := range allLists() {
		if kindOf(list) == "" {
			continue
		}
		names := make([]string, len(d.lists[list]))
		seen := map[string]int{}
		for i := range names {
			names[i] = d.name(list, i)
			seen[names[i]]++
		}
		paths := map[string]int{}
		path := slices.Clone(names)
		if list == nodes {
			for _, i := range l.order {
				if p := l.parent[i]; p >= 0 {
					path[i] = path[p] + "/" + names[i]
				}
				if len(path[i]) > 4<<10 { // a chain of nodes, each longer than the last
					path[i] = ""
				}
				paths[path[i]]++
			}
		}
		out := make([]string, len(names))
		for i, name := range names {
			switch {
			case name == "":
			case seen[name] == 1:
				out[i] = kindOf(list) + ":" + name
			case list == nodes && paths[path[i]] == 1 && seen[path[i]] == 0 && path[i] != "":
				out[i] = kindOf(list) + ":" + path[i]
			}
		}
		l.stable[list] = out
	}
	return l, nil
}

// tree finds the parents of nodes. ErrMalformed where one has two, or is in itself.
func (d *document) tree(l *labels) error {
	n := len(d.lists[nodes])
	l.parent, l.scene = make([]int, n), make([]int, n)
	children := make([][]int, n)
	for i := range n {
		l.parent[i], l.scene[i] = -1, -1
	}
	for i := range n {
		for c := range d.items(d.get(d.lists[nodes][i], "children")) {
			k, ok := d.count(c)
			if !ok || k >= int64(n) {
				return format.Malformed("node %d has the child %.20s, of %d", i, d.raw(c), n)
			}
			if l.parent[k] >= 0 {
				return format.Malformed("node %d is in node %d and in node %d", k, l.parent[k], i)
			}
			l.parent[k] = i
			children[i] = append(children[i], int(k))
		}
	}
	var stack []int
	push := func(i int) { stack = append(stack, i) }
	for s := range d.lists[scenes] {
		for c := range d.items(d.get(d.lists[scenes][s], nodes)) {
			k, ok := d.count(c)
			if !ok || k >= int64(n) {
				return format.Malformed("scene %d has the node %.20s, of %d", s, d.raw(c), n)
			}
			if l.scene[k] < 0 && l.parent[k] < 0 {
				l.scene[k] = s
				push(int(k))
			}
		}
	}
	for i := range n {
		if l.parent[i] < 0 && l.scene[i] < 0 {
			push(i)
		}
	}
	slices.Reverse(stack) // the first is to be on top
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		l.order = append(l.order, i)
		for k := len(children[i]) - 1; k >= 0; k-- {
			push(children[i][k])
		}
	}
	if len(l.order) != n {
		return format.Malformed("%d nodes are in themselves", n-len(l.order))
	}
	return nil
}

// reader tells what elements are.
type reader struct {
	*document
	*labels
	transforms []mesh.Matrix // of nodes, to the world; nil until asked for
	contents   map[string]string
	whole      map[string]string // hashes of elements, as they were asked for
}

func read(in format.Input) (*reader, error) {
	d, err := open(in)
	if err != nil {
		return nil, err
	}
	l, err := d.label()
	if err != nil {
		return nil, err
	}
	return &reader{document: d, labels: l, contents: map[string]string{}}, nil
}

// called returns what an element is called by others: its name, or what it is if it has none.
func (r *reader) called(list string, i int) (string, error) {
	if s := r.stable[list][i]; s != "" {
		return s, nil
	}
	if list == nodes || r.name(list, i) != "" {
		return fmt.Sprintf("%s #%d", kindOf(list), i), nil
	}
	return r.content(list, i)
}

// content is a hash of all that an element is, without its name.
func (r *reader) content(list string, i int) (string, error) {
	id := idOf(list, i)
	if c, ok := r.contents[id]; ok {
		return c, nil
	}
	b, err := r.canon(list, r.lists[list][i], nil)
	if err != nil {
		return "", err
	}
	r.contents[id] = format.HashOf(b)
	return r.contents[id], nil
}

// pointed returns what stands for an element where another points to it: data by what it is, others by name.
func (r *reader) pointed(to string, i int64) (string, error) {
	if i >= int64(len(r.lists[to])) {
		return "", format.Malformed("no %s", idOf(to, int(i)))
	}
	switch to {
	case accessors:
		return r.dataHash(int(i))
	case bufferViews:
		return r.viewHash(int(i))
	case textures, images, samplers:
		return r.content(to, int(i))
	case buffers:
		return "", nil
	}
	return r.called(to, int(i))
}

// canon writes a value of an element so that it does not depend on how it was written: members in order, numbers by
// value, what is pointed to by what it is. The name, at the top, is left out.
func (r *reader) canon(list string, k int, path []string) ([]byte, error) {
	switch r.tape[k].kind {
	case '{':
		parts := map[string][]byte{}
		for key, v := range r.members(k) {
			name := r.string(key)
			if len(path) == 0 && (name == "name" || list == images && name == "mimeType") {
				continue
			}
			if list == images && name == "uri" && isData(r.string(v)) {
				b, err := decodeData(r.string(v))
				if err != nil {
					return nil, err
				}
				parts["bufferView"] = []byte(strconv.Quote(format.HashOf(b))) // as one in a buffer
				continue
			}
			b, err := r.canon(list, v, append(path, name))
			if err != nil {
				return nil, err
			}
			parts[name] = b
		}
		out := []byte{'{'}
		names := make([]string, 0, len(parts))
		for n := range parts {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			out = append(append(strconv.AppendQuote(out, n), ':'), parts[n]...)
			out = append(out, ',')
		}
		return append(out, '}'), nil
	case '[':
		out := []byte{'['}
		for v := range r.items(k) {
			b, err := r.canon(list, v, append(path, "*"))
			if err != nil {
				return nil, err
			}
			out = append(append(out, b...), ',')
		}
		return append(out, ']'), nil
	case '"':
		return strconv.AppendQuote(nil, r.string(k)), nil
	case '0':
		if len(path) > 0 {
			if to := target(list, path); to != "" {
				n, ok := r.count(k)
				if !ok {
					return nil, format.Malformed("%s: %.20s is no index", list, r.raw(k))
				}
				s, err := r.pointed(to, n)
				return strconv.AppendQuote(nil, s), err
			}
		}
		x, _ := r.float(k)
		return strconv.AppendFloat(nil, x, 'g', -1, 64), nil
	}
	return r.raw(k), nil
}

// plain reports whether a property says what holds without it.
func plain(list, name, value string) bool {
	switch list {
	case nodes:
		return name == "translation" && value == "0 0 0" || name == "rotation" && value == "0 0 0 1" || name == "scale" && value == "1 1 1"
	case materials:
		switch name {
		case "metallicFactor", "roughnessFactor":
			return value == "1"
		case "baseColorFactor":
			return value == "1 1 1 1"
		case "emissiveFactor":
			return value == "0 0 0"
		case "doubleSided":
			return value == "false"
		case "alphaMode":
			return value == "OPAQUE"
		case "alphaCutoff":
			return value == "0.5"
		}
	}
	return false
}

// flatten makes properties of what is text and numbers, by their path, and aspects of what is pointed to.
func (r *reader) flatten(e *format.Element, list string, k int, path []string, skip ...string) error {
	name := strings.Join(slices.DeleteFunc(slices.Clone(path), func(s string) bool { return s == "extensions" || s == "pbrMetallicRoughness" }), ".")
	if len(path) > 0 && slices.Contains(skip, path[0]) {
		return nil
	}
	switch t := r.tape[k]; {
	case len(path) > 0 && path[len(path)-1] == "extras", t.kind == '[' && !r.flat(k):
		b, err := r.canon(list, k, path)
		e.Aspects[name] = format.HashOf(b)
		return err
	case len(path) > 0 && strings.HasSuffix(path[len(path)-1], "Texture") && t.kind == '{':
		b, err := r.canon(list, k, path)
		e.Aspects[name] = format.HashOf(b)
		return err
	case t.kind == '{':
		for key, v := range r.members(k) {
			if len(path) == 0 && r.string(key) == "name" {
				continue
			}
			if err := r.flatten(e, list, v, append(path, r.string(key)), skip...); err != nil {
				return err
			}
		}
		return nil
	case t.kind == '[':
		var parts []string
		for v := range r.items(k) {
			s, err := r.scalar(list, v, append(path, "*"))
			if err != nil {
				return err
			}
			parts = append(parts, s)
		}
		if s := strings.Join(parts, " "); !plain(list, name, s) {
			e.Properties[name] = s
		}
		return nil
	}
	s, err := r.scalar(list, k, path)
	if err != nil {
		return err
	}
	if to := target(list, path); to == images || to == textures || to == samplers || to == bufferViews || to == accessors {
		e.Aspects[name] = format.HashOf([]byte(s))
	} else if !plain(list, name, s) {
		e.Properties[name] = s
	}
	return nil
}

// scalar returns a text or number as text.
func (r *reader) scalar(list string, k int, path []string) (string, error) {
	b, err := r.canon(list, k, path)
	if err != nil || len(b) == 0 || b[0] != '"' {
		return string(b), err
	}
	return strconv.Unquote(string(b))
}

// flat reports whether an array has neither arrays nor objects, and not very much.
func (r *reader) flat(k int) bool {
	n := 0
	for v := range r.items(k) {
		if n++; r.tape[v].kind == '{' || r.tape[v].kind == '[' || n > 64 {
			return false
		}
	}
	return true
}

// Elements lists scenes with their nodes, then nodes of no scene, then what they use: meshes, materials, textures, images,
// animations, skins, cameras, lights, variants.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	r, err := read(in)
	if err != nil {
		return nil, err
	}
	return r.elements(ctx)
}

func (r *reader) elements(ctx context.Context) ([]format.Element, error) {
	var out []format.Element
	for _, list := range allLists() {
		kind := kindOf(list)
		if kind == "" {
			continue
		}
		order := r.order
		if list != nodes {
			order = make([]int, len(r.lists[list]))
			for i := range order {
				order[i] = i
			}
		}
		for _, i := range order {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			e := format.Element{ID: idOf(list, i), Stable: r.stable[list][i], Kind: kind, Name: r.name(list, i),
				Properties: map[string]string{}, Aspects: map[string]string{}}
			if err := r.element(&e, list, i); err != nil {
				return nil, fmt.Errorf("%s: %w", e.ID, err)
			}
			if len(out) == format.MaxElements {
				return nil, fmt.Errorf("more than %d elements: %w", format.MaxElements, format.ErrLimit)
			}
			out = append(out, e)
		}
	}
	return out, nil
}

// element says what an element is.
func (r *reader) element(e *format.Element, list string, i int) error {
	k := r.lists[list][i]
	e.Bytes = int64(r.tape[k].end - r.tape[k].off)
	if err := r.weigh(e, list, i); err != nil {
		return err
	}
	switch list {
	case nodes:
		switch p := r.parent[i]; {
		case p >= 0:
			e.Parent = idOf(nodes, p)
		case r.scene[i] >= 0:
			e.Parent = idOf(scenes, r.scene[i])
		}
		if m, ok := r.count(r.get(k, "mesh")); ok && m < int64(len(r.lists[meshes])) {
			if b := r.meshBounds(int(m)); !b.Empty() {
				e.Bounds = b.Placed(r.world(i)).Slice()
			}
		}
		return r.flatten(e, list, k, nil, "children")
	case scenes:
		return r.flatten(e, list, k, nil, nodes)
	case meshes:
		e.Bounds = r.meshBounds(i).Slice()
		return r.meshElement(e, k)
	case animations:
		return r.animationElement(e, k)
	case images:
		c, err := r.content(images, i)
		e.Aspects["image"] = c
		if u := r.string(r.get(k, "uri")); u != "" && !isData(u) {
			e.Properties["uri"] = u
		}
		return err
	}
	return r.flatten(e, list, k, nil)
}

// weigh adds the bytes of data that an element points to, each array once.
func (r *reader) weigh(e *format.Element, list string, i int) error {
	refs, err := r.references(list, i)
	if err != nil {
		return err
	}
	seen := map[[2]int]bool{}
	for _, ref := range refs {
		key := [2]int{0, ref.index}
		switch {
		case ref.to == accessors && !seen[key]:
			if a, err := r.array(ref.index); err == nil && a.view >= 0 {
				e.Bytes += a.count * a.size
			}
		case ref.to == bufferViews:
			if key[0] = 1; seen[key] {
				continue
			}
			if v, err := r.view(ref.index); err == nil {
				e.Bytes += v.n
			}
		default:
			continue
		}
		seen[key] = true
	}
	return nil
}

// aspectOf is the aspect of a mesh to which an attribute belongs.
func aspectOf(attribute string) string {
	switch a, _, _ := strings.Cut(attribute, "_"); {
	case attribute == "POSITION":
		return "geometry"
	case attribute == "NORMAL", attribute == "TANGENT":
		return "normals"
	case a == "TEXCOORD":
		return "uvs"
	case a == "COLOR":
		return "colors"
	case a == "JOINTS", a == "WEIGHTS":
		return "skinning"
	}
	return "attributes"
}

// meshElement collects what the primitives of a mesh say, by what it is about.
func (r *reader) meshElement(e *format.Element, k int) error {
	said := map[string][]byte{}
	say := func(aspect, name string, path []string, v int) error {
		b, err := r.canon(meshes, v, path)
		said[aspect] = append(append(strconv.AppendQuote(said[aspect], name), b...), ';')
		return err
	}
	n := 0
	for p := range r.items(r.get(k, "primitives")) {
		n++
		here := []string{"primitives", "*"}
		for key, v := range r.members(p) {
			name := r.string(key)
			path := append(slices.Clone(here), name)
			aspect := name
			switch name {
			case "attributes":
				if err := r.attributes(v, path, say); err != nil {
					return err
				}
				continue
			case "mode", "indices":
				aspect = "geometry"
			case "material":
				aspect = "materials"
			case "targets":
				aspect = "morphs"
			case "extensions":
				for x, w := range r.members(v) {
					aspect := r.string(x)
					if aspect == draco {
						aspect = "geometry"
					}
					if err := say(aspect, r.string(x), append(slices.Clone(path), r.string(x)), w); err != nil {
						return err
					}
				}
				continue
			}
			if err := say(aspect, name, path, v); err != nil {
				return err
			}
		}
		for _, a := range []string{"geometry", "normals", "uvs", "colors", "skinning", "morphs", "materials"} {
			if said[a] != nil {
				said[a] = append(said[a], '|')
			}
		}
	}
	e.Properties["primitives"] = strconv.Itoa(n)
	for a, b := range said {
		e.Aspects[a] = format.HashOf(b)
	}
	return r.flatten(e, meshes, k, nil, "primitives")
}

// attributes goes over them by name: their order is that of no exporter.
func (r *reader) attributes(k int, path []string, say func(aspect, name string, path []string, v int) error) error {
	at := map[string]int{}
	var names []string
	for key, v := range r.members(k) {
		n := r.string(key)
		if _, twice := at[n]; !twice {
			names = append(names, n)
		}
		at[n] = v
	}
	slices.Sort(names)
	for _, n := range names {
		if err := say(aspectOf(n), n, append(slices.Clone(path), n), at[n]); err != nil {
			return err
		}
	}
	return nil
}

// animationElement has an aspect for each channel: what it moves, and how.
func (r *reader) animationElement(e *format.Element, k int) error {
	var each []int
	for s := range r.items(r.get(k, samplers)) {
		each = append(each, s)
	}
	longest := 0.0
	for c := range r.items(r.get(k, "channels")) {
		s, ok := r.count(r.get(c, "sampler"))
		if !ok || s >= int64(len(each)) {
			return format.Malformed("a channel with the sampler %.20s, of %d", e.ID, len(each))
		}
		b, err := r.canon(animations, each[s], []string{samplers, "*"})
		if err != nil {
			return err
		}
		what := r.string(r.get(c, "target", "path"))
		if n, ok := r.count(r.get(c, "target", "node")); ok {
			name, err := r.pointed(nodes, n)
			if err != nil {
				return err
			}
			what = strings.TrimPrefix(name, "node:") + "." + what
		} else if p := r.string(r.get(c, "target", "extensions", "KHR_animation_pointer", "pointer")); p != "" {
			what = p
		}
		e.Aspects[what] = format.HashOf([]byte(e.Aspects[what]), b)
		if in, ok := r.count(r.get(each[s], "input")); ok && in < int64(len(r.lists[accessors])) {
			for v := range r.items(r.get(r.lists[accessors][in], "max")) {
				x, _ := r.float(v)
				longest = max(longest, x)
			}
		}
	}
	e.Properties["duration"] = strconv.FormatFloat(longest, 'g', -1, 64)
	return r.flatten(e, animations, k, nil, samplers, "channels")
}
