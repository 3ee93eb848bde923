package collada

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// Graft puts elements into another version: in the place of the one with the same id, or else at the end of the same
// library; a node after the same neighbour. What they use and the document lacks comes along; what it has under that id
// stays as it is there.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := open(ctx, into)
	if err != nil {
		return nil, err
	}
	b, err := open(ctx, from)
	if err != nil {
		return nil, err
	}
	if !a.exact || !b.exact {
		return nil, &format.Refusal{Reason: "the file is UTF-16", Advice: "save it as UTF-8"}
	}
	g := &graft{a: a, b: b, ends: map[*xmlspan.Node]*format.Output{}, new: map[string]*format.Output{}}
	if err := g.choose(ctx, ids); err != nil {
		return nil, err
	}
	for _, n := range g.nodes {
		if err := g.put(n); err != nil {
			return nil, err
		}
	}
	if err := g.bring(); err != nil {
		return nil, err
	}
	text, err := g.finish()
	if err != nil {
		return nil, err
	}
	changed, err := g.changed(ctx, text)
	if err != nil {
		return nil, err
	}
	out := &format.Grafting{Changed: changed, Notes: g.notes}
	if out.Content, err = a.pack(ctx, text); err != nil {
		return nil, err
	}
	if text.Size() == a.text.Size() && len(changed) == 0 && len(g.edits) == 0 {
		out.Content = splice.Cut(into, 0, into.Size())
	}
	return out, nil
}

type graft struct {
	a, b  *file
	nodes []*xmlspan.Node // of b, none within another, in its order
	edits []splice.Edit
	ends  map[*xmlspan.Node]*format.Output // what is put at the end of nodes of a
	new   map[string]*format.Output        // and into libraries that a lacks
	notes []string
	equal map[string][]*xmlspan.Node // elements of a by how they are written, made when asked for
}

