package restore

import (
	"context"
	"errors"
	"flag"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/internal/tree"
)

var manyFiles = flag.Int("many", 2000, "files in the tests with many")

// TestLinks has folders of few files in few groups, so that groups form, split, merge and change.
func TestLinks(t *testing.T) {
	v := newVault(t)
	draw := func(t *rapid.T, label string) model {
		m := model{}
		for _, p := range []string{"a", "b", "c", "d", "e"} {
			g := rapid.Uint64Range(0, 3).Draw(t, label+p)
			content := rapid.SampledFrom([]string{"one", "one", "two"}).Draw(t, label+"content"+p)
			if g > 0 {
				content = []string{"one", "two", "one"}[g-1]
			}
			if g != 3 || rapid.Bool().Draw(t, label+"there"+p) {
				m[p] = spec{typ: disk.Regular, mode: 0o644, mtime: epoch, content: content, group: g}
			}
		}
		return m.settle()
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := draw(rt, "a"), draw(rt, "b")
		d := disk.NewMemory(disk.MemoryOptions{}).Root()
		lay(t, d, a)
		before := inodes(t, d)
		o := v.options(v.put(b), d)
		o.Live, o.HasLive, o.Delete = v.put(a), true, true
		p, err := Make(context.Background(), o)
		if err != nil {
			rt.Fatal(err)
		}
		r, err := p.Apply(context.Background())
		if err != nil || len(r.Errors)+len(r.Warnings) > 0 {
			rt.Fatalf("%v %+v", err, r)
		}
		if diff := b.differs(look(t, d)); diff != "" {
			rt.Fatalf("%s\nfrom\n%sto\n%s", diff, a, b)
		}
		for p, inode := range inodes(t, d) {
			if a[p] == b[p] && before[p] != inode {
				rt.Fatalf("%s was replaced\nfrom\n%sto\n%s", p, a, b)
			}
		}
	})
}

func inodes(t testing.TB, d disk.Dir) map[string]uint64 {
	t.Helper()
	entries, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, e := range entries {
		out[e.Name] = e.Inode
	}
	return out
}

// TestMountedBelow has every move out of the staging folder fail as between file systems.
func TestMountedBelow(t *testing.T) {
	v := newVault(t)
	for name, c := range faultCases(v) {
		m, _, r, err := attempt(t, v, c.o, c.a, func(o disk.Op) error {
			if (o.Kind == disk.OpPublish || o.Kind == disk.OpRename || o.Kind == disk.OpExchange) && strings.HasPrefix(o.Path, beside) && strings.Contains(o.Path, "/") {
				return syscall.EXDEV
			}
			return nil
		})
		if err != nil || len(r.Errors) > 0 {
			t.Fatalf("%s: %v %+v", name, err, r)
		}
		want, got := c.b.clone(), look(t, m.Root())
		clearGroups(want)
		clearGroups(got)
		if diff := want.differs(got); diff != "" {
			t.Fatalf("%s: %s", name, diff)
		}
	}
}

// unflushed is a disk that cannot sync a whole file system.
type unflushed struct{ disk.Dir }

func (u unflushed) OpenDir(name string) (disk.Dir, error) {
	d, err := u.Dir.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return unflushed{d}, nil
}

func bare(d disk.Dir) disk.Dir {
	if u, ok := d.(unflushed); ok {
		return u.Dir
	}
	return d
}

func (u unflushed) Link(name string, to disk.Dir, newName string) error {
	return u.Dir.Link(name, bare(to), newName)
}

func (u unflushed) Rename(name string, to disk.Dir, newName string) error {
	return u.Dir.Rename(name, bare(to), newName)
}

func (u unflushed) Publish(name string, to disk.Dir, newName string) error {
	return u.Dir.Publish(name, bare(to), newName)
}

func TestCrashWithoutFlusher(t *testing.T) {
	v := newVault(t)
	for name, c := range faultCases(v) {
		run := func(n int64) (*disk.Memory, *disk.Faulty) {
			m := disk.NewMemory(disk.MemoryOptions{})
			lay(t, m.Root(), c.a)
			if err := m.Root().(disk.Flusher).SyncAll(); err != nil {
				t.Fatal(err)
			}
			f := disk.NewFaulty(m.Root(), disk.StopAt(n))
			o := c.o
			o.Target = unflushed{f.Root()}
			p, err := Make(context.Background(), o)
			if err == nil {
				_, err = p.Apply(context.Background())
			}
			if n > 1<<30 && err != nil {
				t.Fatal(err)
			}
			return m, f
		}
		m, f := run(1 << 40)
		got, want := look(t, m.Crash(disk.KeepNone).Root()), c.b.settle()
		for p, s := range got { // times may be lost, contents not
			if s.content != want[p].content || s.typ != want[p].typ {
				t.Fatalf("%s: %s: got %+v", name, p, s)
			}
		}
		for p := range want {
			if _, ok := got[p]; !ok {
				t.Fatalf("%s: %s is not durable", name, p)
			}
		}
		for n := int64(1); n <= f.Count(); n += 2 {
			m, _ := run(n)
			for _, keep := range []disk.Keep{disk.KeepNone, disk.KeepHalf(uint64(n))} {
				if bad := judge(c.a, c.b, look(t, m.Crash(keep).Root())); bad != "" {
					t.Fatalf("%s, stopped at %d, keep %d: %s", name, n, keep, bad)
				}
			}
		}
	}
}

