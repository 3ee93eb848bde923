package png

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image/color"
	stdpng "image/png"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
	"varve/format/raster"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

// smaller keeps the suite short: the samples have many pictures of a kind, which decoding holds against ImageMagick.
func smaller(files map[string][]byte) map[string][]byte {
	out := maps.Clone(files)
	maps.DeleteFunc(out, func(name string, b []byte) bool { return len(b) > 12<<10 || !strings.Contains(name, "generated") })
	return out
}

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, smaller(formattest.Files(t, "raster", ".png")))
}

// TestSamplesAsImageMagick: every sample has the pixels that ImageMagick decodes.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".png") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".png", "[0]", 0)
		})
	}
}

// kinds are the colours and depths that there are.
func kinds(each func(colour, depth, interlace int)) {
	for _, k := range [][2]int{{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1}, {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}} {
		each(k[0], k[1], 0)
		each(k[0], k[1], 1)
	}
}

// TestEveryKind: random pictures of every colour, depth, size up to 9×9, with all filters, with and without interlacing
// and transparency, are what the standard library makes of them.
func TestEveryKind(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	kinds(func(colour, depth, interlace int) {
		for range 40 {
			width, height := 1+random.IntN(9), 1+random.IntN(9)
			var chunks [][]byte
			if colour == 3 {
				palette := make([]byte, 3<<depth)
				for i := range palette {
					palette[i] = byte(random.Uint32())
				}
				chunks = append(chunks, part("PLTE", palette))
			}
			switch trans := random.IntN(2) == 1; {
			case trans && colour == 3:
				chunks = append(chunks, part("tRNS", []byte{7, 200}))
			case trans && colour == 0:
				chunks = append(chunks, part("tRNS", []byte{0, 1}))
			case trans && colour == 2:
				chunks = append(chunks, part("tRNS", []byte{0, 1, 0, 2, 0, 3}))
			}
			data := deflated(rows(random, width, height, depth, colour, interlace))
			cut := random.IntN(len(data))
			chunks = append(chunks, part("IDAT", data[:cut]), part("IDAT", data[cut:]))
			same(t, build(header(width, height, depth, colour, interlace), chunks...), fmt.Sprintf("colour %d of %d bits, interlace %d", colour, depth, interlace))
		}
	})
}

// same holds a file against the standard library.
func same(t *testing.T, file []byte, what string) {
	t.Helper()
	m, err := stdpng.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	p := picturetest.Decode(t, Format{}, file)
	for i := range p.Width * p.Height {
		c := color.NRGBA64Model.Convert(m.At(i%p.Width, i/p.Width)).(color.NRGBA64)
		got, want := picturetest.Pixel(p, i), [4]int{int(c.R), int(c.G), int(c.B), int(c.A)}
		if want[3] == 0 { // the standard library forgets colours there
			got, want = [4]int{3: got[3]}, [4]int{}
		}
		if d := max(got[0]-want[0], want[0]-got[0], got[1]-want[1], want[1]-got[1], got[2]-want[2], want[2]-got[2]); d > 300 || want[3] == 65535 && d > 0 || got[3] != want[3] {
			t.Fatalf("%s: pixel %d: %v, want %v", what, i, got, want)
		}
	}
}

// TestDepthAndModel: samples are kept as the file has them.
func TestDepthAndModel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	kinds(func(colour, depth, interlace int) {
		data := part("IDAT", deflated(rows(random, 3, 3, depth, colour, interlace)))
		p := picturetest.Decode(t, Format{}, build(header(3, 3, depth, colour, interlace), part("PLTE", make([]byte, 6)), data))
		wantModel, wantDepth := raster.RGB, raster.U8
		if colour == grey || colour == greyAlpha {
			wantModel = raster.Gray
		}
		if depth == 16 {
			wantDepth = raster.U16
		}
		if p.Model != wantModel || p.Depth != wantDepth || p.Alpha != (colour >= 4) || p.Premultiplied {
			t.Errorf("colour %d of %d bits: %+v", colour, depth, p)
		}
	})
	wide := build(header(1, 1, 16, grey, 0), part("IDAT", deflated([]byte{0, 0x12, 0x34})))
	if p := picturetest.Decode(t, Format{}, wide); p.U16[0] != 0x1234 {
		t.Errorf("16 bits became %x", p.U16)
	}
}

