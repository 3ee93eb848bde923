package aseprite

import (
	"encoding/binary"
	"fmt"
	"slices"

	"varve/format"
)

// sameCel reports whether two cels show the same in the same way. A link is what it shows.
func (g *graft) sameCel(a, b *cel) (bool, error) {
	x, err := a.real()
	if err != nil {
		return false, err
	}
	y, err := b.real()
	if err != nil {
		return false, err
	}
	if x.x != y.x || x.y != y.y || x.opacity != y.opacity || a.z != b.z || x.width != y.width || x.height != y.height || (x.kind == 3) != (y.kind == 3) || x.tiles != y.tiles {
		return false, nil
	}
	for _, c := range []struct{ a, b []chunk }{{a.more, b.more}, {x.more, y.more}} {
		p, err := g.from.behind(c.a)
		if err != nil {
			return false, err
		}
		q, err := g.into.behind(c.b)
		if err != nil || p != q {
			return false, err
		}
	}
	p, err := g.from.hash(g.ctx, x)
	if err != nil {
		return false, err
	}
	q, err := g.into.hash(g.ctx, y)
	return p == q, err
}

// mark notes that a cel is not as it was.
func (g *graft) mark(l *layer, frame int) {
	if g.cels[l] == nil {
		g.cels[l] = map[int]bool{}
	}
	g.cels[l][frame] = true
}

// cel puts a cel into a layer of the file that is made. A link stays one where the whole layer is put: then what it shows
// is there.
func (g *graft) cel(c *cel, here *layer, whole bool) error {
	old := here.at(c.frame)
	if !slices.Contains(g.into.layers, here) {
		old = nil
	}
	if old != nil {
		same, err := g.sameCel(c, old)
		if err != nil || same && (!whole || (c.kind == 1) == (old.kind == 1)) {
			return err
		}
	}
	if err := g.fits(c.layer); err != nil {
		return err
	}
	if c.kind > 3 {
		return &format.Refusal{Reason: fmt.Sprintf("a cel of kind %d, which is not known", c.kind)}
	}
	if old != nil {
		if err := g.free(old); err != nil {
			return err
		}
	}
	u := &unit{of: g.from, main: c.chunk, more: c.more, layer: here}
	if !whole || c.kind == 1 && c.link >= c.frame {
		var err error
		if u, err = g.standalone(g.from, c, here); err != nil {
			return err
		}
	}
	g.mark(here, c.frame)
	if now := g.out.cel(here, c.frame); now != nil {
		*now = *u
		return nil
	}
	list := g.out.frames[c.frame]
	rank := map[*layer]int{}
	for i, o := range g.out.order() {
		rank[o.layer] = i
	}
	at := len(list)
	for i, o := range list {
		if o.main.kind == kindCel && rank[o.layer] > rank[here] {
			at = i
			break
		}
		if o.main.kind == kindCel {
			at = i + 1
		}
	}
	g.out.frames[c.frame] = slices.Insert(list, at, u)
	return nil
}

// standalone returns a cel that is no link: of one that is, what it shows, with its own place in the order of drawing.
func (g *graft) standalone(s *sprite, c *cel, here *layer) (*unit, error) {
	r, err := c.real()
	if err != nil {
		return nil, err
	}
	u := &unit{of: s, main: r.chunk, more: c.more, layer: here}
	if r != c && c.z != r.z {
		if _, err := u.bytes(); err != nil {
			return nil, err
		}
		binary.LittleEndian.PutUint16(u.data[chunkSize+9:], uint16(c.z))
	}
	return u, nil
}

// free gives the cels that are links to one what they show, before that is changed.
func (g *graft) free(old *cel) error {
	for _, c := range old.layer.cels {
		if c.kind != 1 {
			continue
		}
		r, err := c.real()
		if err != nil {
			return err
		}
		if c == old || r != old && !passes(c, old) {
			continue
		}
		u, err := g.standalone(g.into, c, c.layer)
		if err != nil {
			return err
		}
		if now := g.out.cel(c.layer, c.frame); now != nil && now.of == g.into {
			*now = *u
		}
	}
	return nil
}

