package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// memTB is what tests and property tests have in common.
type memTB interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func memOK(t memTB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func memErr(t memTB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// memPut creates a file, and syncs its content if asked.
func memPut(t memTB, d Dir, name, content string, sync bool) {
	t.Helper()
	f, err := d.Create(name, 0o644)
	memOK(t, err)
	_, err = io.WriteString(f, content)
	memOK(t, err)
	if sync {
		memOK(t, f.Sync())
	}
	memOK(t, f.Close())
}

// memGet is the content of a file, or the error of opening it.
func memGet(d Dir, name string) (string, error) {
	f, err := d.Open(name)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), errors.Join(err, f.Close())
}

func memWant(t memTB, d Dir, name, want string) {
	t.Helper()
	got, err := memGet(d, name)
	memOK(t, err)
	if got != want {
		t.Fatalf("%s holds %.40q (%d bytes), want %.40q (%d bytes)", name, got, len(got), want, len(want))
	}
}

func memGone(t memTB, d Dir, name string) {
	t.Helper()
	_, err := d.Stat(name)
	memErr(t, err, fs.ErrNotExist)
}

func memChild(t memTB, d Dir, name string) Dir {
	t.Helper()
	memOK(t, d.Mkdir(name, 0o755))
	c, err := d.OpenDir(name)
	memOK(t, err)
	return c
}

func TestMemoryContentAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := NewMemory(MemoryOptions{})
		f, err := m.Root().Create("f", 0o600)
		memOK(t, err)
		var model []byte
		offset := rapid.Int64Range(0, 5*memBlockSize)
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				off, n := offset.Draw(t, "off"), rapid.IntRange(0, 3*memBlockSize).Draw(t, "n")
				p := bytes.Repeat([]byte{byte(1 + off%200)}, n)
				got, err := f.WriteAt(p, off)
				memOK(t, err)
				if got != n {
					t.Fatalf("wrote %d of %d", got, n)
				}
				if end := int(off) + n; n > 0 && end > len(model) {
					model = append(model, make([]byte, end-len(model))...)
				}
				if n > 0 {
					copy(model[off:], p)
				}
			},
			"truncate": func(t *rapid.T) {
				size := offset.Draw(t, "size")
				memOK(t, f.Truncate(size))
				model = append(model[:min(int(size), len(model))], make([]byte, max(0, int(size)-len(model)))...)
			},
			"sync":  func(t *rapid.T) { memOK(t, f.Sync()) },
			"crash": func(t *rapid.T) { m.Crash(KeepHalf(rapid.Uint64().Draw(t, "seed"))) },
			"clone": func(t *rapid.T) {
				name := fmt.Sprint("c", rapid.Uint32().Draw(t, "name"))
				g, err := m.Root().Create(name, 0o600)
				if errors.Is(err, fs.ErrExist) {
					t.Skip()
				}
				memOK(t, err)
				memOK(t, f.(Cloner).CloneTo(g))
				_, err = g.WriteAt([]byte("the clone alone"), 5)
				memOK(t, err)
				memOK(t, g.Close())
			},
			"": func(t *rapid.T) {
				got := make([]byte, len(model)+10)
				n, err := f.ReadAt(got, 0)
				if err != io.EOF || !bytes.Equal(got[:n], model) {
					t.Fatalf("content differs from the model: %d bytes, %v; want %d", n, err, len(model))
				}
				all, err := memGet(m.Crash(KeepAll).Root(), "f")
				memOK(t, err)
				if all != string(model) {
					t.Fatal("KeepAll differs from the model")
				}
				x, err := f.(Sparse).Extents()
				memOK(t, err)
				rest := bytes.Clone(model)
				for _, e := range x {
					clear(rest[e.Off : e.Off+e.Len])
				}
				if strings.Trim(string(rest), "\x00") != "" {
					t.Fatal("data outside the extents")
				}
			},
		})
	})
}

func TestMemoryCloneIsACopy(t *testing.T) {
	d := NewMemory(MemoryOptions{}).Root()
	for _, first := range []int{0, 1} {
		var files [2]File
		for i, name := range []string{"src", "dst"} {
			f, err := d.Create(fmt.Sprint(name, first), 0o600)
			memOK(t, err)
			files[i] = f
		}
		_, err := files[0].Write([]byte("shared"))
		memOK(t, err)
		_, err = files[1].Write(make([]byte, 2*memBlockSize))
		memOK(t, err)
		memOK(t, files[0].(Cloner).CloneTo(files[1]))
		_, err = files[first].WriteAt([]byte("X"), 0)
		memOK(t, err)
		for i, f := range files {
			got := make([]byte, 10)
			n, err := f.ReadAt(got, 0)
			memErr(t, err, io.EOF)
			if want := map[bool]string{true: "Xhared", false: "shared"}[i == first]; string(got[:n]) != want {
				t.Fatalf("file %d holds %q, want %q", i, got[:n], want)
			}
		}
	}
}

