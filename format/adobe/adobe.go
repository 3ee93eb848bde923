// Package adobe knows projects of Premiere Pro (.prproj) and of After Effects (.aep, .aepx): what media they need, what is
// in them, and how to make them need others.
//
// It promises: media that several entries name is one reference. Paths lead from the folder of the project where the
// project says so. In .aepx the attributes of file references change and nothing else. A .prproj is compressed as one: in
// its text only paths change, but all of its bytes are new. An .aep is only listed. Where renders go is no need.
//
// # Bytes
//
//	prproj  gzip (or not) of XML: PremiereData of Media, Sequence, MasterClip, … ObjectID or ObjectUID names them, ObjectRef
//	        or ObjectURef means one; Media has RelativePath (from the folder of the project), FilePath, ActualMediaFilePath
//	aepx    XML: AfterEffectsProject of chunks: Fold, Item (idta, string), Pin, Als2; bdata="hex"
//	        fileReference ascendcount_base="1" ascendcount_target="3" fullpath="D:\a\b\c\x.jpg": the project and the file
//	        have a folder in common, the first so many levels up from the project, the second from the file
//	aep     "RIFX" size:4 "Egg!", chunks tag:4 size:4 … at even places, LIST of them; alas is JSON of a file reference;
//	        after it XMP
//
// # Elements
//
// Of Premiere the media, by the project's own ids, bins, clips and sequences; of After Effects the items and the layers of
// compositions, by their numbers. What is in a sequence, an item or a layer is one hash, with what is known to be of the
// window left out.
//
// # What it was held against
//
// One project of Premiere (2019) packed and plain, one .aepx of CS6, eleven .aep of CC 2018 to 2022: read whole, paths as
// they are known. That an id and a hash hold from one save to the next was seen with none of them, nor was anything
// opened in either program. Projects of Premiere that reference sequences of images are not told from others.
package adobe

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
)

// maxText is the most that a project may have, unpacked, in bytes.
const maxText = 1 << 29

// Premiere is the format of .prproj. It has no state.
type Premiere struct{}

// Name is "premiere".
func (Premiere) Name() string { return "premiere" }

// Match looks for the extension and gzip, or for the root.
func (Premiere) Match(name string, head []byte) bool {
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}) {
		return strings.EqualFold(path.Ext(name), ".prproj")
	}
	return bytes.HasPrefix(head, []byte("<?xml ")) && bytes.Contains(head, []byte("<PremiereData "))
}

// AfterEffects is the format of .aep and .aepx. It has no state.
type AfterEffects struct{}

// Name is "aftereffects".
func (AfterEffects) Name() string { return "aftereffects" }

// Match looks for what projects begin with.
func (AfterEffects) Match(_ string, head []byte) bool {
	return chunked(head) || bytes.HasPrefix(head, []byte("<?xml ")) && bytes.Contains(head, []byte("<AfterEffectsProject "))
}

func chunked(head []byte) bool {
	return len(head) >= 12 && string(head[:4]) == "RIFX" && string(head[8:12]) == "Egg!"
}

// Validate checks that a project is whole.
func (Premiere) Validate(ctx context.Context, in format.Input) error {
	_, err := openPremiere(ctx, in)
	return err
}

// Validate checks that a project is whole.
func (AfterEffects) Validate(ctx context.Context, in format.Input) error {
	_, err := openEffects(ctx, in)
	return err
}

// kindOf says what media is by its extension.
func kindOf(p string) string {
	switch strings.ToLower(path.Ext(p)) {
	case ".wav", ".mp3", ".aif", ".aiff", ".m4a", ".aac", ".flac", ".ogg", ".bwf":
		return "sound"
	case ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".tga", ".exr", ".dpx", ".psd", ".psb", ".bmp", ".gif", ".hdr", ".cin", ".ai", ".eps", ".svg", ".webp", ".pdf", ".iff", ".sgi":
		return "image"
	case ".aep", ".aepx", ".prproj", ".mogrt", ".aegraphic", ".c4d":
		return "project"
	case ".srt", ".mcc", ".scc", ".stl", ".json", ".csv", ".cube", ".3dl", ".look":
		return "data"
	}
	return "video"
}
