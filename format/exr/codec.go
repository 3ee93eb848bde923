package exr

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"

	"github.com/klauspost/compress/zlib"

	"varve/format"
)

// decoder decompresses chunks, one after the other, into raw.
type decoder struct {
	raw     []byte
	packed  []byte
	words   []uint16
	inflate io.ReadCloser
	logs    []uint16
	lut     []uint16
	code    huffman
}

// decode decompresses a chunk of an area. raw has the right length.
func (d *decoder) decode(p *part, b []byte, x, y, w, h int) error {
	switch p.compression {
	case 1:
		return d.rle(b)
	case 2, 3:
		return d.zip(b)
	case 4:
		return d.piz(p, b, x, y, w, h)
	case 5:
		return d.pxr24(p, b, x, y, w, h)
	case 6, 7:
		return d.b44(p, b, x, y, w, h)
	case 8, 9:
		return format.Unsupported("compression DWA")
	}
	return format.Unsupported("compression %d", p.compression)
}

// scratch returns a buffer of n bytes.
func (d *decoder) scratch(n int) []byte {
	if cap(d.packed) < n {
		d.packed = make([]byte, n)
	}
	return d.packed[:n]
}

// unzip fills out, or as much of it as there is, and returns how much that is.
func (d *decoder) unzip(b, out []byte) (int, error) {
	r := bytes.NewReader(b)
	if d.inflate == nil {
		z, err := zlib.NewReader(r)
		if err != nil {
			return 0, format.Malformed("zlib: %v", err)
		}
		d.inflate = z
	} else if err := d.inflate.(zlib.Resetter).Reset(r, nil); err != nil {
		return 0, format.Malformed("zlib: %v", err)
	}
	n, err := io.ReadFull(d.inflate, out)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return n, format.Malformed("zlib: %v", err)
	}
	return n, nil
}

func (d *decoder) zip(b []byte) error {
	t := d.scratch(len(d.raw))
	if n, err := d.unzip(b, t); err != nil || n < len(t) {
		if err == nil {
			err = format.Malformed("%d bytes of %d", n, len(t))
		}
		return err
	}
	d.join(t)
	return nil
}

func (d *decoder) rle(b []byte) error {
	t := d.scratch(len(d.raw))
	n := 0
	for len(b) > 1 {
		k := int(int8(b[0]))
		b = b[1:]
		if k < 0 {
			k = -k
			if k > len(b) || k > len(t)-n {
				return format.Malformed("RLE over its end")
			}
			copy(t[n:], b[:k])
			b = b[k:]
		} else {
			k++
			if k > len(t)-n {
				return format.Malformed("RLE over its end")
			}
			for i := range k {
				t[n+i] = b[0]
			}
			b = b[1:]
		}
		n += k
	}
	if n < len(t) {
		return format.Malformed("RLE: %d bytes of %d", n, len(t))
	}
	d.join(t)
	return nil
}

// join undoes what is done before RLE and zip: bytes are differences, those at even places first.
func (d *decoder) join(t []byte) {
	v, out, half := byte(128), d.raw, (len(t)+1)/2
	for i, b := range t[:half] {
		v += b - 128
		out[2*i] = v
	}
	for i, b := range t[half:] {
		v += b - 128
		out[2*i+1] = v
	}
}

// pxr24 decompresses lines of differences in planes of bytes; floats have three.
func (d *decoder) pxr24(p *part, b []byte, x, y, w, h int) error {
	t := d.scratch(len(d.raw))
	have, err := d.unzip(b, t)
	if err != nil {
		return err
	}
	t = t[:have]
	out := d.raw
	for line := y; line < y+h; line++ {
		for i := range p.channels {
			c := &p.channels[i]
			if mod(line, c.ys) != 0 {
				continue
			}
			n := count(x, w, c.xs)
			planes := []int{4, 2, 3}[c.kind]
			if len(t) < n*planes {
				return format.Malformed("PXR24 ends early")
			}
			v := uint32(0)
			for k := range n {
				var diff uint32
				for q := range planes {
					diff = diff<<8 | uint32(t[q*n+k])
				}
				if c.kind == floatType {
					diff <<= 8
				}
				v += diff
				if c.kind == halfType {
					binary.LittleEndian.PutUint16(out[2*k:], uint16(v))
				} else {
					binary.LittleEndian.PutUint32(out[4*k:], v)
				}
			}
			t, out = t[n*planes:], out[n*c.size():]
		}
	}
	return nil
}

func mod(a, n int) int { return ((a % n) + n) % n }

