package creative

import (
	"encoding/binary"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Facts are kept as bytes: the strings that are in them, each once, and then the fields of each fact in their order: of
// strings their number, numbers as such, of lists how many they have. What reads them knows the fields by looking at
// them, and layouts of other fields have other names: so nothing of a Reference is lost, whatever it comes to have. JSON
// took three seconds for a million references, and most of a gigabyte.

// factsLayout names the fields of facts.
func factsLayout() string {
	var names func(t reflect.Type) string
	names = func(t reflect.Type) string {
		switch t.Kind() {
		case reflect.Slice:
			return "[" + names(t.Elem()) + "]"
		case reflect.Struct:
			var all []string
			for i := range t.NumField() {
				all = append(all, t.Field(i).Name+" "+names(t.Field(i).Type))
			}
			return strings.Join(all, ",")
		}
		return t.Kind().String()
	}
	return names(reflect.TypeFor[fact]())
}

// packer writes facts.
type packer struct {
	texts []string
	at    map[string]int
	b     []byte
}

func writeFacts(by map[string]*fact) []byte {
	p := &packer{at: map[string]int{}}
	p.number(len(by))
	for _, key := range slices.Sorted(maps.Keys(by)) {
		p.text(key)
		p.value(reflect.ValueOf(by[key]).Elem())
	}
	head := &packer{}
	head.number(len(p.texts))
	for _, s := range p.texts {
		head.number(len(s))
		head.b = append(head.b, s...)
	}
	return append(head.b, p.b...)
}

func (p *packer) number(n int) { p.b = binary.AppendVarint(p.b, int64(n)) }

func (p *packer) text(s string) {
	n, ok := p.at[s]
	if !ok {
		n = len(p.texts)
		p.at[s], p.texts = n, append(p.texts, s)
	}
	p.number(n)
}

func (p *packer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		p.text(v.String())
	case reflect.Bool:
		n := 0
		if v.Bool() {
			n = 1
		}
		p.number(n)
	case reflect.Slice:
		p.number(v.Len())
		for i := range v.Len() {
			p.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			p.value(v.Field(i))
		}
	default:
		p.b = binary.AppendVarint(p.b, v.Int())
	}
}

// unpacker reads facts. Its strings are parts of one.
type unpacker struct {
	text  string
	texts []string
	bad   bool
}

// readFacts returns nil where what is kept is not to be read.
func readFacts(b []byte) map[string]*fact {
	u := &unpacker{text: string(b)}
	for range u.count(1) {
		n := u.count(1)
		u.texts = append(u.texts, u.text[:n])
		u.text = u.text[n:]
	}
	n := u.count(2)
	by := make(map[string]*fact, n)
	facts := make([]fact, n)
	for i := range facts {
		key := u.string()
		if u.value(reflect.ValueOf(&facts[i]).Elem()); u.bad {
			return nil
		}
		by[key] = &facts[i]
	}
	if u.bad {
		return nil
	}
	return by
}

func (u *unpacker) number() int64 {
	n, shift := uint64(0), 0
	for i := 0; i < len(u.text) && i < binary.MaxVarintLen64; i++ {
		c := u.text[i]
		n |= uint64(c&0x7f) << shift
		if shift += 7; c < 0x80 {
			u.text = u.text[i+1:]
			return int64(n>>1) ^ -int64(n&1)
		}
	}
	u.bad, u.text = true, ""
	return 0
}

// count reads how many things of at least size bytes follow.
func (u *unpacker) count(size int) int {
	n := u.number()
	if n < 0 || n > int64(len(u.text)/size) {
		u.bad, u.text = true, ""
		return 0
	}
	return int(n)
}

func (u *unpacker) string() string {
	n := u.number()
	if n < 0 || n >= int64(len(u.texts)) {
		u.bad, u.text = true, ""
		return ""
	}
	return u.texts[n]
}

func (u *unpacker) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(u.string())
	case reflect.Bool:
		v.SetBool(u.number() != 0)
	case reflect.Slice:
		n := u.count(v.Type().Elem().NumField())
		if n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range n {
			u.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			u.value(v.Field(i))
		}
	default:
		v.SetInt(u.number())
	}
}
