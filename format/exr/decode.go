package exr

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

const (
	maxPicture = 768 << 20 // bytes of a picture
	maxEmpty   = 1 << 24   // pixels of a display window, nearly all of which have no data
)

// colours is which channels are shown: R, G, B, or Y, and perhaps A; or Y, RY, BY.
type colours struct {
	part   *part
	of     []int // channels; of RGB three
	alpha  int   // -1: none
	chroma bool  // of is Y, RY, BY
	note   string
}

// shown chooses what of a file is shown: the first part that has colours, in it what has no layer or else the first that
// has colours; else the first channel.
func (f *file) shown() (*colours, error) {
	for _, p := range f.parts {
		if p.deep {
			continue
		}
		prefixes := []string{""}
		for _, c := range p.channels {
			if i := strings.LastIndexByte(c.name, '.'); i >= 0 && !slices.Contains(prefixes, c.name[:i+1]) {
				prefixes = append(prefixes, c.name[:i+1])
			}
		}
		for _, prefix := range prefixes {
			if c := p.colours(prefix); c != nil {
				return c, nil
			}
		}
	}
	for _, p := range f.parts {
		if !p.deep && len(p.channels) > 0 {
			return &colours{part: p, of: []int{0}, alpha: -1, note: fmt.Sprintf("only the channel %s", p.channels[0].name)}, nil
		}
	}
	return nil, format.Unsupported("deep samples")
}

// colours returns the colours of a layer; nil if it has none.
func (p *part) colours(prefix string) *colours {
	find := func(name string) int {
		return slices.IndexFunc(p.channels, func(c channel) bool { return c.name == prefix+name })
	}
	out := &colours{part: p, alpha: find("A")}
	r, g, b, y := find("R"), find("G"), find("B"), find("Y")
	switch {
	case r >= 0 && g >= 0 && b >= 0:
		out.of = []int{r, g, b}
	case y >= 0 && find("RY") >= 0 && find("BY") >= 0:
		out.of, out.chroma = []int{y, find("RY"), find("BY")}, true
	case y >= 0:
		out.of = []int{y}
	default:
		return nil
	}
	if layers := p.layerNames(); prefix != "" {
		out.note = "only the layer " + strings.TrimSuffix(prefix, ".")
	} else if len(layers) > 0 {
		out.note = fmt.Sprintf("without %d more layers", len(layers))
	}
	return out
}

// layerNames returns the prefixes of channels, without the dot, in order.
func (p *part) layerNames() []string {
	var out []string
	for _, c := range p.channels {
		if i := strings.LastIndexByte(c.name, '.'); i > 0 && !slices.Contains(out, c.name[:i]) {
			out = append(out, c.name[:i])
		}
	}
	return out
}

// Decode returns the colours of the file in its display window, linear, with alpha premultiplied: 0 outside of the data
// window. Chroma of less resolution is interpolated. The primaries are those that the file tells, by default those of
// Rec. 709.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	c, err := f.shown()
	if err != nil {
		return nil, err
	}
	img, _, err := f.decode(ctx, c, c.part.full(), 1)
	return img, err
}

