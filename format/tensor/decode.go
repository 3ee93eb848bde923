package tensor

import (
	"encoding/binary"
	"math"
	"slices"
)

// decoder turns bytes of a type into numbers.
type decoder struct {
	t     Type
	big   bool
	table []float64 // of the types of one byte
	swap  []byte
}

func newDecoder(t Type, big bool) *decoder {
	d := &decoder{t: t, big: big && t <= C128 && t.Width() > 1}
	if t >= Bool && t <= C128 && layoutOf(t).size == 1 {
		d.table = make([]float64, 256)
		for i := range d.table {
			d.table[i] = narrow(t, byte(i))
		}
	}
	return d
}

// narrow is the number that a byte is.
func narrow(t Type, b byte) float64 {
	switch t {
	case I8:
		return float64(int8(b))
	case F8E4M3:
		if b&0x7f == 0x7f {
			return math.NaN()
		}
		return minifloat(b, 3, 7)
	case F8E5M2:
		if b&0x7c == 0x7c {
			if b&3 != 0 {
				return math.NaN()
			}
			return math.Inf(1 - 2*int(b>>7))
		}
		return minifloat(b, 2, 15)
	}
	return float64(b)
}

// minifloat is a finite number of eight bits with so many of mantissa and that bias.
func minifloat(b byte, mantissa, bias int) float64 {
	e, m := int(b&0x7f)>>mantissa, float64(int(b)&(1<<mantissa-1))/float64(int(1)<<mantissa)
	x := math.Ldexp(m, 1-bias)
	if e > 0 {
		x = math.Ldexp(1+m, e-bias)
	}
	if b&0x80 != 0 {
		x = -x
	}
	return x
}

// half is the number that 16 bits of IEEE 754 are, as bits of 32.
func half(h uint16) float32 {
	sign, e, m := uint32(h&0x8000)<<16, uint32(h>>10)&31, uint32(h&0x3ff)
	switch e {
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	case 0:
		x := float32(m) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(x))
	}
	return math.Float32frombits(sign | (e+112)<<23 | m<<13)
}

// decode turns whole blocks into numbers: as many as dst holds.
func (d *decoder) decode(dst []float64, b []byte) {
	if d.big {
		b = d.swapped(b)
	}
	le := binary.LittleEndian
	switch d.t {
	case U16:
		for i := range dst {
			dst[i] = float64(le.Uint16(b[2*i:]))
		}
	case I16:
		for i := range dst {
			dst[i] = float64(int16(le.Uint16(b[2*i:])))
		}
	case F16:
		for i := range dst {
			dst[i] = float64(half(le.Uint16(b[2*i:])))
		}
	case BF16:
		for i := range dst {
			dst[i] = float64(math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16))
		}
	case U32:
		for i := range dst {
			dst[i] = float64(le.Uint32(b[4*i:]))
		}
	case I32:
		for i := range dst {
			dst[i] = float64(int32(le.Uint32(b[4*i:])))
		}
	case F32, C64:
		for i := range dst {
			dst[i] = float64(math.Float32frombits(le.Uint32(b[4*i:])))
		}
	case U64:
		for i := range dst {
			dst[i] = float64(le.Uint64(b[8*i:]))
		}
	case I64:
		for i := range dst {
			dst[i] = float64(int64(le.Uint64(b[8*i:])))
		}
	case F64, C128:
		for i := range dst {
			dst[i] = math.Float64frombits(le.Uint64(b[8*i:]))
		}
	default:
		if d.table != nil {
			for i := range dst {
				dst[i] = d.table[b[i]]
			}
			return
		}
		d.blocks(dst, b)
	}
}

// swapped returns the bytes of big-endian numbers the other way round.
func (d *decoder) swapped(b []byte) []byte {
	d.swap = append(d.swap[:0], b...)
	reverse(d.swap, int(d.t.Width()))
	return d.swap
}

// reverse turns the bytes of each number round.
func reverse(b []byte, width int) {
	for ; len(b) >= width; b = b[width:] {
		slices.Reverse(b[:width])
	}
}

// blocks decodes quantised blocks. Their layouts are those of GGUF: a block of 32 has a scale d (F16), and for types
// ending in _1 a least value m (F16); Q4_K and Q6_K are super-blocks of 256 with scales of their own.
func (d *decoder) blocks(dst []float64, b []byte) {
	block, size := d.t.Block()
	for ; len(dst) >= block && len(b) >= size; dst, b = dst[block:], b[size:] {
		x, q := dst[:block], b[:size]
		switch d.t {
		case Q8_0:
			s := halfAt(q)
			for i := range x {
				x[i] = s * float64(int8(q[2+i]))
			}
		case Q4_0:
			nibbles(x, q[2:], nil, halfAt(q), -8*halfAt(q))
		case Q4_1:
			nibbles(x, q[4:], nil, halfAt(q), halfAt(q[2:]))
		case Q5_0:
			nibbles(x, q[6:], q[2:6], halfAt(q), -16*halfAt(q))
		case Q5_1:
			nibbles(x, q[8:], q[4:8], halfAt(q), halfAt(q[2:]))
		case Q4_K:
			q4k(x, q)
		case Q6_K:
			q6k(x, q)
		}
	}
}

func halfAt(b []byte) float64 { return float64(half(binary.LittleEndian.Uint16(b))) }

// nibbles decodes 32 numbers q·scale+least; the first 16 are the low halves of bytes. high holds the fifth bits.
func nibbles(x []float64, q, high []byte, scale, least float64) {
	var fifth uint32
	if high != nil {
		fifth = binary.LittleEndian.Uint32(high)
	}
	for i := range 16 {
		x[i] = float64(uint32(q[i]&15)|(fifth>>i&1)<<4)*scale + least
		x[i+16] = float64(uint32(q[i]>>4)|(fifth>>(i+16)&1)<<4)*scale + least
	}
}

// q4k: d, dmin (F16), 12 bytes of eight 6-bit scales and minima, 128 bytes of nibbles.
func q4k(x []float64, b []byte) {
	d, least, s, q := halfAt(b), halfAt(b[2:]), b[4:16], b[16:]
	for j := range 8 {
		var scale, m byte
		if j < 4 {
			scale, m = s[j]&63, s[j+4]&63
		} else {
			scale, m = s[j+4]&15|s[j-4]>>6<<4, s[j+4]>>4|s[j]>>6<<4
		}
		half := q[j/2*32 : j/2*32+32]
		for i, v := range half {
			if j%2 == 0 {
				v &= 15
			} else {
				v >>= 4
			}
			x[32*j+i] = d*float64(scale)*float64(v) - least*float64(m)
		}
	}
}

// q6k: 128 bytes of low four bits, 64 of high two, 16 signed scales, d (F16).
func q6k(x []float64, b []byte) {
	low, high, scales, d := b[:128], b[128:192], b[192:208], halfAt(b[208:])
	for n := range 2 {
		l, h, s, y := low[64*n:], high[32*n:], scales[8*n:], x[128*n:]
		for i := range 32 {
			for k := range 4 {
				v := l[i+32*(k&1)]
				if k < 2 {
					v &= 15
				} else {
					v >>= 4
				}
				v |= h[i] >> (2 * k) & 3 << 4
				y[i+32*k] = d * float64(int8(s[i/16+2*k])) * float64(int(v)-32)
			}
		}
	}
}
