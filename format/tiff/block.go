package tiff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/image/ccitt"
	"golang.org/x/image/tiff/lzw"

	"varve/format"
)

// block returns strip or tile i, of so many rows, as plain samples; buf is room for them.
func (f *file) block(p *page, i, rows int, buf []byte) ([]byte, error) {
	want := p.blockBytes(rows)
	data, err := format.ReadSpan(f.in, p.offsets[i], p.counts[i], 1<<31)
	if err != nil {
		return nil, err
	}
	if p.lsb && p.compression != 2 && p.compression != 3 && p.compression != 4 {
		for k := range data {
			data[k] = bits.Reverse8(data[k])
		}
	}
	if int64(cap(buf)) < want {
		buf = make([]byte, want)
	}
	buf = buf[:want]
	switch p.compression {
	case 1:
		copy(buf, data)
	case 32773:
		if n := unpack(buf, data); int64(n) < want {
			return nil, errEarly(i, int64(n), want)
		}
	default:
		r, done, err := f.inflater(p, data, rows)
		if err != nil {
			return nil, fmt.Errorf("strip or tile %d: %w", i, err)
		}
		n, err := io.ReadFull(r, buf)
		done()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errEarly(i, int64(n), want)
		}
		if err != nil {
			return nil, format.Malformed("strip or tile %d: %v", i, err)
		}
	}
	return buf, p.unpredict(buf, rows, f.order)
}

// inflater returns a reader of what is in compressed bytes.
func (f *file) inflater(p *page, data []byte, rows int) (io.Reader, func(), error) {
	none := func() {}
	switch p.compression {
	case 5:
		if len(data) >= 2 && data[0] == 0 && data[1]&1 == 1 {
			return nil, nil, format.Unsupported("LZW of before 1992")
		}
		r := lzw.NewReader(bytes.NewReader(data), lzw.MSB, 8)
		return r, func() { _ = r.Close() }, nil
	case 8, 32946:
		r, err := zlib.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, nil, format.Malformed("zlib: %v", err)
		}
		return r, none, nil
	case 50000:
		r, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, nil, format.Malformed("zstd: %v", err)
		}
		return r, r.Close, nil
	}
	order := ccitt.MSB
	if p.lsb {
		order = ccitt.LSB
	}
	if p.compression == 2 {
		return nil, nil, format.Unsupported("compression 2 (fax without ends of rows)")
	}
	sub := ccitt.Group4
	if p.compression == 3 {
		sub = ccitt.Group3
		if e, ok := p.tags[tagT4Options]; ok {
			if v, err := f.numbers(e); err == nil && len(v) > 0 && v[0]&1 == 1 {
				return nil, nil, format.Unsupported("fax of group 3 in two dimensions")
			}
		}
	}
	// A 1 is black to the decoder, and is as the page says to us: WhiteIsZero, which fax pages are, has no need.
	return ccitt.NewReader(bytes.NewReader(data), order, sub, p.width, rows, &ccitt.Options{Invert: false, Align: false}), none, nil
}

// unpack undoes PackBits and returns how many bytes there were.
func unpack(out, in []byte) int {
	n := 0
	for n < len(out) && len(in) > 0 {
		c := int(int8(in[0]))
		in = in[1:]
		switch {
		case c >= 0:
			k := min(c+1, len(in))
			n += copy(out[n:], in[:k])
			in = in[k:]
		case c > -128 && len(in) > 0:
			for range min(1-c, len(out)-n) {
				out[n] = in[0]
				n++
			}
			in = in[1:]
		}
	}
	return n
}

// unpredict undoes the differences between neighbours.
func (p *page) unpredict(b []byte, rows int, order binary.ByteOrder) error {
	if p.predictor == 1 {
		return nil
	}
	size, step := int(p.rowBytes()), p.stride()
	line := make([]byte, size)
	for y := range rows {
		row := b[y*size : (y+1)*size]
		if p.predictor == 3 {
			p.floats(row, line, step, order)
			continue
		}
		switch p.bits {
		case 8:
			for i := step; i < len(row); i++ {
				row[i] += row[i-step]
			}
		case 16:
			for i := 2 * step; i+2 <= len(row); i += 2 {
				order.PutUint16(row[i:], order.Uint16(row[i:])+order.Uint16(row[i-2*step:]))
			}
		case 32:
			for i := 4 * step; i+4 <= len(row); i += 4 {
				order.PutUint32(row[i:], order.Uint32(row[i:])+order.Uint32(row[i-4*step:]))
			}
		case 64:
			for i := 8 * step; i+8 <= len(row); i += 8 {
				order.PutUint64(row[i:], order.Uint64(row[i:])+order.Uint64(row[i-8*step:]))
			}
		}
	}
	return nil
}

// floats undoes the predictor for floats: the bytes of a row are differences, and lie sorted by significance, the
// highest of all numbers first.
func (p *page) floats(row, line []byte, step int, order binary.ByteOrder) {
	for i := step; i < len(row); i++ {
		row[i] += row[i-step]
	}
	copy(line, row)
	w := p.bits / 8
	n := len(row) / w
	for i := range n {
		for k := range w {
			at := k
			if order == binary.LittleEndian {
				at = w - 1 - k
			}
			row[i*w+at] = line[k*n+i]
		}
	}
}
