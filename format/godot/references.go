package godot

import (
	"context"
	"fmt"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// References lists what a file needs: external resources, which have a uid and a path, and paths and uids in values.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	d, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	l := &lister{d: d, owners: d.owners()}
	for i := range d.sections {
		l.section(i)
		if len(l.out) > format.MaxReferences {
			return nil, fmt.Errorf("%d references: %w", len(l.out), format.ErrLimit)
		}
	}
	return l.out, nil
}

type lister struct {
	d      *document
	owners []string // element of each section
	out    []format.Reference
}

func (l *lister) section(i int) {
	d, s := l.d, &l.d.sections[i]
	if d.structured() && s.name == "ext_resource" {
		l.external(i)
		return
	}
	for _, kv := range s.attrs {
		l.value(i, kv)
	}
	for _, kv := range s.pairs {
		if s.name == "plugin" && kv.key == "script" {
			l.beside(i, kv)
			continue
		}
		if chosen := kv.key == "export_files" || kv.key == "customized_files"; chosen && !l.exported(s) {
			continue
		}
		l.value(i, kv)
	}
}

// exported: the files that a preset lists are those that it takes, not those that it leaves out.
func (l *lister) exported(s *section) bool {
	for _, kv := range s.pairs {
		if kv.key == "export_filter" {
			filter := plain(l.d.text(kv.value))
			return filter == "scenes" || filter == "resources"
		}
	}
	return false
}

func (l *lister) external(i int) {
	d, s := l.d, &l.d.sections[i]
	id := d.attr(s, "uid")
	for _, kv := range s.attrs {
		if kv.key != "path" || !quotes(d.b, kv.value) {
			continue
		}
		if r, ok := refer(d.b, span{kv.value.off + 1, kv.value.end - 1}, true); ok {
			r.Kind, r.Element = kindOf(d.attr(s, "type"), r.Path), l.owners[i]
			if r.Style == format.Rooted && named(id) {
				r.ID = id
			}
			l.out = append(l.out, r)
		}
	}
}

// value adds the paths and uids that are strings of a value. What an import makes is made again.
func (l *lister) value(i int, kv pair) {
	d, s := l.d, &l.d.sections[i]
	imported := !d.structured() && (s.name == "remap" || s.name == "deps")
	if imported && (kv.key == "source_file" || kv.key == "uid") || kv.key == "uid" && strings.HasPrefix(s.name, "gd_") {
		return
	}
	tokens(d.b, kv.value, func(t token) {
		if t.kind != '"' || t.end-t.off < 2 {
			return
		}
		inner := span{t.off + 1, t.end - 1}
		if s.name == "autoload" && d.b[inner.off] == '*' {
			inner.off++
		}
		r, ok := refer(d.b, inner, false)
		if !ok {
			return
		}
		r.Kind, r.Element = kindOf("", r.Path), l.owners[i]
		if imported {
			r.Kind, r.Optional, r.Remade = "imported", true, true
		}
		l.out = append(l.out, r)
	})
}

// beside is the script of a plugin: in its folder.
func (l *lister) beside(i int, kv pair) {
	if !quotes(l.d.b, kv.value) {
		return
	}
	if r, ok := refer(l.d.b, span{kv.value.off + 1, kv.value.end - 1}, true); ok {
		r.Kind, r.Element = "script", l.owners[i]
		l.out = append(l.out, r)
	}
}

func quotes(b []byte, s span) bool {
	return s.end-s.off >= 2 && b[s.off] == '"' && b[s.end-1] == '"'
}

func named(id string) bool { return strings.HasPrefix(id, identities) && id != "uid://<invalid>" }

