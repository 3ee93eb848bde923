// Package stl knows stereolithography files, as text and binary: their solids and how they look.
//
// It promises: a binary file is told by its size, for many begin with "solid" as text does; a file of another size than
// its triangles need is malformed.
//
// # Bytes
//
//	0   80  anything
//	80   4  n, number of triangles, u32 little-endian
//	84  50  for each: normal and three corners, each 3 float32; 2 bytes that some take for a colour
//
// or text, in any case and with any space:
//
//	solid name
//	  facet normal x y z  outer loop  vertex x y z (three)  endloop  endfacet
//	endsolid name
package stl

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path"
	"strings"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
)

const (
	head     = 84
	facet    = 50
	maxText  = 1 << 31 // bytes
	maxSolid = 1 << 16
	// maxFacets bounds what is held of a model.
	maxFacets = 1 << 27
)

// Format is the format. It has no state.
type Format struct{}

// Name is "stl".
func (Format) Name() string { return "stl" }

// Match looks for the extension, or for a solid with a facet.
func (Format) Match(name string, b []byte) bool {
	lower := bytes.ToLower(bytes.TrimLeft(b, " \t\r\n"))
	text := bytes.HasPrefix(lower, []byte("solid"))
	if strings.EqualFold(path.Ext(name), ".stl") {
		return text || len(b) >= head && !bytes.HasPrefix(b, []byte("version https://git-lfs"))
	}
	return text && bytes.Contains(lower, []byte("facet")) && bytes.Contains(lower, []byte("outer loop"))
}

// sink takes what is in a file, in its order.
type sink interface {
	solid(name string, from int64) error
	facet(v *[3][3]float32, attribute uint16)
	end(to int64)
}

// read reads a file into a sink.
func read(ctx context.Context, in format.Input, s sink) error {
	size := in.Size()
	start, err := format.ReadSpan(in, 0, min(size, head), head)
	if err != nil {
		return err
	}
	n := int64(-1)
	if size >= head {
		n = int64(binary.LittleEndian.Uint32(start[80:]))
	}
	if n >= 0 && size == head+facet*n {
		return readBinary(ctx, in, n, s)
	}
	if text := bytes.TrimLeft(start, " \t\r\n"); len(text) >= 5 && strings.EqualFold(string(text[:5]), "solid") {
		b, err := format.ReadSpan(in, 0, size, maxText)
		if err != nil {
			return err
		}
		t := words{b: b, sink: s}
		return t.read(ctx)
	}
	if n < 0 || size < head+facet*n {
		return format.Malformed("%d bytes, too few for %d triangles", size, max(n, 0))
	}
	rest := size - head - facet*n
	tail, err := format.ReadSpan(in, size-rest, min(rest, 1<<16), 1<<16)
	if err != nil {
		return err
	}
	if len(bytes.Trim(tail, "\x00")) > 0 {
		return format.Malformed("%d bytes after %d triangles", rest, n)
	}
	return readBinary(ctx, in, n, s)
}

func readBinary(ctx context.Context, in format.Input, n int64, s sink) error {
	if err := s.solid("", 0); err != nil {
		return err
	}
	if w, ok := s.(*welding); ok {
		w.expect(int(min(n, maxFacets)))
	}
	const some = 20000
	for at := int64(0); at < n; at += some {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := format.ReadSpan(in, head+facet*at, facet*min(some, n-at), facet*some)
		if err != nil {
			return err
		}
		for ; len(b) > 0; b = b[facet:] {
			f := b[:facet]
			number := func(at int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(f[at:])) }
			v := [3][3]float32{{number(12), number(16), number(20)}, {number(24), number(28), number(32)}, {number(36), number(40), number(44)}}
			s.facet(&v, binary.LittleEndian.Uint16(f[48:]))
		}
	}
	s.end(in.Size())
	return nil
}

// words reads the text form.
type words struct {
	b    []byte
	at   int
	sink sink
	// polygon is what was read of a facet.
	polygon [][3]float32
}

// word returns the next word in lower case where it is a keyword; "" at the end.
func (t *words) word() []byte {
	t.at += shape.Space(t.b[t.at:])
	from := t.at
	for t.at < len(t.b) && t.b[t.at] > ' ' {
		t.at++
	}
	return t.b[from:t.at]
}

// line returns what is left of a line.
func (t *words) line() string {
	n := bytes.IndexByte(t.b[t.at:], '\n')
	if n < 0 {
		n = len(t.b) - t.at
	}
	s := strings.TrimSpace(string(t.b[t.at : t.at+n]))
	t.at += n
	return s
}

