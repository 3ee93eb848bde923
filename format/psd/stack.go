package psd

import (
	"fmt"
	"slices"

	"varve/format"
)

// slot is a layer or a group in the stack that a graft makes.
type slot struct {
	doc      *document
	node     *node
	parent   *slot   // nil: the top
	children []*slot // from the top to the bottom
	was      int     // record of the newer document in whose place it is; -1: it is new
	grafted  bool
	gone     bool   // it is in the stack no more
	place    string // stands for its name and its groups'
}

func (s *slot) layer() *layer { return s.doc.layers.of(s.node) }

// slots makes slots of nodes.
func slots(d *document, list []*node, parent *slot, grafted bool) []*slot {
	var out []*slot
	for _, n := range list {
		s := &slot{doc: d, node: n, parent: parent, was: n.last, grafted: grafted}
		if grafted {
			s.was = -1
		}
		s.children = slots(d, n.children, s, grafted)
		out = append(out, s)
	}
	return out
}

// flat lists the records of slots from the bottom to the top.
func flat(list []*slot, out []placed) []placed {
	for _, s := range slices.Backward(list) {
		if s.node.group {
			out = append(out, placed{s.doc, s.node.first, -1, -1})
			if !s.grafted {
				out[len(out)-1].was = s.node.first
			}
			out = flat(s.children, out)
		}
		out = append(out, placed{s.doc, s.node.last, -1, s.was})
	}
	return out
}

// stacking puts nodes of an older document into the stack of a newer one.
type stacking struct {
	into, from *document
	root       *slot // of the newer; its children are the stack
	related    bool  // the two are versions of one document
	notes      []string
	changed    bool
	dirty      box // where the canvas may look different; only its rows count

	ours   []linked // files of smart objects
	theirs []linked
	alike  map[string]bool    // by uuid, of files in both: whether they are the same
	ids    map[int64]*slot    // of the stack, by number
	places map[string][]*slot // those without a number, by place
	was    map[*node]string   // places of the older document's nodes
	count  map[string]int     // how many of them are at a place
}

func newStacking(into, from *document, related bool) (*stacking, error) {
	g := &stacking{into: into, from: from, root: &slot{was: -1}, related: related, ids: map[int64]*slot{}, places: map[string][]*slot{},
		was: map[*node]string{}, count: map[string]int{}, alike: map[string]bool{}}
	var err error
	if g.theirs, err = from.linkedFiles(); err != nil {
		return nil, err
	}
	if g.ours, err = into.linkedFiles(); err != nil {
		return nil, err
	}
	g.root.children = slots(into, into.layers.tree, g.root, false)
	g.note(g.root.children, "")
	var walk func(list []*node, in string)
	walk = func(list []*node, in string) {
		for _, n := range list {
			at := placeIn(in, from, n)
			g.was[n] = at
			g.count[at]++
			walk(n.children, at)
		}
	}
	walk(from.layers.tree, "")
	return g, nil
}

// placeIn stands for the names of a node and of the groups that it is in.
func placeIn(in string, d *document, n *node) string {
	return format.HashOf([]byte(in), fmt.Appendf(nil, "%q %t", d.layers.of(n).name, n.group))
}

// note makes slots ones that are found.
func (g *stacking) note(list []*slot, in string) {
	for _, s := range list {
		s.place = placeIn(in, s.doc, s.node)
		if id := s.layer().id; id >= 0 && (s.doc == g.into || g.related) {
			if old := g.ids[id]; old == nil || old.gone {
				g.ids[id] = s
			}
		} else if id < 0 {
			g.places[s.place] = append(g.places[s.place], s)
		}
		g.note(s.children, s.place)
	}
}

// forget makes slots ones that are not found.
func forget(list []*slot) {
	for _, s := range list {
		s.gone = true
		forget(s.children)
	}
}

// match returns the slot of the stack that is the same layer as a node of the older document; nil if there is none. Layers
// that have numbers are the same by those; others by their name, where it is the only one of that name in its group.
func (g *stacking) match(n *node) *slot {
	l := g.from.layers.of(n)
	if l.id >= 0 {
		s := g.ids[l.id]
		if !g.related || s == nil || s.gone || s.node.group != n.group {
			return nil
		}
		if k := s.layer(); l.name != k.name && l.kind(n.group) != k.kind(n.group) {
			return nil
		}
		return s
	}
	if at := g.was[n]; g.count[at] == 1 {
		list := slices.DeleteFunc(g.places[at], func(s *slot) bool { return s.gone })
		g.places[at] = list
		if len(list) == 1 {
			return list[0]
		}
	}
	return nil
}

// each calls do with every slot.
func each(list []*slot, do func(*slot)) {
	for _, s := range list {
		do(s)
		each(s.children, do)
	}
}

// put puts a node and all that is in it into the stack: in the place of what it is there, or beside its old neighbours.
func (g *stacking) put(n *node) error {
	fresh := slots(g.from, []*node{n}, nil, true)[0]
	g.touch(g.from, n)
	if old := g.match(n); old != nil && !old.grafted {
		alike, err := sameRun(g.into, old.node, g.from, n)
		if err == nil && alike {
			alike, err = g.sameFiles(n)
		}
		if err != nil || alike {
			return err
		}
		g.lost(old, fresh)
		g.touch(g.into, old.node)
		fresh.parent, fresh.was = old.parent, old.node.last
		i := slices.Index(old.parent.children, old)
		old.parent.children[i] = fresh
		forget([]*slot{old})
		g.note([]*slot{fresh}, fresh.parent.place)
		g.changed = true
		return nil
	}
	parent, at := g.home(n)
	siblings := g.from.layers.tree
	if at.parent != nil {
		siblings = at.parent.children
	}
	i := g.beside(parent, siblings, slices.Index(siblings, at), fresh.layer().clipped)
	fresh.parent = parent
	parent.children = slices.Insert(parent.children, i, fresh)
	g.note([]*slot{fresh}, parent.place)
	g.changed = true
	return nil
}

