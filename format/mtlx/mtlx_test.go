package mtlx

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

const text = `<?xml version="1.0"?>
<!-- <input type="filename" value="commented.png"/> -->
<materialx version="1.39" fileprefix="../images/" xmlns:xi="http://www.w3.org/2001/XInclude">
  <xi:include href="parts/brass.mtlx" />
  <nodegraph name="NG">
    <token name="size" type="string" value="4k" />
    <image name="color" type="color3" xpos="1">
      <input name="file" type="filename" value="brass &amp; co.&lt;UDIM>.png" colorspace="srgb_texture" />
    </image>
    <image name="rough" type="float" fileprefix="/abs/">
      <input name="file" type="filename" value="rough.{04frame}.exr" />
    </image>
    <image name="sized" type="float"><input name="file" type="filename" value="a.[size].png" /></image>
    <image name="whole" type="float"><input name="file" type="filename" value="C:\w.png" /></image>
    <image name="unknown" type="float"><input name="file" type="filename" value="b.[other].png" /></image>
    <image name="interface" type="float"><input name="file" type="filename" interfacename="x" /><input name="c" type="string" value="c.png"/></image>
    <output name="out" type="color3" nodename="color" />
  </nodegraph>
  <surfacematerial name="M" type="material"><input name="surfaceshader" type="surfaceshader" nodename="S" /></surfacematerial>
  <implementation name="IM" nodedef="ND" file="shader.glsl" target="genglsl" />
</materialx>
`

func TestReferences(t *testing.T) {
	list, err := format.References(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, r := range list {
		fmt.Fprintf(&got, "%s %s %s @%s %t\n", r.Kind, r.Style, r.Path, r.Element, r.Sequence)
	}
	want := `document relative parts/brass.mtlx @ false
texture relative ../images/brass & co.<UDIM>.png @NG/color true
texture absolute /abs/rough.####.exr @NG/rough true
texture relative ../images/a.4k.png @NG/sized false
texture absolute C:/w.png @NG/whole false
texture relative ../images/b.*.png @NG/unknown true
shader relative shader.glsl @IM false
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestRewrite(t *testing.T) {
	in := format.Bytes([]byte(text))
	out, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"a.[size].png": "new/a.[size].png", "parts/brass.mtlx": "b.mtlx", "brass &amp; co.&lt;UDIM>.png": "x.&lt;UDIM>.png"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(formattest.All(t, out)), strings.NewReplacer("a.[size].png", "new/a.[size].png", "parts/brass.mtlx", "b.mtlx", "brass &amp; co.", "x.").Replace(text); got != want {
		t.Errorf("got %s", got)
	}
	var refusal *format.Refusal
	if _, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"parts/brass.mtlx": `a"b`}); !errors.As(err, &refusal) {
		t.Error(err)
	}
}

func TestElements(t *testing.T) {
	list := func(s string) map[string]format.Element {
		out := map[string]format.Element{}
		all, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(s)))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			out[e.ID] = e
		}
		return out
	}
	was := list(text)
	if e := was["NG/color"]; e.Kind != "node" || e.Parent != "NG" || was["M"].Kind != "material" || was["NG"].Kind != "graph" || len(was) != 9 {
		t.Errorf("%+v", was)
	}
	for change, want := range map[string]string{`xpos="1">xpos="2"`: "", "a.[size].png>b.png": "NG/sized", `value="4k">value="8k"`: "NG", "\n    <image>\n\n<image": "", `nodename="S">nodename="T"`: "M"} {
		from, to, _ := strings.Cut(change, ">")
		var got []string
		for id, e := range list(strings.Replace(text, from, to, 1)) {
			if b := was[id]; b.Hash() != e.Hash() {
				got = append(got, id)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s changes %q, want %q", change, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for n := range len(text) - 2 {
		if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte(text[:n]))); !errors.Is(err, format.ErrMalformed) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
}

func TestContract(t *testing.T) {
	files := map[string][]byte{"a.mtlx": []byte(text)}
	formattest.Run(t, Format{}, files)
	t.Run("samples", func(t *testing.T) { formattest.Run(t, Format{}, formattest.Files(t, "usd/usd-wg", ".mtlx")) })
}

func FuzzDocument(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a.mtlx": []byte(text)})
}

// TestRepeated: what a document repeats for each of many (names, prefixes, tokens) does not make a small one large.
func TestRepeated(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	many := strings.Repeat(`<image><input name="file" type="filename" value="[a][a][a]"/></image>`, 1000)
	for name, doc := range map[string]string{
		"names":    `<materialx version="1.38"><nodegraph name="` + long + `">` + many + `</nodegraph></materialx>`,
		"prefixes": `<materialx version="1.38" fileprefix="` + long + `">` + many + `</materialx>`,
		"tokens":   `<materialx version="1.38"><nodegraph><token name="a" value="` + long + `"/>` + many + `</nodegraph></materialx>`,
		"many":     `<materialx version="1.38"><nodegraph><token name="a" value="` + long[:200] + `"/><input name="file" type="filename" value="` + strings.Repeat("[a]", 1000) + `"/></nodegraph></materialx>`,
	} {
		list, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(doc)))
		if err != nil {
			t.Fatal(name, err)
		}
		refs, err := format.References(t.Context(), Format{}, format.Bytes([]byte(doc)))
		if err != nil {
			t.Fatal(name, err)
		}
		n := 0
		for _, e := range list {
			n += len(e.ID)
		}
		for _, r := range refs {
			n += len(r.Path)
		}
		if n > 10*len(doc) {
			t.Errorf("%s: %d bytes of a document of %d", name, n, len(doc))
		}
	}
}
