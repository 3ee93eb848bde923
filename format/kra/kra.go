// Package kra knows KRA, the document of Krita: a zip archive of an XML file that says what layers there are and of
// files that hold them.
//
// It promises: what is put into a document is the other's own text and data; the rest of it stays, the entries of the
// archive byte for byte. The same layer has the same hashes in every save in which it was not changed: Krita writes tiles
// and attributes in another order each time, numbers the layers' files anew, and dates the colour profiles.
//
// # Bytes
//
//	mimetype              application/x-krita
//	maindoc.xml           DOC/IMAGE (width, height, name, colorspacename), in it layers, in it layer and mask: name, uuid,
//	                      nodetype, filename, and what they have in masks and layers
//	NAME/layers/FILE      pixels of a paint layer; NAME is the image's, FILE the layer's filename:
//	                        "VERSION 2\nTILEWIDTH 64\nTILEHEIGHT 64\nPIXELSIZE n\nDATA tiles\n", and per tile
//	                        "x,y,LZF,length\n" and length bytes: 0 and the pixels as they are, or 1 and LZF of the
//	                        pixels' first bytes, then their second, …; before version 2 "tiles\n" and "x,y,w,h\n" with the
//	                        pixels as they are
//	FILE.defaultpixel     the pixel where there is no tile
//	FILE.icc              the layer's colour profile
//	FILE.pixelselection   of masks, and of layers that have one: pixels of one byte, with a .defaultpixel
//	FILE.shapelayer/content.svg, FILE.shapeselection/content.svg   vectors
//	FILE.filterconfig, FILE.transformconfig                        XML
//	FILE.keyframes.xml    channels of keyframes; frames of pixels are FILE.fN, with a .defaultpixel each
//	NAME/annotations/     icc, layerstyles.asl and others
//	preview.png           up to 256 pixels
//	mergedimage.png       the whole picture
//
// Pixels of integers are blue, green, red, alpha, those of floats red first; gray, CMYK, L*a*b*, XYZ and Y'CbCr in their
// order, alpha last. LZF is bytes c: below 32, c+1 bytes follow as they are; else c>>5 (of 7: plus the next byte) and 2
// bytes are repeated from (c&31)<<8 plus the next byte and 1 before.
package kra

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "kra".
func (Format) Name() string { return "kra" }

// Match looks for a zip archive whose first entry says what it is, or that has the extension.
func (Format) Match(name string, head []byte) bool {
	if !bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return false
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".kra", ".krz":
		return true
	}
	return len(head) > 57 && string(head[30:38]) == "mimetype" && bytes.HasPrefix(head[38:], []byte("application/x-krita"))
}

// Validate checks that every part of the document is there and whole, and that no tile is missing.
func (Format) Validate(ctx context.Context, in format.Input) error {
	d, err := open(ctx, in)
	if err != nil {
		return err
	}
	if err := d.zip.Validate(ctx, true); err != nil {
		return err
	}
	for _, n := range d.nodes {
		if err := d.validate(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// validate checks that what a layer or mask cannot be without is there, and its tiles.
func (d *document) validate(ctx context.Context, n *node) error {
	need := map[string]string{"paintlayer": "", "shapelayer": ".shapelayer/content.svg"}
	if suffix, ok := need[n.Kind]; ok && n.parts[suffix] == nil && !d.legacy() {
		return format.Malformed("%s: its data, %s%s, is not there", n, n.file, suffix)
	}
	for _, suffix := range n.suffixes() {
		if !isTiles(suffix) {
			continue
		}
		if _, err := d.survey(ctx, n, suffix); err != nil {
			return err
		}
	}
	frames, err := d.frames(ctx, n)
	if err != nil {
		return err
	}
	for _, f := range frames {
		if n.parts[f.suffix] == nil {
			return format.Malformed("%s: the frame at %s, %s%s, is not there", n, f.time, n.file, f.suffix)
		}
	}
	return nil
}
