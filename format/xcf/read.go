package xcf

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"varve/format"
)

const (
	tileSide  = 64
	maxSide   = 1 << 19 // pixels of an image or layer, as GIMP has it
	maxName   = 1 << 16
	maxBlob   = 32 << 20 // bytes of a property that is read whole
	maxNested = 256
	newest    = 17 // the newest version whose pointers are all known here
)

// Kinds of property.
const (
	propEnd          = 0
	propColormap     = 1
	propActiveLayer  = 2
	propActiveChan   = 3
	propSelection    = 4
	propFloating     = 5
	propOpacity      = 6
	propMode         = 7
	propVisible      = 8
	propLinked       = 9
	propLockAlpha    = 10
	propApplyMask    = 11
	propEditMask     = 12
	propShowMask     = 13
	propOffsets      = 15
	propColor        = 16
	propCompression  = 17
	propTattoo       = 20
	propParasites    = 21
	propPaths        = 23
	propVectors      = 25
	propLockContent  = 28
	propGroup        = 29
	propPath         = 30
	propGroupFlags   = 31
	propLockPosition = 32
	propFloatOpacity = 33
	propColorTag     = 34
	propComposite    = 35
	propCompSpace    = 36
	propBlendSpace   = 37
	propFloatColor   = 38
	propSetItem      = 41
	propLockVisible  = 42
)

// document is a file as it was read: where everything lies.
type document struct {
	in            format.Input
	wrapped       string
	version       int
	pointer       int // bytes of one
	width, height int
	base          uint32 // 0 RGB, 1 gray, 2 indexed
	precision     precision
	compression   byte
	colormap      []byte
	props         []prop
	layerTable    table
	channelTable  table
	layers        []*item // in the order of their table, top first
	channels      []*item
	floating      *item
	roots         []*item // layers that are in no group, without the floating one
	paths         []*vector
	bounds        []int64 // where structures begin, ascending
}

// prop is a property; its bytes are at off.
type prop struct {
	kind   uint32
	at     int64 // of kind
	off, n int64
}

// table is a list of pointers, and where it lies, without the 0 at its end.
type table struct{ at, end int64 }

// item is a layer or a channel.
type item struct {
	channel       bool
	off           int64
	width, height int
	form          uint32 // base type × 2 + alpha, of layers
	name          string
	props         []prop
	propsAt       int64
	hptrAt        int64
	pixels        *level
	mask          *item
	effects       bool
	parent        *item
	children      []*item

	id, stable    string
	tattoo        uint32
	group, hidden bool
	applyMask     bool
	opacity       float64
	mode          uint32
	composite     int // 0 as the mode has it
	compSpace     int
	blendSpace    int
	x, y          int
	path          []uint32
}

// level is a picture in tiles.
type level struct {
	off           int64 // of the hierarchy
	width, height int
	bpp           int
	levelsAt      int64   // of the hierarchy's pointers
	levels        []int64 // the first is at
	at            int64
	tilesAt       int64
	tiles         []int64 // none: all 0
}

// across returns the number of tiles in a row.
func (l *level) across() int { return (l.width + tileSide - 1) / tileSide }

