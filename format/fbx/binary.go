package fbx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"varve/format"
)

// header is the size of the file's head, after which the nodes begin.
const header = 27

// binaryFile is what reads the nodes of a binary file.
type binaryFile struct {
	*file
	nodes  int
	values int
}

// word is the size of the three numbers that a node begins with.
func (f *file) word() int64 {
	if f.version >= 7500 {
		return 8
	}
	return 4
}

// empty is the size of the node that ends a list.
func (f *file) empty() int64 { return 3*f.word() + 1 }

// parseBinary reads all nodes, and finds where the footer begins.
func (f *file) parseBinary() error {
	b, err := f.win.At(0, header)
	if err != nil {
		return err
	}
	f.order = binary.LittleEndian
	if b[22] == 1 {
		f.order = binary.BigEndian
	}
	f.version = int(f.order.Uint32(b[23:]))
	if f.version < 2000 || f.version > 9999 {
		return format.Unsupported("version %d of FBX", f.version)
	}
	r := &binaryFile{file: f}
	f.root = &node{start: header, body: header}
	at := int64(header)
	for {
		k, next, err := r.node(at, f.in.Size(), f.root, 0)
		if err != nil {
			return err
		}
		at = next
		if k == nil {
			break
		}
		f.root.kids = append(f.root.kids, k)
	}
	f.root.end, f.foot = at, at
	return nil
}

// node reads a node at a place before limit; nil for the one that ends a list. next is the place behind it.
func (r *binaryFile) node(at, limit int64, parent *node, depth int) (n *node, next int64, err error) {
	if r.nodes++; r.nodes > maxNodes {
		return nil, 0, fmt.Errorf("more than %d nodes: %w", maxNodes, format.ErrLimit)
	}
	if r.nodes%1024 == 0 && r.ctx.Err() != nil {
		return nil, 0, r.ctx.Err()
	}
	head := r.empty()
	if at > limit-head {
		return nil, 0, format.Malformed("a node at %d does not end before %d", at, limit)
	}
	b, err := r.win.At(at, int(head))
	if err != nil {
		return nil, 0, err
	}
	end, count, length, name := r.numbers(b)
	endless := end == 0
	if endless {
		if count == 0 && length == 0 && name == 0 {
			return nil, at + head, nil
		}
		if length > uint64(limit) { // some writers leave out the end of a node that has no other in it
			return nil, 0, format.Malformed("a node at %d of %d bytes of values", at, length)
		}
		end = uint64(at+head) + uint64(name) + length
	}
	if end > uint64(limit) || end < uint64(at+head)+uint64(name) || length > end-uint64(at+head)-uint64(name) || count > length {
		return nil, 0, format.Malformed("a node at %d of %d bytes of values ends at %d, what it is in at %d", at, length, end, limit)
	}
	if r.values += int(count); r.values > maxValues || count > maxValues {
		return nil, 0, fmt.Errorf("more than %d values: %w", maxValues, format.ErrLimit)
	}
	if depth >= maxDepth {
		return nil, 0, format.Malformed("more than %d nodes within one another at %d", maxDepth, at)
	}
	n = &node{parent: parent, endless: endless, start: at, end: int64(end), head: at + head + int64(name)}
	if b, err = r.win.At(at+head, int(name)); err != nil {
		return nil, 0, err
	}
	n.name = r.intern(b)
	n.body = n.head + int64(length)
	if err := r.list(n, int(count)); err != nil {
		return nil, 0, err
	}
	for at = n.body; at < n.end; {
		k, next, err := r.node(at, n.end, n, depth+1)
		if err != nil {
			return nil, 0, err
		}
		if at = next; k == nil {
			break
		}
		n.kids = append(n.kids, k)
	}
	if at != n.end {
		return nil, 0, format.Malformed("node %.64q at %d ends at %d, and says %d", n.name, n.start, at, n.end)
	}
	return n, n.end, nil
}

// numbers reads what a node begins with.
func (f *file) numbers(b []byte) (end, count, length uint64, name int) {
	if f.word() == 8 {
		return f.order.Uint64(b), f.order.Uint64(b[8:]), f.order.Uint64(b[16:]), int(b[24])
	}
	return uint64(f.order.Uint32(b)), uint64(f.order.Uint32(b[4:])), uint64(f.order.Uint32(b[8:])), int(b[12])
}

// intern keeps one of each name.
func (f *file) intern(b []byte) string {
	if s, ok := f.names[string(b)]; ok {
		return s
	}
	s := string(b)
	f.names[s] = s
	return s
}

