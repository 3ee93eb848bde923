//go:build linux || darwin

package disk

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// closedBit marks a descriptor as closed; the bits below count the calls that use it.
const closedBit = 1 << 62

// descriptor is a file descriptor that goroutines share. The number is given back to the system only when
// the last call has ended, so that no call ever works on a number that means another file by now.
type descriptor struct {
	fd    int
	state atomic.Int64
}

func (d *descriptor) acquire() error {
	if d.state.Add(1)&closedBit != 0 {
		d.release()
		return fs.ErrClosed
	}
	return nil
}

func (d *descriptor) release() {
	// Exactly one transition leads back to "closed and unused" for the last user; closing again is
	// prevented by adding the bit a second time.
	if d.state.Add(-1) == closedBit && d.state.CompareAndSwap(closedBit, closedBit|closedBit>>1) {
		unix.Close(d.fd)
	}
}

// Close returns the error of the system only when nobody else held the descriptor.
func (d *descriptor) Close() error {
	if d.state.Or(closedBit)&closedBit != 0 {
		return nil
	}
	if d.state.CompareAndSwap(closedBit, closedBit|closedBit>>1) {
		// EINTR from close leaves the descriptor closed on Linux: never retried.
		if err := unix.Close(d.fd); err != nil && err != unix.EINTR {
			return err
		}
	}
	return nil
}

// osDir is a directory of the system, by descriptor. path serves messages only.
type osDir struct {
	descriptor
	path    string
	listing sync.Mutex // guards the read position of fd
	scratch *scratch   // shared with all directories opened from this one
}

// scratch keeps the big buffers of one Open and of all that was opened from it.
type scratch struct {
	list   sync.Pool // *listBuffer
	xattr  sync.Pool // *[]byte of xattrLimit
	stream sync.Pool // *[]byte, aligned, of streamBuffer
}

// xattrLimit is the most bytes that Linux lets a value or the list of names have.
const xattrLimit = 64 << 10

// eintr repeats call until it is not interrupted by a signal.
func eintr(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func openOS(path string) (Dir, error) {
	d, err := openDirAt(unix.AT_FDCWD, path, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open directory", Path: path, Err: err}
	}
	d.path, d.scratch = path, new(scratch)
	return d, nil
}

func openDirAt(at int, name string, flags int) (*osDir, error) {
	fd, err := openReading(at, name, flags|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &osDir{descriptor: descriptor{fd: fd}}, nil
}

// begin checks name and holds the descriptor for one call; unless it returns an error, d.release ends it.
func (d *osDir) begin(op, name string) error {
	err := CheckName(name)
	if err == nil {
		err = d.acquire()
	}
	if err != nil {
		return d.fail(op, name, err)
	}
	return nil
}

// beginSelf is begin for the calls that take "." for the directory itself.
func (d *osDir) beginSelf(op, name string) error {
	if name != "." {
		return d.begin(op, name)
	}
	if err := d.acquire(); err != nil {
		return d.fail(op, name, err)
	}
	return nil
}

// fail gives err its place. An error that is nil stays nil.
func (d *osDir) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.join(name), Err: err}
}

func (d *osDir) join(name string) string {
	switch {
	case name == ".":
		return d.path
	case strings.HasSuffix(d.path, "/"):
		return d.path + name
	}
	return d.path + "/" + name
}

// Stat is fstatat without following.
func (d *osDir) Stat(name string) (Info, error) {
	if err := d.beginSelf("stat", name); err != nil {
		return Info{}, err
	}
	defer d.release()
	var st unix.Stat_t
	err := eintr(func() error {
		if name == "." {
			return unix.Fstat(d.fd, &st)
		}
		return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return Info{}, d.fail("stat", name, err)
	}
	return infoOf(&st), nil
}

// typeOf translates the file type bits of a POSIX mode.
func typeOf(mode uint32) Type {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return Regular
	case unix.S_IFDIR:
		return Directory
	case unix.S_IFLNK:
		return Symlink
	case unix.S_IFIFO:
		return Pipe
	case unix.S_IFSOCK:
		return Socket
	case unix.S_IFCHR:
		return CharDevice
	case unix.S_IFBLK:
		return BlockDevice
	}
	return Unknown
}

