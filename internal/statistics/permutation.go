package statistics

import (
	"math"
	"slices"
)

// Most orders that a permutation test enumerates, and the draws that it makes beyond, where the caller does not say
// more.
const (
	MostEnumerated = 1_000_000
	LeastDraws     = 10_000
)

// Permutation tests the difference of two means by all C(m+n, m) ways to share out the values; where they are more than
// MostEnumerated, by draws (at least LeastDraws) with p = (1+hits)/(1+draws), which is valid for every number of draws.
// Statistic and Estimate: mean(a) − mean(b). Two-sided p is twice the smaller tail. Assumes that under the null
// hypothesis the values could have been on either side. Source: Fisher (1935); Phipson and Smyth (2010) for the one;
// SciPy: permutation_test.
func Permutation(a, b []float64, seed uint64, draws int, o Options) (Outcome, error) {
	if err := o.check(1, a, b); err != nil {
		return Outcome{}, err
	}
	all := joined(a, b)
	for i := range a {
		all[i] -= o.Null
	}
	_, none := none()
	delta := Mean(a) - Mean(b)
	out := Outcome{Method: "permutation of means", Statistic: delta, Estimate: delta, Interval: none}
	// Sums of a decide, of values about their mean; those that differ by rounding only are equal.
	middle := Mean(all)
	for i := range all {
		all[i] -= middle
	}
	observed := sum(all[:len(a)])
	near := nearness(all)
	var hits [2]float64 // sums ≤ and ≥ the observed
	note := func(s float64) {
		if s <= observed+near {
			hits[0]++
		}
		if s >= observed-near {
			hits[1]++
		}
	}
	total, few := sum(all), min(len(a), len(b))
	if ways := choose(len(all), len(a)); ways <= MostEnumerated {
		out.Exact = true
		if few == len(a) {
			eachSum(all, few, 0, note)
		} else {
			eachSum(all, few, 0, func(s float64) { note(total - s) })
		}
		out.P = o.Tail.fromTails(hits[0]/ways, hits[1]/ways)
		return out, nil
	}
	r := newRandom(seed)
	out.Seed, out.Draws = seed, max(draws, LeastDraws)
	for range out.Draws {
		var shift float64
		for i := range few {
			j := i + r.below(len(all)-i)
			all[i], all[j] = all[j], all[i]
			shift += all[i]
		}
		if few != len(a) {
			shift = total - shift
		}
		note(shift)
	}
	n := float64(out.Draws + 1)
	out.P = o.Tail.fromTails((hits[0]+1)/n, (hits[1]+1)/n)
	return out, nil
}

// nearness is the distance below which two sums of these values are the same but for rounding.
func nearness(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += math.Abs(v)
	}
	return s * 1e-13
}

// choose is C(n, k), exact up to 2⁵³ and at least 1e300 beyond that.
func choose(n, k int) float64 {
	c := 1.0
	k = min(k, n-k)
	for i := 1; i <= k && c < 1e300; i++ {
		c *= float64(n-k+i) / float64(i)
		if c < 1e15 {
			c = math.Round(c)
		}
	}
	return c
}

// eachSum calls note with the sum of every choice of k of x.
func eachSum(x []float64, k int, so float64, note func(float64)) {
	if k == 0 {
		note(so)
		return
	}
	for i := 0; i+k <= len(x); i++ {
		eachSum(x[i+1:], k-1, so+x[i], note)
	}
}

// SignFlip tests whether the mean of the differences d is o.Null by all 2ⁿ signs, or by draws as Permutation does.
// Statistic and Estimate: mean(d). Assumes that under the null hypothesis each difference is symmetric about o.Null.
func SignFlip(d []float64, seed uint64, draws int, o Options) (Outcome, error) {
	if err := o.check(1, d); err != nil {
		return Outcome{}, err
	}
	moved := slices.Clone(d)
	for i := range moved {
		moved[i] -= o.Null
	}
	_, none := none()
	out := Outcome{Method: "sign flip", Statistic: Mean(d), Estimate: Mean(d), Interval: none}
	observed, near := sum(moved), nearness(moved)
	var hits [2]float64
	note := func(s float64) {
		if s <= observed+near {
			hits[0]++
		}
		if s >= observed-near {
			hits[1]++
		}
	}
	if len(d) < 20 {
		out.Exact = true
		eachSign(moved, 0, note)
		ways := math.Exp2(float64(len(d)))
		out.P = o.Tail.fromTails(hits[0]/ways, hits[1]/ways)
		return out, nil
	}
	r := newRandom(seed)
	out.Seed, out.Draws = seed, max(draws, LeastDraws)
	for range out.Draws {
		var s float64
		var coins uint64
		for i, v := range moved {
			if i%64 == 0 {
				coins = r.next()
			}
			if coins&1 == 0 {
				v = -v
			}
			coins >>= 1
			s += v
		}
		note(s)
	}
	n := float64(out.Draws + 1)
	out.P = o.Tail.fromTails((hits[0]+1)/n, (hits[1]+1)/n)
	return out, nil
}

func eachSign(x []float64, so float64, note func(float64)) {
	if len(x) == 0 {
		note(so)
		return
	}
	eachSign(x[1:], so+x[0], note)
	eachSign(x[1:], so-x[0], note)
}
