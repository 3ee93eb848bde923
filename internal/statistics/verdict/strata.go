package verdict

import (
	"fmt"
	"math"

	"varve/internal/statistics"
)

// Stratum is one layer of an experiment: a platform, a country, a level of players.
type Stratum struct {
	Name string
	A, B statistics.Count
}

// CompareStrata judges proportions layer by layer: Delta is the Mantel–Haenszel difference with the error of Greenland
// and Robins (1985), P is of Cochran, Mantel and Haenszel without correction, Effect the common odds ratio. The sides'
// centres are those of all layers thrown together; where they differ the other way than the layers do (Simpson's
// paradox), a warning says so. Layers with an empty side say nothing and are left out, with a warning.
func CompareStrata(strata []Stratum, plan Plan) (Comparison, error) {
	var used []statistics.Stratum
	var a, b statistics.Count
	empty := 0
	for _, s := range strata {
		for _, c := range []statistics.Count{s.A, s.B} {
			if c.Hits < 0 || c.Of < c.Hits || c.Of > 500_000_000 {
				return Comparison{}, fmt.Errorf("stratum %s: %d of %d: %w", s.Name, c.Hits, c.Of, statistics.ErrInput)
			}
		}
		if s.A.Of == 0 || s.B.Of == 0 {
			empty++
			continue
		}
		used = append(used, statistics.Stratum{A: s.B, B: s.A})
		a = statistics.Count{Hits: a.Hits + s.A.Hits, Of: a.Of + s.A.Of}
		b = statistics.Count{Hits: b.Hits + s.B.Hits, Of: b.Of + s.B.Of}
	}
	c, err := Compare(Sample{Kind: Proportion, Count: a}, Sample{Kind: Proportion, Count: b}, plan)
	if err != nil {
		return Comparison{}, err
	}
	if empty > 0 {
		c.warn(false, "few", "%d of %d strata have nothing on one side, and are left out", empty, len(strata))
	}
	out, err := statistics.MantelHaenszel(used, false, statistics.Options{Level: 1 - plan.alpha()})
	if err != nil {
		return c, nil // one side is empty or nothing varies: what Compare says stands
	}
	delta, se := riskDifference(used)
	half := func(alpha float64) float64 { return se * statistics.NormalHalfWidth(1-2*alpha) }
	if delta*c.Delta < 0 {
		c.warn(false, "simpson", "all strata together differ by %+.3g, but inside the strata by %+.3g: the sides have different shares of the strata", c.Delta, delta)
	}
	c.Test, c.P, c.PAdjusted, c.EffectName, c.Effect = out.Method, out.P, math.NaN(), "common odds ratio", out.Estimate
	c.Delta, c.Interval = delta, statistics.Interval{Low: delta - half(plan.alpha()/2), High: delta + half(plan.alpha()/2)}
	c.Relative = math.NaN()
	if c.A.Centre > 0 {
		c.Relative = delta / c.A.Centre
	}
	c.decide(delta, se, func(alpha float64) statistics.Interval {
		return statistics.Interval{Low: delta - half(alpha), High: delta + half(alpha)}
	})
	c.looks(se, min(a.Hits, a.Of-a.Hits, b.Hits, b.Of-b.Hits))
	c.judge(c.P)
	return c, nil
}

// riskDifference is the Mantel–Haenszel difference of the first sides less the second, and its standard error.
func riskDifference(strata []statistics.Stratum) (delta, se float64) {
	var weights, variance float64
	for _, s := range strata {
		x, n, y, m := float64(s.A.Hits), float64(s.A.Of), float64(s.B.Hits), float64(s.B.Of)
		w := n * m / (n + m)
		weights += w
		delta += w * (x/n - y/m)
		variance += w * w * (x*(n-x)/(n*n*n) + y*(m-y)/(m*m*m))
	}
	return delta / weights, math.Sqrt(variance) / weights
}
