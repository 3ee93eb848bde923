// Package blend knows Blender's files: their data-blocks as elements, how one of them gets back into a newer file, what
// they need of other files, their preview, their meshes.
//
// It promises: a block that a graft or a rewrite does not concern keeps its bytes. A file that was only saved again, by
// another session or compressed, has the same elements: addresses, user counts, selections and the like are no content.
// Memory is bounded by the largest data-block and by the frames that are kept, not by the file; only gzip has to be
// unpacked whole.
//
// # Bytes
//
// A file is plain, in gzip (to 2.93), or in frames of zstd with a seek table at the end (from 3.0). Inside:
//
//	BLENDER _|- v|V 279          12 bytes: pointers of 4 or 8 bytes, little or big endian, version
//	BLENDER 17 - 01 v 0500       17 bytes, from 5.0: length of the header, layout of the blocks, version
//	block head, its data; …      up to the block ENDB
//
//	     to 4.x              from 5.0
//	0    4  code             0    4  code: OB, ME, … start a data-block (ID), DATA belongs to the one before
//	4    4  length of data   4    4  struct
//	8  4|8  old address      8    8  old address: what pointers to it have as value
//	+    4  struct           16   8  length of data
//	+    4  count            24   8  count
//
// The block DNA1 says what the structs are (SDNA):
//
//	"SDNA" "NAME" n n×text0      fields: "*next", "co[3]", "(*f)()"
//	"TYPE" n n×text0 "TLEN" n×u16
//	"STRC" n n×(type u16, fields u16, fields×(type u16, name u16)); each tag is aligned to 4
//
// The block TEST is a preview: width, height (4 bytes each), rows of RGBA from the bottom.
package blend

import (
	"bytes"
	"context"

	"varve/format"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "blend".
func (Format) Name() string { return "blend" }

// Match looks for the header; in a compressed file, which others may be too, for the name.
func (Format) Match(name string, head []byte) bool {
	switch packingOf(head) {
	case plain:
		_, err := parseHeader(head)
		return err == nil || named(name)
	case gzipped, zstandard:
		return named(name)
	}
	return false
}

// Validate follows the blocks to the end, reads the structs, and unpacks all that is packed.
func (Format) Validate(ctx context.Context, in format.Input) error {
	f, err := open(ctx, in)
	if err != nil {
		return err
	}
	if z, ok := f.body.(*frames); ok {
		return z.check(ctx)
	}
	return nil
}

// named reports whether a file is called as Blender's are: .blend, and its copies .blend1, .blend2, ….
func named(name string) bool {
	i := bytes.LastIndexByte([]byte(name), '.')
	if i < 0 {
		return false
	}
	ext := bytes.ToLower([]byte(name[i+1:]))
	rest, ok := bytes.CutPrefix(ext, []byte("blend"))
	return ok && len(rest) <= 2 && len(bytes.Trim(rest, "0123456789")) == 0
}
