package aseprite

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"slices"
	"strings"

	"varve/format"
	"varve/format/raster"
)

// Picture composites the first frame.
func (Format) Picture(ctx context.Context, in format.Input, _ int) (*format.Picture, error) {
	s, err := open(ctx, in, 1)
	if err != nil {
		return nil, err
	}
	r := &renderer{sprite: s}
	img, err := r.frame(ctx, 0, s.roots)
	if err != nil {
		return nil, err
	}
	return &format.Picture{Image: img, Source: format.Composited, Note: r.note()}, nil
}

// Decode composites the first frame: gray and alpha of a gray sprite, else RGB and alpha.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	s, err := open(ctx, in, 1)
	if err != nil {
		return nil, err
	}
	return (&renderer{sprite: s}).frame(ctx, 0, s.roots)
}

// renderer makes pictures of a sprite.
type renderer struct {
	*sprite
	colours [][4]byte
	missed  map[string]bool
}

func (r *renderer) note() string {
	var all []string
	for m := range r.missed {
		all = append(all, m)
	}
	slices.Sort(all)
	if len(all) == 0 {
		return ""
	}
	return "without " + strings.Join(all, ", ")
}

func (r *renderer) miss(what string) {
	if r.missed == nil {
		r.missed = map[string]bool{}
	}
	r.missed[what] = true
}

// canvas is RGBA; of a gray sprite gray three times.
type canvas struct {
	w, h int
	pix  []uint8
}

// order is a cel or a group, and when it is drawn.
type order struct {
	layer *layer
	cel   *cel
	rank  int
	z     int
}

// frame composites layers, lowest first, in a frame.
func (r *renderer) frame(ctx context.Context, i int, list []*layer) (*raster.Image, error) {
	if int64(r.width)*int64(r.height) > raster.MaxPixels/4 {
		return nil, fmt.Errorf("a picture of %d×%d: %w", r.width, r.height, format.ErrLimit)
	}
	var err error
	if r.colours, err = r.palette(i + 1); err != nil {
		return nil, err
	}
	out := &canvas{r.width, r.height, make([]uint8, r.width*r.height*4)}
	if err := r.draw(ctx, out, i, list); err != nil {
		return nil, err
	}
	return r.image(out)
}

// image returns a canvas as a picture of the sprite's model.
func (r *renderer) image(c *canvas) (*raster.Image, error) {
	m := raster.RGB
	if r.bits == 16 {
		m = raster.Gray
	}
	img, err := raster.New(c.w, c.h, m, true, raster.U8)
	if err != nil {
		return nil, err
	}
	img.Profile = r.profile
	if m == raster.RGB {
		img.U8 = c.pix
		return img, nil
	}
	for i := 0; i < len(c.pix); i += 4 {
		img.U8[i/2], img.U8[i/2+1] = c.pix[i], c.pix[i+3]
	}
	return img, nil
}

// draw puts what is visible of layers onto a canvas. Groups that mix as a whole are drawn apart.
func (r *renderer) draw(ctx context.Context, out *canvas, frame int, list []*layer) error {
	var todo []order
	var gather func(list []*layer)
	gather = func(list []*layer) {
		for _, l := range list {
			if l.flags&flagVisible == 0 || l.flags&flagReference != 0 {
				continue
			}
			if l.kind == groupLayer && (r.flags&2 == 0 || l.opacity == 255 && l.blend == 0) {
				gather(l.children)
				continue
			}
			o := order{layer: l, cel: l.at(frame), rank: len(todo)}
			if o.cel != nil {
				o.z = o.cel.z
			}
			if o.cel != nil || l.kind == groupLayer {
				todo = append(todo, o)
			}
		}
	}
	gather(list)
	slices.SortStableFunc(todo, func(a, b order) int {
		if d := a.rank + a.z - b.rank - b.z; d != 0 {
			return d
		}
		return a.z - b.z
	})
	for _, o := range todo {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.put(ctx, out, frame, o); err != nil {
			return fmt.Errorf("layer %q: %w", o.layer.name, err)
		}
	}
	return nil
}

func (r *renderer) put(ctx context.Context, out *canvas, frame int, o order) error {
	mode := o.layer.blend
	if int(mode) >= len(blendNames()) {
		r.miss(fmt.Sprintf("blend mode %d", mode))
		mode = 0
	}
	if o.layer.kind == groupLayer {
		apart := &canvas{out.w, out.h, make([]uint8, len(out.pix))}
		if err := r.draw(ctx, apart, frame, o.layer.children); err != nil {
			return err
		}
		for i := 0; i < len(out.pix); i += 4 {
			p := blend(mode, pixel(out.pix[i:i+4]), pixel(apart.pix[i:i+4]), int(o.layer.opacity))
			copy(out.pix[i:], p[:])
		}
		return nil
	}
	c, err := o.cel.real()
	if err != nil {
		return err
	}
	if c.kind > 3 {
		r.miss(fmt.Sprintf("cels of kind %d", c.kind))
		return nil
	}
	pix, w, h, err := r.pixels(ctx, c)
	if err != nil {
		return err
	}
	opacity := mul(int(c.opacity), int(o.layer.opacity))
	size := r.bits / 8
	for y := max(0, -c.y); y < min(h, out.h-c.y); y++ {
		for x := max(0, -c.x); x < min(w, out.w-c.x); x++ {
			top := r.colour(pix[(y*w+x)*size:], o.layer.flags&flagBackground != 0)
			i := ((y+c.y)*out.w + x + c.x) * 4
			p := blend(mode, pixel(out.pix[i:i+4]), top, opacity)
			copy(out.pix[i:], p[:])
		}
	}
	return nil
}

