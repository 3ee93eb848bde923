package disk

import (
	"errors"
	"io/fs"
	"math"
)

// CreateWhole makes a new file with content and syncs it; the entry in d is not synced. fs.ErrExist if the name is
// taken. On an error no file is left. A [Streamer] does it its own way.
func CreateWhole(d Dir, name string, mode uint32, content []byte) error {
	if s, ok := d.(Streamer); ok {
		return s.CreateWhole(name, mode, content)
	}
	f, err := d.Create(name, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = d.Remove(name) // the first error is the one to tell
	}
	return err
}

// Reserve allocates size bytes for f where the system can; nil where it cannot.
func Reserve(f File, size int64) error {
	r, ok := f.(Reserver)
	if !ok {
		return nil
	}
	if err := r.Reserve(size); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// Extents returns the ranges of f that hold data, in order: all of it in one where the system does not know.
func Extents(f File) ([]Extent, error) {
	if s, ok := f.(Sparse); ok {
		return s.Extents()
	}
	info, err := f.Stat()
	if err != nil || info.Size == 0 {
		return nil, err
	}
	return []Extent{{Off: 0, Len: info.Size}}, nil
}

// Clone makes dst share the content of src; errors.ErrUnsupported where that cannot be, with dst unchanged.
func Clone(src, dst File) error {
	if c, ok := src.(Cloner); ok {
		return c.CloneTo(dst)
	}
	return &fs.PathError{Op: "clone", Path: "file", Err: errors.ErrUnsupported}
}

// WillRead hints that n bytes at off come next; n 0: all, in order.
func WillRead(f File, off, n int64) {
	if a, ok := f.(Adviser); ok {
		a.WillRead(off, n)
	}
}

// Done hints that n bytes at off will not be read again; n 0: to the end.
func Done(f File, off, n int64) {
	if a, ok := f.(Adviser); ok {
		a.Done(off, n)
	}
}

// SyncAll makes all that was written on the file system of d durable; errors.ErrUnsupported where files and
// directories have to be synced one by one.
func SyncAll(d Dir) error {
	if f, ok := d.(Flusher); ok {
		return f.SyncAll()
	}
	return &fs.PathError{Op: "sync file system of", Path: ".", Err: errors.ErrUnsupported}
}

// Exchange swaps what name in from and newName in to mean, in one step; both must be there. It is
// errors.ErrUnsupported, and nothing has changed, where the file system cannot.
func Exchange(from Dir, name string, to Dir, newName string) error {
	if x, ok := from.(Exchanger); ok {
		return x.Exchange(name, to, newName)
	}
	return &fs.PathError{Op: "exchange", Path: name, Err: errors.ErrUnsupported}
}

// Free returns how many bytes can still be written below d; errors.ErrUnsupported where unknown.
func Free(d Dir) (int64, error) {
	if s, ok := d.(Space); ok {
		return s.Free()
	}
	return 0, &fs.PathError{Op: "ask for space in", Path: ".", Err: errors.ErrUnsupported}
}

// FileSystem names the file system of d; "" where unknown.
func FileSystem(d Dir) (string, error) {
	if k, ok := d.(Kind); ok {
		return k.FileSystem()
	}
	return "", nil
}

// clampMul multiplies a count by a size and stops at the largest int64.
func clampMul(count uint64, size int64) int64 {
	if size <= 0 || count > uint64(math.MaxInt64/size) {
		return math.MaxInt64
	}
	return int64(count) * size
}
