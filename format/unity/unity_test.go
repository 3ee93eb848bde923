package unity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func samples(t testing.TB) map[string][]byte {
	return formattest.Files(t, "unity", ".unity", ".asset", ".mat", ".playable", ".vfxoperator", ".meta")
}

func TestSamples(t *testing.T) { formattest.Run(t, Format{}, samples(t)) }

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"scene": []byte(scene1), "meta": []byte(meta), "build": []byte(build), "assembly": []byte(definition)})
}

const scene1 = `%YAML 1.1
%TAG !u! tag:unity3d.com,2011:
--- !u!1 &20
GameObject:
  m_Component:
  - component: {fileID: 21}
  m_Name: Lamp
  m_IsActive: 1
--- !u!4 &21
Transform:
  m_GameObject: {fileID: 20}
  m_LocalPosition: {x: 0, y: 1, z: 0}
  m_Children: []
  m_Father: {fileID: 11}
  m_RootOrder: 0
--- !u!1 &10
GameObject:
  m_Component:
  - component: {fileID: 11}
  - component: {fileID: 12}
  m_Name: 'Hall: "old"'
--- !u!4 &11
Transform:
  m_GameObject: {fileID: 10}
  m_Children:
  - {fileID: 21}
  m_Father: {fileID: 0}
--- !u!114 &12
MonoBehaviour:
  m_GameObject: {fileID: 10}
  m_Script: {fileID: 11500000, guid: d0353a89b1f911e48b9e16bdc9f2e058, type: 3}
  m_Material: {fileID: 10303, guid: 0000000000000000f000000000000000, type: 0}
  m_Text: "a {fileID: 1, guid: 11111111111111111111111111111111} \"
    and: more"
  m_Note: plain text that goes on and is
    {not: a flow, nor "a string
  m_Config:
    m_Texture: {fileID: 2800000, guid: 3ad57d818b4f448a190e524e494130b0,
      type: 3}
--- !u!1001 &30
PrefabInstance:
  m_Modification:
    m_TransformParent: {fileID: 11}
    m_Modifications:
    - target: {fileID: 5, guid: 22222222222222222222222222222222, type: 3}
      propertyPath: m_Name
      value: Chair
      objectReference: {fileID: 0}
  m_SourcePrefab: {fileID: 100100000, guid: 22222222222222222222222222222222, type: 3}
--- !u!4 &31 stripped
Transform:
  m_PrefabInstance: {fileID: 30}
`

const meta = `fileFormatVersion: 2
guid: 3ad57d818b4f448a190e524e494130b0
ModelImporter:
  externalObjects:
  - first:
      type: UnityEngine:Material
    second: {fileID: 2100000, guid: 44444444444444444444444444444444, type: 2}
`

const build = `%YAML 1.1
%TAG !u! tag:unity3d.com,2011:
--- !u!1045 &1
EditorBuildSettings:
  m_Scenes:
  - enabled: 1
    path: Assets/Scenes/My Scene.unity
    guid: 55555555555555555555555555555555
`

const definition = `{"name": "Game.Core", "references": ["GUID:66666666666666666666666666666666", "Game.Shared"], "x": {"name": "no"}, "y": ["z"]}`

func TestReferences(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"scene", scene1, []string{"script named d0353a89b1f911e48b9e16bdc9f2e058 12", "texture named 3ad57d818b4f448a190e524e494130b0 12", "asset named 22222222222222222222222222222222 30", "prefab named 22222222222222222222222222222222 30"}},
		{"meta", meta, []string{"asset named 44444444444444444444444444444444"}},
		{"build", build, []string{"scene rooted Assets/Scenes/My Scene.unity 55555555555555555555555555555555 1"}},
		{"first", "--- !u!1 &3\nguid: 55555555555555555555555555555555\n", []string{"asset named 55555555555555555555555555555555 3"}},
		{"assembly", definition, []string{"assembly named 66666666666666666666666666666666", "assembly named assembly:Game.Shared"}},
	} {
		list, err := format.References(t.Context(), Format{}, format.Bytes([]byte(c.text)))
		if err != nil {
			t.Fatal(c.name, err)
		}
		var got []string
		for _, r := range list {
			if at := c.text[r.Off : r.Off+r.Len]; at != r.Raw {
				t.Errorf("%s: %q stands where %q should", c.name, at, r.Raw)
			}
			got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s", r.Kind, r.Style, r.Path, r.ID, r.Element)), " "))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
	for text, want := range map[string]string{"fileFormatVersion: 2\nguid: 3ad57d818b4f448a190e524e494130b0\nfolderAsset: yes\n": "[]", meta: "[{3ad57d818b4f448a190e524e494130b0  .meta}]", definition: "[{assembly:Game.Core  }]", scene1: "[]"} {
		if got, err := format.Names(t.Context(), Format{}, format.Bytes([]byte(text))); fmt.Sprint(got) != want || err != nil {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
}

func lines(t *testing.T, text string) (out []string) {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, fmt.Sprintf("%s in %s: %s %s", e.ID, e.Parent, e.Kind, e.Name))
	}
	return out
}

func TestElements(t *testing.T) {
	want := []string{`10 in : object Hall: "old"`, "20 in 10: object Lamp", "21 in 20: transform Transform", "11 in 10: transform Transform", "12 in 10: script MonoBehaviour", "30 in 10: prefab Chair", "31 in 30: transform Transform"}
	if got := lines(t, scene1); !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// A circle of fathers, which no application writes, ends.
	circle := strings.Replace(scene1, "m_Father: {fileID: 0}", "m_Father: {fileID: 21}", 1)
	if got := lines(t, circle); len(got) != len(want) {
		t.Errorf("%q", got)
	}
}

// changed says which elements of a scene differ after a change of its text, and in what.
func changed(t *testing.T, change ...string) string {
	t.Helper()
	text := strings.NewReplacer(change...).Replace(scene1)
	if text == scene1 {
		t.Fatal("nothing was changed")
	}
	was, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(scene1)))
	is, err2 := format.Elements(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	hash := map[string]string{}
	for _, e := range was {
		hash[e.ID] = e.Hash()
	}
	var out []string
	for _, e := range is {
		if hash[e.ID] != e.Hash() {
			out = append(out, e.ID)
		}
	}
	return strings.Join(out, " ")
}

