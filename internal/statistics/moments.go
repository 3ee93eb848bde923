package statistics

import (
	"math"
	"slices"
)

// Mean is the arithmetic mean; NaN of nothing.
func Mean(x []float64) float64 {
	m := sum(x) / float64(len(x))
	var rest float64
	for _, v := range x {
		rest += v - m
	}
	return m + rest/float64(len(x))
}

// sum adds with Neumaier's compensation.
func sum(x []float64) float64 {
	var s, c float64
	for _, v := range x {
		t := s + v
		if math.Abs(s) >= math.Abs(v) {
			c += (s - t) + v
		} else {
			c += (v - t) + s
		}
		s = t
	}
	return s + c
}

// Variance is the unbiased sample variance (division by n−1), in two passes.
func Variance(x []float64) float64 { return covariance(x, x) }

func covariance(x, y []float64) float64 {
	mx, my := Mean(x), Mean(y)
	var s float64
	for i := range x {
		s += (x[i] - mx) * (y[i] - my)
	}
	return s / float64(len(x)-1)
}

// constantValues reports whether a sample's spread is nothing but rounding.
func constantValues(x []float64) bool {
	if len(x) == 0 {
		return true
	}
	low, high := slices.Min(x), slices.Max(x)
	return high-low <= 1e-14*max(math.Abs(low), math.Abs(high))
}

// Quantile is the p-quantile by linear interpolation (type 7 of Hyndman and Fan 1996, R's default); NaN of nothing.
func Quantile(x []float64, p float64) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return sortedQuantile(s, p)
}

func sortedQuantile(s []float64, p float64) float64 {
	if len(s) == 0 || !(p >= 0 && p <= 1) {
		return math.NaN()
	}
	at := p * float64(len(s)-1)
	low := int(at)
	if low+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[low] + (at-float64(low))*(s[low+1]-s[low])
}

// Median is the 0.5-quantile.
func Median(x []float64) float64 { return Quantile(x, 0.5) }

// Ranks returns the rank of each value from 1, equal values sharing their mean rank, and Σ(t³−t) over the groups of t
// equal values.
func Ranks(x []float64) (ranks []float64, ties float64) {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case x[i] < x[j]:
			return -1
		case x[i] > x[j]:
			return 1
		}
		return 0
	})
	ranks = make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, at := range order[i:j] {
			ranks[at] = float64(i+j+1) / 2
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return ranks, ties
}

// differences returns a−b pair by pair.
func differences(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

func joined(a, b []float64) []float64 { return append(slices.Clone(a), b...) }
