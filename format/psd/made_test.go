package psd

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func graft(t testing.TB, into, from []byte, ids ...string) *format.Grafting {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), ids)
	if err != nil {
		t.Fatal(err)
	}
	if err := format.Validate(t.Context(), Format{}, g.Content); err != nil {
		t.Fatal(err)
	}
	return g
}

// tree writes the layers of a file from the top, those of a group in brackets.
func tree(t testing.TB, b []byte) string {
	t.Helper()
	d, err := parse(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	var text func(list []*node) string
	text = func(list []*node) string {
		var out []string
		for _, n := range list {
			s := n.id + d.layers.of(n).name
			if n.group {
				s += "[" + text(n.children) + "]"
			}
			out = append(out, s)
		}
		return strings.Join(out, " ")
	}
	return text(d.layers.tree)
}

// TestPlaceInTheStack: a layer that is not there any more goes beside those that it was beside.
func TestPlaceInTheStack(t *testing.T) {
	l := func(id int) madeLayer { return square(id, string(rune('a'+id-1)), 2*id, 9, .5, .1, float64(id)/20) }
	clip := func(id int) madeLayer { k := l(id); k.clipped = true; return k }
	with := func(k madeLayer, name string) madeLayer { k.name = name; return k }
	stack := func(parts ...any) []byte {
		var out []madeLayer
		for _, p := range parts {
			switch p := p.(type) {
			case madeLayer:
				out = append(out, p)
			case []madeLayer:
				out = append(out, p...)
			}
		}
		return rgbDocument(out...).file()
	}
	for _, c := range []struct {
		name       string
		into, from []byte
		ids, want  string
	}{
		{"above its neighbour", stack(l(1), l(3)), stack(l(1), l(2), l(3)), "2", "3c 2b 1a"},
		{"at the bottom", stack(l(2), l(3)), stack(l(1), l(2), l(3)), "1", "3c 2b 1a"},
		{"at the top", stack(l(1), l(2)), stack(l(1), l(2), l(3)), "3", "3c 2b 1a"},
		{"its neighbours are gone", stack(l(1), l(9)), stack(l(1), l(2), l(3), l(4)), "4", "9i 4d 1a"},
		{"two side by side", stack(l(1), l(4)), stack(l(1), l(2), l(3), l(4)), "2 3", "4d 3c 2b 1a"},
		{"over what is clipped", stack(l(1), clip(5), l(4)), stack(l(1), l(2), l(4)), "2", "4d 2b 5e 1a"},
		{"under what was clipped to it", stack(l(1), clip(5)), stack(l(1), l(2), clip(5)), "2", "5e 2b 1a"},
		{"a clipped one stays at its base", stack(l(1), clip(5), l(4)), stack(l(1), clip(2), clip(5), l(4)), "2", "4d 5e 2b 1a"},
		{"into its group", stack(l(1), group(8, "g", l(3))), stack(l(1), group(8, "g", l(2), l(3))), "2", "8g[3c 2b] 1a"},
		{"its group is gone", stack(l(1), l(4)), stack(l(1), group(8, "g", l(2), l(3)), l(4)), "2", "4d 2b 1a"},
		{"a whole group", stack(l(1), l(4)), stack(l(1), group(8, "g", l(2), l(3)), l(4)), "8", "4d 8g[3c 2b] 1a"},
		{"a group in the place of itself", stack(l(4), group(8, "g", l(2), l(7))), stack(l(1), group(8, "g", l(2), l(3)), l(4)), "8", "8g[3c 2b] 4d"},
		{"a group of which a layer has left", stack(l(3), group(8, "g", l(2))), stack(group(8, "g", l(2), l(3))), "8", "8g[1009c 2b] 3c"},
		{"a layer in and after its group", stack(group(8, "g", l(2), l(3))), stack(group(8, "g", l(2)), with(l(3), "old")), "3 8", "3old 8g[2b]"},
		{"in place, not where it was", stack(l(2), l(1)), stack(with(l(1), "old"), l(2)), "1", "1old 2b"},
		{"its number is taken", stack(l(1), group(2, "g")), stack(l(1), l(2)), "2", "2g[] 1003b 1a"},
		{"its number is another layer's", stack(l(1), smart(2, "s", "u")), stack(l(1), l(2)), "2", "2s 3b 1a"},
		{"a layer that was renamed", stack(l(1), with(l(2), "new")), stack(l(1), with(l(2), "old")), "2", "2old 1a"},
		{"without numbers", stack(square(-1, "x", 1, 4, 1, 1, 1), square(-1, "y", 1, 4, 1, 1, 1)),
			stack(square(-1, "x", 1, 5, 1, 1, 1), square(-1, "y", 1, 4, 1, 1, 1)), "#0", "#1y #0x"},
		{"without numbers, of one name", stack(square(-1, "x", 1, 4, 1, 1, 1), square(-1, "x", 1, 4, 1, 1, 1)),
			stack(square(-1, "x", 1, 5, 1, 1, 1)), "#0", "#2x #1x #0x"},
	} {
		g := graft(t, c.into, c.from, strings.Fields(c.ids)...)
		if got := tree(t, formattest.All(t, g.Content)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if d, err := parse(t.Context(), g.Content); err != nil || d.layers.all.n%4 != 0 {
			t.Errorf("%s: layers take %d bytes, %v", c.name, d.layers.all.n, err)
		}
		if len(g.Changed) == 0 {
			t.Errorf("%s: nothing is said to be changed", c.name)
		}
	}
	g := graft(t, stack(l(4), group(8, "g", l(2), l(7))), stack(l(1), group(8, "g", l(2), l(3)), l(4)), "8")
	if len(g.Notes) != 1 || !strings.Contains(g.Notes[0], `"g" was not`) && !strings.Contains(g.Notes[0], `"g"`) {
		t.Errorf("a layer that is taken out with its group: %q", g.Notes)
	}
}

// TestRecompression: what an element is does not depend on how its pixels are compressed.
func TestRecompression(t *testing.T) {
	for _, big := range []bool{false, true} {
		for _, depth := range []int{8, 16, 32} {
			var first []format.Element
			for packing := range 4 {
				m := rgbDocument(square(1, "a", 3, 11, .25, .5, .75))
				m.big, m.depth, m.layers[0].noise, m.packing = big, depth, true, packing
				list := listed(t, m.file())
				if d := formattest.Differ(first, list); first != nil && d != "" {
					t.Errorf("%d bits, compression %d: %s", depth, packing, d)
				}
				first = list
				m.layers[0].colour[0] = .3
				m.layers[0].noise = false
				if other := listed(t, m.file()); other[0].Hash() == list[0].Hash() {
					t.Errorf("%d bits, compression %d: other pixels are the same", depth, packing)
				}
			}
		}
	}
}

// TestMadeConformance: documents of every depth and compression, with nothing from elsewhere.
func TestMadeConformance(t *testing.T) {
	files := map[string][]byte{}
	for _, big := range []bool{false, true} {
		for _, depth := range []int{8, 16, 32} {
			for packing := range 4 {
				a := square(1, "a", 3, 11, .25, .5, .75)
				a.mask = &box{4, 4, 9, 9}
				m := rgbDocument(append([]madeLayer{a}, group(5, "g", square(2, "b", -4, 20, 1, 0, 0))...)...)
				m.big, m.depth, m.packing, m.negated = big, depth, packing, packing == 2
				files[fmt.Sprintf("%d-%d-%t.psd", depth, packing, big)] = m.file()
			}
		}
	}
	formattest.Run(t, Format{}, files)
}

func FuzzFormat(f *testing.F) {
	a := square(1, "a", 3, 11, .25, .5, .75)
	a.mask = &box{4, 4, 9, 9}
	m := rgbDocument(append([]madeLayer{a}, group(5, "g", square(2, "b", -4, 20, 1, 0, 0))...)...)
	m.resources = []madeBlock{{"\x04\x21", []byte{0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}
	m.blocks = []madeBlock{{"lnk2", linkedItem("liFD", "u-1", "a.png", []byte("PNG"))}, {"lnkE", linkedItem("liFE", "u-2", "b.png", link("b.png"))}}
	seeds := map[string][]byte{"8": m.file()}
	m.depth, m.big, m.packing = 16, true, packPredicted
	seeds["16"] = m.file()
	formattest.Fuzz(f, Format{}, seeds)
}

// linkedItem is a file of a smart object.
func linkedItem(kind, uuid, name string, content []byte) []byte {
	b := append([]byte(kind), 0, 0, 0, 2)
	b = append(append(b, byte(len(uuid))), uuid...)
	b = append(b, unicodeBytes(name)...)
	b = append(b, "png         "[:8]...)
	if kind == "liFD" {
		b = append(be(b, 8, int64(len(content))), 0)
	} else {
		b = append(be(b, 8, 0), 0)
	}
	b = append(b, content...)
	out := append(be(nil, 8, int64(len(b))), b...)
	for n := len(b); n%4 != 0; n++ {
		out = append(out, 0)
	}
	return out
}

// link is the descriptor of where a file is.
func link(path string) []byte {
	b := be(nil, 4, 16)
	b = append(b, unicodeBytes("")...)
	b = append(be(b, 4, 0), "ExternalFileLink"[:4]...)
	items := []struct{ key, text string }{{"fullPath", "file:///C:/art/" + path}, {"relPath", path}}
	b = be(b, 4, int64(len(items)+1))
	for _, it := range items {
		b = append(be(b, 4, int64(len(it.key))), it.key...)
		b = append(append(b, "TEXT"...), unicodeBytes(it.text)...)
	}
	return append(append(be(b, 4, 0), "Nm  TEXT"...), unicodeBytes(path[strings.LastIndexByte(path, '/')+1:])...)
}

// placedBlock says which file a layer shows.
func placedBlock(uuid string) madeBlock {
	b := append([]byte("plcL"), 0, 0, 0, 3)
	return madeBlock{"PlLd", append(append(append(b, byte(len(uuid))), uuid...), make([]byte, 12)...)}
}

func smart(id int, name, uuid string) madeLayer {
	l := square(id, name, 2, 8, 1, 1, 0)
	l.blocks = []madeBlock{placedBlock(uuid)}
	return l
}

// TestSmartObjects: the file of a smart object goes along with it, unless the document has it.
func TestSmartObjects(t *testing.T) {
	const one, two = "11111111-aaaa", "22222222-bbbb"
	plain := square(1, "a", 0, 9, 0, 0, 0)
	document := func(files []byte, layers ...madeLayer) []byte {
		m := rgbDocument(layers...)
		if files != nil {
			m.blocks = []madeBlock{{"lnk2", files}}
		}
		return m.file()
	}
	old := linkedItem("liFD", one, "x.txt", []byte("old text"))
	fresh := linkedItem("liFD", one, "x.txt", []byte("new"))
	other := linkedItem("liFD", two, "y.txt", []byte("other"))
	from := document(slices.Concat(other, old), plain, smart(2, "s", one))
	for name, into := range map[string][]byte{
		"no files":   document(nil, plain),
		"others":     document(other, plain),
		"the same":   document(old, plain),
		"a new text": document(slices.Concat(fresh, other), plain, smart(2, "s", one)),
	} {
		b := formattest.All(t, graft(t, into, from, "2").Content)
		x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), "2")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := formattest.All(t, x.Content); string(got) != "old text" || x.Extension != ".txt" {
			t.Errorf("%s: %q, %s", name, got, x.Extension)
		}
		if n := bytes.Count(b, []byte(one)); n != 2 {
			t.Errorf("%s: the file is named %d times", name, n)
		}
		if strings.Contains(name, "other") != bytes.Contains(b, []byte("other")) && name == "others" {
			t.Errorf("%s: the other file is gone", name)
		}
	}
	into := document(fresh, plain, smart(2, "s", one), smart(3, "twin", one))
	_, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), []string{"2"})
	var refusal *format.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Reason, "twin") || refusal.Advice == "" {
		t.Errorf("a file that another layer has too: %v", err)
	}
	a, b := listed(t, document(old, smart(2, "s", one))), listed(t, document(fresh, smart(2, "s", one)))
	if a[0].Aspects["smart object"] == b[0].Aspects["smart object"] || a[0].Properties["file"] != "x.txt" {
		t.Errorf("%v and %v", a[0], b[0])
	}
}

