package raster

import (
	"context"
	"image"
	"math"
)

// DeltaE2000 is the CIEDE2000 difference of two colours of CIE L*a*b*. One is about what an eye can just tell.
//
// The angles of the formula are not computed where their sines and cosines will do: those of the mean hue are of the
// sum of the two directions.
func DeltaE2000(L1, a1, b1, L2, a2, b2 float64) float64 {
	meanC := (math.Sqrt(a1*a1+b1*b1) + math.Sqrt(a2*a2+b2*b2)) / 2
	g := 1.5 - 0.5*math.Sqrt(ratio7(meanC))
	a1, a2 = a1*g, a2*g
	c1, c2 := math.Sqrt(a1*a1+b1*b1), math.Sqrt(a2*a2+b2*b2)
	dL, dC := L2-L1, c2-c1
	dH := math.Sqrt(max(0, 2*(c1*c2-a1*a2-b1*b2)))
	if a1*b2-a2*b1 < 0 {
		dH = -dH
	}
	cosH, sinH := meanHue(a1, b1, c1, a2, b2, c2)
	meanL := (L1 + L2) / 2
	meanC = (c1 + c2) / 2

	cos2, sin2 := cosH*cosH-sinH*sinH, 2*sinH*cosH
	cos3, sin3 := cosH*cos2-sinH*sin2, sinH*cos2+cosH*sin2
	cos4, sin4 := cos2*cos2-sin2*sin2, 2*sin2*cos2
	const (
		cos30, sin30 = 0.86602540378443865, 0.5
		cos6, sin6   = 0.99452189536827333, 0.10452846326765347
		cos63, sin63 = 0.45399049973954680, 0.89100652418836786
	)
	t := 1 - 0.17*(cosH*cos30+sinH*sin30) + 0.24*cos2 + 0.32*(cos3*cos6-sin3*sin6) - 0.20*(cos4*cos63+sin4*sin63)
	l50 := (meanL - 50) * (meanL - 50)
	sL := 1 + 0.015*l50/math.Sqrt(20+l50)
	sC := 1 + 0.045*meanC
	sH := 1 + 0.015*meanC*t
	rL, rC, rH := dL/sL, dC/sC, dH/sH
	sum := rL*rL + rC*rC + rH*rH
	if (sinH < 0 || cosH < 0) && rH != 0 { // the turn is of blues, about 275°: from 0 to 90° there is none
		h := math.Atan2(sinH, cosH) * 180 / math.Pi
		if h < 0 {
			h += 360
		}
		far := (h - 275) / 25
		turn := 60 * math.Exp(-far*far) * math.Pi / 180
		sum -= 2 * math.Sqrt(ratio7(meanC)) * math.Sin(turn) * rC * rH
	}
	return math.Sqrt(max(sum, 0))
}

// ratio7 is c⁷ / (c⁷ + 25⁷).
func ratio7(c float64) float64 {
	c2 := c * c
	c7 := c2 * c2 * c2 * c
	return c7 / (c7 + 6103515625)
}

// meanHue returns the cosine and sine of the hue in the middle of two: where one has no hue, the other's.
func meanHue(a1, b1, c1, a2, b2, c2 float64) (cos, sin float64) {
	switch {
	case c1 == 0 && c2 == 0:
		return 1, 0
	case c1 == 0:
		return a2 / c2, b2 / c2
	case c2 == 0:
		return a1 / c1, b1 / c1
	}
	x, y := a1/c1+a2/c2, b1/c1+b2/c2
	n := math.Sqrt(x*x + y*y)
	if n > 1e-4 {
		return x / n, y / n
	}
	h1, h2 := math.Atan2(b1, a1), math.Atan2(b2, a2) // opposite: the formula takes the mean of the angles
	if h1 < 0 {
		h1 += 2 * math.Pi
	}
	if h2 < 0 {
		h2 += 2 * math.Pi
	}
	h := (h1 + h2) / 2
	if math.Abs(h1-h2) > math.Pi+1e-9 {
		h += math.Pi
	}
	sin, cos = math.Sincos(h)
	return cos, sin
}

// delta computes CIEDE2000 of the pixels that are set: all, or one of each part of as many equal parts as the sample is.
func (v *view) delta(ctx context.Context, seen *mask, whole bool, workers int, d Delta) (Delta, error) {
	n := seen.count()
	take := min(n, deltaSample)
	if whole {
		take = n
	}
	d.Pixels, d.Sampled = take, take < n
	if take == 0 {
		return d, nil
	}
	steps := make([]int, 512*256) // counts, by ΔE in parts of 1/512
	sum := 0.0
	batch := make([]image.Point, 0, min(take, 1<<14))
	apart := make([]float64, cap(batch))
	var failure error
	flush := func() bool { // several at once, and added up in their order: so is the sum the same each time
		failure = share(ctx, workers, len(batch), 1<<10, func(from, to int) error {
			v.deltas(batch[from:to], apart[from:to])
			return nil
		})
		for _, e := range apart[:len(batch)] {
			steps[min(int(e*512), len(steps)-1)]++
			sum += e
			d.Max = max(d.Max, e)
		}
		batch = batch[:0]
		return failure == nil
	}
	turn := sequence(2)
	at, part, next := 0, 0, turn.below(n/take)
	seen.each(func(x, y int) bool {
		if at++; at-1 != next {
			return true
		}
		batch = append(batch, image.Pt(x, y))
		if part++; part == take {
			return false
		}
		from, to := int(int64(n)*int64(part)/int64(take)), int(int64(n)*int64(part+1)/int64(take))
		next = from + turn.below(to-from)
		return len(batch) < cap(batch) || flush()
	})
	if failure != nil || !flush() {
		return d, failure
	}
	d.Mean = sum / float64(take)
	below := 0
	for i, n := range steps {
		if below += n; below > (take-1)*95/100 {
			d.P95 = min((float64(i)+0.5)/512, d.Max)
			break
		}
	}
	return d, nil
}

// deltas computes CIEDE2000 of pixels.
func (v *view) deltas(pixels []image.Point, out []float64) {
	var one, other [3]float32
	var alpha [1]float32
	for i, p := range pixels {
		v.light(0, p.Y, p.X, p.X+1, one[:], alpha[:])
		v.light(1, p.Y, p.X, p.X+1, other[:], alpha[:])
		L1, a1, b1 := lab65(float64(one[0]), float64(one[1]), float64(one[2]))
		L2, a2, b2 := lab65(float64(other[0]), float64(other[1]), float64(other[2]))
		out[i] = DeltaE2000(L1, a1, b1, L2, a2, b2)
	}
}
