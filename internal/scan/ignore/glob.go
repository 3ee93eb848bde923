package ignore

import "strings"

type op uint8

const (
	opByte   op = iota // the byte b
	opAny              // one byte except "/"
	opSet              // one byte of set
	opStar             // any bytes except "/"
	opAll              // any bytes
	opDirs             // any number of whole folders, at a folder boundary
	opInDirs           // follows opDirs: the same, inside a folder's name
)

type token struct {
	op  op
	b   byte
	set *byteSet
}

// special are the bytes that end the literal start of a pattern.
const special = `*?[\`

// compile turns the body of a rule into tokens; ok is false if it can match
// nothing. With fold the tokens fit names in lower case only.
func compile(body string, pathname, fold bool) (toks []token, ok bool) {
	if body == "" {
		return nil, false
	}
	lead := strings.IndexAny(body, special)
	if lead < 0 {
		lead = len(body)
	}
	toks = make([]token, 0, len(body)+1)
	for i := range lead {
		toks = append(toks, token{op: opByte, b: foldByte(body[i], fold)})
	}
	// What follows the literal start counts as a start for "**".
	rest := body[lead:]
	for i := 0; i < len(rest); {
		switch c := rest[i]; c {
		case '\\':
			if i+1 == len(rest) {
				return nil, false
			}
			toks = append(toks, token{op: opByte, b: rest[i+1]}) // escaped: never folded
			i += 2
		case '?':
			toks = append(toks, token{op: opAny})
			i++
		case '[':
			set, n, ok := parseSet(rest[i+1:], fold)
			if !ok {
				return nil, false
			}
			toks = append(toks, token{op: opSet, set: set})
			i += 1 + n
		case '*':
			toks, i = compileStars(toks, rest, i, pathname)
		default:
			toks = append(toks, token{op: opByte, b: foldByte(c, fold)})
			i++
		}
	}
	return toks, true
}

// compileStars adds the run of stars at rest[i] and returns where it ends.
func compileStars(toks []token, rest string, i int, pathname bool) ([]token, int) {
	end := i
	for end < len(rest) && rest[end] == '*' {
		end++
	}
	tail := rest[end:]
	boundary := i == 0 || rest[i-1] == '/'
	if !pathname || end-i < 2 || !boundary {
		return append(toks, token{op: opStar}), end
	}
	switch {
	case strings.HasPrefix(tail, "/"):
		if len(toks) == 0 || toks[len(toks)-1].op != opInDirs { // "**/**/" is "**/"
			toks = append(toks, token{op: opDirs}, token{op: opInDirs})
		}
		return toks, end + 1
	case tail == "" || strings.HasPrefix(tail, `\/`):
		return append(toks, token{op: opAll}), end
	}
	return append(toks, token{op: opStar}), end
}

func foldByte(c byte, fold bool) byte {
	if fold && 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

type shape uint8

const (
	shapeNone   shape = iota // matches nothing
	shapeExact               // pre
	shapeAffix               // pre*suf
	shapeTokens              // toks
)

// glob matches one name, which holds no "/".
type glob struct {
	shape    shape
	pre, suf string
	toks     []token // opByte, opAny, opSet, opStar only
	min      int     // shortest name that can match
	tail     int     // number of toks behind the last star, 0 without a star
}

// newGlob makes the glob of the tokens that remain inside one folder: whole
// folders match nothing further and a "/" can no longer be matched.
func newGlob(toks []token) glob {
	g := glob{shape: shapeTokens}
	for _, t := range toks {
		switch t.op {
		case opDirs, opInDirs:
			continue
		case opAll:
			t.op = opStar
		case opByte:
			if t.b == '/' {
				return glob{}
			}
		}
		if t.op == opStar {
			if n := len(g.toks); n > 0 && g.toks[n-1].op == opStar {
				continue
			}
		} else {
			g.min++
		}
		g.toks = append(g.toks, t)
	}
	for i, t := range g.toks {
		if t.op == opStar {
			g.tail = len(g.toks) - 1 - i
		}
	}
	pre := literal(g.toks)
	rest := g.toks[len(pre):]
	switch {
	case len(rest) == 0:
		g.shape, g.pre = shapeExact, pre
	case rest[0].op == opStar:
		if suf := literal(rest[1:]); len(suf) == len(rest)-1 {
			g.shape, g.pre, g.suf = shapeAffix, pre, suf
		}
	}
	return g
}

// literal returns the bytes that toks start with.
func literal(toks []token) string {
	var b strings.Builder
	for _, t := range toks {
		if t.op != opByte {
			break
		}
		b.WriteByte(t.b)
	}
	return b.String()
}

func (g *glob) match(name []byte) bool {
	if len(name) < g.min {
		return false
	}
	switch g.shape {
	case shapeExact:
		return string(name) == g.pre
	case shapeAffix:
		return string(name[:len(g.pre)]) == g.pre && string(name[len(name)-len(g.suf):]) == g.suf
	case shapeTokens:
		// The tail has its place; most names fail there.
		t, n := len(g.toks), len(name)
		for range g.tail {
			t--
			n--
			if !g.toks[t].one(name[n]) {
				return false
			}
		}
		return matchTokens(g.toks[:t], name[:n])
	}
	return false
}

// matchTokens matches lazily and goes back to the latest star only: an earlier
// one that took more would leave less for the same tokens.
func matchTokens(toks []token, name []byte) bool {
	t, n := 0, 0
	star, from := -1, 0
	for n < len(name) || t < len(toks) {
		if t < len(toks) {
			if toks[t].op == opStar {
				star, from = t, n
				t++
				continue
			}
			if n < len(name) && toks[t].one(name[n]) {
				t++
				n++
				continue
			}
		}
		if star < 0 || from >= len(name) {
			return false
		}
		from++
		t, n = star+1, from
	}
	return true
}

// one reports whether a token for a single byte matches c, which is not "/".
func (t *token) one(c byte) bool {
	switch t.op {
	case opByte:
		return t.b == c
	case opAny:
		return true
	case opSet:
		return t.set.has(c)
	}
	return false
}
