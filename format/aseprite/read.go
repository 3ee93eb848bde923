package aseprite

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"varve/format"
)

const (
	maxChunk  = 256 << 20 // bytes of one that is read whole
	maxChunks = 1 << 22
	maxNested = 256
	maxLinks  = 64 // from a cel to the one that it shows; Aseprite makes 1
)

// chunk is where one lies.
type chunk struct {
	at, size int64 // size with its head of 6 bytes
	kind     uint16
}

// frame is a moment of the animation.
type frame struct {
	at, size int64
	millis   uint16
	chunks   []chunk
}

// sprite is a file as it was read.
type sprite struct {
	in            format.Input
	size          int64 // as the file says
	width, height int
	bits          int
	flags         uint32
	transparent   byte
	frames        []frame
	layers        []*layer
	roots         []*layer // from the bottom
	tags          []*tag
	slices        []*slice
	tilesets      []*tileset
	externals     []external
	palettes      []attached // in all frames
	profile       []byte
	data          []chunk // of the sprite itself
	ids           map[string]bool
}

// attached is a chunk with those that follow and are of it.
type attached struct {
	frame int
	chunk chunk
	more  []chunk
}

type layer struct {
	attached
	id, stable string
	flags      uint16
	kind       uint16 // 0 normal, 1 group, 2 tilemap
	level      int
	blend      uint16
	opacity    byte
	name       string
	tileset    uint32
	parent     *layer
	children   []*layer
	cels       []*cel // by frame, ascending
}

type cel struct {
	attached
	layer         *layer
	x, y          int
	opacity       byte
	kind          uint16 // 0 raw, 1 linked, 2 compressed, 3 tilemap
	z             int
	width, height int // in pixels, or of a tilemap in tiles
	link          int
	body          int64 // where pixels begin
	tiles         tileBits
	hash          string // of its pixels, once it is known
}

type tileBits struct{ bits, id, flipX, flipY, diagonal uint32 }

type tag struct {
	id   string
	raw  []byte
	from int
	to   int
	name string
	of   *attached
	data *chunk
}

type slice struct {
	attached
	id   string
	name string
	keys []sliceKey
	raw  []byte // from its number of keys on
}

type sliceKey struct {
	frame         uint32
	x, y          int32
	width, height uint32
	nine, pivot   string
}

type tileset struct {
	attached
	id            string
	number, flags uint32
	count         uint32
	width, height int
	name          string
	external      uint32
	body, packed  int64
	pixels        []byte // once they are known
}

type external struct {
	frame int
	chunk chunk
	id    uint32
	kind  byte
	name  string
	at    int64 // of its length
}

// open reads the structure of a file; of only so many frames if most is not 0.
func open(ctx context.Context, in format.Input, most int) (*sprite, error) {
	h, err := format.ReadSpan(in, 0, headerSize, headerSize)
	if err != nil {
		return nil, err
	}
	s := &sprite{in: in, ids: map[string]bool{}}
	s.size = int64(binary.LittleEndian.Uint32(h))
	n := int(binary.LittleEndian.Uint16(h[6:]))
	s.width, s.height = int(binary.LittleEndian.Uint16(h[8:])), int(binary.LittleEndian.Uint16(h[10:]))
	s.bits, s.flags, s.transparent = int(binary.LittleEndian.Uint16(h[12:])), binary.LittleEndian.Uint32(h[14:]), h[28]
	if binary.LittleEndian.Uint16(h[4:]) != fileMagic {
		return nil, format.Malformed("this is no Aseprite file")
	}
	if n == 0 || s.width == 0 || s.height == 0 || s.bits != 8 && s.bits != 16 && s.bits != 32 {
		return nil, format.Malformed("%d frames of %d×%d with %d bits", n, s.width, s.height, s.bits)
	}
	if most > 0 {
		n = min(n, most)
	}
	at, chunks := int64(headerSize), 0
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := s.frame(at)
		if err != nil {
			return nil, fmt.Errorf("frame %d: %w", i+1, err)
		}
		s.frames = append(s.frames, *f)
		at += f.size
		if chunks += len(f.chunks); chunks > maxChunks {
			return nil, fmt.Errorf("%d chunks: %w", chunks, format.ErrLimit)
		}
	}
	if err := s.contents(ctx); err != nil {
		return nil, err
	}
	s.name()
	return s, nil
}

