package raster

import (
	"context"
	"image"
	"math"
	"slices"
)

// rolling is the base of the hash of a piece of a row: Σ key·rolling^i over its pixels, from the last.
const rolling = 0x9e3779b97f4a7c15

// voter finds pieces of the rows of a in b.
type voter struct {
	a, b   *Image
	length int    // of a piece, in pixels
	power  uint64 // rolling to the length-1
	pieces map[uint64][]image.Point
	maybe  [1 << 10]uint64 // the bits of the hashes that there are, to pass over others fast
	votes  map[image.Point]int
}

// keys puts a number for each pixel of a row from x on into out: equal pixels have equal numbers.
func keys(p *Image, x, y int, out []uint64) {
	n := p.Channels()
	switch p.Depth {
	case U8:
		rowKeys(p.RowU8(y)[x*n:], n, out, func(v uint8) uint64 { return uint64(v) })
	case U16:
		rowKeys(p.RowU16(y)[x*n:], n, out, func(v uint16) uint64 { return uint64(v) })
	case F32:
		rowKeys(p.RowF32(y)[x*n:], n, out, func(v float32) uint64 { return uint64(math.Float32bits(v)) })
	}
}

func rowKeys[T any](row []T, n int, out []uint64, number func(T) uint64) {
	for x := range out {
		k := uint64(1)
		for _, v := range row[x*n : (x+1)*n] {
			k = k*0xbf58476d1ce4e5b9 + number(v)
		}
		out[x] = k ^ k>>29
	}
}

// gather takes some hundred pieces with something on them.
func (v *voter) gather(differ *mask) {
	const wanted = 768
	row, held := make([]uint64, v.a.Width), -1
	try := func(x, y int) {
		x = min(max(x, 0), v.a.Width-v.length)
		if y != held {
			keys(v.a, 0, y, row)
			held = y
		}
		piece := row[x : x+v.length]
		turns := 0
		for i := 1; i < len(piece); i++ {
			if piece[i] != piece[i-1] {
				turns++
			}
		}
		if turns < max(2, v.length/5) {
			return
		}
		h := uint64(0)
		for _, k := range piece {
			h = h*rolling + k
		}
		if at := image.Pt(x, y); len(v.pieces[h]) < 4 && !slices.Contains(v.pieces[h], at) {
			v.pieces[h] = append(v.pieces[h], at)
			v.maybe[h>>48>>6] |= 1 << (h >> 48 & 63)
		}
	}
	if differ != nil {
		step := max(1, differ.count()/(4*wanted))
		n := 0
		differ.each(func(x, y int) bool {
			if n++; n%step == 0 {
				try(x-v.length/2, y)
			}
			return len(v.pieces) < wanted
		})
		return
	}
	turn := sequence(3)
	const cells = 48
	for cy := range cells {
		y := (cy*v.a.Height + turn.below(v.a.Height)) / cells
		for cx := range cells {
			try((cx*v.a.Width+turn.below(v.a.Width))/cells, y)
		}
	}
	// Of pictures with little on them, more.
	for y := 0; y < v.a.Height && len(v.pieces) < 64; y++ {
		for x := 0; x+v.length <= v.a.Width && len(v.pieces) < wanted; x += v.length {
			try(x, y)
		}
	}
}

// search goes over all pieces of b. With a mask, in each row over those from the first to the last pixel that is set:
// where something came to, something changed.
func (v *voter) search(ctx context.Context, differ *mask) error {
	row := make([]uint64, v.b.Width)
	met := map[uint64]int{}
	for y := range v.b.Height {
		if y&63 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		x0, x1 := 0, v.b.Width
		if differ != nil {
			if x0, _, x1, _ = differ.bounds(0, y, differ.w, y+1); x0 >= x1 {
				continue
			}
			x0, x1 = max(0, x0-v.length), min(v.b.Width, x1+v.length)
		}
		part := row[:x1-x0]
		keys(v.b, x0, y, part)
		h := uint64(0)
		for i, k := range part {
			if i >= v.length {
				h -= part[i-v.length] * v.power
			}
			h = h*rolling + k
			if i < v.length-1 || v.maybe[h>>48>>6]>>(h>>48&63)&1 == 0 {
				continue
			}
			list := v.pieces[h]
			if len(list) == 0 {
				continue
			}
			if met[h]++; met[h] > 16 { // of a pattern
				continue
			}
			for _, at := range list {
				v.votes[image.Pt(x0+i-v.length+1-at.X, y-at.Y)]++
			}
		}
	}
	return nil
}

// top returns the offsets with the most votes.
func (v *voter) top(n int) []image.Point {
	var out []image.Point
	for at := range v.votes {
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b image.Point) int {
		if d := v.votes[b] - v.votes[a]; d != 0 {
			return d
		}
		if a.Y != b.Y {
			return a.Y - b.Y
		}
		return a.X - b.X
	})
	return out[:min(n, len(out))]
}
