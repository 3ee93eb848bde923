// Package collada knows COLLADA documents (.dae) and archives of one with its files (.zae): their nodes, meshes,
// materials, what they need of other files, and how they look. It puts elements of one version into another.
//
// It promises: what it writes is the document with other spans in some places. The ids of the document are the
// elements' names; of an id that several have, none is Stable.
//
// # Elements
//
//	object     node of a visual scene, with its transforms and what it shows; nodes in it are apart
//	mesh       geometry         material   material, effect         texture   image
//	camera, light, animation, skin (controller)
package collada

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/shape"
	"varve/format/splice"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

const maxText = 1 << 29 // bytes of a document

// Format is the format. It has no state.
type Format struct{}

// Name is "collada".
func (Format) Name() string { return "collada" }

// Match looks for a first element COLLADA, or a zip of the extension .zae.
func (Format) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return strings.EqualFold(path.Ext(name), ".zae")
	}
	text, _, err := splice.Plain(head[:len(head)&^1])
	if err != nil || !bytes.HasPrefix(bytes.TrimLeft(text, "\xef\xbb\xbf \t\r\n"), []byte("<")) {
		return false
	}
	s := xmlspan.NewScanner(text, bytes.IndexByte(text, '<'))
	for {
		t, ok, err := s.Next()
		if err != nil || !ok {
			return bytes.Contains(text, []byte("<COLLADA"))
		}
		if t.Kind == xmlspan.Open {
			return xmlspan.Local(t.Name) == "COLLADA"
		}
	}
}

// file is a document that was read.
type file struct {
	in      format.Input
	text    format.Input // the document: in, or an entry of it
	archive *zipfile.Archive
	entry   *zipfile.Entry
	exact   bool // offsets in the document are those of text
	doc     *xmlspan.Document
	ids     map[string]*xmlspan.Node // of ids that only one has
	idOf    map[*xmlspan.Node]string
	sources map[*xmlspan.Node][]float64
}

func open(ctx context.Context, in format.Input) (*file, error) {
	f := &file{in: in, text: in}
	magic, err := format.ReadSpan(in, 0, min(in.Size(), 4), 4)
	if err != nil {
		return nil, err
	}
	if string(magic) == "PK\x03\x04" {
		if err := f.unpack(ctx); err != nil {
			return nil, err
		}
	}
	text, exact, err := splice.Read(f.text, maxText)
	if err != nil {
		return nil, err
	}
	f.exact = exact
	if f.doc, err = xmlspan.Parse(text, nil); err != nil {
		return nil, err
	}
	if f.doc.Root.Local() != "COLLADA" {
		return nil, format.Malformed("the root is %.64q", f.doc.Root.Name)
	}
	f.ids, f.idOf, f.sources = map[string]*xmlspan.Node{}, map[*xmlspan.Node]string{}, map[*xmlspan.Node][]float64{}
	f.doc.Root.Walk(func(n *xmlspan.Node) bool {
		if id := f.doc.Get(n, "id"); id != "" {
			if _, two := f.ids[id]; two {
				f.ids[id] = nil
			} else {
				f.ids[id] = n
			}
			f.idOf[n] = id
		}
		return true
	})
	return f, nil
}

// unpack finds the document in an archive: the one that its manifest names, or the first.
func (f *file) unpack(ctx context.Context) (err error) {
	if f.archive, err = zipfile.Open(f.in); err != nil {
		return err
	}
	if e := f.archive.Find("manifest.xml"); e != nil {
		b, err := f.archive.Read(ctx, e, 1<<20)
		if err != nil {
			return err
		}
		if doc, err := xmlspan.Parse(b, nil); err == nil {
			name := strings.TrimSpace(doc.Inner(doc.Root))
			if plain, err := url.PathUnescape(name); err == nil {
				name = plain
			}
			f.entry = f.archive.Find(path.Clean(name))
		}
	}
	entries := f.archive.Entries()
	for i := range entries {
		if f.entry == nil && strings.EqualFold(path.Ext(entries[i].Name), ".dae") {
			f.entry = &entries[i]
		}
	}
	if f.entry == nil {
		return format.Malformed("no document in the archive")
	}
	b, err := f.archive.Read(ctx, f.entry, maxText)
	f.text = format.Bytes(b)
	return err
}

// pack is a document as the file that it is of.
func (f *file) pack(ctx context.Context, text *format.Output) (*format.Output, error) {
	if f.archive == nil {
		return text, nil
	}
	r := f.archive.Rewrite()
	r.Put(f.entry.Name, text, f.entry.Method)
	return r.Output(ctx)
}

// Validate checks that the document nests and ends, that its arrays are as long as they say, and that the corners of its
// polygons are there.
func (Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(ctx, in)
	if err != nil {
		return err
	}
	f.doc.Root.Walk(func(n *xmlspan.Node) bool {
		if n.Local() != "float_array" || err != nil {
			return err == nil
		}
		list, ok := shape.Numbers(f.doc.Text[n.In:n.InEnd], n.InEnd-n.In)
		count := f.doc.Get(n, "count")
		if !ok || count != "" && count != fmt.Sprint(len(list)) {
			err = format.Malformed("array %.64q has %d numbers, and says %.20s", f.idOf[n], len(list), count)
		}
		return true
	})
	if err != nil {
		return err
	}
	_, err = f.model(ctx)
	return err
}

