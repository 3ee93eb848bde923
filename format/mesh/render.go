package mesh

import (
	"context"
	"math"
	"sync"

	"varve/format/raster"
)

// grey is the colour of what has none.
const grey = 0.55

// steps of linear light for which sRGB is tabled: fine enough that no two neighbours in the dark skip a value by more
// than one.
const steps = 1 << 13

// srgb is the table from linear light to sRGB in bytes.
var srgb = sync.OnceValue(func() *[steps]uint8 {
	var t [steps]uint8
	for i := range t {
		x := float64(i) / (steps - 1)
		if x <= 0.0031308 {
			x *= 12.92
		} else {
			x = 1.055*math.Pow(x, 1/2.4) - 0.055
		}
		t[i] = uint8(x*255 + 0.5)
	}
	return &t
})

// Render draws a model as a camera sees it: w×h pixels, RGB with straight alpha at 8 bits, sRGB, on nothing. Light comes
// from the left and above, from the camera's side; surfaces have two sides. Vertices without triangles are drawn as points.
// ErrInvalid, ErrLimit.
func Render(ctx context.Context, m *Model, c Camera, w, h int) (*raster.Image, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	items := make([]item, 0, len(m.Objects))
	textures := sheets(ctx, m)
	for i := range m.Objects {
		if o := &m.Objects[i]; o.Mesh != nil {
			items = append(items, item{mesh: o.Mesh, at: o.Transform, paint: colours(m, o.Mesh, textures), flat: len(o.Mesh.Triangles) == 0})
		}
	}
	return paint(ctx, items, c, w, h)
}

func paint(ctx context.Context, items []item, c Camera, w, h int) (*raster.Image, error) {
	v, err := newCanvas(c, w, h)
	if err != nil {
		return nil, err
	}
	first, err := v.draw(ctx, items)
	if err != nil {
		return nil, err
	}
	return v.picture(ctx, items, first)
}

// colours paints by material, its texture, and the colours of the vertices.
func colours(m *Model, shape *Mesh, textures []*sheet) painter {
	last := Group{Count: -1}
	material := func(triangle int) int {
		if triangle < last.First || triangle >= last.First+last.Count {
			last = groupOf(shape, triangle)
		}
		if last.Material >= len(m.Materials) {
			return -1
		}
		return last.Material
	}
	return func(triangle int, share vector) [3]float32 {
		if len(shape.Triangles) == 0 {
			if shape.Colors == nil {
				return [3]float32{grey, grey, grey}
			}
			return [3]float32(shape.Colors[triangle][:3])
		}
		t := shape.Triangles[triangle]
		out := [3]float32{1, 1, 1}
		k := material(triangle)
		switch {
		case k >= 0:
			out = [3]float32(m.Materials[k].Color[:3])
			if s := textures[k]; s != nil && shape.UVs != nil {
				var uv [2]float32
				for i, n := range t {
					uv[0] += shape.UVs[n][0] * float32(share[i])
					uv[1] += shape.UVs[n][1] * float32(share[i])
				}
				for i, c := range s.at(uv[0], uv[1]) {
					out[i] *= c
				}
			}
		case shape.Colors == nil:
			out = [3]float32{grey, grey, grey}
		}
		if shape.Colors != nil {
			a, b, c := shape.Colors[t[0]], shape.Colors[t[1]], shape.Colors[t[2]]
			for i := range out {
				out[i] *= a[i]*float32(share[0]) + b[i]*float32(share[1]) + c[i]*float32(share[2])
			}
		}
		return out
	}
}

