package svg

import (
	"math"
	"slices"
)

// canvas is premultiplied sRGB with alpha, from 0 to 1, four to a pixel.
type canvas struct {
	w, h int
	rgba []float32
}

// edge goes down.
type edge struct {
	x, top, bottom float64 // x at top
	slope          float64
	winding        int
}

// lanes are rows in a pixel for which coverage is found.
const lanes = 4

// maxCrossings bounds the work of a drawing.
const maxCrossings = 1 << 28

// filler finds what of each pixel polygons cover.
type filler struct {
	w, h   int
	budget *int
	edges  []edge
	row    []float32
}

// add takes polygons, in pixels.
func (f *filler) add(lines []line, m matrix) {
	for _, l := range lines {
		n := len(l.points)
		if n < 2 {
			continue
		}
		prev := m.apply(l.points[n-1])
		for _, q := range l.points {
			p := m.apply(q)
			f.edge(prev, p)
			prev = p
		}
	}
}

// turned is add of polygons that each are to have their corners in one direction.
func (f *filler) turned(lines []line, m matrix) {
	for _, l := range lines {
		area := 0.0
		for i, p := range l.points {
			a, b := m.apply(p), m.apply(l.points[(i+1)%len(l.points)])
			area += a.x*b.y - a.y*b.x
		}
		if area < 0 {
			slices.Reverse(l.points)
		}
		f.add([]line{l}, m)
	}
}

func (f *filler) edge(a, b point) {
	w := 1
	if a.y > b.y {
		a, b, w = b, a, -1
	}
	bad := func(v float64) bool { return math.IsNaN(v) || math.Abs(v) > 1e7 }
	if a.y == b.y || bad(a.x) || bad(a.y) || bad(b.x) || bad(b.y) || b.y <= 0 || a.y >= float64(f.h) {
		return
	}
	f.edges = append(f.edges, edge{a.x, a.y, b.y, (b.x - a.x) / (b.y - a.y), w})
}

type crossing struct {
	x       float64
	winding int
}

// fill calls pixel with everything that is covered, and how much.
func (f *filler) fill(evenOdd bool, pixel func(x, y int, cover float32)) {
	slices.SortFunc(f.edges, func(a, b edge) int {
		switch {
		case a.top < b.top:
			return -1
		case a.top > b.top:
			return 1
		}
		return 0
	})
	if len(f.row) != f.w+2 {
		f.row = make([]float32, f.w+2)
	}
	var live []edge
	var cross []crossing
	next := 0
	first := f.h
	if len(f.edges) > 0 {
		first = max(0, int(f.edges[0].top))
	}
	for y := first; y < f.h && (next < len(f.edges) || len(live) > 0); y++ {
		clear(f.row)
		any := false
		for lane := range lanes {
			at := float64(y) + (float64(lane)+0.5)/lanes
			for next < len(f.edges) && f.edges[next].top <= at {
				live = append(live, f.edges[next])
				next++
			}
			live = slices.DeleteFunc(live, func(e edge) bool { return e.bottom <= at })
			if *f.budget -= len(live); *f.budget < 0 {
				f.edges = f.edges[:0]
				return
			}
			cross = cross[:0]
			for _, e := range live {
				cross = append(cross, crossing{e.x + (at-e.top)*e.slope, e.winding})
			}
			slices.SortFunc(cross, func(a, b crossing) int {
				switch {
				case a.x < b.x:
					return -1
				case a.x > b.x:
					return 1
				}
				return 0
			})
			any = any || len(cross) > 0
			f.spans(cross, evenOdd)
		}
		if any {
			f.emit(y, pixel)
		}
	}
	f.edges = f.edges[:0]
}

// spans adds what is inside on one lane, as changes along the row.
func (f *filler) spans(cross []crossing, evenOdd bool) {
	winding := 0
	for i, c := range cross {
		was := winding
		if winding += c.winding; evenOdd {
			winding = (was + 1) & 1
		}
		if i+1 < len(cross) && winding != 0 {
			f.span(c.x, cross[i+1].x)
		}
	}
}

// span covers from a to b: the row holds the difference of each pixel's cover to that of the one before.
func (f *filler) span(a, b float64) {
	a, b = max(a, 0), min(b, float64(f.w))
	if a >= b {
		return
	}
	half := func(x float64, sign float32) {
		i := int(x)
		part := float32(float64(i) + 1 - x) // of pixel i what is right of x
		f.row[i] += sign * part / lanes
		f.row[i+1] += sign * (1 - part) / lanes
	}
	half(a, 1)
	half(b, -1)
}

func (f *filler) emit(y int, pixel func(x, y int, cover float32)) {
	sum := float32(0)
	for x := range f.w {
		if sum += f.row[x]; sum > 1.0/512 {
			pixel(x, y, min(sum, 1))
		}
	}
}

// over puts a colour, not premultiplied, over a pixel.
func (c *canvas) over(x, y int, r, g, b, a float32) {
	p := c.rgba[4*(y*c.w+x):][:4]
	k := 1 - a
	p[0], p[1], p[2], p[3] = p[0]*k+r*a, p[1]*k+g*a, p[2]*k+b*a, p[3]*k+a
}
