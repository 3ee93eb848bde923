// Package threemf knows 3MF files, what is printed: the objects in all their parts, the items that are built of them,
// materials, and how they look. It puts objects of one version into another.
//
// It promises: entries of the archive that need no change keep their bytes, compressed as they are; in those that are
// changed the rest of the document stays as it is.
//
// # Parts
//
// A zip archive. _rels/.rels names the model (a document <model>) and a thumbnail. The model has <resources> with
// objects, which are a mesh or components: other objects at places; and a <build> with items: objects at places. With
// the production extension (p:path) objects are in models of their own, each with its own numbers.
//
// # Elements
//
//	object             an object of any part; Stable by its p:UUID, or else its part and number
//	item               of the build
//	material, texture  other resources of a part
//	settings           what slicers keep beside the models: an entry of the archive
package threemf

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

// Bounds of what is read.
const (
	maxPart  = 1 << 30 // bytes of a model
	maxAll   = 2 << 30 // of all models
	maxParts = 1 << 14
	maxSmall = 16 << 20 // of anything else
)

// Namespaces.
const (
	production = "http://schemas.microsoft.com/3dmanufacturing/production/2015/06"
	modelType  = "http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"
	thumbType  = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "3mf".
func (Format) Name() string { return "3mf" }

// Match looks for a zip of the extension, or one that begins with the parts of such.
func (Format) Match(name string, head []byte) bool {
	if !bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return false
	}
	return strings.EqualFold(path.Ext(name), ".3mf") || bytes.Contains(head, []byte("3D/3dmodel.model"))
}

// file is a file that was read.
type file struct {
	in      format.Input
	archive *zipfile.Archive
	root    string // name of the model's entry
	thumb   string // of the thumbnail's; "" if there is none
	parts   map[string]*part
	names   []string // of parts, the root first, then in the archive's order
}

// part is a model.
type part struct {
	name      string
	text      format.Input
	doc       *xmlspan.Document
	resources *xmlspan.Node
	build     *xmlspan.Node
	byID      map[string]*xmlspan.Node // resources
}

// relation is a line of a .rels.
type relation struct {
	target, kind, id string
	external         bool
	from, to         int // of the line
	off, n           int // of the target, as it stands
}

