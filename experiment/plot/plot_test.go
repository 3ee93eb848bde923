package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var show = flag.String("show", "", "folder that the pictures of the tests are written to, to be looked at")

// curves is a chart with gaps, a spike and intervals.
func curves() Chart {
	c := Chart{Title: "Training of harbour-classifier <v3>", X: Axis{Label: "step"}, Y: Axis{Label: "loss"}, Marks: []Mark{{0.35, "ceiling 0.35"}}}
	for s, name := range []string{"lr 0.001", "lr 0.003", "lr 0.01", "θ warm"} {
		line := Series{Name: name}
		for i := range 300 {
			y := 0.2 + 0.1*float64(s) + math.Exp(-float64(i)/60) + 0.02*math.Sin(float64(i*(s+3)))
			p := At(float64(i), y)
			if s == 0 {
				p.Low, p.High = y-0.05, y+0.08
			}
			if s == 1 && i > 100 && i < 130 {
				p.Y = math.NaN()
			}
			line.Points = append(line.Points, p)
		}
		c.Series = append(c.Series, line)
	}
	return c
}

func versions() Chart {
	c := Chart{Title: "AUROC by version", X: Axis{Label: "version", Names: []string{"v1.0.0-baseline", "v1.1.0-lora-r16", "v1.2.0-prune", "v1.3.0-int8", "v1.3.1-fix"}}, Y: Axis{Label: "auroc"}, Marks: []Mark{{0.85, "floor 0.85"}}}
	c.Series = []Series{{Name: "val", Points: []Point{{0, 0.891, 0.88, 0.902}, {1, 0.903, 0.893, 0.913}, {2, 0.899, 0.885, 0.913}, {3, 0.842, 0.83, 0.854}, {4, 0.9, 0.89, 0.91}}},
		{Name: "test", Points: []Point{{0, 0.88, 0.87, 0.89}, {1, 0.9, 0.89, 0.91}, At(2, math.NaN()), {3, 0.85, 0.83, 0.87}, {4, 0.895, 0.885, 0.905}}}}
	return c
}

func forest() Chart {
	return Chart{Title: "v1.3.1 against v1.0.0", X: Axis{Label: "difference, %"}, Marks: []Mark{{0, "no difference"}}, Intervals: []Interval{
		{"accuracy", 0.8, 0.3, 1.3, "better"}, {"ood_auroc", 0.1, -0.6, 0.8, "inconclusive: n ≥ 14 needed"}, {"latency_ms", -10.2, -12.5, -7.9, "better"},
		{"memory_mb", 0.05, -0.2, 0.3, "equivalent"}, {"error_rate", 3, 1, math.Inf(1), "worse"}, {"throughput", math.NaN(), math.NaN(), math.NaN(), "not measured"}}}
}

// logs is a chart on two logarithmic axes, of very many points.
func logs() Chart {
	c := Chart{Title: "Scaling", X: Axis{Label: "tokens", Log: true}, Y: Axis{Label: "loss", Log: true}}
	var s Series
	for i := range 200_000 {
		x := math.Pow(10, 3+6*float64(i)/200_000)
		y := 400 / math.Pow(x, 0.3)
		if i == 123_456 {
			y *= 20
		}
		s.Points = append(s.Points, At(x, y))
	}
	s.Points = append(s.Points, At(-5, 1))
	c.Series = []Series{s}
	return c
}

func charts() map[string]Chart {
	return map[string]Chart{"curves": curves(), "versions": versions(), "forest": forest(), "logs": logs(),
		"one":  {Series: []Series{{Name: "one", Points: []Point{At(3, 7)}}}},
		"huge": {Series: []Series{{Points: []Point{At(0, -4e307), At(1, 4e307), At(2, math.Inf(1)), At(3, math.MaxFloat64)}}}},
		"fine": {Series: []Series{{Points: []Point{At(0, 1), At(1, 1+1e-15), At(2, 1+5e-16)}}}},
		"zero": {Series: []Series{{Points: []Point{At(0, 0), At(1, 0)}}}}, "dust": {Series: []Series{{Points: []Point{At(0, 5e-324), At(1, 1e-323)}}}}}
}

