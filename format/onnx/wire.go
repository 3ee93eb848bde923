package onnx

import (
	"context"

	"varve/format"
	"varve/format/window"
)

// wire reads protocol buffers: fields are a varint of number·8 + kind, then a varint (kind 0), 8 bytes (1), a length and so
// many bytes (2), or 4 bytes (5).
type wire struct {
	ctx    context.Context
	w      *window.Window
	fields int
}

// maxFields bounds those of a file.
const maxFields = 1 << 26

// field is one, and where its content is.
type field struct {
	number   int
	kind     int
	value    uint64 // of kind 0
	off, len int64
}

// each calls do with the fields of a message of n bytes from off.
func (r *wire) each(off, n int64, do func(f *field) error) error {
	for end := off + n; off < end; {
		if r.fields++; r.fields%4096 == 0 {
			if err := r.ctx.Err(); err != nil {
				return err
			}
		}
		if r.fields > maxFields {
			return format.ErrLimit
		}
		tag, at, err := r.varint(off, end)
		if err != nil {
			return err
		}
		f := field{number: int(tag >> 3 & 0x1fffffff), kind: int(tag & 7), off: at}
		switch f.kind {
		case 0:
			var next int64
			if f.value, next, err = r.varint(at, end); err != nil {
				return err
			}
			f.len = next - at
		case 1:
			f.len = 8
		case 5:
			f.len = 4
		case 2:
			length, next, err := r.varint(at, end)
			if err != nil {
				return err
			}
			if length > uint64(end-next) {
				return format.Malformed("field %d of %d bytes at %d, in what ends at %d", f.number, length, at, end)
			}
			f.off, f.len = next, int64(length)
		default:
			return format.Malformed("field %d of kind %d at %d", f.number, f.kind, off)
		}
		if f.number == 0 || f.len > end-f.off {
			return format.Malformed("field %d at %d", f.number, off)
		}
		off = f.off + f.len
		if err := do(&f); err != nil {
			return err
		}
	}
	return nil
}

// varint reads one, and returns where it ends.
func (r *wire) varint(off, end int64) (uint64, int64, error) {
	b, err := r.w.At(off, int(min(10, end-off)))
	if err != nil {
		return 0, 0, err
	}
	x, n := varint(b)
	if n == 0 {
		return 0, 0, format.Malformed("a number at %d that has no end", off)
	}
	return x, off + int64(n), nil
}

// varint decodes the number at the head of b, and says how long it is; 0 where it has no end.
func varint(b []byte) (x uint64, n int) {
	for i := range min(len(b), 10) {
		x |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return x, i + 1
		}
	}
	return 0, 0
}

// text returns a field's content, of which max bytes are the most.
func (r *wire) text(f *field, max int64) (string, error) {
	if f.kind != 2 || f.len > max {
		return "", format.Malformed("a text of %d bytes at %d", f.len, f.off)
	}
	b, err := r.w.At(f.off, int(f.len))
	return string(b), err
}
