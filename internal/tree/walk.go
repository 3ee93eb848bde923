package tree

import (
	"context"
	"fmt"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
)

// Kind says what a digest found by Walk names.
type Kind uint8

// The kinds of what a tree refers to.
const (
	TreePage   Kind = iota // a page of a directory
	RecipePage             // a page of a recipe
	Data                   // a chunk of a file
)

// Walk visits every digest that the directory root reaches, itself first, and each page before what the page
// refers to: pages of directories and of recipes, and chunks. Where visit says not to descend, the
// page is not even got; for chunks that answer means nothing. An error of visit ends the walk and is returned
// as it is.
//
// A digest is visited as often as it is referred to. Who remembers what was visited and does not
// descend twice does each page's work once, whatever the tree; who does not should have a [Budget]. A tree
// that Walk has gone through whole is canonical in every row, and what each page says of others is true;
// only where pages end is left to the writer.
func Walk(ctx context.Context, get Getter, root digest.Digest, visit func(kind Kind, d digest.Digest) (descend bool, err error)) error {
	w := walk{ctx: ctx, get: get, visit: visit}
	return w.dir(root, nil, 0)
}

// A Memory walks many trees and remembers what their pages hold, about 150 bytes each: where visit says not to descend
// to a page that was gone through before, it is held to what is said of it there, too. It is not safe for concurrent use.
type Memory struct{ facts map[digest.Digest]*fact }

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{facts: map[digest.Digest]*fact{}} }

// Walk is the function Walk.
func (m *Memory) Walk(ctx context.Context, get Getter, root digest.Digest, visit func(kind Kind, d digest.Digest) (descend bool, err error)) error {
	w := walk{ctx: ctx, get: get, visit: visit, facts: m.facts}
	return w.dir(root, nil, 0)
}

// Forget forgets all pages.
func (m *Memory) Forget() { clear(m.facts) }

// fact is what a page was found to hold.
type fact struct {
	kind, class byte
	lev         int
	noRoot      bool // it cannot be the root of a directory or a recipe
	sum         Summary
	span        span
	first, last string // names
}

type walk struct {
	ctx   context.Context
	get   Getter
	visit func(Kind, digest.Digest) (bool, error)
	facts map[digest.Digest]*fact // nil: none are kept
}

func (w *walk) learn(d digest.Digest, f fact) {
	if w.facts != nil {
		w.facts[d] = &f
	}
}

// recall holds a page that is not descended to, if it is known, to what is said of it.
func (w *walk) recall(d digest.Digest, holds func(*fact) bool) (*fact, error) {
	f := w.facts[d]
	if f != nil && !holds(f) {
		return nil, fmt.Errorf("walk %s: %w", d, corrupt("page holds other than said of it"))
	}
	return f, nil
}

func (w *walk) dir(d digest.Digest, want *Summary, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("walk %s: %w", d, corrupt("directory too deep"))
	}
	descend, err := w.visit(TreePage, d)
	if err == nil && !descend {
		_, err = w.recall(d, func(f *fact) bool { return f.kind == kindTree && !f.noRoot && (want == nil || f.sum == *want) })
	}
	if err != nil || !descend {
		return err
	}
	s, err := openDir(w.ctx, w.get, d, want)
	if err != nil {
		return err
	}
	_, err = w.sheaf(s, "", depth)
	return err
}

// sheaf walks one page and returns the last name in it; the names of its rows follow after.
func (w *walk) sheaf(s *sheaf, bound string, depth int) (last string, err error) {
	first := s.firstName()
	if s.lev == 0 {
		last, err = w.entries(s, bound, depth)
	} else {
		last, err = w.children(s, bound, depth)
	}
	if err == nil {
		w.learn(s.page, fact{kind: kindTree, lev: s.lev, noRoot: s.lev > 0 && s.n < 2, sum: s.sum, first: strings.Clone(first), last: strings.Clone(last)})
	}
	return last, err
}

