// Package psd knows what is inside of Photoshop's documents, PSD and PSB: layers, groups, artboards, masks, text,
// adjustments, smart objects, layer comps. It shows them, makes files of them, and puts layers of an old version of a
// document into a newer one.
//
// It promises: what it does not change is copied byte for byte. A document is parsed into spans of its file, each byte
// in one of them; a changed document is made of those spans and of new lengths, counts and ids. Pixels are never coded
// anew, except for the merged image where that can be made again.
//
// # Bytes
//
// All numbers are big-endian. Where a length takes 8 bytes in a PSB, it takes 4 in a PSD: +.
//
//	8BPS, version (1 PSD, 2 PSB), 6 zeros, channels, height, width, depth, colour mode    26 bytes
//	4  n, colour mode data: the palette
//	4  n, image resources: 8BIM, id, name, length, data; padded to 2. 1033 and 1036 are previews, 1039 is ICC,
//	   1057 says whether the merged image is real, 1065 holds layer comps
//	+  n, layer and mask information:
//	   +  n, layers: count, records, then the channels of each record; padded to 4
//	   4  n, global mask
//	   additional information: 8BIM or 8B64, key, length (8 bytes for some keys of a PSB), data; padded to 4.
//	   Lr16 and Lr32 hold the layers of documents of 16 and 32 bits, lnkD, lnk2, lnk3 and lnkE the files of smart
//	   objects, Patt patterns
//	compression, merged image
//
// A record is box, channels (id, + length), 8BIM, blend mode, opacity, clipping, flags, 4 n, then mask, blending ranges,
// name and additional information, of which lyid is the layer's number in all versions. Records go from the bottom of
// the stack to the top; below what is in a group lies a record that says only that, above it the group's own.
//
// A channel is compression (none, PackBits by row, zip, zip of differences along the row) and rows.
package psd

import (
	"context"
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"varve/format"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "psd".
func (Format) Name() string { return "psd" }

// Match looks at the signature and the version.
func (Format) Match(name string, head []byte) bool {
	if len(head) < 6 || string(head[:4]) != "8BPS" || head[4] != 0 {
		return false
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".psd", ".psb", ".psdt", ".psbt":
		return true
	}
	return (head[5] == 1 || head[5] == 2) && len(head) >= headerSize
}

const (
	smallRegion  = 16 << 10 // bytes below which neighbours share a region
	maxInflation = 1032     // times that zip can make bytes more
)

// Regions returns the channels of layers, the files of smart objects, big blocks and resources, and the merged image.
// What is smaller than 16 KiB goes along with its neighbours.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	d, err := parse(context.Background(), in)
	if err != nil {
		return nil, err
	}
	r := &regions{}
	for i := range d.resources {
		r.add(d.resources[i].data)
	}
	r.close()
	if d.inBlock < 0 {
		r.layers(d)
	}
	files, err := d.linkedFiles()
	if err != nil {
		files = nil // what is not understood is cut as one
	}
	for i, b := range d.blocks {
		if i == d.inBlock {
			r.layers(d)
			continue
		}
		in := false
		for _, l := range files {
			if l.block == i && l.data.n > 0 {
				in = true
				r.add(l.data)
			}
		}
		if !in {
			r.add(b.data)
		}
		r.close()
	}
	r.add(d.merged)
	r.close()
	if len(r.list) > format.MaxRegions {
		return nil, fmt.Errorf("%d regions: %w", len(r.list), format.ErrLimit)
	}
	return r.list, nil
}

// regions collects spans in the order of the file; small ones that follow closely on each other become one region.
type regions struct {
	list []format.Region
	open span // of small ones
}

func (r *regions) add(p span) {
	if p.n >= smallRegion {
		r.close()
		r.list = append(r.list, format.Region{Off: p.off, Len: p.n, Width: 1})
		return
	}
	if p.n == 0 {
		return
	}
	if r.open.n > 0 && p.off-r.open.end() > smallRegion {
		r.close()
	}
	if r.open.n == 0 {
		r.open = p
	} else {
		r.open.n = p.end() - r.open.off
	}
	if r.open.n >= smallRegion {
		r.close()
	}
}