// colour reads a pixel. On a background nothing is transparent.
func (r *renderer) colour(b []byte, background bool) pixel {
	switch r.bits {
	case 32:
		return pixel(b[:4])
	case 16:
		return pixel{b[0], b[0], b[0], b[1]}
	}
	if b[0] == r.transparent && !background || int(b[0]) >= len(r.colours) {
		return pixel{}
	}
	return pixel(r.colours[b[0]])
}

// Extract makes a PNG: of a cel its pixels; of a layer or group what it shows alone, in the first frame that it has; of a
// frame all; of a slice what is in it, in its first frame; of a tileset its tiles, one below the other.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	s, err := open(ctx, in, 0)
	if err != nil {
		return nil, err
	}
	img, err := s.shown(ctx, id)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := raster.EncodePNG(&b, img); err != nil {
		return nil, err
	}
	content := new(format.Output)
	_, _ = content.Write(b.Bytes())
	return &format.Extract{Extension: ".png", Content: content}, nil
}

func (s *sprite) shown(ctx context.Context, id string) (*raster.Image, error) {
	r := &renderer{sprite: s}
	for _, l := range s.layers {
		if l.id == id {
			first := l.first()
			alone := *l
			alone.flags |= flagVisible
			alone.flags &^= flagReference
			return r.frame(ctx, max(first, 0), []*layer{&alone})
		}
		for _, c := range l.cels {
			if c.id() == id {
				return r.alone(ctx, c)
			}
		}
	}
	for i := range s.frames {
		if frameID(i) == id {
			return r.frame(ctx, i, s.roots)
		}
	}
	for _, t := range s.tilesets {
		if t.id == id {
			pix, err := s.tilePixels(ctx, t)
			if err != nil {
				return nil, err
			}
			return r.flat(pix, t.width, t.height*int(t.count), 1, false)
		}
	}
	for _, l := range s.slices {
		if l.id == id && len(l.keys) > 0 {
			k := l.keys[0]
			img, err := r.frame(ctx, min(int(k.frame), len(s.frames)-1), s.roots)
			if err != nil {
				return nil, err
			}
			within := image.Rect(int(k.x), int(k.y), int(k.x)+int(min(k.width, 1<<16)), int(k.y)+int(min(k.height, 1<<16))).Intersect(image.Rect(0, 0, img.Width, img.Height))
			if within.Empty() {
				return nil, format.Unsupported("a slice outside of the picture")
			}
			return img.Crop(within)
		}
	}
	if id == paletteID && len(s.palettes) > 0 || slices.ContainsFunc(s.tags, func(t *tag) bool { return t.id == id }) || slices.ContainsFunc(s.slices, func(l *slice) bool { return l.id == id }) {
		return nil, format.Unsupported("%s as a file", id)
	}
	return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
}

// first returns the first frame in which a layer, or what is in it, has a cel; -1 if in none.
func (l *layer) first() int {
	out := -1
	if len(l.cels) > 0 {
		out = l.cels[0].frame
	}
	for _, c := range l.children {
		if f := c.first(); f >= 0 && (out < 0 || f < out) {
			out = f
		}
	}
	return out
}

// alone returns a cel's pixels.
func (r *renderer) alone(ctx context.Context, c *cel) (*raster.Image, error) {
	pix, w, h, err := r.pixels(ctx, c)
	if err != nil {
		return nil, err
	}
	return r.flat(pix, w, h, c.frame+1, c.layer.flags&flagBackground != 0)
}

func (r *renderer) flat(pix []byte, w, h, before int, background bool) (*raster.Image, error) {
	var err error
	if r.colours, err = r.palette(before); err != nil {
		return nil, err
	}
	if w == 0 || h == 0 {
		return nil, format.Unsupported("a picture without pixels")
	}
	if int64(w)*int64(h) > raster.MaxPixels/4 {
		return nil, fmt.Errorf("a picture of %d×%d: %w", w, h, format.ErrLimit)
	}
	out := &canvas{w, h, make([]uint8, w*h*4)}
	size := r.bits / 8
	for i := range w * h {
		p := r.colour(pix[i*size:], background)
		copy(out.pix[4*i:], p[:])
	}
	return r.image(out)
}
