package seal

import (
	"bytes"
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
	subtract(dst[start:], plain, base, width)
	return dst, nil
}

// Sum appends to dst the plain bytes of a difference from base. It is ErrDamaged if diff is not one from a
// base of that length.
func Sum(dst, diff, base []byte) ([]byte, error) {
	width, err := differenceOf(diff, base)
	if err != nil {
		return dst, err
	}
	start := len(dst)
	dst = slices.Grow(dst, len(base))[:start+len(base)]
	add(dst[start:], diff[DifferenceHead:], base, width)
	return dst, nil
}

// differenceOf returns the width of a difference from base, or that it is none.
func differenceOf(diff, base []byte) (int, error) {
	if len(diff) < DifferenceHead || len(diff)-DifferenceHead != len(base) || len(base) > MaxBlock {
		return 0, fmt.Errorf("add a difference of %d bytes to %d: %w", len(diff), len(base), ErrDamaged)
	}
	width := int(diff[0])
	if width != 2 && width != 4 || diff[1]|diff[2]|diff[3] != 0 || len(base)%width != 0 {
		return 0, fmt.Errorf("add a difference of width %d to %d bytes: %w", width, len(base), ErrDamaged)
	}
	return width, nil
}

// In one 64-bit word all elements are reckoned with at once: they wrap around and never carry over. Of width 2 and 4:
// the lowest bit of each element, the highest bit of each, the bits of one.
const (
	ones2, high2, all2 = 0x0001000100010001, 0x8000800080008000, 1<<16 - 1
	ones4, high4, all4 = 0x0000000100000001, 0x8000000080000000, 1<<32 - 1
)

// difference2 returns the zig-zag of x − y, element by element. With constants each step is one instruction.
func difference2(x, y uint64) uint64 {
	d := ((x | high2) - (y &^ high2)) ^ ((x ^ ^y) & high2)
	return (d&^high2)<<1 ^ (d>>15&ones2)*all2
}

func difference4(x, y uint64) uint64 {
	d := ((x | high4) - (y &^ high4)) ^ ((x ^ ^y) & high4)
	return (d&^high4)<<1 ^ (d>>31&ones4)*all4
}

// sum2 returns y plus the steps whose zig-zag is z.
func sum2(z, y uint64) uint64 {
	x := (z >> 1 &^ high2) ^ (z&ones2)*all2
	return ((x &^ high2) + (y &^ high2)) ^ ((x ^ y) & high2)
}

func sum4(z, y uint64) uint64 {
	x := (z >> 1 &^ high4) ^ (z&ones4)*all4
	return ((x &^ high4) + (y &^ high4)) ^ ((x ^ y) & high4)
}

// subtract fills out with the zig-zag of plain − base, elements of width bytes; all have one length.
func subtract(out, plain, base []byte, width int) {
	n := len(out) &^ 15
	le := binary.LittleEndian
	if width == 2 {
		for i := 0; i < n; i += 16 {
			o, p, b := (*[16]byte)(out[i:]), (*[16]byte)(plain[i:]), (*[16]byte)(base[i:])
			le.PutUint64(o[:], difference2(le.Uint64(p[:]), le.Uint64(b[:])))
			le.PutUint64(o[8:], difference2(le.Uint64(p[8:]), le.Uint64(b[8:])))
		}
	} else {
		for i := 0; i < n; i += 16 {
			o, p, b := (*[16]byte)(out[i:]), (*[16]byte)(plain[i:]), (*[16]byte)(base[i:])
			le.PutUint64(o[:], difference4(le.Uint64(p[:]), le.Uint64(b[:])))
			le.PutUint64(o[8:], difference4(le.Uint64(p[8:]), le.Uint64(b[8:])))
		}
	}
	rest(out[n:], plain[n:], base[n:], width, difference2, difference4)
}

// add fills out with base and the steps that in has as zig-zag, elements of width bytes; all have one length.
func add(out, in, base []byte, width int) {
	n := len(out) &^ 15
	le := binary.LittleEndian
	if width == 2 {
		for i := 0; i < n; i += 16 {
			o, d, b := (*[16]byte)(out[i:]), (*[16]byte)(in[i:]), (*[16]byte)(base[i:])
			le.PutUint64(o[:], sum2(le.Uint64(d[:]), le.Uint64(b[:])))
			le.PutUint64(o[8:], sum2(le.Uint64(d[8:]), le.Uint64(b[8:])))
		}
	} else {
		for i := 0; i < n; i += 16 {
			o, d, b := (*[16]byte)(out[i:]), (*[16]byte)(in[i:]), (*[16]byte)(base[i:])
			le.PutUint64(o[:], sum4(le.Uint64(d[:]), le.Uint64(b[:])))
			le.PutUint64(o[8:], sum4(le.Uint64(d[8:]), le.Uint64(b[8:])))
		}
	}
	rest(out[n:], in[n:], base[n:], width, sum2, sum4)
}

// rest reckons with the last bytes, less than 16.
func rest(out, x, y []byte, width int, by2, by4 func(x, y uint64) uint64) {
	for i := 0; i < len(out); i += 8 {
		var o, a, b [8]byte
		copy(a[:], x[i:])
		copy(b[:], y[i:])
		if width == 2 {
			binary.LittleEndian.PutUint64(o[:], by2(binary.LittleEndian.Uint64(a[:]), binary.LittleEndian.Uint64(b[:])))
		} else {
			binary.LittleEndian.PutUint64(o[:], by4(binary.LittleEndian.Uint64(a[:]), binary.LittleEndian.Uint64(b[:])))
		}
		copy(out[i:], o[:])
	}
}

// Sums reports whether Sum of diff and base is plain, and makes no copy of it.
func Sums(diff, base, plain []byte) bool {
	width, err := differenceOf(diff, base)
	if err != nil || len(plain) != len(base) {
		return false
	}
	diff = diff[DifferenceHead:]
	n := len(plain) &^ 15
	le := binary.LittleEndian
	wrong := uint64(0)
	if width == 2 {
		for i := 0; i < n; i += 16 {
			d, b, p := (*[16]byte)(diff[i:]), (*[16]byte)(base[i:]), (*[16]byte)(plain[i:])
			wrong |= sum2(le.Uint64(d[:]), le.Uint64(b[:])) ^ le.Uint64(p[:])
			wrong |= sum2(le.Uint64(d[8:]), le.Uint64(b[8:])) ^ le.Uint64(p[8:])
		}
	} else {
		for i := 0; i < n; i += 16 {
			d, b, p := (*[16]byte)(diff[i:]), (*[16]byte)(base[i:]), (*[16]byte)(plain[i:])
			wrong |= sum4(le.Uint64(d[:]), le.Uint64(b[:])) ^ le.Uint64(p[:])
			wrong |= sum4(le.Uint64(d[8:]), le.Uint64(b[8:])) ^ le.Uint64(p[8:])
		}
	}
	var last [16]byte
	rest(last[:len(plain)-n], diff[n:], base[n:], width, sum2, sum4)
	return wrong == 0 && bytes.Equal(last[:len(plain)-n], plain[n:])
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
		subtract(steps[:size], plain[at:at+size], base[at:at+size], width)
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
