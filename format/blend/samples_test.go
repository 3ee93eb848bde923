package blend

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// samples are the files that are whole.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for name, b := range formattest.Files(t, "blend", ".blend") {
		if !strings.Contains(name, "damaged") && !strings.Contains(name, "corrupt") {
			out[name] = b
		}
	}
	return out
}

func TestSamples(t *testing.T) { formattest.Run(t, Format{}, samples(t)) }

// TestSamplesDamaged: files that a text conversion cut, and one that has a header and an end only, are found.
func TestSamplesDamaged(t *testing.T) {
	for dir, want := range map[string]int{"blend/assimp-crlf-damaged": 4, "blend/blender-asset-tracer": 1} {
		t.Run(dir, func(t *testing.T) {
			n := 0
			for name, b := range formattest.Files(t, dir, ".blend") {
				if strings.Contains(name, "damaged") || strings.Contains(name, "corrupt") {
					n++
					if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
			if n != want {
				t.Errorf("%d files", n)
			}
		})
	}
}

// TestSampleEdits: what Blender saved after a known edit differs in that, and in nothing else.
func TestSampleEdits(t *testing.T) {
	dir := "blend/generated-blender/"
	base := list(t, formattest.Sample(t, dir+"base.blend"))
	for name, want := range map[string]map[string]string{
		"base.zstd":          {},
		"resaved":            {},
		"moved":              {"OBVase": "location transform"},
		"moved.same-session": {"OBBook": "location rotation transform"},
		"mesh":               {"MEVaseMesh": "geometry"},
		"deleted":            {"OBBowl": "-", "MEBowlMesh": "-", "GRProps": "data objects"},
		"material":           {"MAGlaze": "base color nodes"},
	} {
		if got := differences(base, list(t, formattest.Sample(t, dir+name+".blend"))); !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	var truth struct {
		Base struct {
			Meshes map[string]struct{ Vertices, Polygons int }
		}
	}
	if err := json.Unmarshal(formattest.Sample(t, dir+"TRUTH.json"), &truth); err != nil {
		t.Fatal(err)
	}
	for _, o := range modelled(t, formattest.Sample(t, dir+"base.blend")).Objects {
		want := truth.Base.Meshes[o.Name+"Mesh"]
		if len(o.Mesh.Positions) != want.Vertices || o.Mesh.Faces != want.Polygons || want.Vertices == 0 {
			t.Errorf("%s: %d vertices, %d faces; want %+v", o.Name, len(o.Mesh.Positions), o.Mesh.Faces, want)
		}
	}
}

// TestSampleReferences: the lists that the files' own project publishes.
func TestSampleReferences(t *testing.T) {
	dir := "blend/blender-asset-tracer/"
	video := "//../../../../cloud/pillar/testfiles/video"
	for name, want := range map[string]string{
		"basic_file":                      "",
		"basic_file_compressed":           "",
		"basic_file_compressed_zstd":      "",
		"basic_file_zstandard":            "",
		"basic_file_ñønæščii":             "",
		"linked_cube":                     "//basic_file.blend",
		"doubly_linked":                   "//linked_cube.blend //material_textures.blend",
		"subdir/doubly_linked_up":         "//../linked_cube.blend //../material_textures.blend",
		"subdir/doubly_linked_up-windows": `//..\linked_cube.blend //..\material_textures.blend`,
		"recursive_dependency_1":          "//recursive_dependency_2.blend",
		"recursive_dependency_2":          "//recursive_dependency_1.blend",
		"image_sequencer":                 "//imgseq/000210.png* " + strings.Repeat(video+"-tiny.mkv ", 3),
		"subdir/image_sequence_dir_up":    "//../imgseq/000210.png*",
		"udim/v01_UDIM_BAT_debugging":     "//cube_UDIM.color.<UDIM>.png*",
		"movieclip":                       video + ".mov",
		"multires_external":               "//Cube.btx",
		"T55539-particles/particle":       "//blendcache_particle/43756265_*.bphys*",
	} {
		refs, err := format.References(t.Context(), Format{}, format.Bytes(formattest.Sample(t, dir+name+".blend")))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, r := range refs {
			if r.Sequence {
				r.Raw += "*"
			}
			got = append(got, r.Raw)
		}
		if want = strings.TrimSpace(want); strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for name, n := range map[string]int{"basic_file": 965} {
		f, err := open(t.Context(), format.Bytes(formattest.Sample(t, dir+name+".blend")))
		if err != nil || len(f.blocks) != n {
			t.Errorf("%s: %d blocks, %v", name, len(f.blocks), err)
		}
		if _, ok := f.named["OBümlaut"]; !ok {
			t.Errorf("%s has no object ümlaut", name)
		}
	}
}

// TestSampleModels: what is known of the files by their names, on each machine.
func TestSampleModels(t *testing.T) {
	for name, want := range map[string][2]int{
		"4Cubes4Mats_248":                {4, 48},
		"CubeHierarchy_248":              {11, 122},
		"TorusLightsCams_250_compressed": {1, 4608}, // 48×48 quadrilaterals
		"TexturedPlane_ImageUv_248":      {1, 2},
		"MirroredCube_252":               {2, 24},
		"yxa_1":                          {1, 1808},
	} {
		m := modelled(t, formattest.Sample(t, "blend/assimp/"+name+".blend"))
		n := 0
		for _, o := range m.Objects {
			n += len(o.Mesh.Triangles)
		}
		if len(m.Objects) != want[0] || n != want[1] {
			t.Errorf("%s: %d objects, %d triangles", name, len(m.Objects), n)
		}
	}
}
