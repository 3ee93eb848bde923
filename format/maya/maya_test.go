package maya

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// text is a scene with all that is read of one.
const text = `//Maya ASCII 2022 scene
//Name: shot.ma
//Codeset: UTF-8
file -rdi 1 -ns "rig" -rfn "rigRN" -op "v=0;" -typ "mayaAscii" "C:/film//scenes/rig.ma";
file -rdi 2 -ns "inner" -rfn "rig:innerRN" -typ "mayaBinary"
		 "C:/film//scenes/inner.mb";
file -r -ns "rig" -dr 1 -rfn "rigRN" -op "v=0;" -typ "mayaAscii" "C:/film//scenes/rig.ma";
requires maya "2022";
requires -nodeType "gpuCache" "gpuCache" "1.0";
fileInfo "application" "maya";
// file -r "commented.ma";
createNode transform -s -n "persp";
	rename -uid "00000000-0000-0000-0000-000000000001";
	setAttr ".t" -type "double3" 1 2 3 ;
createNode transform -n "hut";
	rename -uid "00000000-0000-0000-0000-000000000002";
	setAttr ".t" -type "double3" 0 1 0 ;
createNode mesh -n "hutShape" -p "hut";
	rename -uid "00000000-0000-0000-0000-000000000003";
	setAttr -s 3 ".vt[0:2]"  0 0 0 1 0 0 0 1 0;
	setAttr -k off ".v";
createNode transform -n "hut" -p "|hut";
createNode gpuCache -n "cacheShape" -p "hut|hut";
	setAttr ".cfn" -type "string" "beside.abc";
createNode reference -n "rigRN";
	setAttr ".fn[0]" -type "string" "C:/old/rig.ma";
createNode script -n "uiConfigurationScriptNode";
	setAttr ".b" -type "string" (
		"file -r \"in.ma\"; setAttr \".ftn\" -type \"string\" \"in.png\";"
		+ "// not a comment");
createNode file -n "wall";
	setAttr ".ftn" -type "string" "C:\\film\\\\sourceimages\\wall.1001.png";
	setAttr ".uvt" 3;
createNode file -n "water";
	setAttr ".ftn" -type "string" "sourceimages/water.0001.exr";
	setAttr ".ufe" yes;
createNode file -n "none";
	setAttr ".ftn" -type "string" "";
createNode imagePlane -n "plate" ;
	setAttr ".imn" -type "string" "//server/share//plates/a \"b\".jpg";
createNode camera -n "eye";
	setAttr ".imn" -type "string" "eye";
createNode audio -n "voice";
	setAttr ".f" -type "string" "$AUDIO/voice.wav";
createNode AlembicNode -n "crowd";
	setAttr ".fn" -type "string" "../cache/crowd.abc";
	setAttr ".fns" -type "stringArray" 1 "../cache/crowd.abc"  ;
createNode cacheFile -n "cloth";
	setAttr ".cn" -type "string" "clothShape1";
	setAttr ".cp" -type "string" "C:/film//cache/nCache/shot/";
createNode nodeGraphEditorInfo -n "panel";
	setAttr ".tgi[0].vl" -type "double2" 1 2 ;
select -ne :time1;
	setAttr ".o" 12;
select -ne :defaultRenderGlobals;
	setAttr ".ren" -type "string" "arnold";
connectAttr "wall.oc" "lambert2.c";
connectAttr "water.oc" "hutShape.in";
connectAttr "voice.o" "hutShape.a";
// End of shot.ma
`

func references(t *testing.T, b []byte) []format.Reference {
	t.Helper()
	list, err := format.References(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestReferences(t *testing.T) {
	var got strings.Builder
	for _, r := range references(t, []byte(text)) {
		fmt.Fprintf(&got, "%s %s %s", r.Kind, r.Style, r.Path)
		if r.Element != "" {
			got.WriteString(" @" + r.Element)
		}
		if r.Sequence {
			got.WriteString(" sequence")
		}
		if r.Optional {
			got.WriteString(" optional")
		}
		got.WriteByte('\n')
	}
	want := `scene rooted scenes/rig.ma @rigRN
scene rooted scenes/inner.mb optional
cache relative beside.abc @|hut|hut|cacheShape
texture rooted sourceimages/wall.<UDIM>.png @wall sequence
texture rooted sourceimages/water.####.exr @water sequence
texture rooted plates/a "b".jpg @plate
sound absolute $AUDIO/voice.wav @voice
cache relative ../cache/crowd.abc @crowd
cache rooted cache/nCache/shot/clothShape1.* @cloth sequence
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestRewrite(t *testing.T) {
	paths := map[string]string{"C:/film//scenes/rig.ma": "C:/film//scenes/rigs/rig 2.ma", "../cache/crowd.abc": "crowd.abc", "C:/old/rig.ma": "x"}
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(text)), paths)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("C:/film//scenes/rig.ma", "C:/film//scenes/rigs/rig 2.ma", "../cache/crowd.abc", "crowd.abc").Replace(text)
	if got := string(formattest.All(t, out)); got != want {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", `a"b`, `a\`, "a\nb"} {
		var refusal *format.Refusal
		if _, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(text)), map[string]string{"beside.abc": bad}); !errors.As(err, &refusal) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func elements(t *testing.T, s string) map[string]format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(s)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range list {
		out[e.ID] = e
	}
	return out
}

