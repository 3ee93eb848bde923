package raster

import (
	"encoding/json"
	"fmt"
	"image"
	"math"
	"slices"
	"testing"
)

func compare(t testing.TB, a, b *Image, o Options) *Comparison {
	t.Helper()
	c, err := Compare(t.Context(), a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCompareTruth: real edits with counts, boxes and PSNR as another program measured them.
func TestCompareTruth(t *testing.T) {
	var truth struct {
		Edits map[string]struct {
			Changed int `json:"changed_pixels"`
			Box     []int
			PSNR    float64
			Crop    *struct{ X, Y, W, H int }
		} `json:"edits of base.png (changed pixels = ImageMagick AE)"`
	}
	const dir = "raster/generated-imagemagick/"
	if err := json.Unmarshal(sample(t, dir+"TRUTH.json"), &truth); err != nil {
		t.Fatal(err)
	}
	base := samplePNG(t, dir+"base.png")
	for name, want := range truth.Edits {
		c := compare(t, base, samplePNG(t, dir+name), Options{Gap: -1, Gaussian: true})
		if want.Crop != nil {
			if c.Alignment.Kind != AlignedOffset || c.Alignment.DX != -want.Crop.X || c.Alignment.DY != -want.Crop.Y || c.Changed != 0 || c.Verdict != SizeChanged ||
				c.OutsideOld != base.Width*base.Height-want.Crop.W*want.Crop.H || c.OutsideNew != 0 {
				t.Errorf("%s: %+v, %d changed, %d outside", name, c.Alignment, c.Changed, c.OutsideOld)
			}
			continue
		}
		if c.Changed != want.Changed || math.Abs(c.PSNR-want.PSNR) > 0.0001 || c.Alignment.Kind != AlignedSame || c.Verdict != Changed {
			t.Errorf("%s: %d changed, PSNR %.4f, %+v; want %+v", name, c.Changed, c.PSNR, c.Alignment, want)
		}
		if len(want.Box) == 4 {
			var all image.Rectangle
			n := 0
			for _, r := range c.Regions {
				all = all.Union(r.Box)
				n += r.Pixels
			}
			if all != image.Rect(want.Box[0], want.Box[1], want.Box[2], want.Box[3]) || n != want.Changed {
				t.Errorf("%s: regions %v of %d", name, c.Regions, n)
			}
		}
		if !(c.SSIM < 1 && c.SSIM > 0.5) || !(c.SSIMGaussian < 1) || c.Flip.Mean <= 0 || c.Delta.Max <= 0 || c.Flip.Sampled || c.Delta.Sampled {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if len(truth.Edits) < 5 {
		t.Errorf("%d edits", len(truth.Edits))
	}
}

func BenchmarkCompare4K(b *testing.B) {
	old := photo(3840, 2160)
	for _, share := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprintf("changed=%d%%", share), func(b *testing.B) {
			edited := old.like(old.Width, old.Height)
			copy(edited.U8, old.U8)
			// A block in the middle, graded.
			side := math.Sqrt(float64(share) / 100)
			w, h := int(3840*side), int(2160*side)
			for y := (2160 - h) / 2; y < (2160+h)/2; y++ {
				row := edited.RowU8(y)[(3840-w)/2*4 : (3840+w)/2*4]
				for i := range row {
					if i%4 != 3 {
						row[i] = 10 + row[i]/2
					}
				}
			}
			b.ResetTimer()
			for b.Loop() {
				compare(b, old, edited, Options{})
			}
		})
	}
}

// photo returns a picture that is smooth with grain, opaque, RGB with alpha.
func photo(w, h int) *Image {
	p := noise(w, h, RGB, true, U8, 5)
	for y := range h {
		row := p.RowU8(y)
		for x := range w {
			for c := range 3 {
				v := 128 + 90*math.Sin(float64(x)/97+float64(c))*math.Cos(float64(y)/71-float64(c)) + float64(row[4*x+c]%16)
				row[4*x+c] = uint8(v)
			}
			row[4*x+3] = 255
		}
	}
	return p
}

// TestCompareKinds: each kind of change is a fact of its own.
func TestCompareKinds(t *testing.T) {
	base := noise(40, 30, RGB, true, U8, 1)
	for i := 3; i < len(base.U8); i += 4 {
		base.U8[i] = 200
	}
	for x := range 40 {
		base.set(x, 0, 3, 0) // hidden
	}
	edit := func(f func(p *Image)) *Image {
		q := base.like(40, 30)
		copy(q.U8, base.U8)
		f(q)
		return q
	}
	for _, c := range []struct {
		name                               string
		b                                  *Image
		verdict                            Verdict
		changed, colour, alphaOnly, hidden int
	}{
		{"nothing", edit(func(*Image) {}), Identical, 0, 0, 0, 0},
		{"colour", edit(func(p *Image) { p.U8[4*45] ^= 128 }), Changed, 1, 1, 0, 0},
		{"alpha", edit(func(p *Image) { p.U8[4*45+3] = 9; p.U8[4*46+3] = 0 }), AlphaChanged, 2, 0, 2, 0},
		{"both", edit(func(p *Image) { p.U8[4*45+3] = 9; p.U8[4*45] ^= 128; p.U8[4*50+3] = 9 }), Changed, 2, 1, 1, 0},
		{"hidden", edit(func(p *Image) { p.U8[4*7] ^= 128 }), HiddenChanged, 0, 0, 0, 1},
		{"shown", edit(func(p *Image) { p.U8[4*7+3] = 255 }), AlphaChanged, 1, 0, 1, 0},
		{"by one", edit(func(p *Image) { p.U8[4*47+1] ^= 1 }), AppearanceEqual, 1, 1, 0, 0},
	} {
		r := compare(t, base, c.b, Options{})
		if r.Verdict != c.verdict || r.Changed != c.changed || r.Colour != c.colour || r.AlphaOnly != c.alphaOnly || r.Hidden != c.hidden {
			t.Errorf("%s: %s, %d = %d + %d, %d", c.name, r.Verdict, r.Changed, r.Colour, r.AlphaOnly, r.Hidden)
		}
		if (r.Changed == 0) != (r.Delta.Pixels == 0 && r.SSIM == 1 && r.Flip.Mean == 0 && math.IsInf(r.PSNR, 1) && len(r.Regions) == 0) && c.name != "alpha" && c.name != "shown" {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

// TestCompareDepths: the numbers of one edit are the same at every depth, and pictures of two depths are lifted to the
// deeper one and said to be.
func TestCompareDepths(t *testing.T) {
	a, b := drawing(100, 80, 3), drawing(100, 80, 3)
	b.fill(20, 20, 40, 30, [3]uint8{9, 99, 200})
	want := compare(t, a, b, Options{Gaussian: true})
	for _, d := range []Depth{U16, F32} {
		got := compare(t, a.deepened(d), b.deepened(d), Options{Gaussian: true})
		near := func(name string, g, w, slack float64) {
			if math.Abs(g-w) > slack {
				t.Errorf("%s: %s %g, want %g", d, name, g, w)
			}
		}
		if got.Changed != want.Changed || got.RegionCount != want.RegionCount || got.Visible != want.Visible || got.Depth != d {
			t.Errorf("%s: %+v", d, got)
		}
		near("PSNR", got.PSNR, want.PSNR, 1e-4)
		near("SSIM", got.SSIM, want.SSIM, 1e-5)
		near("SSIM with bells", got.SSIMGaussian, want.SSIMGaussian, 1e-5)
		near("FLIP", got.Flip.Mean, want.Flip.Mean, 1e-6)
		near("ΔE", got.Delta.Mean, want.Delta.Mean, 1e-3)
		near("mean", got.Channels[0].Mean/d.white(), want.Channels[0].Mean/255, 1e-6)
		for _, mixed := range []*Comparison{compare(t, a.deepened(d), b, Options{}), compare(t, a, b.deepened(d), Options{})} {
			if mixed.Changed != want.Changed || mixed.Depth != d || len(mixed.Notes) != 1 {
				t.Errorf("8 bits and %s: %d changed, %q", d, mixed.Changed, mixed.Notes)
			}
		}
	}
	linear := a.linearised()
	if r := compare(t, a, linear, Options{}); r.Changed != 0 || len(r.Notes) != 2 && len(r.Notes) != 1 {
		t.Errorf("linear light of the same: %d changed, %q", r.Changed, r.Notes)
	}
	gray := noise(30, 30, Gray, true, U16, 2)
	if r := compare(t, gray, gray.toRGB(), Options{}); r.Changed != 0 || r.Verdict != Identical || len(r.Notes) != 1 {
		t.Errorf("gray as RGB: %s, %q", r.Verdict, r.Notes)
	}
	if r := compare(t, a, a.opaque(), Options{}); r.Verdict != Identical || len(r.Notes) != 1 {
		t.Errorf("opaque: %s, %q", r.Verdict, r.Notes)
	}
}

// TestCompareInk: ink is compared ink by ink.
func TestCompareInk(t *testing.T) {
	a := noise(30, 30, CMYK, false, U8, 2)
	b := a.like(30, 30)
	copy(b.U8, a.U8)
	b.U8[3] ^= 64
	r := compare(t, a, b, Options{})
	if r.Changed != 1 || r.Channels[3] != (Channel{"K", 1, 64, 64.0 / 900}) || r.Channels[0].Changed != 0 || r.Model != CMYK {
		t.Errorf("%+v", r.Channels)
	}
}

// TestCompareNaN: what is no number is equal to itself, is told, and does not spoil the means.
func TestCompareNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	a := noise(80, 20, RGB, true, F32, 2)
	a.Linear, a.Premultiplied = true, true
	a.F32[0], a.F32[4], a.F32[8] = nan, inf, nan
	b := a.like(80, 20)
	copy(b.F32, a.F32)
	if r := compare(t, a, b, Options{}); r.Verdict != Identical {
		t.Errorf("the same: %s", r.Verdict)
	}
	b.F32[8], b.F32[12], b.F32[16], b.F32[20] = 0.5, inf, nan, a.F32[20]+0.25
	r := compare(t, a, b, Options{Gaussian: true})
	if r.Changed != 4 || r.NonFinite != 3 || r.Verdict != Changed || len(r.Notes) == 0 || math.Abs(r.Channels[0].Max-0.25) > 1e-6 {
		t.Errorf("%d changed, %d not finite, %s, %+v", r.Changed, r.NonFinite, r.Verdict, r.Channels)
	}
	for _, v := range []float64{r.SSIM, r.SSIMGaussian, r.PSNR, r.Flip.Mean, r.Delta.Mean, r.Delta.Max, r.Channels[0].Mean} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("%+v", r)
		}
	}
	// Light that covers nothing is seen: it is not hidden.
	glow := a.like(80, 20)
	copy(glow.F32, a.F32)
	a.F32[43], glow.F32[43], glow.F32[40] = 0, 0, 3
	if r := compare(t, a, glow, Options{}); r.Changed != 1 || r.Hidden != 0 {
		t.Errorf("glow: %d changed, %d hidden", r.Changed, r.Hidden)
	}
}

// TestSSIM: windows in which nothing differs are passed over, and the mean is that of all windows all the same.
func TestSSIM(t *testing.T) {
	for _, size := range []image.Point{{200, 101}, {8, 8}, {9, 300}, {7, 5}, {11, 12}, {620, 40}} {
		a := photo(size.X, size.Y)
		b := a.like(size.X, size.Y)
		copy(b.U8, a.U8)
		turn := sequence(5)
		for range 3 {
			b.fill4(turn.below(size.X), turn.below(size.Y), 6, 6)
		}
		b.fill4(255, 9, 1, 1) // where a word of blocks ends
		b.fill4(512, 9, 1, 1) // where one begins
		p := pairOf(a, b)
		e, err := p.exact(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		v := p.view()
		got, err := v.ssim8(t.Context(), e.differ, 1)
		if want := plainSSIM(a, b, 8, 4, nil); err != nil || math.Abs(got-want) > 1e-5 {
			t.Errorf("%v: %g, want %g, %v", size, got, want, err)
		}
		if size.X < 11 || size.Y < 11 {
			continue
		}
		bell := make([]float64, 121)
		for i := range bell {
			x, y := float64(i%11-5), float64(i/11-5)
			bell[i] = math.Exp(-(x*x + y*y) / (2 * 1.5 * 1.5))
		}
		got, err = v.ssimGaussian(t.Context(), e.differ, 1)
		if want := plainSSIM(a, b, 11, 1, bell); err != nil || math.Abs(got-want) > 1e-5 {
			t.Errorf("%v with bells: %g, want %g, %v", size, got, want, err)
		}
	}
}

func (p *Image) fill4(x, y, w, h int) {
	for yy := y; yy < min(y+h, p.Height); yy++ {
		for xx := x; xx < min(x+w, p.Width); xx++ {
			p.U8[(yy*p.Width+xx)*4] ^= 200
		}
	}
}

// plainSSIM is the mean over all windows, straight from the definition.
func plainSSIM(a, b *Image, size, step int, weights []float64) float64 {
	luma := func(p *Image, x, y int) float64 {
		return 0.299*p.At(x, y, 0) + 0.587*p.At(x, y, 1) + 0.114*p.At(x, y, 2)
	}
	w, h := min(size, a.Width), min(size, a.Height)
	if a.Width < size || a.Height < size {
		w, h = a.Width, a.Height
	}
	sum, n := 0.0, 0.0
	for y := 0; y+h <= a.Height; y += step {
		for x := 0; x+w <= a.Width; x += step {
			var k, ma, mb, aa, bb, ab float64
			for i := range w * h {
				weight := 1.0
				if weights != nil {
					weight = weights[i]
				}
				va, vb := luma(a, x+i%w, y+i/w), luma(b, x+i%w, y+i/w)
				k, ma, mb, aa, bb, ab = k+weight, ma+weight*va, mb+weight*vb, aa+weight*va*va, bb+weight*vb*vb, ab+weight*va*vb
			}
			ma, mb, aa, bb, ab = ma/k, mb/k, aa/k, bb/k, ab/k
			sum += ssim(ma, mb, aa-ma*ma, bb-mb*mb, ab-ma*mb)
			n++
		}
	}
	return sum / n
}

// TestSampled: where ΔE and FLIP are of a sample, they are said to be, and near to what all pixels give.
func TestSampled(t *testing.T) {
	a := photo(1100, 700)
	b := a.like(1100, 700)
	copy(b.U8, a.U8)
	for i := range b.U8 {
		if i%4 != 3 && i/4%1100 > 300 {
			b.U8[i] = uint8(int(b.U8[i]) * (1 + i/4/1100%3) / 3)
		}
	}
	part, whole := compare(t, a, b, Options{}), compare(t, a, b, Options{Whole: true})
	if !part.Delta.Sampled || !part.Flip.Sampled || whole.Delta.Sampled || whole.Flip.Sampled || part.Delta.Pixels != deltaSample || whole.Delta.Pixels != whole.Changed {
		t.Errorf("%+v %+v", part.Delta, whole.Delta)
	}
	for name, v := range map[string][2]float64{
		"ΔE mean": {part.Delta.Mean, whole.Delta.Mean}, "ΔE p95": {part.Delta.P95, whole.Delta.P95}, "FLIP": {part.Flip.Mean, whole.Flip.Mean},
	} {
		if math.Abs(v[0]-v[1]) > 0.02*v[1] {
			t.Errorf("%s: %g of a sample, %g of all", name, v[0], v[1])
		}
	}
	again := compare(t, a, b, Options{Workers: 4})
	if again.Delta != part.Delta || again.Changed != part.Changed || again.Visible != part.Visible || math.Abs(again.Flip.Mean-part.Flip.Mean) > 1e-9 || math.Abs(again.SSIM-part.SSIM) > 1e-9 || math.Abs(again.PSNR-part.PSNR) > 1e-9 {
		t.Errorf("four workers: %+v, one: %+v", again, part)
	}
}

// TestVisibleBands: pixels at the borders of the parts that are worked on are judged by all their neighbours.
func TestVisibleBands(t *testing.T) {
	a, b := samplePNG(t, "raster/pixelmatch/4a.png"), samplePNG(t, "raster/pixelmatch/4b.png")
	a, b, _ = lift(a, b)
	p := pairOf(a, b)
	all := newMask(p.w, p.h)
	all.fillAll()
	want := 0
	whole := p.view().displayed(all, 0, p.h)
	whole.most = 35215 * 0.05 * 0.05
	far, smooth := whole.count(all)
	want = far - smooth
	got, err := p.view().visible(t.Context(), all, 0.05, 3)
	if err != nil || got.Pixels != want || want != 36049 {
		t.Errorf("%d in parts, %d at once, %v", got.Pixels, want, err)
	}
}

// TestExact: the counts and sums are those of going over the pixels one by one.
func TestExact(t *testing.T) {
	for _, d := range []Depth{U8, U16, F32} {
		for _, m := range []Model{Gray, RGB, CMYK} {
			for _, alpha := range []bool{false, true} {
				a := noise(150, 7, m, alpha, d, 3)
				b := noise(150, 7, m, alpha, d, 3)
				n, c := a.Channels(), a.colours()
				turn := sequence(8)
				for range 400 {
					x, y := turn.below(150), turn.below(7)
					switch k := turn.below(n + 1); {
					case k == n && alpha: // transparent in both
						a.set(x, y, c, 0)
						b.set(x, y, c, 0)
					case k == n:
						a.set(x, y, 0, 0)
					default:
						b.set(x, y, k, float64(turn.below(200))/255)
					}
				}
				want := &exact{differ: newMask(150, 7), channels: make([]channelSum, n)}
				for y := range 7 {
					for x := range 150 {
						colour, any := false, false
						for k := range n {
							differs := a.At(x, y, k) != b.At(x, y, k)
							colour, any = colour || differs && k < c, any || differs
						}
						switch {
						case !any:
							continue
						case alpha && a.At(x, y, c) == 0 && b.At(x, y, c) == 0:
							want.hidden++
							continue
						case colour:
							want.colour++
						default:
							want.alphaOnly++
						}
						want.differ.set(x, y)
						for k := range n {
							if v := math.Abs(a.At(x, y, k) - b.At(x, y, k)); v != 0 {
								want.channels[k].add(&channelSum{1, v, v, v * v})
							}
						}
					}
				}
				got, err := pairOf(a, b).exact(t.Context(), 1)
				if err != nil || got.colour != want.colour || got.alphaOnly != want.alphaOnly || got.hidden != want.hidden || !slices.Equal(got.differ.bits, want.differ.bits) || alpha && (want.hidden == 0 || want.alphaOnly == 0) {
					t.Fatalf("%s %s %v: %+v, want %+v", m, d, alpha, got, want)
				}
				for k, s := range want.channels {
					if g := got.channels[k]; g.changed != s.changed || g.max != s.max || math.Abs(g.sum-s.sum) > 1e-9*s.sum || math.Abs(g.squares-s.squares) > 1e-9*s.squares {
						t.Fatalf("%s %s %v, channel %d: %+v, want %+v", m, d, alpha, k, g, s)
					}
				}
			}
		}
	}
}
