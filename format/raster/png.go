package raster

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zlib"
)

// quick is the number of pixels from which EncodePNG takes one filter for all rows and compresses fast.
const quick = 1 << 20

// EncodePNG writes the picture as a PNG at its depth: 8 or 16 bits, gray or RGB, with alpha (made straight) if it has
// any, and with its profile. What a PNG cannot hold is written as it is displayed, in sRGB: ink and Lab with 8 bits,
// floats with 16.
func EncodePNG(w io.Writer, p *Image) error {
	if p.Width < 1 || p.Height < 1 {
		return fmt.Errorf("png: %w: %d×%d", ErrSize, p.Width, p.Height)
	}
	p = p.forPNG()
	out := bufio.NewWriterSize(w, 1<<16)
	if _, err := out.WriteString("\x89PNG\r\n\x1a\n"); err != nil {
		return err
	}
	colour := map[bool]byte{false: 0, true: 2}[p.Model == RGB]
	if p.Alpha {
		colour |= 4
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(p.Width))
	head = binary.BigEndian.AppendUint32(head, uint32(p.Height))
	head = append(head, byte(8*p.sampleSize()), colour, 0, 0, 0)
	if err := chunk(out, "IHDR", head); err != nil {
		return err
	}
	if len(p.Profile) > 0 {
		if err := p.writeProfile(out); err != nil {
			return err
		}
	}
	if err := p.writePixels(out); err != nil {
		return err
	}
	if err := chunk(out, "IEND", nil); err != nil {
		return err
	}
	return out.Flush()
}

func (p *Image) sampleSize() int {
	if p.Depth == U16 {
		return 2
	}
	return 1
}

// forPNG returns the picture as samples that a PNG can hold.
func (p *Image) forPNG() *Image {
	drawn := p.Model == Gray || p.Model == RGB
	switch {
	case drawn && p.Depth != F32 && !p.Premultiplied && !p.Linear:
	case drawn && (p.Depth == F32 || p.Linear):
		return p.display16()
	case drawn:
		p = p.straight()
	default:
		m := p.ToNRGBA8()
		q := &Image{Width: p.Width, Height: p.Height, Model: RGB, Alpha: true, Depth: U8, U8: m.Pix}
		if !p.Alpha {
			q.U8, q.Alpha = withoutFull(q.U8, 4, 255)
		}
		return q
	}
	if len(p.Profile) > 0 {
		space := map[Model]string{Gray: "GRAY", RGB: "RGB"}[p.Model]
		if q, err := ParseProfile(p.Profile); err != nil || q.Space != space {
			without := *p
			without.Profile = nil
			return &without
		}
	}
	return p
}

// display16 returns the picture as it is displayed, with 16 bits.
func (p *Image) display16() *Image {
	q := &Image{Width: p.Width, Height: p.Height, Model: p.Model, Alpha: p.Alpha, Depth: U16}
	n := q.Channels()
	q.U16 = make([]uint16, q.Width*q.Height*n)
	l := newLook(p)
	rgb, alpha := make([]float32, 3*p.Width), make([]float32, p.Width)
	for y := range p.Height {
		l.row(y, 0, p.Width, rgb, alpha)
		to := q.RowU16(y)
		for x := range p.Width {
			for c := range q.colours() {
				to[x*n+c] = round16(toSRGB(float64(rgb[3*x+c])))
			}
			if q.Alpha {
				to[x*n+n-1] = round16(float64(alpha[x]))
			}
		}
	}
	return q
}

// straight returns the picture with alpha taken out of its colours.
func (p *Image) straight() *Image {
	if !p.Alpha || !p.Premultiplied {
		return p
	}
	q := p.like(p.Width, p.Height)
	q.Premultiplied = false
	switch p.Depth {
	case U8:
		straighten(q.U8, p.U8, p.Channels(), 255)
	case U16:
		straighten(q.U16, p.U16, p.Channels(), 65535)
	case F32:
		n := p.Channels()
		for i := 0; i < len(p.F32); i += n {
			a := p.F32[i+n-1]
			for c := range n - 1 {
				q.F32[i+c] = p.F32[i+c]
				if a > 0 {
					q.F32[i+c] /= a
				}
			}
			q.F32[i+n-1] = a
		}
	}
	return q
}

func straighten[T uint8 | uint16](dst, src []T, n int, white uint32) {
	copy(dst, src)
	for i := 0; i < len(src); i += n {
		a := uint32(src[i+n-1])
		if a == white {
			continue
		}
		for c := i; c < i+n-1; c++ {
			if a == 0 {
				dst[c] = 0
			} else {
				dst[c] = T(min((uint32(src[c])*white+a/2)/a, white))
			}
		}
	}
}

