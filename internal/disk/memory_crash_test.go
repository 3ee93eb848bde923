package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCrashNameNeedsDirSync(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	d := m.Root()
	memPut(t, d, "f", "data", true)
	memGone(t, m.Crash(KeepNone).Root(), "f")
	memWant(t, m.Crash(KeepAll).Root(), "f", "data")
	memOK(t, d.Sync())
	memWant(t, m.Crash(KeepNone).Root(), "f", "data")

	// The entries of a new directory do not make its own name durable.
	c := memChild(t, d, "c")
	memPut(t, c, "g", "data", true)
	memOK(t, c.Sync())
	memGone(t, m.Crash(KeepNone).Root(), "c")
	memOK(t, d.Sync())
	up, err := m.Crash(KeepNone).Root().OpenDir("c")
	memOK(t, err)
	memWant(t, up, "g", "data")

	memOK(t, d.Remove("f"))
	memWant(t, m.Crash(KeepNone).Root(), "f", "data")
	memOK(t, d.Sync())
	memGone(t, m.Crash(KeepNone).Root(), "f")
}

func TestCrashContentNeedsFileSync(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	d := m.Root()
	memPut(t, d, "tmp", strings.Repeat("x", 3*memBlockSize), false)
	memOK(t, d.Publish("tmp", d, "f"))
	memOK(t, d.Sync())
	memWant(t, m.Crash(KeepNone).Root(), "f", "")
	seen := map[string]bool{}
	for seed := range uint64(300) {
		got, err := memGet(m.Crash(KeepHalf(seed)).Root(), "f")
		memOK(t, err)
		var form strings.Builder
		for b := range slices.Chunk([]byte(got), memBlockSize) {
			switch string(b) {
			case strings.Repeat("x", len(b)):
				form.WriteByte('x')
			case strings.Repeat("\x00", len(b)):
				form.WriteByte('0')
			default:
				t.Fatalf("seed %d: a block is torn", seed)
			}
		}
		seen[form.String()] = true
	}
	for _, form := range []string{"", "xxx", "000", "0x0", "x", "0"} {
		if !seen[form] {
			t.Errorf("never found %q among %v", form, slices.Sorted(maps.Keys(seen)))
		}
	}

	f, err := d.OpenWrite("f")
	memOK(t, err)
	memOK(t, f.Sync())
	_, err = f.WriteAt([]byte("y"), 0)
	memOK(t, err)
	memOK(t, f.Truncate(10))
	memWant(t, m.Crash(KeepNone).Root(), "f", strings.Repeat("x", 3*memBlockSize))
	memWant(t, m.Crash(KeepAll).Root(), "f", "yxxxxxxxxx")
	memOK(t, f.Truncate(2*memBlockSize))
	for seed := range uint64(50) {
		got, err := memGet(m.Crash(KeepHalf(seed)).Root(), "f")
		memOK(t, err)
		if len(got) == 2*memBlockSize && strings.Contains(got[10:], "x") {
			t.Fatalf("seed %d: cut bytes are back", seed)
		}
	}
}

func TestCrashMetaNeedsSync(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	d := m.Root()
	memPut(t, d, "f", "data", true)
	memOK(t, d.Sync())
	mode := uint32(0o400)
	memOK(t, d.SetMeta("f", Change{Mode: &mode}))
	memOK(t, d.SetXattr("f", Xattr{"user.a", []byte("1")}))
	if got := m.Crash(KeepNone).Tree(); !strings.HasPrefix(got, `"f" file 0644`) || strings.Contains(got, "user.a") {
		t.Fatal(got)
	}
	f, err := d.Open("f")
	memOK(t, err)
	memOK(t, f.Sync())
	if got := m.Crash(KeepNone).Tree(); got != m.Tree() {
		t.Fatal(got)
	}
}

