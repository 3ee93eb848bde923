// Package tiff knows TIFF and BigTIFF: strips and tiles, one or many pages, pyramids.
//
// It promises: samples are those of the file: up to 8 bits as 8, 16 as 16, floats as floats (of 64 bits rounded to
// 32). Whole numbers of 32 bits become floats of 0 to 1, signed ones floats of their value. Associated alpha stays
// multiplied in. A page whose strips are not in the file is malformed.
//
// # Bytes
//
//	0  2  "II" little-endian, "MM" big-endian
//	2  2  42; 43 of BigTIFF, where counts of entries are u64 and counts of values and offsets are u64
//	4  4  offset of the first directory (BigTIFF: 8 and 0, u16 both, then the offset)
//
//	directory: entries u16, of each tag u16, type u16, count u32, value or its offset u32; then the next's offset u32
package tiff

import (
	"context"
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
	"varve/format/window"
)

const (
	maxPages   = 1 << 14
	maxEntries = 1 << 12
	maxValues  = 64 << 20 // bytes of a tag's values
	maxText    = 1 << 16
	maxSide    = 1 << 24 // pixels
	maxSamples = 1 << 10 // of a pixel
)

// Format is the format. It has no state.
type Format struct{}

// Name is "tiff".
func (Format) Name() string { return "tiff" }

// Match looks for the byte order and the number after it. Raw camera files and others that are built as a TIFF are
// known by their names, and are none.
func (Format) Match(name string, head []byte) bool {
	ext := strings.ToLower(path.Ext(name))
	is := ext == ".tif" || ext == ".tiff" || ext == ".tf8" || ext == ".btf"
	if len(head) >= 8 {
		switch string(head[:4]) {
		case "II*\x00", "MM\x00*", "II+\x00", "MM\x00+":
			return is || ext == "" || !strings.Contains(" .cr2 .nef .arw .dng .orf .pef .srw .rw2 .3fr .iiq .erf .mef .mos .nrw .raf .kdc .dcr ", " "+ext+" ")
		}
	}
	return is && len(strings.Trim(string(head), "\x00")) == 0
}

// file is a TIFF whose directories are read.
type file struct {
	in    format.Input
	w     *window.Window
	order binary.ByteOrder
	big   bool
}

// open reads the header and returns the offset of the first directory.
func open(in format.Input) (*file, int64, error) {
	f := &file{in: in, w: window.New(in)}
	b, err := f.w.At(0, 8)
	if err != nil {
		return nil, 0, err
	}
	switch string(b[:2]) {
	case "II":
		f.order = binary.LittleEndian
	case "MM":
		f.order = binary.BigEndian
	default:
		return nil, 0, format.Malformed("it begins with %x", b[:2])
	}
	switch f.order.Uint16(b[2:]) {
	case 42:
		return f, int64(f.order.Uint32(b[4:])), nil
	case 43:
		if b, err = f.w.At(0, 16); err != nil {
			return nil, 0, err
		}
		f.big = true
		if f.order.Uint16(b[4:]) != 8 {
			return nil, 0, format.Unsupported("offsets of %d bytes", f.order.Uint16(b[4:]))
		}
		return f, int64(f.order.Uint64(b[8:])), nil
	}
	return nil, 0, format.Malformed("it begins with %x", b[:4])
}

// entry is a tag of a directory.
type entry struct {
	kind  uint16
	count int64
	off   int64 // of its values in the file
}

// width is the bytes of a value of a type; 0 for a type that is not known.
func width(kind uint16) int64 {
	if int(kind) < len(" \x01\x01\x02\x04\x08\x01\x01\x02\x04\x08\x04\x08\x04  \x08\x08\x08") && kind > 0 {
		return int64(" \x01\x01\x02\x04\x08\x01\x01\x02\x04\x08\x04\x08\x04\x00\x00\x08\x08\x08"[kind])
	}
	return 0
}

// directory reads the directory at off, and returns the offset of the next.
func (f *file) directory(off int64) (map[uint16]entry, int64, error) {
	head, size, word := 2, 12, int64(4)
	if f.big {
		head, size, word = 8, 20, 8
	}
	b, err := f.w.At(off, head)
	if err != nil {
		return nil, 0, err
	}
	n := int64(f.order.Uint16(b))
	if f.big {
		n = int64(f.order.Uint64(b))
	}
	if n <= 0 || n > maxEntries {
		return nil, 0, format.Malformed("the directory at byte %d has %d entries", off, n)
	}
	b, err = f.w.At(off+int64(head), int(n)*size)
	if err != nil {
		return nil, 0, err
	}
	tags := make(map[uint16]entry, n)
	for i := range n {
		d := b[int(i)*size:][:size]
		e := entry{kind: f.order.Uint16(d[2:]), count: int64(f.order.Uint32(d[4:]))}
		e.off = off + int64(head) + i*int64(size) + 8
		value := d[8:]
		if f.big {
			e.count = int64(f.order.Uint64(d[4:]))
			e.off += 4
			value = d[12:]
		}
		if w := width(e.kind); w == 0 || e.count < 0 || e.count > f.w.Size() {
			continue // of a type that is not known, or out of the file: as if it were not there
		} else if e.count*w > word {
			e.off = f.offset(value)
		}
		tags[f.order.Uint16(d)] = e
	}
	b, err = f.w.At(off+int64(head)+n*int64(size), int(word))
	if err != nil {
		return tags, 0, nil // the last one may lack it
	}
	return tags, f.offset(b), nil
}

