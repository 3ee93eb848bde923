package scan_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/disk"
	"varve/internal/scan"
	"varve/internal/tree"
)

func openCache(t testing.TB, b []byte) *scan.Cache {
	t.Helper()
	c, err := scan.OpenCache(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// statesOf walks a folder against a cache.
func statesOf(t testing.TB, root disk.Dir, c *scan.Cache, workers int) *visits {
	t.Helper()
	v := new(visits)
	opt := v.options(workers)
	opt.Cache = c
	if err := scan.Walk(t.Context(), root, opt); err != nil {
		t.Fatal(err)
	}
	slices.Sort(v.gone)
	return v
}

// infos are the paths below a folder and what the file system says of them.
func infos(t testing.TB, d disk.Dir, at string) map[string]disk.Info {
	t.Helper()
	out := map[string]disk.Info{}
	list, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		p := strings.TrimPrefix(at+"/"+e.Name, "/")
		out[p] = e.Info
		if e.Type == disk.Directory {
			sub, err := d.OpenDir(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(out, infos(t, sub, p))
			sub.Close()
		}
	}
	return out
}

// wantState is the promise, in words of what the file system says before and after.
func wantState(old, now disk.Info, known, racy bool) scan.State {
	if now.Type == disk.Directory {
		old.Size, old.Links, now.Size, now.Links = 0, 0, 0, 0
	}
	old.Allocated, old.Device, old.Rdev, old.Attrs = now.Allocated, now.Device, now.Rdev, now.Attrs
	switch {
	case !known || old.Type != now.Type:
		return scan.New
	case now.Type != disk.Directory && racy:
		return scan.Changed
	case old == now:
		return scan.Same
	case now.Type == disk.Directory || old.Size == now.Size && old.Mtime == now.Mtime:
		return scan.Touched
	}
	return scan.Changed
}

// life does something to a folder that a user could do.
func life(t *rapid.T, root disk.Dir) string {
	dirs := []string{"", "a", "b"}
	p := rapid.SampledFrom(dirs).Draw(t, "dir")
	name := rapid.SampledFrom([]string{"1", "2", "3", "a", "b"}).Draw(t, "name")
	d, err := disk.Walk(root, p)
	if err != nil {
		return "no " + p
	}
	defer d.Close()
	what := rapid.SampledFrom([]string{"write", "rewrite", "remove", "mkdir", "chmod", "chown", "touch", "rename", "link", "symlink", "nothing"}).Draw(t, "what")
	switch what {
	case "write":
		err = disk.WriteWhole(d, name, 0o644, []byte(rapid.SampledFrom([]string{"x", "y", "long"}).Draw(t, "content")))
	case "rewrite": // the same size and, in the end, the same mtime: only ctime tells
		if f, oerr := d.OpenWrite(name); oerr == nil {
			i, _ := f.Stat()
			_, err = f.WriteAt([]byte("z"), 0)
			f.Close()
			if i.Size > 0 {
				err = d.SetMeta(name, disk.Change{Mtime: &i.Mtime})
			}
		}
	case "remove":
		err = disk.RemoveAll(d, name)
	case "mkdir":
		err = d.Mkdir(name, 0o755)
	case "chmod":
		m := rapid.SampledFrom([]uint32{0o600, 0o644, 0o755}).Draw(t, "mode")
		err = d.SetMeta(name, disk.Change{Mode: &m})
	case "chown":
		err = d.SetMeta(name, disk.Change{Owner: &disk.Owner{UID: rapid.Uint32Range(0, 1).Draw(t, "uid")}})
	case "touch":
		at := rapid.Int64Range(1, 3).Draw(t, "mtime")
		err = d.SetMeta(name, disk.Change{Mtime: &at})
	case "rename":
		err = d.Rename(name, d, rapid.SampledFrom([]string{"1", "2", "9"}).Draw(t, "to"))
	case "link":
		err = d.Link(name, d, rapid.SampledFrom([]string{"4", "5"}).Draw(t, "to"))
	case "symlink":
		err = d.Symlink("1", name)
	}
	return fmt.Sprint(what, " ", p, "/", name, ": ", err)
}

// TestStates: after any life of a folder, every entry's state is what its status before and after promise, what
// is gone is listed, and a folder is Same only if all of it is.
func TestStates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := disk.NewMemory(disk.MemoryOptions{})
		put(t, m.Root(), map[string]string{"1": "one", "2": "two", "a/1": "x", "a/2": "->1", "b/": "", "a/a/3": "deep"})
		for range rapid.IntRange(0, 4).Draw(rt, "before") {
			life(rt, m.Root())
		}
		before := infos(t, m.Root(), "")
		racy := map[string]bool{}
		for _, p := range slices.Sorted(maps.Keys(before)) {
			racy[p] = before[p].Type != disk.Directory && rapid.IntRange(0, 5).Draw(rt, "racy") == 0
		}
		c := openCache(t, cached(t, m.Root(), func(p string) bool { return racy[p] }))
		for range rapid.IntRange(0, 5).Draw(rt, "after") {
			rt.Log(life(rt, m.Root()))
		}
		after := infos(t, m.Root(), "")
		var same []string
		v := new(visits)
		opt := v.options(rapid.SampledFrom([]int{1, 4}).Draw(rt, "workers"))
		opt.Cache = c
		enter := opt.Enter
		opt.Enter = func(w *scan.Walker, f *scan.Folder) error {
			err := enter(w, f)
			v.mu.Lock()
			defer v.mu.Unlock()
			if f.Same {
				same = append(same, f.Path())
			}
			return err
		}
		if err := scan.Walk(t.Context(), m.Root(), opt); err != nil {
			rt.Fatal(err)
		}
		checkStates(rt, v, before, after, racy)
		checkSame(rt, v, same, before, after)
	})
}

