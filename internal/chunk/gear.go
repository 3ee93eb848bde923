package chunk

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/blake3"
)

// window is the number of bytes a Gear value depends on: older ones have been
// shifted out of its 64 bits.
const window = 64

// normalisation is the level of normalised chunking: the test before Avg has
// this many bits more than log2(Avg), the one after Avg this many fewer.
const normalisation = 3

const tableContext = "varve chunk gear table 1"

// Table is a keyed Gear table. It is immutable after NewTable and may be used
// by any number of goroutines.
type Table struct {
	one [256]uint64 // T
	two [256]uint64 // T shifted left by one, for the first byte of a two-byte step
}

// NewTable derives the table from key, as the package documentation specifies.
func NewTable(key [32]byte) *Table {
	h, err := blake3.NewKeyed(key[:])
	if err != nil {
		panic("chunk: a 32-byte key was refused: " + err.Error())
	}
	h.WriteString(tableContext)
	var raw [256 * 8]byte
	h.Digest().Read(raw[:]) // an extended output neither fails nor ends
	t := new(Table)
	for i := range t.one {
		t.one[i] = binary.LittleEndian.Uint64(raw[8*i:])
		t.two[i] = t.one[i] << 1
	}
	return t
}

// First returns the length in bytes of the first chunk of b under class c: in
// (Min, Max], or all of b when b ends before a cut. b must hold Max bytes or
// reach the end of what is to be cut; bytes beyond Max are not looked at. Runs
// and seams are the Cutter's business. c must be valid.
func (t *Table) First(c Class, b []byte) int {
	p := c.Params()
	if len(b) > p.Max {
		b = b[:p.Max]
	}
	if len(b) <= p.Min || p.Min == p.Max {
		return len(b)
	}
	var h uint64
	for _, x := range b[p.Min-window : p.Min] {
		h = h<<1 + t.one[x]
	}
	shift := 64 - (bits.Len(uint(p.Avg)) - 1)
	avg := min(p.Avg, len(b))
	h, n := t.scan(h, b[p.Min:avg], 1<<(shift-normalisation))
	if n > 0 {
		return p.Min + n
	}
	if _, n = t.scan(h, b[avg:], 1<<(shift+normalisation)); n > 0 {
		return avg + n
	}
	return len(b)
}

// scan rolls h over s until it is below limit, that is until its high bits are
// all zero. It returns the last h and how many bytes it took, 0 if none did it.
//
// The chain from step to step is one shift and one addition for two bytes; the
// value between the two hangs off it.
func (t *Table) scan(h uint64, s []byte, limit uint64) (uint64, int) {
	one, two, rest := &t.one, &t.two, s
	for len(rest) >= 8 {
		p := (*[8]byte)(rest)
		h1 := h<<1 + one[p[0]]
		h2 := h<<2 + (two[p[0]] + one[p[1]])
		if h1 < limit {
			return h1, len(s) - len(rest) + 1
		}
		if h2 < limit {
			return h2, len(s) - len(rest) + 2
		}
		h3 := h2<<1 + one[p[2]]
		h4 := h2<<2 + (two[p[2]] + one[p[3]])
		if h3 < limit {
			return h3, len(s) - len(rest) + 3
		}
		if h4 < limit {
			return h4, len(s) - len(rest) + 4
		}
		h5 := h4<<1 + one[p[4]]
		h6 := h4<<2 + (two[p[4]] + one[p[5]])
		if h5 < limit {
			return h5, len(s) - len(rest) + 5
		}
		if h6 < limit {
			return h6, len(s) - len(rest) + 6
		}
		h7 := h6<<1 + one[p[6]]
		h8 := h6<<2 + (two[p[6]] + one[p[7]])
		if h7 < limit {
			return h7, len(s) - len(rest) + 7
		}
		if h8 < limit {
			return h8, len(s) - len(rest) + 8
		}
		h = h8
		rest = rest[8:]
	}
	for i, x := range rest {
		h = h<<1 + one[x]
		if h < limit {
			return h, len(s) - len(rest) + i + 1
		}
	}
	return h, 0
}
