package creative

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"path"
	"strings"

	"varve/format"
	"varve/format/mesh"
	"varve/format/raster"
)

// Thumb is a small picture of a file.
type Thumb struct {
	PNG           []byte
	Width, Height int
	Source        format.Source
	Note          string // what it does not show, or why it is a card
}

// MaxThumb is the longest side of a Thumb, in pixels.
const MaxThumb = 4096

// Thumb returns a picture of the file whose longer side is at most size pixels. There always is one: where nothing can be
// shown it is a card that says why. An error is one of reading.
func (it *Item) Thumb(ctx context.Context, size int) (*Thumb, error) {
	if size < 1 || size > MaxThumb {
		return nil, fmt.Errorf("thumbnail of %d pixels: want 1 to %d", size, MaxThumb)
	}
	t, err := remembered(ctx, it, fmt.Sprintf("thumb-%d", size), func(ctx context.Context) (*Thumb, error) {
		p, err := it.show(ctx, size)
		if err != nil {
			return nil, err
		}
		return thumbOf(p, size)
	})
	if err == nil || !ofContent(err) {
		return t, err
	}
	kind := strings.ToUpper(strings.TrimPrefix(path.Ext(it.Path), "."))
	return thumbOf(&format.Picture{Image: raster.Card(size, kind, err.Error()), Source: format.Card, Note: err.Error()}, size)
}

func thumbOf(p *format.Picture, size int) (*Thumb, error) {
	small := p.Image.Scale(size)
	var b bytes.Buffer
	if err := raster.EncodePNG(&b, shown(small)); err != nil {
		return nil, err
	}
	return &Thumb{PNG: b.Bytes(), Width: small.Width, Height: small.Height, Source: p.Source, Note: p.Note}, nil
}

// shown is a picture as displays have it, of 8 bits.
func shown(p *raster.Image) *raster.Image {
	n := p.ToNRGBA8()
	out, err := raster.FromImage(n)
	if err != nil {
		return p
	}
	if opaque(n) {
		out.Alpha = false
		rgb := make([]uint8, 0, len(n.Pix)/4*3)
		for i := 0; i < len(n.Pix); i += 4 {
			rgb = append(rgb, n.Pix[i:i+3]...)
		}
		out.U8 = rgb
	}
	return out
}

func opaque(n *image.NRGBA) bool {
	for i := 3; i < len(n.Pix); i += 4 {
		if n.Pix[i] != 0xff {
			return false
		}
	}
	return true
}

// ofContent reports whether an error of a format is one of the file's content, not of reading it.
func ofContent(err error) bool {
	for _, is := range []error{format.ErrMalformed, format.ErrUnsupported, format.ErrLimit, format.ErrFailed, raster.ErrSize, mesh.ErrLimit, mesh.ErrInvalid} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// show makes the best picture that is to be had: one that the application has put into the file, or the file's own
// pixels, or a drawing of its model.
func (it *Item) show(ctx context.Context, size int) (*format.Picture, error) {
	p, err := format.Show(ctx, it.Format, it.Input, size)
	_, models := it.Format.(format.Modeler)
	if err == nil && p.Source != format.Rendered || err != nil && !ofContent(err) {
		return p, err
	}
	if models {
		return it.draw(ctx, size)
	}
	if _, ok := it.Format.(format.Decoder); ok && err != nil {
		if m, derr := format.Decode(ctx, it.Format, it.Input); derr == nil {
			return &format.Picture{Image: m, Source: format.Composited}, nil
		}
	}
	return p, err
}

// draw renders the file's model from where its other versions were seen from.
func (it *Item) draw(ctx context.Context, size int) (*format.Picture, error) {
	m, err := format.Model(ctx, it.Format, it.Input)
	if err != nil {
		return nil, err
	}
	return format.Guard(it.Format, func() (*format.Picture, error) { // textures are read while it is drawn
		p, err := mesh.Render(ctx, m, it.camera(m), size, size)
		if err != nil {
			return nil, err
		}
		return &format.Picture{Image: p, Source: format.Rendered, Note: m.Untextured()}, nil
	})
}

// camera is the one that the file's versions are seen by: that of the first that was drawn, while the model stays
// about where and as large as it was.
func (it *Item) camera(m *mesh.Model) mesh.Camera {
	type view struct {
		Bounds mesh.Bounds
		Camera mesh.Camera
	}
	now := m.Bounds()
	fresh := mesh.CameraOf(now, m.Up)
	if it.Loose || it.studio.Vault == nil {
		return fresh
	}
	name := "camera/" + generation + "/" + it.studio.Project.ID() + "/" + it.Path
	if b, ok := it.studio.Vault.Recollect(name); ok {
		var v view
		if json.Unmarshal(b, &v) == nil {
			far := distance(v.Bounds.Center(), now.Center())
			if d := v.Bounds.Diagonal(); d > 0 && now.Diagonal() < 1.5*d && now.Diagonal() > d/2 && far < d/2 {
				return v.Camera
			}
		}
	}
	if b, err := json.Marshal(view{now, fresh}); err == nil {
		it.studio.Vault.Remember(name, b)
	}
	return fresh
}
