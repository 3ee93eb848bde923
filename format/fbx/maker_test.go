package fbx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/klauspost/compress/zlib"
)

// item is a node of a file that a test makes: values are string, []byte, int32, int64, float64, []int32, []float64.
type item struct {
	name   string
	values []any
	kids   []item
}

func of(name string, values ...any) item { return item{name: name, values: values} }

func (i item) with(kids ...item) item { return item{i.name, i.values, append(i.kids, kids...)} }

type class struct{ name, class string } // of an object

type deflated struct { // an array
	kind  byte
	count int
	bytes []byte
}

// making is a file that a test makes.
type making struct {
	version int
	order   order
	deflate bool
	text    bool
}

// file makes one of nodes.
func (k making) file(list ...item) []byte {
	if k.text {
		var out strings.Builder
		fmt.Fprintf(&out, "; FBX %d.%d.0 project file\n", k.version/1000, k.version/100%10)
		for _, i := range list {
			k.write(&out, i, "")
		}
		return []byte(out.String())
	}
	out := append([]byte(magic), 0x1a, 0)
	if k.order == nil {
		k.order = binary.LittleEndian
	}
	if k.order == binary.BigEndian {
		out[22] = 1
	}
	out = k.order.AppendUint32(out, uint32(k.version))
	for _, i := range list {
		out = k.node(out, i)
	}
	out = append(out, make([]byte, k.word()*3+1)...)
	out = append(out, "sixteen bytes..."...)
	for zero := 0; zero < 5 || len(out)%16 != 4; zero++ {
		out = append(out, 0)
	}
	out = k.order.AppendUint32(out, uint32(k.version))
	return append(append(out, make([]byte, 120)...), tail()...)
}

func (k making) word() int {
	if k.version >= 7500 {
		return 8
	}
	return 4
}

func (k making) node(out []byte, i item) []byte {
	start, w := len(out), k.word()
	set := func(at, v int) {
		if w == 8 {
			k.order.PutUint64(out[start+at*8:], uint64(v))
		} else {
			k.order.PutUint32(out[start+at*4:], uint32(v))
		}
	}
	out = append(out, make([]byte, 3*w)...)
	out = append(append(out, byte(len(i.name))), i.name...)
	head := len(out)
	for _, v := range i.values {
		out = k.value(out, v)
	}
	set(1, len(i.values))
	set(2, len(out)-head)
	for _, kid := range i.kids {
		out = k.node(out, kid)
	}
	if len(i.kids) > 0 {
		out = append(out, make([]byte, 3*w+1)...)
	}
	set(0, len(out))
	return out
}

func (k making) value(out []byte, v any) []byte {
	text := func(kind byte, s string) []byte {
		return append(k.order.AppendUint32(append(out, kind), uint32(len(s))), s...)
	}
	switch v := v.(type) {
	case class:
		return text('S', v.name+"\x00\x01"+v.class)
	case string:
		return text('S', v)
	case []byte:
		return text('R', string(v))
	case deflated:
		out = k.order.AppendUint32(append(out, v.kind), uint32(v.count))
		out = k.order.AppendUint32(out, 1)
		return append(k.order.AppendUint32(out, uint32(len(v.bytes))), v.bytes...)
	case int32:
		return k.order.AppendUint32(append(out, 'I'), uint32(v))
	case int64:
		return k.order.AppendUint64(append(out, 'L'), uint64(v))
	case float64:
		return k.order.AppendUint64(append(out, 'D'), math.Float64bits(v))
	case []int32:
		var b []byte
		for _, x := range v {
			b = k.order.AppendUint32(b, uint32(x))
		}
		return k.array(out, 'i', len(v), b)
	case []float64:
		var b []byte
		for _, x := range v {
			b = k.order.AppendUint64(b, math.Float64bits(x))
		}
		return k.array(out, 'd', len(v), b)
	}
	panic(fmt.Sprintf("%T", v))
}

func (k making) array(out []byte, kind byte, n int, b []byte) []byte {
	coding := uint32(0)
	if k.deflate {
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		_, _ = w.Write(b)
		_ = w.Close()
		b, coding = z.Bytes(), 1
	}
	out = k.order.AppendUint32(append(out, kind), uint32(n))
	out = k.order.AppendUint32(out, coding)
	return append(k.order.AppendUint32(out, uint32(len(b))), b...)
}

