package main

import (
	"bytes"
	"image"
	"image/png"
)

// A photo is a picture like those of cameras: broad light, patches with edges, and grain. RGB, of 8 or 16 bits.
type photo struct {
	width, height int
	deep          bool // 16 bits
	edits         int  // so many regions are painted over
	exposed       bool // all of it is a little brighter
}

// region of edit n: from a brush's dab to a ninth of the picture's sides.
func (p *photo) region(n int) image.Rectangle {
	r := seeded("region", n)
	w, h := r.between(p.width/120+1, p.width/9+1), r.between(p.height/120+1, p.height/9+1)
	x, y := r.below(p.width-w), r.below(p.height-h)
	return image.Rect(x, y, x+w, y+h)
}

// samples are three a pixel, of 16 bits.
func (p *photo) samples() []uint16 {
	out := make([]uint16, 3*p.width*p.height)
	r := seeded("photo")
	place := r.next()
	for y := range p.height {
		for x := range p.width {
			light := smooth(place, x, y, 480)*160 + smooth(place+1, x, y, 40)*40
			if smooth(place+2, x, y, 170) > 136 { // something stands there
				light = light*3/5 + 9000
			}
			grain := mix(place + 3 + uint64(y*p.width+x))
			for i := range 3 {
				v := light*(i+3)/5 + i*2500 + int(grain&1023) + int(grain>>10&1023)
				grain >>= 20
				if p.exposed {
					v += 900 + v/16
				}
				out[3*(y*p.width+x)+i] = uint16(min(v, 65535))
			}
		}
	}
	for n := range p.edits {
		at := p.region(n)
		for y := at.Min.Y; y < at.Max.Y; y++ {
			for x := at.Min.X; x < at.Max.X; x++ {
				s := out[3*(y*p.width+x):]
				for i := range 3 {
					s[i] ^= uint16(0x4000 + n<<9) // no sample stays as it is, whatever was below
				}
			}
		}
	}
	return out
}

// changed is the number of pixels in which an edited one differs from one without edits.
func (p *photo) changed() int {
	if p.exposed {
		return p.width * p.height
	}
	seen := map[int]int{}
	for n := range p.edits {
		at := p.region(n)
		for y := at.Min.Y; y < at.Max.Y; y++ {
			for x := at.Min.X; x < at.Max.X; x++ {
				seen[y*p.width+x] ^= 0x4000 + n<<9
			}
		}
	}
	sum := 0
	for _, by := range seen {
		if by != 0 {
			sum++
		}
	}
	return sum
}

func (p *photo) png() []byte {
	s := p.samples()
	var m image.Image
	if p.deep {
		to := image.NewNRGBA64(image.Rect(0, 0, p.width, p.height))
		for i := 0; i < len(s); i += 3 {
			at := to.Pix[i/3*8:]
			for k := range 3 {
				at[2*k], at[2*k+1] = byte(s[i+k]>>8), byte(s[i+k])
			}
			at[6], at[7] = 0xff, 0xff
		}
		m = to
	} else {
		to := image.NewNRGBA(image.Rect(0, 0, p.width, p.height))
		for i := 0; i < len(s); i += 3 {
			at := to.Pix[i/3*4:]
			at[0], at[1], at[2], at[3] = byte(s[i]>>8), byte(s[i+1]>>8), byte(s[i+2]>>8), 0xff
		}
		m = to
	}
	var b bytes.Buffer
	_ = png.Encode(&b, m) // a buffer takes it all
	return b.Bytes()
}
