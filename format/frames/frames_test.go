package frames

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
	"varve/format/raster"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

func image(t testing.TB, m raster.Model, alpha bool, d raster.Depth, width int, samples ...float32) *raster.Image {
	t.Helper()
	p, err := raster.New(width, 1, m, alpha, d)
	if err != nil {
		t.Fatal(err)
	}
	height := len(samples) / p.Channels() / width
	if p, err = raster.New(width, height, m, alpha, d); err != nil {
		t.Fatal(err)
	}
	for i, v := range samples {
		switch d {
		case raster.U8:
			p.U8[i] = uint8(v)
		case raster.U16:
			p.U16[i] = uint16(v)
		default:
			p.F32[i] = v
		}
	}
	return p
}

// TestHash: what shows the same has the same hash, and nothing else has.
func TestHash(t *testing.T) {
	rgb := image(t, raster.RGB, false, raster.U8, 1, 7, 7, 7, 9, 9, 9)
	for name, p := range map[string]*raster.Image{
		"grey":            image(t, raster.Gray, false, raster.U8, 1, 7, 9),
		"opaque":          image(t, raster.RGB, true, raster.U8, 1, 7, 7, 7, 255, 9, 9, 9, 255),
		"grey and opaque": image(t, raster.Gray, true, raster.U8, 1, 7, 255, 9, 255),
	} {
		if Hash(p) != Hash(rgb) {
			t.Errorf("%s has another hash", name)
		}
	}
	seen := map[string]string{}
	marked := image(t, raster.RGB, true, raster.U8, 1, 7, 7, 7, 255, 9, 9, 9, 254)
	premultiplied := image(t, raster.RGB, true, raster.U8, 1, 7, 7, 7, 255, 9, 9, 9, 254)
	premultiplied.Premultiplied = true
	for name, p := range map[string]*raster.Image{
		"it": rgb, "pixel": image(t, raster.RGB, false, raster.U8, 1, 7, 7, 7, 9, 9, 8), "shape": image(t, raster.RGB, false, raster.U8, 2, 7, 7, 7, 9, 9, 9),
		"deep": image(t, raster.RGB, false, raster.U16, 1, 7, 7, 7, 9, 9, 9), "float": image(t, raster.RGB, false, raster.F32, 1, 7, 7, 7, 9, 9, 9),
		"alpha": marked, "premultiplied": premultiplied, "Lab": image(t, raster.Lab, false, raster.U8, 1, 7, 7, 7, 9, 9, 9),
	} {
		h := Hash(p)
		if other := seen[h]; other != "" {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
	long := image(t, raster.Gray, true, raster.U16, 50_000, slices.Repeat([]float32{1, 2}, 50_000)...)
	other := image(t, raster.Gray, true, raster.U16, 50_000, slices.Repeat([]float32{1, 2}, 50_000)...)
	other.U16[99_998] = 3
	if Hash(long) == Hash(other) {
		t.Error("the last sample of a long row is not in the hash")
	}
}

// TestProfileHash: a profile that was written anew with another date is the same.
func TestProfileHash(t *testing.T) {
	a := bytes.Repeat([]byte{1}, 200)
	b := slices.Clone(a)
	b[30], b[90] = 2, 2
	c := slices.Clone(a)
	c[40] = 2
	if ProfileHash(a) != ProfileHash(b) || ProfileHash(a) == ProfileHash(c) || ProfileHash(a[:9]) == ProfileHash(a[:8]) || a[30] != 1 {
		t.Error("hash of a profile")
	}
}

func TestOpaque(t *testing.T) {
	p := Opaque(image(t, raster.RGB, true, raster.U8, 1, 1, 2, 3, 255, 4, 5, 6, 255))
	if p.Alpha || !slices.Equal(p.U8, []uint8{1, 2, 3, 4, 5, 6}) {
		t.Errorf("%+v", p)
	}
	if p := Opaque(image(t, raster.RGB, true, raster.U8, 1, 1, 2, 3, 254)); !p.Alpha {
		t.Errorf("%+v", p)
	}
}

// TestOver: a frame that is half transparent over one that is, in 8 and 16 bits.
func TestOver(t *testing.T) {
	for _, d := range []raster.Depth{raster.U8, raster.U16} {
		white := map[raster.Depth]float32{raster.U8: 255, raster.U16: 65535}[d]
		c, err := NewCanvas(1, 1, d)
		if err != nil {
			t.Fatal(err)
		}
		half := float32(int(white) / 2)
		c.Show(Frame{Image: image(t, raster.RGB, true, d, 1, white, 0, 0, half)})
		p := c.Show(Frame{Image: image(t, raster.RGB, true, d, 1, 0, white, 0, half), Over: true})
		a := float64(half / white)
		all := a + a*(1-a)
		for i, want := range []float64{a * (1 - a) / all, a / all, 0, all} {
			if got := p.At(0, 0, i) / float64(white); got < want-0.003 || got > want+0.003 {
				t.Errorf("channel %d: %g, want %g", i, got, want)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	if Bound(4000, 4000, 100) != nil || !errors.Is(Bound(16000, 16000, 100), format.ErrLimit) || Bound(16000, 16000, 1<<20) != nil {
		t.Error("bound")
	}
	if BoundAll(1920, 1080, 2000) != nil || !errors.Is(BoundAll(1920, 1080, 3000), format.ErrLimit) || BoundAll(1, 1, 0) != nil {
		t.Error("bound of all")
	}
}

func TestNumber(t *testing.T) {
	for id, want := range map[string]int{"frame:1": 1, "frame:9": 9, "frame:10": 0, "frame:0": 0, "frame:01": 0, "frame:-1": 0, "frame:": 0, "image": 0, "x:1": 0} {
		if got := Number(id, 9); got != want {
			t.Errorf("%s: %d", id, got)
		}
	}
	if Number("image", 1) != 1 || Number("frame:1", 1) != 0 {
		t.Error("of one")
	}
	if got := Delay(1500 * time.Microsecond); got != "1.5 ms" {
		t.Error(got)
	}
}

// TestExtractFloats: an OpenEXR of floats has them, as another application reads it.
func TestExtractFloats(t *testing.T) {
	for name, p := range map[string]*raster.Image{
		"RGB":   image(t, raster.RGB, false, raster.F32, 3, 0, 0.25, 0.5, 1, 0, 0, 0, 1, 0, 0.125, 0.5, 0.75, 0, 0, 0, 1, 1, 1),
		"alpha": image(t, raster.RGB, true, raster.F32, 1, 0.5, 0.25, 0, 0.5, 1, 1, 0.5, 1),
		"grey":  image(t, raster.Gray, false, raster.F32, 2, 0.5, 0.25, 0, 1),
	} {
		p.Linear = true
		x, err := Extract(p)
		if err != nil || x.Extension != ".exr" {
			t.Fatalf("%s: %v", name, err)
		}
		b := formattest.All(t, x.Content)
		if !bytes.HasPrefix(b, []byte("\x76\x2f\x31\x01")) {
			t.Errorf("%s: %x", name, b[:4])
		}
		for i := range p.F32 { // ImageMagick gives alpha multiplied in, as the file has it
			if n := p.Channels(); p.Alpha && i%n != n-1 {
				p.F32[i] *= p.F32[i/n*n+n-1]
			}
		}
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), p, b, ".exr", "", 8, "-set", "colorspace", "sRGB")
		})
	}
	if _, err := Extract(image(t, raster.CMYK, false, raster.U8, 1, 1, 2, 3, 4)); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("of inks: %v", err)
	}
	if fmt.Sprint(Colour(image(t, raster.CMYK, false, raster.U8, 1, 1, 2, 3, 4))) != "CMYK, 8 bits" {
		t.Error("colour")
	}
}
