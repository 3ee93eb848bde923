package plot

import "math"

// A colour is red, green, blue.
type colour [3]uint8

// palette are the colours of Okabe and Ito, without the yellow, which white swallows.
func palette(i int) colour {
	all := []colour{{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}, {60, 60, 60}}
	return all[i%len(all)]
}

func ink() colour   { return colour{30, 30, 30} }
func quiet() colour { return colour{110, 110, 110} }
func grid() colour  { return colour{226, 226, 226} }

// A spot is a place in pixels, from the upper left.
type spot struct{ x, y float64 }

// An anchor says which part of a text is at its spot.
type anchor int

const (
	start anchor = iota
	middle
	end
)

// A canvas is what the scene is drawn on. Its texts are fontSize high.
type canvas interface {
	line(through []spot, c colour, width float64, dash []float64)
	area(around []spot, c colour, alpha float64)
	text(at spot, s string, c colour, a anchor, upright bool)
	measure(s string) float64
}

const (
	fontSize = 13.0
	margin   = 12.0
)

// A scene is a chart laid out in a picture of so many pixels.
type scene struct {
	c                        *Chart
	on                       canvas
	width, height            float64
	left, right, top, bottom float64 // the edges of the field
	x, y                     *scale
}

// Size is that of pictures: 960 pixels wide, and as high as the chart needs.
func Size(c Chart) (width, height int) {
	if len(c.Intervals) > 0 {
		return 960, 110 + 26*len(c.Intervals)
	}
	return 960, 540
}

// drawOn draws a chart.
func drawOn(c *Chart, on canvas, width, height int) {
	s := &scene{c: c, on: on, width: float64(width), height: float64(height)}
	s.x, s.y = c.ranges()
	if len(c.Intervals) > 0 {
		s.x.settle(0.06)
		s.forest()
		return
	}
	s.x.settle(0.02)
	s.y.settle(0.06)
	s.curves()
}

// title draws what stands above and below the field, and gives it its edges.
func (s *scene) title() {
	s.top, s.bottom = margin+6, s.height-margin-20
	if s.c.Title != "" {
		s.on.text(spot{margin, margin + fontSize}, s.c.Title, ink(), start, false)
		s.top += fontSize + 10
	}
	if gaps := s.c.gaps(); gaps != "" {
		s.on.text(spot{s.width - margin, s.height - 6}, gaps, quiet(), end, false)
		s.bottom -= 8
	}
	if s.c.X.Label != "" {
		s.bottom -= fontSize + 6
	}
}

func (s *scene) px(v float64) float64 { return s.left + s.x.at(v)*(s.right-s.left) }
func (s *scene) py(v float64) float64 { return s.bottom - s.y.at(v)*(s.bottom-s.top) }

// bottomAxis draws the grid and the labels along x.
func (s *scene) bottomAxis() {
	about := int((s.right - s.left) / 90)
	longest := 0.0
	for _, name := range s.c.X.Names {
		longest = max(longest, s.on.measure(name)+14)
	}
	if longest > 0 {
		about = int(max(2, (s.right-s.left)/longest))
	}
	for _, t := range s.x.ticks(about) {
		x := s.left + t.at*(s.right-s.left)
		s.on.line([]spot{{x, s.top}, {x, s.bottom}}, grid(), 1, nil)
		s.on.text(spot{x, s.bottom + fontSize + 5}, t.label, quiet(), middle, false)
	}
	s.on.line([]spot{{s.left, s.bottom}, {s.right, s.bottom}}, quiet(), 1, nil)
	if s.c.X.Label != "" {
		s.on.text(spot{(s.left + s.right) / 2, s.bottom + 2*fontSize + 12}, s.c.X.Label, ink(), middle, false)
	}
}

