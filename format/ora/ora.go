// Package ora knows OpenRaster, the format in which painting programs hand layers to one another: a zip archive of PNG
// pictures and of an XML file that says how they are stacked.
//
// It promises: what is put into a document is the other's own text and pictures; the rest of it stays, the entries of the
// archive byte for byte. A layer has the same hashes wherever its picture is the same, however it was compressed and
// however much of nothing is around it.
//
// Layers have no ids. One is known in another version by its name and the names of the groups that it is in, if no other
// has the same.
//
// # Bytes
//
//	mimetype                    image/openraster, stored
//	stack.xml                   image (w, h), in it a stack; in a stack layers (src, x, y, name, opacity, visibility,
//	                            composite-op) and stacks, the uppermost first
//	data/…png                   the layers' pictures
//	Thumbnails/thumbnail.png    up to 256 pixels
//	mergedimage.png             the whole picture
//
// Some files are such an archive within gzip: they are read, and not written.
package ora

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/layers"
	"varve/format/png"
	"varve/format/raster"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

const (
	stackXML  = "stack.xml"
	merged    = "mergedimage.png"
	thumbnail = "Thumbnails/thumbnail.png"
	maxXML    = 64 << 20 // bytes
	maxPNG    = 1 << 30
	maxGzip   = 256 << 20
	maxSide   = 1 << 24 // pixels
)

// Format is the format. It has no state.
type Format struct{}

// Name is "ora".
func (Format) Name() string { return "ora" }

// Match looks for a zip archive that says what it is, or an archive, also within gzip, with the extension.
func (Format) Match(name string, head []byte) bool {
	zip := bytes.HasPrefix(head, []byte("PK\x03\x04"))
	if strings.EqualFold(path.Ext(name), ".ora") {
		return zip || wrapped(head)
	}
	return zip && len(head) > 54 && string(head[30:54]) == "mimetypeimage/openraster"
}

func wrapped(head []byte) bool { return bytes.HasPrefix(head, []byte("\x1f\x8b\x08")) }

// document is a file that was opened.
type document struct {
	zip     *zipfile.Archive
	xml     *xmlspan.Document
	top     *layers.Layer
	list    []*layers.Layer // all, each after the one that it is in
	ids     map[*layers.Layer]string
	stable  map[*layers.Layer]bool
	width   int
	height  int
	wrapped bool
}

func open(ctx context.Context, in format.Input) (*document, error) {
	d := &document{ids: map[*layers.Layer]string{}, stable: map[*layers.Layer]bool{}}
	head, err := format.ReadSpan(in, 0, min(in.Size(), 4), 4)
	if err != nil {
		return nil, err
	}
	if d.wrapped = wrapped(head); d.wrapped {
		if in, err = unwrap(in); err != nil {
			return nil, err
		}
	}
	if d.zip, err = zipfile.Open(in); err != nil {
		return nil, err
	}
	e := d.zip.Find(stackXML)
	if e == nil {
		return nil, format.Malformed("no %s", stackXML)
	}
	text, err := d.zip.Read(ctx, e, maxXML)
	if err != nil {
		return nil, err
	}
	if d.xml, err = xmlspan.Parse(text, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", stackXML, err)
	}
	root := d.xml.Root
	d.width, _ = strconv.Atoi(d.xml.Get(root, "w"))
	d.height, _ = strconv.Atoi(d.xml.Get(root, "h"))
	stack := root.First("stack")
	if stack == nil || d.width <= 0 || d.height <= 0 || d.width > maxSide || d.height > maxSide {
		return nil, format.Malformed("%s: a picture of %d×%d", stackXML, d.width, d.height)
	}
	d.top = &layers.Layer{Node: stack, Doc: d.xml}
	d.read(d.top, "")
	d.name()
	return d, ctx.Err()
}

