package blend

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func references(t testing.TB, b []byte) (out []string) {
	t.Helper()
	list, err := format.References(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		s := fmt.Sprintf("%s: %s %s %s %s", r.Element, r.Kind, r.Style, r.Raw, r.Path)
		if r.Sequence {
			s += " sequence"
		}
		out = append(out, s)
	}
	return out
}

// needy adds data-blocks that need files, and some that seem to.
func needy(m *maker) {
	for i, v := range []values{
		{"name": "//..\\maps\\sky.exr", "source": 1},
		{"name": "C:\\maps\\a_0007.png", "source": 2},
		{"name": "//tiles/skin.1001.png", "source": 6},
		{"name": "//packed.png", "source": 1, "packedfile": uint64(77)},
		{"name": "//generated.png", "source": 4},
		{"name": "Render Result", "source": 5},
		{"name": "", "source": 1},
	} {
		v["id.name"] = fmt.Sprintf("IM%d", i)
		m.add("IM", "Image", uint64(0x900000+i*64), v)
	}
	m.add("SO", "bSound", 0x910000, values{"id.name": "SOdoor", "name": "/sounds/door.wav"})
	m.add("SO", "bSound", 0x910040, values{"id.name": "SOin", "name": "//in.wav", "packedfile": uint64(5)})
	m.add("SC", "Scene", 0x950000, values{"id.name": "SCCut", "ed": uint64(0x950040)})
	m.add("DATA", "Editing", 0x950040, values{"seqbase.first": uint64(0x950100), "seqbase.last": uint64(0x950140)})
	for i := range 3 { // two that share a folder, and a sound that is packed
		v := values{"type": 3, "strip": uint64(0x950200)}
		if i == 2 {
			v = values{"type": 4, "strip": uint64(0x950200), "sound": uint64(0x910040)}
		}
		m.add("DATA", "Sequence", uint64(0x950100+i*64), v)
	}
	m.add("DATA", "Strip", 0x950200, values{"dir": "//cut/", "stripdata": uint64(0x950240)})
	m.add("DATA", "StripElem", 0x950240, values{"name": "take.mov"})
	m.add("VF", "VFont", 0x920000, values{"id.name": "VFBfont", "name": "<builtin>"})
	m.add("VF", "VFont", 0x920040, values{"id.name": "VFown", "name": "//fonts/own.ttf"})
	m.add("MC", "MovieClip", 0x930000, values{"id.name": "MCclip", "name": "//clip/f0001.png", "source": 1})
	m.add("VO", "Volume", 0x940000, values{"id.name": "VOsmoke", "filepath": "\\\\server\\smoke_12_.vdb", "is_sequence": 1})
}

func TestReferences(t *testing.T) {
	want := `SCScene: texture relative //shots/a/a_0001.png shots/a/a_####.png sequence
OBVase: cache relative //cache/vase.mdd cache/vase.mdd
OBVase: cache relative //blendcache_still/56617365_*.bphys blendcache_still/56617365_*.bphys sequence
IMwood.png: texture relative //textures/wood.png textures/wood.png
LI//set.blend: library relative //set.blend set.blend
LI//other.blend: library relative //other.blend other.blend
IM0: texture relative //..\maps\sky.exr ../maps/sky.exr
IM1: texture absolute C:\maps\a_0007.png C:/maps/a_####.png sequence
IM2: texture relative //tiles/skin.1001.png tiles/skin.<UDIM>.png sequence
SOdoor: sound absolute /sounds/door.wav /sounds/door.wav
SCCut: video relative //cut/take.mov cut/take.mov
SCCut: video relative //cut/take.mov cut/take.mov
VFown: font relative //fonts/own.ttf fonts/own.ttf
MCclip: video relative //clip/f0001.png clip/f####.png sequence
VOsmoke: volume absolute \\server\smoke_12_.vdb //server/smoke_##_.vdb sequence`
	each(t, func(t *testing.T, k machine) {
		m := still().make(k)
		needy(m)
		b := m.bytes()
		for name, c := range map[string][]byte{"plain": b, "gzip": gzipping(t, b), "frames": framing(t, b, 1000, true)} {
			if got := strings.Join(references(t, c), "\n"); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
			}
		}
	})
}