// known reports whether the cache can know a path: so long as all above it have been folders under their names.
func known(before, after map[string]disk.Info, p string) bool {
	for i, c := range p {
		if c == '/' {
			up := p[:i]
			if before[up].Type != disk.Directory || after[up].Type != disk.Directory {
				return false
			}
		}
	}
	_, ok := before[p]
	return ok
}

func checkStates(t *rapid.T, v *visits, before, after map[string]disk.Info, racy map[string]bool) {
	if len(v.entries) != len(after) {
		t.Fatalf("%d entries, want %d", len(v.entries), len(after))
	}
	for p, now := range after {
		want := wantState(before[p], now, known(before, after, p), racy[p])
		if v.entries[p] != want {
			t.Fatalf("%s is %d, want %d; before %+v, now %+v", p, v.entries[p], want, before[p], now)
		}
	}
	slices.Sort(v.gone)
	var gone []string
	for p := range before {
		dir := ""
		if i := strings.LastIndexByte(p, '/'); i >= 0 {
			dir = p[:i]
		}
		_, there := after[p]
		if !there && (dir == "" || after[dir].Type == disk.Directory && known(before, after, dir) && before[dir].Type == disk.Directory) {
			gone = append(gone, p)
		}
	}
	slices.Sort(gone)
	if !slices.Equal(gone, v.gone) {
		t.Fatalf("gone %q, want %q", v.gone, gone)
	}
}

func checkSame(t *rapid.T, v *visits, same []string, before, after map[string]disk.Info) {
	for _, dir := range v.entered {
		all := dir == "" || known(before, after, dir) && before[dir].Type == disk.Directory
		for p, s := range v.entries {
			if parent(p) == dir {
				all = all && s == scan.Same
			}
		}
		for _, p := range v.gone {
			all = all && parent(p) != dir
		}
		if all != slices.Contains(same, dir) {
			t.Fatalf("folder %q: Same is %v, want %v", dir, !all, all)
		}
	}
}

func parent(p string) string { return p[:max(0, strings.LastIndexByte(p, '/'))] }

// TestOtherDevice: where a folder is on another device than it was, its files are not believed.
func TestOtherDevice(t *testing.T) {
	m := memory(t, map[string]string{"f": "x", "d/g": "y"})
	w := scan.NewCacheWriter()
	info, err := m.Root().Stat("f")
	if err != nil {
		t.Fatal(err)
	}
	root, err := m.Root().Stat(".")
	if err != nil {
		t.Fatal(err)
	}
	for device, want := range map[uint64]scan.State{root.Device: scan.Same, root.Device + 1: scan.Changed} {
		off := w.Add(digestOf(""), device, tree.Summary{}, false, []scan.CacheEntry{{Name: "f", Info: &info}})
		c := openCache(t, w.Seal(scan.CacheKey{}, off, nil))
		if got := statesOf(t, m.Root(), c, 1).entries["f"]; got != want {
			t.Errorf("device %d: state %d, want %d", device, got, want)
		}
		w = scan.NewCacheWriter()
	}
}

