package xcf

import (
	"fmt"
	"math"
)

// Ways in which a layer covers what is below it.
const (
	union = 1 + iota
	clipToBackdrop
	clipToLayer
	intersection
	legacy  // as GIMP did it up to 2.8
	replace // of what is below, as far as the layer is opaque
	erase
	antiErase
	behind
	fused // side by side, as far as there is room
	split
	colorErase
)

// Spaces in which colours are mixed.
const (
	linear     = 1
	perceptual = 2
)

type rgb [3]float64

// blending is how a mode mixes.
type blending struct {
	name      string
	composite int
	compSpace int
	space     int
	mix       func(in, layer rgb) rgb // nil: the layer's colour
	part      string                  // what of it is not shown
}

const passThrough = 61

func modeName(mode uint32) string {
	if b, ok := blendingOf(mode); ok {
		return b.name
	}
	return fmt.Sprintf("mode %d", mode)
}

// each makes a mix of a function of one channel.
func each(f func(a, b float64) float64) func(in, layer rgb) rgb {
	return func(in, layer rgb) rgb { return rgb{f(in[0], layer[0]), f(in[1], layer[1]), f(in[2], layer[2])} }
}

func unit(v float64) float64 { return min(max(v, 0), 1) }

// clamped is each, with results from 0 to 1, as the old modes have it.
func clamped(f func(a, b float64) float64) func(in, layer rgb) rgb {
	return each(func(a, b float64) float64 { return unit(f(a, b)) })
}

// over divides; nearly 0 by nearly 0 is 0.
func over(a, b float64) float64 {
	if math.Abs(a) <= 1e-7 {
		return 0
	}
	if math.Abs(b) < 1e-7 {
		b = math.Copysign(1e-7, b)
	}
	return a / b
}

func multiply(a, b float64) float64   { return a * b }
func screen(a, b float64) float64     { return 1 - (1-a)*(1-b) }
func difference(a, b float64) float64 { return math.Abs(a - b) }
func addition(a, b float64) float64   { return a + b }
func subtract(a, b float64) float64   { return a - b }
func darken(a, b float64) float64     { return min(a, b) }
func lighten(a, b float64) float64    { return max(a, b) }
func dodge(a, b float64) float64      { return over(a, 1-b) }
func burn(a, b float64) float64       { return 1 - over(1-a, b) }
func exclusion(a, b float64) float64  { return 0.5 - 2*(a-0.5)*(b-0.5) }
func extract(a, b float64) float64    { return a - b + 0.5 }
func merge(a, b float64) float64      { return a + b - 0.5 }
func linearLight(a, b float64) float64 {
	return a + 2*b - 1
}

func overlay(a, b float64) float64 {
	if a < 0.5 {
		return 2 * a * b
	}
	return 1 - 2*(1-b)*(1-a)
}

func hardLight(a, b float64) float64 {
	if b > 0.5 {
		return min(1-(1-a)*(1-(b-0.5)*2), 1)
	}
	return min(a*b*2, 1)
}

func softLight(a, b float64) float64 {
	return (1-a)*a*b + a*(1-(1-a)*(1-b))
}

func vividLight(a, b float64) float64 {
	if b <= 0.5 {
		return max(1-over(1-a, 2*b), 0)
	}
	return min(over(a, 2*(1-b)), 1)
}

func pinLight(a, b float64) float64 {
	if b > 0.5 {
		return max(a, 2*(b-0.5))
	}
	return min(a, 2*b)
}

func hardMix(a, b float64) float64 {
	if a+b < 1 {
		return 0
	}
	return 1
}

// blendingOf returns how a mode mixes; false for one that is not known.
func blendingOf(mode uint32) (blending, bool) {
	if mode <= 22 {
		return legacyOf(mode)
	}
	b := blending{composite: clipToBackdrop, compSpace: linear, space: perceptual}
	with := func(name string, f func(a, b float64) float64) {
		b.name, b.mix = name, each(f)
	}
	straight := func(name string, f func(a, b float64) float64) {
		with(name, f)
		b.space = linear
	}
	whole := func(name string, mix func(in, layer rgb) rgb) { b.name, b.mix = name, mix }
	switch mode {
	case 23:
		with("overlay", overlay)
	case 24, 25, 26, 27:
		whole([]string{"LCh hue", "LCh chroma", "LCh color", "LCh lightness"}[mode-24], lch(int(mode)-24))
		b.space = linear
	case 28:
		b = blending{name: "normal", composite: union, compSpace: linear, space: linear}
	case 29:
		b = blending{name: "behind", composite: behind, compSpace: linear, space: linear}
	case 30:
		straight("multiply", multiply)
	case 31:
		with("screen", screen)
	case 32:
		with("difference", difference)
	case 33:
		straight("addition", addition)
	case 34:
		straight("subtract", subtract)
	case 35:
		with("darken only", darken)
	case 36:
		with("lighten only", lighten)
	case 37, 38, 39, 40:
		whole([]string{"HSV hue", "HSV saturation", "HSL color", "HSV value"}[mode-37], hsv(int(mode)-37))
	case 41:
		straight("divide", over)
	case 42:
		with("dodge", dodge)
	case 43:
		with("burn", burn)
	case 44:
		with("hard light", hardLight)
	case 45:
		with("soft light", softLight)
	case 46:
		with("grain extract", extract)
	case 47:
		with("grain merge", merge)
	default:
		return laterOf(mode)
	}
	return b, true
}

