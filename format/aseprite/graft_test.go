package aseprite

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

var le = binary.LittleEndian

func text(b []byte, s string) []byte { return append(le.AppendUint16(b, uint16(len(s))), s...) }

func piece(kind uint16, b ...[]byte) []byte {
	all := slices.Concat(b...)
	return append(le.AppendUint16(le.AppendUint32(nil, uint32(len(all)+6)), kind), all...)
}

// aLayer makes a layer's chunk; id 0 is none.
func aLayer(name string, level, kind int, id byte) []byte {
	b := []byte{1, 0, byte(kind), 0, byte(level), 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0}
	b = text(b, name)
	if id != 0 {
		b = append(b, bytes.Repeat([]byte{id}, 16)...)
	}
	return piece(kindLayer, b)
}

// aCel makes a cel of one colour, 2×2.
func aCel(layer int, shade byte) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write(bytes.Repeat([]byte{shade, 0, 0, 255}, 4))
	_ = w.Close()
	return piece(kindCel, []byte{byte(layer), 0, 0, 0, 0, 0, 255, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0}, z.Bytes())
}

func aLink(layer, to int) []byte {
	return piece(kindCel, []byte{byte(layer), 0, 0, 0, 0, 0, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0, byte(to), 0})
}

func note(s string) []byte { return piece(kindUserData, []byte{1, 0, 0, 0}, text(nil, s)) }

func someTags(names ...string) []byte {
	b := append([]byte{byte(len(names)), 0}, make([]byte, 8)...)
	for i := range names {
		b = text(append(b, 0, 0, byte(i), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 0), names[i])
	}
	return piece(kindTags, b)
}

// build makes an RGBA sprite of 4×4.
func build(flags byte, frames ...[][]byte) []byte {
	var body []byte
	for _, f := range frames {
		all := slices.Concat(f...)
		h := make([]byte, 16)
		le.PutUint32(h, uint32(len(all)+16))
		le.PutUint16(h[4:], frameMagic)
		le.PutUint16(h[6:], uint16(len(f)))
		le.PutUint16(h[8:], 100)
		le.PutUint32(h[12:], uint32(len(f)))
		body = append(append(body, h...), all...)
	}
	h := make([]byte, 128)
	le.PutUint32(h, uint32(128+len(body)))
	le.PutUint16(h[4:], fileMagic)
	le.PutUint16(h[6:], uint16(len(frames)))
	h[8], h[10], h[12], h[14] = 4, 4, 32, 1|flags
	return append(h, body...)
}

// old has a group of two layers with a layer above and below, in three frames, the last a link.
func old() []byte {
	return build(4,
		[][]byte{someTags("Walk", "Run"), note("of walk"), note("of run"), aLayer("Sky", 0, 0, 1), aLayer("Hero", 0, 1, 2), note("the hero"),
			aLayer("Body", 1, 0, 3), aLayer("Hat", 1, 0, 4), aLayer("Front", 0, 0, 5), aCel(0, 10), aCel(2, 20), note("cel of body"), aCel(3, 30), aCel(4, 40)},
		[][]byte{aCel(0, 11), aLink(2, 0), aCel(3, 31)},
		[][]byte{aLink(2, 0), aCel(4, 42)})
}

func outline(list []format.Element) string {
	var out []string
	for _, e := range list {
		mark := strings.Repeat(">", min(len(e.Parent), 1))
		switch e.Kind {
		case "layer", "group":
			out = append(out, mark+e.Name)
		case "cel":
			out = append(out, strings.TrimPrefix(e.Name, "Frame "))
		case "tag":
			out = append(out, "#"+e.Name)
		}
	}
	return strings.Join(out, " ")
}

func idsOf(list []format.Element, names ...string) []string {
	var out []string
	for _, e := range list {
		if slices.Contains(names, e.Name) && e.Kind != "cel" {
			out = append(out, e.ID)
		}
	}
	return out
}

func graftOf(t *testing.T, into, from []byte, ids ...string) ([]format.Element, *format.Grafting, []byte) {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), ids)
	if err != nil {
		t.Fatal(err)
	}
	b := formattest.All(t, g.Content)
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
		t.Error(err)
	}
	return elements(t, b), g, b
}

