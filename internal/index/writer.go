package index

import (
	"cmp"
	"encoding/binary"
	"slices"

	"varve/internal/digest"
)

// A Writer collects the rows of a new segment. The zero Writer is ready for use; it is not safe for concurrent use.
type Writer struct {
	packs    []PackInfo
	number   map[PackInfo]uint32
	rows     []entry
	replaces []SegmentID
}

// An entry is a row whose pack is the number AddPack gave.
type entry struct {
	key
	pack, block uint32
	place       uint16
	flags       Flags
}

// AddPack makes a pack known and returns the number by which Add refers to it; adding it again returns the same.
// A pack without rows is written too.
func (w *Writer) AddPack(p PackInfo) uint32 {
	if n, ok := w.number[p]; ok {
		return n
	}
	if p.Size < 0 {
		panic("index: pack of negative size")
	}
	if w.number == nil {
		w.number = make(map[PackInfo]uint32)
	}
	n := uint32(len(w.packs))
	w.packs = append(w.packs, p)
	w.number[p] = n
	return n
}

// Add adds the row that d is in the given place. It panics if AddPack has not returned that pack.
func (w *Writer) Add(d digest.Digest, pack, block uint32, place uint16, flags Flags) {
	if uint64(pack) >= uint64(len(w.packs)) {
		panic("index: row of a pack that was not added")
	}
	w.rows = append(w.rows, entry{keyOf(d[:]), pack, block, place, flags})
}

// Replace notes that the new segment holds all that is worth keeping of the named ones. Name also those that a
// replaced segment stood for itself, as long as they are still about.
func (w *Writer) Replace(ids ...SegmentID) { w.replaces = append(w.replaces, ids...) }

// Len is the number of rows added, repeats counted.
func (w *Writer) Len() int { return len(w.rows) }

// Encode returns the segment. Equal sets of rows, packs and replaced segments make equal bytes, however they were
// added; rows added twice appear once. The Writer can be used further.
func (w *Writer) Encode() []byte {
	packs := slices.SortedFunc(slices.Values(w.packs), comparePacks)
	position := make([]uint32, len(packs))
	for i, p := range packs {
		position[w.number[p]] = uint32(i)
	}
	slices.SortFunc(w.rows, func(a, b entry) int {
		if a.hi != b.hi {
			return cmp.Compare(a.hi, b.hi)
		}
		return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(position[a.pack], position[b.pack]),
			cmp.Compare(a.block, b.block), cmp.Compare(a.place, b.place), cmp.Compare(a.flags, b.flags))
	})
	w.rows = slices.Compact(w.rows)
	e := begin(w.replaces, packs, len(w.rows))
	for i := range w.rows {
		e.out = w.rows[i].append(e.out, position)
	}
	return e.finish()
}

// append appends the row, whose pack has the given position in the segment.
func (r *entry) append(b []byte, position []uint32) []byte {
	b = binary.BigEndian.AppendUint64(b, r.hi)
	b = binary.BigEndian.AppendUint64(b, r.lo)
	b = binary.LittleEndian.AppendUint32(b, position[r.pack])
	b = binary.LittleEndian.AppendUint32(b, r.block)
	b = binary.LittleEndian.AppendUint16(b, r.place)
	return append(b, byte(r.flags), 0)
}
