package aseprite

import (
	"encoding/binary"
	"slices"

	"varve/format"
)

// edit is a file as a list of units for each frame, in which units may be changed, put in and taken out.
type edit struct {
	*sprite
	frames [][]*unit
	colors int // of the header, if not -1
}

// unit is a chunk with those that are of it, of this file or of another.
type unit struct {
	of    *sprite
	main  chunk
	more  []chunk
	data  []byte // what main became, if that is not nil
	layer *layer // that it is or, as a cel, belongs to: one of the file that is made
	extra [][]byte
}

// edit returns the file as it is.
func (s *sprite) edit() *edit {
	e := &edit{sprite: s, frames: make([][]*unit, len(s.frames)), colors: -1}
	owned := map[chunk]*attached{}
	layers := map[chunk]*layer{}
	for _, l := range s.layers {
		owned[l.chunk] = &l.attached
		layers[l.chunk] = l
		for _, c := range l.cels {
			owned[c.chunk] = &c.attached
			layers[c.chunk] = l
		}
	}
	for _, l := range s.slices {
		owned[l.chunk] = &l.attached
	}
	for _, t := range s.tilesets {
		owned[t.chunk] = &t.attached
	}
	for i, f := range s.frames {
		taken := map[chunk]bool{}
		for _, c := range f.chunks {
			if taken[c] {
				continue
			}
			u := &unit{of: s, main: c, layer: layers[c]}
			if a := owned[c]; a != nil {
				u.more = a.more
				for _, m := range a.more {
					taken[m] = true
				}
			}
			e.frames[i] = append(e.frames[i], u)
		}
	}
	return e
}

// unit returns the unit of a chunk.
func (e *edit) unit(frame int, c chunk) *unit {
	for _, u := range e.frames[frame] {
		if u.main == c && u.of == e.sprite {
			return u
		}
	}
	return nil
}

// cel returns a layer's cel in a frame, nil if there is none.
func (e *edit) cel(l *layer, frame int) *unit {
	for _, u := range e.frames[frame] {
		if u.main.kind == kindCel && u.layer == l {
			return u
		}
	}
	return nil
}

// bytes returns the main chunk of a unit, to be changed.
func (u *unit) bytes() ([]byte, error) {
	if u.data == nil {
		b, err := u.of.read(u.main)
		if err != nil {
			return nil, err
		}
		u.data = b
	}
	return u.data, nil
}

// order returns the layers as they will be, in their order.
func (e *edit) order() []*unit {
	var out []*unit
	for _, u := range e.frames[0] {
		if u.main.kind == kindLayer {
			out = append(out, u)
		}
	}
	return out
}

// put writes a unit. index is of its layer, if it is a cel.
func (u *unit) put(out *format.Output, index map[*layer]int) error {
	switch {
	case u.data != nil:
		if u.main.kind == kindCel {
			binary.LittleEndian.PutUint16(u.data[chunkSize:], uint16(index[u.layer]))
		}
		_, _ = out.Write(u.data)
	case u.main.kind == kindCel:
		b, err := format.ReadSpan(u.of.in, u.main.at+chunkSize, 2, 2)
		if err != nil {
			return err
		}
		if n := index[u.layer]; int(binary.LittleEndian.Uint16(b)) == n {
			out.Span(u.of.in, u.main.at, u.main.size)
		} else {
			out.Span(u.of.in, u.main.at, chunkSize)
			_, _ = out.Write(binary.LittleEndian.AppendUint16(nil, uint16(n)))
			out.Span(u.of.in, u.main.at+chunkSize+2, u.main.size-chunkSize-2)
		}
	default:
		out.Span(u.of.in, u.main.at, u.main.size)
	}
	for _, c := range u.more {
		out.Span(u.of.in, c.at, c.size)
	}
	for _, b := range u.extra {
		_, _ = out.Write(b)
	}
	return nil
}

// write lays the file out. A frame in which nothing changed keeps its bytes.
func (e *edit) write() (*format.Output, error) {
	index := map[*layer]int{}
	for i, u := range e.order() {
		index[u.layer] = i
	}
	body := new(format.Output)
	for i, f := range e.sprite.frames {
		chunks := new(format.Output)
		n := 0
		for _, u := range e.frames[i] {
			if err := u.put(chunks, index); err != nil {
				return nil, err
			}
			n += 1 + len(u.more) + len(u.extra)
		}
		end := f.at + frameSize
		if k := len(f.chunks); k > 0 {
			end = f.chunks[k-1].at + f.chunks[k-1].size
		}
		rest := f.at + f.size - end // what a frame has behind its chunks
		h, err := format.ReadSpan(e.in, f.at, frameSize, frameSize)
		if err != nil {
			return nil, err
		}
		h = slices.Clone(h)
		binary.LittleEndian.PutUint32(h, uint32(frameSize+chunks.Size()+rest))
		if n != len(f.chunks) {
			if binary.LittleEndian.Uint32(h[12:]) != 0 || n >= 0xffff {
				binary.LittleEndian.PutUint32(h[12:], uint32(n))
			}
			binary.LittleEndian.PutUint16(h[6:], uint16(min(n, 0xffff)))
		}
		_, _ = body.Write(h)
		body.Append(chunks)
		body.Span(e.in, end, rest)
	}
	last := e.sprite.frames[len(e.sprite.frames)-1]
	behind := last.at + last.size
	h, err := format.ReadSpan(e.in, 0, headerSize, headerSize)
	if err != nil {
		return nil, err
	}
	h = slices.Clone(h)
	size := e.size + headerSize + body.Size() - behind
	if size > 1<<32-1 {
		return nil, &format.Refusal{Reason: "the file would have more than 4 GB"}
	}
	binary.LittleEndian.PutUint32(h, uint32(size))
	if e.colors >= 0 {
		binary.LittleEndian.PutUint16(h[32:], uint16(e.colors))
	}
	out := new(format.Output)
	_, _ = out.Write(h)
	out.Append(body)
	out.Span(e.in, behind, e.in.Size()-behind)
	return out, nil
}
