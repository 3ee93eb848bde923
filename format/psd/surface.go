package psd

import (
	"varve/format/raster"
)

// surface is a rectangle of pixels: colours not multiplied by alpha.
type surface struct {
	x, y, w, h int // in the view
	colour     [][]float32
	alpha      []float32
}

func newSurface(x, y, w, h, colours int) *surface {
	s := &surface{x: x, y: y, w: w, h: h, alpha: make([]float32, w*h)}
	for range colours {
		s.colour = append(s.colour, make([]float32, w*h))
	}
	return s
}

func (s *surface) clone() *surface {
	t := newSurface(s.x, s.y, s.w, s.h, len(s.colour))
	copy(t.alpha, s.alpha)
	for c := range s.colour {
		copy(t.colour[c], s.colour[c])
	}
	return t
}

// scale multiplies alpha.
func (s *surface) scale(v float32) {
	if v == 1 {
		return
	}
	for i := range s.alpha {
		s.alpha[i] *= v
	}
}

// thin brings the colours nearer to one.
func (s *surface) thin(neutral, fill float32) {
	for _, p := range s.colour {
		for i := range p {
			p[i] = neutral + (p[i]-neutral)*fill
		}
	}
}

// draw puts a layer over s. Where clip is set, what it covers keeps its alpha, and the layer is only seen there.
func (s *surface) draw(t *surface, mode string, clip bool) {
	x0, x1 := max(s.x, t.x), min(s.x+s.w, t.x+t.w)
	y0, y1 := max(s.y, t.y), min(s.y+s.h, t.y+t.h)
	if x0 >= x1 {
		return
	}
	mix := separable(mode)
	all := joint(mode)
	if len(s.colour) != 3 {
		all = nil
	}
	if mix == nil {
		mix = separable("norm")
	}
	weights := make([]float32, x1-x0)
	for y := y0; y < y1; y++ {
		i := (y-s.y)*s.w + x0 - s.x
		j := (y-t.y)*t.w + x0 - t.x
		if mode == "norm" && !clip {
			s.cover(t, i, j, weights)
			continue
		}
		for range x1 - x0 {
			if a := t.alpha[j]; a > 0 {
				s.blend(t, i, j, a, mix, all, clip)
			}
			i++
			j++
		}
	}
}

// cover is draw of pixels side by side, as they are.
func (s *surface) cover(t *surface, i, j int, weights []float32) {
	under, over := s.alpha[i:i+len(weights)], t.alpha[j:j+len(weights)]
	for k, a := range over {
		weights[k] = a
		if b := under[k]; a > 0 && a < 1 && b < 1 {
			under[k] = b + a - a*b
			weights[k] = a / under[k]
		} else if a >= 1 {
			under[k] = 1
		}
	}
	for c := range s.colour {
		b, l := s.colour[c][i:i+len(weights)], t.colour[c][j:j+len(weights)]
		for k, w := range weights {
			b[k] += (l[k] - b[k]) * w
		}
	}
}

// blend mixes a pixel.
func (s *surface) blend(t *surface, i, j int, a float32, mix blender, all func(rgb, rgb) rgb, clip bool) {
	under := s.alpha[i]
	over := under + a - under*a
	if clip {
		under, over = 1, 1
	}
	var mixed rgb
	if all != nil && under > 0 {
		mixed = all(rgb{s.colour[0][i], s.colour[1][i], s.colour[2][i]}, rgb{t.colour[0][j], t.colour[1][j], t.colour[2][j]})
	}
	for c := range s.colour {
		b, l := s.colour[c][i], t.colour[c][j]
		m := l
		switch {
		case under <= 0:
		case all != nil:
			m = mixed[c]
		default:
			m = mix(b, l)
		}
		s.colour[c][i] = ((1-a)*under*b + a*((1-under)*l+under*m)) / over
	}
	if !clip {
		s.alpha[i] = over
	}
}

// fade sets s between what it was and what it is, by a mask: pass-through groups that are not wholly there.
func (s *surface) fade(was *surface, mask []float32) {
	for i, m := range mask {
		if m >= 1 {
			continue
		}
		a := was.alpha[i]*(1-m) + s.alpha[i]*m
		for c := range s.colour {
			if a > 0 {
				s.colour[c][i] = (was.colour[c][i]*was.alpha[i]*(1-m) + s.colour[c][i]*s.alpha[i]*m) / a
			}
		}
		s.alpha[i] = a
	}
}

// image makes a picture of a surface; alpha is left out where all of it is opaque.
func (d *document) image(s *surface) (*raster.Image, error) {
	opaque := true
	for _, a := range s.alpha {
		if a < 1 {
			opaque = false
			break
		}
	}
	model, colours := d.model()
	m, err := raster.New(s.w, s.h, model, !opaque, d.samples())
	if err != nil {
		return nil, err
	}
	if m.Profile, err = d.profile(); err != nil {
		return nil, err
	}
	m.Linear = d.depth == 32
	n := m.Channels()
	for c := range n {
		p := s.alpha
		if c < colours {
			p = s.colour[c]
		}
		for i, v := range p {
			if d.mode == modeCMYK && c < 4 {
				v = 1 - v
			}
			switch m.Depth {
			case raster.U8:
				m.U8[i*n+c] = uint8(min(1, max(0, v))*255 + .5)
			case raster.U16:
				m.U16[i*n+c] = uint16(min(1, max(0, v))*65535 + .5)
			case raster.F32:
				m.F32[i*n+c] = v
			}
		}
	}
	return m, nil
}
