package obj

import (
	"bytes"
	"context"
	"strings"

	"varve/format"
	"varve/format/shape"
	"varve/format/splice"
)

// References lists the material libraries, and the files that are drawn in place of the shape for shadows and rays.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	text, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	return find(ctx, text, exact, func(first string, rest []byte) (kind string, spans [][2]int) {
		switch first {
		case "mtllib":
			return "material library", libraries(rest)
		case "shadow_obj", "trace_obj", "call":
			return "shape", [][2]int{whole(rest)}
		case "maplib":
			return "texture library", [][2]int{whole(rest)}
		}
		return "", nil
	})
}

// find reads statements, of which spans says where files stand.
func find(ctx context.Context, text []byte, exact bool, spans func(first string, rest []byte) (string, [][2]int)) ([]format.Reference, error) {
	var out []format.Reference
	s := statements{text: text, next: 1}
	for n := 0; ; n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		from, to, ok := s.read()
		if !ok || len(out) > format.MaxReferences {
			return out, nil
		}
		first, rest := word(text[from:to])
		if len(first) < 3 || first[0] == '#' { // v, f: nearly all
			continue
		}
		kind, list := spans(string(first), rest)
		at := to - len(rest)
		for _, p := range list {
			raw := string(rest[p[0]:p[1]])
			if raw == "" {
				continue
			}
			r := format.Reference{Kind: kind, Raw: raw}
			if r.Path, r.Style = splice.Path(raw); r.Path == "" {
				continue
			}
			r.Path = strings.TrimPrefix(r.Path, "./")
			if exact {
				r.Off, r.Len = int64(at+p[0]), int64(p[1]-p[0])
			}
			out = append(out, r)
		}
	}
}

// whole is the rest of a statement without space around it, and without quotes.
func whole(b []byte) [2]int {
	from := skip(b)
	to := from + len(bytes.TrimRight(b[from:], " \t\r\n\\"))
	if to-from >= 2 && b[from] == '"' && b[to-1] == '"' {
		from, to = from+1, to-1
	}
	return [2]int{from, to}
}

// libraries cuts the names after mtllib: after each word that ends in .mtl, for names may have spaces.
func libraries(b []byte) [][2]int {
	var out [][2]int
	all := whole(b)
	from := all[0]
	for i := from; i < all[1]; i++ {
		if space(b[i]) && i-from >= 4 && strings.EqualFold(string(b[i-4:i]), ".mtl") {
			out = append(out, [2]int{from, i})
			from = i + skip(b[i:])
			i = from
		}
	}
	if from < all[1] {
		out = append(out, [2]int{from, all[1]})
	}
	return out
}

// mapped is where the file of a map statement stands, after its options.
func mapped(b []byte) [2]int {
	at := skip(b)
	for at < len(b) && b[at] == '-' {
		option, rest := word(b[at:])
		words, numbers := 0, 0
		switch string(option) {
		case "-blendu", "-blendv", "-cc", "-clamp", "-imfchan", "-type", "-mipmap", "-colorspace":
			words = 1
		case "-bm", "-boost", "-texres":
			numbers = 1
		case "-mm":
			numbers = 2
		case "-o", "-s", "-t":
			numbers = 3
		default:
			return whole2(b, at)
		}
		for range words {
			_, rest = word(rest)
		}
		for range numbers {
			w, after := word(rest)
			if _, n := shape.Number(w); n == 0 || n != len(w) || len(bytes.TrimSpace(after)) == 0 {
				break
			}
			rest = after
		}
		at = len(b) - len(rest) + skip(rest)
	}
	return whole2(b, at)
}

func whole2(b []byte, at int) [2]int {
	p := whole(b[at:])
	return [2]int{at + p[0], at + p[1]}
}

// Rewrite makes the file need others.
func (f Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := f.References(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, fits)
}

func fits(r format.Reference, next string) string {
	switch {
	case next == "" || next != strings.TrimSpace(next) || strings.ContainsFunc(next, func(c rune) bool { return c < ' ' }):
		return "a name is one line"
	case strings.HasPrefix(next, "-"), strings.HasPrefix(next, "#"), strings.HasSuffix(next, `\`):
		return "a name does not begin with - or #, nor end with a backslash"
	case r.Kind == "material library" && strings.Contains(strings.ToLower(next), ".mtl "):
		return "it would be two names"
	}
	return ""
}
