package creative

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	stdpng "image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"varve/format/png"
	"varve/format/raster"
)

// pngOf is a picture as a file.
func pngOf(t *testing.T, w, h int, at func(x, y float64) color.Color) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, at(float64(x)/float64(w), float64(y)/float64(h)))
		}
	}
	var b bytes.Buffer
	if err := stdpng.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// blobs is a drawing of some spots.
func blobs(seed uint64) func(x, y float64) color.Color {
	r := rand.New(rand.NewPCG(seed, 1))
	var spots [12][4]float64
	for i := range spots {
		spots[i] = [4]float64{r.Float64(), r.Float64(), 0.05 + 0.2*r.Float64(), 255 * r.Float64()}
	}
	return func(x, y float64) color.Color {
		v := 20.0
		for _, s := range spots {
			if d := (x-s[0])*(x-s[0]) + (y-s[1])*(y-s[1]); d < s[2]*s[2] {
				v = s[3]
			}
		}
		return color.NRGBA{uint8(v), uint8(v / 2), uint8(255 - v), 255}
	}
}

func flat(c color.Color) func(x, y float64) color.Color {
	return func(float64, float64) color.Color { return c }
}

// TestNearDuplicates: a picture at another size is near, one of the same size with something else on it is not; what is
// equal to the last byte is no group of its own.
func TestNearDuplicates(t *testing.T) {
	a := newAtelier(t)
	a.reopen(doc{asked: &a.asked}, png.Format{})
	s := a.snap(map[string]string{
		"tex/wood.png": pngOf(t, 200, 200, blobs(1)), "tex/wood_small.png": pngOf(t, 64, 64, blobs(1)), "old/wood.png": pngOf(t, 200, 200, blobs(1)),
		"tex/stone.png": pngOf(t, 200, 200, blobs(2)), "red.png": pngOf(t, 200, 200, flat(color.NRGBA{R: 255, A: 255})), "blue.png": pngOf(t, 200, 200, flat(color.NRGBA{B: 255, A: 255})),
		"broken.png": "\x89PNG\r\n\x1a\nno more", "a.doc": "DOC; L a Ink i",
	})
	g, err := a.Graph(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	near, err := a.NearDuplicates(t.Context(), s, g)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, group := range near {
		got = append(got, strings.Join(g.paths(group), " "))
	}
	if want := []string{"old/wood.png tex/wood_small.png"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if same := g.Duplicates(); len(same) != 1 || fmt.Sprint(g.paths(same[0])) != "[old/wood.png tex/wood.png]" {
		t.Errorf("%v", same)
	}
}

// TestNearPairs holds the search to looking at all pairs.
func TestNearPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var looks []likeness
	for range 300 {
		l := likeness{raster.Fingerprint{Bits: r.Uint64(), Aspect: 1 + float64(r.IntN(2)), Flat: r.IntN(9) == 0}, r.IntN(9) > 0}
		for range r.IntN(5) {
			looks = append(looks, l)
			for range r.IntN(5) {
				l.Bits ^= 1 << r.IntN(64)
			}
		}
	}
	want, got := map[[2]int]bool{}, map[[2]int]bool{}
	for i := range looks {
		for j := range i {
			if looks[i].Seen && looks[j].Seen && looks[i].Near(looks[j].Fingerprint) {
				want[[2]int{j, i}] = true
			}
		}
	}
	nearPairs(looks, func(i, j int) { got[[2]int{min(i, j), max(i, j)}] = true })
	if len(want) < 200 || len(got) != len(want) {
		t.Errorf("%d pairs, want %d", len(got), len(want))
	}
	for p := range want {
		if !got[p] {
			t.Errorf("%v is not found", p)
		}
	}
}

// TestRelinkByLook: a texture that is gone, of which there is a smaller one under another name, is proposed and not sure.
func TestRelinkByLook(t *testing.T) {
	a := newAtelier(t)
	a.reopen(doc{asked: &a.asked}, png.Format{})
	a.snap(map[string]string{"a.doc": "DOC; R relative tex/wood.png; R relative tex/stone.png", "tex/wood.png": pngOf(t, 200, 200, blobs(1)), "tex/stone.png": pngOf(t, 200, 200, blobs(2))})
	a.write(map[string]string{"tex/wood.png": "", "tex/stone.png": ""})
	s := a.snap(map[string]string{"new/oak.png": pngOf(t, 100, 100, blobs(1)), "new/stone 1.png": pngOf(t, 100, 100, blobs(2)), "new/stone 2.png": pngOf(t, 90, 90, blobs(2))})
	g, err := a.Graph(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.Relinks(t.Context(), s, g)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].New != "new/oak.png" || all[0].By != ByLook || all[0].Sure() {
		t.Errorf("%+v", all)
	}
}
