package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"varve/experiment"
	"varve/experiment/metricfile"
	"varve/experiment/plot"
	"varve/internal/statistics"
	"varve/internal/statistics/verdict"
)

type compareFlags struct {
	metrics, directions, kinds           []string
	policy, adjust, take, primary        string
	alpha, effect, equivalence, margin   float64
	relative, normal, bootstrap, permute bool
	looks                                int
	seed                                 uint64
	force, exit                          bool
	counts, rates                        bool
	notAssigned                          bool
	out                                  string
	p                                    *experiment.Policy
}

func (f *compareFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.metrics, "metric", nil, "only metrics that a `PATTERN` takes in; repeatable")
	c.Flags().StringArrayVar(&f.directions, "direction", nil, "which is better: `METRIC=higher` or lower; repeatable")
	c.Flags().StringArrayVar(&f.kinds, "kind", nil, "what its values are: `METRIC=mean`, proportion, latency or auroc; repeatable")
	c.Flags().Float64Var(&f.alpha, "alpha", 0.05, "the level of significance")
	c.Flags().Float64Var(&f.effect, "min-effect", 0, "the least difference that matters, in the metric's unit")
	c.Flags().Float64Var(&f.equivalence, "equivalence", 0, "a difference below this is none; else --min-effect")
	c.Flags().Float64Var(&f.margin, "non-inferiority", 0, "how much worse is acceptable")
	c.Flags().BoolVar(&f.relative, "relative", false, "these are shares of the first version's value: 0.1 is a tenth")
	c.Flags().StringVar(&f.adjust, "adjust", "holm", "for many metrics: holm, or bh")
	c.Flags().StringVar(&f.take, "take", "last", "of a series: last, best or mean")
	c.Flags().IntVar(&f.looks, "looks", 1, "how often the values are looked at while they grow: more than once, an always-valid test is used")
	c.Flags().BoolVar(&f.normal, "normal", false, "trust that few values are normally distributed")
	c.Flags().BoolVar(&f.bootstrap, "bootstrap", false, "intervals of means by BCa bootstrap, from 20 values a side")
	c.Flags().BoolVar(&f.permute, "permutation", false, "p of means by permutation of the values, or of the signs of pairs, instead of t")
	c.Flags().Uint64Var(&f.seed, "random-seed", 1, "of the bootstrap and of permutations")
	c.Flags().BoolVar(&f.notAssigned, "not-assigned", false, "the sides were not drawn at random: their sizes may differ")
	c.Flags().BoolVar(&f.force, "force", false, "compare also what was evaluated on different data")
	complete(c, "adjust", []string{"holm", "bh"})
	complete(c, "take", []string{"last", "best", "mean"})
}

// plan is what the flags say; read must have been called.
func (f *compareFlags) plan() experiment.ComparePlan {
	m := func(size float64) verdict.Margin { return verdict.Margin{Size: size, Relative: f.relative} }
	p := experiment.ComparePlan{Metrics: f.metrics, Directions: map[string]string{}, Kinds: map[string]verdict.Kind{}, Policy: f.p, ByRate: f.adjust == "bh", Take: f.take, Force: f.force,
		Plan: verdict.Plan{Alpha: f.alpha, MinimumEffect: m(f.effect), Equivalence: m(f.equivalence), NonInferiority: m(f.margin), Looks: f.looks, Normal: f.normal, Bootstrap: f.bootstrap, Permutation: f.permute, Seed: f.seed, NotAssigned: f.notAssigned}}
	for _, d := range f.directions {
		k, v, _ := strings.Cut(d, "=")
		p.Directions[k] = v
	}
	for _, d := range f.kinds {
		k, v, _ := strings.Cut(d, "=")
		p.Kinds[k], _ = kindOf(v)
	}
	return p
}

func kindOf(word string) (verdict.Kind, bool) {
	for _, k := range []verdict.Kind{verdict.Mean, verdict.Proportion, verdict.Latency, verdict.AUROC} {
		if k.String() == word {
			return k, true
		}
	}
	return verdict.Mean, false
}

// check refuses flags that make no sense.
func (f *compareFlags) check() error {
	for _, d := range f.directions {
		k, v, ok := strings.Cut(d, "=")
		if !ok || k == "" || v != experiment.Higher && v != experiment.Lower {
			return usage("", "--direction %s: want METRIC=higher or METRIC=lower", d)
		}
	}
	for _, d := range f.kinds {
		k, v, ok := strings.Cut(d, "=")
		if _, known := kindOf(v); !ok || k == "" || !known {
			return usage("", "--kind %s: want METRIC=mean, proportion, latency or auroc", d)
		}
	}
	if f.adjust != "holm" && f.adjust != "bh" {
		return usage("", "--adjust %s: want holm or bh", f.adjust)
	}
	if f.take != "last" && f.take != "best" && f.take != "mean" {
		return usage("", "--take %s: want last, best or mean", f.take)
	}
	return nil
}

