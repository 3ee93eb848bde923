package psd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image/jpeg"

	"varve/format"
	"varve/format/raster"
)

const (
	maxRemerged = 32 << 20 // pixels of the merged image that are made anew
	maxRedrawn  = 48 << 20 // pixels of layers that are drawn for that
)

// pictures makes the document of a draft, with a merged image and a preview that are true; where the stack has what this
// package does not draw as Photoshop does, the document says that its merged image is not real, and has no preview.
func (g *stacking) pictures(ctx context.Context, w *draft) (*format.Output, []string, error) {
	o, err := w.output()
	if err != nil {
		return nil, nil, err
	}
	d, err := parse(ctx, o)
	if err != nil {
		return nil, nil, fmt.Errorf("read what was grafted: %w", err)
	}
	real, err := d.hasMerged()
	if err != nil {
		return nil, nil, err
	}
	if real && d.exact() {
		w.merged, err = d.remerge(ctx, max(0, g.dirty.top), min(d.height, g.dirty.bottom))
		if err != nil && !errors.Is(err, format.ErrUnsupported) && !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrLimit) {
			return nil, nil, err
		}
	}
	if w.merged == nil {
		if err := g.disown(w); err != nil {
			return nil, nil, err
		}
		o, err := w.output()
		return o, []string{"composite"}, err
	}
	if o, err = w.output(); err != nil {
		return nil, nil, err
	}
	if err := g.preview(ctx, w, o); err != nil {
		return nil, nil, err
	}
	o, err = w.output()
	return o, nil, err
}

// disown has the document say that its merged image is not real, and takes previews out.
func (g *stacking) disown(w *draft) error {
	found := false
	for i, r := range g.into.resources {
		switch r.id {
		case 1033, 1036:
			w.resource[i] = nil
		case 1057:
			b, err := g.into.load(r.data, 1<<16)
			if err != nil {
				return err
			}
			if len(b) > 4 {
				b[4] = 0
				w.replaceResource(i, b)
				found = true
			}
		}
	}
	if !found {
		_, _ = w.added.Write(notReal())
	}
	return nil
}

// notReal is a resource that says that there is no real merged image.
func notReal() []byte {
	b := append([]byte("8BIM\x04\x21\x00\x00"), 0, 0, 0, 17)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = append(b, 0)
	b = append(b, make([]byte, 8)...) // writer and reader have no name
	b = binary.BigEndian.AppendUint32(b, 1)
	return append(b, 0)
}

// preview makes the previews of a draft anew, from the merged image of what it wrote.
func (g *stacking) preview(ctx context.Context, w *draft, o *format.Output) error {
	for i, r := range g.into.resources {
		if r.id != 1033 && r.id != 1036 {
			continue
		}
		old, err := g.into.preview()
		if err != nil {
			return err
		}
		w.resource[i] = nil
		if old == nil || r.id == 1033 {
			continue
		}
		d, err := parse(ctx, o)
		if err != nil {
			return err
		}
		size := max(old.Width, old.Height)
		m, err := d.mergedImage(ctx, max(1, max(d.width, d.height)/(2*size)))
		if err != nil {
			return err
		}
		b, err := previewOf(m, size)
		if err != nil {
			return err
		}
		w.replaceResource(i, b)
	}
	return nil
}

// previewOf is the data of resource 1036.
func previewOf(m *raster.Image, size int) ([]byte, error) {
	p := m.Scale(size).ToNRGBA8()
	for i := 0; i < len(p.Pix); i += 4 { // over white
		a := int(p.Pix[i+3])
		for c := range 3 {
			p.Pix[i+c] = uint8((int(p.Pix[i+c])*a + 255*(255-a) + 127) / 255)
		}
		p.Pix[i+3] = 255
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, p, &jpeg.Options{Quality: 90}); err != nil {
		return nil, err
	}
	w, h := p.Rect.Dx(), p.Rect.Dy()
	line := (w*24 + 31) / 32 * 4
	var b []byte
	for _, v := range []int{1, w, h, line, line * h, file.Len()} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = append(b, 0, 24, 0, 1)
	return append(b, file.Bytes()...), nil
}

