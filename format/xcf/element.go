package xcf

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"varve/format"
)

const maxParasites = 1 << 12 // of one item

// vector is a path of the image, which GIMP called vectors.
type vector struct {
	id, stable      string
	name            string
	tattoo          uint32
	visible, linked bool
	strokes         []byte
}

// readPaths reads the property that holds all paths, up to version 17. Simple ones are in the older form.
func (d *document) readPaths() error {
	for _, p := range d.props {
		if p.kind != propVectors && p.kind != propPaths {
			continue
		}
		b, err := format.ReadSpan(d.in, p.off, p.n, maxBlob)
		if err != nil {
			return err
		}
		c := &cursor{in: format.Bytes(b)}
		c.take(4)
		if p.kind == propVectors {
			c.take(4)
		}
		n := c.u32()
		for range n {
			v := &vector{visible: true}
			from := int64(0)
			if p.kind == propVectors {
				from = v.read(c)
			} else {
				from = v.readOld(c)
			}
			if c.err != nil {
				return fmt.Errorf("paths: %w", c.err)
			}
			v.strokes = b[from:c.at]
			d.paths = append(d.paths, v)
		}
	}
	return nil
}

// read reads a path, and returns where its strokes begin.
func (v *vector) read(c *cursor) int64 {
	v.name = c.text()
	v.tattoo = c.u32()
	v.visible = c.u32() != 0
	v.linked = c.u32() != 0
	parasites := c.u32()
	strokes := c.u32()
	for ; parasites > 0 && c.err == nil; parasites-- {
		c.text()
		c.take(4)
		c.skip(int64(c.u32()))
	}
	from := c.at
	for ; strokes > 0 && c.err == nil; strokes-- {
		c.take(8)
		floats := int64(c.u32())
		points := int64(c.u32())
		c.skip(points * (4 + 4*min(floats, 64)))
	}
	return from
}

// readOld reads a path in the form of GIMP 1 and 2, which later ones write where it is enough.
func (v *vector) readOld(c *cursor) int64 {
	v.name = c.text()
	v.linked = c.u32() != 0
	from := c.at
	c.take(5)
	points := int64(c.u32())
	version := c.u32()
	if version >= 2 {
		c.take(4)
	}
	if version >= 3 {
		v.tattoo = c.u32()
	}
	c.skip(points * 12)
	return from
}

// skip passes over n bytes.
func (c *cursor) skip(n int64) {
	if c.err == nil && (n < 0 || n > c.in.Size()-c.at) {
		c.err = format.Malformed("the file of %d bytes ends within %d bytes at %d", c.in.Size(), n, c.at)
	}
	if c.err == nil {
		c.at += n
	}
}

// name gives all items their ids: of the tattoo, where only one has it.
func (d *document) name() {
	count := map[uint32]int{}
	for _, it := range d.layers {
		count[it.tattoo]++
	}
	for _, it := range d.channels {
		count[it.tattoo]++
	}
	for _, v := range d.paths {
		count[v.tattoo]++
	}
	of := func(kind string, tattoo uint32, i int) (string, string) {
		if tattoo != 0 && count[tattoo] == 1 {
			id := fmt.Sprintf("%s-%d", kind, tattoo)
			return id, id
		}
		return fmt.Sprintf("%s@%d", kind, i), ""
	}
	for i, it := range d.layers {
		it.id, it.stable = of("layer", it.tattoo, i)
	}
	for i, it := range d.channels {
		it.id, it.stable = of("channel", it.tattoo, i)
	}
	for i, v := range d.paths {
		v.id, v.stable = of("path", v.tattoo, i)
	}
}

// find returns the layer or channel of an id.
func (d *document) find(id string) *item {
	for _, it := range d.layers {
		if it.id == id {
			return it
		}
	}
	for _, it := range d.channels {
		if it.id == id && !it.selection() {
			return it
		}
	}
	return nil
}

// selection reports whether a channel is what is selected: where the user was, not what was made.
func (it *item) selection() bool { return it.channel && it.has(propSelection) }

func (it *item) has(kind uint32) bool {
	for _, p := range it.props {
		if p.kind == kind {
			return true
		}
	}
	return false
}

// Elements lists layers from the top, groups with what is in them, then channels, then paths.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Element
	add := func(it *item) error {
		e, err := d.element(ctx, it)
		if err != nil {
			return fmt.Errorf("%s %q: %w", e.Kind, it.name, err)
		}
		out = append(out, e)
		return nil
	}
	var walk func(list []*item) error
	walk = func(list []*item) error {
		for _, it := range list {
			if err := add(it); err != nil {
				return err
			}
			if err := walk(it.children); err != nil {
				return err
			}
		}
		return nil
	}
	if d.floating != nil {
		if err := add(d.floating); err != nil {
			return nil, err
		}
	}
	if err := walk(d.roots); err != nil {
		return nil, err
	}
	for _, it := range d.channels {
		if it.selection() {
			continue
		}
		if err := add(it); err != nil {
			return nil, err
		}
	}
	for _, v := range d.paths {
		out = append(out, format.Element{ID: v.id, Stable: v.stable, Kind: "path", Name: v.name, Bytes: int64(len(v.strokes)),
			Properties: map[string]string{"visible": strconv.FormatBool(v.visible), "linked": strconv.FormatBool(v.linked)},
			Aspects:    map[string]string{"geometry": format.HashOf(v.strokes)}})
	}
	return out, nil
}

