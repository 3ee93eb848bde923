package main

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/bits"
)

// random is SplitMix64: written out here, so that the corpora do not hang on a library's version. All that is made
// from it is whole-number arithmetic, or single-precision steps that no processor fuses.
type random uint64

// seeded derives a generator from words: equal words, equal stream.
func seeded(words ...any) random {
	h := fnv.New64a()
	for _, w := range words {
		fmt.Fprintf(h, "%v\x00", w)
	}
	return random(h.Sum64())
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// mix is SplitMix64's finaliser: also a hash of a place.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n); n > 0.
func (r *random) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between returns a number in [lo, hi].
func (r *random) between(lo, hi int) int { return lo + r.below(hi-lo+1) }

// low returns a number in [0, n) that is small more often than large, as words are used.
func (r *random) low(n int) int { return min(r.below(n), r.below(n), r.below(n)) }

// bell returns a whole number of about normal distribution, mean 0, standard deviation 53,510.
func (r *random) bell() int32 {
	a, b := r.next(), r.next()
	var sum int32
	for range 4 {
		sum += int32(uint16(a)) + int32(uint16(b))
		a >>= 16
		b >>= 16
	}
	return sum - 4*65535
}

// bellDeviation is bell's standard deviation: eight uniform numbers of 16 bits.
const bellDeviation = 53510

// fill fills p with noise.
func (r *random) fill(p []byte) {
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, r.next())
		p = p[8:]
	}
	if len(p) > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], r.next())
		copy(p, last[:])
	}
}
