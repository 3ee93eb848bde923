package index

import (
	"iter"

	"varve/internal/digest"
)

// Marks is a set of rows of the segments of a Set: one bit a row. It is not safe for concurrent use.
type Marks struct {
	set  *Set
	rows [][]uint64 // by segment
}

// Marks returns the empty set of rows of t.
func (t *Set) Marks() *Marks {
	m := &Marks{set: t, rows: make([][]uint64, len(t.segments))}
	for i, s := range t.segments {
		m.rows[i] = make([]uint64, (s.Len()+63)/64)
	}
	return m
}

// Add marks every row where d may be. found says whether there is one, fresh whether one was not marked before.
func (m *Marks) Add(d digest.Digest) (found, fresh bool) {
	p := PrefixOf(d)
	for i, s := range m.set.segments {
		for n := s.find(p); n < s.head.rows && Prefix(s.row(n)) == p; n++ {
			w, bit := &m.rows[i][n/64], uint64(1)<<(n%64)
			found, fresh = true, fresh || *w&bit == 0
			*w |= bit
		}
	}
	return found, fresh
}

// Has reports whether a row with prefix p is marked.
func (m *Marks) Has(p Prefix) bool {
	for i, s := range m.set.segments {
		for n := s.find(p); n < s.head.rows && Prefix(s.row(n)) == p; n++ {
			if m.rows[i][n/64]>>(n%64)&1 == 1 {
				return true
			}
		}
	}
	return false
}

// A Marked is a row of a segment, and whether it is marked.
type Marked struct {
	Segment int // position in the set's Segments
	Row
	Live bool
}

// Rows iterates over all rows of the set, segment by segment.
func (m *Marks) Rows() iter.Seq[Marked] {
	return func(yield func(Marked) bool) {
		for i, s := range m.set.segments {
			for n := range s.head.rows {
				r := rowFrom(s.row(n))
				if r.Pack < uint32(s.head.packs) && !yield(Marked{i, r, m.rows[i][n/64]>>(n%64)&1 == 1}) {
					return
				}
			}
		}
	}
}

// Places appends to dst the places of all rows with prefix p, as Lookup does.
func (t *Set) Places(p Prefix, dst []Place) []Place {
	for _, s := range t.segments {
		dst = s.Lookup(p, dst)
	}
	return dst
}
