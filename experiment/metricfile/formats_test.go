package metricfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// files is a file system of texts.
func files(texts map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range texts {
		out[name] = &fstest.MapFile{Data: []byte(text), ModTime: time.Unix(1, 0)}
	}
	return out
}

// say writes a point as one line: metric=value@step/epoch±stderr{keys}.
func say(p Point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s=%s", p.Metric, strconv.FormatFloat(p.Value, 'g', -1, 64))
	if p.HasStep {
		fmt.Fprintf(&b, "@%d", p.Step)
	}
	if p.HasEpoch {
		fmt.Fprintf(&b, "/%g", p.Epoch)
	}
	if p.HasStdErr {
		fmt.Fprintf(&b, "±%g", p.StdErr)
	}
	if !p.Time.IsZero() {
		fmt.Fprintf(&b, " %s", p.Time.Format(time.RFC3339Nano))
	}
	for _, k := range slices.Sorted(maps.Keys(p.Keys)) {
		fmt.Fprintf(&b, " %s:%s", k, p.Keys[k])
	}
	return b.String()
}

func sayAll(runs []Run) string {
	var b strings.Builder
	for i, run := range runs {
		if i > 0 {
			fmt.Fprintf(&b, "-- %s\n", run.Name)
		}
		for _, p := range run.Points {
			fmt.Fprintln(&b, say(p))
		}
	}
	return b.String()
}

