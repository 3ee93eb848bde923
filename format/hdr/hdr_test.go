package hdr

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
	"varve/format/pnm"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

// TestSample: the sample is the PFM beside it, as far as eight bits of the largest channel hold it.
func TestSample(t *testing.T) {
	b := formattest.Sample(t, "raster/generated-imagemagick/base.hdr")
	p := picturetest.Decode(t, Format{}, b)
	picturetest.Same(t, ci(), p, b, ".hdr", "", 0, "-set", "colorspace", "sRGB")
}

func TestSampleAsPFM(t *testing.T) {
	p := picturetest.Decode(t, Format{}, formattest.Sample(t, "raster/generated-imagemagick/base.hdr"))
	q := picturetest.Decode(t, pnm.Format{}, formattest.Sample(t, "raster/generated-imagemagick/base.pfm"))
	if !p.Linear || len(p.F32) != len(q.F32) {
		t.Fatalf("%d samples, want %d", len(p.F32), len(q.F32))
	}
	for i := range p.F32 {
		most := slices.Max(q.F32[i/3*3 : i/3*3+3])
		if d := math.Abs(float64(p.F32[i] - q.F32[i])); d > float64(most)/127 {
			t.Fatalf("sample %d: %g, want %g", i, p.F32[i], q.F32[i])
		}
	}
}

// written is a picture of pixels as they are, with a line of size.
func written(size string, pixels ...byte) []byte {
	return append([]byte("#?RADIANCE\n# made\nEXPOSURE=2\nFORMAT=32-bit_rle_rgbe\n\n"+size+"\n"), pixels...)
}

func row(n int, c ...byte) []byte { return slices.Concat([]byte{2, 2, 0, byte(n)}, c) }

// TestRows: pixels as they are, with old and with new run lengths, are worked out by hand.
func TestRows(t *testing.T) {
	one := []byte{128, 64, 0, 129} // 1, 0.5, 0
	for _, c := range []struct {
		name string
		b    []byte
		want []float32
	}{
		{"plain", written("-Y 1 +X 2", 128, 64, 0, 129, 1, 2, 4, 136), []float32{1, 0.5, 0, 1, 2, 4}},
		{"black", written("-Y 1 +X 1", 9, 9, 9, 0), []float32{0, 0, 0}},
		{"dark", written("-Y 1 +X 1", 255, 0, 0, 1), []float32{float32(math.Ldexp(255, -135)), 0, 0}},
		{"old run", written("-Y 1 +X 3", append(one, 1, 1, 1, 2)...), []float32{1, 0.5, 0, 1, 0.5, 0, 1, 0.5, 0}},
		{"new runs", written("-Y 1 +X 8", row(8, 128+8, 128, 2, 64, 0, 128+6, 0, 128+8, 0, 8, 129, 129, 129, 129, 129, 129, 129, 129)...),
			slices.Concat([]float32{1, 0.5, 0}, slices.Repeat([]float32{1, 0, 0}, 7))},
		{"from the bottom", written("+Y 2 +X 1", 1, 0, 0, 136, 2, 0, 0, 136), []float32{2, 0, 0, 1, 0, 0}},
		{"from the right", written("-Y 1 -X 2", 1, 0, 0, 136, 2, 0, 0, 136), []float32{2, 0, 0, 1, 0, 0}},
	} {
		p, err := format.Decode(t.Context(), Format{}, format.Bytes(c.b))
		if err != nil || !slices.Equal(p.F32, c.want) {
			t.Errorf("%s: %v, want %v", c.name, p, c.want)
		}
		picturetest.Cut(t, Format{}, c.b, 0)
	}
	long := slices.Concat(one, []byte{1, 1, 1, 0x10, 1, 1, 1, 1}) // 16 + 256 times
	p, err := format.Decode(t.Context(), Format{}, format.Bytes(written("-Y 1 +X 273", long...)))
	if err != nil || p.F32[3*272] != 1 {
		t.Errorf("runs that count on: %v", err)
	}
}

// TestTurned: where columns are written one after another, the picture is turned.
func TestTurned(t *testing.T) {
	p, err := format.Decode(t.Context(), Format{}, format.Bytes(written("+X 2 -Y 3", bytes.Repeat([]byte{1, 0, 0, 136}, 6)...)))
	if err != nil || p.Width != 2 || p.Height != 3 {
		t.Errorf("%v, %v", p, err)
	}
}

func TestHostile(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want error
	}{
		{written("-Y 99999999 +X 99999999", 1), format.ErrMalformed},
		{written("-Y -1 +X 3", 1), format.ErrMalformed},
		{written("-Y 16000 +X 16000", row(8)...), format.ErrLimit},
		{written("-Y 1 +X 8", row(8, 128+9, 1)...), format.ErrMalformed},
		{written("-Y 1 +X 1", 1, 1, 1, 1), format.ErrMalformed},
		{[]byte("#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 1 +X 1\n1234"), format.ErrUnsupported},
	} {
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(c.b)); err == nil || !errors.Is(err, c.want) && c.want != format.ErrMalformed {
			t.Errorf("%.60q: %v, want %v", c.b, err, c.want)
		}
	}
}

func seeds() map[string][]byte {
	out := map[string][]byte{}
	for i, size := range []string{"-Y 3 +X 8", "+X 8 -Y 3"} {
		b := row(8, 128+8, 128, 2, 64, 0, 128+6, 0, 128+8, 0, 8, 129, 129, 129, 129, 129, 129, 129, 129)
		out[fmt.Sprintf("%d.hdr", i)] = written(size, bytes.Repeat(b, 3)...)
	}
	delete(out, "1.hdr")
	out["old.hdr"] = written("-Y 1 +X 3", 128, 64, 0, 129, 1, 1, 1, 2)
	return out
}

func TestContract(t *testing.T) { formattest.Run(t, Format{}, seeds()) }

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, seeds()) }
