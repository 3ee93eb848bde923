package frames

import (
	"math"

	"varve/format/raster"
)

// After says what becomes of a frame's place when the next is shown.
type After uint8

const (
	Leave   After = iota
	Clear         // it becomes transparent
	Restore       // it becomes what it was before
)

// Frame is one of an animation, as its file has it.
type Frame struct {
	X, Y  int           // on the canvas
	Image *raster.Image // grey or RGB, of the canvas's depth, not premultiplied
	Over  bool          // its transparent parts show what was there, else they are set
	After After
}

// Canvas shows the frames of an animation one after another.
type Canvas struct {
	img    *raster.Image
	frame  Frame // that is shown
	before *raster.Image
}

// NewCanvas returns a transparent canvas of samples of 8 or 16 bits.
func NewCanvas(width, height int, d raster.Depth) (*Canvas, error) {
	img, err := raster.New(width, height, raster.RGB, true, d)
	return &Canvas{img: img}, err
}

// Show disposes of the frame that is shown and shows the next, which must lie on the canvas. The picture that it
// returns is good until the next call.
func (c *Canvas) Show(f Frame) *raster.Image {
	if c.frame.Image != nil {
		switch c.frame.After {
		case Clear:
			c.clear()
		case Restore:
			c.img, c.before = c.before, c.img
		}
	}
	if f.After == Restore {
		c.keep()
	}
	c.frame = f
	if c.img.Depth == raster.U8 {
		draw(c.img.U8, c.img.Width, f, f.Image.U8, 255, over8)
	} else {
		draw(c.img.U16, c.img.Width, f, f.Image.U16, 65535, over16)
	}
	return c.img
}

// keep remembers the canvas.
func (c *Canvas) keep() {
	if c.before == nil {
		q := *c.img
		q.U8, q.U16 = make([]uint8, len(c.img.U8)), make([]uint16, len(c.img.U16))
		c.before = &q
	}
	copy(c.before.U8, c.img.U8)
	copy(c.before.U16, c.img.U16)
}

func (c *Canvas) clear() {
	f, w := c.frame, c.img.Width
	for y := range f.Image.Height {
		from, to := ((f.Y+y)*w+f.X)*4, ((f.Y+y)*w+f.X+f.Image.Width)*4
		if c.img.Depth == raster.U8 {
			clear(c.img.U8[from:to])
		} else {
			clear(c.img.U16[from:to])
		}
	}
}

// draw puts a frame's samples onto those of a canvas of a width.
func draw[T uint8 | uint16](dst []T, width int, f Frame, src []T, white T, over func(dst, src []T)) {
	n := f.Image.Channels()
	var px [4]T
	for y := range f.Image.Height {
		to := dst[((f.Y+y)*width+f.X)*4:]
		from := src[y*f.Image.Width*n : (y+1)*f.Image.Width*n]
		for x := range f.Image.Width {
			s := from[x*n : (x+1)*n]
			px[3] = white
			if f.Image.Alpha {
				px[3] = s[n-1]
			}
			if f.Image.Model == raster.Gray {
				px[0], px[1], px[2] = s[0], s[0], s[0]
			} else {
				copy(px[:3], s)
			}
			d := to[x*4 : x*4+4]
			if f.Over && px[3] != white {
				if px[3] != 0 {
					over(d, px[:])
				}
				continue
			}
			copy(d, px[:])
		}
	}
}

func over8(dst, src []uint8)   { over(dst, src, 255) }
func over16(dst, src []uint16) { over(dst, src, 65535) }

// over lays src over dst, both straight.
func over[T uint8 | uint16](dst, src []T, white float64) {
	a, b := float64(src[3])/white, float64(dst[3])/white
	all := a + b*(1-a)
	for i := range 3 {
		dst[i] = T(math.Round((float64(src[i])*a + float64(dst[i])*b*(1-a)) / all))
	}
	dst[3] = T(math.Round(all * white))
}
