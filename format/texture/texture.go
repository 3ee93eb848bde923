// Package texture reads the pictures that lie on models, of whatever kind they are.
//
// It promises: what it returns is what the picture's format decodes. It keeps no bytes of its own on disk.
package texture

import (
	"context"
	"sync"

	"varve/format"
	"varve/format/bmp"
	"varve/format/dds"
	"varve/format/jpeg"
	"varve/format/mesh"
	"varve/format/png"
	"varve/format/pnm"
	"varve/format/raster"
	"varve/format/tga"
	"varve/format/tiff"
	"varve/format/webp"
)

// Decode returns the pixels of a picture. The name is where a kind is told by that alone.
func Decode(ctx context.Context, name string, in format.Input) (*raster.Image, error) {
	f, err := kinds().Find(name, in)
	if err != nil {
		return nil, err
	}
	return format.Decode(ctx, f, in)
}

func kinds() format.Set {
	return format.Set{png.Format{}, jpeg.Format{}, webp.Format{}, dds.Format{}, bmp.Format{}, tiff.Format{}, pnm.Format{}, tga.Format{}}
}

// Beside is the texture at a path beside a file; up says that v = 0 is its bottom.
func Beside(ctx context.Context, in format.Input, at string, up bool) *mesh.Texture {
	return &mesh.Texture{Up: up, Load: sync.OnceValues(func() (*raster.Image, error) {
		file, err := format.Beside(in, at)
		if err != nil {
			return nil, err
		}
		return Decode(ctx, at, file)
	})}
}

// Of is the texture of a picture.
func Of(ctx context.Context, name string, in format.Input, up bool) *mesh.Texture {
	return &mesh.Texture{Up: up, Load: sync.OnceValues(func() (*raster.Image, error) { return Decode(ctx, name, in) })}
}
