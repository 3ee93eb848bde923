package capture_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"varve/internal/capture"
	"varve/internal/disk"
	"varve/internal/fixture"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/scan"
	"varve/internal/tree"
	"varve/store"
)

const mib = 1 << 20

// listsLarger is a folder whose listing says that its files are larger than they are: they are then read as
// large ones.
type listsLarger struct{ disk.Dir }

func (d listsLarger) List(into []disk.Entry) ([]disk.Entry, error) {
	n := len(into)
	out, err := d.Dir.List(into)
	for i := n; i < len(out); i++ {
		if out[i].Type == disk.Regular {
			out[i].Size += 64 * mib
		}
	}
	return out, err
}

func (d listsLarger) OpenDir(name string) (disk.Dir, error) {
	sub, err := d.Dir.OpenDir(name)
	return listsLarger{sub}, err
}

// TestSmallAndLargeAlike: a file is cut the same whether it is read at once or as a stream of buffers, and with
// any number of workers: equal content has equal trees.
func TestSmallAndLargeAlike(t *testing.T) {
	s := newStudio(t)
	zeros := make([]byte, 300<<10)
	mixed := slices.Concat(noise(1, 700<<10), zeros, noise(2, 500<<10), bytes.Repeat([]byte("abcd"), 30<<10), text(3, 900<<10))
	for i, c := range [][]byte{noise(4, 513), noise(4, 4097), noise(4, 70<<10), text(4, mib), zeros, mixed, noise(5, 4*mib), noise(5, 4*mib+1), text(6, 5*mib)} {
		s.put(fmt.Sprintf("d/%d.bin", i), c)
	}
	want := s.rootOf(func(o *capture.Options) { o.Workers = 1 })
	for _, workers := range []int{1, 2, 8} {
		if got := s.rootOf(func(o *capture.Options) { o.Workers = workers }); got != want {
			t.Errorf("%d workers make another tree", workers)
		}
		if got := s.rootOf(func(o *capture.Options) { o.Workers, o.Root = workers, listsLarger{o.Root} }); got != want {
			t.Errorf("%d workers make another tree of streams", workers)
		}
	}
}

// TestAroundTheLimit: the last size that is read at once and the first that is streamed share all but their
// last chunks, and both come back.
func TestAroundTheLimit(t *testing.T) {
	s := newStudio(t)
	long := noise(1, 4*mib+1)
	s.put("at.bin", long[:4*mib])
	s.put("over.bin", long)
	s.snap()
	s.check(map[string][]byte{"at.bin": long[:4*mib], "over.bin": long})
	chunks := func(p string) (out []tree.Item) {
		e := s.find(p)
		for it, err := range tree.Items(t.Context(), s.getter(), &e) {
			s.do(err)
			out = append(out, it)
		}
		return out
	}
	a, b := chunks("at.bin"), chunks("over.bin")
	same := 0
	for same < min(len(a), len(b)) && a[same].Digest == b[same].Digest {
		same++
	}
	if len(a) < 20 || same < len(a)-1 {
		t.Errorf("%d of %d and %d chunks are shared", same, len(a), len(b))
	}
	if want := int64(len(long)) + 300<<10; s.stored.Plain > want {
		t.Errorf("stored %d bytes, want at most %d", s.stored.Plain, want)
	}
}

// TestContents: every size and kind comes back with the SHA-256 of its bytes.
func TestContents(t *testing.T) {
	s := newStudio(t)
	want := map[string][]byte{}
	for i, n := range []int{0, 1, 511, 512, 513, 4096, 16 << 10, 300_000, 4 * mib, 5*mib + 17} {
		want[fmt.Sprintf("noise%d", i)] = noise(byte(i), n)
		want[fmt.Sprintf("a/text%d.txt", i)] = text(byte(i), n)
		want[fmt.Sprintf("a/b/zero%d", i)] = make([]byte, n)
	}
	for p, c := range want {
		s.put(p, c)
	}
	res := s.snap()
	s.check(want)
	total := uint64(0)
	for p, c := range want {
		total += uint64(len(c))
		e := s.find(p)
		if sum, ok := e.Sum(); !ok || sum != sha256.Sum256(c) {
			t.Errorf("%s: SHA-256 %x, %v", p, sum, ok)
		}
	}
	sum := res.Summary
	if sum.Files != uint64(len(want)) || sum.Bytes != total || sum.Dirs != 2 || sum.Depth != 2 || sum.Doubtful != 0 || res.Counts.Added != int64(len(want)) {
		t.Errorf("summary %+v, counts %+v", sum, res.Counts)
	}
}

