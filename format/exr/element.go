package exr

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"strconv"
	"strings"

	"varve/format"
)

// id names a part: by its name, which is unique in a file with several, or its number.
func (p *part) id() string {
	if p.name != "" {
		return "part:" + strings.ToValidUTF8(p.name, "\ufffd")
	}
	return fmt.Sprintf("part:%d", p.index)
}

func (p *part) layerID(layer string) string     { return p.id() + "/layer:" + layer }
func (p *part) channelID(channel string) string { return p.id() + "/channel:" + channel }

// Elements lists parts, each with its layers and channels. Channels are in the layer that their names begin with.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Element
	seen := map[string]bool{}
	for _, p := range f.parts {
		if seen[p.id()] {
			return nil, format.Malformed("two parts are called %q", p.name)
		}
		seen[p.id()] = true
		list, err := f.partElements(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.id(), err)
		}
		out = append(out, list...)
	}
	return out, nil
}

func (f *file) partElements(ctx context.Context, p *part) ([]format.Element, error) {
	name := p.name
	if name == "" {
		name = fmt.Sprintf("Part %d", p.index+1)
	}
	e := format.Element{ID: p.id(), Stable: p.id(), Kind: "part", Name: strings.ToValidUTF8(name, "\ufffd"), Bytes: p.end - p.at, Aspects: map[string]string{},
		Bounds: []float64{float64(p.data.x0 - p.display.x0), float64(p.data.y0 - p.display.y0), float64(p.data.x1 - p.display.x0 + 1), float64(p.data.y1 - p.display.y0 + 1)}}
	var err error
	if e.Properties, err = f.properties(p, &e); err != nil {
		return nil, err
	}
	hashes, sizes, err := f.hashes(ctx, p, &e)
	if err != nil {
		return nil, err
	}
	out := []format.Element{e}
	add := func(i int, parent, name string) {
		c := &p.channels[i]
		x := format.Element{ID: p.channelID(c.name), Stable: p.channelID(c.name), Parent: parent, Kind: "channel", Name: name, Bytes: sizes[i],
			Properties: map[string]string{"type": []string{"uint", "half", "float"}[c.kind]}, Aspects: map[string]string{}}
		if c.xs > 1 || c.ys > 1 {
			x.Properties["sampling"] = fmt.Sprintf("%d×%d", c.xs, c.ys)
		}
		if c.linear {
			x.Properties["perceptually linear"] = "true"
		}
		if hashes != nil {
			x.Aspects["pixels"] = hashes[i]
		}
		out = append(out, x)
	}
	for i := range p.channels {
		if !strings.Contains(p.channels[i].name[1:], ".") {
			add(i, p.id(), p.channels[i].name)
		}
	}
	for _, l := range p.layerNames() {
		out = append(out, format.Element{ID: p.layerID(l), Stable: p.layerID(l), Parent: p.id(), Kind: "layer", Name: l})
		for i := range p.channels {
			if name := p.channels[i].name; strings.LastIndexByte(name, '.') == len(l) && strings.HasPrefix(name, l) {
				add(i, p.layerID(l), name[len(l)+1:])
			}
		}
	}
	return out, nil
}

