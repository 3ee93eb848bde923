package blend

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"

	"varve/format"
)

const (
	maxBlocks = 1 << 22
	maxBlock  = 1 << 33 // bytes of one
	maxDNA    = 16 << 20
)

// header is the head of a file.
type header struct {
	length  int64
	wide    bool // pointers have 8 bytes, not 4
	large   bool // blocks are laid out as from 5.0
	order   binary.ByteOrder
	version int
}

// width is the bytes of a pointer.
func (h *header) width() int {
	if h.wide {
		return 8
	}
	return 4
}

// headLen is the bytes of a block's head.
func (h *header) headLen() int64 {
	switch {
	case h.large:
		return 32
	case h.wide:
		return 24
	}
	return 20
}

// maxHeader is the most bytes of a header.
const maxHeader = 17

func parseHeader(b []byte) (header, error) {
	h := header{length: 12, order: binary.LittleEndian}
	if len(b) < 12 || string(b[:7]) != magic {
		return h, format.Malformed("no header")
	}
	if b[7] >= '0' && b[7] <= '9' {
		length, e1 := strconv.Atoi(string(b[7:9]))
		layout, e2 := strconv.Atoi(string(b[10:12]))
		if e1 != nil || e2 != nil || b[9] != '-' {
			return h, format.Malformed("header %q", b[:12])
		}
		if length != maxHeader || layout != 1 {
			return h, format.Unsupported("header of %d bytes, layout %d", length, layout)
		}
		if len(b) < maxHeader || b[12] != 'v' {
			return h, format.Malformed("header %q", b[:min(len(b), maxHeader)])
		}
		h.length, h.wide, h.large = maxHeader, true, true
		return h, h.setVersion(b[13:17])
	}
	switch b[7] {
	case '-':
		h.wide = true
	case '_':
	default:
		return h, format.Malformed("header %q", b[:12])
	}
	switch b[8] {
	case 'v':
	case 'V':
		h.order = binary.BigEndian
	default:
		return h, format.Malformed("header %q", b[:12])
	}
	return h, h.setVersion(b[9:12])
}

func (h *header) setVersion(digits []byte) error {
	for _, d := range digits {
		if d < '0' || d > '9' {
			return format.Malformed("version %q", digits)
		}
		h.version = h.version*10 + int(d-'0')
	}
	return nil
}

// code is what a block is.
type code [4]byte

func codeOf(s string) (c code) {
	copy(c[:], s)
	return c
}

func (c code) String() string { return string(bytes.TrimRight(c[:], "\x00")) }

// opens reports whether a block of the code starts a data-block: two letters, and ID, which stands for one of a library.
func (c code) opens() bool {
	upper := func(b byte) bool { return b >= 'A' && b <= 'Z' }
	return upper(c[0]) && upper(c[1]) && c[2] == 0 && c[3] == 0
}

// block is a block's head.
type block struct {
	code  code
	sdna  int32
	old   uint64
	off   int64 // of its head
	n     int64 // bytes of data
	count int64
}

// pointer reads one.
func (h *header) pointer(b []byte) uint64 {
	if h.wide {
		return h.order.Uint64(b)
	}
	return uint64(h.order.Uint32(b))
}

func (h *header) putPointer(b []byte, p uint64) {
	if h.wide {
		h.order.PutUint64(b, p)
	} else {
		h.order.PutUint32(b, uint32(p))
	}
}

// parse reads a block's head, which lies at off.
func (h *header) parse(b []byte, off int64) block {
	k := block{off: off}
	copy(k.code[:], b)
	if h.order == binary.BigEndian && k.code[0] == 0 && k.code[1] == 0 { // codes of two letters are numbers
		k.code = code{k.code[2], k.code[3]}
	}
	if h.large {
		k.sdna, k.old = int32(h.order.Uint32(b[4:])), h.order.Uint64(b[8:])
		k.n, k.count = int64(h.order.Uint64(b[16:])), int64(h.order.Uint64(b[24:]))
		return k
	}
	k.n, k.old = int64(int32(h.order.Uint32(b[4:]))), h.pointer(b[8:])
	rest := b[8+h.width():]
	k.sdna, k.count = int32(h.order.Uint32(rest)), int64(int32(h.order.Uint32(rest[4:])))
	return k
}

// appendHead is the opposite of parse.
func (h *header) appendHead(b []byte, k *block) []byte {
	at := len(b)
	b = append(b, make([]byte, h.headLen())...)
	p := b[at:]
	copy(p, k.code[:])
	if h.order == binary.BigEndian && k.code.opens() {
		copy(p, []byte{0, 0, k.code[0], k.code[1]})
	}
	if h.large {
		h.order.PutUint32(p[4:], uint32(k.sdna))
		h.order.PutUint64(p[8:], k.old)
		h.order.PutUint64(p[16:], uint64(k.n))
		h.order.PutUint64(p[24:], uint64(k.count))
		return b
	}
	h.order.PutUint32(p[4:], uint32(k.n))
	h.putPointer(p[8:], k.old)
	h.order.PutUint32(p[8+h.width():], uint32(k.sdna))
	h.order.PutUint32(p[12+h.width():], uint32(k.count))
	return b
}

// window reads an input in pieces: many small reads that lie together are one.
type window struct {
	in   format.Input
	step int64 // bytes of a piece
	buf  []byte
	off  int64 // of buf
}

// at returns n bytes from off, valid until the next call; io.ErrUnexpectedEOF where there are not so many.
func (w *window) at(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > w.in.Size() || n > w.in.Size()-off {
		return nil, io.ErrUnexpectedEOF
	}
	if off < w.off || off+n > w.off+int64(len(w.buf)) {
		want := min(max(n, w.step), w.in.Size()-off)
		if int64(cap(w.buf)) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.off = w.buf[:want], off
		k, err := w.in.ReadAt(w.buf, off)
		w.buf = w.buf[:k]
		if int64(k) < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return w.buf[off-w.off:][:n:n], nil
}

// chain calls each with every block before ENDB, until it returns false, and returns where ENDB's head lies.
func (h *header) chain(ctx context.Context, w *window, each func(*block) bool) (int64, error) {
	off := h.length
	for n := 0; ; n++ {
		if n > maxBlocks {
			return 0, fmt.Errorf("more than %d blocks: %w", maxBlocks, format.ErrLimit)
		}
		if err := ctx.Err(); n&0xfff == 0 && err != nil {
			return 0, err
		}
		b, err := w.at(off, h.headLen())
		if err == io.ErrUnexpectedEOF {
			return 0, format.Malformed("it ends at %d, in block %d, without an end", w.in.Size(), n)
		}
		if err != nil {
			return 0, err
		}
		k := h.parse(b, off)
		if k.code == codeOf("ENDB") {
			return off, nil
		}
		if k.n < 0 || k.n > maxBlock || k.count < 0 || !sensible(k.code) {
			return 0, format.Malformed("block %d at %d: code %q, %d bytes", n, off, k.code[:], k.n)
		}
		if k.n > w.in.Size()-off-h.headLen() {
			return 0, format.Malformed("block %d at %d: %d bytes in a file of %d", n, off, k.n, w.in.Size())
		}
		if !each(&k) {
			return off, nil
		}
		off += h.headLen() + k.n
	}
}

// sensible: codes are capitals and digits, filled with zeros.
func sensible(c code) bool {
	for i, b := range c {
		if !(b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' && i > 0 || b == 0 && i >= 2) {
			return false
		}
	}
	return true
}
