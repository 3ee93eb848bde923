package hook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository is a real one, with a git that knows nothing of whoever runs the tests.
type repository struct {
	t    *testing.T
	dir  string
	home string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not here")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("sh is not here")
	}
	r := &repository{t: t, dir: filepath.Join(t.TempDir(), "it's a repository"), home: t.TempDir()}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", r.home)
	t.Setenv("XDG_CONFIG_HOME", r.home)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	for _, k := range []string{"NAME", "EMAIL"} {
		t.Setenv("GIT_AUTHOR_"+k, "a@example.org")
		t.Setenv("GIT_COMMITTER_"+k, "a@example.org")
	}
	r.git("init", "-q", "-b", "main")
	return r
}

// try runs git in the repository.
func (r *repository) try(args ...string) (string, error) {
	c := exec.Command("git", args...)
	c.Dir = r.dir
	b, err := c.CombinedOutput()
	return string(b), err
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return out
}

// program makes a varve that notes how it was called and ends with a code.
func (r *repository) program(code int) (path, log string) {
	r.t.Helper()
	path, log = filepath.Join(r.home, "a varve"), filepath.Join(r.home, "calls")
	r.write(path, fmt.Sprintf("#!/bin/sh\necho \"$*\" >>'%s'\nexit %d\n", log, code))
	return path, log
}

func (r *repository) write(path, text string) {
	r.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
		r.t.Fatal(err)
	}
}

// calls returns what the program was called with since the last time.
func (r *repository) calls(log string) string {
	b, _ := os.ReadFile(log)
	_ = os.Remove(log)
	return string(b)
}

func (r *repository) commit(name string) error {
	r.write(filepath.Join(r.dir, name), name)
	r.git("add", "-A")
	out, err := r.try("commit", "-q", "-m", name)
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// files lists a folder: name → mode and content.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range list {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		b, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		out[e.Name()] = fmt.Sprint(info.Mode(), info.ModTime(), string(b))
	}
	return out
}

// TestInstall: git calls the hooks, they call varve and then what was there before, and uninstalling leaves everything as it
// was.
func TestInstall(t *testing.T) {
	r := newRepository(t)
	ctx := context.Background()
	program, log := r.program(0)
	hooks := filepath.Join(r.dir, ".git", "hooks")
	r.write(filepath.Join(hooks, "pre-commit"), "#!/bin/sh\necho own >>\"$HOME/own\"\n")
	r.write(filepath.Join(hooks, "post-checkout"), "#!/bin/sh\necho checkout \"$3\" >>\"$HOME/own\"\n")
	r.write(filepath.Join(r.home, "rebase.sh"), "#!/bin/sh\necho rebase >>\"$HOME/own\"\n")
	if err := os.Symlink(filepath.Join(r.home, "rebase.sh"), filepath.Join(hooks, "pre-rebase")); err != nil {
		t.Fatal(err)
	}
	was := files(t, hooks)
	list, err := Install(ctx, r.dir, Options{Program: program})
	if err != nil || len(list) != 4 || !list[3].Chained {
		t.Fatal(list, err)
	}
	if err := r.commit("one"); err != nil {
		t.Fatal(err)
	}
	top := strings.TrimSpace(r.git("rev-parse", "--show-toplevel"))
	if got := r.calls(log); got != "-C "+top+" snap -q -m before git commit\n" {
		t.Errorf("varve was called with %q", got)
	}
	r.git("checkout", "-q", "-b", "side")
	if got := r.calls(log); got != "-C "+top+" snap -q -m after git checkout\n" {
		t.Errorf("varve was called with %q", got)
	}
	if err := r.commit("two"); err != nil {
		t.Fatal(err)
	}
	r.git("rebase", "-q", "-f", "main")
	if got := r.calls(log); !strings.Contains(got, "before git rebase") {
		t.Errorf("varve was called with %q", got)
	}
	own, _ := os.ReadFile(filepath.Join(r.home, "own"))
	if !strings.HasPrefix(string(own), "own\ncheckout 1\nown\nrebase\n") {
		t.Errorf("the hooks that were there did %q", own)
	}
	again, err := Install(ctx, r.dir, Options{Program: program, Strict: true, Events: []string{"pre-commit"}})
	if err != nil || !again[0].Chained || !again[0].Strict {
		t.Errorf("installed again: %v %v", again, err)
	}
	if there, err := List(ctx, r.dir); err != nil || len(there) != 4 || !there[1].Strict {
		t.Errorf("there is %v %v", there, err)
	}
	taken, err := Uninstall(ctx, r.dir, false)
	if err != nil || len(taken) != 4 {
		t.Errorf("uninstalled %v %v", taken, err)
	}
	if is := files(t, hooks); !maps.Equal(is, was) {
		t.Errorf("the folder has %v\nand had %v", slices.Sorted(maps.Keys(is)), slices.Sorted(maps.Keys(was)))
	}
}

