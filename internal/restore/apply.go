package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"varve/internal/disk"
	"varve/internal/tree"
)

// applying is a plan being performed.
type applying struct {
	p   *Plan
	opt *Options

	folder *folder
	stage  *handles // below the staging folder
	live   *handles // below the target
	open   openFiles

	umask    uint32
	owner    disk.Owner // of what this process creates
	syncsAll bool       // the file system is synced as a whole; otherwise each file is
	reserves bool       // space can be asked for ahead

	written atomic.Int64
	files   atomic.Int64
	bytes   atomic.Int64

	mu       sync.Mutex
	result   Result
	abort    error           // ends the restore
	touched  map[string]bool // live directories in which names changed
	inodes   map[uint64]bool // on a target that folds names: inodes that are published
	merged   []*node         // directories that were taken into ones that no tree knows
	replaced map[string]bool // paths of Live that were replaced under another spelling
}

// Apply performs the plan. Failures about single entries are in the Result; an error means that the restore did
// not begin (ErrConflict, ErrNoSpace) or was broken off. Broken off before anything was published, as for
// want of space, it has changed nothing.
func (p *Plan) Apply(ctx context.Context) (*Result, error) {
	if r := p.Refused(); len(r) > 0 {
		more := ""
		if len(r) > 1 {
			more = fmt.Sprintf(" (and %d more)", len(r)-1)
		}
		return nil, fmt.Errorf("%w: %q: %s%s", ErrConflict, r[0].Path, r[0].Reason, more)
	}
	if err := sweep(p.opt.Target); err != nil {
		return nil, err
	}
	a := &applying{p: p, opt: &p.opt, touched: map[string]bool{}, inodes: map[uint64]bool{}, replaced: map[string]bool{}}
	if err := a.room(ctx); err != nil {
		return nil, err
	}
	f, err := newFolder(p.opt.Target, p.opt.Rand, p.opt.HasLive)
	if err != nil {
		return nil, err
	}
	a.folder, a.stage, a.live = f, newHandles(f.dir), newHandles(p.opt.Target)
	err = a.run(ctx)
	a.stage.forget()
	if rerr := f.remove(); err == nil && rerr != nil {
		a.warn(f.name, rerr)
	}
	if err == nil {
		err = a.syncLive()
	}
	a.live.forget()
	return a.finish(), err
}

// room refuses what certainly does not fit. Files that could be cloned may need less than their size, and those that
// are sparse need less by their holes.
func (a *applying) room(ctx context.Context) error {
	free, err := disk.Free(a.opt.Target)
	if err != nil {
		return nil
	}
	need := int64(0)
	for _, n := range a.p.files {
		switch {
		case n.sparse() && n.size > free-need:
			need += a.solid(ctx, n, free-need)
		case !n.sparse() && (n.old == nil || n.size < cloneLeast):
			need += n.size
		}
		if need > free {
			return fmt.Errorf("%w: %d bytes needed, %d free", ErrNoSpace, a.p.Bytes, free)
		}
	}
	return nil
}

// solid returns how many bytes of a sparse file are no holes, or some number above most.
func (a *applying) solid(ctx context.Context, n *node, most int64) (bytes int64) {
	s := &sink{n: n}
	for piece, err := range tree.Pieces(ctx, a.p.get, n.entry(), 0) {
		if err != nil { // which is told where the file is written
			return bytes
		}
		if !a.leaveHole(s, &piece) {
			bytes += piece.Len
		}
		if bytes > most {
			return bytes
		}
	}
	return bytes
}

