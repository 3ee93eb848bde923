package tree

import (
	"encoding/binary"
	"math/bits"

	"varve/internal/digest"
)

// reader takes fields off the front of bytes from outside. The first fault sticks in why; fields
// after it are zero.
type reader struct {
	b   []byte
	off int
	why string
}

func (r *reader) fail(why string) {
	if r.why == "" {
		r.why = why
	}
	r.off = len(r.b)
}

func (r *reader) err() error {
	if r.why == "" {
		return nil
	}
	return corrupt(r.why)
}

func (r *reader) more() bool { return r.off < len(r.b) }

func (r *reader) u8() byte {
	if r.off >= len(r.b) {
		r.fail("cut short")
		return 0
	}
	c := r.b[r.off]
	r.off++
	return c
}

func (r *reader) uvarint() uint64 {
	if r.off < len(r.b) && r.b[r.off] < 0x80 {
		r.off++
		return uint64(r.b[r.off-1])
	}
	x, n := binary.Uvarint(r.b[r.off:])
	if n <= 0 {
		r.fail("bad number")
		return 0
	}
	if n != uvarintLen(x) {
		r.fail("number longer than needed")
		return 0
	}
	r.off += n
	return x
}

// upto is a uvarint of at most limit.
func (r *reader) upto(limit uint64, why string) uint64 {
	x := r.uvarint()
	if x > limit {
		r.fail(why)
		return 0
	}
	return x
}

func (r *reader) svarint() int64 {
	x := r.uvarint()
	return int64(x>>1) ^ -int64(x&1)
}

// take returns the next n bytes, in place.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b)-r.off {
		r.fail("cut short")
		return nil
	}
	s := r.b[r.off : r.off+n : r.off+n]
	r.off += n
	return s
}

// str returns the bytes of a str of at most limit bytes, in place.
func (r *reader) str(limit int, why string) []byte {
	return r.take(int(r.upto(uint64(limit), why)))
}

func (r *reader) digest() (d digest.Digest) {
	copy(d[:], r.take(digest.Size))
	return d
}

func uvarintLen(x uint64) int { return (bits.Len64(x|1) + 6) / 7 }

func appendSvarint(dst []byte, x int64) []byte {
	return binary.AppendUvarint(dst, uint64(x<<1)^uint64(x>>63))
}

// nameMark is the mark of a name or literal: FNV-1a, whose low entropy in the high bits fmix64 spreads.
func nameMark[T string | []byte](s T) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func digestMark(d *digest.Digest) uint64 { return binary.LittleEndian.Uint64(d[:]) }
