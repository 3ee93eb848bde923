package dds

import (
	"context"
	"encoding/binary"
	"math"
	"math/bits"

	"varve/format"
	"varve/format/raster"
)

// layout is how the samples of a surface lie.
type layout struct {
	name     string
	block    int       // bytes of a block of 4×4 pixels; 0: there are none
	bits     int       // of a pixel
	masks    [4]uint64 // of red (or grey), green, blue, alpha in a pixel; of whole numbers
	floats   int       // samples of a pixel that are floats of bits/floats
	special  string    // of no other kind: "rgb9e5", "r11g11b10"
	signed   bool
	channels int // beside alpha: 1 grey, 2 red and green, 3
	alpha    bool
	depth    raster.Depth
}

func fourCC(s string) uint32 { return binary.LittleEndian.Uint32([]byte(s)) }

func (l *layout) model() raster.Model {
	if l.channels == 1 {
		return raster.Gray
	}
	return raster.RGB
}

// bytes of a surface.
func (l *layout) bytes(width, height int) int64 {
	if l.block > 0 {
		return int64((width+3)/4) * int64((height+3)/4) * int64(l.block)
	}
	return (int64(width)*int64(l.bits) + 7) / 8 * int64(height)
}

// wide is the bytes of a number, where a surface is an array of such; else 1.
func (l *layout) wide() uint8 {
	if l.block > 0 || l.special != "" {
		return 1
	}
	n := 0
	switch {
	case l.floats > 0:
		n = l.bits / l.floats / 8
	case l.masks[0] == 0xffff:
		n = 2
	}
	if n == 2 || n == 4 {
		return uint8(n)
	}
	return 1
}

func blocks(name string, size, channels int, alpha bool, d raster.Depth) layout {
	return layout{name: name, block: size, channels: channels, alpha: alpha, depth: d}
}

// floats are samples of so many bits: grey, red and green, RGB, or RGB and alpha.
func floats(name string, size, count int) layout {
	return layout{name: name, bits: size * count, floats: count, channels: min(count, 3), alpha: count == 4, depth: raster.F32}
}

// whole are samples under masks: of red or grey, green, blue, alpha.
func whole(name string, size int, masks ...uint64) layout {
	l := layout{name: name, bits: size, depth: raster.U8}
	copy(l.masks[:], masks)
	for _, m := range l.masks[:3] {
		if m != 0 {
			l.channels++
		}
	}
	for _, m := range masks {
		if bits.OnesCount64(m) > 8 {
			l.depth = raster.U16
		}
	}
	l.alpha = l.masks[3] != 0
	return l
}

// dxgi is the layout of a DXGI format.
func dxgi(n uint32) (layout, error) {
	switch n {
	case 2:
		return floats("RGBA float 32", 32, 4), nil
	case 6:
		return floats("RGB float 32", 32, 3), nil
	case 10:
		return floats("RGBA float 16", 16, 4), nil
	case 11:
		return whole("RGBA 16", 64, 0xffff, 0xffff<<16, 0xffff<<32, 0xffff<<48), nil
	case 16:
		return floats("RG float 32", 32, 2), nil
	case 24:
		return whole("RGB 10 A 2", 32, 0x3ff, 0x3ff<<10, 0x3ff<<20, 3<<30), nil
	case 26:
		return layout{name: "RG 11 B 10 float", bits: 32, special: "r11g11b10", channels: 3, depth: raster.F32}, nil
	case 28, 29:
		return whole("RGBA 8", 32, 0xff, 0xff<<8, 0xff<<16, 0xff<<24), nil
	case 34:
		return floats("RG float 16", 16, 2), nil
	case 35:
		return whole("RG 16", 32, 0xffff, 0xffff<<16), nil
	case 41:
		return floats("R float 32", 32, 1), nil
	case 49:
		return whole("RG 8", 16, 0xff, 0xff<<8), nil
	case 54:
		return floats("R float 16", 16, 1), nil
	case 56:
		return whole("R 16", 16, 0xffff), nil
	case 61, 65:
		return whole("R 8", 8, 0xff), nil
	case 67:
		return layout{name: "RGB 9 E 5", bits: 32, special: "rgb9e5", channels: 3, depth: raster.F32}, nil
	case 71, 72:
		return blocks("BC1", 8, 3, true, raster.U8), nil
	case 74, 75:
		return blocks("BC2", 16, 3, true, raster.U8), nil
	case 77, 78:
		return blocks("BC3", 16, 3, true, raster.U8), nil
	case 80, 81:
		l := blocks("BC4", 8, 1, false, raster.U8)
		l.signed = n == 81
		return l, nil
	case 83, 84:
		l := blocks("BC5", 16, 2, false, raster.U8)
		l.signed = n == 84
		return l, nil
	case 85:
		return whole("B5G6R5", 16, 0x1f<<11, 0x3f<<5, 0x1f), nil
	case 86:
		return whole("B5G5R5A1", 16, 0x1f<<10, 0x1f<<5, 0x1f, 1<<15), nil
	case 87, 91:
		return whole("BGRA 8", 32, 0xff<<16, 0xff<<8, 0xff, 0xff<<24), nil
	case 88, 93:
		return whole("BGRX 8", 32, 0xff<<16, 0xff<<8, 0xff), nil
	case 95, 96:
		l := blocks("BC6H", 16, 3, false, raster.F32)
		l.signed = n == 96
		return l, nil
	case 98, 99:
		return blocks("BC7", 16, 3, true, raster.U8), nil
	case 115:
		return whole("BGRA 4", 16, 0xf<<8, 0xf<<4, 0xf, 0xf<<12), nil
	}
	return layout{}, format.Unsupported("DXGI format %d", n)
}

