package svg

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// Graft puts elements into another version: in the place of the one with the same id (of what has no id: of the one
// that stands for it between the same neighbours), or else after the same neighbour in the same parent. What they are
// drawn with and the document lacks, gradients and classes of styles, comes along. A *Refusal where an id means
// something else there.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	g := &graft{}
	var err error
	if g.into, err = open(into); err != nil {
		return nil, err
	}
	if g.from, err = open(from); err != nil {
		return nil, err
	}
	if !g.into.exact || !g.from.exact {
		return nil, &format.Refusal{Reason: "the file is UTF-16", Advice: "save it as UTF-8"}
	}
	g.pairs = pairs{into: g.into, from: g.from, of: map[*xmlspan.Node]*xmlspan.Node{}, done: map[*xmlspan.Node]bool{}, unsure: map[*xmlspan.Node]bool{}}
	if err := g.choose(ctx, ids); err != nil {
		return nil, err
	}
	if err := g.classes(); err != nil {
		return nil, err
	}
	if err := g.place(); err != nil {
		return nil, err
	}
	if err := g.bring(); err != nil {
		return nil, err
	}
	out, err := splice.Apply(into, 0, into.Size(), g.edits)
	if err != nil {
		return nil, &format.Refusal{Reason: "in the newer file one of these elements is within another", Advice: "put them back one at a time"}
	}
	changed, err := g.changed(ctx, out)
	if err != nil {
		return nil, err
	}
	return &format.Grafting{Content: out, Changed: changed, Notes: g.notes}, nil
}

type graft struct {
	into, from *file
	pairs      pairs
	nodes      []*xmlspan.Node // of from, none within another, in its order
	taken      map[*xmlspan.Node]bool
	rename     map[string]string // classes that mean something else in into
	rules      []string          // of classes that into lacks
	defs       []*format.Output  // for the definitions of into
	edits      []splice.Edit
	notes      []string
}

