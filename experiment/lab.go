package experiment

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"varve"
)

// Lab is a project seen as a series of experiments.
type Lab struct {
	p       *varve.Project
	records *varve.Records
	opt     Options
}

// Options are what a lab needs from outside.
type Options struct {
	Now  func() time.Time
	Rand io.Reader
	// Temp is where files may be copied to that cannot be read in their place; "": the system's folder.
	Temp string
}

// Schemas are the kinds of record that this package keeps.
func Schemas() []varve.Schema {
	text := func(names ...string) (out []varve.Field) {
		for _, n := range names {
			out = append(out, varve.Field{Name: n, Type: varve.Text, Index: true})
		}
		return out
	}
	return []varve.Schema{
		{Kind: "run", Version: 1, Fields: append(text("name", "before", "after", "verdict", "evaluation_digest", "dataset_digest", "revision_id"),
			varve.Field{Name: "started", Type: varve.Time, Index: true}, varve.Field{Name: "rolled_back", Type: varve.Flag},
			varve.Field{Name: "command_text", Type: varve.Text, Search: true}, varve.Field{Name: "exit", Type: varve.Number},
			varve.Field{Name: "seconds", Type: varve.Number}, varve.Field{Name: "cpu_seconds", Type: varve.Number}, varve.Field{Name: "memory", Type: varve.Number})},
		{Kind: "series", Version: 1, Fields: append(text("run", "snapshot", "metric"),
			varve.Field{Name: "final", Type: varve.Number}, varve.Field{Name: "points", Type: varve.Number}, varve.Field{Name: "part", Type: varve.Number})},
		{Kind: "verification", Version: 1, Fields: append(text("snapshot"), varve.Field{Name: "ok", Type: varve.Flag})},
	}
}

// Open opens the experiments of a project. Close ends it.
func Open(ctx context.Context, v *varve.Vault, p *varve.Project, o Options) (*Lab, error) {
	r, err := v.Records(ctx, Schemas()...)
	if err != nil {
		return nil, fmt.Errorf("experiments: %w", err)
	}
	return &Lab{p: p, records: r, opt: o}, nil
}

// Close lets go of the index.
func (l *Lab) Close() error { return l.records.Close() }

// Start says what a run is to be.
type Start struct {
	Name        string   // "": none
	Policy      string   // its text; "": one without rules
	Scope       []string // instead of the policy's
	Command     []string
	Dir         string            // where it runs, from the project's folder, with slashes
	Environment map[string]string // what the machine and its software are
	Revision    Revision
	Params      map[string]string
	Seed        string
	Metrics     []string // further globs of files to import
	Baseline    string   // instead of the policy's
	Ignore      varve.IgnoreSettings
}

// Revision is what a version control system says of the folder.
type Revision struct {
	System string `json:"system,omitempty"` // git
	ID     string `json:"id,omitempty"`
	Branch string `json:"branch,omitempty"`
	Dirty  bool   `json:"dirty,omitempty"`
}

