package blend

import (
	"math"

	"varve/format"
)

// view is one struct of a file: fields are read by name. What is not there, is zero.
type view struct {
	f     *file
	s     *structure
	b     []byte
	block int
	off   int64 // in the block's data
}

// view returns struct i of block k, which stays valid. ok is false where there is none.
func (f *file) view(k int, i int64) (v view, ok bool, err error) {
	s := f.dna.at(f.blocks[k].sdna)
	if s == nil || s.size == 0 || i < 0 || i >= f.blocks[k].n/int64(s.size) {
		return view{}, false, nil
	}
	b, err := f.part(k, i*int64(s.size), int64(s.size))
	if err != nil {
		return view{}, false, err
	}
	return view{f, s, append([]byte(nil), b...), k, i * int64(s.size)}, true, nil
}

// root returns the struct of a data-block itself.
func (f *file) root(g *group) (view, error) {
	v, ok, err := f.view(g.first, 0)
	if err == nil && !ok {
		err = format.Malformed("block %s at %d is no data-block", f.blocks[g.first].code, f.blocks[g.first].off)
	}
	return v, err
}

// inner returns a struct that is a field of v.
func (v view) inner(names ...string) view {
	if v.s == nil {
		return view{}
	}
	d := v.s.field(names...)
	if d == nil || d.inner < 0 {
		return view{}
	}
	s := &v.f.dna.structs[d.inner]
	return view{v.f, s, v.b[d.off : d.off+s.size], v.block, v.off + int64(d.off)}
}

// cell returns the bytes of one of the elements of a field, nil if it has none such.
func (v view) cell(i int, names []string) ([]byte, *field) {
	if v.s == nil {
		return nil, nil
	}
	d := v.s.field(names...)
	if d == nil || i < 0 || i >= d.count || d.size == 0 {
		return nil, nil
	}
	w := d.size / d.count
	return v.b[d.off+i*w:][:w:w], d
}

func (v view) has(names ...string) bool { return v.s != nil && v.s.field(names...) != nil }

// text returns a char array.
func (v view) text(names ...string) string {
	if b, d := v.cell(0, names); d != nil && d.typ == "char" && d.stars == 0 {
		return text(v.b[d.off:][:max(len(b), d.size)])
	}
	return ""
}

// pointer returns the value of a pointer.
func (v view) pointer(names ...string) uint64 {
	if b, d := v.cell(0, names); d != nil && d.stars > 0 {
		return v.f.header.pointer(b)
	}
	return 0
}

func (v view) int(names ...string) int64     { return v.intAt(0, names...) }
func (v view) float(names ...string) float64 { return v.floatAt(0, names...) }

func (v view) intAt(i int, names ...string) int64 {
	b, d := v.cell(i, names)
	if d == nil || d.stars > 0 {
		return 0
	}
	switch d.typ {
	case "char", "uchar", "int8_t":
		return int64(b[0])
	case "short":
		return int64(int16(v.f.header.order.Uint16(b)))
	case "ushort":
		return int64(v.f.header.order.Uint16(b))
	case "int", "long":
		if len(b) == 4 {
			return int64(int32(v.f.header.order.Uint32(b)))
		}
	case "int64_t", "uint64_t":
		if len(b) == 8 {
			return int64(v.f.header.order.Uint64(b))
		}
	}
	if len(b) == 4 {
		return int64(v.f.header.order.Uint32(b))
	}
	return 0
}

func (v view) floatAt(i int, names ...string) float64 {
	b, d := v.cell(i, names)
	switch {
	case d == nil || d.stars > 0:
		return 0
	case d.typ == "float" && len(b) == 4:
		return float64(math.Float32frombits(v.f.header.order.Uint32(b)))
	case d.typ == "double" && len(b) == 8:
		return math.Float64frombits(v.f.header.order.Uint64(b))
	}
	return float64(v.intAt(i, names...))
}

// floats returns n elements of a field.
func (v view) floats(n int, names ...string) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v.floatAt(i, names...)
	}
	return out
}

// addressed finds blocks of a group by their addresses.
func (f *file) addressed(g *group) map[uint64]int {
	m := make(map[uint64]int, g.last-g.first)
	for i := g.first; i < g.last; i++ {
		m[f.blocks[i].old] = i
	}
	return m
}

// follow returns the first struct at an address; none where it leads to nothing of the group.
func (f *file) follow(at map[uint64]int, p uint64) (view, error) {
	k, ok := at[p]
	if p == 0 || !ok {
		return view{}, nil
	}
	v, _, err := f.view(k, 0)
	return v, err
}

// list calls each with all structs of a ListBase that is a field of v, until it returns false.
func (f *file) list(at map[uint64]int, v view, base string, each func(view) bool) error {
	p := v.inner(base).pointer("first")
	for n := 0; p != 0 && n <= len(at); n++ {
		item, err := f.follow(at, p)
		if err != nil || item.s == nil || !each(item) {
			return err
		}
		p = item.pointer("next")
	}
	return nil
}

// nameOf returns the name of the data-block at an address, "" for none.
func (f *file) nameOf(p uint64) string {
	if i, ok := f.owner[p]; ok && p != 0 {
		return f.groups[i].key
	}
	return ""
}
