package records

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// spell prepares text for the index of words: writing that has no spaces between words is found letter by letter.
func spell(s string) string {
	if !strings.ContainsFunc(s, unspaced) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unspaced(r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unspaced(r rune) bool {
	return r >= 0x0e00 && (unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar))
}

// errText says that there is nothing to search for.
var errText = errors.New("there is no word to search for")

// matching returns what the index of words is asked: all words must be there, in any order; "words in quotes" side by
// side; word* at the beginning of a word; -word not.
func matching(text string) (string, error) {
	var all, none []string
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		not := len(rest) > 1 && rest[0] == '-'
		if not {
			rest = rest[1:]
		}
		var term string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			term, rest, _ = strings.Cut(quoted, `"`)
			term = phrase(term)
		} else {
			n := strings.IndexFunc(rest, unicode.IsSpace)
			if n < 0 {
				n = len(rest)
			}
			term, rest = rest[:n], rest[n:]
			word, begins := strings.CutSuffix(term, "*")
			if term = phrase(word); term != "" && begins {
				term += " *"
			}
		}
		switch {
		case term == "":
		case not:
			none = append(none, term)
		default:
			all = append(all, term)
		}
	}
	if len(all) == 0 {
		return "", fmt.Errorf("search for %.60q: %w", text, errText)
	}
	out := "(" + strings.Join(all, " AND ") + ")"
	for _, n := range none {
		out += " NOT " + n
	}
	return out, nil
}

// phrase quotes words; "" if there is no letter or number in them.
func phrase(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '"' || r == 0 {
			return ' '
		}
		return r
	}, spell(s))
	if !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Co, r) }) {
		return ""
	}
	return `"` + s + `"`
}
