package verdict

import (
	"errors"
	"fmt"
	"math"

	"varve/internal/statistics"
	"varve/internal/statistics/distribution"
)

// exactTrials is the number of trials a side up to which the exact test is quick enough.
const exactTrials = 200

// shares compares proportions.
func (c *Comparison) shares(a, b Sample) error {
	if len(a.Keys) > 0 && len(b.Keys) > 0 {
		p, q := c.pairUp(a, b)
		switch {
		case !whole(p) || !whole(q):
			return c.sharesOfKeys(a, b)
		case c.Paired:
			return c.pairedShares(p, q)
		}
		a.Values, b.Values = p, q
	}
	x, y := counted(a), counted(b)
	c.A.N, c.B.N = x.Of, y.Of
	c.ratio(x.Of, y.Of, true)
	if x.Of == 0 || y.Of == 0 {
		c.warn(true, "few", "a side has no trials")
		return nil
	}
	level := 1 - c.plan.alpha()
	var err error
	c.A.Centre, c.B.Centre = x.Share(), y.Share()
	if c.A.Interval, err = statistics.Wilson(x, level); err != nil {
		return err
	}
	if c.B.Interval, err = statistics.Wilson(y, level); err != nil {
		return err
	}
	c.Delta = y.Share() - x.Share()
	if c.Interval, err = statistics.Newcombe(y, x, level); err != nil {
		return err
	}
	c.EffectName, c.Effect = "Cohen h", 2*math.Asin(math.Sqrt(y.Share()))-2*math.Asin(math.Sqrt(x.Share()))
	out, err := testShares(x, y, level)
	if err != nil {
		return err
	}
	c.Test, c.P = out.Method, out.P
	v := x.Share()*(1-x.Share())/float64(x.Of) + y.Share()*(1-y.Share())/float64(y.Of)
	c.decide(c.Delta, math.Sqrt(v), func(alpha float64) statistics.Interval {
		out, _ := statistics.Score(y, x, statistics.Options{Level: 1 - 2*alpha})
		return out.Interval
	})
	c.looks(math.Sqrt(v), min(x.Hits, x.Of-x.Hits, y.Hits, y.Of-y.Hits))
	return nil
}

// testShares is exact where the trials are few, and χ² where they are many.
func testShares(x, y statistics.Count, level float64) (statistics.Outcome, error) {
	o := statistics.Options{Level: level}
	if max(x.Of, y.Of) <= exactTrials {
		return statistics.Boschloo(y, x, o)
	}
	hits, all := float64(x.Hits+y.Hits), float64(x.Of+y.Of)
	if least := min(hits, all-hits) * float64(min(x.Of, y.Of)) / all; least < 5 {
		return statistics.Fisher(y, x, o)
	}
	return statistics.ProportionTest(y, x, false, o)
}

func counted(s Sample) statistics.Count {
	if len(s.Values) == 0 {
		return s.Count
	}
	var n statistics.Count
	for _, v := range s.Values {
		n.Hits += int(v)
		n.Of++
	}
	return n
}

// fewestEvents is what each kind of outcome must have happened on each side before its estimate is about normal.
const fewestEvents = 10

// looks corrects the p value and the interval of a large sample for many looks: by the mixture where the plan says
// which effect matters, else by the number of looks. events is the least count that the estimate rests on.
func (c *Comparison) looks(se float64, events int) {
	if c.plan.Looks < 2 {
		return
	}
	tau := plainScale(c.plan.MinimumEffect, c.A.Centre, true)
	if tau > 0 && (events < fewestEvents || !(se > 0)) {
		c.P = 1
		c.warn(false, "looks", "too early: %d of each outcome are needed on each side before a look counts", fewestEvents)
		return
	}
	if tau > 0 {
		var s statistics.Sequence
		c.Test, c.P = "always-valid normal mixture", s.Look(statistics.NormalMixture(c.Delta, se*se, tau))
		i := statistics.NormalSequence(c.Delta, se*se, tau, 1-c.plan.alpha())
		c.Interval = i
		c.decide(c.Delta, se, func(float64) statistics.Interval { return i })
		return
	}
	c.P = min(1, c.P*float64(c.plan.Looks))
	c.Test += ", Bonferroni over looks"
	c.warn(false, "looks", "p is times %d, the looks planned: plan a minimum effect for a test that allows any number", c.plan.Looks)
}

