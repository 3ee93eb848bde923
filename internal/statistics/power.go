package statistics

import (
	"fmt"
	"math"

	"varve/internal/statistics/distribution"
)

// A Design is what a t test will be made of.
type Design int

// Two samples of n each, or n pairs.
const (
	TwoSamples Design = iota
	Pairs
)

// PowerT is the power of a two-sided t test at level alpha with n a side (n pairs) where the true difference is delta
// standard deviations (of the differences, for pairs). As in R, the tail on the wrong side is not counted. n need not
// be whole. R: power.t.test(n, delta, sig.level=alpha).
func PowerT(design Design, n, delta, alpha float64) float64 {
	df, scale := 2*(n-1), math.Sqrt(n/2)
	if design == Pairs {
		df, scale = n-1, math.Sqrt(n)
	}
	if !(df > 0) || !(alpha > 0 && alpha < 1) {
		return math.NaN()
	}
	critical := distribution.T{DF: df}.UpperQuantile(alpha / 2)
	return distribution.NoncentralT{DF: df, Delta: math.Abs(delta) * scale}.Upper(critical)
}

// mostPlanned bounds the sizes that are looked for.
const mostPlanned = 1e8

// SizeT is the n a side (pairs) that PowerT needs for the power. It is not rounded up. R: power.t.test(delta, power)$n.
func SizeT(design Design, delta, alpha, power float64) (float64, error) {
	if err := checkPlan(alpha, power); err != nil {
		return 0, err
	}
	if delta == 0 || math.IsNaN(delta) {
		return 0, fmt.Errorf("difference %g: %w: no size finds none", delta, ErrInput)
	}
	f := func(n float64) float64 { return PowerT(design, n, delta, alpha) - power }
	if f(2) >= 0 {
		return 2, nil
	}
	z := distribution.Normal{}.UpperQuantile(alpha/2) + distribution.Normal{}.UpperQuantile(1-power)
	guess := z * z / delta / delta
	if design == TwoSamples {
		guess *= 2
	}
	if guess > mostPlanned {
		return 0, fmt.Errorf("difference of %g standard deviations: %w: it would need more than %g values", delta, ErrInput, float64(mostPlanned))
	}
	return distribution.Root(f, 2, guess*2+10), nil
}

func checkPlan(alpha, power float64) error {
	if !(alpha > 0 && alpha < 1) || !(power > alpha && power < 1) {
		return fmt.Errorf("alpha %g and power %g: %w", alpha, power, ErrInput)
	}
	return nil
}

// DetectableT is the least difference, in standard deviations, that n a side (pairs) find with the power: the minimum
// detectable effect.
func DetectableT(design Design, n, alpha, power float64) (float64, error) {
	if err := checkPlan(alpha, power); err != nil {
		return 0, err
	}
	if !(n >= 2 && n <= mostPlanned) {
		return 0, fmt.Errorf("%w: n = %g", ErrTooFew, n)
	}
	high := 1.0
	for PowerT(design, n, high, alpha) < power {
		if high *= 2; high > 1e6 {
			return 0, fmt.Errorf("%w: no difference is found with %g values at alpha %g", ErrTooFew, n, alpha)
		}
	}
	return distribution.Root(func(d float64) float64 { return PowerT(design, n, d, alpha) - power }, 0, high), nil
}

// PowerProportions is the power of the two-sided test of two proportions with n a side. R: power.prop.test.
func PowerProportions(n, p1, p2, alpha float64) float64 {
	d := math.Abs(p1 - p2)
	z := distribution.Normal{}.UpperQuantile(alpha / 2)
	return distribution.Normal{}.Lower((math.Sqrt(n)*d - z*math.Sqrt((p1+p2)*(1-(p1+p2)/2))) / math.Sqrt(p1*(1-p1)+p2*(1-p2)))
}

// SizeProportions is the n a side that finds p2 beside p1 with the power. It is not rounded up. R: power.prop.test(p1,
// p2, power)$n.
func SizeProportions(p1, p2, alpha, power float64) (float64, error) {
	if err := checkPlan(alpha, power); err != nil {
		return 0, err
	}
	if !(p1 >= 0 && p1 <= 1 && p2 >= 0 && p2 <= 1) || p1 == p2 {
		return 0, fmt.Errorf("proportions %g and %g: %w", p1, p2, ErrInput)
	}
	z := distribution.Normal{}
	r := z.UpperQuantile(alpha/2)*math.Sqrt((p1+p2)*(1-(p1+p2)/2)) + z.Quantile(power)*math.Sqrt(p1*(1-p1)+p2*(1-p2))
	return r * r / ((p1 - p2) * (p1 - p2)), nil
}

// DetectableProportion is the least p2 above p1 that n a side find with the power; NaN where none is.
func DetectableProportion(n, p1, alpha, power float64) float64 {
	return distribution.Root(func(p2 float64) float64 { return PowerProportions(n, p1, p2, alpha) - power }, p1+1e-12, 1-1e-12)
}

// MinimumP is the least two-sided p value that a rank or permutation test of the design can ever give: m and n a side,
// or m pairs.
func MinimumP(design Design, m, n int) float64 {
	if design == Pairs {
		return min(1, math.Exp2(1-float64(m)))
	}
	return min(1, 2/choose(m+n, m))
}

// LeastSize is the n a side (pairs) from which MinimumP is at most alpha, 0 < alpha < 1.
func LeastSize(design Design, alpha float64) int {
	n := 1
	for MinimumP(design, n, n) > alpha && n < 1000 {
		n++
	}
	return n
}
