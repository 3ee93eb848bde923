package fbx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zlib"

	"varve/format"
	"varve/format/shape"
	"varve/format/window"
)

// bytesOf returns the bytes of an array of a binary file, inflated.
func (f *file) bytesOf(v *value) ([]byte, error) {
	size := int64(v.count) * v.width()
	if size > maxInflated {
		return nil, fmt.Errorf("an array of %d bytes at %d: %w", size, v.off, format.ErrLimit)
	}
	if v.coding == 0 {
		return format.ReadSpan(f.in, v.off, v.n, maxInflated)
	}
	if size == 0 {
		return nil, nil
	}
	z, err := zlib.NewReader(f.win.Reader([]window.Span{{Off: v.off, Len: v.n}}))
	if err != nil {
		return nil, format.Malformed("the array at %d: %v", v.off, err)
	}
	defer z.Close()
	out := make([]byte, size)
	if _, err := io.ReadFull(z, out); err != nil {
		return nil, inflating(v, err)
	}
	if n, err := z.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) { // the sum is checked at the end
		if n > 0 {
			err = errors.New("it is longer than it says")
		}
		return nil, inflating(v, err)
	}
	return out, nil
}

func inflating(v *value, err error) error {
	if errors.Is(err, format.ErrMalformed) {
		return err
	}
	return format.Malformed("the array at %d: %v", v.off, err)
}

// checkArray reads an array, and reports what is wrong with it.
func (f *file) checkArray(v *value) error {
	if v.kind == 'A' {
		_, err := f.textArray(v)
		return err
	}
	if v.coding == 0 {
		return nil
	}
	_, err := f.bytesOf(v)
	return err
}

// textArray reads the numbers of an array in text, which commas are between.
func (f *file) textArray(v *value) ([]float64, error) {
	b := f.ascii[v.off : v.off+v.n]
	out := make([]float64, 0, min(int64(v.count), v.n/2+1))
	for b = between(b); len(b) > 0; b = between(b) {
		x, n := shape.Number(b)
		if n == 0 || len(out) == int(v.count) {
			return nil, format.Malformed("an array at %d that is not of %d numbers", v.off, v.count)
		}
		if b = b[n:]; len(b) > 0 && letter(b[0]) { // 1.#INF, nan(ind), infinity
			end := 0
			for end < len(b) && letter(b[end]) {
				end++
			}
			x, b = odd(b[:end], x), b[end:]
		}
		out = append(out, x)
	}
	if len(out) != int(v.count) {
		return nil, format.Malformed("an array at %d of %d numbers, and not %d", v.off, len(out), v.count)
	}
	return out, nil
}

// between skips what is between numbers: commas, spaces, comments.
func between(b []byte) []byte {
	for len(b) > 0 && (b[0] == ',' || b[0] <= ' ' || b[0] == ';') {
		n := 1
		if b[0] == ';' {
			if n = bytes.IndexByte(b, '\n'); n < 0 {
				n = len(b)
			}
		}
		b = b[n:]
	}
	return b
}

// floats returns the numbers of a node: those of its array, or its values. Nil where there are none.
func (f *file) floats(n *node) ([]float64, error) {
	if n == nil {
		return nil, nil
	}
	if len(n.values) != 1 || !n.values[0].array() {
		out := make([]float64, 0, len(n.values))
		for i := range n.values {
			if x, ok := n.values[i].float(); ok {
				out = append(out, x)
			}
		}
		return out, nil
	}
	v := &n.values[0]
	if v.kind == 'A' {
		return f.textArray(v)
	}
	b, err := f.bytesOf(v)
	if err != nil {
		return nil, err
	}
	out := make([]float64, v.count)
	for i := range out {
		switch v.kind {
		case 'd':
			out[i] = math.Float64frombits(f.order.Uint64(b[8*i:]))
		case 'l':
			out[i] = float64(int64(f.order.Uint64(b[8*i:])))
		case 'f':
			out[i] = float64(math.Float32frombits(f.order.Uint32(b[4*i:])))
		case 'i':
			out[i] = float64(int32(f.order.Uint32(b[4*i:])))
		default:
			out[i] = float64(int8(b[i]))
		}
	}
	return out, nil
}

// indices returns the whole numbers of a node.
func (f *file) indices(n *node) ([]int32, error) {
	if v := n.value(0); v != nil && v.kind == 'i' && len(n.values) == 1 {
		b, err := f.bytesOf(v)
		if err != nil {
			return nil, err
		}
		out := make([]int32, v.count)
		for i := range out {
			out[i] = int32(f.order.Uint32(b[4*i:]))
		}
		return out, nil
	}
	list, err := f.floats(n)
	if err != nil {
		return nil, err
	}
	out := make([]int32, len(list))
	for i, x := range list {
		if x != math.Trunc(x) || x < math.MinInt32 || x > math.MaxInt32 { // not a number, too
			return nil, format.Malformed("%.64q at %d has the index %g", n.name, n.start, x)
		}
		out[i] = int32(x)
	}
	return out, nil
}

// number is whole of a value that may be nil.
func (v *value) number() (int64, bool) {
	if v == nil {
		return 0, false
	}
	return v.whole()
}
