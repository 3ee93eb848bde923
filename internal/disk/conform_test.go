package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// testDir checks what every Dir promises. newDir returns an empty one.
func testDir(t *testing.T, newDir func(*testing.T) Dir) {
	cases := []struct {
		name string
		run  func(*testing.T, Dir)
	}{
		{"names", conformNames}, {"content", conformContent}, {"list", conformList}, {"links", conformLinks},
		{"publish", conformPublish}, {"publish race", conformPublishRace}, {"rename", conformRename}, {"exchange", conformExchange}, {"meta", conformMeta},
		{"xattrs", conformXattrs}, {"create whole", conformCreateWhole}, {"write whole", conformWriteWhole},
		{"walk", conformWalk}, {"remove all", conformRemoveAll}, {"map", conformMap}, {"close", conformClose},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, newDir(t)) })
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// refused fails unless err is an error, and closes what came with it.
func refused(t testing.TB, what string, c io.Closer, err error) {
	t.Helper()
	if err == nil {
		c.Close()
		t.Errorf("%s: accepted", what)
	}
}

func put(t testing.TB, d Dir, name, content string) {
	t.Helper()
	f, err := d.Create(name, 0o644)
	must(t, err)
	_, err = io.WriteString(f, content)
	must(t, err)
	must(t, f.Close())
}

func wantContent(t testing.TB, d Dir, name, want string) {
	t.Helper()
	got, err := ReadFile(d, name, 64<<20)
	must(t, err)
	if string(got) != want {
		t.Errorf("%q holds %d bytes, want %d: %.40q", name, len(got), len(want), got)
	}
}

