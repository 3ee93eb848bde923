package preview

import (
	"context"
	"encoding/binary"
	"fmt"

	"varve/format"
	"varve/format/window"
)

const (
	maxBoxes = 1 << 16
	maxMeta  = 32 << 20
	maxExif  = 16 << 20
	maxItems = 1 << 16
)

// box is one of a file.
type box struct {
	kind string
	off  int64 // of its data
	n    int64
}

// boxes calls visit with the boxes of a file.
func boxes(ctx context.Context, w *window.Window, visit func(box) error) error {
	off := int64(0)
	for n := 0; off < w.Size(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n == maxBoxes {
			return fmt.Errorf("more than %d boxes: %w", maxBoxes, format.ErrLimit)
		}
		b, err := w.At(off, 8)
		if err != nil {
			return err
		}
		x := box{kind: string(b[4:]), off: off + 8}
		length := int64(binary.BigEndian.Uint32(b))
		switch length {
		case 0:
			length = w.Size() - off
		case 1:
			if b, err = w.At(off+8, 8); err != nil {
				return err
			}
			length, x.off = int64(binary.BigEndian.Uint64(b)), off+16
		}
		if length < x.off-off || length > w.Size()-off {
			return format.Malformed("cut off: box %q at byte %d has %d bytes, the file %d", x.kind, off, length, w.Size())
		}
		x.n = off + length - x.off
		if err := visit(x); err != nil {
			return err
		}
		off += length
	}
	return nil
}

// exifOf returns the EXIF of a file of boxes, from its II or MM; nil: there is none. ErrMalformed where a box, or
// an item, is not all in the file.
func exifOf(ctx context.Context, in format.Input) ([]byte, error) {
	w := window.New(in)
	var out []byte
	err := boxes(ctx, w, func(x box) error {
		var err error
		switch {
		case x.kind == "meta" && out == nil:
			var b []byte
			if b, err = format.ReadSpan(in, x.off, x.n, maxMeta); err == nil {
				out, err = itemExif(in, b)
			}
		case x.kind == "Exif" && out == nil:
			var b []byte
			if b, err = format.ReadSpan(in, x.off, x.n, maxExif); err == nil {
				out = behind(b)
			}
		}
		return err
	})
	return out, err
}

// behind returns the EXIF after the four bytes that say where it begins; nil: it is not there.
func behind(b []byte) []byte {
	if len(b) < 4 {
		return nil
	}
	skip := uint64(binary.BigEndian.Uint32(b)) + 4
	if skip > uint64(len(b)) {
		return nil
	}
	return b[skip:]
}

// inside returns the data of the boxes of a kind in another, from after so many bytes.
func inside(b []byte, from int, kind string) [][]byte {
	var list [][]byte
	for b = b[min(from, len(b)):]; len(b) >= 8; {
		n := uint64(binary.BigEndian.Uint32(b))
		if n == 0 {
			n = uint64(len(b))
		}
		if n < 8 || n > uint64(len(b)) {
			break
		}
		if string(b[4:8]) == kind {
			list = append(list, b[8:n])
		}
		b = b[n:]
	}
	return list
}

// itemExif returns the EXIF that is an item of a meta box, and checks that all items are in the file.
func itemExif(in format.Input, meta []byte) ([]byte, error) {
	id := -1
	for _, info := range inside(meta, 4, "iinf") {
		skip := 6
		if len(info) > 0 && info[0] > 0 {
			skip = 8
		}
		for _, e := range inside(info, skip, "infe") {
			r := &fields{b: e}
			version := r.take(4) >> 24
			if version < 2 {
				continue
			}
			n := r.take(2 + 2*int(version-2))
			r.take(2)
			if len(r.b) >= 4 && string(r.b[:4]) == "Exif" {
				id = int(n)
			}
		}
	}
	for _, loc := range inside(meta, 4, "iloc") {
		items, err := locations(loc)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			for _, s := range it.spans {
				if it.method == 0 && (s.Off < 0 || s.Len < 0 || s.Off > in.Size() || s.Len > in.Size()-s.Off) {
					return nil, format.Malformed("cut off: item %d is %d bytes at %d of a file of %d", it.id, s.Len, s.Off, in.Size())
				}
			}
			if it.id == id && it.method == 0 && len(it.spans) == 1 {
				b, err := format.ReadSpan(in, it.spans[0].Off, it.spans[0].Len, maxExif)
				if err != nil {
					return nil, err
				}
				return behind(b), nil
			}
		}
	}
	return nil, nil
}

// item is where an item lies: with method 0 in the file.
type item struct {
	id, method int
	spans      []window.Span
}

// fields reads numbers, big-endian; of bytes that are not there 0.
type fields struct {
	b     []byte
	short bool
}

func (r *fields) take(n int) (v uint64) {
	if len(r.b) < n {
		r.b, r.short = nil, true
		return 0
	}
	for _, c := range r.b[:n] {
		v = v<<8 | uint64(c)
	}
	r.b = r.b[n:]
	return v
}

// locations reads the data of an iloc box.
func locations(b []byte) ([]item, error) {
	r := &fields{b: b}
	version := int(r.take(4) >> 24)
	sizes := int(r.take(2))
	offset, length, base, index := sizes>>12&15, sizes>>8&15, sizes>>4&15, sizes&15
	if version == 0 {
		index = 0
	}
	if version > 2 || max(offset, length, base, index) > 8 {
		return nil, format.Unsupported("places of items of version %d", version)
	}
	wide := 2
	if version == 2 {
		wide = 4
	}
	count := int(r.take(wide))
	if count > maxItems {
		return nil, fmt.Errorf("%d items: %w", count, format.ErrLimit)
	}
	var list []item
	for range count {
		it := item{id: int(r.take(wide))}
		if version > 0 {
			it.method = int(r.take(2) & 15)
		}
		r.take(2)
		from := r.take(base)
		for range r.take(2) {
			r.take(index)
			at, n := r.take(offset), r.take(length)
			if r.short {
				return nil, format.Malformed("cut off: the places of items")
			}
			it.spans = append(it.spans, window.Span{Off: int64(from + at), Len: int64(n)})
		}
		list = append(list, it)
	}
	if r.short {
		return nil, format.Malformed("cut off: the places of items")
	}
	return list, nil
}