// open reads the structure of a file.
func open(ctx context.Context, file format.Input) (*document, error) {
	in, wrapped, err := unwrap(ctx, file)
	if err != nil {
		return nil, err
	}
	d := &document{in: in, wrapped: wrapped, pointer: 4}
	c := &cursor{in: in}
	if err := d.header(c); err != nil {
		return nil, err
	}
	layers, err := d.pointers(c, &d.layerTable)
	if err != nil {
		return nil, err
	}
	channels, err := d.pointers(c, &d.channelTable)
	if err != nil {
		return nil, err
	}
	for i, at := range slices.Concat(layers, channels) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		it, err := d.item(c, at, i >= len(layers))
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", []string{"layer", "channel"}[btoi(i >= len(layers))], i, err)
		}
		if it.channel {
			d.channels = append(d.channels, it)
		} else {
			d.layers = append(d.layers, it)
		}
	}
	if err := d.tree(); err != nil {
		return nil, err
	}
	if err := d.readPaths(); err != nil {
		return nil, err
	}
	d.name()
	slices.Sort(d.bounds)
	d.bounds = slices.Compact(d.bounds)
	return d, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (d *document) header(c *cursor) error {
	head := c.take(14)
	if c.err != nil || string(head[:9]) != magic || head[13] != 0 {
		return format.Malformed("this is no XCF")
	}
	if v := string(head[9:13]); v != "file" {
		n, err := strconv.Atoi(strings.TrimPrefix(v, "v"))
		if err != nil || v[0] != 'v' {
			return format.Malformed("version %q", v)
		}
		d.version = n
	}
	if d.version >= 11 {
		d.pointer = 8
	}
	w, h := c.u32(), c.u32()
	d.base = c.u32()
	code := uint32(150)
	if d.version >= 4 {
		code = c.u32()
	}
	if c.err != nil {
		return c.err
	}
	if w == 0 || h == 0 || w > maxSide || h > maxSide || d.base > 2 {
		return format.Malformed("an image of %d×%d, base type %d", w, h, d.base)
	}
	d.width, d.height = int(w), int(h)
	var err error
	if d.precision, err = precisionOf(d.version, code); err != nil {
		return err
	}
	if d.props, err = c.props(); err != nil {
		return err
	}
	for _, p := range d.props {
		switch p.kind {
		case propCompression:
			b, err := d.bytes(p, 1)
			if err != nil {
				return err
			}
			d.compression = b[0]
		case propColormap:
			b, err := format.ReadSpan(d.in, p.off, p.n, 4+3*256)
			if err != nil {
				return err
			}
			d.colormap = b[4:]
		}
	}
	if d.compression > 2 {
		return format.Unsupported("tile compression %d", d.compression)
	}
	return nil
}

// bytes returns the bytes of a property that has at least n.
func (d *document) bytes(p prop, n int64) ([]byte, error) {
	if p.n < n {
		return nil, format.Malformed("property %d at %d has %d bytes", p.kind, p.at, p.n)
	}
	return format.ReadSpan(d.in, p.off, p.n, maxBlob)
}

// pointers reads a list up to its 0.
func (d *document) pointers(c *cursor, t *table) ([]int64, error) {
	t.at = c.at
	var out []int64
	for {
		t.end = c.at
		p := c.ptr(d.pointer)
		if c.err != nil {
			return nil, c.err
		}
		if p == 0 {
			return out, nil
		}
		if p >= d.in.Size() || p < 0 {
			return nil, format.Malformed("a pointer to %d in a file of %d bytes", p, d.in.Size())
		}
		out = append(out, p)
	}
}

