package blend

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// small are the small files, on all machines and in all packings.
func small(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, k := range machines() {
		d := still()
		d.preview = k.wide
		b := d.bytes(k)
		out[k.name+".blend"] = b
		out[k.name+" gzip.blend"] = gzipping(t, b)
		out[k.name+" frames.blend"] = framing(t, b, 3000, true)
		out[k.name+" stream.blend"] = framing(t, b, 5000, false)
	}
	return out
}

func TestSmall(t *testing.T) { formattest.Run(t, Format{}, small(t)) }

func FuzzSmall(f *testing.F) { formattest.Fuzz(f, Format{}, small(f)) }

// each runs a test on all machines.
func each(t *testing.T, do func(t *testing.T, k machine)) {
	for _, k := range machines() {
		t.Run(k.name, func(t *testing.T) { do(t, k) })
	}
}

func list(t testing.TB, b []byte) map[string]format.Element {
	t.Helper()
	l, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range l {
		out[e.ID] = e
	}
	return out
}

// differences are "+", "-" or the aspects and properties that differ, by id.
func differences(a, b map[string]format.Element) map[string]string {
	out := map[string]string{}
	for id, x := range a {
		y, ok := b[id]
		if !ok {
			out[id] = "-"
			continue
		}
		var what []string
		for _, m := range [][2]map[string]string{{x.Aspects, y.Aspects}, {x.Properties, y.Properties}} {
			keys := maps.Clone(m[0])
			maps.Copy(keys, m[1])
			for k := range keys {
				if m[0][k] != m[1][k] {
					what = append(what, k)
				}
			}
		}
		if slices.Sort(what); len(what) > 0 {
			out[id] = strings.Join(what, " ")
		}
		if (len(what) > 0) != (x.Hash() != y.Hash()) {
			out[id] += " and the hash does not agree"
		}
	}
	for id := range b {
		if _, ok := a[id]; !ok {
			out[id] = "+"
		}
	}
	return out
}

// TestSavedAgain: what another session saved has nothing that differs, however it is compressed.
func TestSavedAgain(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		again := still()
		again.session = 3
		b := again.bytes(k)
		want := list(t, still().bytes(k))
		for name, c := range map[string][]byte{"plain": b, "gzip": gzipping(t, b), "frames": framing(t, b, 1000, true), "stream": framing(t, b, 1<<20, false)} {
			if d := differences(want, list(t, c)); len(d) > 0 {
				t.Errorf("%s: %v", name, d)
			}
		}
	})
}

