package ignore

import "strings"

// byteSet is a set of bytes, one bit each.
type byteSet [4]uint64

func (s *byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }
func (s *byteSet) add(c byte)      { s[c>>6] |= 1 << (c & 63) }

// parseSet reads a bracket expression from behind its "[" and returns how many
// bytes it takes, "]" included. The set may hold "/", which is never looked up. ok is false if it is unclosed or names an
// unknown class.
func parseSet(s string, fold bool) (set *byteSet, n int, ok bool) {
	set = new(byteSet)
	i := 0
	negate := s != "" && (s[0] == '!' || s[0] == '^')
	if negate {
		i++
	}
	const none = -1
	prev := none // what a "-" makes a range from
	for first := true; ; first = false {
		if i >= len(s) {
			return nil, 0, false
		}
		c := s[i]
		if c == ']' && !first {
			break
		}
		switch {
		case c == '\\':
			if i+1 >= len(s) {
				return nil, 0, false
			}
			set.add(s[i+1])
			prev = int(s[i+1])
			i += 2
		case c == '-' && prev != none && i+1 < len(s) && s[i+1] != ']':
			i++
			if s[i] == '\\' {
				if i++; i >= len(s) {
					return nil, 0, false
				}
			}
			set.addRange(byte(prev), s[i], fold)
			prev = none
			i++
		case strings.HasPrefix(s[i:], "[:"):
			name, _, closed := strings.Cut(s[i+2:], "]")
			if !closed {
				return nil, 0, false
			}
			class, isClass := strings.CutSuffix(name, ":")
			if !isClass {
				set.add('[')
				prev = '['
				i++
				break
			}
			if !set.addClass(class, fold) {
				return nil, 0, false
			}
			prev = none
			i += len("[:") + len(name) + len("]")
		default:
			set.add(c)
			prev = int(c)
			i++
		}
	}
	if negate {
		for w := range set {
			set[w] = ^set[w]
		}
	}
	return set, i + 1, true
}

// addRange adds lo to hi, nothing if hi is below lo. With fold a letter counts
// if either of its cases lies in the range.
func (s *byteSet) addRange(lo, hi byte, fold bool) {
	for c := int(lo); c <= int(hi); c++ {
		s.add(byte(c))
		s.add(foldByte(byte(c), fold))
	}
}

// addClass adds a POSIX class of ASCII bytes; it reports whether the name is known.
func (s *byteSet) addClass(name string, fold bool) bool {
	var in func(c byte) bool
	switch name {
	case "alnum":
		in = func(c byte) bool { return isAlpha(c) || isDigit(c) }
	case "alpha":
		in = isAlpha
	case "blank":
		in = func(c byte) bool { return c == ' ' || c == '\t' }
	case "cntrl":
		in = func(c byte) bool { return c < ' ' || c == 0x7f }
	case "digit":
		in = isDigit
	case "graph":
		in = isGraph
	case "lower":
		in = isLower
	case "print":
		in = func(c byte) bool { return c == ' ' || isGraph(c) }
	case "punct":
		in = func(c byte) bool { return isGraph(c) && !isAlpha(c) && !isDigit(c) }
	case "space":
		in = func(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
	case "upper":
		in = func(c byte) bool { return isUpper(c) || fold && isLower(c) }
	case "xdigit":
		in = func(c byte) bool {
			return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		}
	default:
		return false
	}
	for c := range 256 {
		if in(byte(c)) {
			s.add(byte(c))
		}
	}
	return true
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isAlpha(c byte) bool { return isLower(c) || isUpper(c) }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isGraph(c byte) bool { return '!' <= c && c <= '~' }
