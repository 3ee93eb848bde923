package unreal

import (
	"bytes"
	"context"

	"varve/format"
	"varve/format/jpeg"
	"varve/format/png"
)

const (
	maxThumbs    = 1 << 12
	maxThumbSize = 32 << 20 // bytes
)

// Picture shows the thumbnail that the editor put into the file: the first that is no empty one.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	p, err := open(in)
	if err != nil {
		return nil, err
	}
	none := format.Unsupported("it has no thumbnail")
	if p.thumbs == 0 {
		return nil, none
	}
	if p.thumbs < 0 || int64(p.thumbs) >= in.Size() {
		return nil, format.Malformed("thumbnails at %d of %d bytes", p.thumbs, in.Size())
	}
	n := min(in.Size()-int64(p.thumbs), 1<<20)
	b, err := format.ReadSpan(in, int64(p.thumbs), n, n)
	if err != nil {
		return nil, err
	}
	w := &walker{b: b}
	count := w.i32()
	if count > maxThumbs {
		return nil, format.Malformed("%d thumbnails", count)
	}
	for range max(count, 0) {
		w.text()
		w.text()
		at := w.i32()
		if w.err != nil {
			return nil, w.err
		}
		pic, err := thumb(ctx, in, int64(at), size)
		if err != nil || pic != nil {
			return pic, err
		}
	}
	return nil, none
}

// thumb reads one thumbnail; nil where it is empty.
func thumb(ctx context.Context, in format.Input, at int64, size int) (*format.Picture, error) {
	head, err := format.ReadSpan(in, at, 12, 12)
	if err != nil {
		return nil, err
	}
	w := &walker{b: head}
	width, height, n := w.i32(), w.i32(), w.i32()
	if width == 0 || height == 0 || n == 0 {
		return nil, nil
	}
	b, err := format.ReadSpan(in, at+12, int64(n), maxThumbSize)
	if err != nil {
		return nil, err
	}
	var f format.Format = jpeg.Format{}
	if bytes.HasPrefix(b, []byte("\x89PNG")) {
		f = png.Format{}
	}
	pic, err := format.Show(ctx, f, format.Bytes(b), size)
	if err != nil {
		return nil, err
	}
	pic.Source, pic.Note = format.Embedded, ""
	return pic, nil
}
