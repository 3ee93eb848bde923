package mesh

import (
	"context"
	"math"
	"math/bits"
	"sort"
)

// tree finds the nearest place on a surface: boxes in boxes, cut along a space-filling curve. One may ask at a time.
type tree struct {
	points    []vector
	triangles [][3]uint32
	order     []uint32 // triangles along the curve
	nodes     []node
	above     []uint32 // parent of each two nodes
	leaves    []uint32 // node of each triangle
	stack     [128]visit
}

// visit is a node that is yet to be looked at. They stand in the tree: on the stack they were cleared for each search,
// a tenth of its time.
type visit struct {
	node   uint32
	square float64 // four times that of the distance from its box
}

// node is a box, by its middle and how far it goes from there. Its children stand at next and next+1; a leaf has count
// triangles of the order, from next.
type node struct {
	mid, half [3]float32
	next      uint32
	count     uint32 // 0: no leaf
}

const leaf = 3 // triangles

// newTree builds a tree; triangles with corners that are not finite are left out.
func newTree(ctx context.Context, points []vector, triangles [][3]uint32) (*tree, error) {
	t := &tree{points: points, triangles: triangles}
	box := t.middles()
	var per vector
	for k := range 3 {
		if d := box.Max[k] - box.Min[k]; d > 0 {
			per[k] = 1023.99 / d
		}
	}
	lx, ly, lz := box.Min[0], box.Min[1], box.Min[2]
	keys := make([]uint64, 0, len(triangles)) // the code above, the triangle below
	for i := range triangles {
		x, y, z := t.middle(i)
		if !finite(vector{x, y, z}) {
			continue
		}
		code := spread(uint64((x-lx)*per[0])) | spread(uint64((y-ly)*per[1]))<<1 | spread(uint64((z-lz)*per[2]))<<2
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
		t.nodes = make([]node, 2, 2+len(keys)) // one is free: two children lie in one line of the cache
		t.above = make([]uint32, 1, 1+len(keys)/2)
		t.leaves = make([]uint32, len(triangles))
		t.split(0, keys, 0)
	}
	return t, nil
}

// middle returns that of a triangle.
func (t *tree) middle(i int) (x, y, z float64) {
	k := &t.triangles[i]
	a, b, c := &t.points[k[0]], &t.points[k[1]], &t.points[k[2]]
	return (a[0] + b[0] + c[0]) * (1.0 / 3), (a[1] + b[1] + c[1]) * (1.0 / 3), (a[2] + b[2] + c[2]) * (1.0 / 3)
}

// middles returns the box of those of all triangles that are finite.
func (t *tree) middles() Bounds {
	far := math.Inf(1)
	lx, ly, lz, hx, hy, hz := far, far, far, -far, -far, -far
	for i := range t.triangles {
		x, y, z := t.middle(i)
		if finite(vector{x, y, z}) {
			lx, hx = widen(lx, hx, x)
			ly, hy = widen(ly, hy, y)
			lz, hz = widen(lz, hz, z)
		}
	}
	return Bounds{vector{lx, ly, lz}, vector{hx, hy, hz}}
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
		for _, k := range keys {
			t.leaves[uint32(k)] = uint32(i)
		}
		n.hold(t.box(t.order[from : from+len(keys)]))
		return
	}
	mid := len(keys) / 2
	if differ := (keys[0] ^ keys[len(keys)-1]) >> 32; differ != 0 {
		bit := uint64(1) << (63 - bits.LeadingZeros64(differ) + 32)
		mid = sort.Search(len(keys), func(k int) bool { return keys[k]&bit != 0 })
	}
	next := len(t.nodes)
	t.nodes = append(t.nodes, node{}, node{})
	t.above = append(t.above, uint32(i))
	t.split(next, keys[:mid], from)
	t.split(next+1, keys[mid:], from+mid)
	n, a, b := &t.nodes[i], &t.nodes[next], &t.nodes[next+1]
	n.next = uint32(next)
	n.hold(a.with(b))
}

