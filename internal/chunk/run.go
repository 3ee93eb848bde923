package chunk

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const (
	// RunPeriod is the period of a run in bytes. It is a multiple of 1, 2, 3,
	// 4, 6, 8 and 12, hence of most pixels and vertices.
	RunPeriod = 24
	// RunMin is the length in bytes from which a periodic extent is a run.
	RunMin = 4 << 10
	// RunSplit: runs are split into pieces at multiples of this stream offset.
	RunSplit = 64 << 10
)

// probeStride is the distance of the places where findRun looks. Any run has
// one of them at least 32 bytes before the end of its first RunMin bytes, which
// holds while probeStride <= RunMin-31; the answer does not depend on it.
const probeStride = 2 << 10

// Continues reports whether a run whose first RunPeriod bytes are next carries
// on, directly behind it, one of length bytes that begins with pattern, so that
// the two can be kept as one.
func Continues(pattern [RunPeriod]byte, length int64, next [RunPeriod]byte) bool {
	k := int(length % RunPeriod)
	return bytes.Equal(pattern[k:], next[:RunPeriod-k]) && bytes.Equal(pattern[:k], next[RunPeriod-k:])
}

// periodic returns the length of the longest prefix of b with period RunPeriod.
func periodic(b []byte) int {
	if len(b) <= RunPeriod {
		return len(b)
	}
	return RunPeriod + common(b, b[RunPeriod:])
}

// common returns how many leading bytes of a and b are equal; b is not longer
// than a.
func common(a, b []byte) int {
	const block = 512
	n := 0
	for len(b)-n >= block && bytes.Equal(a[n:n+block], b[n:n+block]) {
		n += block
	}
	for len(b)-n >= 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// findRun returns the first s in [from, to) such that b[s:s+RunMin] has period
// RunPeriod, or to if there is none.
func findRun(b []byte, from, to int) int {
	end := min(to, len(b)-RunMin+1) // of the places where a run can start
	if from >= end {
		return to
	}
	// The last of these is end-1, and a probe follows within probeStride-1.
	for q := from; q < end-1+probeStride; q += probeStride {
		if binary.LittleEndian.Uint64(b[q:]) != binary.LittleEndian.Uint64(b[q+RunPeriod:]) {
			continue
		}
		s := q
		for s > from && b[s-1] == b[s-1+RunPeriod] {
			s--
		}
		if s >= end {
			break
		}
		if periodic(b[s:s+RunMin]) == RunMin {
			return s
		}
	}
	return to
}
