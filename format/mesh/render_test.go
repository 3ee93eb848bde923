package mesh

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"varve/format/raster"
)

func picture(t testing.TB, m *Model, c Camera, w, h int) *raster.Image {
	t.Helper()
	p, err := Render(t.Context(), m, c, w, h)
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("VARVE_PICTURES"); dir != "" { // to look at
		f, err := os.Create(fmt.Sprintf("%s/%s.png", dir, t.Name()))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := png.Encode(f, &image.NRGBA{Pix: p.U8, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// TestCanvasIsWhatRaysSee: for every sample, the rasteriser finds the triangle that a ray from the eye meets first, also
// where triangles go through the plane of the eye.
func TestCanvasIsWhatRaysSee(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name string
		from float64 // of the fitted distance: below 1 the eye is nearer, below 0.3 among the triangles
	}{{"fitted", 1}, {"near", 0.3}, {"inside", 0.02}} {
		t.Run(c.name, func(t *testing.T) {
			m := &Mesh{}
			for i := range 300 {
				at := vector{random.NormFloat64(), random.NormFloat64(), random.NormFloat64()}
				for range 3 {
					d := vector{random.NormFloat64(), random.NormFloat64(), random.NormFloat64()}
					m.Positions = append(m.Positions, add(at, scale(d, 0.3)))
				}
				m.Triangles = append(m.Triangles, [3]uint32{uint32(3 * i), uint32(3*i + 1), uint32(3*i + 2)})
			}
			object := Object{Mesh: m, Transform: turn(vector{1, 2, 3}, 0.7)}
			object.Transform[13] = 5
			view := CameraOf(m.Bounds(object.Transform), 'Y')
			view.Eye = add(view.Target, scale(sub(view.Eye, view.Target), c.from))
			v, err := newCanvas(view, 40, 30)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.draw(t.Context(), []item{{mesh: m, at: object.Transform}}); err != nil {
				t.Fatal(err)
			}
			seen := 0
			for y := range v.h {
				for x := range v.w {
					want, gap := rayHits(v, &object, float64(x)+0.5, float64(y)+0.5)
					got := v.what[y*v.w+x]
					if got != 0 {
						seen++
					}
					if got != want && gap > 1e-6 {
						t.Fatalf("sample %d,%d shows %d, a ray meets %d", x, y, got, want)
					}
				}
			}
			if seen < v.w*v.h/20 {
				t.Fatalf("%d samples of %d show something", seen, v.w*v.h)
			}
		})
	}
}

// rayHits returns the first triangle along a ray, and how sure that is: the smallest share or difference in distance.
func rayHits(v *canvas, o *Object, x, y float64) (number uint32, gap float64) {
	ray := add(scale(v.into, v.zoom), add(scale(v.right, x-float64(v.w)/2), scale(v.above, float64(v.h)/2-y)))
	best := math.Inf(1)
	gap = math.Inf(1)
	for i, t := range o.Mesh.Triangles {
		a, b, c := o.Transform.Point(o.Mesh.Positions[t[0]]), o.Transform.Point(o.Mesh.Positions[t[1]]), o.Transform.Point(o.Mesh.Positions[t[2]])
		n := cross(sub(b, a), sub(c, a))
		s := dot(sub(a, v.eye), n) / dot(ray, n)
		p := add(v.eye, scale(ray, s))
		inside := math.Inf(1)
		for _, e := range [][2]vector{{a, b}, {b, c}, {c, a}} {
			inside = min(inside, dot(cross(sub(e[1], e[0]), sub(p, e[0])), n)/dot(n, n))
		}
		deep := s * dot(ray, v.into)
		if deep < v.clip*(1-1e-6) {
			continue
		}
		gap = min(gap, math.Abs(inside), math.Abs(deep-v.clip)/v.clip)
		if inside < 0 {
			continue
		}
		gap = min(gap, math.Abs(s-best)/max(s, 1e-9))
		if s < best {
			best, number = s, uint32(i+1)
		}
	}
	return number, gap
}

// TestSphereLooksRound: the outline is that of a sphere in perspective, what is seen is bright to the top left and dark
// to the bottom right, and the rest of the picture is empty.
func TestSphereLooksRound(t *testing.T) {
	m := modelOf(sphere(64, 32, 2))
	m.Objects[0].Transform = translation(100, -50, 3)
	m.Materials = []Material{{Color: [4]float32{1, 0.1, 0.1, 1}}}
	m.Objects[0].Mesh.Groups = []Group{{0, len(m.Objects[0].Mesh.Triangles), 0}}
	view := CameraOf(m.Bounds(), 'Z')
	const size = 128
	p := picture(t, m, view, size, size)
	covered := 0.0
	for i := 3; i < len(p.U8); i += 4 {
		covered += float64(p.U8[i]) / 255
	}
	d := length(sub(view.Eye, vector{100, -50, 3}))
	radius := math.Tan(math.Asin(2/d)) * size / 2 / math.Tan(view.Field/2)
	if want := math.Pi * radius * radius; math.Abs(covered-want) > 0.01*want {
		t.Errorf("%.0f pixels are covered, a sphere covers %.0f", covered, want)
	}
	at := func(x, y int) []uint8 { return p.U8[4*(y*size+x):][:4] }
	if a := at(0, 0)[3]; a != 0 {
		t.Errorf("the corner has alpha %d", a)
	}
	lit, dark := at(52, 46), at(82, 86)
	if lit[3] != 255 || lit[0] < 200 || lit[0] < 2*lit[1] || lit[1] != lit[2] {
		t.Errorf("a lit red place is %v", lit)
	}
	if dark[3] != 255 || dark[0] > lit[0]/2+30 {
		t.Errorf("a place in the shade is %v, a lit one %v", dark, lit)
	}
}

// TestFitted: bounds of any shape are seen whole, and fill the picture along one side.
func TestFitted(t *testing.T) {
	for _, up := range []byte{'X', 'Y', 'Z', 0} {
		for _, s := range []vector{{1, 1, 1}, {10, 0.1, 0.1}, {0, 5, 5}, {1e-6, 1e-6, 2e-6}, {1e6, 3, 1e5}} {
			b := Bounds{Max: s}
			c := CameraOf(b, up)
			right, above, ahead := c.axes()
			most := 0.0
			for _, p := range b.corners() {
				r := sub(p, c.Eye)
				d := dot(r, ahead)
				if d <= 0 {
					t.Fatalf("%v, up %c: a corner is behind the eye", s, up)
				}
				most = max(most, math.Abs(dot(r, right)/d), math.Abs(dot(r, above)/d))
			}
			most /= math.Tan(c.Field / 2)
			if most > 1 || most < 0.85 {
				t.Errorf("%v, up %q: fills %.2f", s, up, most)
			}
		}
	}
}

func TestRenderKeepsToItsLimits(t *testing.T) {
	good := modelOf(box(1, 1, 1))
	view := CameraOf(good.Bounds(), 0)
	wrong := modelOf(&Mesh{Positions: [][3]float64{{}}, Triangles: [][3]uint32{{0, 0, 1}}})
	if _, err := Render(t.Context(), wrong, view, 10, 10); !errors.Is(err, ErrInvalid) {
		t.Errorf("a corner that is not there: %v", err)
	}
	if _, err := Render(t.Context(), good, view, 1<<20, 1<<20); !errors.Is(err, raster.ErrSize) {
		t.Errorf("a picture of 2^40 pixels: %v", err)
	}
	if _, err := Render(t.Context(), good, Camera{}, 10, 10); !errors.Is(err, ErrInvalid) {
		t.Errorf("no camera: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Render(stopped, good, view, 10, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if testing.Short() {
		return
	}
	many := box(1, 1, 1)
	for range 6000 {
		many.Triangles = append(many.Triangles, many.Triangles[:12]...)
	}
	if _, err := Render(t.Context(), modelOf(many), view, 1024, 1024); !errors.Is(err, ErrLimit) {
		t.Errorf("72,000 triangles that each fill the picture: %v", err)
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), math.MaxFloat64} {
		odd := modelOf(sphere(8, 8, 1))
		odd.Objects[0].Mesh.Positions[3][1] = x
		if _, err := Render(t.Context(), odd, CameraOf(odd.Bounds(), 0), 20, 20); err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("a vertex at %v: %v", x, err)
		}
	}
}

// TestPointsAreSeen: a scan without triangles is not an empty picture.
func TestPointsAreSeen(t *testing.T) {
	m := modelOf(&Mesh{Positions: sphere(20, 20, 1).Positions})
	p := picture(t, m, CameraOf(m.Bounds(), 0), 64, 64)
	n := 0
	for i := 3; i < len(p.U8); i += 4 {
		if p.U8[i] > 0 {
			n++
		}
	}
	if n < 200 {
		t.Errorf("%d pixels of 362 points", n)
	}
}

// TestScene is for the eye: VARVE_PICTURES names a folder.
func TestScene(t *testing.T) {
	m := modelOf(sphere(48, 24, 1), box(1, 2, 0.5), box(4, 0.1, 4))
	m.Objects[1].Transform = translation(1.2, -1, 0)
	m.Objects[2].Transform = translation(-1.5, -1.1, -1.5)
	m.Materials = []Material{{Color: [4]float32{0.1, 0.3, 0.8, 1}}}
	m.Objects[0].Mesh.Groups = []Group{{0, 1200, 0}}
	picture(t, m, CameraOf(m.Bounds(), 'Y'), 256, 256)
}

func BenchmarkRenderMillion(b *testing.B) {
	m := modelOf(sphere(1000, 501, 1))
	view := CameraOf(m.Bounds(), 0)
	for b.Loop() {
		if _, err := Render(b.Context(), m, view, 512, 512); err != nil {
			b.Fatal(err)
		}
	}
}
