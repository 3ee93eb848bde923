package svg

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"varve/format"
	"varve/format/raster"
	"varve/format/xmlspan"
)

// Bounds of a drawing.
const (
	maxSide   = 1024    // pixels
	maxDrawn  = 1 << 17 // nodes, those that are used again too
	maxUse    = 24      // uses within one another
	maxLayers = 6       // canvases within one another
)

// painter draws a document, or measures it.
type painter struct {
	f       *file
	ctx     context.Context
	width   float64 // of the drawing, in its units
	height  float64
	canvas  *canvas
	spare   []*canvas
	filler  filler
	missing map[string]bool
	drawn   int
	points  int
	crosses int
	uses    int
	layers  int
	stack   []*xmlspan.Node
	bounds  map[*xmlspan.Node]*[4]float64 // not nil: measure only
}

// look is what a node has of those that it is in.
type look struct {
	style   map[string]string // inherited
	opacity float32           // of groups for which there was no canvas
}

// Picture draws the document: shapes, groups, gradients, strokes, clips and masks. It says what is in it besides.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	size = min(max(size, 16), maxSide)
	p := f.painter(ctx)
	view, w, h := p.page()
	if w <= 0 || h <= 0 || math.IsInf(w, 0) || math.IsInf(h, 0) || math.IsNaN(w+h) {
		return nil, format.Unsupported("a drawing of no size")
	}
	scale := float64(size) / max(w, h)
	pw, ph := max(1, int(math.Round(w*scale))), max(1, int(math.Round(h*scale)))
	p.canvas = &canvas{pw, ph, make([]float32, 4*pw*ph)}
	p.filler.w, p.filler.h = pw, ph
	p.draw(f.doc.Root, matrix{a: scale, d: scale}.times(view), look{opacity: 1})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.drawn > maxDrawn || p.points > maxPoints || p.crosses < 0 {
		p.missing["what is too much for a thumbnail"] = true
	}
	image, err := raster.New(pw, ph, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(p.canvas.rgba); i += 4 {
		c := p.canvas.rgba[i:][:4]
		for k := range 3 {
			if c[3] > 0 {
				image.U8[i+k] = byte(max(0, min(255, c[k]/c[3]*255+0.5)))
			}
		}
		image.U8[i+3] = byte(max(0, min(255, c[3]*255+0.5)))
	}
	note := ""
	if list := slices.Sorted(maps.Keys(p.missing)); len(list) > 0 {
		note = "without " + strings.Join(list, ", ")
	}
	return &format.Picture{Image: image, Source: format.Rendered, Note: note}, nil
}

func (f *file) painter(ctx context.Context) *painter {
	p := &painter{f: f, ctx: ctx, missing: map[string]bool{}, crosses: maxCrossings}
	p.filler.budget = &p.crosses
	return p
}

// measure returns the bounds of what is drawn, in pixels of the document at its own size.
func (f *file) measure(ctx context.Context) map[*xmlspan.Node]*[4]float64 {
	p := f.painter(ctx)
	p.bounds = map[*xmlspan.Node]*[4]float64{}
	view, _, _ := p.page()
	p.draw(f.doc.Root, view, look{opacity: 1})
	return p.bounds
}

// inherits reports whether what a node says of it is also said of those in it.
func inherits(name string) bool {
	switch name {
	case "color", "visibility", "clip-rule":
		return true
	}
	return (strings.HasPrefix(name, "fill") || strings.HasPrefix(name, "stroke"))
}