func (r *regions) close() {
	if r.open.n > 0 {
		r.list = append(r.list, format.Region{Off: r.open.off, Len: r.open.n, Width: 1})
	}
	r.open = span{}
}

// layers adds the records as one, and each channel.
func (r *regions) layers(d *document) {
	list := d.layers.list
	if len(list) == 0 {
		return
	}
	first := list[0].record.off
	r.add(span{first, list[len(list)-1].record.end() - first})
	r.close()
	for i := range list {
		for _, c := range list[i].channel {
			r.add(c.data)
		}
	}
	r.close()
}

// Validate checks the structure: every length within what it is in, and the rows of the merged image all there.
func (Format) Validate(ctx context.Context, in format.Input) error {
	d, err := parse(ctx, in)
	if err != nil {
		return err
	}
	for i := range d.layers.list {
		l := &d.layers.list[i]
		for j := range l.channel {
			if err := d.checkChannel(l, &l.channel[j]); err != nil {
				return fmt.Errorf("layer %q, channel %d: %w", l.name, l.channel[j].id, err)
			}
		}
	}
	if err := d.checkMerged(); err != nil {
		return fmt.Errorf("merged image: %w", err)
	}
	return nil
}

// checkChannel compares a channel's length with what its rows take.
func (d *document) checkChannel(l *layer, c *channel) error {
	b, err := d.channelBox(l, c.id)
	if err != nil {
		return err
	}
	if b.width() == 0 || b.height() == 0 || c.data.n < 2 {
		return nil
	}
	head, err := d.load(span{c.data.off, 2}, 2)
	if err != nil {
		return err
	}
	return d.checkRows(int(binary.BigEndian.Uint16(head)), span{c.data.off + 2, c.data.n - 2}, b.width(), int64(b.height()))
}

func (d *document) checkMerged() error {
	if d.merged.n < 2 {
		return format.Malformed("it is missing")
	}
	head, err := d.load(span{d.merged.off, 2}, 2)
	if err != nil {
		return err
	}
	rows := int64(d.height) * int64(d.channels)
	return d.checkRows(int(binary.BigEndian.Uint16(head)), span{d.merged.off + 2, d.merged.n - 2}, d.width, rows)
}

// checkRows reports whether n rows are in a span, as far as their lengths tell.
func (d *document) checkRows(packing int, at span, width int, n int64) error {
	switch packing {
	case packNone:
		if want := n * int64(rowBytes(width, d.depth)); at.n < want {
			return format.Malformed("%d bytes, want %d", at.n, want)
		}
	case packRLE:
		size := int64(2)
		if d.big {
			size = 4
		}
		if n*size > at.n {
			return format.Malformed("counts of %d rows in %d bytes", n, at.n)
		}
		s := &scan{in: d.in, at: at.off, end: at.off + n*size, what: "counts of rows"}
		sum := int64(0)
		for range n {
			if d.big {
				sum += int64(s.u32())
			} else {
				sum += int64(s.u16())
			}
		}
		if s.err != nil {
			return s.err
		}
		if sum > at.n-n*size {
			return format.Malformed("rows of %d bytes in %d", sum, at.n-n*size)
		}
		if least := n * int64((rowBytes(width, d.depth)+127)/128*2); sum < least {
			return format.Malformed("rows of %d bytes, want %d at least", sum, least)
		}
	case packZip, packPredicted:
		if most := at.n*maxInflation + 1<<16; n*int64(rowBytes(width, d.depth)) > most {
			return format.Malformed("%d bytes of zip hold no %d rows", at.n, n)
		}
	default:
		return format.Unsupported("compression %d", packing)
	}
	return nil
}