// frame reads where the chunks of a frame lie.
func (s *sprite) frame(at int64) (*frame, error) {
	h, err := format.ReadSpan(s.in, at, frameSize, frameSize)
	if err != nil {
		return nil, err
	}
	f := &frame{at: at, size: int64(binary.LittleEndian.Uint32(h)), millis: binary.LittleEndian.Uint16(h[8:])}
	if binary.LittleEndian.Uint16(h[4:]) != frameMagic || f.size < frameSize || f.size > s.in.Size()-at {
		return nil, format.Malformed("a frame of %d bytes at %d of %d", f.size, at, s.in.Size())
	}
	n := int64(binary.LittleEndian.Uint32(h[12:]))
	if n == 0 {
		n = int64(binary.LittleEndian.Uint16(h[6:]))
	}
	end := at + f.size
	at += frameSize
	if n > f.size/chunkSize {
		return nil, format.Malformed("%d chunks in %d bytes", n, f.size)
	}
	for range n {
		b, err := format.ReadSpan(s.in, at, chunkSize, chunkSize)
		if err != nil {
			return nil, err
		}
		c := chunk{at, int64(binary.LittleEndian.Uint32(b)), binary.LittleEndian.Uint16(b[4:])}
		if c.size < chunkSize || c.size > end-at {
			return nil, format.Malformed("a chunk of %d bytes at %d, where the frame has %d", c.size, at, end-at)
		}
		f.chunks = append(f.chunks, c)
		at += c.size
	}
	return f, nil
}

// read returns a chunk with its head.
func (s *sprite) read(c chunk) ([]byte, error) { return format.ReadSpan(s.in, c.at, c.size, maxChunk) }

// contents reads what chunks say, without pixels, and to what each user data belongs.
func (s *sprite) contents(ctx context.Context) error {
	for i := range s.frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		var owner *attached
		tagged := 0 // tags whose user data comes next
		for _, c := range s.frames[i].chunks {
			switch c.kind {
			case kindUserData:
				switch {
				case tagged < len(s.tags) && owner == nil && tagged >= 0 && s.tags[tagged].of.frame == i:
					s.tags[tagged].data = &c
					tagged++
				case owner != nil:
					owner.more = append(owner.more, c)
				default:
					s.data = append(s.data, c)
				}
				continue
			case kindCelExtra:
				if owner != nil && owner.chunk.kind == kindCel {
					owner.more = append(owner.more, c)
				}
				continue
			}
			var err error
			if owner, err = s.content(i, c); err != nil {
				return fmt.Errorf("frame %d, chunk %04x at %d: %w", i+1, c.kind, c.at, err)
			}
			tagged = len(s.tags)
			if c.kind == kindTags {
				tagged = 0
				owner = nil
			}
		}
	}
	return s.tree()
}

// content reads one chunk, and returns what user data after it is of.
func (s *sprite) content(i int, c chunk) (*attached, error) {
	of := attached{frame: i, chunk: c}
	r := &reader{in: s.in, at: c.at + chunkSize, end: c.at + c.size}
	switch c.kind {
	case kindLayer:
		return s.readLayer(r, of)
	case kindCel:
		return s.readCel(r, of)
	case kindTags:
		return nil, s.readTags(r, of)
	case kindSlice:
		return s.readSlice(r, of)
	case kindTileset:
		return s.readTileset(r, of)
	case kindPalette, kindOldPalette, kindOldPalette6:
		s.palettes = append(s.palettes, of)
	case kindExternal:
		n := r.u32()
		r.skip(8)
		for range n {
			e := external{frame: i, chunk: c, id: r.u32(), kind: r.u8()}
			r.skip(7)
			e.at = r.at
			e.name = r.text()
			if r.err != nil {
				break
			}
			s.externals = append(s.externals, e)
		}
	case kindProfile:
		if r.u16() == 2 {
			r.skip(14)
			s.profile = r.bytes(int64(r.u32()), 16<<20)
		}
	}
	return nil, r.err
}

