package raster

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestDeltaE2000: the 34 pairs that Sharma, Wu and Dalal published with their values.
func TestDeltaE2000(t *testing.T) {
	for i, c := range [][7]float64{
		{50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425},
		{50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615},
		{50, 2.8361, -74.0200, 50, 0, -82.7485, 3.4412},
		{50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0000},
		{50, -1.1848, -84.8006, 50, 0, -82.7485, 1.0000},
		{50, -0.9009, -85.5211, 50, 0, -82.7485, 1.0000},
		{50, 0, 0, 50, -1, 2, 2.3669},
		{50, -1, 2, 50, 0, 0, 2.3669},
		{50, 2.4900, -0.0010, 50, -2.4900, 0.0009, 7.1792},
		{50, 2.4900, -0.0010, 50, -2.4900, 0.0010, 7.1792},
		{50, 2.4900, -0.0010, 50, -2.4900, 0.0011, 7.2195},
		{50, 2.4900, -0.0010, 50, -2.4900, 0.0012, 7.2195},
		{50, -0.0010, 2.4900, 50, 0.0009, -2.4900, 4.8045},
		{50, -0.0010, 2.4900, 50, 0.0010, -2.4900, 4.8045},
		{50, -0.0010, 2.4900, 50, 0.0011, -2.4900, 4.7461},
		{50, 2.5, 0, 50, 0, -2.5, 4.3065},
		{50, 2.5, 0, 73, 25, -18, 27.1492},
		{50, 2.5, 0, 61, -5, 29, 22.8977},
		{50, 2.5, 0, 56, -27, -3, 31.9030},
		{50, 2.5, 0, 58, 24, 15, 19.4535},
		{50, 2.5, 0, 50, 3.1736, 0.5854, 1.0000},
		{50, 2.5, 0, 50, 3.2972, 0, 1.0000},
		{50, 2.5, 0, 50, 1.8634, 0.5757, 1.0000},
		{50, 2.5, 0, 50, 3.2592, 0.3350, 1.0000},
		{60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644},
		{63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630},
		{61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731},
		{35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645},
		{22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373},
		{36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146},
		{90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441},
		{90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381},
		{6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377},
		{2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082},
	} {
		if got := DeltaE2000(c[0], c[1], c[2], c[3], c[4], c[5]); math.Abs(got-c[6]) > 0.00005 {
			t.Errorf("pair %d: %.5f, want %.4f", i+1, got, c[6])
		}
		if got := DeltaE2000(c[3], c[4], c[5], c[0], c[1], c[2]); math.Abs(got-c[6]) > 0.00005 {
			t.Errorf("pair %d turned: %.5f, want %.4f", i+1, got, c[6])
		}
	}
}

// TestDeltaE2000Angles: the way without angles gives what the formula with its angles, as published, does.
func TestDeltaE2000Angles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		v := func() float64 { return r.Float64()*200 - 100 }
		L1, a1, b1, L2, a2, b2 := r.Float64()*100, v(), v(), r.Float64()*100, v(), v()
		if got, want := DeltaE2000(L1, a1, b1, L2, a2, b2), published2000(L1, a1, b1, L2, a2, b2); math.Abs(got-want) > 1e-6 {
			t.Fatalf("%g %g %g, %g %g %g: %g, want %g", L1, a1, b1, L2, a2, b2, got, want)
		}
	}
}

func published2000(L1, a1, b1, L2, a2, b2 float64) float64 {
	rad := math.Pi / 180
	cm := (math.Hypot(a1, b1) + math.Hypot(a2, b2)) / 2
	g := 0.5 * (1 - math.Sqrt(math.Pow(cm, 7)/(math.Pow(cm, 7)+math.Pow(25, 7))))
	a1, a2 = a1*(1+g), a2*(1+g)
	c1, c2 := math.Hypot(a1, b1), math.Hypot(a2, b2)
	hue := func(a, b float64) float64 { return math.Mod(math.Atan2(b, a)/rad+360, 360) }
	h1, h2 := hue(a1, b1), hue(a2, b2)
	dh := h2 - h1
	if dh > 180 {
		dh -= 360
	} else if dh < -180 {
		dh += 360
	}
	hm := (h1 + h2) / 2
	if math.Abs(h1-h2) > 180 {
		if h1+h2 < 360 {
			hm += 180
		} else {
			hm -= 180
		}
	}
	dL, dC, dH := L2-L1, c2-c1, 2*math.Sqrt(c1*c2)*math.Sin(dh/2*rad)
	Lm, Cm := (L1+L2)/2, (c1+c2)/2
	T := 1 - 0.17*math.Cos((hm-30)*rad) + 0.24*math.Cos(2*hm*rad) + 0.32*math.Cos((3*hm+6)*rad) - 0.20*math.Cos((4*hm-63)*rad)
	turn := 30 * math.Exp(-math.Pow((hm-275)/25, 2))
	rc := 2 * math.Sqrt(math.Pow(Cm, 7)/(math.Pow(Cm, 7)+math.Pow(25, 7)))
	sl := 1 + 0.015*math.Pow(Lm-50, 2)/math.Sqrt(20+math.Pow(Lm-50, 2))
	sc, sh := 1+0.045*Cm, 1+0.015*Cm*T
	return math.Sqrt(math.Pow(dL/sl, 2) + math.Pow(dC/sc, 2) + math.Pow(dH/sh, 2) - math.Sin(2*turn*rad)*rc*dC/sc*dH/sh)
}

func BenchmarkDeltaE2000(b *testing.B) {
	for b.Loop() {
		DeltaE2000(22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619)
	}
}
