package seal

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// A plane is coded in runs, each by the mode that is smallest.
const (
	runRaw    = 0
	runHuff   = 1
	runSingle = 2
	runZstd   = 3
	runSparse = 4

	runLogMin, runLogMax = 10, 17

	runHuffMin = 64       // shorter runs are stored
	runZstdMin = 32 << 10 // shorter runs hold too few repeats
	runProbe   = 2 << 10
	placesLog  = 11

	// Shorter codes are read faster, yet rare values then take too much of them.
	runTableLog = 11
)

// runLog is how long runs are written: longer ones share a table, and values have one distribution from end to end.
const runLog = runLogMax

// appendPlanes appends raw as w byte planes in runs of 1<<log bytes.
func (e *Encoder) appendPlanes(dst, raw []byte, w int, log uint8) []byte {
	n := len(raw) / w
	dst = append(dst, byte(w)|(runLogMax-log)<<4)
	dst = append(dst, raw[n*w:]...)
	e.planes = slices.Grow(e.planes[:0], n*w)[:n*w]
	gather(e.planes, raw, w, n)
	for i := range w {
		plane := e.planes[i*n : (i+1)*n]
		for len(plane) > 0 {
			run := plane[:min(1<<log, len(plane))]
			plane = plane[len(run):]
			dst = e.appendRun(dst, run)
		}
	}
	return dst
}

// gather fills planes, w of n bytes each, with raw's: plane i has the bytes i, i+w, i+2w …; w is 2 or 4.
func gather(planes, raw []byte, w, n int) {
	le := binary.LittleEndian
	a, b := planes[:n], planes[n:2*n]
	i := 0
	if w == 2 {
		for ; i+8 <= n; i += 8 {
			in := (*[16]byte)(raw[2*i:])
			x, y := exchange32(le.Uint64(in[:]), le.Uint64(in[8:]))
			x, y = exchange16(x, y)
			x, y = exchange8(x, y)
			le.PutUint64(a[i:], x)
			le.PutUint64(b[i:], y)
		}
		for ; i < n; i++ {
			a[i], b[i] = raw[2*i], raw[2*i+1]
		}
		return
	}
	c, d := planes[2*n:3*n], planes[3*n:4*n]
	for ; i+8 <= n; i += 8 {
		in := (*[32]byte)(raw[4*i:])
		x, u := exchange32(le.Uint64(in[:]), le.Uint64(in[16:]))
		y, v := exchange32(le.Uint64(in[8:]), le.Uint64(in[24:]))
		x, u = exchange8(x, u)
		y, v = exchange8(y, v)
		x, y = exchange16(x, y)
		u, v = exchange16(u, v)
		le.PutUint64(a[i:], x)
		le.PutUint64(b[i:], u)
		le.PutUint64(c[i:], y)
		le.PutUint64(d[i:], v)
	}
	for ; i < n; i++ {
		a[i], b[i], c[i], d[i] = raw[4*i], raw[4*i+1], raw[4*i+2], raw[4*i+3]
	}
}

// The place of a byte in words is a number, of which the lowest three bits say where it is in its word and the
// others in which word. An exchange is of one bit of either kind; after three of them, what belongs to one plane is in one word, in order. The same exchanges lead back.
const (
	mask8  = 0x00ff00ff00ff00ff
	mask16 = 0x0000ffff0000ffff
	mask32 = 0x00000000ffffffff
)

func exchange8(x, y uint64) (uint64, uint64) {
	t := (x>>8 ^ y) & mask8
	return x ^ t<<8, y ^ t
}

func exchange16(x, y uint64) (uint64, uint64) {
	t := (x>>16 ^ y) & mask16
	return x ^ t<<16, y ^ t
}

func exchange32(x, y uint64) (uint64, uint64) {
	t := (x>>32 ^ y) & mask32
	return x ^ t<<32, y ^ t
}