func (a *applying) run(ctx context.Context) error {
	if err := a.learn(); err != nil {
		return err
	}
	for _, c := range a.p.Conflicts {
		if c.Reason == Special {
			a.warn(c.Path, fmt.Errorf("%s: %w", c.Reason, errors.ErrUnsupported))
		} else {
			a.failed(c.Path, fmt.Errorf("%s: %w", c.Reason, ErrConflict))
		}
	}
	if err := a.build(ctx); err != nil {
		return err
	}
	if err := a.syncStage(); err != nil {
		return err
	}
	if err := errors.Join(a.fatal(), ctx.Err()); err != nil {
		return err
	}
	if n := len(a.result.Errors); n > 0 && a.opt.Whole {
		return fmt.Errorf("%w: %d of them, the first is %s: %w", ErrLacking, n, a.result.Errors[0].Path, a.result.Errors[0].Err)
	}
	// From here on nothing is broken off: half of the names would be the worst of both trees.
	ctx = context.WithoutCancel(ctx)
	a.stage.forget()
	a.publishAll()
	a.removeAll()
	a.setAllMeta(ctx)
	return nil
}

// learn finds out what the system does to new files.
func (a *applying) learn() error {
	d := a.folder.dir
	f, err := d.Create("probe", 0o777)
	if err != nil {
		return fmt.Errorf("probe the target: %w", err)
	}
	info, err := f.Stat()
	f.Close()
	if err == nil {
		err = d.Remove("probe")
	}
	if err != nil {
		return fmt.Errorf("probe the target: %w", err)
	}
	a.umask = 0o777 &^ info.Mode
	a.owner = disk.Owner{UID: info.UID, GID: info.GID}
	_, a.syncsAll = d.(disk.Flusher)
	kind, _ := disk.FileSystem(d) // unknown: space is asked for
	a.reserves = kind != "btrfs" && kind != "zfs" && kind != "bcachefs"
	return nil
}

// build makes everything in the staging folder, with its metadata.
func (a *applying) build(ctx context.Context) error {
	for _, n := range a.p.dirs {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.built(n, a.in(n.dir, func(d disk.Dir) error { return d.Mkdir(n.name, 0o700) }))
	}
	if err := errors.Join(a.fatal(), a.fill(ctx)); err != nil {
		return err
	}
	for _, n := range a.p.hard {
		a.finished(n, a.link(n))
	}
	for _, n := range a.p.links {
		a.finished(n, a.in(n.dir, func(d disk.Dir) error {
			err := d.Symlink(n.target, n.name)
			if err == nil {
				err = a.setMeta(d, n, n.name, 0)
			}
			return err
		}))
	}
	for _, n := range slices.Backward(a.p.dirs) {
		if !n.failed && !a.late(n) {
			err := a.in(n.dir, func(d disk.Dir) error { return a.setMeta(d, n, n.name, 0o700) })
			if err != nil {
				a.failed(n.path, err) // the directory is there, and what is in it
			}
		}
	}
	return ctx.Err()
}

// late reports whether a directory gets its metadata after it was moved: who may not write a directory may not
// move it to another one.
func (a *applying) late(n *node) bool { return n.dir == "" && n.mode&0o200 == 0 }

// in runs do in a directory of the staging folder.
func (a *applying) in(dir string, do func(disk.Dir) error) error { return within(a.stage, dir, do) }

func within(c *handles, dir string, do func(disk.Dir) error) error {
	d, err := c.get(dir)
	if err != nil {
		return err
	}
	defer c.put(d)
	return do(d.Dir)
}

// link makes a hard link in the staging folder. Where there are none, or no more, it makes a copy.
func (a *applying) link(n *node) error {
	from, path := a.stage, ""
	if n.source != nil {
		if n.source.failed {
			return fmt.Errorf("link to %s: %w", n.source.path, fs.ErrNotExist)
		}
		path = n.source.staged()
	} else {
		from, path = a.live, n.live.path
	}
	return within(from, parentOf(path), func(d disk.Dir) error {
		if n.live != nil {
			if err := check(d, n.live, baseOf(path)); err != nil {
				return err
			}
		}
		return a.in(n.dir, func(to disk.Dir) error {
			err := d.Link(baseOf(path), to, n.name)
			if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
				return err
			}
			a.warn(n.path, fmt.Errorf("copied instead of linked: %w", err))
			return a.copy(d, baseOf(path), to, n.name, n)
		})
	})
}

