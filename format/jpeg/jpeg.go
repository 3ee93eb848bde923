// Package jpeg knows JPEG: baseline and progressive, grey, RGB, CMYK.
//
// It promises: a picture is turned upright as its EXIF says; inks are amounts of ink, however they are written; the
// profile is handed on. A file that ends before its end is malformed.
//
// # Bytes
//
//	FF D8            start
//	FF xx, n u16 BE  a segment of n bytes with these two; any number of FF before xx
//	  FF E1            "Exif\0\0", then EXIF; or XMP
//	  FF E2            "ICC_PROFILE\0", number u8, count u8, part of the profile
//	  FF EE            "Adobe", …, transform u8: 0 as they are, 1 Y'CbCr, 2 YCCK; inks are written inverted
//	  FF C0 … FF CF    frame: bits u8, height u16, width u16, components u8 (C4, C8, CC are none)
//	  FF FE            comment
//	  FF DA            scan: then coded data, in which FF is followed by 00 or by D0 to D7
//	FF D9            end
package jpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	stdjpeg "image/jpeg"
	"path"
	"strings"

	"varve/format"
	"varve/format/exif"
	"varve/format/frames"
	"varve/format/raster"
	"varve/format/window"
)

const (
	maxFile     = 1 << 30
	maxScans    = 1000
	maxSegments = 1 << 16
	maxComments = 256
)

// Format is the format. It has no state.
type Format struct{}

// Name is "jpeg".
func (Format) Name() string { return "jpeg" }

// Match looks for the start and another marker, also in a file of that name which was not written.
func (Format) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte("\xff\xd8\xff")) {
		return true
	}
	ext := strings.ToLower(path.Ext(name))
	return (ext == ".jpg" || ext == ".jpeg") && len(bytes.Trim(head, "\x00")) == 0
}

// file is what the segments before the first scan say.
type file struct {
	width, height int
	components    int
	precision     int
	adobe         bool
	exif          exif.Info
	profile       map[byte][]byte // parts by number
	comments      []window.Span
	scan          int64 // where the first scan's segment begins
}

// open reads the segments up to the first scan.
func open(ctx context.Context, w *window.Window) (*file, error) {
	f := &file{exif: exif.Info{Orientation: 1}, profile: map[byte][]byte{}}
	if b, err := w.At(0, 2); err != nil {
		return nil, err
	} else if string(b) != "\xff\xd8" {
		return nil, format.Malformed("it begins with %x", b)
	}
	off := int64(2)
	for range maxSegments {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		kind, at, n, err := segment(w, off)
		if err != nil {
			return nil, err
		}
		switch kind {
		case 0xda:
			if f.width == 0 {
				return nil, format.Malformed("a scan without a frame")
			}
			f.scan = at - 2
			return f, nil
		case 0xd9:
			return nil, format.Malformed("it ends at byte %d without a picture", at)
		}
		b, err := w.At(at+2, int(n-2))
		if err != nil {
			return nil, err
		}
		if err := f.read(kind, b, window.Span{Off: at + 2, Len: n - 2}); err != nil {
			return nil, err
		}
		off = at + n
	}
	return nil, format.Malformed("more than %d segments", maxSegments)
}

// segment finds the marker at off: its kind, and where its length is, and that (0 and 0 for those without).
func segment(w *window.Window, off int64) (kind byte, at, n int64, err error) {
	b, err := w.At(off, 2)
	if err != nil {
		return 0, 0, 0, err
	}
	if b[0] != 0xff {
		return 0, 0, 0, format.Malformed("there is no marker at byte %d", off)
	}
	for b[1] == 0xff {
		off++
		if b, err = w.At(off, 2); err != nil {
			return 0, 0, 0, err
		}
	}
	kind, at = b[1], off+2
	if kind == 0xd9 || kind == 0x01 || kind >= 0xd0 && kind <= 0xd8 {
		return kind, at, 0, nil
	}
	if b, err = w.At(at, 2); err != nil {
		return 0, 0, 0, err
	}
	n = int64(binary.BigEndian.Uint16(b))
	if n < 2 || n > w.Size()-at {
		return 0, 0, 0, format.Malformed("cut off: the segment %02x at byte %d has %d bytes, the file %d", kind, off, n, w.Size())
	}
	return kind, at, n, nil
}

