package webp

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "raster", ".webp"))
}

// TestSamplesAsImageMagick: every sample has the pixels that ImageMagick decodes.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".webp") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".webp", "[0]", 0)
		})
	}
}

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, picturetest.Seeds(f, "testdata")) }

func TestFixtures(t *testing.T) {
	files := picturetest.Fixtures(t, ci(), Format{}, "testdata")
	formattest.Run(t, Format{}, files)
	for name, b := range files {
		t.Run("cut/"+name, func(t *testing.T) { picturetest.Cut(t, Format{}, b, 0) })
	}
}

// TestHostile: sizes are bounded, and what a file says of itself must be so.
func TestHostile(t *testing.T) {
	files := picturetest.Seeds(t, "testdata")
	for name, c := range map[string]struct {
		of     string
		change func(b []byte)
		want   error
	}{
		"length":   {"lossless.webp", func(b []byte) { b[4]++; b[5]++ }, format.ErrMalformed},
		"large":    {"lossless.webp", func(b []byte) { b[21], b[22], b[23], b[24] = 0xff, 0xff, 0xff, 0x0f }, format.ErrLimit},
		"lossy":    {"lossy.webp", func(b []byte) { b[26], b[27], b[28], b[29] = 0xff, 0x3f, 0xff, 0x3f }, format.ErrLimit},
		"no width": {"lossy.webp", func(b []byte) { b[26], b[27] = 0, 0 }, format.ErrMalformed},
		"canvas":   {"anim.webp", func(b []byte) { b[24], b[25] = 0, 0 }, format.ErrMalformed},
		"chunk":    {"lossless.webp", func(b []byte) { b[16] = 0xff }, format.ErrMalformed},
	} {
		b := bytes.Clone(files[c.of])
		c.change(b)
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
