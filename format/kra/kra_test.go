package kra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
	"varve/format/zipfile"
)

func TestSamples(t *testing.T) { formattest.Run(t, Format{}, formattest.Files(t, "kra", ".kra")) }

func elements(t testing.TB, b []byte) []format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func named(t testing.TB, b []byte, name string) *format.Element {
	t.Helper()
	for _, e := range elements(t, b) {
		if e.Name == name {
			return &e
		}
	}
	return nil
}

func sample(t testing.TB, name string) []byte {
	return formattest.Sample(t, "kra/"+name+".kra")
}

// TestSavedAgain: a document that was opened and saved, also by a newer Krita, has changed in nothing.
func TestSavedAgain(t *testing.T) {
	for _, pair := range [][2]string{
		{"krita-data/Manga-JpTemplate", "krita-data/Manga-JpTemplate.saved1"},
		{"krita-data/Manga-JpTemplate.saved1", "krita-data/Manga-JpTemplate.saved2"},
		{"generated-krita/base", "generated-krita/resaved"},
	} {
		t.Run(pair[1], func(t *testing.T) {
			if d := formattest.Differ(elements(t, sample(t, pair[0])), elements(t, sample(t, pair[1]))); d != "" {
				t.Error(d)
			}
		})
	}
}

// differences says, by name in the newer file, in what the elements of two files differ.
func differences(before, after []format.Element) map[string]string {
	out := map[string]string{}
	old := map[string]format.Element{}
	for _, e := range before {
		old[e.Stable] = e
	}
	for _, e := range after {
		o, ok := old[e.Stable]
		delete(old, e.Stable)
		var what []string
		if !ok {
			out[e.Name] = "added"
			continue
		}
		for _, m := range []struct{ a, b map[string]string }{{o.Properties, e.Properties}, {o.Aspects, e.Aspects}} {
			all := maps.Clone(m.a)
			maps.Copy(all, m.b)
			for _, k := range slices.Sorted(maps.Keys(all)) {
				if m.a[k] != m.b[k] {
					what = append(what, k)
				}
			}
		}
		if o.Name != e.Name {
			what = append(what, "name")
		}
		if o.Parent != e.Parent {
			what = append(what, "parent")
		}
		if len(what) > 0 {
			out[e.Name] = strings.Join(what, " ")
		}
	}
	for _, e := range old {
		out[e.Name] = "removed"
	}
	return out
}

// TestEdits: of each edit that Krita made is found what was edited, and nothing else (TRUTH.json).
func TestEdits(t *testing.T) {
	base := elements(t, sample(t, "generated-krita/base"))
	for name, want := range map[string]map[string]string{
		"resaved":       {},
		"hull-stripe":   {"Hull": "pixels"},
		"props":         {"Glow": "blend opacity", "Main Sail": "name"},
		"notes-removed": {"Notes": "removed"},
		"sail-moved":    {"Sail": "x y"},
		"gull-added":    {"Gull": "added"},
	} {
		if got := differences(base, elements(t, sample(t, "generated-krita/"+name))); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	var truth struct {
		Layers []struct {
			Name, Parent, UUID, Blend string
			Opacity, Tiles            int
			Visible                   bool
		} `json:"base layers"`
	}
	if err := json.Unmarshal(formattest.Sample(t, "kra/generated-krita/TRUTH.json"), &truth); err != nil || len(truth.Layers) != len(base) {
		t.Fatalf("%d layers, %v", len(truth.Layers), err)
	}
	d, err := open(t.Context(), format.Bytes(sample(t, "generated-krita/base")))
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range truth.Layers {
		e := base[i]
		if e.Name != w.Name || e.Stable != w.UUID || e.Properties["blend"] != w.Blend || (e.Properties["visible"] == "1") != w.Visible {
			t.Errorf("%+v, want %+v", e, w)
		}
		if n := d.nodes[i]; n.parts[""] != nil {
			if tiles, _, err := d.tiles(t.Context(), n, ""); err != nil || len(tiles.list) != w.Tiles {
				t.Errorf("%s: %d tiles, want %d: %v", w.Name, len(tiles.list), w.Tiles, err)
			}
		}
	}
}

func decoded(t testing.TB, b []byte) *image.NRGBA {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	p, err := raster.FromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	return p.ToNRGBA8()
}

func extracted8(t testing.TB, b []byte, name string) (*image.NRGBA, *format.Element) {
	t.Helper()
	e := named(t, b, name)
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), e.ID)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return decoded(t, formattest.All(t, x.Content)), e
}

