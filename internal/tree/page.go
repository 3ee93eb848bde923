package tree

import (
	"context"
	"fmt"

	"varve/internal/digest"
)

// The head of a page.
const (
	pageMagic   = 0xA7
	pageVersion = 1
	kindTree    = 0
	kindRecipe  = 1
	treeHead    = 4 // bytes
	recipeHead  = 5
)

// Where pages end, in bytes.
const (
	minPage  = 16 << 10
	fullPage = 64 << 10
	cutSpan  = 16 << 10 // above minPage a page ends once in so many bytes
)

// note is what a page accumulates about its rows and a row of the level above says of it.
type note[T any] interface {
	*T
	// reset makes the note that of a page without rows.
	reset()
	// join adds the note of a page below, which becomes the next row.
	join(o *T) bool
	// append appends the row that stands for a page with this note.
	append(dst []byte, d digest.Digest) []byte
	// mark is the mark of that row.
	mark(d digest.Digest) uint64
}

// pager lays rows in pages, and their pages in pages above them, up to a single root.
type pager[T any, N note[T]] struct {
	put    Putter
	head   [recipeHead]byte // of a page; the level is filled in
	hlen   int
	levels []*level[T] // kept between uses for their buffers
	used   int         // levels in use
}

type level[T any] struct {
	buf   []byte // the page under way
	rows  int    // in it
	pages int    // put before it
	last  digest.Digest
	note  T
}

func (p *pager[T, N]) reset() { p.used = 0 }

// at returns level i, which is in use or the next above those.
func (p *pager[T, N]) at(i int) *level[T] {
	if i == len(p.levels) {
		p.levels = append(p.levels, &level[T]{})
	}
	l := p.levels[i]
	if i == p.used {
		p.used++
		l.pages = 0
		p.open(i)
	}
	return l
}

func (p *pager[T, N]) open(i int) {
	l := p.levels[i]
	l.buf = append(l.buf[:0], p.head[:p.hlen]...)
	l.buf[3] = byte(i)
	l.rows = 0
	N(&l.note).reset()
}

// overfull reports whether the row just appended, not counted yet, belongs to the next page.
func (l *level[T]) overfull() bool { return l.rows > 0 && len(l.buf) > fullPage }

// row counts the row appended from start, and ends the page after it if its mark says so.
func (p *pager[T, N]) row(i, start int, mark uint64) error {
	l := p.levels[i]
	l.rows++
	if n := len(l.buf) - start; len(l.buf) < minPage || n < cutSpan && mark >= uint64(n)*(1<<64/cutSpan) {
		return nil
	}
	return p.flush(i)
}

// flush puts the page under way of level i, opens the next and adds the row for it to the level above.
func (p *pager[T, N]) flush(i int) error {
	l := p.levels[i]
	d, err := p.put(l.buf)
	if err != nil {
		return fmt.Errorf("put page of level %d: %w", i, err)
	}
	if i+1 > maxLevel {
		return refused("too many levels of pages")
	}
	l.last = d
	l.pages++
	if err := p.lift(i+1, &l.note, d); err != nil {
		return err
	}
	p.open(i)
	return nil
}

// lift adds a row for the page d, of which n is the note, to level i.
func (p *pager[T, N]) lift(i int, n *T, d digest.Digest) error {
	l := p.at(i)
	start := len(l.buf)
	l.buf = N(n).append(l.buf, d)
	if l.overfull() {
		l.buf = l.buf[:start]
		if err := p.flush(i); err != nil {
			return err
		}
		start = len(l.buf)
		l.buf = N(n).append(l.buf, d)
	}
	if !N(&l.note).join(n) {
		return refused("numbers out of range")
	}
	return p.row(i, start, N(n).mark(d))
}

// finish puts what is under way and returns the root and its note.
func (p *pager[T, N]) finish() (digest.Digest, *T, error) {
	p.at(0)
	for i := 0; ; i++ {
		l := p.levels[i]
		switch {
		case l.pages == 0 && l.rows == 1 && i > 0:
			return p.levels[i-1].last, &l.note, nil
		case l.pages == 0:
			d, err := p.put(l.buf)
			if err != nil {
				return d, nil, fmt.Errorf("put page of level %d: %w", i, err)
			}
			return d, &l.note, nil
		case l.rows > 0:
			if err := p.flush(i); err != nil {
				return digest.Digest{}, nil, err
			}
		}
	}
}

// load gets a page and checks its head; class is 0 for a tree page.
func load(ctx context.Context, get Getter, d digest.Digest, kind byte) (page []byte, lev int, class uint8, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, 0, err
	}
	page, err = get(ctx, d)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("get page %s: %w", d, err)
	}
	lev, class, err = readHead(page, kind)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("read page %s: %w", d, err)
	}
	return page, lev, class, nil
}

func readHead(page []byte, kind byte) (lev int, class uint8, err error) {
	n := treeHead + int(kind)
	switch {
	case len(page) > MaxPage:
		return 0, 0, corrupt("page too long")
	case len(page) < n || page[0] != pageMagic:
		return 0, 0, corrupt("not a page")
	case page[1] != pageVersion:
		return 0, 0, corrupt("unknown version of page")
	case page[2] != kind:
		return 0, 0, corrupt("page of another kind")
	case page[3] > maxLevel:
		return 0, 0, corrupt("too many levels of pages")
	}
	if kind == kindRecipe {
		class = page[4]
	}
	return int(page[3]), class, nil
}
