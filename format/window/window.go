// Package window reads the structure of a file in few ranged reads: short reads that follow one another, and pieces
// that lie apart as one stream.
//
// It promises: what it returns lies in the file; what does not is ErrMalformed. It holds at most 256 KB.
package window

import (
	"errors"
	"io"

	"varve/format"
)

const (
	least = 16 << 10  // bytes of a read that follows none
	most  = 256 << 10 // of one that follows others
)

// Span is a piece of a file: bytes from Off, Len of them.
type Span struct{ Off, Len int64 }

// Window is a view of a file that moves. It is not safe for concurrent use.
type Window struct {
	in   format.Input
	size int64
	buf  []byte
	at   int64 // of buf in the file
	next int   // bytes to read
}

// New returns a window of a file.
func New(in format.Input) *Window { return &Window{in: in, size: in.Size(), next: least} }

// Size returns the size of the file in bytes.
func (w *Window) Size() int64 { return w.size }

// At returns n bytes from off, at most 256 KB; they are good until the next call.
func (w *Window) At(off int64, n int) ([]byte, error) {
	if off < 0 || n < 0 || n > most || off > w.size || int64(n) > w.size-off {
		return nil, format.Malformed("cut off: %d bytes at %d of a file of %d", n, off, w.size)
	}
	if off < w.at || off+int64(n) > w.at+int64(len(w.buf)) {
		if err := w.fill(off, n); err != nil {
			return nil, err
		}
	}
	from := int(off - w.at)
	return w.buf[from : from+n], nil
}

// fill reads from off, the more the longer reads follow one another.
func (w *Window) fill(off int64, n int) error {
	end := w.at + int64(len(w.buf))
	if len(w.buf) > 0 && off >= w.at && off <= end+least {
		w.next = min(2*w.next, most)
	} else {
		w.next = least
	}
	want := int(min(int64(max(n, w.next)), w.size-off))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	w.buf = w.buf[:want]
	w.at = off
	k, err := w.in.ReadAt(w.buf, off)
	w.buf = w.buf[:k]
	if k >= n {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return format.Malformed("the file ended while it was read")
	}
	return err
}

// Reader returns the bytes of spans as one stream, which moves the window. A span that is not in the file ends it with
// ErrMalformed.
func (w *Window) Reader(spans []Span) io.Reader { return &reader{w: w, spans: spans} }

type reader struct {
	w     *Window
	spans []Span
	done  int64 // of the first span
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.spans) > 0 && r.done == r.spans[0].Len {
		r.spans, r.done = r.spans[1:], 0
	}
	if len(r.spans) == 0 {
		return 0, io.EOF
	}
	off := r.spans[0].Off + r.done
	n := min(int64(len(p)), r.spans[0].Len-r.done)
	if inside := r.w.at + int64(len(r.w.buf)) - off; off >= r.w.at && inside > 0 {
		n = min(n, inside)
	}
	b, err := r.w.At(off, int(min(n, most)))
	if err != nil {
		return 0, err
	}
	r.done += int64(len(b))
	return copy(p, b), nil
}
