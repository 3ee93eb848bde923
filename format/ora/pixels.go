package ora

import (
	"context"
	"encoding/binary"
	"fmt"

	"varve/format"
	"varve/format/layers"
	"varve/format/raster"
)

// seen returns x0 y0 x1 y1 of what is not transparent; all zero where nothing is.
func seen(p *raster.Image) (x0, y0, x1, y1 int) {
	if !p.Alpha {
		return 0, 0, p.Width, p.Height
	}
	n := p.Channels()
	x0, y0 = p.Width, p.Height
	for y := range p.Height {
		for x := range p.Width {
			at := (y*p.Width+x)*n + n - 1
			if p.Depth == raster.U8 && p.U8[at] == 0 || p.Depth == raster.U16 && p.U16[at] == 0 {
				continue
			}
			x0, x1 = min(x0, x), max(x1, x+1)
			y0, y1 = min(y0, y), y+1
		}
	}
	if x1 == 0 {
		return 0, 0, 0, 0
	}
	return x0, y0, x1, y1
}

// hash is of the pixels in a part of a picture. Of what is transparent the colour makes no difference, and neither does
// alpha that is full everywhere, or gray written as colours.
func hash(p *raster.Image, x0, y0, x1, y1 int) string {
	n := p.Channels()
	row := make([]byte, 0, (x1-x0)*8)
	parts := [][]byte{fmt.Appendf(nil, "%d %d", x1-x0, y1-y0)}
	for y := y0; y < y1; y++ {
		row = row[:0]
		for x := x0; x < x1; x++ {
			row = p16(p, (y*p.Width+x)*n, row)
		}
		parts = append(parts, []byte(format.HashOf(row)))
	}
	return format.HashOf(parts...)
}

// p16 appends a pixel as 16 bits of red, green, blue and alpha.
func p16(p *raster.Image, at int, to []byte) []byte {
	n := p.Channels()
	get := func(c int) uint16 {
		if p.Depth == raster.U8 {
			return uint16(p.U8[at+c]) * 257
		}
		return p.U16[at+c]
	}
	alpha := uint16(0xffff)
	if p.Alpha {
		alpha = get(n - 1)
	}
	if alpha == 0 {
		return append(to, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	r := get(0)
	g, b := r, r
	if p.Model == raster.RGB {
		g, b = get(1), get(2)
	}
	le := binary.LittleEndian
	return le.AppendUint16(le.AppendUint16(le.AppendUint16(le.AppendUint16(to, r), g), b), alpha)
}

// maxComposite bounds the pictures that are made of layers, in pixels.
const maxComposite = 1 << 25

// composite puts the layers together: ErrUnsupported where it is not known how, as of any blend mode but the usual.
func (d *document) composite(ctx context.Context) (*raster.Image, error) {
	if int64(d.width)*int64(d.height) > maxComposite {
		return nil, fmt.Errorf("%d×%d pixels: %w", d.width, d.height, format.ErrLimit)
	}
	return d.blend(ctx, d.top)
}

func (d *document) blend(ctx context.Context, stack *layers.Layer) (*raster.Image, error) {
	p, err := raster.New(d.width, d.height, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	for i := len(stack.Kids) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l := stack.Kids[i]
		if d.xml.Get(l.Node, "visibility") == "hidden" {
			continue
		}
		if op := d.xml.Get(l.Node, "composite-op"); op != "" && op != "svg:src-over" {
			return nil, format.Unsupported("layer %q: %s", l.Name, op)
		}
		var q *raster.Image
		x, y := 0, 0
		switch l.Kind {
		case "stack":
			q, err = d.blend(ctx, l)
		case "layer":
			x, y = d.place(l)
			if q, err = d.picture(ctx, l); err == nil {
				q, err = flat(q)
			}
		default:
			err = format.Unsupported("%s %q", l.Kind, l.Name)
		}
		if err != nil {
			return nil, err
		}
		if p.Profile == nil {
			p.Profile = q.Profile
		}
		opacity := min(max(d.number(l, "opacity", 1), 0), 1)
		layers.Over(p, q, x, y, int(opacity*255+0.5))
	}
	return p, nil
}

// flat returns a picture as RGB of 8 bits with alpha.
func flat(p *raster.Image) (*raster.Image, error) {
	if p.Depth != raster.U8 || p.Model != raster.RGB && p.Model != raster.Gray {
		return nil, format.Unsupported("a picture of more than 8 bits is not put together")
	}
	if p.Model == raster.RGB && p.Alpha {
		return p, nil
	}
	q, err := raster.New(p.Width, p.Height, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	q.Profile = p.Profile
	n := p.Channels()
	for i := range p.Width * p.Height {
		px, to := p.U8[i*n:i*n+n], q.U8[4*i:4*i+4]
		to[0], to[1], to[2], to[3] = px[0], px[0], px[0], 255
		if p.Model == raster.RGB {
			to[1], to[2] = px[1], px[2]
		}
		if p.Alpha {
			to[3] = px[n-1]
		}
	}
	return q, nil
}

// Picture is the thumbnail, or the whole picture; where the document has none, its layers put together.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	if e := d.zip.Find(thumbnail); e != nil {
		p, err := d.png(ctx, e)
		if err == nil {
			if long := max(p.Width, p.Height); 2*long >= size || long >= max(d.width, d.height) {
				return &format.Picture{Image: p, Source: format.Embedded}, nil
			}
		}
	}
	p, source, err := d.whole(ctx)
	if err != nil {
		return nil, err
	}
	return &format.Picture{Image: p, Source: source}, nil
}

// whole returns the picture that the document has of itself, or else the layers put together.
func (d *document) whole(ctx context.Context) (*raster.Image, format.Source, error) {
	if e := d.zip.Find(merged); e != nil {
		p, err := d.png(ctx, e)
		return p, format.Embedded, err
	}
	p, err := d.composite(ctx)
	return p, format.Composited, err
}

// Decode gives the merged picture, or else the layers put together.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	p, _, err := d.whole(ctx)
	return p, err
}
