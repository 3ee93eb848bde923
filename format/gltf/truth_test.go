package gltf

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/mesh"
)

func modelFrom(t testing.TB, b []byte) *mesh.Model {
	t.Helper()
	m, err := format.Model(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestKenneyEdits: what is known of the real exports of an artist, is found: triangles that are the same in whatever order,
// texture coordinates and normals at their corners, numbers, new names.
func TestKenneyEdits(t *testing.T) {
	var truth struct {
		Pairs map[string]struct {
			Vertices, Triangles [2]int
			Renamed             []string
			Same                bool  `json:"same triangles (positions)"`
			UVs                 *bool `json:"uv at the same corners equal"`
			Normals             *bool `json:"normals at the same corners equal"`
		}
	}
	if err := json.Unmarshal(formattest.Sample(t, "gltf/kenney-edits/TRUTH.json"), &truth); err != nil {
		t.Fatal(err)
	}
	if len(truth.Pairs) < 10 {
		t.Fatalf("%d pairs", len(truth.Pairs))
	}
	for name, want := range truth.Pairs {
		t.Run(name, func(t *testing.T) {
			old, young, _ := strings.Cut(name, " -> ")
			a := modelFrom(t, formattest.Sample(t, "gltf/kenney-edits/"+old))
			b := modelFrom(t, formattest.Sample(t, "gltf/kenney-edits/"+young))
			c, err := mesh.Compare(t.Context(), a, b, mesh.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Pairs) != len(b.Objects) && want.Renamed == nil {
				t.Errorf("%d objects were paired to %d", len(b.Objects), len(c.Pairs))
			}
			for i, m := range []*mesh.Model{a, b} {
				s, err := m.Measure(t.Context())
				if err != nil || s.Vertices != want.Vertices[i] || s.Triangles != want.Triangles[i] {
					t.Errorf("%d vertices, %d triangles, %v; not %d and %d", s.Vertices, s.Triangles, err, want.Vertices[i], want.Triangles[i])
				}
			}
			changed := slices.ContainsFunc(c.Pairs, func(p mesh.Pair) bool {
				return p.Verdict == mesh.Changed || p.Verdict == mesh.Moved || p.A < 0 || p.B < 0
			})
			if changed == want.Same {
				t.Errorf("the shape changed: %t: %+v", changed, c.Pairs)
			}
			if !want.Same {
				if p := &c.Pairs[0]; old == "coin.v1.glb" && (p.Verdict != mesh.Moved || math.Abs(p.Move.Angle-math.Pi/2) > 1e-4 || math.Abs(p.Move.Axis[1]) < 0.999) {
					t.Errorf("the coin was turned by a right angle, its triangles in another order: %+v", p)
				}
				return
			}
			p := &c.Pairs[0]
			if p.Renamed != (want.Renamed != nil) {
				t.Errorf("renamed: %t", p.Renamed)
			}
			if want.UVs != nil && slices.Contains(p.Attributes, "uvs") == *want.UVs {
				t.Errorf("uvs differ: %v", p.Attributes)
			}
			if want.Normals != nil && slices.Contains(p.Attributes, "normals") == *want.Normals {
				t.Errorf("normals differ: %v", p.Attributes)
			}
		})
	}
}

// TestBlenderEdits: the three edits of a scene are found to be just that.
func TestBlenderEdits(t *testing.T) {
	sample := func(name string) []byte { return formattest.Sample(t, "gltf/generated-blender/"+name) }
	base := sample("base.glb")
	for name, want := range map[string][]string{
		"mesh.glb": {"mesh:VaseMesh"}, "moved.glb": {"node:Vase"}, "material.glb": {"material:Glaze"}, "base.glb": nil,
	} {
		if d := differing(hashes(t, base), hashes(t, sample(name))); !slices.Equal(d, want) {
			t.Errorf("%s: %v differ, not %v", name, d, want)
		}
	}
	compare := func(name string) *mesh.Pair {
		c, err := mesh.Compare(t.Context(), modelFrom(t, base), modelFrom(t, sample(name)), mesh.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out *mesh.Pair
		for i := range c.Pairs {
			if p := &c.Pairs[i]; p.Name == "Vase" {
				out = p
			} else if p.Verdict != mesh.Same && name != "material.glb" {
				t.Errorf("%s: %+v", name, p)
			}
		}
		return out
	}
	p := compare("mesh.glb")
	if p.Verdict != mesh.Changed || !p.Deviation.Exact || p.Deviation.Changed != 24 || math.Abs(p.Deviation.Hausdorff()-0.125) > 1e-6 {
		t.Errorf("24 vertices went up by 0.125: %+v %+v", p, p.Deviation)
	}
	p = compare("moved.glb")
	if p.Verdict != mesh.Moved || math.Abs(p.Move.Translation[0]-0.35) > 1e-6 || math.Abs(p.Move.Translation[2]+0.2) > 1e-6 || p.Move.Angle != 0 {
		t.Errorf("moved by 0.35, 0, -0.2: %+v %+v", p, p.Move)
	}
	if p = compare("material.glb"); p.Verdict != mesh.Painted {
		t.Errorf("painted: %+v", p)
	}
	for name, area := range map[string]float64{"base.glb": 15.5207, "mesh.glb": 15.65783} {
		s, err := modelFrom(t, sample(name)).Measure(t.Context())
		if err != nil || math.Abs(s.Area-area) > 2e-5 || s.Triangles != 468 {
			t.Errorf("%s: area %v, %d triangles, %v", name, s.Area, s.Triangles, err)
		}
	}
}

// TestReferences: what other files are needed, decoded, and where it is said.
func TestReferences(t *testing.T) {
	for name, want := range map[string]string{
		"qmuntal/Box With Spaces/glTF/Box With Spaces.gltf": "texture Normal%20Map.png Normal Map.png; texture Roughness%20Metallic.png Roughness Metallic.png; texture glTF%20Logo%20With%20Spaces.png glTF Logo With Spaces.png; buffer Box With Spaces.bin Box With Spaces.bin",
		"kenney-edits/cloud.v1.glb":                         "texture Textures/colormap.png Textures/colormap.png",
		"assimp/BoxTextured-glTF-Embedded/BoxTextured.gltf": "",
		"generated-blender/base.glb":                        "",
		"generated-blender/base.gltf":                       "buffer base.bin base.bin; texture wood.png wood.png",
	} {
		t.Run(name, func(t *testing.T) {
			b := formattest.Sample(t, "gltf/"+name)
			refs, err := format.References(t.Context(), Format{}, format.Bytes(b))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range refs {
				got = append(got, r.Kind+" "+r.Raw+" "+r.Path)
				if string(b[r.Off:r.Off+r.Len]) != r.Raw || r.Style != format.Relative {
					t.Errorf("%+v", r)
				}
			}
			slices.Sort(got)
			parts := strings.Split(want, "; ")
			slices.Sort(parts)
			if strings.Join(got, "; ") != strings.Join(parts, "; ") {
				t.Errorf("%q\nnot\n%q", got, parts)
			}
		})
	}
}

func TestStyles(t *testing.T) {
	for uri, want := range map[string]struct {
		path  string
		style format.Style
	}{
		"a%20b.png":           {"a b.png", format.Relative},
		"..\\tex\\a.png":      {"../tex/a.png", format.Relative},
		"100%.png":            {"100%.png", format.Relative},
		"C:/a.png":            {"C:/a.png", format.Absolute},
		"/a.png":              {"/a.png", format.Absolute},
		"file:///home/a.png":  {"/home/a.png", format.Absolute},
		"https://x.org/a.png": {"https://x.org/a.png", format.URL},
		"%C3%BC.png":          {"ü.png", format.Relative},
	} {
		if p, s := style(uri); p != want.path || s != want.style {
			t.Errorf("%q: %q %s", uri, p, s)
		}
	}
}

// TestRewrite: the URI is changed and nothing else, whichever way it is longer; a GLB's lengths are right.
func TestRewrite(t *testing.T) {
	for _, to := range []string{"Textures/c.png", "Textures/another%20place/colormap.png", "a", "ab"} {
		b := formattest.Sample(t, "gltf/kenney-edits/cloud.v1.glb")
		out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{"Textures/colormap.png": to, "x": "y"})
		if err != nil {
			t.Fatal(err)
		}
		got := formattest.All(t, out)
		if len(got)%4 != 0 {
			t.Errorf("a GLB of %d bytes", len(got))
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(got)); err != nil {
			t.Error(err)
		}
		refs, err := format.References(t.Context(), Format{}, format.Bytes(got))
		if err != nil || len(refs) != 1 || refs[0].Raw != to {
			t.Errorf("%+v, %v", refs, err)
		}
		back, err := format.Rewrite(t.Context(), Format{}, format.Bytes(got), map[string]string{to: "Textures/colormap.png"})
		if err != nil || !bytes.Equal(formattest.All(t, back), b) {
			t.Errorf("and back: not the same file, %v", err)
		}
	}
	in := format.Bytes([]byte(`{"asset":{"version":"2.0"},"images":[{"uri":"a.png"}]}`))
	if _, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"a.png": `b"c`}); err == nil {
		t.Error("a quote was written into a string")
	}
}
