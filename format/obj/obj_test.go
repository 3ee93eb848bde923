package obj

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func samples(t testing.TB) map[string][]byte {
	all := formattest.Files(t, "obj", ".obj")
	maps.DeleteFunc(all, func(name string, _ []byte) bool { return strings.HasPrefix(name, "ufbx-fuzz/") })
	return all
}

func TestSamples(t *testing.T) { formattest.Run(t, Format{}, samples(t)) }

func TestLibrarySamples(t *testing.T) {
	formattest.Run(t, Library{}, formattest.Files(t, "obj", ".mtl"))
}

func TestFuzzedSamples(t *testing.T) {
	for name, b := range formattest.Files(t, "obj/ufbx-fuzz", ".obj") {
		if err := formattest.Survive(t.Context(), Format{}, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes(formattest.Sample(t, "mesh-invalid/assimp/malformed.obj"))); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("corners out of range: %v", err)
	}
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a": []byte(older), "b": []byte(newer), "c": []byte("v 0 0 0\\\n1 1 1\nvt 1\nvn 0 0 1\nf 1/1/1 -1//-1 1\nl 1 1\n")})
}

func FuzzLibrary(f *testing.F) {
	formattest.Fuzz(f, Library{}, map[string][]byte{"a": []byte(library1)})
}

// TestTruth: the counts and bounds of the scene that was exported, and what of it the edit changed.
func TestTruth(t *testing.T) {
	read := func(name string) map[string]format.Element {
		return byID(t, string(formattest.Sample(t, "obj/generated-blender/"+name)))
	}
	base, edit := read("base.obj"), read("mesh.obj")
	if len(base) != 4 || base["o:Vase"].Name != "Vase" || base["o:Table"].Properties["materials"] != "Wood" {
		t.Errorf("%+v", base)
	}
	lo, hi := [3]float64{1e9, 1e9, 1e9}, [3]float64{-1e9, -1e9, -1e9}
	for id, e := range base {
		o := edit[id]
		if same := e.Hash() == o.Hash(); same != (id != "o:Vase") {
			t.Errorf("%s: the same is %t", id, same)
		}
		for k := range 3 {
			lo[k], hi[k] = min(lo[k], e.Bounds[k]), max(hi[k], e.Bounds[k+3])
		}
	}
	// Y is up in the file: the truth has Z.
	if want := [3]float64{1.5, 0.91, 0.9}; math.Abs(lo[0]+1.5)+math.Abs(hi[0]-want[0])+math.Abs(hi[1]-want[1])+math.Abs(hi[2]-want[2])+math.Abs(lo[1]+0.05) > 1e-5 {
		t.Errorf("bounds %v %v", lo, hi)
	}
	m, err := format.Model(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "obj/generated-blender/base.obj")))
	if err != nil {
		t.Fatal(err)
	}
	triangles := 0
	for _, o := range m.Objects {
		triangles += len(o.Mesh.Triangles)
	}
	if triangles != 468 {
		t.Errorf("%d triangles", triangles)
	}
}

// TestLineEnds: one file with both kinds of line ends is the same file.
func TestLineEnds(t *testing.T) {
	a, b := byID(t, string(formattest.Sample(t, "obj/assimp-edits/WusonOBJ.crlf.obj"))), byID(t, string(formattest.Sample(t, "obj/assimp-edits/WusonOBJ.lf.obj")))
	if len(a) == 0 || len(a) != len(b) {
		t.Fatal(len(a), len(b))
	}
	for id, e := range a {
		if o := b[id]; e.Hash() != o.Hash() {
			t.Errorf("%s: %+v, %+v", id, e, o)
		}
	}
}

