package ora

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"varve/format"
	"varve/format/layers"
	"varve/format/raster"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

// Extract gives the picture of a layer, as it is in the archive.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	l, err := d.find(id)
	if err != nil {
		return nil, err
	}
	e := d.entry(l)
	if e == nil {
		return nil, format.Unsupported("%s has no picture of its own", l)
	}
	b, err := d.zip.Read(ctx, e, maxPNG)
	if err != nil {
		return nil, err
	}
	o := new(format.Output)
	_, _ = o.Write(b)
	extension := ".png"
	if i := strings.LastIndexByte(e.Name, '.'); i > strings.LastIndexByte(e.Name, '/') {
		extension = strings.ToLower(e.Name[i:])
	}
	return &format.Extract{Extension: extension, Content: o}, nil
}

// graft is a document into which layers of another are put.
type graft struct {
	*layers.Graft
	ctx        context.Context
	into, from *document
	src        map[*layers.Spot]string // of what is changed
	hashes     map[*layers.Layer]string
}

// Graft puts layers and groups, with what is in them, into another version: what that has under the same name in the same
// groups is replaced where it is, in a group layers that came in later stay, and others are put beside the neighbours
// that they had. The pictures that the document has of itself are made anew where that is certain to be right.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	g := &graft{ctx: ctx, src: map[*layers.Spot]string{}, hashes: map[*layers.Layer]string{}}
	var err error
	if g.into, err = open(ctx, into); err != nil {
		return nil, err
	}
	if g.from, err = open(ctx, from); err != nil {
		return nil, fmt.Errorf("the other version: %w", err)
	}
	if g.into.wrapped {
		return nil, &format.Refusal{Reason: "the document is within gzip", Advice: "save it anew with the application"}
	}
	for _, id := range ids {
		if _, err := g.from.find(id); err != nil {
			return nil, err
		}
	}
	var chosen []*layers.Layer
	for _, l := range g.from.list {
		if slices.Contains(ids, g.from.ids[l]) {
			chosen = append(chosen, l)
		}
	}
	g.Graft = layers.New(layers.Tree{Doc: g.into.xml, Top: g.into.top}, layers.Tree{Doc: g.from.xml, Top: g.from.top}, g.same, g.tag)
	if err := g.Put(chosen); err != nil {
		return nil, err
	}
	return g.write()
}

func (g *graft) same(into, from *layers.Layer) (bool, error) {
	a, err := g.hash(g.into, into)
	if err != nil {
		return false, err
	}
	b, err := g.hash(g.from, from)
	return a == b, err
}

func (g *graft) hash(d *document, l *layers.Layer) (string, error) {
	if h, ok := g.hashes[l]; ok {
		return h, nil
	}
	e, err := d.element(g.ctx, l)
	if err != nil {
		return "", err
	}
	g.hashes[l] = e.Hash()
	return g.hashes[l], nil
}

// write makes the document to be.
func (g *graft) write() (*format.Grafting, error) {
	out := &format.Grafting{}
	r := g.into.zip.Rewrite()
	if !g.Touched() {
		var err error
		out.Content, err = r.Output(g.ctx)
		return out, err
	}
	var err error
	g.Walk(func(s *layers.Spot) {
		if s.Changed && err == nil {
			err = g.bring(r, s)
		}
	})
	if err != nil {
		return nil, err
	}
	text, err := g.Text()
	if err != nil {
		return nil, err
	}
	r.Put(stackXML, format.Bytes(text), zipfile.Deflate)
	if err := g.previews(r, out); err != nil {
		return nil, err
	}
	out.Notes = append(out.Notes, g.Notes...)
	if out.Content, err = r.Output(g.ctx); err != nil {
		return nil, err
	}
	out.Changed, err = g.changed(out.Content)
	return out, err
}

// changed finds the ids of what is changed: they tell of places.
func (g *graft) changed(content *format.Output) ([]string, error) {
	d, err := open(g.ctx, content)
	if err != nil {
		return nil, err
	}
	var spots []*layers.Spot
	g.Walk(func(s *layers.Spot) { spots = append(spots, s) })
	if len(spots) != len(d.list) {
		return nil, fmt.Errorf("%d layers were written, and %d are there", len(spots), len(d.list))
	}
	var out []string
	for i, l := range d.list {
		if spots[i].Changed {
			out = append(out, d.ids[l])
		}
	}
	return out, nil
}

// bring copies the picture of a spot into the archive: in the place of that which it replaces, if no other layer shows
// it, else under a name that is free.
func (g *graft) bring(r *zipfile.Rewrite, s *layers.Spot) error {
	e := g.from.entry(s.Layer)
	if e == nil {
		if s.Kind == "layer" {
			return format.Malformed("layer %q: its picture is not there", s.Name)
		}
		return nil
	}
	if err := g.from.zip.Check(g.ctx, e); err != nil {
		return err
	}
	src := ""
	if s.Was != nil {
		src = g.into.xml.Get(s.Was.Node, "src")
		uses := 0
		for _, l := range g.into.list {
			if g.into.xml.Get(l.Node, "src") == src {
				uses++
			}
		}
		if was := g.into.zip.Find(src); uses > 1 || was == nil {
			src = ""
		} else if was.CRC == e.CRC && was.Size == e.Size {
			g.src[s] = src
			return nil
		}
	}
	if src == "" {
		src = e.Name
		for i := 0; r.Has(src); i++ {
			src = fmt.Sprintf("data/layer%d.png", i)
		}
	}
	g.src[s] = src
	r.Copy(src, g.from.zip, e)
	return nil
}

// tag returns the start tag of a spot, with the name that its picture has here.
func (g *graft) tag(s *layers.Spot) []byte {
	t, at := s.Doc.Text, s.Start
	var out []byte
	for _, a := range s.Attrs {
		if src := g.src[s]; a.Name == "src" && src != "" {
			out = append(append(out, t[at:a.Off]...), xmlspan.Escape(src)...)
			at = a.Off + a.Len
		}
	}
	return append(out, t[at:s.Node.In]...)
}

// previews makes the pictures anew that the document has of itself. The format wants that there are some, so that those
// which may be wrong now stay.
func (g *graft) previews(r *zipfile.Rewrite, out *format.Grafting) error {
	had := func() (*raster.Image, error) {
		e := g.into.zip.Find(merged)
		if e == nil {
			return nil, format.Unsupported("no %s", merged)
		}
		return g.into.png(g.ctx, e)
	}
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
	made, err := layers.Repaint(r, []layers.Preview{{Name: merged}, {Name: thumbnail, Side: 256}}, had, was, next)
	if err != nil || made {
		return err
	}
	for name, what := range map[string]string{merged: "composite", thumbnail: "preview"} {
		if r.Has(name) {
			out.Stale = append(out.Stale, what)
		}
	}
	slices.Sort(out.Stale)
	return nil
}
