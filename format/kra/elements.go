package kra

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/xmlspan"
)

// Elements lists layers, masks and the frames of animated layers, the uppermost first, each with what is in it.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return d.elements(ctx)
}

func (d *document) elements(ctx context.Context) ([]format.Element, error) {
	out := make([]format.Element, 0, len(d.nodes))
	at := map[*node]int{}
	for _, n := range d.nodes {
		e, err := d.element(ctx, n)
		if err != nil {
			return nil, err
		}
		at[n] = len(out)
		out = append(out, *e)
		if out, err = d.frameElements(ctx, n, out); err != nil {
			return nil, err
		}
	}
	for _, n := range slices.Backward(d.nodes) { // a group is where its layers are
		if n.parent == nil || n.mask() || n.parent.Kind != "grouplayer" {
			continue
		}
		g := &out[at[n.parent]]
		g.Bounds = union(g.Bounds, out[at[n]].Bounds)
	}
	return out, nil
}

func union(a, b []float64) []float64 {
	if a == nil || b == nil {
		return slices.Concat(a, b)
	}
	return []float64{min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])}
}

// kinds are what layers are called that are not plain ones.
func typeOf(kind string) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(kind, "layer"), "mask"), "-")
}

// element says what a layer or a mask is.
func (d *document) element(ctx context.Context, n *node) (*format.Element, error) {
	e := &format.Element{ID: n.id, Stable: n.uuid, Kind: "layer", Name: n.Name, Aspects: map[string]string{}}
	if n.parent != nil {
		e.Parent = n.parent.id
	}
	switch {
	case n.mask():
		e.Kind = "mask"
	case n.Kind == "grouplayer":
		e.Kind = "group"
	}
	e.Properties = d.properties(n)
	for _, p := range n.parts {
		e.Bytes += p.Compressed
	}
	if err := d.aspects(ctx, n, e); err != nil {
		return nil, err
	}
	return e, nil
}

// properties are the attributes of a node. What names its files and how the list of layers looks is not of them, and
// what says the same as saying nothing.
func (d *document) properties(n *node) map[string]string {
	out := map[string]string{}
	if t := typeOf(n.Kind); t != "" && t != "group" {
		out["type"] = t
	}
	for _, a := range n.Attrs {
		name, v := a.Name, d.xml.Value(a)
		switch name {
		case "name", "uuid", "filename", "nodetype", "layertype", "selected", "collapsed", "intimeline", "keyframes", "clonefrom", "layerstyle":
			continue
		case "channelflags", "channellockflags":
			if strings.Trim(v, "1") == "" { // all
				continue
			}
		case "colorlabel", "onionskin", "passthrough", "x", "y", "locked", "filterversion", "generatorversion":
			if v == "0" || v == "" {
				continue
			}
		case "compositeop":
			name = "blend"
		case "colorspacename":
			name = "colorspace"
		case "clonefromuuid":
			name = "clone"
		}
		out[name] = v
	}
	return out
}

// aspects hashes the parts of a node, each under what it is, and finds its bounds.
func (d *document) aspects(ctx context.Context, n *node, e *format.Element) error {
	frames, err := d.frames(ctx, n)
	if err != nil {
		return err
	}
	if style := d.get(n.Node, "layerstyle"); style != "" {
		// How it looks stands with all others in one file.
		sum := uint32(0)
		if asl := d.zip.Find(d.folder + styles); asl != nil {
			sum = asl.CRC
		}
		e.Aspects["style"] = format.HashOf([]byte(style), fmt.Append(nil, sum))
	}
	if len(n.Node.Kids) > 0 {
		if inner := d.inner(n.Node, nil); inner != "" {
			e.Aspects["content"] = format.HashOf([]byte(inner))
		}
	}
	for _, suffix := range n.suffixes() {
		if slices.ContainsFunc(frames, func(f frame) bool { return f.suffix == suffix || f.suffix+".defaultpixel" == suffix }) {
			continue // with the keyframes
		}
		name, hash, err := d.aspect(ctx, n, suffix, e)
		if err != nil {
			return err
		}
		switch {
		case hash == "":
		case e.Aspects[name] == "":
			e.Aspects[name] = hash
		default:
			e.Aspects[name] = format.HashOf([]byte(e.Aspects[name]), []byte(hash))
		}
	}
	return d.animation(ctx, n, frames, e)
}

// styles is where the styles of layers are kept.
const styles = "annotations/layerstyles.asl"

// aspect hashes a part of a node; "" where it is of another.
func (d *document) aspect(ctx context.Context, n *node, suffix string, e *format.Element) (name, hash string, err error) {
	switch {
	case strings.HasSuffix(suffix, ".defaultpixel"), suffix != "" && suffix == d.keyframed(n):
		return "", "", nil
	case isTiles(suffix):
		s, err := d.survey(ctx, n, suffix)
		if err != nil {
			return "", "", err
		}
		d.bounds(n, s, 0, 0, e)
		if suffix == "" {
			return "pixels", s.hash, nil
		}
		return "mask", s.hash, nil
	}
	b, err := d.part(ctx, n, suffix, maxSmall)
	if err != nil {
		return "", "", err
	}
	switch {
	case suffix == ".icc":
		return "profile", format.HashOf(undated(b)), nil
	case strings.HasSuffix(suffix, ".svg"):
		name = map[bool]string{true: "vector", false: "mask"}[strings.HasPrefix(suffix, ".shapelayer/")]
	case suffix == ".filterconfig":
		name = "filter"
	case suffix == ".transformconfig":
		name = "transform"
	default:
		return "data", format.HashOf([]byte(suffix), b), nil
	}
	return name, format.HashOf([]byte(plainXML(b))), nil
}

