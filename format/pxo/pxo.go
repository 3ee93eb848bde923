// Package pxo knows the documents of Pixelorama 1.0 and later: their layers and frames, and what they look like.
//
// It promises: a layer's pixels are those of all its frames, however the archive packs them. It draws frames of plain
// layers and tile maps blended normally; of the rest it shows the picture that Pixelorama put into the file, or says why
// it does not.
//
// # Bytes
//
// A zip archive. Frames and layers are counted from 1; layers from the lowest.
//
//	mimetype                        application/x-pixelorama
//	data.json                       size_x, size_y, layers [{name, type, parent, opacity, blend_mode, …}], frames [{cels, duration}], tags
//	preview.png                     of at most 256 pixels
//	image_data/frames/F/layer_L     size_x × size_y × 4 bytes RGBA, rows from the top, straight alpha
//	image_data/frames/F/indices_…   of indexed images, and one zero byte of others
//	tilesets/T/I, scene/S, …        tiles, scenes of 3-D layers, audio, reference images
//
// Older documents are one line of JSON and pixels, compressed as a whole by Godot: they begin with GCPF.
package pxo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/png"
	"varve/format/raster"
	"varve/format/zipfile"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "pxo".
func (Format) Name() string { return "pxo" }

// Match goes by the name and the first bytes.
func (Format) Match(name string, head []byte) bool {
	return strings.EqualFold(path.Ext(name), ".pxo") && (bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("GCPF")))
}

const (
	maxJSON   = 64 << 20 // bytes
	maxLayers = 1 << 12
	maxFrames = 1 << 14
	rgba      = 5 // of color_mode
)

// Kinds of layers.
const (
	pixels = iota
	group
	solid // of three dimensions
	tiles
	audio
)

type document struct {
	Width    int               `json:"size_x"`
	Height   int               `json:"size_y"`
	Mode     int               `json:"color_mode"`
	Layers   []layer           `json:"layers"`
	Frames   []frame           `json:"frames"`
	Tags     []json.RawMessage `json:"tags"`
	Tilesets []struct {
		Name string `json:"name"`
	} `json:"tilesets"`
	zip *zipfile.Archive
}

type layer struct {
	Name     string            `json:"name"`
	Type     int               `json:"type"`
	Parent   int               `json:"parent"`
	Opacity  *float64          `json:"opacity"`
	Blend    int               `json:"blend_mode"`
	Visible  bool              `json:"visible"`
	Locked   bool              `json:"locked"`
	Clipping bool              `json:"clipping_mask"`
	Effects  []json.RawMessage `json:"effects"`
	Animated json.RawMessage   `json:"animated_params"`
}

type frame struct {
	Duration float64                      `json:"duration"`
	Cels     []map[string]json.RawMessage `json:"cels"`
}

func open(ctx context.Context, in format.Input) (*document, error) {
	if head, err := format.ReadSpan(in, 0, min(in.Size(), 4), 4); err == nil && string(head) == "GCPF" {
		return nil, format.Unsupported("it is of a Pixelorama before 1.0: opened and saved with a newer one it can be read")
	}
	z, err := zipfile.Open(in)
	if err != nil {
		return nil, err
	}
	e := z.Find("data.json")
	if e == nil {
		return nil, format.Malformed("there is no data.json")
	}
	b, err := z.Read(ctx, e, maxJSON)
	if err != nil {
		return nil, err
	}
	d := &document{zip: z}
	if err := json.Unmarshal(b, d); err != nil {
		return nil, format.Malformed("data.json: %v", err)
	}
	if d.Width < 1 || d.Height < 1 || int64(d.Width)*int64(d.Height) > raster.MaxPixels {
		return nil, format.Malformed("a canvas of %d × %d", d.Width, d.Height)
	}
	if len(d.Layers) > maxLayers || len(d.Frames) > maxFrames {
		return nil, fmt.Errorf("%d layers, %d frames: %w", len(d.Layers), len(d.Frames), format.ErrLimit)
	}
	for i := range d.Layers {
		if p := d.Layers[i].Parent; p < -1 || p >= len(d.Layers) || p >= 0 && p <= i {
			return nil, format.Malformed("layer %d is in %d", i+1, p+1)
		}
	}
	return d, nil
}

// cel is the entry of a layer's pixels in a frame; nil where there is none. Both are counted from 0.
func (d *document) cel(frame, layer int) *zipfile.Entry {
	return d.zip.Find(fmt.Sprintf("image_data/frames/%d/layer_%d", frame+1, layer+1))
}

// Validate is nil if the archive is whole, and every cel is of the size of the canvas.
func (Format) Validate(ctx context.Context, in format.Input) error {
	d, err := open(ctx, in)
	if err != nil {
		return err
	}
	for f := range d.Frames {
		for l := range d.Layers {
			e := d.cel(f, l)
			if want := 4 * int64(d.Width) * int64(d.Height); e != nil && d.Mode == rgba && e.Size != want {
				return format.Malformed("layer %d of frame %d has %d bytes, not %d", l+1, f+1, e.Size, want)
			}
		}
	}
	return d.zip.Validate(ctx, true)
}

