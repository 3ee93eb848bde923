package main

import (
	"varve/format"
	"varve/format/adobe"
	"varve/format/aseprite"
	"varve/format/blend"
	"varve/format/bmp"
	"varve/format/collada"
	"varve/format/dds"
	"varve/format/exr"
	"varve/format/fbx"
	"varve/format/gguf"
	"varve/format/gif"
	"varve/format/gltf"
	"varve/format/godot"
	"varve/format/hdr"
	"varve/format/houdini"
	"varve/format/jpeg"
	"varve/format/kra"
	"varve/format/maya"
	"varve/format/mtlx"
	"varve/format/npy"
	"varve/format/nuke"
	"varve/format/obj"
	"varve/format/onnx"
	"varve/format/ora"
	"varve/format/parquet"
	"varve/format/ply"
	"varve/format/png"
	"varve/format/pnm"
	"varve/format/preview"
	"varve/format/psd"
	"varve/format/pxo"
	"varve/format/safetensors"
	"varve/format/stl"
	"varve/format/substance"
	"varve/format/svg"
	"varve/format/tga"
	"varve/format/threemf"
	"varve/format/tiff"
	"varve/format/tiled"
	"varve/format/torch"
	"varve/format/unity"
	"varve/format/unreal"
	"varve/format/usd"
	"varve/format/web"
	"varve/format/webp"
	"varve/format/xcf"
)

// formats returns the kinds of file that varve knows. Of several that match a file the first decides: what is told by
// its first bytes before what is told by its name.
func formats() format.Set {
	return format.Set{
		png.Format{}, jpeg.Format{}, gif.Format{}, bmp.Format{}, tiff.Format{}, webp.Format{}, dds.Format{}, exr.Format{}, hdr.Format{}, pnm.Format{},
		psd.Format{}, kra.Format{}, ora.Format{}, xcf.Format{}, aseprite.Format{}, blend.Format{}, gltf.Format{},
		safetensors.Format{}, safetensors.Index{}, gguf.Format{}, torch.Format{}, npy.Format{}, npy.Archive{}, onnx.Format{}, parquet.Format{}, ply.Format{}, stl.Format{}, threemf.Format{}, usd.Format{}, collada.Format{}, fbx.Format{}, svg.Format{}, obj.Format{}, obj.Library{},
		godot.Format{}, godot.Binary{}, godot.Script{}, unity.Format{}, unity.Text{}, unreal.Format{}, unreal.Settings{}, tiled.Format{}, pxo.Format{},
		maya.Format{}, nuke.Format{}, mtlx.Format{}, adobe.Premiere{}, adobe.AfterEffects{}, substance.Format{}, substance.Archive{}, houdini.Format{}, web.Page{}, web.Sheet{},
		tga.Format{}, preview.Format{},
	}
}