func (k making) write(out *strings.Builder, i item, indent string) {
	fmt.Fprintf(out, "%s%s: ", indent, i.name)
	for n, v := range i.values {
		if n > 0 {
			out.WriteString(", ")
		}
		switch v := v.(type) {
		case class:
			fmt.Fprintf(out, "\"%s::%s\"", v.class, v.name)
		case string:
			fmt.Fprintf(out, "\"%s\"", quote(v))
		case []byte:
			fmt.Fprintf(out, "\"%s\"", v)
		case []int32:
			fmt.Fprintf(out, "*%d {\n a: %s\n}", len(v), strings.ReplaceAll(strings.Trim(fmt.Sprint(v), "[]"), " ", ","))
		case []float64:
			fmt.Fprintf(out, "*%d {\n a: %s\n}", len(v), strings.ReplaceAll(strings.Trim(fmt.Sprint(v), "[]"), " ", ","))
		default:
			fmt.Fprint(out, v)
		}
	}
	if i.kids != nil {
		out.WriteString(" {\n")
		for _, kid := range i.kids {
			k.write(out, kid, indent+"\t")
		}
		out.WriteString(indent + "}")
	}
	out.WriteString("\n")
}

func p(name, kind string, values ...any) item {
	return of("P", append([]any{name, kind, "", "A"}, values...)...)
}

// ids are the numbers of objects, which are others in each file; the scene is the same.
func ids(from int64) func(int64) int64 { return func(n int64) int64 { return from + n*7919 } }

// rig is a scene: two quadrilaterals at two places, the second in a null that is turned and in other units, with a
// picture.
func rig(id func(int64) int64, content []byte) []item {
	n := func(i int64) any { return id(i) }
	video := of("Video", n(5), class{"wood", "Video"}, "Clip").with(of("Type", "Clip"),
		of("Properties70").with(of("P", "Path", "KString", "XRefUrl", "", `C:\art\wood.png`)), of("Filename", `C:\art\wood.png`), of("RelativeFilename", `tex\wood.png`))
	if content != nil {
		video = video.with(of("Content", content))
	}
	return []item{
		of("FBXHeaderExtension").with(of("FBXHeaderVersion", int32(1003)), of("FBXVersion", int32(7400))),
		of("GlobalSettings").with(of("Properties70").with(p("UpAxis", "int", int32(2)), p("UnitScaleFactor", "double", 100.0))),
		of("Objects").with(
			of("Geometry", n(1), class{"Quads", "Geometry"}, "Mesh").with(
				of("Vertices", []float64{0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 2, 0, 0, 2, 1, 0}),
				of("PolygonVertexIndex", []int32{0, 1, 2, -4, 1, 4, 5, -3}),
				of("LayerElementUV", int32(0)).with(of("MappingInformationType", "ByPolygonVertex"), of("ReferenceInformationType", "IndexToDirect"),
					of("UV", []float64{0, 0, 1, 0, 1, 1, 0, 1}), of("UVIndex", []int32{0, 1, 2, 3, 0, 1, 2, 3})),
				of("LayerElementMaterial", int32(0)).with(of("MappingInformationType", "ByPolygon"), of("ReferenceInformationType", "IndexToDirect"), of("Materials", []int32{1, 0}))),
			of("Model", n(2), class{"A", "Model"}, "Mesh").with(of("Properties70").with(p("Lcl Translation", "Lcl Translation", 5.0, 0.0, 0.0))),
			of("Model", n(3), class{"A", "Model"}, "Mesh"),
			of("Model", n(4), class{"Turn", "Model"}, "Null").with(of("Properties70").with(
				p("Lcl Rotation", "Lcl Rotation", 0.0, 0.0, 90.0), p("Lcl Scaling", "Lcl Scaling", 2.0, 2.0, 2.0))),
			of("Material", n(6), class{"Plain", "Material"}, "").with(of("Properties70").with(p("DiffuseColor", "Color", 0.5, 0.25, 0.0))),
			of("Material", n(7), class{"Wood", "Material"}, ""),
			of("Texture", n(8), class{"Wood", "Texture"}, "").with(of("Media", class{"wood", "Video"}), of("FileName", `C:\art\wood.png`), of("RelativeFilename", `tex\wood.png`)),
			video,
			of("Pose", n(9), class{"Bind", "Pose"}, "BindPose").with(of("PoseNode").with(of("Node", n(4)), of("Matrix", []float64{1, 0, 0, 1}))),
		),
		of("Connections").with(
			of("C", "OO", n(2), int64(0)), of("C", "OO", n(4), int64(0)), of("C", "OO", n(3), n(4)),
			of("C", "OO", n(1), n(2)), of("C", "OO", n(1), n(3)),
			of("C", "OO", n(6), n(2)), of("C", "OO", n(7), n(2)), of("C", "OO", n(7), n(3)),
			of("C", "OP", n(8), n(7), "DiffuseColor"), of("C", "OO", n(5), n(8))),
	}
}

// makings are the ways in which a file may be written.
func makings() map[string]making {
	return map[string]making{"7400": {version: 7400}, "7500": {version: 7500}, "deflated": {version: 7500, deflate: true},
		"big-endian": {version: 7500, order: binary.BigEndian}, "text": {version: 7400, text: true}}
}
