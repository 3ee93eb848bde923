package svg

import "math"

// stroke is how a line is drawn.
type stroke struct {
	width, limit float64
	cap, join    string
	dashes       []float64
	offset       float64
}

// outline returns polygons that together cover the stroke of lines. They overlap: each has its corners in the same
// direction, so that what any of them covers is covered.
func (s *stroke) outline(lines []line, pen *pen) []line {
	var out []line
	add := func(points ...point) {
		if *pen.points += len(points); *pen.points > maxPoints {
			return
		}
		out = append(out, line{points, true})
	}
	h := s.width / 2
	round := func(at point) {
		n := max(8, pen.steps(2*math.Pi*h))
		var circle []point
		for i := range n {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
			circle = append(circle, point{at.x + h*cos, at.y + h*sin})
		}
		add(circle...)
	}
	for _, l := range s.dash(lines, pen) {
		p := distinct(l.points, l.closed)
		if len(p) == 1 {
			switch at := p[0]; s.cap {
			case "round":
				round(at)
			case "square":
				add(point{at.x - h, at.y - h}, point{at.x + h, at.y - h}, point{at.x + h, at.y + h}, point{at.x - h, at.y + h})
			}
			continue
		}
		n := len(p) - 1
		if l.closed && len(p) > 2 {
			n++
		}
		for i := range n {
			a, b := p[i], p[(i+1)%len(p)]
			d := dist(a, b)
			ux, uy := (b.x-a.x)/d, (b.y-a.y)/d
			if s.cap == "square" && n < len(p) {
				if i == 0 {
					a = point{a.x - h*ux, a.y - h*uy}
				}
				if i == n-1 {
					b = point{b.x + h*ux, b.y + h*uy}
				}
			}
			nx, ny := -uy*h, ux*h
			add(point{a.x + nx, a.y + ny}, point{b.x + nx, b.y + ny}, point{b.x - nx, b.y - ny}, point{a.x - nx, a.y - ny})
			if i+1 < n || n == len(p) {
				s.corner(p[i], p[(i+1)%len(p)], p[(i+2)%len(p)], add, round)
			}
		}
		if s.cap == "round" && n < len(p) {
			round(p[0])
			round(p[len(p)-1])
		}
	}
	return out
}

// corner joins two lines at b.
func (s *stroke) corner(a, b, c point, add func(...point), round func(point)) {
	if s.join == "round" {
		round(b)
		return
	}
	h := s.width / 2
	d1, d2 := dist(a, b), dist(b, c)
	ux, uy, vx, vy := (b.x-a.x)/d1, (b.y-a.y)/d1, (c.x-b.x)/d2, (c.y-b.y)/d2
	side := h
	if ux*vy-uy*vx > 0 {
		side = -h
	}
	p, q := point{b.x - uy*side, b.y + ux*side}, point{b.x - vy*side, b.y + vx*side}
	cos := ux*vx + uy*vy
	half := math.Sqrt(max(0, (1+cos)/2)) // of the angle between the lines, its sine
	if s.join != "bevel" && half > 1e-6 && 1/half <= s.limit {
		mx, my := (p.x+q.x)/2-b.x, (p.y+q.y)/2-b.y
		if l := math.Hypot(mx, my); l > 0 {
			k := h / half / l
			add(b, p, point{b.x + mx*k, b.y + my*k}, q)
			return
		}
	}
	add(b, p, q)
}

// distinct leaves out points that are where the one before is.
func distinct(points []point, closed bool) []point {
	var out []point
	for _, p := range points {
		if len(out) == 0 || dist(out[len(out)-1], p) > 1e-9 {
			out = append(out, p)
		}
	}
	if closed && len(out) > 1 && dist(out[0], out[len(out)-1]) <= 1e-9 {
		out = out[:len(out)-1]
	}
	return out
}

// dash cuts lines into dashes.
func (s *stroke) dash(lines []line, pen *pen) []line {
	total := 0.0
	for _, d := range s.dashes {
		if d < 0 || math.IsNaN(d) || math.IsInf(d, 0) {
			return lines
		}
		total += d
	}
	if total <= 0 || total*pen.detail < 0.2 {
		return lines
	}
	dashes := s.dashes
	if len(dashes)%2 == 1 {
		dashes = append(append([]float64(nil), dashes...), dashes...)
		total *= 2
	}
	var out []line
	for _, l := range lines {
		points := l.points
		if l.closed && len(points) > 0 {
			points = append(append([]point(nil), points...), points[0])
		}
		at, left := 0, math.Mod(s.offset, total)
		if left < 0 {
			left += total
		}
		for left >= dashes[at] {
			left -= dashes[at]
			at = (at + 1) % len(dashes)
		}
		left = dashes[at] - left
		var open []point
		for i := 1; i < len(points); i++ {
			a, b := points[i-1], points[i]
			d := dist(a, b)
			for done := 0.0; done < d; {
				if *pen.points++; *pen.points > maxPoints {
					return out
				}
				step := min(left, d-done)
				along := func(t float64) point { return point{a.x + (b.x-a.x)*t/d, a.y + (b.y-a.y)*t/d} }
				if at%2 == 0 {
					if open == nil {
						open = []point{along(done)}
					}
					open = append(open, along(done+step))
				}
				done += step
				if left -= step; left <= 0 {
					if open != nil {
						out = append(out, line{points: open})
						open = nil
					}
					at = (at + 1) % len(dashes)
					left = dashes[at]
				}
			}
		}
		if open != nil {
			out = append(out, line{points: open})
		}
	}
	return out
}
