// Package unity knows the text files of Unity: scenes, prefabs, assets, materials and all else that is serialised as
// YAML, the .meta beside every asset, and assembly definitions.
//
// It promises: an asset is found by the guid of its .meta, wherever it is; an object is known by its file id; where an
// object stands in the tree is no content of it. Guids of what Unity brings along are not listed: no file has them.
// What is serialised in binary is named as that, and not read.
//
// # Bytes
//
// YAML 1.1 in UTF-8, of which Unity writes a part: blocks by two spaces, flow in one or more lines, no anchors but file
// ids.
//
//	%YAML 1.1
//	%TAG !u! tag:unity3d.com,2011:
//	--- !u!1 &330585543                 class and file id; then "stripped" where a prefab has the object
//	GameObject:
//	  m_Name: Main Camera
//	  m_Component:
//	  - component: {fileID: 330585546}  an object of this file
//	  m_Icon: {fileID: 2800000, guid: 3ad57d818b4f448a190e524e494130b0, type: 3}
//
// A .meta is one document without a head: guid, and the settings of the importer.
package unity

import (
	"bytes"
	"context"
	"encoding/binary"
	"path"
	"strings"

	"varve/format"
)

const (
	maxText = 512 << 20 // bytes
	project = "ProjectSettings/ProjectVersion.txt"
	builtIn = "0000000000000000" // how the guids of what Unity brings along begin
)

// Format is the format. It has no state.
type Format struct{}

// Name is "unity".
func (Format) Name() string { return "unity" }

// Match goes by how Unity's YAML begins, and by the name of what has no such head.
func (Format) Match(name string, head []byte) bool {
	if yaml(head) {
		return true
	}
	first := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	switch strings.ToLower(path.Ext(name)) {
	case ".meta":
		return bytes.HasPrefix(first, []byte("fileFormatVersion:"))
	case ".asmdef", ".asmref":
		return bytes.HasPrefix(first, []byte("{"))
	case ".unity", ".prefab", ".asset", ".mat", ".controller", ".anim", ".overridecontroller", ".physicmaterial", ".physicsmaterial2d", ".playable", ".mask", ".rendertexture", ".lighting", ".preset", ".mixer", ".spriteatlas", ".terrainlayer":
		return serialised(head)
	}
	return false
}

func yaml(head []byte) bool {
	return bytes.HasPrefix(head, []byte("%YAML 1.1")) && bytes.Contains(head[:min(len(head), 200)], []byte("tag:unity3d.com"))
}

// serialised: Unity's binary files have sizes and a version in their first words, in network order.
func serialised(head []byte) bool {
	return len(head) >= 20 && binary.BigEndian.Uint32(head[8:]) >= 5 && binary.BigEndian.Uint32(head[8:]) <= 60 && head[0] == 0 && head[16] <= 1
}

// text reads a file. It is ErrUnsupported where that is none.
func text(in format.Input) ([]byte, error) {
	head, err := format.ReadSpan(in, 0, min(in.Size(), 64), 64)
	if err != nil {
		return nil, err
	}
	if serialised(head) {
		return nil, format.Unsupported("it is serialised in binary; with Force Text in Unity's settings (Editor, Asset Serialization) it would be text")
	}
	b, err := format.ReadSpan(in, 0, in.Size(), maxText)
	if err == nil && bytes.IndexByte(b, 0) >= 0 {
		return nil, format.Malformed("there are zero bytes in the text")
	}
	return b, err
}

// Validate is nil if every document, bracket and string is closed, and no conflict of a merge is left.
func (Format) Validate(ctx context.Context, in format.Input) error {
	head, err := format.ReadSpan(in, 0, min(in.Size(), 64), 64)
	if err != nil || serialised(head) {
		return err
	}
	_, err = read(ctx, in)
	return err
}
