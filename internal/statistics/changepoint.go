package statistics

import (
	"fmt"
	"math"
	"slices"

	"varve/internal/statistics/distribution"
)

// Posterior is what is known about the place of a change among n positions in order: at place c, what is before c is as
// of old, and c and what follows is changed.
type Posterior struct {
	P []float64 // probability of each place; they sum to 1
}

// Best is the most likely place.
func (p Posterior) Best() int {
	best := 0
	for i, v := range p.P {
		if v > p.P[best] {
			best = i
		}
	}
	return best
}

// Credible is the smallest set of places, in order, that holds the change with the probability level.
func (p Posterior) Credible(level float64) []int {
	order := make([]int, len(p.P))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case p.P[i] > p.P[j]:
			return -1
		case p.P[i] < p.P[j]:
			return 1
		}
		return 0
	})
	var s float64
	for i, at := range order {
		if s += p.P[at]; s >= level*(1-1e-12) {
			order = order[:i+1]
			break
		}
	}
	slices.Sort(order)
	return order
}

// Next is the position whose observation tells most about the place of the change: where changed and unchanged are
// closest to equally likely. An observation that errs with a fixed rate has its greatest expected information there,
// whatever the rate. Positions that skip names are left out; −1 where all are.
func (p Posterior) Next(skip func(int) bool) int {
	next, least := -1, math.Inf(1)
	var changed float64
	for i, v := range p.P {
		changed += v
		if d := math.Abs(changed - 0.5); d < least && (skip == nil || !skip(i)) {
			next, least = i, d
		}
	}
	return next
}

// Probe is one observation at a position: bad, as after the change, or good.
type Probe struct {
	At  int
	Bad bool
}

// mostPlaces bounds a search for a change.
const mostPlaces = 10_000_000

func checkPlaces(n int, prior []float64) error {
	if n < 1 || n > mostPlaces {
		return fmt.Errorf("%d places: %w", n, ErrInput)
	}
	if prior == nil {
		return nil
	}
	if len(prior) != n {
		return fmt.Errorf("prior of %d for %d places: %w", len(prior), n, ErrInput)
	}
	for _, v := range prior {
		if !(v >= 0) || math.IsInf(v, 0) {
			return fmt.Errorf("prior %g: %w", v, ErrInput)
		}
	}
	return nil
}

// ChangePoint is the posterior from observations that are wrong with probability flip, 0 ≤ flip < ½, from a prior that
// nil makes uniform. Observations that no place explains (flip 0, contradictory) are an error.
func ChangePoint(n int, probes []Probe, flip float64, prior []float64) (Posterior, error) {
	if err := checkPlaces(n, prior); err != nil {
		return Posterior{}, err
	}
	if !(flip >= 0 && flip < 0.5) {
		return Posterior{}, fmt.Errorf("flip rate %g: %w: it lies between 0 and ½", flip, ErrInput)
	}
	// For each position, what its observations say for changed against unchanged; place c has all from c on changed.
	says := make([]float64, n)
	weight := math.Log1p(-flip) - math.Log(flip)
	if flip == 0 {
		weight = 1e6
	}
	var bad float64
	for _, o := range probes {
		if o.At < 0 || o.At >= n {
			return Posterior{}, fmt.Errorf("observation at %d of %d: %w", o.At, n, ErrInput)
		}
		if o.Bad {
			says[o.At] += weight
			bad += weight
		} else {
			says[o.At] -= weight
		}
	}
	logs := make([]float64, n)
	l := sum(says) - bad // at place 0 the good ones are not explained; 0 is every one explained
	for c := range n {
		logs[c] = l + logPrior(prior, c)
		l -= says[c]
	}
	if flip == 0 && slices.Max(logs) < -1e5 {
		return Posterior{}, fmt.Errorf("%w: the observations contradict each other: give a flip rate above 0", ErrInput)
	}
	return fromLogs(logs)
}

func logPrior(prior []float64, c int) float64 {
	if prior == nil {
		return 0
	}
	return math.Log(prior[c])
}

