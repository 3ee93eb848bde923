package varve_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// killedCalls are everything by which the program changes a file system, and openat, which makes files.
const killedCalls = "write,pwrite64,fsync,fdatasync,renameat,renameat2,linkat,unlinkat,openat,mkdirat,ftruncate,fallocate,symlinkat,fchmodat,utimensat"

// bench is the real program on a real disk.
type bench struct {
	binary string
	base   string // folders project, vault and cache to begin with, or without a vault
	vault  string // empty: the folder vault beside the project
	wants  []string
}

// TestKill kills the real program before its Nth system call of each kind.
func TestKill(t *testing.T) {
	if testing.Short() || raceOn {
		t.Skip("kills of the real program: not with -short or -race")
	}
	if out, err := exec.Command("strace", "-f", "-qq", "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("kills of the real program need strace and ptrace: %v %s", err, out)
	}
	binary := buildProgram(t)
	fresh, kept := newBench(t, binary, 0), newBench(t, binary, 2)
	every := 6 // the steps grow, so that late calls are reached
	if *long {
		every = math.MaxInt
	}
	type verbCase struct {
		name string
		b    *bench
		args []string
	}
	var kills atomic.Int64
	for _, v := range []verbCase{
		{"first snap", fresh, []string{"snap", "-q"}},
		{"second snap", kept, []string{"snap", "-q"}},
		{"restore to a new folder", kept, []string{"restore", "v1", "-q", "--to", "OUT"}},
		{"restore in place", kept, []string{"restore", "v1", "-q", "--delete"}},
	} {
		calls := strings.Split(killedCalls, ",")
		each(t, len(calls), func(i int) error {
			for n := 1; ; n += 1 + n/every {
				dead, err := v.b.kill(t, calls[i], n, v.args)
				if err != nil {
					return fmt.Errorf("%s, killed at %s %d: %w", v.name, calls[i], n, err)
				}
				if !dead {
					return nil
				}
				kills.Add(1)
			}
		})
	}
	t.Logf("%d kills", kills.Load())
	if kills.Load() < 100 {
		t.Errorf("only %d kills: the calls that are waited for are not those that the program makes", kills.Load())
	}
}

// buildProgram builds the real program.
func buildProgram(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "varve")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/varve").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// newBench makes a project that has seen some steps. After the first, varve keeps the state before.
func newBench(t *testing.T, binary string, steps int) *bench {
	t.Helper()
	b := &bench{binary: binary, base: t.TempDir()}
	for _, name := range []string{"project", "cache"} {
		if err := os.Mkdir(filepath.Join(b.base, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d, err := disk.Open(filepath.Join(b.base, "project"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for n := range steps + 1 {
		if n == 0 {
			err = fixture.Build(d, fixture.Game, fixture.Options{})
		} else {
			err = fixture.Step(d, fixture.Game, n, fixture.Options{})
		}
		if err != nil {
			t.Fatal(err)
		}
		b.wants = append(b.wants, listing(t, d))
		if n == steps {
			break
		}
		if out, err := b.command(b.base, nil, "snap", "-q").CombinedOutput(); err != nil {
			t.Fatalf("snap: %v\n%s", err, out)
		}
	}
	return b
}

// command is the program on the folders below dir, under what prefix says.
func (b *bench) command(dir string, prefix []string, args ...string) *exec.Cmd {
	for i := range args {
		if args[i] == "OUT" {
			args[i] = filepath.Join(dir, "out")
		}
	}
	all := append(prefix, b.binary)
	all = append(all, args[0], "-C", filepath.Join(dir, "project"), "--vault", cmp.Or(b.vault, filepath.Join(dir, "vault")))
	all = append(all, args[1:]...)
	c := exec.Command(all[0], all[1:]...)
	c.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"), "XDG_DATA_HOME="+filepath.Join(dir, "data"), "GOMAXPROCS=1")
	return c
}

// kill runs a verb on a copy of the folders until its nth call, and looks at what is left.
func (b *bench) kill(t *testing.T, call string, n int, args []string) (dead bool, err error) {
	dir, err := os.MkdirTemp(t.TempDir(), "kill")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if out, err := exec.Command("cp", "-a", b.base+"/.", dir).CombinedOutput(); err != nil {
		return false, fmt.Errorf("%w: %s", err, out)
	}
	c := b.command(dir, []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)}, append([]string(nil), args...)...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	err = c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && !exit.Exited(): // strace dies of the signal its tracee died of
		dead = true
	default:
		return false, fmt.Errorf("%w: %s", err, said.String())
	}
	return dead, b.check(dir)
}

// check: the vault opens, every snapshot is whole, a restore is whole or absent file by file, and work goes on.
func (b *bench) check(dir string) error {
	ctx := context.Background()
	project, err := disk.Open(filepath.Join(dir, "project"))
	if err != nil {
		return err
	}
	v, _, err := varve.OpenOrCreate(ctx, filepath.Join(dir, "vault"), varve.Options{})
	if err != nil {
		return err
	}
	p, err := v.Project(project, filepath.Join(dir, "project"))
	if err != nil {
		return err
	}
	all := p.Snapshots()
	if len(all) < len(b.wants)-1 {
		return fmt.Errorf("%d snapshots are left of %d", len(all), len(b.wants)-1)
	}
	for i, s := range all {
		if got, err := restored(ctx, p, s); err != nil || got != b.wants[min(i, len(b.wants)-1)] {
			return fmt.Errorf("%s: %w\n%s", s.Ref(), err, differ(got, b.wants[min(i, len(b.wants)-1)]))
		}
	}
	if err := b.checkOut(dir); err != nil {
		return err
	}
	st := &story{restoring: []string{b.wants[len(b.wants)-1], b.wants[0]}}
	now, err := list(project)
	if err != nil {
		return err
	}
	if err := st.eitherOf(now); err != nil {
		return err
	}
	if len(p.Operations()) > 0 {
		if _, res, err := p.Undo(ctx, false); err != nil || len(res.Errors) > 0 {
			return fmt.Errorf("undo: %w, %+v", err, res)
		}
		if now, err = list(project); err != nil || now != st.restoring[0] {
			return fmt.Errorf("undo gave something else: %w\n%s", err, differ(now, st.restoring[0]))
		}
	}
	s, err := p.Snap(ctx, plainSnap())
	if err != nil {
		return err
	}
	if got, err := restored(ctx, p, s); err != nil || got != now {
		return fmt.Errorf("snapshot afterwards: %w\n%s", err, differ(got, now))
	}
	if out, err := b.command(dir, nil, "verify", "--data", "-q").CombinedOutput(); err != nil {
		return fmt.Errorf("verify: %w: %s", err, out)
	}
	return nil
}

func (b *bench) checkOut(dir string) error {
	out, err := disk.Open(filepath.Join(dir, "out"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer out.Close()
	got, err := list(out)
	if err != nil {
		return err
	}
	want := byPath(b.wants[0])
	for p, line := range byPath(got) {
		if content(line) != content(want[p]) {
			return fmt.Errorf("under its final name: %q%s, want %s", p, line, want[p])
		}
	}
	return nil
}
