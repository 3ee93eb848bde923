package aseprite

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"varve/format"
)

// graft puts elements of from into out, which was into.
type graft struct {
	ctx        context.Context
	into, from *sprite
	out        *edit
	ids        map[string]bool // what is wanted
	spot       map[*layer]*layer
	layers     map[*layer]bool         // of out that changed
	cels       map[*layer]map[int]bool // of out, by frame, that changed
	changed    []string
	notes      []string
}

// Graft puts layers with their cels, groups with what is in them, cels, tags, slices, tilesets and the palette of from into
// into. What is already the same stays; so do cels in frames that from does not have.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := open(ctx, into, 0)
	if err != nil {
		return nil, err
	}
	b, err := open(ctx, from, 0)
	if err != nil {
		return nil, err
	}
	g := &graft{ctx: ctx, into: a, from: b, out: a.edit(), ids: map[string]bool{}, spot: map[*layer]*layer{}, layers: map[*layer]bool{}, cels: map[*layer]map[int]bool{}}
	for _, id := range ids {
		g.ids[id] = true
	}
	if err := g.known(); err != nil {
		return nil, err
	}
	for _, l := range a.layers {
		if l.frame != 0 {
			return nil, &format.Refusal{Reason: "the newer file has layers that begin after the first frame", Advice: "open it in Aseprite and save it"}
		}
	}
	if err := g.all(); err != nil {
		return nil, err
	}
	content, err := g.out.write()
	if err != nil {
		return nil, err
	}
	changed, err := g.named(content)
	return &format.Grafting{Content: content, Changed: changed, Notes: g.notes}, err
}

