package disk

import (
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errNoXattr is what the system says of an attribute that is not there.
const errNoXattr = unix.ENODATA

// openReading opens without touching the access time where that is permitted: to the owner of the file and to root.
func openReading(at int, name string, flags int) (int, error) {
	fd, err := openAt(at, name, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM {
		fd, err = openAt(at, name, flags, 0)
	}
	if err == unix.EAGAIN && flags&unix.O_NONBLOCK != 0 {
		return openLeased(at, name, flags)
	}
	return fd, err
}

// openLeased opens a regular file on which another process holds a lease, waiting for it to be given up.
// The file is pinned first, so that what is waited for cannot turn into a pipe.
func openLeased(at int, name string, flags int) (int, error) {
	pin, err := openAt(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pin)
	var st unix.Stat_t
	if err := unix.Fstat(pin, &st); err != nil {
		return -1, err
	}
	if typeOf(st.Mode) != Regular {
		return -1, unix.EINVAL
	}
	return openAt(unix.AT_FDCWD, procPath(pin), flags&^(unix.O_NONBLOCK|unix.O_NOFOLLOW), 0)
}

// procPath is a path to what fd means, whatever its name is by now.
func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func infoOf(st *unix.Stat_t) Info {
	return Info{
		Type:      typeOf(st.Mode),
		Mode:      st.Mode & 0o7777,
		UID:       st.Uid,
		GID:       st.Gid,
		Links:     uint32(st.Nlink),
		Size:      st.Size,
		Allocated: int64(st.Blocks) * 512,
		Mtime:     st.Mtim.Nano(),
		Ctime:     st.Ctim.Nano(),
		Device:    uint64(st.Dev),
		Inode:     st.Ino,
		Rdev:      uint64(st.Rdev),
	}
}

func renameExclusive(from int, name string, to int, newName string) error {
	return unix.Renameat2(from, name, to, newName, unix.RENAME_NOREPLACE)
}

func renameExchange(from int, name string, to int, newName string) error {
	return unix.Renameat2(from, name, to, newName, unix.RENAME_EXCHANGE)
}

// chmod uses the system call that does not follow (Linux 6.6), and before that pins the file and changes what is pinned.
func (d *osDir) chmod(name string, mode uint32) error {
	if name == "." {
		return unix.Fchmod(d.fd, mode)
	}
	err := unix.Fchmodat(d.fd, name, mode, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOTSUP || err == unix.ENOSYS || err == unix.EPERM {
		// EPERM: some sandboxes say so of a call that they do not know.
		return d.chmodPinned(name, mode)
	}
	return err
}

func (d *osDir) chmodPinned(name string, mode uint32) error {
	pin, err := openAt(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pin)
	var st unix.Stat_t
	if err := unix.Fstat(pin, &st); err != nil {
		return err
	}
	if typeOf(st.Mode) == Symlink {
		return unix.ENOTSUP
	}
	return unix.Fchmodat(unix.AT_FDCWD, procPath(pin), mode, 0)
}

// setTime of the directory itself goes by descriptor, which works without search permission too.
func (d *osDir) setTime(name string, mtime int64) error {
	t := unix.NsecToTimespec(mtime)
	times := [2]unix.Timespec{t, t}
	if name != "." {
		return unix.UtimesNanoAt(d.fd, name, times[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(d.fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// xattrTarget is where attributes are read or set: by path below an open directory, whose last element is not
// followed, or by descriptor when path is empty.
type xattrTarget struct {
	fd   int
	path string
}

func (d *osDir) xattrTarget(name string) (xattrTarget, func(), error) {
	t := xattrTarget{fd: d.fd}
	if name != "." {
		t.path = procPath(d.fd) + "/" + name
	}
	return t, func() {}, nil
}

func (t xattrTarget) list(buf []byte) (int, error) {
	if t.path == "" {
		return unix.Flistxattr(t.fd, buf)
	}
	return unix.Llistxattr(t.path, buf)
}

func (t xattrTarget) get(attr string, buf []byte) (int, error) {
	if t.path == "" {
		return unix.Fgetxattr(t.fd, attr, buf)
	}
	return unix.Lgetxattr(t.path, attr, buf)
}

func (t xattrTarget) set(attr string, value []byte) error {
	if t.path == "" {
		return unix.Fsetxattr(t.fd, attr, value, 0)
	}
	return unix.Lsetxattr(t.path, attr, value, 0)
}

func (t xattrTarget) remove(attr string) error {
	if t.path == "" {
		return unix.Fremovexattr(t.fd, attr)
	}
	return unix.Lremovexattr(t.path, attr)
}

func fullSync(fd int) error { return unix.Fsync(fd) }

// Sync syncs the whole file system where it cannot sync one directory.
func (d *osDir) Sync() error {
	if err := d.beginSelf("sync", "."); err != nil {
		return err
	}
	defer d.release()
	err := eintr(func() error { return unix.Fsync(d.fd) })
	if err == unix.EINVAL || err == unix.ENOTSUP {
		err = eintr(func() error { return unix.Syncfs(d.fd) })
	}
	return d.fail("sync", ".", err)
}

// SyncAll makes everything written to the file system of the directory durable.
func (d *osDir) SyncAll() error {
	if err := d.beginSelf("sync file system of", "."); err != nil {
		return err
	}
	defer d.release()
	return d.fail("sync file system of", ".", eintr(func() error { return unix.Syncfs(d.fd) }))
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
	unit := int64(st.Frsize)
	if unit == 0 {
		unit = int64(st.Bsize)
	}
	return clampMul(st.Bavail, unit), nil
}

// FileSystem names the file system; one without a name here is its magic number in hexadecimal.
func (d *osDir) FileSystem() (string, error) {
	st, err := d.statfs()
	if err != nil {
		return "", err
	}
	switch magic := uint32(st.Type); magic {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4", nil // and ext2, ext3: one number
	case unix.XFS_SUPER_MAGIC:
		return "xfs", nil
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs", nil
	case unix.TMPFS_MAGIC:
		return "tmpfs", nil
	case unix.NFS_SUPER_MAGIC:
		return "nfs", nil
	case unix.SMB_SUPER_MAGIC:
		return "smb", nil
	case 0xff534d42, unix.SMB2_SUPER_MAGIC:
		return "cifs", nil
	case unix.FUSE_SUPER_MAGIC:
		return "fuse", nil
	case unix.MSDOS_SUPER_MAGIC:
		return "vfat", nil
	case unix.EXFAT_SUPER_MAGIC:
		return "exfat", nil
	case 0x2fc12fc1:
		return "zfs", nil
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay", nil
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs", nil
	case 0xca451a4e:
		return "bcachefs", nil
	case 0x5346544e, 0x7366746e:
		return "ntfs", nil
	case 0x01021997:
		return "9p", nil
	default:
		return "0x" + strconv.FormatUint(uint64(magic), 16), nil
	}
}
