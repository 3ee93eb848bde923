package blend

import (
	"context"
	"encoding/binary"

	"varve/format"
)

// seamed is the least length of a block that is worth a cut.
const seamed = 64 << 10

// Regions returns the data of big blocks, or in a compressed file its frames.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	ctx := context.Background() // the contract gives none: only heads are read
	head, err := format.ReadSpan(in, 0, min(in.Size(), 12), 12)
	if err != nil {
		return nil, err
	}
	switch packingOf(head) {
	case gzipped:
		return nil, nil
	case zstandard:
		z, err := openFrames(in)
		if err != nil || z == nil {
			return nil, err
		}
		var out []format.Region
		for _, k := range z.list {
			if k.n > 0 {
				out = append(out, format.Region{Off: k.off, Len: k.n, Width: 1})
			}
		}
		return out, nil
	}
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Region
	for i := range f.blocks {
		k := &f.blocks[i]
		if k.n < seamed {
			continue
		}
		if len(out) == format.MaxRegions {
			break
		}
		out = append(out, format.Region{Off: k.off + f.header.headLen(), Len: k.n, Width: f.elementWidth(i)})
	}
	return out, nil
}

// elementWidth is that of a block of numbers of one width; else 1.
func (f *file) elementWidth(i int) uint8 {
	s := f.structOf(i)
	if s == nil || f.header.order != binary.LittleEndian {
		return 1
	}
	w := f.leafWidth(s)
	switch w {
	case 2, 4, 8:
		return uint8(w)
	}
	return 1
}

// leafWidth is the width that all numbers of a struct have; 0 if they have several, or it has pointers.
func (f *file) leafWidth(s *structure) int {
	all := 0
	for i := range s.fields {
		d := &s.fields[i]
		w := 0
		switch {
		case d.stars > 0 || d.size == 0:
			return 0
		case d.inner >= 0:
			w = f.leafWidth(&f.dna.structs[d.inner])
		default:
			w = d.size / d.count
		}
		if w == 0 || all != 0 && w != all {
			return 0
		}
		all = w
	}
	return all
}
