package usd

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestSamples(t *testing.T) {
	files := formattest.Files(t, "usd", ".usd", ".usda", ".usdz")
	maps.DeleteFunc(files, func(name string, _ []byte) bool { // many are nearly alike
		return strings.Contains(name, "/_") || strings.Contains(name, "/materials/") || strings.HasSuffix(name, "_folder.usda")
	})
	formattest.Run(t, Format{}, files)
}

func elements(t *testing.T, b string) map[string]format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range list {
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

// TestEdits: of real edits, prims that are put back are as they were, and no other is changed.
func TestEdits(t *testing.T) {
	read := func(name string) string { return string(formattest.Sample(t, "usd/usd-wg-edits/"+name)) }
	for _, c := range [][2]string{{"environment.v1.usda", "environment.v2.usda"}, {"environment.v2.usda", "environment.v3.usda"}, {"environment.v3.usda", "environment.v4.usda"},
		{"environment.v4.usda", "environment.v5.usda"}, {"environment.v5.usda", "environment.v6.usda"}, {"example_materials.v1.usda", "example_materials.v2.usda"}, {"example_materials.v2.usda", "example_materials.v3.usda"},
		{"example_materials.v3.usda", "example_materials.v4.usda"}, {"example_materials.v4.usda", "example_materials.v5.usda"}, {"Creases_SpinningPyramids.v1.usda", "Creases_SpinningPyramids.v2.usda"},
		{"InternalReferenceTest.v1.usda", "InternalReferenceTest.v2.usda"}, {"Teapot.v1.usd", "Teapot.v2.usd"}, {"Teapot.v2.usd", "Teapot.v3.usd"}} {
		from, into := read(c[0]), read(c[1])
		a, b := elements(t, into), elements(t, from)
		changed := 0
		for id, e := range b {
			now := a[id]
			if now.ID != "" && now.Hash() == e.Hash() || a[e.Parent].ID == "" && e.Parent != "" {
				continue
			}
			changed++
			got, _ := put(t, into, from, id)
			for other, is := range elements(t, got) {
				want := a[other]
				if other == id || strings.HasPrefix(other, id+"/") || strings.HasPrefix(other, id+"{") || strings.HasSuffix(id, "}") && strings.HasPrefix(other, id) {
					want = b[other]
				}
				if is.Hash() != want.Hash() {
					t.Errorf("%s, %s: %s is %+v, want %+v", c[0], id, other, is, want)
				}
			}
		}
		t.Logf("%s: %d of %d prims are others in the next version", c[0], changed, len(b))
	}
}

func TestSampleReferences(t *testing.T) {
	for name, want := range map[string][]string{
		"foundation/stage_composition/references/reference_invalid.usda":                 {"reference file_does_not_exist.usda"},
		"foundation/stage_composition/payload/payload_parent_folder.usda":                {"payload ../_parent_stage.usda"},
		"foundation/stage_composition/subLayer/sublayer_child_folder.usda":               {"sublayer _children/_child_stage.usda"},
		"foundation/stage_composition/references_prim/reference_prim_in_other_file.usda": {"reference _stage.usda", "reference _stage.usda", "reference file_does_not_exist.usda"},
		"USDZ/InterpolationTest/InterpolationTest.usdz":                                  nil,
		"RoughnessTest/RoughnessTest.usdz":                                               nil,
	} {
		refs, err := format.References(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "usd/usd-wg/test_assets/"+name)))
		var got []string
		for _, r := range refs {
			got = append(got, r.Kind+" "+r.Path)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	refs, err := format.References(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "usd/usd-wg/full_assets/Teapot/Teapot.usd")))
	if err != nil || len(refs) != 13 || refs[0].Path != "Teapot_Payload.usd" || refs[1].Kind != "texture" || refs[1].Element != "/Teapot{modelVariant=Fancy}" {
		t.Errorf("%+v, %v", refs, err)
	}
}