// sharesOfKeys compares the shares of players or folds with several values each: numbers like any.
func (c *Comparison) sharesOfKeys(a, b Sample) error {
	c.Warnings = nil
	c.Kind = Mean
	err := c.values(a, b)
	c.Kind = Proportion
	if !c.Paired && c.plan.Shares == nil {
		c.ratio(c.A.N, c.B.N, true)
	}
	return err
}

// pairedShares compares two versions on the same examples.
func (c *Comparison) pairedShares(x, y []float64) error {
	var both, onlyA, onlyB, neither int
	for i := range x {
		switch {
		case x[i] == 1 && y[i] == 1:
			both++
		case x[i] == 1:
			onlyA++
		case y[i] == 1:
			onlyB++
		default:
			neither++
		}
	}
	n, level := len(x), 1-c.plan.alpha()
	c.A.N, c.B.N = n, n
	c.A.Centre, c.B.Centre = float64(both+onlyA)/float64(n), float64(both+onlyB)/float64(n)
	c.A.Interval, _ = statistics.Wilson(statistics.Count{Hits: both + onlyA, Of: n}, level)
	c.B.Interval, _ = statistics.Wilson(statistics.Count{Hits: both + onlyB, Of: n}, level)
	c.Delta, c.Interval, _ = statistics.PairedDifference(both, onlyB, onlyA, neither, level)
	c.EffectName, c.Effect = "difference of shares", c.Delta
	out, err := statistics.McNemarExact(onlyB, onlyA, statistics.Options{Level: level})
	if errors.Is(err, statistics.ErrTooFew) {
		c.warn(true, "variance", "both versions gave the same answer on all %d examples", n)
		return nil
	}
	c.Test, c.P = out.Method, out.P
	off := float64(onlyB - onlyA)
	se := math.Sqrt(max(0, float64(onlyA+onlyB)-off*off/float64(n))) / float64(n)
	c.decide(c.Delta, se, func(alpha float64) statistics.Interval {
		_, i, _ := statistics.PairedDifference(both, onlyB, onlyA, neither, 1-2*alpha)
		return i
	})
	c.looks(se, min(onlyA, onlyB))
	return nil
}

func whole(x []float64) bool {
	for _, v := range x {
		if v != 0 && v != 1 {
			return false
		}
	}
	return true
}

// areas compares areas under ROC curves.
func (c *Comparison) areas(a, b Sample) error {
	labels, x, y, err := c.sameCases(a, b)
	if err != nil {
		return err
	}
	level := 1 - c.plan.alpha()
	o := statistics.Options{Level: level}
	c.A.N, c.B.N = len(a.Values), len(b.Values)
	for _, s := range []struct {
		side   *Side
		labels []bool
		values []float64
	}{{&c.A, a.Labels, a.Values}, {&c.B, b.Labels, b.Values}} {
		out, err := statistics.AUROC(s.labels, s.values, o)
		if err != nil {
			c.warn(true, "few", "%v", err)
			return nil
		}
		s.side.Centre, s.side.Interval = out.Estimate, out.Interval
	}
	c.Delta = c.B.Centre - c.A.Centre
	c.EffectName, c.Effect = "difference of areas", c.Delta
	test := func(o statistics.Options) (statistics.Outcome, error) {
		if c.Paired {
			return statistics.DeLong(labels, y, x, o)
		}
		return statistics.DeLongTwo(b.Labels, b.Values, a.Labels, a.Values, o)
	}
	out, err := test(o)
	if err != nil {
		c.warn(true, "variance", "%v", err)
		return nil
	}
	c.Test, c.P, c.Interval = out.Method, out.P, out.Interval
	se := math.Abs(out.Interval.High-out.Interval.Low) / 2 / statistics.NormalHalfWidth(level)
	c.decide(c.Delta, se, func(alpha float64) statistics.Interval {
		out, _ := test(statistics.Options{Level: 1 - 2*alpha})
		return out.Interval
	})
	c.looks(se, min(positives(a.Labels), positives(b.Labels)))
	return nil
}

// sameCases brings the scores of both sides in one order where their keys and labels are the same.
func (c *Comparison) sameCases(a, b Sample) (labels []bool, x, y []float64, err error) {
	if len(a.Keys) == 0 || len(b.Keys) == 0 {
		return nil, nil, nil, nil
	}
	at := make(map[string]int, len(a.Keys))
	for i, k := range a.Keys {
		at[k] = i
	}
	if len(at) < len(a.Keys) || len(a.Keys) != len(b.Keys) {
		c.warn(false, "keys", "the cases of both sides are not the same: they are taken as independent")
		return nil, nil, nil, nil
	}
	seen := make(map[string]bool, len(b.Keys))
	for j, k := range b.Keys {
		i, both := at[k]
		if !both || seen[k] {
			c.warn(false, "keys", "the cases of both sides are not the same: they are taken as independent")
			return nil, nil, nil, nil
		}
		seen[k] = true
		if a.Labels[i] != b.Labels[j] {
			return nil, nil, nil, fmt.Errorf("case %q has two labels: %w: the evaluations are not comparable", k, statistics.ErrInput)
		}
		labels, x, y = append(labels, b.Labels[j]), append(x, a.Values[i]), append(y, b.Values[j])
	}
	c.Paired, c.PairedBy = true, len(x)
	return labels, x, y, nil
}

