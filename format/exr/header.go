package exr

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"varve/format"
)

const (
	maxName     = 255
	maxParts    = 1 << 12
	maxAttrs    = 1 << 12
	maxChannels = 1 << 12
	maxHeaders  = 64 << 20 // bytes of all
	maxValue    = 32 << 20 // of an attribute that is read
	maxExtent   = 1 << 30  // of a coordinate
)

// box is a rectangle of pixels, the last included.
type box struct{ x0, y0, x1, y1 int }

func (b box) width() int64  { return int64(b.x1) - int64(b.x0) + 1 }
func (b box) height() int64 { return int64(b.y1) - int64(b.y0) + 1 }

func (b box) String() string {
	return fmt.Sprintf("%d,%d %d×%d", b.x0, b.y0, b.width(), b.height())
}

// attr is an attribute, and where it lies.
type attr struct {
	name, kind string
	at         int64 // of the name
	off, n     int64 // of its value
}

// Types of samples.
const (
	uintType  = 0
	halfType  = 1
	floatType = 2
)

type channel struct {
	name   string
	kind   int
	linear bool // perceptually; only B44 cares
	xs, ys int  // there is a sample at each xs-th pixel of each ys-th line
}

func (c *channel) size() int {
	if c.kind == halfType {
		return 2
	}
	return 4
}

// part is an image of a file.
type part struct {
	index       int
	attrs       []attr
	at, end     int64 // of its header, with the 0
	name, kind  string
	channels    []channel
	compression byte
	data        box
	display     box
	tiled, deep bool
	tw, th      int
	mode        byte // 0 one level, 1 of half the size each, 2 for each direction
	up          bool // sizes of levels are rounded up
	order       byte
	levels      []level
	tableAt     int64
	chunks      int
	table       []int64 // once it was read
	guessed     bool    // it was not complete
}

// level is a size of a tiled part.
type level struct {
	lx, ly int
	w, h   int
	across int // tiles
	down   int
	first  int // chunk
}

// file is what was read of one.
type file struct {
	in     format.Input
	multi  bool
	flags  uint32
	parts  []*part
	chunks int64 // where they begin
}

// open reads the headers.
func open(ctx context.Context, in format.Input) (*file, error) {
	f := &file{in: in}
	r := &reader{in: in, end: min(in.Size(), maxHeaders)}
	head := r.take(8)
	if r.err != nil || string(head[:4]) != magic {
		return nil, format.Malformed("this is no OpenEXR file")
	}
	f.flags = binary.LittleEndian.Uint32(head[4:])
	if f.flags&0xff != 2 || f.flags&^0x1eff != 0 {
		return nil, format.Unsupported("version %x", f.flags)
	}
	f.multi = f.flags&0x1000 != 0
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := &part{index: len(f.parts), at: r.at}
		if err := p.read(r); err != nil {
			return nil, fmt.Errorf("part %d: %w", p.index, err)
		}
		if f.multi && len(p.attrs) == 0 {
			break
		}
		if err := p.check(f); err != nil {
			return nil, fmt.Errorf("part %d: %w", p.index, err)
		}
		f.parts = append(f.parts, p)
		if !f.multi {
			break
		}
		if len(f.parts) > maxParts {
			return nil, fmt.Errorf("%d parts: %w", len(f.parts), format.ErrLimit)
		}
	}
	if len(f.parts) == 0 {
		return nil, format.Malformed("a file without parts")
	}
	at := r.at
	for _, p := range f.parts {
		p.tableAt = at
		if int64(p.chunks) > (in.Size()-at)/8 {
			return nil, format.Malformed("part %d: a table of %d chunks in a file of %d bytes", p.index, p.chunks, in.Size())
		}
		at += 8 * int64(p.chunks)
	}
	f.chunks = at
	return f, nil
}

