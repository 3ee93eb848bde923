package xcf

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"varve/format"
)

// graft is a newer document, and what becomes of it.
type graft struct {
	into, from *document
	target     map[*item]*item // of from → the item of into that it is
	taken      map[*item]*item // of into → the item of from that takes its place
	added      map[*item]bool  // of from
	tattoo     map[*item]uint32
	state      uint32 // the highest tattoo
	channels   []*item
	nodes      map[*item]*node
	roots      []*node
	notes      []string
}

// node is a place in the new order of layers.
type node struct {
	it       *item // as it was in into, or if added in from
	parent   *node
	children []*node
}

// Graft puts layers, groups with what is in them and channels of from into into. What is already the same stays. Layers that
// were put into a group since stay there.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	g := &graft{target: map[*item]*item{}, taken: map[*item]*item{}, added: map[*item]bool{}, tattoo: map[*item]uint32{}, nodes: map[*item]*node{}}
	var err error
	if g.into, err = open(ctx, into); err != nil {
		return nil, err
	}
	if g.from, err = open(ctx, from); err != nil {
		return nil, err
	}
	wanted, err := g.wanted(ids)
	if err != nil {
		return nil, err
	}
	for _, it := range wanted {
		if err := g.place(ctx, it); err != nil {
			return nil, err
		}
	}
	out := new(format.Grafting)
	if len(g.taken) == 0 && len(g.added) == 0 {
		out.Content = new(format.Output)
		out.Content.Span(into, 0, into.Size())
		return out, nil
	}
	if err := g.fits(); err != nil {
		return nil, err
	}
	if out.Content, err = g.write(); err != nil {
		return nil, err
	}
	out.Notes = g.notes
	out.Changed, err = g.changed(ctx, out.Content)
	return out, err
}

// wanted returns the items of ids and all that is in them, each once, a group before what is in it.
func (g *graft) wanted(ids []string) ([]*item, error) {
	var out []*item
	seen := map[*item]bool{}
	var add func(it *item)
	add = func(it *item) {
		if !seen[it] {
			seen[it] = true
			out = append(out, it)
		}
		for _, c := range it.children {
			add(c)
		}
	}
	for _, id := range ids {
		it := g.from.find(id)
		if it == nil {
			if err := g.path(id); err != nil {
				return nil, err
			}
			continue
		}
		add(it)
	}
	rank := map[*item]int{}
	for i, it := range slices.Concat(g.from.layers, g.from.channels) {
		rank[it] = i
	}
	slices.SortStableFunc(out, func(a, b *item) int { return cmp.Compare(rank[a], rank[b]) })
	return out, nil
}

// path refuses a path, unless into has it as it is.
func (g *graft) path(id string) error {
	for _, v := range g.from.paths {
		if v.id != id {
			continue
		}
		for _, w := range g.into.paths {
			if v.name == w.name && v.tattoo == w.tattoo && v.visible == w.visible && v.linked == w.linked && string(v.strokes) == string(w.strokes) {
				return nil
			}
		}
		return &format.Refusal{Reason: fmt.Sprintf("%q is a path, and paths are not put into another version", v.name), Advice: "export it in GIMP and import it into the newer file"}
	}
	return fmt.Errorf("%q: %w", id, format.ErrNoElement)
}

// match returns the item of into that is an item of from; nil if it has none.
func (g *graft) match(it *item) *item {
	list := g.into.layers
	all := g.from.layers
	if it.channel {
		list, all = g.into.channels, g.from.channels
	}
	if it.stable != "" {
		for _, c := range list {
			if c.stable == it.stable {
				return c
			}
		}
		return nil
	}
	named := func(list []*item) (found []*item) {
		for _, c := range list {
			if c.stable == "" && c.name == it.name && c.group == it.group {
				found = append(found, c)
			}
		}
		return found
	}
	// Without tattoos a name that only one has says which it is; of several the place.
	a, b := named(all), named(list)
	if k := slices.Index(a, it); len(a) == len(b) && k >= 0 {
		return b[k]
	}
	return nil
}

