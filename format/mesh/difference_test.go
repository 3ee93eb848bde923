package mesh

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"testing"
)

// TestDifferenceShows: each object has the colour of its verdict where it is seen.
func TestDifferenceShows(t *testing.T) {
	a := modelOf(box(1, 1, 1), box(1, 1, 1.5), box(1, 1.5, 1), sphere(20, 10, 0.6), sphere(21, 10, 0.6))
	b := modelOf(box(1, 1, 1), box(1, 1, 1.5), box(1.5, 1, 1), sphere(20, 10, 0.6), sphere(31, 20, 0.6))
	for i, n := range []string{"same", "moved", "removed", "pulled", "cut"} {
		a.Objects[i].Name, a.Objects[i].ID = n, ""
		b.Objects[i].Name, b.Objects[i].ID = n, ""
		x := translation(2*float64(i), 0, 0)
		a.Objects[i].Transform, b.Objects[i].Transform = x, x
	}
	b.Objects[1].Transform[14] += 3
	b.Objects[2].Name = "added"
	b.Objects[2].Transform[14] -= 3
	pulled := b.Objects[3].Mesh
	for i, p := range pulled.Positions {
		if p[1] > 0.5 {
			pulled.Positions[i][1] += 0.5
		}
	}
	for i, p := range b.Objects[4].Mesh.Positions { // half of it is gone
		if p[1] > 0 {
			b.Objects[4].Mesh.Positions[i][1] = 0
		}
	}
	c := compared(t, a, b)
	view := CameraOf(a.Bounds().Union(b.Bounds()), 'Y')
	const w, h = 320, 200
	p, err := RenderDifference(t.Context(), c, a, b, view, w, h)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("VARVE_PICTURES"); dir != "" {
		f, err := os.Create(fmt.Sprintf("%s/%s.png", dir, t.Name()))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := png.Encode(f, &image.NRGBA{Pix: p.U8, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}); err != nil {
			t.Fatal(err)
		}
	}
	v, err := newCanvas(view, w, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		at   vector // in the world, on the side of the camera
		is   func(r, g, b int) bool
	}{
		{"same", vector{0.5, 0.5, 1}, func(r, g, b int) bool { return r == g && g == b }},
		{"moved", vector{2.5, 0.5, 4.5}, func(r, g, b int) bool { return r > g+30 && g > b+30 }},
		{"moved from", vector{2.5, 0.5, 1.5}, func(r, g, b int) bool { return b > g+30 && g > r }},
		{"removed", vector{4.5, 0.5, 1}, func(r, g, b int) bool { return b > g+30 && g > r }},
		{"added", vector{4.5, 1, -2.5}, func(r, g, b int) bool { return g > r+60 && g > b+60 }},
		{"pulled", vector{6, 1.06, 0.02}, func(r, g, b int) bool { return r > g+60 && g == b }},
		{"not pulled", vector{6, 0, 0.6}, func(r, g, b int) bool { return r == g && g == b }},
		{"cut off", vector{8.1, 0.5, 0.4}, func(r, g, b int) bool { return b > g+30 && g > r }},
	} {
		s := v.spots(&item{mesh: &Mesh{Positions: []vector{x.at}}, at: Identity()}, nil)[0]
		c := p.U8[4*(int(s.y)/samples*w+int(s.x)/samples):][:4]
		if c[3] != 255 || !x.is(int(c[0]), int(c[1]), int(c[2])) {
			t.Errorf("%s is %v", x.name, c)
		}
	}
}
