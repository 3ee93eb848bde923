package tiff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
)

// page is what a directory says of a picture.
type page struct {
	tags          map[uint16]entry
	width, height int
	bits          int // of a sample
	samples       int // of a pixel
	kind          int // of sample: 1 whole, 2 signed, 3 float
	compression   int
	photometric   int
	planar        bool // each sample in strips of its own
	predictor     int
	lsb           bool // bits of a byte from the lowest
	alpha         int  // of the first sample beside the colours: −1 none, 1 associated, 2 not
	orientation   int
	reduced       bool // a smaller copy of another page
	tiled         bool
	bw, bh        int // of a strip or tile
	offsets       []int64
	counts        []int64
	inner         []int64 // directories in this one
}

// The tags in use.
const (
	tagSubfile       = 254
	tagWidth         = 256
	tagHeight        = 257
	tagBits          = 258
	tagCompression   = 259
	tagPhotometric   = 262
	tagFillOrder     = 266
	tagDescription   = 270
	tagStripOffsets  = 273
	tagOrientation   = 274
	tagSamples       = 277
	tagRows          = 278
	tagStripCounts   = 279
	tagPlanar        = 284
	tagT4Options     = 292
	tagPredictor     = 317
	tagColorMap      = 320
	tagTileWidth     = 322
	tagTileHeight    = 323
	tagTileOffsets   = 324
	tagTileCounts    = 325
	tagSubIFDs       = 330
	tagInkSet        = 332
	tagExtraSamples  = 338
	tagSampleFormat  = 339
	tagProfile       = 34675
	tagPhotoshopDocs = 37724
)

// page makes sense of a directory. It refuses what no page can be, not what is not known.
func (f *file) page(tags map[uint16]entry) (*page, error) {
	p := &page{tags: tags}
	var err error
	number := func(tag uint16, otherwise int) int {
		e, ok := tags[tag]
		if !ok || e.count == 0 || err != nil {
			return otherwise
		}
		e.count = 1
		v, e2 := f.numbers(e)
		if err = e2; err != nil || v[0] < 0 || v[0] > 1<<31-1 {
			return -1
		}
		return int(v[0])
	}
	p.width, p.height = number(tagWidth, 0), number(tagHeight, 0)
	p.samples, p.compression = number(tagSamples, 1), number(tagCompression, 1)
	p.photometric, p.predictor = number(tagPhotometric, -1), number(tagPredictor, 1)
	p.planar, p.lsb = number(tagPlanar, 1) == 2, number(tagFillOrder, 1) == 2
	p.orientation, p.reduced = number(tagOrientation, 1), number(tagSubfile, 0)&1 == 1
	if err != nil {
		return nil, err
	}
	if p.width <= 0 || p.height <= 0 || p.samples <= 0 || p.width > maxSide || p.height > maxSide || p.samples > maxSamples {
		return nil, format.Malformed("a picture of %d×%d with %d samples", p.width, p.height, p.samples)
	}
	if p.bits, err = f.same(tags, tagBits, 1, p.samples); err != nil {
		return nil, err
	}
	if p.kind, err = f.same(tags, tagSampleFormat, 1, p.samples); err != nil {
		return nil, err
	}
	if p.kind == 4 { // "undefined" is written for plain numbers
		p.kind = 1
	}
	if e, ok := tags[tagSubIFDs]; ok {
		if p.inner, err = f.numbers(e); err != nil {
			return nil, err
		}
	}
	p.alpha = f.extra(p)
	return p, f.blocks(p, number)
}

// same returns a number that is given for each sample; 0 where they are not the same.
func (f *file) same(tags map[uint16]entry, tag uint16, otherwise, samples int) (int, error) {
	e, ok := tags[tag]
	if !ok {
		return otherwise, nil
	}
	e.count = min(e.count, int64(samples))
	list, err := f.numbers(e)
	if err != nil || len(list) == 0 {
		return otherwise, err
	}
	for _, v := range list {
		if v != list[0] || v < 0 || v > 64 {
			return 0, nil
		}
	}
	return int(list[0]), nil
}

// colours is the number of samples that are no alpha and nothing else.
func (p *page) colours() int {
	switch p.photometric {
	case 2, 6, 8, 9:
		return 3
	case 5:
		return 4
	}
	return 1
}

// extra says what the first sample beside the colours is. Where nothing is said of a fourth one of RGB, it is alpha.
func (f *file) extra(p *page) int {
	if p.samples <= p.colours() {
		return -1
	}
	e, ok := p.tags[tagExtraSamples]
	if !ok {
		if p.photometric == 2 && p.samples == 4 {
			return 2
		}
		return -1
	}
	e.count = min(e.count, 1)
	if list, err := f.numbers(e); err == nil && len(list) == 1 && (list[0] == 1 || list[0] == 2) {
		return int(list[0])
	}
	return -1
}