func TestGraftOfSamples(t *testing.T) {
	base, edit := string(formattest.Sample(t, "obj/generated-blender/base.obj")), string(formattest.Sample(t, "obj/generated-blender/mesh.obj"))
	got := put(t, edit, base, "o:Vase")
	for _, key := range []string{"\nv ", "\nf ", "\no ", "\nusemtl ", "\ns "} { // normals that the other has more of stay, for the bowl comes after them
		if strings.Count(got, key) != strings.Count(base, key) {
			t.Errorf("%d of %q, want %d", strings.Count(got, key), key, strings.Count(base, key))
		}
	}
	if at := strings.Index(edit, "o Bowl"); !strings.HasSuffix(got, edit[at:]) {
		t.Error("what is behind the vase was changed")
	}
	// The vase is gone in the newer file: all that it needs comes back behind the rest.
	at, to := strings.Index(base, "o Vase"), strings.Index(base, "o Bowl")
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes([]byte(base)), "o:Vase")
	if err != nil {
		t.Fatal(err)
	}
	alone := string(formattest.All(t, x.Content))
	if vase, was := byID(t, alone)["o:Vase"], byID(t, base)["o:Vase"]; vase.Hash() != was.Hash() || !strings.HasPrefix(alone, "mtllib base.mtl\n") || strings.Count(alone, "\nv ") != strings.Count(base[at:to], "\nv ") {
		t.Errorf("alone: %+v", vase)
	}
	x, err = format.ExtractElement(t.Context(), Format{}, format.Bytes([]byte(base)), "o:Bowl")
	if err != nil {
		t.Fatal(err)
	}
	bowl := string(formattest.All(t, x.Content))
	both := put(t, bowl, base, "o:Vase")
	if !strings.HasPrefix(both, bowl) {
		t.Error("the bowl was changed")
	}
}

// TestGraftOfSpider: all vertices come first in this one.
func TestGraftOfSpider(t *testing.T) {
	spider := string(formattest.Sample(t, "obj/assimp/spider.obj"))
	other := strings.Replace(spider, "f 1", "f 2", 1)
	other = strings.Replace(other, "\nv ", "\nv 9", 1)
	for id := range byID(t, spider) {
		put(t, other, spider, id)
	}
}

func byID(t *testing.T, b string) map[string]format.Element {
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

// put grafts, and checks that the elements are those of from and all others those of into.
func put(t *testing.T, into, from string, ids ...string) string {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(into)), format.Bytes([]byte(from)), ids)
	if err != nil {
		t.Fatal(err)
	}
	got := string(formattest.All(t, g.Content))
	a, b, c := byID(t, into), byID(t, from), byID(t, got)
	for id, e := range c {
		want := a[id]
		for _, x := range ids {
			if id == x || strings.HasPrefix(id, x+"/") {
				want = b[id]
			}
		}
		if e.Hash() != want.Hash() {
			t.Errorf("%s is %+v, want %+v", id, e, want)
		}
		was := a[id]
		if slices.Contains(g.Changed, id) != (e.Hash() != was.Hash()) {
			t.Errorf("changed: %q", g.Changed)
		}
	}
	for id := range a {
		if c[id].ID == "" && !slices.ContainsFunc(ids, func(x string) bool { return strings.HasPrefix(id, x+"/") }) {
			t.Errorf("%s is lost", id)
		}
	}
	return got
}

const older = `mtllib a.mtl
o A
v 0 0 0
v 1 0 0
v 0 1 0
usemtl Red
f 1 2 3
o B
v 0 0 1
v 1 0 1
v 0 1 1
v 1 1 1
s 1
f 4 5 6
g in B
f -1 -2 -3
o C
v 0 0 2
v 1 0 2
v 0 1 2
f 8 9 10
`

const newer = `mtllib a.mtl
o A
v 0 0 0
v 1 0 0
v 0 1 0
usemtl Green
f 1 2 3
o B
v 0 0 1
v 2 0 1
v 0 2 1
s 2
f 4 5 6 # two less
o C
v 0 0 2
v 1 0 2
v 0 1 2
f -3 -2 -1
f 7 8 1
`

