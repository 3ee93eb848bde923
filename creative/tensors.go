package creative

import (
	"math"

	"varve/format"
	"varve/format/raster"
	"varve/format/tensor"
)

// bars draws a bar for each tensor, in the order of the file: as long, and as red, as it has changed, on a logarithmic
// scale from a millionth of its norm to all of it. Added ones are green, those that are gone grey. Of more tensors than
// there are lines, neighbours share one, which shows the greatest.
func bars(c *tensor.Comparison, size int) (*raster.Image, error) {
	if len(c.Pairs) == 0 {
		return nil, format.Unsupported("no tensors: nothing can be drawn")
	}
	n := min(len(c.Pairs), size)
	line := max(1, min(24, size/n))
	p, err := raster.New(size, n*line, raster.RGB, false, raster.U8)
	if err != nil {
		return nil, err
	}
	for i := range p.U8 {
		p.U8[i] = 24
	}
	for row := range n {
		best, ink := 0.0, [3]uint8{}
		for i := row * len(c.Pairs) / n; i < (row+1)*len(c.Pairs)/n; i++ {
			if v, colour := bar(&c.Pairs[i]); v > best {
				best, ink = v, colour
			}
		}
		gap := 0
		if line > 3 {
			gap = 1
		}
		for y := row * line; y < (row+1)*line-gap; y++ {
			for x := range int(math.Ceil(best * float64(size))) {
				copy(p.U8[3*(y*size+x):], ink[:])
			}
		}
	}
	return p, nil
}

// bar is how long the bar of a tensor is, 0 to 1, and its colour.
func bar(p *tensor.Pair) (float64, [3]uint8) {
	switch {
	case p.Verdict == tensor.Unchanged:
		return 0, [3]uint8{}
	case p.Verdict == tensor.Added:
		return 1, [3]uint8{70, 170, 90}
	case p.Verdict == tensor.Removed:
		return 1, [3]uint8{120, 120, 120}
	case !p.Numbers:
		return 1, [3]uint8{90, 110, 200}
	case p.Relative == 0:
		return 0.01, [3]uint8{250, 210, 60}
	}
	v := max(0.01, min(1, 1+math.Log10(p.Relative)/6))
	if math.IsNaN(v) {
		v = 1
	}
	return v, [3]uint8{250, uint8(220 * (1 - v)), uint8(60 * (1 - v))}
}
