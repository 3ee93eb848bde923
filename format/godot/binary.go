package godot

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"varve/format"
	"varve/format/splice"
)

// Binary is the format of binary scenes and resources: what they need, and their parts without their values.
type Binary struct{}

// Name is "godot-binary".
func (Binary) Name() string { return "godot-binary" }

// Match goes by the first bytes.
func (Binary) Match(_ string, head []byte) bool {
	return bytes.HasPrefix(head, []byte("RSRC")) || bytes.HasPrefix(head, []byte("RSCC"))
}

const (
	maxBinary = 1 << 30  // bytes, of a compressed file
	maxTables = 64 << 20 // bytes before the values
	maxRecord = 1 << 16  // bytes of a string
	hasUIDs   = 2        // of flags
)

// table is what is before the values of a binary file.
type table struct {
	kind     string
	id       string
	external []outside
	parts    []part
	note     part // what the importer left, which has an offset too; 0 where there is none
	order    binary.AppendByteOrder
	packed   bool // offsets are not those of the file
}

type outside struct {
	kind, path, id string
	off, len       int64 // of the path
	size           int   // of its record, with the zeros at its end
}

// part is a resource in the file; at is where its offset stands.
type part struct {
	name string
	off  uint64
	at   int64
}

func readBinary(ctx context.Context, in format.Input) (*table, error) {
	head, err := format.ReadSpan(in, 0, min(in.Size(), 4), 4)
	if err != nil {
		return nil, err
	}
	w := &walker{ctx: ctx, order: binary.LittleEndian}
	switch string(head) {
	case "RSCC":
		w.t.packed = true
		w.b, err = unpack(ctx, in)
	case "RSRC":
		w.at = 4
		w.b, err = format.ReadSpan(in, 0, min(in.Size(), maxTables), maxTables)
	default:
		err = format.Malformed("it does not begin with RSRC")
	}
	if err != nil {
		return nil, err
	}
	w.header()
	w.tables(uint64(in.Size()))
	if w.err != nil {
		return nil, w.err
	}
	return &w.t, nil
}

// walker reads from a file's beginning; the first error stays.
type walker struct {
	ctx   context.Context
	b     []byte
	at    int
	order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}
	err   error
	flags uint32
	t     table
}

func (w *walker) take(n int) []byte {
	if w.err == nil && n > len(w.b)-w.at {
		w.err = format.Malformed("it ends at %d in its tables", len(w.b))
	}
	if w.err != nil {
		return make([]byte, min(n, 8))
	}
	w.at += n
	return w.b[w.at-n : w.at]
}

func (w *walker) u32() uint32 { return w.order.Uint32(w.take(4)) }
func (w *walker) u64() uint64 { return w.order.Uint64(w.take(8)) }

func (w *walker) text() string {
	n := w.u32()
	if w.err == nil && n > maxRecord {
		w.err = format.Malformed("a string of %d bytes at %d", n, w.at)
	}
	if w.err != nil {
		return ""
	}
	return strings.TrimRight(string(w.take(int(n))), "\x00")
}

// count reads how many records of at least size bytes follow.
func (w *walker) count(size int) int {
	n := w.u32()
	if w.err == nil && int64(n)*int64(size) > int64(len(w.b)-w.at) {
		w.err = format.Malformed("%d records at %d, and it ends at %d", n, w.at, len(w.b))
	}
	if w.err != nil {
		return 0
	}
	return int(n)
}

func (w *walker) header() {
	if w.u32() != 0 {
		w.order = binary.BigEndian
	}
	w.u32() // real numbers of 64 bits
	w.u32() // of the application
	w.u32()
	if v := w.u32(); w.err == nil && (v < 1 || v > 32) {
		w.err = format.Unsupported("version %d of binary resources", v)
	}
	w.t.order = w.order
	w.t.kind = w.text()
	w.t.note.at = int64(w.at)
	w.t.note.off = w.u64()
	w.flags = w.u32()
	if id := w.u64(); w.flags&hasUIDs != 0 {
		w.t.id = uidText(id)
	}
	w.take(11 * 4)
}

func (w *walker) tables(size uint64) {
	for range w.count(4) {
		w.text()
	}
	if w.ctx.Err() != nil {
		w.err = w.ctx.Err()
	}
	for range w.count(8) {
		x := outside{kind: w.text()}
		at := w.at + 4
		x.path = w.text()
		x.off, x.len, x.size = int64(at), int64(len(x.path)), w.at-at
		if w.flags&hasUIDs != 0 {
			x.id = uidText(w.u64())
		}
		w.t.external = append(w.t.external, x)
	}
	for range w.count(12) {
		p := part{name: w.text()}
		p.at = int64(w.at)
		p.off = w.u64()
		if w.err == nil && !w.t.packed && p.off >= size {
			w.err = format.Malformed("part %.40q is at %d of %d bytes", p.name, p.off, size)
		}
		w.t.parts = append(w.t.parts, p)
	}
}

// uidText writes a uid as Godot does: 34 letters and digits, the last first; "" where it is none.
func uidText(id uint64) string {
	const digits = "abcdefghijklmnopqrstuvwxy012345678"
	if id == 0 || id>>63 != 0 {
		return ""
	}
	var out []byte
	for ; id > 0; id /= uint64(len(digits)) {
		out = append([]byte{digits[id%uint64(len(digits))]}, out...)
	}
	return identities + string(out)
}

