package experiment

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/statistics/verdict"
)

const floor90 = "[[metric]]\nname = 'acc'\ndirection = 'higher'\nfloor = 90\n"

// TestRunRolledBack: a bad change goes, what it wrote elsewhere stays, and the failed state is kept.
func TestRunRolledBack(t *testing.T) {
	r := newRig(t)
	before := map[string]string{"src/a.py": "old", "conf.yaml": "lr: 1", "data/x.csv": "1", "logs/l.log": "-"}
	r.write(before)
	run := r.run(Start{Policy: floor90, Name: "bad"}, map[string]string{"src/a.py": "new", "src/b.py": "made", "conf.yaml": "", "data/x.csv": "2", "logs/l.log": "more", "model.pt": "w"}, `{"acc": 50}`, Outcome{})
	if run.Verdict != Regressed || !run.RolledBack || run.Undo == "" {
		t.Fatalf("%+v", run)
	}
	want := map[string]string{"src/a.py": "old", "conf.yaml": "lr: 1", "data/x.csv": "2", "logs/l.log": "more", "model.pt": "w"}
	for at, text := range want {
		if b, _ := os.ReadFile(filepath.Join(r.project(), at)); string(b) != text {
			t.Errorf("%s is %q, want %q", at, b, text)
		}
	}
	if got := treeOf(t, r.project()); len(got) != len(want) {
		t.Errorf("there are %v", slices.Sorted(maps.Keys(got)))
	}
	if want := []string{"conf.yaml", "src/a.py", "src/b.py"}; !slices.Equal(run.PutBack, want) {
		t.Errorf("put back %q", run.PutBack)
	}
	failed, err := r.p.Resolve(run.After)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := r.p.Stat(t.Context(), failed, "src/b.py"); err != nil || e.Bytes != 4 {
		t.Errorf("the failed state is not kept: %+v, %v", e, err)
	}
	if running, _ := r.AllRunning(); len(running) > 0 {
		t.Error("it is still under way")
	}
	got, err := r.Run(t.Context(), "bad")
	if err != nil || got.ID != run.ID || !got.RolledBack || got.Metrics["acc"].Series[0].Value != 50 {
		t.Errorf("the record: %+v, %v", got, err)
	}
}

// TestBaseline: the last good run is one that stands: not one that was rolled back, failed, or was evaluated on
// something else.
func TestBaseline(t *testing.T) {
	r := newRig(t)
	policy := floor90 + "[[metric]]\nname = 'acc'\ndirection = 'higher'\nrelative_drop = 0.02\nseverity = 'warning'\n[fingerprint]\nevaluation = ['eval']\n"
	r.write(map[string]string{"a.py": "0", "eval/set.csv": "one"})
	step := func(text, logged string, o Outcome) *Run {
		t.Helper()
		return r.run(Start{Policy: policy}, map[string]string{"a.py": text}, logged, o)
	}
	first := step("1", `{"acc": 95}`, Outcome{})
	if first.Verdict != Passed || first.Baseline != "" {
		t.Errorf("the first run: %s, baseline %q", first.Verdict, first.Baseline)
	}
	bad := step("2", `{"acc": 10}`, Outcome{})
	if !bad.RolledBack || bad.Baseline != first.ID {
		t.Errorf("a bad run: %+v", bad)
	}
	failed := step("3", `{"acc": 99}`, Outcome{Exit: 1, Error: "exit code 1"})
	if failed.Verdict != Failed || failed.RolledBack {
		t.Errorf("a failed run: %+v", failed)
	}
	unmeasured := step("4", "", Outcome{})
	if unmeasured.Verdict != Unmeasured {
		t.Errorf("nothing measured: %s", unmeasured.Verdict)
	}
	warned := step("5", `{"acc": 93}`, Outcome{})
	if warned.Verdict != Warned || warned.Baseline != first.ID {
		t.Errorf("2 %% less than the first run: %s by %q, want a warning by %q", warned.Verdict, warned.Baseline, first.ID)
	}
	r.write(map[string]string{"eval/set.csv": "two"})
	other := step("6", `{"acc": 91}`, Outcome{})
	if other.Verdict != Passed || other.Baseline != "" || !strings.Contains(strings.Join(other.Notes, "\n"), "evaluated on something else") {
		t.Errorf("evaluated on something else: %s, %q, %q", other.Verdict, other.Baseline, other.Notes)
	}
	next := step("7", `{"acc": 91}`, Outcome{})
	if next.Baseline != other.ID {
		t.Errorf("the run after it is judged by %q, want %q", next.Baseline, other.ID)
	}
	named := r.run(Start{Policy: policy, Baseline: first.ID}, map[string]string{"a.py": "8", "eval/set.csv": "one"}, `{"acc": 94.9}`, Outcome{})
	if named.Baseline != first.ID || named.Verdict != Passed {
		t.Errorf("a baseline that was named: %q, %s", named.Baseline, named.Verdict)
	}
}

