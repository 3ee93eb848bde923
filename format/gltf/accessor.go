package gltf

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strings"

	"varve/format"
)

// Types of components.
const (
	i8  = 5120
	u8  = 5121
	i16 = 5122
	u16 = 5123
	u32 = 5125
	f32 = 5126
)

func componentSize(kind int64) int64 {
	switch kind {
	case i8, u8:
		return 1
	case i16, u16:
		return 2
	case u32, f32:
		return 4
	}
	return 0
}

// components returns the numbers of an element, and where in it each column begins anew at four bytes: 0 nowhere.
func components(kind string, size int64) (n, column int64) {
	switch kind {
	case "SCALAR":
		return 1, 0
	case "VEC2":
		return 2, 0
	case "VEC3":
		return 3, 0
	case "VEC4":
		return 4, 0
	case "MAT2":
		if size == 1 {
			return 4, 2
		}
		return 4, 0
	case "MAT3":
		if size < 4 {
			return 9, 3
		}
		return 9, 0
	case "MAT4":
		return 16, 0
	}
	return 0, 0
}

// view is a range of a buffer.
type view struct {
	buffer  int
	off, n  int64
	stride  int64 // 0: as its elements are
	meshopt bool  // compressed: the range is of no use
}

func (d *document) view(i int) (v view, err error) {
	if i < 0 || i >= len(d.lists[bufferViews]) {
		return view{}, format.Malformed("no bufferView %d", i)
	}
	k := d.lists[bufferViews][i]
	b, ok0 := d.count(d.get(k, "buffer"))
	off, ok1 := d.or(k, "byteOffset", 0)
	n, ok2 := d.count(d.get(k, "byteLength"))
	stride, ok3 := d.or(k, "byteStride", 0)
	if !ok0 || !ok1 || !ok2 || !ok3 || b >= int64(len(d.lists[buffers])) {
		return view{}, format.Malformed("bufferView %d: %.200s", i, d.raw(k))
	}
	v = view{int(b), off, n, stride, d.get(k, "extensions", meshopt) >= 0}
	size, ok := d.count(d.get(d.lists[buffers][b], "byteLength"))
	if !ok || off > size || n > size-off {
		return view{}, format.Malformed("bufferView %d: bytes %d to %d of a buffer of %d", i, off, off+n, size)
	}
	return v, nil
}

// isData reports whether a URI holds what it means.
func isData(uri string) bool { return len(uri) >= 5 && strings.EqualFold(uri[:5], "data:") }

// decodeData returns the bytes of a data URI.
func decodeData(uri string) ([]byte, error) {
	head, body, ok := strings.Cut(uri, ",")
	if !ok {
		return nil, format.Malformed("a data URI without data")
	}
	if !strings.HasSuffix(head, ";base64") {
		return []byte(unescape(body)), nil
	}
	b, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		if b, err = base64.RawStdEncoding.DecodeString(body); err != nil {
			return nil, format.Malformed("a data URI: %v", err)
		}
	}
	return b, nil
}

// outside is the error of what another file has.
func outside(uri string) error {
	return format.Unsupported("its data is in %.200q, another file", uri)
}

// beside opens a file that the document needs.
func (d *document) beside(uri string) (format.Input, error) {
	path, style := style(uri)
	if style != format.Relative {
		return nil, outside(uri)
	}
	in, err := format.Beside(d.in, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, outside(uri)
	}
	return in, err
}

// fileOf opens the file that has the bytes of a buffer.
func (d *document) fileOf(buffer int, uri string, size int64) (in format.Input, err error) {
	if in = d.files[buffer]; in == nil {
		if in, err = d.beside(uri); err != nil {
			return nil, err
		}
		d.files[buffer] = in
	}
	if in.Size() < size {
		return nil, format.Unsupported("its data is in %.200q, which has %d of %d bytes", uri, in.Size(), size)
	}
	return in, nil
}

