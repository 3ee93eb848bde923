package psd

import "varve/format"

// maskRecord is what a layer's record says of its masks.
type maskRecord struct {
	box       box
	outside   uint8 // the mask's value outside of its box
	flags     uint8
	density   uint8 // of the user's mask, 255 all
	feather   float64
	vDensity  uint8 // of the vector mask
	vFeather  float64
	user      bool // there are both: then this is of the user's alone
	userBox   box
	userFlags uint8
	userOut   uint8
}

// Flags of a mask.
const (
	maskDisabled = 1 << 1
	maskInverted = 1 << 2
	maskRendered = 1 << 3 // from a path
	maskTuned    = 1 << 4 // density and feather follow
)

// maskOf reads a layer's mask record; nil if it has none.
func (d *document) maskOf(l *layer) (*maskRecord, error) {
	if l.mask.n < 18 {
		return nil, nil
	}
	b, err := d.load(l.mask, 1<<10)
	if err != nil {
		return nil, err
	}
	s := over(b, "mask")
	m := &maskRecord{density: 255, vDensity: 255}
	m.box = box{s.i32(), s.i32(), s.i32(), s.i32()}
	m.outside, m.flags = s.u8(), s.u8()
	if s.left() >= 18 && (l.plane(idUser) != nil || !m.tuned(b[18:])) {
		m.user = true
		m.userFlags, m.userOut = s.u8(), s.u8()
		m.userBox = box{s.i32(), s.i32(), s.i32(), s.i32()}
	}
	if m.flags&maskTuned != 0 && s.left() > 0 {
		m.tuning(s)
	}
	for _, b := range []box{m.box, m.userBox} {
		if b.width() > maxSide || b.height() > maxSide {
			return nil, format.Malformed("a mask of %d×%d", b.width(), b.height())
		}
	}
	return m, nil
}

// tuned reports whether the rest of a record can be density and feather alone: the user's box, which may come before
// them, looks no other by itself.
func (m *maskRecord) tuned(rest []byte) bool {
	if m.flags&maskTuned == 0 || rest[0] > 15 {
		return false
	}
	n := 1 + int(rest[0]&1) + 8*int(rest[0]>>1&1) + int(rest[0]>>2&1) + 8*int(rest[0]>>3&1)
	return len(rest) >= n && len(rest) < n+4
}

// tuning reads density and feather.
func (m *maskRecord) tuning(s *scan) {
	which := s.u8()
	if which&1 != 0 {
		m.density = s.u8()
	}
	if which&2 != 0 {
		m.feather = s.double()
	}
	if which&4 != 0 {
		m.vDensity = s.u8()
	}
	if which&8 != 0 {
		m.vFeather = s.double()
	}
	s.err = nil // what is cut off is as it is by default
}

// channelBox is where a channel of a layer lies.
func (d *document) channelBox(l *layer, id int) (box, error) {
	b := l.box
	if id == idMask || id == idUser {
		m, err := d.maskOf(l)
		if err != nil || m == nil {
			return box{}, err
		}
		b = m.box
		if id == idUser {
			b = m.userBox
		}
	}
	if b.width() > maxSide || b.height() > maxSide {
		return box{}, format.Malformed("%d×%d pixels", b.width(), b.height())
	}
	return b, nil
}
