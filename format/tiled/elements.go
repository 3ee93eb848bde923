package tiled

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strconv"

	"varve/format"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxTiles is the most that the tiles of a layer may be, in bytes.
const maxTiles = 256 << 20

// Elements lists the tilesets, layers and objects of a map; of another file what it is.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	l := &lister{ctx: ctx, used: map[string]int{}}
	if f.root.kind == "tileset" {
		err = l.add(f.root, "")
	} else {
		err = l.in(f.root, "")
	}
	return l.list, err
}

type lister struct {
	ctx  context.Context
	list []format.Element
	used map[string]int
}

func (l *lister) in(t *thing, parent string) error {
	for _, k := range t.kids {
		if k.id() != "" {
			if err := l.add(k, parent); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lister) add(t *thing, parent string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if len(l.list) == format.MaxElements {
		return fmt.Errorf("more than %d elements: %w", format.MaxElements, format.ErrLimit)
	}
	id := t.id()
	e := format.Element{Stable: id, Parent: parent, Kind: kindOf(t.kind), Name: t.text["name"], Bytes: int64(t.to - t.from), Properties: map[string]string{}, Aspects: map[string]string{}}
	if t.kind != "tileset" && t.text["id"] == "" {
		e.Stable = ""
	}
	for l.used[id] > 0 {
		l.used[id]++
		id = fmt.Sprintf("%s'%d", id, l.used[id])
		e.Stable = ""
	}
	l.used[id] = 1
	e.ID = id
	if t.kind == "tileset" {
		e.Stable = ""
		if e.Name == "" {
			e.Name = t.text["source"]
		}
	}
	for _, p := range []string{"visible", "opacity", "type", "class", "template", "source"} {
		if v := t.text[p]; v != "" && (p != "type" || t.kind == "object") {
			e.Properties[p] = v
		}
	}
	if t.kind == "object" {
		if b := bounds(t); b != nil {
			e.Bounds = b
		}
	}
	h := sha256.New()
	t.sum(h, true)
	e.Aspects["content"] = hex.EncodeToString(h.Sum(nil)[:16])
	if len(t.data) > 0 {
		sum, err := t.tiles()
		if err != nil {
			return err
		}
		e.Aspects["tiles"] = sum
	}
	l.list = append(l.list, e)
	return l.in(t, id)
}

func kindOf(k string) string {
	switch k {
	case "objectgroup":
		return "objects"
	case "imagelayer":
		return "image"
	}
	return k
}

func bounds(t *thing) []float64 {
	var v [4]float64
	for i, k := range []string{"x", "y", "width", "height"} {
		n, err := strconv.ParseFloat(t.text[k], 64)
		if err != nil && (i < 2 || t.text[k] != "") {
			return nil
		}
		v[i] = n
	}
	return []float64{v[0], v[1], v[0] + v[2], v[1] + v[3]}
}

// sum hashes what a thing says of itself, and what is in it and no element.
func (t *thing) sum(h hash.Hash, top bool) {
	fmt.Fprintf(h, "<%s", t.kind)
	for _, k := range slices.Sorted(maps.Keys(t.text)) {
		switch k {
		case "encoding", "compression", "nextlayerid", "nextobjectid", "tiledversion", "version":
			continue
		case "id", "name", "firstgid":
			if top {
				continue
			}
		}
		fmt.Fprintf(h, " %q=%q", k, t.text[k])
	}
	for _, k := range t.kids {
		if k.id() == "" {
			k.sum(h, false)
		}
	}
	_, _ = io.WriteString(h, ">")
}

// tiles hashes the numbers of tiles, however they are written.
func (t *thing) tiles() (string, error) {
	h := sha256.New()
	left := int64(maxTiles)
	for _, c := range t.data {
		fmt.Fprintf(h, "%q", c.place)
		n, err := c.numbers(h, left)
		if err != nil {
			return "", err
		}
		left -= n
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// numbers writes tiles as 4 bytes each, at most max of them.
func (c *chunk) numbers(to io.Writer, max int64) (int64, error) {
	if c.encoding != "base64" {
		return c.csv(to)
	}
	var r io.Reader = base64.NewDecoder(base64.StdEncoding, bytes.NewReader(c.text))
	var err error
	switch c.compression {
	case "":
	case "zlib":
		r, err = zlib.NewReader(r)
	case "gzip":
		r, err = gzip.NewReader(r)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxTiles)); err == nil {
			defer z.Close()
			r = z
		}
	default:
		return 0, format.Unsupported("tiles packed by %.32q", c.compression)
	}
	if err != nil {
		return 0, format.Malformed("tiles: %v", err)
	}
	n, err := io.Copy(to, io.LimitReader(r, max+1))
	if err != nil {
		return n, format.Malformed("tiles: %v", err)
	}
	if n > max {
		return n, fmt.Errorf("tiles of more than %d bytes: %w", maxTiles, format.ErrLimit)
	}
	return n, nil
}

// csv writes numbers between commas.
func (c *chunk) csv(to io.Writer) (n int64, err error) {
	buffer := make([]byte, 0, 4096)
	number, any := uint32(0), false
	flush := func() {
		if any {
			buffer = append(buffer, byte(number), byte(number>>8), byte(number>>16), byte(number>>24))
			n += 4
		}
		number, any = 0, false
		if len(buffer) > 4000 {
			_, _ = to.Write(buffer)
			buffer = buffer[:0]
		}
	}
	for i, b := range c.text {
		switch {
		case b >= '0' && b <= '9':
			number, any = number*10+uint32(b-'0'), true
		case b == ',' || b == ' ' || b == '\n' || b == '\r' || b == '\t':
			flush()
		default:
			return n, format.Malformed("tiles have %q at %d", b, i)
		}
	}
	flush()
	_, _ = to.Write(buffer)
	return n, nil
}
