package seal

import (
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/fse"
	"github.com/klauspost/compress/huff0"
)

// A plane is coded in runs, each by the mode that is smallest.
const (
	runRaw    = 0
	runHuff   = 1
	runSingle = 2
	runZstd   = 3
	runFSE    = 4

	runLogMin, runLogMax = 10, 17

	runHuffMin = 64       // shorter runs are stored
	runZstdMin = 32 << 10 // shorter runs hold too few repeats
	runProbe   = 2 << 10
)

// The lengths of runs. Values in the order of the file have one distribution from end to end; those in the
// order of a base have another every few thousand elements.
const (
	runLogPlanes   = 17
	runLogSubtract = 13
)

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
	a, b := planes[:n], planes[n:2*n]
	raw = raw[:n*w]
	if w == 2 {
		for len(raw) >= 16 && len(a) >= 8 && len(b) >= 8 {
			x, y := binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[8:])
			binary.LittleEndian.PutUint64(a, uint64(squeeze(x))|uint64(squeeze(y))<<32)
			binary.LittleEndian.PutUint64(b, uint64(squeeze(x>>8))|uint64(squeeze(y>>8))<<32)
			a, b, raw = a[8:], b[8:], raw[16:]
		}
		for j := range a {
			a[j], b[j] = raw[2*j], raw[2*j+1]
		}
		return
	}
	c, d := planes[2*n:3*n], planes[3*n:4*n]
	for len(raw) >= 16 && len(a) >= 4 && len(b) >= 4 && len(c) >= 4 && len(d) >= 4 {
		x, y := binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[8:])
		lo := squeeze16(x) | squeeze16(y)<<32
		hi := squeeze16(x>>16) | squeeze16(y>>16)<<32
		binary.LittleEndian.PutUint32(a, squeeze(lo))
		binary.LittleEndian.PutUint32(b, squeeze(lo>>8))
		binary.LittleEndian.PutUint32(c, squeeze(hi))
		binary.LittleEndian.PutUint32(d, squeeze(hi>>8))
		a, b, c, d, raw = a[4:], b[4:], c[4:], d[4:], raw[16:]
	}
	for j := range a {
		a[j], b[j], c[j], d[j] = raw[4*j], raw[4*j+1], raw[4*j+2], raw[4*j+3]
	}
}