func open(ctx context.Context, in format.Input) (*file, error) {
	f := &file{in: in, parts: map[string]*part{}}
	var err error
	if f.archive, err = zipfile.Open(in); err != nil {
		return nil, err
	}
	rels, _, err := f.relations(ctx, "_rels/.rels")
	if err != nil {
		return nil, err
	}
	for _, r := range rels {
		switch name := entryName(r.target); {
		case r.external:
		case r.kind == modelType && f.root == "":
			f.root = name
		case r.kind == thumbType && f.thumb == "":
			f.thumb = name
		}
	}
	if f.root == "" {
		f.root = "3D/3dmodel.model"
	}
	if f.archive.Find(f.root) == nil {
		return nil, format.Malformed("no model %.128q in the archive", f.root)
	}
	left := int64(maxAll)
	if err := f.read(ctx, f.root, &left); err != nil {
		return nil, err
	}
	for _, e := range f.archive.Entries() {
		if strings.EqualFold(path.Ext(e.Name), ".model") && f.parts[e.Name] == nil {
			if err := f.read(ctx, e.Name, &left); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// relations reads a .rels; none where there is none.
func (f *file) relations(ctx context.Context, name string) ([]relation, *xmlspan.Document, error) {
	e := f.archive.Find(name)
	if e == nil {
		return nil, nil, nil
	}
	b, err := f.archive.Read(ctx, e, maxSmall)
	if err != nil {
		return nil, nil, err
	}
	doc, err := document(b, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	var out []relation
	for _, n := range doc.Root.All("Relationship") {
		r := relation{target: doc.Get(n, "Target"), kind: doc.Get(n, "Type"), id: doc.Get(n, "Id"), external: doc.Get(n, "TargetMode") == "External", from: n.Start, to: n.End}
		for _, a := range n.Attrs {
			if a.Name == "Target" {
				r.off, r.n = a.Off, a.Len
			}
		}
		out = append(out, r)
	}
	return out, doc, nil
}

// entryName is what an absolute path in the archive is called in its directory.
func entryName(target string) string { return strings.TrimPrefix(path.Clean("/"+target), "/") }

func document(b []byte, whole func(string) bool) (*xmlspan.Document, error) {
	text, exact, err := splice.Plain(b)
	if err != nil {
		return nil, err
	}
	if !exact {
		return nil, format.Unsupported("a part in UTF-16")
	}
	return xmlspan.Parse(text, whole)
}

func (f *file) read(ctx context.Context, name string, left *int64) error {
	if len(f.parts) == maxParts {
		return fmt.Errorf("more than %d models: %w", maxParts, format.ErrLimit)
	}
	b, err := f.archive.Read(ctx, f.archive.Find(name), min(maxPart, *left))
	if err != nil {
		return err
	}
	*left -= int64(len(b))
	p := &part{name: name, text: format.Bytes(b), byID: map[string]*xmlspan.Node{}}
	// Meshes are most of it: they are read apart.
	if p.doc, err = document(b, func(name string) bool { return xmlspan.Local(name) == "mesh" }); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if p.doc.Root.Local() != "model" {
		return format.Malformed("%.128s: the root is %.64q", name, p.doc.Root.Name)
	}
	p.resources, p.build = p.doc.Root.First("resources"), p.doc.Root.First("build")
	if p.resources != nil {
		for _, n := range p.resources.Kids {
			id := p.doc.Get(n, "id")
			if p.byID[id] != nil && id != "" {
				return format.Malformed("%.128s: two resources have the id %.32q", name, id)
			}
			p.byID[id] = n
		}
	}
	f.parts[name] = p
	f.names = append(f.names, name)
	return nil
}

// uuid returns the p:UUID of a node.
func (p *part) uuid(n *xmlspan.Node) string { return p.special(n, "UUID") }

// special returns an attribute of the production extension.
func (p *part) special(n *xmlspan.Node, local string) string {
	for _, a := range n.Attrs {
		if prefix := xmlspan.Prefix(a.Name); prefix != "" && xmlspan.Local(a.Name) == local && n.Space(prefix) == production {
			return p.doc.Value(a)
		}
	}
	return ""
}

// target returns the part and the resource that an item or a component means; nil where there is none.
func (f *file) target(p *part, n *xmlspan.Node) (*part, *xmlspan.Node) {
	id := p.doc.Get(n, "objectid")
	if at := p.special(n, "path"); at != "" {
		p = f.parts[entryName(at)]
	}
	if p == nil {
		return nil, nil
	}
	to := p.byID[id]
	if to == nil || to.Local() != "object" {
		return nil, nil
	}
	return p, to
}

// element is an Element and where it comes from.
type element struct {
	format.Element
	part  *part
	node  *xmlspan.Node
	entry string // of settings
}

func (f *file) elements(ctx context.Context) ([]element, error) {
	var out []element
	used := map[string]bool{}
	add := func(e element) error {
		for used[e.ID] {
			e.ID += "'"
		}
		used[e.ID] = true
		if len(out) == format.MaxElements {
			return fmt.Errorf("more than %d elements: %w", format.MaxElements, format.ErrLimit)
		}
		out = append(out, e)
		return ctx.Err()
	}
	for _, name := range f.names {
		p := f.parts[name]
		if p.resources != nil {
			for _, n := range p.resources.Kids {
				e, err := f.resource(p, n)
				if err == nil {
					err = add(e)
				}
				if err != nil {
					return nil, err
				}
			}
		}
		if p.build == nil || name != f.root {
			continue
		}
		for i, n := range p.build.All("item") {
			if err := add(f.item(p, n, i)); err != nil {
				return nil, err
			}
		}
	}
	for _, e := range f.archive.Entries() {
		if f.isSettings(e.Name) {
			err := add(element{entry: e.Name, Element: format.Element{ID: e.Name, Stable: e.Name, Kind: "settings", Name: path.Base(e.Name), Bytes: e.Compressed,
				Aspects: map[string]string{"content": fmt.Sprintf("%08x%x", e.CRC, e.Size)}}})
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (f *file) isSettings(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".config", ".xml", ".json", ".txt", ".ini":
		return name != "[Content_Types].xml"
	}
	return false
}

// resource describes a resource.
func (f *file) resource(p *part, n *xmlspan.Node) (element, error) {
	e := element{part: p, node: n, Element: format.Element{Kind: "material", Bytes: int64(n.End - n.Start), Properties: map[string]string{}, Aspects: map[string]string{}}}
	id := p.doc.Get(n, "id")
	e.ID = p.name + "#" + id
	e.Name = cmp.Or(p.doc.Get(n, "name"), n.Local()+" "+id)
	if id != "" {
		e.Stable = e.ID
	}
	if strings.HasPrefix(n.Local(), "texture") {
		e.Kind = "texture"
	}
	if n.Local() != "object" {
		e.Aspects["content"] = format.HashOf([]byte(p.content(n)))
		return e, nil
	}
	e.Kind = "object"
	if u := p.uuid(n); u != "" {
		e.Stable = u
	}
	for _, a := range []string{"type", "partnumber", "pid", "pindex"} {
		if v := p.doc.Get(n, a); v != "" && v != "model" {
			e.Properties[a] = v
		}
	}
	var parts []string
	for _, k := range n.Kids {
		if k.Local() == "mesh" {
			if err := p.describe(&e.Element, k); err != nil {
				return e, err
			}
		} else {
			parts = append(parts, p.content(k))
		}
	}
	if len(parts) > 0 {
		e.Aspects["components"] = format.HashOf([]byte(strings.Join(parts, "\n")))
	}
	return e, nil
}

// item describes the n-th item of the build.
func (f *file) item(p *part, n *xmlspan.Node, at int) element {
	e := element{part: p, node: n, Element: format.Element{ID: p.uuid(n), Kind: "item", Bytes: int64(n.End - n.Start), Properties: map[string]string{}}}
	e.Stable = e.ID
	if e.ID == "" {
		e.ID = fmt.Sprintf("item[%d]", at+1)
	}
	e.Name = fmt.Sprintf("item %d", at+1)
	if q, to := f.target(p, n); to != nil {
		e.Name = cmp.Or(q.doc.Get(to, "name"), e.Name)
		e.Properties["object"] = q.name + "#" + q.doc.Get(to, "id")
	}
	if t := p.doc.Get(n, "transform"); t != "" {
		e.Properties["transform"] = numbers(t)
	}
	if v := p.doc.Get(n, "printable"); v != "" {
		e.Properties["printable"] = v
	}
	return e
}

// numbers writes numbers in one way.
func numbers(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		if v, err := strconv.ParseFloat(w, 64); err == nil {
			words[i] = fmt.Sprint(v + 0)
		}
	}
	return strings.Join(words, " ")
}

// content returns a node with all in it, without spaces, comments, the order of attributes, and names of the production
// extension.
func (p *part) content(n *xmlspan.Node) string {
	var out strings.Builder
	n.Walk(func(k *xmlspan.Node) bool {
		var attrs []string
		for _, a := range k.Attrs {
			if local := xmlspan.Local(a.Name); local != "UUID" && (k != n || local != "id") {
				attrs = append(attrs, fmt.Sprintf("%s=%q", local, numbers(p.doc.Value(a))))
			}
		}
		slices.Sort(attrs)
		fmt.Fprintf(&out, "\n<%s %s %d>", k.Local(), strings.Join(attrs, " "), len(k.Kids))
		if len(k.Kids) == 0 {
			out.WriteString(strings.TrimSpace(p.doc.Inner(k)))
		}
		return true
	})
	return out.String()
}

// Elements lists objects, items and what else there is.
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

// References lists what relationships name outside of the archive.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	a, err := zipfile.Open(in)
	if err != nil {
		return nil, err
	}
	f := &file{in: in, archive: a}
	var out []format.Reference
	for _, e := range a.Entries() {
		if path.Ext(e.Name) != ".rels" {
			continue
		}
		list, _, err := f.relations(ctx, e.Name)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if p, style := splice.URI(r.target); r.external && p != "" && len(out) < format.MaxReferences {
				out = append(out, format.Reference{Kind: "relationship", Raw: r.target, Path: p, Style: style})
			}
		}
	}
	return out, nil
}
