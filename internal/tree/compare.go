package tree

import (
	"context"
	"fmt"

	"varve/internal/digest"
	"varve/internal/disk"
)

// Compare calls fn for every entry that differs between the directories a and b: old is nil for one only in
// b, new for one only in a. Either digest may be zero, for a directory that is not there. Paths have their
// elements parted by slashes; the names of each directory come in ascending order, and a directory before
// what is in it. The entries are good until fn returns. An error of fn ends it and is returned as it is.
//
// A directory on one side only is reported and everything in it too. One on both sides is reported if
// its own metadata differ, not for what is in it. What became of another type is reported once, with both
// entries; the contents of a directory among them are reported as on one side only.
//
// Equal directories and equal pages are not read. Trees by strangers need a [Budget].
func Compare(ctx context.Context, get Getter, a, b digest.Digest, fn func(path string, old, new *Entry) error) error {
	c := comparison{ctx: ctx, get: get, fn: fn}
	if a == b {
		return nil
	}
	return c.dir("", a, b, nil, nil, 0)
}

type comparison struct {
	ctx context.Context
	get Getter
	fn  func(path string, old, new *Entry) error
}

func (c *comparison) dir(prefix string, a, b digest.Digest, wantA, wantB *Summary, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("compare %s with %s: %w", a, b, corrupt("directory too deep"))
	}
	x, y := cursor{get: c.get}, cursor{get: c.get}
	if err := x.start(c.ctx, a, wantA); err != nil {
		return err
	}
	if err := y.start(c.ctx, b, wantB); err != nil {
		return err
	}
	for x.on || y.on {
		if err := c.step(prefix, &x, &y, depth); err != nil {
			return err
		}
	}
	return nil
}

// step deals with the lesser of where x and y stand, or with both if they are equal.
func (c *comparison) step(prefix string, x, y *cursor, depth int) error {
	switch {
	case !y.on || x.on && x.name() < y.name():
		return c.alone(prefix, x, true, depth)
	case !x.on || y.name() < x.name():
		return c.alone(prefix, y, false, depth)
	}
	lx, ly := x.level(), y.level()
	switch {
	case lx > ly:
		return x.open(c.ctx)
	case ly > lx:
		return y.open(c.ctx)
	case lx >= 0 && x.page.digest != y.page.digest:
		if err := x.open(c.ctx); err != nil {
			return err
		}
		return y.open(c.ctx)
	case lx < 0:
		if err := c.both(prefix, &x.entry, &y.entry, depth); err != nil {
			return err
		}
	}
	if err := x.next(); err != nil {
		return err
	}
	return y.next()
}

// alone deals with what only one side has.
func (c *comparison) alone(prefix string, x *cursor, old bool, depth int) error {
	if x.level() >= 0 {
		return x.open(c.ctx)
	}
	e := &x.entry
	path := prefix + e.Name
	var err error
	if old {
		err = c.fn(path, e, nil)
	} else {
		err = c.fn(path, nil, e)
	}
	if err == nil && e.Type == disk.Directory {
		if old {
			err = c.dir(path+"/", e.Dir, digest.Digest{}, &e.Summary, nil, depth+1)
		} else {
			err = c.dir(path+"/", digest.Digest{}, e.Dir, nil, &e.Summary, depth+1)
		}
	}
	if err != nil {
		return err
	}
	return x.next()
}

// both deals with a name that both sides have.
func (c *comparison) both(prefix string, a, b *Entry, depth int) error {
	same := a.equalBut(b)
	if same && a.Dir == b.Dir && a.Summary == b.Summary {
		return nil
	}
	path := prefix + a.Name
	if !same {
		if err := c.fn(path, a, b); err != nil {
			return err
		}
	}
	// Dir is zero but in a directory.
	if a.Dir == b.Dir {
		return nil
	}
	return c.dir(path+"/", a.Dir, b.Dir, &a.Summary, &b.Summary, depth+1)
}
