package raster

import (
	"cmp"
	"image"
	"slices"
)

// Region is a part of a picture in which pixels changed.
type Region struct {
	Box    image.Rectangle // in the new picture
	Pixels int             // that changed
}

// maxRegions bounds the regions that are made out one by one; where there are more, blocks of pixels are joined.
const maxRegions = 1 << 20

// regions returns the parts of a mask that lie no further apart than gap pixels, the largest first. step tells in what
// blocks they are: 1 of pixels.
func (m *mask) regions(gap int) (out []Region, step int) {
	for step = 1; ; step *= 8 {
		part := m
		if step > 1 {
			part = m.shrink(step)
		}
		if out, ok := label(part, gap/step, func(y, x0, x1 int) int { return m.countBlocks(y, x0, x1, step) }); ok {
			for i := range out {
				b := &out[i].Box
				*b = image.Rect(b.Min.X*step, b.Min.Y*step, min(b.Max.X*step, m.w), min(b.Max.Y*step, m.h))
			}
			slices.SortStableFunc(out, func(a, b Region) int {
				return cmp.Or(cmp.Compare(b.Pixels, a.Pixels), cmp.Compare(a.Box.Min.Y, b.Box.Min.Y), cmp.Compare(a.Box.Min.X, b.Box.Min.X))
			})
			return out, step
		}
	}
}

// shrink returns a mask with one bit for a block of step by step.
func (m *mask) shrink(step int) *mask {
	s := newMask((m.w+step-1)/step, (m.h+step-1)/step)
	m.each(func(x, y int) bool {
		s.set(x/step, y/step)
		return true
	})
	return s
}

func (m *mask) countBlocks(y, x0, x1, step int) int {
	n := 0
	for yy := y * step; yy < min((y+1)*step, m.h); yy++ {
		n += m.countIn(yy, x0*step, min(x1*step, m.w))
	}
	return n
}

type piece struct {
	x0, x1, y, label int
}

// label joins runs to regions: a run with those of the gap+1 rows above that are within gap+1 columns of it. false if
// there are too many.
func label(m *mask, gap int, area func(y, x0, x1 int) int) ([]Region, bool) {
	var parent []int
	var found []Region
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	rows := make([][]piece, gap+2) // this one and those above, a ring
	next := make([]int, gap+2)     // where to go on in each
	for y := range m.h {
		row := rows[y%(gap+2)][:0]
		clear(next)
		m.runs(y, func(x0, x1 int) {
			at := -1
			join := func(l int) {
				l = root(l)
				switch {
				case at < 0:
					at = l
				case at != l:
					at, l = min(at, l), max(at, l)
					parent[l] = at
					found[at].Box = found[at].Box.Union(found[l].Box)
					found[at].Pixels += found[l].Pixels
				}
			}
			if n := len(row); n > 0 && x0-row[n-1].x1 <= gap {
				join(row[n-1].label)
			}
			for k := 1; k <= min(gap+1, y); k++ {
				list := rows[(y-k)%(gap+2)]
				i := next[k]
				for i < len(list) && list[i].x1+gap+1 <= x0 {
					i++
				}
				next[k] = i
				for ; i < len(list) && list[i].x0 < x1+gap+1; i++ {
					join(list[i].label)
				}
			}
			if at < 0 {
				at = len(parent)
				parent = append(parent, at)
				found = append(found, Region{Box: image.Rect(x0, y, x1, y+1)})
			}
			found[at].Box = found[at].Box.Union(image.Rect(x0, y, x1, y+1))
			found[at].Pixels += area(y, x0, x1)
			row = append(row, piece{x0, x1, y, at})
		})
		rows[y%(gap+2)] = row
		if len(parent) > maxRegions {
			return nil, false
		}
	}
	out := found[:0]
	for i, r := range found {
		if parent[i] == i {
			out = append(out, r)
		}
	}
	return out, true
}
