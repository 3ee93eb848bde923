package script_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"varve/experiment/script"
)

// The tools that change something. In their place stands a program that counts, and at the chosen step kills the shell
// before or after the tool has worked.
const shellTrap = `#!/bin/sh
n=$(cat "$TRAP/count")
echo $((n + 1)) >"$TRAP/count"
if [ "$n" = "$TRAP_AT" ] && [ "$TRAP_WHEN" = before ]; then kill -9 "$(cat "$TRAP/main")"; exit 1; fi
"$TRAP_BIN/%[1]s" "$@"
code=$?
if [ "$n" = "$TRAP_AT" ]; then kill -9 "$(cat "$TRAP/main")"; fi
exit $code
`

// The same of Python: what changes something counts first.
const pythonTrap = `
import os, shutil, sys
at, n = int(os.environ["TRAP_AT"]), [0]
def count():
    if n[0] == at:
        os.kill(os.getpid(), 9)
    n[0] += 1
def trap(module, name):
    real = getattr(module, name)
    def f(*a, **k):
        count()
        r = real(*a, **k)
        count()
        return r
    setattr(module, name, f)
for name in ("mkdir", "rename", "replace", "remove", "rmdir", "symlink", "chmod", "utime", "unlink"):
    trap(os, name)
for name in ("copy2", "copyfileobj"):
    trap(shutil, name)
script = sys.argv[1]
sys.argv = sys.argv[1:]
exec(compile(open(script).read(), script, "exec"), {"__name__": "__main__", "__file__": script})
`

// trapped is a way to run a script that dies at step at.
type trapped struct {
	driver
	python bool
	tools  string // of a shell
	where  string
}