// TestGraft: layers come back between their neighbours, with their cels and what is said of them; the cels of others keep
// their layers.
func TestGraft(t *testing.T) {
	was := elements(t, old())
	if got, want := outline(was), "Front 1 3 Hero >Hat 1 2 >Body 1 2 3 Sky 1 2 #Walk #Run"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	newer := build(4,
		[][]byte{someTags("Run"), note("of run"), aLayer("Sky 2", 0, 0, 1), aLayer("Hero", 0, 1, 2), note("the hero"), aLayer("Hat", 1, 0, 4), aLayer("Newest", 0, 0, 9),
			aCel(0, 10), aCel(2, 30), aCel(3, 90)},
		[][]byte{aCel(0, 11), aCel(2, 33)},
		[][]byte{aCel(3, 92)},
		[][]byte{aCel(2, 34)})
	is := elements(t, newer)
	for _, c := range []struct{ what, want, changed string }{
		{"Body", "Newest 1 3 Hero >Hat 1 2 4 >Body 1 2 3 Sky 2 1 2 #Run", "Body Frame 1 Frame 2 Frame 3"},
		{"Hat", "Newest 1 3 Hero >Hat 1 2 4 Sky 2 1 2 #Run", "Frame 2"},
		{"Front", "Newest 1 3 Front 1 3 Hero >Hat 1 2 4 Sky 2 1 2 #Run", "Front Frame 1 Frame 3"},
		{"Sky", "Newest 1 3 Hero >Hat 1 2 4 Sky 1 2 #Run", "Sky"},
		{"Hero", "Newest 1 3 Hero >Hat 1 2 4 >Body 1 2 3 Sky 2 1 2 #Run", "Body Frame 1 Frame 2 Frame 3 Frame 2"},
		{"Walk", "Newest 1 3 Hero >Hat 1 2 4 Sky 2 1 2 #Walk #Run", "Walk"},
		{"Run", "Newest 1 3 Hero >Hat 1 2 4 Sky 2 1 2 #Run", "Run"},
	} {
		got, g, _ := graftOf(t, newer, old(), idsOf(was, c.what)...)
		if outline(got) != c.want {
			t.Errorf("%s: %s, want %s", c.what, outline(got), c.want)
		}
		var names []string
		for _, id := range g.Changed {
			for _, e := range got {
				if e.ID != id {
					continue
				}
				names = append(names, e.Name)
				i := slices.IndexFunc(was, func(o format.Element) bool { return o.ID == id })
				if i < 0 || was[i].Hash() != e.Hash() {
					t.Errorf("%s: %s is not as it was: %+v", c.what, id, e)
				}
			}
		}
		slices.Sort(names)
		want := strings.Fields(c.changed)
		slices.Sort(want)
		if have := strings.Fields(strings.Join(names, " ")); !slices.Equal(sorted(have), want) {
			t.Errorf("%s: changed %q, want %q", c.what, names, c.changed)
		}
		for _, e := range is {
			i := slices.IndexFunc(got, func(o format.Element) bool { return o.ID == e.ID })
			if i < 0 || got[i].Hash() != e.Hash() && !slices.Contains(g.Changed, e.ID) {
				t.Errorf("%s: %s changed", c.what, e.ID)
			}
		}
	}
}

func sorted(s []string) []string { slices.Sort(s); return s }

// TestGraftUnderLinks: what links to a cel that is replaced goes on to show what it did.
func TestGraftUnderLinks(t *testing.T) {
	a := build(0, [][]byte{aLayer("A", 0, 0, 0), aCel(0, 1)}, [][]byte{aCel(0, 2)}, nil)
	b := build(0, [][]byte{aLayer("A", 0, 0, 0), aCel(0, 7)}, [][]byte{aLink(0, 0)}, [][]byte{aLink(0, 1)})
	before := elements(t, b)
	got, _, _ := graftOf(t, b, a, "layer:A@1")
	if got[1].Aspects["pixels"] != elements(t, a)[1].Aspects["pixels"] {
		t.Error("the cel was not put")
	}
	for _, i := range []int{2, 3} {
		if got[i].Aspects["pixels"] != before[i].Aspects["pixels"] {
			t.Errorf("%s shows something else", got[i].ID)
		}
	}
	// Of a link what it shows is taken.
	got, _, _ = graftOf(t, a, b, "layer:A@2")
	if got[2].Aspects["pixels"] != before[1].Aspects["pixels"] || got[1].Aspects["pixels"] == before[1].Aspects["pixels"] {
		t.Error("a link was put as a link")
	}
	// With the whole layer, cels go that it did not have.
	got, _, _ = graftOf(t, b, a, "layer:A")
	if outline(got) != "A 1 2" {
		t.Errorf("%s", outline(got))
	}
}

