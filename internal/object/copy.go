package object

import (
	"context"

	"varve/internal/pack"
	"varve/internal/seal"
)

// CopyPack stores the objects of a pack for which keep is true again, in new packs of the session, whether or not
// the vault has them: the pack is to be deleted. Blocks that are kept whole are copied as they are; they were
// authenticated when they were read.
func (w *Writer) CopyPack(ctx context.Context, r *Reader, id pack.ID, keep func(block uint32, place uint16) bool) error {
	pk, err := r.db.packs.get(ctx, id, -1)
	if err != nil {
		return err
	}
	for n := range pk.Blocks {
		bl := &pk.Blocks[n]
		var kept []pack.Entry
		for i := range bl.Entries {
			if keep(uint32(n), uint16(i)) && w.s.live.Claim(bl.Entries[i].Digest) {
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
		if len(kept) == len(bl.Entries) {
			err = w.s.add(pk.Header.Kind, bl.Codec, span.stored, int(bl.Raw), kept)
		} else {
			err = w.copySome(span, pk.Header.Kind, bl.Codec, n, kept)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copySome stores some entries of a block again, in the order in which they are there.
func (w *Writer) copySome(span *Span, kind pack.Kind, codec seal.Codec, n int, kept []pack.Entry) error {
	_, raw, err := span.Block(n)
	if err != nil {
		return err
	}
	for _, e := range kept {
		payload := raw[e.Off : e.Off+e.Len]
		if err := w.append(streamFor(kind, codec, span.stored, &e, payload), payload, e); err != nil {
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
