package unity

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"varve/format"
)

// document is one object of a file.
type document struct {
	class    string // GameObject; "" of a .meta
	id       string // file id; "" of a .meta
	stripped bool
	off, end int
	fields   []field
}

// field is a line with a key, and where its value is: without what is in the lines below it, if those are of its block.
type field struct {
	indent int
	item   bool // it begins an item of a sequence
	key    string
	value  span
	off    int // of the line
}

type span struct{ off, end int }

// file is a text file, as spans of its bytes.
type file struct {
	b    []byte
	docs []document
	json bool
}

func (f *file) text(s span) string { return string(f.b[s.off:s.end]) }

func read(ctx context.Context, in format.Input) (*file, error) {
	b, err := text(in)
	if err != nil {
		return nil, err
	}
	f := &file{b: b}
	if first := bytes.TrimLeft(b, "\xef\xbb\xbf \t\r\n"); len(first) > 0 && first[0] == '{' {
		f.json = true
		return f, nil
	}
	r := &reader{ctx: ctx, b: b}
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		r.at = 3
	}
	f.docs, err = r.documents()
	return f, err
}

type reader struct {
	ctx  context.Context
	b    []byte
	at   int
	docs []document
	// plain is the column of the last key whose value is a plain scalar or a block of text: lines that are further to the
	// right go on with it. -1 where there is none.
	plain int
}

func (r *reader) documents() ([]document, error) {
	for n := 0; r.at < len(r.b); n++ {
		if n&0xffff == 0 && r.ctx.Err() != nil {
			return nil, r.ctx.Err()
		}
		line := r.line()
		rest := bytes.TrimLeft(line, " ")
		switch {
		case len(bytes.TrimSpace(line)) == 0 || line[0] == '%' || rest[0] == '#':
			r.at += len(line)
		case bytes.HasPrefix(line, []byte("--- ")):
			if err := r.head(line); err != nil {
				return nil, err
			}
			r.at += len(line)
		case bytes.HasPrefix(line, []byte("<<<<<<< ")), bytes.HasPrefix(line, []byte(">>>>>>> ")):
			return nil, format.Malformed("a conflict of a merge is at %d", r.at)
		default:
			if err := r.field(line, len(line)-len(rest)); err != nil {
				return nil, err
			}
		}
	}
	if len(r.docs) == 0 {
		return nil, format.Malformed("it has no document")
	}
	r.docs[len(r.docs)-1].end = len(r.b)
	return r.docs, nil
}

// line is from where the reader is to the end of the line, with that.
func (r *reader) line() []byte {
	if n := bytes.IndexByte(r.b[r.at:], '\n'); n >= 0 {
		return r.b[r.at : r.at+n+1]
	}
	return r.b[r.at:]
}

// head begins a document: --- !u!1 &330585543 stripped
func (r *reader) head(line []byte) error {
	if len(r.docs) >= format.MaxElements {
		return fmt.Errorf("%d objects: %w", len(r.docs), format.ErrLimit)
	}
	w := strings.Fields(string(line))
	if len(w) < 3 || !strings.HasPrefix(w[1], "!u!") || !strings.HasPrefix(w[2], "&") || len(w[2]) < 2 {
		return format.Malformed("the head of a document at %d", r.at)
	}
	if n := len(r.docs); n > 0 {
		r.docs[n-1].end = r.at
	}
	r.plain = -1
	r.docs = append(r.docs, document{id: w[2][1:], stripped: len(w) > 3 && w[3] == "stripped", off: r.at})
	return nil
}

// field takes a line with a key, and the lines that its value goes on in: a string's and a flow's. Those of a plain
// scalar or a block of text are passed over.
func (r *reader) field(line []byte, indent int) error {
	if len(r.docs) == 0 { // a .meta
		r.docs = append(r.docs, document{off: r.at})
		r.plain = -1
	}
	end := r.at + len(line)
	if r.plain >= 0 && indent > r.plain {
		r.at = end
		return nil
	}
	r.plain = -1
	d := &r.docs[len(r.docs)-1]
	f := field{indent: indent, off: r.at}
	at := r.at + indent
	for at < end && r.b[at] == '-' && (at+1 == len(r.b) || r.b[at+1] <= ' ') {
		f.item = true
		at = min(at+2, end)
	}
	column := at - r.at
	if n, err := key(r.b, at, end); err != nil {
		return err
	} else if n >= 0 {
		f.key = scalar(string(r.b[at : at+n]))
		at += n + 1
		if d.class == "" && indent == 0 && d.id != "" {
			d.class = f.key
		}
	} else if f.item {
		column = indent
	}
	for at < end && r.b[at] <= ' ' {
		at++
	}
	stop, err := valueEnd(r.b, at, end)
	if err != nil {
		return err
	}
	f.value = span{at, at + len(bytes.TrimRight(r.b[at:stop], " \r\n"))}
	if at < end && strings.IndexByte(`"'{[`, r.b[at]) < 0 {
		r.plain = column
	}
	d.fields = append(d.fields, f)
	r.at = end
	if stop != end {
		r.at = stop
		r.at += len(r.line())
	}
	return nil
}

