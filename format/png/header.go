package png

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"

	"varve/format"
	"varve/format/window"
)

// file is what the chunks of a file say.
type file struct {
	in            format.Input
	w             *window.Window
	width, height int
	depth         int // bits of a sample
	colour        byte
	interlaced    bool
	palette       []byte // RGB of each colour
	trans         []byte // tRNS
	icc           chunk  // iCCP
	data          []window.Span
	animated      bool
	frames        []frame
	texts         []chunk
	end           int64
}

// frame is one of an animation.
type frame struct {
	x, y, width, height int
	num, den            uint16 // of the delay in seconds
	dispose, blend      byte
	data                []window.Span
}

// The kinds of colour.
const (
	grey      = 0
	rgb       = 2
	paletted  = 3
	greyAlpha = 4
	rgbAlpha  = 6
)

// open reads the chunks.
func open(ctx context.Context, in format.Input) (*file, error) {
	f := &file{in: in, w: window.New(in)}
	if err := walk(ctx, f.w, f.chunk); err != nil {
		return nil, err
	}
	if len(f.data) == 0 {
		return nil, format.Malformed("there is no picture (IDAT)")
	}
	if f.colour == paletted && f.palette == nil {
		return nil, format.Malformed("the palette is missing")
	}
	if !f.animated {
		f.frames = nil
	}
	for i := range f.frames {
		if len(f.frames[i].data) == 0 {
			return nil, format.Malformed("frame %d has no picture", i+1)
		}
	}
	return f, nil
}

func (f *file) chunk(c chunk) (err error) {
	switch c.kind {
	case "IHDR":
		return f.header(c)
	case "PLTE":
		if f.palette, err = f.bytes(c, 768); err == nil && (c.n == 0 || c.n%3 != 0) {
			return format.Malformed("the palette has %d bytes", c.n)
		}
		return err
	case "tRNS":
		f.trans, err = f.bytes(c, 256)
		if need := map[byte]int64{grey: 2, rgb: 6}[f.colour]; err == nil && c.n < need {
			return format.Malformed("the transparent colour has %d bytes", c.n)
		}
		return err
	case "iCCP":
		f.icc = c
	case "IDAT":
		f.data = append(f.data, window.Span{Off: c.off, Len: c.n})
		if n := len(f.frames); n == 1 { // fcTL before IDAT: the picture is the first frame
			f.frames[0].data = f.data
		}
	case "acTL":
		f.animated = len(f.data) == 0
	case "fcTL":
		return f.control(c)
	case "fdAT":
		n := len(f.frames)
		if c.n < 4 || n == 0 {
			return format.Malformed("a frame's data at byte %d has no frame", c.off)
		}
		f.frames[n-1].data = append(f.frames[n-1].data, window.Span{Off: c.off + 4, Len: c.n - 4})
	case "tEXt", "zTXt", "iTXt":
		if len(f.texts) < maxTexts {
			f.texts = append(f.texts, c)
		}
	case "IEND":
		f.end = c.off + c.n + 4
	}
	return nil
}

// bytes returns the data of a chunk.
func (f *file) bytes(c chunk, most int64) ([]byte, error) {
	if c.n > most {
		return nil, format.Malformed("chunk %s has %d bytes", c.kind, c.n)
	}
	b, err := f.w.At(c.off, int(c.n))
	return bytes.Clone(b), err
}

func (f *file) header(c chunk) error {
	if c.n != 13 || f.width != 0 {
		return format.Malformed("the header at byte %d has %d bytes", c.off, c.n)
	}
	b, err := f.w.At(c.off, 13)
	if err != nil {
		return err
	}
	width, height := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if width == 0 || height == 0 || width > 1<<31-1 || height > 1<<31-1 {
		return format.Malformed("the picture is %d×%d", width, height)
	}
	f.width, f.height, f.depth, f.colour = int(width), int(height), int(b[8]), b[9]
	depths := map[byte]string{grey: "\x01\x02\x04\x08\x10", rgb: "\x08\x10", paletted: "\x01\x02\x04\x08", greyAlpha: "\x08\x10", rgbAlpha: "\x08\x10"}[f.colour]
	if bytes.IndexByte([]byte(depths), b[8]) < 0 {
		return format.Malformed("colour %d of %d bits", b[9], b[8])
	}
	if b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return format.Unsupported("compression %d, filter %d, interlace %d", b[10], b[11], b[12])
	}
	f.interlaced = b[12] == 1
	return nil
}

func (f *file) control(c chunk) error {
	if c.n != 26 {
		return format.Malformed("the frame at byte %d has a header of %d bytes", c.off, c.n)
	}
	if len(f.frames) == maxFrames {
		return fmt.Errorf("more than %d frames: %w", maxFrames, format.ErrLimit)
	}
	b, err := f.w.At(c.off, 26)
	if err != nil {
		return err
	}
	at := func(i int) int { return int(binary.BigEndian.Uint32(b[i:])) }
	g := frame{width: at(4), height: at(8), x: at(12), y: at(16),
		num: binary.BigEndian.Uint16(b[20:]), den: binary.BigEndian.Uint16(b[22:]), dispose: b[24], blend: b[25]}
	if g.width <= 0 || g.height <= 0 || g.x+g.width > f.width || g.y+g.height > f.height || g.dispose > 2 || g.blend > 1 {
		return format.Malformed("frame %d is %d×%d at %d, %d", len(f.frames)+1, g.width, g.height, g.x, g.y)
	}
	if n := len(f.frames); n > 0 && len(f.frames[n-1].data) == 0 {
		return format.Malformed("frame %d has no picture", n)
	}
	f.frames = append(f.frames, g)
	return nil
}

// samples of a pixel as they stand in the file.
func (f *file) samples() int {
	return map[byte]int{grey: 1, rgb: 3, paletted: 1, greyAlpha: 2, rgbAlpha: 4}[f.colour]
}

// profile returns the ICC profile; nil if there is none, or none that can be read: the picture is good without.
func (f *file) profile() ([]byte, error) {
	if f.icc.n == 0 {
		return nil, nil
	}
	b, err := format.ReadSpan(f.in, f.icc.off, f.icc.n, 16*maxText)
	if err != nil {
		return nil, err
	}
	name := bytes.IndexByte(b, 0)
	if name < 0 || name+2 > len(b) {
		return nil, nil
	}
	icc, err := inflated(b[name+2:], 16*maxText)
	if err != nil {
		return nil, nil
	}
	return icc, nil
}

// inflated returns what is in a zlib stream, of at most a number of bytes.
func inflated(b []byte, most int64) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, format.Malformed("zlib: %v", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, format.Malformed("zlib: %v", err)
	}
	if int64(len(out)) > most {
		return nil, fmt.Errorf("more than %d bytes: %w", most, format.ErrLimit)
	}
	return out, nil
}
