// Package tga knows TGA: with palette, RGB and grey, 8 to 32 bits, plain and with run lengths.
//
// It promises: samples are those of the file, 5 bits as 8; rows from the top left, wherever they begin in the file.
// Alpha is what the header and the extension say is one. A file that ends before its pixels do is malformed. The format
// has no signature: a file is one by its name and by a header that makes sense.
//
// # Bytes, little-endian
//
//	0   3  length of the text after the header, palette (0, 1), kind (1 palette, 2 RGB, 3 grey; + 8: run lengths)
//	3   5  palette: first u16, colours u16, bits of one u8
//	8   8  x, y, width, height u16
//	16  2  bits of a pixel, flags (0F: bits of alpha, 10: from the right, 20: from the top)
//	18     text, palette, pixels: blue, green, red, alpha; 15 and 16 bits: arrrrrgg gggbbbbb
//	       run lengths: u8, n = 1 + its lower 7 bits, then one pixel n times (80), or n pixels
//	−26    extension's place u32, developer's place u32, "TRUEVISION-XFILE.\0"; in the extension, at 494: what alpha is
package tga

import (
	"bytes"
	"context"
	"encoding/binary"
	"path"
	"strings"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
)

const maxFile = 1 << 31

// Format is the format. It has no state.
type Format struct{}

// Name is "tga".
func (Format) Name() string { return "tga" }

// Match looks for the extension and a header that makes sense, or a file that was not written.
func (Format) Match(name string, head []byte) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".tga", ".icb", ".vda", ".vst":
	default:
		return false
	}
	if len(bytes.Trim(head, "\x00")) == 0 {
		return true
	}
	if len(head) < 18 {
		return head[0] == 0
	}
	_, err := header(head[:18])
	return err == nil
}

// file is what the header of a file says.
type file struct {
	width, height int
	kind          byte // 1, 2, 3
	packed        bool
	bits          int
	flags         byte
	first         int // of the palette
	palette       []byte
	paletteBits   int
	data          int64
	alpha         bool
	premultiplied bool
}

func header(b []byte) (*file, error) {
	u16 := func(i int) int { return int(binary.LittleEndian.Uint16(b[i:])) }
	f := &file{kind: b[2] &^ 8, packed: b[2]&8 != 0, first: u16(3), paletteBits: int(b[7]), width: u16(12), height: u16(14), bits: int(b[16]), flags: b[17]}
	known := false
	switch f.kind {
	case 1:
		known = b[1] == 1 && f.bits == 8 && u16(5) > 0
	case 2:
		known = f.bits == 15 || f.bits == 16 || f.bits == 24 || f.bits == 32
	case 3:
		known = f.bits == 8 || f.bits == 16
	}
	if b[1] > 1 || b[1] == 1 && f.paletteBits != 15 && f.paletteBits != 16 && f.paletteBits != 24 && f.paletteBits != 32 {
		known = false
	}
	if !known || f.width == 0 || f.height == 0 || f.flags&0xc0 != 0 {
		return nil, format.Malformed("a header of kind %d, %d bits, %d×%d", b[2], f.bits, f.width, f.height)
	}
	f.data = 18 + int64(b[0])
	if b[1] == 1 {
		f.data += int64(u16(5)) * int64((f.paletteBits+7)/8)
	}
	return f, nil
}

// open reads the header, the palette and what the end says of alpha.
func open(in format.Input) (*file, error) {
	b, err := format.ReadSpan(in, 0, 18, 18)
	if err != nil {
		return nil, err
	}
	f, err := header(b)
	if err != nil {
		return nil, err
	}
	if f.kind == 1 {
		n := int64(binary.LittleEndian.Uint16(b[5:])) * int64((f.paletteBits+7)/8)
		if f.palette, err = format.ReadSpan(in, f.data-n, n, 1<<18); err != nil {
			return nil, err
		}
	}
	deep := f.bits
	if f.kind == 1 {
		deep = f.paletteBits
	}
	f.alpha = f.flags&15 != 0 && (deep == 16 || deep == 32)
	f.extension(in)
	return f, nil
}

