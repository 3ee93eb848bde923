package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"varve/creative"
	"varve/format"
	"varve/format/formattest"
)

// TestGraftsOfSamples plans the graft of elements of every version of real files into the next one: each is done and
// proved, or refused with a reason. Nothing is a defect of a format.
func TestGraftsOfSamples(t *testing.T) {
	for dir, ext := range map[string]string{"kra/generated-krita": ".kra", "ora/generated-krita": ".ora", "xcf/generated-gimp": ".xcf", "psd/psd-tools-edits": ".psd", "psd/generated-krita": ".psd",
		"aseprite/asefile-edits": ".aseprite", "blend/generated-blender": ".blend", "gltf/generated-blender": ".glb", "gltf/kenney-edits": ".glb"} {
		t.Run(dir, func(t *testing.T) {
			files := formattest.Files(t, dir, ext)
			names := slices.Sorted(maps.Keys(files))
			done := 0
			for i := 1; i < len(names); i++ {
				// Versions are name.v1, name.v2, …; the generated ones all come from the first.
				from, into := names[i-1], names[i]
				stem, _, versions := strings.Cut(into, ".v")
				if versions && !strings.HasPrefix(from, stem+".v") {
					continue
				}
				if !versions {
					from = names[0]
				}
				done += graftAll(t, files, from, into)
			}
			if done == 0 {
				t.Error("no graft was done")
			}
		})
	}
}

