package psd

import (
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// described is a layer as another reader of the format describes it.
type described struct {
	ID                       *int
	Name                     string
	Top, Left, Bottom, Right int
	BlendMode                string
	Opacity                  float64
	Clipping, Hidden         bool
	Children                 []described // from the bottom
	Mask                     *struct {
		Top, Left, Bottom, Right, DefaultColor int
		FromVectorData                         bool
	}
	Text *struct{ Text string }
}

// TestDescribed: the list of elements is what another reader says of the samples.
func TestDescribed(t *testing.T) {
	for name, b := range formattest.Files(t, "psd/ag-psd/read", ".psd", ".psb") {
		var d described
		if err := json.Unmarshal(formattest.Sample(t, "psd/ag-psd/read/"+path.Dir(name)+"/data.json"), &d); err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, e := range listed(t, b) {
			if strings.HasPrefix(e.ID, "comp:") || strings.HasSuffix(e.ID, "/vector") {
				continue
			}
			if e.Kind == "mask" {
				got = append(got, fmt.Sprintf("mask of %s %v %s", e.Parent, e.Bounds, e.Properties["outside"]))
				continue
			}
			opacity, _ := strconv.ParseFloat(strings.TrimSuffix(e.Properties["opacity"], "%"), 64)
			got = append(got, fmt.Sprintf("%s in %q: %q %v %s %.0f %s %s %q", e.ID, e.Parent, e.Name, e.Bounds, e.Properties["blend"], opacity,
				e.Properties["visible"], e.Properties["clipping"], e.Properties["text"]))
		}
		describe(&want, "", d.Children)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

func describe(out *[]string, parent string, list []described) {
	for _, l := range slices.Backward(list) {
		id := strconv.Itoa(*l.ID)
		bounds := []float64{float64(l.Left), float64(l.Top), float64(l.Right), float64(l.Bottom)}
		if l.Right <= l.Left || l.Bottom <= l.Top {
			bounds = nil
		}
		clipping, text := "", ""
		if l.Clipping {
			clipping = "true"
		}
		if l.Text != nil {
			text = l.Text.Text
		}
		*out = append(*out, fmt.Sprintf("%s in %q: %q %v %s %.0f %t %s %q", id, parent, l.Name, bounds, l.BlendMode, math.Round(l.Opacity*100), !l.Hidden, clipping, text))
		if m := l.Mask; m != nil && !m.FromVectorData { // that is a path
			bounds := []float64{float64(m.Left), float64(m.Top), float64(m.Right), float64(m.Bottom)}
			if m.Right <= m.Left {
				bounds = nil
			}
			*out = append(*out, fmt.Sprintf("mask of %s %v %d", id, bounds, m.DefaultColor))
		}
		describe(out, id, l.Children)
	}
}

// TestExtractTruth: what is extracted is what another reader shows.
func TestExtractTruth(t *testing.T) {
	compared := 0
	for name, b := range formattest.Files(t, "psd/ag-psd/read", ".psd", ".psb") {
		dir := "psd/ag-psd/read/" + path.Dir(name)
		pictures := formattest.Files(t, dir, ".png")
		n := 0
		for _, e := range slices.Backward(listed(t, b)) {
			if e.Kind == "group" || strings.Contains(e.ID, ":") || strings.Contains(e.ID, "/") {
				continue
			}
			for _, k := range []struct{ id, file string }{{e.ID, fmt.Sprintf("layer-%d.png", n)}, {e.ID + "/mask", fmt.Sprintf("layer-%d-mask.png", n)}} {
				want, ok := pictures[k.file]
				if !ok {
					continue
				}
				x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), k.id)
				if err != nil {
					t.Errorf("%s %s: %v", name, k.id, err)
					continue
				}
				if x.Extension != ".png" {
					t.Errorf("%s %s: a %s", name, k.id, x.Extension)
					continue
				}
				got, truth := readPNG(t, formattest.All(t, x.Content)), readPNG(t, want)
				got.Profile, truth.Profile = nil, nil
				if most, mean := distance(got, truth); most > 2 { // canvases multiply by alpha
					t.Errorf("%s %s is not %s: %v, %v", name, k.id, k.file, most, mean)
				}
				compared++
			}
			n++
		}
	}
	if compared < 15 {
		t.Errorf("only %d were compared", compared)
	}
}

// TestPreviewTruth: the embedded preview is what another reader shows.
func TestPreviewTruth(t *testing.T) {
	for name, b := range formattest.Files(t, "psd/ag-psd/read", ".psd", ".psb") {
		want, ok := formattest.Files(t, "psd/ag-psd/read/"+path.Dir(name), ".png")["thumb.png"]
		if !ok {
			continue
		}
		truth := readPNG(t, want)
		p, err := format.Show(t.Context(), Format{}, format.Bytes(b), max(truth.Width, truth.Height))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Source != format.Embedded {
			t.Errorf("%s: %s", name, p.Source)
		}
		got := *p.Image
		got.Profile, truth.Profile = nil, nil
		if most, mean := distance(&got, truth); mean > 4 { // decoders of JPEG smooth colours in different ways
			t.Errorf("%s: %v, %v", name, most, mean)
		}
	}
}
