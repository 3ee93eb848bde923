package raster

import (
	"cmp"
	"image"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestMask: runs, bounds and counts are those of the single pixels.
func TestMask(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, w := range []int{1, 63, 64, 65, 200} {
		for _, density := range []float64{0, 0.03, 0.5, 0.97, 1} {
			m := newMask(w, 9)
			for y := range m.h {
				for x := range w {
					if r.Float64() < density {
						m.set(x, y)
					}
				}
			}
			again := newMask(w, 9)
			for y := range m.h {
				last := -1
				m.runs(y, func(x0, x1 int) {
					if x0 <= last || x0 >= x1 || x1 > w {
						t.Fatalf("run %d to %d after %d", x0, x1, last)
					}
					last = x1
					for x := x0; x < x1; x++ {
						again.set(x, y)
					}
				})
			}
			if !slices.Equal(m.bits, again.bits) {
				t.Fatalf("width %d, density %g: runs are other pixels", w, density)
			}
			x0, y0, x1, y1 := r.IntN(w), r.IntN(9), r.IntN(w)+1, r.IntN(9)+1
			var want image.Rectangle
			n := 0
			for y := y0; y < y1; y++ {
				for x := x0; x < x1; x++ {
					if m.has(x, y) {
						want = want.Union(image.Rect(x, y, x+1, y+1))
						n++
					}
				}
			}
			bx0, by0, bx1, by1 := m.bounds(x0, y0, x1, y1)
			if got := (image.Rectangle{image.Pt(bx0, by0), image.Pt(bx1, by1)}); (n > 0 && got != want) || (n == 0) != (bx0 >= bx1) {
				t.Fatalf("bounds %v, want %v", got, want)
			}
			got := 0
			for y := y0; y < y1; y++ {
				got += m.countIn(y, x0, x1)
			}
			if got != n {
				t.Fatalf("%d, want %d", got, n)
			}
			all := newMask(w, 9)
			if all.fillAll(); all.count() != 9*w {
				t.Fatalf("all are %d of %d", all.count(), 9*w)
			}
		}
	}
}

// TestRegions: they are the parts that flooding finds, whatever the gap.
func TestRegions(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, gap := range []int{0, 1, 2, 5} {
		for _, density := range []float64{0.002, 0.02, 0.1, 0.4} {
			m := newMask(150, 80)
			for y := range m.h {
				for x := range m.w {
					if r.Float64() < density {
						m.set(x, y)
					}
				}
			}
			got, step := m.regions(gap)
			want := flooded(m, gap)
			order := func(list []Region) {
				slices.SortFunc(list, func(a, b Region) int {
					return cmp.Or(b.Pixels-a.Pixels, a.Box.Min.Y-b.Box.Min.Y, a.Box.Min.X-b.Box.Min.X, a.Box.Max.X-b.Box.Max.X, a.Box.Max.Y-b.Box.Max.Y)
				})
			}
			if !slices.IsSortedFunc(got, func(a, b Region) int { return b.Pixels - a.Pixels }) {
				t.Error("the largest is not first")
			}
			order(got)
			order(want)
			if step != 1 || !slices.Equal(got, want) {
				t.Fatalf("gap %d, density %g: %d regions, want %d", gap, density, len(got), len(want))
			}
		}
	}
}

func flooded(m *mask, gap int) (out []Region) {
	done := newMask(m.w, m.h)
	m.each(func(x, y int) bool {
		if done.has(x, y) {
			return true
		}
		var region Region
		todo := []image.Point{{X: x, Y: y}}
		done.set(x, y)
		for len(todo) > 0 {
			p := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			region.Pixels++
			region.Box = region.Box.Union(image.Rectangle{p, p.Add(image.Pt(1, 1))})
			for ny := max(0, p.Y-gap-1); ny <= min(m.h-1, p.Y+gap+1); ny++ {
				for nx := max(0, p.X-gap-1); nx <= min(m.w-1, p.X+gap+1); nx++ {
					if m.has(nx, ny) && !done.has(nx, ny) {
						done.set(nx, ny)
						todo = append(todo, image.Pt(nx, ny))
					}
				}
			}
		}
		out = append(out, region)
		return true
	})
	return out
}

// TestRegionsScattered: more regions than are made out one by one are joined in blocks, and no pixel is lost.
func TestRegionsScattered(t *testing.T) {
	m := newMask(4200, 1100)
	for y := 0; y < m.h; y += 2 {
		for x := 0; x < m.w; x += 2 {
			m.set(x, y)
		}
	}
	list, step := m.regions(0)
	if step != 8 || len(list) != 1 || list[0].Pixels != m.count() || list[0].Box != image.Rect(0, 0, 4200, 1100) {
		t.Errorf("step %d, %d regions", step, len(list))
	}
}