// TestFixtures: the sample projects, through their lives, come back byte for byte after every step, with the
// cache and without; the two ways give the same tree.
func TestFixtures(t *testing.T) {
	for _, kind := range fixture.Kinds() {
		s := newStudio(t)
		for step := range fixture.Steps + 1 {
			if step == 0 {
				s.do(fixture.Build(s.mem.Root(), kind, fixture.Options{}))
			} else {
				s.do(fixture.Step(s.mem.Root(), kind, step, fixture.Options{}))
			}
			cold := s.rootOf(func(o *capture.Options) { o.Cache = nil })
			res := s.snap()
			if res.Root != cold {
				t.Errorf("%s, step %d: the cache makes another tree", kind, step)
			}
			want := map[string][]byte{}
			readAll(t, s.mem.Root(), "", want)
			s.check(want)
			if step > 0 && len(res.List) == 0 {
				t.Errorf("%s, step %d: nothing changed", kind, step)
			}
		}
	}
}

func readAll(t testing.TB, d disk.Dir, at string, into map[string][]byte) {
	t.Helper()
	list, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		switch e.Type {
		case disk.Directory:
			sub, err := d.OpenDir(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, sub, at+e.Name+"/", into)
		case disk.Regular:
			if into[at+e.Name], err = disk.ReadFile(d, e.Name, 1<<30); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// opens counts the files that a capture opens.
func (s *studio) opens() *atomic.Int64 {
	var n atomic.Int64
	s.watch(func(op disk.Op) error {
		if op.Kind == disk.OpOpen {
			n.Add(1)
		}
		return nil
	})
	return &n
}

// TestUnchangedUnread: with the cache nothing is opened that did not change, and nothing is stored; what changed
// is opened alone.
func TestUnchangedUnread(t *testing.T) {
	s := newStudio(t)
	for i := range 30 {
		s.put(fmt.Sprintf("d%d/f%d", i%3, i), noise(byte(i), 900))
	}
	s.snap()
	n := s.opens()
	res := s.snap()
	if n.Load() != 0 || s.stored.Chunks != 0 || res.Root != s.latest.Root || len(res.List) != 0 || res.Cache != nil {
		t.Errorf("opened %d files, stored %+v, changes %v, a new cache %v", n.Load(), s.stored, res.List, res.Cache != nil)
	}
	if res.Counts.Unchanged != 30 || res.Summary.Files != 30 {
		t.Errorf("counts %+v", res.Counts)
	}
	s.put("d1/f4", noise(200, 900))
	s.snap()
	if n.Load() != 1 {
		t.Errorf("opened %d files for one that changed", n.Load())
	}
	s.wantList("M d1/f4")
	s.cache = nil
	before := s.last.Root
	if s.snap(); s.last.Root != before || s.stored.Chunks != 0 {
		t.Errorf("without the cache: another tree or stored %+v", s.stored)
	}
}

// TestHardLinks: names of one inode are read once, have the same content and one link group.
func TestHardLinks(t *testing.T) {
	s := newStudio(t)
	s.put("a/one", noise(1, 50_000))
	s.put("b/two", noise(2, 600))
	a, err := s.mem.Root().OpenDir("a")
	s.do(err)
	b, err := s.mem.Root().OpenDir("b")
	s.do(err)
	s.do(a.Link("one", b, "uno"))
	s.do(a.Link("one", s.mem.Root(), "eins"))
	n := s.opens()
	s.change = func(o *capture.Options) { o.Workers = 1 }
	s.snap()
	if n.Load() != 2 {
		t.Errorf("opened %d files of two inodes", n.Load())
	}
	s.check(map[string][]byte{"a/one": noise(1, 50_000), "b/uno": noise(1, 50_000), "eins": noise(1, 50_000), "b/two": noise(2, 600)})
	g := s.find("eins").LinkGroup
	if g == 0 || s.find("a/one").LinkGroup != g || s.find("b/uno").LinkGroup != g || s.find("b/two").LinkGroup != 0 {
		t.Error("link groups differ")
	}
}

// TestSparse: holes are kept as holes and not read, small files and large; the SHA-256 sees their zeros.
func TestSparse(t *testing.T) {
	s := newStudio(t)
	var read atomic.Int64
	for name, size := range map[string]int64{"large": 64 * mib, "small": 2 * mib} {
		f, err := s.mem.Root().Create(name, 0o644)
		s.do(err)
		_, err = f.WriteAt(noise(1, 100_000), size/2)
		s.do(errors.Join(err, f.Truncate(size), f.Close()))
	}
	s.watch(func(op disk.Op) error {
		if op.Kind == disk.OpRead && op.Path == "large" {
			read.Add(op.Len)
		}
		return nil
	})
	s.snap()
	for name, size := range map[string]int64{"large": 64 * mib, "small": 2 * mib} {
		want := make([]byte, size)
		copy(want[size/2:], noise(1, 100_000))
		e := s.find(name)
		if e.Flags&tree.SparseFile == 0 || !bytes.Equal(s.content(name), want) {
			t.Errorf("%s: flags %x, or other bytes", name, e.Flags)
		}
		if sum, ok := e.Sum(); !ok || sum != sha256.Sum256(want) {
			t.Errorf("%s: SHA-256 %x", name, sum)
		}
		holes := int64(0)
		for it, err := range tree.Items(t.Context(), s.getter(), &e) {
			s.do(err)
			if it.Kind == tree.Hole {
				holes += it.Len
			}
		}
		if name == "large" && holes < 63*mib {
			t.Errorf("%d bytes of holes", holes)
		}
	}
	if read.Load() > mib {
		t.Errorf("read %d bytes of a file that holds 100 KB", read.Load())
	}
}

// TestDelta: the next version of a file costs about what changed, small and large; bases are always whole, also
// after the second edit and the third.
func TestDelta(t *testing.T) {
	for _, size := range []int{200_000, 9 * mib} {
		s := newStudio(t)
		content := noise(1, size)
		s.put("model.blend", content)
		s.snap()
		if s.stored.Deltas != 0 {
			t.Errorf("%d bytes: the first version is stored as %d deltas", size, s.stored.Deltas)
		}
		for round := range 3 {
			content = slices.Concat(content[:size/3+round*100], noise(byte(10+round), 40), content[size/3+round*100:])
			content[size/2] ^= 1
			s.put("model.blend", content)
			s.snap()
			if s.stored.Deltas == 0 || s.stored.Sealed > 20_000 {
				t.Errorf("%d bytes, edit %d: stored %+v", size, round, s.stored)
			}
			s.check(map[string][]byte{"model.blend": content})
			s.wantList("M model.blend")
		}
		checkBases(t, s)
	}
}

// checkBases goes through all packs: no base of a delta may be a delta itself.
func checkBases(t *testing.T, s *studio) {
	t.Helper()
	fresh, err := object.Open(t.Context(), s.store, nil, object.Options{Rand: s.db.Rand(), Now: s.db.Now})
	s.do(err)
	s.do(fresh.Refresh(t.Context()))
	r := fresh.NewReader()
	deltas := 0
	for _, seg := range fresh.Segments() {
		for _, p := range seg.Packs() {
			blocks, err := r.Directory(t.Context(), [16]byte(p.ID))
			s.do(err)
			for i := range blocks {
				for _, e := range blocks[i].Entries {
					for _, b := range e.Bases {
						deltas++
						if have, delta, err := fresh.Has(t.Context(), b); !have || delta || err != nil {
							t.Errorf("base %s: there %v, a delta itself %v, %v", b, have, delta, err)
						}
					}
				}
			}
		}
	}
	if deltas == 0 {
		t.Error("no delta was found")
	}
}

// TestDraft: a draft has the tree that a snapshot would have, whatever has changed, and keeps nothing.
func TestDraft(t *testing.T) {
	s := newStudio(t)
	s.do(fixture.Build(s.mem.Root(), fixture.Game, fixture.Options{}))
	s.put("large", noise(1, 6*mib))
	draft := func() *capture.Result {
		t.Helper()
		d := s.db.NewDraft()
		res, err := capture.Draft(t.Context(), s.db, d, s.options())
		s.do(err)
		r := s.db.NewReader()
		if _, err := d.Get(t.Context(), r, res.Root); err != nil {
			t.Errorf("the root cannot be had: %v", err)
		}
		return res
	}
	for step := range 3 {
		if step > 0 {
			s.do(fixture.Step(s.mem.Root(), fixture.Game, step, fixture.Options{}))
			big := noise(1, 6*mib)
			big[3*mib] ^= byte(step)
			s.put("large", big)
		}
		before := listStore(t, s.store)
		drafted := draft()
		if after := listStore(t, s.store); !slices.Equal(before, after) {
			t.Errorf("step %d: the draft left %q", step, after)
		}
		kept := s.snap()
		if drafted.Root != kept.Root || drafted.Summary != kept.Summary || drafted.Counts != kept.Counts || !slices.Equal(drafted.List, kept.List) {
			t.Errorf("step %d: drafted %+v, kept %+v", step, drafted, kept)
		}
	}
}

func listStore(t testing.TB, s store.Store) (out []string) {
	t.Helper()
	for o, err := range s.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Name)
	}
	return out
}

