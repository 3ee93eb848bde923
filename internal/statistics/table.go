package statistics

import (
	"fmt"
	"math"

	"varve/internal/statistics/distribution"
)

// mostSupport bounds the tables that are tested exactly.
const mostSupport = 1_000_000

// Fisher is the exact test of two proportions given both margins; two-sided it adds all tables that are not more
// likely. Estimate and Interval: the odds ratio, by conditional maximum likelihood. R: fisher.test.
func Fisher(a, b Count, o Options) (Outcome, error) {
	if err := checkCounts(o, a, b); err != nil {
		return Outcome{}, err
	}
	h := newHypergeometric(a, b)
	if h == nil {
		return Outcome{}, fmt.Errorf("%w: a table with more than %d outcomes: use the χ² test", ErrInput, mostSupport)
	}
	out := Outcome{Method: "Fisher exact", Statistic: float64(a.Hits), Exact: true, P: h.p(o.Tail)}
	out.Estimate = h.oddsRatio()
	out.Interval = h.interval(o)
	return out, nil
}

// A hypergeometric is what can stand in the first cell, given the margins.
type hypergeometric struct {
	points []float64 // probability of each outcome where the odds are equal
	logs   []float64 // their logarithms
	at     int       // the outcome observed
}

func newHypergeometric(a, b Count) *hypergeometric {
	d := distribution.Hypergeometric{Marked: a.Of, Plain: b.Of, Drawn: a.Hits + b.Hits}
	least, greatest := d.Support()
	if greatest-least > mostSupport {
		return nil
	}
	h := &hypergeometric{logs: d.LogPoints(), at: a.Hits - least}
	h.points = make([]float64, len(h.logs))
	for i, l := range h.logs {
		h.points[i] = math.Exp(l)
	}
	return h
}

func (h *hypergeometric) p(t Tail) float64 {
	if t != TwoSided {
		return t.fromTails(tails(h.points, h.at))
	}
	var s float64
	for _, p := range h.points {
		if p <= h.points[h.at]*(1+1e-7) {
			s += p
		}
	}
	return min(1, s)
}

// tilted returns the probabilities where the logarithm of the odds ratio is l.
func (h *hypergeometric) tilted(l float64) []float64 {
	out := make([]float64, len(h.points))
	most := math.Inf(-1)
	for i, p := range h.logs {
		out[i] = p + float64(i)*l
		most = max(most, out[i])
	}
	for i := range out {
		out[i] = math.Exp(out[i] - most)
	}
	return normalised(out)
}

// oddsRatio is where the expected outcome is the observed one.
func (h *hypergeometric) oddsRatio() float64 {
	switch {
	case len(h.points) == 1:
		return math.NaN()
	case h.at == 0:
		return 0
	case h.at == len(h.points)-1:
		return math.Inf(1)
	}
	return h.solve(func(p []float64) float64 {
		var mean float64
		for i, v := range p {
			mean += float64(i) * v
		}
		return mean - float64(h.at)
	})
}

func (h *hypergeometric) interval(o Options) Interval {
	if len(h.points) == 1 {
		return Interval{0, math.Inf(1)}
	}
	low := func(alpha float64) float64 {
		if h.at == 0 {
			return 0
		}
		return h.solve(func(p []float64) float64 { _, u := tails(p, h.at); return u - alpha })
	}
	high := func(alpha float64) float64 {
		if h.at == len(h.points)-1 {
			return math.Inf(1)
		}
		return h.solve(func(p []float64) float64 { l, _ := tails(p, h.at); return alpha - l })
	}
	alpha := 1 - o.level()
	switch o.Tail {
	case Less:
		return Interval{0, high(alpha)}
	case Greater:
		return Interval{low(alpha), math.Inf(1)}
	}
	return Interval{low(alpha / 2), high(alpha / 2)}
}

// solve finds the odds ratio where f, which rises with it, is 0.
func (h *hypergeometric) solve(f func([]float64) float64) float64 {
	g := func(l float64) float64 { return f(h.tilted(l)) }
	low, high := -1.0, 1.0
	for g(low) > 0 && low > -700 {
		low *= 2
	}
	for g(high) < 0 && high < 700 {
		high *= 2
	}
	return math.Exp(distribution.Root(g, low, high))
}

// MostBoschloo bounds the trials a side of Boschloo's test.
const MostBoschloo = 1000

// Boschloo is the unconditional exact test of two independent proportions with Fisher's one-sided p as its statistic:
// never less powerful than Fisher's. Two-sided p is twice the smaller one-sided. The unknown common proportion is
// searched on 2,000 places and around the best. Statistic: Fisher's one-sided p. Source: R. D. Boschloo (1970); SciPy:
// boschloo_exact.
func Boschloo(a, b Count, o Options) (Outcome, error) {
	if err := checkCounts(o, a, b); err != nil {
		return Outcome{}, err
	}
	if max(a.Of, b.Of) > MostBoschloo {
		return Outcome{}, fmt.Errorf("%w: more than %d trials a side: use the χ² test", ErrInput, MostBoschloo)
	}
	e, none := none()
	out := Outcome{Method: "Boschloo exact", Estimate: e, Interval: none, Exact: true}
	greater := func() (p, fisher float64) { return boschloo(a, b) }
	less := func() (p, fisher float64) {
		return boschloo(Count{a.Of - a.Hits, a.Of}, Count{b.Of - b.Hits, b.Of})
	}
	switch o.Tail {
	case Less:
		out.P, out.Statistic = less()
	case Greater:
		out.P, out.Statistic = greater()
	default:
		l, fl := less()
		g, fg := greater()
		out.P, out.Statistic = min(1, 2*min(l, g)), min(fl, fg)
	}
	return out, nil
}