func still() []byte {
	random := rand.New(rand.NewPCG(5, 6))
	data := deflated(rows(random, 9, 7, 8, rgb, 0))
	return build(header(9, 7, 8, rgb, 0), part("tEXt", []byte("Title\x00caf\xe9")), part("tEXt", []byte("date:modify\x002024-01-01")),
		part("zTXt", append([]byte("Comment\x00\x00"), deflated([]byte("packed"))...)), part("iTXt", []byte("Author\x00\x00\x00de\x00\x00Ж")),
		part("iCCP", append([]byte("p\x00\x00"), deflated([]byte("profile"))...)), part("IDAT", data[:20]), part("IDAT", data[20:]))
}

// TestDamageIsTold: a file that is cut anywhere, or has one bit flipped anywhere, is malformed.
func TestDamageIsTold(t *testing.T) {
	b := still()
	picturetest.Cut(t, Format{}, b, 0)
	for i := range b {
		d := bytes.Clone(b)
		d[i] ^= 1 << (i % 8)
		if err := format.Validate(t.Context(), Format{}, format.Bytes(d)); err == nil {
			t.Errorf("a bit of byte %d is flipped, and the file is whole", i)
		}
	}
	if err := format.Validate(t.Context(), Format{}, format.Bytes(append(b, "and more"...))); err != nil {
		t.Errorf("bytes after the end: %v", err)
	}
	mangled := bytes.Replace(b, []byte("\r\n"), []byte("\n"), 1)
	if err := format.Validate(t.Context(), Format{}, format.Bytes(mangled)); !errors.Is(err, format.ErrMalformed) || !strings.Contains(err.Error(), "line ends") {
		t.Errorf("line ends converted: %v", err)
	}
	if !(Format{}).Match("a.png", mangled) || !(Format{}).Match("a.png", nil) || (Format{}).Match("a.png", []byte("GIF89a")) {
		t.Error("match")
	}
}

// TestPictureOfDamage: pixels are not made up where their stream ends early, has a wrong checksum or a wrong filter.
func TestPictureOfDamage(t *testing.T) {
	raw := rows(rand.New(rand.NewPCG(5, 6)), 9, 7, 8, rgb, 0)
	data := deflated(raw)
	for name, idat := range map[string][]byte{
		"short stream":  data[:len(data)-6],
		"fewer rows":    deflated(raw[:100]),
		"checksum":      append(data[:len(data)-1:len(data)-1], data[len(data)-1]^1),
		"filter":        deflated(append([]byte{5}, raw[1:]...)),
		"no stream":     {1, 2, 3},
		"little of all": deflated(nil),
	} {
		_, err := format.Decode(t.Context(), Format{}, format.Bytes(build(header(9, 7, 8, rgb, 0), part("IDAT", idat))))
		if !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, head := range map[string][]byte{
		"size": header(1<<30, 1<<30, 8, rgb, 0), "zero": header(0, 1, 8, rgb, 0), "large": header(16000, 16000, 16, rgbAlpha, 0),
		"depth": header(9, 7, 3, rgb, 0), "colour": header(9, 7, 8, 5, 0), "palette": header(9, 7, 8, paletted, 0),
	} {
		_, err := format.Decode(t.Context(), Format{}, format.Bytes(build(head, part("IDAT", data))))
		if !errors.Is(err, format.ErrMalformed) && !errors.Is(err, raster.ErrSize) || name == "large" && !strings.Contains(err.Error(), "cannot hold") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestElements(t *testing.T) {
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(still()))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Kind+" "+e.Name+" "+e.Properties["text"])
	}
	if want := []string{"image Image ", "text Title café", "text Comment packed", "text Author Ж"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if list[0].Aspects["profile"] == "" {
		t.Error("no profile")
	}
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(still()), "image")
	if err != nil {
		t.Fatal(err)
	}
	a, b := picturetest.Decode(t, Format{}, still()), picturetest.Decode(t, Format{}, formattest.All(t, x.Content))
	if !slices.Equal(a.U8, b.U8) {
		t.Error("the extract has other pixels")
	}
	x, err = format.ExtractElement(t.Context(), Format{}, format.Bytes(still()), list[1].ID)
	if err != nil || string(formattest.All(t, x.Content)) != "café" {
		t.Errorf("a text: %v", err)
	}
	if _, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(still()), "frame:1"); !errors.Is(err, format.ErrNoElement) {
		t.Errorf("no frame: %v", err)
	}
}

