package disk

import (
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSpecialFilesAreNotOpened(t *testing.T) {
	path := t.TempDir()
	must(t, unix.Mkfifo(path+"/pipe", 0o600))
	l, err := net.Listen("unix", path+"/socket")
	must(t, err)
	defer l.Close()
	d, err := Open(path)
	must(t, err)
	defer d.Close()
	for _, name := range []string{"pipe", "socket"} {
		f, err := d.Open(name)
		refused(t, name, f, err)
		f, err = d.OpenWrite(name)
		refused(t, name, f, err)
		c, err := d.OpenDir(name)
		refused(t, name, c, err)
		_, _, err = Map(d, name)
		refused(t, name, io.NopCloser(nil), err)
	}
}

// An attacker swaps a directory and a file for links to a place outside, over and over.
func TestLinkSwap(t *testing.T) {
	path, outside := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(outside+"/secret", []byte("secret"), 0o600))
	must(t, os.Mkdir(path+"/dir", 0o755))
	must(t, os.WriteFile(path+"/file", []byte("public"), 0o644))
	must(t, os.Symlink(outside, path+"/evil-dir"))
	must(t, os.Symlink(outside+"/secret", path+"/evil-file"))
	d, err := Open(path)
	must(t, err)
	defer d.Close()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, path+"/dir", unix.AT_FDCWD, path+"/evil-dir", unix.RENAME_EXCHANGE)
				unix.Renameat2(unix.AT_FDCWD, path+"/file", unix.AT_FDCWD, path+"/evil-file", unix.RENAME_EXCHANGE)
			}
		}
	})
	mode, mtime := uint32(0o777), int64(42)
	opened := 0
	for range 3000 {
		if c, err := d.OpenDir("dir"); err == nil {
			opened++
			if _, err := c.Stat("secret"); err == nil {
				t.Error("opened the directory outside")
			}
			c.Close()
		}
		if f, err := d.OpenWrite("file"); err == nil {
			opened++
			got := make([]byte, 6)
			f.ReadAt(got, 0)
			if string(got) != "public" {
				t.Errorf("opened the file outside: %q", got)
			}
			f.Close()
		}
		d.SetMeta("file", Change{Mode: &mode, Mtime: &mtime})
		d.SetXattr("file", Xattr{Name: "user.mark", Value: []byte("x")})
	}
	close(stop)
	wg.Wait()
	if opened == 0 {
		t.Error("never opened anything: the test says nothing")
	}
	out, err := Open(outside)
	must(t, err)
	defer out.Close()
	info, err := out.Stat("secret")
	must(t, err)
	attrs, err := out.Xattrs("secret")
	must(t, err)
	if info.Mode != 0o600 || info.Mtime == mtime || len(attrs) != 0 {
		t.Errorf("the file outside was changed: %+v, %q", info, attrs)
	}
}