// check is ErrChanged unless name in d is what n says.
func check(d disk.Dir, n *node, name string) error {
	info, err := d.Stat(name)
	if err != nil {
		return err
	}
	if !n.is(&info) {
		return fmt.Errorf("%s: %w", n.path, ErrChanged)
	}
	return nil
}

// copy copies a file and gives the copy the metadata of n; it is synced.
func (a *applying) copy(from disk.Dir, name string, to disk.Dir, newName string, n *node) error {
	in, err := from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := to.Create(newName, a.mode(n)|0o600)
	if err != nil {
		return err
	}
	size, err := copyContent(out, in)
	if err == nil && size != n.size {
		err = ErrSize
	}
	if err == nil {
		err = out.Sync()
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = a.setMeta(to, n, newName, a.mode(n)|0o600)
	}
	if err != nil {
		_ = to.Remove(newName) // the first error is the one to tell
		return err
	}
	a.written.Add(size)
	return nil
}

// syncStage makes everything built durable. What was not synced must not be published.
func (a *applying) syncStage() error {
	if a.syncsAll {
		if err := a.folder.dir.(disk.Flusher).SyncAll(); err != nil {
			return fmt.Errorf("sync staging folder: %w", err)
		}
		return nil
	}
	for _, n := range a.p.dirs {
		if n.failed {
			continue
		}
		if err := a.in(n.staged(), disk.Dir.Sync); err != nil {
			return fmt.Errorf("sync staging folder: %w", err)
		}
	}
	return a.folder.dir.Sync()
}

// syncLive makes the new names durable.
func (a *applying) syncLive() error {
	if a.syncsAll {
		if err := a.opt.Target.(disk.Flusher).SyncAll(); err != nil {
			return fmt.Errorf("sync the target: %w", err)
		}
		return nil
	}
	for dir := range a.touched {
		err := within(a.live, dir, disk.Dir.Sync)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sync %q: %w", dir, err)
		}
	}
	return nil
}

// finished notes that a file or link is in the staging folder, or is not.
func (a *applying) finished(n *node, err error) {
	a.files.Add(1)
	a.bytes.Add(n.size)
	a.built(n, err)
}

// built notes that n is in the staging folder. After an error it must not be there, lest a directory take it along.
func (a *applying) built(n *node, err error) {
	if err != nil && !errors.Is(err, fs.ErrExist) {
		_ = a.in(n.dir, func(d disk.Dir) error { return d.Remove(n.name) }) // the first error is the one to tell
	}
	a.fail(n, err)
}

// fail notes that n cannot be had. Want of space ends the restore: all that follows would fail too.
func (a *applying) fail(n *node, err error) {
	if err == nil {
		return
	}
	a.mu.Lock()
	n.failed = true
	if a.abort == nil && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) {
		a.abort = fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	a.mu.Unlock()
	a.failed(n.path, err)
}

func (a *applying) failed(path string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.result.Errors = append(a.result.Errors, Failure{path, err})
}

func (a *applying) warn(path string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.result.Warnings = append(a.result.Warnings, Warning{path, err})
}

func (a *applying) fatal() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.abort
}

func (a *applying) report() {
	if a.opt.Progress == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opt.Progress(Progress{
		Files: a.files.Load(), TotalFiles: int64(len(a.p.files) + len(a.p.hard) + len(a.p.links)),
		Bytes: a.bytes.Load(), TotalBytes: a.p.Bytes,
	})
}

func (a *applying) finish() *Result {
	r := &a.result
	r.Written = a.written.Load()
	r.Unchanged = a.p.Keep
	slices.SortStableFunc(r.Errors, func(x, y Failure) int { return strings.Compare(x.Path, y.Path) })
	slices.SortStableFunc(r.Warnings, func(x, y Failure) int { return strings.Compare(x.Path, y.Path) })
	return r
}
