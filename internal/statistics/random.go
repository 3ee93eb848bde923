package statistics

import "math/bits"

// random is xoshiro256** (Blackman and Vigna 2018), seeded by SplitMix64: the same draws from the same seed on every
// machine, whatever the version of Go.
type random struct{ s [4]uint64 }

func newRandom(seed uint64) *random {
	r := &random{}
	for i := range r.s {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		r.s[i] = z ^ z>>31
	}
	return r
}

func (r *random) next() uint64 {
	s := &r.s
	out := bits.RotateLeft64(s[1]*5, 7) * 9
	t := s[1] << 17
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= t
	s[3] = bits.RotateLeft64(s[3], 45)
	return out
}

// below draws from 0 to n−1, each alike (Lemire 2019).
func (r *random) below(n int) int {
	for {
		high, low := bits.Mul64(r.next(), uint64(n))
		if low >= uint64(n) || low >= -uint64(n)%uint64(n) {
			return int(high)
		}
	}
}

// resample fills to with draws from x.
func (r *random) resample(to, x []float64) {
	for i := range to {
		to[i] = x[r.below(len(x))]
	}
}
