package ora

import (
	"bytes"
	"errors"
	"image"
	stdpng "image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
	"varve/format/zipfile"
)

func TestSamples(t *testing.T) { formattest.Run(t, Format{}, formattest.Files(t, "ora", ".ora")) }

func elements(t testing.TB, b []byte) []format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func sample(t testing.TB, name string) []byte {
	return formattest.Sample(t, "ora/generated-krita/"+name+".ora")
}

func differences(before, after []format.Element) map[string]string {
	out := map[string]string{}
	old := map[string]format.Element{}
	for _, e := range before {
		old[e.ID] = e
	}
	for _, e := range after {
		o, ok := old[e.ID]
		delete(old, e.ID)
		if !ok {
			out[e.ID] = "added"
			continue
		}
		var what []string
		for _, m := range []struct{ a, b map[string]string }{{o.Properties, e.Properties}, {o.Aspects, e.Aspects}} {
			all := maps.Clone(m.a)
			maps.Copy(all, m.b)
			for _, k := range slices.Sorted(maps.Keys(all)) {
				if m.a[k] != m.b[k] {
					what = append(what, k)
				}
			}
		}
		if len(what) > 0 {
			out[e.ID] = strings.Join(what, " ")
		}
	}
	for _, e := range old {
		out[e.ID] = "removed"
	}
	return out
}

// TestEdits: of each edit that Krita made is found what was edited, and nothing else (kra/generated-krita/TRUTH.json).
func TestEdits(t *testing.T) {
	base := elements(t, sample(t, "base"))
	for name, want := range map[string]map[string]string{
		"base":          {},
		"hull-stripe":   {"Boat/Hull": "pixels"},
		"props":         {"Glow": "blend opacity", "Boat/Sail": "removed", "Boat/Main Sail": "added"},
		"notes-removed": {"Notes": "removed"},
	} {
		if got := differences(base, elements(t, sample(t, name))); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func grafted(t testing.TB, into, from []byte, ids ...string) (*format.Grafting, []byte) {
	t.Helper()
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
		into, from, id string
		want           map[string]string
		stale          bool
	}{
		{"hull-stripe", "base", "Boat/Hull", map[string]string{"Boat/Hull": "pixels"}, true},
		{"hull-stripe", "base", "Boat", map[string]string{"Boat/Hull": "pixels"}, true},
		{"notes-removed", "base", "Notes", map[string]string{"Notes": "added"}, true},
		{"props", "base", "Glow", map[string]string{"Glow": "blend opacity"}, true},
		{"base", "hull-stripe", "Sky", map[string]string{}, false},
	} {
		into := sample(t, c.into)
		g, b := grafted(t, into, sample(t, c.from), c.id)
		if got := differences(elements(t, into), elements(t, b)); !maps.Equal(got, c.want) {
			t.Errorf("%s into %s: %v, want %v", c.id, c.into, got, c.want)
		}
		for _, id := range g.Changed {
			if c.want[id] == "" {
				t.Errorf("%s into %s: says that %s is changed", c.id, c.into, id)
			}
		}
		if len(g.Changed) != len(c.want) || (g.Stale != nil) != c.stale || bytes.Equal(b, into) == c.stale {
			t.Errorf("%s into %s: %v is changed, %v is stale", c.id, c.into, g.Changed, g.Stale)
		}
	}
	_, b := grafted(t, sample(t, "notes-removed"), sample(t, "base"), "Notes")
	if d := formattest.Differ(elements(t, b), elements(t, sample(t, "base"))); d != "" {
		t.Error(d)
	}
}

// made is a document of 8 by 8 with layers of one colour each, their names and where they lie.
func made(t testing.TB, layers string, colours map[string]image.Image) []byte {
	t.Helper()
	z, err := zipfile.Open(format.Bytes([]byte("PK\x05\x06" + strings.Repeat("\x00", 18))))
	if err != nil {
		t.Fatal(err)
	}
	r := z.Rewrite()
	r.Put("mimetype", format.Bytes([]byte("image/openraster")), zipfile.Stored)
	for _, name := range slices.Sorted(maps.Keys(colours)) {
		var b bytes.Buffer
		if err := stdpng.Encode(&b, colours[name]); err != nil {
			t.Fatal(err)
		}
		r.Put(name, format.Bytes(b.Bytes()), zipfile.Stored)
	}
	r.Put(stackXML, format.Bytes([]byte("<image w='8' h='8'><stack>"+layers+"</stack></image>")), zipfile.Deflate)
	o, err := r.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return formattest.All(t, o)
}

func patch(w, h int, r, g, b, a uint8) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := 0; i < len(m.Pix); i += 4 {
		copy(m.Pix[i:], []byte{r, g, b, a})
	}
	return m
}