// TestChangeList: what was added, modified, removed, renamed, or only touched; folders are not listed, what is
// in them is.
func TestChangeList(t *testing.T) {
	s := newStudio(t)
	for i, p := range []string{"same", "edit", "drop", "old/a", "old/b", "mode", "kind", "gone/x/y", "twin1", "empty"} {
		s.put(p, noise(byte(i), 1000+i))
	}
	s.put("empty", nil)
	s.do(s.mem.Root().Symlink("a", "link"))
	s.snap()
	if len(s.last.List) != 0 || len(s.last.Changes) != 0 || s.last.Counts.Added != 11 {
		t.Errorf("of the first: %v, %+v", s.last.List, s.last.Counts)
	}
	root := s.mem.Root()
	s.put("edit", noise(50, 1000))
	s.do(root.Remove("drop"))
	s.do(root.Rename("old", root, "new"))
	mode := uint32(0o600)
	s.do(root.SetMeta("mode", disk.Change{Mode: &mode}))
	s.do(root.Remove("kind"))
	s.put("kind/in", noise(60, 900))
	s.do(disk.RemoveAll(root, "gone"))
	s.do(root.Rename("twin1", root, "twin2"))
	s.do(root.Remove("link"))
	s.do(root.Symlink("b", "link"))
	s.do(root.Rename("empty", root, "void")) // of what has no content nobody can say that it was renamed
	s.put("fresh", noise(70, 2000))
	res := s.snap()
	s.wantList("R drop", "M edit", "R empty", "A fresh", "R gone/x/y", "R kind", "A kind/in", "M link", "T mode", "N new/a from old/a", "N new/b from old/b", "N twin2 from twin1", "A void")
	if want := (history.Counts{Added: 3, Modified: 2, Removed: 4, Renamed: 3, Unchanged: 2}); res.Counts != want {
		t.Errorf("counts %+v, want %+v", res.Counts, want)
	}
	if s.stored.Plain > 1000+900+2000+20_000 {
		t.Errorf("stored %+v: what was renamed is stored again", s.stored)
	}
	var back []history.Change
	snap := &history.Snapshot{Changes: res.Changes}
	for c, err := range snap.ReadChanges(t.Context(), s.getter()) {
		s.do(err)
		back = append(back, c)
	}
	if !slices.Equal(back, res.List) {
		t.Errorf("stored as %+v", back)
	}
}

