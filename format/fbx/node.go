package fbx

import (
	"math"
	"strconv"
	"strings"

	"varve/format"
)

const (
	maxNodes    = 1 << 22
	maxDepth    = 64
	maxValues   = 1 << 24 // single values of all nodes
	maxName     = 255
	maxString   = 1 << 20 // bytes of one that is read
	maxInflated = 1 << 30 // bytes of one array
)

// node is a named list of values with nodes in it.
type node struct {
	name       string
	values     []value
	kids       []*node
	parent     *node
	start, end int64 // in the file, all of it
	head       int64 // where its values begin
	body       int64 // where they end, and what is in it begins
	endless    bool  // the file does not say where it ends
}

// value is one of a node, by its place.
type value struct {
	kind   byte  // of binary files that of the file: C Y I L F D are numbers, b c i l f d arrays, S text, R bytes; A: an array in text
	coding uint8 // of an array: 1: deflated
	count  uint32
	off, n int64  // where it stands, of text without quotes
	bits   uint64 // of a number; of C to L an int64, of F and D a float64
}

// whole reports whether a value is a whole number, and which.
func (v *value) whole() (int64, bool) {
	switch v.kind {
	case 'C', 'B', 'Z', 'Y', 'I', 'L':
		return int64(v.bits), true
	case 'F', 'D':
		f := math.Float64frombits(v.bits)
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return int64(f), true
		}
	}
	return 0, false
}

// float reports whether a value is a number, and which.
func (v *value) float() (float64, bool) {
	switch v.kind {
	case 'C', 'B', 'Z', 'Y', 'I', 'L':
		return float64(int64(v.bits)), true
	case 'F', 'D':
		return math.Float64frombits(v.bits), true
	}
	return 0, false
}

func (v *value) array() bool {
	switch v.kind {
	case 'A', 'b', 'c', 'i', 'l', 'f', 'd':
		return true
	}
	return false
}

// width is the bytes of one number of an array, 0 of other values.
func (v *value) width() int64 {
	switch v.kind {
	case 'b', 'c':
		return 1
	case 'i', 'f':
		return 4
	case 'l', 'd':
		return 8
	}
	return 0
}

// first returns the first node of a name in n, nil if there is none, or n is.
func (n *node) first(name string) *node {
	if n == nil {
		return nil
	}
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

func (n *node) value(i int) *value {
	if n == nil || i >= len(n.values) {
		return nil
	}
	return &n.values[i]
}

// text returns a text value, "" if it is none.
func (f *file) text(n *node, i int) string {
	v := n.value(i)
	if v == nil || v.kind != 'S' || v.n > maxString {
		return ""
	}
	s, _ := f.string(v)
	return s
}

// string reads text or bytes.
func (f *file) string(v *value) (string, error) {
	if f.ascii != nil {
		return unquote(string(f.ascii[v.off : v.off+v.n])), nil
	}
	if v.n > 4<<10 {
		b, err := format.ReadSpan(f.in, v.off, v.n, maxString)
		return string(b), err
	}
	b, err := f.win.At(v.off, int(v.n))
	return string(b), err
}

// unquote puts in the letters that text files write as entities.
func unquote(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	return strings.NewReplacer("&quot;", `"`, "&lf;", "\n", "&cr;", "\r").Replace(s)
}

func quote(s string) string {
	return strings.NewReplacer(`"`, "&quot;", "\n", "&lf;", "\r", "&cr;").Replace(s)
}

// show returns a value as text: of equal values the same, however they are written; arrays and bytes are not shown.
func (f *file) show(v *value) string {
	switch v.kind {
	case 'S', 'R':
		if v.n > maxString {
			return ""
		}
		s, _ := f.string(v)
		return s
	case 'F':
		x, _ := v.float()
		return strconv.FormatFloat(x+0, 'g', -1, 32)
	case 'D':
		x, _ := v.float()
		return strconv.FormatFloat(x+0, 'g', -1, 64)
	}
	x, _ := v.whole()
	return strconv.FormatInt(x, 10)
}