// TestExtract: a layer's pixels and place are those that Krita exported to OpenRaster, where a layer is a PNG with x and
// y.
func TestExtract(t *testing.T) {
	b := sample(t, "generated-krita/base")
	z, err := zipfile.Open(format.Bytes(formattest.Sample(t, "ora/generated-krita/base.ora")))
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]struct {
		entry string
		x, y  int
	}{"Notes": {"data/layer4.png", 10, 236}, "Sail": {"data/layer2.png", 120, 61}, "Hull": {"data/layer1.png", 80, 160}, "Sky": {"data/layer0.png", 0, 0}, "Glow": {"data/layer3.png", 240, 30}} {
		want, err := z.Read(t.Context(), z.Find(w.entry), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		exported := decoded(t, want)
		got, e := extracted8(t, b, name)
		if !got.Rect.Eq(exported.Rect) || !bytes.Equal(got.Pix, exported.Pix) {
			t.Errorf("%s: %v, exported %v", name, got.Rect, exported.Rect)
		}
		t.Log(name, e.Bounds, w)
	}
}

// TestPicture: pictures are those that are embedded, and Decode's is that which Krita exports.
func TestPicture(t *testing.T) {
	for _, name := range []string{"base", "hull-stripe"} {
		b := sample(t, "generated-krita/"+name)
		p, err := format.Decode(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		if want := decoded(t, formattest.Sample(t, "kra/generated-krita/"+name+".png")); !bytes.Equal(p.ToNRGBA8().Pix, want.Pix) {
			t.Errorf("%s: not the picture that Krita exports", name)
		}
		for size, width := range map[int]int{256: 256, 64: 256, 600: 320} {
			s, err := format.Show(t.Context(), Format{}, format.Bytes(b), size)
			if err != nil || s.Source != format.Embedded || s.Image.Width != width {
				t.Errorf("picture of %d: %+v, %v", size, s, err)
			}
		}
	}
}

type counted struct {
	format.Input
	reads, bytes int
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.reads, c.bytes = c.reads+1, c.bytes+len(b)
	return c.Input.ReadAt(b, off)
}

// TestPictureReadsLittle: of a document of megabytes some kilobytes are read for its picture.
func TestPictureReadsLittle(t *testing.T) {
	b := sample(t, "krita-data/Anim-Jp-EN")
	c := &counted{Input: format.Bytes(b)}
	if _, err := format.Show(t.Context(), Format{}, c, 256); err != nil {
		t.Fatal(err)
	}
	if c.reads > 12 || c.bytes > 100_000 {
		t.Errorf("%d reads of %d bytes", c.reads, c.bytes)
	}
}

func grafted(t testing.TB, into, from []byte, names ...string) (*format.Grafting, []byte) {
	t.Helper()
	var ids []string
	for _, n := range names {
		ids = append(ids, named(t, from, n).ID)
	}
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), ids)
	if err != nil {
		t.Fatal(err)
	}
	b := formattest.All(t, g.Content)
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
		t.Error(err)
	}
	return g, b
}