// TestFormats: of each format what comes out of a small file: points, then warnings.
func TestFormats(t *testing.T) {
	for _, c := range []struct{ name, file, text, format, points, warnings string }{
		{"the form of VARVE_METRICS", "m.jsonl", `{"metric":"auroc","value":0.91,"step":3,"time":"2026-01-02T03:04:05.5Z","seed":7,"site":"a"}
{"metric":"auroc","value":NaN,"step":4,"stderr":0.01}

{"auroc":0.9,"ood":{"fpr":1e-3},"step":5,"seed":7}
not json
{"loss":9007199254740993}
{"loss":0.`, JSONL,
			"auroc=0.91@3 2026-01-02T03:04:05.5Z seed:7 site:a\nauroc=NaN@4±0.01\nauroc=0.9@5 seed:7\nood.fpr=0.001@5 seed:7\nloss=9.007199254740992e+15\n",
			"m.jsonl:5: left out: \"not json\" where a value is expected\n" +
				"m.jsonl:6: loss: 9007199254740993 is kept as 9007199254740992: a float64 does not hold whole numbers above 2^53 exactly\n" +
				"m.jsonl:7: left out: \"0.\" where a value is expected (the last line has no end: the writer was stopped)\n" +
				"m.jsonl:2: auroc: 1 of 3 values are not finite; here is the first: NaN\n"},
		{"JSON", "eval_results.json", `{"model":"vit","eval":{"acc":0.5,"loss":Infinity,"ok":true,"none":null},"loss":[0.5,0.25],"step":12,"folds":[{"fold":0,"f1":1},{"fold":1,"f1":2}]}`, JSON,
			"eval.acc=0.5@12\neval.loss=+Inf@12\nloss.0=0.5@12\nloss.1=0.25@12\nfolds.f1=1@12 fold:0\nfolds.f1=2@12 fold:1\n",
			"eval_results.json:1: eval.loss: 1 of 1 values are not finite; here is the first: +Inf\n"},
		{"the history of Keras", "history.json", `{"loss":[1.5,0.75],"val_loss":[2,1]}`, JSON, "loss=1.5@0\nloss=0.75@1\nval_loss=2@0\nval_loss=1@1\n", ""},
		{"JSON lines under .json", "metrics.json", "{\"iteration\":19,\"total_loss\":2.5}\n{\"iteration\":39,\"total_loss\":1.25}\n", JSONL, "total_loss=2.5@19\ntotal_loss=1.25@39\n", ""},
		{"YAML", "m.yaml", "acc: 0.5\nlr: 1e-05\nnan: .nan\nn: 1_000\nhex: 0x10\nb: {c: [1, 2]}\nv: '1.5'\n", YAML, "acc=0.5\nlr=1e-05\nnan=NaN\nn=1000\nhex=16\nb.c=1@0\nb.c=2@1\n",
			"m.yaml:3: nan: 1 of 1 values are not finite; here is the first: NaN\n"},
		{"TOML", "m.toml", "acc = 0.5\n[eval]\nloss = inf\nn = 3\n", TOML, "acc=0.5\neval.loss=+Inf\neval.n=3\n", "m.toml: eval.loss: 1 of 1 values are not finite; here is the first: +Inf\n"},
		{"CSV of Ultralytics", "results.csv", "                  epoch,         train/box_loss,   metrics/mAP50(B)\n                      1,                 1.2345,            0.5\n                      2,                 1.1,               nan\n", CSV,
			"train/box_loss=1.2345@1/1\nmetrics/mAP50(B)=0.5@1/1\ntrain/box_loss=1.1@2/2\nmetrics/mAP50(B)=NaN@2/2\n", "results.csv:3: metrics/mAP50(B): 1 of 2 values are not finite; here is the first: NaN\n"},
		{"CSV with an elapsed time", "results.csv", "epoch,time,loss\n1,12.5,3\n", CSV, "time=12.5@1/1\nloss=3@1/1\n", ""},
		{"CSV of two runs, and a row that is cut off", "log.csv", "epoch,loss\n0,1\n1,0.5\nepoch,loss\n0,2\n1", CSV, "loss=1@0/0\nloss=0.5@1/1\n-- log#2\nloss=2@0/0\n",
			"log.csv:6: 1 cells, and the header has 2: row left out (the last line has no end: the writer was stopped)\n"},
		{"CSV of runs by a column, with quotes", "x.csv", "run,seed,acc,note\na,1,0.5,\"x, \"\"y\"\"\nz\"\nb,1,0.6,\na,2,0.7,\n", CSV, "acc=0.5 note:x, \"y\"\nz seed:1\nacc=0.7 seed:2\n-- b\nacc=0.6 seed:1\n", ""},
		{"CSV with one value a row", "tidy.csv", "metric,value,step,split\nacc,0.5,1,test\nloss,x,1,test\nloss,2,1,test\n", CSV, "acc=0.5@1 split:test\nloss=2@1 split:test\n", "tidy.csv:3: loss: \"x\" is no number: left out\n"},
		{"CSV of a spreadsheet", "x.csv", "\ufeffstep;loss\r\n1;0,5\r\n2;0,25\r\n", CSV, "loss=0.5@1\nloss=0.25@2\n", ""},
		{"CSV of pandas", "x.csv", ",loss\n0,1\n1,2\n", CSV, "loss=1\nloss=2\n", ""},
		{"a step that goes back", "x.csv", "step,loss\n1,1\n2,1\n1,1\n", CSV, "loss=1@1\nloss=1@2\nloss=1@1\n", "x.csv:4: the step goes back from 2 to 1: are there several runs in this file? Name the column that tells them apart\n"},
		{"a bad cell", "x.csv", "step,loss\n1,1\n2,oops\n3,1e999\n", CSV, "loss=1@1\nloss=+Inf@3\n", "x.csv:3: loss: \"oops\" is no number: left out\nx.csv:4: loss: 1e999 is beyond a float64: taken as an infinity\nx.csv:4: loss: 1 of 2 values are not finite; here is the first: +Inf\n"},
		{"what programs print", "train.log", "12:30:45 INFO: 3 files, version: 1.2.3\nEpoch 3/10 - loss: 0.5 - val_acc=95.3% at 10.0.0.1:80\n\x1b[1mstep 7\x1b[0m loss=nan, took: 12.5s\n 45%|##| 45/100 [00:10<00:12, 4.5it/s, bce=0.25]\rlr=-1e-5\nf(x=3) path/to=x\n", Stdout,
			"loss=0.5@3/3\nval_acc=95.3@3/3\nloss=NaN@7\ntook=12.5@7\nbce=0.25\nlr=-1e-05\nx=3\n", "train.log:3: loss: 1 of 2 values are not finite; here is the first: NaN\n"},
		{"trainer_state", "trainer_state.json", `{"best_metric":0.5,"best_global_step":10,"global_step":20,"log_history":[{"epoch":0.5,"loss":1.5,"step":10},{"epoch":1.0,"eval_loss":0.5,"step":20}]}`, TrainerState,
			"loss=1.5@10/0.5\neval_loss=0.5@20/1\nbest_metric=0.5@10\n", ""},
		{"go test -bench", "x.txt", "pkg: a/b\nBenchmarkX/size=1-8 \t 100\t 12.5 ns/op\t 0 B/op\t 3 fps\nBenchmarkX/size=1-8 \t 100\t 12.75 ns/op\nBenchmarkBroken-8 \t oops ns/op\n--- FAIL: BenchmarkY\npkg: a/c\nBenchmarkZ 1 5 ns/op\n", GoBench,
			"X/size=1.ns/op=12.5 benchmark:X/size=1 pkg:a/b procs:8 unit:ns/op\nX/size=1.B/op=0 benchmark:X/size=1 pkg:a/b procs:8 unit:B/op\nX/size=1.fps=3 benchmark:X/size=1 pkg:a/b procs:8 unit:fps\nX/size=1.ns/op=12.75 benchmark:X/size=1 pkg:a/b procs:8 unit:ns/op\nZ.ns/op=5 benchmark:Z pkg:a/c unit:ns/op\n",
			"x.txt:4: \"BenchmarkBroken-8 \\t oops ns/op\" is no result of a benchmark: left out\nx.txt:5: a benchmark failed: --- FAIL: BenchmarkY\n"},
		{"hyperfine", "h.json", `{"results":[{"command":"sort","mean":1.5,"stddev":0.5,"median":1.5,"user":1,"system":0.5,"min":1,"max":2,"times":[1,2],"exit_codes":[0,1],"parameters":{"n":"4"}}]}`, Hyperfine,
			"time=1 command:sort n:4 unit:s\ntime=2 command:sort n:4 unit:s\nuser=1 command:sort n:4 unit:s\nsystem=0.5 command:sort n:4 unit:s\n", "h.json:1: sort: 1 of 2 repetitions did not exit with 0\n"},
		{"pytest-benchmark", "p.json", `{"machine_info":{"system":"Linux"},"commit_info":{"id":"abc","dirty":false},"benchmarks":[{"group":null,"name":"test_a","fullname":"t.py::test_a","params":{"n":3},"stats":{"min":1,"max":3,"mean":2,"stddev":1,"rounds":4,"median":2}},{"name":"test_b","fullname":"t.py::test_b","params":null,"stats":{"mean":2,"data":[1.5,2.5]}}],"datetime":"2026-01-02T03:04:05.000006","version":"4.0.0"}`, PytestBenchmark,
			"t.py::test_a=2±0.5 n:3 unit:s\nt.py::test_a.median=2 n:3 unit:s\nt.py::test_b=1.5 unit:s\nt.py::test_b=2.5 unit:s\n", ""},
		{"lm-eval since 0.4", "results_2026.json", `{"results":{"gsm8k":{"alias":"gsm8k","exact_match,strict-match":0.5,"exact_match_stderr,strict-match":0.25,"acc,none":1,"acc_stderr,none":"N/A"}},"configs":{},"versions":{"gsm8k":3},"config":{"model":"hf","model_args":"pretrained=x"},"date":1783757000.5}`, LMEval,
			"gsm8k.exact_match,strict-match=0.5±0.25 2026-07-11T08:03:20.5Z task:gsm8k version:3\ngsm8k.acc=1 2026-07-11T08:03:20.5Z task:gsm8k version:3\n", ""},
		{"W&B", "run-20260101_101500-1a2b3c4d/files/wandb-summary.json", `{"loss":0.5,"_step":9,"_timestamp":1783757000.25,"_runtime":12.5,"h":{"_type":"histogram"},"val":{"acc":1},"_wandb":{"runtime":12}}`, WandB,
			"loss=0.5@9 2026-07-11T08:03:20.25Z\n_runtime=12.5@9 2026-07-11T08:03:20.25Z\nval.acc=1@9 2026-07-11T08:03:20.25Z\n",
			"run-20260101_101500-1a2b3c4d/files/wandb-summary.json:1: h is of the type histogram: left out\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs, err := Read(context.Background(), files(map[string]string{c.file: c.text}), c.file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var warnings strings.Builder
			for _, run := range runs {
				if run.Format != c.format {
					t.Errorf("format %s, want %s", run.Format, c.format)
				}
				for _, w := range run.Warnings {
					fmt.Fprintln(&warnings, w)
				}
			}
			if got := sayAll(runs); got != c.points {
				t.Errorf("points\n%s\nwant\n%s", got, c.points)
			}
			if got := warnings.String(); got != c.warnings {
				t.Errorf("warnings\n%s\nwant\n%s", got, c.warnings)
			}
		})
	}
}

