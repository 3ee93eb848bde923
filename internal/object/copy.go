package object

import (
	"context"

	"varve/internal/pack"
	"varve/internal/seal"
)

// CopyPack stores the objects of a pack for which keep is true again, in new packs of the session, whether or not
// the vault has them: the pack is to be deleted.
func (w *Writer) CopyPack(ctx context.Context, r *Reader, id pack.ID, keep func(block uint32, place uint16) bool) error {
	pk, err := r.db.packs.get(ctx, id, -1)
	if err != nil {
		return err
	}
	for n := range pk.Blocks {
		bl := &pk.Blocks[n]
		var kept []pack.Entry
		for i := range bl.Entries {
			if keep(uint32(n), uint16(i)) {
				kept = append(kept, bl.Entries[i])
			}
		}
		if len(kept) == 0 {
			continue
		}
		span, err := r.Span(ctx, id, n, n)
		if err != nil {
			return err
		}
		if err := w.Take(span, n, kept); err != nil {
			return err
		}
	}
	return nil
}

// Take stores entries of block n of a span, in the order in which they are there, but for those that the session has
// stored. The span may be of another vault: the entries then have the names that they have in this one. A block of
// which all is taken goes over as it is compressed; it was authenticated when it was read.
func (w *Writer) Take(span *Span, n int, entries []pack.Entry) error {
	var own []pack.Entry
	for i := range entries {
		if w.s.live.Claim(entries[i].Digest) {
			own = append(own, entries[i])
		}
	}
	if len(own) == 0 {
		return nil
	}
	kind, bl := span.pk.Header.Kind, &span.pk.Blocks[n]
	if len(own) == len(bl.Entries) {
		return w.s.add(kind, bl.Codec, span.block(n), int(bl.Raw), own)
	}
	_, raw, err := span.Block(n)
	if err != nil {
		return err
	}
	for _, e := range own {
		payload := raw[e.Off : e.Off+e.Len]
		if err := w.append(streamFor(kind, bl.Codec, span.block(n), &e, payload), payload, e); err != nil {
			return err
		}
	}
	return nil
}

// streamFor returns the stream for an entry of a block that is stored again: of what kind of file it was is not
// known any more.
func streamFor(kind pack.Kind, codec seal.Codec, stored []byte, e *pack.Entry, payload []byte) Stream {
	wide := func(width byte, narrow Stream) Stream {
		if width == 4 {
			return narrow + 1
		}
		return narrow
	}
	switch {
	case kind == pack.Meta:
		return Pages
	case e.Difference:
		return wide(payload[0], Diff2)
	case len(e.Bases) > 0:
		return Delta
	case codec == seal.Planes:
		return wide(stored[0]&15, Typed2)
	case codec == seal.Raw:
		return Dense
	}
	return Content
}