func (t *tree) box(of []uint32) Bounds {
	far := math.Inf(1)
	lx, ly, lz, hx, hy, hz := far, far, far, -far, -far, -far
	for _, i := range of {
		for _, k := range &t.triangles[i] {
			p := &t.points[k]
			lx, hx = widen(lx, hx, p[0])
			ly, hy = widen(ly, hy, p[1])
			lz, hz = widen(lz, hz, p[2])
		}
	}
	return Bounds{vector{lx, ly, lz}, vector{hx, hy, hz}}
}

// widen makes an interval hold x, which is a number: min and max ask for that first.
func widen(low, high, x float64) (float64, float64) {
	if x < low {
		low = x
	}
	if x > high {
		high = x
	}
	return low, high
}

// hold makes the box such that it holds b, however middle and half are rounded.
func (n *node) hold(b Bounds) {
	for k := range 3 {
		mid := float32(b.Min[k]/2 + b.Max[k]/2)
		half := max(b.Max[k]-float64(mid), float64(mid)-b.Min[k])
		n.mid[k] = mid
		n.half[k] = math.Nextafter32(float32(half*(1+1e-6)), math.MaxFloat32)
	}
}

// with returns the box of two nodes.
func (n *node) with(o *node) (b Bounds) {
	for k := range 3 {
		m, r, om, or := float64(n.mid[k]), float64(n.half[k]), float64(o.mid[k]), float64(o.half[k])
		b.Min[k], _ = widen(m-r, m-r, om-or)
		_, b.Max[k] = widen(m+r, m+r, om+or)
	}
	return b
}

// nearest returns the square of the distance of p from the surface, and the triangle that is nearest. hint is a triangle
// that may be near: the last answer for a point nearby saves most of the search. Infinity where there is no surface.
func (t *tree) nearest(p vector, hint uint32) (square float64, triangle uint32) {
	square = math.Inf(1)
	if len(t.order) == 0 || !finite(p) {
		return square, hint
	}
	if int(hint) < len(t.triangles) {
		if d := t.distance(p, hint, square); d < square { // not NaN
			square, triangle = d, hint
		}
		if n := t.leaves[hint]; t.nodes[n].close(square) {
			return t.climb(p, n, square, triangle)
		}
	}
	return t.search(p, 0, 0, square, triangle)
}

// close reports whether a distance is not large against a leaf: what is nearest is around it then.
func (n *node) close(square float64) bool {
	r := float64(n.half[0]) + float64(n.half[1]) + float64(n.half[2])
	return n.count > 0 && square < 4*r*r
}

// climb searches from a leaf upwards, all that lies beside the way: of most nodes one look says that they are too far,
// where a search from the top looks at two on every floor.
func (t *tree) climb(p vector, at uint32, square float64, triangle uint32) (float64, uint32) {
	square, triangle = t.search(p, at, 0, square, triangle)
	for at > 1 {
		n := &t.nodes[at^1]
		x, y, z := outside(p[0], n.mid[0], n.half[0]), outside(p[1], n.mid[1], n.half[1]), outside(p[2], n.mid[2], n.half[2])
		if d := x*x + y*y + z*z; d < 4*square {
			square, triangle = t.search(p, at^1, d, square, triangle)
		}
		at = t.above[at/2]
	}
	return square, triangle
}

