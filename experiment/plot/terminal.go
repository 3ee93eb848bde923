package plot

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// A Screen says how a chart looks in a terminal.
type Screen struct {
	Width, Height int  // in characters; of a forest plot Height is what it needs. 0: 80 by 20
	ASCII         bool // no Braille, no lines of Unicode
	Colour        bool // with escape sequences for the colours
}

// Terminal writes a chart as text: lines in Braille, two by four dots in a character; or in ASCII.
func Terminal(w io.Writer, c Chart, s Screen) error {
	if err := c.check(); err != nil {
		return err
	}
	if s.Width <= 0 {
		s.Width = 80
	}
	if s.Height <= 0 {
		s.Height = 20
	}
	s.Width, s.Height = min(max(s.Width, 30), 1000), min(max(s.Height, 5), 300)
	t := &writer{out: bufio.NewWriter(w), c: &c, s: s}
	if c.Title != "" {
		t.say(c.Title)
	}
	if len(c.Intervals) > 0 {
		t.forest()
	} else {
		t.curves()
	}
	if gaps := c.gaps(); gaps != "" {
		t.say(gaps)
	}
	return t.out.Flush()
}

// A writer writes lines of text.
type writer struct {
	out *bufio.Writer
	c   *Chart
	s   Screen
}

// say writes a line; control characters of names do not reach the terminal.
func (t *writer) say(s string) {
	t.out.WriteString(strings.TrimRight(t.plain(s), " "))
	t.out.WriteByte('\n')
}

func (t *writer) plain(s string) string {
	if t.s.ASCII {
		s = strings.NewReplacer("∞", "inf", "≥", ">=", "≤", "<=").Replace(s)
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' && r != 0x1b || r == 0x7f || r >= 0x80 && r < 0xa0:
			return -1
		case t.s.ASCII && r >= 0x80:
			return ascii(r)
		}
		return r
	}, s)
}

func ascii(r rune) rune {
	switch r {
	case '−', '–':
		return '-'
	case '…':
		return '.'
	}
	return '?'
}

// tame takes the escapes out of a name that came from outside.
func tame(s string) string { return strings.ReplaceAll(clip(s), "\x1b", "") }

// A cell is a character of the field.
type cell struct {
	dots   rune // of Braille
	char   rune // instead of dots
	series int
	has    bool
}

// A field is the area of the curves.
type field struct {
	cells         []cell
	width, height int
	x, y          *scale
	ascii         bool
}

// curves writes lines with the axes around.
func (t *writer) curves() {
	x, y := t.c.ranges()
	x.settle(0)
	y.settle(0.03)
	height := t.s.Height
	ticks := y.ticks(max(2, height/4))
	wide := 0
	for _, k := range ticks {
		wide = max(wide, utf8.RuneCountInString(k.label))
	}
	f := &field{width: max(10, t.s.Width-wide-2), height: height, x: x, y: y, ascii: t.s.ASCII}
	f.cells = make([]cell, f.width*f.height)
	for _, m := range t.c.Marks {
		if t.c.Y.holds(m.At) {
			f.across(m)
		}
	}
	for i := range t.c.Series {
		f.draw(t.c, i)
	}
	labels := make([]string, height)
	for _, k := range ticks {
		if row := height - 1 - int(math.Round(k.at*float64(height-1))); row >= 0 && row < height {
			labels[row] = k.label
		}
	}
	if t.c.Y.Label != "" {
		t.say(tame(t.c.Y.Label))
	}
	for row, l := range labels {
		edge := "│"
		if l != "" {
			edge = "┤"
		}
		if t.s.ASCII {
			edge = "|"
		}
		t.say(strings.Repeat(" ", wide-utf8.RuneCountInString(l)) + l + " " + edge + f.row(row, t.s.Colour))
	}
	t.bottom(x, wide+2, f.width)
	t.legend()
}

