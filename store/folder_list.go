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
	err := w.ctx.Err()
	switch {
	case err != nil:
	case prefix == "":
		var entries []disk.Entry
		if entries, err = root.List(nil); err == nil {
			err = w.all(root, "", entries)
		}
	default:
		err = w.list(prefix, func() (disk.Dir, error) { return down(root, prefix) })
	}
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// down opens the directory of a prefix; nil if there is none.
func down(root disk.Dir, prefix string) (disk.Dir, error) {
	d, closeDir := root, func() error { return nil }
	for rest := prefix; rest != ""; {
		var element string
		element, rest, _ = strings.Cut(rest, "/")
		next, err := openListed(d, element)
		closeDir()
		if err != nil || next == nil {
			return nil, err
		}
		d, closeDir = next, next.Close
	}
	return d, nil
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

// list lists the directory that open opens, if there is one. An open directory that was removed cannot be read: then it is
// opened again, to see whether it is gone.
func (w *walk) list(prefix string, open func() (disk.Dir, error)) error {
	for again := false; ; again = true {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		d, err := open()
		if err != nil || d == nil {
			return err
		}
		entries, err := d.List(nil)
		if err == nil {
			err = w.all(d, prefix, entries)
			d.Close()
			return err
		}
		d.Close()
		if again || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
}

// all goes through the entries of a directory.
func (w *walk) all(d disk.Dir, prefix string, entries []disk.Entry) error {
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
	if w.leftovers && strings.Contains(name, "/") && isEmpty(d, e.Name) {
		return w.give(true, name+"/", e)
	}
	return w.list(name+"/", func() (disk.Dir, error) { return openListed(d, e.Name) })
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
	n, ok := entriesIn(d, element)
	return ok && n > 0
}

func isEmpty(d disk.Dir, element string) bool {
	n, ok := entriesIn(d, element)
	return ok && n == 0
}

// entriesIn counts what is in a directory; ok is false if that cannot be told.
func entriesIn(d disk.Dir, element string) (n int, ok bool) {
	child, err := d.OpenDir(element)
	if err != nil {
		return 0, false
	}
	defer child.Close()
	entries, err := child.List(nil)
	return len(entries), err == nil
}
