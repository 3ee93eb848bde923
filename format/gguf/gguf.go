// Package gguf knows the tensors and the metadata of GGUF files, versions 1 to 3, of either byte order.
//
// It promises: of the file's head each byte is read once; of tensors nothing, unless they are asked for.
//
// # Bytes
//
//	"GGUF" version:4 tensors:n entries:n, where n is 8 bytes, 4 in version 1, as all lengths and sides are
//	entry    key, type:4, value; a text is length:n, bytes; an array is type:4, count:n, values
//	tensor   name, sides:4, each side:n (the first varies fastest), type:4, offset:8
//	padding up to general.alignment, 32 unless the metadata says otherwise; offsets count from there
//
// A file is big-endian if its version is, read so, a small number.
package gguf

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/tensor"
	"varve/format/weights"
	"varve/format/window"
)

const (
	magic      = "GGUF"
	maxKey     = 1 << 16
	maxEntries = 1 << 16
	maxSides   = 8
	shown      = 256 // bytes of text that are shown of a value
	arrayDepth = 4
)

// Format is the format. It has no state.
type Format struct{}

// Name is "gguf".
func (Format) Name() string { return "gguf" }

// Match looks for the magic.
func (Format) Match(_ string, head []byte) bool {
	return len(head) >= 8 && string(head[:4]) == magic
}

// Tensors lists the tensors, and the metadata as text.
func (Format) Tensors(ctx context.Context, in format.Input) (*tensor.List, error) {
	f, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	return &f.list, nil
}

// Regions returns one for each tensor.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	f, err := once(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return weights.Regions(&f.list), nil
}

// Elements lists the tensors, with hashes of their bytes.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Elements(ctx, in, &f.list)
}

// Outline lists the tensors by the head of the file alone.
func (Format) Outline(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Outline(&f.list), nil
}

// Validate checks that every tensor lies in the file.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := once(ctx, in)
	return err
}

// Extract makes a .npy of a tensor, or a .gguf of that one alone where NumPy has no such type.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	t, err := weights.Find(&f.list, id)
	if err != nil {
		return nil, err
	}
	if weights.Descr(t.Type, t.Big) != "" {
		return weights.Extract(ctx, in, &f.list, id)
	}
	o := &format.Output{}
	_, _ = o.Write(f.alone(t))
	o.Span(in, t.Off, t.Len)
	return &format.Extract{Extension: ".gguf", Content: o}, nil
}

// alone is the head of a file, of version 3, of one tensor.
func (f *file) alone(t *tensor.Tensor) []byte {
	o := f.order
	b := o.AppendUint32([]byte(magic), 3)
	b = o.AppendUint64(o.AppendUint64(b, 1), 0)
	b = append(o.AppendUint64(b, uint64(len(t.Name))), t.Name...)
	b = o.AppendUint32(b, uint32(len(t.Shape)))
	for _, side := range slices.Backward(t.Shape) {
		b = o.AppendUint64(b, uint64(side))
	}
	b = o.AppendUint32(b, f.kinds[t.Off])
	b = o.AppendUint64(b, 0)
	return append(b, make([]byte, -len(b)&31)...)
}

// order is a byte order to read and write.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// file is the head of a file.
type file struct {
	list    tensor.List
	version uint32
	order   order
	kinds   map[int64]uint32 // of tensors as the file has them, by Off
}

func once(ctx context.Context, in format.Input) (*file, error) {
	return format.Once(in, "gguf", func() (*file, error) { return read(ctx, in) })
}

// cursor reads one thing after another.
type cursor struct {
	ctx   context.Context
	w     *window.Window
	at    int64
	order order
	wide  int // bytes of a length
}

func (c *cursor) bytes(n int) ([]byte, error) {
	b, err := c.w.At(c.at, n)
	c.at += int64(n)
	return b, err
}

func (c *cursor) u32() (uint32, error) {
	b, err := c.bytes(4)
	if err != nil {
		return 0, err
	}
	return c.order.Uint32(b), nil
}

