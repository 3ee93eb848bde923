package restore

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/disk"
	"varve/internal/object"
	"varve/store"
)

// noise is n bytes that do not compress.
func noise(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func sample() model {
	m := model{
		"empty":        file(""),
		"small.txt":    file("hello"),
		"one chunk":    file(noise(1, 3000)),
		"many":         file(noise(2, 40_000)),
		"zeros":        file(strings.Repeat("\x00", 300_000)),
		"sparse":       {typ: disk.Regular, mode: 0o600, mtime: epoch, content: noise(3, 5000) + strings.Repeat("\x00", 200_000), sparse: true},
		"pattern":      file(strings.Repeat("abcdefghijklmnopqrstuvwx", 700)),
		"dir":          folderSpec(),
		"dir/void":     folderSpec(),
		"dir/x":        {typ: disk.Regular, mode: 0o755, mtime: epoch + 5, content: "run me", xattr: "value"},
		"dir/same":     file(noise(1, 3000)),
		"dir/h1":       {typ: disk.Regular, mode: 0o644, mtime: epoch, content: noise(9, 9000), group: 5},
		"h2":           {typ: disk.Regular, mode: 0o644, mtime: epoch, content: noise(9, 9000), group: 5},
		"up":           link("../../etc/passwd"),
		"dir/link":     link("void"),
		"we\xffird \n": file("not UTF-8"),
		"-rf":          file("an option?"),
	}
	m["dir/void"] = spec{typ: disk.Directory, mode: 0o750, mtime: epoch - 77, xattr: "of a folder"}
	return m
}

// both runs a test on the disk in memory and on the real one.
func both(t *testing.T, test func(t *testing.T, d disk.Dir)) {
	t.Run("memory", func(t *testing.T) { test(t, disk.NewMemory(disk.MemoryOptions{}).Root()) })
	t.Run("disk", func(t *testing.T) { test(t, realDir(t)) })
}

func realDir(t testing.TB) disk.Dir {
	t.Helper()
	d, err := disk.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestNewFolder(t *testing.T) {
	both(t, func(t *testing.T, d disk.Dir) {
		v := newVault(t)
		m := sample()
		r := restore(t, v.options(v.put(m), d))
		if diff := m.settle().differs(look(t, d)); diff != "" {
			t.Fatal(diff)
		}
		if r.Files != int64(len(m)) || r.Removed != 0 || r.Unchanged != 0 {
			t.Fatalf("result %+v", r)
		}
	})
}

func TestSparseStaysSparse(t *testing.T) {
	both(t, func(t *testing.T, d disk.Dir) {
		v := newVault(t)
		restore(t, v.options(v.put(sample()), d))
		info, err := d.Stat("sparse")
		if err != nil {
			t.Fatal(err)
		}
		if info.Allocated >= 100_000 {
			t.Fatalf("%d of %d bytes allocated", info.Allocated, info.Size)
		}
	})
}

func TestNameTaken(t *testing.T) {
	v := newVault(t)
	root := v.put(sample())
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	mine := model{"dir": folderSpec(), "dir/mine": file("mine")}
	lay(t, d, mine)
	p, err := Make(context.Background(), v.options(root, d))
	if err != nil {
		t.Fatal(err)
	}
	if c := p.Refused(); len(c) != 1 || c[0].Path != "dir" || c[0].Reason != Exists {
		t.Fatalf("conflicts %+v", c)
	}
	if _, err := p.Apply(context.Background()); !errors.Is(err, ErrConflict) {
		t.Fatalf("apply: %v", err)
	}
	if diff := mine.differs(look(t, d)); diff != "" {
		t.Fatal(diff)
	}
}

func TestPaths(t *testing.T) {
	v := newVault(t)
	root := v.put(sample())
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	o := v.options(root, d)
	o.Paths = []string{"dir/x", "h2"}
	restore(t, o)
	m := sample()
	want := model{"dir": m["dir"], "dir/x": m["dir/x"], "h2": m["h2"]}
	if diff := want.settle().differs(look(t, d)); diff != "" {
		t.Fatal(diff)
	}
	o.Paths = []string{"dir/nothing"}
	if _, err := Make(context.Background(), o); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("unknown path: %v", err)
	}
}

// randomModel draws a tree over few names, so that two of them meet often and with different types.
func randomModel(t *rapid.T, label string) model {
	contents := []string{"", "tiny", noise(1, 700), noise(2, 12_000), noise(1, 700) + noise(4, 20_000), strings.Repeat("z", 9000)}
	m := model{}
	var fill func(prefix string, depth int)
	fill = func(prefix string, depth int) {
		for _, name := range []string{"a", "b", "c", "d"} {
			p := prefix + name
			mode := rapid.SampledFrom([]uint32{0o644, 0o600, 0o755}).Draw(t, label+p+"mode")
			mtime := epoch + rapid.Int64Range(0, 3).Draw(t, label+p+"mtime")
			xattr := rapid.SampledFrom([]string{"", "", "x", "y"}).Draw(t, label+p+"xattr")
			switch rapid.IntRange(0, 6).Draw(t, label+p) {
			case 0, 1:
				c := rapid.IntRange(0, len(contents)-1).Draw(t, label+p+"content")
				m[p] = spec{typ: disk.Regular, mode: mode, mtime: mtime, content: contents[c], xattr: xattr}
			case 2:
				g := rapid.Uint64Range(1, 3).Draw(t, label+p+"group")
				m[p] = spec{typ: disk.Regular, mode: 0o644, mtime: epoch + int64(g), content: noise(g, int(g)*3000), group: g}
			case 3:
				m[p] = spec{typ: disk.Symlink, mtime: mtime, target: rapid.SampledFrom([]string{"a", "../b"}).Draw(t, label+p+"target")}
			case 4, 5:
				if depth < 2 {
					m[p] = spec{typ: disk.Directory, mode: mode | 0o700, mtime: mtime, xattr: xattr}
					fill(p+"/", depth+1)
				}
			}
		}
	}
	fill("", 0)
	// As a snapshot has it: a group's number follows from its names, and a name on its own has none.
	return m.settle()
}

// over is what a restore of b without removal makes of a.
func over(a, b model) model {
	want := b.clone()
	for p, s := range a {
		ok := true
		for q := p; q != ""; q = parentOf(q) {
			if x, there := b[q]; there && (q == p || x.typ != disk.Directory) {
				ok = false
			}
		}
		if ok {
			want[p] = s
		}
	}
	return want
}

func TestInPlace(t *testing.T) {
	v := newVault(t)
	rapid.Check(t, func(rt *rapid.T) {
		a, b := randomModel(rt, "a"), randomModel(rt, "b")
		remove := rapid.Bool().Draw(rt, "delete")
		d := disk.NewMemory(disk.MemoryOptions{}).Root()
		lay(t, d, a)
		o := v.options(v.put(b), d)
		o.Live, o.HasLive, o.Delete = v.put(a), true, remove
		p, err := Make(context.Background(), o)
		if err != nil {
			rt.Fatal(err)
		}
		r, err := p.Apply(context.Background())
		if err != nil || len(r.Errors)+len(r.Warnings)+len(r.Kept) > 0 {
			rt.Fatalf("%v %+v\nfrom\n%sto\n%s", err, r, a, b)
		}
		want, got := b, look(t, d)
		if !remove {
			want = over(a, b)
			clearGroups(want) // which names of a still share an inode depends on what b replaced
			clearGroups(got)
		}
		if diff := want.differs(got); diff != "" {
			rt.Fatalf("%s\nfrom\n%sto\n%s", diff, a, b)
		}
	})
}

func clearGroups(m model) {
	for p, s := range m {
		s.group = 0
		m[p] = s
	}
}

func TestEqualIsUntouched(t *testing.T) {
	v := newVault(t)
	d := realDir(t)
	m := sample()
	root := v.put(m)
	restore(t, v.options(root, d))
	infos := func() map[string]disk.Info {
		out := map[string]disk.Info{}
		for p := range m {
			at := d
			if up := parentOf(p); up != "" {
				var err error
				if at, err = disk.Walk(d, up); err != nil {
					t.Fatal(err)
				}
				defer at.Close()
			}
			info, err := at.Stat(baseOf(p))
			if err != nil {
				t.Fatal(err)
			}
			out[p] = info
		}
		return out
	}
	before := infos()
	m["many"] = file(noise(5, 40_000))
	o := v.options(v.put(m), d)
	o.Live, o.HasLive = root, true
	r := restore(t, o)
	if r.Files != 1 || r.Unchanged != 12 {
		t.Fatalf("result %+v", r)
	}
	for p, after := range infos() {
		was := before[p]
		if p == "many" {
			if after.Inode == was.Inode {
				t.Fatal("the changed file was written in place")
			}
			continue
		}
		if after.Inode != was.Inode || after.Ctime != was.Ctime {
			t.Fatalf("%s was touched: %+v, before %+v", p, after, was)
		}
	}
}

func TestChangedMeanwhile(t *testing.T) {
	v := newVault(t)
	a := model{"edited": file("one"), "gone": file("old"), "meta": file("m"), "fine": file("f")}
	b := model{"edited": file("two two"), "fine": file("g g"), "meta": {typ: disk.Regular, mode: 0o600, mtime: epoch, content: "m"}}
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	now := model{"edited": file("precious"), "gone": file("precious too"), "meta": file("and this"), "fine": a["fine"]}
	lay(t, d, now)
	o := v.options(v.put(b), d)
	o.Live, o.HasLive, o.Delete = v.put(a), true, true
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Apply(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) != 3 {
		t.Fatalf("errors %v", r.Errors)
	}
	for _, e := range r.Errors {
		if !errors.Is(e.Err, ErrChanged) {
			t.Fatal(e)
		}
	}
	now["fine"] = b["fine"]
	if diff := now.differs(look(t, d)); diff != "" {
		t.Fatal(diff)
	}
}

// TestUnknownStays has files that no tree knows where the restore wants to put and remove things.
func TestUnknownStays(t *testing.T) {
	v := newVault(t)
	a := model{"old": folderSpec(), "old/x": file("x"), "turn": folderSpec(), "turn/k": file("known")}
	b := model{"new": folderSpec(), "new/f": file("f"), "new/g": file("g"), "turn": file("now a file")}
	extra := model{"old/ignored": file("i"), "turn/ignored": file("j"), "new": folderSpec(), "new/f": file("mine"), "new/mine": file("k")}
	now := a.clone()
	for p, s := range extra {
		now[p] = s
	}
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	lay(t, d, now)
	o := v.options(v.put(b), d)
	o.Live, o.HasLive, o.Delete = v.put(a), true, true
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Apply(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) != 2 || r.Errors[0].Path != "new/f" || r.Errors[1].Path != "turn" || len(r.Kept) != 1 || r.Kept[0] != "old" {
		t.Fatalf("errors %v, kept %v", r.Errors, r.Kept)
	}
	got := look(t, d)
	for p, s := range extra {
		if p != "new" && got[p] != s {
			t.Fatalf("%s: %+v", p, got[p])
		}
	}
	if got["new/g"] != b["new/g"] || got["turn/k"] != a["turn/k"] {
		t.Fatal(got)
	}
}

func TestLinkInTheWayIsNotFollowed(t *testing.T) {
	both(t, func(t *testing.T, d disk.Dir) {
		v := newVault(t)
		a := model{"in": folderSpec(), "in/f": file("one")}
		b := model{"in": folderSpec(), "in/f": file("two two")}
		now := model{"in": link("out"), "out": folderSpec(), "out/f": a["in/f"]}
		lay(t, d, now)
		o := v.options(v.put(b), d)
		o.Live, o.HasLive, o.Delete = v.put(a), true, true
		p, err := Make(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Apply(context.Background())
		if err != nil || len(r.Errors) != 1 {
			t.Fatalf("%v %+v", err, r)
		}
		if diff := now.differs(look(t, d)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestPatch changes one chunk of a big file where clones can be made.
func TestPatch(t *testing.T) {
	v := newVault(t)
	old := noise(1, 5<<20)
	cases := map[string]string{
		"middle":  old[:1<<20] + noise(2, 10_000) + old[1<<20+10_000:],
		"shorter": old[:4<<20+1234],
		"longer":  old + noise(3, 7777),
		"zeros":   old[:2<<20] + strings.Repeat("\x00", 1<<20) + old[3<<20:],
	}
	for name, content := range cases {
		t.Run(name, func(t *testing.T) {
			d := disk.NewMemory(disk.MemoryOptions{}).Root()
			a, b := model{"big": file(old)}, model{"big": file(content)}
			lay(t, d, a)
			o := v.options(v.putSized(b, 10_000), d)
			o.Live, o.HasLive = v.putSized(a, 10_000), true
			r := restore(t, o)
			if diff := b.differs(look(t, d)); diff != "" {
				t.Fatal(diff)
			}
			if r.Written > 2<<20 {
				t.Fatalf("%d bytes written", r.Written)
			}
		})
	}
}

func TestDamagedChunk(t *testing.T) {
	v := newVault(t)
	m := model{"bad": file(noise(1, 3000)), "good": file(noise(2, 4000)), "tiny": file("t"), "dir": folderSpec(), "dir/bad": file(noise(1, 3000) + noise(5, 9000))}
	v.put(model{"good": m["good"]}) // in a pack of its own
	whole := v.put(m)
	damaged := losing(t, v, m)
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	o := v.options(whole, d)
	o.DB = damaged
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Apply(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) != 2 || !errors.Is(r.Errors[0].Err, object.ErrMissing) || !errors.Is(r.Errors[1].Err, object.ErrMissing) {
		t.Fatalf("errors %v", r.Errors)
	}
	want := model{"good": m["good"], "tiny": m["tiny"], "dir": m["dir"]}
	if diff := want.differs(look(t, d)); diff != "" {
		t.Fatal(diff)
	}
}

// losing is another vault with the same pages and the content of "good" only.
func losing(t *testing.T, v *vault, m model) *object.DB {
	t.Helper()
	ctx := context.Background()
	copied := store.NewMemory()
	first := ""
	for o, err := range v.db.Store().List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(o.Name, "packs/") && first == "" {
			first = o.Name
		}
		b, err := v.db.Store().Get(ctx, o.Name, 0, -1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := copied.Put(ctx, o.Name, b); err != nil {
			t.Fatal(err)
		}
	}
	db, err := object.Open(ctx, copied, nil, object.Options{Rand: lockedRand{}, Now: v.db.Now})
	if err != nil {
		t.Fatal(err)
	}
	chunk := v.db.Digest([]byte(m["bad"].content))
	at, err := v.db.Locate(ctx, chunk)
	if err != nil {
		t.Fatal(err)
	}
	name := at.Pack.String()
	if err := copied.Delete(ctx, "packs/"+name[:2]+"/"+name); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestFoldingTarget(t *testing.T) {
	v := newVault(t)
	m := model{"Read": file("1"), "read": file("2"), "caf\u00e9": file("3"), "cafe\u0301": file("4"), "D": folderSpec(), "D/x": file("5"), "other": file("6")}
	root := v.put(m)
	d := disk.NewMemory(disk.MemoryOptions{FoldCase: true, Normalize: true}).Root()
	o := v.options(root, d)
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if c := p.Refused(); len(c) != 2 || c[0].Reason != Collides || c[1].Reason != Collides {
		t.Fatalf("conflicts %+v", c)
	}
	if got := look(t, d); len(got) != 0 {
		t.Fatalf("the probe left %v", got)
	}
	o.Rename = true
	restore(t, o)
	got := look(t, d)
	if got["Read"].content != "1" || got["read~2"].content != "2" || len(got) != len(m) {
		t.Fatal(got)
	}
}

// TestRespelt restores in place, on a target that folds names, what differs in spelling only.
func TestRespelt(t *testing.T) {
	v := newVault(t)
	a := model{"Void": folderSpec(), "Assets": folderSpec(), "Assets/Tree.png": file("tree"), "Assets/old": file("old"), "README": file("read me")}
	b := model{"void": folderSpec(), "assets": folderSpec(), "assets/Tree.png": file("tree"), "assets/new": file("new!"), "readme": file("read me")}
	d := disk.NewMemory(disk.MemoryOptions{FoldCase: true}).Root()
	lay(t, d, a)
	o := v.options(v.put(b), d)
	o.Live, o.HasLive, o.Delete = v.put(a), true, true
	if r := restore(t, o); len(r.Kept) > 0 {
		t.Fatalf("kept %v", r.Kept)
	}
	if diff := b.differs(look(t, d)); diff != "" {
		t.Fatal(diff)
	}
}

func TestSpecialAndOddTargets(t *testing.T) {
	v := newVault(t)
	m := sample()
	m["pipe"] = spec{typ: disk.Pipe, mode: 0o600, mtime: epoch}
	root := v.put(m)
	delete(m, "pipe")
	for _, o := range []disk.MemoryOptions{{NoHardLinks: true}, {NoNoReplace: true}, {NoHardLinks: true, NoNoReplace: true}, {NoXattrs: true}} {
		d := disk.NewMemory(o).Root()
		p, err := Make(context.Background(), v.options(root, d))
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Apply(context.Background())
		if err != nil || len(r.Errors) > 0 || len(r.Warnings) == 0 {
			t.Fatalf("%+v: %v %+v", o, err, r)
		}
		want, got := m.settle(), look(t, d)
		for _, x := range []model{want, got} {
			for p, s := range x {
				if o.NoXattrs {
					s.xattr = ""
				}
				if o.NoHardLinks {
					s.group = 0
				}
				x[p] = s
			}
		}
		if diff := want.differs(got); diff != "" {
			t.Fatalf("%+v: %s", o, diff)
		}
	}
}
