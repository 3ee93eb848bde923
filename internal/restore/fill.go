package restore

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/tree"
)

const (
	maxPlacements = 200_000 // chunks located at a time: 20 MB
	maxSpan       = 4 << 20 // stored bytes of one read
	maxGap        = 128 << 10
	cloneLeast    = 4 << 20
	holeLeast     = 64 << 10
	runBuffer     = 24 << 12 // a multiple of the pattern
)

// placement is a chunk and a place that needs it.
type placement struct {
	at     object.Location
	digest digest.Digest
	lost   bool // the index does not know it
	solo   bool // it is the whole file
	len    int64
	off    int64
	sink   *sink
}

// local is an item that needs nothing of the vault.
type local struct {
	sink *sink
	tree.Piece
	whole bool // it is the file's only item, or the file has none
}

// batch is what is written at a time.
type batch struct {
	places []placement
	locals []local
}

// fill writes all files of the plan. Its error is one of the whole restore; those of files are collected.
func (a *applying) fill(ctx context.Context) error {
	var b batch
	get := a.opt.NewGet()
	for _, n := range a.p.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := &sink{n: n}
		s.left.Store(1)
		if err := a.collect(ctx, get, s, &b); err != nil {
			return err
		}
	}
	return a.flush(ctx, &b)
}

// collect adds the items of a file to the batch, and writes the batch whenever it is full.
func (a *applying) collect(ctx context.Context, get tree.Getter, s *sink, b *batch) error {
	e := s.n.entry()
	if it, single, err := onlyItem(e); err != nil {
		s.fail(err)
		a.release(s)
		return nil
	} else if single && it.Kind != tree.Run {
		s.left.Store(0)
		b.addWhole(ctx, a, s, it)
		return a.flushFull(ctx, b)
	}
	keep, stop := a.clone(ctx, get, s)
	defer stop()
	for piece, err := range tree.Pieces(ctx, get, e, 0) {
		if err != nil {
			s.fail(err)
			break
		}
		if keep(&piece) || a.leaveHole(s, &piece) {
			continue
		}
		s.left.Add(1)
		if piece.Kind == tree.Chunk {
			b.places = append(b.places, a.locate(ctx, s, &piece))
		} else {
			b.locals = append(b.locals, local{sink: s, Piece: piece})
		}
		if err := a.flushFull(ctx, b); err != nil {
			return err
		}
	}
	a.release(s)
	return nil
}

// onlyItem returns the item of a file that has just one, or none: the file is then made in one go.
func onlyItem(e *tree.Entry) (it tree.Item, single bool, err error) {
	if e.Content == nil || len(e.Content) > 64 && e.Size > tree.MaxLiteral {
		return it, false, nil
	}
	r, err := tree.DecodeRecipe(e.Content)
	if err != nil || len(r.Items) > 1 {
		return it, false, err
	}
	if len(r.Items) == 0 {
		return tree.Item{Kind: tree.Literal}, true, nil
	}
	it = r.Items[0]
	return it, it.Kind == tree.Chunk || it.Kind == tree.Literal, nil
}

func (b *batch) addWhole(ctx context.Context, a *applying, s *sink, it tree.Item) {
	if it.Kind != tree.Chunk {
		b.locals = append(b.locals, local{sink: s, Piece: tree.Piece{Item: it}, whole: true})
		return
	}
	p := a.locate(ctx, s, &tree.Piece{Item: it})
	p.solo = true
	b.places = append(b.places, p)
}

func (a *applying) locate(ctx context.Context, s *sink, piece *tree.Piece) placement {
	at, err := a.opt.DB.Locate(ctx, piece.Digest)
	return placement{at: at, lost: err != nil, digest: piece.Digest, len: piece.Len, off: piece.Off, sink: s}
}

func (n *node) sparse() bool { return n.flags&tree.SparseFile != 0 }

// leaveHole reports whether the piece need not be written: a new file reads as zeros.
func (a *applying) leaveHole(s *sink, piece *tree.Piece) bool {
	if s.patch {
		return false
	}
	return piece.Kind == tree.Hole || piece.Kind == tree.Run && s.n.sparse() && piece.Len >= holeLeast && allZero(piece.Bytes)
}

func allZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// clone begins a big file that has changed as a clone of the live one, where the file system can do that. keep then
// tells which pieces are in place already. That the live file was what Live says is checked before publishing.
func (a *applying) clone(ctx context.Context, get tree.Getter, s *sink) (keep func(*tree.Piece) bool, stop func()) {
	none := func(*tree.Piece) bool { return false }
	n := s.n
	if n.old == nil || n.old.typ != disk.Regular || n.size < cloneLeast || n.sparse() || n.old.sparse() {
		return none, func() {}
	}
	if err := a.cloneLive(s); err != nil {
		return none, func() {}
	}
	s.patch = true
	next, stop := iter.Pull2(tree.Pieces(ctx, get, n.old.entry(), 0))
	var at tree.Piece
	more := true
	return func(p *tree.Piece) bool {
		for more && at.Off+at.Len <= p.Off {
			var err error
			if at, err, more = next(); err != nil {
				more = false
			}
		}
		return more && at.Off == p.Off && at.Len == p.Len && at.Kind == p.Kind && at.Digest == p.Digest && bytes.Equal(at.Bytes, p.Bytes)
	}, stop
}

func (a *applying) cloneLive(s *sink) error {
	d, err := a.live.get(parentOf(s.n.path))
	if err != nil {
		return err
	}
	defer a.live.put(d)
	from, err := d.Open(baseOf(s.n.path))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := a.stage.get(s.n.dir)
	if err != nil {
		return err
	}
	defer a.stage.put(to)
	f, err := to.Create(s.n.name, a.mode(s.n)|0o600)
	if err != nil {
		return err
	}
	if err = disk.Clone(from, f); err == nil {
		err = f.Truncate(s.n.size)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = to.Remove(s.n.name) // it is begun anew
		return err
	}
	s.made = true
	return nil
}

func (a *applying) flushFull(ctx context.Context, b *batch) error {
	if len(b.places)+len(b.locals) < maxPlacements {
		return nil
	}
	return a.flush(ctx, b)
}

// task is a part of a batch for one goroutine.
type task struct {
	pack        pack.ID
	first, last int // blocks
	places      []placement
	locals      []local
}

// flush writes a batch, block by block: each block is read and decoded once, and each of its chunks goes to all
// places that need it.
func (a *applying) flush(ctx context.Context, b *batch) error {
	slices.SortStableFunc(b.places, func(x, y placement) int {
		if x.lost != y.lost {
			if x.lost {
				return 1
			}
			return -1
		}
		return x.at.Compare(y.at)
	})
	tasks := a.split(ctx, b)
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range a.p.opt.Workers {
		g.Go(func() error {
			w := writer{a: a, r: a.opt.DB.NewReader()}
			for i := next.Add(1) - 1; i < int64(len(tasks)); i = next.Add(1) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				w.do(ctx, &tasks[i])
				if err := a.fatal(); err != nil {
					return err
				}
				a.report()
			}
			return nil
		})
	}
	err := g.Wait()
	clear(b.places)
	clear(b.locals)
	b.places, b.locals = b.places[:0], b.locals[:0]
	return err
}

const tasksLocal = 256 // local items, or chunks that are lost, of one task

// split makes tasks of a sorted batch.
func (a *applying) split(ctx context.Context, b *batch) []task {
	var tasks []task
	for part := range slices.Chunk(b.locals, tasksLocal) {
		tasks = append(tasks, task{locals: part})
	}
	r := a.opt.DB.NewReader()
	places := b.places
	for len(places) > 0 {
		n := 1
		id := places[0].at.Pack
		for n < len(places) && places[n].at.Pack == id && places[n].lost == places[0].lost {
			n++
		}
		var blocks []pack.Block // none: each chunk is sought by itself
		if !places[0].lost {
			blocks, _ = r.Directory(ctx, id)
		}
		if blocks == nil {
			for part := range slices.Chunk(places[:n], tasksLocal) {
				tasks = append(tasks, task{last: -1, places: part})
			}
		} else {
			tasks = appendSpans(tasks, id, blocks, places[:n])
		}
		places = places[n:]
	}
	return tasks
}

