package tiff

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"varve/format"
	"varve/format/raster"
)

// decode gives the pixels of a page, upright.
func (f *file) decode(ctx context.Context, p *page) (*raster.Image, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := p.inside(f.in.Size()); err != nil {
		return nil, err
	}
	if err := p.plausible(f.in.Size()); err != nil {
		return nil, err
	}
	model := raster.RGB
	switch p.photometric {
	case 0, 1:
		model = raster.Gray
	case 5:
		model = raster.CMYK
	case 8, 9:
		model = raster.Lab
	}
	depth := p.depth()
	var table []uint16
	if p.photometric == 3 {
		var err error
		if table, err = f.palette(p); err != nil {
			return nil, err
		}
		depth = raster.U8
		if !eight(table) {
			depth = raster.U16
		}
	}
	img, err := raster.New(p.width, p.height, model, p.alpha > 0, depth)
	if err != nil {
		return nil, err
	}
	img.Premultiplied = p.alpha == 1
	img.Linear = depth == raster.F32 && p.kind == 3 && (model == raster.Gray || model == raster.RGB) && p.linear()
	if err := f.fill(ctx, p, img, table); err != nil {
		return nil, err
	}
	if e, ok := p.tags[tagProfile]; ok {
		img.Profile = f.bytes(e, 16<<20)
	}
	return img.Orient(p.orientation), nil
}

// linear: floats of a page without a profile are light, as renderers write them.
func (p *page) linear() bool { return p.tags[tagProfile].count == 0 }

// plausible refuses more pixels than the bytes can be made into.
func (p *page) plausible(size int64) error {
	var have int64
	for _, n := range p.counts {
		have = min(have+n, size)
	}
	need := int64(p.width) * int64(p.height)
	if need > raster.MaxPixels {
		return fmt.Errorf("%w: %d×%d", raster.ErrSize, p.width, p.height)
	}
	if need = need * int64(p.samples) * int64(p.bits) / 8; need > have*p.ratio() {
		return fmt.Errorf("%d bytes hold a picture of %d×%d: %w", have, p.width, p.height, format.ErrLimit)
	}
	return nil
}

// palette returns the red of all colours, then green, then blue.
func (f *file) palette(p *page) ([]uint16, error) {
	e, n := p.tags[tagColorMap], int64(1)<<p.bits
	if e.kind != 3 || e.count < 3*n {
		return nil, format.Malformed("a palette of %d numbers for %d bits", e.count, p.bits)
	}
	list, err := f.numbers(e)
	if err != nil {
		return nil, err
	}
	out := make([]uint16, 3*n)
	for i := range out {
		out[i] = uint16(list[i])
	}
	return out, nil
}

// eight reports whether a palette has colours of 8 bits, as x·256 or x·257.
func eight(table []uint16) bool {
	for _, v := range table {
		if v&0xff != 0 && v&0xff != v>>8 {
			return false
		}
	}
	return true
}

// fill decodes the strips or tiles into an image.
func (f *file) fill(ctx context.Context, p *page, img *raster.Image, table []uint16) error {
	kept := img.Channels()
	if p.photometric == 3 {
		kept = 1
	}
	per := p.across() * p.down()
	buf := make([]byte, 0)
	for i := range per * p.planes() {
		if err := ctx.Err(); err != nil {
			return err
		}
		plane := i / per
		if plane >= kept { // of samples that are not shown
			break
		}
		bx, by := i%per%p.across(), i%per/p.across()
		rows := p.rows(by)
		want := p.blockBytes(rows)
		if want > p.counts[i]*p.ratio() {
			return errEarly(i, p.counts[i], want)
		}
		var err error
		if buf, err = f.block(p, i, rows, buf); err != nil {
			return err
		}
		b := block{p: p, order: f.order, x: bx * p.bw, y: by * p.bh, plane: plane, table: table}
		b.width, b.height = min(p.bw, p.width-b.x), min(rows, p.height-b.y)
		switch img.Depth {
		case raster.U8:
			place(&b, img, img.U8, buf, b.row8)
		case raster.U16:
			place(&b, img, img.U16, buf, b.row16)
		default:
			place(&b, img, img.F32, buf, b.row32)
		}
	}
	return nil
}

// block is a strip or tile and where it goes.
type block struct {
	p                   *page
	order               binary.ByteOrder
	x, y, width, height int
	plane               int
	table               []uint16
}

