package distribution

import "math"

// Normal is the standard normal distribution.
type Normal struct{}

// Density at z.
func (Normal) Density(z float64) float64 { return math.Exp(-z*z/2 - lnSqrt2Pi) }

// Lower is P(Z ≤ z).
func (Normal) Lower(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// Upper is P(Z > z).
func (Normal) Upper(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

// Quantile is the z with P(Z ≤ z) = p.
func (n Normal) Quantile(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1):
		return math.NaN()
	case p == 0 || p == 1:
		return math.Inf(2*int(p) - 1)
	case p > 0.5:
		return -n.lowQuantile(1 - p)
	}
	return n.lowQuantile(p)
}

// UpperQuantile is the z with P(Z > z) = p.
func (n Normal) UpperQuantile(p float64) float64 { return -n.Quantile(p) }

// lowQuantile: Newton's method on log P from a first guess; log P is concave, so it runs to the root from the left.
func (n Normal) lowQuantile(p float64) float64 {
	var z float64
	if p > 1e-6 {
		z = math.Sqrt2 * math.Erfinv(2*p-1)
	} else {
		r := -2 * math.Log(p)
		z = -math.Sqrt(r - math.Log(r) - 2*lnSqrt2Pi)
	}
	for range 20 {
		low := n.Lower(z)
		step := math.Log(low/p) * low / n.Density(z)
		z -= step
		if math.Abs(step) <= 1e-15*math.Abs(z) || math.IsNaN(step) {
			break
		}
	}
	return z
}

// T is Student's t distribution.
type T struct{ DF float64 } // degrees of freedom, > 0, whole or not; +Inf is the normal distribution

// Upper is P(T > t).
func (d T) Upper(t float64) float64 { return d.Lower(-t) }

// Lower is P(T ≤ t).
func (d T) Lower(t float64) float64 {
	if math.IsInf(d.DF, 1) {
		return Normal{}.Lower(t)
	}
	if math.IsInf(t, 0) {
		return indicator(t > 0)
	}
	tail := d.BothTails(t) / 2
	if t > 0 {
		return 1 - tail
	}
	return tail
}

// BothTails is P(|T| > |t|), the two-sided p value.
func (d T) BothTails(t float64) float64 {
	switch {
	case math.IsInf(d.DF, 1):
		return 2 * Normal{}.Upper(math.Abs(t))
	case math.IsInf(t, 0):
		return 0
	}
	// t² may overflow: both parts of x are divided by it first where it is large.
	x, y := d.DF/(d.DF+t*t), t*t/(d.DF+t*t)
	if t*t > d.DF {
		r := d.DF / t / t
		x, y = r/(1+r), 1/(1+r)
	}
	both, _ := incompleteBeta(d.DF/2, 0.5, x, y)
	return both
}

// Quantile is the t with P(T ≤ t) = p.
func (d T) Quantile(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1) || !(d.DF > 0):
		return math.NaN()
	case p == 0.5:
		return 0
	case p > 0.5:
		return d.UpperQuantile(1 - p)
	}
	return -d.UpperQuantile(p)
}

// UpperQuantile is the t with P(T > t) = p.
func (d T) UpperQuantile(p float64) float64 {
	switch {
	case math.IsInf(d.DF, 1):
		return Normal{}.UpperQuantile(p)
	case p > 0.5:
		return d.Quantile(1 - p)
	case p == 0.5:
		return 0
	case p == 0:
		return math.Inf(1)
	case !(p > 0) || !sound(d.DF):
		return math.NaN()
	}
	return positiveQuantile(func(t float64) float64 { return p - d.BothTails(t)/2 }, Normal{}.UpperQuantile(p))
}

// ChiSquared is the χ² distribution.
type ChiSquared struct{ DF float64 }

// Lower is P(X ≤ x).
func (d ChiSquared) Lower(x float64) float64 { l, _ := incompleteGamma(d.DF/2, x/2); return l }

// Upper is P(X > x).
func (d ChiSquared) Upper(x float64) float64 { _, u := incompleteGamma(d.DF/2, x/2); return u }

// Quantile is the x with P(X ≤ x) = p.
func (d ChiSquared) Quantile(p float64) float64 { return Gamma{Shape: d.DF / 2}.Quantile(p) * 2 }

// Gamma is the gamma distribution with scale 1.
type Gamma struct{ Shape float64 }

// Lower is P(X ≤ x).
func (d Gamma) Lower(x float64) float64 { l, _ := incompleteGamma(d.Shape, x); return l }

// Upper is P(X > x).
func (d Gamma) Upper(x float64) float64 { _, u := incompleteGamma(d.Shape, x); return u }

