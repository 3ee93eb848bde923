package psd

import (
	"encoding/binary"
	"math"

	"varve/format"
)

// value is a value of a descriptor: Photoshop's own tree of keys and values.
type value struct {
	kind   string // its type in the file: Objc, VlLs, TEXT, enum, long, doub, UntF, bool, tdta, …
	class  string // of an object; of an enum its type
	text   string // of TEXT; of an enum its value
	number float64
	items  []item // of an object, in order; of a list without keys
	data   []byte // of raw data
	at     span   // of the value, without its type, in the bytes that were parsed
}

type item struct {
	key string
	all span // with key and type
	value
}

const (
	maxDescriptor = 64 << 20 // bytes
	maxNesting    = 64
	maxItems      = 1 << 20
)

// get returns the value at a path of keys; none if there is none.
func (v *value) get(path ...string) *value {
	for _, key := range path {
		if v = v.child(key); v == nil {
			return &value{}
		}
	}
	return v
}

func (v *value) child(key string) *value {
	for i := range v.items {
		if v.items[i].key == key {
			return &v.items[i].value
		}
	}
	return nil
}

// descriptors reads descriptors.
type descriptors struct {
	*scan
	items int
}

// descriptor reads one after its version.
func (s *scan) descriptor() *value {
	if v := s.u32(); s.err == nil && v != 16 {
		s.fail("version %d of a descriptor", v)
	}
	d := &descriptors{scan: s}
	v := &value{kind: "Objc"}
	v.at.off = s.at
	d.object(v, 0)
	v.at.n = s.at - v.at.off
	return v
}

// id reads a key: four characters, or any number of them after their count.
func (d *descriptors) id() string {
	n := int64(d.u32())
	if n == 0 {
		return d.key()
	}
	if n > 1<<10 {
		d.fail("a key of %d characters", n)
		return ""
	}
	return string(d.take(int(n)))
}

// count reads how many things follow that take at least size bytes each.
func (d *descriptors) count(size int64) int {
	n := int64(d.u32())
	d.items += int(min(n, maxItems))
	if d.err == nil && (n*size > d.left() || d.items > maxItems) {
		d.fail("%d items in %d bytes", n, d.left())
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

func (d *descriptors) object(v *value, depth int) {
	d.unicode()
	v.class = d.id()
	n := d.count(9)
	for range n {
		if d.err != nil {
			return
		}
		it := item{all: span{off: d.at}}
		it.key = d.id()
		d.value(&it.value, d.key(), depth+1)
		it.all.n = d.at - it.all.off
		v.items = append(v.items, it)
	}
}

func (d *descriptors) value(v *value, kind string, depth int) {
	v.kind = kind
	v.at.off = d.at
	if depth > maxNesting {
		d.fail("more than %d levels of a descriptor", maxNesting)
		return
	}
	switch kind {
	case "Objc", "GlbO":
		d.object(v, depth)
	case "VlLs", "obj ":
		n := d.count(4)
		for range n {
			if d.err != nil {
				return
			}
			var it item
			it.all.off = d.at
			if kind == "obj " {
				d.reference(&it.value, d.key())
			} else {
				d.value(&it.value, d.key(), depth+1)
			}
			it.all.n = d.at - it.all.off
			v.items = append(v.items, it)
		}
	case "ObAr":
		d.u32()
		d.object(v, depth)
	case "UnFl":
		d.key()
		d.skip(8 * int64(d.count(8)))
	case "doub":
		v.number = d.double()
	case "UntF":
		v.class = d.key()
		v.number = d.double()
	case "TEXT":
		v.text = d.unicode()
	case "enum":
		v.class, v.text = d.id(), d.id()
	case "long":
		v.number = float64(d.i32())
	case "comp":
		d.skip(8)
	case "bool":
		v.number = float64(d.u8())
	case "type", "GlbC":
		d.unicode()
		v.class = d.id()
	case "alis", "tdta", "Pth ":
		d.raw(v)
	default:
		d.fail("a value of type %.4q", kind)
	}
	v.at.n = d.at - v.at.off
}

// raw reads bytes.
func (d *descriptors) raw(v *value) {
	n := d.length(false)
	if d.err != nil {
		return
	}
	b, err := format.ReadSpan(d.in, d.at, n, maxDescriptor)
	if err != nil {
		d.err = err
		return
	}
	v.data = b
	d.skip(n)
}

// reference reads a step of a reference to another thing in the document.
func (d *descriptors) reference(v *value, kind string) {
	v.kind = kind
	switch kind {
	case "prop":
		d.unicode()
		v.class, v.text = d.id(), d.id()
	case "Clss":
		d.unicode()
		v.class = d.id()
	case "Enmr":
		d.unicode()
		v.class = d.id()
		d.id()
		v.text = d.id()
	case "rele":
		d.unicode()
		v.class = d.id()
		v.number = float64(d.i32())
	case "Idnt", "indx":
		v.number = float64(d.i32())
	case "name":
		d.unicode()
		v.class = d.id()
		v.text = d.unicode()
	default:
		d.fail("a reference of type %.4q", kind)
	}
}

func (s *scan) double() float64 {
	if b := s.take(8); b != nil {
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}