// TestFailing: a varve that fails, or is gone, does not stop git, unless it is to; and the hook that was there still can.
func TestFailing(t *testing.T) {
	r := newRepository(t)
	ctx := context.Background()
	program, log := r.program(1)
	t.Setenv("PATH", filepath.Dir(mustFind(t, "git"))+":/bin:/usr/bin")
	if _, err := Install(ctx, r.dir, Options{Program: program}); err != nil {
		t.Fatal(err)
	}
	if err := r.commit("one"); err != nil || r.calls(log) == "" {
		t.Errorf("a varve that fails has stopped git: %v", err)
	}
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	if err := r.commit("two"); err != nil {
		t.Errorf("a varve that is gone has stopped git: %v", err)
	}
	program, _ = r.program(1)
	if _, err := Install(ctx, r.dir, Options{Program: program, Strict: true}); err != nil {
		t.Fatal(err)
	}
	if err := r.commit("three"); err == nil || !strings.Contains(err.Error(), "no snapshot was taken before git commit") {
		t.Errorf("strict: %v", err)
	}
	program, _ = r.program(0)
	if err := r.commit("four"); err != nil {
		t.Errorf("strict, and varve works: %v", err)
	}
	if _, err := Uninstall(ctx, r.dir, false); err != nil {
		t.Fatal(err)
	}
	r.write(filepath.Join(r.dir, ".git", "hooks", "pre-commit"), "#!/bin/sh\nexit 1\n")
	if _, err := Install(ctx, r.dir, Options{Program: program}); err != nil {
		t.Fatal(err)
	}
	if err := r.commit("five"); err == nil {
		t.Error("the hook that was there does not stop git any more")
	}
}

func mustFind(t *testing.T, name string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not here", name)
	}
	return p
}