// TestGraft: what is put back is as it was, and nothing else is other than it is.
func TestGraft(t *testing.T) {
	for _, c := range []struct {
		into, from string
		names      []string
		want       map[string]string // what differs from the file it is put into
		changed    int
	}{
		{"base", "resaved", []string{"Hull", "Boat", "Sky"}, map[string]string{}, 0},
		{"hull-stripe", "base", []string{"Hull"}, map[string]string{"Hull": "pixels"}, 1},
		{"hull-stripe", "base", []string{"Boat"}, map[string]string{"Hull": "pixels"}, 1},
		{"props", "base", []string{"Glow", "Sail"}, map[string]string{"Glow": "blend opacity", "Sail": "name"}, 2},
		{"notes-removed", "base", []string{"Notes"}, map[string]string{"Notes": "added"}, 1},
		{"sail-moved", "base", []string{"Boat"}, map[string]string{"Sail": "x y"}, 1},
		{"base", "gull-added", []string{"Gull"}, map[string]string{"Gull": "added"}, 1},
	} {
		into, from := sample(t, "generated-krita/"+c.into), sample(t, "generated-krita/"+c.from)
		g, b := grafted(t, into, from, c.names...)
		after := elements(t, b)
		if got := differences(elements(t, into), after); !maps.Equal(got, c.want) || len(g.Changed) != c.changed {
			t.Errorf("%s into %s: %v, want %v; changed %v", c.names, c.into, got, c.want, g.Changed)
		}
		for _, name := range c.names {
			if x, y := named(t, b, name), named(t, from, name); x == nil || x.Hash() != y.Hash() {
				t.Errorf("%s into %s: %s is not as it was", c.names, c.into, name)
			}
		}
		if c.changed == 0 && !bytes.Equal(b, into) {
			t.Errorf("%s into %s: nothing has changed, but the bytes have", c.names, c.into)
		}
		untouched(t, into, b, g)
	}
}

// untouched: entries of other layers are there with the bytes that they had.
func untouched(t *testing.T, into, b []byte, g *format.Grafting) {
	t.Helper()
	x, err := open(t.Context(), format.Bytes(into))
	if err != nil {
		t.Fatal(err)
	}
	y, err := open(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range x.nodes {
		if slices.Contains(g.Changed, n.id) {
			continue
		}
		m, _, err := y.find(n.id)
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range n.suffixes() {
			p, q := n.parts[suffix], m.parts[suffix]
			if q == nil || !bytes.Equal(into[p.Header:p.Header+p.Compressed], b[q.Header:q.Header+q.Compressed]) {
				t.Errorf("%s%s has other bytes", n, suffix)
			}
		}
		if !bytes.Equal(x.xml.Text[n.Start:n.Node.In], y.xml.Text[m.Start:m.Node.In]) {
			t.Errorf("%s: %s", n, y.xml.Text[m.Start:m.Node.In])
		}
	}
}

// TestGraftPlace: a layer comes back between the neighbours that it had, and its files' names are of no other.
func TestGraftPlace(t *testing.T) {
	base := sample(t, "generated-krita/base")
	_, b := grafted(t, sample(t, "generated-krita/notes-removed"), base, "Notes")
	if d := formattest.Differ(elements(t, b), elements(t, base)); d != "" {
		t.Error(d)
	}
	d, err := open(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]bool{}
	for _, n := range d.nodes {
		if files[n.file] {
			t.Errorf("two layers have the file %s", n.file)
		}
		files[n.file] = true
	}
}

// TestKrita: Krita shows what was put back, and the rest as it was in the newer version.
func TestKrita(t *testing.T) {
	for _, c := range []struct{ into, from, name, want string }{
		{"hull-stripe", "base", "Hull", "base"},
		{"notes-removed", "hull-stripe", "Boat", "hull-stripe"},
	} {
		_, b := grafted(t, sample(t, "generated-krita/"+c.into), sample(t, "generated-krita/"+c.from), c.name)
		got := krita(t, b)
		want := decoded(t, formattest.Sample(t, "kra/generated-krita/"+c.want+".png"))
		if !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("%s into %s: not the picture that it was", c.name, c.into)
		}
	}
}

// krita opens a document in Krita and exports it.
func krita(t testing.TB, b []byte) *image.NRGBA { return kritaBeside(t, t.TempDir(), "in", b) }

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := format.Elements(ctx, Format{}, format.Bytes(sample(t, "generated-krita/base"))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
