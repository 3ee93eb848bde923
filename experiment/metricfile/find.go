package metricfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// DefaultGlobs are the names under which training and benchmark programs leave what they measured. Find takes them when
// it is given none.
func DefaultGlobs() []string {
	return []string{
		"**/mlruns/{*,.trash/*}/*/meta.yaml", "**/mlflow.db", "**/dvclive/metrics.json", "**/dvclive/plots/metrics/**/*.tsv", "**/*tfevents*",
		"**/trainer_state.json", "**/wandb-summary.json", "**/metrics.{json,jsonl,ndjson,yaml,yml,toml,csv,tsv}", "**/results.csv",
		"**/{eval,train,test,all}_results.json", "**/results_*.json", "**/history.{json,csv}", "**/training_log.csv", "**/criterion/**/new/estimates.json",
	}
}

// passed are folders that Find does not enter on its own: what is in them is not of this project.
func passed(name string) bool {
	switch name {
	case ".git", ".varve", ".hg", ".svn", "node_modules", "site-packages", "__pycache__", ".venv", "venv", ".tox", ".dvc":
		return true
	}
	return false
}

// Find reads all files that match one of the patterns (* and ** and {a,b}), nil: DefaultGlobs, in the order of their
// paths. Files of one store (a run of MLflow, a folder of DVCLive, the event files of one folder) are read together, once.
// What cannot be read comes as an error with a Run that names its source, and does not stop the rest. Points of all
// together are bounded by Limits.Points for each source.
func Find(ctx context.Context, fsys fs.FS, globs []string, o Options) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		if len(globs) == 0 {
			globs = DefaultGlobs()
		}
		if err := o.check(); err != nil {
			yield(Run{}, err)
			return
		}
		for _, glob := range globs {
			if !doublestar.ValidatePattern(glob) {
				yield(Run{Source: glob}, fmt.Errorf("pattern %q: a bracket or brace is not closed", glob))
				return
			}
		}
		f := finder{s: newSource(ctx, fsys, o), globs: globs, done: map[string]bool{}, yield: yield}
		if err := f.dir(".", 0); err != nil && err != fs.SkipAll {
			yield(Run{Source: "."}, err)
		}
	}
}

// A finder walks a folder.
type finder struct {
	s     *source
	globs []string
	done  map[string]bool
	yield func(Run, error) bool
}

func (f *finder) dir(dir string, depth int) error {
	if depth > f.s.limits.Depth {
		return f.give(nil, dir, &Error{File: dir, Err: over("folders in folders", int64(depth), int64(f.s.limits.Depth))})
	}
	all, err := f.s.list(dir)
	if errors.Is(err, ErrLimit) || f.s.ctx.Err() != nil {
		return err
	}
	if err != nil {
		return f.give(nil, dir, err)
	}
	for _, e := range all {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			if !passed(e.Name()) || f.meant(name) {
				err = f.dir(name, depth+1)
			}
		case f.matches(name) && (e.Type().IsRegular() || f.s.exists(name)):
			err = f.file(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// meant reports whether a pattern names a folder, or something in it, without a wildcard before.
func (f *finder) meant(dir string) bool {
	return slices.ContainsFunc(f.globs, func(glob string) bool { return strings.HasPrefix(glob, dir+"/") })
}

func (f *finder) matches(name string) bool {
	return slices.ContainsFunc(f.globs, func(glob string) bool { return doublestar.MatchUnvalidated(path.Clean(glob), name) })
}

// file reads a file that matches, or the store that it is of.
func (f *finder) file(name string) error {
	unit, format := name, f.s.o.Format
	if format == "" && !f.artifact(name) {
		unit, format = f.s.unit(name)
	}
	if format == MLflow && f.s.isExperiment(unit) {
		return f.experiment(unit)
	}
	return f.read(unit, format)
}

// artifact reports whether a pattern is for the artifacts of runs, which are files of their own then.
func (f *finder) artifact(name string) bool {
	return strings.Contains("/"+name, "/artifacts/") && slices.ContainsFunc(f.globs, func(glob string) bool {
		return strings.Contains(glob, "artifacts/") && doublestar.MatchUnvalidated(path.Clean(glob), name)
	})
}

// experiment reads the runs of an experiment one by one: patterns may also match in them.
func (f *finder) experiment(dir string) error {
	all, err := f.s.list(dir)
	if err != nil {
		return f.give(nil, dir, err)
	}
	for _, e := range all {
		if sub := path.Join(dir, e.Name()); e.IsDir() && (f.s.looksRun(sub) || f.s.isRun(sub)) {
			if err := f.read(sub, MLflow); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads a source once.
func (f *finder) read(unit, format string) error {
	if f.done[unit] {
		return nil
	}
	f.done[unit] = true
	s := *f.s
	s.left = s.limits.Points
	if format == TensorBoard && s.folder(unit) {
		run, err := s.eventFolder(unit)
		runs, err := some(run, err)
		return f.give(runs, unit, err)
	}
	if format == "" {
		var err error
		if format, err = s.detect(unit); err != nil {
			return f.give(nil, unit, err)
		}
	}
	runs, err := s.read(unit, format)
	return f.give(runs, unit, err)
}

// give hands on what was read; the error comes last, with what it is of.
func (f *finder) give(runs []Run, source string, err error) error {
	for _, run := range runs {
		if !f.yield(run, nil) {
			return fs.SkipAll
		}
	}
	if err != nil && f.s.ctx.Err() != nil {
		return f.s.ctx.Err()
	}
	if err != nil && !f.yield(Run{Source: source}, err) {
		return fs.SkipAll
	}
	return nil
}

// unit is what a file is read with: the folder of the store that it is of, with its format; else itself.
func (s *source) unit(name string) (unit, format string) {
	if isEvents(name) {
		return path.Dir(name), TensorBoard
	}
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		base := path.Base(dir)
		switch {
		case slices.Contains([]string{"metrics", "params", "tags", "inputs", "outputs", "artifacts"}, base):
			if parent := path.Dir(dir); s.looksRun(parent) {
				return parent, MLflow
			}
		case base == "plots" && s.isDVCLive(path.Dir(dir)):
			return path.Dir(dir), DVCLive
		}
	}
	dir := path.Dir(name)
	switch path.Base(name) {
	case "meta.yaml":
		if s.looksRun(dir) || s.isRun(dir) || s.isExperiment(dir) {
			return dir, MLflow
		}
	case "metrics.json":
		if s.isDVCLive(dir) {
			return dir, DVCLive
		}
	case "trainer_state.json":
		return s.newest(name), ""
	}
	return name, ""
}

// newest is the trainer_state.json that has all of the history that a checkpoint's has: that beside the checkpoints, or
// that of the last of them.
func (s *source) newest(name string) string {
	at, ok := checkpoint(path.Base(path.Dir(name)))
	parent := path.Dir(path.Dir(name))
	if !ok {
		return name
	}
	if end := path.Join(parent, path.Base(name)); s.exists(end) {
		return end
	}
	all, err := s.list(parent)
	if err != nil {
		return name
	}
	for _, e := range all {
		if n, ok := checkpoint(e.Name()); ok && n > at {
			if other := path.Join(parent, e.Name(), path.Base(name)); s.exists(other) {
				name, at = other, n
			}
		}
	}
	return name
}

// checkpoint is the step of a folder checkpoint-500.
func checkpoint(name string) (int64, bool) {
	n, ok := strings.CutPrefix(name, "checkpoint-")
	if !ok || n == "" || strings.Trim(n, "0123456789") != "" {
		return 0, false
	}
	return integer(n)
}
