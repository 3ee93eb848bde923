package raster

import (
	"cmp"
	"math"
	"math/bits"
	"math/cmplx"
	"slices"
)

// lumaOf is the luma of a picture, 0 to 255.
func lumaOf(p *Image) plane {
	v := (&pair{a: p, b: p, w: p.Width, h: p.Height}).view()
	out, r := newPlane(p.Width, p.Height), newRoom(p.Width)
	for y := range p.Height {
		v.luma(0, y, 0, p.Width, out.row(y), r.rgb, r.alpha)
	}
	return out
}

// alikeness is the correlation, -1 to 1, of the parts of two planes that meet when a lies at dx, dy of b; of places on a
// grid where there are many. Of what is all of one value it is 1 if the other is the same, else 0.
func alikeness(a, b plane, dx, dy int) float64 {
	x0, y0, x1, y1 := max(dx, 0), max(dy, 0), min(dx+a.w, b.w), min(dy+a.h, b.h)
	if x0 >= x1 || y0 >= y1 {
		return -1
	}
	step := max(1, int(math.Sqrt(float64((x1-x0)*(y1-y0))/65536)))
	var c correlation
	for y := y0; y < y1; y += step {
		ra, rb := a.row(y-dy), b.row(y)
		for x := x0; x < x1; x += step {
			c.add(float64(ra[x-dx]), float64(rb[x]))
		}
	}
	return c.value()
}

// roughly is alikeness of some places of a pair.
func (v *view) roughly() float64 {
	const places = 96
	var c correlation
	var a, b, alpha [1]float32
	var rgb [3]float32
	for i := range places {
		for k := range places {
			x, y := k*v.w/places, i*v.h/places
			v.luma(0, y, x, x+1, a[:], rgb[:], alpha[:])
			v.luma(1, y, x, x+1, b[:], rgb[:], alpha[:])
			c.add(float64(a[0]), float64(b[0]))
		}
	}
	return c.value()
}

// correlation is of two series of values from 0 to 255.
type correlation struct{ n, sa, sb, saa, sbb, sab, apart float64 }

func (c *correlation) add(a, b float64) {
	c.n++
	c.sa, c.sb, c.saa, c.sbb, c.sab = c.sa+a, c.sb+b, c.saa+a*a, c.sbb+b*b, c.sab+a*b
	c.apart = max(c.apart, math.Abs(a-b))
}

func (c *correlation) value() float64 {
	ma, mb := c.sa/c.n, c.sb/c.n
	va, vb := c.saa/c.n-ma*ma, c.sbb/c.n-mb*mb
	if va < 0.5 || vb < 0.5 {
		if c.apart < 4 {
			return 1
		}
		return 0
	}
	return (c.sab/c.n - ma*mb) / math.Sqrt(va*vb)
}

// shift searches for the offset of a in b by phase correlation of reduced copies, and then in the full pictures. alike
// is how well it fits. They must meet in a share of the smaller one.
func shift(a, b plane, share float64) (dx, dy int, alike float64) {
	factor := (max(a.w, a.h, b.w, b.h) + 511) / 512
	ra, rb := a.reduced(factor), b.reduced(factor)
	w, h := above2(max(ra.w, rb.w)), above2(max(ra.h, rb.h))
	fa, fb := spectrum(ra, w, h), spectrum(rb, w, h)
	for i := range fa {
		c := fb[i] * cmplx.Conj(fa[i])
		if m := cmplx.Abs(c); m > 1e-9 {
			c /= complex(m, 0)
		}
		fa[i] = cmplx.Conj(c)
	}
	fourier2(fa, w, h) // the inverse, of what is real
	alike = -1
	least := int(share * float64(min(ra.w*ra.h, rb.w*rb.h)))
	for _, i := range peaks(fa, w, h) {
		for _, x := range []int{i % w, i%w - w} {
			for _, y := range []int{i / w, i/w - h} {
				ow, oh := min(x+ra.w, rb.w)-max(x, 0), min(y+ra.h, rb.h)-max(y, 0)
				if ow <= 0 || oh <= 0 || ow*oh < least {
					continue
				}
				if v := alikeness(ra, rb, x, y); v > alike {
					dx, dy, alike = x*factor, y*factor, v
				}
			}
		}
	}
	if alike < 0 || factor == 1 {
		return dx, dy, alike
	}
	alike = -1
	for step := above2(factor); step >= 1; step /= 2 {
		cx, cy := dx, dy
		for y := -1; y <= 1; y++ {
			for x := -1; x <= 1; x++ {
				if v := alikeness(a, b, cx+x*step, cy+y*step); v > alike {
					dx, dy, alike = cx+x*step, cy+y*step, v
				}
			}
		}
	}
	return dx, dy, alike
}