// appendSpans cuts the placements in one pack into reads.
func appendSpans(tasks []task, id pack.ID, blocks []pack.Block, places []placement) []task {
	end := func(i int) int64 { return blocks[i].Off + int64(blocks[i].Stored) }
	for len(places) > 0 {
		first := int(places[0].at.Block)
		last, n := first, 1
		if first >= len(blocks) {
			return append(tasks, task{last: -1, places: places})
		}
		for ; n < len(places); n++ {
			b := int(places[n].at.Block)
			if b >= len(blocks) || b != last && (end(b)-blocks[first].Off > maxSpan || blocks[b].Off-end(last) > maxGap) {
				break
			}
			last = b
		}
		tasks = append(tasks, task{pack: id, first: first, last: last, places: places[:n]})
		places = places[n:]
	}
	return tasks
}

// writer is one goroutine's part of a batch.
type writer struct {
	a    *applying
	r    *object.Reader
	buf  []byte
	fill []byte
}

func (w *writer) do(ctx context.Context, t *task) {
	for i := range t.locals {
		w.local(ctx, &t.locals[i])
	}
	places := t.places
	if len(places) == 0 {
		return
	}
	var span *object.Span
	if t.last >= 0 {
		// An error shows again, with its chunk, when the chunk is sought alone.
		span, _ = w.r.Span(ctx, t.pack, t.first, t.last)
	}
	for len(places) > 0 {
		n := 1
		for n < len(places) && places[n].at.Block == places[0].at.Block {
			n++
		}
		w.block(ctx, span, places[:n])
		places = places[n:]
	}
}

// block writes the chunks that lie in one block. Without the block each is got by itself, from any copy there is.
func (w *writer) block(ctx context.Context, span *object.Span, places []placement) {
	var entries []pack.Entry
	var raw []byte
	if span != nil {
		var err error
		if entries, raw, err = span.Block(int(places[0].at.Block)); err != nil {
			entries, raw = nil, nil
		}
	}
	for len(places) > 0 {
		n := 1
		for n < len(places) && places[n].digest == places[0].digest {
			n++
		}
		w.chunk(ctx, entries, raw, places[:n])
		places = places[n:]
	}
}

// chunk writes one chunk to all places.
func (w *writer) chunk(ctx context.Context, entries []pack.Entry, raw []byte, places []placement) {
	p := &places[0]
	err := error(object.ErrMissing)
	if at := int(p.at.Place); at < len(entries) && entries[at].Digest == p.digest {
		w.buf, err = w.r.Plain(ctx, &entries[at], raw, w.buf[:0])
	}
	if err != nil {
		w.buf, err = w.r.Get(ctx, p.digest, w.buf[:0])
	}
	for i := range places {
		p := &places[i]
		switch {
		case err != nil:
			p.sink.fail(err)
		case int64(len(w.buf)) != p.len:
			p.sink.fail(fmt.Errorf("chunk %s: %w", p.digest, ErrSize))
		}
		if p.solo {
			w.a.writeWhole(p.sink, w.buf)
		} else {
			w.a.write(p.sink, p.off, w.buf)
		}
	}
}

func (w *writer) local(ctx context.Context, l *local) {
	switch {
	case l.whole:
		w.a.writeWhole(l.sink, l.Bytes)
	case l.Kind == tree.Literal:
		w.a.write(l.sink, l.Off, l.Bytes)
	default:
		w.run(ctx, l)
	}
}

// run writes a pattern over and over, or zeros for a hole.
func (w *writer) run(ctx context.Context, l *local) {
	if w.fill == nil {
		w.fill = make([]byte, runBuffer)
	}
	clear(w.fill)
	if l.Kind == tree.Run {
		for n := copy(w.fill, l.Bytes); n < len(w.fill); n *= 2 {
			copy(w.fill[n:], w.fill[:n])
		}
	}
	for done := int64(0); done < l.Len; {
		part := w.fill[:min(int64(len(w.fill)), l.Len-done)]
		l.sink.left.Add(1)
		w.a.write(l.sink, l.Off+done, part)
		done += int64(len(part))
		if err := ctx.Err(); err != nil {
			l.sink.fail(err)
		}
		if l.sink.failed() != nil {
			break
		}
	}
	w.a.release(l.sink)
}
