package tensor

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// TestBlocks: numbers are put into blocks as the quantisers of GGML pack them, and come out as scale × code.
func TestBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	half := func(b []byte, at int, bits uint16) { binary.LittleEndian.PutUint16(b[at:], bits) }
	const d, m = 0x2e66, 0xb266 // 0.09998 and -0.19995
	scale, least := 0.0999755859375, -0.199951171875
	codes := func(n, top int) []int {
		x := make([]int, n)
		for i := range x {
			x[i] = r.IntN(top)
		}
		return x
	}
	for range 100 {
		for typ, of := range map[Type]func() ([]byte, []float64){
			Q8_0: func() ([]byte, []float64) {
				b, x := make([]byte, 34), make([]float64, 32)
				half(b, 0, d)
				for i, c := range codes(32, 256) {
					b[2+i], x[i] = byte(c-128), scale*float64(c-128)
				}
				return b, x
			},
			Q4_0: func() ([]byte, []float64) { return packed32(codes(32, 16), 18, false, d, 0, scale, -8*scale) },
			Q4_1: func() ([]byte, []float64) { return packed32(codes(32, 16), 20, true, d, m, scale, least) },
			Q5_0: func() ([]byte, []float64) { return packed32(codes(32, 32), 22, false, d, 0, scale, -16*scale) },
			Q5_1: func() ([]byte, []float64) { return packed32(codes(32, 32), 24, true, d, m, scale, least) },
			Q4_K: func() ([]byte, []float64) {
				b, x := make([]byte, 144), make([]float64, 256)
				half(b, 0, d)
				half(b, 2, m)
				s, n := codes(8, 64), codes(8, 64)
				for j := range 4 { // the low four whole; of the high four the low bits in the last bytes, the high ones above the others
					b[4+j] = byte(s[j] | s[j+4]>>4<<6)
					b[8+j] = byte(n[j] | n[j+4]>>4<<6)
					b[12+j] = byte(s[j+4]&15 | n[j+4]&15<<4)
				}
				for i, c := range codes(256, 16) {
					b[16+i/64*32+i%32] |= byte(c << (i / 32 % 2 * 4))
					x[i] = scale*float64(s[i/32]*c) - least*float64(n[i/32])
				}
				return b, x
			},
			Q6_K: func() ([]byte, []float64) {
				b, x := make([]byte, 210), make([]float64, 256)
				half(b, 208, d)
				s := codes(16, 256)
				for i, c := range s {
					b[192+i] = byte(c - 128)
				}
				for i, c := range codes(256, 64) {
					part, l := i%128/32, i%32
					b[i/128*64+part%2*32+l] |= byte(c & 15 << (part / 2 * 4))
					b[128+i/128*32+l] |= byte(c >> 4 << (2 * part))
					x[i] = scale * float64(s[i/16]-128) * float64(c-32)
				}
				return b, x
			},
		} {
			b, want := of()
			if _, size := typ.Block(); size != len(b) {
				t.Fatalf("%s: blocks of %d bytes", typ, size)
			}
			got := make([]float64, len(want))
			newDecoder(typ, false).decode(got, b)
			for i := range want {
				if math.Abs(got[i]-want[i]) > 1e-12*(1+math.Abs(want[i])) {
					t.Fatalf("%s, number %d: %v, want %v", typ, i, got[i], want[i])
				}
			}
		}
	}
}

// packed32 packs 32 codes: the low four bits of the first half in the low halves of bytes, fifth bits in four bytes.
func packed32(codes []int, size int, offset bool, d, m uint16, scale, least float64) ([]byte, []float64) {
	b, x := make([]byte, size), make([]float64, 32)
	binary.LittleEndian.PutUint16(b, d)
	if offset {
		binary.LittleEndian.PutUint16(b[2:], m)
	}
	q := b[size-16:]
	for i, c := range codes {
		q[i%16] |= byte(c & 15 << (i / 16 * 4))
		if c > 15 {
			b[size-20+i/8] |= 1 << (i % 8)
		}
		x[i] = scale*float64(c) + least
	}
	return b, x
}

// TestSmallFloats: all halves against their meaning, and the values of eight-bit floats that their definition names.
func TestSmallFloats(t *testing.T) {
	for i := range 1 << 16 {
		e, m := i>>10&31, i&0x3ff
		want := math.Ldexp(float64(m), -24)
		if e > 0 {
			want = math.Ldexp(1024+float64(m), e-25)
		}
		if i >= 1<<15 {
			want = -want
		}
		if got := float64(half(uint16(i))); e < 31 && got != want || e == 31 && m == 0 && !math.IsInf(got, 0) || e == 31 && m > 0 && got == got {
			t.Fatalf("half %#x: %v, want %v", i, got, want)
		}
	}
	for _, v := range []struct {
		t    Type
		b    byte
		want float64
	}{{F8E4M3, 0x7e, 448}, {F8E4M3, 0x08, 0x1p-6}, {F8E4M3, 0x01, 0x1p-9}, {F8E4M3, 0xb8, -1}, {F8E4M3, 0x7f, math.NaN()},
		{F8E5M2, 0x7b, 57344}, {F8E5M2, 0x04, 0x1p-14}, {F8E5M2, 0x01, 0x1p-16}, {F8E5M2, 0xfc, math.Inf(-1)}, {F8E5M2, 0x7d, math.NaN()}} {
		if got := narrow(v.t, v.b); got != v.want && (got == got || v.want == v.want) {
			t.Errorf("%s %#x: %v, want %v", v.t, v.b, got, v.want)
		}
	}
}