// TestProgress: what is told in the end is all there is.
func TestProgress(t *testing.T) {
	s := newStudio(t)
	total := int64(0)
	for i := range 200 {
		c := noise(byte(i), 700+i)
		s.put(fmt.Sprintf("d%d/%d", i%5, i), c)
		total += int64(len(c))
	}
	s.put("large", noise(1, 6*mib))
	total += 6 * mib
	var mu sync.Mutex
	var most capture.Progress
	s.change = func(o *capture.Options) {
		o.Progress = func(p capture.Progress) {
			mu.Lock()
			defer mu.Unlock()
			most = capture.Progress{Files: max(most.Files, p.Files), Bytes: max(most.Bytes, p.Bytes), Read: max(most.Read, p.Read), ReadSize: max(most.ReadSize, p.ReadSize), Errors: max(most.Errors, p.Errors)}
		}
	}
	s.snap()
	if most.ReadSize != total || most.Errors != 0 || most.Bytes < total {
		t.Errorf("told %+v, there are 201 files of %d bytes", most, total)
	}
}

// TestCacheIsOfTheTree: the cache that a capture makes says of the root what the tree is, and is usable by the
// walk.
func TestCacheIsOfTheTree(t *testing.T) {
	s := newStudio(t)
	s.put("a/b/c", noise(1, 700))
	res := s.snap()
	c, err := scan.OpenCache(s.cache)
	s.do(err)
	r := c.Root()
	if r == nil || r.Digest != res.Root || r.Summary != res.Summary || r.Racy || r.Deep {
		t.Errorf("record %+v, want %s %+v", r, res.Root, res.Summary)
	}
}

func BenchmarkSmallFiles(b *testing.B) {
	s := newStudio(b)
	total := 0
	for i := range 1000 {
		c := text(byte(i), 2000+i%3000)
		s.put(fmt.Sprintf("d%d/%d.txt", i%20, i), c)
		total += len(c)
	}
	b.SetBytes(int64(total))
	for b.Loop() {
		s.rootOf(func(o *capture.Options) { o.Cache = nil })
	}
}
