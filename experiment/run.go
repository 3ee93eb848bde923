package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"varve"
	"varve/experiment/metricfile"
)

// Outcome is how a command ended.
type Outcome struct {
	Exit   int // its exit code; 128 and the signal's number where one killed it
	Ended  time.Time
	CPU    time.Duration // of it and all that it started and waited for
	Memory int64         // bytes, the most that one process had resident; 0 where not known
	Output string        // the end of what it printed
	Error  string        // what is known of why it failed
	// Foreign says who else wrote to a path while the command ran: "" for nobody that was seen. May be nil.
	Foreign func(path string) string
	// Keep leaves a bad change in place, whatever the policy says.
	Keep bool
}

// Run is a run that has ended.
type Run struct {
	ID             string            `json:"id"`
	Name           string            `json:"name"`
	Before         string            `json:"before"`         // id of a snapshot
	After          string            `json:"after"`          // of the state that the command left
	BeforeVersion  int               `json:"before_version"` //
	AfterVersion   int               `json:"after_version"`  //
	Now            string            `json:"now,omitempty"`  // of the state after the rollback
	Reused         bool              `json:"reused"`         // of Before: nothing had changed
	Command        []string          `json:"command"`
	Dir            string            `json:"cwd"`
	Exit           int               `json:"exit"`
	Error          string            `json:"error,omitempty"`
	Started        time.Time         `json:"started"`
	Ended          time.Time         `json:"ended"`
	Seconds        float64           `json:"seconds"`
	CPU            float64           `json:"cpu_seconds"`
	Memory         int64             `json:"memory"`
	Environment    map[string]string `json:"environment"`
	EnvironmentSum string            `json:"environment_digest"`
	Revision       Revision          `json:"revision"`
	Seed           string            `json:"seed,omitempty"`
	Params         map[string]string `json:"params"`
	Dataset        map[string]string `json:"dataset"`        // folder → digest of its contents
	Evaluation     map[string]string `json:"evaluation"`     //
	Code           string            `json:"code_digest"`    // of its code and configuration
	Setting        string            `json:"setting_digest"` // of how it was started, but for its seed
	Policy         string            `json:"policy,omitempty"`
	Verdict        string            `json:"verdict"`
	Violations     []Violation       `json:"violations"`
	Notes          []string          `json:"notes"`
	Baseline       string            `json:"baseline,omitempty"` // id of the run it was judged by
	RolledBack     bool              `json:"rolled_back"`
	RolledTo       string            `json:"rolled_back_to,omitempty"` // id of a snapshot
	Undo           string            `json:"undo,omitempty"`           // id of an operation
	PutBack        []string          `json:"put_back"`                 // paths
	Left           []Leftover        `json:"left"`
	Output         string            `json:"output,omitempty"`
	Files          []string          `json:"metric_files"`

	Metrics map[string]Measured `json:"-"`
}