func TestGraft(t *testing.T) {
	if got, want := put(t, newer, older, "o:A"), strings.Replace(strings.Replace(newer, "Green", "Red", 1), "f 1 2 3\n", "f 1 2 3\nusemtl Green\n", 1); got != want {
		t.Errorf("got %s\nwant %s: B and C must stay green", got, want)
	}
	want := `mtllib a.mtl
o A
v 0 0 0
v 1 0 0
v 0 1 0
usemtl Green
f 1 2 3
v 0 0 1
v 1 0 1
v 0 1 1
s 2
o C
v 0 0 2
v 1 0 2
v 0 1 2
f -3 -2 -1
f 7 8 1
o B
v 1 1 1
usemtl Red
s 1
f 4 5 6
g in B
f 10 6 5
`
	if got := put(t, newer, older, "o:B"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := put(t, want, older, "o:B"); got != want {
		t.Errorf("once more: %s", got)
	}
	put(t, newer, older, "o:C")
	put(t, newer, older, "o:A", "o:B", "o:C")
	put(t, older, newer, "o:A", "o:B", "o:C")
	put(t, "o A\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3", older, "o:B", "o:C")
	put(t, newer, older, "o:B/g:in B")
}

func TestGraftRefuses(t *testing.T) {
	for name, c := range map[string]struct{ into, from, id string }{
		"free-form":               {"curv 0 1 1 2\n" + newer, older, "o:A"},
		"points":                  {"o A\nv 0 0 0\n", "o A\nv 0 0 1\n", "o:A"},
		"loose":                   {"o A\nv 0 0 0\nf 1 1 1\n", "v 0 0 1\nv 0 0 2\nf 1 1 2\n", "mesh"},
		"no name for no material": {"usemtl G\no A\nv 0 0 0\nf 1 1 1\n", "o A\nv 0 0 1\nf 1 1 1\n", "o:A"},
		"no object":               {"o A\nv 0 0 0\nf 1 1 1\n", "g B\nv 0 0 1\nf 1 1 1\n", "g:B"},
	} {
		_, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(c.into)), format.Bytes([]byte(c.from)), []string{c.id})
		var refusal *format.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOrderIsNoContent: vertices in another order, faces that begin elsewhere and other numbers for the same are no
// change; a moved vertex is.
func TestOrderIsNoContent(t *testing.T) {
	a := byID(t, "o A\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\nf 1 3 2\n")["o:A"]
	b := byID(t, "o A\nv 1 1 0\nv 9 9 9\nv 0 1e0 -0\nv 0 0 0.00\nv 1 0 0\nf 4 1 5\nf -5 -3 -2 -1\n")["o:A"]
	if a.Hash() != b.Hash() {
		t.Errorf("%+v\n%+v", a, b)
	}
	c := byID(t, "o A\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0.001\nf 1 2 3 4\nf 1 3 2\n")["o:A"]
	if a.Hash() == c.Hash() {
		t.Error("a vertex was moved")
	}
}

func TestMalformed(t *testing.T) {
	for _, b := range []string{"", "# only words\n", "v 1 2", "v 0 0 0\nf 1 1 2\n", "v 0 0 0\nf 1 0 1\n", "v 0 0 0\nf 1 -2 1\n", "v 0 0 0\nf 1 1 1/", "v 0 0 0\nf 1 1", "v 0 0 0\nf 1/1/1 1 1\n", "v 0 0 0\nf 1 1 x\n", "v 0 0 0\nf 99999999999 1 1\n"} {
		for what, err := range map[string]error{
			"validate": (Format{}).Validate(t.Context(), format.Bytes([]byte(b))),
			"elements": func() error { _, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(b))); return err }(),
		} {
			if !errors.Is(err, format.ErrMalformed) {
				t.Errorf("%s of %q: %v", what, b, err)
			}
		}
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes([]byte("v 0 0 0\nl 1 1\nf 1 1\np 1\nf 1 1 1"))); err != nil {
		t.Error(err)
	}
}

const library1 = "# x\nnewmtl Red\nKd 1 0 0.50\nmap_Kd -o 0.5 0 0 -s 2 2 -bm 1.5 my tex.png\n\n# of Blue\nnewmtl Blue\nKd 0 0 1\nmap_Bump sub\\b.png \nrefl -type cube_top top.png"

