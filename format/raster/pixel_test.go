package raster

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// sample opens a sample file, and skips the test where there is none. It is formattest.Sample, which this package's own
// tests cannot import.
func sample(t testing.TB, path string) []byte {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "..", "..")
	for _, samples := range []string{filepath.Join(root, "testdata", "made"), filepath.Join(root, "..", "shared", "samples")} {
		b, err := os.ReadFile(filepath.Join(samples, filepath.FromSlash(path)))
		if err == nil {
			return b
		}
		if !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	t.Skipf("no sample %q: neither testdata/make/make.sh made it, nor is it in ../shared/samples", path)
	return nil
}

func samplePNG(t testing.TB, path string) *Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(sample(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return from(t, m)
}

func from(t testing.TB, m image.Image) *Image {
	t.Helper()
	p, err := FromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// noise returns a picture of random samples.
func noise(w, h int, m Model, alpha bool, d Depth, seed uint64) *Image {
	r := rand.New(rand.NewPCG(seed, 1))
	p, err := New(w, h, m, alpha, d)
	if err != nil {
		panic(err)
	}
	for i := range p.U8 {
		p.U8[i] = uint8(r.Uint32())
	}
	for i := range p.U16 {
		p.U16[i] = uint16(r.Uint32())
	}
	for i := range p.F32 {
		p.F32[i] = r.Float32()
	}
	return p
}

func equal(a, b *Image) bool {
	return a.Width == b.Width && a.Height == b.Height && a.Model == b.Model && a.Alpha == b.Alpha && a.Depth == b.Depth &&
		a.Premultiplied == b.Premultiplied && bytes.Equal(a.U8, b.U8) && slices.Equal(a.U16, b.U16) && slices.Equal(a.F32, b.F32)
}

// TestFromImage: what the standard library holds is taken at its depth, also of a part of a picture.
func TestFromImage(t *testing.T) {
	full := image.Rect(-3, 2, 14, 15)
	part := image.Rect(-1, 4, 9, 12)
	type sub interface {
		image.Image
		Set(x, y int, c color.Color)
		SubImage(r image.Rectangle) image.Image
	}
	palette := color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{200, 100, 50, 128}, color.White}
	for name, c := range map[string]struct {
		m     sub
		model Model
		depth Depth
		alpha bool
	}{
		"gray":     {image.NewGray(full), Gray, U8, false},
		"gray16":   {image.NewGray16(full), Gray, U16, false},
		"nrgba":    {image.NewNRGBA(full), RGB, U8, true},
		"nrgba64":  {image.NewNRGBA64(full), RGB, U16, true},
		"rgba":     {image.NewRGBA(full), RGB, U8, true},
		"rgba64":   {image.NewRGBA64(full), RGB, U16, true},
		"cmyk":     {image.NewCMYK(full), CMYK, U8, false},
		"paletted": {image.NewPaletted(full, palette), RGB, U8, true},
		"alpha16":  {image.NewAlpha16(full), RGB, U16, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for y := full.Min.Y; y < full.Max.Y; y++ {
				for x := full.Min.X; x < full.Max.X; x++ {
					c.m.Set(x, y, color.NRGBA64{uint16(r.Uint32()), uint16(r.Uint32()), uint16(r.Uint32()), uint16(r.Uint32())})
				}
			}
			m := c.m.SubImage(part)
			p := from(t, m)
			if p.Model != c.model || p.Depth != c.depth || p.Alpha != c.alpha {
				t.Fatalf("%d %d %v", p.Model, p.Depth, p.Alpha)
			}
			got := p.ToNRGBA8()
			for y := range part.Dy() {
				for x := range part.Dx() {
					at := m.At(part.Min.X+x, part.Min.Y+y)
					want := color.NRGBAModel.Convert(at).(color.NRGBA)
					g := got.NRGBAAt(x, y)
					_, _, _, a := at.RGBA()
					// Rounding of the standard library is by cutting off, and of little alpha nothing is left.
					slack := 1
					if a < 0x2000 {
						slack = 255
					}
					for _, d := range []int{int(g.R) - int(want.R), int(g.G) - int(want.G), int(g.B) - int(want.B)} {
						if max(d, -d) > slack {
							t.Fatalf("%d,%d: %v, want %v", x, y, g, want)
						}
					}
					if d := int(g.A) - int(want.A); max(d, -d) > 1 {
						t.Fatalf("%d,%d: %v, want %v", x, y, g, want)
					}
				}
			}
		})
	}
	opaque := image.NewRGBA(image.Rect(0, 0, 2, 2))
	for i := range opaque.Pix {
		opaque.Pix[i] = 255
	}
	if p := from(t, opaque); p.Alpha || p.Premultiplied || len(p.U8) != 12 {
		t.Errorf("opaque: %+v", p)
	}
	if _, err := FromImage(image.NewRGBA(image.Rectangle{})); err == nil {
		t.Error("a picture without pixels")
	}
}

