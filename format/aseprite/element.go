package aseprite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"varve/format"
)

// Kinds of layer.
const (
	normalLayer  = 0
	groupLayer   = 1
	tilemapLayer = 2
)

// Flags of layers.
const (
	flagVisible    = 1
	flagEditable   = 2
	flagLockMove   = 4
	flagBackground = 8
	flagReference  = 64
)

// unique makes an id that no other element has.
func (s *sprite) unique(id string) string {
	out := id
	for n := 2; s.ids[out]; n++ {
		out = fmt.Sprintf("%s#%d", id, n)
	}
	s.ids[out] = true
	return out
}

// maxTrail bounds the names of groups that stand before a layer's, in bytes: they are repeated for each.
const maxTrail = 4096

// name gives all elements their ids.
func (s *sprite) name() {
	paths := map[*layer]string{}
	count := map[string]int{}
	for _, l := range s.layers {
		count[l.stable]++
	}
	for _, l := range s.layers {
		p := l.name
		if l.parent != nil && len(paths[l.parent]) < maxTrail {
			p = paths[l.parent] + "/" + l.name
		}
		paths[l] = p
		if l.stable == "" || count[l.stable] > 1 {
			l.stable = s.unique("layer:" + p)
			paths[l] = l.stable[len("layer:"):] // of groups of one name, what is in the second is another
		} else {
			s.ids[l.stable] = true
		}
		l.id = l.stable
	}
	for _, t := range s.tags {
		t.id = s.unique("tag:" + t.name)
	}
	for _, l := range s.slices {
		l.id = s.unique("slice:" + l.name)
	}
	for _, t := range s.tilesets {
		t.id = s.unique(fmt.Sprintf("tileset:%d", t.number))
	}
}

func (c *cel) id() string { return fmt.Sprintf("%s@%d", c.layer.id, c.frame+1) }

func frameID(i int) string { return fmt.Sprintf("frame:%d", i+1) }

const paletteID = "palette"

