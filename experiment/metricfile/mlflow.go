package metricfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// isMLflow reports whether a folder is a store of MLflow, an experiment in one, or a run in one.
func (s *source) isMLflow(dir string) bool {
	if s.looksRun(dir) || s.isRun(dir) || s.isExperiment(dir) {
		return true
	}
	all, err := s.list(dir)
	if err != nil {
		return false
	}
	for _, e := range all {
		if e.IsDir() && s.isExperiment(path.Join(dir, e.Name())) {
			return true
		}
	}
	return false
}

func (s *source) isRun(dir string) bool {
	meta, err := s.meta(dir)
	return err == nil && (meta.str("run_id") != "" || meta.str("run_uuid") != "")
}

// looksRun reports whether a folder has the parts of a run, whatever is in them. Models that are logged have them too.
func (s *source) looksRun(dir string) bool {
	return path.Base(path.Dir(dir)) != "models" && s.exists(path.Join(dir, "meta.yaml")) && (s.folder(path.Join(dir, "metrics")) || s.folder(path.Join(dir, "params")))
}

func (s *source) isExperiment(dir string) bool {
	meta, err := s.meta(dir)
	return err == nil && meta.str("experiment_id") != "" && meta.get("artifact_location") != nil
}

// meta reads the meta.yaml of a run or an experiment.
func (s *source) meta(dir string) (*node, error) {
	file := path.Join(dir, "meta.yaml")
	if !s.exists(file) {
		return nil, &Error{File: file, Err: fs.ErrNotExist}
	}
	in, err := s.document(file)
	if err != nil {
		return nil, err
	}
	n, err := parseYAML(in, s.limits.Depth)
	if err != nil {
		return nil, at(file, err)
	}
	return &n, nil
}

// mlflow reads a store, an experiment or a run. A run that cannot be read is told with the others' errors, and does not
// cost the others.
func (s *source) mlflow(dir string) ([]Run, error) {
	switch {
	case s.looksRun(dir) || s.isRun(dir):
		experiment, _ := s.meta(path.Dir(dir))
		return some(s.mlflowRun(dir, experiment))
	case s.isExperiment(dir):
		return s.mlflowExperiment(dir)
	}
	all, err := s.list(dir)
	if err != nil {
		return nil, err
	}
	var runs []Run
	var errs []error
	for _, e := range all {
		if sub := path.Join(dir, e.Name()); e.IsDir() && e.Name() != "models" && (e.Name() == ".trash" || s.exists(path.Join(sub, "meta.yaml"))) {
			var more []Run
			if e.Name() == ".trash" { // deleted experiments keep their runs here
				more, err = s.mlflow(sub)
			} else {
				more, err = s.mlflowExperiment(sub)
			}
			for i := range more {
				more[i].Deleted = more[i].Deleted || e.Name() == ".trash"
			}
			runs = append(runs, more...)
			errs = append(errs, err)
			if errors.Is(err, ErrLimit) || s.ctx.Err() != nil {
				break
			}
		}
	}
	return runs, errors.Join(errs...)
}

func (s *source) mlflowExperiment(dir string) ([]Run, error) {
	experiment, err := s.meta(dir)
	if err != nil {
		return nil, err
	}
	all, err := s.list(dir)
	if err != nil {
		return nil, err
	}
	var runs []Run
	var errs []error
	for _, e := range all {
		sub := path.Join(dir, e.Name())
		if !e.IsDir() || !s.looksRun(sub) && !s.isRun(sub) {
			continue
		}
		run, err := s.mlflowRun(sub, experiment)
		if err == nil || len(run.Points) > 0 {
			runs = append(runs, run)
		}
		errs = append(errs, err)
		if errors.Is(err, ErrLimit) || s.ctx.Err() != nil {
			break
		}
	}
	return runs, errors.Join(errs...)
}

// mlflowRun reads a run's folder.
func (s *source) mlflowRun(dir string, experiment *node) (Run, error) {
	meta, err := s.meta(dir)
	if err != nil {
		return Run{}, err
	}
	b := s.build(meta.str("run_name"), dir, MLflow)
	b.run.Deleted = meta.str("lifecycle_stage") == "deleted"
	b.run.Status = mlflowStatus(meta.str("status"))
	b.run.Started, b.run.Ended = millis(meta.str("start_time")), millis(meta.str("end_time"))
	id := meta.str("run_id")
	if id == "" {
		id = meta.str("run_uuid")
	}
	b.run.Tags["run_id"] = id
	b.run.Tags["experiment_id"] = meta.str("experiment_id")
	if experiment != nil && experiment.str("name") != "" {
		b.run.Tags["experiment"] = experiment.str("name")
	}
	for folder, to := range map[string]map[string]string{"params": b.run.Params, "tags": b.run.Tags} {
		if err := s.mlflowTexts(path.Join(dir, folder), to); err != nil {
			return b.done(), err
		}
	}
	if b.run.Name == "" {
		b.run.Name = b.run.Tags["mlflow.runName"]
	}
	if b.run.Name == "" {
		b.run.Name = id
	}
	metrics := path.Join(dir, "metrics")
	if !s.folder(metrics) {
		return b.done(), nil
	}
	err = s.walk(metrics, func(file string) error {
		return s.mlflowMetric(b, file, strings.TrimPrefix(file, metrics+"/"))
	})
	return b.done(), err
}

// mlflowTexts reads a folder of files that are a text each, named by their path.
func (s *source) mlflowTexts(dir string, to map[string]string) error {
	if !s.folder(dir) {
		return nil
	}
	return s.walk(dir, func(file string) error {
		in, err := s.document(file)
		if err == nil {
			to[strings.TrimPrefix(file, dir+"/")] = strings.TrimRight(string(in), "\r\n")
		}
		return err
	})
}

// mlflowMetric reads the lines "timestamp value step" of a metric. Old stores have no step; newer ones may add the name
// and the digest of a data set.
func (s *source) mlflowMetric(b *build, file, name string) error {
	return s.lines(file, func(l line) error {
		f := strings.Fields(string(l.text))
		if len(f) == 0 {
			return nil
		}
		var r row
		at, err := strconv.ParseInt(f[0], 10, 64)
		bad := l.long || err != nil || len(f) != 2 && len(f) != 3 && len(f) != 5
		if !bad && len(f) > 2 {
			r.step, err = strconv.ParseInt(f[2], 10, 64)
			r.hasStep, bad = true, err != nil
		}
		if !bad {
			_, _, ok := number(f[1])
			bad = !ok
		}
		if bad {
			b.warn(file, l.n, "%q is not a time, a value and a step: left out", short(string(l.text)))
			return nil
		}
		r.at, _ = epoch(at)
		if len(f) == 5 {
			r.keys = b.keys.with(nil, []pair{{"dataset", f[3]}, {"dataset_digest", f[4]}})
		}
		return b.value(file, l.n, &r, name, f[1])
	})
}

// millis is a time of MLflow: milliseconds since 1970; zero where there is none.
func millis(s string) time.Time {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

// mlflowStatus is the name of a status: stores of files have its number, databases its name.
func mlflowStatus(s string) string {
	names := []string{"", "running", "scheduled", "finished", "failed", "killed"}
	if n, err := strconv.Atoi(s); err == nil {
		if n > 0 && n < len(names) {
			return names[n]
		}
		return fmt.Sprintf("status %d", n)
	}
	return strings.ToLower(s)
}