// TestLinks: paths of links are read and written; all else stays.
func TestLinks(t *testing.T) {
	m := rgbDocument(smart(2, "s", "u-2"), smart(3, "s", "u-3"))
	m.blocks = []madeBlock{{"lnkE", slices.Concat(linkedItem("liFE", "u-2", "b.png", link("art/b.png")), linkedItem("liFE", "u-3", "c.png", link("art/ü.png")))}}
	in := m.file()
	refs, err := format.References(t.Context(), Format{}, format.Bytes(in))
	if err != nil || len(refs) != 2 || refs[0].Path != "art/b.png" || refs[0].Style != format.Relative || refs[0].Element != "2" || refs[1].Raw != "art/ü.png" {
		t.Fatalf("%+v, %v", refs, err)
	}
	same, err := format.Rewrite(t.Context(), Format{}, format.Bytes(in), map[string]string{"nothing": "x"})
	if err != nil || !bytes.Equal(formattest.All(t, same), in) {
		t.Errorf("nothing to rewrite: %v", err)
	}
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(in), map[string]string{"art/ü.png": "textures/long/d.png"})
	if err != nil {
		t.Fatal(err)
	}
	b := formattest.All(t, out)
	if err := (Format{}).Validate(t.Context(), format.Bytes(b)); err != nil {
		t.Error(err)
	}
	refs, err = format.References(t.Context(), Format{}, format.Bytes(b))
	if err != nil || len(refs) != 2 || refs[0].Path != "art/b.png" || refs[1].Path != "textures/long/d.png" {
		t.Errorf("%+v, %v", refs, err)
	}
	back, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{"textures/long/d.png": "art/ü.png"})
	if err != nil || !bytes.Equal(formattest.All(t, back), in) {
		t.Errorf("and back: %v", err)
	}
}

