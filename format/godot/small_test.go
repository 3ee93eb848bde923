package godot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// TestMadeFiles holds the format to the contract without the samples.
func TestMadeFiles(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"a.tscn": []byte(scene4), "b.tscn": []byte(scene3), "project.godot": []byte(settings), "c.tscn": []byte(strings.ReplaceAll(scene4, "\n", "\r\n")), "x.gd.uid": []byte("uid://abc\n")})
	formattest.Run(t, Script{}, map[string][]byte{"a.gd": []byte(gdscript), "A.cs": []byte(csharp)})
	formattest.Run(t, Binary{}, map[string][]byte{"a.scn": made()})
}

func TestNames(t *testing.T) {
	for text, want := range map[string]format.Name{
		scene4: {ID: "uid://bgy8u8c4ge6oo"}, "uid://abc\n": {ID: "uid://abc", Beside: ".uid"},
		"[remap]\nuid=\"uid://x\"\n": {ID: "uid://x", Beside: ".import"}, "[remap]\nimporter=\"texture\"\n": {Beside: ".import"},
	} {
		got, err := format.Names(t.Context(), Format{}, format.Bytes([]byte(text)))
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%.30q: %v, %v", text, got, err)
		}
	}
	if got, err := format.Names(t.Context(), Format{}, format.Bytes([]byte(scene3))); len(got) > 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := format.Names(t.Context(), Script{}, format.Bytes([]byte("@tool\nclass_name Hero\nextends Node\n"))); err != nil || !slices.Equal(got, []format.Name{{ID: "class:Hero"}}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := format.Names(t.Context(), Format{}, format.Bytes([]byte(settings))); err != nil || !slices.Equal(got, []format.Name{{ID: "class:Audio", For: "scripts/audio.gd"}}) {
		t.Errorf("%v, %v", got, err)
	}
	for id, want := range map[uint64]string{0: "", 1: "uid://b", 34: "uid://ba", 34*34 - 1: "uid://88", 1 << 63: ""} {
		if got := uidText(id); got != want {
			t.Errorf("%d: %q, want %q", id, got, want)
		}
	}
}

// TestUID: the number of a texture in a binary mesh is what the texture's own note says as text.
func TestUID(t *testing.T) {
	files := samples(t, ".res", ".import")
	names, err := format.Names(t.Context(), Format{}, format.Bytes(files["kenney-platformer/models/Textures/colormap.png.import"]))
	refs, err2 := format.References(t.Context(), Binary{}, format.Bytes(files["kenney-platformer/meshes/brick.res"]))
	if err := errors.Join(err, err2); err != nil || len(refs) != 1 || refs[0].ID != names[0].ID || refs[0].Path != "models/Textures/colormap.png" {
		t.Errorf("%v, %v, %v", refs, names, err)
	}
}

func TestRewrite(t *testing.T) {
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(scene4)), map[string]string{"res://src/button.gd": "res://ui/knopf ä.gd", "res://art/icon.png": "res://i.png"})
	want := strings.NewReplacer("res://src/button.gd", "res://ui/knopf ä.gd", "res://art/icon.png", "res://i.png").Replace(scene4)
	if err != nil || string(formattest.All(t, out)) != want {
		t.Errorf("%v", err)
	}
	out, err = format.Rewrite(t.Context(), Script{}, format.Bytes([]byte(gdscript)), map[string]string{"res://a.tscn": "res://x/a.tscn", "res://comment.tscn": "no", "res://long.tscn": "no"})
	if err != nil || string(formattest.All(t, out)) != strings.Replace(gdscript, "res://a.tscn", "res://x/a.tscn", 1) {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "a\"b", `a\b`, "a\nb"} {
		var refusal *format.Refusal
		if _, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(scene4)), map[string]string{"res://src/button.gd": bad}); !errors.As(err, &refusal) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// differing are the ids of elements of two versions that are not the same.
