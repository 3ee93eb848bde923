package psd

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/klauspost/compress/zlib"
)

// made is a document that a test makes.
type made struct {
	big           bool
	width, height int
	depth, mode   int
	layers        []madeLayer // from the bottom
	resources     []madeBlock
	blocks        []madeBlock
	negated       bool
	packing       int // of layers
	packedMerged  bool
}

type madeBlock struct {
	key  string // of a resource its id, as text of two bytes
	data []byte
}

type madeLayer struct {
	name    string
	id      int // -1: none
	box     box
	colour  []float64 // with alpha at the end
	blend   string
	opacity uint8
	hidden  bool
	clipped bool
	section int
	blocks  []madeBlock
	mask    *box // all of it seen, nothing outside
	packing int  // 0: as the document
	noise   bool
}

func be(out []byte, size int, v int64) []byte {
	for i := size - 1; i >= 0; i-- {
		out = append(out, byte(v>>(8*i)))
	}
	return out
}

func (m *made) wide() int { return lengthSize(m.big) }

func (m *made) colours() int {
	switch m.mode {
	case modeRGB, modeLab:
		return 3
	case modeCMYK:
		return 4
	}
	return 1
}

// file writes the document.
func (m *made) file() []byte {
	b := append([]byte("8BPS\x00"), byte(1+b2i(m.big)))
	b = append(b, 0, 0, 0, 0, 0, 0)
	channels := m.colours() + b2i(m.negated)
	b = be(b, 2, int64(channels))
	b = be(be(b, 4, int64(m.height)), 4, int64(m.width))
	b = be(be(b, 2, int64(m.depth)), 2, int64(m.mode))
	b = be(b, 4, 0)
	var res []byte
	for _, r := range m.resources {
		res = append(append(append(res, "8BIM"...), r.key...), 0, 0)
		res = append(be(res, 4, int64(len(r.data))), r.data...)
		res = append(res, make([]byte, len(r.data)&1)...)
	}
	b = append(be(b, 4, int64(len(res))), res...)
	section := m.section()
	b = append(be(b, m.wide(), int64(len(section))), section...)
	if m.packedMerged {
		white := bytes.Repeat([]byte{0xff}, rowBytes(m.width, m.depth))
		return append(b, packRows(slices.Repeat([][]byte{white}, channels*m.height), packRLE, m.depth, m.big)...)
	}
	b = append(b, 0, 0)
	return append(b, bytes.Repeat([]byte{0xff}, channels*m.height*rowBytes(m.width, m.depth))...)
}

func (m *made) section() []byte {
	info := m.info()
	blocks := m.blocks
	var out []byte
	if m.depth > 8 {
		key := "Lr16"
		if m.depth == 32 {
			key = "Lr32"
		}
		blocks = append([]madeBlock{{key, info}}, blocks...)
		out = be(out, m.wide(), 0)
	} else {
		out = append(be(out, m.wide(), int64(len(info))), info...)
	}
	out = be(out, 4, 0)
	return append(out, m.blockBytes(blocks, 4)...)
}

func (m *made) blockBytes(list []madeBlock, multiple int) []byte {
	var out []byte
	for _, k := range list {
		out = append(append(out, "8BIM"...), k.key...)
		out = append(be(out, lengthSize(m.big && big64(k.key)), int64(len(k.data))), k.data...)
		for n := len(k.data); n%multiple != 0; n++ {
			out = append(out, 0)
		}
	}
	return out
}

