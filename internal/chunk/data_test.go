package chunk

import (
	"encoding/binary"
	"math/rand/v2"
)

// random returns n bytes that no compressor could shorten.
func random(seed uint64, n int) []byte {
	g := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], g.Uint64())
	}
	return b[:n]
}

// text returns n bytes of words and lines.
func text(seed uint64, n int) []byte {
	g := rand.New(rand.NewPCG(seed, 2))
	words := make([][]byte, 500)
	for i := range words {
		w := make([]byte, 2+g.IntN(9))
		for j := range w {
			w[j] = byte('a' + g.IntN(26))
		}
		words[i] = append(w, ' ')
	}
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, words[int(g.ExpFloat64()*60)%len(words)]...)
		if g.IntN(12) == 0 {
			b = append(b, '\n')
		}
	}
	return b[:n]
}

// sparse returns n bytes of two values, the second rare and irregular.
func sparse(seed uint64, n int) []byte {
	g := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, n)
	for i := g.IntN(200); i < n; i += 1 + g.IntN(400) {
		b[i] = 1
	}
	return b
}

// mixed returns n bytes in which stretches of noise alternate with stretches of
// short periods: many shorter than a run, some longer, some adjacent.
func mixed(seed uint64, n int) []byte {
	g := rand.New(rand.NewPCG(seed, 4))
	b := make([]byte, 0, n+300<<10)
	for len(b) < n {
		size := 1 << (3 + g.IntN(15))
		size += g.IntN(size)
		switch g.IntN(4) {
		case 0:
			b = append(b, random(g.Uint64(), size)...)
		case 1:
			b = append(b, text(g.Uint64(), size)...)
		default:
			period := []int{1, 1, 2, 3, 4, 6, 8, 12, 24, 5, 16}[g.IntN(11)]
			pattern := random(g.Uint64(), period)
			for i := range size {
				b = append(b, pattern[i%period])
			}
		}
	}
	return b[:n]
}
