package exr

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"varve/format"
)

// each is called with the lines of a level, from the top. lines are the samples of each channel, little-endian; nil where a
// channel has none in that line, or they are not there.
type each func(y int, lines [][]byte) error

// scan reads all samples of a level of a part. Chunks that are missing or damaged are passed over if partial; it returns how
// many were.
func (f *file) scan(ctx context.Context, p *part, l level, partial bool, do each) (lost int, err error) {
	if len(p.channels) == 0 {
		return 0, format.Malformed("no channels")
	}
	offsets, err := f.offsets(p)
	if err != nil {
		return 0, err
	}
	if partial && !p.guessed {
		p.guessed = true
		for _, at := range offsets {
			if at < f.chunks {
				f.mend()
				break
			}
		}
	}
	s := &scanner{file: f, p: p, partial: partial, do: do, lines: make([][]byte, len(p.channels))}
	if p.tiled {
		err = s.tiles(ctx, l, offsets)
	} else {
		err = s.scanlines(ctx, offsets)
	}
	return s.lost, err
}

type scanner struct {
	*file
	p       *part
	partial bool
	do      each
	lines   [][]byte
	dec     decoder
	lost    int
	band    []byte // a row of tiles
}

// read returns the samples of a chunk; nil where they are not there and need not be.
func (s *scanner) read(i int, at int64) (*chunk, []byte, error) {
	c, err := s.chunk(s.p, i, at)
	var b []byte
	if err == nil {
		b, err = s.samples(s.p, c, &s.dec)
	}
	if err != nil && s.partial && errors.Is(err, format.ErrMalformed) {
		s.lost++
		return nil, nil, nil
	}
	return c, b, err
}

func (s *scanner) scanlines(ctx context.Context, offsets []int64) error {
	p := s.p
	w := int(p.data.width())
	for i, at := range offsets {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, b, err := s.read(i, at)
		if err != nil {
			return err
		}
		y := p.data.y0 + i*p.lines()
		for end := min(y+p.lines(), p.data.y1+1); y < end; y++ {
			for k := range p.channels {
				ch := &p.channels[k]
				s.lines[k] = nil
				if c != nil && mod(y, ch.ys) == 0 {
					n := count(p.data.x0, w, ch.xs) * ch.size()
					s.lines[k], b = b[:n], b[n:]
				}
			}
			if err := s.do(y, s.lines); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scanner) tiles(ctx context.Context, l level, offsets []int64) error {
	p := s.p
	n := 0
	for i := range p.channels {
		if p.channels[i].xs != 1 || p.channels[i].ys != 1 {
			return format.Malformed("tiles of channels that are not in all pixels")
		}
		n += p.channels[i].size()
	}
	switch size := int64(n) * int64(l.w) * int64(min(p.th, l.h)); {
	case size > s.in.Size()*maxRatio+4096:
		return format.Malformed("a row of tiles of %d×%d in a file of %d bytes", l.w, p.th, s.in.Size())
	case size > maxRaw:
		return fmt.Errorf("a row of tiles of %d×%d: %w", l.w, p.th, format.ErrLimit)
	}
	s.band = make([]byte, n*l.w*min(p.th, l.h))
	for ty := range l.down {
		clear(s.band)
		some := false
		for tx := range l.across {
			if err := ctx.Err(); err != nil {
				return err
			}
			i := l.first + ty*l.across + tx
			c, b, err := s.read(i, offsets[i])
			if err != nil {
				return err
			}
			if c != nil {
				some = true
				s.place(l, c, b, n)
			}
		}
		if err := s.deliver(l, ty, n, some); err != nil {
			return err
		}
	}
	return nil
}

// place puts a tile into the band, whose lines have their channels one after the other.
func (s *scanner) place(l level, c *chunk, b []byte, n int) {
	w, h := min(s.p.tw, l.w-c.tx*s.p.tw), min(s.p.th, l.h-c.ty*s.p.th)
	for y := range h {
		at := y * n * l.w
		for k := range s.p.channels {
			size := s.p.channels[k].size()
			copy(s.band[at+c.tx*s.p.tw*size:], b[:w*size])
			b = b[w*size:]
			at += size * l.w
		}
	}
}

func (s *scanner) deliver(l level, ty, n int, some bool) error {
	for y := range min(s.p.th, l.h-ty*s.p.th) {
		at := y * n * l.w
		for k := range s.p.channels {
			size := s.p.channels[k].size() * l.w
			s.lines[k] = nil
			if some {
				s.lines[k] = s.band[at : at+size]
			}
			at += size
		}
		if err := s.do(s.p.data.y0+ty*s.p.th+y, s.lines); err != nil {
			return err
		}
	}
	return nil
}

// full is the level of all pixels.
func (p *part) full() level {
	if p.tiled {
		return p.levels[0]
	}
	return level{w: int(p.data.width()), h: int(p.data.height())}
}

// float returns sample k of a line.
func (c *channel) float(line []byte, k int) float32 {
	switch c.kind {
	case halfType:
		return toFloat(binary.LittleEndian.Uint16(line[2*k:]))
	case floatType:
		return math.Float32frombits(binary.LittleEndian.Uint32(line[4*k:]))
	}
	return float32(binary.LittleEndian.Uint32(line[4*k:]))
}
