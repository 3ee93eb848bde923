package inflate

import (
	"fmt"
	"math/bits"
)

// A table says what codes mean. The entry at the next bits of the stream, of the first table's width, is that of their
// code; where that is longer, it leads to a second table, by the bits behind.
//
//	bit 31      a literal: bits 16 to 23 are it
//	bit 30      the end of the block
//	bit 29      a second table, at bits 8 to 28, of so many bits as bits 0 to 4 say
//	else        a length or distance: bits 16 to 28 what it is at least (15 bits of distances lie in 13 to 28), bits 8 to 12 the
//	            number of bits that are to be added
//	bits 0 to 4 the bits of the code
//	0           no code
type table struct {
	first [1 << width]uint32
	more  []uint32
}

const (
	width   = 11
	literal = 1 << 31
	ending  = 1 << 30
	second  = 1 << 29
)

// build makes the table of canonical codes by their lengths; what says what symbol i means. The codes must be all that
// there can be, but that of a single one, which has one bit; none is allowed, if empty is.
func (t *table) build(lengths []uint8, empty bool, what func(i int) uint32) error {
	var count [16]int
	longest := 0
	for _, n := range lengths {
		count[n]++
		longest = max(longest, int(n))
	}
	clear(t.first[:])
	t.more = t.more[:0]
	if longest == 0 {
		if !empty {
			return fmt.Errorf("%w: a block without codes", ErrDamaged)
		}
		return nil
	}
	var next [16]uint32
	code, space := uint32(0), 1
	for n := 1; n <= longest; n++ {
		code = (code + uint32(count[n-1]&^boolean(n == 1, -1))) << 1
		if n == 1 {
			code = 0
		}
		next[n] = code
		if space = space<<1 - count[n]; space < 0 {
			return fmt.Errorf("%w: more codes than there can be", ErrDamaged)
		}
	}
	if space > 0 && !(longest == 1 && count[1] == 1) {
		return fmt.Errorf("%w: fewer codes than there must be", ErrDamaged)
	}
	for i, n := range lengths {
		if n == 0 {
			continue
		}
		c := bits.Reverse32(next[n]) >> (32 - n)
		next[n]++
		t.put(c, uint(n), uint(longest), what(i)|uint32(n))
	}
	return nil
}

func boolean(is bool, v int) int {
	if is {
		return v
	}
	return 0
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
		t.more = append(t.more, make([]uint32, 1<<size)...)
	}
	of := t.more[*head>>8&(1<<21-1):]
	for at := c >> width; at < 1<<size; at += 1 << (n - width) {
		of[at] = entry
	}
}
