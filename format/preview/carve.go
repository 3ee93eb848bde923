package preview

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"varve/format"
	"varve/format/jpeg"
	"varve/format/png"
	"varve/format/raster"
)

const (
	reach         = 4 << 20 // bytes from both ends of a file that are searched
	maxFound      = 64      // pictures that are looked at
	maxTries      = 1024    // places in one end where a picture may begin
	maxPicture    = 64 << 20
	maxZipEntries = 1 << 16
	xmp           = "<xmpGImg:image>" // then a JPEG in base64
)

// zipped returns the picture of a known name in a zip.
func zipped(ctx context.Context, in format.Input) (*raster.Image, string, error) {
	r, err := zip.NewReader(in, in.Size())
	if err != nil {
		return nil, "", format.Malformed("cut off, or no zip: %v", err)
	}
	if len(r.File) > maxZipEntries {
		return nil, "", fmt.Errorf("%d entries: %w", len(r.File), format.ErrLimit)
	}
	for _, name := range []string{"QuickLook/Thumbnail.png", "QuickLook/Preview.png", "previews/preview.png", "preview.png", "thumbnail.png",
		"previews/thumbnail.png", "metadata/thumbnails/thumbnail.png", "metadata/thumbnails/page1.png", "Thumbnails/thumbnail.png", "preview.jpg"} {
		for _, e := range r.File {
			if e.Name == name {
				p, err := entry(ctx, e)
				return p, "", err
			}
		}
	}
	return nil, "this kind of file is not decoded, and no preview was found in it", nil
}

// entry decodes a picture in a zip.
func entry(ctx context.Context, e *zip.File) (*raster.Image, error) {
	if e.UncompressedSize64 > maxPicture {
		return nil, fmt.Errorf("%s has %d bytes: %w", e.Name, e.UncompressedSize64, format.ErrLimit)
	}
	r, err := e.Open()
	if err != nil {
		return nil, format.Malformed("%s: %v", e.Name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxPicture))
	if err != nil {
		return nil, format.Malformed("%s: %v", e.Name, err)
	}
	in := format.Bytes(b)
	if bytes.HasPrefix(b, []byte("\xff\xd8")) {
		return jpeg.Format{}.Decode(ctx, in)
	}
	return png.Format{}.Decode(ctx, in)
}

// found is a picture in a file.
type found struct {
	width, height int
	in            format.Input
	format        format.Decoder
}

// carve searches the ends of a file for pictures and decodes the best; nil: there is none.
func carve(ctx context.Context, in format.Input, size int) (*raster.Image, error) {
	var list []found
	for from := int64(0); ; from = in.Size() - reach {
		b, err := format.ReadSpan(in, from, min(reach, in.Size()-from), reach)
		if err != nil {
			return nil, err
		}
		if list, err = search(ctx, in, b, from, list); err != nil {
			return nil, err
		}
		if from > 0 || in.Size() <= reach {
			break
		}
	}
	for len(list) > 0 {
		best := 0
		for i, f := range list {
			a, b := max(f.width, f.height), max(list[best].width, list[best].height)
			if enough := size / 2; a >= enough && (a < b || b < enough) || a > b && b < enough {
				best = i
			}
		}
		p, err := list[best].format.Decode(ctx, list[best].in)
		if err == nil || ctx.Err() != nil {
			return p, err
		}
		list = append(list[:best], list[best+1:]...)
	}
	return nil, nil
}

// search adds the pictures that begin in b, which is at from in the file, to a list.
func search(ctx context.Context, in format.Input, b []byte, from int64, list []found) ([]found, error) {
	tries := 0
	for i := 0; i < len(b) && len(list) < maxFound; {
		if !begins(b[i:]) {
			i++
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rest := io.NewSectionReader(in, from+int64(i), min(in.Size()-from-int64(i), maxPicture))
		f := found{in: rest}
		var err error
		var length int64
		switch b[i] {
		case 0x89:
			f.format = png.Format{}
			f.width, f.height, length, err = png.Measure(ctx, rest)
		case 0xff:
			f.format = jpeg.Format{}
			f.width, f.height, length, err = jpeg.Measure(ctx, rest)
		default:
			text, _, _ := bytes.Cut(b[i+len(xmp):], []byte("<"))
			var picture []byte
			if picture, err = unbase64(text); err == nil {
				f.in, f.format = format.Bytes(picture), jpeg.Format{}
				f.width, f.height, _, err = jpeg.Measure(ctx, f.in)
			}
			length = int64(len(xmp) + len(text))
		}
		if err != nil {
			i++
			continue
		}
		if b[i] != '<' {
			f.in = io.NewSectionReader(in, from+int64(i), length)
		}
		list = append(list, f)
		i += int(min(length, int64(len(b)-i)))
	}
	return list, nil
}

// begins reports whether a picture may begin here.
func begins(b []byte) bool {
	switch b[0] {
	case 0x89:
		return bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n"))
	case 0xff:
		return bytes.HasPrefix(b, []byte("\xff\xd8\xff"))
	case '<':
		return bytes.HasPrefix(b, []byte(xmp))
	}
	return false
}

// unbase64 decodes base64 with line ends, also as XML writes them.
func unbase64(b []byte) ([]byte, error) {
	b = bytes.ReplaceAll(b, []byte("&#xA;"), nil)
	out := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Decode(out, b)
	if err == nil && n == 0 {
		err = errors.New("empty")
	}
	return out[:n], err
}
