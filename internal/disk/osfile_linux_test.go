package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestExtents(t *testing.T) {
	d := tempDir(t)
	f, err := d.Create("sparse", 0o600)
	must(t, err)
	defer f.Close()
	const unit = 1 << 20
	want := []Extent{{Off: unit, Len: unit}, {Off: 5 * unit, Len: 2 * unit}}
	for _, e := range want {
		_, err := f.WriteAt(pattern(int(e.Len)), e.Off)
		must(t, err)
	}
	must(t, f.Truncate(9*unit))
	_, err = io.ReadFull(f, make([]byte, 100))
	must(t, err)
	got, err := Extents(f)
	must(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if n, err := f.Read(make([]byte, 9*unit)); n != 9*unit-100 || err != nil {
		t.Errorf("the search moved the position: %d, %v", n, err)
	}
	if got, err := Extents(f); err != nil || len(got) != 2 {
		t.Errorf("again: %v, %v", got, err)
	}
	empty, err := d.Create("empty", 0o600)
	must(t, err)
	defer empty.Close()
	if got, err := Extents(empty); len(got) != 0 || err != nil {
		t.Errorf("empty: %v, %v", got, err)
	}
	must(t, empty.Truncate(unit))
	if got, err := Extents(empty); len(got) != 0 || err != nil {
		t.Errorf("one hole: %v, %v", got, err)
	}
}

func TestReserve(t *testing.T) {
	d := tempDir(t)
	f, err := d.Create("f", 0o600)
	must(t, err)
	defer f.Close()
	must(t, Reserve(f, 1<<20))
	info, err := f.Stat()
	must(t, err)
	if info.Size != 0 {
		t.Errorf("size %d", info.Size)
	}
	if kind, _ := FileSystem(d); kind == "ext4" && info.Allocated < 1<<20 {
		t.Errorf("%d bytes allocated", info.Allocated)
	}
	if err := Reserve(f, 1<<62); err == nil {
		t.Error("reserved more than any disk has")
	}
}

func TestCloneOrUnsupported(t *testing.T) {
	d := tempDir(t)
	put(t, d, "from", "content")
	from, err := d.Open("from")
	must(t, err)
	defer from.Close()
	to, err := d.Create("to", 0o600)
	must(t, err)
	defer to.Close()
	switch err := Clone(from, to); {
	case err == nil:
		wantContent(t, d, "to", "content")
	default:
		wantErr(t, err, errors.ErrUnsupported)
		wantContent(t, d, "to", "")
	}
	WillRead(from, 0, 0)
	WillRead(from, 0, 7)
	Done(from, 0, 0)
	wantContent(t, d, "from", "content")
}

// Memory that cannot be read makes the system refuse in the middle of the content.
func TestCreateWholeFailsWhole(t *testing.T) {
	d := tempDir(t)
	for _, good := range []int{4096, 8 << 20} {
		content, err := unix.Mmap(-1, 0, good+1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		must(t, err)
		must(t, unix.Mprotect(content[good:], unix.PROT_NONE))
		size := good + 8192
		wantErr(t, CreateWhole(d, "f", 0o600, content[:size]), unix.EFAULT)
		if _, err := d.Stat("f"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("left behind: %v", err)
		}
		must(t, unix.Munmap(content))
	}
}

func TestCreateWholeTmpfs(t *testing.T) {
	path, err := os.MkdirTemp("/dev/shm", "disk")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(path)
	d, err := Open(path)
	must(t, err)
	defer d.Close()
	conformCreateWhole(t, d)
}

func TestSyncStaysFailed(t *testing.T) {
	d := tempDir(t)
	f, err := d.Create("f", 0o600)
	must(t, err)
	defer f.Close()
	must(t, f.Sync())
	f.(*osFile).failed = unix.EIO
	wantErr(t, f.Sync(), unix.EIO)
	wantErr(t, f.Sync(), unix.EIO)
}

func TestCreateWholeSyncs(t *testing.T) {
	dir := tempDir(t)
	f, err := dir.Create("f", 0o600)
	must(t, err)
	defer f.Close()
	file := f.(*osFile)
	file.failed = unix.EIO
	wantErr(t, file.writeWhole([]byte("content"), new(sync.Pool)), unix.EIO)
}

func TestReadingKeepsAccessTime(t *testing.T) {
	path := t.TempDir()
	file := filepath.Join(path, "f")
	must(t, os.WriteFile(file, []byte("x"), 0o600))
	long := time.Unix(1_000_000_000, 0)
	access := func() int64 {
		fi, err := os.Stat(file)
		must(t, err)
		return time.Unix(fi.Sys().(*syscall.Stat_t).Atim.Unix()).UnixNano()
	}
	must(t, os.Chtimes(file, long, long))
	d, err := Open(path)
	must(t, err)
	defer d.Close()
	wantContent(t, d, "f", "x")
	if access() != long.UnixNano() {
		t.Error("the access time changed")
	}
	if _, err := os.ReadFile(file); err != nil || access() == long.UnixNano() {
		t.Skip("this file system never keeps access times")
	}
}

func BenchmarkCreateWhole(b *testing.B) {
	for _, size := range []int{64 << 10, 32 << 20} {
		for shift, kind := range []string{"aligned", "unaligned"} {
			b.Run(fmt.Sprint(size>>10, "KiB/", kind), func(b *testing.B) {
				d := tempDir(b)
				content := pattern(size + shift)[shift:]
				b.SetBytes(int64(size))
				for b.Loop() {
					must(b, CreateWhole(d, "f", 0o600, content))
					must(b, d.Remove("f"))
				}
			})
		}
	}
}

func BenchmarkOpenReadClose(b *testing.B) {
	path := b.TempDir()
	must(b, os.WriteFile(path+"/f", make([]byte, 4096), 0o600))
	buf := make([]byte, 8192)
	b.Run("varve", func(b *testing.B) {
		d, err := Open(path)
		must(b, err)
		defer d.Close()
		b.ReportAllocs()
		for b.Loop() {
			f, err := d.Open("f")
			must(b, err)
			f.Read(buf)
			f.Close()
		}
	})
	b.Run("os", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, err := os.Open(path + "/f")
			must(b, err)
			f.Read(buf)
			f.Close()
		}
	})
}