// seeds are files of every kind.
func seeds() map[string][]byte {
	random := rand.New(rand.NewPCG(7, 8))
	out := map[string][]byte{"still": still(), "animation": animation()}
	kinds(func(colour, depth, interlace int) {
		data := part("IDAT", deflated(rows(random, 5, 5, depth, colour, interlace)))
		out[fmt.Sprintf("%d-%d-%d", colour, depth, interlace)] = build(header(5, 5, depth, colour, interlace), part("PLTE", make([]byte, 6)), data)
	})
	return out
}

func TestContract(t *testing.T) { formattest.Run(t, Format{}, seeds2(seeds())) }

// seeds2 gives them names that the format knows.
func seeds2(files map[string][]byte) map[string][]byte {
	out := map[string][]byte{}
	for name, b := range files {
		out[name+".png"] = b
	}
	return out
}

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, seeds()) }

// animation: three frames on 4×3, of which the first is the picture.
func animation() []byte {
	solid := func(w, h int, px ...byte) []byte {
		var b []byte
		for range h {
			b = append(b, 0)
			b = append(b, bytes.Repeat(px, w)...)
		}
		return deflated(b)
	}
	seq := uint32(0)
	control := func(w, h, x, y, num, den int, dispose, blend byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, seq)
		for _, v := range []int{w, h, x, y} {
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		}
		b = binary.BigEndian.AppendUint16(b, uint16(num))
		b = binary.BigEndian.AppendUint16(b, uint16(den))
		seq++
		return part("fcTL", append(b, dispose, blend))
	}
	data := func(b []byte) []byte {
		b = append(binary.BigEndian.AppendUint32(nil, seq), b...)
		seq++
		return part("fdAT", b)
	}
	return build(header(4, 3, 8, rgbAlpha, 0), part("acTL", []byte{0, 0, 0, 4, 0, 0, 0, 0}),
		control(4, 3, 0, 0, 1, 10, 0, 0), part("IDAT", solid(4, 3, 255, 0, 0, 255)),
		control(2, 2, 1, 0, 3, 0, 1, 1), data(solid(2, 2, 0, 255, 0, 128)),
		control(1, 1, 3, 2, 1, 1, 2, 0), data(solid(1, 1, 0, 0, 255, 0)),
		control(1, 3, 0, 0, 1, 2, 0, 1), data(solid(1, 3, 9, 9, 9, 0)))
}

// TestAnimation: frames are as they are shown, with what each leaves for the next. The canvases are worked out by hand.
func TestAnimation(t *testing.T) {
	b := animation()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil || len(list) != 4 {
		t.Fatalf("%d frames, %v", len(list), err)
	}
	r, m, o := "ff0000ff ", "7f8000ff ", "00000000 "
	for i, want := range []string{
		r + r + r + r + r + r + r + r + r + r + r + r,
		r + m + m + r + r + m + m + r + r + r + r + r,           // half green over red
		r + o + o + r + r + o + o + r + r + r + r + "0000ff00 ", // the last was cleared, a pixel is set
		r + o + o + r + r + o + o + r + r + r + r + r,           // that was taken back, nothing is laid over
	} {
		x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), fmt.Sprintf("frame:%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		p := picturetest.Decode(t, Format{}, formattest.All(t, x.Content))
		got := ""
		for k := range p.Width * p.Height {
			px := picturetest.Pixel(p, k)
			got += fmt.Sprintf("%02x%02x%02x%02x ", px[0]/257, px[1]/257, px[2]/257, px[3]/257)
		}
		if got != want {
			t.Errorf("frame %d: %s\nwant %s", i+1, got, want)
		}
	}
	if d := []string{list[0].Properties["delay"], list[1].Properties["delay"], list[3].Properties["delay"]}; !slices.Equal(d, []string{"100 ms", "30 ms", "500 ms"}) {
		t.Errorf("delays %q", d)
	}
	if !slices.Equal(list[1].Bounds, []float64{1, 0, 3, 2}) || list[0].Aspects["pixels"] == list[3].Aspects["pixels"] {
		t.Errorf("%+v", list)
	}
	picturetest.Cut(t, Format{}, b, 0)
}
