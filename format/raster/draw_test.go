package raster

import (
	"fmt"
	"image"
	"testing"
)

// TestDraw: what changed is where it is to be seen.
func TestDraw(t *testing.T) {
	a := drawing(120, 90, 2)
	b := extended(crop(a, 0, 0, 120, 90), 10, 0, 0, 0)
	b.fill(60, 40, 70, 50, [3]uint8{1, 2, 250})
	c := compare(t, a, b, Options{})
	if c.Changed == 0 || len(c.Regions) != 1 || !c.Regions[0].Box.In(image.Rect(60, 40, 70, 50)) {
		t.Fatalf("%d changed, %v", c.Changed, c.Regions)
	}
	at := func(p *Image, x, y int) string {
		return fmt.Sprint(p.U8[3*(y*p.Width+x) : 3*(y*p.Width+x)+3])
	}
	for kind, want := range map[Drawing]image.Point{Side: {120 + 8 + 130, 90}, Onion: {130, 90}, Overlay: {130, 90}, Heat: {130, 90}, Mask: {130, 90}, Sheet: {344, 187}} {
		p, err := c.Draw(t.Context(), kind, 0)
		if err != nil || p.Width != want.X || p.Height != want.Y {
			t.Fatalf("%s: %d×%d, want %v, %v", kind, p.Width, p.Height, want, err)
		}
		switch kind {
		case Mask:
			if at(p, 65, 45) != "[255 255 255]" || at(p, 40, 45) != "[0 0 0]" || at(p, 5, 45) != "[96 96 96]" {
				t.Errorf("mask: %s %s %s", at(p, 65, 45), at(p, 40, 45), at(p, 5, 45))
			}
		case Overlay:
			if px := p.U8[3*(45*130+65):]; px[0] < 190 || px[1] > 70 {
				t.Errorf("overlay: %s", at(p, 65, 45))
			}
		case Heat:
			if at(p, 20, 5) != "[0 0 4]" || at(p, 65, 45) == "[0 0 4]" || at(p, 5, 45) != "[48 48 48]" {
				t.Errorf("heat: %s %s", at(p, 20, 5), at(p, 65, 45))
			}
		case Side:
			if at(p, 30, 30) != at(a, 30, 30) || at(p, 128+65, 45) != "[1 2 250]" {
				t.Errorf("side: %s %s", at(p, 30, 30), at(p, 128+65, 45))
			}
		}
		if p, err = c.Draw(t.Context(), kind, 50); err != nil || max(p.Width, p.Height) != 50 {
			t.Errorf("%s: %d×%d, %v", kind, p.Width, p.Height, err)
		}
	}
	if _, err := c.Draw(t.Context(), "swirl", 0); err == nil {
		t.Error("there is a drawing that there is not")
	}
	same := compare(t, a, a, Options{})
	if _, err := same.Draw(t.Context(), Sheet, 0); err != nil {
		t.Error(err)
	}
}

// TestFingerprint: the same picture at another size, depth and quality is near; others are not.
func TestFingerprint(t *testing.T) {
	var list []*Image
	for seed := range 12 {
		list = append(list, drawing(400, 300, sequence(seed+100)))
	}
	for i, p := range list {
		f := p.Fingerprint()
		for name, q := range map[string]*Image{"small": p.Scale(90), "deep": p.deepened(U16), "soft": softer(p), "linear": p.linearised(), "alpha": p.opaque()} {
			if g := q.Fingerprint(); !f.Near(g) {
				t.Errorf("%d %s: distance %d", i, name, f.Distance(g))
			}
		}
		for j, q := range list {
			if g := q.Fingerprint(); i != j && f.Near(g) {
				t.Errorf("%d and %d: distance %d", i, j, f.Distance(g))
			}
		}
		if f.Near(crop(p, 0, 0, 400, 200).Fingerprint()) {
			t.Errorf("%d: of another shape", i)
		}
	}
	flat := canvas(30, 30).Fingerprint()
	if !flat.Flat || flat.Near(flat) {
		t.Error("an empty picture tells something")
	}
	if got := drawing(3, 2, 1).Fingerprint(); got.Aspect != 1.5 {
		t.Errorf("%+v", got)
	}
}
