package threemf

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

// Graft puts objects, items, materials and settings into another version: in the place of the one with the same UUID or
// number in the same part, or else at the end of that. An object that was not there comes with its items, and with its
// part where that is missing. What it is made of must be there, or be taken too.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := open(ctx, into)
	if err != nil {
		return nil, err
	}
	b, err := open(ctx, from)
	if err != nil {
		return nil, err
	}
	g := &graft{a: a, b: b, edits: map[string][]splice.Edit{}, ends: map[*xmlspan.Node]*format.Output{}, copies: map[string]bool{}}
	if err := g.choose(ctx, ids); err != nil {
		return nil, err
	}
	for _, e := range g.chosen {
		if err := g.put(e); err != nil {
			return nil, err
		}
	}
	if err := g.relate(ctx); err != nil {
		return nil, err
	}
	out, err := g.finish(ctx)
	if err != nil {
		return nil, err
	}
	changed, err := g.changed(ctx, out)
	if err != nil {
		return nil, err
	}
	r := &format.Grafting{Content: out, Changed: changed, Notes: g.notes}
	if len(changed) > 0 && a.thumb != "" {
		r.Stale = append(r.Stale, "preview")
	}
	return r, nil
}

type graft struct {
	a, b   *file
	chosen []element
	taken  map[*xmlspan.Node]bool
	edits  map[string][]splice.Edit // of the parts of a
	ends   map[*xmlspan.Node]*format.Output
	copies map[string]bool // entries of b that come along
	notes  []string
}