// Leftover is a path that a rollback left as it was, and why.
type Leftover struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// Finish keeps what a run left, judges it, and takes it back where its policy says so. The run is recorded also where
// the rollback could not be made: then the error says so.
func (l *Lab) Finish(ctx context.Context, r *Running, o Outcome) (*Run, error) {
	// First of all: this is the state that the command left.
	after, err := l.p.Snap(ctx, varve.SnapOptions{Message: "after " + title(r.Name, r.Command), Ignore: r.ignore, IfChanged: true})
	if err != nil {
		return nil, fmt.Errorf("snapshot after the run: %w", err)
	}
	before, err := l.p.Resolve(r.Before)
	if err != nil {
		return nil, fmt.Errorf("the snapshot before the run: %w", err)
	}
	run := &Run{ID: r.ID, Name: r.Name, Before: r.Before, After: after.ID.String(), BeforeVersion: before.Version, AfterVersion: after.Version, Reused: r.Reused,
		Command: notNil(r.Command), Dir: r.Dir, Exit: o.Exit, Error: o.Error, Started: r.Started, Ended: o.Ended, Seconds: o.Ended.Sub(r.Started).Seconds(), CPU: o.CPU.Seconds(), Memory: o.Memory,
		Environment: r.Environment, EnvironmentSum: digestOf(r.Environment), Revision: r.Revision, Seed: r.Seed, Params: r.Params, Output: o.Output,
		PutBack: []string{}, Left: []Leftover{}, Notes: []string{}, Violations: []Violation{}, Files: []string{}}
	if err := l.measure(ctx, r, run); err != nil {
		return nil, err
	}
	if err := l.fingerprint(ctx, r.policy, after, run); err != nil {
		return nil, err
	}
	if run.Code, err = l.code(ctx, after); err != nil {
		return nil, fmt.Errorf("fingerprint of the code: %w", err)
	}
	run.Setting = setting(run)
	if err := l.judge(ctx, r, run); err != nil {
		return nil, err
	}
	if len(after.Errors) > 0 {
		run.Notes = append(run.Notes, (&varve.PartialError{Failures: after.Errors}).Error())
	}
	// The tags go first: the last operation, which undo takes back, is to be the rollback.
	if err := l.mark(ctx, r, run, after); err != nil {
		return nil, err
	}
	var rollErr error
	if l.bad(r, run) && !o.Keep {
		if rollErr = l.rollBack(ctx, r, run, before, after, &o); rollErr != nil {
			run.Notes = append(run.Notes, "not rolled back: "+rollErr.Error())
		}
	}
	if err := l.record(ctx, run); err != nil {
		return run, errors.Join(rollErr, err)
	}
	return run, errors.Join(rollErr, l.Abandon(r))
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// bad reports whether a run is to be taken back.
func (l *Lab) bad(r *Running, run *Run) bool {
	return run.Verdict == Regressed || run.Verdict == Failed && r.policy.OnFailure == Rollback
}

// measure imports what the run logged, and what it wrote of the files that were named.
func (l *Lab) measure(ctx context.Context, r *Running, run *Run) error {
	var points []Point
	add := func(found []metricfile.Run, source string) {
		for i := range found {
			points = append(points, Marked(&found[i])...)
			maps.Copy(run.Params, absent(run.Params, found[i].Params))
			for _, w := range found[i].Warnings {
				run.Notes = append(run.Notes, w.String())
			}
		}
		if len(found) > 0 {
			run.Files = append(run.Files, source)
		}
	}
	if run.Params == nil {
		run.Params = map[string]string{}
	}
	if info, err := os.Stat(r.MetricsFile()); err == nil && info.Size() > 0 {
		found, err := metricfile.Read(ctx, os.DirFS(r.folder), "metrics.jsonl", metricfile.Options{Format: metricfile.JSONL})
		if err != nil {
			run.Notes = append(run.Notes, "VARVE_METRICS: "+err.Error())
		}
		add(found, "VARVE_METRICS")
	}
	if err := l.written(ctx, r, run, add); err != nil {
		return err
	}
	if len(r.policy.Stdout) > 0 {
		found, err := r.policy.printed(ctx, r)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a run without a command has printed nothing that was kept
			run.Notes = append(run.Notes, "stdout: "+err.Error())
		}
		add(found, "stdout")
	}
	if run.Seed != "" {
		for i := range points {
			if _, ok := points[i].Keys["seed"]; !ok {
				points[i].Keys = WithKey(points[i].Keys, "seed", run.Seed)
			}
		}
	}
	run.Metrics = map[string]Measured{}
	for i := range points {
		m := run.Metrics[points[i].Metric]
		m.Series = append(m.Series, points[i])
		run.Metrics[points[i].Metric] = m
	}
	return nil
}

// WithKey returns keys with one more: those of a point are shared, and not to be changed.
func WithKey(keys map[string]string, k, v string) map[string]string {
	out := maps.Clone(keys)
	if out == nil {
		out = map[string]string{}
	}
	out[k] = v
	return out
}