// touch makes where a node is seen dirty.
func (g *stacking) touch(d *document, n *node) {
	walk([]*node{n}, func(k *node) {
		l := d.layers.of(k)
		b := l.box
		if b.width() == 0 || b.height() == 0 {
			if k.group || l.kind(false) == "layer" {
				return
			}
			b = box{0, 0, g.into.height, g.into.width} // what has no box is everywhere
		}
		if g.dirty.height() == 0 {
			g.dirty = b
			return
		}
		g.dirty.top, g.dirty.bottom = min(g.dirty.top, b.top), max(g.dirty.bottom, b.bottom)
	})
}

// home is the group of the stack that a node belongs into, and which of the nodes that it is in, or itself, is in that.
func (g *stacking) home(n *node) (*slot, *node) {
	at := n
	for p := n.parent; p != nil; p = p.parent {
		if s := g.match(p); s != nil {
			return s, at
		}
		g.notes = append(g.notes, fmt.Sprintf("the group %q is not there any more: %q is put outside of it", g.from.layers.of(p).name, g.from.layers.of(n).name))
		at = p
	}
	return g.root, at
}

const maxNear = 1 << 10 // neighbours that are looked for

// beside is where in a group a node goes that was at place i of its siblings: above the nearest that was below it, or
// else below the nearest that was above it. Layers that are clipped to one below stay with it.
func (g *stacking) beside(parent *slot, siblings []*node, i int, clipped bool) int {
	for k := 1; k < min(len(siblings), maxNear); k++ {
		if i+k < len(siblings) {
			if s := g.match(siblings[i+k]); s != nil && s.parent == parent {
				return g.aboveClipped(parent, slices.Index(parent.children, s), siblings[:i], clipped)
			}
		}
		if i-k >= 0 {
			if s := g.match(siblings[i-k]); s != nil && s.parent == parent {
				return slices.Index(parent.children, s) + 1
			}
		}
	}
	return 0
}

// aboveClipped goes up from a place over layers that are clipped to what is below it, unless they were above before.
func (g *stacking) aboveClipped(parent *slot, at int, above []*node, clipped bool) int {
	for !clipped && at > 0 && parent.children[at-1].layer().clipped {
		over := parent.children[at-1]
		if slices.ContainsFunc(above, func(n *node) bool { return g.match(n) == over }) {
			break
		}
		at--
	}
	return at
}

// lost notes which layers are in a group of the newer document and not in the older group that takes its place.
func (g *stacking) lost(old, fresh *slot) {
	if !old.node.group {
		return
	}
	ids, names := map[int64]bool{}, map[string]bool{}
	each(fresh.children, func(s *slot) {
		ids[s.layer().id] = true
		names[s.layer().name] = true
	})
	each(old.children, func(s *slot) {
		if k := s.layer(); k.id >= 0 && !ids[k.id] || k.id < 0 && !names[k.name] {
			g.notes = append(g.notes, fmt.Sprintf("%q was not in the group %q then, and is taken out with it", k.name, old.layer().name))
		}
	})
}

// number gives new numbers to grafted layers whose own are taken.
func number(order []placed, into, from *document) {
	taken := map[int64]bool{}
	last := int64(0)
	for _, d := range []*document{into, from} {
		for i := range d.layers.list {
			last = max(last, d.number(i))
		}
	}
	for _, p := range order {
		if p.doc == into {
			taken[p.doc.number(p.record)] = true
		}
	}
	for i, p := range order {
		id := p.doc.number(p.record)
		if p.doc == into || id < 0 {
			continue
		}
		if taken[id] && last < 1<<31-1 {
			last++
			id = last
			order[i].id = id
		}
		taken[id] = true
	}
}

// number is what stands in the lyid of a record, also where others have the same; -1: it has none.
func (d *document) number(record int) int64 { return d.layers.list[record].number }

// sameRun reports whether two nodes are written in the same bytes.
func sameRun(a *document, n *node, b *document, m *node) (bool, error) {
	if n.last-n.first != m.last-m.first {
		return false, nil
	}
	for i := range n.last - n.first + 1 {
		k, l := &a.layers.list[n.first+i], &b.layers.list[m.first+i]
		for _, p := range [][2]span{{k.record, l.record}, {k.pixels, l.pixels}} {
			if ok, err := sameBytes(a, p[0], b, p[1]); err != nil || !ok {
				return false, err
			}
		}
	}
	return true, nil
}

// sameBytes compares two spans.
func sameBytes(a *document, p span, b *document, q span) (bool, error) {
	if p.n != q.n {
		return false, nil
	}
	for off := int64(0); off < p.n; off += 1 << 20 {
		n := min(1<<20, p.n-off)
		x, err := a.load(span{p.off + off, n}, n)
		if err != nil {
			return false, err
		}
		y, err := b.load(span{q.off + off, n}, n)
		if err != nil || string(x) != string(y) {
			return false, err
		}
	}
	return true, nil
}
