// Package xcf knows GIMP's documents: layers, groups, masks, channels, paths.
//
// It promises: an element is named by its tattoo, the number that GIMP gives it once and keeps through all edits. A graft
// adds blocks at the end of the newer file and turns pointers to them; no pixel is decoded and encoded again. There is
// no picture of the whole in an XCF: what is shown is composited here, as GIMP 2.10 does it.
//
// # Bytes
//
// All numbers are big-endian. A pointer counts from the start of the file, and has 4 bytes, from version 11 on 8.
//
//	header     "gimp xcf " + "file" or "v001"… + NUL; width, height, base type (0 RGB, 1 gray, 2 indexed);
//	           from version 4 on the precision; properties; pointers to layers, 0; pointers to channels, 0;
//	           from version 18 on pointers to paths, 0
//	property   u32 kind, u32 length, bytes; the last is 0, 0
//	string     u32 length with the NUL at its end (0: none), bytes
//	layer      width, height, type (base type × 2 + alpha), name, properties, pointer to hierarchy, pointer to mask or 0;
//	           from version 20 on pointers to effects, 0
//	channel    width, height, name, properties, pointer to hierarchy; a mask is one
//	hierarchy  width, height, bytes a pixel, pointer to level, pointers that mean nothing, 0
//	level      width, height, pointers to tiles of 64×64 (less at the right and below), row by row, 0
//	tile       as compression says: 0 bytes as they are, 1 RLE of each byte of a pixel on its own, 2 zlib
//
// The whole may be wrapped in gzip or bzip2; then it is read, and not grafted into.
package xcf

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"varve/format"
)

const (
	magic     = "gimp xcf "
	maxOpened = 512 << 20 // bytes of a wrapped file, unwrapped
)

// Format is the format. It has no state.
type Format struct{}

// Name is "xcf".
func (Format) Name() string { return "xcf" }

// Match looks for the magic bytes, and in a wrapper for the extension.
func (Format) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte(magic)) {
		return true
	}
	name = strings.ToLower(path.Base(name))
	if w := wrapper(head); w != "" {
		for _, end := range []string{".xcf", ".xcf.gz", ".xcfgz", ".xcf.bz2", ".xcfbz2"} {
			if strings.HasSuffix(name, end) {
				return true
			}
		}
	}
	return false
}

// wrapper names what a file is wrapped in; "" if in nothing that is known.
func wrapper(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}):
		return "gzip"
	case bytes.HasPrefix(head, []byte("BZh")):
		return "bzip2"
	case bytes.HasPrefix(head, []byte("\xfd7zXZ")):
		return "xz"
	}
	return ""
}

// unwrap returns the document of a file, and what it was wrapped in.
func unwrap(ctx context.Context, in format.Input) (format.Input, string, error) {
	head, err := format.ReadSpan(in, 0, min(in.Size(), 16), 16)
	if err != nil {
		return nil, "", err
	}
	w := wrapper(head)
	var r io.Reader = io.NewSectionReader(in, 0, in.Size())
	switch w {
	case "":
		return in, "", nil
	case "gzip":
		if r, err = gzip.NewReader(r); err != nil {
			return nil, w, format.Malformed("gzip: %v", err)
		}
	case "bzip2":
		r = bzip2.NewReader(r)
	default:
		return nil, w, format.Unsupported("a document in %s", w)
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(stopped{ctx, r}, maxOpened+1))
	switch {
	case ctx.Err() != nil:
		return nil, w, ctx.Err()
	case err != nil:
		if errors.Is(err, io.ErrUnexpectedEOF) || n > 0 {
			return nil, w, format.Malformed("%s: %v after %d bytes", w, err, n)
		}
		return nil, w, format.Malformed("%s: %v", w, err)
	case n > maxOpened:
		return nil, w, fmt.Errorf("%s of more than %d bytes: %w", w, maxOpened, format.ErrLimit)
	}
	return format.Bytes(out.Bytes()), w, nil
}

// stopped reads until its context ends.
type stopped struct {
	ctx context.Context
	r   io.Reader
}

func (s stopped) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b)
}

// Validate reads the structure, and the tile that lies last: a file that was cut misses some of it.
func (Format) Validate(ctx context.Context, in format.Input) error {
	d, err := open(ctx, in)
	if err != nil {
		return err
	}
	var last *level
	at := 0
	for _, it := range d.drawables() {
		for i, off := range it.pixels.tiles {
			if last == nil || off > last.tiles[at] {
				last, at = it.pixels, i
			}
		}
	}
	if last == nil {
		return nil
	}
	_, err = d.tile(last, at, make([]byte, tileSide*tileSide*last.bpp))
	return err
}

// Regions returns one for the tiles of each layer, mask and channel.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	head, err := format.ReadSpan(in, 0, min(in.Size(), 16), 16)
	if err != nil {
		return nil, err
	}
	if wrapper(head) != "" {
		return nil, nil
	}
	d, err := open(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return d.regions(), nil
}

// regions joins neighbouring tiles of one level. Other structures that lie between tiles divide them.
func (d *document) regions() []format.Region {
	owner := map[int64]*level{}
	for _, it := range d.drawables() {
		for _, off := range it.pixels.tiles {
			owner[off] = it.pixels
		}
	}
	var out []format.Region
	var of *level
	for i, at := range d.bounds {
		end := d.in.Size()
		if i+1 < len(d.bounds) {
			end = d.bounds[i+1]
		}
		l := owner[at]
		if l != nil && l == of {
			out[len(out)-1].Len = end - out[len(out)-1].Off
		} else if l != nil && end > at && len(out) < format.MaxRegions {
			out = append(out, format.Region{Off: at, Len: end - at, Width: 1})
		}
		of = l
	}
	return out
}
