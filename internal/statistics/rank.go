package statistics

import (
	"math"
	"slices"

	"varve/internal/statistics/distribution"
)

// Way is how a rank test finds its p value.
type Way int

// The ways: Auto is Exact up to ExactRanks values a side (ExactSigned pairs), and NormalContinuity above.
const (
	Auto             Way = iota
	Exact                // by the distribution over all orders, given the ties
	Normal               // normal approximation corrected for ties
	NormalContinuity     // the same with continuity correction
)

// Up to so many values a side, and so many pairs, Auto is exact.
const (
	ExactRanks  = 50
	ExactSigned = 200
)

// mostExact bounds the work of an exact distribution that was asked for by name, in values a side.
const mostExact = 100

// MannWhitney tests whether values of a tend to be greater than those of b (Wilcoxon rank sum test). Statistic: U, the
// number of pairs with a > b, ties counting half; Estimate and Interval: the Hodges–Lehmann shift as Shift has it. The
// exact distribution is that of the mid-ranks at hand, all orders alike; two-sided p is twice the smaller tail. Source:
// Mann and Whitney (1947); R: wilcox.test; ties exactly as by enumeration.
func MannWhitney(a, b []float64, way Way, o Options) (Outcome, error) {
	if err := o.check(1, a, b); err != nil {
		return Outcome{}, err
	}
	moved := a
	if o.Null != 0 {
		moved = slices.Clone(a)
		for i := range moved {
			moved[i] -= o.Null
		}
	}
	ranks, ties := Ranks(joined(moved, b))
	m, n := float64(len(a)), float64(len(b))
	u := sum(ranks[:len(a)]) - m*(m+1)/2
	out := Outcome{Method: "Mann–Whitney", Statistic: u}
	out.Exact = way == Exact && max(len(a), len(b)) <= mostExact || way == Auto && max(len(a), len(b)) <= ExactRanks
	if out.Exact {
		out.Method += " exact"
		lower, upper := rankSumTails(ranks, len(a))
		out.P = o.Tail.fromTails(lower, upper)
	} else {
		sd := math.Sqrt(m * n / 12 * ((m + n + 1) - ties/((m+n)*(m+n-1))))
		out.Method += " normal"
		out.P = o.Tail.normalRank(u-m*n/2, sd, way != Normal)
	}
	if out.Estimate, out.Interval = none(); !o.NoInterval {
		out.Estimate, out.Interval, _ = Shift(a, b, o.level())
	}
	return out, nil
}

// normalRank is the p value of a rank statistic by the normal approximation; steps of the statistic are 1 apart.
func (t Tail) normalRank(distance, sd float64, continuity bool) float64 {
	if sd == 0 {
		return 1
	}
	step := 0.0
	if continuity {
		switch {
		case t == Less:
			step = -0.5
		case t == Greater:
			step = 0.5
		case distance != 0:
			step = math.Copysign(0.5, distance)
		}
	}
	z := (distance - step) / sd
	return t.fromTails(distribution.Normal{}.Lower(z), distribution.Normal{}.Upper(z))
}

// rankSumTails returns P(W ≤ w) and P(W ≥ w) of the sum w of the first m ranks, all choices of m being alike.
func rankSumTails(ranks []float64, m int) (lower, upper float64) {
	// The smaller side is counted: the sum of the other is the rest.
	if m > len(ranks)-m {
		rest := append(slices.Clone(ranks[m:]), ranks[:m]...)
		upper, lower = rankSumTails(rest, len(ranks)-m)
		return lower, upper
	}
	whole, _ := wholeRanks(ranks)
	w := 0
	for _, r := range whole[:m] {
		w += r
	}
	p, least := subsetSums(whole, m)
	return tails(p, w-least)
}

// wholeRanks makes mid-ranks whole numbers: doubled where one is a half.
func wholeRanks(ranks []float64) (whole []int, unit int) {
	unit = 1
	for _, r := range ranks {
		if r != math.Floor(r) {
			unit = 2
		}
	}
	for _, r := range ranks {
		whole = append(whole, int(r*float64(unit)))
	}
	return whole, unit
}

