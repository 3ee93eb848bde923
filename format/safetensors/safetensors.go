// Package safetensors knows where the tensors of a .safetensors file lie and how wide their elements are.
//
// # Bytes
//
//	0    8  n, length of the header, u64 little-endian; at most 100,000,000
//	8    n  JSON object, may end in spaces; tensor name → {"dtype", "shape", "data_offsets": [begin, end]},
//	        and "__metadata__" → object of strings
//	8+n     the tensors' bytes, little-endian, row by row; offsets count from here
package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"varve/format"
)

const (
	maxHeader = 100_000_000 // bytes of JSON
	maxShape  = 64          // dimensions
	metadata  = "__metadata__"
)

// ErrNot says that a file is not as the format has it.
var ErrNot = errors.New("not a safetensors file")

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
func (Format) Regions(r format.Input) ([]format.Region, error) {
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
	data := 8 + int64(n)
	var out []format.Region
	err := tensors(io.NewSectionReader(r, 8, int64(n)), func(t *tensor) error {
		g, err := t.region(data, size)
		if err != nil {
			return err
		}
		if len(out) == format.MaxRegions {
			return fmt.Errorf("%w: more than %d tensors", ErrNot, format.MaxRegions)
		}
		if g.Len > 0 {
			out = append(out, g)
		}
		return nil
	})
	return out, err
}

// tensor is an entry of the header.
type tensor struct {
	DType   string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []int64  `json:"data_offsets"`
}

// tensors calls each with every tensor of a header, one at a time: a header may be large.
func tensors(r io.Reader, each func(*tensor) error) error {
	d := json.NewDecoder(r)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("%w: header is no JSON object", ErrNot)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: header: %w", ErrNot, err)
		}
		if name == metadata {
			var any json.RawMessage
			if err := d.Decode(&any); err != nil {
				return fmt.Errorf("%w: metadata: %w", ErrNot, err)
			}
			continue
		}
		var t tensor
		if err := d.Decode(&t); err != nil {
			return fmt.Errorf("%w: tensor %.64q: %w", ErrNot, name, err)
		}
		if err := each(&t); err != nil {
			return fmt.Errorf("tensor %.64q: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("%w: header: %w", ErrNot, err)
	}
	return nil
}

// region returns where a tensor lies in a file of size bytes whose data starts at data.
func (t *tensor) region(data, size int64) (format.Region, error) {
	if len(t.Offsets) != 2 || t.Offsets[0] < 0 || t.Offsets[1] < t.Offsets[0] || t.Offsets[1] > size-data {
		return format.Region{}, fmt.Errorf("%w: offsets %.3d", ErrNot, t.Offsets)
	}
	g := format.Region{Off: data + t.Offsets[0], Len: t.Offsets[1] - t.Offsets[0], Width: 1}
	width := widthOf(t.DType)
	if width == 0 { // a type of another version: its bytes are there all the same
		return g, nil
	}
	if len(t.Shape) > maxShape {
		return g, fmt.Errorf("%w: %d dimensions", ErrNot, len(t.Shape))
	}
	want := uint64(width)
	for _, n := range t.Shape {
		if n != 0 && want > uint64(size)/n {
			return g, fmt.Errorf("%w: shape is larger than the file", ErrNot)
		}
		want *= n
	}
	if want != uint64(g.Len) {
		return g, fmt.Errorf("%w: %d bytes for a shape of %d", ErrNot, g.Len, want)
	}
	g.Width = width
	return g, nil
}

// widthOf returns the bytes of an element; 0 for a type that is not known.
func widthOf(dtype string) uint8 {
	switch dtype {
	case "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0":
		return 1
	case "BF16", "F16", "I16", "U16":
		return 2
	case "F32", "I32", "U32":
		return 4
	case "F64", "I64", "U64":
		return 8
	}
	return 0
}