// TestMapping: the caller's names, filters and patterns replace the guesses.
func TestMapping(t *testing.T) {
	fsys := files(map[string]string{
		"x.csv":     "it,when,acc,loss,site\n5,2026-01-02 03:04:05,0.5,1,7\n",
		"out.txt":   "[3] auroc is 0.91 (seed 4)\n[4] auroc is 0.92 (seed 4)\n",
		"weird.bin": "step,loss\n1,2\n",
	})
	for _, c := range []struct {
		file string
		o    Options
		want string
	}{
		{"x.csv", Options{Mapping: Mapping{Step: "it", Time: "when", Keys: []string{"site"}, Only: []string{"a*"}, Rename: map[string]string{"loss": "nll"}}}, "acc=0.5@5 2026-01-02T03:04:05Z site:7\nnll=1@5 2026-01-02T03:04:05Z site:7\n"},
		{"x.csv", Options{Mapping: Mapping{Step: "it", Only: []string{"loss"}}}, "loss=1@5 when:2026-01-02 03:04:05\n"},
		{"out.txt", Options{Patterns: []*regexp.Regexp{regexp.MustCompile(`\[(?P<step>\d+)\] (?P<metric>\w+) is (?P<value>\S+) \(seed (?P<seed>\d+)\)`)}}, "auroc=0.91@3 seed:4\nauroc=0.92@4 seed:4\n"},
		{"out.txt", Options{Format: Stdout, Patterns: []*regexp.Regexp{regexp.MustCompile(`auroc is (?P<ood_auroc>\S+)`)}}, "ood_auroc=0.91\nood_auroc=0.92\n"},
		{"weird.bin", Options{Format: CSV}, "loss=2@1\n"},
	} {
		runs, err := Read(context.Background(), fsys, c.file, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := sayAll(runs); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.file, got, c.want)
		}
	}
	for _, bad := range []Options{{Format: "xml"}, {Mapping: Mapping{Only: []string{"[a"}}}, {Patterns: []*regexp.Regexp{regexp.MustCompile("a(b)")}}} {
		if _, err := Read(context.Background(), fsys, "x.csv", bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestProse: texts that differ from row to row are left out of the keys, and told; a column that is named a key is one.
func TestProse(t *testing.T) {
	text := "step,loss,remark,example\n"
	for i := range 40 {
		text += fmt.Sprintf("%d,1,remark %d,x%d\n", i, i, i)
	}
	run := must(t, files(map[string]string{"x.csv": text}), "x.csv")
	if got := say(run.Points[7]); got != "loss=1@7 example:x7" {
		t.Errorf("%s", got)
	}
	const want = "columns: metrics loss; step step; keys example; left out, for they are texts that differ from row to row: remark"
	if len(run.Notes) != 1 || run.Notes[0] != want {
		t.Errorf("%q", run.Notes)
	}
}

// TestNumber: values as other programs spell them.
func TestNumber(t *testing.T) {
	for s, want := range map[string]float64{"1": 1, " -0.5 ": -0.5, "1e-05": 1e-5, "NaN": math.NaN(), "nan": math.NaN(), "inf": math.Inf(1), "-Infinity": math.Inf(-1), ".inf": math.Inf(1), "tensor(0.25, device='cuda:0')": 0.25, "0.1": 0.1, "4.9e-324": math.SmallestNonzeroFloat64, "9007199254740992": 1 << 53, "18446744073709551616": 1 << 64} {
		if v, why, ok := number(s); !ok || !same(v, want) || why != "" {
			t.Errorf("%q: %v %q %v", s, v, why, ok)
		}
	}
	for _, s := range []string{"", "abc", "0x10", "1_000", "1.2.3", "1e", "--1", "1,5", "e5", "+", "."} {
		if v, _, ok := number(s); ok {
			t.Errorf("%q is %v", s, v)
		}
	}
	for s, want := range map[string]string{"1783757000": "2026-07-11T08:03:20Z", "1783757000250": "2026-07-11T08:03:20.25Z", "1783757000.25": "2026-07-11T08:03:20.25Z", "2026-01-02T03:04:05+02:00": "2026-01-02T01:04:05Z", "2026-01-02 03:04:05.5": "2026-01-02T03:04:05.5Z"} {
		if at, ok := moment(s); !ok || at.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %v", s, at)
		}
	}
}

// TestRefused: what cannot be read says why, and where.
func TestRefused(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	small := Options{Limits: Limits{Points: 3, Line: 40, Document: 100, File: 200}}
	for _, c := range []struct {
		file, text string
		o          Options
		want       string
	}{
		{"x.json", `{"a": 1,`, Options{}, "x.json:1: the text ends where a name in quotes is expected: it is cut off"},
		{"x.json", "{\n\"a\": 01}", Options{}, `x.json:2: "01}" where a value is expected`},
		{"x.json", "", Options{}, "x.json:1: empty"},
		{"x.json", `{"a":` + deep + `}`, Options{}, "x.json:1: depth 65, and 64 is the most"},
		{"x.json", `{"a":1} x`, Options{Format: LMEval}, "x.json: something follows the end"},
		{"x.json", `{"a":[1,2,3,4]}`, small, "x.json:1: points 4, and 3 is the most"},
		{"x.json", `{"a":"` + strings.Repeat("x", 100) + `"}`, small, "x.json: bytes 108, and 100 is the most"},
		{"x.yaml", "a: [1\nb: 2", Options{}, "x.yaml:"},
		{"x.yaml", "a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n", Options{}, "values 786433, and 786432 is the most"},
		{"x.toml", "a = ", Options{}, "x.toml:1: "},
		{"x.toml", "a = " + strings.Repeat("[", 2000), Options{}, "brackets that are open"},
		{"x.csv", "1,2\n3,4\n", Options{}, "x.csv:1: the first line has only numbers"},
		{"x.csv", "a,b\n1,\"2\n", Options{}, "x.csv:2: a quote is not closed"},
		{"x.csv", "a,b\n1," + strings.Repeat("9", 50), small, "x.csv:2: a row is longer than 40 bytes"},
		{"x.csv", "a,b\n" + strings.Repeat("1,2\n", 50), small, "x.csv: bytes 204, and 200 is the most"},
		{"x.xyz", "\x00\x01", Options{}, "x.xyz: neither its name nor its content tells the format"},
		{"tfevents", "0123456789abcdef", Options{}, "tfevents: record 1: the checksum of its length is wrong"},
		{"dir/x", "", Options{}, "dir: is a folder, and none of"},
		{"../x", "", Options{}, "../x: is no path below"},
	} {
		name := c.file
		if name == "dir/x" {
			name = "dir"
		}
		runs, err := Read(context.Background(), files(map[string]string{strings.TrimPrefix(c.file, "../"): c.text}), name, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v %v, want %s", c.file, short(c.text), runs, err, c.want)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Read(ctx, files(map[string]string{"x.json": "{}"}), "x.json", Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// TestFind: one bad file is told with its line, and the others come all the same, each store once.
func TestFind(t *testing.T) {
	const meta = "run_id: %s\nrun_name: %s\nexperiment_id: '1'\nstatus: 3\nlifecycle_stage: active\nartifact_uri: x\n"
	fsys := files(map[string]string{
		"a/metrics.json":                          `{"acc": 0.5}`,
		"b/metrics.json":                          "{\"acc\":\n oops}",
		"c/metrics.csv":                           "step,acc\n1,0.5\n",
		"c/hparams.yaml":                          "lr: 1e-05\nnet: {depth: 3}\n",
		"live/dvclive/metrics.json":               `{"train": {"loss": 0.25}, "step": 2, "extra": 1}`,
		"live/dvclive/params.yaml":                "lr: 0.10\n",
		"mlruns/1/meta.yaml":                      "experiment_id: '1'\nname: exp\nartifact_location: x\n",
		"mlruns/1/r1/meta.yaml":                   fmt.Sprintf(meta, "r1", "one"),
		"mlruns/1/r1/metrics/a/b":                 "1783757000000 0.5 1\n1783757000 -inf\nx y z\n1783757000000 1 2 set 12ab\n",
		"mlruns/1/r1/artifacts/eval_results.json": `{"auc": 1}`,
		"mlruns/1/models/m-1/meta.yaml":           "model_id: m-1\nexperiment_id: '1'\n", "mlruns/1/models/m-1/metrics/loss": "1 2 3 r1\n",
		"mlruns/1/r2/meta.yaml":       "run_id: [",
		"mlruns/1/r2/metrics/loss":    "1 2 3\n",
		"node_modules/x/metrics.json": `{"no": 1}`,
		"tb/train/events.out.tfevents.1.h.1.0": events(func(w *eventWriter) {
			w.scalar(1, "loss", 0.5)
			w.scalar(2, "loss", 0.25)
		}),
		"tb/train/events.out.tfevents.2.h.2.0":      events(func(w *eventWriter) { w.restart(2); w.scalar(2, "loss", 0.125) }),
		"live/dvclive/plots/metrics/train/loss.tsv": "timestamp\tstep\tloss\n1783757000000\t0\t0.5\n1783757001000\t1\t0.25\n",
	})
	var got, errs strings.Builder
	for run, err := range Find(context.Background(), fsys, nil, Options{}) {
		if err != nil {
			fmt.Fprintf(&errs, "%s: %v\n", run.Source, err)
			continue
		}
		fmt.Fprintf(&got, "%s %s %s\n%s", run.Source, run.Format, run.Name, sayAll([]Run{run}))
		for _, w := range run.Warnings {
			fmt.Fprintln(&got, "!", w)
		}
	}
	const want = `a/metrics.json json a
acc=0.5
c/metrics.csv csv c
acc=0.5@1
live/dvclive dvclive live
train/loss=0.5@0 2026-07-11T08:03:20Z
train/loss=0.25@1 2026-07-11T08:03:21Z
extra=1@2
mlruns/1/r1 mlflow one
a/b=0.5@1 2026-07-11T08:03:20Z
a/b=-Inf 2026-07-11T08:03:20Z
a/b=1@2 2026-07-11T08:03:20Z dataset:set dataset_digest:12ab
! mlruns/1/r1/metrics/a/b:3: "x y z" is not a time, a value and a step: left out
! mlruns/1/r1/metrics/a/b:2: a/b: 1 of 3 values are not finite; here is the first: -Inf
tb/train tensorboard train
loss=0.5@1 2026-07-11T08:03:20Z
loss=0.125@2 2026-07-11T08:03:20Z
! tb/train/events.out.tfevents.2.h.2.0: the program started again at step 2: 1 points that it had logged of this step and later are void
`
	if got.String() != want {
		t.Errorf("found\n%s\nwant\n%s", got.String(), want)
	}
	for _, want := range []string{`b/metrics.json:2: "oops}" where a value is expected`, "mlruns/1/r2"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("not told: %s\n%s", want, errs.String())
		}
	}
	for run := range Find(context.Background(), fsys, []string{"c/*.csv"}, Options{}) {
		if run.Params["lr"] != "1e-05" || run.Params["net.depth"] != "3" {
			t.Errorf("parameters beside the table: %v", run.Params)
		}
	}
	for glob, want := range map[string]string{"mlruns/**": "r1 r2 meta.yaml loss", "mlruns/*/*/meta.yaml": "r1 r2", "mlruns/**/artifacts/*.json": "eval_results.json"} {
		var all []string
		for run := range Find(context.Background(), fsys, []string{glob}, Options{}) {
			all = append(all, path.Base(run.Source))
		}
		slices.Sort(all)
		want := strings.Fields(want)
		slices.Sort(want)
		if !slices.Equal(all, want) {
			t.Errorf("%s gives %s, want %s", glob, all, want)
		}
	}
}

// TestCheckpoints: of the checkpoints of one training only the history that has them all is read.
func TestCheckpoints(t *testing.T) {
	const state = `{"log_history":[{"loss":1,"step":%d}]}`
	fsys := files(map[string]string{
		"a/checkpoint-500/trainer_state.json": fmt.Sprintf(state, 500), "a/checkpoint-1000/trainer_state.json": fmt.Sprintf(state, 1000), "a/checkpoint-x/trainer_state.json": fmt.Sprintf(state, 7),
		"b/checkpoint-500/trainer_state.json": fmt.Sprintf(state, 500), "b/trainer_state.json": fmt.Sprintf(state, 600),
	})
	var got []string
	for run, err := range Find(context.Background(), fsys, nil, Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %d", run.Source, run.Name, run.Points[0].Step))
	}
	want := []string{"a/checkpoint-1000/trainer_state.json a 1000", "a/checkpoint-x/trainer_state.json checkpoint-x 7", "b/trainer_state.json b 600"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestPowerShell: UTF-16 as > of PowerShell 5 writes it.
func TestPowerShell(t *testing.T) {
	var b []byte
	for _, r := range "\ufeffgoos: windows\r\nBenchmarkX-4   \t 100\t 12.5 µs/op\r\n" {
		b = append(b, byte(r), byte(r>>8))
	}
	runs, err := Read(context.Background(), fstest.MapFS{"x.txt": {Data: b}}, "x.txt", Options{})
	if err != nil || sayAll(runs) != "X.µs/op=12.5 benchmark:X procs:4 unit:µs/op\n" || runs[0].Tags["goos"] != "windows" {
		t.Errorf("%v %v", runs, err)
	}
}

// TestCriterion: samples are time divided by iterations, estimates have their standard error.
func TestCriterion(t *testing.T) {
	const estimates = `{"mean":{"confidence_interval":{"confidence_level":0.95,"lower_bound":1,"upper_bound":2},"point_estimate":1.5,"standard_error":0.25},"median":{"point_estimate":1.25,"standard_error":0.5},"slope":null}`
	fsys := files(map[string]string{
		"target/criterion/sort/100/new/estimates.json":  estimates,
		"target/criterion/sort/100/new/sample.json":     `{"sampling_mode":"Linear","iters":[2,4],"times":[3,8]}`,
		"target/criterion/sort/100/base/estimates.json": estimates,
	})
	const want = "sort/100.mean=1.5±0.25 unit:ns\nsort/100.median=1.25±0.5 unit:ns\nsort/100=1.5 unit:ns\nsort/100=2 unit:ns\n"
	for _, name := range []string{"target/criterion", "target/criterion/sort/100/new/estimates.json"} {
		runs, err := Read(context.Background(), fsys, name, Options{})
		if err != nil || sayAll(runs) != want {
			t.Errorf("%s: %s %v", name, sayAll(runs), err)
		}
	}
}

// TestDVC: what dvc.yaml names is read, and dvc.lock gives parameters and digests.
func TestDVC(t *testing.T) {
	fsys := files(map[string]string{
		"dvc.yaml":    "stages:\n  train:\n    cmd: x\n    params: [lr, train.epochs]\n    metrics:\n    - out/eval.json: {cache: false}\nmetrics: [missing.json]\n",
		"params.yaml": "lr: 0.001\ntrain: {epochs: 10}\n", "out/eval.json": `{"auc": 0.75}`,
		"dvc.lock": "schema: '2.0'\nstages:\n  train:\n    cmd: python train.py\n    deps:\n    - path: data\n      hash: md5\n      md5: abc.dir\n    params:\n      params.yaml:\n        lr: 0.0010\n",
	})
	run := must(t, fsys, "dvc.yaml")
	if sayAll([]Run{run}) != "auc=0.75\n" || run.Params["lr"] != "0.001" || run.Params["train.epochs"] != "10" || len(run.Warnings) != 1 {
		t.Errorf("%+v", run)
	}
	lock := must(t, fsys, "dvc.lock")
	if lock.Params["lr"] != "0.0010" || lock.Tags["dep.data"] != "md5:abc.dir" || lock.Tags["stage.train.cmd"] != "python train.py" {
		t.Errorf("%+v", lock)
	}
}

func must(t *testing.T, fsys fs.FS, name string) Run {
	t.Helper()
	runs, err := Read(context.Background(), fsys, name, Options{})
	if err != nil || len(runs) != 1 {
		t.Fatal(runs, err)
	}
	return runs[0]
}
