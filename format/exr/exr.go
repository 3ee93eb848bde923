// Package exr knows OpenEXR files: parts, layers, channels, in scanlines and tiles.
//
// It promises: samples are those of the file, halves as floats that are the same numbers. What is told of a channel is of its
// samples, not of how they are compressed. Of a file that was not written to its end, what is there is shown.
//
// Lossy DCT (DWAA, DWAB) and deep parts are listed, and their samples are not read.
//
// # Bytes
//
// All numbers are little-endian.
//
//	0  4  76 2F 31 01
//	4  4  version 2, and flags: 200 one tiled part, 400 long names, 800 deep, 1000 several parts
//	8     headers, each attributes and a 0; of several parts one more 0
//	      offset tables: of each part u64 for each chunk
//	      chunks: i32 part (if several), then of scanlines i32 y, i32 size, bytes, of tiles i32 column, row, level across,
//	      level down, size, bytes
//
// An attribute is name, 0, type, 0, i32 size, bytes. Decompressed, a chunk has its lines one after the other, each with its
// channels one after the other, in the order of their names.
package exr

import (
	"bytes"
	"context"

	"varve/format"
)

const magic = "\x76\x2f\x31\x01"

// Format is the format. It has no state.
type Format struct{}

// Name is "exr".
func (Format) Name() string { return "exr" }

// Match looks for the magic bytes and version 2.
func (Format) Match(_ string, head []byte) bool {
	return len(head) >= 8 && bytes.HasPrefix(head, []byte(magic)) && head[4] == 2
}

// Validate checks that all chunks are there, and where the tables say.
func (Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(ctx, in)
	if err != nil {
		return err
	}
	for _, p := range f.parts {
		offsets, err := f.offsets(p)
		if err != nil {
			return err
		}
		for i, at := range offsets {
			if i&1023 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if _, err := f.chunk(p, i, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// Regions returns runs of chunks: as many as have 64 KB, decompressed, so that a change of one moves no other border.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	ctx := context.Background()
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Region
	for _, p := range f.parts {
		offsets, err := f.offsets(p)
		if err != nil {
			return nil, err
		}
		run := max(1, (64<<10)/max(1, p.line()*int64(p.lines())))
		if p.tiled {
			run = max(1, (64<<10)/max(1, p.line()*int64(p.th)*int64(p.tw)/max(1, p.data.width())))
		}
		width := p.width()
		for i, at := range offsets {
			c, err := f.chunk(p, i, at)
			if err != nil {
				return nil, err
			}
			end := c.at + c.size
			if k := len(out) - 1; k >= 0 && int64(i)%run != 0 && out[k].Off+out[k].Len == at {
				out[k].Len = end - out[k].Off
			} else if len(out) < format.MaxRegions {
				out = append(out, format.Region{Off: at, Len: end - at, Width: width})
			}
		}
	}
	return out, nil
}

// width returns the bytes of a sample, where they are as they are in the file and of one kind.
func (p *part) width() uint8 {
	if p.compression != 0 || p.deep || len(p.channels) == 0 {
		return 1
	}
	for _, c := range p.channels {
		if c.size() != p.channels[0].size() {
			return 1
		}
	}
	return uint8(p.channels[0].size())
}