func absent(have, more map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range more {
		if _, ok := have[k]; !ok {
			out[k] = v
		}
	}
	return out
}

// written imports what the files that were named have of this run: those that it wrote, and of a file that others wrote
// before what is not older than the run, as far as times tell.
func (l *Lab) written(ctx context.Context, r *Running, run *Run, add func([]metricfile.Run, string)) error {
	if len(r.Globs) == 0 {
		return nil
	}
	now, err := l.stamps(r.Globs)
	if err != nil {
		return err
	}
	var changed []string
	for at, s := range now {
		if s != r.Files[at] {
			changed = append(changed, at)
		}
	}
	for found, err := range metricfile.Find(ctx, os.DirFS(l.p.Path()), within(r.Globs), metricfile.Options{Temp: l.opt.Temp}) {
		of := func(at string) bool { return at == found.Source || strings.HasPrefix(at, found.Source+"/") }
		if err != nil && (found.Source == "." || slices.ContainsFunc(changed, of)) {
			run.Notes = append(run.Notes, err.Error())
		}
		if !slices.ContainsFunc(changed, of) {
			continue // it is of an earlier run
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(r.Files)), of) {
			if found.Format == metricfile.MLflowDB && found.Started.Before(r.Started.Add(-time.Second)) {
				continue // one of the runs in the database, and not this
			}
			all := len(found.Points)
			found.Points = slices.DeleteFunc(found.Points, func(p Point) bool { return !p.Time.IsZero() && p.Time.Before(r.Started.Add(-time.Second)) })
			if older := all - len(found.Points); older > 0 {
				run.Notes = append(run.Notes, fmt.Sprintf("%s: %d values are older than the run: passed over", found.Source, older))
			}
		}
		if len(found.Points) > 0 {
			add([]metricfile.Run{found}, found.Source)
		}
	}
	return ctx.Err()
}

// within are patterns for the files that globs name, by themselves or by a folder they are in.
func within(globs []string) []string {
	var out []string
	for _, g := range globs {
		g = strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(g), "./"), "/")
		out = append(out, g, g+"/**")
	}
	return out
}

// stamps returns the files of the project that patterns name, and when they were written.
func (l *Lab) stamps(globs []string) (map[string]stamp, error) {
	out := map[string]stamp{}
	root := os.DirFS(l.p.Path())
	for _, g := range within(globs) {
		if !doublestar.ValidatePattern(g) {
			return nil, fmt.Errorf("metrics: %q is not a pattern", g)
		}
		err := doublestar.GlobWalk(root, g, func(at string, d fs.DirEntry) error {
			if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
				out[at] = stamp{info.Size(), info.ModTime().UnixNano()}
			}
			return nil
		}, doublestar.WithNoFollow())
		if err != nil {
			return nil, fmt.Errorf("metrics %q: %w", g, err)
		}
	}
	return out, nil
}

// judge finds what the run is to be compared with, and applies the policy.
func (l *Lab) judge(ctx context.Context, r *Running, run *Run) error {
	run.Policy = r.policy.digest
	base, err := l.baseline(ctx, r.policy, run)
	if err != nil {
		return err
	}
	var measured map[string]Measured
	if len(base) > 0 {
		run.Baseline, measured = base[0].ID, sideOf("", base).Metrics
	}
	peers, err := l.Runs(ctx, RunFilter{bare: true})
	if err != nil {
		return err
	}
	peers = slices.DeleteFunc(peers, func(p *Run) bool { return p.Exit != 0 || !sameTrial(p, run) })
	if err := l.attach(ctx, peers); err != nil {
		return err
	}
	j := r.policy.Judge(run.Metrics, measured, sideOf("", append(peers, run)).Metrics)
	run.Verdict = j.Verdict
	run.Violations = append(run.Violations, j.Violations...)
	run.Notes = append(run.Notes, j.Notes...)
	if run.Exit != 0 && run.Verdict != Regressed {
		run.Verdict = Failed
	}
	return nil
}