// kindOf returns the kind of element that a node is, "" if it is none.
func kindOf(n *xmlspan.Node) string {
	if n.Parent == nil {
		return ""
	}
	in := n.Parent.Local()
	switch n.Local() {
	case "node":
		if in == "node" || in == "visual_scene" || in == "library_nodes" {
			return "object"
		}
	case "geometry":
		return library(in, "geometries", "mesh")
	case "material":
		return library(in, "materials", "material")
	case "effect":
		return library(in, "effects", "effect")
	case "image":
		return library(in, "images", "texture")
	case "camera":
		return library(in, "cameras", "camera")
	case "light":
		return library(in, "lights", "light")
	case "controller":
		return library(in, "controllers", "skin")
	case "animation":
		return library(in, "animations", "animation")
	case "animation_clip":
		return library(in, "animation_clips", "clip")
	}
	return ""
}

func library(in, want, kind string) string {
	if in == "library_"+want {
		return kind
	}
	return ""
}

type element struct {
	format.Element
	node *xmlspan.Node
}

func (f *file) elements(ctx context.Context) ([]element, error) {
	var out []element
	used := map[string]int{}
	var err error
	ids := map[*xmlspan.Node]string{}
	f.doc.Root.Walk(func(n *xmlspan.Node) bool {
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return false
		}
		kind := kindOf(n)
		if kind == "" {
			return true
		}
		e := element{node: n, Element: format.Element{Kind: kind, Bytes: int64(n.End - n.Start), Properties: map[string]string{}, Aspects: map[string]string{}}}
		id := f.idOf[n]
		e.Name = cmp.Or(f.doc.Get(n, "name"), id, n.Local())
		if e.ID = id; id != "" && f.ids[id] == n {
			e.Stable = id
		} else {
			e.ID = cmp.Or(id, n.Local())
		}
		if used[e.ID]++; used[e.ID] > 1 || e.ID != id {
			e.ID = fmt.Sprintf("%s[%d]", e.ID, used[e.ID])
		}
		for used[e.ID] > 1 { // somebody has that for an id
			e.ID += "'"
		}
		used[e.ID] = max(used[e.ID], 1)
		ids[n] = e.ID
		e.Parent = ids[n.Parent]
		if err = f.describe(&e); err != nil {
			return false
		}
		out = append(out, e)
		if len(out) > format.MaxElements {
			err = fmt.Errorf("more than %d elements: %w", format.MaxElements, format.ErrLimit)
		}
		return kind == "object"
	})
	return out, err
}

// describe fills in what an element is.
func (f *file) describe(e *element) error {
	n := e.node
	switch e.Kind {
	case "object":
		var moves, rest []string
		for _, k := range n.Kids {
			switch k.Local() {
			case "node":
				e.Bytes -= int64(k.End - k.Start)
			case "matrix", "translate", "rotate", "scale", "skew", "lookat":
				moves = append(moves, k.Local()+" "+f.numbers(k))
			default:
				rest = append(rest, f.content(k))
			}
		}
		e.Properties["transform"] = strings.Join(moves, ", ")
		e.Aspects["content"] = format.HashOf([]byte(strings.Join(rest, "\n")))
		return nil
	case "mesh":
		if g, err := f.geometry(n); err == nil && g != nil {
			g.describe(&e.Element)
			if extra := n.First("extra"); extra != nil {
				e.Aspects["content"] = format.HashOf([]byte(f.content(extra)))
			}
			return nil
		}
	case "texture":
		if at := initFrom(n); at != nil {
			e.Properties["file"] = strings.TrimSpace(f.doc.Inner(at))
		}
	}
	e.Aspects["content"] = format.HashOf([]byte(f.content(n)))
	return nil
}

// numbers returns the text of a node, numbers in the one way that they are written.
func (f *file) numbers(n *xmlspan.Node) string {
	words := strings.Fields(f.doc.Inner(n))
	for i, w := range words {
		if v, k := shape.Number([]byte(w)); k == len(w) {
			words[i] = fmt.Sprint(v + 0)
		}
	}
	return strings.Join(words, " ")
}

// content returns a node with all in it, without spaces, comments and the order of attributes.
func (f *file) content(n *xmlspan.Node) string {
	var out strings.Builder
	n.Walk(func(k *xmlspan.Node) bool {
		var attrs []string
		for _, a := range k.Attrs {
			if k != n || a.Name != "id" && a.Name != "name" {
				attrs = append(attrs, fmt.Sprintf("%s=%q", a.Name, f.doc.Value(a)))
			}
		}
		slices.Sort(attrs)
		fmt.Fprintf(&out, "\n<%s %s %d>", k.Local(), strings.Join(attrs, " "), len(k.Kids))
		if len(k.Kids) == 0 {
			out.WriteString(f.numbers(k))
		}
		return true
	})
	return out.String()
}

// Elements lists nodes, meshes, materials and the other things in the libraries.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	list, err := f.elements(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]format.Element, len(list))
	for i := range list {
		out[i] = list[i].Element
	}
	return out, nil
}
