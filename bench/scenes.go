package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
)

// A scene is a Blender file of one rock for each mesh, laid out as Blender 3.4 does on 64 bits, with the few structs that
// it needs.
type scene struct {
	meshes  int
	n       int          // squares along the sides of each rock
	session int          // another one: other addresses and session numbers, as after opening a file again
	moved   map[int]bool // objects that stand elsewhere
	shaped  map[int]bool // meshes with another shape
}

const blendStructs = `ID: void *next; void *prev; void *newid; void *lib; char name[66]; short flag; int us; int icon_id; int session_uuid; int _pad
ListBase: void *first; void *last
Object: ID id; short type; short partype; int flag; Object *parent; void *data; float loc[3]; float size[3]; float rot[3]; float _pad2
CustomDataLayer: int type; int offset; int flag; int active; int active_rnd; int active_clone; int active_mask; int uid; char name[64]; void *data; void *anonymous_id
CustomData: CustomDataLayer *layers; int typemap[52]; int totlayer; int maxlayer; int totsize; int _pad; void *pool; void *external
Mesh: ID id; int totvert; int totedge; int totface; int totloop; int totpoly; int _pad3; CustomData vdata; CustomData edata; CustomData ldata; CustomData pdata
MVert: float co[3]; char flag; char bweight; char _pad4[2]
MEdge: int v1; int v2; char crease; char bweight; short flag
MLoop: int v; int e
MLoopUV: float uv[2]; int flag
MPoly: int loopstart; int totloop; short mat_nr; char flag; char _pad5
Collection: ID id; ListBase gobject; ListBase children
CollectionObject: void *next; void *prev; Object *ob
Scene: ID id; Collection *master_collection`

// A dna knows how structs lie in memory.
type dna struct {
	text  []byte // the block DNA1
	index map[string]int
	size  map[string]int
	at    map[string]int // of "Struct.field"
}

func newDNA() *dna {
	d := &dna{index: map[string]int{}, size: map[string]int{"char": 1, "short": 2, "int": 4, "float": 4, "void": 0}, at: map[string]int{}}
	types, names := []string{"char", "short", "int", "float", "void"}, []string{}
	number := func(list *[]string, s string) int {
		for i, x := range *list {
			if x == s {
				return i
			}
		}
		*list = append(*list, s)
		return len(*list) - 1
	}
	var structs []byte
	all := strings.Split(blendStructs, "\n")
	for i, line := range all {
		name, fields, _ := strings.Cut(line, ": ")
		d.index[name] = i
		list := strings.Split(fields, "; ")
		structs = binary.LittleEndian.AppendUint16(structs, uint16(number(&types, name)))
		structs = binary.LittleEndian.AppendUint16(structs, uint16(len(list)))
		size := 0
		for _, f := range list {
			kind, field, _ := strings.Cut(f, " ")
			structs = binary.LittleEndian.AppendUint16(structs, uint16(number(&types, kind)))
			structs = binary.LittleEndian.AppendUint16(structs, uint16(number(&names, field)))
			plain, count := field, 1
			if at := strings.IndexByte(field, '['); at > 0 {
				plain = field[:at]
				_, _ = fmt.Sscanf(field[at:], "[%d]", &count) // the table above has only such
			}
			one := d.size[kind]
			if strings.HasPrefix(plain, "*") {
				one = 8
			}
			d.at[name+"."+strings.TrimLeft(plain, "*")] = size
			size += one * count
		}
		d.size[name] = size
	}
	d.text = []byte("SDNANAME")
	texts := func(list []string) {
		d.text = binary.LittleEndian.AppendUint32(d.text, uint32(len(list)))
		for _, s := range list {
			d.text = append(append(d.text, s...), 0)
		}
		for len(d.text)%4 != 0 {
			d.text = append(d.text, 0)
		}
	}
	texts(names)
	d.text = append(d.text, "TYPE"...)
	texts(types)
	d.text = append(d.text, "TLEN"...)
	for _, t := range types {
		d.text = binary.LittleEndian.AppendUint16(d.text, uint16(d.size[t]))
	}
	for len(d.text)%4 != 0 {
		d.text = append(d.text, 0)
	}
	d.text = binary.LittleEndian.AppendUint32(append(d.text, "STRC"...), uint32(len(all)))
	d.text = append(d.text, structs...)
	return d
}

// A blender writes blocks.
type blender struct {
	*dna
	s *scene
	w io.Writer
}

// fields of a struct: int, float32, string, address.
type fields map[string]any

type address uint64

// address of thing k of object n.
func (b *blender) address(n, k int) address {
	return address(0x7f0000000000 + b.s.session*0x1230000 + n*0x4000 + k*0x200)
}

func (b *blender) pack(name string, f fields) []byte {
	out := make([]byte, b.size[name])
	for at, value := range f {
		into, off, owner := at, 0, name
		if outer, inner, ok := strings.Cut(at, "/"); ok { // a field of a struct inside: "vdata/CustomData.layers"
			off = b.at[name+"."+outer]
			owner, into, _ = strings.Cut(inner, ".")
		}
		p := out[off+b.at[owner+"."+into]:]
		switch v := value.(type) {
		case int:
			binary.LittleEndian.PutUint32(p, uint32(v))
		case int16:
			binary.LittleEndian.PutUint16(p, uint16(v))
		case float32:
			binary.LittleEndian.PutUint32(p, math.Float32bits(v))
		case string:
			copy(p, v)
		case address:
			binary.LittleEndian.PutUint64(p, uint64(v))
		}
	}
	return out
}

