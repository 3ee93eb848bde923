// Package inflate reads zlib streams, which is most of the time that pictures take.
//
// It promises: what compress/zlib reads, it reads, with the same bytes; a stream that is cut off is
// io.ErrUnexpectedEOF, one that is damaged ErrDamaged, also where only its checksum says so. It holds less than half a
// megabyte.
package inflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"io"
)

// ErrDamaged says that a stream is none of zlib.
var ErrDamaged = errors.New("damaged zlib stream")

const (
	history = 32 << 10
	room    = 128 << 10 // bytes that are made before they are handed out
	longest = 258       // bytes of a match
	intake  = 64 << 10
	slack   = 16 // bytes that are looked at beyond those that are needed
)

// Reader reads what a zlib stream holds.
type Reader struct {
	in  io.Reader
	buf [intake + slack]byte // not yet read: buf[at:end]
	at  int
	end int
	eof bool

	bits  uint64 // the next bits of the stream, the first one lowest
	count uint   // how many of them count

	out  []byte // history, and behind it what was made
	low  int    // where the history begins, while it is short
	made int    // end of what is in out
	read int    // end of what was handed out

	state state
	last  bool // this is the last block
	left  int  // bytes of a stored block

	codes    table
	distance table
	sum      hash.Hash32
	err      error
}

type state uint8

const (
	header state = iota // of a block
	stored
	coded
	trailer
	done
)

// NewReader reads the header of a stream; one with a dictionary is ErrDamaged.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: in, out: make([]byte, history+room+longest+slack), low: history, made: history, read: history, sum: adler32.New()}
	head, err := r.take(16)
	if err != nil {
		return nil, err
	}
	cmf, flg := head&0xff, head>>8
	if cmf&0xf != 8 || cmf>>4 > 7 || (cmf<<8|flg)%31 != 0 || flg&0x20 != 0 {
		return nil, fmt.Errorf("%w: header %02x %02x", ErrDamaged, cmf, flg)
	}
	return r, nil
}

// Read is as of io.Reader; io.EOF comes after the checksum was right.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.read == r.made {
		if r.err != nil {
			return 0, r.err
		}
		if r.made >= history+room {
			copy(r.out, r.out[r.made-history:r.made])
			r.low = max(0, r.low-(r.made-history))
			r.made, r.read = history, history
		}
		from := r.made
		r.err = r.step()
		r.sum.Write(r.out[from:r.made])
	}
	n := copy(p, r.out[r.read:r.made])
	r.read += n
	return n, nil
}

// step makes more, or goes into the next state.
func (r *Reader) step() error {
	for r.made < history+room {
		var err error
		switch r.state {
		case header:
			err = r.block()
		case stored:
			err = r.copyStored()
		case coded:
			err = r.decode()
		case trailer:
			if r.made > r.read { // the sum of these is not made yet
				return nil
			}
			err = r.check()
		case done:
			return io.EOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fill reads until there are n bytes of input, or no more.
func (r *Reader) fill(n int) error {
	if r.end-r.at >= n || r.eof {
		return nil
	}
	copy(r.buf[:], r.buf[r.at:r.end])
	r.at, r.end = 0, r.end-r.at
	for empty := 0; r.end < n; {
		k, err := r.in.Read(r.buf[r.end:intake])
		r.end += k
		if err == io.EOF {
			r.eof = true
			clear(r.buf[r.end : r.end+slack])
			return nil
		}
		if err != nil {
			return err
		}
		if k > 0 {
			empty = 0
		} else if empty++; empty == 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// need makes at least n bits count, n at most 48.
func (r *Reader) need(n uint) error {
	for r.count < n {
		if r.at == r.end {
			if err := r.fill(1); err != nil {
				return err
			}
			if r.at == r.end {
				return io.ErrUnexpectedEOF
			}
		}
		r.bits |= uint64(r.buf[r.at]) << r.count
		r.at++
		r.count += 8
	}
	return nil
}

// take takes n bits.
func (r *Reader) take(n uint) (uint32, error) {
	if err := r.need(n); err != nil {
		return 0, err
	}
	v := uint32(r.bits & (1<<n - 1))
	r.bits >>= n
	r.count -= n
	return v, nil
}

func (r *Reader) block() error {
	if r.last {
		drop := r.count & 7
		r.bits >>= drop
		r.count -= drop
		r.state = trailer
		return nil
	}
	head, err := r.take(3)
	if err != nil {
		return err
	}
	r.last = head&1 != 0
	switch head >> 1 {
	case 0:
		drop := r.count & 7
		r.bits >>= drop
		r.count -= drop
		n, err := r.take(32)
		if err != nil {
			return err
		}
		if n>>16 != ^n&0xffff {
			return fmt.Errorf("%w: the length of a stored block", ErrDamaged)
		}
		r.left, r.state = int(n&0xffff), stored
		return nil
	case 1:
		err = r.fixed()
	case 2:
		err = r.dynamic()
	default:
		err = fmt.Errorf("%w: a block of no kind", ErrDamaged)
	}
	r.state = coded
	return err
}

// copyStored copies bytes of a stored block.
func (r *Reader) copyStored() error {
	for r.left > 0 && r.made < history+room {
		if r.count > 0 { // whole bytes
			r.out[r.made] = byte(r.bits)
			r.bits >>= 8
			r.count -= 8
			r.made++
			r.left--
			continue
		}
		if err := r.fill(1); err != nil {
			return err
		}
		n := copy(r.out[r.made:history+room], r.buf[r.at:min(r.end, r.at+r.left)])
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		r.at, r.made, r.left = r.at+n, r.made+n, r.left-n
	}
	if r.left == 0 {
		r.state = header
	}
	return nil
}

// check compares the checksum.
func (r *Reader) check() error {
	sum, err := r.take(32)
	if err != nil {
		return err
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], sum)
	if binary.BigEndian.Uint32(b[:]) != r.sum.Sum32() {
		return fmt.Errorf("%w: its checksum", ErrDamaged)
	}
	r.state = done
	return io.EOF
}
