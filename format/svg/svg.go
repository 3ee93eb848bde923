// Package svg knows Scalable Vector Graphics: what is drawn, by id and in its groups and layers, what it needs of other
// files, and how it looks, as far as a thumbnail goes. It puts elements of one version into another.
//
// It promises: what it writes is the document with other spans in some places; what it does not draw it says.
//
// # Elements
//
//	group, layer     g, a, switch, svg; layers as Inkscape and Illustrator mark them
//	shape            path, rect, circle, ellipse, line, polyline, polygon
//	text image instance foreign
//	gradient pattern filter clip mask marker symbol font style
//
// The ID is the id; of what has none, or one that others have too, the way from the root: "/g[2]/path[1]", which is not
// Stable. Order of attributes, spaces between tags, how numbers are written and what Inkscape keeps for itself are no
// content.
package svg

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "svg".
func (Format) Name() string { return "svg" }

// Match looks for a first element svg, or for the extension where the head has none.
func (Format) Match(name string, head []byte) bool {
	text, _, err := splice.Plain(head[:len(head)&^1])
	if err != nil {
		return false
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if len(text) == 0 || text[0] != '<' {
		return false
	}
	s := xmlspan.NewScanner(text, 0)
	for {
		t, ok, err := s.Next()
		if err != nil || !ok {
			svg := bytes.Contains(text, []byte("<svg")) || bytes.Contains(text, []byte(":svg"))
			return svg || strings.EqualFold(path.Ext(name), ".svg")
		}
		if t.Kind == xmlspan.Open {
			return xmlspan.Local(t.Name) == "svg"
		}
	}
}

// file is a document that was read.
type file struct {
	in    format.Input
	doc   *xmlspan.Document
	exact bool
	ids   map[string]*xmlspan.Node // of ids that only one has
	idOf  map[*xmlspan.Node]string
	sheet sheet
	hash  map[*xmlspan.Node]string // of a node with all in it, made when asked for
}

func open(in format.Input) (*file, error) {
	text, exact, err := splice.Read(in, xmlspan.MaxText)
	if err != nil {
		return nil, err
	}
	doc, err := xmlspan.Parse(text, nil)
	if err != nil {
		return nil, err
	}
	if doc.Root.Local() != "svg" {
		return nil, format.Malformed("the root is %.64q", doc.Root.Name)
	}
	f := &file{in: in, doc: doc, exact: exact, ids: map[string]*xmlspan.Node{}, idOf: map[*xmlspan.Node]string{}, hash: map[*xmlspan.Node]string{}}
	doc.Root.Walk(func(n *xmlspan.Node) bool {
		if id := doc.Get(n, "id"); id != "" {
			if _, two := f.ids[id]; two {
				f.ids[id] = nil
			} else {
				f.ids[id] = n
			}
			f.idOf[n] = id
		}
		if n.Local() == "style" {
			f.sheet.add(doc.Inner(n))
		}
		return true
	})
	maps.DeleteFunc(f.idOf, func(n *xmlspan.Node, id string) bool { return f.ids[id] == nil })
	maps.DeleteFunc(f.ids, func(_ string, n *xmlspan.Node) bool { return n == nil })
	return f, nil
}

// Validate checks that the document nests and ends.
func (Format) Validate(_ context.Context, in format.Input) error {
	_, err := open(in)
	return err
}

// kindOf returns the kind of element that a node is, "" if it is none, and whether others are listed within it.
func (f *file) kindOf(n *xmlspan.Node) (kind string, holds bool) {
	switch n.Local() {
	case "g", "a", "switch", "svg":
		if f.attr(n, inkscape, "groupmode") == "layer" || strings.HasSuffix(f.attrLocal(n, "layer"), "yes") {
			return "layer", true
		}
		return "group", true
	case "path", "rect", "circle", "ellipse", "line", "polyline", "polygon":
		return "shape", false
	case "text", "flowRoot":
		return "text", false
	case "image":
		return "image", false
	case "use":
		return "instance", false
	case "foreignObject":
		return "foreign", false
	case "linearGradient", "radialGradient", "meshgradient", "meshGradient":
		return "gradient", false
	case "pattern", "filter", "mask", "marker", "symbol", "font", "style":
		return n.Local(), false
	case "clipPath":
		return "clip", false
	case "defs":
		return "", true
	}
	return "", false
}

// Namespaces of editors.
const (
	inkscape = "http://www.inkscape.org/namespaces/inkscape"
	sodipodi = "http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd"
)

// attr returns an attribute of a namespace.
func (f *file) attr(n *xmlspan.Node, space, local string) string {
	for _, a := range n.Attrs {
		if p := xmlspan.Prefix(a.Name); p != "" && xmlspan.Local(a.Name) == local && n.Space(p) == space {
			return f.doc.Value(a)
		}
	}
	return ""
}

// attrLocal returns an attribute of any prefix.
func (f *file) attrLocal(n *xmlspan.Node, local string) string {
	for _, a := range n.Attrs {
		if xmlspan.Local(a.Name) == local {
			return f.doc.Value(a)
		}
	}
	return ""
}

// element is an Element and where it comes from.
type element struct {
	format.Element
	node *xmlspan.Node
}

// maxPath bounds the ids of what has no id.
const maxPath = 200

func (f *file) elements(ctx context.Context) ([]element, error) {
	var out []element
	used := map[string]bool{}
	var walk func(n *xmlspan.Node, parent, at string) error
	walk = func(n *xmlspan.Node, parent, at string) error {
		count := map[string]int{}
		for _, k := range n.Kids {
			if err := ctx.Err(); err != nil {
				return err
			}
			count[k.Local()]++
			here := fmt.Sprintf("%s/%s[%d]", at, k.Local(), count[k.Local()])
			if len(here) > maxPath {
				here = "/" + format.HashOf([]byte(here))
			}
			kind, holds := f.kindOf(k)
			up := parent
			if kind != "" {
				e := f.element(k, kind, holds)
				e.Parent, e.ID, e.Stable = parent, here, f.idOf[k]
				if e.Stable != "" {
					e.ID = e.Stable
				}
				for used[e.ID] {
					e.ID += "'"
				}
				used[e.ID] = true
				if len(out) == format.MaxElements {
					return fmt.Errorf("more than %d elements: %w", format.MaxElements, format.ErrLimit)
				}
				out = append(out, e)
				up = e.ID
			}
			if holds {
				if err := walk(k, up, here); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return out, walk(f.doc.Root, "", "")
}

// Elements lists what is drawn and what it is drawn with, in the order of the document.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	list, err := f.elements(ctx)
	if err != nil {
		return nil, err
	}
	bounds := f.measure(ctx)
	out := make([]format.Element, len(list))
	for i, e := range list {
		out[i] = e.Element
		if b := bounds[e.node]; b != nil {
			out[i].Bounds = b[:]
		}
	}
	return out, ctx.Err()
}

// element describes a node. Of what holds others the content is without them.
func (f *file) element(n *xmlspan.Node, kind string, holds bool) element {
	e := element{node: n, Element: format.Element{Kind: kind, Name: f.name(n), Bytes: int64(n.End - n.Start), Properties: map[string]string{}, Aspects: map[string]string{}}}
	style := f.declared(n)
	for _, p := range []string{"fill", "stroke", "opacity", "display", "visibility", "mix-blend-mode"} {
		if v := style[p]; v != "" {
			e.Properties[p] = v
		}
	}
	if v := f.doc.Get(n, "transform"); v != "" {
		e.Properties["transform"] = numbers(v)
	}
	if f.attr(n, sodipodi, "insensitive") == "true" {
		e.Properties["locked"] = "true"
	}
	var shape, look, rest []string
	for _, a := range f.attributes(n) {
		switch {
		case geometry(a.name):
			shape = append(shape, a.String())
		case a.name == "style" || a.name == "class" || presentation(a.name):
			look = append(look, a.String())
		case a.name != "transform":
			rest = append(rest, a.String())
		}
	}
	if holds {
		for _, k := range n.Kids {
			if kk, _ := f.kindOf(k); kk != "" || k.Local() == "defs" {
				e.Bytes -= int64(k.End - k.Start)
			}
		}
	} else {
		for _, k := range n.Kids {
			rest = append(rest, f.whole(k))
		}
		rest = append(rest, f.words(n))
	}
	for name, parts := range map[string][]string{"shape": shape, "style": look, "content": rest} {
		if text := strings.Join(parts, "\n"); strings.TrimSpace(text) != "" {
			e.Aspects[name] = format.HashOf([]byte(text))
		}
	}
	return e
}

func (f *file) name(n *xmlspan.Node) string {
	title := ""
	if t := n.First("title"); t != nil {
		title = strings.TrimSpace(f.doc.Inner(t))
	}
	return cmp.Or(f.attr(n, inkscape, "label"), f.doc.Get(n, "data-name"), title, f.doc.Get(n, "id"), n.Local())
}

// words returns the characters of a node that has no kids of a kind, spaces made one.
func (f *file) words(n *xmlspan.Node) string {
	if n.In == n.InEnd {
		return ""
	}
	return strings.Join(strings.Fields(f.doc.Inner(n)), " ")
}

// attribute is an attribute by its content.
type attribute struct{ name, value string }

func (a attribute) String() string { return a.name + "=" + a.value }

// attributes returns those that are content, sorted.
func (f *file) attributes(n *xmlspan.Node) []attribute {
	var out []attribute
	for _, a := range n.Attrs {
		local, prefix := xmlspan.Local(a.Name), xmlspan.Prefix(a.Name)
		space := n.Space(prefix)
		switch {
		case a.Name == "id" || a.Name == "data-name" || a.Name == "xmlns" || prefix == "xmlns":
			continue
		case space == sodipodi && prefix != "":
			continue
		case space == inkscape && prefix != "" && local != "path-effect" && local != "original-d":
			continue
		}
		v := f.doc.Value(a)
		switch {
		case local == "d" || local == "points" || local == "transform" || geometry(local):
			v = numbers(v)
		case local == "style":
			v = written(declarations(v))
		default:
			v = strings.Join(strings.Fields(v), " ")
		}
		out = append(out, attribute{local, v})
	}
	slices.SortFunc(out, func(a, b attribute) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.value, b.value))
	})
	return out
}

