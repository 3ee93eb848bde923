package exr

import (
	"encoding/binary"
	"fmt"

	"varve/format"
)

const (
	maxRaw   = 256 << 20 // bytes of a chunk, decompressed
	maxRatio = 2048      // of a chunk decompressed to compressed; no method has more
)

// chunk is where the bytes of one are.
type chunk struct {
	at, size int64
	y        int // the first line, of scanlines
	tx, ty   int // of tiles
	lx, ly   int
}

// offsets returns the table of a part. Where it is not complete, for the file was not written to its end, it is made of
// the chunks that are there; the others are 0.
func (f *file) offsets(p *part) ([]int64, error) {
	if p.table != nil {
		return p.table, nil
	}
	b, err := format.ReadSpan(f.in, p.tableAt, 8*int64(p.chunks), f.in.Size())
	if err != nil {
		return nil, err
	}
	out := make([]int64, p.chunks)
	for i := range out {
		if v := binary.LittleEndian.Uint64(b[8*i:]); v < uint64(f.in.Size()) {
			out[i] = int64(v)
		}
	}
	p.table = out
	return out, nil
}

// head returns the length of what is before the bytes of a chunk.
func (f *file) head(p *part) int64 {
	n := int64(8)
	if p.tiled {
		n = 20
	}
	if p.deep {
		n += 20
	}
	if f.multi {
		n += 4
	}
	return n
}

// chunk reads the head of a chunk, and checks that it is the i-th of its part.
func (f *file) chunk(p *part, i int, at int64) (*chunk, error) {
	if at < f.chunks {
		return nil, format.Malformed("part %d: chunk %d of %d is not there", p.index, i, p.chunks)
	}
	c, k, err := f.anyChunk(p, at)
	if err != nil {
		return nil, fmt.Errorf("part %d: chunk %d at %d: %w", p.index, i, at, err)
	}
	if k != i {
		return nil, format.Malformed("part %d: chunk %d at %d is chunk %d", p.index, i, at, k)
	}
	return c, nil
}

// anyChunk reads the head of a chunk, and returns which it is of its part.
func (f *file) anyChunk(p *part, at int64) (*chunk, int, error) {
	n := f.head(p)
	b, err := format.ReadSpan(f.in, at, n, n)
	if err != nil {
		return nil, 0, err
	}
	v := func() int {
		x := int(int32(binary.LittleEndian.Uint32(b)))
		b = b[4:]
		return x
	}
	if f.multi {
		if k := v(); k != p.index {
			return nil, 0, format.Malformed("it is of part %d", k)
		}
	}
	c := &chunk{at: at + n}
	k := -1
	if p.tiled {
		c.tx, c.ty, c.lx, c.ly = v(), v(), v(), v()
		for _, l := range p.levels {
			if l.lx == c.lx && l.ly == c.ly && c.tx >= 0 && c.tx < l.across && c.ty >= 0 && c.ty < l.down {
				k = l.first + c.ty*l.across + c.tx
			}
		}
	} else {
		c.y = v()
		if d := c.y - p.data.y0; d >= 0 && c.y <= p.data.y1 && d%p.lines() == 0 {
			k = d / p.lines()
		}
	}
	if p.compression > 9 {
		k = max(k, 0)
	}
	if k < 0 {
		return nil, 0, format.Malformed("it is of no place in the part")
	}
	if p.deep {
		table, samples := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		if table > 1<<40 || samples > 1<<40 {
			return nil, 0, format.Malformed("%d and %d bytes", table, samples)
		}
		c.size = int64(table + samples)
	} else {
		c.size = int64(v())
	}
	if c.size < 0 || c.size > f.in.Size()-c.at {
		return nil, 0, format.Malformed("%d bytes in a file of %d", c.size, f.in.Size())
	}
	return c, k, nil
}

// mend fills the table of a part with the chunks that follow each other from where they begin.
func (f *file) mend() {
	at := f.chunks
	for at < f.in.Size() {
		var of *part
		var c *chunk
		var k int
		for _, p := range f.parts {
			var err error
			if c, k, err = f.anyChunk(p, at); err == nil {
				of = p
				break
			}
			if !f.multi {
				return
			}
		}
		if of == nil {
			return
		}
		if t, err := f.offsets(of); err == nil && k < len(t) && t[k] < f.chunks {
			t[k] = at
		}
		at = c.at + c.size
	}
}

// area returns the rectangle of a chunk's samples in its level, whose top left is the data window's.
func (p *part) area(c *chunk) (x, y, w, h int) {
	if !p.tiled {
		return p.data.x0, c.y, int(p.data.width()), min(p.lines(), p.data.y1-c.y+1)
	}
	for _, l := range p.levels {
		if l.lx == c.lx && l.ly == c.ly {
			x, y = c.tx*p.tw, c.ty*p.th
			return p.data.x0 + x, p.data.y0 + y, min(p.tw, l.w-x), min(p.th, l.h-y)
		}
	}
	return 0, 0, 0, 0
}

// count returns how many of n coordinates from a on have a sample.
func count(a, n, every int) int {
	if every == 1 {
		return n
	}
	floor := func(v int) int {
		if v < 0 {
			return -((-v + every - 1) / every)
		}
		return v / every
	}
	return floor(a+n-1) - floor(a-1)
}

// samples returns the decompressed bytes of a chunk, into a buffer that may be used again.
func (f *file) samples(p *part, c *chunk, d *decoder) ([]byte, error) {
	if p.deep {
		return nil, format.Unsupported("deep samples")
	}
	x, y, w, h := p.area(c)
	n := int64(0)
	for i := range p.channels {
		ch := &p.channels[i]
		n += int64(count(x, w, ch.xs)) * int64(count(y, h, ch.ys)) * int64(ch.size())
	}
	switch {
	case n > maxRaw:
		return nil, fmt.Errorf("a chunk of %d bytes: %w", n, format.ErrLimit)
	case n > c.size*maxRatio+4096 || p.compression == 0 && n != c.size:
		return nil, format.Malformed("a chunk of %d bytes has %d for %d×%d", n, c.size, w, h)
	}
	b, err := format.ReadSpan(f.in, c.at, c.size, maxRaw+4096)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) == n {
		return b, nil
	}
	if int64(cap(d.raw)) < n {
		d.raw = make([]byte, n)
	}
	d.raw = d.raw[:n]
	if err := d.decode(p, b, x, y, w, h); err != nil {
		return nil, fmt.Errorf("chunk at %d: %w", c.at, err)
	}
	return d.raw, nil
}
