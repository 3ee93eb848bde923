package disk

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A directory is listed in three steps: all names into one buffer, sorted by an eight-byte prefix kept beside each,
// then one statx a name. The names of the entries are parts of one string; each is followed by a NUL in it, so that
// the kernel reads the name where it lies.

// listBuffer is reused from one List to the next.
type listBuffer struct {
	records [256 << 10]byte // as getdents64 fills it
	names   []byte          // each followed by NUL
	order   []nameRef
	stat    unix.Statx_t
}

// nameRef is a name in listBuffer.names.
type nameRef struct {
	prefix uint64 // the first eight bytes, big-endian, so that most comparisons end here
	off    int
	size   int
}

// List reads the directory from its start; two at once take turns for the names.
func (d *osDir) List(into []Entry) ([]Entry, error) {
	if err := d.beginSelf("list", "."); err != nil {
		return into, err
	}
	defer d.release()
	buf, ok := d.scratch.list.Get().(*listBuffer)
	if !ok {
		buf = new(listBuffer)
	}
	defer d.scratch.list.Put(buf)
	if err := d.readNames(buf); err != nil {
		return into, d.fail("list", ".", err)
	}
	buf.sort()
	into = slices.Grow(into, len(buf.order))
	names := string(buf.names)
	for _, ref := range buf.order {
		name := names[ref.off : ref.off+ref.size]
		info, err := statEntry(d.fd, name, &buf.stat)
		if err == unix.ENOENT {
			continue
		}
		into = append(into, Entry{Name: name, Info: info})
	}
	return into, nil
}

// readNames fills buf with the names other than "." and "..".
func (d *osDir) readNames(buf *listBuffer) error {
	d.listing.Lock()
	defer d.listing.Unlock()
	buf.names, buf.order = buf.names[:0], buf.order[:0]
	if _, err := unix.Seek(d.fd, 0, unix.SEEK_SET); err != nil {
		return err
	}
	for {
		n, err := unix.Getdents(d.fd, buf.records[:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		if !buf.parse(buf.records[:n]) {
			return unix.EIO
		}
	}
}

// parse takes records of inode 8, offset 8, record length 2, type 1, name and NUL and padding; it reports whether they
// were well-formed.
func (b *listBuffer) parse(records []byte) bool {
	const header = 19
	for len(records) > 0 {
		if len(records) < header {
			return false
		}
		size := int(binary.NativeEndian.Uint16(records[16:]))
		if size < header || size > len(records) {
			return false
		}
		inode := binary.NativeEndian.Uint64(records)
		name := records[header:size]
		end := bytes.IndexByte(name, 0)
		if end < 0 {
			return false
		}
		name = name[:end]
		records = records[size:]
		if inode == 0 || CheckName(unsafe.String(unsafe.SliceData(name), len(name))) != nil {
			continue // deleted, or "." and "..", or what no Dir would open
		}
		b.order = append(b.order, nameRef{prefix: prefixOf(name), off: len(b.names), size: len(name)})
		b.names = append(append(b.names, name...), 0)
	}
	return true
}

// prefixOf pads with zeros, which no name holds, so that a shorter name sorts first.
func prefixOf(name []byte) uint64 {
	if len(name) >= 8 {
		return binary.BigEndian.Uint64(name)
	}
	var p [8]byte
	copy(p[:], name)
	return binary.BigEndian.Uint64(p[:])
}

func (b *listBuffer) sort() {
	slices.SortFunc(b.order, func(x, y nameRef) int {
		if x.prefix != y.prefix {
			return cmp.Compare(x.prefix, y.prefix)
		}
		return bytes.Compare(b.names[x.off:x.off+x.size], b.names[y.off:y.off+y.size])
	})
}

// statEntry reads the metadata of a name that is followed by NUL in memory. Unless the error is ENOENT, the Info is
// usable: its Type is Unknown if nothing could be read.
func statEntry(fd int, name string, st *unix.Statx_t) (Info, error) {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(unsafe.StringData(name))),
			unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(st)), 0)
		switch errno {
		case 0:
			return infoOfStatx(st), nil
		case unix.EINTR:
		case unix.ENOSYS, unix.EPERM: // an old kernel, or a sandbox that does not know the call
			return statEntryOld(fd, name)
		default:
			return Info{Type: Unknown}, errno
		}
	}
}

func statEntryOld(fd int, name string) (Info, error) {
	var st unix.Stat_t
	if err := eintr(func() error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return Info{Type: Unknown}, err
	}
	return infoOf(&st), nil
}

func infoOfStatx(st *unix.Statx_t) Info {
	return Info{
		Type:      typeOf(uint32(st.Mode)),
		Mode:      uint32(st.Mode) & 0o7777,
		UID:       st.Uid,
		GID:       st.Gid,
		Links:     st.Nlink,
		Size:      int64(st.Size),
		Allocated: int64(st.Blocks) * 512,
		Mtime:     st.Mtime.Sec*1e9 + int64(st.Mtime.Nsec),
		Ctime:     st.Ctime.Sec*1e9 + int64(st.Ctime.Nsec),
		Device:    unix.Mkdev(st.Dev_major, st.Dev_minor),
		Inode:     st.Ino,
		Rdev:      unix.Mkdev(st.Rdev_major, st.Rdev_minor),
	}
}
