package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"syscall"
	"time"

	"varve/internal/disk"
)

// Folder is a Store in a directory tree; several processes may use one at a time. Opening, reading and
// listing write nothing. Directories and files take the root's permission bits, less the umask.
//
// After a failed fsync of a directory the system may count the lost entries as written, so that a later
// fsync would succeed without them: Barrier and Put then fail for the rest of the Folder's life.
type Folder struct {
	// Rand draws the names of temporary files; nil: crypto/rand. Set it before first use.
	Rand io.Reader

	root    disk.Dir
	handles *handles
	turn    chan struct{} // held by the one Barrier that is syncing

	mu        sync.Mutex
	dirty     map[string]struct{} // directories with entries that are not durable yet
	broken    error               // the failed sync that ended this Folder
	undurable bool                // the file system has no fsync
	modes     *modes              // read from the root when first needed
}

type modes struct{ file, dir uint32 }

// NewFolder returns the store whose root is d, and touches nothing. The Folder owns d from now on.
func NewFolder(d disk.Dir) *Folder {
	return &Folder{
		root:    d,
		handles: newHandles(maxHandles),
		turn:    make(chan struct{}, 1),
		dirty:   map[string]struct{}{},
	}
}

// Close closes the cached directories and the root. No other method may be running or called later.
func (f *Folder) Close() error {
	f.handles.close()
	return f.root.Close()
}

// Describe implements Described.
func (f *Folder) Describe() Traits {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Traits{Local: true, CreateIfAbsent: true, ListsAtOnce: true, Deletes: true, Durable: !f.undurable}
}

// Barrier implements Store: it syncs each directory touched since the last one.
func (f *Folder) Barrier(ctx context.Context) error {
	// One at a time: a second Barrier that found nothing dirty would vouch for what the first has not synced yet.
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("barrier: %w", ctx.Err())
	}
	defer func() { <-f.turn }()

	paths, err := f.takeDirty()
	if err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			f.mark(paths[i:]...)
			return fmt.Errorf("barrier: %w", err)
		}
		h, err := f.directory(path, false)
		if errors.Is(err, fs.ErrNotExist) && f.handles.drop(path) {
			h, err = f.directory(path, false)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since, with all that was in it
		}
		if err != nil {
			f.mark(paths[i:]...)
			return fmt.Errorf("barrier: %w", err)
		}
		err = f.settle(h.dir.Sync())
		f.release(h)
		if err != nil {
			return fmt.Errorf("barrier: %w", f.breakOff(path, err))
		}
	}
	return nil
}

// takeDirty empties the set of directories to sync and returns it sorted.
func (f *Folder) takeDirty() ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return nil, f.broken
	}
	paths := make([]string, 0, len(f.dirty))
	for path := range f.dirty {
		paths = append(paths, path)
	}
	clear(f.dirty)
	slices.Sort(paths)
	return paths, nil
}

// mark notes directories for the next Barrier.
func (f *Folder) mark(paths ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range paths {
		f.dirty[path] = struct{}{}
	}
}

// breakOff ends the Folder for writing.
func (f *Folder) breakOff(path string, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = fmt.Errorf("an earlier sync of directory %q failed: %w", path, err)
	return fmt.Errorf("sync directory %q: %w", path, err)
}

// settle passes on the error of an fsync, except that of a file system which has none: there writing
// goes on and Describe says that it is not durable.
func (f *Folder) settle(err error) error {
	if err == nil || !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.undurable = true
	return nil
}

// directory returns a handle of the directory at path for use; release it. With create, what is missing
// is made, and the entries on the way to it are noted for the next Barrier whoever made them: another
// process may have, without a Barrier yet.
func (f *Folder) directory(path string, create bool) (*handle, error) {
	if path == "" {
		return &handle{dir: f.root, uses: 1}, nil
	}
	h := f.handles.take(path)
	if h == nil {
		d, err := f.openDirectory(path, create)
		if err != nil {
			return nil, err
		}
		h = f.handles.add(path, d)
	}
	if create {
		f.anchor(h)
	}
	return h, nil
}

