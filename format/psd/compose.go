package psd

import (
	"context"
	"maps"
	"slices"
	"strings"

	"varve/format"
	"varve/format/raster"
)

// composer draws the stack.
type composer struct {
	view
	left    map[string]bool // what is left out
	nesting int
	budget  int64 // pixels of surfaces that may still be made
}

const (
	maxGroups = 64      // levels of groups that are drawn
	maxDrawn  = 1 << 31 // pixels of all surfaces together
)

// composite draws the whole canvas, f×f pixels of it as one. note says what is left out.
func (d *document) composite(ctx context.Context, f int) (m *raster.Image, note string, err error) {
	switch d.mode {
	case modeRGB, modeGray, modeDuotone, modeCMYK, modeLab:
	default:
		return nil, "", format.Unsupported("layers of a document that is %s", modeName(d.mode))
	}
	c := newComposer(d, f)
	s, err := c.draw(ctx)
	if err != nil {
		return nil, "", err
	}
	m, err = d.image(s)
	return m, c.note(), err
}

func newComposer(d *document, f int) *composer {
	c := &composer{view: view{d: d, f: f, w: (d.width + f - 1) / f, h: (d.height + f - 1) / f}, left: map[string]bool{}, budget: maxDrawn}
	return c
}

func (c *composer) note() string {
	if len(c.left) == 0 {
		return ""
	}
	return "without " + strings.Join(slices.Sorted(maps.Keys(c.left)), ", ")
}

// draw draws the view.
func (c *composer) draw(ctx context.Context) (*surface, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	_, n := c.d.model()
	s := newSurface(0, 0, c.w, c.h, n)
	return s, c.stack(ctx, c.d.layers.tree, s)
}

// stack draws nodes, given from the top, over a surface.
func (c *composer) stack(ctx context.Context, list []*node, s *surface) error {
	if c.nesting++; c.nesting > maxGroups {
		return format.Unsupported("more than %d groups in each other", maxGroups)
	}
	defer func() { c.nesting-- }()
	for i := len(list) - 1; i >= 0; i-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		from := i
		for i > 0 && c.d.layers.of(list[i-1]).clipped { // those above that are clipped to it
			i--
		}
		if err := c.node(ctx, list[from], list[i:from], s); err != nil {
			return err
		}
	}
	return nil
}

// node draws a layer or a group with those that are clipped to it.
func (c *composer) node(ctx context.Context, n *node, clipped []*node, s *surface) error {
	l := c.d.layers.of(n)
	if l.hidden() {
		return nil
	}
	if n.group && l.blendOf(true) == "pass" && len(clipped) == 0 {
		return c.through(ctx, n, s)
	}
	t, err := c.source(ctx, n)
	if err != nil || t == nil {
		return err
	}
	for _, k := range slices.Backward(clipped) {
		if c.d.layers.of(k).hidden() {
			continue
		}
		over, err := c.source(ctx, k)
		if err != nil {
			return err
		}
		if over == nil {
			continue
		}
		if err := c.finish(k, over); err != nil {
			return err
		}
		t.draw(over, c.d.layers.of(k).blendOf(k.group), true)
	}
	if err := c.finish(n, t); err != nil {
		return err
	}
	s.draw(t, l.blendOf(n.group), false)
	return nil
}

// through draws a group that is only a folder.
func (c *composer) through(ctx context.Context, n *node, s *surface) error {
	l := c.d.layers.of(n)
	c.faults(n)
	mask, err := c.mask(l, s)
	if err != nil {
		return err
	}
	o := float32(l.opacity) / 255 * float32(l.fill) / 255
	if o == 1 && mask == nil {
		return c.stack(ctx, n.children, s)
	}
	if err := c.take(s.w * s.h); err != nil {
		return err
	}
	was := s.clone()
	if err := c.stack(ctx, n.children, s); err != nil {
		return err
	}
	if mask == nil {
		mask = make([]float32, len(s.alpha))
		for i := range mask {
			mask[i] = 1
		}
	}
	for i := range mask {
		mask[i] *= o
	}
	s.fade(was, mask)
	return nil
}

// source is what a node looks like by itself, without its mask and opacity; nil if like nothing.
func (c *composer) source(ctx context.Context, n *node) (*surface, error) {
	c.faults(n)
	l := c.d.layers.of(n)
	_, colours := c.d.model()
	if n.group {
		if err := c.take(c.w * c.h); err != nil {
			return nil, err
		}
		s := newSurface(0, 0, c.w, c.h, colours)
		return s, c.stack(ctx, n.children, s)
	}
	if l.kind(false) == "adjustment" {
		return nil, nil
	}
	if l.box.width() == 0 || l.box.height() == 0 {
		return c.plainFill(l)
	}
	_, _, w, h := c.place(l.box)
	if err := c.take(w * h); err != nil {
		return nil, err
	}
	return c.tile(l)
}

