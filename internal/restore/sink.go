package restore

import (
	"container/list"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"

	"varve/internal/disk"
)

const (
	maxOpen      = 192     // files with several chunks that are open at a time
	reserveLeast = 1 << 20 // below this, asking for space ahead is dearer than it is worth
)

// sink is a file being written. What it waits for is counted: its chunks, its other items, and the hold of
// who is still reading its recipe. Whoever lets go last finishes it.
type sink struct {
	n     *node
	left  atomic.Int64
	patch bool // it began as a clone of the live file

	failing sync.Mutex
	err     error

	making sync.Mutex
	made   bool
	file   disk.File // nil while closed; changed under openFiles.mu where nobody uses it
	uses   int       // under openFiles.mu
	elem   *list.Element
}

// fail keeps the first error. What is written afterwards does not matter.
func (s *sink) fail(err error) {
	s.failing.Lock()
	defer s.failing.Unlock()
	if s.err == nil {
		s.err = err
	}
}

func (s *sink) failed() error {
	s.failing.Lock()
	defer s.failing.Unlock()
	return s.err
}

// openFiles bounds how many sinks are open.
type openFiles struct {
	mu   sync.Mutex
	idle list.List // of *sink, the last used in front
}

// use opens the sink's file, or makes it, and keeps it open until done.
func (o *openFiles) use(a *applying, s *sink) (disk.File, error) {
	o.mu.Lock()
	s.uses++
	if s.elem != nil {
		o.idle.Remove(s.elem)
		s.elem = nil
	}
	o.mu.Unlock()
	s.making.Lock()
	defer s.making.Unlock()
	if s.file != nil {
		return s.file, nil
	}
	d, err := a.stage.get(s.n.dir)
	if err != nil {
		return nil, err
	}
	defer a.stage.put(d)
	if s.made {
		s.file, err = d.OpenWrite(s.n.name)
		return s.file, err
	}
	if s.file, err = a.begin(d, s.n); err == nil {
		s.made = true
	}
	return s.file, err
}

func (o *openFiles) done(s *sink) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.uses--; s.uses > 0 || s.file == nil {
		return
	}
	s.elem = o.idle.PushFront(s)
	if o.idle.Len() <= maxOpen {
		return
	}
	old := o.idle.Remove(o.idle.Back()).(*sink)
	old.elem = nil
	if err := old.file.Close(); err != nil {
		old.fail(err)
	}
	old.file = nil
}

