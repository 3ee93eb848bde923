package capture

import (
	"context"
	"fmt"
	"io"
	"sync"

	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/scan"
	"varve/internal/tree"
)

// A large file is read as a stream of buffers. One goroutine reads and cuts; the SHA-256 runs beside it;
// digests, and the compression of new chunks of files that have no last version, run on whatever worker is
// free. The chunks of a changed file are then resolved in their order, because a run of new chunks is
// coded against what stood in its place.
const (
	bufferSize   = 4 << 20
	largeBuffers = 6 // per capture; each may hold a carried chunk too
)

// segment is a buffer that was cut.
type segment struct {
	off    int64 // of buf in the file
	buf    []byte
	pieces []chunk.Piece
	items  []tree.Item
	fresh  []bool // by item: the vault does not have it and the task did not store it
	err    error
	done   chan struct{}
	users  sync.WaitGroup // readers of buf
}

// large reads a large file.
func (k *worker) large(wk *scan.Walker, f *scan.Folder, st *folder, i int) error {
	return k.settleFile(f, st, i, func(f *scan.Folder, st *folder, i int, t *tree.Entry) (outcome, error) {
		s, err := k.open(f, f.Entries[i].Name)
		if err != nil {
			return failed, err
		}
		defer s.f.Close()
		return k.streamWith(wk, f, st, i, t, &s)
	})
}

func (k *worker) stream(f *scan.Folder, st *folder, i int, t *tree.Entry, s *source) (outcome, error) {
	return k.streamWith(nil, f, st, i, t, s)
}

// streamWith captures an open file of any size. Without a walker all work is done here.
func (k *worker) streamWith(wk *scan.Walker, f *scan.Folder, st *folder, i int, t *tree.Entry, s *source) (outcome, error) {
	name := f.Entries[i].Name
	if err := k.fill(f, name, t, s); err != nil {
		return failed, err
	}
	if a, ok := s.f.(disk.Adviser); ok {
		a.WillRead(0, 0)
	}
	old := st.find(name)
	r := &reading{k: k, wk: wk, f: f, name: name, old: old, stream: streamOf(name)}
	r.class = k.class(old, t)
	first, err := r.run(s, t)
	if err != nil {
		return failed, err
	}
	if !s.still(f, name) {
		return failed, errChanging
	}
	if !s.quiet && !s.frozen {
		second, err := k.sumAgain(s)
		if err != nil {
			return failed, err
		}
		if second != first || !s.still(f, name) {
			return failed, errChanging
		}
	}
	return k.judge(s, old, t, s.f)
}

// sumAgain digests the file a second time, to see whether it holds still.
func (k *worker) sumAgain(s *source) (digest.Digest, error) {
	h := digest.NewHasher(digest.Key{})
	buf := make([]byte, 1<<20)
	_, err := io.CopyBuffer(h, io.NewSectionReader(s.f, 0, s.info.Size), buf)
	return h.Now(), err
}

// reading is one pass over a large file.
type reading struct {
	k      *worker
	wk     *scan.Walker
	f      *scan.Folder
	name   string
	old    *tree.Entry
	class  chunk.Class
	stream object.Stream
	again  *digest.Hasher // of all bytes, where they will be compared with a second reading
	sha    chan *segment
	queue  []*segment
	delta  *anchored
	layout *layout
	former *former
}