// draw draws a node, by m.
func (p *painter) draw(n *xmlspan.Node, m matrix, from look) {
	if p.drawn++; p.drawn > maxDrawn || p.points > maxPoints || p.crosses < 0 || p.ctx.Err() != nil {
		return
	}
	own := p.f.declared(n)
	if own["display"] == "none" {
		return
	}
	in := look{maps.Clone(from.style), from.opacity}
	if in.style == nil {
		in.style = map[string]string{}
	}
	for k, v := range own {
		if inherits(k) && v != "inherit" {
			in.style[k] = v
		}
	}
	if t := p.f.doc.Get(n, "transform"); t != "" && n.Parent != nil {
		m = m.times(transform(t))
	}
	if own["filter"] != "" && own["filter"] != "none" {
		p.missing["filters"] = true
	}
	p.stack = append(p.stack, n)
	defer func() { p.stack = p.stack[:len(p.stack)-1] }()
	if p.bounds != nil {
		p.content(n, m, in)
		return
	}
	alpha := float32(1)
	if s, ok := own["opacity"]; ok {
		v, _ := fraction(s)
		alpha = float32(max(0, min(1, v)))
	}
	clip, mask := p.refers(own["clip-path"]), p.refers(own["mask"])
	if clip == nil && mask == nil && alpha == 1 {
		p.content(n, m, in)
		return
	}
	if p.layers == maxLayers {
		in.opacity *= alpha
		p.content(n, m, in)
		return
	}
	below := p.layer()
	p.content(n, m, in)
	if clip != nil {
		p.cover(func() { p.clip(clip, m) }, func(c []float32) float32 { return c[3] })
	}
	if mask != nil {
		p.cover(func() { p.mask(mask, m) }, func(c []float32) float32 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] })
	}
	top := p.canvas
	p.canvas = below
	for i := 0; i < len(top.rgba); i += 4 {
		s, d := top.rgba[i:][:4], below.rgba[i:][:4]
		k := 1 - s[3]*alpha
		for j := range 4 {
			d[j] = d[j]*k + s[j]*alpha
		}
	}
	p.free(top)
}

// layer puts an empty canvas on top and returns the one below.
func (p *painter) layer() *canvas {
	below := p.canvas
	p.layers++
	if n := len(p.spare); n > 0 {
		p.canvas, p.spare = p.spare[n-1], p.spare[:n-1]
		clear(p.canvas.rgba)
	} else {
		p.canvas = &canvas{below.w, below.h, make([]float32, len(below.rgba))}
	}
	return below
}

func (p *painter) free(c *canvas) {
	p.layers--
	p.spare = append(p.spare, c)
}

// cover keeps of the canvas as much as what is drawn by draw says.
func (p *painter) cover(draw func(), keep func([]float32) float32) {
	if p.layers == maxLayers {
		return
	}
	below := p.layer()
	draw()
	top := p.canvas
	p.canvas = below
	for i := 0; i < len(top.rgba); i += 4 {
		k := keep(top.rgba[i:][:4])
		for j := range 4 {
			below.rgba[i+j] *= k
		}
	}
	p.free(top)
}

// refers returns the node of url(#id).
func (p *painter) refers(s string) *xmlspan.Node {
	for _, id := range targets(s) {
		return p.f.ids[id]
	}
	return nil
}

func (p *painter) clip(n *xmlspan.Node, m matrix) {
	if n.Local() != "clipPath" || p.uses >= maxUse {
		return
	}
	if p.f.doc.Get(n, "clipPathUnits") == "objectBoundingBox" {
		p.missing["some clips"] = true
		m = matrix{a: 1e6, d: 1e6, e: -5e5, f: -5e5}
	}
	p.uses++
	m = m.times(transform(p.f.doc.Get(n, "transform")))
	for _, k := range n.Kids {
		p.draw(k, m, look{map[string]string{"fill": "#000", "stroke": "none"}, 1})
	}
	p.uses--
}

func (p *painter) mask(n *xmlspan.Node, m matrix) {
	if n.Local() != "mask" || p.uses >= maxUse {
		return
	}
	p.uses++
	for _, k := range n.Kids {
		p.draw(k, m, look{opacity: 1})
	}
	p.uses--
}

// content draws what a node is.
func (p *painter) content(n *xmlspan.Node, m matrix, in look) {
	switch local := n.Local(); local {
	case "svg":
		if n.Parent != nil {
			m = p.nested(n, n, m)
		}
		p.kids(n, m, in)
	case "g", "a":
		p.kids(n, m, in)
	case "switch":
		for _, k := range n.Kids {
			if k.Local() != "foreignObject" {
				p.draw(k, m, in)
				break
			}
		}
	case "use":
		p.use(n, m, in)
	case "text", "flowRoot":
		p.missing["text"] = true
	case "image":
		p.missing["pictures"] = true
	case "foreignObject":
		p.missing["what is not SVG"] = true
	default:
		if kind, _ := p.f.kindOf(n); kind == "shape" {
			p.shape(n, m, in)
		}
	}
}

func (p *painter) kids(n *xmlspan.Node, m matrix, in look) {
	for _, k := range n.Kids {
		p.draw(k, m, in)
	}
}

