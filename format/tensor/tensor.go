// Package tensor holds arrays of numbers, whatever file they stand in, and what differs between those of two files.
//
// It promises: tensors are read in blocks, never a file as a whole; what is compared is compared at the precision that
// the file has, in 64 bits; what cannot be read as numbers is compared as bytes, and said so.
package tensor

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Tensor is an array of numbers, and where its bytes are.
type Tensor struct {
	Name   string
	Type   Type
	Called string  // the type as the file calls it, where Type is Unknown or the file has another word
	Shape  []int64 // the last side varies fastest
	// Strides are the elements from one to the next of each side, not negative; nil: row by row, without gaps.
	Strides []int64
	Big     bool // big-endian

	// Off and Len are where the bytes stand in the file, from the first element's to the last's; Len 0 where they do
	// not stand in it as they are: then Open reads them, in the order of Strides from the first on, Size of them.
	Off, Len int64
	In       io.ReaderAt // the file that Off and Len are of, where it is another one; else nil
	Open     func() (io.Reader, error)
	Size     int64 // bytes of the content as Open gives it, or Len
}

// List is the tensors of a file, in its order.
type List struct {
	Tensors  []Tensor
	Metadata map[string]string // what the file says besides, as text
	Notes    []string          // what a reader should know: tensors that are in another file which is not there
}

// Count is the number of elements.
func (t *Tensor) Count() int64 {
	n := int64(1)
	for _, side := range t.Shape {
		n *= side
	}
	return n
}

// TypeName is the type as people know it.
func (t *Tensor) TypeName() string {
	if t.Called != "" {
		return t.Called
	}
	return t.Type.String()
}

// dense reports whether the elements stand row by row, without gaps.
func (t *Tensor) dense() bool {
	want := int64(1)
	for i := len(t.Shape) - 1; i >= 0 && t.Strides != nil; i-- {
		if t.Shape[i] != 1 && t.Strides[i] != want {
			return t.Count() == 0
		}
		want *= t.Shape[i]
	}
	return true
}

// packed reports whether the elements of two tensors stand in one order, without gaps: compared as they stand they are
// compared right.
func packed(a, b *Tensor) bool {
	if a.dense() && b.dense() {
		return true
	}
	return slices.Equal(a.Shape, b.Shape) && slices.Equal(a.Strides, b.Strides) && a.full() && b.full()
}

// full reports whether each byte from the first to the last is of one element.
func (t *Tensor) full() bool {
	order := make([]int, 0, len(t.Shape))
	for i, side := range t.Shape {
		if side != 1 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int { return int(min(max(t.Strides[i]-t.Strides[j], -1), 1)) })
	want := int64(1)
	for _, i := range order {
		if t.Strides[i] != want {
			return false
		}
		want *= t.Shape[i]
	}
	return true
}

// ErrLimit says that a tensor's order would take more memory than it is given.
var ErrLimit = errors.New("too large")

// maxGather bounds tensors that are put into another order in memory, in bytes.
const maxGather = 256 << 20

// raw returns the bytes as they stand.
func (t *Tensor) raw(in io.ReaderAt) (io.Reader, error) {
	if t.Open != nil {
		return t.Open()
	}
	if t.In != nil {
		in = t.In
	}
	return io.NewSectionReader(in, t.Off, t.Len), nil
}

// Dense reports whether the elements stand row by row, without gaps.
func (t *Tensor) Dense() bool { return t.dense() }

// Fortran reports whether the elements stand without gaps, the first side varying fastest.
func (t *Tensor) Fortran() bool {
	want := int64(1)
	for i := range t.Strides {
		if t.Strides[i] != want {
			return false
		}
		want *= t.Shape[i]
	}
	return t.Strides != nil
}

// Reader returns the bytes of the elements row by row.
func (t *Tensor) Reader(in io.ReaderAt) (io.Reader, error) {
	r, err := t.raw(in)
	if err != nil || t.dense() {
		return r, err
	}
	return t.gather(r)
}

// gather puts the elements into their order.
func (t *Tensor) gather(r io.Reader) (io.Reader, error) {
	_, size := t.Type.Block()
	n := t.Count()
	if t.Size > maxGather || n > maxGather/int64(size) {
		return nil, fmt.Errorf("tensor %.80q stands in another order, %d bytes: %w", t.Name, t.Size, ErrLimit)
	}
	from := make([]byte, t.Size)
	if _, err := io.ReadFull(r, from); err != nil {
		return nil, short(err)
	}
	out := make([]byte, 0, n*int64(size))
	at := make([]int64, len(t.Shape))
	for range n {
		off := int64(0)
		for i, k := range at {
			off += k * t.Strides[i]
		}
		off *= int64(size)
		if off+int64(size) > int64(len(from)) {
			return nil, fmt.Errorf("tensor %.80q: %w", t.Name, io.ErrUnexpectedEOF)
		}
		out = append(out, from[off:off+int64(size)]...)
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < t.Shape[i] {
				break
			}
			at[i] = 0
		}
	}
	return &memory{out}, nil
}

// memory is a reader of bytes.
type memory struct{ b []byte }

func (m *memory) Read(p []byte) (int, error) {
	if len(m.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.b)
	m.b = m.b[n:]
	return n, nil
}

// short is the error of a tensor that ended before it should.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// numbers reports whether the elements can be read as numbers: those of big-endian blocks are not.
func (t *Tensor) numbers() bool { return t.Type.Numbers() && (!t.Big || t.Type <= C128) }

// Floats returns all elements as numbers, row by row; max bounds them. It is for small tensors.
func (t *Tensor) Floats(in io.ReaderAt, max int64) ([]float64, error) {
	block, size := t.Type.Block()
	parts := int64(layoutOf(t.Type).parts)
	n := t.Count()
	switch {
	case !t.numbers():
		return nil, fmt.Errorf("tensor %.80q of type %s: %w", t.Name, t.TypeName(), errors.ErrUnsupported)
	case n*parts > max:
		return nil, fmt.Errorf("tensor %.80q of %d elements: %w", t.Name, n, ErrLimit)
	}
	r, err := t.Reader(in)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n/int64(block)*int64(size))
	if _, err := io.ReadFull(r, b); err != nil && n > 0 {
		return nil, fmt.Errorf("tensor %.80q: %w", t.Name, short(err))
	}
	out := make([]float64, n*parts)
	newDecoder(t.Type, t.Big).decode(out, b)
	return out, nil
}
