package raster

import "strings"

// Card returns a picture, in RGB of 8 bits and size pixels square, for what has none: a line in large letters, as a
// file's kind, and a few words on why. Words that do not fit are cut.
func Card(size int, title string, words ...string) *Image {
	size = min(max(size, 16), 1024)
	p := &Image{Width: size, Height: size, Model: RGB, Depth: U8, U8: make([]uint8, 3*size*size)}
	paper, edge, ink, faint := [3]uint8{38, 41, 46}, [3]uint8{70, 75, 83}, [3]uint8{228, 231, 235}, [3]uint8{150, 156, 165}
	rim := max(1, size/128)
	p.fill(0, 0, size, size, edge)
	p.fill(rim, rim, size-rim, size-rim, paper)

	room := size - size/8
	large := max(1, min(size/64, room/max(1, advance*len([]rune(title)))))
	small := max(1, size/200)
	var lines []string
	for _, w := range words {
		lines = append(lines, wrap(w, room/(advance*small))...)
	}
	high := large*lineHeight + small*lineHeight*len(lines)
	y := max(size/16, (size-high)/2)
	p.centre(y, large, title, ink)
	y += large*lineHeight + small
	for _, l := range lines {
		if y+small*glyphHeight > size-rim {
			break
		}
		p.centre(y, small, l, faint)
		y += small * lineHeight
	}
	return p
}

// centre draws a line in the middle; of one that is too long the beginning.
func (p *Image) centre(y, size int, s string, ink [3]uint8) {
	r := []rune(s)
	if most := max(1, (p.Width-4*size)/(advance*size)); len(r) > most {
		r = r[:most]
	}
	p.text((p.Width-(len(r)*advance-1)*size)/2, y, size, string(r), ink)
}

// wrap breaks text into lines of at most n characters, at spaces where there are any.
func wrap(text string, n int) []string {
	n = max(n, 1)
	var out []string
	line := ""
	for _, w := range strings.Fields(text) {
		for len([]rune(w)) > n {
			if line != "" {
				out, line = append(out, line), ""
			}
			r := []rune(w)
			out, w = append(out, string(r[:n])), string(r[n:])
		}
		switch {
		case line == "":
			line = w
		case len([]rune(line))+1+len([]rune(w)) <= n:
			line += " " + w
		default:
			out, line = append(out, line), w
		}
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}
