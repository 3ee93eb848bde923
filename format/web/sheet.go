package web

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"varve/format"
	"varve/format/splice"
)

func readSheet(ctx context.Context, in format.Input) (*found, error) {
	b, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := &found{b: b, exact: exact}
	if err := f.sheet(0, len(b)); err != nil {
		return nil, err
	}
	if len(f.list) > format.MaxReferences {
		return nil, fmt.Errorf("more than %d references: %w", format.MaxReferences, format.ErrLimit)
	}
	return f, nil
}

// sheeter reads [at, end) of a text as styles.
type sheeter struct {
	*found
	at, end int
	rule    string // the @rule that is being read, up to ; or {
	font    int    // depth of the @font-face that is open; 0 of none
	depth   int
	sets    int // depth of brackets in image-set( ); 0 outside
	opened  int // where the outermost brace was opened
}

// sheet takes the references of styles.
func (f *found) sheet(from, to int) error {
	s := &sheeter{found: f, at: from, end: to}
	for s.at < s.end {
		if err := s.token(); err != nil {
			return err
		}
	}
	if s.depth > 0 {
		return format.Malformed("the brace at %d is not closed", s.opened)
	}
	return nil
}

func (s *sheeter) token() error {
	b := s.b[:s.end]
	switch c := b[s.at]; {
	case c == '/' && bytes.HasPrefix(b[s.at:], []byte("/*")):
		n := bytes.Index(b[s.at+2:], []byte("*/"))
		if n < 0 {
			return format.Malformed("the text ends within the comment at %d", s.at)
		}
		s.at += n + 4
	case c == '"' || c == '\'':
		from := s.at + 1
		to, ok := s.quoted(s.at)
		if !ok {
			return format.Malformed("the text ends within the quotes at %d", s.at)
		}
		switch {
		case s.rule == "import":
			s.add("stylesheet", from, to, false)
			s.rule = "imported"
		case s.sets > 0:
			s.add("image", from, to, false)
		}
	case c == '@':
		s.at++
		s.rule = strings.ToLower(s.name())
	case c == '{':
		if s.depth++; s.depth == 1 {
			s.opened = s.at
		}
		if s.rule == "font-face" {
			s.font = s.depth
		}
		s.rule = ""
		s.at++
	case c == '}':
		if s.font == s.depth {
			s.font = 0
		}
		s.depth = max(0, s.depth-1)
		s.rule, s.sets = "", 0
		s.at++
	case c == ';':
		s.rule, s.sets = "", 0
		s.at++
	case c == '(' && s.sets > 0:
		s.sets++
		s.at++
	case c == ')' && s.sets > 0:
		s.sets--
		s.at++
	case letter(c) || c == '-' || c == '_' || c == '\\' || c >= 0x80:
		return s.word()
	default:
		s.at++
	}
	return nil
}

// name reads a name.
func (s *sheeter) name() string {
	from := s.at
	for s.at < s.end {
		c := s.b[s.at]
		if c == '\\' && s.at+1 < s.end {
			s.at++
		} else if !letter(c) && (c < '0' || c > '9') && c != '-' && c != '_' && c < 0x80 {
			break
		}
		s.at++
	}
	if s.at == from { // nothing that a name has
		s.at++
	}
	s.at = min(s.at, s.end)
	return string(s.b[from:min(s.at, from+64)])
}

// word reads a name, which may be url( ) or image-set( ).
func (s *sheeter) word() error {
	name := strings.ToLower(s.name())
	if s.at >= s.end || s.b[s.at] != '(' {
		return nil
	}
	switch name {
	case "url", "src":
		return s.url()
	case "image-set", "-webkit-image-set":
		s.sets++
		s.at++
	case "type", "format", "attr": // strings that name no files
		if s.sets > 0 || name == "format" {
			if n := bytes.IndexByte(s.b[s.at:s.end], ')'); n >= 0 {
				s.at += n + 1
			}
		}
	}
	return nil
}

// quoted returns where the string at a place ends, and goes past it.
func (s *sheeter) quoted(at int) (int, bool) {
	q := s.b[at]
	for i := at + 1; i < s.end; i++ {
		switch s.b[i] {
		case '\\':
			i++
		case '\n': // a bad string ends at the line
			s.at = i
			return i, true
		case q:
			s.at = i + 1
			return i, true
		}
	}
	return 0, false
}

// url reads url( ).
func (s *sheeter) url() error {
	start := s.at
	i := s.at + 1
	for i < s.end && space(s.b[i]) {
		i++
	}
	from, to := i, i
	// &quot; where styles are an attribute
	mark := ""
	if s.page && bytes.HasPrefix(s.b[i:s.end], []byte("&quot;")) {
		mark = "&quot;"
	} else if s.page && bytes.HasPrefix(s.b[i:s.end], []byte("&#39;")) {
		mark = "&#39;"
	}
	switch {
	case mark != "":
		from = i + len(mark)
		n := bytes.Index(s.b[from:s.end], []byte(mark))
		if n < 0 {
			return format.Malformed("the text ends within url( at %d", start)
		}
		to = from + n
		s.at = to + len(mark)
	case i < s.end && (s.b[i] == '"' || s.b[i] == '\''):
		from = i + 1
		end, ok := s.quoted(i)
		if !ok {
			return format.Malformed("the text ends within url( at %d", start)
		}
		to = end
	default:
		for i < s.end && s.b[i] != ')' {
			if s.b[i] == '\\' {
				i++
			}
			i++
		}
		if i >= s.end {
			return format.Malformed("the text ends within url( at %d", start)
		}
		to, s.at = i, i
	}
	if s.rule != "namespace" && s.rule != "imported" {
		s.add(s.kind(s.b[from:to]), from, to, false)
	}
	if s.rule == "import" {
		s.rule = "imported"
	}
	n := bytes.IndexByte(s.b[s.at:s.end], ')')
	if n < 0 {
		return format.Malformed("the text ends within url( at %d", start)
	}
	s.at += n + 1
	return nil
}

// kind says what a url( ) loads.
func (s *sheeter) kind(url []byte) string {
	switch {
	case s.rule == "import":
		return "stylesheet"
	case s.font > 0:
		return "font"
	case bytes.Contains(bytes.ToLower(url), []byte(".svg")):
		return "vector"
	}
	return "image"
}

// unescape returns what characters of a style sheet mean: \ before one, or before its number in hex.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		k := i + 1
		for k < len(s) && k < i+7 && strings.IndexByte("0123456789abcdefABCDEF", s[k]) >= 0 {
			k++
		}
		if k == i+1 {
			i++
			out = append(out, s[i])
			continue
		}
		if n, err := strconv.ParseUint(s[i+1:k], 16, 32); err == nil {
			out = utf8.AppendRune(out, rune(min(n, utf8.MaxRune)))
		}
		if k < len(s) && space(s[k]) {
			k++
		}
		i = k - 1
	}
	return string(out)
}