func TestCrashRenameIsAtomic(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	d := m.Root()
	memPut(t, d, "f", "old", true)
	memOK(t, d.Sync())
	memPut(t, d, "tmp", "new", true)
	memOK(t, d.Rename("tmp", d, "f"))
	seen := map[string]bool{}
	for seed := range uint64(100) {
		up := m.Crash(KeepHalf(seed))
		got, err := memGet(up.Root(), "f")
		memOK(t, err)
		_, err = up.Root().Stat("tmp")
		seen[fmt.Sprint(got, errors.Is(err, fs.ErrNotExist))] = true
	}
	want := map[string]bool{"oldtrue": true, "oldfalse": true, "newtrue": true}
	if !maps.Equal(seen, want) {
		t.Fatalf("found %v, want %v", seen, want)
	}
}

func TestCrashMoveBetweenDirectories(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	a, b := memChild(t, m.Root(), "a"), memChild(t, m.Root(), "b")
	memPut(t, a, "f", "data", true)
	memOK(t, m.Root().(Flusher).SyncAll())
	memOK(t, a.Rename("f", b, "g"))
	found := func(m *Memory) string {
		var out string
		for _, path := range []string{"a/f", "b/g"} {
			d, err := m.Root().OpenDir(path[:1])
			memOK(t, err)
			if got, err := memGet(d, path[2:]); err == nil && got == "data" {
				out += path
			}
		}
		return out
	}
	seen := map[string]bool{}
	for seed := range uint64(100) {
		seen[found(m.Crash(KeepHalf(seed)))] = true
	}
	if want := map[string]bool{"a/f": true, "b/g": true, "a/fb/g": true}; !maps.Equal(seen, want) {
		t.Fatalf("found %v, want %v", seen, want)
	}
	into := m.Crash(KeepAll) // for a second history
	memOK(t, b.Sync())
	if got := found(m.Crash(KeepNone)); got != "a/fb/g" {
		t.Fatalf("after the sync of the new directory: %s", got)
	}
	memOK(t, a.Sync())
	if got := found(m.Crash(KeepNone)); got != "b/g" {
		t.Fatalf("after the sync of both: %s", got)
	}

	// The sync of the old directory alone must not lose what was durable there.
	a, err := into.Root().OpenDir("a")
	memOK(t, err)
	b, err = into.Root().OpenDir("b")
	memOK(t, err)
	memOK(t, b.Rename("g", a, "f"))
	memOK(t, b.Sync())
	if got := found(into.Crash(KeepNone)); got != "a/f" {
		t.Fatalf("after the sync of the old directory: %s", got)
	}

	// What was never durable is lost if only the old directory is synced.
	memPut(t, a, "tmp", "data", true)
	memOK(t, a.Publish("tmp", b, "g"))
	memOK(t, a.Sync())
	if got := found(into.Crash(KeepNone)); got != "a/f" {
		t.Fatalf("an unsynced directory kept a name: %s", got)
	}
}

func TestCrashIsACopy(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	d := m.Root()
	memPut(t, d, "f", strings.Repeat("a", 2*memBlockSize), true)
	memOK(t, d.Sync())
	f, err := d.OpenWrite("f")
	memOK(t, err)
	up := m.Crash(KeepAll)
	g, err := up.Root().OpenWrite("f")
	memOK(t, err)
	_, err = f.WriteAt([]byte("original"), 0)
	memOK(t, err)
	_, err = g.WriteAt([]byte("copy"), memBlockSize)
	memOK(t, err)
	memOK(t, up.Root().Rename("f", up.Root(), "h"))
	memWant(t, d, "f", "original"+strings.Repeat("a", 2*memBlockSize-8))
	memWant(t, up.Root(), "h", strings.Repeat("a", memBlockSize)+"copy"+strings.Repeat("a", memBlockSize-4))
	memWant(t, up.Crash(KeepNone).Root(), "f", strings.Repeat("a", 2*memBlockSize))
}

func TestCrashAfterSyncAndOverwrite(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	f, err := m.Root().Create("f", 0o600)
	memOK(t, err)
	memOK(t, m.Root().Sync())
	for _, text := range []string{"first", "other"} {
		_, err = f.WriteAt([]byte(text), 0)
		memOK(t, err)
		if text == "first" {
			memOK(t, f.Sync())
		}
	}
	memWant(t, m.Crash(KeepNone).Root(), "f", "first")
	memWant(t, m.Root(), "f", "other")
}

