package psd

import (
	"testing"

	"varve/format"
)

// large is a PSB of so many layers of 4000×3000 pixels, about 48 MB each, made of a few bytes in memory.
func large(layers int, change bool) format.Input {
	m := &made{big: true, width: 4000, height: 3000, depth: 8, mode: modeRGB, packing: packRLE}
	l := square(1, "a", 0, 1, .5, .5, .5)
	l.noise, l.box = true, box{0, 0, 3000, 4000}
	plane := m.plane(&l, l.box, 0, 1)
	var records []byte
	for i := range layers {
		k := l
		k.id, k.name = i+1, "layer"
		for _, v := range []int{k.box.top, k.box.left, k.box.bottom, k.box.right} {
			records = be(records, 4, int64(v))
		}
		records = be(records, 2, 4)
		for _, id := range []int{0, 1, 2, idAlpha} {
			records = be(be(records, 2, int64(id)), 8, int64(len(plane)))
		}
		opacity := byte(255)
		if change && i == layers/2 {
			opacity = 100
		}
		records = append(append(records, "8BIMnorm"...), opacity, 0, 8, 0)
		extra := m.extra(&k)
		records = append(be(records, 4, int64(len(extra))), extra...)
	}
	empty := *m
	empty.width, empty.height = 1, 1
	head := empty.file()[:34]
	copy(head[14:], be(be(nil, 4, 3000), 4, 4000))
	o := new(format.Output)
	_, _ = o.Write(head)
	info := 2 + int64(len(records)) + int64(layers)*4*int64(len(plane))
	pad := -info & 3
	_, _ = o.Write(be(be(be(nil, 8, 8+info+pad+4), 8, info+pad), 2, int64(layers)))
	_, _ = o.Write(records)
	in := format.Bytes(plane)
	for range layers * 4 {
		o.Span(in, 0, int64(len(plane)))
	}
	_, _ = o.Write(make([]byte, pad+4))
	merged := be(nil, 2, packRLE)
	for range 3 * m.height {
		merged = be(merged, 4, 64)
	}
	_, _ = o.Write(merged)
	row := pack(nil, make([]byte, m.width))
	for range 3 * m.height {
		_, _ = o.Write(row)
	}
	return o
}

func BenchmarkLarge(b *testing.B) {
	in, from := large(21, false), large(21, true)
	b.Run("outline", func(b *testing.B) {
		for b.Loop() {
			if _, err := (Format{}).Outline(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("elements", func(b *testing.B) {
		b.SetBytes(in.Size())
		for b.Loop() {
			if _, err := (Format{}).Elements(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("regions", func(b *testing.B) {
		for b.Loop() {
			if _, err := (Format{}).Regions(in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("validate", func(b *testing.B) {
		for b.Loop() {
			if err := (Format{}).Validate(b.Context(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("picture", func(b *testing.B) {
		for b.Loop() {
			if _, err := (Format{}).Picture(b.Context(), in, 256); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("graft", func(b *testing.B) {
		b.SetBytes(in.Size())
		for b.Loop() {
			g, err := (Format{}).Graft(b.Context(), in, from, []string{"11"})
			if err != nil {
				b.Fatal(err)
			}
			if len(g.Changed) != 1 {
				b.Fatalf("%+v", g)
			}
		}
	})
	in, from = large(4, false), large(4, true)
	b.Run("graft and merge", func(b *testing.B) {
		b.SetBytes(in.Size())
		for b.Loop() {
			g, err := (Format{}).Graft(b.Context(), in, from, []string{"3"})
			if err != nil {
				b.Fatal(err)
			}
			if len(g.Stale) != 0 {
				b.Fatalf("%+v", g)
			}
		}
	})
}
