package disk

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
)

// memDir is an open directory. Its fields but closed never change; closed is under the lock of memory.
type memDir struct {
	memory *Memory
	node   *memNode
	path   string
	closed bool
}

func (d *memDir) lock() func() {
	d.memory.mu.Lock()
	return d.memory.mu.Unlock
}

func (d *memDir) join(name string) string {
	if d.path == "." {
		return name
	}
	return d.path + "/" + name
}

func (d *memDir) fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: d.join(name), Err: err}
}

// find is the inode called name, or d itself as ".".
func (d *memDir) find(op, name string) (*memNode, error) {
	if d.closed {
		return nil, d.fail(op, name, fs.ErrClosed)
	}
	if name == "." {
		return d.node, nil
	}
	return d.entry(op, name)
}

func (d *memDir) entry(op, name string) (*memNode, error) {
	if d.closed {
		return nil, d.fail(op, name, fs.ErrClosed)
	}
	if err := d.memory.checkName(name); err != nil {
		return nil, d.fail(op, name, err)
	}
	n := d.node.child(d.memory.key(name))
	if n == nil {
		return nil, d.fail(op, name, fs.ErrNotExist)
	}
	return n, nil
}

// vacant reports whether a new entry can be called name.
func (d *memDir) vacant(name string) error {
	if d.closed {
		return fs.ErrClosed
	}
	if err := d.memory.checkName(name); err != nil {
		return err
	}
	if d.node.removed {
		return fs.ErrNotExist
	}
	if d.node.child(d.memory.key(name)) != nil {
		return fs.ErrExist
	}
	return nil
}

