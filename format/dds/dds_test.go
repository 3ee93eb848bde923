package dds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
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

func TestSamples(t *testing.T) {
	files := formattest.Files(t, "raster", ".dds")
	formattest.Run(t, Format{}, files)
	for name, b := range files {
		list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
		if err != nil || len(list) != 1 || list[0].Kind != "image" {
			t.Errorf("%s: %d elements, %v", name, len(list), err)
		}
		picturetest.Cut(t, Format{}, b, 0)
	}
}

// TestSamplesAsImageMagick: the samples have the pixels that ImageMagick decodes, but for what it does not round.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".dds") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".dds", "[0]", 257)
		})
	}
}

// masks is a DDS of an older header: flags, bits and masks.
func masks(flags, bits uint32, m [4]uint32, data ...byte) []byte {
	b := head(1, 1)
	binary.LittleEndian.PutUint32(b[80:], flags)
	binary.LittleEndian.PutUint32(b[88:], bits)
	for i, v := range m {
		binary.LittleEndian.PutUint32(b[92+4*i:], v)
	}
	return append(b, data...)
}

// name is one of a pixel format that has a name, or a number of Direct3D 9 for one.
func name(code string, data ...byte) []byte {
	b := head(1, 1)
	b[80] = 4
	copy(b[84:], code)
	return append(b, data...)
}

// TestPlain: pixels of every layout without blocks, worked out by hand.
func TestPlain(t *testing.T) {
	f32 := func(v ...float32) (b []byte) {
		for _, x := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		return b
	}
	for _, c := range []struct {
		what  string
		file  []byte
		model raster.Model
		alpha bool
		want  []float64
	}{
		{"RGBA", surfaces(28, 1, 1, []byte{1, 2, 3, 4}), raster.RGB, true, []float64{1, 2, 3, 4}},
		{"BGRA", surfaces(87, 1, 1, []byte{1, 2, 3, 4}), raster.RGB, true, []float64{3, 2, 1, 4}},
		{"BGRX", surfaces(88, 1, 1, []byte{1, 2, 3, 4}), raster.RGB, false, []float64{3, 2, 1}},
		{"R", surfaces(61, 1, 1, []byte{7}), raster.Gray, false, []float64{7}},
		{"RG", surfaces(49, 1, 1, []byte{7, 8}), raster.RGB, false, []float64{7, 8, 0}},
		{"R 16", surfaces(56, 1, 1, []byte{1, 2}), raster.Gray, false, []float64{513}},
		{"RGBA 16", surfaces(11, 1, 1, []byte{1, 0, 2, 0, 3, 0, 255, 255}), raster.RGB, true, []float64{1, 2, 3, 65535}},
		{"10 10 10 2", surfaces(24, 1, 1, []byte{0xff, 3, 0, 0xc0}), raster.RGB, true, []float64{65535, 0, 0, 65535}},
		{"565", surfaces(85, 1, 1, []byte{0x1f, 0xf8}), raster.RGB, false, []float64{255, 0, 255}},
		{"4444", surfaces(115, 1, 1, []byte{0x21, 0x43}), raster.RGB, true, []float64{51, 34, 17, 68}},
		{"float RGBA", surfaces(2, 1, 1, f32(1, -2, 0.5, 1)), raster.RGB, true, []float64{1, -2, 0.5, 1}},
		{"float R", surfaces(41, 1, 1, f32(1e30)), raster.Gray, false, []float64{float64(float32(1e30))}},
		{"half RG", surfaces(34, 1, 1, []byte{0, 0x3c, 0, 0xc0}), raster.RGB, false, []float64{1, -2, 0}},
		{"9 9 9 5", surfaces(67, 1, 1, []byte{0, 1, 2, 0x80}), raster.RGB, false, []float64{1, 1, 0}},
		{"11 11 10", surfaces(26, 1, 1, []byte{0xc0, 3, 0x1e, 0x78}), raster.RGB, false, []float64{1, 1, 1}},
		{"Direct3D 113", name("q\x00\x00\x00", 0, 0x3c, 0, 0xc0, 0, 0, 1, 0), raster.RGB, true, []float64{1, -2, 0, 1.0 / (1 << 24)}},
		{"masks", masks(0x41, 32, [4]uint32{0xff, 0xff00, 0xff0000, 0xff000000}, 1, 2, 3, 4), raster.RGB, true, []float64{1, 2, 3, 4}},
		{"masks without alpha", masks(0x40, 24, [4]uint32{0xff0000, 0xff00, 0xff, 0xff000000}, 1, 2, 3), raster.RGB, false, []float64{3, 2, 1}},
		{"luminance", masks(0x20001, 16, [4]uint32{0xff, 0, 0, 0xff00}, 5, 6), raster.Gray, true, []float64{5, 6}},
		{"only alpha", masks(2, 8, [4]uint32{0, 0, 0, 0xff}, 5), raster.Gray, false, []float64{5}},
	} {
		p, err := format.Decode(t.Context(), Format{}, format.Bytes(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		var got []float64
		for i := range p.Channels() {
			got = append(got, p.At(0, 0, i))
		}
		if !slices.Equal(got, c.want) || p.Model != c.model || p.Alpha != c.alpha || p.Linear != (p.Depth == raster.F32) {
			t.Errorf("%s: %v, want %v; %v", c.what, got, c.want, p.Model)
		}
		picturetest.Cut(t, Format{}, c.file, 0)
	}
	if p := picturetest.Decode(t, Format{}, name("DXT4", make([]byte, 16)...)); !p.Premultiplied {
		t.Error("the alpha of DXT4 is multiplied in")
	}
}

// cube: six faces of 2×2 with their mip level, each pixel the number of its surface.
func cube() []byte {
	var data []byte
	for face := range 6 {
		data = append(data, bytes.Repeat([]byte{byte(2 * face)}, 4)...)
		data = append(data, byte(2*face+1))
	}
	b := surfaces(61, 2, 2, data)
	binary.LittleEndian.PutUint32(b[28:], 2)
	b[136] = 4
	return b
}

func TestFacesAndMips(t *testing.T) {
	b := cube()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil || len(list) != 12 {
		t.Fatalf("%d elements, %v", len(list), err)
	}
	var ids []string
	for _, e := range list {
		ids = append(ids, e.ID+"<"+e.Parent)
	}
	if got := strings.Join(ids[:4], " "); got != "face:+x< mip:+x:1<face:+x face:-x< mip:-x:1<face:-x" {
		t.Error(got)
	}
	x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), "mip:-z:1")
	if err != nil || len(formattest.All(t, x.Content)) == 0 {
		t.Error(err)
	}
	p, err := format.Show(t.Context(), Format{}, format.Bytes(b), 2)
	if err != nil || p.Image.Width != 1 || p.Image.U8[0] != 1 || p.Note != "the first of 6" || p.Source != format.Embedded {
		t.Errorf("%+v, %v", p, err)
	}
	picturetest.Cut(t, Format{}, b, 0)
	volume := slices.Concat(b[:128], bytes.Repeat([]byte{1}, 4+4+1)) // two slices, then one
	copy(volume[76:], masks(0x20000, 8, [4]uint32{0xff})[76:112])
	volume[24], volume[114] = 2, 0x20
	list, err = format.Elements(t.Context(), Format{}, format.Bytes(volume))
	if err != nil || len(list) != 3 || list[2].Parent != "face:z0" {
		t.Errorf("of a volume: %+v, %v", list, err)
	}
}