func (t *words) read(ctx context.Context) error {
	open, solids := false, 0
	for n := 0; ; n++ {
		if n&0xffff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		w := t.word()
		from := t.at - len(w)
		var err error
		switch {
		case len(w) == 0 && (open || solids == 0):
			return format.Malformed("the text ends within a solid")
		case len(w) == 0:
			return nil
		case keyword(w, "vertex") && open:
			err = t.vertex()
		case keyword(w, "facet") && open:
			t.polygon = t.polygon[:0]
			t.normal()
		case keyword(w, "endfacet") && open:
			err = t.facet()
		case keyword(w, "solid") && !open:
			open = true
			solids++
			err = t.sink.solid(t.line(), int64(from))
		case keyword(w, "endsolid") && open:
			open = false
			t.line()
			t.sink.end(int64(t.at))
		case keyword(w, "outer"), keyword(w, "loop"), keyword(w, "endloop"):
		case open: // colours and what others add
			t.line()
		default:
			return format.Malformed("%.32q at %d is in no solid", w, from)
		}
		if err != nil {
			return err
		}
	}
}

func keyword(w []byte, want string) bool {
	return len(w) == len(want) && strings.EqualFold(string(w), want)
}

// normal passes over what the facet's word is followed by.
func (t *words) normal() {
	t.word()
	for range 3 {
		t.at += shape.Space(t.b[t.at:])
		_, n := shape.Number(t.b[t.at:])
		t.at += n
	}
}

func (t *words) vertex() error {
	var v [3]float32
	for k := range 3 {
		t.at += shape.Space(t.b[t.at:])
		x, n := shape.Number(t.b[t.at:])
		if n == 0 {
			return format.Malformed("no number at %d", t.at)
		}
		v[k] = float32(x)
		t.at += n
	}
	if len(t.polygon) == 1<<10 {
		return format.Malformed("a facet of more than %d corners at %d", 1<<10, t.at)
	}
	t.polygon = append(t.polygon, v)
	return nil
}

func (t *words) facet() error {
	if len(t.polygon) < 3 {
		return format.Malformed("a facet of %d corners at %d", len(t.polygon), t.at)
	}
	for i := 1; i+1 < len(t.polygon); i++ {
		v := [3][3]float32{t.polygon[0], t.polygon[i], t.polygon[i+1]}
		t.sink.facet(&v, 0)
	}
	t.polygon = t.polygon[:0]
	return nil
}

// Validate reads the file whole.
func (Format) Validate(ctx context.Context, in format.Input) error {
	return read(ctx, in, &listing{})
}

// Elements lists the solids. Where what is read is kept, the meshes will be asked for too.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	if _, ok := in.(format.Keeping); ok {
		h, err := whole(ctx, in)
		if err != nil {
			return nil, err
		}
		return h.elements(), nil
	}
	var l listing
	if err := read(ctx, in, &l); err != nil {
		return nil, err
	}
	return l.elements(), nil
}

// listing sums solids.
type listing struct{ list []solid }

type solid struct {
	name          string
	from, to      int64
	shape, colors shape.Sum
	facets        int
	colored       bool
	bounds        mesh.Bounds
}

func (l *listing) solid(name string, from int64) error {
	if len(l.list) == maxSolid {
		return fmt.Errorf("more than %d solids: %w", maxSolid, format.ErrLimit)
	}
	l.list = append(l.list, solid{name: name, from: from, bounds: mesh.Nowhere()})
	return nil
}

func (l *listing) facet(v *[3][3]float32, attribute uint16) {
	s := &l.list[len(l.list)-1]
	var c [3]shape.Corner
	for i := range 3 {
		p := [3]float64{float64(v[i][0]), float64(v[i][1]), float64(v[i][2])}
		c[i] = shape.At(p[0], p[1], p[2])
		s.bounds.Add(p)
	}
	s.face(&c, attribute)
}

// face adds a triangle.
func (s *solid) face(c *[3]shape.Corner, attribute uint16) {
	if attribute != 0 && !s.colored {
		s.colors, s.colored = s.shape, true // so far all had none
	}
	s.shape.Face(c[:], 0)
	if s.colored {
		s.colors.Face(c[:], uint64(attribute))
	}
	s.facets++
}

func (l *listing) end(to int64) { l.list[len(l.list)-1].to = to }

func (l *listing) elements() []format.Element {
	count := map[string]int{}
	for i := range l.list {
		count[l.list[i].name]++
	}
	seen := map[string]int{}
	var out []format.Element
	for i := range l.list {
		s := &l.list[i]
		seen[s.name]++
		e := format.Element{ID: "solid:" + s.name, Kind: "mesh", Name: s.name, Bytes: s.to - s.from, Bounds: s.bounds.Slice(),
			Properties: map[string]string{"triangles": fmt.Sprint(s.facets)}, Aspects: map[string]string{"geometry": s.shape.String()}}
		if e.Name == "" {
			e.Name = "solid"
		}
		if count[s.name] == 1 {
			e.Stable = e.ID
		} else {
			e.ID = fmt.Sprintf("%d:%s", seen[s.name], e.ID)
		}
		if s.colored {
			e.Aspects["colors"] = s.colors.String()
		}
		out = append(out, e)
	}
	return out
}
