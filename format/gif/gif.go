// Package gif knows GIF: pictures of 256 colours, and animations.
//
// It promises: frames are as they are shown, one over the other. A file that ends before its trailer is malformed.
//
// # Bytes
//
//	0   6  GIF87a or GIF89a
//	6   7  width u16, height u16 (little-endian), flags (80: a palette follows; 7: 2^(n+1) colours), background, aspect
//	13     the palette, RGB; then blocks:
//	  21 F9 04  flags (1C: dispose, 1: transparent), delay u16 in 1/100 s, transparent colour, 00
//	  21 xx     another extension: FE comment, FF of an application; in pieces
//	  2C        x, y, width, height u16, flags (80: a palette follows, 40: interlaced); palette; bits u8; LZW, in pieces
//	  3B        the end
//
// Pieces are a length u8 and so many bytes, up to a length of 0.
package gif

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
	maxFrames   = 1 << 16
	maxComments = 256
	maxPieces   = 1 << 24
)

// Format is the format. It has no state.
type Format struct{}

// Name is "gif".
func (Format) Name() string { return "gif" }

// Match looks for the signature, also for a file of that name which was not written.
func (Format) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte("GIF87a")) || bytes.HasPrefix(head, []byte("GIF89a")) {
		return true
	}
	return strings.EqualFold(path.Ext(name), ".gif") && len(bytes.Trim(head, "\x00")) == 0
}

// Validate follows the blocks to the trailer.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := open(ctx, in, maxFrames)
	return err
}

// Decode gives the first frame.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(ctx, in, 1)
	if err != nil {
		return nil, err
	}
	var out *raster.Image
	err = f.show(ctx, in.Size(), 1, func(_ int, p *raster.Image) error {
		out = frames.Opaque(p)
		return nil
	})
	return out, err
}

// Picture is the first frame.
func (x Format) Picture(ctx context.Context, in format.Input, _ int) (*format.Picture, error) {
	return frames.Composited(x.Decode(ctx, in))
}

// show calls visit with the first count frames as they are shown.
func (f *file) show(ctx context.Context, size int64, count int, visit func(int, *raster.Image) error) error {
	if err := errors.Join(frames.Bound(f.width, f.height, size), frames.BoundAll(f.width, f.height, count)); err != nil {
		return err
	}
	c, err := frames.NewCanvas(f.width, f.height, raster.U8)
	if err != nil {
		return err
	}
	for i := range f.frames[:count] {
		g := &f.frames[i]
		if g.x+g.width > f.width || g.y+g.height > f.height {
			return format.Malformed("frame %d is %d×%d at %d, %d of %d×%d", i+1, g.width, g.height, g.x, g.y, f.width, f.height)
		}
		p, err := f.pixels(ctx, g)
		if err != nil {
			return fmt.Errorf("frame %d: %w", i+1, err)
		}
		after := frames.Leave
		switch g.dispose {
		case 2:
			after = frames.Clear
		case 3:
			after = frames.Restore
		}
		if err := visit(i, c.Show(frames.Frame{X: g.x, Y: g.y, Image: p, Over: true, After: after})); err != nil {
			return err
		}
	}
	return nil
}

// Elements lists the picture, or the frames of an animation as they are shown, and the comments.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(ctx, in, maxFrames)
	if err != nil {
		return nil, err
	}
	var list []format.Element
	err = f.show(ctx, in.Size(), len(f.frames), func(i int, p *raster.Image) error {
		g := &f.frames[i]
		e := frames.Still(p, 0)
		if len(f.frames) > 1 {
			e = frames.Shown(i, p, g.x, g.y, g.width, g.height, g.delay)
		}
		for _, s := range g.data {
			e.Bytes += s.Len
		}
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, text := range f.comments {
		list = append(list, frames.Comment(i, text))
	}
	return list, nil
}

// Extract makes a PNG of a frame as it is shown.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(ctx, in, maxFrames)
	if err != nil {
		return nil, err
	}
	n := frames.Number(id, len(f.frames))
	if n == 0 {
		return nil, format.ErrNoElement
	}
	var out *format.Extract
	err = f.show(ctx, in.Size(), n, func(i int, p *raster.Image) (err error) {
		if i == n-1 {
			out, err = frames.Extract(p)
		}
		return err
	})
	return out, err
}