// curves draws the lines.
func (s *scene) curves() {
	s.title()
	ticks := s.y.ticks(int((s.bottom - s.top) / 50))
	wide := 0.0
	for _, t := range ticks {
		wide = max(wide, s.on.measure(t.label))
	}
	s.left = margin + wide + 8
	if s.c.Y.Label != "" {
		s.left += fontSize + 8
		s.on.text(spot{margin + fontSize - 2, (s.top + s.bottom) / 2}, s.c.Y.Label, ink(), middle, true)
	}
	s.right = s.width - margin
	names := 0.0
	for _, series := range s.c.Series {
		names = max(names, s.on.measure(clip(series.Name)))
	}
	if names > 0 {
		s.right -= names + 46
	}
	for _, t := range ticks {
		y := s.bottom - t.at*(s.bottom-s.top)
		s.on.line([]spot{{s.left, y}, {s.right, y}}, grid(), 1, nil)
		s.on.text(spot{s.left - 7, y + fontSize*0.35}, t.label, quiet(), end, false)
	}
	s.bottomAxis()
	for _, m := range s.c.Marks {
		if s.c.Y.holds(m.At) {
			y := s.py(m.At)
			s.on.line([]spot{{s.left, y}, {s.right, y}}, quiet(), 1.2, []float64{6, 4})
		}
	}
	for i := range s.c.Series {
		s.bands(i)
	}
	for i := range s.c.Series {
		s.curve(i)
	}
	s.thresholds()
	s.legend()
}

// thresholds names the marks, above the curves and on a ground of their own.
func (s *scene) thresholds() {
	for _, m := range s.c.Marks {
		if m.Label == "" || !s.c.Y.holds(m.At) {
			continue
		}
		y, wide := s.py(m.At), s.on.measure(m.Label)
		if y-fontSize-4 < s.top {
			y += fontSize + 8 // below the line
		}
		x := s.right - 4
		s.on.area([]spot{{x - wide - 3, y - 3 - fontSize}, {x + 3, y - 3 - fontSize}, {x + 3, y - 2}, {x - wide - 3, y - 2}}, colour{255, 255, 255}, 0.85)
		s.on.text(spot{x, y - 5}, m.Label, quiet(), end, false)
	}
}

