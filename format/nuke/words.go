package nuke

import (
	"bytes"

	"varve/format"
)

// word is [from, to) of the text; in it [in, inEnd) is what quotes or braces are around.
type word struct {
	from, to  int
	in, inEnd int
	mark      byte // '"', '{', or 0 of a bare word
}

// words reads the words of lines in [at, end) of a text.
type words struct {
	b       []byte
	at, end int
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

// line reports whether a line follows, and goes to its first word.
func (r *words) line() bool {
	for r.at < r.end {
		switch c := r.b[r.at]; {
		case blank(c) || c == '\n' || c == ';':
			r.at++
		case c == '#':
			n := bytes.IndexByte(r.b[r.at:r.end], '\n')
			if n < 0 {
				n = r.end - r.at
			}
			r.at += n
		default:
			return true
		}
	}
	return false
}

// word returns the next word of the line; ok is false where that ends.
func (r *words) word() (w word, ok bool, err error) {
	for r.at < r.end && (blank(r.b[r.at]) || r.b[r.at] == '\\' && r.at+1 < r.end && r.b[r.at+1] == '\n') {
		if r.b[r.at] == '\\' {
			r.at++
		}
		r.at++
	}
	if r.at >= r.end || r.b[r.at] == '\n' || r.b[r.at] == ';' {
		return w, false, nil
	}
	w.from, w.in = r.at, r.at
	switch c := r.b[r.at]; c {
	case '{':
		w.mark, w.in = c, r.at+1
		if w.inEnd, err = r.braced(r.at); err != nil {
			return w, false, err
		}
		r.at = w.inEnd + 1
	case '"':
		w.mark, w.in = c, r.at+1
		if w.inEnd = r.quoted(r.at + 1); w.inEnd < 0 {
			return w, false, format.Malformed("the text ends within the quotes at %d", r.at)
		}
		r.at = w.inEnd + 1
	default:
		r.bare()
		w.inEnd = r.at
	}
	w.to = r.at
	return w, true, nil
}

// braced returns where the brace at a place is closed.
func (r *words) braced(at int) (int, error) {
	depth := 0
	for i := at; i < r.end; i++ {
		switch r.b[i] {
		case '\\':
			i++
		case '{':
			if depth++; depth > maxDepth {
				return 0, format.Malformed("more than %d braces within one another at %d", maxDepth, i)
			}
		case '}':
			if depth--; depth == 0 {
				return i, nil
			}
		}
	}
	return 0, format.Malformed("the brace at %d is not closed", at)
}

func (r *words) quoted(at int) int {
	for i := at; i < r.end; i++ {
		switch r.b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// bare passes over a word without quotes: with [ ] around spaces it is one.
func (r *words) bare() {
	depth := 0
	for ; r.at < r.end; r.at++ {
		switch c := r.b[r.at]; {
		case c == '\\' && r.at+1 < r.end && r.b[r.at+1] != '\n':
			r.at++
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '\n', depth <= 0 && (blank(c) || c == ';'):
			return
		}
	}
	r.at = min(r.at, r.end)
}

func (s *script) raw(w word) string { return string(s.b[w.in:w.inEnd]) }

// means returns what a word stands for: \ before a character is off, but in braces.
func (s *script) means(w word) string {
	raw := s.b[w.in:w.inEnd]
	if w.mark == '{' || bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			i++
			if raw[i] == 'n' {
				out = append(out, '\n')
				continue
			}
		}
		out = append(out, raw[i])
	}
	return string(out)
}
