package raster

import (
	"context"
	"math"
)

// Constants of SSIM for luma from 0 to 255.
const (
	ssimC1 = (0.01 * 255) * (0.01 * 255)
	ssimC2 = (0.03 * 255) * (0.03 * 255)
)

// sums are of the luma of some pixels of both pictures, less that of the middle: so little is lost in squares.
type sums struct{ a, b, aa, bb, ab float32 }

func (s sums) plus(o *sums) sums {
	return sums{s.a + o.a, s.b + o.b, s.aa + o.aa, s.bb + o.bb, s.ab + o.ab}
}

// similarity is SSIM of n pixels.
func (s *sums) similarity(n float64) float64 {
	ma, mb := float64(s.a)/n, float64(s.b)/n
	return ssim(ma+middleByte, mb+middleByte, float64(s.aa)/n-ma*ma, float64(s.bb)/n-mb*mb, float64(s.ab)/n-ma*mb)
}

func ssim(ma, mb, va, vb, cov float64) float64 {
	return (2*ma*mb + ssimC1) * (2*cov + ssimC2) / ((ma*ma + mb*mb + ssimC1) * (va + vb + ssimC2))
}

// ssim8 is the mean of SSIM over windows of 8 by 8 pixels, 4 apart, that are wholly inside. Only those in which
// something differs are computed: in the others it is 1.
func (v *view) ssim8(ctx context.Context, seen *mask, workers int) (float64, error) {
	if v.w < 8 || v.h < 8 {
		return v.ssimSmall(seen), nil
	}
	across, down := v.w/4-1, v.h/4-1 // windows
	blocks := seen.shrinkTo(4, v.w/4, v.h/4)
	const band = 64
	parts := make([]float64, (down+band-1)/band)
	err := share(ctx, workers, down, band, func(y0, y1 int) error {
		parts[y0/band] = v.ssimBand(blocks, y0, y1, across)
		return nil
	})
	return 1 - total(parts)/(float64(across)*float64(down)), err
}

// ssimBand returns by how much the windows of some rows of them fall short of 1, together.
func (v *view) ssimBand(blocks *mask, y0, y1, across int) (missing float64) {
	above, below := make([]sums, across+1), make([]sums, across+1)
	room := newRoom(v.w)
	v.blockSums(blocks, y0, above, room)
	for y := y0; y < y1; y++ {
		v.blockSums(blocks, y+1, below, room)
		r0, r1 := blocks.row(y), blocks.row(y+1)
		for x := 0; x < across; x++ {
			// A window is of blocks x and x+1 of both rows.
			i, k := x>>6, x&63
			if k == 0 && r0[i]|r1[i] == 0 && (i+1 >= len(r0) || (r0[i+1]|r1[i+1])&1 == 0) {
				x += 63
				continue
			}
			if !(blocks.has(x, y) || blocks.has(x+1, y) || blocks.has(x, y+1) || blocks.has(x+1, y+1)) {
				continue
			}
			s := above[x].plus(&above[x+1]).plus(&below[x]).plus(&below[x+1])
			missing += 1 - s.similarity(64)
		}
		above, below = below, above
	}
	return missing
}

// room is what rows are worked in.
type room struct{ rgb, alpha, a, b []float32 }

func newRoom(w int) *room {
	return &room{make([]float32, 3*w), make([]float32, w), make([]float32, w), make([]float32, w)}
}

// blockSums computes the sums of the blocks of 4 by 4 pixels of a row of them that windows with a difference need: those
// that are next to a block with one.
func (v *view) blockSums(blocks *mask, y int, out []sums, r *room) {
	near := make([]uint64, blocks.stride)
	for yy := max(y-1, 0); yy <= min(y+1, blocks.h-1); yy++ {
		for i, w := range blocks.row(yy) {
			near[i] |= w | w<<1 | w>>1
			if i > 0 {
				near[i-1] |= w << 63
				near[i] |= blocks.row(yy)[i-1] >> 63
			}
		}
	}
	one := &mask{len(out), 1, blocks.stride, near}
	one.runs(0, func(x0, x1 int) {
		x1 = min(x1, len(out))
		if x0 >= x1 {
			return
		}
		clear(out[x0:x1])
		for yy := 4 * y; yy < 4*y+4; yy++ {
			v.luma(0, yy, 4*x0, 4*x1, r.a, r.rgb, r.alpha)
			v.luma(1, yy, 4*x0, 4*x1, r.b, r.rgb, r.alpha)
			a, b := r.a, r.b
			for x := x0; x < x1; x++ {
				s := &out[x]
				qa, qb := a[:4:4], b[:4:4]
				a, b = a[4:], b[4:]
				a0, a1, a2, a3 := qa[0]-middleByte, qa[1]-middleByte, qa[2]-middleByte, qa[3]-middleByte
				b0, b1, b2, b3 := qb[0]-middleByte, qb[1]-middleByte, qb[2]-middleByte, qb[3]-middleByte
				s.a += a0 + a1 + a2 + a3
				s.b += b0 + b1 + b2 + b3
				s.aa += a0*a0 + a1*a1 + a2*a2 + a3*a3
				s.bb += b0*b0 + b1*b1 + b2*b2 + b3*b3
				s.ab += a0*b0 + a1*b1 + a2*b2 + a3*b3
			}
		}
	})
}

