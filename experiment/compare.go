package experiment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"varve/experiment/metricfile"
	"varve/internal/statistics"
	"varve/internal/statistics/verdict"
)

// Comparison is what two versions say of one metric.
type Comparison = verdict.Comparison

// ComparePlan is what was decided before looking. The zero value compares every metric that both sides have, at level
// 0.05, adjusted by Holm.
type ComparePlan struct {
	Metrics    []string                // patterns; nil: all
	Directions map[string]string       // metric → higher or lower; else its policy's, else by its name
	Kinds      map[string]verdict.Kind // metric → kind; else means
	Policy     *Policy                 // for directions and minimum effects; may be nil
	Plan       verdict.Plan            // of each metric, but for its name and direction
	ByRate     bool                    // adjust by Benjamini and Hochberg (many metrics), instead of Holm
	Take       string                  // of a series: last (the default), best, mean
	Force      bool                    // compare also what was evaluated on something else
}

// Report is a comparison of two versions.
type Report struct {
	A, B     Side
	Metrics  []Comparison // in the order of their names; PAdjusted is of all of them together
	Warnings []string
	Seed     uint64
}

// Side is what is compared: the runs of a version.
type Side struct {
	Ref     string
	Runs    []*Run
	Metrics map[string]Measured
}

// ErrEvaluation says that two versions were not evaluated on the same: their values say nothing about each other.
var ErrEvaluation = errors.New("they were evaluated on different data")

// Compare compares what two versions measured. A side is what RunsOf takes.
func (l *Lab) Compare(ctx context.Context, a, b string, plan ComparePlan) (*Report, error) {
	var sides [2]Side
	for i, ref := range [2]string{a, b} {
		runs, err := l.RunsOf(ctx, ref)
		if err != nil {
			return nil, err
		}
		sides[i] = sideOf(ref, runs)
	}
	return CompareSides(sides[0], sides[1], plan)
}

// sideOf puts the runs of a version together.
func sideOf(ref string, runs []*Run) Side {
	s := Side{Ref: ref, Runs: runs, Metrics: map[string]Measured{}}
	for i, r := range runs {
		for name, m := range r.Metrics {
			have := s.Metrics[name]
			for _, p := range m.Series {
				// Two runs of a version that no key tells apart are two repetitions.
				if len(runs) > 1 && repetition(&p) == "" {
					p.Keys = WithKey(p.Keys, "replicate", fmt.Sprint(i+1))
				}
				have.Series = append(have.Series, p)
			}
			s.Metrics[name] = have
		}
	}
	return s
}

// CompareSides is Compare of what was gathered already.
func CompareSides(a, b Side, plan ComparePlan) (*Report, error) {
	r := &Report{A: a, B: b, Seed: plan.Plan.Seed}
	if err := r.comparable(plan.Force); err != nil {
		return nil, err
	}
	names := plan.metrics(a, b)
	for _, name := range names {
		c, err := plan.one(name, a.Metrics[name], b.Metrics[name], r)
		if err != nil {
			r.Warnings = append(r.Warnings, fmt.Sprintf("%s: not compared: %v", name, err))
			continue
		}
		r.Metrics = append(r.Metrics, c)
	}
	by := statistics.Holm
	if plan.ByRate {
		by = statistics.BH
	}
	verdict.Adjust(r.Metrics, by)
	if len(names) == 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s and %s have no metric in common", a.Ref, b.Ref))
	}
	return r, nil
}

// comparable refuses, or tells, what makes the sides differ beside the version.
func (r *Report) comparable(force bool) error {
	evaluation, dataset := digestsOf(r.A, true), digestsOf(r.A, false)
	if !slices.Equal(evaluation, digestsOf(r.B, true)) {
		text := fmt.Sprintf("%s and %s: %v", r.A.Ref, r.B.Ref, ErrEvaluation)
		if !force {
			return fmt.Errorf("%s and %s: %w", r.A.Ref, r.B.Ref, ErrEvaluation)
		}
		r.Warnings = append(r.Warnings, text)
	}
	if len(evaluation) > 1 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the runs of %s were not all evaluated on the same", r.A.Ref))
	}
	if !slices.Equal(dataset, digestsOf(r.B, false)) {
		r.Warnings = append(r.Warnings, "they were trained on different data")
	}
	for _, s := range []Side{r.A, r.B} {
		settings := map[string]bool{}
		for _, x := range s.Runs {
			settings[x.Setting] = true
		}
		if len(settings) > 1 {
			r.Warnings = append(r.Warnings, fmt.Sprintf("the runs of %s were started in %d ways that differ in more than their seeds: varve run ls shows them, and a run can be named instead", s.Ref, len(settings)))
		}
		if slices.ContainsFunc(s.Runs, func(x *Run) bool { return x.Exit != 0 }) {
			r.Warnings = append(r.Warnings, fmt.Sprintf("of %s there are runs that failed", s.Ref))
		}
	}
	return nil
}

