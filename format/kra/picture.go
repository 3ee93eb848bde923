package kra

import (
	"context"
	"errors"

	"varve/format"
	"varve/format/png"
	"varve/format/raster"
)

// Picture is the small picture that the document has, or the whole one; where it has none, its layers put together.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	small, serr := d.png(ctx, preview)
	if serr == nil {
		if long := max(small.Width, small.Height); 2*long >= size || long >= max(d.width, d.height) {
			return &format.Picture{Image: small, Source: format.Embedded}, nil
		}
	}
	p, err := d.merged(ctx)
	if err == nil {
		return &format.Picture{Image: p, Source: format.Embedded}, nil
	}
	if serr == nil {
		return &format.Picture{Image: small, Source: format.Embedded, Note: "smaller than asked for"}, nil
	}
	if p, cerr := d.composite(ctx); cerr == nil {
		return &format.Picture{Image: p, Source: format.Composited}, nil
	} else if errors.Is(err, format.ErrUnsupported) {
		err = cerr
	}
	return nil, err
}

// Decode gives the picture that Krita made when it saved, of 8 bits in sRGB, or of an RGB document of 8 bits in its
// profile; where there is none, the layers put together.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	p, err := d.merged(ctx)
	if errors.Is(err, format.ErrUnsupported) {
		return d.composite(ctx)
	}
	return p, err
}

// merged decodes the whole picture. Krita writes it without a profile: where it is not converted, it has the document's.
func (d *document) merged(ctx context.Context) (*raster.Image, error) {
	p, err := d.png(ctx, merged)
	if err == nil && p.Profile == nil && d.space == "RGBA" {
		p.Profile, err = d.profile(ctx)
	}
	return p, err
}

// profile reads the document's colour profile; nil where it has none.
func (d *document) profile(ctx context.Context) ([]byte, error) {
	e := d.zip.Find(d.folder + "annotations/icc")
	if e == nil {
		return nil, nil
	}
	return d.zip.Read(ctx, e, maxSmall)
}

// png decodes a picture in the archive; ErrUnsupported where there is none.
func (d *document) png(ctx context.Context, name string) (*raster.Image, error) {
	e := d.zip.Find(name)
	if e == nil {
		return nil, format.Unsupported("the document has no %s", name)
	}
	b, err := d.zip.Read(ctx, e, maxPart)
	if err != nil {
		return nil, err
	}
	return png.Format{}.Decode(ctx, format.Bytes(b))
}