func TestReferences(t *testing.T) {
	refs := func(f format.Format, text string) (out []string) {
		list, err := format.References(t.Context(), f, format.Bytes([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			out = append(out, r.Raw+"|"+r.Path+"|"+r.Element)
			if text[r.Off:r.Off+r.Len] != r.Raw {
				t.Errorf("%+v", r)
			}
		}
		return out
	}
	if got, want := refs(Library{}, library1), []string{"my tex.png|my tex.png|Red", `sub\b.png|sub/b.png|Blue`, "top.png|top.png|Blue"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	const text = "mtllib a b.mtl ./c.MTL d.mtl\r\nv 0 0 0\n#mtllib no.mtl\nmtllib \"q r.mat\"\\\n\nshadow_obj s.obj\n"
	if got, want := refs(Format{}, text), []string{"a b.mtl|a b.mtl|", "./c.MTL|c.MTL|", "d.mtl|d.mtl|", "q r.mat|q r.mat|", "s.obj|s.obj|"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	out, err := format.Rewrite(t.Context(), Library{}, format.Bytes([]byte(library1)), map[string]string{"my tex.png": "one.png", "top.png": "two.png"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(formattest.All(t, out)), strings.NewReplacer("my tex.png", "one.png", "top.png", "two.png").Replace(library1); got != want {
		t.Errorf("%s", got)
	}
	for _, bad := range []string{"", "-s 1 a.png", "a\nb", " a"} {
		var refusal *format.Refusal
		if _, err := format.Rewrite(t.Context(), Library{}, format.Bytes([]byte(library1)), map[string]string{"top.png": bad}); !errors.As(err, &refusal) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLibraryGraft(t *testing.T) {
	into := strings.Replace(library1, "1 0 0.50", "1 1 1", 1)
	g, err := format.Graft(t.Context(), Library{}, format.Bytes([]byte(into)), format.Bytes([]byte(library1)), []string{"Red", "Blue"})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(formattest.All(t, g.Content)); got != library1 || !slices.Equal(g.Changed, []string{"Red"}) {
		t.Errorf("%q %s", g.Changed, got)
	}
	g, err = format.Graft(t.Context(), Library{}, format.Bytes([]byte("newmtl Red\nKd 1 1 1")), format.Bytes([]byte(library1)), []string{"Blue"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(formattest.All(t, g.Content)), "newmtl Red\nKd 1 1 1\n\n"+library1[strings.Index(library1, "newmtl Blue"):]+"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// BenchmarkModel: a grid of half a million vertices, a million triangles.
func BenchmarkModel(b *testing.B) {
	var text strings.Builder
	const n = 708
	for y := range n {
		for x := range n {
			fmt.Fprintf(&text, "v %.6f %.6f %.6f\nvn 0.0000 0.0000 1.0000\n", float64(x)/7, float64(y)/7, math.Sin(float64(x*y)))
		}
	}
	for y := range n - 1 {
		for x := range n - 1 {
			k := y*n + x + 1
			fmt.Fprintf(&text, "f %d//%d %d//%d %d//%d\nf %d//%d %d//%d %d//%d\n", k, k, k+1, k+1, k+n, k+n, k+1, k+1, k+n+1, k+n+1, k+n, k+n)
		}
	}
	in := format.Bytes([]byte(text.String()))
	for name, do := range map[string]func() error{
		"model":    func() error { _, err := Format{}.Model(b.Context(), in); return err },
		"elements": func() error { _, err := Format{}.Elements(b.Context(), in); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(in.Size())
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestMaterialsBeside: the colours of the first library that has a material count, and a picture says what it lacks.
func TestMaterialsBeside(t *testing.T) {
	text := format.Bytes([]byte("mtllib a b.mtl c.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nusemtl red\nf 1 2 3\nusemtl blue\nf 1 3 2\nusemtl lost\nf 2 3 1\n"))
	f := formattest.Folder{Input: text, Files: map[string][]byte{"a b.mtl": []byte("newmtl red\nKd 1 0.25 0\n"), "c.mtl": []byte("newmtl red\nKd 0 0 0\nnewmtl blue\nKd 0 0 1\n")}}
	m, err := format.Model(t.Context(), Format{}, f)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][4]float32{"red": {1, 0.25, 0, 1}, "blue": {0, 0, 1, 1}, "lost": {0.55, 0.55, 0.55, 1}}
	for _, mat := range m.Materials {
		if mat.Color != want[mat.Name] {
			t.Errorf("%s is %v", mat.Name, mat.Color)
		}
	}
	for _, c := range []struct {
		files map[string][]byte
		note  bool
	}{{f.Files, true}, {nil, true}, {map[string][]byte{"a b.mtl": []byte("newmtl red\nnewmtl blue\nnewmtl lost\n")}, false}, {map[string][]byte{"a b.mtl": []byte("nonsense")}, true}} {
		p, err := format.Show(t.Context(), Format{}, formattest.Folder{Input: text, Files: c.files}, 32)
		if err != nil || (p.Note != "") != c.note {
			t.Errorf("%v: %+v, %v", c.files, p, err)
		}
	}
}

// TestUniformMaterial: another shape of one material is a change of shape alone; another material is told, on all faces or
// on some.
func TestUniformMaterial(t *testing.T) {
	const text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nusemtl a\no X\nf 1 2 3\nf 2 4 3\n"
	base := byID(t, text)["o:X"]
	for edit, want := range map[[2]string]string{{"v 1 1 0", "v 2 2 0"}: "geometry", {"usemtl a", "usemtl b"}: "properties", {"f 2 4 3", "usemtl b\nf 2 4 3"}: "materials properties", {"usemtl a\n", ""}: "properties"} {
		e := byID(t, strings.Replace(text, edit[0], edit[1], 1))["o:X"]
		var got []string
		for _, name := range []string{"geometry", "materials"} {
			if e.Aspects[name] != base.Aspects[name] {
				got = append(got, name)
			}
		}
		if e.Properties["materials"] != base.Properties["materials"] {
			got = append(got, "properties")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %v, want %s", edit, got, want)
		}
	}
}