// TestEncodePNG: what is written is read by the standard library as it was, at its depth; also when it is large.
func TestEncodePNG(t *testing.T) {
	for _, m := range []Model{Gray, RGB} {
		for _, alpha := range []bool{false, true} {
			for _, d := range []Depth{U8, U16} {
				for _, size := range []int{1, 37, 1100} {
					p := noise(size, size, m, alpha, d, 7)
					if size > 1 { // runs, so that filters matter
						for y := range size {
							for x := range size / 2 {
								for c := range p.colours() {
									p.set(x, y, c, float64((x*c+y)%64)/64)
								}
							}
						}
					}
					var b bytes.Buffer
					if err := EncodePNG(&b, p); err != nil {
						t.Fatal(err)
					}
					got, err := png.Decode(&b)
					if err != nil {
						t.Fatal(err)
					}
					want := p
					if m == Gray && alpha { // the standard library has no such picture
						want = like(p, RGB)
						for y := range size {
							for x := range size {
								for c := range 4 {
									want.set(x, y, c, p.At(x, y, max(0, c-2))/p.Depth.white())
								}
							}
						}
					}
					if !equal(from(t, got), want) {
						t.Errorf("model %d, alpha %v, depth %d, size %d: not as it was", m, alpha, d, size)
					}
				}
			}
		}
	}
}

func like(p *Image, m Model) *Image {
	q := *p
	q.Model = m
	return q.like(p.Width, p.Height)
}

// TestEncodePNGDisplay: what a PNG cannot hold is shown.
func TestEncodePNGDisplay(t *testing.T) {
	encode := func(p *Image) image.Image {
		t.Helper()
		var b bytes.Buffer
		if err := EncodePNG(&b, p); err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	light := &Image{Width: 4, Height: 1, Model: Gray, Depth: F32, Linear: true, F32: []float32{0.5, -1, float32(math.NaN()), 7}}
	for x, want := range []uint16{uint16(toSRGB(0.5)*65535 + 0.5), 0, 0, 65535} {
		if got := encode(light).At(x, 0).(color.Gray16).Y; got != want {
			t.Errorf("light %d: %d, want %d", x, got, want)
		}
	}
	ink := &Image{Width: 1, Height: 1, Model: CMYK, Depth: U8, U8: []uint8{0, 255, 51, 0}, Profile: []byte("of ink")}
	if got := encode(ink).At(0, 0); got != (color.RGBA{255, 0, 204, 255}) {
		t.Errorf("ink: %v", got)
	}
	half := &Image{Width: 1, Height: 1, Model: RGB, Alpha: true, Premultiplied: true, Depth: U16, U16: []uint16{100, 0, 200, 32768}}
	if got := encode(half).At(0, 0); got != (color.NRGBA64{200, 0, 400, 32768}) {
		t.Errorf("premultiplied: %v", got)
	}
	lab := &Image{Width: 2, Height: 1, Model: Lab, Depth: U8, U8: []uint8{255, 128, 128, 136, 209, 195}}
	if got := encode(lab).At(0, 0); got != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("Lab white: %v", got)
	}
	// L* 53.3, a* 81, b* 67 for white of D50 is near sRGB's red.
	if r, g, b, _ := encode(lab).At(1, 0).RGBA(); r>>8 < 250 || g>>8 > 40 || b>>8 > 40 {
		t.Errorf("Lab red: %d %d %d", r>>8, g>>8, b>>8)
	}
}

