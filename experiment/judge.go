package experiment

import (
	"fmt"
	"math"
)

// A Violation is a rule that a run did not keep to.
type Violation struct {
	Metric   string  `json:"metric"`
	Severity string  `json:"severity"` // critical, warning
	Rule     string  `json:"rule"`     // floor, ceiling, relative_drop, test, required, finite
	Value    float64 `json:"-"`
	Bound    float64 `json:"-"`
	Reason   string  `json:"reason"` // for people
}

// Verdicts of a run.
const (
	Passed     = "passed"
	Warned     = "warning"    // kept, and tagged
	Regressed  = "regression" // a critical rule was violated
	Failed     = "failed"     // the command failed
	Unmeasured = "unmeasured" // the policy has rules, and not one of its metrics was measured
)

// Judgement is what a policy says of a run.
type Judgement struct {
	Verdict    string
	Violations []Violation
	Notes      []string // rules that could not be applied, and why
}

// Measured is what is known of one metric of a run, in the order in which it was measured.
type Measured struct {
	Series []Point

	of []stretch // which versions they are of, where that was read from records
}

// stretch is so many points one after the other that are of one version.
type stretch struct {
	snapshot string
	n        int
}

// bySnapshot parts what was measured by version.
func (m Measured) bySnapshot() map[string]Measured {
	out := map[string]Measured{}
	at := 0
	for _, s := range m.of {
		one := out[s.snapshot]
		one.Series = append(one.Series, m.Series[at:at+s.n]...)
		out[s.snapshot] = one
		at += s.n
	}
	return out
}

// Judge applies the rules of a policy to what a run measured. base is what the baseline measured; nil where there is
// none, or it cannot be compared. pool is what all runs of the same state measured, this one among them: what a test is made of.
func (p *Policy) Judge(run, base, pool map[string]Measured) Judgement {
	var j Judgement
	seen := 0
	for i := range p.Rules {
		r := &p.Rules[i]
		m := run[r.Metric]
		value, ok := m.value(r)
		if !ok {
			if r.Required {
				j.violate(r, "required", math.NaN(), math.NaN(), "it was not measured")
			} else {
				j.note("%s: it was not measured", r.Metric)
			}
			continue
		}
		seen++
		j.apply(r, value, base[r.Metric], pool[r.Metric])
	}
	j.Verdict = Passed
	if len(p.Rules) > 0 && seen == 0 {
		j.Verdict = Unmeasured
	}
	for _, v := range j.Violations {
		switch {
		case v.Severity == Critical:
			j.Verdict = Regressed
		case j.Verdict != Regressed:
			j.Verdict = Warned
		}
	}
	return j
}

func (j *Judgement) note(format string, args ...any) {
	j.Notes = append(j.Notes, fmt.Sprintf(format, args...))
}

func (j *Judgement) violate(r *Rule, rule string, value, bound float64, reason string) {
	j.Violations = append(j.Violations, Violation{Metric: r.Metric, Severity: r.Severity, Rule: rule, Value: value, Bound: bound, Reason: reason})
}

// apply applies one rule to a value that was measured.
func (j *Judgement) apply(r *Rule, value float64, base, pool Measured) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		j.violate(r, "finite", value, math.NaN(), fmt.Sprintf("it is %v", value))
		return
	}
	if r.Floor != nil && value < *r.Floor {
		j.violate(r, "floor", value, *r.Floor, fmt.Sprintf("%.10g is below the floor %.10g", value, *r.Floor))
	}
	if r.Ceiling != nil && value > *r.Ceiling {
		j.violate(r, "ceiling", value, *r.Ceiling, fmt.Sprintf("%.10g is above the ceiling %.10g", value, *r.Ceiling))
	}
	if r.Drop != nil {
		j.drop(r, value, base)
	}
	if r.Test != nil {
		j.test(r, base, pool)
	}
}

// drop compares a value with its baseline: for what is better higher, less than (1-drop) of it is a violation; for
// what is better lower, more than (1+drop) of it. Of a negative baseline the share is that of its size.
func (j *Judgement) drop(r *Rule, value float64, base Measured) {
	from, ok := base.value(r)
	if r.Baseline != nil {
		from, ok = *r.Baseline, true
	}
	if !ok || math.IsNaN(from) || math.IsInf(from, 0) {
		j.note("%s: there is no baseline for relative_drop", r.Metric)
		return
	}
	allowed := *r.Drop * math.Abs(from)
	if r.Direction == Higher && value < from-allowed {
		j.violate(r, "relative_drop", value, from-allowed, fmt.Sprintf("%.10g is below %.10g, the baseline %.10g less %.10g of it", value, from-allowed, from, *r.Drop))
	}
	if r.Direction == Lower && value > from+allowed {
		j.violate(r, "relative_drop", value, from+allowed, fmt.Sprintf("%.10g is above %.10g, the baseline %.10g and %.10g of it", value, from+allowed, from, *r.Drop))
	}
}

// value is what a rule takes of a series: of each repetition (seed, fold) the last, best or mean value, and of those
// the mean.
func (m Measured) value(r *Rule) (float64, bool) {
	samples := m.samples(r.Take, r.Direction)
	if len(samples) == 0 {
		return 0, false
	}
	sum := 0.0
	for _, s := range samples {
		sum += s.Value
	}
	return sum / float64(len(samples)), true
}
