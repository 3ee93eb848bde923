package xcf

import (
	"bytes"
	"compress/zlib"
)

// packed compresses a tile of three bytes a pixel; RLE takes each of its ways.
func packed(pix []byte, compression byte) []byte {
	switch compression {
	case 0:
		return pix
	case 2:
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		_, _ = z.Write(pix)
		_ = z.Close()
		return b.Bytes()
	}
	var out []byte
	for c := range 3 {
		var plane []byte
		for i := c; i < len(pix); i += 3 {
			plane = append(plane, pix[i])
		}
		for k := 0; len(plane) > 0; k++ {
			run := 1
			for run < len(plane) && plane[run] == plane[0] {
				run++
			}
			n := min(len(plane), 1+k%300)
			switch {
			case run > 127:
				out = append(out, 127, byte(run>>8), byte(run), plane[0])
				n = run
			case run > 1:
				out = append(out, byte(run-1), plane[0])
				n = run
			case n > 127:
				out = append(append(out, 128, byte(n>>8), byte(n)), plane[:n]...)
			default:
				out = append(append(out, byte(256-n)), plane[:n]...)
			}
			plane = plane[n:]
		}
	}
	return out
}

// packedTile is the tile that block makes of the layer with the tattoo 2, width×1.
func packedTile(width int) []byte {
	pix := make([]byte, width*3)
	for k := range pix {
		pix[k] = byte(2 * k)
	}
	return packed(pix, 1)
}