// graftAll plans the graft of each of the first elements, and returns how many could be done.
func graftAll(t *testing.T, files map[string][]byte, from, into string) (done int) {
	t.Helper()
	st := &creative.Studio{Formats: formats()}
	var both [2]*creative.Item
	for i, name := range []string{from, into} {
		var err error
		if both[i], err = st.OpenLoose(path.Base(name), format.Bytes(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	list, err := both[0].Elements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list[:min(len(list), 20)] {
		_, err := st.PlanGraft(t.Context(), both[1], both[0], []string{e.ID})
		var refusal *format.Refusal
		switch {
		case err == nil:
			done++
		case !errors.As(err, &refusal) || refusal.Reason == "":
			t.Errorf("%s %s of %s into %s: %v", e.Kind, e.Name, from, into, err)
		}
	}
	return done
}

// TestSavedAgain: a file that was saved or exported again without an edit is no change, whatever its bytes are; one with an
// edit is.
func TestSavedAgain(t *testing.T) {
	two := func(old, edited string) func(*testing.T) (a, b []byte) {
		return func(t *testing.T) (a, b []byte) { return formattest.Sample(t, old), formattest.Sample(t, edited) }
	}
	turned := func(at string, turn func(*testing.T, []byte) []byte) func(*testing.T) (a, b []byte) {
		return func(t *testing.T) (a, b []byte) {
			a = formattest.Sample(t, at)
			return a, turn(t, a)
		}
	}
	for _, c := range []struct {
		name      string
		files     func(*testing.T) (old, edited []byte)
		identical bool
	}{
		{"saved twice.kra", two("kra/generated-krita/base.kra", "kra/generated-krita/resaved.kra"), true},
		{"edited.kra", two("kra/generated-krita/base.kra", "kra/generated-krita/hull-stripe.kra"), false},
		{"two sessions.blend", two("blend/generated-blender/base.blend", "blend/generated-blender/resaved.blend"), true},
		{"compressed.blend", two("blend/generated-blender/base.blend", "blend/generated-blender/base.zstd.blend"), true},
		{"edited.blend", two("blend/generated-blender/base.blend", "blend/generated-blender/moved.blend"), false},
		{"renumbered.glb", turned("gltf/generated-blender/base.glb", renumbered), true},
		{"edited.glb", two("gltf/generated-blender/base.glb", "gltf/generated-blender/mesh.glb"), false},
		{"shuffled.stl", turned("stl/generated-blender/base.stl", shuffledSTL), true},
		{"shuffled spider.stl", turned("stl/assimp/Spider_binary.stl", shuffledSTL), true},
		{"edited.stl", two("stl/generated-blender/base.stl", "stl/generated-blender/mesh.stl"), false},
		{"shuffled.obj", turned("obj/generated-blender/base.obj", shuffledOBJ), true},
		{"shuffled spider.obj", turned("obj/assimp/spider.obj", shuffledOBJ), true},
		{"edited.obj", two("obj/generated-blender/base.obj", "obj/generated-blender/mesh.obj"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, edited := c.files(t)
			st := &creative.Studio{Formats: formats()}
			if bytes.Equal(old, edited) {
				t.Fatal("they are the same bytes")
			}
			a, err := st.OpenLoose(c.name, format.Bytes(old))
			if err != nil {
				t.Fatal(err)
			}
			b, err := st.OpenLoose(c.name, format.Bytes(edited))
			if err != nil {
				t.Fatal(err)
			}
			v, err := st.Visual(t.Context(), a, b, creative.VisualOptions{})
			if err != nil || v.Kind == "bytes" || v.Identical != c.identical {
				t.Errorf("%+v, %v; elements %+v", v, err, v.Elements)
			}
		})
	}
}

// renumbered is a GLB with its accessors and views in the other order.
func renumbered(t *testing.T, b []byte) []byte {
	t.Helper()
	n := binary.LittleEndian.Uint32(b[12:])
	var doc map[string]any
	if err := json.Unmarshal(b[20:20+n], &doc); err != nil {
		t.Fatal(err)
	}
	turn := func(list string) float64 {
		all := doc[list].([]any)
		slices.Reverse(all)
		return float64(len(all) - 1)
	}
	lastArray, lastView := turn("accessors"), turn("bufferViews")
	var walk func(in any, key string) any
	walk = func(in any, key string) any {
		switch v := in.(type) {
		case map[string]any:
			for k := range v {
				name := k
				if key == "attributes" {
					name = "indices"
				}
				v[k] = walk(v[k], name)
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i], "")
			}
		case float64:
			switch key {
			case "indices", "input", "output", "inverseBindMatrices":
				return lastArray - v
			case "bufferView":
				return lastView - v
			}
		}
		return in
	}
	text, err := json.Marshal(walk(doc, ""))
	if err != nil {
		t.Fatal(err)
	}
	for len(text)%4 > 0 {
		text = append(text, ' ')
	}
	rest := b[20+n:]
	out := append([]byte("glTF"), 2, 0, 0, 0)
	out = binary.LittleEndian.AppendUint32(out, uint32(20+len(text)+len(rest)))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(text)))
	return append(append(append(out, "JSON"...), text...), rest...)
}

// shuffledSTL is a binary STL with its facets in another order.
func shuffledSTL(_ *testing.T, b []byte) []byte {
	out := slices.Clone(b[:84])
	r := rand.New(rand.NewPCG(1, 1))
	for _, i := range r.Perm((len(b) - 84) / 50) {
		out = append(out, b[84+50*i:][:50]...)
	}
	return out
}

// shuffledOBJ is an OBJ whose positions are in another order.
func shuffledOBJ(t *testing.T, b []byte) []byte {
	t.Helper()
	var positions []string
	var rest []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "v ") {
			positions = append(positions, line)
		} else {
			rest = append(rest, line)
		}
	}
	perm := rand.New(rand.NewPCG(2, 2)).Perm(len(positions)) // where the old one is now
	moved := make([]string, len(positions))
	for i, to := range perm {
		moved[to] = positions[i]
	}
	var out strings.Builder
	out.WriteString(strings.Join(moved, ""))
	for _, line := range rest {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "f" {
			out.WriteString(line)
			continue
		}
		out.WriteString("f")
		for _, w := range words[1:] {
			first, more, _ := strings.Cut(w, "/")
			n, err := strconv.Atoi(first)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, " %d/%s", perm[n-1]+1, more)
		}
		out.WriteString("\n")
	}
	return []byte(out.String())
}
