package xcf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image/png"
	"math"
	"slices"
	"testing"

	"varve/format"
	"varve/format/exr"
	"varve/format/formattest"
)

func samples(t testing.TB) map[string][]byte {
	files := formattest.Files(t, "xcf", ".xcf", ".gz")
	delete(files, mangled)
	return files
}

// mangled is a sample that lost all its carriage returns.
const mangled = "assimp/assimp_view/test.xcf"

func TestMangled(t *testing.T) {
	if err := format.Validate(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "xcf/"+mangled))); !errors.Is(err, format.ErrMalformed) {
		t.Error(err)
	}
}

func TestContract(t *testing.T) { formattest.Run(t, Format{}, samples(t)) }

func elements(t testing.TB, b []byte) []format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func named(t testing.TB, list []format.Element, name string) *format.Element {
	t.Helper()
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	t.Fatalf("no element %q", name)
	return nil
}

// differing returns what of each element is other in a list, by its name there and property or aspect.
func differing(a, b []format.Element) []string {
	var out []string
	for _, x := range a {
		i := slices.IndexFunc(b, func(y format.Element) bool { return y.Stable == x.Stable })
		if i < 0 {
			out = append(out, x.Name+" removed")
			continue
		}
		y := b[i]
		if x.Name != y.Name {
			out = append(out, x.Name+" name")
		}
		for _, m := range [][2]map[string]string{{x.Properties, y.Properties}, {x.Aspects, y.Aspects}} {
			keys := map[string]bool{}
			for k := range m[0] {
				keys[k] = true
			}
			for k := range m[1] {
				keys[k] = true
			}
			for k := range keys {
				if m[0][k] != m[1][k] {
					out = append(out, x.Name+" "+k)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestTruth: edits made with GIMP, of which TRUTH.json tells what they are.
func TestTruth(t *testing.T) {
	dir := "xcf/generated-gimp/"
	var truth map[string]json.RawMessage
	var layers []struct {
		Name         string
		Offset, Size [2]float64
	}
	if err := json.Unmarshal(formattest.Sample(t, dir+"TRUTH.json"), &truth); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(truth["base layers, top to bottom"], &layers); err != nil {
		t.Fatal(err)
	}
	base := elements(t, formattest.Sample(t, dir+"base.xcf"))
	if len(base) != len(layers) {
		t.Fatalf("%d elements", len(base))
	}
	for i, l := range layers {
		want := []float64{l.Offset[0], l.Offset[1], l.Offset[0] + l.Size[0], l.Offset[1] + l.Size[1]}
		if e := base[i]; e.Name != l.Name || !slices.Equal(e.Bounds, want) || e.Properties["opacity"] != "100%" || e.Properties["mode"] != "normal" || e.Stable == "" {
			t.Errorf("%+v, want %+v", e, l)
		}
	}
	for file, want := range map[string][]string{
		"resaved.xcf":         nil,
		"barn-door.xcf":       {"Barn pixels"},
		"props.xcf":           {"Barn name", "Tree mode", "Tree opacity"},
		"caption-removed.xcf": {"Caption removed"},
		"tree-mask.xcf":       {"Tree mask", "Tree mask"},
		"barn-moved.xcf":      {"Barn offset"},
	} {
		if got := differing(base, elements(t, formattest.Sample(t, dir+file))); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	if e := named(t, elements(t, formattest.Sample(t, dir+"props.xcf")), "Tree"); e.Properties["opacity"] != "60%" || e.Properties["mode"] != "multiply" {
		t.Errorf("%+v", e)
	}
}

// TestGraftTruth brings each edit's old layers into the newer file: what was there before is there again, the rest stays.
func TestGraftTruth(t *testing.T) {
	dir := "xcf/generated-gimp/"
	base := formattest.Sample(t, dir+"base.xcf")
	old := elements(t, base)
	for _, file := range []string{"barn-door", "props", "caption-removed", "tree-mask", "barn-moved"} {
		newer := formattest.Sample(t, dir+file+".xcf")
		var ids []string
		for _, e := range old {
			ids = append(ids, e.ID)
		}
		g, err := format.Graft(t.Context(), Format{}, format.Bytes(newer), format.Bytes(base), ids)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		b := formattest.All(t, g.Content)
		got := elements(t, b)
		if d := formattest.Differ(old, got); d != "" {
			t.Errorf("%s: %s", file, d)
		}
		if want := map[string]int{"props": 2}[file]; len(g.Changed) != max(1, want) {
			t.Errorf("%s: changed %q", file, g.Changed)
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		a, err := format.Decode(t.Context(), Format{}, format.Bytes(base))
		if err != nil {
			t.Fatal(err)
		}
		z, err := format.Decode(t.Context(), Format{}, format.Bytes(b))
		if err != nil || !bytes.Equal(a.U8, z.U8) {
			t.Errorf("%s: the picture is not that of the old file, %v", file, err)
		}
	}
	var refusal *format.Refusal
	deep := formattest.Sample(t, dir+"base-16bit.xcf")
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes(deep), format.Bytes(base), []string{old[0].ID}); !errors.As(err, &refusal) {
		t.Errorf("8 bits into 16: %v", err)
	}
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes(base), format.Bytes(base), []string{"layer-99"}); !errors.Is(err, format.ErrNoElement) {
		t.Errorf("no element: %v", err)
	}
}

func TestExtract(t *testing.T) {
	base := formattest.Sample(t, "xcf/generated-gimp/base.xcf")
	e := named(t, elements(t, base), "Barn")
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(base), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(formattest.All(t, x.Content)))
	if err != nil || x.Extension != ".png" || m.Bounds().Dx() != 90 || m.Bounds().Dy() != 80 {
		t.Errorf("%v, %v", m.Bounds(), err)
	}
}

// TestByteOf: of each step of light the sample that is nearest.
func TestByteOf(t *testing.T) {
	f := newFlat(&document{})
	for i := range 1 << 16 {
		v := float32(i) / (1<<16 - 1)
		if got, want := f.byteOf(v), uint8(toPerceptual(float64(v))*255+0.5); got != want {
			t.Fatalf("%g is %d, want %d", v, got, want)
		}
	}
}

// TestExtractFloats: pixels of 32 bits are an EXR, of light.
func TestExtractFloats(t *testing.T) {
	b := deep(1.0, 0.5, 0)
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), "layer-2")
	if err != nil || x.Extension != ".exr" {
		t.Fatal(x, err)
	}
	img, err := format.Decode(t.Context(), exr.Format{}, x.Content)
	if err != nil || !slices.Equal(img.F32, []float32{1, float32(toLinear(0.5)), 0}) {
		t.Errorf("%v, %v", img, err)
	}
}

// deep makes a document of one pixel of floats that are not linear.
func deep(r, g, b float32) []byte {
	doc := build(12, 0, layerOf{"A", 2, 1, 1})
	binary.BigEndian.PutUint32(doc[26:], 650)
	at := bytes.Index(doc, []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3})
	doc[at+11] = 12
	doc = doc[:len(doc)-3]
	for _, v := range []float32{r, g, b} {
		doc = binary.BigEndian.AppendUint32(doc, math.Float32bits(v))
	}
	return doc
}

func TestCut(t *testing.T) {
	for name, b := range samples(t) {
		for n := 1; n < len(b); n += 1 + len(b)/37 {
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
				t.Errorf("%s, %d of %d bytes: %v", name, n, len(b), err)
			}
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:len(b)-1])); !errors.Is(err, format.ErrMalformed) && name[:4] != "gimp" {
			t.Errorf("%s without its last byte: %v", name, err)
		}
	}
}
