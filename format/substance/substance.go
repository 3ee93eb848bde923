// Package substance knows packages of Substance Designer (.sbs): their graphs, functions and resources, what they need, and
// how to make them need others; and of published ones (.sbsar) whether they are whole.
//
// It promises: a package is read as XML with the places of everything; what it writes is the package with other characters
// in some attributes. What is in the package, and what the application brings along (sbs://), it does not need.
//
// # Bytes
//
//	sbs    XML: package of dependencies (dependency: filename v="?himself", "sbs://noise.sbs", "../lib/wood.sbs", uid) and
//	       content: graph, function, resource, group of content, each with identifier and uid
//	       resource: filepath v="where it came from", source: externalcopy (filename v="the file that is used"), or
//	       binembedded or binboon (it is in the package, or in a file that goes with it)
//	sbsar  7z: "7z\xbc\xaf\x27\x1c", version:2, checksum:4 of the next 20 bytes, offset:8 from byte 32 and size:8 of the
//	       header at the end, its checksum:4; little-endian
//
// # Elements
//
// Graphs, functions, resources and groups, by their identifiers with those of groups before; Stable by their uid. Where
// nodes lie is left out.
//
// # What it was held against
//
// Three packages and two published ones of Designer 2023, read whole. None of them has resources: these are as the
// application's own scripting describes them.
package substance

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// maxText is the most that a package may have, in bytes.
const maxText = 1 << 29

// Format is the format of .sbs. It has no state.
type Format struct{}

// Name is "substance".
func (Format) Name() string { return "substance" }

// Match looks for the root and what comes first in it.
func (Format) Match(name string, head []byte) bool {
	if !bytes.HasPrefix(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), []byte("<?xml ")) || !bytes.Contains(head, []byte("<package>")) {
		return false
	}
	return strings.EqualFold(path.Ext(name), ".sbs") || bytes.Contains(head, []byte("<fileUID v=\"{"))
}

type file struct {
	doc   *xmlspan.Document
	exact bool
}

func open(in format.Input) (*file, error) {
	text, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	doc, err := xmlspan.Parse(text, nil)
	if err != nil {
		return nil, err
	}
	if doc.Root.Name != "package" {
		return nil, format.Malformed("the root is %.64q", doc.Root.Name)
	}
	return &file{doc, exact}, nil
}

// Validate checks that a package is whole.
func (Format) Validate(_ context.Context, in format.Input) error {
	_, err := open(in)
	return err
}

// v returns the value of n's kid: <name v="…"/>.
func (f *file) v(n *xmlspan.Node, name string) string {
	if k := n.First(name); k != nil {
		return f.doc.Get(k, "v")
	}
	return ""
}

// Archive is the format of .sbsar. It has no state.
type Archive struct{}

// Name is "sbsar".
func (Archive) Name() string { return "sbsar" }

// Match looks for the extension and 7z.
func (Archive) Match(name string, head []byte) bool {
	return strings.EqualFold(path.Ext(name), ".sbsar") && bytes.HasPrefix(head, []byte("7z\xbc\xaf\x27\x1c"))
}

// maxHeader is the most that the header of an archive may have, in bytes.
const maxHeader = 64 << 20

// Validate checks that an archive ends with the header that it should.
func (Archive) Validate(_ context.Context, in format.Input) error {
	b, err := format.ReadSpan(in, 0, 32, 32)
	if err != nil {
		return err
	}
	if string(b[:6]) != "7z\xbc\xaf\x27\x1c" {
		return format.Malformed("no 7z")
	}
	if crc32.ChecksumIEEE(b[12:]) != binary.LittleEndian.Uint32(b[8:]) {
		return format.Malformed("the head has another checksum")
	}
	at, n := binary.LittleEndian.Uint64(b[12:]), binary.LittleEndian.Uint64(b[20:])
	if at > 1<<62 || n > 1<<62 || 32+int64(at)+int64(n) > in.Size() {
		return format.Malformed("the header is at %d of %d bytes", at, in.Size())
	}
	header, err := format.ReadSpan(in, 32+int64(at), int64(n), maxHeader)
	if err != nil {
		return err
	}
	if crc32.ChecksumIEEE(header) != binary.LittleEndian.Uint32(b[28:]) {
		return format.Malformed("the header has another checksum")
	}
	return nil
}