func compareVerb(e *env) *cobra.Command {
	f := &compareFlags{}
	c := &cobra.Command{
		Use: "compare A B", Short: "Which of two versions is better, and how sure that is", GroupID: "experiment",
		Long: "Compares what was measured of two versions, run by run: A and B are versions, names or ids of runs, or files that\n" +
			"metric import reads. Values that share seeds, folds, examples or players on both sides are compared in pairs.\n\n" +
			"The verdicts on B are better, worse, equivalent (the difference is smaller than what matters), non-inferior, and\n" +
			"inconclusive, with the number of values that would be needed. What is not significant is never called equal.\n\n" +
			"With --counts A and B are HITS/TRIALS, with --rates EVENTS/EXPOSURE. Versions that were evaluated on different\n" +
			"data are not compared. --exit-code: 4 if anything is worse.",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: e.completeRefs,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.compare(cmd.Context(), f, args[0], args[1]) },
	}
	f.add(c)
	c.Flags().StringVar(&f.policy, "policy", "", "take directions and least effects from a policy `FILE`")
	c.Flags().StringVar(&f.primary, "primary", "", "decide: B replaces A if this `METRIC` is better, no other is worse, and the policy's bounds hold")
	c.Flags().BoolVar(&f.counts, "counts", false, "A and B are HITS/TRIALS")
	c.Flags().BoolVar(&f.rates, "rates", false, "A and B are EVENTS/EXPOSURE")
	c.Flags().BoolVar(&f.exit, "exit-code", false, "exit with 4 if anything is worse")
	c.Flags().StringVarP(&f.out, "output", "o", "", "draw it into a `FILE`: .png or .svg")
	return c
}

type comparisonJSON struct {
	Schema    string      `json:"schema"`
	Metric    string      `json:"metric"`
	A         sideJSON    `json:"a"`
	B         sideJSON    `json:"b"`
	Delta     *float64    `json:"delta"`
	CI        [2]*float64 `json:"ci"`
	Relative  *float64    `json:"relative"`
	Effect    *float64    `json:"effect"`
	EffectIs  string      `json:"effect_name"`
	P         *float64    `json:"p"`
	PAdjusted *float64    `json:"p_adjusted"`
	N         [2]int      `json:"n"`
	Test      string      `json:"test"`
	Kind      string      `json:"kind"`
	Paired    bool        `json:"paired"`
	Verdict   string      `json:"verdict"`
	NeededN   int         `json:"needed_n,omitempty"`
	NeededFor *float64    `json:"needed_for,omitempty"`
	Seed      uint64      `json:"seed"`
	Warnings  []string    `json:"warnings"`
	Codes     []string    `json:"warning_codes"`
}

type sideJSON struct {
	Centre *float64    `json:"centre"`
	CI     [2]*float64 `json:"ci"`
	N      int         `json:"n"`
}

func interval(i statistics.Interval) [2]*float64 { return [2]*float64{orNull(i.Low), orNull(i.High)} }

func comparisonOf(c *experiment.Comparison) comparisonJSON {
	j := comparisonJSON{Schema: "varve.comparison/1", Metric: c.Metric, A: sideJSON{orNull(c.A.Centre), interval(c.A.Interval), c.A.N}, B: sideJSON{orNull(c.B.Centre), interval(c.B.Interval), c.B.N},
		Delta: orNull(c.Delta), CI: interval(c.Interval), Relative: orNull(c.Relative), Effect: orNull(c.Effect), EffectIs: c.EffectName, P: orNull(c.P), PAdjusted: orNull(c.PAdjusted), N: [2]int{c.A.N, c.B.N},
		Test: c.Test, Kind: c.Kind.String(), Paired: c.Paired, Verdict: string(c.Verdict), NeededN: c.NeededN, Seed: c.Seed, Warnings: []string{}, Codes: []string{}}
	if c.NeededN > 0 {
		j.NeededFor = orNull(c.NeededFor)
	}
	for _, w := range c.Warnings {
		j.Warnings = append(j.Warnings, w.Text)
		j.Codes = append(j.Codes, w.Code)
	}
	return j
}

