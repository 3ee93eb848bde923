package script_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/experiment/script"
	"varve/internal/disk"
)

var long = flag.Bool("long", false, "run the drivers at every point and on many trees")

// driver is one way to run a rollback script.
type driver struct {
	name string
	argv []string // before the arguments; DIR stands for the folder of the scripts
	path string   // PATH; "" for that of the test
}

// drivers are those of which this machine has the interpreter.
func drivers(t *testing.T) []driver {
	t.Helper()
	var out []driver
	for _, d := range []driver{{name: "dash", argv: []string{"dash", "DIR/rollback.sh"}}, {name: "bash", argv: []string{"bash", "DIR/rollback.sh"}}, {name: "python3", argv: []string{"python3", "DIR/rollback.py"}}, {name: "pwsh", argv: []string{"pwsh", "-NoProfile", "-File", "DIR/rollback.ps1"}}} {
		if _, err := exec.LookPath(d.argv[0]); err != nil {
			t.Logf("%s is not here: its driver is not run", d.name)
			continue
		}
		out = append(out, d)
	}
	if box, err := exec.LookPath("busybox"); err != nil {
		t.Log("busybox is not here: its driver is not run")
	} else {
		dir := t.TempDir()
		if b, err := exec.Command(box, "--install", "-s", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		out = append(out, driver{"busybox", []string{filepath.Join(dir, "sh"), "DIR/rollback.sh"}, dir})
	}
	if len(out) == 0 {
		t.Skip("no interpreter is here")
	}
	return out
}

// run runs the scripts in dir and returns exit code, stdout and stderr.
func (d driver) run(t *testing.T, dir string, args ...string) (int, string, string) {
	t.Helper()
	c := d.command(dir, args...)
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), talk.String()
}

func (d driver) command(dir string, args ...string) *exec.Cmd {
	argv := slices.Clone(d.argv)
	for i := range argv {
		argv[i] = strings.Replace(argv[i], "DIR", dir, 1)
	}
	c := exec.Command(argv[0], append(argv[1:], args...)...)
	c.Env = os.Environ()
	if d.path != "" {
		c.Env = append(c.Env, "PATH="+d.path)
	}
	return c
}

// must runs and wants the exit code 0.
func (d driver) must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	code, out, talk := d.run(t, dir, args...)
	if code != 0 {
		t.Fatalf("%s %q: exit code %d: %s%s", d.name, args, code, out, talk)
	}
	return out
}

// project is a folder that a vault has a version of.
type project struct {
	dir      string
	project  *varve.Project
	snapshot *varve.Snapshot
}

