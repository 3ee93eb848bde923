package godot

import (
	"bytes"
	"strings"
)

// token is a word, a string or a sign in a value.
type token struct {
	span
	kind byte // 'w' a word or number, '"' a string, or the sign itself
}

// tokens calls each with those of a span, without spaces and comments.
func tokens(b []byte, s span, each func(token)) {
	for at := s.off; at < s.end; {
		c := b[at]
		start := at
		switch {
		case c == '"':
			p := parser{b: b[:s.end], at: at}
			_ = p.quoted() // the parser has seen that it ends
			at = p.at
			each(token{span{start, at}, '"'})
		case c == ';':
			n := bytes.IndexByte(b[at:s.end], '\n')
			if n < 0 {
				return
			}
			at += n
		case c <= ' ':
			at++
		case word(c):
			for at < s.end && word(b[at]) {
				at++
			}
			each(token{span{start, at}, 'w'})
		default:
			at++
			each(token{span{start, at}, c})
		}
	}
}

func word(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' || c == '+' || c >= 0x80
}

// link is the use of one of the file's own tables in a value: ExtResource("1_x"), SubResource( 3 ).
type link struct {
	sub  bool
	id   string
	at   span // of the id as it stands
	from int  // where ExtResource begins
	end  int  // after the bracket
}

// links calls each with those of a span.
func (d *document) links(s span, each func(link)) {
	var last [3]token
	tokens(d.b, s, func(t token) {
		if t.kind == ')' && last[1].kind == '(' && last[0].kind == 'w' && (last[2].kind == '"' || last[2].kind == 'w') {
			if name := d.text(last[0].span); name == "ExtResource" || name == "SubResource" {
				each(link{name == "SubResource", plain(d.text(last[2].span)), last[2].span, last[0].off, t.end})
			}
		}
		last = [3]token{last[1], last[2], t}
	})
}

// canonical writes a value so that the same is written the same: without spaces, and with what named says in the place
// of links.
func (d *document) canonical(s span, named func(link) string) string {
	var at []link
	d.links(s, func(l link) { at = append(at, l) })
	var out strings.Builder
	skip := 0
	tokens(d.b, s, func(t token) {
		if t.off < skip {
			return
		}
		if len(at) > 0 && at[0].from == t.off {
			out.WriteString(named(at[0]))
			skip, at = at[0].end, at[1:]
			return
		}
		out.WriteString(d.text(t.span))
	})
	return out.String()
}
