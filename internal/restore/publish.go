package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"varve/internal/disk"
	"varve/internal/tree"
)

// publishAll moves what was built to its final names. Each move is one step of the file system.
func (a *applying) publishAll() {
	for _, u := range a.p.units {
		if u.failed {
			continue
		}
		dir := parentOf(u.final)
		err := within(a.live, dir, func(d disk.Dir) error { return a.publish(d, u) })
		if err != nil {
			a.fail(u, err)
			continue
		}
		a.touched[dir] = true
	}
	count := func(nodes []*node) {
		for _, n := range nodes {
			if !n.failed && !a.lost(n) {
				a.result.Files++
				if n.typ == disk.Regular {
					a.result.Bytes += n.size
				}
			}
		}
	}
	count(a.p.dirs)
	count(a.p.files)
	count(a.p.hard)
	count(a.p.links)
}

// lost reports whether n was built in a directory that was not published.
func (a *applying) lost(n *node) bool {
	return n.root.failed
}

// publish moves one unit into d, where Live has what u.old says.
func (a *applying) publish(d disk.Dir, u *node) error {
	name := baseOf(u.final)
	from := a.folder.dir
	if a.p.folds {
		if info, err := from.Stat(u.name); err == nil {
			a.inodes[info.Inode] = true
		}
	}
	if u.old == nil {
		err := a.publishNew(from, u.name, d, name, u.typ)
		if errors.Is(err, fs.ErrExist) {
			err = a.publishOver(from, u, d, name)
		}
		if errors.Is(err, syscall.EXDEV) {
			err = a.publishAcross(from, u, d, name)
		}
		if err == nil && u.typ == disk.Directory && a.late(u) {
			err = a.setMeta(d, u, name, 0o700)
		}
		return err
	}
	if err := check(d, u.old, name); err != nil {
		return err
	}
	if u.old.typ == disk.Directory || u.typ == disk.Directory {
		return a.publishInstead(from, u, d, name)
	}
	err := from.Rename(u.name, d, name)
	if errors.Is(err, syscall.EXDEV) {
		err = a.publishAcross(from, u, d, name)
	}
	return err
}

// publishInstead puts u where a directory gives way to something else, or something else to a directory: no rename
// replaces one by the other. Where the system exchanges two names, the name always means something; elsewhere there
// is a moment when it means nothing, and the safety snapshot has what was there.
func (a *applying) publishInstead(from disk.Dir, u *node, d disk.Dir, name string) error {
	err := a.exchange(from, u, d, name)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EXDEV) || errors.Is(err, fs.ErrPermission) {
		if u.old.typ == disk.Directory {
			err = a.clearAway(d, u, name)
		} else {
			err = d.Remove(name)
		}
		if err == nil {
			err = a.publishNew(from, u.name, d, name, u.typ)
		}
		if errors.Is(err, syscall.EXDEV) {
			err = a.publishAcross(from, u, d, name)
		}
	}
	if err == nil && u.typ == disk.Directory && a.late(u) {
		err = a.setMeta(d, u, name, 0o700)
	}
	return err
}

// exchange swaps u with what stands at its name, which goes with the staging folder. What somebody brought there
// meanwhile swaps back.
func (a *applying) exchange(from disk.Dir, u *node, d disk.Dir, name string) error {
	if u.old.typ == disk.Directory {
		if err := allKnown(d, name, u.path, u.cleared()); err != nil {
			return err
		}
		a.live.forget() // some systems do not move what is open
	}
	if err := disk.Exchange(from, u.name, d, name); err != nil {
		return err
	}
	err := check(from, u.old, u.name)
	if err == nil && u.old.typ == disk.Directory {
		err = allKnown(from, u.name, u.path, u.cleared())
	}
	if err != nil {
		return errors.Join(err, disk.Exchange(from, u.name, d, name))
	}
	a.result.Removed += int64(len(u.clear))
	return nil
}

// cleared returns what is known to be in the directory that u replaces, by path.
func (u *node) cleared() map[string]*node {
	known := make(map[string]*node, len(u.clear))
	for _, n := range u.clear {
		known[n.path] = n
	}
	return known
}

// publishNew moves a name to a free one. Where the file system cannot do that in one step, it looks first.
func (a *applying) publishNew(from disk.Dir, name string, to disk.Dir, newName string, t disk.Type) error {
	err := from.Publish(name, to, newName)
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EXDEV) {
		return err
	}
	if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	if _, serr := to.Stat(newName); serr == nil {
		return &fs.PathError{Op: "publish", Path: newName, Err: fs.ErrExist}
	} else if !errors.Is(serr, fs.ErrNotExist) {
		return err
	}
	return from.Rename(name, to, newName)
}