// TestRacy: a file that changed within the granularity of its times looks the same and is not believed; one that
// was not racy is, so what marks a file as racy is what keeps a later change from being missed.
func TestRacy(t *testing.T) {
	now := int64(1e18)
	m := disk.NewMemory(disk.MemoryOptions{Now: func() int64 { now += 1e6; return now }, Granularity: 1e9})
	put(t, m.Root(), map[string]string{"racy": "old", "quiet": "old"})
	b := cached(t, m.Root(), func(p string) bool { return p == "racy" })
	for _, name := range []string{"racy", "quiet"} {
		before, _ := m.Root().Stat(name)
		f, err := m.Root().OpenWrite(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("new"), 0); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if after, _ := m.Root().Stat(name); after != before {
			t.Fatalf("the test's file system tells: %+v, %+v", before, after)
		}
	}
	v := statesOf(t, m.Root(), openCache(t, b), 1)
	if v.entries["racy"] != scan.Changed || v.entries["quiet"] != scan.Same {
		t.Errorf("states %v", v.entries)
	}
	if r := openCache(t, b).Root(); !r.Racy || !r.Deep {
		t.Errorf("the folder does not say that something is racy: %+v", r)
	}
}

// TestRoundTrip: a cache says of every folder what was written, also after a copy into a newer one.
func TestRoundTrip(t *testing.T) {
	m := memory(t, wide())
	b := cached(t, m.Root(), func(p string) bool { return p == "deep/1/2/3/4/5/file" })
	c := openCache(t, b)
	if c.Key != (scan.CacheKey{Vault: [16]byte{1}, Project: [16]byte{2}}) {
		t.Errorf("key %+v", c.Key)
	}
	w := scan.NewCacheWriter()
	if got := slices.Collect(c.Packs()); !slices.Equal(got, packs()) {
		t.Errorf("packs %v", got)
	}
	copied := w.Seal(c.Key, w.Copy(c.Root()), slices.Collect(c.Packs()))
	if !bytes.Equal(copied, b) {
		t.Errorf("a copy of %d bytes differs from %d", len(copied), len(b))
	}
	for name, c := range map[string]*scan.Cache{"written": c, "copied": openCache(t, copied)} {
		opt := scan.Options{Workers: 2, Cache: c, Leave: func(*scan.Walker, *scan.Folder) error { return nil },
			Enter: func(_ *scan.Walker, f *scan.Folder) error {
				p := f.Path()
				deep := p == "" || strings.HasPrefix("deep/1/2/3/4/5", p)
				r := f.Cached
				if r == nil || r.Digest != digestOf(p) || r.Summary.Files != uint64(len(f.Entries)) || r.Deep != deep || r.Racy != (p == "deep/1/2/3/4/5") {
					t.Errorf("%s: record of %q: %+v", name, p, r)
				}
				return nil
			}}
		if err := scan.Walk(t.Context(), m.Root(), opt); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCopyPart: what is copied into a new cache beside new records is found there.
func TestCopyPart(t *testing.T) {
	m := memory(t, map[string]string{"keep/x/f": "1", "other": "2"})
	c := openCache(t, cached(t, m.Root(), nil))
	var sub *scan.Record
	var list []scan.Entry
	opt := scan.Options{Workers: 1, Cache: c, Leave: func(*scan.Walker, *scan.Folder) error { return nil },
		Enter: func(_ *scan.Walker, f *scan.Folder) error {
			if f.Name == "keep" {
				sub = f.Cached
			} else if f.Parent == nil {
				list = f.Entries
			}
			return nil
		}}
	if err := scan.Walk(t.Context(), m.Root(), opt); err != nil {
		t.Fatal(err)
	}
	w := scan.NewCacheWriter()
	w.Add(digestOf("elsewhere"), 0, tree.Summary{}, false, nil)
	child := w.Copy(sub)
	root, _ := m.Root().Stat(".")
	top := w.Add(digestOf(""), root.Device, tree.Summary{}, false, []scan.CacheEntry{{Name: "keep", Info: &list[0].Info, Child: child}, {Name: "other", Info: &list[1].Info}})
	v := statesOf(t, m.Root(), openCache(t, w.Seal(scan.CacheKey{}, top, nil)), 2)
	for p, s := range v.entries {
		if s != scan.Same {
			t.Errorf("%s is %d", p, s)
		}
	}
	if len(v.entries) != 4 {
		t.Errorf("entries %v", v.entries)
	}
	if scan.NewCacheWriter().Copy(nil) != 0 {
		t.Error("a copy of nothing is something")
	}
}

// TestCacheFlips: no bit of a cache can turn unnoticed, so a wrong Same cannot come of one.
func TestCacheFlips(t *testing.T) {
	m := memory(t, map[string]string{"f": "x", "d/g": "y", "l": "->f"})
	b := cached(t, m.Root(), nil)
	for bit := range len(b) * 8 {
		bad := bytes.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		if _, err := scan.OpenCache(bad); err == nil {
			t.Fatalf("bit %d of byte %d", bit%8, bit/8)
		}
	}
	for n := range b {
		if _, err := scan.OpenCache(b[:n]); err == nil {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
	}
	if _, err := scan.OpenCache(append(bytes.Clone(b), 0)); err == nil {
		t.Error("a byte too much")
	}
}

// resum makes the checksum right again.
func resum(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) >= 4 {
		end := len(b) - 4
		binary.LittleEndian.PutUint32(b[end:], crc32.Checksum(b[:end], crc32.MakeTable(crc32.Castagnoli)))
	}
	return b
}

// FuzzOpenCache: whatever a cache says under a right checksum, nothing panics or goes on for ever, and every
// entry that is there is walked.
func FuzzOpenCache(f *testing.F) {
	m := memory(f, map[string]string{"f": "x", "d/g": "y", "d/e/h": "", "l": "->f", "z/": ""})
	want := reference(f, m.Root(), "")
	b := cached(f, m.Root(), nil)
	f.Add(b)
	f.Add(cached(f, m.Root(), func(string) bool { return true }))
	f.Add(b[:64+12])
	f.Add(loop(f, m.Root()))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := scan.OpenCache(resum(b))
		if err != nil {
			return
		}
		v := statesOf(t, m.Root(), got, 1)
		if len(v.entries) != len(want) {
			t.Errorf("%d entries, want %d", len(v.entries), len(want))
		}
		w := scan.NewCacheWriter()
		if n := len(w.Seal(got.Key, w.Copy(got.Root()), nil)); n > 2*len(b)+64 {
			t.Errorf("a copy of a cache of %d bytes has %d", len(b), n)
		}
	})
}

