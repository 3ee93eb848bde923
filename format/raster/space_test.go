package raster

import (
	"math"
	"testing"
)

// TestKnownSpaces: the primaries are those that the chromaticities of the spaces give, adapted to D50 by Bradford.
func TestKnownSpaces(t *testing.T) {
	type xy [2]float64
	d65, d50, aces := xy{0.3127, 0.3290}, xy{0.34567, 0.35850}, xy{0.32168, 0.33767}
	want := map[string][4]xy{
		"sRGB":         {{0.64, 0.33}, {0.30, 0.60}, {0.15, 0.06}, d65},
		"Display P3":   {{0.68, 0.32}, {0.265, 0.69}, {0.15, 0.06}, d65},
		"Adobe RGB":    {{0.64, 0.33}, {0.21, 0.71}, {0.15, 0.06}, d65},
		"ProPhoto RGB": {{0.7347, 0.2653}, {0.1596, 0.8404}, {0.0366, 0.0001}, d50},
		"Rec. 2020":    {{0.708, 0.292}, {0.170, 0.797}, {0.131, 0.046}, d65},
		"ACEScg":       {{0.713, 0.293}, {0.165, 0.830}, {0.128, 0.044}, aces},
	}
	bradford := [9]float64{0.8951, 0.2664, -0.1614, -0.7502, 1.7135, 0.0367, 0.0389, -0.0685, 1.0296}
	for _, s := range knownSpaces() {
		c, ok := want[s.name]
		if !ok {
			t.Fatalf("%s?", s.name)
		}
		delete(want, s.name)
		var m [9]float64
		for i := range 3 {
			m[i], m[3+i], m[6+i] = c[i][0]/c[i][1], 1, (1-c[i][0]-c[i][1])/c[i][1]
		}
		white := [3]float64{c[3][0] / c[3][1], 1, (1 - c[3][0] - c[3][1]) / c[3][1]}
		scale := times(invert(m), white)
		for i := range 9 {
			m[i] *= scale[i%3]
		}
		from, to := times(bradford, white), times(bradford, [3]float64{0.96422, 1, 0.82521})
		var adapt [9]float64
		for i := range 3 {
			adapt[4*i] = to[i] / from[i]
		}
		m = product(product(invert(bradford), product(adapt, bradford)), m)
		for i := range m {
			if math.Abs(m[i]-s.matrix[i]) > 0.0004 {
				t.Errorf("%s %d: %.5f, want %.5f", s.name, i, s.matrix[i], m[i])
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not known: %v", want)
	}
	for i, v := range product(linear50(), srgb50()) {
		one := 0.0
		if i%4 == 0 {
			one = 1
		}
		if math.Abs(v-one) > 1e-5 {
			t.Errorf("back and forth: %d: %g", i, v)
		}
	}
}

func times(m [9]float64, v [3]float64) (out [3]float64) {
	for i := range 3 {
		out[i] = m[3*i]*v[0] + m[3*i+1]*v[1] + m[3*i+2]*v[2]
	}
	return out
}

func product(a, b [9]float64) (out [9]float64) {
	for i := range 9 {
		for k := range 3 {
			out[i] += a[i/3*3+k] * b[3*k+i%3]
		}
	}
	return out
}

func invert(m [9]float64) (out [9]float64) {
	minor := func(i, j int) float64 {
		a, b := (i+1)%3, (i+2)%3
		c, d := (j+1)%3, (j+2)%3
		return m[3*a+c]*m[3*b+d] - m[3*a+d]*m[3*b+c]
	}
	det := m[0]*minor(0, 0) + m[1]*minor(0, 1) + m[2]*minor(0, 2)
	for i := range 3 {
		for j := range 3 {
			out[3*j+i] = minor(i, j) / det
		}
	}
	return out
}
