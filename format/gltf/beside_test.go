package gltf

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// split makes a .gltf and a .bin of a GLB with one buffer.
func split(t *testing.T, b []byte) formattest.Folder {
	t.Helper()
	d, err := open(format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Replace(d.b, []byte(`"buffers":[{`), []byte(`"buffers":[{"uri":"the%20scene.bin",`), 1)
	return formattest.Folder{Input: format.Bytes(text), Files: map[string][]byte{"the scene.bin": b[d.bin.off : d.bin.off+d.bin.n]}}
}

// TestBesides: a .gltf with its buffer beside it is what the GLB of both is.
func TestBesides(t *testing.T) {
	for name, b := range map[string][]byte{"still": still(), "arrays": arrays(`{"attributes":{"POSITION":0},"indices":1,"mode":5}`, "")} {
		f := split(t, b)
		list, err := format.Elements(t.Context(), Format{}, f)
		if err != nil {
			t.Fatal(name, err)
		}
		want := hashes(t, b)
		for _, e := range list {
			if e.Stable == "" {
				e.Stable = e.ID
			}
			if e.Hash() != want[e.Stable] {
				t.Errorf("%s: %s is another than in the GLB", name, e.Stable)
			}
		}
		m, err := format.Model(t.Context(), Format{}, f)
		if err != nil {
			t.Fatal(name, err)
		}
		whole := modelFrom(t, b)
		if len(m.Objects) != len(whole.Objects) || fmt.Sprint(m.Objects[0].Mesh.Positions) != fmt.Sprint(whole.Objects[0].Mesh.Positions) {
			t.Errorf("%s: another model than the GLB's", name)
		}
	}
}

// TestBesidesGraft: a mesh comes out of one buffer into a file that has another.
func TestBesidesGraft(t *testing.T) {
	from, into := split(t, still()), split(t, still(`"name":"Cup"`, `"name":"Cup","translation":[0,2,0]`))
	clear(into.Files["the scene.bin"])
	graft := func(into, from format.Input, ids ...string) (*format.Grafting, error) {
		return format.Graft(t.Context(), Format{}, into, from, ids)
	}
	g, err := graft(into, from, "meshes/0")
	if err != nil {
		t.Fatal(err)
	}
	result := format.InPlaceOf(format.Bytes(formattest.All(t, g.Content)), into)
	want, err := format.Elements(t.Context(), Format{}, from)
	if err != nil {
		t.Fatal(err)
	}
	got, err := format.Elements(t.Context(), Format{}, result)
	if err != nil {
		t.Fatal(err)
	}
	find := func(list []format.Element, id string) string {
		for i := range list {
			if list[i].ID == id {
				return list[i].Hash()
			}
		}
		t.Fatalf("no %s", id)
		return ""
	}
	if find(got, "meshes/0") != find(want, "meshes/0") {
		t.Error("the mesh is not as it was")
	}
	if find(got, "meshes/1") == find(want, "meshes/1") {
		t.Error("a mesh that was not meant came along")
	}
	text, err := format.ReadSpan(from, 0, from.Size(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := graft(from, from, "meshes/0"); err != nil || !bytes.Equal(formattest.All(t, g.Content), text) {
		t.Errorf("grafted into itself it is another: %v", err)
	}
	var refused *format.Refusal
	if _, err := graft(into, from.Input, "meshes/0"); !errors.As(err, &refused) {
		t.Errorf("without the buffer: %v, want a refusal", err)
	}
	short := formattest.Folder{Input: from.Input, Files: map[string][]byte{"the scene.bin": make([]byte, 10)}}
	if _, err := format.Model(t.Context(), Format{}, short); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("a buffer that is too short: %v", err)
	}
}