func TestHashes(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     []string
	}{
		{"lines end otherwise", "", []string{"\n", "\r\n"}},
		{"a flow is broken otherwise", "", []string{"b0,\n      type: 3}", "b0, type: 3}"}},
		{"moved to the top", "", []string{"m_Father: {fileID: 11}", "m_Father: {fileID: 0}", "  - {fileID: 21}\n", "  []\n"}},
		{"position", "21", []string{"y: 1", "y: 2"}},
		{"another texture", "12", []string{"3ad57d", "3ad57e"}},
		{"another text", "12", []string{"and: more", "and: less"}},
	} {
		if got := changed(t, c.change...); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDamaged(t *testing.T) {
	for name, text := range map[string]string{
		"cut in brackets": scene1[:strings.Index(scene1, "type: 3}")], "cut in a string": scene1[:strings.Index(scene1, "and: more")], "conflict": strings.Replace(scene1, "  m_IsActive", "<<<<<<< ours\n  m_IsActive", 1),
		"a head": strings.Replace(scene1, "&20", "", 1), "nothing": "%YAML 1.1\n%TAG !u! tag:unity3d.com,2011:\n", "zeros": scene1 + "\x00\x00", "JSON": "{\"references\": [\"a\""} {
		_, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(text)))
		if !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	binary := append(make([]byte, 8), "\x00\x00\x00\x16\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00"...)
	if _, err := format.Elements(t.Context(), Format{}, format.Bytes(binary)); !errors.Is(err, format.ErrUnsupported) || !strings.Contains(err.Error(), "binary") || !(Format{}).Match("a.asset", binary) {
		t.Errorf("binary: %v", err)
	}
}

const graph = `{
    "m_Type": "x", "m_ObjectId": "99999999999999999999999999999999", "guid": "77777777777777777777777777777777",
    "m_Texture": "{\"fileID\":2800000,\"guid\":\"88888888888888888888888888888888\",\"type\":3}",
    "m_Sub": "{\n    \"subGraph\": {\n        \"fileID\": 1,\n        \"guid\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\n        \"deep\": \"{\\\"guid\\\":\\n\\\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\\\"}\" }\n}",
    "m_GuidSerialized": "cccccccccccccccccccccccccccccccc", "guid": "short", "note": "guid"
}`

const sheet = `.a { background-image: url("project://database/Assets/a.png?fileID=1&amp;guid=dddddddddddddddddddddddddddddddd&amp;type=3#a"); b: url('x?guid=eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'); guid=ffffffffffffffffffffffffffffffff }`

func TestText(t *testing.T) {
	for text, want := range map[string]string{graph: "7 8 a b", sheet: "d e", "guid": "", "\"guid\"": "", "\"guid\":\"": "", "&guid=": ""} {
		list, err := format.References(t.Context(), Text{}, format.Bytes([]byte(text)))
		var got []string
		for _, r := range list {
			got = append(got, r.Path[:1])
		}
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	formattest.Run(t, Text{}, map[string][]byte{"a.shadergraph": []byte(graph), "b.uss": []byte(sheet)})
}

func FuzzOfText(f *testing.F) {
	formattest.Fuzz(f, Text{}, map[string][]byte{"graph": []byte(graph), "sheet": []byte(sheet)})
}
