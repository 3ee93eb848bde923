package disk

import "errors"

type faultyDir struct {
	faulty *Faulty
	dir    Dir
	path   string
}

func (d *faultyDir) join(name string) string {
	switch {
	case name == ".":
		return d.path
	case d.path == ".":
		return name
	}
	return d.path + "/" + name
}

func (d *faultyDir) do(k OpKind, name string, whole func() error) error {
	return d.faulty.do(Op{Kind: k, Path: d.join(name)}, whole, nil)
}

// two is an operation on two names; the directory passed on is the wrapped one.
func (d *faultyDir) two(k OpKind, name string, to Dir, newName string, whole func(to Dir) error) error {
	o := Op{Kind: k, Path: d.join(name), To: newName}
	if t, ok := to.(*faultyDir); ok {
		o.To = t.join(newName)
		to = t.dir
	}
	return d.faulty.do(o, func() error { return whole(to) }, nil)
}

func (d *faultyDir) List(into []Entry) ([]Entry, error) {
	out := into
	err := d.do(OpList, ".", func() (err error) { out, err = d.dir.List(into); return err })
	if err != nil {
		return into, err
	}
	return out, nil
}

func (d *faultyDir) Stat(name string) (Info, error) {
	var i Info
	err := d.do(OpStat, name, func() (err error) { i, err = d.dir.Stat(name); return err })
	if err != nil {
		return Info{}, err
	}
	return i, nil
}

// file wraps a handle that open gives; one whose opening is then failed is closed.
func (d *faultyDir) file(k OpKind, name string, open func() (File, error)) (File, error) {
	var f File
	err := d.do(k, name, func() (err error) { f, err = open(); return err })
	if err != nil {
		if f != nil {
			err = faultyJoin(err, f.Close())
		}
		return nil, err
	}
	return &faultyFile{faulty: d.faulty, file: f, path: d.join(name)}, nil
}

func (d *faultyDir) Open(name string) (File, error) {
	return d.file(OpOpen, name, func() (File, error) { return d.dir.Open(name) })
}

func (d *faultyDir) Create(name string, mode uint32) (File, error) {
	return d.file(OpCreate, name, func() (File, error) { return d.dir.Create(name, mode) })
}

func (d *faultyDir) OpenWrite(name string) (File, error) {
	return d.file(OpOpenWrite, name, func() (File, error) { return d.dir.OpenWrite(name) })
}

func (d *faultyDir) OpenDir(name string) (Dir, error) {
	var in Dir
	err := d.do(OpOpenDir, name, func() (err error) { in, err = d.dir.OpenDir(name); return err })
	if err != nil {
		if in != nil {
			err = faultyJoin(err, in.Close())
		}
		return nil, err
	}
	return &faultyDir{d.faulty, in, d.join(name)}, nil
}

func (d *faultyDir) Readlink(name string) (string, error) {
	var target string
	err := d.do(OpReadlink, name, func() (err error) { target, err = d.dir.Readlink(name); return err })
	if err != nil {
		return "", err
	}
	return target, nil
}

func (d *faultyDir) Xattrs(name string) ([]Xattr, error) {
	var x []Xattr
	err := d.do(OpXattrs, name, func() (err error) { x, err = d.dir.Xattrs(name); return err })
	if err != nil {
		return nil, err
	}
	return x, nil
}

func (d *faultyDir) Mkdir(name string, mode uint32) error {
	return d.do(OpMkdir, name, func() error { return d.dir.Mkdir(name, mode) })
}

func (d *faultyDir) Symlink(target, name string) error {
	return d.do(OpSymlink, name, func() error { return d.dir.Symlink(target, name) })
}

func (d *faultyDir) Link(name string, to Dir, newName string) error {
	return d.two(OpLink, name, to, newName, func(to Dir) error { return d.dir.Link(name, to, newName) })
}

func (d *faultyDir) Rename(name string, to Dir, newName string) error {
	return d.two(OpRename, name, to, newName, func(to Dir) error { return d.dir.Rename(name, to, newName) })
}

func (d *faultyDir) Publish(name string, to Dir, newName string) error {
	return d.two(OpPublish, name, to, newName, func(to Dir) error { return d.dir.Publish(name, to, newName) })
}

// Exchange implements [Exchanger] where the wrapped Dir does.
func (d *faultyDir) Exchange(name string, to Dir, newName string) error {
	return d.two(OpExchange, name, to, newName, func(to Dir) error { return Exchange(d.dir, name, to, newName) })
}

func (d *faultyDir) Remove(name string) error {
	return d.do(OpRemove, name, func() error { return d.dir.Remove(name) })
}

func (d *faultyDir) SetMeta(name string, c Change) error {
	return d.do(OpSetMeta, name, func() error { return d.dir.SetMeta(name, c) })
}

func (d *faultyDir) SetXattr(name string, x Xattr) error {
	return d.do(OpSetXattr, name, func() error { return d.dir.SetXattr(name, x) })
}

func (d *faultyDir) RemoveXattr(name, attr string) error {
	return d.do(OpRemoveXattr, name, func() error { return d.dir.RemoveXattr(name, attr) })
}

func (d *faultyDir) Sync() error { return d.do(OpSync, ".", d.dir.Sync) }

func (d *faultyDir) Close() error {
	closed := false
	var closing error
	err := d.do(OpCloseDir, ".", func() error { closed = true; return d.dir.Close() })
	if !closed {
		closing = d.dir.Close()
	}
	return faultyJoin(err, closing)
}

// faultyJoin keeps err as it is where nothing is to be added.
func faultyJoin(err, other error) error {
	if other == nil {
		return err
	}
	return errors.Join(err, other)
}

func (d *faultyDir) SyncAll() error {
	return d.do(OpSyncAll, ".", func() error {
		if f, ok := d.dir.(Flusher); ok {
			return f.SyncAll()
		}
		return Op{Kind: OpSyncAll, Path: d.path}.wrap(errors.ErrUnsupported)
	})
}

func (d *faultyDir) CreateWhole(name string, mode uint32, content []byte) error {
	o := Op{Kind: OpCreateWhole, Path: d.join(name), Len: int64(len(content))}
	return d.faulty.do(o,
		func() error {
			if s, ok := d.dir.(Streamer); ok {
				return s.CreateWhole(name, mode, content)
			}
			return faultyCreate(d.dir, name, mode, content)
		},
		func() error { return faultyPart(d.dir, name, mode, content[:len(content)/2]) })
}

// faultyPart leaves a file cut short and not synced.
func faultyPart(d Dir, name string, mode uint32, content []byte) error {
	f, err := d.Create(name, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return faultyJoin(err, f.Close())
}

func faultyCreate(d Dir, name string, mode uint32, content []byte) error {
	f, err := d.Create(name, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = faultyJoin(err, f.Close()); err != nil {
		return faultyJoin(err, d.Remove(name))
	}
	return nil
}

func (d *faultyDir) Free() (int64, error) {
	var n int64
	err := d.do(OpFree, ".", func() (err error) {
		s, ok := d.dir.(Space)
		if !ok {
			return Op{Kind: OpFree, Path: d.path}.wrap(errors.ErrUnsupported)
		}
		n, err = s.Free()
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (d *faultyDir) FileSystem() (string, error) {
	var name string
	err := d.do(OpFileSystem, ".", func() (err error) {
		k, ok := d.dir.(Kind)
		if !ok {
			return Op{Kind: OpFileSystem, Path: d.path}.wrap(errors.ErrUnsupported)
		}
		name, err = k.FileSystem()
		return err
	})
	if err != nil {
		return "", err
	}
	return name, nil
}