func chunk(w io.Writer, kind string, data []byte) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	_, err := w.Write(b)
	return err
}

func (p *Image) writeProfile(w io.Writer) error {
	var b pieces
	b.data = append(b.data, "ICC Profile\x00\x00"...)
	z := zlib.NewWriter(&b)
	if _, err := z.Write(p.Profile); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return chunk(w, "iCCP", b.data)
}

// pieces gathers what is written to it, and, if it has a writer, writes it on in chunks of pixels.
type pieces struct {
	w    io.Writer
	data []byte
}

func (d *pieces) Write(b []byte) (int, error) {
	d.data = append(d.data, b...)
	if d.w == nil || len(d.data) < 1<<16 {
		return len(b), nil
	}
	return len(b), d.flush()
}

func (d *pieces) flush() error {
	err := chunk(d.w, "IDAT", d.data)
	d.data = d.data[:0]
	return err
}

// writePixels filters and compresses the rows.
func (p *Image) writePixels(w io.Writer) error {
	data := pieces{w: w}
	fast := p.Width*p.Height >= quick
	level := zlib.DefaultCompression
	if fast {
		level = zlib.BestSpeed
	}
	z, err := zlib.NewWriterLevel(&data, level)
	if err != nil {
		return err
	}
	bpp := p.Channels() * p.sampleSize()
	f := newFilter(p.Width*bpp, bpp)
	if fast {
		f.candidates = f.candidates[2:3]
	}
	for y := range p.Height {
		if _, err := z.Write(f.row(p.rowBytes(y, f.next()))); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	if len(data.data) > 0 {
		return data.flush()
	}
	return nil
}

// rowBytes puts the samples of a row as PNG has them into to.
func (p *Image) rowBytes(y int, to []byte) []byte {
	if p.Depth == U8 {
		copy(to, p.RowU8(y))
		return to
	}
	for i, v := range p.RowU16(y) {
		to[2*i], to[2*i+1] = byte(v>>8), byte(v)
	}
	return to
}

// filter makes rows easier to compress.
type filter struct {
	candidates  []byte // numbers of the filters to choose from
	bpp         int
	last, spare []byte
	out         [5][]byte // by filter, its number first
}

func newFilter(size, bpp int) *filter {
	f := &filter{candidates: []byte{0, 1, 2, 3, 4}, bpp: bpp, last: make([]byte, size), spare: make([]byte, size)}
	for i := range f.out {
		f.out[i] = make([]byte, size+1)
		f.out[i][0] = byte(i)
	}
	return f
}

// next is where the next row goes.
func (f *filter) next() []byte { return f.spare }

// row returns the row, which is in what next returned, filtered in the way that leaves the least.
func (f *filter) row(cur []byte) []byte {
	best, least := f.candidates[0], -1
	for _, kind := range f.candidates {
		f.apply(kind, f.out[kind][1:], cur, f.last)
		if len(f.candidates) == 1 {
			break
		}
		left := 0
		for _, v := range f.out[kind][1:] {
			left += int(min(v, -v))
		}
		if least < 0 || left < least {
			best, least = kind, left
		}
	}
	f.last, f.spare = cur, f.last
	return f.out[best]
}

func (f *filter) apply(kind byte, out, cur, up []byte) {
	n := f.bpp
	up, out = up[:len(cur)], out[:len(cur)]
	switch kind {
	case 0:
		copy(out, cur)
	case 1:
		copy(out, cur[:n])
		for i := n; i < len(cur); i++ {
			out[i] = cur[i] - cur[i-n]
		}
	case 2:
		for i := range cur {
			out[i] = cur[i] - up[i]
		}
	case 3:
		for i := range n {
			out[i] = cur[i] - up[i]/2
		}
		for i := n; i < len(cur); i++ {
			out[i] = cur[i] - byte((int(cur[i-n])+int(up[i]))/2)
		}
	case 4:
		for i := range n {
			out[i] = cur[i] - up[i]
		}
		for i := n; i < len(cur); i++ {
			out[i] = cur[i] - paeth(cur[i-n], up[i], up[i-n])
		}
	}
}

// paeth is that of left, up and the one between that is nearest to left + up - between.
func paeth(left, up, between byte) byte {
	a, b := int(up)-int(between), int(left)-int(between)
	c := a + b
	a, b, c = max(a, -a), max(b, -b), max(c, -c)
	switch {
	case a <= b && a <= c:
		return left
	case b <= c:
		return up
	}
	return between
}
