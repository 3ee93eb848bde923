// Package usd knows layers of Universal Scene Description: as text (.usda) their prims, what they need, how their meshes
// look, and puts prims of one version into another; as packages (.usdz) the files in them; as binary (.usdc) whether they
// are whole, and what they need.
//
// It promises: prims are named by their paths; what it writes is the layer with other spans in some places, and packages
// keep the alignment of their files; a binary layer that needs others is the layer with its words anew at its end, and
// nothing else of it is moved.
//
// # Bytes
//
//	text     #usda 1.0, ( metadata ), def Type "Name" ( metadata ) { type name = value, prims, variantSet "x" = { "a" { } } }
//	package  a zip of stored files at multiples of 64 bytes; the first is the layer that is opened
//	binary   "PXR-USDC" version:8 directory:8 …, the directory count:8 of name:16 start:8 size:8, little-endian
//
// # Elements
//
// Prims by what they are: mesh, group (Xform, Scope), material, shader, camera, light, skeleton, animation, prim; variants
// "/A{set=name}" and what is in them. Of a package also its files; of a binary layer nothing but the layer.
package usd

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/mesh"
	"varve/format/shape"
	"varve/format/zipfile"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "usd".
func (Format) Name() string { return "usd" }

// Match looks for what layers and packages begin with.
func (Format) Match(name string, head []byte) bool {
	switch {
	case bytes.HasPrefix(head, []byte("#usda ")), bytes.HasPrefix(head, []byte("PXR-USDC")):
		return true
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return strings.EqualFold(path.Ext(name), ".usdz")
	}
	return false
}

// file is a file that was read: a layer of text or a binary one, in a package or not.
type file struct {
	in      format.Input
	archive *zipfile.Archive
	entry   *zipfile.Entry // of the layer in the package
	text    format.Input   // of the layer
	layer   *layer         // nil of a binary one
	binary  []byte
}

func open(ctx context.Context, in format.Input) (*file, error) {
	f := &file{in: in, text: in}
	magic, err := format.ReadSpan(in, 0, min(in.Size(), 8), 8)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(magic, []byte("PK\x03\x04")) {
		if err := f.unpack(ctx); err != nil {
			return nil, err
		}
	}
	b, err := format.ReadSpan(f.text, 0, f.text.Size(), maxText)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte(crateMagic)) {
		f.binary = b
		return f, nil
	}
	f.layer, err = parse(ctx, b)
	return f, err
}

// unpack finds the layer of a package, its first file.
func (f *file) unpack(ctx context.Context) (err error) {
	if f.archive, err = zipfile.Open(f.in); err != nil {
		return err
	}
	entries := f.archive.Entries()
	for i := range entries {
		switch strings.ToLower(path.Ext(entries[i].Name)) {
		case ".usd", ".usda", ".usdc":
			f.entry = &entries[i]
			b, err := f.archive.Read(ctx, f.entry, maxText)
			f.text = format.Bytes(b)
			return err
		}
	}
	return format.Malformed("no layer in the package")
}

// Validate checks that a layer is whole and can be read; of a package, that its files are and lie where they must.
func (Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(ctx, in)
	if err != nil {
		return err
	}
	if f.binary != nil {
		if _, err := crateTokens(f.binary); err != nil {
			return err
		}
	}
	if f.archive == nil {
		return nil
	}
	if err := f.archive.Validate(ctx, true); err != nil {
		return err
	}
	entries := f.archive.Entries()
	for i := range entries {
		e := &entries[i]
		at, err := f.archive.Data(e)
		if err != nil {
			return err
		}
		if e.Size > 0 && (e.Method != zipfile.Stored || at%align != 0) {
			return format.Malformed("%.128q in the package is not stored at a multiple of %d bytes", e.Name, align)
		}
	}
	return nil
}

// align is what the files of a package begin at multiples of.
const align = 64

// kindOf says what a prim is by its type.
func kindOf(k *prim) string {
	switch {
	case k.word == "":
		return "variant"
	case strings.HasSuffix(k.kind, "Light"):
		return "light"
	}
	switch k.kind {
	case "Mesh", "Cube", "Sphere", "Cylinder", "Cone", "Capsule", "Plane", "Points", "BasisCurves", "NurbsPatch", "PointInstancer":
		return "mesh"
	case "Xform", "Scope":
		return "group"
	case "Material":
		return "material"
	case "Shader", "NodeGraph":
		return "shader"
	case "Camera":
		return "camera"
	case "Skeleton", "SkelRoot":
		return "skeleton"
	case "SkelAnimation":
		return "animation"
	}
	return "prim"
}

// element is an Element and where it comes from.
type element struct {
	format.Element
	prim  *prim
	entry string // of a package
}

