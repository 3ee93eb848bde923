package mlflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/experiment/metricfile"
)

// kept is a sink that keeps changes as texts, and refuses when it is told to.
type kept struct {
	all    []string
	refuse error
}

func (k *kept) Log(_ context.Context, c Change) error {
	if k.refuse != nil {
		return k.refuse
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s/%s %s", c.Run.ID, c.Run.Experiment, c.Run.Name, c.Run.Status)
	if c.New {
		b.WriteString(" new")
	}
	if c.Run.Deleted {
		b.WriteString(" deleted")
	}
	for _, p := range c.Points {
		fmt.Fprintf(&b, " %s=%v@%d:%d%v", p.Metric, p.Value, p.Step, p.Time.UnixMilli(), p.Keys)
	}
	for _, m := range []map[string]string{c.Params, c.Tags} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(&b, " %s:%s", name, m[name])
		}
	}
	fmt.Fprintf(&b, " %v", c.Gone)
	k.all = append(k.all, b.String())
	return nil
}

func start(t testing.TB, o Options) (*httptest.Server, *kept) {
	t.Helper()
	k := &kept{}
	n := 0
	o.Sink, o.Now = k, func() time.Time { return time.UnixMilli(1783757000000).UTC() }
	o.NewID = func() string { n++; return fmt.Sprintf("%032x", n) }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return web, k
}

// ask makes a call, and gives its status and answer.
func ask(t testing.TB, web *httptest.Server, method, call, body string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequest(method, web.URL+"/api/2.0/mlflow/"+call, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	resp, err := web.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

const run2 = `"run_id":"00000000000000000000000000000002","run_uuid":"00000000000000000000000000000002"`

// TestSession: what a training script sends, from the look-up of its experiment to the end of its run.
func TestSession(t *testing.T) {
	web, k := start(t, Options{Artifacts: "file:///data/"})
	for _, c := range []struct {
		method, call, body string
		status             int
		want               string // in the answer
	}{
		{"GET", "experiments/get-by-name?experiment_name=harbour", "", 404, `"error_code":"RESOURCE_DOES_NOT_EXIST"`},
		{"POST", "experiments/create", `{"name":"harbour","tags":[]}`, 200, `{"experiment_id":"00000000000000000000000000000001"}`},
		{"POST", "experiments/create", `{"name":"harbour"}`, 400, `"error_code":"RESOURCE_ALREADY_EXISTS"`},
		{"GET", "experiments/get-by-name?experiment_name=harbour", "", 200, `"artifact_location":"file:///data/00000000000000000000000000000001"`},
		{"GET", "experiments/get?experiment_id=0", "", 200, `"name":"Default"`},
		{"POST", "runs/create", `{"experiment_id":"00000000000000000000000000000001","user_id":"ml","run_name":"one","start_time":"1783757000001","tags":[{"key":"mlflow.user","value":"ml"}]}`, 200, `"run_id":"00000000000000000000000000000002"`},
		{"POST", "runs/log-parameter", `{` + run2 + `,"key":"lr","value":"0.001"}`, 200, `{}`},
		{"POST", "runs/log-parameter", `{` + run2 + `,"key":"lr","value":"0.001"}`, 200, `{}`},
		{"POST", "runs/log-parameter", `{` + run2 + `,"key":"lr","value":"0.002"}`, 400, `Changing param values is not allowed`},
		{"POST", "runs/log-metric", `{` + run2 + `,"key":"loss","value":0.1,"timestamp":"1783757001000","step":"3"}`, 200, `{}`},
		{"POST", "runs/log-batch", `{` + run2 + `,"metrics":[{"key":"loss","value":"NaN","timestamp":1783757002000,"step":4,"dataset_name":"val"},{"key":"a/b","value":"-Infinity","timestamp":"1","step":"0"}],"params":[{"key":"bs","value":"8"}],"tags":[{"key":"t","value":"x"}]}`, 200, `{}`},
		{"POST", "runs/set-tag", `{` + run2 + `,"key":"note","value":"12"}`, 200, `{}`},
		{"POST", "runs/delete-tag", `{` + run2 + `,"key":"note"}`, 200, `{}`},
		{"POST", "runs/log-inputs", `{` + run2 + `,"datasets":[{"tags":[],"dataset":{"name":"iris","digest":"ab12"}}]}`, 200, `{}`},
		{"POST", "runs/update", `{` + run2 + `,"status":"FINISHED","end_time":"1783757003000"}`, 200, `"status":"FINISHED"`},
		{"GET", "runs/get?run_id=00000000000000000000000000000002", "", 200, `"params":[{"key":"bs","value":"8"},{"key":"lr","value":"0.001"}]`},
		{"GET", "runs/get?run_uuid=00000000000000000000000000000002", "", 200, `{"dataset_name":"val","key":"loss","step":4,"timestamp":1783757002000,"value":"NaN"}`},
		{"POST", "runs/search", `{"experiment_ids":["00000000000000000000000000000001"],"max_results":5}`, 200, `"run_name":"one"`},
		{"POST", "runs/delete", `{` + run2 + `}`, 200, `{}`},
		{"POST", "runs/log-metric", `{` + run2 + `,"key":"loss","value":1}`, 400, `must be in the 'active' state`},
		{"POST", "runs/search", `{"experiment_ids":["00000000000000000000000000000001"]}`, 200, `{"runs":[]}`},
		{"POST", "runs/restore", `{` + run2 + `}`, 200, `{}`},
	} {
		status, answer := ask(t, web, c.method, c.call, c.body)
		b, _ := json.Marshal(answer)
		text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(b))
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.call, status, text, c.status, c.want)
		}
	}
	const id = "00000000000000000000000000000002 harbour/one "
	want := []string{
		id + "RUNNING new mlflow.runName:one mlflow.user:ml []", id + "RUNNING lr:0.001 []", id + "RUNNING lr:0.001 []",
		id + "RUNNING loss=0.1@3:1783757001000map[] []",
		id + "RUNNING loss=NaN@4:1783757002000map[dataset:val] a/b=-Inf@0:1map[] bs:8 t:x []",
		id + "RUNNING note:12 []", id + "RUNNING [note]", id + "RUNNING dataset.iris:ab12 []", id + "FINISHED []", id + "FINISHED deleted []", id + "FINISHED []",
	}
	if !slices.Equal(k.all, want) {
		t.Errorf("kept\n%s\nwant\n%s", strings.Join(k.all, "\n"), strings.Join(want, "\n"))
	}
}

