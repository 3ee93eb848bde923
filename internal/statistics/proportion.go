package statistics

import (
	"fmt"
	"math"

	"varve/internal/statistics/distribution"
)

// Count is so many hits of so many trials.
type Count struct{ Hits, Of int }

// Share is hits per trial.
func (c Count) Share() float64 { return float64(c.Hits) / float64(c.Of) }

// mostTrials bounds a count: the distributions are accurate up to it.
const mostTrials = 500_000_000

func checkCounts(o Options, counts ...Count) error {
	for _, c := range counts {
		if c.Of < 1 {
			return fmt.Errorf("%w: %d trials", ErrTooFew, c.Of)
		}
		if c.Hits < 0 || c.Hits > c.Of || c.Of > mostTrials {
			return fmt.Errorf("%d of %d: %w: hits lie between 0 and the trials, and trials below %d", c.Hits, c.Of, ErrInput, mostTrials)
		}
	}
	return o.check(0)
}

// Wilson is the score interval of one proportion, without continuity correction. Source: E. B. Wilson (1927); R:
// prop.test(correct=FALSE)$conf.int.
func Wilson(c Count, level float64) (Interval, error) {
	o := Options{Level: level}
	if err := checkCounts(o, c); err != nil {
		return Interval{}, err
	}
	z := distribution.Normal{}.UpperQuantile((1 - o.level()) / 2)
	n, p := float64(c.Of), c.Share()
	middle := p + z*z/(2*n)
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	low, high := (middle-half)/(1+z*z/n), (middle+half)/(1+z*z/n)
	if c.Hits == 0 {
		low = 0
	}
	if c.Hits == c.Of {
		high = 1
	}
	return Interval{max(0, low), min(1, high)}, nil
}

// Newcombe is the hybrid score interval of the difference a − b of two independent proportions. Source: R. G. Newcombe
// (1998), method 10; statsmodels: confint_proportions_2indep(method="newcomb").
func Newcombe(a, b Count, level float64) (Interval, error) {
	wa, err := Wilson(a, level)
	if err != nil {
		return Interval{}, err
	}
	wb, err := Wilson(b, level)
	if err != nil {
		return Interval{}, err
	}
	pa, pb := a.Share(), b.Share()
	return Interval{pa - pb - math.Hypot(pa-wa.Low, wb.High-pb), pa - pb + math.Hypot(wa.High-pa, pb-wb.Low)}, nil
}

// ProportionTest is the χ² test of two independent proportions, with Yates' correction or without; two-sided. Estimate:
// the difference a − b; Interval: Wald's, with the same correction. R: prop.test.
func ProportionTest(a, b Count, yates bool, o Options) (Outcome, error) {
	if err := checkCounts(o, a, b); err != nil {
		return Outcome{}, err
	}
	n, m := float64(a.Of), float64(b.Of)
	p := float64(a.Hits+b.Hits) / (n + m)
	if p == 0 || p == 1 {
		return Outcome{}, fmt.Errorf("%w: all trials went the same way", ErrNoVariance)
	}
	delta := a.Share() - b.Share()
	y := 0.0
	if yates {
		y = min(0.5, math.Abs(delta)/(1/n+1/m))
	}
	z := max(0, math.Abs(delta)-y*(1/n+1/m)) / math.Sqrt(p*(1-p)*(1/n+1/m))
	half := distribution.Normal{}.UpperQuantile((1-o.level())/2)*math.Sqrt(a.Share()*(1-a.Share())/n+b.Share()*(1-b.Share())/m) + y*(1/n+1/m)
	method := "χ² of two proportions"
	if yates {
		method += ", Yates"
	}
	return Outcome{Method: method, Statistic: z * z, DF: 1, P: math.Erfc(z / math.Sqrt2), Estimate: delta, Interval: Interval{max(-1, delta-half), min(1, delta+half)}}, nil
}