func fromLogs(logs []float64) (Posterior, error) {
	most := slices.Max(logs)
	if math.IsInf(most, -1) || math.IsNaN(most) {
		return Posterior{}, fmt.Errorf("%w: no place is possible", ErrTooFew)
	}
	out := make([]float64, len(logs))
	for i, l := range logs {
		out[i] = math.Exp(l - most)
	}
	return Posterior{normalised(out)}, nil
}

// Reading is one measurement at a position.
type Reading struct {
	At    int
	Value float64
}

// ChangePointMean is the posterior from readings that are normal about one mean before the change and another after,
// with one unknown variance; means flat and variance as 1/σ², integrated out. Places without readings on both sides are
// not possible; three readings are the least.
func ChangePointMean(n int, readings []Reading, prior []float64) (Posterior, error) {
	if err := checkPlaces(n, prior); err != nil {
		return Posterior{}, err
	}
	at := make([][]float64, n)
	all := make([]float64, 0, len(readings))
	for _, r := range readings {
		if r.At < 0 || r.At >= n {
			return Posterior{}, fmt.Errorf("reading at %d of %d: %w", r.At, n, ErrInput)
		}
		at[r.At] = append(at[r.At], r.Value)
		all = append(all, r.Value)
	}
	if err := checkValues(3, all); err != nil {
		return Posterior{}, err
	}
	if constantValues(all) {
		return Posterior{}, ErrNoVariance
	}
	middle, scale := Mean(all), Variance(all)*float64(len(all)-1)
	whole, logs := float64(len(all)), make([]float64, n)
	var k, s float64 // readings before the place, and their sum about the middle
	for c := range n {
		logs[c] = math.Inf(-1)
		if k > 0 && k < whole {
			// Σ(x−m)² less what the two means explain.
			rest := max(scale-s*s/k-s*s/(whole-k), scale*1e-14)
			logs[c] = -math.Log(k*(whole-k))/2 - (whole-2)/2*math.Log(rest) + logPrior(prior, c)
		}
		for _, v := range at[c] {
			k++
			s += v - middle
		}
	}
	return fromLogs(logs)
}

// ChangePointRate is the posterior from counts of events (crashes) with their exposure (sessions, hours) at each
// position: a Poisson rate that rises once, or falls where falls is true; both rates have the prior Gamma(½, 0),
// integrated out. Place 0, where nothing is before, is not possible.
func ChangePointRate(counts []int, exposure []float64, falls bool, prior []float64) (Posterior, error) {
	n := len(counts)
	if err := checkPlaces(n, prior); err != nil {
		return Posterior{}, err
	}
	if len(exposure) != n {
		return Posterior{}, fmt.Errorf("%d counts beside %d exposures: %w", n, len(exposure), ErrInput)
	}
	// Sums from each place on; taken from the end, so that what is left is not a rounding error.
	events, exposed := make([]float64, n+1), make([]float64, n+1)
	for i := n - 1; i >= 0; i-- {
		e := exposure[i]
		if !(e >= 0) || math.IsInf(e, 0) || counts[i] < 0 || counts[i] > 0 && e == 0 {
			return Posterior{}, fmt.Errorf("position %d: %d events in exposure %g: %w", i, counts[i], e, ErrInput)
		}
		events[i], exposed[i] = events[i+1]+float64(counts[i]), exposed[i+1]+e
	}
	logs := make([]float64, n)
	var k0, e0 float64
	for c := range n {
		logs[c] = math.Inf(-1)
		if k1, e1 := events[c], exposed[c]; e0 > 0 && e1 > 0 {
			rise := distribution.Beta{A: k1 + 0.5, B: k0 + 0.5}
			share := rise.Upper(e1 / (e0 + e1))
			if falls {
				share = rise.Lower(e1 / (e0 + e1))
			}
			logs[c] = rateEvidence(k0, e0) + rateEvidence(k1, e1) + math.Log(share) + logPrior(prior, c)
		}
		k0, e0 = k0+float64(counts[c]), e0+exposure[c]
	}
	return fromLogs(logs)
}

// rateEvidence is the logarithm of ∫ λᵏ⁻½ e^(−λe) dλ.
func rateEvidence(k, e float64) float64 {
	l, _ := math.Lgamma(k + 0.5)
	return l - (k+0.5)*math.Log(e)
}
