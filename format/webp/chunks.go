package webp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"time"

	"golang.org/x/image/webp"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
	"varve/format/window"
)

// file is what the chunks of a file say.
type file struct {
	in            format.Input
	w             *window.Window
	width, height int
	animated      bool
	icc           window.Span
	frames        []frame // of a picture without: one
}

type frame struct {
	x, y, width, height int
	delay               time.Duration
	clear, set          bool
	alpha, picture      window.Span // data of ALPH, and of VP8 or VP8L
	lossless            bool
}

func (g *frame) bytes() int64 { return g.alpha.Len + g.picture.Len }

func u24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// open reads the chunks.
func open(ctx context.Context, in format.Input) (*file, error) {
	f := &file{in: in, w: window.New(in)}
	b, err := f.w.At(0, 12)
	if err != nil {
		return nil, err
	}
	if string(b[:4]) != "RIFF" || string(b[8:]) != "WEBP" {
		return nil, format.Malformed("it begins with %q", b)
	}
	end := 8 + int64(binary.LittleEndian.Uint32(b[4:]))
	if end > in.Size() {
		return nil, format.Malformed("cut off: it says that it has %d bytes, and has %d", end, in.Size())
	}
	var still frame
	if err := f.chunks(ctx, 12, end, func(kind string, s window.Span) error { return f.chunk(ctx, kind, s, &still) }); err != nil {
		return nil, err
	}
	if !f.animated {
		f.frames = []frame{still}
	}
	if len(f.frames) == 0 {
		return nil, format.Malformed("there is no frame")
	}
	for i := range f.frames {
		if f.frames[i].picture.Len == 0 {
			return nil, format.Malformed("frame %d has no picture", i+1)
		}
	}
	return f, nil
}

// chunks calls visit with the chunks from off to end.
func (f *file) chunks(ctx context.Context, off, end int64, visit func(string, window.Span) error) error {
	for n := 0; off < end-1; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n == maxChunks {
			return fmt.Errorf("more than %d chunks: %w", maxChunks, format.ErrLimit)
		}
		b, err := f.w.At(off, 8)
		if err != nil {
			return err
		}
		s := window.Span{Off: off + 8, Len: int64(binary.LittleEndian.Uint32(b[4:]))}
		if s.Len > end-s.Off {
			return format.Malformed("cut off: chunk %q at byte %d has %d bytes, of %d", b[:4], off, s.Len, end-s.Off)
		}
		if err := visit(string(b[:4]), s); err != nil {
			return err
		}
		off = s.Off + s.Len + s.Len&1
	}
	return nil
}

func (f *file) chunk(ctx context.Context, kind string, s window.Span, still *frame) error {
	switch kind {
	case "VP8X":
		if s.Len < 10 {
			return format.Malformed("a header of %d bytes", s.Len)
		}
		b, err := f.w.At(s.Off, 10)
		if err != nil {
			return err
		}
		f.animated = b[0]&2 != 0
		f.width, f.height = u24(b[4:])+1, u24(b[7:])+1
	case "ICCP":
		f.icc = s
	case "ANMF":
		return f.frame(ctx, s)
	default:
		still.chunk(kind, s)
	}
	return nil
}

// chunk takes in a chunk that is of a picture.
func (g *frame) chunk(kind string, s window.Span) {
	switch kind {
	case "ALPH":
		g.alpha = s
	case "VP8 ", "VP8L":
		if g.picture.Len == 0 {
			g.picture, g.lossless = s, kind == "VP8L"
		}
	}
}

func (f *file) frame(ctx context.Context, s window.Span) error {
	if s.Len < 16 || len(f.frames) == maxFrames {
		return format.Malformed("frame %d has %d bytes", len(f.frames)+1, s.Len)
	}
	b, err := f.w.At(s.Off, 16)
	if err != nil {
		return err
	}
	g := frame{x: 2 * u24(b), y: 2 * u24(b[3:]), width: u24(b[6:]) + 1, height: u24(b[9:]) + 1,
		delay: time.Duration(u24(b[12:])) * time.Millisecond, clear: b[15]&1 != 0, set: b[15]&2 != 0}
	err = f.chunks(ctx, s.Off+16, s.Off+s.Len, func(kind string, s window.Span) error {
		g.chunk(kind, s)
		return nil
	})
	f.frames = append(f.frames, g)
	return err
}

func (f *file) profile() ([]byte, error) {
	if f.icc.Len == 0 {
		return nil, nil
	}
	return format.ReadSpan(f.in, f.icc.Off, f.icc.Len, 16<<20)
}

// pixels decodes a frame: as a file of its own, of one picture.
func (f *file) pixels(g *frame) (*raster.Image, error) {
	picture, err := format.ReadSpan(f.in, g.picture.Off, g.picture.Len, maxFile)
	if err != nil {
		return nil, err
	}
	width, height, err := size(picture, g.lossless)
	if err != nil {
		return nil, err
	}
	if err := frames.Bound(width, height, g.bytes()); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	kind := "VP8 "
	if g.lossless {
		kind = "VP8L"
	}
	b.WriteString("RIFF\x00\x00\x00\x00WEBP")
	if g.alpha.Len > 0 && !g.lossless {
		alpha, err := format.ReadSpan(f.in, g.alpha.Off, g.alpha.Len, maxFile)
		if err != nil {
			return nil, err
		}
		w, h := width-1, height-1
		put(&b, "VP8X", []byte{0x10, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)})
		put(&b, "ALPH", alpha)
	}
	put(&b, kind, picture)
	binary.LittleEndian.PutUint32(b.Bytes()[4:], uint32(b.Len()-8))
	m, err := webp.Decode(&b)
	if err != nil {
		return nil, format.Malformed("%v", err)
	}
	switch m := m.(type) {
	case *image.YCbCr:
		return lossy(m, nil)
	case *image.NYCbCrA:
		return lossy(&m.YCbCr, m)
	}
	return raster.FromImage(m)
}

// put appends a chunk.
func put(b *bytes.Buffer, kind string, data []byte) {
	b.WriteString(kind)
	b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(data))))
	b.Write(data)
	if len(data)%2 == 1 {
		b.WriteByte(0)
	}
}

// size of a picture, as its own first bytes say.
func size(b []byte, lossless bool) (width, height int, err error) {
	if lossless {
		if len(b) < 5 || b[0] != 0x2f {
			return 0, 0, format.Malformed("a lossless picture of %d bytes", len(b))
		}
		v := binary.LittleEndian.Uint32(b[1:])
		return int(v&0x3fff) + 1, int(v>>14&0x3fff) + 1, nil
	}
	if len(b) < 10 || string(b[3:6]) != "\x9d\x01\x2a" {
		return 0, 0, format.Malformed("a lossy picture of %d bytes", len(b))
	}
	width, height = int(binary.LittleEndian.Uint16(b[6:])&0x3fff), int(binary.LittleEndian.Uint16(b[8:])&0x3fff)
	if width == 0 || height == 0 {
		return 0, 0, format.Malformed("a picture of %d×%d", width, height)
	}
	return width, height, nil
}
