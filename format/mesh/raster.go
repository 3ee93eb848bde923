package mesh

import (
	"context"
	"fmt"
	"math"
	"sort"

	"varve/format/raster"
)

const (
	samples = 2       // a side of each pixel
	budget  = 1 << 29 // samples that may be touched: a hostile file covers the picture with every triangle
	stride  = 1 << 16 // triangles between looks at the context
)

// item is a mesh to draw.
type item struct {
	mesh  *Mesh
	at    Matrix
	paint painter
	flat  bool // in plain colours, without light
}

// painter returns the colour, linear, at a place in a triangle (or of a vertex, where there are no triangles), by the
// shares that its corners have.
type painter func(triangle int, share vector) [3]float32

// canvas holds the samples of a picture that is drawn: what is nearest at each, to be painted afterwards.
type canvas struct {
	w, h               int       // in samples
	near               []float32 // 1/distance; 0: nothing
	what               []uint32  // 1 + number of the primitive, counted over all items
	eye                vector
	right, above, into vector
	zoom               float64 // samples for one at distance one
	clip               float64 // distance at which the view begins
	left               int64   // of the budget
}

func newCanvas(c Camera, w, h int) (*canvas, error) {
	if w <= 0 || h <= 0 || int64(w)*int64(h) > raster.MaxPixels/(samples*samples) {
		return nil, fmt.Errorf("%w: %d×%d", raster.ErrSize, w, h)
	}
	v := &canvas{w: samples * w, h: samples * h, eye: c.Eye, left: budget}
	v.right, v.above, v.into = c.axes()
	v.zoom = float64(min(v.w, v.h)) / 2 / math.Tan(c.Field/2)
	v.clip = length(sub(c.Target, c.Eye)) * 1e-3
	if !(v.clip > 0) || !(v.zoom > 0) || v.right == (vector{}) {
		return nil, fmt.Errorf("%w: the camera %+v sees nothing", ErrInvalid, c)
	}
	v.near = make([]float32, v.w*v.h)
	v.what = make([]uint32, v.w*v.h)
	return v, nil
}

// spot is a vertex on the canvas. near is 0 where it is behind the eye or nowhere.
type spot struct{ x, y, near float32 }

// spots returns where the vertices of an item lie on the canvas.
func (v *canvas) spots(it *item, room []spot) []spot {
	// x·d, y·d and d are affine in a vertex: one matrix for all.
	var m [3][4]float64
	for r, row := range []vector{
		add(scale(v.right, v.zoom), scale(v.into, float64(v.w)/2)),
		add(scale(v.above, -v.zoom), scale(v.into, float64(v.h)/2)),
		v.into,
	} {
		for c := range 3 {
			m[r][c] = dot(row, vector{it.at[4*c], it.at[4*c+1], it.at[4*c+2]})
		}
		m[r][3] = dot(row, sub(vector{it.at[12], it.at[13], it.at[14]}, v.eye))
	}
	out := room[:0]
	for _, p := range it.mesh.Positions {
		d := m[2][0]*p[0] + m[2][1]*p[1] + m[2][2]*p[2] + m[2][3]
		if !(d >= v.clip) || d > math.MaxFloat32 {
			out = append(out, spot{})
			continue
		}
		k := 1 / d
		x := (m[0][0]*p[0] + m[0][1]*p[1] + m[0][2]*p[2] + m[0][3]) * k
		y := (m[1][0]*p[0] + m[1][1]*p[1] + m[1][2]*p[2] + m[1][3]) * k
		if !(math.Abs(x) < 1e7 && math.Abs(y) < 1e7) {
			out = append(out, spot{})
			continue
		}
		out = append(out, spot{float32(x), float32(y), float32(k)})
	}
	return out
}

// draw finds what of the items is seen. first is the number of the first primitive of each, and of one behind the last.
func (v *canvas) draw(ctx context.Context, items []item) (first []uint32, err error) {
	var room []spot
	total := int64(1)
	first = []uint32{1}
	for i := range items {
		it := &items[i]
		n := len(it.mesh.Triangles)
		if n == 0 {
			n = len(it.mesh.Positions)
		}
		if total+int64(n) > math.MaxUint32 {
			return nil, fmt.Errorf("%w: more than %d triangles", ErrLimit, uint32(math.MaxUint32))
		}
		room = v.spots(it, room)
		if len(it.mesh.Triangles) == 0 {
			v.points(room, uint32(total))
		} else if err := v.triangles(ctx, it, room, uint32(total)); err != nil {
			return nil, err
		}
		total += int64(n)
		first = append(first, uint32(total))
	}
	return first, ctx.Err()
}

func (v *canvas) points(spots []spot, number uint32) {
	for i, s := range spots {
		if s.near == 0 {
			continue
		}
		x0, y0 := int(math.Floor(float64(s.x)-0.5)), int(math.Floor(float64(s.y)-0.5))
		for y := max(y0, 0); y <= min(y0+1, v.h-1); y++ {
			for x := max(x0, 0); x <= min(x0+1, v.w-1); x++ {
				if k := y*v.w + x; s.near > v.near[k] {
					v.near[k], v.what[k] = s.near, number+uint32(i)
				}
			}
		}
	}
}

func (v *canvas) triangles(ctx context.Context, it *item, spots []spot, number uint32) error {
	for i, t := range it.mesh.Triangles {
		if i%stride == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		a, b, c := spots[t[0]], spots[t[1]], spots[t[2]]
		if a.near == 0 || b.near == 0 || c.near == 0 {
			v.clipped(it, t, number+uint32(i))
		} else {
			v.triangle(a, b, c, number+uint32(i))
		}
		if v.left < 0 {
			return fmt.Errorf("%w: its triangles cover one another too often to be drawn", ErrLimit)
		}
	}
	return nil
}

