package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math"
	"path"
	"slices"
	"strings"
)

// An asset is a made-up game file: kind tga, png, wav or glb.
type asset struct {
	id     int
	kind   string
	folder string
	name   string
	edits  []string // an artist's work: pixels, samples, vertices change
	stamp  int      // the export that wrote a png's date
}

// assetVersions: 300 files of 190 MB: raw and compressed pictures, sound, models. v2: two folders of png are exported
// again, with another date and the same pixels; a twentieth of everything is worked on in one place. v3: the folder
// props moves, another twentieth is worked on, a fiftieth is new.
func assetVersions(scale float64) [][]entry {
	var all []asset
	add := func(kind string, count int) {
		folders := []string{"characters", "props", "terrain", "ui"}
		for range count {
			id := len(all)
			all = append(all, asset{id: id, kind: kind, folder: folders[id%len(folders)], name: fmt.Sprintf("%s_%d", word(id%vocabulary), id), stamp: 1})
		}
	}
	add("png", scaled(140, scale, 8))
	add("tga", scaled(40, scale, 4))
	add("wav", scaled(50, scale, 4))
	add("glb", scaled(70, scale, 4))
	out := [][]entry{entriesOfAssets(all)}
	for v := 2; v <= 3; v++ {
		r := seeded("assets", "version", v)
		for range max(2, len(all)/20) {
			a := &all[r.below(len(all))]
			a.edits, a.stamp = append(a.edits, fmt.Sprintf("v%d", v)), v
		}
		for i := range all {
			if a := &all[i]; v == 2 && (a.folder == "characters" || a.folder == "ui") {
				a.stamp = v
			} else if v == 3 && a.folder == "props" {
				a.folder = "environment/props"
			}
		}
		if v == 3 {
			add("png", max(1, len(all)/100))
			add("wav", max(1, len(all)/100))
		}
		out = append(out, entriesOfAssets(all))
	}
	return out
}

func entriesOfAssets(all []asset) []entry {
	var out []entry
	for _, a := range all {
		a.edits = slices.Clone(a.edits)
		happened := a.edits
		if a.kind == "png" {
			happened = append(slices.Clone(a.edits), fmt.Sprint("stamp ", a.stamp))
		}
		out = append(out, entry{path.Join(a.folder, a.name+"."+a.kind), history(a.kind, a.id, happened), bytesOf(a.bytes)})
	}
	return out
}

func (a asset) bytes() []byte {
	switch a.kind {
	case "png":
		return a.png()
	case "tga":
		return a.tga()
	case "wav":
		return a.wav()
	}
	return a.glb()
}

// side of a picture in pixels; edge of a model in vertices.
const (
	side = 512
	edge = 120
)

// paint makes the picture: smooth noise in one hue with fine grain, and a rectangle of another for each edit.
func (a asset) paint() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	paintOver(m, m.Rect, seeded("paint", a.id))
	for _, e := range a.edits {
		r := seeded("stroke", a.id, e)
		x, y := r.below(side-96), r.below(side-96)
		paintOver(m, image.Rect(x, y, x+r.between(32, 96), y+r.between(32, 96)), r)
	}
	return m
}

func paintOver(m *image.NRGBA, where image.Rectangle, r random) {
	place := r.next()
	hue := [3]int{r.between(40, 200), r.between(40, 200), r.between(40, 200)}
	for y := where.Min.Y; y < where.Max.Y; y++ {
		for x := where.Min.X; x < where.Max.X; x++ {
			level := smooth(place, x, y, 64)*3/4 + smooth(place+1, x, y, 16)/4 - 128
			grain := int(mix(place^uint64(y*side+x)) & 3)
			var c [3]uint8
			for i, h := range hue {
				c[i] = uint8(min(max(h+level*(i+2)/4+grain, 0), 255))
			}
			m.SetNRGBA(x, y, color.NRGBA{c[0], c[1], c[2], 255})
		}
	}
}

// smooth is noise of 0 to 255 on a lattice, blended along straight lines.
func smooth(place uint64, x, y, lattice int) int {
	at := func(i, j int) int { return int(mix(place+uint64(j)<<32+uint64(i)) & 255) }
	i, j, u, v := x/lattice, y/lattice, x%lattice, y%lattice
	top := at(i, j)*(lattice-u) + at(i+1, j)*u
	bottom := at(i, j+1)*(lattice-u) + at(i+1, j+1)*u
	return (top*(lattice-v) + bottom*v) / (lattice * lattice)
}

// png writes the date behind the picture's header, where exporters put it.
func (a asset) png() []byte {
	var b bytes.Buffer
	_ = (&png.Encoder{CompressionLevel: png.DefaultCompression}).Encode(&b, a.paint()) // a buffer takes it all
	const header = 8 + 25
	text := fmt.Sprintf("date:create\x002026-01-%02dT10:%02d:00+00:00", a.stamp, a.id%60)
	date := []byte{0x07, 0xea, 1, byte(a.stamp), 10, byte(a.id % 60), 0}
	return slices.Insert(b.Bytes(), header, slices.Concat(pngChunk("tEXt", []byte(text)), pngChunk("tIME", date))...)
}

func pngChunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// tga is an uncompressed picture of 32 bits a pixel.
func (a asset) tga() []byte {
	m := a.paint()
	b := make([]byte, 18, 18+len(m.Pix))
	b[2], b[16], b[17] = 2, 32, 0x28
	binary.LittleEndian.PutUint16(b[12:], side)
	binary.LittleEndian.PutUint16(b[14:], side)
	for p := m.Pix; len(p) > 0; p = p[4:] {
		b = append(b, p[2], p[1], p[0], p[3])
	}
	return b
}

// wav is sound of 16 bits, two channels: three tones that swell, and some noise. An edit makes a stretch quieter.
func (a asset) wav() []byte {
	r := seeded("sound", a.id)
	frames := r.between(3, 8) * 44100
	b := make([]byte, 0, 44+4*frames)
	b = binary.LittleEndian.AppendUint32(append(b, "RIFF"...), uint32(36+4*frames))
	b = binary.LittleEndian.AppendUint32(append(b, "WAVEfmt "...), 16)
	for _, v := range []uint16{1, 2} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	b = binary.LittleEndian.AppendUint32(b, 44100)
	b = binary.LittleEndian.AppendUint32(b, 4*44100)
	b = binary.LittleEndian.AppendUint16(b, 4)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), uint32(4*frames))
	quiet := make([]int, frames/4410+1) // eighths taken off, for each tenth of a second
	for _, e := range a.edits {
		r := seeded("mix", a.id, e)
		at := r.below(len(quiet))
		for i := at; i < min(at+5, len(quiet)); i++ {
			quiet[i] = r.between(1, 4)
		}
	}
	steps := [3]uint32{uint32(r.between(1e7, 8e7)), uint32(r.between(1e7, 8e7)), uint32(r.between(1e7, 8e7))}
	for f := range frames {
		swell := int32(f % 22050)
		swell = min(swell, 22050-swell) / 11
		var s int32
		for i, step := range steps {
			s += wave(uint32(f)*step) * swell >> (11 + i)
		}
		s = s * int32(8-quiet[f/4410]) / 8
		for range 2 {
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(s+int32(r.below(64)))))
		}
	}
	return b
}

// wave is nearly a sine of the phase, by a parabola: −8192 to 8192.
func wave(phase uint32) int32 {
	x := int32(phase) >> 16
	return x * (32768 - max(x, -x)) >> 15
}

// glb is a binary glTF: a hilly square of positions, normals and triangles. An edit raises some of the ground.
func (a asset) glb() []byte {
	r := seeded("model", a.id)
	place := r.next()
	height := make([]int, edge*edge)
	for i := range height {
		height[i] = smooth(place, i%edge, i/edge, 16)*256 + smooth(place+1, i%edge, i/edge, 4)*32 + r.below(64)
	}
	for _, e := range a.edits {
		r := seeded("sculpt", a.id, e)
		at := r.below(len(height) * 9 / 10)
		for i := range len(height) / 12 {
			height[at+i] += r.between(500, 900)
		}
	}
	bin := make([]byte, 0, edge*edge*48)
	number := func(n int) { bin = binary.LittleEndian.AppendUint32(bin, math.Float32bits(float32(n)/65536)) }
	for i, h := range height {
		number(i % edge << 10)
		number(h)
		number(i / edge << 10)
	}
	for i, h := range height {
		number(h - height[(i+1)%len(height)])
		number(65535)
		number(h - height[(i+edge)%len(height)])
	}
	indices := 0
	for y := range edge - 1 {
		for x := range edge - 1 {
			at := y*edge + x
			for _, v := range []int{at, at + 1, at + edge, at + 1, at + edge + 1, at + edge} {
				bin = binary.LittleEndian.AppendUint32(bin, uint32(v))
				indices++
			}
		}
	}
	return glbFile(gltf(a.name, indices, len(bin)), bin)
}

// gltf is the JSON part, in whole words.
func gltf(name string, indices, size int) string {
	const vertices, view = edge * edge, edge * edge * 12
	text := fmt.Sprintf(`{"asset":{"version":"2.0"},"scene":0,"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0,"name":%q}],`+
		`"meshes":[{"primitives":[{"attributes":{"POSITION":0,"NORMAL":1},"indices":2}]}],`+
		`"accessors":[{"bufferView":0,"componentType":5126,"count":%d,"type":"VEC3"},{"bufferView":1,"componentType":5126,"count":%d,"type":"VEC3"},`+
		`{"bufferView":2,"componentType":5125,"count":%d,"type":"SCALAR"}],`+
		`"bufferViews":[{"buffer":0,"byteLength":%d},{"buffer":0,"byteOffset":%d,"byteLength":%d},{"buffer":0,"byteOffset":%d,"byteLength":%d}],`+
		`"buffers":[{"byteLength":%d}]}`, name, vertices, vertices, indices, view, view, view, 2*view, 4*indices, size)
	return text + strings.Repeat(" ", (4-len(text)%4)%4)
}

func glbFile(text string, bin []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte("glTF"), 2)
	b = binary.LittleEndian.AppendUint32(b, uint32(12+8+len(text)+8+len(bin)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = append(append(b, "JSON"...), text...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(bin)))
	return append(append(b, "BIN\x00"...), bin...)
}
