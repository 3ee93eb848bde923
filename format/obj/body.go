package obj

import (
	"bytes"
	"slices"
	"strconv"

	"varve/format"
	"varve/format/shape"
	"varve/format/splice"
)

// stretch is statements of a part, other than vertices, one after another.
type stretch struct {
	from, to int64
	faces    int32  // before it, in the file
	text     []byte // as it is to be written
	// Whether a face in it comes before any usemtl or s, and whether there is any.
	needsMaterial, needsSmooth bool
	setsMaterial, setsSmooth   bool
}

// stretches cuts the runs of parts at vertex lines.
func (s *scene) stretches(parts []int32) []stretch {
	var out []stretch
	for _, r := range s.inOrder(parts) {
		open := false
		face := r.faces
		st := statements{text: s.text[:r.to], at: int(r.from)}
		for {
			from, to, ok := st.read()
			if !ok {
				break
			}
			first, _ := word(s.text[from:to])
			switch string(first) {
			case "v", "vt", "vn":
				open = false
				continue
			}
			joined := open || len(out) > 0 && out[len(out)-1].to == int64(from)
			if !joined {
				out = append(out, stretch{from: int64(from), faces: face})
			}
			open = true
			out[len(out)-1].to = int64(to)
			if isFace(first) {
				face++
			}
		}
	}
	return out
}

func isFace(first []byte) bool {
	switch string(first) {
	case "f", "fo", "l", "p":
		return true
	}
	return false
}

// write fills in the text of a stretch of b as it is to be in a.
func (g *graft) write(s *stretch, p *piece) {
	face := s.faces
	st := statements{text: g.b.text[:s.to], at: int(s.from)}
	for {
		from, to, ok := st.read()
		if !ok {
			break
		}
		line := g.b.text[from:to]
		switch first, _ := word(line); {
		case isFace(first):
			s.needsMaterial, s.needsSmooth = s.needsMaterial || !s.setsMaterial, s.needsSmooth || !s.setsSmooth
			f := g.b.faces[face]
			s.text = renumber(s.text, line, g.b.corners[f.first:f.first+f.n], p)
			face++
			continue
		case string(first) == "usemtl":
			s.setsMaterial = true
		case string(first) == "s":
			s.setsSmooth = true
		}
		s.text = append(s.text, line...)
	}
	if n := len(s.text); n > 0 && s.text[n-1] != '\n' {
		s.text = append(s.text, '\n')
	}
}

// renumber appends the line of a face with the numbers that its corners have in a.
func renumber(out, line []byte, corners []corner, p *piece) []byte {
	_, rest := word(line)
	at := len(line) - len(rest)
	out = append(out, line[:at]...)
	for _, c := range corners {
		n := skip(line[at:])
		out = append(out, line[at:at+n]...)
		at += n
		for k := 0; at < len(line) && !space(line[at]); k++ {
			if _, n := shape.Whole(line[at:]); n > 0 {
				if k < 3 && c[k] >= 0 {
					out = strconv.AppendInt(out, int64(p.to[k][c[k]])+1, 10)
				}
				at += n
			}
			if at < len(line) && line[at] == '/' {
				out = append(out, '/')
				at++
				continue
			}
			break
		}
	}
	return append(out, line[at:]...)
}

// make makes the edits of all pieces.
func (g *graft) make() (*format.Output, error) {
	g.number()
	g.tail, g.end = new(format.Output), g.a.at(g.a.in.Size())
	for _, p := range g.pieces {
		if err := g.put(p); err != nil {
			return nil, err
		}
	}
	size := g.a.in.Size()
	if g.tail.Size() > 0 {
		end := new(format.Output)
		if size > 0 && g.a.text[size-1] != '\n' {
			end.Append(splice.Text("\n"))
		}
		end.Append(g.tail)
		g.edits = append(g.edits, splice.Edit{Off: size, New: end})
	}
	return splice.Apply(g.a.in, 0, size, g.edits)
}

// lastVertex returns where the last vertex line of a begins.
func (s *scene) lastVertex() int64 {
	last := int64(-1)
	for k := range 3 {
		if n := len(s.lines[k]); n > 0 {
			last = max(last, s.lines[k][n-1])
		}
	}
	return last
}

