package raster

import "math"

// The primaries of well-known spaces lie, for white of D50 and in columns of XYZ, so. From their chromaticities,
// adapted to D50 by Bradford's matrix: the way profiles have them.
func knownSpaces() []struct {
	name   string
	gamma  float64 // 0: that of sRGB
	matrix [9]float64
} {
	return []struct {
		name   string
		gamma  float64
		matrix [9]float64
	}{
		{"sRGB", 0, srgb50()},
		{"Display P3", 0, [9]float64{0.51512, 0.29198, 0.15710, 0.24120, 0.69225, 0.06657, -0.00105, 0.04189, 0.78407}},
		{"Adobe RGB", 563.0 / 256, [9]float64{0.60974, 0.20528, 0.14919, 0.31111, 0.62567, 0.06322, 0.01947, 0.06087, 0.74457}},
		{"ProPhoto RGB", 1.8, [9]float64{0.79767, 0.13519, 0.03134, 0.28804, 0.71188, 0.00009, 0, 0, 0.82491}},
		{"ACEScg", 1, [9]float64{0.68985, 0.14975, 0.12461, 0.28450, 0.67169, 0.04381, -0.00604, 0.01000, 0.82126}},
		{"Rec. 2020", 0, [9]float64{0.67348, 0.16567, 0.12505, 0.27904, 0.67535, 0.04561, -0.00193, 0.02998, 0.79686}},
	}
}

// srgb50 takes linear light of sRGB to XYZ for white of D50, and linear50 back.
func srgb50() [9]float64 {
	return [9]float64{0.4360747, 0.3850649, 0.1430804, 0.2225045, 0.7168786, 0.0606169, 0.0139322, 0.0971045, 0.7141733}
}

func linear50() [9]float64 {
	return [9]float64{3.1338561, -1.6168667, -0.4906146, -0.9787684, 1.9161415, 0.0334540, 0.0719453, -0.2289914, 1.4052427}
}

// gray50 takes gray light, thrice, to XYZ.
func gray50() [9]float64 { return srgb50() }

func sRGB() *Profile {
	p := &Profile{Name: "sRGB", Space: "RGB", Known: "sRGB", Simple: true, matrix: srgb50()}
	for i := range p.curves {
		p.curves[i] = curve{kind: 3, p: [7]float64{2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045}}
	}
	return p
}

// known returns the name of the well-known space with these primaries and curves, "" if there is none.
func (p *Profile) known() string {
	if !p.Simple {
		return ""
	}
	for _, s := range knownSpaces() {
		if p.Space != "RGB" || !p.near(s.matrix) {
			continue
		}
		f := fromSRGB
		if s.gamma != 0 {
			f = func(x float64) float64 { return math.Pow(x, s.gamma) }
		}
		if p.follows(f) {
			return s.name
		}
	}
	if p.Space == "GRAY" && p.follows(fromSRGB) {
		return "sRGB"
	}
	return ""
}

// near reports whether the primaries lie so, as closely as profiles round them.
func (p *Profile) near(m [9]float64) bool {
	for i, v := range p.matrix {
		if math.Abs(v-m[i]) > 0.0015 {
			return false
		}
	}
	return true
}

// follows reports whether the curves are f to within half a step of 8 bits.
func (p *Profile) follows(f func(float64) float64) bool {
	for i := range p.curves {
		for v := range 65 {
			x := float64(v) / 64
			slope := max((f(x+0.001)-f(max(x-0.001, 0)))/0.002, 0.1)
			if math.Abs(p.curves[i].at(x)-f(x)) > slope*0.5/255 {
				return false
			}
		}
	}
	return true
}

// Same reports whether two profiles mean the same colours, whatever their bytes are.
func (p *Profile) Same(q *Profile) bool {
	if !p.Simple || !q.Simple || p.Space != q.Space || !p.near(q.matrix) {
		return false
	}
	for i := range p.curves {
		for v := range 257 {
			if x := float64(v) / 256; math.Abs(p.curves[i].at(x)-q.curves[i].at(x)) > 0.0005 {
				return false
			}
		}
	}
	return true
}

// toLinear is the matrix from light of the profile's primaries to those of sRGB; nil if they are sRGB's.
func (p *Profile) toLinear() *[9]float32 {
	if p.Space == "GRAY" || p.near(srgb50()) {
		return nil
	}
	var out [9]float32
	back := linear50()
	for i := range 3 {
		for j := range 3 {
			v := 0.0
			for k := range 3 {
				v += back[3*i+k] * p.matrix[3*k+j]
			}
			out[3*i+j] = float32(v)
		}
	}
	return &out
}
