package raster

import "image"

// ToNRGBA8 returns the picture for a display of 8 bits in sRGB, alpha straight. Linear light is encoded; a profile of
// primaries and curves is followed; ink is mixed as if it were ideal, whatever its profile; what is brighter than white
// is white, and what is no number black.
func (p *Image) ToNRGBA8() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, p.Width, p.Height))
	l := newLook(p)
	if l.plain && !p.Premultiplied && !p.Linear {
		for y := range p.Height {
			to := m.Pix[y*m.Stride : (y+1)*m.Stride]
			switch p.Depth {
			case U8:
				displayRow(to, p.RowU8(y), p, func(v uint8) uint8 { return v })
			case U16:
				displayRow(to, p.RowU16(y), p, func(v uint16) uint8 { return uint8((uint32(v)*255 + 32767) / 65535) })
			case F32:
				displayRow(to, p.RowF32(y), p, func(v float32) uint8 { return round8(float64(v)) })
			}
		}
		return m
	}
	rgb, alpha := make([]float32, 3*p.Width), make([]float32, p.Width)
	for y := range p.Height {
		l.display(y, 0, p.Width, rgb, alpha, m.Pix[y*m.Stride:(y+1)*m.Stride])
	}
	return m
}

// display puts pixels of a row, in four samples each, into to.
func (l *look) display(y, x0, x1 int, rgb, alpha []float32, to []uint8) {
	l.row(y, x0, x1, rgb, alpha)
	table := bytes16()
	for x := range x1 - x0 {
		to[4*x] = table[index16(rgb[3*x])]
		to[4*x+1] = table[index16(rgb[3*x+1])]
		to[4*x+2] = table[index16(rgb[3*x+2])]
		to[4*x+3] = round8(float64(alpha[x]))
	}
}

func displayRow[T any](to []uint8, from []T, p *Image, round func(T) uint8) {
	n := p.Channels()
	for i, o := 0, 0; o < len(to); i, o = i+n, o+4 {
		px, d := from[i:i+n:i+n], to[o:o+4:o+4]
		d[3] = 255
		switch n {
		case 1:
			v := round(px[0])
			d[0], d[1], d[2] = v, v, v
		case 2:
			v := round(px[0])
			d[0], d[1], d[2], d[3] = v, v, v, round(px[1])
		case 3:
			d[0], d[1], d[2] = round(px[0]), round(px[1]), round(px[2])
		case 4:
			d[0], d[1], d[2], d[3] = round(px[0]), round(px[1]), round(px[2]), round(px[3])
		}
	}
}