func makeDir(t testing.TB, d Dir, name string) Dir {
	t.Helper()
	must(t, d.Mkdir(name, 0o755))
	c, err := d.OpenDir(name)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func conformNames(t *testing.T, d Dir) {
	put(t, d, "file", "")
	for _, bad := range []string{"", ".", "..", "a/b", "/", "../file", "a\x00b"} {
		f, err := d.Open(bad)
		if err == nil {
			f.Close()
		}
		wantErr(t, err, ErrName)
		_, err = d.Create(bad, 0o600)
		wantErr(t, err, ErrName)
		_, err = d.OpenWrite(bad)
		wantErr(t, err, ErrName)
		_, err = d.OpenDir(bad)
		wantErr(t, err, ErrName)
		_, err = d.Readlink(bad)
		wantErr(t, err, ErrName)
		wantErr(t, d.Mkdir(bad, 0o700), ErrName)
		wantErr(t, d.Symlink("x", bad), ErrName)
		wantErr(t, d.Remove(bad), ErrName)
		wantErr(t, RemoveAll(d, bad), ErrName)
		wantErr(t, CreateWhole(d, bad, 0o600, nil), ErrName)
		wantErr(t, WriteWhole(d, bad, 0o600, nil), ErrName)
		for _, two := range []func(string, Dir, string) error{d.Link, d.Rename, d.Publish} {
			wantErr(t, two(bad, d, "new"), ErrName)
			wantErr(t, two("file", d, bad), ErrName)
		}
		if bad != "." {
			_, err = d.Stat(bad)
			wantErr(t, err, ErrName)
			_, err = d.Xattrs(bad)
			wantErr(t, err, ErrName)
			wantErr(t, d.SetMeta(bad, Change{}), ErrName)
			wantErr(t, d.SetXattr(bad, Xattr{Name: "user.x"}), ErrName)
			wantErr(t, d.RemoveXattr(bad, "user.x"), ErrName)
		}
	}
	_, err := d.Stat("none")
	wantErr(t, err, fs.ErrNotExist)
	_, err = d.Open("none")
	wantErr(t, err, fs.ErrNotExist)
	wantErr(t, d.Remove("none"), fs.ErrNotExist)
}

func conformContent(t *testing.T, d Dir) {
	f, err := d.Create("f", 0o640)
	must(t, err)
	if _, err := d.Create("f", 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second create: %v", err)
	}
	_, err = f.Write([]byte("hello "))
	must(t, err)
	_, err = f.Write([]byte("world"))
	must(t, err)
	_, err = f.WriteAt([]byte("W"), 6)
	must(t, err)
	buf := make([]byte, 8)
	if n, err := f.ReadAt(buf, 6); n != 5 || err != io.EOF || string(buf[:n]) != "World" {
		t.Errorf("ReadAt %d %v %q", n, err, buf[:n])
	}
	must(t, f.Truncate(13))
	must(t, f.Sync())
	info, err := f.Stat()
	must(t, err)
	if info.Size != 13 || info.Type != Regular {
		t.Errorf("info %+v", info)
	}
	must(t, f.Close())
	wantContent(t, d, "f", "hello World\x00\x00")

	f, err = d.OpenWrite("f")
	must(t, err)
	_, err = f.Write([]byte("J"))
	must(t, err)
	must(t, f.Close())
	wantContent(t, d, "f", "Jello World\x00\x00")

	f, err = d.Open("f")
	must(t, err)
	if _, err := f.Write([]byte("x")); err == nil {
		t.Error("wrote to a file open for reading")
	}
	if n, err := f.ReadAt(buf, 99); n != 0 || err != io.EOF {
		t.Errorf("past the end: %d %v", n, err)
	}
	must(t, f.Close())
	if _, err := f.Read(buf); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	_, err = ReadFile(d, "f", 12)
	wantErr(t, err, ErrTooLarge)
	if got, err := ReadFile(d, "f", 13); len(got) != 13 || err != nil {
		t.Errorf("at the limit: %d bytes, %v", len(got), err)
	}
	must(t, d.Sync())
}

func conformList(t *testing.T, d Dir) {
	names := []string{"a", "A", "a.b", "a b", "abcdefgh", "abcdefghi", "abcdefg", "ä", "zz", "-", "0", strings.Repeat("n", 255)}
	for i, n := range names {
		put(t, d, n, strings.Repeat("x", i))
	}
	must(t, d.Mkdir("dir", 0o755))
	must(t, d.Symlink("a/target", "link"))
	prefix := []Entry{{Name: "zzz"}}
	list, err := d.List(prefix)
	must(t, err)
	if list[0].Name != "zzz" || len(list) != 1+len(names)+2 {
		t.Fatalf("%d entries, first %q", len(list), list[0].Name)
	}
	list = list[1:]
	for i, e := range list {
		if i > 0 && list[i-1].Name >= e.Name {
			t.Errorf("%q before %q", list[i-1].Name, e.Name)
		}
		info, err := d.Stat(e.Name)
		must(t, err)
		if info != e.Info {
			t.Errorf("%q: listed %+v, stat %+v", e.Name, e.Info, info)
		}
	}
	self, err := d.Stat(".")
	must(t, err)
	if self.Type != Directory {
		t.Errorf("the directory is a %v", self.Type)
	}
}

func conformLinks(t *testing.T, d Dir) {
	put(t, d, "file", "content")
	sub := makeDir(t, d, "sub")
	must(t, d.Symlink("file", "to-file"))
	must(t, d.Symlink("sub", "to-sub"))
	must(t, d.Symlink("none", "to-none"))
	for _, link := range []string{"to-file", "to-sub", "to-none"} {
		f, err := d.Open(link)
		refused(t, "open "+link, f, err)
		f, err = d.OpenWrite(link)
		refused(t, "open for writing "+link, f, err)
		c, err := d.OpenDir(link)
		refused(t, "open directory "+link, c, err)
		f, err = d.Create(link, 0o600)
		refused(t, "create "+link, f, err)
		wantErr(t, err, fs.ErrExist)
		wantErr(t, d.Mkdir(link, 0o700), fs.ErrExist)
		c, err = Walk(d, link)
		refused(t, "walk "+link, c, err)
		info, err := d.Stat(link)
		must(t, err)
		target, err := d.Readlink(link)
		must(t, err)
		if info.Type != Symlink || info.Size != int64(len(target)) {
			t.Errorf("%s: %+v, target %q", link, info, target)
		}
	}
	if _, err := d.Stat("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was made through a link")
	}
	mode := uint32(0o600)
	before, err := d.Stat("file")
	must(t, err)
	if err := d.SetMeta("to-file", Change{Mode: &mode}); err == nil {
		t.Error("the mode of a link was set")
	}
	if after, _ := d.Stat("file"); after.Mode != before.Mode {
		t.Errorf("mode changed through a link: %o", after.Mode)
	}
	f, err := d.Open("sub")
	refused(t, "open a directory as a file", f, err)
	c, err := d.OpenDir("file")
	refused(t, "open a file as a directory", c, err)

	must(t, d.Link("file", sub, "hard"))
	wantErr(t, d.Link("file", sub, "hard"), fs.ErrExist)
	wantContent(t, sub, "hard", "content")
	a, _ := d.Stat("file")
	b, _ := sub.Stat("hard")
	if a.Inode != b.Inode || a.Links != 2 && a.Inode != 0 {
		t.Errorf("hard link: %+v, %+v", a, b)
	}
	must(t, d.Remove("to-sub"))
	must(t, d.Remove("to-file"))
	wantContent(t, d, "file", "content")
	if err := d.Remove("sub"); err == nil {
		t.Error("a full directory was removed")
	}
}

