package experiment

import (
	"crypto/rand"
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
)

var long = flag.Bool("long", false, "run the suites at their full size")

// rig is a project with a vault on the machine's disk, and its lab.
type rig struct {
	t     *testing.T
	dir   string
	now   atomic.Int64 // ns
	vault *varve.Vault
	p     *varve.Project
	*Lab
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir()}
	r.now.Store(time.Now().Add(-time.Hour).UnixNano())
	r.reopen()
	return r
}

func (r *rig) clock() time.Time { return time.Unix(0, r.now.Add(int64(time.Second))).UTC() }

// reopen is another process.
func (r *rig) reopen() {
	r.t.Helper()
	cache, err := disk.Create(filepath.Join(r.dir, "cache"))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.vault, _, err = varve.OpenOrCreate(r.t.Context(), filepath.Join(r.dir, "vault"), varve.Options{Now: r.clock, Cache: cache}); err != nil {
		r.t.Fatal(err)
	}
	d, err := disk.Create(r.project())
	if err != nil {
		r.t.Fatal(err)
	}
	if r.p, err = r.vault.Project(d, r.project()); err != nil {
		r.t.Fatal(err)
	}
	if r.Lab != nil {
		r.Close()
	}
	if r.Lab, err = Open(r.t.Context(), r.vault, r.p, Options{Now: r.clock, Rand: rand.Reader, Temp: r.t.TempDir()}); err != nil {
		r.t.Fatal(err)
	}
	lab := r.Lab
	r.t.Cleanup(func() { lab.Close() })
}

func (r *rig) project() string { return filepath.Join(r.dir, "project") }

// write gives files new contents; "" removes.
func (r *rig) write(files map[string]string) {
	r.t.Helper()
	for name, text := range files {
		at := filepath.Join(r.project(), filepath.FromSlash(name))
		if text == "" {
			if err := os.Remove(at); err != nil {
				r.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) snap(files map[string]string) *varve.Snapshot {
	r.t.Helper()
	r.write(files)
	s, err := r.p.Snap(r.t.Context(), varve.SnapOptions{Ignore: varve.IgnoreSettings{Presets: []string{}}})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// run is a guarded run which changes files and logs JSON lines.
func (r *rig) run(s Start, files map[string]string, logged string, o Outcome) *Run {
	r.t.Helper()
	s.Ignore = varve.IgnoreSettings{Presets: []string{}}
	running, err := r.Begin(r.t.Context(), s)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(files)
	if err := os.WriteFile(running.MetricsFile(), []byte(logged), 0o644); err != nil {
		r.t.Fatal(err)
	}
	if o.Ended.IsZero() {
		o.Ended = time.Now().Add(time.Hour)
	}
	run, err := r.Finish(r.t.Context(), running, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return run
}

// treeOf is what a folder holds, without what varve notes in it.
func treeOf(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".varve" {
				return fs.SkipDir
			}
			return nil
		}
		b, err := os.ReadFile(at)
		rel, _ := filepath.Rel(root, at)
		out[filepath.ToSlash(rel)] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mustFail wants an error that says all of the words.
func mustFail(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one with %q", words)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}
