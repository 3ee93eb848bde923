package index

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
)

// A Segment is an open index segment. It is safe for concurrent use and holds on to the bytes it was opened on.
type Segment struct {
	b          []byte
	head       header
	rows       []byte // exactly head.rows of them
	partitions []partition
}

// Open reads the segment in b, which may be a mapped file and must stay unchanged while the segment is used.
// It checks all that Lookup depends on, in time that does not grow with the rows, and leaves the rows untouched;
// Check reads everything. The error wraps ErrDamaged or ErrVersion.
func Open(b []byte) (*Segment, error) {
	h, err := parseHeader(b)
	if err != nil {
		return nil, fmt.Errorf("open index segment: %w", err)
	}
	ps, err := openFilter(b, &h)
	if err != nil {
		return nil, fmt.Errorf("open index segment: %w", err)
	}
	return &Segment{b: b, head: h, rows: b[h.rowsAt : h.rowsAt+h.rows*rowSize], partitions: ps}, nil
}

// Len is the number of rows.
func (s *Segment) Len() int { return s.head.rows }

// Packs returns the packs that rows refer to by position.
func (s *Segment) Packs() []PackInfo {
	packs := make([]PackInfo, s.head.packs)
	for i := range packs {
		packs[i] = packFrom(s.b[s.head.packsAt+i*packSize:])
	}
	return packs
}

// Replaces returns the names of the segments whose rows this one has taken over.
func (s *Segment) Replaces() []SegmentID {
	ids := make([]SegmentID, s.head.replaces)
	for i := range ids {
		ids[i] = SegmentID(s.b[headerSize+i*nameSize:])
	}
	return ids
}

// Rows iterates over the rows in order. Rows of packs the segment does not list, which only damage brings
// about, are left out.
func (s *Segment) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for i := range s.head.rows {
			r := rowFrom(s.row(i))
			if r.Pack < uint32(s.head.packs) && !yield(r) {
				return
			}
		}
	}
}

// Lookup appends to dst the place of every row with prefix p, in the order of the rows.
func (s *Segment) Lookup(p Prefix, dst []Place) []Place {
	for i := s.find(p); i < s.head.rows; i++ {
		b := s.row(i)
		if Prefix(b) != p {
			break
		}
		r := rowFrom(b)
		if r.Pack >= uint32(s.head.packs) {
			continue
		}
		id := PackID(s.b[s.head.packsAt+int(r.Pack)*packSize:])
		dst = append(dst, Place{Pack: id, Block: r.Block, Place: r.Place, Flags: r.Flags})
	}
	return dst
}

// Has says whether Lookup would find a place.
func (s *Segment) Has(p Prefix) bool {
	for i := s.find(p); i < s.head.rows; i++ {
		b := s.row(i)
		if Prefix(b) != p {
			break
		}
		if binary.LittleEndian.Uint32(b[16:]) < uint32(s.head.packs) {
			return true
		}
	}
	return false
}

func (s *Segment) row(i int) []byte { return s.rows[i*rowSize : (i+1)*rowSize] }

// find returns the first row that is not below p, or Len if the filter knows that there is no row of p.
func (s *Segment) find(p Prefix) int {
	k := keyOf(p[:])
	n := partitionOf(k.hi, s.head.fanout)
	part := &s.partitions[n]
	end := s.head.rows
	if n+1 < len(s.partitions) {
		end = s.partitions[n+1].first
	}
	if part.first >= end || !part.may(k.hi) {
		return s.head.rows
	}
	at, _ := lowerBound(s.rows, part.first, end, k, s.head.fanout)
	return at
}

// lowerBound returns the first of rows [lo, hi) that is not below k, or hi, and how many rows it looked at.
// Keys of the range share their top fanout bits. Each of three guesses takes the keys to be spread evenly and
// leaves about the square root of the error before it; from the last guess the search doubles its steps
// outwards, then halves, so that keys which are not spread evenly cost twice a binary search.
func lowerBound(rows []byte, lo, hi int, k key, fanout int) (at, probes int) {
	n := uint64(hi - lo)
	off, _ := bits.Mul64(k.hi<<fanout, n)
	guess, above := lo+int(off), false
	for range 3 {
		if lo >= hi {
			return lo, probes
		}
		guess = min(max(guess, lo), hi-1)
		g := keyOf(rows[guess*rowSize:])
		probes++
		if above = !g.less(k); above {
			off, _ = bits.Mul64((g.hi-k.hi)<<fanout, n)
			hi, guess = guess, guess-int(off)
		} else {
			off, _ = bits.Mul64((k.hi-g.hi)<<fanout, n)
			lo, guess = guess+1, guess+int(off)
		}
	}
	for step := 4; lo < hi; step *= 2 {
		probe := lo + min(step, hi-lo) - 1
		if above {
			probe = hi - min(step, hi-lo)
		}
		probes++
		below := keyOf(rows[probe*rowSize:]).less(k)
		if below {
			lo = probe + 1
		} else {
			hi = probe
		}
		if below == above {
			break
		}
	}
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		probes++
		if keyOf(rows[mid*rowSize:]).less(k) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, probes
}
