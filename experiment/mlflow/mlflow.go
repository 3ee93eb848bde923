// Package mlflow is the part of MLflow's tracking server that training programs write to: an unmodified script with
// MLFLOW_TRACKING_URI set logs its runs here, and a Sink keeps them.
//
// It answers, below /api/2.0/mlflow/ (and /ajax-api/2.0/mlflow/): experiments/create, get, get-by-name, search;
// runs/create, update, get, search, log-metric, log-batch, log-parameter, set-tag, delete-tag, log-inputs, delete,
// restore; and /health, /version. Other calls are answered with ENDPOINT_NOT_FOUND, by name. Requests and answers are
// those of MLflow's REST documentation: JSON as Protocol Buffers write it, so that whole numbers may come as strings and
// NaN as "NaN".
//
// What it promises. An answer of success comes after the Sink has kept what was sent: what the Sink refuses, the program
// is told. Requests are bounded as MLflow bounds them: 1 MB; 1000 metrics, 100 parameters and 100 tags in a batch. A
// parameter that has a value does not get another. A page in a browser cannot write: a body must be declared as JSON,
// and no answer permits another origin.
//
// What it does not do: histories of metrics are in the Sink and not given back; artifacts are written by the program
// itself, to the folder that Options.Artifacts names; searches know experiments and the state of runs, and no filters.
package mlflow

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"varve/experiment/metricfile"
)

// A Sink keeps what programs log. It is called for one change at a time, in their order.
type Sink interface {
	Log(ctx context.Context, c Change) error
}

// A Change is what one request says of a run.
type Change struct {
	Run    Run // as it is with the change
	New    bool
	Points []metricfile.Point
	Params map[string]string // set by this change
	Tags   map[string]string // set by this change
	Gone   []string          // tags that were deleted
}

// A Run is the state of a run.
type Run struct {
	ID, Name, User           string
	ExperimentID, Experiment string
	Status                   string // RUNNING, SCHEDULED, FINISHED, FAILED, KILLED
	Started, Ended           time.Time
	Deleted                  bool
}

// Options are what a Server needs of the world.
type Options struct {
	Sink      Sink
	Now       func() time.Time
	NewID     func() string // 32 hexadecimal digits, by chance
	Token     string        // what MLFLOW_TRACKING_TOKEN must be; "": anyone who reaches the server
	Artifacts string        // a URI (file:///…) below which each run gets a folder
}

// Limits of MLflow's documentation, and ours for what is kept here.
const (
	maxBody        = 1 << 20
	maxMetrics     = 1000
	maxParams      = 100
	maxTags        = 100
	maxKey         = 250
	maxValue       = 8000
	maxRuns        = 100_000
	maxExperiments = 10_000
	maxFields      = 10_000 // parameters, tags or metrics of one run
)

// A Server answers the requests of MLflow's clients.
type Server struct {
	o     Options
	mu    sync.Mutex
	runs  map[string]*run
	order []*run
	exps  []*experiment
}

// A run is a run with what is answered of it.
type run struct {
	Run
	params, tags map[string]string
	last         map[string]metric
}

type experiment struct {
	id, name string
	made     time.Time
	tags     map[string]string
}

// New makes a server. It has the experiment Default with the id 0, as programs that name none expect.
func New(o Options) (*Server, error) {
	if o.Sink == nil || o.Now == nil || o.NewID == nil {
		return nil, errors.New("mlflow: a sink, a clock and a source of ids are needed")
	}
	s := &Server{o: o, runs: map[string]*run{}}
	s.exps = []*experiment{{id: "0", name: "Default", made: o.Now(), tags: map[string]string{}}}
	return s, nil
}

// A refusal is an error that the client is told, with MLflow's code.
type refusal struct {
	status int
	code   string
	why    string
}

func (r *refusal) Error() string { return r.why }

func invalid(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, "INVALID_PARAMETER_VALUE", fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) error {
	return &refusal{http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", fmt.Sprintf(format, args...)}
}

func full(format string, args ...any) error {
	return &refusal{http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", fmt.Sprintf(format, args...)}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/health":
		fmt.Fprint(w, "OK")
		return
	case "/version":
		fmt.Fprint(w, "2.22.0") // the version whose calls these are
		return
	}
	answer, err := s.answer(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusOK, answer)
}

// answer finds the call and makes it.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (any, error) {
	if s.o.Token != "" {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(s.o.Token)) != 1 {
			return nil, &refusal{http.StatusUnauthorized, "UNAUTHENTICATED", "set MLFLOW_TRACKING_TOKEN to the token of this server"}
		}
	}
	call, ok := strings.CutPrefix(r.URL.Path, "/api/2.0/mlflow/")
	if !ok {
		call, ok = strings.CutPrefix(r.URL.Path, "/ajax-api/2.0/mlflow/")
	}
	do := s.call(r.Method, call)
	if !ok || do == nil {
		return nil, &refusal{http.StatusNotFound, "ENDPOINT_NOT_FOUND", fmt.Sprintf("%s %s is not answered here: this server takes what training programs log", r.Method, r.URL.Path)}
	}
	q, err := read(w, r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return do(r.Context(), q)
}

// call is what does a call, nil where there is none.
func (s *Server) call(method, name string) func(context.Context, *request) (any, error) {
	switch method + " " + name {
	case "POST experiments/create":
		return s.createExperiment
	case "GET experiments/get":
		return s.getExperiment
	case "GET experiments/get-by-name":
		return s.getExperiment
	case "POST experiments/search", "GET experiments/search":
		return s.searchExperiments
	case "POST runs/create":
		return s.createRun
	case "POST runs/update":
		return s.updateRun
	case "GET runs/get":
		return s.getRun
	case "POST runs/search":
		return s.searchRuns
	case "POST runs/log-metric":
		return s.logMetric
	case "POST runs/log-batch":
		return s.logBatch
	case "POST runs/log-parameter":
		return s.logParam
	case "POST runs/set-tag":
		return s.setTag
	case "POST runs/delete-tag":
		return s.deleteTag
	case "POST runs/log-inputs":
		return s.logInputs
	case "POST runs/delete":
		return func(ctx context.Context, q *request) (any, error) { return s.remove(ctx, q, true) }
	case "POST runs/restore":
		return func(ctx context.Context, q *request) (any, error) { return s.remove(ctx, q, false) }
	}
	return nil
}