func conformPublish(t *testing.T, d Dir) {
	sub := makeDir(t, d, "sub")
	put(t, d, "new", "new")
	put(t, sub, "taken", "old")
	must(t, sub.Symlink("nowhere", "link"))
	must(t, sub.Mkdir("empty", 0o755))
	for _, taken := range []string{"taken", "link", "empty"} {
		wantErr(t, d.Publish("new", sub, taken), fs.ErrExist)
		wantContent(t, d, "new", "new")
	}
	wantContent(t, sub, "taken", "old")
	must(t, d.Publish("new", sub, "fresh"))
	wantContent(t, sub, "fresh", "new")
	if _, err := d.Stat("new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still under the old name: %v", err)
	}
	wantErr(t, d.Publish("none", sub, "x"), fs.ErrNotExist)
}

func conformExchange(t *testing.T, d Dir) {
	sub := makeDir(t, d, "sub")
	full := makeDir(t, sub, "full")
	put(t, full, "in", "inside")
	put(t, d, "file", "content")
	err := Exchange(d, "file", sub, "full")
	if errors.Is(err, errors.ErrUnsupported) {
		wantContent(t, d, "file", "content")
		t.Skip("this file system does not exchange names")
	}
	must(t, err)
	wantContent(t, sub, "full", "content")
	moved, err := d.OpenDir("file")
	must(t, err)
	wantContent(t, moved, "in", "inside")
	must(t, moved.Close())
	must(t, Exchange(sub, "full", d, "file"))
	wantContent(t, d, "file", "content")
	wantErr(t, Exchange(d, "file", sub, "none"), fs.ErrNotExist)
	wantErr(t, Exchange(d, "none", sub, "full"), fs.ErrNotExist)
	wantContent(t, full, "in", "inside")
}

