package disk

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	directAlign  = 4 << 10  // a multiple of the sector size of every disk in use
	directLeast  = 1 << 20  // below this the page cache is as cheap
	streamBuffer = 4 << 20  // bounce buffer for content that is not aligned in memory
	directMost   = 32 << 20 // one transfer of content that is
)

// CreateWhole makes a new file, writes content past the page cache where that is possible, and syncs it.
// On an error no file is left.
func (d *osDir) CreateWhole(name string, mode uint32, content []byte) error {
	f, err := d.create(name, mode)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.writeWhole(content, &d.scratch.stream); err != nil {
		_ = d.Remove(name) // the first error is the one to tell
		return err
	}
	return nil
}

func (f *osFile) writeWhole(content []byte, buffers pool) error {
	direct := false
	if len(content) >= directLeast {
		if err := f.use("reserve space for", func(fd int) error {
			return unix.Fallocate(fd, 0, 0, int64(len(content)))
		}); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		// Asked for after the file exists: some systems create it and then refuse the flag.
		direct = f.setDirect(true) == nil
	}
	done := 0
	if direct {
		var err error
		done, err = f.writeDirect(content, buffers)
		if err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
		// The last part, or all that a stricter alignment refused, goes the plain way.
		if err := f.setDirect(false); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(content[done:], int64(done)); err != nil {
		return err
	}
	return f.Sync()
}

// pool is the part of sync.Pool in use here.
type pool interface {
	Get() any
	Put(any)
}

// setDirect changes nothing but O_DIRECT, the only flag that files made here have apart from their access mode.
func (f *osFile) setDirect(on bool) error {
	return f.use("set direct writing of", func(fd int) error {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return err
		}
		if flags &^= unix.O_DIRECT; on {
			flags |= unix.O_DIRECT
		}
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
		return err
	})
}

// writeDirect writes the whole blocks of content and returns how many bytes that were.
func (f *osFile) writeDirect(content []byte, buffers pool) (int, error) {
	whole := len(content) &^ (directAlign - 1)
	if addressOf(content)%directAlign == 0 {
		return f.writeBlocks(content[:whole], directMost, nil)
	}
	buf, ok := buffers.Get().(*[]byte)
	if !ok {
		b := aligned(streamBuffer)
		buf = &b
	}
	defer buffers.Put(buf)
	return f.writeBlocks(content[:whole], streamBuffer, *buf)
}

// writeBlocks writes step bytes at a time, by way of bounce unless that is nil.
func (f *osFile) writeBlocks(content []byte, step int, bounce []byte) (int, error) {
	done := 0
	for done < len(content) {
		part := content[done:min(len(content), done+step)]
		if bounce != nil {
			part = bounce[:copy(bounce, part)]
		}
		n := 0
		err := f.use("write", func(fd int) (err error) {
			n, err = unix.Pwrite(fd, part, int64(done))
			return err
		})
		if err != nil {
			return done, err
		}
		// A write cut short in a block repeats the block.
		n &^= directAlign - 1
		if n == 0 {
			return done, nil
		}
		done += n
	}
	return done, nil
}

func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// aligned returns size bytes at a multiple of directAlign.
func aligned(size int) []byte {
	b := make([]byte, size+directAlign)
	skip := -int(addressOf(b)) & (directAlign - 1)
	return b[skip : skip+size : skip+size]
}
