package seal

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// DifferenceHead is how many bytes a difference is longer than its chunk.
const DifferenceHead = 4

// Difference appends to dst how plain differs, element by element of width bytes, from base: Sum makes plain
// of that and base. It is len(plain) + DifferenceHead bytes, nothing is gained yet: that is for codec Subtract.
// It is ErrUnsupported unless width is 2 or 4, both are of one length, that is a multiple of width, and of
// at most MaxBlock bytes.
func Difference(dst, plain, base []byte, width int) ([]byte, error) {
	if width != 2 && width != 4 || len(plain) != len(base) || len(plain)%width != 0 || len(plain) > MaxBlock {
		return dst, fmt.Errorf("subtract %d from %d bytes by %d: %w", len(base), len(plain), width, ErrUnsupported)
	}
	dst = append(dst, byte(width), 0, 0, 0)
	start := len(dst)
	dst = slices.Grow(dst, len(plain))[:start+len(plain)]
	lanesOf(width).subtract(dst[start:], plain, base)
	return dst, nil
}

// Sum appends to dst the plain bytes of a difference from base. It is ErrDamaged if diff is not one from a
// base of that length.
func Sum(dst, diff, base []byte) ([]byte, error) {
	if len(diff) < DifferenceHead || len(diff)-DifferenceHead != len(base) || len(base) > MaxBlock {
		return dst, fmt.Errorf("add a difference of %d bytes to %d: %w", len(diff), len(base), ErrDamaged)
	}
	width := int(diff[0])
	if width != 2 && width != 4 || diff[1]|diff[2]|diff[3] != 0 || len(base)%width != 0 {
		return dst, fmt.Errorf("add a difference of width %d to %d bytes: %w", width, len(base), ErrDamaged)
	}
	start := len(dst)
	dst = slices.Grow(dst, len(base))[:start+len(base)]
	lanesOf(width).add(dst[start:], diff[DifferenceHead:], base)
	return dst, nil
}

// lanes reckons with all the elements of a 64-bit word at once. Elements wrap around and never carry over.
type lanes struct {
	ones uint64 // the lowest bit of each element
	all  uint64 // the bits of one element
	sign uint8  // the number of an element's highest bit
}

func lanesOf(width int) lanes {
	if width == 2 {
		return lanes{0x0001000100010001, 1<<16 - 1, 15}
	}
	return lanes{0x0000000100000001, 1<<32 - 1, 31}
}

// subtract fills out with the zig-zag of plain − base; all have one length.
func (l lanes) subtract(out, plain, base []byte) {
	i := 0
	for ; i+16 <= len(out); i += 16 {
		o, p, b := (*[16]byte)(out[i:]), (*[16]byte)(plain[i:]), (*[16]byte)(base[i:])
		binary.LittleEndian.PutUint64(o[:], l.difference(binary.LittleEndian.Uint64(p[:]), binary.LittleEndian.Uint64(b[:])))
		binary.LittleEndian.PutUint64(o[8:], l.difference(binary.LittleEndian.Uint64(p[8:]), binary.LittleEndian.Uint64(b[8:])))
	}
	for ; i < len(out); i += 8 {
		var o, p, b [8]byte
		copy(p[:], plain[i:])
		copy(b[:], base[i:])
		binary.LittleEndian.PutUint64(o[:], l.difference(binary.LittleEndian.Uint64(p[:]), binary.LittleEndian.Uint64(b[:])))
		copy(out[i:], o[:])
	}
}

// add fills out with base and the steps that in has as zig-zag; all have one length.
func (l lanes) add(out, in, base []byte) {
	i := 0
	for ; i+16 <= len(out); i += 16 {
		o, d, b := (*[16]byte)(out[i:]), (*[16]byte)(in[i:]), (*[16]byte)(base[i:])
		binary.LittleEndian.PutUint64(o[:], l.sum(binary.LittleEndian.Uint64(d[:]), binary.LittleEndian.Uint64(b[:])))
		binary.LittleEndian.PutUint64(o[8:], l.sum(binary.LittleEndian.Uint64(d[8:]), binary.LittleEndian.Uint64(b[8:])))
	}
	for ; i < len(out); i += 8 {
		var o, d, b [8]byte
		copy(d[:], in[i:])
		copy(b[:], base[i:])
		binary.LittleEndian.PutUint64(o[:], l.sum(binary.LittleEndian.Uint64(d[:]), binary.LittleEndian.Uint64(b[:])))
		copy(out[i:], o[:])
	}
}

// difference returns the zig-zag of x − y.
func (l lanes) difference(x, y uint64) uint64 {
	high := l.ones << l.sign
	d := ((x | high) - (y &^ high)) ^ ((x ^ ^y) & high)
	return (d&^high)<<1 ^ (d>>l.sign&l.ones)*l.all
}

// sum returns y plus the step whose zig-zag is z.
func (l lanes) sum(z, y uint64) uint64 {
	high := l.ones << l.sign
	x := (z >> 1 &^ high) ^ (z&l.ones)*l.all
	return ((x &^ high) + (y &^ high)) ^ ((x ^ y) & high)
}

const (
	paysPieces = 4
	paysPiece  = 4 << 10
)

// DifferencePays reports whether the difference of plain from base, elements of width bytes, would likely be
// stored in less than 85 % of what plain takes by itself, judged by the bytes' entropy in a sample of 16 KiB.
// It is false where there can be no Difference.
func DifferencePays(plain, base []byte, width int) bool {
	if width != 2 && width != 4 || len(plain) != len(base) || len(plain)%width != 0 || len(plain) > MaxBlock || len(plain) == 0 {
		return false
	}
	var whole, diff [4][256]uint32
	var steps [paysPiece]byte
	size := min(paysPiece, len(plain)/paysPieces) / width * width
	for i := range paysPieces {
		at := (len(plain) - size) / (paysPieces - 1) * i / width * width
		lanesOf(width).subtract(steps[:size], plain[at:at+size], base[at:at+size])
		countPlanes(&whole, plain[at:at+size])
		countPlanes(&diff, steps[:size])
	}
	was, is := uint64(0), uint64(0)
	for p := range 4 {
		was += bitsOf(&whole[p])
		is += bitsOf(&diff[p])
	}
	return is*100 < was*85
}

// countPlanes counts the bytes at every fourth place of b, from each of the first four.
func countPlanes(hist *[4][256]uint32, b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		hist[0][b[0]]++
		hist[1][b[1]]++
		hist[2][b[2]]++
		hist[3][b[3]]++
	}
}

// bitsOf returns how many bits, in 1/256, an ideal code takes for what was counted: order-0 entropy, to a few
// per cent. It is good for counts up to 1<<16 in all.
func bitsOf(hist *[256]uint32) uint64 {
	total, sum := uint64(0), uint64(0)
	for _, n := range hist {
		if n > 0 {
			total += uint64(n)
			sum += uint64(n) * log2(uint64(n))
		}
	}
	if total == 0 {
		return 0
	}
	return total*log2(total) - sum
}

// log2 returns the binary logarithm of n > 0 in 1/256, straight between the powers of two and lifted there by
// what such a line is too low on the mean.
func log2(n uint64) uint64 {
	k := bits.Len64(n) - 1
	rest := n<<8>>k - 256
	return uint64(k)<<8 + rest + rest*(256-rest)*88>>16
}
