package raster

import (
	"math"
	"sync"
)

// fromSRGB turns an encoded value of sRGB, 0 to 1, to linear light. Beyond 0 and 1 it goes on, mirrored below 0.
func fromSRGB(v float64) float64 {
	switch {
	case v < 0:
		return -fromSRGB(-v)
	case v <= 0.04045:
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// toSRGB is the inverse of fromSRGB.
func toSRGB(v float64) float64 {
	switch {
	case v < 0:
		return -toSRGB(-v)
	case v <= 0.0031308:
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// Tables of sRGB, made once: linear light by samples, and encoded bytes by linear light in steps of 1/65535, of which
// the darkest byte has twenty.
var (
	light8  = sync.OnceValue(func() []float32 { return tabulate(256, fromSRGB) })
	light16 = sync.OnceValue(func() []float32 { return tabulate(65536, fromSRGB) })
	plain8  = sync.OnceValue(func() []float32 { return tabulate(256, same) })
	plain16 = sync.OnceValue(func() []float32 { return tabulate(65536, same) })
	bytes16 = sync.OnceValue(func() []uint8 {
		t := make([]uint8, 65536)
		for i := range t {
			t[i] = uint8(toSRGB(float64(i)/65535)*255 + 0.5)
		}
		return t
	})
)

func same(v float64) float64 { return v }

// tabulate returns f at n places from 0 to 1.
func tabulate(n int, f func(float64) float64) []float32 {
	t := make([]float32, n)
	for i := range t {
		t[i] = float32(f(float64(i) / float64(n-1)))
	}
	return t
}

// index16 is the place of v, 0 to 1, in a table of 65536; of what is no number 0.
func index16(v float32) int {
	switch {
	case !(v > 0):
		return 0
	case v >= 1:
		return 65535
	}
	return int(v*65535 + 0.5)
}

// round8 returns v, 0 to 1, as a sample of 8 bits; round16 of 16 bits.
func round8(v float64) uint8 {
	switch {
	case !(v > 0):
		return 0
	case v >= 1:
		return 255
	}
	return uint8(v*255 + 0.5)
}

func round16(v float64) uint16 {
	switch {
	case !(v > 0):
		return 0
	case v >= 1:
		return 65535
	}
	return uint16(v*65535 + 0.5)
}
