//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// python3 is the interpreter, without which a test is skipped; but not where nothing may be.
func python3(t *testing.T) string {
	t.Helper()
	at, err := exec.LookPath("python3")
	if err == nil {
		// A shim may stand for one that is not there.
		var b []byte
		if b, err = exec.Command(at, "-c", "import sys; print(sys.executable)").Output(); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	if os.Getenv("VARVE_CI") == "1" {
		t.Fatal("python3 is not here, and VARVE_CI wants it")
	}
	t.Skip("SKIP: python3 is not here: the workflow is not played")
	return ""
}

// objects are the lines that a verb prints.
func (b *bed) objects(t *testing.T, code int, args ...string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(b.ok(t, code, args...)) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, o)
	}
	return out
}

func (b *bed) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.project, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// newWorkflow is a project with the training of testdata/workflow.
func newWorkflow(t *testing.T) *bed {
	t.Helper()
	b := newBed(t, "varve")
	if err := os.CopyFS(b.project, os.DirFS("testdata/workflow")); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWorkflow plays what the version manager is for: keep, change, measure, compare, roll back, and roll back without it.
func TestWorkflow(t *testing.T) {
	python := python3(t)
	b := newWorkflow(t)
	b.ok(t, 0, "snap", "-q", "--milestone", "v1.0.0-baseline")
	baseline := b.tree(t)
	guard := func(code int, seed int, more ...string) map[string]any {
		t.Helper()
		out := b.objects(t, code, append([]string{"guard", "--json", "--seed", fmt.Sprint(seed)}, more...)...)
		return out[len(out)-1]
	}

	// Six seeds of the baseline, and of a change that is better.
	for seed := range 6 {
		run := guard(0, seed+1, "--name", "linear", "--", python, "train.py", fmt.Sprint(seed+1))
		if run["verdict"] != "passed" || run["metrics"].(map[string]any)["accuracy"].(float64) < 80 {
			t.Fatalf("the baseline with seed %d: %v", seed+1, run)
		}
	}
	for seed := range 6 {
		run := guard(0, seed+1, "--name", "longer", "--", python, "tune.py", fmt.Sprint(seed+1), "lr=0.05", "epochs=10")
		if run["verdict"] != "passed" || run["rolled_back"] != false {
			t.Fatalf("the change with seed %d: %v", seed+1, run)
		}
	}
	c := b.objects(t, 0, "compare", "linear", "longer", "--metric", "accuracy", "--json")[0]
	if c["verdict"] != "better" || c["paired"] != true || !reflect.DeepEqual(c["n"], []any{6., 6.}) || c["p"].(float64) >= 0.05 || c["delta"].(float64) <= 0 {
		t.Errorf("six seeds a side: %v", c)
	}
	if out := b.ok(t, 4, "compare", "longer", "linear", "--exit-code"); !strings.Contains(out, "worse") {
		t.Errorf("the other way round: %s", out)
	}

	// A bad change goes, from outside and from inside; what it trained stays.
	good := b.read(t, "config.json")
	run := guard(4, 1, "--name", "uphill", "--", python, "tune.py", "1", "lr=-0.5")
	if run["rolled_back"] != true || run["verdict"] != "regression" || !reflect.DeepEqual(run["put_back"], []any{"config.json"}) {
		t.Errorf("a bad change: %v", run)
	}
	if got := b.read(t, "config.json"); got != good {
		t.Errorf("a bad change stays: %s", got)
	}
	sdk, err := filepath.Abs("../../sdk/python")
	if err != nil {
		t.Fatal(err)
	}
	notebook := func(name string, settings ...string) string {
		t.Helper()
		c := b.command()
		c.Path, c.Args = python, append([]string{python, "notebook.py", name, "1"}, settings...)
		c.Env = append(c.Env, "PYTHONPATH="+sdk, "PYTHONDONTWRITEBYTECODE=1")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("notebook.py: %v\n%s", err, out)
		}
		return string(out)
	}
	if out := notebook("uphill-too", "lr=-0.4"); !strings.HasPrefix(out, "rolled back regression") {
		t.Errorf("a bad change in Python: %s", out)
	}
	if got := b.read(t, "config.json"); got != good {
		t.Errorf("a bad change in Python stays: %s", got)
	}
	if out := notebook("wider", "epochs=12"); !strings.HasPrefix(out, "kept passed") {
		t.Errorf("a good change in Python: %s", out)
	}
	if got := b.read(t, "config.json"); !strings.Contains(got, `"epochs": 12`) {
		t.Errorf("a good change in Python is gone: %s", got)
	}
	byName := b.objects(t, 0, "run", "ls", "--name", "uphill-too", "--json")
	if len(byName) != 1 || byName[0]["seed"] != "1" || byName[0]["rolled_back"] != true || byName[0]["params"].(map[string]any)["settings"] != "lr=-0.4" {
		t.Errorf("the run of the notebook: %v", byName)
	}
	if log := b.objects(t, 0, "changelog", "v1.0.0-baseline..latest", "--json")[0]; len(log["keys"].([]any)) != 2 {
		t.Errorf("the settings that were changed: %v", log["keys"])
	}

	b.withoutVarve(t, python, baseline)
}