// length reads one that is at most what the file has left.
func (c *cursor) length() (int64, error) {
	b, err := c.bytes(c.wide)
	if err != nil {
		return 0, err
	}
	n := uint64(0)
	if c.wide == 4 {
		n = uint64(c.order.Uint32(b))
	} else {
		n = c.order.Uint64(b)
	}
	if n > uint64(c.w.Size()-c.at) {
		return 0, format.Malformed("a length of %d at %d of a file of %d bytes", n, c.at-int64(c.wide), c.w.Size())
	}
	return int64(n), nil
}

// text reads one of at most max bytes.
func (c *cursor) text(max int64) (string, error) {
	n, err := c.length()
	if err != nil {
		return "", err
	}
	if n > max {
		return "", format.Malformed("a name of %d bytes at %d", n, c.at)
	}
	b, err := c.bytes(int(n))
	return string(b), err
}

func read(ctx context.Context, in format.Input) (*file, error) {
	c := &cursor{ctx: ctx, w: window.New(in), order: binary.LittleEndian, wide: 8}
	head, err := c.bytes(8)
	if err != nil {
		return nil, err
	}
	if string(head[:4]) != magic {
		return nil, format.Malformed("no GGUF file")
	}
	f := &file{version: binary.LittleEndian.Uint32(head[4:]), kinds: map[int64]uint32{}}
	if f.version&0xffff == 0 {
		c.order, f.version = binary.BigEndian, binary.BigEndian.Uint32(head[4:])
	}
	f.order = c.order
	switch f.version {
	case 1:
		c.wide = 4
	case 2, 3:
	default:
		return nil, format.Unsupported("GGUF version %d", f.version)
	}
	tensors, err := c.length()
	if err != nil {
		return nil, err
	}
	entries, err := c.length()
	if err != nil {
		return nil, err
	}
	if tensors > format.MaxElements || entries > maxEntries {
		return nil, fmt.Errorf("%d tensors and %d entries: %w", tensors, entries, format.ErrLimit)
	}
	align, err := f.entries(c, entries)
	if err != nil {
		return nil, err
	}
	return f, f.tensors(c, tensors, align)
}

// entries reads the metadata, and returns how tensors are aligned.
func (f *file) entries(c *cursor, n int64) (int64, error) {
	align := int64(32)
	f.list.Metadata = map[string]string{}
	for range n {
		if err := c.ctx.Err(); err != nil {
			return 0, err
		}
		key, err := c.text(maxKey)
		if err != nil {
			return 0, err
		}
		kind, err := c.u32()
		if err != nil {
			return 0, err
		}
		value, err := c.value(kind, arrayDepth)
		if err != nil {
			return 0, fmt.Errorf("%.80q: %w", key, err)
		}
		f.list.Metadata[key] = value
		if key == "general.alignment" {
			if align, err = strconv.ParseInt(value, 10, 32); err != nil || align < 1 || align > 1<<20 {
				return 0, format.Malformed("an alignment of %.20q", value)
			}
		}
	}
	return align, nil
}

// Kinds of values.
const (
	kindText  = 8
	kindArray = 9
)

// sizeOf is the bytes of a value that is a number; 0 for others.
func sizeOf(kind uint32) int {
	switch kind {
	case 0, 1, 7:
		return 1
	case 2, 3:
		return 2
	case 4, 5, 6:
		return 4
	case 10, 11, 12:
		return 8
	}
	return 0
}

// value reads a value as text: of long ones the length, and a hash.
func (c *cursor) value(kind uint32, depth int) (string, error) {
	if n := sizeOf(kind); n > 0 {
		b, err := c.bytes(n)
		if err != nil {
			return "", err
		}
		return c.number(kind, b), nil
	}
	switch kind {
	case kindText:
		n, err := c.length()
		if err != nil {
			return "", err
		}
		return c.long(n)
	case kindArray:
		return c.array(depth)
	}
	return "", format.Malformed("a value of kind %d at %d", kind, c.at)
}