// TestRegions: floats are an array of such.
func TestRegions(t *testing.T) {
	b := surfaces(10, 2, 2, make([]byte, 32))
	got, err := Format{}.Regions(format.Bytes(b))
	if want := []format.Region{{Off: 148, Len: 32, Width: 2}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, _ := (Format{}).Regions(format.Bytes(surfaces(98, 4, 4, make([]byte, 16)))); got != nil {
		t.Errorf("of blocks: %v", got)
	}
}

func TestHostile(t *testing.T) {
	for _, c := range []struct {
		at   int
		v    uint32
		want error
	}{
		{12, 0, format.ErrMalformed}, {16, 1 << 20, format.ErrMalformed}, {28, 33, format.ErrMalformed}, {140, 0, format.ErrMalformed},
		{140, 4096, format.ErrMalformed}, {128, 9999, format.ErrUnsupported}, {16, 60000, format.ErrMalformed}, {4, 100, format.ErrMalformed},
	} {
		b := surfaces(28, 1, 1, make([]byte, 4))
		binary.LittleEndian.PutUint32(b[c.at:], c.v)
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, c.want) {
			t.Errorf("%d at %d: %v, want %v", c.v, c.at, err, c.want)
		}
	}
	if _, err := format.Decode(t.Context(), Format{}, format.Bytes(masks(0x40, 32, [4]uint32{5, 0, 0, 0}, 1, 2, 3, 4))); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a mask with a hole: %v", err)
	}
}

func seeds() map[string][]byte {
	out := map[string][]byte{"cube.dds": cube(), "masks.dds": masks(0x41, 32, [4]uint32{0xff, 0xff00, 0xff0000, 0xff000000}, 1, 2, 3, 4)}
	for _, n := range []uint32{71, 74, 77, 80, 83, 95, 96, 98, 2, 67, 26} {
		out[string('a'+rune(n%26))+".dds"] = surfaces(n, 4, 4, random(16, 16, func([]byte) {}))
	}
	return out
}

func TestContract(t *testing.T) { formattest.Run(t, Format{}, seeds()) }

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, seeds()) }

// TestSmallestLevel: the level that is shown is the smallest that is large enough, and only it is read.
func TestSmallestLevel(t *testing.T) {
	b := surfaces(61, 8, 8, make([]byte, 64+16+4+1))
	binary.LittleEndian.PutUint32(b[28:], 4)
	for size, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 8: 4, 9: 4, 10: 8, 16: 8, 500: 8} {
		p, err := format.Show(t.Context(), Format{}, format.Bytes(b), size)
		if err != nil || p.Image.Width != want {
			t.Errorf("for %d: %+v, %v, want %d", size, p, err, want)
		}
	}
}
