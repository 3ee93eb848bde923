package blend

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// machine is what a file was made on.
type machine struct {
	name    string
	wide    bool
	large   bool
	order   binary.ByteOrder
	version int
}

func machines() []machine {
	return []machine{
		{"64 bits", true, false, binary.LittleEndian, 304},
		{"32 bits", false, false, binary.LittleEndian, 248},
		{"big-endian", false, false, binary.BigEndian, 245},
		{"5.0", true, true, binary.LittleEndian, 500},
	}
}

// maker writes a small file as Blender lays it out, with structs of its own.
type maker struct {
	header
	dna    *dna
	sdna   []byte
	blocks []extra
}

// declarations are structs, a line each, fields with ";" after them.
const declarations = `Link: Link *next; Link *prev
ID: void *next; void *prev; void *newid; Library *lib; char name[66]; short flag; int us; int icon_id; int session_uuid; IDProperty *properties
ListBase: void *first; void *last
IDProperty: IDProperty *next; IDProperty *prev; char type; char subtype; short flag; char name[64]; void *pointer; int len; int _pad
Library: ID id; char name[1024]; char filepath[1024]; Library *parent
FileGlobal: char subvstr[4]; short subversion; short pad; char filename[1024]
Object: ID id; short type; short partype; Object *parent; void *data; float loc[3]; float size[3]; float rot[3]; float obmat[4][4]; float parentinv[4][4]; Material **mat; char *matbits; int totcol; int flag; ListBase modifiers; char _pad[4]
MeshCacheModifierData: void *next; void *prev; int type; char name[64]; char filepath[1024]
PointCache: PointCache *next; PointCache *prev; int flag; int frame; char name[64]; char path[1024]
CustomDataLayer: int type; int offset; int flag; int active; char name[64]; void *data
CustomData: CustomDataLayer *layers; int typemap[4]; int totlayer; int maxlayer; CustomDataExternal *external
CustomDataExternal: char filename[1024]
Mesh: ID id; Key *key; Material **mat; int totvert; int totedge; int totface; int totloop; int totpoly; CustomData vdata; CustomData ldata; CustomData pdata; MVert *mvert; MFace *mface; MLoop *mloop; MPoly *mpoly; int *poly_offset_indices; short totcol; short flag
MVert: float co[3]; char flag; char bweight; char _pad[2]
MFace: int v1; int v2; int v3; int v4; short mat_nr; char edcode; char flag
MLoop: int v; int e
MPoly: int loopstart; int totloop; short mat_nr; char flag; char _pad
Key: ID id; ID *from; int totkey; float ctime
Material: ID id; float r; float g; float b; float alpha; Image *ima; bNodeTree *nodetree
bNodeTree: ID id; ListBase nodes; int chosen; int _pad
bNode: bNode *next; bNode *prev; char name[64]; int flag; char idname[64]; ListBase inputs
bNodeSocket: bNodeSocket *next; bNodeSocket *prev; char name[64]; void *default_value; void *link; int flag
bNodeSocketValueRGBA: float value[4]
Image: ID id; char name[1024]; short source; short type; void *packedfile; int lastframe
bSound: ID id; char name[1024]; void *packedfile
VFont: ID id; char name[1024]; void *packedfile
MovieClip: ID id; char name[1024]; int source
Volume: ID id; char filepath[1024]; char is_sequence; char _pad[3]
Collection: ID id; ListBase gobject; ListBase children; int flag
CollectionObject: CollectionObject *next; CollectionObject *prev; Object *ob
CollectionChild: CollectionChild *next; CollectionChild *prev; Collection *collection
Scene: ID id; Object *camera; Collection *master_collection; Editing *ed; RenderData r; ToolSettings *tools
ToolSettings: int brush
RenderData: int cfra; int sfra; int efra
Editing: ListBase seqbase
Sequence: Sequence *next; Sequence *prev; int type; int len; Strip *strip; bSound *sound
Strip: Strip *next; Strip *prev; StripElem *stripdata; char dir[768]
StripElem: char name[256]; int width; int height
wmWindowManager: ID id; void *winactive`

func newMaker(k machine) *maker {
	m := &maker{header: header{length: 12, wide: k.wide, large: k.large, order: k.order, version: k.version}}
	if k.large {
		m.length = maxHeader
	}
	m.sdna = m.declare(declarations)
	var err error
	if m.dna, err = parseDNA(&m.header, m.sdna); err != nil {
		panic(err)
	}
	return m
}

