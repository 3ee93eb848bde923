// Package diff lists what differs between two folders as they were kept.
//
// It promises: folders, and pages of folders, that are equal are not read; a file that went from one path to
// another with its content unchanged is one rename; the list is in ascending order of paths by their bytes
// and follows from the two folders alone; two folders whose list is empty, folders included, are equal.
package diff

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/tree"
)

// Difference is a path that is not the same in both folders. The entries are the caller's.
type Difference struct {
	Path    string // from the root of the snapshot, its elements parted by slashes
	OldPath string // of a rename
	Kind    history.Kind
	Old     *tree.Entry // nil if added
	New     *tree.Entry // nil if removed
}

// Options say what to compare.
type Options struct {
	Prefix string // the path to compare, clean, and what is below it; "" for everything
	Dirs   bool   // list folders too, as added, removed or of other metadata
}

// Trees lists what differs between the folders a and b, either of which may be zero for one that is not
// there. A change of type is listed as one modification, except that of a folder: then what was removed and
// what was added are listed each. Without Options.Dirs folders are left out; what is in them is not. That
// Prefix is in neither is fs.ErrNotExist.
func Trees(ctx context.Context, get tree.Getter, a, b digest.Digest, opt Options) ([]Difference, error) {
	l := lister{dirs: opt.Dirs}
	get = tree.Unrepeated(get)
	var err error
	if opt.Prefix == "" {
		err = tree.Compare(ctx, get, a, b, l.add)
	} else {
		err = l.below(ctx, get, a, b, opt.Prefix)
	}
	if err != nil {
		return nil, fmt.Errorf("compare %s with %s: %w", a, b, err)
	}
	return l.finish(), nil
}

// lister collects differences.
type lister struct {
	dirs bool
	out  []Difference
}

// below compares what is at a path, and below it.
func (l *lister) below(ctx context.Context, get tree.Getter, a, b digest.Digest, path string) error {
	old, err := find(ctx, get, a, path)
	if err != nil {
		return err
	}
	e, err := find(ctx, get, b, path)
	if err != nil {
		return err
	}
	if old == nil && e == nil {
		return &fs.PathError{Op: "compare", Path: path, Err: fs.ErrNotExist}
	}
	if err := l.add(path, old, e); err != nil {
		return err
	}
	return tree.Compare(ctx, get, folder(old), folder(e), func(sub string, old, e *tree.Entry) error {
		return l.add(path+"/"+sub, old, e)
	})
}

func find(ctx context.Context, get tree.Getter, root digest.Digest, path string) (*tree.Entry, error) {
	if root.IsZero() {
		return nil, nil
	}
	e, err := tree.Find(ctx, get, root, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return &e, err
}

// folder returns the digest of a folder, zero for anything else.
func folder(e *tree.Entry) digest.Digest {
	if e == nil {
		return digest.Digest{}
	}
	return e.Dir
}

// add lists one path, of which one side may be nil. Equal entries are not listed, nor are folders that
// differ in no more than what is in them.
func (l *lister) add(path string, old, e *tree.Entry) error {
	if old != nil && e != nil && old.Type != e.Type && (isDir(old) || isDir(e)) {
		// Two differences at one path: the old is gone, the new was not there.
		l.list(path, history.Removed, old, nil)
		l.list(path, history.Added, nil, e)
		return nil
	}
	switch {
	case old == nil:
		l.list(path, history.Added, nil, e)
	case e == nil:
		l.list(path, history.Removed, old, nil)
	case old.Type != e.Type || !SameContent(old, e):
		l.list(path, history.Modified, old, e)
	case isDir(e) && Detail(old, e) == "", old.Equal(e):
	default:
		l.list(path, history.Touched, old, e)
	}
	return nil
}

func isDir(e *tree.Entry) bool { return e != nil && e.Type == disk.Directory }

func (l *lister) list(path string, kind history.Kind, old, e *tree.Entry) {
	if !l.dirs && (isDir(old) || isDir(e)) {
		return
	}
	l.out = append(l.out, Difference{Path: path, Kind: kind, Old: clone(old), New: clone(e)})
}

// clone copies an entry away from the page it was read from.
func clone(e *tree.Entry) *tree.Entry {
	if e == nil {
		return nil
	}
	c := *e
	c.Name, c.Target, c.Content = strings.Clone(e.Name), strings.Clone(e.Target), bytes.Clone(e.Content)
	c.Xattrs = slices.Clone(e.Xattrs)
	for i := range c.Xattrs {
		x := &c.Xattrs[i]
		x.Name, x.Value = strings.Clone(x.Name), bytes.Clone(x.Value)
	}
	return &c
}

// finish sorts the list and joins renames.
func (l *lister) finish() []Difference {
	// Compare goes folder by folder, which is not the order of whole paths: "a.b" sorts before "a/b".
	slices.SortStableFunc(l.out, func(a, b Difference) int { return strings.Compare(a.Path, b.Path) })
	items := make([]Item, len(l.out))
	for i := range l.out {
		d := &l.out[i]
		items[i] = Item{Kind: d.Kind, Path: d.Path}
		switch d.Kind {
		case history.Added:
			items[i].Key = KeyOf(d.New)
		case history.Removed:
			items[i].Key = KeyOf(d.Old)
		}
	}
	partner := Renames(items)
	out := l.out[:0:0]
	for i, d := range l.out {
		switch {
		case partner[i] < 0:
			out = append(out, d)
		case d.Kind == history.Added:
			from := &l.out[partner[i]]
			out = append(out, Difference{Path: d.Path, OldPath: from.Path, Kind: history.Renamed, Old: from.Old, New: d.New})
		}
	}
	return out
}

// SameContent reports whether two entries of one type differ in metadata at most. Folders always do: what
// is in them is compared for itself. Files cut in different ways have the same content if their SHA-256 say so.
func SameContent(a, b *tree.Entry) bool {
	if a.Size != b.Size || a.Target != b.Target || a.Rdev != b.Rdev {
		return a.Type == disk.Directory && b.Type == disk.Directory
	}
	if a.Recipe == b.Recipe && bytes.Equal(a.Content, b.Content) {
		return true
	}
	x, ok := a.Sum()
	y, also := b.Sum()
	return ok && also && x == y
}

// KeyOf returns the key of a file's content, zero for what has none. It is the digest of its recipe: equal
// content is cut alike.
func KeyOf(e *tree.Entry) Key {
	switch {
	case e.Type != disk.Regular || e.Size == 0:
		return Key{}
	case e.Content == nil:
		return Key{e.Recipe, e.Size}
	}
	return Key{sha256.Sum256(e.Content), e.Size}
}