// extension reads of the end of the file whether the alpha is one.
func (f *file) extension(in format.Input) {
	b, err := format.ReadSpan(in, in.Size()-26, 26, 26)
	if err != nil || string(b[8:]) != "TRUEVISION-XFILE.\x00" {
		return
	}
	at := int64(binary.LittleEndian.Uint32(b))
	b, err = format.ReadSpan(in, at+494, 1, 1)
	if at == 0 || err != nil {
		return
	}
	switch b[0] {
	case 1, 2: // there are bits, and they mean nothing
		f.alpha = false
	case 4:
		f.premultiplied = f.alpha
	}
}

// Validate checks that the pixels are in the file.
func (Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(in)
	if err != nil {
		return err
	}
	_, err = f.pixels(ctx, in, nil)
	return err
}

// Decode gives the picture.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	if err := frames.Bound(f.width, f.height, in.Size()); err != nil {
		return nil, err
	}
	if _, err := f.pixels(ctx, in, nil); err != nil {
		return nil, err
	}
	model := raster.RGB
	if f.kind == 3 {
		model = raster.Gray
	}
	img, err := raster.New(f.width, f.height, model, f.alpha, raster.U8)
	if err != nil {
		return nil, err
	}
	img.Premultiplied = f.premultiplied
	return f.pixels(ctx, in, img)
}

// pixels reads all pixels, and puts them into an image, if there is one: it is what Validate does, too.
func (f *file) pixels(ctx context.Context, in format.Input, img *raster.Image) (*raster.Image, error) {
	size := (f.bits + 7) / 8
	total := f.width * f.height
	if !f.packed {
		if need := int64(total) * int64(size); f.data+need > in.Size() {
			return nil, format.Malformed("cut off: the pixels end at byte %d, the file at %d", f.data+need, in.Size())
		}
		if img == nil {
			return nil, nil
		}
	}
	if f.data > in.Size() {
		return nil, format.Malformed("cut off: the pixels begin at byte %d, the file ends at %d", f.data, in.Size())
	}
	b, err := format.ReadSpan(in, f.data, in.Size()-f.data, maxFile)
	if err != nil {
		return nil, err
	}
	for i := 0; i < total; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, run := min(f.width, total-i), false
		if f.packed {
			if len(b) == 0 {
				return nil, format.Malformed("cut off: %d of %d pixels are there", i, total)
			}
			n, run = min(int(b[0]&127)+1, total-i), b[0]&128 != 0
			b = b[1:]
		}
		take := n
		if run {
			take = 1
		}
		if len(b) < take*size {
			return nil, format.Malformed("cut off: %d of %d pixels are there", i, total)
		}
		for k := range n {
			if img == nil {
				break
			}
			at := k * size
			if run {
				at = 0
			}
			f.put(img, i+k, b[at:at+size])
		}
		i, b = i+n, b[take*size:]
	}
	return img, nil
}

// put puts pixel i, as the file counts them.
func (f *file) put(img *raster.Image, i int, b []byte) {
	x, y := i%f.width, f.height-1-i/f.width
	if f.flags&0x10 != 0 {
		x = f.width - 1 - x
	}
	if f.flags&0x20 != 0 {
		y = f.height - 1 - y
	}
	n := img.Channels()
	px := img.U8[(y*f.width+x)*n:][:n]
	bits := f.bits
	if f.kind == 1 {
		bits = f.paletteBits
		size := (bits + 7) / 8
		at := (int(b[0]) - f.first) * size
		if at < 0 || at+size > len(f.palette) {
			return
		}
		b = f.palette[at : at+size]
	}
	switch {
	case f.kind == 3:
		copy(px, b)
	case bits <= 16:
		v := binary.LittleEndian.Uint16(b)
		px[0], px[1], px[2] = five(v>>10), five(v>>5), five(v)
		if n == 4 {
			px[3] = byte(int16(v) >> 15)
		}
	default:
		px[0], px[1], px[2] = b[2], b[1], b[0]
		if n == 4 {
			px[3] = b[3]
		}
	}
}

// five is a number of 5 bits as one of 8.
func five(v uint16) byte { return byte((v&31*255 + 15) / 31) }

// Picture is the picture, decoded.
func (x Format) Picture(ctx context.Context, in format.Input, _ int) (*format.Picture, error) {
	return frames.Composited(x.Decode(ctx, in))
}

// Elements lists the picture.
func (x Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	p, err := x.Decode(ctx, in)
	return frames.Only(p, err, in.Size())
}

// Extract makes a PNG of the picture.
func (x Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	return frames.ExtractOnly(id, func() (*raster.Image, error) { return x.Decode(ctx, in) })
}
