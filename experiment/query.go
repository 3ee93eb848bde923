package experiment

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"varve"
	"varve/experiment/metricfile"
)

// RunFilter says which runs are meant. The zero value is for all of the project.
type RunFilter struct {
	Name    string
	Verdict string
	After   string // id of a snapshot
	Since   time.Time
	Limit   int // the latest; 0: all

	bare bool // without what they measured
}

// Runs returns the runs that have ended, oldest first, with what they measured.
func (l *Lab) Runs(ctx context.Context, f RunFilter) ([]*Run, error) {
	q := varve.Query{Kind: "run", Project: l.p.ID(), Order: "started", Descending: true, Limit: f.Limit, TimeField: "started", Since: f.Since}
	if f.Name != "" {
		q.Where = append(q.Where, varve.Where{Field: "name", Op: "=", Value: f.Name})
	}
	if f.After != "" {
		q.Where = append(q.Where, varve.Where{Field: "after", Op: "=", Value: f.After})
	}
	if f.Verdict != "" {
		q.Where = append(q.Where, varve.Where{Field: "verdict", Op: "=", Value: f.Verdict})
	}
	var out []*Run
	for row, err := range l.records.Find(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("runs: %w", err)
		}
		r, err := runOf(row)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	slices.Reverse(out)
	if f.bare {
		return out, nil
	}
	return out, l.attach(ctx, out)
}

// Run returns a run by its id, a beginning of it that is unique, or its name (the last of that name).
func (l *Lab) Run(ctx context.Context, name string) (*Run, error) {
	all, err := l.Runs(ctx, RunFilter{bare: true})
	if err != nil {
		return nil, err
	}
	var byID, byName []*Run
	for _, r := range all {
		if len(name) >= 4 && strings.HasPrefix(r.ID, name) {
			byID = append(byID, r)
		}
		if r.Name == name && name != "" {
			byName = append(byName, r)
		}
	}
	switch {
	case len(byID) == 1:
		return byID[0], l.attach(ctx, byID)
	case len(byName) > 0:
		last := byName[len(byName)-1]
		return last, l.attach(ctx, []*Run{last})
	case len(byID) > 1:
		return nil, fmt.Errorf("run %q: %d runs begin with that", name, len(byID))
	}
	return nil, fmt.Errorf("%q: %w", name, ErrNoRun)
}

// RunsOf returns the runs of a version: those that left that state, and their repetitions, which may have left others
// (see sameTrial); or, where there are none, those that began with it. A reference may also be a run's id or name: then all runs of that name.
// What was imported for a version without a run is a run without a command.
func (l *Lab) RunsOf(ctx context.Context, ref string) ([]*Run, error) {
	all, err := l.Runs(ctx, RunFilter{bare: true})
	if err != nil {
		return nil, err
	}
	pick := func(keep func(*Run) bool) (out []*Run) {
		for _, r := range all {
			if keep(r) {
				out = append(out, r)
			}
		}
		return out
	}
	if named := pick(func(r *Run) bool {
		return r.Name != "" && r.Name == ref || len(ref) >= 4 && strings.HasPrefix(r.ID, ref)
	}); len(named) > 0 {
		return named, l.attach(ctx, named)
	}
	s, err := l.p.Resolve(ref)
	if err != nil {
		return nil, err
	}
	id := s.ID.String()
	left := pick(func(r *Run) bool { return r.After == id })
	runs := pick(func(r *Run) bool {
		return r.After == id || slices.ContainsFunc(left, func(l *Run) bool { return sameTrial(l, r) })
	})
	if err := l.attach(ctx, runs); err != nil {
		return nil, err
	}
	imported, err := l.imported(ctx, id)
	if err != nil {
		return nil, err
	}
	if imported != nil {
		runs = append(runs, imported)
	}
	if len(runs) == 0 {
		runs = pick(func(r *Run) bool { return r.Before == id })
		return runs, l.attach(ctx, runs)
	}
	return runs, nil
}

// imported returns what was added to a version outside of any run; nil if nothing was.
func (l *Lab) imported(ctx context.Context, snapshot string) (*Run, error) {
	m, err := l.series(ctx, varve.Where{Field: "snapshot", Op: "=", Value: snapshot}, varve.Where{Field: "run", Op: "=", Value: ""})
	if err != nil || len(m) == 0 {
		return nil, err
	}
	r := &Run{Before: snapshot, After: snapshot, Verdict: Passed, Metrics: m[""]}
	if s, err := l.p.Resolve(snapshot); err == nil {
		r.BeforeVersion, r.AfterVersion, r.Started = s.Version, s.Version, s.Time
	}
	return r, nil
}

func runOf(row *varve.Row) (*Run, error) {
	b, err := json.Marshal(row.Fields)
	if err != nil {
		return nil, err
	}
	r := &Run{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("the record of run %s: %w", row.ID, err)
	}
	r.ID = row.ID
	return r, nil
}

// few is up to how many runs each is asked for by itself: all that was ever measured may be much more.
const few = 64

// attach gives runs what they measured.
func (l *Lab) attach(ctx context.Context, runs []*Run) error {
	var all map[string]map[string]Measured
	var err error
	if len(runs) > few {
		if all, err = l.series(ctx); err != nil {
			return err
		}
	}
	for _, r := range runs {
		by := all
		if by == nil {
			if by, err = l.series(ctx, varve.Where{Field: "run", Op: "=", Value: r.ID}); err != nil {
				return err
			}
		}
		if r.Metrics = by[r.ID]; r.Metrics == nil {
			r.Metrics = map[string]Measured{}
		}
	}
	return nil
}