func (g *graft) choose(ctx context.Context, ids []string) error {
	list, err := g.b.elements(ctx)
	if err != nil {
		return err
	}
	byID := make(map[string]int, len(list))
	for i := range list {
		byID[list[i].ID] = i
	}
	g.taken = map[*xmlspan.Node]bool{}
	var at []int
	for _, id := range ids {
		i, ok := byID[id]
		if !ok {
			return fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
		at = append(at, i)
		g.taken[list[i].node] = true
	}
	slices.Sort(at)
	for _, i := range slices.Compact(at) {
		g.chosen = append(g.chosen, list[i])
	}
	return nil
}

// find returns what stands in a for a resource or item of b: of its UUID, or else of its number in its part, or, of an
// item without a UUID, the one that is written as it is.
func (g *graft) find(p *part, n *xmlspan.Node) (*part, *xmlspan.Node) {
	if u := p.uuid(n); u != "" {
		for _, name := range g.a.names {
			q := g.a.parts[name]
			var list []*xmlspan.Node
			if n.Local() == "item" {
				list = q.build.All("item")
			} else if q.resources != nil {
				list = q.resources.Kids
			}
			for _, k := range list {
				if k.Local() == n.Local() && q.uuid(k) == u {
					return q, k
				}
			}
		}
	}
	q := g.a.parts[p.name]
	if q == nil {
		return nil, nil
	}
	if n.Local() != "item" {
		to := q.byID[p.doc.Get(n, "id")]
		if to == nil || to.Local() != n.Local() || p.uuid(n) != "" && q.uuid(to) != "" {
			return q, nil
		}
		return q, to
	}
	if p.uuid(n) != "" {
		return q, nil
	}
	id, at := p.doc.Get(n, "objectid"), p.special(n, "path")
	for _, k := range q.build.All("item") {
		if q.content(k) == p.content(n) {
			return q, k
		}
	}
	same := func(p *part) (out []*xmlspan.Node) { // items of that object
		for _, k := range p.build.All("item") {
			if p.doc.Get(k, "objectid") == id && p.special(k, "path") == at {
				out = append(out, k)
			}
		}
		return out
	}
	was, is := same(p), same(q)
	if len(was) == len(is) {
		return q, is[slices.Index(was, n)]
	}
	return q, nil
}

func (g *graft) put(e element) error {
	if e.entry != "" {
		g.copies[e.entry] = true
		return nil
	}
	q, to := g.find(e.part, e.node)
	if err := g.needs(e); err != nil {
		return err
	}
	if q == nil { // its part is gone
		g.copies[e.part.name] = true
		g.copies[relsOf(e.part.name)] = true
		return g.items(e)
	}
	if to != nil {
		new, err := g.piece(e.part, e.node, q, to)
		if err != nil {
			return err
		}
		g.edits[q.name] = append(g.edits[q.name], splice.Edit{Off: int64(to.Start), Len: int64(to.End - to.Start), New: new})
		return nil
	}
	if e.node.Local() == "item" {
		if q.build == nil {
			return &format.Refusal{Reason: "the newer file has no build", Advice: "restore the whole file"}
		}
		new, err := g.piece(e.part, e.node, q, q.build)
		if err != nil {
			return err
		}
		g.end(q.build, e.part, e.node, new)
		return nil
	}
	id := e.part.doc.Get(e.node, "id")
	if q.byID[id] != nil {
		return &format.Refusal{Reason: fmt.Sprintf("the number %s is that of another resource in the newer file", id), Advice: "restore the whole file"}
	}
	if q.resources == nil {
		return &format.Refusal{Reason: "the newer file has no resources", Advice: "restore the whole file"}
	}
	new, err := g.piece(e.part, e.node, q, q.resources)
	if err != nil {
		return err
	}
	g.end(q.resources, e.part, e.node, new)
	return g.items(e)
}

// needs refuses an element whose components or materials a does not have as they were.
func (g *graft) needs(e element) error {
	missing := func(p *part, n *xmlspan.Node, as bool) error {
		if n == nil || g.taken[n] || n == e.node {
			return nil
		}
		q, to := g.find(p, n)
		if q == nil && g.copies[p.name] {
			return nil
		}
		if to == nil || as && q.content(to) != p.content(n) {
			return &format.Refusal{Reason: fmt.Sprintf("it uses %q, which the newer file does not have as it was", p.name+"#"+p.doc.Get(n, "id")), Advice: "take that too"}
		}
		return nil
	}
	p := e.part
	if e.node.Local() == "item" {
		q, to := g.b.target(p, e.node)
		return missing(q, to, false)
	}
	if e.node.Local() != "object" {
		for _, a := range e.node.Attrs {
			if a.Name == "texid" || a.Name == "matid" {
				if err := missing(p, p.byID[p.doc.Value(a)], true); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, k := range e.node.First("components").All("component") {
		q, to := g.b.target(p, k)
		if err := missing(q, to, false); err != nil {
			return err
		}
	}
	for _, id := range p.groups(e.node) {
		if err := missing(p, p.byID[id], true); err != nil {
			return err
		}
	}
	return nil
}

// groups returns the numbers of the property groups that an object has.
func (p *part) groups(n *xmlspan.Node) []string {
	found := map[string]bool{}
	if id := p.doc.Get(n, "pid"); id != "" {
		found[id] = true
	}
	if m := n.First("mesh"); m != nil {
		s := xmlspan.NewScanner(p.doc.Text[:m.InEnd], m.In)
		for {
			t, ok, err := s.Next()
			if err != nil || !ok {
				break
			}
			for _, a := range t.Attrs {
				if t.Kind == xmlspan.Open && a.Name == "pid" {
					found[string(p.doc.Text[a.Off:a.Off+a.Len])] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// piece is a node of b as it may stand in a part of a. A prefix that means something else there is refused.
func (g *graft) piece(p *part, n *xmlspan.Node, q *part, at *xmlspan.Node) (*format.Output, error) {
	var wrong error
	check := func(prefix string) {
		if prefix != "xml" && prefix != "xmlns" && n.Space(prefix) != at.Space(prefix) && wrong == nil {
			wrong = &format.Refusal{Reason: fmt.Sprintf("the prefix %q means something else in the newer file", prefix), Advice: "restore the whole file"}
		}
	}
	n.Walk(func(k *xmlspan.Node) bool {
		check(xmlspan.Prefix(k.Name))
		for _, a := range k.Attrs {
			if prefix := xmlspan.Prefix(a.Name); prefix != "" {
				check(prefix)
			}
		}
		return true
	})
	return splice.Cut(p.text, int64(n.Start), int64(n.End-n.Start)), wrong
}

// end puts something behind the last kid of a node of a, with the space that was before it.
func (g *graft) end(at *xmlspan.Node, p *part, n *xmlspan.Node, what *format.Output) {
	if g.ends[at] == nil {
		g.ends[at] = new(format.Output)
	}
	from := n.Start
	for from > 0 && strings.IndexByte(" \t\r\n", p.doc.Text[from-1]) >= 0 {
		from--
	}
	g.ends[at].Span(p.text, int64(from), int64(n.Start-from))
	g.ends[at].Append(what)
}

// items adds the items that an object had, of which a has none.
func (g *graft) items(e element) error {
	root, here := g.b.parts[g.b.root], g.a.parts[g.a.root]
	if e.node.Local() != "object" || root.build == nil || here.build == nil {
		return nil
	}
	for _, n := range root.build.All("item") {
		if _, to := g.b.target(root, n); to != e.node || g.taken[n] {
			continue
		}
		if root.uuid(n) != "" {
			if _, at := g.find(root, n); at != nil {
				continue
			}
		}
		g.taken[n] = true
		new, err := g.piece(root, n, here, here.build)
		if err != nil {
			return err
		}
		g.end(here.build, root, n, new)
		g.notes = append(g.notes, fmt.Sprintf("%q is built again where it was", e.Name))
	}
	return nil
}

// relsOf is the name of the relationships of a part.
func relsOf(name string) string { return path.Dir(name) + "/_rels/" + path.Base(name) + ".rels" }

// relate adds the relationships of the root to the parts that come along.
func (g *graft) relate(ctx context.Context) error {
	var parts []string
	for _, name := range g.b.names {
		if g.copies[name] && g.a.parts[name] == nil {
			parts = append(parts, name)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	was, from, err := g.b.relations(ctx, relsOf(g.b.root))
	if err != nil || from == nil {
		return err
	}
	is, to, err := g.a.relations(ctx, relsOf(g.a.root))
	if err != nil {
		return err
	}
	if to == nil {
		g.copies[relsOf(g.b.root)] = true
		return nil
	}
	if to.Root.In == to.Root.End {
		return &format.Refusal{Reason: "the newer file has no relationships", Advice: "restore the whole file"}
	}
	text := ""
	for _, r := range was {
		if !slices.Contains(parts, entryName(r.target)) {
			continue
		}
		line := string(from.Text[r.from:r.to])
		for n := 1; slices.ContainsFunc(is, func(o relation) bool { return o.id == r.id }); n++ {
			old := r.id
			r.id = fmt.Sprintf("%s-%d", old, n)
			line = strings.Replace(line, `"`+old+`"`, `"`+r.id+`"`, 1)
		}
		is = append(is, r)
		text += line
	}
	in := format.Bytes(to.Text)
	out, err := splice.Apply(in, 0, in.Size(), []splice.Edit{{Off: int64(to.Root.InEnd), New: splice.Text(text)}})
	g.edits[relsOf(g.a.root)] = []splice.Edit{{Len: in.Size(), New: out}}
	return err
}

// finish makes the archive.
func (g *graft) finish(ctx context.Context) (*format.Output, error) {
	for n, what := range g.ends {
		name := ""
		for _, at := range g.a.names {
			if p := g.a.parts[at]; p.resources == n || p.build == n {
				name = at
			}
		}
		e := splice.Edit{Off: int64(n.InEnd), New: what}
		switch {
		case n.In == n.End: // <name/>
			out := splice.Text(">")
			out.Append(what)
			out.Append(splice.Text("</" + n.Name + ">"))
			e = splice.Edit{Off: int64(n.End - 2), Len: 2, New: out}
		case len(n.Kids) > 0:
			e.Off = int64(n.Kids[len(n.Kids)-1].End)
		}
		g.edits[name] = append(g.edits[name], e)
	}
	r := g.a.archive.Rewrite()
	for _, name := range slices.Sorted(maps.Keys(g.edits)) {
		edits := g.edits[name]
		slices.SortStableFunc(edits, func(x, y splice.Edit) int { return cmp.Compare(x.Off, y.Off) })
		p := g.a.parts[name]
		if p == nil { // relationships
			r.Put(name, edits[0].New, zipfile.Deflate)
			continue
		}
		out, err := splice.Apply(p.text, 0, p.text.Size(), edits)
		if err != nil {
			return nil, err
		}
		if same, err := equal(out, p.text); err != nil || same {
			if err != nil {
				return nil, err
			}
			continue
		}
		r.Put(name, out, zipfile.Deflate)
	}
	for _, name := range slices.Sorted(maps.Keys(g.copies)) {
		e, here := g.b.archive.Find(name), g.a.archive.Find(name)
		if e == nil || here != nil && here.CRC == e.CRC && here.Size == e.Size {
			continue
		}
		r.Copy(name, g.b.archive, e)
	}
	return r.Output(ctx)
}

func equal(a, b format.Input) (bool, error) {
	if a.Size() != b.Size() {
		return false, nil
	}
	x, err := format.ReadSpan(a, 0, a.Size(), a.Size())
	if err != nil {
		return false, err
	}
	y, err := format.ReadSpan(b, 0, b.Size(), b.Size())
	return string(x) == string(y), err
}

// changed reads the result: the ids of the elements that a did not have as they are.
func (g *graft) changed(ctx context.Context, out *format.Output) ([]string, error) {
	was, err := g.a.elements(ctx)
	if err != nil {
		return nil, err
	}
	result, err := open(ctx, out)
	if err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	is, err := result.elements(ctx)
	if err != nil {
		return nil, err
	}
	return splice.Changed(was, is, func(e *element) *format.Element { return &e.Element }), nil
}
