package raster

import (
	"context"
	"math"
	"math/bits"
	"sync"
)

// pair is two pictures of one layout, and where they overlap.
type pair struct {
	a, b   *Image
	ax, ay int // of the overlap's top left in a
	bx, by int // in b
	w, h   int // of the overlap
}

// exact is what a pair differs in, sample by sample.
type exact struct {
	differ    *mask // pixels that do
	colour    int   // pixels of differ whose colour does
	alphaOnly int   // the others
	hidden    int   // pixels, not of differ, that are fully transparent in both and have other colours
	nonFinite int   // pixels of differ that are NaN or infinite in one or both
	channels  []channelSum
}

type channelSum struct {
	changed int
	max     float64
	sum     float64
	squares float64
}

func (e *exact) add(o *exact) {
	e.colour += o.colour
	e.alphaOnly += o.alphaOnly
	e.hidden += o.hidden
	e.nonFinite += o.nonFinite
	for i := range o.channels {
		e.channels[i].add(&o.channels[i])
	}
}

func (s *channelSum) add(o *channelSum) {
	s.changed += o.changed
	s.max = max(s.max, o.max)
	s.sum += o.sum
	s.squares += o.squares
}

// bands calls f for parts of n rows, by so many goroutines at a time, until one fails.
func bands(ctx context.Context, workers, n int, f func(y0, y1 int) error) error {
	return share(ctx, workers, n, 64, f)
}

// share is bands of so many rows each.
func share(ctx context.Context, workers, n, band int, f func(from, to int) error) error {
	workers = min(max(workers, 1), 64, (n+band-1)/band)
	var mu sync.Mutex
	var failure error
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if failure == nil {
			failure = ctx.Err()
		}
		if failure != nil || next >= n {
			return 0, false
		}
		next += band
		return next - band, true
	}
	work := func() {
		for {
			y, ok := take()
			if !ok {
				return
			}
			if err := f(y, min(y+band, n)); err != nil {
				mu.Lock()
				failure = err
				mu.Unlock()
			}
		}
	}
	var all sync.WaitGroup
	for range workers - 1 {
		all.Go(work)
	}
	work()
	all.Wait()
	return failure
}

