package kra

import (
	"context"

	"varve/format"
	"varve/format/zipfile"
)

// worth is how long a region of tiles is at least, in bytes: shorter ones cost more to keep than they save.
const worth = 4 << 10

// Regions returns the entries' data, and of the layers whose tiles stand in the archive as they are, a region for each
// tile, or for some that are small: Krita writes the tiles of a layer in another order at every save.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	ctx := context.Background()
	d, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	whole := map[*zipfile.Entry]bool{}
	var out []format.Region
	for _, n := range d.nodes {
		for _, suffix := range n.suffixes() {
			e := n.parts[suffix]
			if !isTiles(suffix) || e.Compressed < 2*worth {
				continue
			}
			regions, err := d.tileRegions(ctx, n, suffix)
			if err != nil {
				return nil, err
			}
			if regions != nil {
				whole[e] = true
				out = append(out, regions...)
			}
			if len(out) > format.MaxRegions {
				return nil, format.ErrLimit
			}
		}
	}
	for i := range d.zip.Entries() {
		e := &d.zip.Entries()[i]
		if whole[e] || e.Compressed == 0 {
			continue
		}
		at, err := d.zip.Data(e)
		if err != nil {
			return nil, err
		}
		out = append(out, format.Region{Off: at, Len: e.Compressed, Width: 1})
	}
	return out, nil
}

// tileRegions returns the regions of the tiles of a part; nil where they are compressed once more.
func (d *document) tileRegions(ctx context.Context, n *node, suffix string) ([]format.Region, error) {
	e := n.parts[suffix]
	runs, err := d.zip.Plain(e)
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	if last := runs[len(runs)-1]; last.At+last.Len != e.Size {
		return nil, nil
	}
	t, _, err := d.tiles(ctx, n, suffix)
	if err != nil || len(t.list) == 0 {
		return nil, nil // the entry is one region then
	}
	i := 0
	place := func(at int) int64 { // of a byte of the content in the file
		for i+1 < len(runs) && runs[i+1].At <= int64(at) {
			i++
		}
		return runs[i].Off + int64(at) - runs[i].At
	}
	var out []format.Region
	start := place(t.list[0].start)
	for k := range t.list {
		end := place(t.list[k].end-1) + 1
		if end-start >= worth || k == len(t.list)-1 {
			out = append(out, format.Region{Off: start, Len: end - start, Width: 1})
			if k+1 < len(t.list) {
				start = place(t.list[k+1].start)
			}
		}
	}
	return out, nil
}
