package seal

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// A plane is coded in runs, each by the mode that is smallest.
const (
	planeRun  = 128 << 10
	runRaw    = 0
	runHuff   = 1
	runSingle = 2

	runHuffMin = 64 // shorter runs are stored
)

// appendPlanes appends raw as w byte planes.
func (e *Encoder) appendPlanes(dst, raw []byte, w int) []byte {
	n := len(raw) / w
	dst = append(dst, byte(w))
	dst = append(dst, raw[n*w:]...)
	e.planes = slices.Grow(e.planes[:0], n)[:n]
	for i := range w {
		plane := e.planes
		gather(plane, raw, w, i)
		for len(plane) > 0 {
			run := plane[:min(planeRun, len(plane))]
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

func (e *Encoder) appendRun(dst, run []byte) []byte {
	if len(run) >= runHuffMin {
		e.huff.Reuse = huff0.ReusePolicyNone
		out, _, err := huff0.Compress4X(run, &e.huff)
		switch {
		case errors.Is(err, huff0.ErrUseRLE):
			return append(dst, runSingle, run[0])
		case err == nil && len(out)+3 < len(run):
			dst = append(dst, runHuff, byte(len(out)), byte(len(out)>>8), byte(len(out)>>16))
			return append(dst, out...)
		}
	}
	dst = append(dst, runRaw)
	return append(dst, run...)
}

// joinPlanes appends the rawLen bytes of a planes block to dst; rawLen must be bounded.
func (d *Decoder) joinPlanes(dst, stored []byte, rawLen int) ([]byte, error) {
	if len(stored) == 0 || stored[0] != 2 && stored[0] != 4 {
		return dst, ErrDamaged
	}
	w := int(stored[0])
	n, rest := rawLen/w, rawLen%w
	if len(stored) < 1+rest {
		return dst, ErrDamaged
	}
	tail, stored := stored[1:1+rest], stored[1+rest:]
	d.planes = slices.Grow(d.planes[:0], n*w)[:n*w]
	for i := range w {
		for at := 0; at < n; at += planeRun {
			var err error
			if stored, err = d.readRun(d.planes[i*n+at:i*n+min(at+planeRun, n)], stored); err != nil {
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
	case mode == runHuff && len(in) >= 3:
		size := int(in[0]) | int(in[1])<<8 | int(in[2])<<16
		if size > len(in)-3 {
			return nil, ErrDamaged
		}
		s, streams, err := huff0.ReadTable(in[3:3+size], d.huff)
		if err != nil {
			return nil, ErrDamaged
		}
		d.huff = s
		// The capacity is the size that the streams must have.
		got, err := s.Decoder().Decompress4X(run[:0:len(run)], streams)
		if err != nil || len(got) != len(run) {
			return nil, ErrDamaged
		}
		return in[3+size:], nil
	}
	return nil, ErrDamaged
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
	for j := range a {
		binary.LittleEndian.PutUint32(raw[4*j:], uint32(a[j])|uint32(b[j])<<8|uint32(c[j])<<16|uint32(d[j])<<24)
	}
}

// spread puts a zero byte after each byte of x.
func spread(x uint32) uint64 {
	y := (uint64(x) | uint64(x)<<16) & 0x0000ffff0000ffff
	return (y | y<<8) & 0x00ff00ff00ff00ff
}