// appendRun appends run by the smallest of its modes. Which are tried follows from a sample.
func (e *Encoder) appendRun(dst, run []byte) []byte {
	if len(run) < runHuffMin {
		return append(append(dst, runRaw), run...)
	}
	if bytes.Equal(run[1:], run[:len(run)-1]) {
		return append(dst, runSingle, run[0])
	}
	start := len(dst)
	value, most, of := sampled(run)
	if most*8 > of*7 { // Huffman gives no value less than a bit: where one value dominates, that is too much
		if out, ok := appendSparse(append(dst, runSparse, 0, 0, 0), run, value, len(run)/8); ok {
			return sized(out, start)
		}
	}
	coded, size := false, len(run)
	if most*100 > of {
		countBytes(&e.hist, run)
		if dst, coded = e.huff.appendRun(append(dst[:start], runHuff, 0, 0, 0), run, &e.hist, len(run)-3); coded {
			size = len(sized(dst, start)) - start - 4
		}
	}
	if len(run) >= runZstdMin && e.repeats(run, size) {
		e.frame = e.by[Fast].EncodeAll(run, e.frame[:0])
		if len(e.frame)+3 < size {
			return sized(append(append(dst[:start], runZstd, 0, 0, 0), e.frame...), start)
		}
	}
	if coded {
		return dst
	}
	return append(append(dst[:start], runRaw), run...)
}

// sized notes in the run that dst has from start on how long what follows its head is.
func sized(dst []byte, start int) []byte {
	n := len(dst) - start - 4
	dst[start+1], dst[start+2], dst[start+3] = byte(n), byte(n>>8), byte(n>>16)
	return dst
}

// sampled returns the commonest byte of a sample of run, how often it is there, and the sample's length.
func sampled(run []byte) (value byte, most, of int) {
	const pieces, piece = 16, 256
	if len(run) > 2*pieces*piece {
		var sample [pieces * piece]byte
		for i := range pieces {
			copy(sample[i*piece:], run[(len(run)-piece)/(pieces-1)*i:][:piece])
		}
		run = sample[:]
	}
	of = len(run)
	var h [2][256]uint32 // several, so that equal neighbours do not wait for each other
	for ; len(run) >= 2; run = run[2:] {
		h[0][run[0]]++
		h[1][run[1]]++
	}
	for i, n := range &h[0] {
		if n := int(n + h[1][i]); n > most {
			value, most = byte(i), n
		}
	}
	return value, most, of
}

// appendSparse appends value and, for each other byte of run, how many of value are before it, and the byte.
// It gives up at limit bytes.
func appendSparse(dst, run []byte, value byte, limit int) ([]byte, bool) {
	start, last := len(dst), 0 // last: the byte after the last pair's
	dst = append(dst, value)
	words := uint64(value) * 0x0101010101010101
	for at := 0; at < len(run); at += 8 {
		for ; at+32 <= len(run); at += 32 { // mostly nothing is there
			in := (*[32]byte)(run[at:])
			x, y := binary.LittleEndian.Uint64(in[:])^words, binary.LittleEndian.Uint64(in[8:])^words
			u, v := binary.LittleEndian.Uint64(in[16:])^words, binary.LittleEndian.Uint64(in[24:])^words
			if x|y|u|v != 0 {
				break
			}
		}
		var x uint64
		if at+8 <= len(run) {
			x = binary.LittleEndian.Uint64(run[at:]) ^ words
		} else {
			for i, b := range run[at:] {
				x |= uint64(b^value) << (8 * i)
			}
		}
		for ; x != 0; x &^= 0xff << (bits.TrailingZeros64(x) &^ 7) {
			other := at + bits.TrailingZeros64(x)/8
			for ; other-last > 255; last += 256 {
				dst = append(dst, 255, value)
			}
			dst = append(dst, byte(other-last), run[other])
			last = other + 1
		}
		if len(dst)-start >= limit {
			return dst, false
		}
	}
	return dst, true
}

// readSparse is the inverse of appendSparse for a run whose length is known.
func readSparse(run, in []byte) bool {
	if len(in)%2 == 0 {
		return false
	}
	fill(run, in[0])
	at := 0
	for in = in[1:]; len(in) >= 2; in = in[2:] {
		if at += int(in[0]); at >= len(run) {
			return false
		}
		run[at] = in[1]
		at++
	}
	return true
}

// fill sets all of run to value.
func fill(run []byte, value byte) {
	if value == 0 {
		clear(run)
		return
	}
	if len(run) > 0 {
		run[0] = value
	}
	for n := 1; n < len(run); n *= 2 {
		copy(run[n:], run[:n])
	}
}