// put places one piece.
func (g *graft) put(p *piece) error {
	old, fresh := g.a.stretches(p.a), g.b.stretches(p.b)
	for i := range fresh {
		g.write(&fresh[i], p)
	}
	if len(old) > 0 && len(fresh) > 0 {
		last := &old[len(old)-1]
		more := len(p.more[0])+len(p.more[1])+len(p.more[2]) > 0
		after := int64(-1) // what the faces refer to
		for k := range 3 {
			for _, n := range p.to[k] {
				if int(n) < len(g.a.lines[k]) {
					after = max(after, g.a.lines[k][n])
				}
			}
		}
		if more {
			after = g.a.lastVertex()
		}
		if last.from > after {
			g.inPlace(p, old, fresh)
			return nil
		}
	}
	it := g.b.parts[p.b[0]]
	if it.id == "mesh" && len(g.a.parts) > 0 {
		return &format.Refusal{Reason: "faces that are in no object or group cannot be put behind others", Advice: "restore the whole file"}
	}
	if it.kind == "group" && it.parent < 0 && slices.ContainsFunc(g.a.parts, func(o part) bool { return o.kind == "object" }) {
		return &format.Refusal{Reason: "a group that is in no object cannot be put behind an object", Advice: "restore the whole file"}
	}
	for i := range old {
		g.edits = append(g.edits, splice.Edit{Off: old[i].from, Len: old[i].to - old[i].from, New: splice.Text(g.after(&old[i], g.a.at(old[i].from)))})
	}
	g.atEnd(p, fresh)
	return nil
}

// inPlace puts new stretches in the places of the old.
func (g *graft) inPlace(p *piece, old, fresh []stretch) {
	if len(old) != len(fresh) { // all of it in the last place
		for i := range old[:len(old)-1] {
			g.edits = append(g.edits, splice.Edit{Off: old[i].from, Len: old[i].to - old[i].from, New: splice.Text(g.after(&old[i], g.a.at(old[i].from)))})
		}
		last := &old[len(old)-1]
		text, is := g.flow(fresh, g.a.at(last.from))
		out := g.vertices(p)
		_, _ = out.Write(append(text, g.after(last, is)...))
		g.edits = append(g.edits, splice.Edit{Off: last.from, Len: last.to - last.from, New: out})
		return
	}
	for i := range old {
		out := new(format.Output)
		if i == len(old)-1 {
			out = g.vertices(p)
		}
		text, is := g.flow(fresh[i:i+1], g.a.at(old[i].from))
		text = append(text, g.after(&old[i], is)...)
		if out.Size() == 0 && bytes.Equal(text, g.a.text[old[i].from:old[i].to]) {
			continue
		}
		_, _ = out.Write(text)
		g.edits = append(g.edits, splice.Edit{Off: old[i].from, Len: old[i].to - old[i].from, New: out})
	}
}

// flow is the text of stretches of b, one after another, where the state is as given: with the statements that they rely
// on. It returns the state after them.
func (g *graft) flow(fresh []stretch, is looks) ([]byte, looks) {
	var out []byte
	for i := range fresh {
		s := &fresh[i]
		want, end := g.b.at(s.from), g.b.at(s.to)
		need := is
		if s.needsMaterial {
			need.material = want.material
		}
		if s.needsSmooth {
			need.smooth = want.smooth
		}
		out = append(out, need.says(is)...)
		out = append(out, s.text...)
		if is = need; s.setsMaterial {
			is.material = end.material
		}
		if s.setsSmooth {
			is.smooth = end.smooth
		}
	}
	return out, is
}

// vertices are the lines for which a has no place.
func (g *graft) vertices(p *piece) *format.Output {
	out := new(format.Output)
	for k := range 3 {
		for _, n := range p.more[k] {
			out.Append(g.vertex(k, n))
		}
	}
	return out
}

// after are the statements on which what follows an old stretch of a relies, where the state is now another.
func (g *graft) after(old *stretch, is looks) string {
	want, need := g.a.at(old.to), is
	material, smooth := false, false // whether they are said before a face
	st := statements{text: g.a.text, at: int(old.to)}
	for !material || !smooth {
		from, to, ok := st.read()
		if !ok {
			break
		}
		first, _ := word(g.a.text[from:to])
		if isFace(first) {
			if !material {
				need.material = want.material
			}
			if !smooth {
				need.smooth = want.smooth
			}
			break
		}
		material = material || string(first) == "usemtl"
		smooth = smooth || string(first) == "s"
	}
	return need.says(is)
}

// atEnd puts a piece behind all that a has: its o or g, its vertices, its faces.
func (g *graft) atEnd(p *piece, fresh []stretch) {
	it := g.b.parts[p.b[0]]
	if it.parent >= 0 {
		_, _ = g.tail.Write([]byte("o " + g.b.parts[it.parent].name + "\n"))
	}
	if len(fresh) > 0 {
		st := statements{text: fresh[0].text}
		_, to, _ := st.read()
		if first, _ := word(fresh[0].text[:to]); string(first) == "o" || string(first) == "g" {
			_, _ = g.tail.Write(fresh[0].text[:to])
			fresh[0].text = fresh[0].text[to:]
		}
	}
	g.tail.Append(g.vertices(p))
	text, is := g.flow(fresh, g.end)
	g.end = is
	_, _ = g.tail.Write(text)
}
