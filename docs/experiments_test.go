package docs_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// Two kinds of field beside those of field.
const (
	nullable  = "numbers, each or null"
	nullables = "numbers by name, each or null"
)

// experimentObjects are the objects of runs, metrics, comparisons, rollbacks and records.
func experimentObjects() []object {
	dry := opt("dry_run", "bool", "nothing was done")
	return []object{
		{name: "guard", by: "guard --dry-run, run start --dry-run", fields: []field{
			req("dry_run", "bool", ""), req("name", "string", ""), req("command", "strings", ""), req("scope", "strings", "that a rollback may touch; empty: code and configuration"), req("rules", "integer", "of the policy"), req("rollback_to", "string", "`before` or `last-good`")}},
		{name: "running", by: "run start; run ls of a run that has not ended", fields: []field{
			req("id", "string", ""), req("name", "string", ""), req("before", "string", "id of the snapshot"), req("reused", "bool", "nothing had changed since that snapshot"), req("started", "string", ""), req("metrics", "string", "the file to append metrics to"), req("state", "string", "`running`, or `broken off`"), req("command", "strings", "")}},
		{name: "run", by: "guard, run finish, run ls, run show", fields: []field{
			req("id", "string", ""), req("name", "string", ""), req("version", "integer", "of `after`"), req("before", "string", "id of the snapshot before"), req("after", "string", "id of the snapshot of what the command left"), req("before_version", "integer", ""), req("after_version", "integer", ""),
			opt("now", "string", "id of the snapshot after the rollback"), req("reused", "bool", "of `before`: nothing had changed"), req("command", "strings", ""), req("cwd", "string", "from the project's folder"), req("exit", "integer", "128 and the signal's number where one killed it"), opt("error", "string", "what is known of why it failed"),
			req("started", "string", ""), req("ended", "string", ""), req("seconds", "number", ""), req("cpu_seconds", "number", ""), req("memory", "integer", "the most that one process had resident; 0 where not known"), req("environment", "map", "machine and software"), req("environment_digest", "string", ""), req("code_digest", "string", "of its code and configuration"), req("setting_digest", "string", "of its command and parameters, without the seed"), req("revision", "revision", ""),
			opt("seed", "string", ""), req("params", "map", ""), req("dataset", "map", "digests of the folders of `fingerprint.dataset`"), req("evaluation", "map", "of `fingerprint.evaluation`"), opt("policy", "string", "SHA-256 of its file"), req("verdict", "string", "`passed`, `warning`, `regression`, `failed`, `unmeasured`"),
			req("violations", "[]violation", ""), req("notes", "strings", ""), opt("baseline", "string", "id of the run it was judged by"), req("rolled_back", "bool", ""), opt("rolled_back_to", "string", "id of a snapshot"), opt("undo", "string", "id of the operation"), req("put_back", "strings", "paths"), req("left", "[]leftover", "what a rollback left as it is"),
			opt("output", "string", "the end of what was printed"), req("metric_files", "strings", "what was read"), req("metrics", nullables, "the last values, of repetitions their mean; null is not a finite number")}},
		{name: "metric", by: "metric ls", fields: []field{
			req("metric", "string", ""), req("value", "number?", "of repetitions the mean; null is not a finite number"), req("text", "string", "the value, as it is"), opt("step", "integer", "with `--by point`, as the next two"), opt("stderr", "number", ""), opt("time", "string", ""),
			req("version", "integer", "0: the snapshot is gone"), req("id", "string", "of the snapshot"), req("run", "string", "id, with `--by run` and `point`"), opt("name", "string", "of the run"), req("keys", "map", "seed, fold, …"), opt("n", "integer", "repetitions"), opt("min", "number", ""), opt("max", "number", "")}},
		{name: "metric_import", by: "metric add, metric import", fields: []field{
			req("points", "integer", "values"), req("runs", "integer", "with `--runs`"), req("version", "integer", "they were added to"), req("id", "string", ""), req("run", "string", ""), dry}},
		{name: "comparison", by: "compare, a line a metric; and within changelog", fields: []field{
			req("metric", "string", ""), req("a", "compared", ""), req("b", "compared", ""), req("delta", "number?", "b less a"), req("ci", nullable, "interval of it"), req("relative", "number?", "as a share of a"), req("effect", "number?", ""), req("effect_name", "string", ""),
			req("p", "number?", ""), req("p_adjusted", "number?", "what decides"), req("n", "numbers", "of both sides"), req("test", "string", ""), req("kind", "string", "`mean`, `proportion`, `latency`, `auroc`, `rate`"), req("paired", "bool", ""), req("verdict", "string", "on b: `better`, `worse`, `equivalent`, `non-inferior`, `inconclusive`"),
			opt("needed_n", "integer", "values a side, or pairs"), opt("needed_for", "number", "to find this difference"), req("seed", "integer", "of what was drawn"), req("warnings", "strings", "for people"), req("warning_codes", "strings", "[for programs](experiments.md#warnings)")}},
		{name: "decision", by: "compare --primary", fields: []field{req("primary", "string", "the metric that decides"), req("accept", "bool", "b is to replace a"), req("reasons", "strings", "why not")}},
		{name: "pareto", by: "metric pareto, a line a version", fields: []field{req("version", "integer", ""), req("id", "string", "of the snapshot"), req("values", nullables, ""), req("best", "bool", "no other is at least as good in everything and better in something")}},
		{name: "suspect", by: "bisect metric --noisy, bisect run --flips", fields: []field{req("id", "string", "of the snapshot"), req("ref", "string", ""), req("probability", "number", "that it is the first bad one"), req("runs", "integer", "answers that a command gave, of all versions")}},
		{name: "serving", by: "metric serve", rare: true, fields: []field{req("uri", "string", "for MLFLOW_TRACKING_URI"), req("token", "string", "for MLFLOW_TRACKING_TOKEN")}},
		{name: "rollback", by: "rollback", fields: []field{
			req("version", "integer", "of the snapshot"), req("id", "string", ""), req("to", "string", "the folder of `--to` or `--replace`"), req("backup", "string", "where what was there is, with `--replace`"), req("files", "integer", ""), req("written", "integer", ""), req("removed", "integer", ""), req("unchanged", "integer", ""),
			req("safety", "string?", "as in restore"), req("undo", "string?", "as in restore"), req("plan", "[]change", "what went back"), req("left", "[]leftover", ""), dry}},
		{name: "rollback_script", by: "rollback-script", fields: []field{
			req("version", "integer", ""), req("id", "string", ""), req("dir", "string", ""), req("files", "integer", "of the version"), req("bytes", "integer", "of the folder"), req("self_contained", "bool", ""), req("drivers", "strings", "the scripts"), req("sha256", "string", "of the payload, or of the lock"), req("skipped", "strings", "pipes, sockets and devices, which it does not have"), dry}},
		{name: "bisect", by: "bisect", fields: []field{
			req("good", "string", ""), req("bad", "string", ""), req("steps", "integer", "versions that could be to blame"), req("left", "integer", "answers that are wanted yet"), req("runs", "integer", "answers that a command gave"), opt("next", "string", "the version to try"), opt("found", "string", "the first bad version"), req("suspects", "strings", "more than one where some were skipped"), req("answers", "map", "`good`, `bad` or `skip` by version")}},
		{name: "changelog", by: "changelog", fields: []field{
			req("from", "string", ""), req("to", "string", ""), req("files", "any", "by class: lists of objects with `path`, `old_path`, `change`, `class` and `detail`"), req("keys", "[]key_change", ""), req("metrics", "[]comparison", ""), req("notes", "strings", "")}},
		{name: "critical", by: "critical", fields: []field{req("pattern", "string", ""), req("version", "integer", ""), req("files", "strings", "that it names"), req("ok", "bool", "there are some")}},
		{name: "hook", by: "hook install, uninstall, ls", rare: true, fields: []field{req("event", "string", "of git"), req("path", "string", ""), req("chained", "bool", "a hook that was there is called after it"), req("strict", "bool", "a snapshot that fails stops git"), req("changed", "bool", "by hand"), dry}},
		{name: "hook_step", by: "hook print", fields: []field{req("system", "string", ""), req("text", "string", "")}},
		{name: "record_kind", by: "records kinds", fields: []field{req("kind", "string", ""), req("version", "integer", "of its fields"), req("count", "integer", "")}},
		{name: "record", by: "records ls, records export", fields: []field{req("kind", "string", ""), req("id", "string", ""), opt("project", "string", "id"), req("first", "string", "when it was first said"), req("last", "string", ""), req("fields", "any", "by name"), opt("sets", "any", "lists of strings by name")}},
		{name: "record_group", by: "records group", fields: []field{req("by", "strings", "fields"), req("key", "any", "a list: their values"), req("count", "integer", ""), opt("measured", "integer", "with `--measure`: how many have the field"), opt("sum", "number", ""), opt("min", "number", ""), opt("max", "number", ""), opt("mean", "number", "")}},

		{name: "revision", rare: true, fields: []field{opt("system", "string", "`git`"), opt("id", "string", ""), opt("branch", "string", ""), opt("dirty", "bool", "files that it knows had changed")}},
		{name: "violation", fields: []field{req("metric", "string", ""), req("severity", "string", "`critical`, `warning`"), req("rule", "string", "`floor`, `ceiling`, `relative_drop`, `test`, `required`, `finite`"), req("reason", "string", "for people")}},
		{name: "leftover", rare: true, fields: []field{req("path", "string", ""), req("reason", "string", "")}},
		{name: "compared", fields: []field{req("centre", "number?", "mean, share, median, area or rate"), req("ci", nullable, ""), req("n", "integer", "")}},
		{name: "key_change", fields: []field{req("file", "string", ""), req("key", "string", "names, joined with dots"), req("old", "string", "as JSON; empty: it was not there"), req("new", "string", "")}},
		{name: "tensor_counts", fields: []field{
			req("added", "integer", ""), req("removed", "integer", ""), req("retyped", "integer", ""), req("reshaped", "integer", ""), req("changed", "integer", ""), req("unchanged", "integer", ""), req("delta_norm", "number", "of all that changed"), req("relative_norm", "number?", "null: infinite"), req("nan", "integer", ""), req("inf", "integer", ""), req("bytes_read", "integer", "")}},
		{name: "tensor", fields: []field{
			req("name", "string", ""), req("verdict", "string", ""), req("old", "array?", ""), req("new", "array?", ""), req("words", "integer", "elements"), req("equal_words", "integer", ""), req("delta_norm", "number?", ""), req("relative_norm", "number?", ""), req("max_abs", "number?", ""), req("cosine", "number?", ""), req("note", "string", "")}},
		{name: "array", fields: []field{req("dtype", "string", ""), req("shape", "numbers", ""), req("bytes", "integer", ""), req("stats", "statistics?", "where the tensor differs")}},
		{name: "statistics", fields: []field{req("nan", "integer", ""), req("inf", "integer", ""), req("zeros", "integer", ""), req("min", "number", ""), req("max", "number", ""), req("mean", "number", ""), req("std", "number", ""), req("norm", "number", ""), req("histogram", "numbers", "of sizes, by powers of two"), req("histogram_low", "integer", "the least power")}},
		{name: "metadatum", rare: true, fields: []field{req("key", "string", ""), req("old", "string", ""), req("new", "string", "")}},
		{name: "adapter", rare: true, fields: []field{req("layer", "string", ""), req("rank", "integer", ""), req("scale", "number", ""), req("alpha_known", "bool", ""), req("old_norm", "number", ""), req("new_norm", "number", ""), req("delta_norm", "number", ""), req("note", "string", "")}},
		{name: "frozen", fields: []field{req("pattern", "string", ""), req("matched", "integer", "tensors"), req("changed", "strings", "those that are not as they were")}},
	}
}