// boschloo returns the one-sided p for a greater than b, and Fisher's.
func boschloo(a, b Count) (p, fisher float64) {
	upper := func(x, y int) float64 {
		h := newHypergeometric(Count{x, a.Of}, Count{y, b.Of})
		_, u := tails(h.points, h.at)
		return u
	}
	fisher = upper(a.Hits, b.Hits)
	// For each x, all y below edge[x] are as extreme; the edge rises with x, so it is found by one walk.
	edge := make([]int, a.Of+1)
	y := 0
	for x := range edge {
		for y <= b.Of && upper(x, y) <= fisher*(1+1e-10) {
			y++
		}
		edge[x] = y
	}
	at := func(p float64) float64 {
		da, db := distribution.Binomial{N: a.Of, P: p}, distribution.Binomial{N: b.Of, P: p}
		below := make([]float64, b.Of+2)
		for y := range b.Of + 1 {
			below[y+1] = below[y] + db.Point(y)
		}
		var s float64
		for x, e := range edge {
			s += da.Point(x) * below[e]
		}
		return s
	}
	const places = 2000
	best, most := 0.5, 0.0
	for i := 1; i < places; i++ {
		if v := at(float64(i) / places); v > most {
			best, most = float64(i)/places, v
		}
	}
	return min(1, max(most, peak(at, best-1.0/places, best+1.0/places))), fisher
}

// peak is the greatest value of f between low and high, where it has one peak, by golden sections.
func peak(f func(float64) float64, low, high float64) float64 {
	const golden = 0.6180339887498949
	x, y := high-golden*(high-low), low+golden*(high-low)
	fx, fy := f(x), f(y)
	for range 60 {
		if fx > fy {
			high, y, fy = y, x, fx
			x = high - golden*(high-low)
			fx = f(x)
		} else {
			low, x, fx = x, y, fy
			y = low + golden*(high-low)
			fy = f(y)
		}
	}
	return max(fx, fy)
}

// Stratum is one layer (a platform, a country) of two proportions.
type Stratum struct{ A, B Count }

// MantelHaenszel tests two proportions over several strata (Cochran–Mantel–Haenszel χ²), with continuity correction or
// without. Estimate and Interval: the common odds ratio (Robins, Breslow and Greenland 1986). R: mantelhaen.test.
func MantelHaenszel(strata []Stratum, correct bool, o Options) (Outcome, error) {
	if len(strata) == 0 {
		return Outcome{}, fmt.Errorf("%w: no stratum", ErrTooFew)
	}
	var delta, variance, diag, off, pr, mixed, qs float64
	for i, s := range strata {
		if err := checkCounts(o, s.A, s.B); err != nil {
			return Outcome{}, fmt.Errorf("stratum %d: %w", i+1, err)
		}
		n11, n12 := float64(s.A.Hits), float64(s.A.Of-s.A.Hits)
		n21, n22 := float64(s.B.Hits), float64(s.B.Of-s.B.Hits)
		n := n11 + n12 + n21 + n22
		delta += n11 - (n11+n12)*(n11+n21)/n
		variance += (n11 + n12) * (n21 + n22) * (n11 + n21) * (n12 + n22) / (n * n * (n - 1))
		r, t, p := n11*n22/n, n12*n21/n, (n11+n22)/n
		diag, off = diag+r, off+t
		pr += p * r
		mixed += p*t + (1-p)*r
		qs += (1 - p) * t
	}
	if !(variance > 0) {
		return Outcome{}, fmt.Errorf("%w: in every stratum all trials went the same way", ErrNoVariance)
	}
	d := math.Abs(delta)
	if correct && d >= 0.5 {
		d -= 0.5
	}
	x := d * d / variance
	out := Outcome{Method: "Cochran–Mantel–Haenszel", Statistic: x, DF: 1, P: distribution.ChiSquared{DF: 1}.Upper(x), Estimate: diag / off}
	sd := math.Sqrt(pr/(2*diag*diag) + mixed/(2*diag*off) + qs/(2*off*off))
	z := distribution.Normal{}.UpperQuantile((1 - o.level()) / 2)
	out.Interval = Interval{out.Estimate * math.Exp(-z*sd), out.Estimate * math.Exp(z*sd)}
	if math.IsNaN(sd) || math.IsInf(sd, 0) {
		out.Interval = Interval{0, math.Inf(1)}
	}
	return out, nil
}