// keep takes a snapshot of a folder into a vault of its own.
func keep(t *testing.T, dir string) *project {
	t.Helper()
	ctx := context.Background()
	v, _, err := varve.OpenOrCreate(ctx, filepath.Join(t.TempDir(), "vault"), varve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.Project(d, dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Snap(ctx, varve.SnapOptions{Ignore: varve.IgnoreSettings{Presets: []string{}}})
	if err != nil {
		t.Fatal(err)
	}
	return &project{dir, p, s}
}

// script makes the self-contained folder.
func (p *project) script(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rollback of it's")
	if _, err := script.Write(context.Background(), p.project, p.snapshot, script.Options{Dir: dir, Target: p.dir, SelfContained: true}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// hard are names that a script can go wrong with.
var errNames = errors.New("a\nb|it's|say \"x\"|-rf|*|[a]|$HOME|`id`|back\\slash|tab\there|{a,b}|größe 漫画|~|#x|a;b|trailing |\x01\x7f|%s%n|&|\\0101|!|=|raw\xff\xfe|.hidden|..dots")

func hardNames() []string { return strings.Split(errNames.Error(), "|") }

// build fills a folder with a random tree. Each seed has another.
func build(t *testing.T, dir string, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	names := hardNames()
	long := strings.Repeat("long", 30)
	folders := []string{"", "src", "src/deep", "empty", "a", "a-b", long, long + "/" + long}
	for range 4 {
		folders = append(folders, folders[r.IntN(len(folders))]+"/"+names[r.IntN(len(names))])
	}
	for _, f := range folders {
		if err := os.MkdirAll(filepath.Join(dir, f), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	modes := []fs.FileMode{0o644, 0o600, 0o755, 0o400, 0o444, 0o664}
	for i := range 40 {
		f := folders[r.IntN(len(folders))]
		if strings.HasSuffix(f, "empty") {
			continue
		}
		at := filepath.Join(dir, f, names[r.IntN(len(names))])
		if i%4 == 0 {
			at = filepath.Join(dir, f, fmt.Sprintf("file%02d", i))
		}
		if _, err := os.Lstat(at); err == nil {
			continue
		}
		if r.IntN(6) == 0 {
			if err := os.Symlink([]string{"file00", "/nowhere/at all", "../src", strings.Repeat("x/", 80), "line\nbreak\n"}[r.IntN(5)], at); err != nil {
				t.Fatal(err)
			}
			continue
		}
		b := make([]byte, r.IntN(3000))
		for j := range b {
			b[j] = byte(r.IntN(256))
		}
		write(t, at, b)
		if err := os.Chmod(at, modes[r.IntN(len(modes))]); err != nil {
			t.Fatal(err)
		}
		when := time.Unix(1_400_000_000+r.Int64N(300_000_000), r.Int64N(1e9))
		if err := os.Chtimes(at, when, when); err != nil {
			t.Fatal(err)
		}
	}
	for i, f := range slices.Backward(folders) {
		when := time.Unix(1_300_000_000+int64(i)*1000, 0)
		_ = os.Chmod(filepath.Join(dir, f), []fs.FileMode{0o755, 0o700, 0o550}[i%3])
		if f != "" {
			_ = os.Chtimes(filepath.Join(dir, f), when, when)
		}
	}
	_ = os.Chmod(dir, 0o755)
}

// spoil changes a folder at random: other contents, other kinds, things gone, things come.
func spoil(t *testing.T, dir string, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 11))
	var all []string
	_ = filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(at, 0o755)
		}
		if err == nil && at != dir {
			all = append(all, at)
		}
		return nil
	})
	for i, at := range all {
		info, err := os.Lstat(at)
		if err != nil {
			continue // it went with its folder
		}
		switch r.IntN(9) {
		case 0:
			remove(t, at)
		case 1:
			remove(t, at)
			write(t, at, fmt.Appendf(nil, "now another %d", i))
		case 2:
			if info.IsDir() {
				write(t, filepath.Join(at, fmt.Sprintf("extra %d", i)), []byte("extra"))
				continue
			}
			remove(t, at)
			write(t, filepath.Join(at, "inside", "file"), []byte("a folder where a file was"))
		case 3:
			remove(t, at)
			if err := os.Symlink(t.TempDir(), at); err != nil { // leads out: nothing may be written there
				t.Fatal(err)
			}
		case 4:
			if info.Mode().IsRegular() {
				_ = os.Chmod(at, 0o640)
			}
		}
	}
	for i, n := range hardNames() {
		if at := filepath.Join(dir, "x"+n); i%3 == 0 {
			write(t, at, []byte(n))
		} else if i%3 == 1 {
			write(t, filepath.Join(dir, "more"+n, n, "f"), []byte(n))
		}
	}
	when := time.Unix(1_500_000_000, 0)
	_ = filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSymlink == 0 {
			_ = os.Chtimes(at, when, when)
		}
		return nil
	})
}

func write(t *testing.T, at string, b []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, at string) {
	t.Helper()
	if err := os.RemoveAll(at); err != nil {
		t.Fatal(err)
	}
}

// listing describes everything below a folder: path → kind, mode, time, content.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || at == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, at)
		if rel == ".varve" {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := os.Readlink(at)
			out[rel] = "link " + to
			return err
		case d.IsDir():
			out[rel] = fmt.Sprintf("dir %o %d", info.Mode().Perm(), info.ModTime().Unix())
		default:
			b, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			out[rel] = fmt.Sprintf("file %o %d %x", info.Mode().Perm(), info.ModTime().Unix(), sha256.Sum256(b))
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}

// differences says what two listings do not agree on.
func differences(got, want map[string]string) []string {
	var out []string
	for p, w := range want {
		if got[p] != w {
			out = append(out, fmt.Sprintf("%q is %q, want %q", p, got[p], w))
		}
	}
	for p, g := range got {
		if _, ok := want[p]; !ok {
			out = append(out, fmt.Sprintf("%q is %q, want nothing", p, g))
		}
	}
	sort.Strings(out)
	return out
}

// backups are the folders beside a target that rollbacks have made.
func backups(t *testing.T, target string) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list {
		if strings.HasPrefix(e.Name(), filepath.Base(target)+"_backup_") {
			out = append(out, filepath.Join(filepath.Dir(target), e.Name()))
		}
	}
	return out
}

// left reports what a run has left beside its target that is not a backup.
func left(t *testing.T, target string) bool {
	_, err := os.Lstat(filepath.Join(filepath.Dir(target), ".varve-restore-"+filepath.Base(target)))
	return err == nil
}
