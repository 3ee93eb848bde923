package raster

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// madeProfile returns a profile of primaries and a curve, in the form of version 2 or 4.
func madeProfile(space, name string, m [9]float64, curve []byte, version byte) []byte {
	s15 := func(b []byte, v float64) []byte {
		return binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*65536))))
	}
	var desc []byte
	if version == 2 {
		desc = append([]byte("desc\x00\x00\x00\x00"), binary.BigEndian.AppendUint32(nil, uint32(len(name)+1))...)
		desc = append(append(desc, name...), make([]byte, 79)...)
	} else {
		desc = []byte("mluc\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0cenUS")
		desc = binary.BigEndian.AppendUint32(desc, uint32(2*len(name)))
		desc = binary.BigEndian.AppendUint32(desc, 28)
		for _, r := range name {
			desc = append(desc, 0, byte(r))
		}
	}
	tags := map[string][]byte{"desc": desc}
	if space == "GRAY" {
		tags["kTRC"] = curve
	} else {
		for i, c := range []string{"r", "g", "b"} {
			xyz := []byte("XYZ \x00\x00\x00\x00")
			for k := range 3 {
				xyz = s15(xyz, m[3*k+i])
			}
			tags[c+"XYZ"], tags[c+"TRC"] = xyz, curve
		}
	}
	tags["wtpt"] = s15(s15(s15([]byte("XYZ \x00\x00\x00\x00"), 0.96420), 1), 0.82491)
	b := make([]byte, 132+12*len(tags))
	b[8] = version
	copy(b[12:], "mntr")
	copy(b[16:], space+" ")
	copy(b[20:], "XYZ ")
	copy(b[36:], "acsp")
	for i, v := range []float64{0.9642, 1, 0.82491} {
		copy(b[68+4*i:], s15(nil, v))
	}
	binary.BigEndian.PutUint32(b[128:], uint32(len(tags)))
	at := 132
	for _, name := range []string{"desc", "wtpt", "rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC", "kTRC"} {
		data, ok := tags[name]
		if !ok {
			continue
		}
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		copy(b[at:], name)
		binary.BigEndian.PutUint32(b[at+4:], uint32(len(b)))
		binary.BigEndian.PutUint32(b[at+8:], uint32(len(data)))
		b = append(b, data...)
		at += 12
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

func gammaCurve(g float64) []byte {
	return append([]byte("curv\x00\x00\x00\x00\x00\x00\x00\x01"), byte(int(g*256)>>8), byte(int(g*256)))
}

// formula is a curve of kind 3: that of sRGB.
func formula() []byte {
	b := []byte("para\x00\x00\x00\x00\x00\x03\x00\x00")
	for _, v := range []float64{2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045} {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*65536))))
	}
	return b
}

func tableCurve(n int, f func(float64) float64) []byte {
	b := binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), uint32(n))
	for i := range n {
		b = binary.BigEndian.AppendUint16(b, round16(f(float64(i)/float64(n-1))))
	}
	return b
}

func spaceOf(name string) [9]float64 {
	for _, s := range knownSpaces() {
		if s.name == name {
			return s.matrix
		}
	}
	panic(name)
}

// TestProfileKnown: well-known spaces are known in all forms that a profile may have them in, and others are not.
func TestProfileKnown(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "sRGB"},
		{madeProfile("RGB", "sRGB v2", srgb50(), tableCurve(1024, fromSRGB), 2), "sRGB"},
		{madeProfile("RGB", "sRGB v4", srgb50(), formula(), 4), "sRGB"},
		{madeProfile("GRAY", "gray", [9]float64{}, formula(), 4), "sRGB"},
		{madeProfile("GRAY", "dot gain", [9]float64{}, gammaCurve(1.75), 2), ""},
		{madeProfile("RGB", "Display P3", spaceOf("Display P3"), formula(), 4), "Display P3"},
		{madeProfile("RGB", "Adobe RGB (1998)", spaceOf("Adobe RGB"), gammaCurve(2.19921875), 2), "Adobe RGB"},
		{madeProfile("RGB", "ACEScg", spaceOf("ACEScg"), []byte("curv\x00\x00\x00\x00\x00\x00\x00\x00"), 4), "ACEScg"},
		{madeProfile("RGB", "other curve", srgb50(), gammaCurve(1.8), 2), ""},
	} {
		p, err := ParseProfile(c.b)
		if err != nil || p.Known != c.want || !p.Simple {
			t.Errorf("%+v, want %q, %v", p, c.want, err)
		}
		for n := range len(c.b) {
			if p, err := ParseProfile(slices.Clip(c.b[:n])); err != nil && !errors.Is(err, ErrProfile) || err == nil && p == nil {
				t.Fatalf("cut at %d: %v", n, err)
			}
		}
	}
	for _, curve := range []string{"curv\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00", "para\x00\x00\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00", "para\x00\x00\x00\x00\x00\x05\x00\x00", "none"} {
		if _, err := ParseProfile(madeProfile("RGB", "x", srgb50(), []byte(curve), 2)); !errors.Is(err, ErrProfile) {
			t.Errorf("%q: %v", curve, err)
		}
	}
	table := madeProfile("CMYK", "ink", [9]float64{}, nil, 2)
	if p, err := ParseProfile(table); err != nil || p.Simple || p.Name != "ink" {
		t.Errorf("%+v %v", p, err)
	}
}

