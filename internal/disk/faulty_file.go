package disk

import (
	"errors"
	"io"
	"sync/atomic"
)

type faultyFile struct {
	faulty *Faulty
	file   File
	path   string
	pos    atomic.Int64
}

func (f *faultyFile) do(k OpKind, off, n int64, whole, short func() error) error {
	return f.faulty.do(Op{Kind: k, Path: f.path, Off: off, Len: n}, whole, short)
}

func (f *faultyFile) Read(p []byte) (int, error) {
	n := 0
	err := f.do(OpRead, f.pos.Load(), int64(len(p)), func() (err error) { n, err = f.file.Read(p); return err }, nil)
	var short ShortRead
	if errors.As(err, &short) {
		n, err = f.file.Read(p[:(len(p)+1)/2])
	}
	f.pos.Add(int64(n))
	return n, err
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	err := f.do(OpRead, off, int64(len(p)), func() (err error) { n, err = f.file.ReadAt(p, off); return err }, nil)
	var short ShortRead
	if errors.As(err, &short) {
		var failed error
		if n, failed = f.file.ReadAt(p[:len(p)/2], off); failed != nil {
			err = failed
		}
	}
	return n, err
}

func (f *faultyFile) Write(p []byte) (int, error) {
	return f.put(f.pos.Load(), p, f.file.Write, func(n int) { f.pos.Add(int64(n)) })
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	return f.put(off, p, func(p []byte) (int, error) { return f.file.WriteAt(p, off) }, func(int) {})
}

func (f *faultyFile) put(off int64, p []byte, write func([]byte) (int, error), moved func(int)) (int, error) {
	n := 0
	err := f.do(OpWrite, off, int64(len(p)),
		func() (err error) { n, err = write(p); return err },
		func() (err error) { n, err = write(p[:len(p)/2]); return err })
	moved(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

func (f *faultyFile) Truncate(size int64) error {
	return f.do(OpTruncate, 0, size, func() error { return f.file.Truncate(size) }, nil)
}

func (f *faultyFile) Stat() (Info, error) {
	var i Info
	err := f.do(OpFileStat, 0, 0, func() (err error) { i, err = f.file.Stat(); return err }, nil)
	if err != nil {
		return Info{}, err
	}
	return i, nil
}

func (f *faultyFile) Sync() error { return f.do(OpFileSync, 0, 0, f.file.Sync, nil) }

func (f *faultyFile) Close() error {
	closed := false
	var closing error
	err := f.do(OpClose, 0, 0, func() error { closed = true; return f.file.Close() }, nil)
	if !closed {
		closing = f.file.Close()
	}
	return faultyJoin(err, closing)
}

func (f *faultyFile) Reserve(size int64) error {
	return f.do(OpReserve, 0, size, func() error {
		if r, ok := f.file.(Reserver); ok {
			return r.Reserve(size)
		}
		return nil
	}, nil)
}

func (f *faultyFile) Extents() ([]Extent, error) {
	var out []Extent
	err := f.do(OpExtents, 0, 0, func() (err error) {
		if s, ok := f.file.(Sparse); ok {
			out, err = s.Extents()
			return err
		}
		i, err := f.file.Stat()
		if err == nil && i.Size > 0 {
			out = []Extent{{0, i.Size}}
		}
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (f *faultyFile) CloneTo(dst File) error {
	o := Op{Kind: OpClone, Path: f.path}
	if t, ok := dst.(*faultyFile); ok {
		o.To = t.path
		dst = t.file
	}
	return f.faulty.do(o, func() error {
		if c, ok := f.file.(Cloner); ok {
			return c.CloneTo(dst)
		}
		return o.wrap(errors.ErrUnsupported)
	}, nil)
}

// WillRead implements [Adviser].
func (f *faultyFile) WillRead(off, n int64) {
	if a, ok := f.file.(Adviser); ok && !f.faulty.Stopped() {
		a.WillRead(off, n)
	}
}

// Done implements [Adviser].
func (f *faultyFile) Done(off, n int64) {
	if a, ok := f.file.(Adviser); ok && !f.faulty.Stopped() {
		a.Done(off, n)
	}
}