// TestPreviews: where the layers give the picture that the document has, it is made anew; where they do not, it is said
// that it is stale.
func TestPreviews(t *testing.T) {
	stack := `<layer name="top" src="data/1.png" x="2" y="3"/><layer name="below" src="data/0.png"/>`
	pictures := func(top, all image.Image) map[string]image.Image {
		return map[string]image.Image{"data/0.png": patch(8, 8, 0, 0, 255, 255), "data/1.png": top, merged: all, thumbnail: all}
	}
	blue := patch(8, 8, 0, 0, 255, 255).(*image.NRGBA)
	with := func(c ...uint8) image.Image {
		m := image.NewNRGBA(blue.Rect)
		copy(m.Pix, blue.Pix)
		for y := 3; y < 5; y++ {
			for x := 2; x < 4; x++ {
				copy(m.Pix[m.PixOffset(x, y):], c)
			}
		}
		return m
	}
	red, green := patch(2, 2, 255, 0, 0, 255), patch(2, 2, 0, 255, 0, 255)
	from := made(t, stack, pictures(red, with(255, 0, 0, 255)))
	into := made(t, stack, pictures(green, with(0, 255, 0, 255)))
	g, b := grafted(t, into, from, "top")
	p, err := format.Decode(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	want, err := raster.FromImage(with(255, 0, 0, 255))
	if err != nil || !bytes.Equal(p.ToNRGBA8().Pix, want.ToNRGBA8().Pix) || g.Stale != nil {
		t.Errorf("%v: %v", g.Stale, err)
	}
	g, b = grafted(t, made(t, stack, pictures(green, blue)), from, "top")
	if p, err = format.Decode(t.Context(), Format{}, format.Bytes(b)); err != nil || !bytes.Equal(p.ToNRGBA8().Pix, blue.Pix) || !slices.Equal(g.Stale, []string{"composite", "preview"}) {
		t.Errorf("%v: %v", g.Stale, err)
	}
}

// TestNames: layers of one name are told apart by their place among them, if there are as many in both.
func TestNames(t *testing.T) {
	red, green := patch(2, 2, 255, 0, 0, 255), patch(2, 2, 0, 255, 0, 255)
	two := `<layer name="x" src="a"/><layer name="x" src="b"/>`
	from := made(t, two, map[string]image.Image{"a": red, "b": green})
	into := made(t, two, map[string]image.Image{"a": red, "b": red})
	if list := elements(t, into); list[0].Stable != "" || list[0].ID != "x" || list[1].ID != "x#2" {
		t.Errorf("%+v", list)
	}
	_, b := grafted(t, into, from, "x#2")
	if d := formattest.Differ(elements(t, b), elements(t, from)); d != "" {
		t.Error(d)
	}
	one := made(t, `<layer name="x" src="a"/>`, map[string]image.Image{"a": red})
	_, err := format.Graft(t.Context(), Format{}, format.Bytes(one), format.Bytes(from), []string{"x#2"})
	var refusal *format.Refusal
	if !errors.As(err, &refusal) {
		t.Errorf("one of two into one: %v", err)
	}
}

// TestSharedPicture: a picture that two layers show is not replaced for the one of which it changes.
func TestSharedPicture(t *testing.T) {
	red, green := patch(2, 2, 255, 0, 0, 255), patch(2, 2, 0, 255, 0, 255)
	stack := `<layer name="x" src="a"/><layer name="y" src="a"/>`
	_, b := grafted(t, made(t, stack, map[string]image.Image{"a": red}), made(t, stack, map[string]image.Image{"a": green}), "x")
	want := made(t, `<layer name="x" src="b"/><layer name="y" src="a"/>`, map[string]image.Image{"a": red, "b": green})
	if d := formattest.Differ(elements(t, b), elements(t, want)); d != "" {
		t.Error(d)
	}
}

// TestPadding: how much of nothing is around what is seen makes no difference.
func TestPadding(t *testing.T) {
	wide := image.NewNRGBA(image.Rect(0, 0, 5, 6))
	for i := 0; i < len(wide.Pix); i += 4 {
		wide.Pix[i] = 200 // the colour of nothing
	}
	for y := 2; y < 4; y++ {
		for x := 1; x < 3; x++ {
			copy(wide.Pix[wide.PixOffset(x, y):], []byte{255, 0, 0, 255})
		}
	}
	a := made(t, `<layer name="x" src="a" x="1" y="1"/>`, map[string]image.Image{"a": wide})
	b := made(t, `<layer name="x" src="a" x="2" y="3"/>`, map[string]image.Image{"a": patch(2, 2, 255, 0, 0, 255)})
	if d := formattest.Differ(elements(t, a), elements(t, b)); d != "" {
		t.Error(d)
	}
}

func TestDamage(t *testing.T) {
	red := patch(2, 2, 255, 0, 0, 255)
	missing := made(t, `<layer name="x" src="gone.png"/>`, map[string]image.Image{"a": red})
	if err := format.Validate(t.Context(), Format{}, format.Bytes(missing)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a layer without its picture: %v", err)
	}
	b := made(t, `<layer name="x" src="a"/>`, map[string]image.Image{"a": red})
	for n := range len(b) {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// TestKrita: Krita shows what was put back, and the rest as it is.
func TestKrita(t *testing.T) {
	formattest.App(t, os.Getenv("VARVE_CI") != "", "krita")
	_, b := grafted(t, sample(t, "hull-stripe"), sample(t, "base"), "Boat/Hull")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.ora"), filepath.Join(dir, "out.png")
	if err := os.WriteFile(in, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := formattest.OnScreen(t, os.Getenv("VARVE_CI") != "", "krita", in, "--export", "--export-filename", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := pixels(t, got), pixels(t, formattest.Sample(t, "kra/generated-krita/base.png")); !bytes.Equal(x, y) {
		t.Error("not the picture that it was")
	}
}

func pixels(t testing.TB, b []byte) []byte {
	t.Helper()
	m, err := stdpng.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	p, err := raster.FromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	return p.ToNRGBA8().Pix
}

func Fuzz(f *testing.F) {
	red := patch(2, 2, 255, 0, 0, 255)
	formattest.Fuzz(f, Format{}, map[string][]byte{
		"a": made(f, `<layer name="x" src="a"/>`, map[string]image.Image{"a": red}),
		"b": made(f, `<stack name="s"><layer name="x" src="a" x="1"/></stack>`, map[string]image.Image{"a": red, merged: red, thumbnail: red}),
	})
}

// TestLongStack: a group's name does not make the ids of many groups larger than the document.
func TestLongStack(t *testing.T) {
	text := "<stack name='" + strings.Repeat("x", 100_000) + "'>" + strings.Repeat("<stack name='a'/>", 2000) + "</stack>"
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(made(t, text, nil)))
	if err != nil || len(list) != 2001 {
		t.Fatal(len(list), err)
	}
	n := 0
	for _, e := range list {
		n += len(e.ID)
	}
	if n > 4*len(text) {
		t.Errorf("%d bytes of ids of a text of %d", n, len(text))
	}
}
