package psd

import (
	"context"
	"encoding/binary"
	"slices"

	"varve/format"
	"varve/format/raster"
)

// Colour modes.
const (
	modeBitmap       = 0
	modeGray         = 1
	modeIndexed      = 2
	modeRGB          = 3
	modeCMYK         = 4
	modeMultichannel = 7
	modeDuotone      = 8
	modeLab          = 9
)

const (
	headerSize   = 26
	maxChannels  = 56
	maxSide      = 300_000 // pixels
	maxResources = 1 << 16
	maxBlocks    = 1 << 16 // of a layer, and of the document
)

// document is a file as spans. Each byte of the file is in one: the header with the colour table, the resources with
// their length, the layer section with its length, the merged image.
type document struct {
	in            format.Input // its reads end with the context of parse
	file          format.Input // the same, for what outlives that
	big           bool         // PSB
	channels      int
	width, height int
	depth         int
	mode          int

	palette   span // colour mode data
	resources []resource
	resLen    span // the resources with the length before them

	section  span      // layer and mask information with the length before it
	layers   layerInfo // wherever it is
	inBlock  int       // index of the block that has the layers; -1: they are at the head of the section
	infoHead span      // layer information at the head of the section, with its length
	global   span      // global mask information with its length
	blocks   []block   // after that
	rest     span      // of the section
	merged   span      // compression and image, to the end of the file
}

// resource is an image resource block.
type resource struct {
	id   int
	all  span // with signature and padding
	data span
}

// block is additional information of a layer or of the document.
type block struct {
	key  string
	wide bool // its length takes 8 bytes
	all  span // with signature, length and padding
	data span
}

// parse reads the structure of a file, and no pixels.
func parse(ctx context.Context, in format.Input) (*document, error) {
	d := &document{in: contextInput{in, ctx}, file: in, inBlock: -1}
	s := &scan{in: d.in, end: in.Size(), what: "header"}
	d.header(s)
	if s.err != nil {
		return nil, s.err
	}
	s.what = "colour mode data"
	d.palette.n = s.length(false)
	d.palette.off = s.at
	s.skip(d.palette.n)
	d.readResources(s)
	d.readSection(s)
	if s.err != nil {
		return nil, s.err
	}
	d.merged = span{s.at, s.left()}
	if d.layers.tree == nil {
		d.layers.grow()
	}
	return d, nil
}

func (d *document) header(s *scan) {
	if s.key() != "8BPS" {
		s.fail("no 8BPS")
	}
	version := s.u16()
	if s.err == nil && version != 1 && version != 2 {
		s.fail("version %d", version)
	}
	d.big = version == 2
	s.skip(6)
	d.channels = int(s.u16())
	d.height, d.width = s.i32(), s.i32()
	d.depth, d.mode = int(s.u16()), int(s.u16())
	if s.err != nil {
		return
	}
	switch {
	case d.channels < 1 || d.channels > maxChannels:
		s.fail("%d channels", d.channels)
	case d.width < 1 || d.width > maxSide || d.height < 1 || d.height > maxSide:
		s.fail("%d×%d pixels", d.width, d.height)
	case !slices.Contains([]int{1, 8, 16, 32}, d.depth):
		s.fail("%d bits a channel", d.depth)
	case d.mode < 0 || d.mode > modeLab || d.mode == 5 || d.mode == 6:
		s.fail("colour mode %d", d.mode)
	}
}

func (d *document) readResources(s *scan) {
	s.what = "image resources"
	d.resLen.off = s.at
	n := s.length(false)
	end := s.at + n
	d.resLen.n = end - d.resLen.off
	inner := &scan{in: s.in, at: s.at, end: end, what: s.what, err: s.err}
	for inner.left() >= 12 && inner.err == nil {
		r := resource{all: span{off: inner.at}}
		switch inner.key() {
		case "8BIM", "MeSa", "AgHg", "PHUT", "DCSR":
		default:
			inner.fail("no signature of a resource")
		}
		r.id = int(inner.u16())
		inner.pascal(2)
		r.data.n = inner.length(false)
		r.data.off = inner.at
		inner.skip(r.data.n)
		inner.skip(min(r.data.n&1, inner.left()))
		r.all.n = inner.at - r.all.off
		if len(d.resources) == maxResources {
			inner.fail("more than %d", maxResources)
		}
		d.resources = append(d.resources, r)
	}
	if inner.err != nil {
		s.err = inner.err
		return
	}
	s.skip(n)
}

// resource returns the first resource of an id, nil if there is none.
func (d *document) resource(id int) *resource {
	for i := range d.resources {
		if d.resources[i].id == id {
			return &d.resources[i]
		}
	}
	return nil
}