func (f *Folder) openDirectory(path string, create bool) (disk.Dir, error) {
	above, element := splitName(path)
	parent, err := f.directory(above, create)
	if err != nil {
		return nil, err
	}
	defer f.release(parent)
	d, err := parent.dir.OpenDir(element)
	if err == nil {
		return d, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		if info, e := parent.dir.Stat(element); e == nil && info.Type == disk.Regular {
			return nil, fmt.Errorf("%s is an object: %w", path, errObjectAbove)
		}
		return nil, err
	}
	if !create {
		return nil, err
	}
	if err := parent.dir.Mkdir(element, f.permissions().dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return parent.dir.OpenDir(element)
}

// errObjectAbove: a directory of the name is itself an object, so nothing can be below it.
var errObjectAbove = fmt.Errorf("nothing can be below it: %w", ErrName)

// anchor notes the entry of h in its parent for the next Barrier, once in the life of the handle.
func (f *Folder) anchor(h *handle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !h.anchored {
		above, _ := splitName(h.path)
		f.dirty[above] = struct{}{}
		h.anchored = true
	}
}

func (f *Folder) release(h *handle) {
	if h.path != "" {
		f.handles.release(h)
	}
}

// in calls do with the directory of name and its last element. If something is missing it drops the
// cached directories on the way, which may be gone from the tree, and does it once more.
func (f *Folder) in(name string, create bool, do func(h *handle, element string) error) error {
	path, element := splitName(name)
	const tries = 4 // with create: as often as someone may remove the empty directory again
	for try := 1; ; try++ {
		h, err := f.directory(path, create)
		if err == nil {
			err = do(h, element)
			f.release(h)
		}
		if !errors.Is(err, fs.ErrNotExist) || try == tries {
			return err
		}
		if dropped := f.handles.drop(path); !create && (!dropped || try > 1) {
			return err
		}
	}
}

// permissions derives the modes of new files and directories from the root's.
func (f *Folder) permissions() modes {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.modes == nil {
		m := modes{file: 0o600, dir: 0o700}
		if info, err := f.root.Stat("."); err == nil {
			m.file |= info.Mode & 0o666
			m.dir |= info.Mode & 0o777
		}
		f.modes = &m
	}
	return *f.modes
}

// Get implements Store.
func (f *Folder) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	r, err := f.open(ctx, name)
	if err != nil {
		return dst, fmt.Errorf("get %s: %w", name, err)
	}
	defer r.file.Close()
	n, err = span(off, n, r.size)
	if err != nil {
		return dst, fmt.Errorf("get %s: %w", name, err)
	}
	had := len(dst)
	grown := slices.Grow(dst, int(n))[:had+int(n)]
	if got, err := r.file.ReadAt(grown[had:], off); int64(got) < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // cut short since it was opened
		}
		return dst, fmt.Errorf("get %s: %w", name, err)
	}
	return grown, nil
}

// Open implements Ranger. The Reader also takes hints as a disk.Adviser does.
func (f *Folder) Open(ctx context.Context, name string) (Reader, error) {
	r, err := f.open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return r, nil
}

func (f *Folder) open(ctx context.Context, name string) (*folderReader, error) {
	if err := ready(ctx, name); err != nil {
		return nil, err
	}
	var file disk.File
	err := f.in(name, false, func(h *handle, element string) (err error) {
		file, err = h.dir.Open(element)
		if err != nil && isDirectory(h.dir, element) {
			return fmt.Errorf("a directory: %w", fs.ErrNotExist)
		}
		return err
	})
	if err != nil {
		return nil, absent(err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &folderReader{file: file, size: info.Size}, nil
}

// absent turns the error of a look-up below an object into fs.ErrNotExist, which it means to a reader.
func absent(err error) error {
	if errors.Is(err, errObjectAbove) {
		return fmt.Errorf("an object is above it: %w", fs.ErrNotExist)
	}
	return err
}

func isDirectory(d disk.Dir, element string) bool {
	info, err := d.Stat(element)
	return err == nil && info.Type == disk.Directory
}

type folderReader struct {
	file disk.File
	size int64
}

func (r *folderReader) ReadAt(p []byte, off int64) (int, error) { return r.file.ReadAt(p, off) }
func (r *folderReader) Close() error                            { return r.file.Close() }
func (r *folderReader) Size() int64                             { return r.size }

// WillRead passes the hint on.
func (r *folderReader) WillRead(off, n int64) {
	if a, ok := r.file.(disk.Adviser); ok {
		a.WillRead(off, n)
	}
}

// Done passes the hint on.
func (r *folderReader) Done(off, n int64) {
	if a, ok := r.file.(disk.Adviser); ok {
		a.Done(off, n)
	}
}

// Stat implements Stater.
func (f *Folder) Stat(ctx context.Context, name string) (Object, error) {
	if err := ready(ctx, name); err != nil {
		return Object{}, fmt.Errorf("stat: %w", err)
	}
	var info disk.Info
	err := f.in(name, false, func(h *handle, element string) (err error) {
		info, err = h.dir.Stat(element)
		if err == nil && info.Type == disk.Directory {
			return fmt.Errorf("a directory: %w", fs.ErrNotExist)
		}
		return err
	})
	if err != nil {
		return Object{}, fmt.Errorf("stat %s: %w", name, absent(err))
	}
	return Object{Name: name, Size: info.Size, Modified: time.Unix(0, info.Mtime)}, nil
}

// Delete implements Store.
func (f *Folder) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	err := f.in(name, false, func(h *handle, element string) error {
		info, err := h.dir.Stat(element)
		if err != nil {
			return err
		}
		if info.Type == disk.Directory {
			return nil // Remove would take an empty one
		}
		err = h.dir.Remove(element)
		f.mark(h.path)
		return err
	})
	if err = absent(err); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return nil
}

// random reads 16 bytes from Rand.
func (f *Folder) random() ([16]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b [16]byte
	from := f.Rand
	if from == nil {
		from = rand.Reader
	}
	_, err := io.ReadFull(from, b[:])
	return b, err
}
