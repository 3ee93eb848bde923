// Package fbx knows Autodesk's FBX, binary and text, of the versions 6 and 7: its models, meshes, materials, textures,
// animations and poses, what it needs of other files, and how it looks. It makes a file need others.
//
// It promises: what it writes is the file with other paths in some places, and the offsets that follow from them. The
// ids that objects have in a file, which are others at each export, are in no element. Files older than version 6 are
// checked, and cut well; more is not known of them.
//
// # Bytes
//
//	23        "Kaydara FBX Binary  " 0 1a, and 0 for little-endian, 1 for big-endian numbers
//	4         version: 7400
//	…         nodes, and an empty one
//	16        a code
//	…         zeros up to a multiple of 16, and 4
//	4 120 16  the version, zeros, a mark
//
// A node is 3 numbers of 4 bytes, from version 7500 on of 8: where it ends in the file, how many values it has, their
// bytes; a byte, its name's length; the name; the values; nodes in it, with an empty one behind them.
//
// A value is a letter and: C 1, Y 2, I F 4, L D 8 bytes; S R a length of 4 bytes and so many; b c i l f d an array of
// numbers: how many, 1 if it is deflated, and its bytes, of 4 bytes each.
//
// # Elements
//
//	object     model, with its transforms and what it shows; models in it are apart
//	mesh       geometry        material        texture
//	image      video           light, camera   node attribute
//	animation  stack, with its layers and curves
//	skin, morph                deformer, with its clusters or shapes
//	pose       and others, by the names of their classes in lower case
package fbx

import (
	"bytes"
	"context"
	"encoding/binary"
	"path"
	"strings"

	"varve/format"
	"varve/format/window"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "fbx".
func (Format) Name() string { return "fbx" }

const magic = "Kaydara FBX Binary  \x00"

// Match looks for the magic of binary files, or text that begins as FBX does.
func (Format) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte(magic)) {
		return true
	}
	return isText(head, strings.EqualFold(path.Ext(name), ".fbx"))
}

// isText reports whether a file begins with a comment that names FBX, or with its first node; by that of other kinds
// only if it is called so.
func isText(head []byte, called bool) bool {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		line = bytes.TrimSpace(line)
		if !bytes.HasPrefix(line, []byte(";")) && len(line) > 0 {
			return bytes.HasPrefix(line, []byte("FBXHeaderExtension:"))
		}
		if bytes.HasPrefix(line, []byte("; FBX ")) && (called || bytes.Contains(line, []byte("project file"))) {
			return true
		}
		head = rest
	}
	return false
}

// order is that of the bytes of numbers.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// file is one that was read.
type file struct {
	ctx     context.Context
	in      format.Input
	win     *window.Window
	ascii   []byte // all of a text file; nil of a binary one
	order   order
	version int
	root    *node
	foot    int64 // where the footer of a binary file begins
	names   map[string]string
	room    int64 // bytes that the numbers of arrays may still take
}

func open(ctx context.Context, in format.Input) (*file, error) {
	f := &file{ctx: ctx, in: in, win: window.New(in), names: map[string]string{}, room: 1<<28 + 32*in.Size()}
	head, err := format.ReadSpan(in, 0, min(in.Size(), format.HeadSize), format.HeadSize)
	if err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte(magic)):
		err = f.parseBinary()
	case isText(head, true):
		err = f.parseText()
	case len(head) < len(magic) && strings.HasPrefix(magic, string(head)):
		err = format.Malformed("the file is cut off at %d", len(head))
	default:
		err = format.Unsupported("a file that is no FBX")
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Validate checks that nodes end where they say, that arrays are as long as they say, and that all of the file is there.
func (Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(ctx, in)
	if err != nil {
		return err
	}
	if f.ascii == nil {
		if err := f.checkFooter(); err != nil {
			return err
		}
	}
	if f.version >= 6000 && f.root.first("Objects") == nil {
		return format.Malformed("the file has no objects")
	}
	return f.root.walk(func(n *node) error {
		for i := range n.values {
			if v := &n.values[i]; v.array() {
				if err := f.each(v, func(float64) {}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// walk calls do for all that is in n, each before what is in it.
func (n *node) walk(do func(*node) error) error {
	for _, k := range n.kids {
		if err := do(k); err != nil {
			return err
		}
		if err := k.walk(do); err != nil {
			return err
		}
	}
	return nil
}
