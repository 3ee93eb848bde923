package xcf

import (
	"encoding/binary"
	"math"

	"varve/format/raster"
)

// composite puts a band onto another; both are in the mode's space.
func (f *flattener) composite(b, src *band, how blending, opacity float32, whole bool) {
	plain := how.mix == nil && how.composite == union
	for i := 0; i+4 <= len(b.pix); i += 4 {
		in, layer := b.pix[i:i+4:i+4], src.pix[i:i+4:i+4]
		alpha := layer[3] * opacity
		if plain && alpha >= 1 {
			in[0], in[1], in[2], in[3] = layer[0], layer[1], layer[2], 1
			continue
		}
		if alpha == 0 && how.composite == union {
			continue
		}
		if how.composite == colorErase {
			how.wipe(in, layer, alpha)
			continue
		}
		comp := [3]float32{layer[0], layer[1], layer[2]}
		if how.mix != nil && alpha != 0 && in[3] != 0 {
			comp = how.mixed(in, layer)
		}
		how.cover(in, layer, comp, alpha, opacity)
	}
}

// mixed returns the mode's colour of two.
func (how *blending) mixed(in, layer []float32) [3]float32 {
	var a, b rgb
	for c := range 3 {
		a[c], b[c] = how.mixing(in[c]), how.mixing(layer[c])
	}
	m := how.mix(a, b)
	return [3]float32{how.covering(m[0]), how.covering(m[1]), how.covering(m[2])}
}

// cover mixes by alpha: in is what is below, and becomes what is there.
func (how *blending) cover(in, layer []float32, comp [3]float32, alpha, opacity float32) {
	switch how.composite {
	case union, behind:
		below := in[3]
		a := alpha + (1-alpha)*below
		if alpha == 0 || a == 0 {
			return
		}
		if below == 0 {
			copy(in, layer[:3])
			in[3] = a
			return
		}
		k := alpha / a
		for c := range 3 {
			if how.composite == behind {
				in[c] = layer[c] + below/a*(in[c]-layer[c])
			} else {
				in[c] += k * (below*(comp[c]-layer[c]) + layer[c] - in[c])
			}
		}
		in[3] = a
	case clipToBackdrop:
		if in[3] == 0 || alpha == 0 {
			return
		}
		for c := range 3 {
			in[c] += (comp[c] - in[c]) * alpha
		}
	case legacy:
		k := min(in[3], layer[3]) * opacity
		if layer[3] > 0 {
			k = min(in[3], layer[3]) * alpha / layer[3]
		}
		if a := in[3] + (1-in[3])*k; k > 0 && a > 0 {
			for c := range 3 {
				in[c] += (comp[c] - in[c]) * k / a
			}
		}
	case clipToLayer:
		for c := range 3 {
			switch {
			case alpha == 0:
			case in[3] == 0:
				in[c] = layer[c]
			default:
				in[c] = layer[c] + (comp[c]-layer[c])*in[3]
			}
		}
		in[3] = alpha
	case intersection:
		a := in[3] * alpha
		if a > 0 {
			copy(in, comp[:])
		}
		in[3] = a
	case replace:
		mixed(in, in, []float32{layer[0], layer[1], layer[2], layer[3]}, opacity)
	case erase:
		in[3] *= 1 - alpha
	case antiErase:
		in[3] += (1 - in[3]) * alpha
	case split:
		in[3] = max(in[3]-alpha, 0)
	case fused:
		if a := min(in[3], 1-alpha) + alpha; a > 0 {
			for c := range 3 {
				in[c] += (layer[c] - in[c]) * alpha / a
			}
			in[3] = a
		}
	}
}

// wipe takes the layer's colour out of what is below: as much becomes transparent as can be said to be of it.
func (how *blending) wipe(in, layer []float32, alpha float32) {
	if in[3] == 0 || alpha == 0 {
		return
	}
	var a, b rgb
	for c := range 3 {
		a[c], b[c] = how.mixing(in[c]), unit(how.mixing(layer[c]))
	}
	left := 0.0
	for c := range 3 {
		if d := a[c] - b[c]; d > 0 {
			left = max(left, d/(1-b[c]))
		} else if d < 0 {
			left = max(left, -d/b[c])
		}
	}
	left = min(left, 1)
	there := 1 - float64(alpha) + left*float64(alpha)
	if there > 0 && left > 0 {
		k := left * float64(alpha) / there
		for c := range 3 {
			comp := how.covering((a[c]-b[c])/left + b[c])
			in[c] += (comp - in[c]) * float32(k)
		}
	}
	in[3] *= float32(there)
}