// BinomialTest is the exact test of one proportion against p0; two-sided it adds all outcomes that are not more likely.
// Estimate: the share; Interval: Clopper and Pearson's. R: binom.test.
func BinomialTest(c Count, p0 float64, o Options) (Outcome, error) {
	if err := checkCounts(o, c); err != nil {
		return Outcome{}, err
	}
	if !(p0 >= 0 && p0 <= 1) {
		return Outcome{}, fmt.Errorf("probability %g: %w", p0, ErrInput)
	}
	d := distribution.Binomial{N: c.Of, P: p0}
	out := Outcome{Method: "exact binomial", Statistic: float64(c.Hits), Estimate: c.Share(), Exact: true, Interval: clopperPearson(c, o)}
	lower, upper := d.Lower(c.Hits), d.Upper(c.Hits-1)
	switch {
	case o.Tail != TwoSided:
		out.P = o.Tail.fromTails(lower, upper)
	case p0 == 0 || p0 == 1:
		out.P = 0
		if float64(c.Hits) == p0*float64(c.Of) {
			out.P = 1
		}
	default:
		out.P = bothSides(d, c.Hits)
	}
	return out, nil
}

// bothSides adds the outcomes that are at most as likely as k, with the slack of 1e-7 that R gives to ties.
func bothSides(d distribution.Binomial, k int) float64 {
	mean := d.P * float64(d.N)
	limit := d.Point(k) * (1 + 1e-7)
	switch {
	case float64(k) == mean:
		return 1
	case float64(k) < mean:
		// Beyond the mean the points fall: search the first that is small enough.
		low, high := int(math.Ceil(mean)), d.N+1
		for low < high {
			mid := low + (high-low)/2
			if d.Point(mid) <= limit {
				high = mid
			} else {
				low = mid + 1
			}
		}
		return min(1, d.Lower(k)+d.Upper(low-1))
	}
	low, high := -1, int(math.Floor(mean))
	for low < high {
		mid := low + (high-low+1)/2
		if d.Point(mid) <= limit {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return min(1, d.Lower(low)+d.Upper(k-1))
}

func clopperPearson(c Count, o Options) Interval {
	alpha := 1 - o.level()
	low := func(p float64) float64 {
		if c.Hits == 0 {
			return 0
		}
		return distribution.Beta{A: float64(c.Hits), B: float64(c.Of - c.Hits + 1)}.Quantile(p)
	}
	high := func(p float64) float64 {
		if c.Hits == c.Of {
			return 1
		}
		return distribution.Beta{A: float64(c.Hits + 1), B: float64(c.Of - c.Hits)}.Quantile(1 - p)
	}
	switch o.Tail {
	case Less:
		return Interval{0, high(alpha)}
	case Greater:
		return Interval{low(alpha), 1}
	}
	return Interval{low(alpha / 2), high(alpha / 2)}
}

// PoissonRatio tests exactly whether two rates are equal: a events in exposure ta against b in tb. Estimate and
// Interval: the ratio of the rates. It is the binomial test of a among a+b. R: poisson.test(c(a, b), c(ta, tb)).
func PoissonRatio(a int, ta float64, b int, tb float64, o Options) (Outcome, error) {
	if err := checkValues(0, []float64{ta, tb}); err != nil {
		return Outcome{}, err
	}
	if !(ta > 0) || !(tb > 0) || a < 0 || b < 0 {
		return Outcome{}, fmt.Errorf("%d in %g against %d in %g: %w: exposure is positive", a, ta, b, tb, ErrInput)
	}
	if a+b == 0 {
		return Outcome{}, fmt.Errorf("%w: no event on either side", ErrTooFew)
	}
	out, err := BinomialTest(Count{a, a + b}, ta/(ta+tb), o)
	if err != nil {
		return Outcome{}, err
	}
	ratio := func(p float64) float64 { return p / (1 - p) * (tb / ta) }
	out.Method = "exact Poisson"
	out.Estimate = float64(a) / ta / (float64(b) / tb)
	out.Interval = Interval{ratio(out.Interval.Low), ratio(out.Interval.High)}
	return out, nil
}

// McNemarExact tests paired yes/no outcomes: onlyA pairs where only a said yes, onlyB where only b did. Estimate: the
// share of a among them; Interval: Clopper and Pearson's. It is the binomial test against one half.
func McNemarExact(onlyA, onlyB int, o Options) (Outcome, error) {
	if onlyA < 0 || onlyB < 0 {
		return Outcome{}, fmt.Errorf("%d, %d: %w", onlyA, onlyB, ErrInput)
	}
	if onlyA+onlyB == 0 {
		return Outcome{}, fmt.Errorf("%w: no pair differs", ErrTooFew)
	}
	out, err := BinomialTest(Count{onlyA, onlyA + onlyB}, 0.5, o)
	out.Method = "McNemar exact"
	return out, err
}

// McNemar is the same by χ², with continuity correction or without; two-sided. R: mcnemar.test.
func McNemar(onlyA, onlyB int, correct bool) (Outcome, error) {
	if onlyA < 0 || onlyB < 0 {
		return Outcome{}, fmt.Errorf("%d, %d: %w", onlyA, onlyB, ErrInput)
	}
	if onlyA+onlyB == 0 {
		return Outcome{}, fmt.Errorf("%w: no pair differs", ErrTooFew)
	}
	d := math.Abs(float64(onlyA - onlyB))
	if correct && d > 0 {
		d--
	}
	x := d * d / float64(onlyA+onlyB)
	e, i := none()
	return Outcome{Method: "McNemar χ²", Statistic: x, DF: 1, P: distribution.ChiSquared{DF: 1}.Upper(x), Estimate: e, Interval: i}, nil
}

// PairedDifference is the interval of the difference of two proportions of the same trials: both, only a, only b,
// neither. Source: Newcombe (1998), "Interval estimation for the difference between paired proportions", method 10.
func PairedDifference(both, onlyA, onlyB, neither int, level float64) (float64, Interval, error) {
	n := both + onlyA + onlyB + neither
	a, b := Count{both + onlyA, n}, Count{both + onlyB, n}
	if min(both, onlyA, onlyB, neither) < 0 {
		return 0, Interval{}, fmt.Errorf("%w: a count is negative", ErrInput)
	}
	wa, err := Wilson(a, level)
	if err != nil {
		return 0, Interval{}, err
	}
	wb, err := Wilson(b, level)
	if err != nil {
		return 0, Interval{}, err
	}
	pa, pb := a.Share(), b.Share()
	var phi float64
	across := float64(a.Hits) * float64(n-a.Hits) * float64(b.Hits) * float64(n-b.Hits)
	if across > 0 {
		c := float64(both)*float64(neither) - float64(onlyA)*float64(onlyB)
		if c > 0 {
			c = max(c-float64(n)/2, 0)
		}
		phi = c / math.Sqrt(across)
	}
	side := func(x, y float64) float64 { return math.Sqrt(max(0, x*x-2*phi*x*y+y*y)) }
	return pa - pb, Interval{pa - pb - side(pa-wa.Low, wb.High-pb), pa - pb + side(wa.High-pa, pb-wb.Low)}, nil
}

// PoissonRate is the exact interval of one rate. Source: Garwood (1936); R: poisson.test(events, exposure)$conf.int.
func PoissonRate(events int, exposure, level float64) (Interval, error) {
	o := Options{Level: level}
	if err := o.check(0, []float64{exposure}); err != nil {
		return Interval{}, err
	}
	if !(exposure > 0) || events < 0 || events > mostTrials {
		return Interval{}, fmt.Errorf("%d in %g: %w", events, exposure, ErrInput)
	}
	half := (1 - o.level()) / 2
	i := Interval{High: distribution.Gamma{Shape: float64(events) + 1}.Quantile(1-half) / exposure}
	if events > 0 {
		i.Low = distribution.Gamma{Shape: float64(events)}.Quantile(half) / exposure
	}
	return i, nil
}