// TestBinary: words of a binary layer are read, and its damage is seen.
func TestBinary(t *testing.T) {
	f, err := open(t.Context(), format.Bytes(formattest.Sample(t, "usd/usd-wg/test_assets/USDZ/InterpolationTest/InterpolationTest.usdz")))
	if err != nil {
		t.Fatal(err)
	}
	b := f.binary
	tokens, err := crateTokens(b)
	if err != nil || !slices.Contains(tokens, "faceVertexIndices") || !slices.Contains(tokens, "Mesh") {
		t.Errorf("%d words, %v", len(tokens), err)
	}
	refs, err := format.References(t.Context(), Format{}, format.Bytes(b)) // alone, it needs what the package had
	if err != nil || len(refs) != 1 || refs[0].Path != "0/l.jpg" || refs[0].Kind != "texture" {
		t.Errorf("%+v, %v", refs, err)
	}
	if g, err := format.Graft(t.Context(), Format{}, format.Bytes(b), format.Bytes(append(slices.Clone(b), 0)), []string{"layer"}); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("%+v, %v", g, err)
	}
	for _, n := range []int{50, 90, len(b) / 2, len(b) - 1} {
		if err := (Format{}).Validate(t.Context(), format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

const older = `#usda 1.0
( # of the layer
    defaultPrim = "World"
    upAxis = "Z"
    metersPerUnit = 1
    subLayers = [ @./look.usda@ (offset = 2), @../light.usda@ ]
)

def Xform "World" (
    prepend references = [@@@a@b.usda@@@</X>, @parts.usdz[inner/p.usda]@]
    variants = { string look = "old" }
    prepend variantSets = "look"
)
{
    double3 xformOp:translate = (1, 2, 3)
    float xformOp:rotateZ = 90
    uniform token[] xformOpOrder = ["xformOp:translate", "xformOp:rotateZ"]

    def Mesh "Quad" (
        doc = """It has "quotes" and
        two lines, and { no bracket"""
    )
    {
        int[] faceVertexCounts = [4]
        int[] faceVertexIndices = [0, 1, 2, 3]
        point3f[] points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
        rel material:binding = </World/Looks/Red>
        texCoord2f[] primvars:st = [(0, 0), (1, 0), (1, 1), (0, 1)] (
            interpolation = "vertex"
        )
        float alpha.timeSamples = { 0: 1, 1: .5 }; bool custom = 1
    }
    over "Known" { }
    def Scope "Looks"
    {
        def Material "Red"
        {
            token outputs:surface.connect = </World/Looks/Red/S.outputs:surface>
            def Shader "S" { asset inputs:file = @tex/<UDIM>.png@  # a comment @no@
                color3f inputs:diffuseColor = (1, 0, 0.5)
            }
        }
    }
    variantSet "look" = {
        "old" ( kind = "x" ) {
            def Cube "Box" { double size = 4 }
        }
        "new" { }
    }
}
`

// newer: the quad is in another order and moved, the red and the box are gone.
const newer = `#usda 1.0
(
    defaultPrim = "World"
    upAxis = "Z"
)

def Xform "World" (
    variants = { string look = "old" }
    prepend variantSets = "look"
)
{
    double3 xformOp:translate = (1, 2, 4)
    uniform token[] xformOpOrder = ["xformOp:translate"]

    def Mesh "Quad"
    {
        point3f[] points = [(1, 0, 0), (1, 1.0, 0), (0, 1, 0), (0, 0, 0),]
        int[] faceVertexCounts = [4]
        int[] faceVertexIndices = [3, 0, 1, 2]
    }
    def Scope "Looks"
    {
    }
    variantSet "look" = {
        "old" ( kind = "x" ) {
        }
        "new" { }
    }
}
`

func TestElements(t *testing.T) {
	a, b := elements(t, older), elements(t, newer)
	if len(a) != 9 {
		t.Errorf("%d elements", len(a))
	}
	q, r := a["/World/Quad"], b["/World/Quad"]
	if q.Aspects["geometry"] != r.Aspects["geometry"] || q.Kind != "mesh" || q.Stable != "/World/Quad" || q.Parent != "/World" || !slices.Equal(q.Bounds, []float64{0, 0, 0, 1, 1, 0}) {
		t.Errorf("%+v\n%+v", q, r)
	}
	if e := a["/World{look=old}Box"]; e.Parent != "/World{look=old}" || e.Properties["type"] != "Cube" {
		t.Errorf("%+v", e)
	}
	if e := a["/World/Known"]; e.Properties["specifier"] != "over" {
		t.Errorf("%+v", e)
	}
	x, y := a["/World"], b["/World"]
	if x.Aspects["transform"] == y.Aspects["transform"] {
		t.Error("it was moved")
	}
	// How it is written is no content.
	other := strings.NewReplacer("90\n", "9.0e1\n", "(1, 2, 3)", "( 1,2 ,3.00 )", "# of the layer", "", "    ", "\t", `"x"`, `'x'`).Replace(older)
	for id, e := range elements(t, other) {
		if o := a[id]; e.Hash() != o.Hash() && id != "/World/Quad" { // whose doc has spaces of its own
			t.Errorf("%+v, %+v", e, o)
		}
	}
}

func TestReferences(t *testing.T) {
	refs, err := format.References(t.Context(), Format{}, format.Bytes([]byte(older)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range refs {
		got = append(got, r.Kind+" "+r.Raw+" "+r.Path+" "+r.Element)
		if older[r.Off:r.Off+r.Len] != r.Raw || r.Sequence != strings.Contains(r.Raw, "UDIM") {
			t.Errorf("%+v", r)
		}
	}
	want := []string{"sublayer ./look.usda look.usda ", "sublayer ../light.usda ../light.usda ", "reference a@b.usda a@b.usda /World", "reference parts.usdz parts.usdz /World", "texture tex/<UDIM>.png tex/<UDIM>.png /World/Looks/Red/S"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(older)), map[string]string{"parts.usdz": "lib/q.usdz", "./look.usda": "look2.usda"})
	if err != nil || string(formattest.All(t, out)) != strings.NewReplacer("@parts.usdz[", "@lib/q.usdz[", "@./look.usda@", "@look2.usda@").Replace(older) {
		t.Errorf("%v", err)
	}
	var refusal *format.Refusal
	if _, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(older)), map[string]string{"parts.usdz": "a@b"}); !errors.As(err, &refusal) {
		t.Error(err)
	}
}

func TestGraft(t *testing.T) {
	for _, id := range []string{"/World/Quad", "/World/Looks/Red", "/World{look=old}Box", "/World/Known", "/World"} {
		got, g := put(t, newer, older, id)
		is, was, before := elements(t, got), elements(t, older), elements(t, newer)
		for other, e := range is {
			want := before[other]
			if other == id || strings.HasPrefix(other, id+"/") || id == "/World" {
				want = was[other]
			}
			if e.Hash() != want.Hash() {
				t.Errorf("%s: %s is %+v, want %+v\n%s", id, other, e, want, got)
			}
			now := before[other]
			if slices.Contains(g.Changed, other) != (e.Hash() != now.Hash()) {
				t.Errorf("%s: changed %q", id, g.Changed)
			}
		}
		if again, _ := put(t, got, older, id); again != got {
			t.Errorf("%s: the same again changes the file", id)
		}
	}
	if _, g := put(t, newer, older, "/World/Quad"); len(g.Notes) != 1 {
		t.Errorf("its material is not there: %q", g.Notes)
	}
	got, _ := put(t, newer, older, "/World/Quad")
	if want := newer[:strings.Index(newer, `def Mesh "Quad"`)] + older[strings.Index(older, `def Mesh "Quad"`):strings.Index(older, "    over")] + newer[strings.Index(newer, "    def Scope"):]; got != want {
		t.Errorf("got %s", got)
	}
	var refusal *format.Refusal
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte("#usda 1.0\n")), format.Bytes([]byte(older)), []string{"/World/Looks/Red"}); !errors.As(err, &refusal) {
		t.Error(err)
	}
	if got, _ := put(t, "#usda 1.0\n", older, "/World"); elements(t, got)["/World/Quad"].ID == "" {
		t.Error(got)
	}
}

