package mtlx

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"varve/format"
	"varve/format/xmlspan"
)

// graphs hold nodes that are elements of their own.
func graph(n *xmlspan.Node) bool { return n.Local() == "nodegraph" || n.Local() == "backdrop" }

// each calls do with what is an element, and the one that it is in.
func (f *file) each(do func(n, parent *xmlspan.Node)) {
	for _, n := range f.doc.Root.Kids {
		if n.Local() == "include" {
			continue
		}
		do(n, nil)
		if !graph(n) {
			continue
		}
		for _, k := range n.Kids {
			if !setting(k) {
				do(k, n)
			}
		}
	}
}

// setting is what belongs to a graph itself.
func setting(n *xmlspan.Node) bool {
	switch n.Local() {
	case "input", "output", "token":
		return true
	}
	return false
}

// ids gives each element its id: its name, with that of its graph before.
func (f *file) ids() map[*xmlspan.Node]string {
	out := map[*xmlspan.Node]string{}
	used := map[string]int{}
	f.each(func(n, parent *xmlspan.Node) {
		id := f.doc.Get(n, "name")
		if id == "" {
			id = n.Local()
		}
		if parent != nil && len(out[parent]) < maxPath {
			id = out[parent] + "/" + id
		}
		for used[id] > 0 {
			used[id]++
			id = fmt.Sprintf("%s#%d", id, used[id])
		}
		used[id] = 1
		out[n] = id
	})
	return out
}

// Elements lists materials, graphs and their nodes, definitions and looks.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	ids := f.ids()
	var out []format.Element
	f.each(func(n, parent *xmlspan.Node) {
		e := format.Element{ID: ids[n], Kind: kindOf(n), Name: f.doc.Get(n, "name"), Bytes: int64(n.End - n.Start), Properties: map[string]string{"node": n.Local()}, Aspects: map[string]string{}}
		if parent != nil {
			e.Parent = ids[parent]
		}
		if t := f.doc.Get(n, "type"); t != "" {
			e.Properties["type"] = t
		}
		var text strings.Builder
		f.canonical(&text, n, false)
		e.Aspects["inputs"] = format.HashOf([]byte(text.String()))
		out = append(out, e)
	})
	return out, ctx.Err()
}

// canonical writes what n is, however it is spaced and in whatever order its attributes are; of what is in an element with
// the name.
func (f *file) canonical(to *strings.Builder, n *xmlspan.Node, inner bool) {
	attrs := make([]string, 0, len(n.Attrs))
	for _, a := range n.Attrs {
		switch a.Name {
		case "xpos", "ypos", "uicolor", "width", "height": // in an editor
			continue
		case "name":
			if !inner {
				continue
			}
		}
		attrs = append(attrs, fmt.Sprintf("%s=%q", a.Name, f.doc.Value(a)))
	}
	slices.Sort(attrs)
	fmt.Fprintf(to, "<%s %s", n.Local(), strings.Join(attrs, " "))
	for _, k := range n.Kids {
		if inner || !graph(n) || setting(k) {
			f.canonical(to, k, true)
		}
	}
	to.WriteByte('>')
}

func kindOf(n *xmlspan.Node) string {
	switch n.Local() {
	case "surfacematerial", "volumematerial", "material":
		return "material"
	case "nodegraph":
		return "graph"
	case "nodedef", "implementation", "typedef", "unitdef", "unittypedef", "geompropdef", "targetdef", "attributedef", "variantset":
		return "definition"
	case "look", "lookgroup", "collection", "propertyset", "geominfo":
		return "look"
	}
	return "node"
}