// remerge is the merged image with some rows drawn anew; nil where that cannot be.
func (d *document) remerge(ctx context.Context, top, bottom int) (*format.Output, error) {
	if err := d.checkMerged(); err != nil {
		return nil, err
	}
	head, err := d.load(span{d.merged.off, 2}, 2)
	if err != nil {
		return nil, err
	}
	packing := int(binary.BigEndian.Uint16(head))
	if packing > packRLE || d.depth != 8 && d.depth != 16 || top > 0 && bottom <= 0 {
		return nil, nil
	}
	bottom = max(top, bottom)
	cost := int64(0)
	for i := range d.layers.list {
		b := d.layers.list[i].box
		cost += int64(max(0, min(b.bottom, bottom)-max(b.top, top))) * int64(b.width())
	}
	if cost > maxRedrawn || int64(bottom-top)*int64(d.width) > maxRemerged {
		return nil, nil
	}
	planes, err := d.redraw(ctx, top, bottom)
	if err != nil {
		return nil, err
	}
	if packing == packNone {
		return d.spliceRaw(planes, top, bottom), nil
	}
	return d.splicePacked(planes, top, bottom)
}

// redraw draws rows of the canvas as the channels of the merged image have them.
func (d *document) redraw(ctx context.Context, top, bottom int) ([][]byte, error) {
	_, colours := d.model()
	planes := make([][]byte, colours+b2i(d.transparent()))
	step := max(1, maxView/4/d.width)
	for y := top; y < bottom; y += step {
		c := newComposer(d, 1)
		c.top, c.h = y, min(step, bottom-y)
		s, err := c.draw(ctx)
		if err != nil {
			return nil, err
		}
		for p := range planes {
			if p == colours {
				planes[p] = d.encode(planes[p], s.alpha)
				continue
			}
			for i, a := range s.alpha { // over white
				s.colour[p][i] = s.colour[p][i]*a + 1 - a
			}
			planes[p] = d.encode(planes[p], s.colour[p])
		}
	}
	return planes, nil
}

// encode appends samples.
func (d *document) encode(out []byte, v []float32) []byte {
	for _, s := range v {
		s = min(1, max(0, s))
		if d.depth == 8 {
			out = append(out, uint8(s*255+.5))
		} else {
			out = binary.BigEndian.AppendUint16(out, uint16(s*65535+.5))
		}
	}
	return out
}

// spliceRaw puts rows into channels that are not compressed.
func (d *document) spliceRaw(planes [][]byte, top, bottom int) *format.Output {
	o := new(format.Output)
	line := int64(rowBytes(d.width, d.depth))
	at := d.merged.off
	for c, p := range planes {
		from := d.merged.off + 2 + (int64(c)*int64(d.height)+int64(top))*line
		d.copy(o, span{at, from - at})
		_, _ = o.Write(p)
		at = from + int64(bottom-top)*line
	}
	d.copy(o, span{at, d.merged.end() - at})
	return o
}

// splicePacked puts rows into channels of PackBits: the rows and their counts.
func (d *document) splicePacked(planes [][]byte, top, bottom int) (*format.Output, error) {
	size := 2 + 2*b2i(d.big)
	table := span{d.merged.off + 2, int64(size * d.channels * d.height)}
	counts, err := d.load(table, 128<<20)
	if err != nil {
		return nil, err
	}
	count := func(row int) int64 {
		if d.big {
			return int64(binary.BigEndian.Uint32(counts[4*row:]))
		}
		return int64(binary.BigEndian.Uint16(counts[2*row:]))
	}
	body := new(format.Output)
	line := rowBytes(d.width, d.depth)
	fresh := bytes.Clone(counts)
	at := table.end() // in the file, of the next row
	kept := at        // what is before was copied
	for c := range d.channels {
		for y := range d.height {
			row := c*d.height + y
			if c >= len(planes) || y < top || y >= bottom {
				at += count(row)
				continue
			}
			d.copy(body, span{kept, at - kept})
			packed := pack(nil, planes[c][(y-top)*line:(y-top+1)*line])
			if !d.big && len(packed) > 0xffff {
				return nil, nil
			}
			_, _ = body.Write(packed)
			if d.big {
				binary.BigEndian.PutUint32(fresh[4*row:], uint32(len(packed)))
			} else {
				binary.BigEndian.PutUint16(fresh[2*row:], uint16(len(packed)))
			}
			at += count(row)
			kept = at
		}
	}
	d.copy(body, span{kept, d.merged.end() - kept})
	o := new(format.Output)
	d.copy(o, span{d.merged.off, 2})
	_, _ = o.Write(fresh)
	o.Append(body)
	return o, nil
}
