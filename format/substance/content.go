package substance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// References lists other packages and the files of resources.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	return f.references(ctx)
}

func (f *file) references(ctx context.Context) ([]format.Reference, error) {
	ids := f.ids()
	var out []format.Reference
	add := func(at *xmlspan.Node, kind, element string) {
		if at == nil || len(out) > format.MaxReferences {
			return
		}
		for _, a := range at.Attrs {
			if a.Name != "v" {
				continue
			}
			means := f.doc.Value(a)
			if means == "" || means == "?himself" || strings.HasPrefix(means, "sbs://") {
				return
			}
			r := format.Reference{Kind: kind, Raw: string(f.doc.Text[a.Off : a.Off+a.Len]), Element: element}
			if r.Path, r.Style = splice.Path(means); r.Style == format.URL && !strings.HasPrefix(means, "http") {
				r.Style = format.Absolute // a name for a folder, from the settings of the application
			}
			r.Path = strings.TrimPrefix(r.Path, "./")
			if f.exact {
				r.Off, r.Len = int64(a.Off), int64(a.Len)
			}
			if r.Path != "" {
				out = append(out, r)
			}
		}
	}
	for _, d := range f.doc.Root.First("dependencies").All("dependency") {
		add(d.First("filename"), "package", "")
	}
	for _, n := range f.things() {
		if n.Name != "resource" {
			continue
		}
		source := n.First("source")
		switch {
		case source.First("externalcopy") != nil:
			add(source.First("externalcopy").First("filename"), f.kind(n), ids[n])
		case source.First("binembedded") == nil && source.First("binboon") == nil:
			add(n.First("filepath"), f.kind(n), ids[n])
		}
	}
	return out, ctx.Err()
}

// kind says what a resource is.
func (f *file) kind(n *xmlspan.Node) string {
	switch t := f.v(n, "type"); t {
	case "bitmap", "":
		return "texture"
	case "svg":
		return "vector"
	case "scene", "font":
		return t
	case "light_profile":
		return "light"
	default:
		return "resource"
	}
}

// things returns what is in the content, each after the group that it is in.
func (f *file) things() []*xmlspan.Node {
	var out []*xmlspan.Node
	var in func(content *xmlspan.Node)
	in = func(content *xmlspan.Node) {
		if content == nil {
			return
		}
		for _, n := range content.Kids {
			out = append(out, n)
			if n.Name == "group" {
				in(n.First("content"))
			}
		}
	}
	in(f.doc.Root.First("content"))
	return out
}

// group returns the group that a thing is in; nil at the top.
func group(n *xmlspan.Node) *xmlspan.Node {
	if up := n.Parent; up != nil && up.Parent != nil && up.Parent.Name == "group" {
		return up.Parent
	}
	return nil
}

func (f *file) ids() map[*xmlspan.Node]string {
	out := map[*xmlspan.Node]string{}
	used := map[string]int{}
	for _, n := range f.things() {
		id := f.v(n, "identifier")
		if id == "" {
			id = n.Name
		}
		if g := group(n); g != nil && len(out[g]) < 4096 {
			id = out[g] + "/" + id
		}
		for used[id] > 0 {
			used[id]++
			id = fmt.Sprintf("%s#%d", id, used[id])
		}
		used[id] = 1
		out[n] = id
	}
	return out
}

// Elements lists graphs, functions, resources and groups.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	ids := f.ids()
	things := f.things()
	uids := map[string]int{}
	for _, n := range things {
		uids[f.v(n, "uid")]++
	}
	var out []format.Element
	for _, n := range things {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e := format.Element{ID: ids[n], Kind: n.Name, Name: f.v(n, "identifier"), Bytes: int64(n.End - n.Start), Aspects: map[string]string{}}
		if uid := f.v(n, "uid"); uid != "" && uids[uid] == 1 {
			e.Stable = n.Name + " " + uid
		}
		if g := group(n); g != nil {
			e.Parent = ids[g]
		}
		var text strings.Builder
		f.canonical(&text, n, true)
		e.Aspects["content"] = format.HashOf([]byte(text.String()))
		out = append(out, e)
	}
	return out, nil
}

// canonical writes what n is, without its name, where its nodes lie, its icon, and what is in a group.
func (f *file) canonical(to *strings.Builder, n *xmlspan.Node, top bool) {
	to.WriteString("<" + n.Name)
	attrs := make([]string, 0, len(n.Attrs))
	for _, a := range n.Attrs {
		attrs = append(attrs, fmt.Sprintf(" %s=%q", a.Name, f.doc.Value(a)))
	}
	slices.Sort(attrs)
	for _, a := range attrs {
		to.WriteString(a)
	}
	for _, k := range n.Kids {
		switch {
		case k.Name == "GUILayout", k.Name == "GUIObjects", k.Name == "icon", k.Name == "filelastmodified":
		case top && (k.Name == "identifier" || k.Name == "content"):
		default:
			f.canonical(to, k, false)
		}
	}
	to.WriteByte('>')
}

// Rewrite makes a package need others.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	f, err := open(in)
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