// subsetSums returns the probability of each sum of m of the ranks, from the least one on. Every addition is of
// positive numbers, so the relative error stays below 1e-13.
func subsetSums(ranks []int, m int) (p []float64, least int) {
	sorted := slices.Clone(ranks)
	slices.Sort(sorted)
	n := len(sorted)
	// ways[k] counts the choices of k by how far their sum lies above that of the k smallest.
	ways := make([][]float64, m+1)
	width := 0
	for k := range ways {
		ways[k] = make([]float64, width+1)
		if k < m {
			least += sorted[k]
			width += sorted[n-1-k] - sorted[k]
		}
	}
	ways[0][0] = 1
	reach := make([]int, m+1) // greatest place of ways[k] so far
	for i, r := range sorted {
		for k := min(m, i+1); k >= 1; k-- {
			up := r - sorted[k-1]
			to := ways[k][up:]
			for s, v := range ways[k-1][:reach[k-1]+1] {
				to[s] += v
			}
			reach[k] = max(reach[k], reach[k-1]+up)
		}
	}
	return normalised(ways[m]), least
}

func normalised(p []float64) []float64 {
	total := sum(p)
	for i := range p {
		p[i] /= total
	}
	return p
}

// tails returns P(X ≤ x) and P(X ≥ x) of a distribution on 0, 1, ….
func tails(p []float64, x int) (lower, upper float64) {
	return min(1, sum(p[:x+1])), min(1, sum(p[x:]))
}

// Zeros is what the signed rank test does with pairs that do not differ.
type Zeros int

// DropZeros leaves them out before ranking (Wilcoxon, R); PrattZeros leaves them out after (Pratt 1959).
const (
	DropZeros Zeros = iota
	PrattZeros
)

// SignedRank is Wilcoxon's signed rank test of the differences d about o.Null. Statistic: V, the sum of the ranks of
// the positive ones. The exact distribution is that of all signs given the ranks, so ties are exact. Estimate and
// Interval: as Centre has them. Assumes differences that are symmetric about their centre. R: wilcox.test(d).
func SignedRank(d []float64, zeros Zeros, way Way, o Options) (Outcome, error) {
	if err := o.check(1, d); err != nil {
		return Outcome{}, err
	}
	sizes, positive := signedRanks(d, zeros, o.Null)
	var v, all, squares float64
	for i, r := range sizes {
		all += r
		squares += r * r
		if positive[i] {
			v += r
		}
	}
	out := Outcome{Method: "Wilcoxon signed rank", Statistic: v}
	out.Exact = (way == Exact || way == Auto) && len(d) <= ExactSigned
	if out.Exact {
		out.Method += " exact"
		whole, unit := wholeRanks(sizes)
		lower, upper := tails(signSums(whole), int(v*float64(unit)))
		out.P = o.Tail.fromTails(lower, upper)
	} else {
		out.Method += " normal"
		out.P = o.Tail.normalRank(v-all/2, math.Sqrt(squares/4), way != Normal)
	}
	if out.Estimate, out.Interval = none(); !o.NoInterval {
		out.Estimate, out.Interval, _ = Centre(d, o.level())
	}
	return out, nil
}

// signedRanks returns the ranks of the differences that are not 0, and which of them are positive.
func signedRanks(d []float64, zeros Zeros, null float64) (sizes []float64, positive []bool) {
	var kept, away []float64
	for _, x := range d {
		if x -= null; x != 0 || zeros == PrattZeros {
			kept, away = append(kept, x), append(away, math.Abs(x))
		}
	}
	ranks, _ := Ranks(away)
	for i, x := range kept {
		if x != 0 {
			sizes, positive = append(sizes, ranks[i]), append(positive, x > 0)
		}
	}
	return sizes, positive
}

// signSums returns the probability of each sum of the ranks that a fair coin picks.
func signSums(ranks []int) []float64 {
	most := 0
	for _, r := range ranks {
		most += r
	}
	p := make([]float64, most+1)
	p[0] = 1
	reach := 0
	for _, r := range ranks {
		for s := reach; s >= 0; s-- {
			half := p[s] / 2
			p[s] = half
			p[s+r] += half
		}
		reach += r
	}
	return p
}