// repeats reports whether a piece of run makes it likely that zstd needs less than nine tenths of size bytes
// for all of it.
func (e *Encoder) repeats(run []byte, size int) bool {
	at := (len(run) - runProbe) / 2
	if !e.again(run[at : at+runProbe]) {
		return false
	}
	e.sample = e.by[Fast].EncodeAll(run[at:at+runProbe], e.sample[:0])
	// A piece pays for a table of its own, which the whole does once.
	return 10*int64(len(e.sample)-48)*int64(len(run)) < 9*int64(size)*runProbe
}

// again reports whether more than one in 64 places of piece begin four bytes that are there before, so that
// zstd could find something: with fewer, all that it finds is less than a tenth. Piece has less than 64 KiB.
func (e *Encoder) again(piece []byte) bool {
	clear(e.places[:])
	few := len(piece) / 64
	for i := 0; i+4 <= len(piece); i++ {
		x := binary.LittleEndian.Uint32(piece[i:])
		at := &e.places[x*0x9e3779b1>>(32-placesLog)]
		if *at > 0 && binary.LittleEndian.Uint32(piece[*at-1:]) == x {
			if few--; few < 0 {
				return true
			}
		}
		*at = uint16(i + 1)
	}
	return false
}

// joinPlanes appends the rawLen bytes of a planes block to dst; rawLen must be bounded.
func (d *Decoder) joinPlanes(dst, stored []byte, rawLen int) ([]byte, error) {
	w, tail, err := d.readPlanes(stored, rawLen)
	if err != nil {
		return dst, err
	}
	start, n := len(dst), rawLen/w
	dst = slices.Grow(dst, rawLen)[:start+n*w]
	scatter(dst[start:], d.planes, w, n)
	return append(dst, tail...), nil
}

// holds reports whether a planes block decodes to raw. It compares without making another copy of it.
func (d *Decoder) holds(stored, raw []byte) bool {
	if len(raw) > MaxBlock {
		return false
	}
	w, tail, err := d.readPlanes(stored, len(raw))
	if err != nil {
		return false
	}
	n := len(raw) / w
	return scattered(raw[:n*w], d.planes, w, n) && bytes.Equal(tail, raw[n*w:])
}

// readPlanes fills d.planes with those of a block of rawLen bytes and returns their number and what comes after them.
func (d *Decoder) readPlanes(stored []byte, rawLen int) (w int, tail []byte, err error) {
	if len(stored) == 0 {
		return 0, nil, ErrDamaged
	}
	w, size := int(stored[0]&15), 1<<runLogMax>>(stored[0]>>4)
	if w != 2 && w != 4 || size < 1<<runLogMin {
		return 0, nil, ErrDamaged
	}
	n, rest := rawLen/w, rawLen%w
	if len(stored) < 1+rest {
		return 0, nil, ErrDamaged
	}
	tail, stored = stored[1:1+rest], stored[1+rest:]
	// The least a run takes is two bytes: what cannot be there is not allocated for.
	if len(stored)/2 < w*(n/size) {
		return 0, nil, ErrDamaged
	}
	d.planes = slices.Grow(d.planes[:0], n*w)[:n*w]
	for i := range w {
		for at := 0; at < n; at += size {
			if stored, err = d.readRun(d.planes[i*n+at:i*n+min(at+size, n)], stored); err != nil {
				return 0, nil, err
			}
		}
	}
	if len(stored) != 0 {
		return 0, nil, ErrDamaged
	}
	return w, tail, nil
}

// readRun fills run from the head of in and returns what is left.
func (d *Decoder) readRun(run, in []byte) ([]byte, error) {
	if len(in) == 0 {
		return nil, ErrDamaged
	}
	mode, in := in[0], in[1:]
	switch {
	case mode == runRaw && len(in) >= len(run):
		copy(run, in)
		return in[len(run):], nil
	case mode == runSingle && len(in) >= 1:
		fill(run, in[0])
		return in[1:], nil
	case (mode == runHuff || mode == runZstd || mode == runSparse) && len(in) >= 3:
		size := int(in[0]) | int(in[1])<<8 | int(in[2])<<16
		if size > len(in)-3 || !d.fillRun(run, mode, in[3:3+size]) {
			return nil, ErrDamaged
		}
		return in[3+size:], nil
	}
	return nil, ErrDamaged
}

