package disk

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// memFile is an open regular file. It stays readable after its name was removed.
type memFile struct {
	memory *Memory
	node   *memNode
	path   string
	write  bool
	pos    int64
	closed bool
}

func (f *memFile) lock() func() {
	f.memory.mu.Lock()
	return f.memory.mu.Unlock
}

func (f *memFile) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.path, Err: err}
}

func (f *memFile) check(op string, write bool) error {
	if f.closed {
		return f.fail(op, fs.ErrClosed)
	}
	if write && !f.write {
		return f.fail(op, syscall.EBADF)
	}
	return nil
}

func (f *memFile) Read(p []byte) (int, error) {
	defer f.lock()()
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	n := f.node.readAt(p, f.pos)
	f.pos += int64(n)
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	defer f.lock()()
	if err := f.check("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, f.fail("read", fs.ErrInvalid)
	}
	n := f.node.readAt(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	defer f.lock()()
	n, err := f.put(p, f.pos)
	f.pos += int64(n)
	return n, err
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	defer f.lock()()
	return f.put(p, off)
}

func (f *memFile) put(p []byte, off int64) (int, error) {
	if err := f.check("write", true); err != nil {
		return 0, err
	}
	n, err := f.memory.writeAt(f.node, p, off)
	if err != nil {
		return n, f.fail("write", err)
	}
	return n, nil
}

func (f *memFile) Truncate(size int64) error {
	defer f.lock()()
	err := f.check("truncate", true)
	if err != nil {
		return err
	}
	if err := f.memory.truncate(f.node, size); err != nil {
		return f.fail("truncate", err)
	}
	return nil
}

func (f *memFile) Stat() (Info, error) {
	defer f.lock()()
	if err := f.check("stat", false); err != nil {
		return Info{}, err
	}
	return f.node.info(), nil
}

func (f *memFile) Sync() error {
	defer f.lock()()
	if err := f.check("sync", false); err != nil {
		return err
	}
	f.node.synced()
	return nil
}

func (f *memFile) Close() error {
	defer f.lock()()
	if err := f.check("close", false); err != nil {
		return err
	}
	f.closed = true
	f.node.handles--
	f.memory.release(f.node)
	return nil
}

// Reserve implements [Reserver]: the space counts against the quota, the size stays.
func (f *memFile) Reserve(size int64) error {
	defer f.lock()()
	if err := f.check("reserve", true); err != nil {
		return err
	}
	if size < 0 {
		return f.fail("reserve", fs.ErrInvalid)
	}
	if size <= f.node.reserved {
		return nil
	}
	if err := f.memory.charge(f.node, max(f.node.allocated(), memRoundUp(size))); err != nil {
		return f.fail("reserve", err)
	}
	f.node.reserved = size
	return nil
}

// Extents implements [Sparse], in whole blocks of 4 KiB but for the last.
func (f *memFile) Extents() ([]Extent, error) {
	defer f.lock()()
	if err := f.check("extents", false); err != nil {
		return nil, err
	}
	return f.node.extents(), nil
}

// CloneTo implements [Cloner] between files of one Memory. Each clone counts in full against the quota.
func (f *memFile) CloneTo(dst File) error {
	d, ok := dst.(*memFile)
	if !ok || d.memory != f.memory {
		return f.fail("clone", errors.ErrUnsupported)
	}
	defer f.lock()()
	if err := f.check("clone", false); err != nil {
		return err
	}
	if err := d.check("clone", true); err != nil {
		return err
	}
	if err := f.memory.clone(d.node, f.node); err != nil {
		return f.fail("clone", err)
	}
	return nil
}
