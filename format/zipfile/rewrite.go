package zipfile

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"

	"varve/format"
)

// Rewrite is an archive to be made of another: first the same, then changed. The zero value is not of use; it is not
// safe for concurrent use.
type Rewrite struct {
	// Align makes the data of stored entries begin at multiples of so many bytes, as USDZ demands 64; 0: anywhere. Where
	// nothing is changed, nothing is moved.
	Align int64

	a       *Archive
	items   []item // in the order of the directory
	utf8    uint16 // the flag that this archive has for names that are not ASCII
	changed bool
}

const utf8Flag = 1 << 11

// item is an entry of the archive to be.
type item struct {
	name    string
	from    *Archive // whose entry it is; nil for new content
	entry   *Entry   // of from, or whose place the new content takes; nil for what is added
	renamed bool     // the name is not the entry's
	method  uint16
	content format.Input
	rank    int64 // place in the file: that of the entry, after all for what is added
}

// Rewrite returns a rewrite in which nothing is changed yet.
func (a *Archive) Rewrite() *Rewrite {
	r := &Rewrite{a: a, items: make([]item, len(a.entries)), utf8: utf8Flag}
	for i := range a.entries {
		e := &a.entries[i]
		if !ascii(e.Name) {
			r.utf8 = e.Flags & utf8Flag
		}
		r.items[i] = item{name: e.Name, from: a, entry: e, rank: e.Header}
	}
	return r
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 }) < 0
}

// flagsOf returns the flags of an item: its entry's, and what says how the name is written.
func (r *Rewrite) flagsOf(it *item) uint16 {
	flags := uint16(0)
	if it.entry != nil {
		flags = it.entry.Flags
	}
	if it.from == nil {
		flags &^= described | 6
	}
	if (it.entry == nil || it.renamed) && !ascii(it.name) {
		flags = flags&^utf8Flag | r.utf8
	}
	return flags
}

func (r *Rewrite) find(name string) int {
	return slices.IndexFunc(r.items, func(it item) bool { return it.name == name })
}

// Has reports whether there is an entry of a name by now.
func (r *Rewrite) Has(name string) bool { return r.find(name) >= 0 }

// Put makes content the content of the entry of a name: in its place and compressed as it was where there is one, else
// as the last, compressed by method. Stored content is not read into memory.
func (r *Rewrite) Put(name string, content format.Input, method uint16) {
	i := r.find(name)
	if i < 0 {
		r.append(item{name: name, content: content, method: method})
		return
	}
	r.changed = true
	it := &r.items[i]
	switch {
	case it.entry == nil:
		method = it.method
	case it.entry.Method == Stored || it.entry.Method == Deflate:
		method = it.entry.Method
	}
	r.items[i] = item{name: name, entry: it.entry, content: content, method: method, rank: it.rank}
}

// Copy makes the entry of a name one of another archive, or of this one, without decompressing it: in the place of the
// one that there is, else as the last.
func (r *Rewrite) Copy(name string, from *Archive, e *Entry) {
	it := item{name: name, from: from, entry: e, renamed: name != e.Name}
	i := r.find(name)
	if i < 0 {
		r.append(it)
		return
	}
	if r.items[i].entry != e {
		r.changed = true
		it.rank = r.items[i].rank
		r.items[i] = it
	}
}

func (r *Rewrite) append(it item) {
	r.changed = true
	it.rank = r.a.dir
	r.items = append(r.items, it)
}

// Remove takes the entry of a name out; nothing where there is none.
func (r *Rewrite) Remove(name string) {
	if i := r.find(name); i >= 0 {
		r.changed = true
		r.items = slices.Delete(r.items, i, i+1)
	}
}

// written is an item that was written.
type written struct {
	*item
	flags                    uint16
	header, compressed, size int64 // header from the origin
	crc                      uint32
}

