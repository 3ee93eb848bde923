package psd

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"varve/format"
	"varve/format/raster"
)

// Decode returns the merged image, at its depth: bits as 8-bit gray, indexed colours as RGB, multichannel as its first
// channel. Where the document has transparency, the white that Photoshop mixes into its colours is taken out.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	d, err := parse(ctx, in)
	if err != nil {
		return nil, err
	}
	return d.mergedImage(ctx, 1)
}

// transparent reports whether the merged image has transparency, which is its first channel after the colours.
func (d *document) transparent() bool {
	_, colours := d.model()
	if d.channels <= colours || d.mode == modeIndexed || d.mode == modeMultichannel {
		return false
	}
	if d.layers.negated {
		return true
	}
	for _, b := range d.blocks {
		if b.key == "Mtrn" || b.key == "Mt16" || b.key == "Mt32" {
			return true
		}
	}
	return false
}

const rowsOfBin = 4 // rows of the file that are read for a row of a smaller picture, at most

// mergedImage decodes the merged image, f pixels to a side of each of the picture's.
func (d *document) mergedImage(ctx context.Context, f int) (*raster.Image, error) {
	if err := d.checkMerged(); err != nil {
		return nil, fmt.Errorf("merged image: %w", err)
	}
	model, colours := d.model()
	m, err := raster.New((d.width+f-1)/f, (d.height+f-1)/f, model, d.transparent(), d.samples())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", format.ErrLimit, err)
	}
	if m.Profile, err = d.profile(); err != nil {
		return nil, err
	}
	if d.mode == modeIndexed {
		m.Profile = nil
	}
	m.Linear = d.depth == 32
	head, err := d.load(span{d.merged.off, 2}, 2)
	if err != nil {
		return nil, err
	}
	at := span{d.merged.off + 2, d.merged.n - 2}
	r, err := d.open(int(binary.BigEndian.Uint16(head)), d.width, at)
	if err != nil {
		return nil, err
	}
	if err := r.table(at, int64(d.channels)*int64(d.height)); err != nil {
		return nil, err
	}
	b, err := d.newBins(m, f)
	if err != nil {
		return nil, err
	}
	planes := colours + b2i(m.Alpha)
	row := make([]byte, r.rowBytes)
	for c := range planes {
		if err := b.plane(ctx, r, row, c); err != nil {
			return nil, err
		}
	}
	d.finish(m)
	return m, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// bins puts the planes of the merged image into a picture.
type bins struct {
	d       *document
	m       *raster.Image
	f       int
	palette []byte
	sum     []float64
	row     []float32
}

func (d *document) newBins(m *raster.Image, f int) (*bins, error) {
	b := &bins{d: d, m: m, f: f}
	if d.mode == modeIndexed {
		p, err := d.load(d.palette, 1<<16)
		if err != nil {
			return nil, err
		}
		if len(p) < 768 {
			return nil, format.Malformed("a palette of %d bytes", len(p))
		}
		b.palette = p
	}
	n := m.Width
	if b.palette != nil {
		n *= 3
	}
	b.sum = make([]float64, n)
	b.row = make([]float32, d.width)
	return b, nil
}

// plane reads one channel.
func (b *bins) plane(ctx context.Context, r *rows, row []byte, c int) error {
	h := b.d.height
	for y := 0; y < b.m.Height; y++ {
		if y%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		n := min(b.f, h-y*b.f)
		used := min(n, rowsOfBin)
		clear(b.sum)
		for k, at := 0, 0; k < used; k++ {
			next := k * n / used
			if err := r.skip(next - at); err != nil {
				return err
			}
			if err := r.next(row); err != nil {
				return err
			}
			at = next + 1
			if b.f == 1 && b.palette == nil {
				b.exact(row, y, c)
			} else {
				b.add(row)
			}
			if k == used-1 {
				if err := r.skip(n - at); err != nil {
					return err
				}
			}
		}
		if b.f > 1 || b.palette != nil {
			b.put(y, c, used)
		}
	}
	return nil
}

