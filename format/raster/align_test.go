package raster

import (
	"context"
	"errors"
	"image"
	"math"
	"slices"
	"strings"
	"testing"
)

// drawing returns a picture with shapes on an even ground: what moves is found by the shapes.
func drawing(w, h int, seed sequence) *Image {
	p, err := New(w, h, RGB, false, U8)
	if err != nil {
		panic(err)
	}
	p.fill(0, 0, w, h, [3]uint8{240, 240, 235})
	for range 60 {
		x, y := seed.below(w), seed.below(h)
		p.fill(x, y, x+3+seed.below(w/8), y+3+seed.below(h/8), [3]uint8{uint8(seed.below(256)), uint8(seed.below(256)), uint8(seed.below(256))})
	}
	return p
}

func crop(p *Image, x0, y0, x1, y1 int) *Image {
	q, err := p.Crop(image.Rect(x0, y0, x1, y1))
	if err != nil {
		panic(err)
	}
	return q
}

// extended returns the picture in the middle of a larger one.
func extended(p *Image, left, top, right, bottom int) *Image {
	q := p.like(p.Width+left+right, p.Height+top+bottom)
	for y := range p.Height {
		copy(q.RowU8(top + y)[3*left:], p.RowU8(y))
	}
	return q
}

// softer returns the picture blurred and with less contrast, so that no sample is as it was.
func softer(p *Image) *Image {
	q := p.like(p.Width, p.Height)
	for y := range p.Height {
		for x := range p.Width {
			for c := range 3 {
				sum, n := 0.0, 0.0
				for dy := -1; dy <= 1; dy++ {
					for dx := -1; dx <= 1; dx++ {
						if xx, yy := x+dx, y+dy; xx >= 0 && yy >= 0 && xx < p.Width && yy < p.Height {
							sum, n = sum+p.At(xx, yy, c), n+1
						}
					}
				}
				q.set(x, y, c, (sum/n*0.9+9)/255)
			}
		}
	}
	return q
}

// TestAlign: what was cropped, extended, scrolled, turned or scaled is found, told, and compared as it lies.
func TestAlign(t *testing.T) {
	p := drawing(400, 300, 11)
	big := drawing(900, 700, 12)
	scrolled := extended(crop(p, 0, 40, 400, 300), 0, 0, 0, 40)
	edited := crop(p, 30, 20, 390, 290)
	edited.fill(100, 100, 120, 110, [3]uint8{255, 0, 255})
	object, moved := drawing(40, 40, 4), drawing(40, 40, 4)
	for _, c := range []struct {
		name    string
		a, b    *Image
		want    Alignment
		changed int // -1: some
	}{
		{"same", p, p, Alignment{Kind: AlignedSame, Orientation: 1, Scale: 1}, 0},
		{"crop", p, crop(p, 30, 20, 390, 290), Alignment{Kind: AlignedOffset, Orientation: 1, DX: -30, DY: -20, Scale: 1}, 0},
		{"crop and edit", p, edited, Alignment{Kind: AlignedOffset, Orientation: 1, DX: -30, DY: -20, Scale: 1}, 200},
		{"canvas extended", p, extended(p, 7, 13, 50, 0), Alignment{Kind: AlignedOffset, Orientation: 1, DX: 7, DY: 13, Scale: 1}, 0},
		{"larger one way, smaller the other", p, crop(extended(p, 50, 0, 0, 0), 0, 30, 450, 300), Alignment{Kind: AlignedOffset, Orientation: 1, DX: 50, DY: -30, Scale: 1}, 0},
		{"scrolled", p, scrolled, Alignment{Kind: AlignedOffset, Orientation: 1, DY: -40, Scale: 1}, 0},
		{"an object moved, not the picture", extended(object, 20, 20, 340, 240), extended(moved, 200, 150, 160, 110), Alignment{Kind: AlignedSame, Orientation: 1, Scale: 1}, -1},
		{"turned right", p, p.Orient(6), Alignment{Kind: AlignedTurned, Orientation: 6, Scale: 1}, 0},
		{"turned left", p, p.Orient(8), Alignment{Kind: AlignedTurned, Orientation: 8, Scale: 1}, 0},
		{"mirrored", p, p.Orient(2), Alignment{Kind: AlignedTurned, Orientation: 2, Scale: 1}, 0},
		{"upside down", p, p.Orient(3), Alignment{Kind: AlignedTurned, Orientation: 3, Scale: 1}, 0},
		{"half as large", p, p.Scale(200), Alignment{Kind: AlignedScaled, Orientation: 1, Scale: 0.5}, 0},
		{"by 2/3", big, big.Scale(600), Alignment{Kind: AlignedScaled, Orientation: 1, Scale: 2.0 / 3}, 0},
		{"larger again", p.Scale(100), p, Alignment{Kind: AlignedScaled, Orientation: 1, Scale: 4}, 0},
		{"cropped and encoded otherwise", big, softer(crop(big, 101, 57, 801, 657)), Alignment{Kind: AlignedOffset, Orientation: 1, DX: -101, DY: -57, Scale: 1}, -1},
		{"encoded otherwise", p, softer(p), Alignment{Kind: AlignedSame, Orientation: 1, Scale: 1}, -1},
		{"another picture", drawing(300, 200, 5), drawing(180, 170, 6), Alignment{Kind: AlignedNone, Orientation: 1, Scale: 1}, -1},
		{"another picture of that shape", drawing(300, 200, 5), drawing(150, 100, 6), Alignment{Kind: AlignedScaled, Orientation: 1, Scale: 0.5}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compare(t, c.a, c.b, Options{})
			got := r.Alignment
			confidence := got.Confidence
			got.Confidence, got.How = 0, ""
			if got != c.want || c.changed >= 0 && r.Changed != c.changed || c.changed < 0 && r.Changed == 0 {
				t.Errorf("%+v and %d changed, want %+v and %d", r.Alignment, r.Changed, c.want, c.changed)
			}
			if strings.HasPrefix(c.name, "another") != (confidence < 0.8) && c.changed >= 0 {
				t.Errorf("confidence %g", confidence)
			}
			if w, h := c.a.Width*c.a.Height, c.b.Width*c.b.Height; got.Kind != AlignedScaled && (r.OutsideOld != w-r.Pixels || r.OutsideNew != h-r.Pixels) {
				t.Errorf("%d and %d outside of %d", r.OutsideOld, r.OutsideNew, r.Pixels)
			}
			if c.a.Width*c.a.Height != c.b.Width*c.b.Height && (r.Verdict == Identical || r.Verdict == AppearanceEqual) {
				t.Errorf("another size, and %s", r.Verdict)
			}
		})
	}
}

