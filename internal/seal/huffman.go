package seal

import (
	"encoding/binary"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// huffman codes runs as huff0 does, from counts that the caller has: counting bytes that are mostly equal
// one after the other takes longer than coding them.
type huffman struct {
	table huff0.Scratch
	code  [256]uint32 // of each byte: bits of its code, and from codeShift on the code
}

const (
	codeShift = 16
	// codesAtOnce codes, and what a byte has been begun with, are in 64 bits.
	codesAtOnce = 5
)

// appendRun appends table, jump table and four streams of run, whose bytes are counted in hist. It is false,
// and dst as it was, where that is not shorter than limit bytes.
func (h *huffman) appendRun(dst, run []byte, hist *[256]uint32, limit int) ([]byte, bool) {
	start := len(dst)
	size := h.build(hist)
	if size < 0 || size >= limit {
		return dst, false
	}
	out, err := h.table.AppendTable(dst)
	if err != nil || len(out)-start+6+size >= limit {
		return dst, false
	}
	jump := len(out)
	out = append(out, make([]byte, 6)...)
	quarter := (len(run) + 3) / 4
	for i := range 4 {
		at := len(out)
		out = h.appendStream(out, run[min(i*quarter, len(run)):min((i+1)*quarter, len(run))])
		if n := len(out) - at; n > 1<<16-1 {
			return dst, false
		} else if i < 3 {
			binary.LittleEndian.PutUint16(out[jump+2*i:], uint16(n))
		}
	}
	if len(out)-start >= limit {
		return dst, false
	}
	return out, true
}

// build makes the code of what is counted in hist and returns how many bytes it takes for that, at the least;
// -1 if there is none.
func (h *huffman) build(hist *[256]uint32) int {
	h.table.TableLog = runTableLog
	if err := h.table.BuildCTable(hist); err != nil {
		return -1
	}
	// The lengths are had by asking for the sizes of what has one of seven bytes 8·16⁰, 8·16¹ … times: each
	// digit of the answer is the length of one's code.
	const digits = 7
	var lengths [256]uint8
	var some [digits]int
	var ask [256]uint32
	n, bits := 0, 0
	for b := 0; b <= 256; b++ {
		if b < 256 && hist[b] > 0 {
			some[n], ask[b] = b, 8<<(4*n)
			n++
		}
		if n == digits || b == 256 && n > 0 {
			size := h.table.EstimateSize(&ask)
			for i, b := range some[:n] {
				lengths[b], ask[b] = uint8(size>>(4*i)&15), 0
				if lengths[b] == 0 || lengths[b] > runTableLog {
					return -1
				}
				bits += int(lengths[b]) * int(hist[b])
			}
			n = 0
		}
	}
	// Codes ascend from the longest to the shortest, and among equally long ones with their bytes.
	var of, first [runTableLog + 2]uint32
	for _, n := range lengths {
		of[n]++
	}
	for n := runTableLog; n > 0; n-- {
		first[n] = (first[n+1] + of[n+1]) >> 1
		if n == runTableLog {
			first[n] = 0
		}
	}
	for b, n := range lengths {
		h.code[b] = first[n]<<codeShift | uint32(n)
		first[n]++
	}
	return bits / 8
}

// appendStream appends the codes of src from its last byte to its first, and a bit that ends them.
func (h *huffman) appendStream(dst, src []byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, len(src)*runTableLog/8+16)
	buf := dst[:cap(dst)]
	c, n := uint64(0), uint64(0) // bits not written, and in its lowest 6 bits how many
	for ; len(src) >= codesAtOnce; src = src[:len(src)-codesAtOnce] {
		in := (*[codesAtOnce]byte)(src[len(src)-codesAtOnce:])
		v, w := uint64(h.code[in[4]]), uint64(h.code[in[3]])
		x, y, z := uint64(h.code[in[2]]), uint64(h.code[in[1]]), uint64(h.code[in[0]])
		pair := v>>codeShift | w>>codeShift<<(v&63)
		pair2 := x>>codeShift | y>>codeShift<<(x&63)
		v += w
		x += y
		c |= pair << (n & 63)
		n += v
		c |= pair2 << (n & 63)
		n += x
		c |= z >> codeShift << (n & 63)
		n += z
		binary.LittleEndian.PutUint64(buf[at:], c)
		at += int(n >> 3 & 7)
		c >>= n & 56
		n &= 7
	}
	for i := len(src) - 1; i >= 0; i-- {
		v := uint64(h.code[src[i]])
		c |= v >> codeShift << (n & 63)
		n = (n + v) & 63
	}
	c |= 1 << n
	n++
	binary.LittleEndian.PutUint64(buf[at:], c)
	return buf[:at+int(n+7)/8]
}

// countBytes counts the bytes of run: in several tables, so that equal neighbours do not wait for each other.
func countBytes(hist *[256]uint32, run []byte) {
	var h [8][256]uint32
	for ; len(run) >= 8; run = run[8:] {
		x := binary.LittleEndian.Uint64(run)
		h[0][byte(x)]++
		h[1][byte(x>>8)]++
		h[2][byte(x>>16)]++
		h[3][byte(x>>24)]++
		h[4][byte(x>>32)]++
		h[5][byte(x>>40)]++
		h[6][byte(x>>48)]++
		h[7][byte(x>>56)]++
	}
	for _, b := range run {
		h[0][b]++
	}
	for i := range hist {
		hist[i] = h[0][i] + h[1][i] + h[2][i] + h[3][i] + h[4][i] + h[5][i] + h[6][i] + h[7][i]
	}
}
