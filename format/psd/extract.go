package psd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"path"
	"strings"

	"varve/format"
	"varve/format/raster"
)

// Extract makes a file of an element: the file of a smart object, where the document has it; a PNG of the pixels of a
// layer of 8 or 16 bits in RGB or gray, and of a mask; a PSD or PSB of one layer for other layers and for groups, with
// what they need, and without a merged image.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	d, err := parse(ctx, in)
	if err != nil {
		return nil, err
	}
	owner, part, _ := strings.Cut(id, "/")
	var n *node
	walk(d.layers.tree, func(k *node) {
		if k.id == owner {
			n = k
		}
	})
	switch {
	case n == nil && strings.HasPrefix(id, "comp:"):
		return nil, format.Unsupported("a layer comp as a file")
	case n == nil:
		return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
	case part == "mask":
		return d.extractMask(d.layers.of(n))
	case part == "vector":
		return nil, format.Unsupported("a vector mask as a file")
	case part != "":
		return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
	}
	l := d.layers.of(n)
	if !n.group {
		if x, err := d.extractFile(l); x != nil || err != nil {
			return x, err
		}
		if b := l.box; b.width() > 0 && b.height() > 0 && (d.depth == 8 || d.depth == 16) && (d.mode == modeRGB || d.mode == modeGray || d.mode == modeDuotone) {
			m, err := d.layerImage(l)
			if err != nil {
				return nil, fmt.Errorf("layer %q: %w", l.name, err)
			}
			return pngOf(m)
		}
	}
	return d.extractDocument(n)
}

func pngOf(m *raster.Image) (*format.Extract, error) {
	var b bytes.Buffer
	if err := raster.EncodePNG(&b, m); err != nil {
		return nil, err
	}
	o := new(format.Output)
	_, _ = o.Write(b.Bytes())
	return &format.Extract{Extension: ".png", Content: o}, nil
}

// extractFile is the file of a smart object; nil where there is none.
func (d *document) extractFile(l *layer) (*format.Extract, error) {
	b := l.block("SoLd", "SoLE", "PlLd", "plLd")
	if b == nil {
		return nil, nil
	}
	data, err := d.load(b.data, maxDescriptor)
	if err != nil {
		return nil, err
	}
	files, err := d.linkedFiles()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.kind == "liFD" && f.uuid == uuidOf(b.key, data) {
			o := new(format.Output)
			d.copy(o, f.data)
			ext := strings.ToLower(path.Ext(f.name))
			if ext == "" || len(ext) > 8 {
				ext = ".bin"
			}
			return &format.Extract{Extension: ext, Content: o}, nil
		}
	}
	return nil, nil
}

// layerImage decodes the pixels of a layer, with its alpha, without its masks.
func (d *document) layerImage(l *layer) (*raster.Image, error) {
	model, n := d.model()
	ids := []int{}
	for c := range n {
		ids = append(ids, c)
	}
	if l.plane(idAlpha) != nil {
		ids = append(ids, idAlpha)
	}
	m, err := d.planesImage(l, l.box, ids, model)
	if err != nil {
		return nil, err
	}
	m.Profile, err = d.profile()
	return m, err
}

// planesImage decodes channels that lie in one box.
func (d *document) planesImage(l *layer, b box, ids []int, model raster.Model) (*raster.Image, error) {
	for _, id := range ids {
		c := l.plane(id)
		if c == nil {
			return nil, format.Malformed("no channel %d", id)
		}
		if err := d.checkChannel(l, c); err != nil {
			return nil, err
		}
	}
	m, err := raster.New(b.width(), b.height(), model, ids[len(ids)-1] == idAlpha, d.samples())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", format.ErrLimit, err)
	}
	to := &bins{d: d, m: m, f: 1}
	for i, id := range ids {
		r, err := d.layerRows(l.plane(id), b.width(), b.height())
		if err != nil {
			return nil, err
		}
		row := make([]byte, r.rowBytes)
		for y := range b.height() {
			if err := r.next(row); err != nil {
				return nil, err
			}
			to.exact(row, y, i)
		}
	}
	return m, nil
}

// extractMask is a picture of a user's mask.
func (d *document) extractMask(l *layer) (*format.Extract, error) {
	m, err := d.maskOf(l)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, format.ErrNoElement
	}
	b, id := m.box, idMask
	if m.user {
		b, id = m.userBox, idUser
	}
	if b.width() == 0 || b.height() == 0 {
		return nil, format.Unsupported("a mask without pixels as a file")
	}
	if d.depth == 32 {
		return nil, format.Unsupported("a mask of 32 bits as a file")
	}
	p, err := d.planesImage(l, b, []int{id}, raster.Gray)
	if err != nil {
		return nil, fmt.Errorf("mask of %q: %w", l.name, err)
	}
	return pngOf(p)
}

// extractDocument is a document of one layer or group, of the same canvas.
func (d *document) extractDocument(n *node) (*format.Extract, error) {
	if d.layers.unpaired && n.group {
		return nil, format.Unsupported("a group of a document whose groups do not open and close as they must")
	}
	w := same(d)
	w.order = flat(slots(d, []*node{n}, nil, false), nil)
	for i, r := range d.resources {
		switch r.id {
		case 1005, 1037, 1039, 1049, 1060, 1064: // resolution, light, profile, origin, shape of pixels
		default:
			w.resource[i] = nil
		}
	}
	_, _ = w.added.Write(notReal())
	if err := d.reduce(w); err != nil {
		return nil, err
	}
	var err error
	if w.merged, err = d.blank(); err != nil {
		return nil, err
	}
	o, err := w.output()
	ext := ".psd"
	if d.big {
		ext = ".psb"
	}
	return &format.Extract{Extension: ext, Content: o}, err
}

// reduce takes the files of smart objects out that no layer of a draft has, and the index of all text.
func (d *document) reduce(w *draft) error {
	files, err := d.linkedFiles()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, p := range w.order {
		ids, err := d.uuids(&d.layers.list[p.record])
		if err != nil {
			return err
		}
		for _, id := range ids {
			used[id] = true
		}
	}
	for i, b := range d.blocks {
		if b.key == "Txt2" {
			w.block[i] = nil
		}
		if isLinked(b.key) {
			w.block[i] = nil
			o := new(format.Output)
			for _, f := range files {
				if f.block == i && used[f.uuid] {
					d.copy(o, f.all)
					pad(o, o.Size(), 4)
				}
			}
			if o.Size() > 0 {
				w.block[i] = o
			}
		}
	}
	return nil
}

const maxBlank = 64 << 20 // bytes

// blank is a merged image of one colour.
func (d *document) blank() (*format.Output, error) {
	line := bytes.Repeat([]byte{255}, rowBytes(d.width, d.depth))
	if d.depth == 32 {
		clear(line)
	}
	row := pack(nil, line)
	n := d.channels * d.height
	if int64(n)*int64(len(row)+4) > maxBlank || len(row) > math.MaxUint16 {
		return nil, fmt.Errorf("an empty picture of %d×%d: %w", d.width, d.height, format.ErrLimit)
	}
	b := []byte{0, packRLE}
	for range n {
		if d.big {
			b = binary.BigEndian.AppendUint32(b, uint32(len(row)))
		} else {
			b = binary.BigEndian.AppendUint16(b, uint16(len(row)))
		}
	}
	for range n {
		b = append(b, row...)
	}
	o := new(format.Output)
	_, _ = o.Write(b)
	return o, nil
}
