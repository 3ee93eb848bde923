package mesh

import (
	"context"
	"math"
	"math/bits"
	"sort"
)

// tree finds the nearest place on a surface: boxes in boxes, cut along a space-filling curve.
type tree struct {
	points    []vector
	triangles [][3]uint32
	order     []uint32 // triangles along the curve
	nodes     []node
}

// node is a box. Its children stand at next and next+1; a leaf has count triangles of the order, from next.
type node struct {
	low, high [3]float32
	next      uint32
	count     uint32 // 0: no leaf
}

const leaf = 4 // triangles

// newTree builds a tree; triangles with corners that are not finite are left out.
func newTree(ctx context.Context, points []vector, triangles [][3]uint32) (*tree, error) {
	t := &tree{points: points, triangles: triangles}
	box := Nowhere()
	middles := func(i uint32) vector {
		k := triangles[i]
		return scale(add(add(points[k[0]], points[k[1]]), points[k[2]]), 1.0/3)
	}
	keys := make([]uint64, 0, len(triangles)) // the code above, the triangle below
	for i := range triangles {
		box.Add(middles(uint32(i)))
	}
	var per vector
	for k := range 3 {
		if d := box.Max[k] - box.Min[k]; d > 0 {
			per[k] = 1023.99 / d
		}
	}
	for i := range triangles {
		p := middles(uint32(i))
		if !finite(p) {
			continue
		}
		var code uint64
		for k := range 3 {
			code |= spread(uint64((p[k]-box.Min[k])*per[k])) << k
		}
		keys = append(keys, code<<32|uint64(i))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sortKeys(keys)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.order = make([]uint32, len(keys))
	for i, k := range keys {
		t.order[i] = uint32(k)
	}
	if len(keys) > 0 {
		t.nodes = make([]node, 1, 1+len(keys))
		t.split(0, keys, 0)
	}
	return t, nil
}

// spread puts two free bits behind each of ten.
func spread(x uint64) uint64 {
	x &= 0x3ff
	x = (x | x<<16) & 0x30000ff
	x = (x | x<<8) & 0x300f00f
	x = (x | x<<4) & 0x30c30c3
	return (x | x<<2) & 0x9249249
}

// sortKeys sorts by the 30 bits above 32; it keeps the order of equals.
func sortKeys(keys []uint64) {
	spare := make([]uint64, len(keys))
	for shift := 32; shift < 62; shift += 10 {
		var at [1024]int
		for _, k := range keys {
			at[k>>shift&1023]++
		}
		sum := 0
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, k := range keys {
			b := k >> shift & 1023
			spare[at[b]] = k
			at[b]++
		}
		keys, spare = spare, keys
	}
	copy(spare, keys) // three passes: what was given is now spare
}

// split makes node i of a run of keys, which begins at from in the order. The depth is at most that of the code's bits
// and, where codes are equal, the logarithm of their number.
func (t *tree) split(i int, keys []uint64, from int) {
	if len(keys) <= leaf {
		n := &t.nodes[i]
		n.next, n.count = uint32(from), uint32(len(keys))
		n.low, n.high = t.box(t.order[from : from+len(keys)])
		return
	}
	mid := len(keys) / 2
	if differ := (keys[0] ^ keys[len(keys)-1]) >> 32; differ != 0 {
		bit := uint64(1) << (63 - bits.LeadingZeros64(differ) + 32)
		mid = sort.Search(len(keys), func(k int) bool { return keys[k]&bit != 0 })
	}
	next := len(t.nodes)
	t.nodes = append(t.nodes, node{}, node{})
	t.split(next, keys[:mid], from)
	t.split(next+1, keys[mid:], from+mid)
	n, a, b := &t.nodes[i], &t.nodes[next], &t.nodes[next+1]
	n.next = uint32(next)
	for k := range 3 {
		n.low[k], n.high[k] = min(a.low[k], b.low[k]), max(a.high[k], b.high[k])
	}
}

// box returns what holds triangles, rounded outwards.
func (t *tree) box(of []uint32) (low, high [3]float32) {
	b := Nowhere()
	for _, i := range of {
		for _, k := range t.triangles[i] {
			b.Add(t.points[k])
		}
	}
	for k := range 3 {
		low[k], high[k] = float32(b.Min[k]), float32(b.Max[k])
		if float64(low[k]) > b.Min[k] {
			low[k] = math.Nextafter32(low[k], float32(math.Inf(-1)))
		}
		if float64(high[k]) < b.Max[k] {
			high[k] = math.Nextafter32(high[k], float32(math.Inf(1)))
		}
	}
	return low, high
}

// nearest returns the square of the distance of p from the surface, and the triangle that is nearest. hint is a triangle
// that may be near: the last answer for a point nearby saves most of the search. Infinity where there is no surface.
func (t *tree) nearest(p vector, hint uint32) (square float64, triangle uint32) {
	square = math.Inf(1)
	if len(t.nodes) == 0 || !finite(p) {
		return square, hint
	}
	if int(hint) < len(t.triangles) {
		if d := t.distance(p, hint); d < square { // not NaN
			square, triangle = d, hint
		}
	}
	type visit struct {
		node   uint32
		square float64
	}
	var room [128]visit
	stack := append(room[:0], visit{0, t.nodes[0].distance(p)})
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if v.square >= square {
			continue
		}
		n := &t.nodes[v.node]
		if n.count > 0 {
			for _, i := range t.order[n.next : n.next+n.count] {
				if d := t.distance(p, i); d < square {
					square, triangle = d, i
				}
			}
			continue
		}
		a, b := visit{n.next, t.nodes[n.next].distance(p)}, visit{n.next + 1, t.nodes[n.next+1].distance(p)}
		if a.square < b.square {
			a, b = b, a
		}
		if a.square < square {
			stack = append(stack, a)
		}
		if b.square < square {
			stack = append(stack, b)
		}
	}
	return square, triangle
}

