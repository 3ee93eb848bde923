package restore

import (
	"context"
	"iter"
	"slices"

	"varve/internal/disk"
	"varve/internal/tree"
)

// resolveLinks decides which files are written and which become hard links. The entries of a group are one
// inode; which inode that is, is decided by name: one that the group has already and may keep, else a
// file that stays as it is, else the first that is written.
func (p *Plan) resolveLinks(ctx context.Context) error {
	groups, old := map[uint64]*group{}, false
	for _, n := range p.files {
		if n.group != 0 {
			groups[n.group] = &group{}
		}
		old = old || n.old != nil && n.old.typ == disk.Regular && n.old.group != 0
	}
	if len(groups) == 0 && !old {
		return nil
	}
	inodes := map[uint64]uint64{} // groups of Live, and the group of Root that keeps the inode of each
	if p.opt.HasLive {
		if err := p.staying(ctx, groups, inodes); err != nil {
			return err
		}
	}
	written := p.files[:0]
	for _, n := range p.files {
		if p.stays(n, groups, inodes) {
			p.meta = append(p.meta, n)
			n.final = ""
			continue
		}
		g := groups[n.group]
		switch {
		case g == nil:
			written = append(written, n)
		case g.live != nil && sameContent(g.live.entry(), n.entry()):
			n.live = g.live
			p.hard = append(p.hard, n)
		case g.first != nil && sameContent(g.first.entry(), n.entry()):
			n.source = g.first
			p.hard = append(p.hard, n)
		default:
			if g.first == nil {
				g.first = n
			}
			written = append(written, n)
		}
	}
	p.files = written
	p.units = slices.DeleteFunc(p.units, func(n *node) bool { return n.dir == "" && n.final == "" })
	return nil
}

// group is a set of names of Root for one inode.
type group struct {
	live  *node // a name that is on disk already and stays
	first *node // the first that is written
}

// staying finds, by going through all of Root, the members of the groups that have not changed. A group of Live
// that has such a member, or one that keeps number and content, belongs to it.
func (p *Plan) staying(ctx context.Context, groups map[uint64]*group, inodes map[uint64]uint64) error {
	changed := make(map[string]bool, len(p.files))
	for _, n := range p.files {
		changed[n.path] = true
	}
	p.every = tree.Unrepeated(p.get)
	var walk func(prefix string, dir iter.Seq2[tree.Entry, error]) error
	walk = func(prefix string, dir iter.Seq2[tree.Entry, error]) error {
		for e, err := range dir {
			if err != nil {
				return err
			}
			path := prefix + e.Name
			switch {
			case e.Type == disk.Directory:
				if err := walk(path+"/", tree.Below(ctx, p.every, &e)); err != nil {
					return err
				}
			case e.Type == disk.Regular && e.LinkGroup != 0 && !changed[path]:
				if err := p.keepMember(ctx, path, &e, groups, inodes); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk("", tree.List(ctx, p.every, p.opt.Root))
}

func (p *Plan) keepMember(ctx context.Context, path string, e *tree.Entry, groups map[uint64]*group, inodes map[uint64]uint64) error {
	was, err := tree.Find(ctx, p.get, p.opt.Live, path)
	if err != nil || was.LinkGroup != e.LinkGroup || !sameContent(&was, e) {
		return nil // outside of Paths, where nothing is done
	}
	inodes[was.LinkGroup] = e.LinkGroup
	if g := groups[e.LinkGroup]; g != nil && g.live == nil {
		g.live = newNode(path, &was)
	}
	return nil
}

// stays reports whether a file of which only the group changed is the right inode already.
func (p *Plan) stays(n *node, groups map[uint64]*group, inodes map[uint64]uint64) bool {
	if n.old == nil || n.old.typ != disk.Regular || n.old.group == n.group || !sameContent(n.entry(), n.old.entry()) {
		return false
	}
	was, g := n.old.group, groups[n.group]
	if was == 0 {
		if g == nil || g.live != nil || g.first != nil {
			return false
		}
		g.live = n.old
		return true
	}
	mine := n.group
	if g == nil {
		mine = ^uint64(0) // a name on its own
	}
	keeper, taken := inodes[was]
	switch {
	case taken && (keeper != mine || g == nil):
		return false
	case g != nil && g.first != nil, g != nil && g.live != nil && !taken:
		return false
	}
	inodes[was] = mine
	if g != nil && g.live == nil {
		g.live = n.old
	}
	return true
}