// passes reports whether a link leads through another cel.
func passes(c, through *cel) bool {
	for n := 0; c != nil && c.kind == 1 && n <= maxLinks; n++ {
		if c = c.layer.at(c.link); c == through {
			return true
		}
	}
	return false
}

// take takes a cel out.
func (g *graft) take(c *cel) error {
	if err := g.free(c); err != nil {
		return err
	}
	if u := g.out.cel(c.layer, c.frame); u != nil {
		list := g.out.frames[c.frame]
		i := slices.Index(list, u)
		g.out.frames[c.frame] = slices.Delete(list, i, i+1)
		g.layers[c.layer] = true
	}
	return nil
}

// frame refuses a frame, unless the newer file has it as it is.
func (g *graft) frame(i int) error {
	same := i < len(g.into.frames) && g.into.frames[i].millis == g.from.frames[i].millis
	if same {
		return nil
	}
	return &format.Refusal{Reason: fmt.Sprintf("frame %d is not in the newer sprite, or lasts as long as it does there", i+1), Advice: "take layers or cels, and set the duration in Aseprite"}
}

// last returns the place behind the last unit of a kind in a frame; -1 if there is none.
func (g *graft) last(frame int, kinds ...uint16) int {
	at := -1
	for i, u := range g.out.frames[frame] {
		if slices.Contains(kinds, u.main.kind) {
			at = i + 1
		}
	}
	return at
}

// swap puts a chunk with its user data in place of another, or at a place, unless both are the same.
func (g *graft) swap(was, is *attached, at int, id string) error {
	u := &unit{of: g.from, main: was.chunk, more: was.more}
	if is == nil {
		if at < 0 {
			at = len(g.out.frames[0])
		}
		g.out.frames[0] = slices.Insert(g.out.frames[0], at, u)
		g.changed = append(g.changed, id)
		return nil
	}
	a, err := g.from.behind(append([]chunk{was.chunk}, was.more...))
	if err != nil {
		return err
	}
	b, err := g.into.behind(append([]chunk{is.chunk}, is.more...))
	if err != nil || a == b {
		return err
	}
	*g.out.unit(is.frame, is.chunk) = *u
	g.changed = append(g.changed, id)
	return nil
}

func (g *graft) slice(l *slice) error {
	var is *attached
	for _, m := range g.into.slices {
		if m.id == l.id {
			is = &m.attached
		}
	}
	return g.swap(&l.attached, is, g.last(0, kindSlice), l.id)
}

func (g *graft) tileset(t *tileset) error {
	var is *attached
	for _, m := range g.into.tilesets {
		if m.id == t.id {
			is = &m.attached
			if m.width != t.width || m.height != t.height {
				return &format.Refusal{Reason: fmt.Sprintf("its tiles are %d×%d now, and were %d×%d", m.width, m.height, t.width, t.height), Advice: "export the older one as an image"}
			}
		}
	}
	if err := g.fits(nil); err != nil {
		return err
	}
	if t.flags&1 != 0 {
		return &format.Refusal{Reason: "it is in another file", Advice: "take that file from the older version"}
	}
	at := g.last(0, kindTileset)
	if at < 0 {
		at = slices.IndexFunc(g.out.frames[0], func(u *unit) bool { return u.main.kind == kindLayer })
	}
	return g.swap(&t.attached, is, at, t.id)
}