// withoutVarve puts the baseline back by its scripts, with the vault away and no varve in PATH.
func (b *bed) withoutVarve(t *testing.T, python string, want map[string]string) {
	t.Helper()
	scripts := filepath.Join(b.root, "scripts")
	b.ok(t, 0, "rollback-script", "v1.0.0-baseline", "-o", scripts, "--self-contained", "-q")
	if err := os.Rename(filepath.Join(b.root, "vault"), filepath.Join(b.root, "away")); err != nil {
		t.Fatal(err)
	}
	var path []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "varve")); err != nil {
			path = append(path, dir)
		}
	}
	before := b.tree(t)
	for i, driver := range [][]string{{"sh", "rollback.sh"}, {python, "rollback.py"}, {"sh", "rollback.sh"}} {
		to := b.project
		c := exec.Command(driver[0], filepath.Join(scripts, driver[1]), "--yes")
		if i < 2 {
			to = filepath.Join(b.root, "to "+driver[1])
			c.Args = append(c.Args, "--to", to)
		}
		c.Env = []string{"PATH=" + strings.Join(path, string(os.PathListSeparator)), "HOME=" + b.root}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", driver[1], err, out)
		}
		there := bed{project: to}
		got := there.tree(t)
		if i == 2 { // what the version does not have stays
			maps.DeleteFunc(got, func(at, sum string) bool { return want[at] == "" && sum == before[at] })
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s to %s: %v\nwant %v", driver[1], to, got, want)
		}
	}
}

// TestRollbackPlanIsDone: what a dry run says is what is then done, in the JSON and in the folder.
func TestRollbackPlanIsDone(t *testing.T) {
	b := newBed(t, "varve")
	for at, text := range map[string]string{"src/a.py": "1", "src/adapter/x.py": "2", "conf.yaml": "3", "deep/er/old.txt": "4", "moved.txt": strings.Repeat("long enough to be known again\n", 50)} {
		b.write(t, at, text)
	}
	b.ok(t, 0, "snap", "-q")
	for _, at := range []string{"deep/er/old.txt", "deep/er", "deep", "conf.yaml"} {
		if err := os.Remove(filepath.Join(b.project, at)); err != nil {
			t.Fatal(err)
		}
	}
	for at, text := range map[string]string{"src/a.py": "new", "src/adapter/x.py": "new", "src/adapter/y.py": "made", "conf.yaml/inner.yaml": "a folder now", "new/er/b.txt": "made"} {
		b.write(t, at, text)
	}
	if err := os.Rename(filepath.Join(b.project, "moved.txt"), filepath.Join(b.project, "src/moved.txt")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"src/adapter"}, {"--scope", "src"}, {"--code"}, {}} {
		args = append([]string{"rollback", "v1", "--json"}, args...)
		before := b.tree(t)
		plan := b.objects(t, 0, append(slices.Clone(args), "--dry-run")...)[0]
		if got := b.tree(t); !maps.Equal(got, before) {
			t.Fatalf("%q: a dry run changes the folder", args)
		}
		done := b.objects(t, 0, args...)[0]
		if plan["dry_run"] != true || done["undo"] == nil || done["safety"] == nil {
			t.Errorf("%q: %v, %v", args, plan, done)
		}
		for _, field := range []string{"version", "id", "plan", "left", "files", "unchanged"} {
			if !reflect.DeepEqual(plan[field], done[field]) {
				t.Errorf("%q: %s was to be %v, is %v", args, field, plan[field], done[field])
			}
		}
		after := b.tree(t)
		changed := map[string]bool{}
		for _, side := range []map[string]string{before, after} {
			for at := range side {
				if before[at] != after[at] {
					changed[at] = true
				}
			}
		}
		planned := map[string]bool{}
		for _, c := range plan["plan"].([]any) {
			for _, key := range []string{"path", "old_path"} {
				if at, _ := c.(map[string]any)[key].(string); at != "" {
					planned[at] = true
				}
			}
		}
		for at := range changed {
			if !planned[at] {
				t.Errorf("%q: %s was changed and not planned", args, at)
			}
		}
		for at := range planned {
			if info, err := os.Lstat(filepath.Join(b.project, at)); !changed[at] && (err != nil || !info.IsDir()) && !strings.HasPrefix(at, "deep") && !strings.HasPrefix(at, "new") && !strings.HasPrefix(at, "conf.yaml") {
				t.Errorf("%q: %s was planned and is as before", args, at)
			}
		}
		b.ok(t, 0, "undo", "-q")
		if got := b.tree(t); !maps.Equal(got, before) {
			t.Errorf("%q: undo gives %v", args, got)
		}
	}
}