// TestPooledRuns: the seeds of a state are tested together, against all seeds of the last good state, never against
// those of the same.
func TestPooledRuns(t *testing.T) {
	r := newRig(t)
	policy := "[[metric]]\nname = 'acc'\ndirection = 'higher'\ntest = { alpha = 0.05 }\n"
	r.write(map[string]string{"a.py": "good"})
	seed := func(n int, shift float64) *Run {
		t.Helper()
		return r.run(Start{Policy: policy, Seed: fmt.Sprint(n)}, nil, fmt.Sprintf(`{"acc": %v}`, 90+float64(n)/10+shift+float64(n*n%3)/100), Outcome{Keep: true})
	}
	base := map[string]bool{}
	for n := range 6 {
		x := seed(n, 0)
		if x.Verdict != Passed || x.Baseline != "" {
			t.Errorf("the first state, seed %d: %s by %q", n, x.Verdict, x.Baseline)
		}
		base[x.ID] = true
	}
	r.write(map[string]string{"a.py": "worse"})
	for n := range 6 {
		x := seed(n, -1)
		if !base[x.Baseline] {
			t.Errorf("seed %d is compared with %q", n, x.Baseline)
		}
		if n == 0 && x.Verdict != Passed || n == 5 && x.Verdict != Regressed {
			t.Errorf("seed %d: %s, %v, %q", n, x.Verdict, x.Violations, x.Notes)
		}
	}
	// The state that turned out bad has good runs of its own: they are not what to go back to.
	policy += "[rollback]\nto = 'last-good'\n"
	x := r.run(Start{Policy: policy, Seed: "5"}, nil, `{"acc": 89.51}`, Outcome{})
	if b, _ := os.ReadFile(filepath.Join(r.project(), "a.py")); string(b) != "good" || !x.RolledBack {
		t.Errorf("rolled back to %q: %s, %q", b, x.Verdict, x.Notes)
	}
}

// TestLastGood: rollback.to = last-good goes behind states that were bad and kept.
func TestLastGood(t *testing.T) {
	r := newRig(t)
	policy := floor90 + "[rollback]\nto = 'last-good'\n"
	r.write(map[string]string{"a.py": "0"})
	good := r.run(Start{Policy: policy}, map[string]string{"a.py": "good"}, `{"acc": 95}`, Outcome{})
	kept := r.run(Start{Policy: policy}, map[string]string{"a.py": "kept"}, `{"acc": 1}`, Outcome{Keep: true})
	if kept.RolledBack || kept.Verdict != Regressed {
		t.Errorf("to be kept: %+v", kept)
	}
	bad := r.run(Start{Policy: policy}, map[string]string{"a.py": "bad"}, `{"acc": 2}`, Outcome{})
	if b, _ := os.ReadFile(filepath.Join(r.project(), "a.py")); string(b) != "good" || bad.RolledTo != good.After {
		t.Errorf("rolled back to %q", b)
	}
	r2 := newRig(t)
	r2.write(map[string]string{"a.py": "0"})
	none := r2.run(Start{Policy: policy}, map[string]string{"a.py": "bad"}, `{"acc": 2}`, Outcome{})
	if b, _ := os.ReadFile(filepath.Join(r2.project(), "a.py")); string(b) != "0" || !strings.Contains(strings.Join(none.Notes, " "), "no good run") {
		t.Errorf("without a good run: %q, %q", b, none.Notes)
	}
}

