package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
)

// tooMuch is what is wrong with a page that does not hold what the row above it says.
const tooMuch = "page holds other than said of it"

// errStop ends a walk whose reader has seen enough.
var errStop = errors.New("stop")

// sheaf is a tree page being read.
type sheaf struct {
	rows
	lev  int
	root bool
	n    int // rows so far
	sum  Summary
	want *Summary // nil: not known
	page digest.Digest
}

func openSheaf(ctx context.Context, get Getter, d digest.Digest) (*sheaf, error) {
	page, lev, _, err := load(ctx, get, d, kindTree)
	if err != nil {
		return nil, err
	}
	return &sheaf{rows: rows{in: reader{b: page, off: treeHead}, text: string(page)}, lev: lev, page: d}, nil
}

// openDir opens the root page of a directory; want is what its entry says is below it, if known.
func openDir(ctx context.Context, get Getter, d digest.Digest, want *Summary) (*sheaf, error) {
	s, err := openSheaf(ctx, get, d)
	if err == nil {
		s.root, s.want = true, want
	}
	return s, err
}

// below opens the page of a row.
func (s *sheaf) below(ctx context.Context, get Getter, c *child) (*sheaf, error) {
	t, err := openSheaf(ctx, get, c.digest)
	if err != nil {
		return nil, err
	}
	sum := c.sum
	t.want = &sum
	if t.lev != s.lev-1 || t.firstName() != c.first {
		return nil, fmt.Errorf("read page %s: %w", c.digest, corrupt("page of another level or place"))
	}
	return t, nil
}

// firstName returns the name of the first row of a page just opened, or "".
func (s *sheaf) firstName() string {
	at := s.rows
	if s.lev > 0 {
		return at.name()
	}
	if at.in.u8()&headExtras != 0 {
		at.in.u8()
	}
	return at.name()
}

// next reads the next row: an entry in a page of level 0, a child above. It is false at the end, where
// the page must have held what was said of it.
func (s *sheaf) next(e *Entry, c *child) (bool, error) {
	if !s.in.more() {
		if s.in.why == "" {
			s.finish()
		}
		return false, s.fault()
	}
	if s.lev == 0 {
		s.rows.entry(e)
		if s.in.why == "" {
			counts := e.counts()
			s.count(&counts)
		}
	} else {
		s.rows.child(c)
		s.count(&c.sum)
	}
	s.n++
	return s.in.why == "", s.fault()
}

// count adds what a row counts. A page with more than is said of it is refused at once, not at its end: else whoever
// goes down its rows first would go wherever they lead.
func (s *sheaf) count(o *Summary) {
	switch {
	case !s.sum.add(o):
		s.in.fail("summary out of range")
	case s.want != nil && !s.sum.within(s.want):
		s.in.fail(tooMuch)
	}
}

func (s *sheaf) finish() {
	// That a page below another has rows was seen by its first name.
	switch {
	case s.root && s.lev > 0 && s.n < 2:
		s.in.fail("root above a single page")
	case s.want != nil && s.sum != *s.want:
		s.in.fail(tooMuch)
	}
}

func (s *sheaf) fault() error {
	if s.in.why == "" {
		return nil
	}
	return fmt.Errorf("read page %s: %w", s.page, s.in.err())
}

// cursor goes through a directory in order of names. It stands at an entry, or at a page not opened
// yet, or, if !on, at the end.
type cursor struct {
	get   Getter
	stack []*sheaf
	on    bool
	entry Entry
	page  child
	last  string // the name last stood at
}

// start goes to the first row of the directory d; the zero digest has none.
func (c *cursor) start(ctx context.Context, d digest.Digest, want *Summary) error {
	if d.IsZero() {
		return nil
	}
	s, err := openDir(ctx, c.get, d, want)
	if err != nil {
		return err
	}
	c.stack = append(c.stack, s)
	return c.next()
}

// level is that of the page the cursor stands at, 1 less than the page it was read from; -1 at an entry.
func (c *cursor) level() int { return c.stack[len(c.stack)-1].lev - 1 }

// name is the name, or first name, of where the cursor stands.
func (c *cursor) name() string {
	if c.level() >= 0 {
		return c.page.first
	}
	return c.entry.Name
}

// next goes to the next row, leaving a page it stands at unopened.
func (c *cursor) next() error {
	for len(c.stack) > 0 {
		s := c.stack[len(c.stack)-1]
		ok, err := s.next(&c.entry, &c.page)
		if err != nil {
			return err
		}
		if ok {
			// Within a page the order is checked already, but a page could reach into the next one.
			if name := c.name(); name > c.last {
				c.on, c.last = true, name
				return nil
			}
			return fmt.Errorf("read page %s: %w", s.page, corrupt("pages overlap"))
		}
		c.stack = c.stack[:len(c.stack)-1]
	}
	c.on = false
	return nil
}