func (r *reading) run(s *source, t *tree.Entry) (digest.Digest, error) {
	k := r.k
	k.startRecipe(r.class)
	if !s.quiet && !s.frozen {
		r.again = digest.NewHasher(digest.Key{})
	}
	if r.old != nil && r.old.Type == disk.Regular && r.old.Size > inlineMax && !k.w.Drafts() {
		r.delta = newAnchored(k, r)
	}
	var summed chan struct{}
	if k.c.opt.SHA256 {
		r.sha, summed = make(chan *segment, largeBuffers), make(chan struct{})
		k.sha.Reset()
		go func() {
			defer close(summed)
			for g := range r.sha {
				k.sha.Write(g.buf)
				g.users.Done()
			}
		}()
	}
	err := r.readExtents(s)
	if r.sha != nil {
		close(r.sha)
		<-summed
	}
	if derr := r.drain(0); err == nil {
		err = derr
	}
	if err == nil && r.delta != nil {
		err = r.delta.flush(nil)
	}
	if err != nil {
		return digest.Digest{}, err
	}
	if k.c.opt.SHA256 {
		k.sha.Sum(t.SHA256[:0])
		t.Flags |= tree.HasSHA256
	}
	if err := k.recipeDone(t); err != nil {
		return digest.Digest{}, vaultError{err}
	}
	if r.again != nil {
		return r.again.Now(), nil
	}
	return digest.Digest{}, nil
}

// readExtents reads the data of the file and notes its holes.
func (r *reading) readExtents(s *source) error {
	extents := []disk.Extent{{Off: 0, Len: s.info.Size}}
	if s.info.Allocated >= 0 && s.info.Allocated < s.info.Size {
		if sp, ok := s.f.(disk.Sparse); ok {
			if e, err := sp.Extents(); err == nil {
				extents = e
			}
		}
	}
	at := int64(0)
	for _, e := range extents {
		if e.Off >= s.info.Size {
			break
		}
		if err := r.hole(e.Off - at); err != nil {
			return err
		}
		n := min(e.Len, s.info.Size-e.Off)
		if err := r.readExtent(s, e.Off, n); err != nil {
			return err
		}
		at = e.Off + n
	}
	return r.hole(s.info.Size - at)
}

// hole adds n bytes that take no room. The digests see them as zeros.
func (r *reading) hole(n int64) error {
	if n <= 0 {
		return nil
	}
	zeros := make([]byte, min(n, 1<<20))
	if r.sha != nil || r.again != nil {
		for left := n; left > 0; left -= int64(len(zeros)) {
			z := zeros[:min(left, int64(len(zeros)))]
			if r.again != nil {
				r.again.Write(z)
			}
			if r.sha != nil {
				g := &segment{buf: z}
				g.users.Add(1)
				r.sha <- g
			}
			if err := r.k.c.ctx.Err(); err != nil {
				return context.Cause(r.k.c.ctx)
			}
		}
	}
	g := &segment{items: []tree.Item{{Kind: tree.Hole, Len: n}}, fresh: []bool{false}, done: make(chan struct{})}
	close(g.done)
	r.queue = append(r.queue, g)
	return r.drain(largeBuffers - 2)
}

func (r *reading) readExtent(s *source, off, n int64) error {
	k := r.k
	if off == 0 && n == s.info.Size { // of files with holes no regions are asked for
		if r.layout = k.layout(r.name, s.f, n, r.class); r.layout.typed() {
			r.former = k.formerOf(r.old, n, r.layout, r.class)
		}
	}
	k.cut.Reset(r.class, r.layout.cuts())
	var carry []byte
	for n > 0 || len(carry) > 0 {
		if err := k.c.ctx.Err(); err != nil {
			return context.Cause(k.c.ctx)
		}
		buf, err := r.buffer(len(carry) + bufferSize)
		if err != nil {
			return err
		}
		buf = append(buf[:0], carry...)
		want := min(n, bufferSize)
		m, err := s.f.ReadAt(buf[len(buf):len(buf)+int(want)], off)
		if err != nil && err != io.EOF {
			return err
		}
		if int64(m) < want { // it shrank: the end is the end, and the second look will tell
			n = int64(m)
		}
		buf = buf[:len(carry)+m]
		off, n = off+int64(m), n-int64(m)
		g := &segment{off: off - int64(len(buf)), done: make(chan struct{})}
		var used int
		g.pieces, used = k.cut.Feed(nil, buf, n == 0)
		g.buf = buf[:used]
		carry = append(carry[:0], buf[used:]...)
		if n == 0 && used < len(buf) {
			return fmt.Errorf("cut: %d bytes left at the end", len(carry))
		}
		if err := r.submit(g); err != nil {
			return err
		}
	}
	return nil
}

