package png

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"varve/format"
	"varve/format/inflate"
	"varve/format/raster"
	"varve/format/window"
)

// ratio is the most that deflate makes of a byte.
const ratio = 1032

// pass is one of an interlaced picture: every dx-th pixel from x of every dy-th row from y.
type pass struct{ x, y, dx, dy int }

func (p pass) size(width, height int) (int, int) {
	return max(0, (width-p.x+p.dx-1)/p.dx), max(0, (height-p.y+p.dy-1)/p.dy)
}

func (f *file) passes() []pass {
	if !f.interlaced {
		return []pass{{0, 0, 1, 1}}
	}
	return []pass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
}

// stride returns the bytes of a row without its filter.
func (f *file) stride(width int) int { return (width*f.samples()*f.depth + 7) / 8 }

// picture decodes one image of the file: the picture, or a frame.
func (f *file) picture(ctx context.Context, width, height int, data []window.Span) (*raster.Image, error) {
	if int64(width)*int64(height) > raster.MaxPixels {
		_, err := raster.New(width, height, raster.Gray, false, raster.U8)
		return nil, err
	}
	var have, need int64
	for _, s := range data {
		have += s.Len
	}
	for _, p := range f.passes() {
		if w, h := p.size(width, height); w > 0 {
			need += int64(h) * int64(1+f.stride(w))
		}
	}
	if need > have*ratio {
		return nil, format.Malformed("cut off: %d bytes cannot hold a picture of %d×%d", have, width, height)
	}
	img, err := f.image(width, height)
	if err != nil {
		return nil, err
	}
	z, err := inflate.NewReader(f.w.Reader(data)) // twice as quick as others on photographs
	if err != nil {
		return nil, broken(err)
	}
	for _, p := range f.passes() {
		if err := f.pass(ctx, img, z, p); err != nil {
			return nil, err
		}
	}
	var more [1]byte // to the checksum
	if _, err := io.ReadFull(z, more[:]); err != nil && err != io.EOF {
		return nil, broken(err)
	}
	return img, nil
}

// broken says what an error of inflating means.
func broken(err error) error {
	if errors.Is(err, format.ErrMalformed) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return format.Malformed("cut off: the picture ends early")
	}
	return format.Malformed("the picture: %v", err)
}

// image returns an empty image that holds what the file does.
func (f *file) image(width, height int) (*raster.Image, error) {
	model, alpha, depth := raster.RGB, len(f.trans) > 0, raster.U8
	switch f.colour {
	case grey:
		model = raster.Gray
	case greyAlpha:
		model, alpha = raster.Gray, true
	case rgbAlpha:
		alpha = true
	}
	if f.depth == 16 {
		depth = raster.U16
	}
	return raster.New(width, height, model, alpha, depth)
}

// pass reads the rows of a pass into an image.
func (f *file) pass(ctx context.Context, img *raster.Image, z io.Reader, p pass) error {
	width, height := p.size(img.Width, img.Height)
	if width == 0 || height == 0 {
		return nil
	}
	n := img.Channels()
	stride, bpp := f.stride(width), max(1, f.samples()*f.depth/8)
	raw := f.depth == 8 && n == f.samples() && f.colour != paletted // as they are kept
	direct := raw && !f.interlaced
	var filter [1]byte
	row, prior := make([]byte, stride), make([]byte, stride)
	line := f.line(width, n, raw)
	for i := range height {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		y := p.y + i*p.dy
		if direct {
			row = img.U8[y*stride : (y+1)*stride]
		}
		if _, err := io.ReadFull(z, filter[:]); err != nil {
			return broken(err)
		}
		if _, err := io.ReadFull(z, row); err != nil {
			return broken(err)
		}
		if err := unfilter(filter[0], row, prior, bpp); err != nil {
			return err
		}
		switch {
		case direct:
			prior = row
			continue
		case f.depth == 16:
			f.put16(img, row, p, y, width)
		case raw:
			scatter(img.U8[y*img.Width*n:], row, n, width, p)
		default:
			f.line8(line, row, width, n)
			scatter(img.U8[y*img.Width*n:], line, n, width, p)
		}
		row, prior = prior, row
	}
	return nil
}

