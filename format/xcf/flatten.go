package xcf

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"varve/format"
	"varve/format/raster"
)

// maxPicture bounds a composite, in bytes.
const maxPicture = 768 << 20

// Picture composites all layers that are visible, made smaller to about size.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	f := newFlat(d)
	f.by = max(1, max(d.width, d.height)/max(1, size))
	img, err := f.picture(ctx, d.roots, (d.width+f.by-1)/f.by, (d.height+f.by-1)/f.by, 0, 0)
	if err != nil {
		return nil, err
	}
	return &format.Picture{Image: img, Source: format.Composited, Note: f.note()}, nil
}

// Decode composites all layers that are visible, at the depth of the document: of more than 16 bits as floats.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return newFlat(d).picture(ctx, d.roots, d.width, d.height, 0, 0)
}

// flattener composites, one row of tiles after the other.
type flattener struct {
	*document
	by     int          // pixels of a side that become one
	light  [256]float64 // of 8-bit samples, linear
	steps  [256]float64 // linear light from which on an 8-bit sample is that
	near   [1024]uint8  // samples of squares of 1024ths
	rows   map[*level]*tileRow
	missed map[string]bool
	spare  [][]float32 // bands that are not in use
}

// tileRow is a row of tiles, decoded.
type tileRow struct {
	row    int
	pixels []byte
}

// band is some rows of a picture: RGBA, straight.
type band struct {
	w, h, x, y int
	space      int
	pix        []float32
}

func newFlat(d *document) *flattener {
	f := &flattener{document: d, by: 1, rows: map[*level]*tileRow{}, missed: map[string]bool{}}
	for i := range f.light {
		f.light[i] = toLinear(float64(i) / 255)
		f.steps[i] = toLinear((float64(i) - 0.5) / 255)
	}
	for i, k := 0, 0; i < len(f.near); i++ {
		for k < 255 && float64(i*i)/(1024*1024) >= f.steps[k+1] {
			k++
		}
		f.near[i] = uint8(k)
	}
	return f
}

func (f *flattener) note() string {
	if len(f.missed) == 0 {
		return ""
	}
	var all []string
	for m := range f.missed {
		all = append(all, m)
	}
	slices.Sort(all)
	return "without " + strings.Join(all, ", ")
}

