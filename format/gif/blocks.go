package gif

import (
	"bytes"
	"compress/lzw"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"varve/format"
	"varve/format/raster"
	"varve/format/window"
)

// file is what the blocks of a file say.
type file struct {
	w             *window.Window
	width, height int
	palette       []byte
	frames        []frame
	comments      []string
}

type frame struct {
	x, y, width, height int
	palette             []byte
	interlaced          bool
	delay               time.Duration
	dispose             byte
	transparent         int // colour; −1: none
	bits                int
	data                []window.Span // the pieces
}

// open reads the blocks, up to the trailer or to where most frames were read.
func open(ctx context.Context, in format.Input, most int) (*file, error) {
	f := &file{w: window.New(in)}
	b, err := f.w.At(0, 13)
	if err != nil {
		return nil, err
	}
	if string(b[:3]) != "GIF" {
		return nil, format.Malformed("it begins with %q", b[:6])
	}
	f.width, f.height = int(binary.LittleEndian.Uint16(b[6:])), int(binary.LittleEndian.Uint16(b[8:]))
	off, err := f.colours(b[10], 13, &f.palette)
	if err != nil {
		return nil, err
	}
	next := frame{transparent: -1}
	for len(f.frames) < most {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if b, err = f.w.At(off, 1); err != nil {
			return nil, format.Malformed("cut off: there is no end by byte %d", off)
		}
		switch b[0] {
		case 0x3b:
			if len(f.frames) == 0 {
				return nil, format.Malformed("there is no picture")
			}
			return f, nil
		case 0x21:
			off, err = f.extension(off, &next)
		case 0x2c:
			off, err = f.image(off, &next)
		default:
			err = format.Malformed("a block %02x at byte %d", b[0], off)
		}
		if err != nil {
			return nil, err
		}
	}
	if most >= maxFrames {
		return nil, fmt.Errorf("more than %d frames: %w", most, format.ErrLimit)
	}
	return f, nil
}

// colours reads a palette that flags say to follow at off, and returns where it ends.
func (f *file) colours(flags byte, off int64, to *[]byte) (int64, error) {
	if flags&0x80 == 0 {
		return off, nil
	}
	b, err := f.w.At(off, 3<<(flags&7+1))
	*to = bytes.Clone(b)
	return off + int64(len(b)), err
}

// pieces returns where the pieces from off lie, and where they end.
func (f *file) pieces(off int64) ([]window.Span, int64, error) {
	var list []window.Span
	for range maxPieces {
		b, err := f.w.At(off, 1)
		if err != nil {
			return nil, 0, format.Malformed("cut off: a block goes on at the end of the file, byte %d", off)
		}
		n := int64(b[0])
		if n == 0 {
			return list, off + 1, nil
		}
		if n > f.w.Size()-off-1 {
			return nil, 0, format.Malformed("cut off: %d bytes at byte %d of %d", n, off, f.w.Size())
		}
		list = append(list, window.Span{Off: off + 1, Len: n})
		off += 1 + n
	}
	return nil, 0, fmt.Errorf("a block of more than %d pieces: %w", maxPieces, format.ErrLimit)
}

func (f *file) extension(off int64, next *frame) (int64, error) {
	b, err := f.w.At(off, 2)
	if err != nil {
		return 0, err
	}
	kind := b[1]
	pieces, end, err := f.pieces(off + 2)
	if err != nil || len(pieces) == 0 {
		return end, err
	}
	switch {
	case kind == 0xf9 && pieces[0].Len >= 4:
		if b, err = f.w.At(pieces[0].Off, 4); err != nil {
			return 0, err
		}
		next.dispose = b[0] >> 2 & 7
		next.delay = time.Duration(binary.LittleEndian.Uint16(b[1:])) * 10 * time.Millisecond
		next.transparent = -1
		if b[0]&1 == 1 {
			next.transparent = int(b[3])
		}
	case kind == 0xfe && len(f.comments) < maxComments:
		text, err := io.ReadAll(io.LimitReader(f.w.Reader(pieces), 1<<16))
		if err != nil {
			return 0, err
		}
		f.comments = append(f.comments, strings.ToValidUTF8(string(text), "\uFFFD"))
	}
	return end, nil
}

func (f *file) image(off int64, next *frame) (int64, error) {
	b, err := f.w.At(off+1, 9)
	if err != nil {
		return 0, err
	}
	g := *next
	*next = frame{transparent: -1}
	at := func(i int) int { return int(binary.LittleEndian.Uint16(b[i:])) }
	g.x, g.y, g.width, g.height = at(0), at(2), at(4), at(6)
	flags := b[8]
	g.interlaced = flags&0x40 != 0
	if g.width == 0 || g.height == 0 {
		return 0, format.Malformed("frame %d is %d×%d", len(f.frames)+1, g.width, g.height)
	}
	if len(f.frames) == 0 { // some writers leave the canvas empty, or too small for the first
		f.width, f.height = max(f.width, g.x+g.width), max(f.height, g.y+g.height)
	}
	g.palette = f.palette
	end, err := f.colours(flags, off+10, &g.palette)
	if err != nil {
		return 0, err
	}
	if b, err = f.w.At(end, 1); err != nil {
		return 0, err
	}
	if g.bits = int(b[0]); g.bits < 2 || g.bits > 8 {
		return 0, format.Malformed("frame %d has codes of %d bits", len(f.frames)+1, g.bits)
	}
	if g.data, end, err = f.pieces(end + 1); err != nil {
		return 0, err
	}
	f.frames = append(f.frames, g)
	return end, nil
}

// pixels decodes a frame as RGB with alpha.
func (f *file) pixels(ctx context.Context, g *frame) (*raster.Image, error) {
	img, err := raster.New(g.width, g.height, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	r := lzw.NewReader(f.w.Reader(g.data), lzw.LSB, g.bits)
	defer r.Close()
	row := make([]byte, g.width)
	for i := range g.height {
		if i%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, err := io.ReadFull(r, row); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, format.Malformed("cut off: row %d of %d is not there", i+1, g.height)
			}
			return nil, format.Malformed("LZW: %v", err)
		}
		y := i
		if g.interlaced {
			y = interlaced(i, g.height)
		}
		out := img.RowU8(y)
		for x, c := range row {
			if int(c) == g.transparent {
				continue
			}
			px := out[4*x : 4*x+4]
			if k := 3 * int(c); k+3 <= len(g.palette) {
				copy(px, g.palette[k:k+3])
			}
			px[3] = 255
		}
	}
	return img, nil
}

// interlaced is the place of row i of those of a height: every 8th, every 8th from 4, every 4th from 2, every 2nd from 1.
func interlaced(i, height int) int {
	for _, p := range [4][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		n := max(0, (height-p[0]+p[1]-1)/p[1])
		if i < n {
			return p[0] + i*p[1]
		}
		i -= n
	}
	return height - 1
}