// laterOf returns how the modes mix that GIMP 2.10 added.
func laterOf(mode uint32) (blending, bool) {
	b := blending{composite: clipToBackdrop, compSpace: linear, space: perceptual}
	with := func(name string, f func(a, b float64) float64) { b.name, b.mix = name, each(f) }
	switch mode {
	case 48:
		with("vivid light", vividLight)
	case 49:
		with("pin light", pinLight)
	case 50:
		with("linear light", linearLight)
	case 51:
		with("hard mix", hardMix)
	case 52:
		with("exclusion", exclusion)
	case 53:
		with("linear burn", func(a, b float64) float64 { return a + b - 1 })
	case 54:
		b.name, b.mix = "luma darken only", func(in, layer rgb) rgb {
			if luma(layer) <= luma(in) {
				return layer
			}
			return in
		}
	case 55:
		b.name, b.mix = "luma lighten only", func(in, layer rgb) rgb {
			if luma(layer) >= luma(in) {
				return layer
			}
			return in
		}
	case 56:
		b.name, b.space = "luminance", linear
		b.mix = func(in, layer rgb) rgb {
			k := over(luma(layer), luma(in))
			return rgb{in[0] * k, in[1] * k, in[2] * k}
		}
	case 58:
		b = blending{name: "erase", composite: erase, compSpace: linear, space: linear}
	case 59:
		b = blending{name: "merge", composite: fused, compSpace: linear, space: linear}
	case 60:
		b = blending{name: "split", composite: split, compSpace: linear, space: linear}
	case passThrough:
		b = blending{name: "pass through", composite: replace, compSpace: linear, space: linear}
	case 62:
		b = blending{name: "replace", composite: replace, compSpace: linear, space: linear}
	case 63:
		b = blending{name: "anti erase", composite: antiErase, compSpace: linear, space: linear}
	case 57:
		b = blending{name: "color erase", composite: colorErase, compSpace: linear, space: perceptual}
	default:
		return b, false
	}
	return b, true
}

// legacyOf returns how the modes of GIMP up to 2.8 mix.
func legacyOf(mode uint32) (blending, bool) {
	b := blending{composite: legacy, compSpace: perceptual, space: perceptual}
	with := func(name string, f func(a, b float64) float64) { b.name, b.mix = name+" (legacy)", clamped(f) }
	switch mode {
	case 0, 1:
		b.name, b.composite = "normal (legacy)", union
		if mode == 1 {
			b.name, b.part = "dissolve", "dissolve as normal"
		}
	case 2:
		b.name, b.composite = "behind (legacy)", behind
	case 3:
		with("multiply", multiply)
	case 4:
		with("screen", screen)
	case 5, 19: // what was called overlay was soft light
		with([]string{"overlay", "soft light"}[btoi(mode == 19)], softLight)
	case 6:
		with("difference", difference)
	case 7:
		with("addition", addition)
	case 8:
		with("subtract", subtract)
	case 9:
		with("darken only", darken)
	case 10:
		with("lighten only", lighten)
	case 11, 12, 13, 14:
		b.name, b.mix = []string{"hue", "saturation", "color", "value"}[mode-11]+" (legacy)", hsv(int(mode)-11)
	case 15:
		with("divide", over)
	case 16:
		with("dodge", dodge)
	case 17:
		with("burn", burn)
	case 18:
		with("hard light", hardLight)
	case 20:
		with("grain extract", extract)
	case 21:
		with("grain merge", merge)
	case 22:
		b.name, b.composite = "color erase (legacy)", colorErase
	default:
		return b, false
	}
	return b, true
}

// luma is the luminance of linear colours, and what GIMP compares others by.
func luma(c rgb) float64 { return 0.2225*c[0] + 0.7169*c[1] + 0.0606*c[2] }