// publishOver deals with a name that is taken although Live has nothing there: a directory takes in what a directory
// brings; another spelling of a name that is to be removed is replaced; anything else stays.
func (a *applying) publishOver(from disk.Dir, u *node, to disk.Dir, name string) error {
	info, err := to.Stat(name)
	if err != nil {
		return err
	}
	spelt := name
	if a.p.folds {
		spelt = a.p.owner(to, name)
	}
	switch {
	case info.Type == disk.Directory && u.typ == disk.Directory:
		if err := a.merge(from, u.name, to, name, u.path); err != nil {
			return err
		}
		if a.p.folds {
			a.inodes[info.Inode] = true
		}
		if spelt != name {
			return to.Rename(spelt, to, name)
		}
		return nil
	case spelt != name && info.Type != disk.Directory && u.typ != disk.Directory:
		old := a.goneAs(join(parentOf(u.path), spelt))
		if old != nil && old.is(&info) {
			a.replaced[old.path] = true
			return from.Rename(u.name, to, name)
		}
	}
	return fmt.Errorf("%s: %w", u.path, ErrUnknown)
}

// goneAs finds a path among what is to be removed.
func (a *applying) goneAs(path string) *node {
	for _, n := range a.p.gone {
		if n.path == path {
			return n
		}
	}
	return nil
}

// merge moves what is in a built directory into one that is there, which no tree knows. What is there already stays.
func (a *applying) merge(from disk.Dir, name string, to disk.Dir, newName, path string) error {
	src, err := from.OpenDir(name)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := to.OpenDir(newName)
	if err != nil {
		return err
	}
	defer dst.Close()
	a.merged = append(a.merged, a.p.built[path])
	entries, err := src.List(nil)
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		a.inodes[e.Inode] = a.p.folds
		below := join(path, e.Name)
		err := a.publishNew(src, e.Name, dst, e.Name, e.Type)
		if errors.Is(err, fs.ErrExist) {
			err = a.mergeTaken(src, e, dst, below)
		}
		if err != nil {
			a.failed(below, err)
		}
	}
	return nil
}

func (a *applying) mergeTaken(src disk.Dir, e *disk.Entry, dst disk.Dir, path string) error {
	info, err := dst.Stat(e.Name)
	switch {
	case err != nil:
		return err
	case info.Type == disk.Directory && e.Type == disk.Directory:
		a.inodes[info.Inode] = a.p.folds
		return a.merge(src, e.Name, dst, e.Name, path)
	case a.p.folds && info.Type == e.Type:
		spelt := join(parentOf(path), a.p.owner(dst, e.Name))
		if i := slices.IndexFunc(a.p.gone, func(n *node) bool { return strings.EqualFold(n.path, spelt) }); i >= 0 && a.p.gone[i].is(&info) {
			a.replaced[a.p.gone[i].path] = true
			return src.Rename(e.Name, dst, e.Name)
		}
	}
	return fmt.Errorf("%s: %w", path, ErrUnknown)
}

// publishAcross brings a unit to another file system: copied next to its name, then moved.
func (a *applying) publishAcross(from disk.Dir, u *node, d disk.Dir, name string) error {
	temp := beside + a.folder.id + "-" + u.name
	err := error(nil)
	switch u.typ {
	case disk.Regular:
		err = a.copy(from, u.name, d, temp, u)
	case disk.Symlink:
		if err = d.Symlink(u.target, temp); err == nil {
			err = a.setMeta(d, u, temp, 0)
		}
	default:
		err = a.copyDir(from, u.name, d, temp)
	}
	if err == nil {
		if u.old == nil || u.old.typ == disk.Directory || u.typ == disk.Directory {
			err = a.publishNew(d, temp, d, name, u.typ)
		} else {
			err = d.Rename(temp, d, name)
		}
	}
	if err != nil {
		_ = disk.RemoveAll(d, temp) // the first error is the one to tell
	}
	return err
}

// copyDir copies a built directory with all in it, and syncs it. Hard links become files of their own.
func (a *applying) copyDir(from disk.Dir, name string, to disk.Dir, newName string) error {
	src, err := from.OpenDir(name)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := to.Mkdir(newName, 0o700); err != nil {
		return err
	}
	dst, err := to.OpenDir(newName)
	if err != nil {
		return err
	}
	defer dst.Close()
	entries, err := src.List(nil)
	for i := range entries {
		if err == nil {
			err = a.copyEntry(src, &entries[i], dst)
		}
	}
	if err == nil {
		err = dst.Sync()
	}
	if err != nil {
		return err
	}
	n, err := nodeOf(from, name)
	if err != nil {
		return err
	}
	return a.setMeta(to, n, newName, 0o700)
}

func (a *applying) copyEntry(src disk.Dir, e *disk.Entry, dst disk.Dir) error {
	if e.Type == disk.Directory {
		return a.copyDir(src, e.Name, dst, e.Name)
	}
	n, err := nodeOf(src, e.Name)
	if err != nil {
		return err
	}
	if e.Type == disk.Regular {
		return a.copy(src, e.Name, dst, e.Name, n)
	}
	if n.target, err = src.Readlink(e.Name); err == nil {
		err = dst.Symlink(n.target, e.Name)
	}
	if err != nil {
		return err
	}
	return a.setMeta(dst, n, e.Name, 0)
}