// nested is where the content of an svg or symbol is drawn; sizes are of outer.
func (p *painter) nested(n, outer *xmlspan.Node, m matrix) matrix {
	get := func(name string, otherwise float64) float64 {
		return p.number(outer, name, otherwise, otherwise)
	}
	if n == outer {
		m = m.times(matrix{1, 0, 0, 1, get("x", 0), get("y", 0)})
	}
	if box, ok := p.viewBox(n); ok {
		m = m.times(fit(box, get("width", p.width), get("height", p.height), p.f.doc.Get(n, "preserveAspectRatio")))
	}
	return m
}

func (p *painter) use(n *xmlspan.Node, m matrix, in look) {
	to := p.href(n)
	if to == nil {
		return
	}
	if p.uses == maxUse {
		p.missing["what is used too deep"] = true
		return
	}
	p.uses++
	defer func() { p.uses-- }()
	m = m.times(matrix{1, 0, 0, 1, p.number(n, "x", p.width, 0), p.number(n, "y", p.height, 0)})
	if to.Local() == "symbol" {
		p.kids(to, p.nested(to, n, m), in)
		return
	}
	p.draw(to, m, in)
}

// number reads a length of a node; whole is what 100% are.
func (p *painter) number(n *xmlspan.Node, name string, whole, otherwise float64) float64 {
	s, ok := p.f.doc.Has(n, name)
	if !ok {
		return otherwise
	}
	if v, percent := fraction(s); percent {
		return v * whole
	}
	return length(s, otherwise)
}

// outline makes the lines of a shape.
func (p *painter) outline(n *xmlspan.Node, m matrix) *pen {
	pen := &pen{detail: max(m.scale(), 1e-9), points: &p.points}
	x := func(name string) float64 { return p.number(n, name, p.width, 0) }
	y := func(name string) float64 { return p.number(n, name, p.height, 0) }
	switch n.Local() {
	case "path":
		pen.path(p.f.doc.Get(n, "d"))
	case "rect":
		p.rect(n, pen, x("x"), y("y"), x("width"), y("height"))
	case "circle":
		if r := p.number(n, "r", math.Hypot(p.width, p.height)/math.Sqrt2, 0); r > 0 {
			pen.ellipse(x("cx"), y("cy"), r, r)
		}
	case "ellipse":
		if rx, ry := x("rx"), y("ry"); rx > 0 && ry > 0 {
			pen.ellipse(x("cx"), y("cy"), rx, ry)
		}
	case "line":
		pen.move(point{x("x1"), y("y1")})
		pen.to(point{x("x2"), y("y2")})
	case "polyline", "polygon":
		r := &reader{p.f.doc.Get(n, "points")}
		for first := true; ; first = false {
			px, ok1 := r.number()
			py, ok2 := r.number()
			if !ok1 || !ok2 || p.points > maxPoints {
				break
			}
			if first {
				pen.move(point{px, py})
			} else {
				pen.to(point{px, py})
			}
		}
		if n.Local() == "polygon" {
			pen.close()
		}
	}
	return pen
}

func (p *painter) rect(n *xmlspan.Node, pen *pen, x, y, w, h float64) {
	if w <= 0 || h <= 0 {
		return
	}
	rx, ry := p.number(n, "rx", p.width, -1), p.number(n, "ry", p.height, -1)
	if rx < 0 {
		rx = ry
	}
	if ry < 0 {
		ry = rx
	}
	rx, ry = max(0, min(rx, w/2)), max(0, min(ry, h/2))
	pen.move(point{x + rx, y})
	pen.to(point{x + w - rx, y})
	if rx > 0 && ry > 0 {
		pen.arc(rx, ry, 0, false, true, point{x + w, y + ry})
		pen.to(point{x + w, y + h - ry})
		pen.arc(rx, ry, 0, false, true, point{x + w - rx, y + h})
		pen.to(point{x + rx, y + h})
		pen.arc(rx, ry, 0, false, true, point{x, y + h - ry})
		pen.to(point{x, y + ry})
		pen.arc(rx, ry, 0, false, true, point{x + rx, y})
	} else {
		pen.to(point{x + w, y + h})
		pen.to(point{x, y + h})
	}
	pen.close()
}