// key returns the length of a line's key; -1 where it has none.
func key(b []byte, at, end int) (int, error) {
	if at >= end {
		return -1, nil
	}
	switch b[at] {
	case '{', '[':
		return -1, nil
	case '"', '\'':
		stop, err := stringEnd(b, at)
		if err != nil || stop >= end || b[stop] != ':' {
			return -1, err
		}
		return stop - at, nil
	}
	return colon(b[at:end]), nil
}

// colon finds the one that ends a key.
func colon(b []byte) int {
	for i, c := range b {
		if c == ':' && (i+1 == len(b) || b[i+1] == ' ' || b[i+1] == '\n' || b[i+1] == '\r') {
			return i
		}
	}
	return -1
}

// valueEnd returns where a value ends that begins at at, on a line that ends at end.
func valueEnd(b []byte, at, end int) (int, error) {
	if at >= end {
		return end, nil
	}
	switch c := b[at]; c {
	case '"', '\'':
		return stringEnd(b, at)
	case '{', '[':
		depth := 0
		for i := at; i < len(b); i++ {
			switch b[i] {
			case '"', '\'':
				if p := b[i-1]; p == ' ' || p == ',' || p == '{' || p == '[' || p == '\n' {
					e, err := stringEnd(b, i)
					if err != nil {
						return 0, err
					}
					i = e - 1
				}
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1, nil
				}
			case '\n':
				if bytes.HasPrefix(b[i+1:], []byte("--- ")) {
					return 0, format.Malformed("the brackets at %d are not closed", at)
				}
			}
		}
		return 0, format.Malformed("the brackets at %d are not closed", at)
	}
	return end, nil
}

// stringEnd returns where a quoted string ends that begins at at.
func stringEnd(b []byte, at int) (int, error) {
	q := b[at]
	for i := at + 1; i < len(b); i++ {
		switch {
		case q == '"' && b[i] == '\\':
			i++
		case b[i] == q && q == '\'' && i+1 < len(b) && b[i+1] == q:
			i++
		case b[i] == q:
			return i + 1, nil
		}
	}
	return 0, format.Malformed("the string at %d is not closed", at)
}

// scalar is what a value means where it is no collection.
func scalar(s string) string {
	if len(s) < 2 || s[len(s)-1] != s[0] {
		return s
	}
	switch s[0] {
	case '\'':
		return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
	case '"':
		return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\t`, "\t").Replace(s[1 : len(s)-1])
	}
	return s
}

// pointer is {fileID: n, guid: …, type: n}.
type pointer struct {
	fileID string
	guid   string
	at     span // of the guid
}

// maxDepth of brackets, of what the reader looks into.
const maxDepth = 64

// pointers calls each with those in a flow.
func pointers(b []byte, s span, each func(pointer)) {
	if s.end <= s.off || b[s.off] != '{' && b[s.off] != '[' {
		return
	}
	var stack [maxDepth]pointer
	depth, key := -1, ""
	for i := s.off; i < s.end; {
		switch c := b[i]; c {
		case '{', '[':
			if depth++; depth == maxDepth {
				return
			}
			stack[depth], key = pointer{}, ""
			i++
		case '}', ']':
			if depth < 0 {
				return
			}
			if p := stack[depth]; p.fileID != "" || p.guid != "" {
				each(p)
			}
			depth--
			i++
		case ',':
			key = ""
			i++
		case ' ', '\n', '\r', ':':
			i++
		case '"', '\'':
			e, err := stringEnd(b[:s.end], i)
			if err != nil {
				return
			}
			i = e
		default:
			start := i
			for i < s.end && strings.IndexByte("{}[],: \r\n", b[i]) < 0 {
				i++
			}
			w := string(b[start:i])
			switch {
			case depth < 0:
				return
			case key == "fileID":
				stack[depth].fileID = w
			case key == "guid":
				stack[depth].guid, stack[depth].at = w, span{start, i}
			}
			key = w
		}
	}
}