func TestRewrite(t *testing.T) {
	paths := map[string]string{
		"//textures/wood.png":   "//oak.png",
		"//shots/a/a_0001.png":  "//b/a_0001.png",
		"//set.blend":           "//" + strings.Repeat("s", 1000) + ".blend",
		"//cache/vase.mdd":      "//cache/vase.mdd",
		"//..\\maps\\sky.exr":   "//day/sky-of-another-day.exr",
		"//cut/take.mov":        "//cut/final/take2.mov",
		"//is/not/in/this.file": "//x",
	}
	each(t, func(t *testing.T, k machine) {
		m := still().make(k)
		needy(m)
		b := m.bytes()
		for name, c := range map[string][]byte{"plain": b, "gzip": gzipping(t, b), "frames": framing(t, b, 1000, true)} {
			was := references(t, c)
			out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(c), paths)
			if err != nil {
				t.Fatal(err)
			}
			got := formattest.All(t, out)
			if err := format.Validate(t.Context(), Format{}, format.Bytes(got)); err != nil {
				t.Fatal(err)
			}
			is := references(t, got)
			for i := range was {
				was[i] = strings.NewReplacer("//textures/wood.png textures/wood.png", "//oak.png oak.png",
					"//shots/a/a_0001.png shots/a/a", "//b/a_0001.png b/a", "//set.blend set.blend", paths["//set.blend"]+" "+paths["//set.blend"][2:],
					"LI//set.blend", "LI"+paths["//set.blend"], "//cut/take.mov cut/take.mov", "//cut/final/take2.mov cut/final/take2.mov", "//..\\maps\\sky.exr ../maps/sky.exr", "//day/sky-of-another-day.exr day/sky-of-another-day.exr").Replace(was[i])
			}
			if strings.Join(is, "\n") != strings.Join(was, "\n") {
				t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(is, "\n"), strings.Join(was, "\n"))
			}
			if name == "plain" {
				onlyPaths(t, b, got)
				if bytes.Contains(got, []byte("/wood.png")) {
					t.Error("the rest of a longer path is left behind")
				}
			}
			// back again: each path shorter or longer than the one before
			back := map[string]string{}
			for from, to := range paths {
				back[to] = from
			}
			out, err = format.Rewrite(t.Context(), Format{}, format.Bytes(got), back)
			if err != nil {
				t.Fatal(err)
			}
			if again := formattest.All(t, out); strings.Join(references(t, again), "\n") != strings.Join(references(t, c), "\n") {
				t.Errorf("%s: it does not come back", name)
			}
		}
	})
}

// onlyPaths: files differ in no byte but those of the paths that were rewritten.
func onlyPaths(t *testing.T, a, b []byte) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d bytes and %d", len(a), len(b))
	}
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	if n == 0 || n > 1300 {
		t.Errorf("%d bytes differ", n)
	}
}

func TestRewriteRefuses(t *testing.T) {
	b := still().bytes(machines()[0])
	for from, to := range map[string]string{
		"//textures/wood.png":                 "//" + strings.Repeat("x", 1022),
		"//shots/a/a_0001.png":                "//shots/a/b_0001.png",
		"//blendcache_still/56617365_*.bphys": "//x/56617365_*.bphys",
		"//cache/vase.mdd":                    "",
		"//set.blend":                         "//a\x00b",
	} {
		_, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{from: to})
		var r *format.Refusal
		if !errors.As(err, &r) || r.Reason == "" {
			t.Errorf("%q to %q: %v", from, to, err)
		}
	}
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{"//textures/wood.png": "//" + strings.Repeat("x", 1021)})
	if err != nil {
		t.Fatalf("what just fits: %v", err)
	}
	if got := references(t, formattest.All(t, out)); !strings.Contains(strings.Join(got, " "), strings.Repeat("x", 1021)+" ") {
		t.Error("what just fits does not")
	}
}