// TestKeptFirst: what the sink does not keep is no success, and is not answered later either.
func TestKeptFirst(t *testing.T) {
	web, k := start(t, Options{})
	ask(t, web, "POST", "runs/create", `{"run_name":"x"}`)
	k.refuse = errors.New("the disk is full")
	const id = `"run_id":"00000000000000000000000000000001"`
	for call, body := range map[string]string{"runs/log-batch": `{` + id + `,"metrics":[{"key":"a","value":1}],"params":[{"key":"p","value":"1"}]}`, "runs/set-tag": `{` + id + `,"key":"t","value":"1"}`, "runs/update": `{` + id + `,"status":"FINISHED"}`, "runs/create": `{"run_name":"y"}`} {
		if status, answer := ask(t, web, "POST", call, body); status != 500 || answer["message"] != "the disk is full" {
			t.Errorf("%s: %d %v", call, status, answer)
		}
	}
	_, answer := ask(t, web, "GET", "runs/get?run_id=00000000000000000000000000000001", "")
	b, _ := json.Marshal(answer)
	if s := string(b); !strings.Contains(s, `"metrics":[],"params":[]`) || !strings.Contains(s, `"RUNNING"`) || strings.Contains(s, `"t"`) {
		t.Errorf("taken all the same: %s", s)
	}
	_, answer = ask(t, web, "POST", "runs/search", `{"experiment_ids":["0"]}`)
	if runs := answer["runs"].([]any); len(runs) != 1 {
		t.Errorf("%d runs", len(runs))
	}
}

// TestRefused: limits, types, tokens and origins.
func TestRefused(t *testing.T) {
	web, k := start(t, Options{})
	ask(t, web, "POST", "runs/create", `{}`)
	const id = `"run_id":"00000000000000000000000000000001"`
	many := func(what, item string, n int) string {
		return `{` + id + `,"` + what + `":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`
	}
	before := len(k.all)
	for _, c := range []struct {
		call, body string
		status     int
		want       string
	}{
		{"runs/log-batch", many("metrics", `{"key":"a","value":1}`, 1001), 400, "at most 1000, 100 and 100"},
		{"runs/log-batch", many("params", `{"key":"a","value":"1"}`, 101), 400, "at most 1000, 100 and 100"},
		{"runs/log-batch", many("params", `{"key":"a","value":"`+strings.Repeat("x", 7999)+`"}`, 140), 413, "at most 1 MB"},
		{"runs/log-batch", `{` + id + `,"params":[{"key":"a","value":"1"},{"key":"a","value":"2"}]}`, 400, "Changing param values"},
		{"runs/log-batch", `{` + id + `,"metrics":[{"key":"a","value":1},{"key":"b"}]}`, 400, "metric b has no value"},
		{"runs/log-metric", `{` + id + `,"key":"","value":1}`, 400, "from 1 to 250"},
		{"runs/log-metric", `{` + id + `,"key":"a","value":"0x10"}`, 400, "is no number"},
		{"runs/log-metric", `{` + id + `,"key":"a","value":1,"step":"1.5"}`, 400, "is no whole number"},
		{"runs/log-metric", `{` + id + `,"key":"a","value":1}{}`, 400, "follows the end"},
		{"runs/log-metric", `{"run_id":"nope","key":"a","value":1}`, 404, "not found"},
		{"runs/set-tag", `{` + id + `,"key":"a","value":"` + strings.Repeat("x", 9000) + `"}`, 400, "8000 is the most"},
		{"runs/update", `{` + id + `,"status":"DONE"}`, 400, "is not known"},
		{"runs/search", `{"experiment_ids":["0"],"filter":"metrics.a > 1"}`, 400, "filters are not known"},
		{"runs/create", `{"experiment_id":"77"}`, 404, "No Experiment"},
		{"registered-models/create", `{}`, 404, "is not answered here"},
	} {
		status, answer := ask(t, web, "POST", c.call, c.body)
		if msg, _ := answer["message"].(string); status != c.status || !strings.Contains(msg, c.want) || answer["error_code"] == "" {
			t.Errorf("%s %.80s: %d %v, want %d %s", c.call, c.body, status, answer, c.status, c.want)
		}
	}
	if len(k.all) != before {
		t.Errorf("kept: %v", k.all[before:])
	}
	resp, err := web.Client().Post(web.URL+"/api/2.0/mlflow/runs/create", "text/plain", strings.NewReader("{}")) // as a page may send
	if err != nil || resp.StatusCode != 415 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v %v", resp, err)
	}
	locked, _ := start(t, Options{Token: "secret"})
	if status, _ := ask(t, locked, "POST", "runs/create", `{}`); status != 401 {
		t.Errorf("without a token: %d", status)
	}
	r, _ := http.NewRequest("GET", locked.URL+"/api/2.0/mlflow/experiments/get?experiment_id=0", nil)
	r.Header.Set("Authorization", "Bearer secret")
	if resp, err := locked.Client().Do(r); err != nil || resp.StatusCode != 200 {
		t.Errorf("with the token: %v %v", resp, err)
	}
}

