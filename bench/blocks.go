package main

import (
	"bufio"
	"fmt"
	"maps"
)

const blockSize = 64 << 10

// A diskImage is a file of blocks: which generation each has, and what was inserted before which.
type diskImage struct {
	blocks     int
	generation map[int]int // absent: 0
	insertAt   int
	insert     int // bytes
}

// blockVersions: one file of 1 GiB: six tenths noise, three tenths text, one tenth zeros, in stretches of 64 KiB. v2:
// one block in a hundred is another, and a megabyte and five bytes stand before block 1/40. v3: another block in a
// hundred is another.
func blockVersions(scale float64) [][]entry {
	n := scaled(16384, scale, 64)
	m := diskImage{blocks: n, generation: map[int]int{}}
	out := [][]entry{{m.entry(1)}}
	for v := 2; v <= 3; v++ {
		r := seeded("blocks", "version", v)
		for range max(1, n/100) {
			m.generation[r.below(n)] = v
		}
		if v == 2 {
			m.insertAt, m.insert = n/40, scaled(1<<20, scale, 4096)+5
		}
		out = append(out, []entry{m.entry(v)})
	}
	return out
}

func (m diskImage) entry(v int) entry {
	m.generation = maps.Clone(m.generation)
	return entry{"disk.img", fmt.Sprint("image ", v), m.write}
}

func (m diskImage) write(w *bufio.Writer) error {
	block := make([]byte, blockSize)
	for i := range m.blocks {
		if i == m.insertAt && m.insert > 0 {
			r := seeded("insert")
			more := make([]byte, m.insert)
			r.fill(more)
			w.Write(more)
		}
		fillBlock(block, i, m.generation[i])
		w.Write(block)
	}
	return w.Flush()
}

func fillBlock(block []byte, i, generation int) {
	kind, r := seeded("kind", i), seeded("block", i, generation)
	switch k := kind.below(10); {
	case k == 0 && generation == 0:
		clear(block)
	case k <= 3:
		copy(block, compose(r, "json", len(block)))
	default:
		r.fill(block)
	}
}