// Running is a run that is under way.
type Running struct {
	ID          string            `json:"id"`
	Name        string            `json:"name,omitempty"`
	Before      string            `json:"before"` // id of a snapshot
	Reused      bool              `json:"reused"` // nothing had changed since that snapshot
	Started     time.Time         `json:"started"`
	PolicyText  string            `json:"policy,omitempty"`
	Scope       []string          `json:"scope,omitempty"`
	Command     []string          `json:"command,omitempty"`
	Dir         string            `json:"dir,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	Revision    Revision          `json:"revision"`
	Params      map[string]string `json:"params,omitempty"`
	Seed        string            `json:"seed,omitempty"`
	Globs       []string          `json:"metrics,omitempty"`
	Baseline    string            `json:"baseline,omitempty"`
	Files       map[string]stamp  `json:"files,omitempty"` // of metrics, as they were
	PID         int               `json:"pid,omitempty"`   // of who guards it; 0: run start

	policy *Policy
	folder string
	ignore varve.IgnoreSettings
}

// stamp tells whether a file was written since.
type stamp struct {
	Size  int64 `json:"size"`
	Mtime int64 `json:"mtime"`
}

const (
	runsFolder = "runs"
	stateName  = "run.json"
	maxState   = 16 << 20
)

// MetricsFile is where the run logs: the value of VARVE_METRICS.
func (r *Running) MetricsFile() string { return filepath.Join(r.folder, "metrics.jsonl") }

// OutputFile is where the end of what the command printed is kept.
func (r *Running) OutputFile() string { return filepath.Join(r.folder, "output.txt") }

// Begin takes a snapshot, unless the last one has everything, and notes that a run is under way.
func (l *Lab) Begin(ctx context.Context, s Start) (*Running, error) {
	last := l.p.Latest()
	before, err := l.p.Snap(ctx, varve.SnapOptions{Message: "before " + title(s.Name, s.Command), Ignore: s.Ignore, IfChanged: true})
	if err != nil {
		return nil, fmt.Errorf("snapshot before the run: %w", err)
	}
	if len(before.Errors) > 0 {
		return nil, fmt.Errorf("snapshot before the run: what could not be kept could not be brought back: %w", &varve.PartialError{Failures: before.Errors})
	}
	var id [8]byte
	if _, err := io.ReadFull(l.opt.Rand, id[:]); err != nil {
		return nil, err
	}
	r := &Running{ID: hex.EncodeToString(id[:]), Name: s.Name, Before: before.ID.String(), Reused: last != nil && before.ID == last.ID, PolicyText: s.Policy,
		Scope: s.Scope, Command: s.Command, Dir: s.Dir, Environment: s.Environment, Revision: s.Revision, Params: s.Params, Seed: s.Seed, Globs: s.Metrics, Baseline: s.Baseline, ignore: s.Ignore}
	if err := r.setPolicy(); err != nil {
		return nil, err
	}
	r.Globs = append(slices.Clone(r.policy.Metrics), r.Globs...)
	r.folder = l.runFolder(r.ID)
	if err := os.MkdirAll(r.folder, 0o755); err != nil {
		return nil, fmt.Errorf("note the run: %w", err)
	}
	if err := os.WriteFile(r.MetricsFile(), nil, 0o644); err != nil {
		return nil, fmt.Errorf("note the run: %w", err)
	}
	if r.Files, err = l.stamps(r.Globs); err != nil {
		return nil, err
	}
	r.Started = l.opt.Now()
	return r, l.SaveRunning(r)
}

// title says what a run is, for messages of snapshots.
func title(name string, command []string) string {
	switch {
	case name != "":
		return name
	case len(command) > 0:
		text := strings.Join(command, " ")
		if len(text) > 72 {
			text = text[:69] + "..."
		}
		return strings.ToValidUTF8(text, "?")
	}
	return "a run"
}

func (l *Lab) runFolder(id string) string {
	return filepath.Join(l.p.Path(), ".varve", runsFolder, id)
}

// SaveRunning notes the state of a run in its folder.
func (l *Lab) SaveRunning(r *Running) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := varve.WriteFile(filepath.Join(r.folder, stateName), b); err != nil {
		return fmt.Errorf("note the run: %w", err)
	}
	return nil
}

// ErrNoRun says that there is no such run.
var ErrNoRun = errors.New("no such run")

// Running returns a run that is under way by its id, or by a beginning of it.
func (l *Lab) Running(id string) (*Running, error) {
	if id == "" || strings.ContainsAny(id, `/\.`) {
		return nil, fmt.Errorf("%q: %w", id, ErrNoRun)
	}
	all, err := l.AllRunning()
	if err != nil {
		return nil, err
	}
	var found []*Running
	for _, r := range all {
		if strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%q: %w under way here", id, ErrNoRun)
	}
	return found[0], nil
}

// AllRunning returns the runs that were begun here and have not ended, oldest first: also those whose guard is gone.
func (l *Lab) AllRunning() ([]*Running, error) {
	names, err := os.ReadDir(filepath.Join(l.p.Path(), ".varve", runsFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []*Running
	for _, n := range names {
		r, err := l.readRunning(n.Name())
		if err != nil {
			continue // broken off before it was noted: it has not begun
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Running) int { return a.Started.Compare(b.Started) })
	return out, nil
}

func (l *Lab) readRunning(id string) (*Running, error) {
	folder := l.runFolder(id)
	info, err := os.Stat(filepath.Join(folder, stateName))
	if err != nil {
		return nil, err
	}
	if info.Size() > maxState {
		return nil, fmt.Errorf("run %s: its note has %d bytes", id, info.Size())
	}
	b, err := os.ReadFile(filepath.Join(folder, stateName))
	if err != nil {
		return nil, err
	}
	r := &Running{folder: folder, ignore: l.p.IgnoreSettings()}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	if r.ID != id {
		return nil, fmt.Errorf("run %s: its note is of %q", id, r.ID)
	}
	if err := r.setPolicy(); err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	return r, nil
}

// setPolicy reads the run's policy, with what was said instead of it.
func (r *Running) setPolicy() (err error) {
	if r.policy, err = ParsePolicy([]byte(r.PolicyText)); err != nil {
		return err
	}
	r.policy.Baseline = or(r.Baseline, r.policy.Baseline)
	if len(r.Scope) > 0 {
		r.policy.Rollback.Scope = r.Scope
	}
	return nil
}

// Abandon forgets that a run was under way. Nothing else is changed.
func (l *Lab) Abandon(r *Running) error { return os.RemoveAll(r.folder) }
