package picturetest_test

import (
	"testing"

	"varve/format"
	"varve/format/bmp"
	"varve/format/formattest"
	"varve/format/frames"
	"varve/format/picturetest"
	"varve/format/png"
	"varve/format/raster"
	"varve/format/tga"
	"varve/format/tiff"
	"varve/format/webp"
)

// TestSiblings: one picture in nine files, as the samples' TRUTH.json has it, is one picture, whatever it was written as.
// The two TGA say that their rows go from the bottom, and have them from the top, for the application that wrote them
// errs: they are it upside down, as other applications show them, too.
func TestSiblings(t *testing.T) {
	dir := "raster/generated-imagemagick/"
	decode := func(f format.Format, name string) *raster.Image {
		p := picturetest.Decode(t, f, formattest.Sample(t, dir+name))
		if p.Width != 240 || p.Height != 160 {
			t.Errorf("%s is %d×%d", name, p.Width, p.Height)
		}
		return p
	}
	want := frames.Hash(decode(png.Format{}, "base.png"))
	for name, f := range map[string]format.Format{"interlaced.png": png.Format{}, "base.tif": tiff.Format{}, "lzw.tif": tiff.Format{}, "tiled.tif": tiff.Format{},
		"base.bmp": bmp.Format{}, "lossless.webp": webp.Format{}} {
		if got := frames.Hash(decode(f, name)); got != want {
			t.Errorf("%s is another picture", name)
		}
	}
	for _, name := range []string{"base.tga", "rle.tga"} {
		if got := frames.Hash(decode(tga.Format{}, name).Orient(4)); got != want {
			t.Errorf("%s is another picture", name)
		}
	}
	if frames.Hash(decode(png.Format{}, "edit-three-pixels.png")) == want || frames.Hash(decode(png.Format{}, "base16.png")) == want {
		t.Error("other pictures have the same hash")
	}
}

// TestEdits: as many pixels differ as the samples' TRUTH.json says, where it says.
func TestEdits(t *testing.T) {
	base := picturetest.Decode(t, png.Format{}, formattest.Sample(t, "raster/generated-imagemagick/base.png"))
	for name, want := range map[string]int{"rectangle": 1000, "hue-region": 600, "copied-patch": 3600, "three-pixels": 3} {
		p := picturetest.Decode(t, png.Format{}, formattest.Sample(t, "raster/generated-imagemagick/edit-"+name+".png"))
		n := 0
		for i := range p.Width * p.Height {
			if picturetest.Pixel(p, i) != picturetest.Pixel(base, i) {
				n++
			}
		}
		if n != want {
			t.Errorf("%s: %d pixels differ, want %d", name, n, want)
		}
	}
}
