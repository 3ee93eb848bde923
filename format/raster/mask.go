package raster

import "math/bits"

// mask is a set of pixels, a bit each; rows start at words.
type mask struct {
	w, h, stride int
	bits         []uint64
}

func newMask(w, h int) *mask {
	stride := (w + 63) / 64
	return &mask{w, h, stride, make([]uint64, stride*h)}
}

func (m *mask) row(y int) []uint64 { return m.bits[y*m.stride : (y+1)*m.stride] }

func (m *mask) has(x, y int) bool { return m.bits[y*m.stride+x>>6]>>(x&63)&1 != 0 }

func (m *mask) set(x, y int) { m.bits[y*m.stride+x>>6] |= 1 << (x & 63) }

// fillAll sets every pixel.
func (m *mask) fillAll() {
	for y := range m.h {
		row := m.row(y)
		for i := range row {
			row[i] = ^uint64(0)
		}
		if rest := m.w & 63; rest != 0 {
			row[len(row)-1] = 1<<rest - 1
		}
	}
}

func (m *mask) count() int {
	n := 0
	for _, v := range m.bits {
		n += bits.OnesCount64(v)
	}
	return n
}

// countIn returns how many pixels are set from x0 to x1 of a row.
func (m *mask) countIn(y, x0, x1 int) int {
	n := 0
	m.words(y, x0, x1, func(v uint64) bool {
		n += bits.OnesCount64(v)
		return true
	})
	return n
}

// any reports whether a pixel is set in a rectangle, which may lie in part outside.
func (m *mask) any(x0, y0, x1, y1 int) bool {
	x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, m.w), min(y1, m.h)
	found := false
	for y := y0; y < y1 && !found; y++ {
		m.words(y, x0, x1, func(v uint64) bool {
			found = v != 0
			return !found
		})
	}
	return found
}

// words gives the words of a row, without what is not from x0 to x1.
func (m *mask) words(y, x0, x1 int, yield func(v uint64) bool) {
	if x0 >= x1 {
		return
	}
	row := m.row(y)
	for i := x0 >> 6; i <= (x1-1)>>6; i++ {
		v := row[i]
		if i == x0>>6 {
			v &= ^uint64(0) << (x0 & 63)
		}
		if i == (x1-1)>>6 {
			v &= ^uint64(0) >> (63 - (x1-1)&63)
		}
		if !yield(v) {
			return
		}
	}
}

// bounds returns the smallest rectangle inside of another that holds all pixels that are set there; x0 ≥ x1 if none is.
func (m *mask) bounds(x0, y0, x1, y1 int) (bx0, by0, bx1, by1 int) {
	x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, m.w), min(y1, m.h)
	if x0 >= x1 || y0 >= y1 {
		return 0, 0, 0, 0
	}
	bx0, by0, bx1, by1 = x1, y1, x0, y0
	for y := y0; y < y1; y++ {
		at, first, last := x0&^63, -1, 0
		m.words(y, x0, x1, func(v uint64) bool {
			if v != 0 {
				if first < 0 {
					first = at + bits.TrailingZeros64(v)
				}
				last = at + 64 - bits.LeadingZeros64(v)
			}
			at += 64
			return true
		})
		if first >= 0 {
			bx0, bx1, by0, by1 = min(bx0, first), max(bx1, last), min(by0, y), y+1
		}
	}
	return bx0, by0, bx1, by1
}

// runs gives the runs of set pixels of a row, from left to right.
func (m *mask) runs(y int, yield func(x0, x1 int)) {
	row := m.row(y)
	start := -1
	for i, v := range row {
		if start < 0 && v == 0 || start >= 0 && v == ^uint64(0) {
			continue
		}
		at := i << 6
		for n := 0; n < 64; {
			if start < 0 {
				k := bits.TrailingZeros64(v >> n)
				if k == 64 {
					break
				}
				start, n = at+n+k, n+k
				continue
			}
			k := bits.TrailingZeros64(^v >> n)
			if n+k >= 64 {
				break
			}
			n += k
			yield(start, at+n)
			start = -1
		}
	}
	if start >= 0 {
		yield(start, m.w)
	}
}

// each gives the pixels that are set, row by row.
func (m *mask) each(yield func(x, y int) bool) {
	for y := range m.h {
		for i, v := range m.row(y) {
			for v != 0 {
				k := bits.TrailingZeros64(v)
				if !yield(i<<6+k, y) {
					return
				}
				v &= v - 1
			}
		}
	}
}