func (w *walk) entries(s *sheaf, bound string, depth int) (last string, err error) {
	var e Entry
	for {
		ok, err := s.next(&e, nil)
		if err != nil || !ok {
			return last, err
		}
		if last = e.Name; bound != "" && last >= bound {
			return "", fmt.Errorf("walk %s: %w", s.page, corrupt("pages overlap"))
		}
		if err := w.entry(&e, depth); err != nil {
			return "", err
		}
	}
}

func (w *walk) children(s *sheaf, bound string, depth int) (last string, err error) {
	var c, ahead child
	more, err := s.next(nil, &c)
	for more && err == nil {
		// What a page may hold ends where the next page begins.
		if more, err = s.next(nil, &ahead); err != nil {
			return "", err
		}
		end := bound
		if more {
			end = ahead.first
		}
		if last, err = w.below(s, &c, end, depth); err != nil {
			return "", err
		}
		c = ahead
	}
	return last, err
}

func (w *walk) below(s *sheaf, c *child, bound string, depth int) (last string, err error) {
	if bound != "" && c.first >= bound {
		return "", fmt.Errorf("walk %s: %w", s.page, corrupt("pages overlap"))
	}
	descend, err := w.visit(TreePage, c.digest)
	if err != nil {
		return "", err
	}
	if !descend {
		f, err := w.recall(c.digest, func(f *fact) bool {
			return f.kind == kindTree && f.lev == s.lev-1 && f.first == c.first && f.sum == c.sum && (bound == "" || f.last < bound)
		})
		if f == nil {
			return c.first, err
		}
		return f.last, err
	}
	t, err := s.below(w.ctx, w.get, c)
	if err != nil {
		return "", err
	}
	return w.sheaf(t, bound, depth)
}

func (w *walk) entry(e *Entry, depth int) error {
	switch {
	case e.Type == disk.Directory:
		return w.dir(e.Dir, &e.Summary, depth+1)
	case e.Type != disk.Regular:
		return nil
	case e.Content != nil:
		in := openInline(e.Content)
		var it Item
		for {
			ok, err := in.next(&it)
			if err != nil || !ok {
				return err
			}
			if err := w.item(&it); err != nil {
				return err
			}
		}
	}
	descend, err := w.visit(RecipePage, e.Recipe)
	if err == nil && !descend {
		_, err = w.recall(e.Recipe, func(f *fact) bool { return f.kind == kindRecipe && !f.noRoot && f.span.bytes == e.Size })
	}
	if err != nil || !descend {
		return err
	}
	s, err := openRecipe(w.ctx, w.get, e)
	if err != nil {
		return err
	}
	return w.sheet(s)
}

func (w *walk) item(it *Item) error {
	if it.Kind != Chunk {
		return nil
	}
	_, err := w.visit(Data, it.Digest)
	return err
}

func (w *walk) sheet(s *sheet) error {
	var it Item
	var c stretch
	for {
		ok, err := s.next(&it, &c)
		if err == nil && !ok {
			w.learn(s.page, fact{kind: kindRecipe, class: s.class, lev: s.lev, noRoot: s.noRoot(), span: s.sum})
		}
		if err != nil || !ok {
			return err
		}
		if s.lev == 0 {
			err = w.item(&it)
		} else {
			err = w.stretch(s, &c)
		}
		if err != nil {
			return err
		}
	}
}

func (w *walk) stretch(s *sheet, c *stretch) error {
	descend, err := w.visit(RecipePage, c.digest)
	if err == nil && !descend {
		_, err = w.recall(c.digest, func(f *fact) bool {
			return f.kind == kindRecipe && f.lev == s.lev-1 && f.class == s.class && f.span == c.span
		})
	}
	if err != nil || !descend {
		return err
	}
	t, err := s.below(w.ctx, w.get, c)
	if err != nil {
		return err
	}
	return w.sheet(t)
}