// groupOf returns the group of a triangle; where it is in none, that triangle alone without material.
func groupOf(m *Mesh, triangle int) Group {
	lo, hi := 0, len(m.Groups)
	for lo < hi {
		if mid := (lo + hi) / 2; m.Groups[mid].First+m.Groups[mid].Count > triangle {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	if lo < len(m.Groups) && m.Groups[lo].First <= triangle {
		return m.Groups[lo]
	}
	return Group{First: triangle, Count: 1, Material: -1}
}

// light shades an item.
type light struct {
	*item
	canvas  *canvas
	normals [][3]float32
	key     vector // to where most light comes from
}

// lights returns a light for each item. Meshes that come with no normals get them once.
func (v *canvas) lights(items []item) []light {
	key := unit(add(add(scale(v.right, -0.5), scale(v.above, 0.8)), scale(v.into, -0.7)))
	made := map[*Mesh][][3]float32{}
	out := make([]light, len(items))
	for i := range items {
		it := &items[i]
		out[i] = light{item: it, canvas: v, normals: it.mesh.Normals, key: key}
		if out[i].normals == nil && !it.flat {
			if made[it.mesh] == nil {
				made[it.mesh] = smooth(it.mesh)
			}
			out[i].normals = made[it.mesh]
		}
	}
	return out
}

// smooth returns normals of the vertices: of the triangles around each, by area.
func smooth(m *Mesh) [][3]float32 {
	out := make([][3]float32, len(m.Positions))
	for _, t := range m.Triangles {
		a := m.Positions[t[0]]
		n := cross(sub(m.Positions[t[1]], a), sub(m.Positions[t[2]], a))
		for _, k := range t {
			o := &out[k]
			o[0] += float32(n[0])
			o[1] += float32(n[1])
			o[2] += float32(n[2])
		}
	}
	for i := range out {
		o := &out[i]
		if d := float32(math.Sqrt(float64(o[0]*o[0] + o[1]*o[1] + o[2]*o[2]))); d > 0 {
			o[0], o[1], o[2] = o[0]/d, o[1]/d, o[2]/d
		}
	}
	return out
}

// crease is the cosine of the angle to its face from which a computed normal is no longer that of a round surface.
const crease = 0.7

// shade returns the colour of a primitive at a place of the canvas.
func (l *light) shade(triangle int, x, y float64) [3]float32 {
	if len(l.mesh.Triangles) == 0 {
		return l.paint(triangle, vector{1, 0, 0})
	}
	v := l.canvas
	t := l.mesh.Triangles[triangle]
	a, b, c := l.at.Point(l.mesh.Positions[t[0]]), l.at.Point(l.mesh.Positions[t[1]]), l.at.Point(l.mesh.Positions[t[2]])
	ray := add(scale(v.into, v.zoom), add(scale(v.right, x-float64(v.w)/2), scale(v.above, float64(v.h)/2-y)))
	share, face := hit(v.eye, ray, a, b, c)
	out := l.paint(triangle, share)
	if l.flat {
		return out
	}
	p := l.mesh.Positions
	own := cross(sub(p[t[1]], p[t[0]]), sub(p[t[2]], p[t[0]]))
	n := unit(l.at.normal(l.normal(t, share, own)))
	if n == (vector{}) {
		n = unit(face)
	}
	ray = unit(ray)
	if dot(n, face)*dot(ray, face) > 0 { // as seen: on the eye's side of the surface
		n = scale(n, -1)
	}
	strength := float32(0.22 + 0.16*(0.5+0.5*dot(n, v.above)) + 0.62*max(0, dot(n, l.key)) + 0.12*max(0, -dot(n, ray)))
	for i := range out {
		out[i] *= strength
	}
	return out
}

// normal returns the normal at a place of a triangle whose own, in the mesh, is face.
func (l *light) normal(t [3]uint32, share, face vector) vector {
	var n vector
	flat := crease * crease * dot(face, face)
	for i, k := range t {
		g := l.normals[k]
		of := vector{float64(g[0]), float64(g[1]), float64(g[2])}
		if l.mesh.Normals == nil {
			if side := dot(of, face); side <= 0 || side*side < flat {
				of = unit(face)
			}
		}
		n = add(n, scale(of, share[i]))
	}
	return n
}

// hit returns the shares of the corners where a ray meets a triangle, and the triangle's normal. Beside it, the nearest
// shares that are none below 0.
func hit(eye, ray, a, b, c vector) (share, face vector) {
	e, f := sub(b, a), sub(c, a)
	face = cross(e, f)
	d := dot(face, ray)
	third := vector{1.0 / 3, 1.0 / 3, 1.0 / 3}
	if d == 0 {
		return third, face
	}
	r := cross(ray, sub(eye, a))
	u, w := dot(f, r)/d, -dot(e, r)/d
	share = vector{max(0, 1-u-w), max(0, u), max(0, w)}
	sum := share[0] + share[1] + share[2]
	if !(sum > 0) || math.IsInf(sum, 0) {
		return third, face
	}
	return scale(share, 1/sum), face
}
