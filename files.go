package varve

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"time"

	"varve/internal/disk"
)

// KeptFile is a file to be kept that is in no project's folder.
type KeptFile struct {
	Path     string // with slashes, in the project that is made of them
	Mode     fs.FileMode
	Modified time.Time
	Content  []byte
}

// SnapFiles keeps files that lie in no one folder, as a snapshot of a project of their own: name tells it from others of
// this machine. It returns the last snapshot where that has the same files.
func (v *Vault) SnapFiles(ctx context.Context, name string, files []KeptFile, o SnapOptions) (*Project, *Snapshot, error) {
	m := disk.NewMemory(disk.MemoryOptions{})
	newest := time.Time{}
	folders := map[string]bool{}
	for _, f := range files {
		if err := putInto(m.Root(), f); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		if f.Modified.After(newest) {
			newest = f.Modified
		}
		for d := path.Dir(cleanPath(f.Path)); d != "."; d = path.Dir(d) {
			folders[d] = true
		}
	}
	for d := range folders { // the same files are the same state
		if err := setMtime(m.Root(), d, newest); err != nil {
			return nil, nil, err
		}
	}
	p, err := v.Project(m.Root(), name)
	if err != nil {
		return nil, nil, err
	}
	o.Ignore, o.IfChanged = IgnoreSettings{Presets: []string{}}, true
	s, err := p.Snap(ctx, o)
	return p, s, err
}

// ProjectNamed opens the project of SnapFiles; ErrNoProject where nothing was kept of that name.
func (v *Vault) ProjectNamed(name string) (*Project, error) {
	id, err := v.projectAt(name)
	if err != nil {
		return nil, err
	}
	return &Project{v: v, id: id, path: name, kept: true}, nil
}

func putInto(root disk.Dir, f KeptFile) error {
	at := cleanPath(f.Path)
	folder, base := path.Split(at)
	d, err := disk.MkdirAll(root, path.Clean("/" + folder)[1:], 0o755)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := disk.CreateWhole(d, base, uint32(cmp.Or(f.Mode.Perm(), 0o644)), f.Content); err != nil {
		return err
	}
	return setMtime(d, base, f.Modified)
}

func setMtime(d disk.Dir, at string, to time.Time) error {
	folder, base := path.Split(at)
	d, err := disk.Walk(d, path.Clean("/" + folder)[1:])
	if err != nil {
		return err
	}
	defer d.Close()
	mtime := to.UnixNano()
	return d.SetMeta(base, disk.Change{Mtime: &mtime})
}

// WriteFile makes content the content of a file of this machine, with the folders above it: whole or not at all, keeping
// the permissions of one that is there. A link in the file's place is replaced, not followed.
func WriteFile(at string, content []byte) error {
	d, err := disk.Create(filepath.Dir(at))
	if err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	defer d.Close()
	write := func(w io.Writer) error { _, err := w.Write(content); return err }
	if err := disk.Replace(d, filepath.Base(at), 0o644, write, func() error { return nil }); err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	return nil
}
