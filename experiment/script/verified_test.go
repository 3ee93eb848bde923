package script_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A meddler does something in the middle of a run: in the place of a tool of the shell, or of a function of Python.
type meddler struct {
	tool  string // of the shell, which then does its work
	shell string // what is done first; "$REAL" is the tool
	call  string // the function of Python
	code  string // what is done first, with its arguments in a
}

// meddle runs a driver with a meddler. PowerShell is left out.
func (d driver) meddle(t *testing.T, m meddler, dir string, args ...string) (int, string) {
	t.Helper()
	where := t.TempDir()
	var c *exec.Cmd
	if d.name == "python3" {
		module, name, _ := strings.Cut(m.call, ".")
		write(t, filepath.Join(where, "meddle.py"), fmt.Appendf(nil, `
import os, shutil, sys
real = %[1]s.%[2]s
done = []
def f(*a, **k):
    result = None
    if True:
%[3]s
    return real(*a, **k) if result is None else result
%[1]s.%[2]s = f
sys.argv = sys.argv[1:]
exec(compile(open(sys.argv[0]).read(), sys.argv[0], "exec"), {"__name__": "__main__", "__file__": sys.argv[0]})
`, module, name, "        "+strings.ReplaceAll(m.code, "\n", "\n        ")))
		c = exec.Command("python3", append([]string{filepath.Join(where, "meddle.py"), filepath.Join(dir, "rollback.py")}, args...)...)
		c.Env = os.Environ()
	} else {
		path := d.path
		if path == "" {
			path = os.Getenv("PATH")
		}
		real := filepath.Join(d.path, m.tool)
		if d.path == "" {
			var err error
			if real, err = exec.LookPath(m.tool); err != nil {
				t.Fatal(err)
			}
		}
		write(t, filepath.Join(where, m.tool), fmt.Appendf(nil, "#!/bin/sh\nREAL='%s'\n%s\n", real, m.shell))
		if err := os.Chmod(filepath.Join(where, m.tool), 0o755); err != nil {
			t.Fatal(err)
		}
		c = d.command(dir, args...)
		c.Env = append(os.Environ(), "PATH="+where+":"+path)
	}
	var talk bytes.Buffer
	c.Stderr = &talk
	_ = c.Run()
	return c.ProcessState.ExitCode(), talk.String()
}

// TestVerified: what came out of the payload wrong is not put back; what is wrong after it was put back is said, with where
// the backup is; and what somebody writes meanwhile is not lost.
func TestVerified(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	for _, name := range []string{"a", "b", "new"} {
		write(t, filepath.Join(source, name), []byte("version "+name))
	}
	dir := keep(t, source).script(t)
	for _, d := range drivers(t) {
		if d.name == "pwsh" || d.name == "bash" {
			continue
		}
		begin := func() (target, backup string) {
			target = filepath.Join(t.TempDir(), "target")
			write(t, filepath.Join(target, "a"), []byte("old a"))
			write(t, filepath.Join(target, "b"), []byte("old b"))
			t.Setenv("MEDDLE", target)
			return target, ""
		}
		content := func(at string) string {
			b, _ := os.ReadFile(at)
			return string(b)
		}

		target, _ := begin()
		before := listing(t, target)
		code, talk := d.meddle(t, meddler{"tar", `"$REAL" "$@"; echo wrong >tree/a`, "shutil.copyfileobj", `a[1].write(b"wrong")`}, dir, "--to", target, "--yes")
		if diff := differences(listing(t, target), before); code != 1 || len(diff) > 0 || left(t, target) || !strings.Contains(talk, "nothing was touched") {
			t.Errorf("%s, unpacked wrongly: exit code %d, %q: %s", d.name, code, diff, talk)
		}

		target, _ = begin()
		code, talk = d.meddle(t, meddler{"mv", `"$REAL" "$@"; code=$?; case $* in */target/b) echo wrong >"$MEDDLE/b";; esac; exit $code`, "os.replace",
			"real(*a, **k)\nresult = 1\nif a[1] == os.environ['MEDDLE'] + '/b': open(a[1], 'w').write('wrong')"}, dir, "--to", target, "--yes")
		kept := backups(t, target)
		if code != 20 || len(kept) != 1 || !strings.Contains(talk, kept[0]) || content(filepath.Join(kept[0], "b")) != "old b" {
			t.Errorf("%s, put back wrongly: exit code %d, backups %q: %s", d.name, code, kept, talk)
		}
		d.must(t, dir, "--to", target, "--yes")
		if content(filepath.Join(target, "b")) != "version b" {
			t.Errorf("%s: after one that went wrong, the next did not put it right", d.name)
		}

		target, _ = begin()
		code, talk = d.meddle(t, meddler{"sync", `echo later >"$MEDDLE/a"; echo came >"$MEDDLE/new"; exec "$REAL"`, "os.sync", "open(os.environ['MEDDLE'] + '/a', 'w').write('later\\n')\nopen(os.environ['MEDDLE'] + '/new', 'w').write('came\\n')"}, dir, "--to", target, "--yes")
		kept = backups(t, target)
		if len(kept) != 1 || content(filepath.Join(kept[0], "a")) != "old a" || content(filepath.Join(kept[0], "a.later")) != "later\n" || content(filepath.Join(kept[0], "new")) != "came\n" {
			t.Errorf("%s: what was written meanwhile is lost: exit code %d, %q: %s", d.name, code, kept, talk)
		}
	}
}

// TestLinksAreNotFollowed: a link in the place of a folder is put into the backup as a link, and nothing goes to where it
// leads.
func TestLinksAreNotFollowed(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	write(t, filepath.Join(source, "data", "f"), []byte("version"))
	write(t, filepath.Join(source, "file"), []byte("version"))
	dir := keep(t, source).script(t)
	for _, d := range drivers(t) {
		outside, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
		write(t, filepath.Join(outside, "f"), []byte("outside"))
		write(t, filepath.Join(target, "x"), nil)
		for name, to := range map[string]string{"data": outside, "file": filepath.Join(outside, "f")} {
			if err := os.Symlink(to, filepath.Join(target, name)); err != nil {
				t.Fatal(err)
			}
		}
		d.must(t, dir, "--to", target, "--yes")
		if b, _ := os.ReadFile(filepath.Join(outside, "f")); string(b) != "outside" || len(listing(t, outside)) != 1 {
			t.Errorf("%s has written where a link leads: %v", d.name, listing(t, outside))
		}
		if info, err := os.Lstat(filepath.Join(target, "data")); err != nil || !info.IsDir() {
			t.Errorf("%s: %v %v", d.name, info, err)
		}
		if to, err := os.Readlink(filepath.Join(backups(t, target)[0], "data")); to != outside {
			t.Errorf("%s: the backup has %q %v", d.name, to, err)
		}
	}
}
