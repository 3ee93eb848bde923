package kra

import (
	"varve/format"
	"varve/format/layers"
	"varve/format/raster"
	"varve/format/zipfile"
)

// previews makes the pictures anew that the document has of itself, or takes them out.
func (g *graft) previews(r *zipfile.Rewrite, out *format.Grafting) error {
	if !r.Has(merged) && !r.Has(preview) {
		return nil
	}
	had := func() (*raster.Image, error) { return g.into.png(g.ctx, merged) }
	was := func() (*raster.Image, error) { return g.into.composite(g.ctx) }
	next := func() (*raster.Image, error) {
		content, err := r.Output(g.ctx)
		if err != nil {
			return nil, err
		}
		d, err := open(g.ctx, content)
		if err != nil {
			return nil, err
		}
		return d.composite(g.ctx)
	}
	made, err := layers.Repaint(r, []layers.Preview{{Name: merged}, {Name: preview, Side: 256}}, had, was, next)
	if err != nil {
		return err
	}
	if made {
		out.Notes = append(out.Notes, "the merged picture and the preview were made anew")
		return nil
	}
	r.Remove(merged)
	r.Remove(preview)
	out.Notes = append(out.Notes, "the merged picture and the preview were taken out: Krita makes them when it saves the document")
	return nil
}
