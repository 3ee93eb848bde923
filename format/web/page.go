package web

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// found collects references of a text.
type found struct {
	b     []byte
	exact bool
	page  bool // values have entities
	base  string
	list  []format.Reference
}

func readPage(ctx context.Context, in format.Input) (*found, error) {
	b, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	f := &found{b: b, exact: exact, page: true}
	r := &tags{b: b}
	for n := 0; ; n++ {
		if n&0xff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if len(f.list) > format.MaxReferences {
			return nil, fmt.Errorf("more than %d references: %w", format.MaxReferences, format.ErrLimit)
		}
		t, ok, err := r.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return f, nil
		}
		f.tag(&t)
		switch t.name {
		case "script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes":
			if bytes.HasSuffix(b[:t.end], []byte("/>")) && t.name != "iframe" && f.xml() {
				continue
			}
			from := r.at
			end, err := r.raw(t.name)
			if err != nil {
				return nil, err
			}
			if t.name == "style" {
				f.page = false // no entities
				err = f.sheet(from, end)
				f.page = true
				if err != nil {
					return nil, err
				}
			}
		case "plaintext":
			return f, nil
		}
	}
}

// xml reports whether a page says that it is XML, where <script/> is all of it.
func (f *found) xml() bool { return bytes.HasPrefix(f.b, []byte("<?xml")) }

func (t *tag) get(f *found, name string) string {
	for _, a := range t.attrs {
		if a.name == name {
			return strings.TrimSpace(html.UnescapeString(string(f.b[a.from:a.to])))
		}
	}
	return ""
}

// tag takes the references of a tag.
func (f *found) tag(t *tag) {
	if t.name == "base" && f.base == "" {
		f.base = t.get(f, "href")
		if len(f.base) > maxBase {
			f.base = ""
		}
		return
	}
	seen := map[string]bool{}
	for _, a := range t.attrs {
		if seen[a.name] { // the first counts
			continue
		}
		seen[a.name] = true
		switch a.name {
		case "src", "data-src", "poster", "background":
			f.add(kindOf(t, f, a.name), a.from, a.to, a.name == "data-src")
		case "srcset", "data-srcset", "imagesrcset":
			f.set(a, a.name == "data-srcset")
		case "data":
			if t.name == "object" {
				f.add(kindOf(t, f, a.name), a.from, a.to, false)
			}
		case "href", "xlink:href":
			f.href(t, a)
		case "style":
			_ = f.sheet(a.from, a.to) // what does not end there is nothing
		}
	}
}

// href takes a reference that may be a link.
func (f *found) href(t *tag, a attr) {
	switch t.name {
	case "a", "area":
		n := len(f.list)
		f.add("link", a.from, a.to, true)
		if len(f.list) > n {
			switch r := &f.list[n]; {
			case r.Style == format.URL, path.Ext(r.Path) == "":
				f.list = f.list[:n]
			}
		}
	case "link":
		for rel := range strings.FieldsSeq(strings.ToLower(t.get(f, "rel"))) {
			switch rel {
			case "stylesheet", "icon", "apple-touch-icon", "apple-touch-icon-precomposed", "mask-icon", "manifest", "preload", "modulepreload", "prefetch", "apple-touch-startup-image":
				f.add(kindOf(t, f, rel), a.from, a.to, rel == "prefetch" || rel == "preload")
				return
			}
		}
	case "image", "use", "feimage", "script", "textpath", "mpath", "lineargradient", "radialgradient", "pattern", "filter":
		f.add(kindOf(t, f, a.name), a.from, a.to, false)
	}
}

