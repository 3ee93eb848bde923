package exr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".exr"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, b []byte) *raster.Image {
	t.Helper()
	img, err := format.Decode(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func elements(t testing.TB, b []byte) []format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestContract holds the samples against the contract; the largest are passed over by what damages files.
func TestContract(t *testing.T) {
	files := formattest.Files(t, "exr", ".exr")
	if os.Getenv("VARVE_CI") == "" { // some of each kind
		for name, b := range files {
			if len(b) > 130<<10 && len(b) < 2<<20 || strings.Contains(name, "DisplayWindow") || strings.Contains(name, "Gray") || strings.Contains(name, "RgbRamps") {
				delete(files, name)
			}
		}
	}
	formattest.Run(t, Format{}, files)
}

// TestCompressions: one picture in all compressions that lose nothing is one picture; of others it is what Blender read.
func TestCompressions(t *testing.T) {
	for name, like := range map[string]string{"rle": "none", "zips": "none", "zip": "none", "piz": "none", "pxr24": "none", "piz32": "none32",
		"pxr2432": "pxr2432-read", "b44": "b44-read", "b44a": "b44a-read", "b44-linear": "b44-linear-read"} {
		a, b := fixture(t, name), fixture(t, like)
		if x, y := decode(t, a), decode(t, b); !slices.Equal(x.F32, y.F32) || len(x.F32) != 13*37*3 {
			t.Errorf("%s is not %s: %v and %v", name, like, x.F32[:8], y.F32[:8])
		}
		x, y := elements(t, a), elements(t, b)
		for i := 1; i < len(x); i++ {
			if x[i].Aspects["pixels"] != y[i].Aspects["pixels"] || x[i].Aspects["pixels"] == "" {
				t.Errorf("%s: the channel %s is not that of %s", name, x[i].Name, like)
			}
		}
	}
	if slices.Equal(decode(t, fixture(t, "none")).F32, decode(t, fixture(t, "b44")).F32) {
		t.Error("B44 lost nothing: the test says nothing")
	}
	files := map[string][]byte{}
	for _, name := range []string{"none", "piz", "b44", "rle"} {
		files[name+".exr"] = fixture(t, name)
	}
	formattest.Run(t, Format{}, files)
}

// TestUnsupported: of DWA and deep files the channels are listed, and the samples are told to be unknown.
func TestUnsupported(t *testing.T) {
	for _, name := range []string{"blender-data/basic_dark.exr", "openexr-images/v2/LowResLeftView/Trunks.exr"} {
		b := formattest.Sample(t, "exr/"+name)
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
		if list := elements(t, b); len(list) < 4 || list[0].Aspects["chunks"] == "" {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

// TestAllHalfValues: all halves, as the README of the sample says, each once in each channel.
func TestAllHalfValues(t *testing.T) {
	img := decode(t, formattest.Sample(t, "exr/openexr-images/TestImages/AllHalfValues.exr"))
	for i := range 1 << 16 { // in their order
		if v, want := img.F32[3*i], toFloat(uint16(i)); math.Float32bits(v) != math.Float32bits(want) {
			t.Fatalf("%g at %d, want %g", v, i, want)
		}
	}
	for v := range uint32(1 << 16) {
		f := toFloat(uint16(v))
		if f == f && (toHalf(f) != uint16(v) || math.Signbit(float64(f)) != (v&0x8000 != 0)) {
			t.Fatalf("%04x is %g is %04x", v, f, toHalf(f))
		}
	}
}

// TestWindows: what is shown is the display window, wherever the data is.
func TestWindows(t *testing.T) {
	whole := decode(t, formattest.Sample(t, "exr/openexr-images/DisplayWindow/t01.exr"))
	for _, name := range []string{"t01", "t04", "t06", "t07", "t08"} {
		b := formattest.Sample(t, "exr/openexr-images/DisplayWindow/"+name+".exr")
		f, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		p, img := f.parts[0], decode(t, b)
		if int64(img.Width) != p.display.width() || int64(img.Height) != p.display.height() {
			t.Errorf("%s: %d×%d for %v", name, img.Width, img.Height, p.display)
		}
		n := 0
		for y := range img.Height {
			for x := range img.Width {
				sx, sy := x+p.display.x0-p.data.x0, y+p.display.y0-p.data.y0
				if sx < 0 || sy < 0 || sx >= whole.Width || sy >= whole.Height {
					if v := img.F32[(y*img.Width+x)*img.Channels():][:3]; v[0] != 0 || v[1] != 0 || v[2] != 0 {
						t.Fatalf("%s: %v at %d,%d, where there is no data", name, v, x, y)
					}
					continue
				}
				n++
				if img.F32[(y*img.Width+x)*img.Channels()] != whole.F32[(sy*whole.Width+sx)*whole.Channels()] {
					t.Fatalf("%s: other data at %d,%d", name, x, y)
				}
			}
		}
		if n == 0 {
			t.Errorf("%s: no data is shown", name)
		}
	}
}

// TestCut: a file that was not written to its end is malformed, and what is there is shown.
func TestCut(t *testing.T) {
	for _, name := range []string{"zips", "none", "piz"} {
		b := fixture(t, name)
		whole := decode(t, b)
		for n := 8; n < len(b); n += 97 {
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
				t.Errorf("%s, %d of %d bytes: %v", name, n, len(b), err)
			}
		}
		if name == "piz" {
			continue // the second of two chunks has a few lines
		}
		half := b[:len(b)*3/4]
		img := decode(t, half)
		if k := 13 * 3 * 10; !slices.Equal(img.F32[:k], whole.F32[:k]) || slices.Equal(img.F32, whole.F32) {
			t.Errorf("%s: of three quarters not what is there", name)
		}
		p, err := format.Show(t.Context(), Format{}, format.Bytes(half), 100)
		if err != nil || !strings.Contains(p.Note, "missing") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		// As a writer leaves it that was killed: no offsets.
		f, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		bare := bytes.Clone(half)
		clear(bare[f.parts[0].tableAt:f.chunks])
		if again := decode(t, bare); !slices.Equal(again.F32, img.F32) {
			t.Errorf("%s: without offsets the chunks are not found", name)
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(bare)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s without offsets: %v", name, err)
		}
	}
}

// TestBombs: files that ask for memory get little.
func TestBombs(t *testing.T) {
	dir := formattest.Samples(t, "exr/openexr-damaged")
	list, err := os.ReadDir(dir)
	if err != nil || len(list) < 20 {
		t.Fatal(len(list), err)
	}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := formattest.Survive(t.Context(), Format{}, b); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 300<<20 {
			t.Errorf("%s, of %d bytes, takes %d", e.Name(), len(b), n)
		}
	}
}

// promise is a file that says that it has a picture.
func promise(compression byte, data, display [4]int32, tail ...byte) []byte {
	window := func(v [4]int32) (b []byte) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, uint32(x))
		}
		return b
	}
	b := append([]byte(magic), 2, 0, 0, 0)
	b = attribute(b, "channels", "chlist", append(listOf(nil, "Y", &channel{kind: halfType, xs: 1, ys: 1}), 0))
	b = attribute(b, "compression", "compression", []byte{compression})
	b = attribute(b, "dataWindow", "box2i", window(data))
	b = attribute(b, "displayWindow", "box2i", window(display))
	return append(append(b, 0), tail...)
}

