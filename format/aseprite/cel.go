package aseprite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"

	"varve/format"
)

const maxPixels = 256 << 20 // bytes of a cel or tileset, not compressed

// inflate returns n bytes of a zlib stream. It takes memory as there are bytes, not as they are promised.
func (s *sprite) inflate(ctx context.Context, at, packed, n int64) ([]byte, error) {
	if n > maxPixels {
		return nil, fmt.Errorf("%d bytes of pixels: %w", n, format.ErrLimit)
	}
	if packed < 0 || at > s.in.Size() || packed > s.in.Size()-at {
		return nil, format.Malformed("%d bytes of pixels at %d", packed, at)
	}
	z, err := zlib.NewReader(io.NewSectionReader(s.in, at, packed))
	if err != nil {
		return nil, format.Malformed("pixels at %d: %v", at, err)
	}
	var out bytes.Buffer
	if n < 64*packed {
		out.Grow(int(n) + bytes.MinRead)
	}
	for int64(out.Len()) < n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := io.CopyN(&out, z, min(1<<20, n-int64(out.Len()))); err != nil {
			return nil, format.Malformed("pixels at %d: %d bytes of %d: %v", at, out.Len(), n, err)
		}
	}
	return out.Bytes(), nil
}

// hash is of a cel's pixels, which many may share.
func (s *sprite) hash(ctx context.Context, c *cel) (string, error) {
	c, err := c.real()
	if err != nil {
		return "", err
	}
	if c.kind > 3 {
		return "", nil
	}
	if c.hash == "" {
		b, err := s.raw(ctx, c)
		if err != nil {
			return "", err
		}
		c.hash = format.HashOf(b)
	}
	return c.hash, nil
}

// raw returns the pixels of a cel that is no link, or the tiles of a tilemap.
func (s *sprite) raw(ctx context.Context, c *cel) ([]byte, error) {
	n := int64(c.width) * int64(c.height)
	rest := c.chunk.at + c.chunk.size - c.body
	switch c.kind {
	case 0:
		n *= int64(s.bits / 8)
		if n > rest {
			return nil, format.Malformed("a cel of %d×%d with %d bytes", c.width, c.height, rest)
		}
		return format.ReadSpan(s.in, c.body, n, maxPixels)
	case 2:
		return s.inflate(ctx, c.body, rest, n*int64(s.bits/8))
	case 3:
		if c.tiles.bits != 32 && c.tiles.bits != 16 && c.tiles.bits != 8 {
			return nil, format.Unsupported("tiles of %d bits", c.tiles.bits)
		}
		return s.inflate(ctx, c.body, rest, n*int64(c.tiles.bits/8))
	}
	return nil, format.Unsupported("cel kind %d", c.kind)
}

// tilePixels returns the tiles of a tileset, one below the other.
func (s *sprite) tilePixels(ctx context.Context, t *tileset) ([]byte, error) {
	if t.packed == 0 {
		return nil, format.Unsupported("a tileset in another file")
	}
	if t.pixels == nil {
		n := int64(t.width) * int64(t.height) // less than 2^32
		if int64(t.count) > maxPixels/n {
			return nil, fmt.Errorf("%d tiles of %d×%d: %w", t.count, t.width, t.height, format.ErrLimit)
		}
		b, err := s.inflate(ctx, t.body, t.packed, n*int64(t.count)*int64(s.bits/8))
		if err != nil {
			return nil, err
		}
		t.pixels = b
	}
	return t.pixels, nil
}

// tilesetOf returns the tileset of a tilemap, nil if it is not there.
func (s *sprite) tilesetOf(l *layer) *tileset {
	for _, t := range s.tilesets {
		if l.kind == tilemapLayer && t.number == l.tileset {
			return t
		}
	}
	return nil
}

