package tree

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"varve/internal/digest"
)

// span is the note of a recipe page: what it covers of its file.
type span struct{ bytes, items int64 }

func (s *span) reset() { *s = span{} }

func (s *span) join(o *span) bool {
	s.bytes += o.bytes
	s.items += o.items
	return s.bytes <= MaxFile
}

func (s *span) append(dst []byte, d digest.Digest) []byte {
	dst = append(dst, d[:]...)
	dst = binary.AppendUvarint(dst, uint64(s.bytes))
	return binary.AppendUvarint(dst, uint64(s.items))
}

func (s *span) mark(d digest.Digest) uint64 { return digestMark(&d) }

// A RecipeWriter takes the items of one file at a time and keeps a page of them in memory, whatever
// the size of the file. It is not safe for concurrent use.
type RecipeWriter struct {
	pages pager[span, *span]
	class uint8
	size  int64
	err   error
}

// NewRecipeWriter returns a RecipeWriter that stores its pages through put.
func NewRecipeWriter(put Putter) *RecipeWriter {
	w := &RecipeWriter{}
	w.pages.put = put
	w.pages.hlen = recipeHead
	w.Reset(0)
	return w
}

// Reset starts the recipe of a file that the chunker cut by class.
func (w *RecipeWriter) Reset(class uint8) {
	w.pages.reset()
	w.pages.head = [recipeHead]byte{pageMagic, pageVersion, kindRecipe, 0, class}
	w.class, w.size, w.err = class, 0, nil
}

// Add adds the next item. One that cannot be kept is refused with ErrEntry; every error stays.
func (w *RecipeWriter) Add(it *Item) error {
	if w.err == nil {
		w.err = w.add(it)
	}
	return w.err
}

func (w *RecipeWriter) add(it *Item) error {
	if why := it.check(); why != "" {
		return refused(why)
	}
	if it.Len > MaxFile-w.size {
		return refused("file too long")
	}
	l := w.pages.at(0)
	start := len(l.buf)
	l.buf = it.append(l.buf)
	if l.overfull() {
		l.buf = l.buf[:start]
		if err := w.pages.flush(0); err != nil {
			return err
		}
		start = len(l.buf)
		l.buf = it.append(l.buf)
	}
	l.note.bytes += it.Len
	l.note.items++
	w.size += it.Len
	return w.pages.row(0, start, it.mark())
}

// Finish returns what an Entry holds of the recipe, Content or Recipe, and the size of the file in bytes.
// Reset must come before the next Add.
func (w *RecipeWriter) Finish() (content []byte, root digest.Digest, size int64, err error) {
	if w.err != nil {
		return nil, root, 0, w.err
	}
	w.err = errFinished
	l := w.pages.at(0)
	items := l.buf[recipeHead:]
	if n := inlineLen(w.size, len(items)); l.pages == 0 && n <= MaxInline {
		content = make([]byte, 0, n)
		content = append(content, w.class)
		content = binary.AppendUvarint(content, uint64(w.size))
		return append(content, items...), root, w.size, nil
	}
	root, _, err = w.pages.finish()
	if err != nil {
		w.err = fmt.Errorf("finish recipe: %w", err)
		return nil, digest.Digest{}, 0, w.err
	}
	return nil, root, w.size, nil
}

// inlineLen is the length of an inline recipe.
func inlineLen(size int64, items int) int { return 1 + uvarintLen(uint64(size)) + items }

// PutRecipe stores r and returns what an Entry holds of it: the encoded recipe, or nil and the root of
// the pages that put stored. It fails with ErrEntry if r breaks a limit or does not add up to its size.
func PutRecipe(put Putter, r *Recipe) (content []byte, root digest.Digest, err error) {
	w := NewRecipeWriter(put)
	w.Reset(r.Class)
	for i := range r.Items {
		if err := w.Add(&r.Items[i]); err != nil {
			return nil, root, fmt.Errorf("put recipe item %d: %w", i, err)
		}
	}
	// The pages are written by now; none is referred to unless the sum is right.
	if w.size != r.Size {
		return nil, root, fmt.Errorf("put recipe: %w", refused("items do not add up to the size"))
	}
	content, root, _, err = w.Finish()
	return content, root, err
}

// sheet is a recipe page being read.
type sheet struct {
	in    reader
	lev   int
	class uint8
	root  bool
	rows  int
	sum   span
	want  span // items < 0: not known
	page  digest.Digest
}

// coversOther is what is wrong with a page that does not cover what the row above it says.
const coversOther = "page covers other than said of it"

// stretch is a row of a recipe page above level 0.
type stretch struct {
	digest digest.Digest
	span   span
}

func openSheet(ctx context.Context, get Getter, d digest.Digest, want span) (*sheet, error) {
	page, lev, class, err := load(ctx, get, d, kindRecipe)
	if err != nil {
		return nil, err
	}
	return &sheet{in: reader{b: page, off: recipeHead}, lev: lev, class: class, want: want, page: d}, nil
}

// below opens the page of a row.
func (s *sheet) below(ctx context.Context, get Getter, c *stretch) (*sheet, error) {
	t, err := openSheet(ctx, get, c.digest, c.span)
	if err == nil && (t.lev != s.lev-1 || t.class != s.class) {
		return nil, fmt.Errorf("read page %s: %w", c.digest, corrupt("page of another level or class"))
	}
	return t, err
}

// openRecipe opens the root page of a paged recipe.
func openRecipe(ctx context.Context, get Getter, e *Entry) (*sheet, error) {
	s, err := openSheet(ctx, get, e.Recipe, span{bytes: e.Size, items: -1})
	if err != nil {
		return nil, err
	}
	s.root = true
	if s.inlines(e.Size) {
		return nil, fmt.Errorf("read page %s: %w", e.Recipe, corrupt("page for an inline recipe"))
	}
	return s, nil
}

