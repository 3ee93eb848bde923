package kra

import (
	"bytes"
	"errors"

	"varve/format"
	"varve/format/raster"
	"varve/format/zipfile"
)

// previews makes the pictures anew that the document has of itself, if the layers as they were give the picture that
// Krita made of them; else takes them out.
func (g *graft) previews(r *zipfile.Rewrite, out *format.Grafting) error {
	if !r.Has(merged) && !r.Has(preview) {
		return nil
	}
	p, err := g.certain(r)
	if err == nil {
		if err = g.paint(r, p); err == nil {
			out.Notes = append(out.Notes, "the merged picture and the preview were made anew")
			return nil
		}
	}
	if !errors.Is(err, format.ErrUnsupported) && !errors.Is(err, format.ErrLimit) {
		return err
	}
	r.Remove(merged)
	r.Remove(preview)
	out.Notes = append(out.Notes, "the merged picture and the preview were taken out; Krita makes them when it saves the document")
	return nil
}

// certain returns the picture of the document to be; ErrUnsupported where it may be another than Krita's.
func (g *graft) certain(r *zipfile.Rewrite) (*raster.Image, error) {
	had, err := g.into.png(g.ctx, merged)
	if err != nil {
		return nil, err
	}
	was, err := g.into.composite(g.ctx)
	if err != nil {
		return nil, err
	}
	if !alike(had, was) {
		return nil, format.Unsupported("the layers give another picture than Krita made of them")
	}
	text, err := g.Text()
	if err != nil {
		return nil, err
	}
	r.Put(maindoc, format.Bytes(text), zipfile.Deflate)
	content, err := r.Output(g.ctx)
	if err != nil {
		return nil, err
	}
	next, err := open(g.ctx, content)
	if err != nil {
		return nil, err
	}
	return next.composite(g.ctx)
}

// alike: where they are seen, colours differ by rounding at most.
func alike(p, q *raster.Image) bool {
	if p.Width != q.Width || p.Height != q.Height || p.Depth != raster.U8 || p.Model != raster.RGB {
		return false
	}
	n := p.Channels()
	for i := range p.Width * p.Height {
		a, b := p.U8[i*n:i*n+n], q.U8[4*i:4*i+4]
		alpha := uint8(255)
		if p.Alpha {
			alpha = a[3]
		}
		if far(alpha, b[3], 1) {
			return false
		}
		for c := range 3 { // little alpha leaves little of a colour
			if far(a[c], b[c], 1+(255-int(alpha))/4) && alpha > 0 {
				return false
			}
		}
	}
	return true
}

func far(a, b uint8, most int) bool { return max(int(a)-int(b), int(b)-int(a)) > most }

// paint puts the pictures into the archive.
func (g *graft) paint(r *zipfile.Rewrite, p *raster.Image) error {
	for name, q := range map[string]*raster.Image{merged: p, preview: p.Scale(256)} {
		if !r.Has(name) {
			continue
		}
		var b bytes.Buffer
		if err := raster.EncodePNG(&b, q); err != nil {
			return err
		}
		r.Put(name, format.Bytes(b.Bytes()), zipfile.Deflate)
	}
	return nil
}
