package plot

import (
	"math"
	"strconv"
)

// A scale puts values of an axis between 0 and 1.
type scale struct {
	axis     *Axis
	low, top float64
	any      bool
}

func newScale(a *Axis) *scale { return &scale{axis: a} }

// hold widens the scale to a value, where the axis has a place for it.
func (s *scale) hold(v float64) {
	if !s.axis.holds(v) {
		return
	}
	if v = s.bend(v); !s.any {
		s.low, s.top, s.any = v, v, true
	}
	s.low, s.top = min(s.low, v), max(s.top, v)
}

// bend is a value as the axis runs: its logarithm on a logarithmic one.
func (s *scale) bend(v float64) float64 {
	if s.axis.Log {
		return math.Log10(v)
	}
	return v
}

// settle gives a scale an extent, and some air.
func (s *scale) settle(air float64) {
	switch {
	case !s.any:
		s.low, s.top = 0, 1
	case len(s.axis.Names) > 0:
		s.low, s.top = s.low-0.5, s.top+0.5
		return
	case s.low == s.top && s.low == 0:
		s.low, s.top = -1, 1
	case s.low == s.top:
		d := math.Abs(s.low) / 10
		s.low, s.top = s.low-d, s.top+d
	}
	d := (s.top - s.low) * air
	s.low, s.top = s.low-d, s.top+d
}

// at is the place of a value: 0 at the low end, 1 at the top; a little beyond for what lies outside.
func (s *scale) at(v float64) float64 {
	f := (s.bend(v) - s.low) / (s.top - s.low)
	return max(-0.01, min(1.01, f))
}

// A tick is a place on an axis and what stands there.
type tick struct {
	at    float64 // 0 to 1
	label string
}

// ticks are round values along the scale, about so many: steps of 1, 2 or 5 times a power of ten.
func (s *scale) ticks(about int) []tick {
	about = max(about, 2)
	if len(s.axis.Names) > 0 {
		return s.named(about)
	}
	if s.axis.Log {
		return s.powers(about)
	}
	step := nice((s.top - s.low) / float64(about))
	digits := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	var out []tick
	first := math.Ceil(s.low/step - 1e-9)
	for k := first; k*step <= s.top+step*1e-9 && len(out) <= 4*about; k++ {
		v := k * step
		if at := (v - s.low) / (s.top - s.low); at >= -1e-6 && at <= 1+1e-6 { // the least numbers divide badly
			out = append(out, tick{at, label(v, step, digits)})
		}
		if k+1 == k { // the scale is finer than a float64
			break
		}
	}
	return out
}

// nice is the least of 1, 2, 5 times a power of ten that is not less than v.
func nice(v float64) float64 {
	if !(v > 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	if p == 0 || math.IsInf(p, 0) {
		return v
	}
	for _, f := range []float64{1, 2, 5} {
		if v <= f*p*(1+1e-9) {
			return f * p
		}
	}
	return 10 * p
}

func label(v, step float64, digits int) string {
	if math.Abs(v) < step/2 {
		return "0"
	}
	if a := math.Abs(v); a >= 1e6 || digits > 6 {
		n := 0 // digits after the first that the step needs
		if d := math.Floor(math.Log10(a)) - math.Floor(math.Log10(step)); d > 0 {
			n = int(min(d, 16))
		}
		return minus(strconv.FormatFloat(v, 'e', n, 64))
	}
	return minus(strconv.FormatFloat(v, 'f', digits, 64))
}

func minus(s string) string {
	if len(s) > 0 && s[0] == '-' {
		return "−" + s[1:]
	}
	return s
}

// named are the names along the scale; of too many every second, fifth, ….
func (s *scale) named(about int) []tick {
	step := 1
	for len(s.axis.Names)/step > about {
		step = int(nice(float64(step) + 0.5))
	}
	var out []tick
	for i := 0; i < len(s.axis.Names); i += step {
		if at := (float64(i) - s.low) / (s.top - s.low); at >= 0 && at <= 1 {
			out = append(out, tick{at, s.axis.Names[i]})
		}
	}
	return out
}

// powers are the powers of ten, with 2 and 5 times them where there is room; plain ticks on less than a power.
func (s *scale) powers(about int) []tick {
	var out []tick
	span := s.top - s.low
	every := max(1, math.Ceil(span/float64(about)))
	factors := []float64{1}
	if span*3 <= float64(about) {
		factors = []float64{1, 2, 5}
	}
	for p := math.Floor(s.low); p <= s.top && len(out) <= 4*about; p += every {
		for _, f := range factors {
			if at := (p + math.Log10(f) - s.low) / span; at >= 0 && at <= 1 {
				out = append(out, tick{at, minus(strconv.FormatFloat(f*math.Pow(10, p), 'g', 3, 64))})
			}
		}
	}
	if len(out) >= 2 {
		return out
	}
	linear := &scale{axis: &Axis{}, low: math.Pow(10, s.low), top: math.Pow(10, s.top), any: true}
	out = linear.ticks(about)
	for i := range out {
		v := linear.low + out[i].at*(linear.top-linear.low)
		out[i].at = (math.Log10(v) - s.low) / span
	}
	return out
}