// baseline returns the runs that a policy compares with: repetitions of one another, the latest first; none where there are none that can be compared.
func (l *Lab) baseline(ctx context.Context, p *Policy, run *Run) ([]*Run, error) {
	var candidates []*Run
	var err error
	if p.Baseline == LastGood {
		candidates, err = l.Runs(ctx, RunFilter{bare: true})
		// What was rolled back, or is a repetition of this same run, is nothing to go by.
		candidates = slices.DeleteFunc(candidates, func(b *Run) bool {
			return b.Verdict != Passed && b.Verdict != Warned || b.Exit != 0 || sameTrial(b, run)
		})
	} else {
		candidates, err = l.RunsOf(ctx, p.Baseline)
		if err == nil && len(candidates) == 0 {
			run.Notes = append(run.Notes, fmt.Sprintf("baseline %s has no runs", p.Baseline))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("baseline %s: %w", p.Baseline, err)
	}
	slices.SortFunc(candidates, func(a, b *Run) int { return b.Started.Compare(a.Started) })
	var base []*Run
	for _, c := range candidates {
		switch {
		case !maps.Equal(c.Evaluation, run.Evaluation):
			if len(base) == 0 {
				run.Notes = append(run.Notes, fmt.Sprintf("run %s was evaluated on something else: not compared with it", label(c)))
			}
		case len(base) == 0 || sameTrial(c, base[0]):
			base = append(base, c)
		}
	}
	if p.Baseline == LastGood {
		err = l.attach(ctx, base)
	}
	return base, err
}

func label(r *Run) string {
	if r.Name != "" {
		return r.Name
	}
	return r.ID
}

// rollBack takes back what the run changed within its scope.
func (l *Lab) rollBack(ctx context.Context, r *Running, run *Run, before, after *varve.Snapshot, o *Outcome) error {
	target := before
	if r.policy.Rollback.To == LastGood {
		good, err := l.lastGood(ctx, run.After)
		if err != nil {
			return err
		}
		if good != nil {
			target = good
		} else {
			run.Notes = append(run.Notes, "there is no good run to go back to: back to how it was before this one")
		}
	}
	scope := r.policy.Scope()
	res, err := l.p.Revert(ctx, varve.RevertOptions{To: target, From: after, Within: scope.Holds, Leave: func(at string) string {
		if o.Foreign != nil {
			if who := o.Foreign(at); who != "" {
				return who + " wrote it during the run"
			}
		}
		if e, err := l.p.Stat(ctx, after, at); err == nil && e.Type == "file" && e.Mtime.After(o.Ended) {
			return "it was written after the command had ended"
		}
		return ""
	}, Verb: "rollback", Summary: "rollback of " + title(r.Name, r.Command) + " to " + target.Ref()})
	if res != nil {
		for _, c := range res.Plan {
			run.PutBack = append(run.PutBack, c.Path)
		}
		for _, left := range res.Left {
			run.Left = append(run.Left, Leftover{left.Path, left.Reason})
		}
		run.Undo = res.Undo
	}
	if err != nil {
		return fmt.Errorf("roll back to %s: %w", target.Ref(), err)
	}
	run.RolledBack, run.RolledTo = true, target.ID.String()
	if len(run.PutBack) == 0 {
		run.Notes = append(run.Notes, "the command changed nothing in the scope: there was nothing to put back; varve rollback REF puts back what was changed before it")
	}
	now, err := l.p.Snap(ctx, varve.SnapOptions{Message: "rolled back " + title(r.Name, r.Command), Ignore: r.ignore, IfChanged: true})
	if err != nil {
		return fmt.Errorf("snapshot after the rollback: %w", err)
	}
	run.Now = now.ID.String()
	return nil
}

// lastGood returns the state that the last good run left, if it is not the one that turned out bad; nil if there is none.
func (l *Lab) lastGood(ctx context.Context, bad string) (*varve.Snapshot, error) {
	runs, err := l.Runs(ctx, RunFilter{bare: true})
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Backward(runs) {
		if (r.Verdict == Passed || r.Verdict == Warned) && r.Exit == 0 && r.After != bad {
			if s, err := l.p.Resolve(r.After); err == nil {
				return s, nil
			}
		}
	}
	return nil, nil
}

// mark tags the snapshots of a run, so that the log shows what became of it. A name is a milestone where the run is
// good and the name is free.
func (l *Lab) mark(ctx context.Context, r *Running, run *Run, after *varve.Snapshot) error {
	if run.Verdict != Passed || len(r.policy.Rules) > 0 {
		if err := l.p.SetTag(ctx, after, "verdict", run.Verdict); err != nil {
			return err
		}
	}
	if r.Name == "" {
		return nil
	}
	if run.Verdict == Passed || run.Verdict == Warned {
		_, err := l.p.AddMilestone(ctx, after, r.Name, "development", map[string]string{"run": run.ID}, nil)
		if err == nil || !errors.Is(err, varve.ErrTaken) {
			return err
		}
	}
	if varve.CheckTag("run", r.Name) != nil {
		return nil // the record has the name
	}
	return l.p.SetTag(ctx, after, "run", r.Name)
}

// record keeps a run and what it measured.
func (l *Lab) record(ctx context.Context, run *Run) error {
	set, err := fieldsOf(run)
	if err != nil {
		return err
	}
	delete(set, "id")
	set["command_text"] = strings.Join(run.Command, " ")
	set["evaluation_digest"], set["dataset_digest"], set["revision_id"] = digestOf(run.Evaluation), digestOf(run.Dataset), run.Revision.ID
	facts := []varve.Fact{{Kind: "run", ID: run.ID, Project: l.p.ID(), Set: set}}
	var points []Point
	for _, name := range slices.Sorted(maps.Keys(run.Metrics)) {
		points = append(points, run.Metrics[name].Series...)
	}
	facts = append(facts, seriesFacts(l.p.ID(), run.ID, run.After, points)...)
	if err := l.records.Append(ctx, facts...); err != nil {
		return fmt.Errorf("record the run: %w", err)
	}
	return nil
}

// fieldsOf are the fields of a value's JSON.
func fieldsOf(v any) (map[string]any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(raw))
	for k, v := range raw {
		out[k] = v
	}
	return out, nil
}

