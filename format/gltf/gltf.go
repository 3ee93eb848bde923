// Package gltf knows glTF 2.0 and its binary form GLB: scenes, what is in them, and how to take it from one version of
// a file to another.
//
// It promises: a file is JSON and bytes that it points into. Elements are what the JSON says, not at which numbers: one
// that was exported again, with its lists in another order, has the same aspects. Nothing that stands in a file is
// numbered anew or written anew: a graft replaces elements, puts others behind those that are there, and their bytes
// behind the bytes that are there.
//
// Buffers of a .gltf are read where they lie beside it; else, and of pictures that are files, it is known where they are
// and no more.
// Draco and meshopt compression are not opened. glTF 1.0 is told apart and refused.
//
// # Bytes
//
//	0   4  "glTF"
//	4   4  2, the version
//	8   4  length of the file
//	then chunks: 4 length, 4 kind ("JSON", "BIN\0"), the bytes, filled up to a multiple of four (JSON with spaces)
//
// All numbers are little-endian. A .gltf file is the JSON alone.
package gltf

import (
	"bytes"
	"encoding/binary"
	"path"
	"strings"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "gltf".
func (Format) Name() string { return "gltf" }

// Match looks for GLB's magic, or for the extension and an opening brace.
func (Format) Match(name string, head []byte) bool {
	if len(head) >= 4 && binary.LittleEndian.Uint32(head) == magic {
		return true
	}
	if !strings.EqualFold(path.Ext(name), ".gltf") {
		return false
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	return len(head) > 0 && head[0] == '{'
}