// open opens the page the cursor stands at and goes to its first row.
func (c *cursor) open(ctx context.Context) error {
	s, err := c.stack[len(c.stack)-1].below(ctx, c.get, &c.page)
	if err != nil {
		return err
	}
	c.stack = append(c.stack, s)
	c.last = "" // below holds the first name to that of the row
	return c.next()
}

// List yields the entries of the directory dir in ascending order. An error ends it. Names and contents
// refer to whole pages: clone what outlives many of them.
func List(ctx context.Context, get Getter, dir digest.Digest) iter.Seq2[Entry, error] {
	return entriesOf(ctx, get, dir, nil)
}

// Below is List of the directory e, which must hold what e says. Whoever goes down a tree by it goes through no more
// than the root says, and no deeper.
func Below(ctx context.Context, get Getter, e *Entry) iter.Seq2[Entry, error] {
	return entriesOf(ctx, get, e.Dir, &e.Summary)
}

func entriesOf(ctx context.Context, get Getter, dir digest.Digest, want *Summary) iter.Seq2[Entry, error] {
	if want != nil {
		said := *want // the entry may be another by the time that the loop runs
		want = &said
	}
	return func(yield func(Entry, error) bool) {
		c := cursor{get: get}
		err := c.start(ctx, dir, want)
		for err == nil && c.on {
			if c.level() >= 0 {
				err = c.open(ctx)
				continue
			}
			if !yield(c.entry, nil) {
				return
			}
			err = c.next()
		}
		if err != nil {
			yield(Entry{}, fmt.Errorf("list directory %s: %w", dir, err))
		}
	}
}

// Lookup returns the entry name of the directory dir and whether there is one. It reads one page a level.
func Lookup(ctx context.Context, get Getter, dir digest.Digest, name string) (Entry, bool, error) {
	var e Entry
	s, err := openDir(ctx, get, dir, nil)
	for err == nil {
		var c child
		if s.lev == 0 {
			var ok bool
			if ok, err = s.find(name, &e); err == nil {
				return e, ok, nil
			}
			break
		}
		var ok bool
		if ok, err = s.descend(name, &c); err != nil {
			break
		}
		if !ok {
			return Entry{}, false, nil
		}
		s, err = s.below(ctx, get, &c)
	}
	return Entry{}, false, fmt.Errorf("look up %q in %s: %w", name, dir, err)
}

// find reads on to the entry name.
func (s *sheaf) find(name string, e *Entry) (bool, error) {
	for {
		ok, err := s.next(e, nil)
		if err != nil || !ok || e.Name > name {
			return false, err
		}
		if e.Name == name {
			return true, nil
		}
	}
}

// descend reads on to the page that holds name, if any does.
func (s *sheaf) descend(name string, c *child) (found bool, err error) {
	for {
		var next child
		ok, err := s.next(nil, &next)
		if err != nil || !ok || next.first > name {
			return found, err
		}
		*c, found = next, true
	}
}

// Find returns the entry at path, its elements parted by slashes, in the directory root. "" and "." are
// root itself, an entry without a name. It fails with an *fs.PathError: of fs.ErrNotExist if an
// element is not there or is none to look into, of fs.ErrInvalid if path is not clean or deeper than MaxDepth.
func Find(ctx context.Context, get Getter, root digest.Digest, path string) (Entry, error) {
	if path == "" || path == "." {
		return Entry{Type: disk.Directory, Dir: root}, nil
	}
	fail := func(err error) (Entry, error) {
		return Entry{}, &fs.PathError{Op: "find", Path: path, Err: err}
	}
	if strings.Count(path, "/") > MaxDepth {
		return fail(fs.ErrInvalid)
	}
	for elem := range strings.SplitSeq(path, "/") {
		if badName(elem) != "" {
			return fail(fs.ErrInvalid)
		}
	}
	at := Entry{Type: disk.Directory, Dir: root}
	for elem := range strings.SplitSeq(path, "/") {
		if at.Type != disk.Directory {
			return fail(fs.ErrNotExist)
		}
		e, ok, err := Lookup(ctx, get, at.Dir, elem)
		if err != nil {
			return fail(err)
		}
		if !ok {
			return fail(fs.ErrNotExist)
		}
		at = e
	}
	return at, nil
}
