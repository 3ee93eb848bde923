// Package ignore decides which names of a folder are left out, by the rules of
// gitignore(5), exactly as git applies them.
//
// It promises:
//
//   - the verdict and the deciding line equal those of "git check-ignore" for
//     every rule file and path, quirks included (listed below);
//   - nothing is left out without a [Rule] to show for it: where it stands, its
//     line and its text;
//   - rule files may hold any bytes: parsing is linear in their size, and no
//     pattern makes matching exponential;
//   - matching one name allocates nothing.
//
// The package reads no files. The caller walks, hands over the rule files of
// each folder to [Matcher.Enter], and does not descend into ignored folders;
// what lies below an ignored folder cannot be re-included.
//
// # Rule files
//
// A file is a sequence of lines ended by LF (the last may lack it). One UTF-8
// byte order mark at the start and one CR at the end of each line are dropped, and a NUL
// ends the pattern of its line. Then:
//
//	line    = "" | "#" any | ["!"] pattern ["/"]
//
// Trailing spaces are dropped unless escaped by a backslash. "!" re-includes,
// the final "/" limits the rule to folders. A pattern with a "/" elsewhere is
// matched against the path relative to the folder of the file, and one leading
// "/" only serves to make it so; any other pattern is matched against the name
// at every depth. Of all matching rules the last one decides; deeper files come
// after shallower ones.
//
//	?        one byte except "/"
//	*        any bytes except "/"
//	**/      any number of whole folders, at the start or after "/"
//	**       any bytes, at the end, after "/"
//	[...]    one byte except "/": ranges a-z, negation by ! or ^, [:alpha:] etc.
//	\x       the byte x
//
// Where the manual is silent or differs, git decides:
//
//   - matching is by bytes: "?" does not match "é";
//   - "**" also crosses folders right after the literal start of a path pattern:
//     "/a**/b" matches "ab" and "ax/y/b";
//   - a pattern that ends in a lone backslash, or holds an unclosed set or an
//     unknown [:name:], matches nothing ([Rule.Dead]);
//   - [:space:] is space, tab, LF and CR only;
//   - with case folding (ASCII only), single capitals in sets and escaped
//     capitals match nothing: "[A]" and "\A" match neither "a" nor "A", while
//     "[A-A]" and "[[:upper:]]" match both.
package ignore

import (
	"bytes"
	"fmt"
	"strings"
)

// Rule is one line of a rule file. Rules are immutable and may be shared.
type Rule struct {
	Pattern string // as written, without line end and unescaped trailing spaces
	Source  string // file the rule stands in, or "preset:NAME"
	Line    int    // 1-based line in Source
	Reason  string // why a preset has it, else empty

	body     string // Pattern without "!", one leading "/" of a path, final "/"
	negated  bool
	dirOnly  bool
	pathname bool // matched against the path, not the name
}

// Negated reports whether the rule re-includes what it matches.
func (r *Rule) Negated() bool { return r.negated }

// DirOnly reports whether the rule matches folders only.
func (r *Rule) DirOnly() bool { return r.dirOnly }

// Dead reports whether the rule can match nothing: its pattern is empty or
// malformed. Such a rule is most likely a mistake worth showing.
func (r *Rule) Dead() bool {
	_, ok := compile(r.body, r.pathname, false)
	return !ok
}

// String returns "SOURCE:LINE: PATTERN".
func (r *Rule) String() string {
	return fmt.Sprintf("%s:%d: %s", r.Source, r.Line, r.Pattern)
}

// Parse reads the rules of one file, in order; later ones override earlier ones.
// Comments and blank lines give no rule. Any content is valid.
func Parse(source string, content []byte) []*Rule {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	text := string(content)
	var rules []*Rule
	for n := 1; text != ""; n++ {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		if line == "" || line[0] == '#' {
			continue
		}
		line = strings.TrimSuffix(line, "\r")
		if end := strings.IndexByte(line, 0); end >= 0 {
			line = line[:end]
		}
		line = trimSpaces(line)
		if line == "" {
			continue
		}
		rules = append(rules, parseRule(source, n, line))
	}
	return rules
}

// trimSpaces drops the trailing spaces that no backslash escapes. A lone
// backslash at the end keeps everything before it.
func trimSpaces(line string) string {
	end := 0 // just behind the last byte to keep
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case ' ':
		case '\\':
			i++
			end = i + 1
		default:
			end = i + 1
		}
	}
	return line[:min(end, len(line))]
}

func parseRule(source string, n int, line string) *Rule {
	r := &Rule{Pattern: line, Source: source, Line: n}
	body := line
	body, r.negated = strings.CutPrefix(body, "!")
	// The slash counts even behind a backslash, which is then the last byte.
	body, r.dirOnly = strings.CutSuffix(body, "/")
	if strings.Contains(body, "/") {
		r.pathname = true
		body = strings.TrimPrefix(body, "/")
	}
	r.body = body
	return r
}
