package metricfile

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// The formats, as Run.Format names them and Options.Format forces them.
const (
	MLflow          = "mlflow"           // a folder: store, experiment or run
	MLflowDB        = "mlflow.db"        // SQLite
	DVCLive         = "dvclive"          // a folder
	DVC             = "dvc"              // dvc.yaml, dvc.lock
	JSON            = "json"             // any document
	YAML            = "yaml"             //
	TOML            = "toml"             //
	CSV             = "csv"              // also TSV; Lightning, Keras, Ultralytics
	JSONL           = "jsonl"            // an object on each line
	Stdout          = "stdout"           // what a program printed
	TrainerState    = "trainer_state"    // Hugging Face transformers
	TensorBoard     = "tensorboard"      // event files; a folder of them
	GoBench         = "gobench"          // go test -bench
	Hyperfine       = "hyperfine"        // --export-json
	PytestBenchmark = "pytest-benchmark" // --benchmark-json
	Criterion       = "criterion"        // estimates.json; a folder of them
	LMEval          = "lm-eval"          // results_*.json
	WandB           = "wandb"            // wandb-summary.json
)

// Formats lists the names that Options.Format may have.
func Formats() []string {
	return []string{MLflow, MLflowDB, DVCLive, DVC, JSON, YAML, TOML, CSV, JSONL, Stdout, TrainerState, TensorBoard, GoBench, Hyperfine, PytestBenchmark, Criterion, LMEval, WandB}
}

// A Point is one value of one metric.
type Point struct {
	Metric    string
	Value     float64 // as the source says: NaN and infinities stay
	Step      int64   // with HasStep
	Epoch     float64 // with HasEpoch
	StdErr    float64 // standard error of Value, with HasStdErr
	HasStep   bool
	HasEpoch  bool
	HasStdErr bool
	Time      time.Time         // zero: not known
	Keys      map[string]string // seed, fold, task, unit, …; points share it: not to be changed
}

// A Run is what one run of a program left.
type Run struct {
	Name    string
	Source  string // the file or folder, as the file system names it
	Format  string
	Params  map[string]string
	Tags    map[string]string
	Points  []Point // in the order of the source
	Started time.Time
	Ended   time.Time
	Status  string // as the program says it, in lower case: finished, failed, killed, running
	Deleted bool   // MLflow's lifecycle stage

	Notes    []string  // what was guessed
	Warnings []Warning // what could not be read, or is not as it should be
	Unsaid   int       // warnings beyond Limits.Warnings
}

// Metrics are the names of the run's metrics, sorted.
func (r *Run) Metrics() []string {
	names := map[string]bool{}
	for i := range r.Points {
		names[r.Points[i].Metric] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Last is the last point of a metric.
func (r *Run) Last(metric string) (Point, bool) {
	for i := len(r.Points) - 1; i >= 0; i-- {
		if r.Points[i].Metric == metric {
			return r.Points[i], true
		}
	}
	return Point{}, false
}

// A Warning is something that a reader of the run must know.
type Warning struct {
	File string
	Line int // from 1; 0: not of a line
	Text string
}

func (w Warning) String() string {
	if w.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", w.File, w.Line, w.Text)
	}
	return w.File + ": " + w.Text
}

// ErrLimit is in the errors of what is larger than Limits allow.
var ErrLimit = errors.New("over the limit")

// An Error says what is wrong in which file, and where.
type Error struct {
	File string
	Line int // from 1; 0: not of a line
	Err  error
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return e.File + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Options say how to read. The zero value guesses, and tells what it guessed.
type Options struct {
	Format   string           // one of Formats; "": by name and content
	Mapping  Mapping          //
	Patterns []*regexp.Regexp // for Stdout: groups metric, value, step, epoch, time, a key of Mapping.Keys; other names are metrics
	Limits   Limits
	Temp     string // where an mlflow.db that has a journal is copied to; "": the system's folder
}

// A Mapping says what the fields and columns of generic files are. Names that are given replace the guess.
type Mapping struct {
	Step, Epoch, Time     string
	Metric, Value, StdErr string            // of rows with one value each
	Run                   string            // rows with different values here are different runs
	Keys                  []string          // seed, fold, example, …
	Only                  []string          // patterns of metric names (* and **, / or . between parts); nil: all
	Rename                map[string]string // metric name of the source → name
}

// Limits bound what is read. Zero means the default.
type Limits struct {
	File     int64 // bytes of a file read as a stream; 4 GiB
	Document int64 // bytes of a file held whole (JSON, YAML, …); 64 MiB
	Line     int   // bytes of a line; 1 MiB
	Points   int   // of all runs of one Read; 8 Mi
	Depth    int   // of nested objects; 64
	Files    int   // looked at in one folder; 1 Mi
	Warnings int   // kept in a run; 100
}

func (l Limits) filled() Limits {
	fill(&l.File, 4<<30)
	fill(&l.Document, 64<<20)
	fill(&l.Line, 1<<20)
	fill(&l.Points, 8<<20)
	fill(&l.Depth, 64)
	fill(&l.Files, 1<<20)
	fill(&l.Warnings, 100)
	return l
}

func fill[N int | int64](to *N, def N) {
	if *to <= 0 {
		*to = def
	}
}

// wants reports whether the mapping keeps a metric.
func (m *Mapping) wants(name string) bool {
	if len(m.Only) == 0 {
		return true
	}
	for _, pattern := range m.Only {
		if pattern == name || doublestar.MatchUnvalidated(pattern, name) {
			return true
		}
	}
	return false
}

// check refuses options that mean nothing.
func (o *Options) check() error {
	if o.Format != "" && !slices.Contains(Formats(), o.Format) {
		return fmt.Errorf("metric format %q is not known: take one of %s", o.Format, strings.Join(Formats(), ", "))
	}
	for _, pattern := range o.Mapping.Only {
		if !doublestar.ValidatePattern(pattern) {
			return fmt.Errorf("metric pattern %q: a bracket or brace is not closed", pattern)
		}
	}
	for _, re := range o.Patterns {
		if len(named(re)) == 0 {
			return fmt.Errorf("pattern %q has no named group: write (?P<loss>…), or (?P<metric>…) and (?P<value>…)", re)
		}
	}
	return nil
}

func named(re *regexp.Regexp) []string {
	return slices.DeleteFunc(slices.Clone(re.SubexpNames()), func(name string) bool { return name == "" })
}