func (d *document) element(ctx context.Context, it *item) (format.Element, error) {
	e := format.Element{ID: it.id, Stable: it.stable, Kind: "layer", Name: it.name,
		Bounds:  []float64{float64(it.x), float64(it.y), float64(it.x + it.width), float64(it.y + it.height)},
		Aspects: map[string]string{}}
	if it.parent != nil {
		e.Parent = it.parent.id
	}
	if it.channel {
		e.Kind = "channel"
	}
	var err error
	e.Properties, err = d.properties(it)
	if err != nil {
		return e, err
	}
	parasites, err := d.parasites(it)
	if err != nil {
		return e, err
	}
	h := sha256.New()
	for _, p := range parasites {
		if p.name == "gimp-text-layer" {
			e.Kind = "text"
			e.Aspects["text"] = format.HashOf(p.data)
			e.Properties["text"] = textOf(p.data)
			continue
		}
		fmt.Fprintf(h, "%q %d %d\n", p.name, p.flags, len(p.data))
		h.Write(p.data)
		e.Aspects["parasites"] = hex.EncodeToString(h.Sum(nil)[:16])
	}
	if it.group { // GIMP makes its pixels of what is in it
		e.Kind = "group"
	} else if e.Aspects["pixels"], err = d.hash(ctx, it.pixels); err != nil {
		return e, err
	}
	if it.mask != nil {
		if e.Aspects["mask"], err = d.hash(ctx, it.mask.pixels); err != nil {
			return e, err
		}
	}
	e.Bytes = d.taken(it)
	return e, nil
}

// taken returns the bytes of an item in the file, without what is in it.
func (d *document) taken(it *item) int64 {
	n := it.hptrAt + int64(d.pointer) - it.off
	for i, at := range it.pixels.tiles {
		if i+1 < len(it.pixels.tiles) && it.pixels.tiles[i+1] > at {
			n += min(it.pixels.tiles[i+1]-at, int64(2*tileSide*tileSide*it.pixels.bpp))
		}
	}
	n += int64(len(it.pixels.tiles) * d.pointer)
	if it.mask != nil {
		n += d.taken(it.mask)
	}
	return n
}

// hash is of decoded pixels.
func (d *document) hash(ctx context.Context, l *level) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d×%d×%d\n", l.width, l.height, l.bpp)
	b := make([]byte, tileSide*tileSide*l.bpp)
	for i := range l.tiles {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if _, err := d.tile(l, i, b); err != nil {
			return "", err
		}
		w, t := l.rect(i)
		h.Write(b[:w*t*l.bpp])
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// properties returns what GIMP shows of an item; what is as it is by default is left out, so that a newer GIMP, which
// writes more of it, changes nothing.
func (d *document) properties(it *item) (map[string]string, error) {
	out := map[string]string{
		"visible": strconv.FormatBool(!it.hidden),
		"opacity": strconv.FormatFloat(math.Round(it.opacity*10000)/100, 'f', -1, 64) + "%",
		"size":    fmt.Sprintf("%d×%d", it.width, it.height),
	}
	if !it.channel {
		out["mode"] = modeName(it.mode)
		out["offset"] = fmt.Sprintf("%d,%d", it.x, it.y)
	}
	if it.group {
		delete(out, "size")
		delete(out, "offset")
	}
	if it.mask != nil {
		out["mask"] = map[bool]string{true: "applied", false: "not applied"}[it.applyMask]
	}
	if it.effects {
		out["effects"] = "some"
	}
	for _, p := range it.props {
		name := map[uint32]string{propLinked: "linked", propLockAlpha: "lock alpha", propLockContent: "lock content", propLockPosition: "lock position",
			propLockVisible: "lock visibility", propColorTag: "color tag"}[p.kind]
		if name == "" && p.kind != propColor {
			continue
		}
		if p.kind == propColor {
			b, err := d.bytes(p, 3)
			if err != nil {
				return nil, err
			}
			out["color"] = fmt.Sprintf("#%02x%02x%02x", b[0], b[1], b[2])
			continue
		}
		b, err := d.bytes(p, 4)
		if err != nil {
			return nil, err
		}
		if v := binary.BigEndian.Uint32(b); v != 0 {
			out[name] = map[bool]string{true: fmt.Sprint(v), false: "true"}[p.kind == propColorTag]
		}
	}
	return out, nil
}

// parasite is data that a tool hung on an item.
type parasite struct {
	name  string
	flags uint32
	data  []byte
}

func (d *document) parasites(it *item) ([]parasite, error) {
	var out []parasite
	for _, p := range it.props {
		if p.kind != propParasites {
			continue
		}
		b, err := format.ReadSpan(d.in, p.off, p.n, maxBlob)
		if err != nil {
			return nil, err
		}
		c := &cursor{in: format.Bytes(b)}
		for c.at < int64(len(b)) && len(out) < maxParasites {
			name := c.text()
			flags := c.u32()
			n := int64(c.u32())
			from := c.at
			c.skip(n)
			if c.err != nil {
				return nil, fmt.Errorf("parasites: %w", c.err)
			}
			out = append(out, parasite{name, flags, b[from : from+n]})
		}
	}
	return out, nil
}

// textOf returns the text of a text layer's settings: the string after "text" or "markup", without its marks.
func textOf(settings []byte) string {
	s := strings.TrimRight(string(settings), "\x00")
	for _, key := range []string{"(text ", "(markup "} {
		_, rest, found := strings.Cut(s, key)
		if !found || !strings.HasPrefix(rest, `"`) {
			continue
		}
		end := 1
		for end < len(rest) && rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		quoted := rest[:min(end+1, len(rest))]
		text, err := strconv.Unquote(quoted)
		if err != nil {
			text = strings.Trim(quoted, `"`)
		}
		return strings.ToValidUTF8(cmp.Or(text, quoted), "\ufffd")
	}
	return ""
}
