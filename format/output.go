package format

import (
	"fmt"
	"io"
	"slices"
	"sort"
)

// Output is a file made of pieces of others and of new bytes, in order. It is an Input, and holds the pieces' files in
// use until it was written. The zero value is empty.
type Output struct {
	parts []part
	size  int64
}

type part struct {
	from io.ReaderAt
	off  int64 // in from
	at   int64 // in the output
	n    int64
}

// Write appends bytes; they must not be changed afterwards. It never fails.
func (o *Output) Write(b []byte) (int, error) {
	o.add(Bytes(b), 0, int64(len(b)))
	return len(b), nil
}

// Span appends n bytes of in from off. A span that is not within it is a defect of the caller, and panics.
func (o *Output) Span(in Input, off, n int64) {
	if off < 0 || n < 0 || off > in.Size() || n > in.Size()-off {
		panic(fmt.Sprintf("format: span %d+%d of %d bytes", off, n, in.Size()))
	}
	o.add(in, off, n)
}

func (o *Output) add(from io.ReaderAt, off, n int64) {
	if n == 0 {
		return
	}
	if k := len(o.parts) - 1; k >= 0 && o.parts[k].from == from && o.parts[k].off+o.parts[k].n == off {
		o.parts[k].n += n
	} else {
		o.parts = append(o.parts, part{from, off, o.size, n})
	}
	o.size += n
}

// Append appends all of another output.
func (o *Output) Append(more *Output) {
	for _, p := range slices.Clone(more.parts) {
		o.add(p.from, p.off, p.n)
	}
}

// Size returns the length in bytes.
func (o *Output) Size() int64 { return o.size }

// ReadAt reads the file as it will be.
func (o *Output) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d", off)
	}
	i := sort.Search(len(o.parts), func(i int) bool { return o.parts[i].at+o.parts[i].n > off })
	for n < len(b) {
		if i == len(o.parts) {
			return n, io.EOF
		}
		p := &o.parts[i]
		skip := off + int64(n) - p.at
		want := min(int64(len(b)-n), p.n-skip)
		k, err := p.from.ReadAt(b[n:n+int(want)], p.off+skip)
		n += k
		if int64(k) < want {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		i++
	}
	return n, nil
}

// Origin returns where in a file n bytes from off come from; ok is false if they are not a span of it.
func (o *Output) Origin(in Input, off, n int64) (at int64, ok bool) {
	i := sort.Search(len(o.parts), func(i int) bool { return o.parts[i].at+o.parts[i].n > off })
	if off < 0 || i == len(o.parts) || off+n > o.parts[i].at+o.parts[i].n {
		return 0, false
	}
	p := &o.parts[i]
	at = p.off + off - p.at
	if inner, nested := p.from.(*Output); nested {
		return inner.Origin(in, at, n)
	}
	return at, p.from == io.ReaderAt(in)
}

// WriteTo writes the file.
func (o *Output) WriteTo(w io.Writer) (int64, error) {
	// All of a document goes through: a buffer larger than that of io.Copy saves a tenth.
	n, err := io.CopyBuffer(w, struct{ io.Reader }{io.NewSectionReader(o, 0, o.size)}, make([]byte, min(256<<10, o.size+1)))
	if err == nil && n < o.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// ReadSpan returns n bytes of in from off, of which max is the most: ErrMalformed where the file ends before, ErrLimit
// where n is more.
func ReadSpan(in Input, off, n, max int64) ([]byte, error) {
	if off < 0 || n < 0 || off > in.Size() || n > in.Size()-off {
		return nil, Malformed("%d bytes at %d of a file of %d", n, off, in.Size())
	}
	if n > max {
		return nil, fmt.Errorf("%d bytes at %d: %w", n, off, ErrLimit)
	}
	b := make([]byte, n)
	if k, err := in.ReadAt(b, off); k < len(b) {
		if err == nil || err == io.EOF {
			return nil, Malformed("the file ended while it was read")
		}
		return nil, err
	}
	return b, nil
}
