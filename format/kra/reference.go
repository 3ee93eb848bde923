package kra

import (
	"context"
	"fmt"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// place is an attribute of maindoc.xml that names a file.
type place struct {
	format.Reference
	attr xmlspan.Attr
}

// References lists the files of file layers, reference pictures that are not in the document, and sound. They stand in
// compressed text, so that they have no place.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, p := range d.places() {
		out = append(out, p.Reference)
	}
	return out, nil
}

func (d *document) places() []place {
	var out []place
	owner := map[*xmlspan.Node]*node{}
	for _, n := range d.nodes {
		owner[n.Node] = n
	}
	add := func(x *xmlspan.Node, attr, kind string, of *node) {
		for _, a := range x.Attrs {
			if a.Name != attr || a.Len == 0 {
				continue
			}
			p := place{attr: a}
			p.Raw, p.Kind = string(d.xml.Text[a.Off:a.Off+a.Len]), kind
			p.Path, p.Style = splice.Path(d.xml.Value(a))
			if p.Path == "" {
				continue
			}
			if of != nil {
				p.Element = of.id
			}
			out = append(out, p)
		}
	}
	var of *node
	d.image.Walk(func(x *xmlspan.Node) bool {
		if n := owner[x]; n != nil {
			of = n
			if n.Kind == "filelayer" {
				add(x, "source", "picture", n)
			}
			return true
		}
		switch x.Local() {
		case "referenceimage":
			if d.get(x, "src") != "" && d.zip.Find(d.get(x, "src")) == nil && d.zip.Find(d.folder+d.get(x, "src")) == nil {
				add(x, "src", "picture", of)
			}
		case "masterChannelPath":
			add(x, "value", "sound", nil)
		case "audio", "audioClip":
			add(x, "filePath", "sound", nil)
		case "file": // of clips of sound
			if x.Parent.Local() == "audioClip" || x.Parent.Local() == "audioClips" {
				add(x, "path", "sound", nil)
			}
		}
		return true
	})
	return out
}

// Rewrite makes the document name other files.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var edits []splice.Edit
	for _, p := range d.places() {
		to, ok := paths[p.Raw]
		if !ok || to == p.Raw {
			continue
		}
		if !xmlspan.Fits(to) || strings.TrimSpace(to) == "" {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q cannot stand in the place of %q", to, p.Raw), Advice: "write & < > and quotes as in XML"}
		}
		edits = append(edits, splice.Edit{Off: int64(p.attr.Off), Len: int64(p.attr.Len), New: splice.Text(to)})
	}
	r := d.zip.Rewrite()
	if len(edits) > 0 {
		text := format.Bytes(d.xml.Text)
		next, err := splice.Apply(text, 0, text.Size(), edits)
		if err != nil {
			return nil, err
		}
		r.Put(maindoc, next, 0)
	}
	return r.Output(ctx)
}
