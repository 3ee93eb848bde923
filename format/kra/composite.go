package kra

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"strconv"

	"varve/format"
	"varve/format/layers"
	"varve/format/raster"
)

// maxComposite bounds the pictures that are made of layers, in pixels.
const maxComposite = 1 << 25

// composite makes the picture of the layers, of 8 bits: ErrUnsupported where it is not known how, as of any blend mode
// but normal, of masks, filters and vectors.
func (d *document) composite(ctx context.Context) (*raster.Image, error) {
	if d.space != "RGBA" {
		return nil, format.Unsupported("layers of %s are not put together", d.space)
	}
	if int64(d.width)*int64(d.height) > maxComposite {
		return nil, fmt.Errorf("%d×%d pixels: %w", d.width, d.height, format.ErrLimit)
	}
	p, err := d.blend(ctx, d.top)
	if err != nil {
		return nil, err
	}
	if b := d.image.First("ProjectionBackgroundColor"); b != nil {
		under, err := base64.StdEncoding.DecodeString(d.get(b, "ColorData"))
		if err == nil && len(under) == 4 && under[3] != 0 {
			q, err := raster.New(d.width, d.height, raster.RGB, true, raster.U8)
			if err != nil {
				return nil, err
			}
			for i := 0; i < len(q.U8); i += 4 {
				q.U8[i], q.U8[i+1], q.U8[i+2], q.U8[i+3] = under[2], under[1], under[0], under[3]
			}
			layers.Over(q, p, 0, 0, 255)
			p = q
		}
	}
	p.Profile, err = d.profile(ctx)
	return p, err
}

// blend puts layers together, the first uppermost.
func (d *document) blend(ctx context.Context, list []*node) (*raster.Image, error) {
	p, err := raster.New(d.width, d.height, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		n := list[i]
		if d.get(n.Node, "visible") == "0" || n.Kind == "selectionmask" {
			continue
		}
		opacity, err := strconv.Atoi(d.get(n.Node, "opacity"))
		if err != nil || opacity < 0 || opacity > 255 {
			return nil, format.Unsupported("%s: opacity", n)
		}
		layer, err := d.layer(ctx, n)
		if err != nil {
			return nil, err
		}
		if layer != nil {
			layers.Over(p, layer, 0, 0, opacity)
		}
	}
	return p, nil
}

// layer returns the picture of a layer, as large as the canvas; nil where there is nothing of it.
func (d *document) layer(ctx context.Context, n *node) (*raster.Image, error) {
	for _, a := range []struct{ name, plain string }{{"compositeop", "normal"}, {"channelflags", ""}, {"passthrough", "0"}, {"layerstyle", ""}, {"keyframes", ""}} {
		if v := d.get(n.Node, a.name); v != "" && v != a.plain {
			return nil, format.Unsupported("%s: %s %s", n, a.name, v)
		}
	}
	for _, k := range n.kids {
		if k.mask() && k.Kind != "selectionmask" && d.get(k.Node, "visible") != "0" {
			return nil, format.Unsupported("%s", k)
		}
	}
	switch {
	case n.Kind == "grouplayer":
		var list []*node
		for _, k := range n.kids {
			if !k.mask() {
				list = append(list, k)
			}
		}
		return d.blend(ctx, list)
	case n.Kind == "paintlayer" && d.get(n.Node, "colorspacename") == d.space && n.parts[""] != nil:
		if err := d.sameProfile(ctx, n); err != nil {
			return nil, err
		}
		s, err := d.survey(ctx, n, "")
		if err != nil || s.empty() && !s.endless {
			return nil, err
		}
		x, _ := strconv.Atoi(d.get(n.Node, "x"))
		y, _ := strconv.Atoi(d.get(n.Node, "y"))
		return d.picture(ctx, n, "", -x, -y, d.width-x, d.height-y)
	}
	return nil, format.Unsupported("%s is not put together", n)
}

// sameProfile: a layer's colours mean what the picture's mean.
func (d *document) sameProfile(ctx context.Context, n *node) error {
	of, all := n.parts[".icc"], d.zip.Find(d.folder+"annotations/icc")
	if of == nil || all == nil || of.CRC == all.CRC && of.Size == all.Size {
		return nil
	}
	a, err := d.zip.Read(ctx, of, maxSmall)
	if err != nil {
		return err
	}
	b, err := d.zip.Read(ctx, all, maxSmall)
	if err == nil && !bytes.Equal(undated(a), undated(b)) {
		err = format.Unsupported("%s has another colour profile", n)
	}
	return err
}
