package varve_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
	"varve/store"
)

// killedCalls are everything by which the program changes a file system, and openat, which makes files.
const killedCalls = "write,pwrite64,fsync,fdatasync,renameat,renameat2,linkat,unlinkat,openat,mkdirat,ftruncate,fallocate,symlinkat,fchmodat,utimensat"

// bench is the real program on a real disk.
type bench struct {
	binary string
	base   string // folders project, vault and cache to begin with, or without a vault
	vault  string // empty: the folder vault beside the project
	wants  []string
	gone   []int    // versions that need not be there any more
	ends   []string // what ends the work that was broken off, before all must be well; nil: nothing need
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
	every, least := 6, 100 // the steps grow, so that late calls are reached
	if *long {
		every, least = math.MaxInt, 500
	}
	type verbCase struct {
		name string
		b    *bench
		args []string
	}
	var kills atomic.Int64
	verbs := []verbCase{
		{"first snap", fresh, []string{"snap", "-q"}},
		{"second snap", kept, []string{"snap", "-q"}},
		{"restore to a new folder", kept, []string{"restore", "v1", "-q", "--to", "OUT"}},
		{"restore in place", kept, []string{"restore", "v1", "-q", "--delete"}},
	}
	if *long {
		forgetting := &bench{binary: binary, base: kept.base, wants: kept.wants, gone: []int{1}}
		verbs = append(verbs, verbCase{"forget", forgetting, []string{"forget", "v1", "-q", "--yes"}},
			verbCase{"gc", newWeeds(t, binary), []string{"gc", "-q", "--yes"}},
			verbCase{"verify", kept, []string{"verify", "--data", "-q"}},
			verbCase{"repair", newDamage(t, binary), []string{"repair", "-q"}})
	}
	for _, v := range verbs {
		before := kills.Load()
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
		t.Logf("%s: %d kills", v.name, kills.Load()-before)
	}
	t.Logf("%d kills", kills.Load())
	if kills.Load() < int64(least) {
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

// newBench makes a project that has seen some steps. After the first, varve keeps the state before. What is named is
// run before all else.
func newBench(t *testing.T, binary string, steps int, before ...string) *bench {
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
	if len(before) > 0 {
		if err := b.run(b.base, nil, before...); err != nil {
			t.Fatal(err)
		}
	}
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

// newWeeds makes a project of whose snapshots every second one is forgotten: a collection has packs to delete and to rewrite.
func newWeeds(t *testing.T, binary string) *bench {
	t.Helper()
	b := newBench(t, binary, 6)
	if err := b.run(b.base, nil, "forget", "v2", "v4", "-q", "--yes"); err != nil {
		t.Fatal(err)
	}
	b.gone = []int{2, 4}
	return b
}

// newDamage makes a vault with parity in which a byte of the largest pack has turned.
func newDamage(t *testing.T, binary string) *bench {
	t.Helper()
	b := newBench(t, binary, 2, "init", "--parity", "2", "-q")
	b.ends = []string{"repair", "-q"}
	var largest string
	var size int64
	err := filepath.WalkDir(filepath.Join(b.base, "vault", "packs"), func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		st, err := e.Info()
		if err == nil && st.Size() > size {
			largest, size = at, st.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	content[size/2] ^= 1
	if err := errors.Join(os.Chmod(largest, 0o600), os.WriteFile(largest, content, 0o600)); err != nil {
		t.Fatal(err)
	}
	if b.run(b.base, nil, "verify", "--data", "-q") == nil {
		t.Fatal("the damage is not noticed")
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
	if b.ends != nil {
		if err := b.run(dir, nil, b.ends...); err != nil {
			return err
		}
	}
	ctx := context.Background()
	project, err := disk.Open(filepath.Join(dir, "project"))
	if err != nil {
		return err
	}
	defer project.Close()
	vault, err := disk.Create(filepath.Join(dir, "vault"))
	if err != nil {
		return err
	}
	folder := store.NewFolder(vault)
	defer folder.Close()
	v, _, err := varve.OpenStore(ctx, folder, true, varve.Options{})
	if err != nil {
		return err
	}
	p, err := v.Project(project, filepath.Join(dir, "project"))
	if err != nil {
		return err
	}
	there := map[int]bool{}
	for _, s := range p.Snapshots() {
		there[s.Version] = true
		want := b.wants[min(s.Version, len(b.wants))-1]
		if got, err := restored(ctx, p, s); err != nil || got != want {
			return fmt.Errorf("%s: %w\n%s", s.Ref(), err, differ(got, want))
		}
	}
	for n := 1; n < len(b.wants); n++ {
		if !there[n] && !slices.Contains(b.gone, n) {
			return fmt.Errorf("v%d is not there", n)
		}
	}
	if err := b.checkOut(dir); err != nil {
		return err
	}
	return b.goOn(ctx, dir, &site{v: v, p: p, dir: project})
}

// goOn: a restore in place that was begun can be undone, and work goes on.
func (b *bench) goOn(ctx context.Context, dir string, s *site) error {
	p, project := s.p, s.dir
	st := &story{restoring: []string{b.wants[len(b.wants)-1], b.wants[0]}}
	now, err := list(project)
	if err != nil {
		return err
	}
	if err := st.eitherOf(now); err != nil {
		return err
	}
	if ops := p.Operations(); len(ops) > 0 && ops[0].Verb == "restore" {
		if _, res, err := p.Undo(ctx, false); err != nil || len(res.Errors) > 0 {
			return fmt.Errorf("undo: %w, %+v", err, res)
		}
		if now, err = list(project); err != nil || now != st.restoring[0] {
			return fmt.Errorf("undo gave something else: %w\n%s", err, differ(now, st.restoring[0]))
		}
	}
	snap, err := p.Snap(ctx, plainSnap())
	if err != nil {
		return err
	}
	if got, err := restored(ctx, p, snap); err != nil || got != now {
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