// series returns what was measured, by run and metric.
func (l *Lab) series(ctx context.Context, where ...varve.Where) (map[string]map[string]Measured, error) {
	type key struct {
		run, metric, snapshot string
		series                string
		part                  int
	}
	parts := map[key][]Point{}
	known := map[key]int{} // of a series, by its first part, how many parts it has: what is beyond was of a longer one
	for row, err := range l.records.Find(ctx, varve.Query{Kind: "series", Project: l.p.ID(), Where: where}) {
		if err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		var data columns
		var keys map[string]string
		var part int
		row.Get("keys", &keys)
		row.Get("part", &part)
		if !row.Get("data", &data) {
			return nil, fmt.Errorf("record %s: %w", row.ID, errSeries)
		}
		points, err := data.unpack(row.Text("metric"), keys)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", row.ID, err)
		}
		if len(points) == 0 {
			continue
		}
		k := key{row.Text("run"), row.Text("metric"), row.Text("snapshot"), identity(&points[0]), part}
		parts[k] = points
		var n int
		if part == 0 && row.Get("parts", &n) {
			known[k] = n
		}
	}
	maps.DeleteFunc(parts, func(k key, _ []Point) bool {
		first := k
		first.part = 0
		n, ok := known[first]
		return ok && k.part >= n
	})
	order := slices.SortedFunc(maps.Keys(parts), func(a, b key) int {
		if c := cmp.Or(strings.Compare(a.run, b.run), strings.Compare(a.metric, b.metric), strings.Compare(a.snapshot, b.snapshot), strings.Compare(a.series, b.series)); c != 0 {
			return c
		}
		return a.part - b.part
	})
	out := map[string]map[string]Measured{}
	for _, k := range order {
		if out[k.run] == nil {
			out[k.run] = map[string]Measured{}
		}
		m := out[k.run][k.metric]
		m.Series = append(m.Series, parts[k]...)
		m.of = append(m.of, stretch{k.snapshot, len(parts[k])})
		out[k.run][k.metric] = m
	}
	return out, nil
}

// Marked are the points of a run that was read; the repetitions of a benchmark are told apart by number.
func Marked(r *metricfile.Run) []Point {
	switch r.Format {
	case metricfile.GoBench, metricfile.Hyperfine, metricfile.PytestBenchmark, metricfile.Criterion:
	default:
		return r.Points
	}
	out := slices.Clone(r.Points)
	n := map[string]int{}
	for i := range out {
		if repetition(&out[i]) == "" {
			id := identity(&out[i])
			n[id]++
			out[i].Keys = WithKey(out[i].Keys, "repetition", fmt.Sprint(n[id]))
		}
	}
	return out
}

// printed finds metrics in what a command printed, as far as its end was kept.
func (p *Policy) printed(ctx context.Context, r *Running) ([]metricfile.Run, error) {
	var patterns []*regexp.Regexp
	for _, text := range p.Stdout {
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, re)
	}
	return metricfile.Read(ctx, os.DirFS(r.folder), filepath.Base(r.OutputFile()), metricfile.Options{Format: metricfile.Stdout, Patterns: patterns})
}

// fingerprint notes what the folders hold that a run depends on.
func (l *Lab) fingerprint(ctx context.Context, p *Policy, s *varve.Snapshot, run *Run) error {
	run.Dataset, run.Evaluation = map[string]string{}, map[string]string{}
	for _, set := range []struct {
		folders []string
		into    map[string]string
	}{{p.Fingerprint.Dataset, run.Dataset}, {p.Fingerprint.Evaluation, run.Evaluation}} {
		for _, at := range set.folders {
			sum, err := l.contents(ctx, s, at)
			if err != nil {
				return fmt.Errorf("fingerprint of %s: %w", at, err)
			}
			set.into[at] = sum
		}
	}
	return nil
}

// contents is the digest of a folder's, or a file's, contents: the SHA-256 of the lines "sha256  path\n" of all files,
// in the order of their paths. What is left out of snapshots is read from the disk.
func (l *Lab) contents(ctx context.Context, s *varve.Snapshot, at string) (string, error) {
	h := sha256.New()
	for e, err := range l.p.List(ctx, s, at, true) {
		if errors.Is(err, fs.ErrNotExist) {
			return l.live(ctx, at)
		}
		if err != nil {
			return "", err
		}
		switch {
		case e.Type == "link":
			fmt.Fprintf(h, "link %s  %s\n", e.Target, e.Path)
		case e.Type != "file":
		case e.SHA256 != "":
			fmt.Fprintf(h, "%s  %s\n", e.SHA256, e.Path)
		default:
			one := sha256.New()
			if err := l.p.Cat(ctx, s, e.Path, one); err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%x  %s\n", one.Sum(nil), e.Path)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// live is contents of what is on the disk.
func (l *Lab) live(ctx context.Context, at string) (string, error) {
	h := sha256.New()
	root := os.DirFS(l.p.Path())
	err := fs.WalkDir(root, path.Clean(at), func(at string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := root.Open(at)
		if err != nil {
			return err
		}
		defer f.Close()
		one := sha256.New()
		if _, err := io.Copy(one, f); err != nil {
			return err
		}
		fmt.Fprintf(h, "%x  %s\n", one.Sum(nil), at)
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// digestOf is the SHA-256 of a map, in hex; "" of an empty one.
func digestOf(m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k, m[k])
	}
	return digestText(parts...)
}

// digestText is the SHA-256 of texts, each with its length, in hex.
func digestText(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
