package kra

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
	"varve/format/zipfile"
)

// made is a document of 128 by 64 pixels: layers is what is in its list of layers, parts are the entries of its folder.
func made(t testing.TB, layers string, parts map[string]string) []byte {
	t.Helper()
	z, err := zipfile.Open(format.Bytes([]byte("PK\x05\x06" + strings.Repeat("\x00", 18))))
	if err != nil {
		t.Fatal(err)
	}
	r := z.Rewrite()
	r.Put("mimetype", format.Bytes([]byte("application/x-krita")), zipfile.Stored)
	doc := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<DOC xmlns="http://www.calligra.org/DTD/krita"><IMAGE name="d" width="128" height="64" colorspacename="RGBA">` + "\n <layers>" + layers + "\n </layers>\n" + parts["xml"] + `</IMAGE></DOC>`
	r.Put(maindoc, format.Bytes([]byte(doc)), zipfile.Deflate)
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		at := "d/" + name
		if name == merged || name == preview {
			at = name
		}
		if name != "xml" {
			r.Put(at, format.Bytes([]byte(parts[name])), zipfile.Stored)
		}
	}
	o, err := r.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return formattest.All(t, o)
}

// square is a tile of one pixel, repeated.
type square struct {
	x, y int
	px   string
}

// tilesOf is the data of a layer, its tiles as they are.
func tilesOf(size int, list ...square) string {
	var b strings.Builder
	fmt.Fprintf(&b, "VERSION 2\nTILEWIDTH 64\nTILEHEIGHT 64\nPIXELSIZE %d\nDATA %d\n", size, len(list))
	for _, s := range list {
		fmt.Fprintf(&b, "%d,%d,LZF,%d\n\x00%s", s.x, s.y, 1+len(s.px)*side*side, strings.Repeat(s.px, side*side))
	}
	return b.String()
}

// packedTiles is the same compressed, in the opposite order, and with a tile of nothing.
func packedTiles(size int, list ...square) string {
	var b strings.Builder
	fmt.Fprintf(&b, "VERSION 2\nTILEWIDTH 64\nTILEHEIGHT 64\nPIXELSIZE %d\nDATA %d\n", size, len(list)+1)
	list = append([]square{{256, 256, strings.Repeat("\x00", size)}}, list...)
	for _, s := range slices.Backward(list) {
		data := []byte{1}
		for _, c := range []byte(s.px) {
			data = append(data, 0, c)
			for n := side*side - 1; n > 0; {
				k := min(n, 264)
				if n-k > 0 && n-k < 3 {
					k -= 3
				}
				if k < 9 {
					data = append(data, byte(k-2)<<5, 0)
				} else {
					data = append(data, 7<<5, byte(k-9), 0)
				}
				n -= k
			}
		}
		fmt.Fprintf(&b, "%d,%d,LZF,%d\n%s", s.x, s.y, len(data), data)
	}
	return b.String()
}

const (
	red    = "\x00\x00\xff\xff"
	green  = "\x00\xff\x00\xff"
	clear0 = "\x00\x00\x00\x00"
)

// paint is a layer of paint.
func paint(name, file, more string) string {
	return fmt.Sprintf("\n  <layer name=%q uuid=\"{%s}\" filename=%q nodetype=\"paintlayer\" colorspacename=\"RGBA\" compositeop=\"normal\" opacity=\"255\" visible=\"1\" x=\"0\" y=\"0\" %s/>", name, name, file, more)
}

func group(name, file, in string) string {
	return fmt.Sprintf("\n  <layer name=%q uuid=\"{%s}\" filename=%q nodetype=\"grouplayer\" compositeop=\"normal\" opacity=\"255\" visible=\"1\"><layers>%s\n  </layers></layer>", name, name, file, in)
}

// painted are the parts of layers of one tile.
func painted(files map[string]string) map[string]string {
	out := map[string]string{}
	for file, px := range files {
		out["layers/"+file] = tilesOf(4, square{0, 0, px})
		out["layers/"+file+".defaultpixel"] = clear0
	}
	return out
}

func order(t testing.TB, b []byte) string {
	t.Helper()
	var out []string
	for _, e := range elements(t, b) {
		in := strings.Trim(strings.TrimSuffix(e.Parent, "}"), "{")
		out = append(out, in+"/"+e.Name)
	}
	return strings.Join(out, " ")
}

// TestTilesAreASet: their order, how they are compressed, and tiles of nothing make no difference; any byte of one does.
func TestTilesAreASet(t *testing.T) {
	doc := func(tiles string) []byte {
		return made(t, paint("a", "layer1", ""), map[string]string{"layers/layer1": tiles, "layers/layer1.defaultpixel": clear0})
	}
	list := []square{{0, 0, red}, {64, 0, green}, {-64, 128, "\x01\x02\x03\x04"}}
	plain, packed := doc(tilesOf(4, list...)), doc(packedTiles(4, list...))
	if d := formattest.Differ(elements(t, plain), elements(t, packed)); d != "" {
		t.Error(d)
	}
	if b := elements(t, packed)[0].Bounds; !slices.Equal(b, []float64{-64, 0, 128, 192}) {
		t.Errorf("bounds %v", b)
	}
	at := bytes.Index(plain, []byte(red+red)) + 1000
	plain[at] ^= 1
	d, err := open(t.Context(), format.Bytes(plain))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.element(t.Context(), d.nodes[0]); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a byte that is not what its CRC says: %v", err)
	}
	list[0].px = "\x00\x00\xff\xfe"
	if elements(t, doc(tilesOf(4, list...)))[0].Hash() == elements(t, packed)[0].Hash() {
		t.Error("another colour has the same hash")
	}
	list[0].px, list[0].x = red, 128
	if elements(t, doc(tilesOf(4, list...)))[0].Hash() == elements(t, packed)[0].Hash() {
		t.Error("another place has the same hash")
	}
}

// TestDamagedTiles: what is cut off, or too much, or none, is malformed.
func TestDamagedTiles(t *testing.T) {
	whole := packedTiles(4, square{0, 0, red})
	for name, tiles := range map[string]string{
		"cut":           whole[:len(whole)-1],
		"head":          whole[:30],
		"none":          "",
		"too many":      strings.Replace(whole, "DATA 2", "DATA 99999999", 1),
		"one too many":  strings.Replace(whole, "DATA 2", "DATA 3", 1),
		"pixel":         strings.Replace(whole, "PIXELSIZE 4", "PIXELSIZE 5", 1),
		"huge pixel":    strings.Replace(whole, "PIXELSIZE 4", "PIXELSIZE 400000", 1),
		"between tiles": strings.Replace(whole, "0,0,LZF", "1,0,LZF", 1),
		"negative":      strings.Replace(whole, "0,0,LZF,", "0,0,LZF,-", 1),
		"data":          whole[:len(whole)-2] + "\xff\xff",
	} {
		b := made(t, paint("a", "layer1", ""), map[string]string{"layers/layer1": tiles})
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, tiles := range map[string]string{"version": strings.Replace(whole, "VERSION 2", "VERSION 3", 1), "size": strings.Replace(whole, "TILEWIDTH 64", "TILEWIDTH 32", 1), "codec": strings.Replace(whole, "0,0,LZF", "0,0,XZF", 1)} {
		b := made(t, paint("a", "layer1", ""), map[string]string{"layers/layer1": tiles})
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := format.Validate(t.Context(), Format{}, format.Bytes(made(t, paint("a", "layer1", ""), nil))); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("no data: %v", err)
	}
}

// TestFarTiles: two tiles far from each other are not made a picture of all that is between them.
func TestFarTiles(t *testing.T) {
	b := made(t, paint("a", "layer1", ""), map[string]string{"layers/layer1": packedTiles(4, square{0, 0, red}, square{64 * 200, 64 * 200, red})})
	if _, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), "{a}"); !errors.Is(err, format.ErrLimit) {
		t.Error(err)
	}
}

// TestOldTiles: a document of a time before uuids and before compressed tiles.
func TestOldTiles(t *testing.T) {
	old := "2\n" + "0,0,64,64\n" + strings.Repeat(red, side*side) + "64,0,64,64\n" + strings.Repeat(green, side*side)
	layer := `<layer name="a" filename="layer1" layertype="paintlayer" colorspacename="RGBA" opacity="255"/>`
	b := made(t, layer, map[string]string{"layers/layer1": old})
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
		t.Fatal(err)
	}
	e := elements(t, b)[0]
	if e.ID != "file:layer1" || e.Stable != "" || !slices.Equal(e.Bounds, []float64{0, 0, 128, 64}) {
		t.Errorf("%+v", e)
	}
	other := made(t, strings.Replace(layer, "layer1", "layer9", 1), map[string]string{"layers/layer9": "1\n" + old[2:2+10+4*side*side]})
	_, got := grafted(t, other, b, "a")
	if n := elements(t, got); len(n) != 1 || n[0].Hash() != e.Hash() {
		t.Errorf("%+v", n)
	}
}

// TestGroup: a group that is put back takes its layers along, keeps those that came in later, and gets back one that was
// moved out.
func TestGroup(t *testing.T) {
	files := painted(map[string]string{"layer1": red, "layer2": green, "layer3": red, "layer4": red})
	from := made(t, paint("top", "layer4", "")+group("g", "layer9", paint("a", "layer1", "")+paint("b", "layer2", "")+paint("c", "layer3", "")), files)
	into := made(t, paint("top", "layer4", "")+paint("c", "layer3", "")+group("g", "layer9", paint("later", "layer2", "")+paint("b", "layer1", "")), files)
	g, b := grafted(t, into, from, "g")
	if got := order(t, b); got != "/top /g g/later g/a g/b g/c" {
		t.Error(got)
	}
	// b was green, and is in a file of another name.
	if named(t, b, "b").Hash() != named(t, from, "b").Hash() || named(t, b, "later").Hash() != named(t, into, "later").Hash() {
		t.Error("b or the later one is not what it was")
	}
	if !slices.Equal(g.Changed, []string{"{a}", "{b}"}) || !slices.ContainsFunc(g.Notes, func(s string) bool { return strings.Contains(s, `"later"`) }) {
		t.Errorf("%q, %q", g.Changed, g.Notes)
	}
	if !bytes.Contains(maindocOf(t, b), []byte("</layers></layer>\n </layers>\n</IMAGE>")) {
		t.Errorf("%s", maindocOf(t, b))
	}
}

func maindocOf(t testing.TB, b []byte) []byte {
	t.Helper()
	d, err := open(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return d.xml.Text
}

// TestPlaces: what is not there any more comes back beside what it was beside.
func TestPlaces(t *testing.T) {
	files := painted(map[string]string{"layer1": red, "layer2": red, "layer3": red, "layer4": red})
	from := made(t, paint("a", "layer1", "")+group("g", "layer9", paint("b", "layer2", "")+paint("c", "layer3", ""))+paint("d", "layer4", ""), files)
	for _, c := range []struct{ into, names, want string }{
		{paint("a", "layer1", "") + paint("d", "layer4", ""), "g", "/a /g g/b g/c /d"},
		{paint("x", "layer1", "") + paint("d", "layer4", ""), "a", "/x /a /d"},
		{"", "a d", "/a /d"},
		{group("g", "layer9", paint("b", "layer2", "")), "c", "/g g/b g/c"},
		{"\n  <layer name=\"g\" uuid=\"{g}\" filename=\"layer9\" nodetype=\"grouplayer\"/>", "b", "/g g/b"},
		{paint("d", "layer4", ""), "b c", "/b /c /d"},
		{paint("d", "layer4", "") + paint("a", "layer1", ""), "g", "/d /a /g g/b g/c"},
	} {
		_, b := grafted(t, made(t, c.into, files), from, strings.Fields(c.names)...)
		if got := order(t, b); got != c.want {
			t.Errorf("%s into %s: %s, want %s", c.names, c.into, got, c.want)
		}
	}
}

// TestFrames: an animated layer comes with its frames, under a name that is free, and its keyframes know it.
func TestFrames(t *testing.T) {
	keys := `<keyframes><channel name="content"><keyframe time="0" frame="layer1"><offset x="0" y="0"/></keyframe><keyframe time="10" frame="layer1.f1"><offset x="3" y="4"/></keyframe></channel></keyframes>`
	animated := paint("a", "layer1", `keyframes="layer1.keyframes.xml"`)
	parts := map[string]string{"layers/layer1": tilesOf(4, square{0, 0, red}), "layers/layer1.f1": tilesOf(4, square{64, 0, green}), "layers/layer1.keyframes.xml": keys}
	from := made(t, animated, parts)
	if err := format.Validate(t.Context(), Format{}, format.Bytes(from)); err != nil {
		t.Fatal(err)
	}
	if got := order(t, from); got != "/a a/frame 0 a/frame 10" {
		t.Error(got)
	}
	if f := named(t, from, "frame 10"); f.Stable != "{a}@10" || !slices.Equal(f.Bounds, []float64{67, 4, 131, 68}) {
		t.Errorf("%+v", f)
	}
	m, _ := extracted8(t, from, "frame 10")
	if m.Pix[0] != 0 || m.Pix[1] != 255 {
		t.Error("the picture of a frame is of another")
	}
	// layer1 is another here, and its f1 would be too.
	into := made(t, paint("b", "layer1", ""), painted(map[string]string{"layer1": green}))
	_, b := grafted(t, into, from, "a")
	if d := formattest.Differ(elements(t, b)[:3], elements(t, from)); d != "" {
		t.Error(d)
	}
	if named(t, b, "b").Hash() != named(t, into, "b").Hash() {
		t.Error("the layer whose file has that name has changed")
	}
	// Of another frame only, it has changed.
	parts["layers/layer1.f1"] = tilesOf(4, square{64, 0, red})
	if named(t, made(t, animated, parts), "a").Hash() == named(t, from, "a").Hash() {
		t.Error("another frame makes no difference")
	}
	delete(parts, "layers/layer1.f1")
	if err := format.Validate(t.Context(), Format{}, format.Bytes(made(t, animated, parts))); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("without a frame: %v", err)
	}
}

// TestMasks: masks come with their layer, or to it.
func TestMasks(t *testing.T) {
	mask := func(file string) string {
		return `><masks><mask name="m" uuid="{m}" filename="` + file + `" nodetype="transparencymask" visible="1"/></masks></layer`
	}
	layer := strings.TrimSuffix(paint("a", "layer1", ""), "/>")
	parts := painted(map[string]string{"layer1": red})
	parts["layers/mask2.pixelselection"] = tilesOf(1, square{0, 0, "\x80"})
	parts["layers/mask2.pixelselection.defaultpixel"] = "\x00"
	from := made(t, layer+mask("mask2")+">", parts)
	e := named(t, from, "m")
	if e.Kind != "mask" || e.Properties["type"] != "transparency" || e.Parent != "{a}" || e.Aspects["mask"] == "" || !slices.Equal(e.Bounds, []float64{0, 0, 64, 64}) {
		t.Errorf("%+v", e)
	}
	m, _ := extracted8(t, from, "m")
	if m.Pix[0] != 0x80 {
		t.Errorf("mask of %d", m.Pix[0])
	}
	into := made(t, paint("a", "layer1", ""), painted(map[string]string{"layer1": green}))
	_, b := grafted(t, into, from, "m")
	if named(t, b, "m").Hash() != e.Hash() || named(t, b, "a").Hash() != named(t, into, "a").Hash() {
		t.Error("the mask is not what it was, or its layer is not what it is")
	}
	_, b = grafted(t, into, from, "a")
	if d := formattest.Differ(elements(t, b), elements(t, from)); d != "" {
		t.Error(d)
	}
}

// TestRefused: what would not be right is not done.
func TestRefused(t *testing.T) {
	files := painted(map[string]string{"layer1": red, "layer2": red})
	clone := `<layer name="k" uuid="{k}" filename="layer5" nodetype="clonelayer" clonefrom="a" clonefromuuid="{a}"/>`
	styled := paint("s", "layer2", `layerstyle="{00000000-0000-0000-0000-00000000abcd}"`)
	frames := map[string]string{"layers/layer1": tilesOf(4, square{0, 0, red}), "layers/layer1.keyframes.xml": `<keyframes><channel><keyframe time="0" frame="layer1"/></channel></keyframes>`}
	with := func(m map[string]string, name, content string) map[string]string {
		m = maps.Clone(m)
		m[name] = content
		return m
	}
	masked := strings.TrimSuffix(paint("a", "layer1", ""), "/>") + `><masks><mask name="m" uuid="{m}" filename="mask2" nodetype="filtermask"/></masks></layer>`
	for name, c := range map[string]struct {
		into, from []byte
		id         string
	}{
		"clone without its layer": {made(t, "", nil), made(t, paint("a", "layer1", "")+clone, files), "{k}"},
		"mask without its layer":  {made(t, "", nil), made(t, masked, files), "{m}"},
		"style":                   {made(t, "", map[string]string{styles: "others"}), made(t, styled, with(files, styles, "mine")), "{s}"},
		"frame":                   {made(t, "", nil), made(t, paint("a", "layer1", ""), frames), "{a}@0"},
		"inside out":              {made(t, group("h", "layer8", group("g", "layer9", "")), nil), made(t, group("g", "layer9", group("h", "layer8", "")), nil), "{g}"},
	} {
		_, err := format.Graft(t.Context(), Format{}, format.Bytes(c.into), format.Bytes(c.from), []string{c.id})
		var refusal *format.Refusal
		if !errors.As(err, &refusal) || refusal.Advice == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, b := grafted(t, made(t, "", nil), made(t, paint("a", "layer1", "")+clone, files), "k", "a")
	if got := order(t, b); got != "/a /k" {
		t.Error(got)
	}
	_, b = grafted(t, made(t, "", nil), made(t, styled, with(files, styles, "mine")), "s")
	if d, err := open(t.Context(), format.Bytes(b)); err != nil || d.zip.Find("d/"+styles) == nil {
		t.Errorf("the styles did not come along: %v", err)
	}
	damaged := made(t, paint("a", "layer1", ""), files)
	damaged[bytes.Index(damaged, []byte(red+red))+100] ^= 1
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes(made(t, "", nil)), format.Bytes(damaged), []string{"{a}"}); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a damaged layer was put back: %v", err)
	}
	if _, err := format.Graft(t.Context(), Format{}, format.Bytes(b), format.Bytes(b), []string{"{x}"}); !errors.Is(err, format.ErrNoElement) {
		t.Error(err)
	}
}

func pngOf(t testing.TB, left, right string) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 128, 64))
	for i := 0; i < len(m.Pix); i += 4 {
		px := left
		if i/4%128 >= 64 {
			px = right
		}
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = px[2], px[1], px[0], px[3]
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPreviews: they are made anew where the layers give what Krita made of them, else taken out.
func TestPreviews(t *testing.T) {
	from := made(t, paint("a", "layer1", ""), painted(map[string]string{"layer1": red}))
	parts := painted(map[string]string{"layer1": green, "layer2": red})
	for name, c := range map[string]struct {
		layers, had, want string
	}{
		"plain":    {paint("a", "layer1", ""), pngOf(t, green, clear0), pngOf(t, red, clear0)},
		"moved":    {paint("a", "layer1", "") + strings.Replace(paint("b", "layer2", ""), `x="0"`, `x="64"`, 1), pngOf(t, green, red), pngOf(t, red, red)},
		"blended":  {paint("a", "layer1", "") + strings.Replace(paint("b", "layer2", ""), "normal", "screen", 1), pngOf(t, green, clear0), ""},
		"not that": {paint("a", "layer1", ""), pngOf(t, red, clear0), ""},
	} {
		parts[merged], parts[preview] = c.had, c.had
		g, b := grafted(t, made(t, c.layers, parts), from, "a")
		d, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		if c.want == "" {
			if d.zip.Find(merged) != nil || d.zip.Find(preview) != nil || g.Stale != nil || len(g.Notes) == 0 {
				t.Errorf("%s: the pictures are still there", name)
			}
			continue
		}
		p, err := d.merged(t.Context())
		if err != nil || !bytes.Equal(p.ToNRGBA8().Pix, decoded(t, []byte(c.want)).Pix) {
			t.Errorf("%s: another picture: %v", name, err)
		}
		if small, err := d.png(t.Context(), preview); err != nil || small.Width != 128 {
			t.Errorf("%s: preview: %v", name, err)
		}
	}
	if p, err := format.Show(t.Context(), Format{}, format.Bytes(from), 100); err != nil || p.Source != format.Composited || p.Image.Model != raster.RGB {
		t.Errorf("without pictures: %+v, %v", p, err)
	}
}

// TestReferences: files that a document needs, and their other names.
func TestReferences(t *testing.T) {
	layers := `<layer name="f" uuid="{f}" filename="layer1" nodetype="filelayer" source="../a &amp; b.png" colorspacename="RGBA"/>` +
		`<layer name="r" uuid="{r}" nodetype="referenceimages"><referenceimage src="file:///home/x/ref.jpg"/><referenceimage src="reference_images/0.png"/></layer>`
	b := made(t, layers, map[string]string{"reference_images/0.png": "x", "xml": `<animation><audio><masterChannelPath type="value" value="song.ogg"/></audio></animation>`})
	refs, err := format.References(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range refs {
		got = append(got, fmt.Sprintf("%s %s %s %s", r.Element, r.Kind, r.Path, r.Style))
	}
	want := []string{"{f} picture ../a & b.png relative", "{r} picture /home/x/ref.jpg absolute", " sound song.ogg relative"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	o, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{"../a &amp; b.png": "c.png", "song.ogg": "x/song.ogg"})
	if err != nil {
		t.Fatal(err)
	}
	next := formattest.All(t, o)
	if x, y := maindocOf(t, b), maindocOf(t, next); string(y) != strings.NewReplacer("../a &amp; b.png", "c.png", "song.ogg", "x/song.ogg").Replace(string(x)) {
		t.Errorf("%s", y)
	}
	if o, err = format.Rewrite(t.Context(), Format{}, format.Bytes(b), nil); err != nil || !bytes.Equal(formattest.All(t, o), b) {
		t.Errorf("nothing rewritten: %v", err)
	}
	var refusal *format.Refusal
	if _, err = format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{"song.ogg": `a"b`}); !errors.As(err, &refusal) {
		t.Error(err)
	}
}

