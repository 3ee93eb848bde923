package capture

import (
	"varve/internal/digest"
	"varve/internal/tree"
)

// anchored codes the new chunks of a large changed file as window deltas. Between two chunks that both
// versions have (anchors) stands a run of new chunks where a run of old ones stood: the old run is the
// window of the new one.
type anchored struct {
	k       *worker
	r       *reading
	old     []digest.Digest       // chunks of the last version, in order
	sizes   []int64               // and their lengths
	at      map[digest.Digest]int // first place of each in old
	last    int                   // place of the last anchor; -1 before the first
	pending []fresh
	bytes   int
}

type fresh struct {
	d    digest.Digest
	data []byte
}

// pendingMax bounds the new bytes that wait for their second anchor.
const pendingMax = 8 << 20

func newAnchored(k *worker, r *reading) *anchored {
	a := &anchored{k: k, r: r, at: map[digest.Digest]int{}, last: -1}
	for it, err := range tree.Items(k.c.ctx, k.get, r.old) {
		if err != nil {
			return nil
		}
		if it.Kind != tree.Chunk {
			continue
		}
		if _, ok := a.at[it.Digest]; !ok {
			a.at[it.Digest] = len(a.old)
		}
		a.old = append(a.old, it.Digest)
		a.sizes = append(a.sizes, it.Len)
	}
	return a
}

// add takes the next chunk; data is nil if the vault has it.
func (a *anchored) add(d digest.Digest, data []byte) error {
	if data != nil {
		if a.bytes+len(data) > pendingMax {
			if err := a.flush(nil); err != nil {
				return err
			}
		}
		a.pending = append(a.pending, fresh{d, append([]byte(nil), data...)})
		a.bytes += len(data)
		return nil
	}
	i, anchor := a.place(d)
	if !anchor {
		return nil
	}
	if err := a.flush(&i); err != nil {
		return err
	}
	a.last = i
	return nil
}

// place finds a chunk in the last version: a little further on if it is there, for equal chunks may stand
// in many places, or where it first stood.
func (a *anchored) place(d digest.Digest) (int, bool) {
	for i := a.last + 1; i < min(a.last+nearby, len(a.old)); i++ {
		if a.old[i] == d {
			return i, true
		}
	}
	i, ok := a.at[d]
	return i, ok
}

// nearby is how many chunks further on an anchor is looked for first.
const nearby = 64

// flush stores the pending chunks against the old chunks up to the anchor, or against as many bytes as
// are pending, and some more, if there is none.
func (a *anchored) flush(anchor *int) error {
	if len(a.pending) == 0 {
		return nil
	}
	from := a.last + 1
	var window []digest.Digest
	total, limit := int64(0), int64(a.bytes)+4<<20
	for i := from; i < len(a.old) && total < limit && (anchor == nil || i < *anchor); i++ {
		window = append(window, a.old[i])
		total += a.sizes[i]
	}
	bases, err := a.k.loadBases(window)
	if err != nil {
		return err
	}
	if anchor == nil {
		a.last += len(window) // the next pending chunks stand further on
	}
	for _, p := range a.pending {
		done, err := a.k.storeDelta(p.d, p.data, bases)
		if err != nil {
			return err
		}
		if !done {
			if err := a.k.w.Store(a.r.stream, p.d, p.data); err != nil {
				return err
			}
		}
	}
	a.pending, a.bytes = a.pending[:0], 0
	return nil
}