// unpack decompresses as many blocks as the tables may take: RSCC, mode, block size, total, then sizes of blocks.
func unpack(ctx context.Context, in format.Input) ([]byte, error) {
	if in.Size() > maxBinary {
		return nil, fmt.Errorf("%d bytes: %w", in.Size(), format.ErrLimit)
	}
	h, err := format.ReadSpan(in, 4, 12, 12)
	if err != nil {
		return nil, err
	}
	mode, block, total := binary.LittleEndian.Uint32(h), int64(binary.LittleEndian.Uint32(h[4:])), int64(binary.LittleEndian.Uint32(h[8:]))
	if block < 1 || block > 1<<24 {
		return nil, format.Malformed("blocks of %d bytes", block)
	}
	n := total/block + 1
	sizes, err := format.ReadSpan(in, 16, 4*n, 4*n)
	if err != nil {
		return nil, err
	}
	var out []byte
	at := 16 + 4*n
	for i := range n {
		size := int64(binary.LittleEndian.Uint32(sizes[4*i:]))
		want := min(block, total-i*block)
		if want == 0 || int64(len(out)) >= maxTables {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		packed, err := format.ReadSpan(in, at, size, 2*block+4096)
		if err != nil {
			return nil, err
		}
		b, err := inflate(mode, packed, int(want))
		if err != nil {
			return nil, err
		}
		out, at = append(out, b...), at+size
	}
	return out, nil
}

func inflate(mode uint32, packed []byte, want int) ([]byte, error) {
	switch mode {
	case 1, 3:
	case 2:
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(want)+1<<20))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		b, err := d.DecodeAll(packed, make([]byte, 0, want))
		if err != nil || len(b) != want {
			return nil, format.Malformed("a compressed block: %d bytes of %d, %v", len(b), want, err)
		}
		return b, nil
	default:
		return nil, format.Unsupported("compression %d of binary resources", mode)
	}
	open := func(r io.Reader) (io.ReadCloser, error) { return zlib.NewReader(r) }
	if mode == 3 {
		open = func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
	}
	z, err := open(bytes.NewReader(packed))
	if err != nil {
		return nil, format.Malformed("a compressed block: %v", err)
	}
	b := make([]byte, want)
	if _, err := io.ReadFull(z, b); err != nil {
		return nil, format.Malformed("a compressed block: %v", err)
	}
	return b, z.Close()
}

// Validate is nil if the tables are whole.
func (Binary) Validate(ctx context.Context, in format.Input) error {
	t, err := readBinary(ctx, in)
	if err != nil {
		return err
	}
	mark := "RSRC"
	if t.packed {
		mark = "RSCC"
	}
	tail, err := format.ReadSpan(in, in.Size()-4, 4, 4)
	if err == nil && string(tail) != mark {
		return format.Malformed("it does not end with %s: it is cut off", mark)
	}
	return err
}

// References lists the external resources.
func (Binary) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	t, err := readBinary(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, x := range t.external {
		r, ok := refer([]byte(x.path), span{0, len(x.path)}, true)
		if !ok {
			continue
		}
		r.Kind, r.ID, r.Off, r.Len = kindOf(x.kind, r.Path), x.id, x.off, x.len
		if t.packed {
			r.Off, r.Len = 0, 0
		}
		out = append(out, r)
	}
	return out, nil
}

// Names gives the uid that the file has.
func (Binary) Names(ctx context.Context, in format.Input) ([]format.Name, error) {
	t, err := readBinary(ctx, in)
	if err != nil || t.id == "" {
		return nil, err
	}
	return []format.Name{{ID: t.id}}, nil
}

// Rewrite makes the file need others: their paths are replaced, and the offsets of what comes after them are moved.
func (f Binary) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	t, err := readBinary(ctx, in)
	if err != nil {
		return nil, err
	}
	var edits []splice.Edit
	grown := int64(0)
	for _, x := range t.external {
		next, ok := paths[x.path]
		if !ok || next == x.path {
			continue
		}
		if t.packed {
			return nil, &format.Refusal{Reason: "the file is compressed", Advice: "save it in Godot without compression, or change it there"}
		}
		if why := fits(format.Reference{}, next); why != "" || len(next) >= maxRecord {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q cannot stand in the place of %q: %s", next, x.path, why)}
		}
		text := new(format.Output)
		_, _ = text.Write(append(t.order.AppendUint32(nil, uint32(len(next)+1)), next+"\x00"...))
		edits = append(edits, splice.Edit{Off: x.off - 4, Len: 4 + int64(x.size), New: text})
		grown += text.Size() - 4 - int64(x.size)
	}
	for _, p := range append(t.parts, t.note) {
		if p.off != 0 && grown != 0 {
			to := new(format.Output)
			_, _ = to.Write(t.order.AppendUint64(nil, uint64(int64(p.off)+grown)))
			edits = append(edits, splice.Edit{Off: p.at, Len: 8, New: to})
		}
	}
	return splice.Apply(in, 0, in.Size(), edits)
}