// decode returns a level of what is shown; each side is made shorter by a factor, by means of squares.
func (f *file) decode(ctx context.Context, c *colours, l level, by int) (*raster.Image, int, error) {
	p := c.part
	win, data := p.display, p.data
	if l.lx > 0 || l.ly > 0 { // levels have the data window alone
		data = box{p.data.x0, p.data.y0, p.data.x0 + l.w - 1, p.data.y0 + l.h - 1}
		win = data
	}
	if have, most := p.line()*data.height(), f.in.Size()*maxRatio; have > most+4096 {
		return nil, 0, format.Malformed("%v of data in a file of %d bytes", data, f.in.Size())
	}
	w, h := (win.width()+int64(by)-1)/int64(by), (win.height()+int64(by)-1)/int64(by)
	if w > maxPicture || h > maxPicture || w*h*16 > maxPicture || w*h > max(maxEmpty, 64*data.width()*data.height()) {
		return nil, 0, fmt.Errorf("a picture of %v: %w", win, format.ErrLimit)
	}
	m := raster.RGB
	if len(c.of) == 1 {
		m = raster.Gray
	}
	img, err := raster.New(int(w), int(h), m, c.alpha >= 0, raster.F32)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", err, format.ErrLimit)
	}
	img.Linear, img.Premultiplied = true, c.alpha >= 0
	d := &drawing{p: p, img: img, win: win, by: by, x0: data.x0, w: l.w}
	of := slices.Clone(c.of)
	if c.alpha >= 0 {
		of = append(of, c.alpha)
	}
	for k, i := range of {
		d.ch = append(d.ch, target{i, k, &p.channels[i], nil})
		if ch := &p.channels[i]; ch.xs > 1 || ch.ys > 1 {
			if err := d.plane(k, data); err != nil {
				return nil, 0, err
			}
		}
	}
	lost, err := f.scan(ctx, p, l, true, d.line)
	if err == nil && lost > 0 && !d.some {
		err = format.Malformed("no chunk of %d can be read", p.chunks)
	}
	if err != nil {
		return nil, 0, err
	}
	d.interpolate(data)
	if c.chroma {
		unchroma(img, f.luma(p))
	}
	if by > 1 {
		d.average()
	}
	return img, lost, nil
}

// drawing is a picture that is being filled with lines.
type drawing struct {
	p    *part
	img  *raster.Image
	win  box
	by   int
	x0   int // of the data
	w    int
	ch   []target
	some bool
}

// target is where a channel goes.
type target struct {
	from, to int
	*channel
	coarse *coarse
}

// coarse is a channel that has not a sample in each pixel.
type coarse struct {
	w, h int
	pix  []float32
}

func (d *drawing) plane(k int, data box) error {
	ch := d.ch[k].channel
	w, h := count(data.x0, int(data.width()), ch.xs), count(data.y0, int(data.height()), ch.ys)
	if int64(w)*int64(h)*4 > maxPicture || d.by > 1 {
		return fmt.Errorf("a channel of %d×%d: %w", w, h, format.ErrLimit)
	}
	d.ch[k].coarse = &coarse{w, h, make([]float32, w*h)}
	return nil
}

// line takes a line of samples.
func (d *drawing) line(y int, lines [][]byte) error {
	n := d.img.Channels()
	for _, t := range d.ch {
		line := lines[t.from]
		if line == nil {
			continue
		}
		d.some = true
		if t.coarse != nil {
			row := count(d.p.data.y0, y-d.p.data.y0+1, t.ys) - 1
			for k := range t.coarse.w {
				t.coarse.pix[row*t.coarse.w+k] = t.float(line, k)
			}
			continue
		}
		if y < d.win.y0 || y > d.win.y1 {
			continue
		}
		out := d.img.F32[(y-d.win.y0)/d.by*d.img.Width*n:]
		from, end := max(d.x0, d.win.x0), min(d.x0+d.w-1, d.win.x1)
		if d.by > 1 {
			d.sum(out[t.to:], line, t.channel, from, end)
			continue
		}
		for x := from; x <= end; x++ {
			out[(x-d.win.x0)*n+t.to] = t.float(line, x-d.x0)
		}
	}
	return nil
}

// sum adds the samples of a line from one place to another to those of the picture. What is no number is not counted.
func (d *drawing) sum(out []float32, line []byte, c *channel, from, end int) {
	n := d.img.Channels()
	i, left := (from-d.win.x0)/d.by*n, d.by-(from-d.win.x0)%d.by
	for x := from; x <= end; x++ {
		if v := c.float(line, x-d.x0); v-v == 0 {
			out[i] += v
		}
		if left--; left == 0 {
			i, left = i+n, d.by
		}
	}
}

// average divides what was summed.
func (d *drawing) average() {
	n := d.img.Channels()
	for y := range d.img.Height {
		rows := min(d.by, int(d.win.height())-y*d.by)
		for x := range d.img.Width {
			k := 1 / float32(rows*min(d.by, int(d.win.width())-x*d.by))
			for c := range n {
				d.img.F32[(y*d.img.Width+x)*n+c] *= k
			}
		}
	}
}

