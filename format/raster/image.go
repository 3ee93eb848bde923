// Package raster holds pictures at the depth that they were made with, and what can be measured of them and made
// from them: scaling and turning, comparing two versions ([Compare]) and drawing in what they differ, fingerprints of
// near duplicates, cards for what has no picture.
//
// It promises: samples are those of the file. Nothing is rounded to fewer bits, no alpha is multiplied in, no
// profile is applied, unless a function is asked for just that.
package raster

import (
	"errors"
	"fmt"
)

// Model says what the channels of a picture are, before alpha.
type Model uint8

const (
	Gray Model = 1 + iota // 1 channel
	RGB                   // 3
	CMYK                  // 4, of ink: 0 is none
	Lab                   // 3: L*, a*, b* as the file scales them
)

// Depth says what a sample is.
type Depth uint8

const (
	U8  Depth = 1 + iota // 0 to 255
	U16                  // 0 to 65535
	F32                  // any; of half floats too, which it holds exactly
)

// MaxPixels bounds the pictures that are decoded.
const MaxPixels = 1 << 28

// ErrSize says that a picture has no pixels, or too many to be decoded.
var ErrSize = errors.New("picture size")

// Image is a picture. Samples lie row by row from the top left, the channels of a pixel side by side, alpha last.
type Image struct {
	Width, Height int
	Model         Model
	Alpha         bool // there is one, straight unless Premultiplied
	Premultiplied bool
	Depth         Depth
	U8            []uint8   // of Depth U8, else nil
	U16           []uint16  // of Depth U16
	F32           []float32 // of Depth F32
	Linear        bool      // samples are linear light: EXR, HDR
	Profile       []byte    // ICC, as in the file; nil: none
}

// New returns a picture of zeros; ErrSize if it cannot be. alpha adds a channel.
func New(width, height int, m Model, alpha bool, d Depth) (*Image, error) {
	if width <= 0 || height <= 0 || int64(width)*int64(height) > MaxPixels {
		return nil, fmt.Errorf("%w: %d×%d", ErrSize, width, height)
	}
	p := &Image{Width: width, Height: height, Model: m, Alpha: alpha, Depth: d}
	n := width * height * p.Channels()
	switch d {
	case U8:
		p.U8 = make([]uint8, n)
	case U16:
		p.U16 = make([]uint16, n)
	case F32:
		p.F32 = make([]float32, n)
	default:
		return nil, fmt.Errorf("depth %d: %w", d, errors.ErrUnsupported)
	}
	return p, nil
}

// Channels returns the number of samples of a pixel, alpha included.
func (p *Image) Channels() int {
	n := 0
	switch p.Model {
	case Gray:
		n = 1
	case RGB, Lab:
		n = 3
	case CMYK:
		n = 4
	}
	if p.Alpha {
		n++
	}
	return n
}
