package index

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// dropped is the new number of a pack whose rows are left out.
const dropped = math.MaxUint32

// Merge returns one segment with the rows of all the given ones, except those in packs for which drop, which may
// be nil, is true; such packs are not listed either. It notes the names in replaces as a Writer does. The order of
// the segments does not matter. Segments are read once, in order, and must be sound: the error wraps ErrDamaged.
func Merge(segments []*Segment, drop func(PackID) bool, replaces ...SegmentID) ([]byte, error) {
	e, err := mergeRows(segments, drop, replaces)
	if err != nil {
		return nil, err
	}
	return e.finish(), nil
}

// mergeRows does all of Merge but the filter.
func mergeRows(segments []*Segment, drop func(PackID) bool, replaces []SegmentID) (*encoder, error) {
	rows := 0
	for i, s := range segments {
		if err := cmp.Or(s.checkSum(), s.checkNames()); err != nil {
			return nil, fmt.Errorf("merge index segment %d: %w", i, err)
		}
		rows += s.Len()
	}
	packs, numbers := mergePacks(segments, drop)
	e := begin(replaces, packs, rows)
	var h runHeap
	for i, s := range segments {
		r := run{segment: i, rows: s.rows, at: -rowSize, packs: numbers[i]}
		if err := h.add(r); err != nil {
			return nil, err
		}
	}
	return e, h.drain(e)
}

// mergePacks returns the packs that are kept, in order, and for each segment the new numbers of its packs.
func mergePacks(segments []*Segment, drop func(PackID) bool) ([]PackInfo, [][]uint32) {
	var all []PackInfo
	old := make([][]PackInfo, len(segments))
	for i, s := range segments {
		old[i] = s.Packs()
		all = append(all, old[i]...)
	}
	slices.SortFunc(all, comparePacks)
	all = slices.Compact(all)
	if drop != nil {
		all = slices.DeleteFunc(all, func(p PackInfo) bool { return drop(p.ID) })
	}
	numbers := make([][]uint32, len(segments))
	for i := range old {
		numbers[i] = make([]uint32, len(old[i]))
		for j, p := range old[i] {
			numbers[i][j] = dropped
			if n, ok := slices.BinarySearchFunc(all, p, comparePacks); ok {
				numbers[i][j] = uint32(n)
			}
		}
	}
	return all, numbers
}

// A run is what is left to merge of one segment.
type run struct {
	segment int
	rows    []byte
	at      int      // where the current row starts in rows
	packs   []uint32 // new number of each pack
	pack    uint32   // new number of the current row's
}

func (r *run) row() []byte { return r.rows[r.at : r.at+rowSize] }

// next goes on to the next row that is kept, if there is one. Rows must ascend.
func (r *run) next() (hi uint64, ok bool, err error) {
	for r.at+rowSize < len(r.rows) {
		r.at += rowSize
		b := r.row()
		hi = binary.BigEndian.Uint64(b)
		if r.at > 0 {
			if last := r.rows[r.at-rowSize : r.at]; hi <= binary.BigEndian.Uint64(last) && !ascend(last, b) {
				return 0, false, fmt.Errorf("merge index segment %d: order row %d: %w", r.segment, r.at/rowSize, ErrDamaged)
			}
		}
		pack := binary.LittleEndian.Uint32(b[16:])
		if uint64(pack) >= uint64(len(r.packs)) || b[rowSize-1] != 0 {
			return 0, false, fmt.Errorf("merge index segment %d: read row %d: %w", r.segment, r.at/rowSize, ErrDamaged)
		}
		if r.pack = r.packs[pack]; r.pack != dropped {
			return hi, true, nil
		}
	}
	return 0, false, nil
}

func ascend(a, b []byte) bool {
	x, y := rowFrom(a), rowFrom(b)
	return x.compare(&y) < 0
}

// A runHeap is a heap of the runs that have a row, lowest row first.
type runHeap struct {
	runs  []run
	heads []runHead
}

// A runHead holds the key of its run's row, so that most comparisons stay in the heap.
type runHead struct {
	hi  uint64
	run int
}

func (h *runHeap) less(a, b runHead) bool {
	return a.hi < b.hi || a.hi == b.hi && h.tieLess(a.run, b.run)
}

func (h *runHeap) tieLess(a, b int) bool {
	x, y := rowFrom(h.runs[a].row()), rowFrom(h.runs[b].row())
	x.Pack, y.Pack = h.runs[a].pack, h.runs[b].pack
	return x.compare(&y) < 0
}

func (h *runHeap) add(r run) error {
	hi, ok, err := r.next()
	if err != nil || !ok {
		return err
	}
	h.runs = append(h.runs, r)
	h.heads = append(h.heads, runHead{hi, len(h.runs) - 1})
	for i := len(h.heads) - 1; i > 0 && h.less(h.heads[i], h.heads[(i-1)/2]); i = (i - 1) / 2 {
		h.heads[i], h.heads[(i-1)/2] = h.heads[(i-1)/2], h.heads[i]
	}
	return nil
}

// sink puts the root where it belongs.
func (h *runHeap) sink() {
	heads := h.heads
	if len(heads) == 0 {
		return
	}
	top, i := heads[0], 0
	for c := 1; c < len(heads); c = 2*i + 1 {
		if c+1 < len(heads) && h.less(heads[c+1], heads[c]) {
			c++
		}
		if !h.less(heads[c], top) {
			break
		}
		heads[i] = heads[c]
		i = c
	}
	heads[i] = top
}

// drain appends all rows of the runs to e in order, each once.
func (h *runHeap) drain(e *encoder) error {
	var last [rowSize]byte
	for len(h.heads) > 0 {
		r := &h.runs[h.heads[0].run]
		n := len(e.out)
		e.out = append(e.out, r.row()...)
		b := e.out[n:]
		binary.LittleEndian.PutUint32(b[16:], r.pack)
		if [rowSize]byte(b) == last && n > e.head.rowsAt {
			e.out = e.out[:n]
		}
		last = [rowSize]byte(b)
		hi, ok, err := r.next()
		if err != nil {
			return err
		}
		if ok {
			h.heads[0].hi = hi
		} else {
			end := len(h.heads) - 1
			h.heads[0] = h.heads[end]
			h.heads = h.heads[:end]
		}
		h.sink()
	}
	return nil
}
