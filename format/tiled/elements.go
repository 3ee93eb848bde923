package tiled

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"varve/format"
	"varve/format/xmlspan"
)

const maxTiles = 256 << 20 // bytes of a layer

// Elements lists tilesets and their tiles, layers and the objects that are in them, in the order of the file.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	d, err := read(in)
	if err != nil {
		return nil, err
	}
	ids := owners(d)
	var out []format.Element
	var fail error
	d.Root.Walk(func(n *xmlspan.Node) bool {
		id, ok := ids[n]
		if !ok || fail != nil {
			return fail == nil
		}
		e := format.Element{ID: id, Kind: kind(n), Name: d.Get(n, "name"), Bytes: int64(n.End - n.Start), Properties: map[string]string{}, Aspects: map[string]string{}}
		for up := n.Parent; up != nil && e.Parent == ""; up = up.Parent {
			e.Parent = ids[up]
		}
		if strings.HasPrefix(id, "layer:") || n.Name == "object" {
			e.Stable = id // Tiled never gives an id again
		}
		for _, a := range n.Attrs {
			if a.Name != "name" && a.Name != "id" && a.Name != "firstgid" {
				e.Properties[a.Name] = d.Value(a)
			}
		}
		h, err := content(ctx, d, n, ids)
		if err != nil {
			fail = fmt.Errorf("%s: %w", id, err)
		}
		for what, hash := range h {
			e.Aspects[what] = hash
		}
		if e.Name == "" {
			e.Name = id
		}
		out = append(out, e)
		return ctx.Err() == nil
	})
	if fail == nil {
		fail = ctx.Err()
	}
	return out, fail
}

func kind(n *xmlspan.Node) string {
	switch n.Name {
	case "imagelayer":
		return "layer"
	case "objectgroup":
		return "group"
	}
	return n.Name
}

// content hashes what is in a node, without what is in it and an element itself.
func content(ctx context.Context, d *xmlspan.Document, n *xmlspan.Node, ids map[*xmlspan.Node]string) (map[string]string, error) {
	var tiles, rest bytes.Buffer
	var fail error
	for _, k := range n.Kids {
		k.Walk(func(x *xmlspan.Node) bool {
			if _, other := ids[x]; other || fail != nil {
				return false
			}
			if x.Name == "data" && n.Name == "layer" {
				fail = data(ctx, d, x, &tiles)
				return false
			}
			fmt.Fprintf(&rest, "<%s", x.Name)
			for _, a := range x.Attrs {
				fmt.Fprintf(&rest, " %s=%q", a.Name, d.Value(a))
			}
			if len(x.Kids) == 0 {
				fmt.Fprintf(&rest, " %q", strings.TrimSpace(d.Inner(x)))
			}
			return true
		})
	}
	out := map[string]string{}
	if tiles.Len() > 0 {
		out["tiles"] = format.HashOf(tiles.Bytes())
	}
	if rest.Len() > 0 {
		out["content"] = format.HashOf(rest.Bytes())
	}
	return out, fail
}

// data writes the tiles of a layer as text, however they stand there.
func data(ctx context.Context, d *xmlspan.Document, n *xmlspan.Node, to *bytes.Buffer) error {
	parts := n.All("chunk")
	if len(parts) == 0 {
		parts = []*xmlspan.Node{n}
	}
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if p != n {
			fmt.Fprintf(to, "@%s,%s ", d.Get(p, "x"), d.Get(p, "y"))
		}
		gids, err := numbers(d, p, d.Get(n, "encoding"), d.Get(n, "compression"))
		if err != nil {
			return err
		}
		for _, g := range gids {
			to.WriteString(g)
			to.WriteByte(' ')
		}
	}
	return nil
}

func numbers(d *xmlspan.Document, n *xmlspan.Node, encoding, compression string) (out []string, err error) {
	switch encoding {
	case "":
		for _, t := range n.All("tile") {
			out = append(out, first(d.Get(t, "gid"), "0"))
		}
		return out, nil
	case "csv":
		return strings.FieldsFunc(d.Inner(n), func(c rune) bool { return c == ',' || c <= ' ' }), nil
	case "base64":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(d.Inner(n)), ""))
		if err != nil {
			return nil, format.Malformed("tiles: %v", err)
		}
		if b, err = unpacked(b, compression); err != nil {
			return nil, err
		}
		for i := 0; i+4 <= len(b); i += 4 {
			out = append(out, strconv.FormatUint(uint64(b[i])|uint64(b[i+1])<<8|uint64(b[i+2])<<16|uint64(b[i+3])<<24, 10))
		}
		return out, nil
	}
	return nil, format.Unsupported("tiles encoded as %.40q", encoding)
}

func unpacked(b []byte, compression string) ([]byte, error) {
	most := min(int64(len(b))*1100+64, maxTiles)
	var r io.Reader
	var err error
	switch compression {
	case "":
		return b, nil
	case "zlib":
		r, err = zlib.NewReader(bytes.NewReader(b))
	case "gzip":
		r, err = gzip.NewReader(bytes.NewReader(b))
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxTiles), zstd.WithDecoderMaxWindow(8<<20)); err == nil {
			defer z.Close()
			r = z
		}
	default:
		return nil, format.Unsupported("tiles compressed as %.40q", compression)
	}
	if err != nil {
		return nil, format.Malformed("tiles: %v", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, format.Malformed("tiles: %v", err)
	}
	if int64(len(out)) > most {
		return nil, fmt.Errorf("tiles of more than %d bytes: %w", most, format.ErrLimit)
	}
	return out, nil
}