func TestMemorySparse(t *testing.T) {
	m := NewMemory(MemoryOptions{Quota: 1 << 20})
	f, err := m.Root().Create("f", 0o600)
	memOK(t, err)
	memOK(t, f.Truncate(20<<30))
	_, err = f.WriteAt([]byte("x"), 10<<30)
	memOK(t, err)
	i, err := f.Stat()
	memOK(t, err)
	if i.Size != 20<<30 || i.Allocated != memBlockSize {
		t.Fatalf("size %d, allocated %d", i.Size, i.Allocated)
	}
	x, err := f.(Sparse).Extents()
	memOK(t, err)
	if len(x) != 1 || x[0] != (Extent{10 << 30, memBlockSize}) {
		t.Fatal(x)
	}
	memOK(t, m.Root().(Flusher).SyncAll())
	if m.Crash(KeepNone).Tree() != m.Tree() {
		t.Fatal("lost by the crash")
	}
}

func TestMemoryQuota(t *testing.T) {
	m := NewMemory(MemoryOptions{Quota: 4 * memBlockSize})
	d := m.Root()
	f, err := d.Create("f", 0o600)
	memOK(t, err)
	n, err := f.Write(make([]byte, 5*memBlockSize))
	memErr(t, err, syscall.ENOSPC)
	if n != 4*memBlockSize {
		t.Fatalf("wrote %d", n)
	}
	memErr(t, d.(Streamer).CreateWhole("g", 0o600, []byte("x")), syscall.ENOSPC)
	memGone(t, d, "g")
	if free, err := d.(Space).Free(); free != 0 || err != nil {
		t.Fatal(free, err)
	}
	memOK(t, d.Remove("f"))
	if got := m.Used(); got != 4*memBlockSize {
		t.Fatalf("an open file holds its space: used %d", got)
	}
	got := make([]byte, 10)
	if _, err := f.ReadAt(got, 0); err != nil {
		t.Fatalf("a removed but open file stays readable: %v", err)
	}
	memOK(t, f.Close())
	if got := m.Used(); got != 0 {
		t.Fatalf("used %d after the last close", got)
	}
	f, err = d.Create("h", 0o600)
	memOK(t, err)
	memErr(t, f.(Reserver).Reserve(5*memBlockSize), syscall.ENOSPC)
	memOK(t, f.(Reserver).Reserve(3*memBlockSize))
	memErr(t, d.(Streamer).CreateWhole("i", 0o600, make([]byte, 2*memBlockSize)), syscall.ENOSPC)
	memOK(t, f.Truncate(0))
	memOK(t, d.(Streamer).CreateWhole("i", 0o600, make([]byte, 4*memBlockSize)))
}

func TestMemoryNames(t *testing.T) {
	fold := NewMemory(MemoryOptions{FoldCase: true}).Root()
	memPut(t, fold, "Read.Me", "1", false)
	memWant(t, fold, "rEAD.mE", "1")
	_, err := fold.Create("READ.ME", 0o600)
	memErr(t, err, fs.ErrExist)
	memOK(t, fold.Rename("read.me", fold, "READ.me"))
	list, err := fold.List(nil)
	memOK(t, err)
	if len(list) != 1 || list[0].Name != "READ.me" {
		t.Fatal(list)
	}
	norm := NewMemory(MemoryOptions{Normalize: true}).Root()
	memPut(t, norm, "caf\u00e9", "1", false)
	memWant(t, norm, "cafe\u0301", "1")
	memGone(t, norm, "cafe")
	win := NewMemory(MemoryOptions{WindowsNames: true}).Root()
	for _, name := range []string{"nul", "CON.txt", "com1", "LPT9.x", "a:b", "a.", "a ", "a\\b", "a*", "a\x01", "aux .c"} {
		memErr(t, win.Mkdir(name, 0o755), ErrName)
	}
	for _, name := range []string{"null", "com", "COM0", "com10", ".a", "a b"} {
		memOK(t, win.Mkdir(name, 0o755))
	}
	for _, name := range []string{"", ".", "..", "a/b", "a\x00"} {
		memErr(t, win.Mkdir(name, 0o755), ErrName)
	}
	memErr(t, win.Mkdir(strings.Repeat("n", 256), 0o755), syscall.ENAMETOOLONG)
}

func TestMemoryLacks(t *testing.T) {
	m := NewMemory(MemoryOptions{NoXattrs: true, NoHardLinks: true, Granularity: 2e9, Now: func() int64 { return 3e9 + 5 }})
	d := m.Root()
	memPut(t, d, "f", "1", false)
	memErr(t, d.SetXattr("f", Xattr{Name: "user.a"}), errors.ErrUnsupported)
	memErr(t, d.Link("f", d, "g"), syscall.EPERM)
	i, err := d.Stat("f")
	memOK(t, err)
	if i.Mtime != 2e9 {
		t.Fatalf("mtime %d", i.Mtime)
	}
	before := int64(-1)
	memOK(t, d.SetMeta("f", Change{Mtime: &before}))
	if i, _ = d.Stat("f"); i.Mtime != -2e9 {
		t.Fatalf("mtime %d", i.Mtime)
	}
	other := NewMemory(MemoryOptions{}).Root()
	memErr(t, d.Rename("f", other, "f"), syscall.EXDEV)
	neither := NewMemory(MemoryOptions{NoNoReplace: true, NoHardLinks: true}).Root()
	memPut(t, neither, "f", "1", false)
	memErr(t, neither.Publish("f", neither, "g"), errors.ErrUnsupported)
	memWant(t, neither, "f", "1")
}

