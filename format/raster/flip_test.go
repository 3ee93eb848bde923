package raster

import (
	"math"
	"testing"
)

func pairOf(a, b *Image) *pair {
	return &pair{a: a, b: b, w: min(a.Width, b.Width), h: min(a.Height, b.Height)}
}

// TestFLIP: the means are those that the authors' own program (version 1.6) gives.
func TestFLIP(t *testing.T) {
	for _, c := range []struct {
		a, b string
		mean float64
	}{
		{"pixelmatch/3a.png", "pixelmatch/3b.png", 0.003328},
		{"generated-imagemagick/base.png", "generated-imagemagick/edit-rectangle.png", 0.024153},
		{"generated-imagemagick/base.png", "generated-imagemagick/edit-hue-region.png", 0.016304},
		{"generated-imagemagick/base.png", "generated-imagemagick/edit-three-pixels.png", 0.000559},
		{"generated-imagemagick/base.png", "generated-imagemagick/edit-copied-patch.png", 0.085986},
		{"pixelmatch/4a.png", "pixelmatch/4b.png", 0.150554},
		{"pixelmatch/1a.png", "pixelmatch/1b.png", 0.009093},
		{"kenney-edits/colormap.v1.png", "kenney-edits/colormap.v2.png", 0.427332},
	} {
		t.Run(c.b, func(t *testing.T) {
			a, b, _ := lift(samplePNG(t, "raster/"+c.a), samplePNG(t, "raster/"+c.b))
			p := pairOf(a, b)
			e, err := p.exact(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.view().flip(t.Context(), e.differ, 1, 0)
			if err != nil || math.Abs(got.Mean-c.mean) > 0.00002 {
				t.Errorf("%.6f, want %.6f, %v", got.Mean, c.mean, err)
			}
		})
	}
}
