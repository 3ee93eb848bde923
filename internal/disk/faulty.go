package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
)

// OpKind is what an operation does.
type OpKind uint8

// The kinds of operations, of directories and then of files.
const (
	OpList OpKind = iota
	OpStat
	OpOpen
	OpOpenDir
	OpReadlink
	OpXattrs
	OpCreate
	OpOpenWrite
	OpMkdir
	OpSymlink
	OpLink
	OpRename
	OpPublish
	OpExchange
	OpRemove
	OpSetMeta
	OpSetXattr
	OpRemoveXattr
	OpSync
	OpCloseDir
	OpSyncAll
	OpCreateWhole
	OpFree
	OpFileSystem

	OpRead
	OpWrite
	OpTruncate
	OpFileStat
	OpFileSync
	OpClose
	OpReserve
	OpExtents
	OpClone

	opKinds
)

// String is the name of the kind in lower case.
func (k OpKind) String() string {
	names := [...]string{
		"list", "stat", "open", "opendir", "readlink", "xattrs", "create", "openwrite", "mkdir", "symlink", "link",
		"rename", "publish", "exchange", "remove", "setmeta", "setxattr", "removexattr", "sync", "closedir", "syncall",
		"createwhole", "free", "filesystem",
		"read", "write", "truncate", "filestat", "filesync", "close", "reserve", "extents", "clone",
	}
	if k >= opKinds {
		return "unknown"
	}
	return names[k]
}

// Writes reports whether operations of the kind change the file system or make it durable.
func (k OpKind) Writes() bool {
	switch k {
	case OpCreate, OpOpenWrite, OpMkdir, OpSymlink, OpLink, OpRename, OpPublish, OpExchange, OpRemove, OpSetMeta, OpSetXattr,
		OpRemoveXattr, OpSync, OpSyncAll, OpCreateWhole, OpWrite, OpTruncate, OpFileSync, OpReserve, OpClone:
		return true
	}
	return false
}

// Op is an operation about to be done.
type Op struct {
	N    int64 // its number over the whole tree, from 1
	Kind OpKind
	Path string // slash-separated below the root, which is "."; the name given first of two
	To   string // the second path of Link, Rename, Publish, Exchange, Clone, where it is of the same tree
	Off  int64  // of Read and Write
	Len  int64  // bytes of Read, Write, Reserve, CreateWhole; the size of Truncate
}

// Hook decides the fate of an operation: nil lets it happen; any other error fails it before it has effect, but
// for the meaning of [ShortWrite], [ShortRead], [AfterEffect] and [ErrStopped]. Hooks are called concurrently.
type Hook func(Op) error

// ErrStopped returned by a hook, alone or within an error, models the end of the process: all later operations
// fail with it and are neither counted nor shown to the hook.
var ErrStopped = errors.New("process stopped")

// ShortWrite lets Write and CreateWhole write the first half before it fails with Err (nil: io.ErrShortWrite);
// other operations just fail.
type ShortWrite struct{ Err error }

func (e ShortWrite) cause() error {
	if e.Err == nil {
		return io.ErrShortWrite
	}
	return e.Err
}
func (e ShortWrite) Error() string { return e.cause().Error() }
func (e ShortWrite) Unwrap() error { return e.cause() }

// ShortRead makes a Read return at most half of what was asked (but a byte), without an error. ReadAt, which may not do
// that silently, returns the half with Err (nil: io.ErrUnexpectedEOF). Other operations fail with Err.
type ShortRead struct{ Err error }

func (e ShortRead) cause() error {
	if e.Err == nil {
		return io.ErrUnexpectedEOF
	}
	return e.Err
}
func (e ShortRead) Error() string { return e.cause().Error() }
func (e ShortRead) Unwrap() error { return e.cause() }

// AfterEffect lets the operation happen and then fail with Err, as when the reply is lost. Handles are not returned;
// a Read or Write reports the bytes it moved beside the error.
type AfterEffect struct{ Err error }

func (e AfterEffect) Error() string { return fmt.Sprintf("after effect: %v", e.Err) }
func (e AfterEffect) Unwrap() error { return e.Err }

// Faulty is a file system whose operations fail when a hook says so.
//
// Its directories have all of [Flusher], [Streamer], [Space] and [Kind], its files all of [Reserver], [Sparse],
// [Cloner] and [Adviser], whatever the wrapped ones have. Where those do not, CreateWhole creates, writes
// and syncs, Reserve does nothing, Extents is the whole file, and the others fail with [errors.ErrUnsupported].
// Every call is one operation, whatever it takes below. Hints to an [Adviser] are passed on and not counted.
// A failed Close has closed the wrapped handle all the same.
type Faulty struct {
	dir     Dir
	hook    Hook
	count   atomic.Int64
	stopped atomic.Bool
}

// NewFaulty wraps d and everything that will be opened through it.
func NewFaulty(d Dir, hook Hook) *Faulty { return &Faulty{dir: d, hook: hook} }

// Root is the wrapped directory. Closing it closes the directory given to NewFaulty.
func (f *Faulty) Root() Dir { return &faultyDir{f, f.dir, "."} }

// Count is the number of operations so far.
func (f *Faulty) Count() int64 { return f.count.Load() }

// Stopped reports whether the hook has returned ErrStopped.
func (f *Faulty) Stopped() bool { return f.stopped.Load() }

// Stop fails everything from here on with ErrStopped.
func (f *Faulty) Stop() { f.stopped.Store(true) }

// FailAt fails operation n.
func FailAt(n int64, err error) Hook {
	return func(o Op) error {
		if o.N == n {
			return err
		}
		return nil
	}
}

// FailFrom fails operation n and all after it.
func FailFrom(n int64, err error) Hook {
	return func(o Op) error {
		if o.N >= n {
			return err
		}
		return nil
	}
}

// FailKind fails the nth operation of a kind, counted from 1; with nth 0 every one.
func FailKind(kind OpKind, nth int64, err error) Hook {
	seen := new(atomic.Int64)
	return func(o Op) error {
		if o.Kind == kind && (nth == 0 || seen.Add(1) == nth) {
			return err
		}
		return nil
	}
}

// StopAt ends the process before operation n.
func StopAt(n int64) Hook { return FailFrom(n, ErrStopped) }

// do runs one operation as the hook has it. short does half of it, nil where there is no half.
func (f *Faulty) do(o Op, whole func() error, short func() error) error {
	if f.stopped.Load() {
		return o.wrap(ErrStopped)
	}
	o.N = f.count.Add(1)
	verdict := error(nil)
	if f.hook != nil {
		verdict = f.hook(o)
	}
	if verdict == nil {
		return whole()
	}
	if errors.Is(verdict, ErrStopped) {
		f.stopped.Store(true)
	}
	var (
		after AfterEffect
		half  ShortWrite
	)
	switch {
	case errors.As(verdict, &after):
		if err := whole(); err != nil {
			return err
		}
		if verdict = after.Err; verdict == nil {
			return nil
		}
	case errors.As(verdict, &half):
		if short != nil {
			if err := short(); err != nil {
				return err
			}
		}
		verdict = half.cause()
	}
	return o.wrap(verdict)
}

func (o Op) wrap(err error) error {
	if o.To != "" {
		return &os.LinkError{Op: o.Kind.String(), Old: o.Path, New: o.To, Err: err}
	}
	return &fs.PathError{Op: o.Kind.String(), Path: o.Path, Err: err}
}
