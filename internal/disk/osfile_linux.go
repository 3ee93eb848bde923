package disk

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Reserve allocates without changing the size.
func (f *osFile) Reserve(size int64) error {
	if size <= 0 {
		return nil
	}
	return f.use("reserve space for", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
	})
}

// CloneTo is errors.ErrUnsupported where the file system, or the two files together, do not allow it.
func (f *osFile) CloneTo(dst File) error {
	to, ok := dst.(*osFile)
	if !ok {
		return &fs.PathError{Op: "clone", Path: f.path, Err: errors.ErrUnsupported}
	}
	return f.use("clone", func(from int) error {
		err := to.use("clone to", func(fd int) error { return unix.IoctlFileClone(fd, from) })
		for _, no := range []error{unix.EOPNOTSUPP, unix.ENOTTY, unix.EXDEV, unix.EINVAL, unix.ENOSYS} {
			if errors.Is(err, no) {
				return errors.ErrUnsupported
			}
		}
		return err
	})
}

// WillRead starts reading ahead; with n 0 it doubles the window for the whole file.
func (f *osFile) WillRead(off, n int64) {
	advice := unix.FADV_WILLNEED
	if n == 0 {
		off, advice = 0, unix.FADV_SEQUENTIAL
	}
	f.advise(off, n, advice)
}

// Done lets the pages go from the cache, also for other readers of the file.
func (f *osFile) Done(off, n int64) { f.advise(off, n, unix.FADV_DONTNEED) }

// advise drops the error: the advice was optional.
func (f *osFile) advise(off, n int64, advice int) {
	_ = f.use("advise on", func(fd int) error { return unix.Fadvise(fd, off, n, advice) })
}
