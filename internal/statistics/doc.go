// Package statistics has the tests, intervals, effect sizes and plans with which two versions of something measured are
// compared.
//
// It promises: pure functions without input, output, clock or hidden chance. What draws at random takes a seed and says
// it in its result, and the same seed gives the same draws on every machine. Exact methods are exact also with ties, up
// to the size that each function names; above it the named approximation is used and Outcome.Exact is false. A value
// that is not finite, or too few values, is an error and never a NaN that looks like a result.
//
// Where R (4.2) or SciPy (1.10) have a function of the same purpose, its definition is followed to the last digits that
// they agree on; each function says where it differs. The judgement in words is made in package verdict.
package statistics

import (
	"errors"
	"fmt"
	"math"
)

// Tail is the alternative that a test looks for.
type Tail int

// The alternatives: a differs from b, a is less than b, a is greater than b.
const (
	TwoSided Tail = iota
	Less
	Greater
)

// What a function refuses.
var (
	ErrNotFinite  = errors.New("a value is not a finite number")
	ErrTooFew     = errors.New("too few values")
	ErrNoVariance = errors.New("the values do not vary")
	ErrInput      = errors.New("input makes no sense")
)

// Interval is a confidence interval; a side may be infinite.
type Interval struct{ Low, High float64 }

// Holds reports whether x is inside.
func (i Interval) Holds(x float64) bool { return i.Low <= x && x <= i.High }

// Outcome is the result of a test.
type Outcome struct {
	Method    string   // its usual name, with the variant used
	Statistic float64  // t, U, V, χ², …, as the function says
	DF, DF2   float64  // degrees of freedom; 0 where there are none
	P         float64  // p value for the tail asked for
	Estimate  float64  // what Interval is about, as the function says; NaN where the test has none
	Interval  Interval // confidence interval; NaN where the test has none
	Exact     bool     // the p value is exact and no approximation
	Seed      uint64   // of the draws, where Draws > 0
	Draws     int      // resamples drawn; 0 where all were enumerated or none were needed
}

// Options of a test. The zero value is two-sided at 95 % about no difference.
type Options struct {
	Tail  Tail
	Level float64 // of the confidence interval; 0 means 0.95
	Null  float64 // the difference that the null hypothesis names

	// NoInterval has the rank tests leave out the shift and its interval, which take longer than p.
	NoInterval bool
}

func (o Options) level() float64 {
	if o.Level == 0 {
		return 0.95
	}
	return o.Level
}

// check refuses levels outside of (0, 1), samples below least, and values that are not finite.
func (o Options) check(least int, samples ...[]float64) error {
	if l := o.level(); !(l > 0 && l < 1) {
		return fmt.Errorf("confidence level %g: %w: it lies between 0 and 1", l, ErrInput)
	}
	if math.IsNaN(o.Null) || math.IsInf(o.Null, 0) {
		return fmt.Errorf("null hypothesis: %w", ErrNotFinite)
	}
	return checkValues(least, samples...)
}

func checkValues(least int, samples ...[]float64) error {
	for _, s := range samples {
		if len(s) < least {
			return fmt.Errorf("%w: %d, and at least %d are needed on each side", ErrTooFew, len(s), least)
		}
		for i, v := range s {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("value %d is %g: %w", i+1, v, ErrNotFinite)
			}
			if math.Abs(v) > 1e150 {
				return fmt.Errorf("value %d is %g: %w: its square has no room", i+1, v, ErrInput)
			}
		}
	}
	return nil
}

// none is the estimate of a test that has none.
func none() (float64, Interval) { return math.NaN(), Interval{math.NaN(), math.NaN()} }

// fromTails makes the p value from P(T ≤ t) and P(T ≥ t); two-sided it is twice the smaller.
func (t Tail) fromTails(lower, upper float64) float64 {
	switch t {
	case Less:
		return min(1, lower)
	case Greater:
		return min(1, upper)
	}
	return min(1, 2*min(lower, upper))
}

// symmetric makes the interval estimate ± quantile(upper tail)·se, one-sided where the tail is.
func (o Options) symmetric(estimate, se float64, upperQuantile func(float64) float64) Interval {
	alpha := 1 - o.level()
	switch o.Tail {
	case Less:
		return Interval{math.Inf(-1), estimate + upperQuantile(alpha)*se}
	case Greater:
		return Interval{estimate - upperQuantile(alpha)*se, math.Inf(1)}
	}
	half := upperQuantile(alpha/2) * se
	return Interval{estimate - half, estimate + half}
}
