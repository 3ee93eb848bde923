package svg

import (
	"math"
	"strconv"
)

// point is a place.
type point struct{ x, y float64 }

// matrix is affine: x' = a x + c y + e, y' = b x + d y + f.
type matrix struct{ a, b, c, d, e, f float64 }

func identity() matrix { return matrix{a: 1, d: 1} }

// times does n and then m.
func (m matrix) times(n matrix) matrix {
	return matrix{m.a*n.a + m.c*n.b, m.b*n.a + m.d*n.b, m.a*n.c + m.c*n.d, m.b*n.c + m.d*n.d, m.a*n.e + m.c*n.f + m.e, m.b*n.e + m.d*n.f + m.f}
}

func (m matrix) apply(p point) point {
	return point{m.a*p.x + m.c*p.y + m.e, m.b*p.x + m.d*p.y + m.f}
}

// scale is by how much lengths grow, about.
func (m matrix) scale() float64 { return math.Sqrt(math.Abs(m.a*m.d - m.b*m.c)) }

func (m matrix) inverse() (matrix, bool) {
	det := m.a*m.d - m.b*m.c
	if det == 0 || math.IsNaN(det) || math.IsInf(det, 0) {
		return m, false
	}
	n := matrix{a: m.d / det, b: -m.b / det, c: -m.c / det, d: m.a / det}
	n.e, n.f = -(n.a*m.e + n.c*m.f), -(n.b*m.e + n.d*m.f)
	return n, true
}

// line is points one after another; closed goes back to the first.
type line struct {
	points []point
	closed bool
}

// maxPoints bounds the points of a drawing.
const maxPoints = 1 << 23

// pen makes lines of curves.
type pen struct {
	lines  []line
	at     point
	start  point
	detail float64 // pixels that a unit has
	points *int    // made so far
}

func (p *pen) move(to point) {
	p.lines = append(p.lines, line{points: []point{to}})
	p.at, p.start = to, to
}

func (p *pen) to(q point) {
	if len(p.lines) == 0 || p.lines[len(p.lines)-1].closed {
		p.move(p.at)
	}
	if *p.points++; *p.points > maxPoints {
		return
	}
	l := &p.lines[len(p.lines)-1]
	l.points = append(l.points, q)
	p.at = q
}

func (p *pen) close() {
	if n := len(p.lines); n > 0 {
		p.lines[n-1].closed = true
		p.at = p.start
	}
}

// steps is how many lines a curve of a length becomes.
func (p *pen) steps(length float64) int {
	n := 2 + math.Sqrt(length*p.detail)*1.5
	if math.IsNaN(n) {
		return 2
	}
	return int(min(n, 200))
}

func dist(a, b point) float64 { return math.Hypot(a.x-b.x, a.y-b.y) }

func (p *pen) cubic(b, c, d point) {
	a := p.at
	n := p.steps(dist(a, b) + dist(b, c) + dist(c, d))
	for i := 1; i < n; i++ {
		t := float64(i) / float64(n)
		u := 1 - t
		k0, k1, k2, k3 := u*u*u, 3*u*u*t, 3*u*t*t, t*t*t
		p.to(point{k0*a.x + k1*b.x + k2*c.x + k3*d.x, k0*a.y + k1*b.y + k2*c.y + k3*d.y})
	}
	p.to(d)
}

func (p *pen) quadratic(b, c point) {
	a := p.at
	third := func(q point) point { return point{q.x + (b.x-q.x)*2/3, q.y + (b.y-q.y)*2/3} }
	p.cubic(third(a), third(c), c)
}

// arc goes along an ellipse with radii rx and ry, turned by degrees.
func (p *pen) arc(rx, ry, degrees float64, large, sweep bool, to point) {
	from := p.at
	rx, ry = math.Abs(rx), math.Abs(ry)
	if from == to {
		return
	}
	if rx == 0 || ry == 0 {
		p.to(to)
		return
	}
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	hx, hy := (from.x-to.x)/2, (from.y-to.y)/2
	x, y := cos*hx+sin*hy, cos*hy-sin*hx
	if l := x*x/(rx*rx) + y*y/(ry*ry); l > 1 { // too small to reach
		rx, ry = rx*math.Sqrt(l), ry*math.Sqrt(l)
	}
	k := math.Sqrt(max(0, (rx*rx*ry*ry-rx*rx*y*y-ry*ry*x*x)/(rx*rx*y*y+ry*ry*x*x)))
	if large == sweep {
		k = -k
	}
	cx, cy := k*rx*y/ry, -k*ry*x/rx
	mx, my := cos*cx-sin*cy+(from.x+to.x)/2, sin*cx+cos*cy+(from.y+to.y)/2
	a0 := math.Atan2((y-cy)/ry, (x-cx)/rx)
	turn := math.Atan2((-y-cy)/ry, (-x-cx)/rx) - a0
	if sweep && turn < 0 {
		turn += 2 * math.Pi
	} else if !sweep && turn > 0 {
		turn -= 2 * math.Pi
	}
	n := p.steps(math.Abs(turn) * max(rx, ry))
	for i := 1; i < n; i++ {
		s, c := math.Sincos(a0 + turn*float64(i)/float64(n))
		p.to(point{mx + cos*rx*c - sin*ry*s, my + sin*rx*c + cos*ry*s})
	}
	p.to(to)
}