func TestExtract(t *testing.T) {
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes([]byte(older)), "/World/Quad")
	if err != nil {
		t.Fatal(err)
	}
	text := string(formattest.All(t, x.Content))
	is, was := elements(t, text), elements(t, older)
	for _, id := range []string{"/World/Quad", "/World/Looks/Red"} {
		e, o := is[id], was[id]
		if e.Hash() != o.Hash() {
			t.Errorf("%s is %+v in %s", id, e, text)
		}
	}
	m, err := format.Model(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil || len(m.Objects) != 1 || m.Up != 'Z' || m.Objects[0].Transform[14] != 3 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestModel(t *testing.T) {
	m, err := format.Model(t.Context(), Format{}, format.Bytes([]byte(older)))
	if err != nil || len(m.Objects) != 2 || m.Unit != 1 || m.Up != 'Z' {
		t.Fatal(m, err)
	}
	p := m.Objects[0].Transform.Point([3]float64{1, 0, 0})
	if math.Abs(p[0]-1)+math.Abs(p[1]-3)+math.Abs(p[2]-3) > 1e-9 {
		t.Errorf("turned, then moved: %v", p)
	}
	if c := m.Materials[m.Objects[0].Mesh.Groups[0].Material]; c.Name != "Red" || c.Color != [4]float32{1, 0, 0.5, 1} {
		t.Errorf("%+v", c)
	}
	if b := m.Objects[1].Mesh.Bounds(m.Objects[1].Transform).Slice(); math.Abs(b[0]+1)+math.Abs(b[3]-3)+math.Abs(b[5]-5) > 1e-9 {
		t.Errorf("a box of 4: %v", b)
	}
	for _, c := range []struct {
		name string
		v    []float64
		want [3]float64
	}{{"xformOp:rotateXYZ", []float64{90, 90, 0}, [3]float64{2, -3, -1}}, {"xformOp:orient", []float64{math.Sqrt2 / 2, 0, 0, math.Sqrt2 / 2}, [3]float64{-2, 1, 3}}, {"xformOp:scale:a", []float64{2, 3, 4}, [3]float64{2, 6, 12}},
		{"xformOp:transform", []float64{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1}, [3]float64{6, 8, 10}}} {
		m, ok := operation(c.name, c.v, false)
		p := m.Point([3]float64{1, 2, 3})
		if !ok || math.Abs(p[0]-c.want[0])+math.Abs(p[1]-c.want[1])+math.Abs(p[2]-c.want[2]) > 1e-9 {
			t.Errorf("%s: %v, want %v", c.name, p, c.want)
		}
		if back, ok := operation(c.name, c.v, true); ok && c.name != "xformOp:transform" {
			if q := back.Point(p); math.Abs(q[0]-1)+math.Abs(q[1]-2)+math.Abs(q[2]-3) > 1e-9 {
				t.Errorf("%s and back: %v", c.name, q)
			}
		}
	}
}

// pack makes a package: stored, and aligned by extra fields.
func pack(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b, dir []byte
	le := binary.LittleEndian
	for i := 0; i < len(parts); i += 2 {
		name, text := parts[i], parts[i+1]
		at := len(b)
		pad := (2*align - (at+30+len(name)+4)%align) % align
		head := le.AppendUint16(le.AppendUint16([]byte{20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0}, 0), 0)[:10]
		head = le.AppendUint32(head, crc32.ChecksumIEEE([]byte(text)))
		head = le.AppendUint32(le.AppendUint32(head, uint32(len(text))), uint32(len(text)))
		head = le.AppendUint16(head, uint16(len(name)))
		b = append(append(b, "PK\x03\x04"...), le.AppendUint16(slices.Clone(head), uint16(4+pad))...)
		b = append(b, name...)
		b = append(le.AppendUint16(le.AppendUint16(b, 0x1986), uint16(pad)), make([]byte, pad)...)
		b = append(b, text...)
		dir = append(append(dir, "PK\x01\x02\x14\x00"...), head...)
		dir = append(dir, make([]byte, 2+2+2+2+4)...)
		dir = append(le.AppendUint32(dir, uint32(at)), name...)
	}
	n := uint16(len(parts) / 2)
	at := len(b)
	b = append(append(b, dir...), "PK\x05\x06\x00\x00\x00\x00"...)
	b = le.AppendUint16(le.AppendUint16(b, n), n)
	return append(le.AppendUint32(le.AppendUint32(b, uint32(len(dir))), uint32(at)), 0, 0)
}

// TestPackage: a layer and a file of a package are put back, and all files lie where they must.
func TestPackage(t *testing.T) {
	a, b := pack(t, "a.usda", older, "tex/1.png", "old", "c.png", "same"), pack(t, "a.usda", newer, "tex/1.png", "changed", "c.png", "same")
	for _, x := range [][]byte{a, b} {
		if err := (Format{}).Validate(t.Context(), format.Bytes(x)); err != nil {
			t.Fatal(err)
		}
	}
	var loose bytes.Buffer
	w := zip.NewWriter(&loose)
	if e, err := w.CreateHeader(&zip.FileHeader{Name: "a.usda"}); err != nil {
		t.Fatal(err)
	} else if _, err := e.Write([]byte(newer)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes(loose.Bytes())); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a file anywhere: %v", err)
	}
	got, g := put(t, string(b), string(a), "/World/Looks/Red", "tex/1.png")
	if err := (Format{}).Validate(t.Context(), format.Bytes([]byte(got))); err != nil {
		t.Error(err)
	}
	is, was := elements(t, got), elements(t, string(a))
	for _, id := range []string{"/World/Looks/Red", "tex/1.png", "c.png"} {
		e, o := is[id], was[id]
		if e.Hash() != o.Hash() {
			t.Errorf("%s is %+v", id, e)
		}
	}
	if !slices.Contains(g.Changed, "tex/1.png") || slices.Contains(g.Changed, "c.png") {
		t.Errorf("changed %q", g.Changed)
	}
}

