// Package npy knows the arrays of NumPy's files: .npy, versions 1 to 3, and .npz, stored or deflated.
//
// It promises: no object of Python is made of what is in a file; arrays of objects and of structures are named, and their
// bytes are bytes.
//
// # Bytes
//
//	"\x93NUMPY" major:1 minor:1 length:2 (4 from version 2 on), then so many bytes of text:
//	{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
//	the elements, row by row, or column by column in Fortran order
//
// An .npz is a zip archive of such files.
package npy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/tensor"
	"varve/format/weights"
	"varve/format/zipfile"
)

const (
	magic     = "\x93NUMPY"
	maxHeader = 1 << 20
	maxSides  = 64 // NumPy's most
)

// Format is one array. It has no state.
type Format struct{}

// Name is "npy".
func (Format) Name() string { return "npy" }

// Match looks for the magic.
func (Format) Match(_ string, head []byte) bool {
	return strings.HasPrefix(string(head[:min(len(head), len(magic))]), magic)
}

// Tensors is the array, by the name "array".
func (Format) Tensors(_ context.Context, in format.Input) (*tensor.List, error) {
	t, n, err := header(io.NewSectionReader(in, 0, in.Size()), in.Size())
	if err != nil {
		return nil, err
	}
	t.Name, t.Off, t.Len = "array", n, t.Size
	return &tensor.List{Tensors: []tensor.Tensor{t}}, nil
}

// Regions is where the elements are.
func (f Format) Regions(in format.Input) ([]format.Region, error) {
	list, err := f.Tensors(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return weights.Regions(list), nil
}

// Elements is the array.
func (f Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Elements(ctx, in, list)
}

// Validate checks that all elements are there.
func (f Format) Validate(ctx context.Context, in format.Input) error {
	_, err := f.Tensors(ctx, in)
	return err
}

// Archive is several arrays: .npz. It has no state.
type Archive struct{}

// Name is "npz".
func (Archive) Name() string { return "npz" }

// Match looks for a zip archive of that extension.
func (Archive) Match(name string, head []byte) bool {
	return strings.EqualFold(path.Ext(name), ".npz") && len(head) >= 4 && (string(head[:4]) == "PK\x03\x04" || string(head[:4]) == "PK\x05\x06")
}

// archive is a file that was opened.
type archive struct {
	zip  *zipfile.Archive
	list tensor.List
}

func once(ctx context.Context, in format.Input) (*archive, error) {
	return format.Once(in, "npz", func() (*archive, error) { return open(ctx, in) })
}

func open(ctx context.Context, in format.Input) (*archive, error) {
	z, err := zipfile.Open(in)
	if err != nil {
		return nil, err
	}
	a := &archive{zip: z}
	entries := z.Entries()
	for i := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e := &entries[i]
		name, ok := strings.CutSuffix(e.Name, ".npy")
		if !ok {
			a.list.Notes = append(a.list.Notes, fmt.Sprintf("%.80q is no array", e.Name))
			continue
		}
		t, err := a.array(in, e)
		if err != nil {
			return nil, fmt.Errorf("%.80q: %w", e.Name, err)
		}
		t.Name = name
		a.list.Tensors = append(a.list.Tensors, t)
	}
	return a, nil
}

// array reads the head of an entry.
func (a *archive) array(in format.Input, e *zipfile.Entry) (tensor.Tensor, error) {
	r, err := a.zip.Open(e)
	if err != nil {
		return tensor.Tensor{}, err
	}
	t, n, err := header(r, e.Size)
	if err != nil {
		return t, err
	}
	if e.Method == zipfile.Stored {
		at, err := a.zip.Data(e)
		t.Off, t.Len = at+n, t.Size
		return t, err
	}
	t.Open = func() (io.Reader, error) {
		r, err := a.zip.Open(e)
		if err != nil {
			return nil, err
		}
		_, err = io.CopyN(io.Discard, r, n)
		return r, err
	}
	return t, nil
}

// Tensors lists the arrays.
func (Archive) Tensors(ctx context.Context, in format.Input) (*tensor.List, error) {
	a, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	return &a.list, nil
}

