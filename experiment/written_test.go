package experiment

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// mlrun is a run in a file store of MLflow.
func mlrun(id string, at time.Time, value string) map[string]string {
	ms := at.UnixMilli()
	dir := "mlruns/0/" + id + "/"
	return map[string]string{
		"mlruns/0/meta.yaml":      "artifact_location: mlruns/0\nexperiment_id: '0'\nlifecycle_stage: active\nname: Default\n",
		dir + "meta.yaml":         fmt.Sprintf("artifact_uri: mlruns/0/%s/artifacts\nend_time: %d\nexperiment_id: '0'\nlifecycle_stage: active\nrun_id: %s\nrun_uuid: %s\nrun_name: %s\nstart_time: %d\nstatus: 3\n", id, ms+5, id, id, id, ms),
		dir + "metrics/accuracy":  fmt.Sprintf("%d %s 0\n", ms+1, value),
		dir + "params/lr":         "0.1",
		dir + "tags/mlflow.user":  "u",
		dir + "artifacts/note.md": "n",
	}
}

// TestWrittenByThisRun: of what the named files hold, only what is of this run counts, and once: another run of the same
// store, a file that was not written, and older lines of one that is appended to do not.
func TestWrittenByThisRun(t *testing.T) {
	for _, globs := range [][]string{{"mlruns"}, {"mlruns/**"}, {"./mlruns/", "mlruns/**/metrics/*"}} {
		r := newRig(t)
		r.write(map[string]string{"train.py": "x", "old.json": `{"old": 7}`})
		r.write(mlrun("11111111111111111111111111111111", r.clock().Add(-time.Hour), "0.1"))
		r.snap(nil)
		at := r.clock().Add(time.Minute)
		run := r.run(Start{Metrics: append(slices.Clone(globs), "old.json")}, mlrun("22222222222222222222222222222222", at, "0.9"), "", Outcome{})
		if m := run.Metrics["accuracy"].Series; len(m) != 1 || m[0].Value != 0.9 {
			t.Errorf("%q: accuracy %v, notes %q", globs, m, run.Notes)
		}
		if _, ok := run.Metrics["old"]; ok {
			t.Errorf("%q: a file that was not written counts", globs)
		}
	}
	r := newRig(t)
	line := func(at time.Time, v float64) string {
		b, err := json.Marshal(map[string]any{"metric": "loss", "value": v, "time": at.Format(time.RFC3339Nano)})
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + "\n"
	}
	first := line(r.clock().Add(-time.Hour), 9)
	r.snap(map[string]string{"trials.jsonl": first, "metrics.json": `{"f1": 0.1}`})
	run := r.run(Start{Metrics: []string{"*.jsonl", "metrics.json"}}, map[string]string{"trials.jsonl": first + line(r.clock().Add(time.Minute), 2), "metrics.json": `{"f1": 0.75}`}, "", Outcome{})
	if m := run.Metrics["loss"].Series; len(m) != 1 || m[0].Value != 2 {
		t.Errorf("loss %v, notes %q", m, run.Notes)
	}
	if m := run.Metrics["f1"].Series; len(m) != 1 || m[0].Value != 0.75 {
		t.Errorf("f1 %v, notes %q", m, run.Notes)
	}
}