// Quantile is the x with P(X ≤ x) = p.
func (d Gamma) Quantile(p float64) float64 { return twoSidedQuantile(d, p, d.Shape) }

// F is Fisher's F distribution.
type F struct{ DF1, DF2 float64 }

// Lower is P(X ≤ x).
func (d F) Lower(x float64) float64 { l, _ := d.both(x); return l }

// Upper is P(X > x).
func (d F) Upper(x float64) float64 { _, u := d.both(x); return u }

// Quantile is the x with P(X ≤ x) = p.
func (d F) Quantile(p float64) float64 { return twoSidedQuantile(d, p, 1) }

func (d F) both(x float64) (lower, upper float64) {
	switch {
	case x <= 0:
		return 0, 1
	case math.IsInf(x, 1):
		return 1, 0
	}
	r := d.DF1 / d.DF2 * x
	if r > 1 {
		return incompleteBeta(d.DF1/2, d.DF2/2, 1/(1+1/r), 1/(1+r))
	}
	return incompleteBeta(d.DF1/2, d.DF2/2, r/(1+r), 1/(1+r))
}

// Beta is the beta distribution on [0, 1].
type Beta struct{ A, B float64 }

// Lower is P(X ≤ x).
func (d Beta) Lower(x float64) float64 { l, _ := incompleteBeta(d.A, d.B, x, 1-x); return l }

// Upper is P(X > x).
func (d Beta) Upper(x float64) float64 { _, u := incompleteBeta(d.A, d.B, x, 1-x); return u }

// Quantile is the x with P(X ≤ x) = p.
func (d Beta) Quantile(p float64) float64 {
	switch {
	case !(p >= 0 && p <= 1) || !sound(d.A) || !sound(d.B):
		return math.NaN()
	case p == 0 || p == 1:
		return p
	}
	return Root(difference(d, p), 0, 1)
}

// A sided distribution is known from both ends.
type sided interface {
	Lower(x float64) float64
	Upper(x float64) float64
}

// difference is a function that rises with x and is 0 at the quantile of p; from the side that has the digits.
func difference(d sided, p float64) func(float64) float64 {
	if p <= 0.5 {
		return func(x float64) float64 { return d.Lower(x) - p }
	}
	return func(x float64) float64 { return (1 - p) - d.Upper(x) }
}

// twoSidedQuantile inverts a distribution on the positive numbers.
func twoSidedQuantile(d sided, p, guess float64) float64 {
	switch {
	case !(p >= 0 && p <= 1) || math.IsNaN(d.Lower(guess)):
		return math.NaN()
	case p == 0:
		return 0
	case p == 1:
		return math.Inf(1)
	}
	return positiveQuantile(difference(d, p), guess)
}

// positiveQuantile finds the positive root of a function that rises, from a positive guess.
func positiveQuantile(f func(float64) float64, guess float64) float64 {
	low, high := guess, guess
	for f(low) > 0 && low > 0 {
		low /= 4
	}
	for f(high) < 0 && !math.IsInf(high, 1) {
		high *= 4
	}
	return Root(f, low, high)
}

// Root returns an x in [low, high] where f changes its sign, to the last digits that a float64 has. Where f has the
// same sign at both ends, it is NaN, or the end where f is 0. Method: T. R. Chandrupatla, "A new hybrid
// quadratic/bisection algorithm" (1997).
func Root(f func(float64) float64, low, high float64) float64 {
	a, b := high, low
	fa, fb := f(a), f(b)
	switch {
	case fa == 0:
		return a
	case fb == 0:
		return b
	case math.IsNaN(fa) || math.IsNaN(fb) || math.Signbit(fa) == math.Signbit(fb):
		return math.NaN()
	}
	t := 0.5
	for range 300 {
		x := a + t*(b-a)
		fx := f(x)
		c, fc := a, fa
		if math.Signbit(fx) != math.Signbit(fa) {
			c, fc = b, fb
			b, fb = a, fa
		}
		a, fa = x, fx
		best := a
		if math.Abs(fb) < math.Abs(fa) {
			best = b
		}
		room := math.Abs(b - a)
		least := 2*2.3e-16*math.Abs(best) + 5e-324
		if fx == 0 || room <= least {
			return best
		}
		t = 0.5
		xi, phi := (a-b)/(c-b), (fa-fb)/(fc-fb)
		if phi*phi < xi && (1-phi)*(1-phi) < 1-xi {
			t = fa/(fb-fa)*fc/(fb-fc) + (c-a)/(b-a)*fa/(fc-fa)*fb/(fc-fb)
		}
		edge := least / 2 / room
		t = min(max(t, edge), 1-edge)
	}
	return a
}
