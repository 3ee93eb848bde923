// Package weights does for files of tensors what follows from where the tensors lie: elements, seams, extracts.
//
// It promises: an extract holds the bytes of the elements as they are in the file.
package weights

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/tensor"
)

// maxCopy bounds tensors that are held in memory to extract them: those that are compressed, or in no plain order.
const maxCopy = 256 << 20

// Outline lists tensors as elements, without hashes of their contents.
func Outline(list *tensor.List) []format.Element {
	out := make([]format.Element, 0, len(list.Tensors))
	ids := names(list)
	for i := range list.Tensors {
		t := &list.Tensors[i]
		out = append(out, format.Element{ID: ids[i], Stable: ids[i], Kind: "tensor", Name: cmp.Or(t.Name, ids[i]), Bytes: t.Size,
			Properties: map[string]string{"dtype": t.TypeName(), "shape": Shape(t.Shape)}})
	}
	return out
}

// names returns an id for each tensor: its name, with a number where several have it.
func names(list *tensor.List) []string {
	out := make([]string, len(list.Tensors))
	taken := make(map[string]bool, len(out))
	for i := range list.Tensors {
		taken[list.Tensors[i].Name] = true
	}
	seen := make(map[string]int, len(out))
	for i := range list.Tensors {
		name := cmp.Or(list.Tensors[i].Name, "unnamed")
		seen[name]++
		out[i] = name
		for n := seen[name]; n > 1; n++ {
			if id := name + "#" + strconv.Itoa(n); !taken[id] {
				out[i], taken[id], seen[name] = id, true, n
				break
			}
		}
	}
	return out
}

// Shape is a shape as text: "3×224×224", "1" of a single number.
func Shape(shape []int64) string {
	if len(shape) == 0 {
		return "scalar"
	}
	var b strings.Builder
	for i, n := range shape {
		if i > 0 {
			b.WriteString("×")
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.String()
}

// Elements lists tensors as elements, with hashes of their bytes as they stand in the file.
func Elements(ctx context.Context, in format.Input, list *tensor.List) ([]format.Element, error) {
	out := Outline(list)
	for i := range list.Tensors {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t := &list.Tensors[i]
		sum, err := content(ctx, in, t)
		if err != nil {
			return nil, fmt.Errorf("tensor %.80q: %w", t.Name, err)
		}
		out[i].Aspects = map[string]string{"content": sum}
	}
	return out, nil
}

func content(ctx context.Context, in format.Input, t *tensor.Tensor) (string, error) {
	read := func() (string, error) {
		r, err := Raw(in, t)
		if err != nil {
			return "", err
		}
		sum := sha256.New()
		fmt.Fprint(sum, t.Strides, t.Big)
		if n, err := io.Copy(sum, io.LimitReader(&patient{ctx, r}, t.Size)); err != nil || n < t.Size {
			return "", broken(err, n, t.Size)
		}
		return hex.EncodeToString(sum.Sum(nil)[:16]), nil
	}
	if t.Open != nil || t.In != nil || t.Len == 0 {
		return read()
	}
	return format.Shared(in, t.Off, t.Len, fmt.Sprint("tensor ", t.Strides, t.Big), read)
}

// broken is the error of bytes that could not be read.
func broken(err error, n, want int64) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return format.Malformed("%d bytes of %d", n, want)
	}
	return err
}

// patient is a reader that ends with its context.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// Raw returns the bytes of a tensor in the order in which they stand.
func Raw(in format.Input, t *tensor.Tensor) (io.Reader, error) {
	switch {
	case t.Open != nil:
		return t.Open()
	case t.In != nil:
		return io.NewSectionReader(t.In, t.Off, t.Len), nil
	}
	return io.NewSectionReader(in, t.Off, t.Len), nil
}

// Regions returns a region for each tensor that stands in the file, as far as they do not share bytes.
func Regions(list *tensor.List) []format.Region {
	var out []format.Region
	for i := range list.Tensors {
		t := &list.Tensors[i]
		if t.Len > 0 && t.Open == nil && t.In == nil {
			out = append(out, format.Region{Off: t.Off, Len: t.Len, Width: t.Type.Width(), Name: t.Name})
		}
	}
	return Apart(out)
}

// Apart sorts regions and leaves out those that begin within another.
func Apart(regions []format.Region) []format.Region {
	slices.SortStableFunc(regions, func(a, b format.Region) int { return cmp.Or(cmp.Compare(a.Off, b.Off), cmp.Compare(b.Len, a.Len)) })
	out, end := regions[:0], int64(0)
	for _, g := range regions {
		if g.Off >= end {
			out, end = append(out, g), g.Off+g.Len
		}
	}
	return out
}