// tags writes the chunk of all tags anew, if one of them changes.
func (g *graft) tags() error {
	list := slices.Clone(g.into.tags)
	var changed []string
	for i, t := range g.from.tags {
		if !g.ids[t.id] {
			continue
		}
		if t.to >= len(g.into.frames) {
			return &format.Refusal{Reason: fmt.Sprintf("the tag %q goes to frame %d, and the newer sprite has %d", t.name, t.to+1, len(g.into.frames)), Advice: "set it in Aseprite"}
		}
		k := slices.IndexFunc(list, func(m *tag) bool { return m.id == t.id })
		if k < 0 {
			list = slices.Insert(list, min(i, len(list)), t)
			changed = append(changed, t.id)
			continue
		}
		a, err := g.tagData(t)
		if err != nil {
			return err
		}
		b, err := g.tagData(list[k])
		if err != nil {
			return err
		}
		if string(t.raw)+string(a) != string(list[k].raw)+string(b) {
			list[k] = t
			changed = append(changed, t.id)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	g.changed = append(g.changed, changed...)
	return g.writeTags(list)
}

// tagData returns the user data chunk of a tag; an empty one if it has none.
func (g *graft) tagData(t *tag) ([]byte, error) {
	if t.data == nil {
		return []byte{10, 0, 0, 0, kindUserData & 0xff, kindUserData >> 8, 0, 0, 0, 0}, nil
	}
	if slices.Contains(g.from.tags, t) {
		return g.from.read(*t.data)
	}
	return g.into.read(*t.data)
}

func (g *graft) writeTags(list []*tag) error {
	b := make([]byte, chunkSize, 64)
	binary.LittleEndian.PutUint16(b[4:], kindTags)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(list)))
	b = append(b, make([]byte, 8)...)
	u := &unit{of: g.into, main: chunk{kind: kindTags}}
	some := slices.ContainsFunc(list, func(t *tag) bool { return t.data != nil })
	for _, t := range list {
		b = append(b, t.raw...)
		if some { // it is the n-th of them that is of the n-th tag
			d, err := g.tagData(t)
			if err != nil {
				return err
			}
			u.extra = append(u.extra, d)
		}
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	u.data = b
	old := map[chunk]bool{}
	frame := 0
	for _, t := range g.into.tags {
		frame = t.of.frame
		old[t.of.chunk] = true
		if t.data != nil {
			old[*t.data] = true
		}
	}
	units := g.out.frames[frame]
	at := slices.IndexFunc(units, func(u *unit) bool { return old[u.main] })
	if at < 0 {
		at = max(slices.IndexFunc(units, func(u *unit) bool { return u.main.kind == kindLayer }), 0)
	}
	units = slices.DeleteFunc(slices.Clone(units), func(u *unit) bool { return old[u.main] })
	g.out.frames[frame] = slices.Insert(units, at, u)
	return nil
}

// palette puts the palette chunks of from's first frame in the place of into's.
func (g *graft) palette() error {
	a, err := g.from.palette(len(g.from.frames))
	if err != nil {
		return err
	}
	b, err := g.into.palette(len(g.into.frames))
	if err != nil {
		return err
	}
	if slices.Equal(a, b) {
		return nil
	}
	late := func(p attached) bool { return p.frame > 0 }
	if slices.ContainsFunc(g.from.palettes, late) || slices.ContainsFunc(g.into.palettes, late) {
		return &format.Refusal{Reason: "the palette changes within the animation", Advice: "export the older palette and load it in Aseprite"}
	}
	kinds := []uint16{kindPalette, kindOldPalette, kindOldPalette6}
	units := g.out.frames[0]
	at := max(slices.IndexFunc(units, func(u *unit) bool { return slices.Contains(kinds, u.main.kind) }), 0)
	units = slices.DeleteFunc(slices.Clone(units), func(u *unit) bool { return slices.Contains(kinds, u.main.kind) })
	for i, p := range g.from.palettes {
		units = slices.Insert(units, at+i, &unit{of: g.from, main: p.chunk})
	}
	g.out.frames[0] = units
	g.out.colors = len(a)
	if len(a) == 256 {
		h, err := format.ReadSpan(g.from.in, 32, 2, 2) // there, 0 means 256 too
		if err != nil {
			return err
		}
		g.out.colors = int(binary.LittleEndian.Uint16(h))
	}
	g.changed = append(g.changed, paletteID)
	return nil
}
