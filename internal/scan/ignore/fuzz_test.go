package ignore

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// refMatch matches a whole path against a pattern by trying everything: the
// definition, slow, with no folders entered one by one.
func refMatch(pat, text string, fold bool) bool {
	lead := strings.IndexAny(pat, special)
	if lead < 0 {
		lead = len(pat)
	}
	if len(text) < lead {
		return false
	}
	for i := range lead {
		if foldByte(pat[i], fold) != foldByte(text[i], fold) {
			return false
		}
	}
	return refRest(pat[lead:], 0, text[lead:], fold)
}

func refRest(pat string, p int, text string, fold bool) bool {
	if p == len(pat) {
		return text == ""
	}
	if pat[p] == '*' {
		end := p
		for end < len(pat) && pat[end] == '*' {
			end++
		}
		tail := pat[end:]
		wide := end-p >= 2 && (p == 0 || pat[p-1] == '/') &&
			(tail == "" || tail[0] == '/' || strings.HasPrefix(tail, `\/`))
		if wide && tail != "" && tail[0] == '/' && refRest(pat, end+1, text, fold) {
			return true
		}
		for i := 0; ; i++ {
			if refRest(pat, end, text[i:], fold) {
				return true
			}
			if i == len(text) || !wide && text[i] == '/' {
				return false
			}
		}
	}
	if text == "" {
		return false
	}
	c := foldByte(text[0], fold)
	switch pat[p] {
	case '?':
		return c != '/' && refRest(pat, p+1, text[1:], fold)
	case '\\':
		return p+1 < len(pat) && pat[p+1] == c && refRest(pat, p+2, text[1:], fold)
	case '[':
		set, n, ok := parseSet(pat[p+1:], fold)
		return ok && c != '/' && set.has(c) && refRest(pat, p+1+n, text[1:], fold)
	}
	return foldByte(pat[p], fold) == c && refRest(pat, p+1, text[1:], fold)
}

// refIgnored is what one rule says about a path, walked from the root.
func refIgnored(r *Rule, path string, isDir, fold bool) bool {
	for end := range len(path) + 1 {
		if end < len(path) && path[end] != '/' {
			continue
		}
		part := path[:end]
		text := part
		if !r.pathname {
			text = part[strings.LastIndexByte(part, '/')+1:]
		}
		if (isDir || end < len(path) || !r.dirOnly) && r.body != "" && refMatch(r.body, text, fold) {
			return !r.negated
		}
	}
	return false
}

// checkParseMatch holds for any content and path.
func checkParseMatch(t interface {
	Fatalf(format string, args ...any)
}, content []byte, path string, isDir, fold bool) {
	rules := Parse("r", content)
	line := 0
	for _, r := range rules {
		if r.Line <= line || strings.ContainsAny(r.Pattern, "\n\x00") || r.Pattern == "" || r.Pattern[0] == '#' {
			t.Fatalf("rule %q in line %d after line %d", r.Pattern, r.Line, line)
		}
		line = r.Line
	}
	m := New(Options{FoldCase: fold}, rules)
	v, err := m.Path(path, isDir, func(string) ([]*Rule, error) { return rules, nil })
	if err != nil {
		return
	}
	if v.By == nil && v.Ignored || v.By != nil && v.Ignored == v.By.negated {
		t.Fatalf("%q: ignored is %v by %v", path, v.Ignored, v.By)
	}
	if v.By != nil && (v.By.Dead() || v.By.dirOnly && v.At == path && !isDir) {
		t.Fatalf("%q: decided by %v", path, v.By)
	}
	for _, r := range rules {
		// The reference is exponential in the stars.
		if len(path) > 40 || strings.Count(r.Pattern, "*") > 8 {
			continue
		}
		v, err := New(Options{FoldCase: fold}, []*Rule{r}).Path(path, isDir, nil)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if want := refIgnored(r, path, isDir, fold); v.Ignored != want {
			t.Fatalf("%q on %q (folder: %v, fold: %v): ignored is %v", r.Pattern, path, isDir, fold, v.Ignored)
		}
	}
}

func FuzzParseMatch(f *testing.F) {
	f.Add([]byte("*.o\n!keep.o\n/a/**/b/\n"), "a/x/b", true, false)
	f.Add([]byte("\xef\xbb\xbf#c\r\n[[:alpha:]-]\\ \r\n"), "x", false, true)
	f.Add([]byte("a**/[!a-c]?\\"), "ab/z1", false, false)
	f.Add([]byte("[[:x\n[a\n[]-\n\\\n**\\/a\n/**\n!/\n\x00"), "b/a", false, true)
	f.Add([]byte("**/**/***/a**"), "b/c/ab", false, false)
	f.Fuzz(func(t *testing.T, content []byte, path string, isDir, fold bool) {
		checkParseMatch(t, content, path, isDir, fold)
	})
}

func TestEqualsReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{
			"a", "b", "A", "/", "/", "*", "**", "?", "[ab]", "[!a]", "[A-B]", `\a`, `\/`, `**\/`, "[!-~]", "**/", "/**", "/**/", "!", "\n",
		})
		rules := strings.Join(rapid.SliceOfN(part, 1, 12).Draw(t, "rules"), "")
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "Ba", "aab"}), 1, 5).Draw(t, "path")
		checkParseMatch(t, []byte(rules), strings.Join(names, "/"), rapid.Bool().Draw(t, "dir"), rapid.Bool().Draw(t, "fold"))
	})
}
