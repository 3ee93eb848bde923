package svg

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func samples(t testing.TB) map[string][]byte { return formattest.Files(t, "svg", ".svg") }

func TestSamples(t *testing.T) { formattest.Run(t, Format{}, samples(t)) }

// TestContract: files with nothing from elsewhere.
func TestContract(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"a.svg": []byte(older), "b.svg": []byte(newer), "c.svg": []byte(loads), "d.svg": []byte(much)})
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a": []byte(older), "b": []byte(newer), "c": []byte(loads)})
}

const older = `<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 100 100">
  <style>.st0{fill:#ff0000;} .st1{fill:#00ff00;stroke:blue}</style>
  <defs id="d"><linearGradient id="sky"><stop offset="0" stop-color="#fff"/></linearGradient></defs>
  <g inkscape:groupmode="layer" inkscape:label="Back" id="back">
    <rect id="wall" x="0" y="0" width="50" height="50" fill="url(#sky)"/>
    <path id="roof" d="M 0,0 L 10,10" class="st1" style="opacity:0.5;stroke-width:2"/>
    <circle id="sun" r="5"/>
    <path d="M1 1"/><path d="M2 2"/>
  </g>
</svg>
`

// newer: the gradient, the sun and the class of the roof are gone, the attributes of the wall are in another order.
const newer = `<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:ink="http://www.inkscape.org/namespaces/inkscape" viewBox="0 0 100 100">
  <style>.st1{fill:#ff0000}</style>
  <g ink:groupmode="layer" ink:label="Back" id="back">
    <rect height="50" fill="url(#sky)"   width="50" id="wall"
       x="0" y="0.0"/>
    <path id="roof" style="stroke-width:2 ; opacity:0.25" d="M0 0L10 10" class="st1"/>
    <path d="M1 1"/><path d="M2 3"/>
  </g><g id="front" transform="translate(1)"><g class="st1"/></g>
</svg>
`

func list(t *testing.T, b string) map[string]format.Element {
	t.Helper()
	es, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range es {
		out[e.ID] = e
	}
	return out
}

func put(t *testing.T, into, from string, ids ...string) (string, *format.Grafting) {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(into)), format.Bytes([]byte(from)), ids)
	if err != nil {
		t.Fatal(err)
	}
	return string(formattest.All(t, g.Content)), g
}

func TestElements(t *testing.T) {
	a, b := list(t, older), list(t, newer)
	if e := a["back"]; e.Kind != "layer" || e.Name != "Back" || e.Stable != "back" || e.Parent != "" {
		t.Errorf("%+v", e)
	}
	if e := a["roof"]; e.Parent != "back" || e.Properties["opacity"] != "0.5" || e.Properties["fill"] != "#00ff00" {
		t.Errorf("%+v", e)
	}
	if e := a["/g[1]/path[2]"]; e.Kind != "shape" || e.Stable != "" {
		t.Errorf("a path without id: %+v", e)
	}
	x, y := a["wall"], b["wall"]
	if x.Hash() != y.Hash() {
		t.Errorf("order of attributes and spaces are content:\n%+v\n%+v", x, y)
	}
	x, y = a["roof"], b["roof"]
	if x.Aspects["shape"] != y.Aspects["shape"] || x.Aspects["style"] == y.Aspects["style"] {
		t.Errorf("only the style is another:\n%+v\n%+v", x, y)
	}
	x, y = a["back"], b["back"]
	if x.Hash() != y.Hash() {
		t.Errorf("what is within a layer is not its own content:\n%+v\n%+v", x, y)
	}
}

