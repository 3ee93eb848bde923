package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/experiment"
	"varve/experiment/metricfile"
	"varve/experiment/plot"
)

func metricVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "metric", Short: "What versions measured: add, import, list, plot", GroupID: "experiment"}
	c.AddCommand(metricAdd(e), metricImport(e), metricList(e), metricServe(e), metricPareto(e))
	return c
}

type metricJSON struct {
	Schema  string            `json:"schema"`
	Metric  string            `json:"metric"`
	Value   *float64          `json:"value"` // null: not a finite number
	Text    string            `json:"text"`  // the value, as it is
	Step    *int64            `json:"step,omitempty"`
	StdErr  *float64          `json:"stderr,omitempty"`
	Time    string            `json:"time,omitempty"`
	Version int               `json:"version"`
	ID      string            `json:"id"` // of the snapshot
	Run     string            `json:"run"`
	Name    string            `json:"name,omitempty"` // of the run
	Keys    map[string]string `json:"keys"`
	N       int               `json:"n,omitempty"`
	Min     *float64          `json:"min,omitempty"`
	Max     *float64          `json:"max,omitempty"`
}

// orNull is a number as JSON can have it: nil for one that is not finite.
func orNull(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

type metricTo struct {
	version, run string
}

func (m *metricTo) add(c *cobra.Command) {
	c.Flags().StringVar(&m.version, "version", "latest", "the version that was measured: a `REF`")
	c.Flags().StringVar(&m.run, "run", "", "a `RUN` that it belongs to, by name or id")
}

func metricAdd(e *env) *cobra.Command {
	var to metricTo
	var step int64
	var seed string
	var keys []string
	c := &cobra.Command{Use: "add METRIC VALUE…", Short: "Note what a version measured; several values are repetitions", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			more, err := pairs(keys)
			if err != nil {
				return err
			}
			if seed != "" {
				more["seed"] = seed
			}
			var points []experiment.Point
			for i, text := range args[1:] {
				v, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return usage("", "metric %s: %q is not a number", args[0], text)
				}
				p := experiment.Point{Metric: args[0], Value: v, Keys: more, Time: e.now()}
				if len(args) > 2 {
					p.Keys = map[string]string{"repetition": strconv.Itoa(i + 1)}
					for k, v := range more {
						p.Keys[k] = v
					}
				}
				if cmd.Flags().Changed("step") {
					p.Step, p.HasStep = step, true
				}
				points = append(points, p)
			}
			return e.addMetrics(cmd.Context(), &to, points, nil)
		}}
	to.add(c)
	c.Flags().Int64Var(&step, "step", 0, "the `STEP` of training")
	c.Flags().StringVar(&seed, "seed", "", "the `SEED` of the repetition")
	c.Flags().StringArrayVar(&keys, "key", nil, "what else tells this value from others, `K=V`; repeatable")
	return e.changing(c)
}

func metricImport(e *env) *cobra.Command {
	var to metricTo
	var o metricfile.Options
	var seed string
	var only bool
	c := &cobra.Command{Use: "import [FILE…]", Short: "Import what programs measured",
		Long: "Reads files and folders that training, evaluation and benchmark programs leave, and keeps what they measured\n" +
			"beside a version. The format is told by name and content: " + strings.Join(metricfile.Formats(), ", ") + ".\n" +
			"Without FILE it looks through the project for what it knows by name, and keeps each run as one of its own.\n" +
			"The same import again adds nothing.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.importMetrics(cmd.Context(), &to, &o, seed, only, args)
		}}
	to.add(c)
	c.Flags().StringVar(&o.Format, "format", "", "a `FORMAT`, instead of what name and content tell")
	c.Flags().StringVar(&seed, "seed", "", "the `SEED` of the run, if the files do not say")
	c.Flags().StringSliceVar(&o.Mapping.Keys, "keys", nil, "columns that tell repetitions apart: seed,fold,…")
	c.Flags().StringSliceVar(&o.Mapping.Only, "only", nil, "patterns of the metrics that are meant")
	c.Flags().StringVar(&o.Mapping.Step, "step", "", "the `COLUMN` of the step")
	c.Flags().StringVar(&o.Mapping.Metric, "metric-column", "", "the `COLUMN` of the metric's name, where each row has one value")
	c.Flags().StringVar(&o.Mapping.Value, "value-column", "", "the `COLUMN` of that value")
	c.Flags().BoolVar(&only, "runs", false, "keep each run that the files tell of as a run of its own")
	complete(c, "format", metricfile.Formats())
	return e.changing(c)
}

