package mesh

import "math"

// welded tells which vertices lie at one place: exactly, but that 0 and -0 are one.
type welded struct {
	point []uint32 // of each vertex the number of its place, by first appearance
	first []uint32 // of each place a vertex there
}

// numeral returns what tells a number from others.
func numeral(x float64) uint64 { return math.Float64bits(x + 0) } // -0 + 0 is 0

// scramble is a bijection that spreads each bit over all.
func scramble(x uint64) uint64 {
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}

func hashPoint(p vector) uint64 {
	return scramble(scramble(scramble(numeral(p[0])+0x9e3779b97f4a7c15)^numeral(p[1])) ^ numeral(p[2]))
}

// places finds points by their position. It is a table with open addresses: of two at one place it has the first.
type places struct {
	points []vector
	slots  []uint64 // half of the hash above, 1 + position in points below; 0: free
	mask   uint64
}

func newPlaces(points []vector) *places { return placesOf(points, len(points)) }

// placesOf is for count of the points.
func placesOf(points []vector, count int) *places {
	n := 16
	for n < 2*count {
		n *= 2
	}
	return &places{points: points, slots: make([]uint64, n), mask: uint64(n - 1)}
}

// slot returns where a position of a hash is; it is free where no point is there.
func (t *places) slot(p vector, h uint64) *uint64 {
	for at := h & t.mask; ; at = (at + 1) & t.mask {
		s := &t.slots[at]
		if *s == 0 {
			return s
		}
		if (*s^h)>>32 != 0 {
			continue
		}
		q := &t.points[uint32(*s)-1]
		if numeral(q[0]) == numeral(p[0]) && numeral(q[1]) == numeral(p[1]) && numeral(q[2]) == numeral(p[2]) {
			return s
		}
	}
}

// put enters the point at a position of points, and returns the first at its place.
func (t *places) put(i uint32, h uint64) uint32 {
	s := t.slot(t.points[i], h)
	if *s == 0 {
		*s = h&^math.MaxUint32 | uint64(i+1)
	}
	return uint32(*s) - 1
}

// has reports whether a point is at a position.
func (t *places) has(p vector) bool { return *t.slot(p, hashPoint(p)) != 0 }

func (m *Mesh) weld() welded {
	if !m.Welded {
		return weld(m.Positions)
	}
	each := make([]uint32, len(m.Positions))
	for i := range each {
		each[i] = uint32(i)
	}
	return welded{each, each}
}

func weld(points []vector) welded {
	w := welded{point: make([]uint32, len(points))}
	t := newPlaces(points)
	for i, p := range points {
		if k := t.put(uint32(i), hashPoint(p)); k == uint32(i) {
			w.point[i] = uint32(len(w.first))
			w.first = append(w.first, uint32(i))
		} else {
			w.point[i] = w.point[k]
		}
	}
	return w
}

// prints are hashes of what a mesh consists of. They do not depend on the order of vertices, of triangles, and of the
// corners in a triangle but for their sense; nor on whether corners at one place have one vertex or several.
type prints struct {
	shape                           [2]uint64 // of positions alone
	unsided                         [2]uint64 // of positions, whichever side is out
	normals, uvs, colors, materials [2]uint64 // of each together with the positions
}

// printsOf reckons in one pass. A mesh without triangles is a set of points. names are those of the model's materials.
func printsOf(m *Mesh, materials []Material) prints {
	vertices := make([]uint64, len(m.Positions))
	for i, p := range m.Positions {
		vertices[i] = hashPoint(p)
	}
	var out prints
	if len(m.Triangles) == 0 {
		for _, h := range vertices {
			collect(&out.shape, h)
		}
		out.unsided = out.shape
		return out
	}
	for _, t := range m.Triangles {
		a, b, c := vertices[t[0]], vertices[t[1]], vertices[t[2]]
		r := ring(a, b, c)
		collect(&out.shape, r)
		collect(&out.unsided, r+ring(c, b, a))
	}
	attribute := func(to *[2]uint64, has bool, hash func(i uint32) uint64) {
		if !has {
			return
		}
		for _, t := range m.Triangles {
			var h [3]uint64
			for k, i := range t {
				h[k] = scramble(vertices[i] ^ hash(i))
			}
			collect(to, ring(h[0], h[1], h[2]))
		}
	}
	attribute(&out.normals, m.Normals != nil, func(i uint32) uint64 { return hash32(m.Normals[i][:]) })
	attribute(&out.uvs, m.UVs != nil, func(i uint32) uint64 { return hash32(m.UVs[i][:]) })
	attribute(&out.colors, m.Colors != nil, func(i uint32) uint64 { return hash32(m.Colors[i][:]) })
	for _, g := range m.Groups {
		h := uint64(1)
		if g.Material >= 0 && g.Material < len(materials) {
			h = hashMaterial(&materials[g.Material])
		}
		for _, t := range m.Triangles[g.First : g.First+g.Count] {
			collect(&out.materials, scramble(ring(vertices[t[0]], vertices[t[1]], vertices[t[2]])^h))
		}
	}
	return out
}

// ring is of three corners, the same from whichever it begins, not the same the other way round.
func ring(a, b, c uint64) uint64 {
	return scramble(a+3*b) + scramble(b+3*c) + scramble(c+3*a)
}

// collect adds to the hash of a multiset.
func collect(to *[2]uint64, h uint64) {
	to[0] += scramble(h ^ 0xa0761d6478bd642f)
	to[1] += scramble(h ^ 0xe7037ed1a0b428db)
}

func hash32(v []float32) uint64 {
	h := uint64(len(v))
	for _, x := range v {
		h = scramble(h ^ uint64(math.Float32bits(x+0)))
	}
	return h
}

func hashMaterial(m *Material) uint64 {
	h := hash32(m.Color[:])
	for _, b := range []byte(m.Name) {
		h = scramble(h ^ uint64(b))
	}
	return h
}