// block writes one, of count structs.
func (b *blender) block(code, name string, at address, count int, data []byte) error {
	head := append([]byte(code), make([]byte, 4-len(code))...)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(data)))
	head = binary.LittleEndian.AppendUint64(head, uint64(at))
	head = binary.LittleEndian.AppendUint32(head, uint32(b.index[name]))
	head = binary.LittleEndian.AppendUint32(head, uint32(count))
	if _, err := b.w.Write(head); err != nil {
		return err
	}
	_, err := b.w.Write(data)
	return err
}

// id is the head of a data-block.
func (b *blender) id(name string, n int) fields {
	return fields{"id/ID.name": name, "id/ID.us": 1, "id/ID.session_uuid": 100*b.s.session + n, "id/ID.prev": b.address(n, 9), "id/ID.next": b.address(n+2, 9)}
}

func with(f, more fields) fields {
	for k, v := range more {
		f[k] = v
	}
	return f
}

func (s *scene) write(w *bufio.Writer) error {
	b := &blender{newDNA(), s, w}
	if _, err := io.WriteString(w, "BLENDER-v304"); err != nil {
		return err
	}
	first, last := b.address(0, 2), b.address(s.meshes-1, 2)
	master := b.address(s.meshes, 1)
	if err := b.block("SC", "Scene", b.address(s.meshes, 0), 1, b.pack("Scene", with(b.id("SCScene", s.meshes), fields{"master_collection": master}))); err != nil {
		return err
	}
	collection := with(b.id("GRMaster", s.meshes+1), fields{"gobject/ListBase.first": first, "gobject/ListBase.last": last})
	if err := b.block("DATA", "Collection", master, 1, b.pack("Collection", collection)); err != nil {
		return err
	}
	for i := range s.meshes {
		link := fields{"ob": b.address(i, 0)}
		if i > 0 {
			link["prev"] = b.address(i-1, 2)
		}
		if i+1 < s.meshes {
			link["next"] = b.address(i+1, 2)
		}
		if err := b.block("DATA", "CollectionObject", b.address(i, 2), 1, b.pack("CollectionObject", link)); err != nil {
			return err
		}
	}
	for i := range s.meshes {
		o := with(b.id(fmt.Sprintf("OBRock.%03d", i), i), fields{"type": int16(1), "data": b.address(i, 1), "loc": float32(3 * i), "size": float32(1)})
		if s.moved[i] {
			o["loc"] = float32(3*i + 1)
		}
		object := b.pack("Object", o)
		for k := range 3 {
			binary.LittleEndian.PutUint32(object[b.at["Object.size"]+4*k:], math.Float32bits(1))
		}
		if err := b.block("OB", "Object", b.address(i, 0), 1, object); err != nil {
			return err
		}
	}
	for i := range s.meshes {
		if err := b.mesh(i); err != nil {
			return err
		}
	}
	if err := b.block("DNA1", "ID", 8, 1, b.text); err != nil {
		return err
	}
	return b.block("ENDB", "ID", 0, 0, nil)
}

// layers of a mesh, in CustomData's numbers.
const (
	layerVert   = 0
	layerEdge   = 3
	layerUV     = 16
	layerPoly   = 25
	layerCorner = 26
)

func (b *blender) mesh(i int) error {
	k := &rock{n: b.s.n, seed: i, bumped: b.s.shaped[i]}
	var verts, edges, corners, uvs, faces []byte
	u32 := binary.LittleEndian.AppendUint32
	k.vertices(func(at, _ [3]float32) {
		for _, x := range at {
			verts = u32(verts, math.Float32bits(x))
		}
		verts = append(verts, 0, 0, 0, 0)
	})
	n := 0
	k.squares(func(p, q, r, s uint32) {
		for c, v := range []uint32{p, q, r, s} {
			corners = u32(u32(corners, v), uint32(2*n+c&1))
			uvs = u32(u32(u32(uvs, math.Float32bits(float32(v%251)/256)), math.Float32bits(float32(v%127)/128)), 0)
		}
		for _, v := range []uint32{q, s} { // two a square, about
			edges = append(u32(u32(edges, p), v), 0, 0, 0x23, 0)
		}
		faces = append(u32(u32(faces, uint32(4*n)), 4), 0, 0, 0, 0)
		n++
	})
	layers := []struct {
		custom, name string
		kind, width  int
		data         []byte
	}{{"vdata", "MVert", layerVert, 16, verts}, {"edata", "MEdge", layerEdge, 12, edges}, {"ldata", "MLoop", layerCorner, 8, corners}, {"ldata", "MLoopUV", layerUV, 12, uvs}, {"pdata", "MPoly", layerPoly, 12, faces}}
	m := with(b.id(fmt.Sprintf("MERock.%03d", i), 1000+i), fields{"totvert": len(verts) / 16, "totedge": len(edges) / 12, "totloop": 4 * n, "totpoly": n})
	count, list := map[string]int{}, map[string][]byte{}
	for l, x := range layers {
		count[x.custom]++
		m[x.custom+"/CustomData.totlayer"], m[x.custom+"/CustomData.maxlayer"] = count[x.custom], 5
		if count[x.custom] == 1 {
			m[x.custom+"/CustomData.layers"] = b.address(i, 10+l)
		}
		list[x.custom] = append(list[x.custom], b.pack("CustomDataLayer", fields{"type": x.kind, "data": b.address(i, 20+l), "name": x.name})...)
	}
	if err := b.block("ME", "Mesh", b.address(i, 1), 1, b.pack("Mesh", m)); err != nil {
		return err
	}
	for l, x := range layers {
		if l == 0 || layers[l-1].custom != x.custom {
			if err := b.block("DATA", "CustomDataLayer", b.address(i, 10+l), count[x.custom], list[x.custom]); err != nil {
				return err
			}
		}
		if err := b.block("DATA", x.name, b.address(i, 20+l), len(x.data)/x.width, x.data); err != nil {
			return err
		}
	}
	return nil
}
