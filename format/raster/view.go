package raster

// view gives what a pair looks like over its overlap: what is transparent lies on middle gray, so that black and white
// are seen on it alike.
type view struct {
	*pair
	looks [2]*look
}

const (
	middleByte  = 128
	middleLight = 0.21586 // of middleByte
)

func (p *pair) view() *view { return &view{p, [2]*look{newLook(p.a), newLook(p.b)}} }

// at returns where a pixel of the overlap is in one of the two.
func (v *view) at(side, x, y int) (int, int) {
	if side == 0 {
		return x + v.ax, y + v.ay
	}
	return x + v.bx, y + v.by
}

// light puts the linear light of pixels from x0 to x1 of a row into rgb, by three. alpha is room for as many.
func (v *view) light(side, y, x0, x1 int, rgb, alpha []float32) {
	l := v.looks[side]
	px, py := v.at(side, x0, y)
	l.row(py, px, px+x1-x0, rgb, alpha)
	if !l.p.Alpha {
		return
	}
	for i := range x1 - x0 {
		if a := alpha[i]; a != 1 {
			a = min(max(a, 0), 1)
			for k := 3 * i; k < 3*i+3; k++ {
				rgb[k] = middleLight + (rgb[k]-middleLight)*a
			}
		}
	}
}

// luma puts the luma (of BT.601, encoded, 0 to 255) of pixels from x0 to x1 of a row into out. rgb and alpha are room.
func (v *view) luma(side, y, x0, x1 int, out, rgb, alpha []float32) {
	l := v.looks[side]
	p := l.p
	px, py := v.at(side, x0, y)
	n := p.Channels()
	if l.plain && !p.Linear && !p.Premultiplied {
		from, to := (py*p.Width+px)*n, (py*p.Width+px+x1-x0)*n
		switch p.Depth {
		case U8:
			lumaRow(p, p.U8[from:to], out, 1)
		case U16:
			lumaRow(p, p.U16[from:to], out, 1.0/257)
		case F32:
			lumaRow(p, p.F32[from:to], out, 255)
			for i, y := range out[:x1-x0] {
				out[i] = float32(min(max(finite(y), 0), 255))
			}
		}
		return
	}
	l.row(py, px, px+x1-x0, rgb, alpha)
	table := bytes16()
	for i := range x1 - x0 {
		r, g, b := table[index16(rgb[3*i])], table[index16(rgb[3*i+1])], table[index16(rgb[3*i+2])]
		y := 0.299*float32(r) + 0.587*float32(g) + 0.114*float32(b)
		if p.Alpha {
			y = middleByte + (y-middleByte)*min(max(alpha[i], 0), 1)
		}
		out[i] = y
	}
}

func lumaRow[T uint8 | uint16 | float32](p *Image, s []T, out []float32, unit float32) {
	n := p.Channels()
	out = out[:len(s)/n]
	switch n {
	case 1:
		for i := range out {
			out[i] = float32(s[i]) * unit
		}
	case 2:
		for i := range out {
			out[i] = middleByte + (float32(s[2*i])*unit-middleByte)*float32(s[2*i+1])*(unit/255)
		}
	case 3:
		for i := range out {
			q := s[3*i : 3*i+3 : 3*i+3]
			out[i] = (0.299*float32(q[0]) + 0.587*float32(q[1]) + 0.114*float32(q[2])) * unit
		}
	case 4:
		for i := range out {
			q := s[4*i : 4*i+4 : 4*i+4]
			y := (0.299*float32(q[0]) + 0.587*float32(q[1]) + 0.114*float32(q[2])) * unit
			out[i] = middleByte + (y-middleByte)*float32(q[3])*(unit/255)
		}
	}
}
