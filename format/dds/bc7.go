package dds

// bc7Mode is how the bits of a block of BC7 are shared out.
type bc7Mode struct {
	subsets, partition int
	rotation, selector int // bits
	colour, alpha      int // bits of an end
	own, pair          int // a lowest bit for each end, or for both of a subset
	index, index2      int // bits of an index; of the second set
}

// bc7Modes: a block's mode is the number of zeros before its first one.
func bc7Modes(n int) bc7Mode {
	return [8]bc7Mode{
		{3, 4, 0, 0, 4, 0, 1, 0, 3, 0},
		{2, 6, 0, 0, 6, 0, 0, 1, 3, 0},
		{3, 6, 0, 0, 5, 0, 0, 0, 2, 0},
		{2, 6, 0, 0, 7, 0, 1, 0, 2, 0},
		{1, 0, 2, 1, 5, 6, 0, 0, 2, 3},
		{1, 0, 2, 0, 7, 8, 0, 0, 2, 2},
		{1, 0, 0, 0, 7, 7, 1, 0, 4, 0},
		{2, 6, 0, 0, 5, 5, 1, 0, 2, 0},
	}[n]
}

// bc7 decodes a block.
func (t *partitions) bc7(b []byte, px *[16][4]uint8) {
	r := newBitReader(b)
	n := 0
	for n < 8 && r.take(1) == 0 {
		n++
	}
	if n == 8 { // reserved
		*px = [16][4]uint8{}
		return
	}
	m := bc7Modes(n)
	part := r.take(m.partition)
	rotation, selector := r.take(m.rotation), r.take(m.selector)
	ends := bc7Ends(&r, &m)
	first := bc7Indices(&r, &m, m.index, part)
	second := first
	if m.index2 > 0 {
		second = bc7Indices(&r, &m, m.index2, part)
	}
	cb, ab := m.index, m.index
	if m.index2 > 0 {
		ab = m.index2
	}
	if selector == 1 {
		first, second, cb, ab = second, first, ab, cb
	}
	for i := range px {
		s := t.subset(m.subsets, part, i)
		lo, hi := &ends[2*s], &ends[2*s+1]
		for c := range 3 {
			px[i][c] = blend(lo[c], hi[c], weight(first[i], cb))
		}
		px[i][3] = blend(lo[3], hi[3], weight(second[i], ab))
		if rotation > 0 {
			px[i][3], px[i][rotation-1] = px[i][rotation-1], px[i][3]
		}
	}
}

func blend(a, b, w int) uint8 { return uint8((a*(64-w) + b*w + 32) >> 6) }

// bc7Ends reads the two ends of each subset, as numbers of 8 bits.
func bc7Ends(r *bitReader, m *bc7Mode) (ends [6][4]int) {
	n := 2 * m.subsets
	for c := range 4 {
		size := m.colour
		if c == 3 {
			size = m.alpha
		}
		for e := range n {
			ends[e][c] = r.take(size)
		}
	}
	colour, alpha := m.colour, m.alpha
	if m.own+m.pair > 0 {
		var low [6]int
		for e := 0; e < n; e += 1 + m.pair {
			low[e] = r.take(1)
			if m.pair > 0 {
				low[e+1] = low[e]
			}
		}
		for e := range n {
			for c := range 4 {
				ends[e][c] = ends[e][c]<<1 | low[e]
			}
		}
		colour++
		if alpha > 0 {
			alpha++
		}
	}
	for e := range n {
		for c := range 3 {
			ends[e][c] = widen(ends[e][c], colour)
		}
		if alpha == 0 {
			ends[e][3] = 255
		} else {
			ends[e][3] = widen(ends[e][3], alpha)
		}
	}
	return ends
}

// widen makes 8 bits of fewer by repeating the highest.
func widen(v, bits int) int {
	v <<= 8 - bits
	return v | v>>bits
}

// bc7Indices reads a set of indices; that of the first pixel of each subset, its anchor, lacks the highest bit.
func bc7Indices(r *bitReader, m *bc7Mode, bits, part int) (index [16]int) {
	for i := range index {
		n := bits
		if anchor(m.subsets, part, i) {
			n--
		}
		index[i] = r.take(n)
	}
	return index
}