// TestCrashSharesNothing writes to either side first, after each way of keeping.
func TestCrashSharesNothing(t *testing.T) {
	for seed := range uint64(40) {
		for _, keep := range []Keep{KeepNone, KeepAll, KeepHalf(seed)} {
			m := NewMemory(MemoryOptions{})
			memPut(t, m.Root(), "f", strings.Repeat("a", 3*memBlockSize), seed%3 == 0)
			memOK(t, m.Root().Sync())
			sides := []*Memory{m, m.Crash(keep)}
			if seed%2 == 0 {
				slices.Reverse(sides)
			}
			for i, side := range sides {
				before := sides[1-i].Tree()
				f, err := side.Root().OpenWrite("f")
				memOK(t, err)
				_, err = f.WriteAt([]byte("changed"), 2*memBlockSize-3)
				memOK(t, err)
				memOK(t, f.Truncate(2*memBlockSize+2))
				if sides[1-i].Tree() != before {
					t.Fatalf("seed %d, keep %d: a write to one changed the other", seed, keep)
				}
			}
		}
	}
}

// memSound checks link counts, parents and the quota from the top.
func memSound(m *Memory) error {
	names := map[*memNode]uint32{m.root: 1}
	var used int64
	var walk func(n *memNode) error
	walk = func(n *memNode) error {
		for key, l := range n.entries {
			if m.key(l.name) != key {
				return fmt.Errorf("%q under key %q", l.name, key)
			}
			if names[l.node]++; names[l.node] > 1 && l.node.kind == Directory {
				return fmt.Errorf("directory %q has two names", l.name)
			}
			if l.node.kind == Regular && names[l.node] == 1 {
				used += l.node.allocated()
			}
			if l.node.kind == Directory {
				if l.node.parent != n {
					return fmt.Errorf("directory %q has another parent", l.name)
				}
				if err := walk(l.node); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := walk(m.root); err != nil {
		return err
	}
	for n, k := range names {
		if n.names != k {
			return fmt.Errorf("inode %d has %d names and counts %d", n.ino, k, n.names)
		}
	}
	if used != m.used {
		return fmt.Errorf("%d bytes used, %d counted", used, m.used)
	}
	return nil
}

// crashModel knows what must be found after any power loss, by rules of its own: a name that was synced and not touched
// since, and every file that was durable once and has not been removed or replaced by anyone.
type crashModel struct {
	dirs    []Dir
	paths   []string
	content map[uint64]string // of files, by inode
	synced  map[uint64]bool   // content durable
	certain map[string]uint64 // path → inode
	safe    map[uint64]bool   // inodes that must be found somewhere
}

func (c *crashModel) touch(dir int, name string) {
	delete(c.certain, c.paths[dir]+name)
}

func (c *crashModel) inode(t *rapid.T, dir int, name string) uint64 {
	i, err := c.dirs[dir].Stat(name)
	if err != nil {
		t.Skip()
	}
	return i.Inode
}

func (c *crashModel) actions(m *Memory) map[string]func(*rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"})
	dir := rapid.IntRange(0, len(c.dirs)-1)
	move := func(publish bool) func(*rapid.T) {
		return func(t *rapid.T) {
			from, to := dir.Draw(t, "from"), dir.Draw(t, "to")
			a, b := name.Draw(t, "name"), name.Draw(t, "new name")
			n := c.inode(t, from, a)
			old, missing := c.dirs[to].Stat(b)
			op := c.dirs[from].Rename
			if publish {
				op = c.dirs[from].Publish
			}
			if err := op(a, c.dirs[to], b); err != nil || missing == nil && old.Inode == n {
				return
			}
			c.touch(from, a)
			c.touch(to, b)
			if missing == nil {
				delete(c.safe, old.Inode)
			}
		}
	}
	return map[string]func(*rapid.T){
		"rename":  move(false),
		"publish": move(true),
		"create": func(t *rapid.T) {
			d, n := dir.Draw(t, "dir"), name.Draw(t, "name")
			text := rapid.StringMatching("[a-z]{1,8}").Draw(t, "text")
			if rapid.Bool().Draw(t, "long") {
				text = strings.Repeat(text, 2000)
			}
			f, err := c.dirs[d].Create(n, 0o600)
			if err != nil {
				t.Skip()
			}
			_, err = f.Write([]byte(text))
			memOK(t, err)
			c.touch(d, n)
			i, err := f.Stat()
			memOK(t, err)
			c.content[i.Inode] = text
			if rapid.Bool().Draw(t, "sync") {
				memOK(t, f.Sync())
				c.synced[i.Inode] = true
			}
			memOK(t, f.Close())
		},
		"link": func(t *rapid.T) {
			from, to := dir.Draw(t, "from"), dir.Draw(t, "to")
			b := name.Draw(t, "new name")
			if c.dirs[from].Link(name.Draw(t, "name"), c.dirs[to], b) == nil {
				c.touch(to, b)
			}
		},
		"remove": func(t *rapid.T) {
			d, n := dir.Draw(t, "dir"), name.Draw(t, "name")
			ino := c.inode(t, d, n)
			links, err := c.dirs[d].Stat(n)
			memOK(t, err)
			if c.dirs[d].Remove(n) == nil {
				c.touch(d, n)
				if links.Links == 1 {
					delete(c.safe, ino)
				}
			}
		},
		"sync": func(t *rapid.T) {
			d := dir.Draw(t, "dir")
			memOK(t, c.dirs[d].Sync())
			list, err := c.dirs[d].List(nil)
			memOK(t, err)
			for _, e := range list {
				if e.Type == Regular {
					c.certain[c.paths[d]+e.Name] = e.Inode
					c.safe[e.Inode] = true
				}
			}
		},
		"": func(t *rapid.T) {
			if err := memSound(m); err != nil {
				t.Fatal(err)
			}
			all := m.Crash(KeepAll)
			if all.Tree() != m.Tree() {
				t.Fatalf("KeepAll found\n%swant\n%s", all.Tree(), m.Tree())
			}
			c.check(t, m.Crash(KeepNone))
			seed := rapid.Uint64().Draw(t, "seed")
			up := m.Crash(KeepHalf(seed))
			if again := m.Crash(KeepHalf(seed)); again.Tree() != up.Tree() {
				t.Fatal("one seed, two outcomes")
			}
			c.check(t, up)
			if up.Crash(KeepNone).Tree() != up.Tree() {
				t.Fatal("what was found is not durable")
			}
		},
	}
}

func (c *crashModel) check(t *rapid.T, up *Memory) {
	if err := memSound(up); err != nil {
		t.Fatal(err)
	}
	found := map[uint64]bool{}
	at := map[string]uint64{}
	for i, path := range c.paths {
		d := up.Root()
		if i > 0 {
			var err error
			d, err = up.Root().OpenDir(strings.TrimSuffix(path, "/"))
			memOK(t, err)
		}
		list, err := d.List(nil)
		memOK(t, err)
		for _, e := range list {
			if e.Type != Regular {
				continue
			}
			found[e.Inode] = true
			at[path+e.Name] = e.Inode
			got, err := memGet(d, e.Name)
			memOK(t, err)
			want := c.content[e.Inode]
			if c.synced[e.Inode] && got != want {
				t.Fatalf("%s%s: synced content lost", path, e.Name)
			}
			if len(got) > len(want) {
				t.Fatalf("%s%s: longer than it ever was", path, e.Name)
			}
		}
	}
	for path, ino := range c.certain {
		if at[path] != ino {
			t.Fatalf("%s was synced, is inode %d, want %d\n%s", path, at[path], ino, up.Tree())
		}
	}
	for ino := range c.safe {
		if !found[ino] {
			t.Fatalf("inode %d was durable, was not removed, and is nowhere\n%s", ino, up.Tree())
		}
	}
}

func TestCrashAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMemory(MemoryOptions{NoNoReplace: rapid.Bool().Draw(t, "no noreplace")})
		c := &crashModel{content: map[uint64]string{}, synced: map[uint64]bool{}, certain: map[string]uint64{}, safe: map[uint64]bool{}}
		c.dirs, c.paths = []Dir{m.Root()}, []string{""}
		for _, name := range []string{"x", "y"} {
			c.dirs = append(c.dirs, memChild(t, m.Root(), name))
			c.paths = append(c.paths, name+"/")
		}
		memOK(t, m.Root().Sync())
		t.Repeat(c.actions(m))
	})
}

