// Package ply knows the polygon file format: meshes and clouds of points, as text and binary of either byte order, with
// whatever properties they have.
//
// It promises: counts are held against the size of the file before anything is made for them.
//
// # Bytes
//
//	ply
//	format ascii|binary_little_endian|binary_big_endian 1.0
//	comment …, obj_info …
//	element vertex n                    its properties follow, in their order
//	property float x                    char uchar short ushort int uint float double, or int8 … float64
//	property list uchar int vertex_indices
//	end_header
//
// and then, for each element in its order, n times its properties; a list is its length and so many values. As text each
// is a line.
package ply

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/shape"
)

const (
	maxFile  = 1 << 32 // bytes
	maxLines = 1 << 12 // of the header
)

// Format is the format. It has no state.
type Format struct{}

// Name is "ply".
func (Format) Name() string { return "ply" }

// Match looks for the first line.
func (Format) Match(name string, head []byte) bool {
	if !bytes.HasPrefix(head, []byte("ply\n")) && !bytes.HasPrefix(head, []byte("ply\r")) {
		return false
	}
	return strings.EqualFold(path.Ext(name), ".ply") || bytes.Contains(head, []byte("\nformat "))
}

// kind is what a number is written as.
type kind uint8

const (
	i8 kind = 1 + iota
	u8
	i16
	u16
	i32
	u32
	f32
	f64
)

func kindOf(name string) kind {
	switch name {
	case "char", "int8":
		return i8
	case "uchar", "uint8":
		return u8
	case "short", "int16":
		return i16
	case "ushort", "uint16":
		return u16
	case "int", "int32":
		return i32
	case "uint", "uint32":
		return u32
	case "float", "float32":
		return f32
	case "double", "float64":
		return f64
	}
	return 0
}

func (k kind) size() int {
	switch k {
	case i8, u8:
		return 1
	case i16, u16:
		return 2
	case f64:
		return 8
	}
	return 4
}

type property struct {
	name  string
	kind  kind
	count kind // of a list's length; 0: it is no list
}

type element struct {
	name       string
	n          int64
	properties []property
	stride     int  // bytes of one in binary form; of a list its length only: the least
	list       bool // there is one
}

type header struct {
	text     bool
	order    binary.ByteOrder
	elements []element
	size     int64 // bytes of the header
	files    []file
}

// file is a texture that a comment names.
type file struct {
	name string
	off  int64
}

// readHeader reads lines up to end_header.
func readHeader(b []byte) (*header, error) { return readHeaderOf(b, int64(len(b))) }

// readHeaderOf is readHeader of the beginning of a file of size bytes.
func readHeaderOf(b []byte, size int64) (*header, error) {
	end := byte('\n')
	if len(b) > 4 && b[3] == '\r' && b[4] != '\n' { // of an old Macintosh
		end = '\r'
	}
	h := &header{}
	at := 0
	for n := 0; n < maxLines; n++ {
		k := bytes.IndexByte(b[at:], end)
		if k < 0 {
			return nil, format.Malformed("the header does not end")
		}
		line := string(bytes.TrimRight(b[at:at+k], "\r"))
		from := at
		at += k + 1
		words := strings.Fields(line)
		switch {
		case n == 0 && line != "ply":
			return nil, format.Malformed("no ply in the first line")
		case n == 0 || len(words) == 0:
			continue
		case words[0] == "end_header":
			h.size = int64(at)
			return h, h.check(size)
		}
		if err := h.line(words, line, int64(from)); err != nil {
			return nil, err
		}
	}
	return nil, format.Malformed("more than %d lines in the header", maxLines)
}

func (h *header) line(words []string, line string, at int64) error {
	switch words[0] {
	case "comment", "obj_info":
		if len(words) > 2 && strings.EqualFold(words[1], "TextureFile") {
			name := strings.TrimSpace(line[strings.Index(line, words[1])+len(words[1]):])
			h.files = append(h.files, file{name, at + int64(strings.LastIndex(line, name))})
		}
		return nil
	case "format":
		switch {
		case len(words) > 1 && words[1] == "ascii":
			h.text = true
		case len(words) > 1 && words[1] == "binary_little_endian":
			h.order = binary.LittleEndian
		case len(words) > 1 && words[1] == "binary_big_endian":
			h.order = binary.BigEndian
		default:
			return format.Malformed("%.64q", line)
		}
		return nil
	case "element":
		if len(words) == 3 {
			if n, err := strconv.ParseUint(words[2], 10, 40); err == nil {
				h.elements = append(h.elements, element{name: words[1], n: int64(n)})
				return nil
			}
		}
	case "property":
		if len(h.elements) == 0 {
			break
		}
		e := &h.elements[len(h.elements)-1]
		var p property
		if len(words) == 5 && words[1] == "list" {
			p = property{words[4], kindOf(words[3]), kindOf(words[2])}
			if p.count == 0 || p.count >= f32 {
				break
			}
			e.list = true
			e.stride += p.count.size()
		} else if len(words) == 3 {
			p = property{name: words[2], kind: kindOf(words[1])}
			e.stride += p.kind.size()
		}
		if p.kind == 0 {
			break
		}
		e.properties = append(e.properties, p)
		return nil
	}
	return format.Malformed("%.64q in the header", line)
}