func (d *memDir) List(into []Entry) ([]Entry, error) {
	defer d.lock()()
	if d.closed {
		return into, d.fail("list", ".", fs.ErrClosed)
	}
	from := len(into)
	for _, l := range d.node.entries {
		into = append(into, Entry{l.name, l.node.info()})
	}
	slices.SortFunc(into[from:], func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return into, nil
}

func (d *memDir) Stat(name string) (Info, error) {
	defer d.lock()()
	n, err := d.find("stat", name)
	if err != nil {
		return Info{}, err
	}
	return n.info(), nil
}

func (d *memDir) Open(name string) (File, error)      { return d.open("open", name, false) }
func (d *memDir) OpenWrite(name string) (File, error) { return d.open("openwrite", name, true) }

func (d *memDir) open(op, name string, write bool) (File, error) {
	defer d.lock()()
	n, err := d.entry(op, name)
	if err != nil {
		return nil, err
	}
	switch n.kind {
	case Regular:
		return d.handle(n, name, write), nil
	case Directory:
		return nil, d.fail(op, name, syscall.EISDIR)
	case Symlink:
		return nil, d.fail(op, name, syscall.ELOOP)
	}
	return nil, d.fail(op, name, fs.ErrInvalid)
}

func (d *memDir) handle(n *memNode, name string, write bool) *memFile {
	n.handles++
	return &memFile{memory: d.memory, node: n, path: d.join(name), write: write}
}

func (d *memDir) OpenDir(name string) (Dir, error) {
	defer d.lock()()
	n, err := d.entry("opendir", name)
	if err != nil {
		return nil, err
	}
	if n.kind != Directory {
		return nil, d.fail("opendir", name, syscall.ENOTDIR)
	}
	return &memDir{memory: d.memory, node: n, path: d.join(name)}, nil
}

func (d *memDir) Readlink(name string) (string, error) {
	defer d.lock()()
	n, err := d.entry("readlink", name)
	if err != nil {
		return "", err
	}
	if n.kind != Symlink {
		return "", d.fail("readlink", name, fs.ErrInvalid)
	}
	return n.target, nil
}

func (d *memDir) Create(name string, mode uint32) (File, error) {
	defer d.lock()()
	f, err := d.create(name, mode)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *memDir) create(name string, mode uint32) (*memFile, error) {
	if err := d.vacant(name); err != nil {
		return nil, d.fail("create", name, err)
	}
	n := d.memory.newNode(Regular, mode)
	d.memory.add(d.node, name, n)
	return d.handle(n, name, true), nil
}

func (d *memDir) Mkdir(name string, mode uint32) error {
	defer d.lock()()
	if err := d.vacant(name); err != nil {
		return d.fail("mkdir", name, err)
	}
	d.memory.add(d.node, name, d.memory.newNode(Directory, mode))
	return nil
}

func (d *memDir) Symlink(target, name string) error {
	defer d.lock()()
	err := d.vacant(name)
	switch {
	case err != nil:
	case target == "":
		err = fs.ErrNotExist
	case strings.IndexByte(target, 0) >= 0:
		err = fs.ErrInvalid
	case len(target) >= 4096:
		err = syscall.ENAMETOOLONG
	}
	if err != nil {
		return d.fail("symlink", name, err)
	}
	n := d.memory.newNode(Symlink, 0o777)
	n.target = target
	d.memory.add(d.node, name, n)
	return nil
}

func (d *memDir) Remove(name string) error {
	defer d.lock()()
	n, err := d.entry("remove", name)
	if err != nil {
		return err
	}
	if n.kind == Directory && len(n.entries) > 0 {
		return d.fail("remove", name, syscall.ENOTEMPTY)
	}
	d.unlink(name, n)
	return nil
}

func (d *memDir) unlink(name string, n *memNode) {
	m := d.memory
	m.apply(n, false, memPart{dir: d.node, key: m.key(name)})
	m.drop(n)
}

func (d *memDir) linkFail(op, name string, to Dir, newName string, err error) error {
	target := newName
	if t, ok := to.(*memDir); ok {
		target = t.join(newName)
	}
	return &os.LinkError{Op: op, Old: d.join(name), New: target, Err: err}
}

// pair finds what is to be linked or moved, and checks the directory it goes to.
func (d *memDir) pair(name string, to Dir, newName string) (*memNode, *memDir, error) {
	t, ok := to.(*memDir)
	if !ok || t.memory != d.memory {
		return nil, nil, syscall.EXDEV
	}
	if d.closed || t.closed {
		return nil, nil, fs.ErrClosed
	}
	if err := d.memory.checkName(name); err != nil {
		return nil, nil, err
	}
	if err := d.memory.checkName(newName); err != nil {
		return nil, nil, err
	}
	n := d.node.child(d.memory.key(name))
	if n == nil || t.node.removed {
		return nil, nil, fs.ErrNotExist
	}
	return n, t, nil
}

func (d *memDir) Link(name string, to Dir, newName string) error {
	defer d.lock()()
	n, t, err := d.pair(name, to, newName)
	if err == nil {
		err = t.link(n, newName)
	}
	if err != nil {
		return d.linkFail("link", name, to, newName, err)
	}
	return nil
}

func (d *memDir) link(n *memNode, name string) error {
	m := d.memory
	if d.node.child(m.key(name)) != nil {
		return fs.ErrExist
	}
	if n.kind == Directory || m.options.NoHardLinks {
		return syscall.EPERM
	}
	m.apply(nil, false, memPart{dir: d.node, key: m.key(name), link: memLink{name, n}})
	n.names++
	m.changed(n)
	return nil
}

func (d *memDir) Rename(name string, to Dir, newName string) error {
	defer d.lock()()
	n, t, err := d.pair(name, to, newName)
	if err == nil {
		err = d.rename(n, name, t, newName)
	}
	if err != nil {
		return d.linkFail("rename", name, to, newName, err)
	}
	return nil
}

func (d *memDir) rename(n *memNode, name string, t *memDir, newName string) error {
	m := d.memory
	if n.kind == Directory && t.node.within(n) {
		return fs.ErrInvalid
	}
	old := t.node.child(m.key(newName))
	if old != nil && d.node.within(old) {
		return syscall.ENOTEMPTY
	}
	if old == n {
		if d.node != t.node || m.key(name) != m.key(newName) {
			return nil // two names of one file stay
		}
		old = nil // another spelling
	}
	if old != nil {
		switch {
		case n.kind == Directory && old.kind != Directory:
			return syscall.ENOTDIR
		case n.kind != Directory && old.kind == Directory:
			return syscall.EISDIR
		case len(old.entries) > 0:
			return syscall.ENOTEMPTY
		}
	}
	m.apply(old, d.node != t.node && n.kind != Directory,
		memPart{dir: d.node, key: m.key(name)},
		memPart{dir: t.node, key: m.key(newName), link: memLink{newName, n}})
	if n.kind == Directory {
		n.parent = t.node
	}
	m.changed(n)
	if old != nil {
		m.drop(old)
	}
	return nil
}

func (d *memDir) Publish(name string, to Dir, newName string) error {
	defer d.lock()()
	n, t, err := d.pair(name, to, newName)
	if err == nil && t.node.child(d.memory.key(newName)) != nil {
		err = fs.ErrExist
	}
	if err == nil {
		err = d.publish(n, name, t, newName)
	}
	if err != nil {
		return d.linkFail("publish", name, to, newName, err)
	}
	return nil
}

func (d *memDir) publish(n *memNode, name string, t *memDir, newName string) error {
	o := d.memory.options
	if !o.NoNoReplace {
		return d.rename(n, name, t, newName)
	}
	if n.kind == Directory || o.NoHardLinks {
		return errors.ErrUnsupported
	}
	if err := t.link(n, newName); err != nil {
		return err
	}
	d.unlink(name, n)
	return nil
}

// Exchange implements [Exchanger].
func (d *memDir) Exchange(name string, to Dir, newName string) error {
	defer d.lock()()
	n, t, err := d.pair(name, to, newName)
	if err == nil {
		err = d.exchange(n, name, t, newName)
	}
	if err != nil {
		return d.linkFail("exchange", name, to, newName, err)
	}
	return nil
}

func (d *memDir) exchange(n *memNode, name string, t *memDir, newName string) error {
	m := d.memory
	old := t.node.child(m.key(newName))
	switch {
	case m.options.NoNoReplace:
		return errors.ErrUnsupported
	case old == nil:
		return fs.ErrNotExist
	case t.node.within(n) || d.node.within(old):
		return fs.ErrInvalid
	case old == n:
		return nil
	}
	m.apply(nil, false,
		memPart{dir: d.node, key: m.key(name), link: memLink{name, old}},
		memPart{dir: t.node, key: m.key(newName), link: memLink{newName, n}})
	for _, moved := range []struct{ node, into *memNode }{{old, d.node}, {n, t.node}} {
		if moved.node.kind == Directory {
			moved.node.parent = moved.into
		}
		m.changed(moved.node)
	}
	return nil
}

func (d *memDir) SetMeta(name string, c Change) error {
	defer d.lock()()
	n, err := d.find("setmeta", name)
	if err != nil {
		return err
	}
	if c.Mode != nil && n.kind == Symlink {
		return d.fail("setmeta", name, errors.ErrUnsupported)
	}
	m := d.memory
	m.changed(n)
	if c.Owner != nil {
		n.meta.uid, n.meta.gid = c.Owner.UID, c.Owner.GID
		if n.kind == Regular {
			n.meta.mode = memUntrusted(n.meta.mode)
		}
	}
	if c.Mode != nil {
		n.meta.mode = *c.Mode & 0o7777
	}
	if c.Mtime != nil {
		n.meta.mtime = m.round(*c.Mtime)
	}
	if c.Attrs != nil && m.options.WindowsNames {
		n.meta.attrs = *c.Attrs
	}
	return nil
}

// memUntrusted is the mode after a change of owner: without setuid, and without setgid where it means execution.
func memUntrusted(mode uint32) uint32 {
	mode &^= 0o4000
	if mode&0o010 != 0 {
		mode &^= 0o2000
	}
	return mode
}

func (d *memDir) Xattrs(name string) ([]Xattr, error) {
	defer d.lock()()
	n, err := d.find("xattrs", name)
	if err != nil {
		return nil, err
	}
	var out []Xattr
	for _, x := range n.meta.xattrs {
		out = append(out, Xattr{x.Name, slices.Clone(x.Value)})
	}
	return out, nil
}

func (d *memDir) SetXattr(name string, x Xattr) error {
	defer d.lock()()
	n, err := d.find("setxattr", name)
	if err != nil {
		return err
	}
	switch {
	case d.memory.options.NoXattrs:
		err = errors.ErrUnsupported
	case x.Name == "" || strings.IndexByte(x.Name, 0) >= 0 || len(x.Name) > 255:
		err = syscall.ERANGE
	case len(x.Value) > 64<<10:
		err = syscall.E2BIG
	case n.kind != Regular && n.kind != Directory && strings.HasPrefix(x.Name, "user."):
		err = fs.ErrPermission
	}
	if err != nil {
		return d.fail("setxattr", name, err)
	}
	d.memory.changed(n)
	x.Value = slices.Clone(x.Value)
	i, found := n.xattr(x.Name)
	rest := n.meta.xattrs[i:]
	if found {
		rest = rest[1:]
	}
	n.meta.xattrs = slices.Concat(n.meta.xattrs[:i], []Xattr{x}, rest)
	return nil
}

func (n *memNode) xattr(name string) (int, bool) {
	return slices.BinarySearchFunc(n.meta.xattrs, name, func(x Xattr, s string) int { return strings.Compare(x.Name, s) })
}

func (d *memDir) RemoveXattr(name, attr string) error {
	defer d.lock()()
	n, err := d.find("removexattr", name)
	if err != nil {
		return err
	}
	if i, found := n.xattr(attr); found {
		d.memory.changed(n)
		n.meta.xattrs = slices.Concat(n.meta.xattrs[:i], n.meta.xattrs[i+1:])
	}
	return nil
}

func (d *memDir) Sync() error {
	defer d.lock()()
	if d.closed {
		return d.fail("sync", ".", fs.ErrClosed)
	}
	d.memory.syncEntries(d.node)
	return nil
}

// SyncAll implements [Flusher].
func (d *memDir) SyncAll() error {
	defer d.lock()()
	if d.closed {
		return d.fail("syncall", ".", fs.ErrClosed)
	}
	d.memory.syncAll()
	return nil
}

// Close may be called again.
func (d *memDir) Close() error {
	defer d.lock()()
	d.closed = true
	return nil
}

// CreateWhole implements [Streamer]. What does not fit leaves no file.
func (d *memDir) CreateWhole(name string, mode uint32, content []byte) error {
	defer d.lock()()
	f, err := d.create(name, mode)
	if err != nil {
		return err
	}
	_, err = d.memory.writeAt(f.node, content, 0)
	f.node.handles--
	if err != nil {
		d.unlink(name, f.node)
		return d.fail("create", name, err)
	}
	f.node.synced()
	return nil
}

// Free implements [Space]; without a quota it is practically endless.
func (d *memDir) Free() (int64, error) {
	defer d.lock()()
	if d.closed {
		return 0, d.fail("free", ".", fs.ErrClosed)
	}
	if d.memory.options.Quota <= 0 {
		return math.MaxInt64 / 2, nil
	}
	return max(0, d.memory.options.Quota-d.memory.used), nil
}

// FileSystem implements [Kind].
func (d *memDir) FileSystem() (string, error) { return "memory", nil }
