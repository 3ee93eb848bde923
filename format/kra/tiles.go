package kra

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"varve/format"
)

// side is the width and height of a tile, in pixels. Krita has no other.
const side = 64

const (
	maxPixel = 64      // bytes of a pixel
	maxTiles = 1 << 22 // of a layer
	maxPlace = 1 << 28 // of a tile, in pixels from the origin
	lzf      = 1
	asIs     = 0
)

// isTiles reports whether the part of a suffix is tiles.
func isTiles(suffix string) bool {
	if suffix == "" || strings.HasSuffix(suffix, ".pixelselection") {
		return true
	}
	number, ok := strings.CutPrefix(suffix, ".f")
	if !ok {
		return false
	}
	_, err := strconv.ParseUint(number, 10, 32)
	return err == nil
}

// tile is a square of pixels of a layer, as it is stored.
type tile struct {
	x, y       int
	start, end int // of the tile with its head, in the data
	data       []byte
	old        bool // before version 2: data is the pixels
}

// tiles is the data of a layer.
type tiles struct {
	pixel int // bytes of a pixel
	list  []tile
}

// parseTiles reads the data of a layer. pixel is the size of a pixel where the data does not say it.
func parseTiles(b []byte, pixel int) (*tiles, error) {
	t, r := &tiles{pixel: pixel}, &lines{b: b}
	old, count := false, 0
	if bytes.HasPrefix(b, []byte("VERSION ")) {
		if v := r.next(); v != "VERSION 2" {
			return nil, format.Unsupported("tiles of %.20q", v)
		}
		var err error
		if count, err = t.head(r); err != nil {
			return nil, err
		}
	} else {
		old = true
		n, err := strconv.Atoi(r.next())
		if err != nil {
			return nil, format.Malformed("these are no tiles")
		}
		count = n
	}
	if count < 0 || count > maxTiles || count > len(b)/8 {
		return nil, format.Malformed("%d tiles in %d bytes", count, len(b))
	}
	if t.pixel <= 0 || t.pixel > maxPixel {
		return nil, format.Malformed("pixels of %d bytes", t.pixel)
	}
	t.list = make([]tile, 0, count)
	for range count {
		one, err := t.read(r, old)
		if err != nil {
			return nil, err
		}
		t.list = append(t.list, one)
	}
	return t, nil
}

// head reads the lines behind the version, and returns how many tiles there are.
func (t *tiles) head(r *lines) (int, error) {
	for range 8 {
		line := r.next()
		key, value, _ := strings.Cut(line, " ")
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, format.Malformed("head of the tiles: %.40q", line)
		}
		switch key {
		case "TILEWIDTH", "TILEHEIGHT":
			if n != side {
				return 0, format.Unsupported("tiles of %d pixels", n)
			}
		case "PIXELSIZE":
			t.pixel = n
		case "DATA":
			return n, nil
		}
	}
	return 0, format.Malformed("head of the tiles")
}

func (t *tiles) read(r *lines, old bool) (tile, error) {
	one := tile{start: r.at, old: old}
	line := r.next()
	f := strings.Split(line, ",")
	if len(f) != 4 {
		return one, format.Malformed("tile %d: %.40q", len(t.list), line)
	}
	x, err1 := strconv.Atoi(f[0])
	y, err2 := strconv.Atoi(f[1])
	n, err3 := strconv.Atoi(f[3])
	if cmp.Or(err1, err2, err3) != nil || x%side != 0 || y%side != 0 || max(x, -x, y, -y) > maxPlace {
		return one, format.Malformed("tile %d: %.40q", len(t.list), line)
	}
	switch {
	case old && (f[2] != "64" || n != side):
		return one, format.Unsupported("a tile of %s×%d", f[2], n)
	case old:
		n = side * side * t.pixel
	case f[2] != "LZF":
		return one, format.Unsupported("tiles compressed by %.20q", f[2])
	}
	one.x, one.y = x, y
	if one.data = r.take(n); one.data == nil {
		return one, format.Malformed("tile %d of %d bytes is cut off", len(t.list), n)
	}
	one.end = r.at
	return one, nil
}

// lines reads lines and bytes.
type lines struct {
	b  []byte
	at int
}

const maxLine = 128

func (r *lines) next() string {
	rest := r.b[r.at:min(len(r.b), r.at+maxLine)]
	n := bytes.IndexByte(rest, '\n')
	if n < 0 {
		return ""
	}
	r.at += n + 1
	return strings.TrimSpace(string(rest[:n]))
}

func (r *lines) take(n int) []byte {
	if n <= 0 || n > len(r.b)-r.at {
		return nil
	}
	r.at += n
	return r.b[r.at-n : r.at]
}

// unpacker makes pixels of tiles.
type unpacker struct {
	planes, pixels []byte
	pixel          int
}

func (t *tiles) unpacker() *unpacker {
	return &unpacker{make([]byte, side*side*t.pixel), make([]byte, side*side*t.pixel), t.pixel}
}

