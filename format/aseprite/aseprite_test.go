package aseprite

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
)

func samples(t testing.TB) map[string][]byte { return formattest.Files(t, "aseprite", ".aseprite") }

func TestContract(t *testing.T) { formattest.Run(t, Format{}, samples(t)) }

func elements(t testing.TB, b []byte) []format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// compare says in what a picture differs from a PNG. What is transparent has no colour.
func compare(t testing.TB, got *raster.Image, shown []byte) string {
	t.Helper()
	want, err := png.Decode(bytes.NewReader(shown))
	if err != nil {
		t.Fatal(err)
	}
	if b := want.Bounds(); b.Dx() != got.Width || b.Dy() != got.Height {
		return fmt.Sprintf("%d×%d, want %v", got.Width, got.Height, b)
	}
	wrong, first := 0, ""
	for y := range got.Height {
		for x := range got.Width {
			w := color.NRGBAModel.Convert(want.At(x, y)).(color.NRGBA)
			n := got.Channels()
			p := got.U8[(y*got.Width+x)*n:][:n]
			g := color.NRGBA{p[0], p[0], p[0], p[n-1]}
			if n == 4 {
				g.G, g.B = p[1], p[2]
			}
			if g != w && (g.A > 0 || w.A > 0) {
				wrong++
				first = fmt.Sprintf("at %d,%d %v, want %v", x, y, g, w)
			}
		}
	}
	if wrong > 0 {
		return fmt.Sprintf("%d pixels, %s", wrong, first)
	}
	return ""
}

// TestRenderings: what Aseprite exported of each file.
func TestRenderings(t *testing.T) {
	files := formattest.Files(t, "aseprite/asefile", ".aseprite", ".png")
	for _, c := range []struct{ doc, shown, id string }{
		{"256_color_old_palette_chunk", "256_color_old_palette_chunk", ""},
		{"background", "background", ""},
		{"basic-16x16", "basic-16x16", ""},
		{"big", "big", ""},
		{"blend_multiply", "blend_multiply", ""},
		{"blend_saturation_bug", "blend_saturation_bug", ""},
		{"grayscale", "grayscale", ""},
		{"indexed", "indexed_01", ""},
		{"layers_and_tags", "layers_and_tags_01", ""},
		{"layers_and_tags", "layers_and_tags_02", "frame:2"},
		{"layers_and_tags", "layers_and_tags_03", "frame:3"},
		{"layers_and_tags", "layers_and_tags_04", "frame:4"},
		{"tilemap", "tilemap", ""},
		{"tilemap_grayscale", "tilemap_grayscale", ""},
		{"tilemap_indexed", "tilemap_indexed", ""},
		{"tileset", "tileset", "tileset:0"},
		{"transparency", "transparency_01", ""},
		{"transparency", "transparency_02", "frame:2"},
	} {
		doc, shown := files[c.doc+".aseprite"], files[c.shown+".png"]
		if doc == nil || shown == nil {
			t.Fatal(c)
		}
		s, err := open(t.Context(), format.Bytes(doc), 0)
		if err != nil {
			t.Fatal(err)
		}
		var img *raster.Image
		if c.id == "" {
			img, err = format.Decode(t.Context(), Format{}, format.Bytes(doc))
		} else {
			img, err = s.shown(t.Context(), c.id)
		}
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		if d := compare(t, img, shown); d != "" {
			t.Errorf("%v: %s", c, d)
		}
	}
}

// TestChains: from each version of a file to each other, all that one has is put into the other, and is there.
func TestChains(t *testing.T) {
	files := formattest.Files(t, "aseprite/asefile-edits", ".aseprite")
	for name, a := range files {
		for other, b := range files {
			if strings.Split(name, ".")[0] != strings.Split(other, ".")[0] {
				continue
			}
			was := elements(t, a)
			for _, e := range was {
				if e.Parent != "" || e.Kind == "frame" {
					continue
				}
				ids := []string{e.ID}
				g, err := format.Graft(t.Context(), Format{}, format.Bytes(b), format.Bytes(a), ids)
				var refusal *format.Refusal
				if errors.As(err, &refusal) {
					t.Logf("%s of %s into %s: %v", e.ID, name, other, err)
					continue
				}
				if err != nil {
					t.Errorf("%s of %s into %s: %v", e.ID, name, other, err)
					continue
				}
				out := formattest.All(t, g.Content)
				if err := format.Validate(t.Context(), Format{}, format.Bytes(out)); err != nil {
					t.Errorf("%s of %s into %s: %v", e.ID, name, other, err)
				}
				got := elements(t, out)
				for _, x := range was {
					if x.ID == e.ID || x.Parent == e.ID {
						i := slices.IndexFunc(got, func(y format.Element) bool { return y.ID == x.ID })
						if i < 0 || got[i].Hash() != x.Hash() {
							t.Errorf("%s of %s into %s is not there: %v", x.ID, name, other, g.Notes)
						}
					}
				}
				for _, x := range elements(t, b) {
					i := slices.IndexFunc(got, func(y format.Element) bool { return y.ID == x.ID })
					if mine := x.ID == e.ID || x.Parent == e.ID; !mine && (i < 0 || got[i].Hash() != x.Hash()) {
						t.Errorf("%s of %s into %s changes %s", e.ID, name, other, x.ID)
					}
				}
			}
		}
	}
}
