package ledger

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendLine appends the record as a line of JSON: the bytes that encoding/json would write, which takes thrice as long.
func (r *Record) appendLine(b []byte) ([]byte, error) {
	b = append(b, `{"type":`...)
	b = appendText(b, r.Type)
	b = append(b, `,"id":`...)
	b = appendText(b, r.ID)
	b = append(b, `,"at":{"ms":`...)
	b = strconv.AppendInt(b, r.At.Milli, 10)
	if r.At.Counter != 0 {
		b = append(b, `,"n":`...)
		b = strconv.AppendUint(b, uint64(r.At.Counter), 10)
	}
	b = append(b, `,"by":`...)
	b = appendText(b, r.At.Writer)
	b = append(b, '}')
	if r.Gone {
		b = append(b, `,"gone":true`...)
	}
	if len(r.Set) > 0 {
		b = append(b, `,"set":{`...)
		var kept [16]named
		for i, f := range inOrder(r.Set, kept[:0]) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, f.name), ':')
			if simple(f.raw) {
				b = append(b, f.raw...)
				continue
			}
			raw, err := json.Marshal(f.raw) // that it is JSON, and takes one line
			if err != nil {
				return b, err
			}
			b = append(b, raw...)
		}
		b = append(b, '}')
	}
	b = appendSets(b, `,"add":{`, r.Add)
	b = appendSets(b, `,"drop":{`, r.Drop)
	return append(b, '}', '\n'), nil
}

type named struct {
	name string
	raw  json.RawMessage
}

// inOrder appends the fields in the order of their names.
func inOrder(set map[string]json.RawMessage, to []named) []named {
	for name, raw := range set {
		to = append(to, named{name, raw})
	}
	slices.SortFunc(to, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return to
}

func appendSets(b []byte, begin string, sets map[string][]string) []byte {
	if len(sets) == 0 {
		return b
	}
	b = append(b, begin...)
	for i, name := range slices.Sorted(maps.Keys(sets)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		if sets[name] == nil {
			b = append(b, "null"...)
			continue
		}
		b = append(b, '[')
		for i, member := range sets[name] {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, member)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// plain reports whether text is the same between quotes of JSON as encoding/json writes it.
func plain[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

// simple reports whether a value is a plain string or a small integer: JSON, without a look at each letter twice.
func simple(raw json.RawMessage) bool {
	n := len(raw)
	if n > 1 && raw[0] == '"' && raw[n-1] == '"' {
		return plain(raw[1 : n-1])
	}
	if n == 0 || n > 15 || raw[0] == '0' && n > 1 {
		return false
	}
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func appendText(b []byte, s string) []byte {
	if plain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		panic("ledger: a string that is no JSON: " + err.Error()) // it always can be
	}
	return append(b, quoted...)
}

// readLine reads a line as appendLine writes it, with plain names. It is false of any other, which may be right as
// well: a reader of any JSON is to see. fields is how many it may have.
func readLine(line []byte, r *Record, names map[string]string, fields int) bool {
	p := reader{b: line, names: names, fields: fields}
	p.want(`{"type":`)
	r.Type = p.name()
	p.want(`,"id":`)
	r.ID = string(p.text())
	p.want(`,"at":{"ms":`)
	r.At.Milli = int64(p.digits(15))
	if p.has(`,"n":`) {
		r.At.Counter = uint32(p.digits(9))
	}
	p.want(`,"by":`)
	r.At.Writer = p.name()
	p.want(`}`)
	r.Gone = p.has(`,"gone":true`)
	if p.has(`,"set":{`) {
		p.set(r)
	}
	if p.has(`,"add":{`) {
		r.Add = p.sets()
	}
	if p.has(`,"drop":{`) {
		r.Drop = p.sets()
	}
	p.want(`}`)
	return !p.bad && p.at == len(line)
}

// reader reads the parts of a line; bad says that one is not as was expected.
type reader struct {
	b      []byte
	at     int
	bad    bool
	names  map[string]string
	fields int
}

func (p *reader) has(s string) bool {
	if p.bad || len(p.b)-p.at < len(s) || string(p.b[p.at:p.at+len(s)]) != s {
		return false
	}
	p.at += len(s)
	return true
}

func (p *reader) want(s string) { p.bad = !p.has(s) || p.bad }

// text reads a plain string without its quotes.
func (p *reader) text() []byte {
	if !p.has(`"`) {
		p.bad = true
		return nil
	}
	from := p.at
	for ; p.at < len(p.b); p.at++ {
		if c := p.b[p.at]; c == '"' {
			p.at++
			return p.b[from : p.at-1]
		} else if c < 0x20 || c >= 0x7f || c == '\\' {
			break
		}
	}
	p.bad = true
	return nil
}

// name is text that comes again and again.
func (p *reader) name() string {
	b := p.text()
	if s, ok := p.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(p.names) < 1<<12 {
		p.names[s] = s
	}
	return s
}

func (p *reader) digits(most int) (n uint64) {
	from := p.at
	for p.at < len(p.b) && p.b[p.at] >= '0' && p.b[p.at] <= '9' {
		n = n*10 + uint64(p.b[p.at]-'0')
		p.at++
		if p.at-from > most {
			p.bad = true
			return 0
		}
	}
	p.bad = p.bad || p.at == from || p.b[from] == '0' && p.at-from > 1
	return n
}

func (p *reader) set(r *Record) {
	r.Set = make(map[string]json.RawMessage, p.fields)
	for first := true; !p.bad && !p.has(`}`); first = false {
		if !first {
			p.want(",")
		}
		name := p.name()
		p.want(":")
		from := p.at
		p.skip()
		if !p.bad {
			r.Set[name] = p.b[from:p.at:p.at]
		}
	}
}

// skip passes over a value of JSON on one line.
func (p *reader) skip() {
	if p.bad || p.at >= len(p.b) {
		p.bad = true
		return
	}
	from := p.at
	switch c := p.b[p.at]; {
	case c == '"':
		escaped := false
		p.at++
		for p.at < len(p.b) && p.b[p.at] != '"' {
			if p.b[p.at] == '\\' {
				escaped = true
				p.at++
			} else if p.b[p.at] < 0x20 {
				p.bad = true
				return
			}
			p.at++
		}
		if p.at++; p.at > len(p.b) {
			p.bad = true
			return
		}
		p.bad = escaped && !json.Valid(p.b[from:p.at]) || !utf8.Valid(p.b[from:p.at])
	case c == '{' || c == '[':
		p.nested()
	default:
		for p.at < len(p.b) && p.b[p.at] != ',' && p.b[p.at] != '}' && p.b[p.at] > ' ' {
			p.at++
		}
		p.bad = !json.Valid(p.b[from:p.at])
	}
}

// nested passes over an object or an array.
func (p *reader) nested() {
	from, depth, inside := p.at, 0, false
	for ; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; {
		case inside && c == '\\':
			p.at++
		case c == '"':
			inside = !inside
		case inside:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				p.at++
				p.bad = !json.Valid(p.b[from:p.at]) || !utf8.Valid(p.b[from:p.at])
				return
			}
		}
	}
	p.bad = true
}

func (p *reader) sets() map[string][]string {
	out := map[string][]string{}
	for first := true; !p.bad && !p.has(`}`); first = false {
		if !first {
			p.want(",")
		}
		name := p.name()
		p.want(":[")
		list := []string{}
		for !p.bad && !p.has(`]`) {
			if len(list) > 0 {
				p.want(",")
			}
			list = append(list, p.name())
		}
		out[name] = list
	}
	return out
}
