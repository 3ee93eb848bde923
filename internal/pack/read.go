package pack

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"

	"varve/internal/seal"
)

// A Source appends n bytes of a pack's file from off to dst.
type Source func(ctx context.Context, off, n int64, dst []byte) ([]byte, error)

// A Reader reads one pack. It is safe for concurrent use.
type Reader struct {
	Header Header
	// Tail says that the head of the file is damaged and the header was read from its copy.
	Tail   bool
	Blocks []Block
	read   Source
	stream *seal.Stream
	sealed *sync.Pool // of *[]byte: what was read and is being unsealed
}

// Open reads the header and the directory of a pack of size bytes. In a pack with parity the copy of the header does
// as well.
func Open(ctx context.Context, k *seal.Keys, read Source, size int64) (*Reader, error) {
	head, err := read(ctx, 0, min(size, HeaderSize), nil)
	if err != nil {
		return nil, err
	}
	h, err := ParseHeader(head)
	tail := false
	if errors.Is(err, ErrDamaged) && size >= 2*HeaderSize {
		if head, rerr := read(ctx, size-HeaderSize, HeaderSize, nil); rerr == nil {
			if copied, cerr := ParseHeader(head); cerr == nil && copied.Parity > 0 {
				h, err, tail = copied, nil, true
			}
		}
	}
	if err != nil {
		return nil, err
	}
	p, err := newReader(ctx, k, h, read, size)
	if err != nil {
		return nil, err
	}
	p.Tail = tail
	return p, nil
}

func newReader(ctx context.Context, k *seal.Keys, h Header, read Source, size int64) (*Reader, error) {
	p := &Reader{Header: h, read: read, stream: h.stream(k), sealed: &sync.Pool{New: func() any { return new([]byte) }}}
	if c := p.stream.Commitment(); subtle.ConstantTimeCompare(c[:], h.Commitment[:]) != 1 {
		return nil, fmt.Errorf("%w: key commitment", ErrDamaged)
	}
	if want := h.fileLen(p.stream.SealedLen(h.Plain)); want != size {
		return nil, fmt.Errorf("%w: %d bytes instead of %d", ErrDamaged, size, want)
	}
	dir, err := p.plain(ctx, nil, h.Plain-h.Directory, h.Directory)
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	if p.Blocks, err = ParseDirectory(dir, h.Plain-h.Directory); err != nil {
		return nil, err
	}
	return p, nil
}

// Span appends the stored bytes of the blocks first to last, end to end, to dst with one read.
func (p *Reader) Span(ctx context.Context, dst []byte, first, last int) ([]byte, error) {
	a, z := &p.Blocks[first], &p.Blocks[last]
	return p.plain(ctx, dst, a.Off, z.Off+int64(z.Stored)-a.Off)
}

// plain appends n bytes of the stream from off to dst.
func (p *Reader) plain(ctx context.Context, dst []byte, off, n int64) ([]byte, error) {
	if n == 0 {
		return dst, nil
	}
	buf := p.sealed.Get().(*[]byte)
	defer p.sealed.Put(buf)
	first, at, length := p.stream.Range(off, n, p.Header.Plain)
	sealed, err := p.read(ctx, HeaderSize+at, length, (*buf)[:0])
	if err != nil {
		return nil, err
	}
	*buf = sealed
	start := len(dst)
	dst, err = p.stream.OpenSegments(dst, sealed, first, p.stream.Segments(p.Header.Plain))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	skip := int64(start) + off - int64(first)<<p.Header.Segment
	m := copy(dst[start:], dst[skip:skip+n])
	return dst[:start+m], nil
}