func digestsOf(s Side, evaluation bool) []string {
	set := map[string]bool{}
	for _, r := range s.Runs {
		if evaluation {
			set[digestOf(r.Evaluation)] = true
		} else {
			set[digestOf(r.Dataset)] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// metrics are the names that both sides have and the plan takes in.
func (p *ComparePlan) metrics(a, b Side) []string {
	var out []string
	for name := range a.Metrics {
		if _, ok := b.Metrics[name]; !ok {
			continue
		}
		if len(p.Metrics) == 0 || slices.ContainsFunc(p.Metrics, func(glob string) bool { ok, _ := doublestar.Match(glob, name); return ok || glob == name }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// one compares one metric.
func (p *ComparePlan) one(name string, a, b Measured, r *Report) (Comparison, error) {
	direction, guessed := p.direction(name)
	if guessed {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s: taken for better when %s, by its name", name, direction))
	}
	plan := p.Plan
	plan.Metric, plan.LowerIsBetter = name, direction == Lower
	if plan.MinimumEffect.Size == 0 && p.Policy != nil {
		plan.MinimumEffect = p.Policy.minimumEffect(name)
	}
	kind := p.Kinds[name]
	if ea, eb, ok := estimates(a, b); ok && kind == verdict.Mean {
		return verdict.Compare(ea, eb, plan)
	}
	return verdict.Compare(a.sample(kind, p.Take, direction), b.sample(kind, p.Take, direction), plan)
}

func (p *Policy) minimumEffect(metric string) verdict.Margin {
	for i := range p.Rules {
		if r := &p.Rules[i]; r.Metric == metric && r.Test != nil && r.Test.MinimumEffect > 0 {
			return verdict.Margin{Size: r.Test.MinimumEffect, Relative: r.Test.Relative}
		}
	}
	return verdict.Margin{}
}

// direction says which is better: as was said, as the policy says, or as the name tells.
func (p *ComparePlan) direction(name string) (direction string, guessed bool) {
	if d := p.Directions[name]; d != "" {
		return d, false
	}
	if p.Policy != nil {
		for i := range p.Policy.Rules {
			if r := &p.Policy.Rules[i]; r.Metric == name && r.Direction != "" {
				return r.Direction, false
			}
		}
	}
	low := strings.ToLower(name)
	for _, word := range []string{"loss", "error", "err", "latency", "_ms", "_ns", "ns/op", "b/op", "allocs/op", "seconds", "duration", "time", "memory", "perplexity", "ppl", "fpr", "fnr", "mse", "mae", "rmse", "wer", "cer", "fid", "size", "bytes"} {
		if strings.Contains(low, word) {
			return Lower, true
		}
	}
	return Higher, true
}

// sample is what was measured, as the statistics take it. Labels are the key "label" of each example.
func (m Measured) sample(kind verdict.Kind, take, direction string) verdict.Sample {
	s := verdict.Sample{Kind: kind}
	if kind == verdict.AUROC {
		for i := range m.Series {
			p := &m.Series[i]
			s.Values = append(s.Values, p.Value)
			label := strings.ToLower(p.Keys["label"])
			s.Labels = append(s.Labels, label == "1" || label == "true" || label == "positive")
			s.Keys = append(s.Keys, repetition(p))
		}
	} else {
		for _, x := range m.samples(or(take, "last"), direction) {
			s.Values = append(s.Values, x.Value)
			s.Keys = append(s.Keys, x.Key)
		}
	}
	// Keys that not all values have, or that only number the runs of one side, pair nothing.
	if slices.ContainsFunc(s.Keys, func(k string) bool {
		return k == "" || strings.HasPrefix(k, "replicate=") || strings.HasPrefix(k, "repetition=")
	}) {
		s.Keys = nil
	}
	return s
}

// estimates takes two sides of one value each, both with their standard errors, for what they are: estimates that
// somebody else made of many examples.
func estimates(a, b Measured) (x, y verdict.Sample, ok bool) {
	one := func(m Measured) (verdict.Sample, bool) {
		n := len(m.Series)
		if n == 0 || len(m.samples("last", "")) != 1 || !m.Series[n-1].HasStdErr {
			return verdict.Sample{}, false
		}
		last := m.Series[n-1]
		return verdict.Sample{Kind: verdict.Estimate, Values: []float64{last.Value}, StdErr: last.StdErr}, true
	}
	x, okA := one(a)
	y, okB := one(b)
	return x, y, okA && okB
}

// testRule compares a run with its baseline by a rule of its policy.
func testRule(metric string, r *Rule, base, run Measured) (Comparison, error) {
	plan := verdict.Plan{Metric: metric, LowerIsBetter: r.Direction == Lower, Alpha: r.Test.Alpha, MinimumEffect: verdict.Margin{Size: r.Test.MinimumEffect, Relative: r.Test.Relative}}
	return verdict.Compare(base.sample(verdict.Mean, r.Take, r.Direction), run.sample(verdict.Mean, r.Take, r.Direction), plan)
}

// test applies the significance test of a rule.
func (j *Judgement) test(r *Rule, base, run Measured) {
	n := min(len(base.samples(r.Take, r.Direction)), len(run.samples(r.Take, r.Direction)))
	if n == 0 {
		j.note("%s: there is no baseline to test against", r.Metric)
		return
	}
	if n < r.Test.MinimumN {
		j.note("%s: %d values on a side, the test wants %d", r.Metric, n, r.Test.MinimumN)
		return
	}
	c, err := testRule(r.Metric, r, base, run)
	if err != nil {
		j.note("%s: not tested: %v", r.Metric, err)
		return
	}
	for _, w := range c.Warnings {
		j.note("%s: %s", r.Metric, w.Text)
	}
	switch c.Verdict {
	case verdict.Worse:
		j.violate(r, "test", c.B.Centre, c.A.Centre, fmt.Sprintf("worse than the baseline: %.6g against %.6g, p = %.3g by %s", c.B.Centre, c.A.Centre, c.P, c.Test))
	case verdict.Inconclusive:
		need := ""
		if c.NeededN > 0 {
			need = fmt.Sprintf("; %d values a side would show it", c.NeededN)
		}
		j.note("%s: the test against the baseline is inconclusive%s", r.Metric, need)
	}
}

// A Goal is a metric and which of its values are better.
type Goal struct{ Metric, Direction string }

// Front says which versions no other beats in all goals at once.
type Front struct {
	Snapshot string
	Version  int
	Values   []float64 // of the goals, in their order; NaN where it was not measured
	Best     bool      // on the front
}

// Pareto compares all versions that were measured by several goals.
func (l *Lab) Pareto(ctx context.Context, goals []Goal) ([]Front, error) {
	list, err := l.Performances(ctx, "", false, nil)
	if err != nil {
		return nil, err
	}
	var out []Front
	at := map[string]int{}
	for i := range list {
		p := &list[i]
		g := slices.IndexFunc(goals, func(g Goal) bool { return g.Metric == p.Metric })
		if g < 0 {
			continue
		}
		n, ok := at[p.Snapshot]
		if !ok {
			n = len(out)
			at[p.Snapshot] = n
			f := Front{Snapshot: p.Snapshot, Version: p.Version}
			for range goals {
				f.Values = append(f.Values, math.NaN())
			}
			out = append(out, f)
		}
		out[n].Values[g] = p.Mean()
	}
	var objectives []statistics.Objective
	for i, g := range goals {
		o := statistics.Objective{Higher: g.Direction != Lower}
		for _, f := range out {
			o.Values = append(o.Values, f.Values[i])
		}
		objectives = append(objectives, o)
	}
	for _, i := range statistics.Pareto(objectives) {
		out[i].Best = true
	}
	slices.SortFunc(out, func(a, b Front) int { return a.Version - b.Version })
	return out, nil
}

// Side gathers the runs of a version: what Compare takes.
func (l *Lab) Side(ctx context.Context, ref string) (Side, error) {
	runs, err := l.RunsOf(ctx, ref)
	return sideOf(ref, runs), err
}

// SideOfFile is a side of what was read from a file.
func SideOfFile(name string, runs []metricfile.Run) Side {
	var list []*Run
	for i := range runs {
		r := &Run{Metrics: map[string]Measured{}}
		for _, p := range Marked(&runs[i]) {
			m := r.Metrics[p.Metric]
			m.Series = append(m.Series, p)
			r.Metrics[p.Metric] = m
		}
		list = append(list, r)
	}
	return sideOf(name, list)
}

// Decide says whether B is to replace A: the primary metric is better by its plan, no other metric is worse, and the
// floors and ceilings of a policy's critical rules hold of B. p may be nil.
func (r *Report) Decide(primary string, p *Policy) (verdict.Decision, error) {
	at := slices.IndexFunc(r.Metrics, func(c Comparison) bool { return c.Metric == primary })
	if at < 0 {
		return verdict.Decision{}, fmt.Errorf("%q was not compared", primary)
	}
	others := slices.Delete(slices.Clone(r.Metrics), at, at+1)
	var limits []verdict.Limit
	if p != nil {
		for i := range p.Rules {
			rule := &p.Rules[i]
			if rule.Severity != Critical || rule.Floor == nil && rule.Ceiling == nil {
				continue
			}
			l := verdict.Limit{Metric: rule.Metric, Value: math.NaN(), Floor: math.NaN(), Ceiling: math.NaN()}
			if v, ok := r.B.Metrics[rule.Metric].value(rule); ok {
				l.Value = v
			}
			if rule.Floor != nil {
				l.Floor = *rule.Floor
			}
			if rule.Ceiling != nil {
				l.Ceiling = *rule.Ceiling
			}
			limits = append(limits, l)
		}
	}
	return verdict.Decide(r.Metrics[at], others, limits), nil
}