// hashes returns a hash of each channel's samples and how many bytes those have. Of parts whose samples cannot be read, the
// part has one of its chunks.
func (f *file) hashes(ctx context.Context, p *part, e *format.Element) ([]string, []int64, error) {
	sizes := make([]int64, len(p.channels))
	if p.deep || p.compression > 7 {
		h, err := f.chunkHash(ctx, p)
		e.Aspects["chunks"] = h
		return nil, sizes, err
	}
	all := make([]hash.Hash, len(p.channels))
	for i := range all {
		all[i] = sha256.New()
	}
	lost, err := f.scan(ctx, p, p.full(), true, func(y int, lines [][]byte) error {
		for i, line := range lines {
			if line == nil {
				fmt.Fprintf(all[i], "no %d\n", y)
				continue
			}
			all[i].Write(line)
			sizes[i] += int64(len(line))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if lost > 0 {
		e.Properties["missing"] = fmt.Sprintf("%d chunks", lost)
	}
	if len(p.levels) > 1 {
		e.Properties["levels"] = strconv.Itoa(len(p.levels))
		h := sha256.New()
		for _, l := range p.levels[1:] {
			if _, err := f.scan(ctx, p, l, true, func(_ int, lines [][]byte) error {
				for _, line := range lines {
					h.Write(line)
				}
				return nil
			}); err != nil {
				return nil, nil, err
			}
		}
		e.Aspects["levels"] = hex.EncodeToString(h.Sum(nil)[:16])
	}
	out := make([]string, len(all))
	for i, h := range all {
		out[i] = hex.EncodeToString(h.Sum(nil)[:16])
	}
	return out, sizes, nil
}

func (f *file) chunkHash(ctx context.Context, p *part) (string, error) {
	offsets, err := f.offsets(p)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for i, at := range offsets {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		c, err := f.chunk(p, i, at)
		if err != nil {
			fmt.Fprintf(h, "no %d\n", i)
			continue
		}
		b, err := format.ReadSpan(f.in, c.at, c.size, 1<<30)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// properties returns the attributes of a part, as text: those of unknown types as hashes among the aspects.
func (f *file) properties(p *part, e *format.Element) (map[string]string, error) {
	names := []string{"none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB"}
	out := map[string]string{"compression": strconv.Itoa(int(p.compression)), "data window": p.data.String(), "display window": p.display.String(), "kind": "scanlines"}
	if int(p.compression) < len(names) {
		out["compression"] = names[p.compression]
	}
	if p.tiled {
		out["kind"] = fmt.Sprintf("tiles of %d×%d", p.tw, p.th)
	}
	if p.deep {
		out["kind"] = "deep " + out["kind"]
	}
	for _, a := range p.attrs {
		switch a.name {
		case "channels", "compression", "dataWindow", "displayWindow", "tiles", "name", "type", "chunkCount", "lineOrder":
			continue
		}
		b, err := format.ReadSpan(f.in, a.off, a.n, maxValue)
		if err != nil {
			return nil, err
		}
		if text, ok := textOf(a.kind, b); ok {
			out[strings.ToValidUTF8(a.name, "\ufffd")] = text
		} else {
			e.Aspects[strings.ToValidUTF8(a.name, "\ufffd")] = format.HashOf([]byte(a.kind), b)
		}
	}
	return out, nil
}

// textOf returns a value as text; false for a type that has none.
func textOf(kind string, b []byte) (string, bool) {
	f32 := func(i int) string {
		return strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))), 'g', -1, 32)
	}
	several := func(n int, one func(i int) string) (string, bool) {
		if len(b) != 4*n {
			return "", false
		}
		out := make([]string, n)
		for i := range out {
			out[i] = one(i)
		}
		return strings.Join(out, " "), true
	}
	i32 := func(i int) string { return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(b[4*i:])))) }
	switch kind {
	case "string":
		return strings.ToValidUTF8(string(b[:min(len(b), 4096)]), "\ufffd"), len(b) <= 4096
	case "int":
		return several(1, i32)
	case "v2i", "rational":
		return several(2, i32)
	case "box2i":
		return several(4, i32)
	case "timecode":
		if len(b) != 8 {
			return "", false
		}
		return fmt.Sprintf("%02x:%02x:%02x:%02x", b[3]&0x3f, b[2]&0x7f, b[1]&0x7f, b[0]&0x3f), true
	case "float":
		return several(1, f32)
	case "v2f":
		return several(2, f32)
	case "v3f":
		return several(3, f32)
	case "box2f":
		return several(4, f32)
	case "chromaticities":
		return several(8, f32)
	case "m33f":
		return several(9, f32)
	case "m44f":
		return several(16, f32)
	case "double":
		if len(b) == 8 {
			return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(b)), 'g', -1, 64), true
		}
	case "envmap":
		if len(b) == 1 {
			return strconv.Itoa(int(b[0])), true
		}
	}
	return "", false
}