// close takes a sink that nobody uses any more out of the cache.
func (o *openFiles) close(s *sink) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.elem != nil {
		o.idle.Remove(s.elem)
		s.elem = nil
	}
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// begin makes the file of n at its full size. It can be opened for writing again whatever its mode will be.
func (a *applying) begin(d disk.Dir, n *node) (disk.File, error) {
	f, err := d.Create(n.name, a.mode(n)|0o600)
	if err != nil {
		return nil, err
	}
	if n.size >= reserveLeast && !n.sparse() && a.reserves {
		err = disk.Reserve(f, n.size)
	}
	if err == nil && n.size > 0 {
		err = f.Truncate(n.size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// write puts b at off of the sink's file and lets go of it.
func (a *applying) write(s *sink, off int64, b []byte) {
	defer a.release(s)
	if s.failed() != nil {
		return
	}
	f, err := a.open.use(a, s)
	if err == nil {
		_, err = f.WriteAt(b, off)
	}
	a.open.done(s)
	if err != nil {
		s.fail(err)
		return
	}
	a.written.Add(int64(len(b)))
}

// writeWhole makes a file of one chunk or of literals in one go.
func (a *applying) writeWhole(s *sink, b []byte) {
	n := s.n
	err := s.failed()
	if err == nil && int64(len(b)) != n.size {
		err = ErrSize
	}
	var d *handle
	if err == nil {
		d, err = a.stage.get(n.dir)
	}
	if err == nil {
		err = a.makeWhole(d, n, b)
		a.stage.put(d)
	}
	a.finished(n, err)
}

func (a *applying) makeWhole(d disk.Dir, n *node, b []byte) error {
	f, err := d.Create(n.name, a.mode(n))
	if err != nil {
		return err
	}
	if len(b) > 0 {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil && !a.syncsAll {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = a.setMeta(d, n, n.name, a.mode(n))
	}
	if err == nil {
		a.written.Add(int64(len(b)))
	}
	return err
}

// release lets go of a sink; the last one finishes the file.
func (a *applying) release(s *sink) {
	if s.left.Add(-1) > 0 {
		return
	}
	if s.failed() == nil {
		if err := a.complete(s); err != nil {
			s.fail(err)
		}
	}
	if err := a.open.close(s); err != nil {
		s.fail(err)
	}
	err := s.failed()
	if d, derr := a.stage.get(s.n.dir); derr == nil {
		if err == nil {
			err = a.setMeta(d, s.n, s.n.name, a.mode(s.n)|0o600)
		}
		a.stage.put(d)
	} else if err == nil {
		err = derr
	}
	a.finished(s.n, err)
}

// complete checks the size of a file whose items are all written.
func (a *applying) complete(s *sink) error {
	f, err := a.open.use(a, s) // which makes a file that has holes only
	defer a.open.done(s)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size != s.n.size {
		return fmt.Errorf("%w: %d bytes instead of %d", ErrSize, info.Size, s.n.size)
	}
	if !a.syncsAll {
		return f.Sync()
	}
	return nil
}

// mode is what n gets in the end.
func (a *applying) mode(n *node) uint32 { return n.mode & modeMask(a.opt.Owner) }

// setMeta gives what is called name in d the metadata of n. has is the mode it was made with. What is not permitted
// is a warning.
func (a *applying) setMeta(d disk.Dir, n *node, name string, has uint32) error {
	if err := a.setXattrs(d, n, name, false); err != nil {
		return err
	}
	var c disk.Change
	mode := a.mode(n)
	if n.typ != disk.Symlink && (mode&^0o777 != 0 || has&^a.umask != mode) {
		c.Mode = &mode
	}
	if a.opt.Owner && (disk.Owner{UID: n.uid, GID: n.gid}) != a.owner {
		c.Owner = &disk.Owner{UID: n.uid, GID: n.gid}
		if n.typ != disk.Symlink {
			c.Mode = &mode // which a change of owner may have cut down
		}
	}
	if n.attrs != 0 {
		c.Attrs = &n.attrs
	}
	c.Mtime = &n.mtime
	err := d.SetMeta(name, c)
	if err != nil && c.Owner != nil && refused(err) {
		a.warn(n.path, err)
		// Setuid without the owner it was meant for would be another program's right.
		mode &^= 0o6000
		c.Owner = nil
		err = d.SetMeta(name, c)
	}
	if err != nil && n.typ == disk.Symlink && refused(err) {
		a.warn(n.path, err)
		return nil
	}
	if err != nil {
		return err
	}
	return a.setXattrs(d, n, name, true)
}

// setXattrs sets the attributes security.* if last, and else all others: a change of owner takes file
// capabilities away, and to set the others the mode may be in the way.
func (a *applying) setXattrs(d disk.Dir, n *node, name string, last bool) error {
	for _, x := range n.xattrs {
		if strings.HasPrefix(x.Name, "security.") != last || !a.opt.Owner && privileged(x.Name) {
			continue
		}
		if err := d.SetXattr(name, x); err != nil {
			if !refused(err) {
				return err
			}
			a.warn(n.path, fmt.Errorf("attribute %s: %w", x.Name, err))
		}
	}
	return nil
}

func privileged(xattr string) bool {
	return strings.HasPrefix(xattr, "security.") || strings.HasPrefix(xattr, "trusted.")
}

// refused tells what this user or this file system cannot do from what went wrong.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported)
}
