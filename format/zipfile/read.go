package zipfile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"

	"varve/format"
)

const (
	encrypted = 1 << 0
	described = 1 << 3
	strong    = 1 << 6
	masked    = 1 << 13

	mostRatio = 1032 // of deflate
)

// Data returns where the bytes of an entry begin, compressed as they are: Compressed bytes from there. It reads the
// local header, which must be of this entry.
func (a *Archive) Data(e *Entry) (int64, error) {
	room := e.next - e.Header
	head, err := format.ReadSpan(a.in, e.Header, min(room, localSize+int64(len(e.Name))), localSize+0xffff)
	if err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	if len(head) < localSize+len(e.Name) || string(head[:4]) != localSign {
		return 0, format.Malformed("zip entry %.80q: no header at %d", e.Name, e.Header)
	}
	name, extra := int64(le.Uint16(head[26:])), int64(le.Uint16(head[28:]))
	if name != int64(len(e.Name)) || string(head[localSize:]) != e.Name || le.Uint16(head[8:]) != e.Method {
		return 0, format.Malformed("zip entry %.80q: the header at %d is of another", e.Name, e.Header)
	}
	if e.Compressed > room-localSize-name-extra {
		return 0, format.Malformed("zip entry %.80q: %d bytes reach into what is at %d", e.Name, e.Compressed, e.next)
	}
	return e.Header + localSize + name + extra, nil
}

// Open returns the content of an entry as a stream, which is not checked. ErrUnsupported where it is encrypted, or
// compressed in a way that is not known.
func (a *Archive) Open(e *Entry) (io.Reader, error) {
	if e.Flags&(encrypted|strong|masked) != 0 {
		return nil, format.Unsupported("zip entry %.80q is encrypted", e.Name)
	}
	at, err := a.Data(e)
	if err != nil {
		return nil, err
	}
	data := io.NewSectionReader(a.in, at, e.Compressed)
	switch e.Method {
	case Stored:
		if e.Compressed != e.Size {
			return nil, format.Malformed("zip entry %.80q: %d bytes are stored as %d", e.Name, e.Size, e.Compressed)
		}
		return data, nil
	case Deflate:
		if e.Size/mostRatio > e.Compressed {
			return nil, format.Malformed("zip entry %.80q: %d bytes cannot hold %d", e.Name, e.Compressed, e.Size)
		}
		return flate.NewReader(bufio.NewReaderSize(data, int(min(e.Compressed, 64<<10)))), nil
	}
	return nil, format.Unsupported("zip entry %.80q: compression method %d", e.Name, e.Method)
}

// Read returns the content of an entry, of which max bytes are the most: ErrLimit where it is more, ErrMalformed where
// it does not have the size and CRC that it should.
func (a *Archive) Read(ctx context.Context, e *Entry, max int64) ([]byte, error) {
	if e.Size > max {
		return nil, fmt.Errorf("zip entry %.80q: %d bytes: %w", e.Name, e.Size, format.ErrLimit)
	}
	var b bytes.Buffer
	b.Grow(int(min(e.Size, 16*e.Compressed+512)))
	if err := a.copy(ctx, &b, e); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Check reads an entry as Read does, and keeps nothing of it.
func (a *Archive) Check(ctx context.Context, e *Entry) error { return a.copy(ctx, io.Discard, e) }

// copy writes the content of an entry, and checks it. No more is written than the entry should have.
func (a *Archive) copy(ctx context.Context, w io.Writer, e *Entry) error {
	r, err := a.Open(e)
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(withContext{ctx, r}, e.Size))
	if err == nil && n == e.Size {
		var one [1]byte
		if k, _ := io.ReadFull(r, one[:]); k > 0 {
			return format.Malformed("zip entry %.80q: more than its %d bytes", e.Name, e.Size)
		}
	}
	if err != nil {
		var corrupt flate.CorruptInputError
		if errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF) {
			return format.Malformed("zip entry %.80q: %v", e.Name, err)
		}
		return fmt.Errorf("zip entry %.80q: %w", e.Name, err)
	}
	if n != e.Size || sum.Sum32() != e.CRC {
		return format.Malformed("zip entry %.80q: its content has another size or CRC than it should", e.Name)
	}
	return nil
}

type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (c withContext) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}

// Run is a part of an entry's content that stands in the archive as it is.
type Run struct {
	At  int64 // in the content
	Off int64 // in the archive
	Len int64
}

// maxRuns of an entry: a deflate block that is not compressed holds up to 65,535 bytes.
const maxRuns = 1 << 16

// Plain returns the parts of an entry's content that are not compressed, up to the first that is: all of it where the
// entry is stored, and the blocks of deflate that hold bytes as they are.
func (a *Archive) Plain(e *Entry) ([]Run, error) {
	at, err := a.Data(e)
	if err != nil || e.Flags&(encrypted|strong|masked) != 0 || e.Compressed == 0 {
		return nil, err
	}
	if e.Method == Stored {
		return []Run{{0, at, e.Compressed}}, nil
	}
	if e.Method != Deflate {
		return nil, nil
	}
	var runs []Run
	content, end := int64(0), at+e.Compressed
	// A stored block begins with three bits, here always those of a new byte: after another stored block.
	for len(runs) < maxRuns && end-at >= 5 {
		b, err := format.ReadSpan(a.in, at, 5, 5)
		if err != nil {
			return nil, err
		}
		n := int64(binary.LittleEndian.Uint16(b[1:]))
		if b[0]&^1 != 0 || n != int64(^binary.LittleEndian.Uint16(b[3:])) || n > end-at-5 {
			break
		}
		if n > 0 {
			runs = append(runs, Run{content, at + 5, n})
		}
		content, at = content+n, at+5+n
		if b[0] == 1 {
			break
		}
	}
	return runs, nil
}

// Regions returns a region for the data of each entry that has any, compressed as it is.
func (a *Archive) Regions() ([]format.Region, error) {
	out := make([]format.Region, 0, len(a.files))
	for _, i := range a.files {
		e := &a.entries[i]
		at, err := a.Data(e)
		if err != nil {
			return nil, err
		}
		if e.Compressed > 0 {
			out = append(out, format.Region{Off: at, Len: e.Compressed, Width: 1})
		}
	}
	return out, nil
}

// Validate checks that every entry's header is where the directory says, and with contents that every content has the
// CRC that it should.
func (a *Archive) Validate(ctx context.Context, contents bool) error {
	for _, i := range a.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := &a.entries[i]
		if _, err := a.Data(e); err != nil {
			return err
		}
		if contents {
			if err := a.Check(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}
