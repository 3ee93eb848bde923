// Package xmlspan reads XML as spans: what every element and attribute is, and where it stands in the bytes of the file.
//
// It promises: offsets are those of the text that was parsed, so that a caller cuts and puts in without writing the rest
// anew. It reads what applications read: entities that nothing declares are left as they stand, names need not be of
// the right letters. What does not nest is malformed. No entity is expanded twice, and none from outside.
package xmlspan

import (
	"bytes"

	"varve/format"
)

// Bounds of what is read.
const (
	MaxText  = 1 << 29 // bytes
	MaxNodes = 1 << 21
	MaxDepth = 1000
	maxAttrs = 1 << 12
)

// Kind is what a token is.
type Kind uint8

const (
	Open  Kind = 1 + iota // <name …>, <name …/>
	Close                 // </name>
	Text                  // characters, with entities; may be all space
	CData                 // <![CDATA[…]]>: characters without
	Other                 // comment, processing instruction, declaration
)

// Attr is an attribute of a tag. Its value stands at Off, Len bytes without the quotes.
type Attr struct {
	Name     string // as written: "xlink:href"
	Off, Len int
}

// Token is a piece of the text, [Start, End).
type Token struct {
	Kind       Kind
	Name       string // of a tag, as written: "svg:path"
	Attrs      []Attr // good until the next token
	Empty      bool   // <name/>
	Start, End int
}

// Scanner cuts a text into tokens.
type Scanner struct {
	text  []byte
	at    int
	attrs []Attr
	names map[string]string // each is held once
}

// NewScanner reads a text from a place in it.
func NewScanner(text []byte, at int) *Scanner {
	return &Scanner{text: text, at: at, names: map[string]string{}}
}

// Next returns the next token; ok is false at the end.
func (s *Scanner) Next() (t Token, ok bool, err error) {
	if s.at >= len(s.text) {
		return Token{}, false, nil
	}
	start := s.at
	rest := s.text[start:]
	if rest[0] != '<' {
		n := bytes.IndexByte(rest, '<')
		if n < 0 {
			n = len(rest)
		}
		s.at += n
		return Token{Kind: Text, Start: start, End: s.at}, true, nil
	}
	until := func(mark string, from int, k Kind) (Token, bool, error) {
		n := bytes.Index(rest[min(from, len(rest)):], []byte(mark))
		if n < 0 {
			return Token{}, false, format.Malformed("the text ends within %.9q at %d", rest[:min(9, len(rest))], start)
		}
		s.at = start + from + n + len(mark)
		return Token{Kind: k, Start: start, End: s.at}, true, nil
	}
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		return until("-->", 4, Other)
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		return until("]]>", 9, CData)
	case bytes.HasPrefix(rest, []byte("<?")):
		return until("?>", 2, Other)
	case bytes.HasPrefix(rest, []byte("<!")):
		return s.declaration()
	}
	t, err = s.tag()
	return t, err == nil, err
}

// declaration is <!DOCTYPE …>, which may have others within [ ].
func (s *Scanner) declaration() (Token, bool, error) {
	start, within := s.at, 0
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; c {
		case '"', '\'':
			n := bytes.IndexByte(s.text[i+1:], c)
			if n < 0 {
				return Token{}, false, format.Malformed("the text ends within a declaration at %d", start)
			}
			i += 1 + n
		case '[':
			within++
		case ']':
			within--
		case '>':
			if within <= 0 {
				s.at = i + 1
				return Token{Kind: Other, Start: start, End: s.at}, true, nil
			}
		}
	}
	return Token{}, false, format.Malformed("the text ends within a declaration at %d", start)
}

func (s *Scanner) name(b []byte) string {
	if n, ok := s.names[string(b)]; ok {
		return n
	}
	n := string(b)
	if len(s.names) < 1<<16 {
		s.names[n] = n
	}
	return n
}

// word returns the end of the name that starts at i.
func (s *Scanner) word(i int) int {
	for ; i < len(s.text); i++ {
		switch s.text[i] {
		case ' ', '\n', '\t', '\r', '=', '/', '>', '<', '"', '\'':
			return i
		}
	}
	return i
}

func (s *Scanner) skip(i int) int {
	for i < len(s.text) && space(s.text[i]) {
		i++
	}
	return i
}

func space(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (s *Scanner) tag() (Token, error) {
	t := Token{Kind: Open, Start: s.at}
	i := s.at + 1
	if i < len(s.text) && s.text[i] == '/' {
		t.Kind = Close
		i++
	}
	end := s.word(i)
	if end == i {
		return t, format.Malformed("no name in the tag at %d", t.Start)
	}
	t.Name = s.name(s.text[i:end])
	s.attrs = s.attrs[:0]
	for i = s.skip(end); i < len(s.text); i = s.skip(i) {
		switch s.text[i] {
		case '>':
			t.Attrs, t.End, s.at = s.attrs, i+1, i+1
			return t, nil
		case '/':
			if t.Kind == Close || i+1 >= len(s.text) || s.text[i+1] != '>' {
				return t, format.Malformed("a stray / in the tag at %d", t.Start)
			}
			t.Empty, t.Attrs, t.End, s.at = true, s.attrs, i+2, i+2
			return t, nil
		}
		a, next, ok := s.attr(i)
		if !ok || len(s.attrs) == maxAttrs {
			return t, format.Malformed("attribute at %d", i)
		}
		s.attrs = append(s.attrs, a)
		i = next
	}
	return t, format.Malformed("the text ends within the tag at %d", t.Start)
}

// attr reads name="value" at i.
func (s *Scanner) attr(i int) (a Attr, next int, ok bool) {
	end := s.word(i)
	if end == i {
		return a, 0, false
	}
	a.Name = s.name(s.text[i:end])
	i = s.skip(end)
	if i >= len(s.text) || s.text[i] != '=' {
		return a, 0, false
	}
	i = s.skip(i + 1)
	if i >= len(s.text) || s.text[i] != '"' && s.text[i] != '\'' {
		return a, 0, false
	}
	n := bytes.IndexByte(s.text[i+1:], s.text[i])
	if n < 0 {
		return a, 0, false
	}
	a.Off, a.Len = i+1, n
	return a, i + n + 2, true
}
