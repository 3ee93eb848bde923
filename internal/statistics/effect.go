package statistics

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"varve/internal/statistics/distribution"
)

// CohenD is (mean(a) − mean(b)) / pooled standard deviation.
func CohenD(a, b []float64) (float64, error) {
	if err := checkValues(2, a, b); err != nil {
		return math.NaN(), err
	}
	if constantValues(a) && constantValues(b) {
		return math.NaN(), ErrNoVariance
	}
	return (Mean(a) - Mean(b)) / math.Sqrt(pooledVariance(a, b)), nil
}

// HedgesG is Cohen's d less its bias, by the usual factor 1 − 3/(4·df − 1). Source: Hedges (1981).
func HedgesG(a, b []float64) (float64, error) {
	d, err := CohenD(a, b)
	return d * (1 - 3/(4*float64(len(a)+len(b)-2)-1)), err
}

// CohenDz is the effect of paired differences: mean(d) / standard deviation(d).
func CohenDz(d []float64) (float64, error) {
	if err := checkValues(2, d); err != nil {
		return math.NaN(), err
	}
	if constantValues(d) {
		return math.NaN(), ErrNoVariance
	}
	return Mean(d) / math.Sqrt(Variance(d)), nil
}

// CliffDelta is P(a > b) − P(a < b), and A12 is P(a > b) + ½P(a = b) of Vargha and Delaney (2000), over all pairs.
func CliffDelta(a, b []float64) (float64, error) {
	p, err := A12(a, b)
	return 2*p - 1, err
}

// A12 is the probability that a value of a is above one of b, ties counting half.
func A12(a, b []float64) (float64, error) {
	if err := checkValues(1, a, b); err != nil {
		return math.NaN(), err
	}
	s := slices.Clone(b)
	slices.Sort(s)
	var wins float64
	for _, v := range a {
		low := sort.SearchFloat64s(s, v)
		high := low
		if low < len(s) && s[low] == v {
			high = low + sort.Search(len(s)-low, func(i int) bool { return s[low+i] > v })
		}
		wins += float64(low+high) / 2
	}
	return wins / float64(len(a)) / float64(len(b)), nil
}

// GeometricRatio is the ratio of the geometric means of a and b, all positive, with the test and interval of Welch's t
// of the logarithms. Estimate and Interval: the ratio; o.Null is the logarithm of the ratio tested.
func GeometricRatio(a, b []float64, o Options) (Outcome, error) {
	la, err := logs(a)
	if err != nil {
		return Outcome{}, err
	}
	lb, err := logs(b)
	if err != nil {
		return Outcome{}, err
	}
	out, err := Welch(la, lb, o)
	return ofLogs(out), err
}

// GeometricRatioPaired is the same for pairs.
func GeometricRatioPaired(a, b []float64, o Options) (Outcome, error) {
	la, err := logs(a)
	if err != nil {
		return Outcome{}, err
	}
	lb, err := logs(b)
	if err != nil {
		return Outcome{}, err
	}
	out, err := Paired(la, lb, o)
	return ofLogs(out), err
}

func ofLogs(out Outcome) Outcome {
	out.Method += " of logarithms"
	out.Estimate = math.Exp(out.Estimate)
	out.Interval = Interval{math.Exp(out.Interval.Low), math.Exp(out.Interval.High)}
	return out
}

func logs(x []float64) ([]float64, error) {
	out := make([]float64, len(x))
	for i, v := range x {
		if !(v > 0) {
			return nil, fmt.Errorf("value %d is %g: %w: a geometric mean is of positive values", i+1, v, ErrInput)
		}
		out[i] = math.Log(v)
	}
	return out, nil
}

// QuantileInterval is the p-quantile of x with the interval between two of its values that covers it with at least the
// level, whatever the distribution. A side is infinite where the values are too few; coverage is that of the interval.
// Source: David and Nagaraja, Order Statistics, §7.1.
func QuantileInterval(x []float64, p, level float64) (quantile float64, i Interval, coverage float64, err error) {
	o := Options{Level: level}
	if err := o.check(1, x); err != nil {
		return 0, i, 0, err
	}
	if !(p > 0 && p < 1) {
		return 0, i, 0, fmt.Errorf("quantile %g: %w: it lies between 0 and 1", p, ErrInput)
	}
	s := slices.Clone(x)
	slices.Sort(s)
	d := distribution.Binomial{N: len(s), P: p}
	half := (1 - o.level()) / 2
	// The greatest l with P(B < l) ≤ half, and the least u with P(B ≥ u) ≤ half.
	l := sort.Search(len(s)+1, func(k int) bool { return d.Lower(k) > half })
	u := sort.Search(len(s)+1, func(k int) bool { return d.Upper(k-1) <= half })
	i = Interval{math.Inf(-1), math.Inf(1)}
	if l >= 1 {
		i.Low = s[l-1]
	}
	if u <= len(s) {
		i.High = s[u-1]
	}
	coverage = d.Lower(u-1) - d.Lower(l-1)
	return sortedQuantile(s, p), i, coverage, nil
}