func (p *painter) shape(n *xmlspan.Node, m matrix, in look) {
	pen := p.outline(n, m)
	if len(pen.lines) == 0 {
		return
	}
	if p.bounds != nil {
		p.grow(pen.lines, m)
		return
	}
	if v := in.style["visibility"]; v == "hidden" || v == "collapse" {
		return
	}
	for _, k := range []string{"marker", "marker-start", "marker-mid", "marker-end"} {
		if s := p.f.declared(n)[k]; s != "" && s != "none" {
			p.missing["markers"] = true
		}
	}
	box := boxOf(pen.lines, identity())
	if s := p.paint(in, "fill", "black", m, box); s != nil && n.Local() != "line" {
		p.filler.add(pen.lines, m)
		p.filler.fill(in.style["fill-rule"] == "evenodd" || p.uses > 0 && in.style["clip-rule"] == "evenodd", p.spread(s))
	}
	s := p.paint(in, "stroke", "none", m, box)
	if s == nil {
		return
	}
	k := stroke{width: 1, limit: 4, cap: in.style["stroke-linecap"], join: in.style["stroke-linejoin"]}
	if v, ok := in.style["stroke-width"]; ok {
		k.width = length(v, 1)
	}
	if v, ok := in.style["stroke-miterlimit"]; ok {
		k.limit, _ = fraction(v)
	}
	for r := (&reader{in.style["stroke-dasharray"]}); len(k.dashes) < 64; {
		v, ok := r.number()
		if !ok {
			break
		}
		k.dashes = append(k.dashes, v)
	}
	k.offset = length(in.style["stroke-dashoffset"], 0)
	if k.width <= 0 {
		return
	}
	p.filler.turned(k.outline(pen.lines, pen), m)
	p.filler.fill(false, p.spread(s))
}

func boxOf(lines []line, m matrix) [4]float64 {
	b := [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
	for _, l := range lines {
		for _, q := range l.points {
			q = m.apply(q)
			b[0], b[1], b[2], b[3] = min(b[0], q.x), min(b[1], q.y), max(b[2], q.x), max(b[3], q.y)
		}
	}
	return b
}

// grow adds a shape to the bounds of the nodes that it is in.
func (p *painter) grow(lines []line, m matrix) {
	b := boxOf(lines, m)
	if math.IsNaN(b[0]+b[1]+b[2]+b[3]) || math.IsInf(b[0]+b[1]+b[2]+b[3], 0) {
		return
	}
	for _, n := range p.stack {
		at := p.bounds[n]
		if at == nil {
			p.bounds[n] = &[4]float64{b[0], b[1], b[2], b[3]}
			continue
		}
		at[0], at[1], at[2], at[3] = min(at[0], b[0]), min(at[1], b[1]), max(at[2], b[2]), max(at[3], b[3])
	}
}

// paint returns the shade of a fill or stroke; nil of none.
func (p *painter) paint(in look, name, otherwise string, m matrix, box [4]float64) shade {
	s, ok := in.style[name]
	if !ok {
		s = otherwise
	}
	opacity := in.opacity
	if o, ok := in.style[name+"-opacity"]; ok {
		v, _ := fraction(o)
		opacity *= float32(max(0, min(1, v)))
	}
	current, ok := parseColor(in.style["color"])
	if !ok {
		current = [4]float32{0, 0, 0, 1}
	}
	if strings.HasPrefix(s, "url(") {
		_, fallback, _ := strings.Cut(s, ")")
		switch to := p.refers(s); {
		case to != nil && strings.HasSuffix(to.Local(), "Gradient"):
			if g := p.gradient(to, m, box, opacity, current); g != nil {
				return g
			}
		case to != nil:
			p.missing["patterns"] = true
		}
		if s = strings.TrimSpace(fallback); s == "" {
			return nil
		}
	}
	c, ok := parseColor(s)
	if strings.EqualFold(s, "currentColor") {
		c, ok = current, true
	}
	if !ok {
		return nil
	}
	c[3] *= opacity
	return func(float64, float64) [4]float32 { return c }
}

// spread puts a shade on the canvas.
func (p *painter) spread(s shade) func(x, y int, cover float32) {
	return func(x, y int, cover float32) {
		c := s(float64(x)+0.5, float64(y)+0.5)
		p.canvas.over(x, y, c[0], c[1], c[2], c[3]*cover)
	}
}
