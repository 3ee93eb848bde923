package main

import (
	"varve/format"
	"varve/format/aseprite"
	"varve/format/blend"
	"varve/format/bmp"
	"varve/format/collada"
	"varve/format/dds"
	"varve/format/exr"
	"varve/format/gif"
	"varve/format/gltf"
	"varve/format/hdr"
	"varve/format/jpeg"
	"varve/format/kra"
	"varve/format/obj"
	"varve/format/ora"
	"varve/format/ply"
	"varve/format/png"
	"varve/format/pnm"
	"varve/format/preview"
	"varve/format/psd"
	"varve/format/safetensors"
	"varve/format/stl"
	"varve/format/svg"
	"varve/format/tga"
	"varve/format/threemf"
	"varve/format/tiff"
	"varve/format/usd"
	"varve/format/webp"
	"varve/format/xcf"
)

// formats returns the kinds of file that varve knows. Of several that match a file the first decides: what is told by
// its first bytes before what is told by its name.
func formats() format.Set {
	return format.Set{
		png.Format{}, jpeg.Format{}, gif.Format{}, bmp.Format{}, tiff.Format{}, webp.Format{}, dds.Format{}, exr.Format{}, hdr.Format{}, pnm.Format{},
		psd.Format{}, kra.Format{}, ora.Format{}, xcf.Format{}, aseprite.Format{}, blend.Format{}, gltf.Format{},
		safetensors.Format{}, ply.Format{}, stl.Format{}, threemf.Format{}, usd.Format{}, collada.Format{}, svg.Format{}, obj.Format{}, obj.Library{}, tga.Format{}, preview.Format{},
	}
}