// declare writes SDNA.
func (m *maker) declare(text string) []byte {
	sizes := map[string]int{"char": 1, "short": 2, "int": 4, "float": 4, "void": 0}
	types, names := []string{"char", "short", "int", "float", "void"}, []string{}
	index := func(list *[]string, s string) int {
		for i, x := range *list {
			if x == s {
				return i
			}
		}
		*list = append(*list, s)
		return len(*list) - 1
	}
	type line struct{ typ, name int }
	var structs [][]line
	var of []int
	var define func(name string)
	texts := map[string][]string{}
	var order []string
	for _, l := range strings.Split(text, "\n") {
		name, fields, _ := strings.Cut(l, ": ")
		texts[name] = strings.Split(fields, "; ")
		order = append(order, name)
	}
	define = func(name string) {
		if _, done := sizes[name]; done {
			return
		}
		size := 0
		for _, f := range texts[name] {
			typ, field, _ := strings.Cut(f, " ")
			d := declared(field)
			one := m.width()
			if d.stars == 0 {
				define(typ)
				one = sizes[typ]
			}
			size += one * d.count
		}
		sizes[name] = size
	}
	for _, name := range order {
		define(name)
		var s []line
		for _, f := range texts[name] {
			typ, field, _ := strings.Cut(f, " ")
			s = append(s, line{index(&types, typ), index(&names, field)})
		}
		structs, of = append(structs, s), append(of, index(&types, name))
	}
	var b []byte
	u16 := func(n int) { b = append(b, 0, 0); m.order.PutUint16(b[len(b)-2:], uint16(n)) }
	u32 := func(n int) { b = append(b, 0, 0, 0, 0); m.order.PutUint32(b[len(b)-4:], uint32(n)) }
	tag := func(s string) {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		b = append(b, s...)
	}
	list := func(s string, list []string) {
		tag(s)
		u32(len(list))
		for _, x := range list {
			b = append(append(b, x...), 0)
		}
	}
	tag("SDNA")
	list("NAME", names)
	list("TYPE", types)
	tag("TLEN")
	for _, t := range types {
		u16(sizes[t])
	}
	tag("STRC")
	u32(len(structs))
	for i, s := range structs {
		u16(of[i])
		u16(len(s))
		for _, l := range s {
			u16(l.typ)
			u16(l.name)
		}
	}
	return b
}

// values are those of a struct's fields by their names, "." between the fields of what is inside.
type values map[string]any

// add appends a block with structs.
func (m *maker) add(c, name string, old uint64, structs ...values) {
	s := m.dna.of(name)
	if s == nil {
		panic(name)
	}
	var data []byte
	for _, v := range structs {
		b := make([]byte, s.size)
		for path, value := range v {
			m.put(b, s, path, value)
		}
		data = append(data, b...)
	}
	m.blocks = append(m.blocks, extra{block{code: codeOf(c), sdna: int32(m.dna.index[name]), old: old, n: int64(len(data)), count: int64(len(structs))}, data})
}

// raw appends a block without structs.
func (m *maker) raw(old uint64, data []byte) {
	m.blocks = append(m.blocks, extra{block{code: codeOf("DATA"), old: old, n: int64(len(data)), count: 1}, data})
}

// pointers is an array of such.
func (m *maker) pointers(list ...uint64) []byte {
	b := make([]byte, len(list)*m.width())
	for i, p := range list {
		m.putPointer(b[i*m.width():], p)
	}
	return b
}

func (m *maker) ints(list ...int) []byte {
	b := make([]byte, 4*len(list))
	for i, n := range list {
		m.order.PutUint32(b[4*i:], uint32(n))
	}
	return b
}

func (m *maker) floats(list ...float64) []byte {
	b := make([]byte, 4*len(list))
	for i, x := range list {
		m.order.PutUint32(b[4*i:], math.Float32bits(float32(x)))
	}
	return b
}

func (m *maker) put(b []byte, s *structure, path string, value any) {
	name, rest, inside := strings.Cut(path, ".")
	d := s.field(name)
	if d == nil {
		panic(s.name + " has no " + path)
	}
	b = b[d.off : d.off+d.size]
	if inside {
		m.put(b, &m.dna.structs[d.inner], rest, value)
		return
	}
	w := d.size / d.count
	one := func(i int, n int) {
		switch w {
		case 1:
			b[i] = byte(n)
		case 2:
			m.order.PutUint16(b[2*i:], uint16(n))
		case 4:
			m.order.PutUint32(b[4*i:], uint32(n))
		}
	}
	switch x := value.(type) {
	case uint64:
		m.putPointer(b, x)
	case string:
		if len(x) > len(b) {
			panic(path)
		}
		copy(b, x)
	case int:
		one(0, x)
	case float64:
		copy(b, m.floats(x))
	case []float64:
		copy(b, m.floats(x...))
	default:
		panic(fmt.Sprintf("%T", x))
	}
}

// bytes is the file.
func (m *maker) bytes() []byte {
	b := []byte(magic)
	switch {
	case m.large:
		b = append(b, fmt.Sprintf("17-01v%04d", m.version)...)
	default:
		p, e := '_', 'v'
		if m.wide {
			p = '-'
		}
		if m.order == binary.BigEndian {
			e = 'V'
		}
		b = append(b, fmt.Sprintf("%c%c%03d", p, e, m.version)...)
	}
	all := append(m.blocks[:len(m.blocks):len(m.blocks)], extra{block{code: codeOf("DNA1"), old: 8, n: int64(len(m.sdna)), count: 1}, m.sdna}, extra{block: block{code: codeOf("ENDB")}})
	for i := range all {
		b = append(m.appendHead(b, &all[i].block), all[i].data...)
	}
	return b
}

// gzipping and framing are a file, compressed.
func gzipping(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func framing(t testing.TB, b []byte, length int, table bool) []byte {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	var list []frame
	for len(b) > 0 {
		n := min(length, len(b))
		p := enc.EncodeAll(b[:n], nil)
		list = append(list, frame{n: int64(len(p)), size: int64(n)})
		out, b = append(out, p...), b[n:]
	}
	if table {
		out = append(out, seekTable(list)...)
	}
	return out
}