// mixing brings a value of the space in which layers cover each other into the one in which their colours mix.
func (how *blending) mixing(v float32) float64 {
	switch {
	case how.space == how.compSpace:
		return float64(v)
	case how.space == linear:
		return toLinear(float64(v))
	}
	return toPerceptual(float64(v))
}

// covering is the way back.
func (how *blending) covering(v float64) float32 {
	switch {
	case how.space == how.compSpace:
		return float32(v)
	case how.space == linear:
		return float32(toPerceptual(v))
	}
	return float32(toLinear(v))
}

// round brings a group's pixels to the precision of the document, which is how GIMP keeps them.
func (f *flattener) round(b *band) {
	if f.precision.float || f.precision.bytes > 2 {
		return
	}
	b.in(f.native())
	top := float32(255)
	if f.precision.bytes == 2 {
		top = 65535
	}
	for i, v := range b.pix {
		b.pix[i] = float32(math.Floor(float64(min(max(v, 0), 1)*top+0.5))) / top
	}
}

// native is the space of the document's samples.
func (f *flattener) native() int {
	if f.precision.linear {
		return linear
	}
	return perceptual
}

// store writes a band into a picture, from a row on.
func (f *flattener) store(img *raster.Image, b *band, top int) {
	quick := img.Depth == raster.U8 && f.native() == perceptual && b.space == linear
	if !quick {
		b.in(f.native())
	}
	n := img.Channels()
	at := top * img.Width * n
	for i := 0; i+4 <= len(b.pix); i, at = i+4, at+n {
		p := b.pix[i : i+4 : i+4]
		if p[3] == 0 {
			continue
		}
		for c := range n {
			k := c
			if c == n-1 {
				k = 3
			}
			v := p[k]
			switch {
			case img.Depth == raster.F32:
				img.F32[at+c] = v
			case img.Depth == raster.U16:
				img.U16[at+c] = uint16(min(max(v, 0), 1)*65535 + 0.5)
			case quick && k < 3:
				img.U8[at+c] = f.byteOf(v)
			default:
				img.U8[at+c] = uint8(min(max(v, 0), 1)*255 + 0.5)
			}
		}
	}
}

// byteOf returns the perceptual 8-bit sample of linear light.
func (f *flattener) byteOf(v float32) uint8 {
	if !(v > 0) {
		return 0
	}
	if v >= 1 {
		return 255
	}
	i := f.near[int(math.Sqrt(float64(v))*1024)] // at most what it is
	for i < 255 && float64(v) >= f.steps[i+1] {
		i++
	}
	return i
}

// samples returns a layer's or channel's own pixels as a picture at its depth.
func (f *flattener) samples(it *item) (*raster.Image, error) {
	depth, size := raster.U8, 1
	switch {
	case f.precision.float || f.precision.bytes > 2:
		depth, size = raster.F32, 4
	case f.precision.bytes == 2:
		depth, size = raster.U16, 2
	}
	model, alpha := raster.RGB, it.form&1 == 1
	if it.channel || it.form == 2 || it.form == 3 {
		model = raster.Gray
	}
	if int64(it.width)*int64(it.height)*4*int64(size) > maxPicture {
		return nil, tooLarge(it)
	}
	img, err := raster.New(it.width, it.height, model, alpha, depth)
	if err != nil {
		return nil, tooLarge(it)
	}
	img.Linear, img.Profile = f.precision.linear, f.profile()
	form := it.form
	if it.channel {
		form = 2
	}
	n := img.Channels()
	var px [4]float32
	for y := range it.height {
		row, err := f.rowOf(it.pixels, y)
		if err != nil {
			return nil, err
		}
		at := y * it.width * n
		for x := range it.width {
			p := row[x*it.pixels.bpp:]
			switch {
			case form >= 4:
				f.pixel(px[:], p, form, false)
				for c := range n {
					img.U8[at+x*n+c] = uint8(px[c]*255 + 0.5)
				}
			case depth == raster.U8:
				copy(img.U8[at+x*n:], p[:n])
			case depth == raster.U16:
				for c := range n {
					img.U16[at+x*n+c] = binary.BigEndian.Uint16(p[2*c:])
				}
			default:
				for c := range n {
					img.F32[at+x*n+c] = f.precision.value(p[c*f.precision.bytes:])
				}
			}
		}
	}
	return img, nil
}
