package chunk

import "math/bits"

// The functions here restate the package documentation in the plainest way, one
// byte at a time and with the whole stream in hand, to judge the real ones by.

type refTable [256]uint64

func refOf(t *Table) *refTable {
	r := refTable(t.one)
	return &r
}

// first is the rule for chunks.
func (t *refTable) first(c Class, b []byte) int {
	p := c.Params()
	bitsOf := bits.TrailingZeros(uint(p.Avg))
	zeros := func(h uint64, n int) bool { return h>>(64-n) == 0 }
	var h uint64
	for i, x := range b {
		h = h<<1 + t[x]
		l := i + 1
		switch {
		case l == p.Max:
			return l
		case p.Min == p.Max || l <= p.Min:
		case l <= p.Avg && zeros(h, bitsOf+3), l > p.Avg && zeros(h, bitsOf-3):
			return l
		}
	}
	return len(b)
}

// pieces is the section on streams.
func (t *refTable) pieces(class Class, seams []Seam, b []byte) []Piece {
	type extent struct {
		off, end int
		class    Class
	}
	x := extent{class: class}
	var extents []extent
	seen := int64(0)
	for _, s := range seams {
		if !s.Class.Valid() || s.Off < seen {
			continue
		}
		if seen = s.Off; seen >= int64(len(b)) {
			break
		}
		if int(s.Off) > x.off {
			x.end = int(s.Off)
			extents = append(extents, x)
			x.off = x.end
		}
		x.class = s.Class
	}
	x.end = len(b)
	extents = append(extents, x)
	if len(b) == 0 {
		return nil
	}
	if len(b) <= 64<<10 && len(extents) == 1 {
		return []Piece{{Data, 0, len(b)}}
	}
	var out []Piece
	for _, x := range extents {
		for _, p := range t.extent(x.class, x.off, b[x.off:x.end]) {
			out = append(out, Piece{p.Kind, p.Off + x.off, p.Len})
		}
	}
	return out
}

func (t *refTable) extent(class Class, base int, b []byte) []Piece {
	if len(b) < 1<<10 {
		return []Piece{{Literal, 0, len(b)}}
	}
	var out []Piece
	if p := class.Params(); p.Min == p.Max {
		for off := 0; off < len(b); off += p.Max {
			n := min(p.Max, len(b)-off)
			kind := Data
			if n >= 4096 && refPeriod(b[off : off+n])[0] == n {
				kind = Run
			}
			out = append(out, Piece{kind, off, n})
		}
		return out
	}
	period := refPeriod(b)
	data := func(off, end int) {
		for off < end {
			n := t.first(class, b[off:end])
			out = append(out, Piece{Data, off, n})
			off += n
		}
	}
	from := 0
	for s := 0; s < len(b); {
		if period[s] < 4096 {
			s++
			continue
		}
		data(from, s)
		e := s + period[s]
		for off := s; off < e; {
			m := off + 1
			for m != e && ((base+m)%(64<<10) != 0 || m-s < 24 || e-m < 24) {
				m++
			}
			out = append(out, Piece{Run, off, m - off})
			off = m
		}
		s, from = e, e
	}
	data(from, len(b))
	return out
}

// refPeriod returns, for each place of b, how long the bytes from there on have
// period 24.
func refPeriod(b []byte) []int {
	out := make([]int, len(b))
	for i := len(b) - 1; i >= 0; i-- {
		switch {
		case i+24 >= len(b):
			out[i] = len(b) - i
		case b[i] == b[i+24]:
			out[i] = out[i+1] + 1
		default:
			out[i] = 24
		}
	}
	return out
}