// search looks beneath a node, from whose box p has a distance, for what is nearer than square.
func (t *tree) search(p vector, from uint32, away, square float64, triangle uint32) (float64, uint32) {
	stack := &t.stack
	stack[0] = visit{from, away}
	x, y, z := p[0], p[1], p[2]
	for top := 0; top >= 0; {
		v := stack[top]
		top--
		if v.square >= 4*square {
			continue
		}
		n := &t.nodes[v.node]
		for n.count == 0 { // down the nearer side
			near, far := n.next, n.next+1
			l, r := &t.nodes[near], &t.nodes[far]
			lx, ly, lz := outside(x, l.mid[0], l.half[0]), outside(y, l.mid[1], l.half[1]), outside(z, l.mid[2], l.half[2])
			rx, ry, rz := outside(x, r.mid[0], r.half[0]), outside(y, r.mid[1], r.half[1]), outside(z, r.mid[2], r.half[2])
			a, b := lx*lx+ly*ly+lz*lz, rx*rx+ry*ry+rz*rz
			if b < a {
				near, far, a, b = far, near, b, a
			}
			if b < 4*square {
				top++
				stack[top] = visit{far, b}
			}
			if a >= 4*square {
				break
			}
			n = &t.nodes[near]
		}
		if n.count == 0 {
			continue
		}
		for _, i := range t.order[n.next : n.next+n.count] {
			if d := t.distance(p, i, square); d < square {
				square, triangle = d, i
			}
		}
	}
	return square, triangle
}

// outside returns twice how far x is from an interval; d + |d| is that without a branch, which would be guessed wrong as
// often as not.
func outside(x float64, mid, half float32) float64 {
	d := math.Abs(x-float64(mid)) - float64(half)
	return d + math.Abs(d)
}

// distance returns the square of the distance of p from a triangle, or infinity if that is seen to be not below least.
// Above its inside it is that from its plane; else that from a side: one beyond which p is, for elsewhere no place is
// nearest. Of a needle, whose inside is lost in rounding, all sides are asked. This is where comparisons spend their time:
// numbers, not vectors, stay in registers.
func (t *tree) distance(p vector, i uint32, least float64) float64 {
	k := &t.triangles[i]
	a, b, c := &t.points[k[0]], &t.points[k[1]], &t.points[k[2]]
	px, py, pz := p[0]-a[0], p[1]-a[1], p[2]-a[2]
	ex, ey, ez := b[0]-a[0], b[1]-a[1], b[2]-a[2]
	fx, fy, fz := c[0]-a[0], c[1]-a[1], c[2]-a[2]
	nx, ny, nz := ey*fz-ez*fy, ez*fx-ex*fz, ex*fy-ey*fx
	nn := nx*nx + ny*ny + nz*nz
	h := px*nx + py*ny + pz*nz
	ee, ff := ex*ex+ey*ey+ez*ez, fx*fx+fy*fy+fz*fz
	sound := nn > 1e-12*ee*ff
	if sound && h*h >= least*nn {
		return math.Inf(1)
	}
	ef, ep, fp := ex*fx+ey*fy+ez*fz, ex*px+ey*py+ez*pz, fx*px+fy*py+fz*pz
	u, v, w := -1.0, -1.0, -1.0 // shares of b, c and a, times nn
	if sound {
		u, v = ff*ep-ef*fp, ee*fp-ef*ep
		w = nn - u - v
		if u >= 0 && v >= 0 && w >= 0 {
			return h * h / nn
		}
	}
	best := math.Inf(1)
	if v < 0 {
		best = segment(px, py, pz, ex, ey, ez, ep, ee)
	}
	if u < 0 {
		best = min(best, segment(px, py, pz, fx, fy, fz, fp, ff))
	}
	if w < 0 {
		px, py, pz = px-ex, py-ey, pz-ez
		ex, ey, ez = fx-ex, fy-ey, fz-ez
		best = min(best, segment(px, py, pz, ex, ey, ez, ex*px+ey*py+ez*pz, ex*ex+ey*ey+ez*ez))
	}
	return best
}

// segment returns the square of the distance of p from the line between the origin and d; along is p·d, square d·d.
func segment(px, py, pz, dx, dy, dz, along, square float64) float64 {
	s := 0.0
	if along > 0 && square > 0 {
		s = min(1, along/square)
	}
	px, py, pz = px-s*dx, py-s*dy, pz-s*dz
	return px*px + py*py + pz*pz
}
