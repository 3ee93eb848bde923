//go:build !linux && !darwin

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// osDir is a directory of the system, held by an os.Root, which keeps every name inside and which follows a link
// inside; so what is opened is compared with what lies under the name itself, and a difference is refused.
//
// An os.Root cannot rename to another one. Between two directories the native paths are used, after a
// check that they still lead to the directories that are open. Systems that keep a directory with
// open handles from being moved (Windows) make that check binding; elsewhere it leaves a moment in between.
type osDir struct {
	root   *os.Root
	path   string // absolute
	closed atomic.Bool
}

func openOS(path string) (Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open directory", Path: path, Err: err}
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, err
	}
	return &osDir{root: root, path: abs}, nil
}

func (d *osDir) check(op, name string) error {
	if err := CheckName(name); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

func (d *osDir) checkSelf(op, name string) error {
	if name == "." {
		return nil
	}
	return d.check(op, name)
}

// List sorts what the system lists.
func (d *osDir) List(into []Entry) ([]Entry, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return into, err
	}
	defer f.Close()
	list, err := f.ReadDir(-1)
	if err != nil {
		return into, err
	}
	into = slices.Grow(into, len(list))
	start := len(into)
	for _, e := range list {
		info, err := e.Info()
		switch {
		case err == nil:
			into = append(into, Entry{Name: e.Name(), Info: infoOf(info)})
		case !errors.Is(err, fs.ErrNotExist):
			into = append(into, Entry{Name: e.Name(), Info: Info{Type: Unknown}})
		}
	}
	slices.SortFunc(into[start:], func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return into, nil
}

// Stat does not follow.
func (d *osDir) Stat(name string) (Info, error) {
	if err := d.checkSelf("stat", name); err != nil {
		return Info{}, err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return Info{}, err
	}
	return infoOf(info), nil
}

// typeOf translates the type bits of a mode of package os.
func typeOf(mode fs.FileMode) Type {
	switch t := mode.Type(); {
	case t == 0:
		return Regular
	case t == fs.ModeDir:
		return Directory
	case t&fs.ModeSymlink != 0:
		return Symlink
	case t&fs.ModeNamedPipe != 0:
		return Pipe
	case t&fs.ModeSocket != 0:
		return Socket
	case t&fs.ModeCharDevice != 0:
		return CharDevice
	case t&fs.ModeDevice != 0:
		return BlockDevice
	}
	return Unknown
}

// posixMode gives the low twelve bits.
func posixMode(mode fs.FileMode) uint32 {
	m := uint32(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		m |= 0o4000
	}
	if mode&fs.ModeSetgid != 0 {
		m |= 0o2000
	}
	if mode&fs.ModeSticky != 0 {
		m |= 0o1000
	}
	return m
}

func osMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	if mode&0o4000 != 0 {
		m |= fs.ModeSetuid
	}
	if mode&0o2000 != 0 {
		m |= fs.ModeSetgid
	}
	if mode&0o1000 != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// same returns fs.ErrInvalid unless opened is what lies under name itself, of type want.
func (d *osDir) same(op, name string, opened fs.FileInfo, want Type) error {
	lies, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	if typeOf(lies.Mode()) != want || typeOf(opened.Mode()) != want || !os.SameFile(lies, opened) {
		return &fs.PathError{Op: op, Path: filepath.Join(d.path, name), Err: fs.ErrInvalid}
	}
	return nil
}

// OpenDir opens a child directory.
func (d *osDir) OpenDir(name string) (Dir, error) {
	if err := d.check("open directory", name); err != nil {
		return nil, err
	}
	return d.openDir(name)
}

// Reopen opens the directory once more.
func (d *osDir) Reopen() (Dir, error) { return d.openDir(".") }

func (d *osDir) openDir(name string) (Dir, error) {
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil {
		err = d.same("open directory", name, opened, Directory)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return &osDir{root: root, path: filepath.Join(d.path, name)}, nil
}

// Open opens for reading.
func (d *osDir) Open(name string) (File, error) { return d.open("open", name, os.O_RDONLY) }

// OpenWrite opens for reading and writing.
func (d *osDir) OpenWrite(name string) (File, error) { return d.open("open", name, os.O_RDWR) }

func (d *osDir) open(op, name string, flags int) (File, error) {
	if err := d.check(op, name); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, flags|openFlags, 0)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err == nil {
		err = d.same(op, name, opened, Regular)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &osFile{File: f}, nil
}

// Create makes a new file.
func (d *osDir) Create(name string, mode uint32) (File, error) {
	if err := d.check("create", name); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fs.FileMode(mode&0o777))
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

// Readlink returns the target as it is.
func (d *osDir) Readlink(name string) (string, error) {
	if err := d.check("readlink", name); err != nil {
		return "", err
	}
	return d.root.Readlink(name)
}

// Mkdir makes a directory.
func (d *osDir) Mkdir(name string, mode uint32) error {
	if err := d.check("mkdir", name); err != nil {
		return err
	}
	return d.root.Mkdir(name, fs.FileMode(mode&0o777))
}

// Symlink makes a link whose target is taken as it is.
func (d *osDir) Symlink(target, name string) error {
	if err := d.check("symlink", name); err != nil {
		return err
	}
	return d.root.Symlink(target, name)
}

// Remove removes a file, a link or an empty directory.
func (d *osDir) Remove(name string) error {
	if err := d.check("remove", name); err != nil {
		return err
	}
	return d.root.Remove(name)
}

// paths returns the native paths of a name here and one in to, if both directories are where they were opened.
func (d *osDir) paths(op, name string, to Dir, newName string) (string, string, error) {
	target, ok := to.(*osDir)
	if !ok {
		return "", "", &os.LinkError{Op: op, Old: name, New: newName, Err: errors.ErrUnsupported}
	}
	for _, end := range []struct {
		dir  *osDir
		name string
	}{{d, name}, {target, newName}} {
		if err := end.dir.check(op, end.name); err != nil {
			return "", "", err
		}
		if err := end.dir.inPlace(op); err != nil {
			return "", "", err
		}
	}
	return filepath.Join(d.path, name), filepath.Join(target.path, newName), nil
}

func (d *osDir) inPlace(op string) error {
	open, err := d.root.Stat(".")
	if err != nil {
		return err
	}
	lies, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if !os.SameFile(open, lies) {
		return &fs.PathError{Op: op, Path: d.path, Err: fs.ErrNotExist}
	}
	return nil
}

// Link makes a hard link.
func (d *osDir) Link(name string, to Dir, newName string) error {
	from, dest, err := d.paths("link", name, to, newName)
	if err != nil {
		return err
	}
	return os.Link(from, dest)
}

// Rename replaces.
func (d *osDir) Rename(name string, to Dir, newName string) error {
	from, dest, err := d.paths("rename", name, to, newName)
	if err != nil {
		return err
	}
	return os.Rename(from, dest)
}

// Publish never replaces.
func (d *osDir) Publish(name string, to Dir, newName string) error {
	from, dest, err := d.paths("publish", name, to, newName)
	if err != nil {
		return err
	}
	if err := renameExclusive(from, dest); err != nil {
		return &os.LinkError{Op: "publish", Old: from, New: dest, Err: err}
	}
	return nil
}

// SetMeta refuses a link, which an os.Root would follow. The owner is set where the system has numeric owners.
func (d *osDir) SetMeta(name string, c Change) error {
	if err := d.checkSelf("set metadata of", name); err != nil {
		return err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return err
	}
	if typeOf(info.Mode()) == Symlink {
		return &fs.PathError{Op: "set metadata of", Path: filepath.Join(d.path, name), Err: errors.ErrUnsupported}
	}
	if c.Owner != nil && hasOwners {
		if err := d.root.Lchown(name, int(c.Owner.UID), int(c.Owner.GID)); err != nil {
			return err
		}
	}
	if c.Mode != nil {
		if err := d.root.Chmod(name, osMode(*c.Mode)); err != nil {
			return err
		}
	}
	if c.Mtime != nil {
		t := time.Unix(0, *c.Mtime)
		if err := d.root.Chtimes(name, t, t); err != nil {
			return err
		}
	}
	if c.Attrs != nil {
		return d.setAttrs(name, *c.Attrs)
	}
	return nil
}

// Xattrs is empty: there is no portable way to them.
func (d *osDir) Xattrs(name string) ([]Xattr, error) {
	_, err := d.Stat(name)
	return nil, err
}

// SetXattr is errors.ErrUnsupported.
func (d *osDir) SetXattr(name string, x Xattr) error {
	if _, err := d.Stat(name); err != nil {
		return err
	}
	return &fs.PathError{Op: "set attribute " + x.Name + " of", Path: filepath.Join(d.path, name), Err: errors.ErrUnsupported}
}

// RemoveXattr has nothing to remove.
func (d *osDir) RemoveXattr(name, attr string) error {
	_, err := d.Stat(name)
	return err
}

// Close returns nil when it is called again.
func (d *osDir) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	return d.root.Close()
}

// osFile is a regular file of the system.
type osFile struct {
	*os.File
	closed atomic.Bool
}

// Stat is of the open file, wherever its name went.
func (f *osFile) Stat() (Info, error) {
	info, err := f.File.Stat()
	if err != nil {
		return Info{}, err
	}
	return infoOf(info), nil
}

// Close returns nil when it is called again.
func (f *osFile) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	return f.File.Close()
}

// Sync makes content and size durable.
func (f *osFile) Sync() error { return f.File.Sync() }
