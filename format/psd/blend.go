package psd

import "math"

// blender mixes a colour of what lies below with one of a layer, both 0 to 1.
type blender func(below, layer float32) float32

// separable returns the function of a blend mode that goes channel by channel; nil if there is none.
func separable(key string) blender {
	switch key {
	case "norm", "pass", "diss":
		return func(_, s float32) float32 { return s }
	case "dark":
		return func(b, s float32) float32 { return min(b, s) }
	case "mul ":
		return func(b, s float32) float32 { return b * s }
	case "idiv":
		return burn
	case "lbrn":
		return func(b, s float32) float32 { return max(0, b+s-1) }
	case "lite":
		return func(b, s float32) float32 { return max(b, s) }
	case "scrn":
		return screen
	case "div ":
		return dodge
	case "lddg":
		return func(b, s float32) float32 { return min(1, b+s) }
	case "over":
		return func(b, s float32) float32 { return hard(s, b) }
	case "sLit":
		return soft
	case "hLit":
		return hard
	case "vLit":
		return vivid
	case "lLit":
		return func(b, s float32) float32 { return min(1, max(0, b+2*s-1)) }
	case "pLit":
		return func(b, s float32) float32 { return max(2*s-1, min(b, 2*s)) }
	case "hMix":
		return func(b, s float32) float32 {
			if b+s >= 1 {
				return 1
			}
			return 0
		}
	case "diff":
		return func(b, s float32) float32 { return max(b-s, s-b) }
	case "smud":
		return func(b, s float32) float32 { return b + s - 2*b*s }
	case "fsub":
		return func(b, s float32) float32 { return max(0, b-s) }
	case "fdiv":
		return func(b, s float32) float32 {
			if s <= 0 {
				return 1
			}
			return min(1, b/s)
		}
	}
	return nil
}

func screen(b, s float32) float32 { return b + s - b*s }

func burn(b, s float32) float32 {
	switch {
	case b >= 1:
		return 1
	case s <= 0:
		return 0
	}
	return 1 - min(1, (1-b)/s)
}

func dodge(b, s float32) float32 {
	switch {
	case b <= 0:
		return 0
	case s >= 1:
		return 1
	}
	return min(1, b/(1-s))
}

func hard(b, s float32) float32 {
	if s <= .5 {
		return 2 * b * s
	}
	return screen(b, 2*s-1)
}

func soft(b, s float32) float32 {
	if s <= .5 {
		return b - (1-2*s)*b*(1-b)
	}
	return b + (2*s-1)*(float32(math.Sqrt(float64(b)))-b)
}

func vivid(b, s float32) float32 {
	if s <= .5 {
		return burn(b, 2*s)
	}
	return dodge(b, 2*s-1)
}

// neutral is the colour that a mode of those eight whose fill thins the colour, not the layer, leaves things as they
// are with; -1 for other modes.
func neutral(key string) float32 {
	switch key {
	case "idiv", "lbrn":
		return 1
	case "div ", "lddg", "diff":
		return 0
	case "vLit", "lLit", "hMix":
		return .5
	}
	return -1
}

type rgb [3]float32

// joint returns the function of a blend mode that needs all three colours; nil if there is none.
func joint(key string) func(below, layer rgb) rgb {
	switch key {
	case "hue ":
		return func(b, s rgb) rgb { return s.saturated(b.saturation()).lit(b.light()) }
	case "sat ":
		return func(b, s rgb) rgb { return b.saturated(s.saturation()).lit(b.light()) }
	case "colr":
		return func(b, s rgb) rgb { return s.lit(b.light()) }
	case "lum ":
		return func(b, s rgb) rgb { return b.lit(s.light()) }
	case "dkCl":
		return func(b, s rgb) rgb {
			if s.light() < b.light() {
				return s
			}
			return b
		}
	case "lgCl":
		return func(b, s rgb) rgb {
			if s.light() > b.light() {
				return s
			}
			return b
		}
	}
	return nil
}

func (c rgb) light() float32      { return .3*c[0] + .59*c[1] + .11*c[2] }
func (c rgb) saturation() float32 { return max(c[0], c[1], c[2]) - min(c[0], c[1], c[2]) }

// lit is c with another lightness, within what can be shown.
func (c rgb) lit(light float32) rgb {
	d := light - c.light()
	for i := range c {
		c[i] += d
	}
	l, lo, hi := c.light(), min(c[0], c[1], c[2]), max(c[0], c[1], c[2])
	for i := range c {
		if lo < 0 {
			c[i] = l + (c[i]-l)*l/(l-lo)
		}
	}
	for i := range c {
		if hi > 1 {
			c[i] = l + (c[i]-l)*(1-l)/(hi-l)
		}
	}
	return c
}

// saturated is c with another saturation.
func (c rgb) saturated(s float32) rgb {
	lo, hi := min(c[0], c[1], c[2]), max(c[0], c[1], c[2])
	if hi <= lo {
		return rgb{}
	}
	for i := range c {
		c[i] = (c[i] - lo) * s / (hi - lo)
	}
	return c
}
