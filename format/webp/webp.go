// Package webp knows WebP: lossy, lossless, with alpha, animated.
//
// It promises: lossy pictures have the colours that the format's own decoder makes, chroma smoothed between samples;
// frames are as they are shown, one over the other. A file that is shorter than it says is malformed.
//
// # Bytes, little-endian
//
//	0  4  "RIFF", then u32: bytes from 8 to the end, then "WEBP"
//	12    chunks: kind 4 letters, length u32, data, padded to a multiple of 2
//
//	VP8X  flags (2 animated, 10 alpha, 20 profile), 3 bytes, width−1 u24, height−1 u24
//	VP8   lossy: 3 bytes, 9D 01 2A, width u16 (14 bits), height u16 · VP8L lossless: 2F, width−1 and height−1 of 14 bits
//	ALPH  alpha of the VP8 after it · ICCP profile · EXIF · XMP
//	ANMF  x/2, y/2, width−1, height−1, ms u24 each, flags (1 clear after, 2 set instead of over), chunks as above
package webp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
)

const (
	maxFile   = 1 << 30
	maxChunks = 1 << 20
	maxFrames = 1 << 16
)

// Format is the format. It has no state.
type Format struct{}

// Name is "webp".
func (Format) Name() string { return "webp" }

// Match looks for the signature, also for a file of that name which was not written.
func (Format) Match(name string, head []byte) bool {
	if len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP" {
		return true
	}
	return strings.EqualFold(path.Ext(name), ".webp") && len(bytes.Trim(head, "\x00")) == 0
}

// Validate checks that all chunks are in the file, and that it is as long as it says.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := open(ctx, in)
	return err
}

// Decode gives the picture, or the first frame as it is shown.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out *raster.Image
	err = f.show(ctx, 1, func(_ int, p *raster.Image) error {
		out = frames.Opaque(p)
		out.Profile, err = f.profile()
		return err
	})
	return out, err
}

// Picture is the picture, or the first frame.
func (x Format) Picture(ctx context.Context, in format.Input, _ int) (*format.Picture, error) {
	return frames.Composited(x.Decode(ctx, in))
}

// show calls visit with the first count frames as they are shown; a picture without frames is one.
func (f *file) show(ctx context.Context, count int, visit func(int, *raster.Image) error) error {
	if !f.animated {
		p, err := f.pixels(&f.frames[0])
		if err != nil {
			return err
		}
		return visit(0, p)
	}
	if err := errors.Join(frames.Bound(f.width, f.height, f.in.Size()), frames.BoundAll(f.width, f.height, count)); err != nil {
		return err
	}
	c, err := frames.NewCanvas(f.width, f.height, raster.U8)
	if err != nil {
		return err
	}
	for i := range f.frames[:count] {
		if err := ctx.Err(); err != nil {
			return err
		}
		g := &f.frames[i]
		p, err := f.pixels(g)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i+1, err)
		}
		if g.x+p.Width > f.width || g.y+p.Height > f.height {
			return format.Malformed("frame %d is %d×%d at %d, %d of %d×%d", i+1, p.Width, p.Height, g.x, g.y, f.width, f.height)
		}
		after := frames.Leave
		if g.clear {
			after = frames.Clear
		}
		if err := visit(i, c.Show(frames.Frame{X: g.x, Y: g.y, Image: p, Over: !g.set, After: after})); err != nil {
			return err
		}
	}
	return nil
}

// Elements lists the picture, or the frames of an animation as they are shown.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	icc, err := f.profile()
	if err != nil {
		return nil, err
	}
	var list []format.Element
	err = f.show(ctx, len(f.frames), func(i int, p *raster.Image) error {
		g := &f.frames[i]
		if !f.animated {
			p.Profile = icc
			list = append(list, frames.Still(p, g.bytes()))
			return nil
		}
		e := frames.Shown(i, p, g.x, g.y, g.width, g.height, g.delay)
		e.Bytes = g.bytes()
		list = append(list, e)
		return nil
	})
	return list, err
}

// Extract makes a PNG of the picture or of a frame as it is shown.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range f.frames {
		if f.animated && id == fmt.Sprintf("frame:%d", i+1) || !f.animated && id == "image" {
			n = i + 1
		}
	}
	if n == 0 {
		return nil, format.ErrNoElement
	}
	var out *format.Extract
	err = f.show(ctx, n, func(i int, p *raster.Image) (err error) {
		if i == n-1 {
			out, err = frames.Extract(p)
		}
		return err
	})
	return out, err
}
