package kra

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"varve/format"
	"varve/format/raster"
)

// Extract makes a PNG of the pixels of a layer or mask, as large as what is in them, and an SVG of vectors. Pixels of
// floats become 16 bits, as EncodePNG says; of an animated layer it is the first frame.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	n, time, err := d.find(id)
	if err != nil {
		return nil, err
	}
	for _, suffix := range []string{".shapelayer/content.svg", ".shapeselection/content.svg"} {
		if n.parts[suffix] == nil {
			continue
		}
		b, err := d.part(ctx, n, suffix, maxSmall)
		if err != nil {
			return nil, err
		}
		if len(b) > 0 {
			return extracted(".svg", b), nil
		}
	}
	suffix, err := d.pixels(ctx, n, time)
	if err != nil {
		return nil, err
	}
	s, err := d.survey(ctx, n, suffix)
	if err != nil {
		return nil, err
	}
	if s.empty() {
		if !s.endless {
			return nil, format.Unsupported("%s is empty", n)
		}
		s.x0, s.y0, s.x1, s.y1 = 0, 0, d.width, d.height
	}
	p, err := d.picture(ctx, n, suffix, s.x0, s.y0, s.x1, s.y1)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := raster.EncodePNG(&b, p); err != nil {
		return nil, err
	}
	return extracted(".png", b.Bytes()), nil
}

func extracted(extension string, b []byte) *format.Extract {
	o := new(format.Output)
	_, _ = o.Write(b)
	return &format.Extract{Extension: extension, Content: o}
}

// pixels returns the suffix of what is seen of a node: its frame of a time, its first frame, its own pixels, or its
// selection.
func (d *document) pixels(ctx context.Context, n *node, time string) (string, error) {
	frames, err := d.frames(ctx, n)
	if err != nil {
		return "", err
	}
	if time != "" {
		i := slices.IndexFunc(frames, func(f frame) bool { return f.time == time })
		if i < 0 {
			return "", fmt.Errorf("%w: frame %s of %s", format.ErrNoElement, time, n)
		}
		return frames[i].suffix, nil
	}
	if len(frames) > 0 {
		first := slices.MinFunc(frames, func(a, b frame) int { return compareTimes(a.time, b.time) })
		return first.suffix, nil
	}
	for _, suffix := range []string{"", ".pixelselection"} {
		if n.parts[suffix] != nil {
			return suffix, nil
		}
	}
	return "", format.Unsupported("%s has no pixels of its own", n)
}