func (f *file) elements(ctx context.Context) ([]element, error) {
	var out []element
	used := map[string]bool{}
	add := func(e element) error {
		for used[e.ID] {
			e.ID += "'"
		}
		used[e.ID] = true
		if len(out) == format.MaxElements {
			return fmt.Errorf("more than %d elements: %w", format.MaxElements, format.ErrLimit)
		}
		out = append(out, e)
		return ctx.Err()
	}
	if f.layer != nil {
		var walk func(k *prim, parent string) error
		walk = func(k *prim, parent string) error {
			for _, c := range k.kids {
				up := parent
				if c.word != "variantSet" {
					e, err := f.layer.element(c)
					if err != nil {
						return err
					}
					e.Parent = parent
					if err := add(e); err != nil {
						return err
					}
					up = out[len(out)-1].ID
				}
				if err := walk(c, up); err != nil {
					return err
				}
			}
			return nil
		}
		if err := walk(f.layer.root, ""); err != nil {
			return nil, err
		}
	}
	if f.binary != nil && f.archive == nil {
		err := add(element{Element: format.Element{ID: "layer", Stable: "layer", Kind: "layer", Name: "binary layer", Bytes: int64(len(f.binary)), Aspects: map[string]string{"content": format.HashOf(f.binary)}}})
		return out, err
	}
	if f.archive == nil {
		return out, nil
	}
	for _, e := range f.archive.Entries() {
		if f.layer != nil && e.Name == f.entry.Name {
			continue
		}
		kind := assetKind(e.Name)
		if kind == "scene" {
			kind = "layer"
		}
		if err := add(element{entry: e.Name, Element: format.Element{ID: e.Name, Stable: e.Name, Kind: kind, Name: path.Base(e.Name), Bytes: e.Compressed, Aspects: map[string]string{"content": fmt.Sprintf("%08x%x", e.CRC, e.Size)}}}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// element describes a prim, without those in it.
func (l *layer) element(k *prim) (element, error) {
	e := element{prim: k, Element: format.Element{ID: k.id, Kind: kindOf(k), Name: k.name, Bytes: int64(k.to - k.from), Properties: map[string]string{}, Aspects: map[string]string{}}}
	if !k.twice {
		e.Stable = k.id
	}
	for _, c := range k.kids {
		e.Bytes -= int64(c.to - c.from)
	}
	if k.kind != "" {
		e.Properties["type"] = k.kind
	}
	if k.word != "def" && k.word != "" {
		e.Properties["specifier"] = k.word
	}
	var moves, rest []string
	known := map[string]bool{}
	if k.kind == "Mesh" {
		if m, err := l.mesh(k); err != nil {
			return e, fmt.Errorf("%s: %w", k.id, err)
		} else if m != nil {
			e.Aspects["geometry"] = m.sum()
			e.Bounds = m.bounds().Slice()
			e.Properties["faces"] = fmt.Sprint(len(m.counts))
			known = map[string]bool{"points": true, "faceVertexCounts": true, "faceVertexIndices": true, "extent": true}
		}
	}
	for i := range k.properties {
		p := &k.properties[i]
		if known[p.name] && p.meta.to == 0 {
			continue
		}
		line := p.kind + " " + p.name
		if p.value.to > 0 {
			line += " = " + l.canonical(p.value)
		}
		if p.meta.to > 0 {
			line += " (" + l.canonical(p.meta) + ")"
		}
		switch {
		case strings.HasPrefix(p.name, "xformOp"):
			moves = append(moves, line)
		case p.name == "visibility" || p.name == "purpose":
			e.Properties[p.name] = strings.Trim(l.canonical(p.value), `"`)
		default:
			rest = append(rest, line)
		}
	}
	slices.Sort(moves)
	slices.Sort(rest)
	for name, lines := range map[string][]string{"transform": moves, "attributes": rest} {
		if len(lines) > 0 {
			e.Aspects[name] = format.HashOf([]byte(strings.Join(lines, "\n")))
		}
	}
	if k.meta.to > 0 {
		if text := l.canonical(k.meta); text != "" {
			e.Aspects["metadata"] = format.HashOf([]byte(text))
		}
	}
	return e, nil
}

// canonical returns the tokens of a span, numbers in the one way that they are written.
func (l *layer) canonical(s span) string {
	var out strings.Builder
	lex := lexer{b: l.b[:s.to], at: s.from}
	for {
		t, err := lex.next()
		if err != nil || t.kind == endToken {
			return out.String()
		}
		if out.Len() > 0 {
			out.WriteByte(' ')
		}
		switch t.kind {
		case numberToken:
			v, _ := shape.Number(l.b[t.from:t.to])
			out.WriteString(strconv.FormatFloat(v+0, 'g', -1, 64))
		case textToken:
			fmt.Fprintf(&out, "%q", l.b[t.in:t.inEnd])
		case assetToken:
			fmt.Fprintf(&out, "@%s@", l.b[t.in:t.inEnd])
		case markToken:
			if t.c == ',' || t.c == ';' { // the last of a list may have one or not
				continue
			}
			out.WriteByte(t.c)
		default:
			out.Write(l.b[t.from:t.to])
		}
	}
}

// Elements lists prims, variants, and the files of a package.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	list, err := f.elements(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]format.Element, len(list))
	for i := range list {
		out[i] = list[i].Element
	}
	return out, nil
}

// surface is a mesh as the layer has it.
type surface struct {
	points  []float64 // three each
	counts  []int
	corners []int
}

func (s *surface) at(i int) [3]float64 {
	return [3]float64{s.points[3*i], s.points[3*i+1], s.points[3*i+2]}
}

// mesh reads the points and faces of a prim; nil where it has none of its own.
func (l *layer) mesh(k *prim) (*surface, error) {
	points, counts, corners := k.find("points"), k.find("faceVertexCounts"), k.find("faceVertexIndices")
	if points == nil {
		points = k.find("points.timeSamples")
	}
	if points == nil || counts == nil || corners == nil || points.value.to == 0 || counts.value.to == 0 || corners.value.to == 0 {
		return nil, nil
	}
	s := &surface{}
	var err error
	if s.points, err = l.first(points); err != nil {
		return nil, err
	}
	if len(s.points)%3 != 0 {
		return nil, format.Malformed("%d coordinates of points", len(s.points))
	}
	if s.counts, err = l.wholes(counts, len(l.b)); err != nil {
		return nil, err
	}
	if s.corners, err = l.wholes(corners, len(s.points)/3); err != nil {
		return nil, err
	}
	left := len(s.corners)
	for _, n := range s.counts {
		left -= n
		if left < 0 {
			break
		}
	}
	if left != 0 {
		return nil, format.Malformed("faces of other corners than the %d that there are", len(s.corners))
	}
	return s, nil
}

func (l *layer) wholes(p *property, below int) ([]int, error) {
	list := l.numbers(p.value)
	out := make([]int, len(list))
	for i, v := range list {
		if v < 0 || v >= float64(below) || v != float64(int(v)) {
			return nil, format.Malformed("%s has %v of %d", p.name, v, below)
		}
		out[i] = int(v)
	}
	return out, nil
}

// numbers returns the numbers in a span, whatever brackets they are in.
func (l *layer) numbers(s span) []float64 {
	var out []float64
	b := l.b[:s.to]
	for i := s.from; i < s.to; {
		switch c := b[i]; {
		case digit(c) || c == '-' || c == '.' || c == '+':
			v, n := shape.Number(b[i:])
			if n == 0 {
				n = 1
			} else {
				out = append(out, v)
			}
			i += n
		case c == '#':
			n := bytes.IndexByte(b[i:], '\n')
			if n < 0 {
				return out
			}
			i += n
		default:
			i++
		}
	}
	return out
}

// first returns the numbers of a value; of one with time samples those of the first.
func (l *layer) first(p *property) ([]float64, error) {
	s := p.value
	if strings.HasSuffix(p.name, ".timeSamples") {
		colon := bytes.IndexByte(l.b[s.from:s.to], ':')
		if colon < 0 {
			return nil, format.Malformed("no time sample at %d", s.from)
		}
		s.from += colon + 1
		depth := 0
	scan:
		for i := s.from; i < s.to; i++ {
			switch l.b[i] {
			case '(', '[':
				depth++
			case ')', ']':
				depth--
			case ',', '}':
				if depth == 0 {
					s.to = i
					break scan
				}
			}
		}
	}
	return l.numbers(s), nil
}

func (s *surface) sum() string {
	var sum shape.Sum
	var list []shape.Corner
	at := 0
	for _, n := range s.counts {
		list = list[:0]
		for _, c := range s.corners[at : at+n] {
			p := s.at(c)
			list = append(list, shape.At(p[0], p[1], p[2]))
		}
		at += n
		sum.Face(list, 0)
	}
	return sum.String()
}

func (s *surface) bounds() mesh.Bounds {
	b := mesh.Nowhere()
	for i := range len(s.points) / 3 {
		b.Add(s.at(i))
	}
	return b
}

// rewritten is a layer as the file that it is of.
func (f *file) rewritten(ctx context.Context, text *format.Output, more func(*zipfile.Rewrite)) (*format.Output, error) {
	if f.archive == nil {
		return text, nil
	}
	r := f.archive.Rewrite()
	r.Align = align
	if text != nil {
		r.Put(f.entry.Name, text, zipfile.Stored)
	}
	more(r)
	return r.Output(ctx)
}