// line returns room for a row of samples, where they are not as they are kept.
func (f *file) line(width, n int, raw bool) []byte {
	if f.depth == 16 || raw {
		return nil
	}
	return make([]byte, width*n)
}

// scatter puts the pixels of a pass, of n samples each, into a row of the image.
func scatter[T uint8 | uint16](dst, src []T, n, width int, p pass) {
	if p.dx == 1 {
		copy(dst[p.x*n:], src[:width*n])
		return
	}
	for i := range width {
		copy(dst[(p.x+i*p.dx)*n:][:n], src[i*n:])
	}
}

// line8 makes samples of 8 bits of a row: of fewer bits, with a palette, or with a transparent colour.
func (f *file) line8(line, row []byte, width, n int) {
	switch {
	case f.colour == paletted:
		for i := range width {
			c := int(bits(row, i, f.depth))
			px := line[i*n : (i+1)*n]
			clear(px)
			if 3*c+3 <= len(f.palette) {
				copy(px, f.palette[3*c:3*c+3])
			}
			if n == 4 {
				px[3] = 255
				if c < len(f.trans) {
					px[3] = f.trans[c]
				}
			}
		}
	case f.colour == grey:
		key := -1
		if len(f.trans) >= 2 {
			key = int(binary.BigEndian.Uint16(f.trans))
		}
		scale := byte(255 / (1<<f.depth - 1))
		for i := range width {
			v := bits(row, i, f.depth)
			line[i*n] = v * scale
			if n == 2 {
				line[i*n+1] = opaque[byte](int(v) == key)
			}
		}
	default: // RGB with a transparent colour
		r, g, b := binary.BigEndian.Uint16(f.trans), binary.BigEndian.Uint16(f.trans[2:]), binary.BigEndian.Uint16(f.trans[4:])
		for i := range width {
			s, d := row[3*i:3*i+3], line[4*i:4*i+4]
			copy(d, s)
			d[3] = opaque[byte](uint16(s[0]) == r && uint16(s[1]) == g && uint16(s[2]) == b)
		}
	}
}

// opaque returns the alpha of a pixel that has the transparent colour or not.
func opaque[T uint8 | uint16](is bool) T {
	if is {
		return 0
	}
	return ^T(0)
}

// bits returns the sample i of a row, of depth bits.
func bits(row []byte, i, depth int) byte {
	if depth == 8 {
		return row[i]
	}
	at := i * depth
	return row[at/8] >> (8 - depth - at%8) & (1<<depth - 1)
}

// put16 puts the pixels of a row of 16 bits a sample into the image.
func (f *file) put16(img *raster.Image, row []byte, p pass, y, width int) {
	n, s := img.Channels(), f.samples()
	out := img.U16[y*img.Width*n : (y+1)*img.Width*n]
	if n == s && p.dx == 1 {
		out = out[p.x*n : (p.x+width)*n]
		swap(out, row)
		return
	}
	var key [3]uint16
	for i := range min(s, len(f.trans)/2) {
		key[i] = binary.BigEndian.Uint16(f.trans[2*i:])
	}
	for i := range width {
		px := out[(p.x+i*p.dx)*n:][:n]
		same := true
		for c := range s {
			px[c] = binary.BigEndian.Uint16(row[2*(i*s+c):])
			same = same && n > s && px[c] == key[c]
		}
		if n > s {
			px[s] = opaque[uint16](same)
		}
	}
}

// swap reads big-endian numbers, four at a time.
func swap(out []uint16, row []byte) {
	for len(out) >= 4 && len(row) >= 8 {
		v := binary.BigEndian.Uint64(row)
		o := out[:4:4]
		o[0], o[1], o[2], o[3] = uint16(v>>48), uint16(v>>32), uint16(v>>16), uint16(v)
		out, row = out[4:], row[8:]
	}
	for i := range out {
		out[i] = binary.BigEndian.Uint16(row[2*i:])
	}
}
