package blend

import "math"

const maxEars = 512 // corners of a face that is cut with care

// appendFace appends the triangles of a face. A face with a corner that turns inwards is cut so that no triangle lies
// outside of it.
func appendFace(out [][3]uint32, points [][3]float64, corners []uint32) [][3]uint32 {
	if len(corners) < 3 {
		return out
	}
	if len(corners) > 3 && len(corners) <= maxEars {
		if flat, convex := flatten(points, corners); !convex {
			return appendEars(out, flat, corners)
		}
	}
	for i := 2; i < len(corners); i++ {
		out = append(out, [3]uint32{corners[0], corners[i-1], corners[i]})
	}
	return out
}

// flatten looks at a face from where it is seen best, counter-clockwise, and says whether it is convex.
func flatten(points [][3]float64, corners []uint32) (flat [][2]float64, convex bool) {
	var n [3]float64 // twice the area, by axis
	last := points[corners[len(corners)-1]]
	for _, c := range corners {
		p := points[c]
		for i := range 3 {
			j, k := (i+1)%3, (i+2)%3
			n[i] += (last[j] - p[j]) * (last[k] + p[k])
		}
		last = p
	}
	axis := 0
	for i := range n {
		if math.Abs(n[i]) > math.Abs(n[axis]) {
			axis = i
		}
	}
	u, v := (axis+1)%3, (axis+2)%3
	if n[axis] < 0 {
		u, v = v, u
	}
	flat = make([][2]float64, len(corners))
	for i, c := range corners {
		flat[i] = [2]float64{points[c][u], points[c][v]}
	}
	for i := range flat {
		if turn(flat[i], flat[(i+1)%len(flat)], flat[(i+2)%len(flat)]) < 0 {
			return flat, false
		}
	}
	return flat, true
}

// turn is twice the area of a triangle; negative if it is clockwise.
func turn(a, b, c [2]float64) float64 {
	return (b[0]-a[0])*(c[1]-a[1]) - (b[1]-a[1])*(c[0]-a[0])
}

// appendEars cuts off a corner at a time, of which nothing else is inside.
func appendEars(out [][3]uint32, flat [][2]float64, corners []uint32) [][3]uint32 {
	left := make([]int, len(corners))
	for i := range left {
		left[i] = i
	}
	for len(left) > 3 {
		cut := 0 // where no ear is: it crosses itself, and any will do
		for i := range left {
			if ear(flat, left, i) {
				cut = i
				break
			}
		}
		n := len(left)
		out = append(out, [3]uint32{corners[left[(cut+n-1)%n]], corners[left[cut]], corners[left[(cut+1)%n]]})
		left = append(left[:cut], left[cut+1:]...)
	}
	return append(out, [3]uint32{corners[left[0]], corners[left[1]], corners[left[2]]})
}

func ear(flat [][2]float64, left []int, i int) bool {
	n := len(left)
	a, b, c := flat[left[(i+n-1)%n]], flat[left[i]], flat[left[(i+1)%n]]
	if turn(a, b, c) <= 0 {
		return false
	}
	for _, k := range left {
		p := flat[k]
		if p != a && p != b && p != c && turn(a, b, p) >= 0 && turn(b, c, p) >= 0 && turn(c, a, p) >= 0 {
			return false
		}
	}
	return true
}
