package kra

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"varve/format"
	"varve/format/raster"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

// text returns maindoc.xml as it is to be: the text that there is, with that of the other version in some places.
func (g *graft) text() ([]byte, error) {
	x := g.into.image
	inner := g.lists(g.into.xml, x, g.top, false)
	t := g.into.xml.Text
	out := append(append(bytes.Clone(t[:x.In]), inner...), t[x.InEnd:]...)
	_, err := xmlspan.Parse(out, nil)
	return out, err
}

// element returns the text of a layer or mask.
func (g *graft) element(s *spot) []byte {
	x, t := s.n.Node, s.d.xml.Text
	tag := g.tag(s)
	inner := g.lists(s.d.xml, x, s, s.d != g.into)
	if x.In == x.End && len(inner) == 0 { // <layer …/>
		return tag
	}
	if x.In == x.End {
		tag = append(bytes.TrimSuffix(tag, []byte("/>")), '>')
		return append(append(tag, inner...), "</"+x.Name+">"...)
	}
	return append(append(tag, inner...), t[x.InEnd:x.End]...)
}

// tag returns the start tag, with the names that files have here.
func (g *graft) tag(s *spot) []byte {
	x, t := s.n.Node, s.d.xml.Text
	var out []byte
	at := x.Start
	for _, a := range x.Attrs {
		v := s.d.xml.Value(a)
		rest, ok := strings.CutPrefix(v, s.n.file)
		switch {
		case s.file == s.n.file || s.file == "":
		case a.Name == "filename", a.Name == "keyframes" && ok && v != "":
			if a.Name == "filename" {
				rest = ""
			}
			out = append(append(out, t[at:a.Off]...), xmlspan.Escape(s.file+rest)...)
			at = a.Off + a.Len
		}
	}
	return append(out, t[at:x.In]...)
}

// lists returns the content of an element, in which the lists of masks and of layers are those of a spot.
func (g *graft) lists(d *xmlspan.Document, x *xmlspan.Node, s *spot, foreign bool) []byte {
	t := d.Text
	if !foreign && !s.touched() {
		return t[x.In:x.InEnd]
	}
	var out []byte
	at, done := x.In, map[string]bool{}
	for _, k := range x.Kids {
		l := k.Local()
		if l != "masks" && l != "layers" || done[l] {
			continue
		}
		done[l] = true
		out = append(append(out, t[at:k.Start]...), g.list(d, k, s, foreign)...)
		at = k.End
	}
	for _, l := range []string{"masks", "layers"} {
		if !done[l] && hasKids(s, l) {
			out = append(out, g.list(d, &xmlspan.Node{Name: l}, s, foreign)...)
		}
	}
	return append(out, t[at:x.InEnd]...)
}

// touched reports whether anything in a spot is not as it was.
func (s *spot) touched() bool {
	return s.moved || slices.ContainsFunc(s.kids, func(k *spot) bool { return k.changed || k.touched() })
}

func hasKids(s *spot, list string) bool {
	for _, k := range s.kids {
		if k.list() == list {
			return true
		}
	}
	return false
}

// list is the name of the list in which a spot is. A mask may be among layers: of a group.
func (s *spot) list() string {
	if p := s.n.Parent; p != nil && p.Local() == "masks" {
		return "masks"
	}
	return "layers"
}

// list returns the text of a list, between which and its elements the space is kept that is there.
func (g *graft) list(d *xmlspan.Document, x *xmlspan.Node, s *spot, foreign bool) []byte {
	t := d.Text
	var out []byte
	if x.End == 0 {
		out = append(out, "<"+x.Name+">"...)
	} else if x.In == x.End {
		out = append(bytes.TrimSuffix(bytes.TrimSuffix(bytes.Clone(t[x.Start:x.End]), []byte("/>")), []byte(" ")), '>')
	} else {
		out = bytes.Clone(t[x.Start:x.In])
	}
	before := map[*xmlspan.Node][]byte{}
	at, usual := x.In, []byte("\n")
	for i, k := range x.Kids {
		before[k] = t[at:k.Start]
		if i == 0 {
			usual = before[k]
		}
		at = k.End
	}
	count := 0
	for _, k := range s.kids {
		if k.list() != x.Local() {
			continue
		}
		gap, ok := before[k.n.Node]
		if !ok && k.was != nil && !foreign {
			gap, ok = before[k.was.Node]
		}
		if !ok {
			gap = usual
		}
		out = append(append(out, gap...), g.element(k)...)
		count++
	}
	if x.End == 0 || x.In == x.End {
		if count == 0 {
			return bytes.Clone(t[x.Start:x.End])
		}
		return append(out, "</"+x.Name+">"...)
	}
	return append(append(out, t[at:x.InEnd]...), t[x.InEnd:x.End]...)
}

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
	text, err := g.text()
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