// TestEncodePNGProfile: the profile is written as it is, if it is of such a picture.
func TestEncodePNGProfile(t *testing.T) {
	written := func(m Model, d Depth, profile []byte) []byte {
		t.Helper()
		p := noise(4, 4, m, false, d, 1)
		p.Profile = profile
		var b bytes.Buffer
		if err := EncodePNG(&b, p); err != nil {
			t.Fatal(err)
		}
		_, rest, ok := bytes.Cut(b.Bytes(), []byte("iCCPICC Profile\x00\x00"))
		if !ok {
			return nil
		}
		z, err := zlib.NewReader(bytes.NewReader(rest))
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	rgb, gray := madeProfile("RGB", "P3", spaceOf("Display P3"), formula(), 4), madeProfile("GRAY", "g", srgb50(), gammaCurve(2.2), 2)
	for _, c := range []struct {
		m             Model
		d             Depth
		profile, want []byte
	}{
		{RGB, U8, rgb, rgb}, {RGB, U16, rgb, rgb}, {Gray, U8, gray, gray}, {RGB, U8, gray, nil}, {RGB, U8, []byte("none"), nil}, {CMYK, U8, rgb, nil}, {RGB, F32, rgb, nil},
	} {
		if got := written(c.m, c.d, c.profile); !bytes.Equal(got, c.want) {
			t.Errorf("%s %s: a profile of %d bytes, want %d", c.m, c.d, len(got), len(c.want))
		}
	}
}

// TestOrient: each orientation turns as EXIF says. The samples show the same letter upright when turned.
func TestOrient(t *testing.T) {
	p := noise(5, 3, RGB, false, U16, 3)
	// Where EXIF says that row 0 and column 0 of the file are: 6 is "right, top".
	for o, at := range map[int]func(x, y int) (int, int){
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return 4 - x, y },
		3: func(x, y int) (int, int) { return 4 - x, 2 - y },
		4: func(x, y int) (int, int) { return x, 2 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return 2 - y, x },
		7: func(x, y int) (int, int) { return 2 - y, 4 - x },
		8: func(x, y int) (int, int) { return y, 4 - x },
	} {
		q := p.Orient(o)
		for y := range 3 {
			for x := range 5 {
				qx, qy := at(x, y)
				if q.At(qx, qy, 1) != p.At(x, y, 1) {
					t.Fatalf("%d: pixel %d,%d", o, x, y)
				}
			}
		}
		back := o
		if o == 6 || o == 8 {
			back = 14 - o
		}
		if !equal(q.Orient(back), p) {
			t.Errorf("%d is not undone by %d", o, back)
		}
	}
	var upright *image.NRGBA
	for o := 1; o <= 8; o++ {
		m, err := jpeg.Decode(bytes.NewReader(sample(t, fmt.Sprintf("raster/perkeep/f%d-exif.jpg", o))))
		if err != nil {
			t.Fatal(err)
		}
		got := from(t, m).Orient(o).ToNRGBA8()
		if o == 1 {
			upright = got
			continue
		}
		sum := 0
		if got.Rect != upright.Rect {
			t.Fatalf("f%d: %v, want %v", o, got.Rect, upright.Rect)
		}
		for i, v := range got.Pix {
			d := int(v) - int(upright.Pix[i])
			sum += max(d, -d)
		}
		if mean := float64(sum) / float64(len(got.Pix)); mean > 6 {
			t.Errorf("f%d is not upright: it differs by %.1f", o, mean)
		}
	}
}

// TestScale: each pixel is the mean of the light that it covers, computed in another way.
func TestScale(t *testing.T) {
	for _, c := range []struct {
		m          Model
		alpha, pre bool
		d          Depth
		linear     bool
		w, h, side int
	}{
		{RGB, false, false, U8, false, 97, 60, 31}, {RGB, true, false, U8, false, 97, 60, 31}, {RGB, true, true, U8, false, 97, 60, 31},
		{Gray, true, false, U16, false, 64, 64, 16}, {RGB, false, false, U16, false, 50, 97, 13}, {RGB, true, true, F32, true, 41, 30, 12},
		{RGB, true, false, F32, false, 40, 30, 40}, {CMYK, false, false, U8, false, 40, 30, 7}, {Lab, true, false, U8, false, 500, 2, 20},
	} {
		p := noise(c.w, c.h, c.m, c.alpha, c.d, 9)
		p.Linear, p.Profile = c.linear, []byte("kept")
		if c.pre {
			n := p.Channels()
			for y := range p.Height {
				for x := range p.Width {
					for k := range n - 1 {
						p.set(x, y, k, p.At(x, y, k)*p.At(x, y, n-1)/p.Depth.white()/p.Depth.white())
					}
				}
			}
			p.Premultiplied = true
		}
		q := p.Scale(c.side)
		if max(q.Width, q.Height) != c.side || q.Depth != p.Depth || q.Model != p.Model || string(q.Profile) != "kept" {
			t.Fatalf("%+v: %d×%d", c, q.Width, q.Height)
		}
		if q == p {
			continue
		}
		worst := 0.0
		for y := range q.Height {
			for x := range q.Width {
				want := mean(p, float64(x)*float64(p.Width)/float64(q.Width), float64(y)*float64(p.Height)/float64(q.Height), float64(p.Width)/float64(q.Width), float64(p.Height)/float64(q.Height))
				for k, v := range want {
					worst = max(worst, math.Abs(q.At(x, y, k)/p.Depth.white()-v))
				}
			}
		}
		if limit := map[Depth]float64{U8: 0.6 / 255, U16: 0.0001, F32: 0.0001}[c.d]; worst > limit {
			t.Errorf("%+v: off by %g", c, worst)
		}
	}
}