// seriesFacts are the records of points that a run, or a version, measured.
func seriesFacts(project, run, snapshot string, points []Point) []varve.Fact {
	var out []varve.Fact
	for _, s := range group(points) {
		part, parts := 0, (len(s.points)+maxPart-1)/maxPart
		for chunk := range slices.Chunk(s.points, maxPart) {
			last := chunk[len(chunk)-1]
			set := map[string]any{"run": run, "snapshot": snapshot, "metric": s.metric, "keys": s.keys, "points": len(chunk), "part": part, "parts": parts, "data": pack(chunk)}
			if !math.IsNaN(last.Value) && !math.IsInf(last.Value, 0) {
				set["final"] = last.Value
			}
			id := digestText(run, snapshot, identity(&chunk[0]), fmt.Sprint(part))
			out = append(out, varve.Fact{Kind: "series", ID: id, Project: project, Set: set})
			part++
		}
	}
	return out
}

// Values are the last values of a run's metrics, of several repetitions their mean; nil stands for one that is not a
// finite number.
func (r *Run) Values() map[string]*float64 {
	out := map[string]*float64{}
	for name, m := range r.Metrics {
		v, ok := m.value(&Rule{Take: "last"})
		switch {
		case !ok:
		case math.IsNaN(v) || math.IsInf(v, 0):
			out[name] = nil
		default:
			out[name] = &v
		}
	}
	return out
}