// check holds the counts against a file of size bytes.
func (h *header) check(size int64) error {
	if !h.text && h.order == nil {
		return format.Malformed("no format")
	}
	if len(h.elements) == 0 {
		return format.Malformed("no element")
	}
	left := size - h.size
	for i := range h.elements {
		e := &h.elements[i]
		least := int64(e.stride)
		if h.text {
			least = int64(len(e.properties)) // a digit and a space for each, the last line may end without
			if e.list {
				least = 1
			}
		}
		if least > 0 && e.n > (left+1)/least {
			return format.Malformed("%d of %s in %d bytes", e.n, e.name, left)
		}
		if !h.text {
			left -= e.n * least
		}
	}
	return nil
}

// find returns the position of the first of some properties, -1 if there is none.
func (e *element) find(names ...string) int {
	for _, name := range names {
		for i := range e.properties {
			if e.properties[i].name == name {
				return i
			}
		}
	}
	return -1
}

// row is one element: its numbers, and where its lists are in more.
type row struct {
	values []float64 // of each property; of a list its length
	lists  [][]float64
}

// rows calls each with all of an element, at place at of b. It returns where they end.
func (h *header) rows(ctx context.Context, e *element, b []byte, at int, each func(*row) error) (int, error) {
	r := &row{values: make([]float64, len(e.properties)), lists: make([][]float64, len(e.properties))}
	if len(e.properties) == 0 {
		return at, nil
	}
	for n := int64(0); n < e.n; n++ {
		if n&0xffff == 0 && ctx.Err() != nil {
			return at, ctx.Err()
		}
		var err error
		if h.text {
			at, err = textRow(e, b, at, r)
		} else {
			at, err = h.binaryRow(e, b, at, r)
		}
		if err != nil {
			return at, fmt.Errorf("%s %d: %w", e.name, n, err)
		}
		if err := each(r); err != nil {
			return at, err
		}
	}
	return at, nil
}

func (h *header) binaryRow(e *element, b []byte, at int, r *row) (int, error) {
	for i := range e.properties {
		p := &e.properties[i]
		k := p.kind
		if p.count != 0 {
			k = p.count
		}
		if len(b)-at < k.size() {
			return at, format.Malformed("the file ends")
		}
		r.values[i] = h.number(k, b[at:])
		at += k.size()
		if p.count == 0 {
			continue
		}
		n := int64(r.values[i])
		if n < 0 || n > int64((len(b)-at)/p.kind.size()) {
			return at, format.Malformed("a list of %d", n)
		}
		r.lists[i] = r.lists[i][:0]
		for range n {
			r.lists[i] = append(r.lists[i], h.number(p.kind, b[at:]))
			at += p.kind.size()
		}
	}
	return at, nil
}

func (h *header) number(k kind, b []byte) float64 {
	switch k {
	case i8:
		return float64(int8(b[0]))
	case u8:
		return float64(b[0])
	case i16:
		return float64(int16(h.order.Uint16(b)))
	case u16:
		return float64(h.order.Uint16(b))
	case i32:
		return float64(int32(h.order.Uint32(b)))
	case u32:
		return float64(h.order.Uint32(b))
	case f32:
		return float64(math.Float32frombits(h.order.Uint32(b)))
	}
	return math.Float64frombits(h.order.Uint64(b))
}

// textRow reads a line. A list may be left out at its end.
func textRow(e *element, b []byte, at int, r *row) (int, error) {
	for at < len(b) && (b[at] == '\n' || b[at] == '\r') {
		at++
	}
	end := len(b)
	if n := bytes.IndexAny(b[at:], "\n\r"); n >= 0 {
		end = at + n
	}
	line := b[at:end]
	number := func() (float64, bool) {
		line = line[shape.Space(line):]
		v, n := shape.Number(line)
		line = line[n:]
		return v, n > 0
	}
	for i := range e.properties {
		p := &e.properties[i]
		v, ok := number()
		r.lists[i] = r.lists[i][:0]
		if r.values[i] = v; p.count == 0 {
			if !ok {
				return at, format.Malformed("no number for %.32q", p.name)
			}
			continue
		}
		if v < 0 || v != math.Trunc(v) || v > float64(len(line)) {
			return at, format.Malformed("a list of %v", v)
		}
		for range int(v) {
			x, ok := number()
			if !ok {
				return at, format.Malformed("a list of %v ends", v)
			}
			r.lists[i] = append(r.lists[i], x)
		}
	}
	return end, nil
}