// Output returns the archive to be. Its entries stand in the order in which they were, what was added after them.
func (r *Rewrite) Output(ctx context.Context) (*format.Output, error) {
	out := new(format.Output)
	if !r.changed {
		out.Span(r.a.in, 0, r.a.in.Size())
		return out, nil
	}
	start := r.a.dir
	if len(r.a.files) > 0 {
		start = r.a.entries[r.a.files[0]].Header
	}
	out.Span(r.a.in, 0, start)
	order := make([]*item, len(r.items))
	for i := range r.items {
		order[i] = &r.items[i]
	}
	slices.SortStableFunc(order, func(x, y *item) int { return cmp.Compare(x.rank, y.rank) })
	all := make(map[*item]written, len(order))
	for _, it := range order {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		w, err := r.write(ctx, out, it)
		if err != nil {
			return nil, err
		}
		w.header -= r.a.origin
		all[it] = w
	}
	dir := out.Size()
	for i := range r.items {
		w := all[&r.items[i]]
		_, _ = out.Write(w.record())
	}
	r.finish(out, dir)
	return out, nil
}

// write writes one entry: header, data, descriptor.
func (r *Rewrite) write(ctx context.Context, out *format.Output, it *item) (written, error) {
	if it.from == nil {
		return r.writeNew(ctx, out, it)
	}
	e := it.entry
	w := written{item: it, flags: r.flagsOf(it), header: out.Size(), compressed: e.Compressed, size: e.Size, crc: e.CRC}
	data, err := it.from.Data(e)
	if err != nil {
		return w, err
	}
	end := e.next // with what lies between this entry and the next, if it stays
	if it.from != r.a || it.renamed {
		if end, err = it.from.endOf(e, data); err != nil {
			return w, err
		}
	}
	if !it.renamed && r.aligned(e.Method, out.Size()+data-e.Header) {
		out.Span(it.from.in, e.Header, end-e.Header)
		return w, nil
	}
	head, err := format.ReadSpan(it.from.in, e.Header, data-e.Header, localSize+2*0xffff)
	if err != nil {
		return w, err
	}
	binary.LittleEndian.PutUint16(head[6:], w.flags)
	if err := r.header(out, head[:localSize], it.name, head[localSize+len(e.Name):], e.Method); err != nil {
		return w, err
	}
	out.Span(it.from.in, data, end-data)
	return w, nil
}

func (r *Rewrite) aligned(method uint16, at int64) bool {
	return r.Align <= 1 || method != Stored || at%r.Align == 0
}

// padding is the id of the extra field that fills up to an alignment.
const padding = 0x1986

// header writes a local header, its extra fields filled up so that the data is aligned.
func (r *Rewrite) header(out *format.Output, fixed []byte, name string, extra []byte, method uint16) error {
	if r.Align > 1 && method == Stored {
		extra = without(extra, padding)
		at := out.Size() + localSize + int64(len(name)+len(extra))
		if fill := (r.Align - at%r.Align) % r.Align; fill > 0 {
			for fill < 4 {
				fill += r.Align
			}
			extra = binary.LittleEndian.AppendUint16(slices.Clip(extra), padding)
			extra = binary.LittleEndian.AppendUint16(extra, uint16(fill-4))
			extra = append(extra, make([]byte, fill-4)...)
		}
	}
	if len(name) > 0xffff || len(extra) > 0xffff {
		return format.Unsupported("a zip entry with a name of %d bytes and %d beside it", len(name), len(extra))
	}
	head := bytes.Clone(fixed)
	binary.LittleEndian.PutUint16(head[26:], uint16(len(name)))
	binary.LittleEndian.PutUint16(head[28:], uint16(len(extra)))
	_, _ = out.Write(slices.Concat(head, []byte(name), extra))
	return nil
}

// without returns extra fields but those of an id.
func without(extra []byte, id uint16) (out []byte) {
	for len(extra) >= 4 {
		n := 4 + int(binary.LittleEndian.Uint16(extra[2:]))
		if n > len(extra) {
			break
		}
		if binary.LittleEndian.Uint16(extra) != id {
			out = append(out, extra[:n]...)
		}
		extra = extra[n:]
	}
	return append(out, extra...)
}