// TestOriginalAsks: the library put questions to whoever ran it, and hung where nobody was. No verb reads its input where
// it is no terminal.
func TestOriginalAsks(t *testing.T) {
	b := newBed(t, "varve")
	b.write(t, "a.py", "1")
	b.ok(t, 0, "snap", "-q")
	b.write(t, "a.py", "2")
	b.ok(t, 0, "snap", "-q")
	b.ok(t, 0, "metric", "add", "m", "1", "--version", "v1")
	b.ok(t, 0, "metric", "add", "m", "2", "--version", "v2")
	for _, args := range [][]string{
		{"rollback", "v1"}, {"rollback", "v2", "--replace"}, {"rollback", "v1", "--to", b.root + "/to"}, {"restore", "v1", "--delete"}, {"undo"}, {"redo"},
		{"rollback-script", "v1", "-o", b.root + "/s", "--self-contained"}, {"guard", "--", "true"}, {"run", "start"}, {"run", "finish"}, {"run", "ls"}, {"run", "show", "x"},
		{"compare", "v1", "v2"}, {"bisect", "start", "v1", "v2"}, {"bisect", "run", "--", "false"}, {"bisect", "metric", "m>1"}, {"bisect", "reset"}, {"changelog", "v1..v2"},
		{"critical", "add", "a.py"}, {"critical", "rm", "a.py"}, {"metric", "ls"}, {"metric", "add", "m", "3"}, {"verify", "v1", "--data"}, {"manifest", "v1"}, {"forget", "v1"}, {"gc"},
	} {
		in, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		const typed = "yes\nyes\nyes\n"
		if _, err := w.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		w.Close()
		c := b.command(args...)
		var talk bytes.Buffer
		c.Stdin, c.Stdout, c.Stderr = in, &talk, &talk
		err = c.Run()
		left := make([]byte, 100)
		n, _ := in.Read(left)
		if string(left[:n]) != typed {
			t.Errorf("%q reads its input: %q is left (%v)\n%s", args, left[:n], err, talk.Bytes())
		}
		in.Close()
	}
}

// TestOriginalCallsGit: its script called git stash, checkout and push, and removed folders of which there was no copy. A
// git that notes its calls sees none that changes anything; and after all verbs every file that was there is in the
// folder, beside it, or in the vault.
func TestOriginalCallsGit(t *testing.T) {
	b := newBed(t, "varve")
	calls := filepath.Join(b.root, "calls")
	b.write(t, "../bin/git", "#!/bin/sh\necho \"$@\" >>"+calls+"\necho 0123456789012345678901234567890123456789\n")
	if err := os.Chmod(filepath.Join(b.root, "bin/git"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Join(b.root, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	b.write(t, ".git/HEAD", "ref: refs/heads/main\n")
	b.write(t, "a.py", "1")
	b.ok(t, 0, "snap", "-q")
	b.write(t, "a.py", "2")
	b.write(t, "only.py", "nowhere else")
	b.write(t, "varve-guard.toml", "[[metric]]\nname = 'm'\nfloor = 5\n")
	b.ok(t, 4, "guard", "--", "sh", "-c", `echo bad >>a.py; echo '{"m": 1}' >>"$VARVE_METRICS"`)
	if got := b.read(t, "a.py") + b.read(t, "only.py"); got != "2nowhere else" {
		t.Errorf("after the guard: %q", got)
	}
	b.ok(t, 0, "run", "start", "-q")
	b.ok(t, 0, "run", "finish", "-q")
	b.ok(t, 0, "rollback", "v1", "-q")
	if _, err := os.Stat(filepath.Join(b.project, "only.py")); err == nil {
		t.Error("v1 has no only.py")
	}
	b.ok(t, 0, "undo", "-q")
	if got := b.read(t, "only.py"); got != "nowhere else" {
		t.Errorf("after undo: %q", got)
	}
	b.write(t, "later.py", "not in any version")
	out := b.objects(t, 0, "rollback", "v1", "--replace", "--json")[0]
	kept, err := os.ReadFile(filepath.Join(out["backup"].(string), "later.py"))
	if err != nil || string(kept) != "not in any version" {
		t.Errorf("the replaced folder: %q, %v", kept, err)
	}
	noted, _ := os.ReadFile(calls)
	for line := range strings.Lines(string(noted)) {
		verb := ""
		for _, word := range strings.Fields(line) {
			if !strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "/") {
				verb = word
				break
			}
		}
		if !slices.Contains([]string{"rev-parse", "status", "config", "log", "symbolic-ref"}, verb) {
			t.Errorf("git %s", line)
		}
	}
	if len(noted) == 0 {
		t.Error("the revision was not asked for: nothing was tried")
	}
}
