package raster

// look gives the colours of a picture in linear light, with the primaries of sRGB: what it looks like.
type look struct {
	p      *Image
	curves [3][]float32             // by sample, of Gray, RGB and, as sRGB's, CMYK
	eval   [3]func(float64) float64 // the same for floats
	matrix *[9]float32              // to the primaries of sRGB; nil: they are
	plain  bool                     // samples are encoded as sRGB's, or are linear and have its primaries
	known  bool                     // the profile could be followed
}

func newLook(p *Image) *look {
	l := &look{p: p, plain: p.Model == Gray || p.Model == RGB, known: true}
	profile := sRGB()
	if len(p.Profile) > 0 {
		parsed, err := ParseProfile(p.Profile)
		fits := err == nil && parsed.Simple && (p.Model == RGB && parsed.Space == "RGB" || p.Model == Gray && parsed.Space == "GRAY")
		if l.known = fits; fits {
			profile = parsed
		}
	}
	if p.Linear {
		l.matrix = profile.toLinear()
		l.plain = l.plain && l.matrix == nil
		l.fill(same, same, same)
		return l
	}
	if profile.Known == "sRGB" {
		l.fill(fromSRGB, fromSRGB, fromSRGB)
		if table := map[Depth]func() []float32{U8: light8, U16: light16}[p.Depth]; table != nil {
			l.curves = [3][]float32{table(), table(), table()}
		}
		return l
	}
	l.matrix, l.plain = profile.toLinear(), false
	l.fill(profile.curves[0].at, profile.curves[1].at, profile.curves[2].at)
	if n := map[Depth]int{U8: 256, U16: 65536}[p.Depth]; n > 0 {
		for i, f := range l.eval {
			l.curves[i] = tabulate(n, f)
		}
	}
	return l
}

func (l *look) fill(f ...func(float64) float64) {
	copy(l.eval[:], f)
	if n := map[Depth]int{U8: 256, U16: 65536}[l.p.Depth]; n > 0 && l.p.Linear {
		for i := range l.curves {
			l.curves[i] = tabulate(n, same)
		}
	}
}

// row gives the pixels from x0 to x1 of a row: three values of straight linear light each into rgb, 1 being white, and
// into alpha, if that is not nil, 0 to 1.
func (l *look) row(y, x0, x1 int, rgb, alpha []float32) {
	p := l.p
	n := p.Channels()
	from, to := (y*p.Width+x0)*n, (y*p.Width+x1)*n
	switch p.Depth {
	case U8:
		lookInts(l, p.U8[from:to], 255, rgb, alpha)
	case U16:
		lookInts(l, p.U16[from:to], 65535, rgb, alpha)
	case F32:
		l.floats(p.F32[from:to], rgb, alpha)
	}
	if m := l.matrix; m != nil {
		for i := 0; i+2 < 3*(x1-x0); i += 3 {
			r, g, b := rgb[i], rgb[i+1], rgb[i+2]
			rgb[i], rgb[i+1], rgb[i+2] = m[0]*r+m[1]*g+m[2]*b, m[3]*r+m[4]*g+m[5]*b, m[6]*r+m[7]*g+m[8]*b
		}
	}
}

func lookInts[T uint8 | uint16](l *look, s []T, white uint32, rgb, alpha []float32) {
	p := l.p
	n, c := p.Channels(), p.colours()
	var v [5]T
	for i, o := 0, 0; i < len(s); i, o = i+n, o+3 {
		px := s[i : i+n : i+n]
		if p.Alpha {
			a := uint32(px[c])
			if alpha != nil {
				alpha[o/3] = float32(a) / float32(white)
			}
			if p.Premultiplied && a != white && a != 0 {
				copy(v[:], px)
				for k := range c {
					v[k] = T(min((uint32(px[k])*white+a/2)/a, white))
				}
				px = v[:n]
			}
		} else if alpha != nil {
			alpha[o/3] = 1
		}
		switch p.Model {
		case RGB:
			rgb[o], rgb[o+1], rgb[o+2] = l.curves[0][px[0]], l.curves[1][px[1]], l.curves[2][px[2]]
		case Gray:
			g := l.curves[0][px[0]]
			rgb[o], rgb[o+1], rgb[o+2] = g, g, g
		case CMYK:
			paper := white - uint32(px[3])
			for k := range 3 {
				rgb[o+k] = l.curves[k][((white-uint32(px[k]))*paper+white/2)/white]
			}
		case Lab:
			if white == 255 {
				lab50(float64(px[0])*100/255, float64(px[1])-128, float64(px[2])-128, rgb[o:])
			} else {
				lab50(float64(px[0])*100/65535, (float64(px[1])-32768)/256, (float64(px[2])-32768)/256, rgb[o:])
			}
		}
	}
}

func (l *look) floats(s []float32, rgb, alpha []float32) {
	p := l.p
	n, c := p.Channels(), p.colours()
	var v [5]float64
	for i, o := 0, 0; i < len(s); i, o = i+n, o+3 {
		a := float32(1)
		if p.Alpha {
			a = s[i+c]
		}
		if alpha != nil {
			alpha[o/3] = float32(finite(a))
		}
		for k := range c {
			v[k] = finite(s[i+k])
			if p.Premultiplied && a > 0 && a != 1 {
				v[k] /= float64(a)
			}
		}
		switch {
		case p.Model == Lab:
			lab50(v[0], v[1], v[2], rgb[o:])
			continue
		case p.Model == Gray:
			v[1], v[2] = v[0], v[0]
		case p.Model == CMYK:
			for k := range 3 {
				v[k] = (1 - v[k]) * (1 - v[3])
			}
		}
		for k := range 3 {
			if p.Linear {
				rgb[o+k] = float32(v[k])
			} else {
				rgb[o+k] = float32(l.eval[k](v[k]))
			}
		}
	}
}

// finite is v, and 0 of what is no number, and a large number of what is infinite.
func finite(v float32) float64 {
	switch {
	case v != v:
		return 0
	case v > maxLight:
		return maxLight
	case v < -maxLight:
		return -maxLight
	}
	return float64(v)
}

// lab50 gives the linear light of a colour of CIE L*a*b* for white of D50.
func lab50(L, a, b float64, rgb []float32) {
	fy := (L + 16) / 116
	x, y, z := 0.96422*unlab(fy+a/500), unlab(fy), 0.82521*unlab(fy-b/200)
	m := linear50()
	for k := range 3 {
		rgb[k] = float32(m[3*k]*x + m[3*k+1]*y + m[3*k+2]*z)
	}
}

func unlab(t float64) float64 {
	if t > 6.0/29 {
		return t * t * t
	}
	return 3 * (6.0 / 29) * (6.0 / 29) * (t - 4.0/29)
}

// lab65 gives L*a*b* for white of D65 of linear light of sRGB.
func lab65(r, g, b float64) (L, aa, bb float64) {
	x := (0.4124564*r + 0.3575761*g + 0.1804375*b) / 0.95047
	y := 0.2126729*r + 0.7151522*g + 0.0721750*b
	z := (0.0193339*r + 0.1191920*g + 0.9503041*b) / 1.08883
	fx, fy, fz := float64(cubic(float32(x))), float64(cubic(float32(y))), float64(cubic(float32(z)))
	return 116*fy - 16, 500 * (fx - fy), 200 * (fy - fz)
}