func (d *document) item(c *cursor, at int64, channel bool) (*item, error) {
	c.at = at
	it := &item{channel: channel, off: at, opacity: 1}
	w, h := c.u32(), c.u32()
	if !channel {
		it.form = c.u32()
	}
	it.name = c.text()
	it.propsAt = c.at
	if c.err != nil {
		return nil, c.err
	}
	if w == 0 || h == 0 || w > maxSide || h > maxSide || it.form > 5 {
		return nil, format.Malformed("%d×%d, type %d", w, h, it.form)
	}
	it.width, it.height = int(w), int(h)
	var err error
	if it.props, err = c.props(); err != nil {
		return nil, err
	}
	it.hptrAt = c.at
	hptr, mptr := c.ptr(d.pointer), int64(0)
	if !channel {
		mptr = c.ptr(d.pointer)
		if d.version >= 20 {
			it.effects = c.ptr(d.pointer) != 0
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	d.bounds = append(d.bounds, at)
	if err := d.read(it); err != nil {
		return nil, err
	}
	if it.pixels, err = d.level(c, hptr, it); err != nil {
		return nil, err
	}
	if mptr != 0 {
		if it.mask, err = d.item(c, mptr, true); err != nil {
			return nil, fmt.Errorf("mask: %w", err)
		}
	}
	return it, nil
}

// read takes from properties what is needed of them.
func (d *document) read(it *item) error {
	for _, p := range it.props {
		if p.n == 0 {
			it.group = it.group || p.kind == propGroup
			continue
		}
		if p.n > 4*maxNested || p.n%4 != 0 || p.kind == propParasites {
			continue
		}
		b, err := d.bytes(p, 4)
		if err != nil {
			return err
		}
		v := binary.BigEndian.Uint32(b)
		switch p.kind {
		case propOpacity:
			it.opacity = float64(min(v, 255)) / 255
		case propFloatOpacity:
			if f := float64(math.Float32frombits(v)); f >= 0 && f <= 1 {
				it.opacity = f
			}
		case propMode:
			it.mode = v
		case propVisible:
			it.hidden = v == 0
		case propApplyMask:
			it.applyMask = v != 0
		case propTattoo:
			it.tattoo = v
		case propComposite:
			it.composite = magnitude(v)
		case propCompSpace:
			it.compSpace = magnitude(v)
		case propBlendSpace:
			it.blendSpace = magnitude(v)
		case propOffsets:
			if len(b) >= 8 {
				it.x, it.y = int(int32(v)), int(int32(binary.BigEndian.Uint32(b[4:])))
			}
		case propPath:
			for i := 0; i < len(b); i += 4 {
				it.path = append(it.path, binary.BigEndian.Uint32(b[i:]))
			}
		}
	}
	return nil
}

// magnitude of a choice: negative where GIMP made it, not the user.
func magnitude(v uint32) int {
	n := int(int32(v))
	if n < 0 {
		n = -n
	}
	return n
}

func (d *document) level(c *cursor, at int64, it *item) (*level, error) {
	l := &level{off: at}
	c.at = at
	w, h, bpp := c.u32(), c.u32(), c.u32()
	l.levelsAt = c.at
	if c.err != nil {
		return nil, c.err
	}
	if int(w) != it.width || int(h) != it.height {
		return nil, format.Malformed("a hierarchy of %d×%d for %d×%d", w, h, it.width, it.height)
	}
	channels := 1
	if !it.channel {
		channels = []int{3, 4, 1, 2, 1, 2}[it.form]
	}
	want := channels * d.precision.bytes
	if d.base == 2 {
		want = channels
	}
	if int(bpp) != want {
		return nil, format.Malformed("%d bytes a pixel, of %d", bpp, want)
	}
	l.width, l.height, l.bpp = it.width, it.height, want
	var t table
	var err error
	if l.levels, err = d.pointers(c, &t); err != nil {
		return nil, err
	}
	if len(l.levels) == 0 {
		return nil, format.Malformed("a hierarchy at %d without a level", at)
	}
	for _, at := range l.levels { // those behind the first are width, height and 4 bytes of 0, and nobody reads them
		if at > d.in.Size()-12 {
			return nil, format.Malformed("the file of %d bytes ends within a level at %d", d.in.Size(), at)
		}
	}
	l.at = l.levels[0]
	c.at = l.at
	w, h = c.u32(), c.u32()
	l.tilesAt = c.at
	if c.err != nil {
		return nil, c.err
	}
	if int(w) != l.width || int(h) != l.height {
		return nil, format.Malformed("a level of %d×%d for %d×%d", w, h, l.width, l.height)
	}
	if l.tiles, err = d.pointers(c, &t); err != nil {
		return nil, err
	}
	if n := l.across() * ((l.height + tileSide - 1) / tileSide); len(l.tiles) != n && len(l.tiles) != 0 {
		return nil, format.Malformed("%d tiles of %d", len(l.tiles), n)
	}
	d.bounds = append(append(append(d.bounds, at), l.levels...), l.tiles...)
	return l, nil
}

// tree puts layers into their groups, as GIMP does it: one after the other, each where its path says.
func (d *document) tree() error {
	for _, p := range d.layers {
		if slices.ContainsFunc(p.props, func(q prop) bool { return q.kind == propFloating }) && d.floating == nil {
			d.floating = p
			continue
		}
		if len(p.path) > maxNested {
			return format.Malformed("layer %q is in %d groups", p.name, len(p.path))
		}
		list := &d.roots
		for _, k := range p.path[:max(0, len(p.path)-1)] {
			if int64(k) >= int64(len(*list)) || !(*list)[k].group {
				return format.Malformed("layer %q is in a group that is not there", p.name)
			}
			p.parent = (*list)[k]
			list = &p.parent.children
		}
		at := len(*list)
		if n := len(p.path); n > 0 {
			at = int(min(int64(at), int64(p.path[n-1])))
		}
		*list = slices.Insert(*list, at, p)
	}
	return nil
}

// drawables returns all that has pixels: layers, their masks, channels.
func (d *document) drawables() []*item {
	var out []*item
	for _, it := range slices.Concat(d.layers, d.channels) {
		out = append(out, it)
		if it.mask != nil {
			out = append(out, it.mask)
		}
	}
	return out
}

// cursor reads numbers one after the other. Its error stays. Whole files have each byte of structure in one place: one that
// makes it read more than there is has structures in each other.
type cursor struct {
	in    format.Input
	at    int64
	spent int64
	buf   []byte
	from  int64
	err   error
}

const window = 4 << 10

// take returns the next n bytes, at most maxName; they hold until the next call.
func (c *cursor) take(n int) []byte {
	if c.err == nil {
		c.spent += int64(n)
		switch {
		case c.at < 0 || int64(n) > c.in.Size()-c.at:
			c.err = format.Malformed("the file of %d bytes ends within %d bytes at %d", c.in.Size(), n, c.at)
		case c.spent > c.in.Size():
			c.err = format.Malformed("structures lie in each other, at %d", c.at)
		case c.at < c.from || c.at+int64(n) > c.from+int64(len(c.buf)):
			c.from = c.at
			c.buf, c.err = format.ReadSpan(c.in, c.at, min(max(window, int64(n)), c.in.Size()-c.at), max(window, maxName))
		}
	}
	if c.err != nil {
		return make([]byte, n)
	}
	b := c.buf[c.at-c.from:][:n]
	c.at += int64(n)
	return b
}

func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }

func (c *cursor) ptr(n int) int64 {
	if n == 4 {
		return int64(c.u32())
	}
	return int64(binary.BigEndian.Uint64(c.take(8)))
}

func (c *cursor) text() string {
	n := c.u32()
	if c.err == nil && n > maxName {
		c.err = format.Malformed("a name of %d bytes at %d", n, c.at)
	}
	if c.err != nil || n == 0 {
		return ""
	}
	b := c.take(int(n))
	return strings.ToValidUTF8(string(b[:n-1]), "\ufffd")
}

// props reads properties up to the last.
func (c *cursor) props() ([]prop, error) {
	var out []prop
	for {
		p := prop{at: c.at}
		p.kind, p.n = c.u32(), int64(c.u32())
		p.off = c.at
		if c.err != nil {
			return nil, c.err
		}
		if p.kind == propEnd {
			return out, nil
		}
		if p.kind == propColormap { // old versions wrote a wrong length
			n := c.u32()
			c.at = p.off
			if n > 256 {
				return nil, format.Malformed("%d colours", n)
			}
			p.n = 4 + 3*int64(n)
		}
		if p.n > c.in.Size()-c.at {
			return nil, format.Malformed("property %d at %d has %d bytes, of %d", p.kind, p.at, p.n, c.in.Size()-c.at)
		}
		c.at += p.n
		out = append(out, p)
	}
}
