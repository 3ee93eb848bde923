package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

// A stack is a document with layers, as Photoshop writes it: PSD, or PSB if it is big. Layers are RGB with alpha, 8 bits,
// packed by rows; the merged image is one color.
type stack struct {
	big           bool
	width, height int
	layers        []sheet // from the bottom
}

// A sheet is a layer. Its pixels follow from its id and what was done to it.
type sheet struct {
	id      int
	name    string
	at      image.Rectangle
	opacity byte
	strokes []int // the save of each

	planes [4][]byte // made once
}

// plane makes a channel: the way it is packed, the lengths of its rows, the rows. A row is stretches of 128 pixels: two
// of three have a pixel each, the third one for all. A stroke paints a band of rows.
func (l *sheet) plane(channel int, big bool) []byte {
	w, h := l.at.Dx(), l.at.Dy()
	seed := make([]uint64, h)
	r := seeded("sheet", l.id, channel)
	first := r.next()
	for y := range seed {
		seed[y] = first + uint64(y)
	}
	for _, s := range l.strokes {
		r := seeded("stroke", l.id, s)
		from := r.below(h)
		for y := from; y < min(h, from+h/16+1); y++ {
			seed[y] = r.next() + uint64(channel)
		}
	}
	wide := 2
	if big {
		wide = 4
	}
	out := make([]byte, 2+wide*h, 2+wide*h+w*h)
	out[1] = 1
	for y := range h {
		before := len(out)
		g := random(seed[y])
		for x := 0; x < w; x += 128 {
			n := min(128, w-x)
			if g.below(3) == 0 && n > 1 {
				out = append(out, byte(257-n), byte(g.next()))
				continue
			}
			out = append(out, byte(n-1))
			to := out[len(out) : len(out)+n]
			g.fill(to)
			out = out[:len(out)+n]
		}
		for i, n := wide-1, len(out)-before; i >= 0; i, n = i-1, n>>8 {
			out[2+wide*y+i] = byte(n)
		}
	}
	return out
}

// stroke paints over a band of the layer's rows at a save.
func (l *sheet) stroke(save int) {
	l.strokes = append(l.strokes, save)
	l.planes = [4][]byte{}
}

func (d *stack) size(b []byte, n int) []byte {
	if d.big {
		return binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

// write writes the file. keep says that the layers' pixels stay in memory, for the next save.
func (d *stack) write(w *bufio.Writer, keep bool) error {
	b := append([]byte("8BPS"), 0, 1, 0, 0, 0, 0, 0, 0, 0, 3)
	if d.big {
		b[5] = 2
	}
	b = binary.BigEndian.AppendUint32(b, uint32(d.height))
	b = binary.BigEndian.AppendUint32(b, uint32(d.width))
	b = append(b, 0, 8, 0, 3, 0, 0, 0, 0)
	resources := previewResource(d)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(resources))), resources...)
	records := binary.BigEndian.AppendUint16(nil, uint16(len(d.layers)))
	pixels := 0
	for i := range d.layers {
		l := &d.layers[i]
		lengths := [4]int{}
		for c := range lengths {
			plane := l.planes[c]
			if plane == nil {
				plane = l.plane(c, d.big)
			}
			if keep {
				l.planes[c] = plane
			}
			lengths[c] = len(plane)
			pixels += len(plane)
		}
		records = d.record(records, l, lengths)
	}
	pad := -(len(records) + pixels) & 3
	info := len(records) + pixels + pad
	wide := 4
	if d.big {
		wide = 8
	}
	b = d.size(d.size(b, wide+info+4), info)
	if _, err := w.Write(append(b, records...)); err != nil {
		return err
	}
	for i := range d.layers {
		l := &d.layers[i]
		for c, plane := range l.planes {
			if plane == nil {
				plane = l.plane(c, d.big)
			}
			if _, err := w.Write(plane); err != nil {
				return err
			}
		}
	}
	_, err := w.Write(append(make([]byte, pad+4), d.merged()...))
	return err
}

// record is a layer without its pixels: alpha comes first.
func (d *stack) record(b []byte, l *sheet, lengths [4]int) []byte {
	for _, v := range []int{l.at.Min.Y, l.at.Min.X, l.at.Max.Y, l.at.Max.X} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = append(b, 0, 4)
	for c, n := range lengths {
		b = d.size(binary.BigEndian.AppendUint16(b, uint16(c-1)), n)
	}
	b = append(append(b, "8BIMnorm"...), l.opacity, 0, 8, 0)
	extra := append(make([]byte, 8), byte(len(l.name)))
	extra = append(extra, l.name...)
	for len(extra)%4 != 0 {
		extra = append(extra, 0)
	}
	wide := binary.BigEndian.AppendUint32(nil, uint32(len(l.name)+1))
	for _, c := range []byte(l.name + "\x00") {
		wide = append(wide, 0, c)
	}
	extra = append(binary.BigEndian.AppendUint32(append(extra, "8BIMluni"...), uint32(len(wide))), wide...)
	extra = binary.BigEndian.AppendUint32(append(extra, "8BIMlyid\x00\x00\x00\x04"...), uint32(l.id))
	return append(binary.BigEndian.AppendUint32(b, uint32(len(extra))), extra...)
}

// merged is the image of all layers: of one color.
func (d *stack) merged() []byte {
	var row []byte
	for x := 0; x < d.width; x += 128 {
		if n := min(128, d.width-x); n > 1 {
			row = append(row, byte(257-n), 0x80)
		} else {
			row = append(row, 0, 0x80)
		}
	}
	b := []byte{0, 1}
	for range 3 * d.height {
		if d.big {
			b = binary.BigEndian.AppendUint32(b, uint32(len(row)))
		} else {
			b = binary.BigEndian.AppendUint16(b, uint16(len(row)))
		}
	}
	return append(b, bytes.Repeat(row, 3*d.height)...)
}

// previewResource is the small JPEG that Photoshop puts into each file.
func previewResource(d *stack) []byte {
	m := image.NewGray(image.Rect(0, 0, 160, max(1, 160*d.height/d.width)))
	for i := range m.Pix {
		m.Pix[i] = byte(i)
	}
	m.SetGray(0, 0, color.Gray{byte(len(d.layers))})
	var b bytes.Buffer
	_ = jpeg.Encode(&b, m, nil) // a buffer takes it all
	head := binary.BigEndian.AppendUint32(nil, 1)
	for _, v := range []int{m.Rect.Dx(), m.Rect.Dy(), (m.Rect.Dx()*24 + 31) / 32 * 4, (m.Rect.Dx()*24 + 31) / 32 * 4 * m.Rect.Dy(), b.Len()} {
		head = binary.BigEndian.AppendUint32(head, uint32(v))
	}
	data := append(append(head, 0, 24, 0, 1), b.Bytes()...)
	out := append(append([]byte("8BIM"), 4, 0x0c, 0, 0), binary.BigEndian.AppendUint32(nil, uint32(len(data)))...)
	return append(append(out, data...), make([]byte, len(data)&1)...)
}

// poster is a document of so many layers; side is that of a layer, of which the document is about three wide.
func poster(big bool, layers, side int) *stack {
	d := &stack{big: big, width: 3 * side, height: 2 * side}
	for i := range layers {
		r := seeded("layer", i)
		x, y := r.below(d.width-side+1), r.below(d.height-side*3/4+1)
		d.layers = append(d.layers, sheet{id: i + 1, name: fmt.Sprintf("%s %d", word(r.below(vocabulary)), i+1), opacity: 255, at: image.Rect(x, y, x+side, y+side*3/4)})
	}
	return d
}