// distance returns the square of the distance from a box.
func (n *node) distance(p vector) float64 {
	x := max(float64(n.low[0])-p[0], 0, p[0]-float64(n.high[0]))
	y := max(float64(n.low[1])-p[1], 0, p[1]-float64(n.high[1]))
	z := max(float64(n.low[2])-p[2], 0, p[2]-float64(n.high[2]))
	return x*x + y*y + z*z
}

// distance returns the square of the distance of p from a triangle: from its inside where p is above it, else from the
// nearest of its sides. Of a needle, whose inside is lost in rounding, the sides are as near.
func (t *tree) distance(p vector, i uint32) float64 {
	k := t.triangles[i]
	a, b, c := t.points[k[0]], t.points[k[1]], t.points[k[2]]
	ab, ac, ap := sub(b, a), sub(c, a), sub(p, a)
	// the normal equations of the place a + u·ab + v·ac
	bb, bc, cc := dot(ab, ab), dot(ab, ac), dot(ac, ac)
	bp, cp := dot(ab, ap), dot(ac, ap)
	det := bb*cc - bc*bc
	u, v := cc*bp-bc*cp, bb*cp-bc*bp
	if det > 1e-12*bb*cc && u >= 0 && v >= 0 && u+v <= det {
		n := cross(ab, ac)
		d := dot(n, ap)
		return d * d / dot(n, n)
	}
	best := segment(ap, ab, bp, bb)
	best = min(best, segment(ap, ac, cp, cc))
	side := sub(c, b)
	bq := sub(p, b)
	return min(best, segment(bq, side, dot(side, bq), dot(side, side)))
}

// segment returns the square of the distance of p from the line between the origin and d; along is p·d, square d·d.
func segment(p, d vector, along, square float64) float64 {
	switch {
	case along <= 0 || square == 0:
		return dot(p, p)
	case along >= square:
		e := sub(p, d)
		return dot(e, e)
	}
	e := sub(p, scale(d, along/square))
	return dot(e, e)
}
