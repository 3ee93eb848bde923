package xcf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// outline is a list of elements as a tree of names.
func outline(list []format.Element) string {
	depth := map[string]int{"": -1}
	var out []string
	for _, e := range list {
		depth[e.ID] = depth[e.Parent] + 1
		out = append(out, strings.Repeat(">", depth[e.ID])+e.Name)
	}
	return strings.Join(out, " ")
}

func ids(list []format.Element, names ...string) []string {
	var out []string
	for _, e := range list {
		for _, n := range names {
			if e.Name == n {
				out = append(out, e.ID)
			}
		}
	}
	return out
}

func grafted(t testing.TB, into, from []byte, ids []string) ([]byte, *format.Grafting) {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), ids)
	if err != nil {
		t.Fatal(err)
	}
	return formattest.All(t, g.Content), g
}

// TestPicture: what GIMP shows of groups, masks, modes and layers that stick out.
func TestPicture(t *testing.T) {
	same(t, "old.xcf", fixture(t, "old.xcf"), fixture(t, "old.png"), 1)
}

// TestSmallPicture: made small before it is composited, a picture is nearly the same as made small after.
func TestSmallPicture(t *testing.T) {
	doc := format.Bytes(fixture(t, "old.xcf"))
	whole, err := format.Decode(t.Context(), Format{}, doc)
	if err != nil {
		t.Fatal(err)
	}
	p, err := format.Show(t.Context(), Format{}, doc, 23)
	if err != nil || p.Image.Width != 24 || p.Image.Height != 22 {
		t.Fatal(p.Image, err)
	}
	for y := range 22 {
		for x := range 24 {
			for c := range 4 {
				sum, n := 0.0, 0.0
				for i := range 9 {
					if u, v := 3*x+i%3, 3*y+i/3; u < 70 && v < 66 {
						k := (v*70 + u) * 4
						w := float64(whole.U8[k+3])
						if c < 3 {
							sum += w * toLinear(float64(whole.U8[k+c])/255)
							n += w
						} else {
							sum += w / 255
							n++
						}
					}
				}
				want := toPerceptual(sum/n) * 255
				if c == 3 {
					want = sum / n * 255
				}
				if got := float64(p.Image.U8[(y*24+x)*4+c]); math.Abs(got-want) > 6 {
					t.Fatalf("%d,%d channel %d: %g, want %g", x, y, c, got, want)
				}
			}
		}
	}
}