// refer makes a reference of a string's inside. Where it is no path of the project nor a uid, only what may be relative
// is one. A path that names no file (a folder, a pattern) is none.
func refer(b []byte, s span, relative bool) (format.Reference, bool) {
	raw := string(b[s.off:s.end])
	r := format.Reference{Raw: raw, Style: format.Rooted, Root: root, Off: int64(s.off), Len: int64(s.end - s.off)}
	p := unescaped(raw)
	switch {
	case named(p):
		r.Style, r.Path = format.Named, p
		return r, true
	case strings.HasPrefix(p, resources):
		p = strings.TrimPrefix(p, resources)
	case !relative || p == "":
		return r, false
	case strings.Contains(p, "://"): // user://, which is the player's
		r.Style, r.Path, r.Root = format.Absolute, p, ""
		return r, true
	default:
		p, r.Style = splice.Path(p)
		r.Root = ""
	}
	p, _, _ = strings.Cut(p, "::") // a part of the file
	base := path.Base(p)
	if p == "" || strings.HasSuffix(p, "/") || strings.ContainsAny(p, "*?{}%<>|\n") || !relative && path.Ext(base) == "" {
		return r, false
	}
	r.Path = p
	return r, true
}

// kindOf says what a file is, by Godot's type of it or by its name.
func kindOf(kind, at string) string {
	for _, k := range [][2]string{{"PackedScene", "scene"}, {"Texture", "texture"}, {"Script", "script"}, {"Shader", "shader"}, {"AudioStream", "sound"}, {"Font", "font"}, {"Material", "material"},
		{"Mesh", "mesh"}, {"Animation", "animation"}, {"Theme", "theme"}, {"Environment", "environment"}, {"TileSet", "tileset"}, {"Translation", "translation"}} {
		if strings.Contains(kind, k[0]) {
			return k[1]
		}
	}
	switch strings.ToLower(path.Ext(at)) {
	case ".tscn", ".scn", ".escn", ".glb", ".gltf", ".fbx", ".blend", ".dae", ".obj":
		return "scene"
	case ".png", ".jpg", ".jpeg", ".webp", ".svg", ".bmp", ".tga", ".exr", ".hdr", ".dds", ".ktx", ".ico", ".icns":
		return "texture"
	case ".gd", ".cs":
		return "script"
	case ".gdshader", ".shader", ".gdshaderinc":
		return "shader"
	case ".wav", ".ogg", ".mp3":
		return "sound"
	case ".ttf", ".otf", ".woff", ".woff2", ".fnt":
		return "font"
	case ".cfg":
		return "settings"
	case ".po", ".translation", ".mo", ".csv":
		return "translation"
	case ".so", ".dll", ".dylib", ".wasm", ".framework", ".a":
		return "library"
	}
	return "resource"
}

// Rewrite makes a file need others.
func (f Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := f.References(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, fits)
}

// fits: a path stands in a string as it is.
func fits(_ format.Reference, next string) string {
	if next == "" || strings.ContainsAny(next, "\"\\'") || strings.ContainsFunc(next, func(c rune) bool { return c < ' ' }) {
		return "a path is not empty, and has no quotes, backslashes or control characters"
	}
	return ""
}

// Names gives the uid of a scene or resource; of an import note and of a .uid file that of the file that they go with; of
// a project the names of what it loads at the start.
func (Format) Names(ctx context.Context, in format.Input) ([]format.Name, error) {
	d, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	if d.id != "" {
		return []format.Name{{ID: d.id, Beside: ".uid"}}, nil
	}
	for i := range d.sections {
		s := &d.sections[i]
		switch {
		case s.name == "gd_scene" || s.name == "gd_resource":
			if id := d.attr(s, "uid"); named(id) {
				return []format.Name{{ID: id}}, nil
			}
			return nil, nil
		case s.name == "remap":
			n := format.Name{Beside: ".import"}
			for _, kv := range s.pairs {
				if id := plain(d.text(kv.value)); kv.key == "uid" && named(id) {
					n.ID = id
				}
			}
			return []format.Name{n}, nil
		case s.name == "autoload":
			var out []format.Name
			for _, kv := range s.pairs {
				if at, ok := strings.CutPrefix(strings.TrimPrefix(plain(d.text(kv.value)), "*"), resources); ok {
					out = append(out, format.Name{ID: inClass + kv.key, For: at})
				}
			}
			return out, nil
		}
	}
	return nil, nil
}