// ssimSmall is SSIM of all pixels as one window.
func (v *view) ssimSmall(seen *mask) float64 {
	if seen.count() == 0 {
		return 1
	}
	r := newRoom(v.w)
	var s sums
	for y := range v.h {
		v.luma(0, y, 0, v.w, r.a, r.rgb, r.alpha)
		v.luma(1, y, 0, v.w, r.b, r.rgb, r.alpha)
		for x := range v.w {
			a, b := r.a[x]-middleByte, r.b[x]-middleByte
			s = s.plus(&sums{a, b, a * a, b * b, a * b})
		}
	}
	return s.similarity(float64(v.w) * float64(v.h))
}

// shrinkTo is shrink to a size that may leave out the last pixels.
func (m *mask) shrinkTo(step, w, h int) *mask {
	s := newMask(w, h)
	for y := range min(m.h, h*step) {
		to := s.row(y / step)
		m.runs(y, func(x0, x1 int) {
			for x := x0 / step; x <= min((x1-1)/step, w-1); x++ {
				to[x>>6] |= 1 << (x & 63)
			}
		})
	}
	return s
}

// gaussian returns the half of a bell of a deviation, from its middle on, with sum 1 over both halves.
func gaussian(deviation float64, radius int) []float32 {
	k := make([]float64, radius+1)
	sum := 0.0
	for i := range k {
		k[i] = math.Exp(-float64(i*i) / (2 * deviation * deviation))
		sum += k[i]
		if i > 0 {
			sum += k[i]
		}
	}
	out := make([]float32, radius+1)
	for i := range k {
		out[i] = float32(k[i] / sum)
	}
	return out
}

// ssimGaussian is the mean of SSIM with the window of its authors: 11 by 11, a bell of deviation 1.5, at every pixel
// around which it is wholly inside.
func (v *view) ssimGaussian(ctx context.Context, seen *mask, workers int) (float64, error) {
	const radius = 5
	if v.w <= 2*radius || v.h <= 2*radius {
		return v.ssimSmall(seen), nil
	}
	bell := gaussian(1.5, radius)
	list := seen.near(radius)
	parts := make([]float64, len(list))
	err := eachTile(ctx, workers, list, func(i int, t tile) {
		t.x0, t.y0, t.x1, t.y1 = max(t.x0, radius), max(t.y0, radius), min(t.x1, v.w-radius), min(t.y1, v.h-radius)
		if t.x0 < t.x1 && t.y0 < t.y1 {
			parts[i] = v.gaussianTile(t, bell)
		}
	})
	return 1 - total(parts)/(float64(v.w-2*radius)*float64(v.h-2*radius)), err
}

func (v *view) gaussianTile(t tile, bell []float32) (missing float64) {
	const radius = 5
	w, h := t.x1-t.x0, t.y1-t.y0
	r := newRoom(w + 2*radius)
	var in, out [5]plane
	for i := range in {
		in[i] = newPlane(w+2*radius, h+2*radius)
	}
	for y := range h + 2*radius {
		v.luma(0, t.y0-radius+y, t.x0-radius, t.x1+radius, r.a, r.rgb, r.alpha)
		v.luma(1, t.y0-radius+y, t.x0-radius, t.x1+radius, r.b, r.rgb, r.alpha)
		for x := range w + 2*radius {
			// About the middle, so that little is lost in squares.
			a, b := r.a[x]-middleByte, r.b[x]-middleByte
			for i, s := range [5]float32{a, b, a * a, b * b, a * b} {
				in[i].row(y)[x] = s
			}
		}
	}
	for i := range in {
		out[i] = in[i].across(bell, radius, 1).down(bell, radius, 1)
	}
	for i := range out[0].v {
		ma, mb := float64(out[0].v[i]), float64(out[1].v[i])
		missing += 1 - ssim(ma+middleByte, mb+middleByte, float64(out[2].v[i])-ma*ma, float64(out[3].v[i])-mb*mb, float64(out[4].v[i])-ma*mb)
	}
	return missing
}