// known refuses ids that from does not have.
func (g *graft) known() error {
	has := map[string]bool{}
	for _, l := range g.from.layers {
		has[l.id] = true
		for _, c := range l.cels {
			has[c.id()] = true
		}
	}
	for i := range g.from.frames {
		has[frameID(i)] = true
	}
	for _, t := range g.from.tags {
		has[t.id] = true
	}
	for _, l := range g.from.slices {
		has[l.id] = true
	}
	for _, t := range g.from.tilesets {
		has[t.id] = true
	}
	has[paletteID] = len(g.from.palettes) > 0
	for id := range g.ids {
		if !has[id] {
			return fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
	}
	return nil
}

// all does one kind after the other: tilesets first, for tilemaps need them.
func (g *graft) all() error {
	for _, t := range g.from.tilesets {
		if g.ids[t.id] {
			if err := g.tileset(t); err != nil {
				return fmt.Errorf("tileset %d: %w", t.number, err)
			}
		}
	}
	for _, l := range g.from.layers {
		whole := false
		for up := l; up != nil; up = up.parent {
			whole = whole || g.ids[up.id]
		}
		if err := g.layer(l, whole); err != nil {
			return fmt.Errorf("layer %q: %w", l.name, err)
		}
	}
	for i := range g.from.frames {
		if g.ids[frameID(i)] {
			if err := g.frame(i); err != nil {
				return err
			}
		}
	}
	for _, l := range g.from.slices {
		if g.ids[l.id] {
			if err := g.slice(l); err != nil {
				return fmt.Errorf("slice %q: %w", l.name, err)
			}
		}
	}
	if err := g.tags(); err != nil {
		return err
	}
	if g.ids[paletteID] {
		return g.palette()
	}
	return nil
}

// here returns the layer of the file that is made which a layer of from is; nil if there is none.
func (g *graft) here(l *layer) *layer {
	if n := g.spot[l]; n != nil {
		return n
	}
	for _, m := range g.into.layers {
		if m.stable == l.stable {
			return m
		}
	}
	return nil
}

// layer puts a layer, or some of its cels.
func (g *graft) layer(l *layer, whole bool) error {
	here := g.here(l)
	if whole {
		if here == nil {
			var err error
			if here, err = g.add(l); err != nil {
				return err
			}
		} else if err := g.replace(l, here); err != nil {
			return err
		}
		g.spot[l] = here
	}
	lost := 0
	for _, c := range l.cels {
		if !whole && !g.ids[c.id()] {
			continue
		}
		if here == nil {
			return &format.Refusal{Reason: fmt.Sprintf("the newer file has no layer %q", l.name), Advice: "take the whole layer"}
		}
		if c.frame >= len(g.into.frames) {
			lost++
			continue
		}
		if err := g.cel(c, here, whole); err != nil {
			return fmt.Errorf("frame %d: %w", c.frame+1, err)
		}
	}
	if lost > 0 {
		g.notes = append(g.notes, fmt.Sprintf("%q has %d cels in frames that the newer file has not: they are left out", l.name, lost))
	}
	if !whole || !slices.Contains(g.into.layers, here) {
		return nil
	}
	kept := 0
	for _, c := range here.cels { // that the older version did not have
		switch {
		case l.at(c.frame) != nil:
		case c.frame >= len(g.from.frames):
			kept++
		default:
			if err := g.take(c); err != nil {
				return err
			}
		}
	}
	if kept > 0 {
		g.notes = append(g.notes, fmt.Sprintf("%q keeps %d cels in frames that the older file has not", l.name, kept))
	}
	return nil
}

// fits refuses pixels that would mean something else.
func (g *graft) fits(l *layer) error {
	names := map[int]string{8: "indexed", 16: "gray", 32: "RGBA"}
	switch a, b := g.from, g.into; {
	case a.bits != b.bits:
		return &format.Refusal{Reason: fmt.Sprintf("the newer sprite is %s, the element %s", names[b.bits], names[a.bits]), Advice: "bring it into that colour mode first"}
	case a.bits == 8 && a.transparent != b.transparent:
		return &format.Refusal{Reason: fmt.Sprintf("the transparent colour of the newer sprite is %d, that of the element %d", b.transparent, a.transparent), Advice: "set it in the sprite's properties first"}
	}
	if l == nil || l.kind != tilemapLayer {
		return nil
	}
	a := g.from.tilesetOf(l)
	if a == nil || g.ids[a.id] {
		return nil
	}
	for _, b := range g.into.tilesets {
		if b.number != a.number || b.width != a.width || b.height != a.height || b.count < a.count {
			continue
		}
		x, err := g.from.tilePixels(g.ctx, a)
		if err != nil {
			return err
		}
		y, err := g.into.tilePixels(g.ctx, b)
		if err != nil {
			return err
		}
		if string(y[:len(x)]) == string(x) {
			return nil
		}
	}
	return &format.Refusal{Reason: "its tileset is another in the newer sprite", Advice: "take the tileset too"}
}

// said returns what a chunk says of a layer but its place, and its user data.
func (s *sprite) said(l *layer) (string, error) {
	b, err := s.read(l.chunk)
	if err != nil {
		return "", err
	}
	b = slices.Clone(b)
	b[10], b[11] = 0, 0 // its level
	if s.flags&4 != 0 && len(b) >= 16 {
		b = b[:len(b)-16]
	}
	binary.LittleEndian.PutUint32(b, 0)
	more, err := s.behind(l.more)
	return string(b) + more, err
}

// behind returns the chunks that are of another.
func (s *sprite) behind(more []chunk) (string, error) {
	out := ""
	for _, c := range more {
		b, err := s.read(c)
		if err != nil {
			return "", err
		}
		out += string(b)
	}
	return out, nil
}

// chunkOf returns the chunk of a layer, at a level and with a UUID, if the newer file has some.
func (g *graft) chunkOf(l *layer, level int, id []byte) ([]byte, error) {
	b, err := g.from.read(l.chunk)
	if err != nil {
		return nil, err
	}
	b = slices.Clone(b)
	own := make([]byte, 16)
	if g.from.flags&4 != 0 {
		copy(own, b[len(b)-16:])
		b = b[:len(b)-16]
	}
	if g.into.flags&4 != 0 {
		if id != nil {
			own = id
		}
		b = append(b, own...)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint16(b[10:], uint16(level))
	return b, nil
}

// replace makes a layer what it was.
func (g *graft) replace(l, here *layer) error {
	was, err := g.from.said(l)
	if err != nil {
		return err
	}
	is, err := g.into.said(here)
	if err != nil || was == is {
		return err
	}
	if (l.kind == groupLayer) != (here.kind == groupLayer) {
		return &format.Refusal{Reason: "it was a layer, and is a group now, or the other way round", Advice: "give one of them another name"}
	}
	if err := g.fits(l); err != nil {
		return err
	}
	var id []byte
	if g.into.flags&4 != 0 {
		if id, err = format.ReadSpan(g.into.in, here.chunk.at+here.chunk.size-16, 16, 16); err != nil {
			return err
		}
	}
	u := g.out.unit(0, here.chunk)
	if u.data, err = g.chunkOf(l, here.level, id); err != nil {
		return err
	}
	u.more = nil
	u.extra, err = g.copied(l.more)
	g.layers[here] = true
	return err
}

// copied returns chunks of from.
func (g *graft) copied(more []chunk) ([][]byte, error) {
	var out [][]byte
	for _, c := range more {
		b, err := g.from.read(c)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// add puts a layer in that the newer file does not have, beside the neighbours that it had.
func (g *graft) add(l *layer) (*layer, error) {
	if err := g.fits(l); err != nil {
		return nil, err
	}
	if len(g.out.order()) >= 0xffff {
		return nil, &format.Refusal{Reason: "the newer sprite has as many layers as it can"}
	}
	stand, siblings := l, g.from.roots
	var parent *layer
	for up := l.parent; up != nil; up = up.parent {
		if n := g.here(up); n != nil && n.kind == groupLayer {
			parent, siblings = n, up.children
			break
		}
		stand = up
	}
	if stand != l {
		g.notes = append(g.notes, fmt.Sprintf("%q was in the group %q, which is not there any more: it is where that was", l.name, l.parent.name))
	}
	added := &layer{attached: l.attached, name: l.name, kind: l.kind, parent: parent, stable: l.stable}
	if parent != nil {
		added.level = parent.level + 1
	}
	u := &unit{of: g.from, main: l.chunk, layer: added}
	var err error
	if u.data, err = g.chunkOf(l, added.level, nil); err != nil {
		return nil, err
	}
	if u.extra, err = g.copied(l.more); err != nil {
		return nil, err
	}
	at := g.seat(parent, siblings, slices.Index(siblings, stand))
	g.out.frames[0] = slices.Insert(g.out.frames[0], at, u)
	g.layers[added] = true
	return added, nil
}

// seat returns the place in the first frame for a layer in a group, between those of its old siblings that are there.
func (g *graft) seat(parent *layer, siblings []*layer, k int) int {
	units := g.out.frames[0]
	within := func(i int) bool { // of what is in the group, or of all layers
		for up := units[i].layer.parent; up != nil; up = up.parent {
			if up == parent {
				return true
			}
		}
		return parent == nil
	}
	start, end := -1, -1 // of the group's content
	for i, u := range units {
		if u.main.kind != kindLayer {
			continue
		}
		if u.layer == parent {
			start, end = i+1, i+1
		} else if within(i) {
			if start < 0 {
				start = i
			}
			end = i + 1
		}
	}
	if start < 0 {
		return len(units)
	}
	at, low := end, false // a lower neighbour decides
	for i, s := range siblings {
		n := g.here(s)
		if n == nil || n.parent != parent {
			continue
		}
		j := slices.IndexFunc(units, func(u *unit) bool { return u.layer == n && u.main.kind == kindLayer })
		if i > k {
			if !low {
				at = j
			}
			break
		}
		if i < k {
			for j++; j < end && units[j].main.kind == kindLayer && units[j].layer.level > n.level; j++ {
			}
			at, low = j, true
		}
	}
	return at
}

// named returns the ids that the changed elements have in the new file.
func (g *graft) named(content format.Input) ([]string, error) {
	if len(g.layers) == 0 && len(g.cels) == 0 {
		return g.changed, nil
	}
	s, err := open(g.ctx, content, 0)
	if err != nil {
		return nil, fmt.Errorf("the graft cannot be read: %w", err)
	}
	var out []string
	for i, u := range g.out.order() {
		l := s.layers[i]
		if g.layers[u.layer] {
			out = append(out, l.id)
		}
		for _, c := range l.cels {
			if g.cels[u.layer][c.frame] {
				out = append(out, c.id())
			}
		}
	}
	return append(out, g.changed...), nil
}
