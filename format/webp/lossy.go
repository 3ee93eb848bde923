package webp

import (
	"image"

	"varve/format/raster"
)

// lossy makes RGB of the Y'CbCr of a lossy picture, and takes the alpha of a, if there is any. Y' is from 16 to 235;
// chroma, of a quarter of the pixels, is smoothed.
func lossy(m *image.YCbCr, a *image.NYCbCrA) (*raster.Image, error) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	p, err := raster.New(w, h, raster.RGB, a != nil, raster.U8)
	if err != nil {
		return nil, err
	}
	n := p.Channels()
	cw, ch := (w+1)/2, (h+1)/2
	for y := range h {
		near, far := y/2, y/2+1
		if y%2 == 0 {
			far = y/2 - 1
		}
		far = min(max(far, 0), ch-1)
		cb0, cb1 := m.Cb[near*m.CStride:][:cw], m.Cb[far*m.CStride:][:cw]
		cr0, cr1 := m.Cr[near*m.CStride:][:cw], m.Cr[far*m.CStride:][:cw]
		luma := m.Y[y*m.YStride:][:w]
		out := p.RowU8(y)
		for x := range w {
			i, k := x/2, x/2+1
			if x%2 == 0 {
				k = x/2 - 1
			}
			k = min(max(k, 0), cw-1)
			colour(out[x*n:], int32(luma[x]), smooth(cb0[i], cb0[k], cb1[i], cb1[k]), smooth(cr0[i], cr0[k], cr1[i], cr1[k]))
		}
		if a != nil {
			for x := range w {
				out[x*n+3] = a.A[y*a.AStride+x]
			}
		}
	}
	return p, nil
}

// smooth weighs a sample 9, those beside it 3 and that across 1 of 16, rounded as the format's decoder does.
func smooth(near, beside, above, across uint8) int32 {
	n := int32(near)
	return ((n+3*int32(beside)+3*int32(above)+int32(across)+8)>>3 + n) >> 1
}

// colour puts RGB, in fixed point of 14 bits of which 6 are kept to the end.
func colour(px []uint8, y, cb, cr int32) {
	v := y * 19077 >> 8
	px[0] = clip(v + cr*26149>>8 - 14234)
	px[1] = clip(v - cb*6419>>8 - cr*13320>>8 + 8708)
	px[2] = clip(v + cb*33050>>8 - 17685)
}

func clip(v int32) uint8 {
	return uint8(min(max(v>>6, 0), 255))
}