func TestGraftRefusals(t *testing.T) {
	a := build(0, [][]byte{aLayer("A", 0, 0, 0), aLayer("B", 0, 0, 0), aCel(0, 1), aCel(1, 1)}, [][]byte{someTags("X", "Y")})
	b := build(0, [][]byte{aLayer("A", 0, 1, 0)})
	gray := build(0, [][]byte{aLayer("A", 0, 0, 0)})
	gray[12] = 16
	for id, into := range map[string][]byte{"layer:A": b, "layer:B@1": b, "tag:Y": b, "frame:2": b, "layer:B": gray} {
		var r *format.Refusal
		if _, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(a), []string{id}); !errors.As(err, &r) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes(a), format.Bytes(a), []string{"layer:C"}); !errors.Is(err, format.ErrNoElement) {
		t.Error(err)
	}
}

// TestOnto: a graft of all onto itself is the file, with bytes in it that nobody knows.
func TestOnto(t *testing.T) {
	b := old()
	formattest.Run(t, Format{}, map[string][]byte{"old.aseprite": b, "behind": append(bytes.Clone(b), "more"...), "unknown": build(0, [][]byte{piece(0x7777, []byte("?"))})})
}

func TestReferences(t *testing.T) {
	ext := func(id byte, kind byte, name string) []byte {
		return text([]byte{id, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0}, name)
	}
	b := build(0, [][]byte{piece(kindExternal, []byte{3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ext(1, 0, `pal\fire.gpl`), ext(2, 2, "someone/tool"), ext(3, 1, "tiles.aseprite")), aLayer("A", 0, 0, 0)})
	refs, err := format.References(t.Context(), Format{}, format.Bytes(b))
	if err != nil || len(refs) != 2 || refs[0].Path != "pal/fire.gpl" || string(b[refs[1].Off:refs[1].Off+refs[1].Len]) != "tiles.aseprite" {
		t.Fatalf("%+v, %v", refs, err)
	}
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{`pal\fire.gpl`: "a/longer/path/fire.gpl", "tiles.aseprite": "t.ase", "someone/tool": "x"})
	if err != nil {
		t.Fatal(err)
	}
	got := formattest.All(t, out)
	refs, err = format.References(t.Context(), Format{}, format.Bytes(got))
	if err != nil || len(refs) != 2 || refs[0].Path != "a/longer/path/fire.gpl" || refs[1].Path != "t.ase" || !bytes.Contains(got, []byte("someone/tool")) {
		t.Fatalf("%+v, %v", refs, err)
	}
	if err := format.Validate(t.Context(), Format{}, format.Bytes(got)); err != nil {
		t.Error(err)
	}
	formattest.Run(t, Format{}, map[string][]byte{"external": b})
}

func TestHostile(t *testing.T) {
	for name, change := range map[string]func(b []byte){
		"no magic":   func(b []byte) { b[4] = 0 },
		"depth":      func(b []byte) { b[12] = 24 },
		"no frames":  func(b []byte) { b[6] = 0 },
		"frame":      func(b []byte) { b[128] = 8 },
		"long frame": func(b []byte) { b[131] = 1 },
		"chunks":     func(b []byte) { b[128+15] = 1 },
		"chunk":      func(b []byte) { b[144] = 2 },
		"longer":     func(b []byte) { b[2] = 1 },
	} {
		b := old()
		change(b)
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := old()
	for n := range b {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	// Pixels that promise more than there are, or are a bomb of links.
	big := build(0, [][]byte{aLayer("A", 0, 0, 0), aCel(0, 1)})
	i := bytes.Index(big, []byte{2, 0, 2, 0, 0x78})
	copy(big[i:], []byte{255, 255, 255, 255})
	if _, err := format.Decode(t.Context(), Format{}, format.Bytes(big)); !errors.Is(err, format.ErrLimit) {
		t.Errorf("a cel of 65535×65535: %v", err)
	}
	ring := build(0, [][]byte{aLayer("A", 0, 0, 0), aLink(0, 1)}, [][]byte{aLink(0, 0)})
	if _, err := format.Elements(t.Context(), Format{}, format.Bytes(ring)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("cels that are each other: %v", err)
	}
}

func FuzzAseprite(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"old": old(), "links": build(2, [][]byte{aLayer("A", 0, 1, 0), aLayer("B", 1, 0, 0), aCel(1, 7)}, [][]byte{aLink(1, 0)})})
}

// TestLongGroup: a group's name does not make the ids of many layers larger than the file.
func TestLongGroup(t *testing.T) {
	chunks := [][]byte{aLayer(strings.Repeat("x", 60_000), 0, 1, 0)}
	for range 2000 {
		chunks = append(chunks, aLayer("a", 1, 0, 0))
	}
	b := build(0, chunks)
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil || len(list) < 2001 {
		t.Fatal(len(list), err)
	}
	n := 0
	for _, e := range list {
		n += len(e.ID)
	}
	if n > 4*len(b) {
		t.Errorf("%d bytes of ids of a file of %d", n, len(b))
	}
}
