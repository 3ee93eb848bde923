package bmp

import (
	"context"
	"encoding/binary"
	"math/bits"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
)

// file is what the header of a file says.
type file struct {
	width, height int
	down          bool // rows from the top
	bits          int
	compression   uint32
	masks         [4]uint32 // red, green, blue, alpha
	palette       []byte    // of size bytes each: blue, green, red
	size          int
	data          int64
}

// open reads the header and the palette.
func open(in format.Input) (*file, error) {
	b, err := format.ReadSpan(in, 0, min(in.Size(), 14+124+16+1024), 2048)
	if err != nil {
		return nil, err
	}
	if len(b) < 26 || string(b[:2]) != "BM" {
		return nil, format.Malformed("a header of %d bytes that begins with %q", len(b), b[:min(len(b), 2)])
	}
	u16 := func(i int) int { return int(binary.LittleEndian.Uint16(b[i:])) }
	u32 := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	f := &file{data: int64(u32(10)), size: 4}
	head, used := int64(u32(14)), 0
	if head < 12 || head > 124 || 14+head > int64(len(b)) {
		return nil, format.Malformed("a header of %d bytes", head)
	}
	end := 14 + int(head)
	switch {
	case head == 12:
		f.width, f.height, f.bits, f.size = u16(18), u16(20), u16(24), 3
	case head < 40:
		return nil, format.Unsupported("a header of %d bytes", head)
	default:
		f.width, f.height, f.bits, f.compression = int(int32(u32(18))), int(int32(u32(22))), u16(28), u32(30)
		if u := u32(46); u <= 256 {
			used = int(u)
		}
		if f.down = f.height < 0; f.down {
			f.height = -f.height
		}
		if head == 40 {
			end += map[uint32]int{3: 12, 6: 16}[f.compression]
		}
		for i := range min(4, (end-54)/4) {
			if head != 64 && 58+4*i <= len(b) {
				f.masks[i] = u32(54 + 4*i)
			}
		}
	}
	f.colours(b[min(end, len(b)):], used, int(f.data)-end)
	return f, f.check()
}

// colours takes the palette off b: used colours of it (0: all), in room bytes.
func (f *file) colours(b []byte, used, room int) {
	if f.bits < 1 || f.bits > 8 {
		return
	}
	if used == 0 || used > 1<<f.bits {
		used = 1 << f.bits
	}
	if room > 0 { // some files have fewer than they say
		used = min(used, room/f.size)
	}
	f.palette = b[:min(used*f.size, len(b))]
}

// check says whether the header is of a file that there is and that is known.
func (f *file) check() error {
	if f.width <= 0 || f.height <= 0 {
		return format.Malformed("a picture of %d×%d", f.width, f.height)
	}
	switch {
	case f.compression == 0 && (f.bits == 1 || f.bits == 2 || f.bits == 4 || f.bits == 8 || f.bits == 24):
		f.masks = [4]uint32{}
	case f.compression == 1 && f.bits == 8 || f.compression == 2 && f.bits == 4:
		if f.masks = ([4]uint32{}); f.down {
			return format.Malformed("run lengths from the top")
		}
	case f.compression == 0 && f.bits == 16:
		f.masks = [4]uint32{0x7c00, 0x3e0, 0x1f}
	case f.compression == 0 && f.bits == 32:
		f.masks = [4]uint32{0xff0000, 0xff00, 0xff}
	case (f.compression == 3 || f.compression == 6) && (f.bits == 16 || f.bits == 32):
		for _, m := range f.masks {
			if run := m >> (bits.TrailingZeros32(m) % 32); run&(run+1) != 0 {
				return format.Malformed("a mask %08x", m)
			}
		}
	case f.compression == 4 || f.compression == 5:
		return format.Unsupported("a JPEG or PNG in a BMP")
	default:
		return format.Unsupported("compression %d of %d bits", f.compression, f.bits)
	}
	return nil
}

func (f *file) packed() bool { return f.compression == 1 || f.compression == 2 }

// stride is the bytes of a row.
func (f *file) stride() int64 { return (int64(f.width)*int64(f.bits) + 31) / 32 * 4 }

func (f *file) inside(in format.Input) error {
	if end := f.data + f.stride()*int64(f.height); end > in.Size() {
		return format.Malformed("cut off: the rows end at byte %d, the file at %d", end, in.Size())
	}
	return nil
}

func (f *file) decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	if err := frames.Bound(f.width, f.height, in.Size()); err != nil {
		return nil, err
	}
	if !f.packed() {
		if err := f.inside(in); err != nil {
			return nil, err
		}
	}
	img, err := raster.New(f.width, f.height, raster.RGB, f.masks[3] != 0, raster.U8)
	if err != nil {
		return nil, err
	}
	if f.packed() {
		return img, f.runs(in, img)
	}
	rows := int(max(1, min(int64(f.height), 1<<20/f.stride())))
	for at := 0; at < f.height; at += rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(rows, f.height-at)
		b, err := format.ReadSpan(in, f.data+int64(at)*f.stride(), int64(n)*f.stride(), maxFile)
		if err != nil {
			return nil, err
		}
		for i := range n {
			y := f.height - 1 - at - i
			if f.down {
				y = at + i
			}
			f.row(img.RowU8(y), b[int64(i)*f.stride():][:f.stride()])
		}
	}
	return img, nil
}

// row makes pixels of a row.
func (f *file) row(out, in []byte) {
	switch {
	case f.bits <= 8:
		for x := range f.width {
			at := x * f.bits
			f.colour(out[3*x:3*x+3], int(in[at/8]>>(8-f.bits-at%8)&(1<<f.bits-1)))
		}
	case f.bits == 24:
		for x := range f.width {
			out[3*x], out[3*x+1], out[3*x+2] = in[3*x+2], in[3*x+1], in[3*x]
		}
	default:
		n := len(out) / f.width
		for x := range f.width {
			var v uint32
			if f.bits == 16 {
				v = uint32(binary.LittleEndian.Uint16(in[2*x:]))
			} else {
				v = binary.LittleEndian.Uint32(in[4*x:])
			}
			for c := range n {
				out[n*x+c] = field(v, f.masks[c])
			}
		}
	}
}

// field is the number under a mask as one of 8 bits.
func field(v, mask uint32) uint8 {
	if mask == 0 {
		return 0
	}
	shift := bits.TrailingZeros32(mask)
	most := uint64(mask >> shift)
	return uint8((uint64(v&mask>>shift)*255 + most/2) / most)
}

// colour puts a colour of the palette; black where there is none.
func (f *file) colour(px []byte, i int) {
	if at := i * f.size; at+3 <= len(f.palette) {
		px[0], px[1], px[2] = f.palette[at+2], f.palette[at+1], f.palette[at]
	}
}
