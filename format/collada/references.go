package collada

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// initFrom returns the node whose text is the path of an image; nil if it has none.
func initFrom(image *xmlspan.Node) *xmlspan.Node {
	at := image.First("init_from")
	if ref := at.First("ref"); ref != nil { // from 1.5 on
		return ref
	}
	return at
}

// References lists textures, other documents and shaders. What an archive has in it, it does not need.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return f.references(ctx)
}

func (f *file) references(ctx context.Context) ([]format.Reference, error) {
	list, err := f.elements(ctx)
	if err != nil {
		return nil, err
	}
	ids := map[*xmlspan.Node]string{}
	for i := range list {
		ids[list[i].node] = list[i].ID
	}
	var out []format.Reference
	f.doc.Root.Walk(func(n *xmlspan.Node) bool {
		if len(out) > format.MaxReferences {
			return false
		}
		kind, off, to := "", n.In, n.InEnd
		switch local := n.Local(); {
		case local == "init_from" && n.Parent.Local() == "image" && n.First("ref") == nil, local == "ref" && n.Parent.Local() == "init_from":
			kind = "texture"
		case local == "include" || local == "import":
			kind = "shader"
			off, to = f.attr(n, "url")
		case strings.HasPrefix(local, "instance_"):
			kind = "scene"
			off, to = f.attr(n, "url")
		}
		if kind != "" {
			f.add(&out, kind, ids, n, off, to)
		}
		return true
	})
	return out, nil
}

func (f *file) attr(n *xmlspan.Node, name string) (off, to int) {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a.Off, a.Off + a.Len
		}
	}
	return n.Start, n.Start
}

func (f *file) add(out *[]format.Reference, kind string, ids map[*xmlspan.Node]string, n *xmlspan.Node, off, to int) {
	text := f.doc.Text[off:to]
	trimmed := bytes.TrimSpace(text)
	off += bytes.Index(text, trimmed)
	if at := bytes.IndexByte(trimmed, '#'); at >= 0 && kind == "scene" {
		trimmed = trimmed[:at]
	}
	raw := string(trimmed)
	means := f.doc.Unescape(trimmed)
	if means == "" || strings.HasPrefix(strings.ToLower(means), "data:") || strings.Contains(raw, "<") {
		return
	}
	r := format.Reference{Kind: kind, Raw: raw}
	if r.Path, r.Style = splice.URI(means); r.Path == "" {
		return
	}
	r.Path = strings.TrimPrefix(r.Path, "./")
	if f.archive != nil && r.Style == format.Relative && f.archive.Find(path.Join(path.Dir(f.entry.Name), r.Path)) != nil {
		return
	}
	for ; n != nil && r.Element == ""; n = n.Parent {
		r.Element = ids[n]
	}
	if f.exact && f.archive == nil {
		r.Off, r.Len = int64(off), int64(len(trimmed))
	}
	*out = append(*out, r)
}

// Rewrite makes the document need others.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	refs, err := f.references(ctx)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, func(_ format.Reference, next string) string {
		if !xmlspan.Fits(next) || strings.TrimSpace(next) == "" {
			return "characters must be written as entities"
		}
		return ""
	})
}
