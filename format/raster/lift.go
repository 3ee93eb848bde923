package raster

import "fmt"

// lift returns two pictures as samples that can be compared one by one: of the deeper depth, in one model, with alpha
// if one of them has it, and what was done for that. A picture that needs nothing is returned as it is.
func lift(a, b *Image) (la, lb *Image, notes []string) {
	say := func(text string, args ...any) { notes = append(notes, fmt.Sprintf(text, args...)) }
	if a.Model != b.Model {
		drawn := func(p *Image) bool { return p.Model == Gray || p.Model == RGB }
		if drawn(a) && drawn(b) {
			say("%s and %s: gray is compared as equal red, green and blue", a.Model, b.Model)
			a, b = a.toRGB(), b.toRGB()
		} else {
			say("%s and %s: both are compared as they are displayed", a.Model, b.Model)
			a, b = a.shown(), b.shown()
		}
	}
	if a.Linear != b.Linear {
		say("one is of linear light: the other was turned to it by the curve of sRGB")
		a, b = a.linearised(), b.linearised()
	}
	if a.Depth != b.Depth {
		d := max(a.Depth, b.Depth)
		say("%s and %s a sample: compared as %s", a.Depth, b.Depth, d)
		a, b = a.deepened(d), b.deepened(d)
	}
	if a.Alpha != b.Alpha {
		say("one has no alpha: it is taken as opaque")
		a, b = a.opaque(), b.opaque()
	}
	if a.Alpha && a.Premultiplied != b.Premultiplied {
		say("one is premultiplied: its alpha was taken out")
		a, b = a.straight(), b.straight()
	}
	return a, b, notes
}

func (m Model) String() string {
	switch m {
	case Gray:
		return "gray"
	case RGB:
		return "RGB"
	case CMYK:
		return "CMYK"
	case Lab:
		return "Lab"
	}
	return "?"
}

func (d Depth) String() string {
	switch d {
	case U8:
		return "8 bits"
	case U16:
		return "16 bits"
	case F32:
		return "floats"
	}
	return "?"
}

// toRGB returns a gray picture as RGB, without its profile, which is of gray; a curve of its own is lost with it.
func (p *Image) toRGB() *Image {
	if p.Model != Gray {
		return p
	}
	q := *p
	q.Model, q.Profile = RGB, nil
	r := q.like(p.Width, p.Height)
	widen(r.U8, p.U8, p.Alpha)
	widen(r.U16, p.U16, p.Alpha)
	widen(r.F32, p.F32, p.Alpha)
	return r
}

func widen[T any](dst, src []T, alpha bool) {
	o := 0
	for i := 0; i < len(src); i++ {
		dst[o], dst[o+1], dst[o+2] = src[i], src[i], src[i]
		o += 3
		if alpha {
			i++
			dst[o] = src[i]
			o++
		}
	}
}

// shown returns the picture as it is displayed, in sRGB; what is RGB already, as it is.
func (p *Image) shown() *Image {
	switch p.Model {
	case RGB:
		return p
	case Gray:
		return p.toRGB()
	}
	m := p.ToNRGBA8()
	q := &Image{Width: p.Width, Height: p.Height, Model: RGB, Alpha: true, Depth: U8, U8: m.Pix}
	if !p.Alpha {
		q.U8, q.Alpha = withoutFull(q.U8, 4, 255)
	}
	return q
}

func (p *Image) linearised() *Image {
	if p.Linear {
		return p.deepened(F32)
	}
	q := p.straight().deepened(F32)
	r := q.like(q.Width, q.Height)
	r.Linear = true
	n, c := q.Channels(), q.colours()
	var table []float32
	switch p.Depth {
	case U8:
		table = light8()
	case U16:
		table = light16()
	}
	for i := 0; i < len(q.F32); i += n {
		for k := range n {
			v := q.F32[i+k]
			switch {
			case k >= c:
			case table != nil:
				v = table[int(v*float32(len(table)-1)+0.5)]
			default:
				v = float32(fromSRGB(float64(v)))
			}
			r.F32[i+k] = v
		}
	}
	return r
}

// deepened returns the picture at a depth that is no less than its own.
func (p *Image) deepened(d Depth) *Image {
	if p.Depth == d {
		return p
	}
	q := *p
	q.Depth = d
	r := q.like(p.Width, p.Height)
	switch {
	case d == U16:
		for i, v := range p.U8 {
			r.U16[i] = uint16(v) * 257
		}
	case p.Depth == U8:
		for i, v := range p.U8 {
			r.F32[i] = float32(v) / 255
		}
	default:
		for i, v := range p.U16 {
			r.F32[i] = float32(v) / 65535
		}
	}
	return r
}

// opaque returns the picture with alpha.
func (p *Image) opaque() *Image {
	if p.Alpha {
		return p
	}
	q := *p
	q.Alpha = true
	r := q.like(p.Width, p.Height)
	withAlpha(r.U8, p.U8, p.Channels(), 255)
	withAlpha(r.U16, p.U16, p.Channels(), 65535)
	withAlpha(r.F32, p.F32, p.Channels(), 1)
	return r
}

func withAlpha[T any](dst, src []T, n int, full T) {
	for i, o := 0, 0; i < len(src); i, o = i+n, o+n+1 {
		copy(dst[o:o+n], src[i:i+n])
		dst[o+n] = full
	}
}