func TestRunsOf(t *testing.T) {
	r := newRig(t)
	r.write(map[string]string{"a.py": "0"})
	one := r.run(Start{Name: "one"}, map[string]string{"a.py": "1"}, `{"acc": 1}`, Outcome{})
	again := r.run(Start{Seed: "2"}, nil, `{"acc": 2}`, Outcome{})
	s := r.snap(map[string]string{"a.py": "2"})
	if err := r.Add(t.Context(), s, "", []Point{{Metric: "acc", Value: 9}}); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string][]string{
		one.After: {one.ID, again.ID}, one.Before: {one.ID}, "one": {one.ID}, one.ID: {one.ID}, one.ID[:6]: {one.ID}, "latest": {""}, fmt.Sprintf("v%d", one.AfterVersion): {one.ID, again.ID},
	} {
		runs, err := r.RunsOf(t.Context(), ref)
		var got []string
		for _, x := range runs {
			got = append(got, x.ID)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q, %v", ref, got, want, err)
		}
	}
	if again.Metrics["acc"].Series[0].Keys["seed"] != "2" {
		t.Errorf("the seed is lost: %+v", again.Metrics)
	}
	if _, err := r.RunsOf(t.Context(), "v99"); err == nil {
		t.Error("v99 has runs")
	}
	if _, err := r.Run(t.Context(), "nobody"); !errors.Is(err, ErrNoRun) {
		t.Errorf("a run that is not: %v", err)
	}
	if _, err := r.Running("../x"); !errors.Is(err, ErrNoRun) {
		t.Errorf("a path for a run: %v", err)
	}
}

// TestCompareEvaluation: what was evaluated on different data is not compared, or it is said.
func TestCompareEvaluation(t *testing.T) {
	r := newRig(t)
	s := Start{Policy: "[fingerprint]\nevaluation = ['eval']\ndataset = ['data']\n"}
	r.write(map[string]string{"a.py": "0", "eval/set.csv": "one", "data/d.csv": "1"})
	side := func(name, text string, files map[string]string) *Run {
		t.Helper()
		r.write(files)
		var logged strings.Builder
		for seed := range 6 {
			fmt.Fprintf(&logged, "{\"acc\": %v, \"seed\": %d}\n", 90+float64(len(text))+float64(seed*seed%5)/10, seed)
		}
		s.Name = name
		return r.run(s, map[string]string{"a.py": text}, logged.String(), Outcome{})
	}
	side("a", "x", nil)
	side("b", "xx", nil)
	side("c", "xxx", map[string]string{"eval/set.csv": "two"})
	side("d", "xxxx", map[string]string{"data/d.csv": "2"})
	same, err := r.Compare(t.Context(), "a", "b", ComparePlan{})
	if err != nil || len(same.Metrics) != 1 || same.Metrics[0].Verdict != verdict.Better || !same.Metrics[0].Paired || strings.Contains(strings.Join(same.Warnings, ""), "different data") {
		t.Errorf("the same evaluation: %+v, %v", same, err)
	}
	if _, err := r.Compare(t.Context(), "a", "c", ComparePlan{}); !errors.Is(err, ErrEvaluation) {
		t.Errorf("another evaluation: %v", err)
	}
	forced, err := r.Compare(t.Context(), "a", "c", ComparePlan{Force: true})
	if err != nil || len(forced.Metrics) != 1 || !strings.Contains(strings.Join(forced.Warnings, "\n"), "evaluated on different data") {
		t.Errorf("forced: %+v, %v", forced, err)
	}
	data, err := r.Compare(t.Context(), "c", "d", ComparePlan{})
	if err != nil || !slices.Contains(data.Warnings, "they were trained on different data") {
		t.Errorf("another dataset: %+v, %v", data, err)
	}
	none, err := r.Compare(t.Context(), "a", "b", ComparePlan{Metrics: []string{"los*"}})
	if err != nil || len(none.Metrics) != 0 || !strings.Contains(strings.Join(none.Warnings, ""), "no metric in common") {
		t.Errorf("nothing in common: %+v, %v", none, err)
	}
}