// choose finds the nodes of ids, leaves out what is within others, and finds the definitions that they need.
func (g *graft) choose(ctx context.Context, ids []string) error {
	list, err := g.from.elements(ctx)
	if err != nil {
		return err
	}
	byID := make(map[string]*xmlspan.Node, len(list))
	for _, e := range list {
		byID[e.ID] = e.node
	}
	g.taken = map[*xmlspan.Node]bool{}
	for _, id := range ids {
		n := byID[id]
		if n == nil {
			return fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
		g.taken[n] = true
	}
	for n := range g.taken {
		if !g.within(n.Parent) {
			g.nodes = append(g.nodes, n)
		}
	}
	slices.SortFunc(g.nodes, func(a, b *xmlspan.Node) int { return cmp.Compare(a.Start, b.Start) })
	return nil
}

// within reports whether a node of from, or one that it is in, is taken.
func (g *graft) within(n *xmlspan.Node) bool {
	for ; n != nil; n = n.Parent {
		if g.taken[n] {
			return true
		}
	}
	return false
}

// place makes the edits for the chosen nodes.
func (g *graft) place() error {
	for _, n := range g.nodes {
		to, unsure := g.pairs.find(n)
		if unsure {
			return &format.Refusal{Reason: fmt.Sprintf("which %s of the newer file is this one cannot be told: it has no id", n.Local()), Advice: "take the group that it is in"}
		}
		parent, _ := g.pairs.find(n.Parent)
		if to != nil {
			parent = to.Parent
		}
		if parent == nil && n.Parent.Local() == "defs" {
			g.defs = append(g.defs, g.piece(n, g.into.doc.Root))
			continue
		}
		if parent == nil {
			return &format.Refusal{Reason: fmt.Sprintf("%q is not in the newer file, and %q was in it", g.from.name(n.Parent), g.from.name(n)), Advice: "take that too"}
		}
		if err := g.clash(n, to); err != nil {
			return err
		}
		if g.from.transforms(n.Parent) != g.into.transforms(parent) {
			g.notes = append(g.notes, fmt.Sprintf("%q is in a group that was moved since: it moves with it", g.from.name(n)))
		}
		if to != nil {
			g.edits = append(g.edits, splice.Edit{Off: int64(to.Start), Len: int64(to.End - to.Start), New: g.piece(n, parent)})
			continue
		}
		new := splice.Cut(g.from.in, int64(g.from.gap(n)), int64(n.Start-g.from.gap(n)))
		new.Append(g.piece(n, parent))
		if before := g.before(n, parent); before != nil {
			g.edits = append(g.edits, splice.Edit{Off: int64(before.End), New: new})
		} else {
			g.edits = append(g.edits, inside(parent, true, new))
		}
	}
	return nil
}

// transforms returns the transforms that a node is drawn with.
func (f *file) transforms(n *xmlspan.Node) string {
	var out []string
	for ; n != nil; n = n.Parent {
		if t := f.doc.Get(n, "transform"); t != "" {
			out = append(out, numbers(t))
		}
	}
	return strings.Join(out, "\n")
}

// gap returns where the space before a node begins.
func (f *file) gap(n *xmlspan.Node) int {
	at := n.Start
	for at > 0 && strings.IndexByte(" \t\r\n", f.doc.Text[at-1]) >= 0 {
		at--
	}
	return at
}

// before returns the node in parent that a new node comes after: what stands for the nearest one before it.
func (g *graft) before(n, parent *xmlspan.Node) *xmlspan.Node {
	at := slices.Index(n.Parent.Kids, n)
	for _, k := range slices.Backward(n.Parent.Kids[:at]) {
		if to, _ := g.pairs.find(k); to != nil && to.Parent == parent {
			return to
		}
	}
	return nil
}

// inside is an edit that puts something at the start or the end of what is in a node.
func inside(n *xmlspan.Node, first bool, new *format.Output) splice.Edit {
	if n.In == n.End { // <name/>
		out := splice.Text(">")
		out.Append(new)
		out.Append(splice.Text("</" + n.Name + ">"))
		return splice.Edit{Off: int64(n.End - 2), Len: 2, New: out}
	}
	if first {
		return splice.Edit{Off: int64(n.In), New: new}
	}
	return splice.Edit{Off: int64(n.InEnd), New: new}
}

// clash refuses a node with ids that are elsewhere in the newer file.
func (g *graft) clash(n, to *xmlspan.Node) (err error) {
	n.Walk(func(k *xmlspan.Node) bool {
		id := g.from.idOf[k]
		other := g.into.ids[id]
		if id == "" || other == nil || err != nil {
			return err == nil
		}
		for o := other; o != nil; o = o.Parent {
			if o == to {
				return true
			}
			for _, m := range g.nodes { // it is replaced itself
				if at, _ := g.pairs.find(m); at == o {
					return true
				}
			}
		}
		err = &format.Refusal{Reason: fmt.Sprintf("the newer file has %q in another place", id), Advice: fmt.Sprintf("take %q alone, or the group that it is in now", id)}
		return false
	})
	return err
}

// piece is a node of from as it may stand in parent: with the namespaces that it needs, and other names of classes.
func (g *graft) piece(n, parent *xmlspan.Node) *format.Output {
	var edits []splice.Edit
	if missing := spaces(n, parent); missing != "" {
		edits = append(edits, splice.Edit{Off: int64(n.Start + 1 + len(n.Name)), New: splice.Text(missing)})
	}
	n.Walk(func(k *xmlspan.Node) bool {
		for _, a := range k.Attrs {
			if a.Name != "class" || len(g.rename) == 0 {
				continue
			}
			words := strings.Fields(g.from.doc.Value(a))
			other := false
			for i, w := range words {
				if to, ok := g.rename[w]; ok {
					words[i], other = to, true
				}
			}
			if other {
				edits = append(edits, splice.Edit{Off: int64(a.Off), Len: int64(a.Len), New: splice.Text(xmlspan.Escape(strings.Join(words, " ")))})
			}
		}
		return true
	})
	out, err := splice.Apply(g.from.in, int64(n.Start), int64(n.End), edits)
	if err != nil {
		panic(err) // attributes do not overlap
	}
	return out
}

// spaces returns the declarations of the namespaces that stand for something else in parent than in n.
func spaces(n, parent *xmlspan.Node) string {
	need := map[string]bool{}
	n.Walk(func(k *xmlspan.Node) bool {
		need[xmlspan.Prefix(k.Name)] = true
		for _, a := range k.Attrs {
			if p := xmlspan.Prefix(a.Name); p != "" && p != "xmlns" && p != "xml" {
				need[p] = true
			}
		}
		return true
	})
	var out strings.Builder
	for _, p := range sortedKeys(need) {
		uri := ""
		if n.Parent != nil {
			uri = n.Parent.Space(p)
		}
		name := "xmlns"
		if p != "" {
			name += ":" + p
		}
		own := slices.ContainsFunc(n.Attrs, func(a xmlspan.Attr) bool { return a.Name == name })
		if own || uri == "" || uri == parent.Space(p) {
			continue
		}
		fmt.Fprintf(&out, ` %s="%s"`, name, xmlspan.Escape(uri))
	}
	return out.String()
}

// changed returns the ids of the elements of a result that the document did not have as they are.
func (g *graft) changed(ctx context.Context, out *format.Output) ([]string, error) {
	was, err := g.into.elements(ctx)
	if err != nil {
		return nil, err
	}
	result, err := open(out)
	if err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	is, err := result.elements(ctx)
	if err != nil {
		return nil, err
	}
	stable, loose := map[string]string{}, map[string]int{}
	for _, e := range was {
		if e.Stable != "" {
			stable[e.Stable] = e.Hash() + e.Name
		} else {
			loose[e.Hash()]++
		}
	}
	var ids []string
	for _, e := range is {
		if e.Stable != "" {
			if h, ok := stable[e.Stable]; !ok || h != e.Hash()+e.Name {
				ids = append(ids, e.ID)
			}
		} else if h := e.Hash(); loose[h] > 0 {
			loose[h]--
		} else {
			ids = append(ids, e.ID)
		}
	}
	return ids, nil
}
