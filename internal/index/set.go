package index

import (
	"slices"

	"varve/internal/digest"
)

// repeatWindow is how many places found so far are compared with a new one. Honest objects have fewer copies;
// the bound keeps a segment full of one prefix from costing the square of its rows.
const repeatWindow = 64

// A Set is an immutable list of segments looked up as one. It is safe for concurrent use.
type Set struct{ segments []*Segment } // oldest first

// NewSet returns the set of the segments, given oldest first.
func NewSet(segments ...*Segment) *Set { return &Set{slices.Clone(segments)} }

// With returns a set that has s as its newest segment besides those of t. T stays as it is.
func (t *Set) With(s *Segment) *Set { return &Set{append(slices.Clip(t.segments), s)} }

// Segments returns the segments, oldest first.
func (t *Set) Segments() []*Segment { return slices.Clone(t.segments) }

// Len is the number of rows in all segments, repeats counted.
func (t *Set) Len() int {
	n := 0
	for _, s := range t.segments {
		n += s.Len()
	}
	return n
}

// Lookup appends to dst the places where d may be, newest segment first. A place that several segments know is
// given once.
func (t *Set) Lookup(d digest.Digest, dst []Place) []Place {
	p, start := PrefixOf(d), len(dst)
	for _, s := range slices.Backward(t.segments) {
		known := len(dst)
		dst = s.Lookup(p, dst)
		if known == start {
			continue
		}
		seen := dst[start:min(known, start+repeatWindow)]
		fresh := slices.DeleteFunc(dst[known:], func(pl Place) bool { return slices.Contains(seen, pl) })
		dst = dst[:known+len(fresh)]
	}
	return dst
}

// Has says whether Lookup would find a place.
func (t *Set) Has(d digest.Digest) bool {
	p := PrefixOf(d)
	for _, s := range slices.Backward(t.segments) {
		if s.Has(p) {
			return true
		}
	}
	return false
}
