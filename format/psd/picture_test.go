package psd

import (
	"bytes"
	"image/png"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
)

// expected are the pictures that samples are known to look like.
func expected(t testing.TB) map[string]string {
	out := map[string]string{}
	for name := range formattest.Files(t, "psd", ".psd", ".psb") {
		if strings.HasPrefix(name, "ag-psd/read/") {
			out[name] = strings.TrimSuffix(strings.TrimSuffix(name, "src.psd"), "src.psb") + "canvas.png"
		}
		switch base := strings.TrimSuffix(name, ".psd"); base {
		case "psd-tools/adjustments/curves_grayscale", "psd-tools/adjustments/levels_grayscale", "psd-tools/adjustments/adjustment_clipping",
			"psd-tools/adjustments/adjustment_nested_composition_4", "psd-tools/adjustments/adjustment_nested_composition_5":
			out[name] = base + ".png"
		case "psd-tools/group-clipping/group-clipping":
			out[name] = base + "-photoshop.png"
		}
	}
	return out
}

func readPNG(t testing.TB, b []byte) *raster.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	p, err := raster.FromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// apart is the largest and the mean distance of two pictures as they are shown over white, of 255.
func apart(a, b *raster.Image) (most, mean float64) {
	if a.Width != b.Width || a.Height != b.Height {
		return 999, 999
	}
	x, y := a.ToNRGBA8(), b.ToNRGBA8()
	for i := 0; i < len(x.Pix); i += 4 {
		for c := range 3 {
			p := 255 + (float64(x.Pix[i+c])-255)*float64(x.Pix[i+3])/255
			q := 255 + (float64(y.Pix[i+c])-255)*float64(y.Pix[i+3])/255
			most = max(most, math.Abs(p-q))
			mean += math.Abs(p - q)
		}
	}
	return most, mean / float64(len(x.Pix)/4*3)
}

func TestDecodeTruth(t *testing.T) {
	want := expected(t)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		in := format.Bytes(formattest.Sample(t, "psd/"+name))
		m, err := format.Decode(t.Context(), Format{}, in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d, _ := parse(t.Context(), in)
		truth := readPNG(t, formattest.Sample(t, "psd/"+want[name]))
		most, mean := apart(m, truth)
		c, note, err := d.composite(t.Context(), 1)
		if err != nil {
			t.Logf("%s: %v %.3f; %v", name, most, mean, err)
			continue
		}
		most2, mean2 := apart(c, truth)
		t.Logf("%s: %v %.3f; composite %v %.3f %s", name, most, mean, most2, mean2, note)
	}
}

// TestCompositeTruth compares what layers look like with the merged image that the application wrote.
func TestCompositeTruth(t *testing.T) {
	for name, b := range samples(t) {
		d, err := parse(t.Context(), format.Bytes(b))
		if err != nil || len(d.layers.list) == 0 {
			continue
		}
		if real, _ := d.hasMerged(); !real {
			continue
		}
		m, err := d.mergedImage(t.Context(), 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, note, err := d.composite(t.Context(), 1)
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		most, mean := apart(m, c)
		t.Logf("%v %.3f %s %s", most, mean, name, note)
	}
}