// ellipse is closed and whole.
func (p *pen) ellipse(cx, cy, rx, ry float64) {
	p.move(point{cx + rx, cy})
	p.arc(rx, ry, 0, false, true, point{cx - rx, cy})
	p.arc(rx, ry, 0, false, true, point{cx + rx, cy})
	p.close()
}

// reader takes numbers off a text.
type reader struct{ s string }

func (r *reader) skip() {
	i := 0
	for i < len(r.s) && (r.s[i] == ' ' || r.s[i] == ',' || r.s[i] == '\n' || r.s[i] == '\t' || r.s[i] == '\r') {
		i++
	}
	r.s = r.s[i:]
}

func (r *reader) number() (float64, bool) {
	r.skip()
	n := numberLen(r.s)
	if n == 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(r.s[:n], 64)
	r.s = r.s[n:]
	return v, err == nil
}

// flag is one digit, which the next number may follow at once.
func (r *reader) flag() (bool, bool) {
	r.skip()
	if r.s == "" || r.s[0] != '0' && r.s[0] != '1' {
		return false, false
	}
	set := r.s[0] == '1'
	r.s = r.s[1:]
	return set, true
}

// path draws the d of a path, as far as it can be read.
func (p *pen) path(d string) {
	r := &reader{d}
	command := byte(0)
	var control point // the last one of a curve, for the smooth ones
	last := byte(0)
	for *p.points <= maxPoints {
		r.skip()
		if r.s == "" {
			return
		}
		if c := r.s[0]; c|0x20 >= 'a' && c|0x20 <= 'z' {
			command = c
			r.s = r.s[1:]
			if c|0x20 == 'z' {
				p.close()
				last = 'z'
				continue
			}
		} else if command|0x20 == 'z' || command == 0 {
			return
		}
		if !p.step(r, command, last, &control) {
			return
		}
		last = command | 0x20
		switch command { // more numbers are lines
		case 'M':
			command = 'L'
		case 'm':
			command = 'l'
		}
	}
}

// step draws one command.
func (p *pen) step(r *reader, command, last byte, control *point) bool {
	base := point{}
	if command >= 'a' {
		base = p.at
	}
	var v [6]float64
	read := func(n int) bool {
		for i := range n {
			var ok bool
			if v[i], ok = r.number(); !ok {
				return false
			}
		}
		return true
	}
	at := func(i int) point { return point{base.x + v[i], base.y + v[i+1]} }
	mirror := func(of ...byte) point {
		for _, c := range of {
			if last == c {
				return point{2*p.at.x - control.x, 2*p.at.y - control.y}
			}
		}
		return p.at
	}
	switch command | 0x20 {
	case 'm':
		if !read(2) {
			return false
		}
		p.move(at(0))
	case 'l':
		if !read(2) {
			return false
		}
		p.to(at(0))
	case 'h':
		if !read(1) {
			return false
		}
		p.to(point{base.x + v[0], p.at.y})
	case 'v':
		if !read(1) {
			return false
		}
		p.to(point{p.at.x, base.y + v[0]})
	case 'c':
		if !read(6) {
			return false
		}
		*control = at(2)
		p.cubic(at(0), at(2), at(4))
	case 's':
		if !read(4) {
			return false
		}
		first := mirror('c', 's')
		*control = at(0)
		p.cubic(first, at(0), at(2))
	case 'q':
		if !read(4) {
			return false
		}
		*control = at(0)
		p.quadratic(at(0), at(2))
	case 't':
		if !read(2) {
			return false
		}
		*control = mirror('q', 't')
		p.quadratic(*control, at(0))
	case 'a':
		if !read(3) {
			return false
		}
		rx, ry, turn := v[0], v[1], v[2]
		large, ok1 := r.flag()
		sweep, ok2 := r.flag()
		if !ok1 || !ok2 || !read(2) {
			return false
		}
		p.arc(rx, ry, turn, large, sweep, at(0))
	default:
		return false
	}
	return true
}
