package raster

import (
	"context"
	"encoding/binary"
	"image"
	"sync"
)

// Visible is the count of pixels that differ to the eye as the program pixelmatch has it, releases 6 and 7: by
// distance in YIQ, without those that seem to be anti-aliased edges.
type Visible struct {
	Pixels      int
	AntiAliased int     // that differ as much and are not counted
	Threshold   float64 // 0 to 1
}

// visible counts the pixels that differ to the eye.
func (v *view) visible(ctx context.Context, seen *mask, threshold float64, workers int) (Visible, error) {
	out := Visible{Threshold: threshold}
	var mu sync.Mutex
	err := bands(ctx, workers, v.h, func(y0, y1 int) error {
		d := v.displayed(seen, y0, y1)
		if d == nil {
			return nil
		}
		d.most = 35215 * threshold * threshold // of the distance of black and white
		far, smooth := d.count(seen)
		mu.Lock()
		out.Pixels += far - smooth
		out.AntiAliased += smooth
		mu.Unlock()
		return nil
	})
	return out, err
}

// displayed is what a part of both pictures displays: where something differs, and two pixels around.
type displayed struct {
	part image.Rectangle // of the overlap
	w, h int             // of the overlap
	rows image.Rectangle // of part, without what is around
	pix  [2][]uint32     // red, green, blue, alpha from the lowest byte
	most float64         // distance that is not seen
}

// displayed returns the part of some rows, nil if nothing differs there.
func (v *view) displayed(seen *mask, y0, y1 int) *displayed {
	x0, y0, x1, y1 := seen.bounds(0, y0, v.w, y1)
	if x0 >= x1 {
		return nil
	}
	d := &displayed{rows: image.Rect(x0, y0, x1, y1), w: v.w, h: v.h}
	d.part = d.rows.Inset(-2).Intersect(image.Rect(0, 0, v.w, v.h))
	w := d.part.Dx()
	r := newRoom(w)
	line := make([]uint8, 4*w)
	for side, l := range v.looks {
		d.pix[side] = make([]uint32, w*d.part.Dy())
		for y := range d.part.Dy() {
			l.bytes(v, side, d.part.Min.X, d.part.Min.Y+y, w, r, line)
			to := d.pix[side][y*w : (y+1)*w]
			for x := range to {
				to[x] = binary.LittleEndian.Uint32(line[4*x:])
			}
		}
	}
	return d
}

// bytes puts w pixels as they are displayed into to.
func (l *look) bytes(v *view, side, x, y, w int, r *room, to []uint8) {
	p := l.p
	x, y = v.at(side, x, y)
	if !l.plain || p.Depth != U8 || p.Premultiplied || p.Linear {
		l.display(y, x, x+w, r.rgb, r.alpha, to)
		return
	}
	n := p.Channels()
	from := p.RowU8(y)[x*n : (x+w)*n]
	if n == 4 {
		copy(to, from)
		return
	}
	displayRow(to, from, p, func(v uint8) uint8 { return v })
}

// count returns how many pixels differ to the eye, and how many of these seem to be anti-aliased.
func (d *displayed) count(seen *mask) (far, smooth int) {
	w := d.part.Dx()
	all := newMask(w, d.part.Dy())
	for y := d.rows.Min.Y; y < d.rows.Max.Y; y++ {
		seen.runs(y, func(x0, x1 int) {
			for x := x0; x < x1; x++ {
				lx, ly := x-d.part.Min.X, y-d.part.Min.Y
				i := ly*w + lx
				if a, b := d.pix[0][i], d.pix[1][i]; a != b && distance(a, b, (y*d.w+x)*4) > d.most {
					all.set(lx, ly)
					far++
				}
			}
		})
	}
	if far == 0 {
		return 0, 0
	}
	// An edge has a neighbour in an even area, of both pictures: where there is none, nothing is to be looked at.
	even := d.even(0)
	for i, v := range d.even(1).bits {
		even.bits[i] &= v
	}
	near := even.wider()
	for i := range near.bits {
		near.bits[i] &= all.bits[i]
	}
	near.each(func(x, y int) bool {
		if d.antiAliased(0, x, y, even) || d.antiAliased(1, x, y, even) {
			smooth++
		}
		return true
	})
	return far, smooth
}

// apart returns how far two pixels are from one another, on a background that their place gives, so that it is like
// neither: k is the place in bytes.
func apart(p, q uint32, k int) (r, g, b float64) {
	c := func(v uint32, i int) int32 { return int32(v >> (8 * i) & 255) }
	pa, qa := c(p, 3), c(q, 3)
	if pa == 255 && qa == 255 {
		return float64(c(p, 0) - c(q, 0)), float64(c(p, 1) - c(q, 1)), float64(c(p, 2) - c(q, 2))
	}
	over := func(i int, on float64) float64 {
		behind := 48 + 159*float64(int(float64(k)/on)%2)
		return (float64(c(p, i)*pa) - float64(c(q, i)*qa) - behind*float64(pa-qa)) / 255
	}
	return over(0, 1), over(1, 1.618033988749895), over(2, 2.618033988749895)
}

func lightness(r, g, b float64) float64 { return r*0.29889531 + g*0.58662247 + b*0.11448223 }