func TestMemoryMeta(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	d := m.Root()
	memPut(t, d, "f", "1", false)
	mode := uint32(0o6755)
	memOK(t, d.SetMeta("f", Change{Mode: &mode, Owner: &Owner{7, 8}}))
	i, err := d.Stat("f")
	memOK(t, err)
	if i.Mode != 0o6755 || i.UID != 7 || i.GID != 8 {
		t.Fatalf("%+v", i)
	}
	memOK(t, d.SetMeta("f", Change{Owner: &Owner{9, 9}}))
	if i, _ = d.Stat("f"); i.Mode != 0o755 {
		t.Fatalf("a change of owner leaves mode %o", i.Mode)
	}
	memOK(t, d.Symlink("f", "l"))
	memErr(t, d.SetMeta("l", Change{Mode: &mode}), errors.ErrUnsupported)
	_, err = d.Open("l")
	memErr(t, err, syscall.ELOOP)
	ctime := i.Ctime
	memOK(t, d.SetXattr("f", Xattr{"user.b", []byte("2")}))
	memOK(t, d.SetXattr("f", Xattr{"user.a", []byte("1")}))
	memOK(t, d.SetXattr("f", Xattr{"user.b", []byte("3")}))
	memOK(t, d.RemoveXattr("f", "user.none"))
	x, err := d.Xattrs("f")
	memOK(t, err)
	if fmt.Sprint(x) != "[{user.a [49]} {user.b [51]}]" {
		t.Fatal(x)
	}
	if i, _ = d.Stat("f"); i.Ctime <= ctime {
		t.Fatal("ctime stands still")
	}
	x[0].Value[0] = 'X'
	if y, _ := d.Xattrs("f"); string(y[0].Value) != "1" {
		t.Fatal("the caller holds the stored value")
	}
	memOK(t, d.Link("f", d, "g"))
	if i, _ = d.Stat("g"); i.Links != 2 {
		t.Fatalf("%d links", i.Links)
	}
	for k := Pipe; k <= BlockDevice; k++ {
		memOK(t, m.Mknod(k.word(), k))
		if _, err := d.Open(k.word()); err == nil {
			t.Fatalf("a %s was opened", k.word())
		}
		if i, _ := d.Stat(k.word()); i.Type != k {
			t.Fatal(i.Type)
		}
	}
}

func TestMemoryPublishNeverReplaces(t *testing.T) {
	for _, o := range []MemoryOptions{{}, {NoNoReplace: true}} {
		d := NewMemory(o).Root()
		var wg sync.WaitGroup
		var errs [16]error
		for i := range errs {
			memPut(t, d, fmt.Sprint(i), fmt.Sprint(i), false)
			wg.Go(func() { errs[i] = d.Publish(fmt.Sprint(i), d, "one") })
		}
		wg.Wait()
		won := -1
		for i, err := range errs {
			if err == nil {
				if won >= 0 {
					t.Fatal("two have won")
				}
				won = i
			} else {
				memErr(t, err, fs.ErrExist)
			}
		}
		memWant(t, d, "one", fmt.Sprint(won))
	}
}

func TestMemoryConcurrent(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			d, r := m.Root(), rand.New(rand.NewPCG(1, uint64(g)))
			for range 200 {
				name := fmt.Sprint(r.IntN(6))
				switch r.IntN(5) {
				case 0:
					if f, err := d.Create(name, 0o600); err == nil {
						f.Write(make([]byte, 5000))
						f.Sync()
						f.Close()
					}
				case 1:
					d.Rename(name, d, fmt.Sprint(r.IntN(6)))
				case 2:
					d.Remove(name)
				case 3:
					c := m.Crash(KeepHalf(r.Uint64()))
					memPut(t, c.Root(), "new", "x", true)
					memGet(c.Root(), name)
				case 4:
					d.Sync()
				}
			}
		})
	}
	wg.Wait()
	if err := memSound(m); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkMemoryCrash(b *testing.B) {
	m := NewMemory(MemoryOptions{})
	d := m.Root()
	for i := range 200 {
		memPut(b, d, fmt.Sprint(i), strings.Repeat("x", 20_000), i%4 > 0)
		if i == 150 {
			memOK(b, d.Sync())
		}
	}
	for seed := uint64(0); b.Loop(); seed++ {
		m.Crash(KeepHalf(seed))
	}
}

func BenchmarkMemoryWrite(b *testing.B) {
	f, err := NewMemory(MemoryOptions{}).Root().Create("f", 0o600)
	memOK(b, err)
	p := make([]byte, 1<<20)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := f.WriteAt(p, 0); err != nil {
			b.Fatal(err)
		}
	}
}
