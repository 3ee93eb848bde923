// Package godot knows the text files of Godot 3 and 4: scenes (.tscn, .escn), resources (.tres), import notes (.import),
// settings (project.godot, export_presets.cfg, plugin.cfg, .gdextension), ids (.uid); the scripts that load others; and
// the table of what a binary scene or resource (.scn, .res) needs.
//
// It promises: numbers by which a file names its own parts ("1_abc12", 3) and their order are no content; paths are
// found by their uid first, as Godot does it; every edit is of spans. Nodes and sub-resources are put into another
// version with what they need of the file's tables, and not where what they need of the tree is gone.
//
// # Bytes
//
// Text in UTF-8, of sections. A value goes on over lines while a bracket or a string is open.
//
//	[gd_scene load_steps=4 format=3 uid="uid://…"]                     also gd_resource
//	[ext_resource type="Script" uid="uid://…" path="res://a.gd" id="1_x"]
//	[sub_resource type="BoxShape3D" id="BoxShape3D_y"]                 then key = value lines
//	[node name="Body" type="Node3D" parent="." instance=ExtResource("1_x")]
//	[connection signal="hit" from="Body" to="." method="_on_hit"]
//	[resource]                                                         of a .tres, the resource itself
//
// Binary, little-endian unless the second word is not 0. The same from that word on in compressed blocks is RSCC, u32
// mode, block size and size of all, and the sizes of the blocks; the mark is at the end again.
//
//	RSRC, big-endian, 64 bits, major, minor, version   u32 each but the first
//	type string, u64 importer's data, u32 flags, u64 uid, 11 × u32
//	u32 n, n strings; u32 n, n × {type string, path string, u64 uid if flag 2}; u32 n, n × {path string, u64 offset}
//
// A string is a u32 length, with the zero at its end, and UTF-8.
package godot

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
)

const (
	maxText    = 256 << 20 // bytes of a text file
	root       = "project.godot"
	resources  = "res://"
	identities = "uid://"
)

// Format is the format of text files. It has no state.
type Format struct{}

// Name is "godot".
func (Format) Name() string { return "godot" }

// Match goes by the name, and by how such a file begins where others have that name too.
func (Format) Match(name string, head []byte) bool {
	first := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	switch strings.ToLower(path.Ext(name)) {
	case ".tscn", ".escn", ".tres":
		return bytes.HasPrefix(first, []byte("[gd_"))
	case ".import":
		return bytes.HasPrefix(first, []byte("[remap]"))
	case ".godot", ".gdextension", ".gdnlib":
		return len(first) > 0 && (first[0] == ';' || first[0] == '[' || bytes.HasPrefix(first, []byte("config_version")))
	case ".uid":
		return bytes.HasPrefix(first, []byte(identities))
	case ".cfg":
		switch base := strings.ToLower(path.Base(name)); {
		case base == "plugin.cfg":
			return bytes.Contains(head, []byte("[plugin]"))
		case strings.HasSuffix(base, "export_presets.cfg"):
			return bytes.Contains(head, []byte("[preset."))
		case base == "override.cfg":
			return bytes.Contains(head, []byte("[")) && bytes.Contains(head, []byte("="))
		}
	}
	return false
}

// Validate is nil if every string, bracket and section is closed.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := read(ctx, in)
	return err
}

func read(ctx context.Context, in format.Input) (*document, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxText)
	if err != nil {
		return nil, err
	}
	return parse(ctx, b)
}
