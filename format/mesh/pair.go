package mesh

import (
	"cmp"
	"slices"
)

// facts are what objects are paired by.
type facts struct {
	*Object
	prints *prints
	bounds Bounds // in the world
}

// matches of the objects of two models: the same positions are one object. Both ways, -1 where there is none.
type matches struct {
	a, b     []facts
	ofA, ofB []int
}

// pair finds which objects are the same. What speaks for it most goes first: a name and all the rest, a name and the
// shape, a name and an id, a name; then, of objects that were renamed, the shape and the place, the shape, and in the
// end about the same place.
func pair(a, b []facts) *matches {
	m := &matches{a: a, b: b, ofA: make([]int, len(a)), ofB: make([]int, len(b))}
	for i := range a {
		m.ofA[i] = -1
	}
	for i := range b {
		m.ofB[i] = -1
	}
	type key struct {
		name, id string
		shape    [2]uint64
		at       Matrix
	}
	by := func(of func(*facts) (key, bool)) {
		free := map[key][]int{}
		for i := range b {
			if k, ok := of(&b[i]); ok && m.ofB[i] < 0 {
				free[k] = append(free[k], i)
			}
		}
		for i := range a {
			k, ok := of(&a[i])
			if !ok || m.ofA[i] >= 0 || len(free[k]) == 0 {
				continue
			}
			m.join(i, free[k][0])
			free[k] = free[k][1:]
		}
	}
	solid := func(f *facts) bool { return len(f.Mesh.Positions) > 0 }
	by(func(f *facts) (key, bool) {
		return key{name: f.Name, shape: f.prints.shape, at: f.Transform}, f.Name != ""
	})
	by(func(f *facts) (key, bool) { return key{name: f.Name, shape: f.prints.shape}, f.Name != "" && solid(f) })
	by(func(f *facts) (key, bool) { return key{name: f.Name, id: f.ID}, f.Name != "" && f.ID != "" })
	by(func(f *facts) (key, bool) { return key{name: f.Name}, f.Name != "" })
	by(func(f *facts) (key, bool) { return key{shape: f.prints.shape, at: f.Transform}, solid(f) })
	by(func(f *facts) (key, bool) { return key{shape: f.prints.shape}, solid(f) })
	m.near()
	return m
}

func (m *matches) join(a, b int) { m.ofA[a], m.ofB[b] = b, a }

// comparisons bounds the pairs of boxes that are looked at.
const comparisons = 1 << 22

// near pairs what is left by the share of their boxes that is in both: half of it at least, or a tenth with the same id.
func (m *matches) near() {
	var as, bs []int
	for i, k := range m.ofA {
		if k < 0 {
			as = append(as, i)
		}
	}
	for i, k := range m.ofB {
		if k < 0 {
			bs = append(bs, i)
		}
	}
	if int64(len(as))*int64(len(bs)) > comparisons {
		return
	}
	type candidate struct {
		a, b  int
		share float64
	}
	var found []candidate
	for _, i := range as {
		for _, k := range bs {
			s := overlap(m.a[i].bounds, m.b[k].bounds)
			if s >= 0.5 || s >= 0.1 && m.a[i].ID != "" && m.a[i].ID == m.b[k].ID {
				found = append(found, candidate{i, k, s})
			}
		}
	}
	slices.SortStableFunc(found, func(x, y candidate) int { return cmp.Compare(y.share, x.share) })
	for _, c := range found {
		if m.ofA[c.a] < 0 && m.ofB[c.b] < 0 {
			m.join(c.a, c.b)
		}
	}
}

// overlap returns the volume of what two boxes share, of what they hold together. Boxes are made a little thicker, for
// one may be flat.
func overlap(a, b Bounds) float64 {
	if a.Empty() || b.Empty() {
		return 0
	}
	thick := 1e-3 * max(a.Diagonal(), b.Diagonal())
	both, va, vb := 1.0, 1.0, 1.0
	for k := range 3 {
		both *= max(0, min(a.Max[k], b.Max[k])-max(a.Min[k], b.Min[k])+thick)
		va *= a.Max[k] - a.Min[k] + thick
		vb *= b.Max[k] - b.Min[k] + thick
	}
	if s := both / (va + vb - both); s > 0 {
		return s
	}
	return 0
}