// loop is a cache in which every folder of the root is the root again: a tree without an end.
func loop(t testing.TB, root disk.Dir) []byte {
	t.Helper()
	list, err := root.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	const first = 64 // where the first record of a cache lies
	var entries []scan.CacheEntry
	for i := range list {
		entries = append(entries, scan.CacheEntry{Name: list[i].Name, Info: &list[i].Info, Child: first})
	}
	w := scan.NewCacheWriter()
	if off := w.Add(digestOf(""), list[0].Device, tree.Summary{}, false, entries); off != first {
		t.Fatalf("the first record lies at %d", off)
	}
	return w.Seal(scan.CacheKey{}, first, nil)
}

func BenchmarkWalk(b *testing.B) {
	files := map[string]string{}
	for i := range 40 {
		for j := range 50 {
			files[fmt.Sprintf("d%02d/f%02d", i, j)] = "x"
		}
	}
	m := memory(b, files)
	c := openCache(b, cached(b, m.Root(), nil))
	opt := scan.Options{Workers: 2, Cache: c, Enter: func(*scan.Walker, *scan.Folder) error { return nil }, Leave: func(*scan.Walker, *scan.Folder) error { return nil }}
	for b.Loop() {
		if err := scan.Walk(b.Context(), m.Root(), opt); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2000, "ns/file")
}
