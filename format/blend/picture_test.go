package blend

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/mesh"
)

// counting counts what is read.
type counting struct {
	format.Input
	reads, bytes int
}

func (c *counting) ReadAt(b []byte, off int64) (int, error) {
	c.reads++
	c.bytes += len(b)
	return c.Input.ReadAt(b, off)
}

// TestPreview: the rows of a preview are from the bottom, and it is had with few reads of a big file.
func TestPreview(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		d := still()
		d.preview = true
		m := d.make(k)
		m.raw(0x999990, make([]byte, 8<<20))
		b := m.bytes()
		noise := b[len(b)-len(m.sdna)-(8<<20)-100:]
		for i := range 8 << 20 {
			noise[i+40] ^= byte(i*i>>3) ^ byte(i>>9)
		}
		for name, c := range map[string][]byte{"plain": b, "gzip": gzipping(t, b), "frames": framing(t, b, 100_000, true)} {
			in := &counting{Input: format.Bytes(c)}
			p, err := format.Show(t.Context(), Format{}, in, 256)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := []byte{7, 8, 9, 255, 10, 11, 12, 0, 1, 2, 3, 255, 4, 5, 6, 255}
			if p.Source != format.Embedded || p.Image.Width != 2 || !slices.Equal(p.Image.U8, want) {
				t.Errorf("%s: %s %v", name, p.Source, p.Image.U8)
			}
			if name != "gzip" && (in.reads > 8 || in.bytes > 250_000) {
				t.Errorf("%s: %d reads, %d bytes of %d", name, in.reads, in.bytes, len(c))
			}
		}
	})
}

// TestDrawn: without a preview, meshes are drawn; without meshes it says so.
func TestDrawn(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		p, err := format.Show(t.Context(), Format{}, format.Bytes(still().bytes(k)), 64)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for i := 3; i < len(p.Image.U8); i += 4 {
			if p.Image.U8[i] == 255 {
				seen++
			}
		}
		m := still().make(k)
		m.blocks = append([]extra{{block{code: codeOf("TEST"), n: 24, count: 1}, append(m.ints(2, 2), make([]byte, 16)...)}}, m.blocks...)
		if q, err := format.Show(t.Context(), Format{}, format.Bytes(m.bytes()), 64); err != nil || q.Source != format.Rendered {
			t.Errorf("with a preview in which nothing is: %+v, %v", q, err)
		}
		if p.Source != format.Rendered || p.Note == "" || p.Image.Width != 64 || seen < 100 {
			t.Errorf("%s %q %d×%d, %d pixels", p.Source, p.Note, p.Image.Width, p.Image.Height, seen)
		}
		_, err = format.Show(t.Context(), Format{}, format.Bytes(newMaker(k).bytes()), 64)
		if err == nil || !strings.Contains(err.Error(), "no preview, and no mesh") {
			t.Errorf("of nothing: %v", err)
		}
	})
}

func modelled(t testing.TB, b []byte) *mesh.Model {
	t.Helper()
	m, err := format.Model(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestModel: faces of any number of corners, faces of before 2.63, parents, materials.
func TestModel(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		m := modelled(t, still().bytes(k))
		if len(m.Objects) != 2 || m.Up != 'Z' {
			t.Fatalf("%d objects, up %c", len(m.Objects), m.Up)
		}
		vase, bowl := m.Objects[0], m.Objects[1]
		if vase.ID != "OBVase" || vase.Mesh.Faces != 2 || len(vase.Mesh.Triangles) != 3 || vase.Mesh.Positions[4] != [3]float64{0, 0, 2} {
			t.Errorf("%s: %+v", vase.ID, vase.Mesh)
		}
		if bowl.Name != "Bowl" || len(bowl.Mesh.Triangles) != 1 || bowl.Transform[12] != 1 || bowl.Transform[13] != 5 || bowl.Transform[14] != 2 {
			t.Errorf("%s: %+v at %v", bowl.ID, bowl.Mesh, bowl.Transform)
		}
		if len(m.Materials) != 1 || m.Materials[0].Name != "Glaze" || m.Materials[0].Color[0] != 0.5 || vase.Mesh.Groups[0].Material != 0 {
			t.Errorf("materials %+v, groups %+v", m.Materials, vase.Mesh.Groups)
		}
	})
}

// TestModelOfAttributes: meshes as from 3.6, of arrays without structs.
func TestModelOfAttributes(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		m := newMaker(k)
		m.add("OB", "Object", 0x100, values{"id.name": "OBa", "type": 1, "data": uint64(0x200), "size": []float64{2, 2, 2}})
		m.add("ME", "Mesh", 0x200, values{"id.name": "MEa", "totvert": 4, "totpoly": 2, "totloop": 6, "poly_offset_indices": uint64(0x340),
			"vdata.layers": uint64(0x300), "vdata.totlayer": 1, "ldata.layers": uint64(0x310), "ldata.totlayer": 1, "pdata.layers": uint64(0x320), "pdata.totlayer": 2})
		m.add("DATA", "CustomDataLayer", 0x300, values{"type": layerFloat3, "name": "position", "data": uint64(0x400)})
		m.add("DATA", "CustomDataLayer", 0x310, values{"type": layerInt, "name": ".corner_vert", "data": uint64(0x410)})
		m.add("DATA", "CustomDataLayer", 0x320, values{"type": layerInt, "name": "other", "data": uint64(0x430)}, values{"type": layerInt, "name": "material_index", "data": uint64(0x420)})
		m.raw(0x340, m.ints(0, 3, 6))
		m.raw(0x400, m.floats(0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1))
		m.raw(0x410, m.ints(0, 1, 2, 0, 1, 3))
		m.raw(0x420, m.ints(1, 0))
		m.raw(0x430, m.ints(5, 6))
		got := modelled(t, m.bytes())
		if len(got.Objects) != 1 {
			t.Fatalf("%d objects", len(got.Objects))
		}
		o := got.Objects[0]
		if want := [][3]uint32{{0, 1, 3}, {0, 1, 2}}; !slices.Equal(o.Mesh.Triangles, want) || o.Transform[0] != 2 || len(o.Mesh.Groups) != 2 {
			t.Errorf("%v at %v, groups %v", o.Mesh.Triangles, o.Transform, o.Mesh.Groups)
		}
	})
}

