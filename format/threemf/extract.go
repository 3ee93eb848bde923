package threemf

import (
	"context"
	"fmt"
	"slices"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

// Extract is an object, with what it is made of, as a file of its own; it is built where it was.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	list, err := f.elements(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list, func(e element) bool { return e.ID == id })
	if at < 0 {
		return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
	}
	e := list[at]
	if e.Kind != "object" {
		return nil, format.Unsupported("a file of a %s", e.Kind)
	}
	root := f.parts[f.root]
	keep := f.closure(e.part, e.node)
	r := f.archive.Rewrite()
	for _, name := range f.names {
		p := f.parts[name]
		var edits []splice.Edit
		drop := func(n *xmlspan.Node) {
			edits = append(edits, splice.Edit{Off: int64(n.Start), Len: int64(n.End - n.Start), New: new(format.Output)})
		}
		for _, n := range p.resources.All("object") {
			if !keep[n] {
				drop(n)
			}
		}
		if p == root {
			built := false
			for _, n := range p.build.All("item") {
				if _, to := f.target(p, n); to == e.node {
					built = true
				} else {
					drop(n)
				}
			}
			if !built {
				item, err := f.newItem(e)
				if err != nil {
					return nil, err
				}
				edits = append(edits, *item)
			}
		}
		if len(edits) == 0 {
			continue
		}
		out, err := splice.Apply(p.text, 0, p.text.Size(), edits)
		if err != nil {
			return nil, err
		}
		r.Put(name, out, zipfile.Deflate)
	}
	out, err := r.Output(ctx)
	if err != nil {
		return nil, err
	}
	return &format.Extract{Extension: ".3mf", Content: out}, nil
}

// closure returns an object and those that it is made of.
func (f *file) closure(p *part, n *xmlspan.Node) map[*xmlspan.Node]bool {
	type at struct {
		p *part
		n *xmlspan.Node
	}
	keep := map[*xmlspan.Node]bool{n: true}
	for queue := []at{{p, n}}; len(queue) > 0; queue = queue[1:] {
		for _, k := range queue[0].n.First("components").All("component") {
			if q, to := f.target(queue[0].p, k); to != nil && !keep[to] {
				keep[to] = true
				queue = append(queue, at{q, to})
			}
		}
	}
	return keep
}

// newItem builds an object that the build does not have.
func (f *file) newItem(e element) (*splice.Edit, error) {
	root := f.parts[f.root]
	if root.build == nil || root.build.In == root.build.End || e.part != root {
		return nil, format.Unsupported("a file of an object that is not built by itself")
	}
	name := "item"
	if p := xmlspan.Prefix(root.build.Name); p != "" {
		name = p + ":item"
	}
	return &splice.Edit{Off: int64(root.build.In), New: splice.Text("<" + name + ` objectid="` + xmlspan.Escape(root.doc.Get(e.node, "id")) + `"/>`)}, nil
}
