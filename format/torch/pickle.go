package torch

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/window"
)

// A pickle is a program for a machine with a stack. The walker plays it with values that only say what was meant: it
// calls nothing, imports nothing, and keeps no more than maxNodes values.

const (
	maxNodes = 4 << 20
	maxText  = 64 << 10 // of longer ones the content is passed over
)

// kind is what a value is.
type kind uint8

const (
	none    kind = iota
	truth        // i is 0 or 1
	integer      // i
	text         // s
	blob         // bytes; i is their length
	list         // items; also tuples and sets
	dict         // items are keys and values in turn
	global       // s is module and name, with a dot
	object       // made by calling items[0] with items[1]; state is what it was given
	persist      // a reference out of the pickle; items[0] is its name
	other        // anything else: a number with a fraction, a long one
	mark
)

// value is a node of what a pickle makes. Values may be in one another, and in themselves.
type value struct {
	kind  kind
	i     int64
	s     string
	items []*value
	state *value
}

// machine plays one pickle.
type machine struct {
	ctx   context.Context
	w     *window.Window
	at    int64
	stack []*value
	memo  map[int64]*value
	nodes int
}

// unpickle walks the pickle at a place in a file, and returns what it makes and where it ends.
func unpickle(ctx context.Context, w *window.Window, at int64) (*value, int64, error) {
	m := &machine{ctx: ctx, w: w, at: at, memo: map[int64]*value{}}
	for step := 0; ; step++ {
		if step%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, 0, err
			}
		}
		op, err := m.bytes(1)
		if err != nil {
			return nil, 0, err
		}
		if op[0] == '.' {
			v, err := m.pop()
			return v, m.at, err
		}
		if err := m.step(op[0]); err != nil {
			return nil, 0, fmt.Errorf("pickle at %d: %w", m.at, err)
		}
	}
}

func (m *machine) bytes(n int) ([]byte, error) {
	b, err := m.w.At(m.at, n)
	m.at += int64(n)
	return b, err
}

// number reads a little-endian one.
func (m *machine) number(n int) (int64, error) {
	b, err := m.bytes(n)
	if err != nil {
		return 0, err
	}
	x := uint64(0)
	for i, c := range b {
		x |= uint64(c) << (8 * i)
	}
	if x > math.MaxInt64 {
		return 0, format.Malformed("a length of %d", x)
	}
	return int64(x), nil
}

// line reads up to a line's end.
func (m *machine) line() (string, error) {
	for n := 64; ; n *= 2 {
		n = int(min(int64(n), m.w.Size()-m.at))
		if n <= 0 {
			return "", format.Malformed("a line that has no end")
		}
		b, err := m.w.At(m.at, n)
		if err != nil {
			return "", err
		}
		if i := strings.IndexByte(string(b), '\n'); i >= 0 {
			m.at += int64(i) + 1
			return strings.TrimSuffix(string(b[:i]), "\r"), nil
		}
		if n > maxText || m.at+int64(n) == m.w.Size() {
			return "", format.Malformed("a line that has no end")
		}
	}
}

// content reads a text or bytes of n; of long ones only where they end.
func (m *machine) content(k kind, n int64) error {
	if n > m.w.Size()-m.at {
		return format.Malformed("%d bytes, and the file ends before", n)
	}
	v := &value{kind: k, i: n}
	if n <= maxText {
		b, err := m.bytes(int(n))
		if err != nil {
			return err
		}
		v.s = string(b)
	} else {
		m.at += n
	}
	return m.push(v)
}

func (m *machine) push(v *value) error {
	if m.nodes++; m.nodes > maxNodes {
		return fmt.Errorf("more than %d values: %w", maxNodes, format.ErrLimit)
	}
	m.stack = append(m.stack, v)
	return nil
}