// endOf returns where an entry ends whose data begins at data: its descriptor's end, if it has one.
func (a *Archive) endOf(e *Entry, data int64) (int64, error) {
	end := data + e.Compressed
	if e.Flags&described == 0 || e.next == end {
		return end, nil
	}
	b, err := format.ReadSpan(a.in, end, min(24, e.next-end), 24)
	if err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	for _, sign := range []int{4, 0} {
		if sign == 4 && !bytes.HasPrefix(b, []byte(descSign)) {
			continue
		}
		d := b[min(sign, len(b)):]
		if len(d) >= 20 && le.Uint32(d) == e.CRC && le.Uint64(d[4:]) == uint64(e.Compressed) && le.Uint64(d[12:]) == uint64(e.Size) {
			return end + int64(sign) + 20, nil
		}
		if len(d) >= 12 && le.Uint32(d) == e.CRC && le.Uint32(d[4:]) == uint32(e.Compressed) && le.Uint32(d[8:]) == uint32(e.Size) {
			return end + int64(sign) + 12, nil
		}
	}
	return 0, format.Malformed("zip entry %.80q: no descriptor at %d", e.Name, end)
}

// writeNew writes an entry of new content.
func (r *Rewrite) writeNew(ctx context.Context, out *format.Output, it *item) (written, error) {
	w := written{item: it, flags: r.flagsOf(it), header: out.Size(), size: it.content.Size()}
	sum := crc32.NewIEEE()
	src := io.TeeReader(withContext{ctx, io.NewSectionReader(it.content, 0, w.size)}, sum)
	data := it.content
	if it.method == Deflate {
		var b bytes.Buffer
		z, err := flate.NewWriter(&b, 6)
		if err != nil {
			return w, err
		}
		if _, err := io.Copy(z, src); err != nil {
			return w, err
		}
		if err := z.Close(); err != nil {
			return w, err
		}
		data = format.Bytes(b.Bytes())
	} else if n, err := io.Copy(io.Discard, src); err != nil || n != w.size {
		return w, cmp.Or(err, io.ErrUnexpectedEOF)
	}
	w.compressed, w.crc = data.Size(), sum.Sum32()
	fixed, extra := make([]byte, localSize), []byte(nil)
	copy(fixed, localSign)
	copy(fixed[4:26], w.mid())
	if w.size >= 0xffffffff || w.compressed >= 0xffffffff {
		extra = binary.LittleEndian.AppendUint16(extra, 1)
		extra = binary.LittleEndian.AppendUint16(extra, 16)
		extra = binary.LittleEndian.AppendUint64(extra, uint64(w.size))
		extra = binary.LittleEndian.AppendUint64(extra, uint64(w.compressed))
	}
	if err := r.header(out, fixed, it.name, extra, it.method); err != nil {
		return w, err
	}
	out.Span(data, 0, data.Size())
	return w, nil
}

// mid returns the 22 bytes that a local header and a directory record of new content have alike, version to size. The
// date is that of the entry whose place it takes, else the first that can be written.
func (w *written) mid() []byte {
	le := binary.LittleEndian
	b := make([]byte, 22)
	version, date := uint16(20), uint32(0x00210000)
	if w.entry != nil {
		date = le.Uint32(w.entry.record[12:])
	}
	size, compressed := uint32(w.size), uint32(w.compressed)
	if w.size >= 0xffffffff || w.compressed >= 0xffffffff {
		size, compressed, version = 0xffffffff, 0xffffffff, 45
	}
	le.PutUint16(b, version)
	le.PutUint16(b[2:], w.flags)
	le.PutUint16(b[4:], w.method)
	le.PutUint32(b[6:], date)
	le.PutUint32(b[10:], w.crc)
	le.PutUint32(b[14:], compressed)
	le.PutUint32(b[18:], size)
	return b
}

