package dds

import (
	"strconv"
	"strings"
)

// bc6hMode is how the bits of a block of BC6H are shared out, after those of its mode.
type bc6hMode struct {
	regions int
	deltas  bool // ends but the first are differences to it
	bits    int  // of the first end
	delta   [3]int
	layout  string
}

// bc6hModes: where each bit goes, from the lowest: r, g, b and the end (w and x of the first region, y and z of the
// second), with the bit's number or those from one to another; d: the partition.
func bc6hModes(mode int) (bc6hMode, bool) {
	const ten = "rw0-9 gw0-9 bw0-9 "
	switch mode {
	case 0x00:
		return bc6hMode{2, true, 10, [3]int{5, 5, 5}, "gy4 by4 bz4 " + ten + "rx0-4 gz4 gy0-3 gx0-4 bz0 gz0-3 bx0-4 bz1 by0-3 ry0-4 bz2 rz0-4 bz3 d0-4"}, true
	case 0x01:
		return bc6hMode{2, true, 7, [3]int{6, 6, 6}, "gy5 gz4 gz5 rw0-6 bz0 bz1 by4 gw0-6 by5 bz2 gy4 bw0-6 bz3 bz5 bz4 rx0-5 gy0-3 gx0-5 gz0-3 bx0-5 by0-3 ry0-5 rz0-5 d0-4"}, true
	case 0x02:
		return bc6hMode{2, true, 11, [3]int{5, 4, 4}, ten + "rx0-4 rw10 gy0-3 gx0-3 gw10 bz0 gz0-3 bx0-3 bw10 bz1 by0-3 ry0-4 bz2 rz0-4 bz3 d0-4"}, true
	case 0x06:
		return bc6hMode{2, true, 11, [3]int{4, 5, 4}, ten + "rx0-3 rw10 gz4 gy0-3 gx0-4 gw10 gz0-3 bx0-3 bw10 bz1 by0-3 ry0-3 bz0 bz2 rz0-3 gy4 bz3 d0-4"}, true
	case 0x0a:
		return bc6hMode{2, true, 11, [3]int{4, 4, 5}, ten + "rx0-3 rw10 by4 gy0-3 gx0-3 gw10 bz0 gz0-3 bx0-4 bw10 by0-3 ry0-3 bz1 bz2 rz0-3 bz4 bz3 d0-4"}, true
	case 0x0e:
		return bc6hMode{2, true, 9, [3]int{5, 5, 5}, "rw0-8 by4 gw0-8 gy4 bw0-8 bz4 rx0-4 gz4 gy0-3 gx0-4 bz0 gz0-3 bx0-4 bz1 by0-3 ry0-4 bz2 rz0-4 bz3 d0-4"}, true
	case 0x12:
		return bc6hMode{2, true, 8, [3]int{6, 5, 5}, "rw0-7 gz4 by4 gw0-7 bz2 gy4 bw0-7 bz3 bz4 rx0-5 gy0-3 gx0-4 bz0 gz0-3 bx0-4 bz1 by0-3 ry0-5 rz0-5 d0-4"}, true
	case 0x16:
		return bc6hMode{2, true, 8, [3]int{5, 6, 5}, "rw0-7 bz0 by4 gw0-7 gy5 gy4 bw0-7 gz5 bz4 rx0-4 gz4 gy0-3 gx0-5 gz0-3 bx0-4 bz1 by0-3 ry0-4 bz2 rz0-4 bz3 d0-4"}, true
	case 0x1a:
		return bc6hMode{2, true, 8, [3]int{5, 5, 6}, "rw0-7 bz1 by4 gw0-7 by5 gy4 bw0-7 bz5 bz4 rx0-4 gz4 gy0-3 gx0-4 bz0 gz0-3 bx0-5 by0-3 ry0-4 bz2 rz0-4 bz3 d0-4"}, true
	case 0x1e:
		return bc6hMode{2, false, 6, [3]int{6, 6, 6}, "rw0-5 gz4 bz0 bz1 by4 gw0-5 gy5 by5 bz2 gy4 bw0-5 gz5 bz3 bz5 bz4 rx0-5 gy0-3 gx0-5 gz0-3 bx0-5 by0-3 ry0-5 rz0-5 d0-4"}, true
	case 0x03:
		return bc6hMode{1, false, 10, [3]int{10, 10, 10}, ten + "rx0-9 gx0-9 bx0-9"}, true
	case 0x07:
		return bc6hMode{1, true, 11, [3]int{9, 9, 9}, ten + "rx0-8 rw10 gx0-8 gw10 bx0-8 bw10"}, true
	case 0x0b:
		return bc6hMode{1, true, 12, [3]int{8, 8, 8}, ten + "rx0-7 rw11-10 gx0-7 gw11-10 bx0-7 bw11-10"}, true
	case 0x0f:
		return bc6hMode{1, true, 16, [3]int{4, 4, 4}, ten + "rx0-3 rw15-10 gx0-3 gw15-10 bx0-3 bw15-10"}, true
	}
	return bc6hMode{}, false
}