// inlines reports whether the page is all of a recipe that has to be inline.
func (s *sheet) inlines(size int64) bool {
	return s.lev == 0 && inlineLen(size, len(s.in.b)-recipeHead) <= MaxInline
}

// noRoot reports whether the page, which was read to its end, cannot be the root of a recipe.
func (s *sheet) noRoot() bool { return s.lev > 0 && s.rows < 2 || s.inlines(s.sum.bytes) }

// next reads the next row: an item in a page of level 0, a stretch above. It is false at the end, where
// the page must have covered what was said of it.
func (s *sheet) next(it *Item, c *stretch) (bool, error) {
	if !s.in.more() {
		if s.in.why == "" {
			s.finish()
		}
		return false, s.fault()
	}
	n := span{items: 1}
	if s.lev == 0 {
		readItem(&s.in, it)
		n.bytes = it.Len
	} else {
		c.digest = s.in.digest()
		c.span.bytes = int64(s.in.upto(MaxFile, "page too large"))
		c.span.items = int64(s.in.upto(MaxFile, "page too large"))
		if c.span.bytes < c.span.items || c.span.items < 1 {
			s.in.fail("page covers nothing")
		}
		n = c.span
	}
	s.rows++
	switch {
	case !s.sum.join(&n):
		s.in.fail("file too long")
	case s.sum.bytes > s.want.bytes, s.want.items >= 0 && s.sum.items > s.want.items: // at once, as in a tree page
		s.in.fail(coversOther)
	}
	return s.in.why == "", s.fault()
}

func (s *sheet) finish() {
	// A page without rows covers no bytes, and nothing says of a page that it covers none.
	switch {
	case s.root && s.lev > 0 && s.rows < 2:
		s.in.fail("root above a single page")
	case s.sum.bytes != s.want.bytes || s.want.items >= 0 && s.sum.items != s.want.items:
		s.in.fail(coversOther)
	}
}

func (s *sheet) fault() error {
	if s.in.why == "" {
		return nil
	}
	return fmt.Errorf("read page %s: %w", s.page, s.in.err())
}

// Piece is an item and where in its file it begins.
type Piece struct {
	Off int64
	Item
}

// Pieces yields the items of the regular file e in order, beginning with the one that holds byte from;
// pages before it are not read. An error ends it. Literals and patterns refer to bytes of the Getter
// or of e.
func Pieces(ctx context.Context, get Getter, e *Entry, from int64) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		w := pieceWalk{ctx: ctx, get: get, from: from, yield: yield}
		err := w.file(e)
		if err != nil && err != errStop {
			yield(Piece{}, fmt.Errorf("recipe of %q: %w", e.Name, err))
		}
	}
}

// Items yields the items of the regular file e in order. An error ends it.
func Items(ctx context.Context, get Getter, e *Entry) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for p, err := range Pieces(ctx, get, e, 0) {
			if !yield(p.Item, err) {
				return
			}
		}
	}
}

// ReadRecipe returns the whole recipe of the regular file e. It takes about 80 bytes of memory an item.
func ReadRecipe(ctx context.Context, get Getter, e *Entry) (Recipe, error) {
	if e.Content != nil {
		r, err := DecodeRecipe(e.Content)
		if err != nil {
			return r, fmt.Errorf("recipe of %q: %w", e.Name, err)
		}
		return r, nil
	}
	w := pieceWalk{ctx: ctx, get: get}
	r := Recipe{Size: e.Size}
	w.yield = func(p Piece, _ error) bool {
		r.Items = append(r.Items, p.Item)
		return true
	}
	if err := w.file(e); err != nil {
		return Recipe{}, fmt.Errorf("recipe of %q: %w", e.Name, err)
	}
	r.Class = w.class
	return r, nil
}

// pieceWalk goes through the items of one file.
type pieceWalk struct {
	ctx   context.Context
	get   Getter
	from  int64
	off   int64
	class uint8
	yield func(Piece, error) bool
}

func (w *pieceWalk) file(e *Entry) error {
	if e.Content == nil {
		s, err := openRecipe(w.ctx, w.get, e)
		if err != nil {
			return err
		}
		w.class = s.class
		return w.pages(s)
	}
	in := openInline(e.Content)
	w.class = in.class
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

func (w *pieceWalk) item(it *Item) error {
	off := w.off
	w.off += it.Len
	if w.off > w.from && !w.yield(Piece{off, *it}, nil) {
		return errStop
	}
	return nil
}

func (w *pieceWalk) pages(s *sheet) error {
	var it Item
	var c stretch
	for {
		ok, err := s.next(&it, &c)
		switch {
		case err != nil || !ok:
			return err
		case s.lev == 0:
			err = w.item(&it)
		case c.span.bytes <= w.from-w.off:
			w.off += c.span.bytes
		default:
			var t *sheet
			if t, err = s.below(w.ctx, w.get, &c); err == nil {
				err = w.pages(t)
			}
		}
		if err != nil {
			return err
		}
	}
}

// RecipeClass returns the class by which the chunker cut e's content, without reading more than one page.
func RecipeClass(ctx context.Context, get Getter, e *Entry) (uint8, error) {
	if e.Content != nil {
		if len(e.Content) == 0 {
			return 0, corrupt("empty recipe")
		}
		return e.Content[0], nil
	}
	page, err := get(ctx, e.Recipe)
	if err != nil {
		return 0, err
	}
	if len(page) < recipeHead || page[0] != pageMagic || page[1] != pageVersion || page[2] != kindRecipe {
		return 0, corrupt("not a recipe page")
	}
	return page[4], nil
}
