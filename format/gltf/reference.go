package gltf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"varve/format"
)

func isUnsupported(err error) bool { return errors.Is(err, format.ErrUnsupported) }

// unescape decodes %xx; what is none stays.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	digit := func(c byte) int { return strings.IndexByte("0123456789abcdef", c|0x20) }
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if a, b := digit(s[i+1]), digit(s[i+2]); a >= 0 && b >= 0 {
				out.WriteByte(byte(a<<4 | b))
				i += 2
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// uri is a place where the document names another file.
type uri struct {
	token int
	list  string
	index int
}

// outer returns the URIs that hold no data themselves, in the order of the file.
func (d *document) outer() (out []uri) {
	at := map[int]uri{}
	for _, list := range []string{buffers, images} {
		for i, k := range d.lists[list] {
			if u := d.get(k, "uri"); u >= 0 && d.tape[u].kind == '"' && d.tape[u].end-d.tape[u].off > 2 && !isData(string(d.raw(u)[1:min(len(d.raw(u)), 8)])) {
				at[u] = uri{u, list, i}
			}
		}
	}
	for k := range d.tape {
		if u, ok := at[k]; ok {
			out = append(out, u)
		}
	}
	return out
}

// style tells where a URI leads, and to what.
func style(uri string) (string, format.Style) {
	scheme, rest, has := strings.Cut(uri, ":")
	switch {
	case has && len(scheme) == 1: // a drive
		return strings.ReplaceAll(unescape(uri), "\\", "/"), format.Absolute
	case has && strings.EqualFold(scheme, "file"):
		return unescape(strings.TrimPrefix(rest, "//")), format.Absolute
	case has && !strings.ContainsAny(scheme, "/\\.%"):
		return uri, format.URL
	}
	path := strings.ReplaceAll(unescape(uri), "\\", "/")
	if strings.HasPrefix(path, "/") {
		return path, format.Absolute
	}
	return path, format.Relative
}

// References returns the buffers and images that are other files, in the order of the file.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	d, err := open(in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, u := range d.outer() {
		r := format.Reference{Kind: "buffer"}
		if u.list == images {
			r.Kind, r.Element = "texture", idOf(images, u.index)
		}
		raw := d.raw(u.token)
		r.Raw = string(raw[1 : len(raw)-1])
		r.Path, r.Style = style(d.string(u.token))
		r.Off, r.Len = d.off+int64(d.tape[u.token].off)+1, int64(len(r.Raw))
		if r.Path != "" {
			out = append(out, r)
		}
	}
	return out, ctx.Err()
}

// Rewrite changes URIs. What a Raw becomes is what stands between the quotes: a URI, of which spaces and what a URI may
// not have are percent-encoded.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	d, err := open(in)
	if err != nil {
		return nil, err
	}
	var s splice
	for _, u := range d.outer() {
		raw := d.raw(u.token)
		to, ok := paths[string(raw[1:len(raw)-1])]
		if !ok || to == string(raw[1:len(raw)-1]) {
			continue
		}
		quoted := []byte(`"` + to + `"`)
		if !json.Valid(quoted) {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%.200q cannot stand in a JSON string", to), Advice: "escape quotes and backslashes"}
		}
		s.replace(d.tape[u.token].off, d.tape[u.token].end, quoted)
	}
	return d.write(&s, nil), ctx.Err()
}
