package varve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/BurntSushi/toml"

	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/scan"
	"varve/internal/scan/ignore"
	"varve/store"
)

// Project is a folder under care.
type Project struct {
	v    *Vault
	dir  disk.Dir
	path string // where it is, for people
	id   object.SID
	kept bool // .varve/project.toml is there
}

// ErrNoProject says that a folder was never kept.
var ErrNoProject = errors.New("the folder is not a project yet")

// projectFile is .varve/project.toml: who the folder is, however it is renamed or moved.
type projectFile struct {
	ID string `toml:"id"`
}

const (
	dotDir      = ".varve"
	projectName = "project.toml"
	maxProject  = 64 << 10
)

// ReadProjectID returns the id that a folder says it has; ErrNoProject where it says none.
func ReadProjectID(d disk.Dir) (string, error) {
	dot, err := d.OpenDir(dotDir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNoProject
	}
	if err != nil {
		return "", err
	}
	defer dot.Close()
	b, err := disk.ReadFile(dot, projectName, maxProject)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNoProject
	}
	if err != nil {
		return "", err
	}
	var f projectFile
	if _, err := toml.Decode(string(b), &f); err != nil {
		return "", fmt.Errorf("%s/%s: %w", dotDir, projectName, err)
	}
	if _, err := object.ParseSID(f.ID); err != nil {
		return "", fmt.Errorf("%s/%s: %w", dotDir, projectName, err)
	}
	return f.ID, nil
}

// Project opens the folder d as a project. path says where it is. A folder that was never kept gets an id
// with its first snapshot.
func (v *Vault) Project(d disk.Dir, path string) (*Project, error) {
	p := &Project{v: v, dir: d, path: path}
	id, err := ReadProjectID(d)
	switch {
	case errors.Is(err, ErrNoProject):
		// Who deleted the mark did not mean to part the folder from its history.
		if p.id, err = v.projectAt(path); errors.Is(err, ErrNoProject) {
			_, err = io.ReadFull(v.opt.Rand, p.id[:])
		}
		return p, err
	case err != nil:
		return nil, err
	}
	p.kept = true
	p.id, err = object.ParseSID(id)
	return p, err
}

// projectAt returns the project that was kept last in this place of this machine.
func (v *Vault) projectAt(path string) (object.SID, error) {
	var last *Snapshot
	for _, s := range v.history.Snapshots("") {
		if path != "" && s.Path == path && s.Host == v.opt.Host && (last == nil || s.Time.After(last.Time)) {
			last = s
		}
	}
	if last == nil {
		return object.SID{}, ErrNoProject
	}
	return object.ParseSID(last.Project)
}

// ProjectByID opens a project without its folder: to look at and to restore to another place.
func (v *Vault) ProjectByID(id string) (*Project, error) {
	sid, err := object.ParseSID(id)
	if err != nil {
		return nil, err
	}
	return &Project{v: v, id: sid, kept: true}, nil
}

// ID returns the project's id: 32 hex digits.
func (p *Project) ID() string { return p.id.String() }

// Path returns where the project's folder is, as given.
func (p *Project) Path() string { return p.path }

// Name returns the last element of the path.
func (p *Project) Name() string {
	if p.path == "" {
		if s := p.v.history.Latest(p.ID()); s != nil {
			return s.Name
		}
	}
	return path.Base(p.path)
}

// adopt writes the project's id into its folder. With the first snapshot it also syncs one that is there:
// who wrote it may not have come to that.
func (p *Project) adopt(first bool) error {
	if p.kept && !first {
		return nil
	}
	dot, err := disk.MkdirAll(p.dir, dotDir, 0o755)
	if err != nil {
		return err
	}
	defer dot.Close()
	if p.kept {
		return errors.Join(dot.Sync(), p.dir.Sync())
	}
	text := "# This folder is kept by varve. The id ties it to its history, wherever it is moved.\nid = \"" + p.ID() + "\"\n"
	if err := publishWhole(dot, projectName, projectName+"."+p.ID(), []byte(text)); err != nil {
		return fmt.Errorf("mark the project: %w", err)
	}
	p.kept = true
	return p.dir.Sync()
}