// squeeze joins the even bytes of x.
func squeeze(x uint64) uint32 {
	x &= 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// squeeze16 joins the even pairs of bytes of x.
func squeeze16(x uint64) uint64 {
	x &= 0x0000ffff0000ffff
	return uint64(uint32(x | x>>16))
}

// appendRun appends run by the smallest of its modes. Which are tried follows from how often its commonest
// byte is there, and from a sample.
func (e *Encoder) appendRun(dst, run []byte) []byte {
	most, top := count(e.fse.Histogram(), run)
	mode, best := byte(runRaw), run
	switch {
	case len(run) < runHuffMin:
		return append(append(dst, runRaw), run...)
	case most == len(run):
		return append(dst, runSingle, run[0])
	case most*2 > len(run):
		// Huffman gives no value less than a bit: where one value dominates, that is too much.
		e.fse.HistogramFinished(top, most)
		if out, err := fse.Compress(run, &e.fse); err == nil && len(out)+3 < len(run) {
			mode, best = runFSE, out
		}
	case most > len(run)/128:
		e.huff.Reuse = huff0.ReusePolicyNone
		if out, _, err := huff0.Compress4X(run, &e.huff); err == nil && len(out)+3 < len(run) {
			mode, best = runHuff, out
		}
	}
	if len(run) >= runZstdMin && e.repeats(run, len(best)) {
		e.frame = e.fast.EncodeAll(run, e.frame[:0])
		if len(e.frame)+3 < len(best) {
			mode, best = runZstd, e.frame
		}
	}
	if dst = append(dst, mode); mode != runRaw {
		dst = append(dst, byte(len(best)), byte(len(best)>>8), byte(len(best)>>16))
	}
	return append(dst, best...)
}

// count sets hist to how often each byte is in run and returns the greatest of that, and the greatest byte.
// hist has 256 entries.
func count(hist []uint32, run []byte) (most int, top uint8) {
	var h [4][256]uint32 // several, so that equal neighbours do not wait for each other
	for len(run) >= 8 {
		x := binary.LittleEndian.Uint64(run)
		h[0][uint8(x)]++
		h[1][uint8(x>>8)]++
		h[2][uint8(x>>16)]++
		h[3][uint8(x>>24)]++
		h[0][uint8(x>>32)]++
		h[1][uint8(x>>40)]++
		h[2][uint8(x>>48)]++
		h[3][uint8(x>>56)]++
		run = run[8:]
	}
	for _, b := range run {
		h[0][b]++
	}
	for i := range hist[:256] {
		n := h[0][i] + h[1][i] + h[2][i] + h[3][i]
		if hist[i] = n; n > 0 {
			most, top = max(most, int(n)), uint8(i)
		}
	}
	return most, top
}

// repeats reports whether a piece of run makes it likely that zstd needs less than nine tenths of size bytes
// for all of it.
func (e *Encoder) repeats(run []byte, size int) bool {
	at := (len(run) - runProbe) / 2
	e.sample = e.fast.EncodeAll(run[at:at+runProbe], e.sample[:0])
	// A piece pays for a table of its own, which the whole does once.
	return 10*int64(len(e.sample)-48)*int64(len(run)) < 9*int64(size)*runProbe
}

// joinPlanes appends the rawLen bytes of a planes block to dst; rawLen must be bounded.
func (d *Decoder) joinPlanes(dst, stored []byte, rawLen int) ([]byte, error) {
	if len(stored) == 0 {
		return dst, ErrDamaged
	}
	w, size := int(stored[0]&15), 1<<runLogMax>>(stored[0]>>4)
	if w != 2 && w != 4 || size < 1<<runLogMin {
		return dst, ErrDamaged
	}
	n, rest := rawLen/w, rawLen%w
	if len(stored) < 1+rest {
		return dst, ErrDamaged
	}
	tail, stored := stored[1:1+rest], stored[1+rest:]
	// The least a run takes is two bytes: what cannot be there is not allocated for.
	if len(stored)/2 < w*(n/size) {
		return dst, ErrDamaged
	}
	d.planes = slices.Grow(d.planes[:0], n*w)[:n*w]
	for i := range w {
		for at := 0; at < n; at += size {
			var err error
			if stored, err = d.readRun(d.planes[i*n+at:i*n+min(at+size, n)], stored); err != nil {
				return dst, err
			}
		}
	}
	if len(stored) != 0 {
		return dst, ErrDamaged
	}
	start := len(dst)
	dst = slices.Grow(dst, rawLen)[:start+n*w]
	scatter(dst[start:], d.planes, w, n)
	return append(dst, tail...), nil
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
		for j := range run {
			run[j] = in[0]
		}
		return in[1:], nil
	case (mode == runHuff || mode == runZstd || mode == runFSE) && len(in) >= 3:
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
	case runZstd:
		got, err := unzstd(d.zstd, run[:0:len(run)], in, len(run))
		return err == nil && len(got) == len(run)
	case runFSE:
		d.fse.DecompressLimit = len(run) + 512 // it looks at the limit now and then only
		got, err := fse.Decompress(in, d.fse)
		return err == nil && copy(run, got) == len(run) && len(got) == len(run)
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
	a, b := planes[:n], planes[n:2*n]
	if w == 2 {
		for len(a) >= 8 && len(b) >= 8 && len(raw) >= 16 {
			x, y := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
			binary.LittleEndian.PutUint64(raw, spread(uint32(x))|spread(uint32(y))<<8)
			binary.LittleEndian.PutUint64(raw[8:], spread(uint32(x>>32))|spread(uint32(y>>32))<<8)
			a, b, raw = a[8:], b[8:], raw[16:]
		}
		for j := range a {
			binary.LittleEndian.PutUint16(raw[2*j:], uint16(a[j])|uint16(b[j])<<8)
		}
		return
	}
	c, d := planes[2*n:3*n], planes[3*n:4*n]
	for len(a) >= 4 && len(b) >= 4 && len(c) >= 4 && len(d) >= 4 && len(raw) >= 16 {
		lo := spread(binary.LittleEndian.Uint32(a)) | spread(binary.LittleEndian.Uint32(b))<<8
		hi := spread(binary.LittleEndian.Uint32(c)) | spread(binary.LittleEndian.Uint32(d))<<8
		binary.LittleEndian.PutUint64(raw, spread16(uint32(lo))|spread16(uint32(hi))<<16)
		binary.LittleEndian.PutUint64(raw[8:], spread16(uint32(lo>>32))|spread16(uint32(hi>>32))<<16)
		a, b, c, d, raw = a[4:], b[4:], c[4:], d[4:], raw[16:]
	}
	for j := range a {
		binary.LittleEndian.PutUint32(raw[4*j:], uint32(a[j])|uint32(b[j])<<8|uint32(c[j])<<16|uint32(d[j])<<24)
	}
}

// spread puts a zero byte after each byte of x.
func spread(x uint32) uint64 {
	y := (uint64(x) | uint64(x)<<16) & 0x0000ffff0000ffff
	return (y | y<<8) & 0x00ff00ff00ff00ff
}

// spread16 puts two zero bytes after each two bytes of x.
func spread16(x uint32) uint64 { return (uint64(x) | uint64(x)<<16) & 0x0000ffff0000ffff }