// distance is that of two pixels in YIQ, of which hue counts less than lightness.
func distance(p, q uint32, k int) float64 {
	r, g, b := apart(p, q, k)
	l := lightness(r, g, b)
	i := r*0.59597799 - g*0.27417610 - b*0.32180189
	o := r*0.21147017 - g*0.52261711 + b*0.31114694
	return 0.5053*l*l + 0.299*i*i + 0.1957*o*o
}

// border reports whether a pixel of the part is at the edge of the overlap, which stands for an equal neighbour.
func (d *displayed) border(x, y int) bool {
	x, y = x+d.part.Min.X, y+d.part.Min.Y
	return x == 0 || y == 0 || x == d.w-1 || y == d.h-1
}

// antiAliased reports whether a pixel of one picture seems to smooth an edge (Vyšniauskas 2009): it has darker and
// brighter neighbours, few equal ones, and the darkest or the brightest of them lies in an even area of both pictures.
func (d *displayed) antiAliased(side, x, y int, even *mask) bool {
	w, pix := d.part.Dx(), d.pix[side]
	here := pix[y*w+x]
	k := ((y+d.part.Min.Y)*d.w + x + d.part.Min.X) * 4
	equals := 0
	if d.border(x, y) {
		equals = 1
	}
	var low, high float64
	var lx, ly, hx, hy int
	for nx := max(x-1, 0); nx <= min(x+1, w-1); nx++ {
		for ny := max(y-1, 0); ny <= min(y+1, d.part.Dy()-1); ny++ {
			if nx == x && ny == y {
				continue
			}
			v := 0.0
			if there := pix[ny*w+nx]; there != here {
				v = lightness(apart(here, there, k))
			}
			switch {
			case v == 0:
				if equals++; equals > 2 {
					return false
				}
			case v < low:
				low, lx, ly = v, nx, ny
			case v > high:
				high, hx, hy = v, nx, ny
			}
		}
	}
	return low != 0 && high != 0 && (even.has(lx, ly) || even.has(hx, hy))
}

// even returns the pixels that have more than two neighbours equal to them.
func (d *displayed) even(side int) *mask {
	w, h := d.part.Dx(), d.part.Dy()
	out := newMask(w, h)
	row := func(y int) []uint32 { return d.pix[side][y*w : (y+1)*w] }
	// Which pixels are equal to the next one of their row, and to the three below them: of a row and of that above.
	var next, below, right, left, wasBelow, wasRight, wasLeft []uint64
	for _, p := range []*[]uint64{&next, &below, &right, &left, &wasBelow, &wasRight, &wasLeft} {
		*p = make([]uint64, out.stride)
	}
	for y := range h {
		cur := row(y)
		equalBits(cur[:w-1], cur[1:], next)
		wasBelow, below, wasRight, right, wasLeft, left = below, wasBelow, right, wasRight, left, wasLeft
		clear(below)
		clear(right)
		clear(left)
		if y+1 < h {
			down := row(y + 1)
			equalBits(cur, down, below)
			equalBits(cur[:w-1], down[1:], right)
			equalBits(cur[1:], down[:w-1], left)
		}
		bits := out.row(y)
		for i := range bits {
			var ones, twos, more uint64
			add := func(v uint64) {
				c := ones & v
				ones ^= v
				more |= twos & c
				twos ^= c
			}
			add(next[i])
			add(shifted(next, i))
			add(below[i])
			add(wasBelow[i])
			add(right[i])
			add(shifted(wasRight, i))
			add(shifted(left, i))
			add(wasLeft[i])
			add(d.borderBits(i, y))
			bits[i] = more | twos&ones
		}
	}
	return out
}

// borderBits are the pixels of a word that are at the edge of the overlap.
func (d *displayed) borderBits(i, y int) (v uint64) {
	if gy := y + d.part.Min.Y; gy == 0 || gy == d.h-1 {
		return ^uint64(0)
	}
	if d.part.Min.X == 0 && i == 0 {
		v |= 1
	}
	if last := d.part.Dx() - 1; d.part.Max.X == d.w && i == last>>6 {
		v |= 1 << (last & 63)
	}
	return v
}

// shifted is word i of bits that are moved to the next pixel.
func shifted(bits []uint64, i int) uint64 {
	v := bits[i] << 1
	if i > 0 {
		v |= bits[i-1] >> 63
	}
	return v
}

// equalBits sets the bits of the places where a and b are equal, and clears the others.
func equalBits(a, b []uint32, out []uint64) {
	b = b[:len(a)]
	clear(out)
	for at := 0; at < len(a); at += 64 {
		n := min(64, len(a)-at)
		pa, pb := a[at:at+n], b[at:at+n]
		var word uint64
		for i, v := range pa {
			var bit uint64
			if v == pb[i] {
				bit = 1
			}
			word |= bit << (i & 63)
		}
		out[at>>6] = word
	}
}

// wider returns the mask with all neighbours of what is set.
func (m *mask) wider() *mask {
	out := newMask(m.w, m.h)
	for y := range m.h {
		row := m.row(y)
		for i := range row {
			v := row[i] | shifted(row, i) | row[i]>>1
			if i+1 < len(row) {
				v |= row[i+1] << 63
			}
			for yy := max(y-1, 0); yy <= min(y+1, m.h-1); yy++ {
				out.bits[yy*m.stride+i] |= v
			}
		}
	}
	return out
}
