package tensor

import (
	"encoding/binary"
	"math"
)

// side sums one side of a comparison. Sums are of finite numbers.
type side struct {
	n, nan, inf, zero int64
	sum, square       float64
	min, max          float64
	bins              [2048]int64 // by the exponent of a 64-bit number, without zeros
}

func newSide() side { return side{min: math.Inf(1), max: math.Inf(-1)} }

// add counts a number so many times.
func (s *side) add(x float64, times int64) {
	s.n += times
	switch {
	case x != x:
		s.nan += times
		return
	case math.IsInf(x, 0):
		s.inf += times
		return
	}
	s.sum += x * float64(times)
	s.square += x * x * float64(times)
	s.min, s.max = min(s.min, x), max(s.max, x)
	if x == 0 {
		s.zero += times
		return
	}
	s.bins[math.Float64bits(x)>>52&2047] += times
}

// sums is what is summed of two tensors.
type sums struct {
	a, b  side
	equal int64 // words
	d2    float64
	most  float64 // |Δ|
	// apart is the squares of finite numbers whose partner is none: they are in a.square or b.square, not in d2.
	apartA, apartB float64

	countA, countB []int64   // by the bits of 16-bit numbers
	number         []float32 // of each
}

func newSums() *sums { return &sums{a: newSide(), b: newSide()} }

// wide prepares for a type of 16 bits, whose numbers are those of a table.
func (s *sums) wide(table []float32) {
	s.countA, s.countB, s.number = make([]int64, 1<<16), make([]int64, 1<<16), table
}

