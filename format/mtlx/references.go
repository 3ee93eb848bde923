package mtlx

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// References lists textures, documents that are put in, and the shaders of implementations.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	return f.references(ctx)
}

func (f *file) references(ctx context.Context) ([]format.Reference, error) {
	ids := f.ids()
	var out []format.Reference
	steps := 0
	f.doc.Root.Walk(func(n *xmlspan.Node) bool {
		if steps++; steps&0xfff == 0 && ctx.Err() != nil || len(out) > format.MaxReferences {
			return false
		}
		for _, a := range n.Attrs {
			r := format.Reference{Raw: string(f.doc.Text[a.Off : a.Off+a.Len])}
			means := f.doc.Value(a)
			switch {
			case n.Local() == "include" && a.Name == "href":
				r.Kind = "document"
			case n.Local() == "implementation" && a.Name == "file":
				r.Kind, r.Optional = "shader", true // where the renderer looks for them
			case a.Name == "value" && f.doc.Get(n, "type") == "filename" && means != "":
				r.Kind = "texture"
				if _, style := splice.Path(means); style == format.Relative { // a whole path gets none
					means = f.prefix(n) + means
				}
				if len(means) <= maxPath {
					means = f.several(n, means)
				}
			default:
				continue
			}
			if len(means) > maxPath { // no file has such a path
				continue
			}
			if r.Path, r.Style = splice.Path(means); r.Path == "" || r.Path == "*" || strings.HasSuffix(r.Path, "*.*") {
				continue
			}
			r.Path = strings.TrimPrefix(r.Path, "./")
			r.Sequence = r.Kind == "texture" && (strings.ContainsAny(r.Path, "#*") || strings.Contains(r.Path, "<UDIM>"))
			for up := n; up != nil && r.Element == ""; up = up.Parent {
				r.Element = ids[up]
			}
			if f.exact {
				r.Off, r.Len = int64(a.Off), int64(a.Len)
			}
			out = append(out, r)
		}
		return true
	})
	return out, ctx.Err()
}

// prefix is the fileprefix of the innermost that n is in and that has one.
func (f *file) prefix(n *xmlspan.Node) string {
	for ; n != nil; n = n.Parent {
		if p, ok := f.doc.Has(n, "fileprefix"); ok && len(p) <= maxPath {
			return p
		}
	}
	return ""
}

var (
	bracket = regexp.MustCompile(`\[[^\[\]]*\]`)
	brace   = regexp.MustCompile(`\{[^{}]*\}`)
	frame   = regexp.MustCompile(`^\{0?(\d*)frame\}$`)
)

// several replaces what stands for parts of names.
func (f *file) several(n *xmlspan.Node, p string) string {
	p = strings.NewReplacer("<UVTILE>", "u#_v#", "<uvtile>", "u#_v#", "<udim>", "<UDIM>").Replace(p)
	p = bracket.ReplaceAllStringFunc(p, func(m string) string { return f.token(n, m[1:len(m)-1]) })
	return brace.ReplaceAllStringFunc(p, func(m string) string {
		d := frame.FindStringSubmatch(m)
		if d == nil {
			return "*"
		}
		digits, _ := strconv.Atoi(d[1])
		return strings.Repeat("#", min(max(digits, 1), 16))
	})
}

// maxToken bounds what stands for a token, in bytes: a path may have many.
const maxToken = 255

// token returns the value of a token of what n is in; * where it gets one elsewhere.
func (f *file) token(n *xmlspan.Node, name string) string {
	for ; n != nil; n = n.Parent {
		for _, k := range n.Kids {
			if k.Local() == "token" && f.doc.Get(k, "name") == name {
				if v, ok := f.doc.Has(k, "value"); ok && v != "" && len(v) <= maxToken {
					return v
				}
			}
		}
	}
	return "*"
}

// Rewrite makes a document need others.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	refs, err := f.references(ctx)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, func(r format.Reference, next string) string {
		plain := strings.ReplaceAll(next, ">", "") // as <UDIM> is written, with &lt; or by some without
		if strings.Contains(r.Raw, "<") {
			plain = strings.ReplaceAll(plain, "<", "")
		}
		if !xmlspan.Fits(plain) || strings.TrimSpace(next) == "" {
			return "characters must be written as entities"
		}
		return ""
	})
}
