package svg

import (
	"context"
	"fmt"
	"slices"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// Extract is an element as a document of its own: in the groups that it is in, with what it is drawn with.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(in)
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
	n := list[at].node
	root := f.doc.Root
	out := splice.Cut(in, 0, int64(root.In))
	span := func(n *xmlspan.Node) { out.Span(in, int64(n.Start), int64(n.End-n.Start)) }
	contains := func(a, b *xmlspan.Node) bool { return a.Start <= b.Start && b.End <= a.End }
	_, _ = out.Write([]byte("<" + prefixed(root, "defs") + ">"))
	root.Walk(func(k *xmlspan.Node) bool {
		if k.Local() == "style" && !contains(n, k) {
			span(k)
		}
		return true
	})
	needs := f.uses([]*xmlspan.Node{n})
	for _, d := range needs {
		outer := slices.ContainsFunc(needs, func(o *xmlspan.Node) bool { return o != d && contains(o, d) })
		if !contains(n, d) && !contains(d, n) && !outer {
			span(d)
		}
	}
	_, _ = out.Write([]byte("</" + prefixed(root, "defs") + ">"))
	var way []*xmlspan.Node
	for p := n.Parent; p != nil && p != root; p = p.Parent {
		way = append(way, p)
	}
	for _, p := range slices.Backward(way) {
		out.Span(in, int64(p.Start), int64(p.In-p.Start))
	}
	span(n)
	for _, p := range way {
		out.Span(in, int64(p.InEnd), int64(p.End-p.InEnd))
	}
	_, _ = out.Write([]byte("</" + root.Name + ">\n"))
	return &format.Extract{Extension: ".svg", Content: out}, nil
}
