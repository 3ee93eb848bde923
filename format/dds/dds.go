// Package dds knows DirectDraw surfaces: textures with mip levels, cube faces, layers and slices, plain or in blocks of
// 4×4 pixels (BC1 to BC7).
//
// It promises: whole numbers of up to 8 bits are kept as 8, of up to 16 as 16; floats of any width as floats, which are
// linear light. Two channels are red and green. Signed numbers of 8 and 16 bits are kept with 0 in the middle. A file
// that ends before its surfaces do is malformed.
//
// # Bytes, little-endian
//
//	0    4   "DDS "
//	4  124   124, flags, height, width, pitch, depth, mips u32, 11 reserved; the pixel format: 32, flags (1 alpha, 2 only
//	         alpha, 4 by name, 20000 luminance), name, bits, masks of red, green, blue, alpha; caps; caps 2 (200 cube,
//	         fc00 its faces, 200000 volume), 3 reserved
//	128 20   if the name is "DX10": DXGI format, dimension, flags (4 cube), layers, alpha mode u32
//	         for each layer and face its mip levels, the largest first, each of its slices
package dds

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"path"
	"strings"

	"varve/format"
	"varve/format/frames"
	"varve/format/raster"
)

const (
	maxSurfaces = 1 << 16
	maxSide     = 1 << 16
)

// Format is the format. It has no state.
type Format struct{}

// Name is "dds".
func (Format) Name() string { return "dds" }

// Match looks for the signature, also for a file of that name which was not written.
func (Format) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte("DDS ")) {
		return true
	}
	return strings.EqualFold(path.Ext(name), ".dds") && len(bytes.Trim(head, "\x00")) == 0
}

// file is what the header of a file says.
type file struct {
	in            format.Input
	width, height int
	layout        layout
	premultiplied bool
	surfaces      []surface
	end           int64
}

// surface is one picture of the file.
type surface struct {
	part          string // of the texture: "" where there is one only
	level         int
	width, height int
	off           int64
}

// id of a surface.
func (s *surface) id() string {
	switch {
	case s.level > 0 && s.part != "":
		return fmt.Sprintf("mip:%s:%d", s.part, s.level)
	case s.level > 0:
		return fmt.Sprintf("mip:%d", s.level)
	case s.part != "":
		return "face:" + s.part
	}
	return "image"
}

// open reads the header and says where the surfaces are.
func open(in format.Input) (*file, error) {
	b, err := format.ReadSpan(in, 0, min(in.Size(), 148), 148)
	if err != nil {
		return nil, err
	}
	u32 := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	if len(b) < 128 || string(b[:4]) != "DDS " || u32(4) != 124 || u32(76) != 32 {
		return nil, format.Malformed("a header of %d bytes that begins with %.4q", len(b), b)
	}
	f := &file{in: in, width: int(u32(16)), height: int(u32(12))}
	depth, mips, layers := int(u32(24)), int(u32(28)), 1
	caps := u32(112)
	data := int64(128)
	if u32(84) == fourCC("DX10") && u32(80)&4 != 0 {
		if len(b) < 148 {
			return nil, format.Malformed("cut off: a header of %d bytes", len(b))
		}
		data = 148
		f.layout, err = dxgi(u32(128))
		layers = int(u32(140))
		if u32(136)&4 != 0 {
			caps |= 0xfe00
		}
		f.premultiplied = u32(144)&7 == 2
	} else {
		f.layout, f.premultiplied, err = named(u32(80), u32(84), u32(88), [4]uint32{u32(92), u32(96), u32(100), u32(104)})
	}
	if err != nil {
		return nil, err
	}
	if f.width <= 0 || f.height <= 0 || f.width > maxSide || f.height > maxSide || mips > 32 || layers < 1 || layers > 4096 {
		return nil, format.Malformed("%d layers of %d×%d with %d mip levels", layers, f.width, f.height, mips)
	}
	if caps&0x200000 == 0 {
		depth = 1
	}
	if depth < 1 || depth > 4096 {
		return nil, format.Malformed("a volume of %d slices", depth)
	}
	return f, f.lay(data, layers, caps, depth, max(1, mips))
}

