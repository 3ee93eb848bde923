package raster

import (
	"testing"
)

// TestVisible: the counts are those that pixelmatch 7.2 publishes for its own pictures.
func TestVisible(t *testing.T) {
	for _, c := range []struct {
		a, b      string
		threshold float64
		want      int
	}{
		{"1a", "1b", 0.05, 143}, {"1a", "1b", 0.1, 106}, {"3a", "3b", 0.05, 212}, {"4a", "4b", 0.05, 36049},
		{"5a", "5b", 0.05, 6}, {"6a", "6b", 0.05, 51}, {"7a", "7b", 0.1, 2448}, {"8a", "5b", 0.05, 32896},
		{"1a", "1a", 0, 0}, {"6a", "6a", 0, 0},
	} {
		a, b := samplePNG(t, "raster/pixelmatch/"+c.a+".png"), samplePNG(t, "raster/pixelmatch/"+c.b+".png")
		a, b, _ = lift(a, b)
		p := pairOf(a, b)
		e, err := p.exact(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.view().visible(t.Context(), e.differ, c.threshold, 1)
		if err != nil || got.Pixels != c.want {
			t.Errorf("%s %s at %g: %+v, want %d, %v", c.a, c.b, c.threshold, got, c.want, err)
		}
	}
}
