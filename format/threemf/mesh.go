package threemf

import (
	"fmt"
	"math"
	"strconv"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
	"varve/format/xmlspan"
)

// triangle is one with what it is made of.
type triangle struct {
	v   [3]uint32
	pid uint64 // hash of its property group; 0 none
	p   [3]int32
}

// read gives the vertices and triangles of a mesh, which is passed over in the tree, and the tags that are neither.
func (p *part) read(n *xmlspan.Node) (points [][3]float64, faces []triangle, more []byte, err error) {
	s := xmlspan.NewScanner(p.doc.Text[:n.InEnd], n.In)
	for {
		t, ok, err := s.Next()
		if err != nil {
			return nil, nil, nil, err
		}
		if !ok {
			break
		}
		if t.Kind != xmlspan.Open {
			continue
		}
		switch xmlspan.Local(t.Name) {
		case "vertex":
			v, err := p.vertex(&t)
			if err != nil {
				return nil, nil, nil, err
			}
			points = append(points, v)
		case "triangle":
			f, err := p.triangle(&t)
			if err != nil {
				return nil, nil, nil, err
			}
			faces = append(faces, f)
		case "vertices", "triangles":
		default: // a beam lattice, sets of triangles
			more = append(more, p.doc.Text[t.Start:t.End]...)
		}
	}
	for i := range faces {
		for _, v := range faces[i].v {
			if int(v) >= len(points) {
				return nil, nil, nil, format.Malformed("triangle %d has vertex %d of %d", i, v, len(points))
			}
		}
	}
	return points, faces, more, nil
}

func (p *part) vertex(t *xmlspan.Token) (v [3]float64, err error) {
	found := 0
	for _, a := range t.Attrs {
		if len(a.Name) != 1 || a.Name[0] < 'x' || a.Name[0] > 'z' {
			continue
		}
		text := p.doc.Text[a.Off : a.Off+a.Len]
		text = text[shape.Space(text):]
		x, n := shape.Number(text)
		if n == 0 {
			return v, format.Malformed("a vertex at %d has no number for %s", t.Start, a.Name)
		}
		v[a.Name[0]-'x'] = x
		found++
	}
	if found != 3 {
		return v, format.Malformed("a vertex at %d has %d of x, y and z", t.Start, found)
	}
	return v, nil
}

func (p *part) triangle(t *xmlspan.Token) (f triangle, err error) {
	f.p = [3]int32{-1, -1, -1}
	found := 0
	for _, a := range t.Attrs {
		text := p.doc.Text[a.Off : a.Off+a.Len]
		number := func(max int64) (int64, error) {
			text = text[shape.Space(text):]
			v, n := shape.Whole(text)
			if n == 0 || v < 0 || v > max {
				return 0, format.Malformed("a triangle at %d has %s %.20q", t.Start, a.Name, text)
			}
			return v, nil
		}
		switch a.Name {
		case "v1", "v2", "v3":
			v, err := number(math.MaxUint32)
			if err != nil {
				return f, err
			}
			f.v[a.Name[1]-'1'] = uint32(v)
			found++
		case "p1", "p2", "p3":
			v, err := number(math.MaxInt32)
			if err != nil {
				return f, err
			}
			f.p[a.Name[1]-'1'] = int32(v)
		case "pid":
			f.pid = 14695981039346656037
			for _, c := range text {
				f.pid = (f.pid ^ uint64(c)) * 1099511628211
			}
		}
	}
	if found != 3 {
		return f, format.Malformed("a triangle at %d has %d corners", t.Start, found)
	}
	return f, nil
}

// describe sums a mesh.
func (p *part) describe(e *format.Element, n *xmlspan.Node) error {
	points, faces, more, err := p.read(n)
	if err != nil {
		return fmt.Errorf("%s: %w", e.ID, err)
	}
	var place, material shape.Sum
	b := mesh.Nowhere()
	for i := range faces {
		var c, m [3]shape.Corner
		for k, v := range faces[i].v {
			x := points[v]
			b.Add(x)
			c[k] = shape.At(x[0], x[1], x[2])
			m[k] = c[k].With(float64(faces[i].p[k]))
		}
		place.Face(c[:], 0)
		if faces[i].pid != 0 || faces[i].p[0] >= 0 {
			material.Face(m[:], faces[i].pid)
		}
	}
	e.Bounds = b.Slice()
	e.Properties["triangles"] = fmt.Sprint(len(faces))
	e.Aspects["geometry"] = place.String()
	if !material.Empty() {
		e.Aspects["materials"] = material.String()
	}
	if len(more) > 0 {
		e.Aspects["extensions"] = format.HashOf(more)
	}
	return nil
}

// colors returns the colours of a property group, linear; nil where it has none.
func (p *part) colors(id string) [][4]float32 {
	n := p.byID[id]
	if n == nil {
		return nil
	}
	name := ""
	switch n.Local() {
	case "basematerials":
		name = "displaycolor"
	case "colorgroup":
		name = "color"
	default:
		return nil
	}
	var out [][4]float32
	for _, k := range n.Kids {
		out = append(out, color(p.doc.Get(k, name)))
	}
	return out
}

// color reads #RRGGBB or #RRGGBBAA of sRGB.
func color(s string) [4]float32 {
	out := [4]float32{0.55, 0.55, 0.55, 1}
	if len(s) != 7 && len(s) != 9 || s[0] != '#' {
		return out
	}
	v, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return out
	}
	if len(s) == 7 {
		v = v<<8 | 0xff
	}
	for i := range 3 {
		x := float64(v>>(24-8*i)&0xff) / 255
		if x <= 0.04045 {
			x /= 12.92
		} else {
			x = math.Pow((x+0.055)/1.055, 2.4)
		}
		out[i] = float32(x)
	}
	out[3] = float32(v&0xff) / 255
	return out
}
