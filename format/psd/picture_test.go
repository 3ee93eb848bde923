package psd

import (
	"bytes"
	"errors"
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

// distance is the largest and the mean distance of two pictures as they are shown over white, of 255.
func distance(a, b *raster.Image) (most, mean float64) {
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

// TestDecodeTruth: the merged image is what another reader shows.
func TestDecodeTruth(t *testing.T) {
	want := expected(t)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		m, err := format.Decode(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "psd/"+name)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		truth := readPNG(t, formattest.Sample(t, "psd/"+want[name]))
		if strings.HasPrefix(name, "ag-psd") { // which shows numbers, not colours
			m.Profile, truth.Profile = nil, nil
		}
		if most, mean := distance(m, truth); most > 2 {
			t.Errorf("%s: %v, %v", name, most, mean)
		}
	}
}

// TestCompositeTruth: what layers look like together is the merged image that the application wrote, where nothing says
// that something is left out; and it is exact where a graft relies on that.
func TestCompositeTruth(t *testing.T) {
	for set, atLeast := range map[string][2]int{"generated-krita": {2, 2}, "psd-tools": {50, 36}, "psd-tools-edits": {3, 3}, "ag-psd": {10, 8}} {
		t.Run(set, func(t *testing.T) {
			compared, exact := composited(t, formattest.Files(t, "psd/"+set, ".psd", ".psb"))
			if compared < atLeast[0] || exact < atLeast[1] {
				t.Errorf("only %d were compared, of which %d exact", compared, exact)
			}
		})
	}
}

func composited(t *testing.T, files map[string][]byte) (compared, exact int) {
	t.Helper()
	for name, b := range files {
		d, err := parse(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		if real, _ := d.hasMerged(); !real || len(d.layers.list) == 0 {
			continue
		}
		m, err := d.mergedImage(t.Context(), 1)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, note, err := d.composite(t.Context(), 1)
		if errors.Is(err, format.ErrUnsupported) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		most, mean := distance(m, c)
		limit := 2.0
		switch {
		case d.exact():
			exact++
		case note != "":
			continue
		case strings.Contains(name, "text-layer"): // edges of text are blended by another curve
			limit = 40
		case strings.Contains(name, "fill-opacity"): // a layer whose transparency does not shape it
			limit = 25
		}
		compared++
		if most > limit {
			t.Errorf("%s: %v, %v", name, most, mean)
		}
	}
	return compared, exact
}