// place decides what becomes of one item.
func (g *graft) place(ctx context.Context, it *item) error {
	old := g.match(it)
	if old == nil {
		g.added[it] = true
		return nil
	}
	g.target[it] = old
	same, err := g.same(ctx, it, old)
	if err != nil {
		return err
	}
	if same {
		return nil
	}
	if it.group != old.group && len(old.children) > 0 {
		return &format.Refusal{Reason: fmt.Sprintf("%q was a layer, and is a group now", it.name), Advice: "take the layers of the group one by one"}
	}
	g.taken[old] = it
	return nil
}

// own reports whether a property is of the element, not of its place or of what the user had selected.
func own(kind uint32) bool {
	switch kind {
	case propActiveLayer, propActiveChan, propSelection, propFloating, propPath, propTattoo, propGroupFlags, propEditMask, propShowMask, propSetItem:
		return false
	}
	return true
}

// same reports whether putting it where old is changes nothing.
func (g *graft) same(ctx context.Context, it, old *item) (bool, error) {
	if it.name != old.name || it.group != old.group || (it.mask == nil) != (old.mask == nil) {
		return false, nil
	}
	if !it.group && (it.width != old.width || it.height != old.height || it.form != old.form) {
		return false, nil
	}
	a, err := g.from.ownProps(it)
	if err != nil {
		return false, err
	}
	b, err := g.into.ownProps(old)
	if err != nil || string(a) != string(b) {
		return false, err
	}
	if !it.group {
		if same, err := g.samePixels(ctx, it.pixels, old.pixels); !same || err != nil {
			return false, err
		}
	}
	if it.mask == nil {
		return true, nil
	}
	return g.same(ctx, it.mask, old.mask)
}

func (g *graft) samePixels(ctx context.Context, a, b *level) (bool, error) {
	x, err := g.from.hash(ctx, a)
	if err != nil {
		return false, err
	}
	y, err := g.into.hash(ctx, b)
	return x == y, err
}

