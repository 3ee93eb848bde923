package gltf

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"unicode/utf8"

	"varve/format"
)

// text is a JSON document and where its values stand: it is edited by cutting, never written anew.
type text struct {
	b    []byte
	tape []token
}

// token is a value, or the name of a member, which stands before its value. Tokens of what is in an object or array
// follow its own.
type token struct {
	off, end uint32 // of b
	next     uint32 // the token after this and all in it
	kind     byte   // { [ " 0 t f n
}

const (
	maxText  = 1 << 30 // bytes of JSON: data URIs are in it
	maxDepth = 200
)

// parse reads one value and space around it.
func parse(b []byte) (*text, error) {
	if len(b) > maxText {
		return nil, format.ErrLimit
	}
	t := &text{b: b}
	at, err := t.value(t.space(0), 0)
	if err != nil {
		return nil, err
	}
	if at = t.space(at); at != len(b) {
		return nil, format.Malformed("JSON: %q at %d, after its end", b[at], at)
	}
	return t, nil
}

func (t *text) space(at int) int {
	for at < len(t.b) && (t.b[at] == ' ' || t.b[at] == '\n' || t.b[at] == '\r' || t.b[at] == '\t') {
		at++
	}
	return at
}

func (t *text) bad(at int, what string) error {
	if at >= len(t.b) {
		return format.Malformed("JSON ends at %d, in %s", at, what)
	}
	return format.Malformed("JSON: %q at %d, in %s", t.b[at], at, what)
}

// value reads a value that begins at at, and returns where it ends.
func (t *text) value(at, depth int) (int, error) {
	if at >= len(t.b) {
		return 0, t.bad(at, "a value")
	}
	if depth > maxDepth {
		return 0, format.Malformed("JSON is nested more than %d deep", maxDepth)
	}
	i := len(t.tape)
	c := t.b[at]
	t.tape = append(t.tape, token{off: uint32(at), kind: c})
	end, err := 0, error(nil)
	switch {
	case c == '{' || c == '[':
		end, err = t.container(at, depth, c == '{')
	case c == '"':
		end, err = t.quoted(at)
	case c == '-' || c >= '0' && c <= '9':
		t.tape[i].kind = '0'
		end, err = t.number(at)
	default:
		for _, word := range []string{"true", "false", "null"} {
			if bytes.HasPrefix(t.b[at:], []byte(word)) {
				end = at + len(word)
			}
		}
		if end == 0 {
			err = t.bad(at, "a value")
		}
	}
	t.tape[i].end, t.tape[i].next = uint32(end), uint32(len(t.tape))
	return end, err
}

func (t *text) container(at, depth int, object bool) (int, error) {
	close, what := byte(']'), "an array"
	if object {
		close, what = '}', "an object"
	}
	at = t.space(at + 1)
	if at < len(t.b) && t.b[at] == close {
		return at + 1, nil
	}
	for {
		if object {
			if at >= len(t.b) || t.b[at] != '"' {
				return 0, t.bad(at, what)
			}
			i := len(t.tape)
			t.tape = append(t.tape, token{off: uint32(at), kind: '"', next: uint32(i + 1)})
			end, err := t.quoted(at)
			if err != nil {
				return 0, err
			}
			t.tape[i].end = uint32(end)
			if at = t.space(end); at >= len(t.b) || t.b[at] != ':' {
				return 0, t.bad(at, what)
			}
			at = t.space(at + 1)
		}
		end, err := t.value(at, depth+1)
		if err != nil {
			return 0, err
		}
		at = t.space(end)
		switch {
		case at < len(t.b) && t.b[at] == close:
			return at + 1, nil
		case at >= len(t.b) || t.b[at] != ',':
			return 0, t.bad(at, what)
		}
		at = t.space(at + 1)
	}
}

func (t *text) quoted(at int) (int, error) {
	for i := at + 1; i < len(t.b); i++ {
		switch c := t.b[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			i++
		case c < ' ':
			return 0, t.bad(i, "a string")
		}
	}
	return 0, t.bad(len(t.b), "a string")
}

func (t *text) number(at int) (int, error) {
	end := at
	for end < len(t.b) && bytes.IndexByte([]byte("+-.eE0123456789"), t.b[end]) >= 0 {
		end++
	}
	if !json.Valid(t.b[at:end]) {
		return 0, t.bad(at, "a number")
	}
	return end, nil
}

// raw returns a value as it stands.
func (t *text) raw(i int) []byte { return t.b[t.tape[i].off:t.tape[i].end] }

// get returns the value of a member; -1 if there is none, or i is no object.
func (t *text) get(i int, path ...string) int {
	for _, name := range path {
		found := -1
		for key, v := range t.members(i) {
			if t.string(key) == name {
				found = v
				break
			}
		}
		if i = found; i < 0 {
			return -1
		}
	}
	return i
}

// members goes over the names and values of an object; over none of anything else.
func (t *text) members(i int) func(func(key, value int) bool) {
	return func(yield func(int, int) bool) {
		if i < 0 || t.tape[i].kind != '{' {
			return
		}
		for k := i + 1; k < int(t.tape[i].next); k = int(t.tape[k+1].next) {
			if !yield(k, k+1) {
				return
			}
		}
	}
}

// items goes over the values of an array.
func (t *text) items(i int) func(func(int) bool) {
	return func(yield func(int) bool) {
		if i < 0 || t.tape[i].kind != '[' {
			return
		}
		for k := i + 1; k < int(t.tape[i].next); k = int(t.tape[k].next) {
			if !yield(k) {
				return
			}
		}
	}
}

// string returns a string, decoded; "" of anything else.
func (t *text) string(i int) string {
	if i < 0 || t.tape[i].kind != '"' {
		return ""
	}
	r := t.raw(i)
	if bytes.IndexByte(r, '\\') < 0 && utf8.Valid(r) {
		return string(r[1 : len(r)-1])
	}
	var s string
	if json.Unmarshal(r, &s) != nil {
		return string(r[1 : len(r)-1])
	}
	return s
}

// float returns a number; ok is false of anything else.
func (t *text) float(i int) (x float64, ok bool) {
	if i < 0 || t.tape[i].kind != '0' {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(t.raw(i)), 64)
	return x, err == nil && !math.IsInf(x, 0)
}

// count returns a whole number that is not below 0; ok is false of anything else.
func (t *text) count(i int) (n int64, ok bool) {
	x, ok := t.float(i)
	if !ok || x < 0 || x > 1<<52 || x != math.Trunc(x) {
		return 0, false
	}
	return int64(x), true
}

// or returns a whole number that is a member of i, or what it is without one. ok is false if it is something else.
func (t *text) or(i int, name string, without int64) (n int64, ok bool) {
	k := t.get(i, name)
	if k < 0 {
		return without, true
	}
	return t.count(k)
}

// floats returns an array of numbers; nil of anything else, and of more or fewer than n.
func (t *text) floats(i, n int) []float64 {
	var out []float64
	for k := range t.items(i) {
		x, ok := t.float(k)
		if !ok || len(out) == n {
			return nil
		}
		out = append(out, x)
	}
	if len(out) != n {
		return nil
	}
	return out
}