// unwrap takes the archive out of gzip.
func unwrap(in format.Input) (format.Input, error) {
	r, err := gzip.NewReader(io.NewSectionReader(in, 0, in.Size()))
	if err != nil {
		return nil, format.Malformed("gzip: %v", err)
	}
	b, err := io.ReadAll(io.LimitReader(r, min(maxGzip, 64*in.Size())+1))
	if err != nil {
		return nil, format.Malformed("gzip: %v", err)
	}
	if int64(len(b)) > min(maxGzip, 64*in.Size()) {
		return nil, fmt.Errorf("an archive within gzip: %w", format.ErrLimit)
	}
	return format.Bytes(b), nil
}

// maxTrail bounds the names of stacks that stand before a layer's, in bytes: they are repeated for each.
const maxTrail = 4096

// read reads what is in a stack.
func (d *document) read(up *layers.Layer, trail string) {
	for _, k := range up.Node.Kids {
		switch k.Local() {
		case "stack", "layer", "text", "filter":
		default:
			continue
		}
		l := &layers.Layer{Node: k, Doc: d.xml, Up: up, Kind: k.Local(), Name: d.xml.Get(k, "name")}
		if len(trail) > maxTrail {
			trail = ""
		}
		l.Key = trail + "/" + strings.ReplaceAll(l.Name, "/", "//")
		up.Kids = append(up.Kids, l)
		d.list = append(d.list, l)
		if l.Kind == "stack" {
			d.read(l, l.Key)
		}
	}
}

// name gives the layers their ids: where they are by name, and which of those of that name.
func (d *document) name() {
	count := map[string]int{}
	for _, l := range d.list {
		count[l.Key]++
	}
	nth := map[string]int{}
	for _, l := range d.list {
		d.ids[l] = l.Key[1:]
		d.stable[l] = count[l.Key] == 1
		if nth[l.Key]++; nth[l.Key] > 1 || l.Name == "" {
			d.ids[l] = fmt.Sprintf("%s#%d", l.Key[1:], nth[l.Key])
		}
	}
	taken := map[string]bool{}
	for i, l := range d.list { // a name may look like an id
		if taken[d.ids[l]] {
			d.ids[l] = fmt.Sprintf("%s#at %d", d.ids[l], i)
		}
		taken[d.ids[l]] = true
	}
}

func (d *document) find(id string) (*layers.Layer, error) {
	for _, l := range d.list {
		if d.ids[l] == id {
			return l, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", format.ErrNoElement, id)
}

// entry returns the picture of a layer; nil where it has none.
func (d *document) entry(l *layers.Layer) *zipfile.Entry {
	if src := d.xml.Get(l.Node, "src"); src != "" {
		return d.zip.Find(src)
	}
	return nil
}

// picture decodes the picture of a layer.
func (d *document) picture(ctx context.Context, l *layers.Layer) (*raster.Image, error) {
	e := d.entry(l)
	if e == nil {
		return nil, format.Malformed("layer %q: its picture, %s, is not there", l.Name, d.xml.Get(l.Node, "src"))
	}
	p, err := d.png(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("layer %q: %w", l.Name, err)
	}
	return p, nil
}

func (d *document) png(ctx context.Context, e *zipfile.Entry) (*raster.Image, error) {
	b, err := d.zip.Read(ctx, e, maxPNG)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(b, []byte("\x89PNG")) {
		return nil, format.Unsupported("%s is no PNG", e.Name)
	}
	return png.Format{}.Decode(ctx, format.Bytes(b))
}

// Validate checks that every entry is whole and every layer has its picture.
func (Format) Validate(ctx context.Context, in format.Input) error {
	d, err := open(ctx, in)
	if err != nil {
		return err
	}
	if err := d.zip.Validate(ctx, true); err != nil {
		return err
	}
	for _, l := range d.list {
		if l.Kind != "layer" {
			continue
		}
		e := d.entry(l)
		if e == nil {
			return format.Malformed("layer %q: its picture, %s, is not there", l.Name, d.xml.Get(l.Node, "src"))
		}
		b, err := d.zip.Read(ctx, e, maxPNG)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(b, []byte("\x89PNG")) {
			if err := (png.Format{}).Validate(ctx, format.Bytes(b)); err != nil {
				return fmt.Errorf("layer %q: %w", l.Name, err)
			}
		}
	}
	return nil
}

// Regions returns the entries' data, compressed as they are.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	d, err := open(context.Background(), in)
	if err != nil || d.wrapped {
		return nil, err
	}
	return d.zip.Regions()
}

// Elements lists layers and groups, the uppermost first.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	out := make([]format.Element, 0, len(d.list))
	at := map[*layers.Layer]int{}
	for _, l := range d.list {
		e, err := d.element(ctx, l)
		if err != nil {
			return nil, err
		}
		at[l] = len(out)
		out = append(out, *e)
	}
	for _, l := range slices.Backward(d.list) { // a group is where its layers are
		if l.Up == d.top || out[at[l]].Bounds == nil {
			continue
		}
		g := &out[at[l.Up]]
		g.Bounds = union(g.Bounds, out[at[l]].Bounds)
	}
	return out, nil
}

