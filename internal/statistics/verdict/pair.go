package verdict

import (
	"fmt"
	"maps"
	"slices"

	"varve/internal/statistics"
)

// pairUp returns the values of both sides; in pairs, by key in order, where both have keys in common.
func (c *Comparison) pairUp(a, b Sample) (x, y []float64) {
	if len(a.Keys) == 0 || len(b.Keys) == 0 {
		if len(a.Keys)+len(b.Keys) > 0 {
			c.warn(false, "keys", "only one side has keys: the sides are taken as independent")
		}
		return slices.Clone(a.Values), slices.Clone(b.Values)
	}
	ofA, ofB := byKey(a), byKey(b)
	if len(ofA) < len(a.Keys) || len(ofB) < len(b.Keys) {
		c.warn(false, "keys", "keys repeat: values of one key are not independent, and their mean is taken")
	}
	left := 0
	for _, k := range slices.Sorted(maps.Keys(ofA)) {
		if v, both := ofB[k]; both {
			x, y = append(x, statistics.Mean(ofA[k])), append(y, statistics.Mean(v))
		} else {
			left++
		}
	}
	if len(x) == 0 {
		c.warn(false, "keys", "no key is on both sides: the sides are taken as independent")
		return means(ofA), means(ofB)
	}
	if left > 0 || len(ofB) > len(x) {
		c.warn(false, "keys", "%s of a and %s of b have no partner, and are not in the comparison", plural(left, "key"), plural(len(ofB)-len(x), "key"))
	}
	c.Paired, c.PairedBy = true, len(x)
	return x, y
}

func byKey(s Sample) map[string][]float64 {
	out := make(map[string][]float64, len(s.Keys))
	for i, k := range s.Keys {
		out[k] = append(out[k], s.Values[i])
	}
	// The mean of equal sets is the same whatever their order.
	for _, v := range out {
		slices.Sort(v)
	}
	return out
}

func means(groups map[string][]float64) []float64 {
	var out []float64
	for _, k := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, statistics.Mean(groups[k]))
	}
	return out
}

// look warns of what is odd about the values as they came.
func (c *Comparison) look(a, b Sample) {
	for i, s := range []Sample{a, b} {
		side := string('a' + rune(i))
		if out := statistics.Outliers(s.Values); len(out) > 0 {
			c.warn(false, "outliers", "%s of side %s lie far out (the first is %g): shown, not left out", plural(len(out), "value"), side, s.Values[out[0]])
		}
		if d, err := statistics.Drift(s.Values); err == nil && d.P < 0.01 {
			c.warn(false, "drift", "the second half of side %s lies %+.3g from the first (p = %.2g): the runs are not alike", side, d.Estimate, d.P)
		}
	}
	all := slices.Concat(a.Values, b.Values)
	slices.Sort(all)
	if n := len(all); n > 3 && !whole(all) {
		if distinct := len(slices.Compact(all)); distinct*2 < n && distinct > 1 {
			c.warn(false, "ties", "%d values, of which %d differ: the metric is coarse", n, distinct)
		}
	}
	c.ratio(len(a.Values), len(b.Values), c.plan.Shares != nil && c.Kind != AUROC)
}

// ratio checks the sizes of sides that were drawn at random.
func (c *Comparison) ratio(a, b int, asked bool) {
	if c.plan.NotAssigned || !asked {
		return
	}
	out, err := statistics.SampleRatio([]int{a, b}, c.plan.Shares)
	if err != nil {
		if a+b > 0 {
			c.warn(true, "ratio", "planned shares: %v", err)
		}
		return
	}
	switch {
	case out.P < statistics.RatioBroken:
		c.warn(true, "ratio", "%d and %d are not the planned shares (χ² %.4g, p = %.2g): the assignment is broken, and no result is to be trusted", a, b, out.Statistic, out.P)
	case out.P < statistics.RatioWarning:
		c.warn(false, "ratio", "%d and %d differ from the planned shares (χ² %.4g, p = %.2g): look for what lost or added some", a, b, out.Statistic, out.P)
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