// TestGraftReplaces: in its place, with the class under another name, and nothing else but the rule for that.
func TestGraftReplaces(t *testing.T) {
	got, g := put(t, newer, older, "roof")
	want := strings.Replace(newer, `<path id="roof" style="stroke-width:2 ; opacity:0.25" d="M0 0L10 10" class="st1"/>`,
		`<path id="roof" d="M 0,0 L 10,10" class="st1-2" style="opacity:0.5;stroke-width:2"/>`, 1)
	want = strings.Replace(want, `viewBox="0 0 100 100">`, "viewBox=\"0 0 100 100\"><defs>\n<style>.st1-2{fill:#00ff00;stroke:blue;}</style></defs>", 1)
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if a, b := list(t, older)["roof"], list(t, got)["roof"]; a.Properties["fill"] != b.Properties["fill"] || a.Properties["opacity"] != b.Properties["opacity"] || a.Aspects["shape"] != b.Aspects["shape"] {
		t.Errorf("%+v is not %+v", b, a)
	}
	if !slices.Contains(g.Changed, "roof") || slices.Contains(g.Changed, "wall") || slices.Contains(g.Changed, "back") {
		t.Errorf("changed %q", g.Changed)
	}
}

// TestGraftAdds: what is gone comes back after the same neighbour, and the gradient that it needs with it.
func TestGraftAdds(t *testing.T) {
	got, g := put(t, newer, older, "sun")
	want := strings.Replace(newer, `class="st1"/>`+"\n    <path", `class="st1"/>`+"\n    <circle id=\"sun\" r=\"5\"/>\n    <path", 1)
	if got != want || !slices.Equal(g.Changed, []string{"sun"}) {
		t.Errorf("%q: %s", g.Changed, got)
	}
	got, _ = put(t, newer, older, "wall")
	if !strings.Contains(got, `<linearGradient id="sky">`) || list(t, got)["sky"].Kind != "gradient" {
		t.Errorf("no gradient: %s", got)
	}
	if again, _ := put(t, got, older, "wall"); again != got {
		t.Errorf("the same again changes %s\nto %s", got, again)
	}
	// A layer brings the namespace of its label with it.
	got, _ = put(t, strings.Replace(newer, `id="back"`, `id="other"`, 1), regexp.MustCompile(` id="(wall|roof|sun)"`).ReplaceAllString(older, ` id="${1}2"`), "back")
	if e := list(t, got)["back"]; e.Kind != "layer" || e.Name != "Back" {
		t.Errorf("%+v in %s", e, got)
	}
}

func TestGraftOfWhatHasNoID(t *testing.T) {
	got, _ := put(t, newer, older, "/g[1]/path[3]")
	if want := strings.Replace(newer, "M2 3", "M2 2", 1); got != want {
		t.Errorf("got %s", got)
	}
	got, _ = put(t, newer, older, "/g[1]/path[2]")
	if got != newer {
		t.Errorf("an equal path changes: %s", got)
	}
}

func TestGraftRefuses(t *testing.T) {
	for name, c := range map[string]struct{ into, from, id string }{
		"another gradient of that id": {strings.Replace(newer, "</style>", `</style><linearGradient id="sky"><stop offset="1"/></linearGradient>`, 1), older, "wall"},
		"no parent":                   {strings.ReplaceAll(newer, `id="back"`, `id="b"`), older, "sun"},
		"the id elsewhere":            {strings.Replace(newer, `id="front"`, `id="sun"`, 1), older, "sun"},
		"which path":                  {strings.Replace(newer, `<path d="M2 3"/>`, `<path d="M2 3"/><path d="M4 4"/>`, 1), older, "/g[1]/path[3]"},
		"rules of tags":               {strings.Replace(newer, "<style>", "<style>path{fill:none}", 1), older, "roof"},
		"UTF-16":                      {"\xff\xfe" + utf16(newer), older, "roof"},
	} {
		_, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(c.into)), format.Bytes([]byte(c.from)), []string{c.id})
		var refusal *format.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(newer)), format.Bytes([]byte(older)), []string{"none"}); !errors.Is(err, format.ErrNoElement) {
		t.Errorf("no element: %v", err)
	}
}