// importMetrics reads files and keeps what they say. What could not be read of them is told, and is exit code 3.
func (e *env) importMetrics(ctx context.Context, to *metricTo, o *metricfile.Options, seed string, apart bool, args []string) error {
	apart = apart || len(args) == 0 // what is found is of many runs
	found, bad, err := e.measured(ctx, o, args)
	if err != nil {
		return err
	}
	var points []experiment.Point
	for i := range found {
		r := &found[i]
		for _, n := range r.Notes {
			e.say("note: %s: %s", name(r.Source), lines(n))
		}
		for _, w := range r.Warnings {
			bad++
			e.say("varve: warning: %s", lines(w.String()))
		}
		bad += r.Unsaid
		part := experiment.Marked(r)
		for j := range part {
			if seed != "" && part[j].Keys["seed"] == "" {
				part[j].Keys = experiment.WithKey(part[j].Keys, "seed", seed)
			}
		}
		if !apart {
			points = append(points, part...)
		}
	}
	if !apart {
		found = nil
	}
	if err := e.addMetrics(ctx, to, points, found); err != nil {
		return err
	}
	if bad > 0 {
		return outcome(exitPartial)
	}
	return nil
}

// measured reads the files that were named, or all of the project that are known by their names; bad is how many could not
// be read of these.
func (e *env) measured(ctx context.Context, o *metricfile.Options, files []string) (found []metricfile.Run, bad int, err error) {
	for _, file := range files {
		at := e.abs(file)
		runs, err := metricfile.Read(ctx, os.DirFS(filepath.Dir(at)), filepath.Base(at), *o)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, 0, fmt.Errorf("import %w", err)
		}
		if err != nil {
			return nil, 0, hinted(fmt.Errorf("import %w", err), "varve metric import --format FORMAT says what it is")
		}
		found = append(found, runs...)
	}
	if len(files) > 0 {
		return found, 0, nil
	}
	root, _ := e.projectRoot()
	for run, err := range metricfile.Find(ctx, os.DirFS(root), nil, *o) {
		if err != nil {
			bad++
			e.say("varve: warning: %s", lines(err.Error()))
			continue
		}
		e.say("found %s (%s)", name(run.Source), run.Format)
		found = append(found, run)
	}
	if len(found) == 0 && bad == 0 {
		return nil, 0, hinted(errors.New("import: nothing was found that is known by its name"), "name the files")
	}
	return found, bad, ctx.Err()
}

type importedJSON struct {
	Schema  string `json:"schema"`
	Points  int    `json:"points"`
	Runs    int    `json:"runs"`
	Version int    `json:"version"`
	ID      string `json:"id"`
	Run     string `json:"run"`
	DryRun  bool   `json:"dry_run,omitempty"`
}

// addMetrics keeps points of a version, or of a run, or runs of programs.
func (e *env) addMetrics(ctx context.Context, to *metricTo, points []experiment.Point, runs []metricfile.Run) error {
	p, l, err := e.lab(ctx, need{})
	if err != nil {
		return err
	}
	defer l.Close()
	run := ""
	var s *varve.Snapshot
	if to.run != "" {
		r, err := l.Run(ctx, to.run)
		if err != nil {
			return hinted(err, "varve run ls lists the runs")
		}
		run, to.version = r.ID, r.After
	}
	if s, err = e.resolve(p, to.version); err != nil {
		return err
	}
	n := len(points)
	for i := range runs {
		n += len(runs[i].Points)
	}
	if !e.dry {
		if err := l.Add(ctx, s, run, points); err != nil {
			return err
		}
		for i := range runs {
			if err := l.AddRun(ctx, s, &runs[i]); err != nil {
				return err
			}
		}
	}
	if e.json {
		return e.emit(importedJSON{"varve.metric_import/1", n, len(runs), s.Version, s.ID.String(), run, e.dry})
	}
	word := "added to"
	if e.dry {
		word = "would go to"
	}
	e.say("%s %s %s", plural(n, "value"), word, s.Ref())
	return nil
}

type metricListing struct {
	by, metric, out string
	plot, all       bool
	refs            []string
}

func metricList(e *env) *cobra.Command {
	m := &metricListing{}
	c := &cobra.Command{Use: "ls [REF…]", Short: "List what versions measured, or plot it",
		RunE: func(cmd *cobra.Command, args []string) error {
			m.refs = args
			return e.metrics(cmd.Context(), m)
		}}
	c.Flags().StringVar(&m.by, "by", "version", "one line for each version, run or point")
	c.Flags().StringVar(&m.metric, "metric", "", "only metrics that a `PATTERN` takes in")
	c.Flags().BoolVar(&m.plot, "plot", false, "draw it in the terminal")
	c.Flags().StringVarP(&m.out, "output", "o", "", "draw it into a `FILE`: .png or .svg")
	complete(c, "by", []string{"version", "run", "point"})
	return c
}

