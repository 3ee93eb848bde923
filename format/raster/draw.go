package raster

import (
	"context"
	"fmt"
	"image"
	"math"
)

// Drawing is a picture of what two versions differ in.
type Drawing string

const (
	Side    Drawing = "side"    // the old one and the new one beside it
	Onion   Drawing = "onion"   // one half of each over the other, where they overlap
	Overlay Drawing = "overlay" // the new one, gray and pale, with what changed in red
	Heat    Drawing = "heat"    // how much each pixel changed to the eye, from black over red to white
	Mask    Drawing = "mask"    // white what changed, gray what only is in the new one
	Sheet   Drawing = "sheet"   // the largest regions, old and new
)

// heatMost is the most pixels that FLIP is drawn of; of more, the largest difference of a sample is.
const heatMost = 4 << 20

// Draw returns a picture, in RGB of 8 bits, of at most side pixels on its longer side; 0: as large as the versions are.
// Transparent parts are on a checkerboard.
func (c *Comparison) Draw(ctx context.Context, kind Drawing, side int) (*Image, error) {
	var p *Image
	var err error
	switch kind {
	case Side:
		p = c.drawSide()
	case Onion:
		p, err = c.eachPixel(ctx, func(a, b [3]uint8, _ bool) [3]uint8 {
			return [3]uint8{uint8((int(a[0]) + int(b[0]) + 1) / 2), uint8((int(a[1]) + int(b[1]) + 1) / 2), uint8((int(a[2]) + int(b[2]) + 1) / 2)}
		})
	case Overlay:
		p, err = c.eachPixel(ctx, func(_, b [3]uint8, changed bool) [3]uint8 {
			l := (299*int(b[0]) + 587*int(b[1]) + 114*int(b[2])) / 1000
			pale := uint8(128 + l/2)
			if changed {
				return [3]uint8{uint8(192 + l/4), uint8(l / 4), uint8(l / 4)}
			}
			return [3]uint8{pale, pale, pale}
		})
	case Heat:
		p, err = c.drawHeat(ctx)
	case Mask:
		p = c.drawMask()
	case Sheet:
		p = c.drawSheet()
	default:
		return nil, fmt.Errorf("draw %q: there is no such drawing", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("draw %s: %w", kind, err)
	}
	if side > 0 {
		p = p.Scale(side)
	}
	return p, nil
}

func canvas(w, h int) *Image {
	return &Image{Width: w, Height: h, Model: RGB, Depth: U8, U8: make([]uint8, 3*w*h)}
}

// onBoard lays w pixels as they are displayed, which start at x, y, on a checkerboard; to has three samples of each.
func onBoard(pix []uint8, x, y int, to []uint8) {
	for i := 0; 4*i < len(pix); i++ {
		a := int(pix[4*i+3])
		board := 204
		if ((x+i)>>3+y>>3)&1 != 0 {
			board = 153
		}
		for k := range 3 {
			to[3*i+k] = uint8((int(pix[4*i+k])*a + board*(255-a) + 127) / 255)
		}
	}
}

// paste lays a picture on a canvas.
func (p *Image) paste(q *Image, x, y int) {
	m := q.ToNRGBA8()
	line := make([]uint8, 3*q.Width)
	for row := range q.Height {
		if y+row < 0 || y+row >= p.Height {
			continue
		}
		onBoard(m.Pix[row*m.Stride:(row+1)*m.Stride], 0, row, line)
		to := p.RowU8(y + row)
		from := max(0, -x)
		if from < q.Width && x+from < p.Width {
			copy(to[3*(x+from):], line[3*from:])
		}
	}
}

// space is between pictures that are beside one another.
const space = 8

func (c *Comparison) drawSide() *Image {
	a, b := c.pair.a, c.pair.b
	p := canvas(a.Width+space+b.Width, max(a.Height, b.Height))
	p.fill(0, 0, p.Width, p.Height, [3]uint8{64, 64, 64})
	p.paste(a, 0, 0)
	p.paste(b, a.Width+space, 0)
	return p
}

// eachPixel draws the overlap in the frame of the new picture, which goes on as it is around it.
func (c *Comparison) eachPixel(ctx context.Context, f func(a, b [3]uint8, changed bool) [3]uint8) (*Image, error) {
	d := c.pair
	p := canvas(d.b.Width, d.b.Height)
	p.paste(d.b, 0, 0)
	v, r := d.view(), newRoom(d.w)
	line, rows := make([]uint8, 4*d.w), [2][]uint8{make([]uint8, 3*d.w), make([]uint8, 3*d.w)}
	for y := range d.h {
		if y&63 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for side := range 2 {
			v.looks[side].bytes(v, side, 0, y, d.w, r, line)
			onBoard(line, d.bx, d.by+y, rows[side])
		}
		to := p.RowU8(d.by + y)[3*d.bx:]
		for x := range d.w {
			px := f([3]uint8(rows[0][3*x:]), [3]uint8(rows[1][3*x:]), c.differ.has(x, y))
			copy(to[3*x:], px[:])
		}
	}
	return p, nil
}

func (c *Comparison) drawMask() *Image {
	d := c.pair
	p := canvas(d.b.Width, d.b.Height)
	p.fill(0, 0, p.Width, p.Height, [3]uint8{96, 96, 96})
	p.fill(d.bx, d.by, d.bx+d.w, d.by+d.h, [3]uint8{})
	for y := range d.h {
		c.differ.runs(y, func(x0, x1 int) { p.fill(d.bx+x0, d.by+y, d.bx+x1, d.by+y+1, [3]uint8{255, 255, 255}) })
	}
	return p
}

// heat is the colour of 0 to 1.
func heat(v float64) [3]uint8 {
	stops := [...][3]float64{{0, 0, 4}, {81, 18, 124}, {183, 55, 121}, {252, 137, 97}, {252, 253, 191}}
	at := min(max(v, 0), 1) * float64(len(stops)-1)
	i := min(int(at), len(stops)-2)
	var out [3]uint8
	for k := range out {
		out[k] = uint8(stops[i][k] + (stops[i+1][k]-stops[i][k])*(at-float64(i)) + 0.5)
	}
	return out
}

func (c *Comparison) drawHeat(ctx context.Context) (*Image, error) {
	d := c.pair
	p := canvas(d.b.Width, d.b.Height)
	p.fill(0, 0, p.Width, p.Height, [3]uint8{48, 48, 48})
	p.fill(d.bx, d.by, d.bx+d.w, d.by+d.h, heat(0))
	paint := func(x, y int, v float64) {
		px := heat(v)
		copy(p.RowU8(d.by + y)[3*(d.bx+x):], px[:])
	}
	list := c.differ.near(flipReach)
	all := 0
	for _, t := range list {
		all += t.pixels()
	}
	if all > heatMost {
		n, white := d.a.Channels(), d.a.Depth.white()
		c.differ.each(func(x, y int) bool {
			most := 0.0
			for k := range n {
				if v := math.Abs(d.a.At(d.ax+x, d.ay+y, k) - d.b.At(d.bx+x, d.by+y, k)); v > most {
					most = v
				}
			}
			paint(x, y, most/white)
			return true
		})
		return p, ctx.Err()
	}
	f, v := newFlipper(), d.view()
	return p, eachTile(ctx, 1, list, func(_ int, t tile) {
		for i, e := range f.tile(v, t) {
			paint(t.x0+i%(t.x1-t.x0), t.y0+i/(t.x1-t.x0), float64(e))
		}
	})
}

// drawSheet shows the largest regions with some of what is around them, old and new beside one another.
func (c *Comparison) drawSheet() *Image {
	const cell, most, across = 160, 12, 2
	list := c.Regions[:min(len(c.Regions), most)]
	if len(list) == 0 {
		return Card(2*cell, "equal", "nothing changed")
	}
	columns := min(across, len(list))
	rows := (len(list) + columns - 1) / columns
	wide, high := 2*cell+3*space, cell+lineHeight+2*space
	p := canvas(columns*wide, rows*high)
	p.fill(0, 0, p.Width, p.Height, [3]uint8{38, 41, 46})
	d := c.pair
	for i, r := range list {
		x, y := i%columns*wide, i/columns*high
		p.text(x+space, y+space/2, 1, fmt.Sprintf("%d,%d  %dx%d", r.Box.Min.X, r.Box.Min.Y, r.Box.Dx(), r.Box.Dy()), [3]uint8{228, 231, 235})
		box := r.Box
		if s := c.Alignment.Scale; s > 1 { // regions are of the new picture as it was
			box = image.Rect(int(float64(box.Min.X)/s), int(float64(box.Min.Y)/s), int(math.Ceil(float64(box.Max.X)/s)), int(math.Ceil(float64(box.Max.Y)/s)))
		}
		grow := max(4, max(box.Dx(), box.Dy())/8)
		box = box.Inset(-grow)
		for side, at := range []struct {
			p      *Image
			dx, dy int
		}{{d.a, d.ax - d.bx, d.ay - d.by}, {d.b, 0, 0}} {
			part, err := at.p.Crop(box.Add(image.Pt(at.dx, at.dy)))
			if err != nil {
				continue
			}
			p.paste(part.Scale(cell), x+space+side*(cell+space), y+lineHeight+space/2)
		}
	}
	return p
}
