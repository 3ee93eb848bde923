package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

const (
	// DifferenceHead is how many bytes a difference is longer than its chunk.
	DifferenceHead = 4

	differenceOrdered = 0x10

	equalPiece = 512 // bytes
)

// Difference appends to dst how plain differs, element by element of width bytes, from base: Sum makes plain
// of that and base. It is len(plain) + DifferenceHead bytes, nothing is gained yet: that is for codec Subtract.
// It is ErrUnsupported unless width is 2 or 4, both are of one length, that is a multiple of width, and of
// at most MaxBlock bytes.
func Difference(dst, plain, base []byte, width int) ([]byte, error) {
	if width != 2 && width != 4 || len(plain) != len(base) || len(plain)%width != 0 || len(plain) > MaxBlock {
		return dst, fmt.Errorf("subtract %d from %d bytes by %d: %w", len(base), len(plain), width, ErrUnsupported)
	}
	mode := byte(width)
	// Where much is as it was, and stands together, its order is worth more than that of the base.
	if equalPieces(plain, base)*8 < len(plain)/equalPiece {
		mode |= differenceOrdered
	}
	dst = append(dst, mode, 0, 0, 0)
	start := len(dst)
	dst = slices.Grow(dst, len(plain))[:start+len(plain)]
	out := dst[start:]
	switch mode {
	case 2:
		for i := 0; i+2 <= len(out); i += 2 {
			binary.LittleEndian.PutUint16(out[i:], zig16(binary.LittleEndian.Uint16(plain[i:])-binary.LittleEndian.Uint16(base[i:])))
		}
	case 4:
		for i := 0; i+4 <= len(out); i += 4 {
			binary.LittleEndian.PutUint32(out[i:], zig32(binary.LittleEndian.Uint32(plain[i:])-binary.LittleEndian.Uint32(base[i:])))
		}
	case 2 | differenceOrdered:
		next := starts16(base)
		for i := 0; i+2 <= len(out) && i+2 <= len(base) && i+2 <= len(plain); i += 2 {
			b := binary.LittleEndian.Uint16(base[i:])
			at := &next[uint8(b>>7)]
			binary.LittleEndian.PutUint16(out[*at:], zig16(binary.LittleEndian.Uint16(plain[i:])-b))
			*at += 2
		}
	case 4 | differenceOrdered:
		next := starts32(base)
		for i := 0; i+4 <= len(out) && i+4 <= len(base) && i+4 <= len(plain); i += 4 {
			b := binary.LittleEndian.Uint32(base[i:])
			at := &next[uint8(b>>23)]
			binary.LittleEndian.PutUint32(out[*at:], zig32(binary.LittleEndian.Uint32(plain[i:])-b))
			*at += 4
		}
	}
	return dst, nil
}

// Sum appends to dst the plain bytes of a difference from base. It is ErrDamaged if diff is not one from a
// base of that length.
func Sum(dst, diff, base []byte) ([]byte, error) {
	if len(diff) < DifferenceHead || len(diff)-DifferenceHead != len(base) || len(base) > MaxBlock || diff[1]|diff[2]|diff[3] != 0 {
		return dst, fmt.Errorf("add a difference of %d bytes to %d: %w", len(diff), len(base), ErrDamaged)
	}
	mode, in := diff[0], diff[DifferenceHead:]
	width := int(mode &^ differenceOrdered)
	if width != 2 && width != 4 || len(base)%width != 0 {
		return dst, fmt.Errorf("add a difference of mode %#x to %d bytes: %w", mode, len(base), ErrDamaged)
	}
	start := len(dst)
	dst = slices.Grow(dst, len(base))[:start+len(base)]
	out := dst[start:]
	switch mode {
	case 2:
		for i := 0; i+2 <= len(out); i += 2 {
			binary.LittleEndian.PutUint16(out[i:], binary.LittleEndian.Uint16(base[i:])+zag16(binary.LittleEndian.Uint16(in[i:])))
		}
	case 4:
		for i := 0; i+4 <= len(out); i += 4 {
			binary.LittleEndian.PutUint32(out[i:], binary.LittleEndian.Uint32(base[i:])+zag32(binary.LittleEndian.Uint32(in[i:])))
		}
	case 2 | differenceOrdered:
		next := starts16(base)
		for i := 0; i+2 <= len(out) && i+2 <= len(base); i += 2 {
			b := binary.LittleEndian.Uint16(base[i:])
			at := &next[uint8(b>>7)]
			binary.LittleEndian.PutUint16(out[i:], b+zag16(binary.LittleEndian.Uint16(in[*at:])))
			*at += 2
		}
	case 4 | differenceOrdered:
		next := starts32(base)
		for i := 0; i+4 <= len(out) && i+4 <= len(base); i += 4 {
			b := binary.LittleEndian.Uint32(base[i:])
			at := &next[uint8(b>>23)]
			binary.LittleEndian.PutUint32(out[i:], b+zag32(binary.LittleEndian.Uint32(in[*at:])))
			*at += 4
		}
	}
	return dst, nil
}