// clipped draws what of a triangle is before the eye.
func (v *canvas) clipped(it *item, t [3]uint32, number uint32) {
	var in [3]vector
	for i, k := range t {
		r := sub(it.at.Point(it.mesh.Positions[k]), v.eye)
		in[i] = vector{dot(r, v.right), dot(r, v.above), dot(r, v.into)}
		if !finite(in[i]) || length(in[i]) > 1e30 {
			return
		}
	}
	var seen []spot
	for i, p := range in {
		q := in[(i+1)%3]
		if p[2] >= v.clip {
			seen = append(seen, v.project(p))
		}
		if (p[2] >= v.clip) != (q[2] >= v.clip) {
			s := (v.clip - p[2]) / (q[2] - p[2])
			edge := add(p, scale(sub(q, p), s))
			edge[2] = v.clip
			seen = append(seen, v.project(edge))
		}
	}
	for i := 2; i < len(seen); i++ {
		v.triangle(seen[0], seen[i-1], seen[i], number)
	}
}

func (v *canvas) project(p vector) spot {
	k := v.zoom / p[2]
	hold := func(x float64) float32 { return float32(max(-1e7, min(1e7, x))) }
	return spot{hold(float64(v.w)/2 + p[0]*k), hold(float64(v.h)/2 - p[1]*k), float32(1 / p[2])}
}

// triangle writes a triangle's samples. Edges are reckoned in float64 from float32 ends: the sign of a sample's side is
// then right, so that two triangles leave no gap along an edge that they have in common.
func (v *canvas) triangle(a, b, c spot, number uint32) {
	x0, x1 := min(a.x, b.x, c.x), max(a.x, b.x, c.x)
	y0, y1 := min(a.y, b.y, c.y), max(a.y, b.y, c.y)
	// samples lie at halves
	left, right := max(int(x0+0.5), 0), min(int(x1+0.5), v.w)
	top, bottom := max(int(y0+0.5), 0), min(int(y1+0.5), v.h)
	if x1 < 0 || y1 < 0 || left >= right || top >= bottom {
		return
	}
	ax, ay, bx, by, cx, cy := float64(a.x), float64(a.y), float64(b.x), float64(b.y), float64(c.x), float64(c.y)
	area := (bx-ax)*(cy-ay) - (by-ay)*(cx-ax)
	if area < 0 {
		b, c = c, b
		bx, by, cx, cy = cx, cy, bx, by
		area = -area
	}
	if area == 0 {
		return
	}
	inverse := 1 / area
	na, nb, nc := float64(a.near)*inverse, float64(b.near)*inverse, float64(c.near)*inverse
	v.left -= int64(right-left) + 8
	for y := top; y < bottom; y++ {
		py := float64(y) + 0.5
		ea, eb, ec := (cx-bx)*(py-by), (ax-cx)*(py-cy), (bx-ax)*(py-ay)
		from, to := left, right
		if to-from > 8 {
			from, to = narrow(from, to, bx, cy-by, ea)
			from, to = narrow(from, to, cx, ay-cy, eb)
			from, to = narrow(from, to, ax, by-ay, ec)
		}
		v.left -= int64(max(to-from, 0))
		row := y * v.w
		for x := from; x < to; x++ {
			px := float64(x) + 0.5
			sa := ea - (cy-by)*(px-bx)
			sb := eb - (ay-cy)*(px-cx)
			sc := ec - (by-ay)*(px-ax)
			if sa < 0 || sb < 0 || sc < 0 {
				continue
			}
			if near := float32(sa*na + sb*nb + sc*nc); near > v.near[row+x] {
				v.near[row+x], v.what[row+x] = near, number
			}
		}
	}
}

// narrow leaves of a row what may be inside of an edge: e - rise·(x - at) ≥ 0, give or take a sample.
func narrow(from, to int, at, rise, e float64) (int, int) {
	switch {
	case rise > 0:
		if x := at + e/rise; x < float64(to) {
			to = min(to, int(max(x, -2))+2)
		}
	case rise < 0:
		if x := at + e/rise; x > float64(from) {
			from = max(from, int(min(x, float64(to)+2))-2)
		}
	case e < 0:
		return from, from
	}
	return from, to
}

// picture paints what was drawn.
func (v *canvas) picture(ctx context.Context, items []item, first []uint32) (*raster.Image, error) {
	out, err := raster.New(v.w/samples, v.h/samples, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	curve := srgb()
	lights := v.lights(items)
	for y := range out.Height {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for x := range out.Width {
			var sum [3]float32
			hits := 0
			var ids [samples * samples]uint32
			for k := range ids {
				ids[k] = v.what[(samples*y+k/samples)*v.w+samples*x+k%samples]
			}
			for k, id := range ids {
				if id == 0 {
					continue
				}
				hits++
				n, sx, sy := 0, 0.0, 0.0
				for j, other := range ids { // one triangle is painted once for all of its samples in a pixel
					if other == id {
						if j < k {
							n = 0
							break
						}
						n++
						sx += float64(samples*x+j%samples) + 0.5
						sy += float64(samples*y+j/samples) + 0.5
					}
				}
				if n == 0 {
					continue
				}
				i := sort.Search(len(items), func(i int) bool { return first[i+1] > id })
				c := lights[i].shade(int(id-first[i]), sx/float64(n), sy/float64(n))
				for j := range sum {
					sum[j] += c[j] * float32(n)
				}
			}
			if hits == 0 {
				continue
			}
			p := out.U8[4*(y*out.Width+x):]
			for j, s := range sum {
				p[j] = curve[int(max(0, min(1, s/float32(hits)))*(steps-1)+0.5)]
			}
			p[3] = uint8(255 * hits / (samples * samples))
		}
	}
	return out, nil
}