// read reads the attributes of a header.
func (p *part) read(r *reader) error {
	for {
		a := attr{at: r.at}
		if a.name = r.text(); a.name == "" {
			p.end = r.at
			return r.err
		}
		a.kind = r.text()
		a.n = int64(int32(r.u32()))
		a.off = r.at
		r.skip(a.n)
		if r.err != nil {
			return fmt.Errorf("attribute %q: %w", a.name, r.err)
		}
		if len(p.attrs) == maxAttrs {
			return fmt.Errorf("%d attributes: %w", len(p.attrs), format.ErrLimit)
		}
		p.attrs = append(p.attrs, a)
		if err := p.attribute(r.in, a); err != nil {
			return fmt.Errorf("attribute %q: %w", a.name, err)
		}
	}
}

// attribute takes what is needed of one.
func (p *part) attribute(in format.Input, a attr) error {
	want := map[string]string{"channels": "chlist", "compression": "compression", "dataWindow": "box2i", "displayWindow": "box2i", "tiles": "tiledesc",
		"name": "string", "type": "string", "chunkCount": "int", "lineOrder": "lineOrder"}[a.name]
	if want != a.kind || want == "" {
		return nil
	}
	b, err := format.ReadSpan(in, a.off, a.n, maxValue)
	if err != nil {
		return err
	}
	least := map[string]int{"compression": 1, "lineOrder": 1, "box2i": 16, "tiledesc": 9, "int": 4}[a.kind]
	if len(b) < least {
		return format.Malformed("%d bytes", len(b))
	}
	switch a.name {
	case "channels":
		return p.channelList(b)
	case "compression":
		p.compression = b[0]
	case "lineOrder":
		p.order = b[0]
	case "dataWindow":
		p.data = boxOf(b)
	case "displayWindow":
		p.display = boxOf(b)
	case "tiles":
		p.tw, p.th = int(int32(binary.LittleEndian.Uint32(b))), int(int32(binary.LittleEndian.Uint32(b[4:])))
		p.mode, p.up = b[8]&15, b[8]>>4 != 0
	case "name":
		p.name = string(b)
	case "type":
		p.kind = string(b)
	case "chunkCount":
		p.chunks = int(int32(binary.LittleEndian.Uint32(b)))
	}
	return nil
}

func boxOf(b []byte) box {
	v := func(i int) int { return int(int32(binary.LittleEndian.Uint32(b[4*i:]))) }
	return box{v(0), v(1), v(2), v(3)}
}

func (p *part) channelList(b []byte) error {
	r := &reader{in: format.Bytes(b), end: int64(len(b))}
	for {
		c := channel{name: r.text()}
		if c.name == "" {
			return r.err
		}
		c.kind = int(r.u32())
		flags := r.take(4)
		c.xs, c.ys = int(int32(r.u32())), int(int32(r.u32()))
		if r.err != nil {
			return r.err
		}
		c.linear = flags[0] != 0
		if c.kind > floatType || c.xs < 1 || c.ys < 1 {
			return format.Malformed("channel %q of type %d, every %d×%d", c.name, c.kind, c.xs, c.ys)
		}
		if len(p.channels) == maxChannels {
			return fmt.Errorf("%d channels: %w", len(p.channels), format.ErrLimit)
		}
		p.channels = append(p.channels, c)
	}
}

// check holds a header against itself, and counts its chunks.
func (p *part) check(f *file) error {
	for _, b := range []box{p.data, p.display} {
		if b.x0 > b.x1 || b.y0 > b.y1 || b.x0 < -maxExtent || b.y0 < -maxExtent || b.x1 > maxExtent || b.y1 > maxExtent {
			return format.Malformed("a window of %v", b)
		}
	}
	p.tiled = p.kind == "tiledimage" || p.kind == "deeptile" || p.kind == "" && f.flags&0x200 != 0
	p.deep = p.kind == "deepscanline" || p.kind == "deeptile"
	told := p.chunks
	if p.compression > 9 {
		if told <= 0 {
			return format.Unsupported("compression %d", p.compression)
		}
	}
	if p.tiled {
		if p.tw < 1 || p.th < 1 || p.mode > 2 || p.tw > maxExtent || p.th > maxExtent {
			return format.Malformed("tiles of %d×%d, mode %d", p.tw, p.th, p.mode)
		}
		return p.levelTable()
	}
	n := (p.data.height() + int64(p.lines()) - 1) / int64(p.lines())
	if told > 0 && int64(told) != n && p.compression <= 9 {
		return format.Malformed("%d chunks of %d", told, n)
	}
	if p.compression <= 9 {
		p.chunks = int(n)
	}
	return nil
}

