package png

import (
	"encoding/binary"

	"varve/format"
)

// unfilter undoes the filter of a row, whose pixels take bpp bytes; prior is the row above, of zeros at the top.
func unfilter(kind byte, row, prior []byte, bpp int) error {
	prior = prior[:len(row)]
	switch kind {
	case 0:
	case 1:
		left(row, bpp)
	case 2:
		up(row, prior)
	case 3:
		average(row, prior, bpp)
	case 4:
		paeth(row, prior, bpp)
	default:
		return format.Malformed("a row has filter %d", kind)
	}
	return nil
}

// left adds the pixel before; of three bytes in registers, for what was stored is not read at once.
func left(row []byte, bpp int) {
	if bpp == 3 {
		var a, b, c byte
		for ; len(row) >= 3; row = row[3:] {
			p := row[:3:3]
			a, b, c = a+p[0], b+p[1], c+p[2]
			p[0], p[1], p[2] = a, b, c
		}
		return
	}
	for i := bpp; i < len(row); i++ {
		row[i] += row[i-bpp]
	}
}

// average adds half of the pixel before and that above.
func average(row, prior []byte, bpp int) {
	if bpp == 3 {
		var a, b, c uint32
		for ; len(row) >= 3 && len(prior) >= 3; row, prior = row[3:], prior[3:] {
			r, p := row[:3:3], prior[:3:3]
			a = (uint32(r[0]) + (a+uint32(p[0]))/2) & 0xff
			b = (uint32(r[1]) + (b+uint32(p[1]))/2) & 0xff
			c = (uint32(r[2]) + (c+uint32(p[2]))/2) & 0xff
			r[0], r[1], r[2] = byte(a), byte(b), byte(c)
		}
		return
	}
	for i := 0; i < min(bpp, len(row)); i++ {
		row[i] += prior[i] / 2
	}
	for i := bpp; i < len(row); i++ {
		row[i] += byte((int(row[i-bpp]) + int(prior[i])) / 2)
	}
}

// up adds the row above, eight bytes at a time: the highest bit of each is added without its carry.
func up(row, prior []byte) {
	const low = 0x7f7f7f7f7f7f7f7f
	i := 0
	for ; i+8 <= len(row); i += 8 {
		a, b := binary.LittleEndian.Uint64(row[i:]), binary.LittleEndian.Uint64(prior[i:])
		binary.LittleEndian.PutUint64(row[i:], ((a&low)+(b&low))^((a^b)&^low))
	}
	for ; i < len(row); i++ {
		row[i] += prior[i]
	}
}

// paeth takes the bytes of a pixel by threes and fours: their sums do not wait for one another.
func paeth(row, prior []byte, bpp int) {
	switch {
	case len(row)%bpp != 0: // never: rows of whole bytes only
	case bpp == 3:
		paeth3(row, prior, 3)
	case bpp == 4:
		paeth4(row, prior, 4)
	case bpp == 6:
		paeth3(row, prior, 6)
		paeth3(row[3:], prior[3:], 6)
	case bpp == 8:
		paeth4(row, prior, 8)
		paeth4(row[4:], prior[4:], 8)
	default:
		for c := range bpp {
			paeth1(row[c:], prior[c:], bpp)
		}
	}
}

func paeth1(row, prior []byte, step int) {
	var a, c int32
	for i := 0; i < len(row) && i < len(prior); i += step {
		b := int32(prior[i])
		a = (int32(row[i]) + predict(a, b, c)) & 0xff
		row[i], c = byte(a), b
	}
}

func paeth3(row, prior []byte, step int) {
	var a0, a1, a2, c0, c1, c2 int32
	for len(row) >= 3 && len(prior) >= 3 {
		r, p := row[:3:3], prior[:3:3]
		b0, b1, b2 := int32(p[0]), int32(p[1]), int32(p[2])
		a0 = (int32(r[0]) + predict(a0, b0, c0)) & 0xff
		a1 = (int32(r[1]) + predict(a1, b1, c1)) & 0xff
		a2 = (int32(r[2]) + predict(a2, b2, c2)) & 0xff
		r[0], r[1], r[2] = byte(a0), byte(a1), byte(a2)
		c0, c1, c2 = b0, b1, b2
		if len(row) < step || len(prior) < step {
			return
		}
		row, prior = row[step:], prior[step:]
	}
}

func paeth4(row, prior []byte, step int) {
	var a0, a1, a2, a3, c0, c1, c2, c3 int32
	for len(row) >= 4 && len(prior) >= 4 {
		r, p := row[:4:4], prior[:4:4]
		b0, b1, b2, b3 := int32(p[0]), int32(p[1]), int32(p[2]), int32(p[3])
		a0 = (int32(r[0]) + predict(a0, b0, c0)) & 0xff
		a1 = (int32(r[1]) + predict(a1, b1, c1)) & 0xff
		a2 = (int32(r[2]) + predict(a2, b2, c2)) & 0xff
		a3 = (int32(r[3]) + predict(a3, b3, c3)) & 0xff
		r[0], r[1], r[2], r[3] = byte(a0), byte(a1), byte(a2), byte(a3)
		c0, c1, c2, c3 = b0, b1, b2, b3
		if len(row) < step || len(prior) < step {
			return
		}
		row, prior = row[step:], prior[step:]
	}
}

// predict returns that of a (left), b (above) and c (left above) which is nearest to a + b − c.
func predict(a, b, c int32) int32 {
	pa, pb := b-c, a-c
	pc := pa + pb
	pa = (pa ^ pa>>31) - pa>>31
	pb = (pb ^ pb>>31) - pb>>31
	pc = (pc ^ pc>>31) - pc>>31
	if pb < pa {
		pa, a = pb, b
	}
	if pc < pa {
		a = c
	}
	return a
}
