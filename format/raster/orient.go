package raster

import (
	"fmt"
	"image"
)

// Orient returns the picture turned so that it stands upright, given how it lies: the orientation of EXIF, 1 to 8. 1,
// and what is no orientation, is the picture itself. Undo of 6 is 8 and of 8 is 6; the others undo themselves.
func (p *Image) Orient(orientation int) *Image {
	if orientation < 2 || orientation > 8 {
		return p
	}
	w, h := p.Width, p.Height
	if orientation >= 5 {
		w, h = h, w
	}
	q := p.like(w, h)
	switch p.Depth {
	case U8:
		orient(q.U8, p.U8, p.Width, p.Height, p.Channels(), orientation)
	case U16:
		orient(q.U16, p.U16, p.Width, p.Height, p.Channels(), orientation)
	case F32:
		orient(q.F32, p.F32, p.Width, p.Height, p.Channels(), orientation)
	}
	return q
}

// orient walks over dst in order; src is read with the steps that the orientation gives. In blocks, for a column of a
// large picture does not fit a cache.
func orient[T any](dst, src []T, w, h, n, orientation int) {
	// Of the pixel at the top left, and how far it is to the next one right and down, in pixels of src.
	start, right, down := 0, 1, w
	switch orientation {
	case 2:
		start, right, down = w-1, -1, w
	case 3:
		start, right, down = w*h-1, -1, -w
	case 4:
		start, right, down = (h-1)*w, 1, -w
	case 5:
		start, right, down = 0, w, 1
	case 6:
		start, right, down = (h-1)*w, -w, 1
	case 7:
		start, right, down = w*h-1, -w, -1
	case 8:
		start, right, down = w-1, w, -1
	}
	if orientation >= 5 {
		w, h = h, w
	}
	const block = 32
	for by := 0; by < h; by += block {
		for bx := 0; bx < w; bx += block {
			for y := by; y < min(by+block, h); y++ {
				for x := bx; x < min(bx+block, w); x++ {
					from, to := (start+x*right+y*down)*n, (y*w+x)*n
					copy(dst[to:to+n], src[from:from+n])
				}
			}
		}
	}
}

// Crop returns what of the picture is inside of r, ErrSize if there is nothing.
func (p *Image) Crop(r image.Rectangle) (*Image, error) {
	r = r.Intersect(image.Rect(0, 0, p.Width, p.Height))
	if r.Empty() {
		return nil, fmt.Errorf("crop: %w: nothing is left", ErrSize)
	}
	q := p.like(r.Dx(), r.Dy())
	n := p.Channels()
	for y := range q.Height {
		from, to := r.Min.X*n, r.Max.X*n
		switch p.Depth {
		case U8:
			copy(q.RowU8(y), p.RowU8(r.Min.Y + y)[from:to])
		case U16:
			copy(q.RowU16(y), p.RowU16(r.Min.Y + y)[from:to])
		case F32:
			copy(q.RowF32(y), p.RowF32(r.Min.Y + y)[from:to])
		}
	}
	return q, nil
}
