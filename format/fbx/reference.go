package fbx

import (
	"context"
	"fmt"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// spot is where a path stands.
type spot struct {
	node *node
	at   int // value
	format.Reference
}

// References lists the files of textures, videos, caches and sounds. What is in the file, it does not need; where a
// path from its folder is known, it can do without the one on a machine.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	s, err := load(ctx, in)
	if err != nil {
		return nil, err
	}
	spots, err := s.spots(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]format.Reference, len(spots))
	for i := range spots {
		out[i] = spots[i].Reference
	}
	return out, nil
}

// spots finds the paths, in the order of the file.
func (s *scene) spots(ctx context.Context) (out []spot, err error) {
	for _, o := range s.objects {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.packed(o) {
			continue
		}
		first := len(out)
		leads := false
		for _, k := range o.node.kids {
			switch k.name {
			case "RelativeFilename", "Filename", "FileName":
				out = s.spot(out, o, k, 0)
				leads = leads || k.name == "RelativeFilename" && s.text(k, 0) != ""
			case "Properties60", "Properties70":
				for _, p := range s.properties(o.node) {
					if s.isPath(p) {
						out = s.spot(out, o, p.node, p.from)
					}
				}
			}
		}
		for i := first; i < len(out); i++ {
			out[i].Optional = leads && out[i].Style != format.Relative
		}
		if len(out) > format.MaxReferences {
			return nil, fmt.Errorf("more than %d paths: %w", format.MaxReferences, format.ErrLimit)
		}
	}
	return out, nil
}

// isPath reports whether a property is the path of a file.
func (s *scene) isPath(p property) bool {
	switch name := s.text(p.node, 0); name {
	case "CacheFileName", "CacheAbsoluteFileName":
		return true
	case "Path", "RelPath":
		return s.text(p.node, 1) == "KString"
	default:
		return p.from == 4 && s.text(p.node, 2) == "XRefUrl"
	}
}

// packed reports whether the file of a texture or video is in this one.
func (s *scene) packed(o *object) bool {
	if o.class != "Texture" && o.class != "Video" {
		return false
	}
	for _, at := range append([]*object{o}, s.videos(o)...) {
		if s.content(at) != nil {
			return true
		}
	}
	return false
}

func (s *scene) spot(out []spot, o *object, n *node, at int) []spot {
	v := n.value(at)
	if v == nil || v.kind != 'S' || v.n == 0 || v.n > maxPath {
		return out
	}
	raw, err := s.raw(v)
	if err != nil || strings.TrimSpace(raw) == "" || strings.Contains(raw, "\x00") {
		return out
	}
	r := format.Reference{Raw: raw, Kind: "texture", Element: s.elementOf(o).id, Off: v.off, Len: v.n}
	switch {
	case o.class == "Texture" || o.class == "Video":
	case strings.Contains(o.class, "Cache"):
		r.Kind = "cache"
	case strings.Contains(o.class, "Audio"):
		r.Kind = "sound"
	default:
		r.Kind = "file"
	}
	if s.ascii != nil {
		raw = unquote(raw)
	}
	r.Path, r.Style = splice.Path(raw)
	if r.Style == format.Relative {
		r.Path = strings.TrimPrefix(r.Path, "./")
	}
	r.Sequence = strings.Contains(strings.ToUpper(r.Path), "<UDIM>")
	if r.Path == "" {
		return out
	}
	return append(out, spot{n, at, r})
}

const maxPath = 32 << 10 // bytes

// raw is a text value as it stands in the file.
func (s *scene) raw(v *value) (string, error) {
	b, err := format.ReadSpan(s.in, v.off, v.n, maxPath)
	return string(b), err
}

// elementOf is the element that an object is, or is a part of.
func (s *scene) elementOf(o *object) *object {
	for range 8 {
		up := o
		for _, l := range o.of {
			if inner(o, l.to) {
				up = l.to
				break
			}
		}
		if up == o {
			break
		}
		o = up
	}
	return o
}