// exact puts a row as it is.
func (b *bins) exact(row []byte, y, c int) {
	m, n := b.m, b.m.Channels()
	at := y*m.Width*n + c
	switch b.d.depth {
	case 1:
		for x := range m.Width {
			if row[x>>3]&(0x80>>(x&7)) == 0 {
				m.U8[at+x*n] = 255
			}
		}
	case 8:
		for x := range m.Width {
			m.U8[at+x*n] = row[x]
		}
	case 16:
		for x := range m.Width {
			m.U16[at+x*n] = binary.BigEndian.Uint16(row[2*x:])
		}
	case 32:
		for x := range m.Width {
			m.F32[at+x*n] = math.Float32frombits(binary.BigEndian.Uint32(row[4*x:]))
		}
	}
}

// add adds a row to the sums.
func (b *bins) add(row []byte) {
	w := b.d.width
	if b.palette != nil {
		for x := range w {
			for k := range 3 {
				b.sum[x/b.f*3+k] += float64(b.palette[k*256+int(row[x])])
			}
		}
		return
	}
	floats(b.row, row, b.d.depth)
	for o, x := 0, 0; x < w; o++ {
		s := 0.0
		for end := min(w, x+b.f); x < end; x++ {
			s += float64(b.row[x])
		}
		b.sum[o] += s
	}
}

// put puts the mean of rows.
func (b *bins) put(y, c, rows int) {
	m, n := b.m, b.m.Channels()
	each := 1
	if b.palette != nil {
		each = 3
	}
	for i, s := range b.sum {
		o := i / each
		v := s / float64(rows*min(b.f, b.d.width-o*b.f))
		at := (y*m.Width+o)*n + c + i%each
		switch {
		case m.Depth == raster.F32:
			m.F32[at] = float32(v)
		case m.Depth == raster.U16:
			m.U16[at] = uint16(v*65535 + .5)
		case b.palette != nil:
			m.U8[at] = uint8(v + .5)
		default:
			m.U8[at] = uint8(v*255 + .5)
		}
	}
}

// floats makes numbers of a row, 0 to 1 where they are whole.
func floats(to []float32, row []byte, depth int) {
	switch depth {
	case 1:
		for x := range to {
			to[x] = float32(1 - row[x>>3]>>(7-x&7)&1)
		}
	case 8:
		for x := range to {
			to[x] = float32(row[x]) * (1.0 / 255)
		}
	case 16:
		for x := range to {
			to[x] = float32(binary.BigEndian.Uint16(row[2*x:])) * (1.0 / 65535)
		}
	case 32:
		for x := range to {
			to[x] = math.Float32frombits(binary.BigEndian.Uint32(row[4*x:]))
		}
	}
}

// finish takes white out of colours that are not opaque, and makes ink of CMYK, which the file has the other way round.
func (d *document) finish(m *raster.Image) {
	if m.Alpha {
		unmatte(m)
	}
	if d.mode != modeCMYK {
		return
	}
	n := m.Channels()
	for i := range m.U8 {
		if i%n < 4 {
			m.U8[i] = 255 - m.U8[i]
		}
	}
	for i := range m.U16 {
		if i%n < 4 {
			m.U16[i] = 65535 - m.U16[i]
		}
	}
	for i := range m.F32 {
		if i%n < 4 {
			m.F32[i] = 1 - m.F32[i]
		}
	}
}

// unmatte: colours are c·α + white·(1-α).
func unmatte(m *raster.Image) {
	n := m.Channels()
	white := []float64{1, 1, 1, 1}
	if m.Model == raster.Lab {
		white = []float64{1, 128.0 / 255, 128.0 / 255}
	}
	switch m.Depth {
	case raster.U8:
		unmatteInts(m.U8, n, 255, white)
	case raster.U16:
		unmatteInts(m.U16, n, 65535, white)
	case raster.F32:
		for i := 0; i < len(m.F32); i += n {
			if a := m.F32[i+n-1]; a > 0 && a < 1 {
				for c := range n - 1 {
					m.F32[i+c] = (m.F32[i+c] - float32(white[c])*(1-a)) / a
				}
			}
		}
	}
}

func unmatteInts[T uint8 | uint16](s []T, n int, full float64, white []float64) {
	for i := 0; i < len(s); i += n {
		a := float64(s[i+n-1])
		if a == 0 || a == full {
			continue
		}
		for c := range n - 1 {
			v := (float64(s[i+c]) - white[c]*(full-a)) * full / a
			s[i+c] = T(min(max(v+.5, 0), full))
		}
	}
}