func TestElements(t *testing.T) {
	was := elements(t, text)
	for id, want := range map[string]string{"|hut": "group  00000000-0000-0000-0000-000000000002", "|hut|hutShape": "mesh |hut 00000000-0000-0000-0000-000000000003", "|hut|hut": "group |hut ",
		"|hut|hut|cacheShape": "node |hut|hut ", "wall": "texture  ", ":defaultRenderGlobals": "settings  ", "rigRN": "reference  "} {
		if e, ok := was[id]; !ok || e.Kind+" "+e.Parent+" "+e.Stable != want {
			t.Errorf("%s is %+v", id, e)
		}
	}
	for _, id := range []string{"|persp", "panel", ":time1", "uiConfigurationScriptNode"} {
		if _, ok := was[id]; ok {
			t.Errorf("%s is of the window", id)
		}
	}
	links := "connectAttr \"water.oc\" \"hutShape.in\";\n" // Maya writes them in no order that holds
	again := elements(t, strings.Replace(strings.Replace(text, links, "", 1), "// End", links+"// End", 1))
	if a, b := was["|hut|hutShape"], again["|hut|hutShape"]; a.Hash() != b.Hash() {
		t.Error("the order of connections is taken for a change")
	}
	for change, want := range map[string]string{"vt[0:2]\"  0 0 0 1 0 0>vt[0:2]\"  0 0 0 2 0 0": "|hut|hutShape geometry", "double3\" 0 1 0>double3\" 0 2 0": "|hut transform",
		"water.oc>wall.oc": "|hut|hutShape connections", "double3\" 1 2 3>double3\" 4 2 3": "", "\"double3\" 0 1 0>\"double3\"\n\t\t0 1 0": "", "\".o\" 12>\".o\" 13": "", "\"arnold\">\"mayaSoftware\"": ":defaultRenderGlobals attributes"} {
		from, to, _ := strings.Cut(change, ">")
		is := elements(t, strings.Replace(text, from, to, 1))
		var got []string
		for id, e := range is {
			for aspect, sum := range e.Aspects {
				if b := was[id]; b.Aspects[aspect] != sum {
					got = append(got, id+" "+aspect)
				}
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s changes %q, want %q", change, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for name, s := range map[string]string{"cut in a string": text[:300], "cut in a statement": text[:strings.Index(text, `"1.0"`)], "cut at a line": text[:strings.Index(text, "createNode mesh")], "not one": "hello", "comment": "//Maya ASCII 2022 scene\n/* "} {
		if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte(s))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte("//Maya ASCII 2022 scene\ncreateNode mesh -n \"a\";\n"))); err != nil {
		t.Errorf("of another program: %v", err)
	}
}

// made is a binary scene: 4 or 8 bytes wide.
func made(wide int, parts ...string) []byte {
	chunk := func(tag string, data []byte) []byte {
		b := []byte(tag)
		if wide == 8 {
			b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 0), uint64(len(data)))
		} else {
			b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		}
		return append(append(b, data...), make([]byte, round(len(data), wide)-len(data))...)
	}
	group := func(kind string, parts ...[]byte) []byte {
		all := []byte(kind)
		for _, p := range parts {
			all = append(all, p...)
		}
		b := []byte(fmt.Sprintf("FOR%d", wide))
		if wide == 8 {
			return append(binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 0), uint64(len(all))), all...)
		}
		return append(binary.BigEndian.AppendUint32(b, uint32(len(all))), all...)
	}
	return group("Maya", group("HEAD", chunk("VERS", []byte("2022\x00"))), group("FREF", chunk("FREF", []byte("C:/film//scenes/rig.mb\x00rest\x00"))),
		group("RTFT", chunk("CREA", []byte("\x00wall\x00")), chunk("STR ", []byte("ftn\x00\x00sourceimages/wall.png\x00")), chunk("STR ", []byte("cs\x00\x00sRGB\x00"))),
		group("DCAM", chunk("STR ", []byte("imn\x00\x00eye\x00"))))
}

func TestBinary(t *testing.T) {
	for _, wide := range []int{4, 8} {
		b := made(wide)
		list := references(t, b)
		if len(list) != 2 || list[0].Path != "scenes/rig.mb" || list[0].Style != format.Rooted || list[1].Path != "sourceimages/wall.png" || list[1].Kind != "texture" {
			t.Errorf("%d: %+v", wide, list)
		}
		for n := range len(b) {
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); err == nil {
				t.Fatalf("%d: the first %d bytes are taken for a scene", wide, n)
			}
		}
		var refusal *format.Refusal
		if _, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), nil); !errors.As(err, &refusal) {
			t.Error(err)
		}
	}
}

// TestDepth: groups within one another are not followed without end.
func TestDepth(t *testing.T) {
	for depth, want := range map[int]error{maxDepth / 2: nil, 2 * maxDepth: format.ErrMalformed} {
		body := ""
		for range depth {
			body = "FOR4" + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + "Maya" + body
		}
		body += strings.Repeat("\x00", max(0, 20-len(body)))
		if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte(body))); !errors.Is(err, want) {
			t.Errorf("%d deep: %v", depth, err)
		}
	}
}

func TestContract(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"shot.ma": []byte(text)})
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Format{}).References(ctx, format.Bytes([]byte(text))); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzScene(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"text": []byte(text), "4": made(4), "8": made(8)})
}
