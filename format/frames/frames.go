// Package frames is what formats with pictures in them have in common: the element that a picture is, the hash of its
// pixels, the canvas on which an animation's frames are shown, and a frame as a file.
//
// It promises: two pictures that show the same have the same hash, whether they are kept with a palette, grey as RGB or
// opaque with alpha; samples of 8 and of 16 bits are never the same.
package frames

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"
	"strconv"
	"time"

	"varve/format"
	"varve/format/raster"
)

// Bound refuses a picture that is out of proportion to its file of size bytes: with few bytes some formats say a large
// one. ErrLimit.
func Bound(width, height int, size int64) error {
	if n := int64(width) * int64(height); n > 1<<24+4096*size {
		return fmt.Errorf("a picture of %d×%d in %d bytes: %w", width, height, size, format.ErrLimit)
	}
	return nil
}

// MaxShown bounds the pixels of all frames of an animation together, each as large as the canvas.
const MaxShown = 1 << 32

// BoundAll refuses an animation with more than MaxShown pixels. ErrLimit.
func BoundAll(width, height, count int) error {
	if count > 0 && int64(width)*int64(height) > MaxShown/int64(count) {
		return fmt.Errorf("%d frames of %d×%d: %w", count, width, height, format.ErrLimit)
	}
	return nil
}

// Element is the element of a picture at x, y of the canvas.
func Element(id, kind, name string, p *raster.Image, x, y int) format.Element {
	e := format.Element{ID: id, Kind: kind, Name: name,
		Bounds:     []float64{float64(x), float64(y), float64(x + p.Width), float64(y + p.Height)},
		Properties: map[string]string{"color": Colour(p)},
		Aspects:    map[string]string{"pixels": Hash(p)}}
	if len(p.Profile) > 0 {
		e.Aspects["profile"] = ProfileHash(p.Profile)
	}
	return e
}

// Still is the element of a picture that its file is, which takes so many bytes.
func Still(p *raster.Image, size int64) format.Element {
	e := Element("image", "image", "Image", p, 0, 0)
	e.Stable, e.Bytes = "image", size
	return e
}

// Colour says what the samples of a picture are: "RGB, 16 bits".
func Colour(p *raster.Image) string {
	s := map[raster.Model]string{raster.Gray: "grey", raster.RGB: "RGB", raster.CMYK: "CMYK", raster.Lab: "Lab"}[p.Model]
	return s + map[raster.Depth]string{raster.U8: ", 8 bits", raster.U16: ", 16 bits", raster.F32: ", float"}[p.Depth]
}

// Delay is how long a frame is shown, as text: "100 ms".
func Delay(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + " ms"
}

// Hash is of what a picture shows: grey is taken as RGB, and alpha that is opaque everywhere as none.
func Hash(p *raster.Image) string {
	h := sha256.New()
	alpha := p.Alpha && !opaque(p)
	model := p.Model
	if model == raster.Gray {
		model = raster.RGB
	}
	fmt.Fprintf(h, "%d %d %d %t %t %d %t\n", p.Width, p.Height, model, alpha, alpha && p.Premultiplied, p.Depth, p.Linear)
	switch p.Depth {
	case raster.U8:
		samples(h, p, alpha, p.U8, 1, func(b []byte, v uint8) { b[0] = v })
	case raster.U16:
		samples(h, p, alpha, p.U16, 2, func(b []byte, v uint16) { binary.LittleEndian.PutUint16(b, v) })
	case raster.F32:
		samples(h, p, alpha, p.F32, 4, func(b []byte, v float32) { binary.LittleEndian.PutUint32(b, math.Float32bits(v)) })
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func opaque(p *raster.Image) bool {
	n := p.Channels()
	switch p.Depth {
	case raster.U8:
		return full(p.U8, n, 255)
	case raster.U16:
		return full(p.U16, n, 65535)
	}
	return full(p.F32, n, 1)
}

func full[T comparable](s []T, n int, white T) bool {
	for i := n - 1; i < len(s); i += n {
		if s[i] != white {
			return false
		}
	}
	return true
}

// samples hashes the samples of a picture, of width bytes each.
func samples[T any](h hash.Hash, p *raster.Image, alpha bool, s []T, width int, put func([]byte, T)) {
	n := p.Channels()
	colours := n
	if p.Alpha {
		colours--
	}
	if b, ok := any(s).([]uint8); ok && p.Model != raster.Gray && alpha == p.Alpha {
		h.Write(b)
		return
	}
	row := make([]byte, 0, 64<<10)
	if u, ok := any(s).([]uint16); ok && p.Model != raster.Gray && alpha == p.Alpha {
		for ; len(u) > 0; u = u[min(len(u), cap(row)/2):] {
			row = row[:0]
			for _, v := range u[:min(len(u), cap(row)/2)] {
				row = append(row, byte(v), byte(v>>8))
			}
			h.Write(row)
		}
		return
	}
	add := func(v T) {
		row = row[:len(row)+width]
		put(row[len(row)-width:], v)
	}
	for ; len(s) >= n; s = s[n:] {
		if cap(row)-len(row) < 5*width {
			h.Write(row)
			row = row[:0]
		}
		for _, v := range s[:colours] {
			add(v)
		}
		if p.Model == raster.Gray {
			add(s[0])
			add(s[0])
		}
		if alpha {
			add(s[n-1])
		}
	}
	h.Write(row)
}

// ProfileHash is of an ICC profile without the date that applications write anew, and without the digest over it.
func ProfileHash(icc []byte) string {
	if len(icc) < 128 {
		return format.HashOf(icc)
	}
	b := slices.Clone(icc)
	clear(b[24:36])
	clear(b[84:100])
	return format.HashOf(b)
}

// Extract makes a PNG of a picture, or an OpenEXR of one of floats. ErrUnsupported where neither has such samples.
func Extract(p *raster.Image) (*format.Extract, error) {
	if p.Model != raster.Gray && p.Model != raster.RGB {
		return nil, format.Unsupported("%s as a PNG", Colour(p))
	}
	if p.Depth == raster.F32 {
		return &format.Extract{Extension: ".exr", Content: exr(p)}, nil
	}
	var b bytes.Buffer
	if err := raster.EncodePNG(&b, p); err != nil {
		return nil, err
	}
	out := new(format.Output)
	_, err := out.Write(b.Bytes())
	return &format.Extract{Extension: ".png", Content: out}, err
}

// Opaque returns the picture without alpha where that is opaque everywhere; it takes the samples of p.
func Opaque(p *raster.Image) *raster.Image {
	if !p.Alpha || !opaque(p) {
		return p
	}
	n, q := p.Channels(), *p
	q.Alpha, q.Premultiplied = false, false
	q.U8, q.U16, q.F32 = drop(p.U8, n), drop(p.U16, n), drop(p.F32, n)
	return &q
}

// drop takes the last of every n samples out.
func drop[T any](s []T, n int) []T {
	to := s[:0]
	for ; len(s) >= n; s = s[n:] {
		to = append(to, s[:n-1]...)
	}
	return to
}
