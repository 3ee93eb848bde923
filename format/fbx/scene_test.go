package fbx

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// TestIDsAndEncodings: the same scene, with other ids and in another way, has the same elements; the aspects of what is
// changed differ, and no others.
func TestIDsAndEncodings(t *testing.T) {
	want, err := format.Elements(t.Context(), Format{}, format.Bytes(making{version: 7400}.file(rig(ids(1000), nil)...)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range want {
		names = append(names, e.ID)
	}
	if got := strings.Join(names, " "); got != "object:A[1] object:Turn object:Turn/A mesh:Quads material:Plain material:Wood texture:Wood image:wood pose:Bind settings:" {
		t.Errorf("%s", got)
	}
	if want[2].Parent != "object:Turn" || want[2].Bounds[0] != -2 || want[2].Bounds[4] != 4 {
		t.Errorf("%+v", want[2])
	}
	for name, k := range makings() {
		got, err := format.Elements(t.Context(), Format{}, format.Bytes(k.file(rig(ids(777777777777), nil)...)))
		if d := formattest.Differ(want, got); d != "" || err != nil {
			t.Errorf("%s: %s, %v", name, d, err)
		}
	}
	edited := rig(ids(5), nil)
	edited[2].kids[0].kids[0].values[0].([]float64)[0] = 0.5
	got, err := format.Elements(t.Context(), Format{}, format.Bytes(making{version: 7400}.file(edited...)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if changed := got[i].Hash() != want[i].Hash(); changed != (got[i].Kind == "mesh") {
			t.Errorf("%s: %v", got[i].ID, changed)
		}
	}
}

// TestModel: places, materials of polygons, colours, units; a picture that is in the file lies on what shows it.
func TestModel(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	m.Set(0, 0, color.NRGBA{9, 8, 7, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	for name, k := range makings() {
		content := b.Bytes()
		if k.text {
			content = []byte(base64.StdEncoding.EncodeToString(content))
		}
		in := format.Bytes(k.file(rig(ids(1), content)...))
		got, err := format.Model(t.Context(), Format{}, in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got.Objects) != 2 || got.Unit != 1 || got.Up != 'Z' || len(got.Materials) != 2 {
			t.Fatalf("%s: %+v", name, got)
		}
		a := got.Objects[0].Mesh
		if a.Faces != 2 || len(a.Triangles) != 4 || len(a.Groups) != 2 || got.Materials[a.Groups[0].Material].Name != "Plain" || a.Positions[a.Triangles[0][1]] != [3]float64{2, 0, 0} {
			t.Errorf("%s: %+v", name, a)
		}
		if c := got.Materials[0].Color; c != [4]float32{0.5, 0.25, 0, 1} || got.Materials[0].Texture != nil {
			t.Errorf("%s: %v", name, c)
		}
		x := got.Materials[1].Texture
		if x == nil {
			t.Fatalf("%s: no texture", name)
		}
		if p, err := x.Load(); err != nil || p.Width != 2 || p.U8[0] != 9 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		refs, err := format.References(t.Context(), Format{}, in)
		if err != nil || len(refs) != 0 {
			t.Errorf("%s: a packed file is needed: %v, %v", name, refs, err)
		}
		for _, id := range []string{"texture:Wood", "image:wood"} {
			e, err := format.ExtractElement(t.Context(), Format{}, in, id)
			if err != nil || e.Extension != ".png" || !bytes.Equal(formattest.All(t, e.Content), b.Bytes()) {
				t.Errorf("%s: %s: %v", name, id, err)
			}
		}
		if _, err := format.ExtractElement(t.Context(), Format{}, in, "mesh:Quads"); !errors.Is(err, format.ErrUnsupported) {
			t.Error(err)
		}
		if _, err := format.ExtractElement(t.Context(), Format{}, in, "mesh:Q"); !errors.Is(err, format.ErrNoElement) {
			t.Error(err)
		}
	}
	in := formattest.Folder{Input: format.Bytes(making{version: 7400}.file(rig(ids(1), nil)...)), Files: map[string][]byte{"tex/wood.png": b.Bytes()}}
	got, err := format.Model(t.Context(), Format{}, in)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := got.Materials[1].Texture.Load(); err != nil || p.Width != 2 {
		t.Errorf("beside: %v", err)
	}
}

// TestRewrite: shorter and longer paths take the places of others; the file is the one that would have been made with
// them, to the byte: all ends, lengths and the zeros of the footer.
func TestRewrite(t *testing.T) {
	for _, next := range []string{"a.png", `textures\very\far\away\from\here\wood ü.png`} {
		for name, k := range makings() {
			with := func(path string) []byte {
				list := rig(ids(1), nil)
				list[2].kids[6].kids[2].values[0] = path
				list[2].kids[7].kids[3].values[0] = path
				return k.file(list...)
			}
			before := with(`tex\wood.png`)
			in := format.Bytes(before)
			refs, err := format.References(t.Context(), Format{}, in)
			if err != nil || len(refs) != 5 {
				t.Fatalf("%s: %v, %v", name, refs, err)
			}
			for _, r := range refs {
				if (r.Style == format.Absolute) != r.Optional || r.Style == format.Relative && r.Path != "tex/wood.png" {
					t.Errorf("%s: %+v", name, r)
				}
			}
			out, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{`tex\wood.png`: next, "other": "x"})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := formattest.All(t, out); !bytes.Equal(got, with(next)) {
				t.Errorf("%s: %s: %d bytes, want %d", name, next, len(got), len(with(next)))
			}
			out, err = format.Rewrite(t.Context(), Format{}, in, map[string]string{"other": "x"})
			if err != nil || !bytes.Equal(formattest.All(t, out), before) {
				t.Errorf("%s: nothing: %v", name, err)
			}
			var refusal *format.Refusal
			for _, bad := range []string{"", "a\x00b", "\xff"} {
				if _, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{`tex\wood.png`: bad}); !errors.As(err, &refusal) {
					t.Errorf("%s: %q: %v", name, bad, err)
				}
			}
		}
	}
}
