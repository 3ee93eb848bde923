package godot

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// Graft puts elements of one version of a scene, resource or settings file into another. A node comes with all nodes
// below it, the connections that it makes, and what it needs of the tables, under ids that are free; it keeps the name
// and place that it has now. A sub-resource that others share is not changed for them.
func (f Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	g := &grafter{file: into, other: from}
	var err error
	if g.in, err = read(ctx, into); err != nil {
		return nil, err
	}
	if g.from, err = read(ctx, from); err != nil {
		return nil, err
	}
	if g.in.structured() != g.from.structured() || (g.in.id == "") != (g.from.id == "") {
		return nil, &format.Refusal{Reason: "the versions are of two kinds"}
	}
	if g.in.structured() {
		err = g.scene(ids)
	} else {
		err = g.settings(ids)
	}
	if err != nil {
		return nil, err
	}
	out, err := splice.Apply(into, 0, into.Size(), g.edits)
	if err != nil {
		return nil, &format.Refusal{Reason: "the elements stand in each other's place: " + err.Error(), Advice: "bring them back one by one"}
	}
	was, err := f.Elements(ctx, into)
	if err != nil {
		return nil, err
	}
	is, err := f.Elements(ctx, out)
	if err != nil {
		return nil, err
	}
	same := func(e *format.Element) *format.Element { return e }
	return &format.Grafting{Content: out, Changed: splice.Changed(was, is, same), Notes: g.notes}, nil
}

type grafter struct {
	file, other format.Input
	in, from    *document
	edits       []splice.Edit
	notes       []string

	owners, theirs map[string]int // sections by their element
	ids            []string       // elements of the sections of from
	gone           map[int]bool   // sections of in that are replaced or taken out
	ext, sub       map[string]string
	taken          map[string]bool // "e" or "s" and an id that in has
	added          int             // entries of the tables
	exclusive      map[int]bool    // sub-resources of in that only what is replaced uses
	newSubs        map[string]int  // where a sub-resource was put in
	labels, hashes *labels
}

func index(owners []string) map[string]int {
	out := map[string]int{}
	for i, id := range owners {
		if id != "" {
			out[id] = i
		}
	}
	return out
}