// list reads the values of a node.
func (r *binaryFile) list(n *node, count int) error {
	at := n.head
	n.values = make([]value, 0, min(count, 1<<16))
	for i := range count {
		if i%4096 == 4095 && r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		v, next, err := r.one(at, n.body)
		if err != nil {
			return err
		}
		n.values = append(n.values, v)
		at = next
	}
	if at != n.body {
		return format.Malformed("the values of %.64q at %d end at %d, and should at %d", n.name, n.start, at, n.body)
	}
	return nil
}

// one reads a value that ends before limit.
func (r *binaryFile) one(at, limit int64) (v value, next int64, err error) {
	want := int(min(limit-at, 13))
	b, err := r.win.At(at, want)
	if err != nil {
		return v, 0, err
	}
	if want == 0 {
		return v, 0, format.Malformed("a value at %d is cut off", at)
	}
	v.kind, v.off = b[0], at+1
	b = b[1:]
	switch v.kind {
	case 'B', 'C', 'Z':
		v.n = 1
	case 'Y':
		v.n = 2
	case 'I', 'F':
		v.n = 4
	case 'L', 'D':
		v.n = 8
	case 'S', 'R':
		if len(b) < 4 {
			return v, 0, format.Malformed("a value at %d is cut off", at)
		}
		v.off, v.n = at+5, int64(r.order.Uint32(b))
	case 'b', 'c', 'i', 'l', 'f', 'd':
		if len(b) < 12 {
			return v, 0, format.Malformed("an array at %d is cut off", at)
		}
		coding := r.order.Uint32(b[4:])
		if coding > 1 {
			return v, 0, format.Unsupported("coding %d of the array at %d", coding, at)
		}
		v.off, v.n, v.count, v.coding = at+13, int64(r.order.Uint32(b[8:])), r.order.Uint32(b), uint8(coding)
		if raw := int64(v.count) * v.width(); coding == 0 {
			if v.n != raw && v.n != 0 { // some writers leave the length out
				return v, 0, format.Malformed("an array at %d of %d numbers in %d bytes", at, v.count, v.n)
			}
			v.n = raw
		} else if v.n > 0 && raw/v.n > 1100 || v.n == 0 && raw > 0 { // deflate does not get smaller
			return v, 0, format.Malformed("an array at %d of %d numbers in %d bytes", at, v.count, v.n)
		}
	default:
		return v, 0, format.Malformed("a value at %d of the kind %q", at, v.kind)
	}
	if v.n > limit-v.off {
		return v, 0, format.Malformed("a value at %d of %d bytes goes beyond %d", at, v.n, limit)
	}
	v.bits = r.bits(v.kind, b)
	return v, v.off + v.n, nil
}

// bits returns a number; 0 of what is none.
func (f *file) bits(kind byte, b []byte) uint64 {
	switch kind {
	case 'B', 'C':
		return uint64(int64(int8(b[0])))
	case 'Z':
		return uint64(b[0])
	case 'Y':
		return uint64(int64(int16(f.order.Uint16(b))))
	case 'I':
		return uint64(int64(int32(f.order.Uint32(b))))
	case 'F':
		return math.Float64bits(float64(math.Float32frombits(f.order.Uint32(b))))
	case 'L', 'D':
		return f.order.Uint64(b)
	}
	return 0
}

// tail is how a binary file ends.
func tail() []byte {
	return []byte{0xf8, 0x5a, 0x8c, 0x6a, 0xde, 0xf5, 0xd9, 0x7e, 0xec, 0xe9, 0x0c, 0xe3, 0x75, 0x8f, 0x29, 0x0b}
}

// fill returns how many zeros are between the code of the footer and the version; -1 where the footer is another. The
// footer is a code of 16 bytes, these zeros, the version, 120 zeros and the tail.
func (f *file) fill() (int64, error) {
	rest := f.in.Size() - f.foot
	if rest > 1<<10 {
		return -1, nil
	}
	b, err := format.ReadSpan(f.in, f.foot, rest, 1<<10)
	if err != nil {
		return -1, err
	}
	end := append(make([]byte, 120), tail()...)
	at := len(b) - len(end) - 4
	if at < 16 || !bytes.HasSuffix(b, end) || int(f.order.Uint32(b[at:])) != f.version || len(bytes.Trim(b[16:at], "\x00")) != 0 {
		return -1, nil
	}
	return int64(at - 16), nil
}

// checkFooter checks that the file does not end within its footer. Some writers have none.
func (f *file) checkFooter() error {
	rest := f.in.Size() - f.foot
	if rest == 0 {
		return nil
	}
	b, err := format.ReadSpan(f.in, f.in.Size()-min(rest, 16), min(rest, 16), 16)
	if err != nil {
		return err
	}
	if !bytes.Equal(b, tail()) {
		return format.Malformed("the file is cut off in its footer, at %d", f.in.Size())
	}
	return nil
}
