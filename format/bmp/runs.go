package bmp

import (
	"varve/format"
	"varve/format/raster"
)

// runs decodes run lengths. A pair of bytes is a count and a colour (of 4 bits: two, in turn); with a count of 0 it is
// the end of the row (0), of the picture (1), a step to the right and up (2, and two bytes), or so many colours as
// they are, padded to a multiple of 2 bytes. What is stepped over has the first colour.
func (f *file) runs(in format.Input, img *raster.Image) error {
	if f.data > in.Size() {
		return format.Malformed("cut off: the rows begin at byte %d of %d", f.data, in.Size())
	}
	b, err := format.ReadSpan(in, f.data, in.Size()-f.data, maxFile)
	if err != nil {
		return err
	}
	for i := 0; i < len(img.U8); i += 3 {
		f.colour(img.U8[i:i+3], 0)
	}
	x, y := 0, f.height-1
	put := func(c byte) {
		if x < f.width && y >= 0 {
			f.colour(img.U8[3*(y*f.width+x):][:3], int(c))
		}
		x++
	}
	for len(b) >= 2 {
		n, c := int(b[0]), b[1]
		b = b[2:]
		switch {
		case n > 0:
			for i := range n {
				put(f.index(c, i))
			}
		case c == 0:
			x, y = 0, y-1
		case c == 1:
			return nil
		case c == 2:
			if len(b) < 2 {
				return format.Malformed("cut off: it ends in a step")
			}
			x, y = x+int(b[0]), y-int(b[1])
			b = b[2:]
		default:
			n = int(c)
			size := (n*f.bits + 15) / 16 * 2
			if len(b) < size {
				return format.Malformed("cut off: it ends in %d colours", n)
			}
			for i := range n {
				put(f.index(b[i*f.bits/8], i))
			}
			b = b[size:]
		}
	}
	if y > 0 || y == 0 && x < f.width {
		return format.Malformed("cut off: it ends in row %d of %d", f.height-y, f.height)
	}
	return nil
}

// index is the colour in a byte of one or two of them.
func (f *file) index(c byte, i int) byte {
	if f.bits == 8 {
		return c
	}
	if i%2 == 0 {
		return c >> 4
	}
	return c & 15
}
