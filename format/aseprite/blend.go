package aseprite

import "math"

// pixel is a colour with straight alpha.
type pixel [4]uint8

func blendNames() []string {
	return []string{"normal", "multiply", "screen", "overlay", "darken", "lighten", "color dodge", "color burn", "hard light", "soft light", "difference",
		"exclusion", "hue", "saturation", "color", "luminosity", "addition", "subtract", "divide"}
}

// mul is a×b of 255ths, rounded; a may be negative.
func mul(a, b int) int {
	t := a*b + 0x80
	return ((t >> 8) + t) >> 8
}

// div is a/b of 255ths, rounded.
func div(a, b int) int { return (a*255 + b/2) / b }

// normal puts a pixel onto another.
func normal(below, top pixel, opacity int) pixel {
	if below[3] == 0 {
		top[3] = uint8(mul(int(top[3]), opacity))
		return top
	}
	if top[3] == 0 {
		return below
	}
	a := mul(int(top[3]), opacity)
	ba := int(below[3])
	ra := a + ba - mul(ba, a)
	if ra == 0 {
		return pixel{}
	}
	out := pixel{3: uint8(ra)}
	for c := range 3 {
		out[c] = uint8(int(below[c]) + (int(top[c])-int(below[c]))*a/ra)
	}
	return out
}

// merge is a share of top and the rest of below, alpha too.
func merge(below, top pixel, share int) pixel {
	var out pixel
	switch {
	case below[3] == 0:
		out = top
	case top[3] == 0:
		out = below
	default:
		for c := range 3 {
			out[c] = uint8(int(below[c]) + mul(int(top[c])-int(below[c]), share))
		}
	}
	a := int(below[3]) + mul(int(top[3])-int(below[3]), share)
	if a == 0 {
		return pixel{}
	}
	out[3] = uint8(a)
	return out
}

// blend puts a pixel onto another in a mode. Where nothing is below, the mode is normal.
func blend(mode uint16, below, top pixel, opacity int) pixel {
	if mode == 0 || below[3] == 0 {
		return normal(below, top, opacity)
	}
	plain := normal(below, top, opacity)
	mixed := mix(mode, below, top)
	mixed[3] = top[3]
	mixed = normal(below, mixed, opacity)
	out := merge(plain, mixed, int(below[3]))
	return merge(out, mixed, mul(int(below[3]), mul(int(top[3]), opacity)))
}

// mix returns the colour of two in a mode.
func mix(mode uint16, below, top pixel) pixel {
	if mode >= 12 && mode <= 15 {
		return mixHSL(mode, below, top)
	}
	var out pixel
	for c := range 3 {
		out[c] = uint8(min(max(mixChannel(mode, int(below[c]), int(top[c])), 0), 255))
	}
	return out
}

func mixChannel(mode uint16, b, s int) int {
	switch mode {
	case 1:
		return mul(b, s)
	case 2:
		return b + s - mul(b, s)
	case 3:
		return mixChannel(8, s, b)
	case 4:
		return min(b, s)
	case 5:
		return max(b, s)
	case 6:
		if b == 0 {
			return 0
		}
		if s = 255 - s; b >= s {
			return 255
		}
		return div(b, s)
	case 7:
		if b == 255 {
			return 255
		}
		if b = 255 - b; b >= s {
			return 0
		}
		return 255 - div(b, s)
	case 8:
		if s < 128 {
			return mul(b, s<<1)
		}
		s = s<<1 - 255
		return b + s - mul(b, s)
	case 9:
		return softLight(b, s)
	case 10:
		return max(b, s) - min(b, s)
	case 11:
		return b + s - 2*mul(b, s)
	case 16:
		return b + s
	case 17:
		return b - s
	case 18:
		switch {
		case b == 0:
			return 0
		case b >= s:
			return 255
		}
		return div(b, s)
	}
	return s
}

func softLight(x, y int) int {
	b, s := float64(x)/255, float64(y)/255
	d := math.Sqrt(b)
	if b <= 0.25 {
		d = ((16*b-12)*b + 4) * b
	}
	r := b + (2*s-1)*(d-b)
	if s <= 0.5 {
		r = b - (1-2*s)*b*(1-b)
	}
	return int(r*255 + 0.5)
}

type rgb [3]float64

func lum(c rgb) float64 { return 0.3*c[0] + 0.59*c[1] + 0.11*c[2] }

func sat(c rgb) float64 { return max(c[0], c[1], c[2]) - min(c[0], c[1], c[2]) }

func setLum(c rgb, l float64) rgb {
	d := l - lum(c)
	for i := range c {
		c[i] += d
	}
	l = lum(c)
	if n := min(c[0], c[1], c[2]); n < 0 {
		for i := range c {
			c[i] = l + (c[i]-l)*l/(l-n)
		}
	}
	if x := max(c[0], c[1], c[2]); x > 1 {
		for i := range c {
			c[i] = l + (c[i]-l)*(1-l)/(x-l)
		}
	}
	return c
}

// setSat sets the saturation of a colour. Of two channels that are the same, Aseprite takes one for both the middle and an
// end, and leaves the other as it was; sprites look as they do with that.
func setSat(c rgb, s float64) rgb {
	pick := func(first bool, a, b int) int {
		if first {
			return a
		}
		return b
	}
	low := pick(c[1] < c[2], 1, 2)
	low = pick(c[0] < c[low], 0, low)
	top := pick(c[1] > c[2], 1, 2)
	top = pick(c[0] > c[top], 0, top)
	var mid int
	if c[0] > c[1] {
		mid = pick(c[1] > c[2], 1, pick(c[0] > c[2], 2, 0))
	} else {
		mid = pick(c[1] > c[2], pick(c[2] > c[0], 2, 0), 1)
	}
	if c[top] > c[low] {
		c[mid] = (c[mid] - c[low]) * s / (c[top] - c[low])
		c[top] = s
	} else {
		c[mid], c[top] = 0, 0
	}
	c[low] = 0
	return c
}

// mixHSL mixes by hue, saturation and luminosity, as PDF has it.
func mixHSL(mode uint16, below, top pixel) pixel {
	var b, s rgb
	for i := range 3 {
		b[i], s[i] = float64(below[i])/255, float64(top[i])/255
	}
	var c rgb
	switch mode {
	case 12:
		c = setLum(setSat(s, sat(b)), lum(b))
	case 13:
		c = setLum(setSat(b, sat(s)), lum(b))
	case 14:
		c = setLum(s, lum(b))
	case 15:
		c = setLum(b, lum(s))
	}
	var out pixel
	for i := range 3 {
		out[i] = uint8(min(max(255*c[i], 0), 255))
	}
	return out
}
