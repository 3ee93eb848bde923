package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"varve"
)

// world returns an env in folders of its own; what it prints is in out and talk.
func world(t *testing.T) (e *env, out, talk *bytes.Buffer) {
	out, talk = &bytes.Buffer{}, &bytes.Buffer{}
	home := t.TempDir()
	e = &env{out: newOut(out), talk: talk, getenv: func(string) string { return "" }, now: time.Now, goos: "linux", home: home, cwd: home}
	return e, out, talk
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("x"), exitFailed},
		{usage("", "x"), exitUsage},
		{hinted(varve.ErrNoVault, "x"), exitNoVault},
		{varve.ErrFenced, exitBusy},
		{varve.ErrWrongKey, exitWrongKey},
		{varve.ErrDamaged, exitDamage},
		{varve.ErrMissing, exitDamage},
		{varve.ErrRolledBack, exitDamage},
		{&varve.PartialError{Failures: []varve.Failure{{Path: "a", Error: "b"}}}, exitPartial},
		{context.Canceled, exitInterrupted},
		{errInterrupted, exitInterrupted},
		{outcome(exitDifferences), exitDifferences},
	} {
		if got := classify(fmt.Errorf("verb: %w", c.err)); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

// TestNoSpaceHints wants the hint of the disk that is full: of the restored files, not of the vault.
func TestNoSpaceHints(t *testing.T) {
	if got := advice(fmt.Errorf("restore v1: %w", varve.ErrNoSpace)); !strings.Contains(got, "--to") || strings.Contains(got, "--vault") {
		t.Errorf("want of space in the target: %q", got)
	}
}

// TestExitCodesAreDistinct wants one row a number and one number a word, for programs read the word.
func TestExitCodesAreDistinct(t *testing.T) {
	numbers, words := map[int]bool{}, map[string]bool{}
	for _, c := range exitCodes() {
		if numbers[c.number] || words[c.word] {
			t.Errorf("twice: %d %s", c.number, c.word)
		}
		numbers[c.number], words[c.word] = true, true
	}
}

func TestInterrupted(t *testing.T) {
	e, out, _ := world(t)
	if err := os.WriteFile(filepath.Join(e.cwd, "a.txt"), []byte("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errInterrupted)
	if code := execute(ctx, e, []string{"snap", "--json"}); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	var j errorJSON
	if err := json.Unmarshal(out.Bytes(), &j); err != nil || j.Code != "interrupted" || j.Schema != "varve.error/1" {
		t.Errorf("%v %s", err, out)
	}
}

func TestConfirm(t *testing.T) {
	answer := func(e *env, text string) error {
		path := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		e.in = in
		return e.confirm("remove")
	}
	for _, c := range []struct {
		ask, yes    bool
		text        string
		ok, prompts bool
	}{
		{true, false, "y\n", true, true},
		{true, false, "Yes\n", true, true},
		{true, false, "n\n", false, true},
		{true, false, "\n", false, true},
		{true, false, "", false, true},
		{true, true, "n\n", true, false},
		{false, false, "n\n", true, false},
	} {
		e, _, talk := world(t)
		e.ask, e.yes = c.ask, c.yes
		if err := answer(e, c.text); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
		if prompts := strings.Contains(talk.String(), "[y/N]"); prompts != c.prompts {
			t.Errorf("%+v: asked %v", c, prompts)
		}
	}
}

// TestPlaces holds the vault's and the cache's places against the habits of each system.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		goos         string
		vars         map[string]string
		vault, cache string
	}{
		{"linux", nil, "HOME/.local/share/varve/vault", "HOME/.cache/varve"},
		{"linux", map[string]string{"XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/c"}, "/d/varve/vault", "/c/varve"},
		{"linux", map[string]string{"XDG_DATA_HOME": "relative", "XDG_CACHE_HOME": "relative"}, "HOME/.local/share/varve/vault", "HOME/.cache/varve"},
		{"darwin", nil, "HOME/Library/Application Support/varve/vault", "HOME/Library/Caches/varve"},
		{"windows", map[string]string{"LOCALAPPDATA": "/l"}, "/l/varve/vault", "/l/varve/cache"},
		{"windows", nil, "HOME/AppData/Local/varve/vault", "HOME/AppData/Local/varve/cache"},
	} {
		if runtime.GOOS == "windows" && c.goos == "linux" && c.vars != nil {
			continue // /d is not absolute there
		}
		e, _, _ := world(t)
		e.goos, e.getenv = c.goos, func(k string) string { return c.vars[k] }
		vault, named, err := e.vaultPath()
		want := strings.Replace(c.vault, "HOME", filepath.ToSlash(e.home), 1)
		if got := filepath.ToSlash(vault); err != nil || named || got != want {
			t.Errorf("%s %v: vault %s named %v, %v; want %s", c.goos, c.vars, got, named, err, want)
		}
		want = strings.Replace(c.cache, "HOME", filepath.ToSlash(e.home), 1)
		if got := filepath.ToSlash(e.cacheDir()); got != want {
			t.Errorf("%s %v: cache %s, want %s", c.goos, c.vars, got, want)
		}
	}
}

// TestEveryCommandHasHelp wants each to say what it does, in one line and grouped.
func TestEveryCommandHasHelp(t *testing.T) {
	e, _, _ := world(t)
	for _, c := range newRoot(e).Commands() {
		if c.Short == "" || c.Runnable() && c.GroupID == "" {
			t.Errorf("%s: help is missing or in no group", c.Name())
		}
		for _, sub := range c.Commands() {
			if sub.Short == "" {
				t.Errorf("%s: help is missing", sub.CommandPath())
			}
		}
	}
}

func TestRoff(t *testing.T) {
	for s, want := range map[string]string{"a-b": `a\-b`, `c\d`: `c\ed`, ".x": `\&.x`, "'x": `\&'x`} {
		if got := roff(s); got != want {
			t.Errorf("roff(%q) = %q, want %q", s, got, want)
		}
	}
}