// TestRefusals: what cannot be done right is not done.
func TestRefusals(t *testing.T) {
	doc := func(change func(*made)) []byte {
		m := rgbDocument(square(1, "a", 0, 9, 0, 0, 0))
		change(m)
		return m.file()
	}
	good := doc(func(*made) {})
	for name, other := range map[string][]byte{
		"depth":     doc(func(m *made) { m.depth = 16 }),
		"mode":      doc(func(m *made) { m.mode = modeLab }),
		"flattened": doc(func(m *made) { m.layers = nil }),
		"unpaired":  doc(func(m *made) { m.layers = append(m.layers, group(3, "g")[1:]...) }),
	} {
		_, err := format.Graft(t.Context(), Format{}, format.Bytes(other), format.Bytes(good), []string{"1"})
		var refusal *format.Refusal
		if !errors.As(err, &refusal) || refusal.Advice == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes(good), format.Bytes(good), []string{"7"}); !errors.Is(err, format.ErrNoElement) {
		t.Errorf("no element: %v", err)
	}
}

// TestBetweenPSDAndPSB: a layer of a PSD goes into a PSB, and back, and is what it was.
func TestBetweenPSDAndPSB(t *testing.T) {
	for packing := range 4 {
		a, b := square(1, "a", 0, 9, 1, 0, 0), square(2, "b", 3, 21, 1, 1, 0)
		b.noise, b.mask = true, &box{5, 5, 11, 11}
		b.blocks = append(b.blocks, placedBlock("u-1"), madeBlock{"FMsk", make([]byte, 14)})
		small := rgbDocument(append([]madeLayer{a}, group(7, "g", b)...)...)
		small.packing = packing
		small.blocks = []madeBlock{{"lnk2", linkedItem("liFD", "u-1", "x.txt", []byte("text"))}}
		large := *small
		large.big = true
		for _, way := range [][2]*made{{small, &large}, {&large, small}} {
			into, from := *way[0], *way[1]
			whole := into.file()
			into.layers, into.blocks = into.layers[:1], nil
			g := graft(t, into.file(), from.file(), "7")
			if d := formattest.Differ(listed(t, whole), listed(t, formattest.All(t, g.Content))); d != "" {
				t.Errorf("compression %d, into PSB %t: %s", packing, into.big, d)
			}
			taken := into
			taken.layers = []madeLayer{a, square(2, "other", 1, 3, 0, 0, 1), square(7, "another", 1, 3, 0, 0, 1)}
			g = graft(t, taken.file(), from.file(), "7")
			if got := tree(t, formattest.All(t, g.Content)); got != "7another 2other 1009g[1008b] 1a" {
				t.Error(got)
			}
		}
	}
}

