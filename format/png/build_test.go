package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
)

// build writes a PNG by hand: a header, chunks in their order, and the end.
func build(header []byte, chunks ...[]byte) []byte {
	b := append([]byte(signature), part("IHDR", header)...)
	for _, c := range chunks {
		b = append(b, c...)
	}
	return append(b, part("IEND", nil)...)
}

func header(width, height, depth, colour, interlace int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(width))
	b = binary.BigEndian.AppendUint32(b, uint32(height))
	return append(b, byte(depth), byte(colour), 0, 0, byte(interlace))
}

func part(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// rows are random samples of a picture with random filters, as they stand in the stream.
func rows(random *rand.Rand, width, height, depth, colour, interlace int) []byte {
	samples := map[int]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
	f := &file{interlaced: interlace == 1}
	var out []byte
	for _, p := range f.passes() {
		w, h := p.size(width, height)
		if w == 0 {
			continue
		}
		for range h {
			out = append(out, byte(random.IntN(5)))
			for range (w*samples*depth + 7) / 8 {
				out = append(out, byte(random.Uint32()))
			}
		}
	}
	return out
}
