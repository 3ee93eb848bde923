package metricfile

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/fstest"
)

// fuzz reads bytes as a format: no panic, no more points than allowed, a warning or an error where it is none.
func fuzz(f *testing.F, format, name string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o := Options{Format: format, Limits: Limits{Points: 10000}}
		if format == "" {
			o.Patterns = []*regexp.Regexp{regexp.MustCompile(`(?P<metric>\w+) (?P<value>\S+) (?P<step>\d+)`)}
		}
		runs, _ := Read(context.Background(), fstest.MapFS{name: {Data: b}}, name, o)
		n := 0
		for _, run := range runs {
			n += len(run.Points)
			if len(run.Warnings) > 100+1 {
				t.Errorf("%d warnings", len(run.Warnings))
			}
		}
		if n > 10000 {
			t.Errorf("%d points", n)
		}
	})
}

func FuzzJSON(f *testing.F) {
	fuzz(f, "", "metrics.json", `{"a":{"b":[1,2,{"c":NaN}]},"step":3}`, `{"log_history":[{"loss":1,"step":2}]}`, `{"results":[{"command":"x","mean":1,"times":[1]}]}`,
		`{"benchmarks":[{"name":"x","stats":{"mean":1,"stddev":1,"rounds":3}}],"machine_info":{}}`, `{"results":{"t":{"acc":1,"acc_stderr":2}},"versions":{},"config":{"model_args":"revision=step3"}}`,
		`{"mean":{"point_estimate":1},"median":{},"std_dev":{}}`, "{\"a\":1}\n{\"a\":2}", `"\ud83d\ude00\u12"`)
}
func FuzzJSONL(f *testing.F) {
	fuzz(f, JSONL, "m.jsonl", "{\"metric\":\"a\",\"value\":1,\"seed\":3}\n{\"a\":-Infinity,\"step\":1e3}\n", "\xff\xfe{\x00}\x00\n\x00")
}
func FuzzYAML(f *testing.F) {
	fuzz(f, YAML, "m.yaml", "a: &x [1, .nan]\nb: *x\n---\nc: 0x10\n", "!!python/object:a.B {c: 1_0}")
}
func FuzzTOML(f *testing.F) { fuzz(f, TOML, "m.toml", "a = 1\n[[b]]\nc = inf\nd = 2026-01-02") }
func FuzzCSV(f *testing.F) {
	fuzz(f, CSV, "m.csv", "epoch, loss\n1, 0.5\n2,\nepoch, loss\n\"1\",\"a\"\"b\"\n", "run;metric;value\na;b;0,5\n")
}
func FuzzStdout(f *testing.F) {
	fuzz(f, Stdout, "out.txt", "Epoch 3/10 loss=0.5 acc: 95%\r\x1b[31mlr=1e-5\x1b[0m", "µ=3 a:b=4")
}
func FuzzPatterns(f *testing.F) { fuzz(f, "", "out.log", "loss 0.5 3\n") }
func FuzzTrainer(f *testing.F) {
	fuzz(f, TrainerState, "x", `{"log_history":[{"epoch":1.5,"loss":1}],"best_metric":1}`)
}
func FuzzGoBench(f *testing.F) {
	fuzz(f, GoBench, "x", "pkg: a\nBenchmarkX-8 10 5 ns/op 3 B/op\nPASS\n")
}
func FuzzHyperfine(f *testing.F) {
	fuzz(f, Hyperfine, "x", `{"results":[{"command":"x","times":[1,null],"exit_codes":[1]}]}`)
}
func FuzzPytest(f *testing.F) {
	fuzz(f, PytestBenchmark, "x", `{"benchmarks":[{"name":"x","stats":{"data":[1]}}]}`)
}
func FuzzLMEval(f *testing.F) {
	fuzz(f, LMEval, "x", `{"results":{"t":{"acc,none":1,"acc_stderr,none":"N/A"}}}`)
}
func FuzzCriterion(f *testing.F) {
	fuzz(f, Criterion, "x", `{"mean":{"point_estimate":1,"standard_error":2},"slope":null}`)
}
func FuzzWandB(f *testing.F) { fuzz(f, WandB, "x", `{"_step":1,"a":{"_type":"x"},"_timestamp":1.5e9}`) }
func FuzzDVC(f *testing.F) {
	fuzz(f, DVC, "dvc.yaml", "stages: {a: {params: [x], metrics: [{y.json: {}}]}}\n", "metrics: [dvc.yaml]")
}
func FuzzDVCLock(f *testing.F) {
	fuzz(f, DVC, "dvc.lock", "stages: {a: {cmd: x, deps: [{path: p, md5: q}], params: {p.yaml: {lr: 1}}}}\n")
}
func FuzzEvents(f *testing.F) {
	fuzz(f, TensorBoard, "x", events(func(w *eventWriter) {
		w.scalar(1, "a", 2)
		w.restart(1)
		w.tensor(1, "t", "scalars", putVarint(nil, 1, 1))
	}))
}

// FuzzEvent goes behind the checksums, which random changes do not pass.
func FuzzEvent(f *testing.F) {
	f.Add(putBytes(nil, 5, putBytes(nil, 1, putBytes(putBytes(nil, 1, []byte("t")), 8, putBytes(putVarint(nil, 1, dtHalf), 13, []byte{1})))))
	f.Fuzz(func(t *testing.T, b []byte) {
		text := events(func(w *eventWriter) { w.record(b) })
		Read(context.Background(), fstest.MapFS{"x": {Data: []byte(text)}}, "x", Options{Format: TensorBoard})
	})
}

// FuzzMLflow changes the parts of a run's folder.
func FuzzMLflow(f *testing.F) {
	f.Add([]byte("run_id: x\nstatus: 3\nstart_time: 5\n"), []byte("1783757000000 NaN 3\n1 2\n"))
	f.Fuzz(func(t *testing.T, meta, metric []byte) {
		Read(context.Background(), fstest.MapFS{"r/meta.yaml": {Data: meta}, "r/metrics/a/b": {Data: metric}, "r/params/p": {Data: metric}}, "r", Options{})
	})
}

// FuzzDVCLive changes the parts of a folder of DVCLive.
func FuzzDVCLive(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1},"step":3}`), []byte("timestamp\tstep\tb\n1\t2\t3\n"))
	f.Fuzz(func(t *testing.T, summary, series []byte) {
		Read(context.Background(), fstest.MapFS{"d/metrics.json": {Data: summary}, "d/plots/metrics/a/b.tsv": {Data: series}, "d/params.yaml": {Data: summary}}, "d", Options{})
	})
}

func FuzzMLflowDB(f *testing.F) {
	dir := f.TempDir()
	makeDB(f, filepath.Join(dir, "x.db"), "PRAGMA page_size=512", schema, rows).Close()
	b, err := os.ReadFile(filepath.Join(dir, "x.db"))
	if err != nil {
		f.Fatal(err)
	}
	fuzz(f, MLflowDB, "x.db", string(b))
}