// OpenDir opens a child directory.
func (d *osDir) OpenDir(name string) (Dir, error) {
	if err := d.begin("open directory", name); err != nil {
		return nil, err
	}
	defer d.release()
	return d.openDir(name)
}

// Reopen opens the directory once more.
func (d *osDir) Reopen() (Dir, error) {
	if err := d.beginSelf("open directory", "."); err != nil {
		return nil, err
	}
	defer d.release()
	return d.openDir(".")
}

func (d *osDir) openDir(name string) (Dir, error) {
	child, err := openDirAt(d.fd, name, unix.O_NOFOLLOW)
	if err != nil {
		return nil, d.fail("open directory", name, err)
	}
	child.path, child.scratch = d.join(name), d.scratch
	return child, nil
}

// Readlink grows its buffer until the target fits: the size from Stat is a hint, and 0 on some systems.
func (d *osDir) Readlink(name string) (string, error) {
	if err := d.begin("readlink", name); err != nil {
		return "", err
	}
	defer d.release()
	for size := 256; ; size *= 2 {
		buf := make([]byte, size)
		var n int
		err := eintr(func() (err error) {
			n, err = unix.Readlinkat(d.fd, name, buf)
			return err
		})
		if err != nil {
			return "", d.fail("readlink", name, err)
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}

// Mkdir makes a directory; the umask applies.
func (d *osDir) Mkdir(name string, mode uint32) error {
	if err := d.begin("mkdir", name); err != nil {
		return err
	}
	defer d.release()
	return d.fail("mkdir", name, eintr(func() error { return unix.Mkdirat(d.fd, name, mode&0o7777) }))
}

// Symlink makes a link whose target is taken as it is.
func (d *osDir) Symlink(target, name string) error {
	if err := d.begin("symlink", name); err != nil {
		return err
	}
	defer d.release()
	return d.fail("symlink", name, eintr(func() error { return unix.Symlinkat(target, d.fd, name) }))
}

// between runs a call on a name here and a name in to, holding both descriptors.
func (d *osDir) between(op, name string, to Dir, newName string, call func(from, to int) error) error {
	target, ok := to.(*osDir)
	if !ok {
		return &os.LinkError{Op: op, Old: d.join(name), New: newName, Err: unix.EXDEV}
	}
	if err := d.begin(op, name); err != nil {
		return err
	}
	defer d.release()
	if err := target.begin(op, newName); err != nil {
		return err
	}
	defer target.release()
	if err := eintr(func() error { return call(d.fd, target.fd) }); err != nil {
		return &os.LinkError{Op: op, Old: d.join(name), New: target.join(newName), Err: err}
	}
	return nil
}

// Link makes a hard link; of a symbolic link, to the link itself.
func (d *osDir) Link(name string, to Dir, newName string) error {
	return d.between("link", name, to, newName, func(from, to int) error {
		return unix.Linkat(from, name, to, newName, 0)
	})
}

// Rename replaces.
func (d *osDir) Rename(name string, to Dir, newName string) error {
	return d.between("rename", name, to, newName, func(from, to int) error {
		return unix.Renameat(from, name, to, newName)
	})
}

// Publish asks the system for a rename that does not replace. File systems without one get a link under
// the new name and then lose the old; power lost between the two leaves the file under both names,
// never half of it. On those a directory cannot be published.
func (d *osDir) Publish(name string, to Dir, newName string) error {
	return d.between("publish", name, to, newName, func(from, to int) error {
		err := renameExclusive(from, name, to, newName)
		if err != unix.EINVAL && err != unix.ENOSYS && err != unix.ENOTSUP {
			return err
		}
		return linkThenUnlink(from, name, to, newName)
	})
}

// Exchange implements [Exchanger].
func (d *osDir) Exchange(name string, to Dir, newName string) error {
	return d.between("exchange", name, to, newName, func(from, to int) error {
		err := renameExchange(from, name, to, newName)
		if err == unix.EINVAL || err == unix.ENOSYS || err == unix.ENOTSUP {
			return errors.ErrUnsupported
		}
		return err
	})
}

func linkThenUnlink(from int, name string, to int, newName string) error {
	if err := unix.Linkat(from, name, to, newName, 0); err != nil {
		return err
	}
	return eintr(func() error { return unix.Unlinkat(from, name, 0) })
}

// Remove tries the file first: that is what nearly all calls are for.
func (d *osDir) Remove(name string) error {
	if err := d.begin("remove", name); err != nil {
		return err
	}
	defer d.release()
	err := eintr(func() error { return unix.Unlinkat(d.fd, name, 0) })
	if err == unix.EISDIR || err == unix.EPERM {
		asDir := eintr(func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) })
		if asDir != unix.ENOTDIR {
			err = asDir
		}
	}
	return d.fail("remove", name, err)
}