// read takes in a segment.
func (f *file) read(kind byte, b []byte, at window.Span) error {
	const icc = "ICC_PROFILE\x00"
	switch {
	case kind == 0xe1 && bytes.HasPrefix(b, []byte("Exif\x00")) && len(b) > 6:
		if info, err := exif.Parse(b[6:]); err == nil { // the picture is good without
			f.exif = info
			f.exif.Thumbnail = bytes.Clone(info.Thumbnail)
		}
	case kind == 0xe2 && bytes.HasPrefix(b, []byte(icc)) && len(b) > len(icc)+2:
		f.profile[b[len(icc)]] = bytes.Clone(b[len(icc)+2:])
	case kind == 0xee && bytes.HasPrefix(b, []byte("Adobe")) && len(b) >= 12:
		f.adobe = true
	case kind == 0xfe && len(f.comments) < maxComments:
		f.comments = append(f.comments, at)
	case kind >= 0xc0 && kind <= 0xcf && kind != 0xc4 && kind != 0xc8 && kind != 0xcc:
		if len(b) < 6 || f.width != 0 {
			return format.Malformed("the frame at byte %d", at.Off)
		}
		f.precision, f.components = int(b[0]), int(b[5])
		f.height, f.width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
		if f.width == 0 || f.components == 0 {
			return format.Malformed("a frame of %d×%d with %d components", f.width, f.height, f.components)
		}
		if kind > 0xc2 {
			return format.Unsupported("JPEG process %d (lossless, hierarchical or arithmetic)", kind-0xc0)
		}
	}
	return nil
}

// icc puts the profile together; nil where a part is missing.
func (f *file) icc() []byte {
	var out []byte
	for i := range len(f.profile) {
		part, ok := f.profile[byte(i+1)]
		if !ok {
			return nil
		}
		out = append(out, part...)
	}
	return out
}

// Validate follows the segments and scans to the end.
func (Format) Validate(ctx context.Context, in format.Input) error {
	w := window.New(in)
	f, err := open(ctx, w)
	if err != nil && !errors.Is(err, format.ErrUnsupported) {
		return err
	}
	off := int64(2)
	if f != nil {
		off = f.scan
	}
	return follow(ctx, w, off)
}

// follow walks from a marker to the end of the file's picture.
func follow(ctx context.Context, w *window.Window, off int64) error {
	for scans := 0; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		kind, at, n, err := segment(w, off)
		if err != nil {
			return err
		}
		off = at + n
		switch kind {
		case 0xd9:
			return nil
		case 0xda:
			if scans++; scans > maxScans {
				return fmt.Errorf("more than %d scans: %w", maxScans, format.ErrLimit)
			}
			if off, err = coded(ctx, w, off); err != nil {
				return err
			}
		}
	}
}

// coded returns where the coded data from off ends: at a marker.
func coded(ctx context.Context, w *window.Window, off int64) (int64, error) {
	for off < w.Size() {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		b, err := w.At(off, int(min(w.Size()-off, 16<<10)))
		if err != nil {
			return 0, err
		}
		i := bytes.IndexByte(b, 0xff)
		for i >= 0 && i+1 < len(b) && (b[i+1] == 0 || b[i+1] >= 0xd0 && b[i+1] <= 0xd7) {
			k := bytes.IndexByte(b[i+2:], 0xff)
			if k < 0 {
				i = -1
				break
			}
			i += 2 + k
		}
		switch {
		case i < 0:
			off += int64(len(b))
		case i+1 < len(b):
			return off + int64(i), nil
		case i == 0:
			return 0, format.Malformed("cut off: it ends at byte %d in the coded picture", w.Size())
		default:
			off += int64(i)
		}
	}
	return 0, format.Malformed("cut off: it ends at byte %d in the coded picture", w.Size())
}

