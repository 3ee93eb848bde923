package frames

import (
	"encoding/binary"
	"math"

	"varve/format"
	"varve/format/raster"
)

// exr writes a picture of floats as OpenEXR: rows of 32-bit floats, not compressed, channels in the order of their
// names. Alpha is multiplied in, as the format has it.
func exr(p *raster.Image) *format.Output {
	names := []string{"A", "B", "G", "R"}
	from := []int{3, 2, 1, 0}
	if p.Model == raster.Gray {
		names, from = []string{"A", "Y"}, []int{1, 0}
	}
	if !p.Alpha {
		names, from = names[1:], from[1:]
	}
	put := binary.LittleEndian
	b := []byte("\x76\x2f\x31\x01\x02\x00\x00\x00")
	attribute := func(name, kind string, data []byte) {
		b = append(append(b, name+"\x00"+kind+"\x00"...), put.AppendUint32(nil, uint32(len(data)))...)
		b = append(b, data...)
	}
	var channels []byte
	for _, n := range names {
		channels = append(channels, n+"\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00"...)
	}
	window := put.AppendUint32(make([]byte, 8), uint32(p.Width-1))
	window = put.AppendUint32(window, uint32(p.Height-1))
	one := put.AppendUint32(nil, math.Float32bits(1))
	attribute("channels", "chlist", append(channels, 0))
	attribute("compression", "compression", []byte{0})
	attribute("dataWindow", "box2i", window)
	attribute("displayWindow", "box2i", window)
	attribute("lineOrder", "lineOrder", []byte{0})
	attribute("pixelAspectRatio", "float", one)
	attribute("screenWindowCenter", "v2f", make([]byte, 8))
	attribute("screenWindowWidth", "float", one)
	b = append(b, 0)
	n, size := p.Channels(), 4*p.Width*len(names)
	first := len(b) + 8*p.Height
	for y := range p.Height {
		b = put.AppendUint64(b, uint64(first+y*(8+size)))
	}
	for y := range p.Height {
		b = put.AppendUint32(b, uint32(y))
		b = put.AppendUint32(b, uint32(size))
		for _, c := range from {
			for x := range p.Width {
				px := p.F32[(y*p.Width+x)*n:][:n]
				v := px[c]
				if p.Alpha && !p.Premultiplied && c != n-1 {
					v *= px[n-1]
				}
				b = put.AppendUint32(b, math.Float32bits(v))
			}
		}
	}
	out := new(format.Output)
	_, _ = out.Write(b)
	return out
}