// blocks reads where the strips or tiles are.
func (f *file) blocks(p *page, number func(uint16, int) int) error {
	offsets, counts := uint16(tagStripOffsets), uint16(tagStripCounts)
	p.bw, p.bh = p.width, number(tagRows, p.height)
	if _, p.tiled = p.tags[tagTileOffsets]; p.tiled {
		offsets, counts = tagTileOffsets, tagTileCounts
		p.bw, p.bh = number(tagTileWidth, 0), number(tagTileHeight, 0)
		if e, old := p.tags[tagStripCounts]; old && p.tags[tagTileCounts].count == 0 {
			p.tags[tagTileCounts] = e
		}
	} else if p.bh <= 0 || p.bh > p.height { // also 2³²−1: all in one
		p.bh = p.height
	}
	if p.bw <= 0 || p.bh <= 0 || p.bw > maxSide || p.bh > maxSide {
		return format.Malformed("tiles of %d×%d", p.bw, p.bh)
	}
	var err error
	if p.offsets, err = f.numbers(p.tags[offsets]); err != nil {
		return err
	}
	if e, ok := p.tags[counts]; ok {
		if p.counts, err = f.numbers(e); err != nil {
			return err
		}
	} else if p.compression == 1 && len(p.offsets) == 1 { // old files do without
		p.counts = []int64{p.blockBytes(p.bh)}
	}
	return nil
}

// planes is how many pictures the strips hold: of all samples, or of each.
func (p *page) planes() int {
	if p.planar {
		return p.samples
	}
	return 1
}

// across and down are the strips or tiles of a plane.
func (p *page) across() int { return (p.width + p.bw - 1) / p.bw }
func (p *page) down() int   { return (p.height + p.bh - 1) / p.bh }

// rowBytes of a strip or tile.
func (p *page) rowBytes() int64 {
	n := int64(p.bw) * int64(p.bits)
	if !p.planar {
		n *= int64(p.samples)
	}
	return (n + 7) / 8
}

// blockBytes of a strip or tile of so many rows, not compressed.
func (p *page) blockBytes(rows int) int64 { return p.rowBytes() * int64(rows) }

// rows of the strip or tile of a row of them; tiles are whole.
func (p *page) rows(by int) int {
	if p.tiled {
		return p.bh
	}
	return min(p.bh, p.height-by*p.bh)
}

// inside reports whether all strips or tiles are there and in a file of size bytes.
func (p *page) inside(size int64) error {
	n := int64(p.across()) * int64(p.down()) * int64(p.planes())
	if int64(len(p.offsets)) < n || int64(len(p.counts)) < n {
		return format.Malformed("%d of %d strips or tiles have a place, %d a length", len(p.offsets), n, len(p.counts))
	}
	if len(p.counts) < len(p.offsets) {
		return format.Malformed("%d strips or tiles have a place, %d a length", len(p.offsets), len(p.counts))
	}
	for i, off := range p.offsets {
		count := p.counts[i]
		if off < 0 || count < 0 || off > size || count > size-off {
			return format.Malformed("cut off: strip or tile %d is %d bytes at %d of a file of %d", i, count, off, size)
		}
		if by := i / p.across() % p.down(); p.compression == 1 && int64(i) < n && count < p.blockBytes(p.rows(by)) {
			return format.Malformed("cut off: strip or tile %d has %d bytes of %d", i, count, p.blockBytes(p.rows(by)))
		}
	}
	return nil
}

// text returns a tag that is text.
func (f *file) text(p *page, tag uint16) string {
	e, ok := p.tags[tag]
	if !ok || e.kind != 2 {
		return ""
	}
	s, _, _ := strings.Cut(string(f.bytes(e, maxText)), "\x00")
	return strings.ToValidUTF8(strings.TrimSpace(s), "\uFFFD")
}

