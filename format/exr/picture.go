package exr

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"varve/format"
	"varve/format/raster"
)

// Picture shows the preview of the file where it has one that is large enough, or else its colours with as much light as can
// be shown.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	small, err := f.preview()
	if err != nil {
		return nil, err
	}
	if small != nil && 2*max(small.Width, small.Height) >= size {
		return &format.Picture{Image: small, Source: format.Embedded}, nil
	}
	c, err := f.shown()
	if err == nil {
		var img *raster.Image
		var lost int
		l, by := c.part.least(c, size)
		if img, lost, err = f.decode(ctx, c, l, by); err == nil {
			note := c.note
			if lost > 0 {
				note = join(note, fmt.Sprintf("%d of %d chunks are missing", lost, c.part.chunks))
			}
			shown, exposure := develop(img)
			if exposure != 0 {
				note = join(note, fmt.Sprintf("exposure %+.1f", exposure))
			}
			return &format.Picture{Image: shown, Source: format.Composited, Note: note}, nil
		}
	}
	if small != nil && ctx.Err() == nil { // better than nothing
		return &format.Picture{Image: small, Source: format.Embedded}, nil
	}
	return nil, err
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// least returns the level to decode, and by how much to shorten it, to have at least size pixels on the longer side.
func (p *part) least(c *colours, size int) (level, int) {
	best := p.full()
	for _, l := range p.levels {
		square := p.mode != 2 || l.lx == l.ly
		if square && p.data == p.display && max(l.w, l.h) >= size && l.w*l.h < best.w*best.h {
			best = l
		}
	}
	side := max(best.w, best.h)
	if best.lx == 0 && best.ly == 0 {
		side = int(max(p.display.width(), p.display.height()))
	}
	by := max(1, side/max(1, size))
	for _, i := range append(slices.Clone(c.of), max(c.alpha, 0)) {
		if p.channels[i].xs > 1 || p.channels[i].ys > 1 {
			by = 1
		}
	}
	return best, by
}

// preview returns the picture that the application put into the file; nil if there is none.
func (f *file) preview() (*raster.Image, error) {
	for _, a := range f.parts[0].attrs {
		if a.name != "preview" || a.kind != "preview" {
			continue
		}
		b, err := format.ReadSpan(f.in, a.off, a.n, maxValue)
		if err != nil {
			return nil, err
		}
		if len(b) < 8 {
			return nil, format.Malformed("a preview of %d bytes", len(b))
		}
		w, h := int64(binary.LittleEndian.Uint32(b)), int64(binary.LittleEndian.Uint32(b[4:]))
		if w == 0 || h == 0 {
			return nil, nil
		}
		if w > maxValue || h > maxValue || 4*w*h != int64(len(b)-8) {
			return nil, format.Malformed("a preview of %d×%d with %d bytes", w, h, len(b))
		}
		img, err := raster.New(int(w), int(h), raster.RGB, true, raster.U8)
		if err != nil {
			return nil, err
		}
		copy(img.U8, b[8:])
		return img, nil
	}
	return nil, nil
}

// develop returns a picture in 8 bits of sRGB, and the exposure in stops that it was given, from -3 to 6: 0 unless more than
// a hundredth of what is not black would be too bright or nearly all is too dark.
func develop(img *raster.Image) (*raster.Image, float64) {
	n := img.Channels()
	colours := n
	if img.Alpha {
		colours--
	}
	var light []float32
	step := max(1, img.Width*img.Height/(1<<16))
	for i := 0; i < img.Width*img.Height; i += step {
		top := float32(0)
		for _, v := range img.F32[i*n : i*n+colours] {
			if v-v == 0 && v > top { // a number
				top = v
			}
		}
		if top > 0 {
			light = append(light, top)
		}
	}
	gain := 1.0
	if len(light) > 0 {
		slices.Sort(light)
		if v := float64(light[len(light)*99/100]); v > 1 || v < 0.05 {
			gain = min(max(1/v, 1.0/8), 64)
		}
	}
	out, err := raster.New(img.Width, img.Height, img.Model, img.Alpha, raster.U8)
	if err != nil {
		return img, 0
	}
	t := curve()
	for i := 0; i < len(img.F32); i += n {
		k := float32(gain)
		if img.Alpha {
			a := min(max(img.F32[i+n-1], 0), 1)
			out.U8[i+n-1] = uint8(a*255 + 0.5)
			if a > 0 {
				k /= a
			}
		}
		for c := range colours {
			out.U8[i+c] = toSRGB(t, img.F32[i+c]*k)
		}
	}
	return out, math.Log2(gain)
}

// curve is sRGB's, of 4096 steps of the square root of light.
func curve() *[4097]uint8 {
	var out [4097]uint8
	for i := range out {
		v := float64(i) / 4096
		if v *= v; v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		out[i] = uint8(v*255 + 0.5)
	}
	return &out
}

func toSRGB(t *[4097]uint8, v float32) uint8 {
	switch {
	case !(v > 0):
		return 0
	case v >= 1:
		return 255
	}
	return t[int(math.Sqrt(float64(v))*4096+0.5)]
}