// levelTable lists the levels of a tiled part, in the order of its chunks.
func (p *part) levelTable() error {
	size := func(n int64, l int) int64 {
		if p.up {
			n += 1<<l - 1
		}
		return max(1, n>>l)
	}
	count := func(n int64) int {
		k := 0
		for size(n, k) > 1 {
			k++
		}
		return k + 1
	}
	nx, ny := 1, 1
	switch p.mode {
	case 1:
		nx = count(max(p.data.width(), p.data.height()))
	case 2:
		nx, ny = count(p.data.width()), count(p.data.height())
	}
	n := int64(0)
	for ly := range ny {
		for lx := range nx {
			down := ly
			if p.mode == 1 {
				down = lx
			}
			l := level{lx: lx, ly: down, w: int(size(p.data.width(), lx)), h: int(size(p.data.height(), down)), first: int(n)}
			l.across, l.down = (l.w+p.tw-1)/p.tw, (l.h+p.th-1)/p.th
			if n += int64(l.across) * int64(l.down); n > 1<<31-1 {
				return format.Malformed("%d tiles", n)
			}
			p.levels = append(p.levels, l)
		}
	}
	p.chunks = int(n)
	return nil
}

// lines returns how many lines a chunk of scanlines has.
func (p *part) lines() int {
	switch p.compression {
	case 3, 5:
		return 16
	case 4, 6, 7, 8:
		return 32
	case 9:
		return 256
	}
	return 1
}

// line returns the bytes of a line, as if all channels were in all pixels.
func (p *part) line() int64 {
	n := int64(0)
	for i := range p.channels {
		n += int64(p.channels[i].size())
	}
	return n * p.data.width()
}

// reader reads a header. Its error stays.
type reader struct {
	in      format.Input
	at, end int64
	buf     []byte
	from    int64
	err     error
}

func (r *reader) take(n int) []byte {
	if r.err == nil && int64(n) > r.end-r.at {
		r.err = format.Malformed("the header ends within %d bytes at %d", n, r.at)
	}
	if r.err == nil && (r.at < r.from || r.at+int64(n) > r.from+int64(len(r.buf))) {
		r.from = r.at
		r.buf, r.err = format.ReadSpan(r.in, r.at, min(max(int64(n), 4096), r.end-r.at), max(int64(n), 4096))
	}
	if r.err != nil {
		return make([]byte, n)
	}
	b := r.buf[r.at-r.from:][:n]
	r.at += int64(n)
	return b
}

func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

// text reads up to a 0.
func (r *reader) text() string {
	b := make([]byte, min(maxName+1, max(0, r.end-r.at)))
	if r.err != nil {
		return ""
	}
	n, err := r.in.ReadAt(b, r.at)
	if err != nil && err != io.EOF {
		r.err = err
		return ""
	}
	i := bytes.IndexByte(b[:n], 0)
	if i < 0 {
		r.err = format.Malformed("a name at %d without an end", r.at)
		return ""
	}
	r.at += int64(i) + 1
	return string(b[:i])
}

func (r *reader) skip(n int64) {
	if r.err == nil && (n < 0 || n > r.end-r.at) {
		r.err = format.Malformed("the header ends within %d bytes at %d", n, r.at)
	}
	if r.err == nil {
		r.at += n
	}
}
