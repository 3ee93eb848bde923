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

const chunk = 16 << 10 // bytes of an array that are read at once

// each calls do with the numbers of an array, in order.
func (f *file) each(v *value, do func(float64)) error {
	if v.kind == 'A' {
		return f.eachText(v, do)
	}
	left := int64(v.count) * v.width()
	if left > maxInflated {
		return fmt.Errorf("an array of %d bytes at %d: %w", left, v.off, format.ErrLimit)
	}
	if left == 0 {
		return nil
	}
	r := f.win.Reader([]window.Span{{Off: v.off, Len: v.n}})
	if v.coding == 1 {
		z, err := zlib.NewReader(r)
		if err != nil {
			return inflating(v, err)
		}
		defer z.Close()
		r = z
	}
	buf := make([]byte, min(left, chunk))
	for left > 0 {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(left, chunk)]
		if _, err := io.ReadFull(r, b); err != nil {
			return inflating(v, err)
		}
		left -= int64(len(b))
		f.convert(v.kind, b, do)
	}
	if n, err := io.ReadFull(r, buf[:1]); n > 0 { // the sum is checked at the end
		return inflating(v, errors.New("it is longer than it says"))
	} else if !errors.Is(err, io.EOF) {
		return inflating(v, err)
	}
	return nil
}

func (f *file) convert(kind byte, b []byte, do func(float64)) {
	switch kind {
	case 'd':
		for ; len(b) >= 8; b = b[8:] {
			do(math.Float64frombits(f.order.Uint64(b)))
		}
	case 'l':
		for ; len(b) >= 8; b = b[8:] {
			do(float64(int64(f.order.Uint64(b))))
		}
	case 'f':
		for ; len(b) >= 4; b = b[4:] {
			do(float64(math.Float32frombits(f.order.Uint32(b))))
		}
	case 'i':
		for ; len(b) >= 4; b = b[4:] {
			do(float64(int32(f.order.Uint32(b))))
		}
	default:
		for _, c := range b {
			do(float64(int8(c)))
		}
	}
}

func inflating(v *value, err error) error {
	if errors.Is(err, format.ErrMalformed) {
		return err
	}
	return format.Malformed("the array at %d: %v", v.off, err)
}

// eachText is each of an array in text, which commas are between.
func (f *file) eachText(v *value, do func(float64)) error {
	b := f.ascii[v.off : v.off+v.n]
	count := uint32(0)
	for b = between(b); len(b) > 0; b = between(b) {
		x, n := shape.Number(b)
		if n == 0 || count == v.count {
			return format.Malformed("an array at %d that is not of %d numbers", v.off, v.count)
		}
		if b = b[n:]; len(b) > 0 && letter(b[0]) { // 1.#INF, nan(ind), infinity
			end := 0
			for end < len(b) && letter(b[end]) {
				end++
			}
			x, b = odd(b[:end], x), b[end:]
		}
		do(x)
		count++
	}
	if count != v.count {
		return format.Malformed("an array at %d of %d numbers, and not %d", v.off, count, v.count)
	}
	return nil
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

// floats returns the numbers of a node: those of its array, or its values.
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
	size := 8 * int64(v.count)
	if f.room < size {
		return nil, fmt.Errorf("arrays of this file at %d: %w", v.off, format.ErrLimit)
	}
	f.room -= size
	out := make([]float64, 0, v.count)
	err := f.each(v, func(x float64) { out = append(out, x) })
	return out, err
}

// indices returns the whole numbers of a node.
func (f *file) indices(n *node) ([]int32, error) {
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
