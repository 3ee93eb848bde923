package raster

import "math"

// Scale returns the picture made smaller so that its longer side is side pixels; itself if it is not longer. Depth,
// channels and profile stay. Each pixel is the mean of all that it covers, in linear light (by the curve of sRGB) and
// weighted by alpha; of ink and of Lab the plain mean.
func (p *Image) Scale(side int) *Image {
	long := max(p.Width, p.Height)
	if side < 1 || long <= side {
		return p
	}
	part := func(n int) int { return max(1, int(math.Round(float64(n)*float64(side)/float64(long)))) }
	return p.box(part(p.Width), part(p.Height))
}

// A span is what one pixel covers of a row or column: some wholly, and a part of one before and after.
type span struct {
	from, to    int     // whole ones
	before      float32 // part of from-1
	after       float32 // part of to
	first, last int     // all that are touched
}

// spans divides n pixels among m, m ≤ n.
func spans(n, m int) []span {
	out := make([]span, m)
	for i := range out {
		a, b := int64(i)*int64(n), int64(i+1)*int64(n) // in 1/m of a pixel
		s := &out[i]
		s.from, s.to = int((a+int64(m)-1)/int64(m)), int(b/int64(m))
		if s.from > s.to { // within one pixel: cannot be when m ≤ n
			s.from = s.to
		}
		s.before = float32(int64(s.from)*int64(m)-a) / float32(m)
		s.after = float32(b-int64(s.to)*int64(m)) / float32(m)
		s.first, s.last = s.from, s.to
		if s.before > 0 {
			s.first--
		}
		if s.after > 0 {
			s.last++
		}
	}
	return out
}

// weight is how much of pixel i a span covers.
func (s *span) weight(i int) float32 {
	switch {
	case i < s.from:
		return s.before
	case i >= s.to:
		return s.after
	}
	return 1
}

// box returns the picture at another size, no side longer than before, by means.
func (p *Image) box(width, height int) *Image {
	q := p.like(width, height)
	across, down := spans(p.Width, width), spans(p.Height, height)
	n := p.Channels()
	sum, line := make([]float32, width*n), make([]float32, width*n)
	l := p.lighter()
	done := -1 // the row that line holds
	for y := range height {
		clear(sum)
		d := &down[y]
		for sy := d.first; sy < d.last; sy++ {
			if sy != done {
				clear(line)
				l.gather(sy, across, line)
				done = sy
			}
			w := d.weight(sy)
			for i, v := range line {
				sum[i] += v * w
			}
		}
		area := float32(p.Width) / float32(width) * float32(p.Height) / float32(height)
		l.put(q, y, sum, area)
	}
	return q
}

// lightUnit is full light in whole numbers.
const lightUnit = 1 << 24

// lighter turns samples into light weighted by alpha, and back.
type lighter struct {
	p       *Image
	table   []float32   // light by sample
	whole   [256]uint64 // the same of 8 bits, in parts of lightUnit
	encoded bool        // samples are encoded as sRGB's
	buffer  []float32   // a row of light, where there is no faster way
}

func (p *Image) lighter() *lighter {
	l := &lighter{p: p, encoded: !p.Linear && (p.Model == Gray || p.Model == RGB)}
	switch {
	case p.Depth == U8 && l.encoded:
		l.table = light8()
	case p.Depth == U8:
		l.table = plain8()
	case p.Depth == U16 && l.encoded:
		l.table = light16()
	case p.Depth == U16:
		l.table = plain16()
	}
	if p.Depth == U8 {
		for i, v := range l.table {
			l.whole[i] = uint64(math.Round(float64(v) * lightUnit))
		}
	}
	return l
}

// gather adds the light of a row to the pixels that cover it.
func (l *lighter) gather(y int, across []span, line []float32) {
	p := l.p
	if p.Depth == U8 && p.colours() == 3 && !p.Premultiplied {
		if p.Alpha {
			gather4(p.RowU8(y), across, line, &l.whole)
		} else {
			gather3(p.RowU8(y), across, line, &l.whole)
		}
		return
	}
	n := p.Channels()
	if l.buffer == nil {
		l.buffer = make([]float32, p.Width*n)
	}
	switch p.Depth {
	case U8:
		lighten(l, p.RowU8(y), 255)
	case U16:
		lighten(l, p.RowU16(y), 65535)
	case F32:
		l.lightenFloats(p.RowF32(y))
	}
	for i := range across {
		s, to := &across[i], line[i*n:(i+1)*n]
		for x := s.first; x < s.last; x++ {
			w := s.weight(x)
			for c, v := range l.buffer[x*n : (x+1)*n] {
				to[c] += v * w
			}
		}
	}
}

