package tiled

import (
	"bytes"
	"strconv"

	"varve/format"
	"varve/format/xmlspan"
)

func fitsXML(s string) bool { return xmlspan.Fits(s) }

func (f *file) readXML() error {
	doc, err := xmlspan.Parse(f.b, nil)
	if err != nil {
		return err
	}
	switch doc.Root.Name {
	case "map", "tileset", "template":
	default:
		return format.Malformed("the root is %.64q", doc.Root.Name)
	}
	f.root = f.node(doc, doc.Root, "")
	return nil
}

// node makes a thing of an element and of what is known in it, and takes its references.
func (f *file) node(doc *xmlspan.Document, n *xmlspan.Node, element string) *thing {
	t := &thing{kind: n.Name, text: map[string]string{}, from: n.Start, to: n.End}
	for _, a := range n.Attrs {
		t.text[a.Name] = doc.Value(a)
	}
	if id := t.id(); id != "" {
		element = id
	}
	for _, a := range n.Attrs {
		kind := ""
		switch {
		case n.Name == "tileset" && a.Name == "source":
			kind = "tileset"
		case n.Name == "image" && a.Name == "source":
			kind = "image"
		case n.Name == "object" && a.Name == "template":
			kind = "template"
		case n.Name == "property" && a.Name == "value" && t.text["type"] == "file":
			kind = "file"
		default:
			continue
		}
		f.refer(kind, doc.Value(a), element, a.Off, a.Off+a.Len)
	}
	for _, k := range n.Kids {
		if k.Name == "data" && n.Name == "layer" {
			t.data = tiles(doc, k)
			continue
		}
		t.kids = append(t.kids, f.node(doc, k, element))
	}
	if t.kind == "text" || t.kind == "property" {
		t.text["\x00"] = doc.Inner(n)
	}
	return t
}

// tiles returns the data of a layer.
func tiles(doc *xmlspan.Document, n *xmlspan.Node) []chunk {
	of := func(k *xmlspan.Node, place string) chunk {
		c := chunk{encoding: doc.Get(n, "encoding"), compression: doc.Get(n, "compression"), place: place}
		if c.encoding == "" && len(k.Kids) > 0 { // <tile gid="1"/>, of old
			var b []byte
			for _, t := range k.Kids {
				gid := doc.Get(t, "gid")
				if gid == "" {
					gid = "0"
				}
				b = append(append(b, gid...), ',')
			}
			c.encoding, c.text = "csv", b
			return c
		}
		c.text = bytes.TrimSpace(doc.Text[k.In:k.InEnd])
		return c
	}
	var out []chunk
	for _, k := range n.Kids {
		if k.Name == "chunk" {
			out = append(out, of(k, doc.Get(k, "x")+" "+doc.Get(k, "y")+" "+doc.Get(k, "width")))
		}
	}
	if out == nil {
		out = []chunk{of(n, "")}
	}
	return out
}

// id is the id of an element that a thing is; "" where it is none.
func (t *thing) id() string {
	switch t.kind {
	case "layer", "objectgroup", "imagelayer", "group":
		if id := t.text["id"]; id != "" {
			return "layer " + id
		}
		return t.kind + " " + strconv.Quote(t.text["name"])
	case "object":
		if id := t.text["id"]; id != "" {
			return "object " + id
		}
	case "tileset":
		if g := t.text["firstgid"]; g != "" {
			return "tileset " + g
		}
		return "tileset"
	}
	return ""
}
