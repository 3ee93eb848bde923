package xcf

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"

	"github.com/klauspost/compress/zlib"

	"varve/format"
)

// precision says what a component is.
type precision struct {
	bytes  int
	float  bool
	linear bool
}

// precisionOf returns what a code means in a version.
func precisionOf(version int, code uint32) (precision, error) {
	if version == 4 && code <= 4 {
		return []precision{{1, false, false}, {2, false, false}, {4, false, true}, {2, true, true}, {4, true, true}}[code], nil
	}
	kind, curve := code/100, code%100
	if version == 5 || version == 6 {
		if kind >= 4 {
			kind++
		}
	}
	p := precision{linear: curve == 0}
	switch kind {
	case 1:
		p.bytes = 1
	case 2:
		p.bytes = 2
	case 3:
		p.bytes = 4
	case 5:
		p.bytes, p.float = 2, true
	case 6:
		p.bytes, p.float = 4, true
	case 7:
		p.bytes, p.float = 8, true
	}
	if p.bytes == 0 || curve != 0 && curve != 50 && curve != 75 {
		return p, format.Unsupported("precision %d of version %d", code, version)
	}
	return p, nil
}

// rect returns the size of tile i.
func (l *level) rect(i int) (w, h int) {
	n := l.across()
	return min(tileSide, l.width-i%n*tileSide), min(tileSide, l.height-i/n*tileSide)
}

// tile decodes tile i: pixels row by row, components big-endian, into the start of out, which has room for a whole tile.
// It returns how many bytes the tile takes in the file.
func (d *document) tile(l *level, i int, out []byte) (int64, error) {
	w, h := l.rect(i)
	out = out[:w*h*l.bpp]
	if len(l.tiles) == 0 {
		clear(out)
		return 0, nil
	}
	at := l.tiles[i]
	most := int64(len(out))
	if d.compression != 0 {
		most = most*3/2 + 64*int64(l.bpp)
	}
	end, found := slices.BinarySearch(d.bounds, at)
	if found {
		end++
	}
	room := d.in.Size() - at
	if end < len(d.bounds) {
		room = d.bounds[end] - at
	}
	b, err := format.ReadSpan(d.in, at, min(most, room), most)
	if err != nil {
		return 0, err
	}
	n := 0
	switch d.compression {
	case 0:
		if n = copy(out, b); n < len(out) {
			err = format.Malformed("tile at %d has %d bytes of %d", at, n, len(out))
		}
	case 1:
		n, err = unpack(b, out, l.bpp, at)
	case 2:
		n, err = inflate(b, out, at)
	}
	if err == nil && d.version < 12 && d.base != 2 {
		swap(out, d.precision.bytes)
	}
	return int64(n), err
}

// unpack decodes RLE, byte of a pixel by byte.
func unpack(b, out []byte, bpp int, at int64) (int, error) {
	p := 0
	short := format.Malformed("tile at %d ends early", at)
	for k := range bpp {
		for o := k; o < len(out); {
			if p+1 >= len(b) {
				return p, short
			}
			op := int(b[p])
			p++
			n, run := op+1, true
			switch {
			case op == 127 || op == 128:
				if p+3 > len(b) {
					return p, short
				}
				n, run = int(b[p])<<8|int(b[p+1]), op == 127
				p += 2
			case op > 128:
				n, run = 256-op, false
			}
			if n > (len(out)-o+bpp-1)/bpp {
				return p, format.Malformed("tile at %d has more bytes than pixels", at)
			}
			if !run && p+n > len(b) {
				return p, short
			}
			if run {
				v := b[p]
				p++
				for range n {
					out[o] = v
					o += bpp
				}
			} else {
				for _, v := range b[p : p+n] {
					out[o] = v
					o += bpp
				}
				p += n
			}
		}
	}
	return p, nil
}

func inflate(b, out []byte, at int64) (int, error) {
	r := bytes.NewReader(b)
	z, err := zlib.NewReader(r)
	if err != nil {
		return 0, format.Malformed("tile at %d: %v", at, err)
	}
	if _, err := io.ReadFull(z, out); err != nil {
		return 0, format.Malformed("tile at %d: %v", at, err)
	}
	var more [1]byte
	if n, err := z.Read(more[:]); n > 0 || err != io.EOF {
		return 0, format.Malformed("tile at %d has more bytes than pixels, or a wrong checksum", at)
	}
	return len(b) - r.Len(), nil
}

// swap turns components of n bytes around: up to version 11 they are little-endian, as the machines were that wrote them.
func swap(b []byte, n int) {
	switch n {
	case 2:
		for i := 0; i+2 <= len(b); i += 2 {
			binary.BigEndian.PutUint16(b[i:], binary.LittleEndian.Uint16(b[i:]))
		}
	case 4:
		for i := 0; i+4 <= len(b); i += 4 {
			binary.BigEndian.PutUint32(b[i:], binary.LittleEndian.Uint32(b[i:]))
		}
	case 8:
		for i := 0; i+8 <= len(b); i += 8 {
			binary.BigEndian.PutUint64(b[i:], binary.LittleEndian.Uint64(b[i:]))
		}
	}
}