// The ways for file systems and kernels that lack a call, which this machine may never take by itself.
func TestFallbacks(t *testing.T) {
	path := t.TempDir()
	dir, err := Open(path)
	must(t, err)
	defer dir.Close()
	d := dir.(*osDir)
	put(t, d, "a", "a")
	put(t, d, "b", "b")
	must(t, d.Symlink("a", "link"))
	wantErr(t, linkThenUnlink(d.fd, "a", d.fd, "b"), fs.ErrExist)
	wantContent(t, d, "a", "a")
	wantContent(t, d, "b", "b")
	must(t, linkThenUnlink(d.fd, "a", d.fd, "c"))
	wantContent(t, d, "c", "a")
	if _, err := d.Stat("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	put(t, d, "a", "a")
	before := lstat(t, path+"/a")
	wantErr(t, d.chmodPinned("link", 0o777), errors.ErrUnsupported)
	if after := lstat(t, path+"/a"); after != before {
		t.Errorf("changed through a link: %+v", after)
	}
	must(t, os.Chmod(path+"/a", 0))
	must(t, d.chmodPinned("a", 0o4711))
	info, err := statEntryOld(d.fd, "a")
	must(t, err)
	if info != lstat(t, path+"/a") || info.Mode != 0o4711 {
		t.Errorf("%+v", info)
	}
	fd, err := openLeased(d.fd, "b", unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	f, err := d.regular(fd, "b", err)
	must(t, err)
	must(t, f.Close())
	if fd, err = openLeased(d.fd, "link", unix.O_NOFOLLOW|unix.O_NONBLOCK); err == nil {
		unix.Close(fd)
		t.Error("opened a link")
	}
}

func TestOwnerKeepsSetuid(t *testing.T) {
	d := tempDir(t)
	put(t, d, "f", "x")
	must(t, d.Symlink("f", "link"))
	mode := uint32(0o4755)
	owner := Owner{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if os.Getuid() == 0 {
		owner = Owner{UID: 12345, GID: 54321}
	}
	must(t, d.SetMeta("f", Change{Owner: &owner, Mode: &mode}))
	info, err := d.Stat("f")
	must(t, err)
	if info.Mode != mode || info.UID != owner.UID || info.GID != owner.GID {
		t.Errorf("%+v", info)
	}
	other := Owner{UID: owner.UID, GID: owner.GID}
	must(t, d.SetMeta("link", Change{Owner: &other}))
	if link, _ := d.Stat("link"); link.UID != owner.UID || link.GID != owner.GID {
		t.Errorf("owner of the link: %+v", link)
	}
}

func TestACL(t *testing.T) {
	path := t.TempDir()
	d, err := Open(path)
	must(t, err)
	defer d.Close()
	put(t, d, "f", "x")
	must(t, os.Chmod(path+"/f", 0o640))
	must(t, d.Mkdir("dir", 0o750))
	// Version 2; entries of tag, permissions, id: user::rw- user:1234:rwx group::r-- mask::rwx other::---
	acl, err := hex.DecodeString("02000000" + "01000600ffffffff" + "02000700d2040000" + "04000400ffffffff" +
		"10000700ffffffff" + "20000000ffffffff")
	must(t, err)
	for name, attr := range map[string]string{"f": "system.posix_acl_access", "dir": "system.posix_acl_default"} {
		err := d.SetXattr(name, Xattr{Name: attr, Value: acl})
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skip("no ACLs on this file system")
		}
		must(t, err)
		got, err := d.Xattrs(name)
		must(t, err)
		if len(got) != 1 || got[0].Name != attr || string(got[0].Value) != string(acl) {
			t.Errorf("%s: %x", name, got)
		}
	}
	if info, _ := d.Stat("f"); info.Mode != 0o670 {
		t.Errorf("mode %o, want that of the mask", info.Mode)
	}
	if tool, err := exec.LookPath("getfacl"); err == nil {
		out, err := exec.Command(tool, "-nc", path+"/f").Output()
		must(t, err)
		if !strings.Contains(string(out), "user:1234:rwx") {
			t.Errorf("getfacl: %s", out)
		}
	}
}

func TestXattrsLarge(t *testing.T) {
	d, err := Open("/dev/shm")
	if err != nil {
		t.Skip(err)
	}
	defer d.Close()
	name, err := tempName()
	must(t, err)
	put(t, d, name, "")
	defer d.Remove(name)
	big := Xattr{Name: "user.big", Value: pattern(xattrLimit)}
	if err := d.SetXattr(name, big); err != nil {
		t.Skip(err)
	}
	must(t, d.SetXattr(name, Xattr{Name: "user.aa", Value: []byte("small")}))
	got, err := d.Xattrs(name)
	must(t, err)
	if len(got) != 2 || string(got[0].Value) != "small" || string(got[1].Value) != string(big.Value) {
		t.Errorf("%d attributes", len(got))
	}
}

// Calls in other goroutines while a Dir is closed and its number is used again for another directory.
func TestCloseUnderUse(t *testing.T) {
	mine, other := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(mine+"/mine", nil, 0o600))
	must(t, os.WriteFile(other+"/other", nil, 0o600))
	for range 200 {
		d, err := Open(mine)
		must(t, err)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					list, err := d.List(nil)
					if errors.Is(err, fs.ErrClosed) {
						return
					}
					if err != nil || len(list) != 1 || list[0].Name != "mine" {
						t.Errorf("%v, %v", list, err)
						return
					}
				}
			})
		}
		must(t, d.Close())
		for range 4 {
			o, err := Open(other)
			must(t, err)
			must(t, o.Close())
		}
		wg.Wait()
		must(t, d.Close())
	}
}

func TestDescriptorsAreGivenBack(t *testing.T) {
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(list)
	}
	path := t.TempDir()
	must(t, unix.Mkfifo(path+"/pipe", 0o600))
	must(t, os.Symlink("x", path+"/link"))
	must(t, os.WriteFile(path+"/file", []byte("x"), 0o600))
	before := count()
	d, err := Open(path)
	must(t, err)
	mode := uint32(0o600)
	for range 20 {
		f, err := d.Open("pipe")
		refused(t, "pipe", f, err)
		f, err = d.OpenWrite("link")
		refused(t, "link", f, err)
		c, err := Walk(d, "")
		must(t, err)
		must(t, c.Close())
		_, err = d.List(nil)
		must(t, err)
		must(t, d.SetMeta("file", Change{Mode: &mode}))
		_, release, err := Map(d, "file")
		must(t, err)
		must(t, release())
		must(t, WriteWhole(d, "file", 0o600, []byte("y")))
		must(t, RemoveAll(d, "none"))
	}
	must(t, d.Close())
	if after := count(); after != before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

func TestSpaceAndKind(t *testing.T) {
	path := t.TempDir()
	d, err := Open(path)
	must(t, err)
	defer d.Close()
	free, err := Free(d)
	must(t, err)
	var st unix.Statfs_t
	must(t, unix.Statfs(path, &st))
	if all := int64(st.Blocks) * int64(st.Bsize); free < 0 || free > all {
		t.Errorf("%d free of %d", free, all)
	}
	if kind, err := FileSystem(d); kind == "" || err != nil {
		t.Errorf("%q, %v", kind, err)
	}
	shm, err := Open("/dev/shm")
	if err != nil {
		t.Skip(err)
	}
	defer shm.Close()
	if kind, err := FileSystem(shm); kind != "tmpfs" || err != nil {
		t.Errorf("/dev/shm: %q, %v", kind, err)
	}
	must(t, SyncAll(shm))
}

func BenchmarkXattrs(b *testing.B) {
	d := tempDir(b)
	put(b, d, "f", "x")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Xattrs("f"); err != nil {
			b.Fatal(err)
		}
	}
}