func (c *cursor) number(kind uint32, b []byte) string {
	o := c.order
	switch kind {
	case 0:
		return strconv.Itoa(int(b[0]))
	case 1:
		return strconv.Itoa(int(int8(b[0])))
	case 2:
		return strconv.Itoa(int(o.Uint16(b)))
	case 3:
		return strconv.Itoa(int(int16(o.Uint16(b))))
	case 4:
		return strconv.FormatUint(uint64(o.Uint32(b)), 10)
	case 5:
		return strconv.Itoa(int(int32(o.Uint32(b))))
	case 6:
		return strconv.FormatFloat(float64(math.Float32frombits(o.Uint32(b))), 'g', -1, 32)
	case 7:
		return strconv.FormatBool(b[0] != 0)
	case 10:
		return strconv.FormatUint(o.Uint64(b), 10)
	case 11:
		return strconv.FormatInt(int64(o.Uint64(b)), 10)
	}
	return strconv.FormatFloat(math.Float64frombits(o.Uint64(b)), 'g', -1, 64)
}

// long reads n bytes of text.
func (c *cursor) long(n int64) (string, error) {
	sum := sha256.New()
	start := ""
	total := n
	for n > 0 {
		b, err := c.bytes(int(min(n, 64<<10)))
		if err != nil {
			return "", err
		}
		if n == total {
			start = string(b[:min(len(b), shown)])
		}
		sum.Write(b)
		n -= int64(len(b))
	}
	if total <= shown {
		return strings.ToValidUTF8(start, "�"), nil
	}
	return fmt.Sprintf("%s… (%d bytes, %s)", strings.ToValidUTF8(start[:64], "�"), total, hex.EncodeToString(sum.Sum(nil)[:8])), nil
}

// array reads one: a few numbers as they are, of others the count and a hash.
func (c *cursor) array(depth int) (string, error) {
	kind, err := c.u32()
	if err != nil {
		return "", err
	}
	n, err := c.length()
	if err != nil || depth == 0 {
		return "", format.Malformed("an array at %d: %v", c.at, err)
	}
	if size := int64(sizeOf(kind)); size > 0 && n > (c.w.Size()-c.at)/size {
		return "", format.Malformed("an array of %d at %d", n, c.at)
	}
	sum := sha256.New()
	var few []string
	for i := range n {
		if i%4096 == 0 {
			if err := c.ctx.Err(); err != nil {
				return "", err
			}
		}
		v, err := c.value(kind, depth-1)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%d %s", len(v), v)
		if len(few) < 8 && len(v) < 64 {
			few = append(few, v)
		}
	}
	if int64(len(few)) == n {
		return "[" + strings.Join(few, " ") + "]", nil
	}
	return fmt.Sprintf("%d values, %s", n, hex.EncodeToString(sum.Sum(nil)[:8])), nil
}

// tensors reads the table, and places what it lists.
func (f *file) tensors(c *cursor, n, align int64) error {
	kinds := make([]uint32, 0, min(n, 1<<12))
	names := 0
	for i := range n {
		if i%1024 == 0 {
			if err := c.ctx.Err(); err != nil {
				return err
			}
		}
		t, kind, err := c.tensor()
		if err != nil {
			return err
		}
		if names += len(t.Name); names > format.MaxNames {
			return fmt.Errorf("names of more than %d bytes: %w", format.MaxNames, format.ErrLimit)
		}
		f.list.Tensors, kinds = append(f.list.Tensors, t), append(kinds, kind)
	}
	data := (c.at + align - 1) / align * align
	ends := f.ends(data, c.w.Size())
	for i := range f.list.Tensors {
		t := &f.list.Tensors[i]
		if t.Off < 0 || t.Off > c.w.Size()-data {
			return format.Malformed("tensor %.80q at %d of a file of %d bytes", t.Name, t.Off, c.w.Size())
		}
		t.Off += data
		t.Big = c.order == order(binary.BigEndian)
		f.kinds[t.Off] = kinds[i]
		if t.Type == tensor.Unknown {
			t.Called = "type " + strconv.Itoa(int(kinds[i]))
			t.Len, t.Size = ends[t.Off]-t.Off, ends[t.Off]-t.Off
			t.Shape = []int64{t.Len}
			continue
		}
		size, ok := t.Type.Bytes(t.Shape, c.w.Size()-t.Off)
		if block, _ := t.Type.Block(); !ok || len(t.Shape) > 0 && t.Shape[len(t.Shape)-1]%int64(block) != 0 {
			return format.Malformed("tensor %.80q: %s of %d at %d of a file of %d bytes", t.Name, t.Type, t.Shape, t.Off, c.w.Size())
		}
		t.Len, t.Size = size, size
	}
	return nil
}