// TestRegions: tiles are regions of their own where they stand as they are, and have the same bytes in another order.
func TestRegions(t *testing.T) {
	list := []square{{0, 0, red}, {64, 0, green}, {0, 64, "\x01\x02\x03\x04"}}
	back := slices.Clone(list)
	slices.Reverse(back)
	sums := func(list []square) map[string]bool {
		b := made(t, paint("a", "layer1", ""), map[string]string{"layers/layer1": tilesOf(4, list...)})
		regions, err := Format{}.Regions(format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for _, r := range regions {
			if r.Len > side*side*4 {
				out[format.HashOf(b[r.Off:r.Off+r.Len])] = true
			}
		}
		return out
	}
	if a, b := sums(list), sums(back); len(a) != 3 || !maps.Equal(a, b) {
		t.Errorf("%d regions and %d", len(a), len(b))
	}
}

func Fuzz(f *testing.F) {
	seeds := fixtures(f)
	parts := painted(map[string]string{"layer1": red, "layer2": green})
	parts["layers/mask3.pixelselection"] = packedTiles(1, square{0, 0, "\x80"})
	parts["layers/layer1"] = packedTiles(4, square{0, 0, red})
	parts["layers/layer2"] = packedTiles(4, square{64, 0, red})
	parts["layers/layer2.keyframes.xml"] = `<keyframes><channel><keyframe time="0" frame="layer2"/></channel></keyframes>`
	seeds["made"] = made(f, group("g", "layer9", paint("a", "layer1", "")+paint("b", "layer2", ""))+`<mask name="m" filename="mask3" nodetype="transparencymask"/>`, parts)
	formattest.Fuzz(f, Format{}, seeds)
}