// TestDraw: every chart comes out of every backend, twice the same; SVG is XML of its size, PNG is a picture of it; lines
// of a terminal keep its width.
func TestDraw(t *testing.T) {
	for name, c := range charts() {
		w, h := Size(c)
		for kind, to := range map[string]func(io.Writer, Chart) error{"svg": SVG, "png": PNG,
			"txt":       func(w io.Writer, c Chart) error { return Terminal(w, c, Screen{Width: 100, Height: 20}) },
			"ascii.txt": func(w io.Writer, c Chart) error { return Terminal(w, c, Screen{Width: 100, Height: 20, ASCII: true}) }} {
			var a, b bytes.Buffer
			if err := to(&a, c); err != nil {
				t.Errorf("%s.%s: %v", name, kind, err)
				continue
			}
			if to(&b, c); !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Errorf("%s.%s differs from itself", name, kind)
			}
			if *show != "" {
				os.WriteFile(filepath.Join(*show, name+"."+kind), a.Bytes(), 0o666)
			}
			switch kind {
			case "svg":
				checkSVG(t, name, a.Bytes(), w, h)
			case "png":
				img, err := png.Decode(&a)
				if err != nil || img.Bounds().Dx() != w || img.Bounds().Dy() != h {
					t.Errorf("%s: %v", name, err)
				}
			default:
				for l := range strings.Lines(a.String()) {
					if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > 100 {
						t.Errorf("%s.%s: a line of %d characters: %s", name, kind, n, l)
					}
					if kind == "ascii.txt" && strings.ContainsFunc(l, func(r rune) bool { return r >= 0x80 }) {
						t.Errorf("%s: no ASCII: %s", name, l)
					}
				}
			}
		}
	}
}

// checkSVG holds a picture to XML, and its numbers to the picture.
func checkSVG(t *testing.T, name string, b []byte, w, h int) {
	t.Helper()
	if len(b) > 300_000 {
		t.Errorf("%s.svg has %d bytes", name, len(b))
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("%s.svg: %v", name, err)
			return
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range e.Attr {
			if a.Name.Local != "points" {
				continue
			}
			for _, p := range strings.Fields(a.Value) {
				var x, y float64
				if _, err := fmt.Sscanf(p, "%f,%f", &x, &y); err != nil || x < 0 || y < 0 || x > float64(w) || y > float64(h) {
					t.Errorf("%s.svg: the point %s is not in the picture", name, p)
					return
				}
			}
		}
	}
}

// TestGap: a NaN cuts the line: no piece of it joins what lies before to what lies after.
func TestGap(t *testing.T) {
	c := Chart{Series: []Series{{Points: []Point{At(0, 1), At(1, 1), At(2, math.NaN()), At(3, 1), At(4, 1)}}}}
	if got := c.lines(&c.Series[0]); len(got) != 2 || len(got[0]) != 2 || len(got[1]) != 2 {
		t.Errorf("%v", got)
	}
	var b bytes.Buffer
	if err := Terminal(&b, c, Screen{Width: 60, Height: 9, ASCII: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "1 value is not finite or not on the scale: a gap") {
		t.Errorf("the gap is not told:\n%s", b.String())
	}
	for l := range strings.Lines(b.String()) {
		if strings.Contains(l, "**") {
			if first, last := strings.Index(l, "*"), strings.LastIndex(l, "*"); !strings.Contains(l[first:last], "          ") {
				t.Errorf("no gap in\n%s", b.String())
			}
			return
		}
	}
	t.Errorf("no line in\n%s", b.String())
}

// TestSpike: the one high value of 200 000 is in the picture.
func TestSpike(t *testing.T) {
	c := logs()
	points := thin(c.Series[0].Points, func(p Point) int { return int(p.X / 1e6) })
	top := 0.0
	for _, p := range points {
		top = max(top, p.Y/(400/math.Pow(p.X, 0.3)))
	}
	if len(points) > 5000 || math.Abs(top-20) > 1e-9 {
		t.Errorf("%d points, the spike is %v", len(points), top)
	}
}

// TestTicks: round values, labelled with the digits that they need.
func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, top float64
		log      bool
		want     string
	}{
		{0, 1, false, "0 0.2 0.4 0.6 0.8 1.0"}, {-3, 7, false, "−2 0 2 4 6"}, {0.8421, 0.8437, false, "0.8425 0.8430 0.8435"}, {0, 1e9, false, "0 2e+08 4e+08 6e+08 8e+08 1.0e+09"},
		{1234567, 1234571, false, "1.234567e+06 1.234568e+06 1.234569e+06 1.234570e+06 1.234571e+06"}, {0, 3e-9, false, "0 1e−09 2e−09 3e−09"},
		{1, 1e6, true, "1 100 1e+04 1e+06"}, {1, 10, true, "1 2 5 10"},
	} {
		s := newScale(&Axis{Log: c.log})
		s.any = true
		if s.low, s.top = c.low, c.top; c.log {
			s.low, s.top = math.Log10(c.low), math.Log10(c.top)
		}
		var got []string
		for _, k := range s.ticks(5) {
			got = append(got, strings.ReplaceAll(k.label, "e-", "e−"))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v to %v: %s, want %s", c.low, c.top, strings.Join(got, " "), c.want)
		}
	}
}

