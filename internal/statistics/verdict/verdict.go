// Package verdict compares two versions by what was measured of them, and says in one word what that shows.
//
// It promises: the words are better, worse, equivalent, non-inferior and inconclusive, about b beside a. What is not
// significant is inconclusive, never "no difference"; equivalence is only said where a margin was planned and the
// interval lies inside of it. Thresholds come from the Plan, which is made before looking. Nothing is dropped:
// outliers, drift and ties are told in warnings. The order of values does not matter but for the drift warning. The
// same input gives the same result; the seed of draws is in it.
//
// How a design is found: where both sides have keys (seeds, folds, examples, players), values of the same key are a
// pair; values that share a key on one side are averaged first, since they are not independent. Without keys the sides
// are independent.
package verdict

import (
	"errors"
	"fmt"
	"math"

	"varve/internal/statistics"
)

// Kind is what the values are.
type Kind int

// The kinds, and the fields of a Sample that they use.
const (
	Mean       Kind = iota // Values: any number
	Proportion             // Count, or Values of 0 and 1
	Latency                // Values above 0, compared by ratio: durations, sizes
	AUROC                  // Labels and Values, the scores
	Rate                   // Events and Exposure
	Estimate               // one of Values with its StdErr: what somebody else made of many examples
)

// String is its name in reports.
func (k Kind) String() string {
	if k < Mean || k > Estimate {
		return "unknown"
	}
	return [...]string{"mean", "proportion", "latency", "auroc", "rate", "estimate"}[k]
}

// Sample is one side.
type Sample struct {
	Kind     Kind
	Values   []float64
	Keys     []string // none, or one for each of Values
	Labels   []bool
	Count    statistics.Count
	Events   int
	Exposure float64
	StdErr   float64
}

// Margin is a size of effect, absolute in the metric's unit, or as a share of side a's centre. 0 is none.
type Margin struct {
	Size     float64
	Relative bool
}

// Plan is what was decided before looking.
type Plan struct {
	Metric         string
	LowerIsBetter  bool
	Alpha          float64 // 0 means 0.05
	MinimumEffect  Margin  // below it a difference does not matter
	Equivalence    Margin  // 0 means MinimumEffect; each of its two tests is at Alpha
	NonInferiority Margin  // its one-sided test is at Alpha
	Power          float64 // of the size that is planned; 0 means 0.8
	Looks          int     // how often the data are looked at while they grow; above 1 the always-valid test is used
	Normal         bool    // trust that few values are normal; else no verdict where a test without it could not be significant
	Bootstrap      bool    // BCa interval for means
	Permutation    bool    // p of means by permutation (of pairs: by signs) instead of t
	Seed           uint64  // of the bootstrap and of permutations
	Shares         []float64
	NotAssigned    bool // the sides were not drawn at random: their sizes are not checked against Shares (nil: even), as else those of proportions are
}

func (p Plan) alpha() float64 {
	if p.Alpha == 0 {
		return 0.05
	}
	return p.Alpha
}

func (p Plan) power() float64 {
	if p.Power == 0 {
		return 0.8
	}
	return p.Power
}

func (p Plan) check() error {
	if a := p.alpha(); !(a > 0 && a < 0.5) {
		return fmt.Errorf("alpha %g: %w: it lies between 0 and 0.5", a, statistics.ErrInput)
	}
	if w := p.power(); !(w > p.alpha() && w < 1) {
		return fmt.Errorf("power %g: %w: it lies between alpha and 1", w, statistics.ErrInput)
	}
	for _, m := range []Margin{p.MinimumEffect, p.Equivalence, p.NonInferiority} {
		if !(m.Size >= 0) || math.IsInf(m.Size, 0) {
			return fmt.Errorf("margin %g: %w: it is 0 or more", m.Size, statistics.ErrInput)
		}
	}
	if p.Looks < 0 {
		return fmt.Errorf("%d looks: %w", p.Looks, statistics.ErrInput)
	}
	return nil
}

// Word is a verdict.
type Word string

// The verdicts on b beside a.
const (
	Better       Word = "better"
	Worse        Word = "worse"
	Equivalent   Word = "equivalent"
	NonInferior  Word = "non-inferior"
	Inconclusive Word = "inconclusive"
)

// Warning is something that a reader has to know. A hard one makes the verdict inconclusive.
type Warning struct {
	Code string // one word for programs: few, variance, ties, drift, outliers, bootstrap, ratio, keys, effect, separation, looks, simpson
	Text string
	Hard bool
}

// Side is what one side shows.
type Side struct {
	N        int
	Centre   float64 // mean, share, median, area or rate
	Interval statistics.Interval
}

// Comparison is the answer for one metric. What is not known is NaN.
type Comparison struct {
	Metric           string
	Kind             Kind
	A, B             Side
	Delta            float64 // centre of b less that of a; for latencies the Hodges–Lehmann shift
	Interval         statistics.Interval
	Relative         float64             // Delta as a share of a's centre; for latencies and rates the ratio less 1
	RelativeInterval statistics.Interval // where the method has one
	EffectName       string
	Effect           float64
	P, PAdjusted     float64
	Robust           float64 // p of the rank test beside that of means
	Test             string
	Paired           bool
	PairedBy         int // pairs
	Verdict          Word
	NeededN          int     // a side, or pairs, for NeededFor at the planned power; 0 where it is not known
	NeededFor        float64 // the effect it is for: the minimum effect or margin planned, or else the difference seen
	Seed             uint64
	Draws            int
	Warnings         []Warning

	plan     Plan
	decision decision
}

