// Package hook has git take a snapshot before it changes something, by its hooks, and says what a step of a CI does.
//
// It promises: a hook that is there is kept and still called, and uninstalling brings it back as it was, the same file; a
// varve that fails does not stop git, unless that is wanted; a hook that somebody has changed since is not taken away.
//
// The bytes on disk: a file for each event in the folder that git says (git rev-parse --git-path hooks, which knows of
// core.hooksPath, worktrees and submodules). Its second line has the mark below and the SHA-256 of what follows it. The hook
// that was there before lies beside it as EVENT.before-varve.
package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	mark     = "# varve hook 1 "
	before   = ".before-varve"
	madeLine = "# The folder was made with it.\n"
	tooLarge = 1 << 20 // no hook of ours is near
)

// Events are the events of git that a snapshot can be taken at.
func Events() []string {
	return []string{"pre-commit", "pre-merge-commit", "pre-rebase", "pre-push", "pre-applypatch", "post-checkout", "post-merge", "post-commit", "post-rewrite"}
}

// Usual are those that are taken if none is named: what comes before a change, and what comes with another branch.
func Usual() []string {
	return []string{"pre-commit", "pre-merge-commit", "pre-rebase", "post-checkout"}
}

// ErrChanged says that a hook is not as varve has written it.
var ErrChanged = errors.New("the hook was changed by hand")

// Options say what hooks to write.
type Options struct {
	Events  []string // of Events; none for Usual
	Program string   // the varve to call: an absolute path
	Vault   string   // the vault to name to it; "" for the one that it finds
	Project string   // the project's folder, where it is a part of the repository; "" for all of that
	Strict  bool     // a varve that fails stops git
	Shared  bool     // also into a folder of hooks that other repositories use too
	DryRun  bool
}

// Hook is a hook of varve.
type Hook struct {
	Event   string
	Path    string
	Chained bool // a hook that was there before is called after it
	Strict  bool
	Changed bool // by hand
}

// Install writes hooks for the repository that a folder is in. Those that are there already are written anew.
func Install(ctx context.Context, dir string, o Options) ([]Hook, error) {
	events := o.Events
	if len(events) == 0 {
		events = Usual()
	}
	for _, e := range events {
		if !slices.Contains(Events(), e) {
			return nil, fmt.Errorf("git has no event %q that a snapshot can be taken at; there are %s", e, strings.Join(Events(), ", "))
		}
	}
	if !filepath.IsAbs(o.Program) || strings.ContainsAny(o.Program+o.Vault+o.Project, "\n\r") {
		return nil, fmt.Errorf("a hook cannot call %q", o.Program)
	}
	folder, err := hooksFolder(ctx, dir, o.Shared)
	if err != nil {
		return nil, err
	}
	if o.Project, err = within(ctx, dir, o.Project); err != nil {
		return nil, err
	}
	_, err = os.Stat(folder)
	made := errors.Is(err, fs.ErrNotExist)
	var out []Hook
	for _, e := range slices.Compact(slices.Sorted(slices.Values(events))) {
		h, err := place(folder, e, made, &o)
		if err != nil {
			return out, fmt.Errorf("hook %s: %w", e, err)
		}
		out = append(out, h)
	}
	return out, nil
}

// place writes one hook.
func place(folder, event string, made bool, o *Options) (Hook, error) {
	h := Hook{Event: event, Path: filepath.Join(folder, event), Strict: o.Strict}
	kept := h.Path + before
	old, body, err := read(h.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return h, err
	}
	there := err == nil
	_, keptErr := os.Lstat(kept)
	h.Chained = keptErr == nil
	switch {
	case there && old != nil && old.Changed:
		return h, fmt.Errorf("%s: %w: move what you have added to a file %s, which is called after it", h.Path, ErrChanged, filepath.Base(kept))
	case there && old != nil:
		made = strings.Contains(body, madeLine)
	case there && h.Chained:
		return h, fmt.Errorf("%s and %s are both there: which is to be called? Remove one", h.Path, filepath.Base(kept))
	case there:
		h.Chained = true
		if to, err := os.Readlink(h.Path); err == nil && slices.Contains(Events(), filepath.Base(to)) {
			return h, fmt.Errorf("%s is a link to the hook %s: what it did would change with that. Make it a file of its own", h.Path, to)
		}
	}
	if o.DryRun {
		return h, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return h, err
	}
	temp := filepath.Join(folder, "."+event+".varve-new")
	if err := writeNew(temp, text(event, o, made)); err != nil {
		return h, err
	}
	defer os.Remove(temp)
	if there && old == nil {
		// With a second name there is no moment without a hook. Not every disk has those.
		info, err := os.Lstat(h.Path)
		if err != nil {
			return h, err
		}
		if !info.Mode().IsRegular() || os.Link(h.Path, kept) != nil {
			if err := os.Rename(h.Path, kept); err != nil {
				return h, err
			}
		}
	}
	return h, os.Rename(temp, h.Path)
}

