package godot

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"varve/format"
)

// document is a text file, as spans of its bytes.
type document struct {
	b        []byte
	sections []section
	id       string // of a .uid file, which is nothing else
}

// span is b[off:end].
type span struct{ off, end int }

// pair is key=value, in a section's brackets or on a line of its own.
type pair struct {
	key   string
	at    int // where it begins
	value span
}

// section is from a bracket to before the next section.
type section struct {
	name   string
	attrs  []pair
	pairs  []pair
	off    int
	inside span // of its brackets
	end    int
}

func (d *document) text(s span) string { return string(d.b[s.off:s.end]) }

// attr is the text of an attribute, without quotes; "" where it has none.
func (d *document) attr(s *section, key string) string {
	for i := range s.attrs {
		if s.attrs[i].key == key {
			return plain(d.text(s.attrs[i].value))
		}
	}
	return ""
}

func (s *section) has(key string) bool {
	for i := range s.attrs {
		if s.attrs[i].key == key {
			return true
		}
	}
	return false
}

// structured: its sections have attributes, and are of a scene or resource.
func (d *document) structured() bool {
	for i := range d.sections {
		if n := d.sections[i].name; n != "" {
			return n == "gd_scene" || n == "gd_resource"
		}
	}
	return false
}

type parser struct {
	b  []byte
	at int
}

func parse(ctx context.Context, b []byte) (*document, error) {
	d := &document{b: b}
	if text := bytes.TrimSpace(b); bytes.HasPrefix(text, []byte(identities)) && !bytes.ContainsAny(text, " \n[") {
		d.id = string(text)
		return d, nil
	}
	p := &parser{b: b}
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		p.at = 3
	}
	d.sections = append(d.sections, section{off: p.at, inside: span{p.at, p.at}}) // what is before the first
	rich := false
	for {
		p.blank()
		if p.at == len(b) {
			break
		}
		last := &d.sections[len(d.sections)-1]
		if b[p.at] != '[' {
			kv, err := p.line()
			if err != nil {
				return nil, err
			}
			last.pairs = append(last.pairs, kv)
			continue
		}
		if len(d.sections) > format.MaxElements {
			return nil, fmt.Errorf("%d sections: %w", len(d.sections), format.ErrLimit)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		last.end = p.at
		s, err := p.head(rich)
		if err != nil {
			return nil, err
		}
		if s.name == "gd_scene" || s.name == "gd_resource" {
			rich = true
		}
		d.sections = append(d.sections, s)
	}
	d.sections[len(d.sections)-1].end = len(b)
	if len(d.sections) == 1 && len(d.sections[0].pairs) == 0 {
		return nil, format.Malformed("it has no section")
	}
	return d, nil
}

// blank passes over spaces, lines and comments.
func (p *parser) blank() {
	for p.at < len(p.b) {
		switch c := p.b[p.at]; {
		case c == ';':
			p.comment()
		case c <= ' ':
			p.at++
		default:
			return
		}
	}
}

func (p *parser) comment() {
	if n := bytes.IndexByte(p.b[p.at:], '\n'); n >= 0 {
		p.at += n
	} else {
		p.at = len(p.b)
	}
}

// head parses a section's brackets: of settings (not rich) all in them is the name.
func (p *parser) head(rich bool) (section, error) {
	s := section{off: p.at, inside: span{off: p.at + 1}}
	p.at++
	start := p.at
	for p.at < len(p.b) && p.b[p.at] != ']' && p.b[p.at] > ' ' {
		p.at++
	}
	s.name = string(p.b[start:p.at])
	if !rich && s.name != "gd_scene" && s.name != "gd_resource" {
		n := bytes.IndexAny(p.b[start:], "]\n")
		if n < 0 || p.b[start+n] == '\n' {
			return s, format.Malformed("section %.40q at %d is not closed", s.name, s.off)
		}
		s.name, p.at = string(p.b[start:start+n]), start+n
		s.inside.end = p.at
		p.at++
		return s, nil
	}
	for {
		p.blank()
		if p.at >= len(p.b) {
			return s, format.Malformed("section %.40q at %d is not closed", s.name, s.off)
		}
		if p.b[p.at] == ']' {
			s.inside.end = p.at
			p.at++
			return s, nil
		}
		kv, err := p.pair(true)
		if err != nil {
			return s, err
		}
		s.attrs = append(s.attrs, kv)
	}
}

func (p *parser) line() (pair, error) { return p.pair(false) }

// pair parses key=value; short values end at a space.
func (p *parser) pair(short bool) (pair, error) {
	kv := pair{at: p.at}
	if p.b[p.at] == '"' {
		if err := p.quoted(); err != nil {
			return kv, err
		}
	}
	n := bytes.IndexAny(p.b[p.at:], "=\n")
	if n < 0 || p.b[p.at+n] == '\n' {
		return kv, format.Malformed("%.40q at %d has no value", bytes.TrimSpace(p.b[kv.at:min(len(p.b), kv.at+80)]), kv.at)
	}
	p.at += n
	kv.key = plain(strings.TrimSpace(string(p.b[kv.at:p.at])))
	p.at++
	for p.at < len(p.b) && (p.b[p.at] == ' ' || p.b[p.at] == '\t') {
		p.at++
	}
	kv.value.off = p.at
	err := p.value(short)
	kv.value.end = kv.value.off + len(bytes.TrimRight(p.b[kv.value.off:p.at], " \t\r"))
	return kv, err
}

// value passes over a value.
func (p *parser) value(short bool) error {
	start, depth := p.at, 0
	for p.at < len(p.b) {
		switch c := p.b[p.at]; c {
		case '"':
			if err := p.quoted(); err != nil {
				return err
			}
			continue
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 && short && c == ']' {
				return nil
			}
			if depth--; depth < 0 {
				return format.Malformed("a bracket at %d closes none", p.at)
			}
		case ';':
			if depth == 0 {
				return nil
			}
			p.comment()
			continue
		case '\n':
			if depth == 0 {
				return nil
			}
		case ' ', '\t', '\r':
			if depth == 0 && short {
				return nil
			}
		}
		p.at++
	}
	if depth > 0 {
		return format.Malformed("the value at %d ends nowhere", start)
	}
	return nil
}

// quoted passes over a string.
func (p *parser) quoted() error {
	start := p.at
	for p.at++; p.at < len(p.b); p.at++ {
		switch p.b[p.at] {
		case '\\':
			p.at++
		case '"':
			p.at++
			return nil
		}
	}
	p.at = len(p.b)
	return format.Malformed("the string at %d ends nowhere", start)
}

// plain is what a string means; what is none is as it stands.
func plain(s string) string {
	s = strings.TrimLeft(s, "&^")
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	return unescaped(s[1 : len(s)-1])
}

func unescaped(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			out.WriteByte('\n')
		case 't':
			out.WriteByte('\t')
		case 'r':
			out.WriteByte('\r')
		case 'u':
			var r rune
			if i+4 < len(s) {
				if _, err := fmt.Sscanf(s[i+1:i+5], "%04x", &r); err == nil {
					out.WriteRune(r)
					i += 4
					continue
				}
			}
			out.WriteByte('u')
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String()
}
