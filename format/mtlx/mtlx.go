// Package mtlx knows documents of MaterialX: their materials, graphs and nodes, what they need, and how to make them need
// others.
//
// It promises: a document is read as XML with the places of everything; what it writes is the document with other
// characters in some attributes. A path has the fileprefix of what it is in before it, as its value leads from there; a
// prefix is not changed. Paths are taken to lead from the folder of the document: what a renderer's search path is, the
// document does not say.
//
// # Bytes
//
//	<materialx version="1.39" fileprefix="textures/">
//	  <xi:include href="other.mtlx"/>
//	  <nodegraph name="NG"> <image name="i"> <input name="file" type="filename" value="a.<UDIM>.png"/> …
//	  <surfacematerial name="M"> …
//	  <implementation name="I" file="shader.glsl"/>
//
// In a value <UDIM>, <UVTILE>, {frame} and {0Nframe} stand for several files, [name] for a token, {name} for one of the
// geometry.
//
// # Elements
//
// What is at the top and the nodes of graphs, by their names: material, graph, node, definition, look. How they lie in an
// editor is left out.
//
// # What it was held against
//
// The 259 documents of the MaterialX project, 1.36 to 1.39, and what is in them: all read whole.
package mtlx

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// maxText is the most that a document may have, in bytes.
const maxText = 1 << 28

// maxPath is the longest path that leads to a file or stands before an id, in bytes: what a document repeats may not make
// it larger than it is.
const maxPath = 4096

// Format is the format. It has no state.
type Format struct{}

// Name is "mtlx".
func (Format) Name() string { return "mtlx" }

// Match looks for the root.
func (Format) Match(name string, head []byte) bool {
	text, _, err := splice.Plain(head[:len(head)&^1])
	return err == nil && bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), " \t\r\n"), []byte("<")) &&
		(bytes.Contains(text, []byte("<materialx ")) || bytes.Contains(text, []byte("<materialx>")) || strings.EqualFold(path.Ext(name), ".mtlx"))
}

// file is a document that was read.
type file struct {
	doc   *xmlspan.Document
	exact bool
}

func open(in format.Input) (*file, error) {
	text, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	doc, err := xmlspan.Parse(text, nil)
	if err != nil {
		return nil, err
	}
	if doc.Root.Local() != "materialx" {
		return nil, format.Malformed("the root is %.64q", doc.Root.Name)
	}
	return &file{doc, exact}, nil
}

// Validate checks that a document is whole.
func (Format) Validate(_ context.Context, in format.Input) error {
	_, err := open(in)
	return err
}