func TestMalformed(t *testing.T) {
	for name, s := range map[string]string{"empty": "", "another": "#usdb", "cut": older[:len(older)-3], "in a text": older[:strings.Index(older, "two lines")], "bracket": strings.Replace(older, "(1, 2, 3)", "(1, 2, 3", 1),
		"corner": strings.Replace(older, "[0, 1, 2, 3]", "[0, 1, 2, 4]", 1), "counts": strings.Replace(older, "[4]", "[5]", 1), "counts below": strings.Replace(older, "[4]", "[-4]", 1), "name": strings.Replace(older, `"Quad"`, "Quad", 1),
		"deep": "#usda 1.0\n" + strings.Repeat("def \"a\" {\n", 1000) + strings.Repeat("}\n", 1000), "deep brackets": "#usda 1.0\ndef \"a\" { int a = " + strings.Repeat("(", 1000) + strings.Repeat(")", 1000) + " }"} {
		_, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(s)))
		if !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, b := range [][]byte{{0xf0, 'a'}, {0x10, 'a', 1}, {0x10, 'a', 2, 0}, {0x1f, 'a', 1, 0, 255, 255, 255}, {0x1f, 'a', 1, 0, 255, 10, 0x10, 'b'}} {
		if out, err := lz4(nil, b, 100); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%v: %q, %v", b, out, err)
		}
	}
	if out, err := lz4(nil, []byte{0x3f, 'a', 'b', 'c', 1, 0, 30}, 50); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("more than there should be: %q, %v", out, err)
	}
	if out, err := lz4([]byte("before"), []byte{0x10, 'a', 2, 0, 0x10, 'b'}, 100); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a chunk refers to the one before: %q, %v", out, err)
	}
	if out, err := lz4(nil, []byte{0x32, 'a', 'b', 'c', 3, 0, 0x10, 'd'}, 100); string(out) != "abcabcabcd" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// TestContract: files with nothing from elsewhere.
func TestContract(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"a.usda": []byte(older), "b.usda": []byte(newer), "c.usdz": pack(t, "a.usda", newer)})
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a": []byte(older), "b": []byte(newer), "c": pack(f, "a.usda", newer)})
}