// settings replaces sections, and adds those that are not there after the one that they came after.
func (g *grafter) settings(ids []string) error {
	if g.in.id != "" {
		g.edits = append(g.edits, splice.Edit{Off: 0, Len: g.file.Size(), New: splice.Cut(g.other, 0, g.other.Size())})
		return nil
	}
	g.ids = g.from.owners()
	g.owners, g.theirs = index(g.in.owners()), index(g.ids)
	want := map[int]bool{}
	for _, id := range ids {
		i, ok := g.theirs[id]
		if !ok {
			return fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
		want[i] = true
	}
	after := g.in.sections[0].end
	for i := range g.from.sections {
		k, ok := g.owners[g.ids[i]]
		if want[i] {
			s := &g.from.sections[i]
			chunk := splice.Cut(g.other, int64(s.off), int64(s.end-s.off))
			if ok {
				g.replace(k, chunk, s.end == len(g.from.b))
			} else {
				g.insert(after, chunk, s.end == len(g.from.b))
			}
		}
		if ok {
			after = g.in.sections[k].end
		}
	}
	return nil
}

// replace puts a chunk in the place of a section. last says that it ended its file, where no empty line is needed.
func (g *grafter) replace(k int, chunk *format.Output, last bool) {
	s := &g.in.sections[k]
	off, n := int64(s.off), int64(s.end-s.off)
	if atEnd := s.end == len(g.in.b); last && !atEnd {
		chunk.Append(splice.Text("\n"))
	} else if atEnd && !last { // the empty line after it stays away
		chunk = trimmed(chunk)
	}
	g.edits = append(g.edits, splice.Edit{Off: off, Len: n, New: chunk})
}

// insert puts a chunk in before an offset.
func (g *grafter) insert(at int, chunk *format.Output, last bool) {
	out := new(format.Output)
	if at == len(g.in.b) {
		if !strings.HasSuffix(string(g.in.b), "\n") {
			out.Append(splice.Text("\n"))
		}
		out.Append(splice.Text("\n"))
		chunk = trimmed(chunk)
	} else if last {
		chunk.Append(splice.Text("\n"))
	}
	out.Append(chunk)
	g.edits = append(g.edits, splice.Edit{Off: int64(at), New: out})
}

// trimmed is a chunk with one line's end at its end.
func trimmed(chunk *format.Output) *format.Output {
	n := chunk.Size()
	b := make([]byte, min(n, 64))
	if _, err := chunk.ReadAt(b, n-int64(len(b))); err != nil {
		return chunk
	}
	keep := len(strings.TrimRight(string(b), "\r\n"))
	if keep == len(b) {
		return chunk
	}
	cut := strings.IndexByte(string(b[keep:]), '\n') + 1
	return splice.Cut(chunk, 0, n-int64(len(b))+int64(keep+cut))
}

// scene grafts into a scene or resource.
func (g *grafter) scene(ids []string) error {
	if a, b := g.in.attr(g.in.first(), "format"), g.from.attr(g.from.first(), "format"); a != b {
		return &format.Refusal{Reason: fmt.Sprintf("one version is of format %s, the other of %s", a, b), Advice: "open and save the older one with the Godot of the newer"}
	}
	g.ids = g.from.owners()
	g.owners, g.theirs = index(g.in.owners()), index(g.ids)
	g.gone, g.ext, g.sub, g.taken, g.newSubs = map[int]bool{}, map[string]string{}, map[string]string{}, map[string]bool{}, map[string]int{}
	g.labels, g.hashes = g.from.labels(), g.in.labels()
	for i := range g.in.sections {
		switch s := &g.in.sections[i]; s.name {
		case "ext_resource":
			g.taken["e"+g.in.attr(s, "id")] = true
		case "sub_resource":
			g.taken["s"+g.in.attr(s, "id")] = true
		}
	}
	var nodes []string
	var parts []int
	for _, id := range ids {
		i, ok := g.theirs[id]
		if !ok {
			return fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
		if g.from.sections[i].name == "node" {
			nodes = append(nodes, id)
		} else {
			parts = append(parts, i)
		}
	}
	plans, err := g.plan(nodes)
	if err != nil {
		return err
	}
	slices.Sort(parts)
	if parts, err = g.targets(parts); err != nil {
		return err
	}
	g.exclude()
	if err := g.tables(plans, parts); err != nil {
		return err
	}
	for _, p := range plans {
		g.place(p)
	}
	for _, i := range parts {
		s := &g.from.sections[i]
		if k, ok := g.owners[g.ids[i]]; ok && s.name == "resource" {
			g.replace(k, g.chunk(i, nil), s.end == len(g.from.b))
		}
	}
	if err := g.connect(plans, parts); err != nil {
		return err
	}
	g.count()
	return nil
}

func (d *document) first() *section {
	for i := range d.sections {
		if d.sections[i].name != "" {
			return &d.sections[i]
		}
	}
	return &d.sections[0]
}

// plan is a node of from and where it goes.
type plan struct {
	source, target string
	theirs, ours   []int // sections of the subtrees
	exists         bool
	after          int // offset where it goes if it does not exist
}

func below(at, top string) bool {
	return top == "." || at == top || strings.HasPrefix(at, top+"/")
}

// subtree returns the sections of a node and of those below it.
func (d *document) subtree(top string) (out []int) {
	for i := range d.sections {
		if s := &d.sections[i]; s.name == "node" && below(d.nodePath(s), top) {
			out = append(out, i)
		}
	}
	return out
}

// plan finds the place of each of the uppermost nodes.
func (g *grafter) plan(nodes []string) ([]*plan, error) {
	var out []*plan
	for _, at := range nodes {
		if slices.ContainsFunc(nodes, func(n string) bool { return n != at && below(at, n) }) || slices.ContainsFunc(out, func(p *plan) bool { return p.source == at }) {
			continue
		}
		s := &g.from.sections[g.theirs[at]]
		if g.from.nodePath(s) != at {
			return nil, &format.Refusal{Reason: fmt.Sprintf("two nodes are called %s", g.from.nodePath(s)), Advice: "rename one"}
		}
		p := &plan{source: at, target: at, theirs: g.from.subtree(at)}
		if p.target = g.find(at, s); p.target != "" {
			p.exists, p.ours = true, g.in.subtree(p.target)
			for _, k := range p.ours {
				g.gone[k] = true
			}
		} else if err := g.room(p, s); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// find returns the path of the node that is the one of from: by its path, or by the number that a node keeps when it is
// moved.
func (g *grafter) find(at string, s *section) string {
	if _, ok := g.owners[at]; ok {
		return at
	}
	id := g.from.attr(s, "unique_id")
	for i := range g.in.sections {
		if n := &g.in.sections[i]; n.name == "node" && id != "" && g.in.attr(n, "unique_id") == id {
			return g.in.nodePath(n)
		}
	}
	return ""
}

// room finds where a node goes that is not there: after the sibling that it came after, or first in its parent.
func (g *grafter) room(p *plan, s *section) error {
	p.target = p.source
	parent := path.Dir(p.source)
	k, ok := g.owners[parent]
	if !ok {
		return &format.Refusal{Reason: fmt.Sprintf("the node %s, in which it was, is gone", parent), Advice: "bring that back, with what is in it"}
	}
	p.after = g.in.sections[k].end
	for i := range g.from.sections[:g.theirs[p.source]] {
		n := &g.from.sections[i]
		if n.name != "node" || !n.has("parent") || path.Clean(g.from.attr(n, "parent")) != parent {
			continue
		}
		if _, ok := g.owners[g.from.nodePath(n)]; ok {
			for _, k := range g.in.subtree(g.from.nodePath(n)) {
				p.after = max(p.after, g.in.sections[k].end)
			}
		}
	}
	return nil
}

// targets notes which parts replace which; a sub-resource that nothing would use is refused.
func (g *grafter) targets(parts []int) ([]int, error) {
	for _, i := range parts {
		k, ok := g.owners[g.ids[i]]
		switch name := g.from.sections[i].name; {
		case ok && name == "resource":
			g.gone[k] = true
		case !ok && name == "sub_resource":
			return nil, &format.Refusal{Reason: "nothing would use the sub-resource " + strings.TrimPrefix(g.ids[i], "sub:"), Advice: "bring back the node that did"}
		case !ok && name == "resource":
			return nil, &format.Refusal{Reason: "the file has no resource"}
		}
	}
	return parts, nil
}

// place puts a node and those below it in.
func (g *grafter) place(p *plan) {
	tail := func(i int) bool { return g.from.sections[i].end == len(g.from.b) }
	if p.exists && g.parallel(p) {
		for n, i := range p.theirs {
			g.replace(p.ours[n], g.chunk(i, p), tail(i))
		}
		return
	}
	out := new(format.Output)
	for n, i := range p.theirs {
		out.Append(g.chunk(i, p))
		if tail(i) && n < len(p.theirs)-1 {
			out.Append(splice.Text("\n"))
		}
	}
	last := tail(p.theirs[len(p.theirs)-1])
	if !p.exists {
		g.insert(p.after, out, last)
		return
	}
	for _, k := range p.ours[1:] {
		s := &g.in.sections[k]
		g.edits = append(g.edits, splice.Edit{Off: int64(s.off), Len: int64(s.end - s.off), New: new(format.Output)})
	}
	g.replace(p.ours[0], out, last)
}

// parallel: the subtrees have the same nodes in the same order.
func (g *grafter) parallel(p *plan) bool {
	return slices.EqualFunc(p.theirs, p.ours, func(i, k int) bool {
		return moved(g.from.nodePath(&g.from.sections[i]), p) == g.in.nodePath(&g.in.sections[k])
	})
}

// chunk is a section of from, with the ids that its links have in the file, and of a plan's nodes the places.
func (g *grafter) chunk(i int, p *plan) *format.Output {
	s := &g.from.sections[i]
	var edits []splice.Edit
	swap := func(at span, text string) {
		if g.from.text(at) != text {
			edits = append(edits, splice.Edit{Off: int64(at.off), Len: int64(at.end - at.off), New: splice.Text(text)})
		}
	}
	for _, list := range [][]pair{s.attrs, s.pairs} {
		for _, kv := range list {
			g.from.links(kv.value, func(l link) {
				to := g.ext
				if l.sub {
					to = g.sub
				}
				if id, ok := to[l.id]; ok && id != l.id {
					swap(l.at, quotedAs(g.from.text(l.at), id))
				}
			})
		}
	}
	for _, kv := range s.attrs {
		switch {
		case kv.key == "id" && s.name == "sub_resource":
			swap(kv.value, quotedAs(g.from.text(kv.value), g.sub[g.from.attr(s, "id")]))
		case kv.key == "id" && s.name == "ext_resource":
			swap(kv.value, quotedAs(g.from.text(kv.value), g.ext[g.from.attr(s, "id")]))
		case p != nil && p.source != p.target && kv.key == "name" && g.from.nodePath(s) == p.source:
			swap(kv.value, quotedAs(`"`, path.Base(p.target)))
		case p != nil && p.source != p.target && kv.key == "parent":
			at := path.Dir(moved(g.from.nodePath(s), p))
			swap(kv.value, quotedAs(`"`, at))
		case p != nil && kv.key == "unique_id" && g.numberTaken(g.from.text(kv.value)):
			edits = append(edits, splice.Edit{Off: int64(kv.at) - 1, Len: int64(kv.value.end-kv.at) + 1, New: new(format.Output)})
		}
	}
	out, err := splice.Apply(g.other, int64(s.off), int64(s.end), edits)
	if err != nil { // the edits are of tokens, which do not overlap
		panic(err)
	}
	return out
}

// moved is where a node of a plan's subtree goes.
func moved(at string, p *plan) string {
	if p.source == "." {
		return at
	}
	return p.target + strings.TrimPrefix(at, p.source)
}

// numberTaken: a node that stays has the number.
func (g *grafter) numberTaken(id string) bool {
	for i := range g.in.sections {
		if s := &g.in.sections[i]; s.name == "node" && !g.gone[i] && g.in.attr(s, "unique_id") == id {
			return true
		}
	}
	return false
}

// quotedAs writes an id as another stands: with quotes, or as a number.
func quotedAs(old, id string) string {
	if strings.HasPrefix(old, `"`) {
		return `"` + id + `"`
	}
	return id
}