// TestEdits: an edit is seen in the element that has it, in the aspect that it is, and nowhere else.
func TestEdits(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*document)
		want map[string]string
	}{
		{"moved", func(d *document) { d.x = 4 }, map[string]string{"OBVase": "location transform"}},
		{"mesh", func(d *document) { d.top = 4 }, map[string]string{"MEVaseMesh": "geometry"}},
		{"shape", func(d *document) { d.bump = 4 }, map[string]string{"KEKey": "data"}},
		{"material", func(d *document) { d.red = 1 }, map[string]string{"MAGlaze": "base color nodes"}},
		{"note", func(d *document) { d.note = "you" }, map[string]string{"OBVase": "properties"}},
		{"image", func(d *document) { d.image = "//else.png" }, map[string]string{"IMwood.png": "data path"}},
		{"deleted", func(d *document) { d.noBowl = true }, map[string]string{"OBBowl": "-", "MEBowlMesh": "-", "GRProps": "data objects"}},
		{"unlinked", func(d *document) { d.noLinked = true }, map[string]string{"OBTable LI//set.blend": "-"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, k machine) {
				d := still()
				d.session = 1
				c.edit(&d)
				if got := differences(list(t, still().bytes(k)), list(t, d.bytes(k))); !maps.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestElements(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		l := list(t, still().bytes(k))
		var kinds []string
		for _, id := range slices.Sorted(maps.Keys(l)) {
			kinds = append(kinds, fmt.Sprintf("%s=%s", id, l[id].Kind))
		}
		want := "GRProps=collection IMwood.png=image KEKey=shape keys LI//other.blend=library LI//set.blend=library MAGlaze=material MEBowlMesh=mesh MEVaseMesh=mesh OBBowl=object " +
			"OBTable LI//set.blend=object OBVase=object SCScene=scene"
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		for id, p := range map[string][2]string{"OBBowl": {"parent", "OBVase"}, "OBVase": {"data", "MEVaseMesh"}, "MEVaseMesh": {"faces", "2"}, "MEBowlMesh": {"faces", "1"},
			"OBTable LI//set.blend": {"library", "//set.blend"}, "MAGlaze": {"base color", "0.5 0.1 0.2 1"}, "GRProps": {"objects", "Vase, Bowl"}} {
			if got := l[id].Properties[p[0]]; got != p[1] {
				t.Errorf("%s: %s is %q, want %q", id, p[0], got, p[1])
			}
		}
		if e := l["OBTable LI//set.blend"]; e.Name != "Table" || e.Stable != e.ID {
			t.Errorf("%+v", e)
		}
	})
}

// TestNamesTwice: a file with two data-blocks of a name is odd, and is listed all the same.
func TestNamesTwice(t *testing.T) {
	m := still().make(machines()[0])
	for range 3 {
		m.add("IM", "Image", 0x999, values{"id.name": "IMx"})
	}
	l := list(t, m.bytes())
	for _, id := range []string{"IMx", "IMx #2", "IMx #3"} {
		if _, ok := l[id]; !ok {
			t.Errorf("no %s", id)
		}
	}
}

// TestCutOff: no file that ends anywhere before its end is whole.
func TestCutOff(t *testing.T) {
	for name, b := range small(t) {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		step := 7
		if strings.Contains(name, "gzip") || strings.Contains(name, "stream") {
			step = 97
		}
		table := -1 // without it, all of the content is there
		if z, _ := openFrames(format.Bytes(b)); z != nil {
			table = int(z.table)
		}
		for n := 0; n < len(b); n += step {
			if n == table {
				continue
			}
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
				t.Fatalf("%s, %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

// TestFrameDamaged: a frame that lies is found, and so is one that nothing else needs.
func TestFrameDamaged(t *testing.T) {
	whole := framing(t, still().bytes(machines()[0]), 2000, true)
	z, err := openFrames(format.Bytes(whole))
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range z.list {
		b := bytes.Clone(whole)
		clear(b[k.off+k.n-6 : k.off+k.n])
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("frame %d: %v", i, err)
		}
		b = bytes.Clone(whole)
		b[int(z.table)+8+8*i+4]++ // its length, unpacked
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("length of frame %d: %v", i, err)
		}
		b[int(z.table)+8+8*i]++ // packed
		if _, err := openFrames(format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("packed length of frame %d: %v", i, err)
		}
	}
	packed := gzipping(t, still().bytes(machines()[0]))
	packed[len(packed)-6] ^= 1 // its checksum
	if err := format.Validate(t.Context(), Format{}, format.Bytes(packed)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("checksum of gzip: %v", err)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, head string
		want       bool
	}{
		{"a.blend", "BLENDER-v304REND", true},
		{"a", "BLENDER_V245REND", true},
		{"a", "BLENDER17-01v0500REND", true},
		{"a", "BLENDER magazine", false},
		{"a.blend1", "\x1f\x8b\x08", true},
		{"a.blend12", "\x28\xb5\x2f\xfd", true},
		{"a.BLEND", "\x28\xb5\x2f\xfd", true},
		{"a.gz", "\x1f\x8b\x08", false},
		{"a.blendx", "\x1f\x8b\x08", false},
		{"blend", "\x1f\x8b\x08", false},
		{"a.blend", "PNG", false},
		{"a.blend", "", false},
	} {
		if got := (Format{}).Match(c.name, []byte(c.head)); got != c.want {
			t.Errorf("%s, %q: %v", c.name, c.head, got)
		}
	}
}

// TestStructsInside: structs that have themselves inside, or do not add up, are refused.
func TestStructsInside(t *testing.T) {
	m := newMaker(machines()[0])
	good := m.sdna
	if _, err := parseDNA(&m.header, good); err != nil {
		t.Fatal(err)
	}
	for n := range len(good) {
		if _, err := parseDNA(&m.header, good[:n]); !errors.Is(err, format.ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(good), err)
		}
	}
	// type 0 is A; A{A a}
	loop := []byte("SDNANAME\x01\x00\x00\x00a\x00\x00\x00TYPE\x01\x00\x00\x00A\x00\x00\x00TLEN\x04\x00\x00\x00STRC\x01\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00")
	if _, err := parseDNA(&m.header, loop); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("a struct in itself: %v", err)
	}
}

// TestStructsDoNotAddUp: a struct whose fields are not as long as it is.
func TestStructsDoNotAddUp(t *testing.T) {
	m := newMaker(machines()[0])
	at := bytes.Index(m.sdna, []byte("TLEN")) + 4
	for i := 5; i < 20; i++ { // the first are char, short, …
		for _, more := range []int{1, -1} {
			b := bytes.Clone(m.sdna)
			binary.LittleEndian.PutUint16(b[at+2*i:], uint16(int(binary.LittleEndian.Uint16(b[at+2*i:]))+more))
			if _, err := parseDNA(&m.header, b); !errors.Is(err, format.ErrMalformed) {
				t.Errorf("type %d, %+d: %v", i, more, err)
			}
		}
	}
	deep := "A0: int a"
	for i := range 40 {
		deep += fmt.Sprintf("\nA%d: A%d a", i+1, i)
	}
	if _, err := parseDNA(&m.header, m.declare(deep)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("40 structs inside of each other: %v", err)
	}
}

func TestDeclared(t *testing.T) {
	for name, want := range map[string]field{
		"*next":       {name: "next", stars: 1, count: 1, last: 1},
		"**mat":       {name: "mat", stars: 2, count: 1, last: 1},
		"mat[4][3]":   {name: "mat", count: 12, last: 3},
		"*mtex[18]":   {name: "mtex", stars: 1, count: 18, last: 18},
		"(*func)()":   {name: "func", stars: 1, count: 1, last: 1},
		"x":           {name: "x", count: 1, last: 1},
		"x[0]":        {name: "x", count: 0, last: 1},
		"x[-1]":       {name: "x", count: 0, last: 1},
		"x[99999999]": {name: "x", count: 0, last: 1},
	} {
		if got := declared(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// TestHeads: what is written is what is read.
func TestHeads(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		m := newMaker(k)
		for _, b := range []block{{codeOf("OB"), 7, 0x12345670, 12, 99, 3}, {codeOf("DNA1"), 0, 1, 12, 0, 1}} {
			p := m.appendHead(nil, &b)
			if got := m.parse(p, 12); got != b || int64(len(p)) != m.headLen() {
				t.Errorf("%+v, want %+v", got, b)
			}
			if k.order == binary.BigEndian && b.code.opens() && !bytes.HasPrefix(p, []byte("\x00\x00OB")) {
				t.Errorf("head %q", p[:4])
			}
		}
	})
}