func writeNew(path, content string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// Uninstall takes the hooks of varve away and brings back those that were there before. It returns what it took. Hooks that
// were changed by hand stay, and are the error.
func Uninstall(ctx context.Context, dir string, dry bool) ([]Hook, error) {
	list, err := List(ctx, dir)
	if err != nil {
		return nil, err
	}
	var taken []Hook
	var wrong []error
	for _, h := range list {
		if h.Changed {
			wrong = append(wrong, fmt.Errorf("%s: %w: take it away yourself", h.Path, ErrChanged))
			continue
		}
		if !dry {
			if err := takeAway(h); err != nil {
				return taken, err
			}
		}
		taken = append(taken, h)
	}
	return taken, errors.Join(wrong...)
}

func takeAway(h Hook) error {
	if h.Chained {
		return os.Rename(h.Path+before, h.Path)
	}
	_, body, err := read(h.Path)
	if err != nil {
		return err
	}
	if err := os.Remove(h.Path); err != nil {
		return err
	}
	if strings.Contains(body, madeLine) {
		_ = os.Remove(filepath.Dir(h.Path)) // if nothing else is in it
	}
	return nil
}

// List returns the hooks of varve in the repository that a folder is in, by event.
func List(ctx context.Context, dir string) ([]Hook, error) {
	folder, err := hooksFolder(ctx, dir, true)
	if err != nil {
		return nil, err
	}
	var out []Hook
	for _, event := range slices.Sorted(slices.Values(Events())) {
		at := filepath.Join(folder, event)
		h, _, err := read(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if h == nil {
			continue
		}
		h.Event = event
		_, err = os.Lstat(at + before)
		h.Chained = err == nil
		out = append(out, *h)
	}
	return out, nil
}

// read returns what a file says of the hook that it is, and its text after the mark; nil where it is none of ours.
func read(path string) (*Hook, string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, "", err
	}
	if !info.Mode().IsRegular() {
		return nil, "", nil // a link is somebody's, even one to a hook of ours
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, tooLarge))
	if err != nil {
		return nil, "", err
	}
	head, rest, _ := strings.Cut(string(b), "\n")
	line, body, _ := strings.Cut(rest, "\n")
	sum, ours := strings.CutPrefix(line, mark)
	if !ours || head != "#!/bin/sh" {
		return nil, "", nil
	}
	return &Hook{Path: path, Strict: strings.Contains(body, strictLine), Changed: sum != digest(body)}, body, nil
}

func digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

const strictLine = "    exit 1\n"

// text is the hook of an event.
func text(event string, o *Options, made bool) string {
	var b strings.Builder
	b.WriteString("# Takes a snapshot. varve hook uninstall git takes this away and brings back what was here.\n")
	if made {
		b.WriteString(madeLine)
	}
	b.WriteString("varve=" + quote(filepath.ToSlash(o.Program)) + "\n")
	b.WriteString("[ -x \"$varve\" ] || varve=varve # it was moved\n")
	when := map[bool]string{true: "before", false: "after"}[strings.HasPrefix(event, "pre-")]
	what := event[strings.Index(event, "-")+1:]
	vault := ""
	if o.Vault != "" {
		vault = " --vault " + quote(o.Vault)
	}
	b.WriteString("if ! \"$varve\"" + vault + " -C \"$(git rev-parse --show-toplevel)\"" + quote(o.Project) + " snap -q -m '" + when + " git " + what + "' </dev/null >/dev/null; then\n")
	b.WriteString("    echo 'varve: no snapshot was taken " + when + " git " + what + "' >&2\n")
	if o.Strict {
		b.WriteString(strictLine)
	}
	b.WriteString("fi\n")
	b.WriteString("if [ -x \"$0" + before + "\" ]; then\n    exec \"$0" + before + "\" \"$@\"\nfi\nexit 0\n")
	return "#!/bin/sh\n" + mark + digest(b.String()) + "\n" + b.String()
}

func quote(s string) string {
	if s == "" {
		return ""
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// within returns where in the work tree a project's folder is: "/sub/folder", or "" where it is all of it, or more.
func within(ctx context.Context, dir, project string) (string, error) {
	if project == "" {
		return "", nil
	}
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(project); err == nil {
		project = real
	}
	rel, err := filepath.Rel(filepath.FromSlash(top), project)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", nil
	}
	return "/" + filepath.ToSlash(rel), nil
}

// hooksFolder asks git where the hooks of a repository are. A folder that other repositories have too is refused unless it
// may be shared.
func hooksFolder(ctx context.Context, dir string, shared bool) (string, error) {
	at, err := git(ctx, dir, "rev-parse", "--git-path", "hooks")
	if err != nil {
		return "", err
	}
	folder := at
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(dir, folder)
	}
	if folder, err = filepath.Abs(folder); err != nil || shared {
		return folder, err
	}
	if own, err := git(ctx, dir, "config", "--local", "--get", "core.hooksPath"); err == nil && own != "" {
		return folder, nil
	}
	if set, err := git(ctx, dir, "config", "--get", "core.hooksPath"); err == nil && set != "" {
		return "", fmt.Errorf("the hooks of this repository are in %s, which core.hooksPath names for all of your repositories: they would all get it", folder)
	}
	return folder, nil
}

// git runs git in a folder and returns its only line.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "git", args...)
	c.Dir = dir
	b, err := c.Output()
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("git is not here")
	case errors.As(err, &exit):
		return "", fmt.Errorf("git %s in %s: %s", args[0], dir, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimRight(string(b), "\r\n"), err
}
