package xmlspan

import (
	"bytes"
	"strings"

	"varve/format"
)

// Document is a text and its tree of elements.
type Document struct {
	Text     []byte
	Root     *Node
	Others   []Token // comments, instructions and declarations before the root
	entities map[string]string
	latin1   bool
}

// Node is an element. It is [Start, End) of the text, and what is in it [In, InEnd); both are End where it is <name/>.
type Node struct {
	Name       string // as written: "svg:path"
	Attrs      []Attr
	Parent     *Node
	Kids       []*Node
	Start, End int
	In, InEnd  int
	scope      *scope
}

// scope is one xmlns attribute and those that it hides.
type scope struct {
	prefix, uri string
	up          *scope
}

// Parse makes the tree of a text. Of elements for which whole reports true the content is passed over: they have no
// kids. nil: of none.
func Parse(text []byte, whole func(name string) bool) (*Document, error) {
	d := &Document{Text: text}
	s := NewScanner(text, len(text)-len(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	b := builder{d: d, s: s, whole: whole}
	for {
		t, ok, err := s.Next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if err := b.add(t); err != nil {
			return nil, err
		}
	}
	if b.open != nil {
		return nil, format.Malformed("the text ends within the element %s at %d", b.open.Name, b.open.Start)
	}
	if d.Root == nil {
		return nil, format.Malformed("no element")
	}
	return d, nil
}

type builder struct {
	d     *Document
	s     *Scanner
	whole func(string) bool
	open  *Node
	nodes int
	depth int
	// within counts the open elements inside one whose content is passed over.
	within int
}

func (b *builder) add(t Token) error {
	switch t.Kind {
	case Other:
		if b.d.Root == nil {
			b.d.Others = append(b.d.Others, t)
			b.d.head(t)
		}
		return nil
	case Text, CData:
		if b.open == nil && len(bytes.TrimSpace(b.d.Text[t.Start:t.End])) > 0 && b.d.Root == nil {
			return format.Malformed("characters before the first element, at %d", t.Start)
		}
		return nil
	case Close:
		if b.within > 0 {
			b.within--
			return nil
		}
		if b.open == nil || b.open.Name != t.Name {
			return format.Malformed("</%.64s> at %d closes nothing", t.Name, t.Start)
		}
		b.open.InEnd, b.open.End = t.Start, t.End
		b.open = b.open.Parent
		b.depth--
		return nil
	}
	if b.within > 0 || b.open != nil && b.whole != nil && b.whole(b.open.Name) {
		if !t.Empty {
			b.within++
		}
		return nil
	}
	return b.element(t)
}

func (b *builder) element(t Token) error {
	if b.nodes++; b.nodes > MaxNodes {
		return format.Unsupported("more than %d elements", MaxNodes)
	}
	n := &Node{Name: t.Name, Attrs: append([]Attr(nil), t.Attrs...), Parent: b.open, Start: t.Start, In: t.End, InEnd: t.End, End: t.End}
	if b.open != nil {
		n.scope = b.open.scope
		b.open.Kids = append(b.open.Kids, n)
	} else if b.d.Root != nil {
		return format.Malformed("a second root, at %d", t.Start)
	} else {
		b.d.Root = n
	}
	for _, a := range n.Attrs {
		if prefix, ok := strings.CutPrefix(a.Name, "xmlns"); ok && (prefix == "" || prefix[0] == ':') {
			n.scope = &scope{strings.TrimPrefix(prefix, ":"), b.d.Value(a), n.scope}
		}
	}
	if t.Empty {
		return nil
	}
	if b.depth++; b.depth > MaxDepth {
		return format.Malformed("more than %d elements within one another", MaxDepth)
	}
	b.open, n.End, n.InEnd = n, len(b.d.Text), len(b.d.Text)
	return nil
}

// head reads what stands before the root: the encoding, entities.
func (d *Document) head(t Token) {
	text := string(d.Text[t.Start:t.End])
	if strings.HasPrefix(text, "<?xml ") {
		lower := strings.ToLower(text)
		d.latin1 = strings.Contains(lower, `"iso-8859-1"`) || strings.Contains(lower, `"windows-1252"`) || strings.Contains(lower, `'iso-8859-1'`)
	}
	if strings.HasPrefix(text, "<!DOCTYPE") && strings.Contains(text, "<!ENTITY") {
		d.entities = entities(text)
	}
}

// Value returns what the value of an attribute means.
func (d *Document) Value(a Attr) string { return d.Unescape(d.Text[a.Off : a.Off+a.Len]) }

// Get returns the value of an attribute by its name as written, "" if n has none.
func (d *Document) Get(n *Node, name string) string {
	v, _ := d.Has(n, name)
	return v
}

// Has is Get that says whether there is one.
func (d *Document) Has(n *Node, name string) (string, bool) {
	for _, a := range n.Attrs {
		if a.Name == name {
			return d.Value(a), true
		}
	}
	return "", false
}

// Inner returns the characters in n, of it and of all within.
func (d *Document) Inner(n *Node) string {
	var out strings.Builder
	d.Runs(n, func(t Token) bool {
		if t.Kind == CData {
			out.Write(d.Text[t.Start+9 : t.End-3])
		} else {
			out.WriteString(d.Unescape(d.Text[t.Start:t.End]))
		}
		return true
	})
	return out.String()
}

// Runs calls each with the text and CDATA tokens in n, of it and of all within, while it returns true.
func (d *Document) Runs(n *Node, each func(Token) bool) {
	s := NewScanner(d.Text[:n.InEnd], n.In)
	for {
		t, ok, err := s.Next()
		if err != nil || !ok {
			return
		}
		if (t.Kind == Text || t.Kind == CData) && !each(t) {
			return
		}
	}
}

// Local returns a name without its prefix.
func Local(name string) string { return name[strings.IndexByte(name, ':')+1:] }

// Prefix returns the prefix of a name, "" if it has none.
func Prefix(name string) string { return name[:max(0, strings.IndexByte(name, ':'))] }

// Space returns the namespace that a prefix stands for in n; "" where it stands for none.
func (n *Node) Space(prefix string) string {
	if prefix == "xml" {
		return "http://www.w3.org/XML/1998/namespace"
	}
	for s := n.scope; s != nil; s = s.up {
		if s.prefix == prefix {
			return s.uri
		}
	}
	return ""
}

// Local returns the name of n without its prefix.
func (n *Node) Local() string { return Local(n.Name) }

// Walk calls visit with n and all within, each before what is in it; where visit returns false, not with what is in
// that.
func (n *Node) Walk(visit func(*Node) bool) {
	if !visit(n) {
		return
	}
	for _, k := range n.Kids {
		k.Walk(visit)
	}
}

// First returns the first kid of a local name, nil if there is none.
func (n *Node) First(local string) *Node {
	if n == nil {
		return nil
	}
	for _, k := range n.Kids {
		if k.Local() == local {
			return k
		}
	}
	return nil
}

// All returns the kids of a local name.
func (n *Node) All(local string) []*Node {
	var out []*Node
	if n != nil {
		for _, k := range n.Kids {
			if k.Local() == local {
				out = append(out, k)
			}
		}
	}
	return out
}