// lay finds the surfaces.
func (f *file) lay(data int64, layers int, caps uint32, depth, mips int) error {
	faces := []string{""}
	if caps&0x200 != 0 {
		faces = nil
		for i, name := range []string{"+x", "-x", "+y", "-y", "+z", "-z"} {
			if caps&(0x400<<i) != 0 {
				faces = append(faces, name)
			}
		}
	}
	f.end = data
	for layer := range layers {
		for _, face := range faces {
			if layers > 1 {
				face = fmt.Sprintf("%d%s", layer, face)
			}
			for level := range mips {
				for slice := range max(1, depth>>level) {
					s := surface{part: face, level: level, width: max(1, f.width>>level), height: max(1, f.height>>level), off: f.end}
					if depth > 1 {
						s.part = fmt.Sprintf("z%d", slice)
					}
					if len(f.surfaces) == maxSurfaces {
						return fmt.Errorf("more than %d surfaces: %w", maxSurfaces, format.ErrLimit)
					}
					f.surfaces = append(f.surfaces, s)
					f.end += f.layout.bytes(s.width, s.height)
				}
			}
		}
	}
	if len(f.surfaces) == 0 {
		return format.Malformed("a cube without faces")
	}
	return nil
}

// whole reports whether all surfaces are in the file.
func (f *file) whole() error {
	if f.end > f.in.Size() {
		return format.Malformed("cut off: the surfaces end at byte %d, the file at %d", f.end, f.in.Size())
	}
	return nil
}

// pixels decodes a surface.
func (f *file) pixels(ctx context.Context, s *surface) (*raster.Image, error) {
	l := &f.layout
	b, err := format.ReadSpan(f.in, s.off, l.bytes(s.width, s.height), 1<<33)
	if err != nil {
		return nil, err
	}
	img, err := raster.New(s.width, s.height, l.model(), l.alpha, l.depth)
	if err != nil {
		return nil, err
	}
	img.Linear = l.depth == raster.F32
	img.Premultiplied = f.premultiplied && l.alpha
	if l.block > 0 {
		return img, l.blocks(ctx, img, b)
	}
	return img, l.plain(ctx, img, b)
}

// Validate checks that the surfaces are in the file.
func (Format) Validate(_ context.Context, in format.Input) error {
	f, err := open(in)
	if err != nil {
		return err
	}
	return f.whole()
}

// Decode gives the largest level, of the first face, layer or slice.
func (Format) Decode(ctx context.Context, in format.Input) (*raster.Image, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	return f.pixels(ctx, &f.surfaces[0])
}

// Picture is the smallest level that is large enough.
func (Format) Picture(ctx context.Context, in format.Input, size int) (*format.Picture, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	best, parts := &f.surfaces[0], 0
	for i := range f.surfaces {
		s := &f.surfaces[i]
		if s.part == f.surfaces[0].part && max(s.width, s.height) >= size/2 && s.width < best.width {
			best = s
		}
		if s.level == 0 {
			parts++
		}
	}
	p, err := f.pixels(ctx, best)
	if err != nil {
		return nil, err
	}
	out := &format.Picture{Image: p, Source: format.Composited}
	if best.level > 0 {
		out.Source = format.Embedded
	}
	if parts > 1 {
		out.Note = fmt.Sprintf("the first of %d", parts)
	}
	return out, nil
}

// Regions are the surfaces, where their samples are whole or floating numbers of 16 or 32 bits.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	wide := f.layout.wide()
	off := f.surfaces[0].off
	if wide < 2 || f.whole() != nil || f.end == off {
		return nil, nil
	}
	return []format.Region{{Off: off, Len: f.end - off, Width: wide}}, nil
}

// Elements lists the picture or the faces, layers or slices, each with its mip levels in it.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	if err := f.whole(); err != nil {
		return nil, err
	}
	var list []format.Element
	first := map[string]string{}
	for i := range f.surfaces {
		s := &f.surfaces[i]
		p, err := f.pixels(ctx, s)
		if err != nil {
			return nil, err
		}
		e := frames.Element(s.id(), "face", "Face "+s.part, p, 0, 0)
		switch {
		case s.level > 0:
			e.Kind, e.Name, e.Parent = "mip", fmt.Sprintf("Mip %d", s.level), first[s.part]
		case s.part == "":
			e.Kind, e.Name = "image", "Image"
		}
		if s.level == 0 {
			first[s.part] = e.ID
		}
		e.Stable, e.Bytes = e.ID, f.layout.bytes(s.width, s.height)
		e.Properties["layout"] = f.layout.name
		list = append(list, e)
	}
	return list, nil
}

// Extract makes a PNG of a surface.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(in)
	if err != nil {
		return nil, err
	}
	for i := range f.surfaces {
		if f.surfaces[i].id() == id {
			p, err := f.pixels(ctx, &f.surfaces[i])
			if err != nil {
				return nil, err
			}
			return frames.Extract(p)
		}
	}
	return nil, format.ErrNoElement
}