// named is the layout of a pixel format: by its name, a number of Direct3D 9 or masks.
func named(flags, name, size uint32, m [4]uint32) (l layout, premultiplied bool, err error) {
	if flags&4 != 0 {
		premultiplied = name == fourCC("DXT2") || name == fourCC("DXT4")
		numbers := map[uint32]uint32{fourCC("DXT1"): 71, fourCC("DXT2"): 74, fourCC("DXT3"): 74, fourCC("DXT4"): 77, fourCC("DXT5"): 77,
			fourCC("ATI1"): 80, fourCC("BC4U"): 80, fourCC("BC4S"): 81, fourCC("ATI2"): 83, fourCC("BC5U"): 83, fourCC("BC5S"): 84,
			36: 11, 111: 54, 112: 34, 113: 10, 114: 41, 115: 16, 116: 2}
		n, known := numbers[name]
		if !known {
			return l, false, format.Unsupported("pixel format %q", binary.LittleEndian.AppendUint32(nil, name))
		}
		l, err = dxgi(n)
		return l, premultiplied, err
	}
	if size == 0 || size > 32 || size%8 != 0 {
		return l, false, format.Unsupported("pixels of %d bits", size)
	}
	if flags&1 == 0 && flags&2 == 0 {
		m[3] = 0
	}
	switch {
	case flags&0x20000 != 0:
		l = whole("luminance", int(size), uint64(m[0]), 0, 0, uint64(m[3]))
	case flags&2 != 0 && flags&0x40 == 0:
		l = whole("alpha only", int(size), uint64(m[3]))
	default:
		l = whole("masks", int(size), uint64(m[0]), uint64(m[1]), uint64(m[2]), uint64(m[3]))
	}
	for _, v := range l.masks {
		if run := v >> (bits.TrailingZeros64(v) % 64); run&(run+1) != 0 || bits.Len64(v) > int(size) || bits.OnesCount64(v) > 16 {
			return l, false, format.Malformed("a mask %08x of %d bits", v, size)
		}
	}
	if l.channels == 0 {
		return l, false, format.Malformed("pixels without colours")
	}
	return l, false, nil
}

// plain decodes a surface that has no blocks.
func (l *layout) plain(ctx context.Context, img *raster.Image, b []byte) error {
	size := l.bits / 8
	stride := size * img.Width
	for y := range img.Height {
		if err := ctx.Err(); err != nil {
			return err
		}
		row := b[y*stride : (y+1)*stride]
		switch {
		case l.special != "":
			for x := range img.Width {
				v := binary.LittleEndian.Uint32(row[4*x:])
				px := img.RowF32(y)[3*x : 3*x+3]
				if l.special == "rgb9e5" {
					for c := range 3 {
						px[c] = float32(math.Ldexp(float64(v>>(9*c)&511), int(v>>27)-24))
					}
				} else {
					px[0], px[1], px[2] = half(uint16(v&0x7ff)<<4), half(uint16(v>>11&0x7ff)<<4), half(uint16(v>>22)<<5)
				}
			}
		case l.floats > 0:
			l.floating(img, img.RowF32(y), row)
		default:
			l.masked(img, y, row)
		}
	}
	return nil
}

// floating puts a row of floats; blue is 0 where there is none.
func (l *layout) floating(img *raster.Image, out []float32, row []byte) {
	n, wide := img.Channels(), l.bits/l.floats/8
	for x := range img.Width {
		for c := range l.floats {
			at := row[(x*l.floats+c)*wide:]
			if wide == 2 {
				out[x*n+c] = half(binary.LittleEndian.Uint16(at))
			} else {
				out[x*n+c] = math.Float32frombits(binary.LittleEndian.Uint32(at))
			}
		}
	}
}

// masked puts a row of whole numbers; what has no mask is 0.
func (l *layout) masked(img *raster.Image, y int, row []byte) {
	n, size := img.Channels(), l.bits/8
	var pixel [8]byte
	for x := range img.Width {
		copy(pixel[:], row[x*size:(x+1)*size])
		v := binary.LittleEndian.Uint64(pixel[:])
		for c := range n {
			m := l.masks[c]
			if l.alpha && c == n-1 {
				m = l.masks[3]
			}
			if m == 0 {
				continue
			}
			shift := bits.TrailingZeros64(m)
			s, most := v&m>>shift, m>>shift
			if l.depth == raster.U16 {
				img.U16[(y*img.Width+x)*n+c] = uint16((s*65535 + most/2) / most)
			} else {
				img.U8[(y*img.Width+x)*n+c] = uint8((s*255 + most/2) / most)
			}
		}
	}
}

// half is a float of 16 bits.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	case exp == 0:
		return math.Float32frombits(sign | math.Float32bits(float32(frac)/(1<<24)))
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
