package restore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"varve/internal/disk"
	"varve/internal/tree"
)

const (
	ownFolder   = ".varve"          // of the project
	inOwn       = "restore-"        // prefix of a staging folder there
	beside      = ".varve-restore-" // prefix of one in the target itself
	markerName  = "marker"
	markerText  = "varve restore 1\n"
	randomBytes = 8
	maxRenames  = 1000
)

// folder is a staging folder.
type folder struct {
	parent disk.Dir // to be closed, unless it is the target
	name   string
	dir    disk.Dir
	id     string // its random digits
	own    bool   // parent is not the target
}

// newFolder makes a staging folder whose marker is durable. In .varve only where that is a directory of
// the target's own file system, not a link or another file system mounted there.
func newFolder(target disk.Dir, rand io.Reader, inPlace bool) (*folder, error) {
	var random [randomBytes]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return nil, err
	}
	f := &folder{parent: target, id: hex.EncodeToString(random[:])}
	f.name = beside + f.id
	if inPlace {
		if d := openOwn(target); d != nil {
			f.parent, f.own, f.name = d, true, inOwn+f.id
		}
	}
	err := f.parent.Mkdir(f.name, 0o700)
	if err == nil {
		f.dir, err = f.parent.OpenDir(f.name)
	}
	if err == nil {
		err = disk.CreateWhole(f.dir, markerName, 0o600, []byte(markerText))
	}
	if err == nil {
		err = f.dir.Sync()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make staging folder: %w", err), f.remove())
	}
	return f, nil
}

func openOwn(target disk.Dir) disk.Dir {
	here, err := target.Stat(".")
	if err != nil {
		return nil
	}
	there, err := target.Stat(ownFolder)
	if err != nil || there.Type != disk.Directory || there.Device != here.Device {
		return nil
	}
	d, err := target.OpenDir(ownFolder)
	if err != nil {
		return nil
	}
	return d
}

// remove deletes the folder with all in it. Its marker goes last, so that what a crash leaves is known.
func (f *folder) remove() error {
	if f.dir != nil {
		f.dir.Close()
	}
	err := removeStaging(f.parent, f.name)
	if f.own {
		f.parent.Close()
	}
	return err
}

func removeStaging(parent disk.Dir, name string) error {
	d, err := parent.OpenDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := d.List(nil)
	for _, e := range entries {
		if err == nil && e.Name != markerName {
			err = disk.RemoveAll(d, e.Name)
		}
	}
	if err == nil {
		err = disk.RemoveAll(d, markerName)
	}
	d.Close()
	if err != nil {
		return err
	}
	return parent.Remove(name)
}

// sweep removes what crashed restores left in the target.
func sweep(target disk.Dir) error {
	if err := sweepIn(target, beside); err != nil {
		return err
	}
	d := openOwn(target)
	if d == nil {
		return nil
	}
	defer d.Close()
	return sweepIn(d, inOwn)
}

func sweepIn(d disk.Dir, prefix string) error {
	entries, err := d.List(nil)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name, prefix)
		if !ok || e.Type != disk.Directory || len(id) != 2*randomBytes || strings.Trim(id, "0123456789abcdef") != "" {
			continue
		}
		if !marked(d, e.Name) {
			_ = d.Remove(e.Name) // which removes an empty one only
			continue
		}
		if err := removeStaging(d, e.Name); err != nil {
			return fmt.Errorf("remove leftover: %w", err)
		}
	}
	return nil
}

func marked(d disk.Dir, name string) bool {
	in, err := d.OpenDir(name)
	if err != nil {
		return false
	}
	defer in.Close()
	text, err := disk.ReadFile(in, markerName, int64(len(markerText)))
	return err == nil && string(text) == markerText
}

// probe asks the target which names it takes for one, by making empty files in a staging folder.
func (p *Plan) probe(ctx context.Context) error {
	f, err := newFolder(p.opt.Target, p.opt.Rand, p.opt.HasLive)
	if err != nil {
		return err
	}
	err = p.probeIn(ctx, f.dir)
	return errors.Join(err, f.remove())
}

