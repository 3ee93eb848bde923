package fbx

import (
	"context"
	"encoding/binary"

	"varve/format"
)

const minRegion = 4 << 10 // bytes of what is worth a cut

// Regions are arrays, files that are in this one, and the sections of the file between them.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	f, err := open(context.Background(), in)
	if err != nil {
		return nil, err
	}
	var out []format.Region
	at := int64(0)
	add := func(off, n int64, width uint8) {
		if off > at { // what is between
			out = append(out, format.Region{Off: at, Len: off - at, Width: 1})
		}
		if n > 0 {
			out = append(out, format.Region{Off: off, Len: n, Width: width})
		}
		at = off + n
	}
	var visit func(n *node)
	visit = func(n *node) {
		for i := range n.values {
			v := &n.values[i]
			if v.n < minRegion || len(out) > format.MaxRegions/2 {
				continue
			}
			switch {
			case v.kind == 'A', v.kind == 'R', v.kind == 'S', v.array() && (v.coding == 1 || f.order != binary.LittleEndian):
				add(v.off, v.n, 1)
			case v.array():
				add(v.off, v.n, uint8(v.width()))
			}
		}
		for _, k := range n.kids {
			visit(k)
		}
	}
	for _, n := range f.root.kids {
		if n.start >= at && n.end-n.start >= minRegion {
			add(n.start, 0, 1)
		}
		visit(n)
	}
	add(in.Size(), 0, 1)
	return out, nil
}
