package xcf

import (
	"bytes"
	"context"
	"fmt"

	"varve/format"
	"varve/format/exr"
	"varve/format/raster"
)

func tooLarge(it *item) error {
	return fmt.Errorf("a picture of %d×%d: %w", it.width, it.height, format.ErrLimit)
}

// Extract makes a PNG of a layer or channel, as it is without mask and opacity, or of what is in a group; an EXR, in
// linear light, where pixels have more than 16 bits.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	it := d.find(id)
	if it == nil {
		for _, v := range d.paths {
			if v.id == id {
				return nil, format.Unsupported("a path as a file")
			}
		}
		return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
	}
	var img *raster.Image
	if f := newFlat(d); it.group {
		img, err = f.picture(ctx, it.children, it.width, it.height, it.x, it.y)
	} else {
		img, err = f.samples(it)
	}
	if err != nil {
		return nil, fmt.Errorf("%q: %w", it.name, err)
	}
	if img.Depth == raster.F32 {
		if !img.Linear && !it.channel { // an EXR is
			toLight(img)
		}
		content, err := exr.Encode(img)
		return &format.Extract{Extension: ".exr", Content: content}, err
	}
	var out bytes.Buffer
	if err := raster.EncodePNG(&out, img); err != nil {
		return nil, err
	}
	content := new(format.Output)
	_, _ = content.Write(out.Bytes())
	return &format.Extract{Extension: ".png", Content: content}, nil
}

// toLight makes samples of a picture linear.
func toLight(img *raster.Image) {
	n := img.Channels()
	for i, v := range img.F32 {
		if !img.Alpha || i%n < n-1 {
			img.F32[i] = float32(toLinear(float64(v)))
		}
	}
	img.Linear = true
}