func (p *Plan) probeIn(ctx context.Context, d disk.Dir) error {
	for _, pair := range [][2]string{{"varveProbe", "VARVEPROBE"}, {"varve\u00e9", "varvee\u0301"}} {
		f, err := d.Create(pair[0], 0o600)
		if errors.Is(err, fs.ErrInvalid) {
			continue
		}
		if err != nil {
			return fmt.Errorf("probe the target: %w", err)
		}
		f.Close()
		if _, err := d.Stat(pair[1]); err == nil {
			p.folds = true
		}
	}
	if !p.folds {
		return nil
	}
	p.rename = map[string]string{}
	return p.collide(ctx, d, "", p.opt.Root)
}

// collide looks for names of one directory that are one for the target, in all directories of Root: on such
// a target, what of Root is there already may be there under another spelling.
func (p *Plan) collide(ctx context.Context, d disk.Dir, dir string, root [32]byte) error {
	likely := map[string][]string{}
	for e, err := range tree.List(ctx, p.get, root) {
		if err != nil {
			return err
		}
		path := join(dir, e.Name)
		if !p.scope.holds(path) && !p.scope.above[path] {
			continue
		}
		k := coarse(e.Name)
		likely[k] = append(likely[k], e.Name)
		if e.Type == disk.Directory {
			if err := p.collide(ctx, d, path, e.Dir); err != nil {
				return err
			}
		}
	}
	for _, names := range likely {
		if len(names) > 1 {
			if err := p.tryNames(d, dir, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// coarse maps names that a file system may take for one to one string, and many others too.
func coarse(name string) string {
	ascii := strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 }) < 0
	if ascii {
		return strings.ToLower(name)
	}
	// Letters may be composed or folded into others: only what is no letter counts.
	return "\x00" + strings.Map(func(r rune) rune {
		if r >= 0x80 || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return -1
		}
		return r
	}, name)
}

// tryNames makes a file of each name in an empty directory. Who finds its name taken collides.
func (p *Plan) tryNames(d disk.Dir, dir string, names []string) error {
	if err := d.Mkdir("names", 0o700); err != nil {
		return err
	}
	in, err := d.OpenDir("names")
	if err != nil {
		return err
	}
	slices.Sort(names)
	for i := 0; i < len(names) && err == nil; i++ {
		err = p.tryName(in, dir, names[i], names)
	}
	in.Close()
	return errors.Join(err, disk.RemoveAll(d, "names"))
}

func (p *Plan) tryName(in disk.Dir, dir, name string, names []string) error {
	taken, err := makeEmpty(in, name)
	if err != nil || !taken {
		return err
	}
	if !p.opt.Rename {
		p.Conflicts = append(p.Conflicts, Conflict{Path: join(dir, name), Other: join(dir, p.owner(in, name)), Reason: Collides})
		return nil
	}
	for i := 2; i < maxRenames; i++ {
		other := name + "~" + strconv.Itoa(i)
		if slices.Contains(names, other) {
			continue
		}
		if taken, err = makeEmpty(in, other); err != nil || !taken {
			p.rename[join(dir, name)] = other
			return err
		}
	}
	return fmt.Errorf("rename %q: %w", join(dir, name), fs.ErrExist)
}

// makeEmpty makes an empty file; a name that the system refuses is not taken.
func makeEmpty(d disk.Dir, name string) (taken bool, err error) {
	f, err := d.Create(name, 0o600)
	switch {
	case err == nil:
		return false, f.Close()
	case errors.Is(err, fs.ErrExist):
		return true, nil
	case errors.Is(err, fs.ErrInvalid):
		return false, nil
	}
	return false, fmt.Errorf("probe the target: %w", err)
}

// owner is how d spells the name that is there already.
func (p *Plan) owner(d disk.Dir, name string) string {
	info, err := d.Stat(name)
	entries, err2 := d.List(nil)
	if err != nil || err2 != nil {
		return name
	}
	for _, e := range entries {
		if e.Inode == info.Inode {
			return e.Name
		}
	}
	return name
}
