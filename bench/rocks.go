package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// A rock is a closed surface: a cube of six grids of n × n squares, blown up to a ball with hills. Another n is the same
// rock of other triangles.
type rock struct {
	n      int
	seed   int
	bumped bool // raised at one place
}

// triangles is how many it has.
func (k *rock) triangles() int { return 12 * k.n * k.n }

// vertices are those of the six grids, one after the other, row by row: position, and where it looks.
func (k *rock) vertices(each func(at, out [3]float32)) {
	for side := range 6 {
		for j := range k.n + 1 {
			for i := range k.n + 1 {
				each(k.vertex(side, i, j))
			}
		}
	}
}

// vertex of a side: the same numbers for the vertices of two sides that are one.
func (k *rock) vertex(side, i, j int) (at, out [3]float32) {
	c := [3]int{}
	a := side / 2
	c[a], c[(a+1)%3], c[(a+2)%3] = k.n, 2*i-k.n, 2*j-k.n
	if side&1 == 1 {
		c[a], c[(a+1)%3], c[(a+2)%3] = -k.n, 2*j-k.n, 2*i-k.n // turned, so that it faces outwards
	}
	length := math.Sqrt(float64(c[0]*c[0] + c[1]*c[1] + c[2]*c[2]))
	var q [3]int // the direction, in 65,536ths
	for x := range 3 {
		q[x] = int(float64(c[x]<<16)/length) + 1<<17
	}
	place := uint64(k.seed) << 40
	r := 1<<16 + cloud(place, q, 1<<15)*48 + cloud(place+1<<36, q, 1<<13)*12 + cloud(place+2<<36, q, 1<<11)*2
	if k.bumped {
		if d := (q[0]-1<<17-40000)*(q[0]-1<<17-40000) + (q[1]-1<<17-30000)*(q[1]-1<<17-30000) + (q[2]-1<<17-40000)*(q[2]-1<<17-40000); d < 1<<29 {
			r += (1<<29 - d) >> 17
		}
	}
	for x := range 3 {
		out[x] = float32(float64(c[x]) / length)
		at[x] = float32(float64(c[x]*r) / float64(length*65536))
	}
	return at, out
}

// cloud is noise in space, of 0 to 255.
func cloud(place uint64, q [3]int, lattice int) int {
	var lo, part [3]int
	for x := range 3 {
		lo[x], part[x] = q[x]/lattice, q[x]%lattice
	}
	sum := 0
	for corner := range 8 {
		weight, name := 1, place
		for x := range 3 {
			up := corner >> x & 1
			w := part[x]
			if up == 0 {
				w = lattice - w
			}
			weight *= w >> 4 // of 15 bits at most: three of 11
			name += uint64(lo[x]+up) << (12 * x)
		}
		sum += int(mix(name)&255) * weight
	}
	return sum / (lattice >> 4 * (lattice >> 4) * (lattice >> 4))
}

// squares calls each with the corners of all, as numbers of vertices, going round as seen from outside.
func (k *rock) squares(each func(a, b, c, d uint32)) {
	w := k.n + 1
	for side := range 6 {
		for j := range k.n {
			for i := range k.n {
				at := uint32(side*w*w + j*w + i)
				each(at, at+1, at+uint32(w)+1, at+uint32(w))
			}
		}
	}
}

// stl is a binary file; normals are left to who reads it.
func (k *rock) stl() []byte {
	var points [][3]float32
	k.vertices(func(at, _ [3]float32) { points = append(points, at) })
	b := make([]byte, 84, 84+50*k.triangles())
	copy(b, "rock")
	binary.LittleEndian.PutUint32(b[80:], uint32(k.triangles()))
	triangle := func(v ...uint32) {
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		for _, i := range v {
			for _, x := range points[i] {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
			}
		}
		b = append(b, 0, 0)
	}
	k.squares(func(p, q, r, s uint32) { triangle(p, q, r); triangle(p, r, s) })
	return b
}

// glb is a binary glTF of positions, normals and triangles.
func (k *rock) glb() []byte {
	bin := make([]byte, 0, 12*24*(k.n+1)*(k.n+1)/2+12*k.triangles())
	number := func(x float32) { bin = binary.LittleEndian.AppendUint32(bin, math.Float32bits(x)) }
	low, high := [3]float32{9, 9, 9}, [3]float32{-9, -9, -9}
	vertices := 0
	k.vertices(func(at, _ [3]float32) {
		vertices++
		for x, v := range at {
			number(v)
			low[x], high[x] = min(low[x], v), max(high[x], v)
		}
	})
	k.vertices(func(_, out [3]float32) {
		for _, v := range out {
			number(v)
		}
	})
	k.squares(func(p, q, r, s uint32) {
		for _, i := range []uint32{p, q, r, p, r, s} {
			bin = binary.LittleEndian.AppendUint32(bin, i)
		}
	})
	text := fmt.Sprintf(`{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0,"name":"Rock"}],`+
		`"meshes":[{"name":"Rock","primitives":[{"attributes":{"POSITION":0,"NORMAL":1},"indices":2}]}],`+
		`"accessors":[{"bufferView":0,"componentType":5126,"count":%d,"type":"VEC3","min":[%v,%v,%v],"max":[%v,%v,%v]},`+
		`{"bufferView":1,"componentType":5126,"count":%d,"type":"VEC3"},{"bufferView":2,"componentType":5125,"count":%d,"type":"SCALAR"}],`+
		`"bufferViews":[{"buffer":0,"byteLength":%d},{"buffer":0,"byteOffset":%d,"byteLength":%d},{"buffer":0,"byteOffset":%d,"byteLength":%d}],`+
		`"buffers":[{"byteLength":%d}]}`, vertices, low[0], low[1], low[2], high[0], high[1], high[2], vertices, 3*k.triangles(),
		12*vertices, 12*vertices, 12*vertices, 24*vertices, 12*k.triangles(), len(bin))
	return glbFile(text+strings.Repeat(" ", (4-len(text)%4)%4), bin)
}