// Find returns the tensor of an element's id.
func Find(list *tensor.List, id string) (*tensor.Tensor, error) {
	for i, name := range names(list) {
		if name == id {
			return &list.Tensors[i], nil
		}
	}
	return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
}

// Extract makes a file of a tensor: .npy where NumPy has its type, else .safetensors.
func Extract(ctx context.Context, in format.Input, list *tensor.List, id string) (*format.Extract, error) {
	t, err := Find(list, id)
	if err != nil {
		return nil, err
	}
	if d := Descr(t.Type, t.Big); d != "" {
		fortran := t.Fortran() && !t.Dense()
		return extract(ctx, in, t, ".npy", Header(d, t.Shape, fortran), fortran)
	}
	if t.Type != tensor.Unknown && t.Type <= tensor.C128 && !t.Big {
		head, err := json.Marshal(map[string]any{t.Name: map[string]any{"dtype": t.Type.String(), "shape": append([]int64{}, t.Shape...), "data_offsets": []int64{0, t.Size}}})
		if err != nil {
			return nil, err
		}
		for len(head)%8 != 0 {
			head = append(head, ' ')
		}
		return extract(ctx, in, t, ".safetensors", append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...), false)
	}
	return nil, format.Unsupported("a tensor of type %s as a file of its own", t.TypeName())
}

// extract is a head and the elements: row by row, or as they stand.
func extract(ctx context.Context, in format.Input, t *tensor.Tensor, ext string, head []byte, asIs bool) (*format.Extract, error) {
	o := &format.Output{}
	_, _ = o.Write(head)
	if from, ok := place(in, t); ok && (asIs || t.Dense()) {
		if t.Off < 0 || t.Len < 0 || t.Off > from.Size() || t.Len > from.Size()-t.Off {
			return nil, format.Malformed("tensor %.80q: %d bytes at %d of a file of %d", t.Name, t.Len, t.Off, from.Size())
		}
		o.Span(from, t.Off, t.Len)
		return &format.Extract{Extension: ext, Content: o}, nil
	}
	want, whole := t.Size, true
	if !asIs {
		want, whole = t.Type.Bytes(t.Shape, maxCopy)
	}
	if !whole || want > maxCopy {
		return nil, fmt.Errorf("tensor %.80q of more than %d bytes: %w", t.Name, maxCopy, format.ErrLimit)
	}
	r, err := t.Reader(in)
	if asIs {
		r, err = Raw(in, t)
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(&patient{ctx, r}, want))
	if err != nil || int64(len(b)) < want {
		return nil, broken(err, int64(len(b)), want)
	}
	_, _ = o.Write(b)
	return &format.Extract{Extension: ext, Content: o}, nil
}

// place is the file that a tensor stands in as it is.
func place(in format.Input, t *tensor.Tensor) (format.Input, bool) {
	if t.Open != nil {
		return nil, false
	}
	if t.In == nil {
		return in, true
	}
	other, ok := t.In.(format.Input)
	return other, ok
}

// Descr is NumPy's word for a type; "" where it has none.
func Descr(t tensor.Type, big bool) string {
	order := "<"
	if big {
		order = ">"
	}
	switch t {
	case tensor.Bool:
		return "|b1"
	case tensor.U8:
		return "|u1"
	case tensor.I8:
		return "|i1"
	case tensor.U16, tensor.U32, tensor.U64:
		return order + "u" + strconv.Itoa(int(t.Width()))
	case tensor.I16, tensor.I32, tensor.I64:
		return order + "i" + strconv.Itoa(int(t.Width()))
	case tensor.F16, tensor.F32, tensor.F64:
		return order + "f" + strconv.Itoa(int(t.Width()))
	case tensor.C64, tensor.C128:
		return order + "c" + strconv.Itoa(2*int(t.Width()))
	}
	return ""
}

// Header is the head of a .npy file, version 1: its length is a multiple of 64.
func Header(descr string, shape []int64, fortran bool) []byte {
	var sides strings.Builder
	for _, n := range shape {
		fmt.Fprintf(&sides, "%d, ", n)
	}
	text := strings.TrimSuffix(sides.String(), " ")
	if len(shape) > 1 {
		text = strings.TrimSuffix(text, ",")
	}
	order := "False"
	if fortran {
		order = "True"
	}
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }", descr, order, text)
	for (10+len(h)+1)%64 != 0 {
		h += " "
	}
	h += "\n"
	return append(binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(h))), h...)
}