// scatter writes channels that lie one after the other, as words, into lines.
func (d *decoder) scatter(p *part, words []uint16, x, y, w, h int) {
	starts := make([]int, len(p.channels))
	at := 0
	for i := range p.channels {
		c := &p.channels[i]
		starts[i] = at
		at += count(x, w, c.xs) * count(y, h, c.ys) * c.size() / 2
	}
	out := d.raw
	for line := y; line < y+h; line++ {
		for i := range p.channels {
			c := &p.channels[i]
			if mod(line, c.ys) != 0 {
				continue
			}
			n := count(x, w, c.xs) * c.size() / 2
			for k, v := range words[starts[i] : starts[i]+n] {
				binary.LittleEndian.PutUint16(out[2*k:], v)
			}
			starts[i] += n
			out = out[2*n:]
		}
	}
}

// b44 decompresses halves in blocks of 4×4, of 14 bytes or, where all are the same, 3. Other samples are as they are.
func (d *decoder) b44(p *part, b []byte, x, y, w, h int) error {
	d.grow(len(d.raw) / 2)
	words := d.words
	var block [16]uint16
	for i := range p.channels {
		c := &p.channels[i]
		nx, ny := count(x, w, c.xs), count(y, h, c.ys)
		n := nx * ny * c.size() / 2
		if c.kind != halfType {
			if len(b) < 2*n {
				return format.Malformed("B44 ends early")
			}
			for k := range n {
				words[k] = binary.LittleEndian.Uint16(b[2*k:])
			}
			b, words = b[2*n:], words[n:]
			continue
		}
		for by := 0; by < ny; by += 4 {
			for bx := 0; bx < nx; bx += 4 {
				took := unpackB44(b, &block)
				if took == 0 {
					return format.Malformed("B44 ends early")
				}
				b = b[took:]
				for k, v := range block {
					px, py := bx+k%4, by+k/4
					if px < nx && py < ny {
						if c.linear {
							v = d.log(v)
						}
						words[py*nx+px] = v
					}
				}
			}
		}
		words = words[n:]
	}
	d.scatter(p, d.words, x, y, w, h)
	return nil
}

// unpackB44 decodes a block, and returns how many bytes it has; 0 if they are not there.
func unpackB44(b []byte, s *[16]uint16) int {
	if len(b) < 3 {
		return 0
	}
	took := 3
	if b[2] >= 13<<2 {
		for i := range s {
			s[i] = uint16(b[0])<<8 | uint16(b[1])
		}
	} else {
		if len(b) < 14 {
			return 0
		}
		took = 14
		shift := b[2] >> 2
		bias := uint16(0x20) << shift
		// 15 differences of 6 bits, from the last two bits of byte 2 on; down the first column, then to the right.
		bit := 22
		next := func() uint16 {
			v := (uint16(b[bit/8])<<8 | uint16(at(b, bit/8+1))) >> (10 - bit%8) & 0x3f
			bit += 6
			return v << shift
		}
		s[0] = uint16(b[0])<<8 | uint16(b[1])
		for y := 1; y < 4; y++ {
			s[4*y] = s[4*y-4] + next() - bias
		}
		for x := 1; x < 4; x++ {
			for y := range 4 {
				s[4*y+x] = s[4*y+x-1] + next() - bias
			}
		}
	}
	for i, v := range s {
		if v&0x8000 != 0 {
			s[i] = v & 0x7fff
		} else {
			s[i] = ^v
		}
	}
	return took
}

func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// log returns 8·ln of a half, as a half: how B44 keeps channels that are perceptually linear.
func (d *decoder) log(v uint16) uint16 {
	if d.logs == nil {
		d.logs = make([]uint16, 1<<16)
		for i := range d.logs {
			switch f := float64(toFloat(uint16(i))); {
			case f == 0:
				d.logs[i] = 0xfbff // the lowest
			case f > 0 && !math.IsInf(f, 0):
				d.logs[i] = toHalf(float32(8 * math.Log(f)))
			}
		}
	}
	return d.logs[v]
}

func (d *decoder) grow(n int) {
	if cap(d.words) < n {
		d.words = make([]uint16, n)
	}
	d.words = d.words[:n]
}

// toFloat returns the float that is a half.
func toFloat(v uint16) float32 {
	sign, e, m := uint32(v>>15)<<31, uint32(v>>10)&31, uint32(v)&1023
	switch e {
	case 0:
		f := float32(m) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (e+112)<<23 | m<<13)
}

// toHalf returns the half that is nearest to a float, to even.
func toHalf(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00
	case b >= 0x47800000 || b >= 0x477ff000: // from 65520 on
		return sign | 0x7c00
	case b < 0x38800000: // less than the least normal one
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(b))*(1<<24)))
	}
	b -= 0x38000000
	return sign | uint16((b+0xfff+b>>13&1)>>13)
}
