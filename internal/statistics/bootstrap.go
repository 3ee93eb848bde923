package statistics

import (
	"fmt"
	"math"
	"slices"

	"varve/internal/statistics/distribution"
)

// Bootstrap says how resampling is done. The same seed gives the same interval.
type Bootstrap struct {
	Seed  uint64
	Draws int     // at least LeastDraws, which 0 means
	Level float64 // 0 means 0.95
}

// SmallBootstrap is the number of values (pairs, clusters) below which a bootstrap interval covers too little: at 10 a
// side a percentile interval of 95 % covers 91 %. The functions refuse nothing between 2 and this; who shows the
// interval must.
const SmallBootstrap = 20

func (b Bootstrap) check(least int, samples ...[]float64) error {
	if b.Draws < 0 || b.Draws > 10_000_000 {
		return fmt.Errorf("%d draws: %w: at most ten million", b.Draws, ErrInput)
	}
	return Options{Level: b.Level}.check(least, samples...)
}

func (b Bootstrap) outcome(method string, estimate float64, i Interval) Outcome {
	return Outcome{Method: method, Statistic: estimate, Estimate: estimate, P: math.NaN(), Interval: i, Seed: b.Seed, Draws: b.draws()}
}

func (b Bootstrap) draws() int { return max(b.Draws, LeastDraws) }

// BCa is the bias-corrected and accelerated interval of a statistic of one sample. The statistic must not keep or alter
// its argument, and must be finite on every resample. Source: Efron (1987); Efron and Tibshirani (1993), §14.3.
func (b Bootstrap) BCa(x []float64, statistic func([]float64) float64) (Outcome, error) {
	if err := b.check(2, x); err != nil {
		return Outcome{}, err
	}
	r := newRandom(b.Seed)
	to := make([]float64, len(x))
	draws := make([]float64, b.draws())
	for i := range draws {
		r.resample(to, x)
		draws[i] = statistic(to)
	}
	influence := influences(len(x), func(i int) float64 { return statistic(without(to, x, i)) })
	return b.bca("bootstrap BCa", statistic(x), draws, influence)
}

// BCaTwo is the interval of a statistic of two independent samples, each resampled by itself.
func (b Bootstrap) BCaTwo(x, y []float64, statistic func(x, y []float64) float64) (Outcome, error) {
	if err := b.check(2, x, y); err != nil {
		return Outcome{}, err
	}
	r := newRandom(b.Seed)
	tx, ty := make([]float64, len(x)), make([]float64, len(y))
	draws := make([]float64, b.draws())
	for i := range draws {
		r.resample(tx, x)
		r.resample(ty, y)
		draws[i] = statistic(tx, ty)
	}
	// The influence of one value is that on its own sample's share of the variance.
	influence := influences(len(x), func(i int) float64 { return statistic(without(tx, x, i), y) })
	influence = append(influence, influences(len(y), func(i int) float64 { return statistic(x, without(ty, y, i)) })...)
	return b.bca("bootstrap BCa, two samples", statistic(x, y), draws, influence)
}

// BCaPaired is the interval of a statistic of pairs x[i], y[i], which stay together.
func (b Bootstrap) BCaPaired(x, y []float64, statistic func(x, y []float64) float64) (Outcome, error) {
	if err := checkPairs(x, y, 2, Options{Level: b.Level}); err != nil {
		return Outcome{}, err
	}
	if err := b.check(2, x); err != nil {
		return Outcome{}, err
	}
	r := newRandom(b.Seed)
	tx, ty := make([]float64, len(x)), make([]float64, len(x))
	draws := make([]float64, b.draws())
	for i := range draws {
		for j := range tx {
			k := r.below(len(x))
			tx[j], ty[j] = x[k], y[k]
		}
		draws[i] = statistic(tx, ty)
	}
	influence := influences(len(x), func(i int) float64 { return statistic(without(tx, x, i), without(ty, y, i)) })
	return b.bca("bootstrap BCa, paired", statistic(x, y), draws, influence)
}

// BCaClusters is the interval of a statistic of all values of several clusters (players, folds), which are drawn whole,
// since values of one cluster are not independent.
func (b Bootstrap) BCaClusters(clusters [][]float64, statistic func([]float64) float64) (Outcome, error) {
	if err := b.check(1, clusters...); err != nil {
		return Outcome{}, err
	}
	if len(clusters) < 2 {
		return Outcome{}, fmt.Errorf("%w: two clusters are needed", ErrTooFew)
	}
	r := newRandom(b.Seed)
	var to []float64
	draws := make([]float64, b.draws())
	for i := range draws {
		to = to[:0]
		for range clusters {
			to = append(to, clusters[r.below(len(clusters))]...)
		}
		draws[i] = statistic(to)
	}
	influence := influences(len(clusters), func(i int) float64 {
		to = to[:0]
		for j, c := range clusters {
			if j != i {
				to = append(to, c...)
			}
		}
		return statistic(to)
	})
	return b.bca("bootstrap BCa, clusters", statistic(slices.Concat(clusters...)), draws, influence)
}