// TestReplace: what was there is kept under its name and the time, and the version is all of the folder.
func TestReplace(t *testing.T) {
	r := newRig(t)
	old := r.snap(map[string]string{"src/a.py": "old", "src/adapter/x.py": "old x", "top.txt": "old"})
	r.snap(map[string]string{"src/a.py": "new", "src/adapter/x.py": "new x", "src/adapter/y.py": "y", "top.txt": "new"})
	now := treeOf(t, r.project())
	res, err := r.Replace(t.Context(), old, r.project(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`project_backup_\d{8}_\d{6}$`).MatchString(res.Backup) {
		t.Errorf("the backup is %s", res.Backup)
	}
	if got := treeOf(t, res.Backup); !maps.Equal(got, now) {
		t.Errorf("the backup holds %v", got)
	}
	if diff, err := r.p.CheckManifest(t.Context(), old, r.project()); err != nil || len(diff) > 0 || len(treeOf(t, r.project())) != 3 {
		t.Errorf("%v, %v, %v", diff, err, treeOf(t, r.project()))
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, ".project.varve-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	// Twice in one second: two names.
	folder := filepath.Join(r.dir, "deploy")
	r.Lab.opt.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	names := map[string]bool{}
	for range 3 {
		res, err := r.Replace(t.Context(), old, folder, nil)
		if err != nil {
			t.Fatal(err)
		}
		names[res.Backup] = true
	}
	if len(names) != 3 || !names[""] || !names[folder+"_backup_20260102_030405"] || !names[folder+"_backup_20260102_030405_2"] {
		t.Errorf("the names are %v", names)
	}
}

// TestReplacePart: a path is the same sub-tree in the version, in the folder and in the backup; nothing else moves.
func TestReplacePart(t *testing.T) {
	r := newRig(t)
	old := r.snap(map[string]string{"src/a.py": "old", "src/adapter/x.py": "old x", "conf/c.yaml": "old c", "only/then.txt": "1"})
	r.snap(map[string]string{"src/a.py": "new", "src/adapter/x.py": "new x", "src/adapter/y.py": "y", "conf/c.yaml": "new c", "only/then.txt": ""})
	before := treeOf(t, r.project())
	res, err := r.Replace(t.Context(), old, r.project(), []string{"src/adapter", "only"})
	if err != nil {
		t.Fatal(err)
	}
	now := treeOf(t, r.project())
	for at, sum := range before {
		if got, ok := now[at]; strings.HasPrefix(at, "src/adapter/") == (ok && got == sum) {
			t.Errorf("%s: there %v, changed %v", at, ok, got != sum)
		}
	}
	for at, want := range map[string]string{"src/adapter/x.py": "old x", "only/then.txt": "1", "src/a.py": "new"} {
		if b, _ := os.ReadFile(filepath.Join(r.project(), at)); string(b) != want {
			t.Errorf("%s is %q", at, b)
		}
	}
	kept := treeOf(t, res.Backup)
	if len(kept) != 2 || kept["src/adapter/x.py"] != before["src/adapter/x.py"] || kept["src/adapter/y.py"] != before["src/adapter/y.py"] {
		t.Errorf("the backup holds %v", kept)
	}
	if _, err := r.Replace(t.Context(), old, r.project(), []string{"nowhere"}); err == nil {
		t.Error("a path that the version does not have was put back")
	}
	if got := treeOf(t, r.project()); !maps.Equal(got, now) {
		t.Errorf("it failed, and changed %v", got)
	}
}

// TestReplaceNames: a path is a path: no pattern, not the same name elsewhere, and once if it is named twice.
func TestReplaceNames(t *testing.T) {
	for _, paths := range [][]string{{"src"}, {"src", "src"}, {"src", "src/in"}, {"src/in", "src"}, {"src/"}, {"./src"}} {
		r := newRig(t)
		old := r.snap(map[string]string{"src/a.py": "old", "src/in/b.py": "old b", "other/src/c.py": "old c", "s[r]c/d.py": "old d"})
		r.snap(map[string]string{"src/a.py": "new", "src/in/b.py": "new b", "other/src/c.py": "new c", "s[r]c/d.py": "new d"})
		before := treeOf(t, r.project())
		res, err := r.Replace(t.Context(), old, r.project(), paths)
		if err != nil {
			t.Errorf("%q: %v", paths, err)
			continue
		}
		now := treeOf(t, r.project())
		for at := range before {
			if same := before[at] == now[at]; same != !strings.HasPrefix(at, "src/") {
				t.Errorf("%q: %s is as before: %v", paths, at, same)
			}
		}
		if got := treeOf(t, res.Backup); len(got) != 2 || got["src/in/b.py"] != before["src/in/b.py"] {
			t.Errorf("%q: the backup holds %v", paths, got)
		}
	}
	r := newRig(t)
	old := r.snap(map[string]string{"s[r]c/d.py": "old d", "src/a.py": "a"})
	r.snap(map[string]string{"s[r]c/d.py": "new d"})
	if _, err := r.Replace(t.Context(), old, r.project(), []string{"s[r]c"}); err != nil {
		t.Error(err)
	}
}

// TestReadBack: what was built is compared with the version before anything is moved.
func TestReadBack(t *testing.T) {
	r := newRig(t)
	s := r.snap(map[string]string{"a/x.txt": "one", "b/y.txt": "two"})
	for what, harm := range map[string]func(dir string) error{
		"":        func(string) error { return nil },
		"changed": func(dir string) error { return os.WriteFile(filepath.Join(dir, "a/x.txt"), []byte("onf"), 0o644) },
		"missing": func(dir string) error { return os.Remove(filepath.Join(dir, "a/x.txt")) },
		"more":    func(dir string) error { return os.WriteFile(filepath.Join(dir, "a/more.txt"), nil, 0o644) },
	} {
		dir := filepath.Join(r.dir, "built "+what)
		if _, err := r.p.Restore(t.Context(), varve.RestoreOptions{Snapshot: s, To: dir}); err != nil {
			t.Fatal(err)
		}
		if err := harm(dir); err != nil {
			t.Fatal(err)
		}
		if err := r.readBack(t.Context(), s, dir, nil); (err == nil) != (what == "") {
			t.Errorf("%q: %v", what, err)
		}
		if err := r.readBack(t.Context(), s, dir, []string{"a"}); (err == nil) != (what == "") {
			t.Errorf("%q, looking at a: %v", what, err)
		}
		if err := r.readBack(t.Context(), s, dir, []string{"b"}); err != nil {
			t.Errorf("%q, looking at b: %v", what, err)
		}
	}
}

// TestReplaceReadsBack: a version that cannot be read whole changes nothing.
func TestReplaceReadsBack(t *testing.T) {
	r := newRig(t)
	old := r.snap(map[string]string{"a.bin": strings.Repeat("payload ", 4000), "b.txt": "b"})
	r.snap(map[string]string{"a.bin": "other", "b.txt": "other"})
	before := treeOf(t, r.dir)
	for _, pack := range packsOf(t, r) {
		b, err := os.ReadFile(pack)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(b) / 4; i < len(b)*3/4; i += 16 {
			b[i] ^= 0x55
		}
		replaceFile(t, pack, b)
	}
	r.reopen()
	harmed := treeOf(t, r.project())
	if _, err := r.Replace(t.Context(), old, r.project(), nil); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("a damaged version was put in place: %v", err)
	}
	if got := treeOf(t, r.project()); !maps.Equal(got, harmed) {
		t.Errorf("the folder holds %v", got)
	}
	if got := treeOf(t, r.dir); len(got) > len(before)+2 { // the cache may grow
		t.Errorf("left behind: %v", slices.Sorted(maps.Keys(got)))
	}
}

// TestRevertHalfMove: of a move across the border of the scope only what is within is undone, and planned.
func TestRevertHalfMove(t *testing.T) {
	long := strings.Repeat("long enough to be known again\n", 50)
	for in, want := range map[string][]string{"src": {"removed src", "removed src/moved.txt"}, "moved.txt": {"renamed moved.txt", "removed src"}, "top": {"added top", "added top/a.txt"}} {
		r := newRig(t)
		old := r.snap(map[string]string{"moved.txt": long + "1", "top/a.txt": long + "2", "x.txt": "x"})
		r.snap(map[string]string{"moved.txt": "", "src/moved.txt": long + "1", "top/a.txt": "", "out/b.txt": long + "2"})
		if err := os.RemoveAll(filepath.Join(r.project(), "top")); err != nil {
			t.Fatal(err)
		}
		before := treeOf(t, r.project())
		res, err := r.p.Revert(t.Context(), varve.RevertOptions{To: old, Ignore: varve.IgnoreSettings{Presets: []string{}}, Within: Scope{In: []string{in}}.Holds, Verb: "rollback", Summary: "x"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		planned := map[string]bool{}
		for _, c := range res.Plan {
			got = append(got, c.Kind.String()+" "+c.Path)
			planned[c.Path], planned[c.Old] = true, true
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
		after := treeOf(t, r.project())
		for _, side := range []map[string]string{before, after} {
			for at := range side {
				if before[at] != after[at] && !planned[at] {
					t.Errorf("%s: %s is changed, unplanned", in, at)
				}
			}
		}
	}
}

// TestRevertPlan: the plan of a rollback is what it then does.
func TestRevertPlan(t *testing.T) {
	r := newRig(t)
	old := r.snap(map[string]string{"src/a.py": "old", "gone.py": "1", "deep/er/x.py": "2"})
	r.snap(map[string]string{"src/a.py": "new", "gone.py": "", "made.py": "3", "deep/er/x.py": "", "deep/er/y.py": "4"})
	o := varve.RevertOptions{To: old, Ignore: varve.IgnoreSettings{Presets: []string{}}, Verb: "rollback", Summary: "x", DryRun: true}
	plan, err := r.p.Revert(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	before := treeOf(t, r.project())
	o.DryRun = false
	done, err := r.p.Revert(t.Context(), o)
	if err != nil || fmt.Sprint(done.Plan) != fmt.Sprint(plan.Plan) {
		t.Errorf("planned %v, done %v, %v", plan.Plan, done.Plan, err)
	}
	after := treeOf(t, r.project())
	changed := map[string]bool{}
	for at := range before {
		if before[at] != after[at] {
			changed[at] = true
		}
	}
	for at := range after {
		if before[at] != after[at] {
			changed[at] = true
		}
	}
	for _, c := range plan.Plan {
		delete(changed, c.Path)
		delete(changed, c.Old)
	}
	if len(changed) > 0 {
		t.Errorf("changed and not planned: %v", changed)
	}
}

// TestReplaceNothing: of a folder that is empty, or not there, no backup is made.
func TestReplaceNothing(t *testing.T) {
	r := newRig(t)
	s := r.snap(map[string]string{"a.py": "a", "src/b.py": "b"})
	want := treeOf(t, r.project())
	for _, name := range []string{"empty", "missing"} {
		at := filepath.Join(r.dir, name)
		if name == "empty" {
			if err := os.Mkdir(at, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		res, err := r.Replace(t.Context(), s, at, nil)
		if err != nil || res.Backup != "" {
			t.Fatalf("%s: backup %q, %v", name, res.Backup, err)
		}
		if got := treeOf(t, at); !maps.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if left, err := filepath.Glob(filepath.Join(r.dir, "*_backup_*")); err != nil || len(left) > 0 {
		t.Errorf("%q, %v", left, err)
	}
	// A file that stands there is no empty folder.
	at := filepath.Join(r.dir, "file")
	if err := os.WriteFile(at, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	res, err := r.Replace(t.Context(), s, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(res.Backup); err != nil || string(b) != "mine" {
		t.Errorf("the file is %q as %q, %v", b, res.Backup, err)
	}
}