// nodeOf reads back the metadata of what was built.
func nodeOf(d disk.Dir, name string) (*node, error) {
	info, err := d.Stat(name)
	if err != nil {
		return nil, err
	}
	xattrs, err := d.Xattrs(name)
	if err != nil {
		return nil, err
	}
	return &node{path: name, typ: info.Type, mode: info.Mode, uid: info.UID, gid: info.GID, attrs: info.Attrs,
		mtime: info.Mtime, size: info.Size, xattrs: xattrs}, nil
}

// clearAway removes a directory of Live that gives way to something else. It begins only if everything in it is known.
func (a *applying) clearAway(d disk.Dir, u *node, name string) error {
	if err := allKnown(d, name, u.path, u.cleared()); err != nil {
		return err
	}
	for _, n := range slices.Backward(u.clear) {
		if err := within(a.live, parentOf(n.path), func(d disk.Dir) error { return d.Remove(baseOf(n.path)) }); err != nil {
			return err
		}
		a.result.Removed++
	}
	a.live.forget()
	return d.Remove(name)
}

func allKnown(d disk.Dir, name, path string, known map[string]*node) error {
	in, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	defer in.Close()
	entries, err := in.List(nil)
	for i := range entries {
		e := &entries[i]
		below := join(path, e.Name)
		n := known[below]
		switch {
		case n == nil:
			return fmt.Errorf("%s: %w", below, ErrUnknown)
		case !n.is(&e.Info):
			return fmt.Errorf("%s: %w", below, ErrChanged)
		case e.Type == disk.Directory:
			if err := allKnown(in, e.Name, below, known); err != nil {
				return err
			}
		}
	}
	return err
}

// removeAll removes what Root does not have, from the leaves.
//
// On a target that folds names, what is to be removed may be where something could not be put: then nothing is removed.
func (a *applying) removeAll() {
	if a.p.folds && len(a.result.Errors) > 0 && len(a.p.gone) > 0 {
		a.warn(a.p.gone[0].path, fmt.Errorf("nothing removed: %w", ErrConflict))
		return
	}
	for _, n := range slices.Backward(a.p.gone) {
		if a.replaced[n.path] {
			continue
		}
		dir := parentOf(n.path)
		err := within(a.live, dir, func(d disk.Dir) error { return a.remove(d, n) })
		switch {
		case err == nil:
			a.touched[dir] = true
			a.result.Removed++
		case errors.Is(err, errKept):
		case n.typ == disk.Directory && notEmpty(err):
			a.result.Kept = append(a.result.Kept, n.path)
		case !errors.Is(err, fs.ErrNotExist):
			a.failed(n.path, err)
		}
	}
	slices.Sort(a.result.Kept)
}

// errKept says that a name means something that was just published.
var errKept = errors.New("published under another spelling")

func (a *applying) remove(d disk.Dir, n *node) error {
	name := baseOf(n.path)
	info, err := d.Stat(name)
	if err != nil {
		return err
	}
	if a.p.folds && (a.inodes[info.Inode] || info.Inode == 0 && len(a.inodes) > 0) {
		return errKept
	}
	if !n.is(&info) {
		return fmt.Errorf("%s: %w", n.path, ErrChanged)
	}
	if n.typ == disk.Directory {
		a.live.forget() // some systems do not remove what is open
	}
	return d.Remove(name)
}

func notEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist)
}

// setAllMeta sets what only differs in metadata, and the times of directories in which names have changed.
func (a *applying) setAllMeta(ctx context.Context) {
	done := map[string]bool{}
	for _, n := range slices.Backward(a.p.meta) {
		err := within(a.live, parentOf(n.path), func(d disk.Dir) error { return a.changeMeta(d, n) })
		if err != nil {
			a.failed(n.path, err)
			continue
		}
		a.result.Meta++
		done[n.path] = true
	}
	for _, n := range slices.Backward(a.merged) {
		dest := n.dest()
		if err := within(a.live, parentOf(dest), func(d disk.Dir) error { return a.setMeta(d, n, baseOf(dest), ^uint32(0)) }); err != nil {
			a.failed(n.path, err)
		}
	}
	for dir := range a.touched {
		if dir == "" || done[dir] || !a.p.scope.holds(dir) {
			continue
		}
		e, err := tree.Find(ctx, a.p.get, a.opt.Root, dir)
		if err == nil && e.Type == disk.Directory {
			err = within(a.live, parentOf(dir), func(d disk.Dir) error {
				return d.SetMeta(baseOf(dir), disk.Change{Mtime: &e.Mtime})
			})
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.failed(dir, err)
		}
	}
}

func (a *applying) changeMeta(d disk.Dir, n *node) error {
	name := baseOf(n.path)
	if err := check(d, n.old, name); err != nil {
		// Of a file with several names the first one has set the times of all.
		if n.old.group == 0 || check(d, n, name) != nil {
			return err
		}
	}
	for _, x := range n.old.xattrs {
		if !slices.ContainsFunc(n.xattrs, func(y disk.Xattr) bool { return x.Name == y.Name }) && (a.opt.Owner || !privileged(x.Name)) {
			if err := d.RemoveXattr(name, x.Name); err != nil {
				return err
			}
		}
	}
	return a.setMeta(d, n, name, ^uint32(0))
}

// copyContent copies all that in has left.
func copyContent(out io.Writer, in io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, 1<<20))
}
