package disk

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lstat is the Info that package os gives, as an independent witness.
func lstat(t *testing.T, path string) Info {
	t.Helper()
	fi, err := os.Lstat(path)
	must(t, err)
	st := fi.Sys().(*syscall.Stat_t)
	info := Info{
		UID: st.Uid, GID: st.Gid, Links: uint32(st.Nlink), Size: fi.Size(), Allocated: st.Blocks * 512,
		Mtime: fi.ModTime().UnixNano(), Ctime: time.Unix(st.Ctim.Unix()).UnixNano(),
		Device: uint64(st.Dev), Inode: st.Ino, Rdev: uint64(st.Rdev), Mode: uint32(fi.Mode().Perm()),
	}
	switch m := fi.Mode(); {
	case m.IsRegular():
		info.Type = Regular
	case m.IsDir():
		info.Type = Directory
	case m&fs.ModeSymlink != 0:
		info.Type = Symlink
	case m&fs.ModeNamedPipe != 0:
		info.Type = Pipe
	case m&fs.ModeSocket != 0:
		info.Type = Socket
	case m&fs.ModeCharDevice != 0:
		info.Type = CharDevice
	case m&fs.ModeDevice != 0:
		info.Type = BlockDevice
	default:
		info.Type = Unknown
	}
	for bit, posix := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if fi.Mode()&bit != 0 {
			info.Mode |= posix
		}
	}
	return info
}

// randomName draws from all bytes that a name may hold.
func randomName(r *rand.Rand) string {
	b := make([]byte, 1+r.IntN(20))
	if r.IntN(10) == 0 {
		b = make([]byte, 255)
	}
	for i := range b {
		for b[i] == 0 || b[i] == '/' {
			b[i] = byte(r.IntN(256))
		}
	}
	if s := string(b); s != "." && s != ".." {
		return s
	}
	return "dots"
}

// grow fills the directory at path with a random tree.
func grow(t *testing.T, r *rand.Rand, path string, depth int) {
	for range 12 {
		p := path + "/" + randomName(r)
		if _, err := os.Lstat(p); err == nil {
			continue
		}
		switch k := r.IntN(9); {
		case k == 0 && depth > 0:
			must(t, os.Mkdir(p, 0o755|fs.ModeSticky))
			grow(t, r, p, depth-1)
		case k == 1:
			must(t, os.Symlink(randomName(r), p))
		case k == 2:
			must(t, unix.Mkfifo(p, 0o620))
		case k == 3:
			f, err := os.Create(p)
			must(t, err)
			_, err = f.WriteAt([]byte("end"), 1<<24)
			must(t, err)
			must(t, f.Close())
		case k == 4:
			must(t, os.WriteFile(p, []byte("linked"), 0o600))
			must(t, os.Link(p, path+"/link"+fmt.Sprint(r.Uint64())))
		default:
			must(t, os.WriteFile(p, make([]byte, r.IntN(20_000)), fs.FileMode(r.IntN(0o1000))))
			must(t, unix.Chmod(p, uint32(r.IntN(0o10000))))
			at := unix.NsecToTimespec(r.Int64N(4e18) - 1e18)
			must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{at, at}, 0))
		}
	}
}

