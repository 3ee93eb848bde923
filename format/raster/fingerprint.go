package raster

import "math/bits"

// Fingerprint is what near duplicates have in common: the same picture at another size, depth or quality.
type Fingerprint struct {
	Bits   uint64  // of 8 rows of 8 places, the first lowest: whether the next place is brighter (the "difference hash")
	Aspect float64 // width by height
	Flat   bool    // there is too little on the picture to tell
}

// Fingerprint returns that of the picture.
func (p *Image) Fingerprint() Fingerprint {
	luma := lumaOf(p.Scale(144))
	f := Fingerprint{Aspect: float64(p.Width) / float64(p.Height)}
	least, most := float32(255), float32(0)
	for y := range 8 {
		last := luma.area(0, y)
		for x := range 8 {
			next := luma.area(x+1, y)
			if next > last+0.01 {
				f.Bits |= 1 << (8*y + x)
			}
			least, most = min(least, last, next), max(most, last, next)
			last = next
		}
	}
	f.Flat = most-least < 3
	return f
}

// area is the mean of place x, y of 9 by 8.
func (p plane) area(x, y int) float32 {
	x0, x1 := float64(x*p.w)/9, float64((x+1)*p.w)/9
	y0, y1 := float64(y*p.h)/8, float64((y+1)*p.h)/8
	sum, all := 0.0, 0.0
	for yy := int(y0); yy < p.h && float64(yy) < y1; yy++ {
		high := min(y1, float64(yy+1)) - max(y0, float64(yy))
		for xx := int(x0); xx < p.w && float64(xx) < x1; xx++ {
			part := high * (min(x1, float64(xx+1)) - max(x0, float64(xx)))
			sum += part * float64(p.row(yy)[xx])
			all += part
		}
	}
	return float32(sum / all)
}

// Distance is in how many of 64 places two fingerprints differ.
func (f Fingerprint) Distance(g Fingerprint) int { return bits.OnesCount64(f.Bits ^ g.Bits) }

// Near reports whether two pictures may well be versions of one: their shapes differ by less than 3 in 100, and what is
// on them in at most 6 places.
func (f Fingerprint) Near(g Fingerprint) bool {
	return !f.Flat && !g.Flat && f.Aspect < g.Aspect*1.03 && g.Aspect < f.Aspect*1.03 && f.Distance(g) <= 6
}