// TestSharedNumbers: a number that two layers have names neither.
func TestSharedNumbers(t *testing.T) {
	list := listed(t, rgbDocument(square(1, "a", 0, 9, 1, 0, 0), square(2, "b", 0, 9, 1, 0, 0), square(1, "c", 0, 9, 1, 0, 0)).file())
	var got []string
	for _, e := range list {
		got = append(got, e.ID+" "+e.Stable)
	}
	if want := []string{"#2 ", "2 2", "#0 "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestMaskRecords: density and feather are found with and without the user's own mask before them.
func TestMaskRecords(t *testing.T) {
	head := append(be(be(be(be(nil, 4, 1), 4, 2), 4, 30), 4, 40), 255, maskTuned)
	feather := be(nil, 8, 0x4014000000000000) // 5
	user := append([]byte{maskDisabled, 7}, be(be(be(be(nil, 4, 3), 4, 4), 4, 9), 4, 9)...)
	all := slices.Concat([]byte{15, 100}, feather, []byte{50}, feather)
	for name, c := range map[string]struct {
		record []byte
		ids    []int
		user   bool
		want   [2]uint8
	}{
		"all four":             {slices.Concat(head, all), []int{idMask}, false, [2]uint8{100, 50}},
		"a density":            {slices.Concat(head, []byte{1, 100}), []int{idMask}, false, [2]uint8{100, 255}},
		"after the user's":     {slices.Concat(head, user, []byte{1, 100}), []int{idMask, idUser}, true, [2]uint8{100, 255}},
		"all after the user's": {slices.Concat(head, user, all), []int{idMask, idUser}, true, [2]uint8{100, 50}},
	} {
		d := &document{in: format.Bytes(c.record)}
		l := &layer{mask: span{0, int64(len(c.record))}}
		for _, id := range c.ids {
			l.channel = append(l.channel, channel{id: id})
		}
		m, err := d.maskOf(l)
		if err != nil || m.user != c.user || m.density != c.want[0] || m.vDensity != c.want[1] || m.box != (box{1, 2, 30, 40}) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
		if c.user && (m.userBox != box{3, 4, 9, 9} || m.userOut != 7 || m.userFlags != maskDisabled) {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// TestUnknownKeys: of a key that is new, what follows tells how long its length is.
func TestUnknownKeys(t *testing.T) {
	data := []byte("some data")
	for _, wide := range []bool{false, true} {
		for _, key := range []string{"zzzz", "FEid"} { // one that is known to be wide, too
			b := append([]byte("8BIM"), key...)
			b = append(be(b, lengthSize(wide), int64(len(data))), data...)
			b = append(append(b, 0, 0, 0), "8BIMcinf\x00\x00\x00\x00\x00\x00\x00\x00"...)
			s := over(b, "blocks")
			list := readBlocks(s, true, true)
			if s.err != nil || len(list) != 2 || list[0].wide != wide || list[0].data.n != int64(len(data)) || list[1].key != "cinf" {
				t.Errorf("%s, wide %t: %+v, %v", key, wide, list, s.err)
			}
		}
	}
}