func compareTree(t *testing.T, d Dir, path string) (entries int) {
	list, err := d.List(nil)
	must(t, err)
	want, err := os.ReadDir(path)
	must(t, err)
	slices.SortFunc(want, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	if len(list) != len(want) {
		t.Fatalf("%d entries, want %d", len(list), len(want))
	}
	for i, e := range list {
		p := path + "/" + want[i].Name()
		if info := lstat(t, p); e.Name != want[i].Name() || e.Info != info {
			t.Errorf("entry %d: %q %+v\nwant %q %+v", i, e.Name, e.Info, want[i].Name(), info)
		}
		if info, err := d.Stat(e.Name); err != nil || info != e.Info {
			t.Errorf("%q: stat %+v, %v; listed %+v", e.Name, info, err, e.Info)
		}
		if e.Type == Directory {
			c, err := d.OpenDir(e.Name)
			must(t, err)
			entries += compareTree(t, c, p)
			must(t, c.Close())
		}
	}
	return entries + len(list)
}

func TestListAgainstSystem(t *testing.T) {
	for seed := range uint64(3) {
		path := t.TempDir()
		grow(t, rand.New(rand.NewPCG(seed, 7)), path, 3)
		must(t, os.WriteFile(path+"/new\nline", nil, 0o600))
		must(t, os.WriteFile(path+"/\xff\xfe", nil, 0o600))
		l, err := net.Listen("unix", path+"/socket")
		must(t, err)
		defer l.Close()
		d, err := Open(path)
		must(t, err)
		if n := compareTree(t, d, path); n < 10 {
			t.Errorf("only %d entries compared", n)
		}
		self, err := d.Stat(".")
		must(t, err)
		if self != lstat(t, path) {
			t.Errorf("itself: %+v", self)
		}
		must(t, d.Close())
	}
}

func TestListDevices(t *testing.T) {
	d, err := Open("/dev")
	must(t, err)
	defer d.Close()
	list, err := d.List(nil)
	must(t, err)
	i := slices.IndexFunc(list, func(e Entry) bool { return e.Name == "null" })
	if i < 0 || list[i].Type != CharDevice || list[i].Rdev != unix.Mkdev(1, 3) {
		t.Fatalf("/dev/null is entry %d", i)
	}
	if info, err := d.Stat("null"); err != nil || info.Rdev != list[i].Rdev || info.Device != list[i].Device {
		t.Errorf("%+v, %v; listed %+v", info, err, list[i].Info)
	}
	f, err := d.Open("null")
	refused(t, "device", f, err)
}

// As root nothing is unreadable: there the call is made to fail by itself.
func TestListUnreadable(t *testing.T) {
	var st unix.Statx_t
	name := "file\x00"
	if info, err := statEntry(-1, name[:4], &st); err != unix.EBADF || info.Type != Unknown {
		t.Errorf("%+v, %v", info, err)
	}
	if os.Getuid() == 0 {
		return
	}
	path := t.TempDir()
	must(t, os.WriteFile(path+"/f", nil, 0o600))
	d, err := Open(path)
	must(t, err)
	defer d.Close()
	must(t, os.Chmod(path, 0o400))
	defer os.Chmod(path, 0o700)
	list, err := d.List(nil)
	if len(list) != 1 || list[0] != (Entry{Name: "f", Info: Info{Type: Unknown}}) || err != nil {
		t.Errorf("%+v, %v", list, err)
	}
}

// More than one buffer of names, listed by several at once and while entries come and go.
func TestListConcurrent(t *testing.T) {
	path := t.TempDir()
	const count = 12_000
	for i := range count {
		must(t, os.WriteFile(fmt.Sprintf("%s/a rather long name to fill the buffer %06d", path, i), nil, 0o600))
	}
	d, err := Open(path)
	must(t, err)
	defer d.Close()
	stop := make(chan struct{})
	var churn, lists sync.WaitGroup
	churn.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				os.WriteFile(path+"/z", nil, 0o600)
				os.Remove(path + "/z")
			}
		}
	})
	for range 4 {
		lists.Go(func() {
			list, err := d.List(nil)
			if err != nil {
				t.Error(err)
			}
			list = slices.DeleteFunc(list, func(e Entry) bool { return e.Name == "z" })
			if len(list) != count {
				t.Errorf("%d entries, want %d", len(list), count)
			}
			for i := 1; i < len(list); i++ {
				if list[i-1].Name >= list[i].Name || list[i].Type != Regular {
					t.Errorf("at %d: %+v", i, list[i])
					return
				}
			}
		})
	}
	lists.Wait()
	close(stop)
	churn.Wait()
}

func FuzzDirectoryRecords(f *testing.F) {
	record := func(inode uint64, name string, size uint16) []byte {
		b := binary.NativeEndian.AppendUint64(nil, inode)
		b = binary.NativeEndian.AppendUint64(b, 1)
		b = binary.NativeEndian.AppendUint16(b, size)
		b = append(append(append(b, 8), name...), 0)
		for len(b) < int(size) {
			b = append(b, 0)
		}
		return b
	}
	f.Add(slices.Concat(record(1, ".", 24), record(2, "file", 24), record(0, "gone", 24), record(3, "..", 24)))
	f.Add(record(1, "x", 0))
	f.Add(record(1, "x", 999)[:30])
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, records []byte) {
		var b listBuffer
		if !b.parse(records) {
			return
		}
		b.sort()
		for i, ref := range b.order {
			name := string(b.names[ref.off : ref.off+ref.size])
			if CheckName(name) != nil || b.names[ref.off+ref.size] != 0 {
				t.Errorf("name %q", name)
			}
			if i > 0 {
				last := b.order[i-1]
				if string(b.names[last.off:last.off+last.size]) > name {
					t.Errorf("%q out of order", name)
				}
			}
		}
	})
}

func TestDirectoryRecords(t *testing.T) {
	good := []byte("\x02\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x18\x00" + "\x08" + "file\x00")
	binary.NativeEndian.PutUint64(good, 2)
	binary.NativeEndian.PutUint16(good[16:], 24)
	var b listBuffer
	if !b.parse(good) || len(b.order) != 1 || string(b.names) != "file\x00" {
		t.Errorf("%v %q", b.order, b.names)
	}
	for cut := 1; cut < len(good); cut++ {
		if b.parse(good[:cut]) {
			t.Errorf("cut to %d bytes: accepted", cut)
		}
	}
}

func BenchmarkList(b *testing.B) {
	path := b.TempDir()
	const count = 10_000
	for i := range count {
		must(b, os.WriteFile(fmt.Sprintf("%s/file%05d.png", path, i*7919%count), nil, 0o600))
	}
	b.Run("varve", func(b *testing.B) {
		d, err := Open(path)
		must(b, err)
		defer d.Close()
		var list []Entry
		b.ReportAllocs()
		for b.Loop() {
			list, err = d.List(list[:0])
			if len(list) != count || err != nil {
				b.Fatal(len(list), err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/file")
	})
	b.Run("os.ReadDir", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			list, err := os.ReadDir(path)
			must(b, err)
			for _, e := range list {
				if _, err := e.Info(); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/count, "ns/file")
	})
}