// source returns the file and offset where a buffer's bytes are, and how many are there.
func (d *document) source(buffer int) (in format.Input, off, n int64, err error) {
	k := d.lists[buffers][buffer]
	size, ok := d.count(d.get(k, "byteLength"))
	if !ok {
		return nil, 0, 0, format.Malformed("buffer %d has no byteLength", buffer)
	}
	u := d.get(k, "uri")
	switch {
	case u < 0 && buffer == 0 && d.binary && d.bin.off > 0:
		in, off, n = d.in, d.bin.off, d.bin.n
	case u < 0:
		return nil, 0, 0, format.Malformed("buffer %d has no bytes", buffer)
	case d.tape[u].kind != '"':
		return nil, 0, 0, format.Malformed("buffer %d: uri is no text", buffer)
	default:
		b, ok := d.uris[buffer]
		if uri := d.string(u); !ok {
			if !isData(uri) {
				in, err := d.fileOf(buffer, uri, size)
				return in, 0, size, err
			}
			if b, err = decodeData(uri); err != nil {
				return nil, 0, 0, err
			}
			d.uris[buffer] = b
		}
		in, off, n = format.Bytes(b), 0, int64(len(b))
	}
	if n < size {
		return nil, 0, 0, format.Malformed("buffer %d has %d of %d bytes", buffer, n, size)
	}
	return in, off, size, nil
}

// bytesOf returns n bytes of a view from off.
func (d *document) bytesOf(i int, off, n int64) ([]byte, error) {
	v, err := d.view(i)
	if err != nil {
		return nil, err
	}
	if v.meshopt {
		return nil, format.Unsupported("meshopt compression")
	}
	if off < 0 || n < 0 || off > v.n || n > v.n-off {
		return nil, format.Malformed("bytes %d to %d of bufferView %d of %d", off, off+n, i, v.n)
	}
	in, at, _, err := d.source(v.buffer)
	if err != nil {
		return nil, err
	}
	return format.ReadSpan(in, at+v.off+off, n, math.MaxInt64)
}

// array is an accessor.
type array struct {
	index      int
	view       int // -1: all zeros
	off, count int64
	component  int64
	kind       string
	n, column  int64 // numbers of an element; of a column, if columns are padded
	size       int64 // bytes of an element
	normalized bool
	sparse     int // token; -1
}

// maxZeros bounds arrays whose numbers are nowhere in the file.
const maxZeros = 1 << 24

func (d *document) array(i int) (a array, err error) {
	if i < 0 || i >= len(d.lists[accessors]) {
		return array{}, format.Malformed("no accessor %d", i)
	}
	k := d.lists[accessors][i]
	bad := func() (array, error) { return array{}, format.Malformed("accessor %d: %.200s", i, d.raw(k)) }
	var ok [4]bool
	a.index, a.view, a.sparse = i, -1, d.get(k, "sparse")
	a.off, ok[0] = d.or(k, "byteOffset", 0)
	a.count, ok[1] = d.count(d.get(k, "count"))
	a.component, ok[2] = d.count(d.get(k, "componentType"))
	v, has := d.or(k, "bufferView", -1)
	ok[3] = has
	width := componentSize(a.component)
	a.kind = d.string(d.get(k, "type"))
	a.n, a.column = components(a.kind, width)
	if ok != [4]bool{true, true, true, true} || a.n == 0 || width == 0 || v >= int64(len(d.lists[bufferViews])) || a.count == 0 {
		return bad()
	}
	a.view = int(v)
	a.size = a.n * width
	if a.column > 0 {
		a.size = a.n / a.column * ((a.column*width + 3) &^ 3)
	}
	t := d.get(k, "normalized")
	a.normalized = t >= 0 && d.tape[t].kind == 't'
	if a.count > 1<<40 {
		return bad()
	}
	return a, nil
}

// span returns the bytes of its view that an array takes, and its stride.
func (d *document) span(a *array) (n, stride int64, err error) {
	v, err := d.view(a.view)
	if err != nil {
		return 0, 0, err
	}
	stride = v.stride
	if stride == 0 {
		stride = a.size
	}
	if stride < a.size {
		return 0, 0, format.Malformed("accessor %d: elements of %d bytes, %d apart", a.index, a.size, stride)
	}
	n = (a.count-1)*stride + a.size
	if !v.meshopt && (a.off > v.n || n > v.n-a.off) {
		return 0, 0, format.Malformed("accessor %d: bytes %d to %d of a bufferView of %d", a.index, a.off, a.off+n, v.n)
	}
	return n, stride, nil
}

