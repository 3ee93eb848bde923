package layers

import (
	"bytes"
	"errors"

	"varve/format"
	"varve/format/raster"
	"varve/format/zipfile"
)

// Over puts a picture over another at a place of it, normally blended. Both are RGB of 8 bits with straight alpha;
// opacity is of 255.
func Over(p, q *raster.Image, x0, y0, opacity int) {
	for y := max(0, -y0); y < min(q.Height, p.Height-y0); y++ {
		for x := max(0, -x0); x < min(q.Width, p.Width-x0); x++ {
			at := 4 * ((y+y0)*p.Width + x + x0)
			over(p.U8[at:at+4:at+4], q.U8[4*(y*q.Width+x):], uint32(opacity))
		}
	}
}

func over(below, above []uint8, opacity uint32) {
	a := (uint32(above[3])*opacity + 127) / 255
	switch {
	case a == 0:
	case a == 255 || below[3] == 0:
		copy(below, above[:3])
		below[3] = uint8(a)
	default: // 255² is one
		all := a*255 + uint32(below[3])*(255-a)
		for c := range 3 {
			v := uint32(above[c])*a*255 + uint32(below[c])*uint32(below[3])*(255-a)
			below[c] = uint8((v + all/2) / all)
		}
		below[3] = uint8((all + 127) / 255)
	}
}

// alike: where they are seen, colours differ by rounding at most.
func alike(p, q *raster.Image) bool {
	if p.Width != q.Width || p.Height != q.Height || p.Depth != raster.U8 || p.Model != raster.RGB {
		return false
	}
	n := p.Channels()
	for i := range p.Width * p.Height {
		a, b := p.U8[i*n:i*n+n], q.U8[4*i:4*i+4]
		alpha := uint8(255)
		if p.Alpha {
			alpha = a[3]
		}
		if far(alpha, b[3], 1) {
			return false
		}
		for c := range 3 { // little alpha leaves little of a colour
			if alpha > 0 && far(a[c], b[c], 1+(255-int(alpha))/4) {
				return false
			}
		}
	}
	return true
}

func far(a, b uint8, most int) bool { return max(int(a)-int(b), int(b)-int(a)) > most }

// Preview is a picture that an archive has of itself.
type Preview struct {
	Name string // of its entry
	Side int    // how long its longer side is at most, in pixels; 0: as it is
}

// Repaint makes the pictures anew that an archive has of its layers, and reports whether it did: only where it is certain
// that they are right, for putting the layers together as they were gives the picture that the application made of
// them. had is that picture, was and next are the layers put together before and now; their errors that are
// ErrUnsupported or ErrLimit say that it is not certain.
func Repaint(r *zipfile.Rewrite, previews []Preview, had, was, next func() (*raster.Image, error)) (bool, error) {
	p, err := certain(had, was, next)
	if errors.Is(err, format.ErrUnsupported) || errors.Is(err, format.ErrLimit) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, v := range previews {
		if !r.Has(v.Name) {
			continue
		}
		q := p
		if v.Side > 0 {
			q = p.Scale(v.Side)
		}
		var b bytes.Buffer
		if err := raster.EncodePNG(&b, q); err != nil {
			return false, err
		}
		r.Put(v.Name, format.Bytes(b.Bytes()), zipfile.Deflate)
	}
	return true, nil
}

func certain(had, was, next func() (*raster.Image, error)) (*raster.Image, error) {
	h, err := had()
	if err != nil {
		return nil, err
	}
	w, err := was()
	if err != nil {
		return nil, err
	}
	if !alike(h, w) {
		return nil, format.Unsupported("the layers give another picture than was made of them")
	}
	return next()
}