// exact compares the samples of a pair.
func (p *pair) exact(ctx context.Context, workers int) (*exact, error) {
	n := p.a.Channels()
	out := &exact{differ: newMask(p.w, p.h), channels: make([]channelSum, n)}
	var mu sync.Mutex
	err := bands(ctx, workers, p.h, func(y0, y1 int) error {
		part := &exact{differ: out.differ, channels: make([]channelSum, n)}
		for y := y0; y < y1; y++ {
			ra, rb := ((p.ay+y)*p.a.Width+p.ax)*n, ((p.by+y)*p.b.Width+p.bx)*n
			switch p.a.Depth {
			case U8:
				exactRow(p, part, y, p.a.U8[ra:ra+p.w*n], p.b.U8[rb:rb+p.w*n], func(a, b []uint8) uint64 { return exactInts(p, part, a, b) })
			case U16:
				exactRow(p, part, y, p.a.U16[ra:ra+p.w*n], p.b.U16[rb:rb+p.w*n], func(a, b []uint16) uint64 { return exactInts(p, part, a, b) })
			case F32:
				exactRow(p, part, y, p.a.F32[ra:ra+p.w*n], p.b.F32[rb:rb+p.w*n], func(a, b []float32) uint64 { return exactFloats(p, part, a, b) })
			}
		}
		mu.Lock()
		out.add(part)
		mu.Unlock()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// exactRow compares a row, 64 pixels at a time, for most of them are equal.
func exactRow[T uint8 | uint16 | float32](p *pair, e *exact, y int, a, b []T, some func(a, b []T) uint64) {
	n := p.a.Channels()
	row := e.differ.row(y)
	for at := 0; at < p.w; at += 64 {
		m := min(64, p.w-at) * n
		pa, pb := a[at*n:at*n+m:at*n+m], b[at*n:at*n+m:at*n+m]
		if m == 64*n && alike(pa, pb) {
			continue
		}
		row[at>>6] = some(pa, pb)
	}
}

// exactInts compares up to 64 pixels and returns those that differ.
func exactInts[T uint8 | uint16](p *pair, e *exact, a, b []T) uint64 {
	n, c := p.a.Channels(), p.a.colours()
	var part [5]channelSum
	var words [5]uint64 // which pixels differ in a channel
	for k := range n {
		words[k] = sumInts(&part[k], a[k:], b[k:], n)
	}
	var colour, alpha uint64
	for k, w := range words[:n] {
		if k < c {
			colour |= w
		} else {
			alpha = w
		}
	}
	if p.a.Alpha && !p.a.Premultiplied && colour&^alpha != 0 {
		if hidden := colour &^ alpha & clear64(a, b, n); hidden != 0 {
			// Without those that nobody sees.
			e.hidden += bits.OnesCount64(hidden)
			colour &^= hidden
			for k := range c {
				part[k] = channelSum{}
				for w := words[k] &^ hidden; w != 0; w &= w - 1 {
					i := bits.TrailingZeros64(w)*n + k
					sumInts(&part[k], a[i:i+1], b[i:i+1], 1)
				}
			}
		}
	}
	e.colour += bits.OnesCount64(colour)
	e.alphaOnly += bits.OnesCount64(alpha &^ colour)
	for k := range n {
		e.channels[k].add(&part[k])
	}
	return colour | alpha
}

// sumInts adds every n-th sample, and returns which of them differ.
func sumInts[T uint8 | uint16](s *channelSum, a, b []T, n int) (word uint64) {
	var most, sum, squares uint64
	b = b[:len(a)]
	for i, x := 0, 0; i < len(a); i, x = i+n, x+1 {
		v, w := a[i], b[i]
		d := uint64(max(v, w) - min(v, w))
		sum += d
		squares += d * d
		most = max(most, d)
		word |= min(d, 1) << (x & 63)
	}
	s.changed += bits.OnesCount64(word)
	s.max = max(s.max, float64(most))
	s.sum += float64(sum)
	s.squares += float64(squares)
	return word
}

// clear64 returns which pixels are fully transparent in both.
func clear64[T uint8 | uint16](a, b []T, n int) (word uint64) {
	for i, x := n-1, 0; i < len(a); i, x = i+n, x+1 {
		if a[i] == 0 && b[i] == 0 {
			word |= 1 << x
		}
	}
	return word
}

// exactFloats is exactInts of floats.
func exactFloats(p *pair, e *exact, a, b []float32) (word uint64) {
	n := p.a.Channels()
	alpha := -1
	if p.a.Alpha {
		alpha = n - 1
	}
	hides := p.a.Alpha && !p.a.Premultiplied
	for i, x := 0, 0; i < len(a); i, x = i+n, x+1 {
		qa, qb := a[i:i+n:i+n], b[i:i+n:i+n]
		if unequal(qa, qb) && e.pixel(qa, qb, alpha, hides) {
			word |= 1 << x
		}
	}
	return word
}

// alike reports whether samples, a multiple of 64, are the same. Of floats it may say no where NaN is.
func alike[T uint8 | uint16 | float32](a, b []T) bool {
	for len(a) >= 64 && len(b) >= 64 {
		if *(*[64]T)(a) != *(*[64]T)(b) {
			return false
		}
		a, b = a[64:], b[64:]
	}
	return true
}

func unequal(a, b []float32) bool {
	for i, v := range a {
		if w := b[i]; v != w && (v == v || w == w) {
			return true
		}
	}
	return false
}

// pixel adds a pixel whose samples differ, and reports whether it counts as one that does.
func (e *exact) pixel(a, b []float32, alpha int, hides bool) bool {
	if hides && a[alpha] == 0 && b[alpha] == 0 {
		e.hidden++
		return false
	}
	colour, odd := false, false
	for i := range e.channels {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if d == 0 || a[i] != a[i] && b[i] != b[i] || a[i] == b[i] {
			continue
		}
		c := &e.channels[i]
		c.changed++
		colour = colour || i != alpha
		if math.IsNaN(d) || math.IsInf(d, 0) {
			odd = true
			continue
		}
		c.max = max(c.max, d)
		c.sum += d
		c.squares += d * d
	}
	if odd {
		e.nonFinite++
	}
	if colour {
		e.colour++
	} else {
		e.alphaOnly++
	}
	return true
}
