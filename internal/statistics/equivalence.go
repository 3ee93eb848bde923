package statistics

import (
	"fmt"
	"math"

	"varve/internal/statistics/distribution"
)

// A Difference tests one-sided about o.Null, as Welch, Paired and Score do.
type Difference func(o Options) (Outcome, error)

// Equivalence is the test by two one-sided tests that a difference lies between low and high. P is the greater of the
// two; Interval is that of level 1 − 2·(1 − level), which lies inside exactly where the test finds equivalence at 1 −
// level. Source: Schuirmann (1987).
func Equivalence(test Difference, low, high float64, o Options) (Outcome, error) {
	if !(low < high) {
		return Outcome{}, fmt.Errorf("margins %g and %g: %w: the first is below the second", low, high, ErrInput)
	}
	o.Tail, o.Null = Greater, low
	above, err := test(o)
	if err != nil {
		return Outcome{}, err
	}
	o.Tail, o.Null = Less, high
	below, err := test(o)
	if err != nil {
		return Outcome{}, err
	}
	out := above
	if below.P > above.P {
		out = below
	}
	out.Method = "TOST, " + out.Method
	out.Interval = Interval{above.Interval.Low, below.Interval.High}
	return out, nil
}

// NonInferiority is the test that a difference is above −margin. Where lower is better, ask it of b − a.
func NonInferiority(test Difference, margin float64, o Options) (Outcome, error) {
	if !(margin >= 0) {
		return Outcome{}, fmt.Errorf("margin %g: %w: it is positive", margin, ErrInput)
	}
	o.Tail, o.Null = Greater, -margin
	out, err := test(o)
	out.Method = "non-inferiority, " + out.Method
	return out, err
}

// Score tests the difference a − b of two independent proportions against o.Null with the standard error under that
// hypothesis. Statistic: z. Estimate: the difference; Interval: the values that the test does not reject. Source:
// Farrington and Manning (1990); statsmodels: test_proportions_2indep(method="score", correction=False).
func Score(a, b Count, o Options) (Outcome, error) {
	if err := checkCounts(o, a, b); err != nil {
		return Outcome{}, err
	}
	if !(o.Null > -1 && o.Null < 1) {
		return Outcome{}, fmt.Errorf("difference %g: %w: it lies between -1 and 1", o.Null, ErrInput)
	}
	z := scoreZ(a, b, o.Null)
	n := distribution.Normal{}
	delta := a.Share() - b.Share()
	out := Outcome{Method: "score test of two proportions", Statistic: z, P: o.Tail.fromTails(n.Lower(z), n.Upper(z)), Estimate: delta}
	end := func(alpha, sign, edge float64) float64 {
		limit := n.UpperQuantile(alpha)
		f := func(d float64) float64 { return scoreZ(a, b, d) - sign*limit }
		if x := distribution.Root(f, delta, edge*(1-1e-12)); !math.IsNaN(x) {
			return x
		}
		return edge
	}
	alpha := 1 - o.level()
	switch o.Tail {
	case Less:
		out.Interval = Interval{-1, end(alpha, -1, 1)}
	case Greater:
		out.Interval = Interval{end(alpha, 1, -1), 1}
	default:
		out.Interval = Interval{end(alpha/2, 1, -1), end(alpha/2, -1, 1)}
	}
	return out, nil
}

// scoreZ is the standardised difference of two proportions where their true difference is d.
func scoreZ(a, b Count, d float64) float64 {
	n, m := float64(a.Of), float64(b.Of)
	p := restricted(a, b, d)
	q := min(1, max(0, p-d))
	se := math.Sqrt(p*(1-p)/n + q*(1-q)/m)
	off := a.Share() - b.Share() - d
	if se == 0 {
		if math.Abs(off) < 1e-15 {
			return 0
		}
		return math.Copysign(math.Inf(1), off)
	}
	return off / se
}

// restricted is the most likely proportion of a where it is d above that of b: the root of the derivative of the log
// likelihood, which falls all the way.
func restricted(a, b Count, d float64) float64 {
	x, n, y, m := float64(a.Hits), float64(a.Of), float64(b.Hits), float64(b.Of)
	low, high := max(0, d), min(1, 1+d)
	slope := func(p float64) float64 {
		q := p - d
		return part(x, p) - part(n-x, 1-p) + part(y, q) - part(m-y, 1-q)
	}
	width := high - low
	l, h := low+width*1e-15, high-width*1e-15
	switch {
	case slope(l) <= 0:
		return low
	case slope(h) >= 0:
		return high
	}
	return distribution.Root(slope, l, h)
}

func part(k, p float64) float64 {
	if k == 0 {
		return 0
	}
	return k / max(p, 1e-300)
}

// NormalHalfWidth is half the width of a normal interval, in standard errors.
func NormalHalfWidth(level float64) float64 {
	return distribution.Normal{}.UpperQuantile((1 - level) / 2)
}
