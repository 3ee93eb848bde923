package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/tree"
)

// Plan says what a restore would do. Its lists are in the order of the tree. It keeps about 300 bytes
// for each entry that changes and nothing for those that do not.
type Plan struct {
	Create, Replace, Meta, Remove []Change

	Keep      int64 // files of the tree that stay untouched
	Bytes     int64 // content to write, at most
	Conflicts []Conflict

	opt   Options
	scope scope
	get   tree.Getter
	every tree.Getter // for one passage through all of Root

	dirs, files, links, hard []*node // to be built, directories before what is in them
	units                    []*node // of these, the ones in the staging folder itself
	meta                     []*node // in place: same content, other metadata
	gone                     []*node // in place: to be removed, directories before what is in them

	built  map[string]*node  // dirs by path in the tree
	skip   string            // a directory that is left out with all below it
	wall   *node             // what replaces a directory of Live, whose contents are being visited
	past   string            // the path of that directory
	rename map[string]string // other names, by path in the tree
	folds  bool              // the target takes some different names for one
}

// Make plans a restore. It writes nothing but a probe into the target, which it removes again. A path that is
// in neither tree is fs.ErrNotExist. A plan with conflicts is returned all the same.
func Make(ctx context.Context, opt Options) (*Plan, error) {
	if opt.Root.IsZero() { // which would be compared as a folder without anything in it
		return nil, fmt.Errorf("restore: %w: there is no root", tree.ErrCorrupt)
	}
	p := &Plan{opt: opt, get: opt.NewGet(), built: map[string]*node{}}
	if p.opt.Workers <= 0 {
		p.opt.Workers = 2
	}
	if !opt.HasLive {
		p.opt.Live = digest.Digest{}
	}
	var err error
	if p.scope, err = p.newScope(ctx); err != nil {
		return nil, err
	}
	if !opt.NoProbe {
		if err := p.probe(ctx); err != nil {
			return nil, err
		}
	}
	if err := tree.Compare(ctx, tree.Unrepeated(p.get), p.opt.Live, opt.Root, p.visit); err != nil {
		return nil, fmt.Errorf("compare trees: %w", err)
	}
	if err := p.resolveLinks(ctx); err != nil {
		return nil, err
	}
	if err := p.findTaken(); err != nil {
		return nil, err
	}
	p.summarize()
	total, err := p.total(ctx)
	if err != nil {
		return nil, err
	}
	p.Keep = max(0, total-countFiles(p.Create)-countFiles(p.Replace)-countFiles(p.Meta))
	return p, nil
}

// scope is the part of a tree that is restored.
type scope struct {
	all    bool
	inside map[string]bool // the paths asked for
	above  map[string]bool // the directories they are in
}

func (p *Plan) newScope(ctx context.Context) (scope, error) {
	s := scope{all: len(p.opt.Paths) == 0, inside: map[string]bool{}, above: map[string]bool{}}
	for _, path := range p.opt.Paths {
		path = strings.TrimSuffix(path, "/")
		if path == "" || path == "." {
			s.all = true
			continue
		}
		if err := p.known(ctx, path); err != nil {
			return s, err
		}
		s.inside[path] = true
		for up := parentOf(path); up != ""; up = parentOf(up) {
			s.above[up] = true
		}
	}
	return s, nil
}

// known finds path in either tree.
func (p *Plan) known(ctx context.Context, path string) error {
	_, err := tree.Find(ctx, p.get, p.opt.Root, path)
	if errors.Is(err, fs.ErrNotExist) && p.opt.HasLive {
		_, err = tree.Find(ctx, p.get, p.opt.Live, path)
	}
	return err
}

// holds reports whether path is asked for, by itself or with a directory it is in.
func (s *scope) holds(path string) bool {
	if s.all {
		return true
	}
	for ; path != ""; path = parentOf(path) {
		if s.inside[path] {
			return true
		}
	}
	return false
}

// visit decides about one difference between Live and Root. Paths come with directories before what is in them.
func (p *Plan) visit(path string, old, new *tree.Entry) error {
	if p.skip != "" && below(path, p.skip) {
		return nil
	}
	if !p.scope.holds(path) {
		if p.scope.above[path] {
			p.visitAbove(path, old, new)
		}
		return nil
	}
	switch {
	case new == nil:
		p.visitGone(path, old)
	case old == nil:
		p.place(newNode(path, new), nil)
	case old.Type != new.Type:
		p.visitType(path, old, new)
	case new.Type == disk.Directory || sameContent(old, new) && old.LinkGroup == new.LinkGroup:
		if !sameMeta(old, new, p.opt.Owner) {
			n := newNode(path, new)
			n.old = newNode(path, old)
			p.meta = append(p.meta, n)
		}
	default:
		p.place(newNode(path, new), newNode(path, old))
	}
	return nil
}