// readSection reads layer and mask information.
func (d *document) readSection(s *scan) {
	s.what = "layer and mask information"
	d.section.off = s.at
	n := s.length(d.big)
	d.section.n = s.at + n - d.section.off
	in := &scan{in: s.in, at: s.at, end: s.at + n, what: s.what, err: s.err}
	d.infoHead.off = in.at
	if n > 0 {
		size := in.length(d.big)
		start := in.at
		in.skip(size)
		d.infoHead.n = in.at - d.infoHead.off
		if size > 0 && in.err == nil {
			d.readLayers(in, span{start, size})
		}
	}
	d.global.off = in.at
	if in.left() >= 4 {
		in.skip(in.length(false))
		d.global.n = in.at - d.global.off
	}
	if in.err == nil {
		d.blocks = readBlocks(in, d.big, true)
	}
	d.rest = span{in.at, in.left()}
	if in.err == nil && d.inBlock < 0 && len(d.layers.list) == 0 {
		for i, b := range d.blocks {
			if (b.key == "Lr16" || b.key == "Lr32" || b.key == "Layr") && b.data.n >= 2 {
				d.inBlock = i
				d.readLayers(in, b.data)
				break
			}
		}
	}
	s.err = in.err
	s.skip(n)
}

// readLayers reads layer information.
func (d *document) readLayers(s *scan, where span) {
	in := &scan{in: s.in, at: where.off, end: where.end(), what: "layer information"}
	d.layers.read(in, d.big)
	s.err = in.err
}

// big64 reports whether the length of a block takes 8 bytes in a PSB.
func big64(key string) bool {
	switch key {
	case "LMsk", "Lr16", "Lr32", "Layr", "Mt16", "Mt32", "Mtrn", "Alph", "FMsk", "lnk2", "lnk3", "lnkE", "lnkD", "FEid", "FXid",
		"PxSD", "PxSc", "cinf", "pths", "extn", "extd":
		return true
	}
	return false
}

// readBlocks reads additional information up to the end of a scan, or up to what is none. Of the document it is padded to
// four bytes.
func readBlocks(s *scan, big, document bool) []block {
	var out []block
	for s.err == nil && s.left() >= 12 && signed(s.peek(4)) {
		b := block{all: span{off: s.at}}
		wide8 := s.key() == "8B64"
		b.key = s.key()
		first := big && (wide8 || big64(b.key))
		ok := s.blockData(&b, first, document)
		if !ok && big { // a key that this list does not know
			ok = s.blockData(&b, !first, document)
		}
		if !ok {
			s.blockLoose(&b, first)
		}
		b.all.n = s.at - b.all.off
		if len(out) == maxBlocks {
			s.fail("more than %d blocks", maxBlocks)
		}
		out = append(out, b)
	}
	return out
}

func signed(b []byte) bool { return string(b) == "8BIM" || string(b) == "8B64" }

// blockData reads length, data and padding of a block if another or the end follows them, and goes nowhere if not.
func (s *scan) blockData(b *block, wide, document bool) bool {
	if s.err != nil {
		return false
	}
	start := s.at
	head := s.peek(lengthSize(wide))
	if len(head) < lengthSize(wide) {
		return false
	}
	n := uint64(binary.BigEndian.Uint32(head))
	if wide {
		n = binary.BigEndian.Uint64(head)
	}
	s.at += int64(len(head))
	if n > uint64(s.left()) {
		s.at = start
		return false
	}
	b.wide, b.data = wide, span{s.at, int64(n)}
	s.at += int64(n)
	pads := [...]int64{0, -int64(n) & 1, -int64(n) & 3, 1, 2, 3}
	for _, pad := range pads {
		if s.left() == pad || s.left() > pad && signed(s.peek(int(pad) + 4)[pad:min(pad+4, s.left())]) {
			s.at += pad
			return true
		}
	}
	if document && s.left() < 12 {
		return true
	}
	s.at = start
	return false
}

// blockLoose reads a block after which comes what is none.
func (s *scan) blockLoose(b *block, wide bool) {
	b.wide = wide
	n := s.length(wide)
	b.data = span{s.at, n}
	s.skip(n)
	s.skip(min(-n&3, s.left()))
}

// ended is the error of the context of parse.
func (d *document) ended() error { return d.in.(contextInput).ctx.Err() }

// load reads a span, of at most max bytes.
func (d *document) load(p span, max int64) ([]byte, error) {
	return format.ReadSpan(d.in, p.off, p.n, max)
}

// model is how pictures of the document are held, and how many channels colour takes in the file.
func (d *document) model() (m raster.Model, colours int) {
	switch d.mode {
	case modeRGB:
		return raster.RGB, 3
	case modeCMYK:
		return raster.CMYK, 4
	case modeLab:
		return raster.Lab, 3
	case modeIndexed:
		return raster.RGB, 1
	}
	return raster.Gray, 1
}

// samples is the depth of the document's pictures.
func (d *document) samples() raster.Depth {
	switch d.depth {
	case 16:
		return raster.U16
	case 32:
		return raster.F32
	}
	return raster.U8
}