// Decode gives the picture, upright.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxFile)
	if err != nil {
		return nil, err
	}
	w := window.New(format.Bytes(b))
	f, err := open(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := follow(ctx, w, f.scan); err != nil {
		return nil, err
	}
	return f.decode(b)
}

func (f *file) decode(b []byte) (*raster.Image, error) {
	if f.precision != 8 {
		return nil, format.Unsupported("JPEG of %d bits", f.precision)
	}
	if err := frames.Bound(f.width, f.height, int64(len(b))); err != nil {
		return nil, err
	}
	if int64(f.width)*int64(f.height) > raster.MaxPixels {
		return nil, fmt.Errorf("%w: %d×%d", raster.ErrSize, f.width, f.height)
	}
	plain := f.components == 4 && !f.adobe // inks that are not written inverted: the decoder wants Adobe's mark
	if plain {
		b = append([]byte("\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"), b[2:]...)
	}
	m, err := stdjpeg.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, meaning(err)
	}
	p, err := raster.FromImage(m)
	if err != nil {
		return nil, err
	}
	if plain && p.Model == raster.CMYK {
		for i, v := range p.U8 {
			p.U8[i] = 255 - v
		}
	}
	p = p.Orient(f.exif.Orientation)
	p.Profile = f.icc()
	return p, nil
}

// meaning says which of the contract's errors a decoder's is.
func meaning(err error) error {
	var unsupported stdjpeg.UnsupportedError
	if errors.As(err, &unsupported) {
		return format.Unsupported("%v", err)
	}
	return format.Malformed("%v", err)
}

// Picture is the small picture in the EXIF, where that is large enough and shows all; else the picture.
func (x Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	f, err := open(ctx, window.New(in))
	if err != nil {
		return nil, err
	}
	if p := f.thumbnail(ctx, size); p != nil {
		return &format.Picture{Image: p, Source: format.Embedded}, nil
	}
	p, err := x.Decode(ctx, in)
	if err != nil {
		return nil, err
	}
	return &format.Picture{Image: p, Source: format.Composited}, nil
}

// thumbnail returns the small picture, upright; nil where it is too small, or of another shape: cameras put bars at
// the sides of theirs.
func (f *file) thumbnail(ctx context.Context, size int) *raster.Image {
	if len(f.exif.Thumbnail) == 0 {
		return nil
	}
	w := window.New(format.Bytes(f.exif.Thumbnail))
	t, err := open(ctx, w)
	if err != nil || max(t.width, t.height) < min(size/2, max(f.width, f.height)) {
		return nil
	}
	if d := t.width*f.height - t.height*f.width; max(d, -d) > f.width*t.height/25 {
		return nil
	}
	t.exif.Orientation = f.exif.Orientation
	p, err := t.decode(f.exif.Thumbnail)
	if err != nil {
		return nil
	}
	return p
}

// Elements lists the picture and the comments.
func (x Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	p, err := x.Decode(ctx, in)
	if err != nil {
		return nil, err
	}
	w := window.New(in)
	f, err := open(ctx, w)
	if err != nil {
		return nil, err
	}
	list := []format.Element{frames.Still(p, in.Size()-f.scan)}
	for i, c := range f.comments {
		b, err := w.At(c.Off, int(c.Len))
		if err != nil {
			return nil, err
		}
		id := fmt.Sprintf("comment:%d", i+1)
		text := strings.ToValidUTF8(strings.TrimRight(string(b), "\x00"), "\uFFFD")
		list = append(list, format.Element{ID: id, Stable: id, Kind: "text", Name: "Comment", Bytes: c.Len,
			Properties: map[string]string{"text": text}, Aspects: map[string]string{"text": format.HashOf(b)}})
	}
	return list, nil
}

// Extract makes a PNG of the picture.
func (x Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	if strings.HasPrefix(id, "comment:") {
		return nil, format.Unsupported("a comment as a file")
	}
	if id != "image" {
		return nil, format.ErrNoElement
	}
	p, err := x.Decode(ctx, in)
	if err != nil {
		return nil, err
	}
	return frames.Extract(p)
}
