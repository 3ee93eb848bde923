package metricfile

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// samples is the folder of the public collection, and skips the test where it is not.
func samples(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"../../../shared/samples/metrics", "../../../../shared/samples/metrics"} {
		if _, err := os.Stat(root); err == nil {
			return root
		}
	}
	t.Skip("no samples of metrics in ../shared/samples")
	return ""
}

func readOne(t *testing.T, root, name string, o Options) Run {
	t.Helper()
	runs, err := Read(context.Background(), os.DirFS(root), name, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 1 {
		t.Fatalf("%s: %d runs, want 1", name, len(runs))
	}
	return runs[0]
}

// TestSampleMLflow: the file store of the collection, against its TRUTH.json and a reading with nothing but split.
func TestSampleMLflow(t *testing.T) {
	root := filepath.Join(samples(t), "generated")
	runs, err := Read(context.Background(), os.DirFS(root), "mlruns", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var truth struct {
		MLruns struct {
			Experiment string
			Points     map[string]int `json:"metric points"`
		}
	}
	b, _ := os.ReadFile(filepath.Join(root, "TRUTH.json"))
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 {
		t.Fatalf("%d runs, want 2", len(runs))
	}
	for _, run := range runs {
		if run.Tags["experiment"] != truth.MLruns.Experiment || run.Status != "finished" || run.Deleted {
			t.Errorf("%s: %q %q", run.Name, run.Tags["experiment"], run.Status)
		}
		if want := truth.MLruns.Points[run.Name]; len(run.Points) != want {
			t.Errorf("%s: %d points, want %d", run.Name, len(run.Points), want)
		}
		for _, metric := range []string{"loss", "val/accuracy"} {
			b, err := os.ReadFile(filepath.Join(root, run.Source, "metrics", metric))
			if err != nil {
				t.Fatal(err)
			}
			var got []Point
			for _, p := range run.Points {
				if p.Metric == metric {
					got = append(got, p)
				}
			}
			for i, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
				f := strings.Split(l, " ")
				v, _ := strconv.ParseFloat(f[1], 64)
				ms, _ := strconv.ParseInt(f[0], 10, 64)
				step, _ := strconv.ParseInt(f[2], 10, 64)
				if p := got[i]; !same(p.Value, v) || p.Step != step || !p.HasStep || !p.Time.Equal(time.UnixMilli(ms)) {
					t.Errorf("%s %s: %+v, want %s", run.Name, metric, p, l)
				}
			}
		}
	}
	if w := runs[1].Warnings; len(w) != 1 || !strings.Contains(w[0].String(), "metrics/loss:13: loss: 1 of 13 values are not finite") {
		t.Errorf("the NaN is not told: %v", w)
	}
	if runs[0].Params["lr"] != "0.001" || runs[0].Tags["mlflow.runName"] != "run-1" || !runs[0].Started.Equal(time.UnixMilli(1783756900000)) {
		t.Errorf("run 1: %v %v %v", runs[0].Params, runs[0].Tags, runs[0].Started)
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// TestSamplePythia: all results of two models, against Go's own JSON reader.
func TestSamplePythia(t *testing.T) {
	root := filepath.Join(samples(t), "pythia")
	files := 0
	acc := map[string]map[int64]float64{}
	for run, err := range Find(context.Background(), os.DirFS(root), []string{"**/*.json"}, Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		files++
		b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(run.Source)))
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Results map[string]map[string]float64
			Config  map[string]any
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, metrics := range doc.Results {
			for name := range metrics {
				if !strings.HasSuffix(name, "_stderr") {
					want++
				}
			}
		}
		if run.Format != LMEval || len(run.Points) != want || len(doc.Results) != 87 {
			t.Fatalf("%s: %s with %d points of %d tasks, want %d", run.Source, run.Format, len(run.Points), len(doc.Results), want)
		}
		_, after, _ := strings.Cut(strings.TrimSuffix(filepath.Base(run.Source), ".json"), "step")
		for _, p := range run.Points {
			task := p.Keys["task"]
			metric := strings.TrimPrefix(p.Metric, task+".")
			stderr, has := doc.Results[task][metric+"_stderr"]
			if p.Value != doc.Results[task][metric] || p.HasStdErr != has || p.StdErr != stderr {
				t.Fatalf("%s: %+v, want %v ± %v", run.Source, p, doc.Results[task][metric], stderr)
			}
			if strconv.FormatInt(p.Step, 10) != after || !p.HasStep {
				t.Fatalf("%s: step %d", run.Source, p.Step)
			}
			if p.Metric == "lambada_openai.acc" {
				model := strings.Split(run.Name, "_")[0]
				if acc[model] == nil {
					acc[model] = map[int64]float64{}
				}
				acc[model][p.Step] = p.Value
			}
		}
		if run.Params["num_fewshot"] != "0" {
			t.Errorf("%s: %v", run.Source, run.Params)
		}
	}
	if files != 35 {
		t.Errorf("%d files, want 35", files)
	}
	for _, want := range []struct { // as SOURCES.md of the collection has measured
		model string
		step  int64
		acc   float64
	}{{"160m", 63000, 0.399}, {"160m", 133000, 0.313}, {"70m", 63000, 0.233}, {"70m", 143000, 0.185}} {
		if got := acc[want.model][want.step]; math.Abs(got-want.acc) > 0.0005 {
			t.Errorf("lambada_openai.acc of %s at %d: %v, want %v", want.model, want.step, got, want.acc)
		}
	}
}

// TestSampleDVCLive: the folder alone, and through dvc.yaml, which names it.
func TestSampleDVCLive(t *testing.T) {
	root := filepath.Join(samples(t), "dvclive")
	for _, name := range []string{"dvclive", "dvc.yaml"} {
		run := readOne(t, root, name, Options{})
		if len(run.Points) != 1 || run.Points[0].Metric != "accuracy" || run.Points[0].Value != 0.7341954524425793 || !run.Points[0].HasStep || run.Points[0].Step != 0 || len(run.Warnings) > 0 {
			t.Errorf("%s: %+v", name, run)
		}
	}
	n := 0
	for run, err := range Find(context.Background(), os.DirFS(root), []string{"dvclive/**"}, Options{}) {
		if n++; err != nil || run.Format != DVCLive {
			t.Error(run, err)
		}
	}
	if n != 1 {
		t.Errorf("the folder is read %d times", n)
	}
}

// TestSampleTrainer: each entry of log_history, against Go's own JSON reader.
func TestSampleTrainer(t *testing.T) {
	root := filepath.Join(samples(t), "hf-trainer")
	run := readOne(t, root, "trainer_state.json", Options{})
	b, _ := os.ReadFile(filepath.Join(root, "trainer_state.json"))
	var doc struct {
		History []map[string]float64 `json:"log_history"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	type key struct {
		metric string
		step   int64
	}
	got := map[key][]Point{}
	for _, p := range run.Points {
		k := key{p.Metric, p.Step}
		got[k] = append(got[k], p)
	}
	n := 0
	for _, entry := range doc.History {
		for name, v := range entry {
			if name == "step" || name == "epoch" {
				continue
			}
			n++
			ps := got[key{name, int64(entry["step"])}]
			if !slices.ContainsFunc(ps, func(p Point) bool { return p.Value == v && p.Epoch == entry["epoch"] }) {
				t.Fatalf("%s at %v is not %v", name, entry["step"], v)
			}
		}
	}
	if n != len(run.Points) || n < 100 || run.Params["global_step"] != "12030" {
		t.Errorf("%d points, want %d; %v", len(run.Points), n, run.Params)
	}
}

// TestSampleTensorBoard: the values against TRUTH.json, those of tensors too; the file that is cut off ends early.
func TestSampleTensorBoard(t *testing.T) {
	root := filepath.Join(samples(t), "generated")
	run := readOne(t, root, "tensorboard/events.out.tfevents.1783756800.host.1.0", Options{})
	if len(run.Points) != 40 || len(run.Warnings) > 0 {
		t.Fatalf("%d points, %v", len(run.Points), run.Warnings)
	}
	if p, _ := run.Last("train/loss"); p.Step != 20 || math.Abs(p.Value-0.243153) > 5e-7 || p.Value != float64(float32(p.Value)) {
		t.Errorf("train/loss at its end: %+v", p)
	}
	accuracy := 0
	for i, p := range run.Points {
		if p.Step != int64(i/2+1) || p.Time.Unix() != 1783756800+int64(i/2+1) {
			t.Errorf("point %d: %+v", i, p)
		}
		if p.Metric == "val/accuracy" && p.Value > 0.5 && p.Value < 1 {
			accuracy++
		}
	}
	if accuracy != 20 {
		t.Errorf("%d values of val/accuracy", accuracy)
	}
	short := readOne(t, root, "tensorboard/cut.out.tfevents.1783756900.host.2.0", Options{})
	if p, _ := short.Last("train/loss"); p.Step != 19 || len(short.Points) != 38 || len(short.Warnings) != 1 || !strings.Contains(short.Warnings[0].Text, "cut off") {
		t.Errorf("cut file: %d points, %v", len(short.Points), short.Warnings)
	}
}

// TestSampleTables: the CSV of Lightning and the text of go test -bench.
func TestSampleTables(t *testing.T) {
	root := filepath.Join(samples(t), "generated")
	run := readOne(t, root, "lightning/metrics.csv", Options{})
	if len(run.Points) != 12 || run.Name != "lightning" {
		t.Errorf("%+v", run)
	}
	if p, _ := run.Last("val_acc"); p.Value != 0.93333 || p.Step != 299 || p.Epoch != 5 || !p.HasEpoch {
		t.Errorf("val_acc at its end: %+v", p)
	}
	mean := map[string]float64{}
	for _, file := range []string{"old", "new"} {
		run := readOne(t, root, "bench/"+file+".txt", Options{})
		if run.Format != GoBench || len(run.Points) != 20 || run.Tags["goarch"] != "amd64" || run.Status != "finished" {
			t.Fatalf("%+v", run)
		}
		for _, p := range run.Points {
			if p.Metric == "Pack.ns/op" {
				if p.HasStep || p.Keys["pkg"] != "example.test/pack" || p.Keys["procs"] != "2" {
					t.Errorf("%+v", p)
				}
				mean[file] += p.Value / 10
			}
		}
	}
	if math.Abs(mean["old"]-1.20e6) > 1e4 || math.Abs(mean["new"]-1.08e6) > 1e4 {
		t.Errorf("means %v", mean)
	}
}

// TestSamplesByPython: every JSON file of the collection, against Python's own reading, by sums of all numbers.
func TestSamplesByPython(t *testing.T) {
	root := samples(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to compare with")
	}
	const script = `
import json, sys, math
n, s = 0, []
for f in sys.argv[1:]:
    for task, ms in json.load(open(f))["results"].items():
        for k, v in ms.items():
            if not k.endswith("_stderr"): s.append(v)
print(len(s), repr(math.fsum(s)))`
	files, _ := filepath.Glob(filepath.Join(root, "pythia", "*", "zero-shot", "*.json"))
	out, err := exec.Command(python, append([]string{"-c", script}, files...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(out))
	var all []float64
	for run, err := range Find(context.Background(), os.DirFS(root), []string{"pythia/**/*.json"}, Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range run.Points {
			all = append(all, p.Value)
		}
	}
	want, _ := strconv.ParseFloat(f[1], 64)
	slices.Sort(all)
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	if strconv.Itoa(len(all)) != f[0] || math.Abs(sum-want) > 1e-9*want {
		t.Errorf("%d values with the sum %v, Python has %s", len(all), sum, out)
	}
}
