package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// faultyCalls is one call of each kind, on a tree that faultyTree made.
func faultyCalls(d Dir, f File) map[OpKind]func() error {
	file := func(f File, err error) error {
		if err == nil {
			err = f.Close()
		}
		return err
	}
	return map[OpKind]func() error{
		OpList:        func() error { _, err := d.List(nil); return err },
		OpStat:        func() error { _, err := d.Stat("f"); return err },
		OpOpen:        func() error { return file(d.Open("f")) },
		OpOpenDir:     func() error { _, err := d.OpenDir("d"); return err },
		OpReadlink:    func() error { _, err := d.Readlink("l"); return err },
		OpXattrs:      func() error { _, err := d.Xattrs("f"); return err },
		OpCreate:      func() error { return file(d.Create("new", 0o600)) },
		OpOpenWrite:   func() error { return file(d.OpenWrite("f")) },
		OpMkdir:       func() error { return d.Mkdir("newdir", 0o700) },
		OpSymlink:     func() error { return d.Symlink("f", "newlink") },
		OpLink:        func() error { return d.Link("f", d, "hard") },
		OpRename:      func() error { return d.Rename("f", d, "g") },
		OpPublish:     func() error { return d.Publish("f", d, "g") },
		OpExchange:    func() error { return Exchange(d, "f", d, "d") },
		OpRemove:      func() error { return d.Remove("f") },
		OpSetMeta:     func() error { m := uint32(0o400); return d.SetMeta("f", Change{Mode: &m}) },
		OpSetXattr:    func() error { return d.SetXattr("f", Xattr{"user.n", nil}) },
		OpRemoveXattr: func() error { return d.RemoveXattr("f", "user.a") },
		OpSync:        d.Sync,
		OpCloseDir:    d.Close,
		OpSyncAll:     d.(Flusher).SyncAll,
		OpCreateWhole: func() error { return d.(Streamer).CreateWhole("whole", 0o600, []byte("whole")) },
		OpFree:        func() error { _, err := d.(Space).Free(); return err },
		OpFileSystem:  func() error { _, err := d.(Kind).FileSystem(); return err },
		OpRead:        func() error { _, err := f.Read(make([]byte, 2)); return err },
		OpWrite:       func() error { _, err := f.Write([]byte("long write")); return err },
		OpTruncate:    func() error { return f.Truncate(1) },
		OpFileStat:    func() error { _, err := f.Stat(); return err },
		OpFileSync:    f.Sync,
		OpClose:       f.Close,
		OpReserve:     func() error { return f.(Reserver).Reserve(9) },
		OpExtents:     func() error { _, err := f.(Sparse).Extents(); return err },
		OpClone:       func() error { return f.(Cloner).CloneTo(f) },
	}
}

func faultyTree(t *testing.T) *Memory {
	m := NewMemory(MemoryOptions{})
	memPut(t, m.Root(), "f", "content", false)
	memOK(t, m.Root().Symlink("f", "l"))
	memOK(t, m.Root().Mkdir("d", 0o755))
	memOK(t, m.Root().SetXattr("f", Xattr{"user.a", []byte("1")}))
	return m
}

func TestFaultyEachKind(t *testing.T) {
	for k := range opKinds {
		for _, after := range []bool{false, true} {
			m := faultyTree(t)
			fault := error(syscall.EIO)
			if after {
				fault = AfterEffect{syscall.EIO}
			}
			var on bool
			hook := FailKind(k, 0, fault)
			y := NewFaulty(m.Root(), func(o Op) error {
				if !on {
					return nil
				}
				return hook(o)
			})
			f, err := y.Root().OpenWrite("f")
			memOK(t, err)
			before, durable, count := m.Tree(), m.Crash(KeepNone).Tree(), y.Count()
			call := faultyCalls(y.Root(), f)[k]
			on = true
			err = call()
			if !errors.Is(err, syscall.EIO) {
				t.Fatalf("%s: got %v", k, err)
			}
			var one *fs.PathError
			var two *os.LinkError
			if !errors.As(err, &one) && !errors.As(err, &two) {
				t.Fatalf("%s: %T", k, err)
			}
			if y.Count() != count+1 {
				t.Fatalf("%s: counted %d operations", k, y.Count()-count)
			}
			same := before == m.Tree() && durable == m.Crash(KeepNone).Tree()
			changes := k.Writes() && k != OpOpenWrite && k != OpFileSync && k != OpReserve && k != OpClone
			if !after && !same {
				t.Fatalf("%s: took effect\n%s", k, m.Tree())
			}
			if after && same == changes {
				t.Fatalf("%s after effect: changed %v, want %v\n%s", k, !same, changes, m.Tree())
			}
		}
	}
}

