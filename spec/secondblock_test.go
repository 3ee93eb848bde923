package spec_test

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"testing"
)

// Blocks and differences by vault.md and nothing else.

// planesBySpec decodes n bytes of planes and notes the modes of their runs.
func planesBySpec(t *testing.T, stored []byte, n int, modes map[byte]bool) []byte {
	w, run := int(stored[0]&15), 1<<(17-stored[0]>>4)
	tail, in := stored[1:1+n%w], stored[1+n%w:]
	out := make([]byte, n-n%w)
	for i := range w {
		for at := 0; at < n/w; at += run {
			size := min(run, n/w-at)
			mode := in[0]
			modes[mode] = true
			var got []byte
			switch in = in[1:]; mode {
			case 0:
				got, in = in[:size], in[size:]
			case 2:
				got, in = slices.Repeat(in[:1], size), in[1:]
			default:
				length := int(in[0]) | int(in[1])<<8 | int(in[2])<<16
				coded := in[3 : 3+length]
				in = in[3+length:]
				got = map[byte]func() []byte{
					1: func() []byte { return unzstd(t, literalsFrame(coded, size)) },
					3: func() []byte { return unzstd(t, coded) },
					4: func() []byte { return fseBySpec(coded) },
				}[mode]()
			}
			if len(got) != size {
				t.Fatalf("run of mode %d has %d bytes, want %d", mode, len(got), size)
			}
			for j, b := range got {
				out[(at+j)*w+i] = b
			}
		}
	}
	if len(in) != 0 {
		t.Errorf("%d bytes behind the planes", len(in))
	}
	return append(out, tail...)
}

// literalsFrame is a zstd frame with one block, that has literals and no sequences. It is for RFC 8878 to say what
// coded literals are.
func literalsFrame(coded []byte, size int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x80, 7 << 3} // four bytes of content size, a window of 128 KiB
	frame = binary.LittleEndian.AppendUint32(frame, uint32(size))
	head := uint32(len(coded)+6)<<3 | 2<<1 | 1 // of the last block, compressed
	frame = append(frame, byte(head), byte(head>>8), byte(head>>16))
	literals := 2 | 3<<2 | uint64(size)<<4 | uint64(len(coded))<<22 // with a table, four streams, sizes of 18 bits
	frame = append(frame, binary.LittleEndian.AppendUint64(nil, literals)[:5]...)
	return append(append(frame, coded...), 0)
}

// distributionBySpec reads a distribution from the head of in: RFC 8878, 4.1.1.
func distributionBySpec(in []byte) (log int, counts []int, used int) {
	at := 0
	read := func(n int) (v int) {
		for i := range n {
			if p := at + i; p/8 < len(in) {
				v |= int(in[p/8]>>(p%8)&1) << i
			}
		}
		at += n
		return v
	}
	log = read(4) + 5
	for left := 1 << log; left > 0; {
		n := bits.Len(uint(left + 1))
		v, low := read(n), 1<<(n-1)-1
		short := 1<<n - 1 - (left + 1)
		if v&low < short {
			at, v = at-1, v&low
		} else if v > low {
			v -= short
		}
		counts = append(counts, v-1)
		left -= max(v-1, 1-v)
		for again := v == 1; again; {
			zeros := read(2)
			counts = append(counts, make([]int, zeros)...)
			again = zeros == 3
		}
	}
	return log, counts, (at + 7) / 8
}

// fseBySpec decodes bytes by FSE.
func fseBySpec(in []byte) (out []byte) {
	log, counts, used := distributionBySpec(in)
	in = in[used:]
	size := 1 << log
	type row struct {
		symbol     byte
		base, bits int
	}
	table, top := make([]row, size), size-1
	next := make([]int, len(counts))
	for s, n := range counts {
		next[s] = max(n, -n)
		if n < 0 {
			table[top].symbol = byte(s)
			top--
		}
	}
	at := 0
	for s, n := range counts {
		for range n {
			table[at].symbol = byte(s)
			for at = (at + size/2 + size/8 + 3) % size; at > top; {
				at = (at + size/2 + size/8 + 3) % size
			}
		}
	}
	for i := range table {
		n := next[table[i].symbol]
		next[table[i].symbol]++
		table[i].bits = log - (bits.Len(uint(n)) - 1)
		table[i].base = n<<table[i].bits - size
	}
	left := 8*len(in) - bits.LeadingZeros8(in[len(in)-1]) - 1
	read := func(n int) (v int) {
		for range n {
			left--
			v = v<<1 | int(in[left/8]>>(left%8)&1)
		}
		return v
	}
	var states [2]int
	states[0] = read(log)
	states[1] = read(log)
	for turn := 0; ; turn ^= 1 {
		r := table[states[turn]]
		out = append(out, r.symbol)
		if left == 0 && r.bits > 0 {
			return append(out, table[states[turn^1]].symbol)
		}
		states[turn] = r.base + read(r.bits)
	}
}

// sumBySpec makes the object that a difference and its base are of.
func sumBySpec(diff, base []byte) []byte {
	w := int(diff[0] & 15)
	element := func(b []byte, i int) (v uint64) {
		for j := range w {
			v |= uint64(b[i*w+j]) << (8 * j)
		}
		return v
	}
	order := make([]int, len(base)/w)
	for i := range order {
		order[i] = i
	}
	if diff[0]&16 != 0 {
		key := func(i int) int { return int(element(base, i) >> (8*w - 9) % 256) }
		slices.SortStableFunc(order, func(a, b int) int { return key(a) - key(b) })
	}
	out := make([]byte, len(base))
	for place, i := range order {
		d := element(diff[4:], place)
		v := element(base, i) + (d>>1 ^ -(d & 1))
		for j := range w {
			out[i*w+j] = byte(v >> (8 * j))
		}
	}
	return out
}
