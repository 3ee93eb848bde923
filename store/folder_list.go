package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"varve/internal/disk"
)

// Sweeper is a Store that crashes can leave something in that is no object.
type Sweeper interface {
	// Leftovers yields what may be a leftover, or the work of a writer that is still at it: only age and
	// sessions tell. An error is yielded last.
	Leftovers(ctx context.Context) iter.Seq2[Object, error]
	// Discard removes a leftover by the name Leftovers gave it; that it is not there any more, or is in
	// use again, is no error.
	Discard(ctx context.Context, name string) error
}

// List implements Store. It reads one directory at a time, afresh.
func (f *Folder) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		w := walk{ctx: ctx, yield: yield}
		if err := w.from(f.root, prefix); err != nil {
			yield(Object{}, fmt.Errorf("list %q: %w", prefix, err))
		}
	}
}

// Leftovers implements Sweeper: temporary files, and empty directories below the first level, whose names
// end in '/'.
func (f *Folder) Leftovers(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		w := walk{ctx: ctx, yield: yield, leftovers: true}
		if err := w.from(f.root, ""); err != nil {
			yield(Object{}, fmt.Errorf("list leftovers: %w", err))
		}
	}
}

// walk is one listing: of the objects, or of the leftovers.
type walk struct {
	ctx       context.Context
	yield     func(Object, error) bool
	leftovers bool
}

// errStop ends a walk whose caller wants no more.
var errStop = errors.New("enough listed")

// from lists what is below prefix, starting at the root.
func (w *walk) from(root disk.Dir, prefix string) error {
	if err := CheckPrefix(prefix); err != nil {
		return err
	}
	d, closeDir := root, func() error { return nil }
	for rest := prefix; rest != ""; {
		var element string
		element, rest, _ = strings.Cut(rest, "/")
		next, err := openListed(d, element)
		closeDir()
		if err != nil || next == nil {
			return err
		}
		d, closeDir = next, next.Close
	}
	err := w.list(d, prefix)
	closeDir()
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// openListed opens a child directory; nil if there is none of this name.
func openListed(d disk.Dir, element string) (disk.Dir, error) {
	next, err := d.OpenDir(element)
	if err == nil {
		return next, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if info, e := d.Stat(element); e == nil && info.Type == disk.Regular {
		return nil, nil
	}
	return nil, err
}

func (w *walk) list(d disk.Dir, prefix string) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := d.List(nil)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, byPath)
	for i := range entries {
		if err := w.entry(d, prefix, &entries[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(d disk.Dir, prefix string, e *disk.Entry) error {
	name := prefix + e.Name
	if isTemp(e.Name) && e.Type == disk.Regular {
		return w.give(w.leftovers, name, e)
	}
	if !validElement(e.Name) || len(name) > MaxName {
		return nil // not the store's
	}
	switch e.Type {
	case disk.Regular:
		return w.give(!w.leftovers, name, e)
	case disk.Directory:
		return w.descend(d, name, e)
	}
	// Not skipped: an object that is silently missing from a listing may cost its content.
	return fmt.Errorf("%s is neither file nor directory: %w", name, fs.ErrInvalid)
}

func (w *walk) descend(d disk.Dir, name string, e *disk.Entry) error {
	child, err := openListed(d, e.Name)
	if err != nil || child == nil {
		return err
	}
	defer child.Close()
	if w.leftovers && strings.Contains(name, "/") {
		entries, err := child.List(nil)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return w.give(true, name+"/", e)
		}
	}
	return w.list(child, name+"/")
}

func (w *walk) give(wanted bool, name string, e *disk.Entry) error {
	if wanted && !w.yield(Object{Name: name, Size: e.Size, Modified: time.Unix(0, e.Mtime)}, nil) {
		return errStop
	}
	return nil
}

// isTemp reports whether a Folder gives its temporary files names like this.
func isTemp(element string) bool {
	drawn, ok := strings.CutPrefix(element, tempPrefix)
	return ok && len(drawn) == 32 && strings.Trim(drawn, "0123456789abcdef") == ""
}

// byPath orders entries as the paths below them are ordered: a directory counts with the slash that
// follows it, so that "a-b" comes before "a/c" and that before "a0".
func byPath(a, b disk.Entry) int {
	n := min(len(a.Name), len(b.Name))
	if c := strings.Compare(a.Name[:n], b.Name[:n]); c != 0 {
		return c
	}
	return int(byteAt(&a, n)) - int(byteAt(&b, n))
}

func byteAt(e *disk.Entry, i int) byte {
	switch {
	case i < len(e.Name):
		return e.Name[i]
	case e.Type == disk.Directory:
		return '/'
	}
	return 0
}

// Discard implements Sweeper.
func (f *Folder) Discard(ctx context.Context, name string) error {
	path, isDir := strings.CutSuffix(name, "/")
	dir, element := splitName(path)
	if err := checkLeftover(dir, element, isDir); err != nil {
		return fmt.Errorf("discard %q: %w", name, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("discard %s: %w", name, err)
	}
	if isDir {
		f.handles.drop(path) // some systems do not remove an open directory
	}
	err := f.in(path, false, func(h *handle, element string) error {
		if isDirectory(h.dir, element) != isDir {
			return nil
		}
		f.mark(h.path)
		err := h.dir.Remove(element)
		if err != nil && isDir && occupied(h.dir, element) {
			return nil
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("discard %s: %w", name, err)
	}
	return nil
}

func checkLeftover(dir, element string, isDir bool) error {
	if dir != "" {
		if err := CheckName(dir); err != nil {
			return err
		}
	}
	if isDir && dir != "" && validElement(element) || !isDir && isTemp(element) {
		return nil
	}
	return fmt.Errorf("not a leftover: %w", ErrName)
}

// occupied reports whether something is in the directory again.
func occupied(d disk.Dir, element string) bool {
	child, err := d.OpenDir(element)
	if err != nil {
		return false
	}
	defer child.Close()
	entries, err := child.List(nil)
	return err == nil && len(entries) > 0
}
