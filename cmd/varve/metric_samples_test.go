//go:build unix

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// metricSamples is the folder of the public collection, and skips the test where it is not.
func metricSamples(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"../../../shared/samples/metrics", "../../../../shared/samples/metrics"} {
		if at, err := filepath.Abs(root); err == nil && exists(at) {
			return at
		}
	}
	t.Skip("SKIP: no samples of metrics in ../shared/samples")
	return ""
}

// reading is a point as metric ls tells it, and as this test reads it from the file.
type reading struct {
	metric, run, step string
	value             string // as %v prints it
}

func sortedReadings(list []reading) []reading {
	slices.SortFunc(list, func(a, b reading) int {
		return cmp.Or(strings.Compare(a.metric, b.metric), strings.Compare(a.run, b.run), strings.Compare(a.step, b.step), strings.Compare(a.value, b.value))
	})
	return list
}

// listed are the points that metric ls tells.
func (b *bed) listed(t *testing.T) []reading {
	t.Helper()
	var out []reading
	for _, o := range b.objects(t, 0, "metric", "ls", "--by", "point", "--json") {
		v, err := strconv.ParseFloat(o["text"].(string), 64)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := o["value"].(float64); ok != !math.IsNaN(v) || ok && n != v {
			t.Errorf("value %v, text %v", o["value"], o["text"])
		}
		r := reading{metric: o["metric"].(string), value: fmt.Sprint(v)}
		r.run, _ = o["name"].(string)
		if s, ok := o["step"].(float64); ok {
			r.step = fmt.Sprint(int64(s))
		}
		out = append(out, r)
	}
	return sortedReadings(out)
}

func sampleBed(t *testing.T) *bed {
	t.Helper()
	b := newBed(t, "varve")
	b.write(t, "a.py", "1")
	b.ok(t, 0, "snap", "-q")
	return b
}

func sameReadings(t *testing.T, got, want []reading) {
	t.Helper()
	sortedReadings(want)
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Errorf("point %d is %+v, want %+v", i, got[i], want[i])
				break
			}
		}
		t.Errorf("%d points, want %d", len(got), len(want))
	}
}

