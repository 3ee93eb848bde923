package metricfile

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// A kind is what a node is.
type kind uint8

const (
	null kind = iota
	boolean
	numeral
	text
	list
	object
)

// A node is a value of JSON, YAML or TOML. Numbers keep their spelling.
type node struct {
	kind  kind
	line  int32
	text  string   // of boolean, numeral, text
	names []string // of object, one for each item
	items []node
}

// get is the member of an object; the last, if a name is there twice, as in most readers.
func (n *node) get(name string) *node {
	for i := len(n.names) - 1; i >= 0; i-- {
		if n.names[i] == name {
			return &n.items[i]
		}
	}
	return nil
}

// has reports whether an object has all these members.
func (n *node) has(names ...string) bool {
	for _, name := range names {
		if n.get(name) == nil {
			return false
		}
	}
	return n.kind == object
}

// str is the text of a member, or "".
func (n *node) str(name string) string {
	if m := n.get(name); m != nil && (m.kind == text || m.kind == numeral || m.kind == boolean) {
		return m.text
	}
	return ""
}

// num is the number of a member.
func (n *node) num(name string) (float64, bool) {
	m := n.get(name)
	if m == nil || m.kind != numeral {
		return 0, false
	}
	v, _, ok := number(m.text)
	return v, ok
}

// maxNodes bounds the values of one document: a byte of text can be one.
const maxNodes = 6 << 20

// parser reads JSON as RFC 8259 has it, and NaN, Infinity and -Infinity as Python's json writes them.
type parser struct {
	in    []byte
	at    int
	line  int
	depth int
	most  int // depth
	nodes int
	names map[string]string // of members: they repeat

	lines bool // the outermost object is that of a line, and its room is used again for the next
	room  node //
}

// parseJSON reads the one value of a document; rest is what follows it.
func parseJSON(in []byte, most int) (n node, rest []byte, err error) {
	p := parser{in: in, line: 1, most: most, names: map[string]string{}}
	n, err = p.first()
	if err != nil {
		return node{}, nil, &Error{Line: p.line, Err: err}
	}
	return n, p.in[p.at:], nil
}

func (p *parser) first() (node, error) {
	p.space()
	if p.at == len(p.in) {
		return node{}, errors.New("empty: a JSON value is expected")
	}
	return p.value()
}

func (p *parser) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case '\n':
			p.line++
		case ' ', '\t', '\r':
		default:
			return
		}
		p.at++
	}
}

func (p *parser) unexpected(want string) error {
	if p.at >= len(p.in) {
		return fmt.Errorf("the text ends where %s is expected: it is cut off", want)
	}
	end := min(p.at+12, len(p.in))
	return fmt.Errorf("%q where %s is expected", short(string(p.in[p.at:end])), want)
}

func (p *parser) value() (node, error) {
	if p.nodes++; p.nodes > maxNodes {
		return node{}, over("values", int64(p.nodes), maxNodes)
	}
	if p.at >= len(p.in) {
		return node{}, p.unexpected("a value")
	}
	n := node{line: int32(p.line)}
	switch c := p.in[p.at]; c {
	case '{', '[':
		return p.nest(n, c)
	case '"':
		s, err := p.string()
		n.kind, n.text = text, s
		return n, err
	}
	word := p.word()
	switch {
	case word == "null":
	case word == "true" || word == "false":
		n.kind, n.text = boolean, word
	case word == "NaN" || word == "Infinity" || word == "-Infinity" || jsonNumber(word):
		n.kind, n.text = numeral, word
	default:
		return n, p.unexpected("a value")
	}
	p.at += len(word)
	return n, nil
}

// word is what a literal or number is made of.
func (p *parser) word() string {
	end := p.at
	for end < len(p.in) {
		c := p.in[end]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.' {
			end++
			continue
		}
		break
	}
	return string(p.in[p.at:end])
}