// finish applies mask, opacity and fill.
func (c *composer) finish(n *node, s *surface) error {
	l := c.d.layers.of(n)
	mask, err := c.mask(l, s)
	if err != nil {
		return err
	}
	s.times(mask)
	s.scale(float32(l.opacity) / 255)
	if v := neutral(l.blendOf(n.group)); l.fill < 255 && v >= 0 {
		s.thin(v, float32(l.fill)/255)
		return nil
	}
	s.scale(float32(l.fill) / 255)
	return nil
}

// take counts the pixels of surfaces.
func (c *composer) take(n int) error {
	if c.budget -= int64(n); c.budget < 0 {
		return format.Unsupported("drawing so many large layers")
	}
	return nil
}

// faults notes what is not drawn of a node.
func (c *composer) faults(n *node) {
	for _, f := range c.d.faults(n) {
		c.left[f] = true
	}
}

// faults says what of a node this package cannot draw.
func (d *document) faults(n *node) []string {
	l := d.layers.of(n)
	var out []string
	add := func(bad bool, what string) {
		if bad {
			out = append(out, what)
		}
	}
	kind := l.kind(n.group)
	add(l.block("lfx2", "lmfx", "lrFX") != nil, "effects")
	add(kind == "adjustment", "adjustments")
	add(l.block("artb") != nil, "backgrounds of artboards")
	empty := l.box.width() == 0 || l.box.height() == 0
	add(empty && l.block("GdFl", "PtFl", "vscg") != nil && !n.group, "gradients and patterns")
	mode := l.blendOf(n.group)
	add(mode == "diss", "dissolving")
	add(separable(mode) == nil && joint(mode) == nil, "a new blend mode")
	add(joint(mode) != nil && d.mode != modeRGB, "blending of hue and lightness")
	if m, err := d.maskOf(l); err == nil && m != nil {
		add(m.feather != 0 || m.vFeather != 0, "soft edges of masks")
		add(m.user && (m.density != 255 || m.vDensity != 255), "the density of two masks together")
	}
	add(l.block("vmsk", "vsms") != nil && l.plane(idMask) == nil && l.block("vscg", "SoCo", "GdFl", "PtFl") == nil, "vector masks")
	add(empty && l.block("SoCo") != nil && l.block("vmsk", "vsms") != nil, "shapes")
	if r, err := d.load(l.ranges, 1<<16); err == nil {
		add(!plain(r), "blending ranges")
	}
	return out
}

// exact reports whether what this package draws of the stack is what Photoshop draws, to a rounding.
func (d *document) exact() bool {
	good := d.mode == modeRGB || d.mode == modeGray
	walk(d.layers.tree, func(n *node) {
		l := d.layers.of(n)
		if !good || l.hidden() {
			return
		}
		switch l.blendOf(n.group) {
		case "norm", "pass", "mul ", "scrn", "dark", "lite":
		default:
			good = false
		}
		good = good && len(d.faults(n)) == 0 && l.kind(n.group) != "text" && !l.clipped && (l.fill == 255 || !n.group)
		good = good && !d.set(l, "knko") && (l.block("tsly") == nil || d.set(l, "tsly"))
	})
	return good
}

// set reports whether the first byte of a block is not zero.
func (d *document) set(l *layer, key string) bool {
	b := l.block(key)
	if b == nil || b.data.n < 1 {
		return false
	}
	v, err := d.load(span{b.data.off, 1}, 1)
	return err == nil && v[0] != 0
}

// plainFill is a layer that fills the canvas with one colour, of an RGB document; nil for others.
func (c *composer) plainFill(l *layer) (*surface, error) {
	b := l.block("SoCo")
	if b == nil || c.d.mode != modeRGB || l.block("vmsk", "vsms") != nil {
		return nil, nil
	}
	data, err := c.d.load(b.data, maxDescriptor)
	if err != nil {
		return nil, err
	}
	s := over(data, "fill")
	colour := s.descriptor().get("Clr ")
	if s.err != nil || colour.child("Rd  ") == nil {
		c.left["a fill"] = true
		return nil, nil
	}
	if err := c.take(c.w * c.h); err != nil {
		return nil, err
	}
	t := newSurface(0, 0, c.w, c.h, 3)
	for i, key := range []string{"Rd  ", "Grn ", "Bl  "} {
		v := float32(colour.get(key).number / 255)
		for k := range t.colour[i] {
			t.colour[i][k] = v
		}
	}
	for k := range t.alpha {
		t.alpha[k] = 1
	}
	return t, nil
}