// kindOf says what a tag loads.
func kindOf(t *tag, f *found, attr string) string {
	switch t.name {
	case "img", "image", "feimage", "input", "body", "table", "td", "th", "tr":
		return "image"
	case "script":
		return "script"
	case "audio":
		return "sound"
	case "video":
		if attr == "poster" {
			return "image"
		}
		return "video"
	case "iframe", "frame":
		return "page"
	case "track":
		return "text"
	case "use":
		return "vector"
	case "link":
		switch attr {
		case "stylesheet":
			return "stylesheet"
		case "manifest":
			return "manifest"
		case "modulepreload":
			return "script"
		case "preload", "prefetch":
			switch as := t.get(f, "as"); as {
			case "style":
				return "stylesheet"
			case "image", "script", "font", "video":
				return as
			case "audio":
				return "sound"
			}
			return "file"
		}
		return "image"
	}
	return "file"
}

// set takes the candidates of a srcset: each up to a space, then what it is for, up to a comma.
func (f *found) set(a attr, optional bool) {
	for i := a.from; i < a.to; {
		for i < a.to && (space(f.b[i]) || f.b[i] == ',') {
			i++
		}
		from := i
		for i < a.to && !space(f.b[i]) {
			i++
		}
		to := i
		for to > from && f.b[to-1] == ',' {
			to--
		}
		if to == i { // a comma at its end says that nothing follows
			for depth := 0; i < a.to && (f.b[i] != ',' || depth > 0); i++ {
				switch f.b[i] {
				case '(':
					depth++
				case ')':
					depth--
				}
			}
		}
		if from < to {
			f.add("image", from, to, optional)
		}
	}
}

// add takes [from, to) as a reference, if it leads out of the file.
func (f *found) add(kind string, from, to int, optional bool) {
	for from < to && space(f.b[from]) {
		from++
	}
	for to > from && space(f.b[to-1]) {
		to--
	}
	for i := from; i < to; i++ { // what follows # is a place in the other; &#32; is a letter
		if f.b[i] == '#' && (!f.page || i == from || f.b[i-1] != '&') {
			to = i
		}
	}
	raw := string(f.b[from:to])
	means := raw
	if f.page {
		means = html.UnescapeString(raw)
	} else {
		means = unescape(raw)
	}
	r := format.Reference{Kind: kind, Raw: raw, Optional: optional}
	if r.Path, r.Style = f.pathOf(means); r.Path == "" || len(f.list) > format.MaxReferences {
		return
	}
	if f.exact {
		r.Off, r.Len = int64(from), int64(to-from)
	}
	f.list = append(f.list, r)
}

// pathOf returns what a URL means; "" where it loads no file.
func (f *found) pathOf(url string) (string, format.Style) {
	lower := strings.ToLower(url[:min(len(url), 16)])
	for _, scheme := range []string{"data:", "javascript:", "mailto:", "tel:", "about:", "blob:", "cid:"} {
		if strings.HasPrefix(lower, scheme) {
			return "", ""
		}
	}
	if url == "" || strings.Contains(url, "{{") || strings.Contains(url, "<%") || strings.Contains(url, "<?") || strings.Contains(url, "${") { // of a template
		return "", ""
	}
	if strings.HasPrefix(url, "//") {
		return url, format.URL
	}
	p, style := splice.URI(strings.ReplaceAll(url, `\`, "/"))
	switch {
	case style == format.URL:
		return url, style
	case style == format.Absolute && strings.HasPrefix(p, "/") && !strings.HasPrefix(lower, "file:"):
		return strings.TrimLeft(p, "/"), format.Rooted
	case style == format.Absolute || p == "" || f.base == "":
		return strings.TrimPrefix(p, "./"), style
	}
	base, from := (&found{}).pathOf(f.base)
	if from == format.URL {
		return strings.TrimSuffix(f.base, "/") + "/" + p, format.URL
	}
	if !strings.HasSuffix(f.base, "/") {
		base = path.Dir(base)
	}
	if base == "" && from == "" { // href="" or "/"
		if strings.HasPrefix(f.base, "/") {
			return path.Join("", p), format.Rooted
		}
		return p, style
	}
	return path.Join(base, p), from
}
