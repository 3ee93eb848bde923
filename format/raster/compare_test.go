package raster

import (
	"encoding/json"
	"fmt"
	"image"
	"math"
	"testing"
)

func compare(t testing.TB, a, b *Image, o Options) *Comparison {
	t.Helper()
	c, err := Compare(t.Context(), a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCompareTruth: real edits with counts, boxes and PSNR as another program measured them.
func TestCompareTruth(t *testing.T) {
	var truth struct {
		Edits map[string]struct {
			Changed int `json:"changed_pixels"`
			Box     []int
			PSNR    float64
			Crop    *struct{ X, Y, W, H int }
		} `json:"edits of base.png (changed pixels = ImageMagick AE)"`
	}
	const dir = "raster/generated-imagemagick/"
	if err := json.Unmarshal(sample(t, dir+"TRUTH.json"), &truth); err != nil {
		t.Fatal(err)
	}
	base := samplePNG(t, dir+"base.png")
	for name, want := range truth.Edits {
		c := compare(t, base, samplePNG(t, dir+name), Options{Gap: -1, Gaussian: true})
		if want.Crop != nil {
			if c.Alignment.Kind != AlignedOffset || c.Alignment.DX != -want.Crop.X || c.Alignment.DY != -want.Crop.Y || c.Changed != 0 || c.Verdict != SizeChanged ||
				c.OutsideOld != base.Width*base.Height-want.Crop.W*want.Crop.H || c.OutsideNew != 0 {
				t.Errorf("%s: %+v, %d changed, %d outside", name, c.Alignment, c.Changed, c.OutsideOld)
			}
			continue
		}
		if c.Changed != want.Changed || math.Abs(c.PSNR-want.PSNR) > 0.0001 || c.Alignment.Kind != AlignedSame || c.Verdict != Changed {
			t.Errorf("%s: %d changed, PSNR %.4f, %+v; want %+v", name, c.Changed, c.PSNR, c.Alignment, want)
		}
		if len(want.Box) == 4 {
			var all image.Rectangle
			n := 0
			for _, r := range c.Regions {
				all = all.Union(r.Box)
				n += r.Pixels
			}
			if all != image.Rect(want.Box[0], want.Box[1], want.Box[2], want.Box[3]) || n != want.Changed {
				t.Errorf("%s: regions %v of %d", name, c.Regions, n)
			}
		}
		if !(c.SSIM < 1 && c.SSIM > 0.5) || !(c.SSIMGaussian < 1) || c.Flip.Mean <= 0 || c.Delta.Max <= 0 || c.Flip.Sampled || c.Delta.Sampled {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if len(truth.Edits) < 5 {
		t.Errorf("%d edits", len(truth.Edits))
	}
}

func BenchmarkCompare4K(b *testing.B) {
	old := photo(3840, 2160)
	for _, share := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprintf("changed=%d%%", share), func(b *testing.B) {
			edited := old.like(old.Width, old.Height)
			copy(edited.U8, old.U8)
			// A block in the middle, graded.
			side := math.Sqrt(float64(share) / 100)
			w, h := int(3840*side), int(2160*side)
			for y := (2160 - h) / 2; y < (2160+h)/2; y++ {
				row := edited.RowU8(y)[(3840-w)/2*4 : (3840+w)/2*4]
				for i := range row {
					if i%4 != 3 {
						row[i] = 10 + row[i]/2
					}
				}
			}
			b.ResetTimer()
			for b.Loop() {
				compare(b, old, edited, Options{})
			}
		})
	}
}

// photo returns a picture that is smooth with grain, opaque, RGB with alpha.
func photo(w, h int) *Image {
	p := noise(w, h, RGB, true, U8, 5)
	for y := range h {
		row := p.RowU8(y)
		for x := range w {
			for c := range 3 {
				v := 128 + 90*math.Sin(float64(x)/97+float64(c))*math.Cos(float64(y)/71-float64(c)) + float64(row[4*x+c]%16)
				row[4*x+c] = uint8(v)
			}
			row[4*x+3] = 255
		}
	}
	return p
}
