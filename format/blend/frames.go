package blend

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/klauspost/compress/zstd"

	"varve/format"
)

const (
	maxFrame    = 64 << 20  // unpacked bytes of one; Blender writes 1 MiB
	maxFrames   = 1 << 20   // of a file
	keptFrames  = 256 << 20 // bytes of unpacked frames that are kept
	seekFooter  = 9
	seekMagic   = 0x8f92eab1
	skipMagic   = 0x184d2a5e
	seekSummed  = 0x80 // the table's entries have a checksum
	frameLength = 1 << 20
)

// frames is a body in zstd frames, of which each is unpacked when it is read.
type frames struct {
	in    format.Input
	list  []frame
	size  int64
	table int64 // where the seek table begins

	mu   sync.Mutex
	dec  *zstd.Decoder
	kept map[int][]byte
	held int
}

// frame is where one lies, packed and unpacked.
type frame struct {
	off, n int64
	at     int64
	size   int64
}

// openFrames reads the seek table; nil where there is none.
func openFrames(in format.Input) (*frames, error) {
	size := in.Size()
	if size < seekFooter+8 {
		return nil, nil
	}
	foot, err := format.ReadSpan(in, size-seekFooter, seekFooter, seekFooter)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(foot[5:]) != seekMagic {
		return nil, nil
	}
	count, width := int64(binary.LittleEndian.Uint32(foot)), int64(8)
	if foot[4]&seekSummed != 0 {
		width = 12
	}
	length := count*width + seekFooter
	if count > maxFrames || length+8 > size {
		return nil, format.Malformed("seek table of %d frames in %d bytes", count, size)
	}
	table, err := format.ReadSpan(in, size-length-8, length+8, maxFrames*12+64)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(table) != skipMagic || int64(binary.LittleEndian.Uint32(table[4:])) != length {
		return nil, format.Malformed("seek table of %d frames has no head", count)
	}
	z := &frames{in: in, table: size - length - 8, kept: map[int][]byte{}, list: make([]frame, 0, count)}
	var off int64
	for e := table[8 : 8+count*width]; len(e) > 0; e = e[width:] {
		f := frame{off: off, n: int64(binary.LittleEndian.Uint32(e)), at: z.size, size: int64(binary.LittleEndian.Uint32(e[4:]))}
		if f.size > maxFrame {
			return nil, fmt.Errorf("a frame of %d bytes: %w", f.size, format.ErrLimit)
		}
		off, z.size = off+f.n, z.size+f.size
		z.list = append(z.list, f)
	}
	if off != z.table {
		return nil, format.Malformed("the frames of the seek table end at %d, and it begins at %d", off, z.table)
	}
	z.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
	return z, err
}

// Size is that of the body.
func (z *frames) Size() int64 { return z.size }

// ReadAt reads the body.
func (z *frames) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d", off)
	}
	for i := z.find(off); n < len(b); i++ {
		if i == len(z.list) {
			return n, io.EOF
		}
		p, err := z.unpack(i, true)
		if err != nil {
			return n, err
		}
		n += copy(b[n:], p[off+int64(n)-z.list[i].at:])
	}
	return n, nil
}

// find returns the frame that has the byte at off.
func (z *frames) find(off int64) int {
	return sort.Search(len(z.list), func(i int) bool { return z.list[i].at+z.list[i].size > off })
}

// unpack returns frame i.
func (z *frames) unpack(i int, keep bool) ([]byte, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if p, ok := z.kept[i]; ok {
		return p, nil
	}
	f := z.list[i]
	packed, err := format.ReadSpan(z.in, f.off, f.n, z.in.Size())
	if err != nil {
		return nil, err
	}
	var h zstd.Header
	if err := h.Decode(packed); err != nil || h.HasFCS && h.FrameContentSize != uint64(f.size) {
		return nil, format.Malformed("frame %d at %d does not have the %d bytes that the seek table says", i, f.off, f.size)
	}
	p, err := z.dec.DecodeAll(packed, make([]byte, 0, f.size))
	if err != nil {
		return nil, streamError(err)
	}
	if int64(len(p)) != f.size {
		return nil, format.Malformed("frame %d at %d has %d bytes, its seek table says %d", i, f.off, len(p), f.size)
	}
	if !keep {
		return p, nil
	}
	if z.held+len(p) > keptFrames { // all at once: a file is read from front to back, and then again
		clear(z.kept)
		z.held = 0
	}
	z.kept[i] = p
	z.held += len(p)
	return p, nil
}

// check unpacks all frames.
func (z *frames) check(ctx context.Context) error {
	for i := range z.list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := z.unpack(i, false); err != nil {
			return err
		}
	}
	return nil
}

// seekTable returns the seek table of frames.
func seekTable(list []frame) []byte {
	length := len(list)*8 + seekFooter
	b := binary.LittleEndian.AppendUint32(nil, skipMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(length))
	for _, f := range list {
		b = binary.LittleEndian.AppendUint32(b, uint32(f.n))
		b = binary.LittleEndian.AppendUint32(b, uint32(f.size))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
	b = append(b, 0)
	return binary.LittleEndian.AppendUint32(b, seekMagic)
}
