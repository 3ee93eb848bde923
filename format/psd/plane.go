package psd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"

	"varve/format"
)

// Compressions of a plane.
const (
	packNone      = 0
	packRLE       = 1
	packZip       = 2
	packPredicted = 3 // zip of differences along each row
)

// rows gives the rows of one plane, or of several that lie one after another: big-endian samples as they are when
// nothing compresses them.
type rows struct {
	in       io.ReaderAt
	packing  int
	depth    int
	rowBytes int
	counts   *bufio.Reader // of RLE: bytes of each row
	wide     bool          // counts take 4 bytes
	data     *bufio.Reader
	from     *io.SectionReader // under data
	packed   []byte
	planar   []byte // a row of 32-bit differences
}

// rowBytes is how many bytes a row takes.
func rowBytes(width, depth int) int { return (width*depth + 7) / 8 }

const maxPackedRow = 4 * maxSide * 2 // bytes; more than any row takes

// layerRows opens a channel of a layer.
func (d *document) layerRows(c *channel, width, height int) (*rows, error) {
	head, err := d.load(span{c.data.off, min(2, c.data.n)}, 2)
	if err != nil {
		return nil, err
	}
	if len(head) < 2 {
		return nil, format.Malformed("a channel of %d bytes", len(head))
	}
	at := span{c.data.off + 2, c.data.n - 2}
	r, err := d.open(int(binary.BigEndian.Uint16(head)), width, at)
	if err != nil {
		return nil, err
	}
	return r, r.table(at, int64(height))
}

// open opens the rows at a span. Of RLE, table must come next.
func (d *document) open(packing, width int, at span) (*rows, error) {
	r := &rows{in: d.in, packing: packing, depth: d.depth, rowBytes: rowBytes(width, d.depth), wide: d.big}
	section := io.NewSectionReader(d.in, at.off, at.n)
	size := int(min(256<<10, max(at.n, 16)))
	switch packing {
	case packNone, packRLE:
		r.from = section
		r.data = bufio.NewReaderSize(section, size)
	case packZip, packPredicted:
		z, err := zlib.NewReader(bufio.NewReaderSize(section, size))
		if err != nil {
			return nil, damaged(err, "a zip channel")
		}
		r.data = bufio.NewReaderSize(z, min(256<<10, 8*size))
	default:
		return nil, format.Unsupported("compression %d of a channel", packing)
	}
	return r, nil
}

// table says that RLE, which is at a span, begins with the counts of n rows.
func (r *rows) table(at span, n int64) error {
	if r.packing != packRLE {
		return nil
	}
	size := 2 * n
	if r.wide {
		size *= 2
	}
	if size > at.n {
		return format.Malformed("counts of %d rows in %d bytes", n, at.n)
	}
	r.counts = bufio.NewReaderSize(io.NewSectionReader(r.in, at.off, size), int(min(size+16, 64<<10)))
	if _, err := r.from.Seek(size, io.SeekStart); err != nil {
		return err
	}
	r.data.Reset(r.from)
	return nil
}

// count reads how many bytes the next row takes.
func (r *rows) count() (int, error) {
	var b [4]byte
	n := 0
	if r.wide {
		if _, err := io.ReadFull(r.counts, b[:4]); err != nil {
			return 0, damaged(err, "the counts of rows")
		}
		n = int(binary.BigEndian.Uint32(b[:4]))
	} else {
		if _, err := io.ReadFull(r.counts, b[:2]); err != nil {
			return 0, damaged(err, "the counts of rows")
		}
		n = int(binary.BigEndian.Uint16(b[:2]))
	}
	if n > maxPackedRow {
		return 0, format.Malformed("a row of %d bytes", n)
	}
	return n, nil
}

// next reads a row, of rowBytes.
func (r *rows) next(row []byte) error {
	switch r.packing {
	case packRLE:
		n, err := r.count()
		if err != nil {
			return err
		}
		if n > cap(r.packed) {
			r.packed = make([]byte, n+n/4)
		}
		packed := r.packed[:n]
		if _, err := io.ReadFull(r.data, packed); err != nil {
			return damaged(err, "a row")
		}
		return unpack(row, packed)
	case packPredicted:
		return r.predicted(row)
	}
	if _, err := io.ReadFull(r.data, row); err != nil {
		return damaged(err, "a row")
	}
	return nil
}

