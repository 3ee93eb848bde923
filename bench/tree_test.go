package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// plant makes a folder of files; a name that ends in / is a folder.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCompareNotices(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	files := func() map[string]string {
		return map[string]string{"a": "one", "sub/b": "two", "sub/long": long + "1", "whole": long, "none": "", "hollow/": ""}
	}
	for _, c := range []struct {
		name   string
		change func(files map[string]string)
		spoil  func(dir string) error
		want   string
	}{
		{"nothing", nil, nil, identical},
		{"varve's mark", func(f map[string]string) { f[".varve/project.toml"] = "id" }, nil, identical},
		{"content", func(f map[string]string) { f["a"] = "onE" }, nil, "1 differ, first a: other content"},
		{"far content", func(f map[string]string) { f["sub/long"] = long + "2" }, nil, "1 differ, first sub/long: other content"},
		{"length", func(f map[string]string) { f["whole"] = long + "x" }, nil, "1 differ, first whole: other content"},
		{"shorter", func(f map[string]string) { f["sub/long"] = long }, nil, "1 differ, first sub/long: other content"},
		{"missing", func(f map[string]string) { delete(f, "none") }, nil, "1 differ, first none: missing"},
		{"missing folder", func(f map[string]string) { delete(f, "hollow/") }, nil, "1 differ, first hollow: missing"},
		{"more", func(f map[string]string) { f["sub/c"] = "" }, nil, "1 differ, first sub/c: not in the original"},
		{"several", func(f map[string]string) { delete(f, "a"); f["z"] = "" }, nil, "2 differ, first a: missing"},
		{"mode", nil, func(dir string) error { return os.Chmod(filepath.Join(dir, "a"), 0o600) }, "1 differ, first a: -rw------- instead of -rw-r--r--"},
		{"kind", func(f map[string]string) { delete(f, "a"); f["a/"] = "" }, nil, "1 differ, first a: drwxr-xr-x instead of -rw-r--r--"},
		{"link", func(f map[string]string) { delete(f, "a") }, func(dir string) error { return os.Symlink("sub/b", filepath.Join(dir, "a")) }, "1 differ, first a: Lrwxrwxrwx instead of -rw-r--r--"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && (c.spoil != nil || c.name == "kind") {
				t.Skip("permissions are others here")
			}
			a, other := plant(t, files()), files()
			if c.change != nil {
				c.change(other)
			}
			b := plant(t, other)
			if c.spoil != nil {
				if err := c.spoil(b); err != nil {
					t.Fatal(err)
				}
			}
			got, err := compare(a, b)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestCompareLinks: the same kind, another target.
func TestCompareLinks(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for dir, target := range map[string]string{a: "x", b: "y"} {
		if err := os.Symlink(target, filepath.Join(dir, "l")); err != nil {
			t.Skip("no links here")
		}
	}
	got, err := compare(a, b)
	if want := "1 differ, first l: other content"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// TestEdit: the folder becomes the version; files that are the same, or only moved, keep their time; .varve stays.
func TestEdit(t *testing.T) {
	work := plant(t, map[string]string{"same": "1", "changed": "1", "gone/deep/x": "1234", "moved/y": "12345", "was/twin": "12345", ".varve/project.toml": "id"})
	old := time.Unix(1e9, 0)
	for _, name := range []string{"same", "changed", "moved/y", "was/twin"} {
		if err := os.Chtimes(filepath.Join(work, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	version := plant(t, map[string]string{"same": "1", "changed": "2", "new/place/y": "12345", "fresh": "12346", "was/twin": "12345"})
	n, err := edit(version, work)
	if err != nil {
		t.Fatal(err)
	}
	if n != 3 {
		t.Errorf("%d files written or moved, want 3: changed, new/place/y, fresh", n)
	}
	if got, err := compare(version, work); err != nil || got != identical {
		t.Errorf("the folder: %s, %v", got, err)
	}
	for name, kept := range map[string]bool{"same": true, "new/place/y": true, "was/twin": true, "changed": false, "fresh": false} {
		st, err := os.Stat(filepath.Join(work, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.ModTime().Equal(old) != kept {
			t.Errorf("%s has time %v, kept: want %v", name, st.ModTime(), kept)
		}
	}
	if _, err := os.Stat(filepath.Join(work, ".varve", "project.toml")); err != nil {
		t.Error(err)
	}
	if n, err := edit(version, work); err != nil || n != 0 {
		t.Errorf("again: %d files written, %v", n, err)
	}
}

// TestEditFromNothing: the folder need not be there, nor have folders in it.
func TestEditFromNothing(t *testing.T) {
	version, work := plant(t, map[string]string{"a": "1"}), filepath.Join(t.TempDir(), "deep", "src")
	if n, err := edit(version, work); err != nil || n != 1 {
		t.Fatalf("%d files written, %v", n, err)
	}
	if got, err := compare(version, work); err != nil || got != identical {
		t.Errorf("the folder: %s, %v", got, err)
	}
}