// A decision is what the verdict is made of, oriented so that more is better, on the scale of the test.
type decision struct {
	estimate float64
	interval func(alpha float64) statistics.Interval // of level 1−2·alpha
	scale    func(m Margin, centre float64, gain bool) float64
	se       float64
}

// ErrKind is told where the two sides are not of one kind.
var ErrKind = errors.New("the two sides are of different kinds")

// Compare judges b beside a. Values that are not finite, and a plan or sample that makes no sense, are errors;
// everything else is a Comparison, if need be an inconclusive one.
func Compare(a, b Sample, plan Plan) (Comparison, error) {
	if err := plan.check(); err != nil {
		return Comparison{}, err
	}
	if a.Kind != b.Kind {
		return Comparison{}, fmt.Errorf("%s and %s: %w", a.Kind, b.Kind, ErrKind)
	}
	for i, s := range []Sample{a, b} {
		if err := s.check(); err != nil {
			return Comparison{}, fmt.Errorf("side %c: %w", 'a'+rune(i), err)
		}
	}
	nan := math.NaN()
	unknown := statistics.Interval{Low: nan, High: nan}
	c := Comparison{Metric: plan.Metric, Kind: a.Kind, Delta: nan, Interval: unknown, Relative: nan, RelativeInterval: unknown, Effect: nan,
		P: nan, PAdjusted: nan, Robust: nan, NeededFor: nan, Verdict: Inconclusive, plan: plan}
	c.A, c.B = Side{Centre: nan, Interval: unknown}, Side{Centre: nan, Interval: unknown}
	var err error
	switch a.Kind {
	case Mean, Latency:
		err = c.values(a, b)
	case Proportion:
		err = c.shares(a, b)
	case AUROC:
		err = c.areas(a, b)
	case Rate:
		err = c.rates(a, b)
	case Estimate:
		err = c.estimates(a, b)
	}
	if err != nil {
		return Comparison{}, err
	}
	if !math.IsNaN(c.Delta) && math.IsNaN(c.Relative) && c.A.Centre != 0 {
		c.Relative = c.Delta / math.Abs(c.A.Centre)
	}
	for _, m := range []Margin{plan.MinimumEffect, plan.Equivalence, plan.NonInferiority} {
		if m.Relative && m.Size > 0 && !(math.Abs(c.A.Centre) > 0) {
			c.warn(true, "effect", "a relative margin says nothing where side a's centre is %g: plan an absolute one", c.A.Centre)
			break
		}
	}
	c.judge(c.P)
	return c, nil
}

// mostValues bounds a sample.
const mostValues = 50_000_000

func (s Sample) check() error {
	if len(s.Values) > mostValues {
		return fmt.Errorf("%d values: %w: at most %d", len(s.Values), statistics.ErrInput, mostValues)
	}
	if s.Keys != nil && len(s.Keys) != len(s.Values) {
		return fmt.Errorf("%d keys for %d values: %w", len(s.Keys), len(s.Values), statistics.ErrInput)
	}
	for i, v := range s.Values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			return fmt.Errorf("value %d is %g: %w", i+1, v, statistics.ErrNotFinite)
		case math.Abs(v) > 1e150:
			return fmt.Errorf("value %d is %g: %w: its square has no room", i+1, v, statistics.ErrInput)
		case s.Kind == Latency && v <= 0:
			return fmt.Errorf("value %d is %g: %w: a latency is above 0; compare as a mean", i+1, v, statistics.ErrInput)
		case s.Kind == Proportion && v != 0 && v != 1:
			return fmt.Errorf("value %d is %g: %w: a proportion is of values 0 and 1", i+1, v, statistics.ErrInput)
		}
	}
	switch {
	case s.Kind < Mean || s.Kind > Estimate:
		return fmt.Errorf("kind %d: %w", s.Kind, statistics.ErrInput)
	case s.Kind == Proportion && (s.Count.Hits < 0 || s.Count.Of < s.Count.Hits || s.Count.Of > 500_000_000):
		return fmt.Errorf("%d of %d: %w", s.Count.Hits, s.Count.Of, statistics.ErrInput)
	case s.Kind == Proportion && len(s.Values) > 0 && s.Count.Of > 0:
		return fmt.Errorf("a count beside values: %w: give one of them", statistics.ErrInput)
	case s.Kind == AUROC && len(s.Labels) != len(s.Values):
		return fmt.Errorf("%d labels for %d scores: %w", len(s.Labels), len(s.Values), statistics.ErrInput)
	case s.Kind == Estimate && (len(s.Values) != 1 || !(s.StdErr >= 0) || s.StdErr > 1e150):
		return fmt.Errorf("%d values with standard error %g: %w: an estimate is one value with its error", len(s.Values), s.StdErr, statistics.ErrInput)
	case s.Kind == Rate && (s.Events < 0 || s.Events > 100_000_000 || !(s.Exposure > 0) || s.Exposure > 1e150):
		return fmt.Errorf("%d events in exposure %g: %w", s.Events, s.Exposure, statistics.ErrInput)
	}
	return nil
}

func (c *Comparison) warn(hard bool, code, format string, args ...any) {
	c.Warnings = append(c.Warnings, Warning{code, fmt.Sprintf(format, args...), hard})
}
