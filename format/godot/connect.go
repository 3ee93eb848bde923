package godot

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// connect makes the connections and open instances of the grafted nodes what they were. Godot passes over a connection
// to a node that is not there: it stays, and is told.
func (g *grafter) connect(plans []*plan, parts []int) error {
	nodes := g.result(plans)
	var tail []int // sections of from that are to be added
	kept := map[int]bool{}
	for _, p := range plans {
		for i := range g.from.sections {
			s := &g.from.sections[i]
			at, ok := g.from.anchor(s)
			if !ok || !below(at, p.source) {
				continue
			}
			if s.name == "connection" && !nodes.has(to(g.from, s, p)) {
				g.loose(g.from, s)
			}
			if k := g.twin(s, p); k >= 0 {
				kept[k] = true
			} else {
				tail = append(tail, i)
			}
		}
		for k := range g.in.sections {
			if at, ok := g.in.anchor(&g.in.sections[k]); ok && p.exists && below(at, p.target) && !kept[k] {
				g.remove(k)
			}
		}
	}
	for k := range g.in.sections {
		s := &g.in.sections[k]
		if s.name == "connection" && !g.gone[k] && !kept[k] && len(plans) > 0 && g.in.whole(s) && !nodes.has(g.in.attr(s, "to")) {
			g.loose(g.in, s)
		}
	}
	for _, i := range parts {
		s := &g.from.sections[i]
		if s.name != "connection" || slices.Contains(tail, i) {
			continue
		}
		k, ok := g.owners[g.ids[i]]
		switch {
		case ok && !g.gone[k]:
			g.replace(k, g.chunk(i, nil), s.end == len(g.from.b))
		case !ok && (!nodes.has(g.from.attr(s, "from")) || !nodes.has(g.from.attr(s, "to"))):
			return &format.Refusal{Reason: fmt.Sprintf("a node of the connection from %s to %s is gone", g.from.attr(s, "from"), g.from.attr(s, "to")), Advice: "bring back the node"}
		case !ok:
			tail = append(tail, i)
		}
	}
	g.append(tail, plans)
	return nil
}

// anchor is the node whose connection or open instance a section is.
func (d *document) anchor(s *section) (string, bool) {
	switch s.name {
	case "connection":
		return path.Clean(d.attr(s, "from")), true
	case "editable":
		return path.Clean(d.attr(s, "path")), true
	}
	return "", false
}

// loose tells of a connection that leads nowhere.
func (g *grafter) loose(d *document, s *section) {
	g.notes = append(g.notes, fmt.Sprintf("the signal %s of %s is connected to %s, which is not there", d.attr(s, "signal"), d.attr(s, "from"), d.attr(s, "to")))
}

// whole: a connection led somewhere before the graft.
func (d *document) whole(s *section) bool {
	nodes := tree{}
	for i := range d.sections {
		if n := &d.sections[i]; n.name == "node" {
			nodes[d.nodePath(n)] = n.has("instance")
		}
	}
	return nodes.has(d.attr(s, "to"))
}

func to(d *document, s *section, p *plan) string {
	at := path.Clean(d.attr(s, "to"))
	if p.source != "." && below(at, p.source) {
		return moved(at, p)
	}
	return at
}

// tree is the nodes of a scene, and whether they are scenes themselves, of which there may be more than is told.
type tree map[string]bool

func (t tree) has(at string) bool {
	at = path.Clean(at)
	if _, ok := t[at]; ok {
		return true
	}
	for at != "." && at != "/" {
		at = path.Dir(at)
		if instance, ok := t[at]; ok && (instance || at == ".") {
			return instance
		}
	}
	return false
}

// result is the nodes as they will be.
func (g *grafter) result(plans []*plan) tree {
	out := tree{}
	for i := range g.in.sections {
		if s := &g.in.sections[i]; s.name == "node" && !g.gone[i] {
			out[g.in.nodePath(s)] = s.has("instance")
		}
	}
	for _, p := range plans {
		for _, i := range p.theirs {
			s := &g.from.sections[i]
			out[moved(g.from.nodePath(s), p)] = s.has("instance")
		}
	}
	return out
}

// twin finds the section of the file that says the same; -1.
func (g *grafter) twin(s *section, p *plan) int {
	want := g.said(g.from, s, p)
	for k := range g.in.sections {
		if n := &g.in.sections[k]; n.name == s.name && !g.gone[k] && g.said(g.in, n, nil) == want {
			return k
		}
	}
	return -1
}

func (g *grafter) said(d *document, s *section, p *plan) string {
	var out strings.Builder
	for _, kv := range s.attrs {
		v := d.text(kv.value)
		if at := path.Clean(plain(v)); p != nil && p.source != p.target && (kv.key == "from" || kv.key == "to" || kv.key == "path") && below(at, p.source) {
			v = quotedAs(`"`, moved(at, p))
		}
		fmt.Fprintf(&out, "%s=%s\n", kv.key, v)
	}
	return out.String()
}

func (g *grafter) remove(k int) {
	if g.gone[k] {
		return
	}
	g.gone[k] = true
	s := &g.in.sections[k]
	g.edits = append(g.edits, splice.Edit{Off: int64(s.off), Len: int64(s.end - s.off), New: new(format.Output)})
}

// append adds connections after the last one, and open instances likewise; or at the end.
func (g *grafter) append(tail []int, plans []*plan) {
	slices.Sort(tail)
	for _, name := range []string{"connection", "editable"} {
		lines := new(format.Output)
		for _, i := range slices.Compact(tail) {
			if s := &g.from.sections[i]; s.name == name {
				lines.Append(g.line(s, plans))
				lines.Append(splice.Text("\n"))
			}
		}
		if lines.Size() > 0 {
			g.tailLines(name, lines)
		}
	}
}

// line is the brackets of a section of from, with its nodes where they go.
func (g *grafter) line(s *section, plans []*plan) *format.Output {
	var edits []splice.Edit
	for _, kv := range s.attrs {
		at := path.Clean(plain(g.from.text(kv.value)))
		for _, p := range plans {
			if p.source != p.target && (kv.key == "from" || kv.key == "to" || kv.key == "path") && below(at, p.source) {
				edits = append(edits, splice.Edit{Off: int64(kv.value.off), Len: int64(kv.value.end - kv.value.off), New: splice.Text(quotedAs(`"`, moved(at, p)))})
			}
		}
	}
	out, err := splice.Apply(g.other, int64(s.off), int64(s.inside.end+1), edits)
	if err != nil { // the edits are of values, which do not overlap
		panic(err)
	}
	return out
}

// tailLines puts sections of one line each after the last of their name, or before the open instances, or at the end.
func (g *grafter) tailLines(name string, lines *format.Output) {
	end, follows := len(g.in.b), false
	for k := range g.in.sections {
		switch n := &g.in.sections[k]; {
		case n.name == name:
			end, follows = n.end, true
		case n.name == "editable" && !follows:
			end = min(end, n.off)
		}
	}
	text := string(g.in.b[:end])
	solid := len(strings.TrimRight(text, " \t\r\n"))
	at, out := solid, new(format.Output)
	if n := strings.IndexByte(text[solid:], '\n'); n >= 0 {
		at = solid + n + 1
	} else {
		out.Append(splice.Text("\n"))
	}
	if !follows {
		out.Append(splice.Text("\n"))
	}
	out.Append(lines)
	g.edits = append(g.edits, splice.Edit{Off: int64(at), New: out})
}
