package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// SVG writes a chart as a picture of SVG 1.1, of the size that Size says, on white.
func SVG(w io.Writer, c Chart) error {
	if err := c.check(); err != nil {
		return err
	}
	width, height := Size(c)
	v := &vectors{}
	fmt.Fprintf(&v.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui, Helvetica, Arial, sans-serif" font-size="%g" stroke="none" role="img">`+"\n", width, height, width, height, fontSize)
	if c.Title != "" {
		fmt.Fprintf(&v.b, "<title>%s</title>\n", escaped(c.Title))
	}
	fmt.Fprintf(&v.b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	drawOn(&c, v, width, height)
	v.b.WriteString("</svg>\n")
	_, err := w.Write(v.b.Bytes())
	return err
}

// vectors is a canvas of SVG.
type vectors struct{ b bytes.Buffer }

func escaped(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return b.String()
}

func (c colour) hex() string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }

func (v *vectors) places(all []spot) {
	for i, p := range all {
		if i > 0 {
			v.b.WriteByte(' ')
		}
		fmt.Fprintf(&v.b, "%.1f,%.1f", p.x, p.y)
	}
}

func (v *vectors) line(through []spot, c colour, width float64, dash []float64) {
	v.b.WriteString(`<polyline points="`)
	v.places(through)
	fmt.Fprintf(&v.b, `" fill="none" stroke="%s" stroke-width="%g" stroke-linejoin="round"`, c.hex(), width)
	if len(dash) > 0 {
		fmt.Fprintf(&v.b, ` stroke-dasharray="%s"`, strings.Trim(fmt.Sprint(dash), "[]"))
	}
	v.b.WriteString("/>\n")
}

func (v *vectors) area(around []spot, c colour, alpha float64) {
	v.b.WriteString(`<polygon points="`)
	v.places(around)
	fmt.Fprintf(&v.b, `" fill="%s"`, c.hex())
	if alpha < 1 {
		fmt.Fprintf(&v.b, ` fill-opacity="%g"`, alpha)
	}
	v.b.WriteString("/>\n")
}

func (v *vectors) text(at spot, s string, c colour, a anchor, upright bool) {
	fmt.Fprintf(&v.b, `<text x="%.1f" y="%.1f" fill="%s"`, at.x, at.y, c.hex())
	if a != start {
		fmt.Fprintf(&v.b, ` text-anchor="%s"`, []string{"start", "middle", "end"}[a])
	}
	if upright {
		fmt.Fprintf(&v.b, ` transform="rotate(-90 %.1f %.1f)"`, at.x, at.y)
	}
	fmt.Fprintf(&v.b, ">%s</text>\n", escaped(s))
}

// measure is the width of a text in a font that is not known here: a little more than most are.
func (v *vectors) measure(s string) float64 {
	return float64(utf8.RuneCountInString(s)) * fontSize * 0.56
}