// record returns the directory record: the entry's own with what has changed, or a new one.
func (w *written) record() []byte {
	le := binary.LittleEndian
	fixed, extra, comment := make([]byte, recordSize), []byte(nil), []byte(nil)
	copy(fixed, recordSign)
	le.PutUint16(fixed[4:], 3<<8|20)
	le.PutUint32(fixed[38:], 0o100644<<16)
	if w.entry != nil {
		old := w.entry.record
		name, n := recordSize+len(w.entry.Name), int(le.Uint16(old[30:]))
		copy(fixed, old)
		extra, comment = old[name:name+n], old[name+n:]
	}
	if w.from == nil {
		copy(fixed[6:28], w.mid())
	}
	le.PutUint16(fixed[8:], w.flags)
	// A number that was in the zip64 field stays there.
	var wide []byte
	for _, v := range []struct {
		at int
		is int64
	}{{24, w.size}, {20, w.compressed}, {42, w.header}} {
		if v.is >= 0xffffffff || (le.Uint32(fixed[v.at:]) == 0xffffffff && w.from != nil) {
			wide = le.AppendUint64(wide, uint64(v.is))
			le.PutUint32(fixed[v.at:], 0xffffffff)
		} else {
			le.PutUint32(fixed[v.at:], uint32(v.is))
		}
	}
	if wide != nil || field(extra, 1) != nil {
		extra = without(extra, 1)
	}
	if wide != nil {
		id := le.AppendUint16(le.AppendUint16(nil, 1), uint16(len(wide)))
		extra = slices.Concat(id, wide, extra)
		le.PutUint16(fixed[6:], max(le.Uint16(fixed[6:]), 45))
	}
	le.PutUint16(fixed[28:], uint16(len(w.name)))
	le.PutUint16(fixed[30:], uint16(len(extra)))
	return slices.Concat(fixed, []byte(w.name), extra, comment)
}

// finish writes what follows the directory, which begins at dir.
func (r *Rewrite) finish(out *format.Output, dir int64) {
	le := binary.LittleEndian
	length, offset, count := uint64(out.Size()-dir), uint64(dir-r.a.origin), uint64(len(r.items))
	end := bytes.Clone(r.a.end)
	if r.a.end64 != nil || length >= 0xffffffff || offset >= 0xffffffff || count >= 0xffff {
		at := out.Size() - r.a.origin
		b := bytes.Clone(r.a.end64)
		if b == nil {
			b = make([]byte, end64Size)
			copy(b, end64Sign)
			le.PutUint16(b[12:], 3<<8|45)
			le.PutUint16(b[14:], 45)
		}
		le.PutUint64(b[4:], end64Size-12)
		le.PutUint64(b[24:], count)
		le.PutUint64(b[32:], count)
		le.PutUint64(b[40:], length)
		le.PutUint64(b[48:], offset)
		_, _ = out.Write(b)
		loc := make([]byte, locatorSize)
		copy(loc, locatorSign)
		le.PutUint64(loc[8:], uint64(at))
		le.PutUint32(loc[16:], 1)
		_, _ = out.Write(loc)
	}
	put := func(at int, v uint64, full uint64, size int) {
		was := uint64(le.Uint16(end[at:]))
		if size == 4 {
			was = uint64(le.Uint32(end[at:]))
		}
		if v >= full || (was == full && r.a.end64 != nil) {
			v = full
		}
		if size == 2 {
			le.PutUint16(end[at:], uint16(v))
		} else {
			le.PutUint32(end[at:], uint32(v))
		}
	}
	put(8, count, 0xffff, 2)
	put(10, count, 0xffff, 2)
	put(12, length, 0xffffffff, 4)
	put(16, offset, 0xffffffff, 4)
	_, _ = out.Write(end)
	out.Span(r.a.in, r.a.rest, r.a.in.Size()-r.a.rest)
}