func (f *file) offset(b []byte) int64 {
	if f.big {
		return int64(f.order.Uint64(b))
	}
	return int64(f.order.Uint32(b))
}

// numbers returns the values of a tag that are whole numbers.
func (f *file) numbers(e entry) ([]int64, error) {
	w := width(e.kind)
	b, err := format.ReadSpan(f.in, e.off, e.count*w, maxValues)
	if err != nil {
		return nil, err
	}
	out := make([]int64, e.count)
	for i := range out {
		switch e.kind {
		case 1, 7:
			out[i] = int64(b[i])
		case 3:
			out[i] = int64(f.order.Uint16(b[2*i:]))
		case 4, 13:
			out[i] = int64(f.order.Uint32(b[4*i:]))
		case 16, 18:
			out[i] = int64(f.order.Uint64(b[8*i:]))
		default:
			return nil, format.Malformed("a whole number is of type %d", e.kind)
		}
	}
	return out, nil
}

// bytes returns the values of a tag as they stand; nil if there are none, or too many.
func (f *file) bytes(e entry, most int64) []byte {
	b, err := format.ReadSpan(f.in, e.off, e.count*width(e.kind), most)
	if err != nil {
		return nil
	}
	return b
}

// pages reads the directories of the chain.
func (f *file) pages(ctx context.Context, first int64) ([]*page, error) {
	var list []*page
	seen := map[int64]bool{}
	for off := first; off != 0; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if seen[off] {
			return nil, format.Malformed("the directory at byte %d follows itself", off)
		}
		if len(list) == maxPages {
			return nil, fmt.Errorf("more than %d pages: %w", maxPages, format.ErrLimit)
		}
		seen[off] = true
		tags, next, err := f.directory(off)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", len(list)+1, err)
		}
		p, err := f.page(tags)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", len(list)+1, err)
		}
		list = append(list, p)
		off = next
	}
	if len(list) == 0 {
		return nil, format.Malformed("there is no page")
	}
	return list, nil
}

// read opens a file and reads its pages.
func read(ctx context.Context, in format.Input) (*file, []*page, error) {
	f, first, err := open(in)
	if err != nil {
		return nil, nil, err
	}
	list, err := f.pages(ctx, first)
	return f, list, err
}

// Validate checks that the strips and tiles of all pages are in the file.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, pages, err := read(ctx, in)
	if err != nil {
		return err
	}
	for i, p := range pages {
		if err := p.inside(in.Size()); err != nil {
			return fmt.Errorf("page %d: %w", i+1, err)
		}
	}
	return nil
}

// Decode gives the first page, upright.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, pages, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	return f.decode(ctx, pages[0])
}

// Picture is the first page, or the smallest that is kept of it and large enough.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	f, pages, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	best, source := pages[0], format.Composited
	for _, p := range append(pages[1:], f.inner(pages[0])...) {
		same := p.width*pages[0].height - p.height*pages[0].width
		small := p.reduced && max(p.width, p.height) >= size/2 && max(same, -same) <= pages[0].width*p.height/25
		if small && p.width < best.width && p.check() == nil && p.inside(in.Size()) == nil {
			best, source = p, format.Embedded
		}
	}
	img, err := f.decode(ctx, best)
	if err != nil {
		return nil, err
	}
	return &format.Picture{Image: img, Source: source}, nil
}

// inner reads the directories inside of a page; none where they cannot be read.
func (f *file) inner(p *page) []*page {
	var list []*page
	for _, off := range p.inner[:min(len(p.inner), 64)] {
		tags, _, err := f.directory(off)
		if err != nil {
			continue
		}
		if q, err := f.page(tags); err == nil {
			list = append(list, q)
		}
	}
	return list
}

// Regions are the strips and tiles that are not compressed, joined where one follows another.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	f, pages, err := read(context.Background(), in)
	if err != nil {
		return nil, err
	}
	var out []format.Region
	for _, p := range pages {
		if p.compression != 1 || p.inside(in.Size()) != nil {
			continue
		}
		wide := uint8(1)
		if n := p.bits / 8; f.order == binary.LittleEndian && (n == 2 || n == 4 || n == 8) {
			wide = uint8(n)
		}
		for i, off := range p.offsets {
			n := p.counts[i]
			if k := len(out) - 1; k >= 0 && out[k].Off+out[k].Len == off && out[k].Width == wide {
				out[k].Len += n
			} else if n > 0 {
				out = append(out, format.Region{Off: off, Len: n, Width: wide})
			}
			if len(out) > format.MaxRegions {
				return nil, fmt.Errorf("more than %d strips: %w", format.MaxRegions, format.ErrLimit)
			}
		}
	}
	return out, nil
}

// Elements lists the pages.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, pages, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	var list []format.Element
	for i, p := range pages {
		e, err := f.element(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", i+1, err)
		}
		if len(pages) > 1 {
			e.ID, e.Stable, e.Kind, e.Name = fmt.Sprintf("page:%d", i+1), "", "page", fmt.Sprintf("Page %d", i+1)
		}
		if s := f.text(p, 285); s != "" {
			e.Name = s
		}
		list = append(list, e)
	}
	return list, nil
}

// Extract makes a PNG of a page.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, pages, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	for i, p := range pages {
		if id == fmt.Sprintf("page:%d", i+1) && len(pages) > 1 || id == "image" && len(pages) == 1 {
			img, err := f.decode(ctx, p)
			if err != nil {
				return nil, err
			}
			return frames.Extract(img)
		}
	}
	return nil, format.ErrNoElement
}