func (s *sprite) readLayer(r *reader, of attached) (*attached, error) {
	l := &layer{attached: of, flags: r.u16(), kind: r.u16(), level: int(r.u16())}
	r.skip(4)
	l.blend = r.u16()
	l.opacity = r.u8()
	r.skip(3)
	l.name = r.text()
	if l.kind == 2 {
		l.tileset = r.u32()
	}
	if s.flags&4 != 0 {
		if id := r.bytes(16, 16); r.err == nil && strings.Trim(string(id), "\x00") != "" {
			l.stable = "layer:" + hex.EncodeToString(id)
		}
	}
	if s.flags&1 == 0 {
		l.opacity = 255
	}
	s.layers = append(s.layers, l)
	return &l.attached, r.err
}

func (s *sprite) readCel(r *reader, of attached) (*attached, error) {
	index := int(r.u16())
	c := &cel{attached: of, x: int(int16(r.u16())), y: int(int16(r.u16())), opacity: r.u8(), kind: r.u16(), z: int(int16(r.u16()))}
	r.skip(5)
	if r.err == nil && index >= len(s.layers) {
		return nil, format.Malformed("a cel of layer %d, of %d", index, len(s.layers))
	}
	switch c.kind {
	case 1:
		c.link = int(r.u16())
	case 0, 2:
		c.width, c.height = int(r.u16()), int(r.u16())
	case 3:
		c.width, c.height = int(r.u16()), int(r.u16())
		c.tiles.bits = uint32(r.u16())
		c.tiles.id, c.tiles.flipX, c.tiles.flipY, c.tiles.diagonal = r.u32(), r.u32(), r.u32(), r.u32()
		r.skip(10)
	}
	if r.err != nil {
		return nil, r.err
	}
	c.body = r.at
	c.layer = s.layers[index]
	if n := len(c.layer.cels); n > 0 && c.layer.cels[n-1].frame == of.frame {
		return nil, format.Malformed("two cels of layer %q", c.layer.name)
	}
	c.layer.cels = append(c.layer.cels, c)
	return &c.attached, nil
}

func (s *sprite) readTags(r *reader, of attached) error {
	n := r.u16()
	r.skip(8)
	for range n {
		from := r.at
		t := &tag{of: &of, from: int(r.u16()), to: int(r.u16())}
		r.skip(13)
		t.name = r.text()
		if r.err != nil {
			return r.err
		}
		b, err := format.ReadSpan(s.in, from, r.at-from, 1<<17)
		if err != nil {
			return err
		}
		t.raw = b
		s.tags = append(s.tags, t)
	}
	return r.err
}

func (s *sprite) readSlice(r *reader, of attached) (*attached, error) {
	l := &slice{attached: of}
	l.raw = r.bytes(r.end-r.at, 16<<20)
	r = &reader{in: format.Bytes(l.raw), end: int64(len(l.raw)), err: r.err}
	n, flags := r.u32(), r.u32()
	r.skip(4)
	l.name = r.text()
	for ; n > 0 && r.err == nil; n-- {
		k := sliceKey{frame: r.u32(), x: int32(r.u32()), y: int32(r.u32()), width: r.u32(), height: r.u32()}
		if flags&1 != 0 {
			k.nine = fmt.Sprintf("%d,%d %d×%d", int32(r.u32()), int32(r.u32()), r.u32(), r.u32())
		}
		if flags&2 != 0 {
			k.pivot = fmt.Sprintf("%d,%d", int32(r.u32()), int32(r.u32()))
		}
		l.keys = append(l.keys, k)
	}
	s.slices = append(s.slices, l)
	return &l.attached, r.err
}

