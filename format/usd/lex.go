package usd

import (
	"bytes"

	"varve/format"
	"varve/format/shape"
)

// kind is what a token is.
type kind uint8

const (
	endToken    kind = iota
	wordToken        // identifier, keyword, type
	numberToken      // of any form
	textToken        // "…", '…', """…""", '''…'''
	assetToken       // @…@, @@@…@@@
	pathToken        // <…>
	markToken        // one of ( ) [ ] { } = , ; and what else there is
)

// token is a piece of a layer, [from, to) of its text. What is within its quotes is [in, inEnd).
type token struct {
	kind      kind
	c         byte // of a mark
	line      bool // a line end comes before it
	from, to  int
	in, inEnd int
}

// lexer cuts a text into tokens.
type lexer struct {
	b  []byte
	at int
}

func letter(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// next returns the next token.
func (l *lexer) next() (token, error) {
	t := token{}
	for l.at < len(l.b) {
		switch c := l.b[l.at]; c {
		case '\n', '\r':
			t.line = true
			l.at++
			continue
		case ' ', '\t':
			l.at++
			continue
		case '#':
			n := bytes.IndexByte(l.b[l.at:], '\n')
			if n < 0 {
				n = len(l.b) - l.at
			}
			l.at += n
			continue
		}
		break
	}
	t.from = l.at
	if l.at >= len(l.b) {
		t.to = l.at
		return t, nil
	}
	rest := l.b[l.at:]
	switch c := rest[0]; {
	case letter(c):
		t.kind = wordToken
		n := 1
		for n < len(rest) && (letter(rest[n]) || digit(rest[n]) || (rest[n] == ':' || rest[n] == '.' || rest[n] == '|') && n+1 < len(rest) && (letter(rest[n+1]) || rest[n] == ':' && (digit(rest[n+1]) || rest[n+1] == ':'))) {
			n++
		}
		if n+1 < len(rest) && rest[n] == '[' && rest[n+1] == ']' { // a type of arrays
			n += 2
		}
		return l.done(t, n, 0)
	case digit(c), c == '-', c == '+', c == '.':
		if _, n := shape.Number(rest); n > 0 {
			t.kind = numberToken
			return l.done(t, n, 0)
		}
	case c == '"' || c == '\'':
		return l.quoted(t, textToken, rest, []byte{c}, true)
	case c == '@':
		return l.quoted(t, assetToken, rest, []byte{c}, false)
	case c == '<':
		if n := bytes.IndexAny(rest, ">\n"); n > 0 && rest[n] == '>' {
			t.kind = pathToken
			return l.done(t, n+1, 1)
		}
	}
	t.kind, t.c = markToken, rest[0]
	return l.done(t, 1, 0)
}

func (l *lexer) done(t token, n, quotes int) (token, error) {
	l.at += n
	t.to = l.at
	t.in, t.inEnd = t.from+quotes, t.to-quotes
	return t, nil
}

// quoted reads up to the quote that ends it: one, or three if it begins with three.
func (l *lexer) quoted(t token, k kind, rest, quote []byte, escapes bool) (token, error) {
	t.kind = k
	three := bytes.Repeat(quote, 3)
	mark := quote
	if bytes.HasPrefix(rest, three) {
		mark = three
	}
	for i := len(mark); i < len(rest); i++ {
		switch {
		case escapes && rest[i] == '\\':
			i++
		case !escapes && len(mark) == 3 && rest[i] == '\\' && bytes.HasPrefix(rest[i+1:], mark): // \@@@
			i += 3
		case len(mark) == 1 && rest[i] == '\n':
			return t, format.Malformed("a line ends within %.32q at %d", rest[:min(len(rest), 32)], t.from)
		case bytes.HasPrefix(rest[i:], mark):
			n := i + len(mark)
			for len(mark) == 3 && n < len(rest) && rest[n] == quote[0] && n < i+5 { // quotes at the end of what is quoted
				n++
			}
			return l.done(t, n, len(mark))
		}
	}
	return t, format.Malformed("the text ends within %.32q at %d", rest[:min(len(rest), 32)], t.from)
}
