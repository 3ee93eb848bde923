package seal

import (
	"encoding/binary"
	"errors"
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
	runProbe   = 4 << 10
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
	e.planes = slices.Grow(e.planes[:0], n)[:n]
	for i := range w {
		plane := e.planes
		gather(plane, raw, w, i)
		for len(plane) > 0 {
			run := plane[:min(1<<log, len(plane))]
			plane = plane[len(run):]
			dst = e.appendRun(dst, run)
		}
	}
	return dst
}

// gather fills plane with the bytes i, i+w, i+2w … of raw; w is 2 or 4.
func gather(plane, raw []byte, w, i int) {
	shift := 8 * i
	raw = raw[:len(plane)*w]
	if w == 2 {
		for len(plane) >= 4 {
			x := binary.LittleEndian.Uint64(raw) >> shift & 0x00ff00ff00ff00ff
			x |= x >> 8
			binary.LittleEndian.PutUint16(plane, uint16(x))
			binary.LittleEndian.PutUint16(plane[2:], uint16(x>>32))
			plane, raw = plane[4:], raw[8:]
		}
	} else {
		for len(plane) >= 4 {
			x := binary.LittleEndian.Uint64(raw) >> shift & 0x000000ff000000ff
			y := binary.LittleEndian.Uint64(raw[8:]) >> shift & 0x000000ff000000ff
			binary.LittleEndian.PutUint16(plane, uint16(x|x>>24))
			binary.LittleEndian.PutUint16(plane[2:], uint16(y|y>>24))
			plane, raw = plane[4:], raw[16:]
		}
	}
	for j := range plane {
		plane[j] = raw[j*w+i]
	}
}

// appendRun appends run by the smallest of its modes. Which are tried follows from how the ones before did.
func (e *Encoder) appendRun(dst, run []byte) []byte {
	mode, best := byte(runRaw), run
	if len(run) >= runHuffMin {
		e.huff.Reuse = huff0.ReusePolicyNone
		out, _, err := huff0.Compress4X(run, &e.huff)
		if errors.Is(err, huff0.ErrUseRLE) {
			return append(dst, runSingle, run[0])
		}
		if err == nil && len(out)+3 < len(run) {
			mode, best = runHuff, out
		}
		// Huffman gives no value less than a bit: where one value dominates, that is too much.
		if len(best)*10 < len(run)*3 {
			if out, err := fse.Compress(run, &e.fse); err == nil && len(out) < len(best) {
				mode, best = runFSE, out
			}
		}
		if len(run) >= runZstdMin && e.repeats(run, len(best)) {
			e.frame = e.fast.EncodeAll(run, e.frame[:0])
			if len(e.frame) < len(best)-3 {
				mode, best = runZstd, e.frame
			}
		}
	}
	if dst = append(dst, mode); mode != runRaw {
		dst = append(dst, byte(len(best)), byte(len(best)>>8), byte(len(best)>>16))
	}
	return append(dst, best...)
}

// repeats reports whether two pieces of run make it likely that zstd needs fewer than size bytes for all of it.
func (e *Encoder) repeats(run []byte, size int) bool {
	total := 0
	for _, at := range [2]int{len(run) / 4, len(run) - len(run)/4 - runProbe} {
		e.sample = e.fast.EncodeAll(run[at:at+runProbe], e.sample[:0])
		total += len(e.sample)
	}
	// A piece pays for a table of its own, which the whole does once.
	return int64(total-96)*int64(len(run)) < int64(size)*2*runProbe
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
		for len(a) >= 4 && len(b) >= 4 {
			x := spread(binary.LittleEndian.Uint32(a)) | spread(binary.LittleEndian.Uint32(b))<<8
			binary.LittleEndian.PutUint64(raw, x)
			a, b, raw = a[4:], b[4:], raw[8:]
		}
		for j := range a {
			binary.LittleEndian.PutUint16(raw[2*j:], uint16(a[j])|uint16(b[j])<<8)
		}
		return
	}
	c, d := planes[2*n:3*n], planes[3*n:4*n]
	for len(a) >= 4 && len(b) >= 4 && len(c) >= 4 && len(d) >= 4 {
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