// Elements lists the arrays, with hashes of their elements.
func (Archive) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	a, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Elements(ctx, in, &a.list)
}

// Outline lists the arrays by their heads.
func (Archive) Outline(ctx context.Context, in format.Input) ([]format.Element, error) {
	a, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Outline(&a.list), nil
}

// Extract makes a .npy of an array: where NumPy's type is not one of those that are read as numbers, of its very bytes.
func (Archive) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	a, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	if _, err := weights.Find(&a.list, id); err != nil {
		return nil, err
	}
	e := a.zip.Find(id + ".npy")
	if e == nil {
		return weights.Extract(ctx, in, &a.list, id)
	}
	o := &format.Output{}
	if e.Method == zipfile.Stored {
		at, err := a.zip.Data(e)
		if err != nil {
			return nil, err
		}
		o.Span(in, at, e.Compressed)
		return &format.Extract{Extension: ".npy", Content: o}, nil
	}
	b, err := a.zip.Read(ctx, e, 256<<20)
	if err != nil {
		return nil, err
	}
	_, _ = o.Write(b)
	return &format.Extract{Extension: ".npy", Content: o}, nil
}

// Regions are the elements of arrays that are stored, and the data of those that are compressed.
func (Archive) Regions(in format.Input) ([]format.Region, error) {
	a, err := once(context.Background(), in)
	if err != nil {
		return nil, err
	}
	out := weights.Regions(&a.list)
	entries := a.zip.Entries()
	for i := range entries {
		e := &entries[i]
		if e.Method == zipfile.Stored || e.Compressed == 0 {
			continue
		}
		at, err := a.zip.Data(e)
		if err != nil {
			return nil, err
		}
		out = append(out, format.Region{Off: at, Len: e.Compressed, Width: 1, Name: e.Name})
	}
	return weights.Apart(out), nil
}

// Validate checks that every array has its head and its size.
func (Archive) Validate(ctx context.Context, in format.Input) error {
	a, err := once(ctx, in)
	if err != nil {
		return err
	}
	return a.zip.Validate(ctx, false)
}

// header reads the head of an array of size bytes in all, and returns where the elements begin.
func header(r io.Reader, size int64) (t tensor.Tensor, at int64, err error) {
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head[:10]); err != nil || string(head[:6]) != magic {
		return t, 0, cut(err, "no head of an array")
	}
	n := int64(binary.LittleEndian.Uint16(head[8:]))
	at = 10
	switch head[6] {
	case 1:
	case 2, 3:
		if _, err := io.ReadFull(r, head[10:]); err != nil {
			return t, 0, cut(err, "the head is cut off")
		}
		n, at = int64(binary.LittleEndian.Uint32(head[8:])), 12
	default:
		return t, 0, format.Unsupported("version %d of .npy", head[6])
	}
	if n > maxHeader || n > size-at {
		return t, 0, format.Malformed("a head of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return t, 0, cut(err, "the head is cut off")
	}
	t, err = describe(string(text), size-at-n)
	return t, at + n, err
}

// cut is the error of a head that could not be read.
func cut(err error, what string) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return format.Malformed("%s", what)
	}
	return err
}

// describe makes a tensor of a head's text; left is the bytes behind it.
func describe(text string, left int64) (t tensor.Tensor, err error) {
	p := &python{s: text}
	fields, err := p.dict()
	if err != nil {
		return t, err
	}
	fortran := fields["fortran_order"] == "True"
	if !fortran && fields["fortran_order"] != "False" {
		return t, format.Malformed("fortran_order is %.20q", fields["fortran_order"])
	}
	if t.Shape, err = shape(fields["shape"]); err != nil {
		return t, err
	}
	descr := fields["descr"]
	var size int64
	t.Type, t.Big, size = typeOf(descr)
	if t.Type == tensor.Unknown {
		t.Called = unquoted(descr)
		n, ok := tensor.Count(t.Shape, max(left, 1))
		switch {
		case size > 0 && (!ok || n > left/size):
			return t, format.Malformed("%d elements of %d bytes in %d", t.Shape, size, left)
		case size > 0:
			t.Size = n * size
		default: // objects, structures: whatever is there
			t.Size = left
		}
		t.Shape = []int64{t.Size}
		return t, nil
	}
	n, ok := t.Type.Bytes(t.Shape, left)
	if !ok {
		return t, format.Malformed("an array of %d, type %s, in %d bytes", t.Shape, t.Type, left)
	}
	t.Size = n
	if fortran && len(t.Shape) > 1 {
		t.Strides = make([]int64, len(t.Shape))
		step := int64(1)
		for i, side := range t.Shape {
			t.Strides[i] = step
			step *= max(side, 1)
		}
	}
	return t, nil
}

