package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"

	"varve/internal/disk"
	"varve/internal/tree"
)

const maxRenames = 1000 // of one name

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
	p.rename, p.every = map[string]string{}, tree.Unrepeated(p.get)
	return p.collide(ctx, d, "", tree.List(ctx, p.every, p.opt.Root))
}

// collide looks for names of one directory that are one for the target, in all directories of Root: on such
// a target, what of Root is there already may be there under another spelling.
func (p *Plan) collide(ctx context.Context, d disk.Dir, dir string, folder iter.Seq2[tree.Entry, error]) error {
	likely := map[string][]string{}
	for e, err := range folder {
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
			if err := p.collide(ctx, d, path, tree.Below(ctx, p.every, &e)); err != nil {
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