// TestChanged: a hook that somebody has changed is neither written over nor taken away, and what would be lost is refused.
func TestChanged(t *testing.T) {
	r := newRepository(t)
	ctx := context.Background()
	program, _ := r.program(0)
	at := filepath.Join(r.dir, ".git", "hooks", "pre-commit")
	if _, err := Install(ctx, r.dir, Options{Program: program, Events: []string{"pre-commit", "post-merge"}}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	r.write(at, string(b)+"echo mine\n")
	if _, err := Install(ctx, r.dir, Options{Program: program}); !errors.Is(err, ErrChanged) {
		t.Errorf("written over: %v", err)
	}
	taken, err := Uninstall(ctx, r.dir, false)
	if !errors.Is(err, ErrChanged) || len(taken) != 2 || taken[1].Event != "post-merge" {
		t.Errorf("taken away: %v %v", taken, err)
	}
	if got, _ := os.ReadFile(at); string(got) != string(b)+"echo mine\n" {
		t.Error("what somebody wrote is gone")
	}
	r.write(at, "#!/bin/sh\n")
	r.write(at+before, "#!/bin/sh\n")
	if _, err := Install(ctx, r.dir, Options{Program: program}); err == nil || !strings.Contains(err.Error(), "both there") {
		t.Errorf("one of two hooks is lost: %v", err)
	}
	if err := os.Symlink("pre-commit", filepath.Join(r.dir, ".git", "hooks", "pre-push")); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(ctx, r.dir, Options{Program: program, Events: []string{"pre-push"}}); err == nil || !strings.Contains(err.Error(), "is a link to the hook") {
		t.Errorf("a link to another hook: %v", err)
	}
	if _, err := Install(ctx, r.dir, Options{Program: program, Events: []string{"update"}}); err == nil {
		t.Error("an event that is none of ours was taken")
	}
	if _, err := Install(ctx, t.TempDir(), Options{Program: program}); err == nil {
		t.Error("a folder without a repository was taken")
	}
}

// TestWhere: hooks go where git looks for them.
func TestWhere(t *testing.T) {
	r := newRepository(t)
	ctx := context.Background()
	program, log := r.program(0)
	if err := r.commit("one"); err != nil {
		t.Fatal(err)
	}
	t.Run("core.hooksPath of the repository", func(t *testing.T) {
		r.git("config", "core.hooksPath", "my hooks")
		list, err := Install(ctx, r.dir, Options{Program: program})
		if err != nil || !strings.HasPrefix(list[0].Path, filepath.Join(r.dir, "my hooks")) {
			t.Fatal(list, err)
		}
		if err := r.commit("two"); err != nil || r.calls(log) == "" {
			t.Errorf("varve was not called: %v", err)
		}
		if _, err := Uninstall(ctx, r.dir, false); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(r.dir, "my hooks")); err == nil {
			t.Error("the folder that was made is left")
		}
		r.git("config", "--unset", "core.hooksPath")
	})
	t.Run("core.hooksPath of all repositories", func(t *testing.T) {
		r.git("config", "--global", "core.hooksPath", filepath.Join(r.home, "hooks"))
		if list, err := Install(ctx, r.dir, Options{Program: program}); err == nil {
			t.Errorf("installed for all repositories: %v", list)
		}
		if _, err := Install(ctx, r.dir, Options{Program: program, Shared: true}); err != nil {
			t.Error(err)
		}
		if _, err := Uninstall(ctx, r.dir, false); err != nil {
			t.Error(err)
		}
		r.git("config", "--global", "--unset", "core.hooksPath")
	})
	t.Run("worktree", func(t *testing.T) {
		tree := filepath.Join(t.TempDir(), "tree")
		r.git("worktree", "add", "-q", tree)
		if _, err := Install(ctx, tree, Options{Program: program, Events: []string{"pre-commit"}}); err != nil {
			t.Fatal(err)
		}
		other := &repository{t: t, dir: tree, home: r.home}
		if err := other.commit("three"); err != nil {
			t.Fatal(err)
		}
		if got := r.calls(log); !strings.Contains(got, "-C "+tree+" snap") && !strings.Contains(got, "/tree snap") {
			t.Errorf("varve was called with %q", got)
		}
		if _, err := Uninstall(ctx, tree, false); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("submodule", func(t *testing.T) {
		r.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", r.dir, "sub")
		sub := &repository{t: t, dir: filepath.Join(r.dir, "sub"), home: r.home}
		list, err := Install(ctx, sub.dir, Options{Program: program, Events: []string{"pre-commit"}})
		if err != nil || !strings.Contains(filepath.ToSlash(list[0].Path), ".git/modules/sub/hooks") {
			t.Fatal(list, err)
		}
		if err := sub.commit("four"); err != nil || !strings.Contains(r.calls(log), "/sub snap") {
			t.Errorf("varve was not called there: %v", err)
		}
	})
	t.Run("a part of the repository", func(t *testing.T) {
		part := filepath.Join(r.dir, "a part")
		r.write(filepath.Join(part, "f"), "f")
		if _, err := Install(ctx, part, Options{Program: program, Project: part, Vault: "/a vault", Events: []string{"pre-commit"}}); err != nil {
			t.Fatal(err)
		}
		if err := r.commit("five"); err != nil {
			t.Fatal(err)
		}
		if got := r.calls(log); !strings.HasPrefix(got, "--vault /a vault -C ") || !strings.Contains(got, "/a part snap") {
			t.Errorf("varve was called with %q", got)
		}
	})
}

// TestStep: both systems have one.
func TestStep(t *testing.T) {
	for _, s := range Systems() {
		if step, err := Step(s); err != nil || !strings.Contains(step, "varve snap") || !strings.Contains(step, "varve guard") || strings.Contains(step, "\t") {
			t.Errorf("%s: %v: %s", s, err, step)
		}
	}
	if _, err := Step("other"); err == nil {
		t.Error("a system that is not known was taken")
	}
}
