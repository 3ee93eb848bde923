package verdict

import (
	"fmt"
	"math"

	"varve/internal/statistics"
)

// Adjust fills PAdjusted of a family of comparisons, and judges better and worse anew by it; equivalence and
// non-inferiority keep their own tests. Comparisons without a p value stay out of the family.
func Adjust(family []Comparison, by statistics.Adjustment) {
	var p []float64
	for _, c := range family {
		if !math.IsNaN(c.P) {
			p = append(p, c.P)
		}
	}
	adjusted := statistics.AdjustP(p, by)
	for i := range family {
		c := &family[i]
		if !math.IsNaN(c.P) {
			c.judge(adjusted[0])
			c.PAdjusted = adjusted[0]
			adjusted = adjusted[1:]
		}
	}
}

// judge finds the word. The order: what matters by the planned minimum effect; then equivalence; then any difference
// where no minimum was planned; then non-inferiority.
func (c *Comparison) judge(p float64) {
	c.Verdict, c.NeededN, c.NeededFor = Inconclusive, 0, math.NaN()
	d, alpha := c.decision, c.plan.alpha()
	for _, w := range c.Warnings {
		if w.Hard {
			c.need()
			return
		}
	}
	if d.scale == nil || math.IsNaN(p) {
		c.need()
		return
	}
	matters := Better
	if d.estimate < 0 {
		matters = Worse
	}
	least := d.scale(c.plan.MinimumEffect, c.A.Centre, d.estimate > 0)
	significant := p < alpha && d.estimate != 0
	margin := c.plan.Equivalence
	if margin.Size == 0 {
		margin = c.plan.MinimumEffect
	}
	loss, gain := d.scale(margin, c.A.Centre, false), d.scale(margin, c.A.Centre, true)
	oneSided := d.interval(alpha)
	switch {
	case significant && least > 0 && math.Abs(d.estimate) >= least*(1-1e-12):
		c.Verdict = matters
	case loss > 0 && gain > 0 && oneSided.Low > -loss && oneSided.High < gain:
		c.Verdict = Equivalent
	case significant && least == 0:
		c.Verdict = matters
	case c.plan.NonInferiority.Size > 0 && oneSided.Low > -d.scale(c.plan.NonInferiority, c.A.Centre, false):
		c.Verdict = NonInferior
	default:
		c.need()
	}
}

// need plans the size that would find the effect which matters.
func (c *Comparison) need() {
	d := c.decision
	if d.scale == nil || !(d.se > 0) {
		return
	}
	target := math.Abs(d.estimate)
	c.NeededFor = math.Abs(c.Delta)
	for _, m := range []Margin{c.plan.NonInferiority, c.plan.Equivalence, c.plan.MinimumEffect} {
		if m.Size > 0 {
			target, c.NeededFor = d.scale(m, c.A.Centre, true), m.Size
			if m.Relative {
				c.NeededFor *= math.Abs(c.A.Centre)
			}
		}
	}
	if !(target > 0) || math.IsInf(target, 1) {
		c.NeededFor = math.NaN()
		return
	}
	n, err := c.size(target)
	if err != nil || n > 1e12 {
		c.NeededFor = math.NaN()
		return
	}
	c.NeededN = int(math.Ceil(n - 1e-9))
	if c.Kind == Mean || c.Kind == Latency {
		c.NeededN = max(c.NeededN, statistics.LeastSize(c.design(), c.plan.alpha()))
	}
}

func (c *Comparison) design() statistics.Design {
	if c.Paired {
		return statistics.Pairs
	}
	return statistics.TwoSamples
}

func (c *Comparison) size(target float64) (float64, error) {
	alpha, power := c.plan.alpha(), c.plan.power()
	switch {
	case c.Kind == Mean || c.Kind == Latency:
		sd := c.decision.se * math.Sqrt(float64(c.PairedBy))
		if !c.Paired {
			// The variance that a side would have where both have the same size.
			sd = c.decision.se / math.Sqrt(1/float64(c.A.N)+1/float64(c.B.N))
		}
		return statistics.SizeT(c.design(), target/sd, alpha, power)
	case c.Kind == Proportion && !c.Paired:
		p := c.A.Centre
		q := p + target
		if q > 1 {
			q = p - target
		}
		if q < 0 {
			return 0, fmt.Errorf("no share lies %g from %g: %w", target, p, statistics.ErrInput)
		}
		return statistics.SizeProportions(p, q, alpha, power)
	}
	if c.Kind == Estimate {
		return 0, fmt.Errorf("how many examples an estimate is of is not known: %w", statistics.ErrInput)
	}
	// Where the error falls with the root of the size: so much more of what there is.
	z, err := statistics.SizeT(statistics.Pairs, 0.001, alpha, power)
	if err != nil {
		return 0, err
	}
	n := float64(min(c.A.N, c.B.N))
	if c.Paired {
		n = float64(c.PairedBy)
	}
	r := c.decision.se / target * math.Sqrt(z) * 0.001
	return n * r * r, nil
}

// Limit is a bound on a metric of b that holds whatever the comparison says: an error rate below 0.1 %.
type Limit struct {
	Metric  string
	Value   float64
	Floor   float64 // NaN is none
	Ceiling float64 // NaN is none
}

// Decision is whether b is to replace a, and why not.
type Decision struct {
	Accept  bool
	Reasons []string
}

// Decide accepts b where the primary metric is better by its plan (p below alpha and at least the minimum effect), no
// guardrail is worse, and every limit is kept. It is the rule "p < 0.05 and effect ≥ 0.5 % and no guardrail regression
// and error rate < 0.1 %".
func Decide(primary Comparison, guardrails []Comparison, limits []Limit) Decision {
	var d Decision
	if primary.Verdict != Better {
		d.Reasons = append(d.Reasons, fmt.Sprintf("%s is %s", primary.Metric, primary.Verdict))
	}
	for _, g := range guardrails {
		if g.Verdict == Worse {
			d.Reasons = append(d.Reasons, fmt.Sprintf("guardrail %s is worse", g.Metric))
		}
	}
	for _, l := range limits {
		if math.IsNaN(l.Value) {
			d.Reasons = append(d.Reasons, fmt.Sprintf("%s was not measured", l.Metric))
		}
		if l.Value < l.Floor {
			d.Reasons = append(d.Reasons, fmt.Sprintf("%s is %g, below its floor %g", l.Metric, l.Value, l.Floor))
		}
		if l.Value > l.Ceiling {
			d.Reasons = append(d.Reasons, fmt.Sprintf("%s is %g, above its ceiling %g", l.Metric, l.Value, l.Ceiling))
		}
	}
	d.Accept = len(d.Reasons) == 0
	return d
}
