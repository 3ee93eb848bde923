package svg

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/image/colornames"

	"varve/format/xmlspan"
)

// shade gives the colour of a pixel: sRGB and alpha from 0 to 1, not premultiplied.
type shade func(x, y float64) [4]float32

// parseColor reads a colour; ok is false for none.
func parseColor(s string) (c [4]float32, ok bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if hex, isHex := strings.CutPrefix(s, "#"); isHex {
		if len(hex) == 3 || len(hex) == 4 {
			var long strings.Builder
			for _, d := range []byte(hex) {
				long.WriteByte(d)
				long.WriteByte(d)
			}
			hex = long.String()
		}
		if len(hex) == 6 {
			hex += "ff"
		}
		v, err := strconv.ParseUint(hex, 16, 32)
		if err != nil || len(hex) != 8 {
			return c, false
		}
		for i := range 4 {
			c[i] = float32(v>>(24-8*i)&0xff) / 255
		}
		return c, true
	}
	if name, rest, isCall := strings.Cut(s, "("); isCall {
		fields := strings.FieldsFunc(strings.TrimSuffix(rest, ")"), func(r rune) bool { return r == ',' || r == ' ' || r == '/' })
		if len(fields) < 3 {
			return c, false
		}
		c[3] = 1
		for i, f := range fields[:min(4, len(fields))] {
			v, percent := fraction(f)
			switch {
			case percent || i == 3:
			case strings.HasPrefix(name, "rgb"):
				v /= 255
			case i == 0:
				v /= 360
			}
			c[i] = float32(max(0, min(1, v)))
		}
		if strings.HasPrefix(name, "hsl") {
			return hsl(c), true
		}
		return c, strings.HasPrefix(name, "rgb")
	}
	if s == "transparent" {
		return c, true
	}
	if n, known := colornames.Map[s]; known {
		return [4]float32{float32(n.R) / 255, float32(n.G) / 255, float32(n.B) / 255, 1}, true
	}
	return c, false
}

func hsl(c [4]float32) [4]float32 {
	h, s, l := float64(c[0]), float64(c[1]), float64(c[2])
	for i, n := range []float64{0, 8, 4} {
		k := math.Mod(n+h*12, 12)
		c[i] = float32(l - s*min(l, 1-l)*max(-1, min(k-3, 9-k, 1)))
	}
	return c
}

// fraction reads 0.5 or 50%.
func fraction(s string) (v float64, percent bool) {
	s, percent = strings.CutSuffix(strings.TrimSpace(s), "%")
	n := numberLen(s)
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return 0, percent
	}
	if percent {
		v /= 100
	}
	return v, percent
}

// stop is of a gradient.
type stop struct {
	at    float64
	color [4]float32
}

// gradient returns the shade of one for a shape with bounds, drawn by m; nil where it cannot be.
func (p *painter) gradient(n *xmlspan.Node, m matrix, bounds [4]float64, opacity float32, current [4]float32) shade {
	get := func(name string) (string, bool) { return p.inherited(n, name) }
	units, _ := get("gradientUnits")
	user := units == "userSpaceOnUse"
	length := func(name, otherwise string, whole float64) float64 {
		s, ok := get(name)
		if !ok {
			s = otherwise
		}
		v, percent := fraction(s)
		if percent && user {
			return v * whole
		}
		return v
	}
	if !user {
		m = m.times(matrix{bounds[2] - bounds[0], 0, 0, bounds[3] - bounds[1], bounds[0], bounds[1]})
	}
	if t, ok := get("gradientTransform"); ok {
		m = m.times(transform(t))
	}
	inverse, ok := m.inverse()
	if !ok {
		return nil
	}
	stops := p.stops(n, current)
	if len(stops) == 0 {
		return nil
	}
	spread, _ := get("spreadMethod")
	color := func(t float64) [4]float32 { return colorAt(stops, t, spread, opacity) }
	if n.Local() == "linearGradient" {
		x1, y1 := length("x1", "0%", p.width), length("y1", "0%", p.height)
		x2, y2 := length("x2", "100%", p.width), length("y2", "0%", p.height)
		dx, dy := x2-x1, y2-y1
		d := dx*dx + dy*dy
		return func(x, y float64) [4]float32 {
			q := inverse.apply(point{x, y})
			if d == 0 {
				return color(1)
			}
			return color(((q.x-x1)*dx + (q.y-y1)*dy) / d)
		}
	}
	cx, cy := length("cx", "50%", p.width), length("cy", "50%", p.height)
	r := length("r", "50%", math.Hypot(p.width, p.height)/math.Sqrt2)
	fx, fy := cx, cy
	if _, ok := get("fx"); ok {
		fx = length("fx", "", p.width)
	}
	if _, ok := get("fy"); ok {
		fy = length("fy", "", p.height)
	}
	return func(x, y float64) [4]float32 {
		q := inverse.apply(point{x, y})
		return color(radial(q, point{cx, cy}, point{fx, fy}, r))
	}
}

