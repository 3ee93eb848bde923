package psd

import (
	"fmt"

	"varve/format"
)

// view is the part of the canvas that is drawn, f×f pixels of it as one.
type view struct {
	d   *document
	f   int
	top int // in rows of the canvas
	w   int // in pixels of the view
	h   int
}

// place is where a box of the canvas lies in the view.
func (v *view) place(b box) (x, y, w, h int) {
	x0, x1 := max(0, floorDiv(b.left, v.f)), min(v.w, floorDiv(b.right+v.f-1, v.f))
	y0, y1 := max(0, floorDiv(b.top-v.top, v.f)), min(v.h, floorDiv(b.bottom-v.top+v.f-1, v.f))
	return x0, y0, max(0, x1-x0), max(0, y1-y0)
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// tile reads the colours and the alpha of a layer, as far as they are in the view; nil where nothing is.
func (v *view) tile(l *layer) (*surface, error) {
	x, y, w, h := v.place(l.box)
	if w == 0 || h == 0 {
		return nil, nil
	}
	_, n := v.d.model()
	var planes []*channel
	for id := range n {
		c := l.plane(id)
		if c == nil {
			return nil, nil
		}
		planes = append(planes, c)
	}
	alpha := l.plane(idAlpha)
	if alpha != nil {
		planes = append(planes, alpha)
	}
	s := newSurface(x, y, w, h, n)
	into := make([][]float32, len(planes))
	copy(into, s.colour)
	if alpha != nil {
		into[n] = s.alpha
	}
	err := v.gather(l, l.box, planes, s, into)
	if err != nil {
		return nil, fmt.Errorf("layer %q: %w", l.name, err)
	}
	return s, nil
}

// gather reads planes of a box, side by side. Colours are weighted by the last plane where that is alpha.
func (v *view) gather(l *layer, b box, planes []*channel, s *surface, into [][]float32) error {
	width := b.width()
	var readers []*rows
	for _, c := range planes {
		if err := v.d.checkChannel(l, c); err != nil {
			return err
		}
		r, err := v.d.layerRows(c, width, b.height())
		if err != nil {
			return err
		}
		readers = append(readers, r)
	}
	if len(readers) == 0 {
		return nil
	}
	row := make([]byte, readers[0].rowBytes)
	if v.f == 1 {
		return v.gatherExact(b, readers, row, s, into)
	}
	colours := len(s.colour)
	lines := make([][]float32, len(readers))
	for i := range lines {
		lines[i] = make([]float32, width)
	}
	at := 0                             // rows that were read
	weights := make([]float32, s.w*s.h) // how much of a pixel of the view was summed
	for oy := range s.h {
		if err := v.d.ended(); err != nil {
			return err
		}
		first := v.top + (s.y+oy)*v.f - b.top
		from, to := max(0, first), min(b.height(), first+v.f) // rows of the channel
		used := min(to-from, rowsOfBin)
		for k := range used {
			y := from + k*(to-from)/used
			for i, r := range readers {
				if err := r.skip(y - at); err != nil {
					return err
				}
				if err := r.next(row); err != nil {
					return err
				}
				floats(lines[i], row, v.d.depth)
			}
			at = y + 1
			v.sum(b, oy, float32(to-from)/float32(used), lines, s, into, weights)
		}
	}
	v.mean(s, into, weights, colours)
	return nil
}

// gatherExact reads planes pixel by pixel.
func (v *view) gatherExact(b box, readers []*rows, row []byte, s *surface, into [][]float32) error {
	line := make([]float32, b.width())
	x0, y0 := s.x-b.left, s.y+v.top-b.top
	for i, r := range readers {
		if err := r.skip(y0); err != nil {
			return err
		}
		for y := range s.h {
			if y%64 == 0 && v.d.ended() != nil {
				return v.d.ended()
			}
			if err := r.next(row); err != nil {
				return err
			}
			floats(line, row, v.d.depth)
			copy(into[i][y*s.w:(y+1)*s.w], line[x0:])
		}
	}
	if len(readers) <= len(s.colour) { // no alpha: all of it is there
		for i := range s.alpha {
			s.alpha[i] = 1
		}
	}
	return nil
}

// sum adds a row of the channels, which stands for so many, to a row of the tile.
func (v *view) sum(b box, oy int, share float32, lines [][]float32, s *surface, into [][]float32, weights []float32) {
	colours := len(s.colour)
	x0, x1 := max(0, s.x*v.f-b.left), min(b.width(), (s.x+s.w)*v.f-b.left)
	hasAlpha := len(lines) > colours
	for x := x0; x < x1; x++ {
		o := oy*s.w + (b.left+x)/v.f - s.x
		a := share
		if hasAlpha {
			a *= lines[colours][x]
			into[colours][o] += a
		}
		for c := range min(colours, len(lines)) {
			into[c][o] += lines[c][x] * a
		}
		weights[o] += share
	}
}

// mean makes means of sums: of colours by alpha, of alpha by area.
func (v *view) mean(s *surface, into [][]float32, weights []float32, colours int) {
	hasAlpha := len(into) > colours
	for o, w := range weights {
		a := w
		if hasAlpha {
			a = into[colours][o]
		}
		if a > 0 {
			for c := range colours {
				into[c][o] /= a
			}
		}
		across := min(v.f, v.d.width-(s.x+o%s.w)*v.f) // at its edge the canvas has less than a whole pixel
		down := min(v.f, v.d.height-v.top-(s.y+o/s.w)*v.f)
		s.alpha[o] = min(1, a/float32(across*down))
	}
}

// mask reads a layer's mask for a tile: 0 to 1; nil where all is seen.
func (v *view) mask(l *layer, s *surface) ([]float32, error) {
	m, err := v.d.maskOf(l)
	if err != nil || m == nil || m.flags&maskDisabled != 0 {
		return nil, err
	}
	c := l.plane(idMask)
	if c == nil || m.flags&maskRendered != 0 && !m.user && l.kind(false) == "shape" { // the path has shaped the pixels
		return nil, nil
	}
	outside := float32(m.outside) / 255
	out := make([]float32, s.w*s.h)
	x, y, w, h := v.place(m.box)
	// the part of the mask's box that the tile has
	x0, y0, x1, y1 := max(x, s.x), max(y, s.y), min(x+w, s.x+s.w), min(y+h, s.y+s.h)
	for i := range out {
		out[i] = outside
	}
	if x0 < x1 && y0 < y1 && m.box.width() > 0 {
		part := newSurface(x0, y0, x1-x0, y1-y0, 0)
		sums := make([]float32, part.w*part.h)
		if err := v.gatherMask(l, m.box, c, part, sums); err != nil {
			return nil, fmt.Errorf("mask of %q: %w", l.name, err)
		}
		for py := range part.h {
			for px := range part.w {
				i := py*part.w + px
				covered := part.alpha[i]
				out[(y0-s.y+py)*s.w+x0-s.x+px] = sums[i] + outside*(1-covered)
			}
		}
	}
	density := float32(m.density) / 255
	if m.flags&maskRendered != 0 {
		density = float32(m.vDensity) / 255
	}
	for i := range out {
		out[i] = 1 - (1-out[i])*density
	}
	return out, nil
}

// gatherMask reads a mask: sums are of its values by area, alpha of the tile is how much of it the mask's box covers.
func (v *view) gatherMask(l *layer, b box, c *channel, s *surface, sums []float32) error {
	one := newSurface(s.x, s.y, s.w, s.h, 1)
	if err := v.gather(l, b, []*channel{c}, one, one.colour); err != nil {
		return err
	}
	for i := range sums {
		sums[i] = one.colour[0][i] * one.alpha[i]
		s.alpha[i] = one.alpha[i]
	}
	return nil
}

// times multiplies alpha by a mask.
func (s *surface) times(mask []float32) {
	for i, m := range mask {
		s.alpha[i] *= m
	}
}

const maxView = 1 << 24 // pixels of a view

func (v *view) check() error {
	if v.w*v.h > maxView {
		return fmt.Errorf("a picture of %d×%d pixels of layers: %w", v.w, v.h, format.ErrLimit)
	}
	return nil
}
