package svg

import (
	"math"
	"strings"

	"varve/format/xmlspan"
)

// page returns what the document's units become in pixels, and its size in them.
func (p *painter) page() (view matrix, w, h float64) {
	root := p.f.doc.Root
	box, hasBox := p.viewBox(root)
	size := func(name string, otherwise float64) float64 {
		s := strings.TrimSpace(p.f.doc.Get(root, name))
		if s == "" || strings.HasSuffix(s, "%") {
			return otherwise
		}
		return length(s, otherwise)
	}
	if !hasBox {
		w, h = size("width", 300), size("height", 150)
		p.width, p.height = w, h
		return identity(), w, h
	}
	p.width, p.height = box[2], box[3]
	w, h = size("width", -1), size("height", -1)
	switch {
	case w < 0 && h < 0:
		w, h = box[2], box[3]
	case w < 0:
		w = h * box[2] / box[3]
	case h < 0:
		h = w * box[3] / box[2]
	}
	return fit(box, w, h, p.f.doc.Get(root, "preserveAspectRatio")), w, h
}

func (p *painter) viewBox(n *xmlspan.Node) (box [4]float64, ok bool) {
	r := &reader{p.f.doc.Get(n, "viewBox")}
	for i := range box {
		if box[i], ok = r.number(); !ok {
			return box, false
		}
	}
	return box, box[2] > 0 && box[3] > 0
}

// fit puts a box into w×h.
func fit(box [4]float64, w, h float64, how string) matrix {
	sx, sy := w/box[2], h/box[3]
	if strings.Contains(how, "none") {
		return matrix{sx, 0, 0, sy, -box[0] * sx, -box[1] * sy}
	}
	s := min(sx, sy)
	if strings.Contains(how, "slice") {
		s = max(sx, sy)
	}
	place := func(lo, hi string, room float64) float64 {
		switch {
		case strings.Contains(how, lo):
			return 0
		case strings.Contains(how, hi):
			return room
		}
		return room / 2
	}
	return matrix{s, 0, 0, s, place("xMin", "xMax", w-box[2]*s) - box[0]*s, place("YMin", "YMax", h-box[3]*s) - box[1]*s}
}

// length reads a length in pixels.
func length(s string, otherwise float64) float64 {
	s = strings.TrimSpace(s)
	n := numberLen(s)
	if n == 0 {
		return otherwise
	}
	v, _ := fraction(s[:n])
	switch strings.TrimSpace(s[n:]) {
	case "mm":
		v *= 96 / 25.4
	case "cm":
		v *= 96 / 2.54
	case "in":
		v *= 96
	case "pt":
		v *= 96.0 / 72
	case "pc":
		v *= 16
	case "em":
		v *= 16
	}
	return v
}

// transform reads a list of transforms.
func transform(s string) matrix {
	m := identity()
	for range 1 << 10 {
		name, rest, ok := strings.Cut(s, "(")
		if !ok {
			return m
		}
		inner, after, ok := strings.Cut(rest, ")")
		if !ok {
			return m
		}
		s = after
		var v []float64
		for r := (&reader{inner}); len(v) < 6; {
			x, ok := r.number()
			if !ok {
				break
			}
			v = append(v, x)
		}
		one := func(i int, otherwise float64) float64 {
			if i < len(v) {
				return v[i]
			}
			return otherwise
		}
		switch strings.Trim(name, " ,\t\r\n") {
		case "matrix":
			if len(v) == 6 {
				m = m.times(matrix{v[0], v[1], v[2], v[3], v[4], v[5]})
			}
		case "translate":
			m = m.times(matrix{1, 0, 0, 1, one(0, 0), one(1, 0)})
		case "scale":
			m = m.times(matrix{one(0, 1), 0, 0, one(1, one(0, 1)), 0, 0})
		case "rotate":
			sin, cos := math.Sincos(one(0, 0) * math.Pi / 180)
			x, y := one(1, 0), one(2, 0)
			m = m.times(matrix{1, 0, 0, 1, x, y}).times(matrix{cos, sin, -sin, cos, 0, 0}).times(matrix{1, 0, 0, 1, -x, -y})
		case "skewX":
			m = m.times(matrix{1, 0, math.Tan(one(0, 0) * math.Pi / 180), 1, 0, 0})
		case "skewY":
			m = m.times(matrix{1, math.Tan(one(0, 0) * math.Pi / 180), 0, 1, 0, 0})
		}
	}
	return m
}