func TestFaultyPassesThrough(t *testing.T) {
	for k := range opKinds {
		m, plain := faultyTree(t), faultyTree(t)
		y := NewFaulty(m.Root(), nil)
		f, err := y.Root().OpenWrite("f")
		memOK(t, err)
		g, err := plain.Root().OpenWrite("f")
		memOK(t, err)
		got, want := faultyCalls(y.Root(), f)[k](), faultyCalls(plain.Root(), g)[k]()
		if got != nil || want != nil {
			t.Fatalf("%s: got %v, plain %v", k, got, want)
		}
		if m.Tree() != plain.Tree() || m.Crash(KeepNone).Tree() != plain.Crash(KeepNone).Tree() {
			t.Fatalf("%s: got\n%swant\n%s", k, m.Tree(), plain.Tree())
		}
	}
}

func TestFaultyOpIsDescribed(t *testing.T) {
	m := faultyTree(t)
	var ops []Op
	y := NewFaulty(m.Root(), func(o Op) error { ops = append(ops, o); return nil })
	d, err := y.Root().OpenDir("d")
	memOK(t, err)
	memOK(t, y.Root().Rename("f", d, "g"))
	f, err := d.OpenWrite("g")
	memOK(t, err)
	_, err = f.WriteAt([]byte("abc"), 5)
	memOK(t, err)
	_, err = f.Read(make([]byte, 4))
	memOK(t, err)
	_, err = f.Read(make([]byte, 2))
	memOK(t, err)
	want := []Op{
		{N: 1, Kind: OpOpenDir, Path: "d"},
		{N: 2, Kind: OpRename, Path: "f", To: "d/g"},
		{N: 3, Kind: OpOpenWrite, Path: "d/g"},
		{N: 4, Kind: OpWrite, Path: "d/g", Off: 5, Len: 3},
		{N: 5, Kind: OpRead, Path: "d/g", Len: 4},
		{N: 6, Kind: OpRead, Path: "d/g", Off: 4, Len: 2},
	}
	if len(ops) != len(want) {
		t.Fatal(ops)
	}
	for i := range want {
		if ops[i] != want[i] {
			t.Errorf("got %+v, want %+v", ops[i], want[i])
		}
	}
}

func TestFaultyShort(t *testing.T) {
	m := faultyTree(t)
	y := NewFaulty(m.Root(), func(o Op) error {
		switch o.Kind {
		case OpWrite, OpCreateWhole:
			return ShortWrite{syscall.ENOSPC}
		case OpRead:
			return ShortRead{}
		}
		return nil
	})
	f, err := y.Root().Create("new", 0o600)
	memOK(t, err)
	n, err := f.Write([]byte("12345678"))
	memErr(t, err, syscall.ENOSPC)
	if n != 4 {
		t.Fatal(n)
	}
	memWant(t, m.Root(), "new", "1234")
	memErr(t, y.Root().(Streamer).CreateWhole("whole", 0o600, []byte("123456")), syscall.ENOSPC)
	memWant(t, m.Root(), "whole", "123")

	g, err := y.Root().Open("f")
	memOK(t, err)
	p := make([]byte, 6)
	if n, err := g.Read(p); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	n, err = g.ReadAt(p, 1)
	memErr(t, err, io.ErrUnexpectedEOF)
	if n != 3 || string(p[:3]) != "ont" {
		t.Fatal(n, string(p))
	}
	h, err := y.Root().Open("f")
	memOK(t, err)
	all, err := io.ReadAll(h)
	if err != nil || string(all) != "content" {
		t.Fatalf("short reads lose bytes: %q, %v", all, err)
	}
}

