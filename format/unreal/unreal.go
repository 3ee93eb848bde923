// Package unreal knows the packages of Unreal Engine 4 and 5 as the editor saves them, .uasset and .umap: what they
// need, and the thumbnail that they have; and the maps and assets that .ini files name.
//
// It promises: it reads the summary and the tables, whatever the size of a file. It writes nothing: only the engine can
// rewrite a package. What was cooked without versions it does not read.
//
// # Bytes
//
// Little-endian. A string is an i32 length with the zero at its end (negative: UTF-16) and text; a name is two i32: its
// number in the table of names, and what follows it + 1; an object is an i32: > 0 an export, < 0 an import, 0 none.
//
//	u32 9E2A83C1, i32 layout -4 … -9, i32, i32 UE4 version, i32 UE5 version (layout ≤ -8), i32 licensee
//	20 bytes hash, i32 header size (UE5 ≥ 1016)
//	i32 n, n × {16 bytes, i32}; i32 header size (before 1016); string folder or package; u32 flags
//	i32 names, offset; soft paths, offset (UE5 ≥ 1008); string (UE4 ≥ 516); gatherable texts, offset (UE4 ≥ 459)
//	exports, offset; imports, offset; 4 × i32 (UE5 ≥ 1015); i32 (UE5 ≥ 1014); depends
//	soft packages, offset (UE4 ≥ 384); i32 (UE4 ≥ 510); i32 offset of thumbnails
//	name     string, u32 hash (UE4 ≥ 504)
//	import   name class package, name class, object outer, name; name package (UE4 ≥ 520); i32 optional (UE5 ≥ 1003)
//	thumbs   i32 n, n × {string class, string path, i32 offset}; there i32 width, height (< 0: JPEG), n, n bytes
package unreal

import (
	"context"
	"encoding/binary"
	"path"
	"strings"

	"varve/format"
)

// Format is the format of packages. It has no state.
type Format struct{}

// Name is "unreal".
func (Format) Name() string { return "unreal" }

const tag = 0x9e2a83c1

// Match goes by the first word.
func (Format) Match(name string, head []byte) bool {
	if len(head) < 32 || binary.LittleEndian.Uint32(head) != tag {
		return false
	}
	layout := int32(binary.LittleEndian.Uint32(head[4:]))
	return layout < 0 && layout >= -64
}

// Validate is nil if the tables are whole, and the file ends as the editor ends it.
func (Format) Validate(ctx context.Context, in format.Input) error {
	p, err := open(in)
	if err != nil {
		return err
	}
	if err := p.load(ctx); err != nil {
		return err
	}
	tail, err := format.ReadSpan(in, in.Size()-4, 4, 4)
	if err == nil && p.flags&editorless == 0 && binary.LittleEndian.Uint32(tail) != tag {
		return format.Malformed("it does not end as a package does: it is cut off")
	}
	return err
}

// References lists the packages that are imported, and those that are named by paths. Of C++ and of the engine there is
// no file.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	p, err := open(in)
	if err != nil {
		return nil, err
	}
	if err := p.load(ctx); err != nil {
		return nil, err
	}
	var out []format.Reference
	seen := map[string]bool{strings.ToLower(p.name): true}
	add := func(name, kind string, soft bool) {
		if low := strings.ToLower(name); !seen[low] {
			seen[low] = true
			if r, ok := refer(name, kind); ok {
				r.Optional = soft
				out = append(out, r)
			}
		}
	}
	for i := range p.imports {
		if m := &p.imports[i]; m.class == "Package" && m.outer == 0 {
			add(m.name, kindOf(p.inside[int32(-i-1)]), m.optional)
		}
	}
	for _, s := range p.soft {
		add(s, "asset", true)
	}
	return out, nil
}

// refer makes a reference of a package's name: /Game/Maps/Town, /Plugin/Textures/Wood.
func refer(name, kind string) (format.Reference, bool) {
	r := format.Reference{Kind: kind, Raw: name, Style: format.Rooted, Endings: ".uasset|.umap"}
	if kind == "map" {
		r.Endings = ".umap|.uasset"
	}
	mount, rest, ok := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if !ok || !strings.HasPrefix(name, "/") || mount == "" || rest == "" || rest != path.Clean(rest) || strings.HasPrefix(rest, "..") {
		return r, false
	}
	r.Path = "Content/" + rest
	switch {
	case mount == "Script" || mount == "Temp" || mount == "Memory":
		return r, false
	case mount == "Engine":
		r.Style, r.Path, r.Endings = format.Named, name, ""
	case strings.EqualFold(mount, "Game"):
		r.Root = "*.uproject"
	default:
		r.Root = "**/" + mount + ".uplugin"
	}
	return r, true
}

// kindOf says what is needed, by the class of what is imported from a package.
func kindOf(class string) string {
	for _, k := range [][2]string{{"World", "map"}, {"Texture", "texture"}, {"Material", "material"}, {"StaticMesh", "mesh"}, {"SkeletalMesh", "mesh"}, {"Sound", "sound"}, {"Anim", "animation"}, {"Font", "font"}, {"Blueprint", "blueprint"}} {
		if strings.HasPrefix(class, k[0]) {
			return k[1]
		}
	}
	return "asset"
}