// converted returns the picture with 16 bits, in the numbers of another space of primaries and the curve of sRGB.
func converted(p *Image, matrix [9]float64) *Image {
	q := p.deepened(U16).like(p.Width, p.Height)
	q.Depth = U16
	q.U16 = make([]uint16, p.Width*p.Height*p.Channels())
	m := product(invert(matrix), srgb50())
	for y := range p.Height {
		for x := range p.Width {
			var v [3]float64
			for c := range 3 {
				v[c] = fromSRGB(p.At(x, y, c) / p.Depth.white())
			}
			for c, v := range times(m, v) {
				q.set(x, y, c, toSRGB(v))
			}
		}
	}
	return q
}

// TestProfiles: a profile that changes with equal numbers, numbers that change with equal appearance, and both.
func TestProfiles(t *testing.T) {
	p := drawing(120, 90, 3)
	p3 := madeProfile("RGB", "Display P3", spaceOf("Display P3"), formula(), 4)
	with := func(p *Image, profile []byte) *Image {
		q := *p
		q.Profile = profile
		return &q
	}
	rewritten := append([]byte{}, p3...)
	rewritten[30] ^= 1 // its date
	same := madeProfile("RGB", "sRGB", srgb50(), tableCurve(1024, fromSRGB), 2)
	for _, c := range []struct {
		name string
		a, b *Image
		want Verdict
		all  bool
	}{
		{"other primaries, equal numbers", p, with(p, p3), ProfileChanged, true},
		{"sRGB said", p, with(p, same), Identical, false},
		{"profile written again", with(p, p3), with(p, rewritten), Identical, false},
		{"turned to Display P3", p.deepened(U16), with(converted(p, spaceOf("Display P3")), p3), AppearanceEqual, true},
		{"turned to Display P3 and not said", p.deepened(U16), converted(p, spaceOf("Display P3")), Changed, false},
	} {
		r := compare(t, c.a, c.b, Options{})
		if r.Verdict != c.want || r.Delta.All != c.all || !r.Profiles.Followed {
			t.Errorf("%s: %s, %+v, %+v", c.name, r.Verdict, r.Delta, r.Profiles)
		}
		if c.want == ProfileChanged && (r.Changed != 0 || r.Delta.Max < 2 || r.Flip.Mean == 0 || r.Profiles.New != "Display P3") {
			t.Errorf("%s: %+v %+v %+v", c.name, r.Delta, r.Flip, r.Profiles)
		}
	}
	ink := noise(20, 20, CMYK, false, U8, 1)
	r := compare(t, ink, with(ink, madeProfile("CMYK", "Coated", [9]float64{}, nil, 2)), Options{})
	if r.Verdict != ProfileChanged || r.Profiles.Followed || !strings.Contains(strings.Join(r.Notes, " "), "cannot be followed") {
		t.Errorf("%s %+v %q", r.Verdict, r.Profiles, r.Notes)
	}
}

// TestDisplayProfile: what is shown of a picture in another space is what it was made of.
func TestDisplayProfile(t *testing.T) {
	p := drawing(60, 50, 8)
	q := converted(p, spaceOf("Rec. 2020"))
	q.Profile = madeProfile("RGB", "wide", spaceOf("Rec. 2020"), formula(), 4)
	got, want := q.ToNRGBA8(), p.ToNRGBA8()
	for i, v := range got.Pix {
		if d := int(v) - int(want.Pix[i]); max(d, -d) > 1 {
			t.Fatalf("sample %d: %d, want %d", i, v, want.Pix[i])
		}
	}
}

func FuzzProfile(f *testing.F) {
	f.Add(madeProfile("RGB", "p", srgb50(), formula(), 4))
	f.Add(madeProfile("GRAY", "g", srgb50(), tableCurve(5, same), 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProfile(b)
		if err != nil {
			return
		}
		q := noise(4, 4, RGB, true, U8, 1)
		q.Profile = b
		q.ToNRGBA8()
		p.Same(p)
	})
}