func TestZeroRunIsWritten(t *testing.T) {
	both(t, func(t *testing.T, d disk.Dir) {
		v := newVault(t)
		zeros := strings.Repeat("\x00", 512<<10)
		m := model{"dense": file("x" + zeros), "run": file(zeros + noise(1, 900))}
		root := v.putSized(m, 512<<10)
		restore(t, v.options(root, d))
		if diff := m.differs(look(t, d)); diff != "" {
			t.Fatal(diff)
		}
		for _, p := range []string{"dense", "run"} {
			info, err := d.Stat(p)
			if err != nil || info.Allocated < 512<<10 {
				t.Fatalf("%s has holes: %+v %v", p, info, err)
			}
		}
	})
}

func TestOwner(t *testing.T) {
	v := newVault(t)
	m := model{"f": file("f"), "suid": {typ: disk.Regular, mode: 0o4755, mtime: epoch, content: "s"}}
	for p, s := range m {
		s.uid = 4711
		m[p] = s
	}
	root := v.put(m)
	info := func(d disk.Dir) disk.Info {
		i, err := d.Stat("suid")
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	o := v.options(root, d)
	restore(t, o)
	if i := info(d); i.UID != 0 || i.Mode != 0o755 {
		t.Fatalf("without Owner: %+v", i)
	}
	o.Owner, o.Target = true, disk.NewMemory(disk.MemoryOptions{}).Root()
	restore(t, o)
	if i := info(o.Target); i.UID != 4711 || i.Mode != 0o4755 {
		t.Fatalf("with Owner: %+v", i)
	}
	// Who may not give files away gets them without setuid, and is told.
	var denied atomic.Int64
	mem := disk.NewMemory(disk.MemoryOptions{})
	o.Target = denying{disk.NewFaulty(mem.Root(), nil).Root(), &denied}
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Apply(context.Background())
	if err != nil || len(r.Errors) > 0 || len(r.Warnings) != 2 || denied.Load() != 2 {
		t.Fatalf("%v %+v", err, r)
	}
	if i := info(mem.Root()); i.UID != 0 || i.Mode != 0o755 {
		t.Fatalf("not permitted: %+v", i)
	}
}

// denying lets nobody change owners.
type denying struct {
	disk.Dir
	denied *atomic.Int64
}

func (d denying) OpenDir(name string) (disk.Dir, error) {
	in, err := d.Dir.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return denying{in, d.denied}, nil
}

func (d denying) Publish(name string, to disk.Dir, newName string) error {
	if t, ok := to.(denying); ok {
		to = t.Dir
	}
	return d.Dir.Publish(name, to, newName)
}

func (d denying) SetMeta(name string, c disk.Change) error {
	if c.Owner != nil {
		d.denied.Add(1)
		return &fs.PathError{Op: "chown", Path: name, Err: fs.ErrPermission}
	}
	return d.Dir.SetMeta(name, c)
}

// TestManyOpen has more files with several chunks under way than may be open.
func TestManyOpen(t *testing.T) {
	v := newVault(t)
	m := model{}
	for i := range *manyFiles {
		m["f"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+noiseName(i)] = file(noise(uint64(i%7), 2000) + noise(uint64(i%11), 1500))
	}
	d := realDir(t)
	calls, last := 0, Progress{}
	o := v.options(v.putSized(m, 1000), d)
	o.Progress = func(p Progress) { calls++; last = p }
	restore(t, o)
	if diff := m.differs(look(t, d)); diff != "" {
		t.Fatal(diff)
	}
	if calls == 0 || last.Files != last.TotalFiles || last.TotalFiles != int64(len(m)) || last.Bytes != last.TotalBytes {
		t.Fatalf("%d calls, the last %+v", calls, last)
	}
}

func noiseName(i int) string {
	return strings.Repeat("0", i%3) + string(rune('A'+i/26%26)) + string(rune('a'+i/676))
}

func TestCancelled(t *testing.T) {
	v := newVault(t)
	c := faultCases(v)["in place"]
	ctx, cancel := context.WithCancel(context.Background())
	m := disk.NewMemory(disk.MemoryOptions{})
	lay(t, m.Root(), c.a)
	o := c.o
	o.Target = m.Root()
	p, err := Make(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := p.Apply(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if diff := c.a.settle().differs(look(t, m.Root())); diff != "" {
		t.Fatal(diff)
	}
}

func TestNoSpace(t *testing.T) {
	v := newVault(t)
	mem := disk.NewMemory(disk.MemoryOptions{Quota: 200 << 10})
	staged := false
	d := disk.NewFaulty(mem.Root(), func(o disk.Op) error {
		staged = staged || o.Kind == disk.OpMkdir
		return nil
	}).Root()
	o := v.options(v.put(sample()), d)
	o.NoProbe = true
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(context.Background()); !errors.Is(err, ErrNoSpace) || staged {
		t.Fatalf("apply: %v, begun: %v", err, staged)
	}
}

// TestSpaceRunsOut has the space taken by others meanwhile: nothing is changed then.
func TestSpaceRunsOut(t *testing.T) {
	v := newVault(t)
	c := faultCases(v)["in place"]
	m, _, _, err := attempt(t, v, c.o, c.a, func(o disk.Op) error {
		if o.Kind == disk.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	})
	if !errors.Is(err, ErrNoSpace) {
		t.Fatal(err)
	}
	if diff := c.a.settle().differs(look(t, m.Root())); diff != "" {
		t.Fatal(diff)
	}
}

// TestCancelledLate cancels when the first name has been published: the rest follows.
func TestCancelledLate(t *testing.T) {
	v := newVault(t)
	c := faultCases(v)["in place"]
	ctx, cancel := context.WithCancel(context.Background())
	m := disk.NewMemory(disk.MemoryOptions{})
	lay(t, m.Root(), c.a)
	o := c.o
	o.Target = disk.NewFaulty(m.Root(), func(o disk.Op) error {
		if o.Kind == disk.OpRename || o.Kind == disk.OpPublish || o.Kind == disk.OpExchange {
			cancel()
		}
		return nil
	}).Root()
	p, err := Make(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := p.Apply(ctx); err != nil || len(r.Errors) > 0 {
		t.Fatalf("%v %+v", err, r)
	}
	if diff := c.b.settle().differs(look(t, m.Root())); diff != "" {
		t.Fatal(diff)
	}
}

// TestNoLinkToChanged adds a name to an inode that has other content by now.
func TestNoLinkToChanged(t *testing.T) {
	v := newVault(t)
	s := spec{typ: disk.Regular, mode: 0o644, mtime: epoch, content: "linked", group: groupOf("h1")}
	a, b := model{"h1": s, "h2": s}, model{"h1": s, "h2": s, "h3": s}
	now := a.clone()
	s.content, s.mtime = "edited", epoch+1
	now["h1"], now["h2"] = s, s
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	lay(t, d, now)
	o := v.options(v.put(b), d)
	o.Live, o.HasLive = v.put(a), true
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Apply(context.Background())
	if err != nil || len(r.Errors) != 1 || !errors.Is(r.Errors[0].Err, ErrChanged) {
		t.Fatalf("%v %+v", err, r)
	}
	if diff := now.differs(look(t, d)); diff != "" {
		t.Fatal(diff)
	}
}

// TestFalseLength: a chunk that is not as long as its file's recipe says fails the file: there is nothing under its
// name, and nothing of it in another file.
func TestFalseLength(t *testing.T) {
	v := newVault(t)
	var root digest.Digest
	err := v.db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		w := s.Writer(seal.Fast)
		pages := func(p []byte) (digest.Digest, error) { return w.Put(ctx, object.Pages, p) }
		b := tree.NewBuilder(pages)
		b.Reset()
		for i, name := range []string{"long", "right", "short"} {
			r := tree.Recipe{Size: 3000}
			for n := range 3 {
				size := 1000
				if n == 1 {
					size += 1 - i
				}
				d, err := w.Put(ctx, object.Content, []byte(noise(uint64(i*3+n), size)))
				if err != nil {
					return err
				}
				r.Items = append(r.Items, tree.Item{Kind: tree.Chunk, Len: 1000, Digest: d})
			}
			e := tree.Entry{Name: name, Type: disk.Regular, Mode: 0o644, Size: r.Size}
			var err error
			if e.Content, e.Recipe, err = tree.PutRecipe(pages, &r); err == nil {
				err = b.Add(&e)
			}
			if err != nil {
				return err
			}
		}
		var err error
		if root, _, err = b.Finish(); err != nil {
			return err
		}
		return errors.Join(w.Flush(), s.Flush())
	})
	if err != nil {
		t.Fatal(err)
	}
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	p, err := Make(t.Context(), v.options(root, d))
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) != 2 || !errors.Is(r.Errors[0].Err, ErrSize) || !errors.Is(r.Errors[1].Err, ErrSize) {
		t.Errorf("errors %v", r.Errors)
	}
	want := noise(3, 1000) + noise(4, 1000) + noise(5, 1000)
	if got := look(t, d); len(got) != 1 || got["right"].content != want {
		t.Errorf("restored: %v", got)
	}
}