// TestModelDamaged: indices that lead out of a mesh are found.
func TestModelDamaged(t *testing.T) {
	for _, v := range []values{{"loopstart": 0, "totloop": 9}, {"loopstart": -1, "totloop": 3}, {"loopstart": 4, "totloop": -2}} {
		m := still().make(machines()[0])
		for i := range m.blocks {
			if m.blocks[i].block.sdna == int32(m.dna.index["MPoly"]) {
				for name, x := range v {
					m.put(m.blocks[i].data, m.dna.of("MPoly"), name, x)
				}
			}
		}
		if _, err := (Format{}).Model(t.Context(), format.Bytes(m.bytes())); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%v: %v", v, err)
		}
	}
	m := still().make(machines()[0])
	for i := range m.blocks {
		if m.blocks[i].block.sdna == int32(m.dna.index["MLoop"]) {
			m.put(m.blocks[i].data, m.dna.of("MLoop"), "v", 5)
		}
	}
	if _, err := (Format{}).Model(t.Context(), format.Bytes(m.bytes())); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("vertex 5 of 5: %v", err)
	}
}

// TestModelParents: objects that are each other's parents have an end.
func TestModelParents(t *testing.T) {
	m := still().make(machines()[0])
	m.add("OB", "Object", 0x100, values{"id.name": "OBa", "type": 1, "data": m.blocks[0].block.old, "parent": uint64(0x140)})
	m.add("OB", "Object", 0x140, values{"id.name": "OBb", "type": 1, "data": addressOf(m, "MEBowlMesh"), "parent": uint64(0x100)})
	if got := modelled(t, m.bytes()); len(got.Objects) != 3 {
		t.Errorf("%d objects", len(got.Objects))
	}
}

// addressOf returns that of a data-block.
func addressOf(m *maker, name string) uint64 {
	for i := range m.blocks {
		if k := &m.blocks[i]; k.block.code.opens() && bytes.Contains(k.data, append([]byte(name), 0)) {
			return k.block.old
		}
	}
	panic(name)
}

// TestEars: a face with a corner that turns inwards keeps its area, whichever corner it starts with and however it lies.
func TestEars(t *testing.T) {
	outline := [][2]float64{{0, 0}, {4, 0}, {4, 4}, {3, 1}, {2, 3}, {1, 1}} // area 6.5
	for start := range outline {
		for axis := range 3 {
			for _, reverse := range []bool{false, true} {
				var points [][3]float64
				var corners []uint32
				for i := range outline {
					p := outline[(start+i)%len(outline)]
					var q [3]float64
					q[(axis+1)%3], q[(axis+2)%3] = p[0], p[1]
					points, corners = append(points, q), append(corners, uint32(i))
				}
				if reverse {
					slices.Reverse(corners)
				}
				area := 0.0
				list := appendFace(nil, points, corners)
				for _, c := range list {
					a, b, d := points[c[0]], points[c[1]], points[c[2]]
					u, v := (axis+1)%3, (axis+2)%3
					area += math.Abs(turn([2]float64{a[u], a[v]}, [2]float64{b[u], b[v]}, [2]float64{d[u], d[v]})) / 2
				}
				want := 0.0
				for i, p := range outline {
					q := outline[(i+1)%len(outline)]
					want += (p[0]*q[1] - p[1]*q[0]) / 2
				}
				if len(list) != 4 || math.Abs(area-want) > 1e-9 {
					t.Errorf("from %d, axis %d: %d triangles of area %g, want %g", start, axis, len(list), area, want)
				}
			}
		}
	}
}

// TestSeams: big blocks are regions, of numbers where their struct is such; in a compressed file its frames are.
func TestSeams(t *testing.T) {
	each(t, func(t *testing.T, k machine) {
		m := still().make(k)
		m.add("DATA", "bNodeSocketValueRGBA", 0x5000, make([]values, 5000)...)
		m.add("DATA", "MVert", 0x5010, make([]values, 5000)...)
		m.raw(0x5020, make([]byte, 70_000))
		m.raw(0x5030, make([]byte, 60_000))
		b := m.bytes()
		got, err := Format{}.Regions(format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		wide := uint8(4)
		if k.name == "big-endian" {
			wide = 1
		}
		want := []format.Region{{Len: 80_000, Width: wide}, {Len: 80_000, Width: 1}, {Len: 70_000, Width: 1}}
		f, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			want[i].Off = f.blocks[len(f.blocks)-5+i].off + f.header.headLen()
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		got, err = Format{}.Regions(format.Bytes(framing(t, b, 50_000, true)))
		if n := (len(b) + 49_999) / 50_000; err != nil || len(got) != n || got[0].Off != 0 || got[1].Off != got[0].Len {
			t.Errorf("%d frames, %v, %v", n, got, err)
		}
	})
}