func (m *machine) pop() (*value, error) {
	if len(m.stack) == 0 {
		return nil, format.Malformed("the pickle takes what is not there")
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

// last returns the value on top, which stays.
func (m *machine) last() (*value, error) {
	if len(m.stack) == 0 {
		return nil, format.Malformed("the pickle takes what is not there")
	}
	return m.stack[len(m.stack)-1], nil
}

// toMark takes all above the last mark, and that.
func (m *machine) toMark() ([]*value, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if m.stack[i].kind == mark {
			out := append([]*value(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return out, nil
		}
	}
	return nil, format.Malformed("the pickle takes what is not there")
}

// take takes the n values on top.
func (m *machine) take(n int) ([]*value, error) {
	if len(m.stack) < n {
		return nil, format.Malformed("the pickle takes what is not there")
	}
	out := append([]*value(nil), m.stack[len(m.stack)-n:]...)
	m.stack = m.stack[:len(m.stack)-n]
	return out, nil
}

// step plays one instruction.
func (m *machine) step(op byte) error {
	if done, err := m.literal(op); done || err != nil {
		return err
	}
	if done, err := m.memory(op); done || err != nil {
		return err
	}
	return m.build(op)
}

// literal plays those that push a value of their own.
func (m *machine) literal(op byte) (done bool, err error) {
	fixed := func(n int, of func(int64) *value) (bool, error) {
		x, err := m.number(n)
		if err != nil {
			return true, err
		}
		return true, m.push(of(x))
	}
	sized := func(k kind, n int) (bool, error) {
		x, err := m.number(n)
		if err != nil {
			return true, err
		}
		return true, m.content(k, x)
	}
	whole := func(x int64) *value { return &value{kind: integer, i: x} }
	switch op {
	case 'N':
		return true, m.push(&value{})
	case 0x88, 0x89:
		return true, m.push(&value{kind: truth, i: int64(0x89 - op)})
	case 'K':
		return fixed(1, whole)
	case 'M':
		return fixed(2, whole)
	case 'J':
		return fixed(4, func(x int64) *value { return whole(int64(int32(x))) })
	case 'G':
		b, err := m.bytes(8)
		if err != nil {
			return true, err
		}
		x := math.Float64frombits(binary.BigEndian.Uint64(b))
		return true, m.push(&value{kind: other, s: strconv.FormatFloat(x, 'g', -1, 64)})
	case 0x8a, 0x8b:
		return true, m.long(map[byte]int{0x8a: 1, 0x8b: 4}[op])
	case 'U':
		return sized(text, 1)
	case 'T', 'X':
		return sized(text, 4)
	case 0x8c:
		return sized(text, 1)
	case 0x8d:
		return sized(text, 8)
	case 'C':
		return sized(blob, 1)
	case 'B':
		return sized(blob, 4)
	case 0x8e, 0x96:
		return sized(blob, 8)
	case 'I', 'L', 'F', 'S', 'V':
		return true, m.written(op)
	case ']', ')', 0x8f:
		return true, m.push(&value{kind: list})
	case '}':
		return true, m.push(&value{kind: dict})
	case '(':
		return true, m.push(&value{kind: mark})
	}
	return false, nil
}

// written plays those that push what a line says.
func (m *machine) written(op byte) error {
	s, err := m.line()
	if err != nil {
		return err
	}
	switch op {
	case 'S', 'V':
		if op == 'S' && len(s) >= 2 {
			s = s[1 : len(s)-1]
		}
		return m.push(&value{kind: text, s: s})
	case 'I', 'L':
		if op == 'I' && (s == "00" || s == "01") {
			return m.push(&value{kind: truth, i: int64(s[1] - '0')})
		}
		if x, err := strconv.ParseInt(strings.TrimSuffix(s, "L"), 10, 64); err == nil {
			return m.push(&value{kind: integer, i: x})
		}
	}
	return m.push(&value{kind: other})
}

// long reads a number of any length.
func (m *machine) long(n int) error {
	size, err := m.number(n)
	if err != nil {
		return err
	}
	if size > 8 {
		return m.content(other, size)
	}
	b, err := m.bytes(int(size))
	if err != nil {
		return err
	}
	var full [8]byte
	if copy(full[:], b); size > 0 && b[size-1]&0x80 != 0 {
		for i := size; i < 8; i++ {
			full[i] = 0xff
		}
	}
	return m.push(&value{kind: integer, i: int64(binary.LittleEndian.Uint64(full[:]))})
}

// memory plays those that name values and find them again, and those that change the stack alone.
func (m *machine) memory(op byte) (done bool, err error) {
	switch op {
	case 0x80:
		_, err := m.bytes(1)
		return true, err
	case 0x95:
		_, err := m.bytes(8)
		return true, err
	case 'q', 'r', 'p', 0x94:
		v, err := m.last()
		if err != nil {
			return true, err
		}
		key := int64(len(m.memo))
		if op != 0x94 {
			if key, err = m.key(op, 'q', 'r'); err != nil {
				return true, err
			}
		}
		if m.nodes++; m.nodes > maxNodes {
			return true, fmt.Errorf("more than %d values: %w", maxNodes, format.ErrLimit)
		}
		m.memo[key] = v
		return true, nil
	case 'h', 'j', 'g':
		key, err := m.key(op, 'h', 'j')
		if err != nil {
			return true, err
		}
		v := m.memo[key]
		if v == nil {
			return true, format.Malformed("value %d of the memo is not there", key)
		}
		return true, m.push(v)
	case '0':
		_, err := m.pop()
		return true, err
	case '1':
		_, err := m.toMark()
		return true, err
	case '2':
		v, err := m.last()
		if err != nil {
			return true, err
		}
		return true, m.push(v)
	case 0x98:
		return true, nil
	}
	return false, nil
}

// key reads a place in the memo.
func (m *machine) key(op, short, long byte) (int64, error) {
	switch op {
	case short:
		return m.number(1)
	case long:
		return m.number(4)
	}
	s, err := m.line()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, format.Malformed("a memo of %.20q", s)
	}
	return n, nil
}

// build plays those that make values of others.
func (m *machine) build(op byte) error {
	switch op {
	case 'l', 't', 'd', 0x91:
		items, err := m.toMark()
		if err != nil {
			return err
		}
		k := list
		if op == 'd' {
			k = dict
		}
		return m.push(&value{kind: k, items: items})
	case 0x85, 0x86, 0x87:
		items, err := m.take(int(op) - 0x84)
		if err != nil {
			return err
		}
		return m.push(&value{kind: list, items: items})
	case 'a', 's', 'e', 'u', 0x90:
		return m.extend(op)
	case 'c', 0x93, 0x82, 0x83, 0x84:
		return m.global(op)
	case 'R', 0x81, 0x92, 'i', 'o':
		return m.call(op)
	case 'b':
		v, err := m.take(2)
		if err == nil {
			v[0].state = v[1]
			m.stack = append(m.stack, v[0])
		}
		return err
	case 'Q':
		v, err := m.pop()
		if err != nil {
			return err
		}
		return m.push(&value{kind: persist, items: []*value{v}})
	case 'P':
		s, err := m.line()
		if err != nil {
			return err
		}
		return m.push(&value{kind: persist, items: []*value{{kind: text, s: s}}})
	case 0x97:
		return m.push(&value{kind: other})
	}
	return format.Malformed("instruction %#x", op)
}

// extend adds to the list or dict below.
func (m *machine) extend(op byte) (err error) {
	var items []*value
	switch op {
	case 'a':
		items, err = m.take(1)
	case 's':
		items, err = m.take(2)
	default:
		items, err = m.toMark()
	}
	if err != nil {
		return err
	}
	to, err := m.last()
	if err != nil {
		return err
	}
	switch to.kind {
	case list, dict, object, other: // an object is a dict or a list of its own kind
		to.items = append(to.items, items...)
		return nil
	}
	return format.Malformed("the pickle puts something into what holds nothing")
}

// global names something that the pickle would have Python import.
func (m *machine) global(op byte) error {
	switch op {
	case 'c':
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		if err != nil {
			return err
		}
		return m.push(&value{kind: global, s: module + "." + name})
	case 0x93:
		v, err := m.take(2)
		if err != nil {
			return err
		}
		return m.push(&value{kind: global, s: v[0].s + "." + v[1].s})
	}
	_, err := m.bytes(1 << (op - 0x82))
	if err != nil {
		return err
	}
	return m.push(&value{kind: global})
}

// call makes an object: nothing is called. Its items are what would be, the arguments, and what is added later.
func (m *machine) call(op byte) error {
	switch op {
	case 'R', 0x81:
		v, err := m.take(2)
		if err != nil {
			return err
		}
		return m.push(&value{kind: object, items: v})
	case 0x92:
		v, err := m.take(3)
		if err != nil {
			return err
		}
		return m.push(&value{kind: object, items: v[:2]})
	case 'i':
		if err := m.global('c'); err != nil {
			return err
		}
		class, err := m.pop()
		if err != nil {
			return err
		}
		args, err := m.toMark()
		if err != nil {
			return err
		}
		return m.push(&value{kind: object, items: []*value{class, {kind: list, items: args}}})
	}
	args, err := m.toMark()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return format.Malformed("an object of no class")
	}
	return m.push(&value{kind: object, items: []*value{args[0], {kind: list, items: args[1:]}}})
}