// TestCrashMovedDirectories moves files and directories about and in to each other, and removes and remakes empty ones:
// no directory may be found twice, no file lost.
func TestCrashMovedDirectories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMemory(MemoryOptions{})
		dirs := []Dir{m.Root()}
		names := []string{"a", "b", "c", "d"}
		for _, name := range names {
			dirs = append(dirs, memChild(t, m.Root(), name))
			memPut(t, dirs[len(dirs)-1], "f"+name, name, true)
		}
		memOK(t, m.Root().(Flusher).SyncAll())
		dir := func() Dir { return dirs[rapid.IntRange(0, len(dirs)-1).Draw(t, "dir")] }
		name := rapid.SampledFrom(names)
		check := func(up *Memory) {
			if err := memSound(up); err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if !strings.Contains(up.Tree(), `f`+name+`" file`) {
					t.Fatalf("f%s is lost\n%s", name, up.Tree())
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"directory": func(t *rapid.T) { n := name.Draw(t, "name"); _ = dir().Rename(n, dir(), n) },
			"replace":   func(t *rapid.T) { _ = dir().Rename(name.Draw(t, "name"), dir(), name.Draw(t, "new name")) },
			"file":      func(t *rapid.T) { n := "f" + name.Draw(t, "name"); _ = dir().Rename(n, dir(), n) },
			"exchange":  func(t *rapid.T) { _ = Exchange(dir(), name.Draw(t, "name"), dir(), name.Draw(t, "other")) },
			"remove":    func(t *rapid.T) { _ = dir().Remove(name.Draw(t, "name")) },
			"mkdir": func(t *rapid.T) {
				n, d := name.Draw(t, "name"), dir()
				if d.Mkdir(n, 0o755) == nil {
					c, err := d.OpenDir(n)
					memOK(t, err)
					dirs = append(dirs, c)
				}
			},
			"sync": func(t *rapid.T) { memOK(t, dir().Sync()) },
			"": func(t *rapid.T) {
				check(m)
				check(m.Crash(KeepNone))
				check(m.Crash(KeepHalf(rapid.Uint64().Draw(t, "seed"))))
				if up := m.Crash(KeepAll); up.Tree() != m.Tree() {
					t.Fatalf("KeepAll found\n%swant\n%s", up.Tree(), m.Tree())
				}
			},
		})
	})
}

// TestCrashExchange: after an exchange power loss finds both names as they were or both as they are.
func TestCrashExchange(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	d, stage := memChild(t, m.Root(), "d"), memChild(t, m.Root(), "stage")
	memPut(t, memChild(t, d, "name"), "inside", "folder", true)
	memPut(t, stage, "new", "file", true)
	memOK(t, m.Root().(Flusher).SyncAll())
	before := m.Tree()
	memOK(t, Exchange(stage, "new", d, "name"))
	after, seen := m.Tree(), map[string]bool{}
	for seed := range uint64(50) {
		tree := m.Crash(KeepHalf(seed)).Tree()
		if tree != before && tree != after {
			t.Fatalf("neither before nor after:\n%s", tree)
		}
		seen[tree] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d outcomes of 50 power losses", len(seen))
	}
	memOK(t, d.Sync())
	if tree := m.Crash(KeepNone).Tree(); tree != after {
		t.Errorf("a sync of one side lost the exchange:\n%s", tree)
	}
}
