package godot

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func samples(t testing.TB, ext ...string) map[string][]byte {
	return formattest.Files(t, "godot", ext...)
}

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, samples(t, ".tscn", ".tres", ".import", ".godot"))
	formattest.Run(t, Binary{}, samples(t, ".res"))
}

func FuzzText(f *testing.F) {
	seeds := map[string][]byte{"scene": []byte(scene4), "scene 3": []byte(scene3), "settings": []byte(settings)}
	formattest.Fuzz(f, Format{}, seeds)
}

func FuzzScript(f *testing.F) {
	formattest.Fuzz(f, Script{}, map[string][]byte{"gd": []byte(gdscript), "cs": []byte(csharp)})
}

func FuzzBinary(f *testing.F) {
	formattest.Fuzz(f, Binary{}, map[string][]byte{"made": made()})
}

const scene4 = `[gd_scene load_steps=4 format=3 uid="uid://bgy8u8c4ge6oo"]

[ext_resource type="Script" uid="uid://dgc2ea2ye53p8" path="res://src/button.gd" id="1_a"]
[ext_resource type="PackedScene" path="res://ui/check.tscn" id="2_b"]

[sub_resource type="BoxShape3D" id="BoxShape3D_q"]
size = Vector3(1, 2, 3)

[node name="Main" type="Node3D" unique_id=7]
script = ExtResource("1_a")
text = "one
[node name=\"no node\"] \\"

[node name="Body" type="StaticBody3D" parent="."]
icon = "res://art/icon.png" ; not "res://art/none.png"

[node name="Shape" type="CollisionShape3D" parent="Body"]
shape = SubResource("BoxShape3D_q")

[node name="Check" parent="Body" instance=ExtResource("2_b")]

[connection signal="hit" from="Body" to="." method="_on_hit"]

[editable path="Body/Check"]
`

const scene3 = `[gd_scene load_steps=3 format=2]

[ext_resource path="res://src/button.gd" type="Script" id=1]
[ext_resource path="res://ui/check.tscn" type="PackedScene" id=2]

[sub_resource type="BoxShape" id=1]
extents = Vector3( 1, 2, 3 )

[sub_resource type="BoxShape" id=2]
extents = Vector3( 9, 9, 9 )

[node name="Main" type="Spatial"]
script = ExtResource( 1 )

[node name="Shape" type="CollisionShape" parent="."]
shape = SubResource( 1 )

[node name="Other" type="CollisionShape" parent="."]
shape = SubResource( 2 )

[node name="Check" parent="." instance=ExtResource( 2 )]
`

const settings = `; Engine configuration file.
config_version=5

[application]
config/name="Game"
run/main_scene="res://scenes/main.tscn"
config/icon="res://icon.png"

[autoload]
Audio="*res://scripts/audio.gd"
Keys="*uid://dgiia2xg7fsud"

[editor]
folder="res://out/"
`

const gdscript = `extends "res://parent.gd"
# preload("res://comment.tscn")
@icon("res://art/icon.svg")
const A = preload("res://a.tscn")
var b = load("res://b" + name + ".tscn")
var c = "load(\"res://string.tscn\")"
var d = """
preload("res://long.tscn")
"""
func f():
	return ResourceLoader.load('res://c.tres', "Resource")
func g(): return load("user://save.dat") if x else preload("sister.gd")
`

const csharp = `using Godot;
// GD.Load("res://comment.tscn")
/* GD.Load("res://comment.tscn") */
public partial class A : Node {
	char q = '"';
	string v = @"GD.Load(""res://verbatim.tscn"")\";
	PackedScene p = GD.Load<PackedScene>("res://p.tscn");
	Resource r = ResourceLoader.Load("res://r.tres");
	Resource i = GD.Load($"res://{name}.tres");
	bool less = a < b;
}
`

// raws writes references as "kind style raw id element".
func raws(t *testing.T, f format.Format, text string) (out []string) {
	t.Helper()
	list, err := format.References(t.Context(), f, format.Bytes([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if got := text[r.Off : r.Off+r.Len]; got != r.Raw {
			t.Errorf("%q stands where %q should", got, r.Raw)
		}
		out = append(out, strings.TrimSpace(strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s", r.Kind, r.Style, r.Raw, r.ID, r.Element)), " ")))
	}
	return out
}

func TestReferences(t *testing.T) {
	for _, c := range []struct {
		name, text string
		f          format.Format
		want       []string
	}{
		{"scene", scene4, Format{}, []string{"script rooted res://src/button.gd uid://dgc2ea2ye53p8 ext:res://src/button.gd", "scene rooted res://ui/check.tscn ext:res://ui/check.tscn", "texture rooted res://art/icon.png Body"}},
		{"settings", settings, Format{}, []string{"scene rooted res://scenes/main.tscn section:application", "texture rooted res://icon.png section:application", "script rooted res://scripts/audio.gd section:autoload", "resource named uid://dgiia2xg7fsud section:autoload"}},
		{"plugin", "[plugin]\nname=\"x\"\nscript=\"plugin.gd\"\n", Format{}, []string{"script relative plugin.gd section:plugin"}},
		{"presets", "[preset.0]\nexport_filter=\"exclude\"\nexport_files=PackedStringArray(\"res://no.po\")\n[preset.1]\nexport_filter=\"scenes\"\nexport_files=PackedStringArray(\"res://a.tscn\")\n", Format{}, []string{"scene rooted res://a.tscn section:preset.1"}},
		{"import", "[remap]\nuid=\"uid://b\"\npath=\"res://.godot/imported/a.ctex\"\n[deps]\nsource_file=\"res://a.png\"\n[params]\nsave/path=\"res://m.tres\"\n", Format{}, []string{"imported rooted res://.godot/imported/a.ctex section:remap", "resource rooted res://m.tres section:params"}},
		{"relative", "[gd_scene format=3]\n[ext_resource type=\"Texture2D\" path=\"../a b.png\" id=\"1\"]\n", Format{}, []string{"texture relative ../a b.png ext:../a b.png"}},
		{"GDScript", gdscript, Script{}, []string{"script rooted res://parent.gd", "texture rooted res://art/icon.svg", "scene rooted res://a.tscn", "class named ResourceLoader", "resource rooted res://c.tres", "script relative sister.gd"}},
		{"classes", "class_name Hero extends Actor\nvar a: Enemy = Enemy.new() # Foe\nvar b = \"Foe\" + Game.Level + MAX\n", Script{}, []string{"class named Actor", "class named Enemy", "class named Game"}},
		{"C#", csharp, Script{}, []string{"scene rooted res://p.tscn", "resource rooted res://r.tres"}},
		{"shader", "shader_type spatial;\n#include \"res://noise.gdshaderinc\"\n// #include \"res://no.gdshaderinc\"\n", Script{}, []string{"shader rooted res://noise.gdshaderinc"}},
	} {
		if got := raws(t, c.f, c.text); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}
