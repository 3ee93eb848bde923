package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestGuardLeavesOthersWork edits files from outside while a guarded command runs, in the ways that editors do.
func TestGuardLeavesOthersWork(t *testing.T) {
	b := newBed(t, program(t))
	w := (&env{}).witness(b.project)
	if w.stop() == nil {
		t.Skip("SKIP: watching a file system is not allowed here, so nobody can tell who writes")
	}
	b.write(t, "varve-guard.toml", "[[metric]]\nname = \"accuracy\"\nfloor = 94\n")
	for _, f := range []string{"theirs.py", "mine.py", "both.py", "moved.py", "gone.py", "sub/deep.py"} {
		b.write(t, f, "first\n")
	}
	b.ok(t, 0, "snap")
	// The command writes, waits until the others have written, and writes again.
	b.write(t, "change.sh", `echo bad > theirs.py; echo bad > both.py; echo bad > sub/new.py
touch ../begun; while [ ! -e ../go ]; do sleep 0.02; done
(sleep 0.1; echo late > theirs2.py) & echo '{"accuracy": 1}' >> "$VARVE_METRICS"; wait
`)
	c := b.command("guard", "--", "sh", "change.sh")
	var talk strings.Builder
	c.Stdout, c.Stderr = &talk, &talk
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := os.Stat(filepath.Join(b.root, "begun")); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.write(t, "mine.py", "my own work\n")     // by this process
	b.write(t, "both.py", "my own work too\n") // after the command has
	b.write(t, "sub/deep.py", "deep work\n")
	b.write(t, "moved.py.tmp", "saved by way of a name\n")
	if err := os.Rename(filepath.Join(b.project, "moved.py.tmp"), filepath.Join(b.project, "moved.py")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(b.project, "gone.py")); err != nil {
		t.Fatal(err)
	}
	// An editor runs on after it has saved.
	editor := exec.Command("sh", "-c", "echo by an editor > new.py; exec sleep 60")
	editor.Dir = b.project
	if err := editor.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = editor.Process.Kill()
		_ = editor.Wait()
	}()
	for range 1000 {
		if content, err := os.ReadFile(filepath.Join(b.project, "new.py")); err == nil && len(content) > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.write(t, "../go", "")
	_ = c.Wait()
	if got := c.ProcessState.ExitCode(); got != exitDifferences {
		t.Fatalf("exit code %d, want 4\n%s", got, talk.String())
	}
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(b.project, name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(content))
	}
	for name, want := range map[string]string{
		"theirs.py": "first", "sub/new.py": "", "theirs2.py": "", // the command's
		"mine.py": "my own work", "both.py": "my own work too", "sub/deep.py": "deep work", "moved.py": "saved by way of a name", "gone.py": "", "new.py": "by an editor",
	} {
		if got := read(name); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"mine.py", "both.py", "sub/deep.py", "moved.py", "gone.py", "new.py"} {
		if !strings.Contains(talk.String(), "left as it is: "+name) {
			t.Errorf("nothing is said of %s", name)
		}
	}
	if t.Failed() {
		t.Log(talk.String())
	}
}