// bottom writes the axis along x.
func (t *writer) bottom(x *scale, indent, width int) {
	longest := 8
	for _, name := range t.c.X.Names {
		longest = max(longest, utf8.RuneCountInString(tame(name))+2)
	}
	axis, labels := []rune(strings.Repeat("─", width)), []rune(strings.Repeat(" ", indent+width))
	free := 0
	for _, k := range x.ticks(max(2, width/longest)) {
		at := int(math.Round(k.at * float64(width-1)))
		if at < 0 || at >= width {
			continue
		}
		l := []rune(tame(k.label))
		from := max(0, min(indent+at-len(l)/2, len(labels)-len(l)))
		if from < free || from+len(l) > len(labels) {
			continue
		}
		axis[at] = '┬'
		copy(labels[from:], l)
		free = from + len(l) + 1
	}
	line := strings.Repeat(" ", indent-1) + "└" + string(axis)
	if t.s.ASCII {
		line = strings.NewReplacer("└", "+", "─", "-", "┬", "+").Replace(line)
	}
	t.say(line)
	t.say(string(labels))
	if t.c.X.Label != "" {
		l := tame(t.c.X.Label)
		t.say(strings.Repeat(" ", indent+max(0, (width-utf8.RuneCountInString(l))/2)) + l)
	}
}

// mark is the sign of a series.
func mark(i int) rune { return rune("*+o#x@%&"[i%8]) }

// legend names the series, with the mark that is at their last points.
func (t *writer) legend() {
	type part struct {
		text  string
		width int
	}
	var parts []part
	for i, s := range t.c.Series {
		if s.Name != "" {
			name := tame(s.Name)
			parts = append(parts, part{paint(string(mark(i)), i, t.s.Colour) + " " + name, utf8.RuneCountInString(name) + 2})
		}
	}
	for _, m := range t.c.Marks {
		if m.Label != "" {
			parts = append(parts, part{"- " + tame(m.Label), utf8.RuneCountInString(tame(m.Label)) + 2})
		}
	}
	line, width := "", 0
	for _, p := range parts {
		if width > 0 && width+3+p.width > t.s.Width {
			t.say(line)
			line, width = "", 0
		}
		if width > 0 {
			line += "   "
			width += 3
		}
		line += p.text
		width += p.width
	}
	if line != "" {
		t.say(line)
	}
}

// paint puts a text into the colour of a series: of the 256 of xterm those nearest to the palette.
func paint(s string, i int, colour bool) string {
	if !colour {
		return s
	}
	return fmt.Sprintf("\x1b[38;5;%dm%s\x1b[0m", []int{32, 166, 36, 175, 178, 74, 245}[i%7], s)
}

// across draws a mark where nothing else is.
func (f *field) across(m Mark) {
	row := f.height - 1 - int(math.Round(f.y.at(m.At)*float64(f.height-1)))
	if row < 0 || row >= f.height {
		return
	}
	for col := range f.width {
		c := &f.cells[row*f.width+col]
		if c.char = '╌'; f.ascii {
			c.char = '-'
		}
		c.series = 6
	}
}

// per is how many dots a character has across and down.
func (f *field) per() (int, int) {
	if f.ascii {
		return 1, 1
	}
	return 2, 4
}

// draw draws the lines of a series, and its mark at the last point where there are several.
func (f *field) draw(c *Chart, i int) {
	px, py := f.per()
	w, h := f.width*px, f.height*py
	at := func(p Point) (int, int) {
		return int(math.Round(f.x.at(p.X) * float64(w-1))), h - 1 - int(math.Round(f.y.at(p.Y)*float64(h-1)))
	}
	lastX, lastY, any := 0, 0, false
	for _, line := range c.lines(&c.Series[i]) {
		line = thin(line, func(p Point) int { x, _ := at(p); return x })
		for k, p := range line {
			x, y := at(p)
			if c.spread(p) && !f.ascii && len(line) <= w/4 {
				_, low := at(Point{X: p.X, Y: p.Low})
				_, high := at(Point{X: p.X, Y: p.High})
				for d := high; d <= low; d += 2 { // a dotted bar
					f.dot(x, d, i)
				}
			}
			if k == 0 {
				f.dot(x, y, i)
			} else {
				f.join(lastX, lastY, x, y, i)
			}
			lastX, lastY, any = x, y, true
		}
	}
	if any && len(c.Series) > 1 {
		if col, row := lastX/px, lastY/py; col >= 0 && col < f.width && row >= 0 && row < f.height {
			f.cells[row*f.width+col] = cell{char: mark(i), series: i, has: true}
		}
	}
}