func conformPublishRace(t *testing.T, d Dir) {
	const racers = 16
	for round := range 20 {
		slot := fmt.Sprint("slot", round)
		for i := range racers {
			put(t, d, fmt.Sprint("temp", i), fmt.Sprint(i))
		}
		var wg sync.WaitGroup
		var wins atomic.Int32
		winner := make(chan int, racers)
		start := make(chan struct{})
		for i := range racers {
			wg.Go(func() {
				<-start
				err := d.Publish(fmt.Sprint("temp", i), d, slot)
				if err == nil {
					wins.Add(1)
					winner <- i
				} else if !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		if wins.Load() != 1 {
			t.Fatalf("%d won", wins.Load())
		}
		w := <-winner
		wantContent(t, d, slot, fmt.Sprint(w))
		for i := range racers {
			if i != w {
				must(t, d.Remove(fmt.Sprint("temp", i)))
			}
		}
	}
}

func conformRename(t *testing.T, d Dir) {
	a, b := makeDir(t, d, "a"), makeDir(t, d, "b")
	put(t, a, "f", "one")
	put(t, b, "f", "two")
	must(t, a.Rename("f", b, "f"))
	wantContent(t, b, "f", "one")
	_, err := a.Stat("f")
	wantErr(t, err, fs.ErrNotExist)
	must(t, d.Mkdir("empty", 0o755))
	must(t, d.Rename("b", d, "empty"))
	c, err := d.OpenDir("empty")
	must(t, err)
	defer c.Close()
	wantContent(t, c, "f", "one")
	if err := d.Rename("a", d, "empty"); err == nil {
		t.Error("a full directory was replaced")
	}
}

func conformMeta(t *testing.T, d Dir) {
	put(t, d, "f", "x")
	must(t, d.Mkdir("dir", 0o755))
	mode, mtime := uint32(0o741), int64(1_234_567_890_123_456_789)
	for _, name := range []string{"f", "dir", "."} {
		must(t, d.SetMeta(name, Change{Mode: &mode, Mtime: &mtime}))
		info, err := d.Stat(name)
		must(t, err)
		if info.Mode != mode || info.Mtime != mtime {
			t.Errorf("%s: mode %o, time %d", name, info.Mode, info.Mtime)
		}
		mode++
		mtime -= 1_000_000_001
	}
	must(t, d.Symlink("f", "link"))
	before, _ := d.Stat("f")
	must(t, d.SetMeta("link", Change{Mtime: &mtime}))
	link, err := d.Stat("link")
	must(t, err)
	after, _ := d.Stat("f")
	if link.Mtime != mtime || after.Mtime != before.Mtime {
		t.Errorf("time of a link %d, want %d; of its target %d, want %d", link.Mtime, mtime, after.Mtime, before.Mtime)
	}
	old := int64(-1_500_000_000)
	must(t, d.SetMeta("f", Change{Mtime: &old}))
	if info, _ := d.Stat("f"); info.Mtime != old || info.Mode != before.Mode {
		t.Errorf("before 1970: %d, mode %o", info.Mtime, info.Mode)
	}
	wantErr(t, d.SetMeta("none", Change{Mode: &mode}), fs.ErrNotExist)
}

func conformXattrs(t *testing.T, d Dir) {
	put(t, d, "f", "x")
	must(t, d.Mkdir("dir", 0o755))
	if err := d.SetXattr("f", Xattr{Name: "user.b", Value: []byte("2")}); errors.Is(err, errors.ErrUnsupported) {
		got, err := d.Xattrs("f")
		if len(got) != 0 || err != nil {
			t.Errorf("none can be set, but there are %v, %v", got, err)
		}
		return
	} else {
		must(t, err)
	}
	for _, name := range []string{"f", "dir", "."} {
		must(t, d.SetXattr(name, Xattr{Name: "user.b", Value: []byte("old")}))
		must(t, d.SetXattr(name, Xattr{Name: "user.b", Value: []byte{0, 1, 255}}))
		must(t, d.SetXattr(name, Xattr{Name: "user.a"}))
		must(t, d.SetXattr(name, Xattr{Name: "user.c", Value: []byte("gone")}))
		must(t, d.RemoveXattr(name, "user.c"))
		must(t, d.RemoveXattr(name, "user.c"))
		got, err := d.Xattrs(name)
		must(t, err)
		if len(got) != 2 || got[0].Name != "user.a" || len(got[0].Value) != 0 ||
			got[1].Name != "user.b" || !bytes.Equal(got[1].Value, []byte{0, 1, 255}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	must(t, d.Symlink("f", "link"))
	if got, err := d.Xattrs("link"); len(got) != 0 || err != nil {
		t.Errorf("a link has %q, %v", got, err)
	}
	if err := d.SetXattr("link", Xattr{Name: "user.z", Value: []byte("z")}); err == nil {
		t.Error("user attribute set on a link")
	}
	if got, _ := d.Xattrs("f"); len(got) != 2 {
		t.Errorf("set through a link: %q", got)
	}
}

// pattern is size bytes of which no two blocks are alike.
func pattern(size int) []byte {
	b := make([]byte, size)
	x := uint32(size)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func conformCreateWhole(t *testing.T, d Dir) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 1<<20 - 1, 1 << 20, 1<<20 + 1, 9 << 20, 9<<20 + 5} {
		for _, shift := range []int{0, 1} { // in memory, off a page boundary
			name := fmt.Sprint(size, "+", shift)
			content := pattern(size + shift)[shift:]
			must(t, CreateWhole(d, name, 0o640, content))
			wantContent(t, d, name, string(content))
			wantErr(t, CreateWhole(d, name, 0o640, nil), fs.ErrExist)
			wantContent(t, d, name, string(content))
		}
	}
}

func conformWriteWhole(t *testing.T, d Dir) {
	for _, content := range []string{"one", "", strings.Repeat("three", 500_000)} {
		must(t, WriteWhole(d, "f", 0o640, []byte(content)))
		wantContent(t, d, "f", content)
	}
	must(t, d.Mkdir("dir", 0o755))
	if err := WriteWhole(d, "dir", 0o640, []byte("x")); err == nil {
		t.Error("a file replaced a directory")
	}
	list, err := d.List(nil)
	must(t, err)
	if len(list) != 2 {
		t.Errorf("left behind: %+v", list)
	}
}

func conformWalk(t *testing.T, d Dir) {
	c, err := MkdirAll(d, "a/b/c", 0o755)
	must(t, err)
	put(t, c, "f", "deep")
	must(t, c.Close())
	again, err := MkdirAll(d, "a/b/c", 0o755)
	must(t, err)
	defer again.Close()
	c, err = Walk(d, "a/b/c")
	must(t, err)
	wantContent(t, c, "f", "deep")
	must(t, again.Rename("f", c, "g")) // both handles are one directory
	must(t, c.Close())
	wantContent(t, again, "g", "deep")

	self, err := Walk(d, "")
	must(t, err)
	if _, err := self.Stat("a"); err != nil {
		t.Error(err)
	}
	must(t, self.Close())
	if _, err := d.Stat("a"); err != nil {
		t.Errorf("closing the second handle closed the first: %v", err)
	}
	for _, bad := range []string{"/", "a/", "/a", "a//b", "a/../a", "."} {
		c, err := Walk(d, bad)
		refused(t, bad, c, err)
		wantErr(t, err, ErrName)
	}
	_, err = Walk(d, "a/x")
	wantErr(t, err, fs.ErrNotExist)
	must(t, d.Symlink("a", "link"))
	c, err = MkdirAll(d, "link/b", 0o755)
	refused(t, "through a link", c, err)
	put(t, d, "file", "")
	c, err = MkdirAll(d, "file/b", 0o755)
	refused(t, "through a file", c, err)
}

func conformRemoveAll(t *testing.T, d Dir) {
	put(t, d, "kept", "kept")
	must(t, RemoveAll(d, "none"))
	// Deeper than the handles that RemoveAll holds, twice, with a side branch at each level.
	top := makeDir(t, d, "top")
	at := top
	for i := range 2*maxDepth + 10 {
		put(t, at, "file", "x")
		must(t, at.Mkdir("side", 0o755))
		must(t, at.Symlink("../kept", "link"))
		must(t, at.Mkdir("down", 0o755))
		next, err := at.OpenDir("down")
		must(t, err)
		if i > 0 {
			at.Close()
		}
		at = next
	}
	at.Close()
	must(t, top.Close())
	must(t, d.Symlink("top", "link"))
	must(t, RemoveAll(d, "link"))
	if _, err := d.Stat("top"); err != nil {
		t.Errorf("removed through a link: %v", err)
	}
	must(t, RemoveAll(d, "top"))
	must(t, RemoveAll(d, "top"))
	list, err := d.List(nil)
	must(t, err)
	if len(list) != 1 || list[0].Name != "kept" {
		t.Errorf("left: %+v", list)
	}
	wantContent(t, d, "kept", "kept")
}

func conformMap(t *testing.T, d Dir) {
	for _, size := range []int{0, 1, 4096, 100_001} {
		name := fmt.Sprint(size)
		content := pattern(size)
		put(t, d, name, string(content))
		data, release, err := Map(d, name)
		must(t, err)
		must(t, d.Remove(name)) // the map outlives the name
		if !bytes.Equal(data, content) {
			t.Errorf("%d bytes: mapped %d, not the content", size, len(data))
		}
		must(t, release())
		must(t, release())
	}
	_, _, err := Map(d, "none")
	wantErr(t, err, fs.ErrNotExist)
}

func conformClose(t *testing.T, d Dir) {
	c := makeDir(t, d, "c")
	put(t, c, "f", "x")
	f, err := c.Open("f")
	must(t, err)
	must(t, c.Close())
	must(t, c.Close())
	if got, err := io.ReadAll(f); string(got) != "x" || err != nil {
		t.Errorf("a file outlives its Dir: %q, %v", got, err)
	}
	must(t, f.Close())
	_, err = c.List(nil)
	wantErr(t, err, fs.ErrClosed)
	_, err = c.Open("f")
	wantErr(t, err, fs.ErrClosed)
	wantErr(t, c.Sync(), fs.ErrClosed)
}

func TestOSConform(t *testing.T) {
	testDir(t, func(t *testing.T) Dir { return tempDir(t) })
}

func TestFaultyConform(t *testing.T) {
	testDir(t, func(t *testing.T) Dir {
		return NewFaulty(tempDir(t), func(Op) error { return nil }).Root()
	})
}

func TestMemoryConform(t *testing.T) {
	testDir(t, func(t *testing.T) Dir { return NewMemory(MemoryOptions{}).Root() })
}

// tempDir is an empty directory on the real disk.
func tempDir(t testing.TB) Dir {
	t.Helper()
	d, err := Open(t.TempDir())
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}