// TestSampleMLflowListed: what metric ls tells of an MLflow store is what its files say, line by line.
func TestSampleMLflowListed(t *testing.T) {
	root := filepath.Join(metricSamples(t), "generated")
	var truth struct {
		MLruns struct {
			Points map[string]int `json:"metric points"`
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "TRUTH.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &truth); err != nil {
		t.Fatal(err)
	}
	b := sampleBed(t)
	b.ok(t, exitPartial, "metric", "import", "--runs", filepath.Join(root, "mlruns")) // one value is NaN, which is told
	var want []reading
	names, _ := filepath.Glob(filepath.Join(root, "mlruns/*/*/tags/mlflow.runName"))
	counts := map[string]int{}
	for _, at := range names {
		name, _ := os.ReadFile(at)
		metrics := filepath.Join(filepath.Dir(filepath.Dir(at)), "metrics")
		err := filepath.WalkDir(metrics, func(at string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(at)
			metric, _ := filepath.Rel(metrics, at)
			for line := range strings.Lines(string(text)) {
				f := strings.Fields(line)
				v, perr := strconv.ParseFloat(f[1], 64)
				if perr != nil {
					return perr
				}
				want = append(want, reading{filepath.ToSlash(metric), string(name), f[2], fmt.Sprint(v)})
				counts[string(name)]++
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(counts) != fmt.Sprint(truth.MLruns.Points) || len(counts) == 0 {
		t.Fatalf("this test reads %v, TRUTH.json says %v", counts, truth.MLruns.Points)
	}
	for range 2 { // the same again adds nothing
		sameReadings(t, b.listed(t), want)
		b.ok(t, exitPartial, "metric", "import", "--runs", filepath.Join(root, "mlruns"))
	}
	if n := len(b.objects(t, 0, "run", "ls", "--json")); n != len(counts) {
		t.Errorf("%d runs, want %d", n, len(counts))
	}
}

// TestSampleTrainerListed: a Hugging Face trainer's history.
func TestSampleTrainerListed(t *testing.T) {
	at := filepath.Join(metricSamples(t), "hf-trainer", "trainer_state.json")
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	var state struct {
		History []map[string]float64 `json:"log_history"`
	}
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	var want []reading
	for _, entry := range state.History {
		for k, v := range entry {
			if k != "step" && k != "epoch" {
				want = append(want, reading{metric: k, step: fmt.Sprint(int64(entry["step"])), value: fmt.Sprint(v)})
			}
		}
	}
	b := sampleBed(t)
	b.ok(t, 0, "metric", "import", at)
	sameReadings(t, b.listed(t), want)
}

// TestSampleDVCLiveListed: the plot and the last value of DVCLive are one measurement.
func TestSampleDVCLiveListed(t *testing.T) {
	root := filepath.Join(metricSamples(t), "dvclive", "dvclive")
	f, err := os.Open(filepath.Join(root, "plots/metrics/accuracy.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var want []reading
	for s := bufio.NewScanner(f); s.Scan(); {
		cells := strings.Split(s.Text(), "\t")
		if v, err := strconv.ParseFloat(cells[1], 64); err == nil {
			want = append(want, reading{metric: "accuracy", step: cells[0], value: fmt.Sprint(v)})
		}
	}
	b := sampleBed(t)
	b.ok(t, 0, "metric", "import", root)
	sameReadings(t, b.listed(t), want)
}

// TestSampleTensorBoardListed: TRUTH.json says 20 steps of two tags, and of the file that is cut off 19.
func TestSampleTensorBoardListed(t *testing.T) {
	root := filepath.Join(metricSamples(t), "generated", "tensorboard")
	for pattern, steps := range map[string]int{"events.out.tfevents.*": 20, "cut.out.tfevents.*": 19} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		b := sampleBed(t)
		code := 0
		if steps == 19 {
			code = exitPartial
		}
		b.ok(t, code, "metric", "import", files[0])
		got := b.listed(t)
		for _, tag := range []string{"train/loss", "val/accuracy"} {
			for step := 1; step <= steps; step++ {
				i := slices.IndexFunc(got, func(r reading) bool { return r.metric == tag && r.step == fmt.Sprint(step) })
				if i < 0 {
					t.Errorf("%s: %s has no step %d", pattern, tag, step)
					continue
				}
				if v, _ := strconv.ParseFloat(got[i].value, 64); tag == "train/loss" && step == 20 && math.Abs(v-0.243153) > 1e-6 {
					t.Errorf("train/loss at step 20 is %v", v)
				}
			}
		}
		if len(got) != 2*steps {
			t.Errorf("%s: %d points, want %d", pattern, len(got), 2*steps)
		}
	}
}

// TestSamplePythia: of the checkpoints of two real models the first one is found at which LAMBADA has got worse for good,
// by what was measured alone.
func TestSamplePythia(t *testing.T) {
	root := filepath.Join(metricSamples(t), "pythia")
	for model, limit := range map[string]float64{"pythia-160m": 0.36, "pythia-70m": 0.21} {
		files, err := filepath.Glob(filepath.Join(root, model, "zero-shot", "*.json"))
		if err != nil || len(files) < 5 {
			t.Fatal(files, err)
		}
		step := func(at string) int {
			n, _ := strconv.Atoi(regexp.MustCompile(`step(\d+)`).FindStringSubmatch(filepath.Base(at))[1])
			return n
		}
		slices.SortFunc(files, func(a, b string) int { return step(a) - step(b) })
		b := newBed(t, "varve")
		want, peak := "", false
		for i, at := range files {
			b.write(t, "checkpoint.txt", fmt.Sprint(step(at)))
			b.ok(t, 0, "snap", "-q")
			b.ok(t, 0, "metric", "import", "-q", at)
			text, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			var eval struct {
				Results map[string]map[string]float64
			}
			if err := json.Unmarshal(text, &eval); err != nil {
				t.Fatal(err)
			}
			switch acc := eval.Results["lambada_openai"]["acc"]; {
			case acc >= limit && want != "":
				t.Fatalf("%s comes back to %v at step %d: another limit tells more", model, acc, step(at))
			case acc >= limit:
				peak = true
			case peak && want == "":
				want = fmt.Sprintf("v%d", i+1)
			}
		}
		found := b.objects(t, 0, "bisect", "metric", fmt.Sprintf("lambada_openai.acc<%v", limit), "--json")[0]
		if found["found"] != want || found["runs"] != 0. || want == "" {
			t.Errorf("%s: found %v, want %s; %v runs", model, found["found"], want, found["runs"])
		}
		if values := b.objects(t, 0, "metric", "ls", "--metric", "lambada_openai.acc", "--json"); len(values) != len(files) {
			t.Errorf("%s: %d versions were measured, want %d", model, len(values), len(files))
		}
	}
}