// join draws a straight line of dots.
func (f *field) join(x0, y0, x1, y1, i int) {
	n := max(abs(x1-x0), abs(y1-y0), 1)
	for k := 0; k <= n; k++ {
		f.dot(x0+int(math.Round(float64(k*(x1-x0))/float64(n))), y0+int(math.Round(float64(k*(y1-y0))/float64(n))), i)
	}
}

func abs(n int) int { return max(n, -n) }

// dot sets a dot.
func (f *field) dot(x, y, i int) {
	px, py := f.per()
	if x < 0 || y < 0 || x >= f.width*px || y >= f.height*py {
		return
	}
	c := &f.cells[y/py*f.width+x/px]
	if f.ascii {
		*c = cell{char: mark(i), series: i, has: true}
		return
	}
	if !c.has {
		c.char = 0
	}
	bits := [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}
	c.dots |= bits[y%4][x%2]
	c.series, c.has = i, true
}

// row is a line of the field.
func (f *field) row(row int, colour bool) string {
	var b strings.Builder
	cells := f.cells[row*f.width : (row+1)*f.width]
	for k := 0; k < len(cells); {
		end := k
		var run strings.Builder
		for ; end < len(cells) && cells[end].series == cells[k].series && cells[end].empty() == cells[k].empty(); end++ {
			switch c := cells[end]; {
			case c.char != 0:
				run.WriteRune(c.char)
			case c.dots != 0:
				run.WriteRune(0x2800 | c.dots)
			default:
				run.WriteByte(' ')
			}
		}
		b.WriteString(paint(run.String(), cells[k].series, colour && !cells[k].empty()))
		k = end
	}
	return b.String()
}

func (c *cell) empty() bool { return c.char == 0 && c.dots == 0 }

// said is what stands behind an interval.
func (t *writer) said(i int) string {
	return t.plain(strings.ReplaceAll(t.c.Intervals[i].says(), "\x1b", ""))
}

// forest writes a line for each interval.
func (t *writer) forest() {
	x, _ := t.c.ranges()
	x.settle(0.02)
	name, says := 0, 0
	for i := range t.c.Intervals {
		name = max(name, utf8.RuneCountInString(tame(t.c.Intervals[i].Name)))
		says = max(says, utf8.RuneCountInString(t.said(i)))
	}
	width := max(16, t.s.Width-name-says-4)
	at := func(v float64) int { return max(0, min(width-1, int(math.Round(x.at(v)*float64(width-1))))) }
	glyph := []rune("┊╌├┤◀▶●─")
	if t.s.ASCII {
		glyph = []rune(":-||<>o-")
	}
	for i := range t.c.Intervals {
		v := &t.c.Intervals[i]
		line := []rune(strings.Repeat(" ", width))
		for _, m := range t.c.Marks {
			if t.c.X.holds(m.At) {
				line[at(m.At)] = glyph[0]
			}
		}
		if t.c.X.holds(v.Centre) {
			if !math.IsNaN(v.Low) && !math.IsNaN(v.High) {
				low, high, ends := 0, width-1, [2]rune{glyph[4], glyph[5]}
				if t.c.X.holds(v.Low) {
					low, ends[0] = at(v.Low), glyph[2]
				}
				if t.c.X.holds(v.High) {
					high, ends[1] = at(v.High), glyph[3]
				}
				for k := low; k <= high; k++ {
					line[k] = glyph[7]
				}
				line[low], line[high] = ends[0], ends[1]
			}
			line[at(v.Centre)] = glyph[6]
		}
		n := tame(v.Name)
		t.say(n + strings.Repeat(" ", name-utf8.RuneCountInString(n)+1) + paint(string(line), 0, t.s.Colour) + "  " + t.said(i))
	}
	t.bottom(x, name+1, width)
	for _, m := range t.c.Marks {
		if m.Label != "" {
			t.say(string(glyph[0]) + " " + tame(m.Label))
		}
	}
}
