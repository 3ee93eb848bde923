package nuke

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

const text = `#! /usr/local/Nuke13.2v5/libnuke-13.2.5.so -nx
version 13.2 v5
define_window_layout_xml {<?xml version="1.0" encoding="UTF-8"?>
<layout version="1.0"><a file="x.png"/></layout>
}
Root {
 inputs 0
 name /jobs/sh010/comp.nk
 frame 7
}
Read {
 inputs 0
 file plates/bg.%04d.exr
 proxy "proxy/b g.####.jpg"
 name Read1
 label "file other.png\n\{"
 xpos 10
}
# Read { file commented.png }
set N1a2b3c [stack 0]
Camera3 {
 inputs 0
 read_from_file true
 file {/jobs/sh010/cam.abc}
 name Camera1
}
Read {
 inputs 0
 file "\[file dirname \[value root.name]]/still.jpg"
 name Read2
}
push $N1a2b3c
Merge2 {
 inputs 2
 name Merge1
}
Group {
 inputs 1
 name Grade_all
 addUserKnob {20 User}
 addUserKnob {2 table l "the table"}
 table luts/show.cube
 addUserKnob {1 words}
 words notes/a.txt
}
 Input {
  inputs 0
  name Input1
 }
 Vectorfield {
  vfield_file "\[value parent.table]"
  name V1
 }
 Read {
  inputs 0
  file {{curve x1 0}}
  name Odd
 }
 Output {
  name Output1
 }
end_group
Text2 {
 font { Arial : Regular : /fonts/a.ttf : 0 }
 name Text1
}
clone node1c|Blur|77 Blur {
 size {{parent.size}}
 name Blur1
}
clone $node1c {
 name Blur2
}
push 0
Write {
 file out/comp.####.exr
 name Write1
}
Write {
 file out/precomp.####.exr
 reading true
 name Write2
}
Read {
 inputs 0
 file "\[getenv SHOW]/a.png"
 disable true
 name Read3
}
`

func TestReferences(t *testing.T) {
	list, err := format.References(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, r := range list {
		fmt.Fprintf(&got, "%s %s %s @%s %t %t\n", r.Kind, r.Style, r.Path, r.Element, r.Sequence, r.Optional)
	}
	want := `sequence relative plates/bg.####.exr @Read1 true false
proxy relative proxy/b g.####.jpg @Read1 true true
camera absolute /jobs/sh010/cam.abc @Camera1 false false
image relative still.jpg @Read2 false false
file relative luts/show.cube @Grade_all false false
sequence relative out/precomp.####.exr @Write2 true false
image absolute [getenv SHOW]/a.png @Read3 false true
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

func TestProject(t *testing.T) {
	for root, want := range map[string]string{
		"": "relative plates/a.exr",
		`"\[python \{nuke.script_directory()\}]"`: "relative plates/a.exr",
		"../show":    "relative ../show/plates/a.exr",
		"/jobs/show": "absolute /jobs/show/plates/a.exr",
	} {
		s := "Root {\n inputs 0\n}\nRead {\n inputs 0\n file plates/a.exr\n}\n"
		if root != "" {
			s = strings.Replace(s, " inputs 0\n}", " project_directory "+root+"\n}", 1)
		}
		list, err := format.References(t.Context(), Format{}, format.Bytes([]byte(s)))
		if err != nil || len(list) != 1 || string(list[0].Style)+" "+list[0].Path != want {
			t.Errorf("%s: %+v, %v", root, list, err)
		}
	}
}

func TestRewrite(t *testing.T) {
	in := format.Bytes([]byte(text))
	out, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"plates/bg.%04d.exr": "new plates/bg.%04d.exr", "/jobs/sh010/cam.abc": "cam.abc", "luts/show.cube": "luts/b.cube", "out/comp.####.exr": "no"})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("plates/bg.%04d.exr", `"new plates/bg.%04d.exr"`, "{/jobs/sh010/cam.abc}", "{cam.abc}", "luts/show.cube", "luts/b.cube").Replace(text)
	if got := string(formattest.All(t, out)); got != want {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", `a"b`, `a\`, "a\nb", "[exec rm]", "$x"} {
		var refusal *format.Refusal
		if _, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"luts/show.cube": bad}); !errors.As(err, &refusal) {
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
	for id, want := range map[string]string{"root": "settings ", "Grade_all": "group ", "Grade_all.V1": "node Grade_all", "Read2": "image ", "Blur2": "node "} {
		if e, ok := was[id]; !ok || e.Kind+" "+e.Parent != want {
			t.Errorf("%s is %+v", id, e)
		}
	}
	if was["Blur2"].Properties["class"] != "Blur" {
		t.Errorf("a clone is %+v", was["Blur2"])
	}
	for change, want := range map[string]string{"xpos 10>xpos 20": "", "N1a2b3c>N77": "", "frame 7>frame 9": "", "luts/show.cube>luts/b.cube": "Grade_all knobs", "push $N1a2b3c>push 0": "Merge1 inputs",
		" size {{parent.size}}>  size {{parent.width}}": "Blur1 knobs"} {
		from, to, _ := strings.Cut(change, ">")
		var got []string
		for id, e := range elements(t, strings.ReplaceAll(text, from, to)) {
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
	for _, at := range []string{" frame 7", "plates/bg", "b g.####", "{curve"} {
		if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte(text[:strings.Index(text, at)+3]))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("cut at %s: %v", at, err)
		}
	}
}

// TestBounds: groups and braces within one another.
func TestBounds(t *testing.T) {
	for _, s := range []string{strings.Repeat("Group {\n name g\n}\n", 2*maxDepth), "Read {\n a " + strings.Repeat("{", 2*maxDepth) + strings.Repeat("}", 2*maxDepth) + "\n}\n"} {
		if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte(s))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%.40q: %v", s, err)
		}
	}
}

func TestMatch(t *testing.T) {
	for name, want := range map[string]bool{"a.nk:Read {\n}": true, "a.gizmo:Group { \n}": true, "a.txt:set cut_paste_input [stack 0]\n": true, "a.nk:\x00{\n": false, "a.txt:Read {\n}": false, "x:#! /opt/Nuke14/libnuke-14.so -nx\n": true} {
		file, head, _ := strings.Cut(name, ":")
		if got := (Format{}).Match(file, []byte(head)); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestContract(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"comp.nk": []byte(text)})
}

func FuzzScript(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"comp.nk": []byte(text)})
}
