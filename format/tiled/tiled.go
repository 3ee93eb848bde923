// Package tiled knows maps of Tiled (.tmx, .tmj), its tilesets (.tsx, .tsj), templates (.tx, .tj) and worlds (.world): what
// they need, what is in them, and how to make them need others.
//
// It promises: files are read as XML or JSON with the places of everything; what it writes is the file with other
// characters in some strings.
//
// # Bytes
//
//	map       <map> of <tileset firstgid source>, <layer id name><data encoding compression>, <objectgroup>, <imagelayer>,
//	          <group>; objects may have a template; in JSON the same as members, "type" says what a layer is
//	tileset   <tileset> of <image source>, or <tile> of <image source> each
//	template  <template> of <tileset source> and <object>
//	world     JSON: maps of fileName
//	data      numbers as text, or base64 of 4 bytes each, little-endian, plain, zlib, gzip or zstd; in chunks where a map has
//	          no end
//
// A property of type file names one, too.
//
// # Elements
//
// Of a map its layers and objects, Stable by the numbers that Tiled gives them since 1.2, and its tilesets. The tiles of a
// layer are one hash, however they are encoded.
//
// # What it was held against
//
// The 125 files and a map of JSON of the Tiled project: read whole, 225 of 233 references lead to files, and the others are
// meant not to.
package tiled

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// maxText is the most that a file may have, in bytes.
const maxText = 1 << 28

// Format is the format. It has no state.
type Format struct{}

// Name is "tiled".
func (Format) Name() string { return "tiled" }

// Match looks for the extension and what files of it have first: .tsx and .json are others' too.
func (Format) Match(name string, head []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	has := func(s string) bool { return bytes.Contains(head, []byte(s)) }
	switch strings.ToLower(path.Ext(name)) {
	case ".tmx":
		return bytes.HasPrefix(text, []byte("<")) && has("<map ")
	case ".tsx":
		return bytes.HasPrefix(text, []byte("<")) && has("<tileset ") && (has("<?xml") || bytes.HasPrefix(text, []byte("<tileset ")))
	case ".tx":
		return bytes.HasPrefix(text, []byte("<")) && has("<template>")
	case ".tmj", ".tsj", ".tj":
		return bytes.HasPrefix(text, []byte("{"))
	case ".world":
		return bytes.HasPrefix(text, []byte("{")) && (has(`"maps"`) || has(`"patterns"`))
	case ".json":
		return bytes.HasPrefix(text, []byte("{")) && has(`"infinite"`) && has(`"layers"`)
	}
	return false
}

// file is a file that was read: what it is made of, of either notation.
type file struct {
	b     []byte
	exact bool
	xml   bool
	refs  []format.Reference
	root  *thing
}

// thing is an element of XML or an object of JSON that is known: a map, a layer, an object, a tileset.
type thing struct {
	kind     string // map, layer, objectgroup, imagelayer, group, object, tileset, template, tile, image, property, world
	text     map[string]string
	kids     []*thing
	from, to int
	data     []chunk // tiles
}

// chunk is tiles as they are written.
type chunk struct {
	encoding, compression string
	text                  []byte
	place                 string // where it lies, of a map without end
}

func open(ctx context.Context, in format.Input) (*file, error) {
	b, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	f := &file{b: b, exact: exact}
	text := bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	if f.xml = bytes.HasPrefix(text, []byte("<")); f.xml {
		err = f.readXML()
	} else {
		err = f.readJSON(ctx)
	}
	return f, err
}

// Validate checks that a file is whole.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := open(ctx, in)
	return err
}

// refer takes the place of a path.
func (f *file) refer(kind, means, element string, from, to int) {
	if means == "" || strings.HasPrefix(means, ":/") || len(f.refs) > format.MaxReferences { // :/ is in Tiled itself
		return
	}
	r := format.Reference{Kind: kind, Raw: string(f.b[from:to]), Element: element}
	if r.Path, r.Style = splice.Path(means); r.Path == "" {
		return
	}
	r.Path = strings.TrimPrefix(r.Path, "./")
	if f.exact {
		r.Off, r.Len = int64(from), int64(to-from)
	}
	f.refs = append(f.refs, r)
}

// References lists tilesets, images, templates, maps of worlds and files of properties.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return f.refs, nil
}

// Rewrite makes a file need others.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, f.refs, paths, func(_ format.Reference, next string) string {
		switch {
		case strings.TrimSpace(next) == "":
			return "a path is some characters"
		case f.xml && !fitsXML(next):
			return "characters must be written as entities"
		case !f.xml && !fitsJSON(next):
			return "characters must be written as in JSON"
		}
		return ""
	})
}
