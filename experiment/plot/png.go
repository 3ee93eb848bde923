package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// PNG writes a chart as a picture of the size that Size says, on white.
func PNG(w io.Writer, c Chart) error {
	if err := c.check(); err != nil {
		return err
	}
	width, height := Size(c)
	p, err := newPixels(width, height)
	if err != nil {
		return err
	}
	drawOn(&c, p, width, height)
	return png.Encode(w, p.img)
}

// pixels is a canvas of pixels.
type pixels struct {
	img  *image.RGBA
	face font.Face
	r    *vector.Rasterizer
}

func newPixels(width, height int) (*pixels, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, fmt.Errorf("plot: the font: %w", err)
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: fontSize, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, fmt.Errorf("plot: the font: %w", err)
	}
	p := &pixels{img: image.NewRGBA(image.Rect(0, 0, width, height)), face: face, r: vector.NewRasterizer(width, height)}
	draw.Draw(p.img, p.img.Bounds(), image.White, image.Point{}, draw.Src)
	return p, nil
}

func (c colour) over(alpha float64) color.Color {
	return color.NRGBA{c[0], c[1], c[2], uint8(math.Round(255 * alpha))}
}

// polygon fills a polygon; only the pixels around it are looked at.
func (p *pixels) polygon(around []spot, c colour, alpha float64) {
	low, high := around[0], around[0]
	for _, s := range around {
		low = spot{min(low.x, s.x), min(low.y, s.y)}
		high = spot{max(high.x, s.x), max(high.y, s.y)}
	}
	box := image.Rect(int(math.Floor(low.x)), int(math.Floor(low.y)), int(math.Ceil(high.x))+1, int(math.Ceil(high.y))+1).Intersect(p.img.Bounds())
	if box.Empty() {
		return
	}
	p.r.Reset(box.Dx(), box.Dy())
	for i, s := range around {
		x, y := float32(s.x-float64(box.Min.X)), float32(s.y-float64(box.Min.Y))
		if i == 0 {
			p.r.MoveTo(x, y)
		} else {
			p.r.LineTo(x, y)
		}
	}
	p.r.ClosePath()
	p.r.Draw(p.img, box, image.NewUniform(c.over(alpha)), image.Point{})
}

func (p *pixels) area(around []spot, c colour, alpha float64) {
	if len(around) > 2 {
		p.polygon(around, c, alpha)
	}
}

// line draws each piece as a thin rectangle; straight lines along the axes lie on whole pixels.
func (p *pixels) line(through []spot, c colour, width float64, dash []float64) {
	if width == 1 && len(through) == 2 && dash == nil {
		for i, s := range through {
			through[i] = spot{math.Floor(s.x) + 0.5, math.Floor(s.y) + 0.5}
		}
	}
	for _, piece := range dashed(through, dash) {
		a, b := piece[0], piece[1]
		dx, dy := b.x-a.x, b.y-a.y
		l := math.Hypot(dx, dy)
		if l == 0 {
			continue
		}
		nx, ny := -dy/l*width/2, dx/l*width/2
		p.polygon([]spot{{a.x + nx, a.y + ny}, {b.x + nx, b.y + ny}, {b.x - nx, b.y - ny}, {a.x - nx, a.y - ny}}, c, 1)
	}
	if width > 1.5 && dash == nil && len(through) > 2 {
		for _, s := range through[1 : len(through)-1] { // joints
			p.area(shape(0, s, width/2), c, 1)
		}
	}
}

// dashed cuts a line into its pieces.
func dashed(through []spot, dash []float64) [][2]spot {
	var out [][2]spot
	k, left := 0, 0.0
	if len(dash) > 0 {
		left = dash[0]
	}
	for i := 1; i < len(through); i++ {
		a, b := through[i-1], through[i]
		if len(dash) == 0 {
			out = append(out, [2]spot{a, b})
			continue
		}
		l := math.Hypot(b.x-a.x, b.y-a.y)
		for done := 0.0; done < l; {
			n := min(left, l-done)
			if k%2 == 0 {
				at := func(d float64) spot { return spot{a.x + (b.x-a.x)*d/l, a.y + (b.y-a.y)*d/l} }
				out = append(out, [2]spot{at(done), at(done + n)})
			}
			done += n
			if left -= n; left <= 0 {
				k++
				left = dash[k%len(dash)]
			}
		}
	}
	return out
}

func (p *pixels) measure(s string) float64 {
	return float64(font.MeasureString(p.face, s)) / 64
}

func (p *pixels) text(at spot, s string, c colour, a anchor, upright bool) {
	wide := p.measure(s)
	off := wide * float64(a) / 2
	if !upright {
		d := font.Drawer{Dst: p.img, Src: image.NewUniform(c.over(1)), Face: p.face, Dot: fixed.P(int(math.Round(at.x-off)), int(math.Round(at.y)))}
		d.DrawString(s)
		return
	}
	w, h := int(wide)+2, int(2*fontSize)
	flat := image.NewRGBA(image.Rect(0, 0, w, h))
	d := font.Drawer{Dst: flat, Src: image.NewUniform(c.over(1)), Face: p.face, Dot: fixed.P(0, h*3/4)}
	d.DrawString(s)
	turned := image.NewRGBA(image.Rect(0, 0, h, w))
	for y := range h {
		for x := range w {
			turned.SetRGBA(y, w-1-x, flat.RGBAAt(x, y))
		}
	}
	to := image.Pt(int(math.Round(at.x))-h*3/4, int(math.Round(at.y+off))-w)
	draw.Draw(p.img, turned.Bounds().Add(to), turned, image.Point{}, draw.Over)
}
