package varve_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watch returns a function that ends the watch over a folder and says which files below it were opened meanwhile.
func watch(t testing.TB, dir string) func() []string {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	err = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if _, err := unix.InotifyAddWatch(fd, d, unix.IN_OPEN|unix.IN_ACCESS|unix.IN_MODIFY|unix.IN_ATTRIB|unix.IN_CREATE|unix.IN_DELETE); err != nil {
			t.Fatal(err)
		}
	}
	return func() (names []string) {
		defer unix.Close(fd)
		buf := make([]byte, 64<<10)
		for {
			n, err := unix.Read(fd, buf)
			if err != nil || n <= 0 {
				return names
			}
			for at := 0; at+unix.SizeofInotifyEvent <= n; {
				e := (*unix.InotifyEvent)(unsafe.Pointer(&buf[at]))
				at += unix.SizeofInotifyEvent
				names = append(names, unix.ByteSliceToString(buf[at:at+int(e.Len)]))
				at += int(e.Len)
			}
		}
	}
}

// nameCount returns how many names a file has.
func nameCount(info os.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Nlink) }

// TestWatch: the watch sees a file that is read.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte(secret), 0o644); err != nil {
		t.Fatal(err)
	}
	opened := watch(t, dir)
	if _, err := os.ReadFile(filepath.Join(dir, "f")); err != nil {
		t.Fatal(err)
	}
	if len(opened()) == 0 {
		t.Error("a file was read and not seen")
	}
}

func makePipe(p string) error { return syscall.Mkfifo(p, 0o600) }
