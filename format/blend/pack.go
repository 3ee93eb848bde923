package blend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"varve/format"
)

// packing is how a file is compressed.
type packing int

const (
	foreign packing = iota // no file of Blender's
	plain
	gzipped
	zstandard
)

const (
	magic     = "BLENDER"
	maxStream = 2 << 30 // bytes of a stream that has to be unpacked whole
	maxRatio  = 32      // what a length is believed to
)

func packingOf(head []byte) packing {
	switch {
	case bytes.HasPrefix(head, []byte(magic)):
		return plain
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}):
		return gzipped
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstandard
	}
	return foreign
}

// unpack returns a file without its compression. Of a stream without a seek table it unpacks the first most bytes and
// no more, and says whether that was all.
func unpack(ctx context.Context, in format.Input, most int64) (body format.Input, how packing, all bool, err error) {
	head, err := format.ReadSpan(in, 0, min(in.Size(), 12), 12)
	if err != nil {
		return nil, foreign, false, err
	}
	how = packingOf(head)
	switch how {
	case plain:
		return in, how, true, nil
	case gzipped:
		r, err := gzip.NewReader(io.NewSectionReader(in, 0, in.Size()))
		if err != nil {
			return nil, how, false, streamError(err)
		}
		body, all, err = inflate(ctx, r, sizeHint(in), most)
		return body, how, all, err
	case zstandard:
		z, err := openFrames(in)
		if err != nil || z != nil {
			return z, how, true, err
		}
		r, err := zstd.NewReader(io.NewSectionReader(in, 0, in.Size()), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame), zstd.WithDecoderMaxWindow(maxFrame))
		if err != nil {
			return nil, how, false, streamError(err)
		}
		defer r.Close()
		body, all, err = inflate(ctx, r, 0, most)
		return body, how, all, err
	}
	return nil, how, false, format.Malformed("it starts with %q, not with %q", head, magic)
}

// sizeHint is what a gzip stream says at its end of its length: good enough to take that much, if it can be at all.
func sizeHint(in format.Input) int64 {
	tail, err := format.ReadSpan(in, in.Size()-4, 4, 4)
	if err != nil {
		return 0
	}
	n := int64(tail[0]) | int64(tail[1])<<8 | int64(tail[2])<<16 | int64(tail[3])<<24
	if n > in.Size()*maxRatio {
		return 0
	}
	return n
}

// inflate reads the first most bytes of r into memory.
func inflate(ctx context.Context, r io.Reader, hint, most int64) (format.Input, bool, error) {
	const step = 1 << 20
	b := make([]byte, 0, min(max(hint+1, 64<<10), most+1, maxStream))
	for int64(len(b)) <= most {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):min(cap(b), len(b)+step)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return format.Bytes(b), true, nil
		}
		if err != nil {
			return nil, false, streamError(err)
		}
	}
	if most >= maxStream {
		return nil, false, fmt.Errorf("unpacked it has more than %d bytes: %w", most, format.ErrLimit)
	}
	return format.Bytes(b[:most]), false, nil
}

// streamError: what a decompressor does not like is damage, unless the reading itself failed.
func streamError(err error) error {
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return fmt.Errorf("compressed: %w: %w", format.ErrLimit, err)
	}
	return format.Malformed("compressed: %v", err)
}
