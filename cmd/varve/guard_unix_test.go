//go:build unix

package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var long = flag.Bool("long", false, "run the suites at their full size")

// program is varve for a test that kills it: the test's own program, which is varve under that name (see TestMain).
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(t.TempDir(), "varve")
	if err := os.Symlink(self, at); err != nil {
		t.Fatal(err)
	}
	return at
}

// bed is a project with a vault, and a program to run in it.
type bed struct {
	program, root, project string
}

func newBed(t *testing.T, program string) *bed {
	t.Helper()
	root := t.TempDir()
	b := &bed{program, root, filepath.Join(root, "project")}
	if err := os.MkdirAll(b.project, 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) command(args ...string) *exec.Cmd {
	c := exec.Command(b.program, args...)
	c.Dir = b.project
	c.Env = append(os.Environ(), "HOME="+b.root, "XDG_DATA_HOME="+b.root+"/data", "XDG_CACHE_HOME="+b.root+"/cache", "XDG_CONFIG_HOME="+b.root+"/config", "VARVE_VAULT="+b.root+"/vault", "VARVE_KEYRING=off")
	return c
}

// ok runs a verb that must end with a code.
func (b *bed) ok(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, talk bytes.Buffer
	c := b.command(args...)
	c.Stdout, c.Stderr = &out, &talk
	err := c.Run()
	if got := c.ProcessState.ExitCode(); got != code {
		t.Fatalf("varve %s: exit code %d, want %d (%v)\n%s%s", strings.Join(args, " "), got, code, err, out.Bytes(), talk.Bytes())
	}
	return out.String()
}

func (b *bed) write(t *testing.T, name, content string) {
	t.Helper()
	at := filepath.Join(b.project, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tree is what the project's folder holds, without varve's own.
func (b *bed) tree(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(b.project, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); n == ".varve" || strings.HasPrefix(n, ".varve-restore-") {
				return fs.SkipDir
			}
			return nil
		}
		content, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(b.project, at)
		info, ierr := d.Info()
		if ierr != nil {
			return ierr
		}
		out[rel] = fmt.Sprintf("%v %x", info.Mode(), sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGuardKilled kills a guard with SIGKILL at random moments after its command has ended: while it keeps what is there,
// judges, and rolls back. What the next varve in the folder leaves is the state that the command left or the one before
// it, never a mixture.
func TestGuardKilled(t *testing.T) {
	kills := 15
	if *long {
		kills = 200
	}
	b := newBed(t, program(t))
	b.write(t, "varve-guard.toml", "[[metric]]\nname = \"accuracy\"\nfloor = 94\n")
	for i := range 40 {
		b.write(t, fmt.Sprintf("src/pkg%d/mod%d.py", i%7, i), fmt.Sprintf("def f(): return %d\n", i))
	}
	b.write(t, "config.yaml", "lr: 0.1\n")
	// The change that is bad: files changed, made, removed, moved, and one that turns into a folder.
	b.write(t, "change.sh", `for f in src/pkg[0-3]/*.py; do echo "# worse" >> $f; done
mkdir -p src/new/deep && echo x > src/new/deep/a.py
rm -rf src/pkg5 config.yaml && mkdir config.yaml && echo "lr: 9" > config.yaml/inner.yaml
mv src/pkg6/mod6.py src/moved.py
echo '{"accuracy": 50}' >> "$VARVE_METRICS"
touch ../ended
`)
	b.ok(t, 0, "snap")
	before := b.tree(t)
	ended := filepath.Join(b.root, "ended")
	guard := func() (*exec.Cmd, time.Time) {
		os.Remove(ended)
		c := b.command("guard", "-q", "--", "sh", "change.sh")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		for range 20_000 {
			if _, err := os.Stat(ended); err == nil {
				return c, time.Now()
			}
			time.Sleep(200 * time.Microsecond)
		}
		t.Fatal("the command did not end")
		return nil, time.Time{}
	}
	c, from := guard()
	err := c.Wait()
	whole := time.Since(from)
	if c.ProcessState.ExitCode() != exitDifferences {
		t.Fatalf("a bad change: %v, want exit code 4", err)
	}
	if got := b.tree(t); !maps.Equal(got, before) {
		t.Fatalf("not rolled back: %v", got)
	}
	b.ok(t, 0, "undo", "-q")
	failed := b.tree(t)
	b.ok(t, 0, "redo", "-q")
	if maps.Equal(failed, before) || len(failed) == 0 {
		t.Fatal("the change changes nothing")
	}
	r := rand.New(rand.NewPCG(1, 2))
	old, done, resumed := 0, 0, 0
	for i := range kills {
		c, _ := guard()
		time.Sleep(time.Duration(r.Int64N(int64(whole + whole/4))))
		_ = c.Process.Kill()
		_ = c.Wait()
		_, err := os.Stat(filepath.Join(b.project, ".varve", "revert"))
		half := err == nil
		b.ok(t, 0, "status", "-q")
		got := b.tree(t)
		switch {
		case maps.Equal(got, before):
			done++
		case maps.Equal(got, failed) && !half:
			old++
		default:
			t.Fatalf("kill %d: a mixture (a rollback was under way: %v)\n%v", i, half, got)
		}
		if half {
			resumed++
		}
		// From here on the next round begins with the same state.
		b.ok(t, 0, "rollback", "v1", "-q")
		if got := b.tree(t); !maps.Equal(got, before) {
			t.Fatalf("kill %d: rollback v1 gave %v", i, got)
		}
	}
	t.Logf("%d kills: %d left as the command left it, %d rolled back, %d of them half way and ended by the next varve", kills, old, done, resumed)
	b.ok(t, 0, "verify", "-q", "--data")
}
