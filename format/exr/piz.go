package exr

import (
	"encoding/binary"

	"varve/format"
)

// piz decompresses: Huffman codes of wavelet coefficients of samples, as words, that are numbered by those that occur.
func (d *decoder) piz(p *part, b []byte, x, y, w, h int) error {
	if len(b) < 4 {
		return format.Malformed("PIZ ends early")
	}
	low, top := int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:]))
	b = b[4:]
	var bitmap [8192]byte
	if low <= top {
		if top >= len(bitmap) || len(b) < top-low+1 {
			return format.Malformed("PIZ: words %d to %d", low, top)
		}
		copy(bitmap[low:], b[:top-low+1])
		b = b[top-low+1:]
	}
	lut := d.lut[:0]
	for i := range 1 << 16 {
		if i == 0 || bitmap[i>>3]&(1<<(i&7)) != 0 {
			lut = append(lut, uint16(i))
		}
	}
	d.lut = lut
	if len(b) < 4 {
		return format.Malformed("PIZ ends early")
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 0 || n > len(b)-4 {
		return format.Malformed("PIZ: %d bytes of %d", n, len(b)-4)
	}
	d.grow(len(d.raw) / 2)
	if err := d.code.unhuff(b[4:4+n], d.words); err != nil {
		return err
	}
	words := d.words
	for i := range p.channels {
		c := &p.channels[i]
		nx, ny, size := count(x, w, c.xs), count(y, h, c.ys), c.size()/2
		for k := range size {
			if nx > 0 && ny > 0 {
				unwave(words[k:], nx, size, ny, nx*size, len(lut)-1 < 1<<14)
			}
		}
		words = words[nx*ny*size:]
	}
	for i, v := range d.words {
		if int(v) < len(lut) {
			d.words[i] = lut[v]
		} else {
			d.words[i] = 0
		}
	}
	d.scatter(p, d.words, x, y, w, h)
	return nil
}

// unwave undoes the wavelet transform of a plane: nx samples, ox apart, in ny lines, oy apart.
func unwave(v []uint16, nx, ox, ny, oy int, small bool) {
	dec := unmix16
	if small {
		dec = unmix14
	}
	p := 1
	for p <= min(nx, ny) {
		p <<= 1
	}
	p >>= 1
	p2 := p
	for p >>= 1; p >= 1; p >>= 1 {
		ox1, oy1, ox2, oy2 := ox*p, oy*p, ox*p2, oy*p2
		py := 0
		for ; py <= oy*(ny-p2); py += oy2 {
			px := py
			for ; px <= py+ox*(nx-p2); px += ox2 {
				a, c := dec(v[px], v[px+oy1])
				b, e := dec(v[px+ox1], v[px+ox1+oy1])
				v[px], v[px+ox1] = dec(a, b)
				v[px+oy1], v[px+ox1+oy1] = dec(c, e)
			}
			if nx&p != 0 {
				v[px], v[px+oy1] = dec(v[px], v[px+oy1])
			}
		}
		if ny&p != 0 {
			for px := py; px <= py+ox*(nx-p2); px += ox2 {
				v[px], v[px+ox1] = dec(v[px], v[px+ox1])
			}
		}
		p2 = p
	}
}

func unmix14(l, h uint16) (uint16, uint16) {
	hi := int(int16(h))
	a := int(int16(l)) + hi&1 + hi>>1
	return uint16(a), uint16(a - hi)
}

func unmix16(l, h uint16) (uint16, uint16) {
	b := l - h>>1
	return h + b - 0x8000, b
}

const (
	codes    = 1<<16 + 1
	longest  = 58
	shortRun = 59 // lengths from here on are runs of codes that do not occur
	longRun  = 63
	quick    = 12 // bits that the table decides
)

// bits reads from the highest on.
type bits struct {
	b    []byte
	acc  uint64
	have int
	used int // taken
}

// fill makes at least 56 bits ready; behind the end they are 0.
func (r *bits) fill() {
	for r.have <= 56 {
		v := uint64(0)
		if len(r.b) > 0 {
			v = uint64(r.b[0])
			r.b = r.b[1:]
		}
		r.acc |= v << (56 - r.have)
		r.have += 8
	}
}

func (r *bits) take(n int) int {
	if r.have < n {
		r.fill()
	}
	v := int(r.acc >> (64 - n))
	r.acc <<= n
	r.have -= n
	r.used += n
	return v
}