// hsv mixes hue (0), saturation (1), color (2) or value (3) of a layer with the rest of what is below.
func hsv(what int) func(in, layer rgb) rgb {
	return func(in, layer rgb) rgb {
		switch what {
		case 2:
			h, s, _ := toHSL(layer)
			_, _, l := toHSL(in)
			return fromHSL(h, s, l)
		case 0:
			h, s, v := toHSV(in)
			if lh, ls, _ := toHSV(layer); ls > 0 { // gray has no hue
				h = lh
				return fromHSV(h, s, v)
			}
			return in
		case 1:
			h, _, v := toHSV(in)
			_, s, _ := toHSV(layer)
			return fromHSV(h, s, v)
		}
		h, s, _ := toHSV(in)
		_, _, v := toHSV(layer)
		return fromHSV(h, s, v)
	}
}

func hue(c rgb, top, d float64) float64 {
	switch {
	case d == 0:
		return 0
	case top == c[0]:
		return math.Mod((c[1]-c[2])/d+6, 6)
	case top == c[1]:
		return (c[2]-c[0])/d + 2
	}
	return (c[0]-c[1])/d + 4
}

func toHSV(c rgb) (h, s, v float64) {
	top, low := max(c[0], c[1], c[2]), min(c[0], c[1], c[2])
	if top-low < 1e-5 {
		return 0, 0, top
	}
	return hue(c, top, top-low), over(top-low, top), top
}

func fromHue(h, top, low float64) rgb {
	mid := func(f float64) float64 { return low + (top-low)*f }
	f := h - math.Floor(h)
	switch int(math.Floor(h)) % 6 {
	case 0:
		return rgb{top, mid(f), low}
	case 1:
		return rgb{mid(1 - f), top, low}
	case 2:
		return rgb{low, top, mid(f)}
	case 3:
		return rgb{low, mid(1 - f), top}
	case 4:
		return rgb{mid(f), low, top}
	}
	return rgb{top, low, mid(1 - f)}
}

func fromHSV(h, s, v float64) rgb { return fromHue(h, v, v*(1-s)) }

func toHSL(c rgb) (h, s, l float64) {
	top, low := max(c[0], c[1], c[2]), min(c[0], c[1], c[2])
	l = (top + low) / 2
	if top-low < 1e-5 {
		return 0, 0, l
	}
	if l <= 0.5 {
		s = over(top-low, top+low)
	} else {
		s = over(top-low, 2-top-low)
	}
	return hue(c, top, top-low), s, l
}

func fromHSL(h, s, l float64) rgb {
	c := (1 - math.Abs(2*l-1)) * s
	return fromHue(h, l+c/2, l-c/2)
}

// lch mixes hue (0), chroma (1), both (2) or lightness (3) in CIE LCh.
func lch(what int) func(in, layer rgb) rgb {
	return func(in, layer rgb) rgb {
		a, b := toLab(in), toLab(layer)
		ca, cb := math.Hypot(a[1], a[2]), math.Hypot(b[1], b[2])
		switch what {
		case 0:
			if cb > 0 {
				a[1], a[2] = ca*b[1]/cb, ca*b[2]/cb
			}
		case 1:
			if ca > 0 {
				a[1], a[2] = a[1]*cb/ca, a[2]*cb/ca
			}
		case 2:
			a[1], a[2] = b[1], b[2]
		case 3:
			a[0] = b[0]
		}
		return fromLab(a)
	}
}

// The matrices are of sRGB's primaries with the white D50.
func toLab(c rgb) rgb {
	x := (0.4360747*c[0] + 0.3850649*c[1] + 0.1430804*c[2]) / 0.9642
	y := 0.2225045*c[0] + 0.7168786*c[1] + 0.0606169*c[2]
	z := (0.0139322*c[0] + 0.0971045*c[1] + 0.7141733*c[2]) / 0.8249
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	return rgb{116*f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))}
}

func fromLab(c rgb) rgb {
	fy := (c[0] + 16) / 116
	g := func(f float64) float64 {
		if f*f*f > 216.0/24389 {
			return f * f * f
		}
		return (116*f - 16) * 27 / 24389
	}
	x, y, z := 0.9642*g(fy+c[1]/500), g(fy), 0.8249*g(fy-c[2]/200)
	return rgb{
		3.1338561*x - 1.6168667*y - 0.4906146*z,
		-0.9787684*x + 1.9161415*y + 0.0334540*z,
		0.0719453*x - 0.2289914*y + 1.4052427*z,
	}
}
