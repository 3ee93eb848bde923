package obj

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"varve/format"
	"varve/format/shape"
)

// statements cuts a text into lines, those that a backslash joins as one.
type statements struct {
	text []byte
	at   int
	line int // of the statement, from 1
	next int
}

// read returns the next statement, [from, to) of the text with its line end; ok is false at the end.
func (s *statements) read() (from, to int, ok bool) {
	if s.at >= len(s.text) {
		return 0, 0, false
	}
	from = s.at
	s.line += s.next
	s.next = 0
	for {
		start := s.at
		n := bytes.IndexByte(s.text[s.at:], '\n')
		s.next++
		if n < 0 {
			s.at = len(s.text)
			break
		}
		s.at += n + 1
		if !bytes.HasSuffix(bytes.TrimRight(s.text[start:s.at], "\r\n"), []byte{'\\'}) {
			break
		}
	}
	return from, s.at, true
}

// word returns the first word of a statement and what follows it.
func word(b []byte) (first, rest []byte) {
	b = b[skip(b):]
	n := 0
	for n < len(b) && !space(b[n]) {
		n++
	}
	return b[:n], b[n:]
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// skip returns the length of the space that b starts with, backslashes before a line end in it.
func skip(b []byte) int {
	i := 0
	for i < len(b) && (space(b[i]) || b[i] == '\\' && i+1 < len(b) && (b[i+1] == '\n' || b[i+1] == '\r')) {
		i++
	}
	return i
}

// trimmed is what follows a word, as a name.
func trimmed(b []byte) string { return strings.TrimSpace(string(b)) }

type parser struct {
	*scene
	state
	object  int32 // the part that groups are in, -1 none
	line    int
	corner  []corner
	numbers []float64
	cut     bool // the statement is the last and has no line end
}

func (p *parser) all(ctx context.Context) error {
	p.object = -1
	s := statements{text: p.text, next: 1}
	known := 0
	for n := 0; ; n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		from, to, ok := s.read()
		if !ok {
			break
		}
		p.line, p.cut = s.line, to == len(p.text) && p.text[to-1] != '\n'
		first, rest := word(p.text[from:to])
		if len(first) == 0 || first[0] == '#' {
			continue
		}
		done, err := p.statement(first, rest, int64(from))
		if err != nil {
			return err
		}
		if done {
			known++
		}
	}
	p.end(int64(len(p.text)))
	if known == 0 {
		return format.Malformed("no statement of a shape")
	}
	return p.check()
}

// malformed says in which line.
func (p *parser) malformed(what string, args ...any) error {
	return format.Malformed("line %d: %s", p.line, fmt.Sprintf(what, args...))
}

func (p *parser) statement(first, rest []byte, at int64) (known bool, err error) {
	switch string(first) {
	case "v":
		return true, p.vertex(rest, at)
	case "vt":
		v, err := p.read(rest, 1)
		if err == nil {
			uv := [2]float32{float32(v[0])}
			if len(v) > 1 {
				uv[1] = float32(v[1])
			}
			p.uvs, p.lines[1] = append(p.uvs, uv), append(p.lines[1], at)
		}
		return true, err
	case "vn":
		v, err := p.read(rest, 3)
		if err == nil {
			p.normals, p.lines[2] = append(p.normals, [3]float32{float32(v[0]), float32(v[1]), float32(v[2])}), append(p.lines[2], at)
		}
		return true, err
	case "f", "fo", "l", "p":
		return true, p.face(first[0], rest)
	case "o", "g":
		return true, p.open(string(first), trimmed(rest), at)
	case "usemtl":
		p.state.material = p.materialOf(trimmed(rest))
		p.changes = append(p.changes, change{at, p.state})
	case "s":
		p.smooth = 0
		if v, n := shape.Whole(rest[skip(rest):]); n > 0 {
			p.smooth = v
		}
		p.changes = append(p.changes, change{at, p.state})
	case "curv", "curv2", "surf", "vp", "cstype":
		p.freeform = true
	case "mtllib":
		for _, n := range libraries(rest) {
			if name := string(rest[n[0]:n[1]]); len(p.scene.libraries) < maxLibraries && !slices.Contains(p.scene.libraries, name) {
				p.scene.libraries = append(p.scene.libraries, name)
			}
		}
	default:
		return false, nil
	}
	return true, nil
}

func (p *parser) materialOf(name string) int32 {
	n, ok := p.byName[name]
	if !ok {
		n = int32(len(p.materials))
		p.byName[name] = n
		p.materials = append(p.materials, name)
	}
	return n
}

// read returns at least want numbers; what follows them is passed over.
func (p *parser) read(b []byte, want int) ([]float64, error) {
	p.numbers = p.numbers[:0]
	for len(p.numbers) < 8 {
		b = b[skip(b):]
		v, n := shape.Number(b)
		if n == 0 {
			break
		}
		p.numbers = append(p.numbers, v)
		for b = b[n:]; len(b) > 0 && !space(b[0]); b = b[1:] { // what is written against it
		}
	}
	if len(p.numbers) < want {
		return nil, p.malformed("%d numbers, want %d", len(p.numbers), want)
	}
	return p.numbers, nil
}