// little fails if something takes much memory.
func little(t *testing.T, what string, do func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 40<<20 {
		t.Errorf("%s takes %d bytes", what, n)
	}
}

// TestPromises: what a header says is held against the file before memory is taken for it.
func TestPromises(t *testing.T) {
	// A chunk of 128 MB in a few bytes.
	wide := promise(4, [4]int32{0, 0, 1<<21 - 1, 31}, [4]int32{0, 0, 9, 9})
	wide = binary.LittleEndian.AppendUint64(wide, uint64(len(wide)+8))
	wide = append(wide, 0, 0, 0, 0, 40, 0, 0, 0)
	wide = append(wide, make([]byte, 40)...)
	little(t, "a wide chunk", func() { _, _ = format.Elements(t.Context(), Format{}, format.Bytes(wide)) })
	// 36 million pixels in 6 KB, and as many without data.
	large := promise(4, [4]int32{0, 0, 5999, 5999}, [4]int32{0, 0, 5999, 5999}, make([]byte, 6000)...)
	little(t, "much data", func() {
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(large)); !errors.Is(err, format.ErrMalformed) {
			t.Error(err)
		}
	})
	few := promise(0, [4]int32{0, 0, 0, 0}, [4]int32{0, 0, 5999, 5999})
	few = binary.LittleEndian.AppendUint64(few, uint64(len(few)+8))
	few = append(few, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0x3c)
	little(t, "a large window", func() {
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(few)); !errors.Is(err, format.ErrLimit) {
			t.Error(err)
		}
	})
	if p, err := format.Show(t.Context(), Format{}, format.Bytes(few), 100); err != nil || p.Image.Width < 100 || p.Image.Width > 200 {
		t.Errorf("%+v, %v", p, err)
	}
	// A table that tells the wrong chunks.
	b := bytes.Clone(fixture(t, "zips"))
	f, err := open(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	copy(b[f.parts[0].tableAt:], b[f.parts[0].tableAt+8:f.parts[0].tableAt+16])
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a table that tells one chunk twice: %v", err)
	}
	for _, window := range [][4]int32{{0, 0, 1 << 29, 1 << 29}, {0, 0, 1 << 29, 31}, {0, 0, 0, 1 << 29}, {-1 << 31, 0, 1<<31 - 1, 0}, {5, 5, 4, 4}, {0, 0, 30000, 20000}} {
		b := promise(4, window, window, make([]byte, 6000)...)
		if err := formattest.Survive(t.Context(), Format{}, b); err != nil {
			t.Errorf("%v: %v", window, err)
		}
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) && !errors.Is(err, format.ErrLimit) {
			t.Errorf("%v: %v", window, err)
		}
	}
}

