package psd

import (
	"bytes"
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
)

// TestGraftIsTheOtherSave: two documents of which a layer was painted on, and saved by the application: that layer of
// one in the other is the other, byte for byte, merged image and all.
func TestGraftIsTheOtherSave(t *testing.T) {
	base := formattest.Sample(t, "psd/generated-krita/base.psd")
	stripe := formattest.Sample(t, "psd/generated-krita/hull-stripe.psd")
	for _, c := range [][2][]byte{{base, stripe}, {stripe, base}} {
		g := graft(t, c[0], c[1], "#2")
		if !bytes.Equal(formattest.All(t, g.Content), c[1]) || len(g.Stale) > 0 || !slices.Equal(g.Changed, []string{"#2"}) {
			t.Errorf("it is not: %v", g)
		}
	}
}

// TestMergedAnew: rows of the merged image in which something changed are what the layers look like now; others stay.
func TestMergedAnew(t *testing.T) {
	for _, c := range []struct {
		big, packed, negated bool
		depth                int
	}{{false, false, false, 8}, {false, true, true, 8}, {true, true, false, 8}, {true, true, true, 16}, {false, false, true, 16}} {
		under, over := square(1, "under", 2, 20, .2, .4, .6), square(2, "over", 8, 10, 1, .5, 0)
		over.opacity, over.noise = 128, true
		m := rgbDocument(under, over)
		m.big, m.packedMerged, m.negated, m.depth = c.big, c.packed, c.negated, c.depth
		m.resources = []madeBlock{{"\x04\x21", []byte{0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}
		from := m.file()
		m.layers = m.layers[:1]
		g := graft(t, m.file(), from, "2")
		if len(g.Stale) > 0 {
			t.Fatalf("%+v: stale: %v", c, g.Stale)
		}
		d, err := parse(t.Context(), g.Content)
		if err != nil {
			t.Fatal(err)
		}
		if d.layers.negated != c.negated {
			t.Errorf("%+v: the sign of the number of layers is another", c)
		}
		merged, err := d.mergedImage(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		drawn, _, err := d.composite(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		band := image.Rect(0, 8, 32, 18)
		if most := cropped(t, merged, drawn, band); most > 1.5 {
			t.Errorf("%+v: %v apart", c, most)
		}
		white, _ := raster.New(32, 32, raster.RGB, false, raster.U8)
		for i := range white.U8 {
			white.U8[i] = 255
		}
		for _, rest := range []image.Rectangle{image.Rect(0, 0, 32, 8), image.Rect(0, 18, 32, 32)} {
			if most := cropped(t, merged, white, rest); most > 0 {
				t.Errorf("%+v: rows in which nothing changed are others", c)
			}
		}
	}
}

// cropped is the distance of two pictures in a rectangle.
func cropped(t *testing.T, a, b *raster.Image, r image.Rectangle) float64 {
	t.Helper()
	x, err := a.Crop(r)
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Crop(r)
	if err != nil {
		t.Fatal(err)
	}
	most, _ := distance(x, y)
	return most
}

// TestMergedDisowned: where the stack has what is not drawn as Photoshop does, the document says that its merged image
// is not real, and the picture is made of the layers.
func TestMergedDisowned(t *testing.T) {
	a, b := square(1, "a", 0, 20, 1, 0, 0), square(2, "b", 4, 9, 0, 1, 0)
	a.blocks = []madeBlock{{"lfx2", make([]byte, 8)}}
	for _, resources := range [][]madeBlock{nil, {{"\x04\x0c", make([]byte, 30)}, {"\x04\x21", []byte{0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}} {
		m := rgbDocument(a, b)
		m.resources = resources
		from := m.file()
		m.layers = m.layers[:1]
		g := graft(t, m.file(), from, "2")
		if !slices.Equal(g.Stale, []string{"composite"}) {
			t.Errorf("stale: %v", g.Stale)
		}
		d, err := parse(t.Context(), g.Content)
		if err != nil {
			t.Fatal(err)
		}
		if real, err := d.hasMerged(); real || err != nil || d.resource(1036) != nil {
			t.Errorf("merged %t, preview %v, %v", real, d.resource(1036), err)
		}
		p, err := format.Show(t.Context(), Format{}, g.Content, 32)
		if err != nil || p.Source != format.Composited || p.Note != "without effects" {
			t.Fatalf("%+v, %v", p, err)
		}
		if got := p.Image.ToNRGBA8().NRGBAAt(6, 6); got.G != 255 || got.R != 0 {
			t.Errorf("what was grafted is not seen: %v", got)
		}
	}
}

// TestByPlace: resources that speak of layers by their place in the stack speak of the same layers.
func TestByPlace(t *testing.T) {
	l := func(id int) madeLayer { return square(id, fmt.Sprint(id), id, 5, 0, 0, float64(id)/9) }
	m := rgbDocument(l(1), l(3), l(4))
	m.resources = []madeBlock{{"\x04\x00", []byte{0, 1}}, {"\x04\x02", []byte{0, 5, 0, 6, 0, 7}}, {"\x04\x30", []byte{1, 0, 1}}}
	into := m.file()
	g := graft(t, into, rgbDocument(l(1), l(2), l(3)).file(), "2")
	d, err := parse(t.Context(), g.Content)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int][]byte{1024: {0, 2}, 1026: {0, 5, 0, 0, 0, 6, 0, 7}, 1072: {1, 1, 0, 1}} {
		got, err := d.load(d.resource(id).data, 100)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("resource %d: %v, want %v, %v", id, got, want, err)
		}
	}
	if got := tree(t, formattest.All(t, g.Content)); !strings.HasPrefix(got, "44 33 22") {
		t.Error(got)
	}
}

// TestPatterns: a pattern that a layer fills with goes along, once.
func TestPatterns(t *testing.T) {
	pattern := func(id string) []byte {
		b := be(be(be(nil, 4, 1), 4, 3), 4, 0)
		b = append(b, unicodeBytes("dots")...)
		b = append(append(b, byte(len(id))), id...)
		out := append(be(nil, 4, int64(len(b))), b...)
		return append(out, make([]byte, -len(b)&3)...)
	}
	a, b := square(1, "a", 0, 9, 1, 0, 0), square(2, "b", 0, 9, 1, 1, 0)
	b.blocks = []madeBlock{{"PtFl", append(be(nil, 4, 16), unicodeBytes("id-of-one")...)}}
	old := rgbDocument(a, b)
	old.blocks = []madeBlock{{"Patt", slices.Concat(pattern("id-of-two"), pattern("id-of-one"))}}
	for name, blocks := range map[string][]madeBlock{"no patterns": nil, "another": {{"Patt", pattern("id-of-3")}}, "the same": {{"Patt", pattern("id-of-one")}}} {
		now := rgbDocument(a)
		now.blocks = blocks
		g := graft(t, now.file(), old.file(), "2")
		d, err := parse(t.Context(), g.Content)
		if err != nil {
			t.Fatal(err)
		}
		list, err := d.patterns()
		n := 0
		for _, p := range list {
			n += b2i(p.id == "id-of-one")
		}
		if err != nil || n != 1 || len(list) > 2 || name == "another" && len(list) != 2 {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
}

// TestTextIndex: the index of all text does not stay where text was put in that it does not have.
func TestTextIndex(t *testing.T) {
	a, b := square(1, "a", 0, 9, 1, 0, 0), square(2, "b", 0, 9, 1, 1, 0)
	b.blocks = []madeBlock{{"TySh", make([]byte, 60)}}
	now, old := rgbDocument(a), rgbDocument(a, b)
	now.blocks = []madeBlock{{"Txt2", []byte("index")}, {"cinf", []byte("more")}}
	for index, want := range map[string]bool{"other": false, "index": true} {
		old.blocks = []madeBlock{{"Txt2", []byte(index)}}
		g := graft(t, now.file(), old.file(), "2")
		if got := bytes.Contains(formattest.All(t, g.Content), []byte("8BIMTxt2")); got != want {
			t.Errorf("%s: %t", index, got)
		}
		if !bytes.Contains(formattest.All(t, g.Content), []byte("more")) {
			t.Error("another block is gone")
		}
	}
	now.layers, old.layers = []madeLayer{a}, []madeLayer{a, square(3, "c", 0, 9, 1, 1, 0)}
	if g := graft(t, now.file(), old.file(), "3"); !bytes.Contains(formattest.All(t, g.Content), []byte("8BIMTxt2")) {
		t.Error("the index is gone, and no text came in")
	}
}

// TestOtherDocument: layers of a document that comes from elsewhere replace nothing.
func TestOtherDocument(t *testing.T) {
	xmp := func(id string) []madeBlock {
		return []madeBlock{{"\x04\x24", []byte(`<x xmpMM:OriginalDocumentID="` + id + `"/>`)}}
	}
	now, old := rgbDocument(square(1, "a", 0, 9, 1, 0, 0)), rgbDocument(square(1, "a", 0, 5, 0, 0, 0))
	for _, c := range []struct{ a, b, want string }{{"x", "x", "1a"}, {"x", "y", "2a 1a"}} {
		now.resources, old.resources = xmp(c.a), xmp(c.b)
		if got := tree(t, formattest.All(t, graft(t, now.file(), old.file(), "1").Content)); got != c.want {
			t.Errorf("%s and %s: %s, want %s", c.a, c.b, got, c.want)
		}
	}
	now.resources = []madeBlock{{"\x04\x24", []byte("<xmpMM:OriginalDocumentID>z</xmpMM:OriginalDocumentID>")}}
	if got := tree(t, formattest.All(t, graft(t, now.file(), old.file(), "1").Content)); got != "2a 1a" {
		t.Error(got)
	}
}
