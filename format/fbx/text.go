package fbx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"varve/format"
	"varve/format/shape"
)

const maxText = 1 << 29 // bytes of a text file

// scanner reads the nodes of a text file.
type scanner struct {
	*file
	at            int
	nodes, values int
}

// parseText reads all nodes.
func (f *file) parseText() (err error) {
	if f.ascii, err = format.ReadSpan(f.in, 0, f.in.Size(), maxText); err != nil {
		return err
	}
	f.order = binary.LittleEndian
	s := &scanner{file: f}
	if bytes.HasPrefix(f.ascii, []byte("\xef\xbb\xbf")) {
		s.at = 3
	}
	f.root = &node{end: int64(len(f.ascii))}
	if err := s.list(f.root, 0); err != nil {
		return err
	}
	if v, ok := f.root.first("FBXHeaderExtension").first("FBXVersion").value(0).number(); ok {
		f.version = int(v)
	}
	if f.version < 2000 || f.version > 9999 {
		return format.Malformed("the file does not say its version")
	}
	return nil
}

// space skips white space and comments.
func (s *scanner) space() {
	for s.at < len(s.ascii) {
		switch c := s.ascii[s.at]; {
		case c == ';':
			if n := bytes.IndexByte(s.ascii[s.at:], '\n'); n >= 0 {
				s.at += n + 1
			} else {
				s.at = len(s.ascii)
			}
		case c <= ' ' && c != 0:
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte that is no space, 0 at the end.
func (s *scanner) peek() byte {
	if s.space(); s.at < len(s.ascii) {
		return s.ascii[s.at]
	}
	return 0
}

func letter(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '|' || c == '.' || c == '#' || c == '+' || c == '(' || c == ')' || c >= 0x80
}

// word returns the end of a word at a place, and whether it is a node's name: a colon comes behind it.
func (s *scanner) word(at int) (end int, name bool) {
	for end = at; end < len(s.ascii) && letter(s.ascii[end]); end++ {
	}
	k := end
	for k < len(s.ascii) && (s.ascii[k] == ' ' || s.ascii[k] == '\t') {
		k++
	}
	return end, end > at && k < len(s.ascii) && s.ascii[k] == ':'
}

// list reads the nodes in n, up to the brace or the file's end.
func (s *scanner) list(n *node, depth int) error {
	if depth > maxDepth {
		return format.Malformed("more than %d nodes within one another at %d", maxDepth, s.at)
	}
	for {
		switch c := s.peek(); {
		case c == 0 && s.at < len(s.ascii):
			return format.Malformed("a zero in the text at %d", s.at)
		case c == 0 && n.parent != nil:
			return format.Malformed("the file ends within %.64q of %d", n.name, n.start)
		case c == 0:
			return nil
		case c == '}' && n.parent != nil:
			s.at++
			return nil
		}
		k, err := s.node(n, depth)
		if err != nil {
			return err
		}
		n.kids = append(n.kids, k)
	}
}

func (s *scanner) node(parent *node, depth int) (*node, error) {
	if s.nodes++; s.nodes > maxNodes {
		return nil, fmt.Errorf("more than %d nodes: %w", maxNodes, format.ErrLimit)
	}
	if s.nodes%1024 == 0 && s.ctx.Err() != nil {
		return nil, s.ctx.Err()
	}
	end, ok := s.word(s.at)
	if !ok || end-s.at > maxName {
		return nil, format.Malformed("no name of a node at %d", s.at)
	}
	n := &node{name: s.intern(s.ascii[s.at:end]), parent: parent, start: int64(s.at)}
	s.at = end + bytes.IndexByte(s.ascii[end:], ':') + 1
	n.head = int64(s.at)
	n.body = n.head
	for {
		c := s.peek()
		if c == ',' {
			s.at++
			continue
		}
		if c == '{' {
			s.at++
			n.body = int64(s.at)
			err := s.list(n, depth+1)
			n.end = int64(s.at)
			return n, err
		}
		v, ok, err := s.value(c)
		if err != nil {
			return nil, err
		}
		if !ok {
			n.end = n.body
			return n, nil
		}
		if s.values++; s.values > maxValues {
			return nil, fmt.Errorf("more than %d values: %w", maxValues, format.ErrLimit)
		}
		n.values = append(n.values, v)
		n.body = int64(s.at)
	}
}

// value reads one; ok is false where the next thing is none.
func (s *scanner) value(c byte) (v value, ok bool, err error) {
	v.off = int64(s.at)
	switch {
	case c == '"':
		n := bytes.IndexByte(s.ascii[s.at+1:], '"')
		if n < 0 {
			return v, false, format.Malformed("text at %d does not end", s.at)
		}
		v.kind, v.off, v.n = 'S', v.off+1, int64(n)
		s.at += n + 2
		return v, true, nil
	case c == '*':
		return s.array()
	case c == 0 || !letter(c):
		return v, false, nil
	}
	end, name := s.word(s.at)
	if name {
		return v, false, nil
	}
	word := s.ascii[s.at:end]
	v.n = int64(len(word))
	s.at = end
	if x, n := shape.Whole(word); n == len(word) {
		v.kind, v.bits = 'L', uint64(x)
	} else if x, n := shape.Number(word); n == len(word) {
		v.kind, v.bits = 'D', math.Float64bits(x)
	} else if n > 0 && (word[n] == '#' || word[n] == '(' || strings.EqualFold(string(bytes.TrimLeft(word, "+-")), "infinity")) { // 1.#INF, nan(ind)
		v.kind, v.bits = 'D', math.Float64bits(odd(word, x))
	} else if len(word) == 1 {
		v.kind, v.bits = 'C', uint64(word[0])
	} else {
		v.kind = 'S'
	}
	return v, true, nil
}

// odd is a number that is none, as some systems write it.
func odd(word []byte, x float64) float64 {
	if math.IsInf(x, 0) {
		return x
	}
	if bytes.Contains(word, []byte("INF")) {
		return math.Inf(int(math.Copysign(1, x)))
	}
	return math.NaN()
}

// array reads *24 { a: 1,2,3 }.
func (s *scanner) array() (v value, ok bool, err error) {
	start := s.at
	bad := func() (value, bool, error) {
		return v, false, format.Malformed("an array at %d is not as arrays are", start)
	}
	s.at++
	count, n := shape.Whole(s.ascii[s.at:min(len(s.ascii), s.at+20)])
	if n == 0 || count < 0 || count > int64(len(s.ascii)) {
		return bad()
	}
	s.at += n
	if s.peek() != '{' {
		return bad()
	}
	s.at++
	if s.peek() == 'a' {
		end, name := s.word(s.at)
		if !name || end != s.at+1 {
			return bad()
		}
		s.at = end + bytes.IndexByte(s.ascii[end:], ':') + 1
	}
	brace := bytes.IndexByte(s.ascii[s.at:], '}')
	if brace < 0 {
		return v, false, format.Malformed("the file ends within the array at %d", start)
	}
	v = value{kind: 'A', count: uint32(count), off: int64(s.at), n: int64(brace)}
	s.at += brace + 1
	return v, true, nil
}