// read returns the elements of an array one behind the other, as they are in the file.
func (d *document) read(a *array) ([]byte, error) {
	if a.view < 0 {
		if a.count*a.size > maxZeros {
			return nil, fmt.Errorf("accessor %d: %d zeros: %w", a.index, a.count, format.ErrLimit)
		}
		out := make([]byte, a.count*a.size)
		return out, d.fill(a, out)
	}
	n, stride, err := d.span(a)
	if err != nil {
		return nil, err
	}
	out, err := d.bytesOf(a.view, a.off, n)
	if err != nil {
		return nil, err
	}
	if stride != a.size {
		for i := int64(1); i < a.count; i++ {
			copy(out[i*a.size:(i+1)*a.size], out[i*stride:])
		}
		out = out[:a.count*a.size]
	}
	return out, d.fill(a, out)
}

// sparseArrays returns what of an array stands elsewhere: which elements, and what they are.
func (d *document) sparseArrays(a *array) (where, what array, err error) {
	n, ok := d.count(d.get(a.sparse, "count"))
	if !ok || n == 0 || n > a.count {
		return where, what, format.Malformed("accessor %d: sparse.count", a.index)
	}
	parts := [2]*array{&where, &what}
	for p, name := range []string{"indices", "values"} {
		k := d.get(a.sparse, name)
		v, ok0 := d.count(d.get(k, "bufferView"))
		off, ok1 := d.or(k, "byteOffset", 0)
		if !ok0 || !ok1 || v >= int64(len(d.lists[bufferViews])) {
			return where, what, format.Malformed("accessor %d: sparse.%s", a.index, name)
		}
		*parts[p] = array{index: a.index, view: int(v), off: off, count: n, component: a.component, kind: a.kind, n: a.n, column: a.column, size: a.size, sparse: -1}
	}
	kind, ok := d.count(d.get(a.sparse, "indices", "componentType"))
	if !ok || kind != u8 && kind != u16 && kind != u32 {
		return where, what, format.Malformed("accessor %d: sparse.indices", a.index)
	}
	where.component, where.kind, where.n, where.column, where.size = kind, "SCALAR", 1, 0, componentSize(kind)
	return where, what, nil
}

// fill puts the elements of a sparse array into their places.
func (d *document) fill(a *array, out []byte) error {
	if a.sparse < 0 {
		return nil
	}
	where, what, err := d.sparseArrays(a)
	if err != nil {
		return err
	}
	at, err := d.read(&where)
	if err != nil {
		return err
	}
	values, err := d.read(&what)
	if err != nil {
		return err
	}
	for i := range where.count {
		k := int64(where.whole(at, i))
		if k >= a.count {
			return format.Malformed("accessor %d: element %d of %d is sparse", a.index, k, a.count)
		}
		copy(out[k*a.size:(k+1)*a.size], values[i*a.size:])
	}
	return nil
}

// whole returns the first number of element i of an array of whole numbers, as read gives it.
func (a *array) whole(b []byte, i int64) uint32 {
	b = b[i*a.size:]
	switch a.component {
	case u8, i8:
		return uint32(b[0])
	case u16, i16:
		return uint32(binary.LittleEndian.Uint16(b))
	}
	return binary.LittleEndian.Uint32(b)
}