// without puts all of x but its i-th into room.
func without(room, x []float64, i int) []float64 {
	return append(append(room[:0:len(x)], x[:i]...), x[i+1:]...)
}

// influences returns the jackknife's mean less each of its values, per value of the sample.
func influences(n int, leftOut func(int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = leftOut(i)
	}
	m := Mean(out)
	for i := range out {
		out[i] = (m - out[i]) * float64(n-1) / float64(n)
	}
	return out
}

// bca makes the interval from the draws and the influences.
func (b Bootstrap) bca(method string, estimate float64, draws, influence []float64) (Outcome, error) {
	slices.Sort(draws)
	if err := checkValues(1, []float64{estimate}, draws, influence); err != nil {
		return Outcome{}, fmt.Errorf("statistic of a resample: %w", err)
	}
	if constantValues(draws) {
		return Outcome{}, ErrNoVariance
	}
	var below, cubes, squares float64
	for _, d := range draws {
		switch {
		case d < estimate:
			below++
		case d == estimate:
			below += 0.5
		}
	}
	for _, u := range influence {
		cubes += u * u * u
		squares += u * u
	}
	acceleration := 0.0
	if squares > 0 {
		acceleration = cubes / math.Pow(squares, 1.5) / 6
	}
	z := distribution.Normal{}
	bias := z.Quantile(below / float64(len(draws)))
	end := func(p float64) float64 {
		q := bias + z.Quantile(p)
		return sortedQuantile(draws, z.Lower(bias+q/(1-acceleration*q)))
	}
	alpha := 1 - Options{Level: b.Level}.level()
	i := Interval{end(alpha / 2), end(1 - alpha/2)}
	if math.IsNaN(i.Low) || math.IsNaN(i.High) {
		return Outcome{}, fmt.Errorf("%w: every resample lies on one side of the estimate", ErrInput)
	}
	return b.outcome(method, estimate, i), nil
}

// Studentised is the bootstrap-t interval of mean(x). It is second-order correct, and wide where values are few.
// Source: Efron and Tibshirani (1993), §12.5.
func (b Bootstrap) Studentised(x []float64) (Outcome, error) {
	if err := b.check(2, x); err != nil {
		return Outcome{}, err
	}
	if constantValues(x) {
		return Outcome{}, ErrNoVariance
	}
	r, to := newRandom(b.Seed), make([]float64, len(x))
	return b.byRatio("bootstrap t", Mean(x), meanError(x), func() (float64, float64) {
		r.resample(to, x)
		return Mean(to), meanError(to)
	}), nil
}

// StudentisedTwo is the bootstrap-t interval of mean(x) − mean(y) of independent samples; that of pairs is Studentised
// of their differences.
func (b Bootstrap) StudentisedTwo(x, y []float64) (Outcome, error) {
	if err := b.check(2, x, y); err != nil {
		return Outcome{}, err
	}
	if constantValues(x) && constantValues(y) {
		return Outcome{}, ErrNoVariance
	}
	r := newRandom(b.Seed)
	tx, ty := make([]float64, len(x)), make([]float64, len(y))
	return b.byRatio("bootstrap t, two samples", Mean(x)-Mean(y), math.Hypot(meanError(x), meanError(y)), func() (float64, float64) {
		r.resample(tx, x)
		r.resample(ty, y)
		return Mean(tx) - Mean(ty), math.Hypot(meanError(tx), meanError(ty))
	}), nil
}

func meanError(x []float64) float64 { return math.Sqrt(Variance(x) / float64(len(x))) }

func (b Bootstrap) byRatio(method string, estimate, se float64, draw func() (estimate, se float64)) Outcome {
	ratios := make([]float64, b.draws())
	for i := range ratios {
		e, s := draw()
		ratios[i] = (e - estimate) / s
		if s <= 1e-12*se { // a resample of one value only lies infinitely far to its side
			ratios[i] = math.Copysign(math.MaxFloat64/4, e-estimate)
		}
	}
	slices.Sort(ratios)
	alpha := 1 - Options{Level: b.Level}.level()
	return b.outcome(method, estimate, Interval{estimate - sortedQuantile(ratios, 1-alpha/2)*se, estimate - sortedQuantile(ratios, alpha/2)*se})
}