// TestExtract: parts, layers and channels as files have the samples that they had.
func TestExtract(t *testing.T) {
	b := formattest.Sample(t, "exr/openexr-images/Beachball/multipart.0001.exr")
	list := elements(t, b)
	got := map[string]int{}
	for _, e := range list {
		x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), e.ID)
		if err != nil || x.Extension != ".exr" {
			t.Errorf("%s: %v", e.ID, err)
			continue
		}
		one := formattest.All(t, x.Content)
		if err := format.Validate(t.Context(), Format{}, format.Bytes(one)); err != nil {
			t.Errorf("%s: %v", e.ID, err)
		}
		has := elements(t, one)
		for _, c := range has {
			if c.Kind == "channel" && !slices.ContainsFunc(list, func(o format.Element) bool { return o.Name == c.Name && o.Hash() == c.Hash() }) {
				t.Errorf("%s: the channel %s is another", e.ID, c.Name)
			}
		}
		got[e.Kind] += len(has)
	}
	if got["part"] != len(list) || got["layer"] == 0 {
		t.Errorf("%d elements in files of parts, of %d", got["part"], len(list))
	}
	if len(list) != 36 || list[0].Name != "rgba_right" {
		t.Errorf("%d elements, %+v", len(list), list[0])
	}
	if _, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), "part:none"); !errors.Is(err, format.ErrNoElement) {
		t.Error(err)
	}
}

// TestChroma: luminance and chroma give the colours that they were made of.
func TestChroma(t *testing.T) {
	w := [3]float32{0.2126, 0.7152, 0.0722}
	img, err := raster.New(2, 1, raster.RGB, false, raster.F32)
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{0.5, 0.25, 2, 0.3, 0.3, 0.3}
	for i := 0; i < 6; i += 3 {
		y := want[i]*w[0] + want[i+1]*w[1] + want[i+2]*w[2]
		img.F32[i], img.F32[i+1], img.F32[i+2] = y, want[i]/y-1, want[i+2]/y-1
	}
	unchroma(img, w)
	for i, v := range img.F32 {
		if math.Abs(float64(v-want[i])) > 1e-5 {
			t.Errorf("%v, want %v", img.F32, want)
			break
		}
	}
	f := &file{}
	if got := f.luma(&part{}); math.Abs(float64(got[0]-w[0])) > 2e-3 || math.Abs(float64(got[1]-w[1])) > 2e-3 || math.Abs(float64(got[2]-w[2])) > 2e-3 {
		t.Errorf("Rec. 709 has %v", got)
	}
}

// TestEncode: what is written is read, alpha multiplied in.
func TestEncode(t *testing.T) {
	img, err := raster.New(3, 2, raster.RGB, true, raster.F32)
	if err != nil {
		t.Fatal(err)
	}
	for i := range img.F32 {
		img.F32[i] = float32(i) / 8
	}
	out, err := Encode(img)
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, formattest.All(t, out))
	for i, v := range got.F32 {
		want := img.F32[i]
		if i%4 < 3 {
			want *= img.F32[i|3]
		}
		if v != want {
			t.Fatalf("%v of %v", got.F32, img.F32)
		}
	}
}