// interpolate fills the picture with coarse channels, linearly.
func (d *drawing) interpolate(data box) {
	n := d.img.Channels()
	for _, t := range d.ch {
		if t.coarse == nil || t.coarse.w == 0 || t.coarse.h == 0 {
			continue
		}
		fx, fy := firstOf(data.x0, t.xs), firstOf(data.y0, t.ys)
		for y := max(data.y0, d.win.y0); y <= min(data.y1, d.win.y1); y++ {
			j, v := between(y-fy, t.ys, t.coarse.h)
			a, b := t.coarse.pix[j*t.coarse.w:], t.coarse.pix[min(j+1, t.coarse.h-1)*t.coarse.w:]
			for x := max(data.x0, d.win.x0); x <= min(data.x1, d.win.x1); x++ {
				i, u := between(x-fx, t.xs, t.coarse.w)
				k := min(i+1, t.coarse.w-1)
				top, low := a[i]+(a[k]-a[i])*u, b[i]+(b[k]-b[i])*u
				d.img.F32[((y-d.win.y0)*d.img.Width+x-d.win.x0)*n+t.to] = top + (low-top)*v
			}
		}
	}
}

// firstOf returns the first coordinate from a on that has a sample.
func firstOf(a, every int) int { return a + mod(-a, every) }

// between returns the sample at or before a place, of n, and how far the place is from it to the next.
func between(d, every, n int) (int, float32) {
	if d < 0 {
		return 0, 0
	}
	i := min(d/every, n-1)
	if i == n-1 {
		return i, 0
	}
	return i, float32(d-i*every) / float32(every)
}

// luma returns the weights of red, green and blue in luminance, by the file's primaries.
func (f *file) luma(p *part) [3]float32 {
	v := p.primaries(f.in)
	// The colours of the primaries, scaled so that their sum is white.
	var m [3][3]float64
	for i := range 3 {
		x, y := v[2*i], v[2*i+1]
		m[0][i], m[1][i], m[2][i] = x/y, 1, (1-x-y)/y
	}
	white := [3]float64{v[6] / v[7], 1, (1 - v[6] - v[7]) / v[7]}
	det := func(a [3][3]float64) float64 {
		return a[0][0]*(a[1][1]*a[2][2]-a[1][2]*a[2][1]) - a[0][1]*(a[1][0]*a[2][2]-a[1][2]*a[2][0]) + a[0][2]*(a[1][0]*a[2][1]-a[1][1]*a[2][0])
	}
	all := det(m)
	var out [3]float32
	for i := range 3 {
		a := m
		for r := range 3 {
			a[r][i] = white[r]
		}
		out[i] = float32(det(a) / all)
	}
	if math.IsNaN(float64(out[0]+out[1]+out[2])) || out[1] == 0 {
		return [3]float32{0.2126, 0.7152, 0.0722}
	}
	return out
}

// primaries returns x and y of red, green, blue and white.
func (p *part) primaries(in format.Input) [8]float64 {
	out := [8]float64{0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290}
	for _, a := range p.attrs {
		if a.name != "chromaticities" || a.kind != "chromaticities" || a.n != 32 {
			continue
		}
		if b, err := format.ReadSpan(in, a.off, 32, 32); err == nil {
			for i := range out {
				out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
			}
		}
	}
	return out
}

// unchroma makes red, green and blue of luminance, (R-Y)/Y and (B-Y)/Y.
func unchroma(img *raster.Image, w [3]float32) {
	n := img.Channels()
	for i := 0; i+n <= len(img.F32); i += n {
		p := img.F32[i : i+3]
		y, r, b := p[0], (p[1]+1)*p[0], (p[2]+1)*p[0]
		if p[1] == 0 && p[2] == 0 {
			p[0], p[1], p[2] = y, y, y
			continue
		}
		p[0], p[1], p[2] = r, (y-r*w[0]-b*w[2])/w[1], b
	}
}
