package tree

import (
	"fmt"

	"varve/internal/digest"
)

// folder is the note of a tree page.
type folder struct {
	first []byte // name of its first row
	sum   Summary
}

func (f *folder) reset() { f.first, f.sum = f.first[:0], Summary{} }

func (f *folder) join(o *folder) bool {
	if len(f.first) == 0 {
		f.first = append(f.first, o.first...)
	}
	return f.sum.add(&o.sum)
}

func (f *folder) append(dst []byte, d digest.Digest) []byte {
	dst = appendStr(dst, f.first)
	dst = append(dst, d[:]...)
	return appendSummary(dst, &f.sum)
}

func (f *folder) mark(digest.Digest) uint64 { return nameMark(f.first) }

var errFinished = refused("added after finish")

// A Builder writes the pages of one directory at a time. It allocates its page buffers once and nothing
// for an entry. It is not safe for concurrent use.
type Builder struct {
	pages pager[folder, *folder]
	prior prior
	last  []byte // name of the last entry
	err   error
}

// NewBuilder returns a Builder that stores its pages through put.
func NewBuilder(put Putter) *Builder {
	b := &Builder{}
	b.pages.put = put
	b.pages.head = [recipeHead]byte{pageMagic, pageVersion, kindTree}
	b.pages.hlen = treeHead
	return b
}

// Reset starts a new directory.
func (b *Builder) Reset() {
	b.pages.reset()
	b.prior = prior{}
	b.last = b.last[:0]
	b.err = nil
}

// Add adds the next entry. An entry that cannot be kept, or whose name does not follow the one before, is
// refused with ErrEntry and leaves the Builder as it was; any other error, from the Putter, stays.
func (b *Builder) Add(e *Entry) error {
	if b.err != nil {
		return b.err
	}
	why, derived := e.check()
	if why == "" && string(b.last) >= e.Name {
		why = "name out of order"
	}
	if why != "" {
		return fmt.Errorf("add %q: %w", e.Name, refused(why))
	}
	l := b.pages.at(0)
	sum, counts := l.note.sum, e.counts()
	if !sum.add(&counts) {
		return fmt.Errorf("add %q: %w", e.Name, refused("numbers out of range"))
	}
	if err := b.add(l, e, derived, &counts); err != nil {
		b.err = fmt.Errorf("add %q: %w", e.Name, err)
		return b.err
	}
	return nil
}

func (b *Builder) add(l *level[folder], e *Entry, derived bool, counts *Summary) error {
	before := b.prior
	start := len(l.buf)
	l.buf = appendEntry(l.buf, e, derived, &b.prior)
	if l.overfull() {
		l.buf = l.buf[:start]
		b.prior = before
		if err := b.pages.flush(0); err != nil {
			return err
		}
		b.prior = prior{}
		start = len(l.buf)
		l.buf = appendEntry(l.buf, e, derived, &b.prior)
	}
	if l.rows == 0 {
		l.note.first = append(l.note.first[:0], e.Name...)
	}
	l.note.sum.add(counts)
	b.last = append(b.last[:0], e.Name...)
	if err := b.pages.row(0, start, nameMark(e.Name)); err != nil {
		return err
	}
	if l.rows == 0 {
		b.prior = prior{}
	}
	return nil
}

// Finish writes the rest and returns the digest of the directory and what is below it. Reset must come
// before the next Add.
func (b *Builder) Finish() (digest.Digest, Summary, error) {
	if b.err != nil {
		return digest.Digest{}, Summary{}, b.err
	}
	d, n, err := b.pages.finish()
	b.err = errFinished
	if err != nil {
		b.err = fmt.Errorf("finish directory: %w", err)
		return digest.Digest{}, Summary{}, b.err
	}
	return d, n.sum, nil
}
