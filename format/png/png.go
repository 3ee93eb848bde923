// Package png knows PNG and its animated form, APNG.
//
// It promises: samples are those of the file, 1, 2 and 4 bits as 8 and 16 as 16; a palette is looked up, a transparent
// colour becomes alpha; gamma is not applied, and the profile is handed on. A file that lacks its end, or whose chunks
// fail their checksums, is malformed.
//
// # Bytes
//
//	0   8  89 50 4E 47 0D 0A 1A 0A
//	8      chunks, to IEND: length u32 big-endian, kind 4 letters, data, CRC-32 of kind and data
//
//	IHDR   width u32, height u32, bits of a sample, colour (0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA),
//	       0, 0, interlaced (0, or 1: Adam7)
//	PLTE   RGB of each colour · tRNS alpha of each, or the one transparent colour
//	IDAT   the picture as one zlib stream over all of them: each row its filter, then its samples
//	acTL   frames u32, plays u32
//	fcTL   number u32, width, height, x, y u32, delay u16/u16 s, dispose (0 leave, 1 clear, 2 restore), blend (0 set, 1 over)
//	fdAT   number u32, then as IDAT, of the fcTL before it
package png

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"path"
	"strings"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
	"varve/format/window"
)

const (
	signature = "\x89PNG\r\n\x1a\n"
	maxChunks = 1 << 20
	maxFrames = 1 << 16
	maxTexts  = 1 << 10
	maxText   = 1 << 20 // bytes of one text or profile, inflated: a profile may have 16 times that
)

// Format is the format. It has no state.
type Format struct{}

// Name is "png".
func (Format) Name() string { return "png" }

// Match looks for the signature, also for one that a conversion of line ends has broken in a file of that name.
func (Format) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte(signature)) {
		return true
	}
	ext := strings.ToLower(path.Ext(name))
	return (ext == ".png" || ext == ".apng") && (bytes.HasPrefix(head, []byte("\x89PNG")) || len(bytes.Trim(head, "\x00")) == 0)
}

// chunk is where the data of a chunk lies.
type chunk struct {
	kind string
	off  int64
	n    int64
}

// walk calls visit with each chunk up to IEND.
func walk(ctx context.Context, w *window.Window, visit func(chunk) error) error {
	if b, err := w.At(0, len(signature)); err != nil {
		return err
	} else if string(b) != signature {
		return format.Malformed("the signature is %x: line ends were converted, or it is no PNG", b)
	}
	off := int64(len(signature))
	for n := 0; ; n++ {
		if n == maxChunks {
			return format.Unsupported("more than %d chunks", maxChunks)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		b, err := w.At(off, 8)
		if err != nil {
			return format.Malformed("cut off: there is no end (IEND) by byte %d of %d", off, w.Size())
		}
		c := chunk{string(b[4:]), off + 8, int64(binary.BigEndian.Uint32(b))}
		if !letters(c.kind) {
			return format.Malformed("chunk %q at byte %d", c.kind, off)
		}
		if n == 0 && c.kind != "IHDR" {
			return format.Malformed("the first chunk is %s", c.kind)
		}
		if c.n > w.Size()-c.off-4 {
			return format.Malformed("cut off: chunk %s at byte %d has %d bytes, the file %d", c.kind, off, c.n, w.Size())
		}
		if err := visit(c); err != nil {
			return err
		}
		if c.kind == "IEND" {
			return nil
		}
		off = c.off + c.n + 4
	}
}

func letters(kind string) bool {
	for _, c := range []byte(kind) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}

// Validate checks every chunk's checksum, and that there are a picture and an end.
func (Format) Validate(ctx context.Context, in format.Input) error {
	if _, err := open(ctx, in); err != nil {
		return err
	}
	w := window.New(in)
	return walk(ctx, w, func(c chunk) error {
		sum := crc32.ChecksumIEEE([]byte(c.kind))
		for done := int64(0); done < c.n; {
			if err := ctx.Err(); err != nil {
				return err
			}
			b, err := w.At(c.off+done, int(min(c.n-done, 64<<10)))
			if err != nil {
				return err
			}
			sum = crc32.Update(sum, crc32.IEEETable, b)
			done += int64(len(b))
		}
		b, err := w.At(c.off+c.n, 4)
		if err != nil {
			return err
		}
		if want := binary.BigEndian.Uint32(b); sum != want {
			return format.Malformed("chunk %s at byte %d: its checksum is %08x, the file says %08x", c.kind, c.off-8, sum, want)
		}
		return nil
	})
}

// Decode gives the picture; of an animation what a reader that knows none shows.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return f.still(ctx)
}

// still is the picture with its profile, decoded once.
func (f *file) still(ctx context.Context) (*raster.Image, error) {
	return format.Once(f.in, "png still", func() (*raster.Image, error) {
		p, err := f.picture(ctx, f.width, f.height, f.data)
		if err != nil {
			return nil, err
		}
		p.Profile, err = f.profile()
		return p, err
	})
}

// Picture is the picture, decoded.
func (f Format) Picture(ctx context.Context, in format.Input, _ int) (*format.Picture, error) {
	return frames.Composited(f.Decode(ctx, in))
}

// Measure returns the size in pixels of a PNG that begins a file, and the bytes that it takes: more may follow it.
func Measure(ctx context.Context, in format.Input) (width, height int, length int64, err error) {
	f, err := open(ctx, in)
	if err != nil {
		return 0, 0, 0, err
	}
	return f.width, f.height, f.end, nil
}
