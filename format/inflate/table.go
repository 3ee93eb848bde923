package inflate

import (
	"fmt"
	"math/bits"
)

// A table says what codes mean. At the next bits of the stream, as many as the first table is wide, is the entry of their
// code; where that is longer, one that leads to a second table, by the bits behind.
//
//	bits 0 to 4   the bits of the code; of a second table its width
//	bits 5, 6     it leads to a second table; it ends the block; both: no code
//	bits 8 to 11  the number of bits that are to be added to a length or distance
//	bits 16 to 30 a literal, or what a length or distance is at least; of a second table bits 8 to 30, where it begins
//	bit 31        it is a literal
//	0             no code
type table struct {
	first [1 << width]uint32
	more  []uint32
}

const (
	width   = 11
	literal = 1 << 31
	second  = 1 << 5
	ending  = 1 << 6
	nothing = second | ending
)

// build makes the table of canonical codes by their lengths; what says what symbol i means. The codes must be all that
// there can be, or none, or one of one bit.
func (t *table) build(lengths []uint8, what func(i int) uint32) error {
	var count, next [16]int
	longest := 0
	for _, n := range lengths {
		count[n]++
		longest = max(longest, int(n))
	}
	count[0] = 0
	clear(t.first[:])
	t.more = t.more[:0]
	if longest == 0 {
		return nil
	}
	code, space := 0, 1
	for n := 1; n <= longest; n++ {
		code = (code + count[n-1]) << 1
		next[n] = code
		if space = space<<1 - count[n]; space < 0 {
			return fmt.Errorf("%w: more codes than there can be", ErrDamaged)
		}
	}
	if space > 0 && (longest > 1 || count[1] != 1) {
		return fmt.Errorf("%w: fewer codes than there must be", ErrDamaged)
	}
	for i, n := range lengths {
		if n > 0 {
			c := bits.Reverse32(uint32(next[n])) >> (32 - n)
			next[n]++
			t.put(c, uint(n), uint(longest), what(i)|uint32(n))
		}
	}
	return nil
}

// put enters a code wherever bits begin with it.
func (t *table) put(c uint32, n, longest uint, entry uint32) {
	if n <= width {
		for at := c; at < 1<<width; at += 1 << n {
			t.first[at] = entry
		}
		return
	}
	head := &t.first[c&(1<<width-1)]
	size := longest - width
	if *head == 0 {
		*head = second | uint32(len(t.more))<<8 | uint32(size)
		for range 1 << size {
			t.more = append(t.more, 0)
		}
	}
	of := t.more[*head>>8:]
	for at := c >> width; at < 1<<size; at += 1 << (n - width) {
		of[at] = entry
	}
}

// find returns the entry of the code that bits begin with.
func (t *table) find(b uint64) uint32 {
	e := t.first[b&(1<<width-1)]
	if e&(literal|nothing) == second {
		e = t.more[uint64(e>>8)+b>>width&(1<<(e&31)-1)]
	}
	return e
}