// bc6h decodes blocks.
type bc6h struct {
	*partitions
	signed bool
	modes  [32]bc6hMode
	bits   [32][]bc6hBit
}

// bc6hBit is where a bit goes: an end (4: the partition), a channel, and which bit.
type bc6hBit struct{ end, channel, bit uint8 }

// newBC6H reads the layouts.
func newBC6H(signed bool) *bc6h {
	d := &bc6h{partitions: newPartitions(), signed: signed}
	for mode := range d.modes {
		m, ok := bc6hModes(mode)
		if !ok {
			continue
		}
		d.modes[mode] = m
		for _, word := range strings.Fields(m.layout) {
			b := bc6hBit{end: 4}
			digits := word[1:]
			if word[0] != 'd' {
				b.channel, b.end, digits = uint8(strings.IndexByte("rgb", word[0])), uint8(strings.IndexByte("wxyz", word[1])), word[2:]
			}
			from, to, is := strings.Cut(digits, "-")
			if !is {
				to = from
			}
			i, _ := strconv.Atoi(from)
			last, _ := strconv.Atoi(to)
			for {
				b.bit = uint8(i)
				d.bits[mode] = append(d.bits[mode], b)
				if i == last {
					break
				}
				if i < last {
					i++
				} else {
					i--
				}
			}
		}
	}
	return d
}

// decode decodes a block; one of a mode that is reserved is black.
func (d *bc6h) decode(b []byte, px *[16][3]float32) {
	r := newBitReader(b)
	mode := r.take(2)
	if mode > 1 {
		mode |= r.take(3) << 2
	}
	m := &d.modes[mode]
	if m.regions == 0 {
		*px = [16][3]float32{}
		return
	}
	var ends [5][3]int
	for _, w := range d.bits[mode] {
		ends[w.end][w.channel] |= r.take(1) << w.bit
	}
	part := ends[4][0]
	d.unquantize(m, &ends)
	size := 4
	if m.regions == 2 {
		size = 3
	}
	for i := range px {
		n := size
		if anchor(m.regions, part, i) {
			n--
		}
		w := weight(r.take(n), size)
		s := 2 * d.subset(m.regions, part, i)
		for c := range 3 {
			px[i][c] = d.finish((ends[s][c]*(64-w) + ends[s+1][c]*w + 32) >> 6)
		}
	}
}

// unquantize makes the ends numbers of 16 bits.
func (d *bc6h) unquantize(m *bc6hMode, ends *[5][3]int) {
	for c := range 3 {
		if d.signed {
			ends[0][c] = extend(ends[0][c], m.bits)
		}
		for e := 1; e < 2*m.regions; e++ {
			if m.deltas || d.signed {
				ends[e][c] = extend(ends[e][c], m.delta[c])
			}
			if m.deltas {
				ends[e][c] = (ends[0][c] + ends[e][c]) & (1<<m.bits - 1)
				if d.signed {
					ends[e][c] = extend(ends[e][c], m.bits)
				}
			}
		}
		for e := range 2 * m.regions {
			ends[e][c] = d.wide(ends[e][c], m.bits)
		}
	}
}

func extend(v, bits int) int {
	if v&(1<<(bits-1)) != 0 {
		return v - 1<<bits
	}
	return v
}

// wide makes a number of 16 bits of one of fewer.
func (d *bc6h) wide(v, bits int) int {
	if !d.signed {
		switch {
		case bits >= 15 || v == 0:
			return v
		case v == 1<<bits-1:
			return 0xffff
		}
		return (v<<15 + 0x4000) >> (bits - 1)
	}
	switch a := max(v, -v); {
	case bits >= 16 || v == 0:
		return v
	case a >= 1<<(bits-1)-1:
		a = 0x7fff
		if v < 0 {
			return -a
		}
		return a
	case v < 0:
		return -((a<<15 + 0x4000) >> (bits - 1))
	default:
		return (a<<15 + 0x4000) >> (bits - 1)
	}
}

// finish makes a float: its 16 bits are 31/64, or of signed ones 31/32, of the number.
func (d *bc6h) finish(v int) float32 {
	if !d.signed {
		return half(uint16(v * 31 >> 6))
	}
	if n := -v * 31 >> 5; v < 0 && n > 0 { // 0 has no sign
		return half(0x8000 | uint16(n))
	}
	return half(uint16(max(v, 0) * 31 >> 5))
}
