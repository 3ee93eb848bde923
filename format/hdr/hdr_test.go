package hdr

import (
	"os"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "raster", ".hdr"))
}

// TestSamplesAsImageMagick: every sample has the pixels that ImageMagick decodes.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".hdr") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".hdr", "[0]", 0)
		})
	}
}

func FuzzSurvive(f *testing.F) {
	formattest.Fuzz(f, Format{}, formattest.Files(f, "raster", ".hdr"))
}

var _ format.Format = Format{}
