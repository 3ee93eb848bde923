//go:build linux || darwin

package disk

import (
	"errors"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// osFile is a regular file of the system. Its position for Read and Write is its own, so that ReadAt, WriteAt and
// the search for extents never move it.
type osFile struct {
	descriptor
	path string
	pos  atomic.Int64

	mu     sync.Mutex
	failed error // of the first Sync that failed
}

// Open opens for reading.
func (d *osDir) Open(name string) (File, error) {
	if err := d.begin("open", name); err != nil {
		return nil, err
	}
	defer d.release()
	// O_NONBLOCK: a pipe must not wait for its other end.
	fd, err := openReading(d.fd, name, unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	return d.regular(fd, name, err)
}

// OpenWrite opens for reading and writing.
func (d *osDir) OpenWrite(name string) (File, error) {
	if err := d.begin("open", name); err != nil {
		return nil, err
	}
	defer d.release()
	fd, err := openAt(d.fd, name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	return d.regular(fd, name, err)
}

// regular makes fd a File, or closes it if it is anything but a regular file.
func (d *osDir) regular(fd int, name string, err error) (File, error) {
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	var st unix.Stat_t
	if err = eintr(func() error { return unix.Fstat(fd, &st) }); err == nil {
		switch typeOf(uint32(st.Mode)) {
		case Regular:
			return &osFile{descriptor: descriptor{fd: fd}, path: d.join(name)}, nil
		case Directory:
			err = unix.EISDIR
		default:
			err = unix.EINVAL
		}
	}
	unix.Close(fd)
	return nil, d.fail("open", name, err)
}

// Create makes a new file; the umask applies.
func (d *osDir) Create(name string, mode uint32) (File, error) {
	f, err := d.create(name, mode)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *osDir) create(name string, mode uint32) (*osFile, error) {
	if err := d.begin("create", name); err != nil {
		return nil, err
	}
	defer d.release()
	fd, err := openAt(d.fd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode&0o7777)
	if err != nil {
		return nil, d.fail("create", name, err)
	}
	return &osFile{descriptor: descriptor{fd: fd}, path: d.join(name)}, nil
}

func openAt(at int, name string, flags int, mode uint32) (fd int, err error) {
	err = eintr(func() error {
		fd, err = unix.Openat(at, name, flags, mode)
		return err
	})
	return fd, err
}

// use runs call while the descriptor cannot go away.
func (f *osFile) use(op string, call func(fd int) error) error {
	err := f.acquire()
	if err == nil {
		err = eintr(func() error { return call(f.fd) })
		f.release()
	}
	if err != nil && err != io.EOF {
		return &fs.PathError{Op: op, Path: f.path, Err: err}
	}
	return err
}

// maxTransfer bounds one system call; the kernels refuse or shorten more than 2 GiB less a page.
const maxTransfer = 1 << 30

// Read reads from the file's own position.
func (f *osFile) Read(p []byte) (int, error) {
	pos := f.pos.Load()
	n, err := f.readOnce(p, pos)
	f.pos.Store(pos + int64(n))
	return n, err
}

func (f *osFile) readOnce(p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = f.use("read", func(fd int) (err error) {
		n, err = unix.Pread(fd, p[:min(len(p), maxTransfer)], off)
		if n == 0 && err == nil {
			return io.EOF
		}
		return err
	})
	return max(n, 0), err
}

// ReadAt reads all of p, or what there is and io.EOF.
func (f *osFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.path, Err: fs.ErrInvalid}
	}
	done := 0
	for done < len(p) {
		n, err := f.readOnce(p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Write writes at the file's own position.
func (f *osFile) Write(p []byte) (int, error) {
	pos := f.pos.Load()
	n, err := f.WriteAt(p, pos)
	f.pos.Store(pos + int64(n))
	return n, err
}

// WriteAt writes all of p or returns an error.
func (f *osFile) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "write", Path: f.path, Err: fs.ErrInvalid}
	}
	done := 0
	for done < len(p) {
		n := 0
		err := f.use("write", func(fd int) (err error) {
			n, err = unix.Pwrite(fd, p[done:min(len(p), done+maxTransfer)], off+int64(done))
			if n == 0 && err == nil {
				return io.ErrShortWrite
			}
			return err
		})
		done += max(n, 0)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Truncate sets the size; a longer file reads as zeros.
func (f *osFile) Truncate(size int64) error {
	return f.use("truncate", func(fd int) error { return unix.Ftruncate(fd, size) })
}

// Stat is of the open file, wherever its name went.
func (f *osFile) Stat() (Info, error) {
	var st unix.Stat_t
	if err := f.use("stat", func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return Info{}, err
	}
	return infoOf(&st), nil
}

// Sync returns the first failure again and again: the kernel reports a lost page once and then forgets it.
func (f *osFile) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		f.failed = f.use("sync", fullSync)
	}
	return f.failed
}

// Extents asks the file system; one that cannot tell has the whole file in one.
func (f *osFile) Extents() ([]Extent, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var extents []Extent
	for off := int64(0); off < info.Size; {
		var start, end int64
		err := f.use("find extents of", func(fd int) (err error) {
			if start, err = unix.Seek(fd, off, unix.SEEK_DATA); err == nil {
				end, err = unix.Seek(fd, start, unix.SEEK_HOLE)
			}
			return err
		})
		switch {
		case errors.Is(err, unix.ENXIO): // a hole to the end, or cut short meanwhile
			return extents, nil
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTTY), errors.Is(err, errors.ErrUnsupported):
			return []Extent{{Off: 0, Len: info.Size}}, nil
		case err != nil:
			return nil, err
		}
		end = min(end, info.Size) // grown meanwhile
		if end <= start {
			return extents, nil
		}
		extents = append(extents, Extent{Off: start, Len: end - start})
		off = end
	}
	return extents, nil
}
