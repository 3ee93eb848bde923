// Package pnm knows the portable pictures: PBM, PGM, PPM, PAM and PFM.
//
// It promises: samples are those of the file; where white is neither 255 nor 65535, they are scaled to the one that
// holds them. Floats are as they are, linear light; the scale that the header gives is not applied. A file that ends
// before its pixels do is malformed; what is after the first picture is not looked at.
//
// # Bytes
//
//	"P1" … "P6", words between spaces (# to the end of the line is a comment): width, height, and but for P1 and P4
//	white; one space; samples, as words (P1, P2, P3), bits (P4: 1 is black) or u8, or u16 BE where white is over 255
//	"P7", lines WIDTH, HEIGHT, DEPTH, MAXVAL, TUPLTYPE and a word, to ENDHDR; samples
//	"PF" colour, "Pf" grey, width, height, scale (below 0: little-endian); rows of floats from the bottom
package pnm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path"
	"strings"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
)

const (
	maxHeader = 64 << 10
	maxFile   = 1 << 32
	maxWidth  = 1 << 24
)

// Format is the format. It has no state.
type Format struct{}

// Name is "pnm".
func (Format) Name() string { return "pnm" }

// Match looks for the signature and a space, and for the extension, for the signature is short.
func (Format) Match(name string, head []byte) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".pfm":
	default:
		return false
	}
	if len(bytes.Trim(head, "\x00")) == 0 {
		return true
	}
	return len(head) < 3 || head[0] == 'P' && strings.IndexByte("1234567fF", head[1]) >= 0 && space(head[2])
}

func space(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// file is what the header of a file says.
type file struct {
	kind          byte
	width, height int
	white         int
	channels      int
	alpha         bool
	order         binary.ByteOrder // of floats
	data          int64
}

// words are the first of a file, and how many bytes of it they took.
type words struct {
	b  []byte
	at int
}

// next returns a word, and takes the one space after it.
func (w *words) next() (string, error) {
	for w.at < len(w.b) {
		switch c := w.b[w.at]; {
		case c == '#':
			for w.at < len(w.b) && w.b[w.at] != '\n' {
				w.at++
			}
		case space(c):
			w.at++
		default:
			from := w.at
			for w.at < len(w.b) && !space(w.b[w.at]) && w.b[w.at] != '#' {
				w.at++
			}
			s := string(w.b[from:w.at])
			if w.at < len(w.b) && space(w.b[w.at]) {
				w.at++
			}
			return s, nil
		}
	}
	return "", format.Malformed("cut off: the header has no end")
}

// number returns a word that is a number of 1 to most.
func (w *words) number(most int) (int, error) {
	s, err := w.next()
	if err != nil {
		return 0, err
	}
	var n int
	if _, err := fmt.Sscanf(s, "%d", &n); err != nil || n < 1 || n > most {
		return 0, format.Malformed("%.20q in the header", s)
	}
	return n, nil
}

// open reads the header.
func open(in format.Input) (*file, error) {
	b, err := format.ReadSpan(in, 0, min(in.Size(), maxHeader), maxHeader)
	if err != nil {
		return nil, err
	}
	if len(b) < 3 || b[0] != 'P' || !space(b[2]) {
		return nil, format.Malformed("it begins with %.3q", b)
	}
	f := &file{kind: b[1], white: 1, channels: 1}
	w := &words{b, 2}
	switch f.kind {
	case '1', '2', '3', '4', '5', '6', 'f', 'F':
		err = f.plain(w)
	case '7':
		err = f.named(w)
	default:
		err = format.Malformed("it begins with %.2q", b)
	}
	f.data = int64(w.at)
	return f, err
}

func (f *file) plain(w *words) (err error) {
	if f.kind == '3' || f.kind == '6' || f.kind == 'F' {
		f.channels = 3
	}
	if f.width, err = w.number(maxWidth); err != nil {
		return err
	}
	if f.height, err = w.number(maxWidth); err != nil {
		return err
	}
	switch f.kind {
	case '1', '4':
		return nil
	case 'f', 'F':
		s, err := w.next()
		var scale float64
		if _, e := fmt.Sscanf(s, "%g", &scale); err != nil || e != nil || scale == 0 {
			return format.Malformed("the scale %.20q", s)
		}
		f.order = binary.ByteOrder(binary.BigEndian)
		if scale < 0 {
			f.order = binary.LittleEndian
		}
		return nil
	}
	f.white, err = w.number(65535)
	return err
}

// named reads the header of a PAM.
func (f *file) named(w *words) error {
	for {
		name, err := w.next()
		if err != nil {
			return err
		}
		switch name {
		case "ENDHDR":
			if f.width == 0 || f.height == 0 {
				return format.Malformed("the header gives no size")
			}
			if f.alpha = f.channels == 2 || f.channels == 4; f.channels > 4 {
				return format.Unsupported("%d channels", f.channels)
			}
			return nil
		case "WIDTH":
			f.width, err = w.number(maxWidth)
		case "HEIGHT":
			f.height, err = w.number(maxWidth)
		case "DEPTH":
			f.channels, err = w.number(1 << 16)
		case "MAXVAL":
			f.white, err = w.number(65535)
		case "TUPLTYPE":
			_, err = w.next()
		default:
			return format.Malformed("%.20q in the header", name)
		}
		if err != nil {
			return err
		}
	}
}

func (f *file) words() bool { return f.kind >= '1' && f.kind <= '3' }

// stride is the bytes of a row.
func (f *file) stride() int64 {
	n := int64(f.width) * int64(f.channels)
	switch {
	case f.kind == '4':
		return (n + 7) / 8
	case f.order != nil:
		return 4 * n
	case f.white > 255:
		return 2 * n
	}
	return n
}

// Validate checks that the pixels are in the file.
func (x Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(in)
	if err != nil {
		return err
	}
	if f.words() {
		_, err = x.Decode(ctx, in)
		return err
	}
	return f.inside(in)
}

func (f *file) inside(in format.Input) error {
	least := f.stride() * int64(f.height)
	if f.words() { // a digit each, and but for bits a space
		least = int64(f.width) * int64(f.height) * int64(f.channels)
	}
	if end := f.data + least; end > in.Size() {
		return format.Malformed("cut off: the pixels end at byte %d, the file at %d", end, in.Size())
	}
	return nil
}

// Regions are the floats of a PFM.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	f, err := open(in)
	if err != nil || f.order != binary.ByteOrder(binary.LittleEndian) || f.inside(in) != nil {
		return nil, err
	}
	return []format.Region{{Off: f.data, Len: f.stride() * int64(f.height), Width: 4}}, nil
}

