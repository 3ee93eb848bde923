// Package hdr knows Radiance's pictures, .hdr: red, green and blue with one exponent.
//
// It promises: samples are linear light as the file has it, as floats, which hold it exactly; what the header says of
// exposure is not applied. A file that ends before its rows do is malformed.
//
// # Bytes
//
//	"#?RADIANCE" or "#?RGBE", lines of NAME=value to an empty one, then "-Y height +X width" and a newline
//	a row: 02 02 and its width u16 BE, then red, green, blue, exponent each by itself: n > 128: a byte n−128 times,
//	else n bytes; or, in old files, pixels of four bytes, of which 01 01 01 n repeats the one before
package hdr

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
)

const (
	maxHeader = 64 << 10
	maxFile   = 1 << 31
)

// Format is the format. It has no state.
type Format struct{}

// Name is "hdr".
func (Format) Name() string { return "hdr" }

// Match looks for the signature, also for a file of that name which was not written.
func (Format) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte("#?RADIANCE")) || bytes.HasPrefix(head, []byte("#?RGBE")) {
		return true
	}
	return strings.EqualFold(path.Ext(name), ".hdr") && len(head) > 0 && len(bytes.Trim(head, "\x00")) == 0
}

// file is what the header of a file says.
type file struct {
	width, height int // of the rows as they lie in the file
	orientation   int // as EXIF counts them
	data          []byte
}

// open reads the file and its header.
func open(in format.Input) (*file, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxFile)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(b, []byte("#?")) {
		return nil, format.Malformed("it begins with %.10q", b)
	}
	for n := 0; n < maxHeader; {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			break
		}
		n += len(line) + 1
		b = rest
		if s, is := bytes.CutPrefix(line, []byte("FORMAT=")); is && string(bytes.TrimSpace(s)) != "32-bit_rle_rgbe" {
			return nil, format.Unsupported("samples of the kind %.32q", s)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return resolution(b)
		}
	}
	return nil, format.Malformed("cut off: the header has no end")
}

// resolution reads the line before the pixels.
func resolution(b []byte) (*file, error) {
	line, _, ok := bytes.Cut(b[:min(len(b), 128)], []byte("\n"))
	w := strings.Fields(string(line))
	if !ok || len(w) != 4 || len(w[0]) != 2 || len(w[2]) != 2 {
		return nil, format.Malformed("the size is %.32q", line)
	}
	f := &file{data: b[len(line)+1:]}
	turned := map[string]int{"-Y+X": 1, "-Y-X": 2, "+Y-X": 3, "+Y+X": 4, "+X-Y": 5, "+X+Y": 6, "-X+Y": 7, "-X-Y": 8}
	if f.orientation = turned[w[0]+w[2]]; f.orientation == 0 {
		return nil, format.Malformed("the size is %.32q", line)
	}
	var err error
	if f.height, err = strconv.Atoi(w[1]); err == nil {
		f.width, err = strconv.Atoi(w[3])
	}
	if err != nil || f.width <= 0 || f.height <= 0 {
		return nil, format.Malformed("the size is %.32q", line)
	}
	return f, nil
}

// Validate reads all rows.
func (Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(in)
	if err != nil {
		return err
	}
	return f.rows(ctx, in.Size(), func(int, []byte) {})
}

// Decode gives the picture, upright.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	if err := frames.Bound(f.width, f.height, in.Size()); err != nil {
		return nil, err
	}
	img, err := raster.New(f.width, f.height, raster.RGB, false, raster.F32)
	if err != nil {
		return nil, err
	}
	img.Linear = true
	err = f.rows(ctx, in.Size(), func(y int, row []byte) {
		out := img.RowF32(y)
		for x := range f.width {
			px := row[4*x : 4*x+4]
			if px[3] == 0 {
				continue
			}
			for c := range 3 {
				out[3*x+c] = float32(math.Ldexp(float64(px[c]), int(px[3])-136))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return img.Orient(f.orientation), nil
}

// rows calls visit with each row, of four bytes a pixel.
func (f *file) rows(ctx context.Context, size int64, visit func(y int, row []byte)) error {
	if f.width > raster.MaxPixels || int64(f.width)*int64(f.height) > raster.MaxPixels {
		return fmt.Errorf("%w: %d×%d", raster.ErrSize, f.width, f.height)
	}
	if err := frames.Bound(f.width, f.height, size); err != nil {
		return err
	}
	row := make([]byte, 4*f.width)
	b := f.data
	for y := range f.height {
		if err := ctx.Err(); err != nil {
			return err
		}
		var ok bool
		if len(b) >= 4 && b[0] == 2 && b[1] == 2 && int(b[2])<<8|int(b[3]) == f.width && f.width >= 8 && f.width < 0x8000 {
			b, ok = parted(row, b[4:], f.width)
		} else {
			b, ok = plain(row, b)
		}
		if !ok {
			return format.Malformed("cut off: row %d of %d is not whole", y+1, f.height)
		}
		visit(y, row)
	}
	return nil
}

// parted reads a row whose parts lie one after another, and returns what is after it.
func parted(row, b []byte, width int) (rest []byte, ok bool) {
	for c := range 4 {
		for x := 0; x < width; {
			if len(b) < 2 {
				return nil, false
			}
			n, run := int(b[0]), b[0] > 128
			if run {
				n -= 128
			}
			if n == 0 || n > width-x || !run && len(b) < 1+n {
				return nil, false
			}
			for i := range n {
				v := b[1]
				if !run {
					v = b[1+i]
				}
				row[4*(x+i)+c] = v
			}
			x += n
			if run {
				n = 1
			}
			b = b[1+n:]
		}
	}
	return b, true
}

// plain reads a row of pixels, of which some repeat the one before: runs that follow one another count on.
func plain(row, b []byte) (rest []byte, ok bool) {
	shift := 0
	for x := 0; x < len(row); {
		if len(b) < 4 {
			return nil, false
		}
		px := b[:4]
		b = b[4:]
		if px[0] != 1 || px[1] != 1 || px[2] != 1 {
			copy(row[x:], px)
			x, shift = x+4, 0
			continue
		}
		n := int(px[3]) << shift
		if shift += 8; shift > 24 || x == 0 || n > (len(row)-x)/4 {
			return nil, false
		}
		for range n {
			copy(row[x:x+4], row[x-4:x])
			x += 4
		}
	}
	return b, true
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
