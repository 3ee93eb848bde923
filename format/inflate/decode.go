package inflate

import (
	"encoding/binary"
	"fmt"
	"io"
)

// lengths and distances: what each symbol is at least, and how many bits are added.
func lengthOf(i int) uint32 {
	switch {
	case i < 256:
		return literal | uint32(i)<<16
	case i == 256:
		return ending
	case i == 285:
		return 258 << 16
	case i > 285:
		return nothing
	}
	i -= 257
	extra := max(0, i/4-1)
	if i < 8 {
		return uint32(i+3) << 16
	}
	return uint32((4+i%4)<<extra+3)<<16 | uint32(extra)<<8
}

func distanceOf(i int) uint32 {
	if i > 29 {
		return nothing
	}
	if i < 4 {
		return uint32(i+1) << 16
	}
	extra := i/2 - 1
	return uint32((2+i%2)<<extra+1)<<16 | uint32(extra)<<8
}

// fixed makes the tables of blocks without their own.
func (r *Reader) fixed() error {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	if err := r.codes.build(lengths[:], lengthOf); err != nil {
		return err
	}
	var far [32]uint8
	for i := range far {
		far[i] = 5
	}
	return r.distance.build(far[:], distanceOf)
}

// dynamic reads the tables of a block.
func (r *Reader) dynamic() error {
	head, err := r.take(14)
	if err != nil {
		return err
	}
	codes, distances, n := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if codes > 286 || distances > 30 {
		return fmt.Errorf("%w: %d codes and %d of distances", ErrDamaged, codes, distances)
	}
	var order [19]uint8
	for i := range n {
		v, err := r.take(3)
		if err != nil {
			return err
		}
		order[[19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[i]] = uint8(v)
	}
	if err := r.distance.build(order[:], func(i int) uint32 { return literal | uint32(i)<<16 }); err != nil {
		return err
	}
	var lengths [286 + 30]uint8
	for i := 0; i < codes+distances; {
		if err := r.need(7); err != nil && err != io.ErrUnexpectedEOF { // the last of a stream may be shorter
			return err
		}
		e := r.distance.find(r.bits)
		if e == 0 {
			return fmt.Errorf("%w: a code of lengths", ErrDamaged)
		}
		if _, err := r.take(uint(e & 31)); err != nil {
			return err
		}
		v, again, what := e>>16&31, 1, uint8(0)
		switch {
		case v < 16:
			what = uint8(v)
		case v == 16 && i == 0:
			return fmt.Errorf("%w: the first length is to be that before", ErrDamaged)
		default:
			k := [3]uint{2, 3, 7}[v-16]
			more, err := r.take(k)
			if err != nil {
				return err
			}
			again = [3]int{3, 3, 11}[v-16] + int(more)
			if v == 16 {
				what = lengths[i-1]
			}
		}
		if i+again > codes+distances {
			return fmt.Errorf("%w: more lengths than there are codes", ErrDamaged)
		}
		for range again {
			lengths[i] = what
			i++
		}
	}
	if err := r.codes.build(lengths[:codes], lengthOf); err != nil {
		return err
	}
	return r.distance.build(lengths[codes:codes+distances], distanceOf)
}

// decode makes bytes of a block until there is no room or it ends. Eight bytes are looked at at a time; behind the end
// of the stream are zeros, and that more was used than was there is found before the next look.
func (r *Reader) decode() (err error) {
	bits, count, at, made, out := r.bits, r.count, r.at, r.made, r.out
	ended := false
	for made < history+room && !ended {
		if r.end-at < slack {
			if r.at = at; !r.eof {
				if err = r.fill(slack); err != nil {
					break
				}
				at = r.at
			}
			if over := at - r.end; over > 0 && uint(over)*8 > count {
				err = io.ErrUnexpectedEOF
				break
			}
		}
		bits |= binary.LittleEndian.Uint64(r.buf[at:]) << (count & 63)
		at += int(63-count) >> 3
		count |= 56
		e := r.codes.first[bits&(1<<width-1)]
		if e&literal != 0 { // three of them take no more than 33 bits
			bits >>= e & 31
			count -= uint(e & 31)
			out[made] = byte(e >> 16)
			made++
			e = r.codes.first[bits&(1<<width-1)]
			if e&literal != 0 {
				bits >>= e & 31
				count -= uint(e & 31)
				out[made] = byte(e >> 16)
				made++
				e = r.codes.first[bits&(1<<width-1)]
				if e&literal != 0 {
					bits >>= e & 31
					count -= uint(e & 31)
					out[made] = byte(e >> 16)
					made++
				}
			}
			continue
		}
		if e&nothing == second {
			e = r.codes.find(bits)
		}
		bits >>= e & 31
		count -= uint(e & 31)
		if e&literal != 0 {
			out[made] = byte(e >> 16)
			made++
			continue
		}
		if e&nothing != 0 || e == 0 {
			if ended = e&nothing == ending; !ended {
				err = fmt.Errorf("%w: no code", ErrDamaged)
				break
			}
			continue
		}
		extra := e >> 8 & 15 // of a length and its distance 48 bits at most are looked at
		length := int(e>>16) + int(bits&(1<<extra-1))
		bits >>= extra
		count -= uint(extra)
		if e = r.distance.find(bits); e&nothing != 0 || e == 0 {
			err = fmt.Errorf("%w: no distance", ErrDamaged)
			break
		}
		bits >>= e & 31
		extra = e >> 8 & 15
		far := int(e>>16) + int(bits&(1<<extra-1))
		bits >>= extra
		count -= uint(e&31) + uint(extra)
		if far > made-r.low {
			err = fmt.Errorf("%w: a distance beyond its begin", ErrDamaged)
			break
		}
		repeat(out, made, far, length)
		made += length
	}
	r.made = made
	if over := at - r.end; over > 0 {
		if uint(over)*8 > count {
			err = io.ErrUnexpectedEOF // what was read of zeros may be anything
			count = 0
		} else {
			count -= uint(over) * 8
		}
		at = r.end
	}
	r.at, r.count, r.bits = at, count, bits&(1<<count-1)
	if ended && err == nil {
		r.state = header
	}
	return err
}

// repeat copies length bytes from far before made, eight at a time where they do not overlap; a few behind may be
// written too.
func repeat(out []byte, made, far, length int) {
	from := out[made-far:]
	to := out[made : made+length+8]
	if far >= 8 {
		for i := 0; i < length; i += 8 {
			binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(from[i:]))
		}
		return
	}
	for i := range length {
		to[i] = from[i]
	}
}
