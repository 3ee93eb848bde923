package maya

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"varve/format"
	"varve/format/splice"
)

// References lists the scenes that this one has in it, and the textures, sounds and caches of its nodes. What a node names
// twice is one reference, as a scene that one statement announces and another loads. What scenes in those need is Optional,
// for it is theirs.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	if isBinary(in) {
		return binaryReferences(ctx, in)
	}
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	all := s.references()
	seen := make(map[[2]string]bool, len(all))
	out := all[:0]
	for i := range all {
		key := [2]string{s.places[i].owner(), all[i].Raw}
		if all[i].Path != "" && !seen[key] {
			seen[key] = true
			out = append(out, all[i])
		}
	}
	return out, nil
}

// owner tells what a place is of from others.
func (p *place) owner() string {
	if p.node < 0 {
		return p.rfn
	}
	return strconv.Itoa(p.node)
}

// references returns one for each place; of those that name nothing without a path.
func (s *scene) references() []format.Reference {
	ids := s.ids()
	var out []format.Reference
	for _, p := range s.places {
		raw := string(s.b[p.from:p.to])
		r := format.Reference{Kind: p.kind, Raw: raw, Optional: p.optional, Off: int64(p.from), Len: int64(p.to - p.from)}
		at, ok := p.node, p.node >= 0
		if !ok {
			at, ok = s.find(p.rfn)
		}
		var n *node
		if ok {
			n, r.Element = &s.nodes[at], ids[at]
		}
		if !utf8.ValidString(raw) {
			raw = latin1(raw)
		}
		r.Path, r.Style = pathOf(means([]byte(raw)))
		if r.Path == "" {
			out = append(out, r)
			continue
		}
		if p.texture && n != nil {
			r.Path = several(r.Path, n)
		}
		if p.suffix != "" {
			r.Path = strings.TrimSuffix(r.Path, "/") + "/" + p.suffix + ".*"
		}
		r.Sequence = strings.ContainsAny(r.Path, "#*") || strings.Contains(r.Path, "<UDIM>")
		out = append(out, r)
	}
	return out
}

// latin1 is text of an older code page, as far as that is known.
func latin1(s string) string {
	out := make([]rune, 0, len(s))
	for _, c := range []byte(s) {
		out = append(out, rune(c))
	}
	return string(out)
}

// pathOf returns what Maya makes of a path.
func pathOf(raw string) (string, format.Style) {
	p := strings.ReplaceAll(raw, `\`, "/")
	if n := strings.IndexByte(p, '{'); n > 0 && strings.HasSuffix(p, "}") { // a.ma{2}: in the scene for the third time
		p = p[:n]
	}
	if strings.HasPrefix(p, "$") || strings.HasPrefix(p, "~") || strings.HasPrefix(p, "%") {
		return p, format.Absolute // by what is set on a machine
	}
	_, style := splice.Path(p)
	if style == format.URL {
		return p, style
	}
	if len(p) > 2 {
		if n := strings.Index(p[2:], "//"); n >= 0 { // //server/share//scenes/a.ma
			if rest := strings.TrimLeft(p[2+n:], "/"); rest != "" {
				return rest, format.Rooted
			}
		}
	}
	if style == format.Absolute {
		p, style = splice.Path(p)
		return p, style
	}
	if !strings.Contains(p, "/") || strings.HasPrefix(p, "./") || strings.HasPrefix(p, "../") {
		return strings.TrimPrefix(p, "./"), format.Relative
	}
	return p, format.Rooted
}

var (
	tileNumber = regexp.MustCompile(`\d{4}(\.[^./]*)$`)
	tilePlace  = regexp.MustCompile(`(?i)u-?\d+_v-?\d+(\.[^./]*)$`)
	frame      = regexp.MustCompile(`(\d+)(\.[^./\d]*)$`)
)

// several is the path of a texture that is one of several, by frames or tiles.
func several(p string, n *node) string {
	p = strings.NewReplacer("<udim>", "<UDIM>", "<f>", "#", "<F>", "#", "u<u>_v<v>", "u#_v#", "u<U>_v<V>", "u#_v#", "<uvtile>", "u#_v#", "<frame0>", "#").Replace(p)
	switch {
	case n.tiling == 3:
		p = tileNumber.ReplaceAllString(p, "<UDIM>$1")
	case n.tiling == 1 || n.tiling == 2:
		p = tilePlace.ReplaceAllString(p, "u#_v#$1")
	case n.frames:
		if m := frame.FindStringSubmatchIndex(p); m != nil {
			p = p[:m[2]] + strings.Repeat("#", m[3]-m[2]) + p[m[4]:]
		}
	}
	return p
}

// Rewrite makes a scene of text need others.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	if isBinary(in) {
		return nil, &format.Refusal{Reason: "a binary scene is only listed", Advice: "save it as .ma, or give it other paths in Maya"}
	}
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, s.references(), paths, fits)
}

// fits says why characters may not stand between the quotes of a path.
func fits(_ format.Reference, next string) string {
	if next == "" || strings.ContainsFunc(next, func(c rune) bool { return c < ' ' }) {
		return "a path is one line"
	}
	for i := 0; i < len(next); i++ {
		switch next[i] {
		case '"':
			return `a quote is written \"`
		case '\\':
			if i++; i == len(next) {
				return `a backslash is written \\`
			}
		}
	}
	return ""
}