// undated returns a colour profile without when and to which version of the standard it was made, and
// its own hash: Krita makes it anew for every save.
func undated(b []byte) []byte {
	b = slices.Clone(b)
	if len(b) >= 128 {
		clear(b[8:12])
		clear(b[24:36])
		clear(b[84:100])
	}
	return b
}

// bounds takes what a survey found into the bounds of an element, in pixels of the canvas.
func (d *document) bounds(n *node, s *survey, dx, dy int, e *format.Element) {
	x, _ := strconv.Atoi(d.get(n.Node, "x"))
	y, _ := strconv.Atoi(d.get(n.Node, "y"))
	switch {
	case s.endless:
		e.Bounds = []float64{0, 0, float64(d.width), float64(d.height)}
	case s.empty():
	default:
		b := []float64{float64(s.x0 + x + dx), float64(s.y0 + y + dy), float64(s.x1 + x + dx), float64(s.y1 + y + dy)}
		e.Bounds = union(e.Bounds, b)
	}
}

// animation hashes keyframes, and the pictures that they show.
func (d *document) animation(ctx context.Context, n *node, frames []frame, e *format.Element) error {
	suffix := d.keyframed(n)
	if suffix == "" {
		return nil
	}
	text, err := d.part(ctx, n, suffix, maxSmall)
	if err != nil {
		return err
	}
	x, err := xmlspan.Parse(text, nil)
	if err != nil {
		return fmt.Errorf("%s: keyframes: %w", n, err)
	}
	// Which file a frame has is of no matter: what is in it is hashed, in the order of time.
	e.Aspects["keyframes"] = format.HashOf([]byte(plain(x, x.Root, []string{"frame"})))
	slices.SortStableFunc(frames, func(a, b frame) int { return compareTimes(a.time, b.time) })
	var sums [][]byte
	for _, f := range frames {
		if n.parts[f.suffix] == nil {
			return format.Malformed("%s: the frame at %s is not there", n, f.time)
		}
		s, err := d.survey(ctx, n, f.suffix)
		if err != nil {
			return err
		}
		d.bounds(n, s, f.x, f.y, e)
		sums = append(sums, fmt.Appendf(nil, "%s %s\n", f.time, s.hash))
	}
	if len(sums) > 0 {
		e.Aspects["frames"] = format.HashOf(sums...)
	}
	return nil
}

// frameElements appends the frames of an animated layer, in the order of time.
func (d *document) frameElements(ctx context.Context, n *node, out []format.Element) ([]format.Element, error) {
	frames, err := d.frames(ctx, n)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(frames, func(a, b frame) int { return compareTimes(a.time, b.time) })
	seen := map[string]bool{}
	for _, f := range frames {
		id := n.id + "@" + f.time
		if seen[id] {
			return nil, format.Malformed("%s: two frames at %s", n, f.time)
		}
		seen[id] = true
		s, err := d.survey(ctx, n, f.suffix)
		if err != nil {
			return nil, err
		}
		e := format.Element{ID: id, Parent: n.id, Kind: "frame", Name: "frame " + f.time, Bytes: n.parts[f.suffix].Compressed, Aspects: map[string]string{"pixels": s.hash}}
		if n.uuid != "" {
			e.Stable = id
		}
		d.bounds(n, s, f.x, f.y, &e)
		out = append(out, e)
	}
	return out, nil
}

func compareTimes(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil {
		return strings.Compare(a, b)
	}
	return cmp.Compare(x, y)
}

// plainXML returns what a text of XML says, however it is written; the text itself where it is none.
func plainXML(b []byte) string {
	x, err := xmlspan.Parse(b, nil)
	if err != nil {
		return string(b)
	}
	return plain(x, x.Root, nil) + strings.Join(strings.Fields(x.Inner(x.Root)), " ")
}

// plain returns what an element says: its attributes in the order of their names, but those of some names.
func plain(x *xmlspan.Document, n *xmlspan.Node, but []string) string {
	attrs := make([]string, 0, len(n.Attrs))
	for _, a := range n.Attrs {
		if !slices.Contains(but, a.Name) {
			v := x.Value(a)
			if a.Name == "transform" {
				v = steady(v)
			}
			attrs = append(attrs, fmt.Sprintf(" %s=%q", a.Name, v))
		}
	}
	slices.Sort(attrs)
	var out strings.Builder
	fmt.Fprintf(&out, "<%s%s>", n.Name, strings.Join(attrs, ""))
	if len(n.Kids) == 0 {
		fmt.Fprintf(&out, "%q", strings.TrimSpace(x.Inner(n)))
	}
	for _, k := range n.Kids {
		out.WriteString(plain(x, k, but))
	}
	return out.String()
}

// inner returns what an element of maindoc.xml holds beside layers and masks.
func (d *document) inner(n *xmlspan.Node, but []string) string {
	var out strings.Builder
	for _, k := range n.Kids {
		if l := k.Local(); l != "layers" && l != "masks" {
			out.WriteString(plain(d.xml, k, but))
		}
	}
	return out.String()
}