// metrics lists what was measured.
func (e *env) metrics(ctx context.Context, m *metricListing) error {
	if m.by != "version" && m.by != "run" && m.by != "point" {
		return usage("", "--by %s: want version, run or point", m.by)
	}
	p, l, err := e.lab(ctx, need{})
	if err != nil {
		return err
	}
	defer l.Close()
	var only []string
	for _, ref := range m.refs {
		s, err := e.resolve(p, ref)
		if err != nil {
			return err
		}
		only = append(only, s.ID.String())
	}
	list, err := l.Performances(ctx, m.metric, m.by != "version", only)
	if err != nil {
		return err
	}
	if m.plot || m.out != "" {
		return e.plotMetrics(list, m)
	}
	last := ""
	for i := range list {
		one := &list[i]
		switch {
		case m.by == "point":
			if err := e.printPoints(one); err != nil {
				return err
			}
		case e.json:
			if err := e.emit(performanceOf(one)); err != nil {
				return err
			}
		default:
			if one.Metric != last {
				last = one.Metric
				e.printf("%s\n", name(last))
			}
			e.printPerformance(one)
		}
	}
	return nil
}

func performanceOf(p *experiment.Performance) metricJSON {
	mean := p.Mean()
	least, most := p.Range()
	return metricJSON{Schema: "varve.metric/1", Metric: p.Metric, Value: orNull(mean), Text: strconv.FormatFloat(mean, 'g', -1, 64), Version: p.Version, ID: p.Snapshot, Run: p.Run, Name: p.Of,
		N: len(p.Samples), Min: orNull(least), Max: orNull(most), Keys: map[string]string{}}
}

func (e *env) printPerformance(p *experiment.Performance) {
	of := ref(p.Version)
	if p.Version == 0 {
		of = p.Snapshot[:12] + " (forgotten)"
	}
	if p.Run != "" {
		of += "  " + p.Run[:8]
	}
	if p.Of != "" {
		of += "  " + name(p.Of)
	}
	spread := ""
	if n := len(p.Samples); n > 1 {
		least, most := p.Range()
		spread = fmt.Sprintf("  %s … %s, %d repetitions", number(least), number(most), n)
	}
	e.printf("  %-24s %s%s\n", of, number(p.Mean()), spread)
}

func (e *env) printPoints(p *experiment.Performance) error {
	for i := range p.Points {
		t := &p.Points[i]
		j := metricJSON{Schema: "varve.metric/1", Metric: t.Metric, Value: orNull(t.Value), Text: strconv.FormatFloat(t.Value, 'g', -1, 64), Version: p.Version, ID: p.Snapshot, Run: p.Run, Name: p.Of, Keys: map[string]string{}}
		if t.Keys != nil {
			j.Keys = t.Keys
		}
		if t.HasStep {
			j.Step = &t.Step
		}
		if t.HasStdErr {
			j.StdErr = orNull(t.StdErr)
		}
		if !t.Time.IsZero() {
			j.Time = rfc(t.Time)
		}
		if e.json {
			if err := e.emit(j); err != nil {
				return err
			}
			continue
		}
		keys := ""
		for k, v := range sorted(j.Keys) {
			keys += "  " + k + "=" + v
		}
		step := ""
		if t.HasStep {
			step = fmt.Sprintf("  step %d", t.Step)
		}
		e.printf("%s  %s%s  %s%s\n", ref(p.Version), name(t.Metric), step, j.Text, name(keys))
	}
	return nil
}

// plotMetrics draws one line for each metric over the versions, or over the steps where points are asked for.
func (e *env) plotMetrics(list []experiment.Performance, m *metricListing) error {
	byMetric := map[string][]experiment.Performance{}
	var order []string
	for _, p := range list {
		if byMetric[p.Metric] == nil {
			order = append(order, p.Metric)
		}
		byMetric[p.Metric] = append(byMetric[p.Metric], p)
	}
	if len(order) == 0 {
		return hinted(errors.New("there is nothing to draw"), "varve metric import FILE keeps what programs measured")
	}
	if m.out != "" && len(order) > 1 && m.by != "point" {
		// Metrics have units of their own: one picture is of one.
		return usage("--metric NAME says which: "+strings.Join(order, ", "), "metric ls -o: %s", plural(len(order), "metric"))
	}
	for _, metric := range order {
		chart := chartOf(metric, byMetric[metric], m.by == "point")
		if m.out != "" {
			return e.draw(chart, m.out)
		}
		if err := plot.Terminal(e.out, chart, e.screen()); err != nil {
			return err
		}
	}
	return nil
}