// whole returns the hash of a node with all in it, without its own id and name.
func (f *file) whole(n *xmlspan.Node) string {
	if h, ok := f.hash[n]; ok {
		return h
	}
	var out strings.Builder
	out.WriteString(n.Local())
	for _, a := range f.attributes(n) {
		fmt.Fprintf(&out, "\n%q", a.String())
	}
	for _, k := range n.Kids {
		if k.Local() != "title" && k.Local() != "desc" && k.Local() != "metadata" {
			out.WriteString("\n>" + f.whole(k))
		}
	}
	if len(n.Kids) == 0 {
		out.WriteString("\n" + f.words(n))
	} else if loose := f.loose(n); loose != "" {
		out.WriteString("\n" + loose)
	}
	h := format.HashOf([]byte(out.String()))
	f.hash[n] = h
	return h
}

// loose returns the characters between the kids of a node, as of text with spans in it.
func (f *file) loose(n *xmlspan.Node) string {
	var words []string
	at := n.In
	for i := 0; i <= len(n.Kids); i++ {
		to := n.InEnd
		if i < len(n.Kids) {
			to = n.Kids[i].Start
		}
		if s := strings.Join(strings.Fields(string(f.doc.Text[at:to])), " "); s != "" {
			words = append(words, fmt.Sprintf("%d %s", i, s))
		}
		if i < len(n.Kids) {
			at = n.Kids[i].End
		}
	}
	return strings.Join(words, "\n")
}
