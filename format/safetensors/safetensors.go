// Package safetensors knows the tensors of .safetensors files, and the files that an index of them names.
//
// # Bytes
//
//	0    8  n, length of the header, u64 little-endian; at most 100,000,000
//	8    n  JSON object, may end in spaces; tensor name → {"dtype", "shape", "data_offsets": [begin, end]},
//	        and "__metadata__" → object of strings
//	8+n     the tensors' bytes, little-endian, row by row; offsets count from here
package safetensors

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/tensor"
	"varve/format/weights"
)

const (
	maxHeader = 100_000_000 // bytes of JSON
	maxShape  = 64          // dimensions
	metadata  = "__metadata__"
)

// ErrNot says that a file is not as the format has it. It is an ErrMalformed.
var ErrNot = fmt.Errorf("not a safetensors file: %w", format.ErrMalformed)

// Format is the format. It has no state.
type Format struct{}

// Name is "safetensors".
func (Format) Name() string { return "safetensors" }

// Match looks for the extension, or for a length and an opening brace at the head.
func (Format) Match(name string, head []byte) bool {
	if len(head) < 10 || head[8] != '{' || binary.LittleEndian.Uint64(head) > maxHeader {
		return false
	}
	return strings.EqualFold(path.Ext(name), ".safetensors") || head[9] == '"'
}

// Regions returns one region for each tensor that has bytes, in the order of the header.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	h, err := read(in)
	if err != nil {
		return nil, err
	}
	var out []format.Region
	for i := range h.list.Tensors {
		if t := &h.list.Tensors[i]; t.Len > 0 {
			out = append(out, format.Region{Off: t.Off, Len: t.Len, Width: t.Type.Width(), Name: t.Name})
		}
	}
	return out, nil
}

// Tensors lists the tensors in the order of the header.
func (Format) Tensors(_ context.Context, in format.Input) (*tensor.List, error) {
	h, err := once(in)
	if err != nil {
		return nil, err
	}
	return h.list, nil
}

// Elements lists the tensors, with hashes of their bytes.
func (f Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Elements(ctx, in, list)
}

// Outline lists the tensors by the header alone.
func (f Format) Outline(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Outline(list), nil
}

// Extract makes a .npy of a tensor, or a .safetensors where NumPy has no such type.
func (f Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Extract(ctx, in, list, id)
}

// Validate checks that the tensors fill the file, without gaps, as the format demands.
func (Format) Validate(_ context.Context, in format.Input) error {
	h, err := once(in)
	if err != nil {
		return err
	}
	spans := make([][2]int64, 0, len(h.list.Tensors))
	for i := range h.list.Tensors {
		t := &h.list.Tensors[i]
		spans = append(spans, [2]int64{t.Off, t.Off + t.Len})
	}
	slices.SortFunc(spans, func(a, b [2]int64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	end := h.data
	for _, s := range spans {
		if s[0] != end {
			return fmt.Errorf("%w: tensors end at %d, the next begins at %d", ErrNot, end, s[0])
		}
		end = s[1]
	}
	if end != in.Size() {
		return fmt.Errorf("%w: tensors end at %d of %d bytes", ErrNot, end, in.Size())
	}
	return nil
}

// header is what stands before the tensors.
type header struct {
	list *tensor.List
	data int64 // where offsets count from
}

func once(in format.Input) (*header, error) {
	return format.Once(in, "safetensors", func() (*header, error) { return read(in) })
}

func read(r format.Input) (*header, error) {
	size := r.Size()
	var head [8]byte
	if size < 8 {
		return nil, fmt.Errorf("%w: %d bytes", ErrNot, size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("read header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("%w: header of %d bytes", ErrNot, n)
	}
	h := &header{list: &tensor.List{}, data: 8 + int64(n)}
	more, err := entries(io.NewSectionReader(r, 8, int64(n)), func(name string, e *entry) error {
		if len(h.list.Tensors) == format.MaxRegions {
			return fmt.Errorf("%w: more than %d tensors", ErrNot, format.MaxRegions)
		}
		t, err := e.place(h.data, size)
		t.Name = name
		h.list.Tensors = append(h.list.Tensors, t)
		return err
	})
	h.list.Metadata = more
	return h, err
}

// entry is a tensor in the header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []int64  `json:"data_offsets"`
}

// entries calls each with every tensor of a header, one at a time: a header may be large. It returns the metadata.
func entries(r io.Reader, each func(string, *entry) error) (map[string]string, error) {
	d := json.NewDecoder(r)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%w: header is no JSON object", ErrNot)
	}
	var more map[string]string
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: header: %w", ErrNot, err)
		}
		name, _ := token.(string)
		if name == metadata {
			var any map[string]any
			if err := d.Decode(&any); err != nil {
				return nil, fmt.Errorf("%w: metadata: %w", ErrNot, err)
			}
			more = make(map[string]string, len(any))
			for k, v := range any {
				more[k] = fmt.Sprint(v)
			}
			continue
		}
		var e entry
		if err := d.Decode(&e); err != nil {
			return nil, fmt.Errorf("%w: tensor %.64q: %w", ErrNot, name, err)
		}
		if err := each(name, &e); err != nil {
			return nil, fmt.Errorf("tensor %.64q: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrNot, err)
	}
	return more, nil
}

// place returns where a tensor lies in a file of size bytes whose data starts at data.
func (e *entry) place(data, size int64) (tensor.Tensor, error) {
	if len(e.Offsets) != 2 || e.Offsets[0] < 0 || e.Offsets[1] < e.Offsets[0] || e.Offsets[1] > size-data {
		return tensor.Tensor{}, fmt.Errorf("%w: offsets %.3d", ErrNot, e.Offsets)
	}
	n := e.Offsets[1] - e.Offsets[0]
	t := tensor.Tensor{Type: tensor.Named(e.DType), Off: data + e.Offsets[0], Len: n, Size: n}
	if t.Type == tensor.Unknown { // of another version: its bytes are there all the same
		t.Called, t.Shape = e.DType, []int64{n}
		return t, nil
	}
	if len(e.Shape) > maxShape {
		return t, fmt.Errorf("%w: %d dimensions", ErrNot, len(e.Shape))
	}
	t.Shape = make([]int64, len(e.Shape))
	for i, side := range e.Shape {
		if side > math.MaxInt64 {
			return t, fmt.Errorf("%w: shape is larger than the file", ErrNot)
		}
		t.Shape[i] = int64(side)
	}
	want, ok := t.Type.Bytes(t.Shape, size)
	if !ok {
		return t, fmt.Errorf("%w: shape is larger than the file", ErrNot)
	}
	if want != n {
		return t, fmt.Errorf("%w: %d bytes for a shape of %d", ErrNot, n, want)
	}
	return t, nil
}
