package gltf

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"

	"varve/format"
)

// Validate checks that chunks fill the file, that everything that is pointed to is there, that nodes are in one place, and
// that arrays lie within their views, these within their buffers and these within the bytes that the file has of them.
func (Format) Validate(ctx context.Context, in format.Input) error {
	d, err := open(in)
	if err != nil {
		return err
	}
	if err := d.checkChunks(); err != nil {
		return err
	}
	if _, err := d.label(); err != nil {
		return err
	}
	for _, list := range allLists() {
		for i := range d.lists[list] {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := d.references(list, i); err != nil {
				return err
			}
			if err := d.checkData(list, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *document) checkChunks() error {
	if !d.binary {
		return nil
	}
	b, err := format.ReadSpan(d.in, 8, 4, 4)
	if err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint32(b)); n != d.in.Size() {
		return format.Malformed("the GLB says that it has %d bytes, and has %d", n, d.in.Size())
	}
	at := int64(header)
	for _, c := range d.chunks {
		b, err := format.ReadSpan(d.in, c.off-8, 4, 4)
		if err != nil {
			return err
		}
		if n := int64(binary.LittleEndian.Uint32(b)); n != c.n {
			return format.Malformed("the chunk at %d has %d bytes, and the file ends after %d", c.off-8, n, c.n)
		}
		at = c.off + c.n
	}
	if at != d.in.Size() && len(d.chunks) < maxChunks {
		return format.Malformed("%d bytes after the last chunk", d.in.Size()-at)
	}
	return nil
}

// checkData checks the ranges of bytes of an entry.
func (d *document) checkData(list string, i int) error {
	switch list {
	case buffers:
		if _, _, _, err := d.source(i); err != nil && !isUnsupported(err) && !d.fallback(i) {
			return err
		}
	case bufferViews:
		_, err := d.view(i)
		return err
	case accessors:
		a, err := d.array(i)
		if err != nil {
			return err
		}
		if a.view >= 0 {
			if _, _, err := d.span(&a); err != nil {
				return err
			}
		}
		if a.sparse >= 0 {
			where, what, err := d.sparseArrays(&a)
			if err != nil {
				return err
			}
			for _, p := range []*array{&where, &what} {
				if _, _, err := d.span(p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// fallback reports whether a buffer stands for what is only there compressed.
func (d *document) fallback(i int) bool {
	return d.get(d.lists[buffers][i], "extensions", meshopt) >= 0
}

// Regions are the views that lie in the file itself: of the width of their numbers, where all that they hold has one.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	d, err := open(in)
	if err != nil {
		return nil, err
	}
	if !d.binary || d.bin.n == 0 || len(d.lists[bufferViews]) > format.MaxRegions {
		return nil, nil
	}
	widths := make([]uint8, len(d.lists[bufferViews]))
	for i := range d.lists[accessors] {
		a, err := d.array(i)
		if err != nil || a.view < 0 {
			continue
		}
		w := uint8(componentSize(a.component))
		if old := widths[a.view]; old != 0 && old != w {
			w = 1
		}
		widths[a.view] = w
	}
	var out []format.Region
	for i, w := range widths {
		v, err := d.view(i)
		if err != nil || v.buffer != 0 || d.get(d.lists[buffers][0], "uri") >= 0 || v.n == 0 || v.off+v.n > d.bin.n {
			continue
		}
		out = append(out, format.Region{Off: d.bin.off + v.off, Len: v.n, Width: max(w, 1)})
	}
	slices.SortStableFunc(out, func(a, b format.Region) int { return cmp.Compare(a.Off, b.Off) })
	end := int64(0)
	return slices.DeleteFunc(out, func(g format.Region) bool { // views may share bytes: the first has them
		if g.Off < end {
			return true
		}
		end = g.Off + g.Len
		return false
	}), nil
}
