package web

import (
	"bytes"
	"strings"

	"varve/format"
)

// attr is an attribute: its name in lower case, and where its value is, without quotes.
type attr struct {
	name     string
	from, to int
}

// tag is an opening tag.
type tag struct {
	name  string // in lower case
	attrs []attr
	end   int // where what follows begins
}

// maxAttrs bounds the attributes of a tag.
const maxAttrs = 1 << 12

// tags reads a page.
type tags struct {
	b  []byte
	at int
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// next returns the next opening tag; ok is false at the end.
func (r *tags) next() (t tag, ok bool, err error) {
	for {
		n := bytes.IndexByte(r.b[r.at:], '<')
		if n < 0 {
			r.at = len(r.b)
			return t, false, nil
		}
		start := r.at + n
		rest := r.b[start:]
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			from := start + 4
			if bytes.HasPrefix(rest, []byte("<!-->")) || bytes.HasPrefix(rest, []byte("<!--->")) {
				from = start + 2
			}
			end := bytes.Index(r.b[from:], []byte("-->"))
			if end < 0 {
				return t, false, format.Malformed("the text ends within the comment at %d", start)
			}
			r.at = from + end + 3
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			end := bytes.Index(rest, []byte("]]>"))
			if end < 0 {
				return t, false, format.Malformed("the text ends within the characters at %d", start)
			}
			r.at = start + end + 3
		case len(rest) > 1 && (rest[1] == '!' || rest[1] == '?' || rest[1] == '/' && len(rest) > 2 && !letter(rest[2])): // declarations, and what browsers take for comments
			end := bytes.IndexByte(rest, '>')
			if end < 0 {
				return t, false, format.Malformed("the text ends within %.9q at %d", rest[:min(len(rest), 9)], start)
			}
			r.at = start + end + 1
		case len(rest) > 2 && rest[1] == '/':
			if _, err := r.tag(start + 2); err != nil {
				return t, false, err
			}
		case len(rest) > 1 && letter(rest[1]):
			t, err = r.tag(start + 1)
			return t, err == nil, err
		default: // a < b
			r.at = start + 1
		}
	}
}

// tag reads a name and attributes at a place up to >.
func (r *tags) tag(at int) (tag, error) {
	b, i := r.b, at
	for i < len(b) && !space(b[i]) && b[i] != '/' && b[i] != '>' {
		i++
	}
	t := tag{name: strings.ToLower(string(b[at:min(i, at+64)]))}
	for i < len(b) {
		switch {
		case space(b[i]) || b[i] == '/':
			i++
			continue
		case b[i] == '>':
			t.end, r.at = i+1, i+1
			return t, nil
		}
		a := attr{}
		from := i
		for i++; i < len(b) && !space(b[i]) && b[i] != '/' && b[i] != '>' && b[i] != '='; i++ {
		}
		a.name = strings.ToLower(string(b[from:min(i, from+64)]))
		k := i
		for k < len(b) && space(b[k]) {
			k++
		}
		if k < len(b) && b[k] == '=' {
			if i = r.value(k+1, &a); i < 0 {
				break
			}
		}
		if len(t.attrs) < maxAttrs {
			t.attrs = append(t.attrs, a)
		}
	}
	return t, format.Malformed("the text ends within the tag at %d", at-1)
}

// value reads the value of an attribute and returns what follows; -1 where it does not end.
func (r *tags) value(i int, a *attr) int {
	b := r.b
	for i < len(b) && space(b[i]) {
		i++
	}
	if i == len(b) {
		return -1
	}
	if q := b[i]; q == '"' || q == '\'' {
		n := bytes.IndexByte(b[i+1:], q)
		if n < 0 {
			return -1
		}
		a.from, a.to = i+1, i+1+n
		return i + n + 2
	}
	a.from = i
	for i < len(b) && !space(b[i]) && b[i] != '>' {
		i++
	}
	a.to = i
	return i
}

// raw returns the end of what is in an element whose content is no tags; the reader goes on at its closing tag.
func (r *tags) raw(name string) (end int, err error) {
	for at := r.at; ; {
		n := bytes.Index(r.b[at:], []byte("</"))
		if n < 0 {
			return 0, format.Malformed("the text ends within <%s>", name)
		}
		at += n + 2
		rest := r.b[at:]
		if len(rest) >= len(name) && strings.EqualFold(string(rest[:len(name)]), name) && (len(rest) == len(name) || space(rest[len(name)]) || rest[len(name)] == '>' || rest[len(name)] == '/') {
			r.at = at - 2
			return at - 2, nil
		}
	}
}