// skip goes on by n rows.
func (r *rows) skip(n int) error {
	for n > 0 {
		size := r.rowBytes
		if r.packing == packRLE {
			var err error
			if size, err = r.count(); err != nil {
				return err
			}
		} else if r.packing == packPredicted || r.packing == packZip || n < 16 {
			// differences start anew in each row
		} else {
			k := min(n, 1<<12)
			size *= k
			n -= k - 1
		}
		if err := r.discard(size); err != nil {
			return err
		}
		n--
	}
	return nil
}

// discard goes on by n bytes of data, without reading them where it can.
func (r *rows) discard(n int) error {
	if r.from != nil && n > r.data.Buffered() {
		n -= r.data.Buffered()
		if _, err := r.from.Seek(int64(n), io.SeekCurrent); err != nil {
			return err
		}
		r.data.Reset(r.from)
		return nil
	}
	if _, err := r.data.Discard(n); err != nil {
		return damaged(err, "a row")
	}
	return nil
}

// predicted reads a row of differences.
func (r *rows) predicted(row []byte) error {
	in := row
	if r.depth == 32 {
		if r.planar == nil {
			r.planar = make([]byte, r.rowBytes)
		}
		in = r.planar
	}
	if _, err := io.ReadFull(r.data, in); err != nil {
		return damaged(err, "a row")
	}
	switch r.depth {
	case 8:
		for i := 1; i < len(in); i++ {
			in[i] += in[i-1]
		}
	case 16:
		sum := uint16(0)
		for i := 0; i+1 < len(in); i += 2 {
			sum += binary.BigEndian.Uint16(in[i:])
			binary.BigEndian.PutUint16(in[i:], sum)
		}
	case 32: // all first bytes of the row, all second bytes, …
		for i := 1; i < len(in); i++ {
			in[i] += in[i-1]
		}
		n := len(in) / 4
		for i := range n {
			row[4*i], row[4*i+1], row[4*i+2], row[4*i+3] = in[i], in[n+i], in[2*n+i], in[3*n+i]
		}
	default:
		return format.Unsupported("differences of %d bits", r.depth)
	}
	return nil
}

// unpack decodes PackBits until row is full.
func unpack(row, packed []byte) error {
	at, i := 0, 0
	for at < len(row) {
		if i >= len(packed) {
			return format.Malformed("a row is %d bytes short", len(row)-at)
		}
		n := int(int8(packed[i]))
		i++
		switch {
		case n >= 0:
			n = min(n+1, len(row)-at)
			if i+n > len(packed) {
				return format.Malformed("a row is cut off")
			}
			copy(row[at:at+n], packed[i:i+n])
			at, i = at+n, i+n
		case n != -128:
			if i >= len(packed) {
				return format.Malformed("a row is cut off")
			}
			n = min(1-n, len(row)-at)
			fill(row[at:at+n], packed[i])
			at, i = at+n, i+1
		}
	}
	return nil
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

// pack encodes a row as PackBits.
func pack(out, row []byte) []byte {
	for i := 0; i < len(row); {
		n := 1
		for i+n < len(row) && n < 128 && row[i+n] == row[i] {
			n++
		}
		if n > 2 {
			out = append(out, byte(1-n), row[i])
			i += n
			continue
		}
		start := i
		for i < len(row) && i-start < 128 && (i+2 >= len(row) || row[i] != row[i+1] || row[i] != row[i+2]) {
			i++
		}
		out = append(append(out, byte(i-start-1)), row[start:i]...)
	}
	return out
}

// damaged makes what a decoder says of its input ErrMalformed; errors of reading stay what they are.
func damaged(err error, what string) error {
	var corrupt flate.CorruptInputError
	var internal flate.InternalError
	if err == io.EOF || err == io.ErrUnexpectedEOF || errors.As(err, &corrupt) || errors.As(err, &internal) ||
		errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zlib.ErrDictionary) {
		return format.Malformed("%s: %v", what, err)
	}
	return err
}
