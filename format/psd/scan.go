package psd

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf16"

	"varve/format"
)

const window = 32 << 10 // bytes that a scan reads at once

// scan reads a part of a file forward, big-endian. After its first error it gives zeros and stays where it is.
type scan struct {
	in      format.Input
	at, end int64
	what    string // that is read, for errors
	err     error

	buf  []byte // of in from base
	base int64
}

// fail keeps the first error.
func (s *scan) fail(text string, args ...any) {
	if s.err == nil {
		s.err = format.Malformed("%s at byte %d: %s", s.what, s.at, fmt.Sprintf(text, args...))
	}
}

// left is how many bytes are left.
func (s *scan) left() int64 { return s.end - s.at }

// peek returns the next n bytes, fewer where the part ends before. n is at most a window. They are good until the next
// call.
func (s *scan) peek(n int) []byte {
	n = int(min(int64(n), s.left()))
	if s.err != nil || n <= 0 {
		return nil
	}
	if s.at < s.base || s.at+int64(n) > s.base+int64(len(s.buf)) {
		want := int(min(window, s.in.Size()-s.at))
		if cap(s.buf) < want {
			s.buf = make([]byte, want)
		}
		s.buf, s.base = s.buf[:want], s.at
		if k, err := s.in.ReadAt(s.buf, s.at); k < want {
			s.buf = s.buf[:0]
			if err == nil || err == io.EOF {
				s.fail("the file ended while it was read")
			} else {
				s.err = err
			}
			return nil
		}
	}
	i := s.at - s.base
	return s.buf[i : i+int64(n)]
}

// take is peek and skip; it fails where fewer than n bytes are left.
func (s *scan) take(n int) []byte {
	if s.err == nil && int64(n) > s.left() {
		s.fail("%d bytes wanted, %d left", n, s.left())
	}
	b := s.peek(n)
	if s.err != nil || len(b) < n {
		return nil
	}
	s.at += int64(n)
	return b
}

// skip goes on by n bytes.
func (s *scan) skip(n int64) {
	if s.err != nil {
		return
	}
	if n < 0 || n > s.left() {
		s.fail("%d bytes wanted, %d left", n, s.left())
		return
	}
	s.at += n
}

func (s *scan) u8() uint8 {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scan) u16() uint16 {
	if b := s.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (s *scan) u32() uint32 {
	if b := s.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (s *scan) i16() int { return int(int16(s.u16())) }
func (s *scan) i32() int { return int(int32(s.u32())) }

// length reads a length of 4 or 8 bytes, and fails where it is more than what is left.
func (s *scan) length(wide bool) int64 {
	n := uint64(0)
	if b := s.take(lengthSize(wide)); wide && b != nil {
		n = binary.BigEndian.Uint64(b)
	} else if b != nil {
		n = uint64(binary.BigEndian.Uint32(b))
	}
	if s.err == nil && n > uint64(s.left()) {
		s.fail("a length of %d, %d bytes left", n, s.left())
		return 0
	}
	return int64(n)
}

// key reads four characters.
func (s *scan) key() string { return string(s.take(4)) }

// pascal reads a string after its length in a byte; both together take a multiple of pad bytes.
func (s *scan) pascal(pad int) string {
	n := int(s.u8())
	text := string(s.take(n))
	if r := (n + 1) % pad; r != 0 {
		s.skip(int64(pad - r))
	}
	return text
}

const maxText = 1 << 20 // characters of a string that is read

// unicode reads UTF-16 after its length in characters, without the zero at its end.
func (s *scan) unicode() string {
	n := int64(s.u32())
	if s.err == nil && (n > maxText || 2*n > s.left()) {
		s.fail("a string of %d characters, %d bytes left", n, s.left())
	}
	if s.err != nil {
		return ""
	}
	units := make([]uint16, n)
	for i := range units {
		units[i] = s.u16()
	}
	for len(units) > 0 && units[len(units)-1] == 0 {
		units = units[:len(units)-1]
	}
	return string(utf16.Decode(units))
}

// over returns a scan over bytes in memory.
func over(b []byte, what string) *scan {
	return &scan{in: format.Bytes(b), end: int64(len(b)), what: what}
}

// lengthSize is how many bytes a length takes.
func lengthSize(wide bool) int {
	if wide {
		return 8
	}
	return 4
}

// span is a piece of the file.
type span struct{ off, n int64 }

func (p span) end() int64 { return p.off + p.n }

// contextInput is an input whose reads end with a context.
type contextInput struct {
	format.Input
	ctx context.Context
}

func (c contextInput) ReadAt(b []byte, off int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Input.ReadAt(b, off)
}
