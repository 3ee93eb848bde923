package mesh

import (
	"context"
	"fmt"
	"math"

	"varve/format/raster"
)

// Texture is a picture on a surface.
type Texture struct {
	// Load returns the picture, always the same. It is called only where it is drawn; where it fails the surface has its
	// plain colour.
	Load func() (*raster.Image, error)
	// Up: v = 0 is the bottom of the picture; else its top.
	Up bool
}

// Untextured says how many textures of the model's materials cannot be had: "without 1 of 3 textures"; "" if all can.
func (m *Model) Untextured() string {
	lost := map[*Texture]bool{}
	for i := range m.Materials {
		if t := m.Materials[i].Texture; t != nil {
			_, err := t.Load()
			lost[t] = err != nil
		}
	}
	n := 0
	for _, is := range lost {
		if is {
			n++
		}
	}
	switch {
	case n == 0:
		return ""
	case n == len(lost):
		return "without textures"
	}
	return fmt.Sprintf("without %d of %d textures", n, len(lost))
}

// sheet is a texture, ready to be drawn: linear, straight colours.
type sheet struct {
	w, h   int
	pixels [][3]float32
	up     bool
}

// Bounds of what is drawn of textures: more than maxSheet pixels a side are smaller than those of a thumbnail.
const (
	maxSheet  = 1024
	maxSheets = 1 << 24 // pixels of all
)

// sheets loads the textures that a model's meshes show, each once; nil for materials that have none to be had.
func sheets(ctx context.Context, m *Model) []*sheet {
	made := map[*Texture]*sheet{}
	for i := range m.Objects {
		o := m.Objects[i].Mesh
		if o == nil || o.UVs == nil {
			continue
		}
		for _, g := range o.Groups {
			if g.Material >= 0 && g.Material < len(m.Materials) && m.Materials[g.Material].Texture != nil {
				made[m.Materials[g.Material].Texture] = nil
			}
		}
	}
	side := min(maxSheet, max(1, int(math.Sqrt(maxSheets/float64(max(1, len(made)))))))
	for t := range made {
		if ctx.Err() != nil {
			break
		}
		if p, err := t.Load(); err == nil {
			made[t] = newSheet(p.Scale(min(side, max(p.Width, p.Height))), t.Up)
		}
	}
	out := make([]*sheet, len(m.Materials))
	for i := range m.Materials {
		out[i] = made[m.Materials[i].Texture]
	}
	return out
}

func newSheet(p *raster.Image, up bool) *sheet {
	var linear [256]float32
	for i := range linear {
		x := float64(i) / 255
		if x <= 0.04045 {
			x /= 12.92
		} else {
			x = math.Pow((x+0.055)/1.055, 2.4)
		}
		linear[i] = float32(x)
	}
	n := p.ToNRGBA8()
	s := &sheet{w: p.Width, h: p.Height, pixels: make([][3]float32, p.Width*p.Height), up: up}
	for i := range s.pixels {
		c := n.Pix[4*i:][:3]
		s.pixels[i] = [3]float32{linear[c[0]], linear[c[1]], linear[c[2]]}
	}
	return s
}

// at returns the colour at a place, between the four pixels around it; the texture repeats.
func (s *sheet) at(u, v float32) [3]float32 {
	if s.up {
		v = 1 - v
	}
	x, y := place(u, s.w), place(v, s.h)
	x0, y0 := int(x), int(y)
	x1, y1 := (x0+1)%s.w, (y0+1)%s.h
	fx, fy := x-float32(x0), y-float32(y0)
	a, b, c, d := &s.pixels[y0*s.w+x0], &s.pixels[y0*s.w+x1], &s.pixels[y1*s.w+x0], &s.pixels[y1*s.w+x1]
	var out [3]float32
	for i := range out {
		out[i] = (a[i]*(1-fx)+b[i]*fx)*(1-fy) + (c[i]*(1-fx)+d[i]*fx)*fy
	}
	return out
}

// place is where t lies on a side of n pixels, from 0 up to n, whose first is seen from its middle.
func place(t float32, n int) float32 {
	whole := float64(t) - math.Floor(float64(t))
	if !(whole >= 0 && whole < 1) { // infinite, or no number
		whole = 0
	}
	x := float32(whole*float64(n) - 0.5)
	if x < 0 {
		x += float32(n)
	}
	return min(x, float32(n)*(1-1e-6))
}