// gather3 is gather of opaque pixels of 8 bits. Whole numbers are added, which is faster than floats, and exact.
func gather3(row []uint8, across []span, line []float32, t *[256]uint64) {
	for i := range across {
		s := &across[i]
		var r, g, b uint64
		px := row[3*s.from : 3*s.to]
		for ; len(px) >= 6; px = px[6:] {
			r += t[px[0]] + t[px[3]]
			g += t[px[1]] + t[px[4]]
			b += t[px[2]] + t[px[5]]
		}
		if len(px) >= 3 {
			r, g, b = r+t[px[0]], g+t[px[1]], b+t[px[2]]
		}
		to := line[3*i : 3*i+3 : 3*i+3]
		to[0], to[1], to[2] = float32(r)/lightUnit, float32(g)/lightUnit, float32(b)/lightUnit
		edge := func(px []uint8, w float32) {
			w /= lightUnit
			to[0] += w * float32(t[px[0]])
			to[1] += w * float32(t[px[1]])
			to[2] += w * float32(t[px[2]])
		}
		if s.before > 0 {
			edge(row[3*s.from-3:], s.before)
		}
		if s.after > 0 {
			edge(row[3*s.to:], s.after)
		}
	}
}

// gather4 is gather of pixels of 8 bits with straight alpha.
func gather4(row []uint8, across []span, line []float32, t *[256]uint64) {
	for i := range across {
		s := &across[i]
		var r, g, b, full uint64 // of opaque pixels
		var rr, gg, bb, a uint64 // of others, times their alpha
		for px := row[4*s.from : 4*s.to]; len(px) >= 4; px = px[4:] {
			switch w := uint64(px[3]); w {
			case 255:
				r += t[px[0]]
				g += t[px[1]]
				b += t[px[2]]
				full++
			case 0:
			default:
				rr += t[px[0]] * w
				gg += t[px[1]] * w
				bb += t[px[2]] * w
				a += w
			}
		}
		r, g, b, a = r*255+rr, g*255+gg, b*255+bb, a+full*255
		const unit = lightUnit * 255
		to := line[4*i : 4*i+4 : 4*i+4]
		to[0], to[1], to[2], to[3] = float32(r)/unit, float32(g)/unit, float32(b)/unit, float32(a)/255
		edge := func(px []uint8, w float32) {
			w *= float32(px[3]) / 255
			to[0] += w * float32(t[px[0]]) / lightUnit
			to[1] += w * float32(t[px[1]]) / lightUnit
			to[2] += w * float32(t[px[2]]) / lightUnit
			to[3] += w
		}
		if s.before > 0 {
			edge(row[4*s.from-4:], s.before)
		}
		if s.after > 0 {
			edge(row[4*s.to:], s.after)
		}
	}
}

// lighten puts a row of samples as light weighted by alpha into the buffer.
func lighten[T uint8 | uint16](l *lighter, row []T, white float32) {
	n, c := l.p.Channels(), l.p.colours()
	for i := 0; i < len(row); i += n {
		px, to := row[i:i+n], l.buffer[i:i+n]
		a := float32(1)
		if l.p.Alpha {
			a = float32(px[c]) / white
			to[c] = a
		}
		for k := range c {
			switch {
			case !l.p.Premultiplied || px[c] == 0:
				to[k] = l.table[px[k]] * a
			default:
				to[k] = l.table[min(int(float32(px[k])/a+0.5), len(l.table)-1)] * a
			}
		}
	}
}

func (l *lighter) lightenFloats(row []float32) {
	n, c := l.p.Channels(), l.p.colours()
	for i := 0; i < len(row); i += n {
		px, to := row[i:i+n], l.buffer[i:i+n]
		a := float32(1)
		if l.p.Alpha {
			a = float32(finite(px[c]))
			to[c] = a
		}
		for k := range c {
			v := float32(finite(px[k]))
			if l.p.Premultiplied && a > 0 {
				v /= a
			}
			if l.encoded {
				v = float32(fromSRGB(float64(v)))
			}
			if l.p.Premultiplied && a <= 0 { // light that covers nothing, as of flames
				to[k] = v
			} else {
				to[k] = v * a
			}
		}
	}
}

// put writes a row of sums over so many pixels into a picture.
func (l *lighter) put(q *Image, y int, sum []float32, area float32) {
	n, c := q.Channels(), q.colours()
	for x := range q.Width {
		px := sum[x*n : (x+1)*n]
		a := float32(1)
		if q.Alpha {
			a = px[c] / area
			q.set(x, y, c, float64(a))
		}
		for k := range c {
			v := float64(px[k] / area)
			if a > 0 {
				v /= float64(a)
			}
			if l.encoded {
				v = toSRGB(v)
			}
			if q.Premultiplied && a > 0 {
				v *= float64(a)
			}
			q.set(x, y, k, v)
		}
	}
}

// set puts v, of which 1 is full, into a sample.
func (p *Image) set(x, y, c int, v float64) {
	i := (y*p.Width+x)*p.Channels() + c
	switch p.Depth {
	case U8:
		p.U8[i] = round8(v)
	case U16:
		p.U16[i] = round16(v)
	case F32:
		p.F32[i] = float32(v)
	}
}
