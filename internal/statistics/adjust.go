package statistics

import "slices"

// Adjustment is a way to judge several p values together.
type Adjustment int

// Bonferroni, Holm and Hochberg bound the chance of one false finding (Hochberg: where the tests are independent or
// positively dependent); BH bounds the share of false ones among the findings, BY does under every dependence. Source:
// R: p.adjust.
const (
	Holm Adjustment = iota
	Hochberg
	BH
	BY
	Bonferroni
)

// String is its usual name.
func (a Adjustment) String() string {
	return [...]string{"Holm", "Hochberg", "BH", "BY", "Bonferroni"}[a]
}

// AdjustP returns the adjusted p values, in the order given.
func AdjustP(p []float64, by Adjustment) []float64 {
	n := len(p)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case p[i] < p[j]:
			return -1
		case p[i] > p[j]:
			return 1
		}
		return 0
	})
	harmonic := 0.0
	for i := range n {
		harmonic += 1 / float64(i+1)
	}
	factor := func(i int) float64 { // of the i-th smallest, from 0
		switch by {
		case Holm, Hochberg:
			return float64(n - i)
		case BH:
			return float64(n) / float64(i+1)
		case BY:
			return harmonic * float64(n) / float64(i+1)
		}
		return float64(n)
	}
	out := make([]float64, n)
	for i, at := range order {
		out[at] = min(1, factor(i)*p[at])
	}
	for i := 1; i < n && by == Holm; i++ {
		out[order[i]] = max(out[order[i]], out[order[i-1]])
	}
	for i := n - 2; i >= 0 && by != Holm && by != Bonferroni; i-- {
		out[order[i]] = min(out[order[i]], out[order[i+1]])
	}
	return out
}