// jsonNumber holds a word to the grammar of numbers.
func jsonNumber(s string) bool {
	i := 0
	digits := func() bool {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	zero := i < len(s) && s[i] == '0'
	start := i
	if !digits() || zero && i > start+1 {
		return false
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s)
}

// nest reads an object or a list.
func (p *parser) nest(n node, open byte) (full node, err error) {
	if p.depth++; p.depth > p.most {
		return n, over("depth", int64(p.depth), int64(p.most))
	}
	defer func() { p.depth-- }()
	if p.lines && p.depth == 1 {
		n.names, n.items = p.room.names[:0], p.room.items[:0]
		defer func() { p.room.names, p.room.items = full.names, full.items }()
	}
	n.kind = list
	end, what := byte(']'), "a comma or ]"
	if open == '{' {
		n.kind, end, what = object, '}', "a comma or }"
	}
	p.at++
	p.space()
	if p.at < len(p.in) && p.in[p.at] == end {
		p.at++
		return n, nil
	}
	for {
		p.space()
		if n.kind == object {
			name, err := p.name()
			if err != nil {
				return n, err
			}
			n.names = append(n.names, name)
		}
		item, err := p.value()
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
		p.space()
		switch {
		case p.at < len(p.in) && p.in[p.at] == ',':
			p.at++
		case p.at < len(p.in) && p.in[p.at] == end:
			p.at++
			return n, nil
		default:
			return n, p.unexpected(what)
		}
	}
}

// name reads a member's name and the colon.
func (p *parser) name() (string, error) {
	if p.at >= len(p.in) || p.in[p.at] != '"' {
		return "", p.unexpected("a name in quotes")
	}
	name, err := p.string()
	if err != nil {
		return "", err
	}
	p.space()
	if p.at >= len(p.in) || p.in[p.at] != ':' {
		return "", p.unexpected("a colon")
	}
	p.at++
	p.space()
	return name, nil
}

// string reads a string. Bytes that are no UTF-8, and halves of surrogate pairs, become U+FFFD.
func (p *parser) string() (string, error) {
	start := p.at + 1
	end := bytes.IndexAny(p.in[start:], "\"\\\n")
	if end >= 0 && p.in[start+end] == '"' {
		p.at = start + end + 1
		return p.known(p.in[start : start+end]), nil
	}
	var out []byte
	for p.at = start; p.at < len(p.in); {
		switch c := p.in[p.at]; {
		case c == '"':
			p.at++
			return p.known(out), nil
		case c == '\n':
			return "", errors.New("a string is not closed at the end of its line")
		case c == '\\':
			var err error
			if out, err = p.escape(out); err != nil {
				return "", err
			}
		default:
			out = append(out, c)
			p.at++
		}
	}
	return "", p.unexpected("the end of a string")
}

// known keeps one copy of what repeats.
func (p *parser) known(b []byte) string {
	if len(b) > 24 { // longer ones are times and texts, which do not repeat
		return string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
	}
	if s, ok := p.names[string(b)]; ok {
		return s
	}
	s := string(bytes.ToValidUTF8(b, []byte("\uFFFD")))
	if len(p.names) < 1<<16 {
		p.names[string(b)] = s
	}
	return s
}

func (p *parser) escape(out []byte) ([]byte, error) {
	if p.at+1 >= len(p.in) {
		return nil, p.unexpected("the end of a string")
	}
	c := p.in[p.at+1]
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 {
		p.at += 2
		return append(out, "\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := p.unicode()
	if !ok {
		return nil, p.unexpected("an escape of JSON")
	}
	p.at += 6
	if utf16.IsSurrogate(r) {
		if low, ok := p.unicode(); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
			r = utf16.DecodeRune(r, low)
			p.at += 6
		} else {
			r = utf8.RuneError
		}
	}
	return utf8.AppendRune(out, r), nil
}

// unicode reads \uXXXX without going on.
func (p *parser) unicode() (rune, bool) {
	if p.at+6 > len(p.in) || p.in[p.at] != '\\' || p.in[p.at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range p.in[p.at+2 : p.at+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