// SetMeta sets the owner first, since changing it clears setuid and setgid, and the time last.
// Attributes are of Windows only and ignored. The mode of a symbolic link cannot be set.
func (d *osDir) SetMeta(name string, c Change) error {
	if err := d.beginSelf("set metadata of", name); err != nil {
		return err
	}
	defer d.release()
	if c.Owner != nil {
		if err := eintr(func() error { return d.chown(name, *c.Owner) }); err != nil {
			return d.fail("chown", name, err)
		}
	}
	if c.Mode != nil {
		if err := eintr(func() error { return d.chmod(name, *c.Mode&0o7777) }); err != nil {
			return d.fail("chmod", name, err)
		}
	}
	if c.Mtime != nil {
		if err := eintr(func() error { return d.setTime(name, *c.Mtime) }); err != nil {
			return d.fail("set time of", name, err)
		}
	}
	return nil
}

func (d *osDir) chown(name string, o Owner) error {
	if name == "." {
		return unix.Fchown(d.fd, int(o.UID), int(o.GID))
	}
	return unix.Fchownat(d.fd, name, int(o.UID), int(o.GID), unix.AT_SYMLINK_NOFOLLOW)
}

// Xattrs reads the list and then each value; one removed in between is left out.
func (d *osDir) Xattrs(name string) ([]Xattr, error) {
	if err := d.beginSelf("list attributes of", name); err != nil {
		return nil, err
	}
	defer d.release()
	buf := d.scratch.xattrBuffer()
	defer d.scratch.xattr.Put(buf)

	target, done, err := d.xattrTarget(name)
	if err != nil {
		return nil, d.fail("list attributes of", name, err)
	}
	defer done()
	var n int
	err = eintr(func() (err error) {
		n, err = target.list(*buf)
		return err
	})
	if err == unix.ENOTSUP || err == nil && n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, d.fail("list attributes of", name, err)
	}
	var attrs []Xattr
	for attr := range strings.SplitSeq(strings.TrimSuffix(string((*buf)[:n]), "\x00"), "\x00") {
		err := eintr(func() (err error) {
			n, err = target.get(attr, *buf)
			return err
		})
		if err == unix.ENODATA || err == errNoXattr {
			continue
		}
		if err != nil {
			return nil, d.fail("read attribute "+attr+" of", name, err)
		}
		attrs = append(attrs, Xattr{Name: attr, Value: slices.Clone((*buf)[:n:n])})
	}
	slices.SortFunc(attrs, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return attrs, nil
}

func (s *scratch) xattrBuffer() *[]byte {
	if b, ok := s.xattr.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, xattrLimit)
	return &b
}

// SetXattr replaces the value if there is one.
func (d *osDir) SetXattr(name string, x Xattr) error {
	return d.withXattrs("set attribute "+x.Name+" of", name, func(t xattrTarget) error {
		return t.set(x.Name, x.Value)
	})
}

// RemoveXattr is content when there is nothing to remove.
func (d *osDir) RemoveXattr(name, attr string) error {
	return d.withXattrs("remove attribute "+attr+" of", name, func(t xattrTarget) error {
		if err := t.remove(attr); err != unix.ENODATA && err != errNoXattr && err != unix.ENOTSUP {
			return err
		}
		return nil
	})
}

func (d *osDir) withXattrs(op, name string, call func(xattrTarget) error) error {
	if err := d.beginSelf(op, name); err != nil {
		return err
	}
	defer d.release()
	target, done, err := d.xattrTarget(name)
	if err != nil {
		return d.fail(op, name, err)
	}
	defer done()
	return d.fail(op, name, eintr(func() error { return call(target) }))
}
