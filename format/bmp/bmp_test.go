package bmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "raster", ".bmp"))
}

// TestSamplesAsImageMagick: every sample has the pixels that ImageMagick decodes.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".bmp") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".bmp", "[0]", 0)
		})
	}
}

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, picturetest.Seeds(f, "testdata")) }

func TestFixtures(t *testing.T) {
	files := picturetest.Fixtures(t, ci(), Format{}, "testdata")
	formattest.Run(t, Format{}, files)
	for name, b := range files {
		t.Run("cut/"+name, func(t *testing.T) { picturetest.Cut(t, Format{}, b, 4) })
	}
}

// made is a BMP of pixels of 16 or 32 bits under masks.
func made(width, height, bits int, masks [4]uint32, pixels ...uint32) []byte {
	put := binary.LittleEndian
	b := append([]byte("BM"), make([]byte, 8)...)
	b = put.AppendUint32(b, 14+108)
	b = put.AppendUint32(b, 108)
	b = put.AppendUint32(b, uint32(width))
	b = put.AppendUint32(b, uint32(height))
	b = put.AppendUint16(b, 1)
	b = put.AppendUint16(b, uint16(bits))
	b = put.AppendUint32(b, 3)
	b = append(b, make([]byte, 20)...)
	for _, m := range masks {
		b = put.AppendUint32(b, m)
	}
	b = append(b, make([]byte, 14+108-len(b))...)
	for i, p := range pixels {
		if bits == 16 {
			b = put.AppendUint16(b, uint16(p))
			if width%2 == 1 && i%width == width-1 {
				b = append(b, 0, 0)
			}
		} else {
			b = put.AppendUint32(b, p)
		}
	}
	return b
}

// TestFields: numbers of any width under masks in any order become the nearest of 8 bits.
func TestFields(t *testing.T) {
	for _, c := range []struct {
		name  string
		bits  int
		masks [4]uint32
		pixel uint32
		want  []uint8
	}{
		{"565", 16, [4]uint32{0xf800, 0x7e0, 0x1f}, 3<<11 | 63<<5 | 30, []uint8{25, 255, 247}},
		{"4444", 16, [4]uint32{0xf00, 0xf0, 0xf, 0xf000}, 0x8f03, []uint8{255, 0, 51, 136}},
		{"1555", 16, [4]uint32{0x7c00, 0x3e0, 0x1f, 0x8000}, 0xfc00, []uint8{255, 0, 0, 255}},
		{"8888", 32, [4]uint32{0xff, 0xff00, 0xff0000, 0xff000000}, 0x80030201, []uint8{1, 2, 3, 128}},
		{"ten bits", 32, [4]uint32{0x3ff, 0xffc00, 0x3ff00000}, 1023 | 512<<10, []uint8{255, 128, 0}},
	} {
		p := picturetest.Decode(t, Format{}, made(1, 1, c.bits, c.masks, c.pixel))
		if !slices.Equal(p.U8, c.want) {
			t.Errorf("%s: %v, want %v", c.name, p.U8, c.want)
		}
	}
}

// TestFromTheTop: a height below 0 says that the first row is the top one.
func TestFromTheTop(t *testing.T) {
	const height = -2
	b := made(1, height, 32, [4]uint32{0xff, 0xff00, 0xff0000}, 1, 2)
	if p := picturetest.Decode(t, Format{}, b); p.Height != 2 || p.U8[0] != 1 || p.U8[3] != 2 {
		t.Errorf("%d rows: %v", p.Height, p.U8)
	}
}

// TestHostileHeaders: what a header says is bounded before it is believed.
func TestHostileHeaders(t *testing.T) {
	good := made(2, 2, 32, [4]uint32{0xff, 0xff00, 0xff0000}, 1, 2, 3, 4)
	for _, c := range []struct {
		name string
		at   int
		v    uint32
		want error
	}{
		{"width", 18, 1 << 30, format.ErrLimit},
		{"negative width", 18, 0xffffffff, format.ErrMalformed},
		{"least height", 22, 1 << 31, format.ErrLimit},
		{"rows", 10, 0xfffffff0, format.ErrMalformed},
		{"header", 14, 0xffffffff, format.ErrMalformed},
		{"compression", 30, 4, format.ErrUnsupported},
		{"mask", 54, 0x5, format.ErrMalformed},
	} {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[c.at:], c.v)
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// packed is a BMP with run lengths, of two colours in its palette but for black: 1 is red, 2 is green.
func packed(width, height, bits int, code ...byte) []byte {
	put := binary.LittleEndian
	b := append([]byte("BM"), make([]byte, 8)...)
	b = put.AppendUint32(b, 14+40+12)
	for _, v := range []uint32{40, uint32(width), uint32(height), uint32(bits)<<16 | 1, map[int]uint32{8: 1, 4: 2}[bits], 0, 0, 0, 3, 0} {
		b = put.AppendUint32(b, v)
	}
	b = append(b, 0, 0, 0, 0, 0, 0, 255, 0, 0, 255, 0, 0)
	return append(b, code...)
}

// TestRunLengths: runs, colours as they are, ends of rows, steps and the end, worked out by hand.
func TestRunLengths(t *testing.T) {
	for _, c := range []struct {
		name string
		file []byte
		want string // rows from the top: k, r, g
	}{
		{"runs", packed(3, 2, 8, 3, 1, 0, 0, 2, 2, 1, 1, 0, 1), "ggr rrr"},
		{"as they are", packed(3, 1, 8, 0, 3, 1, 2, 1, 0, 0, 1), "rgr"},
		{"step", packed(3, 3, 8, 1, 1, 0, 2, 1, 2, 1, 2, 0, 1), "kkg kkk rkk"},
		{"early end", packed(2, 2, 8, 1, 1, 0, 1), "kk rk"},
		{"beyond the row", packed(2, 1, 8, 9, 1, 0, 1), "rr"},
		{"four bits", packed(5, 1, 4, 5, 0x12, 0, 1), "rgrgr"},
		{"four bits as they are", packed(5, 1, 4, 0, 5, 0x12, 0x01, 0x10, 0, 0, 1), "rgkrr"},
	} {
		p, err := format.Decode(t.Context(), Format{}, format.Bytes(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := ""
		for i := range p.Width * p.Height {
			if i > 0 && i%p.Width == 0 {
				got += " "
			}
			got += map[[3]uint8]string{{}: "k", {255}: "r", {0, 255}: "g"}[[3]uint8(p.U8[3*i:])]
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
