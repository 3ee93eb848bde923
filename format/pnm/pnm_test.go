package pnm

import (
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
	formattest.Run(t, Format{}, formattest.Files(t, "raster", ".pfm"))
}

// TestSamplesAsImageMagick: every sample has the pixels that ImageMagick decodes.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".pfm") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".pfm", "[0]", 0)
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

// TestByHand: comments, white of any value, bits without spaces, floats in either order.
func TestByHand(t *testing.T) {
	for file, want := range map[string][]float64{
		"P2 # a picture\n2 1\n# white\n4\n0 2": {0, 128},
		"P1\n3 1\n0 11":                        {255, 0, 0},
		"P5 2 1 255\n\x00\xff":                 {0, 255},
		"P5 1 1 1023\n\x03\xff":                {65535},
		"P5 1 1 100\n\xff":                     {255},
		"P4 2 1\n\x40":                         {255, 0},
		"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nENDHDR\n\x01\x02": {1, 2},
		"Pf\n1 2\n-1.0\n\x00\x00\x80\x3f\x00\x00\x00\x40":              {2, 1},
		"Pf\n1 1\n1\n\x3f\x80\x00\x00":                                 {1},
	} {
		p, err := format.Decode(t.Context(), Format{}, format.Bytes([]byte(file)))
		if err != nil {
			t.Errorf("%q: %v", file, err)
			continue
		}
		var got []float64
		for i := range p.Width * p.Height {
			for c := range p.Channels() {
				got = append(got, p.At(i%p.Width, i/p.Width, c))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", file, got, want)
		}
	}
	for file, want := range map[string]error{
		"P5 99999999 1 255\n": format.ErrMalformed, "P5 16000 16000 255\n": format.ErrMalformed, "P2 1 1 255\nx": format.ErrMalformed, "P8 1 1 255\n": format.ErrMalformed,
		"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 9\nMAXVAL 255\nENDHDR\n123456789": format.ErrUnsupported, "PF 1 1 0\n": format.ErrMalformed, "P5 1 1": format.ErrMalformed,
	} {
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes([]byte(file))); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", file, err, want)
		}
	}
}

// TestRegions: floats in the order of most machines are an array of such.
func TestRegions(t *testing.T) {
	b := []byte("Pf\n1 2\n-1.0\n\x00\x00\x80\x3f\x00\x00\x00\x40")
	got, err := Format{}.Regions(format.Bytes(b))
	if want := []format.Region{{Off: int64(len(b) - 8), Len: 8, Width: 4}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}
