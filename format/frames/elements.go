package frames

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"varve/format"
	"varve/format/raster"
)

// Shown is the element of a frame of an animation: number i, counted from 0, which its file has at a place of the canvas
// p. Its pixels are those of the canvas: what is shown, whatever part of it the file says anew.
func Shown(i int, p *raster.Image, x, y, width, height int, delay time.Duration) format.Element {
	e := Element(fmt.Sprintf("frame:%d", i+1), "frame", fmt.Sprintf("Frame %d", i+1), p, 0, 0)
	e.Bounds = []float64{float64(x), float64(y), float64(x + width), float64(y + height)}
	e.Properties["delay"] = Delay(delay)
	return e
}

// Number is that of the frame, counted from 1, that an id of Shown names, or of Still where there is one; 0: none.
func Number(id string, count int) int {
	if count == 1 && id == "image" {
		return 1
	}
	digits, is := strings.CutPrefix(id, "frame:")
	n, err := strconv.Atoi(digits)
	if !is || err != nil || n < 1 || n > count || strconv.Itoa(n) != digits || count == 1 {
		return 0
	}
	return n
}

// Comment is the element of comment i, counted from 0.
func Comment(i int, text string) format.Element {
	id := fmt.Sprintf("comment:%d", i+1)
	return format.Element{ID: id, Stable: id, Kind: "text", Name: "Comment", Bytes: int64(len(text)),
		Properties: map[string]string{"text": Short(text)}, Aspects: map[string]string{"text": format.HashOf([]byte(text))}}
}

// Short is the beginning of a text, for a property.
func Short(s string) string {
	for i := range s {
		if i > 256 {
			return s[:i] + "…"
		}
	}
	return s
}

// Composited is a picture that was made of all of its file.
func Composited(p *raster.Image, err error) (*format.Picture, error) {
	if err != nil {
		return nil, err
	}
	return &format.Picture{Image: p, Source: format.Composited}, nil
}

// Only lists the picture of a file that has nothing else, of size bytes.
func Only(p *raster.Image, err error, size int64) ([]format.Element, error) {
	if err != nil {
		return nil, err
	}
	return []format.Element{Still(p, size)}, nil
}

// ExtractOnly makes a PNG of the picture that Only lists.
func ExtractOnly(id string, decode func() (*raster.Image, error)) (*format.Extract, error) {
	if id != "image" {
		return nil, format.ErrNoElement
	}
	p, err := decode()
	if err != nil {
		return nil, err
	}
	return Extract(p)
}