// above2 is the least power of two that is not below n.
func above2(n int) int { return 1 << bits.Len(uint(n-1)) }

// reduced returns the means of blocks of factor by factor.
func (p plane) reduced(factor int) plane {
	if factor == 1 {
		return p
	}
	out := newPlane(max(1, p.w/factor), max(1, p.h/factor))
	for y := range min(p.h, out.h*factor) {
		in, to := p.row(y), out.row(min(y/factor, out.h-1))
		for x := range min(p.w, out.w*factor) {
			to[x/factor] += in[x]
		}
	}
	for i := range out.v {
		out.v[i] /= float32(factor * factor)
	}
	return out
}

// spectrum is the Fourier transform of a plane without its mean, faded towards its edges.
func spectrum(p plane, w, h int) []complex128 {
	mean := 0.0
	for _, v := range p.v {
		mean += float64(v)
	}
	mean /= float64(len(p.v))
	fade := func(i, n int) float64 {
		rim := max(1, n/10)
		if d := min(i, n-1-i); d < rim {
			return 0.5 - 0.5*math.Cos(math.Pi*(float64(d)+0.5)/float64(rim))
		}
		return 1
	}
	out := make([]complex128, w*h)
	for y := range p.h {
		fy := fade(y, p.h)
		for x, v := range p.row(y) {
			out[y*w+x] = complex((float64(v)-mean)*fy*fade(x, p.w), 0)
		}
	}
	fourier2(out, w, h)
	return out
}

// peaks returns the places of the largest values, of which no two are neighbours.
func peaks(f []complex128, w, h int) []int {
	const most = 6
	var out []int
	for i, v := range f {
		if len(out) == most && real(v) <= real(f[out[most-1]]) {
			continue
		}
		near := slices.IndexFunc(out, func(o int) bool {
			x, y := (i%w-o%w+w)%w, (i/w-o/w+h)%h
			return min(x, w-x) <= 1 && min(y, h-y) <= 1
		})
		switch {
		case near < 0:
			out = append(out, i)
		case real(v) > real(f[out[near]]):
			out[near] = i
		}
		slices.SortFunc(out, func(a, b int) int { return cmp.Compare(real(f[b]), real(f[a])) })
		out = out[:min(len(out), most)]
	}
	return out
}

// fourier2 transforms w·h numbers, both powers of two, in place.
func fourier2(f []complex128, w, h int) {
	roots := unitRoots(max(w, h))
	for y := range h {
		fourier(f[y*w:(y+1)*w], roots)
	}
	column := make([]complex128, h)
	for x := range w {
		for y := range h {
			column[y] = f[y*w+x]
		}
		fourier(column, roots)
		for y := range h {
			f[y*w+x] = column[y]
		}
	}
}

// unitRoots are the first half of the n-th roots of 1.
func unitRoots(n int) []complex128 {
	out := make([]complex128, max(n/2, 1))
	for i := range out {
		s, c := math.Sincos(-2 * math.Pi * float64(i) / float64(n))
		out[i] = complex(c, s)
	}
	return out
}

// fourier is the transform by halves, of a power of two.
func fourier(f, roots []complex128) {
	n := len(f)
	shift := 64 - bits.Len(uint(n-1))
	for i := range f {
		if j := int(bits.Reverse64(uint64(i)) >> shift); n > 1 && i < j {
			f[i], f[j] = f[j], f[i]
		}
	}
	for size := 2; size <= n; size *= 2 {
		half, step := size/2, 2*len(roots)/size
		for at := 0; at < n; at += size {
			for k := range half {
				u, v := f[at+k], f[at+half+k]*roots[k*step]
				f[at+k], f[at+half+k] = u+v, u-v
			}
		}
	}
}