func union(a, b []float64) []float64 {
	if a == nil {
		return slices.Clone(b)
	}
	return []float64{min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])}
}

func (d *document) element(ctx context.Context, l *layers.Layer) (*format.Element, error) {
	e := &format.Element{ID: d.ids[l], Kind: l.Kind, Name: l.Name, Properties: map[string]string{}, Aspects: map[string]string{}}
	if l.Kind == "stack" {
		e.Kind = "group"
	}
	if d.stable[l] {
		e.Stable = l.Key[1:]
	}
	if l.Up != d.top {
		e.Parent = d.ids[l.Up]
	}
	e.Properties["blend"], e.Properties["opacity"], e.Properties["visible"] = "svg:src-over", "1", "1"
	for _, a := range l.Attrs {
		switch v := d.xml.Value(a); a.Name {
		case "name", "src", "selected", "x", "y":
		case "composite-op":
			e.Properties["blend"] = v
		case "opacity":
			e.Properties["opacity"] = strconv.FormatFloat(d.number(l, "opacity", 1), 'g', 5, 64)
		case "visibility":
			e.Properties["visible"] = map[bool]string{true: "0", false: "1"}[v == "hidden"]
		case "edit-locked":
			if v == "true" {
				e.Properties["locked"] = "1"
			}
		default:
			e.Properties[a.Name] = v
		}
	}
	if l.Kind != "layer" {
		return e, nil
	}
	if entry := d.entry(l); entry != nil {
		e.Bytes = entry.Compressed
	}
	return e, d.pixels(ctx, l, e)
}

// number returns an attribute that is a number.
func (d *document) number(l *layers.Layer, name string, usual float64) float64 {
	v, err := strconv.ParseFloat(strings.TrimSpace(d.xml.Get(l.Node, name)), 64)
	if err != nil || math.IsNaN(v) || math.Abs(v) > maxSide {
		return usual
	}
	return v
}

// place returns where the picture of a layer lies on the canvas.
func (d *document) place(l *layers.Layer) (x, y int) {
	return int(math.Floor(d.number(l, "x", 0))), int(math.Floor(d.number(l, "y", 0)))
}

// pixels hashes what is seen of a layer, and finds where that is: how much of nothing is around it is of no matter.
func (d *document) pixels(ctx context.Context, l *layers.Layer, e *format.Element) error {
	p, err := d.picture(ctx, l)
	if err != nil {
		return err
	}
	x0, y0, x1, y1 := seen(p)
	x, y := d.place(l)
	if x1 > x0 {
		e.Bounds = []float64{float64(x + x0), float64(y + y0), float64(x + x1), float64(y + y1)}
		e.Properties["x"], e.Properties["y"] = strconv.Itoa(x+x0), strconv.Itoa(y+y0)
	}
	e.Aspects["pixels"] = hash(p, x0, y0, x1, y1)
	if len(p.Profile) > 128 {
		b := bytes.Clone(p.Profile)
		clear(b[8:12])   // the version of the standard
		clear(b[24:36])  // when it was made
		clear(b[84:100]) // its own hash
		e.Aspects["profile"] = format.HashOf(b)
	}
	return nil
}