// shape reads "(3, 4)", "(3,)" or "()".
func shape(s string) ([]int64, error) {
	inner, ok := strings.CutPrefix(s, "(")
	inner, end := strings.CutSuffix(inner, ")")
	if !ok || !end {
		return nil, format.Malformed("shape is %.40q", s)
	}
	out := []int64{}
	for part := range strings.SplitSeq(inner, ",") {
		part = strings.TrimSuffix(strings.TrimSpace(part), "L") // Python 2 wrote 3L
		if part == "" {
			continue
		}
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 0 || len(out) == maxSides {
			return nil, format.Malformed("shape is %.40q", s)
		}
		out = append(out, n)
	}
	return out, nil
}

func unquoted(s string) string {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		s = s[1 : len(s)-1]
	}
	return s[:min(len(s), 200)]
}

// typeOf is the type of a description, and the bytes of an element of others; 0 where that is not known.
func typeOf(descr string) (t tensor.Type, big bool, size int64) {
	d := unquoted(descr)
	if len(d) < 2 || descr[0] != '\'' && descr[0] != '"' {
		return tensor.Unknown, false, 0
	}
	big = d[0] == '>'
	if d[0] == '<' || d[0] == '>' || d[0] == '|' || d[0] == '=' {
		d = d[1:]
	}
	for _, known := range []tensor.Type{tensor.Bool, tensor.U8, tensor.I8, tensor.U16, tensor.I16, tensor.U32, tensor.I32, tensor.U64, tensor.I64, tensor.F16, tensor.F32, tensor.F64, tensor.C64, tensor.C128} {
		if weights.Descr(known, false)[1:] == d {
			return known, big && known.Width() > 1, 0
		}
	}
	digits := strings.TrimLeft(d, "SUVaMmfc")
	digits, _, _ = strings.Cut(digits, "[")
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 {
		return tensor.Unknown, false, 0
	}
	if strings.HasPrefix(d, "U") {
		n *= 4
	}
	return tensor.Unknown, false, n
}

// python reads a literal of Python: a dict whose values are kept as text.
type python struct {
	s  string
	at int
}

func (p *python) space() {
	for p.at < len(p.s) && strings.IndexByte(" \t\r\n\x00", p.s[p.at]) >= 0 {
		p.at++
	}
}

func (p *python) dict() (map[string]string, error) {
	p.space()
	if p.at == len(p.s) || p.s[p.at] != '{' {
		return nil, format.Malformed("the head is no dict: %.60q", p.s)
	}
	p.at++
	out := map[string]string{}
	for {
		p.space()
		if p.at < len(p.s) && p.s[p.at] == '}' {
			return out, nil
		}
		key, err := p.value(":")
		if err != nil {
			return nil, err
		}
		value, err := p.value(",}")
		if err != nil {
			return nil, err
		}
		out[unquoted(key)] = value
		if p.s[p.at-1] == '}' {
			return out, nil
		}
	}
}

// value takes the text up to one of the ends, outside of quotes and brackets, and moves behind that.
func (p *python) value(ends string) (string, error) {
	from, depth := p.at, 0
	for ; p.at < len(p.s); p.at++ {
		c := p.s[p.at]
		switch {
		case depth == 0 && strings.IndexByte(ends, c) >= 0:
			p.at++
			return strings.TrimSpace(p.s[from : p.at-1]), nil
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == '\'' || c == '"':
			n := strings.IndexByte(p.s[p.at+1:], c)
			if n < 0 {
				return "", format.Malformed("the head ends in a text: %.60q", p.s)
			}
			p.at += n + 1
		}
	}
	return "", format.Malformed("the head is cut off: %.60q", p.s)
}
