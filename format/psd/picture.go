package psd

import (
	"bytes"
	"context"
	"errors"
	"image/jpeg"

	"varve/format"
	"varve/format/raster"
)

const (
	maxPreview       = 32 << 20 // bytes of a preview
	maxPreviewPixels = 1 << 24
)

// Picture returns the preview that Photoshop put into the file, where it is large enough; else the merged image; else
// what the layers look like together.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	d, err := parse(ctx, in)
	if err != nil {
		return nil, err
	}
	size = max(size, 16)
	preview, err := d.preview()
	if err != nil {
		return nil, err
	}
	side := max(d.width, d.height)
	if preview != nil && max(preview.Width, preview.Height) >= min(side, (size+1)/2) {
		return &format.Picture{Image: preview, Source: format.Embedded}, nil
	}
	f := max(1, side/size)
	real, err := d.hasMerged()
	if err != nil {
		return nil, err
	}
	var m *raster.Image
	if real || len(d.layers.list) == 0 {
		if m, err = d.mergedImage(ctx, f); err == nil {
			return &format.Picture{Image: m, Source: format.Embedded, Note: d.mergedNote()}, nil
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(d.layers.list) > 0 {
		m, note, failure := d.composite(ctx, f)
		if failure == nil {
			return &format.Picture{Image: m, Source: format.Composited, Note: note}, nil
		}
		err = errors.Join(err, failure)
	}
	if preview != nil {
		return &format.Picture{Image: preview, Source: format.Embedded}, nil
	}
	return nil, err
}

func (d *document) mergedNote() string {
	if d.mode == modeMultichannel && d.channels > 1 {
		return "the first of several channels"
	}
	return ""
}

// hasMerged reports whether the document says that its merged image is real.
func (d *document) hasMerged() (bool, error) {
	r := d.resource(1057)
	if r == nil || r.data.n < 5 {
		return true, nil
	}
	b, err := d.load(span{r.data.off, 5}, 5)
	return err == nil && b[4] != 0, err
}

// preview returns the embedded preview; nil if there is none that can be read.
func (d *document) preview() (*raster.Image, error) {
	for _, id := range []int{1036, 1033} {
		r := d.resource(id)
		if r == nil || r.data.n <= 28 || r.data.n > maxPreview {
			continue
		}
		b, err := d.load(r.data, maxPreview)
		if err != nil {
			return nil, err
		}
		if over(b, "preview").u32() != 1 { // no JPEG
			continue
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(b[28:]))
		if err != nil || c.Width < 1 || c.Height < 1 || c.Width*c.Height > maxPreviewPixels {
			continue
		}
		m, err := jpeg.Decode(bytes.NewReader(b[28:]))
		if err != nil {
			continue
		}
		p, err := raster.FromImage(m)
		if err != nil {
			continue
		}
		if id == 1033 { // blue comes first
			swapEnds(p)
		}
		return p, nil
	}
	return nil, nil
}

func swapEnds(p *raster.Image) {
	if p.Model != raster.RGB || p.Depth != raster.U8 {
		return
	}
	n := p.Channels()
	for i := 0; i < len(p.U8); i += n {
		p.U8[i], p.U8[i+2] = p.U8[i+2], p.U8[i]
	}
}
