package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"varve/internal/digest"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
)

const maxSpan = 4 << 20 // stored bytes of one read

// place is a wanted chunk and where it lies.
type place struct {
	at     object.Location
	digest digest.Digest
}

// fetch reads what is wanted, pack by pack and each block once, and stores what is not there. What is stored whole
// comes before what is made from it.
func (t *transfer) fetch() error {
	var whole, deltas []place
	for _, d := range t.wanted {
		at, err := t.From.Locate(t.ctx, d)
		if err != nil {
			return err
		}
		if at.Delta {
			deltas = append(deltas, place{at, d})
		} else {
			whole = append(whole, place{at, d})
		}
	}
	for _, places := range [][]place{whole, deltas} {
		if err := t.fetchAll(places); err != nil {
			return err
		}
	}
	return nil
}

func (t *transfer) fetchAll(places []place) error {
	slices.SortFunc(places, func(a, b place) int { return a.at.Compare(b.at) })
	tasks, err := t.split(places)
	if err != nil {
		return err
	}
	var next atomic.Int64
	g, ctx := errgroup.WithContext(t.ctx)
	for range min(t.Workers, len(tasks)) {
		g.Go(func() error {
			f := &fetcher{t: t, ctx: ctx, r: t.From.NewReader(), w: t.s.Writer(seal.Fast)}
			for i := next.Add(1) - 1; i < int64(len(tasks)); i = next.Add(1) - 1 {
				if err := errors.Join(f.span(tasks[i]), t.s.Beat(ctx)); err != nil {
					return err
				}
			}
			return f.w.Flush()
		})
	}
	return g.Wait()
}

// split cuts places in order into runs that one read serves.
func (t *transfer) split(places []place) ([][]place, error) {
	r := t.From.NewReader()
	var out [][]place
	var blocks []pack.Block
	var end int64
	for i, p := range places {
		if i == 0 || p.at.Pack != places[i-1].at.Pack {
			var err error
			if blocks, err = r.Directory(t.ctx, p.at.Pack); err != nil && t.ctx.Err() != nil {
				return nil, err
			}
			end = 0
		}
		if int(p.at.Block) >= len(blocks) { // the pack cannot be read: each chunk may be had from elsewhere
			out, end = append(out, places[i:i+1]), 0
			continue
		}
		b := &blocks[p.at.Block]
		if end == 0 || b.Off+int64(b.Stored) > end {
			out, end = append(out, nil), b.Off+maxSpan
		}
		out[len(out)-1] = append(out[len(out)-1], p)
	}
	return out, nil
}

// fetcher is one goroutine's part.
type fetcher struct {
	t     *transfer
	ctx   context.Context
	r     *object.Reader
	w     *object.Writer
	plain []byte
}

// span serves places in blocks that are read at once.
func (f *fetcher) span(places []place) error {
	first, last := places[0].at, places[len(places)-1].at
	span, err := f.r.Span(f.ctx, first.Pack, int(first.Block), int(last.Block))
	if err != nil {
		return f.singly(places)
	}
	for len(places) > 0 {
		n := places[0].at.Block
		end := slices.IndexFunc(places, func(p place) bool { return p.at.Block != n })
		if end < 0 {
			end = len(places)
		}
		if err := f.block(span, int(n), places[:end]); err != nil {
			return err
		}
		places = places[end:]
	}
	return nil
}

// block serves places in one block.
func (f *fetcher) block(span *object.Span, n int, places []place) error {
	entries, raw, err := span.Block(n)
	if err != nil {
		return f.singly(places)
	}
	var lacking []pack.Entry
	var plain int64
	for i, p := range places {
		e, err := f.entry(entries, raw, p)
		if err != nil {
			if err := f.singly(places[i : i+1]); err != nil {
				return err
			}
			continue
		}
		plain += int64(e.Plain)
		have, err := f.w.Has(f.ctx, e.Digest)
		if err == nil && !have && len(e.Bases) > 0 {
			have, err = f.delta(&e)
		}
		if err != nil {
			return err
		}
		if !have {
			lacking = append(lacking, e)
		}
	}
	if f.t.Progress != nil {
		f.t.Progress(plain)
	}
	return f.w.Take(span, n, lacking)
}

var errOther = errors.New("another object's digest begins alike")

// entry returns the entry of a place under the name that it has there, and leaves its bytes in f.plain.
func (f *fetcher) entry(entries []pack.Entry, raw []byte, p place) (e pack.Entry, err error) {
	if int(p.at.Place) >= len(entries) || entries[p.at.Place].Digest != p.digest {
		return e, errOther
	}
	e = entries[p.at.Place]
	if f.plain, err = f.r.Plain(f.ctx, &e, raw, f.plain[:0]); err == nil {
		e.Digest = f.name(p.digest, f.plain)
	}
	return e, err
}

// delta names the bases of a delta as they are named there. Where not all are there, and whole, it stores the chunk
// whole, and says so.
func (f *fetcher) delta(e *pack.Entry) (stored bool, err error) {
	bases := make([]digest.Digest, len(e.Bases))
	f.t.mu.Lock()
	for i, d := range e.Bases {
		if bases[i] = f.t.chunks[d]; bases[i].IsZero() {
			bases[i] = f.t.known[d]
		}
		if f.t.deltas[bases[i]] {
			bases[i] = digest.Digest{}
		}
	}
	f.t.mu.Unlock()
	for _, d := range bases {
		whole := false
		if !d.IsZero() {
			whole, err = f.w.HasWhole(f.ctx, d)
		}
		if err != nil || !whole {
			return true, errors.Join(err, f.w.Store(object.Content, e.Digest, f.plain))
		}
	}
	f.t.mu.Lock()
	f.t.deltas[e.Digest] = true
	f.t.mu.Unlock()
	e.Bases = bases
	return false, nil
}

// singly serves places one by one, from wherever their chunks can be had.
func (f *fetcher) singly(places []place) error {
	for _, p := range places {
		var err error
		if f.plain, err = f.r.Get(f.ctx, p.digest, f.plain[:0]); err != nil {
			return fmt.Errorf("read from the vault that is copied: %w", err)
		}
		there := f.name(p.digest, f.plain)
		have, err := f.w.Has(f.ctx, there)
		if err == nil && !have {
			err = f.w.Store(object.Content, there, f.plain)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// name notes what a chunk is named there.
func (f *fetcher) name(d digest.Digest, plain []byte) digest.Digest {
	there := f.w.Sum(plain)
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	f.t.chunks[d] = there
	return there
}
