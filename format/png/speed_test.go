package png

import (
	"bytes"
	"image"
	"image/color"
	stdpng "image/png"
	"math"
	"math/rand/v2"
	"testing"

	"varve/format"
)

// painting is a picture of 4K with gradients, edges and noise, as PNG of the standard library.
func painting(tb testing.TB, wide bool) []byte {
	tb.Helper()
	const width, height = 3840, 2160
	random := rand.New(rand.NewPCG(1, 2))
	deep := image.NewNRGBA64(image.Rect(0, 0, width, height))
	flat := image.NewNRGBA(deep.Rect)
	for y := range height {
		for x := range width {
			v := 32768 + 20000*math.Sin(float64(x)/300)*math.Cos(float64(y)/200)
			n := float64(random.IntN(256))
			c := color.NRGBA64{uint16(v + n), uint16(60000 - v/2 + n), uint16(x*16) ^ uint16(y>>7<<9), 65535}
			deep.SetNRGBA64(x, y, c)
			flat.Set(x, y, c)
		}
	}
	var out bytes.Buffer
	var err error
	if wide {
		err = stdpng.Encode(&out, deep)
	} else {
		err = stdpng.Encode(&out, flat)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func BenchmarkDecode4K(b *testing.B) {
	for _, c := range []struct {
		name string
		wide bool
	}{{"16", true}, {"8", false}} {
		file := painting(b, c.wide)
		b.Run(c.name+"/varve", func(b *testing.B) {
			for b.Loop() {
				if _, err := (Format{}).Decode(b.Context(), format.Bytes(file)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/standard", func(b *testing.B) {
			for b.Loop() {
				if _, err := stdpng.Decode(bytes.NewReader(file)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