// pixels returns a cel's pixels with their size: what tiles show, for a tilemap.
func (s *sprite) pixels(ctx context.Context, c *cel) (pix []byte, w, h int, err error) {
	c, err = c.real()
	if err != nil {
		return nil, 0, 0, err
	}
	raw, err := s.raw(ctx, c)
	if err != nil || c.kind != 3 {
		return raw, c.width, c.height, err
	}
	t := s.tilesetOf(c.layer)
	if t == nil {
		return nil, 0, 0, format.Malformed("layer %q has no tileset", c.layer.name)
	}
	tiles, err := s.tilePixels(ctx, t)
	if err != nil {
		return nil, 0, 0, err
	}
	w, h = c.width*t.width, c.height*t.height
	size := s.bits / 8
	if int64(w)*int64(h)*int64(size) > maxPixels {
		return nil, 0, 0, fmt.Errorf("a tilemap of %d×%d: %w", w, h, format.ErrLimit)
	}
	pix = make([]byte, w*h*size)
	for i := range c.width * c.height {
		if err := ctx.Err(); err != nil {
			return nil, 0, 0, err
		}
		v := c.tiles.value(raw, i)
		n := v & c.tiles.id
		if n >= t.count || n == 0 && t.flags&4 != 0 {
			continue // the empty one
		}
		t.put(pix, tiles[int(n)*t.width*t.height*size:], i%c.width, i/c.width, w, size, c.tiles, v)
	}
	return pix, w, h, nil
}

func (b *tileBits) value(raw []byte, i int) uint32 {
	switch b.bits {
	case 8:
		return uint32(raw[i])
	case 16:
		return uint32(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return binary.LittleEndian.Uint32(raw[4*i:])
}

// put writes a tile into a picture, turned as its bits say.
func (t *tileset) put(pix, tile []byte, col, row, w, size int, bits tileBits, v uint32) {
	for y := range t.height {
		for x := range t.width {
			u, k := x, y
			if v&bits.flipX != 0 {
				u = t.width - 1 - u
			}
			if v&bits.flipY != 0 {
				k = t.height - 1 - k
			}
			if v&bits.diagonal != 0 && t.width == t.height {
				u, k = k, u
			}
			to := ((row*t.height+y)*w + col*t.width + x) * size
			from := (k*t.width + u) * size
			copy(pix[to:to+size], tile[from:from+size])
		}
	}
}

// palette returns the colours that hold in the frames before one, the first if that is 0.
func (s *sprite) palette(before int) ([][4]byte, error) {
	var out [][4]byte
	modern := false
	for _, p := range s.palettes {
		modern = modern || p.chunk.kind == kindPalette
	}
	for _, p := range s.palettes {
		if p.frame >= max(before, 1) {
			break
		}
		r := &reader{in: s.in, at: p.chunk.at + chunkSize, end: p.chunk.at + p.chunk.size}
		if p.chunk.kind == kindPalette {
			n, first, last := r.u32(), r.u32(), r.u32()
			r.skip(8)
			if n > 1<<16 || last >= n && r.err == nil && n > 0 || first > last && n > 0 {
				return nil, format.Malformed("a palette of %d with %d to %d", n, first, last)
			}
			out = append(out, make([][4]byte, max(0, int(n)-len(out)))...)[:n]
			for i := first; i <= last && r.err == nil && n > 0; i++ {
				named := r.u16()&1 != 0
				copy(out[i][:], r.take(4))
				if named {
					r.text()
				}
			}
		} else if !modern {
			out = oldPalette(r, out, p.chunk.kind == kindOldPalette6)
		}
		if r.err != nil {
			return nil, fmt.Errorf("palette: %w", r.err)
		}
	}
	return out, nil
}

func oldPalette(r *reader, out [][4]byte, six bool) [][4]byte {
	at := 0
	for n := r.u16(); n > 0 && r.err == nil; n-- {
		at += int(r.u8())
		count := int(r.u8())
		if count == 0 {
			count = 256
		}
		for ; count > 0 && r.err == nil && at < 256; count-- {
			c := [4]byte{3: 255}
			copy(c[:], r.take(3))
			for i := range 3 {
				if six {
					c[i] = c[i]<<2 | c[i]>>4
				}
			}
			for len(out) <= at {
				out = append(out, [4]byte{3: 255})
			}
			out[at] = c
			at++
		}
	}
	return out
}