// mean is the mean of the samples of a rectangle, weighted by alpha and in light.
func mean(p *Image, x0, y0, w, h float64) []float64 {
	n, colours := p.Channels(), p.colours()
	sum := make([]float64, n)
	encoded := (p.Model == RGB || p.Model == Gray) && !p.Linear
	for y := int(y0); y < p.Height && float64(y) < y0+h-1e-9; y++ {
		for x := int(x0); x < p.Width && float64(x) < x0+w-1e-9; x++ {
			part := (min(float64(x+1), x0+w) - max(float64(x), x0)) * (min(float64(y+1), y0+h) - max(float64(y), y0)) / w / h
			a := 1.0
			if p.Alpha {
				a = p.At(x, y, n-1) / p.Depth.white()
				sum[n-1] += part * a
			}
			for k := range colours {
				v := p.At(x, y, k) / p.Depth.white()
				if p.Premultiplied && a > 0 {
					if v /= a; p.Depth != F32 {
						v = min(math.Round(v*p.Depth.white())/p.Depth.white(), 1)
					}
				}
				if encoded {
					v = fromSRGB(v)
				}
				sum[k] += part * a * v
			}
		}
	}
	for k := range colours {
		a := 1.0
		if p.Alpha {
			a = sum[n-1]
		}
		if a > 0 {
			sum[k] /= a
		}
		if encoded {
			sum[k] = toSRGB(sum[k])
		}
		if p.Premultiplied {
			sum[k] *= a
		}
	}
	return sum
}

// TestScaleLight: black and white in turn are half the light, not half the number; what is not seen has no say.
func TestScaleLight(t *testing.T) {
	p := &Image{Width: 2, Height: 2, Model: Gray, Depth: U8, U8: []uint8{0, 255, 255, 0}}
	if got := p.Scale(1).U8[0]; got != 188 {
		t.Errorf("%d, want 188", got)
	}
	q := &Image{Width: 2, Height: 1, Model: RGB, Alpha: true, Depth: U8, U8: []uint8{10, 20, 30, 255, 255, 255, 255, 0}}
	if got := q.Scale(1).U8; !bytes.Equal(got, []uint8{10, 20, 30, 128}) {
		t.Errorf("%v", got)
	}
	nan := float32(math.NaN())
	r := &Image{Width: 2, Height: 1, Model: Gray, Depth: F32, Linear: true, F32: []float32{1, nan}}
	if got := r.Scale(1).F32[0]; got != 0.5 {
		t.Errorf("%v", got)
	}
}

func TestCrop(t *testing.T) {
	p := noise(9, 7, RGB, true, U8, 1)
	q, err := p.Crop(image.Rect(2, 3, 20, 20))
	if err != nil || q.Width != 7 || q.Height != 4 || q.At(0, 0, 2) != p.At(2, 3, 2) || q.At(6, 3, 3) != p.At(8, 6, 3) {
		t.Errorf("%v", err)
	}
	if _, err := p.Crop(image.Rect(9, 0, 12, 5)); err == nil {
		t.Error("nothing was left, and was cropped")
	}
}

// TestCard: a card has letters on it, whatever it is asked for.
func TestCard(t *testing.T) {
	for _, size := range []int{1, 64, 256, 5000} {
		p := Card(size, "USDC", "binary scene: is not drawn here", "Größe 3,2 MB", "averyverylongwordthatdoesnotfitonanylineatall")
		lit := 0
		for _, v := range p.U8 {
			if v > 200 {
				lit++
			}
		}
		if lit < 20 {
			t.Errorf("size %d: %d", size, lit)
		}
	}
	if got := wrap("one two threefour five", 7); !slices.Equal(got, []string{"one two", "threefo", "ur five"}) {
		t.Errorf("%q", got)
	}
}

func BenchmarkScale4K(b *testing.B) {
	for _, alpha := range []bool{false, true} {
		p := noise(3840, 2160, RGB, alpha, U8, 1)
		if alpha {
			for i := 3; i < len(p.U8); i += 4 {
				p.U8[i] = 255
			}
		}
		b.Run(fmt.Sprintf("alpha=%v", alpha), func(b *testing.B) {
			for b.Loop() {
				p.Scale(256)
			}
		})
	}
}

func BenchmarkEncodePNG4K(b *testing.B) {
	m := samplePNG(b, "raster/kenney-edits/splash-screen.v1.png")
	for b.Loop() {
		if err := EncodePNG(&bytes.Buffer{}, m); err != nil {
			b.Fatal(err)
		}
	}
}
