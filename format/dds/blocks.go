package dds

import (
	"context"
	"encoding/binary"

	"varve/format/raster"
)

// blocks decodes a surface of blocks; what of the last ones is beyond the surface is left out.
func (l *layout) blocks(ctx context.Context, img *raster.Image, b []byte) error {
	n := img.Channels()
	var six *bc6h
	var parts *partitions
	switch l.name {
	case "BC6H":
		six = newBC6H(l.signed)
	case "BC7":
		parts = newPartitions()
	}
	var px [16][4]uint8
	var fl [16][3]float32
	for by := 0; by < img.Height; by += 4 {
		if err := ctx.Err(); err != nil {
			return err
		}
		for bx := 0; bx < img.Width; bx += 4 {
			block := b[:l.block]
			b = b[l.block:]
			if six != nil {
				six.decode(block, &fl)
			} else {
				l.decode(parts, block, &px)
			}
			for i := range 16 {
				x, y := bx+i%4, by+i/4
				if x >= img.Width || y >= img.Height {
					continue
				}
				at := (y*img.Width + x) * n
				if six != nil {
					copy(img.F32[at:at+3], fl[i][:])
				} else {
					copy(img.U8[at:at+n], px[i][:])
				}
			}
		}
	}
	return nil
}

// decode decodes a block of whole numbers.
func (l *layout) decode(parts *partitions, b []byte, px *[16][4]uint8) {
	switch l.name {
	case "BC1":
		colours(b, px, true)
	case "BC2":
		colours(b[8:], px, false)
		v := binary.LittleEndian.Uint64(b)
		for i := range px {
			px[i][3] = uint8(v>>(4*i)&15) * 17
		}
	case "BC3":
		colours(b[8:], px, false)
		ramp(b, px, 3, false)
	case "BC4":
		ramp(b, px, 0, l.signed)
	case "BC5":
		ramp(b, px, 0, l.signed)
		ramp(b[8:], px, 1, l.signed)
		for i := range px {
			px[i][2] = 0
		}
	case "BC7":
		parts.bc7(b, px)
	}
}

// colours decodes a block of BC1: two colours of 5, 6 and 5 bits, and for each pixel which of them or between them. With
// three colours the fourth is transparent black.
func colours(b []byte, px *[16][4]uint8, three bool) {
	a, c := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
	var p [4][4]uint8
	p[0], p[1] = colour565(a), colour565(c)
	for k := range 3 {
		u, v := int(p[0][k]), int(p[1][k])
		if three && a <= c {
			p[2][k] = uint8((u + v + 1) / 2)
		} else {
			p[2][k], p[3][k] = uint8((2*u+v+1)/3), uint8((u+2*v+1)/3)
		}
	}
	p[2][3], p[3][3] = 255, 255
	if three && a <= c {
		p[3][3] = 0
	}
	v := binary.LittleEndian.Uint32(b[4:])
	for i := range px {
		px[i] = p[v>>(2*i)&3]
	}
}

func colour565(v uint16) [4]uint8 {
	r, g, b := v>>11, v>>5&63, v&31
	return [4]uint8{uint8(r<<3 | r>>2), uint8(g<<2 | g>>4), uint8(b<<3 | b>>2), 255}
}

// ramp decodes a block of BC4 into a channel: two ends, and for each pixel one of eight between them, or of six and the
// least and most. Signed numbers are kept with 0 at 128.
func ramp(b []byte, px *[16][4]uint8, channel int, signed bool) {
	var p [8]int
	least, most, bias := 0, 255, 0
	p[0], p[1] = int(b[0]), int(b[1])
	if signed {
		least, most, bias = -127, 127, 128
		p[0], p[1] = max(int(int8(b[0])), least), max(int(int8(b[1])), least)
	}
	if p[0] > p[1] {
		for i := range 6 {
			p[2+i] = nearest((6-i)*p[0]+(1+i)*p[1], 7)
		}
	} else {
		for i := range 4 {
			p[2+i] = nearest((4-i)*p[0]+(1+i)*p[1], 5)
		}
		p[6], p[7] = least, most
	}
	var v uint64
	for i := range 6 {
		v |= uint64(b[2+i]) << (8 * i)
	}
	for i := range px {
		px[i][channel] = uint8(p[v>>(3*i)&7] + bias)
	}
}

// nearest is a/n, n odd, rounded.
func nearest(a, n int) int {
	if a < 0 {
		return -((-a + n/2) / n)
	}
	return (a + n/2) / n
}

// bitReader reads numbers of a block of 16 bytes, from the lowest bit.
type bitReader struct{ low, high uint64 }

func newBitReader(b []byte) bitReader {
	return bitReader{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// take returns the next n bits, at most 16.
func (r *bitReader) take(n int) int {
	v := r.low & (1<<n - 1)
	r.low = r.low>>n | r.high<<(64-n)
	r.high >>= n
	return int(v)
}

// weight of the second end, of 64, for an index of so many bits.
func weight(index, bits int) int {
	switch bits {
	case 2:
		return int("\x00\x15\x2b\x40"[index])
	case 3:
		return int("\x00\x09\x12\x1b\x25\x2e\x37\x40"[index])
	}
	return int("\x00\x04\x09\x0d\x11\x15\x1a\x1e\x22\x26\x2b\x2f\x33\x37\x3c\x40"[index])
}
