package xcf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"varve/format"
)

// patch replaces n bytes at a place.
type patch struct {
	at, n int64
	with  []byte
}

// pen makes the new file: the old one with patches, and blocks after it.
type pen struct {
	*graft
	shift   int64 // of all that lies behind the tables
	tail    *format.Output
	start   int64 // of the tail
	patches []patch
	moved   map[*item]int64 // where items of from came to lie
}

// write lays the new file out.
func (g *graft) write() (*format.Output, error) {
	g.number()
	g.stage()
	d := g.into
	grown := 0
	for it := range g.added {
		if it.channel || g.nodes[it] != nil {
			grown++
		}
	}
	w := &pen{graft: g, shift: int64(grown * d.pointer), tail: new(format.Output), moved: map[*item]int64{}}
	w.start = d.in.Size() + w.shift
	if err := w.check(); err != nil {
		return nil, err
	}
	for _, n := range flat(g.roots) {
		if err := w.settle(n.it, pathOf(g, n)); err != nil {
			return nil, err
		}
	}
	for _, it := range slices.Concat(list(d.floating), g.channels) {
		if err := w.settle(it, nil); err != nil {
			return nil, err
		}
	}
	if !d.fitsPointer(w.start + w.tail.Size()) {
		return nil, &format.Refusal{Reason: "the file would have more than 4 GB, and its version cannot", Advice: "save the newer file with GIMP 2.10 or later"}
	}
	w.tables()
	if w.shift > 0 {
		w.relocate()
	}
	w.state()
	return w.joined(), nil
}

func list(it *item) []*item {
	if it == nil {
		return nil
	}
	return []*item{it}
}

// check refuses files whose blocks do not all lie behind the tables, which no GIMP writes.
func (w *pen) check() error {
	d := w.into
	if w.shift > 0 && len(d.bounds) > 0 && d.bounds[0] < d.channelTable.end+int64(d.pointer) {
		return &format.Refusal{Reason: "the newer file is not laid out as GIMP does it", Advice: "open it in GIMP and save it"}
	}
	return nil
}

func flat(list []*node) []*node {
	var out []*node
	for _, n := range list {
		out = append(append(out, n), flat(n.children)...)
	}
	return out
}