// TestRestore: a program goes on with its run after the server was started again.
func TestRestore(t *testing.T) {
	k := &kept{}
	s, err := New(Options{Sink: k, Now: func() time.Time { return time.UnixMilli(1783757000000) }, NewID: func() string { return "new" }})
	if err != nil {
		t.Fatal(err)
	}
	r := Run{ID: "r1", Name: "one", ExperimentID: "e1", Experiment: "harbour", Status: "RUNNING"}
	if err := s.Restore(r, map[string]string{"lr": "1"}, nil, []metricfile.Point{{Metric: "loss", Value: 0.5, Step: 3}}); err != nil {
		t.Fatal(err)
	}
	if s.Restore(r, nil, nil, nil) == nil || s.Restore(Run{ID: "r2"}, nil, nil, nil) == nil {
		t.Error("a run comes twice, or without its experiment")
	}
	web := httptest.NewServer(s)
	defer web.Close()
	if status, _ := ask(t, web, "POST", "runs/log-parameter", `{"run_id":"r1","key":"lr","value":"2"}`); status != 400 {
		t.Errorf("the parameter is changed: %d", status)
	}
	if status, _ := ask(t, web, "POST", "runs/log-metric", `{"run_id":"r1","key":"loss","value":0.25,"step":4,"timestamp":5}`); status != 200 || k.all[0] != "r1 harbour/one RUNNING loss=0.25@4:5map[] []" {
		t.Errorf("%d %q", status, k.all)
	}
	if _, answer := ask(t, web, "GET", "experiments/get-by-name?experiment_name=harbour", ""); fmt.Sprint(answer["experiment"].(map[string]any)["experiment_id"]) != "e1" {
		t.Errorf("%v", answer)
	}
}

// TestByPython: numbers as Python writes them arrive to the last bit.
func TestByPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to send with")
	}
	web, k := start(t, Options{})
	const script = `
import json, sys, math, urllib.request
def post(call, **body):
    r = urllib.request.Request(sys.argv[1] + "/api/2.0/mlflow/" + call, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(r))
run = post("runs/create", experiment_id="0", run_name="py")["run"]["info"]["run_id"]
for i, v in enumerate([0.1, 1/3, 5e-324, math.pi * 1e300, 2**53 + 2]):
    post("runs/log-metric", run_id=run, key="x", value=v, timestamp=1783757000000 + i, step=i)
post("runs/update", run_id=run, status="FINISHED")`
	if out, err := exec.Command(python, "-c", script, web.URL).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	third, three := 1.0, 3.0
	for i, v := range []float64{0.1, third / three, 5e-324, math.Pi * 1e300, 1<<53 + 2} {
		if want := fmt.Sprintf("x=%v@%d:", v, i); !strings.Contains(k.all[i+1], want) {
			t.Errorf("%s, want %s", k.all[i+1], want)
		}
	}
}

// FuzzServer: no body breaks the server.
func FuzzServer(f *testing.F) {
	f.Add("runs/log-batch", `{"run_id":"00000000000000000000000000000001","metrics":[{"key":"a","value":"NaN","step":"3"}]}`)
	f.Add("runs/create", `{"tags":[{"key":"mlflow.runName","value":"x"}]}`)
	f.Fuzz(func(t *testing.T, call, body string) {
		s, err := New(Options{Sink: &kept{}, Now: func() time.Time { return time.Unix(1, 0) }, NewID: func() string { return "00000000000000000000000000000001" }})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range [][2]string{{"runs/create", "{}"}, {call, body}, {call, body}} {
			r := httptest.NewRequest("POST", "/api/2.0/mlflow/", strings.NewReader(c[1]))
			r.URL.Path += c[0]
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: %s", c[0], w.Body)
			}
		}
	})
}
