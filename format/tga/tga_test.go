package tga

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"varve/format/formattest"
	"varve/format/picturetest"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "raster", ".tga"))
}

// TestSamplesAsImageMagick: every sample has the pixels that ImageMagick decodes.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".tga") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".tga", "[0]", 0, "-flip")
		})
	}
}

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, picturetest.Seeds(f, "testdata")) }

func TestFixtures(t *testing.T) {
	files := picturetest.Fixtures(t, ci(), Format{}, "testdata", "-flip")
	formattest.Run(t, Format{}, files)
	for name, b := range files {
		t.Run("cut/"+name, func(t *testing.T) { picturetest.Cut(t, Format{}, b, 0) })
	}
}

// made is a TGA of 2×2 pixels of 32 bits, numbered from 1 in the order of the file, whose end says what alpha is.
func made(flags, alpha byte) []byte {
	b := []byte{0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 32, flags}
	for i := range byte(4) {
		b = append(b, 0, 0, i+1, 128)
	}
	at := uint32(len(b))
	extension := make([]byte, 495)
	extension[494] = alpha
	b = append(b, extension...)
	b = binary.LittleEndian.AppendUint32(b, at)
	return append(b, "\x00\x00\x00\x00TRUEVISION-XFILE.\x00"...)
}

// TestCorners: rows and columns begin where the header says.
func TestCorners(t *testing.T) {
	for flags, want := range map[byte][]uint8{0x08: {3, 4, 1, 2}, 0x28: {1, 2, 3, 4}, 0x18: {4, 3, 2, 1}, 0x38: {2, 1, 4, 3}} {
		p := picturetest.Decode(t, Format{}, made(flags, 3))
		if got := []uint8{p.U8[0], p.U8[4], p.U8[8], p.U8[12]}; !slices.Equal(got, want) {
			t.Errorf("%02x: %v, want %v", flags, got, want)
		}
	}
}

// TestAlpha: alpha is there if header and extension say so, multiplied in if the extension does.
func TestAlpha(t *testing.T) {
	for _, c := range []struct {
		flags, kind          byte
		alpha, premultiplied bool
	}{{8, 3, true, false}, {8, 4, true, true}, {8, 1, false, false}, {8, 2, false, false}, {0, 3, false, false}, {0, 4, false, false}} {
		p := picturetest.Decode(t, Format{}, made(c.flags, c.kind))
		if p.Alpha != c.alpha || p.Premultiplied != c.premultiplied {
			t.Errorf("%+v: alpha %t, premultiplied %t", c, p.Alpha, p.Premultiplied)
		}
	}
}

// TestSixteenBits: 5 bits become the nearest of 8, and one bit is alpha.
func TestSixteenBits(t *testing.T) {
	b := []byte{0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 16, 1, 0x03, 0xfc, 0x1f, 0x00}
	p := picturetest.Decode(t, Format{}, b)
	if want := []uint8{255, 0, 25, 255, 0, 0, 255, 0}; !slices.Equal(p.U8, want) {
		t.Errorf("%v, want %v", p.U8, want)
	}
}

// TestMatch: there is no signature: a file is a TGA by its name and by a header that makes sense.
func TestMatch(t *testing.T) {
	b := made(8, 3)
	png := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x01")
	if !(Format{}).Match("a/b.TGA", b) || (Format{}).Match("a.bin", b) || (Format{}).Match("a.tga", png) || !(Format{}).Match("a.tga", nil) {
		t.Error("match")
	}
}