// buffer returns a free buffer, or a new one while there may be more. It settles segments to free some.
func (r *reading) buffer(n int) ([]byte, error) {
	if err := r.drain(largeBuffers - 2); err != nil {
		return nil, err
	}
	select {
	case b := <-r.k.c.buffers:
		if cap(b) >= n {
			return b, nil
		}
	default:
	}
	return make([]byte, 0, max(n, bufferSize+512<<10)), nil
}

// submit hands a segment to the digest tasks and to the SHA-256.
func (r *reading) submit(g *segment) error {
	if r.sha != nil {
		g.users.Add(1)
		r.sha <- g
	}
	if r.again != nil {
		r.again.Write(g.buf)
	}
	r.k.c.readSize.Add(int64(len(g.buf)))
	r.k.c.tell()
	r.queue = append(r.queue, g)
	task := func(k *worker) {
		g.err = k.digestSegment(g, r)
		close(g.done)
	}
	if r.wk == nil {
		task(r.k)
		return nil
	}
	r.wk.Spawn(func(wk *scan.Walker) { task(r.k.c.workers[wk.Worker]) })
	return nil
}

// digestSegment names the chunks of a segment and stores those that are new, except where a window delta
// needs their neighbours first.
func (k *worker) digestSegment(g *segment, r *reading) error {
	g.items, g.fresh = make([]tree.Item, 0, len(g.pieces)), make([]bool, len(g.pieces))
	for i, p := range g.pieces {
		data := g.buf[p.Off : p.Off+p.Len]
		it, err := k.item(p.Kind, data)
		if err != nil {
			return err
		}
		g.items = append(g.items, it)
		if p.Kind != chunk.Data {
			continue
		}
		have, err := k.w.Has(k.c.ctx, it.Digest)
		if err != nil {
			return err
		}
		if have {
			continue
		}
		off := g.off + int64(p.Off)
		switch width := r.layout.width(off, p.Len); {
		case width > 1:
			err = k.storeTyped(width, it.Digest, data, off, r.former)
		case r.delta == nil:
			err = k.w.Store(r.stream, it.Digest, data)
		default:
			g.fresh[i] = true
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// drain settles segments, oldest first, until at most left are under way.
func (r *reading) drain(left int) error {
	for len(r.queue) > left {
		g := r.queue[0]
		if err := r.await(g); err != nil {
			return err
		}
		r.queue = r.queue[1:]
		if err := r.settle(g); err != nil {
			return vaultError{err}
		}
		g.users.Wait()
		select {
		case r.k.c.buffers <- g.buf[:0]:
		default:
		}
	}
	return nil
}

// await waits for a segment's digests, working on the walk's other tasks meanwhile: it may be that no
// other goroutine is free to.
func (r *reading) await(g *segment) error {
	for {
		select {
		case <-g.done:
			if g.err != nil {
				return vaultError{g.err}
			}
			return nil
		case <-r.k.c.ctx.Done():
			return context.Cause(r.k.c.ctx)
		default:
		}
		if !r.wk.Help() {
			select {
			case <-g.done:
			case <-r.k.c.ctx.Done():
			}
		}
	}
}

// settle adds a segment's items to the recipe and stores what its task has not.
func (r *reading) settle(g *segment) error {
	for i := range g.items {
		it := &g.items[i]
		if r.delta != nil && it.Kind == tree.Chunk {
			var data []byte
			if g.fresh[i] {
				p := g.pieces[i]
				data = g.buf[p.Off : p.Off+p.Len]
			}
			if err := r.delta.add(it.Digest, data); err != nil {
				return err
			}
		}
		if err := r.k.add(it); err != nil {
			return err
		}
	}
	return nil
}
