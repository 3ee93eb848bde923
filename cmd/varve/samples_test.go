package main

import (
	"errors"
	"maps"
	"path"
	"slices"
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