// Decode gives the picture.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	if err := f.inside(in); err != nil {
		return nil, err
	}
	model, depth := raster.Gray, raster.U8
	if f.channels >= 3 {
		model = raster.RGB
	}
	if f.order != nil {
		depth = raster.F32
	} else if f.white > 255 {
		depth = raster.U16
	}
	img, err := raster.New(f.width, f.height, model, f.alpha, depth)
	if err != nil {
		return nil, err
	}
	img.Linear = f.order != nil
	if f.words() {
		return img, f.read(ctx, in, img)
	}
	for y := range f.height {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b, err := format.ReadSpan(in, f.data+int64(y)*f.stride(), f.stride(), maxFile)
		if err != nil {
			return nil, err
		}
		f.row(img, y, b)
	}
	return img, nil
}

// row puts a row of samples.
func (f *file) row(img *raster.Image, y int, b []byte) {
	switch {
	case f.order != nil:
		out := img.RowF32(f.height - 1 - y)
		for i := range out {
			out[i] = math.Float32frombits(f.order.Uint32(b[4*i:]))
		}
	case f.kind == '4':
		out := img.RowU8(y)
		for i := range out {
			out[i] = b[i/8]>>(7-i%8)&1 - 1 // 1 is black
		}
	case f.white > 255:
		out := img.RowU16(y)
		for i := range out {
			out[i] = uint16(f.scale(int(binary.BigEndian.Uint16(b[2*i:])), 65535))
		}
	default:
		out := img.RowU8(y)
		for i := range out {
			out[i] = uint8(f.scale(int(b[i]), 255))
		}
	}
}

// scale makes a sample of one whose white is another; what is over it is white.
func (f *file) scale(v, white int) int {
	if f.white == white {
		return v
	}
	return (min(v, f.white)*white + f.white/2) / f.white
}

// read reads samples that are words, or digits 0 and 1.
func (f *file) read(ctx context.Context, in format.Input, img *raster.Image) error {
	b, err := format.ReadSpan(in, f.data, in.Size()-f.data, maxFile)
	if err != nil {
		return err
	}
	w := &words{b: b}
	n := f.width * f.height * f.channels
	for i := range n {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if f.kind == '1' {
			for w.at < len(b) && b[w.at] != '0' && b[w.at] != '1' {
				w.at++
			}
			if w.at == len(b) {
				return format.Malformed("cut off: %d of %d samples are there", i, n)
			}
			img.U8[i] = b[w.at] - '1' // 1 is black
			if b[w.at] == '1' {
				img.U8[i] = 0
			}
			w.at++
			continue
		}
		s, err := w.next()
		if err != nil {
			return format.Malformed("cut off: %d of %d samples are there", i, n)
		}
		v := 0
		for _, c := range []byte(s) {
			if v = 10*v + int(c-'0'); c < '0' || c > '9' || v > 65535 {
				return format.Malformed("sample %d is %.20q", i, s)
			}
		}
		if img.Depth == raster.U16 {
			img.U16[i] = uint16(f.scale(v, 65535))
		} else {
			img.U8[i] = uint8(f.scale(v, 255))
		}
	}
	return nil
}

// Picture is the picture, decoded.
func (x Format) Picture(ctx context.Context, in format.Input, _ int) (*format.Picture, error) {
	return frames.Composited(x.Decode(ctx, in))
}

// Elements lists the picture.
func (x Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	p, err := x.Decode(ctx, in)
	return frames.Only(p, err, in.Size())
}

// Extract makes a file of the picture.
func (x Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	return frames.ExtractOnly(id, func() (*raster.Image, error) { return x.Decode(ctx, in) })
}
