package powercut

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Of FUSE's protocol what a single regular file needs (linux/fuse.h, version 7.31).
const (
	opForget      = 2
	opGetattr     = 3
	opSetattr     = 4
	opOpen        = 14
	opRead        = 15
	opWrite       = 16
	opRelease     = 18
	opFsync       = 20
	opInit        = 26
	opInterrupt   = 36
	opDestroy     = 38
	opBatchForget = 42

	inHeader  = 40
	outHeader = 16
	writeHead = 40
	maxWrite  = 1 << 20

	bigWrites = 1 << 5
	maxPages  = 1 << 22
	directIO  = 1 // of an open file: nothing is cached between the device and the log
)

// serve answers the kernel until the file is unmounted.
func (d *Disk) serve() {
	defer close(d.done)
	buf := make([]byte, maxWrite+pageSize)
	for {
		n, err := unix.Read(d.conn, buf)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || n < inHeader {
			return // ENODEV: it is unmounted
		}
		op := binary.NativeEndian.Uint32(buf[4:])
		if op == opForget || op == opBatchForget || op == opInterrupt {
			continue
		}
		body, errno := d.answer(op, buf[inHeader:n])
		out := make([]byte, outHeader, outHeader+len(body))
		binary.NativeEndian.PutUint32(out, uint32(outHeader+len(body)))
		binary.NativeEndian.PutUint32(out[4:], uint32(-int32(errno)))
		copy(out[8:16], buf[8:16])
		if _, err := unix.Write(d.conn, append(out, body...)); err != nil && !errors.Is(err, unix.ENOENT) {
			return
		}
	}
}

// answer does what is asked. A flush of a file descriptor among all else is not known: the kernel then asks no more,
// and none of this process's own calls can wait for the goroutine that serves.
func (d *Disk) answer(op uint32, in []byte) ([]byte, unix.Errno) {
	u32 := func(b []byte, values ...uint32) []byte {
		for _, v := range values {
			b = binary.NativeEndian.AppendUint32(b, v)
		}
		return b
	}
	switch op {
	case opInit:
		out := u32(nil, 7, 31, 0, bigWrites|maxPages)
		out = binary.NativeEndian.AppendUint16(out, 16) // requests under way
		out = binary.NativeEndian.AppendUint16(out, 12)
		out = u32(out, maxWrite, 1)
		out = binary.NativeEndian.AppendUint16(out, maxWrite/pageSize)
		return append(out, make([]byte, 64-len(out))...), 0
	case opGetattr, opSetattr:
		size := int64(len(d.base)) * pageSize
		out := make([]byte, 16, 104) // nothing of it stays valid
		for _, v := range []uint64{1, uint64(size), uint64(size / 512), 0, 0, 0} {
			out = binary.NativeEndian.AppendUint64(out, v)
		}
		return u32(out, 0, 0, 0, unix.S_IFREG|0o600, 1, 0, 0, 0, pageSize, 0), 0
	case opOpen:
		return u32(nil, 0, 0, directIO, 0), 0
	case opRead:
		d.mu.Lock()
		defer d.mu.Unlock()
		out := make([]byte, binary.NativeEndian.Uint32(in[16:]))
		d.now.read(int64(binary.NativeEndian.Uint64(in[8:])), out)
		return out, 0
	case opWrite:
		data := in[writeHead:]
		if !d.put(int64(binary.NativeEndian.Uint64(in[8:])), data) {
			return nil, unix.ENOSPC
		}
		return u32(nil, uint32(len(data)), 0), 0
	case opFsync:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events = append(d.events, event{})
		return nil, 0
	case opRelease, opDestroy:
		return nil, 0
	}
	return nil, unix.ENOSYS
}

// put logs a write, page by page: a disk may tear it between any two.
func (d *Disk) put(off int64, data []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if off < 0 || off+int64(len(data)) > int64(len(d.now))*pageSize {
		return false
	}
	for len(data) > 0 {
		n := min(int64(len(data)), pageSize-off%pageSize)
		e := event{off, append([]byte{}, data[:n]...)}
		d.events = append(d.events, e)
		d.now.write(off, e.data)
		data, off = data[n:], off+n
	}
	return true
}
