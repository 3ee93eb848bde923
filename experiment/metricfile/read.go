package metricfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Read reads a file, or a folder that is a store, of a format that its name and content tell, or Options.Format.
//
// Where both runs and an error are returned, the runs are what was read until the error.
func Read(ctx context.Context, fsys fs.FS, name string, o Options) ([]Run, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := newSource(ctx, fsys, o)
	format := o.Format
	if format == "" {
		var err error
		if format, err = s.detect(name); err != nil {
			return nil, err
		}
	}
	return s.read(name, format)
}

// read reads a source of a known format.
func (s *source) read(name, format string) ([]Run, error) {
	if s.folder(name) {
		switch format {
		case MLflow:
			return s.mlflow(name)
		case DVCLive:
			return s.dvclive(name)
		case TensorBoard:
			return s.tensorboard(name)
		case Criterion:
			return s.criterion(name)
		}
		return nil, &Error{File: name, Err: fmt.Errorf("is a folder, and %s is a file", format)}
	}
	one := map[string]func(string) (Run, error){
		JSONL: s.jsonl, YAML: s.yaml, TOML: s.toml, Stdout: s.stdout, GoBench: s.gobench, DVC: s.dvc, TensorBoard: s.events,
	}
	switch format {
	case MLflow, DVCLive:
		return nil, &Error{File: name, Err: fmt.Errorf("is a file, and %s is a folder", format)}
	case MLflowDB:
		return s.mlflowDB(name)
	case CSV:
		return s.csv(name)
	case JSON, TrainerState, Hyperfine, PytestBenchmark, Criterion, LMEval, WandB:
		return s.json(name, format)
	}
	run, err := one[format](name)
	return some(run, err)
}

// some leaves out a run of which nothing was read.
func some(run Run, err error) ([]Run, error) {
	if err != nil && len(run.Points) == 0 && len(run.Params) == 0 {
		return nil, err
	}
	return []Run{run}, err
}

// detect finds the format of a file or folder.
func (s *source) detect(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &Error{File: name, Err: errors.New("is no path below the folder that is read: no .. and no leading /")}
	}
	if s.folder(name) {
		return s.detectFolder(name)
	}
	head, err := s.head(name)
	if err != nil {
		return "", err
	}
	if format := byName(name); format != "" {
		return format, nil
	}
	if format := byContent(head); format != "" {
		return format, nil
	}
	return "", &Error{File: name, Err: fmt.Errorf("neither its name nor its content tells the format: name one of %s", strings.Join(Formats(), ", "))}
}

// head is the start of a file.
func (s *source) head(name string) ([]byte, error) {
	f, err := s.open(name, s.limits.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(plain(f), head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, &Error{File: name, Err: err}
	}
	return head[:n], nil
}

// byName is the format that a file's name tells, or "".
func byName(name string) string {
	file := strings.ToLower(path.Base(name))
	switch file {
	case "dvc.yaml", "dvc.lock":
		return DVC
	}
	if strings.Contains(file, "tfevents") {
		return TensorBoard
	}
	switch path.Ext(file) {
	case ".json":
		return JSON // the content tells whose
	case ".jsonl", ".ndjson":
		return JSONL
	case ".yaml", ".yml":
		return YAML
	case ".toml":
		return TOML
	case ".csv", ".tsv":
		return CSV
	}
	return ""
}

// byContent is the format that the start of a file tells, or "".
func byContent(head []byte) string {
	if bytes.HasPrefix(head, []byte("SQLite format 3\x00")) {
		return MLflowDB
	}
	if framed(head) {
		return TensorBoard
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return ""
	}
	if rest := bytes.TrimLeft(head, " \t\r\n"); len(rest) > 0 && rest[0] == '{' {
		return JSON
	}
	for l := range bytes.Lines(head) {
		if _, ok := benchLine(string(l)); ok {
			return GoBench
		}
	}
	if len(head) > 0 {
		return Stdout
	}
	return ""
}

// detectFolder finds which store a folder is.
func (s *source) detectFolder(name string) (string, error) {
	switch {
	case s.isMLflow(name):
		return MLflow, nil
	case s.isDVCLive(name):
		return DVCLive, nil
	}
	found := ""
	err := s.walk(name, func(file string) error {
		switch {
		case isEvents(file):
			found = TensorBoard
		case isEstimates(file):
			found = Criterion
		default:
			return nil
		}
		return fs.SkipAll
	})
	if err == nil && found == "" {
		err = &Error{File: name, Err: errors.New("is a folder, and none of MLflow, DVCLive, TensorBoard or Criterion: name the files in it, or a pattern for them")}
	}
	return found, err
}

// walk visits the files below a folder in the order of their names.
func (s *source) walk(dir string, visit func(file string) error) error {
	err := s.walkIn(dir, 0, visit)
	if err == fs.SkipAll {
		return nil
	}
	return err
}

func (s *source) walkIn(dir string, depth int, visit func(string) error) error {
	if depth > s.limits.Depth {
		return &Error{File: dir, Err: over("folders in folders", int64(depth), int64(s.limits.Depth))}
	}
	all, err := s.list(dir)
	if err != nil {
		return err
	}
	for _, e := range all {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = s.walkIn(name, depth+1, visit)
		case e.Type().IsRegular():
			err = visit(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// titled is the name of a run that has none in its file: that of the file, or of its folder where the file's name is that
// of the format.
func titled(name string) string {
	file := path.Base(name)
	stem := strings.TrimSuffix(file, path.Ext(file))
	if slices.Contains([]string{"metrics", "results", "log", "history", "trainer_state", "wandb-summary", "dvc", "params", "stdout", "output"}, strings.ToLower(stem)) {
		if dir := path.Dir(name); dir != "." && dir != "/" {
			return path.Base(dir)
		}
	}
	return stem
}
