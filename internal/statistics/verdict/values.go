package verdict

import (
	"math"
	"slices"

	"varve/internal/statistics"
)

// scaleOfEffect is the standard deviation of the effect, in standard deviations, that the always-valid test of means
// expects.
const scaleOfEffect = 0.5

// values compares means and latencies.
func (c *Comparison) values(a, b Sample) error {
	c.look(a, b)
	x, y := c.pairUp(a, b)
	c.A.N, c.B.N = len(x), len(y)
	c.side(&c.A, x)
	c.side(&c.B, y)
	if len(x) < 1 || len(y) < 1 {
		c.warn(true, "few", "a side has no values")
		return nil
	}
	c.Delta = statistics.Mean(y) - statistics.Mean(x)
	if c.Kind == Latency {
		c.shift(x, y)
	}
	if len(x) < 2 || len(y) < 2 {
		c.warn(true, "few", "one value a side says nothing about how much they vary: %d are needed", c.least())
		return nil
	}
	if least := statistics.MinimumP(c.design(), len(x), len(y)); least > c.plan.alpha() && !c.plan.Normal {
		c.warn(true, "few", "%s can never be significant at %g unless they are trusted to be normal (the least p is %.2g): %d are needed",
			c.amount(), c.plan.alpha(), least, c.least())
	}
	c.superiority(x, y)
	return c.test(x, y)
}

func (c *Comparison) amount() string {
	if c.Paired {
		return plural(c.PairedBy, "pair")
	}
	if c.A.N == c.B.N {
		return plural(c.A.N, "value") + " a side"
	}
	return plural(c.A.N, "value") + " beside " + plural(c.B.N, "value")
}

func (c *Comparison) least() int { return statistics.LeastSize(c.design(), c.plan.alpha()) }

// side fills the centre of one side: the mean, or the median of latencies.
func (c *Comparison) side(s *Side, x []float64) {
	if len(x) == 0 {
		return
	}
	if c.Kind == Latency {
		if q, i, _, err := statistics.QuantileInterval(x, 0.5, 1-c.plan.alpha()); err == nil {
			s.Centre, s.Interval = q, i
		}
		return
	}
	s.Centre = statistics.Mean(x)
	if out, err := statistics.OneSample(x, statistics.Options{Level: 1 - c.plan.alpha()}); err == nil {
		s.Interval = out.Interval
	}
}

// shift has the difference of latencies in their own unit.
func (c *Comparison) shift(x, y []float64) {
	if c.Paired {
		c.Delta, c.Interval, _ = statistics.Centre(minus(y, x), 1-c.plan.alpha())
		return
	}
	c.Delta, c.Interval, _ = statistics.Shift(y, x, 1-c.plan.alpha())
}

func (c *Comparison) superiority(x, y []float64) {
	c.EffectName = "Hedges g"
	g, err := statistics.HedgesG(y, x)
	if c.Paired {
		c.EffectName = "Cohen d of differences"
		g, err = statistics.CohenDz(minus(y, x))
	}
	if err == nil {
		c.Effect = g
	}
	o := statistics.Options{NoInterval: true}
	var out statistics.Outcome
	if c.Paired {
		out, err = statistics.SignedRank(minus(y, x), statistics.DropZeros, statistics.Auto, o)
	} else {
		out, err = statistics.MannWhitney(y, x, statistics.Auto, o)
	}
	if err == nil {
		c.Robust = out.P
	}
}

// test judges the means, or those of the logarithms of latencies.
func (c *Comparison) test(x, y []float64) error {
	logs := c.Kind == Latency
	if logs {
		x, y = logarithms(x), logarithms(y)
	}
	t, of := statistics.Welch, ""
	if c.Paired {
		t = statistics.Paired
	}
	if logs {
		of = " of logarithms"
	}
	alpha := c.plan.alpha()
	out, err := t(y, x, statistics.Options{Level: 1 - alpha})
	if err != nil {
		c.constant(x, y)
		return nil
	}
	c.Test, c.P = out.Method+of, out.P
	interval := out.Interval
	if c.plan.Looks > 1 {
		interval = c.sequential(x, y, of)
	} else if c.plan.Bootstrap && !logs {
		interval = c.bootstrap(x, y, interval)
	}
	if c.plan.Permutation && c.plan.Looks < 2 {
		if err := c.permutation(x, y, of); err != nil {
			return err
		}
	}
	c.decide(out.Estimate, standardError(x, y, c.Paired), func(a float64) statistics.Interval {
		if c.plan.Looks > 1 {
			return interval
		}
		out, _ := t(y, x, statistics.Options{Level: 1 - 2*a})
		return out.Interval
	})
	if logs {
		c.EffectName, c.Effect = "ratio of geometric means", math.Exp(out.Estimate)
		c.Relative = math.Expm1(out.Estimate)
		c.RelativeInterval = statistics.Interval{Low: math.Expm1(interval.Low), High: math.Expm1(interval.High)}
		c.decision.scale = c.logScale
	} else {
		c.Interval = interval
	}
	if (c.P < alpha) != (c.Robust < alpha) && c.plan.Looks < 2 {
		c.warn(false, "ranks", "the test by ranks says otherwise (p = %.3g): a few values far out, or too few of them, decide", c.Robust)
	}
	return nil
}