func (g *graft) choose(ctx context.Context, ids []string) error {
	list, err := g.b.elements(ctx)
	if err != nil {
		return err
	}
	byID := make(map[string]*xmlspan.Node, len(list))
	for i := range list {
		byID[list[i].ID] = list[i].node
	}
	taken := map[*xmlspan.Node]bool{}
	for _, id := range ids {
		if byID[id] == nil {
			return fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
		taken[byID[id]] = true
	}
	for n := range taken {
		outer := n.Parent
		for outer != nil && !taken[outer] {
			outer = outer.Parent
		}
		if outer == nil {
			g.nodes = append(g.nodes, n)
		}
	}
	slices.SortFunc(g.nodes, func(x, y *xmlspan.Node) int { return cmp.Compare(x.Start, y.Start) })
	return nil
}

// find returns the node of a that stands for one of b: with its id; of what has none of its own, the only one that is
// equal, byte for byte.
func (g *graft) find(n *xmlspan.Node) *xmlspan.Node {
	id := g.b.idOf[n]
	if id != "" && g.b.ids[id] == n {
		if to := g.a.ids[id]; to != nil && to.Local() == n.Local() {
			return to
		}
		return nil
	}
	if g.equal == nil {
		g.equal = map[string][]*xmlspan.Node{}
		g.a.doc.Root.Walk(func(k *xmlspan.Node) bool {
			if kindOf(k) != "" {
				key := g.a.bytes(k)
				g.equal[key] = append(g.equal[key], k)
			}
			return true
		})
	}
	key := g.b.bytes(n)
	list := g.equal[key]
	for _, k := range n.Parent.Kids { // of equal ones, which
		if k == n || len(list) == 0 {
			break
		}
		if k.End-k.Start == n.End-n.Start && g.b.bytes(k) == key {
			list = list[1:]
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// bytes returns a hash of a node as it is written.
func (f *file) bytes(n *xmlspan.Node) string { return format.HashOf(f.doc.Text[n.Start:n.End]) }

func (g *graft) put(n *xmlspan.Node) error {
	text := splice.Cut(g.b.text, int64(n.Start), int64(n.End-n.Start))
	to := g.find(n)
	if err := g.clash(n, to); err != nil {
		return err
	}
	if to != nil {
		if string(g.a.doc.Text[to.Start:to.End]) != string(g.b.doc.Text[n.Start:n.End]) {
			g.edits = append(g.edits, splice.Edit{Off: int64(to.Start), Len: int64(to.End - to.Start), New: text})
		}
		return nil
	}
	if g.b.idOf[n] == "" || g.b.ids[g.b.idOf[n]] != n {
		return &format.Refusal{Reason: fmt.Sprintf("which %s of the newer file is this one cannot be told: it has no id of its own", n.Local()), Advice: "restore the whole file"}
	}
	if n.Local() != "node" {
		g.add(n)
		return nil
	}
	parent := g.find(n.Parent)
	if parent == nil && n.Parent.Local() == "visual_scene" { // there is mostly one, and it is renamed
		if all := g.a.doc.Root.First("library_visual_scenes").All("visual_scene"); len(all) == 1 {
			parent = all[0]
		}
	}
	if parent == nil && n.Parent.Local() == "library_nodes" {
		g.add(n)
		return nil
	}
	if parent == nil {
		return &format.Refusal{Reason: fmt.Sprintf("the node %q that it was in is not in the newer file", g.b.idOf[n.Parent]), Advice: "take that too"}
	}
	with := g.spaced(n)
	for _, k := range slices.Backward(n.Parent.Kids[:slices.Index(n.Parent.Kids, n)]) {
		if at := g.find(k); at != nil && at.Parent == parent && k.Local() == "node" {
			g.edits = append(g.edits, splice.Edit{Off: int64(at.End), New: with})
			return nil
		}
	}
	g.end(parent, with)
	return nil
}

// clash refuses a node with ids that are elsewhere in the newer file.
func (g *graft) clash(n, to *xmlspan.Node) (err error) {
	n.Walk(func(k *xmlspan.Node) bool {
		id := g.b.idOf[k]
		other, two := g.a.ids[id]
		if id == "" || !two || other == nil && to == nil || err != nil {
			return err == nil
		}
		for o := other; o != nil; o = o.Parent {
			if o == to {
				return true
			}
		}
		if other != nil {
			err = &format.Refusal{Reason: fmt.Sprintf("the newer file has the id %q in another place", id), Advice: "restore the whole file"}
		}
		return err == nil
	})
	return err
}

// spaced is a node with the space before it.
func (g *graft) spaced(n *xmlspan.Node) *format.Output {
	at := n.Start
	for at > 0 && strings.IndexByte(" \t\r\n", g.b.doc.Text[at-1]) >= 0 {
		at--
	}
	return splice.Cut(g.b.text, int64(at), int64(n.End-at))
}

// end puts something behind the last kid of a node.
func (g *graft) end(n *xmlspan.Node, what *format.Output) {
	if g.ends[n] == nil {
		g.ends[n] = new(format.Output)
	}
	g.ends[n].Append(what)
}

// add puts a node at the end of its library.
func (g *graft) add(n *xmlspan.Node) {
	name := n.Parent.Name
	if lib := g.a.doc.Root.First(n.Parent.Local()); lib != nil {
		g.end(lib, g.spaced(n))
		return
	}
	if g.new[name] == nil {
		g.new[name] = new(format.Output)
	}
	g.new[name].Append(g.spaced(n))
}

// bring adds what the nodes use and a lacks.
func (g *graft) bring() error {
	seen := map[*xmlspan.Node]bool{}
	for queue := slices.Clone(g.nodes); len(queue) > 0; queue = queue[1:] {
		for _, n := range g.b.uses(queue[0]) {
			if seen[n] || slices.ContainsFunc(g.nodes, func(m *xmlspan.Node) bool { return m.Start <= n.Start && n.End <= m.End }) {
				continue
			}
			seen[n] = true
			id := g.b.idOf[n]
			to, has := g.a.ids[id]
			if !has {
				if kindOf(n) == "" || n.Local() == "node" && n.Parent.Local() != "library_nodes" {
					return &format.Refusal{Reason: fmt.Sprintf("it uses %q, which is not in the newer file", id), Advice: "take that too"}
				}
				g.add(n)
				g.notes = append(g.notes, fmt.Sprintf("%q came along: the element uses it", id))
				queue = append(queue, n)
			} else if to == nil || g.a.content(to) != g.b.content(n) {
				g.notes = append(g.notes, fmt.Sprintf("it uses %q as that is in the newer file", id))
			}
		}
	}
	return nil
}

// uses returns the nodes that one and what is in it refer to.
func (f *file) uses(n *xmlspan.Node) []*xmlspan.Node {
	var out []*xmlspan.Node
	n.Walk(func(k *xmlspan.Node) bool {
		for _, a := range k.Attrs {
			switch a.Name {
			case "url", "source", "target", "texture":
				v := f.doc.Value(a)
				if a.Name == "texture" {
					v = "#" + v
				}
				if to := f.target(v); to != nil {
					out = append(out, to)
				}
			}
		}
		switch k.Local() {
		case "init_from", "instance_image", "skeleton":
			if len(k.Kids) == 0 {
				if to := f.target("#" + strings.TrimPrefix(strings.TrimSpace(f.doc.Inner(k)), "#")); to != nil {
					out = append(out, to)
				}
			}
		}
		return true
	})
	return out
}

// finish makes the document.
func (g *graft) finish() (*format.Output, error) {
	for n, what := range g.ends {
		if n.In == n.End { // <name/>
			out := splice.Text(">")
			out.Append(what)
			out.Append(splice.Text("</" + n.Name + ">"))
			g.edits = append(g.edits, splice.Edit{Off: int64(n.End - 2), Len: 2, New: out})
			continue
		}
		at := n.InEnd
		if k := len(n.Kids); k > 0 {
			at = n.Kids[k-1].End
		}
		g.edits = append(g.edits, splice.Edit{Off: int64(at), New: what})
	}
	before := g.a.doc.Root.First("library_visual_scenes") // libraries come before the scenes
	if before == nil {
		before = g.a.doc.Root.First("scene")
	}
	for _, name := range slices.Sorted(maps.Keys(g.new)) {
		out := splice.Text("<" + name + ">")
		out.Append(g.new[name])
		out.Append(splice.Text("</" + name + ">\n"))
		at := g.a.doc.Root.InEnd
		if before != nil {
			at = before.Start
		}
		g.edits = append(g.edits, splice.Edit{Off: int64(at), New: out})
	}
	slices.SortStableFunc(g.edits, func(x, y splice.Edit) int { return cmp.Compare(x.Off, y.Off) })
	out, err := splice.Apply(g.a.text, 0, g.a.text.Size(), g.edits)
	if err != nil {
		return nil, &format.Refusal{Reason: "in the newer file one of these elements is within another", Advice: "put them back one at a time"}
	}
	return out, nil
}

// changed reads the result: the ids of the elements that a did not have as they are.
func (g *graft) changed(ctx context.Context, text *format.Output) ([]string, error) {
	was, err := g.a.elements(ctx)
	if err != nil {
		return nil, err
	}
	result, err := open(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	is, err := result.elements(ctx)
	if err != nil {
		return nil, err
	}
	return splice.Changed(was, is, func(e *element) *format.Element { return &e.Element }), nil
}

// Extract is an element as a document of its own, with what it uses.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	if !f.exact {
		return nil, format.Unsupported("extracting from UTF-16")
	}
	list, err := f.elements(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list, func(e element) bool { return e.ID == id })
	if at < 0 {
		return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
	}
	root := f.doc.Root
	span := func(n *xmlspan.Node) *format.Output { return splice.Cut(f.text, int64(n.Start), int64(n.End-n.Start)) }
	out := splice.Cut(f.text, 0, int64(root.In))
	if asset := root.First("asset"); asset != nil {
		out.Append(splice.Text("\n"))
		out.Append(span(asset))
	}
	libraries := map[string]*format.Output{}
	put := func(name string, what *format.Output) {
		if libraries[name] == nil {
			libraries[name] = new(format.Output)
		}
		libraries[name].Append(splice.Text("\n"))
		libraries[name].Append(what)
	}
	n := list[at].node
	if n.Local() == "node" {
		scene := splice.Text(`<visual_scene id="varve-scene">`)
		scene.Append(span(n))
		scene.Append(splice.Text("</visual_scene>"))
		put("library_visual_scenes", scene)
	} else {
		put(n.Parent.Local(), span(n))
	}
	seen := map[*xmlspan.Node]bool{n: true}
	for queue := []*xmlspan.Node{n}; len(queue) > 0; queue = queue[1:] {
		for _, k := range f.uses(queue[0]) {
			if !seen[k] && kindOf(k) != "" && (k.Local() != "node" || k.Parent.Local() == "library_nodes") && (k.Start < n.Start || k.End > n.End) {
				seen[k] = true
				put(k.Parent.Local(), span(k))
				queue = append(queue, k)
			}
		}
	}
	prefix := strings.TrimSuffix(root.Name, "COLLADA")
	names := slices.Sorted(maps.Keys(libraries))
	slices.SortStableFunc(names, func(x, y string) int {
		return cmp.Compare(strings.Count(x, "visual"), strings.Count(y, "visual"))
	})
	for _, name := range names {
		out.Append(splice.Text("\n<" + prefix + name + ">"))
		out.Append(libraries[name])
		out.Append(splice.Text("\n</" + prefix + name + ">"))
	}
	if n.Local() == "node" {
		out.Append(splice.Text("\n<" + prefix + "scene><" + prefix + `instance_visual_scene url="#varve-scene"/></` + prefix + "scene>"))
	}
	out.Append(splice.Text("\n</" + root.Name + ">\n"))
	return &format.Extract{Extension: ".dae", Content: out}, nil
}
