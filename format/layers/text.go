package layers

import (
	"bytes"
	"slices"

	"varve/format/xmlspan"
)

// Text returns the document to be: the text of this version with that of the other in some places.
func (g *Graft) Text() ([]byte, error) {
	x, t := g.tree.Top.Node, g.tree.Doc.Text
	var out []byte
	if x.In == x.End { // <stack/>
		out = slices.Concat(t[:x.Start], g.element(g.Top, t[x.Start:x.End]), t[x.End:])
	} else {
		out = slices.Concat(t[:x.In], g.content(g.Top), t[x.InEnd:])
	}
	_, err := xmlspan.Parse(out, nil)
	return out, err
}

// element returns the text of a spot whose start tag is tag.
func (g *Graft) element(s *Spot, tag []byte) []byte {
	x, t := s.Node, s.Doc.Text
	inner := g.content(s)
	switch {
	case x.In < x.End:
		return slices.Concat(tag, inner, t[x.InEnd:x.End])
	case len(inner) == 0:
		return tag
	}
	return slices.Concat(opened(tag), inner, []byte("</"+x.Name+">"))
}

// opened returns <name …/> as a start tag.
func opened(tag []byte) []byte {
	return append(bytes.TrimRight(bytes.Clone(tag[:len(tag)-2]), " "), '>')
}

func (g *Graft) own(s *Spot) bool { return s.Doc == g.tree.Doc }

// content returns what is in the element of a spot: its lists are those of the spot, all else is as it is.
func (g *Graft) content(s *Spot) []byte {
	x, t := s.Node, s.Doc.Text
	if g.own(s) && !s.touched() {
		return t[x.In:x.InEnd]
	}
	if slices.ContainsFunc(s.Spots, func(k *Spot) bool { return k.List == "" }) || slices.ContainsFunc(s.Kids, func(k *Layer) bool { return k.List == "" }) {
		return g.list(s, x, "")
	}
	var out []byte
	at, done := x.In, map[string]bool{}
	lists := map[string]bool{}
	for _, k := range s.Spots {
		lists[k.List] = true
	}
	for _, l := range s.Kids {
		lists[l.List] = true
	}
	for _, k := range x.Kids {
		l := k.Local()
		if !lists[l] || done[l] {
			continue
		}
		done[l] = true
		out = append(out, t[at:k.Start]...)
		if inner := g.list(s, k, l); k.In < k.End {
			out = slices.Concat(out, t[k.Start:k.In], inner, t[k.InEnd:k.End])
		} else if len(inner) > 0 {
			out = slices.Concat(out, opened(t[k.Start:k.End]), inner, []byte("</"+k.Name+">"))
		} else {
			out = append(out, t[k.Start:k.End]...)
		}
		at = k.End
	}
	for _, l := range []string{"masks", "layers"} {
		if lists[l] && !done[l] {
			out = slices.Concat(out, []byte("<"+l+">"), g.list(s, &xmlspan.Node{}, l), []byte("</"+l+">"))
		}
	}
	return append(out, t[at:x.InEnd]...)
}

// list returns the content of the element x of a spot, in which the layers of a list are. The space between them, and
// whatever else stands there, stays.
func (g *Graft) list(s *Spot, x *xmlspan.Node, name string) []byte {
	t := s.Doc.Text
	layer := map[*xmlspan.Node]bool{}
	for _, l := range s.Kids {
		layer[l.Node] = true
	}
	before := map[*xmlspan.Node][]byte{}
	at, usual := x.In, []byte("\n")
	for _, k := range x.Kids {
		if !layer[k] {
			continue
		}
		before[k] = t[at:k.Start]
		if len(before) == 1 {
			usual = before[k]
		}
		at = k.End
	}
	var out []byte
	for _, k := range s.Spots {
		if k.List != name {
			continue
		}
		gap, ok := before[k.Node]
		if !ok && k.Was != nil {
			gap, ok = before[k.Was.Node]
		}
		if !ok {
			gap = usual
		}
		tag := k.Doc.Text[k.Start:k.Node.In]
		if k.Changed {
			tag = g.Tag(k)
		}
		out = slices.Concat(out, gap, g.element(k, tag))
	}
	return append(out, t[at:x.InEnd]...)
}
