package raster

import "context"

// A tile is a part of an overlap.
type tile struct{ x0, y0, x1, y1 int }

func (t tile) pixels() int { return (t.x1 - t.x0) * (t.y1 - t.y0) }

// tileSize is the longest side of a tile.
const tileSize = 64

// near returns the tiles of what is within reach of a pixel that is set.
func (m *mask) near(reach int) []tile {
	var out []tile
	for y := 0; y < m.h; y += tileSize {
		for x := 0; x < m.w; x += tileSize {
			ex, ey := min(x+tileSize, m.w), min(y+tileSize, m.h)
			x0, y0, x1, y1 := m.bounds(x-reach, y-reach, ex+reach, ey+reach)
			if x0 >= x1 {
				continue
			}
			out = append(out, tile{max(x, x0-reach), max(y, y0-reach), min(ex, x1+reach), min(ey, y1+reach)})
		}
	}
	return out
}

// eachTile calls f for each tile, with its place in the list.
func eachTile(ctx context.Context, workers int, list []tile, f func(i int, t tile)) error {
	return share(ctx, workers, len(list), 4, func(from, to int) error {
		for i := from; i < to; i++ {
			f(i, list[i])
		}
		return nil
	})
}

// total adds up parts in their order, whichever was made first: a sum is the same on one core and on many.
func total(parts []float64) (sum float64) {
	for _, p := range parts {
		sum += p
	}
	return sum
}

// A plane is numbers of pixels.
type plane struct {
	w, h int
	v    []float32
}

func newPlane(w, h int) plane { return plane{w, h, make([]float32, w*h)} }

func (p plane) row(y int) []float32 { return p.v[y*p.w : (y+1)*p.w : (y+1)*p.w] }

// across returns the plane filtered along its rows by a kernel of which half is given, the other half being the same
// times mirror (1, or -1 with a middle of 0). It is margin narrower on both sides.
func (p plane) across(half []float32, margin int, mirror float32) plane {
	out := newPlane(p.w-2*margin, p.h)
	for y := range p.h {
		in, to := p.row(y), out.row(y)
		start(to, in[margin:], half[0])
		tap := func(k int) ([]float32, []float32) { return in[margin+k:], in[margin-k:] }
		taps(to, half, mirror, tap)
	}
	return out
}

// down is across along the columns.
func (p plane) down(half []float32, margin int, mirror float32) plane {
	out := newPlane(p.w, p.h-2*margin)
	for y := range out.h {
		to := out.row(y)
		start(to, p.row(y+margin), half[0])
		tap := func(k int) ([]float32, []float32) { return p.row(y + margin + k), p.row(y + margin - k) }
		taps(to, half, mirror, tap)
	}
	return out
}

func start(to, in []float32, k float32) {
	in = in[:len(to)]
	for i := range to {
		to[i] = in[i] * k
	}
}

// taps adds the taps but the middle, two at a time.
func taps(to, half []float32, mirror float32, tap func(k int) (after, before []float32)) {
	k := 1
	for ; k+1 < len(half); k += 2 {
		a, b := tap(k)
		c, d := tap(k + 1)
		a, b, c, d = a[:len(to)], b[:len(to)], c[:len(to)], d[:len(to)]
		h0, h1 := half[k], half[k+1]
		if mirror > 0 {
			for i := range to {
				to[i] += h0*(a[i]+b[i]) + h1*(c[i]+d[i])
			}
		} else {
			for i := range to {
				to[i] += h0*(a[i]-b[i]) + h1*(c[i]-d[i])
			}
		}
	}
	if k < len(half) {
		a, b := tap(k)
		a, b = a[:len(to)], b[:len(to)]
		for i := range to {
			to[i] += half[k] * (a[i] + mirror*b[i])
		}
	}
}
