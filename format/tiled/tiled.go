// Package tiled knows the maps, tilesets and templates of Tiled in XML (.tmx, .tsx, .tx): what they need, and the layers,
// objects and tiles that are in them.
//
// It promises: the path of a tileset, picture or template is a span of the file; nothing else is changed by another
// path. A layer's tiles are the same however they are written.
//
// # Bytes
//
//	<map>      <tileset firstgid="1" source="town.tsx"/>, or with what it is in it
//	           <layer id="1" name="Ground" width="2" height="1"><data encoding="csv">1,2</data></layer>
//	           <group>, <imagelayer><image source="sky.png"/></imagelayer>, <objectgroup><object template="door.tx"/></objectgroup>
//	<tileset>  <image source="town.png"/>, <tile id="0"><image source="…"/></tile>
//	<property name="…" type="file" value="…"/> may be in any of them
//
// data is of u32 little-endian: CSV, base64, base64 of zlib, gzip or zstd, or <tile gid="…"/>; in <chunk> of maps without
// an end.
package tiled

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "tiled".
func (Format) Name() string { return "tiled" }

// Match goes by the name and the root; .tsx is also a kind of program.
func (Format) Match(name string, head []byte) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".tmx":
		return strings.Contains(string(head), "<map")
	case ".tsx":
		return strings.Contains(string(head), "<tileset")
	case ".tx":
		return strings.Contains(string(head), "<template")
	}
	return false
}

const maxText = 256 << 20 // bytes

func read(in format.Input) (*xmlspan.Document, error) {
	b, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	if !exact {
		return nil, format.Unsupported("text in UTF-16")
	}
	d, err := xmlspan.Parse(b, nil)
	if err != nil {
		return nil, err
	}
	switch d.Root.Name {
	case "map", "tileset", "template":
		return d, nil
	}
	return nil, format.Malformed("the root is %.40q", d.Root.Name)
}

// Validate is nil if the XML is whole.
func (Format) Validate(_ context.Context, in format.Input) error {
	_, err := read(in)
	return err
}

// References lists tilesets, pictures, templates, and properties that are files.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	d, err := read(in)
	if err != nil {
		return nil, err
	}
	owners := owners(d)
	var out []format.Reference
	d.Root.Walk(func(n *xmlspan.Node) bool {
		for _, a := range n.Attrs {
			kind := needs(d, n, a.Name)
			raw := string(d.Text[a.Off : a.Off+a.Len])
			if kind == "" || strings.TrimSpace(raw) == "" {
				continue
			}
			r := format.Reference{Kind: kind, Raw: raw, Off: int64(a.Off), Len: int64(a.Len)}
			r.Path, r.Style = splice.Path(d.Unescape([]byte(raw)))
			for at := n; at != nil && r.Element == ""; at = at.Parent {
				r.Element = owners[at]
			}
			out = append(out, r)
		}
		return len(out) <= format.MaxReferences && ctx.Err() == nil
	})
	if len(out) > format.MaxReferences {
		return nil, fmt.Errorf("%d references: %w", len(out), format.ErrLimit)
	}
	return out, ctx.Err()
}

// needs says what an attribute is the path of; "" if of none.
func needs(d *xmlspan.Document, n *xmlspan.Node, attr string) string {
	switch {
	case n.Name == "tileset" && attr == "source":
		return "tileset"
	case n.Name == "image" && attr == "source":
		return "texture"
	case n.Name == "object" && attr == "template":
		return "template"
	case n.Name == "property" && attr == "value" && d.Get(n, "type") == "file":
		return "file"
	}
	return ""
}

// Rewrite makes a file need others.
func (f Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := f.References(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, func(_ format.Reference, next string) string {
		if next == "" || !xmlspan.Fits(next) {
			return "it has characters that XML must write otherwise"
		}
		return ""
	})
}

// owners are the nodes that are elements, by their ids.
func owners(d *xmlspan.Document) map[*xmlspan.Node]string {
	out := map[*xmlspan.Node]string{}
	used := map[string]int{}
	d.Root.Walk(func(n *xmlspan.Node) bool {
		id := ""
		switch n.Name {
		case "layer", "group", "imagelayer", "objectgroup":
			id = "layer:" + d.Get(n, "id")
			if d.Get(n, "id") == "" { // before Tiled 1.2
				id = n.Name + ":" + d.Get(n, "name")
			}
		case "object":
			id = "object:" + d.Get(n, "id")
		case "tileset":
			id = "tileset:" + first(d.Get(n, "source"), d.Get(n, "name"))
		case "tile":
			if n.Parent.Name == "tileset" {
				id = "tile:" + d.Get(n, "id")
			}
		}
		if id == "" || len(out) >= format.MaxElements {
			return true
		}
		if used[id]++; used[id] > 1 {
			id += "#" + strconv.Itoa(used[id])
		}
		out[n] = id
		return true
	})
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