// fillRun fills run with what in holds by a mode that compresses; false if that is not of run's length.
func (d *Decoder) fillRun(run []byte, mode byte, in []byte) bool {
	switch mode {
	case runSparse:
		return readSparse(run, in)
	case runZstd:
		got, err := unzstd(d.zstd, run[:0:len(run)], in, len(run))
		return err == nil && len(got) == len(run)
	}
	s, streams, err := huff0.ReadTable(in, d.huff)
	if err != nil {
		return false
	}
	d.huff = s
	// The capacity is the size that the streams must have.
	got, err := s.Decoder().Decompress4X(run[:0:len(run)], streams)
	return err == nil && len(got) == len(run)
}

// scatter is the inverse of gather for all w planes of n bytes.
func scatter(raw, planes []byte, w, n int) {
	le := binary.LittleEndian
	a, b := planes[:n], planes[n:2*n]
	i := 0
	if w == 2 {
		for ; i+8 <= n; i += 8 {
			out := (*[16]byte)(raw[2*i:])
			x, y := exchange8(le.Uint64(a[i:]), le.Uint64(b[i:]))
			x, y = exchange16(x, y)
			x, y = exchange32(x, y)
			le.PutUint64(out[:], x)
			le.PutUint64(out[8:], y)
		}
		for ; i < n; i++ {
			raw[2*i], raw[2*i+1] = a[i], b[i]
		}
		return
	}
	c, d := planes[2*n:3*n], planes[3*n:4*n]
	for ; i+8 <= n; i += 8 {
		out := (*[32]byte)(raw[4*i:])
		x, y := exchange16(le.Uint64(a[i:]), le.Uint64(c[i:]))
		u, v := exchange16(le.Uint64(b[i:]), le.Uint64(d[i:]))
		x, u = exchange8(x, u)
		y, v = exchange8(y, v)
		x, u = exchange32(x, u)
		y, v = exchange32(y, v)
		le.PutUint64(out[:], x)
		le.PutUint64(out[8:], y)
		le.PutUint64(out[16:], u)
		le.PutUint64(out[24:], v)
	}
	for ; i < n; i++ {
		raw[4*i], raw[4*i+1], raw[4*i+2], raw[4*i+3] = a[i], b[i], c[i], d[i]
	}
}

// scattered reports whether scatter of planes, w of n bytes, is raw.
func scattered(raw, planes []byte, w, n int) bool {
	le := binary.LittleEndian
	a, b := planes[:n], planes[n:2*n]
	wrong := uint64(0)
	i := 0
	if w == 2 {
		for ; i+8 <= n; i += 8 {
			in := (*[16]byte)(raw[2*i:])
			x, y := exchange8(le.Uint64(a[i:]), le.Uint64(b[i:]))
			x, y = exchange16(x, y)
			x, y = exchange32(x, y)
			wrong |= (x ^ le.Uint64(in[:])) | (y ^ le.Uint64(in[8:]))
		}
		for ; i < n; i++ {
			wrong |= uint64((a[i] ^ raw[2*i]) | (b[i] ^ raw[2*i+1]))
		}
		return wrong == 0
	}
	c, d := planes[2*n:3*n], planes[3*n:4*n]
	for ; i+8 <= n; i += 8 {
		in := (*[32]byte)(raw[4*i:])
		x, y := exchange16(le.Uint64(a[i:]), le.Uint64(c[i:]))
		u, v := exchange16(le.Uint64(b[i:]), le.Uint64(d[i:]))
		x, u = exchange8(x, u)
		y, v = exchange8(y, v)
		x, u = exchange32(x, u)
		y, v = exchange32(y, v)
		wrong |= (x ^ le.Uint64(in[:])) | (y ^ le.Uint64(in[8:])) | (u ^ le.Uint64(in[16:])) | (v ^ le.Uint64(in[24:]))
	}
	for ; i < n; i++ {
		wrong |= uint64((a[i] ^ raw[4*i]) | (b[i] ^ raw[4*i+1]) | (c[i] ^ raw[4*i+2]) | (d[i] ^ raw[4*i+3]))
	}
	return wrong == 0
}
