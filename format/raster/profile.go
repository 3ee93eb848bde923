package raster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf16"
)

// ErrProfile says that bytes are no ICC profile.
var ErrProfile = errors.New("no ICC profile")

// Profile is what an ICC profile (versions 2 and 4) says of colour:
//
//	0    header: 16 colour space, 20 connection space, 36 "acsp"
//	128  count of tags, then 12 bytes each: name, offset, size
//	     rXYZ gXYZ bXYZ  where the primaries lie, for white of D50
//	     rTRC gTRC bTRC  curves from samples to light: curv (none, a gamma, a table) or para (a formula)
//	     kTRC            the one curve of a gray space
//	     A2B0            a table in all dimensions: of printers; not read
type Profile struct {
	Name   string // its description
	Space  string // "RGB", "GRAY", "CMYK", "Lab", …
	Known  string // the well-known space that it is, as "sRGB"; "" if it is none
	Simple bool   // primaries and curves say all; false: a table does, and what colours look like is not known here

	curves [3]curve   // of gray all the same
	matrix [9]float64 // to XYZ for white of D50
}

// tags are the parts of a profile by name.
type tags map[string][]byte

// ParseProfile reads a profile, ErrProfile if it is none. The profile that nothing is said of, nil, is sRGB.
func ParseProfile(b []byte) (*Profile, error) {
	if len(b) == 0 {
		return sRGB(), nil
	}
	if len(b) < 132 || string(b[36:40]) != "acsp" {
		return nil, fmt.Errorf("%w: %d bytes without its mark", ErrProfile, len(b))
	}
	n := int64(binary.BigEndian.Uint32(b[128:]))
	if n > 256 || 132+12*n > int64(len(b)) {
		return nil, fmt.Errorf("%w: %d tags in %d bytes", ErrProfile, n, len(b))
	}
	t := tags{}
	for i := range int(n) {
		e := b[132+12*i:]
		off, size := int64(binary.BigEndian.Uint32(e[4:])), int64(binary.BigEndian.Uint32(e[8:]))
		if off+size > int64(len(b)) {
			return nil, fmt.Errorf("%w: tag %q ends at %d of %d", ErrProfile, e[:4], off+size, len(b))
		}
		t[string(e[:4])] = b[off : off+size]
	}
	p := &Profile{Name: t.description(), Space: strings.TrimSpace(string(b[16:20]))}
	var err error
	switch {
	case p.Space == "RGB" && t["rXYZ"] != nil && t["rTRC"] != nil:
		err = p.readRGB(t)
	case p.Space == "GRAY" && t["kTRC"] != nil:
		p.Simple = true
		p.matrix = gray50()
		p.curves[0], err = readCurve(t["kTRC"])
		p.curves[1], p.curves[2] = p.curves[0], p.curves[0]
	}
	if err != nil {
		return nil, err
	}
	p.Known = p.known()
	return p, nil
}

func (p *Profile) readRGB(t tags) error {
	p.Simple = true
	for i, c := range []string{"r", "g", "b"} {
		xyz := t[c+"XYZ"]
		if len(xyz) < 20 || string(xyz[:4]) != "XYZ " {
			return fmt.Errorf("%w: %sXYZ of %d bytes", ErrProfile, c, len(xyz))
		}
		for k := range 3 {
			p.matrix[3*k+i] = fixed(xyz[8+4*k:])
		}
		var err error
		if p.curves[i], err = readCurve(t[c+"TRC"]); err != nil {
			return err
		}
	}
	return nil
}

// fixed reads a number of 16 bits and 16 of fraction.
func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

// description is text of v2 (ASCII) or v4 (the first language).
func (t tags) description() string {
	d := t["desc"]
	switch {
	case len(d) >= 12 && string(d[:4]) == "desc":
		text := d[12:min(int64(len(d)), 12+int64(binary.BigEndian.Uint32(d[8:])))]
		text, _, _ = bytes.Cut(text, []byte{0})
		return strings.TrimRight(string(text), " ")
	case len(d) >= 28 && string(d[:4]) == "mluc":
		size, off := int64(binary.BigEndian.Uint32(d[20:])), int64(binary.BigEndian.Uint32(d[24:]))
		if off+size > int64(len(d)) {
			return ""
		}
		var words []uint16
		for i := off; i+1 < off+size; i += 2 {
			words = append(words, binary.BigEndian.Uint16(d[i:]))
		}
		return strings.TrimRight(string(utf16.Decode(words)), "\x00 ")
	}
	return ""
}

// A curve turns a sample, 0 to 1, to light.
type curve struct {
	table []uint16   // if there are any: at equal distances
	kind  int        // else of para, 0 to 4; 0 with g only is a gamma
	p     [7]float64 // g a b c d e f
}

func readCurve(b []byte) (curve, error) {
	var c curve
	switch {
	case len(b) >= 12 && string(b[:4]) == "curv":
		n := int64(binary.BigEndian.Uint32(b[8:]))
		if 12+2*n > int64(len(b)) {
			return c, fmt.Errorf("%w: a curve of %d in %d bytes", ErrProfile, n, len(b))
		}
		switch n {
		case 0:
			c.p[0] = 1
		case 1:
			c.p[0] = float64(binary.BigEndian.Uint16(b[12:])) / 256
		default:
			c.table = make([]uint16, n)
			for i := range c.table {
				c.table[i] = binary.BigEndian.Uint16(b[12+2*i:])
			}
		}
		return c, nil
	case len(b) >= 12 && string(b[:4]) == "para":
		c.kind = int(binary.BigEndian.Uint16(b[8:]))
		count := [...]int{1, 3, 4, 5, 7}
		if c.kind >= len(count) || len(b) < 12+4*count[c.kind] {
			return c, fmt.Errorf("%w: formula %d in %d bytes", ErrProfile, c.kind, len(b))
		}
		for i := range count[c.kind] {
			c.p[i] = fixed(b[12+4*i:])
		}
		return c, nil
	}
	return c, fmt.Errorf("%w: a curve of %d bytes that is none", ErrProfile, len(b))
}

// maxLight bounds light, which is nowhere infinite: it is the largest half float.
const maxLight = 65504

// at returns light for a sample. Beyond 0 and 1 tables go on flat; what is no number is 0.
func (c *curve) at(x float64) float64 {
	if c.table != nil {
		last := len(c.table) - 1
		switch {
		case !(x > 0):
			return float64(c.table[0]) / 65535
		case x >= 1:
			return float64(c.table[last]) / 65535
		}
		i := min(int(x*float64(last)), last-1)
		f := x*float64(last) - float64(i)
		return (float64(c.table[i])*(1-f) + float64(c.table[i+1])*f) / 65535
	}
	p := &c.p
	power := func(v float64) float64 { return math.Pow(max(v, 0), p[0]) }
	y := 0.0
	switch c.kind {
	case 0:
		y = power(x)
	case 1:
		if p[1] != 0 && x >= -p[2]/p[1] {
			y = power(p[1]*x + p[2])
		}
	case 2:
		y = p[3]
		if p[1] != 0 && x >= -p[2]/p[1] {
			y = power(p[1]*x+p[2]) + p[3]
		}
	case 3:
		y = p[3] * x
		if x >= p[4] {
			y = power(p[1]*x + p[2])
		}
	case 4:
		y = p[3]*x + p[6]
		if x >= p[4] {
			y = power(p[1]*x+p[2]) + p[5]
		}
	}
	if math.IsNaN(y) {
		return 0
	}
	return min(max(y, -maxLight), maxLight)
}
