package experiment

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"varve"
	"varve/experiment/metricfile"
)

// Add keeps points of a version, and of one of its runs where run is not "". A series that is there is replaced, so
// that the same again changes nothing.
func (l *Lab) Add(ctx context.Context, s *varve.Snapshot, run string, points []Point) error {
	if len(points) == 0 {
		return nil
	}
	if err := l.records.Append(ctx, seriesFacts(l.p.ID(), run, s.ID.String(), points)...); err != nil {
		return fmt.Errorf("keep metrics: %w", err)
	}
	return nil
}

// AddRun keeps a run of another program as a run of a version.
func (l *Lab) AddRun(ctx context.Context, s *varve.Snapshot, r *metricfile.Run) error {
	id := digestText("imported", r.Source, r.Name)[:16]
	run := &Run{ID: id, Name: r.Name, Before: s.ID.String(), After: s.ID.String(), BeforeVersion: s.Version, AfterVersion: s.Version, Command: []string{},
		Started: r.Started, Ended: r.Ended, Params: r.Params, Environment: map[string]string{}, Dataset: map[string]string{}, Evaluation: map[string]string{},
		Violations: []Violation{}, Notes: []string{"imported from " + r.Source}, PutBack: []string{}, Left: []Leftover{}, Files: []string{r.Source}, Verdict: Passed, Metrics: map[string]Measured{}}
	if r.Status == "failed" || r.Status == "killed" {
		run.Verdict, run.Exit, run.Error = Failed, 1, r.Status
	}
	if !r.Ended.IsZero() && !r.Started.IsZero() {
		run.Seconds = r.Ended.Sub(r.Started).Seconds()
	}
	for _, p := range Marked(r) {
		m := run.Metrics[p.Metric]
		m.Series = append(m.Series, p)
		run.Metrics[p.Metric] = m
	}
	return l.record(ctx, run)
}

// Performance is what was measured of one metric of one version, or of one run.
type Performance struct {
	Metric   string
	Snapshot string
	Version  int // 0: the snapshot is gone
	Run, Of  string
	Samples  []Sample // of each repetition the last value
	Points   []Point  // all
}

// Mean is the mean of the repetitions, NaN of none.
func (p *Performance) Mean() float64 {
	sum := 0.0
	for _, s := range p.Samples {
		sum += s.Value
	}
	return sum / float64(len(p.Samples))
}

// Range is the least and the most of the repetitions.
func (p *Performance) Range() (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for _, s := range p.Samples {
		least, most = min(least, s.Value), max(most, s.Value)
	}
	return least, most
}

// Performances lists what was measured, by metric and then in the order of the versions; with byRun the runs of a
// version are apart. pattern is a glob of the metrics' names, "" for all; only, if not empty, are the ids of the
// snapshots that are meant.
func (l *Lab) Performances(ctx context.Context, pattern string, byRun bool, only []string) ([]Performance, error) {
	by, err := l.series(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	if byRun {
		runs, err := l.Runs(ctx, RunFilter{bare: true})
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			names[r.ID] = r.Name
		}
	}
	type key struct{ metric, snapshot, run string }
	all := map[key]*Performance{}
	for _, run := range slices.Sorted(maps.Keys(by)) { // in one order, so that a mean is the same each time
		for metric, m := range by[run] {
			if ok, _ := doublestar.Match(or(pattern, "**"), metric); !ok {
				continue
			}
			for snapshot, one := range m.bySnapshot() {
				if len(only) > 0 && !slices.Contains(only, snapshot) {
					continue
				}
				k := key{metric, snapshot, ""}
				if byRun {
					k.run = run
				}
				if all[k] == nil {
					all[k] = &Performance{Metric: metric, Snapshot: snapshot, Run: k.run, Of: names[k.run]}
				}
				all[k].Samples = append(all[k].Samples, one.samples("last", "")...)
				all[k].Points = append(all[k].Points, one.Series...)
			}
		}
	}
	versions := map[string]int{}
	for _, s := range l.p.Snapshots() {
		versions[s.ID.String()] = s.Version
	}
	var out []Performance
	for _, p := range maps.All(all) {
		p.Version = versions[p.Snapshot]
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Performance) int {
		return cmp.Or(cmp.Compare(a.Metric, b.Metric), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Snapshot, b.Snapshot), cmp.Compare(a.Run, b.Run))
	})
	return out, nil
}

// NoteVerified keeps what a check of a version found.
func (l *Lab) NoteVerified(ctx context.Context, s *varve.Snapshot, level string, ok bool, findings int) error {
	return l.records.Append(ctx, varve.Fact{Kind: "verification", ID: s.ID.String(), Project: l.p.ID(), Set: map[string]any{"snapshot": s.ID.String(), "level": level, "ok": ok, "findings": findings, "at": l.opt.Now()}})
}
