package blend

import (
	"context"
	"errors"

	"varve/format"
	"varve/format/mesh"
	"varve/format/raster"
)

const (
	maxPreview  = 1024    // pixels of a side
	headOfFile  = 5 << 20 // bytes of a stream that have the preview in them
	firstBlocks = 16      // of which one may be the preview
	maxDrawn    = 1 << 10 // pixels of a side
	maxFaces    = 1 << 26 // that are drawn
	drawnNote   = "meshes only, without modifiers, lights and textures"
)

// Picture is the preview that Blender put into a file, or else its meshes.
func (f Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	p, err := preview(ctx, in)
	if err != nil || p != nil {
		return p, err
	}
	m, err := modelOf(ctx, in, true)
	if err != nil {
		return nil, err
	}
	if m.Bounds().Empty() {
		return nil, format.Unsupported("it has no preview, and no mesh to draw")
	}
	side := min(max(size, 16), maxDrawn)
	img, err := mesh.Render(ctx, m, mesh.CameraOf(m.Bounds(), m.Up), side, side)
	if errors.Is(err, mesh.ErrInvalid) {
		return nil, format.Malformed("%v", err)
	}
	if err != nil {
		return nil, err
	}
	return &format.Picture{Image: img, Source: format.Rendered, Note: drawnNote}, nil
}

// preview reads the block TEST, and no more of a file than up to its end; nil where there is none, or an empty one.
func preview(ctx context.Context, in format.Input) (*format.Picture, error) {
	body, _, _, err := unpack(ctx, in, headOfFile)
	if err != nil {
		return nil, err
	}
	f := &file{in: in, body: body}
	if err := f.readHeader(); err != nil {
		return nil, err
	}
	w := window{in: body, step: 4 << 10}
	n, found := 0, false
	var test block
	_, err = f.header.chain(ctx, &w, func(k *block) bool {
		if found = k.code == codeOf("TEST"); found {
			test = *k
		}
		n++
		return !found && n < firstBlocks
	})
	if err != nil || !found || test.n < 8 {
		return nil, err
	}
	b, err := format.ReadSpan(body, test.off+f.header.headLen(), test.n, maxPreview*maxPreview*4+8)
	if err != nil {
		return nil, err
	}
	width, height := int(int32(f.header.order.Uint32(b))), int(int32(f.header.order.Uint32(b[4:])))
	b = b[8:]
	if width == 0 || height == 0 {
		return nil, nil
	}
	if width < 0 || height < 0 || width > maxPreview || height > maxPreview || len(b) < width*height*4 {
		return nil, format.Malformed("a preview of %d×%d in %d bytes", width, height, len(b))
	}
	img, err := raster.New(width, height, raster.RGB, true, raster.U8)
	if err != nil {
		return nil, err
	}
	seen := false
	for y := range height {
		row := img.U8[(height-1-y)*width*4:][:width*4]
		copy(row, b[y*width*4:])
		for x := 3; x < len(row); x += 4 {
			seen = seen || row[x] != 0
		}
	}
	if !seen {
		return nil, nil
	}
	return &format.Picture{Image: img, Source: format.Embedded}, nil
}
