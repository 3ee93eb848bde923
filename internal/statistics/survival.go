package statistics

import (
	"fmt"
	"math"
	"slices"

	"varve/internal/statistics/distribution"
)

// Survival is how long something lasted, and whether its end was seen (else it was still going on then: censored).
type Survival struct {
	Time  float64
	Ended bool
}

// SurvivalStep is the survival curve from Time on until the next step.
type SurvivalStep struct {
	Time     float64
	AtRisk   int
	Ended    int
	Survival float64
	Interval Interval
}

func checkSurvival(samples ...[]Survival) error {
	for _, s := range samples {
		if len(s) == 0 {
			return fmt.Errorf("%w: none", ErrTooFew)
		}
		for i, v := range s {
			if !(v.Time >= 0) || math.IsInf(v.Time, 0) {
				return fmt.Errorf("time %d is %g: %w", i+1, v.Time, ErrNotFinite)
			}
		}
	}
	return nil
}

// KaplanMeier is the survival curve, a step for each time at which something ended, with Greenwood's error on the
// logarithmic scale. R: survfit(Surv(time, ended) ~ 1).
func KaplanMeier(x []Survival, level float64) ([]SurvivalStep, error) {
	o := Options{Level: level}
	if err := o.check(0); err != nil {
		return nil, err
	}
	if err := checkSurvival(x); err != nil {
		return nil, err
	}
	z := distribution.Normal{}.UpperQuantile((1 - o.level()) / 2)
	var out []SurvivalStep
	s, greenwood := 1.0, 0.0
	eachEnd(x, nil, func(time float64, risk, ended [2]int) {
		n, d := float64(risk[0]), float64(ended[0])
		s *= (n - d) / n
		greenwood += d / (n * (n - d))
		step := SurvivalStep{Time: time, AtRisk: risk[0], Ended: ended[0], Survival: s, Interval: Interval{math.NaN(), math.NaN()}}
		if s > 0 {
			e := z * math.Sqrt(greenwood)
			step.Interval = Interval{s * math.Exp(-e), min(1, s*math.Exp(e))}
		}
		out = append(out, step)
	})
	return out, nil
}

// LogRank tests whether two survival curves are the same. Statistic: χ²; Estimate: observed less expected ends of a. R:
// survdiff.
func LogRank(a, b []Survival) (Outcome, error) {
	if err := checkSurvival(a, b); err != nil {
		return Outcome{}, err
	}
	var excess, variance float64
	eachEnd(a, b, func(_ float64, risk, ended [2]int) {
		n, d := float64(risk[0]+risk[1]), float64(ended[0]+ended[1])
		share := float64(risk[0]) / n
		excess += float64(ended[0]) - d*share
		if n > 1 {
			variance += d * share * (1 - share) * (n - d) / (n - 1)
		}
	})
	if !(variance > 0) {
		return Outcome{}, fmt.Errorf("%w: nothing ended while both sides were there", ErrNoVariance)
	}
	x := excess * excess / variance
	_, i := none()
	return Outcome{Method: "log-rank", Statistic: x, DF: 1, P: distribution.ChiSquared{DF: 1}.Upper(x), Estimate: excess, Interval: i}, nil
}

// eachEnd calls f at each time at which something ended, with those at risk and those ended on both sides.
func eachEnd(a, b []Survival, f func(time float64, risk, ended [2]int)) {
	sides := [2][]Survival{slices.Clone(a), slices.Clone(b)}
	var times []float64
	for _, s := range sides {
		slices.SortFunc(s, func(x, y Survival) int {
			switch {
			case x.Time < y.Time:
				return -1
			case x.Time > y.Time:
				return 1
			}
			return 0
		})
		for _, v := range s {
			if v.Ended {
				times = append(times, v.Time)
			}
		}
	}
	slices.Sort(times)
	var at [2]int
	for _, t := range slices.Compact(times) {
		var risk, ended [2]int
		for k, s := range sides {
			for at[k] < len(s) && s[at[k]].Time < t {
				at[k]++
			}
			risk[k] = len(s) - at[k]
			for _, v := range s[at[k]:] {
				if v.Time > t {
					break
				}
				if v.Ended {
					ended[k]++
				}
			}
		}
		f(t, risk, ended)
	}
}