// ownProps returns the bytes of those properties that are of the element. Where a group lies is where its layers do.
func (d *document) ownProps(it *item) ([]byte, error) {
	var out []byte
	for _, p := range it.props {
		if !own(p.kind) || it.group && p.kind == propOffsets {
			continue
		}
		if p.n > maxBlob {
			return nil, fmt.Errorf("property %d of %q: %w", p.kind, it.name, format.ErrLimit)
		}
		b, err := format.ReadSpan(d.in, p.at, 8+p.n, maxBlob+8)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

// fits refuses what would not be right.
func (g *graft) fits() error {
	a, b := g.from, g.into
	refuse := func(advice, text string, args ...any) error {
		return &format.Refusal{Reason: fmt.Sprintf(text, args...), Advice: advice}
	}
	names := []string{"RGB", "gray", "indexed"}
	methods := []string{"not compressed", "RLE", "zlib"}
	switch {
	case b.wrapped != "":
		return refuse("save the newer file as .xcf", "the newer file is compressed as a whole (%s)", b.wrapped)
	case a.base != b.base:
		return refuse("bring the newer file into that mode first", "the newer file is %s, the element %s", names[b.base], names[a.base])
	case a.base == 2 && string(a.colormap) != string(b.colormap):
		return refuse("restore the older colormap first", "the files have different colormaps")
	case a.precision != b.precision:
		return refuse("bring the newer file to that precision first", "the newer file has the precision %v, the element %v", b.precision, a.precision)
	case a.compression != b.compression:
		return refuse("save the newer file with the same compression of tiles", "the tiles of the newer file are %s, of the element %s", methods[b.compression], methods[a.compression])
	case a.precision.bytes > 1 && (a.version < 12) != (b.version < 12):
		return refuse("save both files with the same GIMP", "the files have their bytes in different orders (versions %d and %d)", a.version, b.version)
	case a.version > newest || b.version > newest:
		return refuse("save the files for GIMP 2.10", "versions %d and %d: grafts know up to %d", a.version, b.version, newest)
	}
	for it := range g.added {
		if it == a.floating {
			return refuse("anchor it", "%q is a floating selection", it.name)
		}
	}
	for _, it := range g.taken {
		if it == a.floating {
			return refuse("anchor it", "%q is a floating selection", it.name)
		}
	}
	return nil
}

// stage builds the new order of layers and channels.
func (g *graft) stage() {
	var build func(list []*item, parent *node) []*node
	build = func(list []*item, parent *node) []*node {
		var out []*node
		for _, it := range list {
			n := &node{it: it, parent: parent}
			g.nodes[it] = n
			n.children = build(it.children, n)
			out = append(out, n)
		}
		return out
	}
	g.roots = build(g.into.roots, nil)
	g.channels = slices.Clone(g.into.channels)
	for _, it := range g.from.layers {
		if g.added[it] {
			g.insert(it)
		}
	}
	for i, it := range g.from.channels {
		if g.added[it] {
			at := min(i, len(g.channels))
			g.channels = slices.Insert(g.channels, at, it)
		}
	}
}

// there returns the node that an item of from is, or nil.
func (g *graft) there(it *item) *node {
	if n := g.nodes[it]; n != nil {
		return n
	}
	if old := g.match(it); old != nil {
		return g.nodes[old]
	}
	return nil
}

// insert puts a new layer beside the neighbours that it had; where its group is gone, where that was.
func (g *graft) insert(it *item) {
	var parent *node
	stand, siblings := it, g.from.roots
	for up := it.parent; up != nil; up = up.parent {
		if n := g.there(up); n != nil && n.it.group {
			parent, siblings = n, up.children
			break
		}
		stand = up
	}
	if stand != it {
		g.notes = append(g.notes, fmt.Sprintf("%q was in the group %q, which is not there any more: it is where that was", it.name, it.parent.name))
	}
	list := &g.roots
	if parent != nil {
		list = &parent.children
	}
	at, k := 0, slices.Index(siblings, stand)
	for i, s := range siblings {
		n := g.there(s)
		if n == nil || n.parent != parent {
			continue
		}
		if p := slices.Index(*list, n); i < k {
			at = p + 1
		} else if i > k && at == 0 {
			at = p
			break
		}
	}
	n := &node{it: it, parent: parent}
	g.nodes[it] = n
	*list = slices.Insert(*list, at, n)
}

// number gives tattoos to new items that have none, or one that something else has.
func (g *graft) number() {
	used := map[uint32]bool{}
	g.state = 0
	note := func(t uint32) { used[t] = true; g.state = max(g.state, t) }
	for _, it := range g.into.drawables() {
		note(it.tattoo)
	}
	for _, v := range g.into.paths {
		note(v.tattoo)
	}
	for _, p := range g.into.props {
		if b, err := g.into.bytes(p, 4); p.kind == propTattoo && err == nil {
			g.state = max(g.state, binary.BigEndian.Uint32(b))
		}
	}
	fresh := func(it *item, keep uint32) {
		if keep != 0 {
			g.tattoo[it] = keep
			return
		}
		t := it.tattoo
		if t == 0 || used[t] {
			g.state++
			t = g.state
		}
		note(t)
		g.tattoo[it] = t
	}
	mask := func(it, old *item) {
		if it.mask == nil {
			return
		}
		if old != nil && old.mask != nil {
			fresh(it.mask, old.mask.tattoo)
		} else {
			fresh(it.mask, 0)
		}
	}
	for _, old := range slices.Concat(g.into.layers, g.into.channels) {
		if it := g.taken[old]; it != nil {
			fresh(it, old.tattoo)
			mask(it, old)
		}
	}
	for _, it := range slices.Concat(g.from.layers, g.from.channels) {
		if g.added[it] {
			fresh(it, 0)
			mask(it, nil)
		}
	}
}

// changed returns which elements of the content are not as they were.
func (g *graft) changed(ctx context.Context, content format.Input) ([]string, error) {
	d, err := open(ctx, content)
	if err != nil {
		return nil, fmt.Errorf("the graft cannot be read: %w", err)
	}
	want := map[uint32]bool{}
	for _, it := range g.taken {
		want[g.tattoo[it]] = true
	}
	for it := range g.added {
		want[g.tattoo[it]] = true
	}
	var out []string
	for _, it := range slices.Concat(d.layers, d.channels) {
		if want[it.tattoo] {
			out = append(out, it.id)
		}
	}
	return out, nil
}

// fitsPointer reports whether a file of n bytes can be pointed into.
func (d *document) fitsPointer(n int64) bool { return d.pointer == 8 || n <= math.MaxUint32 }
