package raster_test

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"varve/format/formattest"
	"varve/format/raster"
)

func decode(t *testing.T, b []byte) *raster.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	p, err := raster.FromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestImageMagick: counts and PSNR of real pairs are those of ImageMagick's compare.
func TestImageMagick(t *testing.T) {
	app := formattest.App(t, os.Getenv("VARVE_CI") != "", "compare")
	measure := func(metric, a, b string) float64 {
		t.Helper()
		out, err := exec.Command(app, "-metric", metric, a, b, "null:").CombinedOutput()
		v, bad := strconv.ParseFloat(strings.Fields(string(out))[0], 64)
		if bad != nil {
			t.Fatalf("%s, %v", out, err)
		}
		return v
	}
	for _, c := range [][2]string{
		{"pixelmatch/1a", "pixelmatch/1b"}, {"pixelmatch/3a", "pixelmatch/3b"}, {"pixelmatch/6a", "pixelmatch/6b"},
		{"kenney-edits/splash-screen.v1", "kenney-edits/splash-screen.v2"}, {"kenney-edits/icon.v1", "kenney-edits/icon.v2"},
		{"kenney-edits/screenshot.v1", "kenney-edits/screenshot.v2"}, {"generated-imagemagick/base", "generated-imagemagick/edit-hue-region"},
		{"generated-imagemagick/base", "generated-imagemagick/edit-copied-patch"}, {"generated-imagemagick/base", "generated-imagemagick/edit-rectangle"},
		{"generated-imagemagick/base", "generated-imagemagick/edit-three-pixels"},
	} {
		t.Run(c[1], func(t *testing.T) {
			a, b := formattest.Samples(t, "raster/"+c[0]+".png"), formattest.Samples(t, "raster/"+c[1]+".png")
			var read [2]*raster.Image
			for i, name := range []string{a, b} {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				read[i] = decode(t, text)
			}
			got, err := raster.Compare(t.Context(), read[0], read[1], raster.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if want := measure("AE", a, b); float64(got.Changed+got.Hidden) != want && float64(got.Changed) != want {
				t.Errorf("%d changed and %d hidden, want %g", got.Changed, got.Hidden, want)
			}
			if want := measure("PSNR", a, b); got.Channels[len(got.Channels)-1].Name != "alpha" && math.Abs(got.PSNR-want) > 0.0001 {
				t.Errorf("PSNR %.4f, want %.4f", got.PSNR, want)
			}
		})
	}
}

// TestImageMagickProfile: what is shown of a picture with a profile is what ImageMagick makes of it by Little CMS, with
// real profiles; and the profile that is written with a picture is read by others.
func TestImageMagickProfile(t *testing.T) {
	app := formattest.App(t, os.Getenv("VARVE_CI") != "", "convert")
	const icc = "/usr/share/color/icc/ghostscript/"
	dir := t.TempDir()
	gradient, err := raster.New(64, 64, raster.RGB, false, raster.U16)
	if err != nil {
		t.Fatal(err)
	}
	for i := range gradient.U16 { // not too far from gray, to stay within sRGB
		x, y := i/3%64, i/3/64
		gradient.U16[i] = uint16(16000 + 400*x + []int{100, 160, 60}[i%3]*y)
	}
	for _, name := range []string{"a98.icc", "rommrgb.icc", "esrgb.icc", "srgb.icc", "ps_rgb.icc"} {
		profile, err := os.ReadFile(icc + name)
		if err != nil {
			t.Skip(err)
		}
		gradient.Profile = profile
		var b bytes.Buffer
		if err := raster.EncodePNG(&b, gradient); err != nil {
			t.Fatal(err)
		}
		in, out := filepath.Join(dir, name+".png"), filepath.Join(dir, name+".out.png")
		if err := os.WriteFile(in, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command(app, in, "-intent", "relative", "-black-point-compensation", "-profile", icc+"srgb.icc", "-depth", "16", "png48:"+out).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		want, got := decode(t, text), gradient.ToNRGBA8()
		if want.Depth != raster.U16 {
			t.Fatal("not of 16 bits")
		}
		worst := 0.0
		for i, v := range want.U16 {
			worst = max(worst, math.Abs(float64(got.Pix[i/3*4+i%3])-float64(v)/257))
		}
		if worst > 0.7 { // half a step is rounding
			t.Errorf("%s: off by %.2f of 255", name, worst)
		}
	}
}