// clip keeps names from pushing the field out of the picture.
func clip(s string) string {
	const most = 36
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func (s *scene) column(p Point) int { return int(s.px(p.X)) }

// bands draws the intervals of a series: as an area where many points follow each other, else as bars.
func (s *scene) bands(i int) {
	for _, line := range s.c.lines(&s.c.Series[i]) {
		line = thin(line, s.column)
		bars := len(s.c.X.Names) > 0 || len(line) < 3
		var upper, lower []spot
		flush := func() {
			if len(upper) > 1 {
				for k := len(lower) - 1; k >= 0; k-- {
					upper = append(upper, lower[k])
				}
				s.on.area(upper, palette(i), 0.18)
			}
			upper, lower = nil, nil
		}
		for _, p := range line {
			switch {
			case !s.c.spread(p):
				flush()
			case bars:
				x, low, high := s.px(p.X)+s.aside(i), s.py(p.Low), s.py(p.High)
				s.on.line([]spot{{x, low}, {x, high}}, palette(i), 1.4, nil)
				s.on.line([]spot{{x - 4, low}, {x + 4, low}}, palette(i), 1.4, nil)
				s.on.line([]spot{{x - 4, high}, {x + 4, high}}, palette(i), 1.4, nil)
			default:
				upper = append(upper, spot{s.px(p.X), s.py(p.High)})
				lower = append(lower, spot{s.px(p.X), s.py(p.Low)})
			}
		}
		flush()
	}
}

// aside moves the series of a chart with names apart, that their bars do not lie upon each other.
func (s *scene) aside(i int) float64 {
	if len(s.c.X.Names) == 0 || len(s.c.Series) < 2 {
		return 0
	}
	return 5 * (float64(i) - float64(len(s.c.Series)-1)/2)
}

// curve draws the line of a series, and its points where there are few.
func (s *scene) curve(i int) {
	series := &s.c.Series[i]
	for _, line := range s.c.lines(series) {
		line = thin(line, s.column)
		through := make([]spot, len(line))
		for k, p := range line {
			through[k] = spot{s.px(p.X) + s.aside(i), s.py(p.Y)}
		}
		if len(through) > 1 {
			s.on.line(through, palette(i), 1.8, dash(i))
		}
		if len(series.Points) <= 40 || len(through) == 1 {
			for _, at := range through {
				s.on.area(shape(i, at, 3.6), palette(i), 1)
			}
		}
	}
}

// dash tells lines of one colour apart.
func dash(i int) []float64 {
	return [][]float64{nil, {8, 3}, {2, 3}, {10, 3, 2, 3}}[i/7%4]
}

// shape is the mark of a series: disc, square, triangle, diamond.
func shape(i int, at spot, r float64) []spot {
	corners, turn := 0, 0.0
	switch i % 4 {
	case 0:
		corners = 20
	case 1:
		corners, turn, r = 4, math.Pi/4, r*1.25
	case 2:
		corners, turn, r = 3, -math.Pi/2, r*1.35
	case 3:
		corners, r = 4, r*1.35
	}
	out := make([]spot, corners)
	for k := range out {
		sin, cos := math.Sincos(turn + 2*math.Pi*float64(k)/float64(corners))
		out[k] = spot{at.x + r*cos, at.y + r*sin}
	}
	return out
}

// legend names the series on the right.
func (s *scene) legend() {
	x, y := s.right+12, s.top+fontSize
	for i, series := range s.c.Series {
		if series.Name == "" || y > s.bottom {
			continue
		}
		s.on.line([]spot{{x, y - 4}, {x + 24, y - 4}}, palette(i), 1.8, dash(i))
		s.on.area(shape(i, spot{x + 12, y - 4}, 3.6), palette(i), 1)
		s.on.text(spot{x + 31, y}, clip(series.Name), ink(), start, false)
		y += fontSize + 7
	}
}

// forest draws the intervals.
func (s *scene) forest() {
	s.title()
	name, says := 0.0, 0.0
	for i := range s.c.Intervals {
		name = max(name, s.on.measure(clip(s.c.Intervals[i].Name)))
		says = max(says, s.on.measure(s.c.Intervals[i].says()))
	}
	s.left, s.right = margin+name+14, s.width-margin-says-14
	if s.right < s.left+120 {
		s.right = s.left + 120
	}
	s.bottomAxis()
	for _, m := range s.c.Marks {
		if s.c.X.holds(m.At) {
			x := s.px(m.At)
			s.on.line([]spot{{x, s.top}, {x, s.bottom}}, ink(), 1.2, []float64{6, 4})
			s.on.text(spot{x + 4, s.top + fontSize - 2}, m.Label, quiet(), start, false)
		}
	}
	step := (s.bottom - s.top - fontSize) / float64(len(s.c.Intervals))
	for i := range s.c.Intervals {
		s.interval(&s.c.Intervals[i], s.top+fontSize+(float64(i)+0.5)*step)
	}
}

// interval draws one line of a forest plot; an open end is an arrow.
func (s *scene) interval(v *Interval, y float64) {
	s.on.text(spot{s.left - 14, y + fontSize*0.35}, clip(v.Name), ink(), end, false)
	s.on.text(spot{s.right + 14, y + fontSize*0.35}, v.says(), ink(), start, false)
	if !s.c.X.holds(v.Centre) {
		return
	}
	low, high := s.left, s.right
	ends := func(x, out float64, closed bool) {
		if closed {
			s.on.line([]spot{{x, y - 5}, {x, y + 5}}, palette(0), 1.8, nil)
		} else {
			s.on.area([]spot{{x, y}, {x - out*8, y - 5}, {x - out*8, y + 5}}, palette(0), 1)
		}
	}
	if s.c.X.holds(v.Low) {
		low = s.px(v.Low)
	}
	if s.c.X.holds(v.High) {
		high = s.px(v.High)
	}
	if !math.IsNaN(v.Low) && !math.IsNaN(v.High) {
		s.on.line([]spot{{low, y}, {high, y}}, palette(0), 1.8, nil)
		ends(low, -1, s.c.X.holds(v.Low))
		ends(high, 1, s.c.X.holds(v.High))
	}
	s.on.area(shape(1, spot{s.px(v.Centre), y}, 4.2), palette(0), 1)
}
