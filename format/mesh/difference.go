package mesh

import (
	"context"
	"math"

	"varve/format/raster"
)

// colour of what a difference shows, linear.
type colour = [3]float32

func colourAdded() colour   { return colour{0.05, 0.55, 0.1} }
func colourRemoved() colour { return colour{0.08, 0.22, 0.9} }
func colourMoved() colour   { return colour{0.85, 0.5, 0.04} }
func colourPainted() colour { return colour{0.5, 0.12, 0.6} }
func colourSame() colour    { return colour{0.42, 0.42, 0.42} }
func colourFar() colour     { return colour{0.9, 0.02, 0.02} }

// gone is the distance, in diagonals of an object, from which a part of the older shape is shown beside the newer.
const gone = 0.005

// RenderDifference draws what differs between two models, as Render does: what is as it was in grey, what was added in
// green, what was removed in blue, what was moved in orange at its new place and in blue at its old, what was only painted
// in violet; of other shapes, the redder the farther, up to the largest distance, and in blue the parts of the older that
// the newer is not near. c is from Compare of a and b.
func RenderDifference(ctx context.Context, c *Comparison, a, b *Model, camera Camera, w, h int) (*raster.Image, error) {
	for _, m := range []*Model{a, b} {
		if err := m.Check(); err != nil {
			return nil, err
		}
	}
	largest := c.Largest()
	var items []item
	show := func(m *Model, i int, paint painter) {
		if i < 0 || i >= len(m.Objects) || m.Objects[i].Mesh == nil {
			return
		}
		o := &m.Objects[i]
		items = append(items, item{mesh: o.Mesh, at: o.Transform, paint: paint, flat: len(o.Mesh.Triangles) == 0})
	}
	for i := range c.Pairs {
		p := &c.Pairs[i]
		switch p.Verdict {
		case Added:
			show(b, p.B, plain(colourAdded()))
		case Removed:
			show(a, p.A, plain(colourRemoved()))
		case Moved:
			show(b, p.B, plain(colourMoved()))
			show(a, p.A, plain(colourRemoved()))
		case Painted, Attributes:
			show(b, p.B, plain(colourPainted()))
		case Changed:
			if p.B < 0 || p.B >= len(b.Objects) || b.Objects[p.B].Mesh == nil {
				continue
			}
			mesh := b.Objects[p.B].Mesh
			show(b, p.B, ramp(mesh, p.DistancesB, largest))
			if old := lost(a, b, p); old != nil {
				items = append(items, item{mesh: old, at: b.Objects[p.B].Transform, paint: plain(colourRemoved())})
			}
		default:
			show(b, p.B, plain(colourSame()))
		}
	}
	return paint(ctx, items, camera, w, h)
}

func plain(c colour) painter { return func(int, vector) [3]float32 { return c } }

// ramp paints by the distance of the vertices. What is at the same place as before is grey; what is not is red enough to
// be seen, however little it is.
func ramp(m *Mesh, distances []float32, largest float64) painter {
	if len(distances) != len(m.Positions) || !(largest > 0) {
		return plain(colourSame())
	}
	return func(triangle int, share vector) [3]float32 {
		d := 0.0
		if len(m.Triangles) == 0 {
			d = float64(distances[triangle])
		} else {
			for i, k := range m.Triangles[triangle] {
				d += share[i] * float64(distances[k])
			}
		}
		s := float32(0)
		if d > 1e-6*largest {
			s = float32(0.15 + 0.85*math.Sqrt(min(1, d/largest)))
		}
		same, far := colourSame(), colourFar()
		for i := range same {
			same[i] += s * (far[i] - same[i])
		}
		return same
	}
}

// lost returns the triangles of the older mesh that the newer is not near; nil if there are none, and where vertices
// have their counterparts: then nothing was lost.
func lost(a, b *Model, p *Pair) *Mesh {
	if p.A < 0 || p.A >= len(a.Objects) || p.Deviation == nil || p.Deviation.Exact {
		return nil
	}
	old := a.Objects[p.A].Mesh
	if old == nil || len(p.DistancesA) != len(old.Positions) {
		return nil
	}
	far := float32(gone * b.Objects[p.B].Mesh.Bounds(b.Objects[p.B].Transform).Diagonal())
	out := &Mesh{Positions: old.Positions, Normals: old.Normals}
	for _, t := range old.Triangles {
		if min(p.DistancesA[t[0]], p.DistancesA[t[1]], p.DistancesA[t[2]]) > far {
			out.Triangles = append(out.Triangles, t)
		}
	}
	if len(out.Triangles) == 0 {
		return nil
	}
	return out
}