// screen is what a plot in the terminal may take.
func (e *env) screen() plot.Screen {
	return plot.Screen{Width: min(e.width(), 100), Height: 16, Colour: e.ask && e.getenv("NO_COLOR") == "", ASCII: e.getenv("TERM") == "dumb"}
}

// chartOf is the chart of one metric.
func chartOf(metric string, list []experiment.Performance, points bool) plot.Chart {
	c := plot.Chart{Title: metric, Y: plot.Axis{Label: metric}}
	if points {
		c.X.Label = "step"
		for i := range list {
			c.Series = append(c.Series, curves(&list[i])...)
		}
		return c
	}
	c.X.Label = "version"
	one := plot.Series{Name: metric}
	for i := range list {
		p := &list[i]
		least, most := p.Range()
		label := ref(p.Version)
		if p.Of != "" {
			label = p.Of
		}
		c.X.Names = append(c.X.Names, label)
		one.Points = append(one.Points, plot.Point{X: float64(i), Y: p.Mean(), Low: least, High: most})
	}
	c.Series = []plot.Series{one}
	return c
}

// curves are the lines of a version over its steps: one for each repetition.
func curves(p *experiment.Performance) []plot.Series {
	var out []plot.Series
	at := map[string]int{}
	for i := range p.Points {
		t := &p.Points[i]
		label := ref(p.Version)
		if p.Of != "" {
			label = p.Of
		}
		for k, v := range sorted(t.Keys) {
			label += " " + k + "=" + v
		}
		n, ok := at[label]
		if !ok {
			n = len(out)
			at[label] = n
			out = append(out, plot.Series{Name: label})
		}
		x := float64(len(out[n].Points))
		if t.HasStep {
			x = float64(t.Step)
		}
		out[n].Points = append(out[n].Points, plot.At(x, t.Value))
	}
	return out
}

// draw writes a chart into a file, as its name says.
func (e *env) draw(c plot.Chart, out string) error {
	var b bytes.Buffer
	var err error
	switch strings.ToLower(filepath.Ext(out)) {
	case ".png":
		err = plot.PNG(&b, c)
	case ".svg":
		err = plot.SVG(&b, c)
	default:
		return usage("name it .png or .svg", "-o %s: not a kind of picture that is drawn", out)
	}
	if err != nil {
		return err
	}
	if err := varve.WriteFile(e.abs(out), b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", name(out), cause(err))
	}
	e.say("drawn into %s", name(out))
	return nil
}

type paretoJSON struct {
	Schema  string              `json:"schema"`
	Version int                 `json:"version"`
	ID      string              `json:"id"`
	Values  map[string]*float64 `json:"values"`
	Best    bool                `json:"best"` // no other is at least as good in everything and better in something
}

func metricPareto(e *env) *cobra.Command {
	return &cobra.Command{Use: "pareto METRIC=higher|lower…", Short: "Which versions no other beats in several metrics at once", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.pareto(cmd.Context(), args) }}
}

func (e *env) pareto(ctx context.Context, args []string) error {
	var goals []experiment.Goal
	for _, a := range args {
		metric, direction, ok := strings.Cut(a, "=")
		if !ok || direction != experiment.Higher && direction != experiment.Lower {
			return usage("", "metric pareto: %q: want METRIC=higher or METRIC=lower", a)
		}
		goals = append(goals, experiment.Goal{Metric: metric, Direction: direction})
	}
	_, l, err := e.lab(ctx, need{})
	if err != nil {
		return err
	}
	defer l.Close()
	front, err := l.Pareto(ctx, goals)
	if err != nil {
		return err
	}
	for _, f := range front {
		j := paretoJSON{"varve.pareto/1", f.Version, f.Snapshot, map[string]*float64{}, f.Best}
		line := "  "
		if f.Best {
			line = "* "
		}
		line += fmt.Sprintf("%-6s", ref(f.Version))
		for i, g := range goals {
			j.Values[g.Metric] = orNull(f.Values[i])
			line += fmt.Sprintf("  %s %s", g.Metric, orDash(f.Values[i]))
		}
		if e.json {
			if err := e.emit(j); err != nil {
				return err
			}
			continue
		}
		e.printf("%s\n", name(line))
	}
	return nil
}