func zig16(x uint16) uint16 { return x<<1 ^ uint16(int16(x)>>15) }
func zag16(x uint16) uint16 { return x>>1 ^ -(x & 1) }
func zig32(x uint32) uint32 { return x<<1 ^ uint32(int32(x)>>31) }
func zag32(x uint32) uint32 { return x>>1 ^ -(x & 1) }

// starts16 returns, for each value of the 8 bits below the sign, where the first element whose base has it
// goes, in bytes.
func starts16(base []byte) [256]uint32 {
	var a, b [256]uint32 // two, so that equal neighbours do not wait for each other
	i := 0
	for ; i+4 <= len(base); i += 4 {
		x := binary.LittleEndian.Uint32(base[i:])
		a[uint8(x>>7)] += 2
		b[uint8(x>>23)] += 2
	}
	for ; i+2 <= len(base); i += 2 {
		a[uint8(binary.LittleEndian.Uint16(base[i:])>>7)] += 2
	}
	return sums(&a, &b)
}

// starts32 is starts16 for elements of 4 bytes.
func starts32(base []byte) [256]uint32 {
	var a, b [256]uint32
	i := 0
	for ; i+8 <= len(base); i += 8 {
		x := binary.LittleEndian.Uint64(base[i:])
		a[uint8(x>>23)] += 4
		b[uint8(x>>55)] += 4
	}
	for ; i+4 <= len(base); i += 4 {
		a[uint8(binary.LittleEndian.Uint32(base[i:])>>23)] += 4
	}
	return sums(&a, &b)
}

// sums returns the sum of all a and b before each.
func sums(a, b *[256]uint32) (out [256]uint32) {
	at := uint32(0)
	for k := range out {
		out[k] = at
		at += a[k] + b[k]
	}
	return out
}

// equalPieces counts the pieces of equalPiece bytes that are equal in both, which are of one length.
func equalPieces(a, b []byte) int {
	n := 0
	for len(a) >= equalPiece {
		if bytes.Equal(a[:equalPiece], b[:equalPiece]) {
			n++
		}
		a, b = a[equalPiece:], b[equalPiece:]
	}
	return n
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
	for i := range paysPieces {
		size := min(paysPiece, len(plain)/paysPieces)
		at := (len(plain) - size) / (paysPieces - 1) * i / width * width
		a, b := plain[at:at+size], base[at:at+size]
		for j := 0; j+width <= size; j += width {
			var x, y, z uint32
			if width == 2 {
				x, y = uint32(binary.LittleEndian.Uint16(a[j:])), uint32(binary.LittleEndian.Uint16(b[j:]))
				z = uint32(zig16(uint16(x - y)))
			} else {
				x, y = binary.LittleEndian.Uint32(a[j:]), binary.LittleEndian.Uint32(b[j:])
				z = zig32(x - y)
			}
			for p := range width {
				whole[p][uint8(x>>(8*p))]++
				diff[p][uint8(z>>(8*p))]++
			}
		}
	}
	was, is := 0.0, 0.0
	for p := range width {
		was += entropy(&whole[p])
		is += entropy(&diff[p])
	}
	return is < was*0.85
}

// entropy returns the order-0 entropy of what was counted, in bits altogether.
func entropy(hist *[256]uint32) float64 {
	total, sum := 0.0, 0.0
	for _, n := range hist {
		if n > 0 {
			total += float64(n)
			sum += float64(n) * math.Log2(float64(n))
		}
	}
	if total == 0 {
		return 0
	}
	return total*math.Log2(total) - sum
}
