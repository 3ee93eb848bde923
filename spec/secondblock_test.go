package spec_test

import (
	"bytes"
	"encoding/binary"
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
					4: func() []byte { return sparseBySpec(coded, size) },
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

// sparseBySpec decodes a sparse run of size bytes.
func sparseBySpec(in []byte, size int) (out []byte) {
	value := in[:1]
	for pairs := in[1:]; len(pairs) > 0; pairs = pairs[2:] {
		out = append(append(out, bytes.Repeat(value, int(pairs[0]))...), pairs[1])
	}
	return append(out, bytes.Repeat(value, max(size-len(out), 0))...)
}

// sumBySpec makes the object that a difference and its base are of.
func sumBySpec(diff, base []byte) []byte {
	w := int(diff[0])
	element := func(b []byte, i int) (v uint64) {
		for j := range w {
			v |= uint64(b[i*w+j]) << (8 * j)
		}
		return v
	}
	out := make([]byte, len(base))
	for i := range len(base) / w {
		d := element(diff[4:], i)
		v := element(base, i) + (d>>1 ^ -(d & 1))
		for j := range w {
			out[i*w+j] = byte(v >> (8 * j))
		}
	}
	return out
}