// tensorFields are those of a visual of weights.
func tensorFields() []field {
	return []field{opt("tensors", "tensor_counts", "of weights, as the next four"), opt("per_tensor", "[]tensor", ""), opt("metadata", "[]metadatum", ""), opt("adapters", "[]adapter", "of LoRA"), opt("frozen", "[]frozen", "with --frozen")}
}

// weights is a file of one tensor of four numbers, in the safetensors format.
func weights(x float32) string {
	const head = `{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	b = append(b, head...)
	for range 4 {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return string(b)
}

// experiments plays two runs, a good one and one that is rolled back, and asks for all that is known of them.
func experiments(b *book, step func(int, ...string) map[string]any, write func(name, text string)) {
	b.t.Helper()
	run := func(name, accuracy string, weight float32, want int) {
		b.t.Helper()
		begun := step(0, "run", "start", "--name", name, "--seed", "1", "--param", "k=v")
		var log strings.Builder
		for seed := range 6 {
			fmt.Fprintf(&log, `{"accuracy": %s%d, "loss": 0.%d1, "seed": %d, "step": 3, "time": "2026-11-19T14:00:00Z"}`+"\n", accuracy, seed, seed, seed)
		}
		log.WriteString(`{"metric": "auc", "value": 0.8, "stderr": 0.1}`)
		at, _ := begun["metrics"].(string)
		if err := os.WriteFile(at, []byte(log.String()), 0o644); err != nil {
			b.t.Fatal(err)
		}
		write("train.json", fmt.Sprintf(`{"rate": %g}`, weight))
		write("w.safetensors", weights(weight))
		step(0, "run", "ls")
		step(want, "run", "finish")
	}
	write("varve-guard.toml", "[[metric]]\nname = \"accuracy\"\nfloor = 0.5\n[[metric]]\nname = \"accuracy\"\ndirection = \"higher\"\nrelative_drop = 0.9\nseverity = \"warning\"\n")
	write("train.json", `{"rate": 0}`)
	write("seeds.csv", "seed,acc\n1,0.5\n2,0.6\n")
	step(0, "run", "start", "--dry-run")
	run("good", "0.9", 1, 0)
	run("poor", "0.1", 2, 4)
	step(0, "guard", "--json", "--", b.bin, "version")
	step(0, "run", "start")
	step(0, "run", "finish", "--exit", "1", "--error", "no room")
	for _, verb := range []string{"run ls", "run show good", "metric add speed 1 2 3", "metric add speed 1 --dry-run", "metric import seeds.csv", "metric ls", "metric ls --by run", "metric ls --by point", "compare good poor", "compare 5/10 6/10 --counts", "compare good poor --primary accuracy", "metric pareto accuracy=higher loss=lower", "bisect metric accuracy --noisy", "changelog good..poor",
		"bisect metric accuracy<0.5", "bisect start v1 poor", "bisect reset", "rollback good --dry-run", "rollback good", "undo", "rollback good --to ../good", "rollback-script good -o ../script --self-contained", "rollback-script good -o ../other --dry-run",
		"critical add *.json", "critical ls", "critical rm *.json", "hook print ci", "records kinds", "records ls run", "records group run verdict --measure seconds", "visual w.safetensors@good w.safetensors@poor --frozen w", "diff"} {
		step(0, strings.Fields(verb)...)
	}
	if _, err := os.Stat(filepath.Join(b.home, "script", "rollback.sh")); err != nil {
		b.t.Error(err)
	}
}
