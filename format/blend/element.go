package blend

import (
	"context"
	"fmt"

	"varve/format"
)

// Elements lists all data-blocks but those of the interface, flat, in the order of the file. Their ids are Blender's:
// "OBCube", and of what is linked from a library "OBCube LI//set.blend".
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	d := f.digester()
	out := make([]format.Element, 0, len(f.groups))
	for i := range f.groups {
		g := &f.groups[i]
		if f.hidden(g) {
			continue
		}
		if len(out) == format.MaxElements {
			return nil, fmt.Errorf("more than %d data-blocks: %w", len(out), format.ErrLimit)
		}
		e, err := f.element(ctx, d, g)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// hidden reports whether a group belongs to the interface.
func (f *file) hidden(g *group) bool {
	switch g.key[:2] {
	case "SR", "SN", "WM", "WS":
		return true
	}
	return false
}

func (f *file) element(ctx context.Context, d *digester, g *group) (format.Element, error) {
	e := format.Element{ID: g.key, Stable: g.key, Kind: kindOf(g.key), Properties: map[string]string{}}
	for i := g.first; i < g.last; i++ {
		e.Bytes += f.header.headLen() + f.blocks[i].n
	}
	e.Name = g.name[2:]
	var err error
	if g.linked {
		if g.library >= 0 {
			e.Properties["library"] = f.groups[g.library].key[2:]
		}
		return e, nil
	}
	if e.Aspects, err = d.aspects(ctx, g); err != nil {
		return e, err
	}
	return e, f.describe(g, e.Properties)
}

// kindOf is the kind of a data-block, by the two letters that its name begins with.
func kindOf(key string) string {
	switch key[:2] {
	case "OB":
		return "object"
	case "ME":
		return "mesh"
	case "MA":
		return "material"
	case "TE":
		return "texture"
	case "IM":
		return "image"
	case "LA":
		return "light"
	case "CA":
		return "camera"
	case "GR":
		return "collection"
	case "SC":
		return "scene"
	case "AC":
		return "action"
	case "IP":
		return "animation"
	case "AR":
		return "armature"
	case "NT":
		return "node tree"
	case "WO":
		return "world"
	case "TX":
		return "text"
	case "SO":
		return "sound"
	case "CU":
		return "curve"
	case "CV":
		return "curves"
	case "GD", "GP":
		return "grease pencil"
	case "KE":
		return "shape keys"
	case "LT":
		return "lattice"
	case "LI":
		return "library"
	case "MB":
		return "metaball"
	case "VF":
		return "font"
	case "BR":
		return "brush"
	case "PL":
		return "palette"
	case "PC":
		return "paint curve"
	case "PA":
		return "particles"
	case "LS":
		return "line style"
	case "MC":
		return "clip"
	case "MS":
		return "mask"
	case "CF":
		return "cache"
	case "SK":
		return "speaker"
	case "LP":
		return "light probe"
	case "PT":
		return "point cloud"
	case "VO":
		return "volume"
	case "HA":
		return "hair"
	}
	return "data"
}
