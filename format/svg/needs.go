package svg

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// uses returns the ids of this document that nodes and what is in them refer to, and what those refer to in turn.
func (f *file) uses(nodes []*xmlspan.Node) []*xmlspan.Node {
	var out []*xmlspan.Node
	seen := map[*xmlspan.Node]bool{}
	for queue := slices.Clone(nodes); len(queue) > 0; queue = queue[1:] {
		queue[0].Walk(func(k *xmlspan.Node) bool {
			for _, id := range f.mentions(k) {
				if n := f.ids[id]; n != nil && !seen[n] {
					seen[n] = true
					out = append(out, n)
					queue = append(queue, n)
				}
			}
			return true
		})
	}
	return out
}

// mentions returns the ids that one node refers to.
func (f *file) mentions(n *xmlspan.Node) []string {
	var out []string
	for _, a := range n.Attrs {
		v := f.doc.Value(a)
		if xmlspan.Local(a.Name) == "href" {
			if id, ok := strings.CutPrefix(strings.TrimSpace(v), "#"); ok {
				out = append(out, id)
			}
		}
		out = append(out, targets(v)...)
	}
	for _, r := range f.rules(n) {
		for _, v := range r.style {
			out = append(out, targets(v)...)
		}
	}
	return out
}

// targets returns the ids in url(#id) of a value.
func targets(v string) []string {
	var out []string
	for {
		_, after, ok := strings.Cut(v, "url(")
		if !ok {
			return out
		}
		inner, rest, _ := strings.Cut(after, ")")
		if id, ok := strings.CutPrefix(strings.Trim(inner, `"' `), "#"); ok {
			out = append(out, id)
		}
		v = rest
	}
}

// bring adds to the newer file the definitions that the chosen nodes use and it lacks.
func (g *graft) bring() error {
	covered := func(n *xmlspan.Node) bool {
		for ; n != nil; n = n.Parent {
			if slices.Contains(g.nodes, n) {
				return true
			}
		}
		return false
	}
	var missing []*xmlspan.Node
	for _, n := range g.from.uses(g.nodes) {
		if covered(n) {
			continue
		}
		id := g.from.idOf[n]
		other := g.into.ids[id]
		if other == nil {
			missing = append(missing, n)
			continue
		}
		if other.Local() != n.Local() || g.into.whole(other) != g.from.whole(n) {
			return &format.Refusal{Reason: fmt.Sprintf("it uses %q, which is something else in the newer file", id), Advice: fmt.Sprintf("take %q too", id)}
		}
	}
	for _, n := range missing {
		in := func(m *xmlspan.Node) bool { return m != n && m.Start <= n.Start && n.End <= m.End }
		if slices.ContainsFunc(missing, in) { // it comes with that
			continue
		}
		out := splice.Text("\n")
		out.Append(g.piece(n, g.into.doc.Root))
		g.defs = append(g.defs, out)
		g.notes = append(g.notes, fmt.Sprintf("%q came along: the element uses it", g.from.idOf[n]))
	}
	if len(g.rules) > 0 {
		g.defs = append([]*format.Output{splice.Text("\n<" + prefixed(g.into.doc.Root, "style") + ">" + xmlspan.Escape(strings.Join(g.rules, "\n")) + "</" + prefixed(g.into.doc.Root, "style") + ">")}, g.defs...)
	}
	if len(g.defs) == 0 {
		return nil
	}
	all := new(format.Output)
	for _, d := range g.defs {
		all.Append(d)
	}
	if defs := g.into.doc.Root.First("defs"); defs != nil {
		g.edits = append(g.edits, inside(defs, false, all))
		return nil
	}
	name := prefixed(g.into.doc.Root, "defs")
	out := splice.Text("<" + name + ">")
	out.Append(all)
	out.Append(splice.Text("</" + name + ">"))
	g.edits = append(g.edits, inside(g.into.doc.Root, true, out))
	return nil
}

// prefixed returns a name with the prefix of the root's.
func prefixed(root *xmlspan.Node, local string) string {
	if p := xmlspan.Prefix(root.Name); p != "" {
		return p + ":" + local
	}
	return local
}

// classes finds what the classes of the chosen nodes are called in the newer file: as before where they look the same
// there, and by a new name where they do not. Illustrator numbers them anew at every save.
func (g *graft) classes() error {
	all := slices.Concat(g.nodes, g.from.uses(g.nodes))
	used := map[string]bool{}
	for _, n := range all {
		n.Walk(func(k *xmlspan.Node) bool {
			for _, c := range strings.Fields(g.from.doc.Get(k, "class")) {
				used[c] = true
			}
			return true
		})
	}
	g.rename = map[string]string{}
	for _, c := range sortedKeys(used) {
		was, is := g.from.sheet.class(c), g.into.sheet.class(c)
		if was == is {
			continue
		}
		name := c
		for n := 2; is != "" || n > 2; n++ {
			name = fmt.Sprintf("%s-%d", c, n)
			if g.into.sheet.class(name) == "" && g.from.sheet.class(name) == "" {
				break
			}
		}
		if name != c {
			g.rename[c] = name
		}
		for _, r := range g.from.sheet.by["."+c] {
			if rest := strings.Replace(r.selector, "."+c, "."+name, 1); len(r.classes) == 1 {
				g.rules = append(g.rules, rest+"{"+written(r.style)+"}")
			}
		}
	}
	if !slices.Equal(g.from.sheet.broad(all, g.from), g.into.sheet.broad(all, g.from)) {
		return &format.Refusal{Reason: "the style rules that apply to it are not the same in the newer file", Advice: "make the style elements of both files equal"}
	}
	return nil
}

// class returns what the rules of one class say.
func (s *sheet) class(name string) string {
	var out strings.Builder
	for _, r := range s.by["."+name] {
		if len(r.classes) == 1 {
			out.WriteString(r.tag + "{" + written(r.style) + "}")
		}
	}
	return out.String()
}

// broad returns the rules, other than of one class, that are or may be of nodes of a file.
func (s *sheet) broad(nodes []*xmlspan.Node, f *file) []string {
	if s.rules == 0 {
		return nil
	}
	names := map[string]bool{"*": true}
	classes := map[string]bool{}
	for _, n := range nodes {
		n.Walk(func(k *xmlspan.Node) bool {
			names[k.Local()] = true
			names["#"+f.idOf[k]] = true
			for _, c := range strings.Fields(f.doc.Get(k, "class")) {
				classes[c] = true
			}
			return true
		})
	}
	out := slices.Clone(s.beyond)
	for _, key := range sortedKeys(names) {
		for _, r := range s.by[key] {
			out = append(out, r.selector+"{"+written(r.style)+"}")
		}
	}
	for _, key := range sortedKeys(classes) {
		for _, r := range s.by["."+key] {
			if len(r.classes) > 1 {
				out = append(out, r.selector+"{"+written(r.style)+"}")
			}
		}
	}
	return out
}