// info is layer information.
func (m *made) info() []byte {
	n := len(m.layers)
	if m.negated {
		n = -n
	}
	out := be(nil, 2, int64(n))
	var pixels []byte
	for i := range m.layers {
		l := &m.layers[i]
		channels, ids := m.channels(l)
		for _, v := range []int{l.box.top, l.box.left, l.box.bottom, l.box.right} {
			out = be(out, 4, int64(v))
		}
		out = be(out, 2, int64(len(ids)))
		for c, id := range ids {
			out = be(be(out, 2, int64(id)), m.wide(), int64(len(channels[c])))
			pixels = append(pixels, channels[c]...)
		}
		blend := l.blend
		if blend == "" {
			blend = "norm"
		}
		out = append(append(out, "8BIM"...), blend...)
		out = append(out, l.opacity, byte(b2i(l.clipped)), byte(8|2*b2i(l.hidden)), 0)
		extra := m.extra(l)
		out = append(be(out, 4, int64(len(extra))), extra...)
	}
	out = append(out, pixels...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

func (m *made) extra(l *madeLayer) []byte {
	var out []byte
	if l.mask != nil {
		out = be(out, 4, 20)
		for _, v := range []int{l.mask.top, l.mask.left, l.mask.bottom, l.mask.right} {
			out = be(out, 4, int64(v))
		}
		out = append(out, 0, 0, 0, 0)
	} else {
		out = be(out, 4, 0)
	}
	out = be(out, 4, 0)
	name := append([]byte{byte(len(l.name))}, l.name...)
	for len(name)%4 != 0 {
		name = append(name, 0)
	}
	out = append(out, name...)
	blocks := []madeBlock{{"luni", unicodeBytes(l.name)}}
	if l.id >= 0 {
		blocks = append(blocks, madeBlock{"lyid", be(nil, 4, int64(l.id))})
	}
	if l.section != 0 {
		blocks = append(blocks, madeBlock{"lsct", append(be(nil, 4, int64(l.section)), "8BIMpass"...)})
	}
	return append(out, m.blockBytes(append(blocks, l.blocks...), 2)...)
}

func unicodeBytes(text string) []byte {
	u := append(utf16be(text), 0, 0)
	return append(be(nil, 4, int64(len(u)/2)), u...)
}

// channels writes the channels of a layer.
func (m *made) channels(l *madeLayer) (out [][]byte, ids []int) {
	for c := range l.colour {
		id := c
		if c == len(l.colour)-1 {
			id = idAlpha
		}
		ids = append(ids, id)
		out = append(out, m.plane(l, l.box, l.colour[c], c))
	}
	if l.mask != nil {
		ids = append(ids, idMask)
		out = append(out, m.plane(l, *l.mask, 1, 0))
	}
	return out, ids
}

func (m *made) plane(l *madeLayer, b box, v float64, c int) []byte {
	packing := l.packing
	if packing == 0 {
		packing = m.packing
	}
	var rows [][]byte
	seed := uint32(c + 1)
	for range b.height() {
		var row []byte
		for range b.width() {
			s := v
			if l.noise {
				seed = seed*1664525 + 1013904223
				s = float64(seed>>24) / 255
			}
			switch m.depth {
			case 8:
				row = append(row, byte(s*255+.5))
			case 16:
				row = be(row, 2, int64(s*65535+.5))
			case 32:
				row = be(row, 4, int64(math.Float32bits(float32(s))))
			}
		}
		rows = append(rows, row)
	}
	return packRows(rows, packing, m.depth, m.big)
}

// packRows compresses rows in one of the four ways.
func packRows(rows [][]byte, packing, depth int, big bool) []byte {
	if len(rows) == 0 { // as applications write what is empty; GIMP refuses it otherwise
		packing = packNone
	}
	out := be(nil, 2, int64(packing))
	var body bytes.Buffer
	z := zlib.NewWriter(&body)
	for _, row := range rows {
		switch packing {
		case packNone:
			out = append(out, row...)
		case packRLE:
			p := pack(nil, row)
			out = be(out, 2+2*b2i(big), int64(len(p)))
			body.Write(p)
		case packZip:
			_, _ = z.Write(row)
		case packPredicted:
			_, _ = z.Write(differences(row, depth))
		}
	}
	if packing >= packZip {
		_ = z.Close()
	}
	return append(out, body.Bytes()...)
}

func differences(row []byte, depth int) []byte {
	d := bytes.Clone(row)
	switch depth {
	case 16:
		for i := len(d) - 2; i >= 2; i -= 2 {
			binary.BigEndian.PutUint16(d[i:], binary.BigEndian.Uint16(row[i:])-binary.BigEndian.Uint16(row[i-2:]))
		}
		return d
	case 32:
		n := len(row) / 4
		for i := range n {
			for k := range 4 {
				d[k*n+i] = row[4*i+k]
			}
		}
	}
	for i := len(d) - 1; i > 0; i-- {
		d[i] -= d[i-1]
	}
	return d
}

// square is a layer of one colour.
func square(id int, name string, at, side int, colour ...float64) madeLayer {
	return madeLayer{name: name, id: id, box: box{at, at, at + side, at + side}, colour: append(colour, 1), opacity: 255}
}

// group is the records of a group: its end, what is in it, its head.
func group(id int, name string, inside ...madeLayer) []madeLayer {
	none := make([]float64, 4) // channels without pixels
	out := []madeLayer{{name: "</Layer group>", id: id + 1000, section: sectionEnd, opacity: 255, colour: none}}
	out = append(out, inside...)
	return append(out, madeLayer{name: name, id: id, section: sectionOpen, opacity: 255, blend: "pass", colour: none})
}

func rgbDocument(layers ...madeLayer) *made {
	return &made{width: 32, height: 32, depth: 8, mode: modeRGB, layers: layers, packing: packRLE}
}