// publishWhole writes a file that must not be there yet: an id that another process gave stands.
func publishWhole(d disk.Dir, name, temp string, content []byte) error {
	if err := disk.CreateWhole(d, temp, 0o644, content); err != nil {
		return err
	}
	err := d.Publish(temp, d, name)
	if errors.Is(err, errors.ErrUnsupported) { // a file system without hard links
		err = d.Rename(temp, d, name)
	}
	if err != nil {
		_ = d.Remove(temp) // the first error is the one to tell
		return err
	}
	return d.Sync()
}

// cacheName is the stat cache's name in Options.Cache.
func (p *Project) cacheName() string {
	return "files-" + p.v.ID()[:16] + "-" + p.ID()
}

// openCache returns the stat cache, if it is of the state that the snapshot has. whole says that everything
// that the vault had when the cache was made is still there.
func (p *Project) openCache(ctx context.Context, latest *Snapshot) (c *scan.Cache, whole bool, release func()) {
	none := func() {}
	if p.v.opt.Cache == nil || latest == nil {
		return nil, false, none
	}
	usable, err := p.v.db.Usable(ctx)
	if err != nil {
		return nil, false, none // whoever needs the index will say so
	}
	b, unmap, err := disk.Map(p.v.opt.Cache, p.cacheName())
	if err != nil {
		return nil, false, none
	}
	c, err = scan.OpenCache(b)
	if err != nil || c.Key != p.cacheKey() || c.Root() == nil || c.Root().Digest != latest.Root {
		unmap()
		return nil, false, none
	}
	whole = true
	for id := range c.Packs() {
		whole = whole && usable(id)
	}
	return c, whole, func() { unmap() }
}

func (p *Project) cacheKey() scan.CacheKey {
	return scan.CacheKey{Vault: p.v.db.Vault(), Project: p.id}
}

// saveCache keeps a stat cache. That it cannot costs time, not data.
func (p *Project) saveCache(b []byte) {
	if p.v.opt.Cache == nil {
		return
	}
	if err := disk.WriteWhole(p.v.opt.Cache, p.cacheName(), 0o600, b); err != nil && p.v.opt.Warn != nil {
		p.v.opt.Warn("stat cache", err)
	}
}

// IgnoreSettings say which rules leave files out of snapshots.
type IgnoreSettings struct {
	Presets   []string // kinds of projects; nil: those that the folder looks like; empty: none
	GitIgnore bool     // also obey .gitignore files
	Extra     []string // further patterns, as in a .varveignore of the project's folder
}

// rules returns the rules of the project's folder, the names of its ignore files, and the presets in use.
func (p *Project) rules(s IgnoreSettings) ([][]*ignore.Rule, []string, []string, error) {
	names, err := p.dir.List(nil)
	if err != nil {
		return nil, nil, nil, err
	}
	presets := s.Presets
	if presets == nil {
		list := make([]string, 0, len(names))
		for i := range names {
			list = append(list, names[i].Name)
		}
		presets = ignore.Detect(list)
	}
	var base [][]*ignore.Rule
	for _, name := range presets {
		r, ok := ignore.Preset(name)
		if !ok {
			return nil, nil, nil, fmt.Errorf("no preset %q: there are %s", name, strings.Join(ignore.Presets(), ", "))
		}
		base = append(base, r)
	}
	if len(s.Extra) > 0 {
		base = append(base, ignore.Parse("settings", []byte(strings.Join(s.Extra, "\n"))))
	}
	files := []string{".varveignore"}
	if s.GitIgnore {
		files = []string{".gitignore", ".varveignore"}
	}
	return base, files, presets, nil
}

// skip leaves the vault's own folder out of a snapshot of a folder that holds it.
func (p *Project) skip(i disk.Info) bool {
	r := p.v.root
	return r != nil && i.Type == disk.Directory && i.Inode != 0 && i.Inode == r.Inode && i.Device == r.Device
}

func (v *Vault) store() store.Store { return v.db.Store() }
