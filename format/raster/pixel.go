package raster

import (
	"image"
	"image/color"
	"image/draw"
)

// colours returns the number of samples of a pixel without alpha.
func (p *Image) colours() int {
	n := p.Channels()
	if p.Alpha {
		n--
	}
	return n
}

// white is the value of a full sample of a depth.
func (d Depth) white() float64 {
	switch d {
	case U8:
		return 255
	case U16:
		return 65535
	}
	return 1
}

// At returns sample c of a pixel, as the picture holds it: 0 to 255, 0 to 65535, any.
func (p *Image) At(x, y, c int) float64 {
	i := (y*p.Width+x)*p.Channels() + c
	switch p.Depth {
	case U8:
		return float64(p.U8[i])
	case U16:
		return float64(p.U16[i])
	}
	return float64(p.F32[i])
}

// RowU8 returns the samples of a row of a picture of depth U8, to read or write.
func (p *Image) RowU8(y int) []uint8 { return row(p, p.U8, y) }

// RowU16 is RowU8 of depth U16.
func (p *Image) RowU16(y int) []uint16 { return row(p, p.U16, y) }

// RowF32 is RowU8 of depth F32.
func (p *Image) RowF32(y int) []float32 { return row(p, p.F32, y) }

func row[T any](p *Image, all []T, y int) []T {
	n := p.Width * p.Channels()
	return all[y*n : (y+1)*n : (y+1)*n]
}

// like returns a picture of zeros that is as p but for its size.
func (p *Image) like(width, height int) *Image {
	q := *p
	q.Width, q.Height, q.U8, q.U16, q.F32 = width, height, nil, nil, nil
	n := width * height * p.Channels()
	switch p.Depth {
	case U8:
		q.U8 = make([]uint8, n)
	case U16:
		q.U16 = make([]uint16, n)
	case F32:
		q.F32 = make([]float32, n)
	}
	return &q
}

// FromImage returns the pixels of m at the depth that it has: Gray, Gray16, RGBA, NRGBA, RGBA64, NRGBA64, CMYK,
// paletted and Y'CbCr pictures (as RGB of 8 bits) as they are, any other as RGB of 16 bits with alpha. A picture of
// premultiplied samples that is opaque has no alpha: decoders give files without alpha so.
func FromImage(m image.Image) (*Image, error) {
	b := m.Bounds()
	w, h := b.Dx(), b.Dy()
	make4 := func(premultiplied bool, d Depth) (*Image, error) {
		p, err := New(w, h, RGB, true, d)
		if err == nil {
			p.Premultiplied = premultiplied
		}
		return p, err
	}
	var p *Image
	var err error
	switch m := m.(type) {
	case *image.Gray:
		if p, err = New(w, h, Gray, false, U8); err == nil {
			p.copyBytes(m.Pix, m.Stride, m.PixOffset(b.Min.X, b.Min.Y))
		}
	case *image.Gray16:
		if p, err = New(w, h, Gray, false, U16); err == nil {
			p.copyWords(m.Pix, m.Stride, m.PixOffset(b.Min.X, b.Min.Y))
		}
	case *image.CMYK:
		if p, err = New(w, h, CMYK, false, U8); err == nil {
			p.copyBytes(m.Pix, m.Stride, m.PixOffset(b.Min.X, b.Min.Y))
		}
	case *image.NRGBA:
		if p, err = make4(false, U8); err == nil {
			p.copyBytes(m.Pix, m.Stride, m.PixOffset(b.Min.X, b.Min.Y))
		}
	case *image.RGBA:
		if p, err = make4(true, U8); err == nil {
			p.copyBytes(m.Pix, m.Stride, m.PixOffset(b.Min.X, b.Min.Y))
			p.dropOpaque()
		}
	case *image.NRGBA64:
		if p, err = make4(false, U16); err == nil {
			p.copyWords(m.Pix, m.Stride, m.PixOffset(b.Min.X, b.Min.Y))
		}
	case *image.RGBA64:
		if p, err = make4(true, U16); err == nil {
			p.copyWords(m.Pix, m.Stride, m.PixOffset(b.Min.X, b.Min.Y))
			p.dropOpaque()
		}
	case *image.Paletted:
		return fromPaletted(m)
	case *image.YCbCr:
		if _, err = New(w, h, RGB, false, U8); err != nil {
			return nil, err
		}
		flat := image.NewRGBA(image.Rect(0, 0, w, h))
		draw.Draw(flat, flat.Rect, m, b.Min, draw.Src)
		return FromImage(flat)
	default:
		return fromAny(m)
	}
	return p, err
}

func (p *Image) copyBytes(pix []uint8, stride, off int) {
	for y := range p.Height {
		copy(p.RowU8(y), pix[off+y*stride:])
	}
}

// copyWords reads big-endian samples of 16 bits.
func (p *Image) copyWords(pix []uint8, stride, off int) {
	for y := range p.Height {
		from, to := pix[off+y*stride:], p.RowU16(y)
		from = from[:2*len(to)]
		for i := range to {
			to[i] = uint16(from[2*i])<<8 | uint16(from[2*i+1])
		}
	}
}

// dropOpaque takes the alpha away if there is no more to it than full.
func (p *Image) dropOpaque() {
	switch p.Depth {
	case U8:
		p.U8, p.Alpha = withoutFull(p.U8, p.Channels(), 255)
	case U16:
		p.U16, p.Alpha = withoutFull(p.U16, p.Channels(), 65535)
	}
	p.Premultiplied = p.Premultiplied && p.Alpha
}

func withoutFull[T uint8 | uint16](s []T, channels int, full T) (out []T, alpha bool) {
	for i := channels - 1; i < len(s); i += channels {
		if s[i] != full {
			return s, true
		}
	}
	out = make([]T, 0, len(s)/channels*(channels-1))
	for i := 0; i < len(s); i += channels {
		out = append(out, s[i:i+channels-1]...)
	}
	return out, false
}

func fromPaletted(m *image.Paletted) (*Image, error) {
	palette := make([][4]uint8, 256)
	alpha := false
	for i, c := range m.Palette {
		if i < len(palette) {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			palette[i] = [4]uint8{n.R, n.G, n.B, n.A}
			alpha = alpha || n.A != 255
		}
	}
	b := m.Rect
	p, err := New(b.Dx(), b.Dy(), RGB, alpha, U8)
	if err != nil {
		return nil, err
	}
	n := p.Channels()
	for y := range p.Height {
		from, to := m.Pix[m.PixOffset(b.Min.X, b.Min.Y+y):], p.RowU8(y)
		for x := range p.Width {
			copy(to[x*n:(x+1)*n], palette[from[x]][:])
		}
	}
	return p, nil
}

func fromAny(m image.Image) (*Image, error) {
	b := m.Bounds()
	p, err := New(b.Dx(), b.Dy(), RGB, true, U16)
	if err != nil {
		return nil, err
	}
	for y := range p.Height {
		to := p.RowU16(y)
		for x := range p.Width {
			c := color.NRGBA64Model.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA64)
			to[4*x], to[4*x+1], to[4*x+2], to[4*x+3] = c.R, c.G, c.B, c.A
		}
	}
	return p, nil
}