func standardError(x, y []float64, paired bool) float64 {
	if paired {
		return math.Sqrt(statistics.Variance(minus(y, x)) / float64(len(x)))
	}
	return math.Sqrt(statistics.Variance(x)/float64(len(x)) + statistics.Variance(y)/float64(len(y)))
}

// decide sets the decision on the scale of the test, turned so that more is better.
func (c *Comparison) decide(estimate, se float64, interval func(alpha float64) statistics.Interval) {
	c.decision = decision{estimate: estimate, se: se, interval: interval, scale: plainScale}
	if c.plan.LowerIsBetter {
		c.decision.estimate = -estimate
		c.decision.interval = func(alpha float64) statistics.Interval {
			i := interval(alpha)
			return statistics.Interval{Low: -i.High, High: -i.Low}
		}
	}
}

func plainScale(m Margin, centre float64, _ bool) float64 {
	if m.Relative {
		return m.Size * math.Abs(centre)
	}
	return m.Size
}

// logScale makes a margin one of logarithms: 10 % faster is 0.9 of the time, 10 % slower is 1.1 of it.
func (c *Comparison) logScale(m Margin, centre float64, gain bool) float64 {
	s := m.Size
	if !m.Relative {
		s /= centre
	}
	if gain == c.plan.LowerIsBetter {
		return -math.Log1p(-min(s, 1))
	}
	return math.Log1p(s)
}

// constant judges values that do not vary, by the exact test of ranks or signs.
func (c *Comparison) constant(x, y []float64) {
	delta := statistics.Mean(y) - statistics.Mean(x)
	c.warn(false, "variance", "the values of a side do not vary: is the metric the same in each run by its nature, or was one run copied?")
	var out statistics.Outcome
	var err error
	if c.Paired {
		out, err = statistics.SignFlip(minus(y, x), c.plan.Seed, 0, statistics.Options{})
	} else {
		out, err = statistics.MannWhitney(y, x, statistics.Auto, statistics.Options{NoInterval: true})
	}
	if err != nil {
		return
	}
	c.Test, c.P = out.Method, out.P
	nan := math.NaN()
	c.decide(delta, nan, func(float64) statistics.Interval { return statistics.Interval{Low: nan, High: nan} })
	if c.Kind == Latency {
		c.EffectName, c.Effect, c.Relative = "ratio of geometric means", math.Exp(delta), math.Expm1(delta)
		c.decision.scale = c.logScale
	}
}

// sequential replaces the p value by one that many looks do not spoil, and returns the interval of the same kind.
func (c *Comparison) sequential(x, y []float64, of string) statistics.Interval {
	n := float64(len(x)) * float64(len(y)) / float64(len(x)+len(y))
	out, err := statistics.Pooled(y, x, statistics.Options{})
	if c.Paired {
		n = float64(len(x))
		out, err = statistics.Paired(y, x, statistics.Options{})
	}
	if err != nil {
		return c.Interval
	}
	var s statistics.Sequence
	c.Test = "always-valid t mixture" + of
	c.P = s.Look(statistics.TMixture(out.Statistic, n, out.DF, scaleOfEffect))
	se := standardError(x, y, c.Paired)
	if out.Statistic != 0 {
		se = out.Estimate / out.Statistic
	}
	return statistics.TSequence(out.Estimate, se, n, out.DF, scaleOfEffect, 1-c.plan.alpha())
}

// bootstrap replaces the interval where there are values enough.
func (c *Comparison) bootstrap(x, y []float64, byT statistics.Interval) statistics.Interval {
	if n := min(len(x), len(y)); n < statistics.SmallBootstrap {
		c.warn(false, "bootstrap", "no bootstrap below %d values: at 10 its interval of 95 %% covers 91 %%; the interval is that of t", statistics.SmallBootstrap)
		return byT
	}
	s := statistics.Bootstrap{Seed: c.plan.Seed, Level: 1 - c.plan.alpha()}
	means := func(y, x []float64) float64 { return statistics.Mean(y) - statistics.Mean(x) }
	out, err := s.BCaTwo(y, x, means)
	if c.Paired {
		out, err = s.BCaPaired(y, x, means)
	}
	if err != nil {
		c.warn(false, "bootstrap", "no bootstrap: %v; the interval is that of t", err)
		return byT
	}
	c.Seed, c.Draws = out.Seed, out.Draws
	return out.Interval
}

// permutation replaces p by that of all ways to share out the values, or of draws of them.
func (c *Comparison) permutation(x, y []float64, of string) error {
	var out statistics.Outcome
	var err error
	if c.Paired {
		out, err = statistics.SignFlip(minus(y, x), c.plan.Seed, 0, statistics.Options{NoInterval: true})
	} else {
		out, err = statistics.Permutation(y, x, c.plan.Seed, 0, statistics.Options{NoInterval: true})
	}
	if err != nil {
		return err
	}
	c.Test, c.P = out.Method+of, out.P
	if !out.Exact {
		c.Seed, c.Draws = out.Seed, out.Draws
	}
	return nil
}

func minus(y, x []float64) []float64 {
	d := make([]float64, len(x))
	for i := range x {
		d[i] = y[i] - x[i]
	}
	return d
}

func logarithms(x []float64) []float64 {
	out := slices.Clone(x)
	for i, v := range out {
		out[i] = math.Log(v)
	}
	return out
}