func utf16(s string) string {
	var out []byte
	for _, c := range []byte(s) {
		out = append(out, c, 0)
	}
	return string(out)
}

func TestExtract(t *testing.T) {
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes([]byte(older)), "wall")
	if err != nil {
		t.Fatal(err)
	}
	got := string(formattest.All(t, x.Content))
	es := list(t, got)
	if len(es) != 4 || es["wall"].Parent != "back" || es["sky"].Kind != "gradient" || x.Extension != ".svg" {
		t.Errorf("%v in %s", es, got)
	}
	if was := list(t, older)["wall"]; !bytes.Contains([]byte(got), []byte(`fill="url(#sky)"`)) || was.Aspects["shape"] != es["wall"].Aspects["shape"] {
		t.Error(got)
	}
}

const loads = `<?xml-stylesheet href="look.css" type="text/css"?>
<!DOCTYPE svg [ <!ENTITY ns "http://x"> ]>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
<style><![CDATA[ @import "more.css"; @import url('third.css'); @font-face{src:url(a%20b.woff2)} /* url(no.png) */ ]]></style>
<image id="i" xlink:href="pic&amp;s\one.png#x"/><image href="data:image/png;base64,AAAA"/><use href="#i"/><use href="icons.svg#home"/>
<a href="https://example.org/page"><rect style="fill:url(&quot;tex.png&quot;);stroke:url(#g)"/></a>
<image href="file:///C:/art/x.png"/><image href="https://example.org/x.png?a=1"/><script href=" s.js "/></svg>`

func TestReferences(t *testing.T) {
	in := format.Bytes([]byte(loads))
	refs, err := format.References(t.Context(), Format{}, in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range refs {
		got = append(got, r.Kind+" "+r.Raw+" "+r.Path+" "+string(r.Style))
		if loads[r.Off:r.Off+r.Len] != r.Raw {
			t.Errorf("%+v stands elsewhere", r)
		}
	}
	want := []string{"stylesheet look.css look.css relative", "stylesheet more.css more.css relative", "stylesheet third.css third.css relative", "font a%20b.woff2 a b.woff2 relative",
		`image pic&amp;s\one.png pic&s/one.png relative`, "vector icons.svg icons.svg relative", "image tex.png tex.png relative",
		"image file:///C:/art/x.png C:/art/x.png absolute", "image https://example.org/x.png?a=1 https://example.org/x.png?a=1 url", "script s.js s.js relative"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	out, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"icons.svg": "lib/icons.svg", `pic&amp;s\one.png`: "one.png", "none": "x"})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("icons.svg", "lib/icons.svg", `pic&amp;s\one.png`, "one.png").Replace(loads)
	if string(formattest.All(t, out)) != text {
		t.Errorf("%s", formattest.All(t, out))
	}
	for _, bad := range []string{`a"b`, "a&b", "a b)", "", "<"} {
		var refusal *format.Refusal
		if _, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"icons.svg": bad}); !errors.As(err, &refusal) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, b := range []string{"", "<svg", "<svg>", "<svg></g>", "<html></html>", "<svg><!-- ", `<svg a=b/>`, "<svg/><svg/>", strings.Repeat("<svg>", 2000)} {
		if err := (Format{}).Validate(t.Context(), format.Bytes([]byte(b))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%.20q: %v", b, err)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, head string
		want       bool
	}{{"a.svg", older, true}, {"a", "<!-- x --><svg:svg ", true}, {"a", "<svg:svg a='b'>", true}, {"a.svg", "version https://git-lfs", false}, {"a.html", "<html><svg>", false}, {"a.svg", "<!-- long", true}, {"a.svg", "", false}, {"a.svg", "\xff\xfe" + utf16(older), true}} {
		if got := (Format{}).Match(c.name, []byte(c.head)); got != c.want {
			t.Errorf("%s %.20q: %t", c.name, c.head, got)
		}
	}
}
