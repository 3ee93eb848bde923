package svg

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"varve/format/xmlspan"
)

func geometry(name string) bool {
	switch name {
	case "d", "points", "x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "x1", "y1", "x2", "y2", "fx", "fy", "viewBox", "gradientTransform", "patternTransform":
		return true
	}
	return false
}

func presentation(name string) bool {
	switch name {
	case "color", "display", "visibility", "opacity", "overflow", "mask", "filter", "mix-blend-mode", "clip-path", "clip-rule", "marker", "cursor",
		"enable-background", "paint-order", "vector-effect", "shape-rendering", "image-rendering", "text-rendering", "text-anchor", "text-decoration",
		"letter-spacing", "word-spacing", "dominant-baseline", "baseline-shift", "writing-mode", "direction", "color-interpolation",
		"color-interpolation-filters", "isolation":
		return true
	}
	for _, p := range []string{"fill", "stroke", "stop-", "font", "marker-", "flood-", "lighting-"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// numbers writes the numbers and letters of an attribute in one way: "M0,0 1.50" and "M 0 0 1.5" are one.
func numbers(s string) string {
	var out []string
	for i := 0; i < len(s); {
		c := s[i]
		if c == ' ' || c == ',' || c == '\n' || c == '\t' || c == '\r' {
			i++
			continue
		}
		if n := numberLen(s[i:]); n > 0 {
			v, err := strconv.ParseFloat(s[i:i+n], 64)
			if err != nil {
				out = append(out, s[i:i+n])
			} else {
				out = append(out, strconv.FormatFloat(v+0, 'g', -1, 64))
			}
			i += n
			continue
		}
		out = append(out, s[i:i+1])
		i++
	}
	return strings.Join(out, " ")
}

// numberLen returns the length of the number that s starts with, 0 if it starts with none.
func numberLen(s string) int {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	whole := digits()
	if i < len(s) && s[i] == '.' {
		i++
		whole = digits() || whole
	}
	if !whole {
		return 0
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		mark := i
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			i = mark
		}
	}
	return i
}

// declarations returns what a style says: property → value. What comes last counts.
func declarations(s string) map[string]string {
	out := map[string]string{}
	for s != "" {
		var one string
		one, s = cutStyle(s)
		name, value, ok := strings.Cut(one, ":")
		if name = strings.ToLower(strings.TrimSpace(name)); ok && name != "" {
			value = strings.Join(strings.Fields(value), " ")
			out[name] = strings.TrimSpace(strings.TrimSuffix(value, "!important"))
		}
	}
	return out
}

// cutStyle cuts at the first semicolon that is in no quotes and no brackets.
func cutStyle(s string) (one, rest string) {
	quote, depth := byte(0), 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ';' && depth <= 0:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

func written(m map[string]string) string {
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out.WriteString(k + ":" + m[k] + ";")
	}
	return out.String()
}

// rule is of a stylesheet.
type rule struct {
	selector string // one, trimmed
	style    map[string]string
	tag, id  string
	classes  []string
	weight   int // 0 of tags, 1 of classes, 2 of ids
	order    int
}

// sheet is the stylesheets of a document, in their order.
type sheet struct {
	rules  int
	by     map[string][]*rule // "#id", ".class", "tag" or "*": those that ask for it
	beyond []string           // selectors that are not understood
	others []string           // what begins with @
}

// Bounds of what a document's styles cost.
const (
	maxRules = 1 << 14
	maxAlike = 1 << 8 // of one class, tag or id
)

// plainStyle returns a stylesheet without its comments.
func plainStyle(text string) string {
	var out strings.Builder
	for {
		before, after, ok := strings.Cut(text, "/*")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		out.WriteByte(' ')
		if _, text, ok = strings.Cut(after, "*/"); !ok {
			return out.String()
		}
	}
}

func (s *sheet) put(selector string, style map[string]string) {
	r := &rule{selector: selector, style: style, order: s.rules}
	s.rules++
	var ok bool
	if r.tag, r.id, r.classes, ok = simple(selector); !ok {
		s.beyond = append(s.beyond, selector+"{"+written(style)+"}")
		return
	}
	key := "*"
	switch {
	case r.id != "":
		key, r.weight = "#"+r.id, 2
	case len(r.classes) > 0:
		key, r.weight = "."+r.classes[0], 1
	case r.tag != "":
		key = r.tag
	}
	if s.by == nil {
		s.by = map[string][]*rule{}
	}
	if len(s.by[key]) < maxAlike {
		s.by[key] = append(s.by[key], r)
	}
}

func (s *sheet) add(text string) {
	text = plainStyle(text)
	for s.rules < maxRules {
		text = strings.TrimLeft(text, " \t\r\n;}")
		if text == "" {
			return
		}
		brace := strings.IndexByte(text, '{')
		if text[0] == '@' {
			end := strings.IndexByte(text, ';')
			if end < 0 || brace >= 0 && brace < end {
				end = closing(text, brace)
			}
			s.others = append(s.others, strings.Join(strings.Fields(text[:end]), " "))
			text = text[end:]
			continue
		}
		if brace < 0 {
			return
		}
		end := closing(text, brace)
		body := strings.TrimSuffix(text[brace+1:end], "}")
		style := declarations(body)
		for _, one := range strings.Split(text[:brace], ",") {
			s.put(strings.Join(strings.Fields(one), " "), style)
		}
		text = text[end:]
	}
}

// closing returns the place after the brace that closes the one at i.
func closing(s string, i int) int {
	if i < 0 {
		return len(s)
	}
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// simple reports what a selector of one step asks for; ok is false for any other selector.
func simple(selector string) (tag, id string, classes []string, ok bool) {
	if strings.ContainsAny(selector, " >+~[:") || selector == "" {
		return "", "", nil, false
	}
	for i := 0; i < len(selector); {
		n := i + 1
		for n < len(selector) && selector[n] != '.' && selector[n] != '#' {
			n++
		}
		switch part := selector[i:n]; part[0] {
		case '.':
			classes = append(classes, part[1:])
		case '#':
			id = part[1:]
		case '*':
		default:
			tag = part
		}
		i = n
	}
	return tag, id, classes, true
}

// rules returns those that apply to a node, the weightiest last.
func (f *file) rules(n *xmlspan.Node) []*rule {
	if f.sheet.rules == 0 {
		return nil
	}
	classes := strings.Fields(f.doc.Get(n, "class"))
	keys := []string{"*", n.Local()}
	for _, c := range classes {
		keys = append(keys, "."+c)
	}
	if id := f.idOf[n]; id != "" {
		keys = append(keys, "#"+id)
	}
	var out []*rule
	for _, k := range keys {
		for _, r := range f.sheet.by[k] {
			if r.tag != "" && r.tag != n.Local() || r.id != "" && r.id != f.idOf[n] || slices.ContainsFunc(r.classes, func(c string) bool { return !slices.Contains(classes, c) }) {
				continue
			}
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b *rule) int { return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.order, b.order)) })
	return out
}

// declared returns what a node says of its looks: attributes, then rules, then its style.
func (f *file) declared(n *xmlspan.Node) map[string]string {
	out := map[string]string{}
	for _, a := range n.Attrs {
		if presentation(a.Name) {
			out[a.Name] = strings.TrimSpace(f.doc.Value(a))
		}
	}
	for _, r := range f.rules(n) {
		maps.Copy(out, r.style)
	}
	if s := f.doc.Get(n, "style"); s != "" {
		maps.Copy(out, declarations(s))
	}
	return out
}