// same compares a document's picture with a PNG; samples may differ by most 255ths.
func same(t *testing.T, name string, doc, shown []byte, most int) {
	t.Helper()
	got, err := format.Decode(t.Context(), Format{}, format.Bytes(doc))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	want, err := png.Decode(bytes.NewReader(shown))
	if err != nil {
		t.Fatal(err)
	}
	if want.Bounds() != image.Rect(0, 0, got.Width, got.Height) {
		t.Errorf("%s: %d×%d, want %v", name, got.Width, got.Height, want.Bounds())
		return
	}
	wrong, first := 0, ""
	for y := range got.Height {
		for x := range got.Width {
			w := color.NRGBA64Model.Convert(want.At(x, y)).(color.NRGBA64)
			g := sample(got, x, y)
			for c, v := range []uint16{w.R, w.G, w.B, w.A} {
				if d := int(v) - int(g[c]); (w.A > 0 || g[3] > 0) && (d > most*257 || d < -most*257) {
					wrong++
					first = fmt.Sprintf("at %d,%d %v, want %v", x, y, g, w)
				}
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%s: %d samples, %s", name, wrong, first)
	}
}

func sample(p *raster.Image, x, y int) (out [4]uint16) {
	n := p.Channels()
	for c := range 4 {
		k := min(c, n-2)
		if c == 3 {
			k = n - 1
		}
		at := (y*p.Width+x)*n + k
		switch p.Depth {
		case raster.U8:
			out[c] = uint16(p.U8[at]) * 257
		case raster.U16:
			out[c] = p.U16[at]
		default:
			out[c] = uint16(min(max(p.F32[at], 0), 1)*65535 + 0.5)
		}
	}
	return out
}

// TestGraftTree: what was removed or changed since is there again, and what is newer stays.
func TestGraftTree(t *testing.T) {
	old, newer := fixture(t, "old.xcf"), fixture(t, "new.xcf")
	was, is := elements(t, old), elements(t, newer)
	if got, want := outline(was), "Top Group >Inner >>Deep >Inside Low >Lone Background Spot Way"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	for _, c := range []struct{ what, want, changed string }{
		{"Deep", "Group >Newer >Inner >>Deep >Inside, moved Background Way", "Deep"},
		{"Lone", "Group >Newer >Inner >Inside, moved Lone Background Way", "Lone"},
		{"Low", "Group >Newer >Inner >Inside, moved Low >Lone Background Way", "Low Lone"},
		{"Top", "Top Group >Newer >Inner >Inside, moved Background Way", "Top"},
		{"Inside", "Group >Newer >Inner >Inside Background Way", "Inside"},
		{"Spot", "Group >Newer >Inner >Inside, moved Background Spot Way", "Spot"},
		{"Group", "Group >Newer >Inner >>Deep >Inside Background Way", "Deep Inside"},
		{"Way", "Group >Newer >Inner >Inside, moved Background Way", ""},
	} {
		b, g := grafted(t, newer, old, ids(was, c.what))
		got := elements(t, b)
		if outline(got) != c.want {
			t.Errorf("%s: %s, want %s", c.what, outline(got), c.want)
		}
		var names []string
		for _, id := range g.Changed {
			for _, e := range got {
				if e.ID == id {
					names = append(names, e.Name)
					if o := named(t, was, e.Name); o.Hash() != e.Hash() || o.Stable != e.Stable {
						t.Errorf("%s: %s is not as it was: %+v, %+v", c.what, e.Name, *o, e)
					}
				}
			}
		}
		if strings.Join(names, " ") != c.changed {
			t.Errorf("%s: changed %q", c.what, names)
		}
		for _, e := range is { // nothing else is other
			i := ids(got, e.Name)
			if len(i) == 1 && named(t, got, e.Name).Hash() != e.Hash() {
				t.Errorf("%s: %s changed", c.what, e.Name)
			}
		}
	}
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(newer), format.Bytes(old), ids(was, "Lone"))
	if err != nil || len(g.Notes) != 1 {
		t.Errorf("a layer whose group is gone: %v, %q", err, g.Notes)
	}
}

// TestGraftOldVersions: the same with pointers of 32 bits and all compressions of tiles.
func TestGraftOldVersions(t *testing.T) {
	for _, v := range []struct {
		version, compression int
	}{{0, 0}, {0, 1}, {3, 2}, {11, 1}, {12, 2}} {
		a := build(v.version, byte(v.compression), layerOf{"Sky", 2, 130, 70}, layerOf{"Land", 3, 64, 64})
		b := build(v.version, byte(v.compression), layerOf{"Land", 3, 64, 64})
		was := elements(t, a)
		got, _ := grafted(t, b, a, ids(was, "Sky"))
		if d := formattest.Differ(was, elements(t, got)); d != "" {
			t.Errorf("%+v: %s", v, d)
		}
		if p, err := format.Decode(t.Context(), Format{}, format.Bytes(a)); err != nil || p.U8[0] == p.U8[4] && p.U8[1] == p.U8[5] {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

// TestByteOrder: up to version 11 components are little-endian, then big-endian; they are the same.
func TestByteOrder(t *testing.T) {
	samples := func(version int, pix ...byte) string {
		b := build(version, 0, layerOf{"A", 2, 1, 1})
		binary.BigEndian.PutUint32(b[26:], 250)
		at := bytes.Index(b, []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3})
		b[at+11] = 6
		b = append(b[:len(b)-3], pix...)
		img, err := format.Decode(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x %s", img.U16[:3], elements(t, b)[0].Aspects["pixels"])
	}
	if a, b := samples(11, 1, 2, 3, 4, 5, 6), samples(12, 2, 1, 4, 3, 6, 5); a != b || !strings.HasPrefix(a, "[201 403 605]") {
		t.Errorf("%s and %s", a, b)
	}
}

// TestGraftTattoos: numbers of what is put in are in use from then on, and nobody gets them again.
func TestGraftTattoos(t *testing.T) {
	state := func(b []byte) uint32 {
		d, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range d.props {
			if p.kind == propTattoo {
				v, err := d.bytes(p, 4)
				if err != nil {
					t.Fatal(err)
				}
				return binary.BigEndian.Uint32(v)
			}
		}
		t.Fatal("no highest tattoo")
		return 0
	}
	old := fixture(t, "old.xcf")
	other := build(11, 1, layerOf{"Far", 900, 20, 20})
	b, _ := grafted(t, old, other, []string{"layer-900"})
	if got := state(b); got != 900 || state(old) >= 900 {
		t.Errorf("the highest tattoo is %d", got)
	}
	// A channel has the layer's number: the layer gets another.
	spot := named(t, elements(t, old), "Spot")
	var n uint32
	if _, err := fmt.Sscanf(spot.ID, "channel-%d", &n); err != nil {
		t.Fatal(err)
	}
	b, g := grafted(t, old, build(11, 1, layerOf{"Far", n, 20, 20}), []string{fmt.Sprintf("layer-%d", n)})
	list := elements(t, b)
	if far := named(t, list, "Far"); len(g.Changed) != 1 || far.ID != g.Changed[0] || named(t, list, "Spot").ID != spot.ID {
		t.Errorf("%+v, changed %q", far, g.Changed)
	}
}

type layerOf struct {
	name          string
	tattoo        uint32
	width, height int
}

// build makes a document of RGB layers with pixels that their tattoos and places decide.
func build(version int, compression byte, layers ...layerOf) []byte {
	w := &pen{graft: &graft{into: &document{pointer: 4}}}
	v := "file"
	if version > 0 {
		v = fmt.Sprintf("v%03d", version)
	}
	if version >= 11 {
		w.into.pointer = 8
	}
	size := w.into.pointer
	b := []byte(magic + v + "\x00\x00\x00\x00\x50\x00\x00\x00\x40\x00\x00\x00\x00")
	if version >= 4 {
		b = append(b, 0, 0, 0, 150)
	}
	b = append(b, 0, 0, 0, 17, 0, 0, 0, 1, compression, 0, 0, 0, 0, 0, 0, 0, 0)
	at := len(b) + size*(len(layers)+2)
	var blocks []byte
	for _, l := range layers {
		b = w.put(b, int64(at+len(blocks)))
		blocks = append(blocks, block(w, l, compression, at+len(blocks))...)
	}
	return append(w.put(w.put(b, 0), 0), blocks...)
}

func block(w *pen, l layerOf, compression byte, at int) []byte {
	u32 := func(b []byte, vs ...int) []byte {
		for _, v := range vs {
			b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		}
		return b
	}
	size := w.into.pointer
	b := u32(nil, l.width, l.height, 0, len(l.name)+1)
	b = append(append(b, l.name...), 0)
	b = u32(b, propTattoo, 4, int(l.tattoo), 0, 0)
	b = w.put(w.put(b, int64(at+len(b)+2*size)), 0)
	b = u32(b, l.width, l.height, 3)
	b = w.put(w.put(b, int64(at+len(b)+2*size)), 0)
	b = u32(b, l.width, l.height)
	lv := &level{width: l.width, height: l.height}
	n := lv.across() * ((l.height + 63) / 64)
	to := at + len(b) + (n+1)*size
	var tiles []byte
	for i := range n {
		b = w.put(b, int64(to+len(tiles)))
		tw, th := lv.rect(i)
		pix := make([]byte, tw*th*3)
		for k := range pix {
			pix[k] = byte(int(l.tattoo)*k + i)
		}
		tiles = append(tiles, packed(pix, compression)...)
	}
	return append(w.put(b, 0), tiles...)
}

func TestBuiltIsHostile(t *testing.T) {
	whole := build(11, 1, layerOf{"A", 2, 20, 20})
	for name, change := range map[string]func(b []byte){
		"huge":            func(b []byte) { b[15] = 0xff },
		"base type":       func(b []byte) { b[25] = 9 },
		"compression":     func(b []byte) { b[38] = 3 },
		"layer far":       func(b []byte) { b[47+2] = 1 },
		"layer in header": func(b []byte) { b[47+7] = 1 },
	} {
		b := bytes.Clone(whole)
		change(b)
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for what, tile := range map[string][]byte{
		"a run over the end":      {127, 0xff, 0xff, 1, 19, 1, 19, 1},
		"a long run over the end": {128, 0xff, 0xff, 1, 19, 1, 19, 1},
		"a cut run":               {127, 1},
		"a cut copy":              {200, 1, 2},
	} {
		b := build(11, 1, layerOf{"A", 2, 20, 1})
		at := bytes.LastIndex(b, packedTile(20))
		if at < 0 {
			t.Fatal("no tile")
		}
		b = append(b[:at], tile...)
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Two thousand pointers to one layer: what is read stays in proportion to the file.
	w := &pen{graft: &graft{into: &document{pointer: 8}}}
	l := layerOf{"A", 2, 2000, 2000}
	many := bytes.Clone(build(11, 1, l)[:47])
	at := 47 + 8*2002
	for range 2000 {
		many = w.put(many, int64(at))
	}
	many = append(w.put(w.put(many, 0), 0), block(w, l, 1, at)...)
	if err := format.Validate(t.Context(), Format{}, format.Bytes(many)); !errors.Is(err, format.ErrMalformed) || !strings.Contains(err.Error(), "in each other") {
		t.Errorf("one layer two thousand times: %v", err)
	}
}

// TestSameTattoos: a number that two layers have names none of them.
func TestSameTattoos(t *testing.T) {
	b := build(11, 1, layerOf{"A", 2, 20, 20}, layerOf{"B", 2, 20, 20}, layerOf{"C", 3, 20, 20})
	list := elements(t, b)
	if list[0].Stable != "" || list[1].Stable != "" || list[2].Stable == "" || list[0].ID == list[1].ID {
		t.Errorf("%+v", list)
	}
	got, _ := grafted(t, build(11, 1, layerOf{"B", 2, 30, 30}, layerOf{"C", 3, 20, 20}), b, []string{list[0].ID})
	if outline(elements(t, got)) != "B A C" {
		t.Errorf("%s", outline(elements(t, got)))
	}
}

// TestGIMP: GIMP shows what we show, of each mode and precision, and of what was grafted.
func TestGIMP(t *testing.T) {
	gimp := formattest.App(t, os.Getenv("VARVE_CI") != "", "gimp")
	dir := t.TempDir()
	for i, name := range []string{"a.png", "b.png"} {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		m := image.NewNRGBA(image.Rect(0, 0, 70, 30))
		for k := range m.Pix {
			m.Pix[k] = byte(random.Uint32())
			if k%4 == 3 && random.IntN(3) > 0 {
				m.Pix[k] = byte(255 * random.IntN(2))
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old, newer := fixture(t, "old.xcf"), fixture(t, "new.xcf")
	was := elements(t, old)
	for i, names := range [][]string{{"Deep"}, {"Low"}, {"Top", "Group"}, {"Top", "Group", "Low", "Background", "Spot"}} {
		b, _ := grafted(t, newer, old, ids(was, names...))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("graft%d.xcf", i)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script := strings.ReplaceAll(gimpScript, "DIR", filepath.ToSlash(dir))
	cmd := exec.CommandContext(t.Context(), gimp, "-i", "-d", "-f", "-b", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	shown, err := filepath.Glob(filepath.Join(dir, "*.xcf.png"))
	if err != nil || len(shown) != 52+11+4 {
		t.Fatalf("%d pictures, %v", len(shown), err)
	}
	for _, p := range shown {
		doc, err := os.ReadFile(strings.TrimSuffix(p, ".png"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		same(t, filepath.Base(p), doc, want, 2)
	}
}

// The modes left out: dissolve is chance, hard mix turns on the last bit, and some are no layer's.
const gimpScript = `
(define (show img name)
  (let ((m (car (gimp-image-merge-visible-layers img CLIP-TO-IMAGE))))
    (file-png-save RUN-NONINTERACTIVE img m (string-append "DIR/" name ".xcf.png") "x" 0 1 0 0 0 0 0)
    (gimp-image-delete img)))
; each file that is loaded starts a program: these two once
(define (load name) (car (gimp-file-load RUN-NONINTERACTIVE (string-append "DIR/" name) name)))
(define a (load "a.png"))
(define b (load "b.png"))
(define (layer img of) (car (gimp-layer-new-from-drawable (car (gimp-image-get-active-drawable of)) img)))
(define (one name mode prec gray through)
  (let* ((img (car (gimp-image-duplicate a))))
    (if gray (gimp-image-convert-grayscale img))
    (if (> prec 0) (gimp-image-convert-precision img prec))
    (let ((b (layer img b)) (c (layer img a)) (g (car (gimp-layer-group-new img))))
      (gimp-image-insert-layer img b 0 0)
      (gimp-layer-set-opacity b 80)
      (gimp-layer-set-mode b mode)
      (if (>= through 0) (begin
        (gimp-image-insert-layer img g 0 0)
        (gimp-layer-set-mode g through)
        (gimp-layer-set-opacity g 70)
        (gimp-image-insert-layer img c g 0)
        (gimp-layer-set-mode c 31)
        (gimp-layer-set-offsets c -10 7)
        (gimp-layer-add-mask g (car (gimp-layer-create-mask g ADD-MASK-ALPHA)))))
      (gimp-xcf-save RUN-NONINTERACTIVE img b (string-append "DIR/" name ".xcf") "x")
      (show img name))))
(define (mode m) (one (string-append "mode" (number->string m)) m 0 #f -1))
(for-each mode '(0 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 23 24 25 26 27 28 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 52 53 54 55 56))
(one "gray" 44 0 #t 28)
(one "through" 30 0 #f 61)
(one "lin8" 28 100 #f 28)
(one "int16" 28 250 #f 61)
(one "lin16" 28 200 #f 28)
(one "int32" 28 350 #f 28)
(one "half" 28 500 #f 28)
(one "curvedhalf" 28 550 #f 28)
(one "float" 28 600 #f 61)
(one "double" 28 700 #f 28)
(let ((img (car (gimp-image-duplicate a))))
  (gimp-image-convert-indexed img 0 0 20 FALSE FALSE "")
  (gimp-xcf-save RUN-NONINTERACTIVE img (car (gimp-image-get-active-layer img)) "DIR/indexed.xcf" "x")
  (show img "indexed"))
(define (again name) (show (load (string-append name ".xcf")) name))
(for-each again '("graft0" "graft1" "graft2" "graft3"))
(gimp-quit 0)
`

func FuzzXCF(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"old": fixture(f, "old.xcf"), "built": build(3, 2, layerOf{"A", 2, 70, 70})})
}