// visitAbove sees to it that there is a directory for the paths asked for.
func (p *Plan) visitAbove(path string, old, new *tree.Entry) {
	switch {
	case new == nil || new.Type != disk.Directory:
	case old == nil:
		p.place(newNode(path, new), nil)
	case old.Type != disk.Directory:
		p.leaveOut(path, Blocked)
	}
}

func (p *Plan) visitGone(path string, old *tree.Entry) {
	n := newNode(path, old)
	if p.wall != nil && below(path, p.past) {
		p.wall.clear = append(p.wall.clear, n)
		return
	}
	if p.opt.Delete {
		p.gone = append(p.gone, n)
	}
}

// visitType deals with what became of another type. What is below a directory that has to go goes too.
func (p *Plan) visitType(path string, old, new *tree.Entry) {
	n := newNode(path, new)
	placed := p.place(n, newNode(path, old))
	if old.Type != disk.Directory {
		return
	}
	if !placed {
		p.skip = path
		return
	}
	p.wall, p.past = n, path
}

// leaveOut notes a conflict and skips all below path.
func (p *Plan) leaveOut(path string, why Reason) {
	p.Conflicts = append(p.Conflicts, Conflict{Path: path, Reason: why})
	p.skip = path
}

// place decides where n is built; false if it cannot be.
func (p *Plan) place(n, old *node) bool {
	n.old = old
	name := baseOf(n.path)
	if other := p.rename[n.path]; other != "" {
		name = other
	}
	switch {
	case n.typ > disk.Symlink:
		p.leaveOut(n.path, Special)
		return false
	case disk.CheckName(name) != nil:
		p.leaveOut(n.path, BadName)
		return false
	}
	up := parentOf(n.path)
	if dir, ok := p.built[up]; ok {
		n.dir, n.name, n.root = dir.staged(), name, dir.root
	} else {
		n.unit(len(p.units), join(up, name))
		p.units = append(p.units, n)
	}
	switch n.typ {
	case disk.Directory:
		p.built[n.path] = n
		p.dirs = append(p.dirs, n)
	case disk.Symlink:
		p.links = append(p.links, n)
	default:
		p.files = append(p.files, n)
	}
	return true
}

// findTaken looks for names of a new folder that are not free.
func (p *Plan) findTaken() error {
	if p.opt.HasLive {
		return nil
	}
	for _, u := range p.units {
		switch _, err := p.opt.Target.Stat(u.final); {
		case err == nil:
			p.Conflicts = append(p.Conflicts, Conflict{Path: u.path, Reason: Exists})
		case errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("look into the target: %w", err)
		}
	}
	return nil
}

// summarize fills the lists that people read.
func (p *Plan) summarize() {
	for _, list := range [][]*node{p.dirs, p.files, p.links, p.hard} {
		for _, n := range list {
			if n.old == nil {
				p.Create = append(p.Create, n.change())
			} else {
				p.Replace = append(p.Replace, n.change())
			}
			for _, c := range n.clear {
				p.Remove = append(p.Remove, c.change())
			}
		}
	}
	for _, n := range p.meta {
		p.Meta = append(p.Meta, n.change())
	}
	for _, n := range p.gone {
		p.Remove = append(p.Remove, n.change())
	}
	for _, n := range p.files {
		p.Bytes += n.size
	}
	for _, list := range [][]Change{p.Create, p.Replace, p.Meta, p.Remove} {
		slices.SortFunc(list, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	}
}

// total counts the files of Root that are in scope.
func (p *Plan) total(ctx context.Context) (int64, error) {
	n := uint64(0)
	count := func(e *tree.Entry) {
		switch e.Type {
		case disk.Regular:
			n++
		case disk.Directory:
			n += e.Summary.Files
		}
	}
	if p.scope.all {
		for e, err := range tree.List(ctx, p.get, p.opt.Root) {
			if err != nil {
				return 0, err
			}
			count(&e)
		}
		return int64(n), nil
	}
	for path := range p.scope.inside {
		if p.scope.holds(parentOf(path)) {
			continue // counted with a directory above it
		}
		e, err := tree.Find(ctx, p.get, p.opt.Root, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		count(&e)
	}
	return int64(n), nil
}

func countFiles(list []Change) (n int64) {
	for i := range list {
		if list[i].Type == disk.Regular {
			n++
		}
	}
	return n
}

// Refused returns the conflicts for which Apply would not begin.
func (p *Plan) Refused() []Conflict {
	var out []Conflict
	for _, c := range p.Conflicts {
		if c.Reason == Exists || c.Reason == Collides {
			out = append(out, c)
		}
	}
	return out
}