func (s *sprite) readTileset(r *reader, of attached) (*attached, error) {
	t := &tileset{attached: of, number: r.u32(), flags: r.u32(), count: r.u32(), width: int(r.u16()), height: int(r.u16())}
	r.skip(16)
	t.name = r.text()
	if t.flags&1 != 0 {
		t.external = r.u32()
		r.skip(4)
	}
	if t.flags&2 != 0 {
		t.packed = int64(r.u32())
		t.body = r.at
		r.skip(t.packed)
	}
	if r.err == nil && (t.width == 0 || t.height == 0) {
		return nil, format.Malformed("tiles of %d×%d", t.width, t.height)
	}
	s.tilesets = append(s.tilesets, t)
	return &t.attached, r.err
}

// tree puts layers into their groups by their levels.
func (s *sprite) tree() error {
	var open []*layer
	for i, l := range s.layers {
		if l.level > len(open) || l.level > maxNested || l.level > 0 && open[l.level-1].kind != 1 {
			return format.Malformed("layer %d, %q, is on level %d, which is no group", i, l.name, l.level)
		}
		open = append(open[:l.level], l)
		if l.level == 0 {
			s.roots = append(s.roots, l)
			continue
		}
		l.parent = open[l.level-1]
		l.parent.children = append(l.parent.children, l)
	}
	for _, l := range s.layers {
		for _, c := range l.cels {
			if c.kind == 1 && c.link < len(s.frames) && l.at(c.link) == nil {
				return format.Malformed("a cel of layer %q in frame %d is that of frame %d, which has none", l.name, c.frame+1, c.link+1)
			}
		}
	}
	return nil
}

// at returns the cel of a frame, nil if there is none.
func (l *layer) at(frame int) *cel {
	i, ok := slices.BinarySearchFunc(l.cels, frame, func(c *cel, f int) int { return c.frame - f })
	if !ok {
		return nil
	}
	return l.cels[i]
}

// real follows links.
func (c *cel) real() (*cel, error) {
	r := c
	for n := 0; r != nil && r.kind == 1; n++ {
		if n > maxLinks {
			return nil, format.Malformed("cels of layer %q are each other", c.layer.name)
		}
		r = c.layer.at(r.link)
	}
	if r == nil {
		return nil, format.Malformed("a cel of layer %q in frame %d is that of a frame that has none", c.layer.name, c.frame+1)
	}
	return r, nil
}

// reader reads numbers of a chunk. Its error stays.
type reader struct {
	in      format.Input
	at, end int64
	buf     []byte
	from    int64
	err     error
}

func (r *reader) take(n int64) []byte {
	if r.err == nil && (n < 0 || n > r.end-r.at) {
		r.err = format.Malformed("the chunk ends within %d bytes at %d", n, r.at)
	}
	if r.err == nil && (r.at < r.from || r.at+n > r.from+int64(len(r.buf))) {
		r.from = r.at
		r.buf, r.err = format.ReadSpan(r.in, r.at, min(max(n, 256), r.end-r.at), max(n, 256))
	}
	if r.err != nil {
		return nil
	}
	b := r.buf[r.at-r.from:][:n]
	r.at += n
	return b
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) text() string {
	return strings.ToValidUTF8(string(r.take(int64(r.u16()))), "\ufffd")
}

func (r *reader) bytes(n, most int64) []byte {
	if n > most && r.err == nil {
		r.err = fmt.Errorf("%d bytes at %d: %w", n, r.at, format.ErrLimit)
	}
	if r.err != nil {
		return nil
	}
	return slices.Clone(r.take(n))
}

func (r *reader) skip(n int64) {
	if r.err == nil && (n < 0 || n > r.end-r.at) {
		r.err = format.Malformed("the chunk ends within %d bytes at %d", n, r.at)
	}
	if r.err == nil {
		r.at += n
	}
}