// Elements lists layers from the top, each with its cels and what is in it, then frames, tags, slices, tilesets and the
// palette.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	s, err := open(ctx, in, 0)
	if err != nil {
		return nil, err
	}
	var out []format.Element
	var walk func(list []*layer) error
	walk = func(list []*layer) error {
		for _, l := range slices.Backward(list) {
			e, err := s.layerElement(l)
			if err != nil {
				return err
			}
			out = append(out, e)
			for _, c := range l.cels {
				if err := ctx.Err(); err != nil {
					return err
				}
				e, err := s.celElement(ctx, c)
				if err != nil {
					return fmt.Errorf("layer %q, frame %d: %w", l.name, c.frame+1, err)
				}
				out = append(out, e)
			}
			if err := walk(l.children); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(s.roots); err != nil {
		return nil, err
	}
	for i, f := range s.frames {
		out = append(out, format.Element{ID: frameID(i), Stable: frameID(i), Kind: "frame", Name: fmt.Sprintf("Frame %d", i+1), Bytes: frameSize,
			Properties: map[string]string{"duration": fmt.Sprintf("%d ms", f.millis)}})
	}
	rest, err := s.others(ctx)
	return append(out, rest...), err
}

// others returns tags, slices, tilesets and the palette.
func (s *sprite) others(ctx context.Context) ([]format.Element, error) {
	var out []format.Element
	for _, t := range s.tags {
		e := format.Element{ID: t.id, Stable: t.id, Kind: "tag", Name: t.name, Bytes: int64(len(t.raw)), Properties: map[string]string{
			"frames":    fmt.Sprintf("%d–%d", t.from+1, t.to+1),
			"direction": pick([]string{"forward", "reverse", "ping-pong", "ping-pong reverse"}, int(t.raw[4])),
			"color":     fmt.Sprintf("#%02x%02x%02x", t.raw[13], t.raw[14], t.raw[15])},
			Aspects: map[string]string{}}
		if n := binary.LittleEndian.Uint16(t.raw[5:]); n > 0 {
			e.Properties["repeat"] = strconv.Itoa(int(n))
		}
		if t.data != nil {
			if err := s.userData(&e, []chunk{*t.data}); err != nil {
				return nil, err
			}
		}
		out = append(out, e)
	}
	for _, l := range s.slices {
		e := format.Element{ID: l.id, Stable: l.id, Kind: "slice", Name: l.name, Bytes: l.chunk.size, Properties: map[string]string{}, Aspects: map[string]string{}}
		for i, k := range l.keys {
			if i == 0 {
				e.Bounds = []float64{float64(k.x), float64(k.y), float64(k.x) + float64(k.width), float64(k.y) + float64(k.height)}
			}
			v := fmt.Sprintf("%d,%d %d×%d", k.x, k.y, k.width, k.height)
			if k.nine != "" {
				v += ", center " + k.nine
			}
			if k.pivot != "" {
				v += ", pivot " + k.pivot
			}
			e.Properties[fmt.Sprintf("from frame %d", k.frame+1)] = v
		}
		if err := s.userData(&e, l.more); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	for _, t := range s.tilesets {
		e := format.Element{ID: t.id, Stable: t.id, Kind: "tileset", Name: cmp.Or(t.name, fmt.Sprintf("Tileset %d", t.number)), Bytes: t.chunk.size, Aspects: map[string]string{},
			Properties: map[string]string{"tiles": fmt.Sprintf("%d of %d×%d", t.count, t.width, t.height)}}
		if t.packed > 0 {
			b, err := s.tilePixels(ctx, t)
			if err != nil {
				return nil, fmt.Errorf("tileset %d: %w", t.number, err)
			}
			e.Aspects["pixels"] = format.HashOf(b)
		}
		if err := s.userData(&e, t.more); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if len(s.palettes) > 0 {
		colours, err := s.palette(len(s.frames))
		if err != nil {
			return nil, err
		}
		e := format.Element{ID: paletteID, Stable: paletteID, Kind: "palette", Name: "Palette", Properties: map[string]string{"colors": strconv.Itoa(len(colours))},
			Aspects: map[string]string{"colors": format.HashOf(slices.Concat(flatten(colours)...))}}
		for _, p := range s.palettes {
			e.Bytes += p.chunk.size
		}
		out = append(out, e)
	}
	return out, nil
}

func flatten(colours [][4]byte) [][]byte {
	out := make([][]byte, len(colours))
	for i := range colours {
		out[i] = colours[i][:]
	}
	return out
}

func pick(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}

func (s *sprite) layerElement(l *layer) (format.Element, error) {
	e := format.Element{ID: l.id, Stable: l.stable, Kind: "layer", Name: l.name, Bytes: l.chunk.size, Aspects: map[string]string{},
		Properties: map[string]string{"visible": strconv.FormatBool(l.flags&flagVisible != 0)}}
	if l.parent != nil {
		e.Parent = l.parent.id
	}
	if l.kind == groupLayer {
		e.Kind = "group"
	}
	if l.kind != groupLayer || s.flags&2 != 0 {
		e.Properties["opacity"] = strconv.Itoa(int(l.opacity))
		e.Properties["blend"] = pick(blendNames(), int(l.blend))
	}
	if l.kind == tilemapLayer {
		e.Kind = "tilemap"
		e.Properties["tileset"] = strconv.Itoa(int(l.tileset))
	}
	for bit, name := range map[uint16]string{flagLockMove: "lock position", flagBackground: "background", flagReference: "reference"} {
		if l.flags&bit != 0 {
			e.Properties[name] = "true"
		}
	}
	if l.flags&flagEditable == 0 {
		e.Properties["lock"] = "true"
	}
	err := s.userData(&e, l.more)
	return e, err
}

func (s *sprite) celElement(ctx context.Context, c *cel) (format.Element, error) {
	e := format.Element{ID: c.id(), Stable: c.id(), Parent: c.layer.id, Kind: "cel", Name: fmt.Sprintf("Frame %d", c.frame+1), Bytes: c.chunk.size, Aspects: map[string]string{},
		Properties: map[string]string{}}
	r, err := c.real()
	if err != nil {
		return e, err
	}
	e.Properties["offset"] = fmt.Sprintf("%d,%d", r.x, r.y)
	e.Properties["opacity"] = strconv.Itoa(int(r.opacity))
	if c.z != 0 {
		e.Properties["z"] = strconv.Itoa(c.z)
	}
	// That it is written as a link to another frame's is none of it: a graft takes what it shows.
	w, h := r.width, r.height
	if t := s.tilesetOf(c.layer); r.kind == 3 && t != nil {
		w, h = w*t.width, h*t.height
	}
	e.Properties["size"] = fmt.Sprintf("%d×%d", w, h)
	e.Bounds = []float64{float64(r.x), float64(r.y), float64(r.x + w), float64(r.y + h)}
	if e.Aspects["pixels"], err = s.hash(ctx, r); err != nil {
		return e, err
	}
	return e, s.userData(&e, c.more)
}

// userData adds what the chunks say that follow an element.
func (s *sprite) userData(e *format.Element, more []chunk) error {
	h := sha256.New()
	some := false
	for _, c := range more {
		r := &reader{in: s.in, at: c.at + chunkSize, end: c.at + c.size}
		if c.kind == kindUserData {
			flags := r.u32()
			if flags&1 != 0 {
				e.Properties["text"] = r.text()
			}
			if flags&2 != 0 && e.Kind != "tag" {
				e.Properties["color"] = fmt.Sprintf("#%x", r.take(4))
			} else if flags&2 != 0 {
				r.skip(4)
			}
			if flags&^3 == 0 {
				continue
			}
		}
		b := r.bytes(r.end-r.at, 16<<20)
		if r.err != nil {
			return r.err
		}
		fmt.Fprintf(h, "%x %d\n", c.kind, len(b))
		h.Write(b)
		some = true
	}
	if some {
		e.Aspects["data"] = hex.EncodeToString(h.Sum(nil)[:16])
	}
	return nil
}
