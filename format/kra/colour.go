package kra

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"varve/format"
	"varve/format/raster"
)

// space is how pixels are written.
type space struct {
	model    raster.Model // 0: none that pictures have
	name     string
	channels int
	width    int // bytes of a sample
	float    bool
	swapped  bool // blue first
}

// spaces are those of Krita, by the names that it writes.
func spaceNamed(name string) *space {
	of := func(model raster.Model, channels, width int, float bool) *space {
		return &space{model: model, name: name, channels: channels, width: width, float: float, swapped: model == raster.RGB && !float}
	}
	const rgb, gray, cmyk, lab, none = raster.RGB, raster.Gray, raster.CMYK, raster.Lab, raster.Model(0)
	switch name {
	case "RGBA", "RGBA8":
		return of(rgb, 4, 1, false)
	case "RGBA16", "RGBAU16":
		return of(rgb, 4, 2, false)
	case "RGBAF16":
		return of(rgb, 4, 2, true)
	case "RGBAF32":
		return of(rgb, 4, 4, true)
	case "GRAYA", "GRAYA8":
		return of(gray, 2, 1, false)
	case "GRAYAU16", "GRAYA16":
		return of(gray, 2, 2, false)
	case "GRAYAF16":
		return of(gray, 2, 2, true)
	case "GRAYAF32":
		return of(gray, 2, 4, true)
	case "CMYK", "CMYKA":
		return of(cmyk, 5, 1, false)
	case "CMYKAU16", "CMYKA16":
		return of(cmyk, 5, 2, false)
	case "CMYKAF16":
		return of(cmyk, 5, 2, true)
	case "CMYKAF32":
		return of(cmyk, 5, 4, true)
	case "LABAU8":
		return of(lab, 4, 1, false)
	case "LABA":
		return of(lab, 4, 2, false)
	case "LABAF32":
		return of(lab, 4, 4, true)
	case "XYZA8", "YCBCRA8", "YCbCrAU8":
		return of(none, 4, 1, false)
	case "XYZA16", "YCBCRAU16", "YCbCrAU16":
		return of(none, 4, 2, false)
	case "XYZAF16":
		return of(none, 4, 2, true)
	case "XYZAF32", "YCBCRAF32", "YCbCrAF32":
		return of(none, 4, 4, true)
	case "ALPHA":
		return of(gray, 1, 1, false)
	case "ALPHAU16":
		return of(gray, 1, 2, false)
	case "ALPHAF16":
		return of(gray, 1, 2, true)
	case "ALPHAF32":
		return of(gray, 1, 4, true)
	}
	return nil
}

// spaceOf returns how the pixels of a part are written; nil where it is not known.
func (d *document) spaceOf(n *node, suffix string) *space {
	if strings.HasSuffix(suffix, ".pixelselection") || n.Kind == "transparencymask" || n.Kind == "selectionmask" || n.Kind == "filtermask" {
		return spaceNamed("ALPHA")
	}
	name := d.get(n.Node, "colorspacename")
	if name == "" {
		name = d.space
	}
	return spaceNamed(name)
}

// alphaOf returns whether a pixel of size bytes is seen: its alpha, the last sample, is not zero.
func alphaOf(s *space, size int) func([]byte) bool {
	width := size
	if s != nil && s.channels*s.width == size {
		width = s.width
	}
	switch width {
	case 1:
		return func(px []byte) bool { return px[len(px)-1] != 0 }
	case 2:
		return func(px []byte) bool { return px[len(px)-1]|px[len(px)-2] != 0 }
	}
	return func(px []byte) bool {
		for _, b := range px[len(px)-width:] {
			if b != 0 {
				return true
			}
		}
		return false
	}
}

// image makes a picture of a frame of tiles: x0 y0 x1 y1 in their pixels.
func (d *document) picture(ctx context.Context, n *node, suffix string, x0, y0, x1, y1 int) (*raster.Image, error) {
	t, fill, err := d.tiles(ctx, n, suffix)
	if err != nil {
		return nil, err
	}
	s := d.spaceOf(n, suffix)
	if s == nil || s.model == 0 || s.channels*s.width != t.pixel {
		return nil, format.Unsupported("%s: pixels of %s", n, d.get(n.Node, "colorspacename"))
	}
	// Far less than a picture may be where there is little data: it is the tiles that say how large this is.
	if area := int64(x1-x0) * int64(y1-y0); area > int64(len(t.list)+256)*side*side*64 && area > int64(d.width)*int64(d.height) {
		return nil, fmt.Errorf("%s: %d×%d pixels in %d tiles: %w", n, x1-x0, y1-y0, len(t.list), format.ErrLimit)
	}
	p, err := raster.New(x1-x0, y1-y0, s.model, s.channels > 1, s.depth())
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(suffix, ".pixelselection") || s.channels == 1 {
		p.Profile = nil
	} else if p.Profile, err = d.part(ctx, n, ".icc", maxSmall); err != nil {
		return nil, err
	}
	put := s.putter(p)
	for i := 0; i < p.Width*p.Height; i++ {
		put(i, fill)
	}
	u := t.unpacker()
	for i := range t.list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		one := &t.list[i]
		if one.x >= x1 || one.y >= y1 || one.x+side <= x0 || one.y+side <= y0 {
			continue
		}
		px, err := u.unpack(one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		for y := max(one.y, y0); y < min(one.y+side, y1); y++ {
			for x := max(one.x, x0); x < min(one.x+side, x1); x++ {
				at := ((y-one.y)*side + x - one.x) * t.pixel
				put((y-y0)*p.Width+x-x0, px[at:at+t.pixel])
			}
		}
	}
	return p, nil
}

func (s *space) depth() raster.Depth {
	switch {
	case s.float || s.width == 2 && s.model == raster.Lab:
		return raster.F32
	case s.width == 2:
		return raster.U16
	}
	return raster.U8
}

// putter returns what puts the samples of a pixel at a place of a picture.
func (s *space) putter(p *raster.Image) func(at int, px []byte) {
	n := s.channels
	order := []int{0, 1, 2, 3, 4}[:n]
	if s.swapped {
		order = []int{2, 1, 0, 3}
	}
	le := binary.LittleEndian
	switch p.Depth {
	case raster.U8:
		return func(at int, px []byte) {
			to := p.U8[at*n : at*n+n]
			for i, k := range order {
				to[i] = px[k]
			}
		}
	case raster.U16:
		return func(at int, px []byte) {
			to := p.U16[at*n : at*n+n]
			for i, k := range order {
				to[i] = le.Uint16(px[2*k:])
			}
		}
	}
	return func(at int, px []byte) {
		to := p.F32[at*n : at*n+n]
		for i := range n {
			switch {
			case !s.float: // L*a*b* of 16 bits
				to[i] = lab16(i, le.Uint16(px[2*i:]))
			case s.width == 2:
				to[i] = half(le.Uint16(px[2*i:]))
			default:
				to[i] = math.Float32frombits(le.Uint32(px[4*i:]))
			}
			if s.model == raster.CMYK && i < 4 { // percent of ink
				to[i] /= 100
			}
		}
	}
}

// lab16 is channel i of L*, a*, b*, alpha.
func lab16(i int, v uint16) float32 {
	switch i {
	case 0:
		return float32(v) * 100 / 65535
	case 3:
		return float32(v) / 65535
	}
	return float32(int(v)-0x8080) / 257
}

// half returns the value of a float of 16 bits.
func half(v uint16) float32 {
	sign, exponent, fraction := uint32(v>>15)<<31, uint32(v>>10)&31, uint32(v)&0x3ff
	switch exponent {
	case 0:
		f := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