func differing(t *testing.T, a, b string) string {
	t.Helper()
	was, is := all(t, []byte(a)), all(t, []byte(b))
	ids := map[string]bool{}
	for _, m := range []map[string]format.Element{was, is} {
		for id := range m {
			if was[id].ID == "" || is[id].ID == "" || hash(was[id]) != hash(is[id]) {
				ids[id] = true
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(ids)), ", ")
}

// TestHashes: numbers, order, spaces and what the editor counts are no content.
func TestHashes(t *testing.T) {
	exts := strings.SplitAfter(scene3, "\n")
	for _, c := range []struct {
		name, from, to, want string
	}{
		{"ids of Godot 4", scene4, strings.NewReplacer("1_a", "7_zz", "2_b", "1_a").Replace(scene4), ""},
		{"order of external resources", scene3, strings.Join(slices.Concat(exts[:2], exts[3:4], exts[2:3], exts[4:]), ""), ""},
		{"numbers of Godot 3", scene3, strings.NewReplacer("type=\"BoxShape\" id=1", "type=\"BoxShape\" id=2", "type=\"BoxShape\" id=2", "type=\"BoxShape\" id=1", "SubResource( 1 )", "SubResource( 2 )", "SubResource( 2 )", "SubResource( 1 )", "ExtResource( 1 )", "ExtResource(5)", "type=\"Script\" id=1", "type=\"Script\" id=5").Replace(scene3), ""},
		{"spaces", scene3, strings.NewReplacer("Vector3( 1, 2, 3 )", "Vector3(1,2,3)", "( 1 )", "(1)").Replace(scene3), ""},
		{"the number of a node", scene4, strings.Replace(scene4, " unique_id=7", " unique_id=8", 1), ""},
		{"a file that was moved", scene4, strings.Replace(scene4, "res://src/button.gd", "res://ui/button.gd", 1), "ext:res://src/button.gd, ext:res://ui/button.gd"},
		{"another file", scene4, strings.Replace(scene4, "res://ui/check.tscn", "res://ui/box.tscn", 1), "Body/Check, ext:res://ui/box.tscn, ext:res://ui/check.tscn"},
		{"a text", scene4, strings.Replace(scene4, "\"one", "\"two", 1), "."},
		{"spaces in a text", scene4, strings.Replace(scene4, "\"one", "\"one ", 1), "."},
		{"a sub-resource", scene3, strings.Replace(scene3, "1, 2, 3", "1, 2, 4", 1), "Shape, sub:Shape.shape"},
		{"an open instance", scene4, strings.Replace(scene4, "[editable path=\"Body/Check\"]\n", "", 1), "Body/Check"},
	} {
		if c.from == c.to {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if got := differing(t, c.from, c.to); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDamaged(t *testing.T) {
	for name, text := range map[string]string{
		"cut in a string": scene4[:strings.Index(scene4, "no node")], "cut in a head": scene4[:strings.Index(scene4, " type=\"Node3D\"")], "cut in a value": scene4[:strings.Index(scene4, ", 2, 3)")],
		"cut in a key": "[a]\nkey", "a bracket too many": "[a]\nb=1)\n", "nothing": "", "conflict": "[a]\n<<<<<<< ours\nb=1\n"} {
		if err := (Format{}).Validate(t.Context(), format.Bytes([]byte(text))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := made()
	for _, n := range []int{3, 20, 60, len(b) - 1} {
		if err := (Binary{}).Validate(t.Context(), format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("binary, cut at %d: %v", n, err)
		}
	}
}

// now and then are two versions of a scene.
const now = `[gd_scene load_steps=4 format=3 uid="uid://s"]

[ext_resource type="Script" path="res://a.gd" id="1"]
[ext_resource type="Texture2D" uid="uid://t" path="res://new/t.png" id="2_x"]

[sub_resource type="BoxShape3D" id="Box_a"]
size = Vector3(1, 1, 1)

[sub_resource type="BoxShape3D" id="Box_shared"]
size = Vector3(2, 2, 2)

[node name="Main" type="Node3D" unique_id=1]
script = ExtResource("1")

[node name="A" type="Node3D" parent="." unique_id=2]
shape = SubResource("Box_a")
other = SubResource("Box_shared")

[node name="Inner" type="Node3D" parent="A" unique_id=3]

[node name="B" type="Node3D" parent="." unique_id=4]
other = SubResource("Box_shared")

[connection signal="s" from="A" to="B" method="m"]
[connection signal="s" from="B" to="A/Inner" method="m"]
`

const then = `[gd_scene load_steps=6 format=3 uid="uid://s"]

[ext_resource type="Texture2D" uid="uid://t" path="res://old/t.png" id="1"]
[ext_resource type="Material" path="res://m.tres" id="2_x"]

[sub_resource type="Gradient" id="Grad"]
colors = 7

[sub_resource type="BoxShape3D" id="Box_a"]
size = Vector3(9, 9, 9)

[sub_resource type="BoxShape3D" id="Box_shared"]
size = Vector3(8, 8, 8)

[node name="Main" type="Node3D" unique_id=1]

[node name="A" type="Node3D" parent="." unique_id=2]
shape = SubResource("Box_a")
other = SubResource("Box_shared")
texture = ExtResource("1")
material = ExtResource("2_x")
grad = SubResource("Grad")

[node name="Gone" type="Node3D" parent="." unique_id=9]

[node name="Deep" type="Node3D" parent="Gone"]
texture = ExtResource("1")

[node name="B" type="Node3D" parent="."]

[connection signal="t" from="A" to="Gone" method="m"]
[connection signal="s" from="A" to="B" method="m"]
[connection signal="u" from="Gone/Deep" to="." method="m"]
`

// TestGraftSmall: what a node needs comes with it under free ids; what others share stays; the node that is gone comes
// back after the sibling that it came after.
func TestGraftSmall(t *testing.T) {
	got, err := graft(t, "A", []byte(now), []byte(then), "A")
	want := `[gd_scene load_steps=7 format=3 uid="uid://s"]

[ext_resource type="Script" path="res://a.gd" id="1"]
[ext_resource type="Texture2D" uid="uid://t" path="res://new/t.png" id="2_x"]
[ext_resource type="Material" path="res://m.tres" id="2_x_2"]

[sub_resource type="Gradient" id="Grad"]
colors = 7

[sub_resource type="BoxShape3D" id="Box_shared_2"]
size = Vector3(8, 8, 8)

[sub_resource type="BoxShape3D" id="Box_a"]
size = Vector3(9, 9, 9)

[sub_resource type="BoxShape3D" id="Box_shared"]
size = Vector3(2, 2, 2)

[node name="Main" type="Node3D" unique_id=1]
script = ExtResource("1")

[node name="A" type="Node3D" parent="." unique_id=2]
shape = SubResource("Box_a")
other = SubResource("Box_shared_2")
texture = ExtResource("2_x")
material = ExtResource("2_x_2")
grad = SubResource("Grad")

[node name="B" type="Node3D" parent="." unique_id=4]
other = SubResource("Box_shared")

[connection signal="s" from="A" to="B" method="m"]
[connection signal="s" from="B" to="A/Inner" method="m"]
[connection signal="t" from="A" to="Gone" method="m"]
`
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	got, err = graft(t, "Gone", []byte(now), []byte(then), "Gone")
	want = strings.Replace(now, "[node name=\"B\"", "[node name=\"Gone\" type=\"Node3D\" parent=\".\" unique_id=9]\n\n[node name=\"Deep\" type=\"Node3D\" parent=\"Gone\"]\ntexture = ExtResource(\"2_x\")\n\n[node name=\"B\"", 1) + "[connection signal=\"u\" from=\"Gone/Deep\" to=\".\" method=\"m\"]\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	// A node that was moved and renamed since is known by its number, and stays where it is.
	renamed := strings.NewReplacer(`name="A"`, `name="Z"`, `parent="A"`, `parent="Z"`, `from="A"`, `from="Z"`, "A/Inner", "Z/Inner").Replace(now)
	g, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(renamed)), format.Bytes([]byte(then)), []string{"A"})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(formattest.All(t, g.Content)); strings.Contains(text, `"A"`) || !strings.Contains(text, "[node name=\"Z\" type=\"Node3D\" parent=\".\" unique_id=2]\nshape = SubResource(\"Box_a\")") || !strings.Contains(text, `signal="t" from="Z" to="Gone"`) {
		t.Errorf("%s", text)
	}
	if !slices.ContainsFunc(g.Notes, func(s string) bool { return strings.Contains(s, "Gone, which is not there") }) || !slices.ContainsFunc(g.Notes, func(s string) bool { return strings.Contains(s, "Box_shared is used by others") }) {
		t.Errorf("%q", g.Notes)
	}
}

// TestGraftParts: a sub-resource of a sub-resource is replaced with it if nothing else has it; a number that another node
// has does not come back; what cannot be put in order is refused.
func TestGraftParts(t *testing.T) {
	scene := func(parts ...string) string {
		text := "[gd_scene format=3]\n\n"
		for _, p := range parts[:len(parts)-1] {
			id, links, _ := strings.Cut(p, " ")
			text += "[sub_resource type=\"R\" id=\"" + id + "\"]\nv = " + strings.NewReplacer("<", "SubResource(\"", ">", "\")").Replace(links) + "\n\n"
		}
		return text + "[node name=\"M\" type=\"N\" unique_id=1]\n\n[node name=\"A\" type=\"N\" parent=\".\" unique_id=2]\nr = SubResource(\"" + parts[len(parts)-1] + "\")\n"
	}
	into, from := scene("In 1", "Out [<In>]", "Out"), scene("In 2", "Out [<In>, 3]", "Out")
	if got, err := graft(t, "nested", []byte(into), []byte(from), "A"); err != nil || got != from {
		t.Errorf("%v\n%s", err, got)
	}
	// New comes after what it uses, and then before what uses it there is no room.
	late := scene("X 1", "Y 5", "X")
	var refusal *format.Refusal
	if _, err := graft(t, "order", []byte(late), []byte(scene("Y 5", "New <Y>", "X <New>", "X")), "A"); !errors.As(err, &refusal) {
		t.Errorf("%v", err)
	}
	got, err := graft(t, "new", []byte(scene("Y 5", "X 1", "X")), []byte(scene("Y 5", "N1 <Y>", "N2 <N1>", "X <N2>", "X")), "A")
	if want := scene("Y 5", "N1 <Y>", "N2 <N1>", "X <N2>", "X"); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	numbered := strings.Replace(then, "parent=\"Gone\"]", "parent=\"Gone\" unique_id=4]", 1)
	if got, err := graft(t, "number", []byte(now), []byte(numbered), "Gone"); err != nil || strings.Count(got, "unique_id=4") != 1 || !strings.Contains(got, "parent=\"Gone\"]") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestGraftNumbered(t *testing.T) {
	old := strings.Replace(scene3, "9, 9, 9", "5, 5, 5", 1)
	if got, err := graft(t, "Other", []byte(scene3), []byte(old), "Other"); err != nil || got != old {
		t.Errorf("%v\n%s", err, got)
	}
	// What another node has, too, stays; the node gets its own under the next number.
	shared := strings.Replace(scene3, "SubResource( 1 )", "SubResource( 2 )", 1)
	want := strings.Replace(shared, "[sub_resource type=\"BoxShape\" id=1]", "[sub_resource type=\"BoxShape\" id=3]\nextents = Vector3( 5, 5, 5 )\n\n[sub_resource type=\"BoxShape\" id=1]", 1)
	at := strings.LastIndex(want, "SubResource( 2 )")
	want = strings.Replace(want[:at]+strings.Replace(want[at:], "2", "3", 1), "load_steps=3", "load_steps=4", 1)
	if got, err := graft(t, "Other", []byte(shared), []byte(old), "Other"); err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	// The sub-resource itself is replaced where it is.
	if got, err := graft(t, "sub", []byte(scene3), []byte(old), "sub:Other.shape"); err != nil || got != old {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestGraftRefuses(t *testing.T) {
	for _, c := range []struct{ name, into, from, id, want string }{
		{"no parent", now, then, "Gone/Deep", "Gone, in which it was, is gone"},
		{"another format", scene3, now, "A", "format 2"},
		{"a sub-resource alone", now, then, "sub:Grad", "nothing would use"},
		{"another kind", settings, now, "A", "two kinds"},
	} {
		var refusal *format.Refusal
		if _, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(c.into)), format.Bytes([]byte(c.from)), []string{c.id}); !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes([]byte(now)), format.Bytes([]byte(then)), []string{"X"}); !errors.Is(err, format.ErrNoElement) {
		t.Error(err)
	}
}

func TestGraftSettings(t *testing.T) {
	into := "[a]\nx=1\n\n[c]\nx=3"
	from := "[a]\nx=9\n\n[b]\nx=2\n\n[c]\nx=8\n"
	for id, want := range map[string]string{"section:a": "[a]\nx=9\n\n[c]\nx=3", "section:b": "[a]\nx=1\n\n[b]\nx=2\n\n[c]\nx=3", "section:c": "[a]\nx=1\n\n[c]\nx=8\n"} {
		if got, err := graft(t, id, []byte(into), []byte(from), id); err != nil || got != want {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
}

// TestHistory reads seven years of a real project's settings: every preset is seen, all of a file put into itself is that
// file, and a preset comes back into the newest as it was.
func TestHistory(t *testing.T) {
	for _, c := range []struct{ archive, mark string }{{"export_presets.history.tar.gz", "\n["}, {"project_godot.by_tag.tar.gz", "\n["}} {
		z, err := gzip.NewReader(bytes.NewReader(formattest.Sample(t, "godot/pixelorama/"+c.archive)))
		if err != nil {
			t.Fatal(err)
		}
		versions := map[string][]byte{}
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				if versions[h.Name], err = io.ReadAll(r); err != nil {
					t.Fatal(err)
				}
			}
		}
		names := slices.Sorted(maps.Keys(versions))
		if len(names) < 43 {
			t.Fatalf("%d versions", len(names))
		}
		newest := versions[names[len(names)-1]]
		for _, name := range names {
			b := versions[name]
			list, ids := all(t, b), []string{}
			for id, e := range list {
				if e.Kind != "settings" {
					t.Errorf("%s: %v", name, e)
				}
				if id != "section:" {
					ids = append(ids, id)
				}
			}
			if want := strings.Count("\n"+string(b), c.mark); len(ids) != want {
				t.Errorf("%s: %d sections of %d", name, len(ids), want)
			}
			if got, err := graft(t, name, b, b, ids...); err != nil || got != string(b) {
				t.Errorf("%s: into itself: %v", name, err)
			}
			if _, err := graft(t, name, newest, b, ids[0]); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