// add16 sums blocks of 16-bit numbers: what is of one side follows from how often each of the 65,536 occurs.
func (s *sums) add16(a, b []byte) {
	number, ca, cb := (*[1 << 16]float32)(s.number), (*[1 << 16]int64)(s.countA), (*[1 << 16]int64)(s.countB)
	le := binary.LittleEndian
	var d2, e2 float64
	var most, more float32
	equal := int64(0)
	wholeA, wholeB := a, b
	for len(a) >= 8 && len(b) >= 8 {
		x, y := le.Uint64(a), le.Uint64(b)
		a, b = a[8:], b[8:]
		if x == y {
			equal += 4
			ca[x&0xffff]++
			ca[x>>16&0xffff]++
			ca[x>>32&0xffff]++
			ca[x>>48]++
			cb[x&0xffff]++
			cb[x>>16&0xffff]++
			cb[x>>32&0xffff]++
			cb[x>>48]++
			continue
		}
		for range 2 {
			x0, y0, x1, y1 := x&0xffff, y&0xffff, x>>16&0xffff, y>>16&0xffff
			ca[x0]++
			cb[y0]++
			ca[x1]++
			cb[y1]++
			if x0 == y0 {
				equal++
			}
			if x1 == y1 {
				equal++
			}
			d, e := number[x0]-number[y0], number[x1]-number[y1]
			d2 += float64(d) * float64(d)
			e2 += float64(e) * float64(e)
			if d = abs(d); d > most {
				most = d
			}
			if e = abs(e); e > more {
				more = e
			}
			x, y = x>>32, y>>32
		}
	}
	for ; len(a) >= 2 && len(b) >= 2; a, b = a[2:], b[2:] {
		x, y := le.Uint16(a), le.Uint16(b)
		ca[x]++
		cb[y]++
		if x == y {
			equal++
		}
		d := number[x] - number[y]
		d2 += float64(d) * float64(d)
		most = max(most, abs(d))
	}
	s.equal += equal
	if d2 += e2; !(d2 <= math.MaxFloat64) { // a number that is none: slowly
		for a, b := wholeA, wholeB; len(a) >= 2 && len(b) >= 2; a, b = a[2:], b[2:] {
			s.pair(float64(number[le.Uint16(a)]), float64(number[le.Uint16(b)]))
		}
		return
	}
	s.d2 += d2
	s.most = max(s.most, float64(most), float64(more))
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// pair sums what is of both sides, of numbers that may be none.
func (s *sums) pair(x, y float64) {
	finiteX, finiteY := x-x == 0, y-y == 0
	switch {
	case finiteX && finiteY:
		d := x - y
		s.d2 += d * d
		s.most = max(s.most, math.Abs(d))
	case finiteX:
		s.apartA += x * x
	case finiteY:
		s.apartB += y * y
	}
}

// counted takes over what was counted of 16-bit numbers.
func (s *sums) counted() {
	for i, x := range s.number {
		if n := s.countA[i]; n > 0 {
			s.a.add(float64(x), n)
		}
		if n := s.countB[i]; n > 0 {
			s.b.add(float64(x), n)
		}
	}
	s.countA, s.countB, s.number = nil, nil, nil
}

// one is what the quick loop sums of one side in a block of F32.
type one struct {
	sum, square float64
	min, max    float32
	bins        [2][512]int64 // by sign and exponent, of every other number: one alone would wait for itself
	zero        int64
}

// add32 sums blocks of F32. All that it changes for each number is a variable of its own, which is in a register.
func (s *sums) add32(a, b []byte) {
	le := binary.LittleEndian
	var p, q one
	var sumP, sumQ, squareP, squareQ, d2, e2, most float64
	minP, maxP, minQ, maxQ := float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.Inf(1)), float32(math.Inf(-1))
	equal, zeroP, zeroQ := int64(0), int64(0), int64(0)
	x, y := a, b
	for len(x) >= 8 && len(y) >= 8 {
		u, v := le.Uint64(x), le.Uint64(y)
		x, y = x[8:], y[8:]
		u0, u1, v0, v1 := uint32(u), uint32(u>>32), uint32(v), uint32(v>>32)
		p.bins[0][u0>>23]++
		q.bins[0][v0>>23]++
		p.bins[1][u1>>23]++
		q.bins[1][v1>>23]++
		if u0 == v0 {
			equal++
		}
		if u1 == v1 {
			equal++
		}
		if u0<<1 == 0 {
			zeroP++
		}
		if u1<<1 == 0 {
			zeroP++
		}
		if v0<<1 == 0 {
			zeroQ++
		}
		if v1<<1 == 0 {
			zeroQ++
		}
		f0, f1, g0, g1 := math.Float32frombits(u0), math.Float32frombits(u1), math.Float32frombits(v0), math.Float32frombits(v1)
		if f0 < minP {
			minP = f0
		}
		if f0 > maxP {
			maxP = f0
		}
		if f1 < minP {
			minP = f1
		}
		if f1 > maxP {
			maxP = f1
		}
		if g0 < minQ {
			minQ = g0
		}
		if g0 > maxQ {
			maxQ = g0
		}
		if g1 < minQ {
			minQ = g1
		}
		if g1 > maxQ {
			maxQ = g1
		}
		h0, h1, k0, k1 := float64(f0), float64(f1), float64(g0), float64(g1)
		sumP += h0 + h1
		sumQ += k0 + k1
		squareP += h0*h0 + h1*h1
		squareQ += k0*k0 + k1*k1
		d, e := h0-k0, h1-k1
		d2 += d * d
		e2 += e * e
		if d = math.Abs(d); d > most {
			most = d
		}
		if e = math.Abs(e); e > most {
			most = e
		}
	}
	if !(squareP+squareQ <= math.MaxFloat64) { // a number that is none: slowly
		s.equal += equal
		s.slow32(a, b)
		s.equal += same32(x, y)
		return
	}
	p.sum, p.square, p.min, p.max, p.zero = sumP, squareP, minP, maxP, zeroP
	q.sum, q.square, q.min, q.max, q.zero = sumQ, squareQ, minQ, maxQ, zeroQ
	s.a.fold(&p)
	s.b.fold(&q)
	s.d2 += d2 + e2
	s.most = max(s.most, most)
	s.equal += equal + same32(x, y)
	s.slow32(x, y) // the last one of an odd number
}

// same32 counts what is equal in the rest of a block.
func same32(a, b []byte) int64 {
	if len(a) >= 4 && len(b) >= 4 && string(a[:4]) == string(b[:4]) {
		return 1
	}
	return 0
}

func (s *sums) slow32(a, b []byte) {
	le := binary.LittleEndian
	for ; len(a) >= 4 && len(b) >= 4; a, b = a[4:], b[4:] {
		x, y := float64(math.Float32frombits(le.Uint32(a))), float64(math.Float32frombits(le.Uint32(b)))
		s.a.add(x, 1)
		s.b.add(y, 1)
		s.pair(x, y)
	}
}

// fold takes over what the quick loop summed, all of it finite. What is below 2⁻¹²⁶ counts as 2⁻¹²⁷.
func (s *side) fold(o *one) {
	n := int64(0)
	for i := range o.bins[0] {
		k := o.bins[0][i] + o.bins[1][i]
		n += k
		s.bins[i&255+1023-127] += k
	}
	if n == 0 {
		return
	}
	s.n += n
	s.bins[1023-127] -= o.zero
	s.zero += o.zero
	s.sum += o.sum
	s.square += o.square
	s.min, s.max = min(s.min, float64(o.min)), max(s.max, float64(o.max))
}

// add64 sums numbers of any type.
func (s *sums) add64(a, b []float64) {
	for i, x := range a {
		y := b[i]
		s.a.add(x, 1)
		s.b.add(y, 1)
		s.pair(x, y)
	}
}
