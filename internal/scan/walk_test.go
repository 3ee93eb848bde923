package scan_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/scan"
	"varve/internal/scan/ignore"
	"varve/internal/tree"
)

// put makes folders (a path that ends in a slash), links (a content that starts with ->) and files.
func put(t testing.TB, root disk.Dir, entries map[string]string) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(entries)) {
		dir, name := "", p
		if i := strings.LastIndexByte(strings.TrimSuffix(p, "/"), '/'); i >= 0 {
			dir, name = p[:i], p[i+1:]
		}
		if folder, ok := strings.CutSuffix(name, "/"); ok {
			dir, name = strings.TrimPrefix(dir+"/"+folder, "/"), ""
		}
		d, err := disk.MkdirAll(root, dir, 0o755)
		if err == nil && name != "" {
			if target, ok := strings.CutPrefix(entries[p], "->"); ok {
				err = d.Symlink(target, name)
			} else {
				err = disk.WriteWhole(d, name, 0o644, []byte(entries[p]))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
}

func memory(t testing.TB, entries map[string]string) *disk.Memory {
	t.Helper()
	m := disk.NewMemory(disk.MemoryOptions{})
	put(t, m.Root(), entries)
	return m
}

// paths lists the folders and the entries that a walk has, as the file system's own listing would.
func reference(t testing.TB, d disk.Dir, at string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	list, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		p := strings.TrimPrefix(at+"/"+e.Name, "/")
		out[p] = true
		if e.Type != disk.Directory {
			continue
		}
		sub, err := d.OpenDir(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(out, reference(t, sub, p))
		sub.Close()
	}
	return out
}

// visits is what a walk has seen.
type visits struct {
	mu      sync.Mutex
	entered []string
	left    []string
	entries map[string]scan.State
	gone    []string
	errs    map[string]error
}

func (v *visits) options(workers int) scan.Options {
	v.entries, v.errs = map[string]scan.State{}, map[string]error{}
	return scan.Options{Workers: workers,
		Enter: func(_ *scan.Walker, f *scan.Folder) error {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.entered = append(v.entered, f.Path())
			for i := range f.Entries {
				v.entries[f.Join(f.Entries[i].Name)] = f.Entries[i].State
			}
			f.Gone(func(name string, _ disk.Type, _ uint64) { v.gone = append(v.gone, f.Join(name)) })
			if f.Err != nil {
				v.errs[f.Path()] = f.Err
			}
			return nil
		},
		Leave: func(_ *scan.Walker, f *scan.Folder) error {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.left = append(v.left, f.Path())
			return nil
		},
	}
}

func wide() map[string]string {
	out := map[string]string{"empty/": "", "link": "->a", "deep/1/2/3/4/5/file": "x"}
	for i := range 12 {
		for j := range 9 {
			out[fmt.Sprintf("d%d/e%d/f", i, j)] = "y"
		}
	}
	return out
}

// TestEachOnce: every folder is entered once and left once, after all below it, with 1, 2 and 8 workers.
func TestEachOnce(t *testing.T) {
	m := memory(t, wide())
	want := reference(t, m.Root(), "")
	for _, workers := range []int{1, 2, 8} {
		var v visits
		var tasks atomic.Int64
		opt := v.options(workers)
		enter, leave := opt.Enter, opt.Leave
		opt.Enter = func(w *scan.Walker, f *scan.Folder) error {
			if w.Worker < 0 || w.Worker >= workers {
				t.Errorf("worker %d of %d", w.Worker, workers)
			}
			n := new(atomic.Int64)
			f.User = n
			for range len(f.Entries) % 4 {
				w.Do(f, func(*scan.Walker) error { n.Add(1); tasks.Add(1); return nil })
			}
			return enter(w, f)
		}
		opt.Leave = func(w *scan.Walker, f *scan.Folder) error {
			if got := f.User.(*atomic.Int64).Load(); int(got) != len(f.Entries)%4 {
				t.Errorf("%q was left after %d tasks of %d", f.Path(), got, len(f.Entries)%4)
			}
			if _, err := f.Dir.List(nil); err != nil {
				t.Errorf("%q is closed before it is left: %v", f.Path(), err)
			}
			return leave(w, f)
		}
		if err := scan.Walk(t.Context(), m.Root(), opt); err != nil {
			t.Fatal(err)
		}
		if len(v.entries) != len(want) {
			t.Errorf("%d workers: %d entries, want %d", workers, len(v.entries), len(want))
		}
		for p := range want {
			if _, ok := v.entries[p]; !ok {
				t.Errorf("%d workers: %s was not seen", workers, p)
			}
		}
		at := map[string]int{}
		for i, p := range v.left {
			if _, twice := at[p]; twice {
				t.Errorf("%q was left twice", p)
			}
			at[p] = i
		}
		slices.Sort(v.entered)
		if len(slices.Compact(slices.Clone(v.entered))) != len(v.entered) || len(v.entered) != len(v.left) || tasks.Load() == 0 {
			t.Errorf("%d workers: entered %d, left %d", workers, len(v.entered), len(v.left))
		}
		for p, i := range at {
			if up := max(0, strings.LastIndexByte(p, '/')); p != "" && at[p[:up]] < i {
				t.Errorf("%q was left before %q", p[:up], p)
			}
		}
	}
}

// TestFolderErrors: a folder that cannot be opened or listed, or whose rules cannot be read, says so and is
// empty; all others are walked.
func TestFolderErrors(t *testing.T) {
	for _, c := range []struct {
		kind disk.OpKind
		path string
	}{{disk.OpOpenDir, "b/bad"}, {disk.OpList, "b/bad"}, {disk.OpOpen, "b/bad/.ig"}} {
		m := memory(t, map[string]string{"a/x": "", "b/bad/.ig": "*.o", "b/bad/sub/y": "", "b/good/z": "", "c": ""})
		broken := disk.NewFaulty(m.Root(), func(op disk.Op) error {
			if op.Kind == c.kind && op.Path == c.path {
				return fs.ErrPermission
			}
			return nil
		})
		var v visits
		opt := v.options(2)
		opt.Files = []string{".ig"}
		if err := scan.Walk(t.Context(), broken.Root(), opt); err != nil {
			t.Fatal(err)
		}
		if len(v.errs) != 1 || !errors.Is(v.errs["b/bad"], fs.ErrPermission) {
			t.Errorf("%v of %s: errors %v", c.kind, c.path, v.errs)
		}
		got := slices.Sorted(maps.Keys(v.entries))
		if want := []string{"a", "a/x", "b", "b/bad", "b/good", "b/good/z", "c"}; !slices.Equal(got, want) {
			t.Errorf("%v of %s: entries %q", c.kind, c.path, got)
		}
		if len(v.entered) != 5 || len(v.left) != 5 {
			t.Errorf("%v of %s: entered %q, left %q", c.kind, c.path, v.entered, v.left)
		}
	}
}

// TestCallbackErrors: the first error of a callback or a task ends the walk and is its error.
func TestCallbackErrors(t *testing.T) {
	m := memory(t, wide())
	stop := errors.New("enough")
	for name, change := range map[string]func(*scan.Options){
		"enter": func(o *scan.Options) {
			o.Enter = func(_ *scan.Walker, f *scan.Folder) error {
				if f.Name == "e3" {
					return stop
				}
				return nil
			}
		},
		"leave": func(o *scan.Options) {
			o.Leave = func(_ *scan.Walker, f *scan.Folder) error {
				if f.Name == "e3" {
					return stop
				}
				return nil
			}
		},
		"task": func(o *scan.Options) {
			o.Enter = func(w *scan.Walker, f *scan.Folder) error {
				if f.Name == "e3" {
					w.Do(f, func(*scan.Walker) error { return stop })
				}
				return nil
			}
		},
	} {
		for _, workers := range []int{1, 4} {
			var v visits
			opt := v.options(workers)
			change(&opt)
			if err := scan.Walk(t.Context(), m.Root(), opt); !errors.Is(err, stop) {
				t.Errorf("%s, %d workers: %v", name, workers, err)
			}
			if slices.Contains(v.left, "") {
				t.Errorf("%s, %d workers: the root was left", name, workers)
			}
		}
	}
}

func TestCancel(t *testing.T) {
	m := memory(t, wide())
	why := errors.New("the user went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	var v visits
	opt := v.options(2)
	opt.Enter = func(_ *scan.Walker, f *scan.Folder) error {
		if f.Name == "e1" {
			cancel(why)
			<-ctx.Done()
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	if err := scan.Walk(ctx, m.Root(), opt); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

// TestDeep: folders are walked down to a limit, and the one below it is an error of its own.
func TestDeep(t *testing.T) {
	m := disk.NewMemory(disk.MemoryOptions{})
	const levels = 4098
	d := m.Root()
	for range levels {
		if err := d.Mkdir("d", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := d.OpenDir("d")
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
		d = next
	}
	var deepest, failed atomic.Int64
	opt := scan.Options{Workers: 2,
		Enter: func(_ *scan.Walker, f *scan.Folder) error {
			if errors.Is(f.Err, scan.ErrDeep) {
				failed.Store(int64(f.Depth))
			} else if f.Err != nil {
				t.Error(f.Err)
			}
			deepest.Store(max(deepest.Load(), int64(f.Depth)))
			return nil
		},
		Leave: func(*scan.Walker, *scan.Folder) error { return nil }}
	if err := scan.Walk(t.Context(), m.Root(), opt); err != nil {
		t.Fatal(err)
	}
	if failed.Load() != 4097 || deepest.Load() != 4097 {
		t.Errorf("error at %d, deepest %d", failed.Load(), deepest.Load())
	}
}

// TestSpawnHelp: tasks that wait for what they spawned do not stand still, however few workers there are, also
// when all of them wait at once, and when the walk fails meanwhile.
func TestSpawnHelp(t *testing.T) {
	m := memory(t, wide())
	for _, workers := range []int{1, 2, 8} {
		for _, fail := range []bool{false, true} {
			var ran atomic.Int64
			wait := func(w *scan.Walker) error {
				var done atomic.Int64
				for range 5 {
					w.Spawn(func(*scan.Walker) { done.Add(1); ran.Add(1) })
				}
				for done.Load() < 5 {
					if !w.Help() {
						time.Sleep(10 * time.Microsecond)
					}
				}
				return nil
			}
			stop := errors.New("stop")
			var v visits
			opt := v.options(workers)
			opt.Enter = func(w *scan.Walker, f *scan.Folder) error {
				for range 2 {
					w.Do(f, wait)
				}
				if fail && f.Name == "e5" {
					return stop
				}
				return nil
			}
			done := make(chan error, 1)
			go func() { done <- scan.Walk(t.Context(), m.Root(), opt) }()
			select {
			case err := <-done:
				if fail != errors.Is(err, stop) || !fail && err != nil {
					t.Errorf("%d workers: %v", workers, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%d workers stand still", workers)
			}
			if want := int64(len(v.left)) * 10; !fail && ran.Load() != want {
				t.Errorf("%d workers: %d spawned tasks ran, want %d", workers, ran.Load(), want)
			}
		}
	}
}

// TestIgnore: rules of the options and of each folder's own files; what is left out is counted and told and a
// folder that is left out is not entered; what is varve's own is not even counted.
func TestIgnore(t *testing.T) {
	m := memory(t, map[string]string{
		".ig": "*.o\n/build/\n", "a.o": "12345", "a.c": "", "build/out/x": "", "sub/build/kept": "", "sub/.ig": "!keep.o\nsecret*\n",
		"sub/keep.o": "", "sub/drop.o": "123", "sub/secret.txt": "1", "other/keep.o": "22", "base.tmp": "4444",
		".varve/project.toml": "x", ".varve-restore-1/y": "", "sub/.varve/z": "", "skipped/in": "", "second/.other": "*.x\n", "second/b.x": "1",
	})
	// a folder of the name of an ignore file is no ignore file
	put(t, m.Root(), map[string]string{"other/.ig/": ""})
	var hidden, bytes atomic.Int64
	var mu sync.Mutex
	told := map[string]bool{}
	var v visits
	opt := v.options(4)
	enter := opt.Enter
	opt.Enter = func(w *scan.Walker, f *scan.Folder) error {
		hidden.Add(f.Hidden)
		bytes.Add(f.HiddenB)
		return enter(w, f)
	}
	opt.Files = []string{".ig", ".other"}
	opt.Rules = [][]*ignore.Rule{ignore.Parse("base", []byte("*.tmp\n"))}
	skipped, err := m.Root().Stat("skipped")
	if err != nil {
		t.Fatal(err)
	}
	opt.Skip = func(i disk.Info) bool { return i.Inode == skipped.Inode }
	opt.Ignored = func(f *scan.Folder, e *disk.Entry, by *ignore.Rule) {
		if by == nil {
			t.Error("no rule")
		}
		mu.Lock()
		defer mu.Unlock()
		told[f.Join(e.Name)] = true
	}
	if err := scan.Walk(t.Context(), m.Root(), opt); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(maps.Keys(v.entries))
	want := []string{".ig", "a.c", "other", "other/.ig", "second", "second/.other", "sub", "sub/.ig", "sub/build", "sub/build/kept", "sub/keep.o"}
	if !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
	left := slices.Sorted(maps.Keys(told))
	if want := []string{"a.o", "base.tmp", "build", "other/keep.o", "second/b.x", "sub/drop.o", "sub/secret.txt"}; !slices.Equal(left, want) {
		t.Errorf("left out %q, want %q", left, want)
	}
	if hidden.Load() != 7 || bytes.Load() != 5+4+2+1+3+1 {
		t.Errorf("left out %d entries of %d bytes", hidden.Load(), bytes.Load())
	}
}

// cached walks a folder and makes a cache of it, as a snapshot does. racy names files that are not to be
// trusted.
func cached(t testing.TB, root disk.Dir, racy func(path string) bool) []byte {
	t.Helper()
	return cachedFrom(t, root, nil, racy)
}

type record struct {
	off  uint64
	racy bool
}

func cachedFrom(t testing.TB, root disk.Dir, old *scan.Cache, racy func(path string) bool) []byte {
	t.Helper()
	w := scan.NewCacheWriter()
	var top uint64
	opt := scan.Options{Workers: 1, Cache: old,
		Enter: func(_ *scan.Walker, f *scan.Folder) error { f.User = map[int]record{}; return f.Err },
		Leave: func(_ *scan.Walker, f *scan.Folder) error {
			deep := false
			var entries []scan.CacheEntry
			for i := range f.Entries {
				e := scan.CacheEntry{Name: f.Entries[i].Name, Info: &f.Entries[i].Info, Racy: racy != nil && racy(f.Join(f.Entries[i].Name))}
				r := f.User.(map[int]record)[i]
				e.Child = r.off
				deep = deep || r.racy || e.Racy
				entries = append(entries, e)
			}
			off := w.Add(digestOf(f.Path()), f.Info.Device, tree.Summary{Files: uint64(len(entries))}, deep, entries)
			if f.Parent != nil {
				f.Parent.User.(map[int]record)[f.Index] = record{off, deep}
			} else {
				top = off
			}
			return nil
		}}
	if err := scan.Walk(t.Context(), root, opt); err != nil {
		t.Fatal(err)
	}
	return w.Seal(scan.CacheKey{Vault: [16]byte{1}, Project: [16]byte{2}}, top, packs())
}

// packs are those that the vault of cached has.
func packs() [][16]byte { return [][16]byte{{7}, {8, 9}} }

func digestOf(path string) digest.Digest {
	k := digest.Key{3}
	return k.Sum([]byte(path))
}