// Regions are the contents of the archive.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	z, err := zipfile.Open(in)
	if err != nil {
		return nil, err
	}
	return z.Regions()
}

// Elements lists the layers, from the uppermost, and the frames.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Element
	for i := len(d.Layers) - 1; i >= 0; i-- {
		e, err := d.element(ctx, i)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	for i, f := range d.Frames {
		out = append(out, format.Element{ID: "frame:" + strconv.Itoa(i+1), Kind: "frame", Name: "frame " + strconv.Itoa(i+1), Properties: map[string]string{"duration": text(f.Duration)}})
	}
	return out, nil
}

func text(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func kind(t int) string {
	switch t {
	case group:
		return "group"
	case solid:
		return "3-D layer"
	case tiles:
		return "tile map"
	case audio:
		return "sound"
	}
	return "layer"
}

func (d *document) element(ctx context.Context, i int) (format.Element, error) {
	l := &d.Layers[i]
	e := format.Element{ID: "layer:" + strconv.Itoa(i+1), Kind: kind(l.Type), Name: l.Name, Properties: map[string]string{
		"opacity": text(l.opacity()), "blend": strconv.Itoa(l.Blend), "visible": strconv.FormatBool(l.Visible), "locked": strconv.FormatBool(l.Locked), "clipping mask": strconv.FormatBool(l.Clipping)}, Aspects: map[string]string{}}
	if l.Parent >= 0 {
		e.Parent = "layer:" + strconv.Itoa(l.Parent+1)
	}
	var parts, settings [][]byte
	for f := range d.Frames {
		if i < len(d.Frames[f].Cels) {
			cel, err := json.Marshal(d.Frames[f].Cels[i]) // keys in order
			if err != nil {
				return e, format.Malformed("a cel: %v", err)
			}
			settings = append(settings, cel)
		}
		if x := d.cel(f, i); x != nil {
			e.Bytes += x.Compressed
			// Of the content: a sum and the size, as the archive has them.
			parts = append(parts, fmt.Appendf(nil, "%d %d %08x\n", f, x.Size, x.CRC))
		}
		if err := ctx.Err(); err != nil {
			return e, err
		}
	}
	if len(parts) > 0 {
		e.Aspects["pixels"] = format.HashOf(parts...)
	}
	e.Aspects["cels"] = format.HashOf(settings...)
	if len(l.Effects) > 0 {
		e.Aspects["effects"] = format.HashOf(bytes.Join(toBytes(l.Effects), nil))
	}
	if len(l.Animated) > 0 {
		e.Aspects["animation"] = format.HashOf(l.Animated)
	}
	return e, nil
}

func toBytes(list []json.RawMessage) (out [][]byte) {
	for _, r := range list {
		out = append(out, r)
	}
	return out
}

func (l *layer) opacity() float64 {
	if l.Opacity == nil {
		return 1
	}
	return min(max(*l.Opacity, 0), 1)
}

// Picture shows the picture in the file where that is large enough, else the first frame, else that again.
func (f Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	small, err := d.preview(ctx, size)
	if err == nil && 2*max(small.Image.Width, small.Image.Height) >= min(size, max(d.Width, d.Height)) {
		return small, nil
	}
	if img, why := d.compose(ctx, 0); why == nil {
		return &format.Picture{Image: img, Source: format.Composited}, nil
	} else if err != nil {
		return nil, why
	}
	return small, nil
}

func (d *document) preview(ctx context.Context, size int) (*format.Picture, error) {
	e := d.zip.Find("preview.png")
	if e == nil {
		return nil, format.Unsupported("it has no preview")
	}
	b, err := d.zip.Read(ctx, e, 16<<20)
	if err != nil {
		return nil, err
	}
	p, err := format.Show(ctx, png.Format{}, format.Bytes(b), size)
	if err != nil {
		return nil, err
	}
	p.Source = format.Embedded
	return p, nil
}

// Decode draws the first frame.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return d.compose(ctx, 0)
}

// Extract makes a PNG of a layer: of its first frame, at full opacity.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	for i := range d.Layers {
		if id != "layer:"+strconv.Itoa(i+1) {
			continue
		}
		p, err := d.pixels(ctx, 0, i)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := raster.EncodePNG(&b, p); err != nil {
			return nil, err
		}
		out := new(format.Output)
		_, _ = out.Write(b.Bytes())
		return &format.Extract{Extension: ".png", Content: out}, nil
	}
	for i := range d.Frames {
		if id == "frame:"+strconv.Itoa(i+1) {
			return nil, format.Unsupported("a frame as a file of its own")
		}
	}
	return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
}
