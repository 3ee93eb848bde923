// Package plot draws what was measured: lines of series with their intervals, or the intervals of a comparison (a forest
// plot). The same Chart goes to a terminal, to SVG and to PNG.
//
// What it promises. A value that is not finite is a gap, never a line across it, and is counted below the picture. Series
// are told apart by colour and by shape, for not everyone sees the colours (they are those of Okabe and Ito). Of more
// points than columns, each column keeps its first, least, greatest and last: a spike does not vanish. The same chart
// gives the same bytes.
package plot

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// A Chart is a picture of values: lines, or intervals where there are Intervals.
type Chart struct {
	Title     string
	X, Y      Axis // of intervals only X: the values
	Series    []Series
	Intervals []Interval
	Marks     []Mark // thresholds, "no difference"
}

// An Axis names what runs along it.
type Axis struct {
	Label string
	Names []string // what the whole numbers 0, 1, … stand for, as versions; nil: numbers
	Log   bool     // values of 0 and less are gaps
}

// A Series is a line. Points are in the order in which they are joined.
type Series struct {
	Name   string
	Points []Point
}

// A Point is a value with its interval; Low and High are NaN, or equal, where there is none.
type Point struct{ X, Y, Low, High float64 }

// At is a point without an interval.
func At(x, y float64) Point { return Point{X: x, Y: y, Low: math.NaN(), High: math.NaN()} }

// An Interval is one line of a forest plot. An end that is infinite is open.
type Interval struct {
	Name              string
	Centre, Low, High float64
	Text              string // what stands behind it: the verdict
}

// A Mark is a value that the others are held against: a line across.
type Mark struct {
	At    float64
	Label string
}

// most bounds what a chart may have: beyond it nobody sees anything.
const (
	mostSeries    = 64
	mostIntervals = 500
)

var (
	errEmpty = errors.New("plot: there is no finite value to draw")
	errMany  = errors.New("plot: too many lines for one picture")
)

// check refuses a chart that cannot be drawn.
func (c *Chart) check() error {
	if len(c.Series) > mostSeries || len(c.Intervals) > mostIntervals {
		return fmt.Errorf("%w: %d series (at most %d), %d intervals (at most %d): choose some", errMany, len(c.Series), mostSeries, len(c.Intervals), mostIntervals)
	}
	for _, s := range c.Series {
		for _, p := range s.Points {
			if c.drawn(p) {
				return nil
			}
		}
	}
	for _, v := range c.Intervals {
		if c.X.holds(v.Centre) {
			return nil
		}
	}
	return errEmpty
}

// greatest is the greatest value that has a place: differences must be finite.
const greatest = math.MaxFloat64 / 4

// holds reports whether an axis has a place for a value.
func (a *Axis) holds(v float64) bool { return math.Abs(v) <= greatest && (!a.Log || v > 0) }

func (c *Chart) drawn(p Point) bool { return c.X.holds(p.X) && c.Y.holds(p.Y) }

// gaps counts the values that have no place, and says so.
func (c *Chart) gaps() string {
	n := 0
	for _, s := range c.Series {
		for _, p := range s.Points {
			if !c.drawn(p) {
				n++
			}
		}
	}
	for _, v := range c.Intervals {
		if !c.X.holds(v.Centre) {
			n++
		}
	}
	switch {
	case n == 0:
		return ""
	case n == 1:
		return "1 value is not finite or not on the scale: a gap"
	}
	return fmt.Sprintf("%d values are not finite or not on the scale: gaps", n)
}

// spread reports whether a point has an interval.
func (c *Chart) spread(p Point) bool {
	return c.drawn(p) && c.Y.holds(p.Low) && c.Y.holds(p.High) && p.Low < p.High
}

// ranges are the values that the axes must hold.
func (c *Chart) ranges() (x, y *scale) {
	x, y = newScale(&c.X), newScale(&c.Y)
	for _, s := range c.Series {
		for _, p := range s.Points {
			if !c.drawn(p) {
				continue
			}
			x.hold(p.X)
			y.hold(p.Y)
			if c.spread(p) {
				y.hold(p.Low)
				y.hold(p.High)
			}
		}
	}
	for _, v := range c.Intervals {
		if x.axis.holds(v.Centre) {
			x.hold(v.Centre)
			x.hold(v.Low)
			x.hold(v.High)
		}
	}
	for _, m := range c.Marks {
		if len(c.Intervals) > 0 {
			x.hold(m.At)
		} else {
			y.hold(m.At)
		}
	}
	return x, y
}

// line is a series cut at its gaps.
func (c *Chart) lines(s *Series) [][]Point {
	var out [][]Point
	var now []Point
	for _, p := range s.Points {
		if c.drawn(p) {
			now = append(now, p)
			continue
		}
		if len(now) > 0 {
			out = append(out, now)
		}
		now = nil
	}
	if len(now) > 0 {
		out = append(out, now)
	}
	return out
}

// thin keeps of each column the first, the least, the greatest and the last point.
func thin(points []Point, column func(Point) int) []Point {
	if len(points) < 1000 {
		return points
	}
	var out []Point
	for i := 0; i < len(points); {
		at := column(points[i])
		low, high, end := i, i, i
		for ; end < len(points) && column(points[end]) == at; end++ {
			if points[end].Y < points[low].Y {
				low = end
			}
			if points[end].Y > points[high].Y {
				high = end
			}
		}
		last := -1
		for _, k := range []int{i, min(low, high), max(low, high), end - 1} {
			if k != last {
				out = append(out, points[k])
				last = k
			}
		}
		i = end
	}
	return out
}

// value is a number of an interval, short.
func value(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "∞"
	case math.IsInf(v, -1):
		return "−∞"
	case math.IsNaN(v):
		return "?"
	}
	return strings.Replace(fmt.Sprintf("%.4g", v), "-", "−", 1)
}

// says is what stands behind an interval.
func (v *Interval) says() string {
	s := fmt.Sprintf("%s [%s, %s]", value(v.Centre), value(v.Low), value(v.High))
	if v.Text != "" {
		s += " " + v.Text
	}
	return s
}