// place puts the rows of a block into an image, whose samples row makes of the block's.
func place[T uint8 | uint16 | float32](b *block, img *raster.Image, dst []T, raw []byte, row func(out []T, in []byte)) {
	p, n := b.p, img.Channels()
	per := p.samples
	if p.planar {
		per = 1
	}
	line := make([]T, b.width*per)
	size := p.rowBytes()
	for y := range b.height {
		to := dst[((b.y+y)*img.Width+b.x)*n:][:b.width*n]
		in := raw[int64(y)*size:][:size]
		if !p.planar && per == n && b.table == nil {
			row(to, in)
			continue
		}
		row(line, in)
		switch {
		case b.table != nil:
			look(to, line, b.table, n, per)
		case p.planar:
			for x := range b.width {
				to[x*n+b.plane] = line[x]
			}
		default:
			for x := range b.width {
				copy(to[x*n:x*n+n], line[x*per:])
			}
		}
	}
}

// look finds the colours of indices, the first of per samples of a pixel.
func look[T uint8 | uint16 | float32](to, line []T, table []uint16, n, per int) {
	colours := len(table) / 3
	shift := 0
	if _, ok := any(to).([]uint8); ok {
		shift = 8
	}
	for x := range len(to) / n {
		i := min(int(line[x*per]), colours-1)
		for c := range 3 {
			to[x*n+c] = T(table[c*colours+i] >> shift)
		}
		if n == 4 {
			to[x*n+3] = line[x*per+1]
		}
	}
}

// row8 makes samples of a row of up to 8 bits.
func (b *block) row8(out []uint8, in []byte) {
	p := b.p
	if p.bits == 8 {
		copy(out, in)
	} else {
		scale := byte(255 / (1<<p.bits - 1))
		if b.table != nil {
			scale = 1
		}
		for i := range out {
			at := i * p.bits
			out[i] = in[at/8] >> (8 - p.bits - at%8) & (1<<p.bits - 1) * scale
		}
	}
	if p.photometric == 0 {
		for i := range out {
			if i%p.stride() == 0 {
				out[i] = 255 - out[i]
			}
		}
	}
	if p.photometric == 8 {
		for i := range out {
			if c := b.channel(i); c == 1 || c == 2 { // a* and b* are signed
				out[i] ^= 0x80
			}
		}
	}
}

// stride is the samples of a pixel in a block.
func (p *page) stride() int {
	if p.planar {
		return 1
	}
	return p.samples
}

// channel is that of a sample of a row.
func (b *block) channel(i int) int {
	if b.p.planar {
		return b.plane
	}
	return i % b.p.samples
}

// row16 makes samples of a row of 16 bits, or indices of up to 16.
func (b *block) row16(out []uint16, in []byte) {
	p := b.p
	if p.bits < 16 {
		low := make([]uint8, len(out))
		b.row8(low, in)
		for i, v := range low {
			out[i] = uint16(v)
		}
		return
	}
	for i := range out {
		out[i] = b.order.Uint16(in[2*i:])
	}
	for i := range out {
		switch c := b.channel(i); {
		case p.photometric == 0 && c == 0:
			out[i] = 65535 - out[i]
		case p.photometric == 8 && (c == 1 || c == 2):
			out[i] ^= 0x8000
		case p.photometric != 8 && p.photometric != 0:
			return
		}
	}
}

// row32 makes floats of a row.
func (b *block) row32(out []float32, in []byte) {
	p := b.p
	for i := range out {
		switch {
		case p.kind == 3 && p.bits == 16:
			out[i] = half(b.order.Uint16(in[2*i:]))
		case p.kind == 3 && p.bits == 32:
			out[i] = math.Float32frombits(b.order.Uint32(in[4*i:]))
		case p.kind == 3:
			out[i] = float32(math.Float64frombits(b.order.Uint64(in[8*i:])))
		case p.kind == 2 && p.bits == 8:
			out[i] = float32(int8(in[i]))
		case p.kind == 2 && p.bits == 16:
			out[i] = float32(int16(b.order.Uint16(in[2*i:])))
		case p.kind == 2:
			out[i] = float32(int32(b.order.Uint32(in[4*i:])))
		default:
			out[i] = float32(float64(b.order.Uint32(in[4*i:])) / math.MaxUint32)
		}
		if p.photometric == 0 && b.channel(i) == 0 && p.kind != 2 {
			out[i] = 1 - out[i]
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
		v := float32(frac) / (1 << 24)
		if sign != 0 {
			v = -v
		}
		return v
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
