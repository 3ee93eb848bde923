// Package splice changes files in places: spans out, others in, all else as it was. It knows what paths in text files
// mean.
package splice

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"varve/format"
)

// Edit puts New in the place of Len bytes at Off.
type Edit struct {
	Off, Len int64
	New      *format.Output
}

// Text is an output of a text.
func Text(s string) *format.Output {
	o := new(format.Output)
	_, _ = o.Write([]byte(s))
	return o
}

// Cut is an output of a span of a file.
func Cut(in format.Input, off, n int64) *format.Output {
	o := new(format.Output)
	o.Span(in, off, n)
	return o
}

// Apply returns the span [from, to) of a file with edits within it made: of one place what is put in before what is
// replaced, else in their order. Edits that overlap are an error.
func Apply(in format.Input, from, to int64, edits []Edit) (*format.Output, error) {
	sorted := slices.Clone(edits)
	slices.SortStableFunc(sorted, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.Off, b.Off), cmp.Compare(min(a.Len, 1), min(b.Len, 1)))
	})
	out, at := new(format.Output), from
	for _, e := range sorted {
		if e.Off < at || e.Len < 0 || e.Off+e.Len > to {
			return nil, fmt.Errorf("changes at %d overlap", e.Off)
		}
		out.Span(in, at, e.Off-at)
		out.Append(e.New)
		at = e.Off + e.Len
	}
	out.Span(in, at, to-at)
	return out, nil
}

// Rewrite puts other paths in the places of references. fits says why a path may not stand in the place of one; "" if it
// may.
func Rewrite(in format.Input, refs []format.Reference, paths map[string]string, fits func(format.Reference, string) string) (*format.Output, error) {
	var edits []Edit
	done := map[int64]bool{}
	for _, r := range refs {
		next, ok := paths[r.Raw]
		if !ok || next == r.Raw {
			continue
		}
		if r.Len == 0 {
			return nil, &format.Refusal{Reason: fmt.Sprintf("the reference to %s stands at no place that can be changed", r.Path)}
		}
		if why := fits(r, next); why != "" {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q cannot stand in the place of %q: %s", next, r.Raw, why)}
		}
		if !done[r.Off] {
			edits = append(edits, Edit{r.Off, r.Len, Text(next)})
			done[r.Off] = true
		}
	}
	return Apply(in, 0, in.Size(), edits)
}

// Path returns what a path in a file means and from where it leads: with slashes, without file:. It may have an
// application's own schemes, which lead from the network as far as this knows.
func Path(raw string) (string, format.Style) {
	p := strings.ReplaceAll(raw, `\`, "/")
	if rest, ok := cutFold(p, "file:"); ok {
		rest = "/" + strings.TrimLeft(rest, "/")
		if drive(rest[1:]) {
			rest = rest[1:]
		}
		return rest, format.Absolute
	}
	switch {
	case strings.HasPrefix(p, "/"), drive(p):
		return p, format.Absolute
	case scheme(p):
		return raw, format.URL
	}
	return p, format.Relative
}

// URI is Path of a URI: what follows # or ? is no part of it, and %20 is a space.
func URI(raw string) (string, format.Style) {
	p, style := Path(raw)
	if style == format.URL {
		return p, style
	}
	if n := strings.IndexAny(p, "#?"); n >= 0 {
		p = p[:n]
	}
	if plain, err := url.PathUnescape(p); err == nil {
		p = plain
	}
	return p, style
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// drive: C:, C:/…
func drive(p string) bool {
	return len(p) >= 2 && p[1] == ':' && (p[0]|0x20 >= 'a' && p[0]|0x20 <= 'z') && (len(p) == 2 || p[2] == '/')
}

// scheme: https:…, mailto:…
func scheme(p string) bool {
	n := strings.IndexByte(p, ':')
	if n < 2 {
		return false
	}
	for i, c := range []byte(p[:n]) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '+' && c != '-' && c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// Changed returns the ids of the elements of a result that the file did not have as they are. of says what the element of
// one of a format's own is.
func Changed[T any](was, is []T, of func(*T) *format.Element) (ids []string) {
	before := map[string]string{}
	for i := range was {
		before[of(&was[i]).ID] = of(&was[i]).Hash()
	}
	for i := range is {
		if e := of(&is[i]); before[e.ID] != e.Hash() {
			ids = append(ids, e.ID)
		}
	}
	return ids
}
