package fbx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"

	"varve/format"
	"varve/format/formattest"
)

// hostile are files that ask for more than they are.
func hostile() map[string][]byte {
	k := making{version: 7400, deflate: true}
	mesh := func(vertices []float64, corners []int32) []item {
		list := rig(ids(1), nil)
		list[2].kids[0].kids[0].values[0] = vertices
		list[2].kids[0].kids[1].values[0] = corners
		return list
	}
	deep := of("x")
	for range maxDepth + 5 {
		deep = of("x").with(deep)
	}
	scene := k.file(rig(ids(1), nil)...)
	at := bytes.Index(scene, []byte("Vertices")) + len("Vertices") // d, count, coding, length
	longer, shorter, huge := bytes.Clone(scene), bytes.Clone(scene), bytes.Clone(scene)
	binary.LittleEndian.PutUint32(longer[at+1:], 19)
	binary.LittleEndian.PutUint32(shorter[at+1:], 17)
	binary.LittleEndian.PutUint32(huge[at+1:], 0xffffffff)
	end := bytes.Clone(scene)
	binary.LittleEndian.PutUint32(end[27:], uint32(len(end)*2))
	values := bytes.Clone(scene)
	binary.LittleEndian.PutUint32(values[27+4:], 1<<30)
	cut := bytes.Clone(scene)
	sum := bytes.Clone(scene)
	size := int(binary.LittleEndian.Uint32(sum[at+9:]))
	sum[at+13+size-1] ^= 1
	nested := making{version: 7400, text: true}.file(append(rig(ids(1), nil), deep)...)
	return map[string][]byte{
		"more numbers than there are": longer, "fewer numbers than there are": shorter, "numbers without end": huge,
		"an end behind the file's": end, "values without end": values, "a wrong sum": sum,
		"deep": k.file(append(rig(ids(1), nil), deep)...), "deep text": nested, "cut": cut[:len(cut)-30], "nothing but a head": scene[:27], "half a head": scene[:20],
		"a corner that is not there":   k.file(mesh([]float64{0, 0, 0}, []int32{0, 1, -3})...),
		"an array of text without end": []byte("; FBX 7.4.0 project file\nFBXHeaderExtension: {\nFBXVersion: 7400\n}\nObjects: {\nVertices: *3 {\na: 1,2"),
		"an array of text that is not": []byte("; FBX 7.4.0 project file\nFBXHeaderExtension: {\nFBXVersion: 7400\n}\nObjects: {\nVertices: *3 {\na: 1,2\n}\n}\n"),
		"an open brace":                []byte("; FBX 7.4.0 project file\nFBXHeaderExtension: {\nFBXVersion: 7400\n}\nObjects: {\n"),
		"an open text":                 []byte("; FBX 7.4.0 project file\nFBXHeaderExtension: {\nFBXVersion: 7400\n}\nObjects: {\nA: \"b\n}\n"),
	}
}

// TestHostile: files that do not hold what they say are malformed, and no memory is taken for what they say.
func TestHostile(t *testing.T) {
	for name, b := range hostile() {
		in := format.Bytes(b)
		err := format.Validate(t.Context(), Format{}, in)
		if err == nil {
			_, err = format.Model(t.Context(), Format{}, in)
		}
		if !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		if err := formattest.Survive(t.Context(), Format{}, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBomb: an array that deflates a thousand times is checked, in little memory; models of many of them are too large.
func TestBomb(t *testing.T) {
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 40 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	list := rig(ids(1), nil)
	for i := range 8 {
		list[2].kids = append(list[2].kids, of("Geometry", int64(1000+i), class{fmt.Sprint("G", i), "Geometry"}, "Mesh").with(
			of("Vertices", deflated{'d', 40 << 20 / 8, z.Bytes()}), of("PolygonVertexIndex", []int32{0, 0, -1})))
		list[3].kids = append(list[3].kids, of("C", "OO", int64(1000+i), ids(1)(2)))
	}
	in := format.Bytes(making{version: 7400}.file(list...))
	if err := format.Validate(t.Context(), Format{}, in); err != nil {
		t.Error(err)
	}
	if _, err := format.Model(t.Context(), Format{}, in); !errors.Is(err, format.ErrLimit) {
		t.Errorf("a model of 320 MB of a file of %d bytes: %v", in.Size(), err)
	}
}

// TestLoops: what is within itself, and what has two places, is read once.
func TestLoops(t *testing.T) {
	list := rig(ids(1), nil)
	n := ids(1)
	list[3].kids = append(list[3].kids, of("C", "OO", n(4), n(3)), of("C", "OO", n(2), n(2)), of("C", "OO", n(8), n(8)), of("C", "OO", n(7), n(8)))
	list[3].kids = list[3].kids[3:] // the null is in what is in it, and nowhere else
	list[3].kids = append([]item{of("C", "OO", n(3), n(4))}, list[3].kids...)
	in := format.Bytes(making{version: 7400}.file(list...))
	m, err := format.Model(t.Context(), Format{}, in)
	if err != nil || len(m.Objects) != 2 {
		t.Errorf("%+v, %v", m, err)
	}
	if list, err := format.Elements(t.Context(), Format{}, in); err != nil || len(list) != 10 {
		t.Errorf("%d, %v", len(list), err)
	}
}

// TestRegions: arrays and files within are apart, at their widths.
func TestRegions(t *testing.T) {
	list := rig(ids(1), bytes.Repeat([]byte("picture"), 3000))
	vertices := make([]float64, 3*4000)
	list[2].kids[0].kids[0].values[0] = vertices
	for name, k := range makings() {
		b := k.file(list...)
		regions := (format.Set{Format{}}).Regions("x.fbx", bytes.NewReader(b), int64(len(b)))
		wide, picture := 0, 0
		for _, r := range regions {
			if r.Width == 8 && r.Len == 8*int64(len(vertices)) {
				wide++
			}
			if strings.HasPrefix(string(b[r.Off:r.Off+r.Len]), "picturepicture") && r.Len == 21000 {
				picture++
			}
		}
		if want := name == "7400" || name == "7500"; (wide == 1) != want || picture != 1 {
			t.Errorf("%s: %+v", name, regions)
		}
	}
}

func FuzzFile(f *testing.F) {
	seeds := hostile()
	for name, k := range makings() {
		seeds[name] = k.file(rig(ids(1), nil)...)
	}
	formattest.Fuzz(f, Format{}, seeds)
}