// ends returns where the bytes from each tensor's place reach to at most.
func (f *file) ends(data, size int64) map[int64]int64 {
	var at []int64
	for i := range f.list.Tensors {
		if off := f.list.Tensors[i].Off; off >= 0 && off <= size-data {
			at = append(at, data+off)
		}
	}
	slices.Sort(at)
	out := make(map[int64]int64, len(at))
	next := size
	for i, off := range slices.Backward(at) {
		if i+1 < len(at) && at[i+1] != off {
			next = at[i+1]
		}
		out[off] = next
	}
	return out
}

// tensor reads an entry of the table; Off counts from the data.
func (c *cursor) tensor() (t tensor.Tensor, kind uint32, err error) {
	if t.Name, err = c.text(maxKey); err != nil {
		return t, 0, err
	}
	sides, err := c.u32()
	if err != nil {
		return t, 0, err
	}
	if sides > maxSides {
		return t, 0, format.Malformed("tensor %.80q of %d sides", t.Name, sides)
	}
	t.Shape = make([]int64, sides)
	for i := range t.Shape {
		b, err := c.bytes(c.wide)
		if err != nil {
			return t, 0, err
		}
		side := uint64(0)
		if c.wide == 4 {
			side = uint64(c.order.Uint32(b))
		} else {
			side = c.order.Uint64(b)
		}
		if side > math.MaxInt64 {
			return t, 0, format.Malformed("tensor %.80q: a side of %d", t.Name, side)
		}
		t.Shape[len(t.Shape)-1-i] = int64(side)
	}
	if kind, err = c.u32(); err != nil {
		return t, 0, err
	}
	b, err := c.bytes(8)
	if err != nil {
		return t, 0, err
	}
	if off := c.order.Uint64(b); off <= math.MaxInt64 {
		t.Off = int64(off)
	} else {
		t.Off = -1
	}
	t.Type = typeOf(kind)
	return t, kind, nil
}

// typeOf is the type of a number in the table; Unknown of those that are gone or new.
func typeOf(kind uint32) tensor.Type {
	of := [...]tensor.Type{0: tensor.F32, 1: tensor.F16, 2: tensor.Q4_0, 3: tensor.Q4_1, 6: tensor.Q5_0, 7: tensor.Q5_1, 8: tensor.Q8_0, 9: tensor.Q8_1,
		10: tensor.Q2_K, 11: tensor.Q3_K, 12: tensor.Q4_K, 13: tensor.Q5_K, 14: tensor.Q6_K, 15: tensor.Q8_K, 16: tensor.IQ2_XXS, 17: tensor.IQ2_XS,
		18: tensor.IQ3_XXS, 19: tensor.IQ1_S, 20: tensor.IQ4_NL, 21: tensor.IQ3_S, 22: tensor.IQ2_S, 23: tensor.IQ4_XS, 24: tensor.I8, 25: tensor.I16,
		26: tensor.I32, 27: tensor.I64, 28: tensor.F64, 29: tensor.IQ1_M, 30: tensor.BF16, 34: tensor.TQ1_0, 35: tensor.TQ2_0, 39: tensor.MXFP4}
	if int(kind) < len(of) {
		return of[kind]
	}
	return tensor.Unknown
}