// TestAlignAsked: a user may lay the pictures by hand.
func TestAlignAsked(t *testing.T) {
	p := drawing(200, 100, 1)
	q := extended(p, 30, 5, 0, 0)
	if r := compare(t, p, q, Options{Align: AlignOffset, Offset: image.Pt(30, 5)}); r.Changed != 0 || r.Overlap != image.Rect(30, 5, 230, 105) {
		t.Errorf("%+v %v", r.Alignment, r.Overlap)
	}
	if r := compare(t, p, q, Options{Align: AlignTopLeft}); r.Changed == 0 || r.Alignment.DX != 0 {
		t.Errorf("%+v", r.Alignment)
	}
	if _, err := Compare(t.Context(), p, q, Options{Align: AlignOffset, Offset: image.Pt(230, 0)}); !errors.Is(err, ErrSize) {
		t.Errorf("%v", err)
	}
}

// TestScaledRegions: regions are told in pixels of the new picture, which was made smaller to be compared.
func TestScaledRegions(t *testing.T) {
	p := drawing(400, 300, 21)
	edited := crop(p, 0, 0, 400, 300)
	edited.fill(200, 100, 240, 120, [3]uint8{0, 255, 0})
	r := compare(t, p.Scale(200), edited, Options{})
	if len(r.Regions) != 1 || r.Regions[0].Box != image.Rect(200, 100, 240, 120) || r.Alignment.Scale != 2 {
		t.Errorf("%v %+v", r.Regions, r.Alignment)
	}
}

// TestCompareStops: a comparison ends with its context.
func TestCompareStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, w := range []int{100, 90} {
		if _, err := Compare(ctx, drawing(100, 100, 1), drawing(w, 100, 1), Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("width %d: %v", w, err)
		}
	}
}

// TestVotesBounded: a pattern, whose pieces are everywhere, does not fill memory with votes.
func TestVotesBounded(t *testing.T) {
	p := canvas(700, 500)
	for i := range p.U8 {
		p.U8[i] = uint8(i/3%7*30 + i/2100%5)
	}
	s := &aligner{ctx: t.Context(), a: p, b: crop(p, 0, 0, 690, 480)}
	v, err := s.election(nil)
	if err != nil || v == nil || len(v.votes) > 4*16*len(v.pieces) {
		t.Errorf("%d votes for %d pieces, %v", len(v.votes), len(v.pieces), err)
	}
}

// TestFourier: the transform is the sum that it stands for.
func TestFourier(t *testing.T) {
	turn := sequence(9)
	for _, n := range []int{1, 2, 8, 64} {
		f, want := make([]complex128, n), make([]complex128, n)
		for i := range f {
			f[i] = complex(float64(turn.below(100)), float64(turn.below(100)))
		}
		for k := range want {
			for i, v := range f {
				s, c := math.Sincos(-2 * math.Pi * float64(i*k%n) / float64(n))
				want[k] += v * complex(c, s)
			}
		}
		fourier(f, unitRoots(256))
		for k := range want {
			if d := f[k] - want[k]; math.Abs(real(d))+math.Abs(imag(d)) > 1e-8*float64(n)*100 {
				t.Errorf("%d of %d: %v, want %v", k, n, f[k], want[k])
			}
		}
	}
}

// TestRegionOptions: small regions and those beyond the number asked for are counted, and not listed.
func TestRegionOptions(t *testing.T) {
	a, b := drawing(200, 100, 1), drawing(200, 100, 1)
	for i, size := range []int{1, 2, 3, 9} {
		b.fill(20+40*i, 50, 20+40*i+size, 50+size, [3]uint8{1, 254, uint8(i)})
	}
	for _, c := range []struct {
		o    Options
		want []int
	}{
		{Options{}, []int{81, 9, 4, 1}}, {Options{MinArea: 4}, []int{81, 9, 4}}, {Options{Regions: 2}, []int{81, 9}}, {Options{Gap: 60}, []int{95}},
	} {
		r := compare(t, a, b, c.o)
		var got []int
		for _, r := range r.Regions {
			got = append(got, r.Pixels)
		}
		if !slices.Equal(got, c.want) || c.o.Gap == 0 && r.RegionCount != 4 {
			t.Errorf("%+v: %v of %d, want %v", c.o, got, r.RegionCount, c.want)
		}
	}
}
