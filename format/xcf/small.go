package xcf

// The way of small pictures: layers and masks are made small first, then composited, which is much less to do. A cell is a
// square of pixels that becomes one.

// shrunk fills a band of cells with a layer: colours are means weighed by alpha, in linear light where samples have 8 bits.
func (f *flattener) shrunk(b *band, it *item) error {
	b.space = f.native()
	if f.base == 2 {
		b.space = perceptual
	}
	quick := f.precision.bytes == 1
	if quick && b.space == perceptual {
		b.space = linear
	} else {
		quick = false
	}
	x0, x1 := max(b.x*f.by, it.x), min((b.x+b.w)*f.by, it.x+it.width, f.width)
	if x0 >= x1 {
		return nil
	}
	var px [4]float32
	for y := max(b.y*f.by, it.y); y < min((b.y+b.h)*f.by, it.y+it.height, f.height); y++ {
		row, err := f.rowOf(it.pixels, y-it.y)
		if err != nil {
			return err
		}
		row = row[(x0-it.x)*it.pixels.bpp:]
		line := b.pix[(y/f.by-b.y)*b.w*4:]
		at, left := (x0/f.by-b.x)*4, f.by-x0%f.by
		for x := range x1 - x0 {
			f.pixel(px[:], row[x*it.pixels.bpp:], it.form, quick)
			if a := px[3]; a > 0 {
				cell := line[at : at+4 : at+4]
				cell[0] += px[0] * a
				cell[1] += px[1] * a
				cell[2] += px[2] * a
				cell[3] += a
			}
			if left--; left == 0 {
				at, left = at+4, f.by
			}
		}
	}
	f.mean(b)
	return nil
}

// mean makes sums means.
func (f *flattener) mean(b *band) {
	for y := range b.h {
		rows := min(f.by, f.height-(b.y+y)*f.by)
		for x := range b.w {
			cell := b.pix[(y*b.w+x)*4:][:4:4]
			if cell[3] == 0 {
				continue
			}
			for c := range 3 {
				cell[c] /= cell[3]
			}
			cell[3] /= float32(rows * min(f.by, f.width-(b.x+x)*f.by))
		}
	}
}

// shares fills line with how much a layer's mask lets through in row y of a band.
func (f *flattener) shares(it *item, b *band, y int, line []float32) error {
	m := it.mask
	clear(line)
	rows := min(f.by, f.height-(b.y+y)*f.by)
	if f.by == 1 {
		rows = 1
	}
	for r := range rows {
		my := (b.y+y)*f.by + r - it.y
		if my < 0 || my >= m.height {
			continue
		}
		row, err := f.rowOf(m.pixels, my)
		if err != nil {
			return err
		}
		x0, x1 := max(b.x*f.by, it.x), min((b.x+b.w)*f.by, it.x+m.width)
		for x := x0; x < x1; x++ {
			line[x/f.by-b.x] += f.precision.value(row[(x-it.x)*m.pixels.bpp:])
		}
	}
	if f.by > 1 {
		for x := range line {
			line[x] /= float32(rows * min(f.by, f.width-(b.x+x)*f.by))
		}
	}
	return nil
}
