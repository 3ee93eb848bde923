package statistics

import (
	"fmt"
	"math"
	"slices"

	"varve/internal/statistics/distribution"
)

// Below these p values of SampleRatio an experiment is broken, or worth a look. Source: Kohavi, Tang and Xu (2020), ch.
// 21.
const (
	RatioBroken  = 0.001
	RatioWarning = 0.01
)

// SampleRatio tests whether the sizes of the sides are as planned; shares nil means even. Statistic χ². A small p says
// that the sides differ in more than what was changed. R: chisq.test(sizes, p=shares).
func SampleRatio(sizes []int, shares []float64) (Outcome, error) {
	if len(sizes) < 2 {
		return Outcome{}, fmt.Errorf("%w: two sides are needed", ErrTooFew)
	}
	if shares == nil {
		shares = slices.Repeat([]float64{1}, len(sizes))
	}
	if err := checkValues(len(sizes), shares); err != nil {
		return Outcome{}, err
	}
	var n, whole float64
	for i, s := range sizes {
		if s < 0 || !(shares[i] > 0) {
			return Outcome{}, fmt.Errorf("size %d, share %g: %w", s, shares[i], ErrInput)
		}
		n += float64(s)
		whole += shares[i]
	}
	if n == 0 {
		return Outcome{}, fmt.Errorf("%w: none", ErrTooFew)
	}
	var x float64
	for i, s := range sizes {
		e := n * shares[i] / whole
		x += (float64(s) - e) * (float64(s) - e) / e
	}
	df := float64(len(sizes) - 1)
	e, i := none()
	return Outcome{Method: "sample ratio χ²", Statistic: x, DF: df, P: distribution.ChiSquared{DF: df}.Upper(x), Estimate: e, Interval: i}, nil
}

// Drift tests whether the second half of a series lies elsewhere than the first, by Mann–Whitney; with an odd number
// the middle one is left out. Estimate: the median of the second less that of the first. It needs eight values.
func Drift(x []float64) (Outcome, error) {
	if err := checkValues(8, x); err != nil {
		return Outcome{}, err
	}
	h := len(x) / 2
	first, second := x[:h], x[len(x)-h:]
	out, err := MannWhitney(second, first, Auto, Options{NoInterval: true})
	out.Estimate = Median(second) - Median(first)
	return out, err
}

// Outliers returns the places of values beyond three interquartile ranges of the quartiles (Tukey's outer fences). They
// are for showing, never for leaving out.
func Outliers(x []float64) []int {
	if len(x) < 5 || checkValues(0, x) != nil {
		return nil
	}
	q1, q3 := Quantile(x, 0.25), Quantile(x, 0.75)
	if q1 == q3 {
		return nil
	}
	var out []int
	for i, v := range x {
		if v < q1-3*(q3-q1) || v > q3+3*(q3-q1) {
			out = append(out, i)
		}
	}
	return out
}

// Objective is one measure of several versions, and whether more of it is better.
type Objective struct {
	Values []float64 // one for each version; NaN where it was not measured
	Higher bool
}

// Pareto returns the versions that no other beats: none is at least as good in every objective and better in one.
// Versions without a value in some objective are left out.
func Pareto(objectives []Objective) []int {
	if len(objectives) == 0 {
		return nil
	}
	n := len(objectives[0].Values)
	for _, o := range objectives {
		n = min(n, len(o.Values))
	}
	whole := func(i int) bool {
		return !slices.ContainsFunc(objectives, func(o Objective) bool { return math.IsNaN(o.Values[i]) })
	}
	var out []int
	for i := range n {
		if !whole(i) {
			continue
		}
		beaten := false
		for j := 0; j < n && !beaten; j++ {
			beaten = whole(j) && dominates(objectives, j, i)
		}
		if !beaten {
			out = append(out, i)
		}
	}
	return out
}

func dominates(objectives []Objective, j, i int) bool {
	better := false
	for _, o := range objectives {
		x, y := o.Values[j], o.Values[i]
		if !o.Higher {
			x, y = y, x
		}
		if x < y {
			return false
		}
		better = better || x > y
	}
	return better
}
