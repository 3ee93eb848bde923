package gltf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"

	"varve/format"
)

// splice is what is to be changed in a text.
type splice struct {
	cuts []cut
}

type cut struct {
	off, end uint32
	to       []byte
}

func (s *splice) replace(off, end uint32, to []byte) { s.cuts = append(s.cuts, cut{off, end, to}) }

// sorted returns the cuts in order; of several at one place, those that only put something in stay in theirs.
func (s *splice) sorted() []cut {
	slices.SortStableFunc(s.cuts, func(a, b cut) int { return cmp.Compare(a.off, b.off) })
	return s.cuts
}

// apply returns a part of a text with the cuts in it made.
func (s *splice) apply(b []byte, off, end uint32) []byte {
	var out []byte
	for _, c := range s.sorted() {
		out = append(out, b[off:c.off]...)
		out = append(out, c.to...)
		off = c.end
	}
	return append(out, b[off:end]...)
}

// write returns the file with cuts made in its JSON, and bytes behind those of its BIN chunk, which then has them all;
// where nothing changes, the file as it is.
func (d *document) write(s *splice, more []byte) *format.Output {
	out := new(format.Output)
	if len(s.cuts) == 0 && len(more) == 0 {
		out.Span(d.in, 0, d.in.Size())
		return out
	}
	var body format.Output
	at := uint32(0)
	for _, c := range s.sorted() {
		body.Span(d.in, d.off+int64(at), int64(c.off-at))
		_, _ = body.Write(c.to)
		at = c.end
	}
	if !d.binary {
		out.Span(d.in, 0, d.off)
		out.Append(&body)
		out.Span(d.in, d.off+int64(at), d.in.Size()-d.off-int64(at))
		return out
	}
	end := uint32(len(bytes.TrimRight(d.b, " \t\r\n"))) // the padding is laid anew
	body.Span(d.in, d.off+int64(at), int64(end-at))
	var all format.Output
	put(&all, chunkJSON, &body, ' ')
	written := false
	for _, c := range d.chunks[1:] {
		var b format.Output
		b.Span(d.in, c.off, c.n)
		if c == d.bin && len(more) > 0 {
			_, _ = b.Write(more)
			written = true
		}
		put(&all, c.kind, &b, 0)
	}
	if len(more) > 0 && !written {
		var b format.Output
		_, _ = b.Write(more)
		put(&all, chunkBIN, &b, 0)
	}
	head := binary.LittleEndian.AppendUint32(nil, magic)
	head = binary.LittleEndian.AppendUint32(head, 2)
	head = binary.LittleEndian.AppendUint32(head, uint32(header+all.Size()))
	_, _ = out.Write(head)
	out.Append(&all)
	return out
}

// put writes a chunk, filled up to four bytes.
func put(out *format.Output, kind uint32, b *format.Output, fill byte) {
	pad := -b.Size() & 3
	head := binary.LittleEndian.AppendUint32(nil, uint32(b.Size()+pad))
	_, _ = out.Write(binary.LittleEndian.AppendUint32(head, kind))
	out.Append(b)
	_, _ = out.Write(bytes.Repeat([]byte{fill}, int(pad)))
}

// additions are values that are put behind those that containers have.
type additions struct {
	d     *document
	order []int
	to    map[int][][]byte // by token of the container; members with their names
}

func (a *additions) add(container int, value []byte) {
	if a.to == nil {
		a.to = map[int][][]byte{}
	}
	if len(a.to[container]) == 0 {
		a.order = append(a.order, container)
	}
	a.to[container] = append(a.to[container], value)
}

// member is the text of a member.
func member(name string, value []byte) []byte {
	return append([]byte(strconv.Quote(name)+":"), value...)
}

// into makes cuts of them. Each stands on a line of its own where the last value of the container does.
func (a *additions) into(s *splice) {
	for _, c := range a.order {
		t := &a.d.tape[c]
		last := -1
		if t.kind == '{' {
			for k := range a.d.members(c) {
				last = k
			}
		} else {
			for k := range a.d.items(c) {
				last = k
			}
		}
		at := t.end - 1
		var between []byte
		if last >= 0 {
			lead := a.d.b[:a.d.tape[last].off]
			between = lead[len(bytes.TrimRight(lead, " \t\r\n")):]
			value := last
			if t.kind == '{' {
				value = last + 1
			}
			at = a.d.tape[value].end
		}
		if bytes.IndexByte(between, '\n') < 0 {
			between = nil
		}
		var b []byte
		for i, v := range a.to[c] {
			if i > 0 || last >= 0 {
				b = append(b, ',')
			}
			b = append(append(b, between...), v...)
		}
		s.replace(at, at, b)
	}
}