// unpack returns the pixels of a tile, row by row; they are good until the next call.
func (u *unpacker) unpack(t *tile) ([]byte, error) {
	if t.old {
		return t.data, nil
	}
	switch data := t.data[1:]; t.data[0] {
	case asIs:
		if len(data) != len(u.pixels) {
			return nil, format.Malformed("the tile at %d,%d has %d bytes", t.x, t.y, len(data))
		}
		return data, nil
	case lzf:
		if !unLZF(u.planes, data) {
			return nil, format.Malformed("the tile at %d,%d is damaged", t.x, t.y)
		}
	default:
		return nil, format.Unsupported("the tile at %d,%d: compression %d", t.x, t.y, t.data[0])
	}
	const n = side * side
	if u.pixel == 4 {
		a, b, c, d := u.planes[:n], u.planes[n:2*n], u.planes[2*n:3*n], u.planes[3*n:4*n]
		for i := range n {
			p := u.pixels[4*i : 4*i+4 : 4*i+4]
			p[0], p[1], p[2], p[3] = a[i], b[i], c[i], d[i]
		}
		return u.pixels, nil
	}
	for k := range u.pixel {
		for i, v := range u.planes[k*n : (k+1)*n] {
			u.pixels[i*u.pixel+k] = v
		}
	}
	return u.pixels, nil
}

// unLZF fills dst with what src holds, and reports whether that is all of both.
func unLZF(dst, src []byte) bool {
	at := 0
	for len(src) > 0 {
		c := int(src[0])
		src = src[1:]
		if c < 32 {
			c++
			if c > len(src) || c > len(dst)-at {
				return false
			}
			at += copy(dst[at:], src[:c])
			src = src[c:]
			continue
		}
		n := c >> 5
		if n == 7 {
			if len(src) == 0 {
				return false
			}
			n += int(src[0])
			src = src[1:]
		}
		if len(src) == 0 {
			return false
		}
		n += 2
		from := at - (c&31)<<8 - int(src[0]) - 1
		src = src[1:]
		if from < 0 || n > len(dst)-at {
			return false
		}
		if at-from >= n {
			copy(dst[at:at+n], dst[from:from+n])
		} else {
			for i := range n {
				dst[at+i] = dst[from+i]
			}
		}
		at += n
	}
	return at == len(dst)
}

// survey is what is known of pixels without keeping them.
type survey struct {
	hash string
	// x0 y0 x1 y1 of what is not transparent, or of a mask not zero; empty where nothing is.
	x0, y0, x1, y1 int
	endless        bool // where there is no tile it is not transparent either
}

func (s *survey) empty() bool { return s.x1 <= s.x0 }

// survey reads the tiles of a part. Their order, and tiles in which nothing is but the default pixel, make no difference.
func (d *document) survey(ctx context.Context, n *node, suffix string) (*survey, error) {
	if s := d.surveys[n.parts[suffix]]; s != nil {
		return s, nil
	}
	t, fill, err := d.tiles(ctx, n, suffix)
	if err != nil {
		return nil, err
	}
	visible := alphaOf(d.spaceOf(n, suffix), t.pixel)
	s := &survey{x0: 1 << 30, y0: 1 << 30, x1: -1 << 30, y1: -1 << 30, endless: visible(fill)}
	blank := bytes.Repeat(fill, side*side)
	u := t.unpacker()
	type sum struct {
		x, y int
		hash [sha256.Size]byte
	}
	sums := make([]sum, 0, len(t.list))
	for i := range t.list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		one := &t.list[i]
		px, err := u.unpack(one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		if bytes.Equal(px, blank) {
			continue
		}
		sums = append(sums, sum{one.x, one.y, sha256.Sum256(px)})
		s.grow(one, px, t.pixel, visible)
	}
	slices.SortStableFunc(sums, func(a, b sum) int { return cmp.Or(cmp.Compare(a.y, b.y), cmp.Compare(a.x, b.x)) })
	h := sha256.New()
	fmt.Fprintf(h, "%d %x", t.pixel, fill)
	for _, one := range sums {
		fmt.Fprintf(h, " %d,%d %x", one.x, one.y, one.hash)
	}
	s.hash = format.HashOf(h.Sum(nil))
	d.surveys[n.parts[suffix]] = s
	return s, nil
}

// grow takes a tile into the bounds.
func (s *survey) grow(t *tile, px []byte, size int, visible func([]byte) bool) {
	for y := range side {
		row := px[y*side*size : (y+1)*side*size]
		first, last := -1, -1
		for x := 0; x < side; x++ {
			if visible(row[x*size : (x+1)*size]) {
				first = x
				break
			}
		}
		if first < 0 {
			continue
		}
		for x := side - 1; x >= first; x-- {
			if visible(row[x*size : (x+1)*size]) {
				last = x
				break
			}
		}
		s.x0, s.x1 = min(s.x0, t.x+first), max(s.x1, t.x+last+1)
		s.y0, s.y1 = min(s.y0, t.y+y), max(s.y1, t.y+y+1)
	}
}

// tiles reads the tiles of a part, and the pixel where there are none.
func (d *document) tiles(ctx context.Context, n *node, suffix string) (*tiles, []byte, error) {
	b, err := d.part(ctx, n, suffix, maxPart)
	if err != nil {
		return nil, nil, err
	}
	if b == nil {
		return nil, nil, format.Malformed("%s: its data, %s%s, is not there", n, n.file, suffix)
	}
	size := 1
	if s := d.spaceOf(n, suffix); s != nil {
		size = s.channels * s.width
	}
	t, err := parseTiles(b, size)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", n, err)
	}
	fill, err := d.part(ctx, n, suffix+".defaultpixel", maxSmall)
	if err != nil {
		return nil, nil, err
	}
	if len(fill) < t.pixel { // none, or of another time
		fill = append(fill, make([]byte, t.pixel-len(fill))...)
	}
	return t, fill[:t.pixel], nil
}
