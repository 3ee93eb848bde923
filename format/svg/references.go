package svg

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// References lists what the document needs: hrefs that load something (not links to follow), url( ) and @import in
// styles, stylesheets. What is inside of the document or of the reference itself (data:) is none.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	return f.references(ctx)
}

// found collects references.
type found struct {
	f    *file
	list []format.Reference
}

func (f *file) references(ctx context.Context) ([]format.Reference, error) {
	found := &found{f: f}
	for _, t := range f.doc.Others {
		text := f.doc.Text[t.Start:t.End]
		if at := bytes.Index(text, []byte("href=")); bytes.HasPrefix(text, []byte("<?xml-stylesheet")) && at > 0 && at+6 < len(text) {
			if n := bytes.IndexByte(text[at+6:], text[at+5]); n > 0 {
				found.add("stylesheet", "", t.Start+at+6, n)
			}
		}
	}
	list, err := f.elements(ctx)
	if err != nil {
		return nil, err
	}
	ids := map[*xmlspan.Node]string{}
	for _, e := range list {
		ids[e.node] = e.ID
	}
	err = f.visit(ctx, f.doc.Root, "", ids, found)
	return found.list, err
}

func (f *file) visit(ctx context.Context, n *xmlspan.Node, element string, ids map[*xmlspan.Node]string, found *found) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(found.list) > format.MaxReferences {
		return fmt.Errorf("more than %d references: %w", format.MaxReferences, format.ErrLimit)
	}
	if id := ids[n]; id != "" {
		element = id
	}
	local := n.Local()
	for _, a := range n.Attrs {
		switch name := xmlspan.Local(a.Name); {
		case name == "href" && local != "a" || name == "src":
			found.add(kinds(local), element, a.Off, a.Len)
		case name == "style" || presentation(a.Name) || name == "clip-path":
			found.styles(element, a.Off, a.Off+a.Len)
		}
	}
	if local == "style" {
		f.doc.Runs(n, func(t xmlspan.Token) bool {
			found.styles(element, t.Start, t.End)
			return true
		})
	}
	for _, k := range n.Kids {
		if err := f.visit(ctx, k, element, ids, found); err != nil {
			return err
		}
	}
	return nil
}

// kinds says what an element loads.
func kinds(local string) string {
	switch local {
	case "image", "feImage":
		return "image"
	case "script":
		return "script"
	case "link":
		return "stylesheet"
	case "audio", "video", "source":
		return "media"
	case "font-face-uri":
		return "font"
	case "color-profile":
		return "profile"
	}
	return "vector"
}

// add takes a span as a reference, if it leads out of the document.
func (s *found) add(kind, element string, off, n int) {
	text := s.f.doc.Text[off : off+n]
	trimmed := bytes.TrimSpace(text)
	off += bytes.Index(text, trimmed)
	for i, c := range trimmed { // what follows # names a thing in the other file; &#32; is a letter
		if c == '#' && (i == 0 || trimmed[i-1] != '&') {
			trimmed = trimmed[:i]
			break
		}
	}
	raw := string(trimmed)
	means := s.f.doc.Unescape(trimmed)
	if means == "" || len(means) >= 5 && strings.EqualFold(means[:5], "data:") {
		return
	}
	r := format.Reference{Kind: kind, Raw: raw, Element: element}
	if r.Path, r.Style = splice.URI(means); r.Path == "" {
		return
	}
	if s.f.exact {
		r.Off, r.Len = int64(off), int64(len(trimmed))
	}
	s.list = append(s.list, r)
}

// styles finds url( ) and @import in [from, to).
func (s *found) styles(element string, from, to int) {
	text := s.f.doc.Text[:to]
	for i := from; i < to; {
		rest := text[i:]
		switch {
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest, []byte("*/"))
			if n < 0 {
				return
			}
			i += n + 2
		case bytes.HasPrefix(rest, []byte("url(")):
			off, n := quoted(rest[4:], ')')
			s.add(styleKind(text[from:i], rest[4+off:4+off+n]), element, i+4+off, n)
			i += 4 + off + n
		case bytes.HasPrefix(rest, []byte("@import")):
			off, n := quoted(rest[7:], ';')
			if !bytes.HasPrefix(rest[7+off:], []byte("url(")) {
				s.add("stylesheet", element, i+7+off, n)
				i += n
			}
			i += 7 + off
		default:
			i++
		}
	}
}

// styleKind guesses what url( ) loads.
func styleKind(before, url []byte) string {
	if n := bytes.LastIndexByte(before, ';'); n >= 0 {
		before = before[n:]
	}
	url = bytes.ToLower(url)
	switch {
	case bytes.Contains(before, []byte("@import")):
		return "stylesheet"
	case bytes.Contains(before, []byte("@font-face")), bytes.Contains(url, []byte(".woff")), bytes.Contains(url, []byte(".ttf")), bytes.Contains(url, []byte(".otf")):
		return "font"
	case bytes.Contains(url, []byte(".svg")):
		return "vector"
	}
	return "image"
}

// quoted returns where a word in b is, with its quotes off, or else up to end; url(…) as it stands.
func quoted(b []byte, end byte) (off, n int) {
	for off < len(b) && (b[off] == ' ' || b[off] == '\n' || b[off] == '\t' || b[off] == '\r') {
		off++
	}
	if off == len(b) {
		return off, 0
	}
	for _, q := range []string{`"`, `'`, "&quot;", "&apos;"} {
		if bytes.HasPrefix(b[off:], []byte(q)) {
			off += len(q)
			if n = bytes.Index(b[off:], []byte(q)); n >= 0 {
				return off, n
			}
			return off, 0
		}
	}
	n = bytes.IndexByte(b[off:], end)
	if n < 0 {
		n = len(b) - off
	}
	return off, len(bytes.TrimRight(b[off:off+n], " \t\r\n"))
}

// Rewrite makes the document need others.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	refs, err := f.references(ctx)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, func(_ format.Reference, next string) string {
		switch {
		case !xmlspan.Fits(next):
			return "characters must be written as entities"
		case strings.ContainsAny(next, "()") || next != strings.TrimSpace(next) || next == "":
			return "brackets and spaces must be written as %28, %29, %20"
		}
		return ""
	})
}