// radial is how far q is on the way from the focus to the circle.
func radial(q, c, f point, r float64) float64 {
	if r <= 0 {
		return 1
	}
	if c == f {
		return dist(q, c) / r
	}
	dx, dy := q.x-f.x, q.y-f.y
	ex, ey := f.x-c.x, f.y-c.y
	a := dx*dx + dy*dy
	b := dx*ex + dy*ey
	k := b*b - a*(ex*ex+ey*ey-r*r)
	if a == 0 {
		return 0
	}
	if k < 0 {
		return 1
	}
	s := (-b + math.Sqrt(k)) / a // the circle is at f + s d
	if s <= 0 {
		return 1
	}
	return 1 / s
}

func colorAt(stops []stop, t float64, spread string, opacity float32) [4]float32 {
	switch spread {
	case "repeat":
		t -= math.Floor(t)
	case "reflect":
		t = math.Abs(t - 2*math.Round(t/2))
	}
	if math.IsNaN(t) {
		t = 1
	}
	c := stops[len(stops)-1].color
	for i, s := range stops {
		if t > s.at {
			continue
		}
		if c = s.color; i > 0 && s.at > stops[i-1].at {
			k := float32((t - stops[i-1].at) / (s.at - stops[i-1].at))
			for j, v := range stops[i-1].color {
				c[j] = v + (s.color[j]-v)*k
			}
		}
		break
	}
	c[3] *= opacity
	return c
}

// stops returns those of a gradient, or of the first that it refers to and that has some.
func (p *painter) stops(n *xmlspan.Node, current [4]float32) []stop {
	for range 8 {
		var out []stop
		for _, k := range n.All("stop") {
			style := p.f.declared(k)
			at, _ := fraction(p.f.doc.Get(k, "offset"))
			s := stop{at: max(0, min(1, at)), color: [4]float32{0, 0, 0, 1}}
			if len(out) > 0 {
				s.at = max(s.at, out[len(out)-1].at)
			}
			if c, ok := parseColor(style["stop-color"]); ok {
				s.color = c
			} else if style["stop-color"] == "currentColor" {
				s.color = current
			}
			if o, ok := style["stop-opacity"]; ok {
				v, _ := fraction(o)
				s.color[3] *= float32(max(0, min(1, v)))
			}
			out = append(out, s)
		}
		if len(out) > 0 {
			return out
		}
		if n = p.href(n); n == nil {
			break
		}
	}
	return nil
}

// href returns the node of this document that one refers to.
func (p *painter) href(n *xmlspan.Node) *xmlspan.Node {
	for _, a := range n.Attrs {
		if xmlspan.Local(a.Name) == "href" {
			id, _ := strings.CutPrefix(strings.TrimSpace(p.f.doc.Value(a)), "#")
			return p.f.ids[id]
		}
	}
	return nil
}

// inherited returns an attribute of a gradient, or of those that it refers to.
func (p *painter) inherited(n *xmlspan.Node, name string) (string, bool) {
	for range 8 {
		if v, ok := p.f.doc.Has(n, name); ok {
			return v, true
		}
		to := p.href(n)
		if to == nil || to == n || !slices.Contains([]string{"linearGradient", "radialGradient"}, to.Local()) {
			break
		}
		n = to
	}
	return "", false
}
