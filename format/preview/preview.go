// Package preview shows files that nothing here decodes by the pictures that their applications put into them: AVIF,
// HEIC and JPEG XL, raw camera files, and documents of Affinity, Illustrator, InDesign, Procreate, Sketch and others.
//
// It promises: it reads little, whatever the size of a file. A picture that it returns is whole. Where there is none it
// says what the file is and why it is not shown. Of HEIC, AVIF and JPEG XL it can tell when they were cut off.
//
// # Bytes
//
// AVIF, HEIC, JPEG XL: boxes, each its length u32 BE (1: u64 after the kind; 0: to the end), kind 4 letters, data. In
// "meta", "iinf" names items and their kinds, "iloc" says where they are; the item "Exif" has 4 bytes, so many more, and
// EXIF with a small JPEG. JPEG XL has a box "Exif" of the same.
//
// Others: a zip with a picture of a known name; or a JPEG or PNG somewhere in the first or last 4 MB, or in XMP there as
// base64 in <xmpGImg:image>.
package preview

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"varve/format"
	"varve/format/exif"
	"varve/format/jpeg"
	"varve/format/raster"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "preview".
func (Format) Name() string { return "preview" }

const jxlSignature = "\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"

// kind is what a file is, as a user calls it; "" for what is not known here.
func kind(name string, head []byte) string {
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		switch string(head[8:12]) {
		case "avif", "avis":
			return "AVIF"
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
			return "HEIC"
		case "crx ":
			return "Canon raw"
		}
	}
	if strings.HasPrefix(string(head), jxlSignature) || strings.HasPrefix(string(head), "\xff\x0a") {
		return "JPEG XL"
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".heic", ".heif", ".hif":
		return "HEIC"
	case ".avif":
		return "AVIF"
	case ".jxl":
		return "JPEG XL"
	case ".afphoto", ".afdesign", ".afpub", ".af":
		return "Affinity document"
	case ".ai", ".ait":
		return "Illustrator document"
	case ".indd", ".indt":
		return "InDesign document"
	case ".eps", ".epsf":
		return "EPS"
	case ".procreate":
		return "Procreate document"
	case ".sketch":
		return "Sketch document"
	case ".xd":
		return "XD document"
	case ".cdr":
		return "CorelDRAW document"
	case ".skp":
		return "SketchUp model"
	case ".max":
		return "3ds Max scene"
	case ".c4d":
		return "Cinema 4D scene"
	case ".ztl", ".zpr":
		return "ZBrush file"
	case ".spp":
		return "Substance project"
	case ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".dng", ".orf", ".rw2", ".raf", ".pef", ".srw", ".3fr", ".iiq", ".erf", ".mef":
		return "raw camera file"
	}
	return ""
}

// Match looks for what is known, by content or name.
func (Format) Match(name string, head []byte) bool { return kind(name, head) != "" }

// Picture is the embedded one: of those that are large enough the smallest, else the largest.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	head, err := format.ReadSpan(in, 0, min(in.Size(), format.HeadSize), format.HeadSize)
	if err != nil {
		return nil, err
	}
	p, why, err := find(ctx, in, head, size)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, format.Unsupported("%s", why)
	}
	return &format.Picture{Image: p, Source: format.Embedded}, nil
}

// find returns the picture, or why there is none.
func find(ctx context.Context, in format.Input, head []byte, size int) (*raster.Image, string, error) {
	switch what := kind("", head); {
	case what == "JPEG XL" && head[0] == 0xff:
		return nil, "JPEG XL is not decoded, and without boxes it has no preview", nil
	case what == "AVIF" || what == "HEIC" || what == "JPEG XL":
		b, err := exifOf(ctx, in)
		if err != nil {
			return nil, "", err
		}
		codec := map[string]string{"AVIF": "AV1", "HEIC": "HEVC", "JPEG XL": "JPEG XL"}[what]
		if b == nil {
			return nil, fmt.Sprintf("%s: %s is not decoded, and the file has no EXIF with a preview", what, codec), nil
		}
		info, err := exif.Parse(b)
		if err != nil || len(info.Thumbnail) == 0 {
			return nil, fmt.Sprintf("%s: %s is not decoded, and the file's EXIF has no preview", what, codec), nil
		}
		p, err := jpeg.Format{}.Decode(ctx, format.Bytes(info.Thumbnail))
		if err != nil {
			return nil, "", fmt.Errorf("the preview: %w", err)
		}
		return p.Orient(info.Orientation), "", nil
	case strings.HasPrefix(string(head), "PK\x03\x04"):
		return zipped(ctx, in)
	}
	p, err := carve(ctx, in, size)
	return p, "this kind of file is not decoded, and no preview was found in it", err
}

// Validate follows the boxes of AVIF, HEIC and JPEG XL: what they hold must be in the file.
func (Format) Validate(ctx context.Context, in format.Input) error {
	head, err := format.ReadSpan(in, 0, min(in.Size(), format.HeadSize), format.HeadSize)
	if err != nil {
		return err
	}
	switch what := kind("", head); {
	case what == "JPEG XL" && head[0] == 0xff:
		return nil
	case what != "":
		if _, err = exifOf(ctx, in); errors.Is(err, format.ErrUnsupported) {
			return nil
		}
		return err
	case strings.HasPrefix(string(head), "PK\x03\x04"):
		_, _, err = zipped(ctx, in)
		return err
	}
	return nil
}
