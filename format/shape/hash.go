// Package shape is what formats of meshes have need of: hashes that know a shape in whatever order it is written,
// triangles of polygons, numbers in text, pictures.
//
// It promises: equal surfaces have equal hashes, whatever the order of their vertices and faces and wherever a face
// begins. Corners count by where they are, as float32, not by their number.
package shape

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/bits"
)

// Corner is where a corner of a face is, and what else is of it there.
type Corner uint64

// mix is a step of a hash: every bit of x changes about half of those of the result.
func mix(h, x uint64) uint64 {
	hi, lo := bits.Mul64(h^x^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	h = hi ^ lo ^ bits.RotateLeft64(x, 32)
	h ^= h >> 32
	h *= 0xe7037ed1a0b428db
	return h ^ h>>29
}

// At returns the corner at a place.
func At(x, y, z float64) Corner {
	return Corner(0x6a09e667f3bcc908).With(x, y, z)
}

// With returns a corner with more of it: texture coordinates, a normal, a colour.
func (c Corner) With(v ...float64) Corner {
	h := uint64(c)
	for _, x := range v {
		h = mix(h, uint64(math.Float32bits(float32(x)+0))) // -0 is 0
	}
	return Corner(h)
}

// Sum is the hash of a number of faces. The zero value is of none.
type Sum struct{ lo, hi, n uint64 }

// Face adds a face by its corners, in their order around it; kind is what else is of it, as its material.
func (s *Sum) Face(corners []Corner, kind uint64) {
	var lo, hi uint64
	for i, c := range corners {
		next := corners[0]
		if i+1 < len(corners) {
			next = corners[i+1]
		}
		e := mix(uint64(c), uint64(next)) // a sum of edges: it does not matter where the face begins
		lo += e
		hi += mix(e, 0x3c6ef372fe94f82b)
	}
	lo = mix(mix(lo, uint64(len(corners))), kind)
	hi = mix(mix(hi, lo), kind)
	s.lo += lo
	s.hi += hi
	s.n++
}

// Empty reports whether nothing was added.
func (s *Sum) Empty() bool { return s.n == 0 }

// String returns the hash in hex.
func (s *Sum) String() string {
	b := binary.BigEndian.AppendUint64(nil, mix(s.lo, s.n))
	b = binary.BigEndian.AppendUint64(b, mix(s.hi, s.n))
	return hex.EncodeToString(b)
}