// element describes a page, by its pixels or, where they cannot be decoded, by their bytes.
func (f *file) element(ctx context.Context, p *page) (format.Element, error) {
	var size int64
	for _, n := range p.counts {
		size += max(n, 0)
	}
	img, err := f.decode(ctx, p)
	var e format.Element
	switch {
	case err == nil:
		e = frames.Still(img, size)
	case errors.Is(err, format.ErrUnsupported):
		e = format.Element{ID: "image", Stable: "image", Kind: "image", Name: "Image", Bytes: size,
			Bounds:     []float64{0, 0, float64(p.width), float64(p.height)},
			Properties: map[string]string{"not decoded": err.Error()}, Aspects: map[string]string{}}
		if e.Aspects["data"], err = f.dataHash(ctx, p); err != nil {
			return e, err
		}
	default:
		return e, err
	}
	if p.reduced {
		e.Properties["reduced"] = "true"
	}
	if len(p.inner) > 0 {
		e.Properties["directories inside"] = strconv.Itoa(len(p.inner))
	}
	if _, ok := p.tags[tagPhotoshopDocs]; ok {
		e.Properties["layers"] = "of Photoshop"
	}
	if s := f.text(p, tagDescription); s != "" {
		e.Properties["description"] = s
	}
	return e, nil
}

// dataHash is of the bytes of the strips or tiles.
func (f *file) dataHash(ctx context.Context, p *page) (string, error) {
	if err := p.inside(f.in.Size()); err != nil {
		return "", err
	}
	var hashes []byte
	var total int64
	for i, off := range p.offsets {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if total += p.counts[i]; total > f.in.Size() {
			return "", format.Malformed("the strips or tiles lie on one another")
		}
		b, err := io.ReadAll(io.NewSectionReader(f.in, off, p.counts[i]))
		if err != nil {
			return "", err
		}
		hashes = append(hashes, format.HashOf(b)...)
	}
	return format.HashOf(hashes), nil
}

// check says whether a page can be decoded.
func (p *page) check() error {
	switch p.compression {
	case 1, 2, 3, 4, 5, 8, 32773, 32946, 50000:
	case 6, 7:
		return format.Unsupported("JPEG in TIFF")
	default:
		return format.Unsupported("compression %d", p.compression)
	}
	if p.compression >= 2 && p.compression <= 4 && (p.bits != 1 || p.samples != 1 || p.tiled) {
		return format.Malformed("fax compression of %d bits and %d samples", p.bits, p.samples)
	}
	switch p.photometric {
	case 0, 1, 2, 3, 8, 9:
	case 5:
		if e := p.tags[tagInkSet]; e.count > 0 && p.samples < 4 {
			return format.Unsupported("%d inks", p.samples)
		}
	case 6:
		return format.Unsupported("Y'CbCr in TIFF")
	default:
		return format.Unsupported("colour %d", p.photometric)
	}
	if p.samples < p.colours() {
		return format.Malformed("%d samples for colour %d", p.samples, p.photometric)
	}
	switch {
	case p.bits == 0 || p.kind == 0:
		return format.Unsupported("samples of different kinds")
	case p.kind == 1 && (p.bits == 1 || p.bits == 2 || p.bits == 4 || p.bits == 8 || p.bits == 16 || p.bits == 32):
	case p.kind == 2 && (p.bits == 8 || p.bits == 16 || p.bits == 32) && p.photometric <= 2:
	case p.kind == 2 && p.bits <= 16 && p.photometric == 8:
	case p.kind == 3 && (p.bits == 16 || p.bits == 32 || p.bits == 64):
	default:
		return format.Unsupported("samples of %d bits of kind %d", p.bits, p.kind)
	}
	if p.bits < 8 && !(p.colours() == 1 && p.samples == 1) {
		return format.Unsupported("%d samples of %d bits", p.samples, p.bits)
	}
	if p.photometric == 3 && (p.kind != 1 || p.bits > 16) {
		return format.Malformed("a palette for samples of %d bits", p.bits)
	}
	if p.predictor != 1 && !(p.predictor == 2 && p.bits >= 8 || p.predictor == 3 && p.kind == 3) {
		return format.Unsupported("predictor %d of samples of %d bits", p.predictor, p.bits)
	}
	return nil
}

// ratio is the most that a compression makes of a byte.
func (p *page) ratio() int64 {
	switch p.compression {
	case 1:
		return 1
	case 8, 32946:
		return 1032
	case 32773:
		return 64
	case 5:
		return 2600
	}
	return 1 << 14
}

// depth of the samples as they are kept.
func (p *page) depth() raster.Depth {
	switch {
	case p.kind == 3 || p.bits > 16 || p.kind == 2 && p.photometric != 8:
		return raster.F32
	case p.bits > 8:
		return raster.U16
	}
	return raster.U8
}

// errEarly says that a strip or tile ends before its rows do.
func errEarly(i int, n, want int64) error {
	return fmt.Errorf("strip or tile %d: %w", i, format.Malformed("cut off: %d bytes of %d", n, want))
}