// TestBlender: Blender has the same floats of all samples that it can read, and of what we write.
func TestBlender(t *testing.T) {
	blender := formattest.App(t, os.Getenv("VARVE_CI") != "", "blender")
	dir := t.TempDir()
	files := formattest.Files(t, "exr/openexr-images", ".exr")
	n := 0
	read := map[string]*raster.Image{}
	for name, b := range files {
		f, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		p := f.parts[0]
		if f.multi || p.deep || slices.ContainsFunc(p.channels, func(c channel) bool { return c.xs > 1 || c.name[0] != 'R' && c.name[0] != 'G' && c.name[0] != 'B' }) || p.data != p.display {
			continue
		}
		read[fmt.Sprint(n)] = decode(t, b)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)+".exr"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := Encode(read[fmt.Sprint(n)]); err == nil {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d-ours.exr", n)), formattest.All(t, out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Log(n, name)
		n++
	}
	if n < 8 {
		t.Fatalf("%d files", n)
	}
	script := `
import bpy, glob, array
for f in glob.glob("DIR/*.exr"):
    i = bpy.data.images.load(f)
    i.colorspace_settings.name = "Non-Color"
    p = array.array("f", [0.0]) * (i.size[0] * i.size[1] * 4)
    i.pixels.foreach_get(p)
    open(f + ".f32", "wb").write(p.tobytes())
`
	cmd := exec.CommandContext(t.Context(), blender, "-b", "--factory-startup", "-noaudio", "--python-exit-code", "1", "--python-expr", strings.ReplaceAll(script, "DIR", filepath.ToSlash(dir)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for id, img := range read {
		for _, name := range []string{id, id + "-ours"} {
			raw, err := os.ReadFile(filepath.Join(dir, name+".exr.f32"))
			if err != nil || len(raw) != img.Width*img.Height*16 {
				t.Fatalf("%s: %d bytes, %v", name, len(raw), err)
			}
			n := img.Channels()
			for y := range img.Height {
				for x := range img.Width {
					for c := range min(n, 3) {
						w := math.Float32frombits(binary.LittleEndian.Uint32(raw[(((img.Height-1-y)*img.Width+x)*4+c)*4:]))
						if g := img.F32[(y*img.Width+x)*n+c]; g != w && (g == g || w == w) {
							t.Fatalf("%s: %g at %d,%d, want %g", name, g, x, y, w)
						}
					}
				}
			}
		}
	}
}

// TestUnmix: pairs of words mixed as the format has it, by their mean and difference, come back; many words take the way of
// 16 bits.
func TestUnmix(t *testing.T) {
	for i := range uint32(1 << 18) {
		a, b := uint16(i*40503>>3), uint16(i*i*2654435761>>9)
		m, d := (int(a^0x8000)+int(b))>>1, int(a^0x8000)-int(b)
		if d < 0 {
			m += 0x8000
		}
		if x, y := unmix16(uint16(m), uint16(d)); x != a || y != b {
			t.Fatalf("%04x %04x becomes %04x %04x", a, b, x, y)
		}
		a, b = a&0x3fff, b&0x3fff
		if x, y := unmix14(uint16((int(a)+int(b))>>1), a-b); x != a || y != b {
			t.Fatalf("%04x %04x of 14 bits becomes %04x %04x", a, b, x, y)
		}
	}
	v := []uint16{0x8000, 0x9000, 0x8000, 0x9000}
	w := slices.Clone(v)
	unwave(v, 2, 1, 2, 2, false)
	unwave(w, 2, 1, 2, 2, true)
	if slices.Equal(v, w) {
		t.Error("both ways are one")
	}
}

// TestBlenderPIZ: so many different words that the wavelets need all 16 bits of a word, written by Blender.
func TestBlenderPIZ(t *testing.T) {
	blender := formattest.App(t, os.Getenv("VARVE_CI") != "", "blender")
	dir := t.TempDir()
	script := `
import bpy, random
scene = bpy.context.scene
s = scene.render.image_settings
s.file_format, s.color_depth, s.color_mode = "OPEN_EXR", "32", "RGB"
scene.view_settings.view_transform = "Raw"
i = bpy.data.images.new("a", 601, 45, float_buffer=True)
i.colorspace_settings.name = "Non-Color"
random.seed(1)
i.pixels.foreach_set([1000 + k * 0.001 + random.random() * 0.9 for k in range(601 * 45 * 4)])
for codec in ["NONE", "PIZ"]:
    s.exr_codec = codec
    i.save_render("DIR/" + codec + ".exr", scene=scene)
`
	cmd := exec.CommandContext(t.Context(), blender, "-b", "--factory-startup", "-noaudio", "--python-exit-code", "1", "--python-expr", strings.ReplaceAll(script, "DIR", filepath.ToSlash(dir)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got [2][]float32
	for i, name := range []string{"NONE.exr", "PIZ.exr"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		f, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		at, err := f.offsets(f.parts[0])
		if err != nil {
			t.Fatal(err)
		}
		if c, err := f.chunk(f.parts[0], 0, at[0]); err != nil || i == 1 && c.size == 601*32*12 {
			t.Fatalf("%s is not compressed: %v", name, err)
		}
		got[i] = decode(t, b).F32
	}
	if !slices.Equal(got[0], got[1]) {
		t.Errorf("%v and %v", got[0][:8], got[1][:8])
	}
}

func FuzzEXR(f *testing.F) {
	seeds := map[string][]byte{}
	for _, name := range []string{"none", "rle", "zip", "piz", "pxr24", "b44"} {
		seeds[name] = fixture(f, name)
	}
	formattest.Fuzz(f, Format{}, seeds)
}
