package mesh

import (
	"errors"
	"math"
	"testing"

	"varve/format/raster"
)

// board is a square in the plane that a camera looks at, and a texture of four colours on it.
func board(load func() (*raster.Image, error), up bool, uvs [][2]float32) *Model {
	return &Model{
		Objects: []Object{{Transform: Identity(), Mesh: &Mesh{
			Positions: [][3]float64{{-1, -1, 0}, {1, -1, 0}, {1, 1, 0}, {-1, 1, 0}}, Triangles: [][3]uint32{{0, 1, 2}, {0, 2, 3}}, UVs: uvs,
			Groups: []Group{{First: 0, Count: 2, Material: 0}}}}},
		Materials: []Material{{Name: "board", Color: [4]float32{1, 1, 1, 1}, Texture: &Texture{Load: load, Up: up}}},
	}
}

// quarters is red and green above, blue and white below.
func quarters() (*raster.Image, error) {
	p, err := raster.New(2, 2, raster.RGB, false, raster.U8)
	copy(p.U8, []uint8{255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255})
	return p, err
}

// TestTexture: the picture is the right way up on a surface, repeats, is loaded once, and its lack is no failure.
func TestTexture(t *testing.T) {
	straight := [][2]float32{{0, 1}, {1, 1}, {1, 0}, {0, 0}} // v = 0 at the top
	front := Camera{Eye: vector{0, 0, 4}, Target: vector{}, Up: vector{0, 1, 0}, Field: 0.6}
	seen := func(m *Model) (out [4]string) {
		t.Helper()
		p := picture(t, m, front, 64, 64)
		for i, at := range [][2]int{{20, 20}, {44, 20}, {20, 44}, {44, 44}} {
			c := p.U8[4*(at[1]*64+at[0]):][:4]
			switch r, g, b := int(c[0]), int(c[1]), int(c[2]); {
			case c[3] == 0:
				out[i] = "none"
			case r > 2*g && r > 2*b:
				out[i] = "red"
			case g > 2*r && g > 2*b:
				out[i] = "green"
			case b > 2*r && b > 2*g:
				out[i] = "blue"
			default:
				out[i] = "grey"
			}
		}
		return out
	}
	loads := 0
	counted := func() (*raster.Image, error) { loads++; return quarters() }
	want := [4]string{"red", "green", "blue", "grey"}
	if got := seen(board(counted, false, straight)); got != want || loads != 1 {
		t.Errorf("%v, loaded %d times", got, loads)
	}
	if got := seen(board(quarters, true, [][2]float32{{0, 0}, {1, 0}, {1, 1}, {0, 1}})); got != want {
		t.Errorf("v = 0 at the bottom: %v", got)
	}
	if got := seen(board(quarters, false, [][2]float32{{7, -2}, {8, -2}, {8, -3}, {7, -3}})); got != want {
		t.Errorf("repeated: %v", got)
	}
	if got := seen(board(func() (*raster.Image, error) { return nil, errors.New("lost") }, false, straight)); got != [4]string{"grey", "grey", "grey", "grey"} {
		t.Errorf("lost: %v", got)
	}
	two := board(counted, false, straight)
	two.Materials = append(two.Materials, two.Materials[0])
	two.Objects[0].Mesh.Groups = []Group{{0, 1, 0}, {1, 1, 1}}
	loads = 0
	two.Materials[1].Color = [4]float32{1, 0, 0, 1}
	if got := seen(two); got[0] != "red" || got[3] != "grey" || loads != 1 {
		t.Errorf("%v, one texture of two materials was loaded %d times", got, loads)
	}
}

// TestTextureHasNoEnd: any place is one on the texture.
func TestTextureHasNoEnd(t *testing.T) {
	p, err := quarters()
	if err != nil {
		t.Fatal(err)
	}
	s := newSheet(p, false)
	inf := float32(math.Inf(1))
	for _, v := range []float32{0, 1, -1, 0.25, 0.75, 0.999999, -1e-9, 1e30, inf, -inf, inf - inf} {
		c := s.at(v, v)
		for _, x := range c {
			if !(x >= 0 && x <= 1) {
				t.Errorf("%v: %v", v, c)
			}
		}
	}
	if got := s.at(0.25, 0.25); got != [3]float32{1, 0, 0} {
		t.Errorf("the middle of the first pixel is %v", got)
	}
	if got := s.at(0.5, 0.25); got[0] < 0.49 || got[0] > 0.51 || got[1] < 0.49 || got[1] > 0.51 {
		t.Errorf("between two pixels it is %v", got)
	}
}