func toLinear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func toPerceptual(v float64) float64 {
	if v <= 0.0031308 {
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// picture composites layers within a rectangle of the canvas.
func (f *flattener) picture(ctx context.Context, list []*item, w, h, x, y int) (*raster.Image, error) {
	depth, size := raster.U8, 1
	switch {
	case f.precision.float || f.precision.bytes > 2:
		depth, size = raster.F32, 4
	case f.precision.bytes == 2:
		depth, size = raster.U16, 2
	}
	model := raster.RGB
	if f.base == 1 {
		model = raster.Gray
	}
	if int64(w)*int64(h)*4*int64(size) > maxPicture {
		return nil, fmt.Errorf("a picture of %d×%d: %w", w, h, format.ErrLimit)
	}
	img, err := raster.New(w, h, model, true, depth)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", err, format.ErrLimit)
	}
	img.Linear = f.precision.linear
	img.Profile = f.profile()
	for top := 0; top < h; top += tileSide {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		b := f.blank(w, min(tileSide, h-top), x, y+top)
		if err := f.stack(ctx, b, list, 0, true); err != nil {
			return nil, err
		}
		f.store(img, b, top)
		f.spare = append(f.spare, b.pix)
	}
	return img, nil
}

// profile returns the image's ICC profile.
func (f *flattener) profile() []byte {
	all, err := f.parasites(&item{props: f.props})
	if err != nil {
		return nil
	}
	for _, p := range all {
		if p.name == "icc-profile" {
			return p.data
		}
	}
	return nil
}

func (f *flattener) blank(w, h, x, y int) *band {
	b := &band{w: w, h: h, x: x, y: y, space: linear}
	if n := len(f.spare); n > 0 && cap(f.spare[n-1]) >= w*h*4 {
		b.pix, f.spare = f.spare[n-1][:w*h*4], f.spare[:n-1]
		clear(b.pix)
	} else {
		b.pix = make([]float32, w*h*4)
	}
	return b
}

// in brings a band into a space.
func (b *band) in(space int) {
	if b.space == space {
		return
	}
	convert := toLinear
	if space == perceptual {
		convert = toPerceptual
	}
	var last, is float32
	for i := 0; i < len(b.pix); i += 4 {
		if b.pix[i+3] == 0 {
			continue
		}
		for k := i; k < i+3; k++ {
			if v := b.pix[k]; v != last { // neighbours are often the same
				last, is = v, float32(convert(float64(v)))
			}
			if last == 0 {
				is = 0
			}
			b.pix[k] = is
		}
	}
	b.space = space
}

// stack puts layers, the first on top, onto a band. The lowest that is visible has nothing below it if the band is bare: it
// is normal then, whatever its mode.
func (f *flattener) stack(ctx context.Context, b *band, list []*item, depth int, bare bool) error {
	for _, it := range slices.Backward(list) {
		if it.hidden {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if it.effects {
			f.missed["layer effects"] = true
		}
		if err := f.put(ctx, b, it, depth, bare); err != nil {
			return fmt.Errorf("layer %q: %w", it.name, err)
		}
		bare = false
	}
	if depth == 0 && f.floating != nil {
		f.missed["the floating selection"] = true
	}
	return nil
}

// manner returns how a layer is put onto what is below it.
func (f *flattener) manner(it *item, bare bool) blending {
	how, ok := blendingOf(it.mode)
	if !ok {
		f.missed[modeName(it.mode)] = true
	}
	if how.part != "" {
		f.missed[how.part] = true
	}
	if !ok || bare && it.mode != passThrough {
		how, _ = blendingOf(28)
		return how
	}
	if c := it.composite; c >= union && c <= intersection && how.composite <= intersection {
		how.composite = c
	}
	if s := space(it.compSpace); s != 0 && how.composite != legacy {
		how.compSpace = s
	}
	if s := space(it.blendSpace); s != 0 && how.composite != legacy {
		how.space = s
	}
	return how
}

// put composites one layer or group.
func (f *flattener) put(ctx context.Context, b *band, it *item, depth int, bare bool) error {
	how := f.manner(it, bare)
	src := f.blank(b.w, b.h, b.x, b.y)
	defer func() { f.spare = append(f.spare, src.pix) }()
	switch {
	case it.group && it.mode == passThrough:
		b.in(linear)
		copy(src.pix, b.pix)
		if err := f.stack(ctx, src, it.children, depth+1, bare); err != nil {
			return err
		}
		src.in(linear)
	case it.group:
		if err := f.stack(ctx, src, it.children, depth+1, true); err != nil {
			return err
		}
		f.round(src)
	default:
		load := func() error { return f.load(src, it, how.compSpace) }
		if f.by > 1 {
			load = func() error { return f.shrunk(src, it) }
		}
		if err := load(); err != nil {
			return err
		}
	}
	if it.mask != nil && it.applyMask {
		if err := f.cover(src, it, it.group && it.mode == passThrough, b); err != nil {
			return err
		}
	}
	if it.group && it.mode == passThrough && it.opacity == 1 {
		copy(b.pix, src.pix)
		return nil
	}
	src.in(how.compSpace)
	b.in(how.compSpace)
	f.composite(b, src, how, float32(it.opacity), it.group)
	return nil
}

// space returns what a file calls a space; 0 where the mode decides.
func space(v int) int {
	switch v {
	case 1:
		return linear
	case 2, 4:
		return perceptual
	}
	return 0
}

// rowOf returns row y of a level, decoded.
func (f *flattener) rowOf(l *level, y int) ([]byte, error) {
	r := f.rows[l]
	stride := l.width * l.bpp
	if r == nil {
		r = &tileRow{row: -1, pixels: make([]byte, stride*tileSide)}
		f.rows[l] = r
	}
	if r.row != y/tileSide {
		r.row = y / tileSide
		tile := make([]byte, tileSide*tileSide*l.bpp)
		for k := range l.across() {
			i := r.row*l.across() + k
			if _, err := f.tile(l, i, tile); err != nil {
				r.row = -1
				return nil, err
			}
			w, h := l.rect(i)
			for j := range h {
				copy(r.pixels[j*stride+k*tileSide*l.bpp:], tile[j*w*l.bpp:(j+1)*w*l.bpp])
			}
		}
	}
	if y == l.height-1 {
		delete(f.rows, l)
	}
	return r.pixels[y%tileSide*stride:][:stride], nil
}

// load fills a band with a layer's pixels, in a space.
func (f *flattener) load(b *band, it *item, to int) error {
	b.space = perceptual
	if f.precision.linear && f.base != 2 {
		b.space = linear
	}
	bytes := f.precision.bytes
	quick := bytes == 1 && b.space != to && to == linear
	if quick {
		b.space = linear
	}
	x0, x1 := max(b.x, it.x), min(b.x+b.w, it.x+it.width)
	if x0 >= x1 {
		return nil
	}
	for y := max(b.y, it.y); y < min(b.y+b.h, it.y+it.height); y++ {
		row, err := f.rowOf(it.pixels, y-it.y)
		if err != nil {
			return err
		}
		row = row[(x0-it.x)*it.pixels.bpp:]
		out := b.pix[((y-b.y)*b.w+x0-b.x)*4:]
		for x := range x1 - x0 {
			f.pixel(out[x*4:x*4+4], row[x*it.pixels.bpp:], it.form, quick)
		}
	}
	return nil
}

// pixel reads one pixel.
func (f *flattener) pixel(out []float32, p []byte, form uint32, quick bool) {
	n := f.precision.bytes
	value := func(p []byte) float32 {
		if quick {
			return float32(f.light[p[0]])
		}
		return f.precision.value(p)
	}
	switch form {
	case 0, 1:
		out[0], out[1], out[2], out[3] = value(p), value(p[n:]), value(p[2*n:]), 1
		if form == 1 {
			out[3] = f.precision.value(p[3*n:])
		}
	case 2, 3:
		v := value(p)
		out[0], out[1], out[2], out[3] = v, v, v, 1
		if form == 3 {
			out[3] = f.precision.value(p[n:])
		}
	default:
		c := [3]byte{}
		if at := 3 * int(p[0]); at+3 <= len(f.colormap) {
			copy(c[:], f.colormap[at:])
		}
		out[0], out[1], out[2], out[3] = value(c[:1]), value(c[1:2]), value(c[2:]), 1
		if form == 5 {
			out[3] = float32(p[1]) / 255
		}
	}
}

// value reads a component.
func (p precision) value(b []byte) float32 {
	switch {
	case p.float && p.bytes == 2:
		return half(binary.BigEndian.Uint16(b))
	case p.float && p.bytes == 4:
		return math.Float32frombits(binary.BigEndian.Uint32(b))
	case p.float:
		return float32(math.Float64frombits(binary.BigEndian.Uint64(b)))
	case p.bytes == 1:
		return float32(b[0]) / 255
	case p.bytes == 2:
		return float32(binary.BigEndian.Uint16(b)) / 65535
	}
	return float32(float64(binary.BigEndian.Uint32(b)) / math.MaxUint32)
}

func half(v uint16) float32 {
	sign, e, m := uint32(v>>15)<<31, uint32(v>>10)&31, uint32(v)&1023
	switch e {
	case 0:
		f := float32(m) / (1 << 24)
		if sign != 0 {
			f = -f
		}
		return f
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (e+112)<<23 | m<<13)
}

// cover applies a layer's mask. Of a group that lets through, it says how much of what is below stays.
func (f *flattener) cover(src *band, it *item, through bool, below *band) error {
	shares := make([]float32, src.w)
	for y := range src.h {
		if err := f.shares(it, src, y, shares); err != nil {
			return fmt.Errorf("mask: %w", err)
		}
		for x, v := range shares {
			i := (y*src.w + x) * 4
			if through {
				mixed(src.pix[i:i+4], below.pix[i:i+4], src.pix[i:i+4], v)
			} else {
				src.pix[i+3] *= v
			}
		}
	}
	return nil
}

// mixed sets out to a share of b and the rest of a.
func mixed(out, a, b []float32, share float32) {
	alpha := a[3]*(1-share) + b[3]*share
	k := float32(0)
	if alpha > 0 {
		k = share * b[3] / alpha
	}
	for c := range 3 {
		out[c] = a[c] + (b[c]-a[c])*k
	}
	out[3] = alpha
}