// rates compares counts with exposure.
func (c *Comparison) rates(a, b Sample) error {
	level := 1 - c.plan.alpha()
	c.A.N, c.B.N = a.Events, b.Events
	c.A.Centre, c.B.Centre = float64(a.Events)/a.Exposure, float64(b.Events)/b.Exposure
	c.A.Interval, _ = statistics.PoissonRate(a.Events, a.Exposure, level)
	c.B.Interval, _ = statistics.PoissonRate(b.Events, b.Exposure, level)
	c.Delta = c.B.Centre - c.A.Centre
	c.Interval = rateDifference(a, b, level)
	out, err := statistics.PoissonRatio(b.Events, b.Exposure, a.Events, a.Exposure, statistics.Options{Level: level})
	if errors.Is(err, statistics.ErrTooFew) {
		c.warn(true, "few", "no event on either side")
		return nil
	}
	if err != nil {
		return err
	}
	c.Test, c.P = out.Method, out.P
	c.EffectName, c.Effect = "rate ratio", out.Estimate
	c.Relative = out.Estimate - 1
	c.RelativeInterval = statistics.Interval{Low: out.Interval.Low - 1, High: out.Interval.High - 1}
	se := math.Hypot(math.Sqrt(float64(a.Events))/a.Exposure, math.Sqrt(float64(b.Events))/b.Exposure)
	c.decide(c.Delta, se, func(alpha float64) statistics.Interval { return rateDifference(a, b, 1-2*alpha) })
	c.looks(se, min(a.Events, b.Events))
	return nil
}

// estimates compares two values that were made of many examples, each with its standard error, as normal and
// independent: of the same examples the difference varies less than that, so what is found then is rather too little.
func (c *Comparison) estimates(a, b Sample) error {
	normal := func(x, se, alpha float64) statistics.Interval {
		half := distribution.Normal{}.UpperQuantile(alpha/2) * se
		return statistics.Interval{Low: x - half, High: x + half}
	}
	alpha := c.plan.alpha()
	c.A.N, c.B.N, c.A.Centre, c.B.Centre = 1, 1, a.Values[0], b.Values[0]
	c.A.Interval, c.B.Interval = normal(a.Values[0], a.StdErr, alpha), normal(b.Values[0], b.StdErr, alpha)
	c.Delta = b.Values[0] - a.Values[0]
	se := math.Hypot(a.StdErr, b.StdErr)
	if se == 0 {
		c.warn(true, "variance", "the standard errors are 0: the values say nothing about how much they vary")
		return nil
	}
	z := c.Delta / se
	c.Test, c.P = "z of two estimates", 2*distribution.Normal{}.Upper(math.Abs(z))
	c.EffectName, c.Effect = "z", z
	c.Interval = normal(c.Delta, se, alpha)
	c.warn(false, "few", "one value a side with its standard error, taken as independent: values of each example would show more")
	c.decide(c.Delta, se, func(alpha float64) statistics.Interval { return normal(c.Delta, se, 2*alpha) })
	return nil
}

// positives is the smaller of the numbers of true and false labels.
func positives(labels []bool) int {
	n := 0
	for _, l := range labels {
		if l {
			n++
		}
	}
	return min(n, len(labels)-n)
}

// rateDifference is the interval of b's rate less a's, from the exact intervals of both. Source: Zou and Donner (2008).
func rateDifference(a, b Sample, level float64) statistics.Interval {
	ia, _ := statistics.PoissonRate(a.Events, a.Exposure, level)
	ib, _ := statistics.PoissonRate(b.Events, b.Exposure, level)
	ra, rb := float64(a.Events)/a.Exposure, float64(b.Events)/b.Exposure
	return statistics.Interval{Low: rb - ra - math.Hypot(rb-ib.Low, ia.High-ra), High: rb - ra + math.Hypot(ib.High-rb, ra-ia.Low)}
}
