package object

import (
	"container/list"
	"context"
	"sync"

	"varve/store"
)

// ranges keeps the sealed ranges of packs that were read last from a distant store, for all Readers. What several of
// them want at once is asked for once.
type ranges struct {
	store store.Store

	mu   sync.Mutex
	by   map[rangeKey]*list.Element
	lru  list.List // of *rangeRead, the last used first
	held int64     // bytes
}

type rangeKey struct {
	name   string
	off, n int64
}

type rangeRead struct {
	key  rangeKey
	done chan struct{} // closed when the others are set
	b    []byte
	err  error
}

// rangesHeld bounds the bytes that are kept.
const rangesHeld = 32 << 20

func (r *ranges) init(s store.Store) {
	r.store, r.by = s, map[rangeKey]*list.Element{}
	r.lru.Init()
}

// get appends a range to dst.
func (r *ranges) get(ctx context.Context, k rangeKey, dst []byte) ([]byte, error) {
	for {
		read, first := r.begin(k)
		if first {
			read.b, read.err = r.store.Get(ctx, k.name, k.off, k.n, nil)
			r.end(read)
		}
		select {
		case <-read.done:
		case <-ctx.Done():
			return dst, ctx.Err()
		}
		switch {
		case read.err == nil:
			return append(dst, read.b...), nil
		case first:
			return dst, read.err
		}
		// It failed for somebody else, who may just have given up.
	}
}

// begin returns the read of a range, and whether it is the caller's to do.
func (r *ranges) begin(k rangeKey) (read *rangeRead, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.by[k]; ok {
		r.lru.MoveToFront(e)
		return e.Value.(*rangeRead), false
	}
	read = &rangeRead{key: k, done: make(chan struct{})}
	r.by[k] = r.lru.PushFront(read)
	return read, true
}

// end keeps what was read, or forgets what was not, and what was used longest ago.
func (r *ranges) end(read *rangeRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(read.done)
	r.held += int64(len(read.b))
	if read.err != nil {
		r.forget(read)
	}
	for e := r.lru.Back(); e != nil && r.held > rangesHeld; {
		old := e.Value.(*rangeRead)
		e = e.Prev()
		select {
		case <-old.done:
			r.forget(old)
		default: // under way
		}
	}
}

func (r *ranges) forget(read *rangeRead) {
	r.lru.Remove(r.by[read.key])
	delete(r.by, read.key)
	r.held -= int64(len(read.b))
}