func TestFaultyHooks(t *testing.T) {
	run := func(h Hook, calls int) string {
		y := NewFaulty(NewMemory(MemoryOptions{}).Root(), h)
		var out strings.Builder
		for i := range calls {
			var err error
			if i%2 == 0 {
				_, err = y.Root().List(nil)
			} else {
				err = y.Root().Sync()
			}
			out.WriteByte("ok x"[map[bool]int{true: 0, false: 3}[err == nil]])
		}
		return out.String()
	}
	for _, c := range []struct {
		hook Hook
		want string
	}{
		{FailAt(3, syscall.EIO), "ooxooo"},
		{FailFrom(3, syscall.EIO), "ooxxxx"},
		{FailKind(OpSync, 2, syscall.EIO), "oooxoo"},
		{FailKind(OpSync, 0, syscall.EIO), "oxoxox"},
		{StopAt(5), "ooooxx"},
		{FailAt(2, ErrStopped), "oxxxxx"},
		{FailAt(2, AfterEffect{ErrStopped}), "oxxxxx"},
	} {
		if got := run(c.hook, 6); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// TestFaultyStopThenCrash is how callers test themselves: stop before each operation, lose power, look.
func TestFaultyStopThenCrash(t *testing.T) {
	for _, synced := range []bool{true, false} {
		torn := false
		for n := int64(1); ; n++ {
			m := NewMemory(MemoryOptions{})
			y := NewFaulty(m.Root(), StopAt(n))
			err := faultyReplace(y.Root(), synced)
			if err != nil {
				memErr(t, err, ErrStopped)
				if y.Count() != n {
					t.Fatalf("stopped at %d, counted %d", n, y.Count())
				}
			}
			for seed := range uint64(20) {
				got, failed := memGet(m.Crash(KeepHalf(seed)).Root(), "f")
				if failed == nil && got != "whole content" {
					torn = true
				}
				if err == nil && failed != nil {
					t.Fatal("reported done, and lost")
				}
			}
			if err == nil {
				break
			}
		}
		if torn == synced {
			t.Fatalf("file synced before publish: %v, found torn: %v", synced, torn)
		}
	}
}

func faultyReplace(d Dir, sync bool) error {
	f, err := d.Create("tmp", 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("whole content"))
	if err == nil && sync {
		err = f.Sync()
	}
	if err = faultyJoin(err, f.Close()); err != nil {
		return err
	}
	if err := d.Publish("tmp", d, "f"); err != nil {
		return err
	}
	return d.Sync()
}

// plainDir and plainFile hide all that is optional.
type (
	plainDir  struct{ Dir }
	plainFile struct{ File }
)

func (d plainDir) OpenWrite(name string) (File, error) {
	f, err := d.Dir.OpenWrite(name)
	return plainFile{f}, err
}

func TestFaultyWithoutOptional(t *testing.T) {
	m := faultyTree(t)
	d := NewFaulty(plainDir{m.Root()}, nil).Root()
	memOK(t, d.(Streamer).CreateWhole("whole", 0o600, []byte("123")))
	memOK(t, d.Sync())
	memWant(t, m.Crash(KeepNone).Root(), "whole", "123")
	memErr(t, d.(Flusher).SyncAll(), errors.ErrUnsupported)
	_, err := d.(Space).Free()
	memErr(t, err, errors.ErrUnsupported)
	_, err = d.(Kind).FileSystem()
	memErr(t, err, errors.ErrUnsupported)
	f, err := d.OpenWrite("f")
	memOK(t, err)
	memOK(t, f.(Reserver).Reserve(100))
	x, err := f.(Sparse).Extents()
	if err != nil || len(x) != 1 || x[0] != (Extent{0, 7}) {
		t.Fatal(x, err)
	}
	memErr(t, f.(Cloner).CloneTo(f), errors.ErrUnsupported)
}

func TestFaultyClosesWhatItHides(t *testing.T) {
	m := faultyTree(t)
	y := NewFaulty(m.Root(), FailKind(OpOpenWrite, 0, AfterEffect{syscall.EIO}))
	_, err := y.Root().OpenWrite("f")
	memErr(t, err, syscall.EIO)
	y = NewFaulty(m.Root(), FailKind(OpClose, 0, syscall.EIO))
	f, err := y.Root().OpenWrite("f")
	memOK(t, err)
	_, err = f.Write(bytes.Repeat([]byte("x"), 5000))
	memOK(t, err)
	memErr(t, f.Close(), syscall.EIO)
	memOK(t, m.Root().Remove("f"))
	if m.Used() != 0 {
		t.Fatalf("a handle is still open: %d bytes used", m.Used())
	}
}
