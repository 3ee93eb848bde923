package pxo

import (
	"context"
	"encoding/json"

	"varve/format"
	"varve/format/layers"
	"varve/format/raster"
)

// pixels is a layer's picture in a frame.
func (d *document) pixels(ctx context.Context, frame, i int) (*raster.Image, error) {
	e := d.cel(frame, i)
	if e == nil {
		return nil, format.Unsupported("the layer %.80q has no pixels of its own", d.Layers[i].Name)
	}
	if d.Mode != rgba {
		return nil, format.Unsupported("pixels of colour mode %d", d.Mode)
	}
	p, err := raster.New(d.Width, d.Height, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	b, err := d.zip.Read(ctx, e, int64(len(p.U8)))
	if err != nil {
		return nil, err
	}
	if len(b) != len(p.U8) {
		return nil, format.Malformed("layer %d of frame %d has %d bytes, not %d", i+1, frame+1, len(b), len(p.U8))
	}
	p.U8 = b
	return p, nil
}

// compose draws a frame: of what is blended normally. ErrUnsupported says what is not.
func (d *document) compose(ctx context.Context, frame int) (*raster.Image, error) {
	if frame >= len(d.Frames) {
		return nil, format.Unsupported("it has no frame")
	}
	out, err := raster.New(d.Width, d.Height, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	cels := d.Frames[frame].Cels
	for i := range d.Layers {
		l := &d.Layers[i]
		opacity, visible := l.opacity(), l.Visible
		for p := l.Parent; p >= 0; p = d.Layers[p].Parent {
			visible = visible && d.Layers[p].Visible
		}
		if !visible || l.Type == audio {
			continue
		}
		if l.Type == group { // of which what is in it is drawn
			if l.Blend > 0 || opacity < 1 || len(l.Effects) > 0 || l.Clipping {
				return nil, format.Unsupported("the group %.80q is no plain one", l.Name)
			}
			continue
		}
		if l.Blend != 0 || l.Clipping || len(l.Effects) > 0 || l.Type == solid {
			return nil, format.Unsupported("the layer %.80q is no plain one", l.Name)
		}
		if i < len(cels) {
			o, z := number(cels[i]["opacity"], 1), number(cels[i]["z_index"], 0)
			if z != 0 {
				return nil, format.Unsupported("the layer %.80q is put in another order in this frame", l.Name)
			}
			opacity *= min(max(o, 0), 1)
		}
		p, err := d.pixels(ctx, frame, i)
		if err != nil {
			return nil, err
		}
		layers.Over(out, p, 0, 0, int(opacity*255+0.5))
	}
	return out, nil
}

func number(b json.RawMessage, none float64) float64 {
	v := none
	if len(b) > 0 && json.Unmarshal(b, &v) != nil {
		return none
	}
	return v
}