// TestForest: where an interval lies is where its numbers are.
func TestForest(t *testing.T) {
	c := Chart{Marks: []Mark{{0, "none"}}, Intervals: []Interval{{"a", 0, -1, 1, "equal"}, {"b", 1, 0, math.Inf(1), ""}}}
	var b bytes.Buffer
	if err := Terminal(&b, c, Screen{Width: 60, ASCII: true}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if centre, mid := strings.Index(lines[0], "o"), (strings.Index(lines[0], "|")+strings.LastIndex(lines[0], "|"))/2; centre-mid > 1 || mid-centre > 1 || !strings.Contains(lines[0], "0 [-1, 1] equal") {
		t.Errorf("%s", b.String())
	}
	if strings.Index(lines[1], "|") != strings.Index(lines[0], "o") || !strings.Contains(lines[1], ">") {
		t.Errorf("%s", b.String())
	}
}

// TestColour: colours are switched off at the end of each stretch, and change nothing else.
func TestColour(t *testing.T) {
	for _, c := range []Chart{curves(), versions(), forest()} {
		var plain, painted bytes.Buffer
		if err := errors.Join(Terminal(&plain, c, Screen{Width: 90, Height: 15}), Terminal(&painted, c, Screen{Width: 90, Height: 15, Colour: true})); err != nil {
			t.Fatal(err)
		}
		s := painted.String()
		if n := strings.Count(s, "\x1b[38;5;"); n == 0 || n != strings.Count(s, "\x1b[0m") {
			t.Errorf("%d colours are switched on, %d off", n, strings.Count(s, "\x1b[0m"))
		}
		bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(s, "")
		trim := func(s string) string { return regexp.MustCompile(" +\n").ReplaceAllString(s, "\n") }
		if trim(bare) != trim(plain.String()) {
			t.Errorf("%s\nwithout colours\n%s", bare, plain.String())
		}
	}
}

// TestRefused: what cannot be drawn says so; escapes in names do not reach the terminal.
func TestRefused(t *testing.T) {
	for _, c := range []Chart{{}, {Series: []Series{{Points: []Point{At(0, math.NaN())}}}}, {Y: Axis{Log: true}, Series: []Series{{Points: []Point{At(0, -1)}}}}, {Series: make([]Series, 100)}} {
		for _, err := range []error{SVG(io.Discard, c), PNG(io.Discard, c), Terminal(io.Discard, c, Screen{})} {
			if err == nil {
				t.Errorf("%+v is drawn", c)
			}
		}
	}
	var b bytes.Buffer
	c := Chart{Series: []Series{{Name: "\x1b[2Jx\x07", Points: []Point{At(0, 1)}}}}
	if err := Terminal(&b, c, Screen{}); err != nil || strings.ContainsAny(b.String(), "\x1b\x07") {
		t.Errorf("%q %v", b.String(), err)
	}
}
