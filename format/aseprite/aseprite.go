// Package aseprite knows Aseprite's sprites: layers, cels, tags, slices, tilesets, the palette.
//
// It promises: a layer is named by its UUID, or where the file has none by its name and those of its groups; a cel by its
// layer and frame. A graft moves chunks as they are; only numbers of layers, sizes and counts are written anew. Pictures
// are those that Aseprite shows, by its own arithmetic in 8 bits.
//
// # Bytes
//
// All numbers are little-endian. A string is u16 length and UTF-8.
//
//	header  128: u32 size of the file, u16 A5E0, u16 frames, u16 width, u16 height, u16 bits a pixel (32 RGBA,
//	        16 gray and alpha, 8 indexed), u32 flags (2 groups have opacity and blend, 4 layers have UUIDs), …,
//	        at 28 u8 index of the transparent colour, at 32 u16 colours
//	frame   16 + chunks: u32 size with chunks, u16 F1FA, u16 chunks (old), u16 milliseconds, 2, u32 chunks (0: the old count)
//	chunk   u32 size with this, u16 kind, bytes
//
// Layers and what they have in common are in the first frame, cels in each; user data follows what it is of.
package aseprite

import (
	"context"
	"encoding/binary"
	"path"
	"strings"

	"varve/format"
)

const (
	fileMagic  = 0xA5E0
	frameMagic = 0xF1FA
	headerSize = 128
	frameSize  = 16
	chunkSize  = 6
)

// Kinds of chunk.
const (
	kindOldPalette  = 0x0004
	kindOldPalette6 = 0x0011 // of 6 bits
	kindLayer       = 0x2004
	kindCel         = 0x2005
	kindCelExtra    = 0x2006
	kindProfile     = 0x2007
	kindExternal    = 0x2008
	kindTags        = 0x2018
	kindPalette     = 0x2019
	kindUserData    = 0x2020
	kindSlice       = 0x2022
	kindTileset     = 0x2023
)

// Format is the format. It has no state.
type Format struct{}

// Name is "aseprite".
func (Format) Name() string { return "aseprite" }

// Match looks for the magic numbers of the file and of its first frame.
func (Format) Match(_ string, head []byte) bool {
	return len(head) >= headerSize+6 && binary.LittleEndian.Uint16(head[4:]) == fileMagic && binary.LittleEndian.Uint16(head[headerSize+4:]) == frameMagic
}

// Validate reads the structure, and that it is as long as it says.
func (Format) Validate(ctx context.Context, in format.Input) error {
	s, err := open(ctx, in, 0)
	if err != nil {
		return err
	}
	if s.size > in.Size() {
		return format.Malformed("the file has %d bytes, and should have %d", in.Size(), s.size)
	}
	return nil
}

// Regions returns those chunks that are large: pixels.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	s, err := open(context.Background(), in, 0)
	if err != nil {
		return nil, err
	}
	var out []format.Region
	for _, f := range s.frames {
		for _, c := range f.chunks {
			if c.size >= 512 && len(out) < format.MaxRegions {
				out = append(out, format.Region{Off: c.at, Len: c.size, Width: 1})
			}
		}
	}
	return out, nil
}

// styleOf returns from where a path leads.
func styleOf(p string) format.Style {
	switch {
	case strings.HasPrefix(p, "http://") || strings.HasPrefix(p, "https://"):
		return format.URL
	case path.IsAbs(p) || len(p) > 2 && p[1] == ':':
		return format.Absolute
	}
	return format.Relative
}

// External files that are files; others are names of extensions.
const (
	externalPalette = 0
	externalTileset = 1
)

// References lists the palettes and tilesets of other files.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	s, err := open(ctx, in, 0)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, e := range s.externals {
		if e.kind > externalTileset || e.name == "" {
			continue
		}
		slashed := strings.ReplaceAll(e.name, `\`, "/")
		out = append(out, format.Reference{Kind: []string{"palette", "tileset"}[e.kind], Raw: e.name, Path: slashed, Style: styleOf(slashed), Off: e.at + 2, Len: int64(len(e.name))})
	}
	return out, nil
}

// Rewrite gives external files other names.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	s, err := open(ctx, in, 0)
	if err != nil {
		return nil, err
	}
	out := s.edit()
	for _, e := range s.externals {
		to, ok := paths[e.name]
		if !ok || e.kind > externalTileset || to == e.name {
			continue
		}
		if len(to) > 0xffff {
			return nil, &format.Refusal{Reason: "the path is longer than 65535 bytes"}
		}
		u := out.unit(e.frame, e.chunk)
		if u.data == nil {
			if u.data, err = s.read(e.chunk); err != nil {
				return nil, err
			}
		}
		at := e.at - e.chunk.at + int64(len(u.data)) - e.chunk.size // earlier names of the chunk may have grown
		b := append([]byte{}, u.data[:at]...)
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(to))), to...)
		u.data = append(b, u.data[at+2+int64(len(e.name)):]...)
		binary.LittleEndian.PutUint32(u.data, uint32(len(u.data)))
	}
	return out.write()
}