func (e *env) compare(ctx context.Context, f *compareFlags, a, b string) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.policy != "" {
		text, err := os.ReadFile(e.abs(f.policy))
		if err != nil {
			return fmt.Errorf("policy: %w", cause(err))
		}
		if f.p, err = experiment.ParsePolicy(text); err != nil {
			return usage("", "%w", err)
		}
	}
	r, err := e.compared(ctx, f, a, b)
	if err != nil {
		if errors.Is(err, experiment.ErrEvaluation) {
			return hinted(fmt.Errorf("compare: %w", err), "evaluate both on the same; --force compares them all the same")
		}
		return err
	}
	if f.out != "" {
		if err := e.plotComparison(r, f.out); err != nil {
			return err
		}
	}
	worse := false
	for i := range r.Metrics {
		worse = worse || r.Metrics[i].Verdict == verdict.Worse
		if e.json {
			if err := e.emit(comparisonOf(&r.Metrics[i])); err != nil {
				return err
			}
		}
	}
	if !e.json {
		e.printComparisons(r.Metrics)
	}
	for _, w := range r.Warnings {
		e.say("note: %s", lines(w))
	}
	accept := true
	if f.primary != "" {
		if accept, err = e.decide(f, r); err != nil {
			return err
		}
	}
	if f.exit && (worse || !accept) {
		return outcome(exitDifferences)
	}
	return nil
}

type decisionJSON struct {
	Schema  string   `json:"schema"`
	Primary string   `json:"primary"`
	Accept  bool     `json:"accept"`
	Reasons []string `json:"reasons"`
}

// decide says whether B is to replace A.
func (e *env) decide(f *compareFlags, r *experiment.Report) (bool, error) {
	d, err := r.Decide(f.primary, f.p)
	if err != nil {
		return false, usage("varve metric ls lists what was measured", "compare: %w", err)
	}
	if e.json {
		return d.Accept, e.emit(decisionJSON{"varve.decision/1", f.primary, d.Accept, texts(d.Reasons)})
	}
	if d.Accept {
		e.printf("take %s: %s is better, nothing is worse, and every bound is kept\n", name(r.B.Ref), name(f.primary))
		return true, nil
	}
	e.printf("keep %s: %s\n", name(r.A.Ref), name(strings.Join(d.Reasons, "; ")))
	return false, nil
}

// compared compares two counts, two files, or two versions.
func (e *env) compared(ctx context.Context, f *compareFlags, a, b string) (*experiment.Report, error) {
	if f.counts || f.rates {
		return f.numbers(a, b)
	}
	plan := f.plan()
	fileA, okA, err := e.measuredFile(ctx, a)
	if err != nil {
		return nil, err
	}
	fileB, okB, err := e.measuredFile(ctx, b)
	if err != nil {
		return nil, err
	}
	if okA && okB {
		return experiment.CompareSides(fileA, fileB, plan)
	}
	p, l, err := e.lab(ctx, need{})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := e.projectPolicy(p, f); err != nil {
		return nil, err
	}
	plan = f.plan()
	sides := [2]experiment.Side{fileA, fileB}
	for i, s := range [2]struct {
		ref  string
		done bool
	}{{a, okA}, {b, okB}} {
		if s.done {
			continue
		}
		if sides[i], err = l.Side(ctx, s.ref); err != nil {
			return nil, e.unknown(p, err)
		}
	}
	return experiment.CompareSides(sides[0], sides[1], plan)
}

// projectPolicy takes the policy of the project, where there is one and none was named.
func (e *env) projectPolicy(p *place, f *compareFlags) error {
	if f.p != nil || p.root == "" {
		return nil
	}
	text, err := e.policyText(p, "")
	if err != nil || text == nil {
		return nil
	}
	if f.p, err = experiment.ParsePolicy(text); err != nil {
		return fmt.Errorf("%s: %w", guardFile, err)
	}
	return nil
}

// measuredFile reads a side from a file, if the argument names one that is there and no version.
func (e *env) measuredFile(ctx context.Context, arg string) (experiment.Side, bool, error) {
	at := e.abs(arg)
	if filepath.Ext(arg) == "" && !strings.ContainsRune(arg, filepath.Separator) || !exists(at) {
		return experiment.Side{}, false, nil
	}
	runs, err := metricfile.Read(ctx, os.DirFS(filepath.Dir(at)), filepath.Base(at), metricfile.Options{})
	if err != nil {
		return experiment.Side{}, false, fmt.Errorf("compare %w", err)
	}
	return experiment.SideOfFile(arg, runs), true, nil
}

