package blend

import (
	"bytes"
	"strconv"
	"strings"

	"varve/format"
)

// dna says what the structs of a file are.
type dna struct {
	structs []structure
	index   map[string]int // by name
}

// structure is a struct.
type structure struct {
	name   string
	size   int
	fields []field
	index  map[string]int // of fields, by name; made when it is asked for
}

// field is a field of a struct.
type field struct {
	name  string // without stars, brackets and parentheses
	typ   string
	inner int // the struct that it is, by value; -1: none
	stars int // of a pointer, 1 or more
	off   int
	size  int // of all of it
	count int // elements of all dimensions
	last  int // of the last dimension
}

// of returns the struct of a name, nil if there is none.
func (d *dna) of(name string) *structure {
	if i, ok := d.index[name]; ok {
		return &d.structs[i]
	}
	return nil
}

// at returns a struct by number, nil where there is none.
func (d *dna) at(i int32) *structure {
	if i < 0 || int(i) >= len(d.structs) {
		return nil
	}
	return &d.structs[i]
}

// field returns the first field that has one of names, nil if none has: fields are called otherwise in other versions.
func (s *structure) field(names ...string) *field {
	if s.index == nil {
		s.index = make(map[string]int, len(s.fields))
		for i := range s.fields {
			if _, twice := s.index[s.fields[i].name]; !twice {
				s.index[s.fields[i].name] = i
			}
		}
	}
	for _, n := range names {
		if i, ok := s.index[n]; ok {
			return &s.fields[i]
		}
	}
	return nil
}

// reader reads the SDNA.
type reader struct {
	b    []byte
	h    *header
	at   int
	fail bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b)-r.at {
		r.fail = true
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

func (r *reader) u16() int {
	if b := r.take(2); b != nil {
		return int(r.h.order.Uint16(b))
	}
	return 0
}

func (r *reader) u32() int {
	if b := r.take(4); b != nil {
		return int(r.h.order.Uint32(b))
	}
	return 0
}

// tag moves to the next 4 bytes, and takes a tag.
func (r *reader) tag(want string) {
	r.at = min((r.at+3)&^3, len(r.b))
	if string(r.take(4)) != want {
		r.fail = true
	}
}

// count takes a number of things of at least size bytes each.
func (r *reader) count(size int) int {
	n := r.u32()
	if n < 0 || n > (len(r.b)-r.at)/size {
		r.fail = true
		return 0
	}
	return n
}

// strings takes a list of strings.
func (r *reader) strings() []string {
	out := make([]string, r.count(1))
	all := string(r.b) // once: each is a part of it
	for i := range out {
		n := bytes.IndexByte(r.b[r.at:], 0)
		if n < 0 {
			r.fail = true
			return out
		}
		out[i] = all[r.at : r.at+n]
		r.take(n + 1)
	}
	return out
}

// parseDNA reads what the block DNA1 has.
func parseDNA(h *header, b []byte) (*dna, error) {
	r := &reader{b: b, h: h}
	r.tag("SDNA")
	r.tag("NAME")
	names := r.strings()
	r.tag("TYPE")
	types := r.strings()
	r.tag("TLEN")
	sizes := make([]int, len(types))
	for i := range sizes {
		sizes[i] = r.u16()
	}
	r.tag("STRC")
	d := &dna{index: map[string]int{}}
	n := r.count(4)
	raw := make([][]byte, 0, n) // of each, its fields
	for range n {
		typ := r.u16()
		f := r.take(4 * r.u16())
		if r.fail || typ >= len(types) {
			return nil, format.Malformed("DNA1: struct %d", len(d.structs))
		}
		d.index[types[typ]] = len(d.structs)
		d.structs = append(d.structs, structure{name: types[typ], size: sizes[typ]})
		raw = append(raw, f)
	}
	if r.fail {
		return nil, format.Malformed("DNA1 is cut off or damaged")
	}
	l := layer{h: h, types: types, sizes: sizes, inner: make([]int, len(types)), names: make([]field, len(names))}
	for i, n := range names {
		l.names[i] = declared(n)
	}
	for i, t := range types {
		l.inner[i] = -1
		if k, ok := d.index[t]; ok {
			l.inner[i] = k
		}
	}
	for i := range d.structs {
		if err := l.lay(&d.structs[i], raw[i]); err != nil {
			return nil, err
		}
	}
	return d, d.bounded()
}

// layer works out where fields lie.
type layer struct {
	h     *header
	names []field
	types []string
	sizes []int
	inner []int // by type, the struct that it is
}

// lay works out where the fields of a struct lie.
func (l *layer) lay(s *structure, raw []byte) error {
	s.fields = make([]field, len(raw)/4)
	off := 0
	for i := range s.fields {
		t, n := int(l.h.order.Uint16(raw[4*i:])), int(l.h.order.Uint16(raw[4*i+2:]))
		if t >= len(l.types) || n >= len(l.names) {
			return format.Malformed("DNA1: struct %s: field of type %d, name %d", s.name, t, n)
		}
		f := &s.fields[i]
		*f = l.names[n]
		f.typ, f.inner, f.off = l.types[t], l.inner[t], off
		one := l.sizes[t]
		if f.stars > 0 {
			f.inner, one = -1, l.h.width()
		}
		if f.count < 1 || f.count > 1<<16 || f.count*one > s.size-off {
			return format.Malformed("DNA1: struct %s: %s does not fit into %d bytes", s.name, f.name, s.size)
		}
		f.size = f.count * one
		off += f.size
	}
	if off != s.size {
		return format.Malformed("DNA1: struct %s has %d bytes, its fields %d", s.name, s.size, off)
	}
	return nil
}

// declared reads the name of a field as C has it: *next, mat[4][4], (*function)().
func declared(name string) field {
	f := field{count: 1, last: 1}
	if rest, ok := strings.CutPrefix(name, "("); ok {
		f.stars = 1
		name, _, _ = strings.Cut(rest, ")")
	}
	bare := strings.TrimLeft(name, "*")
	if f.stars == 0 {
		f.stars = len(name) - len(bare)
	}
	f.name, name, _ = strings.Cut(bare, "[")
	for name != "" {
		var digits string
		digits, name, _ = strings.Cut(name, "]")
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > 1<<16 || f.count > 1<<16 {
			f.count = 0
			return f
		}
		f.count, f.last = f.count*n, n
		name = strings.TrimPrefix(name, "[")
	}
	return f
}

const maxNested = 32

// bounded: no struct has itself inside, and none is nested without end.
func (d *dna) bounded() error {
	depth := make([]int, len(d.structs)) // 0: not known; -1: being looked at
	var look func(i int) int
	look = func(i int) int {
		if depth[i] != 0 {
			return depth[i]
		}
		depth[i] = -1
		deepest := 0
		for _, f := range d.structs[i].fields {
			if f.inner < 0 {
				continue
			}
			n := look(f.inner)
			if n < 0 || n >= maxNested {
				return -1
			}
			deepest = max(deepest, n)
		}
		depth[i] = deepest + 1
		return depth[i]
	}
	for i := range d.structs {
		if look(i) < 0 {
			return format.Malformed("DNA1: struct %s is nested too deeply", d.structs[i].name)
		}
	}
	return nil
}
