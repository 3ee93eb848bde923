// Package bmp knows BMP, as Windows and OS/2 write it: 1 to 32 bits, palettes, run lengths, bit fields.
//
// It promises: samples are those of the file, fields of fewer bits as 8. Four bytes a pixel have alpha only where the
// header says so. A file that ends before its rows do is malformed.
//
// # Bytes, little-endian
//
//	0   2  "BM"
//	2  12  size of the file, 0, where the rows begin: u32 each
//	14  4  length of the header: 12 (OS/2), 40, 52, 56, 64, 108 or 124
//	18     width, height i32 (below 0: from the top), planes u16, bits u16, compression u32 (0 none, 1 RLE8, 2 RLE4,
//	       3 fields, 6 fields with alpha), size, resolution, colours u32, …; masks of red, green, blue, alpha u32
//	       (12: width, height, planes, bits, u16 each)
//	       the palette: blue, green, red, 0 (12: without the 0); rows, from the bottom, each of a multiple of 4 bytes
package bmp

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

// Name is "bmp".
func (Format) Name() string { return "bmp" }

// Match looks for the signature and a header that there is, also for a file of that name which was not written.
func (Format) Match(name string, head []byte) bool {
	if len(head) >= 18 && string(head[:2]) == "BM" {
		switch binary.LittleEndian.Uint32(head[14:]) {
		case 12, 16, 40, 52, 56, 64, 108, 124:
			return true
		}
	}
	ext := strings.ToLower(path.Ext(name))
	return (ext == ".bmp" || ext == ".dib") && (bytes.HasPrefix(head, []byte("BM")) || len(bytes.Trim(head, "\x00")) == 0)
}

// Validate checks that the rows are in the file.
func (Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(in)
	if err != nil {
		return err
	}
	if f.packed() {
		_, err = f.decode(ctx, in)
		return err
	}
	return f.inside(in)
}

// Decode gives the picture.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	return f.decode(ctx, in)
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

// Extract makes a PNG of the picture.
func (x Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	return frames.ExtractOnly(id, func() (*raster.Image, error) { return x.Decode(ctx, in) })
}