func (p *parser) vertex(b []byte, at int64) error {
	v, err := p.read(b, 3)
	if err != nil {
		return err
	}
	n := int32(len(p.positions))
	if n == math.MaxInt32-1 {
		return fmt.Errorf("too many vertices: %w", format.ErrLimit)
	}
	if len(v) == 6 {
		p.colors[n] = [3]float32{float32(v[3]), float32(v[4]), float32(v[5])}
	}
	p.positions, p.lines[0] = append(p.positions, [3]float64{v[0], v[1], v[2]}), append(p.lines[0], at)
	if p.part >= 0 {
		p.parts[p.part].last = n + 1
	}
	return nil
}

// face reads corners. One of fewer than three is a line, as applications take it.
func (p *parser) face(kind byte, b []byte) error {
	if len(p.corners) > math.MaxInt32-len(b) {
		return fmt.Errorf("too many corners: %w", format.ErrLimit)
	}
	f := face{first: int32(len(p.corners)), state: p.state, kind: kind}
	for {
		b = b[skip(b):]
		if len(b) == 0 || b[0] == '#' {
			break
		}
		c, n := p.one(b)
		if n == 0 || n < len(b) && !space(b[n]) && b[n] != '\\' {
			w, _ := word(b)
			return p.malformed("%.32q is no corner", w)
		}
		p.corners = append(p.corners, c)
		b = b[n:]
	}
	f.n = int32(len(p.corners)) - f.first
	if f.n == 0 || p.cut && kind == 'f' && f.n < 3 {
		return p.malformed("%d corners", f.n)
	}
	if kind == 'f' && f.n < 3 {
		f.kind = 'l'
	}
	if f.part < 0 {
		if err := p.open("", "", 0); err != nil {
			return err
		}
		f.part = p.part
	}
	p.parts[f.part].lines++
	p.faces = append(p.faces, f)
	return nil
}

// one reads v, v/vt, v//vn or v/vt/vn.
func (p *parser) one(b []byte) (c corner, n int) {
	c = corner{-1, -1, -1}
	have := [3]int{len(p.positions), len(p.uvs), len(p.normals)}
	for k := range 3 {
		v, m := shape.Whole(b[n:])
		switch {
		case m == 0 && k != 1:
			return c, 0
		case m > 0:
			if v < 0 {
				v += int64(have[k]) + 1
			}
			if v < 1 || v > math.MaxInt32 {
				v = math.MaxInt32 // out of range: check says so
			}
			c[k] = int32(v - 1)
			n += m
		}
		if n >= len(b) || b[n] != '/' {
			return c, n
		}
		if k == 2 || n+1 >= len(b) {
			return c, 0
		}
		n++
	}
	return c, 0
}

// open starts a part or goes on with the one of its name. kind is "" for what is in none.
func (p *parser) open(kind, name string, at int64) error {
	p.end(at)
	id, parent := kind+":"+name, int32(-1)
	word := "object"
	switch kind {
	case "g":
		word = "group"
		if p.object >= 0 {
			parent, id = p.object, p.parts[p.object].id+"/"+id
		}
	case "":
		id = "mesh"
	}
	n, ok := p.byID[id]
	if !ok {
		if len(p.parts) == maxParts {
			return fmt.Errorf("more than %d objects and groups: %w", maxParts, format.ErrLimit)
		}
		n = int32(len(p.parts))
		p.byID[id] = n
		p.parts = append(p.parts, part{id: id, name: name, kind: word, parent: parent, first: int32(len(p.positions))})
	}
	p.part = n
	if kind != "g" {
		p.object = n
	}
	if kind == "" {
		p.object = -1
		p.parts[n].first = 0
		p.parts[n].name = "mesh"
	}
	p.parts[n].runs = append(p.parts[n].runs, run{at, -1, int32(len(p.faces))})
	return nil
}

// end closes the run of the part that is open.
func (p *parser) end(at int64) {
	if p.part >= 0 {
		p.parts[p.part].runs[len(p.parts[p.part].runs)-1].to = at
	}
}

// check: corners are there.
func (p *parser) check() error {
	have := [3]int{len(p.positions), len(p.uvs), len(p.normals)}
	for i := range p.faces {
		f := &p.faces[i]
		for _, c := range p.corners[f.first : f.first+f.n] {
			for k := range 3 {
				if int(c[k]) >= have[k] || k == 0 && c[k] < 0 {
					return format.Malformed("face %d: a corner is %d of %d %s", i+1, c[k]+1, have[k], [...]string{"vertices", "texture coordinates", "normals"}[k])
				}
			}
		}
	}
	if len(p.parts) == 0 { // points only
		if len(p.positions) == 0 {
			return nil
		}
		p.parts = []part{{id: "mesh", name: "mesh", kind: "object", parent: -1, last: int32(len(p.positions)), runs: []run{{0, int64(len(p.text)), 0}}}}
	}
	return nil
}