// huffman is a canonical code: first is the lowest code of each length, symbols are in the order of length and symbol.
type huffman struct {
	first   [longest + 1]uint64
	count   [longest + 1]int
	start   [longest + 1]int
	symbols []uint32
	table   []uint32 // of the first bits: symbol << 8 | length
	lengths []uint8
}

// unhuff decodes words: those of the alphabet low to top, of which the last repeats the word before it.
func (h *huffman) unhuff(b []byte, out []uint16) error {
	if len(b) == 0 && len(out) == 0 {
		return nil
	}
	if len(b) < 20 {
		return format.Malformed("Huffman: %d bytes", len(b))
	}
	low, top := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	n := int64(binary.LittleEndian.Uint32(b[12:]))
	if low >= codes || top >= codes || low > top {
		return format.Malformed("Huffman: words %d to %d", low, top)
	}
	r := &bits{b: b[20:]}
	if err := h.read(r, low, top); err != nil {
		return err
	}
	data := b[20+(r.used+7)/8:]
	if n > 8*int64(len(data)) {
		return format.Malformed("Huffman: %d bits in %d bytes", n, len(data))
	}
	return h.decode(&bits{b: data}, n, top, out)
}

// read reads the lengths of all codes.
func (h *huffman) read(r *bits, low, top uint32) error {
	if h.table == nil {
		h.table, h.lengths, h.symbols = make([]uint32, 1<<quick), make([]uint8, codes), make([]uint32, codes)
	}
	clear(h.table)
	clear(h.lengths)
	clear(h.count[:])
	lengths, size := h.lengths[:top+1], 8*len(r.b)
	for i := low; i <= top; i++ {
		l := r.take(6)
		if l < shortRun {
			lengths[i] = uint8(l)
			continue
		}
		run := uint32(l - shortRun + 2)
		if l == longRun {
			run = uint32(r.take(8) + longRun - shortRun + 2)
		}
		if run > top-i+1 {
			return format.Malformed("Huffman: a run over the end of the code")
		}
		i += run - 1
	}
	if r.used > size {
		return format.Malformed("Huffman: the code ends early")
	}
	for _, l := range lengths {
		h.count[l]++
	}
	h.count[0] = 0
	c, total := uint64(0), 0
	for l := longest; l > 0; l-- {
		h.first[l] = c
		c = (c + uint64(h.count[l])) >> 1
	}
	for l := 1; l <= longest; l++ {
		h.start[l] = total
		total += h.count[l]
		if h.first[l]+uint64(h.count[l]) > 1<<l {
			return format.Malformed("Huffman: more codes than there can be")
		}
	}
	var used [longest + 1]int
	for i, l := range lengths {
		if l == 0 {
			continue
		}
		k := used[l]
		used[l]++
		h.symbols[h.start[l]+k] = uint32(i)
		if l <= quick {
			from := (h.first[l] + uint64(k)) << (quick - l)
			for j := range uint64(1) << (quick - l) {
				h.table[from+j] = uint32(i)<<8 | uint32(l)
			}
		}
	}
	return nil
}

// decode reads n bits.
func (h *huffman) decode(r *bits, n int64, repeat uint32, out []uint16) error {
	k := 0
	for n > 0 {
		r.fill()
		e := h.table[r.acc>>(64-quick)]
		symbol, l := e>>8, int(e&0xff)
		if l == 0 {
			for l = quick + 1; l <= longest; l++ {
				if c := r.acc>>(64-l) - h.first[l]; c < uint64(h.count[l]) {
					symbol = h.symbols[h.start[l]+int(c)]
					break
				}
			}
			if l > longest {
				return format.Malformed("Huffman: no such code")
			}
		}
		r.acc <<= l
		r.have -= l
		n -= int64(l)
		if symbol != repeat {
			if k == len(out) {
				return format.Malformed("Huffman: more words than samples")
			}
			out[k] = uint16(symbol)
			k++
			continue
		}
		times := r.take(8)
		n -= 8
		if k == 0 || times > len(out)-k {
			return format.Malformed("Huffman: a run over the end")
		}
		for range times {
			out[k] = out[k-1]
			k++
		}
	}
	if k != len(out) || n < 0 {
		return format.Malformed("Huffman: %d words of %d", k, len(out))
	}
	return nil
}