// pathOf returns the place of a layer, from the top; nil of one that is in no group.
func pathOf(g *graft, n *node) []byte {
	if n.parent == nil {
		return nil
	}
	var out []uint32
	for n != nil {
		siblings := g.roots
		if n.parent != nil {
			siblings = n.parent.children
		}
		out = append(out, uint32(slices.Index(siblings, n)))
		n = n.parent
	}
	var b []byte
	for _, v := range slices.Backward(out) {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// settle writes an item that is new, or notes what changes of one that was there.
func (w *pen) settle(it *item, path []byte) error {
	src, old := w.taken[it], it
	if w.added[it] {
		src, old = it, nil
	}
	if src != nil {
		return w.append(src, old, path)
	}
	for _, p := range it.props {
		if p.kind == propPath && path != nil && p.n == int64(len(path)) {
			b, err := w.into.bytes(p, p.n)
			if err != nil {
				return err
			}
			if string(b) != string(path) {
				w.patches = append(w.patches, patch{p.off, p.n, path})
			}
		}
	}
	return nil
}

// append writes the blocks of an item of from, which takes the place of old if that is not nil.
func (w *pen) append(it, old *item, path []byte) error {
	head, err := w.head(it, old, path)
	if err != nil {
		return err
	}
	size := int64(w.into.pointer)
	at := w.start + w.tail.Size()
	w.moved[it] = at
	end := at + int64(len(head)) + size
	if !it.channel {
		end += size
	}
	body := new(format.Output)
	hptr := end
	if err := w.picture(body, end, it.pixels); err != nil {
		return fmt.Errorf("%q: %w", it.name, err)
	}
	head = w.put(head, hptr)
	if !it.channel {
		mptr := int64(0)
		if it.mask != nil {
			mptr = end + body.Size()
			var was *item
			if old != nil {
				was = old.mask
			}
			if err := w.mask(body, mptr, it.mask, was); err != nil {
				return err
			}
		}
		head = w.put(head, mptr)
	}
	_, _ = w.tail.Write(head)
	w.tail.Append(body)
	return nil
}

// mask writes a layer's mask at a place.
func (w *pen) mask(out *format.Output, at int64, it, old *item) error {
	head, err := w.head(it, old, nil)
	if err != nil {
		return err
	}
	end := at + int64(len(head)+w.into.pointer)
	_, _ = out.Write(w.put(head, end))
	return w.picture(out, end, it.pixels)
}

// put appends a pointer.
func (w *pen) put(b []byte, to int64) []byte {
	if w.into.pointer == 4 {
		return binary.BigEndian.AppendUint32(b, uint32(to))
	}
	return binary.BigEndian.AppendUint64(b, uint64(to))
}

// head returns a block up to its pointers. The properties are those of the element in from, and those of the place in into.
func (w *pen) head(it, old *item, path []byte) ([]byte, error) {
	b, err := format.ReadSpan(w.graft.from.in, it.off, it.propsAt-it.off, maxName+64)
	if err != nil {
		return nil, err
	}
	b = slices.Clone(b)
	add := func(kind uint32, payload []byte) {
		b = binary.BigEndian.AppendUint32(b, kind)
		b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
		b = append(b, payload...)
	}
	if old != nil {
		for _, p := range old.props {
			if p.kind == propActiveLayer || p.kind == propActiveChan || p.kind == propSelection || p.kind == propGroupFlags {
				payload, err := w.into.bytes(p, 0)
				if err != nil {
					return nil, err
				}
				add(p.kind, payload)
			}
		}
	}
	if path != nil {
		add(propPath, path)
	}
	rest, err := w.graft.from.ownProps(it)
	if err != nil {
		return nil, err
	}
	b = append(b, rest...)
	add(propTattoo, binary.BigEndian.AppendUint32(nil, w.tattoo[it]))
	add(propEnd, nil)
	return b, nil
}

// picture writes a hierarchy, its level and tiles at a place. The tiles are spans of from.
func (w *pen) picture(out *format.Output, at int64, l *level) error {
	src := w.graft.from
	size := int64(w.into.pointer)
	var b []byte
	for _, v := range []int{l.width, l.height, l.bpp} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = w.put(w.put(b, at+12+2*size), 0)
	b = binary.BigEndian.AppendUint32(b, uint32(l.width))
	b = binary.BigEndian.AppendUint32(b, uint32(l.height))
	to := at + int64(len(b)) + size*int64(len(l.tiles)+1)
	scratch := make([]byte, tileSide*tileSide*l.bpp)
	tiles := new(format.Output)
	for i, from := range l.tiles {
		n, err := src.tile(l, i, scratch)
		if err != nil {
			return err
		}
		b = w.put(b, to+tiles.Size())
		tiles.Span(src.in, from, n)
	}
	_, _ = out.Write(w.put(b, 0))
	out.Append(tiles)
	return nil
}

// tables writes the pointers to layers and channels.
func (w *pen) tables() {
	d := w.into
	was := func(it *item) int64 { return it.off + w.shift }
	where := func(it *item) int64 {
		if w.taken[it] != nil {
			it = w.taken[it]
		}
		if at, ok := w.moved[it]; ok {
			return at
		}
		return was(it)
	}
	order := d.layers
	if slices.ContainsFunc(flat(w.roots), func(n *node) bool { return w.added[n.it] }) {
		order = nil
		for _, n := range flat(w.roots) {
			order = append(order, n.it)
		}
		if d.floating != nil {
			at := min(slices.Index(d.layers, d.floating), len(order))
			order = slices.Insert(order, at, d.floating)
		}
	}
	for _, t := range []struct {
		table table
		items []*item
	}{{d.layerTable, order}, {d.channelTable, w.channels}} {
		var b []byte
		for _, it := range t.items {
			b = w.put(b, where(it))
		}
		w.patches = append(w.patches, patch{t.table.at, t.table.end - t.table.at, b})
	}
}

// relocate moves all pointers by what the tables grew.
func (w *pen) relocate() {
	d := w.into
	moved := func(at int64, to ...int64) {
		var b []byte
		for _, p := range to {
			if p != 0 {
				p += w.shift
			}
			b = w.put(b, p)
		}
		w.patches = append(w.patches, patch{at, int64(len(b)), b})
	}
	for _, it := range d.drawables() {
		if it.channel {
			moved(it.hptrAt, it.pixels.off)
		} else if it.mask != nil {
			moved(it.hptrAt, it.pixels.off, it.mask.off)
		} else {
			moved(it.hptrAt, it.pixels.off, 0)
		}
		moved(it.pixels.levelsAt, it.pixels.levels...)
		moved(it.pixels.tilesAt, it.pixels.tiles...)
		for _, p := range it.props {
			if p.kind == propFloating && p.n == int64(d.pointer) {
				if b, err := d.bytes(p, p.n); err == nil {
					c := &cursor{in: format.Bytes(b)}
					moved(p.off, c.ptr(d.pointer))
				}
			}
		}
	}
}

// state raises the highest tattoo that the image tells, so that no later element gets one that is in use.
func (w *pen) state() {
	for _, p := range w.into.props {
		if p.kind != propTattoo || p.n != 4 {
			continue
		}
		if b, err := w.into.bytes(p, 4); err == nil && binary.BigEndian.Uint32(b) < w.graft.state {
			w.patches = append(w.patches, patch{p.off, 4, binary.BigEndian.AppendUint32(nil, w.graft.state)})
		}
	}
}

// joined returns the old file with its patches, and the tail.
func (w *pen) joined() *format.Output {
	slices.SortFunc(w.patches, func(a, b patch) int { return cmp.Compare(a.at, b.at) })
	out := new(format.Output)
	at := int64(0)
	for _, p := range w.patches {
		out.Span(w.into.in, at, p.at-at)
		_, _ = out.Write(p.with)
		at = p.at + p.n
	}
	out.Span(w.into.in, at, w.into.in.Size()-at)
	out.Append(w.tail)
	return out
}
