package disk

import (
	"bytes"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// errNoXattr is what the system says of an attribute that is not there.
const errNoXattr = unix.ENOATTR

func openReading(at int, name string, flags int) (int, error) { return openAt(at, name, flags, 0) }

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Type:      typeOf(uint32(st.Mode)),
		Mode:      uint32(st.Mode) & 0o7777,
		UID:       st.Uid,
		GID:       st.Gid,
		Links:     uint32(st.Nlink),
		Size:      st.Size,
		Allocated: st.Blocks * 512,
		Mtime:     st.Mtim.Nano(),
		Ctime:     st.Ctim.Nano(),
		Device:    uint64(uint32(st.Dev)),
		Inode:     st.Ino,
		Rdev:      uint64(uint32(st.Rdev)),
	}
}

func renameExclusive(from int, name string, to int, newName string) error {
	return unix.RenameatxNp(from, name, to, newName, unix.RENAME_EXCL)
}

func renameExchange(from int, name string, to int, newName string) error {
	return unix.RenameatxNp(from, name, to, newName, unix.RENAME_SWAP)
}

// chmod never follows; of a link it would set the mode of the link, which is refused as elsewhere.
func (d *osDir) chmod(name string, mode uint32) error {
	if name == "." {
		return unix.Fchmod(d.fd, mode)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if typeOf(uint32(st.Mode)) == Symlink {
		return unix.ENOTSUP
	}
	return unix.Fchmodat(d.fd, name, mode, unix.AT_SYMLINK_NOFOLLOW)
}

func (d *osDir) setTime(name string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	return unix.UtimesNanoAt(d.fd, name, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}

// List reads the names through a descriptor of its own, and then stats each.
func (d *osDir) List(into []Entry) ([]Entry, error) {
	if err := d.beginSelf("list", "."); err != nil {
		return into, err
	}
	defer d.release()
	fd, err := openAt(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return into, d.fail("list", ".", err)
	}
	names, err := readNames(fd, d.path)
	if err != nil {
		return into, err
	}
	slices.Sort(names)
	into = slices.Grow(into, len(names))
	for _, name := range names {
		var st unix.Stat_t
		err := eintr(func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
		switch err {
		case nil:
			into = append(into, Entry{Name: name, Info: infoOf(&st)})
		case unix.ENOENT:
		default:
			into = append(into, Entry{Name: name, Info: Info{Type: Unknown}})
		}
	}
	return into, nil
}

func readNames(fd int, path string) ([]string, error) {
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return f.Readdirnames(-1)
}

// xattrTarget is an open file or an open link.
type xattrTarget int

func (d *osDir) xattrTarget(name string) (xattrTarget, func(), error) {
	if name == "." {
		return xattrTarget(d.fd), func() {}, nil
	}
	fd, err := openAt(d.fd, name, unix.O_RDONLY|unix.O_SYMLINK|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, nil, err
	}
	return xattrTarget(fd), func() { unix.Close(fd) }, nil
}

func (t xattrTarget) list(buf []byte) (int, error) { return unix.Flistxattr(int(t), buf) }

func (t xattrTarget) get(attr string, buf []byte) (int, error) {
	return unix.Fgetxattr(int(t), attr, buf)
}

func (t xattrTarget) set(attr string, value []byte) error {
	return unix.Fsetxattr(int(t), attr, value, 0)
}

func (t xattrTarget) remove(attr string) error { return unix.Fremovexattr(int(t), attr) }

// fullSync also empties the cache of the drive, where the file system knows how.
func fullSync(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0)
	if err == unix.ENOTSUP || err == unix.ENOTTY || err == unix.EINVAL {
		return unix.Fsync(fd)
	}
	return err
}

// Sync makes the entries durable.
func (d *osDir) Sync() error {
	if err := d.beginSelf("sync", "."); err != nil {
		return err
	}
	defer d.release()
	return d.fail("sync", ".", eintr(func() error { return fullSync(d.fd) }))
}

func (d *osDir) statfs() (unix.Statfs_t, error) {
	var st unix.Statfs_t
	if err := d.beginSelf("statfs", "."); err != nil {
		return st, err
	}
	defer d.release()
	return st, d.fail("statfs", ".", eintr(func() error { return unix.Fstatfs(d.fd, &st) }))
}

// Free is what an unprivileged user may still write.
func (d *osDir) Free() (int64, error) {
	st, err := d.statfs()
	if err != nil {
		return 0, err
	}
	return clampMul(st.Bavail, int64(st.Bsize)), nil
}

// FileSystem is the name that the system gives: "apfs", "hfs", "smbfs" …
func (d *osDir) FileSystem() (string, error) {
	st, err := d.statfs()
	if err != nil {
		return "", err
	}
	name := st.Fstypename[:]
	if end := bytes.IndexByte(name, 0); end >= 0 {
		name = name[:end]
	}
	return string(name), nil
}

// Reserve asks for contiguous space, and then for any.
func (f *osFile) Reserve(size int64) error {
	info, err := f.Stat()
	if err != nil || size <= info.Allocated {
		return err
	}
	return f.use("reserve space for", func(fd int) error {
		store := unix.Fstore_t{
			Flags:   unix.F_ALLOCATECONTIG,
			Posmode: unix.F_PEOFPOSMODE,
			Length:  size - info.Allocated,
		}
		err := unix.FcntlFstore(uintptr(fd), unix.F_PREALLOCATE, &store)
		if err != nil {
			store.Flags = unix.F_ALLOCATEALL
			err = unix.FcntlFstore(uintptr(fd), unix.F_PREALLOCATE, &store)
		}
		return err
	})
}