// numbers compares HITS/TRIALS or EVENTS/EXPOSURE.
func (f *compareFlags) numbers(a, b string) (*experiment.Report, error) {
	plan := f.plan().Plan
	plan.Metric = "proportion"
	if f.rates {
		plan.Metric = "rate"
	}
	if len(f.metrics) == 1 {
		plan.Metric = f.metrics[0]
	}
	for _, d := range f.directions {
		_, v, _ := strings.Cut(d, "=")
		plan.LowerIsBetter = v == experiment.Lower
	}
	var sides [2]verdict.Sample
	for i, text := range [2]string{a, b} {
		over, under, ok := strings.Cut(text, "/")
		n, err := strconv.Atoi(over)
		if !ok || err != nil {
			return nil, usage("", "compare: %q: want a number, a slash and a number", text)
		}
		if f.rates {
			exposure, err := strconv.ParseFloat(under, 64)
			if err != nil || math.IsNaN(exposure) {
				return nil, usage("", "compare: %q: want EVENTS/EXPOSURE", text)
			}
			sides[i] = verdict.Sample{Kind: verdict.Rate, Events: n, Exposure: exposure}
			continue
		}
		of, err := strconv.Atoi(under)
		if err != nil {
			return nil, usage("", "compare: %q: want HITS/TRIALS", text)
		}
		sides[i] = verdict.Sample{Kind: verdict.Proportion, Count: statistics.Count{Hits: n, Of: of}}
	}
	c, err := verdict.Compare(sides[0], sides[1], plan)
	if err != nil {
		return nil, usage("", "compare: %w", err)
	}
	c.PAdjusted = c.P
	return &experiment.Report{A: experiment.Side{Ref: a}, B: experiment.Side{Ref: b}, Metrics: []experiment.Comparison{c}}, nil
}

// printComparisons prints comparisons as a table, and what a reader has to know of each.
func (e *env) printComparisons(list []experiment.Comparison) {
	if len(list) == 0 {
		return
	}
	rows := [][]string{{"metric", "A", "B", "difference", "95 % interval", "effect", "p", "n", "verdict"}}
	for i := range list {
		c := &list[i]
		if c.Metric == "" {
			continue
		}
		rows[0][4] = fmt.Sprintf("%g %% interval", 95.0)
		rows = append(rows, []string{name(c.Metric), orDash(c.A.Centre), orDash(c.B.Centre), signed(c.Delta) + share(c.Relative), span(c.Interval), effect(c), pValue(c), fmt.Sprintf("%d, %d", c.A.N, c.B.N), verdictText(c)})
	}
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			b.WriteString(cell)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
			}
		}
		e.printf("%s\n", b.String())
	}
	for i := range list {
		for _, w := range list[i].Warnings {
			e.say("%s: %s", name(list[i].Metric), lines(w.Text))
		}
	}
}

func orDash(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return number(v)
}

func signed(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	if v > 0 {
		return "+" + number(v)
	}
	return number(v)
}

func share(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return fmt.Sprintf(" (%+.3g %%)", 100*v)
}

func span(i statistics.Interval) string {
	if math.IsNaN(i.Low) || math.IsNaN(i.High) {
		return "–"
	}
	return number(i.Low) + " … " + number(i.High)
}

func effect(c *experiment.Comparison) string {
	if math.IsNaN(c.Effect) {
		return "–"
	}
	return c.EffectName + " " + strconv.FormatFloat(c.Effect, 'g', 3, 64)
}

func pValue(c *experiment.Comparison) string {
	if math.IsNaN(c.P) {
		return "–"
	}
	text := strconv.FormatFloat(c.P, 'g', 3, 64)
	if !math.IsNaN(c.PAdjusted) && c.PAdjusted != c.P {
		text += " (" + strconv.FormatFloat(c.PAdjusted, 'g', 3, 64) + ")"
	}
	return text
}

func verdictText(c *experiment.Comparison) string {
	word := string(c.Verdict)
	if c.Verdict == verdict.Inconclusive && c.NeededN > 0 {
		unit := "a side"
		if c.Paired {
			unit = "pairs"
		}
		word += fmt.Sprintf(", needs %d %s for %s", c.NeededN, unit, number(c.NeededFor))
	}
	return word
}

// plotComparison draws the differences with their intervals, as shares of the first version, so that metrics of other
// units stand beside each other.
func (e *env) plotComparison(r *experiment.Report, out string) error {
	c := plot.Chart{Title: r.B.Ref + " beside " + r.A.Ref, X: plot.Axis{Label: "difference, % of " + r.A.Ref}, Marks: []plot.Mark{{At: 0, Label: "the same"}}}
	for i := range r.Metrics {
		m := &r.Metrics[i]
		unit := 100 / math.Abs(m.A.Centre)
		if m.A.Centre == 0 || math.IsNaN(unit) || math.IsNaN(m.Delta) {
			continue
		}
		c.Intervals = append(c.Intervals, plot.Interval{Name: m.Metric, Centre: m.Delta * unit, Low: m.Interval.Low * unit, High: m.Interval.High * unit, Text: string(m.Verdict)})
	}
	return e.draw(c, out)
}