// number returns a number of element i of an array, as read gives it; normalized ones between -1 and 1.
func (a *array) number(b []byte, i, k int64) float64 {
	width := componentSize(a.component)
	at := i*a.size + k*width
	if a.column > 0 {
		at = i*a.size + k/a.column*((a.column*width+3)&^3) + k%a.column*width
	}
	b = b[at:]
	var x, full float64
	switch a.component {
	case i8:
		x, full = float64(int8(b[0])), 127
	case u8:
		x, full = float64(b[0]), 255
	case i16:
		x, full = float64(int16(binary.LittleEndian.Uint16(b))), 32767
	case u16:
		x, full = float64(binary.LittleEndian.Uint16(b)), 65535
	case u32:
		x, full = float64(binary.LittleEndian.Uint32(b)), math.MaxUint32
	default:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	if a.normalized {
		return max(x/full, -1)
	}
	return x
}

// dataHash is of what an array says, wherever its bytes are and however far apart. Of whole numbers of one component it
// is the same at any width: exporters take the narrowest.
func (d *document) dataHash(i int) (string, error) {
	if h, ok := d.hashes[i]; ok {
		return h, nil
	}
	a, err := d.array(i)
	if err != nil {
		return "", err
	}
	head := fmt.Sprintf("%s %d %d %t", a.kind, a.component, a.count, a.normalized)
	whole := a.n == 1 && a.component != f32 && !a.normalized
	if whole {
		head = fmt.Sprintf("whole %d", a.count)
	}
	h := ""
	b, err := d.read(&a)
	switch {
	case err == nil && whole && a.component != u32:
		wide := make([]byte, 4*a.count)
		for k := range a.count {
			binary.LittleEndian.PutUint32(wide[4*k:], a.whole(b, k))
		}
		h = format.HashOf([]byte(head), wide)
	case err == nil:
		h = format.HashOf([]byte(head), b)
	default:
		// in another file, or compressed: what this file says of it must do
		if h, err = d.hearsay(&a, head, err); err != nil {
			return "", err
		}
	}
	d.hashes[i] = h
	return h, nil
}

// hearsay is a hash of where an array's bytes are, when they cannot be read for the reason why.
func (d *document) hearsay(a *array, head string, why error) (string, error) {
	if !isUnsupported(why) {
		return "", why
	}
	v, err := d.view(a.view)
	if err != nil {
		return "", err
	}
	if v.meshopt {
		h, err := d.compressed(a.view)
		return format.HashOf([]byte(head), []byte(h)), err
	}
	uri := d.string(d.get(d.lists[buffers][v.buffer], "uri"))
	k := d.lists[accessors][a.index]
	var limits bytes.Buffer
	for _, name := range []string{"min", "max"} {
		if t := d.get(k, name); t >= 0 {
			limits.Write(d.raw(t))
		}
	}
	return format.HashOf([]byte(head), []byte(uri), fmt.Appendf(nil, " %d %d %d ", v.off+a.off, v.n, v.stride), limits.Bytes()), nil
}

// compressed is a hash of the bytes that meshopt compression made.
func (d *document) compressed(i int) (string, error) {
	k := d.get(d.lists[bufferViews][i], "extensions", meshopt)
	b, ok0 := d.count(d.get(k, "buffer"))
	off, ok1 := d.or(k, "byteOffset", 0)
	n, ok2 := d.count(d.get(k, "byteLength"))
	if !ok0 || !ok1 || !ok2 || b >= int64(len(d.lists[buffers])) {
		return "", format.Malformed("bufferView %d: %s", i, meshopt)
	}
	in, at, size, err := d.source(int(b))
	if isUnsupported(err) {
		return fmt.Sprint("elsewhere ", d.string(d.get(d.lists[buffers][b], "uri")), off, n), nil
	}
	if err != nil {
		return "", err
	}
	if off > size || n > size-off {
		return "", format.Malformed("bufferView %d: %s", i, meshopt)
	}
	data, err := format.ReadSpan(in, at+off, n, math.MaxInt64)
	if err != nil {
		return "", err
	}
	return format.HashOf(data), nil
}

// viewHash is of the bytes of a view.
func (d *document) viewHash(i int) (string, error) {
	v, err := d.view(i)
	if err != nil {
		return "", err
	}
	if v.meshopt {
		return d.compressed(i)
	}
	b, err := d.bytesOf(i, 0, v.n)
	if isUnsupported(err) {
		uri := d.string(d.get(d.lists[buffers][v.buffer], "uri"))
		return format.HashOf([]byte(uri), fmt.Appendf(nil, " %d %d", v.off, v.n)), nil
	}
	if err != nil {
		return "", err
	}
	return format.HashOf(b), nil
}
