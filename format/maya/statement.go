package maya

import (
	"bytes"

	"varve/format"
)

// span is [from, to) of the text.
type span struct{ from, to int }

// word is a word of a statement; of a string what is between the quotes.
type word struct {
	span
	quoted bool
}

// keep is how many words of a statement are told apart: numbers of geometry may be millions.
const keep = 256

// statement is a statement: its first words, and the last.
type statement struct {
	span
	words []word
	last  word
	count int
}

// statements reads one after another.
type statements struct {
	b    []byte
	at   int
	last span // of the comment that was met last
}

// next reads a statement into s; ok is false at the end.
func (r *statements) next(s *statement) (ok bool, err error) {
	s.words, s.count = s.words[:0], 0
	for {
		w, end, err := r.word()
		switch {
		case err != nil:
			return false, err
		case end && r.at >= len(r.b):
			if s.count > 0 {
				return false, format.Malformed("the text ends within the statement at %d", s.from)
			}
			return false, nil
		case end:
			r.at++
			if s.count == 0 {
				continue
			}
			s.to = r.at
			return true, nil
		}
		if s.count == 0 {
			s.from = w.from
			if w.quoted {
				s.from--
			}
		}
		if s.count++; len(s.words) < keep {
			s.words = append(s.words, w)
		}
		s.last = w
	}
}

// word reads a word; end is true at a semicolon or the end of the text, where it stays.
func (r *statements) word() (w word, end bool, err error) {
	if err := r.skip(); err != nil {
		return w, false, err
	}
	if r.at >= len(r.b) || r.b[r.at] == ';' {
		return w, true, nil
	}
	from := r.at
	switch r.b[from] {
	case '"':
		for i := from + 1; i < len(r.b); i++ {
			switch r.b[i] {
			case '\\':
				i++
			case '"':
				r.at = i + 1
				return word{span{from + 1, i}, true}, false, nil
			}
		}
		return w, false, format.Malformed("the text ends within the string at %d", from)
	case '(', ')', '+':
		r.at++
		return word{span{from, r.at}, false}, false, nil
	}
	for r.at < len(r.b) && !ends(r.b[r.at]) {
		r.at++
	}
	return word{span{from, r.at}, false}, false, nil
}

func ends(c byte) bool {
	return c <= ' ' || c == ';' || c == '"' || c == '(' || c == ')'
}

// skip passes over space and comments.
func (r *statements) skip() error {
	for r.at < len(r.b) {
		rest := r.b[r.at:]
		switch {
		case rest[0] <= ' ':
			r.at++
		case r.at == 0 && bytes.HasPrefix(rest, []byte("\xef\xbb\xbf")):
			r.at += 3
		case bytes.HasPrefix(rest, []byte("//")):
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			r.last = span{r.at, r.at + n}
			r.at += n
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest, []byte("*/"))
			if n < 0 {
				return format.Malformed("the text ends within the comment at %d", r.at)
			}
			r.at += n + 2
		default:
			return nil
		}
	}
	return nil
}

// text returns the characters of a word.
func (s *scene) text(w word) string { return string(s.b[w.from:w.to]) }

// means returns what the characters between quotes stand for.
func means(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' && i+1 < len(raw) {
			i++
			switch raw[i] {
			case 'n':
				out = append(out, '\n')
				continue
			case 't':
				out = append(out, '\t')
				continue
			}
		}
		out = append(out, raw[i])
	}
	return string(out)
}

// option returns the word after a flag, "" where a statement has none.
func (s *scene) option(st *statement, flags ...string) (word, bool) {
	for i := 1; i+1 < len(st.words); i++ {
		if w := st.words[i]; !w.quoted {
			for _, f := range flags {
				if string(s.b[w.from:w.to]) == f {
					return st.words[i+1], true
				}
			}
		}
	}
	return word{}, false
}

// has reports whether a statement has a flag.
func (s *scene) has(st *statement, flag string) bool {
	for _, w := range st.words[1:] {
		if !w.quoted && string(s.b[w.from:w.to]) == flag {
			return true
		}
	}
	return false
}