func newTrapped(t *testing.T, d driver) trapped {
	out := trapped{driver: d, python: d.name == "python3", where: t.TempDir()}
	if out.python {
		write(t, filepath.Join(out.where, "trap.py"), []byte(pythonTrap))
		return out
	}
	out.tools = filepath.Join(out.where, "tools")
	for _, tool := range []string{"mv", "cp", "mkdir", "rm", "chmod", "touch", "tar", "sync"} {
		at := filepath.Join(out.tools, tool)
		write(t, at, fmt.Appendf(nil, shellTrap, tool))
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// die runs the script and reports whether it was killed.
func (d trapped) die(t *testing.T, step int, dir string, args ...string) bool {
	t.Helper()
	var c *exec.Cmd
	if d.python {
		c = exec.Command("python3", append([]string{filepath.Join(d.where, "trap.py"), filepath.Join(dir, "rollback.py")}, args...)...)
		c.Env = append(os.Environ(), fmt.Sprintf("TRAP_AT=%d", step))
	} else {
		c = d.command(dir, args...)
		// The shell itself, and not one that it has made for a pipe.
		c = exec.Command("/bin/sh", append([]string{"-c", `echo $$ >"$TRAP/main"; exec "$@"`, "sh"}, c.Args...)...)
		real := t.TempDir()
		for _, tool := range []string{"mv", "cp", "mkdir", "rm", "chmod", "touch", "tar", "sync"} {
			from, err := exec.LookPath(tool)
			if d.path != "" {
				from = filepath.Join(d.path, tool)
			} else if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(from, filepath.Join(real, tool)); err != nil {
				t.Fatal(err)
			}
		}
		path := d.path
		if path == "" {
			path = os.Getenv("PATH")
		}
		when := "before"
		if step%2 == 1 {
			when = "after"
		}
		write(t, filepath.Join(d.where, "count"), []byte("0\n"))
		c.Env = append(os.Environ(), "PATH="+d.tools+":"+path, "TRAP="+d.where, "TRAP_BIN="+real, "TRAP_WHEN="+when, fmt.Sprintf("TRAP_AT=%d", step/2))
	}
	var talk bytes.Buffer
	c.Stderr = &talk
	err := c.Run()
	if err == nil {
		return false
	}
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Fatalf("%s at step %d: %v: %s", d.name, step, err, &talk)
	}
	return true
}

// TestKilled: killed at any step, the folder is as it was, or what was replaced is whole in a backup; and the next run
// finishes, by whichever driver.
func TestKilled(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	old := map[string]string{"same": "same", "a/one": "old one", "a/two": "old two", "file": "old", "dir": "a file where a folder was", "gone/extra": "extra", "link": "no link"}
	fill := func(dir string) {
		for name, text := range old {
			write(t, filepath.Join(dir, name), []byte(text))
		}
	}
	for name, text := range map[string]string{"same": "same", "a/one": "new one", "a/two": "new two", "a/three": "new three", "file": "new", "dir/inside": "new", "new/deep/file": "new"} {
		write(t, filepath.Join(source, name), []byte(text))
	}
	if err := os.Symlink("file", filepath.Join(source, "link")); err != nil {
		t.Fatal(err)
	}
	dir := keep(t, source).script(t)
	list := drivers(t)
	for _, d := range list {
		if d.name == "bash" || d.name == "pwsh" {
			continue // dash is as strict; no trap for the other
		}
		trap := newTrapped(t, d)
		steps, stride := 0, 31
		if *long {
			stride = 1
		}
		for step := 0; ; step += stride {
			target := filepath.Join(t.TempDir(), "target")
			fill(target)
			before := listing(t, target)
			if !trap.die(t, step, dir, "--to", target, "--yes") {
				break
			}
			steps++
			wholeOrBacked(t, fmt.Sprintf("%s at step %d", d.name, step), target, before, old)
			list[step%len(list)].must(t, dir, "--to", target, "--yes")
			finished(t, fmt.Sprintf("%s at step %d", d.name, step), target, source)
		}
		if steps < 2 {
			t.Errorf("%s was killed %d times only", d.name, steps)
		}
		t.Logf("%s: killed at %d points", d.name, steps)
	}
}

// wholeOrBacked wants the old content of every file of the folder, in it or in a backup; and a backup that is whole where
// anything is no more as it was.
func wholeOrBacked(t *testing.T, what, target string, before map[string]string, old map[string]string) {
	t.Helper()
	if diff := differences(listing(t, target), before); len(diff) == 0 {
		return
	}
	kept := backups(t, target)
	if len(kept) != 1 {
		t.Fatalf("%s: the folder has changed, and there are the backups %q", what, kept)
	}
	for _, name := range []string{"a/one", "a/two", "file", "dir", "link"} {
		if b, err := os.ReadFile(filepath.Join(kept[0], name)); err != nil || string(b) != old[name] {
			t.Fatalf("%s: the backup has %q of %s: %v", what, b, name, err)
		}
	}
}

func finished(t *testing.T, what, target, source string) {
	t.Helper()
	want := listing(t, source)
	got := listing(t, target)
	for _, extra := range []string{"gone", "gone/extra"} {
		want[extra] = got[extra]
	}
	if b, _ := os.ReadFile(filepath.Join(target, "gone/extra")); string(b) != "extra" {
		t.Errorf("%s: what the version does not have was not left alone: %q", what, b)
	}
	if diff := differences(got, want); len(diff) > 0 || left(t, target) {
		t.Errorf("%s, and run again: %s", what, strings.Join(diff, "\n"))
	}
}

// TestAnotherRuns: while one rollback runs, another of the same folder does not begin; one that is dead is no obstacle.
func TestAnotherRuns(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	write(t, filepath.Join(source, "f"), []byte("f"))
	dir := keep(t, source).script(t)
	for _, d := range drivers(t) {
		target := filepath.Join(t.TempDir(), "target")
		work := filepath.Join(filepath.Dir(target), ".varve-restore-target")
		write(t, filepath.Join(work, "pid"), fmt.Appendf(nil, "%d\n", os.Getpid()))
		if code, _, talk := d.run(t, dir, "--to", target, "--yes"); code != 11 || !strings.Contains(talk, "is running") {
			t.Errorf("%s: exit code %d: %s", d.name, code, talk)
		}
		dead := exec.Command("true")
		if err := dead.Run(); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(work, "pid"), fmt.Appendf(nil, "%d\n", dead.ProcessState.Pid()))
		d.must(t, dir, "--to", target, "--yes")
	}
}

// TestDeterministic: the same snapshot gives the same bytes, wherever and whenever it is asked for.
func TestDeterministic(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	build(t, source, 5)
	p := keep(t, source)
	a, b := listing(t, p.script(t)), listing(t, p.script(t))
	for name := range a {
		if x, y := strings.Fields(a[name]), strings.Fields(b[name]); len(y) < 4 || x[1] != y[1] || x[3] != y[3] {
			t.Errorf("%s: %q and %q", name, x, y)
		}
	}
	if _, err := script.Write(context.Background(), p.project, p.snapshot, script.Options{Dir: source, SelfContained: true}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder with files was taken: %v", err)
	}
}
